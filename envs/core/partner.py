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

import numpy as np

from payoff.envs.core import rng
from payoff.envs.core.jit import jit

__all__ = ["CONSTANT", "EXTERNAL", "PARTNER", "RANDOM", "RECIPROCATOR", "TIT_FOR_TAT", "act"]

EXTERNAL = 0  # the action comes from outside: a learner, or a partner that is a Python function
CONSTANT = 1
TIT_FOR_TAT = 2
RECIPROCATOR = 3
RANDOM = 4

PARTNER = np.dtype([("code", np.int64), ("first", np.float64), ("second", np.float64), ("third", np.float64)])


@jit
def _rate(row, at, bounds, p, i):
    low = bounds[p, i, 0, 0]
    return (row[at + i] - low) / (bounds[p, i, 0, 1] - low)


@jit
def _neutral(baseline, bounds, p, i):
    low = bounds[p, i, 0, 0]
    return (baseline[p, i] - low) / (bounds[p, i, 0, 1] - low)


@jit
def act(partner, i, row, at_action, at_trust, bounds, baseline, p):
    """Native action of seat i, before this round's actions are known.

    Args:
        partner: ``(N,)`` records of dtype PARTNER.
        i: the seat.
        row: ``(S,)`` state of the copy; a random partner advances its counter.
        at_action: first column of the last actions (native units).
        at_trust: first column of the trust matrix, or -1.
        bounds: ``(P, N, A, 2)`` native lower and upper bounds.
        baseline: ``(P, N)`` trust-neutral actions, native units.
        p: the copy's parameter row.
    """
    me = partner[i]
    n = partner.shape[0]
    if me.code == CONSTANT:
        rate = me.first
    elif me.code == RANDOM:
        rate = rng.uniform(row)
    elif me.code == TIT_FOR_TAT:
        rate = 0.0
        for j in range(n):
            if j != i:
                rate += _rate(row, at_action, bounds, p, j)
        rate /= n - 1
    else:
        pull = 0.0
        for j in range(n):
            if j != i:
                trust = row[at_trust + i * n + j] if at_trust >= 0 else 1.0
                gap = _rate(row, at_action, bounds, p, j) - _neutral(baseline, bounds, p, j)
                pull += trust * math.tanh(me.second * gap)
        rate = _rate(row, at_action, bounds, p, i)
        rate += me.first * pull / (n - 1) - me.third * (rate - _neutral(baseline, bounds, p, i))
    low = bounds[p, i, 0, 0]
    return low + min(1.0, max(0.0, rate)) * (bounds[p, i, 0, 1] - low)
