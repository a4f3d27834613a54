"""Minimal drawers: a state as an RGB picture, with numpy alone."""

from __future__ import annotations

import numpy as np

from payoff.envs.core.state import Array

__all__ = ["shares_and_trust", "tiles"]

INK = (40, 44, 52)
PAPER = (250, 250, 247)
BAR = (0, 114, 178)
BAR_FRAME = (205, 205, 200)
_SIDE = 240  # pixels of the square panels


def _canvas(height: int, width: int) -> Array:
    return np.full((height, width, 3), PAPER, dtype=np.uint8)


def _fill(picture: Array, top: float, left: float, bottom: float, right: float, colour: tuple[int, ...]) -> None:
    picture[round(top) : round(bottom), round(left) : round(right)] = colour


def shares_and_trust(shares: Array, trust: Array) -> Array:
    """Left: one bar a seat, its last action as a share of the endowment. Right: trust of row in column, dark is high.

    Args:
        shares: ``(N,)`` in [0, 1].
        trust: ``(N, N)`` in [0, 1].

    Returns:
        ``(H, W, 3)`` uint8.
    """
    n = len(shares)
    margin = 16
    picture = _canvas(_SIDE + 2 * margin, 2 * _SIDE + 3 * margin)
    step = _SIDE / n
    for i, share in enumerate(shares):
        left = margin + i * step
        _fill(picture, margin, left + 0.1 * step, margin + _SIDE, left + 0.9 * step, BAR_FRAME)
        top = margin + _SIDE * (1 - float(share))
        _fill(picture, top, left + 0.1 * step, margin + _SIDE, left + 0.9 * step, BAR)
    left = 2 * margin + _SIDE
    for i in range(n):
        for j in range(n):
            level = float(np.clip(trust[i, j], 0.0, 1.0))
            shade = INK if i == j else tuple(int(p + level * (b - p)) for p, b in zip(PAPER, BAR, strict=True))
            gap = max(1.0, 0.02 * step)
            _fill(
                picture,
                margin + i * step + gap,
                left + j * step + gap,
                margin + (i + 1) * step - gap,
                left + (j + 1) * step - gap,
                shade,
            )
    return picture


def tiles(colours: Array, size: int = 32) -> Array:
    """A grid of coloured tiles with thin lines between them.

    Args:
        colours: ``(rows, columns, 3)`` uint8, one colour a tile.
        size: pixels a tile.

    Returns:
        ``(rows * size, columns * size, 3)`` uint8.
    """
    picture = np.repeat(np.repeat(colours, size, axis=0), size, axis=1).astype(np.uint8)
    picture[::size, :] = BAR_FRAME
    picture[:, ::size] = BAR_FRAME
    return picture
