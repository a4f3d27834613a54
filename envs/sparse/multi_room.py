"""MultiRoom: walk through a row of rooms to the goal in the last one; the doors may move from episode to episode.

## Model
`rooms` rooms of `width` columns and `height` rows of cells lie side by side, with one column between two of them and a
frame around all; x grows to the right, y downwards. A column between two rooms is open in one cell, its door. An action
moves the seat one cell to the right, down, left or up. The frame and the closed cells of the columns are lava, which
ends the episode; with `lava=False` they are walls, and a step into them changes nothing.

A context is one choice of start, goal and doors; each episode is played in one context. The design is that of a study
(Henaff, Jiang and Raileanu 2023) that asks when counting the visits within an episode explores better than counting
them over all episodes. It plays MultiRoom-N6-Lava of MiniHack with 1, 3, 5, 10 or unlimited contexts, and argues that
the answer depends on how much the contexts share. This is a small form of that task which can be solved exactly, with
moves instead of turns and with doors that stand open; it is not meant to reproduce any figure of the study.

## Players and actions
One seat, four integer actions: 0 right, 1 down, 2 left, 3 up. `action_mask` leaves out moves into walls, even where
`minimal` does not show the doors; into lava one may go, so with `lava` it leaves out nothing.

## Observations
Flat, in [0, 1]. The exit of a room is the door on its right; of the last room it is the goal. A doorway counts as
column 0 of the room on its right, so a seat in a doorway is shown the exit of that room.

- `full` (scope `symbols` of an `Observe`): rooms + 5 numbers, the whole state: column and row of the seat and of the
  goal, divided by the last column and row of the grid; how far to the right of the seat and how far below it the exit
  lies, d cells as 0.5 + 0.5 d / (1 + |d|); and the row of each door, divided by the last row. Where copies of a batch
  differ in `rooms`, absent doors are 0.
- `private` (also called `room`): width + 3 height + 6 numbers that look alike in every room: the column in the room and
  the row, one-hot each; how many rows below the seat the exit lies, one-hot from 1 - height to height - 1; how far to
  the right it lies, as above; whether this is the last room; and whether the cells to the right, below, to the left and
  above are wall or lava.
- `minimal` (also called `position`): 2 numbers, column and row of the seat, as in `full`.
- `cells`: the cell of the seat one-hot, column by column, for tables and linear learners; all 0 in the lava of the
  frame.

## Rewards
1 on the step that reaches the goal, else 0.

## Starting state
The parts of a context are the start cell, the goal cell and the row of each door. The start is uniform over the first
room, the goal over the last, and each door over the rows. By default each episode draws a new context from the copy's
own random stream (a copy is one environment of a batch). With `layouts` K each episode draws one of K fixed contexts,
which are the same for every seed; the contexts of a smaller K are the first ones of a larger.

`shared` s says how much contexts have in common. There is one common layout; each part of a context is taken from it
with probability s, independently, and is the context's own otherwise. At 1 all contexts are the same. Whatever a
context shares at a small s it also shares at a larger one.

## Episode end
Terminated at the goal and in the lava, truncated after `max_steps`.

## Theory
The least number of steps left has a closed form (`payoff.envs.sparse.multi_room.remaining`): every way to the goal
passes the doors ahead in their order, and between one and the next lies an empty rectangle, which a shortest way
crosses in as many steps as rows and columns differ. From any start there are at most rooms (width + height) - 2 steps
to go. `progress` in `info` is 1 minus the steps to go divided by that number (0 in the lava); `progress - 1` is a
potential for shaping that is 0 at the goal. The optimal return is 1.

Uniformly random play must pass every door before it meets the lava; `payoff.certificate("payoff/MultiRoom-v0")` holds
its exact success rate, averaged over sampled starts.

## Parameters
`rooms` 6, in 2 .. 12; `width` 3, in 1 .. 16; `height` 5, in 2 .. 16; `lava` True; `layouts` None, which is unlimited;
`shared` 0, in [0, 1]; `max_steps` None, which is 4 (rooms (width + height) - 2).

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs import render
from payoff.envs.core import rng
from payoff.envs.core.game import Game, ObservationPlan, Rules, Sight, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_flag, check_integer, check_number, check_word, record
from payoff.envs.core.state import Array, Copy, Layout, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.settings import chosen
from payoff.envs.sparse.boards import DANGER, FLOOR, GOAL, SEAT, WALL
from payoff.envs.sparse.directions import DIRECTION, offset, x_of, y_of

__all__ = ["SETTINGS", "V0", "MultiRoomParams", "Observe"]

MOST_ROOMS = 12
SCOPE = words("symbols", "room", "position", "cells")  # what an Observe shows; symbols: the whole state
EVENT = events(
    began="the episode began",
    walked="walked",
    bumped="bumped into a wall",
    fell="fell into the lava",
    passed="went through a door",
    reached="reached the goal",
)
CONTEXTS = rng.seed_key(0x526F6F6D73)  # key of the fixed contexts: episode 0 is the common layout, k + 1 context k


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiRoomParams(Params):
    """Keywords of MultiRoom-v0."""

    rooms: int = 6  # number of rooms
    width: int = 3  # columns of cells in a room
    height: int = 5  # rows of cells
    lava: bool = True  # False: walls
    layouts: int | None = None  # number of fixed contexts; None: unlimited
    shared: float = 0.0  # s, probability that a part of a context is that of the common layout
    max_steps: int | None = None  # None: 4 (rooms (width + height) - 2)

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("rooms", self.rooms, 2, MOST_ROOMS)
        check_integer("width", self.width, 1, 16)
        check_integer("height", self.height, 2, 16)
        check_flag("lava", self.lava)
        check_number("shared", self.shared, 0.0, 1.0)
        if self.layouts is not None:
            check_integer("layouts", self.layouts, 1, 2**31)
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return 4 * self.longest if self.max_steps is None else self.max_steps

    @property
    def longest(self) -> int:
        """Largest number of steps that can be left."""
        return self.rooms * (self.width + self.height) - 2

    @property
    def contexts(self) -> int:
        """``layouts`` as a number; 0: unlimited."""
        return self.layouts or 0

    @property
    def stride(self) -> int:
        """Columns from one door to the next."""
        return self.width + 1

    @property
    def last_column(self) -> int:
        """Column of the frame on the right."""
        return self.rooms * self.stride


class MultiRoom(Copy):
    """State of one row of rooms."""

    x: float = whole(0, lambda p: p.last_column)  # in the lava the seat may be in the frame
    y: float = whole(0, lambda p: p.height + 1)
    goal_x: float = whole(lambda p: p.last_column - p.width, lambda p: p.last_column - 1)
    goal_y: float = whole(1, lambda p: p.height)
    doors: Any = whole(0, lambda p: p.height, size=MOST_ROOMS - 1)  # row of each door; unused entries are 0
    event: float = whole(0, EVENT)


@jit
def start(p: MultiRoomParams, s: MultiRoom) -> None:
    """A context: the common layout first, then the parts that are the context's own.

    A draw is a function of ``s.key``, ``s.episode`` and ``s.counter``, and adds 1 to the counter. So to draw a fixed
    context these three are set to its own, and afterwards put back to where the copy's stream was.
    """
    context = rng.below(s, p.contexts) if p.contexts > 0 else -1
    key, episode, counter = s.key, s.episode, s.counter
    if p.shared > 0.0:
        s.key, s.episode, s.counter = CONTEXTS, 0.0, 0.0
        lay_out(p, s, 0.0)
        s.key, s.episode, s.counter = key, episode, counter
    if context >= 0:
        s.key, s.episode, s.counter = CONTEXTS, context + 1.0, 0.0
    lay_out(p, s, p.shared)
    if context >= 0:
        s.key, s.episode, s.counter = key, episode, counter


@jit
def lay_out(p: MultiRoomParams, s: MultiRoom, stay: float) -> None:
    """Draw start, goal and doors, each of which stays as it is with probability ``stay``.

    A part that stays is drawn all the same, so that the draws of the others do not depend on it.
    """
    stays = rng.uniform(s) < stay
    cell = rng.below(s, p.width * p.height)
    if not stays:
        s.x, s.y = 1 + cell // p.height, 1 + cell % p.height
    stays = rng.uniform(s) < stay
    cell = rng.below(s, p.width * p.height)
    if not stays:
        s.goal_x, s.goal_y = (p.rooms - 1) * p.stride + 1 + cell // p.height, 1 + cell % p.height
    for door in range(p.rooms - 1):
        stays = rng.uniform(s) < stay
        row = 1 + rng.below(s, p.height)
        if not stays:
            s.doors[door] = row


@jit
def is_border(p: MultiRoomParams, s: MultiRoom, x: int, y: int) -> bool:
    """Whether a cell is wall or lava: the frame, or a column between two rooms but for its door."""
    if x <= 0 or y <= 0 or y > p.height or x >= p.last_column:
        return True
    return x % p.stride == 0 and s.doors[x // p.stride - 1] != y


@jit
def step(p: MultiRoomParams, s: MultiRoom, action: Array, payoff: Array) -> bool:
    """One step; goal and lava end the episode."""
    move = int(action[0])
    x, y = int(s.x) + x_of(move), int(s.y) + y_of(move)
    border = is_border(p, s, x, y)
    if border and not p.lava:
        s.event = EVENT.bumped
        return False
    s.x, s.y = min(max(x, 0), p.last_column), min(max(y, 0), p.height + 1)  # a restored state may be in the frame
    if border:
        s.event = EVENT.fell
        return True
    if x == s.goal_x and y == s.goal_y:
        s.event = EVENT.reached
        payoff[0] = 1.0
        return True
    s.event = EVENT.passed if x % p.stride == 0 else EVENT.walked
    return False


@jit
def walks(p: MultiRoomParams, s: MultiRoom, k: int) -> bool:
    """Whether action k leads to another cell, be it of lava."""
    return p.lava != 0 or not is_border(p, s, int(s.x) + x_of(k), int(s.y) + y_of(k))


@jit
def exit_x(p: MultiRoomParams, s: MultiRoom) -> int:
    """Column of the next door on the way, or of the goal."""
    room = int(s.x) // p.stride  # from 0; a doorway belongs to the room on its right
    return (room + 1) * p.stride if room < p.rooms - 1 else int(s.goal_x)


@jit
def exit_y(p: MultiRoomParams, s: MultiRoom) -> int:
    """Row of the next door on the way, or of the goal."""
    room = int(s.x) // p.stride
    return int(s.doors[room]) if room < p.rooms - 1 else int(s.goal_y)


@jit
def remaining(p: MultiRoomParams, s: MultiRoom) -> int:
    """Least number of steps to the goal, exact from every cell that is neither wall nor lava; 0 at the goal."""
    y = int(s.y)
    steps = abs(int(s.goal_x) - int(s.x))
    for door in range(int(s.x) // p.stride, p.rooms - 1):
        steps += abs(int(s.doors[door]) - y)
        y = int(s.doors[door])
    return steps + abs(int(s.goal_y) - y)


@jit
def progress(p: MultiRoomParams, s: MultiRoom) -> float:
    """1 minus the steps to go, divided by the most there can be from a start; 0 in the lava."""
    lost = s.over != 0.0 and is_border(p, s, int(s.x), int(s.y))
    return 0.0 if lost else 1.0 - remaining(p, s) / p.longest


def optimum(params: MultiRoomParams, s: MultiRoom) -> tuple[float, int]:
    """1 where the goal can still be reached in time, and the least number of steps to it."""
    steps = int(remaining(record(params), s))
    return float(s.over == 0 and steps <= params.horizon - s.clock), steps


def policy(params: MultiRoomParams, s: MultiRoom) -> float:
    """An action that brings the goal one step nearer: to the row of the exit, then through it."""
    p = record(params)
    x, y = exit_x(p, s), exit_y(p, s)
    if s.x % params.stride == 0 or s.y == y:  # in a doorway only left and right are open
        return float(DIRECTION.left if x < s.x else DIRECTION.right)
    return float(DIRECTION.down if y > s.y else DIRECTION.up)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """What a seat sees: pass one as ``observe=``, to Gymnasium and PettingZoo environments alike.

    Attributes:
        scope: the whole state, features of the room, the cell as two numbers, or the cell one-hot.
        clock: whether the clock, steps taken divided by the horizon, comes last.
    """

    scope: Literal["symbols", "room", "position", "cells"] = "symbols"
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        check_word("observe.scope", self.scope, SCOPE._fields)
        check_flag("observe.clock", self.clock)


SETTINGS = {
    "full": Observe(scope="symbols"),
    "private": Observe(scope="room"),
    "minimal": Observe(scope="position"),
    "room": Observe(scope="room"),
    "position": Observe(scope="position"),
    "cells": Observe(scope="cells"),
}
VIEW = np.dtype([("scope", np.int64), ("n_doors", np.int64)], align=True)  # doors of the copy with the most rooms


def _names(scope: str, rooms: int, width: int, height: int) -> list[str]:
    if scope == "symbols":
        places = ["column", "row", "goal column", "goal row", "exit to the right", "exit below"]
        return [*places, *(f"door row[{i}]" for i in range(rooms - 1))]
    if scope == "room":
        return [
            *(f"column in the room[{i}]" for i in range(width + 1)),
            *(f"row[{i}]" for i in range(1, height + 1)),
            *(f"exit below[{d:+d}]" for d in range(1 - height, height)),
            "exit to the right",
            "last room",
            *(f"border[{way}]" for way in ("right", "below", "left", "above")),
        ]
    if scope == "cells":
        return [f"cell[{x},{y}]" for x in range(1, rooms * (width + 1)) for y in range(1, height + 1)]
    return ["column", "row"]


def plan(rows: Sequence[MultiRoomParams], layout: Layout, seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan.

    Raises:
        ValueError: an unknown name, or one-hot features of grids of several sizes in one batch.
        TypeError: neither a name nor an Observe.
    """
    observe = chosen(setting, SETTINGS, Observe)
    for name in {"room": ("width", "height"), "cells": ("rooms", "width", "height")}.get(observe.scope, ()):
        values = sorted({getattr(p, name) for p in rows})
        if len(values) > 1:
            raise ValueError(f"{name} must be the same in all copies of a batch that is seen so, got {values}")
    most = max(p.rooms for p in rows)
    table = np.array([(getattr(SCOPE, observe.scope), most - 1)] * len(rows), dtype=VIEW)
    names = _names(observe.scope, most, rows[0].width, rows[0].height)
    return ObservationPlan(table, (*names, *(["clock"] if observe.clock else [])))


@jit
def look(p: MultiRoomParams, s: MultiRoom, view: Any, seen: Array) -> None:
    """What the seat sees."""
    if view.scope == SCOPE.symbols:
        at = see_symbols(p, s, view.n_doors, seen)
    elif view.scope == SCOPE.room:
        at = see_room(p, s, seen)
    elif view.scope == SCOPE.cells:
        at = see_cells(p, s, seen)
    else:
        seen[0], seen[1] = s.x / p.last_column, s.y / (p.height + 1)
        at = 2
    if seen.shape[0] > at:
        seen[at] = s.clock * (1.0 / p.horizon)


@jit
def see_symbols(p: MultiRoomParams, s: MultiRoom, n_doors: int, seen: Array) -> int:
    """The whole state: cell, goal, the way to the exit, doors. Returns how many numbers, as the two below do."""
    across, down = 1.0 / p.last_column, 1.0 / (p.height + 1)
    seen[0], seen[1] = s.x * across, s.y * down
    seen[2], seen[3] = s.goal_x * across, s.goal_y * down
    seen[4], seen[5] = offset(exit_x(p, s) - int(s.x)), offset(exit_y(p, s) - int(s.y))
    for door in range(n_doors):
        seen[6 + door] = s.doors[door] * down if door < p.rooms - 1 else 0.0
    return 6 + n_doors


@jit
def see_room(p: MultiRoomParams, s: MultiRoom, seen: Array) -> int:
    """What looks alike in every room: the place in it, where its exit lies, and the cells around."""
    x, y = int(s.x), int(s.y)
    n = p.width + 3 * p.height
    for k in range(n):
        seen[k] = 0.0
    seen[x % p.stride] = 1.0
    if y >= 1 and y <= p.height:  # in lava of the frame the seat is in no row
        seen[p.stride + y - 1] = 1.0
        seen[p.stride + 2 * p.height - 1 + exit_y(p, s) - y] = 1.0
    seen[n] = offset(exit_x(p, s) - x)
    seen[n + 1] = 1.0 if x // p.stride >= p.rooms - 1 else 0.0
    for move in range(4):
        seen[n + 2 + move] = 1.0 if is_border(p, s, x + x_of(move), y + y_of(move)) else 0.0
    return n + 6


@jit
def see_cells(p: MultiRoomParams, s: MultiRoom, seen: Array) -> int:
    """One number for each cell inside the frame; none is 1 where the seat fell into the frame."""
    columns = p.last_column - 1
    for k in range(columns * p.height):
        seen[k] = 0.0
    x, y = int(s.x) - 1, int(s.y) - 1
    if x >= 0 and x < columns and y >= 0 and y < p.height:
        seen[x * p.height + y] = 1.0
    return columns * p.height


DOOR = (205, 180, 140)
TILE = 24  # pixels


def draw(params: MultiRoomParams, s: MultiRoom) -> Array:
    """The rooms from above: lava red, walls grey, doors brown, goal green, seat a blue disc.

    ``(24 (height + 2), 24 (rooms (width + 1) + 1), 3)``.
    """
    colours = np.full((params.height + 2, params.last_column + 1, 3), FLOOR, dtype=np.uint8)
    colours[[0, -1]] = colours[:, :: params.stride] = DANGER if params.lava else WALL
    for i in range(1, params.rooms):
        colours[int(s.doors[i - 1]), i * params.stride] = DOOR
    colours[int(s.goal_y), int(s.goal_x)] = GOAL
    picture = render.tiles(colours, TILE)
    down, right = (np.mgrid[:TILE, :TILE] + 0.5) / TILE - 0.5
    x, y = TILE * int(s.x), TILE * int(s.y)
    picture[y : y + TILE, x : x + TILE][np.hypot(down, right) < 0.34] = SEAT
    return picture


V0 = Game(
    "payoff/MultiRoom-v0",
    "A row of rooms with doors to find and lava around; how much episodes have in common is a keyword.",
    tags=("sparse", "grid", "tabular"),
    rules=Rules(
        params=MultiRoomParams,
        state=MultiRoom,
        start=start,
        step=step,
        actions=lambda p: len(DIRECTION),
        mask=walks,
        tabular=True,
    ),
    sight=Sight(look, plan, tuple(SETTINGS)),
    info={"progress": progress, "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact",
        optimum=optimum,
        policy=policy,
        levels={"easy": {"rooms": 2, "lava": False}, "medium": {"rooms": 6, "lava": False}, "hard": {"rooms": 6}},
    ),
)
