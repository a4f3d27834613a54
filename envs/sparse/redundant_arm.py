"""RedundantArm: a planar arm of many joints is paid once, for where its hand is at the end.

## Model
An arm of n links in the plane, each of length 0.5 / n, is fixed at (0.5, 0.5); x grows to the right, y upwards. Link k
points in the direction th_1 + ... + th_k, where th_k is the angle of joint k. A step:

(1) th_k = th_k + a_k, cut to [-pi, pi], for every joint k

(2) hand = (0.5, 0.5) + 0.5 / n * sum over k of (cos(th_1 + ... + th_k), sin(th_1 + ... + th_k))

Actions are velocities in radians per step; nothing has mass, and links may cross each other. The hand can be anywhere
in the disc of radius 0.5 around the base, in very many ways each: that is the redundancy.

Twenty joints, 100 steps, an observation of the angles and a payment at the last step are those of the redundant arm of
SERENE (Paolo, Coninx, Doncieux and Laflaquière, "Sparse Reward Exploration via Novelty Search and Emitters", 2021,
arXiv:2102.03140) and STAX, as their published code (GPaolo/SERENE, GPaolo/STAX) sets them up. The arm itself is in a
package that we could not read: lengths, limits, speed, start and goal were chosen for this library.

## Players and actions
One seat, n numbers, each a joint's velocity in [-`max_speed`, `max_speed`] radians per step.

## Observations
n numbers under every setting: the angles th_k over [-pi, pi], mapped to [0, 1].

## Rewards
On the last step (R - d) / R, where R is `radius` and d the distance between hand and goal, if that is above 0; else 0,
as on every other step. `info["descriptor"]` is the position (x, y) of the hand, in [0, 1].

## Starting state
Straight to the right: all angles 0, the hand at (1, 0.5). Nothing is drawn.

## Episode end
Terminated by the last step, number `max_steps`, which the horizon truncates as well: there is nothing to bootstrap. The
time decides what is paid and is not observed, unless by `Observe(clock=True)`; to stay at the goal is best at any time.

## Theory
No return is above 1. If the angles of all joints but the first are b, the joints lie on a circle, and the hand is

(3) 0.5 / n * sin(n b / 2) / sin(b / 2)

away from the base, a continuous function of b that falls from 0.5 at b = 0 to 0 at b = 2 pi / n: every distance up to
0.5 is met by one b, and the first joint turns the hand to any direction. No angle of these two arcs (the other has -b)
is larger than pi, so from every state one of them is reached within ceil(2 pi / `max_speed`) steps, and from the start
within ceil(pi / `max_speed`) steps. With that much time the optimal return is therefore exactly 1, the bound.

The reference takes the arc of the two that it reaches sooner (if equal, b >= 0) and moves every joint towards it as
fast as it can; where time is too short for that, its return is what `optimum` gives, and another posture may be better.
Payment comes at the last step, so the number of steps that `optimum` gives is exact.

Uniformly random play is a random walk of every joint: the arm curls up a little and hardly ever comes to the other side
of its base, where the goal is; `payoff.certificate("payoff/RedundantArm-v0")` says how often.

## Parameters
`joints` 20, n, in 2 .. 64; `goal_x` 0.2 and `goal_y` 0.6, within reach; `radius` 0.05, in [0.001, 1]; `max_speed` 0.05,
in (0, 3.2]; `max_steps` 100.

## Version history
v0: first version.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from payoff.envs.core.game import Game, Listed, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number
from payoff.envs.core.state import Array, Cells, Copy, State, real, whole
from payoff.envs.core.words import events
from payoff.envs.sight.numbers import SETTINGS, Observe, numbers, show_clock
from payoff.envs.sparse.discs import nearness

__all__ = ["SETTINGS", "V0", "Observe", "RedundantArmParams"]

EVENT = events(began="the episode began", moved="moved", arrived="ended at the goal", missed="ended away from the goal")
REACH = 0.5  # length of the arm
BASE_X, BASE_Y = 0.5, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class RedundantArmParams(Params):
    """Keywords of RedundantArm-v0."""

    joints: int = 20  # number of joints and of links, n
    goal_x: float = 0.2  # centre of the goal
    goal_y: float = 0.6  # centre of the goal
    radius: float = 0.05  # of the goal, R
    max_speed: float = 0.05  # of a joint, radians per step
    max_steps: int = 100  # step that is paid and ends the episode

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("joints", self.joints, 2, 64)
        check_number("goal_x", self.goal_x, 0.0, 1.0)
        check_number("goal_y", self.goal_y, 0.0, 1.0)
        if math.hypot(self.goal_x - BASE_X, self.goal_y - BASE_Y) > REACH:
            raise ValueError(f"(goal_x, goal_y) must be within 0.5 of (0.5, 0.5), got {(self.goal_x, self.goal_y)!r}")
        check_number("radius", self.radius, 0.001, 1.0)
        check_number("max_speed", self.max_speed, 0.0, 3.2, open_low=True)
        check_integer("max_steps", self.max_steps, 1)


class Arm(Copy):
    """State of one arm, beside the angles of its joints."""

    event: float = whole(0, EVENT)


@jit
def step(p: RedundantArmParams, s: Arm, angle: Array, action: Array, payoff: Array) -> bool:
    """One step; the last one is paid."""
    for k in range(angle.shape[0]):  # 1
        angle[k] = min(math.pi, max(-math.pi, angle[k] + action[k]))
    s.event = EVENT.moved
    if s.clock + 1.0 < p.max_steps:
        return False
    x, y = hand(angle)
    payoff[0] = nearness(x, y, p.goal_x, p.goal_y, p.radius)
    s.event = EVENT.arrived if payoff[0] > 0.0 else EVENT.missed
    return True


@jit
def hand(angle: Array) -> tuple[float, float]:
    """Equation (2): position of the hand."""
    x, y, direction = 0.0, 0.0, 0.0
    for k in range(angle.shape[0]):
        direction += angle[k]
        x += math.cos(direction)
        y += math.sin(direction)
    length = REACH / angle.shape[0]
    return BASE_X + length * x, BASE_Y + length * y


@jit
def look(p: RedundantArmParams, s: Arm, angle: Array, view: Any, seen: Array) -> None:
    """The angles."""
    for k in range(angle.shape[0]):
        seen[k] = 0.5 + angle[k] / (2.0 * math.pi)
    show_clock(s, view, seen)


@jit
def descriptor(p: RedundantArmParams, s: Arm, angle: Array, k: int) -> float:
    """Where the hand is: x, y."""
    return hand(angle)[k]


@lru_cache(maxsize=64)
def arcs(joints: int, goal_x: float, goal_y: float) -> Array:
    """Angles ``(2, n)`` that put the hand on the goal, by equation (3): b >= 0 first, then b <= 0."""
    across, up = goal_x - BASE_X, goal_y - BASE_Y
    distance, direction = math.hypot(across, up), math.atan2(up, across)
    low, high = 0.0, 2.0 * math.pi / joints
    for _ in range(80):  # the distance falls with b; beyond 53 halvings nothing changes
        b = 0.5 * (low + high)
        if REACH / joints * math.sin(joints * b / 2.0) > distance * math.sin(b / 2.0):
            low = b
        else:
            high = b
    found = np.array([[b] * joints, [-b] * joints])
    found[:, 0] = [math.remainder(direction - side * (joints - 1) * b / 2.0, 2.0 * math.pi) for side in (1, -1)]
    found.setflags(write=False)
    return found


def turns(params: RedundantArmParams, angle: Array) -> Array:
    """What each joint has still to turn, ``(n,)``, to the arc that is reached sooner."""
    left = arcs(params.joints, params.goal_x, params.goal_y) - angle
    nearer: Array = left[np.argmin(np.abs(left).max(axis=1))]
    return nearer


def optimum(params: RedundantArmParams, s: Arm, angle: Array) -> tuple[float, int]:
    """Return of the reference, and the steps to its payment; horizon + 1 where there is none."""
    steps = params.max_steps - int(s.clock)
    if s.over != 0.0 or steps <= 0:
        return 0.0, params.max_steps + 1
    last = angle + np.clip(turns(params, angle), -params.max_speed * steps, params.max_speed * steps)
    value = float(nearness(*hand(last), params.goal_x, params.goal_y, params.radius))
    return value, steps if value > 0.0 else params.max_steps + 1


def policy(params: RedundantArmParams, s: Arm, angle: Array) -> Array:
    """Action ``(n,)`` of the reference."""
    return np.clip(turns(params, angle), -params.max_speed, params.max_speed)


PAPER, FLOOR, GREEN, BLUE, INK = (250, 250, 247), (236, 236, 230), (0, 158, 115), (0, 114, 178), (40, 44, 52)


def draw(params: RedundantArmParams, s: Arm, angle: Array) -> Array:
    """The arm from above: what it can reach grey, the goal green, links blue, the hand dark."""
    side = 300
    middle = (np.arange(side) + 0.5) / side
    across, up = np.meshgrid(middle, middle[::-1])
    picture = np.full((side, side, 3), PAPER, dtype=np.uint8)
    picture[np.hypot(across - BASE_X, up - BASE_Y) <= REACH] = FLOOR
    picture[np.hypot(across - params.goal_x, up - params.goal_y) < params.radius] = GREEN
    direction = np.cumsum(angle)
    length = REACH / params.joints
    x = BASE_X + length * np.concatenate([[0.0], np.cumsum(np.cos(direction))])
    y = BASE_Y + length * np.concatenate([[0.0], np.cumsum(np.sin(direction))])
    for k in range(params.joints):
        along_x, along_y = x[k + 1] - x[k], y[k + 1] - y[k]
        share = ((across - x[k]) * along_x + (up - y[k]) * along_y) / length**2
        share = np.clip(share, 0.0, 1.0)
        picture[np.hypot(across - x[k] - share * along_x, up - y[k] - share * along_y) < 0.006] = BLUE
    picture[np.hypot(across - BASE_X, up - BASE_Y) < 0.015] = BLUE
    picture[np.hypot(across - x[-1], up - y[-1]) < 0.015] = INK
    return picture


V0 = Game(
    "payoff/RedundantArm-v0",
    "An arm of twenty joints, paid at the last step for where its hand is then.",
    tags=("sparse", "continuous"),
    rules=Rules(
        params=RedundantArmParams,
        state=State(Arm, angle=Cells(lambda p: (p.joints,), real(-math.pi, math.pi))),
        step=step,
        actions=lambda p: np.full((p.joints, 2), (-p.max_speed, p.max_speed)),
        alike=("joints",),
        default_actions="unit",
    ),
    sight=numbers(look, lambda p: [f"angle[{k}]" for k in range(p.joints)]),
    info={"descriptor": Listed(descriptor, size=2), "caption": EVENT},
    draw=draw,
    theory=Theory(
        "reference",
        optimum=optimum,
        policy=policy,
        bound=lambda p: 1.0,
        levels={"easy": {"radius": 0.3}, "medium": {"radius": 0.15}, "hard": {"radius": 0.05}},
    ),
)
