"""The ablation of `make ablation` on the seeds of the learning claims, and how far its rewards are apart in each game.

    python benchmarks/reward_ablation.py                # 2 games, 3 rewards, 10 seeds: a quarter of an hour on one core
    python benchmarks/reward_ablation.py --seeds 3 --out results/ablation     # reads what `make ablation` has trained

The runs are those of `payoff ablate`, which goes on where a results folder stands, and draws its figures. Printed are,
for each game and reward, share of the endowment contributed and welfare of the trained, deterministic policies, and
their differences to the first reward with an interval: percentile bootstrap of the difference of means, the seeds of
each reward drawn again, nominally 95 %. Where it holds 0 these seeds do not tell the two rewards apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tyro
from _claims import SEEDS, median_range
from _machine import describe
from rich.console import Console
from rich.table import Table

from payoff.baselines import read_results
from payoff.baselines.ablation import Ablation, ablate
from payoff.baselines.stats import FEW, bootstrap_interval

ENVS = ("payoff/TrustDilemma-v0", "payoff/ReciprocalDilemma-v0")
REWARDS = ("private", "integrated", "cooperative")
COLUMNS = {"cooperation": 3, "welfare": 1}  # what is compared, and the digits that it is printed with


@dataclass(frozen=True)
class Args:
    """What to run."""

    envs: list[str] = field(default_factory=lambda: list(ENVS))
    """games"""
    rewards: list[str] = field(default_factory=lambda: list(REWARDS))
    """rewards; the others are compared with the first"""
    seeds: str = SEEDS
    """runs of each game and reward: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    out: Path = Path("results/ablation_claim")
    """results folder"""


def difference(values: np.ndarray, first: np.ndarray, digits: int) -> str:
    """Difference of the means, with its interval where there are enough seeds for one."""
    apart = f"{values.mean() - first.mean():+,.{digits}f}"
    if min(len(values), len(first)) < FEW:
        return apart
    low, high = bootstrap_interval([values, first], lambda s: float(np.mean(s[0]) - np.mean(s[1])))
    return f"{apart} [{low:+,.{digits}f}, {high:+,.{digits}f}]"


def main(args: Args) -> None:
    """Train what is missing, print."""
    console = Console()
    console.print(describe())
    grid = Ablation(envs=args.envs, rewards=args.rewards, seeds=args.seeds)
    configs = grid.configs()
    command = "python benchmarks/reward_ablation.py"
    if status := ablate(configs, args.out, processes=1, console=console, command=command, grid=grid.toml()):
        raise SystemExit(status)
    runs = read_results(args.out)
    runs = runs.filter(runs["run_id"].is_in([config.run_id for config in configs]))
    table = Table("game", "reward", *(f"{c}: median (range)" for c in COLUMNS), *(f"{c} - first" for c in COLUMNS))
    for env_id in dict.fromkeys(config.env_id for config in configs):
        first: dict[str, np.ndarray] = {}
        for reward in args.rewards:
            cell = runs.filter((runs["env_id"] == env_id) & (runs["reward"] == reward))
            found = {name: cell[name].to_numpy() for name in COLUMNS}
            shown = [median_range(found[name], digits) for name, digits in COLUMNS.items()]
            if first:
                shown += [difference(found[name], first[name], digits) for name, digits in COLUMNS.items()]
            first = first or found
            table.add_row(env_id.removeprefix("payoff/"), reward, *shown)
        table.add_section()
    console.print(table)


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
