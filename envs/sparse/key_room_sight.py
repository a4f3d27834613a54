"""What lies in the cells of a KeyRoom, and what the seat sees: the grid, a window around it, or the cell ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from payoff.envs.core.game import ObservationPlan, Sight
from payoff.envs.core.jit import jit
from payoff.envs.core.params import check_flag, check_word
from payoff.envs.core.state import Array, Layout
from payoff.envs.core.words import words
from payoff.envs.sight.settings import chosen
from payoff.envs.sparse.directions import DIRECTION, offset, x_of, y_of

if TYPE_CHECKING:
    from payoff.envs.sparse.key_room import KeyRoom, KeyRoomParams

__all__ = ["CONTENT", "SETTINGS", "SIGHT", "Observe", "content"]

CONTENT = words("wall", "key", "locked_door", "open_door", "goal", "seat")  # of a cell, by channel
EMPTY = -1
SHOWN = CONTENT.seat  # the first so many channels are what lies in a cell
SCOPE = words("grid", "window", "ahead")


@jit
def content(p: KeyRoomParams, s: KeyRoom, x: int, y: int) -> int:
    """What is in a cell: a channel, or EMPTY."""
    if x <= 0 or y <= 0 or x > p.inner or y > p.inner:
        return CONTENT.wall
    if x == s.wall:
        if y != s.door:
            return CONTENT.wall
        return CONTENT.open_door if s.door_open != 0.0 else CONTENT.locked_door
    if x == s.key_x and y == s.key_y and s.has_key == 0.0:
        return CONTENT.key
    if x == s.goal_x and y == s.goal_y:
        return CONTENT.goal
    return EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """What a seat sees: pass one as ``observe=``, to Gymnasium and PettingZoo environments alike.

    Attributes:
        scope: the whole grid, the window around the seat, or the cell ahead.
        clock: whether the clock, steps taken divided by the horizon, comes last.
    """

    scope: Literal["grid", "window", "ahead"] = "grid"
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        check_word("observe.scope", self.scope, SCOPE._fields)
        check_flag("observe.clock", self.clock)


SETTINGS = {
    "full": Observe(scope="grid"),
    "private": Observe(scope="window"),
    "egocentric": Observe(scope="window"),
    "minimal": Observe(scope="ahead"),
}
VIEW = np.dtype([("scope", np.int64), ("width", np.int64)], align=True)  # cells along a side of what is shown


def _names(scope: str, width: int) -> list[str]:
    channels = [name.replace("_", " ") for name in CONTENT._fields]
    shown = channels[:SHOWN]
    ahead = [f"{c}[ahead]" for c in shown]
    if scope == "grid":
        cells = [f"[{x},{y}]" for y in range(1, width + 1) for x in range(1, width + 1)]
        headings = [f"heading {way}" for way in DIRECTION._fields]
        places = [f"{thing} {way}" for thing in ("key", "door", "goal") for way in ("ahead", "right")]
        return [*(c + cell for c in channels for cell in cells), *headings, *places, *ahead]
    if scope == "window":
        span = range(-(width // 2), width // 2 + 1)
        return [f"{c}[ahead {-i:+d}, right {j:+d}]" for c in shown for i in span for j in span]
    return ahead


def plan(rows: Sequence[KeyRoomParams], layout: Layout, seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan.

    Raises:
        ValueError: an unknown name, or windows of several sizes in one batch.
        TypeError: neither a name nor an Observe.
    """
    observe = chosen(setting, SETTINGS, Observe)
    if observe.scope == "window" and len({p.view for p in rows}) > 1:
        raise ValueError(f"view must be the same in all copies of a batch, got {sorted({p.view for p in rows})}")
    width = rows[0].view if observe.scope == "window" else max(p.inner for p in rows)
    table = np.array([(getattr(SCOPE, observe.scope), width)] * len(rows), dtype=VIEW)
    names = [*_names(observe.scope, width), "carries the key", *(["clock"] if observe.clock else [])]
    return ObservationPlan(table, tuple(names))


@jit
def look(p: KeyRoomParams, s: KeyRoom, view: Any, seen: Array) -> None:
    """What the seat sees."""
    if view.scope == SCOPE.window:
        at = see_window(p, s, view.width, seen)
    elif view.scope == SCOPE.grid:
        at = see_grid(p, s, view.width, seen)
    else:
        at = see_ahead(p, s, 0, seen)
    seen[at] = s.has_key
    if seen.shape[0] > at + 1:
        seen[at + 1] = s.clock * (1.0 / p.horizon)


@jit
def see_ahead(p: KeyRoomParams, s: KeyRoom, at: int, seen: Array) -> int:
    """The cell ahead, from entry ``at`` on; returns the next entry, as the others do."""
    heading = int(s.heading)
    ahead = content(p, s, int(s.x) + x_of(heading), int(s.y) + y_of(heading))
    for k in range(SHOWN):
        seen[at + k] = 1.0 if k == ahead else 0.0
    return at + SHOWN


@jit
def see_grid(p: KeyRoomParams, s: KeyRoom, width: int, seen: Array) -> int:
    """All cells inside the outer wall of the largest copy, the heading, where things lie, and the cell ahead."""
    plane, inner = width * width, p.inner
    for k in range(len(CONTENT) * plane + 4):
        seen[k] = 0.0
    for i in range(width):
        seen[i * width + int(s.wall) - 1] = 1.0
        for j in range(inner if i < inner else 0, width):  # outside a smaller grid
            seen[i * width + j] = 1.0
    door = (int(s.door) - 1) * width + int(s.wall) - 1
    seen[CONTENT.wall * plane + door] = 0.0
    seen[(CONTENT.open_door if s.door_open != 0.0 else CONTENT.locked_door) * plane + door] = 1.0
    seen[CONTENT.key * plane + (int(s.key_y) - 1) * width + int(s.key_x) - 1] = 1.0 - s.has_key
    seen[CONTENT.goal * plane + (int(s.goal_y) - 1) * width + int(s.goal_x) - 1] = 1.0
    seen[CONTENT.seat * plane + (int(s.y) - 1) * width + int(s.x) - 1] = 1.0
    at = len(CONTENT) * plane
    seen[at + int(s.heading)] = 1.0
    carried = s.has_key != 0.0  # then the key is where the seat is
    at = see_place(s, int(s.x if carried else s.key_x), int(s.y if carried else s.key_y), at + 4, seen)
    at = see_place(s, int(s.wall), int(s.door), at, seen)
    at = see_place(s, int(s.goal_x), int(s.goal_y), at, seen)
    return see_ahead(p, s, at, seen)


@jit
def from_seat(s: KeyRoom, x: int, y: int) -> tuple[int, int]:
    """How far ahead of the seat a cell lies, and how far to its right."""
    fx, fy = x_of(int(s.heading)), y_of(int(s.heading))  # ahead; to the right is (-fy, fx)
    dx, dy = x - int(s.x), y - int(s.y)
    return dx * fx + dy * fy, dy * fx - dx * fy


@jit
def see_place(s: KeyRoom, x: int, y: int, at: int, seen: Array) -> int:
    """Where a cell lies; 0.5 is level with the seat."""
    ahead, right = from_seat(s, x, y)
    seen[at], seen[at + 1] = offset(ahead), offset(right)
    return at + 2


@jit
def see_window(p: KeyRoomParams, s: KeyRoom, side: int, seen: Array) -> int:
    """Window around the seat, turned: farthest row ahead first, left to right."""
    x, y, heading, wall, inner = int(s.x), int(s.y), int(s.heading), int(s.wall), p.inner
    fx, fy = x_of(heading), y_of(heading)
    for k in range(SHOWN * side * side):
        seen[k] = 0.0
    # a row or column of the window is a line of the grid: x or y is the same all along it, and walls are whole lines
    for k in range(side):
        d = k - side // 2
        line_x, line_y = x - d * fx, y - d * fy
        if (line_x <= 0 or line_x > inner or line_x == wall) if fx != 0 else (line_y <= 0 or line_y > inner):
            for j in range(side):
                seen[k * side + j] = 1.0
        line_x, line_y = x - d * fy, y + d * fx
        if (line_y <= 0 or line_y > inner) if fx != 0 else (line_x <= 0 or line_x > inner or line_x == wall):
            for i in range(side):
                seen[i * side + k] = 1.0
    door = CONTENT.open_door if s.door_open != 0.0 else CONTENT.locked_door
    mark(s, wall, int(s.door), CONTENT.wall, 0.0, side, seen)
    mark(s, wall, int(s.door), door, 1.0, side, seen)
    mark(s, int(s.key_x), int(s.key_y), CONTENT.key, 1.0 - s.has_key, side, seen)
    mark(s, int(s.goal_x), int(s.goal_y), CONTENT.goal, 1.0, side, seen)
    return SHOWN * side * side


@jit
def mark(s: KeyRoom, x: int, y: int, channel: int, value: float, side: int, seen: Array) -> None:
    """Write one cell of a channel of the window, if the window reaches that far."""
    radius = side // 2
    ahead, right = from_seat(s, x, y)
    if abs(ahead) <= radius and abs(right) <= radius:
        seen[channel * side * side + (radius - ahead) * side + radius + right] = value


SIGHT = Sight(look, plan, tuple(SETTINGS))
