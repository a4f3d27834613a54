"""Networks as a reward: numbers by hand, around environments, in a file and back."""

from __future__ import annotations

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

from payoff.wrappers import NetworkReward, StepInputs, Transition, load_reward, save_reward, wrap
from payoff.wrappers.learned.step_inputs import one_hot_actions
from payoff.wrappers.rows import vector_info

TWO = {  # two members, two inputs, two hidden units
    "inputs": StepInputs(("obs",)),
    "mean": np.array([1.0, 0.0]),
    "deviation": np.array([2.0, 1.0]),
    "weights": [
        np.array([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 1.0], [1.0, 0.0]]]),
        np.array([[[3.0], [1.0]], [[1.0], [1.0]]]),
    ],
    "biases": [np.array([[0.0, 0.5], [0.0, 0.0]]), np.array([[1.0], [-1.0]])],
}
X, Y = (2.0 - 1.0) / 2.0, 0.25  # the step (2, 0.25), whitened
ONE = 3.0 * np.tanh(X) + np.tanh(2.0 * Y + 0.5) + 1.0
OTHER = np.tanh(Y) + np.tanh(X) - 1.0


def rows(obs, action=None, active=None):
    """A transition that begins with these observations."""
    obs = np.asarray(obs, dtype=float)
    on = np.ones(len(obs), dtype=bool) if active is None else np.array(active)
    action = np.zeros(len(obs)) if action is None else np.asarray(action)
    off = np.zeros(len(obs), dtype=bool)
    return Transition(obs, action, np.zeros(len(obs)), obs, off, off, vector_info({}, on), on)


def test_two_members_by_hand():
    reward = NetworkReward(**TWO)
    np.testing.assert_allclose(reward.members(np.array([[2.0, 0.25]]))[:, 0], [ONE, OTHER])
    far = reward.members(np.array([[1e6, 0.0]]))[:, 0]  # inputs are clipped at 5 deviations
    np.testing.assert_allclose(far, reward.members(np.array([[11.0, 0.0]]))[:, 0])


def test_what_is_paid_is_the_mean_in_units_or_the_chance_of_being_preferred():
    step, mean = rows([[2.0, 0.25]]), (ONE + OTHER) / 2.0
    assert NetworkReward(**TWO)(step) == pytest.approx(mean)
    assert NetworkReward(**TWO, shift=1.5, scale=4.0)(step) == pytest.approx((mean - 1.5) / 4.0)
    against = np.array([mean, mean - np.log(3.0), -1e6])  # even odds, three to one, and no doubt
    assert NetworkReward(**TWO, against=against)(step) == pytest.approx((0.5 + 0.75 + 1.0) / 3.0)


def test_integer_actions_are_one_hot():
    found = one_hot_actions(np.array([[2.0, 0.0], [1.0, 1.0]]), 3)
    assert found.tolist() == [[0, 0, 1, 1, 0, 0], [0, 1, 0, 0, 1, 0]]
    assert one_hot_actions(np.array([[[0.0], [1.0]]]), 2).tolist() == [[[1, 0], [0, 1]]]
    assert one_hot_actions(np.array([[0.5]]), None).tolist() == [[0.5]]
    for bad in (3.0, -1.0, 0.5, np.nan):
        with pytest.raises(ValueError, match=rf"actions must be integers in 0 .. 2, got {bad}"):
            one_hot_actions(np.array([[0.0, bad]]), 3)


def test_numbers_of_a_step_stand_side_by_side_and_placeholders_are_zero():
    """Where a row makes no step, observation and action may be anything."""
    step = rows([[7.0], [np.nan]], action=np.array([[2, 0], [9, 9]]), active=[True, False])
    assert StepInputs(("obs", "action"), 3)(step).tolist() == [[7, 0, 0, 1, 1, 0, 0], [0] * 7]
    assert StepInputs(("action", "obs"))(step).tolist() == [[2, 0, 7], [0, 0, 0]]
    with pytest.raises(ValueError, match="the parts obs of a step must be finite, got nan"):
        StepInputs(("obs",))(rows([[np.nan]]))


def test_a_part_is_a_name_or_a_place_in_one():
    told = vector_info({"queue": np.array([[3.0, 5.0]])}, np.array([True]))
    step = replace(rows([[7.0]]), info=told)
    assert StepInputs(("queue", "queue[1]"))(step).tolist() == [[3, 5, 5]]
    for bad in ("queue[", "queue]", "queue[]", "queue[-1]", "[1]", "queue[1][0]", ""):
        with pytest.raises(ValueError, match="parts must be at least one name or name"):
            StepInputs(("obs", bad))
    with pytest.raises(TypeError, match="inputs must be StepInputs, got tuple"):
        NetworkReward(**{**TWO, "inputs": ("obs",)})


def cart_reward(scale=0.5):
    """On CartPole: the position of the cart plus 1 for a push to the right, in units of the scale."""
    weight = np.array([[[1.0], [0.0], [0.0], [0.0], [0.0], [1.0]]])
    inputs = StepInputs(("obs", "action"), 2)
    return NetworkReward(inputs, np.zeros(6), np.ones(6), [weight], [np.zeros((1, 1))], scale=scale)


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
        ({"weights": TWO["weights"][:1]}, "weights and biases must be of one layer or more, got 1 and 2"),
        ({"weights": [TWO["weights"][0]] * 2}, r"weights\[1\] must have shape \(2, 2, 1\), got \(2, 2, 2\)"),
        ({"biases": [np.zeros((2, 2)), np.zeros((2, 2))]}, r"biases\[1\] must have shape \(2, 1\)"),
        ({"deviation": np.array([1.0, 0.0])}, "deviation must be 2 numbers above 0"),
        ({"mean": np.array([np.nan, 0.0])}, "mean must hold finite numbers"),
        ({"weights": [], "biases": []}, "one layer or more, got 0 and 0"),
        ({"weights": [np.zeros((0, 2, 1))], "biases": [np.zeros((0, 1))]}, r"must have shape \(M, 2, 1\)"),
        ({"scale": 0.0}, r"scale must be a number in \(0"),
        ({"shift": np.nan}, "shift must be a number"),
        ({"against": np.zeros(0)}, "against must hold at least one number"),
        ({"against": np.zeros(2), "scale": 2.0}, "shift and scale have no part"),
        ({"inputs": StepInputs(("action",), 3)}, "num_actions must be at most the 2 numbers of a step, got 3"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes, text):
    with pytest.raises(ValueError, match=text):
        NetworkReward(**{**TWO, **changes})


def test_another_environment_is_refused():
    env = wrap(gym.make("payoff/Delivery-v0"), cart_reward())
    env.reset(seed=0)
    with pytest.raises(ValueError, match="a step must have 6 numbers"):
        env.step(1)
