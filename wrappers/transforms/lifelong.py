"""Memory of rows that outlives their episodes."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from payoff.wrappers.base import RowMethod
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["LifelongMethod"]


class LifelongMethod(RowMethod):
    """A row method some of whose memory ``reset`` keeps: counts of all steps, statistics of all rewards.

    Each row has its own. So one layer over a batch equals a batch of layers, and a copy that learns nothing from the
    other copies learns more slowly than shared statistics would.

    Attributes:
        lasting: names of ``blank()`` that go on from episode to episode.
    """

    lasting: ClassVar[tuple[str, ...]] = ()

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows that begin forget what does not last; a batch of another size begins anew."""
        kept = {name: array for name, array in self.memory.items() if name in self.lasting}
        super().reset(obs, info, mask)
        for name, array in kept.items():
            if array.shape[:1] == np.shape(mask):
                self.memory[name] = array
