"""Return decomposition by a network: the sampled loss by enumeration, what is learned, memory, state."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from payoff.wrappers.redistribution.base import return_error
from payoff.wrappers.redistribution.episode_learning import EpisodeLearning
from payoff.wrappers.redistribution.rrd import NetworkDecomposition, sampled_loss
from payoff.wrappers.redistribution.step_features import StepFeatures

QUICK = EpisodeLearning(hidden=(8,), gradient_steps=3, episodes=4)


def cell(obs, actions, next_obs):
    return next_obs[:, :13]


@pytest.mark.parametrize("k", [2, 3, 5])
def test_over_all_subsets_the_unbiased_loss_is_that_of_all_steps(k):
    """Mean over the choices of K of 5 steps: exact without bias; the biased one is larger by the variance of a mean."""
    rewards, target = np.array([0.3, -1.2, 2.0, 0.7, -0.4]), 0.9
    chosen = np.array(list(itertools.combinations(rewards, k)))
    rows, steps = torch.from_numpy(chosen), torch.full((len(chosen),), 5)
    targets = torch.full((len(chosen),), target, dtype=torch.float64)
    whole = (target - rewards.mean()) ** 2
    unbiased = sampled_loss(rows, targets, steps, unbiased=True).mean().item()
    biased = sampled_loss(rows, targets, steps, unbiased=False).mean().item()
    assert unbiased == pytest.approx(whole, rel=1e-12)
    variance = (1.0 - k / 5) * rewards.var(ddof=1) / k
    assert biased == pytest.approx(whole + variance, rel=1e-12)
    assert chosen.mean(axis=1).var() == pytest.approx(variance, rel=1e-9)


def test_with_replacement_it_is_unbiased_as_well():
    """An episode of 2 steps and K = 3: all 8 draws."""
    rewards, target = np.array([1.0, 4.0]), 2.0
    rows = torch.from_numpy(np.array(list(itertools.product(rewards, repeat=3))))
    targets, steps = torch.full((8,), target, dtype=torch.float64), torch.full((8,), 2)
    unbiased = sampled_loss(rows, targets, steps, unbiased=True).mean().item()
    assert unbiased == pytest.approx((target - rewards.mean()) ** 2, rel=1e-12)


def learned_cells(batch, **options):
    """What a linear network on one-hot cells says of each cell."""
    learning = EpisodeLearning(hidden=(), gradient_steps=1500, learning_rate=0.03, episodes=64)
    transform = NetworkDecomposition(cell, learning=learning, residual=False, **options)
    new = transform(batch)
    return np.array([new[batch.obs[1:, :, c] == 1.0].mean() for c in range(13)])


@pytest.mark.parametrize("options", [{}, {"subset": 10, "unbiased": True}], ids=str)
def test_the_coin_is_found(coin_line, options):
    """The exact answer is 1 at cell 9 and 0 elsewhere; every other step on even cells makes the last bit slow."""
    found = learned_cells(coin_line(500), **options)
    assert found.argmax() == 9
    assert found[9] > 0.5
    assert np.abs(np.delete(found, 9)).max() < 0.35


def test_the_biased_loss_shrinks_as_far_as_theory_says(coin_line):
    """With visit shares p of an episode, (2) averages to (g - p.w)^2 + c (sum p w^2 - (p.w)^2), a quadratic in w."""
    batch, steps, k = coin_line(500), 50, 10
    p = batch.obs[1:, :, :13].mean(axis=0).astype(float)
    g = batch.returns / steps
    c = (1.0 - k / steps) / k * steps / (steps - 1)
    expected = np.linalg.solve((1.0 - c) * p.T @ p + c * np.diag(p.sum(axis=0)), p.T @ g)
    assert 0.2 < expected[9] < 0.6  # far from 1: the price of K = 10
    assert learned_cells(batch, subset=k) == pytest.approx(expected, abs=0.08)


@pytest.mark.parametrize("options", [{}, {"subset": 3}, {"subset": 6, "unbiased": True}], ids=str)
def test_returns_are_conserved(make_batch, options):
    transform = NetworkDecomposition(StepFeatures(4), learning=QUICK, **options)
    for seed in range(6):
        batch = make_batch(seed)
        assert return_error(batch, transform(batch)).max(initial=0.0) < 1e-9


@pytest.mark.parametrize("options", [{}, {"subset": 3}], ids=str)
def test_state_goes_on_where_it_was(make_batch, options):
    whole, part, other = (NetworkDecomposition(StepFeatures(4), learning=QUICK, **options) for _ in range(3))
    assert part.state_dict() == {}
    for seed in range(2):
        whole(make_batch(seed)), part(make_batch(seed))
    other.load_state_dict(part.state_dict())
    for seed in range(2, 4):
        assert whole(make_batch(seed)).tobytes() == other(make_batch(seed)).tobytes()
    kept, good = other.state_dict(), part.state_dict()
    weight = next(name for name in good if name.startswith("net."))
    for bad, message in [
        ({}, "must have shape|takes the arrays"),
        ({name: x for name, x in good.items() if name != weight}, "missing or unknown"),
        ({**good, weight: good[weight][:1]}, f"{weight} must have shape"),
        ({**good, "memory.returns": good["memory.returns"] * np.nan}, "finite"),
        ({**good, "memory.lengths": good["memory.lengths"] + 1}, "memory.inputs must have shape"),
        ({**good, "memory.lengths": good["memory.lengths"] * 1.5}, "memory.lengths must be whole"),
        ({**good, "calls": np.array(-1)}, "calls must be a whole number"),
        ({**good, "calls": np.array(2.5)}, "calls must be a whole number"),
    ]:
        with pytest.raises(ValueError, match=message):
            other.load_state_dict(bad)
    assert all((other.state_dict()[name] == kept[name]).all() for name in kept)


def test_the_oldest_episodes_are_forgotten(make_batch):
    learning = EpisodeLearning(hidden=(4,), gradient_steps=1, episodes=2, memory=12)
    transform = NetworkDecomposition(StepFeatures(4), learning=learning)
    seen = []
    for seed in range(4):
        batch = make_batch(seed, finished=True)
        transform(batch)
        seen += batch.returns.tolist()
        kept = transform.state_dict()
        assert kept["memory.returns"].tolist() == seen[-len(kept["memory.returns"]) :]
        newest = int(batch.lengths.sum())
        assert newest <= kept["memory.lengths"].sum() <= max(12, newest)


def test_scale_of_rewards_does_not_matter(make_batch):
    one, other = (NetworkDecomposition(StepFeatures(4), learning=QUICK) for _ in range(2))
    batch = make_batch(3)
    assert other(batch.with_rewards(1024.0 * batch.rewards)) == pytest.approx(1024.0 * one(batch), rel=1e-12)


def test_inference_mode_makes_no_difference(make_batch):
    """Networks that are built or loaded there learn as others do."""
    usual, inside, loaded = (NetworkDecomposition(StepFeatures(4), learning=QUICK) for _ in range(3))
    expected = [usual(make_batch(seed)) for seed in range(2)]
    with torch.inference_mode():
        first = inside(make_batch(0))
        loaded.load_state_dict(inside.state_dict())
    assert first.tobytes() == expected[0].tobytes()
    assert inside(make_batch(1)).tobytes() == loaded(make_batch(1)).tobytes() == expected[1].tobytes()


def test_arguments_are_checked():
    features = StepFeatures(4)
    with pytest.raises(ValueError, match="subset must be"):
        NetworkDecomposition(features, subset=1)
    with pytest.raises(ValueError, match="unbiased corrects"):
        NetworkDecomposition(features, unbiased=True)
    with pytest.raises(TypeError, match="learning must be an EpisodeLearning"):
        NetworkDecomposition(features, learning={"hidden": (4,)})
    with pytest.raises(ValueError, match="learning_rate must be"):
        EpisodeLearning(learning_rate=0.0)
    with pytest.raises(ValueError, match="memory must be"):
        EpisodeLearning(memory=0)


@pytest.mark.parametrize(("memory", "kept"), [(7, [4.0]), (8, [3.0, 4.0]), (11, [3.0, 4.0]), (12, [2.0, 3.0, 4.0])])
def test_memory_holds_as_many_whole_episodes_as_fit(make_batch, memory, kept):
    """Four episodes of four steps, one a batch, of returns 1 to 4: two of them are 8 steps, and fit into 8."""
    learning = EpisodeLearning(hidden=(4,), gradient_steps=1, episodes=2, memory=memory)
    method = NetworkDecomposition(StepFeatures(4), learning=learning)
    for paid in (1.0, 2.0, 3.0, 4.0):
        batch = make_batch(steps=4, columns=1, finished=True)
        method(replace(batch, rewards=np.full((4, 1), paid / 4)))
    state = method.state_dict()
    assert state["memory.returns"].tolist() == pytest.approx(kept)
    assert state["memory.lengths"].tolist() == [4] * len(kept)
