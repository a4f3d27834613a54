"""Compiled functions of AdditiveSet; the model is in :mod:`payoff.envs.sparse.additive_set`.

``params`` is the tuple (numbers ``(P,)`` of dtype NUMBERS, energies as multiples of ``spacing`` ``(P, N)``).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from payoff.envs.core import loop
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import Layout

__all__ = [
    "CAPTIONS",
    "COUNT",
    "ENERGIES",
    "FLAGS",
    "KERNELS",
    "MEMBER",
    "NUMBERS",
    "SCOPES",
    "TAKEN",
    "TOTAL",
    "layout",
]

SCOPES = ("flags", "count", "energies")
FLAGS, COUNT, ENERGIES = range(3)


@cache
def layout(elements: int) -> Layout:
    """Columns of a state row: caption, number of chosen elements, sum of their multiples, and which they are."""
    return Layout(event=(), count=(), total=(), member=(elements,))


EVENT, TAKEN, TOTAL, MEMBER = (layout(1).at(name) for name in ("event", "count", "total", "member"))

CAPTIONS = ("the episode began", "added the element", "added the next element instead", "completed the set")
BEGAN, ADDED, NEXT_INSTEAD, COMPLETED = range(4)

NUMBERS = np.dtype([("elements", np.int64), ("choose", np.int64), ("delta", np.bool_), ("spacing", np.float64)])


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
        Whether the set is complete.
    """
    which = loop.pick(b, params[0].shape[0])
    p, multiple = params[0][which], params[1][which]
    i = int(action[0, 0])
    row[EVENT] = ADDED
    while row[MEMBER + i] != 0.0:  # (1); there is one, since the episode would be over
        i = (i + 1) % p.elements
        row[EVENT] = NEXT_INSTEAD
    row[MEMBER + i] = 1.0
    row[TAKEN] += 1.0
    row[TOTAL] += multiple[i]
    done = row[TAKEN] >= p.choose
    work[loop.BASE, 0] = 0.0
    if p.delta:
        work[loop.BASE, 0] = -p.spacing * multiple[i]
    elif done:
        work[loop.BASE, 0] = math.exp(-p.spacing * row[TOTAL])
    if done:
        row[EVENT] = COMPLETED
    return done


@jit
def reset_row(params, b, row):
    """The empty set."""
    row[EVENT], row[TAKEN], row[TOTAL] = BEGAN, 0.0, 0.0
    for i in range(params[0][loop.pick(b, params[0].shape[0])].elements):
        row[MEMBER + i] = 0.0


@jit
def observe_row(table, b, row, obs):
    """What the seat sees.

    Args:
        table: ``(P, 3 + N)``: scope, number of elements, size of a set, energies scaled to [0, 1].
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    entry = table[loop.pick(b, table.shape[0])]
    seen = obs[0]
    scope, n = entry[0], int(entry[1])
    for i in range(n):
        seen[i] = row[MEMBER + i]
    if scope >= COUNT:
        seen[n] = row[TAKEN] / entry[2]
    if scope == ENERGIES:
        for i in range(n):
            seen[n + 1 + i] = entry[3 + i]


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
        p = params[0][loop.pick(b, params[0].shape[0])]
        out[b, 0] = state[b, TAKEN] / p.choose
        out[b, 1] = p.spacing * state[b, TOTAL]
        out[b, 2] = state[b, EVENT]


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
