"""What all adapters share: running a method on a batch, reporting its term, snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from payoff.wrappers.arguments import as_array, check_mapping, reals
from payoff.wrappers.base import TERMS, RewardMethod, Transition
from payoff.wrappers.rows import Array, Batch, BatchInfo, copied, place, take

__all__ = ["MethodRunner", "WrapperSnapshot", "add_term", "snapshot_source", "snapshot_type"]


@dataclass(frozen=True, slots=True)
class WrapperSnapshot:
    """Everything that a wrapped environment needs to resume from here.

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
            TypeError: ``arrays`` is no dict.
            ValueError: an array is missing or unknown.
        """
        check_mapping("arrays", arrays, "arrays")
        parts: dict[str, dict[str, Array]] = {"over": {}, "inner": {}, "method": {}}
        for name, array in arrays.items():
            part, _, rest = str(name).partition(".")
            if part not in parts or (part == "over") != (rest == ""):
                raise ValueError(f"a wrapper's snapshot has no array {name!r}")
            parts[part][rest] = as_array(array).copy()
        for part in ("over", "inner"):
            if not parts[part]:
                raise ValueError(f"a wrapper's snapshot needs {part}, got {', '.join(map(str, arrays)) or 'nothing'}")
        return cls(parts["inner"], parts["over"][""], parts["method"])


class MethodRunner:
    """Runs one method on one batch: keeps the last observations, and which rows are between episodes.

    What an adapter makes of a step or reset that the environment has taken stands in a ``with runner:``. A failure in
    there, of the method or in what the environment gave it, leaves the environment ahead, and other people's cannot be
    rolled back. So :meth:`check_ready` then refuses every step until a full reset or a snapshot brings both together.

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
        self._obstacle: str | None = "call reset() before step()"  # what keeps the method from following a step
        self._obs: Batch = None  # copies of the last observations, where the method reads them
        self._everyone = np.ones(rows, dtype=np.bool_)
        self._everyone.flags.writeable = False  # one mask serves every transition

    def __enter__(self) -> None:
        """The environment has moved, and the method follows."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Take note of whether it could."""
        if error is None:
            self._obstacle = None
        else:
            self._obstacle = (
                f"failed after the environment had moved ({kind.__name__ if kind else ''}: {error}); "
                "call reset() without options['reset_mask'] before anything else"
            )

    def check_ready(self) -> None:
        """Raise gymnasium.error.ResetNeeded before the first reset, and after a failure until the next full one."""
        if self._obstacle is not None:
            raise gym.error.ResetNeeded(f"{type(self.method).__name__} {self._obstacle}")

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
        given = reward.copy()
        given.flags.writeable = False  # a method that writes into it would lose the true reward
        before = self._obs
        if self.method.reads_obs:
            self._obs = next_obs = copied(next_obs)
        if not steps:
            return given.copy()
        t = Transition(before, action, given, next_obs, terminated, truncated, info, active)
        new = reals(f"what {type(self.method).__name__} returns", self.method(t))
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
        """Snapshot of the environment inside and of the method; ResetNeeded where they are apart."""
        self.check_ready()
        inner = snapshot_source(env).snapshot().arrays()
        return WrapperSnapshot(inner, self.over.copy(), self.method.state_dict())

    def restore(self, env: Any, snapshot: WrapperSnapshot) -> tuple[Any, Any]:
        """Go back to a snapshot; returns what the environment inside returned.

        Everything is checked before anything changes, layer by layer down to the environment, which is the first to
        change. The caller hands the observations to :meth:`resume`.

        Raises:
            TypeError: no snapshot of a wrapper, or a part of it is of another type.
            ValueError: a part of it does not fit.
        """
        if not isinstance(snapshot, WrapperSnapshot):
            raise TypeError(f"snapshot must be a WrapperSnapshot, got {type(snapshot).__name__}")
        check_mapping("snapshot.inner", snapshot.inner, "arrays")
        check_mapping("snapshot.method", snapshot.method, "arrays")
        over: Any = snapshot.over
        if not isinstance(over, np.ndarray) or over.dtype != np.bool_ or over.shape != (self.rows,):
            got = f"{over.dtype} {over.shape}" if isinstance(over, np.ndarray) else repr(over)
            raise ValueError(f"snapshot.over must be a bool array of shape ({self.rows},), got {got}")
        source = snapshot_source(env)
        inner = snapshot_type(source).from_arrays(snapshot.inner)
        take_over = self.method.read_state(snapshot.method)
        result: tuple[Any, Any] = source.restore(inner)
        take_over()
        if env is not source and self._obstacle is not None:  # checkers between, which step only after a reset
            env.reset()
            result = source.restore(inner)
        self.over = over.copy()
        return result

    def resume(self, obs: Batch) -> None:
        """Observations of all rows after :meth:`restore`."""
        self._obstacle = None
        if self.method.reads_obs:
            self._obs = copied(obs)


def add_term(existing: Mapping[str, Any] | None, reward: Any, name: str, change: Any) -> dict[str, Any]:
    """Reward terms with one more, floats or arrays; they add up to the reward, of which ``env`` is what was there."""
    terms = {"env": reward} if existing is None else dict(existing)
    terms[name] = terms[name] + change if name in terms else change
    return terms


def snapshot_type(source: Any) -> Any:
    """Class of the snapshots of a :func:`snapshot_source`; only one that does not state it must have been reset."""
    from payoff.envs.views.common import Rebuilt  # here: it imports numba
    from payoff.envs.views.snapshot import Snapshot

    if hasattr(type(source), "snapshot_type"):
        return source.snapshot_type
    return Snapshot if isinstance(source, Rebuilt) else type(source.snapshot())


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
