"""Rewards from preferences on random boards of Delivery-v0: how good is what is best under the learned reward?

    python benchmarks/regret_preferences.py               # 10 boards, a few minutes on one core
    python benchmarks/regret_preferences.py --seeds 0-1   # two other boards

A simulated annotator, who judges by regret with the noise of the logistic model, compares pairs of segments of three
steps of random play. Two learners are given the same answers: one takes them for comparisons of partial returns, the
other for comparisons of regret (:mod:`payoff.wrappers.preference.linear_preference`). Both learn weights of the six
features of a step. Scaled return: payoff of the policy that is optimal under the learned weights, 1 for the best one
and 0 for random play; above 0.9 is called near-optimal.

Each seed is a board of its own, drawn as in the generator of Knox et al. (arXiv 2206.02231): sizes, shares of things
and weights from its lists, placed as Delivery-v0 places them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import tyro
from _claims import SEEDS, median_range, seeds_of
from _machine import describe
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table

from payoff.wrappers import (
    SimulatedAnnotator,
    feature_task,
    fit_partial_return,
    fit_regret,
    policy_library,
)

NEAR_OPTIMAL = 0.9
FLOOR = -1.0  # scaled returns below are drawn there
LOOKS = {"regret": ("#0072B2", "-", "o"), "partial return": ("#D55E00", "--", "s")}


@dataclass(frozen=True)
class Args:
    """What to run."""

    seeds: str = SEEDS
    """boards: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    pairs: tuple[int, ...] = (30, 100, 300, 1000, 3000)
    """numbers of preferences"""
    scale: float = 1.0
    """of the annotator; inf for no noise"""
    out: Path = Path("results/regret_preferences.png")
    """figure"""


def board(seed: int) -> dict[str, Any]:
    """Keywords of a board, drawn from the lists of the generator."""
    draw = np.random.default_rng([seed, 7])

    def one(*values: float) -> Any:
        return draw.choice(values).item()

    return {
        "layout": "random",
        "height": int(one(3, 6, 10, 15)),
        "width": int(one(5, 6, 10)),
        "sheep": one(0.0, 0.1, 0.3),
        "roadblocks": one(0.0, 0.1, 0.5, 0.8),
        "coins": one(0.0, 0.1, 0.2),
        "weights": (-1.0, one(0, 1, 5, 10, 50), one(-5, -10, -50, -100), 1.0, one(-2, -5, -10), one(-1, -2, -3)),
    }


def scaled_returns(args: Args, seed: int, past_the_end: bool) -> dict[str, list[float]]:
    """Scaled return of each learner for each number of preferences; more of them begin with the same ones."""
    task = feature_task("Delivery-v0", gamma=0.999, start=seed, **board(seed))
    library = policy_library(task, seed=seed)
    most = max(args.pairs)
    segments = task.random_segments(2 * most, 3, seed, past_the_end=past_the_end)
    first, second = np.arange(most), np.arange(most, 2 * most)
    annotator = SimulatedAnnotator("regret", scale=args.scale, optimal=task.optimal_values())
    answers = annotator.ask(segments, first, second, np.random.default_rng([seed, 1]))
    found: dict[str, list[float]] = {name: [] for name in LOOKS}
    for n in args.pairs:
        given = (task, segments, first[:n], second[:n], type(answers)(*(x[:n] for x in answers)))
        found["regret"].append(task.scaled_return(fit_regret(*given, library)))
        found["partial return"].append(task.scaled_return(fit_partial_return(*given)))
    return found


def draw(args: Args, found: dict[bool, dict[str, np.ndarray]]) -> None:
    """Every board, and the median over boards."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(9.2, 3.6), layout="constrained", sharey=True)
    titles = {True: "segments may run past the end", False: "segments end before the end"}
    for axes, (past, title) in zip(panels, titles.items(), strict=True):
        for name, (colour, line, mark) in LOOKS.items():
            shown = np.maximum(found[past][name], FLOOR)
            axes.plot(args.pairs, shown.T, color=colour, linestyle=line, linewidth=0.6, alpha=0.35)
            axes.plot(
                args.pairs,
                np.median(shown, axis=0),
                color=colour,
                linestyle=line,
                marker=mark,
                linewidth=2.2,
                label=f"learner of {name}",
            )
        axes.axhline(NEAR_OPTIMAL, color="#999999", linewidth=0.8, linestyle=":")
        axes.set(title=title, xlabel="preferences", xscale="log", ylim=(FLOOR - 0.05, 1.05))
        axes.grid(color="#e6e6e6", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(f"scaled return (at least {FLOOR:g})")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=2)
    boards = len(seeds_of(args.seeds))
    figure.suptitle(f"Delivery-v0, {boards} random boards, an annotator who judges by regret", fontsize=11)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def main(args: Args) -> None:
    """Every board, table and figure."""
    console, started = Console(width=140), time.process_time()
    console.print(describe())
    seeds = seeds_of(args.seeds)
    found: dict[bool, dict[str, np.ndarray]] = {}
    for past in (True, False):
        runs = [scaled_returns(args, s, past) for s in track(seeds, description="boards", console=console)]
        found[past] = {name: np.array([run[name] for run in runs]) for name in LOOKS}
    title = f"boards {args.seeds}, scale {args.scale:g}: near-optimal boards of {len(seeds)}; scaled return"
    table = Table("past the end", "learner", *(str(n) for n in args.pairs), title=title, box=SIMPLE)
    for past, learners in found.items():
        for name, runs in learners.items():
            cells = [f"{(runs[:, i] > NEAR_OPTIMAL).sum()}; {median_range(runs[:, i])}" for i in range(len(args.pairs))]
            table.add_row("yes" if past else "no", name, *cells)
    console.print(table)
    draw(args, found)
    console.print(f"CPU seconds: {time.process_time() - started:.0f}; figure: {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
