"""Methods whose reward depends on the past: what they remember belongs to the state of the problem.

A reward r(m, s, a, s') with a memory m that moves by m' = g(m, s, a, s') is Markov in (m, s), not in s. A learner that
does not see m solves another problem. :class:`MemoryMethod` says how m looks to a learner, and
:func:`payoff.wrappers.objectives.augment.augment` puts it into the observation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from payoff.wrappers.base import RowMethod
from payoff.wrappers.rows import Array

__all__ = ["MemoryMethod", "joined", "joined_space"]

KEY = "memory"  # of the entry that a dict of observations gets


class MemoryMethod(RowMethod):
    """A RowMethod that can show its memory to the learner.

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


def joined(obs: Any, features: Array) -> Any:
    """Observations with features: ``(..., O)`` and ``(..., K)`` to ``(..., O + K)``, or a dict with one more entry."""
    if isinstance(obs, Mapping):
        return {**obs, KEY: features}
    obs = np.asarray(obs)
    kind = obs.dtype if obs.dtype.kind == "f" else np.float32
    return np.concatenate([obs.astype(kind), features.astype(kind)], axis=-1)


def joined_space(space: gym.Space[Any], method: MemoryMethod) -> gym.Space[Any]:
    """Space of :func:`joined` observations; TypeError where there is none."""
    low, high = method.feature_bounds()
    if isinstance(space, gym.spaces.Dict) and KEY not in space.spaces:
        return gym.spaces.Dict({**space.spaces, KEY: gym.spaces.Box(low, high, dtype=np.float32)})
    if isinstance(space, gym.spaces.Box) and len(space.shape) == 1:
        kind: Any = space.dtype if space.dtype is not None and space.dtype.kind == "f" else np.float32
        low, high = np.concatenate([space.low, low]), np.concatenate([space.high, high])
        return gym.spaces.Box(low.astype(kind), high.astype(kind), dtype=kind)
    raise TypeError(f"observations must be flat or a dict without {KEY!r}, got {space}; see FlattenObservation")
