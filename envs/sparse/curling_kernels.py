"""Compiled functions of Curling: arm, ball and contacts, what the seat sees, and the reference.

The model, with the numbers that the comments refer to, is in :mod:`payoff.envs.sparse.curling`. ``params`` is the tuple
of one ``(P,)`` array of dtype NUMBERS.
"""

from __future__ import annotations

import math

import numpy as np

from payoff.envs.core import loop
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, Layout
from payoff.envs.sparse.discs import nearness

__all__ = [
    "CAPTIONS",
    "GOALS",
    "KERNELS",
    "LAYOUT",
    "NUMBERS",
    "PHASES",
    "SEEN",
    "effort",
    "elbow",
    "gap",
    "played_out",
]

LAYOUT = Layout(ball=(2,), velocity=(2,), angle=(2,), speed=(2,), event=())
BALL, VELOCITY, ANGLE, SPEED, EVENT = (LAYOUT.at(name) for name in LAYOUT.shapes)

CAPTIONS = (
    "the episode began",
    "moved",
    "touched the ball",
    "jammed the ball",
    "the ball ended at a goal",
    "the ball ended away from the goals",
)
BEGAN, MOVED, TOUCHED, JAMMED, ARRIVED, MISSED = range(6)

TIME_STEP = 1.0 / 60.0  # seconds
EDGE = 1.5  # half a side of the table
BASE_Y = -1.5  # of the arm, whose x is 0
BALL_RADIUS = 0.15
CONTACT = 0.2  # radius of the ball and half the thickness of a link
FREE = EDGE - BALL_RADIUS  # how far from the middle the ball can be
START_X, START_Y = -0.5, 0.2
SWING, TWIST = 0.5 * math.pi, math.pi  # most of the two angles
DRIVE = 5.0  # of a joint, per second
FRICTION = 0.5  # of the ball, distance per second squared
ARM_BOUNCE, WALL_BOUNCE = 0.5, 0.8
FASTEST = 5.0  # of the ball, distance per second
ROUNDS = 8
GOALS = ((0.8, 0.8, 0.4), (0.8, -0.8, 0.2))  # x, y, radius

# the reference: up to which step, where the two angles shall go, and how fast at most
PHASES = (
    (110.0, 0.0, -2.8, 1.0),
    (190.0, 1.3, -2.8, 1.0),
    (281.0, 1.298, -0.669, 0.982),
    (333.0, 0.262, -0.377, 0.297),
    (400.0, -0.502, -1.367, 0.675),
    (math.inf, -1.076, 1.266, 0.998),
)

NUMBERS = np.dtype([("scale", np.float64), ("horizon", np.float64)])
SEEN = np.dtype([("velocity", np.int64), ("clock", np.float64)])  # velocity 1: the ball's is seen; clock: 1 / horizon


@jit
def elbow(row):
    """Where the two links meet."""
    return -math.sin(row[ANGLE]), BASE_Y + math.cos(row[ANGLE])


@jit
def _to_link(row, link):
    """Nearest point of a link to the ball: position, and velocity of the link there."""
    x, y = 0.0, BASE_Y
    direction, rate = row[ANGLE], row[SPEED]
    drift_x, drift_y = 0.0, 0.0
    if link == 1:
        x, y = elbow(row)
        drift_x, drift_y = -rate * (y - BASE_Y), rate * x
        direction += row[ANGLE + 1]
        rate += row[SPEED + 1]
    way_x, way_y = -math.sin(direction), math.cos(direction)
    along = (row[BALL] - x) * way_x + (row[BALL + 1] - y) * way_y
    along = min(1.0, max(0.0, along))
    return x + along * way_x, y + along * way_y, drift_x - rate * along * way_y, drift_y + rate * along * way_x


@jit
def gap(row):
    """Distance between the ball and the nearer link; negative where they overlap."""
    nearest = math.inf
    for link in range(2):
        x, y, _, _ = _to_link(row, link)
        nearest = min(nearest, math.hypot(row[BALL] - x, row[BALL + 1] - y))
    return nearest - CONTACT


@jit
def _bounce_off_link(row, link):
    """Equation (5) for one link; whether they overlapped."""
    x, y, link_x, link_y = _to_link(row, link)
    away_x, away_y = row[BALL] - x, row[BALL + 1] - y
    distance = math.hypot(away_x, away_y)
    if distance >= CONTACT - 1e-12 or distance == 0.0:
        return False
    away_x /= distance
    away_y /= distance
    row[BALL], row[BALL + 1] = x + CONTACT * away_x, y + CONTACT * away_y
    approach = (row[VELOCITY] - link_x) * away_x + (row[VELOCITY + 1] - link_y) * away_y
    if approach < 0.0:
        row[VELOCITY] -= (1.0 + ARM_BOUNCE) * approach * away_x
        row[VELOCITY + 1] -= (1.0 + ARM_BOUNCE) * approach * away_y
    return True


@jit
def _bounce_off_walls(row):
    """Equation (6); whether the ball was beyond a wall."""
    beyond = False
    for k in range(2):
        if abs(row[BALL + k]) > FREE:
            side = 1.0 if row[BALL + k] > 0.0 else -1.0
            row[BALL + k] = side * FREE
            if side * row[VELOCITY + k] > 0.0:
                row[VELOCITY + k] *= -WALL_BOUNCE
            beyond = True
    return beyond


@jit
def _contacts(row):
    """Equations (5) and (6), over and over; -1 if they find no end, else whether the arm touched the ball."""
    touched = 0
    for _ in range(ROUNDS):
        again = False
        for link in range(2):
            if _bounce_off_link(row, link):
                again = True
                touched = 1
        if _bounce_off_walls(row):
            again = True
        if not again:
            return touched
    return -1


@jit
def _turn(row, joint, torque, most):
    """Equations (1) and (2) for one joint."""
    speed = row[SPEED + joint]
    speed += TIME_STEP * DRIVE * (torque - speed)
    angle = row[ANGLE + joint] + TIME_STEP * speed
    if abs(angle) > most:
        angle, speed = min(most, max(-most, angle)), 0.0
    row[ANGLE + joint], row[SPEED + joint] = angle, speed


@jit
def _slow(row, most):
    """Cut the ball's speed to ``most``, keeping its direction."""
    speed = math.hypot(row[VELOCITY], row[VELOCITY + 1])
    if speed > most:
        row[VELOCITY] *= most / speed
        row[VELOCITY + 1] *= most / speed


@jit
def _move(row, first, second):
    """Equations (1) to (7)."""
    ball_x, ball_y, swing, twist = row[BALL], row[BALL + 1], row[ANGLE], row[ANGLE + 1]
    _turn(row, 0, first, SWING)  # 1, 2
    _turn(row, 1, second, TWIST)
    speed = math.hypot(row[VELOCITY], row[VELOCITY + 1])
    _slow(row, max(0.0, speed - TIME_STEP * FRICTION))  # 3
    row[BALL] += TIME_STEP * row[VELOCITY]  # 4
    row[BALL + 1] += TIME_STEP * row[VELOCITY + 1]
    touched = _contacts(row)
    if touched < 0:  # 7
        row[BALL], row[BALL + 1], row[ANGLE], row[ANGLE + 1] = ball_x, ball_y, swing, twist
        for k in range(2):
            row[VELOCITY + k], row[SPEED + k] = 0.0, 0.0
        row[EVENT] = JAMMED
        return
    _slow(row, FASTEST)
    row[EVENT] = TOUCHED if touched == 1 else MOVED


@jit
def _paid(row, scale):
    best = 0.0
    for x, y, radius in GOALS:
        best = max(best, nearness(row[BALL], row[BALL + 1], x, y, radius * scale))
    return best


@jit
def step_row(params, b, row, action, work):
    """One step of one copy.

    Args:
        params: see the module.
        b: copy.
        row: ``(S,)`` state, modified in place.
        action: ``(1, 2)`` torques.
        work: ``(5, 1)``; row BASE is written.

    Returns:
        Whether this was the last step.
    """
    p = params[0][loop.pick(b, params[0].shape[0])]
    _move(row, action[0, 0], action[0, 1])
    work[loop.BASE, 0] = 0.0
    if row[CLOCK] + 1.0 < p.horizon:
        return False
    work[loop.BASE, 0] = _paid(row, p.scale)
    row[EVENT] = ARRIVED if work[loop.BASE, 0] > 0.0 else MISSED
    return True


@jit
def reset_row(row):
    """Start an episode with a straight arm and the ball beside it, at rest."""
    for k in range(BALL, EVENT + 1):
        row[k] = 0.0
    row[BALL], row[BALL + 1], row[EVENT] = START_X, START_Y, BEGAN


@jit
def effort(row):
    """Torques that the reference chooses at this time."""
    swing, twist, most = 0.0, 0.0, 0.0
    for until, to_swing, to_twist, fastest in PHASES:
        swing, twist, most = to_swing, to_twist, fastest
        if row[CLOCK] < until:
            break
    first = min(most, max(-most, 3.0 * (swing - row[ANGLE])))
    second = min(most, max(-most, 3.0 * (twist - row[ANGLE + 1])))
    first += 2.0 * (first - row[SPEED])
    second += 2.0 * (second - row[SPEED + 1])
    return min(1.0, max(-1.0, first)), min(1.0, max(-1.0, second))


@jit
def played_out(scale, row, steps):
    """What the reference is paid ``steps`` steps from here; the row is used up."""
    for _ in range(steps):
        first, second = effort(row)
        _move(row, first, second)
        row[CLOCK] += 1.0
    return _paid(row, scale)


@jit
def observe_row(table, b, row, obs):
    """What the seat sees: ball, angles, speeds and, where there is room for it, the ball's velocity and the clock.

    Args:
        table: ``(P,)`` records of dtype SEEN.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    entry = table[loop.pick(b, table.shape[0])]
    for k in range(2):
        obs[0, k] = 0.5 + 0.5 * row[BALL + k] / EDGE
        obs[0, 2 + k] = 0.5 + 0.5 * row[ANGLE + k] / (SWING if k == 0 else TWIST)
        obs[0, 4 + k] = 0.5 + 0.5 * row[SPEED + k]
    at = 6
    if entry.velocity != 0:
        for k in range(2):
            obs[0, 6 + k] = 0.5 + 0.5 * row[VELOCITY + k] / FASTEST
        at = 8
    if obs.shape[1] > at:
        obs[0, at] = row[CLOCK] * entry.clock


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
    """Readouts ``(B, 3)``: position of the ball and caption."""
    for b in range(state.shape[0]):
        out[b, 0], out[b, 1], out[b, 2] = state[b, BALL], state[b, BALL + 1], state[b, EVENT]


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
