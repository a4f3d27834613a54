"""Compiled functions of RepeatMaze: walking, the hidden goal, and what the player sees.

The model is in :mod:`payoff.envs.sparse.repeat_maze`. ``params`` is the tuple of one ``(P,)`` array of dtype NUMBERS.
"""

from __future__ import annotations

import numpy as np

from payoff.envs.core import loop, rng
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, Layout
from payoff.envs.sparse.repeat_memory import MOST, recall, remember

__all__ = ["CAPTIONS", "CELLS", "KERNELS", "LAYOUT", "NUMBERS", "SEEN"]

LONGEST_SIDE = 7
CELLS = LONGEST_SIDE * LONGEST_SIDE

# used: steps of this inner episode; done: inner episodes that are over; tries: those since the goal was drawn that did
# not find it; taken: steps of the episode. Cells are numbered row by row.
LAYOUT = Layout(
    cell=(), goal=(), used=(), done=(), tries=(), found=(), taken=(), event=(), visited=(CELLS,), memory=(MOST,)
)
CELL, GOAL, USED, DONE, TRIES, FOUND, TAKEN, EVENT, VISITED, MEMORY = (LAYOUT.at(name) for name in LAYOUT.shapes)

CAPTIONS = (
    "the episode began",
    "walked",
    "bumped into the edge",
    "ran out of steps",
    "reached the goal",
    "ran out of steps, then the goal moved",
    "reached the goal, then the goal moved",
)
BEGAN, WALKED, BUMPED, RAN_OUT, REACHED = range(5)
MOVED = 2  # added to the event that ends an inner episode

NUMBERS = np.dtype([(name, np.int64) for name in ("side", "steps", "episodes")] + [("structure", np.float64)])
# remembered: steps that this copy shows, of those that there is room for; width: side of the largest copy
SEEN = np.dtype(
    [(name, np.int64) for name in ("side", "width", "remembered", "room", "task")]
    + [(name, np.float64) for name in ("per_step", "per_episode", "clock")]
)


@jit
def _middle(p):
    return (p.side * p.side) // 2


@jit
def _hide(p, row):
    """A new goal, anywhere but where the seat starts, of which nothing is known."""
    goal = rng.below(row, p.side * p.side - 1)
    row[GOAL] = goal + 1 if goal >= _middle(p) else goal
    row[TRIES], row[FOUND] = 0.0, 0.0
    for c in range(CELLS):
        row[VISITED + c] = 0.0
    row[VISITED + _middle(p)] = 1.0


@jit
def reset_row(params, b, row):
    """Start an episode with a goal from the copy's stream."""
    p = params[0][loop.pick(b, params[0].shape[0])]
    _hide(p, row)
    row[CELL], row[USED], row[DONE], row[TAKEN], row[EVENT] = _middle(p), 0.0, 0.0, 0.0, BEGAN
    for k in range(MOST):
        row[MEMORY + k] = 0.0


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
        Whether that was the last inner episode.
    """
    p = params[0][loop.pick(b, params[0].shape[0])]
    chosen = int(action[0, 0])
    y, x = int(row[CELL]) // p.side, int(row[CELL]) % p.side
    y += (1 if chosen == 1 else 0) - (1 if chosen == 0 else 0)
    x += (1 if chosen == 3 else 0) - (1 if chosen == 2 else 0)
    inside = y >= 0 and x >= 0 and y < p.side and x < p.side
    if inside:
        row[CELL] = y * p.side + x
    cell = int(row[CELL])
    row[VISITED + cell] = 1.0
    row[EVENT] = WALKED if inside else BUMPED
    row[USED] += 1.0
    reached = 1 if cell == row[GOAL] else 0
    work[loop.BASE, 0] = reached
    remember(row, MEMORY, int(row[TAKEN]), 1 + chosen + 4 * reached + 8 * cell)
    row[TAKEN] += 1.0
    if reached == 0 and row[USED] < p.steps:
        return False
    row[EVENT] = REACHED if reached == 1 else RAN_OUT
    if reached == 1:
        row[FOUND] = 1.0
    else:
        row[TRIES] += 1.0
    row[DONE] += 1.0
    row[CELL], row[USED] = _middle(p), 0.0
    if rng.uniform(row) >= p.structure:
        _hide(p, row)
        row[EVENT] += MOVED
    return row[DONE] >= p.episodes


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
    far = e.width - 1.0
    seen[0] = (int(row[CELL]) // e.side) / far
    seen[1] = (int(row[CELL]) % e.side) / far
    at = 2
    for back in range(e.room):
        code = recall(row, MEMORY, int(row[TAKEN]), back) - 1 if back < e.remembered else -1
        for k in range(4):
            seen[at + k] = 1.0 if code >= 0 and code % 4 == k else 0.0
        seen[at + 4] = (code // 8 // e.side) / far if code >= 0 else 0.0
        seen[at + 5] = (code // 8 % e.side) / far if code >= 0 else 0.0
        seen[at + 6] = code // 4 % 2 if code >= 0 else 0.0
        at += 7
    if e.task != 0:
        for i in range(e.width):
            for j in range(e.width):
                inside = i < e.side and j < e.side
                seen[at] = row[VISITED + i * e.side + j] if inside else 1.0
                at += 1
        known = row[FOUND] != 0.0
        seen[at] = row[FOUND]
        seen[at + 1] = (int(row[GOAL]) // e.side) / far if known else 0.0
        seen[at + 2] = (int(row[GOAL]) % e.side) / far if known else 0.0
        seen[at + 3] = row[USED] * e.per_step
        seen[at + 4] = row[DONE] * e.per_episode
        at += 5
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
    """Readouts ``(B, 2)``: inner episodes that are over, and caption."""
    for b in range(state.shape[0]):
        out[b, 0] = state[b, DONE]
        out[b, 1] = state[b, EVENT]


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
