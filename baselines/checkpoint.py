"""Checkpoints: named arrays and JSON metadata in one file (:mod:`payoff.files`), and checks of what it holds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from payoff.files import load_arrays, save_arrays

__all__ = ["ArrayError", "fitting", "load", "save"]


def save(path: str | os.PathLike[str], tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Write a checkpoint; arguments and errors as in :func:`payoff.files.save_arrays`."""
    save_arrays(path, tensors, meta, "checkpoint")


def load(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and metadata of a checkpoint; errors as in :func:`payoff.files.load_arrays`."""
    return load_arrays(path, "checkpoint")


class ArrayError(ValueError):
    """An array of a checkpoint is missing or not what it should be; the message begins with its name."""


def fitting(
    arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...], dtype: Any, *, finite: bool = True
) -> np.ndarray:
    """Array of a checkpoint, which whoever loads it knows the form of.

    A checksum says that a file is whole, not that it holds what is expected: an array of another shape may be broadcast
    to the right one, and one of another type be cast.

    Args:
        arrays: what the checkpoint holds.
        name: the array that is asked for.
        shape: shape that it must have.
        dtype: type that it must have.
        finite: whether all its numbers must be finite.

    Raises:
        ArrayError: it is missing or of another form.
    """
    if name not in arrays:
        raise ArrayError(f"{name} is missing")
    array = arrays[name]
    if array.shape != shape or array.dtype != dtype:
        wanted = f"{np.dtype(dtype).name} of shape {shape}"
        raise ArrayError(f"{name} must be {wanted}, got {array.dtype.name} of shape {array.shape}")
    if finite and not np.isfinite(array).all():
        raise ArrayError(f"{name} holds numbers that are not finite")
    return array
