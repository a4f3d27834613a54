"""What an exploration bonus is."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.parts import CompositeMethod
from payoff.wrappers.rows import Array

__all__ = ["Bonus"]


class Bonus(CompositeMethod):
    """A batched function from a transition to a bonus; subclasses define :meth:`score`.

    Rows are scored as if they came one after the other: a row sees what rows before it in the same call added to
    memory that is common to all. So one bonus over a vector environment scores like the copies of it in a vector of
    environments, which step in the same order. No bonus takes a step of its own in the environment.

    The start of an episode is a visit like any other, though it earns nothing. It is entered into memory at the first
    step, so that the order of resets, which differs between the modes of autoreset, does not matter; a start that no
    step follows is not entered.
    """

    term: ClassVar[str] = "bonus"

    def blank(self) -> dict[str, Array]:
        """``steps``: steps of the row's episode so far."""
        return {"steps": np.zeros((), dtype=np.int64)}

    def score(self, t: Transition) -> Array:
        """Bonus of each row ``(R,)``, then enter the step into memory; inactive rows may have any finite number."""
        raise NotImplementedError(f"{type(self).__name__} must define score(transition)")

    def __call__(self, t: Transition) -> Array:
        """Bonus of each row ``(R,)``, 0 in rows that made no step.

        Raises:
            ValueError: other rows than at the last reset.
        """
        self.check_rows(t)
        bonus = np.where(t.active, self.score(t), 0.0)
        self.memory["steps"] = self.memory["steps"] + t.active
        return bonus

    def first_steps(self, t: Transition) -> Array:
        """Active rows ``(R,)`` in the first step of their episode; only before the call has returned."""
        first: Array = t.active & (self.memory["steps"] == 0)
        return first

    def attach(self, adapter: object) -> Self:
        """Refuse: a bonus alone is no reward.

        Raises:
            TypeError: always.
        """
        name = type(self).__name__
        raise TypeError(f"{name} is a bonus, no reward; wrap(env, BonusReward({name}(...), coef=...)) pays it")
