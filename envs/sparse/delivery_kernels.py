"""Compiled functions of Delivery: boards, rules, and what the seat sees.

The model is in :mod:`payoff.envs.sparse.delivery`. ``params`` is the tuple (NUMBERS ``(P,)``, given boards
``(P, CELLS)`` int64, payoff of every event ``(P, EVENTS)``, chances of a risky cell's outcomes ``(P, 2)``).
"""

from __future__ import annotations

import numpy as np

from payoff.envs.core import chance, loop, rng
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, Layout

__all__ = ["CAPTIONS", "CELLS", "CODES", "FEATURES", "KERNELS", "LAYOUT", "NUMBERS", "PHI", "SCOPES", "SEEN"]

LONGEST_SIDE = 15
CELLS = LONGEST_SIDE * LONGEST_SIDE

# `event` is what the last step did; the board, row by row, comes last and is longer than most boards
LAYOUT = Layout(cell=(2,), event=(), forced=(), board=(CELLS,))
ROW, COLUMN = LAYOUT.at("cell"), LAYOUT.at("cell") + 1
EVENT = LAYOUT.at("event")
FORCED = LAYOUT.at(chance.FORCED)
BOARD = LAYOUT.at("board")

CODES = ".GHSCR,ghscr?"  # what a cell holds on road, the same on brick, and a risky cell
ROAD, GOAL, HOUSE, SHEEP, COIN, ROADBLOCK, BRICK, GOAL_B, HOUSE_B, SHEEP_B, COIN_B, ROADBLOCK_B, RISKY = range(13)
SCALE = 1.0 / len(CODES)  # of a code that is shown
MARK = 16  # added to a code while a board is searched

FEATURES = ("gas", "goal", "sheep", "coin", "roadblock", "brick", "win")
CAPTIONS = (
    "the episode began",
    "drove on road",
    "drove on brick",
    "collected a coin on road",
    "collected a coin on brick",
    "passed a roadblock on road",
    "passed a roadblock on brick",
    "was held up on road",
    "was held up on brick",
    "delivered",
    "hit a sheep",
    "hit a sheep in a risky cell",
    "won in a risky cell",
)
BEGAN, DROVE, DROVE_B, COLLECTED, COLLECTED_B, PASSED, PASSED_B, HELD, HELD_B, DELIVERED, HIT, LOST, WON = range(13)
PHI = np.array(  # features of each event
    [
        [0, 0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 1, 0],
        [1, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 1, 0, 1, 0],
        [1, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 1, 1, 0],
        [1, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 1, 0],
        [0, 1, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 1],
    ],
    dtype=np.float64,
)
# by code; a house holds up, and what a risky cell does is drawn
ENTERED = np.array(
    [DROVE, DELIVERED, HELD, HIT, COLLECTED, PASSED, DROVE_B, DELIVERED, HELD, HIT, COLLECTED_B, PASSED_B, LOST]
)

NUMBERS = np.dtype(
    [(name, np.int64) for name in ("height", "width", "random")]
    + [(name, np.float64) for name in ("sheep", "risky", "roadblocks", "coins", "bricks")]
)
SEEN = np.dtype(
    [(name, np.int64) for name in ("scope", "height", "width", "rows", "columns")] + [("clock", np.float64)]
)
SCOPES = ("board", "window", "cell")
WHOLE, WINDOW, OWN = range(3)
RADIUS = 2  # of the window


@jit
def _passable(code):
    """Whether a cell can be entered without ending the episode."""
    return code == ROAD or code == COIN or code == ROADBLOCK or code == BRICK or code == COIN_B or code == ROADBLOCK_B


@jit
def _on_brick(code):
    return code >= BRICK and code != RISKY


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
        Whether the episode ends.
    """
    k = loop.pick(b, params[0].shape[0])
    p = params[0][k]
    chosen = int(action[0, 0])
    at_row, at_column = int(row[ROW]), int(row[COLUMN])
    to_row = at_row + (1 if chosen == 1 else 0) - (1 if chosen == 0 else 0)
    to_column = at_column + (1 if chosen == 3 else 0) - (1 if chosen == 2 else 0)
    event = HELD
    if to_row >= 0 and to_column >= 0 and to_row < p.height and to_column < p.width:
        code = int(row[BOARD + to_row * p.width + to_column])
        event = ENTERED[code]
        if code == RISKY and chance.outcome(row, FORCED, params[3][k]) == 1:
            event = WON
    row[FORCED] = 0.0  # also where nothing was drawn
    if event == HELD:
        if _on_brick(int(row[BOARD + at_row * p.width + at_column])):
            event = HELD_B
    else:
        row[ROW], row[COLUMN] = to_row, to_column
    row[EVENT] = event
    work[loop.BASE, 0] = params[2][k, event]
    return event >= DELIVERED


@jit
def _draw_board(p, row):
    """Goal, then every other cell: sheep, risky, roadblock or coin, each of what is left, and its surface."""
    cells = p.height * p.width
    goal = rng.below(row, cells)
    for c in range(cells):
        u = rng.uniform(row)
        if c == goal:
            code = GOAL
        elif u < p.sheep:
            code = SHEEP
        elif u < p.sheep + p.risky:
            code = RISKY
        elif rng.uniform(row) < p.roadblocks:
            code = ROADBLOCK
        else:
            code = COIN if rng.uniform(row) < p.coins else ROAD
        if code != RISKY and rng.uniform(row) < p.bricks:
            code += BRICK
        row[BOARD + c] = code
    return goal


@jit
def _mark_reachable(p, row, goal):
    """Mark the cells from which the goal can be reached.

    Returns:
        Their number.
    """
    height, width = p.height, p.width
    found = 0
    before = -1
    while found != before:
        before = found
        for c in range(height * width):
            if not _passable(int(row[BOARD + c])):
                continue
            y, x = c // width, c % width
            near = (
                (y > 0 and (row[BOARD + c - width] >= MARK or c - width == goal))
                or (y < height - 1 and (row[BOARD + c + width] >= MARK or c + width == goal))
                or (x > 0 and (row[BOARD + c - 1] >= MARK or c - 1 == goal))
                or (x < width - 1 and (row[BOARD + c + 1] >= MARK or c + 1 == goal))
            )
            if near:
                row[BOARD + c] += MARK
                found += 1
    return found


@jit
def reset_row(params, b, row):
    """Start an episode: the given board or one from the copy's stream, and the cell of the seat."""
    k = loop.pick(b, params[0].shape[0])
    p = params[0][k]
    cells = p.height * p.width
    for c in range(CELLS):
        row[BOARD + c] = params[1][k, c]
    if p.random != 0:
        starts = 0
        while starts == 0:
            starts = _mark_reachable(p, row, _draw_board(p, row))
    else:
        starts = 0
        for c in range(cells):
            if _passable(int(row[BOARD + c])):
                row[BOARD + c] += MARK
                starts += 1
    left = rng.below(row, starts)
    for c in range(cells):
        if row[BOARD + c] >= MARK:
            row[BOARD + c] -= MARK
            if left == 0:
                row[ROW], row[COLUMN] = c // p.width, c % p.width
            left -= 1
    row[EVENT], row[FORCED] = BEGAN, 0.0


@jit
def observe_row(table, b, row, obs):
    """What the seat sees.

    Args:
        table: ``(P,)`` records of dtype SEEN.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    e = table[loop.pick(b, table.shape[0])]
    seen = obs[0]
    y, x = int(row[ROW]), int(row[COLUMN])
    at = 0
    if e.scope == WINDOW:
        for i in range(y - RADIUS, y + RADIUS + 1):
            for j in range(x - RADIUS, x + RADIUS + 1):
                inside = i >= 0 and j >= 0 and i < e.height and j < e.width
                seen[at] = row[BOARD + i * e.width + j] * SCALE if inside else 1.0
                at += 1
    else:
        seen[0] = y / (e.rows - 1.0)
        seen[1] = x / (e.columns - 1.0)
        at = 2
    if e.scope == WHOLE and e.columns == e.width:  # rows follow each other: one loop, which the compiler vectorises
        board = row[BOARD : BOARD + e.height * e.width]
        for c in range(board.shape[0]):
            seen[at + c] = board[c] * SCALE
        for c in range(e.height * e.width, e.rows * e.columns):
            seen[at + c] = 1.0
        at += e.rows * e.columns
    elif e.scope == WHOLE:
        for i in range(e.rows):
            for j in range(e.columns):
                inside = i < e.height and j < e.width
                seen[at] = row[BOARD + i * e.width + j] * SCALE if inside else 1.0
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
    """Readouts ``(B, 8)``: features of the last step, and caption."""
    for b in range(state.shape[0]):
        event = int(state[b, EVENT])
        for k in range(len(FEATURES)):
            out[b, k] = PHI[event, k]
        out[b, len(FEATURES)] = event


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
