"""What an exploration bonus is, and the parts that a bonus may be made of, each with state of its own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from payoff.wrappers.arguments import check_mapping
from payoff.wrappers.base import RowMethod, Transition
from payoff.wrappers.rows import Array

__all__ = ["Bonus", "CompositeMethod", "Part"]


class Part(Protocol):
    """Something that a method keeps beside the memory of its rows: tables, networks, statistics, other methods."""

    def state_dict(self) -> dict[str, Array]:
        """Copies of the arrays that the next call depends on."""
        ...

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """See :meth:`payoff.wrappers.base.RewardMethod.read_state`."""
        ...

    def fork(self) -> Self:
        """The part of a method that serves another environment: itself where it is common to all, else a blank one."""
        ...


class CompositeMethod(RowMethod):
    """A row method with named parts; their arrays are in ``state_dict`` under ``"name.array"``.

    Memory that parts have in common (counts, networks, running
    statistics) is one for all forks of a method: what one environment visits is no longer new in another, and loading
    a state into one fork loads the common memory of all.
    """

    def parts(self) -> dict[str, Part]:
        """Parts by name; unless :meth:`fork` is overridden, each is an attribute of that name."""
        return {}

    def fork(self) -> Self:
        """The same method for another environment: it shares what is common, and knows no rows yet."""
        other = copy.copy(self)
        other.memory = {}
        for name, part in self.parts().items():
            setattr(other, name, part.fork())
        return other

    def attach(self, adapter: object) -> Self:
        """This object, or where it is in use a fork."""
        return self.fork().attach(adapter) if self.in_use else super().attach(adapter)

    def state_dict(self) -> dict[str, Array]:
        """Copies of the memory of the rows ``(R, ...)`` and of the arrays of the parts."""
        found = super().state_dict()
        for name, part in self.parts().items():
            found |= {f"{name}.{key}": array for key, array in part.state_dict().items()}
        return found

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """See :meth:`Part.read_state`."""
        check_mapping("state", state, "arrays")
        parts = self.parts()
        own, theirs = _split_names(state, parts)
        memory = self.checked_memory(own)
        takers = [part.read_state(theirs[name]) for name, part in parts.items()]

        def take_over() -> None:
            self.memory = memory
            for take in takers:
                take()

        return take_over


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
    counts: ClassVar[tuple[str, ...]] = ("steps",)

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


def _split_names(
    state: Mapping[str, Array], parts: Mapping[str, Any]
) -> tuple[dict[str, Array], dict[str, dict[str, Array]]]:
    """Arrays of a state that belong to no part, and those of each part without its prefix."""
    own: dict[str, Array] = {}
    theirs: dict[str, dict[str, Array]] = {name: {} for name in parts}
    for key, array in state.items():
        head, dot, rest = str(key).partition(".")
        if dot and head in theirs:
            theirs[head][rest] = array
        else:
            own[key] = array
    return own, theirs
