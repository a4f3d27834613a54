"""VPL: parts against formulas, and users whose tastes are opposite, the same, or in conflict."""

import math

import numpy as np
import pytest
import torch

from payoff.wrappers import (
    NetworkSettings,
    StepInputs,
    Transition,
    VariationalPreferences,
    VariationalSettings,
    adjusted_rand_index,
    load_reward,
    save_reward,
)
from payoff.wrappers.preference.comparison import Comparer
from payoff.wrappers.preference.variational import annealed, information_gain
from payoff.wrappers.rows import vector_info

NETWORK = NetworkSettings(hidden=(16,), learning_rate=5e-3)
SETTINGS = VariationalSettings(latent=2, epochs=60, batch_size=32, network=NETWORK)
STEPS = np.eye(8)  # eight steps, told apart by a one-hot number
ORDER = np.arange(8.0)


def answered(utilities, sets, comparisons=8, seed=0):
    """Who answered, and what was preferred to what, by number; utilities (U, 8) without ties."""
    draws = np.random.default_rng(seed)
    user = draws.integers(len(utilities), size=sets)
    first = draws.integers(8, size=(sets, comparisons))
    second = (first + draws.integers(1, 8, size=(sets, comparisons))) % 8
    ahead = np.array([u[a] > u[b] for u, a, b in zip(np.array(utilities)[user], first, second, strict=True)])
    return user, np.where(ahead, first, second), np.where(ahead, second, first)


def right(values, utility):
    """Share of pairs of different steps that are in the user's order."""
    i, k = np.triu_indices(8, 1)
    return np.mean(np.sign(values[i] - values[k]) == np.sign(utility[i] - utility[k]))


@pytest.fixture(scope="module")
def opposites():
    """What was learned from two users who want the opposite, and the utilities."""
    utilities = [ORDER, -ORDER]
    _, better, worse = answered(utilities, 200)
    model = VariationalPreferences(8, SETTINGS)
    model.learn(STEPS[better], STEPS[worse])
    return model, utilities


def test_opposite_users_are_told_apart_and_each_gets_its_order(opposites):
    model, utilities = opposites
    user, better, worse = answered(utilities, 60, seed=1)
    mu, _ = model.posterior(STEPS[better], STEPS[worse])
    axis = mu[:, np.argmax(mu.std(axis=0))]
    assert adjusted_rand_index(user, axis > 0) > 0.9
    for who in range(2):
        assert np.mean([right(model.values(STEPS, z), utilities[who]) for z in mu[user == who]]) > 0.95


def test_one_reward_for_opposite_users_suits_neither():
    """Every pair is answered either way, as often: Bradley and Terry have nothing to learn."""
    utilities = [ORDER, -ORDER]
    _, better, worse = answered(utilities, 200)
    net = Comparer(8, NETWORK)
    net.whitening.take_in(STEPS)
    first, second = better.ravel(), worse.ravel()
    for _ in range(100):
        net.learn(STEPS[:, None], None, first, second, np.ones(len(first)))
    values = net.scores(STEPS[:, None])
    accuracies = [right(values, u) for u in utilities]
    assert sum(accuracies) == pytest.approx(1.0)  # what suits one is what offends the other
    assert np.abs(values[first] - values[second]).mean() < 0.5  # odds near even


def test_the_same_user_costs_no_divergence_and_is_bradley_and_terry():
    _, better, worse = answered([ORDER], 200)
    model = VariationalPreferences(8, SETTINGS)
    model.learn(STEPS[better], STEPS[worse])
    assert model.losses[-1, 1] < 0.02  # nats; a bit of knowledge about a person would be 0.69
    net = Comparer(8, NETWORK)
    net.whitening.take_in(STEPS)
    for _ in range(200):
        net.learn(STEPS[:, None], None, better.ravel(), worse.ravel(), np.ones(better.size))
    mu, log_var = model.posterior(STEPS[better], STEPS[worse])
    np.testing.assert_allclose(mu, 0.0, atol=0.15)
    np.testing.assert_allclose(log_var, 0.0, atol=0.15)
    assert right(model.values(STEPS, mu[0]), ORDER) == right(net.scores(STEPS[:, None]), ORDER) == 1.0


def test_the_order_of_a_set_makes_no_difference_and_no_answers_are_the_prior(opposites):
    model, utilities = opposites
    _, better, worse = answered(utilities, 1, seed=2)
    shuffled = np.random.default_rng(0).permutation(8)
    one, other = (model.posterior(STEPS[better[0][o]], STEPS[worse[0][o]]) for o in (np.arange(8), shuffled))
    np.testing.assert_allclose(one, other, atol=1e-12)
    np.testing.assert_array_equal(model.posterior(np.zeros((0, 8)), np.zeros((0, 8))), np.zeros((2, 2)))


def test_a_question_that_everybody_answers_alike_tells_less():
    """Two users agree on steps 0 to 3 and disagree on the rest."""
    utilities = [ORDER, np.array([0.0, 1, 2, 3, 7, 6, 5, 4])]
    _, better, worse = answered(utilities, 300)
    model = VariationalPreferences(8, SETTINGS)
    model.learn(STEPS[better], STEPS[worse])
    none = np.zeros((0, 8))
    first, second = STEPS[[0, 1, 0, 4, 5, 4]], STEPS[[3, 2, 2, 7, 6, 6]]
    gains = model.gains(first, second, none, none)
    assert gains[3:].min() > gains[:3].max() and gains[3:].min() > 0.1
    np.testing.assert_allclose(gains, model.gains(second, first, none, none), atol=0.05)  # but for the draws of z
    known = model.gains(first, second, STEPS[[7, 7, 6, 6]], STEPS[[4, 5, 4, 5]])
    assert (known[3:] < gains[3:]).all()  # less is left to be told


def test_the_gain_by_hand():
    """Answers that move the mean by a either way and leave variance v: 1/2 log((a^2 + v) / v), in each dimension."""
    mu = np.array([[2.0, 0.0], [-2.0, 0.0]])
    log_var = np.log([[0.5, 1.0], [0.5, 1.0]])
    assert information_gain(mu, log_var, np.array([0.5, 0.5])) == pytest.approx(0.5 * math.log(4.5 / 0.5))
    assert information_gain(mu, log_var, np.array([1.0, 0.0])) == pytest.approx(0.0)


def test_the_loss_is_cross_entropy_and_divergence():
    """What a gradient step reports, against torch's own divergence of normals."""
    model = VariationalPreferences(8, VariationalSettings(epochs=4, network=NETWORK))
    _, better, worse = answered([ORDER, -ORDER], 40)
    model.learn(STEPS[better], STEPS[worse])
    _, better, worse = answered([ORDER], 5, seed=3)
    a, b = STEPS[better], STEPS[worse]
    mu, log_var = model.posterior(a, b)
    q = torch.distributions.Normal(torch.tensor(mu), torch.tensor(np.exp(0.5 * log_var)))
    p = torch.distributions.Normal(torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64))
    expected = float(torch.distributions.kl_divergence(q, p).sum(dim=1).mean())
    noise = np.random.default_rng(0).standard_normal((5, 2))
    z = mu + np.exp(0.5 * log_var) * noise
    apart = np.array([model.values(x, one) - model.values(y, one) for x, y, one in zip(a, b, z, strict=True)])
    entropy, divergence = model._step(a, b, noise, 1.0)  # returns what was before its step
    assert divergence == pytest.approx(expected, rel=1e-9)
    assert entropy == pytest.approx(np.log1p(np.exp(-apart)).mean(), rel=1e-9)


def test_beta_rises_in_four_cycles():
    assert [annealed(x) for x in (0.0, 0.25, 0.5, 0.75)] == [0.0] * 4
    assert [annealed(x) for x in (0.125, 0.2, 0.4, 0.999, 1.0)] == pytest.approx([1.0] * 5)
    assert annealed(0.0625) == pytest.approx(0.5)


def test_rand_index_by_hand():
    """Six things, {0,1,2},{3,4,5} against {0,1},{2,3},{4,5}: 2 pairs in both, 6 and 3 in each, 15 in all."""
    first, second = np.array([0, 0, 0, 1, 1, 1]), np.array([5, 5, 7, 7, 9, 9])
    assert adjusted_rand_index(first, second) == pytest.approx((2 - 18 / 15) / (4.5 - 18 / 15))
    assert adjusted_rand_index(first, 1 - first) == 1.0
    assert adjusted_rand_index(np.zeros(4), np.zeros(4)) == 1.0
    with pytest.raises(ValueError, match="first and second must be"):
        adjusted_rand_index(first, second[:3])


def test_the_reward_of_a_user_is_the_decoder_with_z_put_in(opposites, tmp_path):
    model, _ = opposites
    z = np.array([0.7, -1.2])
    reward = model.reward_of(z, StepInputs(("next_obs",)))
    np.testing.assert_allclose(reward.value(STEPS), model.values(STEPS, z), atol=1e-12)
    rates = model.reward_of(z, StepInputs(("next_obs",)), STEPS[:3])
    path = tmp_path / "reward.safetensors"
    save_reward(path, rates)
    loaded, values = load_reward(path), model.values(STEPS, z)
    obs = STEPS[[2, 6]]
    off = np.zeros(2, dtype=bool)
    t = Transition(obs, off, np.zeros(2), obs, off, off, vector_info({}, ~off), ~off)
    expected = [(1 / (1 + np.exp(values[:3] - v))).mean() for v in values[[2, 6]]]
    np.testing.assert_allclose(loaded(t), expected, atol=1e-12)


def test_learning_depends_on_the_seed_alone():
    _, better, worse = answered([ORDER, -ORDER], 20)
    short = VariationalSettings(epochs=3, network=NETWORK)
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    one, other = VariationalPreferences(8, short), VariationalPreferences(8, short)
    one.learn(STEPS[better], STEPS[worse])
    torch.rand(3)
    other.learn(STEPS[better], STEPS[worse])
    assert one.losses.tobytes() == other.losses.tobytes()
    assert one.values(STEPS, np.ones(2)).tobytes() == other.values(STEPS, np.ones(2)).tobytes()


def test_clear_ends():
    model = VariationalPreferences(8, SETTINGS)
    with pytest.raises(ValueError, match=r"better must have shape \(H, K, 8\) with at least one set"):
        model.learn(np.zeros((0, 4, 8)), np.zeros((0, 4, 8)))
    with pytest.raises(ValueError, match=r"must have one shape \(..., K, 8\), got \(2, 4, 8\) and \(2, 3, 8\)"):
        model.learn(np.zeros((2, 4, 8)), np.zeros((2, 3, 8)))
    with pytest.raises(ValueError, match="better and worse must hold finite numbers"):
        model.learn(np.full((2, 4, 8), np.nan), np.zeros((2, 4, 8)))
    for call, message in (
        (lambda: model.values(np.zeros((2, 7)), np.zeros(2)), r"numbers must be finite numbers of shape \(n, 8\)"),
        (lambda: model.values(np.full((2, 8), np.nan), np.zeros(2)), r"numbers must be finite numbers of shape"),
        (lambda: model.values(np.zeros((2, 8)), np.zeros(3)), r"z must be finite numbers of shape \(2,\), got array"),
        (lambda: model.reward_of([[0.0, 1.0]], StepInputs(("obs",))), r"z must be finite numbers of shape \(2,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(ValueError, match="beta must be a number"):
        VariationalSettings(beta=-1.0)
    with pytest.raises(TypeError, match="network must be a NetworkSettings, got dict"):
        VariationalSettings(network={})
