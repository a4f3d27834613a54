"""Bootstrapped shaping (BSRS): the learner's own value, scaled, as the potential.

(1) Phi = eta V, with V what the learner believes now
(2) target of Q(s, a): r + eta (gamma V(s') - V(s)) + gamma V(s') = r + gamma (1 + eta) V(s') - eta V(s)
(3) fixed point V~ = V* / (1 + eta), since (1 + eta) V~ solves the equation that V* solves; Q~ = Q* - eta V~, so that
    greedy actions are the same

By (2) one sweep multiplies distances by at most gamma |1 + eta| + |eta|. That is gamma + (1 + gamma) eta for eta >= 0
and gamma + (1 - gamma) |eta| for -1 < eta < 0, both below 1 if

(4) -1 < eta < (1 - gamma) / (1 + gamma)

(4) is sufficient, not necessary: at gamma = 0.9 it asks for eta < 0.0526, and sweeps often converge beyond that.

Source: Adamczyk et al. (AAAI 2025); (4) is derived here. Unverified: their claim that it speeds up training on Atari.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from payoff.envs.core.params import check_number
from payoff.wrappers.potential.shaping import PotentialShaping, from_value

__all__ = ["BootstrappedShaping", "largest_eta"]


def largest_eta(gamma: float) -> float:
    """The bound (1 - gamma) / (1 + gamma) of equation (4).

    Raises:
        ValueError: gamma outside [0, 1].
    """
    check_number("gamma", gamma, 0.0, 1.0)
    return (1.0 - gamma) / (1.0 + gamma)


class BootstrappedShaping(PotentialShaping):
    """r' = r + gamma eta V(s') - eta V(s), with V asked once for each state, on arrival.

    The potential changes while the learner learns; what was added on arrival is taken back on departure, so that the
    sum telescopes (equation (4) of :mod:`payoff.wrappers.potential.shaping`). The update (2) asks for V(s) at departure
    instead; the fixed point is the same. Tabular learners have (2) as an option (``payoff.baselines.q_learning``).

    Args:
        value: the learner's value function; see :func:`payoff.wrappers.potential.shaping.from_value`.
        eta: above -1; at most :func:`largest_eta` to be sure of convergence (:attr:`contracts`).
        gamma: the learner's own discount, in (0, 1].
        on_truncation: ``"bootstrap"`` or ``"terminal"``; see :class:`PotentialShaping`.

    Raises:
        TypeError: ``value`` cannot be called.
        ValueError: another argument is out of its range.
    """

    def __init__(
        self,
        value: Callable[[Any], Any],
        *,
        eta: float,
        gamma: float,
        on_truncation: Literal["bootstrap", "terminal"],
    ) -> None:
        check_number("eta", eta, -1.0, open_low=True)
        super().__init__(from_value(value), gamma=gamma, on_truncation=on_truncation, scale=eta)

    @property
    def eta(self) -> float:
        """Weight of the value."""
        return self.scale

    @property
    def contracts(self) -> bool:
        """Whether condition (4) holds."""
        return self.eta < largest_eta(self.gamma)
