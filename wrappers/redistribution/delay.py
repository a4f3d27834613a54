"""Delayed reward: the return of a stretch of steps, paid at its end.

(1) paid at step t = sum of the rewards since the last payment, if t ends the episode or is a multiple of k, else 0

Every episode keeps its return, and with it, without discounting, every policy its value. With discounting they change:
what is paid later counts less. It makes an ordinary problem one of credit assignment, the setting of return
decomposition: Arjona-Medina et al. (2019, RUDDER), Gangwani et al. (2020), Ren et al. (2022).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from payoff.envs.core.params import check_integer
from payoff.wrappers.base import RowMethod, Transition
from payoff.wrappers.rows import Array

__all__ = ["DelayReward"]


class DelayReward(RowMethod):
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
    counts: ClassVar[tuple[str, ...]] = ("steps",)

    def __init__(self, every: int | None = None) -> None:
        if every is not None:
            check_integer("every", every, 1)
        super().__init__()
        self.every = every

    def blank(self) -> dict[str, Array]:
        """``owed``: rewards since the last payment; ``steps``: steps since then."""
        return {"owed": np.zeros(()), "steps": np.zeros((), dtype=np.int64)}

    def __call__(self, t: Transition) -> Array:
        """What is paid now, equation (1)."""
        self.check_rows(t)
        owed = self.memory["owed"] + np.where(t.active, t.reward, 0.0)
        steps = self.memory["steps"] + t.active
        due = t.terminated | t.truncated
        if self.every is not None:
            due = due | (steps >= self.every)
        due = due & t.active
        self.memory = {"owed": np.where(due, 0.0, owed), "steps": np.where(due, 0, steps)}
        return np.where(due, owed, 0.0)
