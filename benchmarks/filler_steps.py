"""FillerSteps: what a learner makes of step scores that are summed, clipped, differenced, or credited by their minimum.

    python benchmarks/filler_steps.py                     # eight ways of adding up, 10 runs each, a minute on one core
    python benchmarks/filler_steps.py --needed 2 --seeds 3

The learner is tabular Monte-Carlo control: a mean of returns to go for every state and action, softmax play that cools
down. It sees the state, not the time, and trains on the payoff plus the step scores in one of the forms. Beside it
stands the best of all stationary deterministic policies in that form, found by trying each of them. Success and length
are the game's own. Writes a figure and prints a table.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
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
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
from payoff.wrappers.transforms.calibrated import OutcomeCalibrated
from payoff.wrappers.transforms.clip_delta import ClipDelta
from payoff.wrappers.transforms.min_form import MinForm, suffix_sums

ID, SCORES = "payoff/FillerSteps-v0", "aux"
ACTIONS = 4
UNIT = (0.0, 1.0)


@dataclass(frozen=True)
class Args:
    """What to run."""

    needed: int = 5
    """necessary steps, n; all 4^(n + 2) policies are tried"""
    seeds: str = SEEDS
    """runs of each form: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    updates: int = 300
    """updates of a run"""
    episodes: int = 64
    """episodes between updates"""
    rate: float = 0.1
    """of the running means"""
    hot: float = 0.3
    """temperature at the start, in units of the return"""
    cold: float = 0.02
    """temperature at the end"""
    out: Path = Path("results/filler_steps.png")
    """figure"""


class Sum(RewardTransform):
    """Payoff plus the score of every step."""

    needs = (SCORES,)

    def rewrite(self, batch: EpisodeBatch) -> np.ndarray:
        """New rewards."""
        return batch.paid + np.where(batch.valid, batch.info[SCORES], 0.0)


@dataclass(frozen=True)
class Form:
    """A way of adding up: transform, whether every step is credited with the whole episode, colour and line."""

    transform: RewardTransform
    whole: bool = False
    colour: str = "#999999"
    line: str = "-"


FORMS = {
    "sum": Form(Sum(), colour="#D55E00"),
    "delta, returns to go": Form(ClipDelta(SCORES, clip=False), colour="#E69F00", line="--"),
    "delta, whole returns": Form(ClipDelta(SCORES, clip=False), whole=True, colour="#E69F00"),
    "clip at 0.9": Form(ClipDelta(SCORES, threshold=0.9, difference="none"), colour="#009E73", line="--"),
    "clip at 0.5": Form(ClipDelta(SCORES, threshold=0.5, difference="none"), colour="#009E73", line=":"),
    "min-form, T = 0.1": Form(MinForm(SCORES, span=UNIT), colour="#0072B2"),
    "min-form, suffix": Form(MinForm(SCORES, span=UNIT, form="suffix"), colour="#56B4E9", line="--"),
    "outcome-calibrated": Form(OutcomeCalibrated(SCORES, threshold=1.0), colour="#CC79A7", line="-."),
}


def play(act: Callable[[np.ndarray], np.ndarray], episodes: int, needed: int) -> EpisodeBatch:
    """One episode a copy of ``act(states (B,)) -> actions (B,)``; a copy that is done waits for the others."""
    env = payoff.multi_agent_vec(ID, episodes, autoreset_mode="disabled", needed=needed)
    obs, _ = env.reset(seed=0)
    running = np.ones(episodes, dtype=bool)
    states, steps = [obs[:, 0].argmax(axis=1)], []
    while running.any():
        action = act(states[-1])
        obs, _, terminated, truncated, info = env.step(action[:, None])
        paid, score = np.where(running, info["payoff"][:, 0], 0.0), info["aux"][:, 0]
        steps.append((action, paid, running & terminated, running & truncated, running, score))
        over = terminated | truncated
        running = running & ~over
        if running.any() and over.any():
            obs, _ = env.reset(options={"reset_mask": over})
        states.append(obs[:, 0].argmax(axis=1))
    action, paid, ended, cut, valid, score = (np.array(column) for column in zip(*steps, strict=True))
    return EpisodeBatch(np.array(states)[..., None], action, paid, ended, cut, valid, {SCORES: score})


def learn(args: Args, form: Form, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Success rate and mean length ``(updates,)`` of one run."""
    rng = np.random.default_rng(seed)
    shape = (args.needed + 2, ACTIONS)
    values = np.ones(shape).ravel()
    curves = np.empty((2, args.updates))
    for update in range(args.updates):
        cooling = (args.cold / args.hot) ** (update / max(1, args.updates - 1))
        table = values.reshape(shape) / (args.hot * cooling)
        chance = np.exp(table - table.max(axis=1, keepdims=True))
        below = (chance / chance.sum(axis=1, keepdims=True)).cumsum(axis=1)

        def act(states: np.ndarray, below: np.ndarray = below) -> np.ndarray:
            return (rng.random((len(states), 1)) > below[states]).sum(axis=1).clip(max=ACTIONS - 1)

        batch = play(act, args.episodes, args.needed)
        curves[:, update] = batch.returns.mean(), batch.lengths.mean()
        returns = suffix_sums(form.transform(batch))
        if form.whole:
            returns = np.broadcast_to(returns[0], returns.shape)
        pair = (batch.obs[:-1, :, 0] * ACTIONS + batch.actions)[batch.valid]
        count = np.bincount(pair, minlength=values.size)
        total = np.bincount(pair, weights=returns[batch.valid], minlength=values.size)
        values = np.where(count > 0, values + args.rate * (total / np.maximum(count, 1) - values), values)
    return curves[0], curves[1]


def best(batch: EpisodeBatch, form: Form) -> str:
    """Value, success and length of the best of the tried policies; several lengths as a range."""
    value = form.transform(batch).sum(axis=0)
    chosen = value > value.max() - 1e-9
    success, length = batch.returns[chosen], batch.lengths[chosen]
    steps = f"{length.min()}" if length.min() == length.max() else f"{length.min()} to {length.max()}"
    return f"{value.max():.3f}: success {success.min():.0f}, {steps} steps"


def draw(args: Args, found: dict[str, list[tuple[np.ndarray, np.ndarray]]]) -> None:
    """Success and length against updates: each seed, mean and interval."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(9.2, 4.2), layout="constrained")
    window = max(1, args.updates // 60)  # updates that a point of a line is the mean of
    points = args.updates // window
    for axes, which, label in zip(panels, (0, 1), ("success rate", "steps of an episode"), strict=True):
        for name, runs in found.items():
            curves = np.array([run[which][: points * window].reshape(points, window).mean(axis=1) for run in runs])
            at, form = window * np.arange(1, points + 1), FORMS[name]
            draw_curves(axes, at, curves, colour=form.colour, line=form.line, label=name)
        axes.set(xlabel=f"updates of {args.episodes} episodes", ylabel=label, ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=4)
    figure.suptitle(
        f"FillerSteps, {args.needed} necessary steps: payoff plus step scores, added up in eight ways", fontsize=11
    )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def main(args: Args) -> None:
    """Try every policy, train every form, print and draw."""
    console = Console()
    console.print(describe())
    policies = np.array(list(itertools.product(range(ACTIONS), repeat=args.needed + 2)))
    everyone = np.arange(len(policies))
    tried = play(lambda states: policies[everyone, states], len(policies), args.needed)
    runs = [(name, seed) for name in FORMS for seed in seeds_of(args.seeds)]
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in FORMS}
    for name, seed in track(runs, description="training", console=console):
        found[name].append(learn(args, FORMS[name], seed))
    last = max(1, args.updates // 10)
    table = Table(
        "form", "best stationary policy", "learner: success, median (range)", "learner: steps, median (range)"
    )
    for name, curves in found.items():
        ends = [[float(curve[which][-last:].mean()) for curve in curves] for which in (0, 1)]
        table.add_row(name, best(tried, FORMS[name]), median_range(ends[0], 3), median_range(ends[1], 1))
    console.print(table)
    console.print(f"{len(policies)} policies tried; learner: means of the last {last} of {args.updates} updates")
    draw(args, found)
    console.print(f"figure: {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
