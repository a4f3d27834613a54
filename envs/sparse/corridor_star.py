"""CorridorStar: corridors lead away from a hub, the goal is at the end of one, and there is time for one of them only.

## Model
`corridors` n corridors of `length` L cells start at a hub. A step, by action:

1. at the hub, action k enters corridor k at its first cell;
2. in a corridor, `advancing` m of the n actions lead one cell further, which ones depends on the cell: they are fixed,
   the same for every seed and episode;
3. any other action leads one cell back, from the first cell to the hub, or with `slip_back=False` nowhere;
4. at the end of a corridor the m advancing actions stay there, the others lead back.

With the default horizon L + 4 a corridor can be walked to its end with four steps to spare, but, from L = 3 on, no
second one after it. So what is rewarding about an episode is the same in every corridor, and only a memory that
outlasts the episode can tell an explorer which ends it has seen. This is a small form of the corridors in a comparison
of global and episodic exploration bonuses (Henaff, Jiang and Raileanu 2023); the sizes are our own, and no figures of
that study are meant to be met.

## Players and actions
One seat, n integer actions. There is no `action_mask`: which actions lead nowhere is for the seat to find out.

## Observations
Flat, in [0, 1].

- `full`: 2 n + 2 numbers, the whole state: at the hub or not, corridor one-hot, cells walked over L, and the corridor
  of the goal one-hot.
- `private`: n L + 1 numbers, hub and cells one-hot; it does not tell the goal.
- `minimal`: n + 2 numbers, those of `full` without the goal.

## Rewards
1 on the step that reaches the end of the goal's corridor, else 0. `info["progress"]` is the share of the goal's
corridor that lies behind the seat, 0 elsewhere.

## Starting state
At the hub. The goal is in corridor `goal`; with None it is drawn in each episode from the copy's own stream, uniformly.

## Episode end
Terminated at the goal, truncated after `max_steps`.

## Theory
From cell d of the goal's corridor (the hub is d = 0) the goal is L - d steps away. From cell d of another it is d + L
steps away with `slip_back`, and out of reach without, or where every action advances. The optimal return is 1 for
whoever knows the goal. With a drawn goal that is not shown, and no time for two corridors, it is 1 / n.

Uniformly random play walks along a line from the hub, forwards with probability m / n; its exact success rate, in the
certificate, is 6.1e-7 at the defaults. Without `slip_back` it chooses the right corridor with probability 1 / n, and is
paid if of the remaining H - 1 steps, H the horizon, at least L - 1 advance:

(1) P = 1 / n sum over j = L - 1 .. H - 1 of C(H - 1, j) (m / n)^j (1 - m / n)^(H - 1 - j)

which is 3.3e-5 for the other defaults.

## Parameters
`corridors` 5, in 2 .. 16; `length` 10, in 1 .. 64; `goal` 1, below n, or None; `advancing` 1, at most n; `slip_back`
True; `max_steps` None, which is L + 4.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs import render
from payoff.envs.core import rng
from payoff.envs.core.game import Game, ObservationPlan, Rules, Sight, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_flag, check_integer, check_word
from payoff.envs.core.state import Array, Copy, Layout, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.settings import chosen

__all__ = ["SETTINGS", "V0", "CorridorStarParams", "Observe", "codes"]

CODES = rng.seed_key(0x53746172)  # the stream of the actions that advance
SCOPE = words("state", "cells", "place")
EVENT = events(
    began="the episode began",
    entered="entered a corridor",
    went="went further",
    stayed="got nowhere",
    back="went back",
    dead_end="is at a dead end",
    reached="reached the goal",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorridorStarParams(Params):
    """Keywords of CorridorStar-v0."""

    corridors: int = 5  # number of corridors and of actions, n
    length: int = 10  # cells of a corridor, L
    goal: int | None = 1  # corridor of the goal, from 0; None: drawn in each episode
    advancing: int = 1  # number of actions that advance in a cell, m
    slip_back: bool = True  # the other actions lead a cell back; False: nowhere
    max_steps: int | None = None  # None: length + 4

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("corridors", self.corridors, 2, 16)
        check_integer("length", self.length, 1, 64)
        check_integer("advancing", self.advancing, 1, self.corridors)
        check_flag("slip_back", self.slip_back)
        if self.goal is not None:
            check_integer("goal", self.goal, 0, self.corridors - 1)
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return self.length + 4 if self.max_steps is None else self.max_steps

    @property
    def fixed_goal(self) -> int:
        """Corridor of the goal; -1 where it is drawn in each episode."""
        return -1 if self.goal is None else self.goal


class CorridorStar(Copy):
    """State of one star."""

    corridor: float = whole(0, lambda p: p.corridors - 1)  # 0 at the hub
    walked: float = whole(0, lambda p: p.length)  # cells; 0 at the hub
    goal: float = whole(0, lambda p: p.corridors - 1)
    event: float = whole(0, EVENT)


@jit
def start(p: CorridorStarParams, first: Array, s: CorridorStar) -> None:
    """At the hub."""
    s.goal = p.fixed_goal if p.fixed_goal >= 0 else rng.below(s, p.corridors)


@jit
def step(p: CorridorStarParams, first: Array, s: CorridorStar, action: Array, payoff: Array) -> bool:
    """One step; over when the goal is reached. ``first``: see :func:`codes`."""
    chosen, walked = int(action[0]), int(s.walked)
    if walked == 0:  # 1
        s.corridor, s.walked, s.event = chosen, 1.0, EVENT.entered
    else:
        n = p.corridors
        further = (chosen - first[int(s.corridor), walked - 1] + n) % n < p.advancing
        if further and walked < p.length:  # 2
            s.walked, s.event = walked + 1.0, EVENT.went
        elif further:  # 4
            s.event = EVENT.dead_end
        elif p.slip_back:  # 3
            s.walked, s.event = walked - 1.0, EVENT.back
            if walked == 1:
                s.corridor = 0.0
        else:
            s.event = EVENT.stayed
    if s.walked == p.length and s.corridor == s.goal:
        s.event = EVENT.reached
        payoff[0] = 1.0
        return True
    return False


def codes(params: CorridorStarParams) -> Array:
    """First of the actions that advance from a cell, ``(corridors, length)``; the others follow it, modulo n."""
    s = np.zeros(1, CorridorStar.dtype)[0]
    s.key = CODES
    draws = [rng.below(s, params.corridors) for _ in range(params.corridors * params.length)]
    return np.array(draws, dtype=np.int64).reshape(params.corridors, params.length)


@jit
def progress(p: CorridorStarParams, first: Array, s: CorridorStar) -> float:
    """The share of the goal's corridor that lies behind the seat, 0 elsewhere."""
    return s.walked / p.length if s.corridor == s.goal else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """What a seat sees: pass one as ``observe=``, to Gymnasium and PettingZoo environments alike.

    Attributes:
        scope: the whole state, the cell one-hot, or corridor and distance.
        clock: whether the clock, steps taken divided by the horizon, comes last.
    """

    scope: Literal["state", "cells", "place"] = "state"
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        check_word("observe.scope", self.scope, SCOPE._fields)
        check_flag("observe.clock", self.clock)


SETTINGS = {"full": Observe(scope="state"), "private": Observe(scope="cells"), "minimal": Observe(scope="place")}
SEEN = np.dtype([("scope", np.int64), ("clock", np.float64)], align=True)


@jit
def look(p: CorridorStarParams, first: Array, s: CorridorStar, view: Any, seen: Array) -> None:
    """What the seat sees; ``view`` is a record of dtype SEEN."""
    for k in range(seen.shape[0]):
        seen[k] = 0.0
    n, walked = p.corridors, int(s.walked)
    if view.scope == SCOPE.cells:
        seen[0 if walked == 0 else int(s.corridor) * p.length + walked] = 1.0
        at = n * p.length + 1
    else:
        seen[0 if walked == 0 else 1 + int(s.corridor)] = 1.0
        seen[n + 1] = walked / p.length
        at = n + 2
        if view.scope == SCOPE.state:
            seen[at + int(s.goal)] = 1.0
            at += n
    if seen.shape[0] > at:
        seen[at] = s.clock * view.clock


def plan(rows: Sequence[CorridorStarParams], layout: Layout, seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan; ``setting`` is a name of SETTINGS or an :class:`Observe`."""
    observe, n, length = chosen(setting, SETTINGS, Observe), rows[0].corridors, rows[0].length
    if observe.scope == "cells":
        names = ["hub", *(f"cell[{c},{d}]" for c in range(n) for d in range(1, length + 1))]
    else:
        names = ["hub", *(f"corridor[{c}]" for c in range(n)), "walked"]
        names += [f"goal[{c}]" for c in range(n)] if observe.scope == "state" else []
    table = np.array([(SCOPE._fields.index(observe.scope), 1.0 / p.horizon) for p in rows], SEEN)
    return ObservationPlan(table, (*names, *(["clock"] if observe.clock else [])))


def optimum(params: CorridorStarParams, s: CorridorStar) -> tuple[float, int]:
    """Best return from a state, and the least number of steps to the goal; horizon + 1 where it is out of reach."""
    walked, left = int(s.walked), params.horizon - int(s.clock)
    if walked == 0 or s.corridor == s.goal:
        steps = params.length - walked
    elif params.slip_back and params.advancing < params.corridors:
        steps = params.length + walked
    else:
        steps = params.horizon + 1
    return float(s.over == 0.0 and steps <= left), steps


def policy(params: CorridorStarParams, s: CorridorStar) -> int:
    """An action that brings the goal one step nearer."""
    walked, corridor = int(s.walked), int(s.corridor)
    if walked == 0:
        return int(s.goal)
    code = int(codes(params)[corridor, walked - 1])
    wrong = 0 if corridor == s.goal else params.advancing  # the first that does not advance
    return (code + wrong) % params.corridors


WALL, CELL = (90, 96, 106), (250, 250, 247)
GREEN, BLUE, HUB = (0, 158, 115), (0, 114, 178), (230, 200, 120)


def draw(params: CorridorStarParams, s: CorridorStar) -> Array:
    """One row per corridor, the hub a column to their left; goal green, seat blue."""
    n, walked = params.corridors, int(s.walked)
    colours = np.full((2 * n + 1, params.length + 3, 3), WALL, dtype=np.uint8)
    colours[1:-1, 1] = HUB
    colours[1::2, 2:-1] = CELL
    colours[2 * int(s.goal) + 1, params.length + 1] = GREEN
    colours[n if walked == 0 else 2 * int(s.corridor) + 1, walked + 1] = BLUE
    return render.tiles(colours, 24)


V0 = Game(
    "payoff/CorridorStar-v0",
    "Five corridors from a hub, a goal at the end of one, and time for one of them only.",
    tags=("sparse", "tabular"),
    rules=Rules(
        params=CorridorStarParams,
        state=CorridorStar,
        start=start,
        step=step,
        actions=lambda p: p.corridors,
        tables=lambda rows: (np.array([codes(p) for p in rows]),),
        alike=("corridors", "length"),
        tabular=True,
    ),
    sight=Sight(look, plan, tuple(SETTINGS)),
    info={"progress": progress, "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact",
        optimum=optimum,
        policy=policy,
        starts=lambda p: p.corridors if p.goal is None else 1,
        levels={"easy": {"length": 3}, "medium": {"length": 6}, "hard": {"length": 10}},
    ),
)
