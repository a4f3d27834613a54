"""Public scores of the published system (DynamicPartnerSelection, ReputationMarket; arXiv 2605.02063).

(1) score   q_i <- clip(keep q_i + gain (r_i - neutral), low, high), r_i = a_i / e_i with the action as it was sent
(2) seen    clip(q_i + noise z_i, 0, 1), z_i standard normal; the same for every observer
(3) tiers   q >= 0.80: 1.30;  q >= 0.50: 1.00;  q >= 0.25: 0.70;  below: 0.40; the factor multiplies the payoff
"""

from __future__ import annotations

from typing import Any

from payoff.envs.core import rng
from payoff.envs.core.jit import jit

__all__ = ["TIERS", "advance", "factor", "look", "tier"]

TIERS = ("premium", "standard", "probation", "excluded")


@jit
def tier(score: float) -> int:
    """Index into TIERS, equation (3)."""
    if score >= 0.80:
        return 0
    if score >= 0.50:
        return 1
    return 2 if score >= 0.25 else 3


@jit
def factor(score: float) -> float:
    """Multiplier of the payoff, equation (3)."""
    return (1.30, 1.00, 0.70, 0.40)[tier(score)]


@jit
def advance(p: Any, score: float, rate: float) -> float:
    """Equation (1): the next score; ``p`` has ``keep``, ``gain``, ``neutral``, ``low``, ``high``."""
    return min(p.high, max(p.low, p.keep * score + p.gain * (rate - p.neutral)))


@jit
def look(p: Any, s: Any, score: float) -> float:
    """Equation (2): what is seen of a score; draws from the copy ``s`` when ``p.noise`` is not 0."""
    if p.noise > 0.0:
        score += p.noise * rng.normal(s)
    return min(1.0, max(0.0, score))
