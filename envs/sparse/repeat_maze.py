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
grid is the paper's second kind of task; the size and the other rules are ours, and have not been checked against it.

## Players and actions
One seat, four integer actions: 0 up, 1 down, 2 left, 3 right.

## Observations
In [0, 1]. Every setting begins with row and column of the seat, each over the last one, and the last step and the
`context_len` inner episodes of 2 `size` steps before it, newest first: the action one-hot, the cell that it led to, and
what it paid; zeros where the episode is younger.

- `full`: then, what a Bayesian would keep: the cells visited since the goal was drawn, row by row (1 outside a smaller
  grid of a batch); whether the goal has been found, and where; steps of this inner episode and inner episodes that are
  over, as shares; and steps taken over the horizon. It thereby tells when the goal has moved.
- `private`, `minimal`: nothing else.

## Rewards
1 on the step that reaches the goal, else 0.

## Starting state
The goal from the copy's own stream. All draws, those of later steps too, are the copy's own.

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
`max_steps` may cut inner episodes off. Success is to reach the goal
in at least half of the inner episodes.

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
from payoff.envs.core.game import Episode, Game, ObservationPlan, Readout, Shape
from payoff.envs.core.params import Params, check_integer, check_number
from payoff.envs.core.state import OVER, Array
from payoff.envs.sparse import repeat_maze_kernels as kernels
from payoff.envs.sparse.repeat_maze_kernels import LAYOUT
from payoff.envs.sparse.repeat_memory import MOST

__all__ = ["SETTINGS", "V0", "WALKS", "Observe", "RepeatMazeParams", "search_value"]

MOVES = "UDLR"  # actions 0 .. 3
WALKS = {  # size -> walks of successive inner episodes that search a grid as fast as can be
    3: ("URDDLL", "LU"),
    5: ("DDRRULURUU", "URULLLDRDL", "DLDLU"),
    7: ("DDDRRRUUUUUULD", "ULDDDDLLURULUR", "RRULUULDLULLDR", "DDRRULUULLLL"),
}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """An observation setting, the same object in every view.

    Attributes:
        task: whether the cells visited, the goal if found, and the progress of the episode are shown.
        clock: whether steps taken over the horizon come last.
    """

    task: bool = True
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        for name in ("task", "clock"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"observe.{name} must be True or False, got {getattr(self, name)!r}")


SETTINGS = {"full": Observe(clock=True), "private": Observe(task=False), "minimal": Observe(task=False)}


def plan(rows: Sequence[RepeatMazeParams], seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan, the same for every seat that is looked at: there is one.

    Args:
        rows: parameters of each copy, or one for all.
        seats: ``[0]``.
        setting: a name of SETTINGS or an :class:`Observe`.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor an Observe.
    """
    if isinstance(setting, str):
        if setting not in SETTINGS:
            raise ValueError(f"observe must be one of {', '.join(map(repr, SETTINGS))} or an Observe, got {setting!r}")
        setting = SETTINGS[setting]
    if not isinstance(setting, Observe):
        raise TypeError(f"observe must be a name or an Observe, got {type(setting).__name__}")
    room, width = max(p.remembered for p in rows), max(p.size for p in rows)
    table = np.array(
        [(p.size, width, p.remembered, room, setting.task, 1 / p.steps, 1 / p.episodes, 1 / p.horizon) for p in rows],
        dtype=kernels.SEEN,
    )
    entries = (*(f"action {a}" for a in ("up", "down", "left", "right")), "row", "column", "paid")
    names = ["row", "column", *(f"{what}[{back} ago]" for back in range(room) for what in entries)]
    if setting.task:
        names += [f"visited[{i},{j}]" for i in range(width) for j in range(width)]
        names += ["goal found", "goal row", "goal column", "steps of the inner episode", "inner episodes"]
    return ObservationPlan(table, (*names, *(["clock"] if setting.clock else [])), sees_actions=False)


def pack(rows: Sequence[RepeatMazeParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    return (np.array([(p.size, p.steps, p.episodes, p.structure) for p in rows], dtype=kernels.NUMBERS),)


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


def _read(row: Array) -> tuple[int, int, int, int, int, bool]:
    names = ("cell", "goal", "used", "done", "tries", "found")
    cell, goal, used, done, tries, found = (int(LAYOUT.view(row[None], name)[0]) for name in names)
    return cell, goal, used, done, tries, bool(found)


def _visited(size: int, row: Array) -> frozenset[int]:
    return frozenset(np.flatnonzero(LAYOUT.view(row[None], "visited")[0, : size * size]).tolist())


def _on_the_walks(size: int, row: Array) -> bool:
    """Whether the search so far is that of WALKS."""
    cell, _, used, _, tries, found = _read(row)
    if found or tries >= len(WALKS[size]) or used > len(WALKS[size][tries]):
        return False
    return _searched(size, tries, used)[:2] == (cell, _visited(size, row))


def _apart(size: int, a: int, b: int) -> int:
    return abs(a // size - b // size) + abs(a % size - b % size)


def optimum(params: RepeatMazeParams, row: Array) -> tuple[float, int]:
    """Best expected return of a player who does not see the goal, and the least number of steps that can reach it.

    Raises:
        ValueError: the goal is not known and the search has left WALKS, or ``max_steps`` may cut inner episodes off.
    """
    if params.horizon < params.steps * params.episodes:
        least = params.steps * params.episodes
        raise ValueError(f"the optimum is known only for max_steps of at least {least}, got {params.horizon}")
    size = params.size
    cell, goal, used, done, tries, found = _read(row)
    apart, left = _apart(size, cell, goal), params.steps - used
    steps = apart if apart <= left else left + (1 if params.structure < 1.0 else _apart(size, size * size // 2, goal))
    if row[OVER] != 0.0:
        return 0.0, steps
    rho = params.structure
    known, unknown = _values(size, params.episodes, rho)
    to_come = params.episodes - done - 1
    anew = (1.0 - rho) * unknown[to_come, 0]
    after = rho * known[to_come] + anew
    if found:
        return float(apart <= left) + after, steps
    if not _on_the_walks(size, row):
        raise ValueError("the optimum is known only while the goal is known or the search follows WALKS")
    cells = size * size - len(_visited(size, row))
    chance = _searched(size, tries, used)[2] / cells
    return chance * (1.0 + after) + (1.0 - chance) * (rho * unknown[to_come, tries + 1] + anew), steps


def policy(params: RepeatMazeParams, row: Array) -> Array:
    """Best move ``(1,)``: to the goal once it is known, else along WALKS; elsewhere to the nearest unvisited cell."""
    size = params.size
    cell, goal, used, _, tries, found = _read(row)
    if not found and _on_the_walks(size, row):
        return np.array([float(MOVES.index(WALKS[size][tries][used]))])
    if not found:
        goal = min(set(range(size * size)) - _visited(size, row), key=lambda c: (_apart(size, cell, c), c))
    down, right = goal // size - cell // size, goal % size - cell % size
    return np.array([(1.0 if down > 0 else 0.0) if down != 0 else (3.0 if right > 0 else 2.0)])


def mostly_found(params: RepeatMazeParams, episode: Episode) -> bool:
    """Whether the goal was reached in at least half of the inner episodes."""
    return bool(episode.payoff.sum() >= params.episodes / 2)


_TILE = 40  # pixels


def frame(params: RepeatMazeParams, row: Array, shape: Shape) -> Array:
    """The grid from above: visited cells grey, the goal green (a ring while it is hidden), the seat a blue disc.

    Returns:
        ``(40 size, 40 size, 3)`` uint8.
    """
    size = params.size
    cell, goal, _, _, _, found = _read(row)
    colours = np.full((size * size, 3), render.PAPER, dtype=np.uint8)
    colours[list(_visited(size, row))] = (222, 222, 216)
    picture = render.tiles(colours.reshape(size, size, 3), _TILE)
    down, right = (np.mgrid[:_TILE, :_TILE] + 0.5) / _TILE - 0.5  # from the middle of a tile, in tiles
    radius = np.hypot(down, right)
    for at, mask, colour in (
        (goal, radius < 0.44 if found else abs(radius - 0.38) < 0.06, (0, 158, 115)),
        (cell, radius < 0.28, render.BAR),
    ):
        y, x = at // size, at % size
        picture[y * _TILE : (y + 1) * _TILE, x * _TILE : (x + 1) * _TILE][mask] = colour
    return picture


V0 = Game(
    id="payoff/RepeatMaze-v0",
    params=RepeatMazeParams,
    doc=__doc__,
    kernels=kernels.KERNELS,
    shape=lambda p: Shape(1, 1, 4, LAYOUT, p.horizon),
    pack=pack,
    bounds=lambda p: np.array([[[0.0, 3.0]]]),
    baseline=lambda p: np.zeros(1),
    dependence=lambda p: np.zeros((1, 1)),
    plan=plan,
    frame=frame,
    observations=tuple(SETTINGS),
    readouts=(Readout("inner_episodes", False), Readout("caption", False)),
    captions=kernels.CAPTIONS,
    noisy=True,
    optimum=optimum,
    optimum_kind="exact_small",
    policy=policy,
    success=mostly_found,
    levels={"easy": {"size": 3}, "medium": {}, "hard": {"size": 7, "episodes": 20, "structure": 0.95}},
)
