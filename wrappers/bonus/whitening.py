"""Numbers of a step as a network sees them: how far from their mean, in deviations.

(1) clip((x - mean) / deviation, -5, 5), as in RND (Burda et al., ICLR 2019)
"""

from __future__ import annotations

import numpy as np

from payoff.wrappers.rows import Array

__all__ = ["Whitening", "whitened"]

LIMIT = 5.0
LEAST = 1e-6


def whitened(numbers: Array, mean: Array, deviation: Array) -> Array:
    """Equation (1) for ``(..., I)``, with a mean and a deviation ``(I,)``."""
    return np.clip((numbers - mean) / deviation, -LIMIT, LIMIT)


class Whitening:
    """Equation (1) with the mean and deviation of all rows so far; 0 and 1 until the first are taken in.

    A number that never varied has deviation 1e-6 here: the first time it differs, it is at the limit.

    Args:
        size: numbers I of a row.
    """

    def __init__(self, size: int) -> None:
        self._count = 0.0
        self._mean, self._squares = np.zeros(size), np.zeros(size)  # squares: summed distances from the mean

    @property
    def mean(self) -> Array:
        """``(I,)``."""
        return self._mean.copy()

    @property
    def deviation(self) -> Array:
        """``(I,)``, at least 1e-6."""
        found = np.sqrt(self._squares / self._count) if self._count else np.ones_like(self._mean)
        return np.maximum(found, LEAST)

    def __call__(self, numbers: Array) -> Array:
        """``(..., I)`` whitened."""
        return whitened(numbers, self._mean, self.deviation)

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
