"""What the numbers of a Minesweeper board say: how many layouts of mines fit them, and how often each cell is mined.

Frontier cells (closed, beside an open one) are assigned one after the other, given up as soon as a number cannot come
out; an assignment with j mines stands for as many layouts as there are ways to put the rest among the other closed
cells. Sets of cells are uint64 masks: bit c stands for cell c, counted row by row.
"""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import Any

import numpy as np

from payoff.envs.core.jit import jit
from payoff.envs.core.state import Array

__all__ = ["CLOSED", "bits", "choose", "lowest", "near_masks", "weigh"]

CLOSED = -1.0  # in the place of the number that an opened cell shows


@cache
def near_masks(size: int) -> Array:
    """Neighbours of each cell as ``(64,)`` uint64 masks; do not write to them."""
    found = np.zeros(64, dtype=np.uint64)
    for cell in range(size * size):
        y, x = divmod(cell, size)
        around = itertools.product(range(max(y - 1, 0), min(y + 2, size)), range(max(x - 1, 0), min(x + 2, size)))
        found[cell] = sum(1 << (v * size + u) for v, u in around if (v, u) != (y, x))
    return found


@jit
def bits(mask: Any) -> Any:
    """Number of bits set in a uint64."""
    mask = mask - ((mask >> np.uint64(1)) & np.uint64(0x5555555555555555))
    mask = (mask & np.uint64(0x3333333333333333)) + ((mask >> np.uint64(2)) & np.uint64(0x3333333333333333))
    mask = (mask + (mask >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((mask * np.uint64(0x0101010101010101)) >> np.uint64(56))


@jit
def lowest(mask: Any) -> Any:
    """Number of the lowest bit set in a uint64 that is not zero."""
    return bits((mask & (~mask + np.uint64(1))) - np.uint64(1))


@jit
def choose(n: int, k: int) -> float:
    """Binomial coefficient as a float; 0 outside its triangle."""
    if k < 0 or k > n:
        return 0.0
    found = 1.0
    for i in range(min(k, n - k)):
        found = found * (n - i) / (i + 1)
    return math.floor(found + 0.5) if found < 2.0**52 else found


@jit
def weigh(mines: int, near: Array, shown: Array, risk: Array) -> float:
    """Work out the exact probability that each cell is mined, given what is shown; layouts are equally likely.

    Args:
        mines: number of mines.
        near: ``(64,)`` uint64 neighbours of each cell.
        shown: ``(cells,)`` numbers, CLOSED where a cell is closed.
        risk: ``(cells,)`` overwritten with the probabilities, 0 where a cell is open.

    Returns:
        Number of layouts that fit; 1 for numbers that no layout fits.
    """
    is_open, frontier, one = np.uint64(0), np.uint64(0), np.uint64(1)
    for c in range(shown.shape[0]):
        risk[c] = 0.0
        if shown[c] != CLOSED:
            is_open |= one << np.uint64(c)
            frontier |= near[c]
    frontier &= ~is_open
    others = ~(is_open | frontier)
    first, n_others = -1, 0
    for c in range(shown.shape[0]):
        if (others >> np.uint64(c)) & one:
            n_others += 1
            if first < 0:
                first = c
    total = _search(near, shown, frontier, np.uint64(0), mines, is_open, n_others, first, risk)
    total = max(total, 1.0)
    share = risk[first] if first >= 0 else 0.0
    for c in range(shown.shape[0]):
        risk[c] = (share if (others >> np.uint64(c)) & one else risk[c]) / total
    return total


@jit
def _search(
    near: Array, shown: Array, rest: Any, placed: Any, left: int, is_open: Any, n_others: int, others: int, risk: Array
) -> float:
    """Weight of the layouts that fit; adds to ``risk`` the weight of those that mine each cell.

    Args:
        near: ``(64,)`` uint64 neighbours.
        shown: ``(cells,)`` numbers.
        rest: mask of the frontier cells that are undecided.
        placed: mask of the frontier cells that are mined.
        left: mines not placed.
        is_open: mask of the opened cells.
        n_others: closed cells that touch no opened one.
        others: the first of them.
        risk: ``(cells,)``.
    """
    if rest == np.uint64(0):
        weight = choose(n_others, left)
        if weight > 0.0:
            while placed != np.uint64(0):
                risk[lowest(placed)] += weight
                placed &= placed - np.uint64(1)
            if n_others > 0:
                risk[others] += weight * left / n_others
        return weight
    cell = lowest(rest)
    rest &= rest - np.uint64(1)
    total = 0.0
    if _fits(near, shown, cell, placed, rest, is_open):
        total += _search(near, shown, rest, placed, left, is_open, n_others, others, risk)
    placed |= np.uint64(1) << np.uint64(cell)
    if left > 0 and _fits(near, shown, cell, placed, rest, is_open):
        total += _search(near, shown, rest, placed, left - 1, is_open, n_others, others, risk)
    return total


@jit
def _fits(near: Array, shown: Array, cell: int, placed: Any, rest: Any, is_open: Any) -> bool:
    """Whether the numbers around a cell can still come out, ``rest`` being undecided."""
    around = near[cell] & is_open
    while around != np.uint64(0):
        k = lowest(around)
        around &= around - np.uint64(1)
        have = bits(placed & near[k])
        if shown[k] < have or shown[k] > have + bits(rest & near[k]):
            return False
    return True
