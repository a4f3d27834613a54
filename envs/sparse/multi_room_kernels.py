"""Compiled functions of MultiRoom: rules, layouts, the least number of steps left, and what the seat sees.

The model and the proofs are in :mod:`payoff.envs.sparse.multi_room`. ``params`` is the tuple of one ``(P,)`` array of
dtype NUMBERS.
"""

from __future__ import annotations

import numpy as np

from payoff.envs.core import loop, rng
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, COUNTER, EPISODE, KEY, OVER, Layout

__all__ = ["CAPTIONS", "KERNELS", "LAYOUT", "MOST_ROOMS", "NUMBERS", "SCOPES", "SEEN", "is_border", "remaining"]

MOST_ROOMS = 12

# columns grow to the right, rows downwards; `event` is the caption of the last step: the dynamics never read it
LAYOUT = Layout(cell=(2,), goal=(2,), doors=(MOST_ROOMS - 1,), event=())
X, Y = LAYOUT.at("cell"), LAYOUT.at("cell") + 1
GOAL_X, GOAL_Y = LAYOUT.at("goal"), LAYOUT.at("goal") + 1
DOORS = LAYOUT.at("doors")
EVENT = LAYOUT.at("event")

CAPTIONS = (
    "the episode began",
    "walked",
    "bumped into a wall",
    "fell into the lava",
    "went through a door",
    "reached the goal",
)
BEGAN, WALKED, BUMPED, FELL, PASSED, REACHED = range(6)

CONTEXTS = rng.seed_key(0x526F6F6D73)  # the stream whose episode 0 is the common layout and episode k + 1 is context k

NUMBERS = np.dtype(
    [
        *((name, np.int64) for name in ("rooms", "width", "height", "lava", "layouts", "longest")),
        ("shared", np.float64),
    ]
)
SEEN = np.dtype([*((name, np.int64) for name in ("scope", "rooms", "width", "height", "doors")), ("clock", np.float64)])
SCOPES = ("symbols", "room", "position", "cells")
SYMBOLS, ROOM, POSITION, CELLS = range(4)


@jit
def _dx(move):
    return 1 - move if move % 2 == 0 else 0


@jit
def _dy(move):
    return 2 - move if move % 2 == 1 else 0


@jit
def is_border(p, row, x, y):
    """Whether a cell is wall or lava: the frame, or a column between two rooms but for its door."""
    if x <= 0 or y <= 0 or y > p.height or x >= p.rooms * (p.width + 1):
        return True
    return x % (p.width + 1) == 0 and row[DOORS + x // (p.width + 1) - 1] != y


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
        Whether the goal is reached, or the lava.
    """
    p = params[0][loop.pick(b, params[0].shape[0])]
    work[loop.BASE, 0] = 0.0
    move = int(action[0, 0])
    x, y = int(row[X]) + _dx(move), int(row[Y]) + _dy(move)
    border = is_border(p, row, x, y)
    if border and p.lava == 0:
        row[EVENT] = BUMPED
        return False
    row[X], row[Y] = x, y
    if border:
        row[EVENT] = FELL
        return True
    if x == row[GOAL_X] and y == row[GOAL_Y]:
        row[EVENT] = REACHED
        work[loop.BASE, 0] = 1.0
        return True
    row[EVENT] = PASSED if x % (p.width + 1) == 0 else WALKED
    return False


@jit
def _exit_x(p, row):
    """Column of the next door on the way, or of the goal."""
    room = int(row[X]) // (p.width + 1)
    return (room + 1) * (p.width + 1) if room < p.rooms - 1 else int(row[GOAL_X])


@jit
def _exit_y(p, row):
    """Row of the next door on the way, or of the goal."""
    room = int(row[X]) // (p.width + 1)
    return int(row[DOORS + room]) if room < p.rooms - 1 else int(row[GOAL_Y])


@jit
def remaining(p, row):
    """Least number of steps from a free cell to the goal, exact; 0 at the goal."""
    y = int(row[Y])
    steps = abs(int(row[GOAL_X]) - int(row[X]))
    for door in range(int(row[X]) // (p.width + 1), p.rooms - 1):
        steps += abs(int(row[DOORS + door]) - y)
        y = int(row[DOORS + door])
    return steps + abs(int(row[GOAL_Y]) - y)


@jit
def _draw(p, kept, row):
    """Draw start, goal and doors from the row's stream; each stays as it is with probability ``kept``."""
    room = p.width + 1
    stays = rng.uniform(row) < kept
    cell = rng.below(row, p.width * p.height)
    if not stays:
        row[X], row[Y] = 1 + cell // p.height, 1 + cell % p.height
    stays = rng.uniform(row) < kept
    cell = rng.below(row, p.width * p.height)
    if not stays:
        row[GOAL_X], row[GOAL_Y] = (p.rooms - 1) * room + 1 + cell // p.height, 1 + cell % p.height
    for door in range(p.rooms - 1):
        stays = rng.uniform(row) < kept
        own = 1 + rng.below(row, p.height)
        if not stays:
            row[DOORS + door] = own


@jit
def reset_row(params, b, row):
    """Start an episode with a layout from the copy's stream or from one of the fixed contexts."""
    p = params[0][loop.pick(b, params[0].shape[0])]
    context = rng.below(row, p.layouts) if p.layouts > 0 else -1
    key, episode, counter = row[KEY], row[EPISODE], row[COUNTER]
    row[EVENT] = BEGAN
    if p.shared > 0.0:
        row[KEY], row[EPISODE], row[COUNTER] = CONTEXTS, 0.0, 0.0
        _draw(p, 0.0, row)
        row[KEY], row[EPISODE], row[COUNTER] = key, episode, counter
    if context >= 0:
        row[KEY], row[EPISODE], row[COUNTER] = CONTEXTS, context + 1.0, 0.0
    _draw(p, p.shared, row)
    if context >= 0:
        row[KEY], row[EPISODE], row[COUNTER] = key, episode, counter


@jit
def _squash(d):
    return 0.5 + 0.5 * d / (1 + abs(d))


@jit
def _see_symbols(p, n_doors, row, obs):
    """Numbers that say the whole state: cell, goal, doors, and the way to the exit of the room."""
    across, down = 1.0 / (p.rooms * (p.width + 1)), 1.0 / (p.height + 1)
    obs[0], obs[1] = row[X] * across, row[Y] * down
    obs[2], obs[3] = row[GOAL_X] * across, row[GOAL_Y] * down
    obs[4] = _squash(_exit_x(p, row) - int(row[X]))
    obs[5] = _squash(_exit_y(p, row) - int(row[Y]))
    for door in range(n_doors):
        obs[6 + door] = row[DOORS + door] * down if door < p.rooms - 1 else 0.0
    return 6 + n_doors


@jit
def _see_room(p, row, obs):
    """The same in every room: place in it, where its exit lies, and the cells around."""
    x, y = int(row[X]), int(row[Y])
    n = p.width + 3 * p.height
    for k in range(n):
        obs[k] = 0.0
    obs[x % (p.width + 1)] = 1.0
    at = p.width + 1
    if y >= 1 and y <= p.height:  # in the lava the seat may be outside
        obs[at + y - 1] = 1.0
        at += p.height
        obs[at + p.height - 1 + _exit_y(p, row) - y] = 1.0
    obs[n] = _squash(_exit_x(p, row) - x)
    obs[n + 1] = 1.0 if x // (p.width + 1) >= p.rooms - 1 else 0.0
    for move in range(4):
        obs[n + 2 + move] = 1.0 if is_border(p, row, x + _dx(move), y + _dy(move)) else 0.0
    return n + 6


@jit
def _see_cells(p, row, obs):
    """One number for each cell inside the frame; none is 1 where the seat fell into the frame."""
    columns = p.rooms * (p.width + 1) - 1
    for k in range(columns * p.height):
        obs[k] = 0.0
    x, y = int(row[X]) - 1, int(row[Y]) - 1
    if x >= 0 and x < columns and y >= 0 and y < p.height:
        obs[x * p.height + y] = 1.0
    return columns * p.height


@jit
def observe_row(params, table, b, row, obs):
    """What the seat sees.

    Args:
        params: see the module.
        table: ``(P,)`` records of dtype SEEN.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    p = params[0][loop.pick(b, params[0].shape[0])]
    entry = table[loop.pick(b, table.shape[0])]
    seen = obs[0]
    if entry.scope == SYMBOLS:
        at = _see_symbols(p, entry.doors, row, seen)
    elif entry.scope == ROOM:
        at = _see_room(p, row, seen)
    elif entry.scope == CELLS:
        at = _see_cells(p, row, seen)
    else:
        seen[0] = row[X] / (p.rooms * (p.width + 1))
        seen[1] = row[Y] / (p.height + 1)
        at = 2
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
        observe_row(params, wiring[8], b, state[b], obs[b])
    return loop.FINE


@jit
def start(params, wiring, state, mask, obs):
    """Restart the masked copies and observe all."""
    for b in range(state.shape[0]):
        if mask[b]:
            loop.restart(state[b])
            reset_row(params, b, state[b])
        observe_row(params, wiring[8], b, state[b], obs[b])


@jit
def look(params, wiring, state, obs):
    """Observe all copies."""
    for b in range(state.shape[0]):
        observe_row(params, wiring[8], b, state[b], obs[b])


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, 2)``: progress (0 in the lava) and caption."""
    for b in range(state.shape[0]):
        p = params[0][loop.pick(b, params[0].shape[0])]
        row = state[b]
        lost = row[OVER] != 0.0 and is_border(p, row, int(row[X]), int(row[Y]))
        out[b, 0] = 0.0 if lost else 1.0 - remaining(p, row) / p.longest
        out[b, 1] = row[EVENT]


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
