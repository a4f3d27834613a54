"""A trainer as a script, and the progress bar of all commands."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import gymnasium as gym
import tyro

from payoff.baselines.evaluation import evaluate, score, yardsticks
from payoff.baselines.result import Result
from payoff.baselines.training import NotFiniteError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = ["progress", "script"]

A = TypeVar("A")


@contextlib.contextmanager
def progress(console: Console) -> Iterator[Progress]:
    """A bar with the time left; where the console is no terminal it is silent until it ends."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, *times, console=console) as bar:
        yield bar


def script(settings: type[A], train: Callable[..., Result], view: Literal["multi", "single"], description: str) -> None:
    """A trainer as a script: settings from the command line, a bar, and what the policy earns at the end.

    A user's mistake ends it with one clear line.
    """
    from rich.console import Console

    args: Any = tyro.cli(settings, description=description)
    try:
        with progress(Console(stderr=True)) as bar:
            task = bar.add_task(args.env_id, total=None)
            result = train(args, on_progress=lambda done, total: bar.update(task, completed=done, total=total))
    except (ImportError, NotFiniteError, TypeError, ValueError, gym.error.Error) as error:
        sys.exit(f"error: {error}")
    keywords = args.keywords()
    played = evaluate(result.policy, args.env_id, episodes=10, seed=1_000_000, env_kwargs=keywords, view=view)
    measured = yardsticks(args.env_id, keywords, starts=range(1_000_000, 1_000_010))
    lines = {
        "steps": f"{result.steps}",
        "seconds": f"{result.wall_seconds:.1f} ({result.cpu_seconds:.1f} of processor time)",
        "payoffs": ", ".join(f"{x:.6g}" for x in played.payoffs.mean(axis=0)),
        "welfare": f"{played.welfare:.6g}",
        "score": f"{score(played.welfare, measured):.3f} (0: random play, 1: {measured.kind})",
        "cooperation": f"{played.cooperation:.3f}",
        "episode length": f"{played.episode_length:g}",
    }
    print("\n".join(f"{name:15}{value}" for name, value in lines.items()))
