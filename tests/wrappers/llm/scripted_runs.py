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

from payoff.baselines.llm.run_file import read_run
from payoff.cli.proposing import LlmReward
from payoff.wrappers.llm.client import Recorded, Scripted
from payoff.wrappers.llm.store import ReplyStore
from tests.wrappers.llm import scripted_evolution, scripted_factors, scripted_parameters, scripted_store

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "llm" / "runs"
FILES = ("run.json", "store.jsonl", "candidates.jsonl")
LINKS = {  # one place for each store
    "grid_nav": scripted_store.PATH,
    "four_rooms_eureka": scripted_evolution.PATH,
    "coin_line_lare": scripted_factors.PATH,
    **{f"car_ball_{name}": scripted_parameters.PATH for name in ("touch", "near", "slow")},
}
FOUR_ROOMS = {"env": "FourRooms-v0", "task": scripted_evolution.TASK, "params": scripted_evolution.PARAMS}
CAR_BALL = {
    "env": "CarBall-v0",
    "params": tuple(f"{name}={value}" for name, value in scripted_parameters.KEYWORDS.items()),
    "method": "parameters",
    "use": "reward",
    "candidates": 1,
}
CAR_BALL_TASKS = dict(zip(("touch", "near", "slow"), scripted_parameters.TASKS, strict=True))
SHORT = "train_steps=5000,episodes=5"
RUNS = {  # name -> options of the command
    "grid_nav": {"env": "GridNav-v0", "task": scripted_store.TASK},
    "grid_nav_reward": {"env": "GridNav-v0", "task": scripted_store.TASK, "use": "reward", "candidates": 6},
    **{f"car_ball_{name}": {**CAR_BALL, "task": task} for name, task in CAR_BALL_TASKS.items()},
    "coin_line_lare": {"env": "CoinLine-v0", "task": scripted_factors.TASK, "method": "lare", "use": "reward"},
    "key_room_lare": {
        "env": "KeyRoom-v0",
        "task": "Fetch the key, open the door, and walk to the goal.",
        "params": ("size=5",),
        "method": "lare:samples=1,corrections=0",
        "use": "reward",
    },
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
    "key_room_lare": (
        ("next_obs.carries_the_key - obs.carries_the_key", "the key was picked up in this step"),
        ("action == 4 and obs.locked_door[ahead] and obs.carries_the_key", "the door was opened"),
        ("next_obs.goal_ahead + next_obs.goal_right", "the way that is left to the goal, straight ahead and aside"),
        ("info.progress", "how far the task is done"),
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
        name = "factors" if self.method.startswith("lare") else "expressions"
        client = Scripted(lambda messages, sample: json.dumps({name: listed}, indent=1))
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
