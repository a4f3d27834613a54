"""Exact play of small Minesweeper boards: the best chance to win from what is known, by search over what can be known.

What is known is the set of layouts that fit it. Opening a cell that no fitting layout mines costs nothing that matters
and may tell something, so such cells are opened first. Then every closed cell is tried: the layouts that mine it are
lost, the others part by the number it shows. The search counts won layouts, so its results are whole numbers.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import Any

import numpy as np

from payoff.envs.core.jit import jit
from payoff.envs.core.state import Array
from payoff.envs.sparse.minesweeper_posterior import bits, lowest, near_masks

__all__ = ["LARGEST_SIZE", "MOST_LAYOUTS", "Solver", "is_solved", "solver", "won"]

LARGEST_SIZE = 5  # boards that are solved exactly: up to this side, which a state's name has room for,
MOST_LAYOUTS = 60_000  # and so many layouts: 5 mines on 25 cells have 53,130
_PACKED = 15  # cells in the first of the two words that name a state, four bits each


@jit
def _gather(layouts: Array, lo: int, hi: int, near: Any, value: int) -> int:
    """Move the layouts of ``lo:hi`` that show ``value`` at a cell with these neighbours to the front; their end."""
    end = lo
    for i in range(lo, hi):
        if bits(layouts[i] & near) == value:
            layouts[i], layouts[end] = layouts[end], layouts[i]
            end += 1
    return end


@jit
def _slot(keys: Array, first: Any, second: Any) -> Any:
    """Place of a state in the table: where it stands, or the free place where it belongs."""
    mixed = (first * np.uint64(0x9E3779B97F4A7C15)) ^ (second * np.uint64(0xC2B2AE3D27D4EB4F))
    at = (mixed ^ (mixed >> np.uint64(29))) & np.uint64(keys.shape[0] - 1)
    while keys[at, 0] != np.uint64(0) and (keys[at, 0] != first or keys[at, 1] != second):
        at = (at + np.uint64(1)) & np.uint64(keys.shape[0] - 1)
    return np.int64(at)


@jit
def _name(layout: Any, is_open: Any, near: Array) -> tuple[Any, Any]:
    """Two words that name what is known: for each cell four bits, 0 where it is closed, else its number and one."""
    first, second = np.uint64(1) << np.uint64(63), np.uint64(0)  # never 0, which marks a free place
    while is_open != np.uint64(0):
        cell = lowest(is_open)
        is_open &= is_open - np.uint64(1)
        shown = np.uint64(bits(layout & near[cell]) + 1)
        if cell < _PACKED:
            first |= shown << np.uint64(4 * cell)
        else:
            second |= shown << np.uint64(4 * (cell - _PACKED))
    return first, second


@jit
def _count_free(layouts: Array, lo: int, hi: int, closed: Any, free: Array) -> None:
    """Write how many layouts leave each closed cell free."""
    while closed != np.uint64(0):
        cell = lowest(closed)
        closed &= closed - np.uint64(1)
        n = np.uint64(0)
        for i in range(lo, hi):
            n += (layouts[i] >> np.uint64(cell)) & np.uint64(1)
        free[cell] = hi - lo - np.int64(n)


@jit
def _safest(free: Array, closed: Any, floor: int) -> int:
    """Closed cell that most layouts leave free, if those are more than ``floor``, else -1."""
    best = -1
    while closed != np.uint64(0):
        cell = lowest(closed)
        closed &= closed - np.uint64(1)
        if free[cell] > floor:
            best, floor = cell, free[cell]
    return best


@jit
def won(
    layouts: Array, lo: int, hi: int, is_open: Any, depth: int, board: Any, near: Array, memory: tuple[Array, ...]
) -> int:
    """Most layouts of ``lo:hi`` that one way of playing wins.

    Args:
        layouts: ``(L,)`` uint64 masks of mines, reordered within ``lo:hi``.
        lo: first of the layouts that fit what is known.
        hi: end of them.
        is_open: uint64 mask of the opened cells.
        depth: of the recursion, a row of ``free``.
        board: uint64 mask of all cells.
        near: ``(64,)`` uint64, neighbours of each cell.
        memory: (keys ``(K, 2)`` uint64, values ``(K,)`` int64, used ``(1,)`` int64, free ``(65, 64)`` int64).
    """
    if hi - lo <= 1:
        return hi - lo
    keys, values, used, free = memory
    mined = np.uint64(0)
    for i in range(lo, hi):
        mined |= layouts[i]
    safe = board & ~mined & ~is_open
    while safe != np.uint64(0):  # cells that no layout mines
        cell = lowest(safe)
        safe &= safe - np.uint64(1)
        is_open |= np.uint64(1) << np.uint64(cell)
        if _gather(layouts, lo, hi, near[cell], bits(layouts[lo] & near[cell])) == hi:
            continue
        total = 0
        for value in range(9):
            end = _gather(layouts, lo, hi, near[cell], value)
            total += won(layouts, lo, end, is_open, depth, board, near, memory)
            lo = end
        return total
    if hi - lo == 2:  # no free cell tells them apart
        return 1
    first, second = _name(layouts[lo], is_open, near)
    at = _slot(keys, first, second)
    if keys[at, 0] == first:
        return values[at]
    _count_free(layouts, lo, hi, mined, free[depth])
    best = 0
    cell = _safest(free[depth], mined, best)
    while cell >= 0:
        mined &= ~(np.uint64(1) << np.uint64(cell))
        opened = is_open | (np.uint64(1) << np.uint64(cell))
        stop = _gather(layouts, lo, hi, np.uint64(1) << np.uint64(cell), 0)
        total, start = 0, lo
        for value in range(9):
            end = _gather(layouts, start, stop, near[cell], value)
            total += won(layouts, start, end, opened, depth + 1, board, near, memory)
            start = end
            if total + stop - start <= best:  # what is left cannot make up for it
                break
        best = max(best, total)
        cell = _safest(free[depth], mined, best)
    if 2 * used[0] < keys.shape[0]:
        at = _slot(keys, first, second)
        keys[at, 0], keys[at, 1], values[at] = first, second, best
        used[0] += 1
    return best


class Solver:
    """Exact play of boards of one size and number of mines; what it works out is kept for the next question.

    Args:
        size: cells along a side.
        mines: number of mines.
        first_safe: the first opening never hits a mine.

    Raises:
        ValueError: a board that is too large; see :func:`is_solved`.
    """

    def __init__(self, size: int, mines: int, first_safe: bool) -> None:
        if not is_solved(size, mines):
            raise ValueError(
                f"size and mines must make a board of at most {LARGEST_SIZE} x {LARGEST_SIZE} cells and "
                f"{MOST_LAYOUTS:,} layouts to be solved exactly, got size={size} with mines={mines}"
            )
        self.size, self.first_safe = size, first_safe
        self.board = np.uint64((1 << size * size) - 1)
        self.near = near_masks(size)
        mined = itertools.combinations(range(size * size), mines)
        self.layouts = np.array([sum(1 << c for c in cells) for cells in mined], dtype=np.uint64)
        slots = 1 << (64 * len(self.layouts)).bit_length()
        self._memory = (
            np.zeros((slots, 2), dtype=np.uint64),
            np.zeros(slots, dtype=np.int64),
            np.zeros(1, dtype=np.int64),
            np.zeros((65, 64), dtype=np.int64),
        )

    def fitting(self, shown: Array) -> Array:
        """Layouts that fit the numbers shown: ``(L,)`` uint64 masks of mines.

        Args:
            shown: ``(cells,)`` numbers of opened cells, negative where closed.
        """
        fits = np.ones(len(self.layouts), dtype=bool)
        for c in np.flatnonzero(shown >= 0).tolist():
            fits &= (self.layouts >> np.uint64(c)) & np.uint64(1) == 0
            fits &= np.bitwise_count(self.layouts & self.near[c]) == shown[c]
        return self.layouts[fits]

    def _wins(self, layouts: Array, is_open: int) -> int:
        return int(won(layouts.copy(), 0, len(layouts), np.uint64(is_open), 0, self.board, self.near, self._memory))

    def chances(self, shown: Array) -> Array:
        """Best chance to win after opening each cell next: ``(cells,)``, 0 for the cells that are open.

        Before the first opening, cells that the symmetries of the square map to each other are worked out once.
        """
        layouts = self.fitting(shown)
        opened = shown >= 0
        found = np.zeros(self.size**2)
        is_open = sum(1 << c for c in np.flatnonzero(opened).tolist())
        images = np.arange(self.size**2) if opened.any() else _images(self.size)
        for c in np.flatnonzero(~opened & (images == np.arange(self.size**2))).tolist():
            free = layouts[(layouts >> np.uint64(c)) & np.uint64(1) == 0]
            numbers = np.bitwise_count(free & self.near[c])
            wins = sum(self._wins(free[numbers == n], is_open | 1 << c) for n in np.unique(numbers))
            found[c] = wins / max(len(free) if self.first_safe and not opened.any() else len(layouts), 1)
        spread: Array = found[images]
        return spread

    def chance(self, shown: Array) -> float:
        """Best chance to win from what is shown."""
        if not (shown >= 0).any():
            return float(self.chances(shown).max())
        layouts = self.fitting(shown)
        is_open = sum(1 << c for c in np.flatnonzero(shown >= 0).tolist())
        return self._wins(layouts, is_open) / len(layouts)


def _images(size: int) -> Array:
    """For each cell the first one that a symmetry of the square maps it to, ``(cells,)``."""
    cells = np.arange(size * size).reshape(size, size)
    turned = [np.rot90(m, k).ravel() for m in (cells, cells.T) for k in range(4)]
    first: Array = np.min(turned, axis=0)
    return first


def is_solved(size: int, mines: int) -> bool:
    """Whether boards of this size and number of mines are solved exactly."""
    return size <= LARGEST_SIZE and math.comb(size * size, mines) <= MOST_LAYOUTS


@lru_cache(maxsize=8)
def solver(size: int, mines: int, first_safe: bool) -> Solver:
    """The solver of a board, made once.

    Raises:
        ValueError: a board that is too large.
    """
    return Solver(size, mines, first_safe)
