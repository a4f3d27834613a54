"""A table of rewards for a game whose states can be told apart by what a seat observes.

(1) r'(s, a) = table[s, a], in place of the reward, or added to it

A state is known by the bytes of its observation (:mod:`payoff.wrappers.bonus.keys`). A state that the table does not
know is an error and not a payment: the given reward is of another scale, and 0 is no neutral number in a table whose
other entries are below or above 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from payoff.envs.core.params import check_flag
from payoff.wrappers.arguments import as_array, reals
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.keys import observation_key, row_keys
from payoff.wrappers.learned.frozen import LearnedReward
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["StateTable", "TableReward", "action_numbers"]

_NO_INFO = BatchInfo(lambda key: ((), None), (), np.zeros(0, dtype=np.bool_))


class StateTable:
    """Numbers of known states, by their observations.

    Args:
        obs: ``(S, ...)`` an observation of each state, of numbers or flags.

    Raises:
        ValueError: no states, something that is no number, or two states with the same observation.
    """

    def __init__(self, obs: Array) -> None:
        self.obs = as_array(obs).copy()
        if self.obs.ndim < 2 or not len(self.obs) or self.obs.dtype.kind not in "biuf":
            raise ValueError(
                f"obs must be numbers (S, ...) of at least one state, got {self.obs.dtype} {self.obs.shape}"
            )
        if not np.isfinite(self.obs).all():
            raise ValueError(f"obs must be finite, got {self.obs[~np.isfinite(self.obs)][0]}")
        self.obs.flags.writeable = False
        self._numbers: dict[bytes, int] = {}
        for s, key in enumerate(self._keys(self.obs)):
            if self._numbers.setdefault(key, s) != s:
                first = self._numbers[key]
                raise ValueError(f"obs must tell all states apart, but states {first} and {s} look the same")

    def __len__(self) -> int:
        return len(self.obs)

    @staticmethod
    def _keys(obs: Array) -> list[bytes]:
        everyone = np.ones(len(obs), dtype=np.bool_)
        memory = row_keys(observation_key, obs, _NO_INFO, everyone).tobytes()
        return [memory[at : at + 16] for at in range(0, len(memory), 16)]

    def number(self, obs: Batch, rows: Array, owner: str) -> Array:
        """State numbers ``(R,)`` of observations ``(R, ...)``; 0 outside the mask ``rows`` ``(R,)``.

        Raises:
            ValueError: an observation of another shape or type, or of no known state; ``owner`` says whose.
        """
        if not isinstance(obs, np.ndarray) or obs.shape[1:] != self.obs.shape[1:] or obs.dtype != self.obs.dtype:
            got = f"{obs.dtype} {obs.shape[1:]}" if isinstance(obs, np.ndarray) else type(obs).__name__
            raise ValueError(f"{owner} knows observations {self.obs.dtype} {self.obs.shape[1:]}, got {got}")
        found = np.zeros(len(obs), dtype=np.int64)
        at = np.flatnonzero(rows)
        for row, key in zip(at.tolist(), self._keys(obs[at]), strict=True):
            number = self._numbers.get(key)
            if number is None:
                raise ValueError(f"{owner} knows {len(self)} states, and not the one observed as {obs[row].tolist()}")
            found[row] = number
        return found


def action_numbers(action: Batch, rows: Array, count: int, owner: str) -> Array:
    """Whole-number actions ``(R,)`` of a transition, 0 outside the mask ``rows`` ``(R,)``.

    Raises:
        ValueError: another shape than ``(R,)`` or ``(R, 1)``, or a number outside 0 .. count - 1; ``owner`` says whose.
    """
    given = as_array(action)
    if given.dtype.kind not in "iuf" or given.shape not in (rows.shape, (*rows.shape, 1)):
        raise ValueError(f"{owner} needs actions that are whole numbers, one a row, got {given.dtype} {given.shape}")
    flat = np.where(rows, given.reshape(rows.shape), 0)
    wrong = ~((flat >= 0) & (flat < count)) | (flat % 1 != 0)
    if wrong.any():
        raise ValueError(f"{owner} knows the actions 0 .. {count - 1}, got {flat[wrong][0]}")
    return flat.astype(np.int64)


class TableReward(LearnedReward):
    """r'(s, a) from a table, by the observation acted on and the action.

    Args:
        obs: ``(S, ...)`` an observation of each state; see :class:`StateTable`.
        table: ``(S, A)`` rewards.
        added: the table is added to the reward; else it takes its place.

    Raises:
        ValueError: shapes that do not fit, a number that is not finite, or states that look the same.

    >>> reward = TableReward(np.array([[0.0], [1.0]]), [[0.0, 1.0], [2.0, 3.0]])
    >>> reward.table[1, 0]
    np.float64(2.0)
    """

    def __init__(self, obs: Array, table: Any, *, added: bool = False) -> None:
        check_flag("added", added)
        self.states = StateTable(obs)
        self.table = reals("table", table).copy()
        if self.table.ndim != 2 or len(self.table) != len(self.states) or not self.table.shape[1]:
            raise ValueError(f"table must have shape ({len(self.states)}, A), got {self.table.shape}")
        if not np.isfinite(self.table).all():
            raise ValueError(f"table must be finite, got {self.table[~np.isfinite(self.table)][0]}")
        self.table.flags.writeable = False
        self.added = bool(added)

    def __call__(self, t: Transition) -> Array:
        """Equation (1).

        Raises:
            ValueError: a state or an action that the table does not know.
        """
        state = self.states.number(t.obs, t.active, "TableReward")
        paid: Array = self.table[state, action_numbers(t.action, t.active, self.table.shape[1], "TableReward")]
        return t.reward + paid if self.added else paid

    def settings(self) -> dict[str, Any]:
        """``added``."""
        return {"added": self.added}

    def arrays(self) -> dict[str, Array]:
        """``obs`` and ``table``."""
        return {"obs": self.states.obs, "table": self.table}

    @classmethod
    def build(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """See :meth:`LearnedReward.build`."""
        return cls(arrays["obs"], arrays["table"], added=settings["added"])
