"""Evolution of rewards without a model: what mutation and selection make of a poor first guess.

    python benchmarks/llm_evolution.py     # 2 environments, 10 evolutions each, 30 with errors; 8 minutes on one core

Method `eureka` with a mutator in place of a model, on two sparse environments, each with a first guess that says
little: in FourRooms-v0 (size 11) that being right is good, and in DeepSea-v0 that being deep is good, which every
policy gets. New parts may read observations alone, never `info["progress"]`. Learners are tabular Q-learners, ten at a
time, under potentials.

Evolution s chooses by trainings with seed s; what it chose is then trained anew with seed 1000 + s, beside the seed
expression, no shaping, and the potential `progress` that the game itself reports. Payoff of an episode, mean over the
ten learners: median over seeds and, in brackets, the lowest and highest seed. A second table spoils a share of the
mutator's proposals in DeepSea-v0: half of those cannot be used, and half are the present best with the other sign.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import matplotlib as mpl
import numpy as np
import tyro
from _claims import SEEDS, median_range, seeds_of
from _machine import describe
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table

from payoff.baselines.environments import make_vector
from payoff.baselines.llm.brief_training import BriefTraining
from payoff.baselines.llm.eureka import Eureka
from payoff.baselines.llm.methods import Request
from payoff.wrappers import Verdict, check_expression
from payoff.wrappers.llm.mutator import Mutator

ARMS = {
    "no shaping": "0",
    "first guess": "",
    "evolved": "",
    "progress": "info.progress",
}  # potentials; "" is found below
ERRORS = (0.2, 0.4, 0.8)


@dataclass(frozen=True)
class Case:
    """An environment, a first guess, what mutations may read, and the steps of a training."""

    env_id: str
    keywords: dict[str, Any]
    guess: str
    reads: tuple[str, ...]
    steps: int


CASES = {
    "FourRooms-v0, size 11": Case(
        "payoff/FourRooms-v0", {"observe": "minimal", "size": 11}, "obs.x", ("obs.x", "obs.y"), 30_000
    ),
    "DeepSea-v0": Case("payoff/DeepSea-v0", {"observe": "minimal"}, "obs.row", ("obs.row", "obs.column"), 5_000),
}


@dataclass(frozen=True)
class Args:
    """What to run."""

    seeds: str = SEEDS
    """evolutions of each environment: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    rounds: int = 4
    """of each evolution"""
    candidates: int = 8
    """of each round"""
    out: Path = Path("results/llm_evolution.png")
    """figure"""


def request_of(case: Case, seed: int, out: Path) -> Request:
    """What is asked for; the game's exact model is not."""

    def judge(text: str) -> Verdict:
        env = make_vector(case.env_id, 8, {"info": "full", **case.keywords})
        try:
            return check_expression(env, text, steps=200)
        finally:
            env.close()

    task = "Get as large a payoff as you can."
    return Request(env_id=case.env_id, task=task, judge=judge, out=out, keywords=case.keywords, seed=seed)


def evolve(args: Args, case: Case, seed: int, errors: float, out: Path) -> str:
    """The expression that an evolution ends with."""
    method = Eureka(rounds=args.rounds, candidates=args.candidates, train_steps=case.steps)
    mutator = Mutator(case.guess, reads=case.reads, errors=errors, seed=seed)
    return method.run(request_of(case, seed, out), mutator).candidates[0].text


def score(case: Case, text: str, seed: int, out: Path) -> float:
    """Payoff under a potential, trained with a seed that chose nothing."""
    trained = BriefTraining(steps=case.steps).train(request_of(case, 1000 + seed, out), text, {"term": text})
    payoff = trained.payoff
    assert payoff is not None
    return payoff


def run(args: Args, name: str, seed: int, out: Path) -> tuple[list[float], str]:
    """Payoffs of the arms, and the expression that was found."""
    case = CASES[name]
    found = evolve(args, case, seed, 0.0, out)
    texts = {**ARMS, "first guess": case.guess, "evolved": found}
    return [score(case, text, seed, out) for text in texts.values()], found


def draw(args: Args, found: dict[str, np.ndarray], spoiled: dict[float, np.ndarray]) -> None:
    """A panel for each environment and one for the errors: a dot for each seed, a line at the median."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(13, 3.6), layout="constrained")
    columns = [(name, list(ARMS), values.T) for name, values in found.items()]
    shares = [f"{share:.0%}" for share in spoiled]
    columns.append(("DeepSea-v0: proposals spoiled", shares, np.array(list(spoiled.values()))))
    for axes, (title, labels, arms) in zip(panels, columns, strict=True):
        for at, (label, values) in enumerate(zip(labels, arms, strict=True)):
            colour = "#0072B2" if label == "evolved" or label in shares else "#D55E00"
            axes.plot(np.full(len(values), at), values, "o", color=colour, alpha=0.4, markersize=4)
            axes.hlines(np.median(values), at - 0.3, at + 0.3, color=colour, linewidth=2)
        axes.set_xticks(range(len(labels)), labels, fontsize=8)
        axes.set_title(title, fontsize=10)
        axes.set_ylabel("payoff of an episode")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    plt.close(figure)


def main(args: Args) -> None:
    """Evolve, train anew, print and draw."""
    console, begun = Console(), process_time()
    console.print(describe())
    seeds = seeds_of(args.seeds)
    found: dict[str, np.ndarray] = {}
    texts: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in CASES:
            rows = [run(args, name, seed, Path(folder)) for seed in track(seeds, description=name, console=console)]
            found[name] = np.array([row for row, _ in rows])
            texts[name] = [text for _, text in rows]
            console.print(f"{process_time() - begun:.0f} CPU seconds so far")
        case = CASES["DeepSea-v0"]
        spoiled = {0.0: found["DeepSea-v0"][:, list(ARMS).index("evolved")]}
        for errors in ERRORS:
            told = track(seeds, description=f"errors {errors}", console=console)
            folder_of = Path(folder)
            scores = [score(case, evolve(args, case, s, errors, folder_of), s, folder_of) for s in told]
            spoiled[errors] = np.array(scores)
    table = Table("environment", *ARMS, title=f"payoff of an episode, seeds {args.seeds}", box=SIMPLE)
    for name, values in found.items():
        table.add_row(name, *(median_range(column) for column in values.T))
    console.print(table)
    for name, values in found.items():
        better = int((values[:, 2] > values[:, 1]).sum())
        console.print(f"{name}: better than the first guess in {better} of {len(seeds)} evolutions; found:")
        for seed, text in zip(seeds, texts[name], strict=True):
            console.print(f"    {seed}  {text}", markup=False, highlight=False)
    table = Table("proposals spoiled", "evolved", "at least 0.5", title="DeepSea-v0", box=SIMPLE)
    for errors, scores in spoiled.items():
        table.add_row(f"{errors:.0%}", median_range(scores), f"{int((np.array(scores) >= 0.5).sum())} of {len(seeds)}")
    console.print(table)
    draw(args, found, spoiled)
    console.print(f"CPU seconds: {process_time() - begun:.0f}; figure: {args.out}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
