"""Trust and reputation damage of TR-2 (arXiv 2510.24909), the regime-separated form.

For every ordered pair i != j, from the values before the step:

(1) signal    s_j = tanh(kappa (a_j - b_j))
(2) building  s_j > 0:  dT_ij = lambda_plus s_j max(0, (1 - R_ij) - T_ij)
(3) erosion   s_j < 0:  dT_ij = lambda_minus s_j T_ij (1 + xi D_ij)
(4) damage    s_j < 0:  dR_ij = mu |s_j| (1 - R_ij);   otherwise  dR_ij = -delta R_ij
(5) T_ij <- clip(T_ij + dT_ij, 0, 1 - R_ij) with the old R_ij;  R_ij <- clip(R_ij + dR_ij, 0, 1)

Because (5) clips with the old damage, T may stand above the new ceiling for one step. The signal is in the units of the
game: on a scale of 100 it saturates three units away from the baseline, so trust reacts to little but its sign.
The equations follow the published code and its revised validation suite; the full text of the report is unverified.
"""

from __future__ import annotations

import math

from payoff.envs.core.jit import jit

__all__ = ["mean_off_diagonal", "update"]


@jit
def update(p, seats, depend, action, trust, damage):
    """Advance trust and damage by one step, in place.

    Args:
        p: record with ``trust_slope`` (kappa), ``trust_gain`` (lambda_plus), ``trust_loss`` (lambda_minus),
            ``damage_gain`` (mu), ``damage_decay`` (delta), ``amplification`` (xi).
        seats: ``(N,)`` records with ``baseline`` (b).
        depend: ``(N, N)`` dependence D.
        action: ``(N, A)`` native actions of this step.
        trust: ``(N * N,)`` T row by row, T_ij at i * N + j; the diagonal is left alone.
        damage: ``(N * N,)`` R likewise.
    """
    n = action.shape[0]
    for j in range(n):
        signal = math.tanh(p.trust_slope * (action[j, 0] - seats[j].baseline))  # (1)
        for i in range(n):
            if i == j:
                continue
            t = trust[i * n + j]
            r = damage[i * n + j]
            ceiling = 1.0 - r
            if signal < 0.0:
                t += p.trust_loss * signal * t * (1.0 + p.amplification * depend[i, j])  # (3)
                damage[i * n + j] = min(1.0, max(0.0, r - p.damage_gain * signal * (1.0 - r)))  # (4)
            else:
                t += p.trust_gain * signal * max(0.0, ceiling - t)  # (2)
                damage[i * n + j] = min(1.0, max(0.0, r - p.damage_decay * r))  # (4)
            trust[i * n + j] = min(ceiling, max(0.0, t))  # (5)


@jit
def mean_off_diagonal(matrix, n):
    """Mean over i != j of a matrix stored row by row, ``(N * N,)``; nan when N is 1."""
    total = 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                total += matrix[i * n + j]
    return total / (n * (n - 1))
