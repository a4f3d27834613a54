"""SparseMountainCar: a car too weak for its hill is paid once, at the top; auxiliary rewards advise how to get there.

## Model
A car in a valley, at position x with velocity v, pushed by u = action - 1. A step:

(1) v = v + 0.001 u - 0.0025 cos(3 x), cut to [-0.07, 0.07]

(2) x = x + v, cut to [-1.2, 0.6]; at -1.2 the car stops: v = 0

The dynamics are those of Sutton and Barto ("Reinforcement Learning: An Introduction"), as in Gymnasium's
`MountainCar-v0`, which the tests follow step for step. The sparse payment, the long horizon and the auxiliary rewards
are those of BARFI (Gupta et al., "Behavior Alignment via Reward Function Optimization", 2023), read from its published
code, Dhawgupta/gupta2023behavior. That code cuts velocities from 0.07 up to 0.069999999; this does not.

## Players and actions
One seat, three integer actions: 0 push left, 1 coast, 2 push right.

## Observations
2 numbers, position over [-1.2, 0.6] and velocity over [-0.07, 0.07], each mapped to [0, 1], under every setting.

## Rewards
1 on the step that reaches a position of 0.5, else 0. Beside it `info["reward_terms"]["aux"]` holds an auxiliary reward
that is no part of the payoff, 0 on the last step of an episode, and on others by `aux`, c being `aux_scale`:

- `"bang"`: c where the car was pushed the way it now moves, else -c, also where it coasts;
- `"bang_or_nothing"`: the same with 0 for -c;
- `"velocity"`: c |v|.

## Starting state
At rest, at a position uniform over [-0.6, -0.4] from the copy's own stream.

## Episode end
Terminated at a position of 0.5, truncated after `max_steps`.

## Theory
The car is paid at most once, so no return is above 1. The reference pumps energy: it pushes the way the car moves, and
from rest to the right. From 20,001 equally spaced starts it takes 113 to 125 steps. `optimum` plays it out from the
given state, and where it arrives in time its return of 1 is therefore the best. It is not the fastest way, so the
number of steps that `optimum` gives is an upper bound of the least one.

Why pumping works: with the energy E = v^2 / 2 + (0.0025 / 3) sin(3 x), in continuous time dE/dt = 0.001 u v, which
pushing the way of v makes as large as it can be, and the engine alone (0.001) is weaker than the slope (0.0025).

Uniformly random play hardly ever arrives within 200 steps, and now and then within 2000; the certificate says how
often.

## Parameters
`aux` "bang", "bang_or_nothing" or "velocity"; `aux_scale` 1, in [0, 1000]; `max_steps` 2000.

## Version history
v0: first version.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from payoff.envs.core import loop, rng
from payoff.envs.core.game import Game, Kernels, Readout, Shape, paid
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number
from payoff.envs.core.state import CLOCK, OVER, Array, Layout
from payoff.envs.sparse.continuous import SETTINGS, Observe, plan

__all__ = ["SETTINGS", "V0", "Observe", "SparseMountainCarParams"]

Aux = Literal["bang", "bang_or_nothing", "velocity"]
BANG, BANG_OR_NOTHING, VELOCITY = range(3)

LAYOUT = Layout(position=(), velocity=(), aux=(), event=())
X, V, AUX, EVENT = (LAYOUT.at(name) for name in ("position", "velocity", "aux", "event"))

CAPTIONS = (
    "the episode began",
    "pushed the way it moved",
    "pushed against its way",
    "coasted",
    "hit the wall",
    "reached the top",
)
BEGAN, WITH, AGAINST, COASTED, HIT, REACHED = range(6)

FORCE, GRAVITY = 0.001, 0.0025
X_LOW, X_HIGH, V_HIGH = -1.2, 0.6, 0.07
GOAL = 0.5
START_LOW, START_HIGH = -0.6, -0.4

NUMBERS = np.dtype([("aux", np.int64), ("scale", np.float64), ("horizon", np.int64)])


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseMountainCarParams(Params):
    """Keywords of SparseMountainCar-v0."""

    aux: Aux = "bang"  # auxiliary reward that is reported
    aux_scale: float = 1.0  # its size, c
    max_steps: int = 2000  # steps after which an episode is truncated

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        if self.aux not in get_args(Aux):
            raise ValueError(f"aux must be one of {', '.join(map(repr, get_args(Aux)))}, got {self.aux!r}")
        check_number("aux_scale", self.aux_scale, 0.0, 1000.0)
        check_integer("max_steps", self.max_steps, 1)


@jit
def _drive(row, action):
    """Equations (1) and (2)."""
    x = row[X]
    v = row[V] + ((action - 1) * FORCE + math.cos(3.0 * x) * -GRAVITY)
    v = min(V_HIGH, max(-V_HIGH, v))
    x = min(X_HIGH, max(X_LOW, x + v))
    if x == X_LOW and v < 0.0:
        v = 0.0
    row[X], row[V] = x, v


@jit
def _pump(row):
    """Action of the reference."""
    return 2 if row[V] >= 0.0 else 0


@jit
def _pumping(row, most):
    """Steps that the reference takes from here, at most ``most`` + 1; the row is used up."""
    for step in range(1, most + 1):
        _drive(row, _pump(row))
        if row[X] >= GOAL:
            return step
    return most + 1


@jit
def step_row(params, b, row, action, work):
    """One step of one copy.

    Args:
        params: tuple of one ``(P,)`` array of dtype NUMBERS.
        b: copy.
        row: ``(S,)`` state, modified in place.
        action: ``(1, 1)``.
        work: ``(5, 1)``; row BASE is written.

    Returns:
        Whether the top is reached.
    """
    p = params[0][loop.pick(b, params[0].shape[0])]
    chosen = int(action[0, 0])
    _drive(row, chosen)
    v = row[V]
    agrees = (v < 0.0 and chosen == 0) or (v > 0.0 and chosen == 2)
    reached = row[X] >= GOAL
    if reached:
        row[EVENT] = REACHED
    elif row[X] == X_LOW:
        row[EVENT] = HIT
    elif chosen == 1:
        row[EVENT] = COASTED
    else:
        row[EVENT] = WITH if agrees else AGAINST
    if reached or row[CLOCK] + 1.0 >= p.horizon:
        row[AUX] = 0.0
    elif p.aux == VELOCITY:
        row[AUX] = p.scale * abs(v)
    elif agrees:
        row[AUX] = p.scale
    else:
        row[AUX] = -p.scale if p.aux == BANG else 0.0
    work[loop.BASE, 0] = 1.0 if reached else 0.0
    return reached


@jit
def reset_row(row):
    """Start an episode at rest in the valley."""
    row[X] = START_LOW + (START_HIGH - START_LOW) * rng.uniform(row)
    row[V], row[AUX], row[EVENT] = 0.0, 0.0, BEGAN


@jit
def observe_row(table, b, row, obs):
    """What the seat sees: position, velocity and, where there is room for it, the clock.

    Args:
        table: ``(P,)`` one over the horizon.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    obs[0, 0] = (row[X] - X_LOW) / (X_HIGH - X_LOW)
    obs[0, 1] = 0.5 + 0.5 * row[V] / V_HIGH
    if obs.shape[1] > 2:
        obs[0, 2] = row[CLOCK] * table[loop.pick(b, table.shape[0])]


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
    """Readouts ``(B, 2)``: auxiliary reward and caption."""
    for b in range(state.shape[0]):
        out[b, 0] = state[b, AUX]
        out[b, 1] = state[b, EVENT]


def pack(rows: Sequence[SparseMountainCarParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    return (np.array([(get_args(Aux).index(p.aux), p.aux_scale, p.max_steps) for p in rows], dtype=NUMBERS),)


def optimum(params: SparseMountainCarParams, row: Array) -> tuple[float, int]:
    """Return of the reference from a state, and the steps it takes to the top, at most horizon + 1."""
    steps = int(_pumping(row.copy(), params.max_steps))
    return float(row[OVER] == 0.0 and steps <= params.max_steps - row[CLOCK]), steps


def policy(params: SparseMountainCarParams, row: Array) -> Array:
    """Action ``(1,)`` of the reference."""
    return np.array([float(_pump(row))])


SKY, HILL, RED, BLUE = (250, 250, 247), (150, 158, 120), (213, 94, 0), (0, 114, 178)


def frame(params: SparseMountainCarParams, row: Array, shape: Shape) -> Array:
    """The hill, a flag at the goal, and the car as a disc.

    Returns:
        ``(160, 360, 3)`` uint8.
    """
    height, width = 160, 360

    def place(x: Any) -> tuple[Any, Any]:
        """Column and row of a point of the hill."""
        return (x - X_LOW) / (X_HIGH - X_LOW) * width, height * (0.66 - 0.24 * np.sin(3.0 * x))

    down, right = np.mgrid[:height, :width] + 0.5
    picture = np.full((height, width, 3), SKY, dtype=np.uint8)
    picture[down >= place(X_LOW + right / width * (X_HIGH - X_LOW))[1]] = HILL
    column, top = place(GOAL)
    picture[(abs(right - column) < 1.5) & (down < top) & (down > top - 40)] = RED
    picture[(right >= column) & (right < column + 16) & (abs(down - top + 34) < 6)] = RED
    column, top = place(row[X])
    picture[np.hypot(right - column, down - top + 7) < 7] = BLUE
    return picture


V0 = Game(
    id="payoff/SparseMountainCar-v0",
    params=SparseMountainCarParams,
    doc=__doc__,
    kernels=Kernels(start=start, transition=transition, look=look, read=read),
    shape=lambda p: Shape(1, 1, 3, LAYOUT, p.max_steps),
    pack=pack,
    bounds=lambda p: np.array([[[0.0, 2.0]]]),
    baseline=lambda p: np.zeros(1),
    dependence=lambda p: np.zeros((1, 1)),
    plan=lambda rows, seats, setting: plan(rows, setting, ("position", "velocity")),
    frame=frame,
    observations=tuple(SETTINGS),
    readouts=(Readout("aux", True), Readout("caption", False)),
    captions=CAPTIONS,
    optimum=optimum,
    optimum_kind="reference",
    bound=lambda p: 1.0,
    policy=policy,
    success=paid,
    levels={"easy": {"max_steps": 2000}, "medium": {"max_steps": 1000}, "hard": {"max_steps": 200}},
)
