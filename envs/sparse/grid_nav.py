"""GridNav: walk across the unit square to a corner; an auxiliary reward helps on the way, or leads astray.

## Model
The seat is a point in the unit square, x to the right, y upwards. A step, by action:

1. with probability `noise` the action is replaced by one of the four, uniformly;
2. the point moves in that direction by 4 sub-steps of 0.045, stops before the first one that would leave the square,
   and stops at the goal, the square from 0.75 to 0.99 in x and y.

So positions are 0.125 + 0.045 k in x and y with k from -2 to 19: the state is one of 484 lattice points, of which
play from the start reaches 273; k is what the state holds, and a sub-step is never cut short. All numbers are those
of the GridWorld of BARFI (Gupta et al., "Behavior Alignment via Reward Function Optimization", 2023), read from its
published code, Dhawgupta/gupta2023behavior; the observation of the final state is the position reached, where that code
shows the one a sub-step earlier.

## Players and actions
One seat, four integer actions: 0 up, 1 right, 2 down, 3 left. There is no `action_mask`: by chance any action can move
the point.

## Observations
2 numbers, x and y, under every setting.

## Rewards
-0.1 a step, and +100 on the step that reaches the goal. Beside it `info["aux"]` holds an auxiliary
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
random play reaches the goal often enough (`payoff.certificate("payoff/GridNav-v0")` says how often): what is hard here
is not to find the payment but to weigh it against the auxiliary reward.

## Parameters
`aux` "good_published", "good" or "misleading"; `noise` 0.1, in [0, 1]; `max_steps` 50.

## Version history
v0: first version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs import planning
from payoff.envs.core import chance
from payoff.envs.core.game import Each, Game, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number, check_word
from payoff.envs.core.state import Array, Copy, real, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.numbers import SETTINGS, Observe, numbers, show_clock

__all__ = ["SETTINGS", "V0", "GridNavParams", "Observe", "coordinate"]

AUX = words("good_published", "good", "misleading")
EVENT = events(
    began="the episode began",
    moved="moved as chosen",
    drifted="moved as chance would have it",
    stopped="stopped at a wall",
    reached="reached the goal",
)
START, SUB_STEP, SUB_STEPS = 0.125, 0.045, 4
FIRST, LAST, FIRST_OF_GOAL = -2, 19, 14  # lattice indices
GOAL_LOW, GOAL_HIGH = 0.75, 0.99  # per axis
LURE_LOW, LURE_HIGH, LURE = 0.4, 0.6, 50.0
STEP_PAYOFF, GOAL_PAYOFF = -0.1, 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GridNavParams(Params):
    """Keywords of GridNav-v0."""

    aux: Literal["good_published", "good", "misleading"] = "good_published"  # auxiliary reward that is reported
    noise: float = 0.1  # probability that an action is replaced by a random one
    max_steps: int = 50  # steps after which an episode is truncated

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_word("aux", self.aux, AUX._fields)
        check_number("noise", self.noise, 0.0, 1.0)
        check_integer("max_steps", self.max_steps, 1)


class GridNav(Copy):
    """State of one square: the seat's lattice indices."""

    x: float = whole(FIRST, LAST)
    y: float = whole(FIRST, LAST)
    event: float = whole(0, EVENT)
    aux: float = real(-SUB_STEPS * 2.0, SUB_STEPS * LURE)  # auxiliary reward of the last step
    forced: float = whole(0, 5)  # 0: the next step draws; k + 1: it must have outcome k


@jit
def step(p: GridNavParams, s: GridNav, action: Array, payoff: Array) -> bool:
    """One step; the goal ends the episode."""
    chosen = int(action[0])
    direction = chance.intended(s, p.noise, 4, chosen)  # 1
    dx = 2 - direction if direction % 2 == 1 else 0
    dy = 1 - direction if direction % 2 == 0 else 0
    s.event = EVENT.moved if direction == chosen else EVENT.drifted
    s.aux = 0.0
    reached = False
    for _ in range(SUB_STEPS):  # 2
        x, y = coordinate(s.x + dx), coordinate(s.y + dy)
        if not within(x, y, 0.0, 1.0):
            s.event = EVENT.stopped
            break
        s.x += dx
        s.y += dy
        s.aux += advice(p.aux, x, y)
        reached = within(x, y, GOAL_LOW, GOAL_HIGH)
        if reached:
            s.event = EVENT.reached
            break
    if p.aux == AUX.misleading and (reached or s.clock + 1.0 >= p.horizon):
        s.aux = 0.0
    payoff[0] = STEP_PAYOFF + (GOAL_PAYOFF if reached else 0.0)
    return reached


@jit
def coordinate(index: float) -> float:
    """Coordinate of a lattice index."""
    return START + SUB_STEP * index


@jit
def within(x: float, y: float, low: float, high: float) -> bool:
    """Whether both are from ``low`` to ``high``."""
    return x >= low and x <= high and y >= low and y <= high


@jit
def advice(aux: int, x: float, y: float) -> float:
    """Auxiliary reward of a sub-step that ends at (x, y)."""
    if aux == AUX.misleading:
        return LURE if within(x, y, LURE_LOW, LURE_HIGH) else 0.0
    middle = 0.5 * (GOAL_LOW + GOAL_HIGH)
    down = middle - (GOAL_LOW if aux == AUX.good_published else y)
    return -((x - middle) * (x - middle) + down * down)


@jit
def look(p: GridNavParams, s: GridNav, view: Any, seen: Array) -> None:
    """The position."""
    seen[0], seen[1] = coordinate(s.x), coordinate(s.y)
    show_clock(s, view, seen)


@jit
def progress(p: GridNavParams, s: GridNav) -> float:
    """One minus an eighth of the steps to the goal without noise."""
    left: float = steps(s.x) + steps(s.y)
    return 1.0 - 0.125 * left


@jit
def steps(index: float) -> float:
    """Steps that an axis needs without noise."""
    needed: float = np.ceil((FIRST_OF_GOAL - index) / SUB_STEPS)
    return max(0.0, needed)


FLOOR, GREEN, ROSE, BLUE = (250, 250, 247), (0, 158, 115), (230, 180, 200), (0, 114, 178)


def draw(params: GridNavParams, s: GridNav) -> Array:
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
    picture[np.hypot(across - coordinate(s.x), up - coordinate(s.y)) < 0.03] = BLUE
    return picture


V0 = Game(
    "payoff/GridNav-v0",
    "A walk across the unit square, with an auxiliary reward that helps or misleads.",
    tags=("delayed", "grid", "tabular", "stochastic", "continuous"),
    rules=Rules(
        params=GridNavParams,
        state=GridNav,
        step=step,
        actions=lambda p: 4,
        chance=lambda p: chance.slips(p.noise, 4),
        tabular=True,
    ),
    sight=numbers(look, ("x", "y")),
    info={"aux": Each("aux"), "progress": progress, "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact",
        planner=planning,
        levels={
            "easy": {"aux": "good", "noise": 0.0},
            "medium": {"aux": "good_published"},
            "hard": {"aux": "misleading"},
        },
    ),
)
