"""Return decomposition by least squares: rewards of single steps whose sums are the returns.

(1) r^(s, a, s') = w . phi(s, a, s')
(2) w = argmin  sum over episodes of (G - sum_t r^_t)^2 + ridge |w|^2
(3) w = (Phi' Phi + ridge I)^-1 Phi' G,  a row of Phi being the sum of phi over an episode

Where the return really is a sum of such rewards, and episodes differ enough, (3) finds them exactly; the ridge decides
between equally good answers and is a small price for that. The sums in (3) are all that is kept of the episodes, so
every episode ever seen counts, at no cost in memory.

Source: the least-squares loss (2) is return decomposition as in RUDDER (Arjona-Medina et al., 2019) and, for a reward
of single steps, in Ren et al. (ICLR 2022). unverified: who was first to state the linear form (3).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from payoff.envs.core.params import check_flag, check_number
from payoff.wrappers.arguments import check_mapping, reals
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform, with_residual
from payoff.wrappers.redistribution.step_features import StepFeatureFunction, checked_step_features, evaluated_steps
from payoff.wrappers.rows import Array

__all__ = ["LinearDecomposition"]


class LinearDecomposition(RewardTransform):
    """Pays r^ of equation (1), fitted to all finished episodes so far by (3).

    Paying at a step what was earned there makes credit assignment local; see
    :mod:`payoff.wrappers.redistribution.base` for what a discount below 1 does to that.

    Args:
        features: phi, from R steps (obs, actions, next_obs) to ``(R, F)`` finite numbers, such as
            :class:`payoff.wrappers.redistribution.step_features.StepFeatures`. What they leave out cannot be credited.
        ridge: weight of |w|^2, above 0.
        residual: spread what the r^ of a finished episode lack of its return evenly over its steps. Without it, noise
            in the returns that no step explains is left out of the rewards.

    Attributes:
        weights: ``(F,)``, None before the first finished episode.

    Raises:
        TypeError: ``features`` cannot be called.
        ValueError: another argument is out of its range.
    """

    def __init__(self, features: StepFeatureFunction, *, ridge: float = 1e-6, residual: bool = True) -> None:
        self.features = checked_step_features(features)
        check_number("ridge", ridge, 0.0, open_low=True)
        check_flag("residual", residual)
        self.ridge, self.residual = ridge, residual
        self.conserves_return = residual
        self.weights: Array | None = None
        self._gram: Array | None = None
        self._moment = np.zeros(0)

    def learn(self, batch: EpisodeBatch) -> None:
        """Add the finished episodes to the sums of (3)."""
        sums = self._evaluate(batch).sum(axis=0)[batch.finished]
        if not len(sums):
            return
        if self._gram is None:
            self._gram, self._moment = np.zeros((sums.shape[1],) * 2), np.zeros(sums.shape[1])
        self._gram = self._gram + sums.T @ sums
        self._moment = self._moment + sums.T @ batch.returns[batch.finished]
        self._solve()

    def _solve(self) -> None:
        assert self._gram is not None
        matrix = self._gram + self.ridge * np.eye(len(self._gram))
        try:
            self.weights = np.linalg.solve(matrix, self._moment)
        except np.linalg.LinAlgError:  # the ridge was rounded away; the shortest answer is its limit
            self.weights = np.linalg.lstsq(matrix, self._moment, rcond=None)[0]

    def rewrite(self, batch: EpisodeBatch) -> Array:
        """r^ ``(T, B)``, corrected where that was asked for; the given rewards before any episode was finished."""
        if self.weights is None:
            return batch.paid
        estimates: Array = self._evaluate(batch) @ self.weights
        return with_residual(batch, estimates) if self.residual else estimates

    def _evaluate(self, batch: EpisodeBatch) -> Array:
        return evaluated_steps(self.features, batch, None if self._gram is None else len(self._gram))

    def state_dict(self) -> dict[str, Array]:
        """``gram`` ``(F, F)`` and ``moment`` ``(F,)``; empty before the first finished episode."""
        return {} if self._gram is None else {"gram": self._gram.copy(), "moment": self._moment.copy()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state_dict` gave.

        Raises:
            ValueError: other names or shapes, or a number that is not finite; nothing has changed.
        """
        check_mapping("state", state, "arrays")
        if not state and self._gram is None:
            return
        if set(state) != {"gram", "moment"}:
            got = ", ".join(map(str, state)) or "nothing"
            raise ValueError(f"LinearDecomposition takes the arrays gram, moment, got {got}")
        gram, moment = (reals(name, state[name]).copy() for name in ("gram", "moment"))
        size = moment.size if self._gram is None else len(self._gram)
        if moment.shape != (size,) or gram.shape != (size, size) or not size:
            raise ValueError(f"gram and moment must have shapes (F, F) and (F,), got {gram.shape} and {moment.shape}")
        if not (np.isfinite(gram).all() and np.isfinite(moment).all()):
            raise ValueError("gram and moment must hold finite numbers")
        self._gram, self._moment = gram, moment
        self._solve()
