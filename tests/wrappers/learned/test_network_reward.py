"""An ensemble of networks as a reward: numbers by hand, around environments, in a file and back."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from payoff.wrappers import NetworkReward, load_reward, save_reward, wrap
from payoff.wrappers.learned.network_reward import step_inputs

TWO = {  # two members, two inputs, two hidden units
    "weights": [
        np.array([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 1.0], [1.0, 0.0]]]),
        np.array([[[3.0], [1.0]], [[1.0], [1.0]]]),
    ],
    "biases": [np.array([[0.0, 0.5], [0.0, 0.0]]), np.array([[1.0], [-1.0]])],
    "mean": np.array([1.0, 0.0]),
    "deviation": np.array([2.0, 1.0]),
}


def test_two_members_by_hand():
    reward = NetworkReward(**TWO)
    x, y = (2.0 - 1.0) / 2.0, 0.25
    one = 3.0 * np.tanh(x) + np.tanh(2.0 * y + 0.5) + 1.0
    other = np.tanh(y) + np.tanh(x) - 1.0
    np.testing.assert_allclose(reward.members(np.array([[2.0, 0.25]]))[:, 0], [one, other])
    far = reward.members(np.array([[1e6, 0.0]]))[:, 0]  # inputs are clipped at 5 deviations
    np.testing.assert_allclose(far, reward.members(np.array([[11.0, 0.0]]))[:, 0])


def test_integer_actions_are_one_hot():
    found = step_inputs(np.array([[7.0], [8.0]]), np.array([[2.0, 0.0], [1.0, 1.0]]), 3)
    assert found.tolist() == [[7, 0, 0, 1, 1, 0, 0], [8, 0, 1, 0, 0, 1, 0]]
    assert step_inputs(np.array([[7.0]]), np.array([[0.5]]), None).tolist() == [[7.0, 0.5]]
    with pytest.raises(ValueError, match=r"actions must be integers in 0 .. 2, got \[3.\]"):
        step_inputs(np.array([[7.0]]), np.array([[3.0]]), 3)


def cart_reward(scale=2.0):
    """On CartPole: the position of the cart plus 1 for a push to the right, in units of the scale."""
    weight = np.array([[[1.0], [0.0], [0.0], [0.0], [0.0], [1.0]]])
    return NetworkReward([weight], [np.zeros((1, 1))], np.zeros(6), np.ones(6), scale=scale, num_actions=2)


def test_what_it_pays_around_environments_and_from_a_file(tmp_path):
    save_reward(tmp_path / "reward.safetensors", cart_reward())
    reward = load_reward(tmp_path / "reward.safetensors")
    assert isinstance(reward, NetworkReward)
    single, vector = wrap(gym.make("CartPole-v1"), reward), wrap(gym.make_vec("CartPole-v1", 3, "sync"), reward)
    obs, _ = single.reset(seed=0)
    many, _ = vector.reset(seed=0)
    for action in (1, 0, 1):
        next_obs, paid, *_ = single.step(action)
        assert paid == pytest.approx(2.0 * (float(obs[0]) + action))
        next_many, all_paid, *_ = vector.step(np.full(3, action))
        np.testing.assert_allclose(all_paid, 2.0 * (many[:, 0] + action), rtol=1e-6)
        obs, many = next_obs, next_many


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"mean": np.zeros(3), "deviation": np.ones(3)}, r"weights\[0\] must have shape \(2, 3, outputs\)"),
        ({"biases": [np.zeros((2, 2))]}, r"weights\[1\] must have shape"),
        ({"biases": [np.zeros((2, 2)), np.zeros((2, 2))]}, r"biases\[1\] must have shape \(2, 1\)"),
        ({"deviation": np.array([1.0, 0.0])}, "deviation must be 2 numbers above 0"),
        ({"mean": np.array([np.nan, 0.0])}, "mean must hold finite numbers"),
        ({"weights": [], "biases": []}, "at least one layer"),
        ({"scale": 0.0}, r"scale must be a number in \(0"),
        ({"num_actions": 0}, "num_actions must be an integer at least 1"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes, text):
    with pytest.raises(ValueError, match=text):
        NetworkReward(**{**TWO, **changes})


def test_another_environment_is_refused():
    env = wrap(gym.make("payoff/Delivery-v0"), cart_reward())
    env.reset(seed=0)
    with pytest.raises(ValueError, match="the reward has 6 inputs"):
        env.step(1)
