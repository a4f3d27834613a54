"""Writes ``data/four_rooms.jsonl``, an evolution whose replies a person wrote.

To be run again, ``python -m tests.wrappers.llm.scripted_evolution``, where a prompt changed: the documentation of
FourRooms, the language, or the words of the method ``eureka``.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from payoff.cli.proposing import LlmReward
from payoff.wrappers.llm.client import Recorded, Scripted
from payoff.wrappers.llm.store import ReplyStore

PATH = Path(__file__).parent / "data" / "four_rooms.jsonl"
TASK = "Walk to the far corner, and stay there."
METHOD = "eureka:rounds=2,candidates=2,train_steps=30000"
PARAMS = ("observe=minimal", "size=11")
REPLIES = (  # of each round and sample: terms, and the reason
    ({"right": "obs.x"}, "the goal is on the right"),
    ({"height": "obs.z"}, "the goal is high up"),
    ({"right": "obs.x", "up": "obs.y"}, "being right was found and kept; the goal is in the upper corner, too"),
    ({"corner": "min(obs.x, obs.y)"}, "what is nearer to its end need not get on"),
)


def answer(messages, sample):
    terms, why = REPLIES[sample + (2 if len(messages) > 2 else 0)]
    return f"Here it is:\n```json\n{json.dumps({'expressions': [{'terms': terms, 'why': why}]})}\n```\n"


class Written(LlmReward):
    """The command, with a person in place of a model."""

    def _client(self):
        client = Scripted(answer)
        return Recorded(client, ReplyStore.begin(PATH, client.by, client.settings))


if __name__ == "__main__":
    PATH.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        Written(env="FourRooms-v0", task=TASK, out=Path(folder), method=METHOD, params=PARAMS).run()
