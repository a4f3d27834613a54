"""``MultiObjective``: its copies are what it is; tests/views/test_clients.py has the rewards."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest

from payoff.wrappers import MultiObjective


@pytest.mark.parametrize("again", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_copies_keep_the_space_of_the_reward(again):
    """Delivery has seven objectives, each in [0, 1] per step; before the first reset and after it."""
    env = MultiObjective(gym.make("payoff/Delivery-v0"))
    for _ in range(2):
        other = again(env)
        assert other.unwrapped.reward_space == gym.spaces.Box(0.0, 1.0, (7,), np.float32)
        assert other.unwrapped.reward_dim == 7
        assert other.unwrapped is not env.unwrapped
        env.reset(seed=0)
    assert other.step(0)[1].shape == (7,)
