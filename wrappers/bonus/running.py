"""Running statistics: the deviation of a stream of bonuses, mean and deviation of observations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self

import numpy as np

from payoff.wrappers.rows import Array

__all__ = ["RunningDeviation", "Whitening"]


class RunningDeviation:
    """Standard deviation of all numbers so far, and of one 0 before them, so that the first is not divided by 0.

    It is common to all forks of a method. Sums are taken one number after the other, so that the bits do not depend on
    how many come at once.
    """

    def __init__(self) -> None:
        self._sums = np.array([1.0, 0.0, 0.0])  # how many, their sum, the sum of their squares

    def take_in(self, values: Array) -> Array:
        """Deviations ``(n,)`` after each of the numbers ``(n,)``."""
        steps = np.stack([np.ones_like(values), values, values * values])
        sums = np.cumsum(np.concatenate([self._sums[:, None], steps], axis=1), axis=1)
        if values.size:
            self._sums = sums[:, -1].copy()
        count, total, squares = sums[:, 1:]
        mean = total / count
        deviations: Array = np.sqrt(np.maximum(squares / count - mean * mean, 0.0))
        return deviations

    def fork(self) -> Self:
        """This object."""
        return self

    def state_dict(self) -> dict[str, Array]:
        """``sums`` ``(3,)``: how many numbers, their sum and that of their squares."""
        return {"sums": self._sums.copy()}

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """See :meth:`payoff.wrappers.bonus.parts.Part.read_state`."""
        if set(state) != {"sums"}:
            raise ValueError(f"a running deviation takes the array sums, got {', '.join(state) or 'nothing'}")
        sums = np.array(state["sums"], dtype=np.float64)
        if sums.shape != (3,) or not np.isfinite(sums).all() or sums[0] < 1.0 or sums[2] < 0.0:
            raise ValueError(
                f"sums must be 3 numbers (count of at least 1, sum, sum of squares), got {state['sums']!r}"
            )

        def take_over() -> None:
            self._sums = sums

        return take_over


class Whitening:
    """(x - mean) / deviation, clipped to [-5, 5]; mean 0 and deviation 1 until something was taken in.

    A number that never varied has the deviation 1e-6 here: the first time it differs it is at the limit.

    Args:
        size: numbers I of a row.
    """

    LIMIT = 5.0
    LEAST = 1e-6

    def __init__(self, size: int) -> None:
        self._count = 0.0
        self._mean, self._squares = np.zeros(size), np.zeros(size)  # squares: summed distances from the mean

    def __call__(self, numbers: Array) -> Array:
        """``(R, I)`` whitened."""
        deviation = np.sqrt(self._squares / self._count) if self._count else np.ones_like(self._mean)
        return np.clip((numbers - self._mean) / np.maximum(deviation, self.LEAST), -self.LIMIT, self.LIMIT)

    def take_in(self, numbers: Array) -> None:
        """Add rows ``(n, I)``, n above 0, to the statistics (Chan, Golub and LeVeque 1979)."""
        count, mean = len(numbers), numbers.mean(axis=0)
        total, apart = self._count + count, mean - self._mean
        self._squares = self._squares + np.square(numbers - mean).sum(axis=0)
        self._squares += np.square(apart) * self._count * count / total
        self._mean = self._mean + apart * count / total
        self._count = total

    def state_dict(self) -> dict[str, Array]:
        """``count``, a scalar; ``mean`` and ``squares`` ``(I,)``."""
        return {"count": np.array(self._count), "mean": self._mean.copy(), "squares": self._squares.copy()}

    def take_over(self, count: Array, mean: Array, squares: Array) -> None:
        """Inverse of :meth:`state_dict`, for finite arrays of the right shapes."""
        self._count, self._mean, self._squares = float(count), mean.copy(), squares.copy()
