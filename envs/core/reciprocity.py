"""Reciprocity of TR-4 (arXiv 2604.01240), as the published system codes it.

(1) memory       abar_j = 0 in round 1, else the mean of a_j over the last min(k, t - 1) rounds, round t included
(2) signal       s_j = a_j - abar_j
(3) sensitivity  rho_ij = rho_0 D_ij^eta
(4) effect       u_ij = lambda_R T_ij (1 + omega_R D_ij) rho_ij tanh(kappa s_j)
(5) multiplier   m_i = max(0.01, 1 + sum_{j != i} u_ij / mean(e))

The report's memory holds strictly earlier rounds and adds (4) to the payoff; that (1) includes the running round and
that (5) multiplies are deviations of the published code, kept here because its results depend on them.
"""

from __future__ import annotations

import math
from typing import Any

from payoff.envs.core.jit import jit

__all__ = ["multipliers"]


@jit
def multipliers(p: Any, roles: Any, links: Any, action: Any, seats: Any, pairs: Any, factor: Any) -> None:
    """Equations (2) to (5).

    Args:
        p: record with ``reciprocity`` (rho_0), ``elasticity`` (eta), ``response`` (kappa), ``weight`` (lambda_R),
            ``dependency_weight`` (omega_R).
        roles: ``(N,)`` records with ``endowment``.
        links: ``(N, N)`` records with ``depend`` (D).
        action: ``(N,)`` native actions of this round.
        seats: ``(N,)`` records with ``memory``, the average of this round, equation (1).
        pairs: ``(N, N)`` records with ``trust`` after this round's update, not capped by the damage.
        factor: ``(N,)`` multiplied in place.
    """
    n = action.shape[0]
    endowment = 0.0
    for i in range(n):
        endowment += roles[i].endowment
    endowment /= n
    for i in range(n):
        effect = 0.0
        for j in range(n):
            if j != i:
                depend = links[i, j].depend
                sensitivity = p.reciprocity * depend**p.elasticity  # (3)
                answer = math.tanh(p.response * (action[j] - seats[j].memory))
                effect += p.weight * pairs[i, j].trust * (1.0 + p.dependency_weight * depend) * sensitivity * answer
        factor[i] *= max(0.01, 1.0 + effect / endowment)  # (5)
