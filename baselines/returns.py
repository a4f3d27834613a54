"""Learning targets that suit a critic, whatever the size of the rewards."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from payoff.baselines.checkpoint import fitting

__all__ = ["ReturnScale"]


class ReturnScale:
    """Running mean and standard deviation of the learning targets of the critics, one of each per seat.

    A critic learns ``(target - mean) / deviation``, so rewards may have any size. Dividing rewards by the deviation of
    their discounted sum, as is common, does not help where all returns are large and nearly the same: a state of
    ReciprocalDilemma-v0 is worth about 14,800 and a better action 0.4, so a critic that errs by one part in a thousand
    teaches the actor its own errors (measured after a million steps: contributions of 24 to 40 and of 22 to 23 in two
    runs, 22.9 in all runs with this scale; the equilibrium is 22.88). The mean is taken off the targets only, never off
    the rewards: a game that may end early would be another game.

    Args:
        num_agents: seats N.
        rate: weight of the newest rollout; the first few are averaged evenly.
    """

    def __init__(self, num_agents: int, rate: float = 0.1) -> None:
        self.rate = rate
        self.count = np.zeros(())
        self.mean = np.zeros(num_agents)
        self.variance = np.ones(num_agents)
        self.deviation = np.ones(num_agents)

    def update(self, targets: np.ndarray) -> None:
        """Take in the targets ``(R, N)`` of a rollout."""
        mean, self.count = targets.mean(axis=0), self.count + 1.0
        rate = max(self.rate, 1.0 / float(self.count))
        self.mean = self.mean + rate * (mean - self.mean)
        self.variance = self.variance + rate * (targets.var(axis=0) - self.variance)
        # no smaller than the way that the mean has yet to go, nor than what float32 can tell apart
        lag, grain = np.abs(mean - self.mean), 1e-6 * np.abs(self.mean) + 1e-8
        self.deviation = np.maximum(np.sqrt(self.variance), np.maximum(lag, grain))

    def to_critic(self, values: np.ndarray) -> np.ndarray:
        """Values ``(..., N)`` in the units of the reward -> units of the critic."""
        return (values - self.mean) / self.deviation

    def from_critic(self, values: np.ndarray) -> np.ndarray:
        """Inverse of :meth:`to_critic`."""
        return self.mean + self.deviation * values

    def arrays(self) -> dict[str, np.ndarray]:
        """Its state, for a checkpoint."""
        return {f"returns.{name}": getattr(self, name) for name in _STATE}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Inverse of :meth:`arrays`."""
        found = {name: fitting(arrays, f"returns.{name}", np.shape(getattr(self, name)), np.float64) for name in _STATE}
        for name, array in found.items():
            setattr(self, name, array)


_STATE = ("count", "mean", "variance", "deviation")
