"""BiPaRS on a cart pole that is paid for falls alone: what becomes of a shaping reward that is wrong?

    python benchmarks/bipars_cart_pole.py --figure docs/figures/bipars_cart_pole.png      # 170 trainings

SparseCartPole-v0 with ``fall_costs=True``: -1 for a fall, nothing else, 200 steps. The shaping reward f pays 0.1 for a
push to the side to which the pole leans and -0.1 for the other one; or the opposite (inverted), or the opposite on one
half of the track (half inverted), or either by a coin (random). A REINFORCE learner is told the payoff alone, the
payoff plus f, or the payoff plus w(s, a) f, with w learned by one of the three estimators of BiPaRS.

Printed is the mean length of the last 300 training episodes, 200 at most: median, lowest and highest seed. Then, for
learned weights, in what share of the states that random play comes to w f favours the push with the lean; under f
itself that is 1, 0 (inverted) or about one half (half inverted). The random f favours nothing; for it the mean size of
w is printed, 1 at first.

The runs are those of ``payoff ablate``: a results folder that stands is gone on with.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
EPISODES, PER_UPDATE, LAST = 3000, 10, 300
SETTINGS = (
    f"learning_rate=0.01,reward_learning_rate=0.1,ent_coef=0.02,features=numbers,episodes_per_update={PER_UPDATE}"
)
HINTS = {"lean": "right", "lean_inverted": "inverted", "lean_half": "half inverted", "lean_random": "random"}
METHODS = {
    "payoff alone": "reinforce",
    "payoff + f": "sum",
    "MGL": "bipars_mgl",
    "IMGL": "bipars_imgl",
    "EM": "bipars_em",
}
COLOURS = ("#777777", "#d55e00", "#009e73", "#0072b2", "#cc79a7")


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
    table = Table("shaping reward", *METHODS.values(), title="what w makes of it")
    for hint, name in HINTS.items():
        seen = states(hint)
        cells_ = []
        for told in METHODS:
            rewards = [read_reward(checkpoint_path(args.out, config.run_id)) for config in found[hint, told]]
            cells_.append(median_range([made_of(reward, hint, *seen) for reward in rewards]))
        table.add_row(name, *cells_)
    console.print(table)
    if args.figure is not None:
        draw(args.figure, curves)


def states(hint: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Observations ``(n, 4)`` of random play, and the side of the pole and of the cart, 1 or -1, ``(n,)`` each."""
    env = gym.make_vec(ID, num_envs=64, aux=hint, fall_costs=True, max_steps=HORIZON)
    draws = np.random.default_rng(0)
    obs, _ = env.reset(seed=0)
    found = [obs]
    for _ in range(100):
        obs, _, _, _, _ = env.step(draws.integers(2, size=64))
        found.append(obs)
    seen = np.concatenate(found)
    lean, side = (np.where(seen[:, place] > 0.5, 1.0, -1.0) for place in (2, 0))  # 0.5: upright, in the middle
    return seen, lean, side


def made_of(reward: RewardBlend, hint: str, seen: np.ndarray, lean: np.ndarray, side: np.ndarray) -> float:
    """Share of states in which w f favours the push with the lean; for the random f the mean size of w."""
    left, right = (reward.parts(seen, np.full(len(seen), action))[1] for action in (0, 1))
    if hint == "lean_random":
        return float(np.abs([left, right]).mean())
    inverted = {"lean": 1.0, "lean_inverted": -1.0, "lean_half": -side}[hint]
    # f pays right inverted * lean * 0.1 and left the opposite: w f prefers right to left by (right + left) times that
    return float(np.mean((right + left) * inverted > 0.0))


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
