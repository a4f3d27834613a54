"""A frozen and a verified proxy on FillerSteps-v0: what the agent is paid, and what it achieves.

    python benchmarks/cooper.py             # 3 arms, 10 seeds each, some minutes on one core

The judge of FillerSteps scores a step that leads nowhere as high as a necessary one. In the warm-up of 1,000 steps a
proxy learns from these scores. Arms:

- payoff: no proxy, 1 for stopping when the work is done;
- frozen: the proxy as it is after the warm-up;
- verified: it goes on learning from steps of which a verifier accepts those that get the work on, or are paid.

The learner is PPO. The table has the last tenth of each training: median over seeds and, in brackets, the lowest and
highest seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import matplotlib as mpl
import numpy as np
import tyro
from _claims import SEEDS, draw_curves, median_range, seeds_of
from _machine import describe
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table

from payoff.baselines import ppo
from payoff.baselines.reward_learners import Problem, learned
from payoff.wrappers import wrap

ID = "payoff/FillerSteps-v0"
ARMS = {"payoff": "none", "frozen": "cooper:verify=false", "verified": "cooper"}
LOOKS = {"payoff": ("#000000", ":"), "frozen": ("#D55E00", "--"), "verified": ("#0072B2", "-")}
CURVES = {"welfare": "what it achieves: payoff of an episode", "reward": "what it is paid in an episode"}


@dataclass(frozen=True)
class Args:
    """What to run."""

    seeds: str = SEEDS
    """learners of each arm: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    steps: int = 20_000
    """environment steps of a learner"""
    out: Path = Path("results/cooper.png")
    """figure"""


def run(specification: str, seed: int, steps: int) -> dict[str, np.ndarray]:
    """Curves of one training."""
    args = ppo.Args(env_id=ID, total_steps=steps, seed=seed, num_envs=16)
    problem = Problem(env_id=ID, keywords={"reward": "private"}, gamma=args.gamma, on_truncation="bootstrap", seed=seed)
    method = learned(specification, problem)
    wrapped: dict[str, Any] = {} if method is None else {"wrapper": lambda env: wrap(env, method)}
    return ppo.train(args, **wrapped).curve


def draw(args: Args, found: dict[str, list[dict[str, np.ndarray]]]) -> None:
    """Payoff beside what is paid."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(9.2, 3.6), layout="constrained")
    for axes, (name, title) in zip(panels, CURVES.items(), strict=True):
        for arm, (colour, line) in LOOKS.items():
            curves = np.array([curve[name] for curve in found[arm]])
            draw_curves(axes, found[arm][0]["step"], curves, colour=colour, line=line, label=arm)
        axes.set(title=title, xlabel="environment steps")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.grid(color="#e6e6e6", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=3)
    figure.suptitle(f"FillerSteps-v0: PPO, {len(seeds_of(args.seeds))} seeds", fontsize=11)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def last(curve: np.ndarray) -> float:
    """Mean over the last tenth of a training."""
    return float(np.nanmean(curve[-max(1, len(curve) // 10) :]))


def main(args: Args) -> None:
    """Train every arm, print and draw."""
    console, begun = Console(), process_time()
    console.print(describe())
    todo = [(arm, seed) for arm in ARMS for seed in seeds_of(args.seeds)]
    runs = [run(ARMS[arm], seed, args.steps) for arm, seed in track(todo, description="training", console=console)]
    found = {arm: [curve for (name, _), curve in zip(todo, runs, strict=True) if name == arm] for arm in ARMS}
    table = Table("told", "payoff", "paid", "steps", title=f"seeds {args.seeds}, {args.steps} steps", box=SIMPLE)
    for arm, curves in found.items():
        table.add_row(arm, *(median_range([last(c[n]) for c in curves]) for n in (*CURVES, "episode_length")))
    console.print(table)
    draw(args, found)
    console.print(f"CPU seconds: {process_time() - begun:.0f}; figure: {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
