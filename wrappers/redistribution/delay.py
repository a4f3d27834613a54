"""Delayed reward: the return of a stretch of steps, paid at its end.

(1) paid at step t = sum of the rewards since the last payment, if t ends the episode or is a multiple of k, else 0

Every episode keeps its return, and with it, without discounting, every policy its value. With discounting they change:
what is paid later counts less. It makes an ordinary problem one of credit assignment, the setting of return
decomposition: Arjona-Medina et al. (2019, RUDDER), Gangwani et al. (2020), Ren et al. (2022).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np

from payoff.envs.core.params import check_integer
from payoff.wrappers.base import RewardMethod, Transition
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["DelayReward"]


class DelayReward(RewardMethod):
    """Pays the sum of the rewards at the end of the episode, or every k steps and at the end.

    Both kinds of end pay what is owed: termination, and truncation, where the learner would otherwise never see it. An
    episode that ``reset`` abandons in its middle pays nothing more. The reward without delay is in
    ``info["true_reward"]``, the difference in ``info["reward_terms"]["shaping"]``.

    Args:
        every: k, steps from one payment to the next; None: only at the end.

    Raises:
        ValueError: ``every`` is no whole number of at least 1.

    >>> DelayReward(every=10).every
    10
    """

    term: ClassVar[str] = "shaping"

    def __init__(self, every: int | None = None) -> None:
        if every is not None:
            check_integer("every", every, 1)
        self.every = every
        self._owed: Array = np.zeros(0)  # rewards since the last payment
        self._steps: Array = np.zeros(0, dtype=np.int64)  # steps since the last payment

    def attach(self, adapter: object) -> Self:
        """This object, or a copy where this one is in use: what is owed is all that copies do not share."""
        if not self.in_use:
            return super().attach(adapter)
        other = copy.copy(self)
        other._owed, other._steps = np.zeros(0), np.zeros(0, dtype=np.int64)
        return other.attach(adapter)

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows that begin owe nothing."""
        known = self._owed.shape == mask.shape
        self._owed = np.where(mask, 0.0, self._owed if known else 0.0)
        self._steps = np.where(mask, 0, self._steps if known else 0)

    def __call__(self, t: Transition) -> Array:
        """What is paid now, equation (1)."""
        if self._owed.shape != t.reward.shape:
            raise ValueError(f"DelayReward knows {self._owed.size} rows, got {t.reward.size}: reset comes first")
        owed = self._owed + np.where(t.active, t.reward, 0.0)
        steps = self._steps + t.active
        due = t.terminated | t.truncated
        if self.every is not None:
            due = due | (steps >= self.every)
        due = due & t.active
        self._owed, self._steps = np.where(due, 0.0, owed), np.where(due, 0, steps)
        return np.where(due, owed, 0.0)

    def state_dict(self) -> dict[str, Array]:
        """What each row is owed and since how many steps, ``(R,)`` each; empty before the first reset."""
        return {"owed": self._owed.copy(), "steps": self._steps.copy()}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state_dict` gave.

        Raises:
            ValueError: not exactly ``owed`` and ``steps``, or not as many as there are rows; nothing has changed.
        """
        if set(state) != {"owed", "steps"}:
            raise ValueError(f"DelayReward takes the arrays owed and steps, got {', '.join(state) or 'nothing'}")
        owed, steps = np.array(state["owed"], dtype=np.float64), np.array(state["steps"], dtype=np.int64)
        if owed.ndim != 1 or owed.shape != steps.shape or (self._owed.size and owed.size != self._owed.size):
            rows = self._owed.size or "R"
            raise ValueError(f"owed and steps must hold {rows} numbers each, got shapes {owed.shape}, {steps.shape}")
        self._owed, self._steps = owed, steps
