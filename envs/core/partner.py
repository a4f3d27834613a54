"""Compiled partners: what the seats that nobody learns do, from the state alone.

All work in rates x = a / e (share of the endowment), so that seats of unequal size can answer each other.

==============  =====================================================================================
code            rate of seat i
==============  =====================================================================================
CONSTANT        first
TIT_FOR_TAT     mean over j != i of the partners' last rates (proportional; the baseline opens)
RECIPROCATOR    x_i + first * mean_j[T_ij tanh(second * (x_j - b_j / e_j))] - third * (x_i - b_i / e_i)
RANDOM          uniform in [0, 1), from the copy's own stream
==============  =====================================================================================

The reciprocator is the behavioural law of TR-4 section 8.4 (arXiv 2604.01240, equation-level statement from the
report's validation suite) with signals normalised by the endowment and averaged over partners.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from payoff.envs.core import rng
from payoff.envs.core.jit import jit

__all__ = ["CONSTANT", "EXTERNAL", "PARTNER", "RANDOM", "RECIPROCATOR", "TIT_FOR_TAT", "act"]

EXTERNAL = 0  # the action comes from outside: a learner, or a partner that is a Python function
CONSTANT = 1
TIT_FOR_TAT = 2
RECIPROCATOR = 3
RANDOM = 4

PARTNER = np.dtype(
    [("code", np.int64), ("first", np.float64), ("second", np.float64), ("third", np.float64)], align=True
)


@jit
def _share(number: float, bound: Any) -> float:
    return (number - bound.low) / (bound.high - bound.low)


@jit
def act(seats: Any, i: int, s: Any, action: Any, trust: Any, bounds: Any) -> float:
    """Native action of seat i, before this round's actions are known.

    Args:
        seats: ``(N,)`` records with ``partner`` (dtype PARTNER) and ``baseline``.
        i: the seat.
        s: the copy; a random partner advances its counter.
        action: ``(N,)`` last actions, native units; empty where the game keeps none.
        trust: ``(N, N)`` trust; empty where the game has none.
        bounds: ``(N, A)`` records with ``low`` and ``high``, native units.
    """
    me = seats[i].partner
    n = seats.shape[0]
    if me.code == CONSTANT:
        share = me.first
    elif me.code == RANDOM:
        share = rng.uniform(s)
    elif me.code == TIT_FOR_TAT:
        share = 0.0
        for j in range(n):
            if j != i:
                share += _share(action[j], bounds[j, 0])
        share /= n - 1
    else:
        pull = 0.0
        for j in range(n):
            if j != i:
                believed = trust[i, j] if trust.shape[0] > 0 else 1.0
                gap = _share(action[j], bounds[j, 0]) - _share(seats[j].baseline, bounds[j, 0])
                pull += believed * math.tanh(me.second * gap)
        share = _share(action[i], bounds[i, 0])
        share += me.first * pull / (n - 1) - me.third * (share - _share(seats[i].baseline, bounds[i, 0]))
    low = bounds[i, 0].low
    return low + min(1.0, max(0.0, share)) * (bounds[i, 0].high - low)
