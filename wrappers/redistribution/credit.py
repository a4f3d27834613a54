"""Normalised credit: a team's return is divided over steps and seats by weights that sum to one.

(1) w_t >= 0, sum_t w_t = 1;  v_{i,t} >= 0, sum_i v_{i,t} = 1
(2) r'_{i,t} = R w_t v_{i,t},  so that  sum_t sum_i r'_{i,t} = R
(3) w_t = exp(m_t) / sum_u exp(m_u),  m_t = log sum_i exp(z_{i,t});  v_{i,t} = exp(z_{i,t}) / sum_j exp(z_{j,t})

By (3) the product w_t v_{i,t} is one softmax of the scores z over all steps and seats, so whatever the scores are, the
return is neither made larger nor smaller, and all credit has the sign of R: nothing can be blamed for a team's success.

Conserving the return of each episode keeps the team's optimum for exact Monte-Carlo returns from the start of the
episode. With a discount below 1, or bootstrapped values, moving reward in time changes what states are worth; use
``gamma=1``.

Source: TAR2, "Agent-temporal credit assignment for optimal policy preservation in sparse multi-agent reinforcement
learning". unverified: the product form (2), which is from memory, and its claimed equivalence to potential-based
shaping, which is from the abstract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from payoff.envs.core.params import check_number
from payoff.wrappers.arguments import flags, reals
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
from payoff.wrappers.rows import Array

__all__ = ["NormalisedCredit", "credit_weights", "normalise_credit"]


def credit_weights(scores: Array, valid: Array) -> tuple[Array, Array]:
    """Weights (3).

    Args:
        scores: ``(T, E, N)`` finite where valid.
        valid: ``(T, E)`` bool, at least one step an episode.

    Returns:
        ``(T, E)`` weights of steps, and ``(T, E, N)`` weights of seats within a step; 0 where not valid.
    """
    scores = np.where(valid[..., None], scores, 0.0)
    top = scores.max(axis=2, keepdims=True)
    power = np.exp(scores - top)
    level = np.where(valid, top[..., 0] + np.log(power.sum(axis=2)), -np.inf)  # m_t
    of_step = np.exp(level - level.max(axis=0))
    shares = power / power.sum(axis=2, keepdims=True)
    return of_step / of_step.sum(axis=0), np.where(valid[..., None], shares, 0.0)


def normalise_credit(scores: Array, returns: Array, valid: Array) -> Array:
    """Equation (2): ``(T, E, N)`` rewards that sum to the returns.

    Args:
        scores: ``(T, E, N)`` finite where valid.
        returns: ``(E,)`` of the teams.
        valid: ``(T, E)`` bool.

    Raises:
        ValueError: shapes that do not fit, scores that are not finite, or an episode without a step.
    """
    scores, returns, valid = reals("scores", scores), reals("returns", returns), flags("valid", valid)
    if scores.ndim != 3 or scores.shape[:2] != valid.shape or returns.shape != valid.shape[1:]:
        raise ValueError(
            "scores (T, E, N), returns (E,) and valid (T, E) must fit, "
            f"got {scores.shape}, {returns.shape} and {valid.shape}"
        )
    if not np.isfinite(scores[valid]).all() or not np.isfinite(returns).all() or not valid.any(axis=0).all():
        raise ValueError("scores and returns must be finite where valid, and every episode needs a valid step")
    steps, seats = credit_weights(scores, valid)
    credit: Array = returns[None, :, None] * steps[..., None] * seats
    return credit


class NormalisedCredit(RewardTransform):
    """Pays each seat its share (2) of what all seats of its copy were paid in the whole episode.

    The team's return R is the sum of the rewards over steps and seats. Copies that are not finished keep theirs.

    Args:
        score: what says how much a seat's step counts: a function from the batch to ``(T, B)``, or a transform that
            estimates rewards, such as a decomposition of the return, which is then trained as well.
        temperature: scores are divided by it, above 0; large ones spread the credit evenly.

    Raises:
        TypeError: ``score`` is neither.
        ValueError: ``temperature`` is out of its range.
    """

    conserves_team_return = True

    def __init__(self, score: Callable[[EpisodeBatch], Array] | RewardTransform, *, temperature: float = 1.0) -> None:
        function: Any = score
        if not callable(function):
            raise TypeError(f"score must be a function of an EpisodeBatch or a RewardTransform, got {score!r}")
        check_number("temperature", temperature, 0.0, open_low=True)
        self.score, self.temperature = score, temperature
        self.needs = score.needs if isinstance(score, RewardTransform) else ()

    def learn(self, batch: EpisodeBatch) -> None:
        """Let the scores learn, where they do."""
        if isinstance(self.score, RewardTransform):
            self.score.learn(batch)

    def rewrite(self, batch: EpisodeBatch) -> Array:
        """Equation (2), ``(T, B)``.

        Raises:
            ValueError: the scores have another shape or are not finite.
        """
        found = self.score.rewrite(batch) if isinstance(self.score, RewardTransform) else self.score(batch)
        scores = reals("what score returns", found)
        if scores.shape != batch.rewards.shape:
            raise ValueError(f"score must return shape {batch.rewards.shape}, got {scores.shape}")
        steps, n = len(scores), batch.seats
        team = batch.returns.reshape(-1, n).sum(axis=1)
        valid = batch.valid.reshape(steps, -1, n)[..., 0]
        credit = normalise_credit(scores.reshape(steps, -1, n) / self.temperature, team, valid)
        return np.where(batch.finished, credit.reshape(batch.rewards.shape), batch.paid)

    def state_dict(self) -> dict[str, Array]:
        """State of the scores, where they learn."""
        return self.score.state_dict() if isinstance(self.score, RewardTransform) else {}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state_dict` gave; ValueError as the scores raise it."""
        if isinstance(self.score, RewardTransform):
            self.score.load_state_dict(state)
        else:
            super().load_state_dict(state)
