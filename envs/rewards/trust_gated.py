"""Reward layers that count the others' payoffs as far as one trusts them: the gate is g_ij = min(T_ij, 1 - R_ij).

T is trust and R reputation damage, both after the step. Without trust in a game T = 1, without damage R = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from payoff.envs.core.jit import inlined, jit
from payoff.envs.core.params import check_number
from payoff.envs.core.rule import Happened
from payoff.envs.rewards.base import Layer

__all__ = ["PublishedCooperative", "TrustIntegrated", "TrustReciprocal", "gated"]


@inlined
def gated(i: int, t: Happened) -> float:
    """pi_i + sum_{j != i} g_ij D_ij pi_j."""
    total = t.payoff[i]
    for j in range(t.payoff.shape[0]):
        if j != i:
            gate = 1.0
            if t.trust.shape[0] > 0:
                gate = t.trust[i, j]
                if t.reputation_damage.shape[0] > 0:
                    gate = min(gate, 1.0 - t.reputation_damage[i, j])
            total += gate * t.dependence[i, j] * t.payoff[j]
    return total


@jit
def trust_integrated(me: TrustIntegrated, i: int, t: Happened) -> float:
    """Reward of seat i."""
    return gated(i, t)


@dataclass(frozen=True, slots=True)
class TrustIntegrated(Layer):
    """r_i = pi_i + sum_j min(T_ij, 1 - R_ij) D_ij pi_j, trust after the step (published code, its "integrated")."""

    rule = trust_integrated
    uses_dependence = True


@jit
def published_cooperative(me: PublishedCooperative, i: int, t: Happened) -> float:
    """Reward of every seat."""
    n = t.payoff.shape[0]
    total = 0.0
    for k in range(n):
        total += gated(k, t)
    return total / n


@dataclass(frozen=True, slots=True)
class PublishedCooperative(Layer):
    """r_i = mean over k of k's trust-gated integrated utility (published code, its "cooperative")."""

    rule = published_cooperative
    shared = True
    uses_dependence = True


@jit
def trust_reciprocal(me: TrustReciprocal, i: int, t: Happened) -> float:
    """Reward of seat i."""
    n = t.payoff.shape[0]
    integrated = 0.0
    for j in range(n):
        integrated += (t.dependence[i, j] + 1.0 if j == i else t.dependence[i, j]) * t.payoff[j]
    goodwill = 0.0
    for j in range(n):
        if j != i:
            believed = t.trust[i, j] if t.trust.shape[0] > 0 else 1.0
            scale = t.high[j, 0] if me.normalized else 1.0
            goodwill += me.rho * believed * (t.action[j, 0] - t.neutral[j]) / scale * t.action[i, 0]
    return integrated + goodwill


@dataclass(frozen=True, slots=True)
class TrustReciprocal(Layer):
    """r_i = integrated + sum_j rho T_ij (a_j - b_j) a_i (TR-2, arXiv 2510.24909; equation-level form unverified).

    Attributes:
        rho: strength, the report sweeps 0.10 to 0.30.
        normalized: divide (a_j - b_j) by e_j; without it the term outgrows the payoffs on a scale of 100.
    """

    rho: float = 0.20
    normalized: bool = False

    rule = trust_reciprocal
    uses_dependence = True

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("rho", self.rho, 0.0)
