"""RepeatMaze: a hidden goal that stays with some probability: search once, then walk straight to it.

## Model
A square of `size` x `size` cells without inner walls; the seat starts in the middle. One of the other cells, drawn
uniformly, is the goal, which cannot be seen. A step moves the seat one cell up, down, left or right; at the edge it
stays. An inner episode ends at the goal or after 2 `size` steps; then the seat is back in the middle, and with
probability rho = `structure` the goal stays, else it is drawn anew. An episode has `episodes` inner ones, and nothing
announces a change.

It is the grid of the question that RepeatBandit asks (Rentschler and Roberts, arXiv 2508.01287): with structure, memory
and credit across inner episodes, a learner that only maximises reward should come to search in order. The switches are
the same: `structure`, `context_len`, and the learner's discount, which is no keyword here. A hidden goal in a small
grid is the paper's second kind of task; the size and the other rules were chosen for this library, and have not been
checked against it.

## Players and actions
One seat, four integer actions: 0 up, 1 down, 2 left, 3 right. There is no `action_mask`: a move at the edge uses up a
step of the inner episode, and the last one brings the seat back to the middle.

## Observations
In [0, 1]. Every setting begins with row and column of the seat, each divided by the last one. Then follow the last step
and the `context_len` inner episodes of 2 `size` steps before it, newest first: the action one-hot, the cell that it led
to, and what it paid; zeros where the episode is younger.

- `full`: then what a Bayesian would keep: the cells visited since the goal was drawn, row by row (1 outside a smaller
  grid of a batch); whether the goal has been found, and where; steps of this inner episode and inner episodes that are
  over, as shares; and steps taken, divided by the horizon. It thereby tells when the goal has moved.
- `private`, `minimal`: nothing more.

## Rewards
1 on the step that reaches the goal, else 0.

## Starting state
The goal comes from the copy's own stream, and so does every later draw: new goals too depend on the seed alone.

## Episode end
Terminated after `episodes` inner episodes, truncated after `max_steps`.

## Theory
The optimum is that of a player who is told when the goal has moved; for rho 0 and 1 being told adds nothing, in between
it bounds from above what the other settings allow. Let m = size^2 - 1 and T = 2 size.

In its first i inner episodes a player enters at most min(i T, m) cells where the goal could be. Which they are does not
depend on where it is until it is found, so the probability that the i-th inner episode of a goal pays is at most
a_i = min(i T, m) / m: it pays only if the goal has been found by then. How long a goal stays is out of the player's
hands. So no player expects more than the sum over the inner episodes of the expected a_i, i the age of the goal.

The walks that are stored here, and checked by a test, enter T new cells each, and at last the rest, so they attain
every a_i at once; and a goal that is known can be reached in size - 1 < T steps. The bound is the optimum: at the
defaults 10 / 24, 20 / 24, then 1 for ages 1, 2, 3, and 8.622 in all.

The optimum is given from every state in which the goal is known or the walks were followed; elsewhere it is refused,
and `policy` goes to the nearest cell that has not been visited, which is not always best. It is refused too where
`max_steps` may cut inner episodes off. Success is to reach the goal in at least half of the inner episodes.

## Parameters
`size` 5, one of 3, 5, 7; `episodes` 10; `structure` 0.9, in [0, 1]; `context_len` 0, with at most 64 steps;
`max_steps` None, which is 2 `size` `episodes` and cuts nothing off.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from payoff.envs import render
from payoff.envs.core import rng
from payoff.envs.core.game import Episode, Game, ObservationPlan, Rules, Sight, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number
from payoff.envs.core.state import Array, Copy, Layout, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.numbers import Setting
from payoff.envs.sight.settings import chosen
from payoff.envs.sparse.repeat_memory import MOST, recall, remember

__all__ = ["SETTINGS", "V0", "WALKS", "Observe", "RepeatMazeParams", "search_value"]

MOVE = words("up", "down", "left", "right")
LETTERS = "UDLR"  # of the moves, in WALKS
WALKS = {  # size -> walks of successive inner episodes that search a grid as fast as can be
    3: ("URDDLL", "LU"),
    5: ("DDRRULURUU", "URULLLDRDL", "DLDLU"),
    7: ("DDDRRRUUUUUULD", "ULDDDDLLURULUR", "RRULUULDLULLDR", "DDRRULUULLLL"),
}
MOST_CELLS = max(WALKS) ** 2
EVENT = events(
    began="the episode began",
    walked="walked",
    bumped="bumped into the edge",
    ran_out="ran out of steps",
    reached="reached the goal",
    ran_out_then_moved="ran out of steps, then the goal moved",
    reached_then_moved="reached the goal, then the goal moved",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatMazeParams(Params):
    """Keywords of RepeatMaze-v0."""

    size: Literal[3, 5, 7] = 5  # cells along a side
    episodes: int = 10  # inner episodes
    structure: float = 0.9  # rho, probability that the goal stays
    context_len: int = 0  # inner episodes that the observation looks back on
    max_steps: int | None = None  # None: 2 size episodes, which cuts nothing off

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("size", self.size, 3, 7)
        if self.size not in WALKS:
            raise ValueError(f"size must be one of {', '.join(map(str, WALKS))}, got {self.size!r}")
        check_integer("episodes", self.episodes, 1, 10_000)
        check_number("structure", self.structure, 0.0, 1.0)
        check_integer("context_len", self.context_len, 0, (MOST - 1) // self.steps)
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)

    @property
    def middle(self) -> int:
        """Cell where every inner episode begins."""
        return self.size * self.size // 2

    @property
    def last(self) -> int:
        """The last cell; they are numbered row by row."""
        return self.size * self.size - 1

    @property
    def steps(self) -> int:
        """Most steps of an inner episode."""
        return 2 * self.size

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return self.steps * self.episodes if self.max_steps is None else self.max_steps

    @property
    def remembered(self) -> int:
        """Steps that the observation shows."""
        return 1 + self.context_len * self.steps


class RepeatMaze(Copy):
    """State of one maze; the clock counts the steps of the episode."""

    cell: float = whole(0, lambda p: p.last)
    goal: float = whole(0, lambda p: p.last)
    used: float = whole(0, lambda p: p.steps - 1)  # steps of this inner episode
    done: float = whole(0, lambda p: p.episodes)  # inner episodes that are over
    tries: float = whole(0, lambda p: p.episodes)  # those since the goal was drawn that did not find it
    found: float = whole(0, 1)
    event: float = whole(0, EVENT)
    visited: Array = whole(0, 1, size=MOST_CELLS)  # since the goal was drawn
    memory: Array = whole(0, lambda p: 8 * p.last + 8, size=MOST)  # 1 + move + 4 where it paid + 8 x cell after it


@jit
def start(p: RepeatMazeParams, s: RepeatMaze) -> None:
    """A goal from the copy's stream, and the seat in the middle."""
    hide(p, s)
    s.cell = p.middle


@jit
def hide(p: RepeatMazeParams, s: RepeatMaze) -> None:
    """A new goal, anywhere but where the seat starts, of which nothing is known."""
    goal = rng.below(s, p.last)
    s.goal = goal + 1 if goal >= p.middle else goal
    s.tries, s.found = 0.0, 0.0
    for c in range(p.last + 1):
        s.visited[c] = 0.0
    s.visited[p.middle] = 1.0


@jit
def step(p: RepeatMazeParams, s: RepeatMaze, action: Array, payoff: Array) -> bool:
    """One step; the last inner episode ends the episode."""
    move, y, x = int(action[0]), int(s.cell) // p.size, int(s.cell) % p.size
    y += (1 if move == MOVE.down else 0) - (1 if move == MOVE.up else 0)
    x += (1 if move == MOVE.right else 0) - (1 if move == MOVE.left else 0)
    inside = y >= 0 and x >= 0 and y < p.size and x < p.size
    if inside:
        s.cell = y * p.size + x
    cell = int(s.cell)
    s.visited[cell] = 1.0
    s.event = EVENT.walked if inside else EVENT.bumped
    s.used += 1.0
    reached = 1 if cell == s.goal else 0
    payoff[0] = reached
    remember(s.memory, int(s.clock), 1 + move + 4 * reached + 8 * cell)
    if reached == 0 and s.used < p.steps:
        return False
    if reached == 1:
        s.event = EVENT.reached
        s.found = 1.0
    else:
        s.event = EVENT.ran_out
        s.tries += 1.0
    s.done += 1.0
    s.cell, s.used = p.middle, 0.0
    if rng.uniform(s) >= p.structure:
        hide(p, s)
        s.event = EVENT.reached_then_moved if reached == 1 else EVENT.ran_out_then_moved
    return s.done >= p.episodes


# -- what is seen ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe(Setting):
    """What a seat sees: pass one as ``observe=``, to Gymnasium and PettingZoo environments alike.

    Attributes:
        task: whether the cells visited, the goal if found, and the progress of the episode are shown.
        clock: whether the clock, steps taken divided by the horizon, comes last.
    """

    task: bool = True
    clock: bool = False


SETTINGS = {"full": Observe(clock=True), "private": Observe(task=False), "minimal": Observe(task=False)}
# side of the largest copy, steps that there is room for, and a flag
SEEN = np.dtype([("width", np.int64), ("room", np.int64), ("task", np.int64)], align=True)


@jit
def look(p: RepeatMazeParams, s: RepeatMaze, view: Any, seen: Array) -> None:
    """The seat, the last steps, then the task, then the clock."""
    far = view.width - 1.0
    seen[0], seen[1] = (int(s.cell) // p.size) / far, (int(s.cell) % p.size) / far
    at = 2
    for back in range(view.room):
        code = recall(s.memory, int(s.clock), back) - 1 if back < p.remembered else -1
        for k in range(len(MOVE)):
            seen[at + k] = 1.0 if code >= 0 and code % 4 == k else 0.0
        seen[at + 4] = (code // 8 // p.size) / far if code >= 0 else 0.0
        seen[at + 5] = (code // 8 % p.size) / far if code >= 0 else 0.0
        seen[at + 6] = code // 4 % 2 if code >= 0 else 0.0
        at += 7
    if view.task != 0:
        for i in range(view.width):
            for j in range(view.width):
                seen[at] = s.visited[i * p.size + j] if i < p.size and j < p.size else 1.0
                at += 1
        known = s.found != 0.0
        seen[at] = s.found
        seen[at + 1] = (int(s.goal) // p.size) / far if known else 0.0
        seen[at + 2] = (int(s.goal) % p.size) / far if known else 0.0
        seen[at + 3] = s.used * (1.0 / p.steps)
        seen[at + 4] = min(1.0, s.done * (1.0 / p.episodes))
        at += 5
    if seen.shape[0] > at:
        seen[at] = s.clock * (1.0 / p.horizon)


def plan(rows: Sequence[RepeatMazeParams], layout: Layout, seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Raise ValueError for an unknown name, TypeError for neither a name nor an Observe."""
    observe = chosen(setting, SETTINGS, Observe)
    room, width = max(p.remembered for p in rows), max(p.size for p in rows)
    entries = (*(f"action {move}" for move in MOVE._fields), "row", "column", "paid")
    names = ["row", "column", *(f"{what}[{back} ago]" for back in range(room) for what in entries)]
    if observe.task:
        names += [f"visited[{i},{j}]" for i in range(width) for j in range(width)]
        names += ["goal found", "goal row", "goal column", "steps of the inner episode", "inner episodes"]
    table = np.array([(width, room, observe.task)] * len(rows), dtype=SEEN)
    return ObservationPlan(table, (*names, *(["clock"] if observe.clock else [])))


# -- what is known -----------------------------------------------------------------------------------------------------


def search_value(size: int, age: int) -> float:
    """Probability that best search has found a goal by the end of the inner episode number ``age`` since it was drawn.

    Args:
        size: cells along a side.
        age: 1 for the first.
    """
    cells = size * size - 1
    return min(age * 2 * size, cells) / cells


@lru_cache(maxsize=64)
def _values(size: int, episodes: int, structure: float) -> tuple[Array, Array]:
    """Expected return with e inner episodes to come.

    Returns:
        With the goal known, ``(E + 1,)``; after j inner episodes that did not find it, ``(E + 1, J + 1)``.
    """
    searches = len(WALKS[size])
    known, unknown = np.zeros(episodes + 1), np.zeros((episodes + 1, searches + 1))
    for e in range(1, episodes + 1):
        anew = (1.0 - structure) * unknown[e - 1, 0]
        after = structure * known[e - 1] + anew
        known[e] = 1.0 + after
        for j in range(searches):
            before, by_now = search_value(size, j), search_value(size, j + 1)
            chance = (by_now - before) / (1.0 - before)
            unknown[e, j] = chance * (1.0 + after) + (1.0 - chance) * (structure * unknown[e - 1, j + 1] + anew)
    return known, unknown


@lru_cache(maxsize=64)
def _searched(size: int, tries: int, used: int) -> tuple[int, frozenset[int], int]:
    """Cell and cells visited after so many walks and steps of the next, and cells that its rest will add."""
    visited = {size * size // 2}
    cell, at_step = size * size // 2, (size * size // 2, frozenset(visited))
    for j in range(tries + 1):
        cell = size * size // 2
        for step, move in enumerate((*WALKS[size][j], None)):
            if j == tries and step == used:
                at_step = cell, frozenset(visited)
            if move is not None:
                cell += {"U": -size, "D": size, "L": -1, "R": 1}[move]
                visited.add(cell)
    return *at_step, len(visited) - len(at_step[1])


def _visited(params: RepeatMazeParams, s: RepeatMaze) -> frozenset[int]:
    return frozenset(np.flatnonzero(s.visited[: params.last + 1]).tolist())


def _on_the_walks(params: RepeatMazeParams, s: RepeatMaze) -> bool:
    """Whether the search so far is that of WALKS."""
    walks, used, tries = WALKS[params.size], int(s.used), int(s.tries)
    if s.found or tries >= len(walks) or used > len(walks[tries]):
        return False
    return _searched(params.size, tries, used)[:2] == (s.cell, _visited(params, s))


def _apart(size: int, a: int, b: int) -> int:
    return abs(a // size - b // size) + abs(a % size - b % size)


def optimum(params: RepeatMazeParams, s: RepeatMaze) -> tuple[float, int]:
    """Best expected return of a player who does not see the goal, and the least number of steps that can reach it.

    Raises:
        ValueError: the goal is not known and the search has left WALKS, or ``max_steps`` may cut inner episodes off.
    """
    if params.horizon < params.steps * params.episodes:
        least = params.steps * params.episodes
        raise ValueError(f"the optimum is known only for max_steps of at least {least}, got {params.horizon}")
    size, rho, used, tries = params.size, params.structure, int(s.used), int(s.tries)
    apart, left = _apart(size, int(s.cell), int(s.goal)), params.steps - used
    steps = apart if apart <= left else left + (1 if rho < 1.0 else _apart(size, params.middle, int(s.goal)))
    if s.over != 0.0:
        return 0.0, steps
    known, unknown = _values(size, params.episodes, rho)
    to_come = params.episodes - int(s.done) - 1
    anew = (1.0 - rho) * unknown[to_come, 0]
    after = rho * known[to_come] + anew
    if s.found:
        return float(apart <= left) + after, steps
    if not _on_the_walks(params, s):
        raise ValueError("the optimum is known only while the goal is known or the search follows WALKS")
    cells = size * size - len(_visited(params, s))
    chance = _searched(size, tries, used)[2] / cells
    return chance * (1.0 + after) + (1.0 - chance) * (rho * unknown[to_come, tries + 1] + anew), steps


def policy(params: RepeatMazeParams, s: RepeatMaze) -> int:
    """To the goal once it is known, else along WALKS; elsewhere to the nearest cell that has not been visited."""
    size, cell, goal = params.size, int(s.cell), int(s.goal)
    if not s.found and _on_the_walks(params, s):
        return LETTERS.index(WALKS[size][int(s.tries)][int(s.used)])
    if not s.found:
        unseen = set(range(size * size)) - _visited(params, s)
        goal = min(unseen, key=lambda c: (_apart(size, cell, c), c))
    down, right = goal // size - cell // size, goal % size - cell % size
    if down != 0:
        return int(MOVE.down if down > 0 else MOVE.up)
    return int(MOVE.right if right > 0 else MOVE.left)


def mostly_found(params: RepeatMazeParams, episode: Episode, s: RepeatMaze) -> bool:
    """Whether the goal was reached in at least half of the inner episodes."""
    return bool(episode.payoff.sum() >= params.episodes / 2)


_TILE = 40  # pixels


def draw(params: RepeatMazeParams, s: RepeatMaze) -> Array:
    """The grid from above: visited cells grey, the goal green (a ring while it is hidden), the seat a blue disc.

    Returns:
        ``(40 size, 40 size, 3)`` uint8.
    """
    size = params.size
    colours = np.full((size * size, 3), render.PAPER, dtype=np.uint8)
    colours[list(_visited(params, s))] = (222, 222, 216)
    picture = render.tiles(colours.reshape(size, size, 3), _TILE)
    down, right = (np.mgrid[:_TILE, :_TILE] + 0.5) / _TILE - 0.5  # from the middle of a tile, in tiles
    radius = np.hypot(down, right)
    for at, mask, colour in (
        (int(s.goal), radius < 0.44 if s.found else abs(radius - 0.38) < 0.06, (0, 158, 115)),
        (int(s.cell), radius < 0.28, render.BAR),
    ):
        y, x = at // size, at % size
        picture[y * _TILE : (y + 1) * _TILE, x * _TILE : (x + 1) * _TILE][mask] = colour
    return picture


V0 = Game(
    "payoff/RepeatMaze-v0",
    "A hidden goal that stays with some probability: search once, then walk straight to it.",
    tags=("reasoning", "grid", "stochastic"),
    rules=Rules(
        params=RepeatMazeParams,
        state=RepeatMaze,
        start=start,
        step=step,
        actions=lambda p: len(MOVE),
    ),
    sight=Sight(look, plan, tuple(SETTINGS)),
    info={"inner_episodes": "done", "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact_small",
        optimum=optimum,
        policy=policy,
        success=mostly_found,
        starts=lambda p: p.last,
        noisy=True,
        levels={"easy": {"size": 3}, "medium": {}, "hard": {"size": 7, "episodes": 20, "structure": 0.95}},
    ),
)
