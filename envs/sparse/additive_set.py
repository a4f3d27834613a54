"""AdditiveSet: choose some of many elements, one by one, for the least sum of their energies.

## Model
There are N = `elements` elements with fixed energies. Each energy is one of `values` numbers that lie `spacing` apart
and have the mean 0, drawn uniformly by `energy_seed`: many elements have the same. A step adds an element to the set:

(1) the chosen one, or, if that is in the set already, the next one after it that is not, counted round.

After K = `choose` steps the set is complete. It is worth R = exp(-E), where E is the sum of its energies.

The problem is the set task on which flow networks are compared (Pan et al., 2023, arXiv 2302.01687): there the aim is
to draw sets in proportion to R. Its published energies are not used here; ours come from the seed, so that no published
figure of it applies.

## Players and actions
One seat, N integer actions. `action_mask` leaves out the elements that are chosen already, so that every action that it
allows means its own element.

## Observations
Flat, in [0, 1]. `minimal`: whether each element is chosen. `private` adds the share of K chosen so far, `full` also the
energy of each element, the least possible one as 0 and the largest as 1.

## Rewards
With `reward_mode` "terminal": R, on the last step. With "delta_energy": each step pays minus the energy of the element
that it adds; these add up to log R. In both modes `info["energy"]` is the sum of the energies so far, and
`info["progress"]` the share of K chosen so far.

## Starting state
The empty set; the energies are the same in every episode.

## Episode end
Terminated when the set is complete, after K steps, which is also the horizon: both flags are set. With a smaller
`max_steps` no set is completed, and in terminal mode nothing paid.

## Theory
The best set has the K least energies. In a partial set, what is missing is filled up with the least energies that are
left. An episode is a success when no set has less energy than its own.

The sum of R over all sets is an elementary symmetric polynomial,

(2) Z = sum over sets of prod of w_i = S(N, K), w_i = exp(-e_i), S(n, k) = S(n - 1, k) + w_n S(n - 1, k - 1),

which `partition` works out from positive terms alone, so that no digits cancel. `sample` draws sets with probability
R / Z by going backwards through the same table: element n belongs to the set with probability w_n S(n - 1, k - 1) /
S(n, k), where k are still missing.

There are N! / (K! (N - K)!) sets, 30,045,015 by default. The levels are those of the size that can be listed, and of
two of the published sizes.

## Parameters
`elements` 30, in 2 .. 200; `choose` 20, in 1 .. N; `values` 10, in 1 .. 1000; `spacing` 0.05, above 0 and at most 1;
`energy_seed` 0; `reward_mode` "terminal" or "delta_energy"; `max_steps` None, which is K. `choose` x `spacing` x
(`values` - 1) / 2 is at most 300, so that R stays a number.

## Version history
v0: first version.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from payoff.envs import render
from payoff.envs.core.game import Episode, Game, ObservationPlan, Rules, Sight, Theory
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_integer, check_number, check_word
from payoff.envs.core.state import Array, Cells, Copy, Layout, State, real, whole
from payoff.envs.core.words import events, words
from payoff.envs.sight.settings import chosen

__all__ = ["SETTINGS", "V0", "AdditiveSetParams", "Observe", "energies", "multiples", "partition", "sample"]

REWARD = words("terminal", "delta_energy")
SCOPE = words("flags", "count", "energies")
EVENT = events(
    began="the episode began",
    added="added the element",
    added_next="added the next element instead",
    completed="completed the set",
)
_STREAM = 0x416464536574  # keeps these energies apart from other draws of the same seed


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditiveSetParams(Params):
    """Keywords of AdditiveSet-v0."""

    elements: int = 30  # N
    choose: int = 20  # K, elements of a set
    values: int = 10  # number of different energies that an element may have
    spacing: float = 0.05  # between neighbouring energies
    energy_seed: int = 0  # which energies
    reward_mode: Literal["terminal", "delta_energy"] = "terminal"  # paid at the end, or with each element
    max_steps: int | None = None  # None: K

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("elements", self.elements, 2, 200)
        check_integer("choose", self.choose, 1, self.elements)
        check_integer("values", self.values, 1, 1000)
        check_number("spacing", self.spacing, 0.0, 1.0, open_low=True)
        check_integer("energy_seed", self.energy_seed, 0)
        largest = self.choose * self.spacing * (self.values - 1) / 2
        if largest > 300.0:  # exp of it, times the number of sets, is still a number
            raise ValueError(f"choose * spacing * (values - 1) / 2 must be at most 300, got {largest:g}")
        check_word("reward_mode", self.reward_mode, REWARD._fields)
        if self.max_steps is not None:
            check_integer("max_steps", self.max_steps, 1)

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        return self.choose if self.max_steps is None else self.max_steps

    @property
    def most(self) -> float:
        """Largest energy as a multiple of ``spacing``, and minus the least one."""
        return 0.5 * (self.values - 1)


@lru_cache
def multiples(params: AdditiveSetParams) -> Array:
    """Energies ``(N,)`` as multiples of ``spacing``, whole or half numbers; read-only."""
    bits = np.random.SeedSequence([params.energy_seed, _STREAM]).generate_state(params.elements, np.uint64)
    drawn = (bits % np.uint64(params.values)).astype(np.float64) - params.most
    drawn.flags.writeable = False
    return drawn


def energies(params: AdditiveSetParams) -> Array:
    """Energies e ``(N,)``."""
    found: Array = params.spacing * multiples(params)
    return found


class AdditiveSet(Copy):
    """State of one set, beside its members; energies are multiples of ``spacing``."""

    event: float = whole(0, EVENT)
    count: float = whole(0, lambda p: p.choose)  # members
    total: float = real(lambda p: -p.choose * p.most, lambda p: p.choose * p.most)  # sum of their energies


@jit
def step(p: AdditiveSetParams, multiple: Array, s: AdditiveSet, member: Array, action: Array, payoff: Array) -> bool:
    """One step; the complete set ends the episode."""
    i = int(action[0])
    s.event = EVENT.added
    for _ in range(p.elements):  # (1); one is left, since the episode would be over
        if member[i] == 0.0:
            break
        i = (i + 1) % p.elements
        s.event = EVENT.added_next
    member[i] = 1.0
    s.count += 1.0
    s.total += multiple[i]
    done = s.count >= p.choose
    if p.reward_mode == REWARD.delta_energy:
        payoff[0] = -p.spacing * multiple[i]
    elif done:
        payoff[0] = math.exp(-p.spacing * s.total)
    if done:
        s.event = EVENT.completed
    return done


# -- what is seen and reported -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """What a seat sees: pass one as ``observe=``, to Gymnasium and PettingZoo environments alike.

    Attributes:
        scope: the flags alone, with the count, or with the energies as well.
    """

    scope: Literal["flags", "count", "energies"] = "energies"

    def __post_init__(self) -> None:
        """Check the field (ValueError names it and what is allowed)."""
        check_word("observe.scope", self.scope, SCOPE._fields)


SETTINGS = {"full": Observe(), "private": Observe(scope="count"), "minimal": Observe(scope="flags")}


@jit
def look(p: AdditiveSetParams, multiple: Array, s: AdditiveSet, member: Array, view: Array, seen: Array) -> None:
    """As much of it as there is room for: the members, their share, and the energies, which ``view`` has in [0, 1]."""
    n = p.elements
    for i in range(n):
        seen[i] = member[i]
    if seen.shape[0] > n:
        seen[n] = progress(p, multiple, s, member)
    if seen.shape[0] > n + 1:
        for i in range(n):
            seen[n + 1 + i] = view[i]


def plan(rows: Sequence[AdditiveSetParams], layout: Layout, seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Raise ValueError for an unknown name, TypeError for neither a name nor an Observe."""
    scope, elements = chosen(setting, SETTINGS, Observe).scope, range(rows[0].elements)
    names = [f"chosen[{i}]" for i in elements]
    names += ["count"] if scope != "flags" else []
    names += [f"energy[{i}]" for i in elements] if scope == "energies" else []
    return ObservationPlan(np.stack([_ranks(p) for p in rows]), tuple(names))


def _ranks(params: AdditiveSetParams) -> Array:
    """Energies ``(N,)``, the least possible one as 0 and the largest as 1."""
    rank: Array = 0.5 + multiples(params) / max(1, params.values - 1)
    return rank


@jit
def progress(p: AdditiveSetParams, multiple: Array, s: AdditiveSet, member: Array) -> float:
    """Share of the set that is chosen."""
    return min(1.0, s.count / p.choose)


@jit
def is_free(p: AdditiveSetParams, multiple: Array, s: AdditiveSet, member: Array, k: int) -> bool:
    """Whether element k can still be chosen."""
    return member[k] == 0.0


@jit
def energy(p: AdditiveSetParams, multiple: Array, s: AdditiveSet, member: Array) -> float:
    """Sum of the energies so far."""
    return p.spacing * s.total


# -- what is known -----------------------------------------------------------------------------------------------------


def _table(params: AdditiveSetParams) -> Array:
    """S ``(N + 1, K + 1)`` of equation (2): sums over the sets of k of the first n elements."""
    table = np.zeros((params.elements + 1, params.choose + 1))
    table[:, 0] = 1.0
    for n, weight in enumerate(np.exp(-energies(params)), start=1):
        table[n, 1:] = table[n - 1, 1:] + weight * table[n - 1, :-1]
    return table


def partition(params: AdditiveSetParams) -> float:
    """Z, equation (2): the sum of R over all sets."""
    return float(_table(params)[-1, -1])


def sample(params: AdditiveSetParams, rng: np.random.Generator, n: int) -> Array:
    """Sets ``(n, N)`` bool, which elements they have, drawn independently with probability R / Z.

    Args:
        params: the problem.
        rng: source of the draws.
        n: how many.
    """
    check_integer("n", n, 0)
    table, weight = _table(params), np.exp(-energies(params))
    member = np.zeros((n, params.elements), dtype=np.bool_)
    missing = np.full(n, params.choose)
    for i in range(params.elements - 1, -1, -1):
        share = weight[i] * table[i, np.maximum(missing - 1, 0)] / table[i + 1, missing]
        member[:, i] = (rng.random(n) < share) & (missing > 0)
        missing -= member[:, i]
    return member


def _filled_up(params: AdditiveSetParams, s: AdditiveSet, member: Array) -> Array:
    """Least energies, as multiples of ``spacing``, of the elements still to be added within the horizon, in order."""
    free = multiples(params)[member == 0.0]
    return np.sort(free)[: min(params.choose - int(s.count), params.horizon - int(s.clock))]


def optimum(params: AdditiveSetParams, s: AdditiveSet, member: Array) -> tuple[float, int]:
    """Best return, and the least number of steps to a payment above 0."""
    never = params.horizon + 1
    rest = _filled_up(params, s, member)
    if s.over != 0.0 or not len(rest):
        return 0.0, never
    if params.reward_mode == "delta_energy":
        return -params.spacing * float(rest.sum()), 1 if rest[0] < 0.0 else never
    if len(rest) < params.choose - int(s.count):
        return 0.0, never
    return math.exp(-params.spacing * float(s.total + rest.sum())), len(rest)


def policy(params: AdditiveSetParams, s: AdditiveSet, member: Array) -> float:
    """The first element of the least energy that is left."""
    return float(np.where(member != 0.0, np.inf, multiples(params)).argmin())


def least_energy(params: AdditiveSetParams, episode: Episode, s: AdditiveSet, member: Array) -> bool:
    """Whether no set has less energy."""
    least = np.sort(multiples(params))[: params.choose].sum()
    return bool(s.count == params.choose and s.total == least)


_TILE = 40  # pixels


def draw(params: AdditiveSetParams, s: AdditiveSet, member: Array) -> Array:
    """The elements as tiles, the darker the higher their energy; those of the set have a green frame.

    Returns:
        ``(40 rows, 400, 3)`` uint8, ten elements a row.
    """
    n, rows = params.elements, -(-params.elements // 10)
    colours = np.full((rows * 10, 3), render.PAPER, dtype=np.uint8)
    colours[:n] = np.array(render.PAPER) + 0.8 * _ranks(params)[:, None] * (
        np.array(render.BAR) - np.array(render.PAPER)
    )
    picture = render.tiles(colours.reshape(rows, 10, 3), _TILE)
    for i in np.flatnonzero(member):
        down, right = divmod(int(i), 10)
        tile = picture[down * _TILE + 3 : (down + 1) * _TILE - 2, right * _TILE + 3 : (right + 1) * _TILE - 2]
        inside = tile[6:-6, 6:-6].copy()
        tile[:] = (0, 158, 115)
        tile[6:-6, 6:-6] = inside
    return picture


V0 = Game(
    "payoff/AdditiveSet-v0",
    "Choose some of many elements for the least sum of energies; the set is paid when complete.",
    tags=("sparse", "tabular"),
    rules=Rules(
        params=AdditiveSetParams,
        state=State(AdditiveSet, member=Cells(lambda p: (p.elements,), whole(0, 1))),
        step=step,
        actions=lambda p: p.elements,
        mask=is_free,
        tables=lambda rows: (np.stack([multiples(p) for p in rows]),),
        alike=("elements",),
        tabular=True,
    ),
    sight=Sight(look, plan, tuple(SETTINGS)),
    info={"progress": progress, "energy": energy, "caption": EVENT},
    draw=draw,
    theory=Theory(
        "exact",
        optimum=optimum,
        policy=policy,
        success=least_energy,
        success_by_step=True,
        levels={
            "easy": {"elements": 10, "choose": 5},
            "medium": {"elements": 30, "choose": 20},
            "hard": {"elements": 100, "choose": 80},
        },
    ),
)
