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
One seat, four integer actions: 0 up, 1 down, 2 left, 3 right. There is no `action_mask`: a hold-up is the only way to
stay, which is best where every way out costs more.

## Observations
In [0, 1]. A cell is one number, its code / 13; outside the board it is 1. The codes are road 0, goal 1, house 2,
sheep 3, coin 4, roadblock 5, the same six on brick 6 to 11, and risky 12.

- `full`: row and column of the seat, each divided by the last one, then all cells, row by row. Where copies of a batch
  differ in size, all see as many rows and columns as the largest.
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
from payoff.envs.core import chance, rng
from payoff.envs.core.game import Episode, Game, Listed, ObservationPlan, Rules, Sight, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_flag, check_integer, check_number, check_word
from payoff.envs.core.state import Array, Cells, Copy, Layout, State, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.settings import chosen
from payoff.envs.sparse.boards import DANGER, GOAL, KEY, SEAT, WALL
from payoff.envs.sparse.delivery_boards import (
    BRICK,
    CODES,
    DEFAULT_BOARD,
    LONGEST_SIDE,
    MARK,
    RISKY,
    THING,
    Board,
    check_board,
    draw_board,
    mark_reachable,
    passable,
)

__all__ = ["FEATURES", "SETTINGS", "V0", "DeliveryParams", "Observe"]

MOVE = words("up", "down", "left", "right")
SCOPE = words("board", "window", "cell")
EVENT = events(
    began="the episode began",
    drove="drove on road",
    drove_brick="drove on brick",
    collected="collected a coin on road",
    collected_brick="collected a coin on brick",
    passed="passed a roadblock on road",
    passed_brick="passed a roadblock on brick",
    held="was held up on road",
    held_brick="was held up on brick",
    delivered="delivered",  # from here on the episode ends
    hit="hit a sheep",
    lost="hit a sheep in a risky cell",
    won="won in a risky cell",
)
COUNTED = {  # features of each event
    EVENT.began: (),
    EVENT.drove: ("gas",),
    EVENT.drove_brick: ("brick",),
    EVENT.collected: ("gas", "coin"),
    EVENT.collected_brick: ("brick", "coin"),
    EVENT.passed: ("gas", "roadblock"),
    EVENT.passed_brick: ("brick", "roadblock"),
    EVENT.held: ("gas",),
    EVENT.held_brick: ("brick",),
    EVENT.delivered: ("goal",),
    EVENT.hit: ("sheep",),
    EVENT.lost: ("sheep",),
    EVENT.won: ("win",),
}
FEATURES = ("gas", "goal", "sheep", "coin", "roadblock", "brick", "win")
PHI = np.array([[float(f in COUNTED[e]) for f in FEATURES] for e in EVENT])

ENTERED = np.array(  # event by code; a house holds up, and what a risky cell does is drawn
    [
        *(EVENT.drove, EVENT.delivered, EVENT.held, EVENT.hit, EVENT.collected, EVENT.passed),
        *(EVENT.drove_brick, EVENT.delivered, EVENT.held, EVENT.hit, EVENT.collected_brick, EVENT.passed_brick),
        EVENT.lost,
    ]
)
FAIR = np.array([0.5, 0.5])  # chances that a risky cell is lost, and won
SCALE = 1.0 / len(CODES)  # of a code that is shown
RADIUS = 2  # of the window
FREE = 0.8  # largest share of cells that end an episode


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
        check_word("layout", self.layout, ("default", "random"))
        check_board(self.board)
        check_integer("height", self.height, 2, LONGEST_SIDE)
        check_integer("width", self.width, 2, LONGEST_SIDE)
        for name in ("sheep", "risky"):
            check_number(name, getattr(self, name), 0.0, FREE)
        for name in ("roadblocks", "coins", "bricks"):
            check_number(name, getattr(self, name), 0.0, 1.0)
        if self.sheep + self.risky > FREE:
            raise ValueError(f"sheep + risky must be at most {FREE}, got {self.sheep + self.risky:g}")
        if not isinstance(self.weights, tuple | list) or len(self.weights) != len(FEATURES) - 1:
            names = ", ".join(FEATURES[:-1])
            raise ValueError(f"weights must be {len(FEATURES) - 1} numbers ({names}), got {self.weights!r}")
        for name, weight in zip(FEATURES, self.weights, strict=False):
            check_number(f"weights ({name})", weight, -np.inf)
        check_number("win", self.win, 0.0)
        check_integer("max_steps", self.max_steps, 1)
        object.__setattr__(self, "weights", tuple(map(float, self.weights)))  # a list becomes hashable

    @property
    def lines(self) -> Board | None:
        """The given board; None where boards are drawn."""
        return self.board if self.board is not None else None if self.layout == "random" else DEFAULT_BOARD

    @property
    def codes(self) -> Array | None:
        """Its codes ``(H, W)``."""
        if self.lines is None:
            return None
        return np.array([[CODES.index(c) if isinstance(c, str) else c for c in line] for line in self.lines])

    @property
    def drawn(self) -> bool:
        """Whether every episode has a board of its own."""
        return self.lines is None

    @property
    def rows(self) -> int:
        """Rows of the board that is played."""
        return self.height if self.lines is None else len(self.lines)

    @property
    def columns(self) -> int:
        """Columns of the board that is played."""
        return self.width if self.lines is None else len(self.lines[0])

    @property
    def gambles(self) -> bool:
        """Whether there can be risky cells."""
        return self.risky > 0.0 if self.codes is None else RISKY in self.codes


class Delivery(Copy):
    """State of one drive, beside the codes of the cells, row by row; boards are shorter than the longest can be."""

    row: float = whole(0, lambda p: p.rows - 1)
    column: float = whole(0, lambda p: p.columns - 1)
    event: float = whole(0, EVENT)
    forced: float = whole(0, len(FAIR))  # 0: the next step draws; k + 1: it must have outcome k


STATE = State(Delivery, board=Cells(lambda p: (LONGEST_SIDE**2,), whole(0, RISKY)))


def tables(rows: Sequence[DeliveryParams]) -> tuple[Array, ...]:
    """Codes of the given boards ``(P, LONGEST_SIDE**2)``, 0 where they are drawn; payoff of every event ``(P, 13)``."""
    boards = np.zeros((len(rows), LONGEST_SIDE**2))
    for k, p in enumerate(rows):
        if p.codes is not None:
            boards[k, : p.codes.size] = p.codes.ravel()
    return boards, np.array([PHI @ np.array([*p.weights, p.win]) for p in rows])


@jit
def start(p: DeliveryParams, given: Array, paid: Array, s: Delivery, board: Array) -> None:
    """The given board or one from the copy's stream, and the cell of the seat."""
    cells, starts = p.rows * p.columns, 0
    if p.drawn:
        while starts == 0:
            starts = mark_reachable(p, draw_board(p, s, board), board)
    else:
        for c in range(cells):
            board[c] = given[c]
            if passable(int(board[c])):
                board[c] += MARK
                starts += 1
    left = rng.below(s, starts)
    for c in range(cells):
        if board[c] >= MARK:
            board[c] -= MARK
            if left == 0:
                s.row, s.column = c // p.columns, c % p.columns
            left -= 1


@jit
def step(p: DeliveryParams, given: Array, paid: Array, s: Delivery, board: Array, action: Array, payoff: Array) -> bool:
    """One step; goal, sheep and risky cells end the episode."""
    move = int(action[0])
    row, column = int(s.row), int(s.column)
    to_row = row + (1 if move == MOVE.down else 0) - (1 if move == MOVE.up else 0)
    to_column = column + (1 if move == MOVE.right else 0) - (1 if move == MOVE.left else 0)
    event = EVENT.held
    if to_row >= 0 and to_column >= 0 and to_row < p.rows and to_column < p.columns:
        code = int(board[to_row * p.columns + to_column])
        event = ENTERED[code]
        if code == RISKY and chance.outcome(s, FAIR) == 1:
            event = EVENT.won
    s.forced = 0.0  # also where nothing was drawn
    if event == EVENT.held:
        here = int(board[row * p.columns + column])
        if here >= BRICK and here != RISKY:
            event = EVENT.held_brick
    else:
        s.row, s.column = to_row, to_column
    s.event = event
    payoff[0] = paid[event]
    return event >= EVENT.delivered


@jit
def feature(p: DeliveryParams, given: Array, paid: Array, s: Delivery, board: Array, k: int) -> float:
    """Feature k of the last step."""
    return PHI[int(s.event), k]


def delivered(params: DeliveryParams, episode: Episode, s: Delivery, board: Array) -> bool:
    """Whether the episode ended at the goal."""
    return bool(s.event == EVENT.delivered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """What a seat sees: pass one as ``observe=``, to Gymnasium and PettingZoo environments alike.

    Attributes:
        scope: the seat's cell and the whole board, the window around the seat, or the seat's cell alone.
        clock: whether the clock, steps taken divided by the horizon, comes last.
    """

    scope: Literal["board", "window", "cell"] = "board"
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        check_word("observe.scope", self.scope, SCOPE._fields)
        check_flag("observe.clock", self.clock)


SETTINGS = {"full": Observe(), "private": Observe(scope="window"), "minimal": Observe(scope="cell")}
VIEW = np.dtype([(name, np.int64) for name in ("scope", "rows", "columns")], align=True)  # sides of the largest board


def plan(rows: Sequence[DeliveryParams], layout: Layout, seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan; ValueError for an unknown name, TypeError for neither a name nor an Observe."""
    observe = chosen(setting, SETTINGS, Observe)
    height, width = max(p.rows for p in rows), max(p.columns for p in rows)
    table = np.array([(getattr(SCOPE, observe.scope), height, width)] * len(rows), dtype=VIEW)
    if observe.scope == "window":
        span = range(-RADIUS, RADIUS + 1)
        names = [f"cell[{i:+d},{j:+d}]" for i in span for j in span]
    else:
        names = ["row", "column"]
    if observe.scope == "board":
        names += [f"cell[{i},{j}]" for i in range(height) for j in range(width)]
    return ObservationPlan(table, (*names, *(["clock"] if observe.clock else [])))


@jit
def look(p: DeliveryParams, given: Array, paid: Array, s: Delivery, board: Array, view: Any, seen: Array) -> None:
    """What the seat sees."""
    row, column, at = int(s.row), int(s.column), 2
    if view.scope != SCOPE.window:
        seen[0], seen[1] = row / (view.rows - 1.0), column / (view.columns - 1.0)
    if view.scope == SCOPE.window:
        at = see_cells(p, board, row - RADIUS, row + RADIUS, column - RADIUS, column + RADIUS, 0, seen)
    elif view.scope == SCOPE.board and view.columns == p.columns:  # rows follow each other: one loop, which is faster
        cells = p.rows * p.columns
        for c in range(cells):
            seen[2 + c] = board[c] * SCALE
        for c in range(cells, view.rows * view.columns):
            seen[2 + c] = 1.0
        at = 2 + view.rows * view.columns
    elif view.scope == SCOPE.board:
        at = see_cells(p, board, 0, view.rows - 1, 0, view.columns - 1, 2, seen)
    if seen.shape[0] > at:
        seen[at] = s.clock * (1.0 / p.max_steps)


@jit
def see_cells(
    p: DeliveryParams, board: Array, top: int, bottom: int, left: int, right: int, at: int, seen: Array
) -> int:
    """Cells of these rows and columns, from entry ``at`` on; returns the next entry."""
    for i in range(top, bottom + 1):
        for j in range(left, right + 1):
            inside = i >= 0 and j >= 0 and i < p.rows and j < p.columns
            seen[at] = board[i * p.columns + j] * SCALE if inside else 1.0
            at += 1
    return at


TILE = 32  # pixels
GREY, BROWN, WHITE, PURPLE = (214, 214, 208), (198, 148, 118), (255, 255, 255), (150, 90, 160)


def draw(params: DeliveryParams, s: Delivery, board: Array) -> Array:
    """The board from above, ``(32 H, 32 W, 3)``.

    Road grey, brick brown, goal green, house dark with a roof, sheep white with a black face, coin gold, roadblock a
    red bar, risky purple, and the seat a blue disc.
    """
    codes = board[: params.rows * params.columns].reshape(params.rows, params.columns).astype(int)
    colours = np.where((codes >= BRICK)[:, :, None], BROWN, GREY).astype(np.uint8)
    kind = np.where(codes == RISKY, RISKY, codes % BRICK)
    colours[kind == THING.goal], colours[kind == RISKY] = GOAL, PURPLE
    picture = render.tiles(colours, TILE)
    down, right = (np.mgrid[:TILE, :TILE] + 0.5) / TILE - 0.5  # from the middle of a tile, in tiles
    radius = np.hypot(down, right)

    def paint(y: int, x: int, mask: Array, colour: tuple[int, int, int]) -> None:
        picture[y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE][mask] = colour

    for y, x in np.argwhere(kind == THING.house):
        paint(y, x, (abs(right) < 0.3) & (abs(down - 0.12) < 0.26), WALL)
        paint(y, x, (down < -0.1) & (down > -0.42) & (abs(right) < down + 0.44), DANGER)
    for y, x in np.argwhere(kind == THING.sheep):
        paint(y, x, np.hypot(down * 1.4, right) < 0.36, WHITE)
        paint(y, x, np.hypot(down + 0.06, right - 0.3) < 0.13, render.INK)
    for y, x in np.argwhere(kind == THING.coin):
        paint(y, x, radius < 0.22, KEY)
    for y, x in np.argwhere(kind == THING.roadblock):
        paint(y, x, (abs(down) < 0.14) & (abs(right) < 0.42), DANGER)
        paint(y, x, (abs(down) < 0.14) & (abs(abs(right) - 0.18) < 0.07), WHITE)
    paint(int(s.row), int(s.column), radius < 0.3, SEAT)
    return picture


V0 = Game(
    "payoff/Delivery-v0",
    "Drive to the goal past sheep, coins and roadblocks, at a price for every step.",
    tags=("delayed", "grid", "tabular", "stochastic"),
    rules=Rules(
        params=DeliveryParams,
        state=STATE,
        start=start,
        step=step,
        actions=lambda p: len(MOVE),
        tables=tables,
        chance=lambda p: FAIR if p.gambles else np.ones(1),
        tabular=True,
    ),
    sight=Sight(look, plan, tuple(SETTINGS)),
    info={"reward_vector": Listed(feature, len(FEATURES), low=0.0, high=1.0, names=FEATURES), "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact",
        planner=planning,
        success=delivered,
        starts=lambda p: None if p.drawn else sum(passable(c) for c in p.codes.ravel().tolist()),
        success_by_step=True,
        levels={
            "easy": {"layout": "random", "height": 3, "width": 5, "sheep": 0.0},
            "medium": {},
            "hard": {"layout": "random", "height": 15, "width": 15, "sheep": 0.3, "risky": 0.1},
        },
    ),
)
