"""CALM on KeyRoom-v0 with a judge who errs at a known rate: what is flagged, and what that does to learning.

    python benchmarks/calm.py             # 10 arms, 10 seeds each, about six minutes on one core

The subgoals are "picked up the key" and "opened the door". A scripted judge sees the 3 x 3 cells around the seat before
and after a step, the action and what the game reports. It knows the truth and says the opposite in a share e of all
verdicts, each by itself. Two things are told:

- precision and recall of its flags over steps of random play, no two of which look alike, beside what theory says. With
  a share p of steps that are true, recall is 1 - e and precision p (1 - e) / (p (1 - e) + (1 - p) e);
- the success of tabular Q-learners in the last tenth of a training, where the flags are paid as a potential of what the
  episode has earned, added once an episode, or added at every step, as the published method pays; and without them.

A number is the mean of the learners of a seed; the table has the median over seeds and, in brackets, the lowest and the
highest seed. Writes a figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import process_time

import matplotlib as mpl
import numpy as np
import tyro
from _claims import SEEDS, median_range, seeds_of
from _machine import describe
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table

from payoff.baselines import q_learning
from payoff.baselines.llm.answering import play_randomly
from payoff.baselines.llm.step_judges import Calm
from payoff.baselines.reward_problem import Problem
from payoff.envs import registry
from payoff.wrappers import wrap
from payoff.wrappers.llm.subset_questions import members

ID = "payoff/KeyRoom-v0"
SUBGOALS = ("picked up the key", "opened the door")
ERRORS = (0.0, 0.1, 0.3)
USES = {  # name -> how flags are paid
    "potential": {"use": "potential"},
    "added once": {"use": "added"},
    "added each time": {"use": "added", "once": False},
}
COLOURS = {"potential": "#0072B2", "added once": "#E69F00", "added each time": "#D55E00"}
TAIL = 0.1  # share of a training that counts


@dataclass(frozen=True)
class Args:
    """What to run."""

    seeds: str = SEEDS
    """a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    steps: int = 12_000
    """environment steps of a learner"""
    learners: int = 4
    """of a seed, each with a table of its own"""
    layouts: int = 2
    """rooms that an episode of a training is drawn from"""
    coef: float = 0.1
    """what a flag is worth, where the goal is worth 1"""
    judged: int = 8000
    """steps of random play, in rooms without number, whose flags are counted"""
    out: Path = Path("results/calm.png")
    """figure"""


def problem(layouts: int | None, seed: int) -> Problem:
    """What is learned."""
    keywords = {"size": 5, "layouts": layouts}
    return Problem(env_id=ID, keywords=keywords, gamma=0.95, on_truncation="bootstrap", seed=seed)


def judge(use: str, errors: float, coef: float) -> Calm:
    """The reward learner of an arm."""
    captions = registry.load(ID).captions
    truth = {subgoal: f"info.caption == {captions.index(subgoal)}" for subgoal in SUBGOALS}
    return Calm(goal="reach the goal", subgoals=SUBGOALS, crop=3, truth=truth, errors=errors, coef=coef, **USES[use])


def counted(args: Args, errors: float, seed: int) -> np.ndarray:
    """Of the verdicts on random play: how many in all, flagged, true, and both ``(4,)``, of both subgoals together."""
    learner, here = judge("potential", errors, args.coef), problem(None, seed)
    truth = learner.truth_of(here)
    assert truth is not None
    bonus = learner.bonus(here, learner.labeller(here, truth), truth)
    play_randomly(here, bonus, args.judged)
    flagged = members(np.array([*bonus.book.answers.values()]), len(SUBGOALS))
    true = members(np.array([truth(question) for question in bonus.book.answers]), len(SUBGOALS))
    return np.array([flagged.size, flagged.sum(), true.sum(), (flagged & true).sum()])


def success(args: Args, use: str | None, errors: float, seed: int) -> float:
    """Share of the last episodes that reach the goal, mean of a seed's learners."""
    here = problem(args.layouts, seed)
    env = here.make(args.learners)
    if use is not None:
        env = wrap(env, judge(use, errors, args.coef).learn(here))
    settings = q_learning.Args(gamma=here.gamma, seed=seed, total_steps=args.steps * args.learners)
    curve = q_learning.train(settings, env).curve
    env.close()
    last = slice(-int(TAIL * len(curve["step"])), None)
    episodes, returns = curve["episodes"][last], np.nan_to_num(curve["true_return"][last])
    return float((returns * episodes).sum() / episodes.sum())


def table_of_flags(args: Args, seeds: tuple[int, ...]) -> Table:
    """Precision and recall, measured and by theory."""
    table = Table("errors", "verdicts", "true", "flagged", "precision", "theory", "recall", "theory", box=SIMPLE)
    table.title = f"flags of {args.judged} steps of random play"
    for errors in ERRORS:
        found = np.array([counted(args, errors, seed) for seed in seeds])
        size, flagged, true, both = found.T
        p = true.sum() / size.sum()
        theory = p * (1 - errors) / (p * (1 - errors) + (1 - p) * errors)
        counts = [median_range(x, 0) for x in (size, true, flagged)]
        precision, recall = median_range(both / flagged, 3), median_range(both / true, 3)
        table.add_row(f"{errors:g}", *counts, precision, f"{theory:.3f}", recall, f"{1 - errors:.3f}")
    return table


def draw(args: Args, none: np.ndarray, found: dict[tuple[str, float], np.ndarray]) -> None:
    """A line for each way to pay: median over seeds, and a dot for each seed."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    axes.axhline(np.median(none), color="#555555", linestyle=":", label="no flags")
    for shift, use in enumerate(USES):
        values = np.array([found[use, errors] for errors in ERRORS])
        at = np.array(ERRORS) + 0.004 * (shift - 1)
        axes.plot(at, np.median(values, axis=1), "-", color=COLOURS[use], label=use, linewidth=2)
        axes.plot(np.repeat(at, values.shape[1]), values.ravel(), "o", color=COLOURS[use], alpha=0.4, markersize=4)
    axes.set(
        xlabel="share of wrong verdicts",
        ylabel=f"success in the last {TAIL:.0%} of episodes",
        title=f"KeyRoom-v0, size 5: Q-learning, {args.steps:,} steps, {len(none)} seeds",
        ylim=(-0.02, 1.02),
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    figure.legend(frameon=False, loc="outside lower center", ncols=4, fontsize=8.5)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def main(args: Args) -> None:
    """Judge, train, print and draw."""
    console, begun = Console(width=120), process_time()
    console.print(describe())
    seeds = tuple(seeds_of(args.seeds))
    console.print(table_of_flags(args, seeds))
    arms = [(use, errors) for use in USES for errors in ERRORS]
    todo = [(arm, seed) for arm in [(None, 0.0), *arms] for seed in seeds]
    rows = [success(args, *arm, seed) for arm, seed in track(todo, description="training", console=console)]
    by_arm = np.array(rows).reshape(-1, len(seeds))
    found = dict(zip(arms, by_arm[1:], strict=True))
    table = Table("paid", *(f"errors {errors:g}" for errors in ERRORS), box=SIMPLE)
    table.title = f"success, seeds {args.seeds}, {args.steps:,} steps"
    table.add_row("not at all", median_range(by_arm[0]), "", "")
    for use in USES:
        table.add_row(use, *(median_range(found[use, errors]) for errors in ERRORS))
    console.print(table)
    draw(args, by_arm[0], found)
    console.print(f"CPU seconds: {process_time() - begun:.0f}; figure: {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
