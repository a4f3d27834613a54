"""Intrinsic curiosity: transitions are new where a model cannot yet predict the features they lead to.

(1) b = 1/2 |phi^(s') - phi(s')|^2, see :mod:`payoff.wrappers.bonus.dynamics`

Source: Pathak, Agrawal, Efros and Darrell (ICML 2017); the factor eta of the paper is ``BonusReward``'s coef.
unverified: the paper's eta and network sizes.
"""

from __future__ import annotations

import numpy as np

from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.base import Bonus, Part
from payoff.wrappers.bonus.dynamics import DynamicsModel, check_model
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["ICM"]


class ICM(Bonus):
    """b = half the squared error of the forward model in learned features, at least 0.

    Args:
        model: the dynamics; it learns from this bonus alone.

    Raises:
        TypeError: ``model`` is no DynamicsModel.
        ValueError: it has no forward model.

    >>> ICM(DynamicsModel(num_actions=5)).model.forward_share
    0.2
    """

    def __init__(self, model: DynamicsModel) -> None:
        check_model(model)
        super().__init__()
        self.model = model

    def parts(self) -> dict[str, Part]:
        """``model``: the three networks."""
        return {"model": self.model}

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Build the networks at the first reset."""
        super().reset(obs, info, mask)
        self.model.look(obs)

    def score(self, t: Transition) -> Array:
        """Equation (1)."""
        bonus = np.zeros(t.reward.shape)
        for rows in self.model.portions(t.active):
            bonus[rows] = self.model.forward_error(t, rows)
            self.model.learn_from(t, rows)
        return bonus
