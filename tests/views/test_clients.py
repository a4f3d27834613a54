"""What the tools of other people ask of an environment, beyond the checkers of Gymnasium and PettingZoo."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pettingzoo
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import TimeAwareObservation

import payoff
from payoff.wrappers import MultiObjective

TRUST = "payoff/TrustDilemma-v0"
SUDOKU = "payoff/Sudoku-v0"


def leaves(info, path=""):
    """Path -> value of every entry that is no dict."""
    found = {}
    for key, value in info.items():
        found |= leaves(value, f"{path}{key}.") if isinstance(value, dict) else {path + key: value}
    return found


def form(info):
    return {path: (value.dtype, value.shape) for path, value in leaves(info).items()}


def test_infos_hold_numbers_alone(env_id):
    """Every view: numbers and arrays with a dtype, the same keys at the reset and after a step."""
    env, pair, turns = gym.make(env_id), payoff.parallel_env(env_id), payoff.aec_env(env_id)
    infos = [env.reset(seed=0)[1], env.step(env.action_space.sample())[4]]
    pair.reset(seed=0)
    infos.append(pair.step({a: pair.action_space(a).sample() for a in pair.agents})[4]["agent_0"])
    turns.reset(seed=0)
    infos.append(turns.infos["agent_0"])
    for info in infos:
        for path, value in leaves(info).items():
            assert isinstance(value, np.generic | np.ndarray), path
            assert value.dtype.kind in "fib", path
        assert form(info).keys() == form(infos[0]).keys()
    assert form(infos[0]) == form(infos[1])


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_infos_of_native_batches_have_the_form_of_gymnasium(env_id, mode):
    """Keys, masks, dtypes and shapes of SyncVectorEnv at every depth; ``final_obs`` alone is one array, not objects."""
    native = gym.make_vec(env_id, num_envs=2, autoreset_mode=mode, max_episode_steps=2)
    sync = gym.make_vec(
        env_id, num_envs=2, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, max_episode_steps=2
    )
    assert native.autoreset_mode is sync.autoreset_mode is mode
    ours, theirs = native.reset(seed=3)[1], sync.reset(seed=3)[1]
    native.action_space.seed(0)
    for _ in range(3):
        final, batch = theirs.pop("final_obs", None), ours.pop("final_obs", None)
        assert form(ours) == form(theirs)
        assert (final is None) == (batch is None)
        if final is not None:
            for b in np.flatnonzero(ours["_final_obs"]):
                np.testing.assert_array_equal(batch[b], final[b])
        actions = native.action_space.sample()
        ours, theirs = native.step(actions)[4], sync.step(actions)[4]


def test_captions_are_numbers_with_a_text():
    env = gym.make("payoff/LineKey-v0")
    _, info = env.reset(seed=0)
    assert env.unwrapped.caption(info["caption"]) == "the episode began"
    for bad in (99, -1, 0.5, True, None, "a", [0], np.array([0, 1])):
        with pytest.raises(ValueError, match=r"code must be an integer in 0 \.\. \d+, got"):
            env.unwrapped.caption(bad)
    with pytest.raises(ValueError, match="TrustDilemma-v0 has none, got 0"):
        payoff.parallel_env(TRUST).caption(0)


def test_the_spec_says_how_long_an_episode_can_be():
    """TrustDilemma has 100 steps; a shorter limit truncates, a longer one does nothing."""
    env = gym.make(TRUST)
    assert env.spec.max_episode_steps == env.unwrapped.spec.max_episode_steps == 100
    assert gym.make(TRUST, max_steps=250).spec.max_episode_steps == 250
    assert gym.make(TRUST, max_episode_steps=7).spec.max_episode_steps == 7
    assert gym.make_vec(TRUST, num_envs=2).spec.max_episode_steps == 100
    assert gym.make_vec(TRUST, num_envs=2, max_steps=[3, 9]).spec.max_episode_steps == 9
    for again in (gym.make(env.spec), pickle.loads(pickle.dumps(env)), copy.deepcopy(env)):
        assert again.spec.max_episode_steps == 100
    assert TimeAwareObservation(env).observation_space.shape == (10,)


def ends(step, action):
    """Number of the step that truncates."""
    return next(t for t in range(1, 200) if np.any(step(action)[3]))


def test_a_limit_of_the_episode_in_every_view():
    action = np.array([50.0], np.float32)
    single, batch = gym.make(TRUST, max_episode_steps=7), gym.make_vec(TRUST, num_envs=2, max_episode_steps=7)
    seats, long = payoff.multi_agent_vec(TRUST, 2, max_episode_steps=7), payoff.multi_agent_vec(TRUST, 2)
    assert (seats.max_steps, long.max_steps) == (7, 100)
    for env, actions in ((single, action), (batch, np.stack([action] * 2)), (seats, np.full((2, 2, 1), 50.0))):
        env.reset(seed=0)
        assert ends(env.step, actions) == 7
    for env in (payoff.parallel_env(TRUST, max_cycles=7), pettingzoo.make("parallel", TRUST, max_cycles=7)):
        env.reset(seed=0)
        for t in range(1, 8):
            *_, truncated, _ = env.step({a: action for a in env.agents})
            assert all(truncated.values()) == (t == 7)
    turns = payoff.aec_env(TRUST, max_cycles=2)
    turns.reset(seed=0)
    for _ in range(4):
        turns.step(action)
    assert all(turns.truncations.values())
    for build, word in ((payoff.parallel_env, "max_cycles"), (payoff.multi_agent_vec, "max_episode_steps")):
        with pytest.raises(ValueError, match=rf"{word} must be an integer .* got 0"):
            build(TRUST, **{word: 0})


@pytest.mark.parametrize("kind", ["parallel", "aec"])
def test_pettingzoo_makes_every_id(kind):
    registry = {"parallel": pettingzoo.parallel_registry, "aec": pettingzoo.aec_registry}[kind]
    assert set(payoff.ids()) <= set(registry)
    env = pettingzoo.make(kind, TRUST, reward="private")
    assert env.metadata["name"] == TRUST
    assert env.possible_agents == ["agent_0", "agent_1"]


def test_a_number_without_its_axis_is_an_action():
    """A policy of one number may send it bare; two numbers, or a second axis, are refused."""
    env, other = gym.make(TRUST), gym.make(TRUST)
    env.reset(seed=0)
    other.reset(seed=0)
    expected = env.step(np.array([30.0]))
    for bare in (30.0, np.float32(30.0), np.array(30.0)):
        other.reset(seed=0)
        obs, reward, *_ = other.step(bare)
        np.testing.assert_array_equal(obs, expected[0])
        assert reward == expected[1]
    batch = gym.make_vec(TRUST, num_envs=3)
    batch.reset(seed=[0, 1, 2])
    assert batch.step(np.full(3, 30.0))[1][0] == expected[1]
    with pytest.raises(ValueError, match=r"action must have shape \(1,\), got \(1, 1\)"):
        other.step(np.array([[30.0]]))
    with pytest.raises(ValueError, match=r"action must have shape \(3, 1\), got \(2,\)"):
        batch.step(np.full(2, 30.0))


def test_rewards_as_vectors():
    """MO-Gymnasium's convention: K numbers, float32, with their space on the environment itself.

    Delivery drives up, which costs 1 of gas and nothing else: its default weights are (-1, 50, -50, 1, -1, -2).
    """
    env = MultiObjective(gym.make("payoff/Delivery-v0"))
    space = env.unwrapped.reward_space
    assert (space, env.unwrapped.reward_dim) == (gym.spaces.Box(0.0, 1.0, (7,), np.float32), 7)
    env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(20):
        _, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert reward.dtype == np.float32 and space.contains(reward)
        assert reward @ [-1, 50, -50, 1, -1, -2, 50] == info["payoff"][0]
        if terminated or truncated:
            break
    assert not hasattr(gym.make("payoff/Delivery-v0").unwrapped, "reward_space")  # its reward is a number
    with pytest.raises(ValueError, match="env must have a reward_vector_space"):
        MultiObjective(gym.make("CartPole-v1"))
    with pytest.raises(AttributeError, match="payoff/TrustDilemma-v0 reports no reward_vector"):
        _ = gym.make(TRUST).unwrapped.reward_vector_space


def test_a_batch_is_one_copy_unless_more_are_asked_for():
    assert payoff.multi_agent_vec("payoff/TrustDilemma-v0").num_envs == 1
    assert gym.make_vec("payoff/TrustDilemma-v0", vectorization_mode="vector_entry_point").num_envs == 1
