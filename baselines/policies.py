"""Policies that need no training, and what every policy looks like.

Trained networks are in :mod:`payoff.baselines.networks`, so that evaluating these needs no torch.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["ConstantPolicy", "Policy", "RandomPolicy"]


class Policy(Protocol):
    """What all seats do, given what all seats see; it remembers nothing between calls."""

    def act(self, obs: np.ndarray, *, deterministic: bool) -> np.ndarray:
        """Choose an action for every seat of every copy.

        Args:
            obs: observations ``(B, N, O)``.
            deterministic: the single best guess instead of a draw.

        Returns:
            ``(B, N, A)`` numbers within the action bounds, or ``(B, N)`` whole numbers in a game with discrete actions.
        """
        ...


class RandomPolicy:
    """Uniform over the action box, or over the integer actions; it has no best guess and always draws.

    Args:
        low: lower bounds, broadcast to ``(N, A)``.
        high: upper bounds, likewise.
        num_actions: number of integer actions; given, the bounds are not used.
        seed: seed of the draws.
    """

    def __init__(
        self, low: ArrayLike = -1.0, high: ArrayLike = 1.0, *, num_actions: int | None = None, seed: int = 0
    ) -> None:
        self.low, self.high, self.num_actions = np.atleast_1d(low), np.atleast_1d(high), num_actions
        self._rng = np.random.default_rng(seed)

    def act(self, obs: np.ndarray, *, deterministic: bool = False) -> np.ndarray:
        """Draw actions; see :class:`Policy`."""
        seats = obs.shape[:2]
        if self.num_actions is not None:
            return self._rng.integers(self.num_actions, size=seats)
        return self._rng.uniform(self.low, self.high, size=(*seats, self.low.shape[-1]))


class ConstantPolicy:
    """The same share of the endowment at every step, whatever is seen.

    Args:
        level: share in [0, 1], broadcast to ``(B, N)``: one number for all, one a seat ``(N,)``, one a copy ``(B, 1)``.
        low: lower bounds, broadcast to ``(N, A)``.
        high: upper bounds, likewise.
        num_actions: number of integer actions; given, the action is the integer nearest to level * (num_actions - 1).

    Raises:
        ValueError: a level outside [0, 1].
    """

    def __init__(
        self, level: ArrayLike, low: ArrayLike = -1.0, high: ArrayLike = 1.0, *, num_actions: int | None = None
    ) -> None:
        self.level = np.asarray(level, dtype=np.float64)
        if not ((self.level >= 0) & (self.level <= 1)).all():
            raise ValueError(f"level must be in [0, 1], got {level!r}")
        self.low, self.high, self.num_actions = np.atleast_1d(low), np.atleast_1d(high), num_actions

    def act(self, obs: np.ndarray, *, deterministic: bool = True) -> np.ndarray:
        """The constant; see :class:`Policy`."""
        level = np.broadcast_to(self.level, obs.shape[:2])
        if self.num_actions is not None:
            return np.rint(level * (self.num_actions - 1)).astype(np.int64)
        return self.low + level[..., None] * (self.high - self.low)
