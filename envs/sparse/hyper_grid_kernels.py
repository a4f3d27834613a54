"""Compiled functions of HyperGrid; the model is in :mod:`payoff.envs.sparse.hyper_grid`.

``params`` is the tuple (numbers ``(P,)`` of dtype NUMBERS, values R ``(P, 3)`` of the three kinds of cells, their
logarithms ``(P, 3)``).
"""

from __future__ import annotations

from functools import cache

import numpy as np

from payoff.envs.core import loop
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, Layout

__all__ = ["CAPTIONS", "CELL", "KERNELS", "MODE", "NUMBERS", "PLAIN", "PLATEAU", "SCOPES", "SEEN", "kind", "layout"]


@cache
def layout(dimensions: int) -> Layout:
    """Columns of a state row: the caption of the last step, and the coordinates."""
    return Layout(event=(), cell=(dimensions,))


EVENT, CELL = layout(1).at("event"), layout(1).at("cell")  # at the same place whatever the dimensions

PLAIN, PLATEAU, MODE = range(3)  # kinds of coordinates and of cells, in the order of what they are worth

CAPTIONS = ("the episode began", "moved", "could not move further", "reached the edge", "stopped")
BEGAN, MOVED, BLOCKED, AT_EDGE, STOPPED = range(5)

NUMBERS = np.dtype(
    [("side", np.int64), ("axes", np.int64), ("delta", np.bool_), ("edge_stops", np.bool_), ("best", np.int64)]
)
SEEN = np.dtype(
    [("one_hot", np.bool_), ("axes", np.int64), ("width", np.int64), ("scale", np.float64), ("clock", np.float64)]
)
SCOPES = ("one_hot", "coordinates")


@jit
def kind(side, s):
    """Kind of a coordinate, by whole numbers."""
    m = abs(2 * s - (side - 1))
    if 2 * m <= side - 1:
        return PLAIN
    return MODE if 5 * m > 3 * (side - 1) and 5 * m < 4 * (side - 1) else PLATEAU


@jit
def cell_kind(p, row):
    """Kind of the cell: the least among its coordinates."""
    least = MODE
    for i in range(p.axes):
        least = min(least, kind(p.side, int(row[CELL + i])))
    return least


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
        Whether the object is finished.
    """
    which = loop.pick(b, params[0].shape[0])
    p, value, logarithm = params[0][which], params[1][which], params[2][which]
    work[loop.BASE, 0] = 0.0
    chosen = int(action[0, 0])
    before = cell_kind(p, row)
    if chosen == p.axes:
        row[EVENT] = STOPPED
        if not p.delta:
            work[loop.BASE, 0] = value[before]
        return True
    if row[CELL + chosen] == p.side - 1:
        row[EVENT] = BLOCKED
        return False
    row[CELL + chosen] += 1.0
    row[EVENT] = MOVED
    after = cell_kind(p, row)
    if p.delta:
        work[loop.BASE, 0] = logarithm[after] - logarithm[before]
    if p.edge_stops and row[CELL + chosen] == p.side - 1:
        row[EVENT] = AT_EDGE
        if not p.delta:
            work[loop.BASE, 0] = value[after]
        return True
    return False


@jit
def reset_row(params, b, row):
    """Back to the corner."""
    row[EVENT] = BEGAN
    for i in range(params[0][loop.pick(b, params[0].shape[0])].axes):
        row[CELL + i] = 0.0


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
    at = entry.axes
    if entry.one_hot:
        at = entry.axes * entry.width
        for k in range(at):
            seen[k] = 0.0
        for i in range(entry.axes):
            seen[i * entry.width + int(row[CELL + i])] = 1.0
    else:
        for i in range(entry.axes):
            seen[i] = row[CELL + i] * entry.scale
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
    """Readouts ``(B, 3)``: progress, energy and caption."""
    for b in range(state.shape[0]):
        which = loop.pick(b, params[0].shape[0])
        p = params[0][which]
        here = cell_kind(p, state[b])
        out[b, 0] = params[1][which, here] / params[1][which, p.best]
        out[b, 1] = params[2][which, PLATEAU] - params[2][which, here]  # the start is a cell of the plateau
        out[b, 2] = state[b, EVENT]


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
