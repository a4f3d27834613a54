"""HyperGrid: build an object step by step and stop; a few cells near the corners of a grid are worth most.

## Model
A cell x of a grid has a coordinate x_i in 0 .. H - 1 on each of `dimensions` d axes, where H = `height`; the seat
starts in the corner where all x_i are 0. A step either moves one cell up along an axis, or stops, which ends the
episode with the cell as the object. A move beyond the last cell of an axis changes nothing. An object is worth, with
u_i = 2 x_i / (H - 1) - 1,

(1) R(x) = `r0` + 0.5 if all abs(u_i) > 0.5, + 2 more if all 0.6 < abs(u_i) < 0.8.

The cells that get the 0.5 are the plateau, those among them that get the 2 as well are the modes; all others are plain.
The comparisons are made between whole numbers, 2 m > H - 1 and 3 (H - 1) < 5 m < 4 (H - 1), where m is the absolute
value of 2 x_i - (H - 1): where H - 1 is a multiple of 5, some abs(u_i) is exactly 0.6 or 0.8, and rounding would count
it in. At H = 6 and 11 there is no mode at all.

With `stop_at_edge` a move that brings some coordinate to H - 1 ends the episode as well, so that an object has at most
one such coordinate. Then some cells are no objects any more, and Z, below, is another number.

The grid is the one on which flow networks are compared (Bengio et al., 2021, arXiv 2106.04399; Pan et al., 2023, arXiv
2302.01687): there the aim is not the best object but to draw objects in proportion to R.

## Players and actions
One seat, d + 1 integer actions: 0 .. d - 1 move up along that axis, d stops. `action_mask` leaves out the moves beyond
the last cell of an axis.

## Observations
Flat, in [0, 1]. `full` and `private` are the same: each coordinate one-hot, axis by axis. `minimal`: x_i / (H - 1) of
each axis. Where copies of a batch differ in `height`, each axis has as many entries as the largest needs.

## Rewards
With `reward_mode` "terminal": R of the object, on the step that ends the episode by a stop or at an edge. With
"delta_energy": every cell has the energy E(x) = log R(start) - log R(x), and each step pays the amount by which it
lowers E; these payments add up to log R(object) - log R(start), and stopping pays nothing. Under both, `info["energy"]`
is E(x) and `info["progress"]` is R(x) divided by the largest value.

## Starting state
The corner where all coordinates are 0, always.

## Episode end
Terminated by stopping, and with `stop_at_edge` by reaching an edge; truncated after `max_steps`. An episode that is
only truncated has no object: with "terminal" it pays nothing.

## Theory
With A coordinates of an axis that have abs(u) > 0.5, and B that have 0.6 < abs(u) < 0.8, the sum of all objects' values
is

(2) Z = `r0` H^d + 0.5 A^d + 2 B^d.

With `stop_at_edge` there are fewer objects: H^d becomes (H - 1)^d + d (H - 1)^(d - 1), since one coordinate at most may
be the last, A^d becomes (A - 1)^d + d (A - 1)^(d - 1), and B^d stays, since the last coordinate is in no mode.
Code that evaluates abs(x_i / (H - 1) * 2 - 1) in double precision, as published code does, gets another Z where H - 1
is a multiple of 5: at x_i = 4 (H - 1) / 5 it finds 0.6000000000000001 and counts B + 1. With d = 2 its Z is 32.1 at H =
11, where 30.1 is exact, and 75.6 at H = 16, where 65.6 is; with d = 4 it is 2114.1 for 2112.1 and 8763.6 for 8633.6.
Before you compare distributions or modes with such code, choose another H, such as 8, 12, 20 or 32: there both agree.
In single precision it depends on the formula and on H.

`partition` gives Z, `distribution` gives R / Z of every cell, and `sample` draws objects with exactly these
probabilities: first which of the three terms, then a cell uniformly among those that it counts.

The best return with n steps left is that of the best kind of cell within reach: coordinates only grow, so each axis
goes to its next coordinate of that kind or a better one, whatever the others do, and with "terminal" one more step
stops. An episode is a success when it ends in an object of the largest value. A payment above 0 comes at the first
stop; with "delta_energy", at the first arrival in a better cell than the one before. Uniformly random play stops after
d + 1 steps on average, so it hardly ever finds modes that are many steps away: at the level "hard" it succeeds with
probability 1.25e-4, by the exact distribution of its cell.

## Parameters
`height` 8, in 6 .. 256; `dimensions` 4, in 1 .. 8; `r0` 0.1; `reward_mode` "terminal" or "delta_energy"; `stop_at_edge`
False; `max_steps` None, which is d (H - 1) + 1: just enough to reach the farthest cell and stop.

## Version history
v0: first version.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs import render
from payoff.envs.core.game import Episode, Game, ObservationPlan, Rules, Sight, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_flag, check_integer, check_number, check_word
from payoff.envs.core.state import Array, Cells, Copy, Layout, State, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.settings import chosen

__all__ = ["SETTINGS", "V0", "HyperGridParams", "Observe", "distribution", "kinds", "partition", "rewards", "sample"]

REWARD = words("terminal", "delta_energy")
KIND = words("plain", "plateau", "mode")  # of coordinates and of cells, in the order of what they are worth
SCOPE = words("one_hot", "coordinates")
EVENT = events(
    began="the episode began",
    moved="moved",
    blocked="could not move further",
    at_edge="reached the edge",
    stopped="stopped",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperGridParams(Params):
    """Keywords of HyperGrid-v0."""

    height: int = 8  # H, cells along each axis
    dimensions: int = 4  # d, axes
    r0: float = 0.1  # value of a plain object; plateau and modes add to it; at least 1e-12
    reward_mode: Literal["terminal", "delta_energy"] = "terminal"  # R at the end, or what each step adds to log R
    stop_at_edge: bool = False  # whether reaching the last cell of an axis ends the episode
    max_steps: int | None = None  # None: d (H - 1) + 1

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("height", self.height, 6, 256)
        check_integer("dimensions", self.dimensions, 1, 8)
        check_number("r0", self.r0, 1e-12)
        check_word("reward_mode", self.reward_mode, REWARD._fields)
        check_flag("stop_at_edge", self.stop_at_edge)
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return self.dimensions * (self.height - 1) + 1 if self.max_steps is None else self.max_steps

    @property
    def values(self) -> Array:
        """R ``(3,)`` of a plain cell, a cell of the plateau, a mode."""
        return self.r0 + np.array([0.0, 0.5, 2.5])

    @property
    def best_kind(self) -> int:
        """Kind of the most valuable objects: the mode, or the plateau where there is no mode."""
        return int(kinds(self.height).max())


class HyperGrid(Copy):
    """State of one grid, beside the coordinates of the cell; all numbers are 0 at the start, so no rule sets them."""

    event: float = whole(0, EVENT)


def values_of_kinds(rows: Sequence[HyperGridParams]) -> tuple[Array, ...]:
    """Tables of R and of log R by KIND: ``(P, 3)``, one row for each set of parameters."""
    values = np.stack([p.values for p in rows])
    return values, np.log(values)


@jit
def step(
    p: HyperGridParams, value: Array, logarithm: Array, s: HyperGrid, cell: Array, action: Array, payoff: Array
) -> bool:
    """One step; a finished object ends the episode.

    ``value`` and ``logarithm``, R and log R by KIND, are this copy's row of the tables.
    """
    axis, before = int(action[0]), kind_of(p, cell)
    if axis == p.dimensions:
        s.event = EVENT.stopped
        if p.reward_mode == REWARD.terminal:
            payoff[0] = value[before]
        return True
    if is_last(p, cell, axis):
        s.event = EVENT.blocked
        return False
    cell[axis] += 1.0
    after = kind_of(p, cell)
    finished = p.stop_at_edge != 0 and is_last(p, cell, axis)
    s.event = EVENT.at_edge if finished else EVENT.moved
    if p.reward_mode == REWARD.delta_energy:
        payoff[0] = logarithm[after] - logarithm[before]
    elif finished:
        payoff[0] = value[after]
    return finished


@jit
def is_last(p: HyperGridParams, cell: Array, axis: int) -> bool:
    """Whether the cell is the last one of an axis."""
    return cell[axis] == p.height - 1


@jit
def kind(height: int, coordinate: int) -> int:
    """Kind of a coordinate, compared in whole numbers."""
    m = abs(2 * coordinate - (height - 1))
    found: int = KIND.plateau
    if 2 * m <= height - 1:
        found = KIND.plain
    elif 5 * m > 3 * (height - 1) and 5 * m < 4 * (height - 1):
        found = KIND.mode
    return found


@jit
def kind_of(p: HyperGridParams, cell: Array) -> int:
    """Kind of the cell: the least among its coordinates."""
    least: int = KIND.mode
    for i in range(p.dimensions):
        least = min(least, kind(p.height, int(cell[i])))
    return least


# -- what is seen and reported -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """What a seat sees: pass one as ``observe=``, to Gymnasium and PettingZoo environments alike.

    Attributes:
        scope: coordinates one-hot, or as numbers.
        clock: whether the clock, steps taken divided by the horizon, comes last.
    """

    scope: Literal["one_hot", "coordinates"] = "one_hot"
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        check_word("observe.scope", self.scope, SCOPE._fields)
        check_flag("observe.clock", self.clock)


SETTINGS = {"full": Observe(), "private": Observe(), "minimal": Observe(scope="coordinates")}
SEEN = np.dtype([("width", np.int64)], align=True)  # entries per axis; 0: each coordinate is one number


@jit
def look(p: HyperGridParams, value: Array, logarithm: Array, s: HyperGrid, cell: Array, view: Any, seen: Array) -> None:
    """The coordinates and, if the setting shows it, the clock."""
    at = p.dimensions
    if view.width > 0:
        at = p.dimensions * view.width
        for k in range(at):
            seen[k] = 0.0
        for i in range(p.dimensions):
            seen[i * view.width + int(cell[i])] = 1.0
    else:
        scale = 1.0 / (p.height - 1)
        for i in range(p.dimensions):
            seen[i] = cell[i] * scale
    if seen.shape[0] > at:
        seen[at] = s.clock * (1.0 / p.horizon)


def plan(rows: Sequence[HyperGridParams], layout: Layout, seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Raise ValueError for an unknown name, TypeError for neither a name nor an Observe."""
    observe = chosen(setting, SETTINGS, Observe)
    width = max(p.height for p in rows) if observe.scope == "one_hot" else 0
    axes = [f"axis {i}" for i in range(rows[0].dimensions)]
    names = [f"{axis}[{k}]" for axis in axes for k in range(width)] if width else axes
    return ObservationPlan(np.full(len(rows), width).astype(SEEN), (*names, *(["clock"] if observe.clock else [])))


@jit
def progress(p: HyperGridParams, value: Array, logarithm: Array, s: HyperGrid, cell: Array) -> float:
    """Value of the cell divided by the largest value."""
    share: float = value[kind_of(p, cell)] / value[p.best_kind]
    return share


@jit
def moves(p: HyperGridParams, value: Array, logarithm: Array, s: HyperGrid, cell: Array, k: int) -> bool:
    """Whether action k stops, or moves along an axis that goes on."""
    return k == p.dimensions or not is_last(p, cell, k)


@jit
def energy(p: HyperGridParams, value: Array, logarithm: Array, s: HyperGrid, cell: Array) -> float:
    """E of the cell; the start is a cell of the plateau."""
    lost: float = logarithm[KIND.plateau] - logarithm[kind_of(p, cell)]
    return lost


# -- what is known -----------------------------------------------------------------------------------------------------


def kinds(height: int) -> Array:
    """Kind ``(H,)`` of each coordinate. A cell is of the least kind among its coordinates."""
    return np.array([kind(height, x) for x in range(height)], dtype=np.int64)


def rewards(params: HyperGridParams, cells: Any) -> Array:
    """R of cells ``(..., d)``.

    Raises:
        ValueError: no cells of this grid.
    """
    x = np.asarray(cells)
    if not np.issubdtype(x.dtype, np.integer) or x.shape[-1:] != (params.dimensions,):
        raise ValueError(f"cells must be whole numbers (..., {params.dimensions}), got {x.dtype} of shape {x.shape}")
    if x.size and not (0 <= x.min() and x.max() < params.height):
        raise ValueError(f"cells must be in 0 .. {params.height - 1}, got {x.min()} .. {x.max()}")
    value: Array = params.values[kinds(params.height)[x].min(axis=-1)]
    return value


def _terms(params: HyperGridParams) -> list[tuple[float, Array]]:
    """The three terms of (1): what each adds, and the coordinates of which a cell must have one on every axis."""
    kind_at = kinds(params.height)
    terms = (params.r0, KIND.plain), (0.5, KIND.plateau), (2.0, KIND.mode)
    return [(weight, np.flatnonzero(kind_at >= least)) for weight, least in terms]


def _counts(params: HyperGridParams, coordinates: Array) -> tuple[int, int]:
    """Numbers of objects with these coordinates only: those not ended by the edge, and those ended by it."""
    d, edge = params.dimensions, params.height - 1
    if not params.stop_at_edge:
        return len(coordinates) ** d, 0
    inside = int((coordinates < edge).sum())
    return inside**d, d * inside ** (d - 1) if edge in coordinates else 0


def partition(params: HyperGridParams) -> float:
    """Z, equation (2): the sum of R over all objects."""
    return math.fsum(weight * sum(_counts(params, coordinates)) for weight, coordinates in _terms(params))


def distribution(params: HyperGridParams) -> Array:
    """R / Z of every cell, ``(H, ..., H)``; 0 where a cell is no object.

    Raises:
        ValueError: more than ten million cells.
    """
    h, d = params.height, params.dimensions
    if h**d > 10_000_000:
        raise ValueError(f"height ** dimensions must be at most 10000000 to list the cells, got {h**d}")
    cells = np.indices((h,) * d).reshape(d, -1).T
    value = rewards(params, cells)
    if params.stop_at_edge:
        value = np.where((cells == h - 1).sum(axis=1) > 1, 0.0, value)
    return (value / partition(params)).reshape((h,) * d)


def sample(params: HyperGridParams, rng: np.random.Generator, n: int) -> Array:
    """Objects ``(n, d)`` int64, drawn independently with probability R / Z.

    Args:
        params: the grid.
        rng: source of the draws.
        n: how many.
    """
    check_integer("n", n, 0)
    d, edge = params.dimensions, params.height - 1
    groups = [
        (weight * count, coordinates, at_edge)
        for weight, coordinates in _terms(params)
        for at_edge, count in enumerate(_counts(params, coordinates))
        if count
    ]
    weights = np.array([g[0] for g in groups])
    group = rng.choice(len(groups), size=n, p=weights / weights.sum())
    cells = np.empty((n, d), dtype=np.int64)
    for g, (_, coordinates, at_edge) in enumerate(groups):
        mine = np.flatnonzero(group == g)
        allowed = coordinates[coordinates < edge] if params.stop_at_edge else coordinates
        cells[mine] = rng.choice(allowed, size=(len(mine), d))
        if at_edge:
            cells[mine, rng.integers(d, size=len(mine))] = edge
    return cells


def _target(params: HyperGridParams, at: Array, left: int) -> Array:
    """Nearest cell ``(d,)`` of the best kind that ``left`` steps from ``at`` allow, with "terminal" a stop included."""
    kind_at = kinds(params.height)
    moves = left - (params.reward_mode == "terminal")
    for wanted in range(params.best_kind, int(kind_at[at].min()), -1):
        ahead = [np.flatnonzero(kind_at[x:] >= wanted) for x in at]  # per axis: moves to each coordinate good enough
        if all(len(a) for a in ahead) and sum(int(a[0]) for a in ahead) <= moves:
            at = at + np.array([a[0] for a in ahead])
            break
    return at


def _steps_to_payment(params: HyperGridParams, at: Array) -> int:
    """Least number of steps to a payment above 0: to a stop or, with "delta_energy", to a rise of the cell's kind."""
    if params.reward_mode == "terminal":
        return 1
    kind_at = kinds(params.height)
    own = int(kind_at[at].min())
    found = [params.horizon + 1]
    for wanted in range(own + 1, KIND.mode + 1):  # every axis goes to its next coordinate of a better kind
        ahead = [np.flatnonzero(kind_at[x:] >= wanted) for x in at]
        if all(len(a) for a in ahead):
            found.append(sum(int(a[0]) for a in ahead))
    if own > KIND.plain:  # or one axis alone moves on: past coordinates below some kind, where the cell's kind falls,
        for x in at:  # to the next one that is of this kind again, where it rises
            for again in range(KIND.plateau, own + 1):
                enough = kind_at[x:] >= again
                if not enough.all() and enough[enough.argmin() :].any():
                    falls = int(enough.argmin())
                    found.append(falls + int(enough[falls:].argmax()))
    return min(found)


def optimum(params: HyperGridParams, s: HyperGrid, cell: Array) -> tuple[float, int]:
    """Best return within the steps that are left, and the least number of steps to a payment.

    ``stop_at_edge`` changes neither: coordinate H - 2 is of the plateau or of a mode, so no axis has to go on to H - 1
    for a better kind.
    """
    at, left = cell.astype(np.int64), params.horizon - int(s.clock)
    if s.over != 0.0 or left <= 0:
        return 0.0, params.horizon + 1
    best, here = (rewards(params, c).item() for c in (_target(params, at, left), at))
    value = best if params.reward_mode == "terminal" else math.log(best) - math.log(here)
    return value, _steps_to_payment(params, at)


def policy(params: HyperGridParams, s: HyperGrid, cell: Array) -> float:
    """Move to the nearest cell of the best kind within reach, the first axis first; then stop."""
    at = cell.astype(np.int64)
    short = np.flatnonzero(_target(params, at, params.horizon - int(s.clock)) > at)
    return float(short[0]) if short.size else float(params.dimensions)


def best_object(params: HyperGridParams, episode: Episode, s: HyperGrid, cell: Array) -> bool:
    """Whether the episode ended with an object of the largest value."""
    return episode.terminated and int(kinds(params.height)[cell.astype(np.int64)].min()) == params.best_kind


_COLOURS = np.array([render.PAPER, (190, 208, 222), (230, 159, 0)], dtype=np.uint8)  # plain, plateau, mode
_SEAT = (0, 114, 178)


def draw(params: HyperGridParams, s: HyperGrid, cell: Array) -> Array:
    """With two axes the grid, axis 0 to the right and axis 1 upwards; else a strip for each axis; the seat is blue.

    Returns:
        ``(rows, columns, 3)`` uint8; plain cells are white, the plateau is grey, modes are gold.
    """
    h, d = params.height, params.dimensions
    at, kind_at = cell.astype(np.int64), kinds(h)
    tile = max(3, min(32, 512 // h))
    if d == 2:
        picture = render.tiles(_COLOURS[np.minimum(kind_at[None, :], kind_at[::-1, None])], tile)
        spots = [(h - 1 - at[1], at[0])]
    else:
        picture = render.tiles(np.repeat(_COLOURS[kind_at][None], d, axis=0), tile)
        spots = list(enumerate(at))
    inset = 0 if tile < 8 else tile // 5
    for down, right in spots:
        top, left = down * tile + inset, right * tile + inset
        picture[top + 1 : top + tile - 2 * inset, left + 1 : left + tile - 2 * inset] = _SEAT
    return picture


V0 = Game(
    "payoff/HyperGrid-v0",
    "Move up along the axes of a grid and stop: a few cells near its corners are worth most.",
    tags=("sparse", "grid", "tabular"),
    rules=Rules(
        params=HyperGridParams,
        state=State(HyperGrid, cell=Cells(lambda p: (p.dimensions,), whole(0, lambda p: p.height - 1))),
        step=step,
        actions=lambda p: p.dimensions + 1,
        mask=moves,
        tables=values_of_kinds,
        alike=("dimensions",),
        tabular=True,
    ),
    sight=Sight(look, plan, tuple(SETTINGS)),
    info={"progress": progress, "energy": energy, "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact",
        optimum=optimum,
        policy=policy,
        success=best_object,
        success_by_step=True,
        levels={
            "easy": {"height": 8, "dimensions": 2},
            "medium": {"height": 8, "dimensions": 4},
            "hard": {"height": 100, "dimensions": 2},
        },
    ),
)
