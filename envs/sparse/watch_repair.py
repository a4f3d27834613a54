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
away; jams, flats and steps taken, each over T. `minimal`: the brand, and steps taken over T.

## Rewards
The settlement, on the last step. `info["progress"]` is the share of the steps that is over, and tells nothing else.
`info["reward_terms"]["aux"]` tells by how much each step changed the expected return: the expected margin at the
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
from payoff.envs.core.game import Episode, Game, ObservationPlan, Readout, Shape
from payoff.envs.core.params import Params, check_flag, check_integer, check_number
from payoff.envs.core.state import OVER, Array
from payoff.envs.sparse import watch_repair_kernels as kernels
from payoff.envs.sparse.settings import chosen
from payoff.envs.sparse.watch_repair_kernels import (
    BRAND,
    DECISION,
    FLATS,
    JAMS,
    LAYOUT,
    N_BRANDS,
    REPAIR,
    REPAIRED,
    SCOPES,
    SEND_AWAY,
    SENT_AWAY,
    TIME,
    UNDECIDED,
)

__all__ = ["BRANDS", "SETTINGS", "V0", "Observe", "WatchRepairParams", "margins"]

BRANDS = np.array([(18.0, 1.0, 0.5), (28.0, 4.0, 2.5), (31.0, 5.0, 4.5), (59.0, 24.5, 18.0)])  # price, repair, delivery
BRANDS.flags.writeable = False


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """An observation setting, the same object in every view.

    Attributes:
        scope: everything, or the brand and the time alone.
    """

    scope: Literal["all", "watch"] = "all"

    def __post_init__(self) -> None:
        """Check the field (ValueError names it and what is allowed)."""
        if self.scope not in SCOPES:
            raise ValueError(f"observe.scope must be one of {', '.join(map(repr, SCOPES))}, got {self.scope!r}")


SETTINGS = {"full": Observe(), "private": Observe(), "minimal": Observe(scope="watch")}


def plan(rows: Sequence[WatchRepairParams], seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan, the same for every seat that is looked at: there is one.

    Args:
        rows: parameters of each copy, or one for all.
        seats: ``[0]``.
        setting: a name of SETTINGS or an :class:`Observe`.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor an Observe.
    """
    setting = chosen(setting, SETTINGS, Observe)
    everything = setting.scope == "all"
    names = [f"brand[{k}]" for k in range(N_BRANDS)]
    names += ["repaired", "sent away", "jams", "flats"] if everything else []
    table = np.array([(everything, 1.0 / p.max_steps) for p in rows], dtype=kernels.SEEN)
    return ObservationPlan(table, (*names, "time"), sees_actions=False)


def outcomes(params: WatchRepairParams) -> Array:
    """Probabilities ``(4,)`` of a step without incident, with a jam, with a flat tyre, with both."""
    jam, flat = params.jam_probability, params.flat_probability
    return np.array([(1 - jam) * (1 - flat), jam * (1 - flat), (1 - jam) * flat, jam * flat])


def pack(rows: Sequence[WatchRepairParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    numbers = [(p.max_steps, p.jam_cost, p.flat_cost, p.jam_probability, p.flat_probability) for p in rows]
    pays = np.stack([np.stack(_payments(p), axis=1) for p in rows])
    return np.array(numbers, dtype=kernels.NUMBERS), np.stack([outcomes(p) for p in rows]), pays


def _payments(params: WatchRepairParams) -> tuple[Array, Array]:
    """What the first and the last step pay ``(4,)`` for a repaired watch of each brand, the way left out."""
    price, repair, delivery = BRANDS.T
    return (-repair, price - delivery) if params.repair_at_once else (0.0 * repair, price - repair - delivery)


def margins(params: WatchRepairParams) -> Array:
    """Expected return ``(4,)`` of repairing a watch of each brand."""
    margin: Array = BRANDS @ [1.0, -1.0, -1.0] - params.max_steps * params.way
    return margin


def optimum(params: WatchRepairParams, row: Array) -> tuple[float, int]:
    """Best expected return from a state, and the steps to a payment above 0, should the rest of the way be lucky."""
    never = params.max_steps + 1
    if row[OVER] != 0.0 or row[DECISION] == SENT_AWAY:
        return 0.0, never
    left = params.max_steps - int(row[TIME])
    first, last = (float(pays[int(row[BRAND])]) for pays in _payments(params))
    last -= float(row[JAMS] * params.jam_cost + row[FLATS] * params.flat_cost)
    certain = params.jam_cost * (params.jam_probability == 1.0) + params.flat_cost * (params.flat_probability == 1.0)
    settled = last - left * certain + (first if left == 1 and row[DECISION] == UNDECIDED else 0.0)
    expected = last - left * params.way
    if row[DECISION] == UNDECIDED:
        expected = max(first + expected, 0.0)
    return expected, left if settled > 0.0 else never


def policy(params: WatchRepairParams, row: Array) -> Array:
    """Best decision ``(1,)``; afterwards any action will do."""
    return np.array([float(REPAIR if margins(params)[int(row[BRAND])] > 0.0 else SEND_AWAY)])


def decided_well(params: WatchRepairParams, episode: Episode) -> bool:
    """Whether the decision was the best one for the brand."""
    margin = margins(params)[int(episode.last[BRAND])]
    return bool(margin == 0.0 or (episode.last[DECISION] == REPAIRED) == (margin > 0.0))


_COLOURS = ((0, 114, 178), (0, 158, 115), (204, 121, 167), (230, 159, 0))  # of the brands
_ROAD, _DONE, _JAM, _FLAT = (225, 225, 220), (150, 156, 166), (240, 200, 66), (213, 94, 0)
_TILE = 40  # pixels


def frame(params: WatchRepairParams, row: Array, shape: Shape) -> Array:
    """The way as a bar of time; above it the watch (crossed out once sent away), below it jams and flat tyres so far.

    Returns:
        ``(160, 480, 3)`` uint8.
    """
    picture = np.full((4 * _TILE, 12 * _TILE, 3), render.PAPER, dtype=np.uint8)
    width = 10 * _TILE
    along = round(width * row[TIME] / params.max_steps)
    picture[2 * _TILE - 6 : 2 * _TILE + 6, _TILE : _TILE + width] = _ROAD
    picture[2 * _TILE - 6 : 2 * _TILE + 6, _TILE : _TILE + along] = _DONE
    y, x = np.mgrid[: 4 * _TILE, : 12 * _TILE]
    centre = _TILE + (along if row[DECISION] == REPAIRED else 0)
    away = np.hypot(y - _TILE, x - centre)
    picture[away < 20] = _COLOURS[int(row[BRAND])]
    picture[away < 15] = render.PAPER
    picture[(abs(x - centre) < 2) & (y > _TILE - 11) & (y <= _TILE)] = render.INK
    picture[(abs(y - _TILE) < 2) & (x >= centre) & (x < centre + 8)] = render.INK
    if row[DECISION] == SENT_AWAY:
        picture[(abs(abs(y - _TILE) - abs(x - centre)) < 3) & (away < 22)] = _FLAT
    for k, (count, colour) in enumerate(((row[JAMS], _JAM), (row[FLATS], _FLAT))):
        top = 2 * _TILE + 22 + 22 * k
        for n in range(min(int(count), 40)):
            picture[top : top + 14, _TILE + 10 * n : _TILE + 10 * n + 7] = colour
    return picture


V0 = Game(
    id="payoff/WatchRepair-v0",
    params=WatchRepairParams,
    doc=__doc__,
    kernels=kernels.KERNELS,
    shape=lambda p: Shape(1, 1, 2, LAYOUT, p.max_steps),
    pack=pack,
    bounds=lambda p: np.array([[[0.0, 1.0]]]),
    baseline=lambda p: np.zeros(1),
    dependence=lambda p: np.zeros((1, 1)),
    plan=plan,
    frame=frame,
    observations=tuple(SETTINGS),
    readouts=(Readout("progress", False), Readout("caption", False), Readout("aux", True)),
    captions=kernels.CAPTIONS,
    tabular=True,
    chance=outcomes,
    optimum=optimum,
    optimum_kind="exact",
    policy=policy,
    success=decided_well,
    levels={
        "easy": {"max_steps": 10, "jam_probability": 0.5, "flat_probability": 0.25},
        "medium": {"max_steps": 25, "jam_probability": 0.2, "flat_probability": 0.1},
        "hard": {"max_steps": 50},
    },
)
