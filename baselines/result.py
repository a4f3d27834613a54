"""What a trainer hands back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.baselines.policies import Policy

__all__ = ["CURVES", "Result"]

CURVES = ("step", "welfare", "reward", "cooperation", "episode_length")


@dataclass(frozen=True)
class Result:
    """A finished training.

    Attributes:
        policy: the trained policy, for the action format it was trained with (``unit`` when actions are continuous).
        curve: name -> ``(updates,)`` float64, means over the training episodes that ended in an update, NaN where none
            did. ``step``: environment steps so far, all copies together. ``welfare``: sum over seats of the payoffs of
            an episode. ``reward``: sum over the learned seats of the rewards of an episode, in the units of the reward
            that was trained on. ``cooperation``: mean of action / endowment, NaN where actions are no amounts.
            ``episode_length``: steps. A trainer may add curves of its own, which no row of results holds.
        wall_seconds: elapsed time, the time before an interruption included.
        cpu_seconds: processor time, likewise.
        steps: environment steps, all copies together.
        args: settings of the trainer.
    """

    policy: Policy
    curve: dict[str, np.ndarray]
    wall_seconds: float
    cpu_seconds: float
    steps: int
    args: Any
