"""Rewards relative to those before them: standardised, clipped to what is usual, or scaled to [0, 1].

With mean m, standard deviation s, least l and largest h of the n rewards of a row so far, this one included:

(1) mean_std   (r - m) / s                       |r'| <= sqrt(n - 1)  (Samuelson's inequality)
(2) clip       r cut to [m - c s, m + c s]
(3) min_max    (r - l) / (h - l)                 in [0, 1]

The same reward is paid differently as the statistics move, so the problem that is learned is not stationary, and no
order of policies is kept while they do. In the limit (1) and (3) are affine: for episodes of one length optimal
policies stay, else the constant that is taken off each step pays for short or long ones. Where s or h - l is 0, (1) and
(3) pay 0.

They are what Fu et al. (arXiv 2502.18770) compare PAR with. unverified: whether their statistics include the reward at
hand, and c.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from payoff.envs.core.params import check_number, check_word
from payoff.wrappers.base import RowMethod, Transition
from payoff.wrappers.rows import Array
from payoff.wrappers.transforms.signals import RewardSignal, Signal, as_signal, evaluate

__all__ = ["RunningReward"]


class RunningReward(RowMethod):
    """Replaces the reward of each step, or the return of each episode, by (1), (2) or (3).

    Each row has statistics of its own, which outlive its episodes. Returns are undiscounted and paid at both kinds of
    end, nothing before.

    Args:
        kind: ``"mean_std"``, ``"clip"`` or ``"min_max"``.
        at: ``"step"`` or ``"end"``.
        width: c of (2), above 0.
        proxy: signal to transform; None: the reward.

    Raises:
        TypeError: ``proxy`` is no signal.
        ValueError: another argument is not allowed.
    """

    term: ClassVar[str] = "shaping"
    lasting = ("count", "mean", "squares", "low", "high")
    counts: ClassVar[tuple[str, ...]] = ("count",)

    def __init__(
        self,
        kind: Literal["mean_std", "clip", "min_max"],
        *,
        at: Literal["step", "end"],
        width: float = 1.0,
        proxy: Signal | None = None,
    ) -> None:
        check_word("kind", kind, ("mean_std", "clip", "min_max"))
        check_word("at", at, ("step", "end"))
        check_number("width", width, 0.0, open_low=True)
        super().__init__()
        self.kind = kind
        self.at = at
        self.width = width
        self.proxy = RewardSignal() if proxy is None else as_signal("proxy", proxy)

    def blank(self) -> dict[str, Array]:
        """``total`` of the episode; of all so far ``count``, ``mean``, ``squares`` about it, ``low``, ``high``."""
        zero = np.zeros(())
        return {"total": zero, "count": np.zeros((), dtype=np.int64), **dict.fromkeys(self.lasting[1:], zero)}

    def __call__(self, t: Transition) -> Array:
        """New rewards."""
        self.check_rows(t)
        value, due = evaluate("proxy", self.proxy, t), t.active
        if self.at == "end":
            value = self.memory["total"] + value
            self.memory["total"] = value
            due = due & (t.terminated | t.truncated)
        self._take_in(value, due)
        return np.where(due, self._scaled(value), 0.0)

    def _take_in(self, value: Array, due: Array) -> None:
        """Welford's update of the statistics of the rows in ``due``."""
        m = self.memory
        count = m["count"] + due
        change = np.where(due, value - m["mean"], 0.0)
        mean = m["mean"] + change / np.maximum(count, 1)
        first = due & (m["count"] == 0)
        m["squares"] = m["squares"] + np.where(due, change * (value - mean), 0.0)
        m["low"] = np.where(first, value, np.where(due, np.minimum(m["low"], value), m["low"]))
        m["high"] = np.where(first, value, np.where(due, np.maximum(m["high"], value), m["high"]))
        m["count"], m["mean"] = count, mean

    def _scaled(self, value: Array) -> Array:
        m = self.memory
        deviation = np.sqrt(np.maximum(m["squares"], 0.0) / np.maximum(m["count"], 1))
        if self.kind == "clip":
            reach = self.width * deviation
            clipped: Array = np.clip(value, m["mean"] - reach, m["mean"] + reach)
            return clipped
        above, spread = (
            (value - m["mean"], deviation) if self.kind == "mean_std" else (value - m["low"], m["high"] - m["low"])
        )
        scaled: Array = np.where(spread > 0.0, above / np.where(spread > 0.0, spread, 1.0), 0.0)
        return scaled
