"""NovelD: a bonus for crossing from states that are well known to states that are not, in large spaces.

(1) b = max(n(s') - alpha n(s), 0) 1[N_e(s') = 1]

n is the distance between a learning network and a random one, see :mod:`payoff.wrappers.bonus.rnd`, N_e counts visits
in the running episode, its start included. For exact counts in place of n see :mod:`payoff.wrappers.bonus.bebold`.

Source: Zhang et al. (NeurIPS 2021). alpha = 0.5 is the paper's, 0 with ``once=False`` leaves n(s') alone, the global
factor of the best combination in Henaff, Jiang and Raileanu (2023). unverified: the paper's other constants.
"""

from __future__ import annotations

import numpy as np

from payoff.envs.core.params import check_flag, check_number
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.base import Part
from payoff.wrappers.bonus.keys import Key
from payoff.wrappers.bonus.rnd import Distillation, checked_distillation
from payoff.wrappers.bonus.visits import EpisodicBonus
from payoff.wrappers.rows import Array, Batch, BatchInfo, take

__all__ = ["NovelD"]


class NovelD(EpisodicBonus):
    """b = max(n(s') - alpha n(s), 0), once for each state of an episode; at least 0.

    Args:
        model: the two networks, which learn from this bonus alone; None: a
            :class:`payoff.wrappers.bonus.rnd.Distillation` with its defaults.
        key: what identifies a state to N_e; None: the whole observation.
        alpha: weight of the state that is left, at least 0.
        once: pay only the first visit of the episode; False leaves out the indicator.

    Raises:
        TypeError: ``model`` is no Distillation, or ``key`` cannot be called.
        ValueError: another argument is out of its range.

    >>> NovelD(alpha=0.1).alpha
    0.1
    """

    def __init__(
        self,
        model: Distillation | None = None,
        key: Key | None = None,
        *,
        alpha: float = 0.5,
        once: bool = True,
    ) -> None:
        check_number("alpha", alpha, 0.0)
        check_flag("once", once)
        super().__init__(key)
        self.model = checked_distillation(model)
        self.alpha = alpha
        self.once = once

    def parts(self) -> dict[str, Part]:
        """``episode``: N_e; ``model``: both networks."""
        return super().parts() | {"model": self.model}

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows that begin forget where they have been."""
        super().reset(obs, info, mask)
        self.model.look(obs)

    def score(self, t: Transition) -> Array:
        """Equation (1); both novelties are those that the networks give now."""
        _, seen = self.episode.arrive(t.active, self.first_steps(t), *self.move(t))
        bonus = np.zeros(t.reward.shape)
        for rows in self.model.portions(t.active):
            reached, left = (np.sqrt(self.model.error(take(obs, rows))) for obs in (t.next_obs, t.obs))
            bonus[rows] = np.maximum(reached - self.alpha * left, 0.0)
            self.model.learn_from(t, rows)
        return np.where(seen == 1, bonus, 0.0) if self.once else bonus
