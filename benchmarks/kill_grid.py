"""Kill a grid of 40 short runs with -9 at random moments, go on, and compare with a grid that nobody disturbed.

    python benchmarks/kill_grid.py                  # local processes, then a Ray cluster of two nodes
    python benchmarks/kill_grid.py --engines local

Ten kills an engine: every other one is of the driver, the others of a process that does the runs; on Ray, one of the
ten is of a whole node, which is started again. A driver that was killed, or ended because runs failed, is started again
with the same command. In the end there must be exactly 40 rows, none twice, all ok, and equal to those of the
undisturbed grid in all columns but times. Exits with 1 if not.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from _machine import describe
from rich.console import Console

from payoff.baselines import read_results

HERE = Path(__file__).resolve().parent
TIMES = ["wall_seconds", "cpu_seconds", "message"]  # a message may say that a checkpoint was damaged
RUNS = 40


@dataclass(frozen=True)
class Args:
    """What to do."""

    engines: tuple[Literal["local", "ray"], ...] = ("local", "ray")
    """where the runs are executed"""
    kills: int = 10
    """kills an engine"""
    seed: int = 1
    """seed of the moments and the victims"""
    out: Path = Path("results/kill_grid")
    """folder; emptied first"""


def command(out: Path, *more: str) -> list[str]:
    """The grid: 2 games x 2 rewards x 10 seeds."""
    return [
        *(sys.executable, "-m", "payoff", "ablate", "--envs", "TrustDilemma-v0", "GiftExchange-v0"),
        *("--rewards", "private", "cooperative", "--params", "max_steps=10", "--seeds", "10", "--episodes", "1"),
        *("--algo", "benchmarks._short_trainer", "--total-steps", "1000", "--processes", "2", "--out", str(out), *more),
    ]


def start(out: Path, more: list[str]) -> subprocess.Popen[bytes]:
    """The command in a session of its own."""
    with (out.parent / f"{out.name}.log").open("ab") as log:
        return subprocess.Popen(command(out, *more), cwd=HERE.parent, stdout=log, stderr=log, start_new_session=True)


def children(pid: int) -> list[int]:
    """Worker processes of a driver that do runs."""
    found = subprocess.run(["pgrep", "-P", str(pid), "-f", "spawn_main"], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def ray_workers(nodes: list[Any]) -> list[int]:
    """Processes of the cluster's nodes that do runs."""
    pids = []
    for node in nodes:
        raylets = [p.process.pid for p in node.all_processes.get("raylet", [])]
        for raylet in raylets:
            found = subprocess.run(["pgrep", "-P", str(raylet), "-f", "ray::_serve"], capture_output=True, text=True)
            pids += [int(line) for line in found.stdout.split()]
    return pids


def disturbed(out: Path, args: Args, more: list[str], cluster: Any | None, console: Console) -> int:
    """Run the grid until it is finished, killing on the way; gives the number of times the command was started."""
    rng = random.Random(args.seed)
    kinds = ["driver", "worker"] * (args.kills // 2) + ["driver"] * (args.kills % 2)
    if cluster is not None and args.kills > 3:
        kinds[3] = "node"
    starts, driver = 1, start(out, more)
    for number, kind in enumerate(kinds, start=1):
        moment, victim = time.monotonic() + rng.uniform(2.0, 4.5), None
        while victim is None:
            if driver.poll() is not None:  # finished, or ended since runs failed
                if driver.returncode == 0:
                    console.print(f"finished before kill {number}: nothing left to disturb")
                    return starts
                starts, driver = starts + 1, start(out, more)
            time.sleep(0.05)
            if time.monotonic() < moment:
                continue
            if kind == "node":
                victim = cluster.worker_nodes.copy().pop() if ray_workers(list(cluster.worker_nodes)) else None
            elif kind == "driver":
                victim = driver.pid if rows(out) or number == 1 else None
            else:
                pids = children(driver.pid) if cluster is None else ray_workers(cluster.list_all_nodes())
                victim = rng.choice(pids) if pids else None
        done = rows(out)
        if kind == "node":
            cluster.remove_node(victim, allow_graceful=False)
            cluster.add_node(num_cpus=1)
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        console.print(f"kill {number}: {kind} after {done} rows", highlight=False)
        if kind == "driver":
            driver.wait()
            starts, driver = starts + 1, start(out, more)
    for _ in range(5):
        if driver.wait(timeout=600) == 0:
            break
        starts, driver = starts + 1, start(out, more)
    return starts


def rows(out: Path) -> int:
    """Rows that are written."""
    return len(list((out / "runs").glob("*.parquet")))


def check(out: Path, expected: Any, console: Console) -> bool:
    """Whether all rows are there, once, and equal to those of the undisturbed grid."""
    found = read_results(out)
    files = rows(out)
    unique = found["run_id"].n_unique()
    equal = found.drop(TIMES).equals(expected.drop(TIMES))
    ok = len(found) == files == unique == RUNS and set(found["status"]) == {"ok"} and equal
    console.print(
        f"{len(found)} rows in {files} files, {unique} different, status {', '.join(sorted(set(found['status'])))}, "
        f"{'equal' if equal else 'NOT equal'} to the undisturbed grid in all columns but times: "
        f"{'passed' if ok else 'FAILED'}",
        highlight=False,
    )
    return ok


def main(args: Args) -> int:
    """Run the undisturbed grid, then a disturbed one with each engine."""
    console = Console()
    console.print(describe())
    out = args.out.resolve()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    calm = start(out / "calm", [])
    calm.wait()
    expected = read_results(out / "calm")
    console.print(f"undisturbed: {len(expected)} rows, status {calm.returncode}", highlight=False)
    passed = calm.returncode == 0 and len(expected) == RUNS
    for engine in args.engines:
        began = time.monotonic()
        if engine == "ray" and importlib.util.find_spec("ray") is None:
            console.print('ray is not installed, and left out; it comes with the extra "scale"')
            continue
        if engine == "local":
            starts = disturbed(out / engine, args, [], None, console)
        else:
            from ray.cluster_utils import Cluster

            os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
            cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
            cluster.add_node(num_cpus=1)
            try:
                more = ["--engine", "ray", "--address", cluster.address]
                starts = disturbed(out / engine, args, more, cluster, console)
            finally:
                cluster.shutdown()
        console.print(f"{engine}: the command was started {starts} times, {time.monotonic() - began:.0f} s")
        passed &= check(out / engine, expected, console)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Args, description=__doc__)))
