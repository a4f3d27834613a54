"""Congestion: many seats choose among a few sections, and the fuller a section is, the less it pays each of its seats.

## Model
In every round each of n seats chooses one of k = `sections` sections. With psi = `capacity` and x_j seats in section j,

(1) pi_i = exp(-x_j / psi) for each seat i in section j

(2) G = sum_i pi_i = sum_j x_j exp(-x_j / psi)

A section takes any number of seats: psi is no limit, but the number of seats at which a section adds most to G; beyond
it, what a section adds falls towards 0. The rounds of an episode do not depend on each other: with `max_steps` 1 the
game is one-shot.

It is the congestion problem (a bar, a beach) on which difference rewards and potential-based difference rewards were
tried: Wolpert and Tumer, "Optimal payoff functions for members of collectives" (2001); Devlin, Yliniemi, Kudenko and
Tumer, "Potential-based difference rewards for multiagent reinforcement learning" (AAMAS 2014). The stateless form with
equations (1) and (2) and the default sizes were taken from a small reimplementation, not from the papers, whose sizes
are unverified.

## Players and actions
`n_agents` seats, all alike; action j in 0 .. k - 1 is section j. In the view of one seat, give `partners` for the
others: `"random"` plays all sections with the same probability. The other built-in partners (`"constant:0.4"`,
`"tit_for_tat"`, `"reciprocator"`) were made for games in which an action is an amount to contribute: each answers with
a number x from 0 to k - 1, which stands for section min(k - 1, floor(x k / (k - 1))). The default partner,
`"reciprocator"`, stays in section 0 at the default sizes.

## Observations
In [0, 1], zeros at a start.

- `full`: the share of seats that were in each section in the last round, and the seat's own last choice, one-hot. In
  the PettingZoo AEC environment, where seats move one after another, each also sees the choices made before it in the
  running round.
- `private`, `minimal`: only the seat's own last choice.

An `Observe` can add the clock.

## Rewards
`reward="private"` is pi_i, the local reward; `reward="cooperative"` is G / n, the global one. `info["welfare"]` is G of
the last round, `info["crowd"]` the number of seats in each seat's section, including itself.

The difference reward of seat i is D_i = G - G without i. It is no value of `reward` but a wrapper,
`payoff.wrappers.multi_agent.difference.DifferenceReward`, with `others_welfare` of
`payoff.envs.social.congestion_theory` as the counterfactual. D_i and G differ by a number that i has no influence on.

## Starting state
Nobody has chosen yet. Nothing is random.

## Episode end
Truncated after `max_steps` rounds; nothing terminates.

## Theory
`payoff.envs.social.congestion_theory` computes all of this exactly. Under the private reward a round is a congestion
game in the sense of Rosenthal (1973), with the potential sum_j sum_{m = 1 .. x_j} exp(-m / psi). Its pure equilibria
are exactly the even splits, in which no two sections differ by more than one seat: by (1) a seat gains from moving if
and only if the other section has at least two seats fewer. The split with the largest G comes from dynamic programming
over whole splits. At the defaults it puts 6 seats into each of five sections and the other 70 into the last, G =
11.037, while the even splits have G = 6.223: each seat alone is right to leave the crowded section, and together they
ruin all of them. Under the cooperative reward the best split is an equilibrium, but one choice of 100 hardly shows in
G. With 50 seats, 9 sections and psi 4 the even splits are nearly as good as the best one.

## Parameters
`n_agents` 100, in 2 .. 1000; `sections` 6, in 2 .. 100; `capacity` 6, in [0.1, 10000]; `max_steps` 100.

## Version history
v0: first version.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.envs import render
from payoff.envs.core.game import Each, Game, ObservationPlan, Rules, Sight
from payoff.envs.core.jit import jit
from payoff.envs.core.params import Params, check_flag, check_integer, check_number
from payoff.envs.core.state import Array, Cells, Copy, Layout, Seat, Seats, State, real, whole
from payoff.envs.sight.settings import chosen

__all__ = ["SETTINGS", "V0", "CongestionParams", "Observe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CongestionParams(Params):
    """Keywords of Congestion-v0."""

    n_agents: int = 100  # n
    sections: int = 6  # k
    capacity: float = 6.0  # psi, seats at which a section adds most to the welfare; no limit
    max_steps: int = 100  # rounds of an episode

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("n_agents", self.n_agents, 2, 1000)
        check_integer("sections", self.sections, 2, 100)
        check_number("capacity", self.capacity, 0.1, 10_000.0)
        check_integer("max_steps", self.max_steps, 1)


class Chooser(Seat):
    """State of a seat."""

    action: float = whole(0, lambda p: p.sections - 1)  # section of the last round; 0 at a start


STATE = State(
    Copy,
    crowd=Cells(lambda p: (p.sections,), whole(0, lambda p: p.n_agents)),  # seats in each section in the last round
    worth=Cells(lambda p: (p.sections,), real(0.0, 1.0)),  # what each paid a seat: 1 if empty; 0 at a start
    seats=Chooser,
)


@jit
def step(
    p: CongestionParams, s: Copy, crowd: Array, worth: Array, seats: Seats[Chooser], action: Array, payoff: Array
) -> bool:
    """One round, in O(n + k); nothing terminates.

    ``action`` is overwritten with the sections that its numbers stand for: reward layers read it after the step.
    """
    sections, capacity = p.sections, p.capacity  # locals: else loops that write to arrays would read them every time
    for section in range(sections):
        crowd[section] = 0.0
    for i in range(seats.shape[0]):
        section = section_of(sections, action[i])
        action[i] = seats[i].action = section
        crowd[section] += 1.0
    for section in range(sections):
        worth[section] = math.exp(-crowd[section] / capacity)  # (1)
    for i in range(seats.shape[0]):
        payoff[i] = worth[int(action[i])]
    return False


@jit
def section_of(sections: int, value: float) -> int:
    """Section of a native action, a number x in [0, k - 1]: floor(x k / (k - 1)), at most k - 1.

    That leaves whole numbers as they are. Built-in partners answer with any number of the range; if it is drawn
    uniformly, so is the section.
    """
    return min(sections - 1, int(value * sections / (sections - 1)))


@jit
def welfare(p: CongestionParams, s: Copy, crowd: Array, worth: Array, seats: Seats[Chooser]) -> float:
    """Sum of the payoffs of the last round, (2)."""
    total = 0.0
    for section in range(p.sections):
        total += crowd[section] * worth[section]
    return total


@jit
def crowd_around(p: CongestionParams, s: Copy, crowd: Array, worth: Array, seats: Seats[Chooser], i: int) -> float:
    """Seats in seat i's section, including itself."""
    return crowd[int(seats[i].action)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """What a seat sees: pass one as ``observe=``, to Gymnasium and PettingZoo environments alike.

    Attributes:
        counts: whether the shares of all sections are shown, and in the AEC environment the round's earlier choices.
        clock: whether the clock, rounds played divided by the horizon, comes last.
    """

    counts: bool = True
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        check_flag("observe.counts", self.counts)
        check_flag("observe.clock", self.clock)


SETTINGS = {"full": Observe(), "private": Observe(counts=False), "minimal": Observe(counts=False)}
VIEW = np.dtype([("seat", np.int64), ("counts", np.bool_), ("clock", np.float64)], align=True)  # clock: 1 / max_steps


def plan(rows: Sequence[CongestionParams], layout: Layout, seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Shares of the sections, own choice, clock; ValueError or TypeError for what is no setting."""
    observe = chosen(setting, SETTINGS, Observe)
    names = [f"share[{k}]" for k in range(rows[0].sections)] if observe.counts else []
    names += [f"chose[{k}]" for k in range(rows[0].sections)]
    names += ["clock"] if observe.clock else []
    table = np.array([[(seat, observe.counts, 1.0 / p.max_steps) for seat in seats] for p in rows], dtype=VIEW)
    return ObservationPlan(table, tuple(names), sees_actions=observe.counts)


@jit
def look(
    p: CongestionParams, s: Copy, crowd: Array, worth: Array, seats: Seats[Chooser], view: Any, seen: Array
) -> None:
    """What each seat sees: the share of seats in each section, its own last choice one-hot, the clock."""
    sections, n, clock = p.sections, p.n_agents, s.clock
    for v in range(seen.shape[0]):
        own, at = seen[v], 0
        if view[v].counts:
            for section in range(sections):
                own[section] = crowd[section] / n
            at = sections
        choice = int(seats[view[v].seat].action) if clock > 0.0 else -1
        for section in range(sections):
            own[at + section] = 1.0 if section == choice else 0.0
        if own.shape[0] > at + sections:
            own[at + sections] = clock * view[v].clock


WITHIN, BEYOND, CAPACITY = (0, 114, 178), (230, 159, 0), (40, 44, 52)
_SIDE, _MARGIN, _WIDTH = 240, 16, 48  # pixels: height of a bar, border, width of a bar


def draw(params: CongestionParams, s: Copy, crowd: Array, worth: Array, seats: Seats[Chooser]) -> Array:
    """One bar per section, filled by its share of the seats: blue up to psi, orange beyond, with a line at psi."""
    w = max(6, min(_WIDTH, 960 // params.sections))
    picture = np.full((_SIDE + 2 * _MARGIN, params.sections * w + 2 * _MARGIN, 3), render.PAPER, dtype=np.uint8)
    bottom = _MARGIN + _SIDE
    line = bottom - round(_SIDE * min(1.0, params.capacity / params.n_agents))
    for section in range(params.sections):
        left, right = _MARGIN + section * w + 1, _MARGIN + (section + 1) * w - 1
        top = bottom - round(_SIDE * crowd[section] / params.n_agents)
        picture[_MARGIN:bottom, left:right] = render.BAR_FRAME
        picture[max(top, line) : bottom, left:right] = WITHIN
        picture[top : max(top, line), left:right] = BEYOND
    picture[max(_MARGIN, line - 1) : line + 1, _MARGIN:-_MARGIN] = CAPACITY
    return picture


V0 = Game(
    "payoff/Congestion-v0",
    "A hundred seats choose among six sections that are best with six each; what is best for each ruins all.",
    tags=("social", "multi_agent"),
    rules=Rules(
        params=CongestionParams,
        state=STATE,
        step=step,
        actions=lambda p: p.sections,
        seats=lambda p: p.n_agents,
        alike=("n_agents", "sections"),
    ),
    sight=Sight(look, plan, tuple(SETTINGS)),
    info={"crowd": Each(crowd_around), "welfare": welfare},
    draw=draw,
)
