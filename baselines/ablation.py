"""The reward ablation: the same games, the same learner, different rewards, compared in payoffs.

Every run (game, reward, seed) is trained in a pool of processes, evaluated in payoffs and written as one row. Runs are
independent and their rows are found again, so the same command goes on where a killed one stopped: finished runs are
not repeated, and one that was under way resumes from its checkpoint.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from payoff.baselines import run
from payoff.baselines.pool import Event, Report, run_jobs
from payoff.baselines.results import RunConfig, read_runs
from payoff.extras import require

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Ablation", "ablate"]


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """What to train; the runs are all combinations of ``envs``, ``rewards`` and ``seeds``.

    Attributes:
        envs: environment ids.
        rewards: reward layers.
        seeds: number of seeds; the seeds are 1 .. ``seeds``.
        algo: trainer.
        total_steps: environment steps of a run, all copies together.
        episodes: evaluation episodes of a run.
        settings: settings of the trainer that differ from its defaults.
        engine: where runs are executed.
    """

    envs: Sequence[str]
    rewards: Sequence[str]
    seeds: int
    algo: str = "ippo"
    total_steps: int | None = None
    episodes: int = 10
    settings: Mapping[str, Any] = field(default_factory=dict)
    engine: Literal["local"] = "local"

    def configs(self) -> list[RunConfig]:
        """The runs, first seeds first, so that an early look shows every cell.

        Raises:
            ValueError: an unknown environment, reward or trainer, nothing to run, or the same run twice.
            TypeError: a setting that the trainer does not have.
            ImportError: a package that the trainer needs is missing.
        """
        if self.engine != "local":
            raise ValueError(f"engine must be local, got {self.engine!r}")
        for name, count in (("envs", len(self.envs)), ("rewards", len(self.rewards)), ("seeds", self.seeds)):
            if count < 1:
                raise ValueError(f"{name} must name at least one, got {count}")
        for package in ("matplotlib", "polars"):  # missed now, and not when all runs are over
            require(package, extra="train")
        configs = [
            run.configure(
                algo=self.algo,
                env_id=env_id,
                reward=reward,
                seed=seed,
                settings=self.settings,
                total_steps=self.total_steps,
                evaluation_episodes=self.episodes,
            )
            for seed in range(1, self.seeds + 1)
            for env_id in self.envs
            for reward in self.rewards
        ]
        if len({config.run_id for config in configs}) < len(configs):
            raise ValueError("an environment or a reward is named twice")
        return configs


def ablate(configs: Sequence[RunConfig], out: Path, *, processes: int, console: Console, command: str) -> int:
    """Do the runs that are not finished, then write the report.

    Args:
        configs: the runs.
        out: results folder; holds ``runs/``, ``checkpoints/``, ``figures/`` and ``report.html``.
        processes: runs at a time.
        console: where lines, tables and the progress bar go.
        command: the command line, for the report.

    Returns:
        Exit status: 0, 1 where a run failed, 130 after Ctrl-C.
    """
    waiting = _unfinished(configs, out, console)
    console.print(
        f"{len(configs)} runs, {len(configs) - len(waiting)} finished before; "
        f"{min(processes, len(waiting))} processes, results in {out}",
        highlight=False,
    )
    try:
        if waiting:
            _train(waiting, out, processes, console, len(configs))
    except KeyboardInterrupt:
        left = len(_unfinished(configs, out, None))
        console.print(
            f"stopped: {len(configs) - left} of {len(configs)} runs are finished; the same command goes on from here",
            highlight=False,
        )
        return 130
    return _report(configs, out, console, command)


def _unfinished(configs: Sequence[RunConfig], out: Path, console: Console | None) -> list[RunConfig]:
    """Runs without a whole row that says ok; on a console, says which rows are damaged and which runs failed before."""
    frame, damaged = read_runs(out)
    status = dict(zip(frame["run_id"], frame["status"], strict=True))
    if console:
        wanted = {config.run_id: config for config in configs}
        for path, reason in damaged.items():
            again = f"; will run again: {wanted[path.stem]}" if path.stem in wanted else ""
            console.print(f"{reason}{again}", highlight=False, markup=False)
        for run_id, config in wanted.items():
            if status.get(run_id) == "failed":
                console.print(f"failed before, will run again: {config}", highlight=False, markup=False)
    return [config for config in configs if status.get(config.run_id) != "ok"]


def _train(configs: Sequence[RunConfig], out: Path, processes: int, console: Console, total_runs: int) -> None:
    done = [0] * len(configs)
    total = [1] * len(configs)
    finished = total_runs - len(configs)
    jobs = [(config, out) for config in configs]
    with run.progress(console) as bar, contextlib.closing(run_jobs(_execute, jobs, processes)) as events:
        task = bar.add_task("starting (first use compiles the games)", total=None)
        for event in events:
            config = configs[event.job]
            if event.kind == "progress":
                done[event.job], total[event.job] = event.value
            else:
                done[event.job] = total[event.job]
                finished += 1
                bar.console.print(_line(config, out, event), highlight=False, markup=False)
            # Runs that have not reported yet count like the largest that has: one ablation, one size.
            expected = sum(max(total) if size == 1 else size for size in total)
            bar.update(task, completed=sum(done), total=expected, description=f"{finished} of {total_runs} runs")


def _execute(job: tuple[RunConfig, Path], report: Report) -> dict[str, Any]:
    """Work of the pool: one run."""
    config, out = job
    return run.execute(config, out, report)


def _line(config: RunConfig, out: Path, event: Event) -> str:
    """One line about a run that ended; where its process died, its row is written here."""
    row = event.value
    if event.kind == "died":
        row = run.record_failure(config, out, str(event.value).strip().splitlines()[-1])
    if row["status"] == "failed":
        return f"FAILED {config}: {row['message'].splitlines()[0]}"
    score = "" if row["score"] is None else f", score {row['score']:.3f}"
    note = f" ({row['message']})" if row["message"] else ""
    return f"{config}: welfare {row['welfare']:.6g}{score}, {row['wall_seconds']:.0f} s{note}"


def _report(configs: Sequence[RunConfig], out: Path, console: Console, command: str) -> int:
    from payoff.baselines import report

    frame, _ = read_runs(out)
    by_id = {row["run_id"]: row for row in frame.to_dicts()}
    rows = [by_id[config.run_id] for config in configs]
    for table in (report.by_game(rows), report.across_games(rows)):
        if table.lines:
            console.print(report.terminal(table))
    console.print(f"report: {report.write_report(out, rows, command)}", highlight=False)
    failed = [row for row in rows if row["status"] == "failed"]
    for row in failed:
        console.print(
            f"FAILED {row['env_id']} {row['reward']} seed {row['seed']}: {row['message']}",
            highlight=False,
            markup=False,
        )
    return 1 if failed else 0
