"""HardMaze: a robot with short sight is paid once, for standing at a goal behind the walls when the time is over.

## Model
A round robot of radius 10 on two wheels 20 apart drives in a square of 600 x 600, x to the right, y upwards, headings
anticlockwise from the x axis. A step, l and r being the speeds of the left and the right wheel:

(1) heading = heading + (r - l) / 20

(2) the robot would move by (l + r) / 2 in the direction of its heading. It does so if no wall is nearer than 10 to
where that leads

(3) else it stays where it is, turned, and a bumper is pressed where the nearest point of a wall lies ahead of it: the
left one from straight ahead to straight left, the right one likewise, both where the sine of the angle is below 0.1

A move of at most 4 cannot jump a wall. Besides the four outer walls (`walls="open"` has no other) `walls="maze"` has

| wall | from | to | what it is |
|---|---|---|---|
| A | (0, 270) | (180, 270) | end of the dead end below the start, just above the goals |
| B | (180, 360) | (180, 100) | side of that dead end, and of the chamber of the goals |
| C | (180, 360) | (450, 360) | floor of the upper hall |
| D | (600, 240) | (270, 240) | shelf below the way back |
| E | (270, 240) | (270, 130) | side of the shaft down |
| F | (320, 600) | (320, 430) | hangs into the upper hall |

The goals are 390 and 253 away from the start, straight down; the way to them, that of the reference, is 1,031 long and
leads away from them at first. Driving towards them ends in the dead end, which no goal's disc reaches.

The problem is the hard maze of SERENE (Paolo, Coninx, Doncieux and Laflaquière, "Sparse Reward Exploration via Novelty
Search and Emitters", 2021, arXiv:2102.03140) and STAX; such mazes go back to Lehman and Stanley ("Abandoning
objectives: evolution through the search for novelty alone", 2011). Five sensors, two wheels, 2,000 steps and a
descriptor in [0, 1] stand in the published code, GPaolo/SERENE. Arena, start, goals, ranges and wheel speeds are what
is reported of its simulator, which was not at hand: unverified. The walls are our own, and so are the robot's size, the
rule for collisions, and which way y grows.

## Players and actions
One seat, two numbers: the speeds of the left and the right wheel, each in [-4, 4] per step.

## Observations
5 numbers under `private` and `minimal`: what range finders at 45, 0 and -45 degrees measure from the middle of the
robot, over their range of 100, and the left and the right bumper. `full` adds the pose: x and y over 600, and the
heading over [0, 2 pi).

## Rewards
On the last step (R - d) / R for the goal that makes it largest, where R is half of `diameter` and d the distance
between robot and goal, if that is above 0; else 0, as on every other step. The goals are (60, 60) and (100, 200).
`info["descriptor"]` is the position (x, y) over 600.

## Starting state
At (60, 450) with a heading of 45 degrees. Nothing is drawn.

## Episode end
Terminated by the last step, number `max_steps`, which the horizon truncates as well: there is nothing to bootstrap. The
time decides what is paid and is not observed, unless by an `Observe`; to stay at a goal is best at any time.

## Theory
No return is above 1. The reference drives to the nearest goal that it can reach in a straight line, else to the first
such way-point of (225, 60), (225, 300), (520, 300), (520, 400), (320, 395), (90, 450) and (320, 60), where it has
turned to it, and stops there. From the start it comes to the middle of a goal, up to rounding, after 274 steps in the
maze and after 69 without inner walls; with that much time its return, 1, is the best. `optimum` plays it out from the
given state. Payment comes at the last step, so the number of steps that `optimum` gives is exact.

Uniformly random wheels hardly move the robot: whether it drives forwards or backwards is drawn anew at every step, and
it ends 66 units (root mean square) from where it began.

## Parameters
`walls` "maze" or "open"; `diameter` 100 of both goals, in [1, 1200]; `max_steps` 2000.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from payoff.envs.core.game import Game, ObservationPlan, Readout, Shape, paid
from payoff.envs.core.params import Params, check_integer, check_number
from payoff.envs.core.state import CLOCK, OVER, Array
from payoff.envs.sparse import hard_maze_kernels as kernels
from payoff.envs.sparse.hard_maze_kernels import GOALS, LAYOUT, NUMBERS, SEEN, SIDE
from payoff.envs.sparse.settings import chosen

__all__ = ["SETTINGS", "V0", "HardMazeParams", "Observe"]

Walls = Literal["maze", "open"]

OUTER = ((0, 0, 600, 0), (600, 0, 600, 600), (600, 600, 0, 600), (0, 600, 0, 0))
INNER = (
    (0, 270, 180, 270),
    (180, 360, 180, 100),
    (180, 360, 450, 360),
    (600, 240, 270, 240),
    (270, 240, 270, 130),
    (320, 600, 320, 430),
)
STOPS = ((225, 60), (225, 300), (520, 300), (520, 400), (320, 395), (90, 450), (320, 60))


@dataclass(frozen=True, slots=True, kw_only=True)
class HardMazeParams(Params):
    """Keywords of HardMaze-v0."""

    walls: Walls = "maze"  # all of them, or the outer ones only
    diameter: float = 100.0  # of a goal, 2 R
    max_steps: int = 2000  # step that is paid and ends the episode

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        if self.walls not in get_args(Walls):
            raise ValueError(f"walls must be one of {', '.join(map(repr, get_args(Walls)))}, got {self.walls!r}")
        check_number("diameter", self.diameter, 1.0, 1200.0)
        check_integer("max_steps", self.max_steps, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """An observation setting, the same object in every view.

    Attributes:
        pose: whether position and heading follow the sensors.
        clock: whether steps taken over the horizon come last.
    """

    pose: bool = True
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        for name in ("pose", "clock"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"observe.{name} must be True or False, got {getattr(self, name)!r}")


SETTINGS = {"full": Observe(), "private": Observe(pose=False), "minimal": Observe(pose=False)}


def plan(rows: Sequence[HardMazeParams], seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor an Observe.
    """
    wanted = chosen(setting, SETTINGS, Observe)
    sensors = ("range[left]", "range[ahead]", "range[right]", "bumper[left]", "bumper[right]")
    pose = ("x", "y", "heading") if wanted.pose else ()
    table = np.array([(wanted.pose, 1.0 / p.max_steps) for p in rows], dtype=SEEN)
    return ObservationPlan(table, (*sensors, *pose, *(["clock"] if wanted.clock else [])), sees_actions=False)


def corners(params: HardMazeParams) -> Array:
    """Walls ``(W, 4)`` of these parameters, from (x, y) to (x, y)."""
    return np.array([*OUTER, *(INNER if params.walls == "maze" else ())], dtype=np.float64)


def pack(rows: Sequence[HardMazeParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    found = [corners(p) for p in rows]
    numbers = [(len(w), p.diameter / 2.0, p.max_steps) for p, w in zip(rows, found, strict=True)]
    walls = np.zeros((len(rows), max(map(len, found)), 4))
    for p, w in enumerate(found):
        walls[p, : len(w), :2] = w[:, :2]
        walls[p, : len(w), 2:] = w[:, 2:] - w[:, :2]
    stops = np.array([STOPS] * len(rows), dtype=np.float64)
    return np.array(numbers, dtype=NUMBERS), walls, stops


def optimum(params: HardMazeParams, row: Array) -> tuple[float, int]:
    """Return of the reference from a state, and the steps to its payment; horizon + 1 where there is none."""
    steps = params.max_steps - int(row[CLOCK])
    if row[OVER] != 0.0 or steps <= 0:
        return 0.0, params.max_steps + 1
    value = float(kernels.played_out(pack([params]), row.copy(), steps))
    return value, steps if value > 0.0 else params.max_steps + 1


def policy(params: HardMazeParams, row: Array) -> Array:
    """Action ``(2,)`` of the reference."""
    wheels: Array = np.clip(kernels.steer(pack([params]), 0, row), -kernels.TOP_SPEED, kernels.TOP_SPEED)
    return wheels


FLOOR, WALL, GREEN, ROSE = (250, 250, 247), (90, 96, 106), (0, 158, 115), (240, 190, 190)
BLUE, INK = (0, 114, 178), (40, 44, 52)


def frame(params: HardMazeParams, row: Array, shape: Shape) -> Array:
    """The maze from above: goals green, what the range finders see rose, robot a blue disc with a dark nose.

    Returns:
        ``(300, 300, 3)`` uint8.
    """
    pixels = 300
    middle = (np.arange(pixels) + 0.5) * SIDE / pixels
    across, up = np.meshgrid(middle, middle[::-1])
    picture = np.full((pixels, pixels, 3), FLOOR, dtype=np.uint8)

    def near(x: float, y: float, to_x: float, to_y: float, distance: float) -> Array:
        """Pixels nearer than this to a segment."""
        dx, dy = to_x - x, to_y - y
        share = np.clip(((across - x) * dx + (up - y) * dy) / max(dx * dx + dy * dy, 1e-12), 0.0, 1.0)
        inside: Array = np.hypot(across - x - share * dx, up - y - share * dy) < distance
        return inside

    for goal_x, goal_y in GOALS:
        picture[np.hypot(across - goal_x, up - goal_y) < params.diameter / 2.0] = GREEN
    x, y, heading = (float(LAYOUT.view(row[None], name)[0]) for name in ("x", "y", "heading"))
    seen = np.zeros((1, 1, 5), dtype=np.float32)
    table = np.zeros(1, dtype=SEEN)
    kernels.observe_row(pack([params]), table, 0, row, seen[0])
    for k in range(3):
        way, length = heading + (1 - k) * np.pi / 4.0, float(seen[0, 0, k]) * kernels.RANGE
        picture[near(x, y, x + length * np.cos(way), y + length * np.sin(way), 1.5)] = ROSE
    for left, bottom, right, top in corners(params).tolist():
        picture[near(left, bottom, right, top, 4.0)] = WALL
    picture[np.hypot(across - x, up - y) < kernels.RADIUS] = BLUE
    picture[near(x, y, x + kernels.RADIUS * np.cos(heading), y + kernels.RADIUS * np.sin(heading), 2.0)] = INK
    return picture


V0 = Game(
    id="payoff/HardMaze-v0",
    params=HardMazeParams,
    doc=__doc__,
    kernels=kernels.KERNELS,
    shape=lambda p: Shape(1, 2, None, LAYOUT, p.max_steps),
    pack=pack,
    bounds=lambda p: np.full((1, 2, 2), (-kernels.TOP_SPEED, kernels.TOP_SPEED)),
    baseline=lambda p: np.zeros(1),
    dependence=lambda p: np.zeros((1, 1)),
    plan=plan,
    frame=frame,
    observations=tuple(SETTINGS),
    readouts=(Readout("descriptor", False, size=2), Readout("caption", False)),
    captions=kernels.CAPTIONS,
    default_actions="unit",
    optimum=optimum,
    optimum_kind="reference",
    bound=lambda p: 1.0,
    policy=policy,
    success=paid,
    levels={"easy": {"walls": "open", "diameter": 500.0}, "medium": {"walls": "open"}, "hard": {"walls": "maze"}},
)
