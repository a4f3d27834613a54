"""TrafficGrid: signals on a grid of one-way streets, judged by six quantities at once.

## Model
`rows` streets run from west to east and cross `columns` streets that run from north to south. At each of the crossings,
the junctions, cars of both streets stand in queues and a signal lets one street pass. A step:

1. a signal that is told to switch does so if its street has had green for `min_green` steps; told earlier, it ignores
   it. In the step in which it switches nobody passes;
2. at every other junction up to `flow` cars of the street with green pass, each to the queue at the next junction of
   its street, as long as there is room, or out of the grid. A car passes one junction a step at most;
3. new cars come to the first junction of every street, a Poisson number with mean `east` or `south`. A queue holds
   `capacity` cars; cars that find it full turn away.

The six quantities of a step, in the order of `reward_vector`:

- queue: cars that stand at its end, in all queues;
- wait: steps since the queue that has waited longest was served (0 for an empty queue);
- switches: signals that switched;
- throughput: cars that left the grid;
- emissions: a proxy: 1 for each standing car, and 2 for each that passed a junction, as it had to pull away;
- stops: cars that were about to pass, up to `flow` of a queue, when their signal switched.

The payoff is their sum with the weights `weights`:

(1) payoff = w_queue queue + w_wait wait + ... + w_stops stops

So what is wanted is a matter of these weights, and the problem is one for methods that ask for less than exact weights,
such as a ranking. Signal control with a ranking of such quantities is an experiment of HERON (Bukharin and others,
arXiv 2309.02632), which uses a traffic simulator; this grid is our own, small enough for an ordinary processor.

## Players and actions
One seat controls all signals. Action k, 0 .. 2^junctions - 1, tells junction j (row by row) to switch if bit j of k is
set. `action_mask` leaves out those that tell a signal to switch that would ignore it.

## Observations
In [0, 1], the same under every setting. For each queue, eastbound and then southbound, junction by junction: its cars /
`capacity`; w / (w + 10) where it has waited w steps. For each junction: 1 if the southbound street has green; steps
since the last switch / `min_green`, at most 1.

## Rewards
Payoffs as above.

## Starting state
Up to 3 cars in every queue and the green of every junction, all equally likely, in the copy's own random numbers. No
signal may switch in the first `min_green` steps.

## Episode end
Truncated after `max_steps`.

## Theory
The reference tells every signal to switch that may, where more cars stand at the red light than at the green one. Its
return is that in the arrivals which the copy's own random numbers will bring; of a certificate, the mean of many. No
policy gets more than `max_steps` times the best value of each quantity by itself, weighted: queues, wait and stops are
at least 0 and at most as large as they can get, and through each of the rows + columns - 1 last junctions at most
`flow` cars leave the grid in a step. This bound is crude.

Success is an episode at whose end no queue is full.

## Parameters
`rows` 2 and `columns` 2, in 1 .. 3; `east` 0.5 and `south` 0.3, cars per step and street, in [0, 3]; `flow` 2, in
1 .. 10; `min_green` 3, at least 1; `capacity` 20, in 4 .. 100; `weights` (-0.1, -0.05, -0.1, 0.2, 0, -0.1); `max_steps`
100.

## Version history
v0: first version.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.envs.core import rng
from payoff.envs.core.game import Episode, Game, Listed, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number, record
from payoff.envs.core.state import Array, Cells, Copy, State, real, whole
from payoff.envs.core.words import events
from payoff.envs.sight.numbers import SETTINGS, Observe, numbers, show_clock

__all__ = ["FEATURES", "SETTINGS", "V0", "Observe", "TrafficGridParams"]

FEATURES = ("queue", "wait", "switches", "throughput", "emissions", "stops")
QUEUE, WAIT, SWITCHES, THROUGHPUT, EMISSIONS, STOPS = range(len(FEATURES))
EVENT = events(
    began="the episode began",
    kept="no signal switched",
    switched="a signal switched",
    full="cars found a street full and turned away",
)
EAST, SOUTH = 0, 1  # streets of a junction, and the phase in which each has green
PULLING_AWAY = 2.0  # emissions of a car that passes
FIRST_CARS = 3  # most cars in a queue at a start
HALF_WAIT = 10.0  # steps of waiting that are shown as one half


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficGridParams(Params):
    """Keywords of TrafficGrid-v0."""

    rows: int = 2  # streets from west to east
    columns: int = 2  # streets from north to south
    east: float = 0.5  # cars per step that come to each street from west to east
    south: float = 0.3  # cars per step that come to each street from north to south
    flow: int = 2  # cars that pass a green light in a step
    min_green: int = 3  # steps that a street keeps its green
    capacity: int = 20  # cars in a queue
    weights: tuple[float, ...] = (-0.1, -0.05, -0.1, 0.2, 0.0, -0.1)  # of the features, in payoff units
    max_steps: int = 100  # horizon, steps

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("rows", self.rows, 1, 3)
        check_integer("columns", self.columns, 1, 3)
        check_number("east", self.east, 0.0, 3.0)
        check_number("south", self.south, 0.0, 3.0)
        check_integer("flow", self.flow, 1, 10)
        check_integer("min_green", self.min_green, 1)
        check_integer("capacity", self.capacity, FIRST_CARS + 1, 100)
        if not isinstance(self.weights, tuple | list) or len(self.weights) != len(FEATURES):
            raise ValueError(f"weights must be {len(FEATURES)} numbers ({', '.join(FEATURES)}), got {self.weights!r}")
        for name, weight in zip(FEATURES, self.weights, strict=True):
            check_number(f"weights ({name})", weight, -np.inf)
        check_integer("max_steps", self.max_steps, 1)
        object.__setattr__(self, "weights", tuple(map(float, self.weights)))  # a list becomes hashable

    @property
    def junctions(self) -> int:
        """Crossings."""
        return self.rows * self.columns

    @property
    def most(self) -> Array:
        """Largest value of each quantity in a step, ``(6,)``."""
        cars = 2 * self.junctions * self.capacity
        passing = self.junctions * self.flow
        leaving = (self.rows + self.columns - 1) * self.flow
        return np.array([cars, self.max_steps, self.junctions, leaving, cars + PULLING_AWAY * passing, passing])


class Traffic(Copy):
    """State of the grid, beside its junctions."""

    event: float = whole(0, EVENT)
    last: Array = real(0.0, lambda p: p.most, size=len(FEATURES))  # quantities of the last step


STATE = State(
    Traffic,
    cars=Cells(lambda p: (p.junctions, 2), whole(0, lambda p: p.capacity)),
    waited=Cells(lambda p: (p.junctions, 2), whole(0, lambda p: p.max_steps)),  # steps since the queue was served
    phase=Cells(lambda p: (p.junctions,), whole(0, 1)),  # street that has green
    green=Cells(lambda p: (p.junctions,), whole(0, lambda p: p.min_green)),  # steps since the switch, min_green at most
)


def tables(rows: Sequence[TrafficGridParams]) -> tuple[Array, ...]:
    """Weights ``(P, 6)``."""
    return (np.array([p.weights for p in rows]),)


@jit
def start(
    p: TrafficGridParams, weight: Array, s: Traffic, cars: Array, waited: Array, phase: Array, green: Array
) -> None:
    """Some cars, and a street of each junction that has green."""
    for j in range(phase.shape[0]):
        phase[j] = rng.below(s, 2)
        for street in range(2):
            cars[j, street] = rng.below(s, FIRST_CARS + 1)
            s.last[QUEUE] += cars[j, street]


@jit
def step(
    p: TrafficGridParams,
    weight: Array,
    s: Traffic,
    cars: Array,
    waited: Array,
    phase: Array,
    green: Array,
    action: Array,
    payoff: Array,
) -> bool:
    """One step; only the horizon ends the traffic."""
    told = int(action[0])
    for k in range(s.last.shape[0]):
        s.last[k] = 0.0
    s.event = EVENT.kept
    for j in range(phase.shape[0] - 1, -1, -1):  # from the last, so that no car passes two
        if (told >> j) & 1 == 1 and green[j] >= p.min_green:  # 1
            s.last[SWITCHES] += 1.0
            s.last[STOPS] += min(p.flow, cars[j, int(phase[j])])
            phase[j], green[j], s.event = 1 - phase[j], 0.0, EVENT.switched
        else:  # 2
            green[j] = min(p.min_green, green[j] + 1.0)
            passed = let_pass(p, s, cars, j, int(phase[j]))
            s.last[EMISSIONS] += PULLING_AWAY * passed
            if passed > 0.0:
                waited[j, int(phase[j])] = -1.0  # 0 at the end of the step
    for i in range(p.rows):  # 3
        come(p, s, cars, i * p.columns, EAST, p.east)
    for k in range(p.columns):
        come(p, s, cars, k, SOUTH, p.south)
    for j in range(phase.shape[0]):
        for street in range(2):
            waited[j, street] = min(waited[j, street] + 1.0, p.horizon) if cars[j, street] > 0.0 else 0.0
            s.last[QUEUE] += cars[j, street]
            s.last[WAIT] = max(s.last[WAIT], waited[j, street])
    s.last[EMISSIONS] += s.last[QUEUE]
    for k in range(s.last.shape[0]):
        payoff[0] += weight[k] * s.last[k]  # (1)
    return False


@jit
def let_pass(p: TrafficGridParams, s: Traffic, cars: Array, j: int, street: int) -> float:
    """Cars of a street that pass junction j; they move on."""
    ahead = j + 1 if street == EAST else j + p.columns
    leaves = j % p.columns == p.columns - 1 if street == EAST else j // p.columns == p.rows - 1
    passed: float = min(p.flow, cars[j, street])
    if leaves:
        s.last[THROUGHPUT] += passed
    else:
        passed = min(passed, p.capacity - cars[ahead, street])
        cars[ahead, street] += passed
    cars[j, street] -= passed
    return passed


@jit
def come(p: TrafficGridParams, s: Traffic, cars: Array, j: int, street: int, mean: float) -> None:
    """A Poisson number of cars comes to a queue: as many draws as it takes for their product to fall below e^-mean."""
    product, limit = rng.uniform(s), math.exp(-mean)
    while product > limit:
        product *= rng.uniform(s)
        if cars[j, street] < p.capacity:
            cars[j, street] += 1.0
        else:
            s.event = EVENT.full


@jit
def may_be_told(
    p: TrafficGridParams, weight: Array, s: Traffic, cars: Array, waited: Array, phase: Array, green: Array, k: int
) -> bool:
    """Whether every signal that action k tells to switch would."""
    for j in range(phase.shape[0]):
        if (k >> j) & 1 == 1 and green[j] < p.min_green:
            return False
    return True


@jit
def feature(
    p: TrafficGridParams, weight: Array, s: Traffic, cars: Array, waited: Array, phase: Array, green: Array, k: int
) -> float:
    """Quantity k of the last step."""
    return s.last[k]


def names(params: TrafficGridParams) -> list[str]:
    """What is seen."""
    junctions = [(i, k) for i in range(params.rows) for k in range(params.columns)]
    queues = [f"{street}[{i},{k}]" for i, k in junctions for street in ("east", "south")]
    found = [f"cars {queue}" for queue in queues] + [f"waited {queue}" for queue in queues]
    return found + [f"{what}[{i},{k}]" for what in ("phase", "green") for i, k in junctions]


@jit
def look(
    p: TrafficGridParams,
    weight: Array,
    s: Traffic,
    cars: Array,
    waited: Array,
    phase: Array,
    green: Array,
    view: Any,
    seen: Array,
) -> None:
    """Queues, how long they wait, and signals."""
    n = phase.shape[0]
    for j in range(n):
        for street in range(2):
            seen[2 * j + street] = cars[j, street] / p.capacity
            seen[2 * n + 2 * j + street] = waited[j, street] / (waited[j, street] + HALF_WAIT)
        seen[4 * n + j] = phase[j]
        seen[5 * n + j] = green[j] / p.min_green
    show_clock(s, view, seen)


@jit
def longer(p: TrafficGridParams, cars: Array, phase: Array, green: Array) -> int:
    """Action of the reference: switch where more cars stand at the red light."""
    told = 0
    for j in range(phase.shape[0]):
        street = int(phase[j])
        if green[j] >= p.min_green and cars[j, 1 - street] > cars[j, street]:
            told += 1 << j
    return told


@jit
def play(
    p: TrafficGridParams,
    weight: Array,
    s: Traffic,
    cars: Array,
    waited: Array,
    phase: Array,
    green: Array,
    action: Array,
    payoff: Array,
) -> tuple[float, int]:
    """Play the reference to the end: its return, and steps to a payment above 0; state and arrays are used up."""
    total, first, begun = 0.0, p.horizon + 1, int(s.clock)
    while s.over == 0.0 and s.clock < p.horizon:
        action[0], payoff[0] = longer(p, cars, phase, green), 0.0
        step(p, weight, s, cars, waited, phase, green, action, payoff)
        s.clock += 1.0
        total += payoff[0]
        if payoff[0] > 0.0:
            first = min(first, int(s.clock) - begun)
    return total, first


def optimum(params: TrafficGridParams, s: Traffic, *parts: Array) -> tuple[float, int]:
    """Return of the reference from a state, in the arrivals to come, and the steps to its first payment above 0."""
    copies = [part.copy() for part in parts]
    total, first = play(record(params), np.array(params.weights), copy(s), *copies, np.zeros(1), np.zeros(1))
    return float(total), int(first)


def policy(params: TrafficGridParams, s: Traffic, cars: Array, waited: Array, phase: Array, green: Array) -> int:
    """Action of the reference."""
    return int(longer(record(params), cars, phase, green))


def bound(params: TrafficGridParams) -> float:
    """Upper bound of the return: every quantity at its best by itself, in every step."""
    return float(params.max_steps * np.maximum(0.0, np.array(params.weights) * params.most).sum())


def fluent(params: TrafficGridParams, episode: Episode, s: Traffic, cars: Array, *parts: Array) -> bool:
    """Whether no queue is full at the end."""
    return bool(cars.max() < params.capacity)


TILE, LANE = 96, 10  # pixels: side of a block, half width of a street
ROAD, PARK, CAR, GREEN, RED = (150, 154, 160), (196, 208, 180), (0, 114, 178), (0, 158, 115), (213, 60, 40)


def draw(params: TrafficGridParams, s: Traffic, cars: Array, waited: Array, phase: Array, green: Array) -> Array:
    """The grid from above, ``(96 rows, 96 columns, 3)``: queues blue, lights red or green.

    A bar that reaches back to the edge of its block is a full queue.
    """
    picture = np.full((TILE * params.rows, TILE * params.columns, 3), PARK, dtype=np.uint8)
    middle = TILE - 2 * LANE  # of a junction, from the upper left corner of its block
    for j in range(params.junctions):
        block = picture[j // params.columns * TILE :, j % params.columns * TILE :][:TILE, :TILE]
        block[middle - LANE : middle + LANE] = ROAD
        block[:, middle - LANE : middle + LANE] = ROAD
        free = middle - LANE
        east, south = (round(free * n / params.capacity) for n in cars[j])
        block[middle - 4 : middle + 4, free - east : free] = CAR
        block[free - south : free, middle - 4 : middle + 4] = CAR
        block[middle - 4 : middle + 4, free : free + 4] = GREEN if phase[j] == EAST else RED
        block[free : free + 4, middle - 4 : middle + 4] = GREEN if phase[j] == SOUTH else RED
    return picture


V0 = Game(
    "payoff/TrafficGrid-v0",
    "Signals on a grid of one-way streets, judged by six quantities at once.",
    tags=("delayed", "stochastic"),
    rules=Rules(
        params=TrafficGridParams,
        state=STATE,
        start=start,
        step=step,
        actions=lambda p: 2**p.junctions,
        mask=may_be_told,
        tables=tables,
        alike=("rows", "columns"),
    ),
    sight=numbers(look, names),
    info={"reward_vector": Listed(feature, len(FEATURES), low=0.0, names=FEATURES), "caption": EVENT},
    draw=draw,
    theory=Theory(
        "reference",
        optimum=optimum,
        policy=policy,
        success=fluent,
        bound=bound,
        noisy=True,
        levels={
            "easy": {"rows": 1, "columns": 1},
            "medium": {},
            "hard": {"rows": 3, "columns": 3, "east": 0.9, "south": 0.6, "flow": 3},
        },
    ),
)
