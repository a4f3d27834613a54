"""A trainer as a script."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import gymnasium as gym
import tyro

from payoff.baselines.evaluation import evaluate, score, yardsticks
from payoff.baselines.result import Result
from payoff.baselines.screen import progress
from payoff.baselines.training import NotFiniteError

__all__ = ["script"]

A = TypeVar("A")


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
    except (ImportError, MemoryError, NotFiniteError, OSError, TypeError, ValueError, gym.error.Error) as error:
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
