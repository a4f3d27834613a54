"""What identifies a state to a bonus that counts: a key, 16 bytes a row.

Rows of at most 16 bytes (whole numbers, pairs of them, small arrays of bytes) are their own key, so that equal keys
mean equal states. Longer ones are reduced to a 128-bit BLAKE2b digest; two among a billion different states have the
same one with a probability below 1e-20. Keys depend on the type of the numbers as well as on their values; the two
zeros of floating point are one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy as np

from payoff.wrappers.rows import Array, Batch, BatchInfo, take

__all__ = ["InfoKey", "Key", "checked_key", "key_from_info", "observation_key", "row_keys"]

Key: TypeAlias = Callable[[Batch, BatchInfo], Any]
"""Function from R observations ``(R, ...)`` and their info to an array ``(R, ...)`` of numbers, flags or words, or a
dict or tuple of such arrays; rows that are equal in every byte are the same state."""

_HINT = "see key=, a function (obs, info) -> (R, ...)"
SIZE = 16  # bytes of a key


def observation_key(obs: Batch, info: BatchInfo) -> Batch:
    """The whole observation, be it an array, a dict or a tuple."""
    return obs


@dataclass(frozen=True, slots=True)
class InfoKey:
    """Key that is an entry of ``info``; see :func:`key_from_info`."""

    key: str

    def __call__(self, obs: Batch, info: BatchInfo) -> Any:
        """Entry ``(R, ...)``; KeyError where it is missing."""
        return info[self.key]


def key_from_info(key: str) -> InfoKey:
    """Key that is ``info[key]``, such as ``"caption"``, the number of a text.

    Raises:
        TypeError: ``key`` is no string.
    """
    if not isinstance(key, str):
        raise TypeError(f"key must be a string, got {key!r}")
    return InfoKey(key)


def checked_key(key: Key | None, name: str = "key") -> Key:
    """The key function, the whole observation for None; ``name`` is that of the argument, for errors.

    Raises:
        TypeError: ``key`` cannot be called.
    """
    function: Any = key
    if function is None:
        return observation_key
    if not callable(function):
        hint = f"key_from_info({key!r})" if isinstance(function, str) else "key_from_info(name)"
        raise TypeError(f"{name} must be a function (obs, info) -> (R, ...), got {key!r}; see {hint}")
    return key  # type: ignore[return-value]  # it is not None


def row_keys(key: Key, obs: Batch, info: BatchInfo, mask: Array) -> Array:
    """Keys ``(R, 2)`` uint64 of the rows in ``mask``, 0 in the others; the function is not shown the others.

    Raises:
        ValueError: the function gave other rows.
        TypeError: it gave something else than numbers, flags or words.
    """
    keys = np.zeros((mask.size, 2), dtype=np.uint64)
    rows = int(mask.sum())
    if rows:
        found = key(take(obs, mask), info if mask.all() else info.select(mask))
        parts = [_bytes(np.asarray(leaf), rows, key) for leaf in _leaves(found)]
        keys[mask] = _reduced(np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0])
    return keys


def _leaves(batch: Batch) -> Iterator[Any]:
    """Arrays of a batch, dicts in the order of their keys."""
    if isinstance(batch, Mapping):
        for name in sorted(batch):
            yield from _leaves(batch[name])
    elif isinstance(batch, tuple):
        for part in batch:
            yield from _leaves(part)
    else:
        yield batch


def _bytes(array: Array, rows: int, key: Key) -> Array:
    """``(R, W)`` uint8, what the rows of an array are in memory."""
    name = getattr(key, "__qualname__", repr(key))
    if array.ndim == 0 or len(array) != rows:
        raise ValueError(f"key {name} must return an array of {rows} rows, got shape {array.shape}; {_HINT}")
    flat = array.reshape(rows, -1)
    if array.dtype.kind in "US":  # arrays of words are as wide as the longest word in them
        words = [repr(row).encode() for row in flat.tolist()]
        return np.frombuffer(b"".join(_digest(word) for word in words), dtype=np.uint8).reshape(rows, SIZE)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"key {name} must return numbers, flags or words, got dtype {array.dtype}; {_HINT}")
    if array.dtype.kind == "f":
        flat = flat + 0.0  # -0.0 becomes 0.0
    return np.ascontiguousarray(flat).view(np.uint8).reshape(rows, -1)


def _reduced(raw: Array) -> Array:
    """``(R, 2)`` uint64 of ``(R, W)`` uint8."""
    rows, width = raw.shape
    if width <= SIZE:
        padded = np.zeros((rows, SIZE), dtype=np.uint8)
        padded[:, :width] = raw
        return padded.view(np.uint64)
    memory = raw.tobytes()
    digests = b"".join(_digest(memory[at : at + width]) for at in range(0, len(memory), width))
    return np.frombuffer(digests, dtype=np.uint64).reshape(rows, 2)


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=SIZE).digest()
