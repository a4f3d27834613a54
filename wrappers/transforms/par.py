"""Preference as reward (PAR): the probability of beating a reference, in place of the reward itself.

With a proxy reward r and M reference rewards from the same start,

(1) r' = 1/M sum_m g(k (r - ref_m))

For g the logistic function, r' is the probability that r is preferred under the Bradley-Terry model: bounded, steep
around the references and flat far above them, where a proxy is least to be trusted. The other functions of the centred
reward x = k (r - ref) are those it was compared with:

- ``sigmoid``     1 / (1 + e^-x)                                            in (0, 1)
- ``tanh``        tanh x                                                    in (-1, 1)
- ``arctan``      2/pi arctan x                                             in (-1, 1)
- ``polynomial``  1/2 + x/4 - x^3/48 + x^5/480, clipped to [0, 1]           in [0, 1]
- ``linear``      x                                                         unbounded
- ``logsigmoid``  log sigmoid(r - q), q a quantile of the references        below 0, unbounded
- ``shifted``     sigmoid(x - 3 k)                                          in (0, 1)

No g that rises turns an order: what fools the proxy into a higher reward stays better, only by less. |r'| <= 1 gives
returns a variance of at most 1 / (1 - gamma)^2. Learners that divide by a group's standard deviation
see no affine change of a reward: for them only the curvature of g matters.

Source: Fu et al., "Reward shaping to mitigate reward hacking in RLHF", arXiv 2502.18770. unverified: scaling of
``arctan``, and the coefficients of ``polynomial``, which here are those of the logistic function around 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.wrappers.arguments import check_mapping, reals
from payoff.wrappers.base import RowMethod, Transition
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
from payoff.wrappers.rows import Array, Batch, BatchInfo, take
from payoff.wrappers.transforms.signals import RewardSignal, Signal, as_signal, evaluate

__all__ = ["SHAPES", "GroupPreference", "PreferenceAsReward", "ShapeName", "preference", "reference_returns", "sigmoid"]

ShapeName: TypeAlias = Literal["sigmoid", "tanh", "arctan", "polynomial", "linear", "logsigmoid", "shifted"]
Reference: TypeAlias = Callable[[Batch, BatchInfo], Array]


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x), without overflow."""
    small = np.exp(-np.abs(x))
    value: Array = np.where(x >= 0.0, 1.0, small) / (1.0 + small)
    return value


def _polynomial(x: Array) -> Array:
    x = np.clip(x, -3.0, 3.0)  # beyond, the polynomial is outside [0, 1] anyway
    square = x * x
    value: Array = np.clip(0.5 + x * (0.25 + square * (-1.0 / 48.0 + square / 480.0)), 0.0, 1.0)
    return value


def _log_sigmoid(x: Array) -> Array:
    value: Array = np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x)))
    return value


SHAPES: dict[str, Callable[[Array], Array]] = {
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "arctan": lambda x: np.arctan(x) * (2.0 / np.pi),
    "polynomial": _polynomial,
    "linear": lambda x: x,
    "logsigmoid": _log_sigmoid,
    "shifted": sigmoid,
}


def preference(
    reward: Array, reference: Array, *, k: float = 1.0, shape: ShapeName = "sigmoid", quantile: float = 0.85
) -> Array:
    """Equation (1).

    Args:
        reward: ``(...)`` r.
        reference: ``(..., M)`` rewards of the references, M >= 1.
        k: steepness, above 0.
        shape: g.
        quantile: of the references, for ``"logsigmoid"``.

    Returns:
        ``(...)``, in the range of the shape.

    Raises:
        ValueError: a parameter out of its range, or no references.

    >>> float(preference(np.array(2.0), np.array([1.0, 2.0, 3.0])))
    0.5
    """
    check_number("k", k, 0.0, open_low=True)
    check_word("shape", shape, SHAPES)
    check_number("quantile", quantile, 0.0, 1.0)
    reward, reference = np.asarray(reward, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if not reference.ndim or not reference.shape[-1]:
        raise ValueError(f"reference must have shape (..., M) with M at least 1, got {reference.shape}")
    if shape == "logsigmoid":
        return _log_sigmoid(k * (reward - np.quantile(reference, quantile, axis=-1)))
    centred = reward[..., None] - reference - (3.0 if shape == "shifted" else 0.0)
    values = SHAPES[shape](k * centred)
    total = values[..., 0].copy()
    for m in range(1, reference.shape[-1]):  # one after the other: the same bits in every batch size
        total += values[..., m]
    mean: Array = total / reference.shape[-1]
    return mean


class PreferenceAsReward(RowMethod):
    """Replaces a reward by the probability that it beats the references, or by another bounded shape of (1).

    At the end of the episode it pays g of the episode's undiscounted return, and nothing before: a function that never
    falls, so where everything is deterministic the better of two policies stays the better one (with references that
    depend on the start alone). With chance it does not: a saturated shape prefers a sure good return to a gamble of a
    higher mean. With discounting an episode that ends sooner is paid sooner, also for nothing; ``"tanh"`` and
    ``"linear"`` pay 0 for the return of the reference, ``"sigmoid"`` one half.

    At each step it pays g of that step's reward. Then every step that is worth as much as the reference pays g(0), and
    policies that go on for ever may become optimal: use a shape with g(0) = 0, or rewards of one step.

    Both kinds of end pay. The reward without it is in ``info["true_reward"]``.

    Args:
        reference: rewards (``at="step"``) or returns (``at="end"``) to compare with: a number, M numbers, or a function
            from R first observations and their info to ``(R, M)``, which is asked when an episode begins.
        at: ``"end"`` or ``"step"``.
        k: steepness, above 0.
        shape: g, see the module.
        samples: M, where ``reference`` is a function.
        quantile: for ``"logsigmoid"``.
        proxy: signal to transform; None: the reward.

    Raises:
        TypeError: ``proxy`` is no signal.
        ValueError: another argument is not allowed.
    """

    term: ClassVar[str] = "shaping"

    def __init__(
        self,
        reference: Any,
        *,
        at: Literal["end", "step"],
        k: float = 1.0,
        shape: ShapeName = "sigmoid",
        samples: int | None = None,
        quantile: float = 0.85,
        proxy: Signal | None = None,
    ) -> None:
        check_word("at", at, ("end", "step"))
        check_number("k", k, 0.0, open_low=True)
        check_word("shape", shape, SHAPES)
        check_number("quantile", quantile, 0.0, 1.0)
        self.function: Reference | None = None
        self.fixed = np.zeros(0)
        if callable(reference):
            if samples is None:
                raise ValueError("samples must say how many references the function gives, got None")
            check_integer("samples", samples, 1)
            self.function, self.samples = reference, samples
        else:
            self.fixed = reals("reference", reference).reshape(-1).copy()
            if np.ndim(reference) > 1 or not self.fixed.size or not np.isfinite(self.fixed).all():
                raise ValueError(f"reference must be one or several finite numbers, or a function, got {reference!r}")
            if samples is not None:
                check_integer("samples", samples, 1)
            if samples not in (None, self.fixed.size):
                raise ValueError(f"samples must be {self.fixed.size}, the number of references, got {samples!r}")
            self.samples = self.fixed.size
        super().__init__()
        self.at = at
        self.k = k
        self.shape: ShapeName = shape
        self.quantile = quantile
        self.proxy = RewardSignal() if proxy is None else as_signal("proxy", proxy)

    def blank(self) -> dict[str, Array]:
        """``total``: proxy reward of the episode so far; ``reference``: its references ``(M,)``."""
        return {"total": np.zeros(()), "reference": self.fixed if self.function is None else np.zeros(self.samples)}

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Ask for the references of the starts."""
        super().reset(obs, info, mask)
        if self.function is None or not mask.any():
            return
        given = self.function(take(obs, mask), info if mask.all() else info.select(mask))
        found = reals("what reference returns", given)
        expected = (int(mask.sum()), self.samples)
        if found.shape != expected or not np.isfinite(found).all():
            raise ValueError(f"reference must give finite numbers of shape {expected}, got {found!r}")
        self.memory["reference"] = self.memory["reference"].copy()
        self.memory["reference"][mask] = found

    def __call__(self, t: Transition) -> Array:
        """New rewards, in the range of the shape."""
        self.check_rows(t)
        proxy = evaluate("proxy", self.proxy, t)
        if self.at == "step":
            return self._preference(proxy)
        total = self.memory["total"] + proxy
        self.memory["total"] = total
        return np.where(t.terminated | t.truncated, self._preference(total), 0.0)

    def _preference(self, reward: Array) -> Array:
        return preference(reward, self.memory["reference"], k=self.k, shape=self.shape, quantile=self.quantile)


def reference_returns(batch: EpisodeBatch) -> dict[int, Array]:
    """Returns of a frozen policy's episodes by start group, for :class:`GroupPreference`.

    Returns:
        group -> ``(M,)`` returns of its finished episodes.

    Raises:
        ValueError: the batch names no groups.
    """
    if batch.group is None:
        raise ValueError("batch.group must say which episodes began alike, got None")
    finished = batch.finished
    groups = np.unique(batch.group[finished])
    return {int(g): batch.returns[finished & (batch.group == g)] for g in groups}


class GroupPreference(RewardTransform):
    """PAR on finished episodes: g of the return against references from the same start, paid at the last step.

    What it keeps and does not is as for :class:`PreferenceAsReward` with ``at="end"``. Refresh the references every few
    updates by assigning ``reference``. Episodes that are not finished are paid 0.

    Args:
        reference: start group -> returns of a frozen policy, see :func:`reference_returns`; None: the other episodes of
            the group in the same batch, of which there must be one.
        k: steepness, above 0.
        shape: g, see the module.

    Raises:
        TypeError: ``reference`` is no mapping.
        ValueError: another argument is not allowed.
    """

    def __init__(
        self, reference: Mapping[int, Array] | None = None, *, k: float = 1.0, shape: ShapeName = "sigmoid"
    ) -> None:
        check_number("k", k, 0.0, open_low=True)
        check_word("shape", shape, SHAPES)
        if reference is not None:
            check_mapping("reference", reference, "returns of each start group")
        self.reference = reference
        self.k = k
        self.shape: ShapeName = shape

    def rewrite(self, batch: EpisodeBatch) -> Array:
        """New rewards ``(T, B)``.

        Raises:
            ValueError: no groups, or a group without references.
        """
        if batch.group is None:
            raise ValueError("batch.group must say which episodes began alike, got None")
        paid = np.zeros(batch.rewards.shape[1])
        finished = batch.finished
        for b in np.flatnonzero(finished):
            g = int(batch.group[b])
            if self.reference is None:
                others = finished & (batch.group == g)
                others[b] = False
                reference = batch.returns[others]
            else:
                reference = reals(f"reference[{g}]", self.reference.get(g, np.zeros(0)))
            if not reference.size:
                raise ValueError(f"group {g} has no reference to compare episode {b} with")
            paid[b] = preference(batch.returns[b], reference, k=self.k, shape=self.shape)
        return np.where(batch.last, paid, 0.0)
