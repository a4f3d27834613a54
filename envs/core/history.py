"""The actions of the last rounds, in the state of a copy: a ring, in which each round overwrites the oldest one."""

from __future__ import annotations

from typing import Any

import numpy as np

from payoff.envs.core.jit import jit

__all__ = ["mean", "write"]

_LANES = 8


@jit
def write(history: Any, rounds: int, action: Any) -> None:
    """Write the actions ``(N,)`` of round number ``rounds``, from 1, into the ring ``(slots, N)``."""
    slot = (rounds - 1) % history.shape[0]
    for i in range(action.shape[0]):
        history[slot, i] = action[i]


@jit
def mean(history: Any, rounds: int, length: int, i: int, scale: float) -> float:
    """Mean action of seat i over the last ``length`` rounds, the last one written among them; 0 when ``length`` is 0.

    In float32, and added up in numpy's order (up to 128 rounds: eight interleaved sums, then pairwise), because the
    published code does it so; an average near 100 would be off by 1e-5 otherwise.

    Args:
        history: ``(slots, N)`` ring, see :func:`write`; it holds at least ``length`` rounds.
        rounds: rounds written so far, that is the number of the last one; at least ``length``.
        length: number of rounds averaged.
        i: seat.
        scale: what each action is divided by before the mean: 1, or the endowment for a mean rate a / e.
    """
    if length <= 0:
        return 0.0
    oldest = rounds - length
    blocks = length - length % _LANES
    total = np.float32(0.0)
    if blocks > 0:
        total = _four(history, oldest, blocks, i, scale, 0) + _four(history, oldest, blocks, i, scale, 4)
    for k in range(blocks, length):
        total += _rate(history, oldest + k, i, scale)
    return np.float64(total / np.float32(length))


@jit
def _rate(history: Any, k: int, i: int, scale: float) -> Any:
    """Action of seat i in round k, here counted from 0, divided by ``scale``; float32."""
    return np.float32(history[k % history.shape[0], i]) / np.float32(scale)


@jit
def _four(history: Any, oldest: int, blocks: int, i: int, scale: float, first: int) -> Any:
    """Sum of the lanes ``first`` to ``first + 3``, added in pairs."""
    left = _lane(history, oldest, blocks, i, scale, first) + _lane(history, oldest, blocks, i, scale, first + 1)
    right = _lane(history, oldest, blocks, i, scale, first + 2) + _lane(history, oldest, blocks, i, scale, first + 3)
    return left + right


@jit
def _lane(history: Any, oldest: int, blocks: int, i: int, scale: float, lane: int) -> Any:
    """Sum of every eighth round, from number ``lane`` of the ``blocks`` rounds that begin with ``oldest``; float32."""
    total = np.float32(0.0)
    for k in range(lane, blocks, _LANES):
        total += _rate(history, oldest + k, i, scale)
    return total
