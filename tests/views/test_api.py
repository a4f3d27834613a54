"""Every id passes the API checks of Gymnasium, Stable-Baselines3 and PettingZoo, without an unexpected warning."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, render_test, seed_test
from pettingzoo.test.state_test import test_state_space as check_state_space
from pettingzoo.utils.conversions import aec_to_parallel
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import payoff

# A published game keeps its native box [0, e]; both libraries would rather see [-1, 1] (that is `actions="unit"`).
NATIVE_BOX = ["we recommend using a symmetric and normalized space", "use a symmetric and normalized Box action space"]


def settings(env_id):
    discrete = isinstance(gym.make(env_id).action_space, gym.spaces.Discrete)
    return [{}] if discrete else [{}, {"actions": "unit"}, {"actions": "discrete:5"}, {"control": "joint"}]


def unexpected(caught):
    return [str(w.message) for w in caught if not any(known in str(w.message) for known in NATIVE_BOX)]


def test_gymnasium_and_sb3_checkers(env_id):
    for setting in settings(env_id):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            check_env(gym.make(env_id, **setting).unwrapped)
            sb3_check_env(gym.make(env_id, **setting))
        assert not unexpected(caught), setting
        if setting.get("actions") in ("unit", "discrete:5"):
            assert not caught


def test_parallel_api(env_id, capsys):
    parallel_api_test(payoff.parallel_env(env_id), num_cycles=300)
    parallel_seed_test(lambda: payoff.parallel_env(env_id), num_cycles=200)
    check_state_space(payoff.parallel_env(env_id))


def test_aec_api(env_id, capsys):
    api_test(payoff.aec_env(env_id), num_cycles=300)
    seed_test(lambda: payoff.aec_env(env_id), num_cycles=200)
    check_state_space(payoff.aec_env(env_id))


@pytest.mark.parametrize("name", ["TrustDilemma", "ApacheProject", "Congestion", "KeyRoom", "RouteDrive", "CarBall"])
def test_rendering_as_pettingzoo_checks_it(name):
    render_test(lambda render_mode=None: payoff.aec_env(f"payoff/{name}-v0", render_mode=render_mode))


def test_rendering(env_id):
    env = gym.make(env_id, render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert picture.dtype == np.uint8 and picture.shape[2] == 3 and len(np.unique(picture)) > 1
    many = gym.make_vec(env_id, num_envs=2, render_mode="rgb_array")
    many.reset(seed=0)
    np.testing.assert_array_equal(many.render()[0], picture)


def test_rounds_are_parallelizable(env_id):
    """PettingZoo's own conversion of the AEC view plays the same rounds as the parallel view."""
    ours, converted = payoff.parallel_env(env_id), aec_to_parallel(payoff.aec_env(env_id))
    ours.reset(seed=4)
    converted.reset(seed=4)
    for a in ours.possible_agents:
        ours.action_space(a).seed(1)
    while ours.agents:
        actions = {a: ours.action_space(a).sample() for a in ours.agents}
        ours_rewards, theirs = ours.step(actions)[1], converted.step(actions)[1]
        assert ours_rewards == pytest.approx(theirs, abs=0)


def test_a_vector_env_works_under_gymnasium_wrappers(env_id):
    env = gym.wrappers.vector.RecordEpisodeStatistics(gym.make_vec(env_id, num_envs=3))
    env.reset(seed=0)
    env.action_space.seed(0)
    horizon = env.unwrapped.engine.shape.max_steps
    finished = 0
    for _ in range(horizon + 1):
        _, _, _, _, info = env.step(env.action_space.sample())
        finished += int(info["_episode"].sum()) if "_episode" in info else 0
    assert finished >= 3


def test_pickle_and_deepcopy_go_on_alike(env_id):
    import copy
    import pickle

    env = gym.make(env_id)
    env.reset(seed=5)
    env.action_space.seed(5)
    _, _, terminated, truncated, _ = env.step(env.action_space.sample())
    if terminated or truncated:
        env.reset()
    action = env.action_space.sample()
    twins = [env, copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    results = [twin.step(action) for twin in twins]
    for result in results[1:]:
        np.testing.assert_array_equal(result[0], results[0][0])
        assert result[1:4] == results[0][1:4]
