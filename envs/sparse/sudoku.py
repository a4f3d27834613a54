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
One seat; action c `size` + d - 1 writes digit d into cell c, counted row by row from the top left. `action_mask` leaves
out the cells that are full; a wrong digit it leaves to the seat, even with `wrong` = `refused`.

## Observations
In [0, 1].

- `full`: `size` planes of cells, one for each digit: where it stands.
- `private`, `minimal`: cells: the digit divided by `size`, 0 where blank.

## Rewards
1 on the step that fills the last cell, else 0. `aux` names an auxiliary reward, which is in
`info["aux"]` and never added to the reward:

- `none`: 0.
- `oracle`: 1 for a right digit in a blank cell, else 0.
- `checks`: how many of the 3 `size` rows, columns and boxes the step completes, as a share; 1 in all.

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
episode, uniformly random play, given enough steps, solves n blanks with probability `size` to the power of -n: a step
that changes anything is right with probability 1 / `size`.

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
from payoff.envs.core import rng
from payoff.envs.core.game import Each, Game, Listed, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_word
from payoff.envs.core.state import Array, Cells, Copy, State, real, whole
from payoff.envs.core.words import events, words
from payoff.envs.sparse.reasoning import SCOPE, SETTINGS, Observe, draw_digit, see_clock, sight
from payoff.envs.sparse.sudoku_bank import BANK, GIVEN

__all__ = ["BOXES", "SETTINGS", "V0", "Observe", "SudokuParams", "oracle_action_set"]

AUX = words("none", "oracle", "checks")
WRONG = words("ends", "refused")
LINE = words("row", "column", "box")
BOXES = {4: (2, 2), 6: (2, 3), 9: (3, 3)}  # size -> rows and columns of a box
LARGEST = 9  # cells along a side
CLUES = {4: 6, 6: 14, 9: 32}  # size -> cells given by default
EVENT = events(
    began="the episode began",
    wrote="wrote the right digit",
    completed="completed a row, column or box",
    solved="solved the puzzle",
    failed="wrote a wrong digit, which ended the episode",
    refused="was refused a wrong digit",
    full="chose a cell that was full already",
)


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
        check_word("wrong", self.wrong, WRONG._fields)
        check_word("aux", self.aux, AUX._fields)
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.size * self.size

    @property
    def given(self) -> int:
        """Number of cells given."""
        return CLUES[self.size] if self.clues is None else self.clues

    @property
    def height(self) -> int:
        """Rows of a box."""
        return BOXES[self.size][0]

    @property
    def width(self) -> int:
        """Columns of a box."""
        return BOXES[self.size][1]

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return 2 * self.cells if self.max_steps is None else self.max_steps


class Sudoku(Copy):
    """State of one puzzle, beside its grids."""

    blank: float = whole(0, lambda p: p.cells - p.given)  # cells left blank
    event: float = whole(0, EVENT)
    aux: float = real(0.0, 1.0)  # auxiliary reward of the last step


STATE = State(
    Sudoku,
    solution=Cells(lambda p: (p.cells,), whole(1, lambda p: p.size)),
    clue=Cells(lambda p: (p.cells,), whole(0, 1)),  # whether the cell was given
    grid=Cells(lambda p: (p.cells,), whole(0, lambda p: p.size)),  # 0 where blank
)


def banks(rows: Sequence[SudokuParams]) -> tuple[Array, ...]:
    """The bank of each copy's size, ``(P, K, 2, cells)`` int8: K puzzles (0 where blank) with their solutions."""
    return (np.stack([BANK[p.size] for p in rows]),)


@jit
def start(p: SudokuParams, bank: Array, s: Sudoku, solution: Array, clue: Array, grid: Array) -> None:
    """A puzzle of the bank, shuffled so that it stays one, and further clues from its solution."""
    base = rng.below(s, bank.shape[0])
    turned = p.height == p.width and rng.below(s, 2) == 1
    given = 0
    for c in range(p.cells):
        at = c % p.size * p.size + c // p.size if turned else c
        solution[at] = bank[base, 1, c]
        if bank[base, 0, c] > 0:
            clue[at] = 1.0
            given += 1
    shuffle_lines(p, s, solution, clue, p.height, p.size, 1)
    shuffle_lines(p, s, solution, clue, p.width, 1, p.size)
    relabel(p, s, solution)
    for i in range(given, p.given):
        nth = rng.below(s, p.cells - i)
        for c in range(p.cells):
            if clue[c] == 0.0:
                if nth == 0:
                    clue[c] = 1.0
                    break
                nth -= 1
    for c in range(p.cells):
        grid[c] = solution[c] * clue[c]
    s.blank = p.cells - p.given


@jit
def shuffle_lines(p: SudokuParams, s: Sudoku, solution: Array, clue: Array, thick: int, line: int, cell: int) -> None:
    """Shuffle the bands of ``thick`` lines that share boxes, and the lines of each band.

    ``line`` is the step from one line to the next in the list of cells, ``cell`` that along a line.
    """
    bands = p.size // thick
    for i in range(bands - 1, 0, -1):
        j = rng.below(s, i + 1)
        for k in range(thick):
            swap(p, solution, clue, (i * thick + k) * line, (j * thick + k) * line, cell)
    for band in range(bands):
        for i in range(thick - 1, 0, -1):
            swap(p, solution, clue, (band * thick + i) * line, (band * thick + rng.below(s, i + 1)) * line, cell)


@jit
def swap(p: SudokuParams, solution: Array, clue: Array, a: int, b: int, cell: int) -> None:
    """Swap the lines that begin in two cells."""
    for k in range(0, p.size * cell, cell):
        solution[a + k], solution[b + k] = solution[b + k], solution[a + k]
        clue[a + k], clue[b + k] = clue[b + k], clue[a + k]


@jit
def relabel(p: SudokuParams, s: Sudoku, solution: Array) -> None:
    """Shuffle the digits."""
    for i in range(p.size, 1, -1):
        j = 1 + rng.below(s, i)
        for c in range(p.cells):
            if solution[c] == i:
                solution[c] = j
            elif solution[c] == j:
                solution[c] = i


@jit
def step(
    p: SudokuParams, bank: Array, s: Sudoku, solution: Array, clue: Array, grid: Array, action: Array, payoff: Array
) -> bool:
    """One step; the episode ends with the puzzle solved, or with a wrong digit where that ends it."""
    chosen = int(action[0])
    cell, digit = chosen // p.size, chosen % p.size + 1
    s.aux = 0.0
    if grid[cell] != 0.0:  # 1
        s.event = EVENT.full
        return False
    if solution[cell] != digit:  # 2
        s.event = EVENT.failed if p.wrong == WRONG.ends else EVENT.refused
        return p.wrong == WRONG.ends
    grid[cell] = digit  # 3
    s.blank -= 1.0
    completed = completed_by(p, grid, cell)
    if p.aux == AUX.oracle:
        s.aux = 1.0
    elif p.aux == AUX.checks:
        s.aux = completed / (3.0 * p.size)
    solved = s.blank == 0.0  # 4
    s.event = EVENT.solved if solved else EVENT.completed if completed > 0 else EVENT.wrote
    payoff[0] = 1.0 if solved else 0.0
    return solved


@jit
def completed_by(p: SudokuParams, grid: Array, cell: int) -> int:
    """How many of the row, column and box of a cell are full."""
    y, x = cell // p.size, cell % p.size
    box = y // p.height * (p.size // p.width) + x // p.width
    return (
        int(is_complete(p, grid, LINE.row, y))
        + int(is_complete(p, grid, LINE.column, x))
        + int(is_complete(p, grid, LINE.box, box))
    )


@jit
def is_complete(p: SudokuParams, grid: Array, kind: int, line: int) -> bool:
    """Whether a row, column or box is full; what stands in the grid is always right."""
    for k in range(p.size):
        if kind == LINE.row:
            c = line * p.size + k
        elif kind == LINE.column:
            c = k * p.size + line
        else:
            across = p.size // p.width
            c = (line // across * p.height + k // p.width) * p.size + line % across * p.width + k % p.width
        if grid[c] == 0.0:
            return False
    return True


@jit
def look(
    p: SudokuParams, bank: Array, s: Sudoku, solution: Array, clue: Array, grid: Array, view: Any, seen: Array
) -> None:
    """The grid, as planes of one digit each or as numbers."""
    at = p.cells
    if view.scope == SCOPE.full:
        at *= p.size
        for k in range(at):
            seen[k] = 0.0
        for c in range(p.cells):
            digit = int(grid[c])
            if digit > 0:
                seen[(digit - 1) * p.cells + c] = 1.0
    else:
        for c in range(p.cells):
            seen[c] = grid[c] / p.size
    see_clock(s, view, seen, at)


def named(params: SudokuParams, scope: str) -> list[str]:
    """Names of what is seen."""
    cells = [f"[{x},{y}]" for y in range(params.size) for x in range(params.size)]
    things = [f"digit {d}" for d in range(1, params.size + 1)] if scope == "full" else ["digit"]
    return [thing + cell for thing in things for cell in cells]


@jit
def writes(p: SudokuParams, bank: Array, s: Sudoku, solution: Array, clue: Array, grid: Array, k: int) -> bool:
    """Whether action k writes into a cell that is not full."""
    return grid[k // p.size] == 0.0


@jit
def progress(p: SudokuParams, bank: Array, s: Sudoku, solution: Array, clue: Array, grid: Array) -> float:
    """Share of the blank cells that are filled."""
    return 1.0 - s.blank / (p.cells - p.given)


@jit
def check(p: SudokuParams, bank: Array, s: Sudoku, solution: Array, clue: Array, grid: Array, k: int) -> bool:
    """Whether a line is full: rows, columns, boxes, and then nothing that is not."""
    return k >= 3 * p.size or is_complete(p, grid, k // p.size, k % p.size)


def oracle_action_set(params: SudokuParams, s: Sudoku, solution: Array, clue: Array, grid: Array) -> Array:
    """Actions that write the solution's digit into a blank cell, in order."""
    blank = np.flatnonzero(grid == 0)
    return blank * params.size + solution[blank].astype(int) - 1


def optimum(params: SudokuParams, s: Sudoku, solution: Array, clue: Array, grid: Array) -> tuple[float, int]:
    """Best return from a state, and the number of blank cells.

    The return is 0 where more are blank than steps are left, or the episode is over.
    """
    blank = int(s.blank)
    return float(s.over == 0 and blank <= params.horizon - s.clock), blank


def policy(params: SudokuParams, s: Sudoku, solution: Array, clue: Array, grid: Array) -> Array:
    """The right digit of the first blank cell."""
    return oracle_action_set(params, s, solution, clue, grid)[:1]


PAPER, SHADE, INK, BLUE, RED = (250, 250, 247), (236, 236, 228), (40, 44, 52), (0, 114, 178), (213, 94, 0)
TILE = 36  # pixels


def draw(params: SudokuParams, s: Sudoku, solution: Array, clue: Array, grid: Array) -> Array:
    """The grid: boxes in two shades, clues dark, what was written blue; framed orange when a wrong digit ended it."""
    y, x = np.indices((params.size, params.size))
    shaded = (y // params.height + x // params.width) % 2 == 1
    picture = render.tiles(np.where(shaded[..., None], SHADE, PAPER).astype(np.uint8), TILE)
    for cell in np.flatnonzero(grid).tolist():
        top, left = (TILE * k for k in divmod(cell, params.size))
        draw_digit(picture, top + 8, left + 12, 4, int(grid[cell]), INK if clue[cell] else BLUE)
    if int(s.event) == EVENT.failed:
        picture[:4] = picture[-4:] = picture[:, :4] = picture[:, -4:] = RED
    return picture


V0 = Game(
    "payoff/Sudoku-v0",
    "Fill the grid with the one solution that its clues leave; each digit is right or wrong.",
    tags=("reasoning", "sparse", "grid"),
    rules=Rules(
        params=SudokuParams,
        state=STATE,
        start=start,
        step=step,
        actions=lambda p: p.cells * p.size,
        mask=writes,
        tables=banks,
        alike=("size",),
    ),
    sight=sight(look, named),
    info={"aux": Each("aux"), "progress": progress, "caption": EVENT, "checks": Listed(check, 3 * LARGEST, flag=True)},
    draw=draw,
    theory=Theory(
        "exact",
        optimum=optimum,
        policy=policy,
        levels={"easy": {"size": 4, "clues": 12}, "medium": {"size": 4, "clues": 6}, "hard": {"size": 9, "clues": 32}},
    ),
)
