"""How long the runs of an ablation will take, said before they start."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from payoff.baselines import run
from payoff.baselines.pool import Event, Report, Work
from payoff.baselines.results import RunConfig, read_runs
from payoff.baselines.screen import say

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["estimate", "in_words", "makespan"]

_WORTH_IT = 200_000  # environment steps of all runs, below which measuring would take as long as running
_MEASURED = 12  # kinds of runs that are measured at most; others count like their mean


def estimate(
    configs: Sequence[RunConfig],
    out: Path,
    run_jobs: Callable[[Work, Sequence[Any], int], Generator[Event, None, None]],
    processes: int,
    console: Console,
) -> str | None:
    """A line such as ``about 12 min on 2 processes``; None where too little is known.

    Seconds for a step come from finished runs of the folder that differ in nothing but their seed and reward, or else
    from two updates of training in the processes that will do the runs.

    Args:
        configs: runs that are to be done.
        out: results folder.
        run_jobs: does jobs, as :func:`payoff.baselines.pool.run_jobs`.
        processes: runs at a time.
        console: where it is said that something is measured.
    """
    told = [config.hyperparameters.get("total_steps") for config in configs]
    steps = [count for count in told if isinstance(count, int)]
    if len(steps) < len(told):
        return None
    known = _finished(out)
    kinds = {_kind(config): config for config in reversed(configs)}
    unknown = [config for kind, config in kinds.items() if kind not in known][:_MEASURED]
    source = "from finished runs"
    if unknown:
        if sum(steps) < _WORTH_IT:
            return None
        say(console, "measuring how long runs take (first use compiles the games)")
        known |= {
            _kind(unknown[event.job]): event.value
            for event in run_jobs(_measure, unknown, processes)
            if event.kind == "done" and event.value is not None
        }
        source = "measured"
    rates = [known[_kind(config)] for config in configs if _kind(config) in known]
    if not rates:
        return None
    usual = float(np.mean(rates))
    seconds = [known.get(_kind(c), usual) * count for c, count in zip(configs, steps, strict=True)]
    return f"{in_words(makespan(seconds, processes))} on {processes} process{'es' * (processes > 1)} ({source})"


def makespan(seconds: Sequence[float], processes: int) -> float:
    """Seconds until all runs are over, if each free process takes the next one."""
    busy = np.zeros(processes)
    for duration in seconds:
        busy[busy.argmin()] += duration
    return float(busy.max())


def in_words(seconds: float) -> str:
    """``about 40 s``, ``about 12 min``, ``about 3.5 h``."""
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 90 * 60 else f"about {seconds / 3600:.1f} h"


def _kind(config: RunConfig) -> str:
    """What decides how long a step takes."""
    settings = {k: v for k, v in config.hyperparameters.items() if k != "total_steps"}
    return dataclasses.replace(config, seed=0, reward="", hyperparameters=settings, evaluation_episodes=1).json


def _finished(out: Path) -> dict[str, float]:
    """Kind -> seconds for an environment step, mean over the finished runs of a results folder."""
    found: dict[str, list[float]] = {}
    for row in read_runs(out).frame.iter_rows(named=True):
        if row["status"] == "ok" and row["steps"] > 0:
            config = RunConfig(
                **{f.name: row[f.name] for f in dataclasses.fields(RunConfig) if isinstance(row.get(f.name), str | int)}
                | {name: json.loads(row[name]) for name in ("env_params", "hyperparameters")}
                | {"version": row["payoff_version"], "seed": 0, "evaluation_episodes": 1}
            )
            found.setdefault(_kind(config), []).append(row["wall_seconds"] / row["steps"])
    return {kind: float(np.mean(rates)) for kind, rates in found.items()}


def _measure(config: RunConfig, report: Report) -> float | None:
    """Seconds for an environment step, of the second of two short trainings: the first one compiles the game."""
    try:
        run.shortest(config)
        result = run.shortest(config)
    except Exception:  # what is wrong shows when the run itself fails, with all that belongs to it
        return None
    return float(result.wall_seconds / result.steps) if result.steps > 0 else None
