"""Difference rewards: what an agent's action was worth to all.

(1) D_i = G(z) - G(z_{-i} U c_i)

G is the utility of the joint action z, c_i a default of agent i: its absence, or a fixed action. The second term does
not depend on what agent i did. So whatever agent i does to raise D_i raises G by as much, and in a game of one step the
equilibria under D are those under G. In a game of several steps they need not be: what i does now changes what the
others do later, and with it the second terms of later steps.

Sources: Wolpert and Tumer (2001), "Optimal payoff functions for members of collectives", there the
wonderful life utility. Equation (1) as in the comparison of Devlin, Yliniemi, Kudenko and Tumer (AAMAS 2014), which is
known here by its abstract; unverified: the details of these papers.
"""

from __future__ import annotations

from typing import ClassVar

from payoff.wrappers.base import RowMethod, Transition
from payoff.wrappers.multi_agent.team import Counterfactual, TeamMethod, Utility
from payoff.wrappers.rows import Array

__all__ = ["DifferenceReward"]


class DifferenceReward(TeamMethod, RowMethod):
    """Each agent's reward becomes its difference reward D_i, equation (1).

    It replaces the reward of the layer below, which stays in ``info["true_reward"]``. Ends of episodes are steps like
    all others; the call that restarts a copy pays nothing.

    Args:
        utility: G, Team -> ``(C,)``; :func:`payoff.wrappers.multi_agent.utility.total_payoff` is the sum of payoffs.
        counterfactual: G but for each agent, Team -> ``(C, N)``.

    Raises:
        TypeError: one of them cannot be called.

    >>> from payoff.wrappers.multi_agent.utility import leave_out
    >>> def anybody_there(team):
    ...     return team.present.any(axis=1).astype(float)
    >>> method = DifferenceReward(anybody_there, leave_out(anybody_there))
    """

    term: ClassVar[str] = "shaping"

    def __init__(self, utility: Utility, counterfactual: Counterfactual) -> None:
        RowMethod.__init__(self)
        TeamMethod.__init__(self, utility, counterfactual)

    def blank(self) -> dict[str, Array]:
        """Nothing: D_i is a function of the step."""
        return {}

    def __call__(self, t: Transition) -> Array:
        """D of each row."""
        welfare, without = self.values(t)
        difference: Array = welfare - without
        return difference
