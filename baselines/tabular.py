"""What tabular learners need beside their update: numbers for states, learning curves of many copies, a policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Curve", "States", "TablePolicy"]


class States:
    """Numbers of observations, given in the order in which they are met.

    Args:
        state: function from observations ``(B, ...)`` to whole numbers ``(B,)``, which are then the numbers; None: an
            observation is known by its bytes.
    """

    def __init__(self, state: Callable[[Any], np.ndarray] | None) -> None:
        self.state = state
        self.seen: list[np.ndarray] = []
        self._numbers: dict[bytes, int] = {}
        self._known = 0

    @property
    def count(self) -> int:
        """S, one more than the largest number so far."""
        return self._known if self.state is not None else len(self.seen)

    def number(self, obs: Any) -> np.ndarray:
        """State numbers ``(B,)``.

        Raises:
            TypeError: observations are dicts or tuples, and there is no ``state``.
            ValueError: ``state`` gave something else than whole numbers ``(B,)``.
        """
        if self.state is not None:
            found = np.asarray(self.state(obs))
            if found.ndim != 1 or found.dtype.kind not in "iu" or found.min() < 0:
                raise ValueError(f"state must give whole numbers (B,), none negative, got {found!r}")
            self._known = max(self._known, int(found.max()) + 1)
            return found
        if not isinstance(obs, np.ndarray):
            raise TypeError(f"observations must be arrays, got {type(obs).__name__}; see state=")
        rows = np.ascontiguousarray(obs + 0.0 if obs.dtype.kind == "f" else obs)  # -0.0 and 0.0 are one state
        data, width = rows.tobytes(), rows[:1].nbytes
        numbers = self._numbers
        keys = [data[at : at + width] for at in range(0, len(data), width)]
        for b, key in enumerate(keys):
            if key not in numbers:
                numbers[key] = len(numbers)
                self.seen.append(rows[b].copy())
        return np.array([numbers[key] for key in keys])


class Curve:
    """Mean true returns of the episodes of each copy, over stretches of a training.

    Args:
        copies: B.
        points: P.
    """

    def __init__(self, copies: int, points: int) -> None:
        self.running = np.zeros(copies)
        self.sums, self.episodes = np.zeros((points, copies)), np.zeros((points, copies), dtype=np.int64)

    def add(self, point: int, paid: np.ndarray, ended: np.ndarray) -> None:
        """Add true rewards ``(B,)`` of a call."""
        self.running += paid
        if np.count_nonzero(ended):
            self.sums[point] += np.where(ended, self.running, 0.0)
            self.episodes[point] += ended
            self.running[ended] = 0.0

    def arrays(self, step: np.ndarray) -> dict[str, np.ndarray]:
        """See :class:`TabularResult`."""
        mean = np.where(self.episodes > 0, self.sums / np.maximum(self.episodes, 1), np.nan)
        return {"step": step, "true_return": mean, "episodes": self.episodes}


class TablePolicy:
    """What B tabular learners do: copy k plays the table of learner k modulo B.

    Args:
        states: ``(S, ...)`` observation of each state.
        greedy: ``(B, S)`` action of each learner in each state; in a state that was never met it is 0.
    """

    def __init__(self, states: np.ndarray, greedy: np.ndarray) -> None:
        self.greedy = greedy
        self._states = States(None)
        self._states.number(states)

    def act(self, obs: np.ndarray, *, deterministic: bool = True) -> np.ndarray:
        """Actions ``(R, 1)`` for observations ``(R, 1, O)``; see :class:`payoff.baselines.policies.Policy`."""
        known = self.greedy.shape[1]
        states = self._states.number(obs[:, 0])
        found = self.greedy[np.arange(len(states)) % len(self.greedy), np.minimum(states, known - 1)]
        return np.where(states < known, found, 0)[:, None]
