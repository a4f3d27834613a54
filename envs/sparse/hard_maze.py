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
robot, divided by their range of 100, and the left and the right bumper. `full` adds the pose: x and y / 600, and the
heading / (2 pi).

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

import math
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs.core.game import Game, Listed, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number, check_word, record
from payoff.envs.core.state import Array, Copy, real, whole
from payoff.envs.core.words import events
from payoff.envs.sight.numbers import Setting, numbers, show_clock
from payoff.envs.sparse.discs import nearness

__all__ = ["SETTINGS", "V0", "HardMazeParams", "Observe"]

EVENT = events(
    began="the episode began",
    moved="moved",
    hit="ran into a wall",
    arrived="ended at a goal",
    missed="ended away from the goals",
)
SIDE = 600.0  # of the arena
RADIUS = 10.0  # of the robot
AXLE = 20.0  # between its wheels
TOP_SPEED = 4.0  # of a wheel, per step
RANGE = 100.0  # of a range finder
START_X, START_Y, START_HEADING = 60.0, 450.0, math.pi / 4.0
GOALS = ((60.0, 60.0), (100.0, 200.0))
BUMPER_OVERLAP = 0.1  # sine of the angle by which a bumper reaches across the middle
TURN = 2.0 * TOP_SPEED / AXLE  # most that a step turns, radians

OUTER = ((0, 0, 600, 0), (600, 0, 600, 600), (600, 600, 0, 600), (0, 600, 0, 0))
INNER = (
    (0, 270, 180, 270),
    (180, 360, 180, 100),
    (180, 360, 450, 360),
    (600, 240, 270, 240),
    (270, 240, 270, 130),
    (320, 600, 320, 430),
)
WALLS = np.array(OUTER + INNER, dtype=np.float64)
WALLS[:, 2:] -= WALLS[:, :2]  # x, y, dx, dy
STOPS = np.array(((225, 60), (225, 300), (520, 300), (520, 400), (320, 395), (90, 450), (320, 60)), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class HardMazeParams(Params):
    """Keywords of HardMaze-v0."""

    walls: Literal["maze", "open"] = "maze"  # all of them, or the outer ones only
    diameter: float = 100.0  # of a goal, 2 R
    max_steps: int = 2000  # step that is paid and ends the episode

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_word("walls", self.walls, ("maze", "open"))
        check_number("diameter", self.diameter, 1.0, 1200.0)
        check_integer("max_steps", self.max_steps, 1)

    @property
    def n_walls(self) -> int:
        """How many of the walls there are, from the first one on."""
        return len(WALLS) if self.walls == "maze" else len(OUTER)

    @property
    def radius(self) -> float:
        """Radius of a goal, R."""
        return self.diameter / 2.0


class Robot(Copy):
    """State of one robot."""

    x: float = real(0.0, SIDE)
    y: float = real(0.0, SIDE)
    heading: float = real(0.0, 2.0 * math.pi)
    bumper_left: float = whole(0, 1)
    bumper_right: float = whole(0, 1)
    event: float = whole(0, EVENT)


@jit
def start(p: HardMazeParams, s: Robot) -> None:
    """The one start."""
    s.x, s.y, s.heading = START_X, START_Y, START_HEADING


@jit
def step(p: HardMazeParams, s: Robot, action: Array, payoff: Array) -> bool:
    """One step; the last one is paid."""
    drive(p, s, action[0], action[1])
    if s.clock + 1.0 < p.max_steps:
        return False
    payoff[0] = paid(p, s)
    s.event = EVENT.arrived if payoff[0] > 0.0 else EVENT.missed
    return True


@jit
def drive(p: HardMazeParams, s: Robot, left: float, right: float) -> None:
    """Equations (1) to (3)."""
    s.bumper_left, s.bumper_right = 0.0, 0.0
    heading = s.heading + (right - left) / AXLE  # 1
    heading -= 2.0 * math.pi * math.floor(heading / (2.0 * math.pi))
    s.heading = heading
    cos, sin = math.cos(heading), math.sin(heading)
    speed = 0.5 * (left + right)
    x, y = s.x + speed * cos, s.y + speed * sin  # 2
    dx, dy = to_wall(p, x, y)
    distance = math.hypot(dx, dy)
    if distance >= RADIUS:
        s.x, s.y, s.event = x, y, EVENT.moved
        return
    s.event = EVENT.hit  # 3
    if dx * cos + dy * sin >= 0.0:
        aside = dy * cos - dx * sin  # to the left
        if aside >= -BUMPER_OVERLAP * distance:
            s.bumper_left = 1.0
        if aside <= BUMPER_OVERLAP * distance:
            s.bumper_right = 1.0


@jit
def to_wall(p: HardMazeParams, x: float, y: float) -> tuple[float, float]:
    """Vector from (x, y) to the nearest point of all walls."""
    best, best_x, best_y = math.inf, 0.0, 0.0
    for w in range(p.n_walls):
        wall_x, wall_y, dx, dy = WALLS[w, 0], WALLS[w, 1], WALLS[w, 2], WALLS[w, 3]
        share = ((x - wall_x) * dx + (y - wall_y) * dy) / (dx * dx + dy * dy)
        share = min(1.0, max(0.0, share))
        away_x, away_y = wall_x + share * dx - x, wall_y + share * dy - y
        square = away_x * away_x + away_y * away_y
        if square < best:
            best, best_x, best_y = square, away_x, away_y
    return best_x, best_y


@jit
def paid(p: HardMazeParams, s: Robot) -> float:
    """What the last step pays."""
    best = 0.0
    for goal_x, goal_y in GOALS:
        best = max(best, nearness(s.x, s.y, goal_x, goal_y, p.radius))
    return best


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe(Setting):
    """What a seat sees: pass one as ``observe=``, to Gymnasium and PettingZoo environments alike.

    Attributes:
        pose: whether position and heading follow the sensors.
        clock: whether the clock, steps taken divided by the horizon, comes last.
    """

    pose: bool = True
    clock: bool = False


SETTINGS = {"full": Observe(), "private": Observe(pose=False), "minimal": Observe(pose=False)}


@jit
def look(p: HardMazeParams, s: Robot, view: Any, seen: Array) -> None:
    """Range finders and bumpers, and the pose if it is wanted."""
    for k in range(3):
        seen[k] = measured(p, s.x, s.y, s.heading + (1 - k) * 0.25 * math.pi) / RANGE
    seen[3], seen[4] = s.bumper_left, s.bumper_right
    if view.pose != 0:
        seen[5], seen[6], seen[7] = s.x / SIDE, s.y / SIDE, s.heading / (2.0 * math.pi)
    show_clock(s, view, seen)


@jit
def measured(p: HardMazeParams, x: float, y: float, direction: float) -> float:
    """Distance to the nearest wall in a direction, at most RANGE."""
    cos, sin = math.cos(direction), math.sin(direction)
    nearest = RANGE
    for w in range(p.n_walls):
        dx, dy = WALLS[w, 2], WALLS[w, 3]
        across = cos * dy - sin * dx
        if across == 0.0:  # parallel; the ends of a wall belong to others or to nobody
            continue
        away_x, away_y = WALLS[w, 0] - x, WALLS[w, 1] - y
        distance = (away_x * dy - away_y * dx) / across
        if distance < 0.0 or distance >= nearest:
            continue
        share = (away_x * sin - away_y * cos) / across
        if share >= 0.0 and share <= 1.0:
            nearest = distance
    return nearest


@jit
def descriptor(p: HardMazeParams, s: Robot, k: int) -> float:
    """Where the robot is: x, y, over 600."""
    return (s.x if k == 0 else s.y) / SIDE


@jit
def clearance(p: HardMazeParams, x: float, y: float) -> float:
    """Distance of (x, y) from the nearest wall."""
    dx, dy = to_wall(p, x, y)
    return math.hypot(dx, dy)


@jit
def in_sight(p: HardMazeParams, x: float, y: float, to_x: float, to_y: float) -> bool:
    """Whether the robot can drive straight from (x, y) to (to_x, to_y)."""
    way_x, way_y = to_x - x, to_y - y
    length2 = way_x * way_x + way_y * way_y
    nearest = min(clearance(p, to_x, to_y), clearance(p, x, y))
    for w in range(p.n_walls):
        wall_x, wall_y, dx, dy = WALLS[w, 0], WALLS[w, 1], WALLS[w, 2], WALLS[w, 3]
        ends = 0  # of the wall on the left of the way, then of the way on the left of the wall: one each if they cross
        for k in range(2):
            away_x, away_y = wall_x + k * dx - x, wall_y + k * dy - y
            share = 0.0 if length2 == 0.0 else (away_x * way_x + away_y * way_y) / length2
            share = min(1.0, max(0.0, share))
            nearest = min(nearest, math.hypot(away_x - share * way_x, away_y - share * way_y))
            if way_x * away_y - way_y * away_x > 0.0:
                ends += 1
            if dx * (y + k * way_y - wall_y) - dy * (x + k * way_x - wall_x) > 0.0:
                ends += 4
        if ends == 5:
            return False
    return nearest >= RADIUS - 1e-9


@jit
def target(p: HardMazeParams, x: float, y: float) -> tuple[float, float]:
    """Where the reference drives: the nearest goal in sight, else the first way-point in sight, else the first."""
    best, at_x, at_y = math.inf, STOPS[0, 0], STOPS[0, 1]
    for goal_x, goal_y in GOALS:
        distance = math.hypot(goal_x - x, goal_y - y)
        if distance < best and in_sight(p, x, y, goal_x, goal_y):
            best, at_x, at_y = distance, goal_x, goal_y
    if best == math.inf:
        for k in range(STOPS.shape[0]):
            if in_sight(p, x, y, STOPS[k, 0], STOPS[k, 1]):
                return STOPS[k, 0], STOPS[k, 1]
    return at_x, at_y


@jit
def steer(p: HardMazeParams, s: Robot) -> tuple[float, float]:
    """Speeds of the left and the right wheel that the reference chooses: turn to the target first, then drive."""
    at_x, at_y = target(p, s.x, s.y)
    dx, dy = at_x - s.x, at_y - s.y
    distance = math.hypot(dx, dy)
    if distance < 1e-9:
        return 0.0, 0.0
    turn = math.atan2(dy, dx) - s.heading
    turn -= 2.0 * math.pi * math.floor(turn / (2.0 * math.pi) + 0.5)
    speed = 0.0
    if abs(turn) <= TURN:
        speed = min(distance, TOP_SPEED - 0.5 * AXLE * abs(turn))
    side = 0.5 * AXLE * min(TURN, max(-TURN, turn))
    left, right = speed - side, speed + side
    return min(TOP_SPEED, max(-TOP_SPEED, left)), min(TOP_SPEED, max(-TOP_SPEED, right))


@jit
def played_out(p: HardMazeParams, s: Robot, steps: int) -> float:
    """What the reference is paid ``steps`` steps from here; the state is used up."""
    for _ in range(steps):
        left, right = steer(p, s)
        drive(p, s, left, right)
    return paid(p, s)


def optimum(params: HardMazeParams, s: Robot) -> tuple[float, int]:
    """Return of the reference, and the steps to its payment; horizon + 1 where there is none."""
    steps = params.max_steps - int(s.clock)
    if s.over != 0.0 or steps <= 0:
        return 0.0, params.max_steps + 1
    value = float(played_out(record(params), copy(s), steps))
    return value, steps if value > 0.0 else params.max_steps + 1


def policy(params: HardMazeParams, s: Robot) -> tuple[float, float]:
    """Action ``(2,)`` of the reference."""
    wheels: tuple[float, float] = steer(record(params), s)
    return wheels


FLOOR, WALL, GREEN, ROSE = (250, 250, 247), (90, 96, 106), (0, 158, 115), (240, 190, 190)
BLUE, INK = (0, 114, 178), (40, 44, 52)


def draw(params: HardMazeParams, s: Robot) -> Array:
    """The maze from above: goals green, what the range finders see rose, robot a blue disc with a dark nose."""
    pixels = 300
    middle = (np.arange(pixels) + 0.5) * SIDE / pixels
    across, up = np.meshgrid(middle, middle[::-1])
    picture = np.full((pixels, pixels, 3), FLOOR, dtype=np.uint8)

    def near(x: float, y: float, dx: float, dy: float, distance: float) -> Array:
        """Pixels nearer than this to a segment."""
        share = np.clip(((across - x) * dx + (up - y) * dy) / max(dx * dx + dy * dy, 1e-12), 0.0, 1.0)
        inside: Array = np.hypot(across - x - share * dx, up - y - share * dy) < distance
        return inside

    for goal_x, goal_y in GOALS:
        picture[np.hypot(across - goal_x, up - goal_y) < params.radius] = GREEN
    for k in range(3):
        way = s.heading + (1 - k) * np.pi / 4.0
        length = measured(record(params), s.x, s.y, way)
        picture[near(s.x, s.y, length * np.cos(way), length * np.sin(way), 1.5)] = ROSE
    for x, y, dx, dy in WALLS[: params.n_walls]:
        picture[near(x, y, dx, dy, 4.0)] = WALL
    picture[np.hypot(across - s.x, up - s.y) < RADIUS] = BLUE
    picture[near(s.x, s.y, RADIUS * np.cos(s.heading), RADIUS * np.sin(s.heading), 2.0)] = INK
    return picture


V0 = Game(
    "payoff/HardMaze-v0",
    "A robot with short sight and goals behind walls: paid at the last step, for where it stands.",
    tags=("sparse", "continuous"),
    rules=Rules(
        params=HardMazeParams,
        state=Robot,
        start=start,
        step=step,
        actions=lambda p: np.full((2, 2), (-TOP_SPEED, TOP_SPEED)),
        default_actions="unit",
    ),
    sight=numbers(
        look,
        ("range[left]", "range[ahead]", "range[right]", "bumper[left]", "bumper[right]"),
        SETTINGS,
        pose=("x", "y", "heading"),
    ),
    info={"descriptor": Listed(descriptor, size=2), "caption": EVENT},
    draw=draw,
    theory=Theory(
        "reference",
        optimum=optimum,
        policy=policy,
        bound=lambda p: 1.0,
        levels={"easy": {"walls": "open", "diameter": 500.0}, "medium": {"walls": "open"}, "hard": {"walls": "maze"}},
    ),
)
