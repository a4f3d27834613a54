"""Environments that are not ours under our trainers: what is told, what is refused, and what a checkpoint can hold."""

from __future__ import annotations

import dataclasses

import gymnasium as gym
import numpy as np
import pytest

from payoff.baselines import environments, ippo, ppo
from payoff.baselines.environments import make_one_seat, make_vector
from payoff.baselines.evaluation import evaluate, score, yardsticks
from payoff.wrappers import PotentialShaping, wrap

SMALL = {"num_envs": 8, "num_steps": 32, "hidden": (32,), "minibatches": 2}


class Room(gym.Env):
    """One step; looks like a MiniGrid: a dict of an image, a number and a text."""

    action_space = gym.spaces.Discrete(3)
    observation_space = gym.spaces.Dict(
        image=gym.spaces.Box(0, 10, (2, 3), np.uint8),
        direction=gym.spaces.Discrete(4),
        mission=gym.spaces.Text(20),
    )

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._seen(), {}

    def step(self, action):
        return self._seen(), float(action), True, False, {}

    def _seen(self):
        return {"image": np.arange(6, dtype=np.uint8).reshape(2, 3), "direction": 2, "mission": "opendoor"}


class Odd(Room):
    """With the spaces that it is given."""

    def __init__(self, observation=None, action=None):
        self.observation_space = observation or gym.spaces.Box(0.0, 1.0, (2,))
        self.action_space = action or gym.spaces.Discrete(2)


@pytest.fixture(autouse=True)
def registered():
    gym.register("tests/Room-v0", Room)
    gym.register("tests/Odd-v0", Odd)
    yield
    del gym.registry["tests/Room-v0"], gym.registry["tests/Odd-v0"]


def test_the_reward_of_an_environment_is_its_payoff_whatever_shapes_it():
    """CartPole pays 1 a step; shaping by minus the angle changes the reward, and the payoff stays."""
    shaping = PotentialShaping(lambda obs, info: -np.abs(obs[:, 2]), gamma=0.9, on_truncation="bootstrap")
    plain = make_one_seat("CartPole-v1", 3, {})
    shaped = make_one_seat("CartPole-v1", 3, {}, lambda env: wrap(env, shaping))
    before = plain.reset(seed=5)[0]
    assert before.shape == (3, 1, 4) and (shaped.reset(seed=5)[0] == before).all()
    assert (plain.num_actions, plain.endowment) == (2, None)
    actions = np.zeros((3, 1, 1), dtype=np.int64)
    after, reward, *_, info = plain.step(actions)
    _, told, *_, told_info = shaped.step(actions)
    assert reward.tolist() == info["payoff"].tolist() == told_info["payoff"].tolist() == [[1.0]] * 3
    expected = 1.0 - 0.9 * np.abs(after[:, 0, 2]) + np.abs(before[:, 0, 2])
    np.testing.assert_allclose(told[:, 0], expected, rtol=1e-6)


def test_continuous_actions_are_rescaled_from_the_unit_box():
    """Pendulum's torque lies in [-2, 2]: 0.5 is a torque of 1."""
    env, alone = make_one_seat("Pendulum-v1", 1, {}), gym.make("Pendulum-v1")
    assert (env.action_low, env.action_high) == (-1.0, 1.0)
    assert (env.reset(seed=3)[0][0, 0] == alone.reset(seed=3)[0]).all()
    ours = env.step(np.full((1, 1, 1), 0.5))
    theirs = alone.step(np.array([1.0], dtype=np.float32))
    np.testing.assert_allclose(ours[0][0, 0], theirs[0], rtol=1e-6)
    np.testing.assert_allclose(ours[1][0, 0], theirs[1], rtol=1e-6)


def test_entries_that_are_no_numbers_are_left_out_and_named():
    with pytest.warns(UserWarning, match="entries mission of the observation are left out"):
        env = make_one_seat("tests/Room-v0", 2, {})
    obs, _ = env.reset(seed=0)
    assert (obs == [0, 0, 1, 0, 0, 1, 2, 3, 4, 5]).all()  # direction one-hot, then the image
    assert env.obs_size == 10


@pytest.mark.parametrize(
    ("spaces", "message"),
    [
        ({"observation": gym.spaces.Text(3)}, "observations must be numbers"),
        ({"action": gym.spaces.Box(-np.inf, np.inf, (1,))}, "continuous actions must have bounds"),
        ({"action": gym.spaces.MultiDiscrete([2, 3])}, "action space must be"),
    ],
)
def test_spaces_that_no_trainer_can_play_are_refused(spaces, message):
    with pytest.raises(ValueError, match=message):
        make_one_seat("tests/Odd-v0", 1, spaces)


def test_what_only_our_games_have_is_refused():
    with pytest.raises(
        ValueError, match=r"CartPole-v1 has no reward layers: reward must be left out, got 'integrated'"
    ):
        make_vector("CartPole-v1", 1, {"reward": "integrated"})
    with pytest.raises(ValueError, match="only games of Payoff have several seats to learn at once, not CartPole-v1"):
        ippo.train(ippo.Args(env_id="CartPole-v1", total_steps=256, **SMALL))


def test_ids(tmp_path, monkeypatch):
    assert environments.find("KeyRoom-v0") == "payoff/KeyRoom-v0"
    assert environments.find("CartPole-v1") == "CartPole-v1"
    with pytest.raises(ValueError, match="unknown environment 'CartPole-v11'"):
        environments.find("CartPole-v11")
    (tmp_path / "my_rooms.py").write_text(
        "import gymnasium\ngymnasium.register('rooms/Pole-v0', 'gymnasium.envs.classic_control:CartPoleEnv')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    name = environments.find("my_rooms:rooms/Pole-v0")
    assert name == "my_rooms:rooms/Pole-v0"  # another process imports the module by it
    assert make_one_seat(name, 2, {}).reset(seed=0)[0].shape == (2, 1, 4)
    del gym.registry["rooms/Pole-v0"]


def test_yardsticks_use_the_threshold_of_the_registration():
    """CartPole-v1 counts as solved at 475; uniform play lasts 22.3 steps on average (100 episodes: within 3)."""
    found = yardsticks("CartPole-v1")
    assert (found.best, found.kind, found.level) == (475.0, "threshold", None)
    assert found.random == pytest.approx(22.3, abs=3.0)
    assert score(found.random, found) == 0.0 and score(475.0, found) == 1.0


def test_ppo_learns_cart_pole_and_is_evaluated_in_its_own_reward():
    """With discount 0.99 and 40,000 steps poles stand for more than 150 steps, seven times as long as at random."""
    args = ppo.Args(env_id="CartPole-v1", total_steps=40_000, num_envs=16, num_steps=128, learning_rate=1e-3)
    result = ppo.train(args)
    played = evaluate(result.policy, "CartPole-v1", episodes=10, seed=0, view="single")
    assert played.welfare > 150.0
    assert (played.payoffs[:, 0] == played.lengths).all()
    assert np.isnan(result.curve["cooperation"]).all()


def test_a_training_that_is_killed_starts_over_and_ends_with_the_same_numbers(tmp_path):
    """Without snapshots there is nothing to go on from in the middle: one checkpoint, at the end."""

    class KilledError(Exception):
        pass

    def kill(done, total):
        assert not (tmp_path / "state").exists()
        if done == 512:
            raise KilledError

    args = ppo.Args(env_id="CartPole-v1", total_steps=1024, checkpoint=str(tmp_path / "state"), **SMALL)
    args = dataclasses.replace(args, checkpoint_every=1)
    whole = ppo.train(dataclasses.replace(args, checkpoint=None))
    with pytest.raises(KilledError):
        ppo.train(args, on_progress=kill)
    again = ppo.train(args)
    finished = ppo.train(args)  # from its checkpoint
    obs = np.random.default_rng(0).normal(size=(20, 1, 4))
    for name, values in whole.curve.items():
        np.testing.assert_array_equal(again.curve[name], values)
        np.testing.assert_array_equal(finished.curve[name], values)
    assert (whole.policy.value(obs) == again.policy.value(obs)).all()
    assert (whole.policy.value(obs) == finished.policy.value(obs)).all()
    with pytest.raises(ValueError, match="cannot go on beyond step 1024: the environment takes no snapshots"):
        ppo.train(dataclasses.replace(args, total_steps=2048))
