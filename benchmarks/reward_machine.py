r"""PPO on KeyRoom with a reward machine "key, then door, then goal": what the machine's own potential is worth.

    python benchmarks/reward_machine.py                                       # 3 x 10 runs, three minutes on one core
    python benchmarks/reward_machine.py --size 10 --total-steps 400000        # the hard level

Three arms learn from the same number of steps. `payoff`: the game's own reward, 1 at the goal. `machine`: the reward of
a machine that reads the captions, with the machine's state in the observation; it pays the same. `shaped`: besides, the
potential that solving the machine alone gives, which changes no optimal policy and knows nothing of the grid.
Success is the undiscounted payoff of an episode, 1 at the goal: of training episodes in the last tenth, and of the
trained, deterministic policy on layouts that no run trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tyro
from _claims import SEEDS, median_range, seeds_of
from _machine import describe
from rich.console import Console
from rich.progress import track
from rich.table import Table

import payoff
from payoff.baselines import ppo
from payoff.baselines.environments import make_one_seat
from payoff.baselines.result import Result
from payoff.baselines.rollout import Play
from payoff.wrappers import PotentialShaping, wrap
from payoff.wrappers.objectives.augment import augment
from payoff.wrappers.objectives.labels import Labels, caption_is
from payoff.wrappers.objectives.machine_reward import MachineReward, machine_potential
from payoff.wrappers.objectives.reward_machine import Edge, reward_machine

KEY_ROOM = "payoff/KeyRoom-v0"
UNSEEN = 10_000_000  # evaluation seed, far from those of training
EVENTS = {"key": "picked up the key", "door": "opened the door", "goal": "reached the goal"}
MACHINE = reward_machine(
    [
        Edge("search", "key", "has key"),
        Edge("has key", "door", "inside"),
        Edge("inside", "goal", "done", 1.0),
    ],
    initial="search",
    terminal=["done"],
)


@dataclass(frozen=True)
class Args:
    """What to run."""

    size: int = 6
    """size of the room"""
    seeds: str = SEEDS
    """runs of each arm: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    total_steps: int = 60_000
    """environment steps of a run"""
    gamma: float = 0.95
    """discount of the learner"""
    machine_gamma: float = 0.5
    """discount with which the machine is solved; the potential is 1/4, 1/2, 1 at 0.5"""
    episodes: int = 500
    """unseen layouts on which a trained policy is tried"""


def arms(args: Args) -> dict[str, Callable[[Any], Any] | None]:
    """Name -> what is put around the vector environment."""
    labels = Labels({name: caption_is(KEY_ROOM, text) for name, text in EVENTS.items()})

    def machine(env: Any) -> Any:
        return augment(env, MachineReward(MACHINE, labels))

    def shaped(env: Any) -> Any:
        potential = machine_potential(MACHINE, args.machine_gamma)
        return wrap(machine(env), PotentialShaping(potential, gamma=args.gamma, on_truncation="bootstrap"))

    return {"payoff": None, "machine": machine, "shaped": shaped}


def run(args: Args, wrapper: Callable[[Any], Any] | None, seed: int) -> tuple[Result, float]:
    """Train once; result and success rate on unseen layouts."""
    keywords = {"size": args.size, "observe": "private"}
    result = ppo.train(
        ppo.Args(
            env_id=KEY_ROOM,
            env_params=keywords,
            seed=seed,
            total_steps=args.total_steps,
            num_envs=16,
            num_steps=32,
            epochs=8,
            gamma=args.gamma,
            final_temperature=0.1,
        ),
        wrapper=wrapper,
    )
    env = make_one_seat(KEY_ROOM, args.episodes, {**keywords, "info": "full"}, wrapper or (lambda env: env))
    rollout = ppo.collect(Play(env, seed=UNSEEN), result.policy.act, 8 * args.size)
    env.close()
    first = np.cumsum(rollout.terminated | rollout.truncated, axis=0) == 0  # before the first end, of each copy
    reached = rollout.terminated & np.vstack([np.ones_like(first[:1]), first[:-1]])
    return result, float(reached.any(axis=0).mean())


def main(args: Args) -> None:
    """Train all arms and print."""
    console = Console()
    console.print(describe())
    level = next(x for x in payoff.certificate(KEY_ROOM).levels if x.parameters["size"] == args.size)
    table = Table("arm", "seed", "last tenth of training", f"{args.episodes} unseen layouts", "CPU seconds")
    table.title = (
        f"KeyRoom-v0, size {args.size}, {args.total_steps:,} steps; random play {level.random_success.mean:.1e}"
    )
    seeds = seeds_of(args.seeds)
    plan = [(name, wrapper, seed) for name, wrapper in arms(args).items() for seed in seeds]
    rates: dict[str, list[float]] = {}
    for name, wrapper, seed in track(plan, description="training", console=console):
        result, success = run(args, wrapper, seed)
        curve = result.curve["welfare"]
        last = float(np.nanmean(curve[-max(1, len(curve) // 10) :]))
        table.add_row(name, str(seed), f"{last:.3f}", f"{success:.3f}", f"{result.cpu_seconds:.0f}")
        rates.setdefault(name, []).append(success)
    for name, found in rates.items():
        table.add_row(name, "median", "", median_range(found, 3))
    console.print(table)


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
