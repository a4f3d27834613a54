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
package that we could not read: lengths, limits, speed, start and goal are ours.

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
of its base, where the goal is. The certificate says how often.

## Parameters
`joints` 20, n, in 2 .. 64; `goal_x` 0.2 and `goal_y` 0.6, within reach; `radius` 0.05, in [0.001, 1]; `max_speed` 0.05,
in (0, 3.2]; `max_steps` 100.

## Version history
v0: first version.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from payoff.envs.core import loop
from payoff.envs.core.game import Game, Kernels, ObservationPlan, Readout, Shape, paid
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number
from payoff.envs.core.state import CLOCK, OVER, Array, Layout
from payoff.envs.sparse import continuous
from payoff.envs.sparse.continuous import SETTINGS, Observe
from payoff.envs.sparse.discs import nearness

__all__ = ["SETTINGS", "V0", "Observe", "RedundantArmParams"]


def layout(joints: int) -> Layout:
    """Columns of a state row; the angles come last, so that all else is at the same place for any number of joints."""
    return Layout(event=(), angle=(joints,))


EVENT, ANGLE = (layout(1).at(name) for name in ("event", "angle"))

CAPTIONS = ("the episode began", "moved", "ended at the goal", "ended away from the goal")
BEGAN, MOVED, ARRIVED, MISSED = range(4)

REACH = 0.5  # length of the arm
BASE_X, BASE_Y = 0.5, 0.5

NUMBERS = np.dtype([(name, np.float64) for name in ("goal_x", "goal_y", "radius", "horizon")])


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


@jit
def hand(row):
    """Equation (2): position of the hand."""
    x, y, direction = 0.0, 0.0, 0.0
    for k in range(ANGLE, row.shape[0]):
        direction += row[k]
        x += math.cos(direction)
        y += math.sin(direction)
    length = REACH / (row.shape[0] - ANGLE)
    return BASE_X + length * x, BASE_Y + length * y


@jit
def step_row(params, b, row, action, work):
    """One step of one copy.

    Args:
        params: tuple of one ``(P,)`` array of dtype NUMBERS.
        b: copy.
        row: ``(S,)`` state, modified in place.
        action: ``(1, n)`` native.
        work: ``(5, 1)``; row BASE is written.

    Returns:
        Whether this was the last step.
    """
    p = params[0][loop.pick(b, params[0].shape[0])]
    for k in range(action.shape[1]):  # 1
        row[ANGLE + k] = min(math.pi, max(-math.pi, row[ANGLE + k] + action[0, k]))
    work[loop.BASE, 0] = 0.0
    row[EVENT] = MOVED
    if row[CLOCK] + 1.0 < p.horizon:
        return False
    x, y = hand(row)
    work[loop.BASE, 0] = nearness(x, y, p.goal_x, p.goal_y, p.radius)
    row[EVENT] = ARRIVED if work[loop.BASE, 0] > 0.0 else MISSED
    return True


@jit
def reset_row(row):
    """Start an episode with a straight arm."""
    for k in range(EVENT, row.shape[0]):
        row[k] = 0.0


@jit
def observe_row(table, b, row, obs):
    """What the seat sees: the angles and, where there is room for it, the clock.

    Args:
        table: ``(P,)`` one over the horizon.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    joints = row.shape[0] - ANGLE
    for k in range(joints):
        obs[0, k] = 0.5 + row[ANGLE + k] / (2.0 * math.pi)
    if obs.shape[1] > joints:
        obs[0, joints] = row[CLOCK] * table[loop.pick(b, table.shape[0])]


@jit
def transition(params, wiring, state, buffers, obs):
    """One step of every copy; see :mod:`payoff.envs.core.game`."""
    bad = loop.begin(wiring, state, buffers)
    if bad != loop.FINE:
        return bad
    _, action, work, flags, _ = buffers
    for b in range(state.shape[0]):
        if loop.restarts(state[b]):
            reset_row(state[b])
        else:
            flags[b, 0] = step_row(params, b, state[b], action[b], work[b])
    loop.finish(wiring, state, buffers)
    for b in range(state.shape[0]):
        if loop.ends(wiring, b, state[b], buffers):
            reset_row(state[b])
        observe_row(wiring[8], b, state[b], obs[b])
    return loop.FINE


@jit
def start(params, wiring, state, mask, obs):
    """Restart the masked copies and observe all."""
    for b in range(state.shape[0]):
        if mask[b]:
            loop.restart(state[b])
            reset_row(state[b])
        observe_row(wiring[8], b, state[b], obs[b])


@jit
def look(params, wiring, state, obs):
    """Observe all copies."""
    for b in range(state.shape[0]):
        observe_row(wiring[8], b, state[b], obs[b])


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, 3)``: position of the hand and caption."""
    for b in range(state.shape[0]):
        out[b, 0], out[b, 1] = hand(state[b])
        out[b, 2] = state[b, EVENT]


def _common_joints(rows: Sequence[RedundantArmParams]) -> int:
    numbers = sorted({p.joints for p in rows})
    if len(numbers) > 1:
        raise ValueError(f"joints must be the same in all copies of a batch, got {numbers}")
    return numbers[0]


def pack(rows: Sequence[RedundantArmParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them.

    Raises:
        ValueError: copies of several numbers of joints.
    """
    _common_joints(rows)
    return (np.array([(p.goal_x, p.goal_y, p.radius, p.max_steps) for p in rows], dtype=NUMBERS),)


def plan(rows: Sequence[RedundantArmParams], seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan.

    Raises:
        ValueError: an unknown setting, or copies of several numbers of joints.
        TypeError: neither a name nor an Observe.
    """
    return continuous.plan(rows, setting, [f"angle[{k}]" for k in range(_common_joints(rows))])


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


def turns(params: RedundantArmParams, row: Array) -> Array:
    """What each joint has still to turn, ``(n,)``, to the arc that is reached sooner."""
    left = arcs(params.joints, params.goal_x, params.goal_y) - row[ANGLE:]
    nearer: Array = left[np.argmin(np.abs(left).max(axis=1))]
    return nearer


def optimum(params: RedundantArmParams, row: Array) -> tuple[float, int]:
    """Return of the reference from a state, and the steps to its payment; horizon + 1 where there is none."""
    steps = params.max_steps - int(row[CLOCK])
    if row[OVER] != 0.0 or steps <= 0:
        return 0.0, params.max_steps + 1
    last = row.copy()
    last[ANGLE:] += np.clip(turns(params, row), -params.max_speed * steps, params.max_speed * steps)
    value = float(nearness(*hand(last), params.goal_x, params.goal_y, params.radius))
    return value, steps if value > 0.0 else params.max_steps + 1


def policy(params: RedundantArmParams, row: Array) -> Array:
    """Action ``(n,)`` of the reference."""
    return np.clip(turns(params, row), -params.max_speed, params.max_speed)


PAPER, FLOOR, GREEN, BLUE, INK = (250, 250, 247), (236, 236, 230), (0, 158, 115), (0, 114, 178), (40, 44, 52)


def frame(params: RedundantArmParams, row: Array, shape: Shape) -> Array:
    """The arm from above: what it can reach grey, the goal green, links blue, the hand dark.

    Returns:
        ``(300, 300, 3)`` uint8.
    """
    side = 300
    middle = (np.arange(side) + 0.5) / side
    across, up = np.meshgrid(middle, middle[::-1])
    picture = np.full((side, side, 3), PAPER, dtype=np.uint8)
    picture[np.hypot(across - BASE_X, up - BASE_Y) <= REACH] = FLOOR
    picture[np.hypot(across - params.goal_x, up - params.goal_y) < params.radius] = GREEN
    direction = np.cumsum(row[ANGLE:])
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
    id="payoff/RedundantArm-v0",
    params=RedundantArmParams,
    doc=__doc__,
    kernels=Kernels(start=start, transition=transition, look=look, read=read),
    shape=lambda p: Shape(1, p.joints, None, layout(p.joints), p.max_steps),
    pack=pack,
    bounds=lambda p: np.full((1, p.joints, 2), (-p.max_speed, p.max_speed)),
    baseline=lambda p: np.zeros(1),
    dependence=lambda p: np.zeros((1, 1)),
    plan=plan,
    frame=frame,
    observations=tuple(SETTINGS),
    readouts=(Readout("descriptor", False, size=2), Readout("caption", False)),
    captions=CAPTIONS,
    default_actions="unit",
    optimum=optimum,
    optimum_kind="reference",
    bound=lambda p: 1.0,
    policy=policy,
    success=paid,
    levels={"easy": {"radius": 0.3}, "medium": {"radius": 0.15}, "hard": {"radius": 0.05}},
)
