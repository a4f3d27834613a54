"""Curling: an arm strikes a ball on a table and is paid once, for where the ball lies when time is up.

## Model
A table of 3 x 3 around (0, 0), x to the right, y upwards, seen from above. An arm of two links, each of length 1, is
fixed at (0, -1.5). Both angles are measured anticlockwise: a_1 from the upward direction to link 1, a_2 from the
direction of link 1 to link 2. A ball of radius 0.15 slides on the table; links are 0.1 thick, with round ends. A step
lasts h = 1 / 60 seconds. With torques u_k, joint speeds w_k (negative if clockwise), ball position q and ball velocity
v, a step consists of, in this order:

(1) w_k = w_k + 5 h (u_k - w_k), so that no joint turns faster than 1 radian per second

(2) a_k = a_k + h w_k, clipped to [-pi / 2, pi / 2] for joint 1 and to [-pi, pi] for joint 2; a joint that is clipped
stops: w_k = 0

(3) |v| falls by 0.5 h, but not below 0: dry friction

(4) q = q + h v

(5) the ball bounces off link 1, then off link 2: where it is nearer than 0.2 to the middle line of the link, let n be
the unit vector from the nearest point of that line to the ball, and c the velocity of the link at that point. The ball
is moved along n to a distance of 0.2, and v = v - 1.5 min(0, (v - c) n) n. A ball whose centre is exactly on the middle
line has no such direction and is left where it is

(6) the ball bounces off the walls: a coordinate of q above 1.35 or below -1.35 is put back to that limit, and if the
ball moves outwards, this component of v is multiplied by -0.8

(7) (5) and (6) together are one round. Rounds are repeated until one of them has nothing to correct; then |v| is cut to
5. If none of eight rounds gets there, the ball is jammed between arm and wall or between the links: ball and arm go
back to where they were before the step, at rest

So the arm moves as if there were no ball, and the ball gives way: after a step the two do not overlap. The arm reaches
over the walls, which stop only the ball. In one step a link and the ball approach by at most (5 + 3) / 60 < 0.2: none
passes through the other.

Table, arm, ball, time step, sensors and goals are those of the Curling problem of SERENE (Paolo, Coninx, Doncieux and
Laflaquière, "Sparse Reward Exploration via Novelty Search and Emitters", 2021, arXiv:2102.03140) and STAX (Paolo,
Coninx, Laflaquière and Doncieux, "Discovering and Exploiting Sparse Rewards in a Learned Behavior Space", 2021,
arXiv:2111.01919); sizes were read from GPaolo/Billiard, whose stored version has another goal. There a general physics
engine moves the bodies; the equations above, with all that they say about torques, friction and contact, were made for
this library.

## Players and actions
One seat, two numbers: the torques u_1 and u_2, each in [-1, 1].

## Observations
6 numbers under `private` and `minimal`, each mapped from its range to [0, 1]: the ball's x and y, from [-1.5, 1.5]; the
two angles, from their ranges in (2); and the two joint speeds, from [-1, 1]. `full` adds the two components of the
ball's velocity, from [-5, 5].

## Rewards
All steps but the last pay 0. On the last step each goal offers (R - d) / R, where d is the distance from the centre of
the ball to the goal and R the radius of the goal. The payoff is the larger offer, or 0 if both are negative. The goals
are (0.8, 0.8) with R = 0.4 and (0.8, -0.8) with R = 0.2, each R multiplied by `goal_scale`. `info["descriptor"]` is the
position (x, y) of the ball: a behaviour descriptor, by which the search methods of the papers compare episodes.

## Starting state
The arm straight up, the ball at (-0.5, 0.2), all at rest. Nothing is drawn.

## Episode end
Step number `max_steps` ends the episode. It is both terminated and truncated, since the horizon is the same step. What
matters to a learner is the first: nothing follows, so there is no value to bootstrap from. What is paid depends on the
time, which is observed only under an `Observe` that shows the clock.

## Theory
The ball lies to the left of the arm, the goals to the right of both: what sets the ball moving first moves it away from
them. The reference, a scripted policy, folds the arm to the right, swings it below the ball to the left wall, unfolds
it there, strikes the ball against the upper wall and leaves it to friction. It is a list of six postures, each with
the step up to which the joints are driven towards it. It was found by random search and ends 0.0001 away from the
centre of the first goal, for a return of 0.9998; 1 is a proven bound, since d is not negative. `optimum` plays the
reference out from the given state, and is 0 where the reference misses, although other play may do better. Payment
comes at the last step, so the number of steps that `optimum` gives is exact.

Uniformly random torques nearly cancel out: the joints turn by about 0.2 radians in 500 steps. In about a third of
20,480 random episodes the arm touched the ball, which then ended, almost without exception, to the left of where it
began.

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

from payoff.envs.core.game import Game, Listed, Rules, Theory
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
SWING_LIMIT, TWIST_LIMIT = 0.5 * math.pi, math.pi  # largest size of the two angles
DRIVE = 5.0  # rate at which a joint's speed follows its torque, per second
FRICTION = 0.5  # of the ball, distance per second squared
ARM_BOUNCE, WALL_BOUNCE = 0.5, 0.8
FASTEST = 5.0  # of the ball, distance per second
ROUNDS = 8
GOALS = ((0.8, 0.8, 0.4), (0.8, -0.8, 0.2))  # x, y, radius

# postures of the reference: the step up to which it is aimed at, the two angles, and the largest joint speed
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
    """State of one table: the ball, and the arm.

    ``swing`` is the angle a_1 of joint 1 and ``twist`` the angle a_2 of joint 2, both positive to the left;
    ``swing_speed`` and ``twist_speed`` are w_1 and w_2, with their signs.
    """

    x: float = real(-FREE, FREE)
    y: float = real(-FREE, FREE)
    velocity_x: float = real(-FASTEST - 1e-9, FASTEST + 1e-9)  # cut to FASTEST, up to rounding
    velocity_y: float = real(-FASTEST - 1e-9, FASTEST + 1e-9)
    swing: float = real(-SWING_LIMIT, SWING_LIMIT)
    twist: float = real(-TWIST_LIMIT, TWIST_LIMIT)
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
    if s.clock + 1.0 < p.max_steps:  # the clock counts the steps before this one
        return False
    payoff[0] = paid(p, s)
    s.event = EVENT.arrived if payoff[0] > 0.0 else EVENT.missed
    return True


@jit
def move(s: Table, first: float, second: float) -> None:
    """Equations (1) to (7) for two torques."""
    x, y, swing, twist = s.x, s.y, s.swing, s.twist
    s.swing, s.swing_speed = turned(s.swing, s.swing_speed, first, SWING_LIMIT)  # 1, 2
    s.twist, s.twist_speed = turned(s.twist, s.twist_speed, second, TWIST_LIMIT)
    speed = math.hypot(s.velocity_x, s.velocity_y)
    slow(s, max(0.0, speed - TIME_STEP * FRICTION))  # 3
    s.x += TIME_STEP * s.velocity_x  # 4
    s.y += TIME_STEP * s.velocity_y
    touched = contacts(s)
    if touched < 0:  # 7: jammed
        s.x, s.y, s.swing, s.twist = x, y, swing, twist
        s.velocity_x, s.velocity_y, s.swing_speed, s.twist_speed = 0.0, 0.0, 0.0, 0.0
        s.event = EVENT.jammed
        return
    slow(s, FASTEST)
    s.event = EVENT.touched if touched == 1 else EVENT.moved


@jit
def turned(angle: float, speed: float, torque: float, limit: float) -> tuple[float, float]:
    """Equations (1) and (2) for one joint: its angle, at most ``limit`` in size, and its signed speed."""
    speed += TIME_STEP * DRIVE * (torque - speed)
    angle += TIME_STEP * speed
    return (min(limit, max(-limit, angle)), 0.0) if abs(angle) > limit else (angle, speed)


@jit
def slow(s: Table, most: float) -> None:
    """Cut the ball's speed to ``most``, keeping its direction."""
    speed = math.hypot(s.velocity_x, s.velocity_y)
    if speed > most:
        s.velocity_x *= most / speed
        s.velocity_y *= most / speed


@jit
def contacts(s: Table) -> int:
    """Rounds of equations (5) and (6), until one has nothing to correct.

    Returns:
        1 if the arm touched the ball, 0 if it did not, -1 if every round had something to correct: jammed.
    """
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
    """Equation (5) for link 0 or 1, the first or the second; whether anything was corrected."""
    x, y, link_x, link_y = touching(s, link)
    away_x, away_y = s.x - x, s.y - y
    distance = math.hypot(away_x, away_y)
    if distance >= CONTACT - 1e-12 or distance == 0.0:  # apart, or without a direction to move the ball in
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
    """Nearest point of a link's middle line to the ball: its x and y, and the velocity of the link there."""
    x, y = 0.0, BASE_Y  # where the link begins; below, drift is the velocity there
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
def bounced(at: float, velocity: float) -> tuple[float, float]:
    """Equation (6) for one coordinate: position and velocity."""
    if abs(at) <= FREE:
        return at, velocity
    side = 1.0 if at > 0.0 else -1.0
    return side * FREE, velocity * -WALL_BOUNCE if side * velocity > 0.0 else velocity


@jit
def paid(p: CurlingParams, s: Table) -> float:
    """What the last step pays: the largest (R - d) / R of the goals, 0 outside all of them."""
    best = 0.0
    for x, y, radius in GOALS:
        best = max(best, nearness(s.x, s.y, x, y, radius * p.goal_scale))
    return best


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe(Setting):
    """What a seat sees: pass one as ``observe=``, to Gymnasium and PettingZoo environments alike.

    Attributes:
        velocity: whether the ball's velocity is seen.
        clock: whether the clock, steps taken divided by the horizon, comes last.
    """

    velocity: bool = True
    clock: bool = False


SETTINGS = {"full": Observe(), "private": Observe(velocity=False), "minimal": Observe(velocity=False)}


@jit
def look(p: CurlingParams, s: Table, view: Any, seen: Array) -> None:
    """Ball, angles and speeds, and the ball's velocity if it is wanted."""
    seen[0], seen[1] = 0.5 + 0.5 * s.x / EDGE, 0.5 + 0.5 * s.y / EDGE
    seen[2], seen[3] = 0.5 + 0.5 * s.swing / SWING_LIMIT, 0.5 + 0.5 * s.twist / TWIST_LIMIT
    seen[4], seen[5] = 0.5 + 0.5 * s.swing_speed, 0.5 + 0.5 * s.twist_speed
    if view.velocity != 0:
        # rounding may leave a component of size FASTEST + 1e-9: below 0 is cut here, above 1 is rounded to 1 in float32
        seen[6] = max(0.0, 0.5 + 0.5 * s.velocity_x / FASTEST)
        seen[7] = max(0.0, 0.5 + 0.5 * s.velocity_y / FASTEST)
    show_clock(s, view, seen)


@jit
def descriptor(p: CurlingParams, s: Table, k: int) -> float:
    """Position of the ball: x for ``k`` 0, y for ``k`` 1."""
    return s.x if k == 0 else s.y


@jit
def effort(s: Table) -> tuple[float, float]:
    """Torques that the reference chooses in this state: towards the posture of this time, by its distance and speed."""
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
    """What the reference is paid after ``steps`` steps from here. Moves ``s`` itself: pass a copy."""
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
    info={"descriptor": Listed(descriptor, size=2), "caption": EVENT},
    draw=draw,
    theory=Theory(
        "reference",
        optimum=optimum,
        policy=policy,
        bound=lambda p: 1.0,
        levels={"easy": {"goal_scale": 3.0}, "medium": {"goal_scale": 2.0}, "hard": {"goal_scale": 1.0}},
    ),
)
