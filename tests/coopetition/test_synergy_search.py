"""SynergySearch: gamma is drawn from the seed, and hidden."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs.coopetition.observation import SETTINGS
from tests.coopetition import stage

SYNERGY = "payoff/SynergySearch-v0"


def gamma_of(info, action):
    """gamma from the total value, which gives it away."""
    return (info["total_value"] - (20 * np.log1p(action)).sum()) / np.sqrt(np.prod(action))


def drawn(episodes=1, seed=0, num_envs=1, **kwargs):
    """gamma of some episodes of each copy: (episodes, num_envs)."""
    action = np.array([60.0, 55.0])
    env = payoff.multi_agent_vec(SYNERGY, num_envs, max_steps=1, autoreset_mode="same_step", **kwargs)
    env.reset(seed=seed)
    found = []
    for _ in range(episodes):
        info = env.step(np.broadcast_to(action[:, None], (num_envs, 2, 1)))[4]
        found.append(gamma_of(info["final_info"], action))
    return np.array(found)


def test_gamma_is_uniform_in_its_range():
    gamma = drawn(episodes=50, num_envs=200).ravel()
    assert gamma.min() >= 0.2 - 1e-9 and gamma.max() <= 0.9 + 1e-9
    counts, _ = np.histogram(gamma, bins=20, range=(0.2, 0.9))
    assert ((counts - 500) ** 2 / 500).sum() < 43.8  # chi-square, 19 degrees of freedom, p = 0.001
    assert np.unique(gamma).size == gamma.size  # another one in each episode and copy
    narrow = drawn(episodes=20, num_envs=50, gamma_range=[0.3, 0.4]).ravel()
    assert 0.3 - 1e-9 <= narrow.min() < 0.31 and 0.39 < narrow.max() <= 0.4 + 1e-9


def test_gamma_of_a_range_per_copy():
    gamma = drawn(num_envs=3, gamma_range=[[0.1, 0.1], [0.5, 0.5], (0.7, 0.7)])
    np.testing.assert_allclose(gamma[0], (0.1, 0.5, 0.7), atol=1e-12)
    for pair in ((0.2, 0.9), [0.2, 0.9], np.array([0.2, 0.9])):  # one range, however it is written
        assert {p.gamma_range for p in payoff.multi_agent_vec(SYNERGY, 2, gamma_range=pair).engine.rows} == {(0.2, 0.9)}


def test_gamma_is_the_seeds_in_every_view():
    """Equal seeds draw alike in all five views and again in the same one; other seeds and later episodes do not."""
    action = np.array([60.0, 55.0])

    def batch(seed):
        return drawn(seed=seed)[0, 0]

    def parallel(seed):
        env = payoff.parallel_env(SYNERGY)
        env.reset(seed=seed)
        return gamma_of(env.step({"agent_0": action[:1], "agent_1": action[1:]})[4]["agent_1"], action)

    def turns(seed):
        env = payoff.aec_env(SYNERGY)
        env.reset(seed=seed)
        for a in action:
            env.step(np.array([a]))
        return gamma_of(env.infos["agent_0"], action)

    env = gym.make(SYNERGY, control="joint", disable_env_checker=True)

    def single(seed):
        env.reset(seed=seed)
        return gamma_of(env.step(action)[4], action)

    vector = gym.make_vec(SYNERGY, num_envs=3, vectorization_mode="vector_entry_point", control="joint")

    def copies(seed):
        vector.reset(seed=seed - 2)  # copy k has the seed s + k
        return gamma_of({"total_value": vector.step(np.tile(action, (3, 1)))[4]["total_value"][2]}, action)

    assert batch(7) != batch(8)
    for seed in (7, 8, 7):
        expected = batch(seed)
        for view in (parallel, turns, single, copies):
            assert view(seed) == expected, view.__name__
    env.reset(seed=7)
    env.reset()
    assert gamma_of(env.step(action)[4], action) != batch(7)


@pytest.mark.parametrize("setting", [*SETTINGS, "published"])
def test_gamma_is_hidden_unless_it_is_revealed(setting):
    """Observations of two gammas are the same, in whole episodes; revealed, they differ in one entry."""
    actions = [(60, 39), (20, 90), (45, 45)]
    low, names = stage.observations(SYNERGY, *actions, observe=setting, gamma_range=(0.2, 0.2))
    high, _ = stage.observations(SYNERGY, *actions, observe=setting, gamma_range=(0.9, 0.9))
    np.testing.assert_array_equal(low, high)
    assert "gamma" not in names
    shown, names = stage.observations(
        SYNERGY, *actions, observe=setting, gamma_range=(0.9, 0.9), reveal_gamma_in_obs=True
    )
    if setting == "minimal":
        np.testing.assert_array_equal(shown, high)
        return
    at = names.index("gamma")
    np.testing.assert_allclose(shown[:, at], 0.9, atol=1e-7)
    np.testing.assert_array_equal(np.delete(shown, at, axis=1), high)
    if setting == "published":
        assert (high.shape[1], shown.shape[1], at) == (15, 16, 15)


def test_state_and_snapshots_keep_the_secret_and_the_gamma():
    env = payoff.multi_agent_vec(SYNERGY, 4)
    env.reset(seed=3)
    np.testing.assert_array_equal(env.state(), np.broadcast_to(env.state()[0], env.state().shape))
    kept, action = env.snapshot(), np.full((4, 2, 1), 50.0)
    value = env.step(action)[4]["total_value"]
    assert np.unique(value).size == 4
    env.reset()
    env.restore(kept)
    np.testing.assert_array_equal(env.step(action)[4]["total_value"], value)


def test_synergy_info():
    hidden = stage.play(SYNERGY, (60, 39.5), gamma_range=(0.61, 0.61))
    assert np.isnan(hidden.info["true_gamma"][0]) and hidden.info["gamma_type"][0] == 1
    shown = stage.play(SYNERGY, (60, 39.5), gamma_range=(0.55, 0.55), reveal_gamma_in_obs=True)
    assert shown.info["true_gamma"][0] == 0.55 and shown.info["gamma_type"][0] == 0
