"""Counterfactual as potential (CaP): the global utility, shaped by what it would have been without the agent.

(1) r_i = G + gamma Phi_i(s') - Phi_i(s)    (2) Phi_i(s') = scale G(z_{-i} U c_i), z the joint action that led to s'

(3) Phi_i = 0 where an episode begins and in terminal states

Every agent has a potential of its own, which its own action does not enter. As each number of (2) is taken once, on
arrival, and returned on departure, the discounted sum over an episode is that of G, for every agent and whatever all of
them do: so the game keeps its Nash equilibria, those in strategies that look back at earlier rounds included. That
difference rewards do not do.

A one-shot game has no s and learns nothing from this. In a repeated one Phi_i(s) is a number of the round before:
learners that see that round in their state can use it, to others it is noise. With ``scale=1``, the published sign,
the reward of a round holds that round's counterfactual with a plus; with ``scale=-1`` and gamma near 1 it is D_i plus
a number of the state in which agent i chose.

Source: Devlin, Yliniemi, Kudenko and Tumer, "Potential-based difference rewards for multiagent reinforcement learning"
(AAMAS 2014), by its abstract; unverified: which of the two joint actions around a state its Phi_i(s) refers to. That
potentials which change over time keep Nash equilibria: Devlin and Kudenko (AAMAS 2012).
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from payoff.envs.core.params import check_number, check_word
from payoff.wrappers.base import RowMethod, Transition
from payoff.wrappers.multi_agent.team import Counterfactual, TeamMethod, Utility
from payoff.wrappers.rows import Array

__all__ = ["CounterfactualPotential"]


class CounterfactualPotential(TeamMethod, RowMethod):
    """Each agent's reward becomes G + gamma Phi_i(s') - Phi_i(s), equations (1) to (3).

    It replaces the reward of the layer below, which stays in ``info["true_reward"]``. In a game whose payoffs differ,
    G is still the common utility; to shape each agent's own reward by a potential of its own see
    :class:`payoff.wrappers.multi_agent.method_per_agent.MethodPerAgent`.

    Args:
        utility: G, Team -> ``(C,)``.
        counterfactual: G but for each agent, Team -> ``(C, N)``.
        gamma: the learners' own discount, in (0, 1].
        on_truncation: ``"bootstrap"`` keeps Phi of a truncated state, for learners that bootstrap there; ``"terminal"``
            takes it as 0, for Monte-Carlo returns and finite-horizon problems.
        scale: factor on the counterfactual.

    Raises:
        TypeError: a function cannot be called.
        ValueError: another argument is out of its range.
    """

    term: ClassVar[str] = "shaping"

    def __init__(
        self,
        utility: Utility,
        counterfactual: Counterfactual,
        *,
        gamma: float,
        on_truncation: Literal["bootstrap", "terminal"],
        scale: float = 1.0,
    ) -> None:
        RowMethod.__init__(self)
        TeamMethod.__init__(self, utility, counterfactual)
        check_number("gamma", gamma, 0.0, 1.0, open_low=True)
        check_word("on_truncation", on_truncation, ("bootstrap", "terminal"))
        check_number("scale", scale, -np.inf)
        self.gamma = gamma
        self.on_truncation = on_truncation
        self.scale = scale

    def blank(self) -> dict[str, Array]:
        """``phi``: Phi of the row's current state."""
        return {"phi": np.zeros(())}

    def __call__(self, t: Transition) -> Array:
        """Shaped rewards; caches Phi of the states that were reached."""
        self.check_rows(t)
        welfare, without = self.values(t)
        zero = t.terminated | t.truncated if self.on_truncation == "terminal" else t.terminated
        arrived = np.where(zero, 0.0, self.scale * without)  # (3)
        phi = self.memory["phi"]
        shaped: Array = welfare + (self.gamma * arrived - phi)  # (1)
        self.memory["phi"] = np.where(t.active, arrived, phi)
        return shaped
