"""Teachers' rewards for Q-learning: episodes that it takes, with the game's reward, a potential, EXPRD and EXPADARD.

    python benchmarks/teacher_rewards.py

Tabular Q-learning as in the study, learning rate 0.5, epsilon 0.1, discount 0.95, a hundred learners on FourRooms and
on LineKey (length 16, two keys). The potential is the teacher's value V*, with gamma the learner's. EXPADARD watches
each learner by itself. EXPRD with both signs is the published design in all states; the others pay nothing above 0 but
where the game does. The learners of an arm play in one batch, with draws of their own.

A learner is done when the mean undiscounted payoff of its last ten episodes, exploration included, first reaches nine
tenths of what the game's best policy earns with the same exploration. Writes a figure and prints a table: median over
learners, and the quartiles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import tyro
from _machine import describe
from rich.console import Console
from rich.table import Table

from payoff.baselines import q_learning
from payoff.baselines.environments import make_vector
from payoff.envs.theory.tabular import finite_horizon
from payoff.wrappers import (
    AdaptiveTeacher,
    InformativeProgram,
    PotentialShaping,
    RewardMethod,
    Teacher,
    explicable_reward,
    wrap,
)

GAMMA, EPSILON, WINDOW = 0.95, 0.1, 10
GAMES: dict[str, tuple[str, dict[str, Any], int]] = {  # id, parameters, steps of an episode
    "FourRooms": ("payoff/FourRooms-v0", {}, 30),
    "LineKey": ("payoff/LineKey-v0", {"length": 16, "keys": 2}, 60),
}


@dataclass(frozen=True)
class Args:
    """What to run."""

    seed: int = 100
    """of each batch; settings were chosen under others"""
    learners: int = 100
    """in a batch"""
    episodes: int = 1200
    """episodes of a learner"""
    adaptive_episodes: int = 60
    """the same under EXPADARD, which solves a program for each learner after every fifth"""
    out: Path = Path("results/teacher_rewards.png")
    """figure"""


def arms(teacher: Teacher) -> dict[str, Callable[[], RewardMethod | None]]:
    """What is put around the game, by name."""
    value = teacher.q.max(axis=1)[teacher.running]

    def potential(obs: np.ndarray, info: Any) -> np.ndarray:
        running = obs.any(axis=-1)  # an absorbing state shows zeros, and Phi is 0 there anyway
        return np.where(running, value[teacher.states.number(obs, running, "potential")], 0.0)

    few, every = explicable_reward(teacher), explicable_reward(teacher, states=teacher.mdp.n_states)
    both = explicable_reward(teacher, states=teacher.mdp.n_states, fines=False)
    return {
        "original": lambda: None,
        "potential V*": lambda: PotentialShaping(potential, gamma=GAMMA, on_truncation="bootstrap"),
        "EXPRD, all, both signs": lambda: both.method(teacher),
        "EXPRD, 10 states": lambda: few.method(teacher),
        "EXPRD, all states": lambda: every.method(teacher),
        "EXPADARD": lambda: AdaptiveTeacher(InformativeProgram(teacher), per_row=True),
    }


def best(teacher: Teacher, steps: int) -> float:
    """Expected payoff of pi* with the learners' exploration, exact."""
    explored = (1.0 - EPSILON) * np.eye(teacher.n_actions)[teacher.policy] + EPSILON / teacher.n_actions
    return float(finite_horizon(teacher.mdp, explored, steps) @ teacher.initial)


def learn(game: str, method: RewardMethod | None, episodes: int, seed: int, copies: int) -> np.ndarray:
    """Mean payoff ``(episodes - 9, copies)`` of ten episodes in a row."""
    env_id, parameters, steps = GAMES[game]
    env = make_vector(env_id, copies, {"info": "full", **parameters})
    args = q_learning.Args(
        env_id=env_id,
        seed=seed,
        total_steps=copies * (steps + 1) * episodes,  # a call restarts a copy
        gamma=GAMMA,
        learning_rate=0.5,
        epsilon=EPSILON,
        final_epsilon=EPSILON,
        curve_points=episodes,
    )
    result = q_learning.train(args, env if method is None else wrap(env, method))
    env.close()
    paid = np.lib.stride_tricks.sliding_window_view(result.curve["true_return"], WINDOW, axis=0)
    ended = np.isfinite(paid)  # a point has no mean where no episode ended in its time
    found: np.ndarray = np.where(ended, paid, 0.0).sum(axis=-1) / np.maximum(1, ended.sum(axis=-1))
    return found


def done_after(curve: np.ndarray, goal: float) -> list[float]:
    """Episodes until each learner is done; infinite where it never is."""
    reached = curve >= goal
    return [float(WINDOW + row.argmax()) if row.any() else np.inf for row in reached.T]


def shown(episodes: list[float], limit: int) -> str:
    """Median and quartiles, and how many learners are done at all."""
    low, middle, high = np.quantile(np.minimum(episodes, limit), (0.25, 0.5, 0.75))
    done = sum(np.isfinite(episodes))
    said = "" if done == len(episodes) else f", {done} of {len(episodes)} done"
    return f"{middle:,.0f} ({low:,.0f} to {high:,.0f}){said}"


def draw_figure(args: Args, found: dict[str, dict[str, np.ndarray]], goals: dict[str, float]) -> None:
    """Mean over learners."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, sides = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")
    colours = ("#000000", "#0072B2", "#999999", "#E69F00", "#CC79A7", "#D55E00")
    for axes, (game, curves) in zip(sides, found.items(), strict=True):
        for (name, curve), colour, line in zip(curves.items(), colours, (":", "--", "-.", "-", "--", "-"), strict=True):
            episodes = WINDOW + np.arange(len(curve))
            axes.plot(episodes, curve.mean(axis=1), color=colour, linestyle=line, label=name)
        axes.axhline(goals[game], color="#555555", linewidth=0.8)
        axes.set(xscale="log", xlabel="episodes", title=f"{game}-v0: mean of {curve.shape[1]} learners")
        axes.spines[["top", "right"]].set_visible(False)
    sides[0].set(ylabel="payoff of an episode")
    handles, labels = sides[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=6, fontsize=8.5)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def main(args: Args) -> None:
    """Train all arms, print and draw."""
    console = Console(width=140)
    console.print(describe())
    table = Table("game", "reward", "episodes until done, median (quartiles)")
    found: dict[str, dict[str, np.ndarray]] = {}
    goals = {}
    for game, (env_id, parameters, steps) in GAMES.items():
        env = make_vector(env_id, 1, parameters)
        teacher = Teacher.of(env, GAMMA, range(50))
        env.close()
        goals[game] = goal = 0.9 * best(teacher, steps)
        found[game] = {}
        for name, method in arms(teacher).items():
            episodes = args.adaptive_episodes if name == "EXPADARD" else args.episodes
            found[game][name] = curve = learn(game, method(), episodes, args.seed, args.learners)
            table.add_row(game, name, shown(done_after(curve, goal), episodes), end_section=name == "EXPADARD")
    console.print(table)
    draw_figure(args, found, goals)
    console.print(f"figure: {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
