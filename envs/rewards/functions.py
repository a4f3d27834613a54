"""Rewards that are plain Python functions: slower than a layer, and quickly written."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, TypeAlias

from payoff.envs.core.state import Array

__all__ = ["OfPayoffs", "RewardFunction", "RewardInput", "of_payoffs"]


@dataclass(frozen=True, slots=True)
class RewardInput:
    """What a reward function sees, for B copies at once; arrays are copies.

    P is 1, or B when each copy has its own parameters.

    Attributes:
        payoff: ``(B, N)`` payoffs of the step; in a published game, before its multipliers.
        action: ``(B, N, A)`` actions, native units.
        low: ``(P, N, A)`` smallest actions, native units.
        high: ``(P, N, A)`` largest actions, native units: the endowments, where a game has such.
        neutral: ``(P, N)`` actions that leave trust as it is, native units; 0 where the game has no trust.
        trust: ``(B, N, N)`` after the step, in [0, 1], row i for the trust of seat i; None in games without trust.
        reputation_damage: ``(B, N, N)`` after the step, likewise.
        dependence: ``(P, N, N)`` D_ij, how much seat i depends on seat j; 0 where the game has none.
    """

    payoff: Array
    action: Array
    low: Array
    high: Array
    neutral: Array
    trust: Array | None
    reputation_damage: Array | None
    dependence: Array


RewardFunction: TypeAlias = Callable[[RewardInput], Array]


class OfPayoffs:
    """A function of payoffs as a function of a :class:`RewardInput`; see :func:`of_payoffs`."""

    def __init__(self, function: Callable[[Array], Any]) -> None:
        self.function = function
        update_wrapper(self, function)

    def __call__(self, given: RewardInput) -> Array:
        """Rewards ``(B, N)``."""
        answer: Array = self.function(given.payoff)
        return answer

    def __repr__(self) -> str:
        return f"of_payoffs({getattr(self, '__qualname__', self.function)})"

    def __reduce__(self) -> Any:
        # a decorated function is found by its name, which now means this object; others are wrapped anew
        module, name = getattr(self, "__module__", ""), getattr(self, "__qualname__", "")
        found = getattr(sys.modules.get(module), name, None)
        return name if found is self else (OfPayoffs, (self.function,))


def of_payoffs(function: Callable[[Array], Any]) -> OfPayoffs:
    """Make a reward of a function of payoffs alone; also a decorator.

    ::

        @of_payoffs
        def worst_off(payoff):
            return np.broadcast_to(payoff.min(axis=-1, keepdims=True), payoff.shape)


        env = gym.make("payoff/TrustDilemma-v0", reward=worst_off)

    Args:
        function: payoffs ``(..., N)`` -> rewards ``(..., N)``, finite; the last axis is the seats.

    Raises:
        TypeError: not callable.
    """
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"function must be a function of payoffs (..., N), got {function!r}")
    return OfPayoffs(function)
