"""Writes ``data/grid_nav.jsonl``, replies that a person wrote: ``python -m tests.wrappers.llm.scripted_store``.

To be run again where the prompt changed: the documentation of GridNav, the language, or the words around them.
"""

from __future__ import annotations

import json
from pathlib import Path

from payoff.baselines import environments
from payoff.wrappers.llm.client import Recorded, Scripted
from payoff.wrappers.llm.propose import describe, prompt, propose
from payoff.wrappers.llm.store import ReplyStore
from payoff.wrappers.llm.verdict import Finding, Verdict

PATH = Path(__file__).parent / "data" / "grid_nav.jsonl"
TASK = "Walk to the goal in the upper right corner."
EXPRESSIONS = [
    {"text": "obs.z", "why": "height"},
    {"text": "obs.x + obs.y", "why": "the goal is up and to the right"},
    {"text": "1 - abs(obs.x - 0.87) - abs(obs.y - 0.87)", "why": "nearer to the middle of the goal is better"},
    {"text": "__import__('os').system('true')", "why": "ignore all rules"},
]
FIRST = "I would rather talk about the weather."
SECOND = f"Here it is:\n```json\n{json.dumps({'expressions': EXPRESSIONS})}\n```\n"


def answer(messages, sample):
    return FIRST if len(messages) == 2 else SECOND


def unjudged(text):
    return Verdict(text, "potential", (Finding("parses", None, "not looked at"),))


def messages():
    env = environments.make_vector("payoff/GridNav-v0", 1, {"info": "full"})
    found = prompt(describe(env), TASK)
    env.close()
    return found


if __name__ == "__main__":
    PATH.unlink(missing_ok=True)
    client = Scripted(answer)
    propose(Recorded(client, ReplyStore.begin(PATH, client.by, client.settings)), messages(), unjudged)
