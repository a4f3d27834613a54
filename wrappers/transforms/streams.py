"""Random numbers of rows, each a pure function of a row's key and a count: no batch size changes them.

A generator that fills ``(R,)`` for a whole batch gives row 3 other numbers when there are more rows, so that a layer
over a batch could not equal a batch of layers. Here a draw is a hash (SplitMix64: Steele, Lea and Flood 2014), and keys
and counts are memory of the method, arrays that its ``state_dict`` holds. Keys come from ``np.random.SeedSequence``.
"""

from __future__ import annotations

import numpy as np

from payoff.envs.core.params import check_integer
from payoff.wrappers.rows import Array

__all__ = ["mixed", "normal", "stream_keys", "uniform"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def stream_keys(seed: int, rows: int, first: int = 0) -> Array:
    """Keys ``(R,)`` uint64 of the rows ``first``, ``first + 1``, ...

    Raises:
        ValueError: ``seed`` or ``first`` is no whole number of at least 0.
    """
    check_integer("seed", seed, 0)
    check_integer("first", first, 0)
    keys = [np.random.SeedSequence([int(seed), int(first) + r]).generate_state(1, np.uint64)[0] for r in range(rows)]
    return np.array(keys, dtype=np.uint64)


def _mix(z: Array) -> Array:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    value: Array = z ^ (z >> np.uint64(31))
    return value


def mixed(keys: Array, counts: Array) -> Array:
    """New keys ``(R,)`` uint64 from keys and counts: a hash, whose products wrap around."""
    counts = np.asarray(counts).astype(np.uint64)
    return _mix(np.asarray(keys, dtype=np.uint64) + _GOLDEN * (counts + np.uint64(1)))


def uniform(keys: Array, counts: Array) -> Array:
    """Draw number ``counts`` ``(R,)`` of the streams ``keys`` ``(R,)``, in [0, 1)."""
    draw: Array = (mixed(mixed(keys, counts), np.zeros_like(counts)) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return draw


def normal(keys: Array, counts: Array) -> Array:
    """The same, standard normal: two uniform draws each (Box and Muller 1958)."""
    radius = np.sqrt(-2.0 * np.log1p(-uniform(keys, 2 * counts)))
    draw: Array = radius * np.cos(2.0 * np.pi * uniform(keys, 2 * counts + 1))
    return draw
