"""What a Markov reward can express: which orderings of the policies of a small process it reproduces.

(1) J(pi) = sum_{s, a} d_pi(s, a) R(s, a),  d_pi(s, a) = E sum_t gamma^t [s_t = s, a_t = a]

A Markov reward orders policies by a linear function of their occupancies d_pi. It can order them as asked exactly if
some R has <d_i - d_j, R> > 0 wherever i is better than j, and = 0 wherever they tie. After the ties are projected out
that is a question about a convex hull: R exists where the shortest vector in the hull of the d_i - d_j is not zero, and
then that vector is such an R. Orderings by formalism: Subramani et al. (arXiv 2310.11840); which orderings Markov
rewards have: Abel et al. (NeurIPS 2021).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from payoff.envs.core.params import check_integer, check_number
from payoff.wrappers.objectives.min_norm import min_norm_weights
from payoff.wrappers.rows import Array

if TYPE_CHECKING:  # the arrays are all that is needed
    from payoff.envs.mdp import MDP

__all__ = ["deterministic_policies", "markov_reward", "occupancies"]


def deterministic_policies(mdp: MDP, *, most: int = 100_000) -> Array:
    """All deterministic policies, ``(N, S)`` actions; terminal states have action 0.

    Args:
        mdp: the process.
        most: give up beyond this many.

    Raises:
        ValueError: there are more.
    """
    check_integer("most", most, 1)
    free = int((~mdp.terminal).sum())
    if mdp.n_actions**free > most:
        raise ValueError(f"the process has {mdp.n_actions} ** {free} deterministic policies, more than most={most}")
    policies = np.zeros((mdp.n_actions**free, mdp.n_states), dtype=np.int64)
    policies[:, ~mdp.terminal] = list(itertools.product(range(mdp.n_actions), repeat=free))
    return policies


def occupancies(mdp: MDP, policies: Array, gamma: float) -> Array:
    """Discounted occupancies d_pi of (1), ``(N, S, A)``; terminal states have none.

    Args:
        mdp: the process.
        policies: ``(N, S)`` actions.
        gamma: discount, in [0, 1).

    Raises:
        ValueError: gamma is out of its range.
    """
    check_number("gamma", gamma, 0.0, 1.0, open_high=True)
    transition, _ = mdp.dense()
    answer = np.zeros((len(policies), mdp.n_states, mdp.n_actions))
    rows = np.arange(mdp.n_states)
    for found, policy in zip(answer, policies, strict=True):
        chain = np.where(mdp.terminal[:, None], 0.0, transition[rows, policy])
        visits = np.linalg.solve(np.eye(mdp.n_states) - gamma * chain.T, mdp.initial)
        found[rows, policy] = np.where(mdp.terminal, 0.0, visits)
    return answer


def markov_reward(occupancy: Array, scores: Array, *, tolerance: float = 1e-6) -> Array | None:
    """A Markov reward that orders policies as scores do, or None where there is none.

    Args:
        occupancy: ``(N, ...)`` from :func:`occupancies`.
        scores: ``(N,)`` what is wanted of each policy; scores within ``tolerance`` of each other tie.
        tolerance: lengths and scores up to this count as 0.

    Returns:
        ``(...)`` reward of each entry, with sums ``(occupancy * R).sum()`` in the order of the scores, or None.

    Raises:
        ValueError: shapes that do not fit.
    """
    flat, scores = np.reshape(occupancy, (len(occupancy), -1)), np.asarray(scores, dtype=np.float64)
    if scores.shape != flat.shape[:1]:
        raise ValueError(f"scores must have shape {flat.shape[:1]}, got {scores.shape}")
    order = np.argsort(scores, kind="stable")
    steps = list(itertools.pairwise(order.tolist()))  # neighbours are enough: the rest follows by adding up
    ties = [flat[j] - flat[i] for i, j in steps if scores[j] - scores[i] <= tolerance]
    gaps = np.array([flat[j] - flat[i] for i, j in steps if scores[j] - scores[i] > tolerance])
    if not len(gaps):
        return np.zeros(np.shape(occupancy)[1:])
    if ties:
        _, size, basis = np.linalg.svd(np.array(ties), full_matrices=False)
        basis = basis[size > tolerance]
        gaps = gaps - gaps @ basis.T @ basis
    shortest: Array = min_norm_weights(gaps @ gaps.T) @ gaps
    if float(np.linalg.norm(shortest)) <= tolerance:
        return None
    return shortest.reshape(np.shape(occupancy)[1:])
