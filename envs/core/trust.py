"""Trust and reputation damage of TR-2 (arXiv 2510.24909), in the form that builds and erodes trust by separate rules.

T_ij is the trust of seat i in seat j. R_ij is the damage that j's reputation with i has taken, which leaves 1 - R_ij as
the ceiling of T_ij. D_ij, a constant, says how much i depends on j, a_j is the action of j and b_j its baseline. For
every ordered pair i != j, with T_ij and R_ij on the right as they were before the step:

(1) signal    s_j = tanh(kappa (a_j - b_j))
(2) building  s_j > 0:  dT_ij = lambda_plus s_j max(0, (1 - R_ij) - T_ij)
(3) erosion   s_j < 0:  dT_ij = lambda_minus s_j T_ij (1 + xi D_ij)
(4) damage    s_j < 0:  dR_ij = mu |s_j| (1 - R_ij);   otherwise  dR_ij = -delta R_ij
(5) T_ij <- clip(T_ij + dT_ij, 0, 1 - R_ij);  R_ij <- clip(R_ij + dR_ij, 0, 1)

Where s_j = 0, dT_ij = 0. Because (5) clips with the old damage, T may stand above the new ceiling for one step. The
signal takes actions in the units of the game: on a scale of 100 it saturates a few units away from the baseline (at
kappa 1, three), so trust reacts to little but the sign of a_j - b_j. The equations follow the published code and its
revised validation suite; the full text of the report is unverified.
"""

from __future__ import annotations

import math
from typing import Any

from payoff.envs.core.jit import jit

__all__ = ["mean", "update"]


@jit
def update(p: Any, roles: Any, links: Any, action: Any, pairs: Any) -> None:
    """Advance trust and damage by one step, in place.

    Args:
        p: record with ``trust_slope`` (kappa), ``trust_gain`` (lambda_plus), ``trust_loss`` (lambda_minus),
            ``damage_gain`` (mu), ``damage_decay`` (delta), ``amplification`` (xi).
        roles: ``(N,)`` records with ``baseline`` (b).
        links: ``(N, N)`` records with ``depend`` (D).
        action: ``(N,)`` native actions of this step.
        pairs: ``(N, N)`` records with ``trust`` (T) and ``damage`` (R), modified; the diagonal is left alone.
    """
    n = action.shape[0]
    for j in range(n):
        signal = math.tanh(p.trust_slope * (action[j] - roles[j].baseline))  # (1)
        for i in range(n):
            if i == j:
                continue
            tie = pairs[i, j]
            t, r = tie.trust, tie.damage
            ceiling = 1.0 - r
            if signal < 0.0:
                t += p.trust_loss * signal * t * (1.0 + p.amplification * links[i, j].depend)  # (3)
                tie.damage = min(1.0, max(0.0, r - p.damage_gain * signal * (1.0 - r)))  # (4)
            else:
                t += p.trust_gain * signal * max(0.0, ceiling - t)  # (2)
                tie.damage = min(1.0, max(0.0, r - p.damage_decay * r))  # (4)
            tie.trust = min(ceiling, max(0.0, t))  # (5)


@jit
def mean(pairs: Any) -> float:
    """Mean trust over i != j; nan when N is 1."""
    n = pairs.shape[0]
    total = 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                total += pairs[i, j].trust
    return total / (n * (n - 1))
