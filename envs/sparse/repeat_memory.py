"""What a player of a repeating task can look back on: the last MOST entries of an episode.

They lie in a ring: an array in which entry n of the episode (from 0) is kept at n modulo MOST, in place of an older
one. An entry is a whole number above 0 that says what happened on one step; the game decides what a number means.
"""

from __future__ import annotations

from payoff.envs.core.jit import jit
from payoff.envs.core.state import Array

__all__ = ["MOST", "recall", "remember"]

MOST = 65  # entries kept


@jit
def remember(memory: Array, count: int, code: int) -> None:
    """Write the next entry into the ring.

    Args:
        memory: the ring, ``(MOST,)``.
        count: entries written before in this episode.
        code: a whole number above 0.
    """
    memory[count % MOST] = code


@jit
def recall(memory: Array, count: int, k: int) -> int:
    """The newest entry for k = 0, the one before it for k = 1, up to MOST - 1; 0 if the episode has no entry so old.

    Args:
        memory: the ring, ``(MOST,)``.
        count: entries written in this episode.
        k: how far back.
    """
    return int(memory[(count - 1 - k) % MOST]) if k < count else 0
