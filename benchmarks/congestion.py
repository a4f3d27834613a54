"""What a hundred learners make of a congestion game when each is told its own payoff, the welfare, or its share in it.

    python benchmarks/congestion.py
    python benchmarks/congestion.py --seeds 30 --rounds 5000

Stateless Q-learners (learning rate 0.1, exploration 0.1 that falls by a factor 0.9985 a round, ties broken at random)
play payoff/Congestion-v0, one copy a seed. In the first instance the best split crowds most agents into one section to
spare the others; in the second, the control, it is nearly the even split, which selfish learners find by themselves.
Prints G over the last 100 rounds, mean and range over seeds, beside the optimum, and writes a figure.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import tyro
from _machine import describe
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import payoff
from payoff.envs.social.congestion_theory import best_split, nash_split, others_welfare, split, welfare
from payoff.wrappers import RewardMethod, wrap
from payoff.wrappers.multi_agent.counterfactual import CounterfactualPotential
from payoff.wrappers.multi_agent.difference import DifferenceReward
from payoff.wrappers.multi_agent.team import Team

Array = NDArray[Any]
LAST = 100  # rounds over which G is averaged
ARMS = {
    "difference": ("#0072B2", "-", "difference reward D"),
    "local": ("#D55E00", "--", "local reward"),
    "global": ("#7F7F7F", "-", "global reward G"),
    "cap": ("#CC79A7", "--", "CaP: G + Phi(s') - Phi(s)"),
}


@dataclass(frozen=True)
class Instance:
    """A congestion game."""

    name: str
    n_agents: int
    sections: int
    capacity: float


INSTANCES = (Instance("crowded", 100, 6, 6.0), Instance("control", 50, 9, 4.0))


@dataclass(frozen=True)
class Args:
    """What to run."""

    rounds: int = 3000
    """rounds that are learned from"""
    seeds: int = 10
    """copies of the game, each with its own learners"""
    seed: int = 100
    """of all draws; chose nothing"""
    out: Path = Path("results/congestion.png")
    """figure"""


def method(arm: str, game: Instance) -> RewardMethod | None:
    """Wrapper of an arm, with G and the G of the others in closed form; None for arms that are reward layers."""

    def sections(team: Team) -> Array:
        chosen: Array = np.asarray(team.action).reshape(team.present.shape)
        return chosen

    def utility(team: Team) -> Array:
        return welfare(split(sections(team), game.sections, team.present), game.capacity)

    def counterfactual(team: Team) -> Array:
        return others_welfare(sections(team), game.sections, game.capacity, team.present)

    if arm == "difference":
        return DifferenceReward(utility, counterfactual)
    if arm == "cap":
        return CounterfactualPotential(utility, counterfactual, gamma=1.0, on_truncation="terminal")
    return None


def learn(args: Args, arm: str, game: Instance) -> Array:
    """G of every round and seed ``(T, B)``."""
    env: Any = payoff.multi_agent_vec(
        "payoff/Congestion-v0",
        args.seeds,
        n_agents=game.n_agents,
        sections=game.sections,
        capacity=game.capacity,
        max_steps=args.rounds,
        reward="cooperative" if arm == "global" else "private",
        info="minimal",
    )
    chosen = method(arm, game)
    env = env if chosen is None else wrap(env, chosen)
    env.reset(seed=args.seed)
    draws = np.random.default_rng(args.seed)
    shape = (args.seeds, game.n_agents)
    copy, seat = np.indices(shape)
    q, epsilon = np.zeros((*shape, game.sections)), 0.1
    found = []
    for _ in range(args.rounds):
        best = np.where(q == q.max(axis=2, keepdims=True), draws.random(q.shape), -1.0).argmax(axis=2)
        explored = draws.integers(0, game.sections, shape)
        action = np.where(draws.random(shape) < epsilon, explored, best)
        _, reward, _, _, info = env.step(action)
        q[copy, seat, action] += 0.1 * (reward - q[copy, seat, action])
        epsilon *= 0.9985
        found.append(info["payoff"].sum(axis=1))
    return np.array(found)


def draw(args: Args, found: dict[str, dict[str, Array]]) -> None:
    """G over rounds, one panel an instance, a thin line a seed and a thick one for their mean."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(INSTANCES), figsize=(9.2, 3.4), layout="constrained")
    window = max(1, args.rounds // 100)  # rounds that a point of a line is the mean of
    rounds = np.arange(window // 2, args.rounds - window + 1, window)
    for axes, game in zip(panels, INSTANCES, strict=True):
        for arm, (colour, line, label) in ARMS.items():
            smooth = found[game.name][arm][: len(rounds) * window].reshape(len(rounds), window, -1).mean(axis=1)
            axes.plot(rounds, smooth, color=colour, linewidth=0.6, alpha=0.3)
            axes.plot(rounds, smooth.mean(axis=1), color=colour, linestyle=line, linewidth=2.0, label=label)
        _, optimum = best_split(game.n_agents, game.sections, game.capacity)
        axes.axhline(optimum, color="black", linewidth=1.0, linestyle=":", label="optimum")
        axes.set(
            title=f"{game.n_agents} agents, {game.sections} sections of capacity {game.capacity:g}",
            xlabel="round",
            ylabel="G, sum of payoffs",
            ylim=(0.95 * min(curve[-LAST:].mean(axis=0).min() for curve in found[game.name].values()), 1.03 * optimum),
        )
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=len(labels))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def main(args: Args) -> None:
    """Learn every arm of both instances, print and draw."""
    console = Console()
    console.print(describe())
    found: dict[str, dict[str, Array]] = {}
    for game in INSTANCES:
        title = f"{game.name}: {game.n_agents} agents, {game.sections} sections of capacity {game.capacity:g}"
        table = Table("reward", "G, mean", "std", "range", "seconds", title=title, title_justify="left")
        found[game.name] = {}
        for arm, (_, _, label) in ARMS.items():
            start = time.perf_counter()
            found[game.name][arm] = learn(args, arm, game)
            seconds = time.perf_counter() - start
            last = found[game.name][arm][-LAST:].mean(axis=0)
            deviation = last.std(ddof=1) if args.seeds > 1 else 0.0
            span = f"{last.min():.2f} to {last.max():.2f}"
            table.add_row(label, f"{last.mean():.2f}", f"{deviation:.2f}", span, f"{seconds:.1f}")
        _, optimum = best_split(game.n_agents, game.sections, game.capacity)
        even = welfare(nash_split(game.n_agents, game.sections), game.capacity)
        table.add_section()
        table.add_row("even split, each for itself", f"{even:.2f}")
        table.add_row("optimum", f"{optimum:.2f}")
        console.print(table)
    draw(args, found)
    console.print(f"figure: {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
