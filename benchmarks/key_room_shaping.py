r"""PPO on KeyRoom with and without potential-based shaping, same budget: what a potential is worth when reward is rare.

    python benchmarks/key_room_shaping.py       # 2 x 10 runs, three minutes on one core; the next takes nine

    python benchmarks/key_room_shaping.py --size 10 --observe full --total-steps 1000000 --num-envs 32 \
        --num-steps 100 --epochs 4 --gamma 0.99 --final-temperature 0.02 --out results/key_room_shaping_10.png

The size is the smallest whose uniformly random success rate, by the environment's certificate, is below 1e-3. The
budget was chosen on the seeds 0 to 14: with the potential, 60,000 steps fail for one of them, 100,000 for none. Every
run sees freshly drawn layouts; the trained, deterministic policies are then tried on 1,000 layouts of seeds that no run
trained on. Success is the undiscounted payoff of an episode: 1 at the goal, else 0.
Writes a figure and prints a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import tyro
from _claims import SEEDS, binned, draw_curves, median_range, seeds_of
from _machine import describe
from rich.console import Console
from rich.progress import track
from rich.table import Table

import payoff
from payoff.baselines import ppo
from payoff.baselines.evaluation import evaluate
from payoff.baselines.methods import around
from payoff.baselines.result import Result

KEY_ROOM = "payoff/KeyRoom-v0"
UNSEEN = 10_000_000  # first evaluation seed, far from those of training


@dataclass(frozen=True)
class Args:
    """What to run."""

    size: int | None = None
    """size of the room; None is the smallest certified size with a random success rate below 1e-3"""
    seeds: str = SEEDS
    """runs of each arm: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    total_steps: int = 100_000
    """environment steps of a run"""
    learning_rate: float = 2e-3
    """of both arms"""
    num_envs: int = 16
    """copies that play at once"""
    num_steps: int = 32
    """steps between updates"""
    epochs: int = 8
    """passes over a rollout"""
    gamma: float = 0.95
    """discount"""
    final_temperature: float = 0.1
    """temperature of the policies at the end; so short a run must not turn greedy early"""
    observe: str = "private"
    """observation setting: the window around the seat (private) or the whole grid (full)"""
    episodes: int = 1000
    """unseen layouts on which a trained policy is tried"""
    out: Path = Path("results/key_room_shaping.png")
    """figure"""


def pick_level(size: int | None) -> tuple[int, float]:
    """Size and its certified random success rate."""
    for level in payoff.certificate(KEY_ROOM).levels:
        if level.parameters["size"] == size or (size is None and level.random_success.mean < 1e-3):
            return int(level.parameters["size"]), level.random_success.mean
    raise ValueError(f"size must be one of the certificate's levels, got {size}")


def run(args: Args, size: int, shaping: str, seed: int) -> tuple[Result, float]:
    """Train once; result and success rate on unseen layouts."""
    result = ppo.train(
        ppo.Args(
            env_id=KEY_ROOM,
            env_params={"size": size, "observe": args.observe},
            seed=seed,
            total_steps=args.total_steps,
            learning_rate=args.learning_rate,
            num_envs=args.num_envs,
            num_steps=args.num_steps,
            epochs=args.epochs,
            gamma=args.gamma,
            final_temperature=args.final_temperature,
        ),
        wrapper=around(shaping, "none", args.gamma, "bootstrap"),
    )
    tried = evaluate(
        result.policy, KEY_ROOM, episodes=args.episodes, seed=UNSEEN, env_kwargs={"size": size, "observe": args.observe}
    )
    return result, tried.welfare


def draw(args: Args, size: int, random: float, found: dict[str, list[tuple[Result, float]]]) -> None:
    """Learning curves in payoffs: each seed, mean and interval."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    looks = {"progress": ("#0072B2", "-", "potential-based shaping"), "none": ("#D55E00", "--", "no shaping")}
    for shaping, runs in found.items():
        colour, line, label = looks[shaping]
        steps = binned(runs[0][0].curve["step"]) / 1000
        curves = np.array([binned(r.curve["welfare"]) for r, _ in runs])
        draw_curves(axes, steps, curves, colour=colour, line=line, label=label)
    axes.axhline(random, color="#555555", linestyle=":", label=f"uniformly random play ({random:.1e})")
    axes.set(
        xlabel="environment steps (thousands)",
        ylabel="success rate of training episodes",
        title=f"KeyRoom-v0, size {size}: PPO, {len(found['none'])} seeds",
        ylim=(-0.02, 1.02),
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, loc="outside lower center", ncols=3, fontsize=8.5)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def main(args: Args) -> None:
    """Train both arms, print and draw."""
    console = Console()
    console.print(describe())
    size, random = pick_level(args.size)
    seeds = seeds_of(args.seeds)
    arms = [(shaping, seed) for shaping in ("progress", "none") for seed in seeds]
    found: dict[str, list[tuple[Result, float]]] = {"progress": [], "none": []}
    for shaping, seed in track(arms, description="training", console=console):
        found[shaping].append(run(args, size, shaping, seed))
    table = Table("shaping", "seed", f"success on {args.episodes} unseen layouts", "CPU seconds", title=f"size {size}")
    for shaping, runs in found.items():
        for seed, (result, success) in zip(seeds, runs, strict=True):
            table.add_row(shaping, str(seed), f"{success:.3f}", f"{result.cpu_seconds:.0f}")
        table.add_row(shaping, "median", median_range([success for _, success in runs], 3), end_section=True)
    console.print(table)
    draw(args, size, random, found)
    console.print(f"figure: {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
