"""Chain: a long slippery walk to the right end, which pays; a crumb may lie the other way.

## Model
Cells 0 .. `length` - 2 in a row, and one absorbing state. The payoff looks at the action that was chosen, the walk at
the one that takes effect: with probability `slip` a uniformly drawn action replaces the chosen one, so that a walker
moves against its will with probability slip / 2. A step from cell x:

1. payoff: 1 for choosing right in the goal; with `distractor`, 0.01 for choosing left in the distractor's cell;
2. left leads to x - 1, and from cell 0 into the absorbing state;
3. right leads to x + 1, but from the goal and from the last cell nowhere.

The goal can thus be paid on every step once it is reached. This is the chain of the exploration-guided reward shaping
study (Devidze, Kamalaruban, Singla, NeurIPS 2022): 62 states, start 40, goal 60, distractor 25, slip 0.05, 40 steps,
discount 0.99. Numbers are those of its public code; the paper itself was not read.

## Players and actions
One seat, two actions: 0 left, 1 right.

## Observations
- `full`, `private`: the cell, one-hot; all zero in the absorbing state.
- `minimal`: the cell over the last cell, one number.

An `Observe` can add the clock.

## Rewards
Payoffs as above. `aux` adds a reward that is no part of the payoff, in `reward_terms`: `dense` pays what the step adds
to `progress`, which is 1 in the goal and 0 in the absorbing state; `misleading` pays 0.01 for the distractor's action.

## Starting state
The start cell, always.

## Episode end
Terminated in the absorbing state, truncated after `max_steps`.

## Theory
The best return comes from dynamic programming over all states and steps left. At the defaults it is 13.704 with
discount 0.99, the figure that the study's learners are measured by, and 18.489 without. It is attained by walking
right, with and without the distractor; that can only be worth its crumbs where too few steps are left for the goal.

Uniformly random play must gain 20 cells within 39 steps, and then choose right: see the certificate. An episode is a
success when the goal has paid; the distractor does not count.

## Parameters
`length` 62, states with the absorbing one, at least 4; `start` None, which is two thirds of the goal; `goal` None,
which is the last cell; `slip` 0.05; `distractor` False; `distractor_cell` None, which is five eighths of the start;
`aux` "none", or "dense", "misleading"; `max_steps` 40.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from payoff.envs import planning
from payoff.envs.core import chance, loop
from payoff.envs.core.game import Episode, Game, Kernels, Readout, Shape
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_flag, check_integer, check_number, check_word
from payoff.envs.core.state import Array, Layout
from payoff.envs.sparse import discrete
from payoff.envs.sparse.discrete import SETTINGS, Observe, Symbol

__all__ = ["SETTINGS", "V0", "ChainParams", "Observe"]

AUX = ("none", "dense", "misleading")
CRUMB = 0.01  # what the distractor pays


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainParams(Params):
    """Keywords of Chain-v0."""

    length: int = 62  # states, the absorbing one included
    start: int | None = None  # cell; None: two thirds of the goal
    goal: int | None = None  # cell; None: the last one
    slip: float = 0.05  # probability that a uniformly drawn action replaces the chosen one
    distractor: bool = False  # whether the payoff has the distractor
    distractor_cell: int | None = None  # None: five eighths of the start
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
        check_word("aux", self.aux, AUX)
        check_integer("max_steps", self.max_steps, 1)

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return self.max_steps

    @property
    def goal_cell(self) -> int:
        """Cell of the goal."""
        return self.length - 2 if self.goal is None else self.goal

    @property
    def start_cell(self) -> int:
        """Cell of the start."""
        return 2 * self.goal_cell // 3 if self.start is None else self.start

    @property
    def lure(self) -> int:
        """Cell of the distractor."""
        return 5 * self.start_cell // 8 if self.distractor_cell is None else self.distractor_cell


LAYOUT = Layout(cell=(), **discrete.REPORTS)
CELL, EVENT, AT_AUX, FORCED = (LAYOUT.at(name) for name in ("cell", "event", "aux", chance.FORCED))
LEFT, RIGHT = range(2)
NO_AUX, DENSE, MISLEADING = range(3)
CAPTIONS = (
    "the episode began",
    "walked left",
    "walked right",
    "slipped",
    "stayed at the end",
    "took the distractor",
    "was paid in the goal",
    "fell off the left end",
)
BEGAN, WALKED_LEFT, WALKED_RIGHT, SLIPPED, STAYED, LURED, PAID, FELL = range(8)
NUMBERS = np.dtype([(name, np.int64) for name in ("length", "start", "goal", "lure", "aux")] + [("crumb", np.float64)])


@jit
def progress(p, cell):
    """1 in the goal, 0 in the absorbing state, and in between the share of the longest way that is behind the seat."""
    if cell == p.length - 1:
        return 0.0
    return 1.0 - abs(cell - p.goal) / max(p.goal + 1, p.length - 2 - p.goal)


@jit
def step_row(params, b, row, action, work):
    """One step of one copy: whether it is absorbed. ``params``: NUMBERS ``(P,)``, outcome probabilities ``(P, 3)``."""
    at = loop.pick(b, params[0].shape[0])
    p = params[0][at]
    cell = int(row[CELL])
    chosen = int(action[0, 0])
    taken = discrete.intended(row, FORCED, params[1][at], chosen)
    paid = chosen == RIGHT and cell == p.goal  # 1
    lured = chosen == LEFT and cell == p.lure
    work[loop.BASE, 0] = 1.0 if paid else p.crumb if lured else 0.0
    if taken == LEFT:  # 2
        after = cell - 1 if cell > 0 else p.length - 1
    else:  # 3
        after = cell if cell == p.goal or cell == p.length - 2 else cell + 1
    row[CELL] = after
    row[EVENT] = SLIPPED if taken != chosen else WALKED_LEFT if taken == LEFT else WALKED_RIGHT
    if after == cell:
        row[EVENT] = STAYED
    if paid or (lured and (p.crumb > 0.0 or p.aux == MISLEADING)):
        row[EVENT] = PAID if paid else LURED
    if after == p.length - 1:
        row[EVENT] = FELL
    row[AT_AUX] = 0.0
    if p.aux == DENSE:
        row[AT_AUX] = progress(p, after) - progress(p, cell)
    elif p.aux == MISLEADING and lured:
        row[AT_AUX] = CRUMB
    return after == p.length - 1


@jit
def reset_row(params, b, row):
    """Start an episode."""
    row[CELL] = params[0][loop.pick(b, params[0].shape[0])].start
    row[EVENT], row[AT_AUX], row[FORCED] = BEGAN, 0.0, 0.0


@jit
def transition(params, wiring, state, buffers, obs):
    """One step of every copy; see :mod:`payoff.envs.core.game`."""
    bad = loop.begin(wiring, state, buffers)
    if bad != loop.FINE:
        return bad
    _, action, work, flags, _ = buffers
    for b in range(state.shape[0]):
        if loop.restarts(state[b]):
            reset_row(params, b, state[b])
        else:
            flags[b, 0] = step_row(params, b, state[b], action[b], work[b])
    loop.finish(wiring, state, buffers)
    for b in range(state.shape[0]):
        if loop.ends(wiring, b, state[b], buffers):
            reset_row(params, b, state[b])
        discrete.observe_row(wiring[8], b, state[b], obs[b])
    return loop.FINE


@jit
def start(params, wiring, state, mask, obs):
    """Restart the masked copies and observe all."""
    for b in range(state.shape[0]):
        if mask[b]:
            loop.restart(state[b])
            reset_row(params, b, state[b])
        discrete.observe_row(wiring[8], b, state[b], obs[b])


@jit
def look(params, wiring, state, obs):
    """Observe all copies."""
    for b in range(state.shape[0]):
        discrete.observe_row(wiring[8], b, state[b], obs[b])


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, 3)``: auxiliary reward, progress, caption."""
    for b in range(state.shape[0]):
        p = params[0][loop.pick(b, params[0].shape[0])]
        out[b, 0] = state[b, AT_AUX]
        out[b, 1] = progress(p, int(state[b, CELL]))
        out[b, 2] = state[b, EVENT]


def pack(rows: Sequence[ChainParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    numbers = [
        (p.length, p.start_cell, p.goal_cell, p.lure, AUX.index(p.aux), CRUMB if p.distractor else 0.0) for p in rows
    ]
    outcomes = [discrete.slip_probabilities(p.slip, 2, whole=True) for p in rows]
    return np.array(numbers, dtype=NUMBERS), np.array(outcomes)


def reached(params: ChainParams, episode: Episode) -> bool:
    """Whether the goal has paid."""
    return bool((episode.payoff >= 1.0).any())


def frame(params: ChainParams, row: Array, shape: Shape) -> Array:
    """The cells in rows of up to 32, left to right, top down: goal green, distractor pink, seat a blue disc.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    n = params.length - 1
    width = min(n, 32)
    colours = np.full((-(-n // width), width, 3), discrete.WALL, dtype=np.uint8)
    cells = colours.reshape(-1, 3)
    cells[:n] = discrete.FLOOR
    if params.distractor or params.aux == "misleading":
        cells[params.lure] = discrete.LURE
    cells[params.goal_cell] = discrete.GOAL
    at = int(row[CELL])
    return discrete.board(colours, (at // width, at % width) if at < n else None)


V0: Game[ChainParams] = discrete.game(
    "payoff/Chain-v0",
    ChainParams,
    __doc__,
    Kernels(start=start, transition=transition, look=look, read=read),
    layout=LAYOUT,
    n_actions=lambda p: 2,
    symbols=lambda p: (Symbol("cell", CELL, p.length - 1, limit=p.length - 1),),
    pack=pack,
    frame=frame,
    readouts=(Readout("aux", True), Readout("progress", False), Readout("caption", False)),
    captions=CAPTIONS,
    chance=lambda p: discrete.slip_probabilities(p.slip, 2),
    optimum=lambda p, row: planning.optimum(V0, p, row),
    optimum_kind="exact",
    policy=lambda p, row: planning.action(V0, p, row),
    success=reached,
    success_by_step=True,
    levels={"easy": {"start": 50}, "medium": {}, "hard": {"length": 92}},
)
