"""Inequity aversion: a reward layer that minds being behind and being ahead."""

from __future__ import annotations

from dataclasses import dataclass

from payoff.envs.core.jit import jit
from payoff.envs.core.params import check_number
from payoff.envs.core.rule import Happened
from payoff.envs.rewards.base import Layer

__all__ = ["InequityAversion"]


@jit
def inequity_aversion(me: InequityAversion, i: int, t: Happened) -> float:
    """Reward of seat i."""
    n = t.payoff.shape[0]
    if n == 1:
        return t.payoff[i]
    behind = 0.0
    ahead = 0.0
    for j in range(n):
        behind += max(t.payoff[j] - t.payoff[i], 0.0)
        ahead += max(t.payoff[i] - t.payoff[j], 0.0)
    return t.payoff[i] - (me.alpha * behind + me.beta * ahead) / (n - 1)


@dataclass(frozen=True, slots=True)
class InequityAversion(Layer):
    """Fehr and Schmidt (1999): pi_i - alpha mean_j max(pi_j - pi_i, 0) - beta mean_j max(pi_i - pi_j, 0), j != i.

    A single seat is told its payoff.

    Attributes:
        alpha: dislike of being behind; default: mean of the distribution in that paper (from memory, unverified).
        beta: dislike of being ahead; likewise.
    """

    alpha: float = 0.85
    beta: float = 0.315

    rule = inequity_aversion

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("alpha", self.alpha, 0.0)
        check_number("beta", self.beta, 0.0)
