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
One seat, five integer actions: 0 turn left, 1 turn right, 2 forward, 3 pick up, 4 open. `action_mask` leaves out those
that find nothing to act on.

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
(`payoff.envs.sparse.key_room.remaining`), exact from every state: moves and quarter turns are counted apart
and attain their least together. `progress` in `info` is one minus its share of 5 size - 11. The optimal return is 1.

- In an empty rectangle, a path must make |dx| + |dy| moves, and its headings must visit the directions of both. A
  path that makes all moves of a direction when it first faces it needs no more, and stays between its ends.
- Every way to the goal passes the door heading right, so the legs on its two sides add up.
- The key is taken from one of four sides. A shortest path to one of them that walks over the key can take it at once
  and then walk over it instead, which lasts equally long: on that leg the key may be treated as free.

`payoff.certificate("payoff/KeyRoom-v0")` holds the exact success rate of uniformly random play: it falls about
threefold with each cell of `size`, is below 1e-3 from size 6 on, and is about 1e-5 at the default. A potential for
shaping is `progress - 1`, which is 0 at the goal.

## Parameters
`size` 10, in 5 .. 32; `max_steps` None, which is 8 size; `layouts` None, which is unlimited; `view` 7, odd.

## Version history
v0: first version.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from payoff.envs import render
from payoff.envs.core import rng
from payoff.envs.core.game import Game, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, record
from payoff.envs.core.state import Array, Copy, whole
from payoff.envs.core.words import events, words
from payoff.envs.sparse.boards import FLOOR, GOAL, KEY, SEAT, WALL
from payoff.envs.sparse.directions import DIRECTION, x_of, y_of
from payoff.envs.sparse.key_room_sight import CONTENT, SETTINGS, SIGHT, Observe, content

__all__ = ["SETTINGS", "V0", "KeyRoomParams", "Observe"]

ACT = words("turn_left", "turn_right", "forward", "pick_up", "open")
EVENT = events(
    began="the episode began",
    turned_left="turned left",
    turned_right="turned right",
    walked="walked",
    bumped="bumped into a wall",  # and two more, in the order of CONTENT
    bumped_into_key="bumped into the key",
    bumped_into_door="bumped into the locked door",
    no_key_there="found nothing to pick up",
    picked_up="picked up the key",
    no_door_there="found nothing to open",
    lacked_key="could not open the door without the key",
    opened="opened the door",
    reached="reached the goal",
)
CONTEXTS = rng.seed_key(0x4B6579526F6F6D)  # the stream whose episode k is context k


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
    def inner(self) -> int:
        """Cells along a side inside the outer walls."""
        return self.size - 2

    @property
    def contexts(self) -> int:
        """Number of fixed contexts; 0: unlimited."""
        return self.layouts or 0

    @property
    def nearest(self) -> int:
        """Least number of steps from any start to the goal."""
        return 2 * self.size

    @property
    def longest(self) -> int:
        """Largest number of steps that can be left at this size, found by enumeration for each."""
        return 5 * self.size - 11


class KeyRoom(Copy):
    """State of one room; no rule reads ``event``."""

    x: float = whole(1, lambda p: p.inner)
    y: float = whole(1, lambda p: p.inner)
    heading: float = whole(0, DIRECTION)
    has_key: float = whole(0, 1)
    door_open: float = whole(0, 1)
    wall: float = whole(2, lambda p: p.inner - 1)  # column of the wall
    door: float = whole(1, lambda p: p.inner)  # row of its door
    key_x: float = whole(1, lambda p: p.inner - 2)
    key_y: float = whole(1, lambda p: p.inner)
    goal_x: float = whole(3, lambda p: p.inner)
    goal_y: float = whole(1, lambda p: p.inner)
    event: float = whole(0, EVENT)


# -- rules -------------------------------------------------------------------------------------------------------------


@jit
def start(p: KeyRoomParams, s: KeyRoom) -> None:
    """A layout from the copy's stream or from one of the fixed contexts."""
    context = rng.below(s, p.contexts) if p.contexts > 0 else -1
    key, episode, counter = s.key, s.episode, s.counter
    if context >= 0:
        s.key, s.episode, s.counter = CONTEXTS, float(context), 0.0
    lay_out(p, s)
    while remaining(p, s) < p.nearest:
        lay_out(p, s)
    if context >= 0:
        s.key, s.episode, s.counter = key, episode, counter


@jit
def lay_out(p: KeyRoomParams, s: KeyRoom) -> None:
    """Draw wall, door and the cells of key, seat and goal from the stream of the moment."""
    inner = p.inner
    wall = 2 + rng.below(s, inner - 2)
    n_left = (wall - 1) * inner
    at_key = rng.below(s, n_left)
    at = rng.below(s, n_left - 1)
    if at >= at_key:
        at += 1
    goal = rng.below(s, (inner - wall) * inner)
    s.wall, s.door = wall, 1 + rng.below(s, inner)
    s.key_x, s.key_y = 1 + at_key // inner, 1 + at_key % inner
    s.x, s.y, s.heading = 1 + at // inner, 1 + at % inner, rng.below(s, 4)
    s.goal_x, s.goal_y = wall + 1 + goal // inner, 1 + goal % inner


@jit
def step(p: KeyRoomParams, s: KeyRoom, action: Array, payoff: Array) -> bool:
    """One step; the goal ends the episode."""
    act, heading = int(action[0]), int(s.heading)
    if act == ACT.turn_left or act == ACT.turn_right:  # 1
        s.heading = (heading + (3 if act == ACT.turn_left else 1)) % 4
        s.event = EVENT.turned_left if act == ACT.turn_left else EVENT.turned_right
        return False
    x, y = int(s.x) + x_of(heading), int(s.y) + y_of(heading)
    ahead = content(p, s, x, y)
    if act == ACT.forward:  # 2
        if is_barred(ahead):
            s.event = EVENT.bumped + ahead
            return False
        s.x, s.y = x, y
        s.event = EVENT.reached if ahead == CONTENT.goal else EVENT.walked
        payoff[0] = 1.0 if ahead == CONTENT.goal else 0.0
        return ahead == CONTENT.goal
    if act == ACT.pick_up:  # 3
        if ahead == CONTENT.key:
            s.has_key = 1.0
        s.event = EVENT.picked_up if ahead == CONTENT.key else EVENT.no_key_there
    elif ahead != CONTENT.locked_door:  # 4
        s.event = EVENT.no_door_there
    else:
        s.door_open = s.has_key
        s.event = EVENT.opened if s.has_key != 0.0 else EVENT.lacked_key
    return False


@jit
def is_barred(ahead: int) -> bool:
    """Whether what is in a cell keeps the seat out."""
    return ahead == CONTENT.wall or ahead == CONTENT.key or ahead == CONTENT.locked_door


@jit
def acts(p: KeyRoomParams, s: KeyRoom, k: int) -> bool:
    """Whether action k finds something to act on."""
    ahead = content(p, s, int(s.x) + x_of(int(s.heading)), int(s.y) + y_of(int(s.heading)))
    if k == ACT.forward:
        return not is_barred(ahead)
    if k == ACT.pick_up:
        return ahead == CONTENT.key
    return k != ACT.open or (ahead == CONTENT.locked_door and s.has_key != 0.0)


# -- theory ------------------------------------------------------------------------------------------------------------


@jit
def quarter_turns(a: int, b: int) -> int:
    """Turns from one heading to another."""
    d = abs(a - b)
    return min(d, 4 - d)


@jit
def walk(dx: int, dy: int, heading: int, last: int) -> int:
    """Steps to the cell at (dx, dy), there with heading ``last``, in an empty rectangle."""
    along_x = DIRECTION.right if dx > 0 else DIRECTION.left
    along_y = DIRECTION.down if dy > 0 else DIRECTION.up
    if dx == 0 and dy == 0:
        turns = quarter_turns(heading, last)
    elif dy == 0:
        turns = quarter_turns(heading, along_x) + quarter_turns(along_x, last)
    elif dx == 0:
        turns = quarter_turns(heading, along_y) + quarter_turns(along_y, last)
    else:
        x_first = quarter_turns(heading, along_x) + quarter_turns(along_y, last)
        y_first = quarter_turns(heading, along_y) + quarter_turns(along_x, last)
        turns = 1 + min(x_first, y_first)
    return abs(dx) + abs(dy) + turns


@jit
def through_door(s: KeyRoom, x: int, y: int, heading: int) -> int:
    """Steps from a cell of the left room or the doorway to the goal while the door is open."""
    before = int(s.door) - y
    beyond = int(s.goal_y) - int(s.door)
    if before == 0:
        turns = quarter_turns(heading, DIRECTION.right)
    else:
        turns = quarter_turns(heading, DIRECTION.down if before > 0 else DIRECTION.up) + 1
    if beyond != 0:
        turns += 1
    return int(s.goal_x) - x + abs(before) + abs(beyond) + turns


@jit
def remaining(p: KeyRoomParams, s: KeyRoom) -> int:
    """Least number of steps from this state to the goal, exact; 0 at the goal."""
    x, y, heading, wall = int(s.x), int(s.y), int(s.heading), int(s.wall)
    if s.door_open != 0.0 and x <= wall:
        return through_door(s, x, y, heading)
    if s.has_key != 0.0 and x <= wall:  # the door is opened while facing it, on the same way
        return 1 + through_door(s, x, y, heading)
    best = 1 << 30
    for last in range(4):
        if x > wall:  # any heading will do on arrival
            best = min(best, walk(int(s.goal_x) - x, int(s.goal_y) - y, heading, last))
            continue
        at_x, at_y = int(s.key_x) - x_of(last), int(s.key_y) - y_of(last)  # where the key is ahead
        if at_x >= 1 and at_x < wall and at_y >= 1 and at_y <= p.inner:
            best = min(best, walk(at_x - x, at_y - y, heading, last) + 2 + through_door(s, at_x, at_y, last))
    return best


@jit
def progress(p: KeyRoomParams, s: KeyRoom) -> float:
    """One minus the share of the longest way that is left."""
    return 1.0 - remaining(p, s) / p.longest


def optimum(params: KeyRoomParams, s: KeyRoom) -> tuple[float, int]:
    """1 where the goal can still be reached in time, and the least number of steps to it."""
    steps = int(remaining(record(params), s))
    return float(s.over == 0 and steps <= params.horizon - s.clock), steps


def policy(params: KeyRoomParams, s: KeyRoom) -> float:
    """An action that brings the goal one step nearer."""
    p = record(params)
    left = remaining(p, s)
    for act in ACT:
        trial = s.copy()  # type: ignore[attr-defined]
        step(p, trial, np.array([float(act)]), np.zeros(1))
        if remaining(p, trial) < left:
            break
    return float(act)


# -- picture -----------------------------------------------------------------------------------------------------------

DOOR = (160, 82, 20)
TILE = 32  # pixels


def draw(params: KeyRoomParams, s: KeyRoom) -> Array:
    """The grid from above: key gold, door brown, goal green, seat a blue arrowhead that holds a gold spot with the key.

    ``(32 size, 32 size, 3)``.
    """
    x, y, heading, wall, door = (int(v) for v in (s.x, s.y, s.heading, s.wall, s.door))
    colours = np.full((params.size, params.size, 3), FLOOR, dtype=np.uint8)
    colours[[0, -1]] = colours[:, [0, -1]] = colours[:, wall] = WALL
    colours[door, wall] = DOOR
    colours[int(s.goal_y), int(s.goal_x)] = GOAL
    picture = render.tiles(colours, TILE)
    down, right = (np.mgrid[:TILE, :TILE] + 0.5) / TILE - 0.5  # from the middle of a tile, in tiles

    def paint(at_x: int, at_y: int, mask: Array, colour: tuple[int, int, int]) -> None:
        picture[at_y * TILE : (at_y + 1) * TILE, at_x * TILE : (at_x + 1) * TILE][mask] = colour

    keyhole = (np.hypot(down + 0.08, right) < 0.12) | ((abs(right) < 0.05) & (abs(down - 0.1) < 0.16))
    paint(wall, door, np.maximum(abs(down), abs(right)) < 0.36 if s.door_open else keyhole, FLOOR)
    if not s.has_key:  # a ring, a stem and two teeth
        ring = abs(np.hypot(down + 0.2, right) - 0.14) < 0.055
        stem = (abs(right) < 0.05) & (abs(down - 0.14) < 0.24)
        teeth = (abs(right - 0.1) < 0.09) & ((abs(down - 0.2) < 0.035) | (abs(down - 0.34) < 0.035))
        paint(int(s.key_x), int(s.key_y), ring | stem | teeth, KEY)
    ahead = (right, down, -right, -down)[heading]
    aside = abs((down, right)[heading % 2])
    paint(x, y, (ahead > -0.36) & (aside < 0.5 * (0.4 - ahead)), SEAT)
    if s.has_key:
        paint(x, y, np.hypot(ahead + 0.14, aside) < 0.12, KEY)
    return picture


V0 = Game(
    "payoff/KeyRoom-v0",
    "Fetch the key, unlock the door, reach the goal: reward 1 at the goal only.",
    tags=("sparse", "grid", "tabular"),
    rules=Rules(
        params=KeyRoomParams,
        state=KeyRoom,
        start=start,
        step=step,
        actions=lambda p: len(ACT),
        mask=acts,
        tabular=True,
    ),
    sight=SIGHT,
    info={"progress": progress, "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact",
        optimum=optimum,
        policy=policy,
        levels={"easy": {"size": 5}, "medium": {"size": 6}, "hard": {"size": 10}},
    ),
)
