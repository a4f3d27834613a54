"""Snapshots, start groups, parameters per copy, observation settings, sequential play, info keys."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs.coopetition.observation import Observe
from payoff.envs.views.snapshot import Snapshot

TRUST = "payoff/TrustDilemma-v0"


def test_snapshot_and_restore(env_id, draw_actions):
    """From a snapshot, after a detour, the same actions give the same bits; plain arrays are enough to keep it."""
    env = payoff.multi_agent_vec(env_id, 4, max_steps=30)
    actions = draw_actions(env, 120)
    env.reset(seed=2)
    for a in actions[:45]:
        env.step(a)
    kept = Snapshot.from_arrays({k: v.copy() for k, v in env.snapshot().arrays().items()})
    first = [env.step(a) for a in actions[45:]]
    for a in actions[:20]:
        env.step(a)
    env.restore(kept)
    for a, then in zip(actions[45:], first, strict=True):
        now = env.step(a)
        for x, y in zip(now[:4], then[:4], strict=True):
            np.testing.assert_array_equal(x, y)


def test_snapshots_in_the_other_views(env_id):
    env = gym.make(env_id).unwrapped
    env.reset(seed=0)
    env.action_space.seed(0)
    kept = env.snapshot()
    action = env.action_space.sample()
    result = env.step(action)
    env.restore(kept)
    np.testing.assert_array_equal(env.step(action)[0], result[0])
    turns = payoff.aec_env(env_id).unwrapped
    turns.reset(seed=0)
    for agent in turns.possible_agents[:-1]:
        turns.step(turns.action_space(agent).sample())
    kept = turns.snapshot()
    last = turns.possible_agents[-1]
    action = turns.action_space(last).sample()
    turns.step(action)
    rewards, state = dict(turns.rewards), turns.engine.state.copy()
    turns.restore(kept)
    turns.step(action)
    assert turns.rewards == rewards
    np.testing.assert_array_equal(turns.engine.state, state)


def test_start_groups():
    """Copies of a group start alike whatever seed and batch, others do not, and later draws are their own."""
    env = payoff.multi_agent_vec("payoff/KeyRoom-v0", 6, size=9)
    obs, _ = env.reset(seed=10, options={"group": [0, 0, 1, 1, None, 0]})
    np.testing.assert_array_equal(obs[0], obs[1])
    np.testing.assert_array_equal(obs[0], obs[5])
    np.testing.assert_array_equal(obs[2], obs[3])
    assert not np.array_equal(obs[0], obs[2])
    plain, _ = env.reset(seed=10)
    np.testing.assert_array_equal(plain[4], obs[4])
    alone = gym.make("payoff/KeyRoom-v0", size=9)
    np.testing.assert_array_equal(alone.reset(seed=77, options={"group": 1})[0], obs[2, 0])
    after_group = env.reset(seed=10, options={"group": 3})[0], env.reset()[0]
    assert not np.array_equal(after_group[1][0], after_group[1][1])


def test_parameters_per_copy():
    """A list gives each copy its own value: the same numbers as separate environments."""
    rates = [0.05, 0.15, 0.3]
    many = payoff.multi_agent_vec(TRUST, 3, trust_building_rate=rates, max_steps=[5, 6, 7], num_threads=2)
    many.reset(seed=0)
    singles = [
        payoff.multi_agent_vec(TRUST, 1, trust_building_rate=r, max_steps=h, autoreset_mode="disabled")
        for r, h in zip(rates, [5, 6, 7], strict=True)
    ]
    for env in singles:
        env.reset(seed=0)
    for step in range(5):
        action = np.array([[60.0], [55.0]])
        result = many.step(np.broadcast_to(action, (3, 2, 1)))
        for k, env in enumerate(singles):
            alone = env.step(action[None])
            np.testing.assert_array_equal(result[0][k], alone[0][0])
            np.testing.assert_array_equal(result[1][k], alone[1][0])
            assert result[3][k] == alone[3][0] == (step + 1 == 5 + k)
    assert result[4]["trust"][0, 0, 1] < result[4]["trust"][2, 0, 1]
    with pytest.raises(ValueError, match=r"trust_building_rate must be one value or 3 \(one a copy\), got 2"):
        payoff.multi_agent_vec(TRUST, 3, trust_building_rate=[0.1, 0.2])


@pytest.mark.parametrize(("setting", "size"), [("full", 9), ("private", 6), ("minimal", 2)])
def test_observation_settings(setting, size):
    """Full: 2 actions, 2 trust, 2 damage, 2 dependence, clock; private: own rows; minimal: action and trust."""
    env = payoff.parallel_env(TRUST, observe=setting)
    obs, _ = env.reset(seed=0)
    assert {o.shape for o in obs.values()} == {(size,)}
    obs, *_ = env.step({"agent_0": np.array([60.0]), "agent_1": np.array([39.5])})
    # trust and damage after this step: worked example of the specification
    trust = {"agent_0": 0.305644, "agent_1": 0.575}
    for agent, share in (("agent_0", 0.6), ("agent_1", 0.395)):
        assert obs[agent][0] == pytest.approx(share)
        assert obs[agent][env.engine.plan.names.index("trust[0,1]")] == pytest.approx(trust[agent], abs=1e-6)
    if setting != "minimal":
        names = env.engine.plan.names
        assert obs["agent_0"][names.index("damage[0,1]")] == pytest.approx(0.317574, abs=1e-6)
        assert obs["agent_0"][names.index("dependence[0,1]")] == pytest.approx(0.6)
        assert obs["agent_0"][names.index("clock")] == pytest.approx(0.01)
    assert env.state().shape == (9,)


def test_custom_observation_and_its_errors():
    custom = Observe(trust="none", damage="none", dependence="none")
    assert gym.make(TRUST, observe=custom).observation_space.shape == (3,)
    with pytest.raises(ValueError, match=r"observe.trust must be one of 'all', 'row', 'none', got 'some'"):
        Observe(trust="some")
    with pytest.raises(TypeError, match="observe must be a name or an Observe, got int"):
        gym.make(TRUST, observe=3)


def test_observations_stay_in_their_box(env_id, draw_actions):
    for setting in ("full", "private", "minimal"):
        env = payoff.multi_agent_vec(env_id, 8, observe=setting)
        obs, _ = env.reset(seed=0)
        for action in draw_actions(env, 120):
            assert obs.dtype == np.float32 and (obs >= 0).all() and (obs <= 1).all()
            assert (env.state() >= 0).all() and (env.state() <= 1).all()
            obs, reward, *_ = env.step(action)
            assert np.isfinite(reward).all()


def test_aec_reveals_earlier_moves_in_the_given_order():
    env = payoff.aec_env(TRUST, order=["agent_1", "agent_0"])
    env.reset(seed=0)
    assert env.agent_selection == "agent_1"
    np.testing.assert_array_equal(env.observe("agent_0")[-2:], [-1, -1])
    env.step(np.array([250.0]))  # a published native action is clipped, and so is what is shown of it
    np.testing.assert_array_equal(env.observe("agent_0")[-2:], [-1, 1])
    np.testing.assert_array_equal(env.observe("agent_1")[-2:], [1, -1])
    env.step(np.array([40.0]))
    np.testing.assert_array_equal(env.observe("agent_1")[-2:], [-1, -1])
    hidden = payoff.aec_env(TRUST, observe="minimal")
    hidden.reset(seed=0)
    hidden.step(np.array([40.0]))
    np.testing.assert_array_equal(hidden.observe("agent_1")[-2:], [-1, -1])
    with pytest.raises(ValueError, match="order must name each"):
        payoff.aec_env(TRUST, order=[0, 0])


def test_info_keys():
    """The same keys in every view; minimal info carries payoff and rewards only."""
    keys = {"payoff", "rewards", "trust", "reputation_damage", "total_value"}
    env = gym.make(TRUST, reward="private")
    env.reset(seed=0)
    _, reward, _, _, info = env.step(np.array([60.0], np.float32))
    assert set(info) == keys
    assert reward == info["rewards"][0] == info["payoff"][0]
    vector = gym.make_vec(TRUST, num_envs=2)
    assert {k for k in vector.reset(seed=0)[1] if not k.startswith("_")} == keys
    assert set(payoff.parallel_env(TRUST).reset(seed=0)[1]["agent_1"]) == keys
    assert set(payoff.multi_agent_vec(TRUST, 2).reset(seed=0)[1]) == keys
    for minimal in (
        gym.make(TRUST, info="minimal").reset(seed=0)[1],
        payoff.multi_agent_vec(TRUST, 2, info="minimal").reset(seed=0)[1],
        payoff.parallel_env(TRUST, info="minimal").reset(seed=0)[1]["agent_0"],
    ):
        assert set(minimal) == {"payoff", "rewards"}
    assert "loyalty" in gym.make("payoff/LoyaltyTeam-v0").reset(seed=0)[1]
    assert "memory_average" in gym.make("payoff/ReciprocalDilemma-v0").reset(seed=0)[1]


def test_payoff_is_the_same_whatever_the_reward():
    payoffs = []
    for reward in ("private", "integrated", "cooperative", "svo:1.2", "inequity_aversion"):
        env = payoff.multi_agent_vec("payoff/LoyaltyTeam-v0", 2, reward=reward, actions="unit")
        env.reset(seed=0)
        payoffs.append([env.step(np.full((2, 4, 1), 0.1 * k))[4]["payoff"] for k in range(8)])
    for other in payoffs[1:]:
        np.testing.assert_array_equal(other, payoffs[0])


def test_joint_control_is_the_mean_of_the_layer():
    env = gym.make("payoff/LoyaltyTeam-v0", control="joint", reward="private")
    env.reset(seed=0)
    action = np.array([25, 30, 10, 50], np.float32)
    _, reward, *_, info = env.step(action)
    assert reward == pytest.approx(info["rewards"].mean(), abs=1e-12)
    arrays = payoff.multi_agent_vec("payoff/LoyaltyTeam-v0", 1, reward="private")
    arrays.reset(seed=0)
    np.testing.assert_array_equal(arrays.step(action[None, :, None].astype(float))[1][0], info["rewards"])


def test_a_strided_reset_mask_restarts_the_right_copies():
    env = payoff.multi_agent_vec(TRUST, 6, autoreset_mode="disabled")
    env.reset(seed=0)
    env.step(np.full((6, 2, 1), 10.0))
    mask = np.zeros((6, 2), bool)
    mask[:3, 0] = True
    env.reset(options={"reset_mask": mask[:, 0]})
    np.testing.assert_array_equal(env.engine.state[:, 0], [0, 0, 0, 1, 1, 1])


def test_a_copy_keeps_what_gymnasium_keeps():
    import copy

    for env in (gym.make(TRUST), gym.make_vec(TRUST, num_envs=2)):
        env.reset(seed=1)
        env.action_space.seed(3)
        twin = copy.deepcopy(env)
        assert twin.spec == env.spec is not None
        np.testing.assert_array_equal(twin.action_space.sample(), env.action_space.sample())
        assert twin.unwrapped.np_random.random() == env.unwrapped.np_random.random()


def test_aec_snapshots_keep_rewards_and_whose_turn_it_is():
    env = payoff.aec_env("payoff/LoyaltyTeam-v0", n_agents=3, order=[2, 1, 0], max_steps=1)
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.array([10.0]))
    rewards, last = dict(env.rewards), env.last()
    env.restore(env.snapshot())
    assert env.rewards == rewards and env.last()[1] == last[1] != 0
    env.step(None)
    waiting = env.agent_selection
    fresh = payoff.aec_env("payoff/LoyaltyTeam-v0", n_agents=3, order=[2, 1, 0], max_steps=1)
    fresh.restore(env.snapshot())
    assert fresh.agent_selection == waiting
    fresh.step(None)
    fresh.step(None)
    with pytest.raises(gym.error.ResetNeeded, match="no episode is running"):
        fresh.unwrapped.step(None)


def test_both_spellings_of_autoreset():
    from gymnasium.vector import AutoresetMode

    for mode in ("same_step", "SameStep", AutoresetMode.SAME_STEP):
        assert (
            gym.make_vec(TRUST, num_envs=1, autoreset_mode=mode).metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
        )
        assert payoff.multi_agent_vec(TRUST, 1, autoreset_mode=mode).autoreset_mode == "same_step"
    with pytest.raises(ValueError, match="autoreset_mode must be one of 'next_step', 'same_step', 'disabled'"):
        gym.make_vec(TRUST, num_envs=1, autoreset_mode="sometimes")


def test_numpy_scalars_are_numbers():
    env = payoff.multi_agent_vec(TRUST, np.int64(2), max_steps=np.int64(3), trust_sensitivity=np.float32(1.5))
    assert (env.num_envs, env.max_steps) == (2, 3)


def test_partners_by_name_of_the_seat():
    for key in (1, "1", "agent_1"):
        env = gym.make(TRUST, partners={key: "constant:0.9"}, disable_env_checker=True)
        env.reset(seed=0)
        env.step(np.array([10.0]))
        assert env.unwrapped.engine.action[0, 1, 0] == 90.0
