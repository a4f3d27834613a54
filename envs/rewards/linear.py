"""Linear reward layers: weights on the payoffs, r_i = sum_j W_ij pi_j."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from payoff.envs.core.params import check_number
from payoff.envs.core.state import Array
from payoff.envs.rewards.base import Layer, identity

__all__ = ["SVO", "Cooperative", "Integrated", "Mutuality", "Private", "SelfInterest", "own_and_others"]


def own_and_others(depend: Array, own: float, others: float) -> Array:
    """Weights ``(P, N, N)``: one's own payoff, and the mean of the others'; a single seat has no others."""
    n = depend.shape[1]
    weight = np.full(depend.shape, others / max(1, n - 1))
    weight[:, range(n), range(n)] = own
    return weight


@dataclass(frozen=True, slots=True)
class Private(Layer):
    """r_i = pi_i."""

    def weights(self, depend: Array) -> Array:
        """See :meth:`Layer.weights`."""
        return identity(depend)


@dataclass(frozen=True, slots=True)
class Integrated(Layer):
    """r_i = pi_i + sum_j D_ij pi_j (TR-1 equation 13, arXiv 2510.18802)."""

    uses_dependence = True

    def weights(self, depend: Array) -> Array:
        """See :meth:`Layer.weights`."""
        return identity(depend) + depend


@dataclass(frozen=True, slots=True)
class Cooperative(Layer):
    """r_i = mean over k of pi_k: the same for every seat."""

    def weights(self, depend: Array) -> Array:
        """See :meth:`Layer.weights`."""
        return np.full(depend.shape, 1.0 / depend.shape[1])


@dataclass(frozen=True, slots=True)
class Mutuality(Layer):
    """One knob from private to cooperative: private, integrated and (up to scale) cooperative at m = 0, 1/2, 1.

    W = I + 2 m D for m <= 1/2, else (2 - 2 m)(I + D) + (2 m - 1) 11'/n. Only m = 0 and m = 1 do without D.

    Attributes:
        m: mutuality in [0, 1].
    """

    m: float = 0.5

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("m", self.m, 0.0, 1.0)

    @property
    def uses_dependence(self) -> bool:
        """See :class:`Layer`."""
        return 0.0 < self.m < 1.0

    def weights(self, depend: Array) -> Array:
        """See :meth:`Layer.weights`."""
        if self.m <= 0.5:
            return identity(depend) + 2.0 * self.m * depend
        return (2.0 - 2.0 * self.m) * (identity(depend) + depend) + (2.0 * self.m - 1.0) / depend.shape[1]


@dataclass(frozen=True, slots=True)
class SVO(Layer):
    """r_i = cos(theta) pi_i + sin(theta) mean of the others' payoffs (social value orientation).

    A single seat has no others and is told cos(theta) pi.

    Attributes:
        theta: angle in radians, in [-pi, pi]; 0 is private, pi/4 weighs the others' mean like one's own payoff.
    """

    theta: float = math.pi / 4

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("theta", self.theta, -math.pi, math.pi)

    def weights(self, depend: Array) -> Array:
        """See :meth:`Layer.weights`."""
        return own_and_others(depend, math.cos(self.theta), math.sin(self.theta))


@dataclass(frozen=True, slots=True)
class SelfInterest(Layer):
    """r_i = s pi_i + (1 - s) / (n - 1) sum_{j != i} pi_j: everybody keeps a share s and gives the rest to the others.

    What is paid in all stays the same. A single seat has nobody to give to and is told its payoff. After the
    self-interest level of Willis et al. (arXiv 2310.12928 and 2501.16138).

    Attributes:
        s: share that one keeps, in [0, 1]; 1 is private, 1/n the mean of all payoffs, 0 the mean of the others'.
    """

    s: float = 0.5

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("s", self.s, 0.0, 1.0)

    def weights(self, depend: Array) -> Array:
        """See :meth:`Layer.weights`."""
        return own_and_others(depend, self.s if depend.shape[1] > 1 else 1.0, 1.0 - self.s)
