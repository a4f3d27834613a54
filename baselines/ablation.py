"""The ablation: the same games and learners with different rewards, shaping, bonuses or partners, compared in payoffs.

Whatever may differ between runs is an *axis*; the runs are all combinations of the points of the axes. Every run is
trained in a pool of processes, evaluated in payoffs and written as one row. Runs are independent and their rows are
found again, so the same command goes on where a killed one stopped: finished runs are not repeated, and one that was
under way resumes from its checkpoint.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from payoff.baselines import environments, estimate, pool, run
from payoff.baselines.pool import Event, Report
from payoff.baselines.results import LARGEST_SEED, RunConfig, read_row, read_runs, write_row
from payoff.baselines.screen import progress, say
from payoff.envs.core.specification import assignments, describe
from payoff.extras import require
from payoff.files import write_atomically

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Ablation", "ablate", "seeds_of"]

MOST_SEEDS = 100_000
# axis -> the keyword of `configure`, where these differ
_AXIS_OF = {
    "envs": "env_id",
    "params": "env_params",
    "rewards": "reward",
    "reward_learners": "reward_learner",
    "seeds": "seed",
}

Engine: TypeAlias = Callable[[pool.Work, Sequence[Any], int], Generator[Event, None, None]]


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """What to train; the runs are all combinations of the points of the axes.

    Points are specifications (:mod:`payoff.envs.core.specification`), or objects that one can be made of: a layer such
    as ``SVO(0.4)``, a function of a module, an object whose class keeps the numbers it was made with. Every process
    builds its own from the specification, which is also what a row says and what the id of the run depends on.

    Attributes:
        envs: axis: environment ids.
        params: axis: game parameters and view settings, a mapping or ``"size=5,max_steps=50"``.
        rewards: axis: reward layers; None, or ``"default"``, is the game's own.
        shaping: axis: methods around the reward, see :mod:`payoff.baselines.methods`.
        bonus: axis: exploration bonuses.
        transform: axis: what rewrites the rewards of whole episodes. Where one point does, all runs play whole
            episodes, if their trainer can: otherwise runs would differ in that as well.
        partners: axis: who plays the seats that are not trained.
        reward_learners: axis: what learns a reward before the training, see :mod:`payoff.baselines.reward_learners`.
        algo: axis: trainers, with settings after a colon (``"ppo:gamma=0.9"``); one may stand alone.
        seeds: axis: number of seeds from 1 on, a list of seeds, or a text such as ``"3,7,9"`` or ``"1-5"``.
        total_steps: environment steps of a run, all copies together; None: the trainer's default.
        episodes: evaluation episodes of a run.
        settings: settings of all trainers that differ from their defaults.
    """

    envs: Sequence[str]
    params: Sequence[Mapping[str, Any] | str] = ("none",)
    rewards: Sequence[Any] = (None,)
    shaping: Sequence[Any] = ("none",)
    bonus: Sequence[Any] = ("none",)
    transform: Sequence[Any] = ("none",)
    partners: Sequence[Any] = ("none",)
    reward_learners: Sequence[Any] = ("none",)
    algo: str | Sequence[str] = "ippo"
    seeds: int | str | Sequence[int]
    total_steps: int | None = None
    episodes: int = 10
    settings: Mapping[str, Any] = field(default_factory=dict)

    def axes(self) -> dict[str, list[Any]]:
        """The axes that decide a run, by the keyword of :func:`payoff.baselines.run.configure`, with their points.

        Raises:
            ValueError: an axis without a point or with the same one twice, an unknown environment, or an object that
                cannot be written down.
        """
        axes: dict[str, list[Any]] = {
            "seed": seeds_of(self.seeds),
            "algo": [self.algo] if isinstance(self.algo, str) else list(self.algo),
            "env_id": [environments.find(env_id) for env_id in _listed("envs", self.envs)],
            "env_params": [_parameters(point) for point in _listed("params", self.params)],
            "partners": [describe(point, "partners") for point in _listed("partners", self.partners)],
            "reward_learner": [
                describe(point, "reward_learners") for point in _listed("reward_learners", self.reward_learners)
            ],
            "transform": [describe(point, "transform") for point in _listed("transform", self.transform)],
            "bonus": [describe(point, "bonus") for point in _listed("bonus", self.bonus)],
            "shaping": [describe(point, "shaping") for point in _listed("shaping", self.shaping)],
            "reward": [
                None if point in (None, "default") else describe(point, "rewards")
                for point in _listed("rewards", self.rewards)
            ],
        }
        for name, points in axes.items():
            shown = next((field for field, axis in _AXIS_OF.items() if axis == name), name)
            if not points:
                raise ValueError(f"{shown} must name at least one, got none")
            for point in points:
                if points.count(point) > 1:
                    raise ValueError(f"{shown}: {point!r} is named twice")
        return axes

    def configs(self) -> list[RunConfig]:
        """The runs, first seeds first, so that an early look shows every cell.

        Raises:
            ValueError: an unknown environment, reward, method or trainer, nothing to run, or the same run twice.
            TypeError: a setting that the trainer does not have, or a parameter that the game or a method does not have.
            ImportError: a package that the trainer needs is missing.
        """
        for package in ("matplotlib", "polars"):  # missed now, and not when all runs are over
            require(package, extra="train")
        axes = self.axes()
        seeds = axes.pop("seed")
        whole_episodes = any(point != "none" for point in axes["transform"])
        cells = [
            run.configure(
                **dict(zip(axes, points, strict=True)),
                seed=seeds[0],
                settings=self.settings,
                total_steps=self.total_steps,
                evaluation_episodes=self.episodes,
                whole_episodes=whole_episodes,
            )
            for points in itertools.product(*axes.values())
        ]
        configs = [dataclasses.replace(cell, seed=seed) for seed in seeds for cell in cells]
        if len({config.run_id for config in configs}) < len(configs):
            raise ValueError("the same run is named twice: two points of an axis mean the same")
        return configs

    def toml(self) -> str:
        """The grid as a file for ``payoff ablate``, with every axis written out.

        Raises:
            ValueError: as :meth:`axes`.
        """
        axes = self.axes()
        lines = ["# every combination of the points below is one run"]
        for name in (f.name for f in dataclasses.fields(self) if _AXIS_OF.get(f.name, f.name) in axes):
            points = axes[_AXIS_OF.get(name, name)]
            if name == "rewards":
                points = ["default" if point is None else point for point in points]
            elif name == "params":
                points = [_assigned(point) or "none" for point in points]
            lines.append(f"{name} = {json.dumps(points)}")
        lines += [] if self.total_steps is None else [f"total_steps = {self.total_steps}"]
        lines.append(f"episodes = {self.episodes}")
        if self.settings:
            lines.append(f"set = {json.dumps([_assigned({k: v}) for k, v in self.settings.items()])}")
        return "\n".join(lines) + "\n"


def seeds_of(seeds: int | str | Sequence[int]) -> list[int]:
    """The seeds: ``3`` and ``"3"`` are 1, 2, 3; ``"3,7,9"`` and ``"1-5"``, also mixed, and lists are themselves.

    Raises:
        ValueError: none, one twice, one out of range, more than 100,000, or another text.
    """
    if isinstance(seeds, int):
        ranges = [] if isinstance(seeds, bool) else [range(1, seeds + 1)]
    elif isinstance(seeds, str):
        ranges = _seeds_in(seeds)
    else:
        whole = all(isinstance(seed, int) and not isinstance(seed, bool) for seed in seeds)
        ranges = [range(seed, seed + 1) for seed in seeds] if whole else []
    if not ranges or any(part.start >= part.stop for part in ranges):
        raise ValueError(f"seeds must be a number from 1 on, or different whole numbers of at least 0, got {seeds!r}")
    if sum(part.stop - part.start for part in ranges) > MOST_SEEDS:  # len() of a range ends at 2^63
        raise ValueError(f"seeds must be at most {MOST_SEEDS}, got {seeds!r}")
    found = [seed for part in ranges for seed in part]
    if len(set(found)) < len(found) or min(found) < 0 or max(found) > LARGEST_SEED:
        raise ValueError(f"seeds must be different whole numbers in 0 .. {LARGEST_SEED}, got {seeds!r}")
    return found


def ablate(
    configs: Sequence[RunConfig],
    out: Path,
    *,
    processes: int | None,
    console: Console,
    command: str,
    grid: str = "",
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
) -> int:
    """Do the runs that are not finished, then write the report.

    Args:
        configs: the runs.
        out: results folder; holds ``runs/``, ``checkpoints/``, ``figures/``, ``grid.toml`` and ``report.html``.
        processes: runs at a time; None: 2, or all processors of a Ray cluster.
        console: where lines, tables and the progress bar go.
        command: the command line, for the report.
        grid: text of ``grid.toml``, for the report; nothing is written where it is empty.
        engine: ``"local"`` processes, or tasks of a ``"ray"`` cluster.
        address: of the cluster; see :func:`payoff.baselines.ray_pool.connect`.

    Returns:
        Exit status: 0, 1 where a run failed, 130 after Ctrl-C.

    Raises:
        ImportError: Ray is asked for and not installed.
        ConnectionError: there is no cluster at this address.
    """
    waiting = _unfinished(configs, out, console)
    if grid:
        write_atomically(out / "grid.toml", grid.encode())
    with _started(engine, address if waiting else None, processes, bool(waiting)) as (run_jobs, at_once):
        used = min(at_once, len(waiting))
        say(
            console,
            f"{len(configs)} runs, {len(configs) - len(waiting)} finished before; "
            f"{used} processes{' of a Ray cluster' if engine == 'ray' and waiting else ''}, results in {out}",
        )
        try:
            if waiting:
                work = _compute if engine == "ray" else _execute
                _train(waiting, out, run_jobs, work, used, console, len(configs))
        except KeyboardInterrupt:
            left = len(_unfinished(configs, out, None))
            say(
                console,
                f"stopped: {len(configs) - left} of {len(configs)} runs are finished; the same command goes on from "
                "here",
            )
            return 130
    return _report(configs, out, console, command, grid)


@contextlib.contextmanager
def _started(
    engine: str, address: str | None, processes: int | None, needed: bool
) -> Generator[tuple[Engine, int], None, None]:
    """What does the jobs, and how many at a time."""
    if engine == "local" or not needed:
        yield pool.run_jobs, processes or 2
        return
    from payoff.baselines import ray_pool

    with ray_pool.connect(address) as processors:
        yield ray_pool.run_jobs, processes or processors


def _unfinished(configs: Sequence[RunConfig], out: Path, console: Console | None) -> list[RunConfig]:
    """Runs without a whole row that says ok; on a console, says which rows are damaged and which runs failed before."""
    frame, damaged = read_runs(out)
    status = dict(zip(frame["run_id"], frame["status"], strict=True))
    if console:
        wanted = {config.run_id: config for config in configs}
        for path, reason in damaged.items():
            again = f"; will run again: {wanted[path.stem]}" if path.stem in wanted else ""
            say(console, f"{reason}{again}")
        for run_id, config in wanted.items():
            if status.get(run_id) == "failed":
                say(console, f"failed before, will run again: {config}")
    return [config for config in configs if status.get(config.run_id) != "ok"]


def _train(
    configs: Sequence[RunConfig],
    out: Path,
    run_jobs: Engine,
    work: pool.Work,
    processes: int,
    console: Console,
    total_runs: int,
) -> None:
    done = [0] * len(configs)
    total = [1] * len(configs)
    finished = total_runs - len(configs)
    jobs = [(config, out.absolute()) for config in configs]
    if text := estimate.estimate(configs, out, run_jobs, processes, console):
        say(console, text)
    with progress(console) as bar, contextlib.closing(run_jobs(work, jobs, processes)) as events:
        task = bar.add_task("starting (first use compiles the games)", total=None)
        for event in events:
            config = configs[event.job]
            if event.kind == "progress":
                done[event.job], total[event.job] = event.value
            else:
                done[event.job] = total[event.job]
                finished += 1
                say(bar.console, _line(config, _stored(config, out, event)))
            # Runs that have not reported yet count like the largest that has: one ablation, one size.
            expected = sum(max(total) if size == 1 else size for size in total)
            bar.update(task, completed=sum(done), total=expected, description=f"{finished} of {total_runs} runs")


def _execute(job: tuple[RunConfig, Path], report: Report) -> dict[str, Any]:
    """Work of a local process: one run, whose row it writes, so that it stays when the parent dies."""
    config, out = job
    return run.execute(config, out, report)


def _compute(job: tuple[RunConfig, Path], report: Report) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Work of another machine: one run; its row, and what it left under the folder, which may not be shared, go back.

    These are its checkpoint and the reward that it learned, by their paths in the folder. Where the folder cannot be
    made on that machine either, they lie in its folder for temporary files.
    """
    config, out = job
    path = run.checkpoint_path(out, config.run_id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        path = run.checkpoint_path(Path(tempfile.gettempdir()) / "payoff", config.run_id)
    row = run.compute(config, path, report)
    folder = path.parent.parent
    left = [found for found in (path, run.reward_path(config, folder)) if found is not None and found.exists()]
    return row, {found.relative_to(folder).as_posix(): found.read_bytes() for found in left}


def _stored(config: RunConfig, out: Path, event: Event) -> dict[str, Any]:
    """Row of a run that ended, which stands in the folder now."""
    if isinstance(event.value, dict):
        return event.value
    if event.kind == "died":
        row, left = run.failed_row(config, str(event.value).strip().splitlines()[-1]), {}
    else:
        row, left = event.value
    for name, saved in left.items():
        path = out / name
        if not (path.exists() and path.read_bytes() == saved):
            write_atomically(path, saved)
    return read_row(write_row(out, row))


def _line(config: RunConfig, row: Mapping[str, Any]) -> str:
    """One line about a run that ended."""
    if row["status"] == "failed":
        return f"FAILED {config}: {row['message'].splitlines()[0]}"
    score = "" if row["score"] is None else f", score {row['score']:.3f}"
    note = f" ({row['message']})" if row["message"] else ""
    return f"{config}: welfare {row['welfare']:.6g}{score}, {row['wall_seconds']:.0f} s{note}"


def _report(configs: Sequence[RunConfig], out: Path, console: Console, command: str, grid: str) -> int:
    from payoff.baselines import report

    frame, _ = read_runs(out)
    by_id = {row["run_id"]: row for row in frame.to_dicts()}
    rows = [by_id[config.run_id] for config in configs]
    found = report.tables(rows)
    for table in found:
        console.print(report.terminal(table))
    for note in report.notes(found):
        say(console, note)
    say(console, f"report: {report.write_report(out, rows, command, grid)}")
    failed = [(config, by_id[config.run_id]) for config in configs if by_id[config.run_id]["status"] == "failed"]
    for config, row in failed:
        say(console, f"FAILED {config}: {row['message']}")
    return 1 if failed else 0


def _listed(name: str, points: Sequence[Any]) -> list[Any]:
    """The points; a text alone would be taken apart into letters."""
    if isinstance(points, str | Mapping):
        raise TypeError(f"{name} must be a list, got {points!r}")
    return list(points)


def _parameters(point: Mapping[str, Any] | str) -> dict[str, Any]:
    if isinstance(point, str):
        return {} if point in ("none", "") else assignments(point, "params")
    return dict(point)


def _assigned(values: Mapping[str, Any]) -> str:
    """``{"a": 1, "b": "x"}`` as ``a=1,b="x"``."""
    return ",".join(f"{name}={json.dumps(value, separators=(',', ':'))}" for name, value in values.items())


def _seeds_in(text: str) -> list[range]:
    """Seeds that a text names; none where it cannot be understood."""
    if text.strip().isdecimal():
        return [range(1, int(text) + 1)]
    found: list[range] = []
    for part in text.split(","):
        first, dash, last = (x.strip() for x in part.partition("-"))
        if not first.isdecimal() or (dash and not last.isdecimal()):
            return []
        found.append(range(int(first), int(last if dash else first) + 1))
    return found
