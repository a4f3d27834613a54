"""Returns, visits, and what following another reward can cost: against other solvers, enumeration, and the bounds."""

import itertools

import numpy as np
import pytest

from payoff.calibration import (
    distance,
    normalised_regret,
    regret_bound,
    returns,
    span,
    visits,
    worst_case_regret,
)
from payoff.calibration.compare.canonical import KINDS
from payoff.calibration.compare.distance import NORMS
from payoff.calibration.compare.regret import optimal_policy, values
from payoff.envs.mdp import MDP
from payoff.envs.theory import tabular


def as_game(p, reward):
    following = np.broadcast_to(np.arange(p.n_states), p.transition.shape).copy()
    reward = np.where(p.terminal[:, None, None], 0.0, reward)
    return MDP(np.zeros((p.n_states, 1)), following, p.transition, reward, p.initial, p.terminal)


@pytest.mark.parametrize("seed", range(12))
def test_values_and_optima_agree_with_the_planner(problem, seed):
    p = problem(seed, ends=seed % 2 == 1)
    r, policy = p.reward(), p.policy()
    game = as_game(p, r)
    np.testing.assert_allclose(values(r, p.model, policy), tabular.evaluate(game, policy, p.gamma), atol=1e-9)
    best = tabular.value_iteration(game, p.gamma)
    np.testing.assert_allclose(values(r, p.model, optimal_policy(r, p.model)), best.values, atol=1e-9)
    ends = span(r, p.model)
    assert ends.best == pytest.approx(p.initial @ best.values, abs=1e-9)
    worst = tabular.value_iteration(as_game(p, -r), p.gamma)
    assert ends.worst == pytest.approx(-p.initial @ worst.values, abs=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_visits_are_what_returns_are_made_of(problem, seed):
    p = problem(seed, ends=seed % 2 == 1)
    r, policy = p.reward(), p.policy()
    eta = visits(p.model, policy)
    assert (eta >= 0.0).all() and eta.sum() == pytest.approx(1.0 / (1.0 - p.gamma), rel=1e-12)
    assert (eta * p.model.align(r)).sum() == pytest.approx(returns(r, p.model, policy), abs=1e-10)
    other, r2 = p.policy(), r + p.shaping()  # shaping moves every return by the same number, redistribution none
    assert returns(r2, p.model, other) - returns(r2, p.model, policy) == pytest.approx(
        returns(r, p.model, other) - returns(r, p.model, policy), abs=1e-9
    )
    assert returns(r + p.redistribution(), p.model, policy) == pytest.approx(returns(r, p.model, policy), abs=1e-9)


def test_bounds_hold_on_200_random_problems(problem):
    """No violation: of the bound by visits, of its constant form, and of the order between them."""
    ratio, tight, violations = [], [], 0
    for seed in range(200):
        p = problem(seed, ends=seed % 2 == 1)
        one, two = p.reward(), p.reward()
        worst = worst_case_regret(one, two, p.model)
        assert 0.0 <= worst.share <= 1.0
        for norm in NORMS:
            violations += worst.regret > regret_bound(one, two, p.model, norm=norm).constant * (1.0 + 1e-9)
        for _ in range(3):
            first, second = p.policy(), p.policy()
            if returns(two, p.model, second) < returns(two, p.model, first):
                first, second = second, first
            lost = returns(one, p.model, first) - returns(one, p.model, second)
            assert lost <= worst.regret + 1e-9
            bound = regret_bound(one, two, p.model, policies=(first, second))
            violations += lost > bound.exact + 1e-12
            violations += bound.exact > bound.constant * (1.0 + 1e-12)
            ratio.append(lost / bound.exact)
            tight.append(lost / bound.constant)
    assert violations == 0
    assert 0.1 < np.max(ratio) <= 1.0 and np.max(tight) < np.max(ratio)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "dard"])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("weighted", [False, True])
def test_bounds_hold_for_every_form_and_norm(problem, kind, norm, weighted):
    for seed in range(15):
        p = problem(seed, ends=seed % 2 == 1)
        one, two = p.reward(), p.reward()
        pair = (p.policy(), p.policy())
        if returns(two, p.model, pair[1]) < returns(two, p.model, pair[0]):
            pair = pair[::-1]
        lost = returns(one, p.model, pair[0]) - returns(one, p.model, pair[1])
        bound = regret_bound(one, two, p.model, kind, norm, weighted=weighted, policies=pair)
        assert lost <= bound.exact + 1e-10 and bound.exact <= bound.constant * (1.0 + 1e-12)


def test_dard_has_no_bound(problem):
    p = problem(0)
    with pytest.raises(ValueError, match="must not be 'dard'"):
        regret_bound(p.reward(), p.reward(), p.model, "dard")


def enumerated(p, one, two):
    """Equation (3) from all pairs of deterministic policies: the largest J1 loss in the hull of pairs with J2 <= 0."""
    policies = [np.array(x) for x in itertools.product(range(p.n_actions), repeat=p.n_states)]
    j = [(returns(one, p.model, x), returns(two, p.model, x)) for x in policies]
    points = np.array([(a1 - b1, a2 - b2) for (a1, a2), (b1, b2) in itertools.product(j, j)])
    inside, outside = points[points[:, 1] <= 0.0], points[points[:, 1] > 0.0]
    best = inside[:, 0].max()
    for x, y in outside:
        share = y / (y - inside[:, 1])  # of the inner point, where the segment crosses 0
        best = max(best, (share * inside[:, 0] + (1.0 - share) * x).max())
    return best


@pytest.mark.parametrize("seed", range(12))
def test_worst_case_is_that_of_enumeration(problem, seed):
    p = problem(seed, states=3)
    one, two = p.reward(), p.reward()
    found = worst_case_regret(one, two, p.model)
    assert found.regret == pytest.approx(enumerated(p, one, two), abs=1e-9)
    own = span(one, p.model)
    assert found.share == pytest.approx(found.regret / own.width, abs=1e-12)


def test_worst_case_of_rewards_that_nearly_agree(problem):
    """There the best lambda may be beyond width / reach: (3) is at least lambda reach - width, and width at lambda 0.

    So it is attained up to 2 width / reach, and no shorter bracket will do; expected losses are those of enumeration.
    """
    beyond = 0
    for seed in range(20):
        p = problem(seed, states=3)
        one = p.reward()
        two = one + 0.3 * p.reward()
        found = worst_case_regret(one, two, p.model)
        assert found.regret == pytest.approx(enumerated(p, one, two), abs=1e-9)
        beyond += found.weight > span(one, p.model).width / span(two, p.model).width
    assert beyond >= 5


def test_worst_case_is_0_exactly_where_the_distance_is(problem):
    for seed in range(40):
        p = problem(seed, ends=seed % 2 == 1)
        r, other = p.reward(), p.reward()
        same = 0.7 * r + p.shaping() + p.redistribution()
        assert distance(r, same, p.model) < 1e-9
        assert worst_case_regret(r, same, p.model).share < 1e-9
        assert normalised_regret(r, same, p.model) < 1e-9
        assert distance(r, other, p.model) > 1e-3 and worst_case_regret(r, other, p.model).share > 1e-6
        assert worst_case_regret(r, -r, p.model).share == pytest.approx(1.0, abs=1e-9)
        assert normalised_regret(r, -r, p.model) == pytest.approx(1.0, abs=1e-9)
        assert worst_case_regret(r, p.shaping(), p.model).share == pytest.approx(1.0)  # it forbids nothing
        assert worst_case_regret(p.shaping() * 0.0, r, p.model).share == 0.0


def test_scale_and_offset_do_not_matter(problem):
    """A faint reward on top of a payment that is the same for all: no number here may be compared with 1."""
    for seed in range(30):
        p = problem(seed)
        one, two = p.reward(), p.reward()
        faint = 1e-9 * one + 1.0  # seven digits are left of it
        assert distance(faint, one, p.model) < 1e-4
        for judge, other in ((faint, two), (two, faint)):
            as_loud = (one, two) if judge is faint else (two, one)
            assert normalised_regret(judge, other, p.model) == pytest.approx(
                normalised_regret(*as_loud, p.model), abs=1e-4
            )
            assert worst_case_regret(judge, other, p.model).share == pytest.approx(
                worst_case_regret(*as_loud, p.model).share, abs=1e-4
            )
        np.testing.assert_array_equal(optimal_policy(faint, p.model), optimal_policy(one, p.model))


def test_optimal_policies_may_agree_at_a_large_distance(bandit):
    """The same arm is best, the others are ranked the other way round: the worst case sees it, the optimum does not."""
    model = bandit(3)
    one, two = np.array([[1.0, 0.5, 0.0]]), np.array([[1.0, 0.0, 0.5]])
    assert normalised_regret(one, two, model) == 0.0
    # half arm 0 and half arm 1 pays (0.75, 0.5), arm 2 pays (0, 0.5): as good to the second, 0.75 worse to the first
    assert worst_case_regret(one, two, model).share == pytest.approx(0.75, abs=1e-12)
    # centred (.5, 0, -.5) against (.5, -.5, 0): cosine 1/2, so the distance is 1
    assert distance(one, two, model) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (np.array([0, 5, 0]), "actions in 0"),
        (np.zeros((3, 9)), "policy must have shape"),
        (np.zeros(3), "policy must have shape"),  # no actions: they are not whole numbers
        (np.full((3, 2), 0.7), "must hold probabilities"),
    ],
)
def test_bad_policies_are_refused(problem, policy, text):
    p = problem(4, states=3)
    if policy.ndim == 2 and policy.shape[1] == 2:
        policy = np.full((3, p.n_actions), 0.7)
    with pytest.raises(ValueError, match=text):
        returns(p.reward(), p.model, policy)


def test_actions_are_rows_of_probabilities(problem):
    """Numbers of actions, and the same as whole numbers and as shares of one."""
    p = problem(4, states=3)
    chosen = np.array([0, p.n_actions - 1, 0])
    rows = np.eye(p.n_actions, dtype=np.int64)[chosen]
    reward = p.reward()
    expected = returns(reward, p.model, rows.astype(np.float64))
    assert returns(reward, p.model, chosen) == returns(reward, p.model, rows) == expected
