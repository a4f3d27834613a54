"""Min-form credit: an episode is worth its worst step, so that good-looking steps cannot be added up.

For the process rewards r_0 .. r_{n-1} of an episode, in [-1, 1], and a temperature T:

(1) w = softmax(-r / T),  r*_t = w_t r_t,  G_t = sum of r* from t on        softmin
(2) G_t = min(r_t, G_{t+1})                                                suffix

min r <= sum r* <= mean r, and a step whose score is d above the least changes the sum by at most 2 exp(-d / T). For
T -> 0, G_t of (1) is min r up to the worst step and 0 after it, where (2) is the least of what remains. Equally good
steps everywhere make the sum r, whatever their number.

The advantage of the source takes a baseline of single steps from the other K - 1 episodes from the same start,

(3) A_t = G_t - sum of their G / ((K - 1) N),  N the length of the longest episode of the K

Dividing by N, and not by the length of each, keeps a policy from gaining by taking few steps.

Source: Cheng et al., "Stop summation: min-form credit assignment is all process reward model needs for reasoning",
arXiv 2504.15275.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from payoff.envs.core.params import check_number, check_word
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
from payoff.wrappers.rows import Array
from payoff.wrappers.transforms.episodes import check_entry, check_scores, members
from payoff.wrappers.transforms.signals import check_span

__all__ = ["MinForm", "min_form", "step_advantages", "suffix_min", "suffix_sums"]


def min_form(scores: Array, valid: Array, temperature: float = 0.1) -> Array:
    """Softmin-weighted process rewards r*, equation (1).

    Args:
        scores: ``(T, B)`` process rewards, an episode a column.
        valid: ``(T, B)`` bool, the steps of each episode; each column has one.
        temperature: T, at least 0; 0 is the limit, in which equally bad worst steps share.

    Returns:
        ``(T, B)``, 0 where not valid. Each entry lies between 0 and its score.

    Raises:
        ValueError: temperature below 0, or a column without steps.
    """
    check_number("temperature", temperature, 0.0)
    if not valid.any(axis=0).all():
        raise ValueError(f"every episode must have a step, got none in column {int(valid.any(axis=0).argmin())}")
    scores = np.where(valid, scores, np.inf)
    above = scores - scores.min(axis=0)  # not below 0: exponentials stay at most 1
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = (above == 0.0).astype(np.float64) if temperature == 0.0 else np.exp(-above / temperature)
    weight = np.where(valid, weight, 0.0)
    credit: Array = weight / weight.sum(axis=0) * np.where(valid, scores, 0.0)
    return credit


def suffix_min(scores: Array, valid: Array) -> Array:
    """Least score of this step and all later ones, G of equation (2).

    Returns:
        ``(T, B)``, 0 where not valid.
    """
    least = np.minimum.accumulate(np.where(valid, scores, np.inf)[::-1], axis=0)[::-1]
    return np.where(valid, least, 0.0)


def suffix_sums(rewards: Array) -> Array:
    """Undiscounted returns to go ``(T, B)`` of rewards that are 0 where not valid."""
    sums: Array = np.cumsum(rewards[::-1], axis=0)[::-1]
    return sums


def step_advantages(returns: Array, valid: Array, group: Array) -> Array:
    """Leave-one-out advantages with a baseline of single steps, equation (3).

    Args:
        returns: ``(T, B)`` returns to go of the process part.
        valid: ``(T, B)`` bool.
        group: ``(B,)`` whole numbers from 0 on; episodes of one group began alike.

    Returns:
        ``(T, B)``, 0 where not valid; an episode alone in its group has no baseline.
    """
    inside = members(group)
    total = np.where(valid, returns, 0.0).sum(axis=0)
    others = (inside @ total)[group] - total
    longest = (inside * valid.sum(axis=0)).max(axis=1)[group]
    baseline = others / np.maximum((inside.sum(axis=1)[group] - 1.0) * longest, 1.0)
    advantage: Array = np.where(valid, returns - baseline, 0.0)
    return advantage


class MinForm(RewardTransform):
    """Rewards plus coef times the min-form credit of process scores, on finished episodes.

    What it adds to a return is in [-coef, coef], whatever the number of steps, and it cannot be farmed: a step never
    lifts the minimum. It does not keep optimal policies: how good the worst step looks counts beside the reward, and
    with ``"softmin"`` every further step of a positive score still adds a little (at T = 0.1 about
    exp(-d / T) of it, d above the minimum). The credit of a step depends on past ones, so it is no Markov reward: use
    Monte-Carlo returns with gamma 1, and do not bootstrap.

    Truncated episodes count as complete. Those that go on after the batch keep their rewards and get no credit.

    Args:
        scores: name of the entry of ``batch.info``, ``(T, B)``.
        temperature: T of equation (1), at least 0; the source takes 0.1.
        form: ``"softmin"`` for (1); ``"suffix"`` for (2), paid so that returns to go are its G.
        span: range of the scores, which is mapped to [-1, 1].
        coef: weight, at least 0.

    Raises:
        TypeError: ``scores`` is no string.
        ValueError: another argument is out of its range.

    >>> MinForm("aux", span=(0.0, 1.0)).temperature
    0.1
    """

    def __init__(
        self,
        scores: str,
        *,
        temperature: float = 0.1,
        form: Literal["softmin", "suffix"] = "softmin",
        span: tuple[float, float] = (-1.0, 1.0),
        coef: float = 1.0,
    ) -> None:
        check_number("temperature", temperature, 0.0)
        check_word("form", form, ("softmin", "suffix"))
        check_number("coef", coef, 0.0)
        self.span = check_span("span", span)
        self.needs = (check_entry("scores", scores),)
        self.temperature = temperature
        self.form = form
        self.coef = coef

    def credit(self, batch: EpisodeBatch) -> Array:
        """The credit ``(T, B)`` alone, without the rewards and ``coef``; 0 in episodes that are not finished.

        Raises:
            ValueError: scores of another shape or out of ``span``.
        """
        low, high = self.span
        scores = 2.0 * (check_scores(self.needs[0], batch, low, high) - low) / (high - low) - 1.0
        if self.form == "softmin":
            credit = min_form(scores, batch.valid, self.temperature)
        else:
            least = suffix_min(scores, batch.valid)
            credit = least - np.vstack([least[1:], np.zeros_like(least[:1])])
        return np.where(batch.finished, credit, 0.0)

    def rewrite(self, batch: EpisodeBatch) -> Array:
        """New rewards ``(T, B)``."""
        return batch.paid + self.coef * self.credit(batch)
