"""Delivery: drive to the goal over a board of roads, bricks, coins, roadblocks and sheep, at a price for every step.

## Model
A board of `height` x `width` cells. Each is road or brick and may hold one thing: the goal, a house, a sheep, a coin, a
roadblock. A step moves the seat one cell up, down, left or right:

1. a house, or the edge of the board, holds the seat up: it stays;
2. the goal and a sheep end the episode;
3. coins and roadblocks stay where they are and count each time they are entered.

A step has features phi: gas 1 for a step onto (or a hold-up on) road, brick 1 instead of it on brick, and besides coin
or roadblock 1 where one is entered; a hold-up counts neither. The goal counts as goal 1 and a sheep as sheep 1, alone.
The task and its weights are those of Knox, Hatgis-Kessell, Booth, Niekum, Stone and Allievi (arXiv 2206.02231), who use
it to ask what preferences between segments of driving reveal: their sums of reward, or their regrets. Their board is
not copied here: `default` is a board of this project with the same ingredients.

In the stochastic variant there are risky cells: entering one ends the episode, as a sheep or as a win, by a fair coin.

## Players and actions
One seat, four integer actions: 0 up, 1 down, 2 left, 3 right.

## Observations
In [0, 1]. A cell is one number, its code over 13; outside the board it is 1. The codes are road 0, goal 1, house 2,
sheep 3, coin 4, roadblock 5, the same six on brick 6 to 11, and risky 12.

- `full`: row and column of the seat, each over the last one, then all cells, row by row. Where copies of a batch differ
  in size, all see as many rows and columns as the largest.
- `private`: the 5 x 5 cells around the seat, itself in the middle.
- `minimal`: row and column; enough to play well on a board that never changes.

## Rewards
The sum of `weights` times features, in the order gas, goal, sheep, coin, roadblock, brick; a win of a risky cell pays
`win`. `reward_vector` in `info` holds the features of the last step, in that order and with the win as the seventh, so
that the payoff is its product with `weights` and `win`.

## Starting state
On a given board the seat starts in any cell that is neither house, goal, sheep nor risky, all equally likely. With
`layout="random"` the board is drawn too: the goal anywhere, then cell by cell a sheep, a risky cell, of the rest a
roadblock, of the rest a coin, with the shares of these names as probabilities, and brick under it with the share
`bricks`. The seat starts in one of the cells from which the goal can be reached, and a board without such a cell is
drawn again. The source draws boards from lists of sizes and shares; how it places things is not known to us, and that
no start is hopeless is our choice.

## Episode end
Terminated at the goal, a sheep or a risky cell; truncated after `max_steps`.

## Theory
Best returns within the horizon come from dynamic programming over the enumerated board, exact up to rounding. A return
may be negative: where the way costs more than the goal pays, or no goal can be reached, the best is to lose least. With
the default weights a coin on road costs what it pays, so that driving between two coins is free and endless.

Success is a delivery: the episode ends at the goal. Uniformly random play meets a sheep first most of the time, but
delivers now and then, so this is a problem of credit and of trade-offs more than one of search.

## Parameters
`layout` "default" or "random"; `board` None, or a board of your own that takes the place of `layout`: a tuple of rows,
each a text of the characters `.GHSCR` (road, goal, house, sheep, coin, roadblock), `,ghscr` (the same on brick) and `?`
(risky), or a tuple of codes. Random boards: `height` 10 and `width` 10, in 2 .. 15; `sheep` 0.1, `roadblocks` 0.1,
`coins` 0.1, `bricks` 0.1, and `risky` 0, shares in [0, 1], sheep and risky together at most 0.8. `weights`
(-1, 50, -50, 1, -1, -2); `win` 50, not negative; `max_steps` 100.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs import planning, render
from payoff.envs.core.game import Episode, Game, ObservationPlan, Readout, Shape
from payoff.envs.core.params import Params, check_integer, check_number
from payoff.envs.core.state import Array
from payoff.envs.sparse import delivery_kernels as kernels
from payoff.envs.sparse.delivery_kernels import CELLS, CODES, FEATURES, LAYOUT, LONGEST_SIDE, PHI, SCOPES

__all__ = ["FEATURES", "SETTINGS", "V0", "DeliveryParams", "Observe"]

Board = tuple[str, ...] | tuple[tuple[int, ...], ...]

DEFAULT_BOARD = (
    ",,,....C..",
    ".H,S.R..H.",
    "..,.H...S.",
    "C.,..SS...",
    "..c...R..C",
    "..,...,,,,",
    ".Sr.S.,.H.",
    "..,.R.,...",
    "g,,.C.,S.R",
    "....,,,..C",
)
_STARTS = ".CR,cr"
_FREE = 0.8  # largest share of cells that end an episode


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryParams(Params):
    """Keywords of Delivery-v0."""

    layout: Literal["default", "random"] = "default"  # the own board, or one drawn in each episode
    board: Board | None = None  # rows of characters or codes; takes the place of `layout`
    height: int = 10  # rows of a random board
    width: int = 10  # columns of a random board
    sheep: float = 0.1  # share of cells
    roadblocks: float = 0.1  # share of the cells left
    coins: float = 0.1  # share of the cells left
    bricks: float = 0.1  # share of cells
    risky: float = 0.0  # share of cells
    weights: tuple[float, ...] = (-1.0, 50.0, -50.0, 1.0, -1.0, -2.0)  # gas, goal, sheep, coin, roadblock, brick
    win: float = 50.0  # payoff of a won risky cell
    max_steps: int = 100  # horizon, in steps

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        if self.layout not in ("default", "random"):
            raise ValueError(f"layout must be one of 'default', 'random', got {self.layout!r}")
        _check_board(self.board)
        check_integer("height", self.height, 2, LONGEST_SIDE)
        check_integer("width", self.width, 2, LONGEST_SIDE)
        for name in ("sheep", "risky"):
            check_number(name, getattr(self, name), 0.0, _FREE)
        for name in ("roadblocks", "coins", "bricks"):
            check_number(name, getattr(self, name), 0.0, 1.0)
        if self.sheep + self.risky > _FREE:
            raise ValueError(f"sheep + risky must be at most {_FREE}, got {self.sheep + self.risky:g}")
        if not isinstance(self.weights, tuple | list) or len(self.weights) != len(FEATURES) - 1:
            names = ", ".join(FEATURES[:-1])
            raise ValueError(f"weights must be {len(FEATURES) - 1} numbers ({names}), got {self.weights!r}")
        for name, weight in zip(FEATURES, self.weights, strict=False):
            check_number(f"weights ({name})", weight, -np.inf)
        check_number("win", self.win, 0.0)
        check_integer("max_steps", self.max_steps, 1)
        object.__setattr__(self, "weights", tuple(map(float, self.weights)))  # a list becomes hashable

    @property
    def codes(self) -> Array | None:
        """Codes ``(H, W)`` of the given board, or None where boards are drawn."""
        if self.board is not None:
            return np.array([[CODES.index(c) if isinstance(c, str) else c for c in line] for line in self.board])
        if self.layout == "random":
            return None
        return np.array([[CODES.index(c) for c in line] for line in DEFAULT_BOARD])

    @property
    def sides(self) -> tuple[int, int]:
        """Rows and columns of the board that is played."""
        codes = self.codes
        return (self.height, self.width) if codes is None else (codes.shape[0], codes.shape[1])

    @property
    def gambles(self) -> bool:
        """Whether there can be risky cells."""
        codes = self.codes
        return self.risky > 0.0 if codes is None else bool((codes == kernels.RISKY).any())


def _check_board(board: Any) -> None:
    """Raise ValueError unless ``board`` is None or a board that can be played."""
    if board is None:
        return
    allowed = f"must be a tuple of 2 .. {LONGEST_SIDE} rows of equal length (2 .. {LONGEST_SIDE}), texts of {CODES!r}"
    fault = f"board {allowed} or tuples of codes 0 .. {len(CODES) - 1}, got {board!r}"
    if not isinstance(board, tuple) or not 2 <= len(board) <= LONGEST_SIDE:
        raise ValueError(fault)
    for line in board:
        if not isinstance(line, str | tuple) or len(line) != len(board[0]) or not 2 <= len(line) <= LONGEST_SIDE:
            raise ValueError(fault)
        if isinstance(line, str):
            good = all(c in CODES for c in line)
        else:
            good = all(type(c) is int and 0 <= c < len(CODES) for c in line)
        if not good:
            raise ValueError(fault)
    cells = {c if isinstance(c, str) else CODES[c] for line in board for c in line}
    if not cells & set("Gg") or not cells & set(_STARTS):
        raise ValueError(f"board must hold a goal and a cell to start in, got {board!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """An observation setting, the same object in every view.

    Attributes:
        scope: the seat's cell and the whole board, the window around the seat, or the seat's cell alone.
        clock: whether steps taken over the horizon come last.
    """

    scope: Literal["board", "window", "cell"] = "board"
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        if self.scope not in SCOPES:
            raise ValueError(f"observe.scope must be one of {', '.join(map(repr, SCOPES))}, got {self.scope!r}")
        if not isinstance(self.clock, bool):
            raise ValueError(f"observe.clock must be True or False, got {self.clock!r}")


SETTINGS = {"full": Observe(), "private": Observe(scope="window"), "minimal": Observe(scope="cell")}


def plan(rows: Sequence[DeliveryParams], seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan, the same for every seat that is looked at: there is one.

    Args:
        rows: parameters of each copy, or one for all.
        seats: ``[0]``.
        setting: a name of SETTINGS or an :class:`Observe`.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor an Observe.
    """
    if isinstance(setting, str):
        if setting not in SETTINGS:
            raise ValueError(f"observe must be one of {', '.join(map(repr, SETTINGS))} or an Observe, got {setting!r}")
        setting = SETTINGS[setting]
    if not isinstance(setting, Observe):
        raise TypeError(f"observe must be a name or an Observe, got {type(setting).__name__}")
    sides = [p.sides for p in rows]
    height, width = max(h for h, _ in sides), max(w for _, w in sides)
    code = SCOPES.index(setting.scope)
    table = np.array(
        [(code, h, w, height, width, 1.0 / p.max_steps) for p, (h, w) in zip(rows, sides, strict=True)],
        dtype=kernels.SEEN,
    )
    if setting.scope == "window":
        span = range(-kernels.RADIUS, kernels.RADIUS + 1)
        names = [f"cell[{i:+d},{j:+d}]" for i in span for j in span]
    else:
        names = ["row", "column"]
    if setting.scope == "board":
        names += [f"cell[{i},{j}]" for i in range(height) for j in range(width)]
    return ObservationPlan(table, (*names, *(["clock"] if setting.clock else [])), sees_actions=False)


def pack(rows: Sequence[DeliveryParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    numbers, boards, odds = np.zeros(len(rows), dtype=kernels.NUMBERS), np.zeros((len(rows), CELLS), dtype=np.int64), []
    for k, p in enumerate(rows):
        codes = p.codes
        if codes is not None:
            boards[k, : codes.size] = codes.ravel()
        numbers[k] = (*p.sides, codes is None, p.sheep, p.risky, p.roadblocks, p.coins, p.bricks)
        odds.append([0.5, 0.5] if p.gambles else [1.0, 0.0])
    payoffs = np.array([PHI @ np.array([*p.weights, p.win]) for p in rows])
    return numbers, boards, payoffs, np.array(odds)


def _chance(params: DeliveryParams) -> Array:
    return np.array([0.5, 0.5]) if params.gambles else np.ones(1)


def _optimum(params: DeliveryParams, row: Array) -> tuple[float, int]:
    return planning.optimum(V0, params, row)


def _policy(params: DeliveryParams, row: Array) -> Array:
    return planning.action(V0, params, row)


def delivered(params: DeliveryParams, episode: Episode) -> bool:
    """Whether the episode ended at the goal."""
    return bool(LAYOUT.view(episode.last[None], "event")[0] == kernels.DELIVERED)


_TILE = 32  # pixels
_ROAD, _BRICK = (214, 214, 208), (198, 148, 118)
_HOUSE, _GREEN, _WOOL, _GOLD, _RED, _BLUE = (
    (90, 96, 106),
    (0, 158, 115),
    (255, 255, 255),
    (230, 159, 0),
    (213, 94, 0),
    (0, 114, 178),
)
_PURPLE = (150, 90, 160)


def frame(params: DeliveryParams, row: Array, shape: Shape) -> Array:
    """The board from above.

    Road grey, brick brown, goal green, house dark with a roof, sheep white with a black face, coin gold, roadblock a
    red bar, risky purple, and the seat a blue disc.

    Returns:
        ``(32 H, 32 W, 3)`` uint8.
    """
    height, width = params.sides
    codes = LAYOUT.view(row[None], "board")[0, : height * width].reshape(height, width).astype(int)
    colours = np.where((codes >= kernels.BRICK)[:, :, None], _BRICK, _ROAD).astype(np.uint8)
    kind = np.where(codes == kernels.RISKY, kernels.RISKY, codes % kernels.BRICK)
    colours[kind == kernels.GOAL], colours[kind == kernels.RISKY] = _GREEN, _PURPLE
    picture = render.tiles(colours, _TILE)
    down, right = (np.mgrid[:_TILE, :_TILE] + 0.5) / _TILE - 0.5  # from the middle of a tile, in tiles
    radius = np.hypot(down, right)

    def paint(y: int, x: int, mask: Array, colour: tuple[int, int, int]) -> None:
        picture[y * _TILE : (y + 1) * _TILE, x * _TILE : (x + 1) * _TILE][mask] = colour

    for y, x in np.argwhere(kind == kernels.HOUSE):
        paint(y, x, (abs(right) < 0.3) & (abs(down - 0.12) < 0.26), _HOUSE)
        paint(y, x, (down < -0.1) & (down > -0.42) & (abs(right) < down + 0.44), _RED)
    for y, x in np.argwhere(kind == kernels.SHEEP):
        paint(y, x, np.hypot(down * 1.4, right) < 0.36, _WOOL)
        paint(y, x, np.hypot(down + 0.06, right - 0.3) < 0.13, render.INK)
    for y, x in np.argwhere(kind == kernels.COIN):
        paint(y, x, radius < 0.22, _GOLD)
    for y, x in np.argwhere(kind == kernels.ROADBLOCK):
        paint(y, x, (abs(down) < 0.14) & (abs(right) < 0.42), _RED)
        paint(y, x, (abs(down) < 0.14) & (abs(abs(right) - 0.18) < 0.07), _WOOL)
    y, x = LAYOUT.view(row[None], "cell")[0].astype(int)
    paint(y, x, radius < 0.3, _BLUE)
    return picture


_SMALL = {"layout": "random", "height": 3, "width": 5, "sheep": 0.0}

V0 = Game(
    id="payoff/Delivery-v0",
    params=DeliveryParams,
    doc=__doc__,
    kernels=kernels.KERNELS,
    shape=lambda p: Shape(1, 1, 4, LAYOUT, p.max_steps),
    pack=pack,
    bounds=lambda p: np.array([[[0.0, 3.0]]]),
    baseline=lambda p: np.zeros(1),
    dependence=lambda p: np.zeros((1, 1)),
    plan=plan,
    frame=frame,
    observations=tuple(SETTINGS),
    readouts=(Readout("reward_vector", False, size=len(FEATURES)), Readout("caption", False)),
    captions=kernels.CAPTIONS,
    tabular=True,
    chance=_chance,
    optimum=_optimum,
    optimum_kind="exact",
    policy=_policy,
    success=delivered,
    success_by_step=True,
    levels={
        "easy": _SMALL,
        "medium": {},
        "hard": {"layout": "random", "height": 15, "width": 15, "sheep": 0.3, "risky": 0.1},
    },
)
