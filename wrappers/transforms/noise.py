"""Noise of a known rate: rewards of two values that are flipped, the repair that is right on average, and normal noise.

A reward that is ``low`` or ``high`` is replaced by the other one with probability p:

(1) E[r~] = p (low + high) + (1 - 2p) r
(2) repair:  r^ = (r~ - p (low + high)) / (1 - 2p),  E[r^] = r,  for p < 1/2

Where only the outcome is paid and only it can be flipped, every undiscounted expected return is by (1) an affine
function of the true one: optimal policies stay for p < 1/2, nothing can be learned at 1/2, and the order is reversed
beyond. Expected gradients shrink by 1 - 2p, so that about 1 / (1 - 2p)^2 times as many samples are needed. Discounted,
or with flips at every step, the constant p (low + high) also pays for when, and how often, it is paid; (2) takes it off
again. Learners that standardise within a group see something else: with one coin a group its gradient is reversed as a
whole or not at all.

Source: Lv et al., "The climb carves wisdom deeper than the summit", arXiv 2505.22653, with one coin for all episodes of
a start. (2) is the standard repair for label noise.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.wrappers.base import RewardMethod, RowMethod, Transition
from payoff.wrappers.bonus.keys import Key, checked_key, row_keys
from payoff.wrappers.rows import Array, Batch, BatchInfo
from payoff.wrappers.transforms import streams
from payoff.wrappers.transforms.signals import check_span

__all__ = ["FlipReward", "NoisyReward", "UnflipReward", "flipped_mean", "unflipped"]

_GROUPS = 2**40  # number of a stream that no row has: what groups share


def flipped_mean(reward: Array, rate: float, low: float = 0.0, high: float = 1.0) -> Array:
    """Expectation of a flipped reward, equation (1)."""
    mean: Array = rate * (low + high) + (1.0 - 2.0 * rate) * np.asarray(reward, dtype=np.float64)
    return mean


def unflipped(reward: Array, rate: float, low: float = 0.0, high: float = 1.0) -> Array:
    """Repair of equation (2).

    Args:
        reward: any shape, each ``low`` or ``high``.
        rate: p in [0, 1/2).
        low: lower value.
        high: upper value.

    Returns:
        The same shape: low - p (high - low) / (1 - 2p), or high + p (high - low) / (1 - 2p).

    Raises:
        ValueError: the rate is out of its range.
    """
    check_number("rate", rate, 0.0, 0.5, open_high=True)
    repaired: Array = (np.asarray(reward, dtype=np.float64) - rate * (low + high)) / (1.0 - 2.0 * rate)
    return repaired


def _check_values(owner: str, reward: Array, due: Array, low: float, high: float) -> None:
    bad = due & (reward != low) & (reward != high)
    if bad.any():
        raise ValueError(f"{owner}: rewards must be {low:g} or {high:g}, got {reward[bad][0]} in row {bad.argmax()}")


class FlipReward(RowMethod):
    """Flips rewards of two values with a known probability.

    With ``per="step"`` every reward, with a coin each. Else only the outcome, the reward of the step that ends an
    episode, whichever kind of end it is: one coin an episode (``"sample"``), or one that all rows share which begin an
    episode of the same start for the same time (``"group"``): the n-th episode of one row and the n-th of another.

    The reward stays ``low`` or ``high``. The module docstring says what becomes of optimal policies.

    Coins of a row depend on the seed, its number and how many it has drawn, on nothing else.

    Args:
        rate: p, in [0, 1].
        per: ``"step"``, ``"sample"`` or ``"group"``.
        seed: of the coins, at least 0.
        low: lower value.
        high: upper value, above ``low``.
        group: for ``"group"``: what identifies a start, a function from R first observations and their info to an array
            ``(R, ...)``; None: the whole observation. See :mod:`payoff.wrappers.bonus.keys`.
        first_row: number of the first row. One layer over B copies equals B layers over one copy each, of the same
            seed, whose first rows are 0 .. B - 1.

    Raises:
        TypeError: ``group`` cannot be called.
        ValueError: another argument is out of its range.
    """

    term: ClassVar[str] = "shaping"
    lasting = ("key", "drawn")
    counts: ClassVar[tuple[str, ...]] = ("drawn",)

    def __init__(
        self,
        rate: float,
        *,
        per: Literal["step", "sample", "group"],
        seed: int,
        low: float = 0.0,
        high: float = 1.0,
        group: Key | None = None,
        first_row: int = 0,
    ) -> None:
        check_number("rate", rate, 0.0, 1.0)
        check_word("per", per, ("step", "sample", "group"))
        check_integer("seed", seed, 0)
        check_integer("first_row", first_row, 0, _GROUPS - 1)
        super().__init__()
        self.low, self.high = check_span("(low, high)", (low, high))
        self.rate = rate
        self.per = per
        self.seed = seed
        self.group = checked_key(group, "group")
        self.first_row = first_row

    def blank(self) -> dict[str, Array]:
        """``flip``: whether the outcome will be flipped; ``key`` of the row's stream; ``drawn``: coins so far."""
        return {
            "flip": np.zeros((), dtype=np.bool_),
            "key": np.zeros((), dtype=np.uint64),
            "drawn": np.zeros((), dtype=np.int64),
        }

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Toss the coins of the episodes that begin."""
        new = self.memory.get("key", np.zeros(0)).shape != mask.shape
        super().reset(obs, info, mask)
        if new:
            self.memory["key"] = streams.stream_keys(self.seed, mask.size, self.first_row)
        if self.per == "step":
            return
        keys = self.memory["key"]
        if self.per == "group":
            keys = self._group_keys(obs, info, mask)
        coin = streams.uniform(keys, self.memory["drawn"]) < self.rate
        self.memory["flip"] = np.where(mask, coin, self.memory["flip"])
        self.memory["drawn"] = self.memory["drawn"] + mask

    def _group_keys(self, obs: Batch, info: BatchInfo, mask: Array) -> Array:
        found = row_keys(self.group, obs, info, mask)
        return streams.mixed(streams.mixed(found[:, 0], found[:, 1]), streams.stream_keys(self.seed, 1, _GROUPS))

    def __call__(self, t: Transition) -> Array:
        """New rewards.

        Raises:
            ValueError: a reward that might be flipped is neither ``low`` nor ``high``.
        """
        self.check_rows(t)
        due = t.active if self.per == "step" else t.active & (t.terminated | t.truncated)
        _check_values(type(self).__name__, t.reward, due, self.low, self.high)
        flip = self.memory["flip"]
        if self.per == "step":
            flip = streams.uniform(self.memory["key"], self.memory["drawn"]) < self.rate
            self.memory["drawn"] = self.memory["drawn"] + due
        other = np.where(t.reward == self.low, self.high, self.low)
        return np.where(due & flip, other, t.reward)


class UnflipReward(RewardMethod):
    """Repairs rewards that were flipped with a known probability, so that they are right on average, equation (2).

    The reward becomes low - p (high - low) / (1 - 2p) or high + p (high - low) / (1 - 2p). Its expectation given what
    happened is the true reward, so all expected returns and optimal policies are those of the true one, at any
    discount, if the rate is right; its variance is p (1 - p) (high - low)^2 / (1 - 2p)^2. Learners that standardise
    within a group undo it: it is affine.

    Args:
        rate: p, in [0, 1/2).
        per: ``"step"``: all rewards were subject to it; ``"end"``: those of steps that end an episode.
        low: lower value.
        high: upper value, above ``low``.

    Raises:
        ValueError: an argument is out of its range.
    """

    term: ClassVar[str] = "shaping"

    def __init__(self, rate: float, *, per: Literal["step", "end"], low: float = 0.0, high: float = 1.0) -> None:
        check_number("rate", rate, 0.0, 0.5, open_high=True)
        check_word("per", per, ("step", "end"))
        self.low, self.high = check_span("(low, high)", (low, high))
        self.rate = rate
        self.per = per

    def __call__(self, t: Transition) -> Array:
        """New rewards.

        Raises:
            ValueError: a reward to repair is neither ``low`` nor ``high``.
        """
        due = t.active if self.per == "step" else t.active & (t.terminated | t.truncated)
        _check_values(type(self).__name__, t.reward, due, self.low, self.high)
        return np.where(due, unflipped(t.reward, self.rate, self.low, self.high), t.reward)


class NoisyReward(RowMethod):
    """r' = r + std * a standard normal draw, at each step.

    Its expectation is the true reward, so optimal policies stay; the variance of a return grows by std^2 for each of
    its steps (discounted: by the sum of gamma^2t std^2). It is unbounded, as normal noise is.

    Args:
        std: standard deviation, at least 0.
        seed: at least 0.
        first_row: number of the first row, as in :class:`FlipReward`.

    Raises:
        ValueError: an argument is out of its range.
    """

    term: ClassVar[str] = "shaping"
    lasting = ("key", "drawn")
    counts: ClassVar[tuple[str, ...]] = ("drawn",)

    def __init__(self, std: float, *, seed: int, first_row: int = 0) -> None:
        check_number("std", std, 0.0)
        check_integer("seed", seed, 0)
        check_integer("first_row", first_row, 0, _GROUPS - 1)
        super().__init__()
        self.std = std
        self.seed = seed
        self.first_row = first_row

    def blank(self) -> dict[str, Array]:
        """``key`` of the row's stream; ``drawn``: draws so far."""
        return {"key": np.zeros((), dtype=np.uint64), "drawn": np.zeros((), dtype=np.int64)}

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Nothing but new rows begins anew."""
        new = self.memory.get("key", np.zeros(0)).shape != mask.shape
        super().reset(obs, info, mask)
        if new:
            self.memory["key"] = streams.stream_keys(self.seed, mask.size, self.first_row)

    def __call__(self, t: Transition) -> Array:
        """New rewards."""
        self.check_rows(t)
        draw = streams.normal(self.memory["key"], self.memory["drawn"])
        self.memory["drawn"] = self.memory["drawn"] + t.active
        return t.reward + self.std * draw
