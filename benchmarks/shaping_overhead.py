"""Cost of potential-based shaping, as a share of the step of the same environment without it, in the same run.

    python benchmarks/shaping_overhead.py                 # about a minute
    python benchmarks/shaping_overhead.py --repeats 101

The vector view at a batch of 1,024, one process, one thread, random play. Every repeat times some calls of the bare
environment, then as many of each wrapped one; the overhead is taken repeat by repeat, so that a machine that slows down
slows both. It is processor time, which other processes disturb less than time on the clock. Copies either start
together, or were started at different times, so that some of them restart in every call. Potentials read two entries of
the observation; the row "cells" has to find the seat among 64 cells first, which is the potential's own cost.
"""

from __future__ import annotations

import os

os.environ.setdefault("NUMBA_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from _machine import describe, spread
from rich.console import Console
from rich.table import Table

import payoff
from payoff.wrappers import PotentialShaping, from_info, from_table, wrap
from payoff.wrappers.potential.shaping import Potential, jitted

TRUST, KEY_ROOM = "payoff/TrustDilemma-v0", "payoff/KeyRoom-v0"
LIMIT = 0.30  # of the bare step, for tables and jitted potentials
CARRIES, GOAL_AHEAD, SEAT = 399, 392, slice(320, 384)  # in KeyRoom's full observation of the default size


@dataclass(frozen=True)
class Args:
    """What to measure."""

    batch: int = 1024
    """copies"""
    repeats: int = 61
    """timed repeats; minimum, median and maximum are printed"""
    milliseconds: float = 5.0
    """rough length of one timing"""


def trust_level(obs: np.ndarray) -> np.ndarray:
    """Trust of the first seat, in 64 steps."""
    return (obs[:, 2] * 63.0).astype(np.int64)


def stage(obs: np.ndarray) -> np.ndarray:
    """Whether the seat carries the key, and whether the goal is ahead."""
    return (obs[:, CARRIES] + 2.0 * obs[:, GOAL_AHEAD]).astype(np.int64)


def cell(obs: np.ndarray) -> np.ndarray:
    """Where the seat is, 0 .. 63."""
    return obs[:, SEAT].argmax(axis=1)


def potentials(env_id: str, info: str) -> dict[str, Potential]:
    """Name -> potential."""
    if env_id == TRUST:
        return {
            "table": from_table(np.linspace(0.0, 1.0, 64), state=trust_level),
            "jitted": jitted(lambda x: 0.5 * (x[2] + x[3])),
            "callable": lambda obs, _: 0.5 * (obs[:, 2] + obs[:, 3]),
        }
    found: dict[str, Potential] = {
        "table": from_table([0.0, 0.5, 0.25, 0.75], state=stage),
        "jitted": jitted(lambda x: 0.5 * x[399] + 0.25 * x[392]),
        "callable": lambda obs, _: 0.5 * obs[:, CARRIES] + 0.25 * obs[:, GOAL_AHEAD],
        "table, cells": from_table(np.linspace(0.0, 1.0, 64), state=cell),
    }
    return found | ({"from_info": from_info("progress")} if info == "full" else {})


def timer(env: Any, batch: int, together: bool) -> Callable[[int], float]:
    """Calls -> processor seconds a call, after the copies were started."""
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(16)]
    env.reset(seed=0)
    if not together:
        rng = np.random.default_rng(0)
        for k in range(200):
            env.step(actions[k % 16])
            env.reset(options={"reset_mask": rng.random(batch) < 0.01})

    def run(calls: int) -> float:
        start = time.thread_time()
        for k in range(calls):
            env.step(actions[k % 16])
        return (time.thread_time() - start) / calls

    return run


def measure(args: Args, env_id: str, info: str, together: bool) -> tuple[list[float], Mapping[str, list[float]]]:
    """Seconds a call of the bare environment, and of each wrapped one."""

    def make() -> Any:
        return gym.make_vec(env_id, num_envs=args.batch, vectorization_mode="vector_entry_point", info=info)

    bare = timer(make(), args.batch, together)
    shaped = {
        name: timer(
            wrap(make(), PotentialShaping(potential, gamma=0.99, on_truncation="bootstrap")), args.batch, together
        )
        for name, potential in potentials(env_id, info).items()
    }
    for run in shaped.values():
        run(50)  # potentials are compiled on first use
    calls = max(1, int(args.milliseconds / 1e3 / bare(50)))
    base: list[float] = []
    found: dict[str, list[float]] = {name: [] for name in shaped}
    for _ in range(args.repeats):
        base.append(bare(calls))
        for name, run in shaped.items():
            found[name].append(run(calls))
    return base, found


def main(args: Args) -> None:
    """Measure and print."""
    console = Console(width=140)
    console.print(describe())
    payoff.ids()  # the ids are registered
    head = f"overhead in % of the bare step (min / median / max), limit {LIMIT:.0%} for table and jitted"
    table = Table("environment", "info", "copies start", "potential", "bare, µs", "added, µs", head)
    for env_id in (TRUST, KEY_ROOM):
        for info in ("minimal", "full"):
            for together in (True, False):
                base, found = measure(args, env_id, info, together)
                for name, times in found.items():
                    share = [100.0 * (a / b - 1.0) for a, b in zip(times, base, strict=True)]
                    added = median(times) - median(base)
                    flag = " [red]over[/red]" if name in ("table", "jitted") and median(share) > 100 * LIMIT else ""
                    row = (env_id, info, "together" if together else "apart", name)
                    table.add_row(*row, f"{1e6 * median(base):.0f}", f"{1e6 * added:.0f}", spread(share, 1) + flag)
                table.add_section()
    console.print(table)


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
