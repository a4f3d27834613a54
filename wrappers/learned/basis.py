"""Features of an observation in which policies and learned rewards are linear, or that their networks take in.

Sources: the coupled cosine basis is that of Konidaris, Osentoski and Thomas (AAAI 2011).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from payoff.envs.core.params import check_integer, check_word
from payoff.wrappers.rows import Array

__all__ = ["Basis", "FourierBasis", "ScaledNumbers", "basis_of", "saved_basis"]

MOST_FEATURES = 10_000


class Basis(Protocol):
    """Features of an observation; the last one is 1.

    Attributes:
        low, high: ``(O,)`` bounds of the observation.
        size: F.
        order: see :class:`FourierBasis`; None for :class:`ScaledNumbers`.
    """

    low: Array
    high: Array
    size: int
    order: int | None

    def __call__(self, obs: Array) -> Array:
        """Features ``(..., F)`` of observations ``(..., O)``."""
        ...


class FourierBasis:
    """Coupled cosine features of a bounded observation, and a constant.

    x_k(s) = cos(pi c_k . (s - low) / (high - low)) with c_k in {0 .. order}^O, and x = 1 once more (a bias).

    Args:
        low, high: ``(O,)`` bounds of the observation.
        order: highest multiple of half a wave along each axis.

    Attributes:
        multiples: ``(F - 1, O)`` the vectors c_k, the last axis fastest; the last feature is the bias.
        size: F.

    Raises:
        ValueError: a bound that is not finite, an empty interval, or too many features.
    """

    def __init__(self, low: Array, high: Array, order: int) -> None:
        check_integer("order", order, 0)
        self.order: int | None = order
        self.low, self.high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
        if self.low.ndim != 1 or self.low.shape != self.high.shape or not (self.high > self.low).all():
            raise ValueError(f"low and high must be vectors with low < high, got {low} and {high}")
        if not np.isfinite(self.high - self.low).all():
            raise ValueError(f"a Fourier basis needs finite bounds of the observation, got {low} to {high}")
        self.size = (order + 1) ** self.low.size + 1
        if self.size > MOST_FEATURES:
            raise ValueError(f"order {order} in {self.low.size} numbers makes over {MOST_FEATURES} features: lower it")
        axes = np.arange(self.low.size)[::-1]
        self.multiples = np.arange(self.size - 1.0)[:, None] // float(order + 1) ** axes % (order + 1)

    def __call__(self, obs: Array) -> Array:
        """Features ``(..., F)`` of observations ``(..., O)``."""
        unit = (np.asarray(obs, dtype=np.float64) - self.low) / (self.high - self.low)
        features = np.ones((*unit.shape[:-1], self.size))
        features[..., :-1] = np.cos(np.pi * (unit[..., None, :] * self.multiples).sum(axis=-1))
        return features


class ScaledNumbers:
    """The numbers of an observation and 1, those with finite bounds scaled to [-1, 1].

    Args:
        low, high: ``(O,)`` bounds of the observation.

    Raises:
        ValueError: bounds that are no vectors of one size.
    """

    order: int | None = None

    def __init__(self, low: Array, high: Array) -> None:
        self.low, self.high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
        if self.low.ndim != 1 or self.low.shape != self.high.shape:
            raise ValueError(
                f"low and high must be vectors of one size, got shapes {self.low.shape}, {self.high.shape}"
            )
        if np.isnan(self.low).any() or np.isnan(self.high).any():
            raise ValueError(f"low and high must be numbers, got {low} and {high}")
        with np.errstate(over="ignore", invalid="ignore"):
            span = self.high - self.low
            bounded = np.isfinite(span) & (span > 0.0)
            self._middle = np.where(bounded, self.low + 0.5 * span, 0.0)
            self._half = np.where(bounded, 0.5 * span, 1.0)
        self.size = self.low.size + 1

    def __call__(self, obs: Array) -> Array:
        """Features ``(..., O + 1)`` of observations ``(..., O)``."""
        features = np.ones((*obs.shape[:-1], self.size))
        features[..., :-1] = (np.asarray(obs, dtype=np.float64) - self._middle) / self._half
        return features


def basis_of(space: gym.Space[Any], features: str, order: int) -> Basis:
    """Features of a space.

    Args:
        space: of observations, a Box.
        features: ``"fourier"`` or ``"numbers"``.
        order: of the Fourier basis.

    Raises:
        ValueError: another space, or a Fourier basis of unbounded numbers or with too many features.
    """
    check_word("features", features, ("fourier", "numbers"))
    if not isinstance(space, gym.spaces.Box):
        raise ValueError(f"the observation space must be a Box, got {space}")
    low, high = space.low.reshape(-1), space.high.reshape(-1)
    return FourierBasis(low, high, order) if features == "fourier" else ScaledNumbers(low, high)


def saved_basis(settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Basis:
    """The basis of ``order`` among settings and ``low`` and ``high`` among arrays.

    Raises:
        KeyError: one of them is missing.
        ValueError: it does not fit.
    """
    order = settings["order"]
    low, high = arrays["low"], arrays["high"]
    return ScaledNumbers(low, high) if order is None else FourierBasis(low, high, order)
