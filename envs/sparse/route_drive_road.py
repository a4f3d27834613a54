"""The road of RouteDrive: the route and what stands on it, how the car moves, and how the other vehicles do.

Numbers of equations are those on the page of the game.
"""

from __future__ import annotations

import math
from typing import Any

from payoff.envs.core.jit import jit
from payoff.envs.core.state import Copy, real, whole
from payoff.envs.core.words import events, words

__all__ = [
    "EVENT",
    "FACTOR",
    "HELD",
    "Drive",
    "curvature",
    "drive",
    "is_red",
    "limit",
    "move_vehicles",
    "next_light",
    "next_vehicle",
    "phase",
    "stop_line",
]

KNOTS, ZONES, MOST = 17, 4, 6  # knots of the curvature, speed zones, largest number of lights and of vehicles
DT = 0.1  # s
WHEELBASE = 2.7  # m
TOP_SPEED, TOP_ACCELERATION, TOP_STEER = 20.0, 5.0, 0.5  # m/s, m/s^2, rad
CAR_LENGTH, CAR_WIDTH = 4.5, 2.0
PACE = 9.0  # m/s, of the fastest of the other vehicles
CYCLE, RED = 160, 60  # steps of a light's cycle, and of its first part, which is red
FACTOR = words("lane", "speed", "distance", "comfort", "centre")
HELD = words("near", "push", "side", "yaw", "jerk")  # what lowers factor 3, and the four limits of factor 4
EVENT = events(
    began="the episode began",
    drove="drove without a fault",
    faulted="drove with a fault",
    finished="finished the route",
    collided="hit a vehicle",
    ran_light="passed a red light",
    left_route="left the route",
)


class Drive(Copy):
    """State of one drive."""

    along: float = real(lambda p: -p.stride * p.max_steps, lambda p: p.length + p.stride)  # s
    offset: float = real(lambda p: -p.lane_width - 2.0, lambda p: p.lane_width + 2.0)  # d; a step adds at most 2 m
    angle: float = real(-math.pi, math.pi)  # psi
    speed: float = real(0.0, TOP_SPEED)
    acceleration: float = real(-TOP_ACCELERATION, TOP_ACCELERATION)
    reached: float = real(0.0, lambda p: p.length)  # furthest s of the episode
    off_centre: float = whole(0, lambda p: p.max_steps)  # leaky count of steps off the centre
    held: Any = whole(0, lambda p: p.hold, size=len(HELD))  # steps for which what was broken stays so
    factor: Any = real(0.0, 1.0, size=len(FACTOR))
    aux: float = real(0.0, 100.0)  # the sum (7) of the last step
    event: float = whole(0, EVENT)
    limit: Any = real(30.0 / 3.6, 50.0 / 3.6, size=ZONES)  # m/s
    lead: Any = whole(0, CYCLE - 1, size=MOST)  # steps by which a light is ahead in its cycle
    curvature: Any = real(lambda p: -p.curvature, lambda p: p.curvature, size=KNOTS)  # 1/m, at equally spaced knots
    vehicle: Any = real(0.0, lambda p: p.furthest, size=MOST)  # s of each, the nearest first
    pace: Any = real(0.0, PACE, size=MOST)  # m/s when nothing is in the way
    moved: Any = real(0.0, PACE, size=MOST)  # m/s in the last step


@jit
def curvature(p: Any, s: Drive, at: float) -> float:
    """Equation (1): curvature of the route, that of its ends beyond them."""
    at = min(1.0, max(0.0, at / p.length)) * (KNOTS - 1)
    k = min(KNOTS - 2, int(at))
    return s.curvature[k] + (at - k) * (s.curvature[k + 1] - s.curvature[k])


@jit
def limit(p: Any, s: Drive, at: float) -> float:
    """Speed limit, m/s."""
    return s.limit[min(ZONES - 1, max(0, int(at / p.length * ZONES)))]


@jit
def stop_line(p: Any, k: int) -> float:
    """Where light k stands."""
    return p.length * (k + 1) / (p.lights + 1)


@jit
def phase(s: Drive, k: int) -> int:
    """Step of its cycle in which light k is; red below RED."""
    return (int(s.clock) + int(s.lead[k])) % CYCLE


@jit
def is_red(s: Drive, k: int) -> bool:
    """Whether light k is red."""
    return phase(s, k) < RED


@jit
def next_light(p: Any, at: float) -> int:
    """Index of the first light beyond a place, or -1."""
    for k in range(p.lights):
        if stop_line(p, k) > at:
            return k
    return -1


@jit
def next_vehicle(p: Any, s: Drive) -> int:
    """Index of the first vehicle ahead of the car, or -1."""
    for k in range(p.vehicles):
        if s.vehicle[k] > s.along:
            return k
    return -1


@jit
def drive(p: Any, s: Drive, acceleration: float, steer: float) -> float:
    """Equations (2) and (3), by the midpoint rule; notes the acceleration that the car could follow.

    Returns:
        The yaw rate.
    """
    before = s.speed
    s.speed = min(TOP_SPEED, max(0.0, before + DT * acceleration))
    s.acceleration = (s.speed - before) / DT
    v = 0.5 * (before + s.speed)
    yaw = v * math.tan(steer) / WHEELBASE
    along, offset, angle = s.along, s.offset, s.angle
    for part in range(2):
        h = 0.5 * DT if part == 0 else DT
        bend = curvature(p, s, along)
        forward = v * math.cos(angle) / (1.0 - offset * bend)
        aside, turn = v * math.sin(angle), yaw - bend * forward
        along, offset, angle = s.along + h * forward, s.offset + h * aside, s.angle + h * turn
    s.along, s.offset = along, offset
    s.angle = angle - 2.0 * math.pi * math.floor((angle + math.pi) / (2.0 * math.pi))
    return yaw


@jit
def move_vehicles(p: Any, s: Drive) -> None:
    """Equation (4): each drives at its pace and stops at once."""
    beside = abs(s.offset) < CAR_WIDTH
    for j in range(p.vehicles):
        k = p.vehicles - 1 - j  # the foremost first
        at = s.vehicle[k]
        free = DT * s.pace[k]
        light = next_light(p, at)
        if light >= 0 and is_red(s, light):
            free = min(free, max(0.0, stop_line(p, light) - 1.0 - at))
        if k + 1 < p.vehicles:
            free = min(free, max(0.0, s.vehicle[k + 1] - 2.0 * CAR_LENGTH - at))
        if beside and s.along > at:
            free = min(free, max(0.0, s.along - 2.0 * CAR_LENGTH - at))
        s.vehicle[k] += free
        s.moved[k] = free / DT
