"""A weighted sum of what ``info`` reports, in a file and back."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from payoff.wrappers import LinearReward, load_reward, save_reward, wrap


def vector():
    return gym.make_vec("payoff/Delivery-v0", num_envs=3, vectorization_mode="vector_entry_point")


def test_the_true_weights_pay_what_the_game_pays(tmp_path):
    save_reward(tmp_path / "reward.safetensors", LinearReward([-1.0, 50.0, -50.0, 1.0, -1.0, -2.0, 50.0]))
    reward = load_reward(tmp_path / "reward.safetensors")
    env = wrap(vector(), reward)
    env.reset(seed=0)
    for t in range(40):
        _, paid, _, _, info = env.step(np.full(3, t % 4))
        np.testing.assert_allclose(paid, info["payoff"][:, 0])
    single = wrap(gym.make("payoff/Delivery-v0"), reward)
    single.reset(seed=0)
    _, paid, _, _, info = single.step(1)
    assert paid == info["payoff"][0]


def test_weights_that_do_not_fit_are_refused():
    env = wrap(vector(), LinearReward([1.0, 2.0]))
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"info\['reward_vector'\] must have shape \(3, 2\)"):
        env.step(np.zeros(3, dtype=int))
    with pytest.raises(ValueError, match="must be at least 1 numbers"):
        LinearReward([])
    with pytest.raises(ValueError, match=r"weights\[0\]"):
        LinearReward([np.nan])
    with pytest.raises(ValueError, match="key must be the name"):
        LinearReward([1.0], "")
