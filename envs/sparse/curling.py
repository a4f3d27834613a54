"""Curling: an arm strikes a ball on a table and is paid once, for where the ball is when the time is over.

## Model
A table of 3 x 3 around (0, 0), x to the right, y upwards, seen from above. An arm of two links of length 1 is fixed at
(0, -1.5); link 1 leaves the upward direction by the angle a_1, link 2 that of link 1 by a_2, both anticlockwise. A ball
of radius 0.15 slides on the table; links are 0.1 thick, with round ends. A step lasts h = 1 / 60 seconds. With torques
u, joint speeds w, and ball position p and velocity v:

(1) w_k = w_k + 5 h (u_k - w_k), so that no joint turns faster than 1 radian per second

(2) a_k = a_k + h w_k, cut to [-pi / 2, pi / 2] for joint 1 and to [-pi, pi] for joint 2, which stops it: w_k = 0

(3) |v| falls by 0.5 h, not below 0: dry friction

(4) p = p + h v

(5) where the ball is nearer than 0.2 to the middle line of a link, it is moved to just that distance, away from the
nearest point of that line, and if n is this direction and u the velocity of the link there, it bounces:
v = v - 1.5 min(0, (v - u) n) n

(6) a ball beyond a wall, with p_x or p_y above 1.35 in size, is put back to 1.35, and if it moves outwards, that
component of v becomes -0.8 times itself

(7) (5) and (6) are repeated, up to eight times, until nothing is left to correct; |v| is then cut to 5. If the eight
rounds do not suffice, the ball is jammed between arm and wall or between the links: ball and arm stay where they were
before the step, at rest

So the arm, which feels no ball, never overlaps it. It reaches over the walls, which stop the ball only. In one step a
link and the ball approach by at most (5 + 3) / 60 < 0.2: none passes through the other.

Table, arm, ball, time step, sensors and goals are those of the Curling problem of SERENE (Paolo, Coninx, Doncieux and
Laflaquière, "Sparse Reward Exploration via Novelty Search and Emitters", 2021, arXiv:2102.03140) and STAX (Paolo,
Coninx, Laflaquière and Doncieux, "Discovering and Exploiting Sparse Rewards in a Learned Behavior Space", 2021,
arXiv:2111.01919); sizes were read from GPaolo/Billiard, whose stored version has another goal. There a general physics
engine moves the bodies; the equations above are our own, and so is all that they say about torques, friction and
contact.

## Players and actions
One seat, two numbers: the torques u_1 and u_2, each in [-1, 1].

## Observations
6 numbers under `private` and `minimal`, each mapped to [0, 1]: the ball's x and y over [-1.5, 1.5], the two angles over
their ranges and the two joint speeds over [-1, 1]. `full` adds the ball's velocity over [-5, 5].

## Rewards
On the last step (R - d) / R for the goal that makes it largest, where d is the distance between the middle of the ball
and the goal, if that is above 0; else 0, as on every other step. The goals are (0.8, 0.8) with R = 0.4 and (0.8, -0.8)
with R = 0.2, both times `goal_scale`. `info["descriptor"]` is the position (x, y) of the ball.

## Starting state
The arm straight up, the ball at (-0.5, 0.2), all at rest. Nothing is drawn.

## Episode end
Terminated by the last step, number `max_steps`, which the horizon truncates as well: there is nothing to bootstrap. The
time decides what is paid and is not observed, unless by an `Observe`.

## Theory
The ball lies to the left of the arm, the goals to the right of both: what moves the ball at first moves it away from
them. The reference folds the arm to the right, swings it below the ball to the left wall, unfolds it there, strikes
the ball against the upper wall and leaves it to friction: six postures, by the clock, to which it drives the joints.
It was found by random search and ends 0.0001 away from the middle of the first goal, for a return of 0.9998; a return
of 1 is a proven bound, for d is not negative. `optimum` plays the reference out from the given state, and is 0 where
that misses, although other play may do better. Payment comes at the last step, so the number of steps that `optimum`
gives is exact.

Uniformly random torques nearly cancel out: the joints turn by about 0.2 radians in 500 steps. They touch the ball in
about a third of the episodes, and in all of 20,480 it then ended to the left of where it began.

## Parameters
`goal_scale` 1, in [0.01, 10]; `max_steps` 500.

## Version history
v0: first version.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.envs.core.game import Flags, Game, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number, record
from payoff.envs.core.state import Array, Copy, real, whole
from payoff.envs.core.words import events
from payoff.envs.sight.numbers import Setting, numbers, show_clock
from payoff.envs.sparse.discs import nearness

__all__ = ["SETTINGS", "V0", "CurlingParams", "Observe"]

EVENT = events(
    began="the episode began",
    moved="moved",
    touched="touched the ball",
    jammed="jammed the ball",
    arrived="the ball ended at a goal",
    missed="the ball ended away from the goals",
)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CurlingParams(Params):
    """Keywords of Curling-v0."""

    goal_scale: float = 1.0  # multiplies the radii of the goals
    max_steps: int = 500  # step that is paid and ends the episode

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("goal_scale", self.goal_scale, 0.01, 10.0)
        check_integer("max_steps", self.max_steps, 1)


class Table(Copy):
    """State of one table: the ball, and the angle and speed of joint 1 (swing) and joint 2 (twist)."""

    x: float = real(-FREE, FREE)
    y: float = real(-FREE, FREE)
    velocity_x: float = real(-FASTEST - 1e-9, FASTEST + 1e-9)  # cut to FASTEST, up to rounding
    velocity_y: float = real(-FASTEST - 1e-9, FASTEST + 1e-9)
    swing: float = real(-SWING, SWING)
    twist: float = real(-TWIST, TWIST)
    swing_speed: float = real(-1.0, 1.0)
    twist_speed: float = real(-1.0, 1.0)
    event: float = whole(0, EVENT)


@jit
def start(p: CurlingParams, s: Table) -> None:
    """A straight arm and the ball beside it, at rest."""
    s.x, s.y = START_X, START_Y


@jit
def step(p: CurlingParams, s: Table, action: Array, payoff: Array) -> bool:
    """One step; the last one is paid."""
    move(s, action[0], action[1])
    if s.clock + 1.0 < p.max_steps:
        return False
    payoff[0] = paid(p, s)
    s.event = EVENT.arrived if payoff[0] > 0.0 else EVENT.missed
    return True


@jit
def move(s: Table, first: float, second: float) -> None:
    """Equations (1) to (7) for two torques."""
    x, y, swing, twist = s.x, s.y, s.swing, s.twist
    s.swing, s.swing_speed = turned(s.swing, s.swing_speed, first, SWING)  # 1, 2
    s.twist, s.twist_speed = turned(s.twist, s.twist_speed, second, TWIST)
    speed = math.hypot(s.velocity_x, s.velocity_y)
    slow(s, max(0.0, speed - TIME_STEP * FRICTION))  # 3
    s.x += TIME_STEP * s.velocity_x  # 4
    s.y += TIME_STEP * s.velocity_y
    touched = contacts(s)
    if touched < 0:  # 7
        s.x, s.y, s.swing, s.twist = x, y, swing, twist
        s.velocity_x, s.velocity_y, s.swing_speed, s.twist_speed = 0.0, 0.0, 0.0, 0.0
        s.event = EVENT.jammed
        return
    slow(s, FASTEST)
    s.event = EVENT.touched if touched == 1 else EVENT.moved


@jit
def turned(angle: float, speed: float, torque: float, most: float) -> tuple[float, float]:
    """Equations (1) and (2) for one joint: its angle and speed."""
    speed += TIME_STEP * DRIVE * (torque - speed)
    angle += TIME_STEP * speed
    return (min(most, max(-most, angle)), 0.0) if abs(angle) > most else (angle, speed)


@jit
def slow(s: Table, most: float) -> None:
    """Cut the ball's speed to ``most``, keeping its direction."""
    speed = math.hypot(s.velocity_x, s.velocity_y)
    if speed > most:
        s.velocity_x *= most / speed
        s.velocity_y *= most / speed


@jit
def contacts(s: Table) -> int:
    """Equations (5) and (6), over and over; -1 if they find no end, else whether the arm touched the ball."""
    touched = 0
    for _ in range(ROUNDS):
        again = False
        for link in range(2):
            if bounce_off_link(s, link):
                again = True
                touched = 1
        if bounce_off_walls(s):
            again = True
        if not again:
            return touched
    return -1


@jit
def bounce_off_link(s: Table, link: int) -> bool:
    """Equation (5) for one link; whether they overlapped."""
    x, y, link_x, link_y = touching(s, link)
    away_x, away_y = s.x - x, s.y - y
    distance = math.hypot(away_x, away_y)
    if distance >= CONTACT - 1e-12 or distance == 0.0:
        return False
    away_x /= distance
    away_y /= distance
    s.x, s.y = x + CONTACT * away_x, y + CONTACT * away_y
    approach = (s.velocity_x - link_x) * away_x + (s.velocity_y - link_y) * away_y
    if approach < 0.0:
        s.velocity_x -= (1.0 + ARM_BOUNCE) * approach * away_x
        s.velocity_y -= (1.0 + ARM_BOUNCE) * approach * away_y
    return True


@jit
def touching(s: Table, link: int) -> tuple[float, float, float, float]:
    """Nearest point of a link to the ball: position, and velocity of the link there."""
    x, y = 0.0, BASE_Y
    direction, rate = s.swing, s.swing_speed
    drift_x, drift_y = 0.0, 0.0
    if link == 1:
        x, y = -math.sin(direction), BASE_Y + math.cos(direction)
        drift_x, drift_y = -rate * (y - BASE_Y), rate * x
        direction += s.twist
        rate += s.twist_speed
    way_x, way_y = -math.sin(direction), math.cos(direction)
    along = (s.x - x) * way_x + (s.y - y) * way_y
    along = min(1.0, max(0.0, along))
    return x + along * way_x, y + along * way_y, drift_x - rate * along * way_y, drift_y + rate * along * way_x


@jit
def bounce_off_walls(s: Table) -> bool:
    """Equation (6); whether the ball was beyond a wall."""
    beyond = abs(s.x) > FREE or abs(s.y) > FREE
    s.x, s.velocity_x = bounced(s.x, s.velocity_x)
    s.y, s.velocity_y = bounced(s.y, s.velocity_y)
    return beyond


@jit
def bounced(at: float, speed: float) -> tuple[float, float]:
    """Equation (6) for one coordinate: position and velocity."""
    if abs(at) <= FREE:
        return at, speed
    side = 1.0 if at > 0.0 else -1.0
    return side * FREE, speed * -WALL_BOUNCE if side * speed > 0.0 else speed


@jit
def paid(p: CurlingParams, s: Table) -> float:
    """What the last step pays."""
    best = 0.0
    for x, y, radius in GOALS:
        best = max(best, nearness(s.x, s.y, x, y, radius * p.goal_scale))
    return best


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe(Setting):
    """An observation setting, the same object in every view.

    Attributes:
        velocity: whether the ball's velocity is seen.
        clock: whether steps taken over the horizon come last.
    """

    velocity: bool = True
    clock: bool = False


SETTINGS = {"full": Observe(), "private": Observe(velocity=False), "minimal": Observe(velocity=False)}


@jit
def look(p: CurlingParams, s: Table, view: Any, seen: Array) -> None:
    """Ball, angles and speeds, and the ball's velocity if it is wanted."""
    seen[0], seen[1] = 0.5 + 0.5 * s.x / EDGE, 0.5 + 0.5 * s.y / EDGE
    seen[2], seen[3] = 0.5 + 0.5 * s.swing / SWING, 0.5 + 0.5 * s.twist / TWIST
    seen[4], seen[5] = 0.5 + 0.5 * s.swing_speed, 0.5 + 0.5 * s.twist_speed
    if view.velocity != 0:
        seen[6] = max(0.0, 0.5 + 0.5 * s.velocity_x / FASTEST)  # rounding may leave it a little above FASTEST
        seen[7] = max(0.0, 0.5 + 0.5 * s.velocity_y / FASTEST)
    show_clock(s, view, seen)


@jit
def descriptor(p: CurlingParams, s: Table, k: int) -> float:
    """Where the ball is: x, y."""
    return s.x if k == 0 else s.y


@jit
def effort(s: Table) -> tuple[float, float]:
    """Torques that the reference chooses at this time."""
    swing, twist, most = 0.0, 0.0, 0.0
    for until, to_swing, to_twist, fastest in PHASES:
        swing, twist, most = to_swing, to_twist, fastest
        if s.clock < until:
            break
    first = min(most, max(-most, 3.0 * (swing - s.swing)))
    second = min(most, max(-most, 3.0 * (twist - s.twist)))
    first += 2.0 * (first - s.swing_speed)
    second += 2.0 * (second - s.twist_speed)
    return min(1.0, max(-1.0, first)), min(1.0, max(-1.0, second))


@jit
def played_out(p: CurlingParams, s: Table, steps: int) -> float:
    """What the reference is paid ``steps`` steps from here; the state is used up."""
    for _ in range(steps):
        first, second = effort(s)
        move(s, first, second)
        s.clock += 1.0
    return paid(p, s)


def optimum(params: CurlingParams, s: Table) -> tuple[float, int]:
    """Return of the reference, and the steps to its payment; horizon + 1 where there is none."""
    steps = params.max_steps - int(s.clock)
    if s.over != 0.0 or steps <= 0:
        return 0.0, params.max_steps + 1
    value = float(played_out(record(params), copy(s), steps))
    return value, steps if value > 0.0 else params.max_steps + 1


def policy(params: CurlingParams, s: Table) -> tuple[float, float]:
    """Action ``(2,)`` of the reference."""
    torques: tuple[float, float] = effort(s)
    return torques


TABLE, WALL, GREEN, ORANGE = (250, 250, 247), (90, 96, 106), (0, 158, 115), (213, 94, 0)
BLUE, INK = (0, 114, 178), (40, 44, 52)


def draw(params: CurlingParams, s: Table) -> Array:
    """The table from above: goals green, arm blue with dark joints, ball orange."""
    pixels, half = 320, EDGE + 0.1
    middle = ((np.arange(pixels) + 0.5) / pixels * 2.0 - 1.0) * half
    across, up = np.meshgrid(middle, middle[::-1])
    picture = np.full((pixels, pixels, 3), TABLE, dtype=np.uint8)
    for x, y, radius in GOALS:
        picture[np.hypot(across - x, up - y) < radius * params.goal_scale] = GREEN
    picture[np.maximum(abs(across), abs(up)) > EDGE] = WALL
    picture[np.hypot(across - s.x, up - s.y) < BALL_RADIUS] = ORANGE
    x, y, direction, thickness = 0.0, BASE_Y, 0.0, CONTACT - BALL_RADIUS
    for angle in (s.swing, s.twist):
        direction += angle
        way_x, way_y = -np.sin(direction), np.cos(direction)
        along = np.clip((across - x) * way_x + (up - y) * way_y, 0.0, 1.0)
        picture[np.hypot(across - x - along * way_x, up - y - along * way_y) < thickness] = BLUE
        picture[np.hypot(across - x, up - y) < thickness / 2.0] = INK
        x, y = x + way_x, y + way_y
    return picture


V0 = Game(
    "payoff/Curling-v0",
    "An arm that must reach around a ball to push it: paid at the last step, for where the ball is.",
    tags=("sparse", "continuous"),
    rules=Rules(
        params=CurlingParams,
        state=Table,
        start=start,
        step=step,
        actions=lambda p: np.full((2, 2), (-1.0, 1.0)),
        default_actions="unit",
    ),
    sight=numbers(
        look,
        ("ball[x]", "ball[y]", "angle[1]", "angle[2]", "speed[1]", "speed[2]"),
        SETTINGS,
        velocity=("velocity[x]", "velocity[y]"),
    ),
    info={"descriptor": Flags(descriptor, size=2, flag=False), "caption": EVENT},
    draw=draw,
    theory=Theory(
        "reference",
        optimum=optimum,
        policy=policy,
        bound=lambda p: 1.0,
        levels={"easy": {"goal_scale": 3.0}, "medium": {"goal_scale": 2.0}, "hard": {"goal_scale": 1.0}},
    ),
)
