"""Reward hacking on GridNav-v0, and what does not suffer from it: the same advice added to the reward, or as potential.

    python benchmarks/reward_hacking.py                            # 7 arms, 10 seeds each, about a minute on one core
    python benchmarks/reward_hacking.py --learning-rate 0.001      # learns, and is led astray, more slowly

The misleading auxiliary reward pays 50 for every sub-step inside the middle of the square; the goal pays 100, once.
Arms:

- payoff only;
- naive sum, r + aux;
- potential, r + gamma Phi(s') - Phi(s), where Phi(s) is the auxiliary reward of a sub-step that ends at s. Phi is 0 at
  every end, the time limit included, since the learner takes Monte-Carlo returns. These become G_t - Phi(s_t), so to
  this learner the potential is a baseline: it may change the variance of the gradient, and nothing else;

and the last two again with the two auxiliary rewards that are meant to help. The learner is REINFORCE with a linear
softmax policy and the settings of the GridWorld runs of BARFI (Gupta et al., 2023). Its published code takes something
else off the return in the potential-based arm: the auxiliary reward of the step, which depends on the action and so
biases the gradient.

The table has the last 100 episodes of each learner: median over seeds and, in brackets, the lowest and highest seed.
True return is the sum of the payoffs, told return the sum of the rewards that the learner was given, both undiscounted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
import tyro
from _claims import SEEDS, draw_curves, median_range, seeds_of
from _machine import describe
from gymnasium.vector import VectorEnv
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table

from payoff.baselines import reinforce
from payoff.baselines.reinforce import ReinforceResult
from payoff.envs.sparse.grid_nav import GOAL_HIGH, GOAL_LOW, LURE, LURE_HIGH, LURE_LOW
from payoff.wrappers import BatchInfo, PotentialShaping, wrap
from payoff.wrappers.transforms.annealing import AnnealedReward, Schedule

LAST = 100  # episodes at the end that count
WINDOW = 50  # episodes that the curves of the figure average over
LABELS = {"none": "payoff only", "sum": "naive sum", "potential": "potential"}
LOOKS = {  # colour and line, in the order of drawing: two of the lines nearly coincide
    "sum": ("#D55E00", "--"),
    "potential": ("#0072B2", "-"),
    "none": ("#000000", ":"),
}
ARMS = (
    ("misleading", "none"),
    ("misleading", "sum"),
    ("misleading", "potential"),
    ("good", "sum"),
    ("good", "potential"),
    ("good_published", "sum"),
    ("good_published", "potential"),
)


@dataclass(frozen=True)
class Args:
    """What to run."""

    seeds: str = SEEDS
    """learners of each arm: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    episodes: int = 2000
    """episodes of a learner"""
    learning_rate: float = 0.005
    """of RMSprop"""
    scale: float = 1.0
    """factor on the potential; 4 is that of a whole step spent at the place"""
    out: Path = Path("results/reward_hacking.png")
    """figure"""


def advice(obs: np.ndarray, info: BatchInfo, *, aux: str) -> np.ndarray:
    """Auxiliary reward ``(R,)`` of a sub-step that ends at the positions ``obs`` ``(R, 2)``, ends of episodes aside."""
    x, y = obs[:, 0].astype(np.float64), obs[:, 1].astype(np.float64)
    if aux == "misleading":
        inside = (np.minimum(x, y) >= LURE_LOW) & (np.maximum(x, y) <= LURE_HIGH)
        return np.where(inside, LURE, 0.0)
    middle = 0.5 * (GOAL_LOW + GOAL_HIGH)
    return -((x - middle) ** 2) - (middle - (GOAL_LOW if aux == "good_published" else y)) ** 2


def run(args: Args, aux: str, arm: str) -> ReinforceResult:
    """Train the learners of one arm."""
    settings = reinforce.Args(
        env_params={"aux": aux},
        seeds=tuple(seeds_of(args.seeds)),
        episodes=args.episodes,
        learning_rate=args.learning_rate,
    )

    def wrapped(env: VectorEnv) -> VectorEnv:
        if arm == "none":
            return env
        if arm == "sum":
            return wrap(env, AnnealedReward("aux", Schedule("constant")))
        potential = partial(advice, aux=aux)
        shaping = PotentialShaping(potential, gamma=settings.gamma, on_truncation="terminal", scale=args.scale)
        return wrap(env, shaping)

    return reinforce.train(settings, wrap=wrapped)


def smooth(curves: np.ndarray) -> np.ndarray:
    """Means ``(B, E - WINDOW + 1)`` over the latest WINDOW episodes of ``(B, E)``."""
    sums = np.cumsum(np.pad(curves, ((0, 0), (1, 0))), axis=1)
    return (sums[:, WINDOW:] - sums[:, :-WINDOW]) / WINDOW


def draw(args: Args, found: dict[tuple[str, str], ReinforceResult]) -> None:
    """True return beside told return for the misleading auxiliary reward."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import MaxNLocator

    figure, panels = plt.subplots(1, 2, figsize=(9.2, 3.6), layout="constrained")
    titles = {"true_return": "what it earned: true return", "told_return": "what it was told: return of its reward"}
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        for arm, (colour, line) in LOOKS.items():
            curves = smooth(getattr(found["misleading", arm], name))
            at = np.arange(WINDOW, args.episodes + 1)
            draw_curves(axes, at, curves, colour=colour, line=line, label=LABELS[arm])
        axes.set(title=title, xlabel="episode", ylabel=f"return (mean of {WINDOW} episodes)")
        axes.set_xlim(0, args.episodes)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.grid(color="#e6e6e6", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=3)
    seeds = len(seeds_of(args.seeds))
    figure.suptitle(f"GridNav-v0, misleading auxiliary reward: REINFORCE, {seeds} seeds", fontsize=11)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def main(args: Args) -> None:
    """Train every arm, print and draw."""
    if args.episodes < LAST:
        raise SystemExit(f"error: episodes must be at least {LAST}, got {args.episodes}")
    console = Console()
    console.print(describe())
    found = {(aux, arm): run(args, aux, arm) for aux, arm in track(ARMS, description="training", console=console)}
    title = f"seeds {args.seeds}, {args.episodes} episodes, learning rate {args.learning_rate:g}"
    table = Table("auxiliary", "added as", "true return", "told return", title=title, box=SIMPLE)
    for (aux, arm), result in found.items():
        table.add_row(
            "-" if arm == "none" else aux,
            LABELS[arm],
            median_range(result.true_return[:, -LAST:].mean(axis=1), 1),
            median_range(result.told_return[:, -LAST:].mean(axis=1), 0),
        )
    console.print(table)
    draw(args, found)
    console.print(f"CPU seconds: {sum(r.cpu_seconds for r in found.values()):.0f}; figure: {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
