"""CliffWalk: along the edge of a cliff to the goal; a step over the edge costs a hundred and starts the walk anew.

## Model
A grid of `height` rows and `width` columns, row 0 on top. Start and goal are the corners of the bottom row, and all
between them is cliff. A step moves the seat up, right, down or left, unless the edge of the grid is in the way; with
probability `slip` a uniformly drawn action replaces the chosen one. By `variant`:

1. `cost`: every step costs 1, but a step into the cliff 100;
2. `sparse`: the step into the goal pays 1, and nothing else is paid.

A seat that steps into the cliff is put back to the start; the episode goes on. This is example 6.6 of Sutton and Barto,
Reinforcement Learning (2nd edition, 2018), 4 rows of 12 cells; the sparse variant, the slips and the horizon were added
here.

## Players and actions
One seat, four actions: 0 up, 1 right, 2 down, 3 left. Without slips `action_mask` leaves out the moves that leave the
seat where it is: against the edge, and from the start into the cliff. Where seats slip, any action can move them.

## Observations
- `full`, `private`: row and column, one-hot each. A `joint` encoding shows the cell one-hot.
- `minimal`: row and column, each divided by the last one.

## Rewards
Payoffs as above. With `aux` "dense" an auxiliary reward, `info["aux"]`, which is no part of the payoff, pays what the
step adds to `progress`: one minus the steps to the goal over the most that there can be.

## Starting state
The lower left corner, always.

## Episode end
Terminated in the goal, truncated after `max_steps`.

## Theory
From the start the goal is width + 1 steps away: up, along the cliff, down. Without slips, and with time for it, the
best return is thus -(width + 1), which is the book's -13, or 1 in the sparse variant. With slips, and from other
states, it comes from dynamic programming over all states and steps left: the edge gets dangerous, and a way farther
from it better.

An episode is a success when it ends in the goal. In the cost variant nothing is ever paid; there the certificate's
steps to the first payment are those to the goal.

## Parameters
`height` 4; `width` 12; `slip` 0.0; `variant` "cost", or "sparse"; `aux` "none", or "dense"; `max_steps` 100.

## Version history
v0: first version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from payoff.envs import planning
from payoff.envs.core import chance
from payoff.envs.core.game import Each, Episode, Game, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number, check_word, record
from payoff.envs.core.state import Array, Copy, real, row_of, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.symbols import SETTINGS, Observe, Symbol, symbols
from payoff.envs.sparse.boards import DANGER, FLOOR, GOAL, board

__all__ = ["SETTINGS", "V0", "CliffWalkParams", "Observe", "remaining"]

VARIANT = words("cost", "sparse")
AUX = words("none", "dense")
MOVE = words("up", "right", "down", "left")
EVENT = events(
    began="the episode began",
    walked="walked",
    slipped="slipped",
    bumped="bumped into the edge",
    fell="fell off the cliff",
    reached="reached the goal",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CliffWalkParams(Params):
    """Keywords of CliffWalk-v0."""

    height: int = 4  # rows
    width: int = 12  # columns
    slip: float = 0.0  # probability that a uniformly drawn action replaces the chosen one
    variant: Literal["cost", "sparse"] = "cost"  # what is paid
    aux: Literal["none", "dense"] = "none"  # auxiliary reward
    max_steps: int = 100  # horizon, steps

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("height", self.height, 2, 64)
        check_integer("width", self.width, 3, 64)
        check_number("slip", self.slip, 0.0, 1.0)
        check_word("variant", self.variant, VARIANT._fields)
        check_word("aux", self.aux, AUX._fields)
        check_integer("max_steps", self.max_steps, 1)

    @property
    def start_cell(self) -> int:
        """Cell in the lower left corner."""
        return (self.height - 1) * self.width

    @property
    def goal_cell(self) -> int:
        """Cell in the lower right corner."""
        return self.height * self.width - 1


class CliffWalk(Copy):
    """State of one walk."""

    cell: float = whole(0, lambda p: p.goal_cell)  # row * width + column
    event: float = whole(0, EVENT)
    aux: float = real(-1.0, 1.0)  # auxiliary reward of the last step
    forced: float = whole(0, 5)  # 0: the next step draws; k + 1: it must have outcome k


@jit
def start(p: CliffWalkParams, s: CliffWalk) -> None:
    """The lower left corner."""
    s.cell = p.start_cell


@jit
def step(p: CliffWalkParams, s: CliffWalk, action: Array, payoff: Array) -> bool:
    """One step; the walk ends in the goal."""
    cell, chosen = int(s.cell), int(action[0])
    taken = chance.intended(s, p.slip, 4, chosen)
    after = beside(p, cell, taken)
    reached = after == p.goal_cell
    fell = is_cliff(p, after)
    if p.variant == VARIANT.sparse:  # 2
        payoff[0] = 1.0 if reached else 0.0
    else:  # 1
        payoff[0] = -100.0 if fell else -1.0
    s.event = EVENT.bumped if after == cell else EVENT.slipped if taken != chosen else EVENT.walked
    if fell:
        after = p.start_cell
    if fell or reached:
        s.event = EVENT.fell if fell else EVENT.reached
    s.cell = after
    s.aux = near(p, after) - near(p, cell) if p.aux == AUX.dense else 0.0
    return reached


@jit
def beside(p: CliffWalkParams, cell: int, move: int) -> int:
    """Cell that a move leads to; the cell itself at the edge."""
    y, x = cell // p.width, cell % p.width
    if move == MOVE.up:
        y = max(y - 1, 0)
    elif move == MOVE.down:
        y = min(y + 1, p.height - 1)
    elif move == MOVE.right:
        x = min(x + 1, p.width - 1)
    else:
        x = max(x - 1, 0)
    return y * p.width + x


@jit
def is_cliff(p: CliffWalkParams, cell: int) -> bool:
    """Whether a cell is one of those between start and goal."""
    return cell > p.start_cell and cell < p.goal_cell


@jit
def moves(p: CliffWalkParams, s: CliffWalk, k: int) -> bool:
    """Whether action k can end in another cell."""
    after = beside(p, int(s.cell), k)
    return p.slip > 0.0 or s.cell != (p.start_cell if is_cliff(p, after) else after)


@jit
def remaining(p: CliffWalkParams, cell: int) -> int:
    """Least number of steps from a cell to the goal, when none slips."""
    y, x = cell // p.width, cell % p.width
    if y == p.height - 1 and x < p.width - 1:  # the start: up, along, down
        return p.width - x + 1
    return p.width - 1 - x + p.height - 1 - y


@jit
def near(p: CliffWalkParams, cell: int) -> float:
    """1 in the goal, 0 where it is farthest."""
    return 1.0 - remaining(p, cell) / max(p.width + 1, p.width + p.height - 2)


@jit
def progress(p: CliffWalkParams, s: CliffWalk) -> float:
    """How near the goal is."""
    return near(p, int(s.cell))


def optimum(params: CliffWalkParams, s: CliffWalk) -> tuple[float, int]:
    """Best expected return within the horizon, and the least number of steps to the goal."""
    return planning.optimum(V0, params, row_of(s))[0], int(remaining(record(params), int(s.cell)))


def reached(params: CliffWalkParams, episode: Episode, s: CliffWalk) -> bool:
    """Whether the episode ended in the goal."""
    return episode.terminated


def draw(params: CliffWalkParams, s: CliffWalk) -> Array:
    """The grid from above: cliff red, goal green, seat a blue disc."""
    colours = np.full((params.height, params.width, 3), FLOOR, dtype=np.uint8)
    colours[-1, 1:-1] = DANGER
    colours[-1, -1] = GOAL
    return board(colours, divmod(int(s.cell), params.width))


V0 = Game(
    "payoff/CliffWalk-v0",
    "Along the edge of a cliff to the goal, at a cost or for a single payment.",
    tags=("sparse", "grid", "tabular", "stochastic"),
    rules=Rules(
        params=CliffWalkParams,
        state=CliffWalk,
        start=start,
        step=step,
        actions=lambda p: len(MOVE),
        mask=moves,
        chance=lambda p: chance.slips(p.slip, len(MOVE)),
        tabular=True,
    ),
    sight=symbols(
        lambda p: (
            Symbol("row", p.height, field="cell", divide=p.width),
            Symbol("column", p.width, limit=p.height * p.width, field="cell"),
        )
    ),
    info={"aux": Each("aux"), "progress": progress, "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact",
        optimum=optimum,
        planner=planning,
        success=reached,
        success_by_step=True,
        levels={
            "easy": {"variant": "sparse", "width": 6},
            "medium": {"variant": "sparse"},
            "hard": {"variant": "sparse", "width": 24},
        },
    ),
)
