"""Chance after the reset, in a form that an exact model can enumerate.

A game whose steps are random draws one outcome a step, by number, from probabilities that are the same in every state
(``Game.chance``); what the outcome means is the game's business. Its state has a field ``forced``: 0 draws, k + 1 takes
outcome k instead, which is how :func:`payoff.envs.mdp.as_mdp` meets every successor.
"""

from __future__ import annotations

from payoff.envs.core import rng
from payoff.envs.core.jit import jit

__all__ = ["FORCED", "outcome"]

FORCED = "forced"  # name of the state field, of shape ()


@jit
def outcome(row, at_forced, probability):
    """Number of this step's outcome; clears ``row[at_forced]``.

    Args:
        row: ``(S,)`` state; a draw advances its counter.
        at_forced: column of the field ``forced``.
        probability: ``(K,)``, sums to one.
    """
    forced = int(row[at_forced])
    if forced > 0:
        row[at_forced] = 0.0
        return forced - 1
    u = rng.uniform(row)
    last = probability.shape[0] - 1
    for k in range(last):
        u -= probability[k]
        if u < 0.0:
            return k
    return last
