"""Chance after the reset, in a form that an exact model can enumerate.

A game whose steps are random draws one outcome a step, by number, from probabilities that are the same in every state
(``Game.chance``); what the outcome means is the game's business. Its state has a field ``forced``: 0 draws, k + 1 takes
outcome k instead, which is how :func:`payoff.envs.mdp.as_mdp` meets every successor.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from payoff.envs.core import rng
from payoff.envs.core.jit import jit
from payoff.envs.core.state import Array

__all__ = ["FORCED", "forced", "intended", "outcome", "slips"]

FORCED = "forced"  # name of the state field


@jit
def forced(s: Any) -> int:
    """Outcome that this step must take, -1 where it is drawn; clears ``s.forced``."""
    k = int(s.forced)
    s.forced = 0.0
    return k - 1


@jit
def outcome(s: Any, probability: Any) -> int:
    """Number of this step's outcome.

    Args:
        s: the copy, with a field ``forced``; a draw advances its counter.
        probability: ``(K,)``, sums to one.
    """
    k = forced(s)
    if k >= 0:
        return k
    u = rng.uniform(s)
    last = probability.shape[0] - 1
    for i in range(last):
        u -= probability[i]
        if u < 0.0:
            return i
    return last


@jit
def intended(s: Any, slip: float, n_actions: int, chosen: int) -> int:
    """The action that takes effect: with probability ``slip`` a uniformly drawn one replaces the chosen one.

    Outcome 0 is the chosen action, outcome k the action k - 1 instead; :func:`slips` has their probabilities.

    Args:
        s: the copy, with a field ``forced``; a draw advances its counter.
        slip: probability.
        n_actions: number of actions.
        chosen: action.
    """
    k = forced(s)
    if k < 0:
        k = 0
        u = rng.uniform(s) - (1.0 - slip)
        while u >= 0.0 and k < n_actions:
            k += 1
            u -= slip / n_actions
    return chosen if k == 0 else k - 1


def slips(slip: float, n_actions: int) -> Array:
    """Probabilities ``(1 + n_actions,)`` of the outcomes of :func:`intended`; ``(1,)`` where nothing slips."""
    return np.ones(1) if slip == 0.0 else np.array([1.0 - slip] + [slip / n_actions] * n_actions)
