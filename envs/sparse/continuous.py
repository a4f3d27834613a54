"""What the environments share whose state is a few real numbers: every setting shows them all, and a clock if asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.envs.core.game import ObservationPlan
from payoff.envs.sparse.settings import chosen

__all__ = ["SETTINGS", "Observe", "plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """An observation setting, the same object in every view.

    Attributes:
        clock: whether steps taken over the horizon come last.
    """

    clock: bool = False

    def __post_init__(self) -> None:
        """Check the field (ValueError names it and what is allowed)."""
        if not isinstance(self.clock, bool):
            raise ValueError(f"observe.clock must be True or False, got {self.clock!r}")


SETTINGS = {"full": Observe(), "private": Observe(), "minimal": Observe()}


def plan(rows: Sequence[Any], setting: Any, names: Sequence[str]) -> ObservationPlan:
    """Observation plan; its table is one over the horizon of each parameter row.

    Args:
        rows: parameters of each copy, or one for all, with a field ``max_steps``.
        setting: a name of SETTINGS or an :class:`Observe`.
        names: the numbers that are shown.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor an Observe.
    """
    clock = ["clock"] if chosen(setting, SETTINGS, Observe).clock else []
    return ObservationPlan(np.array([1.0 / p.max_steps for p in rows]), (*names, *clock), sees_actions=False)
