"""Compiled reward layers: from the payoffs of one copy to the rewards of its seats.

=============  ==============================================================================================
code           reward of seat i (pi: base payoff, W: weights, D: dependence, g_ij = min(T_ij, 1 - R_ij))
=============  ==============================================================================================
LINEAR         sum_j W_ij pi_j
OWN            pi_i: LINEAR with W_i the i-th unit vector, in O(1)
SHARED         sum_j W_ij pi_j with W_i the same for all seats of this code: in O(n) for all of them together
GATED          pi_i + sum_{j != i} g_ij D_ij pi_j
GATED_MEAN     mean over k of (pi_k + sum_{j != k} g_kj D_kj pi_j), the same for every seat
RECIPROCAL     sum_j W_ij pi_j + sum_{j != i} first T_ij (a_j - b_j) / s_j a_i, s_j = e_j if second else 1
INEQUITY       pi_i - first / (n - 1) sum_j max(pi_j - pi_i, 0) - second / (n - 1) sum_j max(pi_i - pi_j, 0)
=============  ==============================================================================================

Where a game has no trust, T = 1 and R = 0. Sources are in :mod:`payoff.envs.rewards`, which chooses among these.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from payoff.envs.core.jit import inlined, jit

__all__ = ["CODES", "GATED", "GATED_MEAN", "INEQUITY", "LAYER", "LINEAR", "OWN", "RECIPROCAL", "SHARED", "apply"]

LINEAR = 0
GATED = 1
GATED_MEAN = 2
RECIPROCAL = 3
INEQUITY = 4
OWN = 5
SHARED = 6
CODES = range(7)

LAYER = np.dtype([("code", np.int64), ("first", np.float64), ("second", np.float64)], align=True)


@jit
def _gated(links: Any, i: int, base: Any, trust: Any, damage: Any) -> float:
    n = base.shape[0]
    total = base[i]
    for j in range(n):
        if j != i:
            gate = 1.0
            if trust.shape[0] > 0:
                gate = min(trust[i, j], 1.0 - damage[i, j]) if damage.shape[0] > 0 else trust[i, j]
            total += gate * links[i, j].depend * base[j]
    return total


@jit
def _linear(links: Any, i: int, base: Any) -> float:
    total = 0.0
    for j in range(base.shape[0]):
        total += links[i, j].weight * base[j]
    return total


@jit
def _goodwill(seats: Any, bounds: Any, i: int, action: Any, trust: Any) -> float:
    me = seats[i].layer
    n = action.shape[0]
    total = 0.0
    for j in range(n):
        if j != i:
            believed = trust[i, j] if trust.shape[0] > 0 else 1.0
            scale = bounds[j, 0].high if me.second > 0.0 else 1.0
            total += me.first * believed * (action[j, 0] - seats[j].baseline) / scale * action[i, 0]
    return total


@jit
def _inequity(me: Any, i: int, base: Any) -> float:
    n = base.shape[0]
    if n == 1:
        return base[i]
    behind = 0.0
    ahead = 0.0
    for j in range(n):
        behind += max(base[j] - base[i], 0.0)
        ahead += max(base[i] - base[j], 0.0)
    return base[i] - (me.first * behind + me.second * ahead) / (n - 1)


@inlined
def apply(seats: Any, links: Any, bounds: Any, base: Any, action: Any, trust: Any, damage: Any, reward: Any) -> None:
    """Write the rewards of one copy.

    Args:
        seats: ``(N,)`` records with ``layer`` (dtype LAYER) and ``baseline`` (trust-neutral action).
        links: ``(N, N)`` records with ``weight`` (W, row i for seat i) and ``depend`` (D).
        bounds: ``(N, A)`` records with ``low`` and ``high``, native units.
        base: ``(N,)`` payoffs pi before a published game's multipliers.
        action: ``(N, A)`` native actions.
        trust: ``(N, N)`` after the step; empty where the game has none.
        damage: ``(N, N)`` reputation damage likewise; where there is none, it is 0.
        reward: ``(N,)`` modified in place.
    """
    n = base.shape[0]
    shared = 0.0
    shared_known = False  # the mean over seats costs O(n^2): computed once a copy
    common = 0.0
    common_known = False
    for i in range(n):
        code = seats[i].layer.code
        if code == OWN:
            reward[i] = base[i]
        elif code == SHARED:
            if not common_known:
                common = _linear(links, i, base)
                common_known = True
            reward[i] = common
        elif code == LINEAR:
            reward[i] = _linear(links, i, base)
        elif code == GATED:
            reward[i] = _gated(links, i, base, trust, damage)
        elif code == GATED_MEAN:
            if not shared_known:
                for k in range(n):
                    shared += _gated(links, k, base, trust, damage)
                shared /= n
                shared_known = True
            reward[i] = shared
        elif code == RECIPROCAL:
            reward[i] = _linear(links, i, base) + _goodwill(seats, bounds, i, action, trust)
        else:
            reward[i] = _inequity(seats[i].layer, i, base)
