"""Writes ``data/coin_line.jsonl``, replies that a person wrote: ``python -m tests.wrappers.llm.scripted_factors``.

To be run again where a prompt of method ``lare`` changed: the documentation of CoinLine, the language, or the words
around them.
"""

from __future__ import annotations

import json
from pathlib import Path

from payoff.baselines.llm.latent_factors import LatentFactors
from payoff.baselines.llm.methods import Request
from payoff.wrappers.llm.client import Recorded, Scripted
from payoff.wrappers.llm.store import ReplyStore

PATH = Path(__file__).parent / "data" / "coin_line.jsonl"
TASK = "Visit the coin as often as you can."
SAMPLES = (
    ["next_obs.cell[9]"],
    ["next_obs.cell[9]", "next_obs.time"],
    ["next_obs.visits - obs.visits"],
    ["abs(next_obs.cell[9] - obs.cell[9])", "action[0]"],
    ["info.aux"],
)
MERGED = ["next_obs.cell[9]", "info.aux", "next_obs.coin"]
CORRECTED = ["next_obs.cell[9]", "action[0]"]


def written(texts):
    listed = [{"text": text, "why": f"reason {i}"} for i, text in enumerate(texts, 1)]
    return f"The task comes down to one cell.\n```json\n{json.dumps({'factors': listed})}\n```\n"


def answer(messages, sample):
    """The third list takes two tries; two factors of the merged list are wrong."""
    if len(messages) == 3:
        return written(MERGED)
    if len(messages) == 5:
        return written(CORRECTED)
    return "I cannot see the coin." if (sample, len(messages)) == (2, 2) else written(SAMPLES[sample])


def request(out, **settings):
    wanted = {"env_id": "payoff/CoinLine-v0", "task": TASK, "use": "reward", "steps": 100, **settings}
    return Request(judge=None, out=out, keywords={}, **wanted)


if __name__ == "__main__":
    PATH.unlink(missing_ok=True)
    client = Scripted(answer)
    LatentFactors().run(request(PATH.parent), Recorded(client, ReplyStore.begin(PATH, client.by, client.settings)))
