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
One seat, n integer actions.

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
from payoff.envs.core import loop, rng
from payoff.envs.core.game import Game, Kernels, ObservationPlan, Readout, Shape, paid
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_flag, check_integer
from payoff.envs.core.state import CLOCK, HEADER, KEY, OVER, Array, Layout
from payoff.envs.sparse.settings import chosen

__all__ = ["SETTINGS", "V0", "CorridorStarParams", "Observe", "codes"]

LAYOUT = Layout(corridor=(), walked=(), goal=(), event=())  # corridor is 0 at the hub; `event` is a caption
CORRIDOR, WALKED, GOAL, EVENT = (LAYOUT.at(name) for name in ("corridor", "walked", "goal", "event"))

CAPTIONS = (
    "the episode began",
    "entered a corridor",
    "went further",
    "got nowhere",
    "went back",
    "is at a dead end",
    "reached the goal",
)
BEGAN, ENTERED, WENT, STAYED, BACK, DEAD_END, REACHED = range(7)

NUMBERS = np.dtype([(name, np.int64) for name in ("corridors", "length", "goal", "advancing", "slip_back")])
SEEN = np.dtype([("scope", np.int64), ("clock", np.float64)])
SCOPES = ("state", "cells", "place")
STATE, CELLS, PLACE = range(3)
_CODES = rng.seed_key(0x53746172)  # the stream of the actions that advance


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """An observation setting, the same object in every view.

    Attributes:
        scope: the whole state, the cell one-hot, or corridor and distance.
        clock: whether steps taken over the horizon come last.
    """

    scope: Literal["state", "cells", "place"] = "state"
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        if self.scope not in SCOPES:
            raise ValueError(f"observe.scope must be one of {', '.join(map(repr, SCOPES))}, got {self.scope!r}")
        if not isinstance(self.clock, bool):
            raise ValueError(f"observe.clock must be True or False, got {self.clock!r}")


SETTINGS = {"full": Observe(scope="state"), "private": Observe(scope="cells"), "minimal": Observe(scope="place")}


def codes(params: CorridorStarParams) -> Array:
    """First of the actions that advance from a cell, ``(corridors, length)``; the others follow it, modulo n."""
    row = np.zeros(HEADER)
    row[KEY] = _CODES
    draws = [rng.below(row, params.corridors) for _ in range(params.corridors * params.length)]
    return np.array(draws, dtype=np.int64).reshape(params.corridors, params.length)


@jit
def step_row(params, b, row, action, work):
    """One step of one copy.

    Args:
        params: ``(P,)`` array of dtype NUMBERS, and ``(P, n, L)`` codes.
        b: copy.
        row: ``(S,)`` state, modified in place.
        action: ``(1, 1)``.
        work: ``(5, 1)``; row BASE is written.

    Returns:
        Whether the goal is reached.
    """
    numbers, first = params
    at = loop.pick(b, numbers.shape[0])
    p = numbers[at]
    chosen, walked = int(action[0, 0]), int(row[WALKED])
    work[loop.BASE, 0] = 0.0
    if walked == 0:  # 1
        row[CORRIDOR], row[WALKED], row[EVENT] = chosen, 1.0, ENTERED
    else:
        corridor = int(row[CORRIDOR])
        n = p.corridors
        further = (chosen - first[at, corridor, walked - 1] + n) % n < p.advancing
        if further and walked < p.length:  # 2
            row[WALKED], row[EVENT] = walked + 1.0, WENT
        elif further:  # 4
            row[EVENT] = DEAD_END
        elif p.slip_back != 0:  # 3
            row[WALKED], row[EVENT] = walked - 1.0, BACK
            if walked == 1:
                row[CORRIDOR] = 0.0
        else:
            row[EVENT] = STAYED
    if row[WALKED] == p.length and row[CORRIDOR] == row[GOAL]:
        row[EVENT] = REACHED
        work[loop.BASE, 0] = 1.0
        return True
    return False


@jit
def reset_row(params, b, row):
    """Start an episode at the hub."""
    p = params[0][loop.pick(b, params[0].shape[0])]
    row[CORRIDOR], row[WALKED], row[EVENT] = 0.0, 0.0, BEGAN
    row[GOAL] = p.goal if p.goal >= 0 else rng.below(row, p.corridors)


@jit
def observe_row(params, table, b, row, obs):
    """What the seat sees.

    Args:
        params: see :func:`step_row`.
        table: ``(P,)`` records of dtype SEEN.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    p = params[0][loop.pick(b, params[0].shape[0])]
    entry = table[loop.pick(b, table.shape[0])]
    seen = obs[0]
    for k in range(seen.shape[0]):
        seen[k] = 0.0
    walked = int(row[WALKED])
    n = p.corridors
    if entry.scope == CELLS:
        seen[0 if walked == 0 else int(row[CORRIDOR]) * p.length + walked] = 1.0
        at = n * p.length + 1
    else:
        seen[0 if walked == 0 else 1 + int(row[CORRIDOR])] = 1.0
        seen[n + 1] = walked / p.length
        at = n + 2
        if entry.scope == STATE:
            seen[at + int(row[GOAL])] = 1.0
            at += n
    if seen.shape[0] > at:
        seen[at] = row[CLOCK] * entry.clock


@jit
def transition(params, wiring, state, buffers, obs):
    """One step of every copy; see :mod:`payoff.envs.core.game`."""
    bad = loop.begin(wiring, state, buffers)
    if bad != loop.FINE:
        return bad
    _, action, work, flags, _ = buffers
    for b in range(state.shape[0]):
        if loop.restarts(state[b]):
            reset_row(params, b, state[b])
        else:
            flags[b, 0] = step_row(params, b, state[b], action[b], work[b])
    loop.finish(wiring, state, buffers)
    for b in range(state.shape[0]):
        if loop.ends(wiring, b, state[b], buffers):
            reset_row(params, b, state[b])
        observe_row(params, wiring[8], b, state[b], obs[b])
    return loop.FINE


@jit
def start(params, wiring, state, mask, obs):
    """Restart the masked copies and observe all."""
    for b in range(state.shape[0]):
        if mask[b]:
            loop.restart(state[b])
            reset_row(params, b, state[b])
        observe_row(params, wiring[8], b, state[b], obs[b])


@jit
def look(params, wiring, state, obs):
    """Observe all copies."""
    for b in range(state.shape[0]):
        observe_row(params, wiring[8], b, state[b], obs[b])


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, 2)``: progress along the goal's corridor, and caption."""
    for b in range(state.shape[0]):
        p = params[0][loop.pick(b, params[0].shape[0])]
        row = state[b]
        out[b, 0] = row[WALKED] / p.length if row[CORRIDOR] == row[GOAL] else 0.0
        out[b, 1] = row[EVENT]


def plan(rows: Sequence[CorridorStarParams], seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan, the same for every seat that is looked at: there is one.

    Args:
        rows: parameters of each copy, or one for all.
        seats: ``[0]``.
        setting: a name of SETTINGS or an :class:`Observe`.

    Raises:
        ValueError: an unknown name, or stars of several sizes in one batch.
        TypeError: neither a name nor an Observe.
    """
    setting = chosen(setting, SETTINGS, Observe)
    n, length = _common("corridors", [p.corridors for p in rows]), _common("length", [p.length for p in rows])
    if setting.scope == "cells":
        names = ["hub", *(f"cell[{c},{d}]" for c in range(n) for d in range(1, length + 1))]
    else:
        names = ["hub", *(f"corridor[{c}]" for c in range(n)), "walked"]
        names += [f"goal[{c}]" for c in range(n)] if setting.scope == "state" else []
    table = np.array([(SCOPES.index(setting.scope), 1.0 / p.horizon) for p in rows], dtype=SEEN)
    return ObservationPlan(table, (*names, *(["clock"] if setting.clock else [])), sees_actions=False)


def _common(name: str, values: Sequence[int]) -> int:
    if len(set(values)) > 1:
        raise ValueError(f"{name} must be the same in all copies of a batch, got {sorted(set(values))}")
    return values[0]


def pack(rows: Sequence[CorridorStarParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    _common("corridors", [p.corridors for p in rows])
    _common("length", [p.length for p in rows])
    numbers = [(p.corridors, p.length, -1 if p.goal is None else p.goal, p.advancing, p.slip_back) for p in rows]
    return np.array(numbers, dtype=NUMBERS), np.stack([codes(p) for p in rows])


def optimum(params: CorridorStarParams, row: Array) -> tuple[float, int]:
    """Best return from a state, and the least number of steps to the goal; horizon + 1 where it is out of reach."""
    walked, left = int(row[WALKED]), params.horizon - int(row[CLOCK])
    if walked == 0 or row[CORRIDOR] == row[GOAL]:
        steps = params.length - walked
    elif params.slip_back and params.advancing < params.corridors:
        steps = params.length + walked
    else:
        steps = params.horizon + 1
    return float(row[OVER] == 0.0 and steps <= left), steps


def policy(params: CorridorStarParams, row: Array) -> Array:
    """An action ``(1,)`` that brings the goal one step nearer."""
    walked, corridor = int(row[WALKED]), int(row[CORRIDOR])
    if walked == 0:
        return np.array([row[GOAL]])
    code = int(codes(params)[corridor, walked - 1])
    wrong = 0 if corridor == row[GOAL] else params.advancing  # the first that does not advance
    return np.array([float((code + wrong) % params.corridors)])


WALL, CELL = (90, 96, 106), (250, 250, 247)
GREEN, BLUE, HUB = (0, 158, 115), (0, 114, 178), (230, 200, 120)


def frame(params: CorridorStarParams, row: Array, shape: Shape) -> Array:
    """One row a corridor, the hub a column at their left; goal green, seat blue.

    Returns:
        ``(24 (2 corridors + 1), 24 (length + 3), 3)`` uint8.
    """
    n, length = params.corridors, params.length
    colours = np.full((2 * n + 1, length + 3, 3), WALL, dtype=np.uint8)
    colours[1:-1, 1] = HUB
    colours[1::2, 2:-1] = CELL
    colours[2 * int(row[GOAL]) + 1, length + 1] = GREEN
    walked = int(row[WALKED])
    colours[n if walked == 0 else 2 * int(row[CORRIDOR]) + 1, walked + 1] = BLUE
    return render.tiles(colours, 24)


V0 = Game(
    id="payoff/CorridorStar-v0",
    params=CorridorStarParams,
    doc=__doc__,
    kernels=Kernels(start=start, transition=transition, look=look, read=read),
    shape=lambda p: Shape(1, 1, p.corridors, LAYOUT, p.horizon),
    pack=pack,
    bounds=lambda p: np.array([[[0.0, p.corridors - 1.0]]]),
    baseline=lambda p: np.zeros(1),
    dependence=lambda p: np.zeros((1, 1)),
    plan=plan,
    frame=frame,
    observations=tuple(SETTINGS),
    readouts=(Readout("progress", False), Readout("caption", False)),
    captions=CAPTIONS,
    tabular=True,
    optimum=optimum,
    optimum_kind="exact",
    policy=policy,
    success=paid,
    levels={"easy": {"length": 3}, "medium": {"length": 6}, "hard": {"length": 10}},
)
