"""What a decomposition of the return sees of a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from payoff.envs.core.params import check_integer
from payoff.wrappers.arguments import reals
from payoff.wrappers.redistribution.base import EpisodeBatch
from payoff.wrappers.rows import Array

__all__ = ["StepFeatureFunction", "StepFeatures", "checked_step_features", "evaluated_steps"]

StepFeatureFunction: TypeAlias = Callable[[Array, Array, Array], Array]


@dataclass(frozen=True, slots=True)
class StepFeatures:
    """(s, a, s - s'), the inputs of RRD (Ren et al., ICLR 2022): ``(R, 2 O + A)``, or ``(R, 2 O + A K)``.

    Attributes:
        num_actions: K, number of integer actions of each entry, which become one-hot; None where actions are numbers.

    Raises:
        ValueError: ``num_actions`` is no whole number of at least 1.
    """

    num_actions: int | None = None

    def __post_init__(self) -> None:
        """Check the field (ValueError)."""
        if self.num_actions is not None:
            check_integer("num_actions", self.num_actions, 1)

    def __call__(self, obs: Array, actions: Array, next_obs: Array) -> Array:
        """Features of R steps.

        Raises:
            ValueError: an integer action outside 0 .. K - 1.
        """
        before, after = (np.asarray(x, dtype=np.float64).reshape(len(x), -1) for x in (obs, next_obs))
        chosen = np.asarray(actions).reshape(len(obs), -1)
        if self.num_actions is not None:
            if not np.isin(chosen, np.arange(self.num_actions)).all():
                raise ValueError(f"actions must be integers in 0 .. {self.num_actions - 1}, got {chosen.ravel()}")
            chosen = np.eye(self.num_actions)[chosen.astype(np.int64)].reshape(len(obs), -1)
        return np.concatenate([before, chosen, before - after], axis=1)


def checked_step_features(features: Any) -> StepFeatureFunction:
    """``features``, or a TypeError where it cannot be called."""
    if not callable(features):
        raise TypeError(f"features must be a function (obs, actions, next_obs) -> (R, F), got {features!r}")
    checked: StepFeatureFunction = features
    return checked


def evaluated_steps(features: StepFeatureFunction, batch: EpisodeBatch, size: int | None) -> Array:
    """Features ``(T, B, F)`` of all steps, 0 where not valid.

    Args:
        features: see :data:`StepFeatureFunction`; called once, with the valid steps only.
        batch: episodes.
        size: F, where it is known already.

    Raises:
        ValueError: another shape, or a number that is not finite.
    """
    valid = batch.valid
    given = features(batch.obs[:-1][valid], batch.actions[valid], batch.obs[1:][valid])
    values = reals("what features returns", given)
    rows = int(valid.sum())
    if values.ndim != 2 or len(values) != rows or not values.shape[1] or values.shape[1] != (size or values.shape[1]):
        raise ValueError(f"features must return shape ({rows}, {size or 'F'}), got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"features must return finite numbers, got {values[~np.isfinite(values)][0]}")
    table = np.zeros((*valid.shape, values.shape[1]))
    table[valid] = values
    return table
