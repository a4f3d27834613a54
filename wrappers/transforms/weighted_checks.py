"""Difficulty-weighted partial success: checks that few pass are worth more, and copies of a check share its worth.

In a group of episodes from one start, check j of J is passed at the rate rho_j.

(1) w_j = exp(-alpha rho_j)                                            difficulty
(2) N(rho_j) = sum_i exp(-(rho_j - rho_i)^2 / (2 sigma^2))             checks as hard as this one, itself included
(3) w'_j = w_j / (N(rho_j) + delta)
(4) turn reward = sum_j w'_j p_j, p_j whether check j is passed
(5) A = A_traj + beta A_turn, A_traj that of R gamma^n, both less their group's mean, not divided by a deviation

n copies of a check have together at most the weight of one. Even so (4) is no potential: it pays for partial success,
and a policy that passes many checks may beat one that sometimes passes all.

Source: VeRPO, arXiv 2601.03525. unverified: read as an abstract and a summary only; alpha, sigma and delta.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from payoff.envs.core.params import check_number, check_word
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
from payoff.wrappers.rows import Array
from payoff.wrappers.transforms.episodes import check_entry, check_scores, group_numbers, members

__all__ = ["WeightedChecks", "check_weights", "group_advantages"]


def check_weights(rates: Array, *, alpha: float = 1.0, sigma: float = 0.1, delta: float = 1e-6) -> Array:
    """Weights w' of equation (3).

    Args:
        rates: ``(..., J)`` pass rates in [0, 1].
        alpha: how much harder checks are worth more, at least 0.
        sigma: width within which rates count as alike, above 0.
        delta: at least 0.

    Returns:
        ``(..., J)``, each in (0, 1].

    Raises:
        ValueError: an argument is out of its range.
    """
    check_number("alpha", alpha, 0.0)
    check_number("sigma", sigma, 0.0, open_low=True)
    check_number("delta", delta, 0.0)
    rates = np.asarray(rates, dtype=np.float64)
    if not ((rates >= 0.0) & (rates <= 1.0)).all():
        raise ValueError(f"rates must be in [0, 1], got {rates.min()} .. {rates.max()}")
    apart = (rates[..., :, None] - rates[..., None, :]) / sigma
    weights: Array = np.exp(-alpha * rates) / (np.exp(-0.5 * apart**2).sum(axis=-1) + delta)
    return weights


def group_advantages(trajectory: Array, turns: Array, valid: Array, group: Array, beta: float) -> Array:
    """Advantages of equation (5).

    Args:
        trajectory: ``(B,)`` R gamma^n of each episode.
        turns: ``(T, B)`` turn rewards.
        valid: ``(T, B)`` bool.
        group: ``(B,)`` whole numbers from 0 on.
        beta: weight of the turns.

    Returns:
        ``(T, B)``, 0 where not valid.
    """
    inside = members(group)
    centred = trajectory - ((inside @ trajectory) / inside.sum(axis=1))[group]
    total = inside @ np.where(valid, turns, 0.0).sum(axis=0)
    mean = (total / (inside @ valid.sum(axis=0)))[group]
    advantage: Array = np.where(valid, centred + beta * (turns - mean), 0.0)
    return advantage


class WeightedChecks(RewardTransform):
    """Rewards plus coef times weighted checks, with weights from the pass rates of each start group.

    Times of payment:

    - ``"change"``: w'_j where a check becomes true, and -w'_j where it becomes false again: over an episode the checks
      of its last step, less those of its start (``batch.start``, where it was recorded; else none were passed). For
      games whose checks last.
    - ``"end"``: all at the last step.
    - ``"turn"``: (4) at every step, as in the source, where a step is a whole attempt. For games whose checks last this
      pays for length.

    Rates are those of last steps, with ``"turn"`` those of all steps. What it adds to a return is in [0, coef * J] with
    ``"end"``, at most coef * sum of w' in size with ``"change"``, and unbounded with ``"turn"``. It does not keep
    optimal policies; see the module. Rates, and so the reward, change with the policy.

    Args:
        checks: name of the entry of ``batch.info``, ``(T, B, J)``, true or false.
        pay: one of these words.
        alpha: of equation (1).
        sigma: of equation (2).
        delta: of equation (3).
        coef: weight, at least 0.

    Raises:
        TypeError: ``checks`` is no string.
        ValueError: another argument is out of its range.
    """

    def __init__(
        self,
        checks: str = "checks",
        *,
        pay: Literal["change", "end", "turn"] = "change",
        alpha: float = 1.0,
        sigma: float = 0.1,
        delta: float = 1e-6,
        coef: float = 1.0,
    ) -> None:
        check_word("pay", pay, ("change", "end", "turn"))
        check_number("coef", coef, 0.0)
        check_weights(np.zeros(1), alpha=alpha, sigma=sigma, delta=delta)
        self.needs = (check_entry("checks", checks),)
        self.pay = pay
        self.alpha = alpha
        self.sigma = sigma
        self.delta = delta
        self.coef = coef

    def weights(self, batch: EpisodeBatch) -> Array:
        """Weights w' of each group ``(G, J)``, groups in the order of their numbers.

        Raises:
            ValueError: no groups, or checks of another shape or value.
        """
        passed = self._passed(batch)
        inside = members(group_numbers(batch, type(self).__name__))
        if self.pay == "turn":
            rates = (inside @ passed.sum(axis=0)) / (inside @ batch.lengths)[:, None]
        else:
            rates = (inside @ batch.at_end(passed)) / inside.sum(axis=1, keepdims=True)
        return check_weights(np.clip(rates, 0.0, 1.0), alpha=self.alpha, sigma=self.sigma, delta=self.delta)

    def rewrite(self, batch: EpisodeBatch) -> Array:
        """New rewards ``(T, B)``."""
        passed = self._passed(batch)
        weight = self.weights(batch)[group_numbers(batch, type(self).__name__)]
        if self.pay == "change":
            first = np.asarray(batch.start.get(self.needs[0], np.zeros(passed.shape[1:])), dtype=np.float64)
            passed = np.diff(passed, axis=0, prepend=first[None])
        elif self.pay == "end":
            passed = np.where(batch.last[..., None], passed, 0.0)
        worth = np.where(batch.valid, (weight * passed).sum(axis=-1), 0.0)
        added: Array = batch.paid + self.coef * worth
        return added

    def _passed(self, batch: EpisodeBatch) -> Array:
        passed = check_scores(self.needs[0], batch, 0.0, 1.0, wide=True)
        if not np.isin(passed, (0.0, 1.0)).all():
            raise ValueError(f"info[{self.needs[0]!r}] must be true or false, got other numbers")
        return passed
