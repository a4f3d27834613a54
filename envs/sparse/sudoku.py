"""Sudoku: fill the grid with the one solution that its clues leave; nothing is paid before the last cell.

## Model
A grid of `size` x `size` cells holds the digits 1 .. `size`, each once in every row, column and box. Boxes are 2 x 2
cells at size 4, 2 rows x 3 columns at size 6 and 3 x 3 at size 9. `clues` cells are given, and leave one solution. A
step writes a digit into a cell:

1. a full cell, given or written, stays as it is, and nothing else happens;
2. a digit other than the solution's is wrong, even where no rule forbids it yet: with `wrong` = `ends` the episode is
   over, with `refused` nothing changes;
3. the solution's digit stays;
4. the last blank cell solves the puzzle.

## Players and actions
One seat; action c `size` + d - 1 writes digit d into cell c, counted row by row from the top left.

## Observations
In [0, 1].

- `full`: `size` planes of cells, one for each digit: where it stands.
- `private`, `minimal`: cells: the digit over `size`, 0 where blank.

## Rewards
1 on the step that fills the last cell, else 0. `aux` names an auxiliary reward, which is in
`info["reward_terms"]["aux"]` and part of no reward:

- `none`: 0.
- `oracle`: 1 for a right digit in a blank cell, else 0.
- `checks`: how many of the 3 `size` rows, columns and boxes the step completes, over their number; 1 in all.

`info["checks"]` says which rows, columns and boxes are complete, in this order. It has 27 entries; those beyond
3 `size` are True.

## Starting state
One of twelve puzzles of each size is drawn from the copy's own stream and shuffled: transposed or not (where boxes are
square), bands of rows that share boxes, rows within a band, likewise columns, and digits. Then further cells of its
solution are given, drawn one after the other, until there are `clues`. None of this can add a solution.

## Episode end
Terminated when solved, or by a wrong digit where `wrong` is `ends`; truncated after `max_steps`.

## Theory
The clues decide the solution, so a step is right or wrong beyond doubt: `oracle_action_set` are the right digits of
all blank cells. The optimal return is 1 while no more cells are blank than steps are left. Where a wrong digit ends the
episode, uniformly random play with time enough solves n blanks with probability `size` to the power of -n: a step that
changes anything is right with probability 1 / `size`.

That each puzzle of the bank has one solution is proved by a solver in the tests. The game is the well-known one;
grading each digit by agreement with the solution follows published work on verifiable process rewards, known here only
from its summary.

## Parameters
`size` 4, or 6 or 9; `clues` None, which is 6, 14 and 32 at these sizes, at least 4, 8 and 24 and at most all cells but
one; `wrong` `"ends"`; `aux` `"none"`; `max_steps` None, which is twice the number of cells.

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
from payoff.envs.core.params import Params, check_integer, check_word
from payoff.envs.core.state import CLOCK, OVER, Array
from payoff.envs.sparse import sudoku_kernels as kernels
from payoff.envs.sparse.reasoning import SETTINGS, Observe, draw_digit, same_in_all, seen, setting_of
from payoff.envs.sparse.sudoku_bank import BANK, GIVEN

__all__ = ["BOXES", "V0", "Observe", "SudokuParams", "oracle_action_set"]

BOXES = {4: (2, 2), 6: (2, 3), 9: (3, 3)}  # size -> rows and columns of a box
_CLUES = {4: 6, 6: 14, 9: 32}


@dataclass(frozen=True, slots=True, kw_only=True)
class SudokuParams(Params):
    """Keywords of Sudoku-v0."""

    size: int = 4  # cells along a side
    clues: int | None = None  # cells given; None: 6, 14 or 32, by size
    wrong: Literal["ends", "refused"] = "ends"  # what a wrong digit does
    aux: Literal["none", "oracle", "checks"] = "none"  # auxiliary reward
    max_steps: int | None = None  # None: twice the number of cells

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("size", self.size, min(BOXES), max(BOXES))
        if self.size not in BOXES:
            raise ValueError(f"size must be one of {', '.join(map(str, BOXES))}, got {self.size!r}")
        if self.clues is not None:
            check_integer("clues", self.clues, GIVEN[self.size], self.cells - 1)
        check_word("wrong", self.wrong, kernels.WRONG)
        check_word("aux", self.aux, kernels.AUX)
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.size * self.size

    @property
    def given(self) -> int:
        """Number of cells given."""
        return _CLUES[self.size] if self.clues is None else self.clues

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return 2 * self.cells if self.max_steps is None else self.max_steps


def plan(rows: Sequence[SudokuParams], seats: Sequence[int], setting: Any) -> ObservationPlan:
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
    size = rows[0].size
    cells = [f"[{x},{y}]" for y in range(size) for x in range(size)]
    if setting.scope == "full":
        names = [f"digit {d}{c}" for d in range(1, size + 1) for c in cells]
    else:
        names = [f"digit{c}" for c in cells]
    names += ["clock"] if setting.clock else []
    return ObservationPlan(seen(rows, setting, size * size, size), tuple(names), sees_actions=False)


def pack(rows: Sequence[SudokuParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them.

    Raises:
        ValueError: copies of a batch differ in ``size``, which decides the state row.
    """
    same_in_all(rows, "size")
    numbers = [
        (
            p.size,
            p.cells,
            *BOXES[p.size],
            len(BANK[p.size]),
            GIVEN[p.size],
            p.given,
            kernels.WRONG.index(p.wrong),
            kernels.AUX.index(p.aux),
        )
        for p in rows
    ]
    return np.array(numbers, dtype=kernels.NUMBERS), np.stack([BANK[p.size] for p in rows])


def _grids(params: SudokuParams, row: Array) -> tuple[Array, Array]:
    """Solution and grid, ``(cells,)`` each."""
    layout = kernels.layout(params.size)
    return layout.view(row[None], "solution")[0].astype(int), layout.view(row[None], "grid")[0].astype(int)


def oracle_action_set(params: SudokuParams, row: Array) -> Array:
    """Actions that write the solution's digit into a blank cell, in order."""
    solution, grid = _grids(params, row)
    blank = np.flatnonzero(grid == 0)
    return blank * params.size + solution[blank] - 1


def optimum(params: SudokuParams, row: Array) -> tuple[float, int]:
    """Best return from a state, and the number of blank cells.

    The return is 0 where more are blank than steps are left, or the episode is over.
    """
    blank = int(row[kernels.layout(params.size).at("blank")])
    return float(row[OVER] == 0 and blank <= params.horizon - row[CLOCK]), blank


def policy(params: SudokuParams, row: Array) -> Array:
    """The right digit of the first blank cell."""
    return oracle_action_set(params, row)[:1].astype(np.float64)


PAPER, SHADE, INK, BLUE, RED = (250, 250, 247), (236, 236, 228), (40, 44, 52), (0, 114, 178), (213, 94, 0)
_TILE = 36  # pixels


def frame(params: SudokuParams, row: Array, shape: Shape) -> Array:
    """The grid: boxes in two shades, clues dark, what was written blue; framed orange when a wrong digit ended it.

    Returns:
        ``(36 size, 36 size, 3)`` uint8.
    """
    size, (height, width) = params.size, BOXES[params.size]
    y, x = np.indices((size, size))
    shaded = (y // height + x // width) % 2 == 1
    picture = render.tiles(np.where(shaded[..., None], SHADE, PAPER).astype(np.uint8), _TILE)
    _, grid = _grids(params, row)
    clue = shape.layout.view(row[None], "clue")[0] != 0
    for cell in np.flatnonzero(grid).tolist():
        top, left = (_TILE * k for k in divmod(cell, size))
        draw_digit(picture, top + 8, left + 12, 4, int(grid[cell]), INK if clue[cell] else BLUE)
    if int(shape.layout.view(row[None], "event")[0]) == kernels.FAILED:
        picture[:4] = picture[-4:] = picture[:, :4] = picture[:, -4:] = RED
    return picture


V0 = Game(
    id="payoff/Sudoku-v0",
    params=SudokuParams,
    doc=__doc__,
    kernels=kernels.KERNELS,
    shape=lambda p: Shape(1, 1, p.cells * p.size, kernels.layout(p.size), p.horizon),
    pack=pack,
    bounds=lambda p: np.array([[[0.0, p.cells * p.size - 1.0]]]),
    baseline=lambda p: np.zeros(1),
    dependence=lambda p: np.zeros((1, 1)),
    plan=plan,
    frame=frame,
    observations=tuple(SETTINGS),
    readouts=(
        Readout("aux", True),
        Readout("progress", False),
        Readout("caption", False),
        Readout("checks", False, size=3 * kernels.LARGEST, flag=True),
    ),
    captions=kernels.CAPTIONS,
    optimum=optimum,
    optimum_kind="exact",
    policy=policy,
    success=paid,
    levels={"easy": {"size": 4, "clues": 12}, "medium": {"size": 4, "clues": 6}, "hard": {"size": 9, "clues": 32}},
)
