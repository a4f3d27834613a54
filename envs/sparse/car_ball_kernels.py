"""Compiled rules of CarBall: cars, ball, contacts and goals, and what each seat sees."""

from __future__ import annotations

import math

import numpy as np

from payoff.envs.core import loop, rng
from payoff.envs.core.game import Kernels
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, HEADER, Layout

__all__ = ["CAR_SIZE", "KERNELS", "NUMBERS", "SEEN", "layout"]

CAR_SIZE = 7  # x, y, heading (cos, sin), velocity (x, y), fuel


def layout(players: int) -> Layout:
    """Columns of a state row; what depends on the number of seats comes last."""
    return Layout(event=(), ball=(4,), touched=(players,), action=(players,), car=(players, CAR_SIZE))


EVENT, BALL, TOUCHED = (layout(1).at(name) for name in ("event", "ball", "touched"))
BEGAN, PLAYED, TOUCHES, RIGHT_GOAL, LEFT_GOAL = range(5)

HALF_X, HALF_Y = 5.0, 3.5  # the box, from its middle
BALL_RADIUS, CAR_RADIUS = 0.25, 0.35
BALL_MASS, CAR_MASS = 1.0, 3.0
CAR_BOUNCE = 0.2  # restitution of cars with each other; with walls it is 0
PARTS = 4
H = 0.1 / PARTS  # s, a sub-step
PUSH, BOOST = 4.0, 6.0  # m/s^2
TURN, TURNS_AT = 4.0, 1.0  # rad/s, reached at this speed in m/s
CAR_DRAG, GRIP = 1.0, 6.0  # 1/s: of all motion, and besides of motion across the heading
CAR_TOP, BALL_TOP = 6.0, 10.0  # m/s
ALONG, ACROSS = math.exp(-CAR_DRAG * H), math.exp(-(CAR_DRAG + GRIP) * H)

NUMBERS = np.dtype([(name, np.float64) for name in ("mouth", "restitution", "drag", "fuel")])
SEEN = np.dtype([("seat", np.int64), ("clock", np.float64)])


@jit
def car_at(n, i):
    """First column of car i among n."""
    return BALL + 4 + 2 * n + CAR_SIZE * i


@jit
def side(n, i):
    """1 for the team that attacks to the right, the first half of the seats; -1 for the other."""
    return 1.0 if n == 1 or 2 * i < n else -1.0


@jit
def _slowed(row, at, top):
    """Cut the velocity at columns ``at`` and the next to a speed."""
    speed = math.hypot(row[at], row[at + 1])
    if speed > top:
        row[at] *= top / speed
        row[at + 1] *= top / speed


@jit
def _drive(row, c, throttle, steer, boost):
    """Equations (1) to (3) for the car at column c."""
    burnt = min(row[c + 6], boost * H)
    row[c + 6] -= burnt
    cos, sin = row[c + 2], row[c + 3]
    forward = row[c + 4] * cos + row[c + 5] * sin
    across = row[c + 5] * cos - row[c + 4] * sin
    angle = steer * TURN * H * max(-1.0, min(1.0, forward / TURNS_AT))  # 1
    turn_cos, turn_sin = math.cos(angle), math.sin(angle)
    row[c + 2] = cos * turn_cos - sin * turn_sin
    row[c + 3] = sin * turn_cos + cos * turn_sin
    length = math.hypot(row[c + 2], row[c + 3])
    row[c + 2] /= length
    row[c + 3] /= length
    forward, across = forward * ALONG + throttle * PUSH * H + burnt * BOOST, across * ACROSS  # 2
    row[c + 4] = forward * cos - across * sin
    row[c + 5] = forward * sin + across * cos
    _slowed(row, c + 4, CAR_TOP)
    row[c] += H * row[c + 4]  # 3
    row[c + 1] += H * row[c + 5]


@jit
def _walls(row, at, velocity, radius, bounce):
    """Put what is at columns ``at`` back into the box, and turn its velocity around."""
    for axis in range(2):
        edge = (HALF_X if axis == 0 else HALF_Y) - radius
        if abs(row[at + axis]) > edge:
            outwards = 1.0 if row[at + axis] > 0.0 else -1.0
            row[at + axis] = outwards * edge
            if row[velocity + axis] * outwards > 0.0:
                row[velocity + axis] *= -bounce


@jit
def _touches(row, c):
    return math.hypot(row[BALL] - row[c], row[BALL + 1] - row[c + 1]) < BALL_RADIUS + CAR_RADIUS


@jit
def _hit_ball(p, n, row):
    """Equation (4): all cars that touch the ball at once, each with its share of the ball's mass."""
    count = 0
    for i in range(n):
        count += _touches(row, car_at(n, i))
    if count == 0:
        return
    mass = BALL_MASS / count
    x, y, u, v = 0.0, 0.0, 0.0, 0.0  # what the contacts add to the ball
    for i in range(n):
        c = car_at(n, i)
        if not _touches(row, c):
            continue
        row[TOUCHED + i] = 1.0
        dx, dy = row[BALL] - row[c], row[BALL + 1] - row[c + 1]
        distance = math.hypot(dx, dy)
        if distance == 0.0:
            dx, dy, distance = row[c + 2], row[c + 3], 1.0
        dx, dy = dx / distance, dy / distance
        deep = BALL_RADIUS + CAR_RADIUS - math.hypot(row[BALL] - row[c], row[BALL + 1] - row[c + 1])
        closing = (row[c + 4] - row[BALL + 2]) * dx + (row[c + 5] - row[BALL + 3]) * dy
        impulse = max(0.0, (1.0 + p.restitution) * closing / (1.0 / mass + 1.0 / CAR_MASS))
        share = CAR_MASS / (CAR_MASS + BALL_MASS)
        x, y = x + share * deep * dx / count, y + share * deep * dy / count
        u, v = u + impulse * dx / BALL_MASS, v + impulse * dy / BALL_MASS
        row[c] -= (1.0 - share) * deep * dx
        row[c + 1] -= (1.0 - share) * deep * dy
        row[c + 4] -= impulse * dx / CAR_MASS
        row[c + 5] -= impulse * dy / CAR_MASS
    row[BALL] += x
    row[BALL + 1] += y
    row[BALL + 2] += u
    row[BALL + 3] += v


@jit
def _hit_cars(n, row):
    """Cars that touch each other, pair by pair."""
    for i in range(n):
        for j in range(i + 1, n):
            a, b = car_at(n, i), car_at(n, j)
            dx, dy = row[b] - row[a], row[b + 1] - row[a + 1]
            distance = math.hypot(dx, dy)
            deep = 2.0 * CAR_RADIUS - distance
            if deep <= 0.0 or distance == 0.0:
                continue
            dx, dy = dx / distance, dy / distance
            closing = (row[a + 4] - row[b + 4]) * dx + (row[a + 5] - row[b + 5]) * dy
            change = 0.5 * max(0.0, (1.0 + CAR_BOUNCE) * closing)
            row[a] -= 0.5 * deep * dx
            row[a + 1] -= 0.5 * deep * dy
            row[b] += 0.5 * deep * dx
            row[b + 1] += 0.5 * deep * dy
            row[a + 4] -= change * dx
            row[a + 5] -= change * dy
            row[b + 4] += change * dx
            row[b + 5] += change * dy


@jit
def _goal(p, row):
    """1 if the ball is at the right wall within the mouth, -1 at the left one, else 0."""
    if abs(row[BALL]) < HALF_X - BALL_RADIUS or abs(row[BALL + 1]) > 0.5 * p.mouth:
        return 0.0
    return 1.0 if row[BALL] > 0.0 else -1.0


@jit
def step_row(params, b, row, action, work):
    """One step of one copy, four sub-steps.

    Args:
        params: tuple of one ``(P,)`` array of dtype NUMBERS.
        b: copy.
        row: ``(S,)`` state, modified in place.
        action: ``(N, 3)`` throttle, steering and boost.
        work: ``(5, N)``; row BASE is written.

    Returns:
        Whether a goal is scored.
    """
    p = params[0][loop.pick(b, params[0].shape[0])]
    n = action.shape[0]
    keeps = math.exp(-p.drag * H)
    for i in range(n):
        row[TOUCHED + i] = 0.0
        row[TOUCHED + n + i] = action[i, 0]  # the field `action`, which partners read
        work[loop.BASE, i] = 0.0
    goal = 0.0
    for _ in range(PARTS):
        for i in range(n):
            _drive(row, car_at(n, i), action[i, 0], action[i, 1], action[i, 2])
        for axis in range(2):
            row[BALL + 2 + axis] *= keeps
            row[BALL + axis] += H * row[BALL + 2 + axis]
        _hit_ball(p, n, row)
        _hit_cars(n, row)
        _slowed(row, BALL + 2, BALL_TOP)
        goal = _goal(p, row)
        _walls(row, BALL, BALL + 2, BALL_RADIUS, p.restitution)
        for i in range(n):
            c = car_at(n, i)
            _walls(row, c, c + 4, CAR_RADIUS, 0.0)
        if goal != 0.0:
            break
    row[EVENT] = PLAYED
    for i in range(n):
        if row[TOUCHED + i] != 0.0:
            row[EVENT] = TOUCHES
        if goal != 0.0:
            work[loop.BASE, i] = goal * side(n, i)
    if goal != 0.0:
        row[EVENT] = RIGHT_GOAL if goal > 0.0 else LEFT_GOAL
    return goal != 0.0


@jit
def reset_row(params, b, n, row):
    """Kick-off: the ball rests in the middle, and the second half of the cars is the first turned around it."""
    p = params[0][loop.pick(b, params[0].shape[0])]
    for k in range(HEADER, row.shape[0]):
        row[k] = 0.0
    row[EVENT] = BEGAN
    half = max(1, n // 2)
    for i in range(half):
        x = -2.0 - 2.0 * rng.uniform(row)
        y = -2.5 + (i + rng.uniform(row)) * 5.0 / half
        far = math.hypot(x, y)
        for turned in range(n // half):
            c, sign = car_at(n, i + half * turned), 1.0 - 2.0 * turned
            row[c], row[c + 1] = sign * x, sign * y
            row[c + 2], row[c + 3] = -sign * x / far, -sign * y / far
            row[c + 6] = p.fuel


@jit
def _show(row, c, sign, fuel, own, at):
    """Write a car's seven entries."""
    own[at] = 0.5 + 0.5 * sign * row[c] / HALF_X
    own[at + 1] = 0.5 + 0.5 * sign * row[c + 1] / HALF_Y
    for k in range(2):
        own[at + 2 + k] = 0.5 + 0.5 * sign * row[c + 2 + k]
        own[at + 4 + k] = 0.5 + 0.5 * max(-1.0, min(1.0, sign * row[c + 4 + k] / CAR_TOP))
    own[at + 6] = row[c + 6] / fuel if fuel > 0.0 else 0.0


@jit
def observe_row(params, table, b, row, obs):
    """What each seat sees, turned so that it attacks to the right: ball, itself, its team, the others, and the clock.

    Args:
        params: see :func:`step_row`.
        table: ``(P, V)`` array of dtype SEEN.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(V, O)`` float32, modified in place.
    """
    fuel = params[0][loop.pick(b, params[0].shape[0])].fuel
    n = (row.shape[0] - BALL - 4) // (CAR_SIZE + 2)
    half = max(1, n // 2)
    for v in range(obs.shape[0]):
        seen = table[loop.pick(b, table.shape[0]), v]
        own, sign = obs[v], side(n, seen.seat)
        own[0] = 0.5 + 0.5 * sign * row[BALL] / HALF_X
        own[1] = 0.5 + 0.5 * sign * row[BALL + 1] / HALF_Y
        for k in range(2):
            own[2 + k] = 0.5 + 0.5 * max(-1.0, min(1.0, sign * row[BALL + 2 + k] / BALL_TOP))
        team, place = seen.seat // half, seen.seat % half
        for j in range(n):
            other = (team + j // half) % 2 * half + (place + j) % half
            _show(row, car_at(n, other), sign, fuel, own, 4 + CAR_SIZE * j)
        if own.shape[0] > 4 + CAR_SIZE * n:
            own[4 + CAR_SIZE * n] = row[CLOCK] * seen.clock


@jit
def transition(params, wiring, state, buffers, obs):
    """One step of every copy; see :mod:`payoff.envs.core.game`."""
    bad = loop.begin(wiring, state, buffers)
    if bad != loop.FINE:
        return bad
    _, action, work, flags, _ = buffers
    n = action.shape[1]
    for b in range(state.shape[0]):
        if loop.restarts(state[b]):
            reset_row(params, b, n, state[b])
        else:
            flags[b, 0] = step_row(params, b, state[b], action[b], work[b])
    loop.finish(wiring, state, buffers)
    for b in range(state.shape[0]):
        if loop.ends(wiring, b, state[b], buffers):
            reset_row(params, b, n, state[b])
        observe_row(params, wiring[8], b, state[b], obs[b])
    return loop.FINE


@jit
def start(params, wiring, state, mask, obs):
    """Restart the masked copies and observe all."""
    n = wiring[3].shape[0]
    for b in range(state.shape[0]):
        if mask[b]:
            loop.restart(state[b])
            reset_row(params, b, n, state[b])
        observe_row(params, wiring[8], b, state[b], obs[b])


@jit
def look(params, wiring, state, obs):
    """Observe all copies."""
    for b in range(state.shape[0]):
        observe_row(params, wiring[8], b, state[b], obs[b])


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, N + 1)``: whether each car touched the ball in the last step, caption."""
    n = wiring[3].shape[0]
    for b in range(state.shape[0]):
        for i in range(n):
            out[b, i] = state[b, TOUCHED + i]
        out[b, n] = state[b, EVENT]


KERNELS = Kernels(start=start, transition=transition, look=look, read=read)
