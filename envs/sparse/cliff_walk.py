"""CliffWalk: along the edge of a cliff to the goal; a step over the edge costs a hundred and starts the walk anew.

## Model
A grid of `height` rows and `width` columns, row 0 on top. Start and goal are the corners of the bottom row, and all
between them is cliff. A step moves the seat up, right, down or left, unless the edge of the grid is in the way; with
probability `slip` a uniformly drawn action replaces the chosen one. By `variant`:

1. `cost`: every step costs 1, but a step into the cliff 100;
2. `sparse`: the step into the goal pays 1, and nothing else is paid.

A seat that steps into the cliff is put back to the start; the episode goes on. This is example 6.6 of Sutton and Barto,
Reinforcement Learning (2nd edition, 2018), 4 rows of 12 cells; the sparse variant, the slips and the horizon are ours.

## Players and actions
One seat, four actions: 0 up, 1 right, 2 down, 3 left.

## Observations
- `full`, `private`: row and column, one-hot each. A `joint` encoding shows the cell one-hot.
- `minimal`: row and column over the last one.

## Rewards
Payoffs as above. With `aux` "dense" a reward that is no part of the payoff, in `reward_terms`, pays what the step adds
to `progress`: one minus the steps to the goal over the most that there can be.

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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from payoff.envs import planning
from payoff.envs.core import chance, loop
from payoff.envs.core.game import Episode, Game, Kernels, Readout, Shape
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number, check_word
from payoff.envs.core.state import Array, Layout
from payoff.envs.sparse import discrete
from payoff.envs.sparse.discrete import SETTINGS, Observe, Symbol

__all__ = ["SETTINGS", "V0", "CliffWalkParams", "Observe", "remaining"]

VARIANTS = ("cost", "sparse")
AUX = ("none", "dense")


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
        check_word("variant", self.variant, VARIANTS)
        check_word("aux", self.aux, AUX)
        check_integer("max_steps", self.max_steps, 1)

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return self.max_steps


LAYOUT = Layout(cell=(), **discrete.REPORTS)  # the cell is row * width + column
CELL, EVENT, AT_AUX, FORCED = (LAYOUT.at(name) for name in ("cell", "event", "aux", chance.FORCED))
UP, RIGHT, DOWN, LEFT = range(4)
CAPTIONS = (
    "the episode began",
    "walked",
    "slipped",
    "bumped into the edge",
    "fell off the cliff",
    "reached the goal",
)
BEGAN, WALKED, SLIPPED, BUMPED, FELL, REACHED = range(6)
NUMBERS = np.dtype([(name, np.int64) for name in ("height", "width", "sparse", "dense")])


@jit
def remaining(height, width, cell):
    """Least number of steps from a cell to the goal, when none slips."""
    y, x = cell // width, cell % width
    if y == height - 1 and x < width - 1:  # the start: up, along, down
        return width - x + 1
    return width - 1 - x + height - 1 - y


@jit
def progress(p, cell):
    """1 in the goal, 0 where it is farthest."""
    return 1.0 - remaining(p.height, p.width, cell) / max(p.width + 1, p.width + p.height - 2)


@jit
def step_row(params, b, row, action, work):
    """One step of one copy: whether it is in the goal. ``params``: NUMBERS ``(P,)``, outcomes ``(P, 5)``."""
    at = loop.pick(b, params[0].shape[0])
    p = params[0][at]
    cell = int(row[CELL])
    y, x = cell // p.width, cell % p.width
    chosen = int(action[0, 0])
    taken = discrete.intended(row, FORCED, params[1][at], chosen)
    if taken == UP:
        y = max(y - 1, 0)
    elif taken == DOWN:
        y = min(y + 1, p.height - 1)
    elif taken == RIGHT:
        x = min(x + 1, p.width - 1)
    else:
        x = max(x - 1, 0)
    after = y * p.width + x
    reached = after == p.height * p.width - 1
    fell = y == p.height - 1 and x > 0 and not reached
    if p.sparse != 0:  # 2
        work[loop.BASE, 0] = 1.0 if reached else 0.0
    else:  # 1
        work[loop.BASE, 0] = -100.0 if fell else -1.0
    row[EVENT] = BUMPED if after == cell else SLIPPED if taken != chosen else WALKED
    if fell:
        after = (p.height - 1) * p.width
    if fell or reached:
        row[EVENT] = FELL if fell else REACHED
    row[CELL] = after
    row[AT_AUX] = progress(p, after) - progress(p, cell) if p.dense != 0 else 0.0
    return reached


@jit
def reset_row(params, b, row):
    """Start an episode in the lower left corner."""
    p = params[0][loop.pick(b, params[0].shape[0])]
    row[CELL] = (p.height - 1) * p.width
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
        out[b, 0] = state[b, AT_AUX]
        out[b, 1] = progress(params[0][loop.pick(b, params[0].shape[0])], int(state[b, CELL]))
        out[b, 2] = state[b, EVENT]


def pack(rows: Sequence[CliffWalkParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    numbers = [(p.height, p.width, p.variant == "sparse", p.aux == "dense") for p in rows]
    outcomes = [discrete.slip_probabilities(p.slip, 4, whole=True) for p in rows]
    return np.array(numbers, dtype=NUMBERS), np.array(outcomes)


def optimum(params: CliffWalkParams, row: Array) -> tuple[float, int]:
    """Best expected return within the horizon, and the least number of steps to the goal."""
    return planning.optimum(V0, params, row)[0], int(remaining(params.height, params.width, int(row[CELL])))


def reached(params: CliffWalkParams, episode: Episode) -> bool:
    """Whether the episode ended in the goal."""
    return episode.terminated


def frame(params: CliffWalkParams, row: Array, shape: Shape) -> Array:
    """The grid from above: cliff red, goal green, seat a blue disc.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    colours = np.full((params.height, params.width, 3), discrete.FLOOR, dtype=np.uint8)
    colours[-1, 1:-1] = discrete.DANGER
    colours[-1, -1] = discrete.GOAL
    y, x = divmod(int(row[CELL]), params.width)
    return discrete.board(colours, (y, x))


V0: Game[CliffWalkParams] = discrete.game(
    "payoff/CliffWalk-v0",
    CliffWalkParams,
    __doc__,
    Kernels(start=start, transition=transition, look=look, read=read),
    layout=LAYOUT,
    n_actions=lambda p: 4,
    symbols=lambda p: (
        Symbol("row", CELL, p.height, limit=p.height * p.width, divide=p.width),
        Symbol("column", CELL, p.width, limit=p.height * p.width),
    ),
    pack=pack,
    frame=frame,
    readouts=(Readout("aux", True), Readout("progress", False), Readout("caption", False)),
    captions=CAPTIONS,
    chance=lambda p: discrete.slip_probabilities(p.slip, 4),
    optimum=optimum,
    optimum_kind="exact",
    policy=lambda p, row: planning.action(V0, p, row),
    success=reached,
    success_by_step=True,
    levels={
        "easy": {"variant": "sparse", "width": 6},
        "medium": {"variant": "sparse"},
        "hard": {"variant": "sparse", "width": 24},
    },
)
