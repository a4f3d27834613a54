"""The policy cliff: how far an optimal policy moves when the reward changes by at most epsilon.

Which policy is optimal is no continuous function of the reward: where two actions are nearly as good, a nudge swaps
them. For any change of the reward by at most epsilon per transition,

(1) Q* moves by at most epsilon / (1 - gamma), so only actions with V*(s) - Q*(s, a) <= 2 epsilon / (1 - gamma) can
    become optimal, and following the new optimum loses at most 2 epsilon / (1 - gamma) of the old return.
(2) Policies at temperature tau, pi(a|s) in proportion to exp(Q(s, a) / tau), move by |pi - pi'|_1 <= |Q - Q'| / tau,
    and so, with the soft Q, by at most epsilon / (tau (1 - gamma)) in every state: they have no cliff.

Source: the effect and the cure are those of work on the policy cliff that we know from an abstract (unverified: its
exact statement); (1) and (2) are derived here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.calibration.compare.model import TabularModel
from payoff.calibration.compare.regret import optimal_policy, q_values, returns, values, visits
from payoff.calibration.compare.soft import soft_optimal
from payoff.envs.core.params import check_integer, check_number
from payoff.envs.core.state import Array

__all__ = ["CliffReport", "action_gaps", "policy_cliff"]


@dataclass(frozen=True, slots=True, eq=False)
class CliffReport:
    """How an optimal policy answers changes of the reward by at most epsilon.

    States are weighed by how often the optimal policy visits them (discounted, terminal states left out), so that
    shares are in [0, 1]. "Found" numbers are the worst over the changes that were tried; more may be possible.

    Attributes:
        epsilon: largest change of a transition's reward.
        temperature: tau of the regularised policy.
        gaps: ``(S,)`` V* minus the second best Q*; infinite in terminal states and where there is one action.
        near: ``(S, A)`` bool, actions that (1) does not rule out.
        open_share: share of visits in states where more than one action is near.
        moved_share: share of visits in states where a change that was tried makes another action optimal; found.
        lost: return under the unchanged reward that following a changed one loses; found.
        lost_bound: by (1).
        soft_moved: largest |pi - pi'|_1 of the regularised policy; found.
        soft_bound: by (2); never above 2, the largest distance there is.
    """

    epsilon: float
    temperature: float
    gaps: Array
    near: Array
    open_share: float
    moved_share: float
    lost: float
    lost_bound: float
    soft_moved: float
    soft_bound: float

    def histogram(self, edges: Any) -> Array:
        """Number of states whose gap lies between successive ``edges``."""
        counts: Array = np.histogram(self.gaps[np.isfinite(self.gaps)], edges)[0]
        return counts


def action_gaps(reward: Any, model: TabularModel) -> Array:
    """V*(s) minus the second largest Q*(s, a), ``(S,)``; infinite where nothing is chosen."""
    r = model.align(reward)
    return _gaps(q_values(r, model, values(r, model, optimal_policy(r, model))), model)


def _gaps(q: Array, model: TabularModel) -> Array:
    if model.n_actions == 1:
        return np.full(model.n_states, np.inf)
    ordered = np.sort(q, axis=1)
    return np.where(model.terminal, np.inf, ordered[:, -1] - ordered[:, -2])


def policy_cliff(
    reward: Any, model: TabularModel, epsilon: float, *, temperature: float, tries: int = 16, seed: int = 0
) -> CliffReport:
    """How far optimal and regularised policies move.

    The changes that are tried are one aimed at the optimal policy, which takes epsilon from each of its actions and
    gives it to the others, and random ones of plus or minus epsilon on every transition.

    Args:
        reward: see :meth:`TabularModel.align`.
        model: the setting.
        epsilon: largest change of a transition's reward, above 0.
        temperature: tau, above 0, in units of reward.
        tries: number of random changes.
        seed: of the random changes.

    Raises:
        ValueError: an argument is out of its range, or something does not fit the model.
    """
    check_number("epsilon", epsilon, 0.0, open_low=True)
    check_number("temperature", temperature, 0.0, open_low=True)
    check_integer("tries", tries, 0)
    check_integer("seed", seed, 0)
    r = model.align(reward)
    policy = optimal_policy(r, model)
    q = q_values(r, model, values(r, model, policy))
    slack = 1e-12 * np.abs(q).max()
    far = epsilon / (1.0 - model.gamma)
    near = q >= q.max(axis=1, keepdims=True) - 2.0 * far - slack
    at = np.where(model.terminal, 0.0, visits(model, policy).sum(axis=(1, 2)))
    at = at / at.sum() if at.sum() > 0.0 else at
    moved, lost, soft_moved = 0.0, 0.0, 0.0
    own, calm = returns(r, model, policy), soft_optimal(r, model, 1.0 / temperature)
    for change in _changes(model, policy, epsilon, tries, seed):
        other = optimal_policy(r + change, model, start=policy)
        moved = max(moved, float(at[other != policy].sum()))
        lost = max(lost, own - returns(r, model, other))
        soft = soft_optimal(r + change, model, 1.0 / temperature)
        soft_moved = max(soft_moved, float(np.abs(soft - calm).sum(axis=1).max()))
    return CliffReport(
        epsilon=epsilon,
        temperature=temperature,
        gaps=_gaps(q, model),
        near=near,
        open_share=float(at[near.sum(axis=1) > 1].sum()),
        moved_share=moved,
        lost=lost,
        lost_bound=2.0 * far,
        soft_moved=soft_moved,
        soft_bound=min(2.0, far / temperature),
    )


def _changes(model: TabularModel, policy: Array, epsilon: float, tries: int, seed: int) -> list[Array]:
    """Changes ``(S, A, K)`` of the reward, aligned."""
    aimed = np.where(np.arange(model.n_actions) == policy[:, None], -epsilon, epsilon)
    rng = np.random.default_rng(seed)
    shape = model.next_state.shape
    return [model.align(aimed), *(model.align(epsilon * rng.choice([-1.0, 1.0], shape)) for _ in range(tries))]
