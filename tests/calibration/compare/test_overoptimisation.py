"""Regularised policies and the curves made from them: closed forms for a bandit, optimality, and monotony."""

import math

import numpy as np
import pytest

import payoff
from payoff.calibration import TabularModel, divergence, over_optimisation, returns, soft_optimal, span
from payoff.calibration.compare.model import uniform
from payoff.calibration.compare.regret import q_values, values


def test_bandit_in_closed_form(bandit):
    model = bandit(3, gamma=0.5)
    reward = np.array([[0.0, 1.0, 2.0]])
    reference = np.array([[0.5, 0.25, 0.25]])
    for beta in (0.0, 0.3, 2.0, 50.0):
        weight = reference[0] * np.exp(beta * reward[0])
        expected = weight / weight.sum()
        policy = soft_optimal(reward, model, beta, reference=reference)
        np.testing.assert_allclose(policy[0], expected, atol=1e-12)
        kl = sum(p * math.log(p / q) for p, q in zip(expected, reference[0], strict=True) if p > 0.0)
        assert divergence(model, policy, reference) == pytest.approx(2.0 * kl, abs=1e-12)  # 1 / (1 - gamma) steps


def test_peak_of_an_over_optimised_proxy(bandit):
    """Proxy 0, 1, 2 and truth 0, 1, 1/2: with x = exp(beta), (x + x^2 / 2) / (1 + x + x^2) is largest at 1 + sqrt 3."""
    model = bandit(3, gamma=0.5)
    proxy, true = np.array([[0.0, 1.0, 2.0]]), np.array([[0.0, 1.0, 0.5]])
    at = math.log(1.0 + math.sqrt(3.0))
    curve = over_optimisation(true, proxy, model, betas=[0.0, at / 2, at, 2 * at, 30.0])
    assert curve.peak == 2
    np.testing.assert_allclose(curve.true[[0, 2, 4]], [1.0, 2.0 / math.sqrt(3.0), 1.0], atol=1e-9)
    assert curve.lost == pytest.approx(2.0 / math.sqrt(3.0) - 1.0, abs=1e-9)
    assert curve.best == pytest.approx(2.0) and curve.limit == pytest.approx(1.0)
    assert curve.divergence[4] == pytest.approx(2.0 * math.log(3.0), abs=1e-9)  # one arm of three


def test_curves_are_monotone_in_what_is_optimised(problem):
    for seed in range(60):
        p = problem(seed, ends=seed % 2 == 1)
        true, proxy = p.reward(), p.reward()
        reference = p.policy(1.0)
        curve = over_optimisation(true, proxy, p.model, reference=reference)
        assert curve.divergence[0] == pytest.approx(0.0, abs=1e-12)
        assert curve.proxy[0] == pytest.approx(returns(proxy, p.model, reference), abs=1e-9)
        assert (np.diff(curve.proxy) > -1e-9).all() and (np.diff(curve.divergence) > -1e-9).all()
        assert curve.proxy[-1] == pytest.approx(span(proxy, p.model).best, abs=1e-2)
        assert (curve.true <= curve.best + 1e-9).all()
        faithful = over_optimisation(true, 3.0 * true + p.shaping(), p.model, reference=reference)
        assert (np.diff(faithful.true) > -1e-9).all() and faithful.lost == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_no_policy_has_a_better_trade(problem, seed):
    """Return minus divergence / beta, with the divergence added up step by step."""
    p = problem(seed, ends=seed % 2 == 1)
    r, reference, beta = p.reward(), p.policy(2.0), 1.7

    def objective(policy):
        total, at = 0.0, p.initial.copy()
        for t in range(1500):
            step = (policy * np.log(policy / reference)).sum(axis=1) * ~p.terminal
            total += p.gamma**t * (at @ step)
            at = np.einsum("s,sa,sat->t", at, policy, p.transition)
        return returns(r, p.model, policy) - total / beta, total

    best = soft_optimal(r, p.model, beta, reference=reference)
    best_value, kl = objective(best)
    assert divergence(p.model, best, reference) == pytest.approx(kl, abs=1e-9)
    for scale in (0.01, 0.3, 3.0):
        other = best * np.exp(scale * p.rng.normal(size=best.shape))
        assert objective(other / other.sum(axis=1, keepdims=True))[0] <= best_value + 1e-9


def test_hardly_pressed_policies_settle():
    """To first order in beta the policy is uniform play, tilted by beta times its own action values."""
    mdp = payoff.as_mdp("payoff/LineKey-v0", starts=[0])
    model = TabularModel.from_mdp(mdp, 0.99)
    q = q_values(mdp.reward, model, values(mdp.reward, model, uniform(model)))
    for beta in (1e-3, 1e-6):
        tilted = np.exp(beta * (q - q.mean(axis=1, keepdims=True)))
        expected = tilted / tilted.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(soft_optimal(mdp.reward, model, beta), expected, atol=30.0 * beta**2 + 1e-12)


@pytest.mark.parametrize("scale", [1e-11, 1e9])
def test_curves_do_not_depend_on_the_unit_of_reward(problem, scale):
    p = problem(3, gamma=0.8)
    true, proxy = p.reward(), p.reward()
    one, other = over_optimisation(true, proxy, p.model), over_optimisation(true, scale * proxy, p.model)
    np.testing.assert_allclose(other.divergence, one.divergence, atol=1e-9)
    np.testing.assert_allclose(other.true, one.true, atol=1e-9)
    np.testing.assert_allclose(other.beta * scale, one.beta, rtol=1e-9)


def test_an_action_that_the_reference_never_takes_stays_untaken(bandit):
    model = bandit(3)
    policy = soft_optimal(np.array([[0.0, 1.0, 9.0]]), model, 5.0, reference=np.array([[0.5, 0.5, 0.0]]))
    assert policy[0, 2] == 0.0
    assert divergence(model, np.array([[0.0, 0.0, 1.0]]), np.array([[0.5, 0.5, 0.0]])) == math.inf
    # the arms that are left out count for nothing: log 3 at each of 1 / (1 - 0.9) steps
    assert divergence(model, np.array([1])) == pytest.approx(10.0 * math.log(3.0), rel=1e-12)


def test_bad_arguments_are_refused(bandit):
    model, r = bandit(2), np.array([[0.0, 1.0]])
    with pytest.raises(ValueError, match="beta must be a number"):
        soft_optimal(r, model, -1.0)
    with pytest.raises(ValueError, match="betas must grow"):
        over_optimisation(r, r, model, betas=[1.0, 1.0])
    with pytest.raises(ValueError, match="betas must be a number"):
        over_optimisation(r, r, model, betas=[-1.0, 1.0])
    with pytest.raises(ValueError, match="betas must grow"):
        over_optimisation(r, r, model, betas=[])


def test_betas_that_one_does_not_write(bandit):
    """0, and 25 from 0.1 to 10,000 over the width of the proxy's returns: arms of 0 and 2, gamma 0.9, so 20."""
    curve = over_optimisation(np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]]), bandit(2))
    assert curve.beta[0] == 0.0 and len(curve.beta) == 26
    np.testing.assert_allclose(curve.beta[1:] * 20.0, 0.1 * 10.0 ** (5.0 * np.arange(25) / 24), rtol=1e-12)
