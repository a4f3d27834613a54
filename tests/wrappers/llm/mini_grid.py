"""Captions and labels for MiniGrid, whose info is empty; writes ``data/mini_grid.jsonl``, replies of a script:

    python -m tests.wrappers.llm.mini_grid

To be run again where the prompt of a question changed.
"""

from __future__ import annotations

from pathlib import Path

from payoff.wrappers.llm.client import Recorded, Scripted
from payoff.wrappers.llm.questions import Helps
from payoff.wrappers.llm.store import ReplyStore

PATH = Path(__file__).parent / "data" / "mini_grid.jsonl"
GOAL = "use the key to open the door and then get to the goal"  # the mission of DoorKey
CAPTIONS = {  # (a key is carried, an open door is ahead) -> caption
    (False, False): "walks with empty hands",
    (True, False): "carries a key",
    (False, True): "stands at an open door with empty hands",
    (True, True): "stands at an open door with a key",
}
HELP = ("carries a key", "stands at an open door with a key", "stands at an open door with empty hands")
KEY, DOOR, OPEN = 5, 4, 0  # MiniGrid's numbers of objects and of the state of a door


def captions(obs, info):
    """Texts ``(R,)`` of flat observations: direction one-hot, 4 numbers, then the view (7, 7, 3), seat at (3, 6)."""
    view = obs[:, 4:].reshape(-1, 7, 7, 3)
    carries = view[:, 3, 6, 0] == KEY
    at_door = (view[:, 3, 5, 0] == DOOR) & (view[:, 3, 5, 2] == OPEN)
    return [CAPTIONS[bool(key), bool(door)] for key, door in zip(carries, at_door, strict=True)]


def answer(messages, sample):
    """What the script replies: by the caption in the prompt."""
    told = messages[1]["content"].partition("reports: ")[2].partition("\n")[0]
    return f'{{"answer": "{"yes" if told.strip(chr(34)) in HELP else "no"}"}}'


if __name__ == "__main__":
    PATH.unlink(missing_ok=True)
    client = Scripted(answer)
    recorded = Recorded(client, ReplyStore.begin(PATH, client.by, client.settings))
    for caption in CAPTIONS.values():
        recorded.ask(Helps(GOAL, caption).messages())
