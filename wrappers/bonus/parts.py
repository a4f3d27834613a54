"""A row method that is made of parts, each with state of its own: what bonuses are built from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

from payoff.wrappers.base import RowMethod
from payoff.wrappers.rows import Array

__all__ = ["CompositeMethod", "Part", "split_names"]


class Part(Protocol):
    """Something that a method keeps beside the memory of its rows: tables, networks, statistics, other methods."""

    def state_dict(self) -> dict[str, Array]:
        """Copies of the arrays that the next call depends on."""
        ...

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """Check what :meth:`state_dict` gave; the function that is returned takes it over, and cannot fail.

        Raises:
            ValueError: an array is missing, unknown, of another shape, or holds what it cannot hold.
        """
        ...

    def fork(self) -> Self:
        """The part of a method that serves another environment: itself where it is common to all, else a blank one."""
        ...


class CompositeMethod(RowMethod):
    """A row method with named parts; their arrays are in ``state_dict`` under ``"name.array"``.

    All state is checked before any of it is taken over. Memory that parts have in common (counts, networks, running
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
        parts = self.parts()
        own, theirs = split_names(state, parts)
        memory = self.checked_memory(own)
        takers = [part.read_state(theirs[name]) for name, part in parts.items()]

        def take_over() -> None:
            self.memory = memory
            for take in takers:
                take()

        return take_over

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state_dict` gave.

        Raises:
            ValueError: an array is missing, unknown, of another shape, or holds what it cannot hold; nothing has
                changed.
        """
        self.read_state(state)()


def split_names(
    state: Mapping[str, Array], parts: Mapping[str, Any]
) -> tuple[dict[str, Array], dict[str, dict[str, Array]]]:
    """Arrays of a state that belong to no part, and those of each part without its prefix."""
    own: dict[str, Array] = {}
    theirs: dict[str, dict[str, Array]] = {name: {} for name in parts}
    for key, array in state.items():
        head, dot, rest = key.partition(".")
        if dot and head in theirs:
            theirs[head][rest] = array
        else:
            own[key] = array
    return own, theirs
