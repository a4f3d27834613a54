"""Two plain guards against a reward that is pushed too far: a ceiling, and a price on length.

(1) ceiling   r' = min(r, c)
(2) length    at the end of an episode of n steps, r' = r - b (n - n_0)

Both are among what Fu et al. (arXiv 2502.18770) compare PAR with, there with b = 0.01 and n_0 = 300. unverified:
whether episodes shorter than n_0 are paid, as here, or not.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from payoff.envs.core.params import check_integer, check_number
from payoff.wrappers.base import RewardMethod, RowMethod, Transition
from payoff.wrappers.rows import Array

__all__ = ["Ceiling", "LengthPenalty"]


class Ceiling(RewardMethod):
    """r' = min(r, limit) at each step, equation (1).

    Not above ``limit``. Optimal policies stay where no reward is above it; else those that differ only in rewards above
    the ceiling become equal, and many steps at the ceiling beat one that was above.

    Args:
        limit: c.

    Raises:
        ValueError: ``limit`` is no number.
    """

    term: ClassVar[str] = "shaping"

    def __init__(self, limit: float) -> None:
        check_number("limit", limit, -np.inf)
        self.limit = limit

    def __call__(self, t: Transition) -> Array:
        """New rewards."""
        return np.minimum(t.reward, self.limit)


class LengthPenalty(RowMethod):
    """Subtracts coef * (n - free) at the end of an episode of n steps, equation (2).

    Both kinds of end pay; an episode of fewer than ``free`` steps is paid for it. The undiscounted return changes by
    coef * free - coef * n: as if every step cost coef. It does not keep optimal policies, unless all episodes are
    equally long.

    Args:
        coef: b, at least 0.
        free: n_0, steps.

    Raises:
        ValueError: an argument is out of its range.
    """

    term: ClassVar[str] = "shaping"
    counts: ClassVar[tuple[str, ...]] = ("steps",)

    def __init__(self, coef: float = 0.01, free: int = 300) -> None:
        check_number("coef", coef, 0.0)
        check_integer("free", free, 0)
        super().__init__()
        self.coef = coef
        self.free = free

    def blank(self) -> dict[str, Array]:
        """``steps`` of the episode."""
        return {"steps": np.zeros((), dtype=np.int64)}

    def __call__(self, t: Transition) -> Array:
        """New rewards."""
        self.check_rows(t)
        steps = self.memory["steps"] + t.active
        self.memory["steps"] = steps
        return t.reward - np.where(t.terminated | t.truncated, self.coef * (steps - self.free), 0.0)
