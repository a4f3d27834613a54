"""Mechanics of CarBall: discs in a box, how cars drive, and what happens where discs and walls touch.

Numbers of equations are those on the page of the game.
"""

from __future__ import annotations

import math

from payoff.envs.core.jit import inlined, jit
from payoff.envs.core.state import Copy, Seat, Seats, real, whole
from payoff.envs.core.words import events

__all__ = ["EVENT", "Box", "Car", "drive", "goal", "hit_ball", "hit_cars", "roll", "stay_inside"]

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
EVENT = events(
    began="kick-off",
    played="played on",
    touched="touched the ball",
    first="the first team scored",
    second="the second team scored",
)


class Box(Copy):
    """State of one box: the ball in it."""

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
def _slowed(x: float, y: float, top: float) -> tuple[float, float]:
    """A velocity, cut to a speed."""
    speed = math.hypot(x, y)
    if speed > top:
        x *= top / speed
        y *= top / speed
    return x, y


@jit
def drive(car: Car, throttle: float, steer: float, boost: float) -> None:
    """Equations (1) to (3) for a car."""
    burnt = min(car.fuel, boost * H)
    car.fuel -= burnt
    cos, sin = car.heading_x, car.heading_y
    forward = car.velocity_x * cos + car.velocity_y * sin
    across = car.velocity_y * cos - car.velocity_x * sin
    angle = steer * TURN * H * max(-1.0, min(1.0, forward / TURNS_AT))  # 1
    turn_cos, turn_sin = math.cos(angle), math.sin(angle)
    x, y = cos * turn_cos - sin * turn_sin, sin * turn_cos + cos * turn_sin
    length = max(1e-9, math.hypot(x, y))  # play keeps it at 1, a snapshot may not
    car.heading_x, car.heading_y = x / length, y / length
    forward, across = forward * ALONG + throttle * PUSH * H + burnt * BOOST, across * ACROSS  # 2
    x, y = _slowed(forward * cos - across * sin, forward * sin + across * cos, CAR_TOP)
    car.velocity_x, car.velocity_y = x, y
    car.x += H * x  # 3
    car.y += H * y


@inlined
def roll(s: Box, keeps: float) -> None:
    """Equation (3) for the ball, which keeps that share of its velocity."""
    s.ball_velocity_x *= keeps
    s.ball_velocity_y *= keeps
    s.ball_x += H * s.ball_velocity_x
    s.ball_y += H * s.ball_velocity_y


@jit
def hit_ball(restitution: float, s: Box, seats: Seats[Car]) -> None:
    """Equation (4): all cars that touch the ball at once, each with its share of the ball's mass."""
    count = 0
    for i in range(seats.shape[0]):
        count += math.hypot(s.ball_x - seats[i].x, s.ball_y - seats[i].y) < BALL_RADIUS + CAR_RADIUS
    if count == 0:
        return
    mass, share = BALL_MASS / count, CAR_MASS / (CAR_MASS + BALL_MASS)
    x, y, u, v = 0.0, 0.0, 0.0, 0.0  # what the contacts add to the ball's place and velocity
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
        x, y = x + share * deep * dx / count, y + share * deep * dy / count
        u, v = u + impulse * dx / BALL_MASS, v + impulse * dy / BALL_MASS
        car.x -= (1.0 - share) * deep * dx
        car.y -= (1.0 - share) * deep * dy
        car.velocity_x -= impulse * dx / CAR_MASS
        car.velocity_y -= impulse * dy / CAR_MASS
    s.ball_x += x
    s.ball_y += y
    s.ball_velocity_x += u
    s.ball_velocity_y += v


@jit
def hit_cars(seats: Seats[Car]) -> None:
    """Cars that touch each other, pair by pair."""
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
    """1 if the ball is at the right wall within the mouth, -1 at the left one, else 0."""
    if abs(s.ball_x) < HALF_X - BALL_RADIUS or abs(s.ball_y) > 0.5 * mouth:
        return 0.0
    return 1.0 if s.ball_x > 0.0 else -1.0


@inlined
def _walled(place: float, velocity: float, edge: float, bounce: float) -> tuple[float, float]:
    """Place and velocity along one axis, after a wall at this distance from the middle has turned them around."""
    if abs(place) > edge:
        outwards = 1.0 if place > 0.0 else -1.0
        place = outwards * edge
        if velocity * outwards > 0.0:
            velocity *= -bounce
    return place, velocity


@jit
def stay_inside(restitution: float, s: Box, seats: Seats[Car]) -> None:
    """The walls of equation (6), and the ball's largest speed of (5)."""
    u, v = _slowed(s.ball_velocity_x, s.ball_velocity_y, BALL_TOP)
    s.ball_x, s.ball_velocity_x = _walled(s.ball_x, u, HALF_X - BALL_RADIUS, restitution)
    s.ball_y, s.ball_velocity_y = _walled(s.ball_y, v, HALF_Y - BALL_RADIUS, restitution)
    for i in range(seats.shape[0]):
        car = seats[i]
        car.x, car.velocity_x = _walled(car.x, car.velocity_x, HALF_X - CAR_RADIUS, 0.0)
        car.y, car.velocity_y = _walled(car.y, car.velocity_y, HALF_Y - CAR_RADIUS, 0.0)
