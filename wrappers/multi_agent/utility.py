"""Utilities of a team, and what they would have been but for one agent.

A utility is a function of a :class:`payoff.wrappers.multi_agent.team.Team`: C copies of N agents to G ``(C,)``. A
counterfactual gives G(z_{-i} U c_i) for every agent, ``(C, N)``. There are two ways to one:

- in closed form: :func:`leave_out` and :func:`replace_by` evaluate a utility N more times, without each agent or with a
  default action c_i of it. The utility must then work G out of ``team.action``, ``team.present`` and, in games with a
  state, ``team.obs``: the outcome of the step is known for the real actions only. Your own function that returns
  ``(C, N)`` at once can be N times as fast;
- by simulation: :func:`from_simulation` reads what :mod:`payoff.wrappers.multi_agent.simulation` has found by playing
  the step again with each agent's default, which needs no formula and takes N more steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.wrappers.multi_agent.team import Counterfactual, Team, Utility, one_each
from payoff.wrappers.rows import Array

__all__ = [
    "COUNTERFACTUAL",
    "LeaveOut",
    "ReplaceBy",
    "from_simulation",
    "leave_out",
    "replace_by",
    "total_payoff",
    "total_reward",
]

COUNTERFACTUAL = "counterfactual"  # key of `info`


def _over_present(values: Array, team: Team) -> Array:
    total: Array = np.where(team.present, values, 0.0).sum(axis=1)
    return total


def total_payoff(team: Team) -> Array:
    """G = sum of ``info["payoff"]`` of the agents present: welfare, whatever layer the rewards come from; ``(C,)``."""
    return _over_present(team.entry("payoff").astype(np.float64), team)


def total_reward(team: Team) -> Array:
    """G = sum of the rewards so far of the agents present; ``(C,)``."""
    return _over_present(team.reward, team)


def _closed_form(utility: Any) -> Utility:
    if not callable(utility):
        raise TypeError(f"utility must be a function of a Team, got {utility!r}")
    if utility in (total_payoff, total_reward):
        raise ValueError(
            f"utility {utility.__name__} reads what the real actions led to, and so does not change with other ones; "
            "give one that works from team.action, or see payoff.wrappers.multi_agent.simulation"
        )
    return utility  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class LeaveOut:
    """G without each agent; see :func:`leave_out`."""

    utility: Utility

    def __call__(self, team: Team) -> Array:
        """Counterfactual ``(C, N)``."""
        return np.stack([self.utility(team.without(i)) for i in range(team.present.shape[1])], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class ReplaceBy:
    """G with a default action of each agent; see :func:`replace_by`."""

    utility: Utility
    default: Any

    def __call__(self, team: Team) -> Array:
        """Counterfactual ``(C, N)``.

        Raises:
            ValueError: the defaults do not fit the actions of the team.
        """
        n = team.present.shape[1]
        defaults = one_each(self.default, n, np.asarray(team.action).shape[2:])
        return np.stack([self.utility(team.playing(i, defaults[i])) for i in range(n)], axis=1)


def leave_out(utility: Utility) -> Counterfactual:
    """G(z_{-i}): the utility without agent i. Costs N evaluations a step.

    Args:
        utility: Team -> ``(C,)``, which counts those agents only that are ``present``.

    Raises:
        TypeError: it cannot be called.
        ValueError: it reads the outcome instead of working it out.
    """
    return LeaveOut(_closed_form(utility))


def replace_by(utility: Utility, default: Any) -> Counterfactual:
    """G(z_{-i} U c_i): the utility with a default action of agent i. Costs N evaluations a step.

    Args:
        utility: Team -> ``(C,)``.
        default: c_i, one action for all agents or one each, ``(N, ...)``, as the environment takes them.

    Raises:
        TypeError: ``utility`` cannot be called.
        ValueError: it reads the outcome instead of working it out.
    """
    return ReplaceBy(_closed_form(utility), default)


def from_simulation(team: Team) -> Array:
    """What the simulation found, ``info["counterfactual"]``, ``(C, N)``; KeyError where nothing was simulated."""
    return team.entry(COUNTERFACTUAL).astype(np.float64)
