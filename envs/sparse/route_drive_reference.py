"""The scripted driver of RouteDrive: follows the lane, and drives no faster than it could stop for what lies ahead."""

from __future__ import annotations

import math

from payoff.envs.core import loop
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK
from payoff.envs.sparse import route_drive_kernels as k

__all__ = ["choose", "play"]

BRAKING, GENTLE, SIDEWAYS = 1.5, 1.0, 3.0  # m/s^2 that it plans with
REACTION = 0.6  # s until it brakes as planned
SLEW = 0.4  # m/s^2 by which it changes its acceleration in a step: a jerk of 4
HARDEST, STRONGEST = -3.8, 2.2  # m/s^2
BELOW = 0.4  # m/s that it stays below a limit
SIGHT, STRIDE = 80, 2  # m


@jit
def _before(v, distance, then):
    """Speed from which it can brake to ``then`` within a distance."""
    return math.sqrt(then * then + 2.0 * BRAKING * max(0.0, distance - REACTION * v))


@jit
def _allowed(p, row, s):
    """Speed that the limit and the curve at s leave."""
    bend = abs(k.curvature(p, row, s))
    return min(k.limit(p, row, s) - BELOW, math.sqrt(SIDEWAYS / max(bend, 1e-6)))


@jit
def _is_passed(row, light, distance, pace):
    """Whether a light is green now and will be so until the car has passed it, if it soon drives at this pace."""
    now = k.phase(row, light)
    if now < k.RED:
        return False
    left = max(0.0, (k.CYCLE - now) * k.DT - 2.0 * REACTION)
    rise = min(max(0.0, pace - row[k.V]) / GENTLE, left)  # s until it has that pace
    slow = min(pace, row[k.V])
    return distance < slow * rise + 0.5 * GENTLE * rise * rise + pace * (left - rise)


@jit
def target_speed(p, row):
    """The speed it would like to have now."""
    s, v = row[k.S], row[k.V]
    light = k.next_light(p, row, s)
    ahead = k.next_vehicle(p, row)
    line = k.stop_line(p, light) - s if light >= 0 else math.inf
    target, pace = k.TOP_SPEED, k.TOP_SPEED
    for i in range(SIGHT // STRIDE + 1):
        x = STRIDE * i
        allowed = _allowed(p, row, s + x)
        target = min(target, _before(v, x, allowed))
        if x < line:
            pace = min(pace, allowed)
    if ahead >= 0:
        gap = row[k.VEHICLE + ahead] - s - k.CAR_LENGTH
        target = min(target, _before(v, gap - 3.0, 0.0))
        if gap < line:
            pace = min(pace, row[k.MOVED + ahead])
    if light >= 0 and not _is_passed(row, light, line, pace):
        target = min(target, _before(v, line - 2.0, 0.0))
    return target


@jit
def choose(params, b, row, action):
    """Write the reference's action ``(1, 2)``."""
    p = params[0][loop.pick(b, params[0].shape[0])]
    v, last = row[k.V], row[k.ACCELERATION]
    wanted = min(STRONGEST, max(HARDEST, 2.0 * (target_speed(p, row) - v)))
    action[0, 0] = min(last + SLEW, max(last - SLEW, wanted))
    along = max(4.0, 0.8 * v)  # m over which it returns to the centre
    bend = k.curvature(p, row, row[k.S] + 0.5 * k.DT * v)
    bend -= row[k.D] / (along * along) + 2.0 * math.sin(row[k.PSI]) / along
    action[0, 1] = min(k.TOP_STEER, max(-k.TOP_STEER, math.atan(k.WHEELBASE * bend)))


@jit
def play(params, row, action, work):
    """Play the reference to the end of the episode; the row and the arrays ``(1, 2)`` and ``(5, 1)`` are used up.

    Returns:
        Its return, and the steps to its first payment above 0 (horizon + 1 where there is none).
    """
    horizon = params[0][0].horizon
    total, first = 0.0, horizon + 1.0
    begun = row[CLOCK]
    while row[CLOCK] < horizon:
        choose(params, 0, row, action)
        over = k.step_row(params, 0, row, action, work)
        row[CLOCK] += 1.0
        total += work[loop.BASE, 0]
        if work[loop.BASE, 0] > 0.0 and first > horizon:
            first = row[CLOCK] - begun
        if over:
            break
    return total, first
