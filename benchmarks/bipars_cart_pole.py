"""BiPaRS on a cart pole that is paid for falls alone: what becomes of a shaping reward that is wrong?

    python benchmarks/bipars_cart_pole.py --figure docs/figures/bipars_cart_pole.png      # 210 trainings

SparseCartPole-v0 with ``fall_costs=True``: -1 for a fall, nothing else, 200 steps. The shaping reward f pays 0.1 for a
push to the side to which the pole leans and -0.1 for the other one; or the opposite (inverted), or the opposite on one
half of the track (half inverted), or either by a coin (random). A REINFORCE learner is told the payoff alone, the
payoff plus f, or the payoff plus w(s, a) f, with w learned by one of the three estimators of BiPaRS, which get a small
penalty on the square of w's numbers (one of them also goes without). At first w is 1.

Printed is the mean length of the last 300 training episodes, 200 at most: median, lowest and highest seed. Then, what
has become of f, in the states that random play comes to: by how much w f favours the push that f favours over the other
one, in units of f. That is 1 at first, 0 where f is ignored, and negative where it is turned round; in brackets the
mean size of that number, which is large where w differs from state to state.

The runs are those of ``payoff ablate``: a results folder that stands is gone on with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import gymnasium as gym
import numpy as np
import tyro
from _claims import SEEDS, draw_curves, median_range
from _machine import describe
from rich.console import Console
from rich.table import Table

from payoff.baselines import read_results
from payoff.baselines.ablation import Ablation, ablate
from payoff.baselines.results import RunConfig
from payoff.baselines.reward_file import read_reward
from payoff.baselines.run import checkpoint_path
from payoff.extras import require
from payoff.wrappers import RewardBlend

ID, HORIZON = "payoff/SparseCartPole-v0", 200
EPISODES, PER_UPDATE, LAST = 6000, 20, 300
SETTINGS = (
    f"learning_rate=0.01,reward_learning_rate=0.05,ent_coef=0.01,features=numbers,episodes_per_update={PER_UPDATE}"
)
PENALTY = 0.0002
HINTS = {"lean": "right", "lean_inverted": "inverted", "lean_half": "half inverted", "lean_random": "random"}
METHODS = {
    "payoff alone": "reinforce",
    "payoff + f": "sum",
    "MGL, no penalty": "bipars_mgl",
    "MGL": f"bipars_mgl,reward_penalty={PENALTY}",
    "IMGL": f"bipars_imgl,reward_penalty={PENALTY}",
    "EM": f"bipars_em,reward_penalty={PENALTY}",
}
LEARNED = tuple(METHODS)[2:]
COLOURS = ("#777777", "#d55e00", "#e69f00", "#009e73", "#0072b2", "#cc79a7")


@dataclass(frozen=True)
class Args:
    """What to run."""

    seeds: str = SEEDS
    """runs of each cell: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    processes: int = 2
    """runs at a time"""
    out: Path = Path("results/bipars_cart_pole")
    """results folder"""
    figure: Path | None = None
    """where the learning curves are drawn"""


def cells(seeds: str) -> dict[tuple[str, str], list[RunConfig]]:
    """(hint, what is told) -> the runs of its seeds."""
    found = {}
    for hint in HINTS:
        for told, method in METHODS.items():
            aux = "lean" if method == "reinforce" else hint  # alone it is not read
            grid = Ablation(
                envs=[ID],
                params=[{"aux": aux, "fall_costs": True, "max_steps": HORIZON}],
                algo=f"bilevel:method={method},episodes={EPISODES},{SETTINGS}",
                seeds=seeds,
                total_steps=EPISODES * HORIZON,
            )
            found[hint, told] = grid.configs()
    return found


def main(args: Args) -> None:
    """Train what is missing, print, draw."""
    console = Console()
    console.print(describe())
    found = cells(args.seeds)
    configs = list({config.run_id: config for own in found.values() for config in own}.values())
    command = "python benchmarks/bipars_cart_pole.py"
    if status := ablate(configs, args.out, processes=args.processes, console=console, command=command):
        raise SystemExit(status)
    rows = {row["run_id"]: row for row in read_results(args.out).iter_rows(named=True)}
    curves = {
        cell: np.array([rows[config.run_id]["curve_episode_length"] for config in own], dtype=np.float64)
        for cell, own in found.items()
    }
    table = Table("shaping reward", *METHODS)
    for hint, name in HINTS.items():
        last = [curves[hint, told][:, -LAST // PER_UPDATE :].mean(axis=1).tolist() for told in METHODS]
        table.add_row(name, *(median_range(lengths, 0) for lengths in last))
    console.print(table)
    table = Table("shaping reward", *LEARNED, title="what w makes of it")
    seen = states()
    for hint, name in HINTS.items():
        row = []
        for told in LEARNED:
            files = [checkpoint_path(args.out, config.run_id) for config in found[hint, told]]
            rewards = [cast(RewardBlend, read_reward(file)) for file in files]
            row.append(made_of(rewards, seen))
        table.add_row(name, *row)
    console.print(table)
    if args.figure is not None:
        draw(args.figure, curves)


def states() -> np.ndarray:
    """Observations ``(n, 4)`` of random play."""
    env = gym.make_vec(ID, num_envs=64, fall_costs=True, max_steps=HORIZON)
    draws = np.random.default_rng(0)
    found = [env.reset(seed=0)[0]]
    for _ in range(100):
        found.append(env.step(draws.integers(2, size=64))[0])
    return np.concatenate(found)


def made_of(rewards: Sequence[RewardBlend], seen: np.ndarray) -> str:
    """How much of f is left: median over seeds of its mean over states, and of its mean size.

    Where f pays one push c and the other -c, w f tells them apart by (w + w') c, and f by 2 c.
    """
    left = [np.mean([r.parts(seen, np.full(len(seen), a))[1] for a in (0, 1)], axis=0) for r in rewards]
    return f"{np.median([x.mean() for x in left]):.2f} ({np.median([np.abs(x).mean() for x in left]):.2f})"


def draw(path: Path, curves: dict[tuple[str, str], np.ndarray]) -> None:
    """Learning curves, a panel for each shaping reward."""
    figures = require("matplotlib.figure", "train")
    figure = figures.Figure(figsize=(9.0, 6.0), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    for place, (hint, name) in zip(axes.flat, HINTS.items(), strict=True):
        for told, colour in zip(METHODS, COLOURS, strict=True):
            runs = curves[hint, told]
            points = runs[:, : runs.shape[1] // 10 * 10].reshape(len(runs), -1, 10).mean(axis=2)
            x = (np.arange(points.shape[1]) + 0.5) * 10 * PER_UPDATE
            draw_curves(place, x, points, colour=colour, line="-", label=told)
        place.set_title(f"shaping reward: {name}", fontsize=10)
        place.grid(alpha=0.3)
    for place in axes[-1]:
        place.set_xlabel("episode")
    for row in axes:
        row[0].set_ylabel("steps before the fall, 200 at most")
    axes[0, 0].legend(fontsize=9, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
