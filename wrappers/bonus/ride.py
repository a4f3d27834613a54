"""RIDE: transitions are worth what they change in the features that actions control, once.

(1) b = |phi(s') - phi(s)| / sqrt(N_e(s')), see :mod:`payoff.wrappers.bonus.dynamics`

N_e counts the visits of s' in the running episode, with this one and with the start, so that going back and forth
between two states that differ much pays less and less.

Source: Raileanu and Rocktaeschel (ICLR 2020). unverified: the weights of its two losses; ours are those of ICM.
"""

from __future__ import annotations

import numpy as np

from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.base import Part
from payoff.wrappers.bonus.dynamics import DynamicsModel, check_model
from payoff.wrappers.bonus.keys import Key
from payoff.wrappers.bonus.visits import EpisodicBonus
from payoff.wrappers.rows import Array, Batch, BatchInfo, take

__all__ = ["RIDE"]


class RIDE(EpisodicBonus):
    """b = distance of the features before and after, over the root of the episode's visits; at least 0.

    Args:
        model: the dynamics; it learns from this bonus alone.
        key: what identifies a state to N_e; None: the whole observation.

    Raises:
        TypeError: ``model`` is no DynamicsModel, or ``key`` cannot be called.
        ValueError: the model has no forward model.

    >>> RIDE(DynamicsModel(num_actions=5)).model.num_actions
    5
    """

    def __init__(self, model: DynamicsModel, key: Key | None = None) -> None:
        check_model(model)
        super().__init__(key)
        self.model = model

    def parts(self) -> dict[str, Part]:
        """``episode``: N_e; ``model``: the three networks."""
        return super().parts() | {"model": self.model}

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows that begin forget where they have been."""
        super().reset(obs, info, mask)
        self.model.look(obs)

    def score(self, t: Transition) -> Array:
        """Equation (1); both features are those that the encoder gives now."""
        _, visits = self.episode.arrive(t.active, self.first_steps(t), *self.move(t))
        bonus = np.zeros(t.reward.shape)
        for rows in self.model.portions(t.active):
            change = self.model.features(take(t.next_obs, rows)) - self.model.features(take(t.obs, rows))
            bonus[rows] = np.sqrt(np.square(change).sum(axis=1)) / np.sqrt(visits[rows])
            self.model.learn_from(t, rows)
        return bonus
