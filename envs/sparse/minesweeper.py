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
One seat; action c opens cell c, counted row by row from the top left.

## Observations
In [0, 1]. The mines are never shown.

- `full`, `private`: 2 cells: whether each is open; the number that it shows over 8, 0 where it is closed.
- `minimal`: cells + 1: the cell opened last, one-hot; the number that it shows over 8. What was seen before has to be
  remembered.

## Rewards
1 on the step that opens the last free cell, else 0. `aux` names an auxiliary reward, which is in
`info["reward_terms"]["aux"]` and part of no reward; N is the number of layouts that fit what is shown.

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

From the first opening on, uniformly random play with time enough opens the other cells in random order, and wins with
probability 1 over the number of ways to choose `mines` of them: 1/2024 with 3 on 5 x 5. The horizon lowers it further.

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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs import render
from payoff.envs.core.game import Game, ObservationPlan, Readout, Shape, paid
from payoff.envs.core.params import Params, check_flag, check_integer, check_word
from payoff.envs.core.state import CLOCK, OVER, Array
from payoff.envs.sparse import minesweeper_kernels as kernels
from payoff.envs.sparse.minesweeper_solver import is_solved, near_masks, solver
from payoff.envs.sparse.reasoning import SETTINGS, Observe, draw_digit, same_in_all, seen, setting_of

__all__ = ["V0", "MinesweeperParams", "Observe", "oracle_action_set", "posterior"]


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
        check_word("aux", self.aux, kernels.AUX)
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.size * self.size

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return self.cells if self.max_steps is None else self.max_steps


def plan(rows: Sequence[MinesweeperParams], seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan, the same for every seat that is looked at: there is one.

    Args:
        rows: parameters of each copy, or one for all.
        seats: ``[0]``.
        setting: a name of SETTINGS or an :class:`Observe`.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor an Observe.
    """
    setting = setting_of(setting)
    side = range(rows[0].size)
    cells = [f"[{x},{y}]" for y in side for x in side]
    if setting.scope == "minimal":
        names = [*(f"opened last{c}" for c in cells), "number"]
    else:
        names = [f"{thing}{c}" for thing in ("open", "number") for c in cells]
    names += ["clock"] if setting.clock else []
    return ObservationPlan(seen(rows, setting, rows[0].cells), tuple(names), sees_actions=False)


def pack(rows: Sequence[MinesweeperParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them.

    Raises:
        ValueError: copies of a batch differ in ``size`` and ``aux``, which decide the state row.
    """
    same_in_all(rows, "size", "aux")
    numbers = [(p.size, p.cells, p.mines, int(p.first_safe), kernels.AUX.index(p.aux)) for p in rows]
    return np.array(numbers, dtype=kernels.NUMBERS), np.stack([near_masks(p.size) for p in rows])


def _shown(params: MinesweeperParams, row: Array) -> Array:
    """Numbers of the opened cells, -1 where closed: ``(cells,)``."""
    shown: Array = kernels.layout(params.size, params.aux).view(row[None], "shown")[0]
    return shown


def posterior(params: MinesweeperParams, row: Array) -> Array:
    """Exact probability that each cell is mined, given what is shown: ``(size, size)``, 0 where it is open."""
    numbers, near = pack([params])
    found = np.zeros(params.cells)
    kernels.posterior_row(numbers[0], near[0], row, found)
    return found.reshape(params.size, params.size)


def oracle_action_set(params: MinesweeperParams, row: Array) -> Array:
    """Closed cells that are mined with the least probability, in order; all of them before the first opening."""
    closed = np.flatnonzero(_shown(params, row) < 0)
    risk = posterior(params, row).ravel()[closed]
    least: Array = closed[risk <= risk.min() + 1e-12]
    return least


def optimum(params: MinesweeperParams, row: Array) -> tuple[float, int]:
    """Best chance to win from what is shown, and how many cells are to be opened for it.

    The chance is 0 where the steps that are left are too few, or the episode is over.

    Raises:
        ValueError: the board is too large to be solved.
    """
    opened = int((_shown(params, row) >= 0).sum())
    steps = params.cells - params.mines - opened
    if row[OVER] != 0 or steps > params.horizon - row[CLOCK]:
        return 0.0, steps
    return solver(params.size, params.mines, params.first_safe).chance(_shown(params, row)), steps


def policy(params: MinesweeperParams, row: Array) -> Array:
    """Cell that leaves the best chance to win, of equally good ones the first; beyond solved sizes the oracle's."""
    if not is_solved(params.size, params.mines):
        return oracle_action_set(params, row)[:1].astype(np.float64)
    chances = solver(params.size, params.mines, params.first_safe).chances(_shown(params, row))
    return np.array([np.argmax(chances >= chances.max() - 1e-12)], dtype=np.float64)


INK, CLOSED, OPEN, MINE = (40, 44, 52), (178, 184, 192), (250, 250, 247), (213, 94, 0)
INKS = ((0, 114, 178), (0, 130, 95), (190, 60, 40), (100, 60, 140), (130, 60, 20), (20, 120, 130), INK, INK)
_TILE = 40  # pixels


def frame(params: MinesweeperParams, row: Array, shape: Shape) -> Array:
    """The board: closed cells grey, opened ones light with their number, the mine that was hit a dark spot on orange.

    Returns:
        ``(40 size, 40 size, 3)`` uint8.
    """
    shown = _shown(params, row)
    colours = np.where((shown >= 0)[:, None], np.array(OPEN), np.array(CLOSED)).astype(np.uint8)
    exploded = int(shape.layout.view(row[None], "event")[0]) == kernels.EXPLODED
    last = int(shape.layout.view(row[None], "last")[0])
    if exploded:
        colours[last] = MINE
    picture = render.tiles(colours.reshape(params.size, params.size, 3), _TILE)
    for cell in np.flatnonzero(shown > 0).tolist():
        y, x = divmod(cell, params.size)
        number = int(shown[cell])
        draw_digit(picture, y * _TILE + 10, x * _TILE + 14, 4, number, INKS[number - 1])
    if exploded:
        y, x = divmod(last, params.size)
        down, right = (np.mgrid[:_TILE, :_TILE] + 0.5) / _TILE - 0.5
        picture[y * _TILE :, x * _TILE :][:_TILE, :_TILE][np.hypot(down, right) < 0.25] = INK
    return picture


V0 = Game(
    id="payoff/Minesweeper-v0",
    params=MinesweeperParams,
    doc=__doc__,
    kernels=kernels.KERNELS,
    shape=lambda p: Shape(1, 1, p.cells, kernels.layout(p.size, p.aux), p.horizon),
    pack=pack,
    bounds=lambda p: np.array([[[0.0, p.cells - 1.0]]]),
    baseline=lambda p: np.zeros(1),
    dependence=lambda p: np.zeros((1, 1)),
    plan=plan,
    frame=frame,
    observations=tuple(SETTINGS),
    readouts=(Readout("aux", True), Readout("progress", False), Readout("caption", False)),
    captions=kernels.CAPTIONS,
    noisy=True,  # the mines are hidden: what a state row returns is an expectation
    optimum=optimum,
    optimum_kind="exact_small",
    policy=policy,
    success=paid,
    levels={"easy": {"size": 3, "mines": 2}, "medium": {"size": 4, "mines": 3}, "hard": {"size": 5, "mines": 3}},
)
