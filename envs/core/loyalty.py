"""Collective action of TR-3 (arXiv 2601.16237): loyalty, the payoff of its theory, and the multipliers paid instead.

Loyalty state (published code), r_i = a_i / e_i:

(1) r_i >= 1/2:  theta_i <- min(cap, theta_i + gain r_i);   else  theta_i <- max(0, theta_i - loss (1/2 - r_i))

Multipliers (published code; q_i: mean of r_i over the last ten rounds, this one included):

(2) m_i = [r_i < 0.3: 0.5] x [q_i >= 0.6: 1 + 0.15 q_i] x [all r >= 0.5: 1.2]

Theory (report and docs; the published rewards never pay it):

(3) Q(a) = omega (sum_i a_i)^beta
(4) pi_i = Q / n - c a_i + theta_i (phi_B mean_{j != i} pi_j^team + phi_C c a_i),  pi_j^team = Q / n - c a_j
"""

from __future__ import annotations

from typing import Any

import numpy as np

from payoff.envs.core.jit import jit

__all__ = ["rate", "team_output", "theory_payoff", "update"]


@jit
def rate(action: float, endowment: float) -> Any:
    """Rate r = a / e in float32: the published code compares such rates with its thresholds."""
    return np.float32(action) / np.float32(endowment)


@jit
def update(p: Any, roles: Any, action: Any, seats: Any, single: bool) -> None:
    """Equation (1), in place.

    Args:
        p: record with ``loyalty_gain``, ``loyalty_loss``, ``loyalty_cap``.
        roles: ``(N,)`` records with ``endowment``.
        action: ``(N,)`` native actions.
        seats: ``(N,)`` records with ``loyalty`` (theta), modified.
        single: hold and update theta in float32, as published; it decides ties with a threshold.
    """
    for i in range(action.shape[0]):
        r, theta = rate(action[i], roles[i].endowment), seats[i].loyalty
        if single:
            theta = _advance_single(np.float32(theta), r, np.float32(p.loyalty_gain), np.float32(p.loyalty_loss))
        elif r >= np.float32(0.5):
            theta += p.loyalty_gain * r
        else:
            theta -= p.loyalty_loss * (0.5 - r)
        seats[i].loyalty = min(p.loyalty_cap, max(0.0, theta))


@jit
def _advance_single(theta: Any, r: Any, gain: Any, loss: Any) -> float:
    """Equation (1) before it is clipped, every operation in float32."""
    if r >= np.float32(0.5):
        return np.float64(theta + gain * r)
    return np.float64(theta - loss * (np.float32(0.5) - r))


@jit
def team_output(action: Any, productivity: float, returns_to_scale: float) -> float:
    """Q(a), equation (3)."""
    effort = 0.0
    for i in range(action.shape[0]):
        effort += action[i]
    return productivity * effort**returns_to_scale


@jit
def theory_payoff(p: Any, roles: Any, action: Any, theta: float, i: int) -> float:
    """Equation (4) of seat i, plus e_i where ``p.keeps_endowment`` (public goods: what is not contributed is kept).

    Args:
        p: record with ``productivity`` (omega), ``returns`` (beta), ``effort_cost`` (c), ``benefit`` (phi_B),
            ``tolerance`` (phi_C), ``keeps_endowment``.
        roles: ``(N,)`` records with ``endowment``.
        action: ``(N,)`` native efforts.
        theta: its loyalty after this round's update.
        i: the seat.
    """
    n = action.shape[0]
    share = team_output(action, p.productivity, p.returns) / n
    everyone = 0.0
    for j in range(n):
        everyone += share - p.effort_cost * action[j]
    own = share - p.effort_cost * action[i]
    others = (everyone - own) / (n - 1) if n > 1 else 0.0
    payoff = own + theta * (p.benefit * others + p.tolerance * p.effort_cost * action[i])
    return payoff + p.keeps_endowment * roles[i].endowment
