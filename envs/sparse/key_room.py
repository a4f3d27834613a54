"""KeyRoom: fetch the key, unlock the door, reach the goal; nothing is paid before that.

## Model
A square of `size` x `size` cells, outer walls included; x grows to the right, y downwards. A vertical wall with one
locked door splits it: key and seat are left of it, the goal is right of it. A step, by action:

1. turn left, turn right: the heading changes by a quarter turn;
2. forward: the seat moves to the cell ahead unless that is a wall, the key or the locked door;
3. pick up: takes the key if it is in the cell ahead;
4. open: opens the door if it is in the cell ahead and the seat has the key, which it keeps; the door stays open.

Whatever finds nothing to act on changes nothing. Task and rules follow the DoorKey environment of Minigrid
(Farama-Foundation/Minigrid) without its dropping and closing, with everything drawn anew in each episode.

## Players and actions
One seat, five integer actions: 0 turn left, 1 turn right, 2 forward, 3 pick up, 4 open.

## Observations
Flat, in [0, 1]. Cells are one-hot, channel by channel, row by row; an empty cell is zero in all channels; walls hide
nothing. Every setting ends with whether the key is carried.

- `full`: 6 (size - 2)^2 + 16 numbers: the cells inside the outer wall in six channels (wall, key, locked door, open
  door, goal, seat); the heading one-hot (right, down, left, up); for key, door and goal how far ahead and how far to
  the right of the seat they lie, d cells as 0.5 + 0.5 d / (1 + |d|), a carried key level with the seat; and what
  `minimal` shows. Said twice, so that a small network need not work it out. Where copies of a batch differ in size, all
  see as many cells as the largest, and what lies outside a smaller one is wall.
- `private` (also called `egocentric`): 5 view^2 + 1 numbers: the `view` x `view` cells with the seat in the middle,
  turned so that the first row is the farthest ahead, in the first five channels; what lies outside the grid is wall.
- `minimal`: 6 numbers: the cell ahead in the same five channels.

## Rewards
1 on the step that reaches the goal, else 0.

## Starting state
The wall's column, the door's row, the cells of key, seat and goal, and the heading come from the copy's own stream.
They are drawn one after the other, each uniform over what the model allows, and all anew until the goal is at least 2
size steps away, so that no episode gives its reward away. With `layouts` K they are drawn among K fixed contexts, the
same for every seed; the contexts of a smaller K are the first ones of a larger.

## Episode end
Terminated at the goal, truncated after `max_steps`.

## Theory
Every layout can be solved within 5 size - 11 steps. The least number of steps left has a closed form
(`payoff.envs.sparse.key_room_kernels.remaining`), exact from every state: moves and quarter turns are counted apart
and attain their least together. `progress` in `info` is one minus its share of 5 size - 11. The optimal return is 1.

- In an empty rectangle, a path must make |dx| + |dy| moves, and its headings must visit the directions of both. A
  path that makes all moves of a direction when it first faces it needs no more, and stays between its ends.
- Every way to the goal passes the door heading right, so the legs on its two sides add up.
- The key is taken from one of four sides. A shortest path to one of them that walks over the key can take it at once
  and then walk over it instead, which lasts equally long: on that leg the key may be treated as free.

The certificate holds the exact success rate of uniformly random play: it falls about threefold with each cell of
`size`, is below 1e-3 from size 6 on, and is about 1e-5 at the default. A potential for shaping is `progress - 1`,
which is 0 at the goal.

## Parameters
`size` 10, in 5 .. 32; `max_steps` None, which is 8 size; `layouts` None, which is unlimited; `view` 7, odd.

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
from payoff.envs.core.loop import WORK_ROWS
from payoff.envs.core.params import Params, check_integer
from payoff.envs.core.state import CLOCK, OVER, Array
from payoff.envs.sparse import key_room_kernels as kernels
from payoff.envs.sparse.key_room_kernels import CHANNELS, HEADINGS, LAYOUT, SCOPES
from payoff.envs.sparse.settings import chosen

__all__ = ["SETTINGS", "V0", "KeyRoomParams", "Observe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRoomParams(Params):
    """Keywords of KeyRoom-v0."""

    size: int = 10  # cells along a side, outer walls included
    max_steps: int | None = None  # None: 8 size
    layouts: int | None = None  # number of fixed contexts; None: unlimited
    view: int = 7  # cells along a side of the window around the seat, odd

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("size", self.size, 5, 32)
        check_integer("view", self.view, 3, 63)
        if self.view % 2 == 0:
            raise ValueError(f"view must be odd, got {self.view!r}")
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)
        if self.layouts is not None:
            check_integer("layouts", self.layouts, 1, 2**31)

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return 8 * self.size if self.max_steps is None else self.max_steps

    @property
    def nearest(self) -> int:
        """Least number of steps from any start to the goal."""
        return 2 * self.size

    @property
    def longest(self) -> int:
        """Largest number of steps that can be left at this size, found by enumeration for each."""
        return 5 * self.size - 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """An observation setting, the same object in every view.

    Attributes:
        scope: the whole grid, the window around the seat, or the cell ahead.
        clock: whether steps taken over the horizon come last.
    """

    scope: Literal["grid", "window", "ahead"] = "grid"
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        if self.scope not in SCOPES:
            raise ValueError(f"observe.scope must be one of {', '.join(map(repr, SCOPES))}, got {self.scope!r}")
        if not isinstance(self.clock, bool):
            raise ValueError(f"observe.clock must be True or False, got {self.clock!r}")


SETTINGS = {
    "full": Observe(scope="grid"),
    "private": Observe(scope="window"),
    "egocentric": Observe(scope="window"),
    "minimal": Observe(scope="ahead"),
}


def _names(scope: str, width: int) -> list[str]:
    contents = CHANNELS[:-1]
    ahead = [f"{c}[ahead]" for c in contents]
    if scope == "grid":
        cells = [f"[{x},{y}]" for y in range(1, width + 1) for x in range(1, width + 1)]
        places = [f"{thing} {way}" for thing in ("key", "door", "goal") for way in ("ahead", "right")]
        return [*(c + cell for c in CHANNELS for cell in cells), *(f"heading {h}" for h in HEADINGS), *places, *ahead]
    if scope == "window":
        span = range(-(width // 2), width // 2 + 1)
        cells = [f"[ahead {-i:+d}, right {j:+d}]" for i in span for j in span]
        return [c + cell for c in contents for cell in cells]
    return ahead


def plan(rows: Sequence[KeyRoomParams], seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan, the same for every seat that is looked at: there is one.

    Args:
        rows: parameters of each copy, or one for all.
        seats: ``[0]``.
        setting: a name of SETTINGS or an :class:`Observe`.

    Raises:
        ValueError: an unknown name, or windows of several sizes in one batch.
        TypeError: neither a name nor an Observe.
    """
    setting = chosen(setting, SETTINGS, Observe)
    if setting.scope == "window" and len({p.view for p in rows}) > 1:
        raise ValueError(f"view must be the same in all copies of a batch, got {sorted({p.view for p in rows})}")
    width = rows[0].view if setting.scope == "window" else max(p.size for p in rows) - 2
    code = SCOPES.index(setting.scope)
    table = np.array([(code, p.size, width, 1.0 / p.horizon) for p in rows], dtype=kernels.SEEN)
    names = [*_names(setting.scope, width), "carries the key", *(["clock"] if setting.clock else [])]
    return ObservationPlan(table, tuple(names), sees_actions=False)


def pack(rows: Sequence[KeyRoomParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    return (np.array([(p.size, p.nearest, p.longest, p.layouts or 0) for p in rows], dtype=kernels.NUMBERS),)


def optimum(params: KeyRoomParams, row: Array) -> tuple[float, int]:
    """Best return from a state, and the least number of steps to the goal.

    The return is 0 where the goal is too far for the steps that are left, or the episode is over.
    """
    steps = int(kernels.remaining(params.size, row))
    return float(row[OVER] == 0 and steps <= params.horizon - row[CLOCK]), steps


def policy(params: KeyRoomParams, row: Array) -> Array:
    """An action ``(1,)`` that brings the goal one step nearer."""
    arrays, work = pack([params]), np.zeros((WORK_ROWS, 1))
    left = kernels.remaining(params.size, row)
    for action in range(5):
        trial = row.copy()
        kernels.step_row(arrays, 0, trial, np.array([[float(action)]]), work)
        if kernels.remaining(params.size, trial) < left:
            break
    return np.array([float(action)])


FLOOR, WALL, DOOR = (250, 250, 247), (90, 96, 106), (160, 82, 20)
GOLD, GREEN, BLUE = (230, 159, 0), (0, 158, 115), (0, 114, 178)
_TILE = 32  # pixels


def frame(params: KeyRoomParams, row: Array, shape: Shape) -> Array:
    """The grid from above: key gold, door brown, goal green, seat a blue arrowhead that holds a gold spot with the key.

    Returns:
        ``(32 size, 32 size, 3)`` uint8.
    """
    (x, y), (key_x, key_y), (goal_x, goal_y) = (
        LAYOUT.view(row[None], name)[0].astype(int) for name in ("cell", "key", "goal")
    )
    heading, has_key, is_open, wall, door = (
        int(LAYOUT.view(row[None], name)[0]) for name in ("heading", "has_key", "door_open", "wall", "door")
    )
    colours = np.full((params.size, params.size, 3), FLOOR, dtype=np.uint8)
    colours[[0, -1]] = colours[:, [0, -1]] = colours[:, wall] = WALL
    colours[door, wall] = DOOR
    colours[goal_y, goal_x] = GREEN
    picture = render.tiles(colours, _TILE)
    down, right = (np.mgrid[:_TILE, :_TILE] + 0.5) / _TILE - 0.5  # from the middle of a tile, in tiles

    def paint(at_x: int, at_y: int, mask: Array, colour: tuple[int, int, int]) -> None:
        picture[at_y * _TILE : (at_y + 1) * _TILE, at_x * _TILE : (at_x + 1) * _TILE][mask] = colour

    keyhole = (np.hypot(down + 0.08, right) < 0.12) | ((abs(right) < 0.05) & (abs(down - 0.1) < 0.16))
    paint(wall, door, np.maximum(abs(down), abs(right)) < 0.36 if is_open else keyhole, FLOOR)
    if not has_key:  # a ring, a stem and two teeth
        ring = abs(np.hypot(down + 0.2, right) - 0.14) < 0.055
        stem = (abs(right) < 0.05) & (abs(down - 0.14) < 0.24)
        teeth = (abs(right - 0.1) < 0.09) & ((abs(down - 0.2) < 0.035) | (abs(down - 0.34) < 0.035))
        paint(key_x, key_y, ring | stem | teeth, GOLD)
    ahead = (right, down, -right, -down)[heading]
    aside = abs((down, right)[heading % 2])
    paint(x, y, (ahead > -0.36) & (aside < 0.5 * (0.4 - ahead)), BLUE)
    if has_key:
        paint(x, y, np.hypot(ahead + 0.14, aside) < 0.12, GOLD)
    return picture


V0 = Game(
    id="payoff/KeyRoom-v0",
    params=KeyRoomParams,
    doc=__doc__,
    kernels=kernels.KERNELS,
    shape=lambda p: Shape(1, 1, 5, LAYOUT, p.horizon),
    pack=pack,
    bounds=lambda p: np.array([[[0.0, 4.0]]]),
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
    levels={"easy": {"size": 5}, "medium": {"size": 6}, "hard": {"size": 10}},
)
