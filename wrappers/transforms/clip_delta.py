"""Clip and Delta: step scores that cannot be farmed by taking more steps.

A judge gives step k = 0 .. K of an episode a score q_k in [0, 1]; the outcome is paid at step K.

(1) clip       r_k = min(q_k - eta, 0)
(2) delta      r_k = q_k - q_{k+1} for k < K - 1,  r_{K-1} = q_{K-1},  r_K = 0
(3) progress   r_k = q_{k+1} - q_k for k < K,  r_K = 0

With (1) no step adds anything. The sum of (2) from step k on is q_k for k < K and 0 for K, so that a return is at most
1, however many steps there are. The sum of (3) from k on is q_K - q_k, what is still to come, where (2) credits the
score of now. (2) is potential-based shaping with gamma 1 and the potential -q, but for its last terms.

In (2) and (3) a step is paid by the score of the next one. A learner that counts only the rewards from a step on leaves
out what its action changed in the reward before: with (2) one more good step before the last always has more to go.
The sum over the whole episode is what cannot be farmed: weigh every step by that one.

Source: Gao et al., "On designing effective RL reward at training time for LLM reasoning", arXiv 2410.15115.
unverified: the exact formulas, and eta as the mean score, which are from memory of the paper; (3) is not from it.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from payoff.envs.core.params import check_flag, check_number, check_word
from payoff.wrappers.base import RewardMethod, Transition
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
from payoff.wrappers.rows import Array
from payoff.wrappers.transforms.episodes import check_entry, check_scores, last_entries
from payoff.wrappers.transforms.signals import Signal, as_signal, evaluate

__all__ = ["ClipDelta", "ClippedScores", "clip_scores", "delta", "progress"]


def clip_scores(scores: Array, threshold: float) -> Array:
    """min(q - eta, 0), equation (1).

    Args:
        scores: any shape.
        threshold: eta.

    Returns:
        The same shape; not above 0, and not below -eta where scores are not negative.
    """
    clipped: Array = np.minimum(np.asarray(scores, dtype=np.float64) - threshold, 0.0)
    return clipped


def delta(scores: Array, valid: Array) -> Array:
    """Differences to the next score, equation (2).

    Args:
        scores: ``(T, B)``, an episode a column.
        valid: ``(T, B)`` bool, the steps of each episode, the first ones of its column.

    Returns:
        ``(T, B)``, in [-1, 1] for scores in [0, 1]; 0 where not valid.
    """
    kept = np.where(valid & ~last_entries(valid), scores, 0.0)  # q_K counts as 0: the outcome speaks for it
    following = np.vstack([kept[1:], np.zeros_like(kept[:1])])
    change: Array = kept - following
    return change


def progress(scores: Array, valid: Array) -> Array:
    """Gains of the next score, equation (3); arguments and shape as for :func:`delta`."""
    going_on = valid & ~last_entries(valid)
    following = np.vstack([scores[1:], np.zeros_like(scores[:1])])
    gain: Array = np.where(going_on, following, 0.0) - np.where(going_on, scores, 0.0)
    return gain


class ClippedScores(RewardMethod):
    """r' = r + coef * min(q - eta, 0), step by step, equation (1).

    What it adds is in [-coef * eta, 0]. It does not keep optimal policies: a step below eta costs, so that an episode
    of fewer such steps is better, down to ending at once.

    Args:
        scores: the signal q in [0, 1]: an entry of ``info`` or a function.
        threshold: eta, in [0, 1]; the source takes about the mean score.
        coef: weight, at least 0.

    Raises:
        TypeError: ``scores`` is no signal.
        ValueError: another argument is out of its range.

    >>> ClippedScores("aux", threshold=0.9).threshold
    0.9
    """

    term: ClassVar[str] = "shaping"

    def __init__(self, scores: Signal, *, threshold: float, coef: float = 1.0) -> None:
        check_number("threshold", threshold, 0.0, 1.0)
        check_number("coef", coef, 0.0)
        self.scores = as_signal("scores", scores)
        self.threshold = threshold
        self.coef = coef

    def __call__(self, t: Transition) -> Array:
        """New rewards.

        Raises:
            ValueError: a score that is not in [0, 1].
        """
        scores = evaluate("scores", self.scores, t, low=0.0, high=1.0)
        return t.reward + self.coef * clip_scores(scores, self.threshold)


class ClipDelta(RewardTransform):
    """Rewards plus coef times the scores, clipped (1) and then differenced (2) or (3), on finished episodes.

    The sum over an episode adds q_0 (clipped, if asked for; 0 in an episode of one step) with ``"delta"``, q_K - q_0
    with ``"progress"``: between -coef and coef, whatever the number of steps. Neither keeps optimal policies without
    fail: q_0 belongs to the first action, q_K to the last one, and a reward smaller than coef times their differences
    is outweighed. Without differences the sum of clipped scores is not above 0, and falls with every bad step.

    Episodes that are not finished keep their rewards: their last score is not known.

    Args:
        scores: name of the entry of ``batch.info``, ``(T, B)`` in [0, 1].
        clip: whether to clip.
        threshold: eta in [0, 1]; None: the mean score of the batch.
        difference: ``"delta"``, ``"progress"``, or ``"none"``.
        coef: weight, at least 0.

    Raises:
        TypeError: ``scores`` is no string.
        ValueError: another argument is out of its range.
    """

    def __init__(
        self,
        scores: str,
        *,
        clip: bool = True,
        threshold: float | None = None,
        difference: Literal["delta", "progress", "none"] = "delta",
        coef: float = 1.0,
    ) -> None:
        check_flag("clip", clip)
        if threshold is not None:
            check_number("threshold", threshold, 0.0, 1.0)
        check_word("difference", difference, ("delta", "progress", "none"))
        check_number("coef", coef, 0.0)
        self.needs = (check_entry("scores", scores),)
        self.clip = clip
        self.threshold = threshold
        self.difference = difference
        self.coef = coef

    def rewrite(self, batch: EpisodeBatch) -> Array:
        """New rewards ``(T, B)``.

        Raises:
            ValueError: scores of another shape or out of [0, 1].
        """
        scores = check_scores(self.needs[0], batch, 0.0, 1.0)
        if self.clip:
            threshold = scores[batch.valid].mean() if self.threshold is None else self.threshold
            scores = np.where(batch.valid, clip_scores(scores, threshold), 0.0)
        if self.difference != "none":
            scores = (delta if self.difference == "delta" else progress)(scores, batch.valid)
        credit: Array = batch.paid + self.coef * np.where(batch.finished, scores, 0.0)
        return credit
