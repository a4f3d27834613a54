"""CoinLine: walk back and forth over a coin, and be paid for all visits at the very end.

## Model
A line of `cells` cells 0, 1, ..., one of which has a coin that stays. A step: the seat moves one cell to the left or to
the right; at an end of the line it stays where it is. If it is then on the coin, that is a visit. After `max_steps`
steps the number of visits is paid.

The task is the second one of RUDDER's tutorial (Arjona-Medina et al., 2019, arXiv 1806.07857), with its cells: of 13
the start is 7, the middle rounded up, and the coin two further on. The tutorial counts the cells before each of its 50
moves, the start among them, and not where the last move leads: `max_steps` 49 is its problem exactly.

## Players and actions
One seat, two integer actions: 0 left, 1 right.

## Observations
Flat, in [0, 1]. `full` and `private` are the same: the cell one-hot; visits and steps taken, each over `max_steps`.
`minimal`: the cell alone. Where copies of a batch differ in `cells`, all see as many as the longest line has.

## Rewards
The number of visits, on the last step. `info["progress"]` is the share of the steps that is over, and tells nothing
else. `info["reward_terms"]["aux"]` is 1 on the step of each visit, else 0: the reward without its delay, which adds up
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
from payoff.envs.core import loop
from payoff.envs.core.game import Episode, Game, Kernels, ObservationPlan, Readout, Shape
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer
from payoff.envs.core.state import OVER, Array, Layout
from payoff.envs.sparse.settings import chosen

__all__ = ["SETTINGS", "V0", "CoinLineParams", "Observe", "most_visits"]

LAYOUT = Layout(cell=(), visits=(), time=(), event=(), aux=())
CELL, VISITS, TIME = LAYOUT.at("cell"), LAYOUT.at("visits"), LAYOUT.at("time")
EVENT, AUX = LAYOUT.at("event"), LAYOUT.at("aux")

LEFT, RIGHT = range(2)

CAPTIONS = (
    "the episode began",
    "walked left",
    "walked right",
    "stayed at the left end",
    "stayed at the right end",
    "visited the coin",
    "was paid for the visits",
)
BEGAN, WALKED, STAYED, VISITED, PAID = 0, 1, 3, 5, 6  # WALKED and STAYED + action

NUMBERS = np.dtype([(name, np.int64) for name in ("cells", "start", "coin", "steps")])
SEEN = np.dtype([("cells", np.int64), ("everything", np.bool_), ("per_step", np.float64)])
SCOPES = ("all", "cell")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """An observation setting, the same object in every view.

    Attributes:
        scope: everything, or the cell alone.
    """

    scope: Literal["all", "cell"] = "all"

    def __post_init__(self) -> None:
        """Check the field (ValueError names it and what is allowed)."""
        if self.scope not in SCOPES:
            raise ValueError(f"observe.scope must be one of {', '.join(map(repr, SCOPES))}, got {self.scope!r}")


SETTINGS = {"full": Observe(), "private": Observe(), "minimal": Observe(scope="cell")}


@jit
def step_row(params, b, row, action, work):
    """One step of one copy.

    Args:
        params: the tuple of one ``(P,)`` array of dtype NUMBERS.
        b: copy.
        row: ``(S,)`` state, modified in place.
        action: ``(1, 1)``.
        work: ``(5, 1)``; row BASE is written.

    Returns:
        Whether the visits are paid.
    """
    p = params[0][loop.pick(b, params[0].shape[0])]
    way = int(action[0, 0])
    cell = row[CELL] + (1.0 if way == RIGHT else -1.0)
    row[EVENT] = WALKED + way
    if cell < 0.0 or cell >= p.cells:
        cell = row[CELL]
        row[EVENT] = STAYED + way
    row[CELL] = cell
    row[AUX] = 0.0
    if cell == p.coin:
        row[AUX] = 1.0
        row[VISITS] += 1.0
        row[EVENT] = VISITED
    row[TIME] += 1.0
    work[loop.BASE, 0] = 0.0
    if row[TIME] < p.steps:
        return False
    work[loop.BASE, 0] = row[VISITS]
    row[EVENT] = PAID
    return True


@jit
def reset_row(params, b, row):
    """Back to the start."""
    row[CELL] = params[0][loop.pick(b, params[0].shape[0])].start
    row[VISITS], row[TIME], row[EVENT], row[AUX] = 0.0, 0.0, BEGAN, 0.0


@jit
def observe_row(table, b, row, obs):
    """What the seat sees.

    Args:
        table: ``(P,)`` records of dtype SEEN.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    entry = table[loop.pick(b, table.shape[0])]
    seen = obs[0]
    for k in range(entry.cells):
        seen[k] = 0.0
    seen[int(row[CELL])] = 1.0
    if entry.everything:
        seen[entry.cells] = row[VISITS] * entry.per_step
        seen[entry.cells + 1] = row[TIME] * entry.per_step


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
        observe_row(wiring[8], b, state[b], obs[b])
    return loop.FINE


@jit
def start(params, wiring, state, mask, obs):
    """Restart the masked copies and observe all."""
    for b in range(state.shape[0]):
        if mask[b]:
            loop.restart(state[b])
            reset_row(params, b, state[b])
        observe_row(wiring[8], b, state[b], obs[b])


@jit
def look(params, wiring, state, obs):
    """Observe all copies."""
    for b in range(state.shape[0]):
        observe_row(wiring[8], b, state[b], obs[b])


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, 3)``: progress, caption and auxiliary reward."""
    for b in range(state.shape[0]):
        p = params[0][loop.pick(b, params[0].shape[0])]
        out[b, 0] = state[b, TIME] / p.steps
        out[b, 1] = state[b, EVENT]
        out[b, 2] = state[b, AUX]


def plan(rows: Sequence[CoinLineParams], seats: Sequence[int], setting: Any) -> ObservationPlan:
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
    cells, everything = max(p.cells for p in rows), setting.scope == "all"
    names = [*(f"cell[{k}]" for k in range(cells)), *(["visits", "time"] if everything else [])]
    table = np.array([(cells, everything, 1.0 / p.max_steps) for p in rows], dtype=SEEN)
    return ObservationPlan(table, tuple(names), sees_actions=False)


def pack(rows: Sequence[CoinLineParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    return (np.array([(p.cells, p.first, p.goal, p.max_steps) for p in rows], dtype=NUMBERS),)


def most_visits(params: CoinLineParams, cell: int, left: int) -> int:
    """Largest number of visits within ``left`` steps from ``cell``, by equations (1) and (2)."""
    away = abs(params.goal - cell)
    every = 1 if params.goal in (0, params.cells - 1) else 2  # steps from a visit to the next
    if away == 0:
        return left // every
    return 0 if away > left else 1 + (left - away) // every


def optimum(params: CoinLineParams, row: Array) -> tuple[float, int]:
    """Best return from a state, and the steps to its payment, if there can be one."""
    left = params.max_steps - int(row[TIME])
    if row[OVER] != 0.0:
        return 0.0, params.max_steps + 1
    best = int(row[VISITS]) + most_visits(params, int(row[CELL]), left)
    return float(best), left if best else params.max_steps + 1


def policy(params: CoinLineParams, row: Array) -> Array:
    """Towards the coin ``(1,)``; from the coin to the right, or into the end of the line that it is at."""
    cell, coin = int(row[CELL]), params.goal
    return np.array([float(LEFT if cell > coin or cell == coin == 0 else RIGHT)])


def enough_visits(params: CoinLineParams, episode: Episode) -> bool:
    """Whether it made at least half of the best number of visits, and one."""
    visits = float(episode.payoff.sum())
    return visits > 0.0 and 2.0 * visits >= most_visits(params, params.first, params.max_steps)


FLOOR, SEAT, COIN = (250, 250, 247), (0, 114, 178), (230, 159, 0)
_DONE, _LEFT = (150, 156, 166), (225, 225, 220)


def frame(params: CoinLineParams, row: Array, shape: Shape) -> Array:
    """The line with the coin (gold) and the seat (blue); below it the visits so far, and the time as a bar.

    Returns:
        ``(3 w, w cells, 3)`` uint8, w pixels a cell.
    """
    w = max(6, min(40, 960 // params.cells))
    colours = np.full((1, params.cells, 3), FLOOR, dtype=np.uint8)
    picture = np.full((3 * w, params.cells * w, 3), render.PAPER, dtype=np.uint8)
    picture[:w] = render.tiles(colours, w)
    y, x = (np.mgrid[:w, :w] + 0.5) / w - 0.5
    for cell, radius, colour in ((params.goal, 0.42, COIN), (int(row[CELL]), 0.28, SEAT)):
        picture[:w, cell * w : (cell + 1) * w][np.hypot(y, x) < radius] = colour
    gap = max(2, w // 4)
    for n in range(min(int(row[VISITS]), params.cells * w // gap)):
        picture[w + w // 3 : w + 2 * w // 3, n * gap : (n + 1) * gap - 1] = COIN
    along = round(params.cells * w * row[TIME] / params.max_steps)
    picture[2 * w + w // 4 : 3 * w - w // 4] = _LEFT
    picture[2 * w + w // 4 : 3 * w - w // 4, :along] = _DONE
    return picture


V0 = Game(
    id="payoff/CoinLine-v0",
    params=CoinLineParams,
    doc=__doc__,
    kernels=Kernels(start=start, transition=transition, look=look, read=read),
    shape=lambda p: Shape(1, 1, 2, LAYOUT, p.max_steps),
    pack=pack,
    bounds=lambda p: np.array([[[0.0, 1.0]]]),
    baseline=lambda p: np.zeros(1),
    dependence=lambda p: np.zeros((1, 1)),
    plan=plan,
    frame=frame,
    observations=tuple(SETTINGS),
    readouts=(Readout("progress", False), Readout("caption", False), Readout("aux", True)),
    captions=CAPTIONS,
    tabular=True,
    optimum=optimum,
    optimum_kind="exact",
    policy=policy,
    success=enough_visits,
    levels={"easy": {"max_steps": 10}, "medium": {"max_steps": 50}, "hard": {"max_steps": 200}},
)
