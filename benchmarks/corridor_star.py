"""Exploration bonuses on CorridorStar: who finds a goal that is at the end of one corridor of five.

    python benchmarks/corridor_star.py                                    # under two minutes on one core
    python benchmarks/corridor_star.py --advancing 1 --seeds 60 --seed 101 # the hard star with other seeds

Each corridor is ten cells long, an episode ends after 14 steps, and what is observed does not tell the goal. Tabular
Q-learning (learning rate 0.2, 0.05-greedy, discount 0.97, equally good actions drawn at random) is paid 1 at the goal
and a bonus of weight 0.01, none on terminal steps. Four arms: no bonus; 1 for the first visit of the episode, the
episodic bonus; 1 / sqrt(visits ever), the global one; the product of the two. A seed is a learner with tables and
counts of its own; the goals of the seeds take turns among the corridors. Counted are the seeds in which the goal was
ever reached.

``advancing`` of five actions lead on, the others lead back: 1 is the hard star. In the easier ones undirected search is
no longer hopeless; the arm without a bonus shows how far it goes.

Writes a figure and prints a table.
"""

from __future__ import annotations

import os

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import time
from dataclasses import dataclass
from pathlib import Path

import gymnasium as gym
import matplotlib as mpl
import numpy as np
import tyro
from _machine import describe
from rich.console import Console
from rich.progress import track
from rich.table import Table

from payoff.baselines import q_learning
from payoff.wrappers import wrap
from payoff.wrappers.bonus.base import Bonus
from payoff.wrappers.bonus.combine import global_times_episodic
from payoff.wrappers.bonus.count import Count
from payoff.wrappers.bonus.first_visit import FirstVisit
from payoff.wrappers.bonus.reward import BonusReward

STAR = "payoff/CorridorStar-v0"
CORRIDORS, HORIZON = 5, 14
ARMS = ("none", "episodic", "global", "product")


@dataclass(frozen=True)
class Args:
    """What to run."""

    advancing: tuple[int, ...] = (1, 2, 3)
    """numbers of advancing actions, a star each"""
    seeds: int = 20
    """learners of each arm"""
    episodes: int = 5_000
    """episodes of a learner that never finds the goal; the same number of steps for the others"""
    coef: float = 0.01
    """weight of the bonus; the goal pays 1"""
    learning_rate: float = 0.2
    """step size"""
    epsilon: float = 0.05
    """probability of a random action"""
    gamma: float = 0.97
    """discount"""
    seed: int = 100
    """seed of everything; chose nothing"""
    out: Path = Path("results/corridor_star.png")
    """figure"""


def bonus(arm: str) -> Bonus | None:
    """What an arm pays for."""
    match arm:
        case "episodic":
            return FirstVisit()
        case "global":
            return Count(per_row=True)
        case "product":
            return global_times_episodic(per_row=True)
    return None


def found(args: Args, advancing: int, arm: str) -> np.ndarray:
    """Share of the training ``(seeds,)`` after which a seed had reached the goal; infinite where it never did."""
    env: gym.vector.VectorEnv = gym.make_vec(
        STAR,
        num_envs=args.seeds,
        vectorization_mode="vector_entry_point",
        advancing=advancing,
        goal=[seed % CORRIDORS for seed in range(args.seeds)],
        observe="minimal",
        info="minimal",
    )
    paid = bonus(arm)
    result = q_learning.train(
        q_learning.Args(
            seed=args.seed,
            total_steps=args.episodes * (HORIZON + 1) * args.seeds,  # the call that restarts a copy counts
            gamma=args.gamma,
            learning_rate=args.learning_rate,
            epsilon=args.epsilon,
            final_epsilon=args.epsilon,
            curve_points=200,
        ),
        env if paid is None else wrap(env, BonusReward(paid, coef=args.coef)),
    )
    env.close()
    reached = np.nan_to_num(result.curve["true_return"]) > 0.0
    first = (reached.argmax(axis=0) + 1) / len(reached)
    return np.where(reached.any(axis=0), first, np.inf)


def draw(args: Args, shares: dict[tuple[int, str], np.ndarray]) -> None:
    """Seeds that have found the goal over episodes, a panel for each star."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    looks = {
        "product": ("#0072B2", "-", "product"),
        "global": ("#009E73", "--", "global count"),
        "episodic": ("#D55E00", "-.", "episodic first visit"),
        "none": ("#555555", ":", "no bonus"),
    }
    panels = len(args.advancing)
    figure, axes = plt.subplots(1, panels, figsize=(2.9 * panels + 0.6, 3.3), layout="constrained", sharey=True)
    at = np.linspace(0.0, 1.0, 201)
    for axis, advancing in zip(np.atleast_1d(axes), args.advancing, strict=True):
        for arm, (colour, line, label) in looks.items():
            count = (shares[advancing, arm] <= at[:, None] + 1e-9).sum(axis=1)
            axis.plot(
                at * args.episodes / 1000, count, color=colour, linestyle=line, linewidth=2, label=label, clip_on=False
            )
        axis.set(
            title=f"{advancing} of {CORRIDORS} actions {'advances' if advancing == 1 else 'advance'}",
            xlabel="episodes (thousands)",
            ylim=(0, args.seeds),
            xlim=(0, args.episodes / 1000),
        )
        axis.yaxis.get_major_locator().set_params(integer=True)
        axis.spines[["top", "right"]].set_visible(False)
    np.atleast_1d(axes)[0].set_ylabel(f"seeds of {args.seeds} that found the goal")
    figure.legend(
        *np.atleast_1d(axes)[0].get_legend_handles_labels(),
        frameon=False,
        loc="outside lower center",
        ncols=4,
        fontsize=8.5,
    )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def main(args: Args) -> None:
    """Train all arms, print and draw."""
    console = Console()
    console.print(describe())
    table = Table(
        "actions that advance",
        *ARMS,
        "CPU seconds",
        title=f"seeds of {args.seeds} that ever found the goal in {args.episodes} episodes",
    )
    shares: dict[tuple[int, str], np.ndarray] = {}
    jobs = [(advancing, arm) for advancing in args.advancing for arm in ARMS]
    clock = {}
    for job in track(jobs, description="training", console=console):
        begun = time.process_time()
        shares[job] = found(args, *job)
        clock[job] = time.process_time() - begun
    for advancing in args.advancing:
        counts = [f"{np.isfinite(shares[advancing, arm]).sum()}" for arm in ARMS]
        seconds = sum(clock[advancing, arm] for arm in ARMS)
        table.add_row(f"{advancing} of {CORRIDORS}", *counts, f"{seconds:.0f}")
    console.print(table)
    draw(args, shares)
    console.print(f"figure: {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
