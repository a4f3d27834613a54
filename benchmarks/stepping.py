"""Steps per second, each figure beside a no-op Gymnasium environment measured in the same run.

    python benchmarks/stepping.py                       # all ids
    python benchmarks/stepping.py --ids payoff/TrustDilemma-v0 --repeats 9
    python benchmarks/stepping.py --batch-only          # one table: multi_agent_vec of every id, a row each
    python benchmarks/stepping.py --beside-cartpole     # one table: gym.make of every id beside CartPole-v1

One process, one thread. Every repeat times the no-op environment and then ours, so that a machine that slows down
slows both; the ratio is taken pair by pair. The no-op environment returns a new observation of zeros at every step, as
Gymnasium asks of environments; one that hands out the same object again and again, which Gymnasium warns about, is
measured too and shown in a row of its own.
"""

from __future__ import annotations

import os

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from _machine import describe, spread
from rich.console import Console
from rich.progress import track
from rich.table import Table

import payoff


@dataclass(frozen=True)
class Args:
    """What to measure."""

    ids: list[str] = field(default_factory=payoff.ids)
    """environment ids"""
    batch: int = 1024
    """copies of the batched views"""
    repeats: int = 5
    """timed repeats of each figure; minimum, median and maximum are printed"""
    seconds: float = 0.5
    """rough length of one repeat"""
    batch_only: bool = False
    """time multi_agent_vec with info="minimal" alone, all ids in one table"""
    beside_cartpole: bool = False
    """time gym.make alone, both info settings, beside CartPole-v1 through gym.make, all ids in one table"""


class NoOp(gym.Env[np.ndarray, np.ndarray]):
    """Does nothing, with the spaces of a two-seat game.

    Args:
        fresh: return a new observation at every step, or always the same object.
    """

    observation_space = gym.spaces.Box(0.0, 1.0, (9,), np.float32)
    action_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)

    def __init__(self, fresh: bool = True) -> None:
        self.obs = np.zeros(9, np.float32)
        self.fresh = fresh

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Nothing."""
        return np.zeros(9, np.float32) if self.fresh else self.obs, {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Nothing."""
        return np.zeros(9, np.float32) if self.fresh else self.obs, 0.0, False, False, {}


def single(env: gym.Env[Any, Any]) -> Callable[[int], float]:
    """Timer of an Env: steps -> steps per second, restarts included."""
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(64)]

    def run(steps: int) -> float:
        env.reset()
        start = time.perf_counter()
        for k in range(steps):
            _, _, terminated, truncated, _ = env.step(actions[k % 64])
            if terminated or truncated:
                env.reset()
        return steps / (time.perf_counter() - start)

    return run


def batched(env: Any, actions: Any, copies: int) -> Callable[[int], float]:
    """Timer of a batched view: steps -> copies x steps per second."""
    env.reset(seed=0)

    def run(steps: int) -> float:
        calls = max(1, steps // copies)
        start = time.perf_counter()
        for k in range(calls):
            env.step(actions[k % len(actions)])
        return calls * copies / (time.perf_counter() - start)

    return run


def timers(env_id: str, batch: int) -> dict[str, Callable[[int], float]]:
    """The four views of an id under both info settings."""
    found: dict[str, Callable[[int], float]] = {}
    for info in ("minimal", "full"):
        found[f"gym.make, info={info}"] = single(gym.make(env_id, info=info))
        vector = gym.make_vec(env_id, num_envs=batch, info=info)
        vector.action_space.seed(0)
        found[f"make_vec({batch}), info={info}"] = batched(
            vector, [vector.action_space.sample() for _ in range(8)], batch
        )
        found[f"multi_agent_vec({batch}), info={info}"] = arrays(env_id, batch, info)
    return found


def arrays(env_id: str, batch: int, info: str) -> Callable[[int], float]:
    """Timer of ``multi_agent_vec`` under uniformly random actions."""
    env = payoff.multi_agent_vec(env_id, batch, info=info)
    rng = np.random.default_rng(0)
    shape = (batch, env.num_agents, env.action_size)
    chosen = [
        rng.integers(0, env.num_actions, shape).astype(float)
        if env.discrete
        else rng.uniform(env.action_low, env.action_high, shape)
        for _ in range(8)
    ]
    return batched(env, chosen, batch)


def batch_table(args: Args, console: Console) -> None:
    """A row for each id: millions of steps of all copies a second."""
    title = f'multi_agent_vec({args.batch}), info="minimal", random play, one thread'
    table = Table("id", "seats", "observation", "million env steps/s (min / median / max)", title=title)
    for env_id in track(args.ids, "timing", console=console):
        run = arrays(env_id, args.batch, "minimal")
        steps = int(args.seconds * run(20 * args.batch))
        found = [run(steps) / 1e6 for _ in range(args.repeats)]
        probe = payoff.multi_agent_vec(env_id, 1)
        table.add_row(env_id, str(probe.num_agents), str(probe.obs_size), spread(found, 2))
    console.print(table)


def cartpole_table(args: Args, console: Console) -> None:
    """A row for each id: steps of ``gym.make`` a second over those of CartPole-v1, taken in turn."""
    title = "gym.make beside CartPole-v1 through gym.make: ratio of steps/s (min / median / max)"
    table = Table("id", "seats", 'info="full"', 'info="minimal"', title=title)
    pole = single(gym.make("CartPole-v1"))
    paces: list[float] = []
    for env_id in track(args.ids, "timing", console=console):
        cells = []
        for info in ("full", "minimal"):
            run = single(gym.make(env_id, info=info))
            steps = int(args.seconds * run(2_000))
            ratios = []
            for _ in range(args.repeats):
                paces.append(pole(int(args.seconds * 2e5)))
                ratios.append(run(steps) / paces[-1])
            cells.append(spread(ratios, 2))
        table.add_row(env_id, str(payoff.multi_agent_vec(env_id, 1).num_agents), *cells)
    console.print(table)
    console.print(f"CartPole-v1: {spread(paces)} steps/s")


def main(args: Args) -> None:
    """Measure and print."""
    console = Console()
    console.print(describe())
    if args.beside_cartpole:
        cartpole_table(args, console)
        return
    if args.batch_only:
        batch_table(args, console)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the checker's remark that the no-op env reuses its observation
        gym.register("NoOp-v0", entry_point=NoOp)
        idle, careless = single(gym.make("NoOp-v0")), single(gym.make("NoOp-v0", fresh=False))
        idle(1000)
        careless(1000)
    for env_id in args.ids:
        table = Table("view", "env steps/s (min / median / max)", "ratio to the no-op env's steps/s", title=env_id)
        rows: list[tuple[str, list[float], list[float]]] = []
        for name, run in timers(env_id, args.batch).items():
            steps = int(args.seconds * run(20_000))
            ours, ratio, base, same = [], [], [], []
            for _ in range(args.repeats):
                base.append(idle(int(args.seconds * 1e6)))
                same.append(careless(int(args.seconds * 1e6)))
                ours.append(run(steps))
                ratio.append(ours[-1] / base[-1])
            rows.append((name, ours, ratio))
        table.add_row("no-op env", spread(base), "1")
        table.add_row(
            "no-op env, same object", spread(same), spread([a / b for a, b in zip(same, base, strict=True)], 3)
        )
        for name, ours, ratio in rows:
            table.add_row(name, spread(ours), spread(ratio, digits=3))
        console.print(table)


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
