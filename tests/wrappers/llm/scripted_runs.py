"""Writes ``docs/llm/runs``, calls of ``payoff llm-reward`` without a model.

``python -m tests.wrappers.llm.scripted_runs`` makes them all, and with names of runs these alone. Replies were written
by a person, or drawn by a mutator (``mutate``). To be run again where a prompt, a verdict or a brief training changed,
after the scripts of the stores that are links; ``docs/corpus.py`` follows.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from payoff.baselines.llm_run import read_run
from payoff.cli.proposing import LlmReward
from payoff.wrappers.llm.client import Recorded, Scripted
from payoff.wrappers.llm.store import ReplyStore
from tests.wrappers.llm import scripted_evolution, scripted_store

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "llm" / "runs"
FILES = ("run.json", "store.jsonl", "candidates.jsonl")
LINKS = {"grid_nav": scripted_store.PATH, "four_rooms_eureka": scripted_evolution.PATH}  # one place for each store
FOUR_ROOMS = {"env": "FourRooms-v0", "task": scripted_evolution.TASK, "params": scripted_evolution.PARAMS}
CAR_BALL = {"env": "CarBall-v0", "params": ("players=1", "max_steps=100"), "use": "reward", "candidates": 2}
SHORT = "train_steps=5000,episodes=5"
RUNS = {  # name -> options of the command
    "grid_nav": {"env": "GridNav-v0", "task": scripted_store.TASK},
    "grid_nav_reward": {"env": "GridNav-v0", "task": scripted_store.TASK, "use": "reward", "candidates": 6},
    "car_ball_touch": {**CAR_BALL, "task": "Touch the ball as soon and as often as you can."},
    "car_ball_near": {**CAR_BALL, "task": "Stay near the ball without touching it."},
    "car_ball_slow": {**CAR_BALL, "task": "Keep the car slow."},
    "four_rooms_reward": {**FOUR_ROOMS, "params": ("size=11",), "use": "reward", "candidates": 3},
    "four_rooms_eureka": {**FOUR_ROOMS, "method": scripted_evolution.METHOD},
    "four_rooms_icpl": {**FOUR_ROOMS, "method": f"icpl:rounds=2,candidates=2,{SHORT}", "mutate": "obs.x"},
    "four_rooms_text2reward": {**FOUR_ROOMS, "method": f"text2reward:rounds=3,{SHORT}", "mutate": "obs.x + obs.y"},
    "four_rooms_auto_mc": {
        **FOUR_ROOMS,
        "method": f"auto_mc:rounds=3,{SHORT}",
        "mutate": "obs.x + obs.y - 1",
        "mutate_errors": 0.4,
    },
}
FUNCTION = """def reward(obs, next_obs, terminated):
    nearer = next_obs.x + next_obs.y - obs.x - obs.y
    return 1.0 if terminated else nearer"""
EXPRESSIONS = {  # name -> text and reason of each
    "grid_nav_reward": (
        ("next_obs.x - obs.x + next_obs.y - obs.y", "every step up or to the right is progress"),
        ("abs(next_obs.x - obs.x) + abs(next_obs.y - obs.y)", "moving is better than standing at a wall"),
        ("1 - abs(next_obs.x - 0.87) - abs(next_obs.y - 0.87)", "nearer to the middle of the goal is better"),
        ("-1", "every step costs the same, so the shortest way is best"),
        (FUNCTION, "progress, and a prize for the end"),
        ("next_obs.x > obs.x and os.remove('x')", "progress to the right"),
    ),
    "four_rooms_reward": (
        ("abs(next_obs.x[5] - obs.x[5])", "the way to the corner leads through the middle column"),
        ("next_obs.x[10] - next_obs.y[0]", "the right is good, and the bottom is bad"),
        ("next_obs.x[10] * next_obs.y[10]", "the task is to be in the corner, and nothing else counts"),
    ),
    "car_ball_touch": (
        ("5 * info.touched[0] + exp(-10 * abs(next_obs.ball_x - next_obs.own_x))", "touch it, and be near it"),
        ("info.touched[0]", "that is the task"),
    ),
    "car_ball_near": (
        ("exp(-10 * abs(next_obs.ball_x - next_obs.own_x)) - 10 * info.touched[0]", "near, and a touch costs more"),
        ("-info.touched[0]", "a touch is forbidden"),
    ),
    "car_ball_slow": (
        (
            "-abs(next_obs.own_velocity_x - 0.5) - abs(next_obs.own_velocity_y - 0.5)",
            "0.5 is standing still, as the bounds are symmetric",
        ),
        ("-abs(next_obs.own_velocity)", "slow means a small velocity"),
    ),
}


def words(name: str, out: Path, **others: object) -> LlmReward:
    """The command of a run, for another folder."""
    return LlmReward(out=out, **{**RUNS[name], **others})


def replayed(folder: Path, out: Path) -> LlmReward:
    """The command that makes a folder again from its own words, without a model."""
    asked = read_run(folder).asked
    names = ("task", "method", "use", "candidates", "tries", "limit", "gamma", "steps", "seed")
    params = tuple(f"{name}={json.dumps(value)}" for name, value in asked.params.items())
    told = {name: getattr(asked, name) for name in names}
    return LlmReward(env=asked.env_id, out=out, replay=folder / "store.jsonl", params=params, **told)


class Written(LlmReward):
    """The command, with a person in place of a model."""

    def _client(self):
        listed = [{"text": text, "why": why} for text, why in EXPRESSIONS[self.out.name]]
        client = Scripted(lambda messages, sample: json.dumps({"expressions": listed}, indent=1))
        return Recorded(client, ReplyStore.begin(self.out / "store.jsonl", client.by, client.settings))


def make(name: str) -> None:
    """One run."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, name)
        if name in LINKS:
            words(name, out, replay=LINKS[name]).run()
        elif name in EXPRESSIONS:
            Written(out=out, **RUNS[name]).run()
        else:
            words(name, out).run()
        to = FOLDER / name
        shutil.rmtree(to, ignore_errors=True)
        to.mkdir(parents=True)
        for file in FILES:
            if file == "store.jsonl" and name in LINKS:
                (to / file).symlink_to(os.path.relpath(LINKS[name], to))
            else:
                (to / file).write_bytes((out / file).read_bytes())


if __name__ == "__main__":
    for name in sys.argv[1:] or RUNS:
        make(name)
