"""The state of a game: one row of float64 a copy, header first, so that a snapshot is a copy of an array.

Every row starts with the same five columns. Whole numbers below 2**53 are exact in float64, so the clock, the random
key and its counter live beside the rest.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CLOCK",
    "COUNTER",
    "EPISODE",
    "HEADER",
    "KEY",
    "NEVER",
    "OVER",
    "TERMINATED",
    "TRUNCATED",
    "Array",
    "Layout",
]

Array: TypeAlias = NDArray[Any]

CLOCK = 0  # steps taken in this episode
KEY = 1  # random key of the copy, from its seed
EPISODE = 2  # episodes started since that seed
COUNTER = 3  # draws taken in this episode
OVER = 4  # 0 while running, NEVER before the first episode, else the sum of TERMINATED and TRUNCATED
HEADER = 5

NEVER = -2.0
TERMINATED = 1
TRUNCATED = 2


class Layout:
    """Names the columns of a state row.

    Args:
        fields: name -> shape of one copy's field, in the order of the columns after the header.
    """

    def __init__(self, **fields: tuple[int, ...]) -> None:
        self.shapes = fields
        self._start: dict[str, int] = {}
        at = HEADER
        for name, shape in fields.items():
            self._start[name] = at
            at += int(np.prod(shape))
        self.size = at

    def __contains__(self, name: str) -> bool:
        return name in self._start

    def at(self, name: str) -> int:
        """First column of a field, or -1 when the game has no such field."""
        return self._start.get(name, -1)

    def view(self, state: Array, name: str) -> Array:
        """The field in all copies, ``(B, *shape)``: a view, writing to it writes to the state."""
        start = self._start[name]
        shape = self.shapes[name]
        return state[:, start : start + int(np.prod(shape))].reshape(len(state), *shape)
