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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.envs.core.game import Game, ObservationPlan, Readout, Shape, paid
from payoff.envs.core.params import Params, check_integer, check_number
from payoff.envs.core.state import CLOCK, OVER, Array
from payoff.envs.sparse import curling_kernels as kernels
from payoff.envs.sparse.curling_kernels import ANGLE, BALL, BASE_Y, EDGE, GOALS, LAYOUT, NUMBERS, SEEN
from payoff.envs.sparse.settings import chosen

__all__ = ["SETTINGS", "V0", "CurlingParams", "Observe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurlingParams(Params):
    """Keywords of Curling-v0."""

    goal_scale: float = 1.0  # multiplies the radii of the goals
    max_steps: int = 500  # step that is paid and ends the episode

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("goal_scale", self.goal_scale, 0.01, 10.0)
        check_integer("max_steps", self.max_steps, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """An observation setting, the same object in every view.

    Attributes:
        velocity: whether the ball's velocity is seen.
        clock: whether steps taken over the horizon come last.
    """

    velocity: bool = True
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        for name in ("velocity", "clock"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"observe.{name} must be True or False, got {getattr(self, name)!r}")


SETTINGS = {"full": Observe(), "private": Observe(velocity=False), "minimal": Observe(velocity=False)}


def plan(rows: Sequence[CurlingParams], seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor an Observe.
    """
    wanted = chosen(setting, SETTINGS, Observe)
    names = ["ball[x]", "ball[y]", "angle[1]", "angle[2]", "speed[1]", "speed[2]"]
    names += ["velocity[x]", "velocity[y]"] if wanted.velocity else []
    names += ["clock"] if wanted.clock else []
    table = np.array([(wanted.velocity, 1.0 / p.max_steps) for p in rows], dtype=SEEN)
    return ObservationPlan(table, tuple(names), sees_actions=False)


def pack(rows: Sequence[CurlingParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    return (np.array([(p.goal_scale, p.max_steps) for p in rows], dtype=NUMBERS),)


def optimum(params: CurlingParams, row: Array) -> tuple[float, int]:
    """Return of the reference from a state, and the steps to its payment; horizon + 1 where there is none."""
    steps = params.max_steps - int(row[CLOCK])
    if row[OVER] != 0.0 or steps <= 0:
        return 0.0, params.max_steps + 1
    value = float(kernels.played_out(float(params.goal_scale), row.copy(), steps))
    return value, steps if value > 0.0 else params.max_steps + 1


def policy(params: CurlingParams, row: Array) -> Array:
    """Action ``(2,)`` of the reference."""
    return np.array(kernels.effort(row))


TABLE, WALL, GREEN, ORANGE = (250, 250, 247), (90, 96, 106), (0, 158, 115), (213, 94, 0)
BLUE, INK = (0, 114, 178), (40, 44, 52)


def frame(params: CurlingParams, row: Array, shape: Shape) -> Array:
    """The table from above: goals green, arm blue with dark joints, ball orange.

    Returns:
        ``(320, 320, 3)`` uint8.
    """
    pixels, half = 320, EDGE + 0.1
    middle = ((np.arange(pixels) + 0.5) / pixels * 2.0 - 1.0) * half
    across, up = np.meshgrid(middle, middle[::-1])
    picture = np.full((pixels, pixels, 3), TABLE, dtype=np.uint8)
    for x, y, radius in GOALS:
        picture[np.hypot(across - x, up - y) < radius * params.goal_scale] = GREEN
    picture[np.maximum(abs(across), abs(up)) > EDGE] = WALL
    picture[np.hypot(across - row[BALL], up - row[BALL + 1]) < kernels.BALL_RADIUS] = ORANGE
    x, y, direction, thickness = 0.0, BASE_Y, 0.0, kernels.CONTACT - kernels.BALL_RADIUS
    for k in range(2):
        direction += row[ANGLE + k]
        way_x, way_y = -np.sin(direction), np.cos(direction)
        along = np.clip((across - x) * way_x + (up - y) * way_y, 0.0, 1.0)
        picture[np.hypot(across - x - along * way_x, up - y - along * way_y) < thickness] = BLUE
        picture[np.hypot(across - x, up - y) < thickness / 2.0] = INK
        x, y = x + way_x, y + way_y
    return picture


V0 = Game(
    id="payoff/Curling-v0",
    params=CurlingParams,
    doc=__doc__,
    kernels=kernels.KERNELS,
    shape=lambda p: Shape(1, 2, None, LAYOUT, p.max_steps),
    pack=pack,
    bounds=lambda p: np.full((1, 2, 2), (-1.0, 1.0)),
    baseline=lambda p: np.zeros(1),
    dependence=lambda p: np.zeros((1, 1)),
    plan=plan,
    frame=frame,
    observations=tuple(SETTINGS),
    readouts=(Readout("descriptor", False, size=2), Readout("caption", False)),
    captions=kernels.CAPTIONS,
    default_actions="unit",
    optimum=optimum,
    optimum_kind="reference",
    bound=lambda p: 1.0,
    policy=policy,
    success=paid,
    levels={"easy": {"goal_scale": 3.0}, "medium": {"goal_scale": 2.0}, "hard": {"goal_scale": 1.0}},
)
