"""CoinLine: walk back and forth over a coin, and be paid for all visits at the very end.

## Model
A line of `cells` cells 0, 1, ..., one of which has a coin that stays. A step: the seat moves one cell to the left or to
the right; at an end of the line it stays where it is. If it is then on the coin, that is a visit. After `max_steps`
steps the number of visits is paid.

The task is the second one of RUDDER's tutorial (Arjona-Medina et al., 2019, arXiv 1806.07857), with its cells: of 13
the start is 7, the middle rounded up, and the coin two further on. The tutorial counts the cells before each of its 50
moves, the start among them, and not where the last move leads: `max_steps` 49 is its problem exactly.

## Players and actions
One seat, two integer actions: 0 left, 1 right. There is no `action_mask`: staying at an end is a visit where the coin
lies there, and nothing shows where it lies.

## Observations
Flat, in [0, 1]. `full` and `private` are the same: the cell one-hot; visits and steps taken, each / `max_steps`.
`minimal`: the cell alone. Where copies of a batch differ in `cells`, all see as many as the longest line has.

## Rewards
The number of visits, on the last step. `info["progress"]` is the share of the steps that is over, and tells nothing
else. `info["aux"]` is 1 on the step of each visit, else 0: the reward without its delay, which adds up
to the return. It is no part of any reward.

## Starting state
Always the same.

## Episode end
Terminated at step `max_steps`, which is also the horizon: both flags are set.

## Theory
With n steps left and the coin d cells away, the best play still makes

(1) max(0, 1 + floor((n - d) / 2)) visits for d > 0, and floor(n / 2) for d = 0: a coin inside the line must be left and
entered again;
(2) max(0, n - d + 1) visits for d > 0, and n for d = 0, where the coin is at an end of the line: there the seat can
stay.

Two visits of a coin inside the line lie at least two steps apart, and the first is at least d steps away, so neither
can be beaten; going to the coin and stepping off and on again attains it. By default that is 25. An episode is a
success when it makes at least half of the best number of visits. Being paid at all is easy; how good a step was is
known only `max_steps` steps later, and the longer the episode, the more the visits of all other steps hide it.

## Parameters
`cells` 13, in 2 .. 1000; `start` None, which is (cells + 1) // 2; `coin` None, which is two cells further, or the last
cell; `max_steps` 50.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs import render
from payoff.envs.core.game import Each, Episode, Game, ObservationPlan, Rules, Sight, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_word
from payoff.envs.core.state import Array, Copy, Layout, real, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.settings import chosen

__all__ = ["SETTINGS", "V0", "CoinLineParams", "Observe", "most_visits"]

MOVE = words("left", "right")
SCOPE = words("all", "cell")
EVENT = events(
    began="the episode began",
    left="walked left",
    right="walked right",
    stayed_left="stayed at the left end",
    stayed_right="stayed at the right end",
    visited="visited the coin",
    paid="was paid for the visits",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinLineParams(Params):
    """Keywords of CoinLine-v0."""

    cells: int = 13  # length of the line
    start: int | None = None  # cell of the start; None: (cells + 1) // 2
    coin: int | None = None  # cell of the coin; None: two cells after the start, or the last one
    max_steps: int = 50  # steps until the visits are paid

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("cells", self.cells, 2, 1000)
        check_integer("max_steps", self.max_steps, 1)
        for name in ("start", "coin"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 0, self.cells - 1)

    @property
    def first(self) -> int:
        """Cell of the start."""
        return (self.cells + 1) // 2 if self.start is None else self.start

    @property
    def goal(self) -> int:
        """Cell of the coin."""
        return min(self.first + 2, self.cells - 1) if self.coin is None else self.coin


class CoinLine(Copy):
    """State of one line."""

    cell: float = whole(0, lambda p: p.cells - 1)
    visits: float = whole(0, lambda p: p.max_steps)
    time: float = whole(0, lambda p: p.max_steps)
    event: float = whole(0, EVENT)
    aux: float = real(0.0, 1.0)  # 1 if the last step was a visit


@jit
def start(p: CoinLineParams, s: CoinLine) -> None:
    """Back to the start."""
    s.cell = p.first


@jit
def step(p: CoinLineParams, s: CoinLine, action: Array, payoff: Array) -> bool:
    """One step; over when the visits are paid."""
    to_right = int(action[0]) == MOVE.right
    cell = s.cell + (1.0 if to_right else -1.0)
    s.event = EVENT.right if to_right else EVENT.left
    if cell < 0.0 or cell >= p.cells:
        cell = s.cell
        s.event = EVENT.stayed_right if to_right else EVENT.stayed_left
    s.cell = cell
    s.aux = 0.0
    if cell == p.goal:
        s.aux = 1.0
        s.visits += 1.0
        s.event = EVENT.visited
    s.time += 1.0
    if s.time < p.max_steps:
        return False
    payoff[0] = s.visits
    s.event = EVENT.paid
    return True


@jit
def progress(p: CoinLineParams, s: CoinLine) -> float:
    """The share of the steps that is over."""
    return s.time / p.max_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """What a seat sees: pass one as ``observe=``, to Gymnasium and PettingZoo environments alike.

    Attributes:
        scope: everything, or the cell alone.
    """

    scope: Literal["all", "cell"] = "all"

    def __post_init__(self) -> None:
        """Check the field (ValueError names it and what is allowed)."""
        check_word("observe.scope", self.scope, SCOPE._fields)


SETTINGS = {"full": Observe(), "private": Observe(), "minimal": Observe(scope="cell")}
SEEN = np.dtype([("cells", np.int64), ("everything", np.bool_), ("per_step", np.float64)], align=True)


@jit
def look(p: CoinLineParams, s: CoinLine, view: Any, seen: Array) -> None:
    """What the seat sees; ``view`` is a record of dtype SEEN."""
    for k in range(view.cells):
        seen[k] = 0.0
    seen[int(s.cell)] = 1.0
    if view.everything:
        seen[view.cells] = min(s.visits * view.per_step, 1.0)
        seen[view.cells + 1] = min(s.time * view.per_step, 1.0)


def plan(rows: Sequence[CoinLineParams], layout: Layout, seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan; ``setting`` is a name of SETTINGS or an :class:`Observe`."""
    cells, everything = max(p.cells for p in rows), chosen(setting, SETTINGS, Observe).scope == "all"
    names = [*(f"cell[{k}]" for k in range(cells)), *(["visits", "time"] if everything else [])]
    return ObservationPlan(np.array([(cells, everything, 1.0 / p.max_steps) for p in rows], SEEN), tuple(names))


def most_visits(params: CoinLineParams, cell: int, left: int) -> int:
    """Largest number of visits within ``left`` steps from ``cell``, by equations (1) and (2)."""
    away = abs(params.goal - cell)
    every = 1 if params.goal in (0, params.cells - 1) else 2  # steps from a visit to the next
    if away == 0:
        return left // every
    return 0 if away > left else 1 + (left - away) // every


def optimum(params: CoinLineParams, s: CoinLine) -> tuple[float, int]:
    """Best return from a state, and the steps to its payment, if there can be one."""
    left = params.max_steps - int(s.time)
    if s.over != 0.0:
        return 0.0, params.max_steps + 1
    best = int(s.visits) + most_visits(params, int(s.cell), left)
    return float(best), left if best else params.max_steps + 1


def policy(params: CoinLineParams, s: CoinLine) -> int:
    """Towards the coin; from the coin to the right, or into the end of the line that it is at."""
    cell, coin = int(s.cell), params.goal
    return int(MOVE.left if cell > coin or cell == coin == 0 else MOVE.right)


def enough_visits(params: CoinLineParams, episode: Episode, s: CoinLine) -> bool:
    """Whether it made at least half of the best number of visits, and one."""
    visits = float(episode.payoff.sum())
    return visits > 0.0 and 2.0 * visits >= most_visits(params, params.first, params.max_steps)


FLOOR, SEAT, COIN = (250, 250, 247), (0, 114, 178), (230, 159, 0)
DONE, LEFT = (150, 156, 166), (225, 225, 220)  # of the bar of time


def draw(params: CoinLineParams, s: CoinLine) -> Array:
    """The line with the coin (gold) and the seat (blue); below it the visits so far, and the time as a bar."""
    w = max(6, min(40, 960 // params.cells))  # pixels a cell
    picture = np.full((3 * w, params.cells * w, 3), render.PAPER, dtype=np.uint8)
    picture[:w] = render.tiles(np.full((1, params.cells, 3), FLOOR, dtype=np.uint8), w)
    y, x = (np.mgrid[:w, :w] + 0.5) / w - 0.5
    for cell, radius, colour in ((params.goal, 0.42, COIN), (int(s.cell), 0.28, SEAT)):
        picture[:w, cell * w : (cell + 1) * w][np.hypot(y, x) < radius] = colour
    gap = max(2, w // 4)
    for n in range(min(int(s.visits), params.cells * w // gap)):
        picture[w + w // 3 : w + 2 * w // 3, n * gap : (n + 1) * gap - 1] = COIN
    along = round(params.cells * w * s.time / params.max_steps)
    picture[2 * w + w // 4 : 3 * w - w // 4] = LEFT
    picture[2 * w + w // 4 : 3 * w - w // 4, :along] = DONE
    return picture


V0 = Game(
    "payoff/CoinLine-v0",
    "Walk back and forth over a coin; the visits are paid at the end of the episode.",
    tags=("delayed", "tabular"),
    rules=Rules(
        params=CoinLineParams,
        state=CoinLine,
        start=start,
        step=step,
        actions=lambda p: len(MOVE),
        tabular=True,
    ),
    sight=Sight(look, plan, tuple(SETTINGS)),
    info={"progress": progress, "caption": EVENT, "aux": Each("aux")},
    draw=draw,
    theory=Theory(
        "exact",
        optimum=optimum,
        policy=policy,
        success=enough_visits,
        levels={"easy": {"max_steps": 10}, "medium": {"max_steps": 50}, "hard": {"max_steps": 200}},
    ),
)
