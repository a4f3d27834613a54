"""What a method that changes the reward is, and the episode bookkeeping that all adapters share."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import gymnasium as gym
import numpy as np

from payoff.wrappers.rows import Array, Batch, BatchInfo, copied, place, take

__all__ = [
    "TERMS",
    "RewardMethod",
    "RowMethod",
    "Session",
    "Transition",
    "WrapperSnapshot",
    "add_term",
    "snapshot_source",
]

TERMS = ("shaping", "bonus", "aux")


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of R rows (copies, agents, or seats in copies).

    Attributes:
        obs: ``(R, ...)`` observations that were acted on, or a dict or tuple of such arrays; None for a method that
            says ``reads_obs = False``.
        action: ``(R, ...)`` actions, as the environment took them.
        reward: ``(R,)`` float64, read-only: the reward so far.
        next_obs: ``(R, ...)`` what came of it; at an episode's end its last observation, not the next one's first.
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

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state_dict` gave.

        Raises:
            ValueError: an array is missing, unknown or of another shape; nothing has changed.
        """
        if state:
            raise ValueError(f"{type(self).__name__} keeps no state, got {', '.join(state)}")

    @property
    def in_use(self) -> bool:
        """Whether an adapter that still exists runs this object."""
        return self._user is not None and self._user() is not None

    def attach(self, adapter: object) -> Self:
        """Object that serves ``adapter``, and no other one, from now on: two environments would mix their rows.

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
        """Everything but the user: a copy is free."""
        return {k: v for k, v in self.__dict__.items() if k != "_user"}


class RowMethod(RewardMethod):
    """A method whose memory is arrays with a row axis: what it knows of the running episode of each row.

    Subclasses define :meth:`blank` and ``__call__``; ``self.memory`` maps the names of ``blank`` to arrays
    ``(R, ...)``, which ``__call__`` may replace or write into after :meth:`check_rows`.

    Attributes:
        lasting: names of ``blank`` that go on from episode to episode, such as statistics of all rewards. Each row has
            its own: one layer over a batch equals a batch of layers, and learns more slowly than shared ones would.
    """

    lasting: ClassVar[tuple[str, ...]] = ()

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

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state_dict` gave.

        Raises:
            ValueError: other names, another shape than the memory has, rows that differ in number, or a number that is
                not finite; nothing has changed.
        """
        self.memory = self.checked_memory(state)

    def checked_memory(self, state: Mapping[str, Array]) -> dict[str, Array]:
        """The memory that ``state`` describes; see :meth:`load_state_dict`."""
        kind = type(self).__name__
        if not state and not self.memory:
            return {}
        blank = {name: np.asarray(value) for name, value in self.blank().items()}
        if set(state) != set(blank):
            raise ValueError(f"{kind} takes the arrays {', '.join(blank)}, got {', '.join(state) or 'nothing'}")
        rows = len(next(iter(self.memory.values()))) if self.memory else np.asarray(next(iter(state.values()))).shape[0]
        found = {}
        for name, value in blank.items():
            array = np.array(state[name])
            if array.shape != (rows, *value.shape):
                raise ValueError(f"{kind}: {name} must have shape {(rows, *value.shape)}, got {array.shape}")
            if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
                raise ValueError(f"{kind}: {name} must hold finite numbers, got {state[name]!r}")
            found[name] = array.astype(value.dtype)
        return found


@dataclass(frozen=True, slots=True)
class WrapperSnapshot:
    """Everything that a wrapped environment needs to go on from here.

    Attributes:
        inner: arrays of the snapshot of the environment inside.
        over: ``(R,)`` bool, rows that restart on the next call.
        method: arrays of the method's ``state_dict``.
    """

    inner: Mapping[str, Array]
    over: Array
    method: Mapping[str, Array]

    def arrays(self) -> dict[str, Array]:
        """Name -> array, for storing."""
        return {
            "over": self.over,
            **{f"inner.{k}": v for k, v in self.inner.items()},
            **{f"method.{k}": v for k, v in self.method.items()},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> WrapperSnapshot:
        """Inverse of :meth:`arrays`.

        Raises:
            ValueError: an array is missing or unknown.
        """
        parts: dict[str, dict[str, Array]] = {"over": {}, "inner": {}, "method": {}}
        for name, array in arrays.items():
            part, _, rest = name.partition(".")
            if part not in parts or (part == "over") != (rest == ""):
                raise ValueError(f"a wrapper's snapshot has no array {name!r}")
            parts[part][rest] = np.array(array)
        for part in ("over", "inner"):
            if not parts[part]:
                raise ValueError(f"a wrapper's snapshot needs {part}, got {', '.join(arrays) or 'nothing'}")
        return cls(parts["inner"], parts["over"][""], parts["method"])


class Session:
    """One method on one batch: remembers the last observations and which rows are between episodes.

    Args:
        method: what changes the reward.
        adapter: the wrapper that runs it.
        rows: R.

    Raises:
        TypeError: ``method`` is no RewardMethod.
        ValueError: its ``term`` is unknown, or another environment uses it.
    """

    def __init__(self, method: RewardMethod, adapter: object, rows: int) -> None:
        if not isinstance(method, RewardMethod):
            raise TypeError(f"method must be a RewardMethod, got {type(method).__name__}")
        if method.term not in TERMS:
            raise ValueError(f"{type(method).__name__}.term must be one of {', '.join(TERMS)}, got {method.term!r}")
        self.method = method.attach(adapter)
        self.rows = rows
        self.over = np.zeros(rows, dtype=np.bool_)
        self._started = False
        self._obs: Batch = None  # copies of the last observations, where the method reads them
        self._everyone = np.ones(rows, dtype=np.bool_)
        self._everyone.flags.writeable = False  # one mask serves every transition

    def check_started(self) -> None:
        """Raise gymnasium.error.ResetNeeded before the first reset."""
        if not self._started:
            raise gym.error.ResetNeeded(f"{type(self.method).__name__}: call reset() before step()")

    def start(self, obs: Batch, info: BatchInfo, mask: Array | None = None) -> None:
        """Rows in ``mask`` (all when None) begin an episode with ``obs``."""
        mask = self._everyone if mask is None else mask
        if self.method.reads_obs:
            if self._obs is None or mask.all():
                self._obs = copied(obs)
            else:
                self._obs = copied(self._obs)  # the transition before still shows the old one
                place(self._obs, mask, copied(take(obs, mask)))
            obs = self._obs
        self._started = True
        self.over = self.over & ~mask
        self.method.reset(obs, info, mask)

    def pay(
        self,
        action: Batch,
        reward: Array,
        next_obs: Batch,
        terminated: Array,
        truncated: Array,
        info: BatchInfo,
        active: Array | None = None,
    ) -> Array:
        """New reward ``(R,)`` of the step that led to ``next_obs``; see :class:`Transition`.

        Raises:
            ValueError: the method returned another shape, or turned a finite reward into one that is not.
        """
        active = self._everyone if active is None else active
        steps = np.count_nonzero(active)
        given = np.array(reward, dtype=np.float64)
        given.flags.writeable = False  # a method that writes into it would lose the true reward
        before = self._obs
        if self.method.reads_obs:
            self._obs = next_obs = copied(next_obs)
        if not steps:
            return given.copy()
        t = Transition(before, action, given, next_obs, terminated, truncated, info, active)
        new = np.asarray(self.method(t), dtype=np.float64)
        if new.shape != given.shape:
            raise ValueError(f"{type(self.method).__name__} must return shape {given.shape}, got {new.shape}")
        if steps < active.size:
            new = np.where(active, new, given)
        elif not new.flags.writeable:  # the given one itself, from a method that changes nothing
            new = new.copy()
        fine = np.isfinite(new)
        if np.count_nonzero(fine) < fine.size:
            bad = np.isfinite(given) & ~fine
            if bad.any():
                raise ValueError(f"{type(self.method).__name__} made the reward {new[bad][0]} in row {bad.argmax()}")
        return new

    def snapshot(self, env: Any) -> WrapperSnapshot:
        """Snapshot of the environment inside and of the method."""
        inner = snapshot_source(env).snapshot().arrays()
        return WrapperSnapshot(inner, self.over.copy(), self.method.state_dict())

    def restore(self, env: Any, snapshot: WrapperSnapshot) -> tuple[Any, Any]:
        """Go back to a snapshot; returns what the environment inside returned.

        The caller hands the observations to :meth:`resume`.
        """
        if not isinstance(snapshot, WrapperSnapshot):
            raise TypeError(f"snapshot must be a WrapperSnapshot, got {type(snapshot).__name__}")
        if snapshot.over.shape != self.over.shape:
            raise ValueError(f"snapshot.over has shape {snapshot.over.shape}, this environment needs {self.over.shape}")
        source = snapshot_source(env)
        inner = type(source.snapshot()).from_arrays(snapshot.inner)
        kept = self.method.state_dict()
        self.method.load_state_dict(snapshot.method)
        try:
            result: tuple[Any, Any] = source.restore(inner)
        except Exception:
            self.method.load_state_dict(kept)
            raise
        self.over = snapshot.over.copy()
        return result

    def resume(self, obs: Batch) -> None:
        """Observations of all rows after :meth:`restore`."""
        self._started = True
        if self.method.reads_obs:
            self._obs = copied(obs)


def add_term(existing: Mapping[str, Any] | None, reward: Any, name: str, change: Any) -> dict[str, Any]:
    """Reward terms with one more, floats or arrays; where the environment names none, all it pays is payoff."""
    terms = {"payoff": reward} if existing is None else dict(existing)
    terms[name] = terms[name] + change if name in terms else change
    return terms


def snapshot_source(env: Any) -> Any:
    """The first environment at or below ``env`` that takes snapshots; ``gym.make``'s own checkers are passed over.

    Raises:
        TypeError: a wrapper stands in between whose state a snapshot would miss.
    """
    checkers = (gym.wrappers.OrderEnforcing, gym.wrappers.PassiveEnvChecker)
    while not hasattr(type(env), "snapshot"):
        if not isinstance(env, checkers):
            raise TypeError(f"{type(env).__name__} has no snapshot()")
        env = env.env
    return env
