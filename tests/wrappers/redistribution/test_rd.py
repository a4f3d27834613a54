"""Least-squares return decomposition: exact on the coin line, the closed form, conservation, state."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from payoff.wrappers.redistribution.base import return_error
from payoff.wrappers.redistribution.rd import LinearDecomposition
from payoff.wrappers.redistribution.step_features import StepFeatures, evaluated_steps


def cell(obs, actions, next_obs):
    return next_obs[:, :13]


@pytest.mark.parametrize("episodes", [50, 1000])
def test_coin_line_is_recovered_exactly(coin_line, episodes):
    """Spec: weight 1.00 on the coin's cell and 0.00 elsewhere, correlation 1.000 already at 50 episodes."""
    transform = LinearDecomposition(cell)
    transform(coin_line(episodes))
    assert transform.weights == pytest.approx(np.eye(13)[9], abs=1e-6)
    unseen = coin_line(20, seed=1)
    assert not unseen.rewards[:-1].any()  # all is paid at the end
    new = transform.rewrite(unseen)
    coin = unseen.obs[1:, :, 9]
    assert np.corrcoef(new.ravel(), coin.ravel())[0, 1] == pytest.approx(1.0, abs=1e-9)
    assert new == pytest.approx(coin, abs=1e-6)


def test_the_weights_are_the_ridge_solution(make_batch):
    """Rows of sqrt(ridge) under the design matrix turn it into ordinary least squares."""
    batches = [make_batch(seed, columns=8) for seed in range(3)]
    features, ridge = StepFeatures(4), 0.3
    transform = LinearDecomposition(features, ridge=ridge)
    design, target = [], []
    for batch in batches:
        transform(batch)
        for b in np.flatnonzero(batch.finished):
            n = batch.lengths[b]
            design.append(features(batch.obs[:n, b], batch.actions[:n, b], batch.obs[1 : n + 1, b]).sum(axis=0))
            target.append(batch.rewards[:n, b].sum())
    size = len(design[0])
    rows = np.vstack([np.array(design), np.sqrt(ridge) * np.eye(size)])
    expected = np.linalg.lstsq(rows, np.concatenate([target, np.zeros(size)]), rcond=None)[0]
    assert transform.weights == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_returns_are_conserved(make_batch, seed):
    transform = LinearDecomposition(StepFeatures(4), ridge=1e-3)
    for more in range(3):
        batch = make_batch(100 * seed + more)
        assert return_error(batch, transform(batch)).max(initial=0.0) < 1e-9


def test_without_the_residual_noise_is_left_out(coin_line):
    batch = coin_line(400)
    luck = np.zeros(batch.rewards.shape)
    luck[-1] = np.random.default_rng(0).normal(size=400)
    noisy = dataclasses.replace(batch, rewards=batch.rewards + luck)
    plain = LinearDecomposition(cell, residual=False)
    assert not plain.conserves_return
    assert plain(noisy) == pytest.approx(noisy.obs[1:, :, :13] @ plain.weights)
    assert plain.weights == pytest.approx(np.eye(13)[9], abs=0.25)  # standard errors of the fit are below 0.06


@pytest.mark.parametrize("size", [1.0, 1e3, 1e4, 1e6])
def test_features_that_are_large_and_double_do_not_stop_it(make_batch, size):
    """Twice the same features share the weight evenly, also where the ridge is too small to be seen."""
    batch = make_batch(1, steps=30, columns=40)
    once = LinearDecomposition(lambda obs, actions, next_obs: np.sqrt(2.0) * next_obs, residual=False)
    twice = LinearDecomposition(lambda obs, actions, next_obs: size * np.hstack([next_obs, next_obs]), residual=False)
    assert twice(batch) == pytest.approx(once(batch), rel=1e-4, abs=1e-4)


def test_before_an_episode_was_finished_nothing_changes(make_batch):
    batch = make_batch(finished=False)
    transform = LinearDecomposition(StepFeatures(4))
    assert (transform(batch) == batch.paid).all()
    assert transform.state_dict() == {}
    transform.load_state_dict({})


def test_state_goes_on_where_it_was(make_batch):
    whole, part, other = (LinearDecomposition(StepFeatures(4), ridge=0.1) for _ in range(3))
    for seed in range(2):
        whole(make_batch(seed)), part(make_batch(seed))
    other.load_state_dict(part.state_dict())
    for seed in range(2, 4):
        assert whole(make_batch(seed)).tobytes() == other(make_batch(seed)).tobytes()
    kept = other.state_dict()
    good = part.state_dict()
    for bad, message in [
        ({}, "takes the arrays"),
        ({"gram": good["gram"]}, "takes the arrays"),
        ({**good, "moment": good["moment"][:-1]}, "must have shapes"),
        ({**good, "gram": good["gram"] * np.nan}, "finite"),
    ]:
        with pytest.raises(ValueError, match=message):
            other.load_state_dict(bad)
    assert all((other.state_dict()[name] == kept[name]).all() for name in kept)


def test_arguments_are_checked(make_batch):
    with pytest.raises(TypeError, match="features must be a function"):
        LinearDecomposition(np.zeros(3))
    with pytest.raises(ValueError, match="ridge must be a number"):
        LinearDecomposition(cell, ridge=0.0)
    with pytest.raises(ValueError, match="residual must be"):
        LinearDecomposition(cell, residual=1)
    for wrong, message in [
        (lambda o, a, n: np.zeros(len(o)), "features must return shape"),
        (lambda o, a, n: np.zeros((3, 2)), "features must return shape"),
        (lambda o, a, n: np.full((len(o), 2), np.nan), "finite numbers, got nan"),
    ]:
        with pytest.raises(ValueError, match=message):
            LinearDecomposition(wrong)(make_batch())


def test_step_features(make_batch):
    batch = make_batch()
    values = evaluated_steps(StepFeatures(4), batch, None)
    assert values.shape == (7, 5, 3 + 4 + 3)
    one_hot = np.eye(4)[batch.actions[..., 0]]
    expected = np.concatenate([batch.obs[:-1], one_hot, batch.obs[:-1].astype(float) - batch.obs[1:]], axis=2)
    assert (values[batch.valid] == expected[batch.valid]).all()
    assert not values[~batch.valid].any()
    assert evaluated_steps(StepFeatures(), batch, None).shape == (7, 5, 3 + 1 + 3)
    with pytest.raises(ValueError, match=r"integers in 0 \.\. 1"):
        evaluated_steps(StepFeatures(2), batch, None)
    with pytest.raises(ValueError, match="num_actions must be"):
        StepFeatures(0)
