"""What a player of a repeating task can look back on: the last entries of an episode, in a ring of state columns."""

from __future__ import annotations

from payoff.envs.core.jit import jit

__all__ = ["MOST", "recall", "remember"]

MOST = 65  # entries kept


@jit
def remember(row, at, count, code):
    """Keep an entry.

    Args:
        row: ``(S,)`` state, modified in place.
        at: first column of the ring, a field of shape ``(MOST,)``.
        count: entries kept before in this episode.
        code: a whole number above 0.
    """
    row[at + count % MOST] = code


@jit
def recall(row, at, count, k):
    """The newest entry for k = 0, the one before for 1, up to MOST - 1; 0 where the episode is younger.

    Args:
        row: ``(S,)`` state.
        at: first column of the ring.
        count: entries kept in this episode.
        k: how far back.
    """
    return int(row[at + (count - 1 - k) % MOST]) if k < count else 0
