"""DeepSea: dive through a grid by choosing right on every single step, against a small cost; the chest is at the end.

## Model
A grid of `size` rows and columns, N of each; the seat starts in the upper left cell and sinks one row a step. Which
action means right differs from cell to cell. A step in row i and column j:

1. payoff: minus move_cost / N for choosing right;
2. payoff: plus 1 for choosing right in the last column, which is only ever reached in the last row (the chest);
3. right leads to column min(j + 1, N - 1), left to max(j - 1, 0); the row becomes i + 1.

With `deterministic` False, right fails with probability 1 / N (the column stays), though it costs and opens the chest,
and in the first and the last column of the last row the payoff has noise of mean 0: plus or minus `reward_noise`, a
fair coin.

This is the deep sea of the Behaviour Suite for Reinforcement Learning (Osband et al. 2019, arXiv 1908.03568), after the
rules of its public code. Two things differ: the noise there is normal with standard deviation 1, of which the coin
keeps mean and variance, so that the model can be enumerated; and the mapping of actions is drawn by our own generator.

## Players and actions
One seat, two actions. `randomize` says where right is drawn anew among the two: in every `cell` (as published), in
every `column`, or nowhere (`none`: 1 is right). The draws belong to the number `mapping`: all copies and seeds share
them, and episodes do not change them.

## Observations
- `full`, `private`: row and column, one-hot each; all zero at the end. A `joint` encoding shows the cell one-hot, as
  published.
- `minimal`: row and column over N - 1.

Nothing shows what the actions mean.

## Rewards
Payoffs as above. `info["progress"]` is the share of the dive that was done without a mistake, 0 after one.

## Starting state
The upper left cell, always.

## Episode end
Terminated after N steps, truncated after `max_steps`; these are the same by default, and then both flags are set.

## Theory
Only N times right, from the first row on, opens the chest: every other policy is at best worth 0. Uniformly random
play opens it with probability 2^-N (times (1 - 1/N)^(N - 1) unless `deterministic`). With c = move_cost, the best
return is

(1) 1 - c                               deterministic: 0.99
(2) q^(N - 1) - c (1 - q^N), q = 1 - 1 / N   stochastic: going right until the first failure, and then never again

and 0 where that is less. The published figure for the stochastic case, q^(N - 1) - c, keeps paying after a failure. An
episode is a success when the chest was opened; noise does not count.

## Parameters
`size` 10, in 2 .. 100, N; `deterministic` True; `move_cost` 0.01, c, of all N moves; `reward_noise` 1.0, where not
deterministic; `randomize` "cell", or "column", "none"; `mapping` 0; `max_steps` None, which is N.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from payoff.envs.core import chance, loop, rng
from payoff.envs.core.game import Episode, Game, Kernels, Readout, Shape
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_flag, check_integer, check_number, check_word
from payoff.envs.core.state import CLOCK, COUNTER, EPISODE, HEADER, KEY, OVER, Array, Layout
from payoff.envs.sparse import discrete
from payoff.envs.sparse.discrete import SETTINGS, Observe, Symbol

__all__ = ["SETTINGS", "V0", "DeepSeaParams", "Observe", "mapping"]

RANDOMIZE = ("cell", "column", "none")
CONTEXTS = rng.seed_key(0x44656570536561)  # the stream whose episode k draws mapping k


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepSeaParams(Params):
    """Keywords of DeepSea-v0."""

    size: int = 10  # rows and columns, N
    deterministic: bool = True  # whether right never fails and payoffs have no noise
    move_cost: float = 0.01  # c, of N moves to the right
    reward_noise: float = 1.0  # size of the coin in the last row, where not deterministic
    randomize: Literal["cell", "column", "none"] = "cell"  # where right is drawn among the two actions
    mapping: int = 0  # number of the draws
    max_steps: int | None = None  # horizon, steps; None: N

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("size", self.size, 2, 100)
        check_flag("deterministic", self.deterministic)
        check_number("move_cost", self.move_cost, 0.0, 1.0)
        check_number("reward_noise", self.reward_noise, 0.0)
        check_word("randomize", self.randomize, RANDOMIZE)
        check_integer("mapping", self.mapping, 0, 2**31)
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return self.size if self.max_steps is None else self.max_steps


LAYOUT = Layout(cell=(), event=(), **{chance.FORCED: ()})  # the cell is row N + column
CELL, EVENT, FORCED = (LAYOUT.at(name) for name in ("cell", "event", chance.FORCED))
CAPTIONS = (
    "the episode began",
    "sank to the left",
    "sank to the right",
    "failed to move right",
    "reached the ground",
    "opened the chest",
)
BEGAN, SANK_LEFT, SANK_RIGHT, FAILED, GROUNDED, OPENED = range(6)
NUMBERS = np.dtype([("side", np.int64), ("cost", np.float64), ("noise", np.float64)])


@jit
def step_row(params, b, row, action, work):
    """One step of one copy: whether it is over.

    ``params``: NUMBERS ``(P,)``, outcomes ``(P, 4)``, and which action is right ``(P, cells)``.
    """
    at = loop.pick(b, params[0].shape[0])
    p = params[0][at]
    cell = int(row[CELL])
    line, column = cell // p.side, cell % p.side
    k = chance.outcome(row, FORCED, params[1][at])
    fails, coin = k >= 2, 1.0 - 2.0 * (k % 2)
    right = int(action[0, 0]) == params[2][at, cell]
    opened = right and column == p.side - 1
    pay = -p.cost if right else 0.0  # 1
    if opened:  # 2
        pay += 1.0
    if line == p.side - 1 and (column == 0 or column == p.side - 1):
        pay += p.noise * coin
    work[loop.BASE, 0] = pay
    if not right:  # 3
        column = max(column - 1, 0)
    elif not fails:
        column = min(column + 1, p.side - 1)
    row[CELL] = (line + 1) * p.side + column
    row[EVENT] = SANK_LEFT if not right else FAILED if fails else SANK_RIGHT
    if line == p.side - 1:
        row[EVENT] = OPENED if opened else GROUNDED
    return line == p.side - 1


@jit
def reset_row(params, b, row):
    """Start an episode."""
    row[CELL], row[EVENT], row[FORCED] = 0.0, BEGAN, 0.0


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
    """Readouts ``(B, 2)``: the share of the dive that was done without a mistake, 0 after one; caption."""
    for b in range(state.shape[0]):
        side = params[0][loop.pick(b, params[0].shape[0])].side
        line, column = int(state[b, CELL]) // side, int(state[b, CELL]) % side
        good = line == column if line < side else state[b, EVENT] == OPENED
        out[b, 0] = line / side if good else 0.0
        out[b, 1] = state[b, EVENT]


@lru_cache(maxsize=64)
def _draws(size: int, randomize: str, number: int) -> bytes:
    if randomize == "none":
        return bytes([1] * size**2)
    row = np.zeros(HEADER)
    row[KEY], row[EPISODE], row[COUNTER] = CONTEXTS, number, 0.0
    if randomize == "column":
        return bytes([rng.below(row, 2) for _ in range(size)] * size)
    return bytes([rng.below(row, 2) for _ in range(size**2)])


def mapping(params: DeepSeaParams) -> Array:
    """Which action is right in every cell, ``(size, size)`` int64, row by row."""
    drawn = np.frombuffer(_draws(params.size, params.randomize, params.mapping), dtype=np.uint8)
    return drawn.astype(np.int64).reshape(params.size, params.size)


def outcomes(params: DeepSeaParams) -> Array:
    """Probabilities ``(4,)`` that right works or fails, either with a coin of plus and minus."""
    fails = 0.0 if params.deterministic else 1.0 / params.size
    return np.repeat([1.0 - fails, fails], 2) / 2.0


def pack(rows: Sequence[DeepSeaParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them."""
    numbers = [(p.size, p.move_cost / p.size, 0.0 if p.deterministic else p.reward_noise) for p in rows]
    right = np.zeros((len(rows), max(p.size for p in rows) ** 2), dtype=np.int64)
    for b, p in enumerate(rows):
        right[b, : p.size**2] = mapping(p).ravel()
    return np.array(numbers, dtype=NUMBERS), np.array([outcomes(p) for p in rows]), right


def optimum(params: DeepSeaParams, row: Array) -> tuple[float, int]:
    """Best expected return from a state, (1) or (2) from the row on, and steps to the first payment above 0.

    The return is 0 and the steps are more than the horizon where that ends before the ground is reached.
    """
    n, never = params.size, params.horizon + 1
    line, column = divmod(int(row[CELL]), n)
    left = n - 1 - line  # moves before the last step
    if row[OVER] != 0.0 or left < 0 or left + 1 > params.horizon - row[CLOCK]:
        return 0.0, never
    lucky = not params.deterministic and params.reward_noise > 0.0 and column <= left
    if line != column:
        return 0.0, left + 1 if lucky else never
    works = 1.0 if params.deterministic else 1.0 - 1.0 / n
    value = works**left - params.move_cost / n * sum(works**t for t in range(left + 1))
    return max(value, 0.0), left + 1


def policy(params: DeepSeaParams, row: Array) -> Array:
    """Right while that can still open the chest and is worth it, else left: ``(1,)``."""
    line, column = divmod(int(row[CELL]), params.size)
    right = mapping(params)[line, column]
    return np.array([float(right if optimum(params, row)[0] > 0.0 else 1 - right)])


def opened(params: DeepSeaParams, episode: Episode) -> bool:
    """Whether the chest was opened."""
    return bool(episode.last[EVENT] == OPENED)


def frame(params: DeepSeaParams, row: Array, shape: Shape) -> Array:
    """The grid from above: what no episode reaches is grey, the chest is gold, the seat a blue disc.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    n = params.size
    line, column = divmod(int(row[CELL]), n)
    lines, columns = np.indices((n, n))
    colours = np.full((n, n, 3), discrete.FLOOR, dtype=np.uint8)
    colours[columns > lines] = (225, 225, 220)
    colours[n - 1, n - 1] = discrete.KEY
    return discrete.board(colours, (line, column) if line < n else (n - 1, column), marked=row[EVENT] == OPENED)


V0: Game[DeepSeaParams] = discrete.game(
    "payoff/DeepSea-v0",
    DeepSeaParams,
    __doc__,
    Kernels(start=start, transition=transition, look=look, read=read),
    layout=LAYOUT,
    n_actions=lambda p: 2,
    symbols=lambda p: (
        Symbol("row", CELL, p.size, limit=p.size**2, divide=p.size),
        Symbol("column", CELL, p.size, limit=p.size**2),
    ),
    pack=pack,
    frame=frame,
    readouts=(Readout("progress", False), Readout("caption", False)),
    captions=CAPTIONS,
    chance=lambda p: np.ones(1) if p.deterministic else outcomes(p),
    optimum=optimum,
    optimum_kind="exact",
    policy=policy,
    success=opened,
    success_by_step=True,
    levels={"easy": {"size": 5}, "medium": {"size": 8}, "hard": {"size": 20}},
)
