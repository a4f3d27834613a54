"""Exact counts of visits, and the base of the bonuses that use them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self

import numpy as np

from payoff.wrappers.arguments import as_array
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.base import Bonus, Part
from payoff.wrappers.bonus.keys import Key, checked_key, row_keys
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["EpisodicBonus", "KeyedBonus", "Visits"]


class Visits:
    """How often each state was visited, by all rows together or by each row.

    Args:
        common: one table for all rows, and for all forks of the method; else each row has a table of its own.
    """

    def __init__(self, *, common: bool) -> None:
        self.common = common
        self._tables: dict[int, dict[bytes, int]] = {}

    def arrive(self, rows: Array, first: Array, left: Array, reached: Array) -> tuple[Array, Array]:
        """Enter one step of each row, in the order of the rows.

        Args:
            rows: ``(R,)`` bool, rows that make a step.
            first: ``(R,)`` bool, those of them whose episode begins with it: the state they leave counts too.
            left: ``(R, 2)`` uint64, keys of the states that are left.
            reached: ``(R, 2)`` uint64, keys of the states that are reached.

        Returns:
            ``(R,)`` int64 each: visits of the state that was left and of the state that was reached, this visit
            included; 0 in rows that made no step. Visits of a state that was left count 0 where it was never reached.
        """
        before, after = np.zeros((2, rows.size), dtype=np.int64)
        come_from, arrived = _names(left), _names(reached)
        for row in np.flatnonzero(rows).tolist():
            table = self._tables.setdefault(0 if self.common else row, {})
            if first[row]:
                table[come_from[row]] = table.get(come_from[row], 0) + 1
            after[row] = table[arrived[row]] = table.get(arrived[row], 0) + 1
            before[row] = table.get(come_from[row], 0)
        return before, after

    def forget(self, rows: Array) -> None:
        """Rows ``(R,)`` bool that start anew; and any that is beyond R."""
        for row in list(self._tables):
            if row >= rows.size or rows[row]:
                del self._tables[row]

    def fork(self) -> Self:
        """This object where it is common, else a blank one."""
        return self if self.common else type(self)(common=False)

    def state_dict(self) -> dict[str, Array]:
        """``key`` ``(K, 2)`` uint64, ``count`` ``(K,)`` int64 and, unless common, ``row`` ``(K,)`` int64."""
        tables = list(self._tables.items())
        keys = b"".join(name for _, table in tables for name in table)
        counts = [count for _, table in tables for count in table.values()]
        rows = [row for row, table in tables for _ in table]
        found = {
            "key": np.frombuffer(keys, dtype=np.uint64).reshape(-1, 2).copy(),
            "count": np.array(counts, dtype=np.int64),
        }
        return found if self.common else found | {"row": np.array(rows, dtype=np.int64)}

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """See :meth:`payoff.wrappers.bonus.base.Part.read_state`."""
        names = ("key", "count") if self.common else ("key", "count", "row")
        if set(state) != set(names):
            raise ValueError(f"visits take the arrays {', '.join(names)}, got {', '.join(state) or 'nothing'}")
        keys, count = as_array(state["key"]), as_array(state["count"])
        row = np.zeros(count.size, dtype=np.int64) if self.common else as_array(state["row"])
        if keys.dtype != np.uint64 or keys.shape != (count.size, 2) or count.ndim != 1 or row.shape != count.shape:
            shapes = f"{keys.dtype} {keys.shape}, {count.shape} and {row.shape}"
            raise ValueError(f"visits: key, count and row must have shapes (K, 2) uint64, (K,) and (K,), got {shapes}")
        if count.dtype.kind not in "iu" or row.dtype.kind not in "iu" or (count < 1).any() or (row < 0).any():
            raise ValueError("visits: count must hold whole numbers of at least 1, row of at least 0")
        tables: dict[int, dict[bytes, int]] = {}
        for at, name, visits in zip(row.tolist(), _names(keys), count.tolist(), strict=True):
            tables.setdefault(at, {})[name] = visits
        if sum(map(len, tables.values())) != count.size:
            raise ValueError("visits: key has a state twice")

        def take_over() -> None:
            self._tables = tables

        return take_over


def _names(keys: Array) -> list[bytes]:
    """Keys ``(R, 2)`` uint64 as they are in a table."""
    memory = np.ascontiguousarray(keys).tobytes()
    return [memory[at : at + 16] for at in range(0, len(memory), 16)]


class KeyedBonus(Bonus):
    """A bonus that tells states apart by keys.

    Args:
        key: function from observations and info to what identifies a state, see
            :data:`payoff.wrappers.bonus.keys.Key`; None: the bytes of the whole observation.

    Raises:
        TypeError: ``key`` cannot be called.
    """

    def __init__(self, key: Key | None = None) -> None:
        super().__init__()
        self.key = checked_key(key)

    def blank(self) -> dict[str, Array]:
        """``key``: that of the row's current state, beside the memory of every bonus."""
        return super().blank() | {"key": np.zeros(2, dtype=np.uint64)}

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Take the keys of the states where rows begin."""
        super().reset(obs, info, mask)
        self.memory["key"] = np.where(mask[:, None], row_keys(self.key, obs, info, mask), self.memory["key"])

    def move(self, t: Transition) -> tuple[Array, Array]:
        """Keys ``(R, 2)`` of the states that rows leave and reach; the latter are the current ones from now on."""
        left, reached = self.memory["key"], row_keys(self.key, t.next_obs, t.info, t.active)
        self.memory["key"] = np.where(t.active[:, None], reached, left)
        return left, reached


class EpisodicBonus(KeyedBonus):
    """A bonus that counts the visits of the running episode: base of ``FirstVisit`` and others.

    Args:
        key: what identifies a state; None: the whole observation.
    """

    def __init__(self, key: Key | None = None) -> None:
        super().__init__(key)
        self.episode = Visits(common=False)

    def parts(self) -> dict[str, Part]:
        """``episode``: N_e."""
        return {"episode": self.episode}

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows that begin forget where they have been."""
        super().reset(obs, info, mask)
        self.episode.forget(mask)
