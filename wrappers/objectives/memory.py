"""Methods whose reward depends on the past: what they remember belongs to the state of the problem.

A reward r(m, s, a, s') with a memory m that moves by m' = g(m, s, a, s') is Markov in (m, s), not in s. A learner that
does not see m solves another problem. :class:`MemoryMethod` says how m looks to a learner, and
:func:`payoff.wrappers.objectives.augment.augment` puts it into the observation.
"""

from __future__ import annotations

from collections.abc import Mapping

from payoff.wrappers.base import RowMethod
from payoff.wrappers.rows import Array

__all__ = ["MemoryMethod"]


class MemoryMethod(RowMethod):
    """A RowMethod that can show its memory.

    ``__call__`` hands the memory after the transition to :meth:`remember`.

    Attributes:
        arrived: the memory after the last transition, before rows whose episode ended began another one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.arrived: dict[str, Array] = {}

    def remember(self, memory: dict[str, Array]) -> None:
        """Keep what :meth:`features` shows from now on."""
        self.memory = memory
        self.arrived = dict(memory)  # `reset` replaces entries of `memory` itself

    def features(self, memory: Mapping[str, Array]) -> Array:
        """What a learner must see of a memory: ``(R, K)`` float32."""
        raise NotImplementedError(f"{type(self).__name__} must define features(memory)")

    def feature_bounds(self) -> tuple[Array, Array]:
        """Least and largest features, ``(K,)`` float32 each."""
        raise NotImplementedError(f"{type(self).__name__} must define feature_bounds()")

    def told(self, memory: Mapping[str, Array]) -> dict[str, Array]:
        """Entries ``(R, ...)`` for ``info``."""
        return {}
