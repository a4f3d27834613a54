"""From observations to rows of numbers, for the bonuses that compare states instead of counting them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from payoff.envs.core.params import check_integer
from payoff.wrappers.arguments import check_callable, reals
from payoff.wrappers.rows import Array, Batch

__all__ = ["OneHot", "StateFeatures", "checked_features", "count_rows", "evaluated", "flat", "one_hot"]

_HINT = "give the bonus encode= (E3B: features=), a function from observations to numbers (R, F)"

StateFeatures: TypeAlias = Callable[[Batch], Array]
"""Function from R observations ``(R, ...)`` to ``(R, F)`` finite numbers, F always the same."""


def flat(obs: Batch) -> Array:
    """All numbers of an observation side by side, ``(R, F)`` float64; dicts in the order of their keys.

    Whole numbers that name something are better told apart by :func:`one_hot`.

    Raises:
        ValueError: observations of texts, graphs or sequences, which need a function of their own.
    """
    if isinstance(obs, Mapping):
        return np.concatenate([flat(obs[name]) for name in sorted(obs)], axis=1)
    if isinstance(obs, tuple):
        return np.concatenate([flat(part) for part in obs], axis=1)
    try:
        array = reals("observations", obs)
    except ValueError as error:
        raise ValueError(f"{error}; {_HINT}") from None
    if not array.ndim:
        raise ValueError(f"observations must be arrays (R, ...), got {obs!r}; {_HINT}")
    return array.reshape(len(array), -1)


@dataclass(frozen=True, slots=True)
class OneHot:
    """One number for each state, 1 in the state's own place; see :func:`one_hot`."""

    states: int
    state: Callable[[Batch], Array] | None = None

    def __call__(self, obs: Batch) -> Array:
        """``(R, S)``.

        Raises:
            ValueError: a state that is no whole number in 0 .. S - 1.
        """
        at = np.asarray(obs if self.state is None else self.state(obs))
        if not np.issubdtype(at.dtype, np.integer) or at.ndim != 1:
            raise ValueError(f"states must be whole numbers (R,), got {at.dtype} of shape {at.shape}; see state=")
        if at.min(initial=0) < 0 or at.max(initial=0) >= self.states:
            raise ValueError(f"states must be in 0 .. {self.states - 1}, got {at.min()} .. {at.max()}")
        return np.where(at[:, None] == np.arange(self.states), 1.0, 0.0)


def one_hot(states: int, *, state: Callable[[Batch], Array] | None = None) -> OneHot:
    """Features of a game with numbered states.

    Args:
        states: S, how many there are.
        state: function from observations ``(R, ...)`` to state numbers ``(R,)``; None where observations are those.

    Raises:
        TypeError: ``state`` cannot be called.
        ValueError: ``states`` is no whole number of at least 1.
    """
    check_integer("states", states, 1)
    if state is not None:
        check_callable("state", state, "obs -> (R,)")
    return OneHot(states, state)


def checked_features(name: str, features: StateFeatures | None) -> StateFeatures:
    """The function, :func:`flat` for None.

    Raises:
        TypeError: it cannot be called.
    """
    function: Any = features
    if function is None:
        return flat
    if not callable(function):
        raise TypeError(f"{name} must be a function obs -> (R, F), got {features!r}")
    return features  # type: ignore[return-value]  # it is not None


def evaluated(features: StateFeatures, obs: Batch) -> Array:
    """``(R, F)`` float64 features of R observations.

    Raises:
        ValueError: other rows, another number of axes, or a number that is not finite.
    """
    name = getattr(features, "__qualname__", repr(features))
    found, rows = reals(f"what features {name} returns", features(obs)), count_rows(obs)
    fits = found.ndim == 2 and len(found) == rows
    if not fits or not np.isfinite(found).all():
        got = f"{found[~np.isfinite(found)][0]}" if fits else f"shape {found.shape}"
        raise ValueError(f"features {name} must return finite numbers of shape ({rows}, F), got {got}")
    return found


def count_rows(obs: Batch) -> int:
    """R, of observations ``(R, ...)`` or a dict or tuple of such."""
    if isinstance(obs, Mapping):
        return count_rows(next(iter(obs.values())))
    return count_rows(obs[0]) if isinstance(obs, tuple) else len(obs)
