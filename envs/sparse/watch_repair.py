"""WatchRepair: one decision, then a long way until its bill comes.

## Model
A watch of one of four brands comes in. It is repaired and sold, or sent away; nothing is settled before step T =
`max_steps`. A step, by equation:

(1) At the first step the action decides: repair, or send away. Later actions change nothing.
(2) On every step, the first included, the way to the customer meets a traffic jam with probability `jam_probability`
and, independently, a flat tyre with probability `flat_probability`. Both are counted, whatever was decided.
(3) At step T a repaired watch pays price - repair - delivery - `jam_cost` jams - `flat_cost` flats, one that was sent
away pays 0. With `repair_at_once` the repair is charged at the first step instead.

| Brand | Price | Repair | Delivery |
|---|---|---|---|
| 0 | 18 | 1 | 0.5 |
| 1 | 28 | 4 | 2.5 |
| 2 | 31 | 5 | 4.5 |
| 3 | 59 | 24.5 | 18 |

The task is the demonstration of return decomposition that RUDDER is published with (Arjona-Medina et al., 2019, arXiv
1806.07857; ml-jku/rudder-demonstration-code). Two things differ. Its repair and delivery costs are normal draws around
these means (standard deviations 2, 2, 2, 1 and 1.5 each); here they are the means, which changes neither the expected
returns nor the best decisions, and keeps the model finite. And it charges the repair at once, which is not the default
here. Its description works an example with a repair of 5 for brand 1; its code, and this game, have 4.

## Players and actions
One seat, two integer actions: 0 repair, 1 send away. The steps after the first take either.

## Observations
Flat, in [0, 1]. `full` and `private` are the same: the brand one-hot; whether it was repaired, whether it was sent
away; jams, flats and steps taken, each / T. `minimal`: the brand, and steps taken / T.

## Rewards
The settlement, on the last step. `info["progress"]` is the share of the steps that is over, and tells nothing else.
`info["aux"]` tells by how much each step changed the expected return: the expected margin at the
decision, then what its jams and flats cost above their means, with the sign turned. These numbers add up to the return
of every episode, and are the redistribution that RUDDER looks for; they are no part of any reward.

## Starting state
The brand is uniform, from the copy's own stream.

## Episode end
Terminated at step T, which is also the horizon: both flags are set.

## Theory
A repaired watch is expected to pay price - repair - delivery - T (`jam_probability` `jam_cost` + `flat_probability`
`flat_cost`). By default the way costs 50 (0.1 0.1 + 0.05 7) = 18, so the margins are -1.5, 3.5, 3.5 and -1.5, and the
best decisions are no, yes, yes, no: they return 1.75 on average. An episode is a success when its decision is the best
one for its brand. The standard deviation of the bill is about 11, three times the margin: that noise, 50 steps late, is
the difficulty.

The levels keep the expected cost of the way at 18.

## Parameters
`max_steps` 50; `jam_probability` 0.1; `jam_cost` 0.1; `flat_probability` 0.05; `flat_cost` 7; `repair_at_once` False.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs import render
from payoff.envs.core import chance, rng
from payoff.envs.core.game import Each, Episode, Game, ObservationPlan, Rules, Sight, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_flag, check_integer, check_number, check_word, record
from payoff.envs.core.state import Array, Copy, Layout, real, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.settings import chosen

__all__ = ["BRANDS", "SETTINGS", "V0", "Observe", "WatchRepairParams", "margins"]

BRANDS = np.array([(18.0, 1.0, 0.5), (28.0, 4.0, 2.5), (31.0, 5.0, 4.5), (59.0, 24.5, 18.0)])  # price, repair, delivery
BRANDS.flags.writeable = False
N_BRANDS = len(BRANDS)

ACTION = words("repair", "send_away")
DECISION = words("none", "repaired", "sent_away")
SCOPE = words("all", "watch")
EVENT = events(
    came_in="a watch came in",
    drove="drove on",  # this and the next three in the order of the outcomes
    jam="stood in a traffic jam",
    flat="had a flat tyre",
    both="stood in a traffic jam with a flat tyre",
    waited="waited",
    sold="sold the watch",
    nothing="nothing to settle",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRepairParams(Params):
    """Keywords of WatchRepair-v0."""

    max_steps: int = 50  # T, steps until everything is settled
    jam_probability: float = 0.1  # of a traffic jam, per step
    jam_cost: float = 0.1  # of one traffic jam
    flat_probability: float = 0.05  # of a flat tyre, per step
    flat_cost: float = 7.0  # of one flat tyre
    repair_at_once: bool = False  # charge the repair at the first step instead of the last

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("max_steps", self.max_steps, 1)
        for name in ("jam_probability", "flat_probability"):
            check_number(name, getattr(self, name), 0.0, 1.0)
        for name in ("jam_cost", "flat_cost"):
            check_number(name, getattr(self, name), 0.0)
        check_flag("repair_at_once", self.repair_at_once)

    @property
    def way(self) -> float:
        """Expected cost of one step on the way."""
        return self.jam_probability * self.jam_cost + self.flat_probability * self.flat_cost


class WatchRepair(Copy):
    """State of one watch."""

    brand: float = whole(0, N_BRANDS - 1)
    decision: float = whole(0, DECISION)
    jams: float = whole(0, lambda p: p.max_steps)
    flats: float = whole(0, lambda p: p.max_steps)
    time: float = whole(0, lambda p: p.max_steps)
    forced: float = whole(0, 4)  # 0: the next step draws; k + 1: it must have outcome k
    event: float = whole(0, EVENT)
    aux: float = real()  # by how much the last step changed the expected return


@jit
def start(p: WatchRepairParams, chances: Array, s: WatchRepair) -> None:
    """A watch comes in."""
    s.brand = rng.below(s, N_BRANDS)


@jit
def step(p: WatchRepairParams, chances: Array, s: WatchRepair, action: Array, payoff: Array) -> bool:
    """One step; over when everything is settled."""
    first, last = payments(p, int(s.brand))
    outcome = chance.outcome(s, chances)
    jam, flat = outcome % 2, outcome // 2
    s.aux = 0.0
    if s.decision == DECISION.none:  # (1)
        s.decision = DECISION.repaired if action[0] == ACTION.repair else DECISION.sent_away
        if s.decision == DECISION.repaired:
            payoff[0] = first
            s.aux = first + last - p.max_steps * p.way
    s.jams += jam  # (2)
    s.flats += flat
    s.time += 1.0
    done = s.time >= p.max_steps
    if s.decision == DECISION.repaired:
        s.aux -= (jam - p.jam_probability) * p.jam_cost + (flat - p.flat_probability) * p.flat_cost
        s.event = EVENT.sold if done else EVENT.drove + outcome
        if done:  # (3)
            payoff[0] += last - s.jams * p.jam_cost - s.flats * p.flat_cost
    else:
        s.event = EVENT.nothing if done else EVENT.waited
    return done


@jit
def payments(p: WatchRepairParams, brand: int) -> tuple[float, float]:
    """What the first and the last step pay for a repaired watch, the way left out."""
    price, repair, delivery = BRANDS[brand, 0], BRANDS[brand, 1], BRANDS[brand, 2]
    if p.repair_at_once:
        return -repair, price - delivery
    return 0.0, price - repair - delivery


@jit
def progress(p: WatchRepairParams, chances: Array, s: WatchRepair) -> float:
    """The share of the steps that is over."""
    return s.time / p.max_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """What a seat sees: pass one as ``observe=``, to Gymnasium and PettingZoo environments alike.

    Attributes:
        scope: everything, or the brand and the time alone.
    """

    scope: Literal["all", "watch"] = "all"

    def __post_init__(self) -> None:
        """Check the field (ValueError names it and what is allowed)."""
        check_word("observe.scope", self.scope, SCOPE._fields)


SETTINGS = {"full": Observe(), "private": Observe(), "minimal": Observe(scope="watch")}
SEEN = np.dtype([("everything", np.bool_), ("per_step", np.float64)], align=True)


@jit
def look(p: WatchRepairParams, chances: Array, s: WatchRepair, view: Any, seen: Array) -> None:
    """What the seat sees; ``view`` is a record of dtype SEEN."""
    for k in range(N_BRANDS):
        seen[k] = 1.0 if s.brand == k else 0.0
    at = N_BRANDS
    if view.everything:
        seen[at] = 1.0 if s.decision == DECISION.repaired else 0.0
        seen[at + 1] = 1.0 if s.decision == DECISION.sent_away else 0.0
        seen[at + 2] = min(s.jams * view.per_step, 1.0)
        seen[at + 3] = min(s.flats * view.per_step, 1.0)
        at += 4
    seen[at] = min(s.time * view.per_step, 1.0)


def plan(rows: Sequence[WatchRepairParams], layout: Layout, seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan; ``setting`` is a name of SETTINGS or an :class:`Observe`."""
    everything = chosen(setting, SETTINGS, Observe).scope == "all"
    names = [f"brand[{k}]" for k in range(N_BRANDS)]
    names += ["repaired", "sent away", "jams", "flats"] if everything else []
    return ObservationPlan(np.array([(everything, 1.0 / p.max_steps) for p in rows], SEEN), (*names, "time"))


def outcomes(params: WatchRepairParams) -> Array:
    """Probabilities ``(4,)`` of a step without incident, with a jam, with a flat tyre, with both."""
    jam, flat = params.jam_probability, params.flat_probability
    return np.array([(1 - jam) * (1 - flat), jam * (1 - flat), (1 - jam) * flat, jam * flat])


def margins(params: WatchRepairParams) -> Array:
    """Expected return ``(4,)`` of repairing a watch of each brand."""
    margin: Array = BRANDS @ [1.0, -1.0, -1.0] - params.max_steps * params.way
    return margin


def optimum(params: WatchRepairParams, s: WatchRepair) -> tuple[float, int]:
    """Best expected return from a state, and the steps to a payment above 0, should the rest of the way be lucky."""
    never = params.max_steps + 1
    if s.over != 0.0 or s.decision == DECISION.sent_away:
        return 0.0, never
    left = params.max_steps - int(s.time)
    first, last = payments(record(params), int(s.brand))
    last -= float(s.jams * params.jam_cost + s.flats * params.flat_cost)
    certain = params.jam_cost * (params.jam_probability == 1.0) + params.flat_cost * (params.flat_probability == 1.0)
    settled = last - left * certain + (first if left == 1 and s.decision == DECISION.none else 0.0)
    expected = last - left * params.way
    if s.decision == DECISION.none:
        expected = max(first + expected, 0.0)
    return expected, left if settled > 0.0 else never


def policy(params: WatchRepairParams, s: WatchRepair) -> int:
    """Best decision; afterwards any action will do."""
    return int(ACTION.repair if margins(params)[int(s.brand)] > 0.0 else ACTION.send_away)


def decided_well(params: WatchRepairParams, episode: Episode, s: WatchRepair) -> bool:
    """Whether the decision was the best one for the brand."""
    margin = margins(params)[int(s.brand)]
    return bool(margin == 0.0 or (s.decision == DECISION.repaired) == (margin > 0.0))


COLOURS = ((0, 114, 178), (0, 158, 115), (204, 121, 167), (230, 159, 0))  # of the brands
ROAD, DONE, JAM, FLAT = (225, 225, 220), (150, 156, 166), (240, 200, 66), (213, 94, 0)
TILE = 40  # pixels


def draw(params: WatchRepairParams, s: WatchRepair) -> Array:
    """The way as a bar of time; above it the watch, crossed out once sent away, below it jams and flat tyres."""
    picture = np.full((4 * TILE, 12 * TILE, 3), render.PAPER, dtype=np.uint8)
    width = 10 * TILE
    along = round(width * s.time / params.max_steps)
    picture[2 * TILE - 6 : 2 * TILE + 6, TILE : TILE + width] = ROAD
    picture[2 * TILE - 6 : 2 * TILE + 6, TILE : TILE + along] = DONE
    y, x = np.mgrid[: 4 * TILE, : 12 * TILE]
    centre = TILE + (along if s.decision == DECISION.repaired else 0)
    away = np.hypot(y - TILE, x - centre)
    picture[away < 20] = COLOURS[int(s.brand)]
    picture[away < 15] = render.PAPER
    picture[(abs(x - centre) < 2) & (y > TILE - 11) & (y <= TILE)] = render.INK
    picture[(abs(y - TILE) < 2) & (x >= centre) & (x < centre + 8)] = render.INK
    if s.decision == DECISION.sent_away:
        picture[(abs(abs(y - TILE) - abs(x - centre)) < 3) & (away < 22)] = FLAT
    for k, (count, colour) in enumerate(((s.jams, JAM), (s.flats, FLAT))):
        top = 2 * TILE + 22 + 22 * k
        for n in range(min(int(count), 40)):
            picture[top : top + 14, TILE + 10 * n : TILE + 10 * n + 7] = colour
    return picture


V0 = Game(
    "payoff/WatchRepair-v0",
    "Repair a watch or send it away; what that was worth is settled a long and noisy way later.",
    tags=("delayed", "tabular", "stochastic"),
    rules=Rules(
        params=WatchRepairParams,
        state=WatchRepair,
        start=start,
        step=step,
        actions=lambda p: len(ACTION),
        tables=lambda rows: (np.array([outcomes(p) for p in rows]),),
        chance=outcomes,
        tabular=True,
    ),
    sight=Sight(look, plan, tuple(SETTINGS)),
    info={"progress": progress, "caption": EVENT, "aux": Each("aux")},
    draw=draw,
    theory=Theory(
        "exact",
        optimum=optimum,
        policy=policy,
        success=decided_well,
        starts=lambda p: N_BRANDS,
        levels={
            "easy": {"max_steps": 10, "jam_probability": 0.5, "flat_probability": 0.25},
            "medium": {"max_steps": 25, "jam_probability": 0.2, "flat_probability": 0.1},
            "hard": {"max_steps": 50},
        },
    ),
)
