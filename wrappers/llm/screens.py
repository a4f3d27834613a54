"""What is seen at a moment, in words: what a judge of a step is shown before it and after it.

A screen is a function from observations and info to texts. Where an environment says what the numbers of an observation
are called, :class:`NamedScreen` makes the texts of the names alone: cells become a map in characters, whatever else is
not 0 is named below it. Other environments need a function of yours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from payoff.envs.core.params import check_integer
from payoff.wrappers.arguments import check_sequence, check_text
from payoff.wrappers.bonus.state_features import flat
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["MOST_SCREEN", "NamedScreen"]

MOST_SCREEN = 2000  # bytes of a text
_MOST_KEPT = 100_000  # observations whose texts are kept
_CELL = re.compile(r"(.+)\[\D*?([+-]?\d+),\D*?([+-]?\d+)\]")
_SIGNS = {"wall": "#", "seat": "@"}
_EMPTY = "."
_SEAT = "seat"


@dataclass(frozen=True)
class NamedScreen:
    """Texts that are made of the names of an observation's numbers.

    Entries such as ``key[2,3]``, one for each cell, are drawn as a map, row by row as they come, with a letter for each
    kind of thing where they are 1. All that is neither 0 nor drawn is listed below, with its value. With a crop, the
    map shows the cells around the seat alone, and below it stand only the names of entries that are 1, so that no
    number tells what the crop hides.

    Args:
        names: one for each number; see :func:`payoff.wrappers.observation_names`.
        crop: cells along a side of the window around the seat, odd; 0: all is shown.

    Raises:
        TypeError: ``names`` is no sequence of texts.
        ValueError: it is empty, ``crop`` is even or negative, or there is a crop and no map with a ``seat`` in it.

    >>> names = ("wall[1,1]", "wall[2,1]", "seat[1,1]", "seat[2,1]", "heading_right")
    >>> print(NamedScreen(names)(np.array([[1.0, 0.0, 0.0, 1.0, 1.0]]), None)[0])
    #@
    #: wall, @: seat
    heading right
    """

    names: tuple[str, ...]
    crop: int = 0
    _things: dict[str, tuple[str, Array]] = field(init=False, repr=False, compare=False)
    _mapped: frozenset[int] = field(init=False, repr=False, compare=False)
    _kept: dict[bytes, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the fields, and find the map."""
        check_sequence("names", self.names, "texts")
        for i, name in enumerate(self.names):
            check_text(f"names[{i}]", name)
        if not len(self.names):
            raise ValueError("names must be at least one: nobody said what the numbers of an observation are called")
        check_integer("crop", self.crop, 0)
        things = _channels(self.names)
        mapped = frozenset(i for _, places in things.values() for i in places.ravel().tolist())
        if self.crop and (self.crop % 2 == 0 or _SEAT not in things):
            raise ValueError(f"crop must be odd, and the names must have cells with a seat, got crop={self.crop}")
        for name, value in (("names", tuple(self.names)), ("_things", things), ("_mapped", mapped), ("_kept", {})):
            object.__setattr__(self, name, value)

    def __call__(self, obs: Batch, info: BatchInfo | None) -> list[str]:
        """Texts of R observations.

        Raises:
            ValueError: an observation has another number of entries than there are names.
        """
        rows = flat(obs) if isinstance(obs, dict | tuple) else np.asarray(obs, dtype=np.float64).reshape(len(obs), -1)
        if rows.shape[1] != len(self.names):
            raise ValueError(f"names must be one for each of {rows.shape[1]} numbers, got {len(self.names)}")
        found = []
        for row in rows:
            key = row.tobytes()
            if key not in self._kept:
                if len(self._kept) >= _MOST_KEPT:
                    self._kept.clear()
                self._kept[key] = self._text(row)
            found.append(self._kept[key])
        return found

    def _text(self, row: Array) -> str:
        lines: list[str] = []
        if self._things:
            seen = {thing: row[places] for thing, (_, places) in self._things.items()}
            sheet = np.full(next(iter(seen.values())).shape, _EMPTY)
            for thing, cells in seen.items():
                sheet[cells == 1.0] = self._things[thing][0]
            sheet = self._cropped(sheet, seen)
            lines += ["".join(line) for line in sheet]
            lines += [
                ", ".join(f"{sign}: {_plain(thing)}" for thing, (sign, _) in self._things.items() if sign in sheet)
            ]
        rest = [self._entry(i, value) for i, value in enumerate(row) if self._is_listed(i, value)]
        return "\n".join(filter(None, [*lines, ", ".join(rest)]))

    def _is_listed(self, i: int, value: float) -> bool:
        if self.crop:
            return value == 1.0 and i not in self._mapped
        return value != 0.0 and (value != 1.0 or i not in self._mapped)

    def _cropped(self, sheet: Array, seen: dict[str, Array]) -> Array:
        """The window around the seat; what lies outside the map looks like a wall."""
        if not self.crop:
            return sheet
        at, reach = np.argwhere(seen[_SEAT] == 1.0), self.crop // 2
        wide = np.pad(sheet, reach, constant_values=_SIGNS["wall"])
        if not len(at):
            return wide[:0]
        y, x = at[0]
        return wide[y : y + self.crop, x : x + self.crop]

    def _entry(self, i: int, value: float) -> str:
        name = _plain(self.names[i])
        return name if value == 1.0 else f"{name} {value:.3g}"


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _channels(names: Sequence[str]) -> dict[str, tuple[str, Array]]:
    """Things that have cells, each with its letter and the places ``(H, W)`` of its entries."""
    cells: dict[str, list[tuple[int, int, int]]] = {}
    for i, name in enumerate(names):
        if found := _CELL.fullmatch(name):
            cells.setdefault(found[1], []).append((int(found[2]), int(found[3]), i))
    things: dict[str, tuple[str, Array]] = {}
    size = 0
    for thing, listed in cells.items():
        slow = 0 if len(listed) > 1 and listed[0][0] == listed[1][0] else 1  # the coordinate that says which row
        width = sum(cell[slow] == listed[0][slow] for cell in listed)
        if len(listed) % width or size not in (0, len(listed)):
            continue  # no rectangle, or not that of the map
        size = len(listed)
        taken = {sign for sign, _ in things.values()} | set(_SIGNS.values())
        sign = _SIGNS.get(thing) or next(c for c in [*thing, *map(chr, range(65, 91)), "?"] if c not in taken)
        things[thing] = sign, np.array([i for *_, i in listed]).reshape(-1, width)
    return things
