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
- `minimal`: row and column, each divided by N - 1.

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

from payoff.envs.core import chance, rng
from payoff.envs.core.game import Episode, Game, Rules, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_flag, check_integer, check_number, check_word
from payoff.envs.core.state import Array, Copy, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.symbols import SETTINGS, Observe, Symbol, symbols
from payoff.envs.sparse.boards import FLOOR, KEY, board

__all__ = ["SETTINGS", "V0", "DeepSeaParams", "Observe", "mapping"]

RANDOMIZE = words("cell", "column", "none")
CONTEXTS = rng.seed_key(0x44656570536561)  # the stream whose episode k draws mapping k
OUT_OF_REACH = (225, 225, 220)  # colour
EVENT = events(
    began="the episode began",
    left="sank to the left",
    right="sank to the right",
    failed="failed to move right",
    grounded="reached the ground",
    opened="opened the chest",
)


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
        check_word("randomize", self.randomize, RANDOMIZE._fields)
        check_integer("mapping", self.mapping, 0, 2**31)
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return self.size if self.max_steps is None else self.max_steps

    @property
    def cost(self) -> float:
        """What one move to the right costs."""
        return self.move_cost / self.size

    @property
    def noise(self) -> float:
        """Size of the coin in the last row."""
        return 0.0 if self.deterministic else self.reward_noise


class DeepSea(Copy):
    """State of one dive."""

    cell: float = whole(0, lambda p: p.size * (p.size + 1) - 1)  # row N + column; row N is the ground
    event: float = whole(0, EVENT)
    forced: float = whole(0, 4)  # 0: the next step draws; k + 1: it must have outcome k


@jit
def step(p: DeepSeaParams, chances: Array, right: Array, s: DeepSea, action: Array, payoff: Array) -> bool:
    """One step; the dive ends on the ground. ``right``: which action that is, by row and column."""
    line, column, last = min(int(s.cell) // p.size, p.size - 1), int(s.cell) % p.size, p.size - 1
    k = chance.outcome(s, chances)
    fails, coin = k >= 2, 1.0 - 2.0 * (k % 2)
    to_right = int(action[0]) == right[line, column]
    opened = to_right and column == last
    pay = -p.cost if to_right else 0.0  # 1
    if opened:  # 2
        pay += 1.0
    if line == last and (column == 0 or column == last):
        pay += p.noise * coin
    payoff[0] = pay
    if not to_right:  # 3
        column = max(column - 1, 0)
    elif not fails:
        column = min(column + 1, last)
    s.cell = (line + 1) * p.size + column
    s.event = EVENT.left if not to_right else EVENT.failed if fails else EVENT.right
    if line == last:
        s.event = EVENT.opened if opened else EVENT.grounded
    return line == last


@jit
def progress(p: DeepSeaParams, chances: Array, right: Array, s: DeepSea) -> float:
    """The share of the dive that was done without a mistake, 0 after one."""
    line, column = int(s.cell) // p.size, int(s.cell) % p.size
    good = line == column if line < p.size else s.event == EVENT.opened
    return line / p.size if good else 0.0


@lru_cache(maxsize=64)
def _draws(size: int, randomize: str, number: int) -> bytes:
    if randomize == "none":
        return bytes([1] * size**2)
    s = np.zeros(1, DeepSea.dtype)[0]
    s.key, s.episode = CONTEXTS, number
    if randomize == "column":
        return bytes([rng.below(s, 2) for _ in range(size)] * size)
    return bytes([rng.below(s, 2) for _ in range(size**2)])


def mapping(params: DeepSeaParams) -> Array:
    """Which action is right in every cell, ``(size, size)`` int64, row by row."""
    drawn = np.frombuffer(_draws(params.size, params.randomize, params.mapping), dtype=np.uint8)
    return drawn.astype(np.int64).reshape(params.size, params.size)


def outcomes(params: DeepSeaParams) -> Array:
    """Probabilities ``(4,)`` that right works or fails, either with a coin of plus and minus."""
    fails = 0.0 if params.deterministic else 1.0 / params.size
    return np.repeat([1.0 - fails, fails], 2) / 2.0


def tables(rows: Sequence[DeepSeaParams]) -> tuple[Array, Array]:
    """Outcomes ``(P, 4)``, and which action is right ``(P, N, N)``, N of the largest."""
    largest = max(p.size for p in rows)
    right = np.zeros((len(rows), largest, largest), dtype=np.int64)
    for k, p in enumerate(rows):
        right[k, : p.size, : p.size] = mapping(p)
    return np.array([outcomes(p) for p in rows]), right


def optimum(params: DeepSeaParams, s: DeepSea) -> tuple[float, int]:
    """Best expected return from a state, (1) or (2) from the row on, and steps to the first payment above 0.

    The return is 0 and the steps are more than the horizon where that ends before the ground is reached.
    """
    n, never = params.size, params.horizon + 1
    line, column = divmod(int(s.cell), n)
    left = n - 1 - line  # moves before the last step
    if s.over != 0.0 or left < 0 or left + 1 > params.horizon - s.clock:
        return 0.0, never
    lucky = not params.deterministic and params.reward_noise > 0.0 and column <= left
    if line != column:
        return 0.0, left + 1 if lucky else never
    works = 1.0 if params.deterministic else 1.0 - 1.0 / n
    value = works**left - params.cost * sum(works**t for t in range(left + 1))
    return max(value, 0.0), left + 1


def policy(params: DeepSeaParams, s: DeepSea) -> int:
    """Right while that can still open the chest and is worth it, else left."""
    right = int(mapping(params)[divmod(int(s.cell), params.size)])
    return right if optimum(params, s)[0] > 0.0 else 1 - right


def opened(params: DeepSeaParams, episode: Episode, s: DeepSea) -> bool:
    """Whether the chest was opened."""
    return bool(s.event == EVENT.opened)


def draw(params: DeepSeaParams, s: DeepSea) -> Array:
    """The grid from above: what no episode reaches is grey, the chest is gold, the seat a blue disc."""
    n = params.size
    line, column = divmod(int(s.cell), n)
    lines, columns = np.indices((n, n))
    colours = np.full((n, n, 3), FLOOR, dtype=np.uint8)
    colours[columns > lines] = OUT_OF_REACH
    colours[n - 1, n - 1] = KEY
    return board(colours, (min(line, n - 1), column), marked=s.event == EVENT.opened)


def shown(params: DeepSeaParams) -> tuple[Symbol, ...]:
    """Row and column, blank on the ground."""
    n = params.size
    return Symbol("row", n, field="cell", divide=n), Symbol("column", n, limit=n**2, field="cell")


V0 = Game(
    "payoff/DeepSea-v0",
    "Right on every single step, whatever right means there, opens the chest at the ground.",
    tags=("sparse", "grid", "tabular", "stochastic"),
    rules=Rules(
        params=DeepSeaParams,
        state=DeepSea,
        step=step,
        actions=lambda p: 2,
        tables=tables,
        chance=lambda p: np.ones(1) if p.deterministic else outcomes(p),
        tabular=True,
    ),
    sight=symbols(shown),
    info={"progress": progress, "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact",
        optimum=optimum,
        policy=policy,
        success=opened,
        success_by_step=True,
        levels={"easy": {"size": 5}, "medium": {"size": 8}, "hard": {"size": 20}},
    ),
)
