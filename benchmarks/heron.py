"""HERON against weighted sums on TrafficGrid-v0: a ranking of three quantities, and what their units do to it.

    python benchmarks/heron.py             # 7 arms, 10 seeds each, about three minutes on one core

What is wanted: short queues first, then short waits, then few switches. Arms:

- payoff: the game's own weights of all six quantities, which the others do not know;
- sum, beta: minus (queue + beta wait + beta^2 switches), a weighted sum as it is engineered by hand, for two beta;
- the same where switches are counted in hundredths, as another source of data might, and the weights stay;
- ranking: HERON, the three in this order, margins of half a standard deviation, in both units.

The learner is PPO. The table has each trained policy, played for 20 episodes: median over seeds and, in brackets, the
lowest and highest seed, of the mean of each quantity per step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import process_time
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

import payoff
from payoff.baselines import ppo
from payoff.baselines.policies import Policy
from payoff.envs.sparse.traffic_grid import FEATURES
from payoff.wrappers import (
    Factor,
    HierarchicalPreferenceReward,
    HierarchyLearning,
    NetworkSettings,
    RewardMethod,
    Transition,
    wrap,
)

ID = "payoff/TrafficGrid-v0"
RANKED = ("queue", "wait", "switches")
HUNDREDTHS = np.array([1.0, 1.0, 100.0])  # of the three quantities, where switches are counted so
ARMS = {  # name -> beta, whether switches are counted in hundredths
    "payoff": (0.0, False),
    "sum, 0.3": (0.3, False),
    "sum, 1": (1.0, False),
    "sum, 0.3, x 100": (0.3, True),
    "sum, 1, x 100": (1.0, True),
    "ranking": (0.0, False),
    "ranking, x 100": (0.0, True),
}
EPISODES = 20  # of an evaluation


@dataclass(frozen=True)
class Args:
    """What to run."""

    seeds: str = SEEDS
    """learners of each arm: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    steps: int = 30_000
    """environment steps of a learner"""
    out: Path = Path("results/heron.png")
    """figure"""


def quantities(t: Transition, units: np.ndarray) -> np.ndarray:
    """The three ``(R, 3)``, in these units."""
    columns = [FEATURES.index(name) for name in RANKED]
    return np.asarray(t.info["reward_vector"])[:, columns] * units


def one(t: Transition, k: int, units: np.ndarray) -> np.ndarray:
    """Quantity k ``(R,)``."""
    return quantities(t, units)[:, k]


class WeightedSum(RewardMethod):
    """Pays minus the weighted sum of the three."""

    reads_obs = False

    def __init__(self, beta: float, units: np.ndarray) -> None:
        self.beta, self.units = beta, units

    def __call__(self, t: Transition) -> np.ndarray:
        """``(R,)``."""
        return -quantities(t, self.units) @ self.beta ** np.arange(3)


def method(arm: str, seed: int) -> RewardMethod | None:
    """What pays in an arm; None: the game."""
    beta, hundredths = ARMS[arm]
    units = HUNDREDTHS if hundredths else np.ones(3)
    if arm == "payoff":
        return None
    if arm.startswith("sum"):
        return WeightedSum(beta, units)
    factors = [Factor(partial(one, k=k, units=units), -1, 0.5) for k in range(3)]
    return HierarchicalPreferenceReward(factors, learning=HierarchyLearning(network=NetworkSettings(seed=seed)))


def run(arm: str, seed: int, steps: int) -> np.ndarray:
    """Train, then play: means per step of the six quantities, and the payoff per step, ``(7,)``."""
    reward = method(arm, seed)
    asked: dict[str, Any] = {} if reward is None else {"wrapper": lambda env: wrap(env, reward)}
    result = ppo.train(ppo.Args(env_id=ID, total_steps=steps, seed=seed), **asked)
    return played(result.policy, seed)


def played(policy: Policy, seed: int) -> np.ndarray:
    """Means per step over the episodes of an evaluation."""
    env = payoff.multi_agent_vec(ID, EPISODES, info="full", autoreset_mode="disabled")
    obs, _ = env.reset(seed=1_000_000 + seed)
    total, steps = np.zeros(len(FEATURES) + 1), 0
    over = False
    while not over:
        obs, _, _, truncated, info = env.step(policy.act(obs, deterministic=False))
        total += [*info["reward_vector"].mean(axis=0), info["payoff"].mean()]
        over, steps = bool(truncated.all()), steps + 1
    return total / steps


def draw(args: Args, found: dict[str, np.ndarray]) -> None:
    """A panel for each of the three quantities: a dot for each seed, a line at the median."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(13, 3.6), layout="constrained")
    for axes, name in zip(panels, RANKED, strict=True):
        for at, arm in enumerate(ARMS):
            values = found[arm][:, FEATURES.index(name)]
            colour = "#0072B2" if arm.startswith("ranking") else "#D55E00" if arm.startswith("sum") else "#000000"
            axes.plot(np.full(len(values), at), values, "o", color=colour, alpha=0.4, markersize=4)
            axes.hlines(np.median(values), at - 0.3, at + 0.3, color=colour, linewidth=2)
        axes.set_xticks(range(len(ARMS)), [arm.replace(", ", "\n") for arm in ARMS], fontsize=7)
        axes.set_title(f"{name} per step", fontsize=10)
        axes.set_yscale("log")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    figure.suptitle(f"TrafficGrid-v0: PPO, {args.steps:,} steps, {len(seeds_of(args.seeds))} seeds", fontsize=11)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def main(args: Args) -> None:
    """Train every arm, print and draw."""
    console, begun = Console(), process_time()
    console.print(describe())
    seeds = seeds_of(args.seeds)
    todo = [(arm, seed) for arm in ARMS for seed in seeds]
    rows = [run(arm, seed, args.steps) for arm, seed in track(todo, description="training", console=console)]
    found = {arm: np.array(rows[k * len(seeds) : (k + 1) * len(seeds)]) for k, arm in enumerate(ARMS)}
    table = Table("told", *RANKED, "payoff", title=f"per step, seeds {args.seeds}, {args.steps} steps", box=SIMPLE)
    for arm, values in found.items():
        shown = [median_range(values[:, FEATURES.index(name)]) for name in RANKED]
        table.add_row(arm, *shown, median_range(values[:, -1]))
    console.print(table)
    draw(args, found)
    console.print(f"CPU seconds: {process_time() - begun:.0f}; figure: {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
