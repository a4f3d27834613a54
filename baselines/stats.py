"""Statistics over runs: interquartile mean, stratified bootstrap intervals, probability of improvement.

Few seeds on games of different scale make raw means mislead: one game with large payoffs decides a mean, one lucky seed
decides a game. These three are the remedies of Agarwal et al., "Deep Reinforcement Learning at the Edge of the
Statistical Precipice" (NeurIPS 2021, arXiv 2108.13264).

Scores come as *strata*: one 1-D array per game, one number per run. Strata may differ in length, since a run may have
failed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "FEW",
    "Kind",
    "Spread",
    "Strata",
    "bootstrap_band",
    "bootstrap_interval",
    "interquartile_mean",
    "jain_index",
    "kind_of",
    "probability_of_improvement",
    "spread",
]

Array = NDArray[np.float64]
Strata = Sequence[ArrayLike]
Kind: TypeAlias = Literal["single", "range", "interval"]
FEW = 5  # seeds from which on an interval is given


def interquartile_mean(strata: Strata) -> float:
    """Mean of the middle half of all scores; a quarter, rounded down, is cut at each end.

    Below four scores nothing is cut and this is the mean.

    Raises:
        ValueError: there is no score, or one is not finite.
    """
    scores = np.sort(np.concatenate(_checked(strata)))
    cut = len(scores) // 4
    return float(np.mean(scores[cut : len(scores) - cut]))


def bootstrap_interval(
    strata: Strata,
    statistic: Callable[[Strata], float] = interquartile_mean,
    *,
    confidence: float = 0.95,
    samples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a statistic when the runs of each stratum are drawn again, with replacement.

    With three runs a stratum the interval is a rough one, and narrower than its confidence says.

    Args:
        strata: scores, one array per game.
        statistic: maps strata to a number.
        confidence: share of the resampled statistics inside the interval, in (0, 1).
        samples: number of resamples.
        seed: seed of the resampling.

    Raises:
        ValueError: ``confidence`` or ``samples`` out of range, an empty stratum, or a score that is not finite.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")
    rng = np.random.default_rng(seed)
    scores = _checked(strata)
    draws = [statistic([rng.choice(s, len(s)) for s in scores]) for _ in range(samples)]
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def bootstrap_band(
    curves: ArrayLike, *, confidence: float = 0.95, samples: int = 1000, seed: int = 0
) -> tuple[Array, Array, Array]:
    """Mean over runs at every point of a curve, with its percentile interval when whole runs are drawn again.

    Args:
        curves: ``(runs, points)``.
        confidence: share of the resampled means inside the band at each point, in (0, 1).
        samples: number of resamples.
        seed: seed of the resampling.

    Returns:
        Mean, lower and upper end, each ``(points,)``.

    Raises:
        ValueError: ``curves`` is not 2-D with at least one run.
    """
    runs = np.asarray(curves, dtype=np.float64)
    if runs.ndim != 2 or runs.shape[0] == 0:
        raise ValueError(f"curves must be (runs, points) with at least one run, got shape {runs.shape}")
    drawn = np.random.default_rng(seed).integers(len(runs), size=(samples, len(runs)))
    weights = np.stack([(drawn == k).mean(axis=1) for k in range(len(runs))], axis=1)  # (samples, runs)
    low, high = np.quantile(weights @ runs, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return runs.mean(axis=0), low, high


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean over seeds, and what the seeds allow to say of it.

    Attributes:
        mean: ``(points,)``.
        low: ``(points,)`` lower end; None with one seed.
        high: ``(points,)`` upper end; likewise.
        kind: ``single``: one seed, nothing is known of others. ``range``: fewer than :data:`FEW` seeds, smallest and
            largest of them. ``interval``: the 95 % percentile interval of the mean when seeds are drawn again.
    """

    mean: Array
    low: Array | None
    high: Array | None
    kind: Kind


def kind_of(seeds: int) -> Kind:
    """What so many seeds, 1 or more, allow to say; see :class:`Spread`."""
    return "single" if seeds == 1 else "range" if seeds < FEW else "interval"


def spread(curves: ArrayLike) -> Spread:
    """Mean over runs at every point, with the range or the interval of the runs.

    With few runs a percentile interval is narrower than it says, as ``benchmarks/interval_coverage.py`` measures; with
    fewer than :data:`FEW` so much so that the range is given instead, which says what it is.

    Args:
        curves: ``(runs, points)``, or ``(runs,)`` for one point.

    Raises:
        ValueError: another shape, or no run.
    """
    runs = np.asarray(curves, dtype=np.float64)
    runs = runs[:, None] if runs.ndim == 1 else runs
    if runs.ndim != 2 or runs.shape[0] == 0:
        raise ValueError(f"curves must be (runs, points) with at least one run, got shape {runs.shape}")
    kind = kind_of(len(runs))
    if kind == "single":
        return Spread(runs[0], None, None, kind)
    if kind == "range":
        return Spread(runs.mean(axis=0), runs.min(axis=0), runs.max(axis=0), kind)
    return Spread(*bootstrap_band(runs), kind)


def probability_of_improvement(treated: Strata, control: Strata) -> float:
    """Chance that a run of ``treated`` beats one of ``control`` on the same game, ties counting half; mean over games.

    Raises:
        ValueError: the two have different numbers of strata, an empty one, or a score that is not finite.
    """
    x, y = _checked(treated), _checked(control)
    if len(x) != len(y):
        raise ValueError(f"treated has {len(x)} strata and control {len(y)}; they must be the same games")
    pairs = [a[:, None] - b[None, :] for a, b in zip(x, y, strict=True)]
    return float(np.mean([np.mean((d > 0) + 0.5 * (d == 0)) for d in pairs]))


def jain_index(payoffs: ArrayLike) -> float | None:
    """Fairness of a division (Jain, Chiu and Hawe 1984): (sum x)^2 / (n sum x^2).

    Returns:
        1 where all get the same, k/n where k of n share everything; None where a payoff is negative, or all are 0: it
        compares shares of a positive sum.
    """
    x = np.asarray(payoffs, dtype=np.float64)
    if (x < 0).any() or not x.any():
        return None
    return float(x.sum() ** 2 / (x.size * (x**2).sum()))


def _checked(strata: Strata) -> list[Array]:
    """Strata as arrays, each with at least one score and all finite."""
    arrays = [np.atleast_1d(np.asarray(s, dtype=np.float64)) for s in strata]
    if not arrays:
        raise ValueError("strata must hold at least one array of scores, got none")
    for k, scores in enumerate(arrays):
        if scores.ndim != 1 or scores.size == 0:
            raise ValueError(f"strata[{k}] must be 1-D with at least one score, got shape {scores.shape}")
        if not np.isfinite(scores).all():
            raise ValueError(f"strata[{k}] must be finite, got {scores}")
    return arrays
