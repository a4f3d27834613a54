"""Rewards of a distance: exponential shapes with a width and a steepness, and two utilities made of them.

For a distance d, a natural length c, a dispersion w and a density v, all above 0 but d:

(1) R = e^(1/v),  e = exp(-d / (2 c w))                 in (0, 1], 1 at distance 0
(2) R = sign(x) |x|^(1/v),  x = 2 (e - 1/2)             in (-1, 1], 0 at d = 2 c w ln 2

A larger dispersion widens the shape; a larger density flattens (1).

(3) two goals     w_off R(d to theirs) - w_def R(d to ours)
(4) alignment     half of cos(defensive angle) + cos(offensive angle)

All of these are utilities of states, meant as potentials: then optimal policies stay. Paid at each step they do not.

Source: Moschopoulos et al., "Lucy-SKG", arXiv 2305.15801, and its code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from payoff.envs.core.params import check_flag, check_number
from payoff.wrappers.arguments import check_callable, reals
from payoff.wrappers.base import RewardMethod, Transition
from payoff.wrappers.potential.shaping import Potential
from payoff.wrappers.rows import Array, Batch, BatchInfo
from payoff.wrappers.transforms.signals import Signal, as_signal, evaluate

__all__ = [
    "DistancePotential",
    "DistanceReward",
    "GoalDifference",
    "alignment",
    "distance_shape",
    "signed_distance_shape",
]


def _check(length: float, dispersion: float, density: float) -> None:
    for name, value in (("length", length), ("dispersion", dispersion), ("density", density)):
        check_number(name, value, 0.0, open_low=True)


def _check_distance(distance: Array) -> Array:
    distance = reals("distance", distance)
    if not (distance >= 0.0).all():
        raise ValueError(f"distance must be at least 0, got {distance[~(distance >= 0.0)].ravel()[0]}")
    return distance


def distance_shape(distance: Array, length: float, *, dispersion: float = 1.0, density: float = 1.0) -> Array:
    """Equation (1).

    Args:
        distance: d, any shape, at least 0.
        length: c, in the unit of d.
        dispersion: w.
        density: v.

    Returns:
        The same shape, in [0, 1]: 0 only by underflow.

    Raises:
        ValueError: a distance below 0, or a parameter that is not above 0.

    >>> float(np.round(distance_shape(np.array(2300.0), 2300.0, dispersion=0.5), 4))
    0.3679
    """
    _check(length, dispersion, density)
    shaped: Array = np.exp(-0.5 * _check_distance(distance) / (length * dispersion)) ** (1.0 / density)
    return shaped


def signed_distance_shape(distance: Array, length: float, *, dispersion: float = 1.0, density: float = 1.0) -> Array:
    """Equation (2); arguments as for :func:`distance_shape`.

    Returns:
        The same shape, in [-1, 1].
    """
    _check(length, dispersion, density)
    x = 2.0 * (np.exp(-0.5 * _check_distance(distance) / (length * dispersion)) - 0.5)
    shaped: Array = np.sign(x) * np.abs(x) ** (1.0 / density)
    return shaped


def alignment(defensive: Array, offensive: Array) -> Array:
    """Equation (4), of the cosines of both angles: in [-1, 1]."""
    mean: Array = 0.5 * (np.asarray(defensive, dtype=np.float64) + np.asarray(offensive, dtype=np.float64))
    return mean


@dataclass(frozen=True, slots=True)
class DistancePotential:
    """The shape of a distance as a potential.

    Args:
        distance: function from R observations and their info to ``(R,)`` distances, at least 0.
        length: c.
        dispersion: w.
        density: v.
        signed: equation (2) instead of (1).

    Raises:
        TypeError: ``distance`` cannot be called.
        ValueError: a parameter that is not allowed.
    """

    distance: Callable[[Batch, BatchInfo], Array]
    length: float
    dispersion: float = 1.0
    density: float = 1.0
    signed: bool = False

    def __post_init__(self) -> None:
        """Check the arguments."""
        check_callable("distance", self.distance, "(obs, info) -> (R,)")
        _check(self.length, self.dispersion, self.density)
        check_flag("signed", self.signed)

    def __call__(self, obs: Batch, info: BatchInfo) -> Array:
        """``(R,)``."""
        shape = signed_distance_shape if self.signed else distance_shape
        return shape(self.distance(obs, info), self.length, dispersion=self.dispersion, density=self.density)


@dataclass(frozen=True, slots=True)
class GoalDifference:
    """w_off * near the opponents' goal - w_def * near our own, equation (3), a potential in [-w_def, w_off].

    Args:
        offence: potential in [0, 1], large where the ball is near the opponents' goal.
        defence: potential in [0, 1], large where it is near our own.
        w_off: weight of the first, at least 0.
        w_def: weight of the second, at least 0.

    Raises:
        TypeError: a potential cannot be called.
        ValueError: a weight below 0.
    """

    offence: Potential
    defence: Potential
    w_off: float = 1.0
    w_def: float = 1.0

    def __post_init__(self) -> None:
        """Check the arguments."""
        check_callable("offence", self.offence, "(obs, info) -> (R,)")
        check_callable("defence", self.defence, "(obs, info) -> (R,)")
        check_number("w_off", self.w_off, 0.0)
        check_number("w_def", self.w_def, 0.0)

    def __call__(self, obs: Batch, info: BatchInfo) -> Array:
        """``(R,)``."""
        value: Array = self.w_off * self.offence(obs, info) - self.w_def * self.defence(obs, info)
        return value


class DistanceReward(RewardMethod):
    """r' = r + coef * shape of a distance, at each step.

    What it adds is in [0, coef], or in [-coef, coef] if signed. It does not keep optimal policies: staying near pays
    for ever. With :class:`DistancePotential` in a ``PotentialShaping`` it would.

    Args:
        distance: signal of distances, at least 0.
        length: c.
        dispersion: w.
        density: v.
        signed: equation (2) instead of (1).
        coef: weight.

    Raises:
        TypeError: ``distance`` is no signal.
        ValueError: another argument is not allowed.
    """

    term: ClassVar[str] = "shaping"

    def __init__(
        self,
        distance: Signal,
        length: float,
        *,
        dispersion: float = 1.0,
        density: float = 1.0,
        signed: bool = False,
        coef: float = 1.0,
    ) -> None:
        _check(length, dispersion, density)
        check_flag("signed", signed)
        check_number("coef", coef, -np.inf)
        self.distance = as_signal("distance", distance)
        self.length = length
        self.dispersion = dispersion
        self.density = density
        self.signed = signed
        self.coef = coef

    def __call__(self, t: Transition) -> Array:
        """New rewards.

        Raises:
            ValueError: a distance below 0.
        """
        shape = signed_distance_shape if self.signed else distance_shape
        distance = evaluate("distance", self.distance, t, low=0.0)
        return t.reward + self.coef * shape(distance, self.length, dispersion=self.dispersion, density=self.density)
