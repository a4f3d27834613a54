"""Compiled rules of Congestion: O(n + k) a step for n seats and k sections."""

from __future__ import annotations

import math

import numpy as np

from payoff.envs.core import loop
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, HEADER, Layout

__all__ = ["COUNT", "KERNELS", "NUMBERS", "SEEN", "layout"]

COUNT = HEADER  # first column of the seats in each section; what the sections pay and the choices follow

NUMBERS = np.dtype([("sections", np.int64), ("capacity", np.float64)])
SEEN = np.dtype(
    [("seat", np.int64), ("sections", np.int64), ("agents", np.int64), ("counts", np.bool_), ("clock", np.float64)]
)


def layout(n_agents: int, sections: int) -> Layout:
    """Columns of a state row."""
    return Layout(count=(sections,), share=(sections,), action=(n_agents,))


@jit
def section_of(value, sections):
    """Section of a native action, a number x in [0, k - 1]: x itself where it is whole, else floor(x k / (k - 1)).

    A partner by name answers with any number of that range; by this rule a uniform one is uniform over the sections.
    """
    return min(sections - 1, int(value * sections / (sections - 1)))


@jit
def step_row(params, b, row, action, work):
    """One round of one copy.

    Args:
        params: tuple of one ``(P,)`` array of dtype NUMBERS.
        b: copy.
        row: ``(S,)`` state, modified in place.
        action: ``(N, 1)``, replaced by the sections they stand for.
        work: ``(5, N)``; row BASE is written.
    """
    p = params[0][loop.pick(b, params[0].shape[0])]
    k, n = p.sections, action.shape[0]
    share, chosen = COUNT + k, COUNT + 2 * k
    for s in range(k):
        row[COUNT + s] = 0.0
    for i in range(n):
        s = section_of(action[i, 0], k)
        action[i, 0] = s
        row[chosen + i] = s
        row[COUNT + s] += 1.0
    for s in range(k):
        row[share + s] = math.exp(-row[COUNT + s] / p.capacity)
    for i in range(n):
        work[loop.BASE, i] = row[share + int(action[i, 0])]


@jit
def reset_row(row):
    """Nobody has chosen yet."""
    for c in range(HEADER, row.shape[0]):
        row[c] = 0.0


@jit
def observe_row(table, b, row, obs):
    """What each seat sees: the share of seats in each section, its own last choice one-hot, the clock.

    Args:
        table: ``(P, V)`` records of dtype SEEN.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(V, O)`` float32, modified in place.
    """
    for v in range(obs.shape[0]):
        e = table[loop.pick(b, table.shape[0]), v]
        k, own, at = e.sections, obs[v], 0
        if e.counts:
            for s in range(k):
                own[s] = row[COUNT + s] / e.agents
            at = k
        for s in range(k):
            own[at + s] = 0.0
        if row[CLOCK] > 0.0:
            own[at + int(row[COUNT + 2 * k + e.seat])] = 1.0
        if own.shape[0] > at + k:
            own[at + k] = row[CLOCK] * e.clock


@jit
def transition(params, wiring, state, buffers, obs):
    """One step of every copy; see :mod:`payoff.envs.core.game`."""
    bad = loop.begin(wiring, state, buffers)
    if bad != loop.FINE:
        return bad
    _, action, work, flags, _ = buffers
    for b in range(state.shape[0]):
        if loop.restarts(state[b]):
            reset_row(state[b])
        else:
            step_row(params, b, state[b], action[b], work[b])
            flags[b, 0] = False
    loop.finish(wiring, state, buffers)
    for b in range(state.shape[0]):
        if loop.ends(wiring, b, state[b], buffers):
            reset_row(state[b])
        observe_row(wiring[8], b, state[b], obs[b])
    return loop.FINE


@jit
def start(params, wiring, state, mask, obs):
    """Restart the masked copies and observe all."""
    for b in range(state.shape[0]):
        if mask[b]:
            loop.restart(state[b])
            reset_row(state[b])
        observe_row(wiring[8], b, state[b], obs[b])


@jit
def look(params, wiring, state, obs):
    """Observe all copies."""
    for b in range(state.shape[0]):
        observe_row(wiring[8], b, state[b], obs[b])


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, N + 1)``: seats in each seat's section, itself counted, and the sum of payoffs; 0 at a start."""
    n = wiring[3].shape[0]
    for b in range(state.shape[0]):
        row, k = state[b], params[0][loop.pick(b, params[0].shape[0])].sections
        for i in range(n):
            out[b, i] = row[COUNT + int(row[COUNT + 2 * k + i])]
        total = 0.0
        for s in range(k):
            total += row[COUNT + s] * row[COUNT + k + s]
        out[b, n] = total


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
