"""Writes ``data/car_ball.jsonl``, replies that a person wrote: ``python -m tests.wrappers.llm.scripted_parameters``.

To be run again where a prompt of method ``parameters`` changed: the documentation of CarBall, the schema of the terms,
or the words around them.
"""

from __future__ import annotations

import json
from pathlib import Path

from payoff.baselines.llm.methods import Request
from payoff.baselines.llm.reward_parameters import RewardParameters
from payoff.wrappers.llm.client import Recorded, Scripted
from payoff.wrappers.llm.store import ReplyStore
from tests.wrappers.llm.scripted_store import unjudged

PATH = Path(__file__).parent / "data" / "car_ball.jsonl"
KEYWORDS = {"players": 1, "max_steps": 100}
TO_THE_BALL = {"term": "near", "of": ["own_x", "own_y"], "to": ["ball_x", "ball_y"]}
TASKS = {  # task -> lines of the descriptor, terms of the coder
    "Touch the ball as soon and as often as you can.": (
        "- the way from own_x, own_y to ball_x, ball_y should be close to 0, which matters 2, for a touch.\n"
        "- info.touched should be as large as possible, which matters 10, because that is the task.",
        [{**TO_THE_BALL, "weight": 1, "width": 0.2}, {"term": "amount", "weight": 5, "of": "info.touched", "scale": 1}],
    ),
    "Stay near the ball without touching it.": (
        "- the way from own_x, own_y to ball_x, ball_y should be close to 0, which matters 4, because of near.\n"
        "- info.touched should be as small as possible, which matters 10, because a touch is forbidden.",
        [
            {**TO_THE_BALL, "weight": 2, "width": 0.2},
            {"term": "amount", "weight": -10, "of": "info.touched", "scale": 1},
        ],
    ),
    "Keep the car slow.": (
        "- the way from own_velocity_x, own_velocity_y to 0.5, 0.5 should be close to 0, which matters 5, because 0.5 "
        "is standing still.",
        [{"term": "near", "weight": 1, "of": ["own_velocity_x", "own_velocity_y"], "to": [0.5, 0.5], "width": 0.1}],
    ),
}


def answer(messages, sample):
    system, content = messages[0]["content"], messages[1]["content"]
    for task, (lines, terms) in TASKS.items():
        if system.startswith("You put") and content.endswith(task):
            return lines
        if system.startswith("You turn") and content.endswith(lines):
            return json.dumps({"terms": terms})
    raise AssertionError("an unknown prompt")


def request(out, task, judge=unjudged, **settings):
    wanted = {"env_id": "payoff/CarBall-v0", "task": task, "use": "reward", "candidates": 1, **settings}
    return Request(judge=judge, out=out, keywords=KEYWORDS, **wanted)


if __name__ == "__main__":
    PATH.unlink(missing_ok=True)
    client = Scripted(answer)
    store = Recorded(client, ReplyStore.begin(PATH, client.by, client.settings))
    for task in TASKS:
        RewardParameters().run(request(PATH.parent, task), store)
