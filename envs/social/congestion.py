"""Congestion: many seats choose among a few sections, and a crowded section is worth little to each who is in it.

## Model
In every round each of n seats chooses one of k = `sections` sections of capacity psi. With x_s seats in section s,

(1) pi_i = exp(-x_s / psi) for each seat i in section s

(2) G = sum_i pi_i = sum_s x_s exp(-x_s / psi), largest in a section at x = psi and falling towards 0 beyond

The rounds of an episode do not depend on each other: with `max_steps` 1 the game is one-shot.

It is the congestion problem (a bar, a beach) on which difference rewards and potential-based difference rewards were
tried: Wolpert and Tumer, "Optimal payoff functions for members of collectives" (2001); Devlin, Yliniemi, Kudenko and
Tumer, "Potential-based difference rewards for multiagent reinforcement learning" (AAMAS 2014). The stateless form with
equations (1) and (2) and the default sizes are those of a small rebuild; the sizes of the papers are unverified.

## Players and actions
`n_agents` seats, all alike; action s in 0 .. k - 1 is section s. In the view of one seat, name the partners:
`partners="random"` plays every section alike. The other names are made for contributions; a partner's number x, from 0
to k - 1, stands for the section floor(x k / (k - 1)), and the default `reciprocator` stays in the first section.

## Observations
In [0, 1], zeros at a start.

- `full`: the share of seats that were in each section in the last round; the own last choice one-hot. Whoever moves
  later in the sequential view sees the choices of the round so far.
- `private`, `minimal`: the own last choice alone.

An `Observe` can add the clock.

## Rewards
`private` is pi_i, the local reward; `cooperative` is G / n, the global one. `info["welfare"]` is G of the last round,
`info["crowd"]` the number of seats in each seat's section, itself counted.

The difference reward of seat i is D_i = G - G without i. It is not a layer but a wrapper,
`payoff.wrappers.multi_agent.difference.DifferenceReward`, with `others_welfare` of
`payoff.envs.social.congestion_theory` as the counterfactual. D_i and G differ by a number that i has no influence on.

## Starting state
Nobody has chosen yet. Nothing is random.

## Episode end
Truncated after `max_steps` rounds; nothing terminates.

## Theory
`payoff.envs.social.congestion_theory` has it all exactly. Under the private reward a round is a congestion game in the
sense of Rosenthal (1973), with the potential sum_s sum_{j = 1 .. x_s} exp(-j / psi). Its pure equilibria are exactly
the splits that are as even as whole numbers allow: by (1) a seat gains from moving if and only if the other section has
at least two seats less. The split of the largest G comes from dynamic programming over whole splits. At the defaults it
puts 6 seats into each of five sections and the other 70 into the last, G = 11.037, while the even split has G = 6.223:
each seat alone is right to leave the crowded section, and together they ruin all of them. Under the cooperative reward
the best split is an equilibrium, but one choice of 100 hardly shows in G. With 50 seats, 9 sections and psi 4 the
even split is nearly as good as the best one.

## Parameters
`n_agents` 100, in 2 .. 1000; `sections` 6, in 2 .. 100; `capacity` 6, in [0.1, 10000]; `max_steps` 100.

## Version history
v0: first version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.envs import render
from payoff.envs.core.game import Game, ObservationPlan, Readout, Shape
from payoff.envs.core.params import Params, check_integer, check_number
from payoff.envs.core.state import Array
from payoff.envs.social import congestion_kernels as kernels
from payoff.envs.social.congestion_kernels import COUNT, layout
from payoff.envs.sparse.settings import chosen

__all__ = ["SETTINGS", "V0", "CongestionParams", "Observe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CongestionParams(Params):
    """Keywords of Congestion-v0."""

    n_agents: int = 100  # n
    sections: int = 6  # k
    capacity: float = 6.0  # psi, seats at which a section is worth most
    max_steps: int = 100  # rounds of an episode

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("n_agents", self.n_agents, 2, 1000)
        check_integer("sections", self.sections, 2, 100)
        check_number("capacity", self.capacity, 0.1, 10_000.0)
        check_integer("max_steps", self.max_steps, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """An observation setting, the same object in every view.

    Attributes:
        counts: whether the shares of all sections are shown, and in the sequential view the choices of the round.
        clock: whether rounds played over the horizon come last.
    """

    counts: bool = True
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        for name in ("counts", "clock"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"observe.{name} must be True or False, got {getattr(self, name)!r}")


SETTINGS = {"full": Observe(), "private": Observe(counts=False), "minimal": Observe(counts=False)}


def plan(rows: Sequence[CongestionParams], seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan.

    Args:
        rows: parameters of each copy, or one for all.
        seats: those that are looked at.
        setting: a name of SETTINGS or an :class:`Observe`.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor an Observe.
    """
    observe = chosen(setting, SETTINGS, Observe)
    names = [f"share[{s}]" for s in range(rows[0].sections)] if observe.counts else []
    names += [f"chose[{s}]" for s in range(rows[0].sections)]
    table = np.array(
        [[(seat, p.sections, p.n_agents, observe.counts, 1.0 / p.max_steps) for seat in seats] for p in rows],
        dtype=kernels.SEEN,
    )
    return ObservationPlan(table, (*names, *(["clock"] if observe.clock else [])), sees_actions=observe.counts)


def pack(rows: Sequence[CongestionParams]) -> tuple[Array, ...]:
    """Parameters as the kernels read them.

    Raises:
        ValueError: copies of several numbers of seats or sections.
    """
    for name in ("n_agents", "sections"):
        values = sorted({getattr(p, name) for p in rows})
        if len(values) > 1:
            raise ValueError(f"{name} must be the same in all copies of a batch, got {values}")
    return (np.array([(p.sections, p.capacity) for p in rows], dtype=kernels.NUMBERS),)


WITHIN, BEYOND, CAPACITY = (0, 114, 178), (230, 159, 0), (40, 44, 52)
_SIDE, _MARGIN, _WIDTH = 240, 16, 48  # pixels: height of a bar's frame, border, width of a section


def frame(params: CongestionParams, row: Array, shape: Shape) -> Array:
    """A bar a section, filled by its share of the seats: blue up to the capacity, orange beyond; a line at capacity.

    Returns:
        ``(272, 32 + w k, 3)`` uint8, w pixels a section.
    """
    w = max(6, min(_WIDTH, 960 // params.sections))
    picture = np.full((_SIDE + 2 * _MARGIN, params.sections * w + 2 * _MARGIN, 3), render.PAPER, dtype=np.uint8)
    bottom = _MARGIN + _SIDE
    line = bottom - round(_SIDE * min(1.0, params.capacity / params.n_agents))
    for s in range(params.sections):
        left, right = _MARGIN + s * w + 1, _MARGIN + (s + 1) * w - 1
        top = bottom - round(_SIDE * row[COUNT + s] / params.n_agents)
        picture[_MARGIN:bottom, left:right] = render.BAR_FRAME
        picture[max(top, line) : bottom, left:right] = WITHIN
        picture[top : max(top, line), left:right] = BEYOND
    picture[max(_MARGIN, line - 1) : line + 1, _MARGIN:-_MARGIN] = CAPACITY
    return picture


V0 = Game(
    id="payoff/Congestion-v0",
    params=CongestionParams,
    doc=__doc__,
    kernels=kernels.KERNELS,
    shape=lambda p: Shape(p.n_agents, 1, p.sections, layout(p.n_agents, p.sections), p.max_steps),
    pack=pack,
    bounds=lambda p: np.repeat([[[0.0, p.sections - 1.0]]], p.n_agents, axis=0),
    baseline=lambda p: np.zeros(p.n_agents),
    dependence=lambda p: np.zeros((p.n_agents, p.n_agents)),
    plan=plan,
    frame=frame,
    observations=tuple(SETTINGS),
    readouts=(Readout("crowd", True), Readout("welfare", False)),
)
