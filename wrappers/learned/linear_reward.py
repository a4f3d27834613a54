"""A learned reward that is a weighted sum of features which the game reports in ``info``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from payoff.wrappers.arguments import numbers, reals
from payoff.wrappers.base import Transition
from payoff.wrappers.learned.frozen import LearnedReward
from payoff.wrappers.rows import Array

__all__ = ["LinearReward"]


class LinearReward(LearnedReward):
    """Pays weights times ``info[key]`` in place of the reward.

    Args:
        weights: one for each feature, in units of reward.
        key: entry of ``info`` that holds the features of the step, ``(R, F)``.

    Raises:
        TypeError: ``weights`` is no sequence.
        ValueError: no weights, one that is not finite, or a key that is no text.

    >>> LinearReward([1.0, -2.0]).weights
    array([ 1., -2.])
    """

    reads_obs: ClassVar[bool] = False

    def __init__(self, weights: Sequence[float] | Array, key: str = "reward_vector") -> None:
        given: Any = key
        if not isinstance(given, str) or not given:
            raise ValueError(f"key must be the name of an entry of info, got {key!r}")
        self.weights, self.key = np.array(numbers("weights", weights)), key

    def __call__(self, t: Transition) -> Array:
        """Rewards ``(R,)``.

        Raises:
            KeyError: ``info`` has no such entry.
            ValueError: it does not hold a number for each weight.
        """
        features = reals(f"info[{self.key!r}]", t.info[self.key])
        wanted = (len(t.reward), len(self.weights))
        if features.shape != wanted:
            raise ValueError(f"info[{self.key!r}] must have shape {wanted}, one number a weight, got {features.shape}")
        paid: Array = features @ self.weights
        return paid

    def settings(self) -> dict[str, Any]:
        """``key``."""
        return {"key": self.key}

    def arrays(self) -> dict[str, Array]:
        """``weights`` ``(F,)``."""
        return {"weights": self.weights.copy()}

    @classmethod
    def build(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """See :meth:`payoff.wrappers.LearnedReward.build`."""
        return cls(arrays["weights"], settings["key"])
