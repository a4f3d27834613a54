"""What a method that changes the reward is: a batched function of a transition, with or without a memory of its own."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np

from payoff.wrappers.arguments import check_mapping, state_array
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["TERMS", "RewardMethod", "RowMethod", "Transition"]

TERMS = ("shaping", "bonus", "aux")


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of R rows (copies, agents, or seats in copies).

    Attributes:
        obs: ``(R, ...)`` observations that were acted on, or a dict or tuple of such arrays; None for a method that
            says ``reads_obs = False``.
        action: ``(R, ...)`` actions, as the environment took them.
        reward: ``(R,)`` float64, read-only: the reward so far.
        next_obs: ``(R, ...)`` observations after the step; at the end of an episode its last, not the first of the
            next.
        terminated: ``(R,)`` bool.
        truncated: ``(R,)`` bool; both may be true.
        info: entries of the same moment as ``next_obs``, with the row axis in front.
        active: ``(R,)`` bool, rows that made a step. The others (copies that restart on this call, agents that left)
            hold placeholders, and what a method returns for them is ignored.
    """

    obs: Batch
    action: Batch
    reward: Array
    next_obs: Batch
    terminated: Array
    truncated: Array
    info: BatchInfo
    active: Array


class RewardMethod:
    """A batched function from a transition to a new reward; subclasses define ``__call__``.

    ``term`` is the key under which ``info["reward_terms"]`` keeps what the method changed.

    ``reads_obs`` says whether it looks at ``t.obs`` or keeps observations for later, which takes a copy of all of them
    at every step. A method that does neither says False: then ``t.obs`` is None, ``t.next_obs`` is only good during the
    call (an environment may write into it afterwards), and ``reset`` is given the observations of the rows that begin,
    with anything in the others.

    A method may raise, in ``reset`` and when it is called. The environment has moved by then, so its adapter plays no
    further step before a full reset, which is followed by a ``reset`` of all rows. What lasts from episode to episode
    must therefore be fit for use after an error: check first, then write.
    """

    term: ClassVar[str] = "shaping"
    reads_obs: ClassVar[bool] = True
    _user: weakref.ref[Any] | None = None

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows begin an episode.

        Args:
            obs: ``(R, ...)`` current observations of all rows; see ``reads_obs``.
            info: entries of the rows that begin; of no others.
            mask: ``(R,)`` bool, the rows that begin.
        """

    def __call__(self, t: Transition) -> Array:
        """New reward ``(R,)``, in an array of its own."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(transition)")

    def state_dict(self) -> dict[str, Array]:
        """Copies of the arrays that the next call depends on."""
        return {}

    @final
    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state_dict` gave: :meth:`read_state` with both halves at once.

        Raises:
            TypeError: ``state`` is no dict.
            ValueError: an array is missing, unknown, of another shape, or holds what it cannot hold; nothing has
                changed.
        """
        self.read_state(state)()

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """Check what :meth:`state_dict` gave; the function that is returned takes it over, and cannot fail.

        What can fail and what changes something are apart, so that several methods and their environment go back to a
        snapshot together or not at all. A method with a ``state_dict`` of its own defines this one too.

        Raises:
            TypeError: ``state`` is no dict.
            ValueError: see :meth:`load_state_dict`; nothing has changed.
        """
        check_mapping("state", state, "arrays")
        if state:
            raise ValueError(f"{type(self).__name__} keeps no state, got {', '.join(map(str, state))}")
        return lambda: None

    @property
    def in_use(self) -> bool:
        """Whether an adapter that still exists runs this object."""
        return self._user is not None and self._user() is not None

    def attach(self, adapter: object) -> Self:
        """The object that serves ``adapter`` from now on, and no other: two environments would mix their rows.

        Raises:
            ValueError: another environment uses this object.
        """
        if self.in_use:
            raise ValueError(
                f"this {type(self).__name__} already serves another environment; make one for each environment"
            )
        self._user = weakref.ref(adapter)
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the adapter that uses it: a copy is free to be attached."""
        return {k: v for k, v in self.__dict__.items() if k != "_user"}


class RowMethod(RewardMethod):
    """A method whose memory is arrays with a row axis: what it knows of the running episode of each row.

    Subclasses define :meth:`blank` and ``__call__``; ``self.memory`` maps the names of ``blank`` to arrays
    ``(R, ...)``, which ``__call__`` may replace or write into after :meth:`check_rows`.

    Attributes:
        lasting: names of ``blank`` that go on from episode to episode, such as statistics of all rewards. Each row has
            its own: one layer over a batch equals a batch of layers, and learns more slowly than shared ones would.
        counts: names of ``blank`` that count something; a state in which they are negative is refused.
    """

    lasting: ClassVar[tuple[str, ...]] = ()
    counts: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.memory: dict[str, Array] = {}

    def blank(self) -> dict[str, Array]:
        """What one row remembers when its episode begins: name -> array of the shape and type of one entry."""
        raise NotImplementedError(f"{type(self).__name__} must define blank()")

    def attach(self, adapter: object) -> Self:
        """This object, or a copy where this one is in use: the memory is all that copies do not share."""
        if not self.in_use:
            return super().attach(adapter)
        other = copy.copy(self)
        other.memory = {}
        return other.attach(adapter)

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows that begin forget all but what lasts; a batch of another size begins anew."""
        blank = {name: np.asarray(value) for name, value in self.blank().items()}
        shapes = {name: (mask.size, *value.shape) for name, value in blank.items()}
        if {name: array.shape for name, array in self.memory.items()} != shapes:
            self.memory = {name: np.broadcast_to(value, shapes[name]).copy() for name, value in blank.items()}
            return
        for name, value in blank.items():
            if name in self.lasting:
                continue
            self.memory[name] = np.where(mask.reshape(-1, *[1] * value.ndim), value, self.memory[name])

    def check_rows(self, t: Transition) -> None:
        """Raise ValueError where the transition has other rows than the last reset."""
        known = len(next(iter(self.memory.values()), ()))
        if known != t.reward.size:
            raise ValueError(f"{type(self).__name__} knows {known} rows, got {t.reward.size}: reset comes first")

    def state_dict(self) -> dict[str, Array]:
        """Copies of the memory, ``(R, ...)`` each; empty before the first reset."""
        return {name: array.copy() for name, array in self.memory.items()}

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """See :meth:`RewardMethod.read_state`."""
        memory = self.checked_memory(state)

        def take_over() -> None:
            self.memory = memory

        return take_over

    def checked_memory(self, state: Mapping[str, Array]) -> dict[str, Array]:
        """The memory that ``state`` describes.

        Raises:
            TypeError: ``state`` is no dict.
            ValueError: other names, another shape than the memory has, rows that differ in number, a number that is
                not finite, or a negative one among the ``counts``; nothing has changed.
        """
        kind = type(self).__name__
        check_mapping("state", state, "arrays")
        if not state and not self.memory:
            return {}
        blank = {name: np.asarray(value) for name, value in self.blank().items()}
        if set(state) != set(blank):
            raise ValueError(
                f"{kind} takes the arrays {', '.join(blank)}, got {', '.join(map(str, state)) or 'nothing'}"
            )
        some = next(iter(self.memory.values() if self.memory else state.values()), ())
        rows = np.shape(some)[:1] if isinstance(some, np.ndarray) else ()
        if blank and not rows:
            raise ValueError(f"{kind}: {next(iter(state))} must be an array with a row axis, got {some!r}")
        found = {name: state_array(kind, name, state[name], like, (*rows, *like.shape)) for name, like in blank.items()}
        for name in self.counts:
            if name in found and (found[name] < 0).any():
                raise ValueError(f"{kind}: {name} must be at least 0, got {found[name].min()}")
        return found
