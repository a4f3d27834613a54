"""Rewards from preferences on Pendulum-v1: how many answers it takes, what slips cost, and what cleaning gives back.

    python benchmarks/preference_cleaning.py              # 10 seeds, 50 seconds on one core
    python benchmarks/preference_cleaning.py --seeds 0-2

Segments of ten steps of random play are compared by an annotator who judges by partial return without noise. Arms:

- no slips;
- slips: a quarter of the answers, chosen at random, are turned round;
- cleaned: the same slips; an ensemble that learned from them turns round what it is against
  (:mod:`payoff.wrappers.preference.cleaning`), and another one learns from the result.

Score: share of 2,000 pairs of unseen segments that the reward puts in the true order; 0.5 is guessing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import gymnasium as gym
import matplotlib as mpl
import numpy as np
import tyro
from _claims import SEEDS, draw_curves, median_range, seeds_of
from _machine import describe
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table

from payoff.wrappers import (
    Cleaning,
    PreferenceLearning,
    RewardEnsemble,
    Segments,
    SimulatedAnnotator,
    draw_pairs,
    preference_strength,
)

SLIPS = 0.25
LENGTH = 10
LOOKS = {"no slips": ("#000000", ":"), "cleaned": ("#0072B2", "-"), "slips": ("#D55E00", "--")}


@dataclass(frozen=True)
class Args:
    """What to run."""

    seeds: str = SEEDS
    """runs: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    answers: tuple[int, ...] = (30, 100, 300)
    """numbers of answers"""
    out: Path = Path("results/preference_cleaning.png")
    """figure"""


def played(count: int, seed: int) -> Segments:
    """Segments of random play, each from a start of its own."""
    env = gym.make_vec("Pendulum-v1", count, "sync")
    obs, _ = env.reset(seed=seed)
    rng = np.random.default_rng([seed, 5])
    seen, actions, rewards = [obs], [], []
    for _ in range(LENGTH):
        actions.append(rng.uniform(-2.0, 2.0, (count, 1)).astype(np.float32))
        obs, reward, *_ = env.step(actions[-1])
        seen.append(obs)
        rewards.append(reward)
    env.close()
    valid, ended = np.ones((count, LENGTH), dtype=np.bool_), np.zeros(count, dtype=np.bool_)
    return Segments(np.stack(seen, 1), np.stack(actions, 1), np.stack(rewards, 1), valid, ended)


def scores(args: Args, seed: int) -> dict[str, list[float]]:
    """Score of each arm for each number of answers."""
    segments, unseen = played(300, seed), played(300, seed + 10_000)
    rng = np.random.default_rng([seed, 6])
    first, second = draw_pairs(len(segments), max(args.answers), rng)
    one, other = draw_pairs(len(unseen), 2000, rng)
    right = SimulatedAnnotator(scale=np.inf).ask(segments, first, second, rng).answer
    wrong = np.where(rng.random(right.size) < SLIPS, 1.0 - right, right)

    def ensemble(answer: np.ndarray) -> RewardEnsemble:
        settings = PreferenceLearning(hidden=(32, 32), epochs=40, learning_rate=3e-3, seed=seed)
        made = RewardEnsemble(None, settings=settings)
        made.learn(segments, first[: answer.size], second[: answer.size], answer)
        return made

    def score(found: RewardEnsemble) -> float:
        sums = found.sums(unseen).mean(axis=0)
        return float(((sums[one] > sums[other]) == (unseen.returns[one] > unseen.returns[other])).mean())

    result: dict[str, list[float]] = {name: [] for name in LOOKS}
    for n in args.answers:
        misled = ensemble(wrong[:n])
        sums = misled.sums(segments)
        strength, _ = preference_strength(sums[:, first[:n]] - sums[:, second[:n]], wrong[:n])
        cleaned = ensemble(Cleaning(flip_below=0.0)(wrong[:n], strength).answer)
        for name, found in (("no slips", ensemble(right[:n])), ("slips", misled), ("cleaned", cleaned)):
            result[name].append(score(found))
    return result


def draw(args: Args, found: dict[str, np.ndarray]) -> None:
    """Score against the number of answers."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5.2, 3.6), layout="constrained")
    for name, (colour, line) in LOOKS.items():
        draw_curves(axes, np.array(args.answers), found[name], colour=colour, line=line, label=name)
    axes.set(xscale="log", xlabel="answers", ylabel="unseen pairs in the true order")
    axes.set_xticks(args.answers, labels=[str(n) for n in args.answers])
    axes.minorticks_off()
    axes.grid(color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    axes.set_title(f"Pendulum-v1, a quarter slips, {len(seeds_of(args.seeds))} seeds", fontsize=11)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def main(args: Args) -> None:
    """Every seed, table and figure."""
    console, started = Console(width=120), time.process_time()
    console.print(describe())
    runs = [scores(args, seed) for seed in track(seeds_of(args.seeds), description="seeds", console=console)]
    found = {name: np.array([run[name] for run in runs]) for name in LOOKS}
    table = Table("arm", *(f"{n} answers" for n in args.answers), title=f"seeds {args.seeds}", box=SIMPLE)
    for name, values in found.items():
        table.add_row(name, *(median_range(values[:, i], 3) for i in range(len(args.answers))))
    console.print(table)
    draw(args, found)
    console.print(f"CPU seconds: {time.process_time() - started:.0f}; figure: {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
