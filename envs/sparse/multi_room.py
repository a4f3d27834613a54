"""MultiRoom: a row of rooms with doors at rows that differ from context to context; the goal is in the last one.

## Model
`rooms` rooms of `width` columns and `height` rows of cells lie side by side, with one column between two of them and a
frame around all; x grows to the right, y downwards. A column between two rooms is open in one cell, its door. An
action moves the seat one cell to the right, down, left or up. Frame and columns are lava, which ends the episode; with
`lava=False` they are walls, and a step into them changes nothing.

The design is that of a study of when counting visits in an episode explores better than counting them over all
episodes (Henaff, Jiang and Raileanu 2023): it plays MultiRoom-N6-Lava of MiniHack with 1, 3, 5, 10 or unlimited
contexts, and argues that what contexts share decides. This is a small form of it that can be solved exactly, with
moves instead of turns and with doors that stand open; no figures of the study are meant to be met.

## Players and actions
One seat, four integer actions: 0 right, 1 down, 2 left, 3 up.

## Observations
Flat, in [0, 1].

- `full`: rooms + 5 numbers, the whole state: cell and goal over the last column and row of the grid; how far to the
  right and how far below the seat the exit of the room lies (its door, in the last room the goal), d cells as 0.5 +
  0.5 d / (1 + |d|); and the row of each door. Where copies of a batch differ in `rooms`, absent doors are 0.
- `private` (also called `room`): width + 3 height + 6 numbers that look alike in every room: column in the room and row
  one-hot (column 0 is the doorway), rows to the exit one-hot, columns to it as above, whether this is the last room,
  and whether the cells to the right, below, to the left and above are wall or lava.
- `minimal` (also called `position`): 2 numbers, the cell.
- `cells`: the cell one-hot, column by column, for tables and linear learners; all 0 in the lava of the frame.

## Rewards
1 on the step that reaches the goal, else 0.

## Starting state
Start cell, goal cell and the row of each door make a context. The start is uniform over the first room, the goal over
the last, and each door over the rows; all come from the copy's own stream, or with `layouts` K from K fixed contexts,
the same for every seed; those of a smaller K are the first ones of a larger. `shared` s is how much contexts have in
common: each of these is, with probability s and independently, that of one common layout instead of the context's own.
At 1 there is one context; what a context shares at a small s it also shares at a larger one.

## Episode end
Terminated at the goal and in the lava, truncated after `max_steps`.

## Theory
The least number of steps left has a closed form (`payoff.envs.sparse.multi_room_kernels.remaining`): every way to the
goal passes the doors ahead in their order, and between two of them lies an empty rectangle, in which as many steps as
rows and columns differ are needed and enough. From any start there are at most rooms (width + height) - 2 steps, and
`progress` in `info` is one minus the share of them that is left (0 in the lava); `progress - 1` is a potential for
shaping that is 0 at the goal. The optimal return is 1.

Uniformly random play must pass every door before it meets the lava; the certificate holds its exact success rate.

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
from payoff.envs.core.game import Game, ObservationPlan, Readout, Shape, paid
from payoff.envs.core.params import Params, check_flag, check_integer, check_number
from payoff.envs.core.state import CLOCK, OVER, Array
from payoff.envs.sparse import multi_room_kernels as kernels
from payoff.envs.sparse.multi_room_kernels import LAYOUT, MOST_ROOMS, SCOPES
from payoff.envs.sparse.settings import chosen

__all__ = ["SETTINGS", "V0", "MultiRoomParams", "Observe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiRoomParams(Params):
    """Keywords of MultiRoom-v0."""

    rooms: int = 6  # number of rooms
    width: int = 3  # columns of cells in a room
    height: int = 5  # rows of cells
    lava: bool = True  # False: walls
    layouts: int | None = None  # number of fixed contexts; None: unlimited
    shared: float = 0.0  # probability that a part of a context is that of the common layout, s
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
    def longest(self) -> int:
        """Largest number of steps that can be left."""
        return self.rooms * (self.width + self.height) - 2

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return 4 * self.longest if self.max_steps is None else self.max_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """An observation setting, the same object in every view.

    Attributes:
        scope: the whole state, features of the room, the cell as two numbers, or the cell one-hot.
        clock: whether steps taken over the horizon come last.
    """

    scope: Literal["symbols", "room", "position", "cells"] = "symbols"
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        if self.scope not in SCOPES:
            raise ValueError(f"observe.scope must be one of {', '.join(map(repr, SCOPES))}, got {self.scope!r}")
        if not isinstance(self.clock, bool):
            raise ValueError(f"observe.clock must be True or False, got {self.clock!r}")


SETTINGS = {
    "full": Observe(scope="symbols"),
    "private": Observe(scope="room"),
    "minimal": Observe(scope="position"),
    "room": Observe(scope="room"),
    "position": Observe(scope="position"),
    "cells": Observe(scope="cells"),
}


def _names(scope: str, rooms: int, width: int, height: int) -> list[str]:
    if scope == "symbols":
        places = ["column", "row", "goal column", "goal row", "exit to the right", "exit below"]
        return [*places, *(f"door row[{i}]" for i in range(rooms - 1))]
    if scope == "room":
        ways = ("right", "below", "left", "above")
        return [
            *(f"column in the room[{i}]" for i in range(width + 1)),
            *(f"row[{i}]" for i in range(1, height + 1)),
            *(f"exit below[{d:+d}]" for d in range(1 - height, height)),
            "exit to the right",
            "last room",
            *(f"border[{way}]" for way in ways),
        ]
    if scope == "cells":
        return [f"cell[{x},{y}]" for x in range(1, rooms * (width + 1)) for y in range(1, height + 1)]
    return ["column", "row"]


def plan(rows: Sequence[MultiRoomParams], seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan, the same for every seat that is looked at: there is one.

    Args:
        rows: parameters of each copy, or one for all.
        seats: ``[0]``.
        setting: a name of SETTINGS or an :class:`Observe`.

    Raises:
        ValueError: an unknown name, or one-hot features of grids of several sizes in one batch.
        TypeError: neither a name nor an Observe.
    """
    setting = chosen(setting, SETTINGS, Observe)
    for name in {"room": ("width", "height"), "cells": ("rooms", "width", "height")}.get(setting.scope, ()):
        values = sorted({getattr(p, name) for p in rows})
        if len(values) > 1:
            raise ValueError(f"{name} must be the same in all copies of a batch that is seen so, got {values}")
    most = max(p.rooms for p in rows)
    code = SCOPES.index(setting.scope)
    table = np.array([(code, p.rooms, p.width, p.height, most - 1, 1.0 / p.horizon) for p in rows], dtype=kernels.SEEN)
    names = [*_names(setting.scope, most, rows[0].width, rows[0].height), *(["clock"] if setting.clock else [])]
    return ObservationPlan(table, tuple(names), sees_actions=False)


def pack(rows: Sequence[MultiRoomParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    numbers = [(p.rooms, p.width, p.height, p.lava, p.layouts or 0, p.longest, p.shared) for p in rows]
    return (np.array(numbers, dtype=kernels.NUMBERS),)


def optimum(params: MultiRoomParams, row: Array) -> tuple[float, int]:
    """Best return from a state, and the least number of steps to the goal.

    The return is 0 where the goal is too far for the steps that are left, or the episode is over.
    """
    steps = int(kernels.remaining(pack([params])[0].view(np.recarray)[0], row))
    return float(row[OVER] == 0 and steps <= params.horizon - row[CLOCK]), steps


def policy(params: MultiRoomParams, row: Array) -> Array:
    """An action ``(1,)`` that brings the goal one step nearer: to the row of the exit, then through it."""
    (x, y), (goal_x, goal_y) = (LAYOUT.view(row[None], name)[0] for name in ("cell", "goal"))
    room, place = divmod(int(x), params.width + 1)
    last = room == params.rooms - 1
    exit_y = goal_y if last else LAYOUT.view(row[None], "doors")[0, room]
    if place == 0 or y == exit_y:  # a doorway has no rows
        return np.array([2.0 if last and goal_x < x else 0.0])
    return np.array([1.0 if exit_y > y else 3.0])


FLOOR, WALL, LAVA, DOOR = (250, 250, 247), (90, 96, 106), (213, 94, 0), (205, 180, 140)
GREEN, BLUE = (0, 158, 115), (0, 114, 178)


def frame(params: MultiRoomParams, row: Array, shape: Shape) -> Array:
    """The rooms from above: lava red, walls grey, doors brown, goal green, seat a blue disc.

    Returns:
        ``(24 (height + 2), 24 (rooms (width + 1) + 1), 3)`` uint8.
    """
    tile, stride = 24, params.width + 1
    colours = np.full((params.height + 2, params.rooms * stride + 1, 3), FLOOR, dtype=np.uint8)
    colours[[0, -1]] = colours[:, ::stride] = LAVA if params.lava else WALL
    for i in range(1, params.rooms):
        colours[int(LAYOUT.view(row[None], "doors")[0, i - 1]), i * stride] = DOOR
    (x, y), (goal_x, goal_y) = (LAYOUT.view(row[None], name)[0].astype(int) for name in ("cell", "goal"))
    colours[goal_y, goal_x] = GREEN
    picture = render.tiles(colours, tile)
    down, right = (np.mgrid[:tile, :tile] + 0.5) / tile - 0.5
    picture[y * tile : (y + 1) * tile, x * tile : (x + 1) * tile][np.hypot(down, right) < 0.34] = BLUE
    return picture


V0 = Game(
    id="payoff/MultiRoom-v0",
    params=MultiRoomParams,
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
    readouts=(Readout("progress", False), Readout("caption", False)),
    captions=kernels.CAPTIONS,
    tabular=True,
    optimum=optimum,
    optimum_kind="exact",
    policy=policy,
    success=paid,
    levels={"easy": {"rooms": 2, "lava": False}, "medium": {"rooms": 6, "lava": False}, "hard": {"rooms": 6}},
)
