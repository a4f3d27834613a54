"""Count bonus: states are worth less the more often they were visited, in all episodes together.

(1) b = N(s')^-p, p = 1/2

N(s') counts this visit, so the first one is worth 1. The square root is that of the confidence bounds of model-based
interval estimation (Strehl and Littman 2008), made a reward by Bellemare et al. (2016); as the global bonus in Henaff,
Jiang and Raileanu (2023).
"""

from __future__ import annotations

import numpy as np

from payoff.envs.core.params import check_flag, check_number
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.base import Part
from payoff.wrappers.bonus.keys import Key
from payoff.wrappers.bonus.visits import KeyedBonus, Visits
from payoff.wrappers.rows import Array

__all__ = ["Count"]


class Count(KeyedBonus):
    """b = N(s')^-power, in (0, 1]; N counts visits in all episodes, starts of episodes included.

    The table keeps every state that was ever met, about 100 bytes each, and a snapshot copies it. Where observations
    are real numbers nearly all of them are new, so that ``key`` should round or pick.

    Args:
        key: what identifies a state; None: the whole observation.
        power: p, above 0.
        per_row: each row counts for itself, for independent learners in one batch; else all rows, and all environments
            that this bonus serves, count together.

    Raises:
        TypeError: ``key`` cannot be called.
        ValueError: another argument is out of its range.

    >>> Count(power=1.0).power
    1.0
    """

    def __init__(self, key: Key | None = None, *, power: float = 0.5, per_row: bool = False) -> None:
        check_number("power", power, 0.0, open_low=True)
        check_flag("per_row", per_row)
        super().__init__(key)
        self.power = power
        self.visits = Visits(common=not per_row)

    def parts(self) -> dict[str, Part]:
        """``visits``: N."""
        return {"visits": self.visits}

    def score(self, t: Transition) -> Array:
        """Equation (1)."""
        _, visits = self.visits.arrive(t.active, self.first_steps(t), *self.move(t))
        counted = np.maximum(visits, 1).astype(np.float64)
        return 1.0 / np.sqrt(counted) if self.power == 0.5 else np.power(counted, -self.power)
