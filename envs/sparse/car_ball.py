"""CarBall: cars push a ball about a box; a goal pays one team 1, costs the other 1, and ends the episode.

## Model
Cars and ball are discs (radius 0.35 and 0.25 m, mass 3 and 1 kg) in a box of 10 x 7 m, whose middle is (0, 0). A car
has a position, a heading, a velocity and `fuel`, counted in seconds of full boost; it chooses throttle a, steering w
and boost b. A step of 0.1 seconds is four sub-steps of h = 0.025 seconds. In each of them (1) to (7) happen in this
order, where f and l are the components of a car's velocity along and across its heading, as it was before (1) turned
it:

(1) the heading turns by 4 w h min(1, max(-1, f)) radians. The velocity does not turn with it

(2) f = exp(-h) f + 4 a h + 6 b' h and l = exp(-7 h) l, where b' h = min(b h, fuel left) is the fuel that is burnt, in
seconds; then the speed, the length of (f, l), is cut to 6 m/s

(3) positions move by h times the velocities; the ball first loses the share 1 - exp(-`drag` h) of its velocity

(4) ball and cars: a car that overlaps the ball exchanges an impulse with it along the line between the centres (along
the heading where the centres coincide), with the restitution `restitution`, and both are moved apart, the car by a
quarter of the overlap and the ball by three quarters. If c cars overlap the ball at once, each of them meets a ball of
mass 1 / c; the ball gets the sum of the impulses and the mean of the c movements, each car its full quarter. So the
order of seats does not matter, momentum is conserved, and no contact adds energy

(5) cars and cars: likewise, pair by pair, with restitution 0.2, and each car moves by half of the overlap. Two cars
whose centres coincide are left as they are

(6) goal: the ball touches the left or right wall, or is beyond it, and its centre is within the `mouth`, an interval of
this width around the middle of that wall. The step then ends after (7), without its other sub-steps

(7) walls: the ball's speed is cut to 10 m/s; then what is beyond a wall is put back to it. Of an outward velocity, the
component into the wall is reversed and multiplied by `restitution` for the ball, and becomes 0 for a car

Simplified games of cars, ball and boost go back to Lucy-SKG (Moschopoulos et al., "Lucy-SKG: Learning to Play Rocket
League Efficiently Using Deep Reinforcement Learning", 2023, arXiv:2305.15801). Box, restitution of the ball and payment
were taken from a small reimplementation of that game, not from the paper; all other numbers were chosen for this
library. Cars cannot enter a goal, jump or be destroyed.

## Players and actions
`players` seats: 2 for one against one, 4 for two against two, 1 for a car alone with the ball. The first half of them,
and a single player, attack to the right, the second half to the left. Three numbers each: throttle in [-1, 1], steering
in [-1, 1] (to the left above 0), boost in [0, 1].

The built-in partners, such as `"tit_for_tat"` or `"random"`, choose a single number, which is the throttle: such a car
drives straight and never boosts. `chaser` is a scripted partner that really plays: `gym.make(id, partners=chaser)`. It
needs `actions="unit"`, the default, where -1 and 1 stand for the least and the largest native value of each number, so
that a boost of -1 is none.

## Observations
In [0, 1], under every setting, turned so that every seat attacks to the right: position and velocity of the ball; then
of the seat itself, of its team and of the opponents, each with position, heading (cosine and sine), velocity and fuel
left. Positions are scaled from the box, velocities from [-6, 6] m/s for cars and [-10, 10] m/s for the ball, headings
from [-1, 1], and fuel is divided by `fuel`.

## Rewards
A goal pays 1 to each seat of the team that attacks that side and -1 to each seat of the other team; nothing else pays.
A single player gets 1 for a goal in the right wall and -1 for one in the left wall. `info["touched"]` says which seats
touched the ball in the step.

Three functions of observations are meant as potentials for `payoff.wrappers.potential.shaping`:

- `ball_nearness`: exp(-d / 20), d the distance in metres from the ball to the middle of the opponents' goal;
- `car_nearness`: exp(-d / 4), d the distance in metres from the car to the ball;
- `alignment`: (cos(car to ball, car to the opponents' goal) + cos(home to car, car to ball)) / 2, with the cosines of
  the angles between these directions; home is the goal that the team of the car defends.

Their form is that of the paper; their scales were chosen for this library.

## Starting state
All at rest, the ball in the middle. Cars of the first team face the ball, at x drawn uniformly from [-4, -2] and y
uniformly from equal parts of [-2.5, 2.5], one part for each car, with the copy's own random numbers. The second team is
the first one, turned by half a turn around the ball.

## Episode end
Terminated by a goal, truncated after `max_steps`.

## Theory
The game is zero-sum between the teams, and turning a state by half a turn while the teams change places turns its
future likewise. So from every kick-off equally good teams have the same chance, and the value of one against one is 0:
whatever one seat can secure, the other can secure by the same play. Two seats that play the same deterministic policy
mirror each other to the last bit, keep the ball in the middle, and never score: self-play needs noise or another
partner. No optimal policy is known. With full throttle a car approaches 4 m/s; boost takes it to the limit of 6.

## Parameters
`players` 2: 1, 2 or 4; `mouth` 2.4, in [0.5, 7]; `restitution` 0.6, in [0, 1]; `drag` 0.3, in [0, 10]; `fuel` 3, in
[0, 30]; `max_steps` 300.

## Version history
v0: first version.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.envs.core import rng
from payoff.envs.core.game import Each, Game, ObservationPlan, Rules, Sight
from payoff.envs.core.jit import inlined, jit
from payoff.envs.core.params import Params, check_integer, check_number
from payoff.envs.core.state import Array, Layout, Seats, State
from payoff.envs.sight.numbers import SETTINGS, Observe, show_clock
from payoff.envs.sight.settings import chosen
from payoff.envs.sparse import car_ball_mechanics as mechanics
from payoff.envs.sparse.car_ball_mechanics import EVENT, HALF_X, HALF_Y, Box, Car

__all__ = ["SETTINGS", "V0", "CarBallParams", "Observe", "alignment", "ball_nearness", "car_nearness", "chaser"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarBallParams(Params):
    """Keywords of CarBall-v0."""

    players: int = 2  # seats: 1, 2 or 4
    mouth: float = 2.4  # width of a goal, m
    restitution: float = 0.6  # of the ball
    drag: float = 0.3  # of the ball, 1/s
    fuel: float = 3.0  # s of full boost
    max_steps: int = 300  # steps after which an episode is truncated

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("players", self.players, 1, 4)
        if self.players == 3:
            raise ValueError("players must be 1, 2 or 4, got 3")
        check_number("mouth", self.mouth, 0.5, 2.0 * HALF_Y)
        check_number("restitution", self.restitution, 0.0, 1.0)
        check_number("drag", self.drag, 0.0, 10.0)
        check_number("fuel", self.fuel, 0.0, 30.0)
        check_integer("max_steps", self.max_steps, 1)

    @property
    def team(self) -> int:
        """Seats of a team."""
        return max(1, self.players // 2)

    @property
    def fastest(self) -> float:
        """Speed in m/s that no car can exceed.

        Contacts add no energy, so no car has more than cars and ball have together when all are at their top speeds.
        """
        all_cars, ball = self.players * mechanics.CAR_TOP**2, mechanics.BALL_TOP**2 * mechanics.BALL_MASS
        return math.sqrt(all_cars + ball / mechanics.CAR_MASS)


@jit
def start(p: CarBallParams, s: Box, seats: Seats[Car]) -> None:
    """Kick-off: the ball rests in the middle; the second team is the first one, turned by half a turn around it."""
    for i in range(p.team):
        x = -2.0 - 2.0 * rng.uniform(s)
        y = -2.5 + (i + rng.uniform(s)) * 5.0 / p.team
        far = math.hypot(x, y)
        for turned in range(p.players // p.team):
            car, sign = seats[i + p.team * turned], 1.0 - 2.0 * turned
            car.x, car.y = sign * x, sign * y
            car.heading_x, car.heading_y = -sign * x / far, -sign * y / far
            car.fuel = p.fuel


@jit
def step(p: CarBallParams, s: Box, seats: Seats[Car], action: Array, payoff: Array) -> bool:
    """One step of four sub-steps; a goal ends the step and the episode."""
    for i in range(p.players):
        seats[i].touched, seats[i].action = 0.0, action[i, 0]
    kept, scored = math.exp(-p.drag * mechanics.H), 0.0  # share of its velocity that the ball keeps; the goal's sign
    for _ in range(mechanics.SUBSTEPS):
        for i in range(p.players):
            mechanics.drive(seats[i], action[i, 0], action[i, 1], action[i, 2])
        mechanics.roll(s, kept)
        mechanics.hit_ball(p.restitution, s, seats)
        mechanics.hit_cars(seats)
        scored = mechanics.goal(p.mouth, s)
        mechanics.stay_inside(p.restitution, s, seats)
        if scored != 0.0:
            break
    s.event = EVENT.played
    for i in range(p.players):
        if seats[i].touched != 0.0:
            s.event = EVENT.touched
        if scored != 0.0:
            payoff[i] = scored * side(p, i)
    if scored != 0.0:
        s.event = EVENT.first_scored if scored > 0.0 else EVENT.second_scored
    return scored != 0.0


@inlined
def side(p: CarBallParams, i: int) -> float:
    """1 for the team that attacks to the right, the first half of the seats; -1 for the other."""
    return 1.0 if i < p.team else -1.0


SEEN = np.dtype([("seat", np.int64), ("clock", np.float64)], align=True)  # clock: 1 / horizon, 0 if not shown
OF_BALL = ("x", "y", "velocity x", "velocity y")
OF_CAR = ("x", "y", "heading x", "heading y", "velocity x", "velocity y", "fuel")


def plan(rows: Sequence[CarBallParams], layout: Layout, seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan.

    Raises:
        ValueError: an unknown setting.
        TypeError: neither a name nor an Observe.
    """
    team = rows[0].team
    cars = ["own", *(f"mate[{i}]" for i in range(team - 1))]
    cars += [f"opponent[{i}]" for i in range(rows[0].players - team)]
    names = [f"ball {part}" for part in OF_BALL] + [f"{car} {part}" for car in cars for part in OF_CAR]
    clock = chosen(setting, SETTINGS, Observe).clock
    table = np.array([[(seat, clock / p.horizon) for seat in seats] for p in rows], dtype=SEEN)
    return ObservationPlan(table, (*names, *(["clock"] if clock else [])))


@inlined
def scaled(value: float, most: float) -> float:
    """A value in [-most, most] mapped to [0, 1]; values outside are clipped."""
    return 0.5 + 0.5 * max(-1.0, min(1.0, value / most))


@jit
def look(p: CarBallParams, s: Box, seats: Seats[Car], view: Any, seen: Array) -> None:
    """All turned so that the seat attacks to the right: ball, own car, its team's, the opponents', and the clock."""
    for v in range(seen.shape[0]):
        own, me = seen[v], view[v].seat
        sign, team, place = side(p, me), me // p.team, me % p.team
        own[0] = 0.5 + 0.5 * sign * s.ball_x / HALF_X
        own[1] = 0.5 + 0.5 * sign * s.ball_y / HALF_Y
        own[2] = scaled(sign * s.ball_velocity_x, mechanics.BALL_TOP)
        own[3] = scaled(sign * s.ball_velocity_y, mechanics.BALL_TOP)
        at = len(OF_BALL)
        for j in range(p.players):  # from the seat on through its team, then likewise through the other team
            car = seats[(team + j // p.team) % 2 * p.team + (place + j) % p.team]
            own[at] = 0.5 + 0.5 * sign * car.x / HALF_X
            own[at + 1] = 0.5 + 0.5 * sign * car.y / HALF_Y
            own[at + 2] = 0.5 + 0.5 * sign * car.heading_x
            own[at + 3] = 0.5 + 0.5 * sign * car.heading_y
            own[at + 4] = scaled(sign * car.velocity_x, mechanics.CAR_TOP)
            own[at + 5] = scaled(sign * car.velocity_y, mechanics.CAR_TOP)
            own[at + 6] = car.fuel / p.fuel if p.fuel > 0.0 else 0.0
            at += len(OF_CAR)
        show_clock(s, view[v], own)


def _places(obs: Array) -> tuple[Array, Array, Array, Array]:
    """Ball, own position ``(..., 2)`` and heading, and the way from ball to the opponents' goal, in metres."""
    centred = 2.0 * np.asarray(obs, dtype=np.float64) - 1.0
    box = np.array([HALF_X, HALF_Y])
    ball, car = centred[..., 0:2] * box, centred[..., 4:6] * box
    return ball, car, centred[..., 6:8], np.array([HALF_X, 0.0]) - ball


def ball_nearness(obs: Array, info: Mapping[str, Any] | None = None) -> Array:
    """exp(-d / (2 * 10 m)), d the distance from the ball to the middle of the opponents' goal.

    Args:
        obs: ``(..., O)`` observations.
        info: not used; potentials take it.

    Returns:
        ``(...)`` in (0, 1].
    """
    near: Array = np.exp(-0.05 * np.linalg.norm(_places(obs)[3], axis=-1))
    return near


def car_nearness(obs: Array, info: Mapping[str, Any] | None = None) -> Array:
    """exp(-d / (2 * 2 m)), d the distance from the car to the ball; arguments as :func:`ball_nearness`."""
    ball, car, _, _ = _places(obs)
    near: Array = np.exp(-0.25 * np.linalg.norm(ball - car, axis=-1))
    return near


def _cosine(a: Array, b: Array) -> Array:
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    cosine: Array = (a * b).sum(axis=-1) / np.maximum(lengths, 1e-9)
    return cosine


def alignment(obs: Array, info: Mapping[str, Any] | None = None) -> Array:
    """Half of cos(car to ball, car to the opponents' goal) + cos(home to car, car to ball), home the defended goal.

    Arguments as :func:`ball_nearness`.

    Returns:
        ``(...)`` in [-1, 1].
    """
    ball, car, _, _ = _places(obs)
    goal = np.array([HALF_X, 0.0])
    return 0.5 * (_cosine(ball - car, goal - car) + _cosine(car + goal, ball - car))


def chaser(obs: Array) -> Array:
    """A scripted partner for ``actions="unit"``: gets behind the ball, then pushes it at the goal.

    Args:
        obs: ``(B, O)`` observations of its seat.

    Returns:
        ``(B, 3)`` actions in [-1, 1].
    """
    ball, car, heading, way = _places(obs)
    way /= np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-9)
    offset = car - ball
    behind = -(offset * way).sum(axis=-1)  # m by which the ball is between the car and the goal
    beside = way[..., 0] * offset[..., 1] - way[..., 1] * offset[..., 0]  # m to the left of that line
    ready = (behind > 0.3) & (abs(beside) < 0.4 * behind + 0.1)
    left = np.stack([-way[..., 1], way[..., 0]], axis=-1)
    around = np.where((behind < 0.3) & (abs(beside) < 1.0), np.where(beside < 0.0, -1.2, 1.2), 0.0)  # not through it
    aim = np.where(ready[..., None], ball, ball - 1.0 * way + around[..., None] * left) - car
    aim = aim / np.maximum(np.linalg.norm(aim, axis=-1, keepdims=True), 1e-9)
    ahead = (aim * heading).sum(axis=-1)
    turn = np.arctan2(heading[..., 0] * aim[..., 1] - heading[..., 1] * aim[..., 0], ahead)
    throttle = np.where(ahead > 0.3, 1.0, 0.35)
    boost = np.where(ready & (ahead > 0.95), 1.0, -1.0)
    return np.stack([throttle, np.clip(2.0 * turn, -1.0, 1.0), boost], axis=-1)


GRASS, WALL, GOALS = (206, 222, 198), (90, 96, 106), (250, 250, 247)
BLUE, ORANGE, INK = (0, 114, 178), (230, 159, 0), (40, 44, 52)
_PIXELS = 36  # per m


def draw(params: CarBallParams, s: Box, seats: Seats[Car]) -> Array:
    """The box from above: first team blue, second orange, ball white, goals white in the walls.

    Returns:
        ``(288, 396, 3)`` uint8.
    """
    width, height = round((2 * HALF_X + 1) * _PIXELS), round((2 * HALF_Y + 1) * _PIXELS)
    across = (np.arange(width) + 0.5) / _PIXELS - HALF_X - 0.5
    up = HALF_Y + 0.5 - (np.arange(height) + 0.5) / _PIXELS
    x, y = np.meshgrid(across, up)
    picture = np.full((height, width, 3), WALL, dtype=np.uint8)
    picture[(abs(x) > HALF_X) & (abs(y) < 0.5 * params.mouth)] = GOALS
    picture[(abs(x) < HALF_X) & (abs(y) < HALF_Y)] = GRASS
    for i in range(params.players):
        car = seats[i]
        cos, sin = car.heading_x, car.heading_y
        forward, aside = (x - car.x) * cos + (y - car.y) * sin, (y - car.y) * cos - (x - car.x) * sin
        disc = np.hypot(forward, aside)
        picture[disc < mechanics.CAR_RADIUS] = BLUE if i < params.team else ORANGE
        picture[(disc < mechanics.CAR_RADIUS) & (forward > 0.0) & (abs(aside) < 0.08)] = INK
    ball = np.hypot(x - s.ball_x, y - s.ball_y)
    picture[ball < mechanics.BALL_RADIUS] = INK
    picture[ball < mechanics.BALL_RADIUS - 0.05] = GOALS
    return picture


V0 = Game(
    "payoff/CarBall-v0",
    "Cars push a ball about a box, one or two a side: 1 for a goal, and nothing on the way to it.",
    tags=("team", "continuous", "multi_agent"),
    rules=Rules(
        params=CarBallParams,
        state=State(Box, seats=Car),
        start=start,
        step=step,
        actions=lambda p: ((-1.0, 1.0), (-1.0, 1.0), (0.0, 1.0)),
        seats=lambda p: p.players,
        alike=("players",),
        default_actions="unit",
    ),
    sight=Sight(look, plan, tuple(SETTINGS)),
    info={"touched": Each("touched", flag=True), "caption": EVENT},
    draw=draw,
)
