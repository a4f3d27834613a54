"""Process scores calibrated by the outcome: no step of a failure is paid, none of a success is fined.

For step scores q_t in [0, 1] and the outcome R in [0, 1] of their episode,

(1) c_t = q_t + R - 1            in [-1, 0] for R = 0, in [0, 1] for R = 1
(2) c_t / n, n the number of steps: the sum over an episode is in the same intervals

With (2) the credit of any success is at least that of any failure, and bounded whatever the number of steps. With (1) a
success can still be drawn out by steps that look good.

Source: Xu et al., "Hybrid reward normalization for process-supervised non-verifiable agentic tasks", arXiv 2509.25598
(PPR with ReNorm), known from a short note. unverified: (1) as their exact form; (2) is ours.
"""

from __future__ import annotations

import numpy as np

from payoff.envs.core.params import check_flag, check_number
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
from payoff.wrappers.rows import Array
from payoff.wrappers.transforms.episodes import check_entry, check_scores

__all__ = ["OutcomeCalibrated", "calibrated"]


def calibrated(scores: Array, outcome: Array, valid: Array, *, average: bool) -> Array:
    """Equation (1), or (2) with ``average``.

    Args:
        scores: ``(T, B)`` in [0, 1].
        outcome: ``(B,)`` in [0, 1].
        valid: ``(T, B)`` bool.
        average: whether to divide by the number of steps.

    Returns:
        ``(T, B)``, 0 where not valid.
    """
    credit = np.where(valid, scores + outcome - 1.0, 0.0)
    return credit / np.maximum(valid.sum(axis=0), 1) if average else credit


class OutcomeCalibrated(RewardTransform):
    """Rewards plus coef times calibrated process scores, on finished episodes.

    What it adds to a step is in [-coef, coef]; with ``average`` what it adds to an episode is in [0, coef] for a
    success and in [-coef, 0] for a failure. Among policies whose episodes all succeed, or all fail, it prefers those
    that score well, so it does not keep optimal policies among equals; with ``average`` it never puts a sure failure
    before a sure success. Where success is uncertain it may.

    Episodes that are not finished keep their rewards: their outcome is not known.

    Args:
        scores: name of the entry of ``batch.info``, ``(T, B)`` in [0, 1].
        threshold: least return of a success, whose outcome is 1, else 0; None: the return is the outcome, in [0, 1].
        average: whether to divide by the number of steps, equation (2).
        coef: weight, at least 0.

    Raises:
        TypeError: ``scores`` is no string.
        ValueError: another argument is out of its range.
    """

    def __init__(self, scores: str, *, threshold: float | None = None, average: bool = True, coef: float = 1.0) -> None:
        if threshold is not None:
            check_number("threshold", threshold, -np.inf)
        check_flag("average", average)
        check_number("coef", coef, 0.0)
        self.needs = (check_entry("scores", scores),)
        self.threshold = threshold
        self.average = average
        self.coef = coef

    def rewrite(self, batch: EpisodeBatch) -> Array:
        """New rewards ``(T, B)``.

        Raises:
            ValueError: scores, or returns that are the outcome, out of [0, 1].
        """
        scores = check_scores(self.needs[0], batch, 0.0, 1.0)
        outcome, finished = batch.returns, batch.finished
        if self.threshold is not None:
            outcome = (outcome >= self.threshold).astype(np.float64)
        bad = finished & ((outcome < -1e-9) | (outcome > 1.0 + 1e-9))
        if bad.any():
            raise ValueError(f"returns must be in [0, 1] where threshold is None, got {outcome[bad][0]}")
        outcome = np.clip(outcome, 0.0, 1.0)
        credit = calibrated(scores, outcome, batch.valid, average=self.average)
        added: Array = batch.paid + self.coef * np.where(finished, credit, 0.0)
        return added
