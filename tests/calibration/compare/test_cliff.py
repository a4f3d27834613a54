"""The policy cliff: two arms worked out by hand, and the bounds under random and aimed changes."""

import math

import numpy as np
import pytest

from payoff.calibration import TabularModel, action_gaps, policy_cliff, returns, soft_optimal
from payoff.calibration.compare.regret import optimal_policy


def test_two_arms_by_hand(bandit):
    """Arms pay 1 and 0.9. A change of 0.06 swaps them and costs 0.1 / (1 - 0.9); one of 0.04 does not."""
    model, r = bandit(2), np.array([[1.0, 0.9]])
    np.testing.assert_allclose(action_gaps(r, model), [0.1], atol=1e-12)
    over, under = (policy_cliff(r, model, e, temperature=0.5, tries=0) for e in (0.06, 0.04))
    assert (over.moved_share, under.moved_share) == (1.0, 0.0)
    assert over.lost == pytest.approx(1.0, abs=1e-9) and under.lost == 0.0
    assert over.lost_bound == pytest.approx(2 * 0.06 / 0.1)
    assert (
        over.open_share == under.open_share == 1.0
    )  # the bound must allow changes elsewhere, and there is no elsewhere
    assert policy_cliff(r, model, 0.004, temperature=0.5, tries=0).open_share == 0.0  # 2 epsilon / (1 - gamma) < 0.1
    # probability of the first arm is 1 / (1 + exp(-gap / tau)), the gap 0.1 and then 0.1 - 2 epsilon
    first = [1.0 / (1.0 + math.exp(-g / 0.5)) for g in (0.1, 0.1 - 0.12)]
    assert over.soft_moved == pytest.approx(2.0 * (first[0] - first[1]), abs=1e-12)
    assert over.soft_bound == pytest.approx(0.06 / (0.5 * 0.1))


def test_bounds_hold_under_any_change(problem):
    for seed in range(60):
        p = problem(seed, ends=seed % 2 == 1)
        r, epsilon, tau = p.reward(), float(p.rng.uniform(0.001, 0.3)), float(p.rng.uniform(0.05, 2.0))
        report = policy_cliff(r, p.model, epsilon, temperature=tau, tries=4, seed=seed)
        assert 0.0 <= report.moved_share <= report.open_share <= 1.0 + 1e-12
        assert -1e-9 <= report.lost <= report.lost_bound + 1e-9
        assert report.soft_moved <= report.soft_bound + 1e-9
        own = optimal_policy(r, p.model)
        calm = soft_optimal(r, p.model, 1.0 / tau)
        for change in (epsilon * p.rng.uniform(-1.0, 1.0, r.shape), epsilon * np.sign(p.rng.normal(size=r.shape))):
            other = optimal_policy(r + change, p.model)
            assert report.near[np.arange(p.n_states), other][~p.terminal].all()
            assert returns(r, p.model, own) - returns(r, p.model, other) <= report.lost_bound + 1e-9
            moved = np.abs(soft_optimal(r + change, p.model, 1.0 / tau) - calm).sum(axis=1).max()
            assert moved <= epsilon / (tau * (1.0 - p.gamma)) + 1e-9


def test_soft_bound_is_attained_in_the_limit(bandit):
    """Two equal arms, changed in opposite directions: the tangent of tanh at 0, where no continuation adds to it."""
    model = bandit(2, gamma=1e-9)
    report = policy_cliff(np.array([[1.0, 1.0]]), model, 1e-4, temperature=1.0, tries=0)
    assert report.soft_moved == pytest.approx(report.soft_bound, rel=1e-6)


def test_equivalent_rewards_have_the_same_cliff(problem):
    p = problem(9)
    r = p.reward()
    one, two = (policy_cliff(x, p.model, 0.1, temperature=1.0) for x in (r, r + p.shaping()))
    np.testing.assert_allclose(one.gaps, two.gaps, atol=1e-9)
    np.testing.assert_array_equal(one.near, two.near)
    assert one.lost == pytest.approx(two.lost, abs=1e-9)
    assert one.soft_moved == pytest.approx(two.soft_moved, abs=1e-9)


def test_gaps_of_states_without_a_choice(problem, bandit):
    p = problem(1, ends=True)
    report = policy_cliff(p.reward(), p.model, 0.1, temperature=1.0)
    assert np.isinf(report.gaps[-1]) and np.isfinite(report.gaps[:-1]).all()
    assert report.histogram([0.0, 1.0, 100.0]).sum() == p.n_states - 1
    assert np.isinf(action_gaps(np.array([[1.0]]), bandit(1))).all()


def test_bad_arguments_are_refused(bandit):
    model, r = bandit(2), np.array([[0.0, 1.0]])
    for keywords, text in (
        ({"epsilon": 0.0, "temperature": 1.0}, "epsilon must be a number"),
        ({"epsilon": 0.1, "temperature": 0.0}, "temperature must be a number"),
        ({"epsilon": 0.1, "temperature": 1.0, "tries": -1}, "tries must be an integer"),
        ({"epsilon": 0.1, "temperature": 1.0, "seed": 0.5}, "seed must be an integer"),
    ):
        with pytest.raises(ValueError, match=text):
            policy_cliff(r, model, **keywords)


def test_terminal_states_are_no_part_of_the_visits():
    """One choice, 1 against 0.5, and the end: every visit is to the choice, however alike actions are at the end."""
    following = np.zeros((2, 2, 2))
    following[:, :, 1] = 1.0
    model = TabularModel.from_arrays(following, 0.9, initial=[1.0, 0.0], terminal=[False, True])
    reward = np.zeros((2, 2, 2))
    reward[0, :, 1] = 1.0, 0.5
    assert policy_cliff(reward, model, 0.01, temperature=1.0, tries=0).open_share == 0.0  # 0.2 is below the gap
    wide = policy_cliff(reward, model, 0.3, temperature=1.0, tries=0)  # 6.0 is above it, and -0.3 and +0.3 turn it
    assert (wide.open_share, wide.moved_share) == (1.0, 1.0) and wide.lost == pytest.approx(0.5, abs=1e-12)
