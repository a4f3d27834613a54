"""FourRooms: a slippery walk through two gates to the far corner, which pays; a crumb may lie beside the start.

## Model
`size` x `size` cells; x grows to the right, y upwards. Two thin walls, between the columns size // 2 - 1 and size // 2
and between the rows of the same numbers, make four rooms. Each wall has two gates, one cell wide, at the coordinates
ceil(size / 3) - 2 and ceil(2 (size + 2) / 3) - 1 along it: 1 and 5 at the default size. The payoff looks at the action
that was chosen, the walk at the one that takes effect: with probability `slip` a uniformly drawn one replaces it.

1. payoff: 1 for choosing right in the goal; with `distractor`, 0.01 for choosing up in the distractor's cell;
2. the seat moves one cell, or stays where a wall or the edge is in the way;
3. but left or down from the corner (0, 0) lead into an absorbing state, and right from the goal leads nowhere.

The goal can thus be paid on every step once it is reached. This is the Room of the exploration-guided reward shaping
study (Devidze, Kamalaruban, Singla, NeurIPS 2022): size 7, start (1, 1), goal (6, 6), distractor (1, 0), slip 0.05, 30
steps, discount 0.99. Numbers are those of its public code; the paper itself was not read. One thing differs: there,
down from the goal leads to the cell (0, 6), here one cell down. What goes before that is the same.

## Players and actions
One seat, four actions: 0 up, 1 left, 2 down, 3 right. There is no `action_mask`: a seat that slips can move by any.

## Observations
- `full`, `private`: y and x, one-hot each; all zero in the absorbing state. A `joint` encoding shows the cell one-hot.
- `minimal`: y and x over size - 1.

## Rewards
Payoffs as above. `aux` names an auxiliary reward, `info["aux"]`, which is no part of the payoff: `dense` pays what the
step adds to `progress`, which is 1 in the goal and falls to 0 in the absorbing state with the number of steps to walk;
`misleading` pays 0.01 for the distractor's action.

## Starting state
The start cell, always.

## Episode end
Terminated in the absorbing state, truncated after `max_steps`.

## Theory
The best return comes from dynamic programming over all states and steps left. Without slips, and with time for it, it
is max_steps - d, d the length of the shortest way (10 at the defaults), since every later step can be paid.

Uniformly random play has to find two gates, and then to choose right in the goal;
`payoff.certificate("payoff/FourRooms-v0")` says how often it does. An episode is a success when the goal has paid; the
distractor does not count.

## Parameters
`size` 7, in 5 .. 32; `start` None, which is the cell (1, 1); `goal` None, which is the last cell; `slip` 0.05;
`distractor` False; `distractor_cell` None, which is (1, 0); `aux` "none", or "dense", "misleading"; `max_steps` None,
which is 5 (size - 1). Cells are numbered y size + x.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from payoff.envs import planning
from payoff.envs.core import chance
from payoff.envs.core.game import Each, Episode, Game, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_flag, check_integer, check_number, check_word
from payoff.envs.core.state import Array, Copy, real, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.symbols import SETTINGS, Observe, Symbol, symbols
from payoff.envs.sparse.boards import FLOOR, GOAL, LURE, WALL, board, tile_side

__all__ = ["SETTINGS", "V0", "FourRoomsParams", "Observe"]

AUX = words("none", "dense", "misleading")
MOVE = words("up", "left", "down", "right")
CRUMB = 0.01  # what the distractor pays
EVENT = events(
    began="the episode began",
    walked="walked",
    slipped="slipped",
    bumped="bumped into a wall",
    lured="took the distractor",
    paid="was paid in the goal",
    fell="fell out of the corner",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FourRoomsParams(Params):
    """Keywords of FourRooms-v0."""

    size: int = 7  # cells along a side
    start: int | None = None  # cell; None: (1, 1)
    goal: int | None = None  # cell; None: the last one
    slip: float = 0.05  # probability that a uniformly drawn action replaces the chosen one
    distractor: bool = False  # whether the payoff has the distractor
    distractor_cell: int | None = None  # None: (1, 0)
    aux: Literal["none", "dense", "misleading"] = "none"  # auxiliary reward
    max_steps: int | None = None  # horizon, steps; None: 5 (size - 1)

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("size", self.size, 5, 32)
        for name in ("start", "goal", "distractor_cell"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 0, self.size**2 - 1)
        check_number("slip", self.slip, 0.0, 1.0)
        check_flag("distractor", self.distractor)
        check_word("aux", self.aux, AUX._fields)
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return 5 * (self.size - 1) if self.max_steps is None else self.max_steps

    @property
    def goal_cell(self) -> int:
        """Cell of the goal."""
        return self.size**2 - 1 if self.goal is None else self.goal

    @property
    def start_cell(self) -> int:
        """Cell of the start."""
        return self.size + 1 if self.start is None else self.start

    @property
    def lure(self) -> int:
        """Cell of the distractor."""
        return 1 if self.distractor_cell is None else self.distractor_cell

    @property
    def outside(self) -> int:
        """Number of the absorbing state."""
        return self.size**2

    @property
    def crumb(self) -> float:
        """What the distractor pays."""
        return CRUMB if self.distractor else 0.0


class FourRooms(Copy):
    """State of one walk."""

    cell: float = whole(0, lambda p: p.outside)
    event: float = whole(0, EVENT)
    aux: float = real(-1.0, 1.0)  # auxiliary reward of the last step
    forced: float = whole(0, 5)  # 0: the next step draws; k + 1: it must have outcome k


@jit
def start(p: FourRoomsParams, nearness: Array, s: FourRooms) -> None:
    """The start cell."""
    s.cell = p.start_cell


@jit
def step(p: FourRoomsParams, nearness: Array, s: FourRooms, action: Array, payoff: Array) -> bool:
    """One step; the walk ends in the absorbing state. ``nearness`` ``(cells + 1,)``: progress in each."""
    cell, chosen = int(s.cell), int(action[0])
    taken = chance.intended(s, p.slip, 4, chosen)
    paid = chosen == MOVE.right and cell == p.goal_cell  # 1
    lured = chosen == MOVE.up and cell == p.lure
    payoff[0] = 1.0 if paid else p.crumb if lured else 0.0
    if cell == p.outside or (cell == p.goal_cell and taken == MOVE.right):  # 3
        after = cell
    elif cell == 0 and (taken == MOVE.left or taken == MOVE.down):
        after = p.outside
    else:  # 2
        after = walk(p.size, cell, taken)
    s.cell = after
    s.event = EVENT.bumped if after == cell else EVENT.slipped if taken != chosen else EVENT.walked
    if paid or (lured and (p.crumb > 0.0 or p.aux == AUX.misleading)):
        s.event = EVENT.paid if paid else EVENT.lured
    if after == p.outside:
        s.event = EVENT.fell
    s.aux = 0.0
    if p.aux == AUX.dense:
        s.aux = nearness[after] - nearness[cell]
    elif p.aux == AUX.misleading and lured:
        s.aux = CRUMB
    return after == p.outside


@jit
def walk(size: int, cell: int, action: int) -> int:
    """Cell that an action leads to, by walls and edges alone."""
    x, y = cell % size, cell // size
    if action == MOVE.up or action == MOVE.down:
        lower = y if action == MOVE.up else y - 1
        if lower < 0 or lower == size - 1 or (lower + 1 == size // 2 and not _is_gate(size, x)):
            return cell
        return cell + size if action == MOVE.up else cell - size
    left = x if action == MOVE.right else x - 1
    if left < 0 or left == size - 1 or (left + 1 == size // 2 and not _is_gate(size, y)):
        return cell
    return cell + 1 if action == MOVE.right else cell - 1


@jit
def _is_gate(size: int, at: int) -> bool:
    """Whether a wall has a gate at this coordinate along it."""
    return at == (size + 2) // 3 - 2 or at == (2 * size + 6) // 3 - 1


@jit
def progress(p: FourRoomsParams, nearness: Array, s: FourRooms) -> float:
    """How near the goal is."""
    return nearness[int(s.cell)]


@lru_cache(maxsize=64)
def _steps(size: int, goal: int) -> tuple[int, ...]:
    """Least number of steps from every cell to the goal, by a search from the goal: every move can be undone."""
    found, queue = {goal: 0}, [goal]
    for cell in queue:
        for action in range(4):
            near = walk(size, cell, action)
            if near not in found:
                found[near] = found[cell] + 1
                queue.append(near)
    return tuple(found[cell] for cell in range(size * size))


def tables(rows: Sequence[FourRoomsParams]) -> tuple[Array]:
    """Progress ``(P, cells + 1)``: 1 in the goal, falling with the steps to it, 0 in the absorbing state."""
    nearness = np.zeros((len(rows), max(p.outside for p in rows) + 1))
    for k, p in enumerate(rows):
        steps = np.array(_steps(p.size, p.goal_cell))
        nearness[k, : p.outside] = 1.0 - steps / (steps.max() + 1)
    return (nearness,)


def reached(params: FourRoomsParams, episode: Episode, s: FourRooms) -> bool:
    """Whether the goal has paid."""
    return bool((episode.payoff >= 1.0).any())


def draw(params: FourRoomsParams, s: FourRooms) -> Array:
    """The rooms with y upwards: goal green, distractor pink, walls dark, seat a blue disc."""
    n = params.size
    cells = np.full((n * n, 3), FLOOR, dtype=np.uint8)
    if params.distractor or params.aux == "misleading":
        cells[params.lure] = LURE
    cells[params.goal_cell] = GOAL
    colours = cells.reshape(n, n, 3)[::-1]
    at = int(s.cell)
    picture = board(colours, (n - 1 - at // n, at % n) if at < n * n else None)
    side, half = tile_side(colours.shape), n // 2
    thick = max(2, side // 10)
    for k in range(n):
        if walk(n, half * n + k, MOVE.down) == half * n + k:  # the wall below row `half`
            below = (n - half) * side
            picture[below - thick : below + thick, k * side : (k + 1) * side] = WALL
        if walk(n, k * n + half, MOVE.left) == k * n + half:
            left = half * side
            picture[(n - 1 - k) * side : (n - k) * side, left - thick : left + thick] = WALL
    return picture


V0 = Game(
    "payoff/FourRooms-v0",
    "A slippery walk through two gates to the far corner, which pays.",
    tags=("sparse", "grid", "tabular", "stochastic"),
    rules=Rules(
        params=FourRoomsParams,
        state=FourRooms,
        start=start,
        step=step,
        actions=lambda p: len(MOVE),
        tables=tables,
        chance=lambda p: chance.slips(p.slip, len(MOVE)),
        tabular=True,
    ),
    sight=symbols(
        lambda p: (
            Symbol("y", p.size, field="cell", divide=p.size),
            Symbol("x", p.size, limit=p.outside, field="cell"),
        )
    ),
    info={"aux": Each("aux"), "progress": progress, "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact",
        planner=planning,
        success=reached,
        success_by_step=True,
        levels={"easy": {}, "medium": {"size": 11}, "hard": {"size": 19}},
    ),
)
