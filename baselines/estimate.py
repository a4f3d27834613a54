"""How long the runs of an ablation will take, said before they start."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from payoff.baselines import reward_learners, run
from payoff.baselines.pool import Event, Report, Work
from payoff.baselines.results import RunConfig, read_runs
from payoff.baselines.screen import say

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["estimate", "in_words", "makespan"]

_WORTH_IT = 200_000  # environment steps of all runs, below which measuring would take as long as running
_MEASURED = 12  # kinds of runs, and of learned rewards, that are measured at most; others count like their mean
_WATCHED = 5.0  # seconds for which the learning of a reward is watched


def estimate(
    configs: Sequence[RunConfig],
    out: Path,
    run_jobs: Callable[[Work, Sequence[Any], int], Generator[Event, None, None]],
    processes: int,
    console: Console,
) -> str | None:
    """A line such as ``about 12 min on 2 processes``; None where too little is known, or the runs are short.

    Seconds for a step come from finished runs of the folder that differ in nothing but their seed and reward, or else
    from two updates of training in the processes that will do the runs. Rewards that are not in the folder yet are
    learned once each, in the first run that asks for one; how long that takes is always measured. What learning costs
    while the agent trains is not counted.

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
    unknown = {kind: config for kind, config in kinds.items() if kind not in known}
    lessons = _lessons(configs, out)
    source = "from finished runs"
    if unknown or lessons:
        if sum(steps) < _WORTH_IT:
            return None
        say(console, "measuring how long runs take (first use compiles the games)")
        source = "measured"

    def measured(work: Work, jobs: Mapping[str, RunConfig]) -> dict[str, float]:
        kinds = list(jobs)[:_MEASURED]
        events = run_jobs(work, [jobs[kind] for kind in kinds], processes) if kinds else iter(())
        return {kinds[e.job]: e.value for e in events if e.kind == "done" and e.value is not None}

    known |= measured(_measure, unknown)
    learning = measured(_measure_learning, {kind: configs[at] for at, kind in lessons.items()})
    rates = [known[_kind(config)] for config in configs if _kind(config) in known]
    if not rates:
        return None
    usual = float(np.mean(rates))
    seconds = [known.get(_kind(c), usual) * count for c, count in zip(configs, steps, strict=True)]
    lesson = float(np.mean(list(learning.values()) or [0.0]))
    for at, kind in lessons.items():
        seconds[at] += learning.get(kind, lesson)
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


def _lessons(configs: Sequence[RunConfig], out: Path) -> dict[int, str]:
    """Places of the runs that have to learn their reward, the first of those that share it -> kind of that learning."""
    found: dict[Path, int] = {}
    for at, config in enumerate(configs):
        path = run.reward_path(config, out)
        if path is not None and not path.exists():
            found.setdefault(path, at)
    return {at: str(run.reward_path(dataclasses.replace(configs[at], seed=0), out)) for at in found.values()}


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


def _measure_learning(config: RunConfig, report: Report) -> float | None:
    """Seconds that learning the reward of a run takes."""
    try:
        return reward_learners.time_learning(config.reward_learner, run.problem_of(config), _WATCHED)
    except Exception:  # what is wrong shows when the run itself learns its reward
        return None
