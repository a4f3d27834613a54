"""What a reward is learned for; see :mod:`payoff.baselines.reward_learners`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gymnasium.vector import VectorEnv

from payoff.baselines.environments import make_vector
from payoff.baselines.methods import Ending
from payoff.baselines.training import OnProgress

__all__ = ["Problem"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a reward is learned for, and where.

    Attributes:
        env_id: environment.
        keywords: game parameters and view settings, the reward layer among them.
        gamma: discount of whoever trains under the reward.
        on_truncation: what that learner takes the end of a truncated episode for.
        seed: of everything that is random.
        checkpoint: file for the learner's own state, so that it can go on after a kill; None: it keeps none.
        on_progress: called with (done, in all), in units of the learner's own; None: nobody asks.
    """

    env_id: str
    keywords: Mapping[str, Any]
    gamma: float
    on_truncation: Ending
    seed: int
    checkpoint: Path | None = None
    on_progress: OnProgress | None = None

    def make(self, num_envs: int) -> VectorEnv:
        """The environment as single-agent trainers see it, all copies unwrapped, with full infos."""
        return make_vector(self.env_id, num_envs, {"info": "full", **self.keywords})
