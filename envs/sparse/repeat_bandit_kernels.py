"""Compiled functions of RepeatBandit: pulls, changes of the task, and what the player sees.

The model is in :mod:`payoff.envs.sparse.repeat_bandit`. ``params`` is the tuple of one ``(P,)`` array of dtype NUMBERS.
"""

from __future__ import annotations

import numpy as np

from payoff.envs.core import loop, rng
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, Layout
from payoff.envs.sparse.repeat_memory import MOST, recall, remember

__all__ = ["CAPTIONS", "KERNELS", "LAYOUT", "MOST_ARMS", "NUMBERS", "SEEN"]

MOST_ARMS = 10

# `pull` counts pulls of the inner episode, `taken` those of the episode; paid and unpaid count since the task was drawn
LAYOUT = Layout(
    mean=(MOST_ARMS,), paid=(MOST_ARMS,), unpaid=(MOST_ARMS,), pull=(), taken=(), regret=(), event=(), memory=(MOST,)
)
MEAN, PAID, UNPAID = LAYOUT.at("mean"), LAYOUT.at("paid"), LAYOUT.at("unpaid")
PULL, TAKEN, REGRET, EVENT = LAYOUT.at("pull"), LAYOUT.at("taken"), LAYOUT.at("regret"), LAYOUT.at("event")
MEMORY = LAYOUT.at("memory")

CAPTIONS = (
    "the episode began",
    "the pull was not paid",
    "the pull was paid",
    "the pull was not paid, then the task changed",
    "the pull was paid, then the task changed",
)
CHANGED = 2  # added to the event of a pull

NUMBERS = np.dtype([("arms", np.int64), ("pulls", np.int64), ("structure", np.float64)])
# remembered: pulls that this copy shows, of those that there is room for
SEEN = np.dtype(
    [(name, np.int64) for name in ("arms", "remembered", "room", "counts")]
    + [(name, np.float64) for name in ("per_pull", "clock")]
)


@jit
def _draw(p, row):
    """A new task, of which nothing is known."""
    for k in range(MOST_ARMS):
        row[MEAN + k] = rng.uniform(row) if k < p.arms else 0.0
        row[PAID + k], row[UNPAID + k] = 0.0, 0.0


@jit
def reset_row(params, b, row):
    """Start an episode with a task from the copy's stream."""
    _draw(params[0][loop.pick(b, params[0].shape[0])], row)
    row[PULL], row[TAKEN], row[REGRET], row[EVENT] = 0.0, 0.0, 0.0, 0.0
    for k in range(MOST):
        row[MEMORY + k] = 0.0


@jit
def step_row(params, b, row, action, work):
    """One pull of one copy.

    Args:
        params: see the module.
        b: copy.
        row: ``(S,)`` state, modified in place.
        action: ``(1, 1)``.
        work: ``(5, 1)``; row BASE is written.

    Returns:
        False: only the horizon ends an episode.
    """
    p = params[0][loop.pick(b, params[0].shape[0])]
    arm = int(action[0, 0])
    paid = 1 if rng.uniform(row) < row[MEAN + arm] else 0
    best = 0.0
    for k in range(p.arms):
        best = max(best, row[MEAN + k])
    row[REGRET] = best - row[MEAN + arm]
    row[(PAID if paid == 1 else UNPAID) + arm] += 1.0
    remember(row, MEMORY, int(row[TAKEN]), 1 + 2 * arm + paid)
    row[TAKEN] += 1.0
    row[PULL] += 1.0
    row[EVENT] = 1 + paid
    work[loop.BASE, 0] = paid
    if row[PULL] == p.pulls:
        row[PULL] = 0.0
        if rng.uniform(row) >= p.structure:
            _draw(p, row)
            row[EVENT] += CHANGED
    return False


@jit
def observe_row(table, b, row, obs):
    """What the player sees.

    Args:
        table: ``(P,)`` records of dtype SEEN.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    e = table[loop.pick(b, table.shape[0])]
    seen = obs[0]
    at = 0
    for back in range(e.room):
        code = recall(row, MEMORY, int(row[TAKEN]), back) if back < e.remembered else 0
        for k in range(e.arms):
            seen[at + k] = 1.0 if code > 0 and (code - 1) // 2 == k else 0.0
        seen[at + e.arms] = (code - 1) % 2 if code > 0 else 0
        at += e.arms + 1
    if e.counts != 0:
        for k in range(e.arms):
            seen[at + k] = row[PAID + k] * e.clock
            seen[at + e.arms + k] = row[UNPAID + k] * e.clock
        at += 2 * e.arms
        seen[at] = row[PULL] * e.per_pull
        at += 1
    if seen.shape[0] > at:
        seen[at] = row[CLOCK] * e.clock


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
    """Readouts ``(B, 2)``: regret of the last pull, and caption."""
    for b in range(state.shape[0]):
        out[b, 0] = state[b, REGRET]
        out[b, 1] = state[b, EVENT]


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
