"""Annealed guidance: an auxiliary reward that fades, until the reward is the true one.

(1) r'_t = r_t + xi_t R+_t,  xi_t >= 0 falling to xi_end

While xi_t is not 0 optimal policies may be others, unless R+ is potential-based. Once it is 0 the reward is the true
one to the last bit, so that what is optimal in the limit is what was optimal before: the simplest safe way to use a
bonus that is no potential. It does not undo what was learned meanwhile, nor what was not explored.

Sources: Behboudian et al. (2021, PIES) let the advice of a policy fade linearly; (1) is the form of it that a wrapper
can take, where theirs is a matter of the policy. unverified: that paper's schedule beyond its being linear. The
exponential form is that of SophiaVL-R1, see :mod:`payoff.wrappers.transforms.trust`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from payoff.envs.core.params import check_number, check_word
from payoff.wrappers.base import RowMethod, Transition
from payoff.wrappers.rows import Array
from payoff.wrappers.transforms.signals import Signal, as_signal, evaluate

__all__ = ["AnnealedReward", "Schedule"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A weight over time.

    - ``linear``: from ``start`` to ``end`` in ``steps``, then ``end``
    - ``exponential``: end + (start - end) e^(-t / steps), which never quite arrives
    - ``constant``: ``start``

    Args:
        kind: one of these words.
        steps: above 0, in the unit of the time that is asked for.
        start: weight at time 0, at least 0.
        end: weight in the limit, in [0, start].

    Raises:
        ValueError: an argument is not allowed.

    >>> Schedule("linear", 100)(np.array([0, 50, 200])).tolist()
    [1.0, 0.5, 0.0]
    """

    kind: Literal["linear", "exponential", "constant"]
    steps: float = 1.0
    start: float = 1.0
    end: float = 0.0

    def __post_init__(self) -> None:
        """Check the arguments."""
        check_word("kind", self.kind, ("linear", "exponential", "constant"))
        check_number("steps", self.steps, 0.0, open_low=True)
        check_number("start", self.start, 0.0)
        check_number("end", self.end, 0.0, self.start)

    def __call__(self, time: Array) -> Array:
        """Weights at these times, of the same shape."""
        time = np.asarray(time, dtype=np.float64)
        if self.kind == "constant":
            return np.full(time.shape, float(self.start))
        left = np.maximum(1.0 - time / self.steps, 0.0) if self.kind == "linear" else np.exp(-time / self.steps)
        weight: Array = self.end + (self.start - self.end) * left
        return weight


class AnnealedReward(RowMethod):
    """r' = r + xi_t * signal, with xi_t from a schedule over the row's own steps, equation (1).

    What it adds is between -xi_t and xi_t times the largest absolute signal. Time is counted in steps of each row, from
    0, and goes on from episode to episode: N steps of a batch of B copies are N / B of it.

    Args:
        signal: R+, such as ``"aux"``.
        schedule: xi.

    Raises:
        TypeError: ``signal`` is no signal, or ``schedule`` no Schedule.

    >>> AnnealedReward("aux", Schedule("linear", 10_000, start=0.5)).schedule.start
    0.5
    """

    term: ClassVar[str] = "shaping"
    lasting = ("time",)
    counts: ClassVar[tuple[str, ...]] = ("time",)

    def __init__(self, signal: Signal, schedule: Schedule) -> None:
        if not isinstance(schedule, Schedule):
            raise TypeError(f"schedule must be a Schedule, got {schedule!r}")
        super().__init__()
        self.signal = as_signal("signal", signal)
        self.schedule = schedule

    def blank(self) -> dict[str, Array]:
        """``time``: steps that the row has made."""
        return {"time": np.zeros((), dtype=np.int64)}

    def __call__(self, t: Transition) -> Array:
        """New rewards."""
        self.check_rows(t)
        new: Array = t.reward + self.schedule(self.memory["time"]) * evaluate("signal", self.signal, t)
        self.memory["time"] = self.memory["time"] + t.active
        return new
