"""What transforms of finished episodes share: entries of a batch, checked, and means over start groups."""

from __future__ import annotations

from typing import Any

import numpy as np

from payoff.wrappers.redistribution.base import EpisodeBatch
from payoff.wrappers.rows import Array

__all__ = ["check_entry", "check_scores", "group_numbers", "last_entries", "members"]


def check_entry(name: str, value: str) -> str:
    """The name of an entry of ``info``.

    Raises:
        TypeError: no string.
    """
    given: Any = value
    if not isinstance(given, str):
        raise TypeError(f"{name} must be the name of an info entry, got {given!r}")
    return given


def last_entries(valid: Array) -> Array:
    """``(T, B)`` bool, the last valid step of each column."""
    last: Array = valid & ~np.vstack([valid[1:], np.zeros_like(valid[:1])])
    return last


def check_scores(
    name: str, batch: EpisodeBatch, low: float = -np.inf, high: float = np.inf, *, wide: bool = False
) -> Array:
    """Numbers ``(T, B)`` of an entry of ``batch.info``, 0 where not valid; ``(T, B, n)`` if ``wide``.

    Raises:
        ValueError: another shape, or where valid a number that is not finite or out of range.
    """
    scores = np.array(batch.info[name], dtype=np.float64)
    if scores.ndim != 2 + wide:
        raise ValueError(f"info[{name!r}] must have shape (T, B{', n' if wide else ''}), got {scores.shape}")
    scores[~batch.valid] = 0.0
    bad = ~np.isfinite(scores) | (
        batch.valid.reshape(*batch.valid.shape, *[1] * wide) & ((scores < low) | (scores > high))
    )
    if bad.any():
        t, b = np.argwhere(bad)[0, :2]
        span = "finite" if np.isinf(low) and np.isinf(high) else f"in [{low:g}, {high:g}]"
        raise ValueError(f"info[{name!r}] must be {span}, got {scores[bad][0]} at step {t} of episode {b}")
    return scores


def group_numbers(batch: EpisodeBatch, owner: str) -> Array:
    """``(B,)`` start groups, numbered from 0.

    Raises:
        ValueError: the batch does not say which episodes share a start.
    """
    if batch.group is None:
        raise ValueError(f"{owner} compares episodes from the same start: batch.group must say which, got None")
    numbers: Array = np.unique(batch.group, return_inverse=True)[1].reshape(-1)
    return numbers


def members(group: Array) -> Array:
    """``(G, B)`` float64, 1 where an episode is of a group, for sums over groups by ``@``."""
    chosen: Array = (np.arange(int(group.max()) + 1)[:, None] == group).astype(np.float64)
    return chosen
