"""LaRe's decomposition on delayed payoffs, by what its factors are: three problems, seven arms, same budget.

    python benchmarks/lare.py                       # ten seeds, about thirteen minutes on one core
    python benchmarks/lare.py --problems coin --seeds 1-5

The payoff of an episode is paid at its end: by the game itself in CoinLine and KeyRoom, by DelayReward in
TeamProduction, where four seats learn independently, each from its own delayed return and from factors of its own
observation. Arms:

- alone: PPO on the delayed reward;
- right: factors of which the payoff of a step is a sum, or nearly, in TeamProduction; decoded by least squares, and by
  a network;
- wrong: a factor that a reader might think of, and that does not say what is paid;
- irrelevant: a factor that has nothing to do with it;
- rd, rrd: least squares and a network (64 steps of an episode at a time, unbiased) on everything a step holds.

Discount 1 in all arms. The score says how fast was learned: the mean payoff of all training episodes, normalised so
that 0 is uniformly random play; 1 is the optimum in CoinLine and KeyRoom, and in TeamProduction the private Nash
equilibrium of the stage game.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
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
from payoff.baselines import ippo
from payoff.baselines.methods import around, transform_of
from payoff.wrappers import observation_names

EPISODES = 200  # of random play, where no certificate knows what it is worth
# arm -> which factors, decoder; or a transform
ARMS = {
    "alone": "none",
    "right": ("right", "linear"),
    "right, network": ("right", "network"),
    "wrong": ("wrong", "linear"),
    "irrelevant": ("irrelevant", "linear"),
    "rd": "rd",
    "rrd": "rrd:subset=64,unbiased=true",
}


@dataclass(frozen=True)
class Problem:
    """A problem and factors for it.

    Attributes:
        env_id: environment.
        horizon: longest episode.
        steps: budget of a run.
        scale: welfare of uniformly random play, and what counts as 1.
        factors: kind -> expressions.
        num_envs: copies that play at once.
        params: keywords of the environment.
        reward: reward layer.
        delay: whether the game pays on the way and DelayReward is put around it.
    """

    env_id: str
    horizon: int
    steps: int
    scale: tuple[float, float]
    factors: dict[str, Sequence[str]]
    num_envs: int = 16
    params: dict[str, Any] = field(default_factory=dict)
    reward: str | None = None
    delay: bool = False


PROBLEMS = {
    "coin": Problem(
        "payoff/CoinLine-v0",
        50,
        6_400,
        (4.672, 25.0),
        {"right": ["next_obs.cell[9]"], "wrong": ["next_obs.cell[12]"], "irrelevant": ["next_obs.time"]},
    ),
    "key": Problem(  # obs[213]: the goal lies ahead; action 2: forward
        "payoff/KeyRoom-v0",
        40,
        30_000,
        (0.003, 1.0),
        {
            "right": ["obs[213] * (action[0] == 2)"],
            "wrong": ["next_obs.carries_the_key"],
            "irrelevant": ["action[0] == 0"],
        },
        num_envs=32,
        params={"size": 5, "observe": "private"},
    ),
    "team": Problem(  # action[0]: the seat's own share of 50; the rest of its payoff is at most 8 of 100
        "payoff/TeamProduction-v0",
        100,
        16_000,
        (0.0, 37_648.93),
        {
            "right": ["next_obs.action[0]", "log1p(50 * next_obs.action[0])"],
            "wrong": ["next_obs.action[1]"],
            "irrelevant": ["next_obs.clock"],
        },
        params={"actions": "unit"},
        reward="private",
        delay=True,
    ),
}


@dataclass(frozen=True)
class Args:
    """What to run."""

    problems: list[str] = field(default_factory=lambda: list(PROBLEMS))
    """coin, key, team"""
    seeds: str = SEEDS
    """runs of each arm: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    out: Path = Path("results/lare.png")
    """figure"""


def specification(problem: Problem, arm: str) -> str:
    """Transform of an arm."""
    kind = ARMS[arm]
    if isinstance(kind, str):
        return kind
    factors = json.dumps(problem.factors[kind[0]], separators=(",", ":"))
    return f"lare:factors={factors},decoder={kind[1]}"


def run(problem: Problem, arm: str, seed: int) -> float:
    """Train; the mean welfare of an episode, over the whole training."""
    env = payoff.multi_agent_vec(problem.env_id, 1, **problem.params)
    transform = transform_of(
        specification(problem, arm), num_actions=env.num_actions, obs_names=observation_names(env), seed=seed
    )
    env.close()
    result = ippo.train(
        ippo.Args(
            env_id=problem.env_id,
            env_params=problem.params,
            reward=problem.reward,
            seed=seed,
            rollout="episodes",
            num_envs=problem.num_envs,
            num_steps=problem.horizon,
            total_steps=problem.steps,
            learning_rate=2e-3,
            final_temperature=0.1,  # so short a run must not turn greedy early
            gamma=1.0,
            on_truncation="terminal",
        ),
        transform=transform,
        wrapper=around("delay" if problem.delay else "none", "none", 1.0, "terminal"),
    )
    return float(result.curve["welfare"].mean())


def normalised(problem: Problem, welfare: np.ndarray, random: float) -> np.ndarray:
    """Scores; see the module."""
    return (welfare - random) / (problem.scale[1] - random)


def random_play(problem: Problem) -> float:
    """Welfare of uniformly random play: the certificate's, or measured where the published game has none."""
    if problem.scale[0]:
        return problem.scale[0]
    env = payoff.multi_agent_vec(problem.env_id, EPISODES, reward=problem.reward, info="full", **problem.params)
    env.reset(seed=0)
    rng, total = np.random.default_rng(0), 0.0
    for _ in range(problem.horizon):
        shape = (EPISODES, env.num_agents, env.action_size)
        *_, info = env.step(rng.uniform(env.action_low, env.action_high, size=shape))
        total += float(info["payoff"].sum(axis=1).mean())
    env.close()
    return total


def draw(args: Args, found: dict[str, dict[str, np.ndarray]]) -> None:
    """A panel for each problem: a dot for each seed, a line at the median."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(found), figsize=(4.3 * len(found), 3.4), layout="constrained", squeeze=False)
    for axes, (name, arms) in zip(panels.flat, found.items(), strict=True):
        for at, (arm, scores) in enumerate(arms.items()):
            colour = "#0072B2" if arm.startswith("right") else "#000000" if arm == "alone" else "#D55E00"
            axes.plot(np.full(len(scores), at), scores, "o", color=colour, alpha=0.4, markersize=4)
            axes.hlines(np.median(scores), at - 0.3, at + 0.3, color=colour, linewidth=2)
        axes.set_xticks(range(len(arms)), [arm.replace(", ", "\n") for arm in arms], fontsize=8, rotation=30)
        problem = PROBLEMS[name]
        axes.set_title(f"{problem.env_id.removeprefix('payoff/')}, {problem.steps:,} steps", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    panels.flat[0].set_ylabel("normalised payoff while learning")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def main(args: Args) -> None:
    """Train every arm of every problem, print and draw."""
    console, begun = Console(), process_time()
    console.print(describe())
    seeds = seeds_of(args.seeds)
    plan = [(name, arm, seed) for name in args.problems for arm in ARMS for seed in seeds]
    welfare = [run(PROBLEMS[n], arm, seed) for n, arm, seed in track(plan, description="training", console=console)]
    rows = np.array(welfare).reshape(len(args.problems), len(ARMS), len(seeds))
    table = Table("problem", *ARMS, title=f"score: median (range), seeds {args.seeds}", box=SIMPLE)
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, values in zip(args.problems, rows, strict=True):
        scores = normalised(PROBLEMS[name], values, random_play(PROBLEMS[name]))
        found[name] = dict(zip(ARMS, scores, strict=True))
        table.add_row(PROBLEMS[name].env_id, *map(median_range, scores))
    console.print(table)
    draw(args, found)
    console.print(f"CPU seconds: {process_time() - begun:.0f}; figure: {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
