"""BARFI on GridNav: does a learned reward keep what an auxiliary reward is good for, and see through one that misleads?

    python benchmarks/bilevel_gridnav.py                     # 140 trainings, ten seeds: about 25 minutes on 2 cores
    python benchmarks/bilevel_gridnav.py --seeds 1 --processes 1
    python benchmarks/bilevel_gridnav.py --rates 0.001 --neumann 0.0 5e-4 5e-3 5e-2 --figure docs/figures/neumann.png

One REINFORCE learner, told its own payoff alone, the plain sum with the auxiliary reward, its payoff shaped by that
reward as a potential, or what BARFI learns; at two learning rates. A training is 2,000 episodes. Printed is the mean
payoff of the last 100 training episodes (as near as updates of three come), the lowest and the highest seed in
brackets, and the same around episode 500. With ``--neumann`` BARFI's step size of the Neumann series is varied instead,
0 standing for a series of no steps (K = 0, a first-order gradient).

The runs are those of ``payoff ablate``: a results folder that stands is gone on with.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from _claims import SEEDS, draw_curves, median_range
from _machine import describe
from rich.console import Console
from rich.table import Table

from payoff.baselines import read_results
from payoff.baselines.ablation import Ablation, ablate
from payoff.baselines.results import RunConfig
from payoff.extras import require

EPISODES, PER_UPDATE = 2000, 3
AUX = {"good_published": "helps", "misleading": "misleads"}
COLOURS = ("#777777", "#d55e00", "#56b4e9", "#009e73")
LEARNERS = {"payoff alone": "reinforce", "plain sum": "sum", "as a potential": "reinforce", "BARFI": "barfi"}


@dataclass(frozen=True)
class Args:
    """What to run."""

    seeds: str = SEEDS
    """runs of each cell: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    rates: tuple[float, ...] = (0.001, 0.005)
    """learning rates of the policy"""
    neumann: tuple[float, ...] = ()
    """step sizes of the Neumann series, to be compared; 0: no steps"""
    processes: int = 2
    """runs at a time"""
    out: Path = Path("results/bilevel_gridnav")
    """results folder"""
    figure: Path | None = None
    """where the learning curves are drawn"""


def cells(args: Args) -> dict[tuple[str, str, float], list[RunConfig]]:
    """(what is told, auxiliary reward, learning rate) -> the runs of its seeds."""
    found = {}
    for rate in args.rates:
        for aux in AUX:
            arms = {
                f"Neumann step {step:g}": f"barfi,neumann_rate={step or 1e-3},neumann_steps={5 if step else 0}"
                for step in args.neumann
            } or LEARNERS
            for told, method in arms.items():
                grid = Ablation(
                    envs=["payoff/GridNav-v0"],
                    params=[{"aux": "good_published" if told == "payoff alone" else aux}],  # alone it is not read
                    shaping=["potential:key=aux" if told == "as a potential" else "none"],
                    algo=f"bilevel:method={method},learning_rate={rate},episodes={EPISODES}",
                    seeds=args.seeds,
                    total_steps=EPISODES * 50,
                )
                found[told, aux, rate] = grid.configs()
    return found


def last_hundred(curve: np.ndarray) -> float:
    """Mean of the last 100 episodes, three of which are one point."""
    return float(curve[-round(100 / PER_UPDATE) :].mean())


def main(args: Args) -> None:
    """Train what is missing, print, draw."""
    console = Console()
    console.print(describe())
    found = cells(args)
    configs = list({config.run_id: config for own in found.values() for config in own}.values())
    command = "python benchmarks/bilevel_gridnav.py"
    if status := ablate(configs, args.out, processes=args.processes, console=console, command=command):
        raise SystemExit(status)
    rows = {row["run_id"]: row for row in read_results(args.out).iter_rows(named=True)}
    curves = {
        cell: np.array([rows[config.run_id]["curve_welfare"] for config in own], dtype=np.float64)
        for cell, own in found.items()
    }
    table = Table("told", "auxiliary reward", "learning rate", "last 100 episodes", "episodes 450 to 550")
    for (told, aux, rate), runs in curves.items():
        middle = runs[:, 450 // PER_UPDATE : 550 // PER_UPDATE].mean(axis=1)
        last = [last_hundred(run) for run in runs]
        table.add_row(told, AUX[aux], f"{rate:g}", median_range(last, 1), median_range(middle.tolist(), 1))
    console.print(table)
    if args.figure is not None:
        draw(args, curves)


def draw(args: Args, curves: dict[tuple[str, str, float], np.ndarray]) -> None:
    """Learning curves, a panel for each auxiliary reward and learning rate."""
    figures = require("matplotlib.figure", "train")
    figure = figures.Figure(figsize=(9.0, 3.2 * len(args.rates)), layout="constrained")
    axes = figure.subplots(len(args.rates), len(AUX), squeeze=False, sharex=True, sharey=True)
    for i, rate in enumerate(args.rates):
        for j, (aux, does) in enumerate(AUX.items()):
            own = {told: runs for (told, a, r), runs in curves.items() if (a, r) == (aux, rate)}
            for (told, runs), colour in zip(own.items(), COLOURS, strict=False):
                points = runs[:, : EPISODES // PER_UPDATE // 12 * 12].reshape(len(runs), -1, 12).mean(axis=2)
                x = (np.arange(points.shape[1]) + 0.5) * 12 * PER_UPDATE
                draw_curves(axes[i, j], x, points, colour=colour, line="-", label=told)
            axes[i, j].set_title(f"auxiliary reward {does}, learning rate {rate:g}", fontsize=10)
            axes[i, j].grid(alpha=0.3)
    for place in axes[-1]:
        place.set_xlabel("episode")
    for row in axes:
        row[0].set_ylabel("payoff of an episode")
    axes[0, 0].legend(fontsize=9, loc="lower right")
    args.figure.parent.mkdir(parents=True, exist_ok=True)  # type: ignore[union-attr]  # only called with one
    figure.savefig(args.figure, dpi=110)


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
