"""The four directions of a grid, clockwise; x grows to the right, y downwards."""

from __future__ import annotations

from payoff.envs.core.jit import jit
from payoff.envs.core.words import words

__all__ = ["DIRECTION", "offset", "x_of", "y_of"]

DIRECTION = words("right", "down", "left", "up")


@jit
def x_of(direction: int) -> int:
    """Columns to the right that a move in a direction goes."""
    return 1 - direction if direction % 2 == 0 else 0


@jit
def y_of(direction: int) -> int:
    """Rows down that a move in a direction goes."""
    return 2 - direction if direction % 2 == 1 else 0


@jit
def offset(cells: int) -> float:
    """So many cells one way or the other as a number in (0, 1); 0.5 is none."""
    return 0.5 + 0.5 * cells / (1 + abs(cells))
