"""From several rewards to one number: weighted sums, Chebyshev distances, thresholds, logarithms.

With v in R^K, weights w and an ideal point z:

(1) sum_k w_k v_k     (2) -max_k w_k (z_k - v_k) + rho sum_k w_k v_k     (3) sum_k w_k min(v_k, tau_k)
(4) sum_k w_k log(v_k + shift_k)

Only (1) commutes with sums: f of each step's vector, f of a return and f of an expected return are then the same
objective. Any other f gives three different ones: :class:`VectorReward` applies f to each step, which is one more
Markov reward, :mod:`payoff.wrappers.objectives.outer` to returns and to expected returns.

(2): Steuer and Choo (1983), for reinforcement learning Van Moffaert et al. (2013). (3): Gabor, Kalmar and Szepesvari
(1998) order such minima lexicographically; see :mod:`payoff.wrappers.objectives.lexicographic`. unverified: cited from
memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np

from payoff.envs.core.params import check_integer, check_number
from payoff.wrappers.arguments import check_sequence, numbers, reals
from payoff.wrappers.base import RewardMethod, Transition
from payoff.wrappers.rows import Array

__all__ = [
    "Chebyshev",
    "LogSum",
    "Scalarise",
    "Smooth",
    "Thresholded",
    "VectorReward",
    "WeightedSum",
    "read_vector",
]

Scalarise: TypeAlias = Callable[[Array], Array]
"""From ``(R, K)`` to ``(R,)``."""


class Smooth(Protocol):
    """A scalarisation with a gradient (a subgradient where it has a kink)."""

    def __call__(self, vector: Array) -> Array: ...  # noqa: D102
    def gradient(self, vector: Array) -> Array: ...  # noqa: D102


def _sized(vector: Any, weights: Sequence[float]) -> Array:
    """The vectors; ValueError where they have another K than the weights: numpy would stretch a single one."""
    found = reals("vector", vector)
    if found.shape[-1:] != (len(weights),):
        raise ValueError(f"vector must have shape (..., {len(weights)}), as many as the weights, got {found.shape}")
    return found


@dataclass(frozen=True, slots=True)
class WeightedSum:
    """Equation (1).

    Args:
        weights: K numbers.

    >>> float(WeightedSum((1.0, 0.5))(np.array([2.0, 4.0])))
    4.0
    """

    weights: Sequence[float]

    def __post_init__(self) -> None:
        """Check numbers (ValueError)."""
        object.__setattr__(self, "weights", numbers("weights", self.weights))

    def __call__(self, vector: Array) -> Array:
        """``(..., K)`` to ``(...)``."""
        # a product of matrices would round differently from batch to batch
        value: Array = (_sized(vector, self.weights) * self.weights).sum(axis=-1)
        return value

    def gradient(self, vector: Array) -> Array:
        """The weights, ``(..., K)``."""
        return np.broadcast_to(np.array(self.weights), _sized(vector, self.weights).shape).copy()


@dataclass(frozen=True, slots=True)
class Chebyshev:
    """Equation (2): minus the largest weighted distance below an ideal point. It finds points that no sum finds.

    Args:
        weights: K numbers, not negative.
        ideal: K numbers, no smaller than what can be reached.
        rho: weight of the sum, which breaks ties, at least 0.
    """

    weights: Sequence[float]
    ideal: Sequence[float]
    rho: float = 0.0

    def __post_init__(self) -> None:
        """Check numbers (ValueError)."""
        object.__setattr__(self, "weights", numbers("weights", self.weights))
        object.__setattr__(self, "ideal", numbers("ideal", self.ideal, len(self.weights)))
        check_number("rho", self.rho, 0.0)
        for i, weight in enumerate(self.weights):
            check_number(f"weights[{i}]", weight, 0.0)

    def __call__(self, vector: Array) -> Array:
        """``(..., K)`` to ``(...)``."""
        vector = _sized(vector, self.weights)
        distance = (np.asarray(self.weights) * (np.asarray(self.ideal) - vector)).max(axis=-1)
        value: Array = self.rho * (vector * self.weights).sum(axis=-1) - distance
        return value

    def gradient(self, vector: Array) -> Array:
        """``(..., K)``; where several distances are largest, that of the first."""
        weights, vector = np.asarray(self.weights), _sized(vector, self.weights)
        at = (weights * (np.asarray(self.ideal) - vector)).argmax(axis=-1)
        slope: Array = weights * (np.arange(weights.size) == np.asarray(at)[..., None]) + self.rho * weights
        return slope


@dataclass(frozen=True, slots=True)
class Thresholded:
    """Equation (3): a value above its threshold counts as the threshold.

    Args:
        thresholds: K numbers; ``math.inf`` for an objective that always counts.
        weights: K numbers.
    """

    thresholds: Sequence[float]
    weights: Sequence[float]

    def __post_init__(self) -> None:
        """Check numbers (ValueError)."""
        object.__setattr__(self, "weights", numbers("weights", self.weights))
        check_sequence("thresholds", self.thresholds, "numbers")
        finite = [0.0 if isinstance(value, float) and value == np.inf else value for value in self.thresholds]
        numbers("thresholds", finite, len(self.weights))
        object.__setattr__(self, "thresholds", tuple(float(value) for value in self.thresholds))

    def __call__(self, vector: Array) -> Array:
        """``(..., K)`` to ``(...)``."""
        value: Array = (np.minimum(_sized(vector, self.weights), self.thresholds) * self.weights).sum(axis=-1)
        return value

    def gradient(self, vector: Array) -> Array:
        """``(..., K)``: the weights of objectives below their thresholds."""
        slope: Array = (_sized(vector, self.weights) < self.thresholds) * np.array(self.weights)
        return slope


@dataclass(frozen=True, slots=True)
class LogSum:
    """Equation (4): a fair compromise; doubling a small value counts as much as doubling a large one.

    Args:
        weights: K numbers, not negative.
        shift: K numbers; every vector plus them must be above 0.
    """

    weights: Sequence[float]
    shift: Sequence[float]

    def __post_init__(self) -> None:
        """Check numbers (ValueError)."""
        object.__setattr__(self, "weights", numbers("weights", self.weights))
        object.__setattr__(self, "shift", numbers("shift", self.shift, len(self.weights)))
        for i, weight in enumerate(self.weights):
            check_number(f"weights[{i}]", weight, 0.0)

    def __call__(self, vector: Array) -> Array:
        """``(..., K)`` to ``(...)``; ValueError where a logarithm does not exist."""
        value: Array = (np.log(self._inside(vector)) * self.weights).sum(axis=-1)
        return value

    def gradient(self, vector: Array) -> Array:
        """``(..., K)``; ValueError as above."""
        slope: Array = np.array(self.weights) / self._inside(vector)
        return slope

    def _inside(self, vector: Array) -> Array:
        inside: Array = _sized(vector, self.weights) + self.shift
        if not (inside > 0.0).all():
            raise ValueError(f"vector plus shift must be above 0, got {inside.min()}")
        return inside


def read_vector(t: Transition, key: str | None, size: int) -> Array:
    """``info[key]`` ``(R, K)`` float64, or the reward ``(R, 1)`` where ``key`` is None.

    Raises:
        KeyError: there is no such entry.
        ValueError: it has another shape.
    """
    found = t.reward[:, None] if key is None else reals(f"info[{key!r}]", t.info[key])
    if found.shape != (t.reward.size, size):
        raise ValueError(f"{'reward' if key is None else f'info[{key!r}]'} must have {size} entries, got {found.shape}")
    return found


def check_key(key: str | None) -> None:
    """Raise TypeError unless ``key`` is a string or None."""
    if key is not None and not isinstance(key, str):
        raise TypeError(f"key must be a string or None, got {key!r}")


class VectorReward(RewardMethod):
    """Replaces the reward by a function of the step's reward vector.

    Args:
        function: from ``(R, K)`` to ``(R,)``, such as :class:`WeightedSum`.
        size: K.
        key: entry of ``info``.

    Raises:
        TypeError: ``function`` cannot be called, or ``key`` is no string.
        ValueError: ``size`` is no whole number of at least 1.

    >>> VectorReward(WeightedSum((1.0, -0.1)), size=2).key
    'reward_vector'
    """

    term: ClassVar[str] = "aux"
    reads_obs: ClassVar[bool] = False

    def __init__(self, function: Scalarise, *, size: int, key: str = "reward_vector") -> None:
        check_function(function, size)
        check_key(key)
        self.function = function
        self.size = size
        self.key = key

    def __call__(self, t: Transition) -> Array:
        """The function of each row's vector."""
        return applied(self.function, read_vector(t, self.key, self.size))


def check_function(function: Any, size: Any) -> None:
    """Raise TypeError or ValueError unless these are a function and a number of objectives."""
    if not callable(function):
        raise TypeError(f"function must be a function from (R, K) to (R,), got {function!r}")
    check_integer("size", size, 1)


def applied(function: Scalarise, vector: Array) -> Array:
    """The function of rows ``(R, K)``: ``(R,)`` float64; ValueError where it gave another shape."""
    value = reals("what function returns", function(vector))
    if value.shape != vector.shape[:1]:
        raise ValueError(f"function must return shape {vector.shape[:1]}, got {value.shape}")
    return value
