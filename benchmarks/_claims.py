"""How a learning claim of `docs/results.md` is made: its seeds, how their figures are printed, how they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from payoff.baselines.ablation import seeds_of
from payoff.baselines.stats import FEW, bootstrap_band

__all__ = ["SEEDS", "binned", "draw_curves", "median_range", "seeds_of"]

SEEDS = "100-109"  # chose nothing: budgets and settings were tried out on small numbers, 0 to 60


def median_range(values: Sequence[float], digits: int = 2) -> str:
    """Median over seeds and, in brackets, the lowest and the highest seed."""
    middle, low, high = (f"{v:,.{digits}f}" for v in (np.median(values), min(values), max(values)))
    return f"{middle} ({low} to {high})"


def binned(curve: np.ndarray) -> np.ndarray:
    """Means over stretches of four updates; in one update only a few episodes end, or none (NaN)."""
    whole = curve[: len(curve) // 4 * 4].reshape(-1, 4)
    ended = np.isfinite(whole)
    means: np.ndarray = np.where(ended, whole, 0.0).sum(axis=1)
    return means / np.where(ended.any(axis=1), ended.sum(axis=1), np.nan)


def draw_curves(axes: Any, x: np.ndarray, runs: np.ndarray, *, colour: str, line: Any, label: str) -> None:
    """A thin line for each seed of ``runs (seeds, points)``, a thick one for their mean, a band for its interval.

    The interval is the 95 % bootstrap one over seeds; there is none below five seeds. NaN, where no episode ended, is
    left out of the mean and has no interval.
    """
    axes.plot(x, runs.T, color=colour, linestyle=line, linewidth=0.6, alpha=0.35)
    ended = np.isfinite(runs)
    mean = np.where(ended, runs, 0.0).sum(axis=0) / np.where(ended.any(axis=0), ended.sum(axis=0), np.nan)
    axes.plot(x, mean, color=colour, linestyle=line, linewidth=2.2, label=label)
    whole = ended.all(axis=0)
    if len(runs) >= FEW and whole.any():
        _, low, high = bootstrap_band(np.where(whole, runs, 0.0))
        axes.fill_between(x, low, high, where=whole, color=colour, alpha=0.18, linewidth=0)
