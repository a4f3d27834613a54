"""How often the intervals of a report cover what they are about, for 2 to 20 seeds.

    python benchmarks/interval_coverage.py

Samples of n numbers are drawn from three distributions: normal; log-normal (sigma 1); 0 or 1 with probability 0.7, as
successes are. Printed are the share of samples whose 95 % percentile bootstrap interval of the mean
(:func:`payoff.baselines.stats.bootstrap_band`) covers the true mean, and the share whose range, smallest to largest,
does. Last, for IQMs: the same for the stratified interval of several games of normal scores
(:func:`payoff.baselines.stats.bootstrap_interval`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from payoff.baselines.stats import bootstrap_band, bootstrap_interval

DRAW = {
    "normal": (lambda rng, n: rng.normal(size=n), 0.0),
    "log-normal": (lambda rng, n: rng.lognormal(size=n), float(np.exp(0.5))),
    "0 or 1": (lambda rng, n: (rng.random(n) < 0.7).astype(float), 0.7),
}


@dataclass(frozen=True)
class Args:
    """How much to draw."""

    samples: int = 4000
    """samples of each distribution and size"""
    sizes: tuple[int, ...] = (2, 3, 4, 5, 10, 20)
    """numbers in a sample"""
    strata_samples: int = 300
    """samples for the stratified interval, each with 500 resamples"""
    games: int = 4
    """strata of these"""


def covered(rng: np.random.Generator, name: str, size: int, samples: int) -> tuple[float, float]:
    """Share of samples whose interval, and whose range, covers the mean."""
    draw, mean = DRAW[name]
    hits = np.zeros(2)
    for seed in range(samples):
        drawn = draw(rng, size)
        _, low, high = bootstrap_band(drawn[:, None], seed=seed)
        hits += low[0] <= mean <= high[0], drawn.min() <= mean <= drawn.max()
    interval, spread = hits / samples
    return float(interval), float(spread)


def covered_by_strata(rng: np.random.Generator, size: int, args: Args) -> float:
    """Share of samples of normal scores whose stratified interval covers the IQM of the distribution, 0."""
    hits = 0
    for seed in range(args.strata_samples):
        low, high = bootstrap_interval(list(rng.normal(size=(args.games, size))), samples=500, seed=seed)
        hits += low <= 0.0 <= high
    return hits / args.strata_samples


def main(args: Args) -> None:
    """Draw, count, print."""
    console, rng = Console(), np.random.default_rng(1)
    table = Table("n", *(f"{name}: {what}" for name in DRAW for what in ("interval", "range")), "IQM of strata")
    for size in track(args.sizes, description="drawing", console=console):
        shares = [share for name in DRAW for share in covered(rng, name, size, args.samples)]
        table.add_row(str(size), *(f"{share:.3f}" for share in (*shares, covered_by_strata(rng, size, args))))
    console.print(table)


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
