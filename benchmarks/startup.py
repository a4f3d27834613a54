"""How long a newcomer waits: import, first reset and step with a cold and a warm cache, in fresh processes.

python benchmarks/startup.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

import tyro
from _machine import describe, spread
from rich.console import Console
from rich.table import Table

import payoff

IMPORT = "import time; s = time.perf_counter(); import payoff; print(time.perf_counter() - s)"
RESET = (
    "import time, gymnasium as gym, payoff; s = time.perf_counter(); gym.make({id!r}).reset(seed=0);"
    " print(time.perf_counter() - s)"
)
STEP = RESET.replace(
    "gym.make({id!r}).reset(seed=0)", "e = gym.make({id!r}); e.reset(seed=0); e.step(e.action_space.sample())"
)


@dataclass(frozen=True)
class Args:
    """What to measure."""

    ids: list[str] = field(default_factory=payoff.ids)
    """environment ids"""
    repeats: int = 5
    """fresh processes for each figure (cold figures: one)"""


def seconds(code: str, cache: str) -> float:
    """What a fresh process prints, with its own kernel cache folder."""
    environment = {**os.environ, "XDG_CACHE_HOME": cache}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main(args: Args) -> None:
    """Measure and print."""
    console = Console()
    console.print(describe())
    table = Table("what", "seconds (min / median / max)")
    with tempfile.TemporaryDirectory() as cache:
        table.add_row("import payoff", spread([seconds(IMPORT, cache) for _ in range(args.repeats)], 2))
        for env_id in args.ids:
            with tempfile.TemporaryDirectory() as cold:
                table.add_row(
                    f"{env_id}: gym.make + reset + step, cold cache", spread([seconds(STEP.format(id=env_id), cold)], 2)
                )
                warm = [seconds(RESET.format(id=env_id), cold) for _ in range(args.repeats)]
                table.add_row(f"{env_id}: gym.make + reset, warm cache", spread(warm, 2))
                warm = [seconds(STEP.format(id=env_id), cold) for _ in range(args.repeats)]
                table.add_row(f"{env_id}: gym.make + reset + step, warm cache", spread(warm, 2))
    console.print(table)


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
