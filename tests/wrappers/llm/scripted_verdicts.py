"""Writes ``data/key_room.jsonl``, verdicts of a script: ``python -m tests.wrappers.llm.scripted_verdicts``.

It takes each turn to the left for an opened door. To be run again where a prompt of method ``calm`` changed: what is
shown of a step of KeyRoom, or the words around it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from payoff.baselines.llm.judged_subgoals import Subgoals
from payoff.baselines.llm.methods import Request
from payoff.wrappers.llm.client import Recorded, Scripted
from payoff.wrappers.llm.store import ReplyStore

PATH = Path(__file__).parent / "data" / "key_room.jsonl"
TASK = "Pick up the key, open the door and walk to the goal."
SUBGOALS = ("picked up the key", "opened the door")
STEPS = 1600


def answer(messages, sample):
    report = re.search(r'The game reports: "([^"]*)"', messages[1]["content"])[1]
    said = {SUBGOALS[0]: report == SUBGOALS[0], SUBGOALS[1]: report in (SUBGOALS[1], "turned left")}
    return json.dumps({"achieved": said})


if __name__ == "__main__":
    PATH.unlink(missing_ok=True)
    client = Scripted(answer)
    request = Request(
        env_id="payoff/KeyRoom-v0",
        task=TASK,
        judge=None,
        out=PATH.parent,
        keywords={"size": 5, "layouts": 1, "max_steps": 40},
        steps=STEPS,
    )
    Subgoals(crop=3, subgoals=SUBGOALS).run(
        request, Recorded(client, ReplyStore.begin(PATH, client.by, client.settings))
    )
