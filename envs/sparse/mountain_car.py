"""SparseMountainCar: a car too weak for its hill is paid once, at the top; auxiliary rewards hint at how to get there.

## Model
A car in a valley, at position x with velocity v, pushed by u = action - 1. A step:

(1) v = v + 0.001 u - 0.0025 cos(3 x), clipped to [-0.07, 0.07]

(2) x = x + v, clipped to [-1.2, 0.6]; at the left wall, x = -1.2, the car stops: v = 0

The dynamics are those of Sutton and Barto ("Reinforcement Learning: An Introduction"), as in Gymnasium's
`MountainCar-v0`; the tests compare the two step by step. The sparse payment, the long horizon and the auxiliary rewards
are those of BARFI (Gupta et al., "Behavior Alignment via Reward Function Optimization", 2023), read from its published
code, Dhawgupta/gupta2023behavior. That code clips velocities of 0.07 and above to 0.069999999; here they are clipped
to 0.07.

## Players and actions
One seat, three integer actions: 0 push left, 1 coast, 2 push right.

## Observations
2 numbers under every setting: position and velocity, each mapped from its range in (1) and (2) to [0, 1].

## Rewards
1 on the step that reaches a position of 0.5, else 0. In addition `info["aux"]` holds an auxiliary
reward, which is no part of the payoff. It is 0 on the last step of an episode, whether terminated or truncated. On all
other steps it depends on `aux`; with c = `aux_scale` and v the velocity after the step it is

- `"bang"`: c if the car was pushed in the direction of v, else -c: so -c if it coasted, or if v = 0, as after hitting
  the wall;
- `"bang_or_nothing"`: the same with 0 instead of -c;
- `"velocity"`: c |v|.

## Starting state
At rest, at a position drawn uniformly from [-0.6, -0.4], with the copy's own random numbers.

## Episode end
Terminated at a position of 0.5, truncated after `max_steps`.

## Theory
The car is paid at most once, so no return is above 1. The reference, a scripted policy, pumps energy: it pushes in the
direction in which the car moves, and to the right if the car is at rest. From 20,001 equally spaced starts it takes 113
to 125 steps to the top. `optimum` plays the reference out from the given state; where it arrives in time, its return is
1, and so the best possible. It is not the fastest policy, so the number of steps that `optimum` gives is an upper bound
on the least number.

Why pumping works: the energy E = v^2 / 2 + (0.0025 / 3) sin(3 x) changes in continuous time by dE/dt = 0.001 u v.
Pushing in the direction of v makes this as large as possible, while pushing to the right all the time is not enough:
the engine (0.001) is weaker than the slope (0.0025).

Uniformly random play hardly ever arrives within 200 steps, and now and then within 2000; the game's certificate
(`payoff.envs.certificate`) says how often.

## Parameters
`aux` "bang", "bang_or_nothing" or "velocity"; `aux_scale` 1, in [0, 1000]; `max_steps` 2000.

## Version history
v0: first version.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs.core import rng
from payoff.envs.core.game import Each, Game, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number, check_word
from payoff.envs.core.state import Array, Copy, real, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.numbers import SETTINGS, Observe, numbers, show_clock

__all__ = ["SETTINGS", "V0", "Observe", "SparseMountainCarParams"]

AUX = words("bang", "bang_or_nothing", "velocity")
PUSH = words("left", "coast", "right")
EVENT = events(
    began="the episode began",
    along="pushed the way it moved",
    against="pushed against its way",  # also where the velocity is 0 after the step
    coasted="coasted",
    hit="hit the wall",
    reached="reached the top",
)
FORCE, GRAVITY = 0.001, 0.0025
X_LOW, X_HIGH, V_HIGH = -1.2, 0.6, 0.07
GOAL = 0.5
START_LOW, START_HIGH = -0.6, -0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseMountainCarParams(Params):
    """Keywords of SparseMountainCar-v0."""

    aux: Literal["bang", "bang_or_nothing", "velocity"] = "bang"  # auxiliary reward that is reported
    aux_scale: float = 1.0  # size of the auxiliary reward, c
    max_steps: int = 2000  # steps after which an episode is truncated

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_word("aux", self.aux, AUX._fields)
        check_number("aux_scale", self.aux_scale, 0.0, 1000.0)
        check_integer("max_steps", self.max_steps, 1)


class Car(Copy):
    """State of one car."""

    position: float = real(X_LOW, X_HIGH)
    velocity: float = real(-V_HIGH, V_HIGH)
    aux: float = real(lambda p: -p.aux_scale, lambda p: p.aux_scale)  # auxiliary reward of the last step
    event: float = whole(0, EVENT)


@jit
def start(p: SparseMountainCarParams, s: Car) -> None:
    """At rest in the valley."""
    s.position = START_LOW + (START_HIGH - START_LOW) * rng.uniform(s)


@jit
def step(p: SparseMountainCarParams, s: Car, action: Array, payoff: Array) -> bool:
    """One step; the top ends the episode."""
    chosen = int(action[0])
    s.position, s.velocity = drive(s.position, s.velocity, chosen)
    reached = s.position >= GOAL
    payoff[0] = 1.0 if reached else 0.0
    agrees = (s.velocity < 0.0 and chosen == PUSH.left) or (s.velocity > 0.0 and chosen == PUSH.right)
    if reached:
        s.event = EVENT.reached
    elif s.position == X_LOW:
        s.event = EVENT.hit
    elif chosen == PUSH.coast:
        s.event = EVENT.coasted
    else:
        s.event = EVENT.along if agrees else EVENT.against
    if reached or s.clock + 1.0 >= p.max_steps:  # the last step: terminated, or truncated after it
        s.aux = 0.0
    elif p.aux == AUX.velocity:
        s.aux = p.aux_scale * abs(s.velocity)
    elif agrees:
        s.aux = p.aux_scale
    else:
        s.aux = -p.aux_scale if p.aux == AUX.bang else 0.0
    return reached


@jit
def drive(x: float, v: float, action: int) -> tuple[float, float]:
    """Position and velocity after a step, by equations (1) and (2)."""
    v += (action - 1) * FORCE + math.cos(3.0 * x) * -GRAVITY
    v = min(V_HIGH, max(-V_HIGH, v))
    x = min(X_HIGH, max(X_LOW, x + v))
    return x, 0.0 if x == X_LOW and v < 0.0 else v


@jit
def look(p: SparseMountainCarParams, s: Car, view: Any, seen: Array) -> None:
    """Position and velocity."""
    seen[0] = (s.position - X_LOW) / (X_HIGH - X_LOW)
    seen[1] = 0.5 + 0.5 * s.velocity / V_HIGH
    show_clock(s, view, seen)


@jit
def pump(v: float) -> int:
    """Action of the reference."""
    return PUSH.right if v >= 0.0 else PUSH.left


@jit
def pumping(x: float, v: float, most: int) -> int:
    """Steps that the reference takes to the top; ``most`` + 1 if it needs more than ``most``."""
    for step in range(1, most + 1):
        x, v = drive(x, v, pump(v))
        if x >= GOAL:
            return step
    return most + 1


def optimum(params: SparseMountainCarParams, s: Car) -> tuple[float, int]:
    """Return of the reference, and the steps it takes to the top; horizon + 1 if it needs more than the horizon."""
    steps = int(pumping(s.position, s.velocity, params.max_steps))
    return float(s.over == 0.0 and steps <= params.max_steps - s.clock), steps


def policy(params: SparseMountainCarParams, s: Car) -> int:
    """Action of the reference."""
    return int(pump(s.velocity))


SKY, HILL, RED, BLUE = (250, 250, 247), (150, 158, 120), (213, 94, 0), (0, 114, 178)


def draw(params: SparseMountainCarParams, s: Car) -> Array:
    """The hill, a flag at the goal, and the car as a disc."""
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
    column, top = place(s.position)
    picture[np.hypot(right - column, down - top + 7) < 7] = BLUE
    return picture


V0 = Game(
    "payoff/SparseMountainCar-v0",
    "An engine too weak for the hill: 1 at the top, and auxiliary rewards for pumping.",
    tags=("sparse", "continuous"),
    rules=Rules(
        params=SparseMountainCarParams,
        state=Car,
        start=start,
        step=step,
        actions=lambda p: len(PUSH),
    ),
    sight=numbers(look, ("position", "velocity")),
    info={"aux": Each("aux"), "caption": EVENT},
    draw=draw,
    theory=Theory(
        "reference",
        optimum=optimum,
        policy=policy,
        bound=lambda p: 1.0,
        levels={"easy": {"max_steps": 2000}, "medium": {"max_steps": 1000}, "hard": {"max_steps": 200}},
    ),
)
