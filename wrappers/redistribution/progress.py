"""Stepwise progress attribution: a learned contribution of each step, and a bonus for steps that had an effect.

(1) r'_t = alpha c_t + beta e_t
(2) c = argmin  sum over episodes of (sum_t c_t - G)^2,  e_t = 1 where the action did something, else 0

The contributions are a decomposition of the return, whatever estimates them: a network on single steps
(:class:`payoff.wrappers.redistribution.rrd.NetworkDecomposition`, without its residual correction, which SPA does not
have) or on sequences (:class:`payoff.wrappers.redistribution.rudder.Rudder`). The second term is a bonus and is not
conserved: an agent is paid for moving at all. Keep beta small against what a step of the best play contributes, or let
it be 0.

Source: SPA, "stepwise progress attribution" for language agents, whose c is a scalar head at the last token of each
turn and whose e says that the action was valid; alpha = 1, beta = 0.5 as in its published code. unverified: the paper's
result tables (2.5 points of success over the best baseline).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from payoff.envs.core.params import check_number
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
from payoff.wrappers.rows import Array

__all__ = ["StepwiseProgress", "changed"]


def changed(obs: Array, actions: Array, next_obs: Array) -> Array:
    """Whether a step changed the observation, ``(R,)`` bool."""
    rows = len(obs)
    differs: Array = (np.reshape(obs, (rows, -1)) != np.reshape(next_obs, (rows, -1))).any(axis=1)
    return differs


class StepwiseProgress(RewardTransform):
    """Pays equation (1).

    Args:
        decomposition: what estimates the contributions c; it serves this object only.
        alpha: weight of the contributions, at least 0.
        beta: weight of the effect, at least 0, in units of the reward.
        effect: function from R steps (obs, actions, next_obs) to ``(R,)`` bool; by default whether the observation
            changed.

    Raises:
        TypeError: ``decomposition`` is no RewardTransform, or ``effect`` cannot be called.
        ValueError: a weight is out of its range.
    """

    def __init__(
        self,
        decomposition: RewardTransform,
        *,
        alpha: float = 1.0,
        beta: float = 0.5,
        effect: Callable[[Array, Array, Array], Array] = changed,
    ) -> None:
        given: Any = decomposition
        if not isinstance(given, RewardTransform):
            raise TypeError(f"decomposition must be a RewardTransform, got {type(given).__name__}")
        function: Any = effect
        if not callable(function):
            raise TypeError(f"effect must be a function (obs, actions, next_obs) -> (R,), got {effect!r}")
        check_number("alpha", alpha, 0.0)
        check_number("beta", beta, 0.0)
        self.decomposition, self.alpha, self.beta, self.effect = decomposition, alpha, beta, effect
        self.needs = decomposition.needs

    def learn(self, batch: EpisodeBatch) -> None:
        """Let the decomposition learn."""
        self.decomposition.learn(batch)

    def rewrite(self, batch: EpisodeBatch) -> Array:
        """Equation (1), ``(T, B)``.

        Raises:
            ValueError: the effects have another shape.
        """
        valid = batch.valid
        effects = np.asarray(self.effect(batch.obs[:-1][valid], batch.actions[valid], batch.obs[1:][valid]))
        if effects.shape != (int(valid.sum()),):
            raise ValueError(f"effect must return shape ({int(valid.sum())},), got {effects.shape}")
        paid = self.alpha * self.decomposition.rewrite(batch)
        paid[valid] += self.beta * effects
        return paid

    def state_dict(self) -> dict[str, Array]:
        """State of the decomposition."""
        return self.decomposition.state_dict()

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state_dict` gave; ValueError as the decomposition raises it."""
        self.decomposition.load_state_dict(state)
