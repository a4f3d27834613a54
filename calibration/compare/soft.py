"""Policies that trade reward against divergence from a reference policy, solved exactly.

(1) maximise E sum gamma^t (R - KL(pi(.|s_t) | pi0(.|s_t)) / beta)
(2) pi(a|s) = pi0(a|s) exp(beta Q(s, a)) / Z(s),  Q(s, a) = E[R + gamma V(S')],  V(s) = log Z(s) / beta

beta is the inverse temperature: 0 is the reference itself, infinity an optimal policy. With a uniform reference (1) is
entropy regularisation at temperature 1 / beta, since KL to the uniform policy is log A minus the entropy.

Source: (2) is the usual solution of (1), see Levine, "Reinforcement Learning and Control as Probabilistic Inference"
(arXiv 1805.00909), unverified: not checked there equation by equation; tests check (2) against (1).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from payoff.calibration.compare.model import TabularModel, uniform
from payoff.calibration.compare.regret import as_probabilities
from payoff.envs.core.params import check_number
from payoff.envs.core.state import Array

__all__ = ["divergence", "soft_optimal"]

_MOST_IMPROVEMENTS = 1000


def soft_optimal(reward: Any, model: TabularModel, beta: float, *, reference: Any = None) -> Array:
    """The policy (2), by improving on its own regularised value until it no longer changes.

    Args:
        reward: see :meth:`TabularModel.align`.
        model: the setting.
        beta: inverse temperature, in [0, 1e12], per unit of reward.
        reference: pi0, ``(S,)`` or ``(S, A)``; None: uniform. Actions that it never takes are never taken.

    Returns:
        ``(S, A)`` probabilities.

    Raises:
        ValueError: beta or reference is not allowed, or the policy did not settle.
    """
    check_number("beta", beta, 0.0)
    start = uniform(model) if reference is None else as_probabilities(model, reference)
    mean = model.mean(model.align(reward))
    with np.errstate(divide="ignore"):
        log_start = np.log(start)
    policy, before = start, np.full(start.shape, np.inf)
    if beta == 0.0:
        return policy
    for _ in range(_MOST_IMPROVEMENTS):
        regularised = (policy * mean).sum(axis=1) - _kl(policy, start) / beta
        q = mean + model.gamma * model.ahead(model.solve(policy, regularised))
        score = log_start + beta * q
        score = np.exp(score - score.max(axis=1, keepdims=True))
        policy = np.asarray(score / score.sum(axis=1, keepdims=True))
        # rounding of the divergence, which counts 1 / beta times, moves q however small the step
        if np.abs(q - before).max() <= 1e-14 * (np.abs(q).max() + 1.0 / beta) / (1.0 - model.gamma):
            return policy
        before = q
    raise ValueError(f"the policy at beta={beta:g} did not settle in {_MOST_IMPROVEMENTS} improvements")


def _kl(policy: Array, reference: Array) -> Array:
    """KL(pi(.|s) | pi0(.|s)) ``(S,)``, infinite where pi does what pi0 never does."""
    taken = policy > 0.0
    with np.errstate(divide="ignore"):
        ratio = np.divide(policy, reference, out=np.ones(policy.shape), where=taken)
    found: Array = np.where(taken, policy * np.log(ratio), 0.0).sum(axis=1)
    return found


def divergence(model: TabularModel, policy: Any, reference: Any = None) -> float:
    """E_pi sum gamma^t KL(pi(.|s_t) | pi0(.|s_t)), in nats; terminal states, where nothing is chosen, do not count.

    It is the discounted divergence of the two distributions over trajectories.

    Args:
        model: the setting.
        policy: pi, ``(S,)`` or ``(S, A)``.
        reference: pi0 likewise; None: uniform.
    """
    play = as_probabilities(model, policy)
    start = uniform(model) if reference is None else as_probabilities(model, reference)
    at = model.solve(play, model.initial, backward=True)
    return float((at * np.where(model.terminal, 0.0, _kl(play, start)))[at > 0.0].sum())
