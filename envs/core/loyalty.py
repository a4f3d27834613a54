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

import numpy as np

from payoff.envs.core.jit import jit

__all__ = ["team_output", "theory_payoffs", "update"]


@jit
def update(p, seats, action, loyalty, single):
    """Equation (1), in place.

    Args:
        p: record with ``loyalty_gain``, ``loyalty_loss``, ``loyalty_cap``.
        seats: ``(N,)`` records with ``endowment``.
        action: ``(N, A)`` native actions.
        loyalty: ``(N,)`` theta.
        single: hold and update theta in float32, as published; it decides ties with a threshold.
    """
    for i in range(action.shape[0]):
        rate = np.float32(action[i, 0]) / np.float32(seats[i].endowment)  # as in the multipliers
        if single:
            loyalty[i] = _advance_single(
                np.float32(loyalty[i]), rate, np.float32(p.loyalty_gain), np.float32(p.loyalty_loss)
            )
        elif rate >= np.float32(0.5):
            loyalty[i] += p.loyalty_gain * rate
        else:
            loyalty[i] -= p.loyalty_loss * (0.5 - rate)
        loyalty[i] = min(p.loyalty_cap, max(0.0, loyalty[i]))


@jit
def _advance_single(loyalty, rate, gain, loss):
    """Equation (1) before it is clipped, every operation in float32."""
    if rate >= np.float32(0.5):
        return np.float64(loyalty + gain * rate)
    return np.float64(loyalty - loss * (np.float32(0.5) - rate))


@jit
def team_output(action, productivity, returns_to_scale):
    """Q(a), equation (3)."""
    effort = 0.0
    for i in range(action.shape[0]):
        effort += action[i, 0]
    return productivity * effort**returns_to_scale


@jit
def theory_payoffs(p, seats, action, loyalty, payoff):
    """Equation (4), plus e_i where ``p.keeps_endowment`` (public goods: what is not contributed is kept).

    Args:
        p: record with ``productivity`` (omega), ``returns`` (beta), ``effort_cost`` (c), ``benefit`` (phi_B),
            ``tolerance`` (phi_C), ``keeps_endowment``.
        seats: ``(N,)`` records with ``endowment``.
        action: ``(N, A)`` native efforts.
        loyalty: ``(N,)`` theta after this round's update.
        payoff: ``(N,)`` modified in place.
    """
    n = action.shape[0]
    share = team_output(action, p.productivity, p.returns) / n
    everyone = 0.0
    for i in range(n):
        everyone += share - p.effort_cost * action[i, 0]
    for i in range(n):
        own = share - p.effort_cost * action[i, 0]
        others = (everyone - own) / (n - 1) if n > 1 else 0.0
        payoff[i] = own + loyalty[i] * (p.benefit * others + p.tolerance * p.effort_cost * action[i, 0])
        payoff[i] += p.keeps_endowment * seats[i].endowment
