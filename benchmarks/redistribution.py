"""PPO on delayed rewards, alone and with the return redistributed, same budget.

    python benchmarks/redistribution.py                      # three problems, four arms, ten seeds: 14 minutes
    python benchmarks/redistribution.py --problems watch --seeds 5

Alone, PPO learns from the delayed reward with three values of lambda: 0.95, the usual one, 1, with which the critic
bootstraps nothing, and 0.5, which WatchRepair has where its return is redistributed (the others 0.95). Redistributed, a
transform rewrites the rewards of every episode before PPO learns from them; what it knows of a problem is the features
that are named here. Discount 1 in all arms. Scores are normalised: 0 is uniformly random play, 1 the optimum of the
certificate. They are payoffs with the luck taken out that no action changes: in WatchRepair the expected margin of the
decision, in Bifurcation the chance of the good branch. Curves are training episodes; the table is the trained,
deterministic policy on episodes from seeds that no run trained on.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
import numpy as np
import tyro
from _claims import SEEDS, draw_curves, median_range, seeds_of
from _machine import describe
from gymnasium.vector import VectorEnv
from rich.console import Console
from rich.progress import track
from rich.table import Table

from payoff.baselines import ppo
from payoff.baselines.environments import make_one_seat
from payoff.baselines.evaluation import yardsticks
from payoff.baselines.result import Result
from payoff.baselines.rewriting import collect_episodes
from payoff.baselines.rollout import Episodes
from payoff.wrappers import DelayReward, wrap
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
from payoff.wrappers.redistribution.episode_learning import EpisodeLearning
from payoff.wrappers.redistribution.rd import LinearDecomposition
from payoff.wrappers.redistribution.rudder import Rudder

UNSEEN = 10_000_000  # first evaluation seed, far from those of training
ARMS = {
    "redistributed": ("#0072B2", "-", "return redistributed"),
    "alone": ("#D55E00", "--", r"PPO alone, $\lambda$ = 0.95"),
    "alone, lambda 1": ("#CC79A7", ":", r"PPO alone, $\lambda$ = 1"),
    "alone, lambda 0.5": ("#009E73", "-.", r"PPO alone, $\lambda$ = 0.5"),
}


@dataclass(frozen=True)
class Problem:
    """One delayed problem and how to take it apart.

    Attributes:
        env_id: environment.
        params: its keywords.
        horizon: longest episode.
        steps: budget of a run.
        yardsticks: expected payoffs of uniformly random play and of the best policy; None: measured.
        payoff: payoffs ``(B,)`` of episodes without the luck that no action changes.
        transform: makes the transform, from a seed.
        method: its name.
        settings: settings of PPO, shared by all arms.
        lam: lambda of the arm with the transform.
        delay: whether the environment pays on the way and DelayReward is put around it.
    """

    env_id: str
    params: dict[str, object]
    horizon: int
    steps: int
    yardsticks: tuple[float, float] | None
    payoff: Callable[[EpisodeBatch], np.ndarray]
    transform: Callable[[int], RewardTransform]
    method: str
    settings: dict[str, object] = field(default_factory=dict)
    lam: float = 0.95
    delay: bool = False

    def score(self, batch: EpisodeBatch) -> float:
        """Normalised return of episodes."""
        random, optimum = self.yardsticks or measured(self.env_id, json.dumps(self.params))
        return float((self.payoff(batch).mean() - random) / (optimum - random))


@functools.cache
def measured(env_id: str, params: str) -> tuple[float, float]:
    """Payoff of random play over 2,000 episodes, and the mean of the optimum over their starts."""
    found = yardsticks(env_id, json.loads(params), episodes=2000)
    return found.random, found.best


WATCH_STEPS = 200
MARGINS = np.array([-1.5, 3.5, 3.5, -1.5])  # of the four brands: price - repair - delivery - expected cost of the way
BIFURCATION = {"length": 128, "forks": 16, "decisive": 2, "choices": 4, "slip": 0.1, "noise": 1.0, "observe": "private"}


def margin(batch: EpisodeBatch) -> np.ndarray:
    """Expected payoff of the decision, the margin of what was repaired; each brand counts as a quarter of all."""
    brand = batch.obs[0, :, :4].argmax(axis=1)
    share = np.bincount(brand, minlength=4) / brand.size
    return MARGINS[brand] * (batch.obs[1, :, 4] == 1.0) * 0.25 / share[brand]


def branch(batch: EpisodeBatch) -> np.ndarray:
    """Chance of the good branch, given the action at the decisive fork, step 20; a slip draws any of four actions."""
    return 0.9 * (batch.actions[20, :, 0] == 1) + 0.1 / 4


def watch_features(obs: np.ndarray, actions: np.ndarray, next_obs: np.ndarray) -> np.ndarray:
    """Brand and decision on the step that makes it; jams and flat tyres of a repaired watch; that there is one."""
    change, repaired = next_obs - obs, next_obs[:, 4:5]
    decided = [obs[:, :4] * change[:, 4:5], obs[:, :4] * change[:, 5:6]]
    return np.concatenate([*decided, repaired * change[:, 6:8] * WATCH_STEPS, repaired / 10.0], axis=1)


def fork_features(obs: np.ndarray, actions: np.ndarray, next_obs: np.ndarray) -> np.ndarray:
    """Action by step, one-hot."""
    chosen = np.eye(4)[actions[:, 0]]
    return (obs[:, :129, None] * chosen[:, None]).reshape(len(obs), -1)


PROBLEMS = {
    "watch": Problem(
        "payoff/WatchRepair-v0",
        {"max_steps": WATCH_STEPS, "jam_probability": 0.025, "flat_probability": 0.0125},  # as costly as by default
        WATCH_STEPS,
        400_000,
        (MARGINS.mean() / 2.0, 3.5 / 2.0),
        margin,
        lambda seed: Rudder(
            watch_features, learning=EpisodeLearning(hidden=(8,), learning_rate=1e-2, gradient_steps=20, seed=seed)
        ),
        "RUDDER",
        {"num_envs": 32, "final_temperature": 1.0, "ent_coef": 0.05},
        lam=0.5,
    ),
    "fork": Problem(
        "payoff/Bifurcation-v0",
        BIFURCATION,
        128,
        150_000,
        (0.25, 0.925),
        branch,
        lambda seed: LinearDecomposition(fork_features, ridge=10.0),
        "least squares",
    ),
    "maze": Problem(
        "payoff/RepeatMaze-v0",
        {"episodes": 30},
        300,
        400_000,
        None,
        lambda batch: batch.info["true_reward"].sum(axis=0, where=batch.valid),
        lambda seed: LinearDecomposition(lambda obs, actions, next_obs: next_obs, ridge=1e-2),
        "least squares",
        delay=True,
    ),
}


class Scored(RewardTransform):
    """Another transform, or none, that notes the score of every batch of episodes."""

    def __init__(self, problem: Problem, inner: RewardTransform | None) -> None:
        self.problem, self.inner = problem, inner
        self.needs = ("true_reward",)
        self.scores: list[float] = []

    def learn(self, batch: EpisodeBatch) -> None:
        """Note the score, then let the other one learn."""
        self.scores.append(self.problem.score(batch))
        if self.inner is not None:
            self.inner.learn(batch)

    def rewrite(self, batch: EpisodeBatch) -> np.ndarray:
        """What the other one pays."""
        return batch.paid if self.inner is None else self.inner.rewrite(batch)


@dataclass(frozen=True)
class Args:
    """What to run."""

    problems: list[str] = field(default_factory=lambda: list(PROBLEMS))
    """watch, fork, maze"""
    seeds: str = SEEDS
    """runs of each arm: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    episodes: int = 400
    """unseen episodes on which a trained policy is tried"""
    out: Path = Path("results/redistribution.png")
    """figure"""


@dataclass(frozen=True)
class Run:
    """A training: steps and scores of its updates, score of the trained policy, seconds."""

    steps: np.ndarray
    scores: np.ndarray
    final: float
    seconds: float


def tried(problem: Problem, result: Result, episodes: int) -> float:
    """Score of the trained, deterministic policy on unseen episodes."""
    env = make_one_seat(problem.env_id, episodes, {**problem.params, "info": "full"})
    env.reset(seed=UNSEEN)
    played = collect_episodes(
        env, lambda obs: result.policy.act(obs), problem.horizon, Episodes(episodes), record=("true_reward",)
    )
    env.close()
    return problem.score(played.batch())


def run(args: Args, problem: Problem, arm: str, seed: int) -> Run:
    """Train once."""
    started = time.perf_counter()
    own = arm == "redistributed"
    scored = Scored(problem, problem.transform(seed) if own else None)

    def delayed(env: VectorEnv) -> VectorEnv:
        return wrap(env, DelayReward()) if problem.delay else env

    settings = {"num_envs": 16, "learning_rate": 2e-3, **problem.settings}
    result = ppo.train(
        ppo.Args(
            env_id=problem.env_id,
            env_params=problem.params,
            seed=seed,
            rollout="episodes",
            num_steps=problem.horizon,
            total_steps=problem.steps,
            gamma=1.0,
            lam=problem.lam if own else {"alone, lambda 1": 1.0, "alone, lambda 0.5": 0.5}.get(arm, 0.95),
            on_truncation="terminal",
            **settings,  # type: ignore[arg-type]
        ),
        transform=scored,
        wrapper=delayed,
    )
    scores = np.array(scored.scores)
    return Run(result.curve["step"], scores, tried(problem, result, args.episodes), time.perf_counter() - started)


def smooth(runs: list[Run], points: int = 25) -> tuple[np.ndarray, np.ndarray]:
    """Budget cut into stretches: their middles, and the mean score of each run in them ``(runs, points)``."""
    edges = np.linspace(0.0, max(r.steps[-1] for r in runs), points + 1)
    means = np.full((len(runs), points), np.nan)
    for i, r in enumerate(runs):
        at = np.clip(np.digitize(r.steps, edges) - 1, 0, points - 1)
        for k in range(points):
            if (at == k).any():
                means[i, k] = r.scores[at == k].mean()
    return (edges[:-1] + edges[1:]) / 2.0, means


def draw(args: Args, found: dict[str, dict[str, list[Run]]]) -> None:
    """Score of training episodes, one panel a problem: each seed, mean and interval."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(
        1, len(found), figsize=(3.6 * len(found), 3.3), layout="constrained", squeeze=False, sharey=True
    )
    for axes, (name, arms) in zip(panels.flat, found.items(), strict=True):
        problem = PROBLEMS[name]
        for arm, runs in arms.items():
            colour, line, label = ARMS[arm]
            steps, curves = smooth(runs)
            draw_curves(axes, steps / 1000, curves, colour=colour, line=line, label=label)
        axes.axhline(1.0, color="#555555", linewidth=0.8)
        axes.axhline(0.0, color="#555555", linewidth=0.8, linestyle=":")
        short = problem.env_id.removeprefix("payoff/")
        axes.set(title=f"{short}: {problem.method}", xlabel="environment steps (thousands)")
        axes.spines[["top", "right"]].set_visible(False)
    panels.flat[0].set_ylabel("normalised return")
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=len(handles))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def main(args: Args) -> None:
    """Train all arms of every problem, print and draw."""
    console = Console()
    console.print(describe())
    plan = [(name, arm, seed) for name in args.problems for arm in ARMS for seed in seeds_of(args.seeds)]
    found: dict[str, dict[str, list[Run]]] = {name: {arm: [] for arm in ARMS} for name in args.problems}
    for name, arm, seed in track(plan, description="training", console=console):
        found[name][arm].append(run(args, PROBLEMS[name], arm, seed))
    score = f"score on {args.episodes} unseen episodes: median (range)"
    table = Table("problem", "redistribution", "arm", score, "each seed", "seconds a run")
    for name, arms in found.items():
        for arm, runs in arms.items():
            scores = [r.final for r in runs]
            shown = median_range(scores), ", ".join(f"{score:.2f}" for score in scores)
            seconds = f"{np.mean([r.seconds for r in runs]):.0f}"
            table.add_row(PROBLEMS[name].env_id, PROBLEMS[name].method, arm, *shown, seconds)
    console.print(table)
    draw(args, found)
    console.print(f"figure: {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
