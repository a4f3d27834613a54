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
One seat, four actions: 0 up, 1 left, 2 down, 3 right.

## Observations
- `full`, `private`: y and x, one-hot each; all zero in the absorbing state. A `joint` encoding shows the cell one-hot.
- `minimal`: y and x over size - 1.

## Rewards
Payoffs as above. `aux` adds a reward that is no part of the payoff, in `reward_terms`: `dense` pays what the step adds
to `progress`, which is 1 in the goal and falls to 0 in the absorbing state with the number of steps to walk;
`misleading` pays 0.01 for the distractor's action.

## Starting state
The start cell, always.

## Episode end
Terminated in the absorbing state, truncated after `max_steps`.

## Theory
The best return comes from dynamic programming over all states and steps left. Without slips, and with time for it, it
is max_steps - d, d the length of the shortest way (10 at the defaults), since every later step can be paid.

Uniformly random play has to find two gates, and then to choose right in the goal: see the certificate. An episode is a
success when the goal has paid; the distractor does not count.

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
from payoff.envs.core import chance, loop
from payoff.envs.core.game import Episode, Game, Kernels, Readout, Shape
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_flag, check_integer, check_number, check_word
from payoff.envs.core.state import Array, Layout
from payoff.envs.sparse import discrete
from payoff.envs.sparse.discrete import SETTINGS, Observe, Symbol

__all__ = ["SETTINGS", "V0", "FourRoomsParams", "Observe"]

AUX = ("none", "dense", "misleading")
CRUMB = 0.01  # what the distractor pays


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
        check_word("aux", self.aux, AUX)
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


LAYOUT = Layout(cell=(), **discrete.REPORTS)
CELL, EVENT, AT_AUX, FORCED = (LAYOUT.at(name) for name in ("cell", "event", "aux", chance.FORCED))
UP, LEFT, DOWN, RIGHT = range(4)
NO_AUX, DENSE, MISLEADING = range(3)
CAPTIONS = (
    "the episode began",
    "walked",
    "slipped",
    "bumped into a wall",
    "took the distractor",
    "was paid in the goal",
    "fell out of the corner",
)
BEGAN, WALKED, SLIPPED, BUMPED, LURED, PAID, FELL = range(7)
NUMBERS = np.dtype([(name, np.int64) for name in ("side", "start", "goal", "lure", "aux")] + [("crumb", np.float64)])


@jit
def _is_gate(side, at):
    """Whether a wall has a gate at this coordinate along it."""
    return at == (side + 2) // 3 - 2 or at == (2 * side + 6) // 3 - 1


@jit
def walk(side, cell, action):
    """Cell that an action leads to, by walls and edges alone."""
    x, y = cell % side, cell // side
    if action == UP or action == DOWN:
        lower = y if action == UP else y - 1
        if lower < 0 or lower == side - 1 or (lower + 1 == side // 2 and not _is_gate(side, x)):
            return cell
        return cell + side if action == UP else cell - side
    left = x if action == RIGHT else x - 1
    if left < 0 or left == side - 1 or (left + 1 == side // 2 and not _is_gate(side, y)):
        return cell
    return cell + 1 if action == RIGHT else cell - 1


@jit
def step_row(params, b, row, action, work):
    """One step of one copy: whether it is absorbed.

    ``params``: NUMBERS ``(P,)``, outcome probabilities ``(P, 5)``, progress by cell ``(P, cells)``.
    """
    at = loop.pick(b, params[0].shape[0])
    p = params[0][at]
    cell = int(row[CELL])
    chosen = int(action[0, 0])
    taken = discrete.intended(row, FORCED, params[1][at], chosen)
    paid = chosen == RIGHT and cell == p.goal  # 1
    lured = chosen == UP and cell == p.lure
    work[loop.BASE, 0] = 1.0 if paid else p.crumb if lured else 0.0
    after = walk(p.side, cell, taken)  # 2
    if cell == p.goal and taken == RIGHT:  # 3
        after = cell
    elif cell == 0 and (taken == LEFT or taken == DOWN):
        after = p.side * p.side
    row[CELL] = after
    row[EVENT] = BUMPED if after == cell else SLIPPED if taken != chosen else WALKED
    if paid or (lured and (p.crumb > 0.0 or p.aux == MISLEADING)):
        row[EVENT] = PAID if paid else LURED
    if after == p.side * p.side:
        row[EVENT] = FELL
    row[AT_AUX] = 0.0
    if p.aux == DENSE:
        row[AT_AUX] = params[2][at, after] - params[2][at, cell]
    elif p.aux == MISLEADING and lured:
        row[AT_AUX] = CRUMB
    return after == p.side * p.side


@jit
def reset_row(params, b, row):
    """Start an episode."""
    row[CELL] = params[0][loop.pick(b, params[0].shape[0])].start
    row[EVENT], row[AT_AUX], row[FORCED] = BEGAN, 0.0, 0.0


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
        discrete.observe_row(wiring[8], b, state[b], obs[b])
    return loop.FINE


@jit
def start(params, wiring, state, mask, obs):
    """Restart the masked copies and observe all."""
    for b in range(state.shape[0]):
        if mask[b]:
            loop.restart(state[b])
            reset_row(params, b, state[b])
        discrete.observe_row(wiring[8], b, state[b], obs[b])


@jit
def look(params, wiring, state, obs):
    """Observe all copies."""
    for b in range(state.shape[0]):
        discrete.observe_row(wiring[8], b, state[b], obs[b])


@jit
def read(params, wiring, state, out):
    """Readouts ``(B, 3)``: auxiliary reward, progress, caption."""
    for b in range(state.shape[0]):
        out[b, 0] = state[b, AT_AUX]
        out[b, 1] = params[2][loop.pick(b, params[2].shape[0]), int(state[b, CELL])]
        out[b, 2] = state[b, EVENT]


@lru_cache(maxsize=64)
def _steps(side: int, goal: int) -> tuple[int, ...]:
    """Least number of steps from every cell to the goal, by a search from the goal: every move can be undone."""
    found, queue = {goal: 0}, [goal]
    for cell in queue:
        for action in range(4):
            near = walk(side, cell, action)
            if near not in found:
                found[near] = found[cell] + 1
                queue.append(near)
    return tuple(found[cell] for cell in range(side * side))


def progress(params: FourRoomsParams) -> Array:
    """Progress ``(size**2 + 1,)`` in every cell, and 0 in the absorbing state."""
    steps = np.array(_steps(params.size, params.goal_cell))
    return np.append(1.0 - steps / (steps.max() + 1), 0.0)


def pack(rows: Sequence[FourRoomsParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    numbers = [
        (p.size, p.start_cell, p.goal_cell, p.lure, AUX.index(p.aux), CRUMB if p.distractor else 0.0) for p in rows
    ]
    outcomes = [discrete.slip_probabilities(p.slip, 4, whole=True) for p in rows]
    along = np.zeros((len(rows), max(p.size for p in rows) ** 2 + 1))
    for b, p in enumerate(rows):
        along[b, : p.size**2 + 1] = progress(p)
    return np.array(numbers, dtype=NUMBERS), np.array(outcomes), along


def reached(params: FourRoomsParams, episode: Episode) -> bool:
    """Whether the goal has paid."""
    return bool((episode.payoff >= 1.0).any())


def frame(params: FourRoomsParams, row: Array, shape: Shape) -> Array:
    """The rooms with y upwards: goal green, distractor pink, walls dark, seat a blue disc.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    n = params.size
    cells = np.full((n * n, 3), discrete.FLOOR, dtype=np.uint8)
    if params.distractor or params.aux == "misleading":
        cells[params.lure] = discrete.LURE
    cells[params.goal_cell] = discrete.GOAL
    colours = cells.reshape(n, n, 3)[::-1]
    at = int(row[CELL])
    picture = discrete.board(colours, (n - 1 - at // n, at % n) if at < n * n else None)
    side, half = discrete.tile_side(colours.shape), n // 2
    thick = max(2, side // 10)
    for k in range(n):
        if walk(n, half * n + k, DOWN) == half * n + k:  # the wall below row `half`
            below = (n - half) * side
            picture[below - thick : below + thick, k * side : (k + 1) * side] = discrete.WALL
        if walk(n, k * n + half, LEFT) == k * n + half:
            left = half * side
            picture[(n - 1 - k) * side : (n - k) * side, left - thick : left + thick] = discrete.WALL
    return picture


V0: Game[FourRoomsParams] = discrete.game(
    "payoff/FourRooms-v0",
    FourRoomsParams,
    __doc__,
    Kernels(start=start, transition=transition, look=look, read=read),
    layout=LAYOUT,
    n_actions=lambda p: 4,
    symbols=lambda p: (
        Symbol("y", CELL, p.size, limit=p.size**2, divide=p.size),
        Symbol("x", CELL, p.size, limit=p.size**2),
    ),
    pack=pack,
    frame=frame,
    readouts=(Readout("aux", True), Readout("progress", False), Readout("caption", False)),
    captions=CAPTIONS,
    chance=lambda p: discrete.slip_probabilities(p.slip, 4),
    optimum=lambda p, row: planning.optimum(V0, p, row),
    optimum_kind="exact",
    policy=lambda p, row: planning.action(V0, p, row),
    success=reached,
    success_by_step=True,
    levels={"easy": {}, "medium": {"size": 11}, "hard": {"size": 19}},
)
