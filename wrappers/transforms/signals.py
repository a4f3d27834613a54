"""Numbers that a transform reads from a transition: an entry of ``info``, or the value of a function of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from payoff.envs.core.params import check_number
from payoff.wrappers.arguments import check_sequence, reals
from payoff.wrappers.base import Transition
from payoff.wrappers.rows import Array

__all__ = ["InfoSignal", "RewardSignal", "Signal", "as_signal", "as_signals", "check_span", "evaluate"]

Signal: TypeAlias = "str | Callable[[Transition], Array]"


@dataclass(frozen=True, slots=True)
class InfoSignal:
    """The entry of ``info`` with this name; a dot goes into a dict, as in ``"reward_terms.bonus"``."""

    name: str

    def __call__(self, t: Transition) -> Array:
        """Entry ``(R, ...)``; KeyError where it is missing."""
        value: Any = t.info
        for part in self.name.split("."):
            value = value[part]
        return np.asarray(value)


@dataclass(frozen=True, slots=True)
class RewardSignal:
    """The reward so far."""

    def __call__(self, t: Transition) -> Array:
        """``(R,)``."""
        return t.reward


def as_signal(name: str, value: Signal) -> Callable[[Transition], Array]:
    """The function that a signal stands for.

    Args:
        name: of the argument, for errors.
        value: name of an entry of ``info``, or a function from a transition to ``(R,)``.

    Raises:
        TypeError: neither of them.
    """
    given: Any = value
    if isinstance(given, str):
        return InfoSignal(given)
    if not callable(given):
        raise TypeError(f"{name} must be the name of an info entry or a function (transition) -> (R,), got {given!r}")
    function: Callable[[Transition], Array] = given
    return function


def as_signals(name: str, values: Sequence[Signal]) -> tuple[Callable[[Transition], Array], ...]:
    """The functions that several signals stand for.

    Raises:
        TypeError: one of them is no signal, or ``values`` is a single one.
        ValueError: there is none.
    """
    given: Any = values
    check_sequence(name, given, "signals")
    if not len(given):
        raise ValueError(f"{name} must hold at least one signal, got {given!r}")
    return tuple(as_signal(f"{name}[{i}]", value) for i, value in enumerate(given))


def evaluate(
    name: str,
    function: Callable[[Transition], Array],
    t: Transition,
    *,
    low: float = -np.inf,
    high: float = np.inf,
    wide: bool = False,
) -> Array:
    """What a signal says of a transition, 0 in rows that made no step.

    Args:
        name: of the argument, for errors.
        function: the signal.
        t: the transition.
        low: least allowed value.
        high: largest allowed value.
        wide: whether ``(R, n)`` is allowed beside ``(R,)``.

    Returns:
        ``(R,)`` float64, in an array of its own, or ``(R, n)``.

    Raises:
        ValueError: another shape, or a number that is not finite or out of range.
    """
    given, rows = np.array(function(t)), t.reward.shape
    if given.dtype == np.object_ and given.shape[:1] == rows:  # what Gymnasium gives, None in rows that hold nothing
        given[~t.active] = 0.0
    value = reals(name, given)
    if value.shape != rows and not (wide and value.ndim == 2 and value.shape[:1] == rows):
        raise ValueError(f"{name} must give numbers of shape {rows}{' + (n,)' if wide else ''}, got {value.shape}")
    value[~t.active] = 0.0
    bad = ~np.isfinite(value) | (t.active.reshape(-1, *[1] * (value.ndim - 1)) & ((value < low) | (value > high)))
    if bad.any():
        span = "finite" if np.isinf(low) and np.isinf(high) else f"in [{low:g}, {high:g}]"
        raise ValueError(f"{name} must be {span}, got {value[bad][0]} in row {np.argwhere(bad)[0, 0]}")
    return value


def check_span(name: str, span: tuple[float, float]) -> tuple[float, float]:
    """A range ``(low, high)`` as a tuple of two floats.

    Raises:
        ValueError: no two numbers, or the first is not below the second.
    """
    given: Any = span
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise ValueError(f"{name} must be two numbers (low, high), got {given!r}")
    low, high = given
    check_number(f"{name}[0]", low, -np.inf)
    check_number(f"{name}[1]", high, low, open_low=True)
    return float(low), float(high)
