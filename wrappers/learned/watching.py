"""How a reward that watches its learner comes to know the learner's policy: by what was done, or from the trainer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from payoff.wrappers.arguments import reals
from payoff.wrappers.rows import Array

__all__ = ["LearnerPolicy", "checked_policy", "hand_over"]

LearnerPolicy: TypeAlias = Callable[[Array], Array]
"""Function from observations ``(K, ...)`` to the action probabilities of one learner ``(K, A)``, or of one for each row
``(R, K, A)``."""


def checked_policy(policy: LearnerPolicy, obs: Array, shape: tuple[int, ...]) -> Array:
    """Probabilities of this shape that a learner's policy gives for observations.

    Raises:
        ValueError: it gave something else.
    """
    found = reals("what policy returns", policy(obs))
    if found.shape != shape:
        raise ValueError(f"policy must return probabilities {shape}, got {found.shape}")
    if not (found >= 0.0).all() or not np.allclose(found.sum(axis=-1), 1.0, rtol=0.0, atol=1e-5):
        raise ValueError("policy must return probabilities: not negative, and each row summing to 1")
    normalised: Array = found / found.sum(axis=-1, keepdims=True)
    return normalised


def hand_over(env: Any, policy: LearnerPolicy) -> None:
    """Tell the methods around an environment how its learners, one for each row, play at any time.

    Those are told that keep apart the learners of their rows, and were given no ``policy`` of their own.
    """
    layer = env
    while layer is not None:
        method: Any = getattr(layer, "method", None)
        if getattr(method, "policy", policy) is None and getattr(method, "per_row", False):
            method.policy = policy
        layer = getattr(layer, "env", None)
