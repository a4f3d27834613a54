"""A ring of past rounds inside the state row, for windows and memories."""

from __future__ import annotations

import numpy as np

from payoff.envs.core.jit import jit

__all__ = ["mean", "write"]


@jit
def write(history, slots, rounds, action):
    """Write round ``rounds`` (counted from 1) of ``action`` ``(N, A)`` into the ring ``(slots * N,)``."""
    n = action.shape[0]
    for i in range(n):
        history[((rounds - 1) % slots) * n + i] = action[i, 0]


@jit
def mean(history, slots, rounds, length, n, i):
    """Mean action of seat i over the last ``length`` of ``rounds`` written rounds; 0 when ``length`` is 0.

    Args:
        history: ``(slots * N,)`` ring, see :func:`write`.
        slots: rounds it holds, at least ``length``.
        rounds: rounds written so far, at least ``length``.
        length: rounds averaged.
        n: number of seats N.
        i: seat.
    """
    if length <= 0:
        return 0.0
    total = np.float32(0.0)  # float32, oldest round first: as the published code averages its float32 actions
    for back in range(length - 1, -1, -1):
        total += np.float32(history[((rounds - 1 - back) % slots) * n + i])
    return np.float64(total / np.float32(length))
