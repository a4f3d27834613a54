"""Checkpoints: named arrays and JSON metadata in one safetensors file, written atomically, never pickled.

A file carries the SHA-256 of all it holds: the safetensors header alone would not notice a flipped byte in the numbers,
and a run that goes on from a wrong number would look like any other.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from payoff.baselines.results import write_atomically
from payoff.extras import require

__all__ = ["ArrayError", "fitting", "load", "save"]

_FORMAT = "payoff-checkpoint-1"
_KINDS = "biuf"  # bool, signed and unsigned integers, floats


def save(path: str | os.PathLike[str], tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Write a checkpoint; the name never stands for half of it, and an older file of that name is replaced.

    Args:
        path: the file; folders are made where missing.
        tensors: name -> array of bools, integers or floats.
        meta: JSON values.

    Raises:
        ValueError: an array of another type, or a number in ``meta`` that is not finite.
        TypeError: ``meta`` holds something that JSON cannot say.
    """
    arrays = {}
    for name, tensor in tensors.items():
        array = np.asarray(tensor)
        if array.dtype.kind not in _KINDS or array.dtype.itemsize > 8:
            raise ValueError(f"tensor {name!r} must hold bools, integers or floats, got dtype {array.dtype}")
        # safetensors writes the memory as it lies; ascontiguousarray alone would turn a scalar into an array of one
        arrays[name] = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")).reshape(array.shape)
    text = json.dumps(dict(meta), sort_keys=True, allow_nan=False)
    header = {"format": _FORMAT, "meta": text, "sha256": _digest(arrays, text)}
    write_atomically(Path(path), require("safetensors.numpy", "train").save(arrays, header))


def load(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a checkpoint.

    Returns:
        The arrays and the metadata that :func:`save` was given.

    Raises:
        ValueError: the file is damaged, cut short, or no checkpoint.
        FileNotFoundError: there is no such file.
    """
    safetensors = require("safetensors", "train")
    data = Path(path).read_bytes()
    try:
        arrays = require("safetensors.numpy", "train").load(data)
    except (safetensors.SafetensorError, KeyError) as error:  # KeyError: a type that numpy does not have
        raise ValueError(f"{path} is damaged or no checkpoint: {str(error).splitlines()[0]}") from error
    # the header is an 8-byte length and a JSON object, which safetensors has just accepted
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).get("__metadata__") or {}
    if header.get("format") != _FORMAT or not {"meta", "sha256"} <= set(header):
        raise ValueError(f"{path} is damaged or no checkpoint: its header does not say {_FORMAT}")
    if header["sha256"] != _digest(arrays, header["meta"]):
        raise ValueError(f"{path} is damaged: its content does not match its checksum")
    try:
        meta = json.loads(header["meta"])
    except (json.JSONDecodeError, RecursionError):
        meta = None
    if not isinstance(meta, dict):
        raise ValueError(f"{path} is damaged or no checkpoint: its metadata is no JSON object")
    return arrays, meta


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


def _digest(arrays: Mapping[str, np.ndarray], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} {array.dtype.name} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
