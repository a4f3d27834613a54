"""Observations of games whose state is a few small whole numbers.

An observation shows symbols: whole numbers 0 .. count - 1 that are read off a field of the state. They are written one-
hot each (``factored``), one-hot together (``joint``: one entry for every combination, as a table has), or as numbers in
[0, 1] (``scaled``). What a terminal state shows is up to its field: values of ``limit`` or more show nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs.core.game import ObservationPlan, Sight
from payoff.envs.core.jit import jit
from payoff.envs.core.params import check_word
from payoff.envs.core.state import CLOCK, Layout
from payoff.envs.sight.settings import chosen

__all__ = ["ENCODINGS", "SETTINGS", "Observe", "Symbol", "symbols"]

_MOST_JOINT = 1_000_000
ENCODINGS = ("factored", "joint", "scaled")
_COLUMNS = ("column", "divide", "count", "limit", "first", "stride")
SYMBOL = np.dtype([*((name, np.int64) for name in _COLUMNS), ("scale", np.float64)], align=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """What a seat sees: pass one as ``observe=``, to Gymnasium and PettingZoo environments alike.

    Attributes:
        encoding: how symbols are written.
        hide: names of symbols that are not shown.
        clock: whether the clock, steps taken divided by the horizon, comes last.
    """

    encoding: Literal["factored", "joint", "scaled"] = "factored"
    hide: tuple[str, ...] = ()
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        check_word("observe.encoding", self.encoding, ENCODINGS)
        if not isinstance(self.hide, tuple) or not all(isinstance(name, str) for name in self.hide):
            raise ValueError(f"observe.hide must be a tuple of names, got {self.hide!r}")
        if not isinstance(self.clock, bool):
            raise ValueError(f"observe.clock must be True or False, got {self.clock!r}")


SETTINGS = {"full": Observe(), "private": Observe(), "minimal": Observe(encoding="scaled")}


@dataclass(frozen=True, slots=True)
class Symbol:
    """A whole number 0 .. count - 1: ``field // divide % count``.

    Attributes:
        name: of the entries.
        count: number of values.
        limit: values of the field from here on are shown as blank (a terminal state); None: there are none.
        field: of the state; None: the one called ``name``.
        index: place in a field that is a vector.
        divide: takes the symbol out of a field that holds several.
    """

    name: str
    count: int
    limit: int | None = None
    field: str | None = None
    index: int | None = None
    divide: int = 1


def _shown(rows: Sequence[Any], listed: Callable[[Any], Sequence[Symbol]], observe: Observe) -> list[list[Symbol]]:
    """Symbols of each parameter row that are shown.

    Raises:
        ValueError: ``hide`` names what is no symbol, or all of them.
    """
    known = [s.name for s in listed(rows[0])]
    for name in observe.hide:
        if name not in known:
            raise ValueError(f"observe.hide must name symbols, which are {', '.join(known)}; got {name!r}")
    shown = [[s for s in listed(p) if s.name not in observe.hide] for p in rows]
    if not shown[0]:
        raise ValueError(f"observe.hide must leave a symbol to see, got {observe.hide!r}")
    return shown


def _plan(rows: Sequence[Any], layout: Layout, shown: list[list[Symbol]], observe: Observe) -> ObservationPlan:
    """Observation plan. Where copies differ in size, there are as many entries as the largest needs.

    Raises:
        ValueError: a joint encoding of copies that differ in size, or one of too many entries.
    """
    most = [max(counts) for counts in zip(*([s.count for s in of_row] for of_row in shown), strict=True)]
    names_of = [s.name for s in shown[0]]
    if observe.encoding == "joint":
        if any([s.count for s in of_row] != most for of_row in shown):
            raise ValueError("observe.encoding must not be 'joint' where the copies of a batch differ in size")
        if np.prod(most, dtype=float) > _MOST_JOINT:
            got = " x ".join(map(str, most))
            raise ValueError(f"observe.encoding must not be 'joint' beyond {_MOST_JOINT:,} combinations, got {got}")
        names = [",".join(names_of) + str(list(values)) for values in itertools.product(*map(range, most))]
    elif observe.encoding == "scaled":
        names = names_of
    else:
        names = [f"{name}[{k}]" for name, count in zip(names_of, most, strict=True) for k in range(count)]
    table = np.zeros((len(rows), len(names_of) + observe.clock), dtype=SYMBOL)
    for b, of_row in enumerate(shown):
        for v, s in enumerate(of_row):
            first, stride, scale = sum(most[:v]), 0, 0.0
            if observe.encoding == "joint":
                first, stride = 0, int(np.prod(most[v + 1 :]))
            elif observe.encoding == "scaled":
                first, scale = v, 1.0 / max(s.count - 1, 1)
            column = layout.column(s.field or s.name, *([] if s.index is None else [s.index]))
            limit = s.count * s.divide if s.limit is None else s.limit
            table[b, v] = (column, s.divide, s.count, limit, first, stride, scale)
        if observe.clock:
            horizon = rows[b].horizon
            table[b, -1] = (CLOCK, 1, horizon + 1, horizon + 1, len(names), 0, 1.0 / horizon)
    return ObservationPlan(table, (*names, *(["clock"] if observe.clock else [])))


@jit
def _look(row: Any, view: Any, obs: Any) -> None:
    """Write the symbols of a state row ``(S,)`` into ``obs`` ``(1, O)``; ``view`` ``(V,)`` of dtype SYMBOL."""
    seen = obs[0]
    for k in range(seen.shape[0]):
        seen[k] = 0.0
    together, n_joined, n_known = 0, 0, 0
    for v in range(view.shape[0]):
        entry = view[v]
        raw = int(row[entry.column])
        n_joined += entry.stride > 0
        if raw >= entry.limit:
            continue
        value = raw if entry.divide == 1 and raw < entry.count else raw // entry.divide % entry.count
        if entry.stride > 0:
            together += value * entry.stride
            n_known += 1
        elif entry.scale > 0.0:
            seen[entry.first] = value * entry.scale
        else:
            seen[entry.first + value] = 1.0
    if n_known > 0 and n_known == n_joined:
        seen[together] = 1.0


def symbols(listed: Callable[[Any], Sequence[Symbol]], settings: Mapping[str, Observe] = SETTINGS) -> Sight:
    """What is seen of a game by symbols.

    Args:
        listed: (parameters) -> the game's symbols, always the same ones in the same order.
        settings: named observation settings.
    """

    def plan(rows: Sequence[Any], layout: Layout, seats: Sequence[int], setting: Any) -> ObservationPlan:
        """Raise ValueError for an unknown name or setting, TypeError for neither a name nor an Observe."""
        observe = chosen(setting, settings, Observe)
        return _plan(rows, layout, _shown(rows, listed, observe), observe)

    return Sight(_look, plan, tuple(settings), by_column=True)
