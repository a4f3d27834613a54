"""Compiled functions of Sudoku: rules, how a puzzle is made from the bank, and what the seat sees.

The model is in :mod:`payoff.envs.sparse.sudoku`. ``params`` is the tuple of ``(P,)`` records of dtype NUMBERS and
``(P, K, 2, cells)`` int8, the bank: K puzzles (0 where blank) with their solutions. Cells count row by row.
"""

from __future__ import annotations

import numpy as np

from payoff.envs.core import loop, rng
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, Layout
from payoff.envs.sparse.reasoning import FULL

__all__ = ["AUX", "CAPTIONS", "KERNELS", "LARGEST", "NUMBERS", "WRONG", "layout"]

AUX = ("none", "oracle", "checks")
NONE, ORACLE, CHECKS = range(3)
WRONG = ("ends", "refused")
ENDS = 0
LARGEST = 9  # cells along a side; `checks` holds three flags for each line


def layout(size: int) -> Layout:
    """Columns of a state row: cells left blank, report of the last step, and the grids; ``grid`` is 0 where blank."""
    cells = (size * size,)
    return Layout(blank=(), event=(), aux=(), solution=cells, clue=cells, grid=cells)


_ANY = layout(1)
BLANK, EVENT, AUX_AT, SOLUTION = (_ANY.at(name) for name in ("blank", "event", "aux", "solution"))

CAPTIONS = (
    "the episode began",
    "wrote the right digit",
    "completed a row, column or box",
    "solved the puzzle",
    "wrote a wrong digit, which ended the episode",
    "was refused a wrong digit",
    "chose a cell that was full already",
)
BEGAN, WROTE, COMPLETED, SOLVED, FAILED, REFUSED, WAS_FULL = range(7)

NUMBERS = np.dtype(
    [(name, np.int64) for name in ("side", "cells", "height", "width", "bank", "given", "clues", "wrong", "aux")]
)


@jit
def _swap(p, row, by_column, a, b):
    """Swap two lines of the solution and of the clues."""
    for k in range(p.side):
        i = SOLUTION + (k * p.side + a if by_column else a * p.side + k)
        j = SOLUTION + (k * p.side + b if by_column else b * p.side + k)
        row[i], row[j] = row[j], row[i]
        row[i + p.cells], row[j + p.cells] = row[j + p.cells], row[i + p.cells]


@jit
def _shuffle_lines(p, row, by_column):
    """Shuffle the bands of lines that share boxes, and the lines of each band."""
    thick = p.width if by_column else p.height
    bands = p.side // thick
    for i in range(bands - 1, 0, -1):
        j = rng.below(row, i + 1)
        for k in range(thick):
            _swap(p, row, by_column, i * thick + k, j * thick + k)
    for band in range(bands):
        for i in range(thick - 1, 0, -1):
            _swap(p, row, by_column, band * thick + i, band * thick + rng.below(row, i + 1))


@jit
def _relabel(p, row):
    """Shuffle the digits."""
    for i in range(p.side, 1, -1):
        j = 1 + rng.below(row, i)
        for c in range(SOLUTION, SOLUTION + p.cells):
            if row[c] == i:
                row[c] = j
            elif row[c] == j:
                row[c] = i


@jit
def reset_row(params, b, row):
    """Start an episode: a puzzle of the bank, shuffled so that it stays one, and further clues from its solution."""
    k = loop.pick(b, params[0].shape[0])
    p = params[0][k]
    base = rng.below(row, p.bank)
    turned = p.height == p.width and rng.below(row, 2) == 1
    clue = SOLUTION + p.cells
    grid = clue + p.cells
    for c in range(p.cells):
        at = c % p.side * p.side + c // p.side if turned else c
        row[SOLUTION + at] = params[1][k, base, 1, c]
        row[clue + at] = 1.0 if params[1][k, base, 0, c] > 0 else 0.0
    _shuffle_lines(p, row, False)
    _shuffle_lines(p, row, True)
    _relabel(p, row)
    for i in range(p.given, p.clues):
        nth = rng.below(row, p.cells - i)
        for c in range(clue, clue + p.cells):
            if row[c] == 0.0:
                if nth == 0:
                    row[c] = 1.0
                    break
                nth -= 1
    for c in range(p.cells):
        row[grid + c] = row[SOLUTION + c] * row[clue + c]
    row[BLANK], row[EVENT], row[AUX_AT] = p.cells - p.clues, BEGAN, 0.0


@jit
def _is_complete(p, row, kind, line):
    """Whether a row (kind 0), column (1) or box (2) is full; what stands in the grid is always right."""
    grid = SOLUTION + 2 * p.cells
    for k in range(p.side):
        if kind == 0:
            c = line * p.side + k
        elif kind == 1:
            c = k * p.side + line
        else:
            across = p.side // p.width
            y, x = line // across * p.height + k // p.width, line % across * p.width + k % p.width
            c = y * p.side + x
        if row[grid + c] == 0.0:
            return False
    return True


@jit
def _completed(p, row, cell):
    """How many of the row, column and box of a cell are full."""
    y, x = cell // p.side, cell % p.side
    box = y // p.height * (p.side // p.width) + x // p.width
    return int(_is_complete(p, row, 0, y)) + int(_is_complete(p, row, 1, x)) + int(_is_complete(p, row, 2, box))


@jit
def step_row(params, b, row, action, work):
    """One step of one copy.

    Args:
        params: see the module.
        b: copy.
        row: ``(S,)`` state, modified in place.
        action: ``(1, 1)``.
        work: ``(5, 1)``; row BASE is written.

    Returns:
        Whether the episode is over.
    """
    p = params[0][loop.pick(b, params[0].shape[0])]
    chosen = int(action[0, 0])
    cell, digit = chosen // p.side, chosen % p.side + 1
    grid = SOLUTION + 2 * p.cells
    work[loop.BASE, 0] = 0.0
    row[AUX_AT] = 0.0
    if row[grid + cell] != 0.0:  # 1
        row[EVENT] = WAS_FULL
        return False
    if row[SOLUTION + cell] != digit:  # 2
        row[EVENT] = FAILED if p.wrong == ENDS else REFUSED
        return p.wrong == ENDS
    row[grid + cell] = digit  # 3
    row[BLANK] -= 1.0
    completed = _completed(p, row, cell)
    if p.aux == ORACLE:
        row[AUX_AT] = 1.0
    elif p.aux == CHECKS:
        row[AUX_AT] = completed / (3.0 * p.side)
    solved = row[BLANK] == 0.0  # 4
    row[EVENT] = SOLVED if solved else COMPLETED if completed > 0 else WROTE
    work[loop.BASE, 0] = 1.0 if solved else 0.0
    return solved


@jit
def observe_row(table, b, row, obs):
    """What the seat sees.

    Args:
        table: ``(P,)`` records of dtype SEEN: number of cells, and of digits.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    entry = table[loop.pick(b, table.shape[0])]
    seen = obs[0]
    cells = entry.cells
    grid = SOLUTION + 2 * cells
    if entry.scope == FULL:
        at = cells * entry.kinds
        for k in range(at):
            seen[k] = 0.0
        for c in range(cells):
            digit = int(row[grid + c])
            if digit > 0:
                seen[(digit - 1) * cells + c] = 1.0
    else:
        at = cells
        for c in range(cells):
            seen[c] = row[grid + c] / entry.kinds
    if seen.shape[0] > at:
        seen[at] = row[CLOCK] * entry.clock


@jit
def transition(params, wiring, state, buffers, obs):
    """One step of every copy; see :mod:`payoff.envs.core.game`."""
    bad = loop.begin(wiring, state, buffers)
    if bad != loop.FINE:
        return bad
    _, action, work, flags, _ = buffers
    for b in range(state.shape[0]):
        if loop.restarts(state[b]):
            reset_row(params, b, state[b])
        else:
            flags[b, 0] = step_row(params, b, state[b], action[b], work[b])
    loop.finish(wiring, state, buffers)
    for b in range(state.shape[0]):
        if loop.ends(wiring, b, state[b], buffers):
            reset_row(params, b, state[b])
        observe_row(wiring[8], b, state[b], obs[b])
    return loop.FINE


@jit
def start(params, wiring, state, mask, obs):
    """Restart the masked copies and observe all."""
    for b in range(state.shape[0]):
        if mask[b]:
            loop.restart(state[b])
            reset_row(params, b, state[b])
        observe_row(wiring[8], b, state[b], obs[b])


@jit
def look(params, wiring, state, obs):
    """Observe all copies."""
    for b in range(state.shape[0]):
        observe_row(wiring[8], b, state[b], obs[b])


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, 30)``: aux, progress, caption, and 27 checks (rows, columns, boxes, then True)."""
    for b in range(state.shape[0]):
        p, row = params[0][loop.pick(b, params[0].shape[0])], state[b]
        out[b, 0] = row[AUX_AT]
        out[b, 1] = 1.0 - row[BLANK] / (p.cells - p.clues)
        out[b, 2] = row[EVENT]
        for kind in range(3):
            for line in range(p.side):
                out[b, 3 + kind * p.side + line] = 1.0 if _is_complete(p, row, kind, line) else 0.0
        for k in range(3 * p.side, 3 * LARGEST):
            out[b, 3 + k] = 1.0


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
