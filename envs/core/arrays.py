"""Arrays of real numbers, made from what functions of the user return and what callers hand over."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from payoff.envs.core.state import Array

__all__ = ["REAL", "as_array", "reals", "shown"]

REAL = "fiub"  # kinds of dtypes
_REALS = int | float | np.integer | np.floating | np.bool_  # what may stand in an array of objects


def shown(value: Any) -> str:
    """How a value stands in an error: lists of a million entries do not stand there whole."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]} ..."


def as_array(value: Any) -> Array:
    """``value`` as an array of any type; of objects where rows have different lengths, which numpy refuses."""
    try:
        return np.asarray(value)
    except ValueError:
        return np.asarray(value, dtype=np.object_)


def reals(name: str, value: Any) -> Array:
    """``value`` as float64 numbers, which may share its memory.

    Raises:
        ValueError: it holds something else, such as complex numbers, whose imaginary parts numpy would drop, or texts.
    """
    array = as_array(value)
    if array.dtype == np.float64:
        return array
    if array.dtype.kind in REAL or all(isinstance(x, _REALS) for x in array.ravel().tolist()):
        with suppress(OverflowError):  # whole numbers beyond any float
            return array.astype(np.float64)
    raise ValueError(f"{name} must hold real numbers, got {shown(value)}")
