"""Value creation of TR-1 (arXiv 2510.18802), as the published system evaluates it.

(1) individual value   f(a) = theta ln(1 + a), or in the power form max(a, 1e-10)^beta
(2) synergy            g(a) = (prod_i a_i)^(1/N), exactly 0 as soon as one a_i <= 1e-10
(3) total value        V(a) = sum_i f(a_i) + gamma g(a)
(4) private payoff     pi_i(a) = (e_i - a_i) + f(a_i) + alpha_i gamma g(a)      (TR-1 equation 11)

The sum of (4) over i is sum_i (e_i - a_i) + V(a) when the shares alpha add up to one.
"""

from __future__ import annotations

import math
from typing import Any

from payoff.envs.core.jit import jit

__all__ = ["individual", "private_payoffs", "synergy", "total"]


@jit
def individual(action: float, scale: float, exponent: float) -> float:
    """f(a), equation (1); ``action`` >= 0, ``scale`` is theta, ``exponent`` is beta, 0 for the logarithmic form."""
    if exponent > 0.0:
        return max(action, 1e-10) ** exponent
    return scale * math.log1p(action)


@jit
def synergy(action: Any) -> float:
    """g(a), equation (2), for ``action`` ``(N,)``."""
    total_log = 0.0
    for i in range(action.shape[0]):
        if action[i] <= 1e-10:
            return 0.0
        total_log += math.log(action[i])
    return math.exp(total_log / action.shape[0])


@jit
def total(action: Any, scale: float, exponent: float, complementarity: float) -> float:
    """V(a), equation (3), for ``action`` ``(N,)``."""
    value = complementarity * synergy(action)
    for i in range(action.shape[0]):
        value += individual(action[i], scale, exponent)
    return value


@jit
def private_payoffs(
    roles: Any, action: Any, scale: float, exponent: float, complementarity: float, payoff: Any
) -> None:
    """pi_i(a), equation (4).

    Args:
        roles: ``(N,)`` records with ``endowment`` (e) and ``share`` (alpha).
        action: ``(N,)`` native actions.
        scale: theta.
        exponent: beta, 0 for the logarithmic form.
        complementarity: gamma.
        payoff: ``(N,)`` modified in place.
    """
    surplus = complementarity * synergy(action)
    for i in range(action.shape[0]):
        a = action[i]
        payoff[i] = (roles[i].endowment - a) + individual(a, scale, exponent) + roles[i].share * surplus
