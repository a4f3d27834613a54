"""An independent reading of KeyRoom's rules, and rows to try them on."""

from types import SimpleNamespace

import numpy as np
import pytest

import payoff
from payoff.envs import registry

ID = "payoff/KeyRoom-v0"
LEFT, RIGHT, FORWARD, PICK_UP, OPEN = range(5)
MOVES = [(1, 0), (0, 1), (-1, 0), (0, -1)]  # by heading: right, down, left, up


def layout():
    game = registry.load(ID)
    return game.shape(game.params()).layout


class Reference:
    """The rules once more, in plain Python: a map of characters and a state (x, y, heading, key, open)."""

    def __init__(self, size, row):
        f = {name: [int(v) for v in layout().view(row[None], name).ravel()] for name in layout().shapes}
        self.cells = {
            (x, y): "#" if {x, y} & {0, size - 1} or x == f["wall"][0] else "."
            for x in range(size)
            for y in range(size)
        }
        self.cells[f["wall"][0], f["door"][0]] = "D"
        self.cells[f["key_x"][0], f["key_y"][0]] = "K"
        self.cells[f["goal_x"][0], f["goal_y"][0]] = "G"
        self.start = (f["x"][0], f["y"][0], f["heading"][0], bool(f["has_key"][0]), bool(f["door_open"][0]))

    def look(self, state, x, y):
        cell = self.cells.get((x, y), "#")
        _, _, _, key, is_open = state
        return "." if cell == "K" and key else "O" if cell == "D" and is_open else cell

    def step(self, state, action):
        x, y, h, key, is_open = state
        if action == LEFT:
            return (x, y, (h - 1) % 4, key, is_open)
        if action == RIGHT:
            return (x, y, (h + 1) % 4, key, is_open)
        ahead = (x + MOVES[h][0], y + MOVES[h][1])
        seen = self.look(state, *ahead)
        if action == FORWARD and seen in ".OG":
            return (*ahead, h, key, is_open)
        if action == PICK_UP and seen == "K":
            return (x, y, h, True, is_open)
        if action == OPEN and seen == "D" and key:
            return (x, y, h, key, True)
        return state

    def at_goal(self, state):
        return self.cells[state[:2]] == "G"

    def distances(self):
        """Steps to the goal of every state that the start leads to: search forwards, then backwards."""
        parents, order = {self.start: set()}, [self.start]
        for state in order:
            if not self.at_goal(state):
                for action in range(5):
                    after = self.step(state, action)
                    if after not in parents:
                        parents[after] = set()
                        order.append(after)
                    parents[after].add(state)
        found = {state: 0 for state in order if self.at_goal(state)}
        queue = list(found)
        for state in queue:
            for before in parents[state] - found.keys():
                found[before] = found[state] + 1
                queue.append(before)
        return found


def start_rows(count, **keywords):
    env = payoff.multi_agent_vec(ID, count, **keywords)
    env.reset(seed=0)
    return env.engine.state.copy()


def place(row, state):
    x, y, heading, key, is_open = state
    row = row.copy()
    for name, value in (("x", x), ("y", y), ("heading", heading), ("has_key", key), ("door_open", is_open)):
        layout().view(row[None], name)[0] = value
    return row


def state_of(row):
    x, y, heading, key, is_open = (
        layout().view(row[None], n)[0] for n in ("x", "y", "heading", "has_key", "door_open")
    )
    return (int(x), int(y), int(heading), bool(key), bool(is_open))


def random_rows(size, count, seed=0):
    """Reachable states, by random play from many starts."""
    env = payoff.multi_agent_vec(ID, count, size=size, autoreset_mode="same_step", max_steps=10_000)
    env.reset(seed=seed)
    draw = np.random.default_rng(seed)
    for _ in range(300):
        env.step(draw.integers(0, 5, (count, 1)))
    return env.engine.state.copy()


def far_corners(size):
    """The longest start: out to the key in the corner, back to the door, and down to the other corner."""
    row = start_rows(1, size=size)[0]
    far = size - 2
    for name, value in (
        ("wall", size - 3),
        ("door", 1),
        ("key_x", 1),
        ("key_y", far),
        ("goal_x", far),
        ("goal_y", far),
    ):
        layout().view(row[None], name)[0] = value
    return place(row, (size - 4, 1, 3, False, False))


@pytest.fixture(scope="session")
def room():
    """What several test files need, under one name."""
    return SimpleNamespace(
        Reference=Reference,
        far_corners=far_corners,
        place=place,
        random_rows=random_rows,
        start_rows=start_rows,
        state_of=state_of,
        moves=MOVES,
    )
