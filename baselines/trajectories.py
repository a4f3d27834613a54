"""Episodes that are kept to learn from again: the latest ones, padded to one length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from payoff.baselines.checkpoint import ArrayError, fitting
from payoff.baselines.rollout import Rollout
from payoff.wrappers.learned.basis import Basis

__all__ = ["Batch", "Trajectories"]


@dataclass(frozen=True, slots=True)
class Batch:
    """n episodes padded to T steps.

    Attributes:
        features: ``(n, T, F)`` float64.
        actions: ``(n, T)`` int64.
        primary, aux: ``(n, T)`` float64, 0 after the end.
        mask: ``(n, T)`` float64, 1 for the steps that were made.
        log_prob: ``(n, T)`` log probabilities of the actions when they were taken, 0 after the end.
    """

    features: Tensor
    actions: Tensor
    primary: Tensor
    aux: Tensor
    mask: Tensor
    log_prob: Tensor


class Trajectories:
    """The latest episodes, and a checkpoint's part; ``capacity`` episodes of at most ``num_steps`` steps."""

    def __init__(self, capacity: int, num_steps: int, obs_size: int) -> None:
        self.obs = np.zeros((capacity, num_steps, obs_size), dtype=np.float32)
        self.actions = np.zeros((capacity, num_steps), dtype=np.int64)
        self.numbers = np.zeros((3, capacity, num_steps))  # primary, aux, log_prob
        self.length = np.zeros(capacity, dtype=np.int64)
        self.count = 0  # episodes that were ever added

    def add(self, rollout: Rollout, aux: np.ndarray, log_prob: np.ndarray) -> None:
        """One episode of each copy; ``aux`` and ``log_prob`` are ``(T, B)``."""
        copies = rollout.valid.shape[1]
        for b in range(copies):
            at, n = self.count % len(self.length), int(rollout.valid[:, b].sum())
            self.obs[at, :n] = rollout.obs[:n, b, 0]
            self.actions[at, :n] = rollout.actions[:n, b, 0, 0]
            self.numbers[:, at] = 0.0
            self.numbers[:, at, :n] = rollout.rewards[:n, b, 0], aux[:n, b], log_prob[:n, b]
            self.length[at] = n
            self.count += 1

    def latest(self, n: int) -> np.ndarray:
        """Places of the newest ``n``, or of all that are there."""
        return (self.count - 1 - np.arange(min(n, self.count, len(self.length)))) % len(self.length)

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Places of ``n`` uniform draws, with replacement."""
        return rng.integers(min(self.count, len(self.length)), size=n)

    def take(self, places: np.ndarray, basis: Basis) -> Batch:
        """Episodes at ``places``, padded to the longest of them."""
        longest = int(self.length[places].max())
        mask = np.arange(longest) < self.length[places, None]
        primary, aux, log_prob = self.numbers[:, places, :longest]
        features = basis(self.obs[places, :longest])
        arrays = (features, self.actions[places, :longest] * mask, primary, aux, mask.astype(np.float64), log_prob)
        return Batch(*map(torch.from_numpy, arrays))

    def arrays(self) -> dict[str, np.ndarray]:
        """See :class:`payoff.baselines.training.Kept`; what was never written is left out."""
        n = min(self.count, len(self.length))
        own: dict[str, np.ndarray] = {"obs": self.obs[:n], "actions": self.actions[:n], "numbers": self.numbers[:, :n]}
        return {**own, "length": self.length[:n], "count": np.array(self.count)}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """See :class:`payoff.baselines.training.Kept`."""
        count = int(fitting(arrays, "count", (), np.int64))
        n = min(count, len(self.length))
        if count < 0:
            raise ArrayError(f"count must be at least 0, got {count}")
        found = {
            "obs": fitting(arrays, "obs", (n, *self.obs.shape[1:]), np.float32, finite=False),
            "actions": fitting(arrays, "actions", (n, *self.actions.shape[1:]), np.int64),
            "numbers": fitting(arrays, "numbers", (3, n, self.numbers.shape[2]), np.float64),
            "length": fitting(arrays, "length", (n,), np.int64),
        }
        if n and not (found["length"] >= 1).all() | (found["length"] > self.obs.shape[1]).any():
            raise ArrayError(f"length must be in 1 .. {self.obs.shape[1]}, got {found['length']}")
        self.obs[:n], self.actions[:n], self.length[:n] = found["obs"], found["actions"], found["length"]
        self.numbers[:, :n], self.count = found["numbers"], count
