"""DRiP: difference rewards that incorporate potential-based shaping.

(1) r_i = D_i + gamma Phi(s') - Phi(s)

D_i as in :mod:`payoff.wrappers.multi_agent.difference`, Phi what somebody knows about the problem. Shaping changes no
equilibrium of the game under D; that game's own may differ from those under G.

Source: Devlin, Yliniemi, Kudenko and Tumer, "Potential-based difference rewards for multiagent reinforcement learning"
(AAMAS 2014), by its abstract.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from payoff.wrappers.base import Transition
from payoff.wrappers.multi_agent.team import Counterfactual, TeamMethod, Utility
from payoff.wrappers.potential.shaping import Potential, PotentialShaping
from payoff.wrappers.rows import Array

__all__ = ["DRiP"]


class DRiP(TeamMethod, PotentialShaping):
    """Each agent's reward becomes D_i + gamma Phi(s') - Phi(s): PotentialShaping around DifferenceReward, in one layer.

    Args:
        utility: G, Team -> ``(C,)``.
        counterfactual: G but for each agent, Team -> ``(C, N)``.
        potential: Phi, a function of rows as in :class:`payoff.wrappers.potential.shaping.PotentialShaping`.
        **shaping: ``gamma``, ``on_truncation``, ``scale`` and ``shift``, as there; the first two are required.

    Raises:
        TypeError: a function cannot be called, or a required keyword is missing.
        ValueError: another argument is out of its range.
    """

    def __init__(self, utility: Utility, counterfactual: Counterfactual, potential: Potential, **shaping: Any) -> None:
        PotentialShaping.__init__(self, potential, **shaping)
        TeamMethod.__init__(self, utility, counterfactual)

    def __call__(self, t: Transition) -> Array:
        """Shaped difference rewards; caches Phi of the states that were reached."""
        welfare, without = self.values(t)
        return PotentialShaping.__call__(self, replace(t, reward=welfare - without))
