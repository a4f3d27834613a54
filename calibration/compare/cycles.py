r"""The best-paid way of never ending: what a reward pays per step to whoever goes round in circles for ever.

In the long run play that never ends makes each choice x(s, a) in a fixed share of all steps, and

(1) sum_a x(s, a) = sum_{s', a'} x(s', a') p(s | s', a'),  sum x = 1,  x >= 0,  x(s, a) = 0 where a may end the episode

so the most that a reward r can pay per step is the value of a linear programme, max sum x r under (1). Where actions
have one outcome each, that is the largest mean over the cycles of the model (Karp's). A task whose payoff is won by
ending it should have no cycle that is paid: an agent that is told to would rather go round than arrive.

Source: the programme is the textbook one for average reward (Puterman, Markov Decision Processes, chapter 9).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from payoff.calibration.compare.model import TabularModel
from payoff.envs.core.state import Array

__all__ = ["best_cycle"]


def best_cycle(
    reward: Any, model: TabularModel, *, among: Any = None, at_least: float = -np.inf
) -> tuple[float, Array] | None:
    """The largest mean reward per step of play that never ends.

    Args:
        reward: see :meth:`TabularModel.align`.
        model: the setting; its discount has no part in this. Every state of it counts as one that can be reached.
        among: another reward: only play that it pays ``at_least`` so much per step is looked at.
        at_least: see there.

    Returns:
        The mean, in units of reward per step, and the shares x ``(S, A)`` of the steps in which each choice is made.
        None where every episode ends, whatever is done, or none is paid so much.

    Raises:
        ValueError: a reward that does not fit the model.
        RuntimeError: the programme could not be solved.
    """
    from scipy.optimize import linprog  # a third of a second
    from scipy.sparse import coo_array

    paid = model.mean(model.align(reward))
    ends = (model.probability * model.terminal[model.next_state]).sum(axis=2) > 0.0
    s, a = np.nonzero(~ends & ~model.terminal[:, None])
    if not len(s):
        return None
    chance = model.probability[s, a]
    width = chance.shape[1]
    column = np.arange(len(s))
    row = np.concatenate([s, model.next_state[s, a].ravel(), np.full(len(s), model.n_states)])
    value = np.concatenate([np.ones(len(s)), -chance.ravel(), np.ones(len(s))])
    flow = coo_array((value, (row, np.concatenate([column, np.repeat(column, width), column]))))
    right = np.zeros(model.n_states + 1)
    right[-1] = 1.0
    flow.resize((model.n_states + 1, len(s)))
    floor: dict[str, Any] = {}
    if among is not None:
        floor = {"A_ub": -model.mean(model.align(among))[s, a][None], "b_ub": np.array([-at_least])}
    answer = linprog(-paid[s, a], A_eq=flow.tocsr(), b_eq=right, method="highs", **floor)
    if answer.status == 2:  # there is no such play
        return None
    if answer.status != 0:
        raise RuntimeError(f"the programme of the best-paid cycle was not solved: {answer.message}")
    shares = np.zeros(paid.shape)
    shares[s, a] = answer.x
    return float(-answer.fun), shares
