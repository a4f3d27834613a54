"""BARFI: does a learned reward keep what an auxiliary reward is good for, and see through one that misleads?

    python benchmarks/barfi.py                               # GridNav: 140 trainings, about 25 minutes on 2 cores
    python benchmarks/barfi.py --problem cart_pole --rates 0.001
    python benchmarks/barfi.py --problem four_rooms
    python benchmarks/barfi.py --rates 0.001 --neumann 0.0 5e-4 5e-3 5e-2 --figure docs/figures/neumann.png

One REINFORCE learner, told its own payoff alone, the plain sum with the auxiliary reward, what BARFI learns, or, in
GridNav, its payoff shaped by the auxiliary reward as a potential. Printed is the mean payoff of the last 100 training
episodes (as near as updates of three come), the lowest and the highest seed in brackets, and the same around a quarter
of the training. With ``--neumann`` BARFI's step size of the Neumann series is varied instead, with the misleading
reward; 0 stands for a series of no steps (K = 0, a first-order gradient).

The runs are those of ``payoff ablate``: a results folder that stands is gone on with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

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

PER_UPDATE = 3
COLOURS = ("#777777", "#d55e00", "#009e73", "#56b4e9")
LEARNERS = {"payoff alone": "reinforce", "plain sum": "sum", "BARFI": "barfi", "as a potential": "reinforce"}


@dataclass(frozen=True)
class Problem:
    """A game with two auxiliary rewards, and the settings of the learner in it.

    Attributes:
        env_id: id.
        params: keywords of the game, but for ``aux``.
        hints: value of ``aux`` that helps, and the one that misleads.
        episodes: of a training.
        steps: an episode has at most.
        rates: learning rates of the policy.
        settings: of the trainer, beside these; those of BARFI's published code hold for the rest.
    """

    env_id: str
    hints: tuple[str, str]
    episodes: int
    steps: int
    rates: tuple[float, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    settings: str = ""


PROBLEMS = {
    "grid_nav": Problem("payoff/GridNav-v0", ("good_published", "misleading"), 2000, 50, (0.001, 0.005)),
    "cart_pole": Problem(
        *("payoff/SparseCartPole-v0", ("good", "bad"), 501, 500, (0.001,), {"every_step": True}),
        settings=",order=2,gamma_penalty=0",
    ),
    "four_rooms": Problem(
        *("payoff/FourRooms-v0", ("dense", "misleading"), 1002, 30, (0.005,)),
        params={"size": 5, "max_steps": 30, "observe": "minimal"},
        settings=",gamma_penalty=0,reward_learning_rate=0.0002",  # its payoffs are 1, and 100 in GridNav
    ),
}


@dataclass(frozen=True)
class Args:
    """What to run."""

    problem: Literal["grid_nav", "cart_pole", "four_rooms"] = "grid_nav"
    """where"""
    seeds: str = SEEDS
    """runs of each cell: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    rates: tuple[float, ...] = ()
    """learning rates of the policy; the problem's own when left out"""
    neumann: tuple[float, ...] = ()
    """step sizes of the Neumann series, to be compared; 0: no steps"""
    processes: int = 2
    """runs at a time"""
    out: Path = Path("results/barfi")
    """results folder"""
    figure: Path | None = None
    """where the learning curves are drawn"""


Cell = tuple[str, str, float]  # what is told, what the hint does, learning rate


def cells(args: Args) -> dict[Cell, list[RunConfig]]:
    """The runs of each cell, one for each seed."""
    found, problem = {}, PROBLEMS[args.problem]
    for rate in args.rates or problem.rates:
        for does, aux in list(zip(("helps", "misleads"), problem.hints, strict=True))[1 if args.neumann else 0 :]:
            arms = {
                f"Neumann step {step:g}": f"barfi,neumann_rate={step or 1e-3},neumann_steps={5 if step else 0}"
                for step in args.neumann
            } or dict(list(LEARNERS.items())[: 4 if args.problem == "grid_nav" else 3])
            for told, method in arms.items():
                own = problem.hints[0] if told == "payoff alone" else aux  # alone it is not read
                grid = Ablation(
                    envs=[problem.env_id],
                    params=[{**problem.params, "aux": own}],
                    shaping=["potential:key=aux" if told == "as a potential" else "none"],
                    algo=f"bilevel:method={method},learning_rate={rate},episodes={problem.episodes}{problem.settings}",
                    seeds=args.seeds,
                    total_steps=problem.episodes * problem.steps,
                )
                found[told, does, rate] = grid.configs()
    return found


def last_hundred(curve: np.ndarray) -> float:
    """Mean of the last 100 episodes, three of which are one point."""
    return float(curve[-round(100 / PER_UPDATE) :].mean())


def main(args: Args) -> None:
    """Train what is missing, print, draw."""
    console = Console()
    console.print(describe())
    found, episodes = cells(args), PROBLEMS[args.problem].episodes
    configs = list({config.run_id: config for own in found.values() for config in own}.values())
    command = f"python benchmarks/barfi.py --problem {args.problem}"
    if status := ablate(configs, args.out, processes=args.processes, console=console, command=command):
        raise SystemExit(status)
    rows = {row["run_id"]: row for row in read_results(args.out).iter_rows(named=True)}
    curves = {
        cell: np.array([rows[config.run_id]["curve_welfare"] for config in own], dtype=np.float64)
        for cell, own in found.items()
    }
    low, high = (round(share * episodes) for share in (0.225, 0.275))
    table = Table("told", "auxiliary reward", "learning rate", "last 100 episodes", f"episodes {low} to {high}")
    for (told, does, rate), runs in curves.items():
        middle = runs[:, low // PER_UPDATE : high // PER_UPDATE].mean(axis=1)
        last = [last_hundred(run) for run in runs]
        table.add_row(told, does, f"{rate:g}", median_range(last, 1), median_range(middle.tolist(), 1))
    console.print(table)
    if args.figure is not None:
        draw(args.figure, curves)


def draw(path: Path, curves: dict[Cell, np.ndarray]) -> None:
    """Learning curves, a panel for each auxiliary reward and learning rate."""
    figures = require("matplotlib.figure", "train")
    rates, hints = (list(dict.fromkeys(cell[k] for cell in curves)) for k in (2, 1))
    figure = figures.Figure(figsize=(0.5 + 4.5 * len(hints), 3.2 * len(rates)), layout="constrained")
    axes = figure.subplots(len(rates), len(hints), squeeze=False, sharex=True, sharey=True)
    for i, rate in enumerate(rates):
        for j, does in enumerate(hints):
            own = {told: runs for (told, d, r), runs in curves.items() if (d, r) == (does, rate)}
            for (told, runs), colour in zip(own.items(), COLOURS, strict=False):
                points = runs[:, : runs.shape[1] // 12 * 12].reshape(len(runs), -1, 12).mean(axis=2)
                x = (np.arange(points.shape[1]) + 0.5) * 12 * PER_UPDATE
                draw_curves(axes[i, j], x, points, colour=colour, line="-", label=told)
            axes[i, j].set_title(f"auxiliary reward {does}, learning rate {rate:g}", fontsize=10)
            axes[i, j].grid(alpha=0.3)
    for place in axes[-1]:
        place.set_xlabel("episode")
    for row in axes:
        row[0].set_ylabel("payoff of an episode")
    axes[0, 0].legend(fontsize=9, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
