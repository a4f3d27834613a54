"""Checks of what is handed over, by a caller or by a function of one: real numbers, sequences, mappings, states.

:mod:`payoff.envs.core.params` checks single values. An error names the argument, its value and what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from payoff.envs.core.arrays import REAL, as_array, reals, shown
from payoff.envs.core.params import check_number
from payoff.wrappers.rows import Array

__all__ = [
    "as_array",
    "check_callable",
    "check_mapping",
    "check_names",
    "check_sequence",
    "check_text",
    "flags",
    "numbers",
    "real",
    "reals",
    "state_array",
]


def flags(name: str, value: Any) -> Array:
    """``value`` as an array of True and False; ValueError where it is something else."""
    found = value if isinstance(value, np.ndarray) else np.array(value, dtype=np.object_)
    if found.dtype != np.bool_ and not all(isinstance(x, bool | np.bool_) for x in found.ravel().tolist()):
        raise ValueError(f"{name} must hold True and False, got {shown(value)}")
    return found.astype(np.bool_)


def real(name: str, value: Any) -> float:
    """``value`` as one number.

    Raises:
        ValueError: it is something else.
    """
    if type(value) is float:
        return value
    array = reals(name, value)
    if array.size != 1:
        raise ValueError(f"{name} must be one real number, got {shown(value)}")
    return float(array.item())


def check_callable(name: str, value: Any, form: str) -> None:
    """Raise TypeError unless ``value`` can be called; ``form`` says how it would be."""
    if not callable(value):
        raise TypeError(f"{name} must be a function {form}, got {shown(value)}")


def check_text(name: str, value: Any) -> None:
    """Raise TypeError unless ``value`` is a text."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, got {shown(value)}")


def check_sequence(name: str, value: Any, of: str) -> None:
    """Raise TypeError unless ``value`` has entries in an order: a list, tuple, range or array, and no text or dict."""
    ordered = value.ndim > 0 if isinstance(value, np.ndarray) else isinstance(value, Sequence)
    if not ordered or isinstance(value, str | bytes):
        raise TypeError(f"{name} must be a sequence of {of}, got {shown(value)}")


def check_mapping(name: str, value: Any, of: str) -> None:
    """Raise TypeError unless ``value`` is a dict or another mapping."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict of {of}, got {shown(value)}")


def numbers(name: str, value: Any, size: int | None = None) -> tuple[float, ...]:
    """A sequence of finite numbers, ``size`` of them or at least one.

    Raises:
        TypeError: no sequence.
        ValueError: another number of them, or something that is no number.
    """
    check_sequence(name, value, "numbers")
    for i, entry in enumerate(value):
        check_number(f"{name}[{i}]", entry, -np.inf)
    if not len(value) or size not in (None, len(value)):
        raise ValueError(f"{name} must be {size or 'at least 1'} numbers, got {len(value)}")
    return tuple(float(entry) for entry in value)


def check_names(owner: str, state: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raise ValueError unless a ``state_dict`` has exactly the known names."""
    odd = sorted(map(str, set(state) ^ set(known)))
    if odd:
        raise ValueError(f"{owner} takes the arrays {', '.join(known)}; missing or unknown: {', '.join(odd)}")


def state_array(owner: str, name: str, value: Any, like: Array, shape: tuple[int, ...] | None = None) -> Array:
    """An array of a ``state_dict`` in memory of its own, with the type of ``like``.

    Args:
        owner: what takes it, for errors.
        name: of the array.
        value: what was given.
        like: an array of the type that is needed.
        shape: that is needed; None: that of ``like``.

    Raises:
        ValueError: another shape, something that is not finite, or numbers that the type cannot hold.
    """
    shape = like.shape if shape is None else shape
    array = reals(f"{owner}: {name}", value) if like.dtype.kind == "f" else as_array(value)
    if array.shape != shape:
        raise ValueError(f"{owner}: {name} must have shape {shape}, got {array.shape}")
    if array.dtype.kind not in REAL or not np.isfinite(array).all():
        raise ValueError(f"{owner}: {name} must hold finite numbers, got {shown(value)}")
    kind = "numbers" if like.dtype.kind == "f" else "whole numbers"
    what = f"hold {kind}" if shape else f"be a {kind[:-1]}"
    with np.errstate(over="ignore", invalid="ignore"):
        found = array.astype(like.dtype)
    if (found != array).any() if like.dtype.kind != "f" else not np.isfinite(found).all():
        raise ValueError(f"{owner}: {name} must {what} that fit {like.dtype}, got {shown(value)}")
    return found
