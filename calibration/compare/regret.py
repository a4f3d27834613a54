"""What following one reward can cost under another: returns, visits, regret, and bounds on it.

With eta(s, a, s') the expected discounted number of times that a policy makes a transition, J(pi) = <eta, R>. A
canonical form c of R changes all J by one number, so for s = c / n(c) and policies with J2(pi2) >= J2(pi1)

(1) J1(pi1) - J1(pi2) = <eta1 - eta2, c1> <= n(c1) |eta1 - eta2|_dual |s1 - s2|
(2) |eta1 - eta2|_dual <= 1 / (1 - gamma) for n = L1, sqrt(2) / (1 - gamma) for L2, 2 / (1 - gamma) for Linf

since c1 = n(c1) (s1 - s2 + s2), and <eta1 - eta2, s2> is not positive. The largest loss is known exactly: over the
convex set of visits, by duality of linear programmes,

(3) max {J1(pi1) - J1(pi2): J2(pi2) >= J2(pi1)} = min over lambda >= 0 of max J(R1 - lambda R2) - min J(R1 - lambda R2)

Sources: Skalse et al., "STARC" (arXiv 2309.15257) has the existence of a constant, and the normalised regret of optimal
policies; (1) and (2) are derived here, and so is (3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.calibration.compare.canonical import canonicalise, settled
from payoff.calibration.compare.distance import length, standardise, weights
from payoff.calibration.compare.model import TabularModel
from payoff.envs.core.params import check_word
from payoff.envs.core.state import Array

__all__ = [
    "Bound",
    "Span",
    "WorstLoss",
    "normalised_regret",
    "optimal_policy",
    "q_values",
    "regret_bound",
    "returns",
    "span",
    "values",
    "visits",
    "worst_case_regret",
]

_DUAL = {"l1": "linf", "l2": "l2", "linf": "l1"}
_CONSTANT = {"l1": 1.0, "l2": np.sqrt(2.0), "linf": 2.0}  # equation (2), times 1 - gamma
_MOST_CUTS = 200


def values(reward: Any, model: TabularModel, policy: Array) -> Array:
    """Value ``(S,)`` of a policy ``(S, A)`` of probabilities, or ``(S,)`` of actions."""
    play = as_probabilities(model, policy)
    return model.solve(play, (play * model.mean(model.align(reward))).sum(axis=1))


def q_values(reward: Any, model: TabularModel, later: Array) -> Array:
    """Action values ``(S, A)`` of one step followed by values ``later`` ``(S,)``."""
    return model.mean(model.align(reward)) + model.gamma * model.ahead(later)


def returns(reward: Any, model: TabularModel, policy: Array) -> float:
    """J: expected discounted return from the start distribution."""
    return float(model.initial @ values(reward, model, policy))


def visits(model: TabularModel, policy: Array) -> Array:
    """Eta ``(S, A, K)``: expected discounted number of times each transition is made; they sum to 1 / (1 - gamma).

    Padding is never made. An episode that has ended goes on in its terminal state, where nothing is paid.
    """
    play = as_probabilities(model, policy)
    at = model.solve(play, model.initial, backward=True)
    eta: Array = at[:, None, None] * play[:, :, None] * model.probability
    return eta


def as_probabilities(model: TabularModel, policy: Any) -> Array:
    """A policy as ``(S, A)`` probabilities.

    Raises:
        ValueError: neither ``(S,)`` actions nor ``(S, A)`` rows of probabilities.
    """
    given = np.asarray(policy)
    n, n_actions = model.n_states, model.n_actions
    if given.shape == (n,) and np.issubdtype(given.dtype, np.integer):
        if given.min() < 0 or given.max() >= n_actions:
            raise ValueError(f"policy must hold actions in 0 .. {n_actions - 1}, got {given.min()} .. {given.max()}")
        chosen: Array = np.eye(n_actions)[given]
        return chosen
    if given.shape != (n, n_actions):
        raise ValueError(f"policy must have shape ({n},) or ({n}, {n_actions}), got {given.shape}")
    if not (given >= 0.0).all() or not np.allclose(given.sum(axis=1), 1.0, rtol=0.0, atol=1e-9):
        raise ValueError("policy must hold probabilities: not negative, and each row summing to 1")
    return given.astype(np.float64)


def optimal_policy(reward: Any, model: TabularModel, *, start: Array | None = None) -> Array:
    """An optimal deterministic policy ``(S,)``, by policy iteration; an action is kept unless another is better.

    Args:
        reward: see :meth:`TabularModel.align`; its negative gives the worst policy.
        model: the setting.
        start: policy ``(S,)`` to begin with; None: the best single step.
    """
    return _improved(_form(reward, model), model, start)


def _form(reward: Any, model: TabularModel) -> Array:
    """The VAL form, which orders policies as the reward does, without what is the same for all and costs digits."""
    return settled(canonicalise(reward, model), reward, model)


def _improved(form: Array, model: TabularModel, start: Array | None) -> Array:
    mean = model.mean(form)
    policy = mean.argmax(axis=1) if start is None else np.array(start)
    states = np.arange(model.n_states)
    for _ in range(model.n_states * model.n_actions + 1):
        later = values(form, model, policy)
        q = mean + model.gamma * model.ahead(later)
        gain = q.max(axis=1) - q[states, policy]
        better = gain > 1e-12 * max(np.abs(later).max(), np.abs(mean).max())  # above the rounding of the evaluation
        if not better.any():
            break
        policy = np.where(better, q.argmax(axis=1), policy)
    return policy


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """The best and the worst that a policy can do.

    Attributes:
        best: largest J.
        worst: smallest J.
        width: best minus worst; 0 where the reward does not tell policies apart.
        best_policy: ``(S,)`` that attains the largest.
        worst_policy: ``(S,)`` that attains the smallest.
    """

    best: float
    worst: float
    width: float
    best_policy: Array
    worst_policy: Array


def span(reward: Any, model: TabularModel) -> Span:
    """Range of returns under a reward."""
    width, best, worst = _ends(_form(reward, model), model)
    return Span(returns(reward, model, best), returns(reward, model, worst), width, best, worst)


def _ends(form: Array, model: TabularModel, near: tuple[Array, Array] | None = None) -> tuple[float, Array, Array]:
    """Width, best and worst policy; ``near``, those of a similar form, only save time."""
    best = _improved(form, model, None if near is None else near[0])
    worst = _improved(-form, model, None if near is None else near[1])
    return max(0.0, returns(form, model, best) - returns(form, model, worst)), best, worst


def normalised_regret(reward: Any, other: Any, model: TabularModel) -> float:
    """(J1(pi1*) - J1(pi2*)) / (J1(pi1*) - min J1): what a policy that is optimal for R2 loses under R1, in [0, 1].

    Of several optimal policies one is taken, so a reward that hardly says anything may look better or worse than it is;
    :func:`worst_case_regret` has no such freedom. 0 where R1 does not tell policies apart.

    Args:
        reward: R1, which judges.
        other: R2, which is followed.
        model: the setting.
    """
    form = _form(reward, model)
    width, best, _ = _ends(form, model)
    if width <= 0.0:
        return 0.0
    lost = returns(form, model, best) - returns(form, model, optimal_policy(other, model))
    return float(np.clip(lost / width, 0.0, 1.0))


@dataclass(frozen=True, slots=True)
class WorstLoss:
    """The largest loss of moving from one policy to another that the second reward likes at least as well.

    Attributes:
        regret: J1(pi1) - J1(pi2), equation (3).
        share: of the largest possible loss max J1 - min J1; 0 where that is 0.
        weight: lambda at which (3) is attained.
    """

    regret: float
    share: float
    weight: float


def worst_case_regret(reward: Any, other: Any, model: TabularModel) -> WorstLoss:
    """Equation (3), by cutting planes: the function is convex and has finitely many pieces.

    Args:
        reward: R1, which judges.
        other: R2, which must not get worse.
        model: the setting.
    """
    one, two = _form(reward, model), _form(other, model)
    width, *last = _ends(one, model)
    reach = _ends(two, model)[0]
    if width <= 0.0 or reach <= 0.0:  # a reward that says nothing forbids nothing
        return WorstLoss(width, float(width > 0.0), 0.0)

    def line(weight: float) -> tuple[float, float]:
        """Value, and J2 difference of the two policies that attain it (minus the slope)."""
        nonlocal last
        value, *last = _ends(one - weight * two, model, (last[0], last[1]))
        return value, returns(two, model, last[0]) - returns(two, model, last[1])

    low, (value, drop) = 0.0, line(0.0)
    if drop <= 0.0:
        return WorstLoss(value, 1.0, 0.0)
    high = 2.0 * width / reach
    high_value, high_drop = line(high)
    best, where = min((value, low), (high_value, high))
    for _ in range(_MOST_CUTS):
        # the lines that touch at both ends bound the function from below; they meet between them
        if drop - high_drop <= 0.0:
            break
        middle = (value - high_value + drop * low - high_drop * high) / (drop - high_drop)
        if not low < middle < high:
            break
        new_value, new_drop = line(middle)
        best, where = min((best, where), (new_value, middle))
        if new_value <= value - drop * (middle - low) + 1e-12 * width:
            break
        if new_drop > 0.0:
            low, value, drop = middle, new_value, new_drop
        else:
            high, high_value, high_drop = middle, new_value, new_drop
    return WorstLoss(best, min(1.0, best / width), where)


@dataclass(frozen=True, slots=True)
class Bound:
    """Equation (1): J1(pi1) - J1(pi2) is at most ``exact``, which is at most ``constant``.

    Attributes:
        exact: with the visits of the two policies; None where none were given.
        constant: with the constant of (2), for all policies with J2(pi2) >= J2(pi1).
    """

    exact: float | None
    constant: float


def regret_bound(
    reward: Any,
    other: Any,
    model: TabularModel,
    canon: str = "val",
    norm: str = "l2",
    *,
    weighted: bool = False,
    policies: tuple[Array, Array] | None = None,
) -> Bound:
    """Upper bounds (1) on what R2 can cost under R1.

    Args:
        reward: R1, which judges.
        other: R2, which is followed.
        model: the setting.
        canon: canonical form. ``"dard"`` is refused: it changes returns by more than one number.
        norm: of ``NORMS``, for length and distance.
        weighted: weigh transitions by their probability; the dual norm is then that of eta / T, and (2) holds too.
        policies: pi1 and pi2, for the bound with their visits.

    Raises:
        ValueError: an unknown word, ``"dard"``, or something that does not fit the model.
    """
    if canon == "dard":
        raise ValueError("canon must not be 'dard': that form changes the returns of policies by more than a constant")
    check_word("norm", norm, list(_DUAL))
    weight = weights(model, canon, weighted)
    units = [standardise(r, model, canon, norm, weighted=weighted) for r in (reward, other)]
    size = length(canonicalise(reward, model, canon, weighted=weighted), weight, norm)
    far = size * length(units[0] - units[1], weight, norm)
    constant = float(far * _CONSTANT[norm] / (1.0 - model.gamma))
    if policies is None:
        return Bound(None, constant)
    difference = visits(model, policies[0]) - visits(model, policies[1])
    if canon == "val":  # one number an action
        once = np.zeros(difference.shape)
        once[:, :, 0] = difference.sum(axis=2)
        difference = once
    per_weight = np.divide(difference, weight, out=np.zeros(difference.shape), where=weight > 0.0)
    return Bound(far * length(per_weight, weight, _DUAL[norm]), constant)
