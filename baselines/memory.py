"""How much memory the settings of a reward learner may ask for."""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["MOST_NUMBERS", "check_memory"]

MOST_NUMBERS = 2**29  # of an array; 4 GiB as float64


def check_memory(owner: str, factors: Mapping[str, int]) -> None:
    """Raise ValueError where an array would be too large: told now, and not by a process that is killed hours later.

    Args:
        owner: what would make the array, for the error.
        factors: name -> whole number; their product is how many numbers the array would hold.
    """
    sizes = [int(factor) for factor in factors.values()]
    if math.prod(sizes) > MOST_NUMBERS:
        raise ValueError(
            f"{owner}: {' x '.join(factors)} must be at most {MOST_NUMBERS} numbers (4 GiB), got "
            f"{' x '.join(map(str, sizes))}"
        )
