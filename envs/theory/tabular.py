"""Exact solution of finite Markov decision processes.

With states s, actions a, outcomes k of probability p, reward r and successor s', discount gamma in (0, 1]:

(1) Q(s, a) = sum_k p (r + gamma V(s')),  V(s) = max_a Q(s, a),  V(terminal) = 0    optimality
(2) V_pi(s) = sum_a pi(a|s) Q_pi(s, a)                                             evaluation of a policy
(3) V_h(s) = sum_a pi(a|s) sum_k p (r + gamma V_{h-1}(s')),  V_0 = 0               h steps left

The residual of a value function is the largest change that one more application of its equation makes. With gamma < 1
the distance from the true value is at most residual / (1 - gamma). With gamma = 1, sweeps start at zero: where rewards
are not negative they rise to the least solution, which is the value; elsewhere every policy must come to an end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from payoff.envs.core.params import check_integer, check_number
from payoff.envs.core.state import Array

if TYPE_CHECKING:  # the solvers need arrays only
    from payoff.envs.mdp import MDP

__all__ = [
    "Solution",
    "evaluate",
    "finite_horizon",
    "policy_iteration",
    "q_values",
    "success_probability",
    "uniform_policy",
    "value_iteration",
]


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """Values and a greedy policy.

    Attributes:
        values: ``(S,)``.
        policy: ``(S,)`` int64, of equally good actions the first.
        residual: largest change of a value that one more sweep of (1) makes.
        sweeps: sweeps of value iteration, or improvements of policy iteration.
        gamma: discount.
    """

    values: Array
    policy: Array
    residual: float
    sweeps: int
    gamma: float

    @property
    def error_bound(self) -> float:
        """Largest possible distance from the optimal values; infinite without discounting unless the residual is 0."""
        if self.residual == 0.0:
            return 0.0
        return float(np.inf) if self.gamma == 1.0 else self.residual / (1.0 - self.gamma)


def uniform_policy(mdp: MDP) -> Array:
    """Uniformly random play ``(S, A)``."""
    return np.full((mdp.n_states, mdp.n_actions), 1.0 / mdp.n_actions)


def q_values(mdp: MDP, values: Array, gamma: float) -> Array:
    """Action values ``(S, A)`` of one step followed by ``values`` ``(S,)``, equation (1)."""
    later = np.where(mdp.terminal, 0.0, values)
    answer: Array = (mdp.probability * (mdp.reward + gamma * later[mdp.next_state])).sum(axis=2)
    return answer


def value_iteration(mdp: MDP, gamma: float, *, tolerance: float = 1e-12, max_sweeps: int = 100_000) -> Solution:
    """Sweep (1) from zero until no value changes by more than ``tolerance``, or ``max_sweeps`` times.

    Raises:
        ValueError: gamma outside (0, 1].
    """
    check_number("gamma", gamma, 0.0, 1.0, open_low=True)
    check_integer("max_sweeps", max_sweeps, 1)
    values = np.zeros(mdp.n_states)
    for sweep in range(max_sweeps + 1):
        q = q_values(mdp, values, gamma)
        better = q.max(axis=1)
        residual = float(np.abs(better - values).max())
        if residual <= tolerance or sweep == max_sweeps:
            break
        values = better
    return Solution(values, q.argmax(axis=1), residual, sweep, gamma)


def policy_iteration(mdp: MDP, gamma: float, *, max_improvements: int = 1000) -> Solution:
    """Evaluate (2) and improve until the policy no longer changes; an action is kept unless another is better.

    Args:
        mdp: model.
        gamma: below 1, since a policy on the way may never reach a terminal state.
        max_improvements: stop there; the residual tells.

    Raises:
        ValueError: gamma outside (0, 1).
    """
    check_number("gamma", gamma, 0.0, 1.0, open_low=True, open_high=True)
    policy = np.zeros(mdp.n_states, dtype=np.int64)
    states = np.arange(mdp.n_states)
    for improvement in range(max_improvements + 1):
        values = evaluate(mdp, policy, gamma)
        q = q_values(mdp, values, gamma)
        gain = q.max(axis=1) - q[states, policy]
        better = gain > 1e-12 * (1.0 + np.abs(values))  # above the rounding of the evaluation
        if not better.any() or improvement == max_improvements:
            break
        policy = np.where(better, q.argmax(axis=1), policy)
    return Solution(values, policy, float(np.abs(q.max(axis=1) - values).max()), improvement, gamma)


def _probabilities(mdp: MDP, policy: Array) -> Array:
    """A policy as ``(S, A)`` probabilities.

    Raises:
        ValueError: neither ``(S,)`` action numbers nor ``(S, A)`` rows that sum to 1.
    """
    policy = np.asarray(policy)
    if policy.shape == (mdp.n_states,) and np.issubdtype(policy.dtype, np.integer):
        if policy.min() < 0 or policy.max() >= mdp.n_actions:
            span = f"{policy.min()} .. {policy.max()}"
            raise ValueError(f"policy must hold actions in 0 .. {mdp.n_actions - 1}, got {span}")
        chosen: Array = np.eye(mdp.n_actions)[policy]
        return chosen
    if policy.shape != (mdp.n_states, mdp.n_actions):
        raise ValueError(
            f"policy must be integers of shape ({mdp.n_states},) or probabilities of shape "
            f"({mdp.n_states}, {mdp.n_actions}), got {policy.dtype} {policy.shape}"
        )
    if not (policy >= 0.0).all() or not np.allclose(policy.sum(axis=1), 1.0, rtol=0.0, atol=1e-9):
        raise ValueError("policy must hold probabilities: not negative, and each row summing to 1")
    return np.asarray(policy, dtype=np.float64)


def evaluate(mdp: MDP, policy: Array, gamma: float, *, tolerance: float = 1e-13, max_sweeps: int = 1_000_000) -> Array:
    """Value ``(S,)`` of a policy, equation (2), by sweeps from zero until they change nothing but the last digits.

    Args:
        mdp: model.
        policy: ``(S,)`` actions or ``(S, A)`` probabilities.
        gamma: discount.
        tolerance: residual to reach, times one plus the largest value.
        max_sweeps: limit.

    Raises:
        ValueError: gamma or policy not allowed, or the residual is not reached (say, endless payments at gamma = 1).
    """
    check_number("gamma", gamma, 0.0, 1.0, open_low=True)
    chance = _probabilities(mdp, policy)
    values: Array = np.zeros(mdp.n_states)
    for _ in range(max_sweeps):
        better = (chance * q_values(mdp, values, gamma)).sum(axis=1)
        residual = float(np.abs(better - values).max())
        values = better
        if residual <= tolerance * (1.0 + np.abs(values).max()):
            return values
    raise ValueError(f"the policy's value did not settle in {max_sweeps} sweeps: residual {residual:g}")


def finite_horizon(mdp: MDP, policy: Array | None, horizon: int, gamma: float = 1.0) -> Array:
    """Expected return ``(S,)`` within ``horizon`` steps, equation (3); exact up to rounding.

    Args:
        mdp: model.
        policy: ``(S,)`` actions or ``(S, A)`` probabilities; None for the best action at every step.
        horizon: steps.
        gamma: discount.

    Raises:
        ValueError: horizon, gamma or policy not allowed.
    """
    check_integer("horizon", horizon, 0)
    check_number("gamma", gamma, 0.0, 1.0, open_low=True)
    chance = None if policy is None else _probabilities(mdp, policy)
    values = np.zeros(mdp.n_states)
    for _ in range(horizon):
        q = q_values(mdp, values, gamma)
        values = q.max(axis=1) if chance is None else (chance * q).sum(axis=1)
    return values


def success_probability(mdp: MDP, policy: Array, horizon: int) -> Array:
    """Probability ``(S,)`` that a policy solves the problem within ``horizon``; exact up to rounding.

    Solved means what ``mdp.solved`` says, or, where it says nothing, that a step was paid more than 0.

    Args:
        mdp: model.
        policy: ``(S,)`` actions or ``(S, A)`` probabilities.
        horizon: steps.

    Raises:
        ValueError: horizon or policy not allowed.
    """
    check_integer("horizon", horizon, 0)
    chance = _probabilities(mdp, policy)
    solved = mdp.reward > 0.0 if mdp.solved is None else mdp.solved
    values = np.zeros(mdp.n_states)
    for _ in range(horizon):
        ahead = (mdp.probability * np.where(solved, 1.0, values[mdp.next_state])).sum(axis=2)
        values = (chance * ahead).sum(axis=1)
    return values
