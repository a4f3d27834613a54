"""The scripted driver of RouteDrive: follows the lane, and drives no faster than it could stop for what lies ahead."""

from __future__ import annotations

import math
from typing import Any

from payoff.envs.core.jit import jit
from payoff.envs.core.state import Array
from payoff.envs.sparse import route_drive_road as road
from payoff.envs.sparse.route_drive_road import Drive

__all__ = ["choose"]

BRAKING, GENTLE, SIDEWAYS = 1.5, 1.0, 3.0  # m/s^2 that it plans with
REACTION = 0.6  # s until it brakes as planned
SLEW = 0.4  # m/s^2 by which it changes its acceleration in a step: a jerk of 4
HARDEST, STRONGEST = -3.8, 2.2  # m/s^2
BELOW = 0.4  # m/s that it stays below a limit
SIGHT, STRIDE = 80, 2  # m


@jit
def _before(v: float, distance: float, then: float) -> float:
    """Speed from which it can brake to ``then`` within a distance."""
    return math.sqrt(then * then + 2.0 * BRAKING * max(0.0, distance - REACTION * v))


@jit
def _allowed(p: Any, s: Drive, at: float) -> float:
    """Speed that the limit and the curve at a place leave."""
    bend = abs(road.curvature(p, s, at))
    return min(road.limit(p, s, at) - BELOW, math.sqrt(SIDEWAYS / max(bend, 1e-6)))


@jit
def _is_passed(s: Drive, light: int, distance: float, pace: float) -> bool:
    """Whether a light is green now and will be so until the car has passed it, if it soon drives at this pace."""
    if road.is_red(s, light):
        return False
    left = max(0.0, (road.CYCLE - road.phase(s, light)) * road.DT - 2.0 * REACTION)
    rise = min(max(0.0, pace - s.speed) / GENTLE, left)  # s until it has that pace
    slow = min(pace, s.speed)
    return distance < slow * rise + 0.5 * GENTLE * rise * rise + pace * (left - rise)


@jit
def target_speed(p: Any, s: Drive) -> float:
    """The speed it would like to have now."""
    light, ahead = road.next_light(p, s.along), road.next_vehicle(p, s)
    line = road.stop_line(p, light) - s.along if light >= 0 else math.inf
    target, pace = road.TOP_SPEED, road.TOP_SPEED
    for k in range(SIGHT // STRIDE + 1):
        x = STRIDE * k
        allowed = _allowed(p, s, s.along + x)
        target = min(target, _before(s.speed, x, allowed))
        if x < line:
            pace = min(pace, allowed)
    if ahead >= 0:
        gap = s.vehicle[ahead] - s.along - road.CAR_LENGTH
        target = min(target, _before(s.speed, gap - 3.0, 0.0))
        if gap < line:
            pace = min(pace, s.moved[ahead])
    if light >= 0 and not _is_passed(s, light, line, pace):
        target = min(target, _before(s.speed, line - 2.0, 0.0))
    return target


@jit
def choose(p: Any, s: Drive, action: Array) -> None:
    """Write the reference's action ``(2,)``."""
    last = s.acceleration
    wanted = min(STRONGEST, max(HARDEST, 2.0 * (target_speed(p, s) - s.speed)))
    action[0] = min(last + SLEW, max(last - SLEW, wanted))
    along = max(4.0, 0.8 * s.speed)  # m over which it returns to the centre
    bend = road.curvature(p, s, s.along + 0.5 * road.DT * s.speed)
    bend -= s.offset / (along * along) + 2.0 * math.sin(s.angle) / along
    action[1] = min(road.TOP_STEER, max(-road.TOP_STEER, math.atan(road.WHEELBASE * bend)))
