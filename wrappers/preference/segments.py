"""Segments: short stretches of play, which is what annotators compare.

A segment has L steps. Where an episode ends for good before that, the rest of the segment is spent in the end: nothing
happens there and nothing is paid. Such segments tell a learner that an end is worth 0 from then on; without them a
constant that is added to every step changes no comparison, and may change what is best to do (Knox et al.).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from payoff.envs.core.params import check_integer
from payoff.wrappers.arguments import as_array, check_mapping, check_names, flags, reals, state_array
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.state_features import flat
from payoff.wrappers.rows import Array

__all__ = ["SegmentRecorder", "Segments", "draw_pairs", "joined"]


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """N segments of L steps.

    Attributes:
        obs: ``(N, L + 1, O)`` float64, the observation that each step acts on and, last, the one after the last step;
            once an episode has ended, its last observation.
        actions: ``(N, L, A)`` float64, 0 after an end.
        rewards: ``(N, L)`` float64, what the game paid, which an annotator may know and a learner is not told.
        valid: ``(N, L)`` bool, False after an end; the first step of a segment is always valid.
        ended: ``(N,)`` bool, whether the episode ended for good within the segment.

    Raises:
        ValueError: arrays whose shapes do not fit, or numbers that are not finite.
    """

    obs: Array
    actions: Array
    rewards: Array
    valid: Array
    ended: Array

    def __post_init__(self) -> None:
        """Check shapes and numbers (ValueError)."""
        for name in ("obs", "actions", "rewards"):
            object.__setattr__(self, name, reals(name, getattr(self, name)).astype(np.float64))
        for name in ("valid", "ended"):
            object.__setattr__(self, name, flags(name, getattr(self, name)))
        if self.valid.ndim != 2 or not self.valid.shape[1]:
            raise ValueError(f"valid must have shape (N, L) with L at least 1, got {self.valid.shape}")
        n, length = self.valid.shape
        wanted = {"obs": (n, length + 1), "actions": (n, length), "rewards": (n, length), "ended": (n,)}
        for name, shape in wanted.items():
            array = getattr(self, name)
            axes = len(shape) + (name in ("obs", "actions"))
            if array.shape[: len(shape)] != shape or array.ndim != axes:
                more = ", O" if name == "obs" else ", A" if name == "actions" else ""
                raise ValueError(f"{name} must have shape {str(shape)[:-1]}{more}), got {array.shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"{name} must hold finite numbers, got {array[~np.isfinite(array)][0]}")
        if n and not self.valid[:, 0].all():
            raise ValueError("valid must be True in the first step of every segment")

    def __len__(self) -> int:
        """N."""
        return len(self.valid)

    @property
    def length(self) -> int:
        """L."""
        return int(self.valid.shape[1])

    @property
    def returns(self) -> Array:
        """Sum of the rewards of each, ``(N,)``, not discounted."""
        total: Array = np.where(self.valid, self.rewards, 0.0).sum(axis=1)
        return total

    def take(self, rows: Array) -> Segments:
        """The segments with these numbers, or where a mask ``(N,)`` is True."""
        return Segments(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def arrays(self) -> dict[str, Array]:
        """Copies by name, for a file."""
        return {f.name: getattr(self, f.name).copy() for f in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Segments:
        """Inverse of :meth:`arrays`.

        Raises:
            TypeError: ``arrays`` is no dict.
            ValueError: an array is missing, unknown, or does not fit.
        """
        check_mapping("arrays", arrays, "arrays")
        check_names("Segments", arrays, dict.fromkeys(f.name for f in fields(cls)))
        return cls(**arrays)

    @classmethod
    def none(cls, length: int, obs: int, actions: int) -> Segments:
        """No segments, of L steps, O numbers an observation and A an action."""
        numbers = (np.zeros((0, length + 1, obs)), np.zeros((0, length, actions)), np.zeros((0, length)))
        return cls(*numbers, np.zeros((0, length), dtype=np.bool_), np.zeros(0, dtype=np.bool_))


def draw_pairs(segments: int, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Numbers ``(count,)`` of the first and of the second segment of random pairs, never one with itself.

    Args:
        segments: N, how many there are.
        count: pairs, drawn independently.
        rng: source of the draws.

    Raises:
        ValueError: fewer than two segments.
    """
    check_integer("segments", segments, 2)
    check_integer("count", count, 0)
    first = rng.integers(segments, size=count)
    second = (first + rng.integers(1, segments, size=count)) % segments
    return first, second


class SegmentRecorder:
    """Cuts play into segments as it goes: one every L steps of a row, and one where an episode ends for good.

    What is left of an episode that is cut off by time is thrown away, since nothing says how it would have gone on.

    Args:
        length: L, at least 1.
        encode: from observations to numbers ``(R, O)``; None: all of them.

    Raises:
        ValueError: ``length`` is out of its range.
    """

    def __init__(self, length: int, encode: Callable[[Any], Array] | None = None) -> None:
        check_integer("length", length, 1)
        self.length = length
        self.encode = flat if encode is None else encode
        self._rows: dict[str, Array] = {}  # what each row has of its segment, and "filled", how many steps

    def begin(self, mask: Array) -> None:
        """Rows in ``mask`` ``(R,)`` begin an episode: what they had is thrown away."""
        if self._rows and len(self._rows["filled"]) == mask.size:
            self._rows["filled"] = np.where(mask, 0, self._rows["filled"])
        else:
            self._rows = {}

    def add(self, t: Transition) -> Segments | None:
        """One step of R rows; the segments that it completed, None for none.

        Raises:
            ValueError: other rows than have begun, or other sizes of observations or actions.
        """
        obs, after = self.encode(t.obs), self.encode(t.next_obs)
        actions = np.asarray(t.action, dtype=np.float64).reshape(len(obs), -1)
        if not self._rows:
            self._rows = self._blank(len(obs), obs.shape[1], actions.shape[1])
        (count, _, size), entries = self._rows["obs"].shape, self._rows["actions"].shape[2]
        if (len(obs), obs.shape[1], actions.shape[1]) != (count, size, entries):
            given = f"got {len(obs)} of {obs.shape[1]} and {actions.shape[1]}: reset comes first"
            raise ValueError(f"{count} rows have begun, of {size} and {entries} numbers, {given}")
        rows, at = np.flatnonzero(t.active), self._rows["filled"][t.active]
        self._rows["obs"][rows, at], self._rows["obs"][rows, at + 1] = obs[rows], after[rows]
        self._rows["actions"][rows, at], self._rows["rewards"][rows, at] = actions[rows], t.reward[rows]
        filled = self._rows["filled"] + t.active
        ended = t.active & t.terminated
        whole = np.flatnonzero(ended | (filled == self.length))
        found = self._cut(whole, filled, ended) if whole.size else None
        done = t.active & (t.terminated | t.truncated)
        self._rows["filled"] = np.where(done | (filled == self.length), 0, filled)
        return found

    def _blank(self, rows: int, obs: int, actions: int) -> dict[str, Array]:
        length = self.length
        return {
            "obs": np.zeros((rows, length + 1, obs)),
            "actions": np.zeros((rows, length, actions)),
            "rewards": np.zeros((rows, length)),
            "filled": np.zeros(rows, dtype=np.int64),
        }

    def _cut(self, rows: Array, filled: Array, ended: Array) -> Segments:
        steps = filled[rows]
        valid = np.arange(self.length) < steps[:, None]
        seen = np.minimum(np.arange(self.length + 1), steps[:, None])
        return Segments(
            obs=self._rows["obs"][rows[:, None], seen],
            actions=np.where(valid[:, :, None], self._rows["actions"][rows], 0.0),
            rewards=np.where(valid, self._rows["rewards"][rows], 0.0),
            valid=valid,
            ended=ended[rows],
        )

    def state_dict(self) -> dict[str, Array]:
        """Copies of what each row has of its segment; empty before the first step."""
        return {name: array.copy() for name, array in self._rows.items()}

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """Check what :meth:`state_dict` gave; the function that is returned takes it over.

        Raises:
            ValueError: an array is missing, unknown, or does not fit the rows that have begun; nothing has changed.
        """
        rows: dict[str, Array] = {}
        if state:
            blank = self._blank(0, 0, 0)
            check_names("SegmentRecorder", state, blank)
            sizes = [as_array(state[name]).shape for name in ("obs", "actions")]
            if any(len(size) != 3 for size in sizes):
                raise ValueError(f"SegmentRecorder: obs and actions must have three axes, got {sizes}")
            blank = self._rows or self._blank(sizes[0][0], sizes[0][2], sizes[1][2])
            rows = {name: state_array("SegmentRecorder", name, state[name], like) for name, like in blank.items()}
            filled = rows["filled"]
            if filled.size and (filled.min() < 0 or filled.max() >= self.length):
                raise ValueError(f"SegmentRecorder: filled must be in 0 .. {self.length - 1}, got {filled.tolist()}")

        def take_over() -> None:
            self._rows = rows

        return take_over


def joined(parts: Sequence[Segments]) -> Segments:
    """All segments of a list that is not empty."""
    return Segments(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Segments)})
