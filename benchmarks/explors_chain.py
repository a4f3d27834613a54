"""EXPLORS on Chain: what a learner's own shaping and a count bonus are worth, together and alone.

    python benchmarks/explors_chain.py                                                    # 10 seeds, 4 arms
    python benchmarks/explors_chain.py --seeds 100-299 --episodes 10000 --arms EXPLORS    # how far means of ten spread

Runs of `payoff.baselines.reinforce`, with `payoff.wrappers.ExplorationGuided` around the game, in the study's settings:
a softmax table, learning rate 0.1, a step after every second episode on the last five, divided by their steps. No
episode of this game ends before its 40 steps, so that T = 40 divides by their steps. Every policy is evaluated exactly,
by dynamic programming over the 40 steps. The best there is is 13.704.

Writes a figure and prints a table: mean over seeds (lowest to highest seed) of the discounted return of the game. With
more than ten seeds also how their returns are spread, and how means of ten of them, drawn without replacement, are.
The ten seeds take about 12 minutes of processor time, the 200 about 8.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gymnasium as gym
import matplotlib as mpl
import numpy as np
import tyro
from _claims import SEEDS, seeds_of
from _machine import describe
from gymnasium.vector import VectorEnv
from rich.console import Console
from rich.table import Table

import payoff
from payoff.baselines import reinforce
from payoff.baselines.pool import Report, run_jobs
from payoff.envs.sparse.chain import V0
from payoff.envs.theory.tabular import finite_horizon
from payoff.wrappers import ExplorationGuided, wrap

GAMMA, HORIZON, ACTIONS = 0.99, 40, 2
ARMS = {  # rate of phi, and the bonus
    "original": (0.0, 0.0),
    "bonus only": (0.0, 1.0),
    "self-shaping only": (0.01, 0.0),
    "EXPLORS": (0.01, 1.0),
}
REPORTED = {  # means of ten seeds of the measurement that this one repeats, by episodes
    "original": {5000: 0.0, 10_000: 0.0, 20_000: 0.0, 50_000: 0.0},
    "bonus only": {5000: 0.02, 10_000: 0.46, 20_000: 12.94, 50_000: 13.39},
    "self-shaping only": {5000: 0.0, 10_000: 10.40, 20_000: 13.71, 50_000: 13.57},
    "EXPLORS": {5000: 13.06, 10_000: 13.61, 20_000: 13.71, 50_000: 13.57},
}
LOOKS = {  # colour and line
    "original": ("#000000", ":"),
    "bonus only": ("#E69F00", "-."),
    "self-shaping only": ("#0072B2", "--"),
    "EXPLORS": ("#D55E00", "-"),
}
LATE = 0.5  # a seed is late while its return is below this share of the best
TOGETHER = 100  # seeds that one process trains side by side; they do not meet


@dataclass(frozen=True)
class Args:
    """What to run."""

    seeds: str = SEEDS
    """seeds: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    episodes: int = 20_000
    """episodes of a learner"""
    every: int = 500
    """episodes between evaluations"""
    arms: tuple[str, ...] = tuple(ARMS)
    """learners to train"""
    processes: int = os.cpu_count() or 1
    """that train"""
    out: Path = Path("results/explors_chain.png")
    """figure"""


@dataclass(frozen=True)
class Job:
    """Learners of one arm that one process trains."""

    arm: str
    seeds: tuple[int, ...]
    episodes: int
    every: int


def train(job: Job, report: Report) -> np.ndarray:
    """What learners have come to, every so many episodes, ``(2, B, episodes // every)``.

    Exact discounted returns from the start, and episodes so far in which the game has paid.
    """
    rate, bonus = ARMS[job.arm]

    def guided(env: VectorEnv) -> VectorEnv:
        if not rate and not bonus:
            return env
        return wrap(env, ExplorationGuided(ACTIONS, gamma=GAMMA, rate=rate, bonus=bonus, per_row=True))

    args = reinforce.Args(
        env_id=V0.id,
        seeds=job.seeds,
        episodes=job.episodes,
        gamma=GAMMA,
        learning_rate=0.1,
        ent_coef=0.0,
        episodes_per_update=2,
        batch_episodes=5,
        padded_steps=HORIZON,
        features="observation",
        optimiser="sgd",
        keep_every=job.every,
    )
    result = reinforce.train(args, wrap=guided, on_progress=report)
    if not (result.length == HORIZON).all():
        raise ValueError(f"{V0.id}: an episode ended early, so that T does not divide by the steps")
    env = gym.make(V0.id)
    mdp = payoff.as_mdp(env, [0])
    obs = env.unwrapped.engine.look(mdp.states)[:, 0]
    tables = result.kept.reshape(-1, *result.weights.shape[1:])
    policies = np.exp(reinforce.log_policy(tables, np.broadcast_to(obs, (len(tables), *obs.shape))))
    found = np.array([finite_horizon(mdp, policy, HORIZON, GAMMA) @ mdp.initial for policy in policies])
    paid = np.cumsum(result.true_return > 0.0, axis=1)[:, job.every - 1 :: job.every]
    return np.stack([found.reshape(paid.shape), paid])


def measure(args: Args, seeds: Sequence[int], console: Console) -> dict[str, np.ndarray]:
    """What :func:`train` returns, for all seeds of each arm."""
    jobs = [
        Job(arm, tuple(seeds[at : at + TOGETHER]), args.episodes, args.every)
        for arm in args.arms
        for at in range(0, len(seeds), TOGETHER)
    ]
    done: dict[int, np.ndarray] = {}
    for event in run_jobs(train, jobs, args.processes):
        if event.kind == "died":
            raise SystemExit(f"error: {event.value}")
        if event.kind == "done":
            done[event.job] = event.value
            console.print(f"{len(done)} of {len(jobs)} parts are trained")
    return {arm: np.concatenate([done[j] for j, job in enumerate(jobs) if job.arm == arm], axis=1) for arm in args.arms}


def spread_of(values: np.ndarray, paid: np.ndarray, best: float, reported: float) -> str:
    """How the returns of seeds are spread, and how means of ten of them are; ``paid`` says in how many episodes."""
    rng = np.random.default_rng(0)
    means = np.array([rng.choice(values, 10, replace=False).mean() for _ in range(20_000)])
    low, middle, high = np.quantile(means, (0.025, 0.5, 0.975))
    late = values < LATE * best
    lines = [
        f"mean {values.mean():.2f}, sd {values.std(ddof=1):.2f}, median {np.median(values):.2f}",
        f"late {late.mean():.1%}",
        f"means of ten: sd {means.std():.2f}, median {middle:.2f}, 95 % of them {low:.2f} to {high:.2f}",
        f"{np.mean(means >= reported):.2%} of them are {reported} or more",
    ]
    if late.any() and not late.all():
        lines.append(f"episodes paid, median: late {np.median(paid[late]):.0f}, others {np.median(paid[~late]):.0f}")
    return "; ".join(lines)


def draw_figure(args: Args, best: float, found: dict[str, np.ndarray]) -> None:
    """Mean over seeds, with the lowest and the highest."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for name, (runs, _) in found.items():
        colour, line = LOOKS[name]
        episodes = args.every * np.arange(1, runs.shape[1] + 1) / 1000
        axes.plot(episodes, runs.mean(axis=0), color=colour, linestyle=line, label=name)
        axes.fill_between(episodes, runs.min(axis=0), runs.max(axis=0), color=colour, alpha=0.15, linewidth=0)
    axes.axhline(best, color="#555555", linewidth=0.8)
    axes.set(
        xlabel="episodes (thousands)",
        ylabel="discounted return of the game",
        title=f"Chain-v0, {len(seeds_of(args.seeds))} seeds: mean, lowest and highest",
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8.5)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def main(args: Args) -> None:
    """Train all arms, print and draw."""
    console = Console()
    if unknown := set(args.arms) - set(ARMS):
        raise SystemExit(f"error: arms must be among {', '.join(ARMS)}, got {', '.join(sorted(unknown))}")
    console.print(describe())
    mdp, seeds = payoff.as_mdp(V0.id, [0]), seeds_of(args.seeds)
    best = float(finite_horizon(mdp, None, HORIZON, GAMMA) @ mdp.initial)
    found = measure(args, seeds, console)
    marks = [e for e in REPORTED["original"] if e <= args.episodes and e % args.every == 0]
    table = Table("arm", *(f"{e:,} episodes" for e in marks), title=f"best {best:.3f}")
    for name, (runs, _) in found.items():
        at = {e: runs[:, e // args.every - 1] for e in marks}
        cells = (
            f"{v.mean():.2f} ({v.min():.2f} to {v.max():.2f}), reported {REPORTED[name][e]:.2f}" for e, v in at.items()
        )
        table.add_row(name, *cells)
    console.print(table)
    if len(seeds) > 10:
        for name, (runs, paid) in found.items():
            for e in marks:
                k = e // args.every - 1
                told = spread_of(runs[:, k], paid[:, k], best, REPORTED[name][e])
                console.print(f"{name}, {e:,} episodes: {told}")
    draw_figure(args, best, found)
    console.print(f"figure: {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
