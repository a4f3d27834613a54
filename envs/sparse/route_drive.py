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
here from notes on its published code; road, lights, traffic and scales were chosen for this library.

## Players and actions
One seat, two numbers: acceleration in [-5, 5] m/s^2 and steering angle in [-0.5, 0.5] rad, to the left above 0.

## Observations
27 numbers in [0, 1] under every setting: speed; offset, scaled from [-`lane_width`, `lane_width`]; angle, scaled from
[-pi, pi]; the last acceleration; completion; the count of factor 5 divided by 60; the steps for which factors 3 and 4
(each of its limits) stay down, divided by `hold`; curvature at 0, 6, ... 42 m ahead, scaled from [-0.1, 0.1]; speed
limit at 0, 20 and 40 m; distance of the next light divided by 60 m, whether it is red, and time to its change divided
by its cycle; distance of the next vehicle divided by 60 m, and its speed. Speeds are divided by 20 m/s. What lies
further ahead is not shown.

## Rewards
By `payoff`, g being the completion gained in the step, in points of which the whole route has 100:

- `"completion"`: g times the product of five factors, and minus `penalty` on a collision or a red light;
- `"finish"`: 100 on the step that finishes the route, else 0.

The factors: (1) 0 where |d| is above half a lane; (2) 1 - e / 2.23, at least 0, e being the speed above the limit in
m/s; (3) 0.5 if the vehicle ahead would be hit within a second at the speeds of this step, and for `hold` steps after;
(4) 1 - k / 8, k being how many of four limits are broken or were within `hold` steps: acceleration in [-4.05, 2.4],
lateral acceleration 4.89, yaw rate 0.95, jerk 4.13 (m and s); (5) 0.5 where the car was more than half a metre off the
centre for over three seconds, on a count that goes down by one in every other step.

`info["aux"]` holds a weighted sum in the manner of nuPlan's score, part of no payoff:

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

import math
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs.core import rng
from payoff.envs.core.game import Each, Episode, Game, Listed, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number, check_word, record
from payoff.envs.core.state import Array
from payoff.envs.core.words import words
from payoff.envs.sight.numbers import SETTINGS, Observe, numbers, show_clock
from payoff.envs.sparse import route_drive_reference as reference
from payoff.envs.sparse import route_drive_road as road
from payoff.envs.sparse.route_drive_road import CAR_LENGTH, CAR_WIDTH, DT, EVENT, FACTOR, HELD, Drive

__all__ = ["CHECKS", "SETTINGS", "V0", "Observe", "RouteDriveParams"]

PAYOFF = words("completion", "finish")
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
EXCESS = 2.23  # m/s above the limit at which nothing is left of the factor
BRAKE_LIMIT, PUSH_LIMIT, SIDE_LIMIT, YAW_LIMIT, JERK_LIMIT = -4.05, 2.40, 4.89, 0.95, 4.13
MARGIN, STAY_ASIDE = 0.5, 30.0  # m off the centre, and steps of it before the factor falls


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDriveParams(Params):
    """Keywords of RouteDrive-v0."""

    payoff: Literal["completion", "finish"] = "completion"  # what is paid
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
        check_word("payoff", self.payoff, PAYOFF._fields)
        check_number("length", self.length, 50.0, 2000.0)
        check_number("lane_width", self.lane_width, 2.5, 5.0)
        check_number("curvature", self.curvature, 0.0, 0.1)
        check_integer("lights", self.lights, 0, road.MOST)
        check_integer("vehicles", self.vehicles, 0, road.MOST)
        check_number("penalty", self.penalty, 0.0, 1.0)
        check_integer("hold", self.hold, 0, 1000)
        check_integer("max_steps", self.max_steps, 1)

    @property
    def stride(self) -> float:
        """Furthest in m that a step can lead along the route, at top speed on the inside of the sharpest curve."""
        way = DT * road.TOP_SPEED
        return way / (1.0 - self.curvature * (self.lane_width + 0.5 * way))

    @property
    def furthest(self) -> float:
        """Furthest in m that a vehicle can be from the beginning of the route."""
        return 0.5 * self.length + 3.0 * CAR_LENGTH * road.MOST + DT * road.PACE * self.max_steps


@jit
def start(p: RouteDriveParams, s: Drive) -> None:
    """Draw the route, its limits, lights and vehicles; the car stands at its beginning."""
    for k in range(len(FACTOR)):
        s.factor[k] = 1.0
    for k in range(1, road.KNOTS - 1):
        s.curvature[k] = p.curvature * (2.0 * rng.uniform(s) - 1.0)
    for k in range(road.ZONES):
        s.limit[k] = (30.0 + 10.0 * rng.below(s, 3)) / 3.6
    for k in range(p.lights):
        s.lead[k] = rng.below(s, road.CYCLE)
    for k in range(p.vehicles):
        s.vehicle[k] = 0.5 * p.length * (k + rng.uniform(s)) / p.vehicles + 3.0 * CAR_LENGTH * (k + 1)
        s.pace[k] = 6.0 + 3.0 * rng.uniform(s)
        s.moved[k] = s.pace[k]


@jit
def step(p: RouteDriveParams, s: Drive, action: Array, payoff: Array) -> bool:
    """One step, in the order of the page; it ends where the route is finished or a hard rule is broken."""
    light, before, last = road.next_light(p, s.along), s.reached, s.acceleration
    red = light >= 0 and road.is_red(s, light)
    yaw = road.drive(p, s, action[0], action[1])
    road.move_vehicles(p, s)
    s.reached = min(p.length, max(before, s.along))  # 5
    gained = 100.0 * (s.reached - before) / p.length
    product = judge(p, s, (s.acceleration - last) / DT, yaw)  # 6
    s.event = outcome(p, s, red and s.along >= road.stop_line(p, light), product)
    if p.payoff == PAYOFF.finish:
        payoff[0] = 100.0 if s.event == EVENT.finished else 0.0
    else:
        hit = s.event == EVENT.collided or s.event == EVENT.ran_light
        payoff[0] = gained * product - (p.penalty if hit else 0.0)
    present = 5.0 * (s.factor[FACTOR.distance] == 1.0)
    present += 4.0 * (s.factor[FACTOR.speed] == 1.0) + 2.0 * (s.factor[FACTOR.comfort] == 1.0)
    s.aux = (5.0 * gained + 100.0 / p.horizon * present) / 16.0  # 7
    return s.event >= EVENT.finished


@jit
def judge(p: RouteDriveParams, s: Drive, jerk: float, yaw: float) -> float:
    """The five soft factors of this step; returns their product."""
    s.factor[FACTOR.lane] = 1.0 if abs(s.offset) <= 0.5 * p.lane_width else 0.0
    excess = max(0.0, s.speed - road.limit(p, s, s.along))
    s.factor[FACTOR.speed] = max(0.0, 1.0 - excess / EXCESS)
    k = road.next_vehicle(p, s)
    soon = False
    if k >= 0 and abs(s.offset) < CAR_WIDTH:
        gap = s.vehicle[k] - s.along - CAR_LENGTH
        soon = gap < s.speed - s.moved[k]  # within one second
    s.factor[FACTOR.distance] = 0.5 if stays_down(p, s, HELD.near, soon) else 1.0
    rough = s.acceleration < BRAKE_LIMIT or s.acceleration > PUSH_LIMIT
    broken = 0
    broken += stays_down(p, s, HELD.push, rough)
    broken += stays_down(p, s, HELD.side, abs(s.speed * yaw) > SIDE_LIMIT)
    broken += stays_down(p, s, HELD.yaw, abs(yaw) > YAW_LIMIT)
    broken += stays_down(p, s, HELD.jerk, abs(jerk) > JERK_LIMIT)
    s.factor[FACTOR.comfort] = 1.0 - 0.5 * broken / 4
    s.off_centre = s.off_centre + 1.0 if abs(s.offset) > MARGIN else max(0.0, s.off_centre - 1.0)
    s.factor[FACTOR.centre] = 0.5 if s.off_centre > STAY_ASIDE else 1.0
    product = 1.0
    for k in range(len(FACTOR)):
        product *= s.factor[k]
    return product


@jit
def stays_down(p: RouteDriveParams, s: Drive, k: int, broken: bool) -> bool:
    """Whether limit k is broken now or was within the last ``hold`` steps."""
    was = s.held[k] > 0.0
    s.held[k] = p.hold if broken else max(0.0, s.held[k] - 1.0)
    return broken or was


@jit
def outcome(p: RouteDriveParams, s: Drive, passed: bool, product: float) -> int:
    """Event of this step; what is from ``finished`` on ends the episode."""
    if abs(s.offset) < CAR_WIDTH:
        for k in range(p.vehicles):
            if abs(s.vehicle[k] - s.along) < CAR_LENGTH:
                return EVENT.collided
    if passed:
        return EVENT.ran_light
    if abs(s.offset) > p.lane_width:
        return EVENT.left_route
    if s.along >= p.length:
        return EVENT.finished
    return EVENT.drove if product == 1.0 else EVENT.faulted


NAMES = (
    *("speed", "offset", "angle", "acceleration", "completion", "off the centre", "too near"),
    *(f"rough[{i}]" for i in range(4)),
    *(f"curvature[{6 * i} m]" for i in range(8)),
    *(f"limit[{20 * i} m]" for i in range(3)),
    *("light distance", "light is red", "light changes", "vehicle distance", "vehicle speed"),
)


@jit
def share(x: float) -> float:
    """Cut to [0, 1]."""
    return min(1.0, max(0.0, x))


@jit
def look(p: RouteDriveParams, s: Drive, view: Any, seen: Array) -> None:
    """What the seat sees, in the order of ``NAMES``."""
    hold = max(1.0, p.hold)
    seen[0] = s.speed / road.TOP_SPEED
    seen[1] = share(0.5 + 0.5 * s.offset / p.lane_width)
    seen[2] = share(0.5 + 0.5 * s.angle / math.pi)
    seen[3] = 0.5 + 0.5 * s.acceleration / road.TOP_ACCELERATION
    seen[4] = s.reached / p.length
    seen[5] = share(s.off_centre / (2.0 * STAY_ASIDE))
    for k in range(len(HELD)):
        seen[6 + k] = s.held[k] / hold
    for k in range(8):
        seen[11 + k] = share(0.5 + 5.0 * road.curvature(p, s, s.along + 6.0 * k))
    for k in range(3):
        seen[19 + k] = road.limit(p, s, s.along + 20.0 * k) / road.TOP_SPEED
    light = road.next_light(p, s.along)
    seen[22], seen[23], seen[24] = 1.0, 0.0, 0.0
    if light >= 0:
        now = road.phase(s, light)
        seen[22] = share((road.stop_line(p, light) - s.along) / 60.0)
        seen[23] = 1.0 if now < road.RED else 0.0
        seen[24] = ((road.RED if now < road.RED else road.CYCLE) - now) / road.CYCLE
    k = road.next_vehicle(p, s)
    seen[25], seen[26] = 1.0, 1.0
    if k >= 0:
        seen[25] = share((s.vehicle[k] - s.along) / 60.0)
        seen[26] = s.moved[k] / road.TOP_SPEED
    show_clock(s, view, seen)


@jit
def progress(p: RouteDriveParams, s: Drive) -> float:
    """Completion."""
    return s.reached / p.length


@jit
def check(p: RouteDriveParams, s: Drive, k: int) -> float:
    """Whether check k is passed."""
    return s.factor[k] == 1.0 if k < len(FACTOR) else s.event != EVENT.collided + k - len(FACTOR)


def optimum(params: RouteDriveParams, s: Drive) -> tuple[float, int]:
    """Return of the reference from a state, and the steps to its first payment; horizon + 1 where there is none."""
    total, first = play(record(params), copy(s), np.zeros(2), np.zeros(1))
    return float(total), int(first)


@jit
def play(p: RouteDriveParams, s: Drive, action: Array, payoff: Array) -> tuple[float, int]:
    """Play the reference to the end of the episode; the state and the arrays ``(2,)`` and ``(1,)`` are used up."""
    total, first, begun = 0.0, p.horizon + 1, int(s.clock)
    over = s.over != 0.0
    while not over and s.clock < p.horizon:
        reference.choose(p, s, action)
        over = step(p, s, action, payoff)
        s.clock += 1.0
        total += payoff[0]
        if payoff[0] > 0.0:
            first = min(first, int(s.clock) - begun)
    return total, first


def policy(params: RouteDriveParams, s: Drive) -> Array:
    """Action ``(2,)`` of the reference."""
    action = np.zeros(2)
    reference.choose(record(params), s, action)
    return action


def finished(params: RouteDriveParams, episode: Episode, s: Drive) -> bool:
    """Whether the route was finished."""
    return bool(s.event == EVENT.finished)


GRASS, ROAD, VERGE, LINE = (196, 208, 180), (120, 124, 132), (160, 162, 160), (250, 250, 247)
RED, GREEN, BLUE, ORANGE = (213, 60, 40), (0, 158, 115), (0, 114, 178), (230, 159, 0)
_BEHIND, _AHEAD, _PIXELS = 15.0, 45.0, 5  # m, m, pixels per m


def _centre_line(params: RouteDriveParams, s: Drive) -> tuple[Array, Array, Array, Array]:
    """Every half metre around the car: s, x, y and direction, the route going up the y axis where the car is."""
    along = s.along + np.arange(-80, 181) * 0.5
    bend = np.array([road.curvature(record(params), s, u) for u in along])
    turn = np.concatenate([[0.0], np.cumsum(0.25 * (bend[1:] + bend[:-1]))])
    turn -= turn[80]
    x, y = (np.concatenate([[0.0], np.cumsum(0.25 * (f[1:] + f[:-1]))]) for f in (-np.sin(turn), np.cos(turn)))
    return along, x - x[80], y - y[80], turn


def draw(params: RouteDriveParams, s: Drive) -> Array:
    """The road around the car from above, upwards along the route: car blue, vehicles orange, stop lines red or green.

    Returns:
        ``(300, 300, 3)`` uint8.
    """
    side = int((_BEHIND + _AHEAD) * _PIXELS)
    middle = (np.arange(side) + 0.5) / _PIXELS
    across, up = np.meshgrid(middle - 0.5 * side / _PIXELS, _AHEAD - middle)
    along, x, y, turn = _centre_line(params, s)
    there = (along >= 0.0) & (along <= params.length)
    away = np.full((side, side), np.inf)
    for u, v in zip(x[there], y[there], strict=True):
        np.minimum(away, (across - u) ** 2 + (up - v) ** 2, out=away)
    picture = np.full((side, side, 3), GRASS, dtype=np.uint8)
    picture[away < params.lane_width**2] = VERGE
    picture[away < (0.5 * params.lane_width) ** 2] = ROAD

    def box(at: float, aside: float, angle: float, length: float, width: float, colour: tuple[int, int, int]) -> None:
        """Paint a rectangle whose middle is at s = ``at``, ``aside`` to the left."""
        i = int(np.argmin(abs(along - at)))
        if abs(along[i] - at) > 0.5:
            return
        dx, dy = across - x[i] + aside * np.cos(turn[i]), up - y[i] + aside * np.sin(turn[i])
        way = turn[i] + angle
        forward, side_way = -dx * np.sin(way) + dy * np.cos(way), dx * np.cos(way) + dy * np.sin(way)
        picture[(abs(forward) < 0.5 * length) & (abs(side_way) < 0.5 * width)] = colour

    box(params.length, 0.0, 0.0, 0.6, params.lane_width, LINE)
    for k in range(params.lights):
        line = road.stop_line(record(params), k)
        box(line, 0.0, 0.0, 0.6, params.lane_width, RED if road.is_red(s, k) else GREEN)
    for k in range(params.vehicles):
        box(s.vehicle[k], 0.0, 0.0, CAR_LENGTH, CAR_WIDTH, ORANGE)
    box(s.along, s.offset, s.angle, CAR_LENGTH, CAR_WIDTH, BLUE)
    return picture


V0 = Game(
    "payoff/RouteDrive-v0",
    "A winding route with lights and traffic; what is paid is the part of it that was driven well.",
    tags=("sparse", "continuous"),
    rules=Rules(
        params=RouteDriveParams,
        state=Drive,
        start=start,
        step=step,
        actions=lambda p: [[-most, most] for most in (road.TOP_ACCELERATION, road.TOP_STEER)],
        default_actions="unit",
    ),
    sight=numbers(look, NAMES),
    info={
        "aux": Each("aux"),
        "progress": progress,
        "factors": "factor",
        "checks": Listed(check, len(CHECKS), flag=True),
        "caption": EVENT,
    },
    draw=draw,
    theory=Theory(
        "reference",
        optimum=optimum,
        policy=policy,
        success=finished,
        bound=lambda p: 100.0,
        levels={
            "easy": {"length": 50.0, "curvature": 0.0, "lights": 0, "vehicles": 0},
            "medium": {"lights": 3, "vehicles": 3},
            "hard": {"payoff": "finish"},
        },
    ),
)
