"""Pattern rewards: pay for what good behaviour looks like, and use that to forgive a noisy judge.

(1) RPR          r'_t = r_t + coef * (share of the n patterns that show for the first time in the episode at step t)
(2) calibration  r'_t = judge_t + lift * pattern_t where judge_t < threshold, else judge_t

Source: Lv et al., "The climb carves wisdom deeper than the summit", arXiv 2505.22653, where patterns are key phrases
and (2) repairs judges that give too little to good answers. unverified: their counting of phrases; here each pattern is
paid once an episode, so that none can be farmed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from payoff.envs.core.params import check_integer, check_number
from payoff.wrappers.base import RewardMethod, RowMethod, Transition
from payoff.wrappers.rows import Array
from payoff.wrappers.transforms.signals import Signal, as_signal, as_signals, evaluate

__all__ = ["CalibratedNoisyReward", "PatternReward"]


class PatternReward(RowMethod):
    """Adds coef / n for each of n patterns the first time it shows in an episode, equation (1).

    An episode gains between 0 and coef in all. The outcome is ignored: where coef is larger than what the outcome pays,
    showing patterns beats solving the problem, so optimal policies stay only if patterns cost nothing, or coef is below
    the smallest gap between returns.

    Args:
        patterns: a signal that gives ``(R, n)`` numbers, such as ``"checks"``, or n signals; above 0 means that the
            pattern shows.
        count: n, where ``patterns`` is one signal.
        coef: at least 0.

    Raises:
        TypeError: ``patterns`` holds no signals.
        ValueError: another argument is not allowed.
    """

    term: ClassVar[str] = "shaping"

    def __init__(self, patterns: Signal | Sequence[Signal], *, count: int | None = None, coef: float = 1.0) -> None:
        check_number("coef", coef, 0.0)
        given: Any = patterns
        if isinstance(given, str) or callable(given):
            if count is None:
                raise ValueError("count must say how many patterns the signal gives, got None")
            check_integer("count", count, 1)
            self.patterns = as_signals("patterns", [given])
            self.count = count
        else:
            self.patterns = as_signals("patterns", given)
            self.count = len(self.patterns)
            if count is not None:
                check_integer("count", count, 1)
            if count not in (None, self.count):
                raise ValueError(f"count must be {self.count}, the number of signals, got {count!r}")
        super().__init__()
        self.coef = coef

    def blank(self) -> dict[str, Array]:
        """``seen``: ``(n,)`` bool, patterns that have shown in the episode."""
        return {"seen": np.zeros(self.count, dtype=np.bool_)}

    def __call__(self, t: Transition) -> Array:
        """New rewards.

        Raises:
            ValueError: another number of patterns than ``count``.
        """
        self.check_rows(t)
        shown = np.column_stack([evaluate("patterns", p, t, wide=True) for p in self.patterns]) > 0.0
        if shown.shape[1] != self.count:
            raise ValueError(f"patterns must give {self.count} numbers a row, got {shown.shape[1]}")
        new = (shown & ~self.memory["seen"]).sum(axis=1)
        self.memory["seen"] = self.memory["seen"] | shown
        paid: Array = t.reward + self.coef * new / self.count
        return paid


class CalibratedNoisyReward(RewardMethod):
    """Replaces the reward by a judge's, lifted by a pattern's score where it is low, equation (2).

    In the range of the judge, extended upwards by at most ``lift`` times the largest pattern score. It mends false
    negatives and makes new false positives: a failure that shows the pattern is lifted too. It keeps no order of
    policies.

    Args:
        judge: signal, noisy; for the reward itself pass ``lambda t: t.reward``.
        pattern: signal in [0, 1].
        threshold: below it the judge is not believed.
        lift: at least 0.

    Raises:
        TypeError: a signal is none.
        ValueError: another argument is out of its range.
    """

    term: ClassVar[str] = "shaping"

    def __init__(self, judge: Signal, pattern: Signal, *, threshold: float, lift: float) -> None:
        check_number("threshold", threshold, -np.inf)
        check_number("lift", lift, 0.0)
        self.judge = as_signal("judge", judge)
        self.pattern = as_signal("pattern", pattern)
        self.threshold = threshold
        self.lift = lift

    def __call__(self, t: Transition) -> Array:
        """New rewards."""
        judged = evaluate("judge", self.judge, t)
        pattern = evaluate("pattern", self.pattern, t, low=0.0, high=1.0)
        return judged + np.where(judged < self.threshold, self.lift * pattern, 0.0)
