"""Several rewards, each paid at the end of its own segments: of a step, of an option, of an episode.

(1) r'_t = sum_k w_k [t ends a segment of k] (sum of v_k since the last one)

What is judged per sentence or per skill is paid when that is over, what is judged as a whole at the end. With every
segment an episode this is the holistic control, with every segment a step a weighted sum of dense rewards; undiscounted
returns are equal. The idea is fine-grained feedback (Wu et al., 2023). unverified: only its abstract was read, and (1)
is this package's form of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, TypeAlias

import numpy as np

from payoff.envs.core.params import check_integer
from payoff.wrappers.arguments import check_sequence
from payoff.wrappers.base import Transition
from payoff.wrappers.objectives.memory import MemoryMethod
from payoff.wrappers.objectives.scalarise import WeightedSum, check_key, read_vector
from payoff.wrappers.rows import Array

__all__ = ["FineGrainedReward", "Segment"]

Segment: TypeAlias = str | int | Callable[[Transition], Array]
"""``"step"``, ``"episode"``, a number of steps, or a function from R transitions to ``(R,)`` bool, where one ends."""


class FineGrainedReward(MemoryMethod):
    """Replaces the reward by equation (1). All segments end with the episode, whichever way it ends.

    What is owed is part of the problem's state: ``augment`` shows it to the learner.

    Args:
        weights: K numbers.
        segments: K of them; see :data:`Segment`.
        key: entry of ``info`` with the vectors ``(R, K)``.

    Raises:
        TypeError: a segment is neither word, number nor function, or ``key`` is no string.
        ValueError: another word, a number below 1, or lists of different lengths.

    >>> FineGrainedReward([1.0, 0.5], ["step", "episode"]).size
    2
    """

    term: ClassVar[str] = "aux"
    counts: ClassVar[tuple[str, ...]] = ("steps",)

    def __init__(self, weights: Sequence[float], segments: Sequence[Segment], *, key: str = "reward_vector") -> None:
        self.sum = WeightedSum(weights)
        check_key(key)
        check_sequence("segments", segments, "words, numbers or functions")
        if len(segments) != len(self.sum.weights):
            raise ValueError(f"segments must be as many as weights, {len(self.sum.weights)}, got {len(segments)}")
        for segment in segments:
            if isinstance(segment, str):
                if segment not in ("step", "episode"):
                    raise ValueError(f"a segment must be 'step', 'episode', a number or a function, got {segment!r}")
            elif isinstance(segment, int | np.integer):
                check_integer("a segment's steps", segment, 1)
            elif not callable(segment):
                raise TypeError(f"a segment must be 'step', 'episode', a number or a function, got {segment!r}")
        super().__init__()
        self.segments = tuple(segments)
        self.size = len(self.segments)
        self.key = key

    def blank(self) -> dict[str, Array]:
        """``owed`` and ``steps``: sums and numbers of steps since each segment began, ``(K,)``."""
        return {"owed": np.zeros(self.size), "steps": np.zeros(self.size, dtype=np.int64)}

    def __call__(self, t: Transition) -> Array:
        """Rewards by equation (1)."""
        self.check_rows(t)
        active = t.active[:, None]
        owed = self.memory["owed"] + np.where(active, read_vector(t, self.key, self.size), 0.0)
        steps = self.memory["steps"] + active
        due = np.stack([self._ends(k, t, steps[:, k]) for k in range(self.size)], axis=1)
        due = (due | (t.terminated | t.truncated)[:, None]) & active
        self.remember({"owed": np.where(due, 0.0, owed), "steps": np.where(due, 0, steps)})
        return self.sum(np.where(due, owed, 0.0))

    def _ends(self, k: int, t: Transition, steps: Array) -> Array:
        """Whether a segment of objective k ends here, ``(R,)`` bool, the episode's end aside."""
        segment = self.segments[k]
        if isinstance(segment, str):
            return np.full(steps.shape, segment == "step")
        if not callable(segment):
            return steps >= segment
        found = np.asarray(segment(t))
        if found.shape != steps.shape or found.dtype != np.bool_:
            raise ValueError(f"a segment must return bool {steps.shape}, got {found.dtype} {found.shape}")
        return found

    def features(self, memory: Mapping[str, Array]) -> Array:
        """``owed`` and, where a segment is a number of steps n, the share of it that is over; ``(R, K + n's)``."""
        shares = [memory["steps"][:, k] / segment for k, segment in enumerate(self.segments) if _counts(segment)]
        return np.column_stack([memory["owed"], *shares]).astype(np.float32)

    def feature_bounds(self) -> tuple[Array, Array]:
        """Any sums; shares in [0, 1]."""
        counting = sum(_counts(segment) for segment in self.segments)
        low, high = [-np.inf] * self.size + [0.0] * counting, [np.inf] * self.size + [1.0] * counting
        return np.array(low, dtype=np.float32), np.array(high, dtype=np.float32)

    def told(self, memory: Mapping[str, Array]) -> dict[str, Array]:
        """``owed``, ``(R, K)``."""
        return {"owed": memory["owed"]}


def _counts(segment: Segment) -> bool:
    """Whether a segment is a number of steps."""
    return not isinstance(segment, str) and not callable(segment)
