"""First-visit bonus: 1 for every state that the episode has not seen before.

(1) b = 1[N_e(s') = 1]

N_e counts the visits in the running episode, its start included. The episodic bonus in Henaff, Jiang and Raileanu
(2023), and the restriction that BeBold and NovelD put on theirs.
"""

from __future__ import annotations

import numpy as np

from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.visits import EpisodicBonus
from payoff.wrappers.rows import Array

__all__ = ["FirstVisit"]


class FirstVisit(EpisodicBonus):
    """b = 1 where the state was reached for the first time in the episode, else 0; coming back to the start is 0.

    Args:
        key: what identifies a state; None: the whole observation.

    Raises:
        TypeError: ``key`` cannot be called.

    >>> FirstVisit().term
    'bonus'
    """

    def score(self, t: Transition) -> Array:
        """Equation (1)."""
        _, visits = self.episode.arrive(t.active, self.first_steps(t), *self.move(t))
        return np.where(visits == 1, 1.0, 0.0)
