"""Pictures of board games: tiles, and the seat as a disc."""

from __future__ import annotations

import numpy as np

from payoff.envs import render
from payoff.envs.core.state import Array

__all__ = ["DANGER", "FLOOR", "GOAL", "KEY", "LURE", "MARKER", "SEAT", "WALL", "board", "tile_side"]

FLOOR, WALL, SEAT, MARKER = (250, 250, 247), (90, 96, 106), (0, 114, 178), (250, 250, 247)
GOAL, LURE, DANGER, KEY = (0, 158, 115), (204, 121, 167), (213, 94, 0), (230, 159, 0)


def tile_side(shape: tuple[int, ...]) -> int:
    """Pixels along a tile of a board of so many rows and columns."""
    return int(np.clip(640 // max(shape[:2]), 10, 40))


def board(colours: Array, seat: tuple[int, int] | None, marked: bool = False) -> Array:
    """Tiles with the seat as a disc, which holds a spot when it is ``marked``.

    Args:
        colours: ``(rows, columns, 3)`` uint8.
        seat: row and column of the seat; None where it is nowhere.
        marked: whether the spot is drawn.

    Returns:
        ``(H, W, 3)`` uint8, about 640 pixels wide or high.
    """
    side = tile_side(colours.shape)
    picture = render.tiles(colours, side)
    if seat is not None:
        down, right = (np.mgrid[:side, :side] + 0.5) / side - 0.5
        tile = picture[seat[0] * side : (seat[0] + 1) * side, seat[1] * side : (seat[1] + 1) * side]
        tile[np.hypot(down, right) < 0.34] = SEAT
        if marked:
            tile[np.hypot(down, right) < 0.14] = MARKER
    return picture
