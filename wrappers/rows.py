"""Rows of a batch: observations that are arrays, or dicts and tuples of arrays, and a lazy view of ``info``.

A row is what a method sees as one sample: the only copy of an Env, a copy of a VectorEnv, an agent of a ParallelEnv, a
seat in a copy of a multi-agent batch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Array",
    "Batch",
    "BatchInfo",
    "agents_info",
    "copied",
    "one_row",
    "place",
    "single_info",
    "take",
    "vector_info",
]

Array: TypeAlias = NDArray[Any]
Batch: TypeAlias = Any  # an array (R, ...), or a dict or tuple of such batches

Read: TypeAlias = Callable[[str], "tuple[Any, Array | None]"]
Keys: TypeAlias = "Sequence[str] | Callable[[], Sequence[str]]"


def one_row(value: Any) -> Batch:
    """Batch of one row; arrays are views of ``value``."""
    if isinstance(value, Mapping):
        return {k: one_row(v) for k, v in value.items()}
    if isinstance(value, tuple):
        return tuple(one_row(v) for v in value)
    return np.asarray(value)[None]


def copied(batch: Batch) -> Batch:
    """The same batch in memory of its own."""
    if isinstance(batch, Mapping):
        return {k: copied(v) for k, v in batch.items()}
    if isinstance(batch, tuple):
        return tuple(copied(v) for v in batch)
    array = np.array(batch)
    return copy.deepcopy(array) if array.dtype == np.object_ else array  # of objects numpy copies the references


def take(batch: Batch, mask: Array) -> Batch:
    """Rows of ``batch`` where ``mask`` ``(R,)`` is true; the batch itself when it is true everywhere."""
    if np.count_nonzero(mask) == mask.size:
        return batch
    return _at(batch, mask.nonzero()[0])


def _at(batch: Batch, rows: Array) -> Batch:
    if isinstance(batch, Mapping):
        return {k: _at(v, rows) for k, v in batch.items()}
    if isinstance(batch, tuple):
        return tuple(_at(v, rows) for v in batch)
    return np.take(batch, rows, axis=0)  # a mask as index takes several times as long


def place(batch: Batch, at: Array | int, value: Any) -> None:
    """Write ``value`` into the rows ``at`` (a mask, or one row) of ``batch``, in place."""
    if isinstance(batch, Mapping):
        for key, part in batch.items():
            place(part, at, value[key])
    elif isinstance(batch, tuple):
        for part, new in zip(batch, value, strict=True):
            place(part, at, new)
    else:
        batch[at] = value


class BatchInfo(Mapping[str, Any]):
    """``info`` with a row axis in front: ``info["progress"]`` is an array ``(R,)``, made when it is asked for.

    Dicts inside are views like this one. Rows that a method need not look at (copies that restart, agents that left)
    may hold zeros.

    Args:
        read: key -> (array ``(R, ...)`` or BatchInfo, mask of the rows that have the entry or None for all);
            raises KeyError for an entry that no row has.
        keys: entries that some row has, or a function that lists them when they are asked for.
        need: ``(R,)`` bool, rows that must have an entry for it to be given out.
        rows: ``(R,)`` bool, rows that are shown; None for all.
    """

    def __init__(self, read: Read, keys: Keys, need: Array, rows: Array | None = None) -> None:
        self._read = read
        self._list = keys
        self._need = need
        self._rows = rows

    @property
    def _keys(self) -> Sequence[str]:
        return self._list() if callable(self._list) else self._list

    def __getitem__(self, key: str) -> Any:
        try:
            value, has = self._read(key)
        except KeyError:
            raise KeyError(
                f"info has no {key!r} (it has: {', '.join(map(str, self._keys)) or 'nothing'}); environments of this "
                "package leave entries out unless they are made with info='full'"
            ) from None
        if has is not None:
            without = self._need & ~has if self._rows is None else self._need & self._rows & ~has
            if without.any():
                raise KeyError(f"info has no {key!r} in rows {np.flatnonzero(without).tolist()}")
        if isinstance(value, BatchInfo):
            return value if self._rows is None else value.select(self._rows)
        return value if self._rows is None else value[self._rows]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def select(self, mask: Array) -> BatchInfo:
        """The same entries in the rows where ``mask`` is true, a mask over the rows that this one shows."""
        rows = mask
        if self._rows is not None:
            rows = self._rows.copy()
            rows[rows] = mask
        return BatchInfo(self._read, self._list, self._need, rows)

    def repeated(self, n: int, per_agent: Mapping[str, bool] | None = None) -> BatchInfo:
        """Each row n times, for the n seats of a copy: with its part of an entry of each seat, and all of the others.

        Args:
            n: seats.
            per_agent: entry -> whether it is ``(R, n, ...)``, a part for each seat, and not shared by all of them. An
                entry that is not in there is each seat's if its shape is ``(R, n)``.
        """
        declared = per_agent or {}

        def read(key: str) -> tuple[Any, Array | None]:
            value, has = self._read(key)
            has = None if has is None else np.repeat(has, n)
            if isinstance(value, BatchInfo):
                return value.repeated(n), has
            per_seat = declared.get(key, value.ndim == 2 and value.shape[1] == n)
            return value.reshape(-1, *value.shape[2:]) if per_seat else np.repeat(value, n, axis=0), has

        return BatchInfo(read, self._list, np.repeat(self._need, n))


def single_info(info: Mapping[str, Any]) -> BatchInfo:
    """View of the info of one Env: a batch of one."""

    def read(key: str) -> tuple[Any, Array | None]:
        value = info[key]
        return single_info(value) if isinstance(value, Mapping) else np.asarray(value)[None], None

    return BatchInfo(read, list(info), np.ones(1, dtype=np.bool_))


_END = ("final_obs", "final_info")  # bookkeeping of same-step autoreset, no entries of a copy


def vector_info(
    infos: Mapping[str, Any], need: Array, *, final: Mapping[str, Any] | None = None, ended: Array | None = None
) -> BatchInfo:
    """View of the infos of a VectorEnv, a mask ``_key`` beside an entry saying which copies have it.

    Args:
        infos: entries ``(B, ...)``.
        need: ``(B,)`` bool.
        final: entries at the end of the episode, for the copies in ``ended`` (same-step autoreset).
        ended: ``(B,)`` bool; the other rows are those of ``infos``.
    """
    if final is None or ended is None:
        return _running(infos, need)

    def read(key: str) -> tuple[Any, Array | None]:
        if key not in infos and key not in final:
            raise KeyError(key)
        has = np.where(ended, _has(final, key, len(need)), _has(infos, key, len(need)))
        now, last = infos.get(key), final.get(key)
        if isinstance(now, Mapping) or isinstance(last, Mapping):
            return vector_info(now or {}, need & has, final=last or {}, ended=ended), has
        if now is None or last is None:  # `has` tells which rows are real
            return _with_axis(key, last if now is None else now, len(need)), has
        now, last = _with_axis(key, now, len(need)), _with_axis(key, last, len(need))
        return np.where(ended.reshape(-1, *[1] * (now.ndim - 1)), last, now), has

    return BatchInfo(read, lambda: _entries({**infos, **final}), need)


def _running(infos: Mapping[str, Any], need: Array) -> BatchInfo:
    """View of infos in which every row is of the same moment."""

    def read(key: str) -> tuple[Any, Array | None]:
        value, has = infos[key], infos.get(f"_{key}")
        if isinstance(value, Mapping):
            return _running(value, need if has is None else need & has), has
        return _with_axis(key, value, len(need)), has

    return BatchInfo(read, lambda: _entries(infos), need)


def _entries(infos: Mapping[str, Any]) -> list[str]:
    """Keys without masks and without the bookkeeping of same-step autoreset."""
    return [k for k in infos if not (k.startswith("_") and k[1:] in infos) and k not in _END]


def _has(infos: Mapping[str, Any], key: str, n: int) -> Array:
    mask: Array = infos.get(f"_{key}", np.full(n, key in infos))
    return mask


def _with_axis(key: str, value: Any, n: int) -> Array:
    array = np.asarray(value)
    if array.ndim == 0 or len(array) != n:
        raise ValueError(f"infos[{key!r}] must have one row for each of {n} copies, got shape {array.shape}")
    return array


def agents_info(infos: Mapping[Any, Mapping[str, Any]], agents: Sequence[Any], need: Array) -> BatchInfo:
    """View of a ParallelEnv's infos, one row for each name in ``agents``; agents without an entry have zeros."""

    def read(key: str) -> tuple[Any, Array | None]:
        found = {row: infos[a][key] for row, a in enumerate(agents) if key in infos.get(a, {})}
        if not found:
            raise KeyError(key)
        has = np.array([row in found for row in range(len(agents))])
        first = next(iter(found.values()))
        if isinstance(first, Mapping):
            inner = {agents[row]: value for row, value in found.items()}
            return agents_info(inner, agents, need & has), has
        blank = np.zeros_like(np.asarray(first))
        return np.stack([np.asarray(found.get(row, blank)) for row in range(len(agents))]), has

    return BatchInfo(read, list(dict.fromkeys(k for a in agents for k in infos.get(a, {}))), need)
