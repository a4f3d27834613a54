r"""How well distances between rewards foretell regret: their correlation, by canonical form and norm.

    python benchmarks/reward_distance.py      # 1,152 pairs, well under a minute on one core

The design is that of Skalse et al. (STARC, arXiv 2309.15257), smaller: random environments of 32 states and 4 actions
whose transitions are the softmax of Gaussian logits, those below one deviation set to -20, gamma 0.95; pairs of random
rewards, some sparse, scaled, shifted or shaped; 16 steps on the straight line from the one to the other. Regret is the
mean of what a policy loses under each reward that is optimal for the other, as a share of the span.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tyro
from _machine import describe
from rich.console import Console
from rich.progress import track
from rich.table import Table

from payoff.calibration import TabularModel, distances, normalised_regret

STATES, ACTIONS, GAMMA, STEPS = 32, 4, 0.95, 16
KINDS = ("none", "epic", "dard", "minimal_potential", "val_potential", "minimal", "val")
NORMS = (("l1", False), ("l2", False), ("l1", True), ("l2", True), ("linf", False))


@dataclass(frozen=True)
class Args:
    """What to run."""

    environments: int = 18
    """random environments"""
    pairs: int = 4
    """pairs of rewards in each"""
    seed: int = 0
    """of environments and rewards; between seeds correlations differ by some 0.05"""


def environment(rng: np.random.Generator) -> TabularModel:
    """Each action leads to about a sixth of the states."""
    logits = rng.normal(size=(STATES, ACTIONS, STATES))
    weight = np.exp(np.where(logits > 1.0, logits, -20.0))
    return TabularModel.from_arrays(weight / weight.sum(axis=2, keepdims=True), GAMMA)


def draw_reward(rng: np.random.Generator, model: TabularModel) -> np.ndarray:
    """Gaussian, then by chance cut to the few largest, scaled, shifted and shaped."""
    reward = rng.normal(size=(STATES, ACTIONS, STATES))
    if rng.random() < 0.2:
        reward = np.where(reward > 3.0, reward, 0.0)
    if rng.random() < 0.7:
        reward = reward * rng.uniform(0.0, 10.0)
    if rng.random() < 0.3:
        reward = reward + rng.uniform(0.0, 10.0)
    if rng.random() < 0.5:
        reward = reward + model.shaping(rng.uniform(0.0, 10.0) * rng.normal(size=STATES) + rng.random())
    return reward


def main(args: Args) -> None:
    """Print a table of correlations."""
    screen = Console()
    screen.print(describe(), highlight=False)
    rng = np.random.default_rng(args.seed)
    regrets: list[float] = []
    found: dict[tuple[str, str, bool], list[float]] = {(k, *n): [] for k in KINDS for n in NORMS}
    for _ in track(range(args.environments), console=Console(stderr=True)):
        model = environment(rng)
        for _ in range(args.pairs):
            one, two = draw_reward(rng, model), draw_reward(rng, model)
            line = [one + (two - one) * step / STEPS for step in range(1, STEPS + 1)]
            regrets += [0.5 * (normalised_regret(one, r, model) + normalised_regret(r, one, model)) for r in line]
            for (kind, norm, weighted), column in found.items():
                column += list(distances([one, *line], model, kind, norm, weighted=weighted)[0, 1:])
    table = Table(f"{len(regrets):,} pairs", "L1", "L2", "weighted L1", "weighted L2", "Linf", header_style="bold")
    for kind in KINDS:
        row = [float(np.corrcoef(found[kind, *n], regrets)[0, 1]) for n in NORMS]
        table.add_row(kind, *(f"{x:.3f}" for x in row))
    screen.print(table)


if __name__ == "__main__":
    main(tyro.cli(Args))
