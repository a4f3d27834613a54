"""What to do in NoisyTesting, exactly: equation (2) solved backwards for every balance of answers that can be reached.

After r steps a balance d_i is between -r and r, so what is known of all states after r steps are arrays with one axis
of 2 r + 1 entries for each test.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from payoff.envs.core.state import Array

if TYPE_CHECKING:
    from payoff.envs.sparse.noisy_testing import NoisyTestingParams

__all__ = ["MOST_SOLVED", "best_actions", "solution", "values_at"]

MOST_SOLVED = 20_000_000  # balances


@lru_cache(maxsize=8)
def solution(params: NoisyTestingParams) -> tuple[Array, ...]:
    """V of equation (2) after r steps, for every r: arrays with k axes of 2 r + 1 balances.

    Raises:
        ValueError: there are too many balances.
    """
    if params.balances > MOST_SOLVED:
        raise ValueError(
            f"max_steps and tests must make at most {MOST_SOLVED:,} balances to be solved, got more with "
            f"max_steps={params.horizon} and tests={params.tests}"
        )
    values: list[Array] = []
    for radius in range(params.horizon - 1, -1, -1):
        values.append(_action_values(params, radius, values[-1] if values else None).max(axis=0))
    return tuple(values[::-1])


def best_actions(params: NoisyTestingParams) -> Array:
    """Best actions at every balance as a set, ``(balances,)`` int64.

    Layer by layer from the last step left to the first; within a layer, the first test's balance is the slowest.
    """
    values = solution(params)
    found = []
    for radius in range(params.horizon - 1, -1, -1):
        later = values[radius + 1] if radius + 1 < params.horizon else None
        q = _action_values(params, radius, later).reshape(params.tests + 1, -1)
        best = q >= q.max(axis=0) - 1e-12
        actions = (best[:-1] << (params.hypotheses + np.arange(params.tests))[:, None]).sum(axis=0)
        facts = [np.broadcast_to(p, (2 * radius + 1,) * params.tests).ravel() for p in _facts_at(params, radius)]
        for h in range(params.hypotheses):
            likely = [p >= 0.5 - 1e-12 if h >> j & 1 else p <= 0.5 + 1e-12 for j, p in enumerate(facts)]
            actions |= (best[-1] & np.logical_and.reduce(likely)).astype(np.int64) << h
        found.append(actions)
    return np.concatenate(found)


def values_at(params: NoisyTestingParams, taken: int, balance: Array, belief: Array) -> Array:
    """Expected return of each action in one state, ``(m + k,)``.

    Args:
        params: parameters.
        taken: steps taken.
        balance: ``(k,)``.
        belief: ``(m,)`` probabilities of the hypotheses.

    Raises:
        ValueError: there are too many balances.
    """
    values, tests = solution(params), -params.prices
    if taken + 1 < params.horizon:
        at, later = balance + taken, values[taken + 1]
        for i, q in enumerate(params.accuracies):
            fact = belief[(np.arange(params.hypotheses) >> i % params.facts & 1) == 1].sum()
            positive = q * fact + (1.0 - q) * (1.0 - fact)
            up, down = (later[tuple(x + 1 + d * (a == i) for a, x in enumerate(at.tolist()))] for d in (1, -1))
            tests[i] += positive * up + (1.0 - positive) * down
    return np.concatenate([belief, tests])


def _facts_at(params: NoisyTestingParams, radius: int) -> list[Array]:
    """Probability of each fact at all balances from -radius to radius: b arrays that broadcast over k axes."""
    odds = np.log(params.accuracies / (1.0 - params.accuracies))
    found = []
    for j in range(params.facts):
        evidence = np.zeros((1,) * params.tests)
        for i in range(j, params.tests, params.facts):
            along = np.arange(-radius, radius + 1).reshape([-1 if a == i else 1 for a in range(params.tests)])
            evidence = evidence + odds[i] * along
        found.append(1.0 / (1.0 + np.exp(-evidence)))
    return found


def _action_values(params: NoisyTestingParams, radius: int, later: Array | None) -> Array:
    """Expected return of each test and of the likeliest name at all balances, ``(k + 1, 2 radius + 1, ...)``.

    Args:
        params: parameters.
        radius: steps taken.
        later: values of all balances one step later, or None when no step is left then.
    """
    k = params.tests
    shape = (2 * radius + 1,) * k
    facts = _facts_at(params, radius)
    found = np.empty((k + 1, *shape))
    found[k] = np.prod(np.broadcast_arrays(*(np.maximum(p, 1.0 - p) for p in facts)), axis=0)
    for i, (q, price) in enumerate(zip(params.accuracies, params.prices, strict=True)):
        found[i] = -price
        if later is not None:
            fact = facts[i % params.facts]
            positive = q * fact + (1.0 - q) * (1.0 - fact)
            up, down = (
                later[tuple(slice(1 + d * (a == i), 2 * radius + 2 + d * (a == i)) for a in range(k))] for d in (1, -1)
            )
            found[i] += positive * up + (1.0 - positive) * down
    return found
