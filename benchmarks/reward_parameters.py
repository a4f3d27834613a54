"""Three sentences, three rewards, three ways to drive: what parameters from a language model's JSON do in CarBall-v0.

    python benchmarks/reward_parameters.py      # 3 tasks, 10 seeds each, three minutes on one core

A car alone with the ball, 100 steps an episode. For each sentence, method ``parameters`` of ``payoff llm-reward`` is
replayed from the store that the tests ship, whose replies a person wrote; PPO then learns from the expression that
comes out, and from nothing else. The table has the trained policies, played for 20 episodes each, and uniformly random
play: median over seeds and, in brackets, the lowest and highest seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np
import tyro
from _claims import SEEDS, median_range, seeds_of
from _machine import describe
from gymnasium.vector import VectorEnv
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table

import payoff
from payoff.baselines import ppo
from payoff.baselines.environments import make_vector
from payoff.baselines.llm.methods import Request
from payoff.baselines.llm.reward_parameters import RewardParameters
from payoff.envs.sparse.car_ball_mechanics import CAR_TOP, HALF_X, HALF_Y
from payoff.wrappers import ExpressionReward, check_expression, observation_names, wrap
from payoff.wrappers.llm.client import Recorded
from payoff.wrappers.llm.store import ReplyStore

ID = "payoff/CarBall-v0"
KEYWORDS = {"players": 1, "max_steps": 100}
STORE = Path(__file__).resolve().parents[1] / "tests" / "wrappers" / "llm" / "data" / "car_ball.jsonl"
TASKS = (
    "Touch the ball as soon and as often as you can.",
    "Stay near the ball without touching it.",
    "Keep the car slow.",
)
EPISODES = 20  # of a trained policy
MEASURES = ("distance to the ball, m", "speed, m/s", "steps with a touch, %", "first touch, step")


@dataclass(frozen=True)
class Args:
    """What to run."""

    seeds: str = SEEDS
    """learners of each task: a number, 1 to that, or seeds as in 3,7,9 or 1-5"""
    steps: int = 100_000
    """environment steps of a learner"""


def reward_of(task: str) -> str:
    """The expression that the store gives for a task."""
    request = Request(
        env_id=ID,
        task=task,
        judge=lambda text: check_expression(car_alone(8), text, use="reward"),
        out=Path("."),
        keywords=KEYWORDS,
        use="reward",
        candidates=1,
    )
    found = RewardParameters().run(request, Recorded(None, ReplyStore(STORE)))
    if found.option is None:
        raise SystemExit(f"the reward of {task!r} does not meet every demand")
    return found.candidates[0].text


def car_alone(copies: int) -> VectorEnv:
    """Copies of the game."""
    return make_vector(ID, copies, {"info": "full", **KEYWORDS})


def driven(act: Callable[[np.ndarray], np.ndarray], seed: int) -> np.ndarray:
    """Means of the measures over episodes; a car that never touches counts as touching one step after the end."""
    env = payoff.multi_agent_vec(ID, EPISODES, info="full", **KEYWORDS)
    obs, _ = env.reset(seed=1_000_000 + seed)
    names = [name.replace(" ", "_") for name in env.engine.plan.names]
    column = {name: names.index(name) for name in ("ball_x", "ball_y", "own_x", "own_y")}
    running, first = np.ones(EPISODES, dtype=bool), np.full(EPISODES, KEYWORDS["max_steps"] + 1.0)
    rows = []
    step = 0
    while running.any():
        obs, _, terminated, truncated, info = env.step(act(obs))
        step += 1
        seen = 2.0 * obs[:, 0].astype(np.float64) - 1.0
        far = np.hypot(
            HALF_X * (seen[:, column["own_x"]] - seen[:, column["ball_x"]]),
            HALF_Y * (seen[:, column["own_y"]] - seen[:, column["ball_y"]]),
        )
        velocity = [CAR_TOP * seen[:, names.index(f"own_velocity_{axis}")] for axis in "xy"]
        touched = np.asarray(info["touched"])[:, 0] != 0
        rows.append(np.stack([far, np.hypot(*velocity), 100.0 * touched], axis=1)[running])
        first[running & touched] = np.minimum(first, step)[running & touched]
        running &= ~(terminated | truncated)
    env.close()
    return np.array([*np.concatenate(rows).mean(axis=0), first.mean()])


def run(text: str, seed: int, steps: int) -> np.ndarray:
    """Train on an expression, then play."""
    names = observation_names(car_alone(1))
    result = ppo.train(
        ppo.Args(env_id=ID, env_params=KEYWORDS, seed=seed, total_steps=steps),
        wrapper=lambda env: wrap(env, ExpressionReward(text, names=names)),
    )
    return driven(lambda obs: result.policy.act(obs, deterministic=False), seed)


def at_random(seed: int) -> np.ndarray:
    """Uniformly random play."""
    rng = np.random.default_rng(seed)
    return driven(lambda obs: rng.uniform(-1.0, 1.0, size=(EPISODES, 1, 3)), seed)


def main(args: Args) -> None:
    """Replay, train, print."""
    console, begun = Console(), process_time()
    console.print(describe())
    seeds, texts = seeds_of(args.seeds), [reward_of(task) for task in TASKS]
    for text in texts:
        console.print(text, soft_wrap=True)
    plan = [(text, seed) for text in texts for seed in seeds]
    rows = [run(text, seed, args.steps) for text, seed in track(plan, description="training", console=console)]
    found = dict(zip(TASKS, np.array(rows).reshape(len(TASKS), len(seeds), -1), strict=True))
    found["uniformly random play"] = np.array([at_random(seed) for seed in seeds])
    table = Table("task", *MEASURES, title=f"seeds {args.seeds}, {args.steps} steps", box=SIMPLE)
    for task, values in found.items():
        table.add_row(task, *(median_range(column) for column in values.T))
    console.print(table)
    console.print(f"CPU seconds: {process_time() - begun:.0f}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
