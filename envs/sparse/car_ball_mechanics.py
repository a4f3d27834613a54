"""Mechanics of CarBall: discs in a box, how cars drive, and what happens where discs and walls touch.

The numbers of equations are those in :mod:`payoff.envs.sparse.car_ball`.
"""

from __future__ import annotations

import math

from payoff.envs.core.jit import inlined, jit
from payoff.envs.core.state import Copy, Seat, Seats, real, whole
from payoff.envs.core.words import events

__all__ = ["EVENT", "Box", "Car", "drive", "goal", "hit_ball", "hit_cars", "roll", "stay_inside"]

HALF_X, HALF_Y = 5.0, 3.5  # m from the middle of the box to its walls
BALL_RADIUS, CAR_RADIUS = 0.25, 0.35
BALL_MASS, CAR_MASS = 1.0, 3.0
CAR_BOUNCE = 0.2  # restitution of cars with each other; with walls it is 0
SUBSTEPS = 4
H = 0.1 / SUBSTEPS  # s, a sub-step
PUSH, BOOST = 4.0, 6.0  # m/s^2
TURN, TURN_SPEED = 4.0, 1.0  # largest turn in rad/s, and the speed in m/s from which on it is reached
CAR_DRAG, GRIP = 1.0, 6.0  # 1/s: decay of all velocity, and further decay of that across the heading
CAR_TOP, BALL_TOP = 6.0, 10.0  # m/s
ALONG, ACROSS = math.exp(-CAR_DRAG * H), math.exp(-(CAR_DRAG + GRIP) * H)  # shares kept in a sub-step
EVENT = events(
    began="kick-off",
    played="played on",
    touched="touched the ball",
    first_scored="the first team scored",
    second_scored="the second team scored",
)


class Box(Copy):
    """State of one box, without its cars: the ball, and the last event."""

    event: float = whole(0, EVENT)
    ball_x: float = real(BALL_RADIUS - HALF_X, HALF_X - BALL_RADIUS)
    ball_y: float = real(BALL_RADIUS - HALF_Y, HALF_Y - BALL_RADIUS)
    ball_velocity_x: float = real(-BALL_TOP, BALL_TOP)
    ball_velocity_y: float = real(-BALL_TOP, BALL_TOP)


class Car(Seat):
    """State of one car."""

    x: float = real(CAR_RADIUS - HALF_X, HALF_X - CAR_RADIUS)
    y: float = real(CAR_RADIUS - HALF_Y, HALF_Y - CAR_RADIUS)
    heading_x: float = real(-1.0, 1.0)
    heading_y: float = real(-1.0, 1.0)
    velocity_x: float = real(lambda p: -p.fastest, lambda p: p.fastest)
    velocity_y: float = real(lambda p: -p.fastest, lambda p: p.fastest)
    fuel: float = real(0.0, lambda p: p.fuel)
    touched: float = whole(0, 1)  # whether it touched the ball in the last step
    action: float = real(-1.0, 1.0)  # last throttle, which partners read


@inlined
def _limited(x: float, y: float, top: float) -> tuple[float, float]:
    """A velocity (x, y), shortened where it is faster than ``top``."""
    speed = math.hypot(x, y)
    if speed > top:
        x *= top / speed
        y *= top / speed
    return x, y


@jit
def drive(car: Car, throttle: float, steer: float, boost: float) -> None:
    """Equations (1) to (3) for a car. Velocity is taken along the old heading: the turn acts from the next call on."""
    burnt = min(car.fuel, boost * H)
    car.fuel -= burnt
    cos, sin = car.heading_x, car.heading_y
    forward = car.velocity_x * cos + car.velocity_y * sin
    across = car.velocity_y * cos - car.velocity_x * sin
    angle = steer * TURN * H * max(-1.0, min(1.0, forward / TURN_SPEED))  # 1
    turn_cos, turn_sin = math.cos(angle), math.sin(angle)
    x, y = cos * turn_cos - sin * turn_sin, sin * turn_cos + cos * turn_sin
    length = max(1e-9, math.hypot(x, y))  # 1 in play, but a snapshot that is restored may hold any heading
    car.heading_x, car.heading_y = x / length, y / length
    forward, across = forward * ALONG + throttle * PUSH * H + burnt * BOOST, across * ACROSS  # 2
    x, y = _limited(forward * cos - across * sin, forward * sin + across * cos, CAR_TOP)
    car.velocity_x, car.velocity_y = x, y
    car.x += H * x  # 3
    car.y += H * y


@inlined
def roll(s: Box, kept: float) -> None:
    """Equation (3) for the ball; ``kept`` is the share of its velocity that it does not lose."""
    s.ball_velocity_x *= kept
    s.ball_velocity_y *= kept
    s.ball_x += H * s.ball_velocity_x
    s.ball_y += H * s.ball_velocity_y


@jit
def hit_ball(restitution: float, s: Box, seats: Seats[Car]) -> None:
    """Equation (4): all cars that overlap the ball at once, each meeting an equal part of the ball's mass."""
    count = 0
    for i in range(seats.shape[0]):
        count += math.hypot(s.ball_x - seats[i].x, s.ball_y - seats[i].y) < BALL_RADIUS + CAR_RADIUS
    if count == 0:
        return
    # of an overlap, the ball moves by ball_part and the car by the rest
    mass, ball_part = BALL_MASS / count, CAR_MASS / (CAR_MASS + BALL_MASS)
    x, y, u, v = 0.0, 0.0, 0.0, 0.0  # what the contacts add to the ball's position and velocity
    for i in range(seats.shape[0]):
        car = seats[i]
        dx, dy = s.ball_x - car.x, s.ball_y - car.y
        distance = math.hypot(dx, dy)
        deep = BALL_RADIUS + CAR_RADIUS - distance
        if deep <= 0.0:
            continue
        car.touched = 1.0
        if distance == 0.0:
            dx, dy, distance = car.heading_x, car.heading_y, 1.0
        dx, dy = dx / distance, dy / distance
        closing = (car.velocity_x - s.ball_velocity_x) * dx + (car.velocity_y - s.ball_velocity_y) * dy
        impulse = max(0.0, (1.0 + restitution) * closing / (1.0 / mass + 1.0 / CAR_MASS))
        x, y = x + ball_part * deep * dx / count, y + ball_part * deep * dy / count
        u, v = u + impulse * dx / BALL_MASS, v + impulse * dy / BALL_MASS
        car.x -= (1.0 - ball_part) * deep * dx
        car.y -= (1.0 - ball_part) * deep * dy
        car.velocity_x -= impulse * dx / CAR_MASS
        car.velocity_y -= impulse * dy / CAR_MASS
    s.ball_x += x
    s.ball_y += y
    s.ball_velocity_x += u
    s.ball_velocity_y += v


@jit
def hit_cars(seats: Seats[Car]) -> None:
    """Equation (5): cars that overlap, pair by pair."""
    for i in range(seats.shape[0]):
        for j in range(i + 1, seats.shape[0]):
            a, b = seats[i], seats[j]
            dx, dy = b.x - a.x, b.y - a.y
            distance = math.hypot(dx, dy)
            deep = 2.0 * CAR_RADIUS - distance
            if deep <= 0.0 or distance == 0.0:
                continue
            dx, dy = dx / distance, dy / distance
            closing = (a.velocity_x - b.velocity_x) * dx + (a.velocity_y - b.velocity_y) * dy
            change = 0.5 * max(0.0, (1.0 + CAR_BOUNCE) * closing)
            a.x -= 0.5 * deep * dx
            a.y -= 0.5 * deep * dy
            b.x += 0.5 * deep * dx
            b.y += 0.5 * deep * dy
            a.velocity_x -= change * dx
            a.velocity_y -= change * dy
            b.velocity_x += change * dx
            b.velocity_y += change * dy


@jit
def goal(mouth: float, s: Box) -> float:
    """Equation (6): 1 if the ball is at or beyond the right wall within the mouth, -1 at the left one, else 0."""
    if abs(s.ball_x) < HALF_X - BALL_RADIUS or abs(s.ball_y) > 0.5 * mouth:
        return 0.0
    return 1.0 if s.ball_x > 0.0 else -1.0


@inlined
def _walled(place: float, velocity: float, edge: float, bounce: float) -> tuple[float, float]:
    """Position and velocity along one axis, between walls at ``edge`` and -``edge``; an outward velocity bounces."""
    if abs(place) > edge:
        outwards = 1.0 if place > 0.0 else -1.0
        place = outwards * edge
        if velocity * outwards > 0.0:
            velocity *= -bounce
    return place, velocity


@jit
def stay_inside(restitution: float, s: Box, seats: Seats[Car]) -> None:
    """Equation (7): the ball's largest speed, then the walls."""
    u, v = _limited(s.ball_velocity_x, s.ball_velocity_y, BALL_TOP)
    s.ball_x, s.ball_velocity_x = _walled(s.ball_x, u, HALF_X - BALL_RADIUS, restitution)
    s.ball_y, s.ball_velocity_y = _walled(s.ball_y, v, HALF_Y - BALL_RADIUS, restitution)
    for i in range(seats.shape[0]):
        car = seats[i]
        car.x, car.velocity_x = _walled(car.x, car.velocity_x, HALF_X - CAR_RADIUS, 0.0)
        car.y, car.velocity_y = _walled(car.y, car.velocity_y, HALF_Y - CAR_RADIUS, 0.0)
