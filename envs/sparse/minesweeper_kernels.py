"""Compiled functions of Minesweeper: rules, the exact posterior by search over the frontier, and what the seat sees.

The model is in :mod:`payoff.envs.sparse.minesweeper`. ``params`` is the tuple of ``(P,)`` records of dtype NUMBERS and
``(P, 64)`` uint64 masks, the neighbours of each cell. Cells count row by row.
"""

from __future__ import annotations

import math

import numpy as np

from payoff.envs.core import loop, rng
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, Layout
from payoff.envs.sparse.minesweeper_solver import bits, lowest
from payoff.envs.sparse.reasoning import MINIMAL

__all__ = ["AUX", "CAPTIONS", "CLOSED", "KERNELS", "NUMBERS", "layout", "posterior_row"]

AUX = ("none", "oracle", "belief_prob", "belief_log")
NONE, ORACLE, PROB, LOG = range(4)
CLOSED = -1.0  # in `shown`, which else holds the number of an opened cell


def layout(size: int, aux: str) -> Layout:
    """Columns of a state row.

    ``mine`` are the hidden mines and ``spare`` the cell that a mine moves to when the first opening hits it; ``fit`` is
    the number of layouts that fit what is shown, and ``risk`` the posterior, both kept for the auxiliary rewards only.
    """
    cells = (size * size,)
    fields = {"spare": (), "opened": (), "last": (), "event": (), "aux": (), "fit": (), "mine": cells, "shown": cells}
    return Layout(**fields, **({"risk": cells} if aux != "none" else {}))


_ANY = layout(1, "none")
SPARE, OPENED, LAST, EVENT = (_ANY.at(name) for name in ("spare", "opened", "last", "event"))
AUX_AT, FIT, MINE = (_ANY.at(name) for name in ("aux", "fit", "mine"))  # `shown` and `risk` follow `mine`

CAPTIONS = (
    "the episode began",
    "opened a cell",
    "opened a cell that was open already",
    "opened the last free cell",
    "opened a mine",
)
BEGAN, OPENED_ONE, WAS_OPEN, SOLVED, EXPLODED = range(5)

NUMBERS = np.dtype([(name, np.int64) for name in ("side", "cells", "mines", "first_safe", "aux")])


@jit
def _choose(n, k):
    """Binomial coefficient as a float; 0 outside its triangle."""
    if k < 0 or k > n:
        return 0.0
    found = 1.0
    for i in range(min(k, n - k)):
        found = found * (n - i) / (i + 1)
    return math.floor(found + 0.5) if found < 2.0**52 else found


@jit
def _fits(near, row, shown, cell, placed, rest, is_open):
    """Whether the numbers around a cell can still come out, ``rest`` being undecided."""
    around = near[cell] & is_open
    while around != np.uint64(0):
        k = lowest(around)
        around &= around - np.uint64(1)
        have = bits(placed & near[k])
        if row[shown + k] < have or row[shown + k] > have + bits(rest & near[k]):
            return False
    return True


@jit
def _search(near, row, shown, rest, placed, left, is_open, n_others, others, out):
    """Weight of the layouts that fit; adds to ``out`` the weight of those that mine each cell.

    Args:
        near: ``(64,)`` uint64 neighbours.
        row: ``(S,)`` state.
        shown: first column of the shown numbers.
        rest: uint64 mask of the frontier cells (closed, beside an opened one) that are undecided.
        placed: uint64 mask of the frontier cells that are mined.
        left: mines not placed.
        is_open: uint64 mask of the opened cells.
        n_others: closed cells that touch no opened one.
        others: the first of them.
        out: ``(cells,)`` float64.
    """
    if rest == np.uint64(0):
        weight = _choose(n_others, left)
        if weight > 0.0:
            while placed != np.uint64(0):
                out[lowest(placed)] += weight
                placed &= placed - np.uint64(1)
            if n_others > 0:
                out[others] += weight * left / n_others
        return weight
    cell = lowest(rest)
    rest &= rest - np.uint64(1)
    total = 0.0
    if _fits(near, row, shown, cell, placed, rest, is_open):
        total += _search(near, row, shown, rest, placed, left, is_open, n_others, others, out)
    placed |= np.uint64(1) << np.uint64(cell)
    if left > 0 and _fits(near, row, shown, cell, placed, rest, is_open):
        total += _search(near, row, shown, rest, placed, left - 1, is_open, n_others, others, out)
    return total


@jit
def posterior_row(p, near, row, out):
    """Exact probability that each cell is mined, given what is shown; layouts are equally likely.

    Args:
        p: record of dtype NUMBERS.
        near: ``(64,)`` uint64 neighbours.
        row: ``(S,)`` state.
        out: ``(cells,)`` float64, overwritten.

    Returns:
        Number of layouts that fit.
    """
    shown = MINE + p.cells
    is_open, frontier, one = np.uint64(0), np.uint64(0), np.uint64(1)
    for c in range(p.cells):
        out[c] = 0.0
        if row[shown + c] != CLOSED:
            is_open |= one << np.uint64(c)
            frontier |= near[c]
    frontier &= ~is_open
    others = ~(is_open | frontier)
    first, n_others = -1, 0
    for c in range(p.cells):
        if (others >> np.uint64(c)) & one:
            n_others += 1
            if first < 0:
                first = c
    total = _search(near, row, shown, frontier, np.uint64(0), p.mines, is_open, n_others, first, out)
    share = out[first] if first >= 0 else 0.0
    for c in range(p.cells):
        out[c] = (share if (others >> np.uint64(c)) & one else out[c]) / total
    return total


@jit
def _number(p, row, cell):
    """Mines around a cell."""
    y, x = cell // p.side, cell % p.side
    found = 0.0
    for v in range(max(y - 1, 0), min(y + 2, p.side)):
        for u in range(max(x - 1, 0), min(x + 2, p.side)):
            found += row[MINE + v * p.side + u]
    return found - row[MINE + cell]


@jit
def _is_safest(p, row, cell):
    """Whether no closed cell is mined with a smaller probability, by ``risk``."""
    shown, risk = MINE + p.cells, MINE + 2 * p.cells
    if row[shown + cell] != CLOSED:
        return False
    for c in range(p.cells):
        if row[shown + c] == CLOSED and row[risk + c] < row[risk + cell] - 1e-12:
            return False
    return True


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
    k = loop.pick(b, params[0].shape[0])
    p, near = params[0][k], params[1][k]
    shown = MINE + p.cells
    cell = int(action[0, 0])
    work[loop.BASE, 0] = 0.0
    row[AUX_AT] = 0.0
    if p.aux == ORACLE and _is_safest(p, row, cell):
        row[AUX_AT] = 1.0
    if row[shown + cell] != CLOSED:
        row[EVENT] = WAS_OPEN
        return False
    if row[OPENED] == 0.0 and p.first_safe != 0 and row[MINE + cell] != 0.0:  # 1
        row[MINE + cell], row[MINE + int(row[SPARE])] = 0.0, 1.0
    row[LAST] = cell
    if row[MINE + cell] != 0.0:  # 2
        row[EVENT] = EXPLODED
        return True
    row[shown + cell] = _number(p, row, cell)  # 3
    row[OPENED] += 1.0
    before = row[FIT]
    if p.aux != NONE:
        row[FIT] = posterior_row(p, near, row, row[shown + p.cells :])
    if p.aux == PROB:
        row[AUX_AT] = 1.0 / row[FIT] - 1.0 / before
    elif p.aux == LOG:
        row[AUX_AT] = math.log(before / row[FIT])
    solved = row[OPENED] == p.cells - p.mines  # 4
    row[EVENT] = SOLVED if solved else OPENED_ONE
    work[loop.BASE, 0] = 1.0 if solved else 0.0
    return solved


@jit
def reset_row(params, b, row):
    """Start an episode: mines and the spare cell are drawn one after the other among the cells left."""
    p = params[0][loop.pick(b, params[0].shape[0])]
    shown = MINE + p.cells
    for c in range(p.cells):
        row[MINE + c], row[shown + c] = 0.0, CLOSED
        if p.aux != NONE:
            row[shown + p.cells + c] = p.mines / p.cells
    for i in range(p.mines + 1):
        nth = rng.below(row, p.cells - i)
        for c in range(p.cells):
            if row[MINE + c] == 0.0:
                if nth == 0:
                    if i < p.mines:
                        row[MINE + c] = 1.0
                    else:
                        row[SPARE] = c
                    break
                nth -= 1
    row[OPENED], row[LAST], row[EVENT], row[AUX_AT] = 0.0, -1.0, BEGAN, 0.0
    row[FIT] = _choose(p.cells, p.mines)


@jit
def observe_row(table, b, row, obs):
    """What the seat sees.

    Args:
        table: ``(P,)`` records of dtype SEEN.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    entry = table[loop.pick(b, table.shape[0])]
    seen = obs[0]
    cells = entry.cells
    shown = MINE + cells
    if entry.scope == MINIMAL:
        last = int(row[LAST])
        for c in range(cells):
            seen[c] = 1.0 if c == last else 0.0
        seen[cells] = row[shown + last] / 8.0 if last >= 0 and row[shown + last] != CLOSED else 0.0
        at = cells + 1
    else:
        for c in range(cells):
            number = row[shown + c]
            seen[c] = 1.0 if number != CLOSED else 0.0
            seen[cells + c] = number / 8.0 if number != CLOSED else 0.0
        at = 2 * cells
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
    """Readouts ``(B, 3)``: aux, progress and caption."""
    for b in range(state.shape[0]):
        p = params[0][loop.pick(b, params[0].shape[0])]
        out[b, 0] = state[b, AUX_AT]
        out[b, 1] = state[b, OPENED] / (p.cells - p.mines)
        out[b, 2] = state[b, EVENT]


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
