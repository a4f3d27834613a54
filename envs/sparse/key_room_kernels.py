"""Compiled functions of KeyRoom: rules, the least number of steps left, and what the seat sees.

The model, with the numbers that the comments refer to, and the proofs are in :mod:`payoff.envs.sparse.key_room`.
``params`` is the tuple of one ``(P,)`` array of dtype NUMBERS.
"""

from __future__ import annotations

import numpy as np

from payoff.envs.core import loop, rng
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, COUNTER, EPISODE, KEY, Layout

__all__ = ["CAPTIONS", "CHANNELS", "HEADINGS", "KERNELS", "LAYOUT", "NUMBERS", "SCOPES", "SEEN", "remaining"]

# headings count clockwise, y grows downwards; `event` is the caption of the last step: the dynamics never read it
LAYOUT = Layout(cell=(2,), heading=(), has_key=(), door_open=(), wall=(), door=(), key=(2,), goal=(2,), event=())
X, Y = LAYOUT.at("cell"), LAYOUT.at("cell") + 1
HEADING = LAYOUT.at("heading")
HAS_KEY = LAYOUT.at("has_key")
DOOR_OPEN = LAYOUT.at("door_open")
WALL_X = LAYOUT.at("wall")
DOOR_Y = LAYOUT.at("door")
KEY_X, KEY_Y = LAYOUT.at("key"), LAYOUT.at("key") + 1
GOAL_X, GOAL_Y = LAYOUT.at("goal"), LAYOUT.at("goal") + 1
EVENT = LAYOUT.at("event")

TURN_LEFT, TURN_RIGHT, FORWARD, PICK_UP, OPEN = range(5)
HEADINGS = ("right", "down", "left", "up")
RIGHT, DOWN, LEFT, UP = range(4)

CHANNELS = ("wall", "key", "locked door", "open door", "goal", "seat")
EMPTY = -1
IS_WALL, IS_KEY, IS_LOCKED, IS_OPEN, IS_GOAL, IS_SEAT = range(6)
N_CONTENTS = 5  # channels of what a cell can hold besides the seat

CAPTIONS = (
    "the episode began",
    "turned left",
    "turned right",
    "walked",
    "bumped into a wall",
    "bumped into the key",
    "bumped into the locked door",
    "found nothing to pick up",
    "picked up the key",
    "found nothing to open",
    "could not open the door without the key",
    "opened the door",
    "reached the goal",
)
BEGAN, TURNED_LEFT, TURNED_RIGHT, WALKED, BUMPED = range(5)  # BUMPED + channel says into what
NOT_PICKED_UP, PICKED_UP, NOT_OPENED, NO_KEY, OPENED, REACHED = range(7, 13)

CONTEXTS = rng.seed_key(0x4B6579526F6F6D)  # the stream whose episode k is context k

NUMBERS = np.dtype([(name, np.int64) for name in ("side", "nearest", "longest", "layouts")])  # layouts 0: unlimited
SEEN = np.dtype([("scope", np.int64), ("side", np.int64), ("width", np.int64), ("clock", np.float64)])
SCOPES = ("grid", "window", "ahead")
GRID, WINDOW, AHEAD = range(3)


@jit
def _dx(heading):
    return 1 - heading if heading % 2 == 0 else 0


@jit
def _dy(heading):
    return 2 - heading if heading % 2 == 1 else 0


@jit
def _content(size, row, x, y):
    """What is in a cell: a channel, or EMPTY."""
    if x <= 0 or y <= 0 or x >= size - 1 or y >= size - 1:
        return IS_WALL
    if x == row[WALL_X]:
        if y != row[DOOR_Y]:
            return IS_WALL
        return IS_OPEN if row[DOOR_OPEN] != 0.0 else IS_LOCKED
    if x == row[KEY_X] and y == row[KEY_Y] and row[HAS_KEY] == 0.0:
        return IS_KEY
    if x == row[GOAL_X] and y == row[GOAL_Y]:
        return IS_GOAL
    return EMPTY


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
        Whether the goal is reached.
    """
    size = params[0][loop.pick(b, params[0].shape[0])].side
    work[loop.BASE, 0] = 0.0
    chosen = int(action[0, 0])
    heading = int(row[HEADING])
    if chosen == TURN_LEFT or chosen == TURN_RIGHT:  # 1
        row[HEADING] = (heading + (3 if chosen == TURN_LEFT else 1)) % 4
        row[EVENT] = TURNED_LEFT if chosen == TURN_LEFT else TURNED_RIGHT
        return False
    x, y = int(row[X]) + _dx(heading), int(row[Y]) + _dy(heading)
    ahead = _content(size, row, x, y)
    if chosen == FORWARD:  # 2
        if ahead == IS_WALL or ahead == IS_KEY or ahead == IS_LOCKED:
            row[EVENT] = BUMPED + ahead
            return False
        row[X], row[Y] = x, y
        row[EVENT] = REACHED if ahead == IS_GOAL else WALKED
        work[loop.BASE, 0] = 1.0 if ahead == IS_GOAL else 0.0
        return ahead == IS_GOAL
    if chosen == PICK_UP:  # 3
        if ahead == IS_KEY:
            row[HAS_KEY] = 1.0
        row[EVENT] = PICKED_UP if ahead == IS_KEY else NOT_PICKED_UP
        return False
    if ahead != IS_LOCKED:  # 4
        row[EVENT] = NOT_OPENED
        return False
    row[DOOR_OPEN] = row[HAS_KEY]
    row[EVENT] = OPENED if row[HAS_KEY] != 0.0 else NO_KEY
    return False


@jit
def _quarter_turns(a, b):
    d = abs(a - b)
    return min(d, 4 - d)


@jit
def _walk(dx, dy, heading, last):
    """Steps to the cell at (dx, dy), there with heading ``last``, in an empty rectangle."""
    along_x = RIGHT if dx > 0 else LEFT
    along_y = DOWN if dy > 0 else UP
    if dx == 0 and dy == 0:
        turns = _quarter_turns(heading, last)
    elif dy == 0:
        turns = _quarter_turns(heading, along_x) + _quarter_turns(along_x, last)
    elif dx == 0:
        turns = _quarter_turns(heading, along_y) + _quarter_turns(along_y, last)
    else:
        x_first = _quarter_turns(heading, along_x) + _quarter_turns(along_y, last)
        y_first = _quarter_turns(heading, along_y) + _quarter_turns(along_x, last)
        turns = 1 + min(x_first, y_first)
    return abs(dx) + abs(dy) + turns


@jit
def _through_door(x, y, heading, row):
    """Steps from the left room or the doorway to the goal while the door is open."""
    before = int(row[DOOR_Y]) - y
    beyond = int(row[GOAL_Y]) - int(row[DOOR_Y])
    if before == 0:
        turns = _quarter_turns(heading, RIGHT)
    else:
        turns = _quarter_turns(heading, DOWN if before > 0 else UP) + 1
    if beyond != 0:
        turns += 1
    return int(row[GOAL_X]) - x + abs(before) + abs(beyond) + turns


@jit
def remaining(size, row):
    """Least number of steps from this state to the goal, exact; 0 at the goal."""
    x, y, heading, wall = int(row[X]), int(row[Y]), int(row[HEADING]), int(row[WALL_X])
    if row[DOOR_OPEN] != 0.0 and x <= wall:
        return _through_door(x, y, heading, row)
    if row[HAS_KEY] != 0.0 and x <= wall:  # the door is opened while facing it, on the same way
        return 1 + _through_door(x, y, heading, row)
    best = 1 << 30
    for last in range(4):
        if x > wall:  # any heading will do on arrival
            best = min(best, _walk(int(row[GOAL_X]) - x, int(row[GOAL_Y]) - y, heading, last))
            continue
        at_x, at_y = int(row[KEY_X]) - _dx(last), int(row[KEY_Y]) - _dy(last)  # where the key is ahead
        if at_x >= 1 and at_x < wall and at_y >= 1 and at_y < size - 1:
            best = min(best, _walk(at_x - x, at_y - y, heading, last) + 2 + _through_door(at_x, at_y, last, row))
    return best


@jit
def _draw(size, row):
    """Draw wall, door and the cells of key, seat and goal from the row's stream."""
    inner = size - 2
    wall = 2 + rng.below(row, size - 4)
    n_left = (wall - 1) * inner
    at_key = rng.below(row, n_left)
    start = rng.below(row, n_left - 1)
    if start >= at_key:
        start += 1
    goal = rng.below(row, (inner - wall) * inner)
    row[WALL_X], row[DOOR_Y] = wall, 1 + rng.below(row, inner)
    row[KEY_X], row[KEY_Y] = 1 + at_key // inner, 1 + at_key % inner
    row[X], row[Y], row[HEADING] = 1 + start // inner, 1 + start % inner, rng.below(row, 4)
    row[GOAL_X], row[GOAL_Y] = wall + 1 + goal // inner, 1 + goal % inner


@jit
def reset_row(params, b, row):
    """Start an episode with a layout from the copy's stream or from one of the fixed contexts."""
    p = params[0][loop.pick(b, params[0].shape[0])]
    context = rng.below(row, p.layouts) if p.layouts > 0 else -1
    key, episode, counter = row[KEY], row[EPISODE], row[COUNTER]
    if context >= 0:
        row[KEY], row[EPISODE], row[COUNTER] = CONTEXTS, float(context), 0.0
    row[HAS_KEY], row[DOOR_OPEN], row[EVENT] = 0.0, 0.0, BEGAN
    _draw(p.side, row)
    while remaining(p.side, row) < p.nearest:
        _draw(p.side, row)
    if context >= 0:
        row[KEY], row[EPISODE], row[COUNTER] = key, episode, counter


@jit
def _mark(obs, plane, side, ahead, right, value):
    """Write one cell of a window plane, if the window reaches that far."""
    radius = side // 2
    if abs(ahead) <= radius and abs(right) <= radius:
        obs[plane * side * side + (radius - ahead) * side + radius + right] = value


@jit
def _see_window(size, side, row, obs):
    """Egocentric window, farthest row ahead first, left to right."""
    x, y, heading = int(row[X]), int(row[Y]), int(row[HEADING])
    fx, fy = _dx(heading), _dy(heading)  # ahead; to the right is (-fy, fx)
    wall, door = int(row[WALL_X]), int(row[DOOR_Y])
    for k in range(N_CONTENTS * side * side):
        obs[k] = 0.0
    # a row or column of the window is a line of the grid: x or y is the same all along it, and walls are whole lines
    for k in range(side):
        d = k - side // 2
        line_x, line_y = x - d * fx, y - d * fy
        if (line_x <= 0 or line_x >= size - 1 or line_x == wall) if fx != 0 else (line_y <= 0 or line_y >= size - 1):
            for j in range(side):
                obs[k * side + j] = 1.0
        line_x, line_y = x - d * fy, y + d * fx
        if (line_y <= 0 or line_y >= size - 1) if fx != 0 else (line_x <= 0 or line_x >= size - 1 or line_x == wall):
            for i in range(side):
                obs[i * side + k] = 1.0
    dx, dy = wall - x, door - y
    ahead, right = dx * fx + dy * fy, dy * fx - dx * fy
    _mark(obs, IS_WALL, side, ahead, right, 0.0)
    _mark(obs, IS_OPEN if row[DOOR_OPEN] != 0.0 else IS_LOCKED, side, ahead, right, 1.0)
    dx, dy = int(row[KEY_X]) - x, int(row[KEY_Y]) - y
    _mark(obs, IS_KEY, side, dx * fx + dy * fy, dy * fx - dx * fy, 1.0 - row[HAS_KEY])
    dx, dy = int(row[GOAL_X]) - x, int(row[GOAL_Y]) - y
    _mark(obs, IS_GOAL, side, dx * fx + dy * fy, dy * fx - dx * fy, 1.0)
    return N_CONTENTS * side * side


@jit
def _see_ahead(size, row, obs):
    heading = int(row[HEADING])
    ahead = _content(size, row, int(row[X]) + _dx(heading), int(row[Y]) + _dy(heading))
    for k in range(N_CONTENTS):
        obs[k] = 1.0 if k == ahead else 0.0
    return N_CONTENTS


@jit
def _squash(d):
    return 0.5 + 0.5 * d / (1 + abs(d))


@jit
def _place(obs, at, row, x, y):
    """Where a cell lies seen from the seat: how far ahead, how far to the right; 0.5 is level with it."""
    heading = int(row[HEADING])
    fx, fy = _dx(heading), _dy(heading)
    dx, dy = x - int(row[X]), y - int(row[Y])
    obs[at] = _squash(dx * fx + dy * fy)
    obs[at + 1] = _squash(dy * fx - dx * fy)
    return at + 2


@jit
def _see_grid(size, width, row, obs):
    """All cells inside the outer wall of the largest copy, the heading, where things lie, and the cell ahead."""
    plane = width * width
    for k in range(len(CHANNELS) * plane + 4):
        obs[k] = 0.0
    for i in range(width):
        obs[i * width + int(row[WALL_X]) - 1] = 1.0
        for j in range(size - 2 if i < size - 2 else 0, width):  # outside a smaller grid
            obs[i * width + j] = 1.0
    door = (int(row[DOOR_Y]) - 1) * width + int(row[WALL_X]) - 1
    obs[IS_WALL * plane + door] = 0.0
    obs[(IS_OPEN if row[DOOR_OPEN] != 0.0 else IS_LOCKED) * plane + door] = 1.0
    obs[IS_KEY * plane + (int(row[KEY_Y]) - 1) * width + int(row[KEY_X]) - 1] = 1.0 - row[HAS_KEY]
    obs[IS_GOAL * plane + (int(row[GOAL_Y]) - 1) * width + int(row[GOAL_X]) - 1] = 1.0
    obs[IS_SEAT * plane + (int(row[Y]) - 1) * width + int(row[X]) - 1] = 1.0
    at = len(CHANNELS) * plane
    obs[at + int(row[HEADING])] = 1.0
    carried = row[HAS_KEY] != 0.0  # then the key is where the seat is
    at = _place(obs, at + 4, row, int(row[X if carried else KEY_X]), int(row[Y if carried else KEY_Y]))
    at = _place(obs, at, row, int(row[WALL_X]), int(row[DOOR_Y]))
    at = _place(obs, at, row, int(row[GOAL_X]), int(row[GOAL_Y]))
    return at + _see_ahead(size, row, obs[at:])


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
    if entry.scope == WINDOW:
        at = _see_window(entry.side, entry.width, row, seen)
    elif entry.scope == GRID:
        at = _see_grid(entry.side, entry.width, row, seen)
    else:
        at = _see_ahead(entry.side, row, seen)
    seen[at] = row[HAS_KEY]
    if seen.shape[0] > at + 1:
        seen[at + 1] = row[CLOCK] * entry.clock


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
    """Readouts ``(B, 2)``: progress and caption."""
    for b in range(state.shape[0]):
        p = params[0][loop.pick(b, params[0].shape[0])]
        out[b, 0] = 1.0 - remaining(p.side, state[b]) / p.longest
        out[b, 1] = state[b, EVENT]


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
