"""TwoUsers: a maze with a goal at each end, and two users who want different ones; the seat is not told whose it is.

## Model
A maze of 9 x 12 cells, walls included, with a goal in the upper left corner and one in the lower right. A step keeps
the seat where it is or moves it up, right, down or left, unless a wall is in the way. User u, 0 or 1, wants goal u.
With d_u(c) the least number of steps from cell c to that goal, D_u the largest of these in the maze, and g = 0.99,

(1) worth_u(c) = (g^d_u(c) - g^D_u) / (1 - g^D_u)

is the user's optimal value of the cell, where the goal pays 1 and ends everything, stretched to the range [0, 1]. It is
1 in the goal and 0 in the cell farthest from it. A step that ends in cell c

(2) pays worth_u(c) of the `user`.

That different people judge the same behaviour differently, and that their judgements must not be averaged, is the
subject of Poddar and others, "Personalizing RLHF with variational preference learning" (arXiv
2408.10075). They use a continuous maze of the same size with two goals, and normalised optimal values as rewards; the
maze here is our own.

## Players and actions
One seat, five actions: 0 stay, 1 up, 2 right, 3 down, 4 left. `action_mask` leaves out moves into a wall.

## Observations
- `full`, `private`: row and column, one-hot each. A `joint` encoding shows the cell one-hot.
- `minimal`: row and column, each divided by the last one.

None of them says who the user is.

## Rewards
Payoffs as above. `reward_vector` in `info` holds what the last step is worth to user 0 and to user 1, in this order; at
a start, what the cell is worth. `progress` is one minus the share d_u / D_u of the way that is left.

## Starting state
With `start` "anywhere", a cell that is no wall, all equally likely; with "other", the goal of the other user.

## Episode end
Truncated after `max_steps`; nothing terminates, since staying in the goal is what pays most.

## Theory
The worth falls with every step of distance, and no step brings the seat nearer by more than one. So the shortest way is
best at every moment, not just in sum: from distance d with h steps left the best return is the sum over k = 1 .. h of
the worth at distance max(0, d - k).

Success is to enter the goal of the user, or to stay in it.

## Parameters
`user` 0, or 1; `layout` "maze", or "open", the same without inner walls; `start` "anywhere", or "other"; `max_steps`
100.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from payoff.envs.core import rng
from payoff.envs.core.game import Episode, Game, Listed, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_word
from payoff.envs.core.state import Array, Copy, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.symbols import SETTINGS, Observe, Symbol, symbols
from payoff.envs.sparse.boards import FLOOR, GOAL, LURE, WALL, board

__all__ = ["FEATURES", "SETTINGS", "V0", "Observe", "TwoUsersParams", "distances", "worths"]

FEATURES = ("user 0", "user 1")
MAZE = (
    "############",
    "#0...#...#.#",
    "#.##...#...#",
    "#..#.#.##.##",
    "##.#.#....##",
    "#...##.##..#",
    "#.#....#.#.#",
    "#...##...#1#",
    "############",
)
ROWS, COLUMNS = len(MAZE), len(MAZE[0])
GOALS = tuple("".join(MAZE).index(str(user)) for user in range(2))  # cells, row * COLUMNS + column
DISCOUNT = 0.99  # g
AROUND = (-COLUMNS, 1, COLUMNS, -1)  # from a cell to those above, to the right, below and to the left
MOVES = np.array([0, *AROUND])  # by action

START = words("anywhere", "other")
EVENT = events(
    began="the episode began", stayed="stayed", walked="walked", bumped="bumped into a wall", arrived="is in the goal"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoUsersParams(Params):
    """Keywords of TwoUsers-v0."""

    user: int = 0  # whose worth is paid
    layout: Literal["maze", "open"] = "maze"  # with or without inner walls
    start: Literal["anywhere", "other"] = "anywhere"  # cell that an episode starts in
    max_steps: int = 100  # horizon, steps

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("user", self.user, 0, 1)
        check_word("layout", self.layout, ("maze", "open"))
        check_word("start", self.start, START._fields)
        check_integer("max_steps", self.max_steps, 1)


class TwoUsers(Copy):
    """State of one walk."""

    cell: float = whole(0, ROWS * COLUMNS - 1)  # row * COLUMNS + column
    event: float = whole(0, EVENT)


def distances(layout: str) -> Array:
    """Least number of steps to each user's goal, ``(2, 108)``; -1 in a wall."""
    inside = np.zeros((ROWS, COLUMNS), dtype=bool)
    inside[1:-1, 1:-1] = True
    walls = np.array([c == "#" for c in "".join(MAZE)]) if layout == "maze" else ~inside.ravel()
    found = np.full((2, walls.size), -1.0)
    for user, goal in enumerate(GOALS):
        found[user, goal] = 0.0
        queue = [goal]
        for cell in queue:
            for beside in (cell + way for way in AROUND):
                if not walls[beside] and found[user, beside] < 0.0:
                    found[user, beside] = found[user, cell] + 1.0
                    queue.append(beside)
    return found


def worths(layout: str) -> Array:
    """What each cell is worth to each user, (1), ``(2, 108)``; 0 in a wall."""
    steps = distances(layout)
    least = DISCOUNT ** steps.max(axis=1, keepdims=True)
    return np.where(steps < 0.0, 0.0, (DISCOUNT**steps - least) / (1.0 - least))


def tables(rows: Sequence[TwoUsersParams]) -> tuple[Array, ...]:
    """Shares of the longest way that are left, negative in a wall, ``(P, 2, 108)``; worths ``(P, 2, 108)``."""
    ways = [distances(p.layout) for p in rows]
    return np.array([d / d.max(axis=1, keepdims=True) for d in ways]), np.array([worths(p.layout) for p in rows])


@jit
def start(p: TwoUsersParams, way: Array, worth: Array, s: TwoUsers) -> None:
    """A cell that is no wall, or the goal of the other user."""
    if p.start == START.other:
        s.cell = GOALS[1 - p.user]
        return
    free = 0
    for cell in range(way.shape[1]):
        free += 1 if way[0, cell] >= 0.0 else 0
    left = rng.below(s, free)
    for cell in range(way.shape[1]):
        if way[0, cell] >= 0.0:
            if left == 0:
                s.cell = cell
            left -= 1


@jit
def step(p: TwoUsersParams, way: Array, worth: Array, s: TwoUsers, action: Array, payoff: Array) -> bool:
    """One step; only the horizon ends the walk."""
    move = int(action[0])
    after = int(s.cell) + MOVES[move]
    s.event = EVENT.stayed if move == 0 else EVENT.walked
    if after < 0 or after >= way.shape[1] or way[0, after] < 0.0:
        after, s.event = int(s.cell), EVENT.bumped
    s.cell = after
    if way[p.user, after] == 0.0:
        s.event = EVENT.arrived
    payoff[0] = worth[p.user, after]  # (2)
    return False


@jit
def moves(p: TwoUsersParams, way: Array, worth: Array, s: TwoUsers, k: int) -> bool:
    """Whether no wall is in the way of action k."""
    after = int(s.cell) + MOVES[k]
    return after >= 0 and after < way.shape[1] and way[0, after] >= 0.0


@jit
def feature(p: TwoUsersParams, way: Array, worth: Array, s: TwoUsers, k: int) -> float:
    """What the cell is worth to user k."""
    return worth[k, int(s.cell)]


@jit
def progress(p: TwoUsersParams, way: Array, worth: Array, s: TwoUsers) -> float:
    """One minus the share of the longest way that is left."""
    return 1.0 - max(0.0, way[p.user, int(s.cell)])


def optimum(params: TwoUsersParams, s: TwoUsers) -> tuple[float, int]:
    """Return of the shortest way from a state; the next step can always be paid."""
    distance, worth = distances(params.layout)[params.user], worths(params.layout)[params.user]
    left = int(params.max_steps - s.clock) if s.over == 0.0 else 0
    at = {int(d): float(w) for d, w in zip(distance, worth, strict=True)}  # worth by distance
    return sum(at[max(0, int(distance[int(s.cell)]) - k)] for k in range(1, left + 1)), 1


def policy(params: TwoUsersParams, s: TwoUsers) -> int:
    """A step of the shortest way; stay in the goal."""
    distance = distances(params.layout)[params.user]
    ways = [distance[int(s.cell) + move] for move in MOVES]
    return min((k for k in range(len(MOVES)) if ways[k] >= 0.0), key=lambda k: ways[k])


def arrived(params: TwoUsersParams, episode: Episode, s: TwoUsers) -> bool:
    """Whether a step ended in the goal: no other cell pays 1."""
    return bool((episode.payoff == 1.0).any())


def draw(params: TwoUsersParams, s: TwoUsers) -> Array:
    """The maze from above: the user's goal green, the other's purple, seat a blue disc."""
    colours = np.full((ROWS * COLUMNS, 3), FLOOR, dtype=np.uint8)
    colours[distances(params.layout)[0] < 0.0] = WALL
    colours[GOALS[params.user]], colours[GOALS[1 - params.user]] = GOAL, LURE
    return board(colours.reshape(ROWS, COLUMNS, 3), divmod(int(s.cell), COLUMNS))


V0 = Game(
    "payoff/TwoUsers-v0",
    "A maze with a goal at each end, and two users who want different ones.",
    tags=("delayed", "grid", "tabular"),
    rules=Rules(
        params=TwoUsersParams,
        state=TwoUsers,
        start=start,
        step=step,
        actions=lambda p: len(MOVES),
        mask=moves,
        tables=tables,
        tabular=True,
    ),
    sight=symbols(
        lambda p: (
            Symbol("row", ROWS, field="cell", divide=COLUMNS),
            Symbol("column", COLUMNS, limit=ROWS * COLUMNS, field="cell"),
        )
    ),
    info={
        "reward_vector": Listed(feature, len(FEATURES), low=0.0, high=1.0, names=FEATURES),
        "progress": progress,
        "caption": EVENT,
    },
    draw=draw,
    theory=Theory(
        "exact",
        optimum=optimum,
        policy=policy,
        success=arrived,
        success_by_step=True,
        starts=lambda p: 1 if p.start == "other" else int((distances(p.layout)[0] >= 0.0).sum()),
        levels={
            "easy": {"layout": "open"},
            "medium": {},
            "hard": {"start": "other", "max_steps": 40},
        },
    ),
)
