"""PPO at the hard level of several sparse problems, with and without help, same budget.

    python benchmarks/sparse_shaping.py                                   # six problems, 2 x 10 runs each: 17 minutes
    python benchmarks/sparse_shaping.py --ids payoff/DeepSea-v0 --seeds 5
    python benchmarks/sparse_shaping.py --arms none count first_visit product --out results/exploration_bonuses.png
        --ids payoff/LineKey-v0 payoff/FourRooms-v0 payoff/FillerSteps-v0

Arms: ``none``; ``progress``, potential-based shaping by the environment's own ``info["progress"]``; ``count``, a bonus
for states seldom visited in all of training; ``first_visit``, one for states new in the episode; ``product`` of both.
Success is the environment's own, counted over episodes of the trained, deterministic policies from seeds that no run
trained on. Writes a figure and prints a table; the table also holds the certified success of uniformly random play.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
import numpy as np
import tyro
from _claims import SEEDS, draw_curves, median_range, seeds_of
from _machine import describe
from rich.console import Console
from rich.progress import track
from rich.table import Table

import payoff
from payoff.baselines import ppo
from payoff.baselines.methods import around
from payoff.baselines.result import Result
from payoff.envs import registry
from payoff.envs.core.game import Episode

UNSEEN = 10_000_000  # first evaluation seed, far from those of training
ARMS = {
    "progress": ("#0072B2", "-", "potential-based shaping"),
    "none": ("#D55E00", "--", "no help"),
    "count": ("#E69F00", "-.", "global count"),
    "first_visit": ("#CC79A7", (0, (5, 1, 1, 1, 1, 1)), "episodic first visit"),
    "product": ("#009E73", (0, (8, 2)), "count x first visit"),
}
DEFAULT = ("DeepSea", "Chain", "FourRooms", "LineKey", "CliffWalk", "KeyRoom")
# Training that suits a problem, beside the defaults of Args: what both arms share.
SETTINGS: dict[str, dict[str, float]] = {
    "payoff/KeyRoom-v0": {"total_steps": 1_000_000},
}


@dataclass(frozen=True)
class Args:
    """What to run."""

    ids: list[str] = field(default_factory=lambda: [f"payoff/{name}-v0" for name in DEFAULT])
    """environments, each at its level "hard\""""
    arms: list[str] = field(default_factory=lambda: ["progress", "none"])
    """what helps the learner"""
    coef: float = 0.1
    """weight of a bonus, in units of the payoff for success"""
    seeds: str = SEEDS
    """runs of each arm: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    total_steps: int | None = None
    """environment steps of a run; None: what suits the problem"""
    episodes: int = 500
    """unseen episodes on which a trained policy is tried"""
    out: Path = Path("results/sparse_shaping.png")
    """figure"""


def success_rate(result: Result, env_id: str, keywords: dict[str, object], episodes: int) -> float:
    """Share of unseen episodes in which the trained policy succeeds."""
    game = registry.load(env_id)
    params = game.params.from_keywords(env_id, keywords)
    assert game.success is not None
    env = payoff.multi_agent_vec(env_id, episodes, autoreset_mode="next_step", info="minimal", **keywords)
    obs, _ = env.reset(seed=UNSEEN)
    running, solved, payoffs = np.ones(episodes, dtype=bool), 0, []
    while running.any():
        obs, _, terminated, truncated, _ = env.step(result.policy.act(obs, deterministic=True))
        payoffs.append(env.engine.payoff.copy())
        ended = running & (terminated | truncated)
        if ended.any():
            paid = np.stack(payoffs)
            for b in np.flatnonzero(ended):
                solved += game.success(params, Episode(paid[:, b], env.engine.state[b].copy(), bool(terminated[b])))
        running &= ~ended
    return solved / episodes


def run(args: Args, env_id: str, arm: str, seed: int) -> tuple[Result, float]:
    """Train once; result and success rate on unseen episodes."""
    keywords = dict(registry.load(env_id).levels["hard"])
    settings = {"total_steps": 300_000, "num_envs": 32, "num_steps": 100, "epochs": 4, "gamma": 0.99}
    settings |= SETTINGS.get(env_id, {})
    if args.total_steps is not None:
        settings["total_steps"] = args.total_steps
    shaping = arm if arm == "progress" else "none"
    bonus = "none" if arm in ("none", "progress") else f"{arm}:coef={args.coef}"
    result = ppo.train(
        ppo.Args(
            env_id=env_id,
            env_params=keywords,
            seed=seed,
            learning_rate=2e-3,
            final_temperature=0.02,
            **settings,  # type: ignore[arg-type]
        ),
        wrapper=around(shaping, bonus, settings["gamma"], "bootstrap"),
    )
    return result, success_rate(result, env_id, keywords, args.episodes)


def draw(args: Args, found: dict[str, dict[str, list[tuple[Result, float]]]]) -> None:
    """Payoff of training episodes, one panel a problem: each seed, mean and interval."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    columns = 3 if len(found) == 3 else min(2, len(found))
    rows = -(-len(found) // columns)
    figure, panels = plt.subplots(
        rows, columns, figsize=(4.6 * columns, 2.9 * rows), layout="constrained", squeeze=False
    )
    for axes in panels.flat[len(found) :]:
        axes.set_axis_off()
    for axes, (env_id, arms) in zip(panels.flat, found.items(), strict=False):
        for arm, runs in arms.items():
            colour, line, label = ARMS[arm]
            steps = runs[0][0].curve["step"] / 1000
            curves = np.array([r.curve["welfare"] for r, _ in runs])
            draw_curves(axes, steps, curves, colour=colour, line=line, label=label)
        axes.set(title=env_id.removeprefix("payoff/"), xlabel="environment steps (thousands)", ylabel="episode payoff")
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=len(handles))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def main(args: Args) -> None:
    """Train both arms of every problem, print and draw."""
    console = Console()
    console.print(describe())
    if unknown := [arm for arm in args.arms if arm not in ARMS]:
        raise SystemExit(f"error: arms must be among {', '.join(ARMS)}, got {', '.join(unknown)}")
    runs = [(i, arm, seed) for i in args.ids for arm in args.arms for seed in seeds_of(args.seeds)]
    found: dict[str, dict[str, list[tuple[Result, float]]]] = {i: {arm: [] for arm in args.arms} for i in args.ids}
    for env_id, arm, seed in track(runs, description="training", console=console):
        found[env_id][arm].append(run(args, env_id, arm, seed))
    table = Table("problem, level hard", "random play", "help", "success: median (range)", "each seed")
    for env_id, by_arm in found.items():
        hard = dict(registry.load(env_id).levels["hard"])
        level = next(v for v in payoff.certificate(env_id).levels if dict(v.parameters) == hard)
        for arm, trained in by_arm.items():
            rates = [rate for _, rate in trained]
            shown = median_range(rates, 3), ", ".join(f"{rate:.3f}" for rate in rates)
            table.add_row(env_id.removeprefix("payoff/"), f"{level.random_success.mean:.1e}", ARMS[arm][2], *shown)
    console.print(table)
    draw(args, found)
    console.print(f"figure: {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
