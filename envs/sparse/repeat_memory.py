"""What a player of a repeating task can look back on: the last entries of an episode, in a ring."""

from __future__ import annotations

from payoff.envs.core.jit import jit
from payoff.envs.core.state import Array

__all__ = ["MOST", "recall", "remember"]

MOST = 65  # entries kept


@jit
def remember(memory: Array, count: int, code: int) -> None:
    """Keep an entry.

    Args:
        memory: the ring, ``(MOST,)``.
        count: entries kept before in this episode.
        code: a whole number above 0.
    """
    memory[count % MOST] = code


@jit
def recall(memory: Array, count: int, k: int) -> int:
    """The newest entry for k = 0, the one before for 1, up to MOST - 1; 0 where the episode is younger.

    Args:
        memory: the ring, ``(MOST,)``.
        count: entries kept in this episode.
        k: how far back.
    """
    return int(memory[(count - 1 - k) % MOST]) if k < count else 0
