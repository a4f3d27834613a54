"""A ring of past rounds inside the state row, for windows and memories."""

from __future__ import annotations

import numpy as np

from payoff.envs.core.jit import jit

__all__ = ["mean", "write"]

_LANES = 8


@jit
def write(history, slots, rounds, action):
    """Write round ``rounds`` (counted from 1) of ``action`` ``(N, A)`` into the ring ``(slots * N,)``."""
    n = action.shape[0]
    for i in range(n):
        history[((rounds - 1) % slots) * n + i] = action[i, 0]


@jit
def mean(history, slots, rounds, length, n, i, scale):
    """Mean action of seat i over the last ``length`` of ``rounds`` written rounds; 0 when ``length`` is 0.

    In float32 and in numpy's order of summation (up to 128 rounds: eight interleaved sums, then pairwise), because the
    published code takes it so, and an average of 100 is off by 1e-5 otherwise.

    Args:
        history: ``(slots * N,)`` ring, see :func:`write`.
        slots: rounds it holds, at least ``length``.
        rounds: rounds written so far, at least ``length``.
        length: rounds averaged.
        n: number of seats N.
        i: seat.
        scale: what each action is divided by first: 1, or the endowment for a mean rate.
    """
    if length <= 0:
        return 0.0
    oldest = rounds - length
    blocks = length - length % _LANES
    total = np.float32(0.0)
    if blocks > 0:
        total = _four(history, slots, oldest, blocks, n, i, scale, 0) + _four(
            history, slots, oldest, blocks, n, i, scale, 4
        )
    for k in range(blocks, length):
        total += np.float32(history[((oldest + k) % slots) * n + i]) / np.float32(scale)
    return np.float64(total / np.float32(length))


@jit
def _four(history, slots, oldest, blocks, n, i, scale, first):
    """Lanes ``first`` to ``first + 3``, added in pairs."""
    left = _lane(history, slots, oldest, blocks, n, i, scale, first) + _lane(
        history, slots, oldest, blocks, n, i, scale, first + 1
    )
    return left + (
        _lane(history, slots, oldest, blocks, n, i, scale, first + 2)
        + _lane(history, slots, oldest, blocks, n, i, scale, first + 3)
    )


@jit
def _lane(history, slots, oldest, blocks, n, i, scale, lane):
    """Sum of every eighth of the ``blocks`` rounds from ``oldest`` on, beginning with ``lane``; float32."""
    total = np.float32(0.0)
    for k in range(lane, blocks, _LANES):
        total += np.float32(history[((oldest + k) % slots) * n + i]) / np.float32(scale)
    return total
