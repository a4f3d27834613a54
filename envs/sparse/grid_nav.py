"""GridNav: walk across the unit square to a corner; an auxiliary reward helps on the way, or leads astray.

## Model
The seat is a point in the unit square, x to the right, y upwards. A step, by action:

1. with probability `noise` the action is replaced by one of the four, uniformly;
2. the point moves in that direction by 4 sub-steps of 0.045, stops before the first one that would leave the square,
   and stops at the goal, the square from 0.75 to 0.99 in x and y.

So positions are 0.125 + 0.045 k in x and y with k from -2 to 19: the state is one of 484 lattice points, of which
play from the start reaches 273; k is what the state row holds, and a sub-step is never cut short. All numbers are those
of the GridWorld of BARFI (Gupta et al., "Behavior Alignment via Reward Function Optimization", 2023), read from its
published code, Dhawgupta/gupta2023behavior; the observation of the final state is the position reached, where that code
shows the one a sub-step earlier.

## Players and actions
One seat, four integer actions: 0 up, 1 right, 2 down, 3 left.

## Observations
2 numbers, x and y, under every setting.

## Rewards
-0.1 a step, and +100 on the step that reaches the goal. Beside it `info["reward_terms"]["aux"]` holds an auxiliary
reward that is no part of the payoff; by `aux`, the sum over the sub-steps made of

- `"good"`: minus the squared distance to the middle of the goal, (x - 0.87)^2 + (y - 0.87)^2;
- `"good_published"`: minus (x - 0.87)^2 + 0.0144. The published code takes the y of the goal's corner, 0.75, where it
  means that of the point, and so says nothing about going up;
- `"misleading"`: 50 where x and y are both from 0.4 to 0.6, and all of it 0 on the last step of an episode. Staying
  there pays more than the goal.

## Starting state
At (0.125, 0.125), in the corner opposite to the goal.

## Episode end
Terminated at the goal, truncated after `max_steps`.

## Theory
Without noise the goal is max(0, ceil((14 - i) / 4)) + max(0, ceil((14 - j) / 4)) steps away from the lattice point
(i, j): it begins at index 14, and a step moves by at most four indices along one axis. From the start these are 8
steps, and the optimal return is 99.2. `progress` in `info` is one minus an eighth of this number.

With noise, `optimum` and `policy` are those of dynamic programming over these points, exact up to rounding. Uniformly
random play reaches the goal often enough, as the certificate says: what is hard here is not to find the payment but to
weigh it against the auxiliary reward.

## Parameters
`aux` "good_published", "good" or "misleading"; `noise` 0.1, in [0, 1]; `max_steps` 50.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from payoff.envs import planning
from payoff.envs.core import chance, loop
from payoff.envs.core.game import Game, Kernels, Readout, Shape, paid
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number
from payoff.envs.core.state import CLOCK, Array, Layout
from payoff.envs.sparse.continuous import SETTINGS, Observe, plan

__all__ = ["SETTINGS", "V0", "GridNavParams", "Observe", "coordinate"]

Aux = Literal["good_published", "good", "misleading"]
GOOD_PUBLISHED, GOOD, MISLEADING = range(3)

LAYOUT = Layout(index=(2,), aux=(), forced=(), event=())  # lattice indices of x and y
X, Y = LAYOUT.at("index"), LAYOUT.at("index") + 1
AUX, FORCED, EVENT = LAYOUT.at("aux"), LAYOUT.at(chance.FORCED), LAYOUT.at("event")

CAPTIONS = (
    "the episode began",
    "moved as chosen",
    "moved as chance would have it",
    "stopped at a wall",
    "reached the goal",
)
BEGAN, MOVED, DRIFTED, STOPPED, REACHED = range(5)

START, SUB_STEP, SUB_STEPS = 0.125, 0.045, 4
GOAL_LOW, GOAL_HIGH = 0.75, 0.99  # per axis
LURE_LOW, LURE_HIGH, LURE = 0.4, 0.6, 50.0
STEP_PAYOFF, GOAL_PAYOFF = -0.1, 100.0

NUMBERS = np.dtype([("aux", np.int64), ("horizon", np.int64)])


@dataclass(frozen=True, slots=True, kw_only=True)
class GridNavParams(Params):
    """Keywords of GridNav-v0."""

    aux: Aux = "good_published"  # auxiliary reward that is reported
    noise: float = 0.1  # probability that an action is replaced by a random one
    max_steps: int = 50  # steps after which an episode is truncated

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        if self.aux not in get_args(Aux):
            raise ValueError(f"aux must be one of {', '.join(map(repr, get_args(Aux)))}, got {self.aux!r}")
        check_number("noise", self.noise, 0.0, 1.0)
        check_integer("max_steps", self.max_steps, 1)


@jit
def coordinate(index):
    """Coordinate of a lattice index."""
    return START + SUB_STEP * index


@jit
def _within(x, y, low, high):
    return x >= low and x <= high and y >= low and y <= high


@jit
def _advice(aux, x, y):
    """Auxiliary reward of a sub-step that ends at (x, y)."""
    if aux == MISLEADING:
        return LURE if _within(x, y, LURE_LOW, LURE_HIGH) else 0.0
    middle = 0.5 * (GOAL_LOW + GOAL_HIGH)
    down = middle - (GOAL_LOW if aux == GOOD_PUBLISHED else y)
    return -((x - middle) * (x - middle) + down * down)


@jit
def step_row(params, b, row, action, work):
    """One step of one copy.

    Args:
        params: ``(P,)`` array of dtype NUMBERS, and ``(P, 5)`` probabilities of the outcomes: the action chosen, and
            each of the four.
        b: copy.
        row: ``(S,)`` state, modified in place.
        action: ``(1, 1)``.
        work: ``(5, 1)``; row BASE is written.

    Returns:
        Whether the goal is reached.
    """
    numbers, probability = params
    at = loop.pick(b, numbers.shape[0])
    p = numbers[at]
    chosen = int(action[0, 0])
    drawn = chance.outcome(row, FORCED, probability[at])  # 1
    direction = chosen if drawn == 0 else drawn - 1
    dx = 2 - direction if direction % 2 == 1 else 0
    dy = 1 - direction if direction % 2 == 0 else 0
    row[EVENT] = MOVED if direction == chosen else DRIFTED
    row[AUX] = 0.0
    reached = False
    for _ in range(SUB_STEPS):  # 2
        x, y = coordinate(row[X] + dx), coordinate(row[Y] + dy)
        if not _within(x, y, 0.0, 1.0):
            row[EVENT] = STOPPED
            break
        row[X] += dx
        row[Y] += dy
        row[AUX] += _advice(p.aux, x, y)
        reached = _within(x, y, GOAL_LOW, GOAL_HIGH)
        if reached:
            row[EVENT] = REACHED
            break
    if p.aux == MISLEADING and (reached or row[CLOCK] + 1.0 >= p.horizon):
        row[AUX] = 0.0
    work[loop.BASE, 0] = STEP_PAYOFF + (GOAL_PAYOFF if reached else 0.0)
    return reached


@jit
def reset_row(row):
    """Start an episode in the corner."""
    row[X], row[Y], row[AUX], row[FORCED], row[EVENT] = 0.0, 0.0, 0.0, 0.0, BEGAN


@jit
def observe_row(table, b, row, obs):
    """What the seat sees: x, y and, where there is room for it, the clock.

    Args:
        table: ``(P,)`` one over the horizon.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    obs[0, 0], obs[0, 1] = coordinate(row[X]), coordinate(row[Y])
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
def _steps(index):
    """Steps that an axis needs without noise: its goal begins at lattice index 14."""
    return max(0.0, np.ceil((14.0 - index) / SUB_STEPS))


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, 3)``: auxiliary reward, progress, caption."""
    for b in range(state.shape[0]):
        row = state[b]
        out[b, 0] = row[AUX]
        out[b, 1] = 1.0 - 0.125 * (_steps(row[X]) + _steps(row[Y]))
        out[b, 2] = row[EVENT]


def probabilities(params: GridNavParams) -> Array:
    """Probabilities ``(5,)`` of the outcomes of a step: as chosen, and each of the four directions."""
    return np.array([1.0 - params.noise, *[params.noise / 4] * 4])


def pack(rows: Sequence[GridNavParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    numbers = np.array([(get_args(Aux).index(p.aux), p.max_steps) for p in rows], dtype=NUMBERS)
    return numbers, np.stack([probabilities(p) for p in rows])


def optimum(params: GridNavParams, row: Array) -> tuple[float, int]:
    """Best expected return from a state, and the least number of steps to the goal, with the luck it takes."""
    return planning.optimum(V0, params, row)


def policy(params: GridNavParams, row: Array) -> Array:
    """An action ``(1,)`` that attains the best expected return."""
    return planning.action(V0, params, row)


FLOOR, GREEN, ROSE, BLUE = (250, 250, 247), (0, 158, 115), (230, 180, 200), (0, 114, 178)


def frame(params: GridNavParams, row: Array, shape: Shape) -> Array:
    """The square from above, goal green, the place of the misleading reward rose (where it is paid), seat a blue disc.

    Returns:
        ``(240, 240, 3)`` uint8.
    """
    side = 240
    x = (np.arange(side) + 0.5) / side
    across, up = np.meshgrid(x, x[::-1])
    picture = np.full((side, side, 3), FLOOR, dtype=np.uint8)

    def square(low: float, high: float) -> Array:
        inside: Array = (np.minimum(across, up) >= low) & (np.maximum(across, up) <= high)
        return inside

    if params.aux == "misleading":
        picture[square(LURE_LOW, LURE_HIGH)] = ROSE
    picture[square(GOAL_LOW, GOAL_HIGH)] = GREEN
    picture[np.hypot(across - coordinate(row[X]), up - coordinate(row[Y])) < 0.03] = BLUE
    return picture


V0: Game[GridNavParams] = Game(
    id="payoff/GridNav-v0",
    params=GridNavParams,
    doc=__doc__,
    kernels=Kernels(start=start, transition=transition, look=look, read=read),
    shape=lambda p: Shape(1, 1, 4, LAYOUT, p.max_steps),
    pack=pack,
    bounds=lambda p: np.array([[[0.0, 3.0]]]),
    baseline=lambda p: np.zeros(1),
    dependence=lambda p: np.zeros((1, 1)),
    plan=lambda rows, seats, setting: plan(rows, setting, ("x", "y")),
    frame=frame,
    observations=tuple(SETTINGS),
    readouts=(Readout("aux", True), Readout("progress", False), Readout("caption", False)),
    captions=CAPTIONS,
    tabular=True,
    chance=probabilities,
    optimum=optimum,
    optimum_kind="exact",
    policy=policy,
    success=paid,  # the goal pays 99.9, all else less than nothing
    levels={
        "easy": {"aux": "good", "noise": 0.0},
        "medium": {"aux": "good_published"},
        "hard": {"aux": "misleading"},
    },
)
