"""Whole episodes that a learner keeps to learn from again: the latest ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from payoff.baselines.checkpoint import ArrayError, fitting

__all__ = ["Episodes"]


class Episodes:
    """The latest episodes of a learner, and a checkpoint's part; a place is the number of one of them.

    Args:
        capacity: C, episodes that are kept; the oldest go first.
        num_steps: T, steps that an episode has at most.
        obs_size: O.
        num_actions: A; actions are 0 .. A - 1.
        kinds: K, numbers that are kept of a step beside the observation and the action, the reward for instance.

    Attributes:
        obs: ``(C, T, O)``, acted on.
        actions: ``(C, T)``.
        numbers: ``(K, C, T)``, 0 after the end.
        length: ``(C,)`` steps.
        count: episodes that were ever added.
    """

    def __init__(self, capacity: int, num_steps: int, obs_size: int, num_actions: int, kinds: int) -> None:
        self.num_actions = num_actions
        self.obs = np.zeros((capacity, num_steps, obs_size), dtype=np.float32)
        self.actions = np.zeros((capacity, num_steps), dtype=np.int64)
        self.numbers = np.zeros((kinds, capacity, num_steps))
        self.length = np.zeros(capacity, dtype=np.int64)
        self.count = 0

    def add(self, obs: np.ndarray, actions: np.ndarray, numbers: np.ndarray) -> None:
        """An episode of n steps, n at most T: ``(n, O)``, ``(n,)`` and ``(K, n)``."""
        at, n = self.count % len(self.length), len(obs)
        self.obs[at, :n], self.actions[at, :n] = obs, actions
        self.numbers[:, at] = 0.0
        self.numbers[:, at, :n] = numbers
        self.length[at] = n
        self.count += 1

    def latest(self, n: int) -> np.ndarray:
        """Places of the newest ``n``, or of all that are there; the newest is first."""
        return (self.count - 1 - np.arange(min(n, self.count, len(self.length)))) % len(self.length)

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Places of ``n`` uniform draws, with replacement."""
        return rng.integers(min(self.count, len(self.length)), size=n)

    def take(self, places: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Episodes at ``places`` ``(n,)``, cut or padded to ``steps`` steps, at most T.

        Returns:
            Observations ``(n, steps, O)``, which mean nothing after the end; actions ``(n, steps)`` and numbers
            ``(K, n, steps)``, 0 after the end; and ``(n, steps)`` bool, the steps that were made.
        """
        mask = np.arange(steps) < self.length[places, None]
        return self.obs[places, :steps], self.actions[places, :steps] * mask, self.numbers[:, places, :steps], mask

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
        kinds, _, num_steps = self.numbers.shape
        found = {
            "obs": fitting(arrays, "obs", (n, *self.obs.shape[1:]), np.float32, finite=False),
            "actions": fitting(arrays, "actions", (n, num_steps), np.int64),
            "numbers": fitting(arrays, "numbers", (kinds, n, num_steps), np.float64),
            "length": fitting(arrays, "length", (n,), np.int64),
        }
        if (found["length"] < 1).any() or (found["length"] > num_steps).any():
            raise ArrayError(f"length must be in 1 .. {num_steps}, got {found['length']}")
        made = np.arange(num_steps) < found["length"][:, None]
        chosen = found["actions"][made]
        if chosen.size and (chosen.min() < 0 or chosen.max() >= self.num_actions):
            raise ArrayError(f"actions must be in 0 .. {self.num_actions - 1}, got {chosen.min()} .. {chosen.max()}")
        if found["numbers"][:, ~made].any():
            raise ArrayError("numbers must be 0 after the end of an episode")
        self.obs[:n], self.actions[:n], self.length[:n] = found["obs"], found["actions"], found["length"]
        self.numbers[:, :n], self.count = found["numbers"], count
