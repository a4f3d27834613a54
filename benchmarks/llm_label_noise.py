r"""How wrong, and how late, may labels of captions be before they hurt? Tabular learners, labels with set errors.

    python benchmarks/llm_label_noise.py       # 2 games, 2 uses, 9 settings, 10 seeds: about six minutes on one core

A scripted labeller says of each caption whether it helps (retrieval, as in ONI). It is wrong about a set share of
captions, and answers a set number of steps after a caption is first seen. The labels are a potential of what the
episode has earned, or are added to the reward. KeyRoom has one fixed room of size 6 and the true labels "picked up the
key" and "opened the door", each paid by 1 / N^3; DeepSea has the true label "sank to the right", which every step to
the goal earns again, so that it is paid each time. Without labels no learner of these budgets finds either goal.

A seed is 8 learners that do not share values but labels, and the errors of its labeller. The table has the success of
the episodes of the last fifth of the training: median over seeds and, in brackets, the lowest and highest seed; all are
drawn. Settings were chosen on the seeds 1 to 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import process_time

import gymnasium as gym
import matplotlib as mpl
import numpy as np
import tyro
from _claims import SEEDS, median_range, seeds_of
from _machine import describe
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table

import payoff  # noqa: F401  registers the ids
from payoff.baselines.llm.labelled import Oni
from payoff.baselines.q_learning import Args as Learner
from payoff.baselines.q_learning import train
from payoff.baselines.reward_problem import Problem
from payoff.wrappers import wrap

GAMMA = 0.95
LEARNERS = 8
POINTS = 20  # of a learning curve


@dataclass(frozen=True)
class Setting:
    """A game and what is true of its captions."""

    env_id: str
    params: dict[str, int]
    truth: tuple[str, ...]
    beta: float
    best: float  # return of the best play, to which success is relative


GAMES = {
    "KeyRoom": Setting(
        "payoff/KeyRoom-v0", {"size": 6, "layouts": 1}, ("picked up the key", "opened the door"), 3.0, 1.0
    ),
    "DeepSea": Setting("payoff/DeepSea-v0", {}, ("sank to the right",), 0.0, 0.99),
}
ERRORS = (0.0, 0.05, 0.1, 0.2, 0.4)
LATENCIES = (0, 100, 400, 1000, 2000)
LOOKS = {"potential": ("#0072B2", "o", "potential of what was earned"), "added": ("#D55E00", "s", "added")}


@dataclass(frozen=True)
class Args:
    """What to run."""

    seeds: str = SEEDS
    """runs of each setting: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    steps: int = 4000
    """steps of a learner"""
    coef: float = 0.4
    """factor on the labels"""
    out: Path = Path("results/llm_label_noise.png")
    """figure"""


def run(args: Args, game: Setting, use: str, errors: float, latency: int, seed: int) -> float:
    """Success in the last fifth of a training."""
    env = gym.make_vec(game.env_id, LEARNERS, "vector_entry_point", info="full", **game.params)
    if use != "none":
        problem = Problem(env_id=game.env_id, keywords=game.params, gamma=GAMMA, on_truncation="bootstrap", seed=seed)
        labels = Oni(
            goal="reach the goal",
            use=use,
            coef=args.coef,
            beta=game.beta,
            truth=game.truth,
            errors=errors,
            latency=latency,
        )
        env = wrap(env, labels.learn(problem))
    learner = Learner(seed=seed, total_steps=args.steps * LEARNERS, gamma=GAMMA, epsilon=0.5, curve_points=POINTS)
    curve = train(learner, env).curve
    last = slice(-POINTS // 5, None)
    episodes = curve["episodes"][last]
    total = float(np.nansum(curve["true_return"][last] * episodes))
    return total / float(episodes.sum()) / game.best


def draw(args: Args, found: dict[tuple[str, str, float, int], np.ndarray]) -> None:
    """A row for each game: success by the rate of errors, and by latency; a dot for each seed, a line at the median."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(len(GAMES), 2, figsize=(9, 3.0 * len(GAMES)), layout="constrained", sharey=True)
    for (name, _), row in zip(GAMES.items(), panels, strict=True):
        for axes, values, what in ((row[0], ERRORS, "errors"), (row[1], LATENCIES, "latency")):
            for shift, (use, (colour, mark, label)) in zip((-0.1, 0.1), LOOKS.items(), strict=True):
                runs = np.array([found[name, use, *((x, 0) if what == "errors" else (0.0, int(x)))] for x in values])
                at = np.arange(len(values)) + shift
                axes.plot(at, runs, mark, color=colour, alpha=0.35, markersize=4)
                axes.plot(at, np.median(runs, axis=1), color=colour, linewidth=2, label=label)
            axes.set_xticks(range(len(values)), [f"{x:g}" for x in values])
            axes.set_xlabel("share of wrong labels" if what == "errors" else f"steps to an answer, of {args.steps:,}")
            axes.set_title(f"{name}-v0", fontsize=10)
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(axis="y", color="#e6e6e6", linewidth=0.7)
        row[0].set_ylabel("success, last fifth")
    handles, names = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, frameon=False, loc="outside lower center", ncols=2, fontsize=8.5)
    figure.suptitle(f"Q-learning under labels of captions, {len(seeds_of(args.seeds))} seeds", fontsize=11)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def main(args: Args) -> None:
    """Run, draw, print."""
    seeds, began = seeds_of(args.seeds), process_time()
    settings = [(e, 0) for e in ERRORS] + [(0.0, latency) for latency in LATENCIES[1:]]
    asked = [(name, use, *setting) for name in GAMES for use in LOOKS for setting in settings]
    asked += [(name, "none", 0.0, 0) for name in GAMES]
    found = {
        key: np.array([run(args, GAMES[key[0]], *key[1:], seed) for seed in seeds])
        for key in track(asked, "training", transient=True)
    }
    draw(args, found)
    screen = Console(width=120)
    screen.print(describe())
    screen.print(
        f"seeds {args.seeds}, {args.steps:,} steps, coef {args.coef:g}, {process_time() - began:.0f} CPU seconds"
    )
    table = Table("game", "use", "errors", "latency", "success, last fifth", box=SIMPLE)
    for (name, use, errors, latency), values in found.items():
        table.add_row(name, use, f"{errors:g}", str(latency), median_range(values))
    screen.print(table)
    print(args.out)


if __name__ == "__main__":
    main(tyro.cli(Args))
