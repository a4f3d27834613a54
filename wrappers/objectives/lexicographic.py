"""Objectives in order of importance: a later one only counts between choices that the earlier ones call equal.

(1) x > y  iff  s_i (x_i - y_i) > 0 at i = min { i : |x_i - y_i| > delta_i };  no such i: no preference
(2) delta_i = c_i std(z_i)
(3) w_K = 1,  w_i = w_{i+1} (step_{i+1} + range_{i+1}) / step_i

(1) with margins (2) is the labelling rule of HERON (arXiv 2309.02632 and its published code): multiply an objective by
a constant and no label changes, since the margin moves along. A weighted sum would change.

On all of R^K no finite reward has the lexicographic order. On returns that are multiples of step_i within a range, the
weights (3) have it exactly, but they grow by a factor range / step with each objective: beyond two or three, use the
order itself, by (1) between episodes or by :func:`lexicographic_argmax` between actions. The latter is thresholded
lexicographic action choice: Gabor, Kalmar and Szepesvari (ICML 1998), Vamplew et al. (2011). unverified: both papers
were not read again for this; the rule is the one in common use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from payoff.envs.core.params import check_number
from payoff.wrappers.arguments import check_sequence, reals
from payoff.wrappers.objectives.scalarise import Thresholded, WeightedSum
from payoff.wrappers.rows import Array

__all__ = ["lexicographic_argmax", "lexicographic_sum", "margins", "preferred"]


def preferred(first: Any, second: Any, delta: Any = 0.0, *, signs: Any = 1.0) -> Array:
    """Equation (1).

    Args:
        first: ``(..., K)`` objectives of one choice, the most important one first.
        second: ``(..., K)`` of the other.
        delta: ``(K,)`` differences that do not count, or one for all; not negative.
        signs: ``(K,)`` 1 where more is better, -1 where less is.

    Returns:
        ``(...)`` int64: 1 where the first is preferred, -1 where the second is, 0 where neither.

    Raises:
        ValueError: shapes that do not fit, NaN, negative margins, or signs other than 1 and -1.

    >>> preferred([[1.0, 0.0], [1.0, 5.0]], [[0.0, 9.0], [1.2, 1.0]], [0.5, 0.0]).tolist()
    [1, 1]
    """
    first, second = reals("first", first), reals("second", second)
    try:
        apart = np.asarray(first - second)
    except ValueError:
        raise ValueError(f"first and second must fit, got shapes {first.shape} and {second.shape}") from None
    if not apart.ndim:
        raise ValueError(f"first and second must have shape (..., K), got {first.shape} and {second.shape}")
    if np.isnan(apart).any():  # a difference that is no number would count as none
        raise ValueError("first and second must be numbers with a difference, got NaN")
    size = apart.shape[-1:]
    delta, signs = _each("delta", delta, size), _each("signs", signs, size)
    if not (delta >= 0.0).all():
        raise ValueError(f"delta must not be negative, got {delta.tolist()}")
    if not np.isin(signs, (-1.0, 1.0)).all():
        raise ValueError(f"signs must be 1 or -1, got {signs.tolist()}")
    counts = np.abs(apart) > delta
    first_at = counts.argmax(axis=-1)
    chosen = np.take_along_axis(apart * signs, first_at[..., None], axis=-1)[..., 0]
    answer: Array = np.where(counts.any(axis=-1), np.sign(chosen), 0.0).astype(np.int64)
    return answer


def _each(name: str, value: Any, size: tuple[int, ...]) -> Array:
    """``(K,)`` numbers, from as many or from one for all."""
    found = reals(name, value)
    if found.shape not in ((), (1,), size):
        raise ValueError(f"{name} must be one number or {size[0]}, got shape {found.shape}")
    return np.broadcast_to(found, size)


def margins(samples: Any, factors: Any) -> Array:
    """Equation (2).

    Args:
        samples: ``(M, K)`` objectives of M choices. Take them once, after a warm-up: with a growing buffer margins
            drift, and the same pair gets two labels.
        factors: ``(K,)`` c_i, or one for all; not negative.

    Returns:
        ``(K,)``.

    Raises:
        ValueError: no samples, or negative factors.
    """
    samples = reals("samples", samples)
    if samples.ndim != 2 or not len(samples):
        raise ValueError(f"samples must have shape (M, K) with M at least 1, got {samples.shape}")
    factors = _each("factors", factors, samples.shape[1:])
    if not (factors >= 0.0).all():
        raise ValueError(f"factors must not be negative, got {factors.tolist()}")
    spread: Array = factors * samples.std(axis=0)
    return spread


def lexicographic_sum(
    ranges: Sequence[float], steps: Sequence[float], *, thresholds: Sequence[float] | None = None
) -> WeightedSum | Thresholded:
    """Weights (3): the sum orders returns as the lexicographic order does.

    Args:
        ranges: K largest differences between two returns, of each objective, above 0.
        steps: K least differences between two returns that are not equal, above 0.
        thresholds: K values above which an objective counts no more (the order is then that of the minima), or None.

    Raises:
        ValueError: numbers out of range, lists of different lengths, or weights so far apart that float64 would lose
            the last objective.

    >>> lexicographic_sum(ranges=[1.0, 9.0], steps=[1.0, 1.0]).weights
    (10.0, 1.0)
    """
    check_sequence("ranges", ranges, "numbers")
    check_sequence("steps", steps, "numbers")
    if len(ranges) != len(steps) or not len(ranges):
        raise ValueError(f"ranges and steps must be as many, and at least one, got {len(ranges)} and {len(steps)}")
    for name, values in (("ranges", ranges), ("steps", steps)):
        for value in values:
            check_number(f"{name}[...]", value, 0.0, open_low=True)
    ranges, steps = [float(x) for x in ranges], [float(x) for x in steps]
    weights = [1.0]
    for i in range(len(ranges) - 2, -1, -1):
        weights.insert(0, weights[0] * (steps[i + 1] + ranges[i + 1]) / steps[i])
    if weights[0] * ranges[0] * 2.0**-50 > weights[-1] * steps[-1]:
        raise ValueError("ranges / steps are too large: in float64 the sum would not see the last objective")
    return WeightedSum(weights) if thresholds is None else Thresholded(thresholds, weights)


def lexicographic_argmax(values: Any, *, thresholds: Any = np.inf, slack: Any = 0.0) -> Array:
    """Action choice by several action values: of the actions best in the first, those best in the second, and so on.

    Args:
        values: ``(..., A, K)`` action values, the most important objective first.
        thresholds: ``(K,)`` or one for all; a value above its threshold counts as the threshold.
        slack: ``(K,)`` or one for all, not negative: how far below the best an action may lie and stay in.

    Returns:
        ``(...)`` int64, of equally good actions the first.

    Raises:
        ValueError: shapes that do not fit, NaN, or a negative slack.
    """
    values = reals("values", values)
    if values.ndim < 2 or 0 in values.shape[-2:]:
        raise ValueError(f"values must have shape (..., A, K), got {values.shape}")
    if np.isnan(values).any():
        raise ValueError("values must be numbers, got NaN")
    size = values.shape[-1:]
    thresholds, slack = _each("thresholds", thresholds, size), _each("slack", slack, size)
    if np.isnan(thresholds).any():
        raise ValueError(f"thresholds must be numbers, got {thresholds.tolist()}")
    if not (slack >= 0.0).all():
        raise ValueError(f"slack must not be negative, got {slack.tolist()}")
    left = np.ones(values.shape[:-1], dtype=np.bool_)
    for k in range(size[0]):
        q = np.where(left, np.minimum(values[..., k], thresholds[k]), -np.inf)
        left &= q >= q.max(axis=-1, keepdims=True) - slack[k]
    answer: Array = left.argmax(axis=-1)
    return answer
