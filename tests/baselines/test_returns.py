"""Advantages against an independent, slow recomputation, and the scale of learning targets."""

from __future__ import annotations

import numpy as np
import pytest

from payoff.baselines.ppo import gae
from payoff.baselines.returns import ReturnScale

GAMMA, LAM = 0.97, 0.9


def rollout(steps=40, copies=5, agents=2, seed=0):
    """Rewards, values, flags and the mask of transitions, with ends of every kind under next-step autoreset."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(4, size=(steps, copies), p=[0.7, 0.1, 0.1, 0.1])  # goes on, terminated, truncated, both
    valid = np.ones((steps, copies), dtype=bool)
    for t in range(1, steps):
        valid[t] = (kind[t - 1] == 0) | ~valid[t - 1]
        kind[t][~valid[t]] = 0
    rewards = np.where(valid[..., None], rng.normal(size=(steps, copies, agents)), 0.0)
    values = rng.normal(size=(steps + 1, copies, agents))
    return rewards, values, (kind == 1) | (kind == 3), (kind == 2) | (kind == 3), valid


def slow(rewards, values, terminated, truncated, valid, gamma=GAMMA, lam=LAM):
    """Mixture of n-step advantages, written out: sum over n of (1 - lam) lam^(n-1) A^(n), the last one with weight
    lam^(n-1), where A^(n) = r_t + ... + gamma^(n-1) r_(t+n-1) + gamma^n V - V(s_t)."""
    found = np.full(rewards.shape, np.nan)
    for t, b in zip(*np.nonzero(valid), strict=True):
        for i in range(rewards.shape[2]):
            total, discounted, n = 0.0, 0.0, 0
            while True:
                at = t + n
                discounted += gamma**n * rewards[at, b, i]
                n += 1
                follows = 0.0 if terminated[at, b] else gamma**n * values[at + 1, b, i]
                advantage = discounted + follows - values[t, b, i]
                last = terminated[at, b] or truncated[at, b] or at + 1 == len(rewards)
                total += lam ** (n - 1) * (1.0 if last else 1.0 - lam) * advantage
                if last:
                    break
            found[t, b, i] = total
    return found


def test_gae_is_the_mixture_of_n_step_advantages():
    rewards, values, terminated, truncated, valid = rollout()
    assert (terminated & truncated).any()
    assert (truncated & ~terminated).any()
    expected = slow(rewards, values, terminated, truncated, valid)
    ours = gae(rewards, values, terminated, truncated, GAMMA, LAM)
    assert ours[valid] == pytest.approx(expected[valid], rel=1e-10, abs=1e-12)


def test_calls_that_only_restart_a_copy_change_nothing():
    rewards, values, terminated, truncated, valid = rollout()
    first = gae(rewards, values, terminated, truncated, GAMMA, LAM)
    rewards[~valid] = 1e6
    assert (gae(rewards, values, terminated, truncated, GAMMA, LAM)[valid] == first[valid]).all()


def test_true_values_leave_no_advantage():
    """Pay 1 for ever: V = 1 / (1 - gamma) is right, whether or not the time limit cuts an episode."""
    ones = np.ones((30, 2, 1))
    values = np.full((31, 2, 1), 1 / (1 - GAMMA))
    cut = np.arange(30)[:, None] % 7 == np.array([3, 5])
    nothing = np.zeros_like(cut)
    assert gae(ones, values, nothing, cut, GAMMA, LAM) == pytest.approx(np.zeros((30, 2, 1)), abs=1e-12)
    # a terminal state is worth 0, so there the same values promise too much
    assert (gae(ones, values, cut, nothing, GAMMA, LAM)[cut] < -GAMMA / (1 - GAMMA) + 1e-9).all()


def test_scale_averages_first_and_then_forgets():
    scale = ReturnScale(2, rate=0.25)
    means = np.array([[1.0, 10.0], [3.0, 30.0], [5.0, 20.0], [9.0, 20.0], [9.0, 20.0]])
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1000, 2))
    noise = (noise - noise.mean(axis=0)) / noise.std(axis=0) * [2.0, 50.0]
    for k, mean in enumerate(means):
        scale.update(mean + noise)
        if k == 3:
            assert scale.mean == pytest.approx(means[:4].mean(axis=0))
    assert scale.mean == pytest.approx(0.75 * means[:4].mean(axis=0) + 0.25 * means[4])
    assert scale.variance == pytest.approx([4.0, 2500.0])
    # the first seat's mean lags behind by more than its targets vary
    assert scale.deviation == pytest.approx([9.0 - scale.mean[0], 50.0])
    values = rng.normal(size=(4, 3, 2))
    assert scale.from_critic(scale.to_critic(values)) == pytest.approx(values)


@pytest.mark.parametrize("target", [0.0, 1e6])
def test_scale_of_targets_that_never_vary_is_positive(target):
    scale = ReturnScale(1)
    scale.update(np.full((10, 1), target))
    assert scale.deviation[0] > 0
    assert scale.to_critic(np.full((1, 1), target)) == pytest.approx(0.0)


def test_scale_comes_back_from_its_arrays():
    scale, other = ReturnScale(2), ReturnScale(2)
    for k in range(3):
        scale.update(np.random.default_rng(k).normal(size=(10, 2)))
    other.load(scale.arrays())
    target = np.random.default_rng(9).normal(size=(10, 2))
    scale.update(target)
    other.update(target)
    for name, array in scale.arrays().items():
        assert (array == other.arrays()[name]).all(), name
