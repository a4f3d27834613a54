"""Random numbers from the state row: a counter-based generator (SplitMix64 on a hashed key).

A draw is a pure function of the row (key, episode, counter), so copy k draws the same numbers at every batch size and
thread count, and a restored row resumes its noise. Steele, Lea, Flood, "Fast splittable pseudorandom number
generators" (2014) give the mixing function.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from payoff.envs.core.jit import jit

__all__ = ["below", "group_key", "normal", "seed_key", "uniform"]

_GROUP_STREAM = 0x67726F7570  # keeps the keys of start groups apart from those of seeds


def seed_key(seed: int) -> float:
    """Key of a copy with this seed: a whole number below 2**53."""
    return float(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> np.uint64(11))


def group_key(group: int) -> float:
    """Key that all copies of a start group share while they are reset: a whole number below 2**53."""
    return float(np.random.SeedSequence([group, _GROUP_STREAM]).generate_state(1, np.uint64)[0] >> np.uint64(11))


@jit
def _mix(z: Any) -> Any:  # every literal a uint64: numba turns uint64 with int64 into float64
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@jit
def uniform(s: Any) -> float:
    """Next draw of this copy in [0, 1)."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    z = _mix(np.uint64(s.key) + golden * np.uint64(s.episode + 1.0))
    z = _mix(z + golden * np.uint64(s.counter + 1.0))
    s.counter += 1.0
    return np.float64(z >> np.uint64(11)) * 2.0**-53


@jit
def below(s: Any, n: int) -> int:
    """Next draw of this copy among 0 .. n - 1; the bias, below n / 2**53, is far under what a test could see."""
    return int(uniform(s) * n)


@jit
def normal(s: Any) -> float:
    """Next standard normal draw of this copy, from two uniform ones (Box and Muller 1958)."""
    radius = math.sqrt(-2.0 * math.log1p(-uniform(s)))
    return radius * math.cos(2.0 * math.pi * uniform(s))
