"""EXPLORS on Chain: what a learner's own shaping and a count bonus are worth, together and alone.

    python benchmarks/explors_chain.py

The learner is the study's: REINFORCE with a softmax table, learning rate 0.1, a step after every second episode on the
last five, divided by their steps. It plays the game's exact model (`payoff.as_mdp`), one learner for each seed; the
reward is that of `payoff.wrappers.ExplorationGuided`, by the functions of its module, compiled here. Every policy is
evaluated exactly, by dynamic programming over its 40 steps. The best there is is 13.704.

Writes a figure and prints a table: mean over seeds (lowest to highest seed) of the discounted return of the game.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numba
import numpy as np
import tyro
from _claims import SEEDS, seeds_of
from _machine import describe
from rich.console import Console
from rich.table import Table

import payoff
from payoff.envs.mdp import MDP
from payoff.envs.theory.tabular import finite_horizon
from payoff.wrappers.learned import explors

CHAIN = "payoff/Chain-v0"
GAMMA, HORIZON = 0.99, 40
ARMS = {  # rate of phi, and the bonus
    "original": (0.0, 0.0),
    "bonus only": (0.0, 1.0),
    "self-shaping only": (0.01, 0.0),
    "EXPLORS": (0.01, 1.0),
}
REPORTED = {  # means of ten seeds of the measurement that this one repeats
    "original": (0.0, 0.0, 0.0, 0.0),
    "bonus only": (0.02, 0.46, 12.94, 13.39),
    "self-shaping only": (0.0, 10.40, 13.71, 13.57),
    "EXPLORS": (13.06, 13.61, 13.71, 13.57),
}


@dataclass(frozen=True)
class Args:
    """What to run."""

    seeds: str = SEEDS
    """seeds: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    episodes: int = 20_000
    """episodes of a learner"""
    every: int = 500
    """episodes between evaluations"""
    out: Path = Path("results/explors_chain.png")
    """figure"""


learn_shaping = numba.njit(explors.learn_shaping)
exploration_bonus = numba.njit(explors.exploration_bonus)


@numba.njit
def draw(rng: Any, chances: Any) -> int:
    """Number of an outcome, by its probability."""
    left, last = rng.random(), len(chances) - 1
    for k in range(last):
        left -= chances[k]
        if left < 0.0:
            return k
    return last


@numba.njit
def softmax(scores: Any) -> Any:
    """Probabilities of each row."""
    found = np.empty_like(scores)
    for s in range(len(scores)):
        row = np.exp(scores[s] - scores[s].max())
        found[s] = row / row.sum()
    return found


@numba.njit
def learner(
    model: Any, rng: Any, episodes: int, every: int, rate: float, bonus: float, gamma: float, steps: int
) -> Any:
    """Policies ``(episodes // every, S, A)`` of one learner; ``model`` is next_state, probability, reward, terminal."""
    following, chances, paid, terminal = model
    n_states, n_actions = following.shape[:2]
    scores, phi, value = np.zeros((n_states, n_actions)), np.zeros((n_states, n_actions)), np.zeros(n_states)
    left = np.zeros(n_states)
    state = np.zeros((10, steps), dtype=np.int64)
    action = np.zeros((10, steps), dtype=np.int64)
    game, told = np.zeros((10, steps)), np.zeros((10, steps))  # returns to go
    length = np.zeros(10, dtype=np.int64)
    found = np.zeros((episodes // every, n_states, n_actions))
    for episode in range(1, episodes + 1):
        policy, at, s = softmax(scores), (episode - 1) % 10, 0
        length[at] = 0
        for t in range(steps):
            a = draw(rng, policy[s])
            k = draw(rng, chances[s, a])
            after, reward = following[s, a, k], paid[s, a, k]
            state[at, t], action[at, t], game[at, t] = s, a, reward
            left[s] += 1.0
            told[at, t] = reward + phi[s, a]
            if bonus > 0.0 and not terminal[after]:
                told[at, t] += exploration_bonus(left[after], bonus, 1.0)
            length[at] += 1
            s = after
            if terminal[s]:
                break
        for t in range(length[at] - 2, -1, -1):
            game[at, t] += gamma * game[at, t + 1]
            told[at, t] += gamma * told[at, t + 1]
        if episode % 5 == 0:
            known = min(episode, 10)
            total = length[:known].sum()
            s_, a_, g_ = np.zeros(total, dtype=np.int64), np.zeros(total, dtype=np.int64), np.zeros(total)
            i = 0
            for e in range(known):
                n = length[e]
                s_[i : i + n], a_[i : i + n], g_[i : i + n] = state[e, :n], action[e, :n], game[e, :n]
                i += n
            if rate > 0.0:
                learn_shaping(phi, value, policy, s_, a_, g_, rate, 0.01)
        if episode % 2 == 0:
            gradient, total = np.zeros_like(scores), 0
            for back in range(min(5, episode)):
                e = (episode - 1 - back) % 10
                total += length[e]
                for t in range(length[e]):
                    s = state[e, t]
                    gradient[s] -= told[e, t] * policy[s]
                    gradient[s, action[e, t]] += told[e, t]
            scores += 0.1 * gradient / total
        if episode % every == 0:
            found[episode // every - 1] = softmax(scores)
    return found


def returns(mdp: MDP, policies: np.ndarray) -> np.ndarray:
    """Exact discounted return of each policy from the start."""
    return np.array([finite_horizon(mdp, p, HORIZON, GAMMA) @ mdp.initial for p in policies])


def draw_figure(args: Args, best: float, found: dict[str, np.ndarray]) -> None:
    """Mean over seeds, with the lowest and the highest."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    looks = zip(found.items(), ("#000000", "#E69F00", "#0072B2", "#D55E00"), (":", "-.", "--", "-"), strict=True)
    for (name, runs), colour, line in looks:
        episodes = args.every * np.arange(1, runs.shape[1] + 1) / 1000
        axes.plot(episodes, runs.mean(axis=0), color=colour, linestyle=line, label=name)
        axes.fill_between(episodes, runs.min(axis=0), runs.max(axis=0), color=colour, alpha=0.15, linewidth=0)
    axes.axhline(best, color="#555555", linewidth=0.8)
    axes.set(
        xlabel="episodes (thousands)",
        ylabel="discounted return of the game",
        title=f"Chain-v0, {len(next(iter(found.values())))} seeds: mean, lowest and highest",
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8.5)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def main(args: Args) -> None:
    """Train all arms, print and draw."""
    console = Console()
    console.print(describe())
    mdp, seeds = payoff.as_mdp(CHAIN, [0]), seeds_of(args.seeds)
    model = (mdp.next_state, mdp.probability, mdp.reward, mdp.terminal)
    best = float(finite_horizon(mdp, None, HORIZON, GAMMA) @ mdp.initial)
    marks = [e for e in (5000, 10_000, 20_000, 50_000) if e <= args.episodes]
    table = Table("arm", *(f"{e:,} episodes" for e in marks), title=f"best {best:.3f}")
    found = {}
    for name, (rate, bonus) in ARMS.items():
        runs = [
            learner(model, np.random.default_rng(seed), args.episodes, args.every, rate, bonus, GAMMA, HORIZON)
            for seed in seeds
        ]
        found[name] = np.array([returns(mdp, policies) for policies in runs])
        cells = []
        for e, reported in zip(marks, REPORTED[name], strict=False):
            at = found[name][:, e // args.every - 1]
            cells.append(f"{at.mean():.2f} ({at.min():.2f} to {at.max():.2f}), reported {reported:.2f}")
        table.add_row(name, *cells)
    console.print(table)
    draw_figure(args, best, found)
    console.print(f"figure: {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
