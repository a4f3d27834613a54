"""What a view needs to go on from here: plain arrays, so that a checkpoint can hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from payoff.envs.core.state import Array

__all__ = ["Snapshot"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a batch needs to go on from here: copies of its arrays.

    Attributes:
        state: ``(B, S)`` state rows, clock and random counter included.
        work: ``(B, 5, N)`` payoffs and rewards of the last step.
        flags: ``(B, 2)`` terminated and truncated of the last step.
        action: ``(B, N, A)`` native actions of the last step.
    """

    state: Array
    work: Array
    flags: Array
    action: Array

    def arrays(self) -> dict[str, Array]:
        """Name -> array, for storing."""
        return {"state": self.state, "work": self.work, "flags": self.flags, "action": self.action}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Snapshot:
        """Inverse of :meth:`arrays`.

        Raises:
            ValueError: an array is missing.
        """
        missing = {"state", "work", "flags", "action"} - set(arrays)
        if missing:
            raise ValueError(f"snapshot lacks {', '.join(sorted(missing))}")
        return cls(*(np.array(arrays[name]) for name in ("state", "work", "flags", "action")))
