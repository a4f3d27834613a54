"""RouteDrive: drive a winding route to its end; the payoff is how much of it was driven well, not how it looked.

## Model
A route of `length` metres is a curve whose curvature is piecewise linear in the distance s along it, with 17 equally
spaced knots: a spline of clothoids. The car is where it is along and beside the route: s, the offset d to the left, the
angle psi to the direction of the route, and its speed v. With kappa_k the curvature at knot k, x = 16 s / `length` and
k its whole part, a step of 0.1 seconds with acceleration a and steering angle delta is:

(1) kappa(s) = kappa_k + (x - k) (kappa_k+1 - kappa_k)

(2) v' = v + 0.1 a, cut to [0, 20] m/s; w = (v + v') / 2; yaw rate = w tan(delta) / 2.7

(3) ds/dt = w cos psi / (1 - d kappa(s)), dd/dt = w sin psi, dpsi/dt = yaw rate - kappa(s) ds/dt, for 0.1 s by the
    midpoint rule

(4) the vehicles, all on the route, drive at their own pace, the foremost first; each stops at once before a red light,
    two car lengths behind the next one, and behind the car where |d| < 2

(5) completion = the furthest s of the episode over `length`

(6) factors and hard rules, below

(2) and (3) are the kinematic bicycle, with a wheelbase of 2.7 m, written in coordinates of its route. Lights stand at
equal distances; each is red for the first 60 of its 160 steps. What is rewarded, the rules and their numbers are those
of CaRL (Jaeger et al., "CaRL: Learning Scalable Planning Policies with Simple Rewards", 2025, arXiv:2504.17838), known
here from notes on its published code; road, lights, traffic and scales are ours.

## Players and actions
One seat, two numbers: acceleration in [-5, 5] m/s^2 and steering angle in [-0.5, 0.5] rad, to the left above 0.

## Observations
27 numbers in [0, 1] under every setting: speed; offset over [-`lane_width`, `lane_width`]; angle over [-pi, pi]; the
last acceleration; completion; the count of factor 5 over 60; the steps for which factors 3 and 4 (each of its limits)
stay down, over `hold`; curvature at 0, 6, ... 42 m ahead, over [-0.1, 0.1]; speed limit at 0, 20 and 40 m; distance of
the next light over 60 m, whether it is red, and time to its change over its cycle; distance of the next vehicle over
60 m, and its speed. Speeds are over 20 m/s. What lies further ahead is not shown.

## Rewards
By `payoff`, g being the completion gained in the step, in points of which the whole route has 100:

- `"completion"`: g times the product of five factors, and minus `penalty` on a collision or a red light;
- `"finish"`: 100 on the step that finishes the route, else 0.

The factors: (1) 0 where |d| is above half a lane; (2) 1 - e / 2.23, at least 0, e being the speed above the limit in
m/s; (3) 0.5 if the vehicle ahead would be hit within a second at the speeds of this step, and for `hold` steps after;
(4) 1 - k / 8, k being how many of four limits are broken or were within `hold` steps: acceleration in [-4.05, 2.4],
lateral acceleration 4.89, yaw rate 0.95, jerk 4.13 (m and s); (5) 0.5 where the car was more than half a metre off the
centre for over three seconds, on a count that goes down by one in every other step.

`info["reward_terms"]["aux"]` holds a weighted sum in the manner of nuPlan's score, part of no payoff:

(7) (5 g + 100 / `max_steps` (5 [factor 3 is 1] + 4 [factor 2 is 1] + 2 [factor 4 is 1])) / 16

`info` has the five `factors`, and as `checks` whether each is 1 and whether the three hard rules are kept.

## Starting state
At rest on the centre at s = 0. Drawn from the copy's own stream: curvatures uniform over [-`curvature`, `curvature`]
(0 at both ends), the limits of four zones of equal length (30, 40 or 50 km/h), the place of each light in its cycle,
and the vehicles: one in each of equal parts of the first half of the route, at a pace uniform over [6, 9] m/s.

## Episode end
Terminated by a collision, by passing a red light, by leaving the route (|d| above `lane_width`), and by finishing it:
nothing can be earned after any of these. Truncated after `max_steps`. The published code does it the other way round,
and so lets a learner bootstrap beyond the end of the route; here the return is what the page says.

## Theory
The gains g add up to 100 at most, and no factor is above 1, so no return is above 100: a proven bound. Without
infractions the return of `"completion"` is exactly 100 times the completion.

The sum (7) pays 68.75 for an episode of full length in which nothing happens, and 31.25 for the route. Standing still
earns 68.75; finishing without a fault after a share q of the time earns 31.25 + 68.75 q, less than that for q below
6/11; the best is to crawl over the line in the last step, for 100. Under `"completion"` standing still earns 0.
`curvature=0, lights=0, vehicles=0` is a corridor in which only the speed matters.

The reference follows the centre, brakes in time for limits, curves, red lights and vehicles, and changes its
acceleration slowly. `optimum` plays it out; where it arrives without a fault its return of 100 is the best. At the
defaults it arrives from each of 1,000 starts, from 999 of them without a fault. The number of steps that `optimum`
gives is an upper bound of the least.

## Parameters
`payoff` "completion" or "finish"; `length` 250, in [50, 2000]; `lane_width` 3.5, in [2.5, 5]; `curvature` 0.04, in
[0, 0.1]; `lights` 3 and `vehicles` 3, in 0 .. 6; `penalty` 1, in [0, 1]; `hold` 100, in 0 .. 1000; `max_steps` 600.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from payoff.envs.core import loop
from payoff.envs.core.game import Episode, Game, Readout, Shape
from payoff.envs.core.params import Params, check_integer, check_number
from payoff.envs.core.state import OVER, Array
from payoff.envs.sparse import route_drive_kernels as kernels
from payoff.envs.sparse import route_drive_reference as reference
from payoff.envs.sparse.continuous import SETTINGS, Observe, plan
from payoff.envs.sparse.route_drive_kernels import LAYOUT

__all__ = ["CHECKS", "SETTINGS", "V0", "Observe", "RouteDriveParams"]

Payoff = Literal["completion", "finish"]

CHECKS = (
    "in the lane",
    "within the speed limit",
    "a second or more behind the vehicle ahead",
    "comfortable",
    "on the centre",
    "no collision",
    "no red light passed",
    "on the route",
)
CAPTIONS = (
    "the episode began",
    "drove without a fault",
    "drove with a fault",
    "finished the route",
    "hit a vehicle",
    "passed a red light",
    "left the route",
)
NAMES = (
    *("speed", "offset", "angle", "acceleration", "completion", "off the centre", "too near"),
    *(f"rough[{i}]" for i in range(4)),
    *(f"curvature[{6 * i} m]" for i in range(8)),
    *(f"limit[{20 * i} m]" for i in range(3)),
    *("light distance", "light is red", "light changes", "vehicle distance", "vehicle speed"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDriveParams(Params):
    """Keywords of RouteDrive-v0."""

    payoff: Payoff = "completion"  # what is paid
    length: float = 250.0  # of the route, m
    lane_width: float = 3.5  # m
    curvature: float = 0.04  # largest, 1/m
    lights: int = 3  # number of traffic lights
    vehicles: int = 3  # number of other vehicles
    penalty: float = 1.0  # points taken by a collision or a red light
    hold: int = 100  # steps for which factors 3 and 4 stay down
    max_steps: int = 600  # steps after which an episode is truncated

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        if self.payoff not in get_args(Payoff):
            raise ValueError(f"payoff must be one of {', '.join(map(repr, get_args(Payoff)))}, got {self.payoff!r}")
        check_number("length", self.length, 50.0, 2000.0)
        check_number("lane_width", self.lane_width, 2.5, 5.0)
        check_number("curvature", self.curvature, 0.0, 0.1)
        check_integer("lights", self.lights, 0, kernels.MOST)
        check_integer("vehicles", self.vehicles, 0, kernels.MOST)
        check_number("penalty", self.penalty, 0.0, 1.0)
        check_integer("hold", self.hold, 0, 1000)
        check_integer("max_steps", self.max_steps, 1)


def pack(rows: Sequence[RouteDriveParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    records = [
        (
            p.payoff == "finish",
            p.lights,
            p.vehicles,
            p.length,
            p.lane_width,
            p.curvature,
            p.penalty,
            p.hold,
            p.max_steps,
        )
        for p in rows
    ]
    return (np.array(records, dtype=kernels.NUMBERS),)


def optimum(params: RouteDriveParams, row: Array) -> tuple[float, int]:
    """Return of the reference from a state, and the steps to its first payment; horizon + 1 where there is none."""
    if row[OVER] != 0.0:
        return 0.0, params.max_steps + 1
    total, first = reference.play(pack([params]), row.copy(), np.zeros((1, 2)), np.zeros((loop.WORK_ROWS, 1)))
    return float(total), int(first)


def policy(params: RouteDriveParams, row: Array) -> Array:
    """Action ``(2,)`` of the reference."""
    action = np.zeros((1, 2))
    reference.choose(pack([params]), 0, row, action)
    chosen: Array = action[0]
    return chosen


def finished(params: RouteDriveParams, episode: Episode) -> bool:
    """Whether the route was finished."""
    return bool(episode.last[kernels.EVENT] == kernels.FINISHED)


GRASS, ROAD, VERGE, LINE = (196, 208, 180), (120, 124, 132), (160, 162, 160), (250, 250, 247)
RED, GREEN, BLUE, ORANGE = (213, 60, 40), (0, 158, 115), (0, 114, 178), (230, 159, 0)
_BEHIND, _AHEAD, _PIXELS = 15.0, 45.0, 5  # m, m, pixels per m


def _centre_line(params: RouteDriveParams, row: Array) -> tuple[Array, Array, Array, Array]:
    """Every half metre around the car: s, x, y and direction, the route going up the y axis where the car is."""
    p, s = pack([params])[0][0], row[kernels.S]
    along = np.arange(-80, 181) * 0.5
    bend = np.array([kernels.curvature(p, row, s + u) for u in along])
    turn = np.concatenate([[0.0], np.cumsum(0.25 * (bend[1:] + bend[:-1]))])
    turn -= turn[80]
    x, y = (np.concatenate([[0.0], np.cumsum(0.25 * (f[1:] + f[:-1]))]) for f in (-np.sin(turn), np.cos(turn)))
    return s + along, x - x[80], y - y[80], turn


def frame(params: RouteDriveParams, row: Array, shape: Shape) -> Array:
    """The road around the car from above, upwards along the route: car blue, vehicles orange, stop lines red or green.

    Returns:
        ``(300, 300, 3)`` uint8.
    """
    side = int((_BEHIND + _AHEAD) * _PIXELS)
    middle = (np.arange(side) + 0.5) / _PIXELS
    across, up = np.meshgrid(middle - 0.5 * side / _PIXELS, _AHEAD - middle)
    s, x, y, turn = _centre_line(params, row)
    there = (s >= 0.0) & (s <= params.length)
    away = np.full((side, side), np.inf)
    for u, v in zip(x[there], y[there], strict=True):
        np.minimum(away, (across - u) ** 2 + (up - v) ** 2, out=away)
    picture = np.full((side, side, 3), GRASS, dtype=np.uint8)
    picture[away < params.lane_width**2] = VERGE
    picture[away < (0.5 * params.lane_width) ** 2] = ROAD

    def box(at: float, aside: float, angle: float, length: float, width: float, colour: tuple[int, int, int]) -> None:
        """Paint a rectangle whose middle is at s = ``at``, ``aside`` to the left."""
        i = int(np.argmin(abs(s - at)))
        if abs(s[i] - at) > 0.5:
            return
        dx, dy = across - x[i] + aside * np.cos(turn[i]), up - y[i] + aside * np.sin(turn[i])
        way = turn[i] + angle
        forward, side_way = -dx * np.sin(way) + dy * np.cos(way), dx * np.cos(way) + dy * np.sin(way)
        picture[(abs(forward) < 0.5 * length) & (abs(side_way) < 0.5 * width)] = colour

    p = pack([params])[0][0]
    box(params.length, 0.0, 0.0, 0.6, params.lane_width, LINE)
    for i in range(params.lights):
        red = kernels.phase(row, i) < kernels.RED
        box(kernels.stop_line(p, i), 0.0, 0.0, 0.6, params.lane_width, RED if red else GREEN)
    for i in range(params.vehicles):
        box(row[kernels.VEHICLE + i], 0.0, 0.0, kernels.CAR_LENGTH, kernels.CAR_WIDTH, ORANGE)
    box(row[kernels.S], row[kernels.D], row[kernels.PSI], kernels.CAR_LENGTH, kernels.CAR_WIDTH, BLUE)
    return picture


V0 = Game(
    id="payoff/RouteDrive-v0",
    params=RouteDriveParams,
    doc=__doc__,
    kernels=kernels.KERNELS,
    shape=lambda p: Shape(1, 2, None, LAYOUT, p.max_steps),
    pack=pack,
    bounds=lambda p: np.array([[[-x, x] for x in (kernels.TOP_ACCELERATION, kernels.TOP_STEER)]]),
    baseline=lambda p: np.zeros(1),
    dependence=lambda p: np.zeros((1, 1)),
    plan=lambda rows, seats, setting: plan(rows, setting, NAMES),
    frame=frame,
    observations=tuple(SETTINGS),
    readouts=(
        Readout("aux", True),
        Readout("progress", False),
        Readout("factors", False, size=5),
        Readout("checks", False, size=8, flag=True),
        Readout("caption", False),
    ),
    captions=CAPTIONS,
    default_actions="unit",
    optimum=optimum,
    optimum_kind="reference",
    bound=lambda p: 100.0,
    policy=policy,
    success=finished,
    levels={
        "easy": {"length": 50.0, "curvature": 0.0, "lights": 0, "vehicles": 0},
        "medium": {"lights": 3, "vehicles": 3},
        "hard": {"payoff": "finish"},
    },
)
