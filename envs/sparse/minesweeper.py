"""Minesweeper: open every free cell by what the numbers say; nothing is paid before the last one.

## Model
`mines` mines lie under a square of `size` x `size` cells, every layout being equally likely. A step opens one cell:

1. with `first_safe`, if the first opening of an episode hits a mine, that mine moves to a free cell that was drawn with
   the layout, so that all layouts without a mine there are equally likely;
2. a mine ends the episode;
3. else the cell shows how many of the cells around it (up to eight) are mined;
4. the last free cell solves the problem.

Opening an open cell changes nothing but takes the step. A cell that shows 0 does not open those around it, as it would
in the computer game: every cell takes a step of its own.

## Players and actions
One seat; action c opens cell c, counted row by row from the top left. `action_mask` leaves out the cells that are open,
which under `minimal` would have to be remembered.

## Observations
In [0, 1]. The mines are never shown.

- `full`, `private`: 2 cells: whether each is open; the number that it shows / 8, 0 where it is closed.
- `minimal`: cells + 1: the cell opened last, one-hot; the number that it shows / 8. What was seen before has to be
  remembered.

## Rewards
1 on the step that opens the last free cell, else 0. `aux` names an auxiliary reward, which is in
`info["aux"]` and never added to the reward; N is the number of layouts that fit what is shown.

- `none`: 0.
- `oracle`: 1 if no closed cell is mined with a smaller probability than the opened one, else 0.
- `belief_prob`: what the step adds to 1 / N, the probability of the true layout; nothing when it hits a mine.
- `belief_log`: what it adds to log(1 / N).

## Starting state
Nothing is open; the mines come from the copy's own stream.

## Episode end
Terminated by a mine or the last free cell, truncated after `max_steps`.

## Theory
`posterior` gives the exact probability that each cell is mined, at every size. Frontier cells (closed, beside an open
one) are assigned one after the other, given up as soon as a number cannot come out; an assignment with j mines stands
for as many layouts as there are ways to put the rest among the other closed cells. With 10 mines on
8 x 8 cells that takes a quarter of a millisecond on average and 10 at worst in play, but with 24 mines seconds at
worst. `oracle_action_set` are the closed cells of least probability. Taking them is not optimal play: a riskier cell
may tell more.

Optimal play depends only on what is shown. Up to size 5 and 60,000 layouts the best chance to win is found by search
over all that can be known (`payoff.envs.sparse.minesweeper_solver`), exact as a ratio of numbers of layouts. A cell
that no fitting layout mines may be opened first: it takes a step that any win takes at some time, and can only tell
something. From the start it is 6/7 with 2 mines on 3 x 3 cells, 80/91 with 3 on 4 x 4, 899/1012 with 3 on 5 x 5, and
there 0.7751 with 4 and 0.6416 with 5, which take a quarter of a minute and three minutes to work out. The optimum is an
expectation over the layouts that fit, not over the one that lies there. Larger boards have no known optimum
(ValueError); the policy is then the oracle.

From the first opening on, uniformly random play, given enough steps, opens the other cells in random order, and wins
with probability 1 divided by the number of ways to choose `mines` of them: 1/2024 with 3 on 5 x 5. The horizon lowers
it further.

Rules and name are those of the computer game. Deciding whether numbers fit any layout is NP-complete (R. Kaye,
"Minesweeper is NP-complete", 2000). Grading each opening by its exact mine probability follows published work on
verifiable process rewards, known here only from its summary.

## Parameters
`size` 5, in 2 .. 8; `mines` 3, at least 1, and one free cell beside the first must stay; `first_safe` True; `aux`
`"none"`; `max_steps` None, which is the number of cells.

## Version history
v0: first version.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs import render
from payoff.envs.core import rng
from payoff.envs.core.game import Each, Game, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_flag, check_integer, check_word
from payoff.envs.core.state import Array, Cells, Copy, State, real, whole
from payoff.envs.core.words import events
from payoff.envs.sparse.minesweeper_posterior import CLOSED, choose, near_masks, weigh
from payoff.envs.sparse.minesweeper_solver import is_solved, solver
from payoff.envs.sparse.reasoning import AUX, SCOPE, SETTINGS, Observe, draw_digit, see_clock, sight

__all__ = ["SETTINGS", "V0", "MinesweeperParams", "Observe", "fitting", "oracle_action_set", "posterior"]

EVENT = events(
    began="the episode began",
    opened="opened a cell",
    was_open="opened a cell that was open already",
    solved="opened the last free cell",
    exploded="opened a mine",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MinesweeperParams(Params):
    """Keywords of Minesweeper-v0."""

    size: int = 5  # cells along a side
    mines: int = 3  # number of mines
    first_safe: bool = True  # the first opening of an episode never hits a mine
    aux: Literal["none", "oracle", "belief_prob", "belief_log"] = "none"  # auxiliary reward
    max_steps: int | None = None  # None: the number of cells

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("size", self.size, 2, 8)
        check_integer("mines", self.mines, 1, self.cells - 2)
        check_flag("first_safe", self.first_safe)
        check_word("aux", self.aux, AUX._fields)
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.size * self.size

    @property
    def layouts(self) -> float:
        """Number of layouts of mines."""
        return float(math.comb(self.cells, self.mines))

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return self.cells if self.max_steps is None else self.max_steps


class Minesweeper(Copy):
    """State of one board, beside its cells."""

    spare: float = whole(0, lambda p: p.cells - 1)  # cell that a mine moves to when the first opening hits it
    opened: float = whole(0, lambda p: p.cells - p.mines)  # number of cells
    last: float = whole(-1, lambda p: p.cells - 1)  # cell opened last; -1: none
    event: float = whole(0, EVENT)
    aux: float = real(0.0, lambda p: max(1.0, math.log(p.layouts)))  # auxiliary reward of the last step
    fit: float = real(1.0, lambda p: p.layouts)  # layouts that fit what is shown; kept for the auxiliary rewards only


STATE = State(
    Minesweeper,
    mine=Cells(lambda p: (p.cells,), whole(0, 1)),
    shown=Cells(lambda p: (p.cells,), whole(int(CLOSED), 8)),  # number of an opened cell
    risk=Cells(lambda p: (p.cells if p.aux != "none" else 0,), real(0.0, 1.0)),  # posterior, for the auxiliary rewards
)


def neighbours(rows: Sequence[MinesweeperParams]) -> tuple[Array, ...]:
    """Neighbours of each cell, ``(P, 64)`` uint64 masks."""
    return (np.stack([near_masks(p.size) for p in rows]),)


@jit
def start(p: MinesweeperParams, near: Array, s: Minesweeper, mine: Array, shown: Array, risk: Array) -> None:
    """Mines and the spare cell are drawn one after the other among the cells left."""
    for c in range(p.cells):
        shown[c] = CLOSED
    for c in range(risk.shape[0]):
        risk[c] = p.mines / p.cells
    for i in range(p.mines + 1):
        nth = rng.below(s, p.cells - i)
        for c in range(p.cells):
            if mine[c] == 0.0:
                if nth == 0:
                    if i < p.mines:
                        mine[c] = 1.0
                    else:
                        s.spare = c
                    break
                nth -= 1
    s.last = -1.0
    s.fit = choose(p.cells, p.mines)


@jit
def step(
    p: MinesweeperParams,
    near: Array,
    s: Minesweeper,
    mine: Array,
    shown: Array,
    risk: Array,
    action: Array,
    payoff: Array,
) -> bool:
    """One step; a mine ends the episode, and so does the last free cell."""
    cell = int(action[0])
    s.aux = 0.0
    if p.aux == AUX.oracle and is_safest(shown, risk, cell):
        s.aux = 1.0
    if shown[cell] != CLOSED:
        s.event = EVENT.was_open
        return False
    if s.opened == 0.0 and p.first_safe and mine[cell] != 0.0:  # 1
        mine[cell], mine[int(s.spare)] = 0.0, 1.0
    s.last = cell
    if mine[cell] != 0.0:  # 2
        s.event = EVENT.exploded
        return True
    shown[cell] = number(p, mine, cell)  # 3
    s.opened += 1.0
    before = s.fit
    if p.aux != AUX.none:
        s.fit = weigh(p.mines, near, shown, risk)
    if p.aux == AUX.belief_prob:
        s.aux = 1.0 / s.fit - 1.0 / before
    elif p.aux == AUX.belief_log:
        s.aux = math.log(before / s.fit)
    solved = s.opened == p.cells - p.mines  # 4
    s.event = EVENT.solved if solved else EVENT.opened
    payoff[0] = 1.0 if solved else 0.0
    return solved


@jit
def number(p: MinesweeperParams, mine: Array, cell: int) -> float:
    """Mines around a cell."""
    y, x = cell // p.size, cell % p.size
    found = 0.0
    for v in range(max(y - 1, 0), min(y + 2, p.size)):
        for u in range(max(x - 1, 0), min(x + 2, p.size)):
            found += mine[v * p.size + u]
    return found - mine[cell]


@jit
def is_safest(shown: Array, risk: Array, cell: int) -> bool:
    """Whether a cell is closed, and no closed one is mined with a smaller probability."""
    if shown[cell] != CLOSED:
        return False
    for c in range(shown.shape[0]):
        if shown[c] == CLOSED and risk[c] < risk[cell] - 1e-12:
            return False
    return True


@jit
def look(
    p: MinesweeperParams, near: Array, s: Minesweeper, mine: Array, shown: Array, risk: Array, view: Any, seen: Array
) -> None:
    """The numbers of all opened cells, or of the last one."""
    cells = p.cells
    if view.scope == SCOPE.minimal:
        last = int(s.last)
        for c in range(cells):
            seen[c] = 1.0 if c == last else 0.0
        seen[cells] = shown[last] / 8.0 if last >= 0 and shown[last] != CLOSED else 0.0
        see_clock(s, view, seen, cells + 1)
    else:
        for c in range(cells):
            seen[c] = 1.0 if shown[c] != CLOSED else 0.0
            seen[cells + c] = shown[c] / 8.0 if shown[c] != CLOSED else 0.0
        see_clock(s, view, seen, 2 * cells)


def named(params: MinesweeperParams, scope: str) -> list[str]:
    """Names of what is seen."""
    cells = [f"[{x},{y}]" for y in range(params.size) for x in range(params.size)]
    if scope == "minimal":
        return [*(f"opened last{c}" for c in cells), "number"]
    return [f"{thing}{c}" for thing in ("open", "number") for c in cells]


@jit
def opens(p: MinesweeperParams, near: Array, s: Minesweeper, mine: Array, shown: Array, risk: Array, k: int) -> bool:
    """Whether action k opens a cell that is closed."""
    return shown[k] == CLOSED


@jit
def progress(p: MinesweeperParams, near: Array, s: Minesweeper, mine: Array, shown: Array, risk: Array) -> float:
    """Share of the free cells that are open."""
    return s.opened / (p.cells - p.mines)


def posterior(params: MinesweeperParams, s: Minesweeper, mine: Array, shown: Array, risk: Array) -> Array:
    """Exact probability that each cell is mined, given what is shown: ``(size, size)``, 0 where it is open."""
    found = np.empty((params.size, params.size))
    weigh(params.mines, near_masks(params.size), shown, found.ravel())
    return found


def fitting(params: MinesweeperParams, s: Minesweeper, mine: Array, shown: Array, risk: Array) -> float:
    """Number of layouts that fit what is shown."""
    return float(weigh(params.mines, near_masks(params.size), shown, np.empty(params.cells)))


def oracle_action_set(params: MinesweeperParams, s: Minesweeper, mine: Array, shown: Array, risk: Array) -> Array:
    """Closed cells that are mined with the least probability, in order; all of them before the first opening."""
    closed = np.flatnonzero(shown < 0)
    of_closed = posterior(params, s, mine, shown, risk).ravel()[closed]
    least: Array = closed[of_closed <= of_closed.min() + 1e-12]
    return least


def optimum(params: MinesweeperParams, s: Minesweeper, mine: Array, shown: Array, risk: Array) -> tuple[float, int]:
    """Best chance to win from what is shown, and how many cells are to be opened for it.

    The chance is 0 where the steps that are left are too few, or the episode is over.

    Raises:
        ValueError: the board is too large to be solved.
    """
    steps = params.cells - params.mines - int((shown >= 0).sum())
    if s.over != 0 or steps > params.horizon - s.clock:
        return 0.0, steps
    return solver(params.size, params.mines, params.first_safe).chance(shown), steps


def policy(params: MinesweeperParams, s: Minesweeper, mine: Array, shown: Array, risk: Array) -> Any:
    """Cell that leaves the best chance to win, of equally good ones the first; beyond solved sizes the oracle's."""
    if not is_solved(params.size, params.mines):
        return oracle_action_set(params, s, mine, shown, risk)[:1]
    chances = solver(params.size, params.mines, params.first_safe).chances(shown)
    return np.argmax(chances >= chances.max() - 1e-12)


INK, GREY, PAPER, ORANGE = (40, 44, 52), (178, 184, 192), (250, 250, 247), (213, 94, 0)
INKS = ((0, 114, 178), (0, 130, 95), (190, 60, 40), (100, 60, 140), (130, 60, 20), (20, 120, 130), INK, INK)
TILE = 40  # pixels


def draw(params: MinesweeperParams, s: Minesweeper, mine: Array, shown: Array, risk: Array) -> Array:
    """The board: closed cells grey, opened ones light with their number, a mine that was hit a dark spot on orange."""
    colours = np.where((shown >= 0)[:, None], np.array(PAPER), np.array(GREY)).astype(np.uint8)
    exploded, last = int(s.event) == EVENT.exploded, int(s.last)
    if exploded:
        colours[last] = ORANGE
    picture = render.tiles(colours.reshape(params.size, params.size, 3), TILE)
    for cell in np.flatnonzero(shown > 0).tolist():
        y, x = divmod(cell, params.size)
        draw_digit(picture, y * TILE + 10, x * TILE + 14, 4, int(shown[cell]), INKS[int(shown[cell]) - 1])
    if exploded:
        y, x = divmod(last, params.size)
        down, right = (np.mgrid[:TILE, :TILE] + 0.5) / TILE - 0.5
        picture[y * TILE :, x * TILE :][:TILE, :TILE][np.hypot(down, right) < 0.25] = INK
    return picture


V0 = Game(
    "payoff/Minesweeper-v0",
    "Open every free cell by what the numbers say; each opening can be graded exactly.",
    tags=("reasoning", "sparse", "grid"),
    rules=Rules(
        params=MinesweeperParams,
        state=STATE,
        start=start,
        step=step,
        actions=lambda p: p.cells,
        mask=opens,
        tables=neighbours,
        alike=("size", "aux"),
    ),
    sight=sight(look, named),
    info={"aux": Each("aux"), "progress": progress, "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact_small",
        optimum=optimum,
        policy=policy,
        levels={"easy": {"size": 3, "mines": 2}, "medium": {"size": 4, "mines": 3}, "hard": {"size": 5, "mines": 3}},
        noisy=True,  # the mines are hidden: what a state returns is an expectation
    ),
)
