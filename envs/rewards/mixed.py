"""Mixed populations: a layer for each seat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from payoff.envs.rewards.base import Layer
from payoff.envs.rewards.linear import Private
from payoff.envs.rewards.naming import Reward

__all__ = ["PerAgent"]


@dataclass(frozen=True, slots=True)
class PerAgent(Layer):
    """A mixed population: each seat has its own reward.

    Attributes:
        layers: seat -> what ``reward=`` takes; seats left out use ``default``.
        default: that of the rest.
    """

    layers: Mapping[int, Reward | str]
    default: Reward | str = field(default_factory=Private)

    def of(self, i: int) -> Any:
        """What seat i is told by, as it was given."""
        return self.layers.get(i, self.default)
