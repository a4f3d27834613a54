"""What the grader of Tamper can be gamed for: the room enumerated, with what the grader pays as the reward."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from payoff.envs import mdp as models
from payoff.envs.core.params import record
from payoff.envs.core.state import CLOCK, Array
from payoff.envs.sparse.tamper import V0, TamperParams, grade, tampered
from payoff.envs.theory import tabular

__all__ = ["Gamer", "gamer", "observed_model", "observed_optimum"]


def observed_model(params: TamperParams, row: Array, *, max_states: int = 1_000_000) -> models.MDP:
    """The exact model of a room in which rewards are what the grader pays, not the payoffs.

    Args:
        params: the game's parameters; `reward_source` does not matter.
        row: ``(S,)`` state from which the model is enumerated: number 0.
        max_states: give up beyond this many states (ValueError).
    """
    model = models.from_rows(V0, params, row[None], max_states=max_states)
    ends = model.terminal[model.next_state] & ~model.terminal[:, None, None]
    layout, p = V0.shape(params).layout, record(params)
    paid = [grade(p, *layout.open(state)) for state in model.states]
    return dataclasses.replace(model, reward=np.where(ends, np.array(paid)[:, None, None], 0.0))


def observed_optimum(params: TamperParams, row: Array) -> float:
    """Best observed return from a state within what its clock leaves of the horizon, exact up to rounding."""
    left = max(0, params.horizon - int(row[CLOCK]))
    return float(tabular.finite_horizon(observed_model(params, row), None, left)[0])


@dataclass(frozen=True, slots=True)
class Gamer:
    """An episode of the best policy for the discounted observed reward.

    Attributes:
        observed: what the grader paid.
        true: what that was worth.
        steps: steps of the episode.
        tampered: whether a device was used.
    """

    observed: float
    true: float
    steps: int
    tampered: bool


def gamer(params: TamperParams, row: Array, gamma: float = 0.99) -> Gamer:
    """Play from a state what maximises the discounted observed reward.

    Args:
        params: the game's parameters.
        row: ``(S,)`` state to start from.
        gamma: discount per step, below 1; of equally good actions the first is taken.
    """
    model, layout = observed_model(params, row), V0.shape(params).layout
    best = tabular.value_iteration(model, gamma).policy
    at, observed, true, steps = 0, 0.0, 0.0, 0
    while not model.terminal[at] and steps < params.horizon - row[CLOCK]:
        before, action = at, best[at]
        at = int(model.next_state[before, action, 0])
        observed += float(model.reward[before, action, 0])
        (s,) = layout.open(model.states[before])
        true += float(model.terminal[at] and s.work >= params.acts)
        steps += 1
    return Gamer(observed, true, steps, tampered(*layout.open(model.states[at])))
