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

import numpy as np

from payoff.envs.core.jit import jit

__all__ = ["CODES", "GATED", "GATED_MEAN", "INEQUITY", "LAYER", "LINEAR", "OWN", "RECIPROCAL", "SHARED", "apply"]

LINEAR = 0
GATED = 1
GATED_MEAN = 2
RECIPROCAL = 3
INEQUITY = 4
OWN = 5
SHARED = 6
CODES = range(7)

LAYER = np.dtype([("code", np.int64), ("first", np.float64), ("second", np.float64)])


@jit
def _gated(depend, p, i, base, row, at_trust, at_damage):
    n = base.shape[0]
    total = base[i]
    for j in range(n):
        if j != i:
            gate = 1.0
            if at_trust >= 0:
                gate = min(row[at_trust + i * n + j], 1.0 - row[at_damage + i * n + j])
            total += gate * depend[p, i, j] * base[j]
    return total


@jit
def _linear(weight, p, i, base):
    total = 0.0
    for j in range(base.shape[0]):
        total += weight[p, i, j] * base[j]
    return total


@jit
def _goodwill(me, p, i, action, row, at_trust, bounds, baseline):
    n = action.shape[0]
    total = 0.0
    for j in range(n):
        if j != i:
            trust = row[at_trust + i * n + j] if at_trust >= 0 else 1.0
            scale = bounds[p, j, 0, 1] if me.second > 0.0 else 1.0
            total += me.first * trust * (action[j, 0] - baseline[p, j]) / scale * action[i, 0]
    return total


@jit
def _inequity(me, i, base):
    n = base.shape[0]
    if n == 1:
        return base[i]
    behind = 0.0
    ahead = 0.0
    for j in range(n):
        behind += max(base[j] - base[i], 0.0)
        ahead += max(base[i] - base[j], 0.0)
    return base[i] - (me.first * behind + me.second * ahead) / (n - 1)


@jit
def apply(layer, weight, depend, p, base, action, row, at_trust, at_damage, bounds, baseline, reward):
    """Write the rewards of one copy.

    Args:
        layer: ``(N,)`` records of dtype LAYER, one per seat.
        weight: ``(P, N, N)`` weights W of the layer of each seat (row i for seat i).
        depend: ``(P, N, N)`` dependence D of the game.
        p: the copy's parameter row.
        base: ``(N,)`` payoffs pi before a published game's multipliers.
        action: ``(N, A)`` native actions.
        row: ``(S,)`` state after the step.
        at_trust: first column of the trust matrix, or -1 where the game has none.
        at_damage: first column of the reputation damage, or -1 where the game has none.
        bounds: ``(P, N, A, 2)`` native bounds.
        baseline: ``(P, N)`` trust-neutral actions.
        reward: ``(N,)`` modified in place.
    """
    n = base.shape[0]
    shared = 0.0
    shared_known = False  # the mean over seats costs O(n^2): computed once a copy
    common = 0.0
    common_known = False
    for i in range(n):
        code = layer[i].code
        if code == OWN:
            reward[i] = base[i]
        elif code == SHARED:
            if not common_known:
                common = _linear(weight, p, i, base)
                common_known = True
            reward[i] = common
        elif code == LINEAR:
            reward[i] = _linear(weight, p, i, base)
        elif code == GATED:
            reward[i] = _gated(depend, p, i, base, row, at_trust, at_damage)
        elif code == GATED_MEAN:
            if not shared_known:
                for k in range(n):
                    shared += _gated(depend, p, k, base, row, at_trust, at_damage)
                shared /= n
                shared_known = True
            reward[i] = shared
        elif code == RECIPROCAL:
            goodwill = _goodwill(layer[i], p, i, action, row, at_trust, bounds, baseline)
            reward[i] = _linear(weight, p, i, base) + goodwill
        else:
            reward[i] = _inequity(layer[i], i, base)
