"""Compiled functions of HardMaze: the robot among its walls, what it senses, and the reference.

The model, with the numbers that the comments refer to, is in :mod:`payoff.envs.sparse.hard_maze`. ``params`` is the
tuple (numbers, walls, stops): a ``(P,)`` array of dtype NUMBERS, ``(P, W, 4)`` walls as (x, y, dx, dy), of which the
first ``numbers.walls`` count, and ``(P, K, 2)`` way-points of the reference.
"""

from __future__ import annotations

import math

import numpy as np

from payoff.envs.core import loop
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, Layout
from payoff.envs.sparse.discs import nearness

__all__ = ["CAPTIONS", "GOALS", "KERNELS", "LAYOUT", "NUMBERS", "SEEN", "SIDE", "clearance", "played_out", "steer"]

LAYOUT = Layout(x=(), y=(), heading=(), bumper=(2,), event=())
X, Y, HEADING, BUMPER, EVENT = (LAYOUT.at(name) for name in LAYOUT.shapes)
LEFT, RIGHT = 0, 1  # of the two bumpers and of the two wheels

CAPTIONS = ("the episode began", "moved", "ran into a wall", "ended at a goal", "ended away from the goals")
BEGAN, MOVED, HIT, ARRIVED, MISSED = range(5)

SIDE = 600.0  # of the arena
RADIUS = 10.0  # of the robot
AXLE = 20.0  # between its wheels
TOP_SPEED = 4.0  # of a wheel, per step
RANGE = 100.0  # of a range finder
START_X, START_Y, START_HEADING = 60.0, 450.0, math.pi / 4.0
GOALS = ((60.0, 60.0), (100.0, 200.0))
BUMPER_OVERLAP = 0.1  # sine of the angle by which a bumper reaches across the middle
TURN = 2.0 * TOP_SPEED / AXLE  # most that a step turns, radians

NUMBERS = np.dtype([("walls", np.int64), ("radius", np.float64), ("horizon", np.float64)])
SEEN = np.dtype(
    [("pose", np.int64), ("clock", np.float64)]
)  # pose 1: position and heading are seen; clock: 1 / horizon


@jit
def _from_wall(walls, p, w, x, y):
    """Vector from (x, y) to the nearest point of wall w."""
    wall_x, wall_y, dx, dy = walls[p, w, 0], walls[p, w, 1], walls[p, w, 2], walls[p, w, 3]
    share = ((x - wall_x) * dx + (y - wall_y) * dy) / (dx * dx + dy * dy)
    share = min(1.0, max(0.0, share))
    return wall_x + share * dx - x, wall_y + share * dy - y


@jit
def _nearest(walls, p, count, x, y):
    """Vector from (x, y) to the nearest point of all walls."""
    best, best_x, best_y = math.inf, 0.0, 0.0
    for w in range(count):
        dx, dy = _from_wall(walls, p, w, x, y)
        square = dx * dx + dy * dy
        if square < best:
            best, best_x, best_y = square, dx, dy
    return best_x, best_y


@jit
def clearance(walls, p, count, x, y):
    """Distance of (x, y) from the nearest wall."""
    dx, dy = _nearest(walls, p, count, x, y)
    return math.hypot(dx, dy)


@jit
def _drive(params, p, row, left, right):
    """Equations (1) to (3)."""
    row[BUMPER + LEFT] = 0.0
    row[BUMPER + RIGHT] = 0.0
    heading = row[HEADING] + (right - left) / AXLE  # 1
    heading -= 2.0 * math.pi * math.floor(heading / (2.0 * math.pi))
    row[HEADING] = heading
    cos, sin = math.cos(heading), math.sin(heading)
    speed = 0.5 * (left + right)
    x, y = row[X] + speed * cos, row[Y] + speed * sin  # 2
    dx, dy = _nearest(params[1], p, params[0][p].walls, x, y)
    distance = math.hypot(dx, dy)
    if distance >= RADIUS:
        row[X], row[Y], row[EVENT] = x, y, MOVED
        return
    row[EVENT] = HIT  # 3
    if dx * cos + dy * sin >= 0.0:
        aside = dy * cos - dx * sin  # to the left
        if aside >= -BUMPER_OVERLAP * distance:
            row[BUMPER + LEFT] = 1.0
        if aside <= BUMPER_OVERLAP * distance:
            row[BUMPER + RIGHT] = 1.0


@jit
def _paid(row, radius):
    best = 0.0
    for goal_x, goal_y in GOALS:
        best = max(best, nearness(row[X], row[Y], goal_x, goal_y, radius))
    return best


@jit
def step_row(params, b, row, action, work):
    """One step of one copy.

    Args:
        params: see the module.
        b: copy.
        row: ``(S,)`` state, modified in place.
        action: ``(1, 2)`` speeds of the left and the right wheel.
        work: ``(5, 1)``; row BASE is written.

    Returns:
        Whether this was the last step.
    """
    p = loop.pick(b, params[0].shape[0])
    _drive(params, p, row, action[0, LEFT], action[0, RIGHT])
    work[loop.BASE, 0] = 0.0
    if row[CLOCK] + 1.0 < params[0][p].horizon:
        return False
    work[loop.BASE, 0] = _paid(row, params[0][p].radius)
    row[EVENT] = ARRIVED if work[loop.BASE, 0] > 0.0 else MISSED
    return True


@jit
def reset_row(row):
    """Start an episode at the one start."""
    row[X], row[Y], row[HEADING] = START_X, START_Y, START_HEADING
    row[BUMPER + LEFT], row[BUMPER + RIGHT], row[EVENT] = 0.0, 0.0, BEGAN


@jit
def _ray(walls, p, count, x, y, direction):
    """Distance to the nearest wall in a direction, at most RANGE."""
    cos, sin = math.cos(direction), math.sin(direction)
    nearest = RANGE
    for w in range(count):
        dx, dy = walls[p, w, 2], walls[p, w, 3]
        across = cos * dy - sin * dx
        if across == 0.0:  # parallel; the ends of a wall belong to others or to nobody
            continue
        away_x, away_y = walls[p, w, 0] - x, walls[p, w, 1] - y
        distance = (away_x * dy - away_y * dx) / across
        if distance < 0.0 or distance >= nearest:
            continue
        share = (away_x * sin - away_y * cos) / across
        if share >= 0.0 and share <= 1.0:
            nearest = distance
    return nearest


@jit
def observe_row(params, table, b, row, obs):
    """What the seat sees: range finders, bumpers and, where there is room for it, the pose and the clock.

    Args:
        params: see the module.
        table: ``(P,)`` records of dtype SEEN.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    p = loop.pick(b, params[0].shape[0])
    entry = table[loop.pick(b, table.shape[0])]
    for k in range(3):
        direction = row[HEADING] + (1 - k) * 0.25 * math.pi
        obs[0, k] = _ray(params[1], p, params[0][p].walls, row[X], row[Y], direction) / RANGE
    obs[0, 3] = row[BUMPER + LEFT]
    obs[0, 4] = row[BUMPER + RIGHT]
    at = 5
    if entry.pose != 0:
        obs[0, 5] = row[X] / SIDE
        obs[0, 6] = row[Y] / SIDE
        obs[0, 7] = row[HEADING] / (2.0 * math.pi)
        at = 8
    if obs.shape[1] > at:
        obs[0, at] = row[CLOCK] * entry.clock


@jit
def _in_sight(walls, p, count, x, y, to_x, to_y):
    """Whether the robot can drive straight from (x, y) to (to_x, to_y)."""
    way_x, way_y = to_x - x, to_y - y
    length2 = way_x * way_x + way_y * way_y
    nearest = clearance(walls, p, count, to_x, to_y)
    nearest = min(nearest, clearance(walls, p, count, x, y))
    for w in range(count):
        wall_x, wall_y, dx, dy = walls[p, w, 0], walls[p, w, 1], walls[p, w, 2], walls[p, w, 3]
        ends = 0  # of the wall on the left of the way, then of the way on the left of the wall: one each if they cross
        for k in range(2):
            away_x, away_y = wall_x + k * dx - x, wall_y + k * dy - y
            share = 0.0 if length2 == 0.0 else (away_x * way_x + away_y * way_y) / length2
            share = min(1.0, max(0.0, share))
            nearest = min(nearest, math.hypot(away_x - share * way_x, away_y - share * way_y))
            if way_x * away_y - way_y * away_x > 0.0:
                ends += 1
            if dx * (y + k * way_y - wall_y) - dy * (x + k * way_x - wall_x) > 0.0:
                ends += 4
        if ends == 5:
            return False
    return nearest >= RADIUS - 1e-9


@jit
def _target(params, p, x, y):
    """Where the reference drives: the nearest goal in sight, else the first way-point in sight, else the first."""
    count, stops = params[0][p].walls, params[2]
    best, at_x, at_y = math.inf, stops[p, 0, 0], stops[p, 0, 1]
    for goal_x, goal_y in GOALS:
        distance = math.hypot(goal_x - x, goal_y - y)
        if distance < best and _in_sight(params[1], p, count, x, y, goal_x, goal_y):
            best, at_x, at_y = distance, goal_x, goal_y
    if best == math.inf:
        for k in range(stops.shape[1]):
            if _in_sight(params[1], p, count, x, y, stops[p, k, 0], stops[p, k, 1]):
                return stops[p, k, 0], stops[p, k, 1]
    return at_x, at_y


@jit
def steer(params, p, row):
    """Speeds of the left and the right wheel that the reference chooses: turn to the target first, then drive."""
    at_x, at_y = _target(params, p, row[X], row[Y])
    dx, dy = at_x - row[X], at_y - row[Y]
    distance = math.hypot(dx, dy)
    if distance < 1e-9:
        return 0.0, 0.0
    turn = math.atan2(dy, dx) - row[HEADING]
    turn -= 2.0 * math.pi * math.floor(turn / (2.0 * math.pi) + 0.5)
    speed = 0.0
    if abs(turn) <= TURN:
        speed = min(distance, TOP_SPEED - 0.5 * AXLE * abs(turn))
    side = 0.5 * AXLE * min(TURN, max(-TURN, turn))
    return speed - side, speed + side


@jit
def played_out(params, row, steps):
    """What the reference is paid ``steps`` steps from here; the row is used up."""
    for _ in range(steps):
        left, right = steer(params, 0, row)
        _drive(params, 0, row, min(TOP_SPEED, max(-TOP_SPEED, left)), min(TOP_SPEED, max(-TOP_SPEED, right)))
    return _paid(row, params[0][0].radius)


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
            flags[b, 0] = step_row(params, b, state[b], action[b], work[b])
    loop.finish(wiring, state, buffers)
    for b in range(state.shape[0]):
        if loop.ends(wiring, b, state[b], buffers):
            reset_row(state[b])
        observe_row(params, wiring[8], b, state[b], obs[b])
    return loop.FINE


@jit
def start(params, wiring, state, mask, obs):
    """Restart the masked copies and observe all."""
    for b in range(state.shape[0]):
        if mask[b]:
            loop.restart(state[b])
            reset_row(state[b])
        observe_row(params, wiring[8], b, state[b], obs[b])


@jit
def look(params, wiring, state, obs):
    """Observe all copies."""
    for b in range(state.shape[0]):
        observe_row(params, wiring[8], b, state[b], obs[b])


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, 3)``: position and caption."""
    for b in range(state.shape[0]):
        out[b, 0] = state[b, X] / SIDE
        out[b, 1] = state[b, Y] / SIDE
        out[b, 2] = state[b, EVENT]


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
