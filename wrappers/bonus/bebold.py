"""BeBold: a bonus for crossing from states that are well known to states that are not, from exact counts.

(1) b = max(1/N(s') - alpha/N(s), 0) 1[N_e(s') = 1]

N counts visits in all episodes, N_e in the running one, both with this visit and with starts. Inside a region that is
equally well known everywhere (1) is 0 for alpha = 1, and so it is for turning back.

Source: Zhang et al. (2020, BeBold) for alpha = 1; with a weight alpha it is the count form of NovelD, Zhang et al.
(NeurIPS 2021). unverified: that the paper's own counts include the visit being scored.
"""

from __future__ import annotations

import numpy as np

from payoff.envs.core.params import check_flag, check_number
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.base import Part
from payoff.wrappers.bonus.keys import Key
from payoff.wrappers.bonus.visits import EpisodicBonus, Visits
from payoff.wrappers.rows import Array

__all__ = ["BeBold"]


class BeBold(EpisodicBonus):
    """b = max(1/N(s') - alpha/N(s), 0), once for each state of an episode; in [0, 1].

    Args:
        key: what identifies a state; None: the whole observation.
        alpha: weight of the state that is left, at least 0; 1 is BeBold.
        once: pay only the first visit of the episode; False leaves out the indicator.
        per_row: each row counts for itself; else all rows, and all environments that this bonus serves, together.

    Raises:
        TypeError: ``key`` cannot be called.
        ValueError: another argument is out of its range.

    >>> BeBold(alpha=0.5).alpha
    0.5
    """

    def __init__(self, key: Key | None = None, *, alpha: float = 1.0, once: bool = True, per_row: bool = False) -> None:
        check_number("alpha", alpha, 0.0)
        check_flag("once", once)
        check_flag("per_row", per_row)
        super().__init__(key)
        self.alpha = alpha
        self.once = once
        self.visits = Visits(common=not per_row)

    def parts(self) -> dict[str, Part]:
        """``visits``: N; ``episode``: N_e."""
        return super().parts() | {"visits": self.visits}

    def score(self, t: Transition) -> Array:
        """Equation (1)."""
        step = t.active, self.first_steps(t), *self.move(t)
        before, after = (np.maximum(n, 1) for n in self.visits.arrive(*step))
        _, seen = self.episode.arrive(*step)
        bonus = np.maximum(1.0 / after - self.alpha / before, 0.0)
        return np.where(seen == 1, bonus, 0.0) if self.once else bonus
