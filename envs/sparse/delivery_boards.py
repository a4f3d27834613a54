"""Boards of Delivery: what their cells hold, the given one, and how others are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from payoff.envs.core import rng
from payoff.envs.core.jit import jit
from payoff.envs.core.state import Array
from payoff.envs.core.words import words

if TYPE_CHECKING:
    from payoff.envs.sparse.delivery import Delivery, DeliveryParams

__all__ = [
    "BRICK",
    "CODES",
    "DEFAULT_BOARD",
    "LONGEST_SIDE",
    "MARK",
    "RISKY",
    "THING",
    "Board",
    "check_board",
    "draw_board",
    "mark_reachable",
    "passable",
]

Board = tuple[str, ...] | tuple[tuple[int, ...], ...]

CODES = ".GHSCR,ghscr?"  # what a cell holds on road, the same on brick, and a risky cell
THING = words("road", "goal", "house", "sheep", "coin", "roadblock")
BRICK = len(THING)  # added to the code of what lies on brick
RISKY = 2 * BRICK
LONGEST_SIDE = 15
MARK = 16  # added to a code while a board is searched

DEFAULT_BOARD = (
    ",,,....C..",
    ".H,S.R..H.",
    "..,.H...S.",
    "C.,..SS...",
    "..c...R..C",
    "..,...,,,,",
    ".Sr.S.,.H.",
    "..,.R.,...",
    "g,,.C.,S.R",
    "....,,,..C",
)
STARTS = ".CR,cr"


def check_board(board: Any) -> None:
    """Raise ValueError unless ``board`` is None or a board that can be played."""
    if board is None:
        return
    allowed = f"must be a tuple of 2 .. {LONGEST_SIDE} rows of equal length (2 .. {LONGEST_SIDE}), texts of {CODES!r}"
    fault = f"board {allowed} or tuples of codes 0 .. {len(CODES) - 1}, got {board!r}"
    if not isinstance(board, tuple) or not 2 <= len(board) <= LONGEST_SIDE:
        raise ValueError(fault)
    for line in board:
        if not isinstance(line, str | tuple) or len(line) != len(board[0]) or not 2 <= len(line) <= LONGEST_SIDE:
            raise ValueError(fault)
        if isinstance(line, str):
            good = all(c in CODES for c in line)
        else:
            good = all(type(c) is int and 0 <= c < len(CODES) for c in line)
        if not good:
            raise ValueError(fault)
    cells = {c if isinstance(c, str) else CODES[c] for line in board for c in line}
    if not cells & set("Gg") or not cells & set(STARTS):
        raise ValueError(f"board must hold a goal and a cell to start in, got {board!r}")


@jit
def draw_board(p: DeliveryParams, s: Delivery, board: Array) -> int:
    """Goal, then every other cell: sheep, risky, roadblock or coin, each of what is left, and its surface.

    Returns:
        The goal's cell.
    """
    cells = p.rows * p.columns
    goal = rng.below(s, cells)
    for c in range(cells):
        u = rng.uniform(s)
        if c == goal:
            code = THING.goal
        elif u < p.sheep:
            code = THING.sheep
        elif u < p.sheep + p.risky:
            code = RISKY
        elif rng.uniform(s) < p.roadblocks:
            code = THING.roadblock
        else:
            code = THING.coin if rng.uniform(s) < p.coins else THING.road
        if code != RISKY and rng.uniform(s) < p.bricks:
            code += BRICK
        board[c] = code
    return goal


@jit
def mark_reachable(p: DeliveryParams, goal: int, board: Array) -> int:
    """Mark the cells from which the goal can be reached; returns their number."""
    rows, columns = p.rows, p.columns
    found, before = 0, -1
    while found != before:
        before = found
        for c in range(rows * columns):
            if not passable(int(board[c])):
                continue
            y, x = c // columns, c % columns
            near = (
                (y > 0 and (board[c - columns] >= MARK or c - columns == goal))
                or (y < rows - 1 and (board[c + columns] >= MARK or c + columns == goal))
                or (x > 0 and (board[c - 1] >= MARK or c - 1 == goal))
                or (x < columns - 1 and (board[c + 1] >= MARK or c + 1 == goal))
            )
            if near:
                board[c] += MARK
                found += 1
    return found


@jit
def passable(code: int) -> bool:
    """Whether a cell can be entered without ending the episode; not of a marked one."""
    kind = code % BRICK
    return code < RISKY and (kind == THING.road or kind == THING.coin or kind == THING.roadblock)
