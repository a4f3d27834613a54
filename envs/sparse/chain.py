"""Chain: a long slippery walk to the right end, which pays; a small distractor may lie the other way.

## Model
Cells 0 .. `length` - 2 lie in a row; state `length` - 1 is absorbing and lies beyond the left end. The payoff depends
on the action that was chosen, the move on the action that takes effect: with probability `slip` a uniformly drawn
action replaces the chosen one, so that a seat moves against its choice with probability slip / 2. A step from cell x:

1. payoff: 1 for choosing right in the goal cell; with `distractor`, 0.01 for choosing left in the distractor's cell;
2. left leads to x - 1, and from cell 0 into the absorbing state;
3. right leads to x + 1, but a seat in the goal cell or in the last cell stays there.

So the goal can pay again on every step once the seat is there. This is the chain of the exploration-guided reward
shaping study (Devidze, Kamalaruban, Singla, NeurIPS 2022): 62 states, start 40, goal 60, distractor 25, slip 0.05, 40
steps, discount 0.99. The numbers are those of its public code; the paper itself was not read.

## Players and actions
One seat, two actions: 0 left, 1 right.

## Observations
- `full`, `private`: the cell, one-hot; all zero in the absorbing state.
- `minimal`: one number, the cell divided by `length` - 2, the last cell; 0 in the absorbing state, as in cell 0.

An `Observe` can add the clock.

## Rewards
Payoffs as above. `aux` names an auxiliary reward, which is reported in `info["aux"]` and never added to
the payoff. `dense` pays what the step adds to `progress`. `misleading` pays 0.01 for choosing left in the distractor's
cell, whatever `distractor` is.

`progress` in `info` is 1 in the goal cell, 0 in the absorbing state, and elsewhere 1 minus the distance to the goal
divided by the largest distance there is: from the last cell, or from the absorbing state, which counts as cell -1.

## Starting state
The start cell, always.

## Episode end
Terminated in the absorbing state, truncated after `max_steps`.

## Theory
The best return comes from dynamic programming over all states and steps left. At the defaults it is 13.704 with
discount 0.99, the figure that the study's learners are measured by, and 18.489 without. Always walking right attains
it, with or without the distractor: going for the distractor can only pay when too few steps are left to reach the goal.

Uniformly random play has to get 20 cells to the right within 39 steps and then choose right;
`payoff.certificate("payoff/Chain-v0")` says how often it does. An episode is a success when the goal has paid; the
distractor does not count.

## Parameters
`length` 62, the number of states, the absorbing one included, at least 4; `start` None, which is two thirds of the
goal's cell number, rounded down; `goal` None, which is the last cell; `slip` 0.05; `distractor` False, whether the
distractor pays; `distractor_cell` None, which is five eighths of the start's cell number, rounded down; `aux` "none",
or "dense", "misleading"; `max_steps` 40.

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
from payoff.envs.core.params import Params, check_flag, check_integer, check_number, check_word
from payoff.envs.core.state import Array, Copy, real, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.symbols import SETTINGS, Observe, Symbol, symbols
from payoff.envs.sparse.boards import FLOOR, GOAL, LURE, WALL, board

__all__ = ["SETTINGS", "V0", "ChainParams", "Observe"]

AUX = words("none", "dense", "misleading")
MOVE = words("left", "right")
DISTRACTOR_PAYS = 0.01  # what the distractor pays
EVENT = events(
    began="the episode began",
    left="walked left",
    right="walked right",
    slipped="slipped",
    stayed="stayed at the end",
    distracted="took the distractor",
    paid="was paid in the goal",
    fell="fell off the left end",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainParams(Params):
    """Keywords of Chain-v0."""

    length: int = 62  # states, the absorbing one included
    start: int | None = None  # cell; None: two thirds of the goal's number, rounded down
    goal: int | None = None  # cell; None: the last one
    slip: float = 0.05  # probability that a uniformly drawn action replaces the chosen one
    distractor: bool = False  # whether the distractor pays
    distractor_cell: int | None = None  # None: five eighths of the start's number, rounded down
    aux: Literal["none", "dense", "misleading"] = "none"  # auxiliary reward
    max_steps: int = 40  # horizon, steps

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("length", self.length, 4, 10_000)
        for name in ("start", "goal", "distractor_cell"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 0, self.length - 2)
        check_number("slip", self.slip, 0.0, 1.0)
        check_flag("distractor", self.distractor)
        check_word("aux", self.aux, AUX._fields)
        check_integer("max_steps", self.max_steps, 1)

    @property
    def goal_cell(self) -> int:
        """Cell of the goal."""
        return self.length - 2 if self.goal is None else self.goal

    @property
    def start_cell(self) -> int:
        """Cell of the start."""
        return 2 * self.goal_cell // 3 if self.start is None else self.start

    @property
    def distractor_at(self) -> int:
        """Cell of the distractor, whether or not it pays."""
        return 5 * self.start_cell // 8 if self.distractor_cell is None else self.distractor_cell

    @property
    def distractor_pays(self) -> float:
        """Payoff of the distractor."""
        return DISTRACTOR_PAYS if self.distractor else 0.0


class Chain(Copy):
    """State of one chain."""

    cell: float = whole(0, lambda p: p.length - 1)  # the last one is the absorbing state
    event: float = whole(0, EVENT)
    aux: float = real(-1.0, 1.0)  # auxiliary reward of the last step
    forced: float = whole(0, 3)  # next step: 0 draws; 1 the action as chosen; 2, 3 left, right instead (core/chance.py)


@jit
def start(p: ChainParams, s: Chain) -> None:
    """The start cell."""
    s.cell = p.start_cell


@jit
def step(p: ChainParams, s: Chain, action: Array, payoff: Array) -> bool:
    """One step; the chain ends in the absorbing state.

    The event is the most notable of what happened: a fall, else a payment, else staying in place, else the move.
    """
    cell, chosen = int(s.cell), int(action[0])
    taken = chance.intended(s, p.slip, 2, chosen)  # what takes effect; unless forced it draws once, at slip 0 too
    paid = chosen == MOVE.right and cell == p.goal_cell  # 1, as numbered under Model
    distracted = chosen == MOVE.left and cell == p.distractor_at
    payoff[0] = 1.0 if paid else p.distractor_pays if distracted else 0.0
    if taken == MOVE.left:  # 2
        after = cell - 1 if cell > 0 else p.length - 1
    else:  # 3
        after = cell if cell == p.goal_cell or cell >= p.length - 2 else cell + 1
    s.cell = after
    s.event = EVENT.slipped if taken != chosen else EVENT.left if taken == MOVE.left else EVENT.right
    if after == cell:
        s.event = EVENT.stayed
    if paid or (distracted and (p.distractor_pays > 0.0 or p.aux == AUX.misleading)):
        s.event = EVENT.paid if paid else EVENT.distracted
    if after == p.length - 1:
        s.event = EVENT.fell
    s.aux = 0.0
    if p.aux == AUX.dense:
        s.aux = near(p, after) - near(p, cell)
    elif p.aux == AUX.misleading and distracted:
        s.aux = DISTRACTOR_PAYS
    return after == p.length - 1


@jit
def near(p: ChainParams, cell: int) -> float:
    """0 in the absorbing state, else 1 - distance to the goal / the largest one (the absorbing state is cell -1)."""
    if cell == p.length - 1:
        return 0.0
    return 1.0 - abs(cell - p.goal_cell) / max(p.goal_cell + 1, p.length - 2 - p.goal_cell)


@jit
def progress(p: ChainParams, s: Chain) -> float:
    """How near the goal is, from 0 to 1."""
    return near(p, int(s.cell))


def has_paid(params: ChainParams, episode: Episode, s: Chain) -> bool:
    """Whether the goal has paid: being in its cell is not enough."""
    return bool((episode.payoff >= 1.0).any())


def draw(params: ChainParams, s: Chain) -> Array:
    """The cells in rows of up to 32, left to right, top down: goal green, distractor pink, seat a blue disc."""
    n = params.length - 1
    width = min(n, 32)
    colours = np.full((-(-n // width), width, 3), WALL, dtype=np.uint8)
    cells = colours.reshape(-1, 3)
    cells[:n] = FLOOR
    if params.distractor or params.aux == "misleading":
        cells[params.distractor_at] = LURE
    cells[params.goal_cell] = GOAL
    at = int(s.cell)
    return board(colours, divmod(at, width) if at < n else None)


V0 = Game(
    "payoff/Chain-v0",
    "A long slippery walk to the end that pays, with a small distractor the other way.",
    tags=("sparse", "tabular", "stochastic"),
    rules=Rules(
        params=ChainParams,
        state=Chain,
        start=start,
        step=step,
        actions=lambda p: len(MOVE),
        chance=lambda p: chance.slips(p.slip, 2),  # probabilities of the outcomes that ``forced`` names
        tabular=True,
    ),
    sight=symbols(lambda p: (Symbol("cell", p.length - 1),)),
    info={"aux": Each("aux"), "progress": progress, "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact",
        planner=planning,
        success=has_paid,
        success_by_step=True,
        levels={"easy": {"start": 50}, "medium": {}, "hard": {"length": 92}},
    ),
)
