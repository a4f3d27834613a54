"""Completion reward: progress along a route, times a factor for every soft infraction.

For progress g gained in a step, of which the whole route has ``points``,

(1) r_t = g_t p_1(t) ... p_n(t) - penalty_t,  p_i in [0, 1]

A hard infraction costs a small penalty, if any, and all that is still to come: nothing is paid after it. Since the g
add up to ``points`` and no factor is above 1, no return is above ``points``, standing still pays nothing, and without
infractions the return is the completion. A factor that cannot be avoided early in training has to stay above 0, or the
only signal vanishes.

It is a reward of its own and no shaping: it keeps the optimal policies of no other one.

Source: Jaeger et al., "CaRL: Learning Scalable Planning Policies with Simple Rewards", arXiv 2504.17838, and its code,
which counts finishing the route as truncation; here ends are the environment's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from payoff.envs.core.params import check_integer, check_number
from payoff.wrappers.arguments import check_sequence
from payoff.wrappers.base import RowMethod, Transition
from payoff.wrappers.rows import Array, Batch, BatchInfo
from payoff.wrappers.transforms.signals import Signal, as_signal, evaluate

__all__ = ["CompletionReward", "HardRule", "SoftFactor", "broken_limits", "excess_speed"]


def excess_speed(excess: Array, width: float = 2.23) -> Array:
    """Factor max(0, 1 - excess / width) of a speed above the limit, at most 1; both in one unit, m/s in the source.

    Raises:
        ValueError: ``width`` is not above 0.
    """
    check_number("width", width, 0.0, open_low=True)
    factor: Array = np.clip(1.0 - np.asarray(excess, dtype=np.float64) / width, 0.0, 1.0)
    return factor


def broken_limits(broken: Array, limits: int = 6) -> Array:
    """Factor 1 - broken / (2 limits), from 1 down to one half, of how many limits of comfort are broken.

    Raises:
        ValueError: ``limits`` is no whole number of at least 1.
    """
    check_integer("limits", limits, 1)
    factor: Array = 1.0 - 0.5 * np.asarray(broken, dtype=np.float64) / limits
    return factor


@dataclass(frozen=True, slots=True)
class SoftFactor:
    """A factor p of equation (1).

    Args:
        signal: ``(R,)`` numbers in [0, 1], or ``(R, n)``, whose product counts.
        hold: steps for which the factor stays down after a step on which it was below 1, at the least value since.

    Raises:
        TypeError: no signal.
        ValueError: ``hold`` is no whole number of at least 0.
    """

    signal: Signal
    hold: int = 0

    def __post_init__(self) -> None:
        """Check the arguments."""
        as_signal("signal", self.signal)
        check_integer("hold", self.hold, 0)


@dataclass(frozen=True, slots=True)
class HardRule:
    """An infraction after which nothing more is paid in the episode.

    Args:
        signal: ``(R,)``, above 0 on the step that breaks the rule.
        penalty: what that costs, at least 0.

    Raises:
        TypeError: no signal.
        ValueError: ``penalty`` is out of its range.
    """

    signal: Signal
    penalty: float = 0.0

    def __post_init__(self) -> None:
        """Check the arguments."""
        as_signal("signal", self.signal)
        check_number("penalty", self.penalty, 0.0)


class CompletionReward(RowMethod):
    """Replaces the reward by equation (1).

    A step is paid between -(largest sum of penalties) and ``points``, an episode at most ``points``. Only progress
    beyond the furthest of the episode counts, so that going back and forth pays nothing. The progress of the start is
    not paid.

    Args:
        progress: signal in [0, 1], the share of the route that is done; its entry must be in ``info`` on reset too.
        soft: factors.
        hard: rules; of several that one step breaks the penalties add up.
        points: worth of the whole route, above 0.

    Raises:
        TypeError: an argument of another type.
        ValueError: ``points`` is out of its range.

    >>> CompletionReward("progress", soft=[SoftFactor("factors")]).points
    100.0
    """

    term: ClassVar[str] = "shaping"
    counts: ClassVar[tuple[str, ...]] = ("left",)

    def __init__(
        self,
        progress: str = "progress",
        *,
        soft: Sequence[SoftFactor] = (),
        hard: Sequence[HardRule] = (),
        points: float = 100.0,
    ) -> None:
        check_number("points", points, 0.0, open_low=True)
        name: Any = progress
        if not isinstance(name, str):
            raise TypeError(f"progress must be the name of an info entry, got {progress!r}")
        for what, kind, rules in (("soft", SoftFactor, soft), ("hard", HardRule, hard)):
            check_sequence(what, rules, f"{kind.__name__} objects")
            for i, rule in enumerate(rules):
                if not isinstance(rule, kind):
                    raise TypeError(f"{what}[{i}] must be a {kind.__name__}, got {rule!r}")
        super().__init__()
        self.progress = progress
        self.soft = tuple(soft)
        self.hard = tuple(hard)
        self.points = float(points)

    def blank(self) -> dict[str, Array]:
        """``best`` progress; ``broken``: a hard rule was; ``level`` and ``left``: what is held of each soft factor."""
        n = len(self.soft)
        return {
            "best": np.zeros(()),
            "broken": np.zeros((), dtype=np.bool_),
            "level": np.ones(n),
            "left": np.zeros(n, dtype=np.int64),
        }

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Take the progress of the starts; ValueError where it is out of [0, 1]."""
        super().reset(obs, info, mask)
        if mask.any():
            value: Any = info
            for part in self.progress.split("."):
                value = value[part]
            best = np.where(mask, np.asarray(value, dtype=np.float64), self.memory["best"])
            bad = ~((best >= 0.0) & (best <= 1.0))
            if bad.any():
                raise ValueError(f"progress must be in [0, 1], got {best[bad][0]} at a start")
            self.memory["best"] = best

    def __call__(self, t: Transition) -> Array:
        """New rewards.

        Raises:
            ValueError: progress or a factor out of [0, 1].
        """
        self.check_rows(t)
        m = self.memory
        reached = evaluate("progress", as_signal("progress", self.progress), t, low=0.0, high=1.0)
        factors = [_factor(i, factor, t) for i, factor in enumerate(self.soft)]
        rules = [evaluate("hard", as_signal("hard", rule.signal), t) > 0.0 for rule in self.hard]
        gained = np.where(t.active, np.maximum(reached - m["best"], 0.0), 0.0)
        m["best"] = m["best"] + gained
        paid, broken = self.points * gained, np.zeros(t.reward.shape, dtype=np.bool_)
        for i, value in enumerate(factors):
            paid = paid * self._held(i, value, t.active)
        for rule, now in zip(self.hard, rules, strict=True):
            paid, broken = paid - np.where(now, rule.penalty, 0.0), broken | now
        paid = np.where(m["broken"], 0.0, paid)
        m["broken"] = m["broken"] | broken
        return paid

    def _held(self, i: int, value: Array, active: Array) -> Array:
        """Factor i of this step, ``value`` or what is held of earlier steps."""
        hold = self.soft[i].hold
        if hold == 0:
            return value
        level, left = self.memory["level"].copy(), self.memory["left"].copy()
        now = np.where(left[:, i] > 0, np.minimum(level[:, i], value), value)
        still = np.where(value < 1.0, hold, np.maximum(left[:, i] - 1, 0))
        level[:, i] = np.where(active, now, level[:, i])
        left[:, i] = np.where(active, still, left[:, i])
        self.memory["level"], self.memory["left"] = level, left
        return now


def _factor(i: int, factor: SoftFactor, t: Transition) -> Array:
    """What the signal of factor i says ``(R,)``: of several numbers their product."""
    value = evaluate(f"soft[{i}]", as_signal("soft", factor.signal), t, low=0.0, high=1.0, wide=True)
    product = np.ones(t.reward.shape)
    for column in value.reshape(len(value), -1).T:  # one after the other: the same bits in every batch size
        product = product * column
    return product
