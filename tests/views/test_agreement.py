"""Same seed and actions: the same trajectory, bit for bit, in every view, batch size and thread count.

Every rollout runs past the end of episodes, so restarts are part of what is compared.
"""

import gymnasium as gym
import numpy as np
import pytest

import payoff

OWN = ("aux", "action_mask")  # entries of which a learner is told its seat's part
STEPS = 260  # more than two horizons of the published games


def short(env_id):
    """Keywords that make several episodes end within STEPS, and keep what is compared within memory."""
    smaller = {"phase": "emergence"} if "ApacheProject" in env_id else {}  # 8 seats instead of 40: 1/100 of the numbers
    smaller |= {"n_agents": 8} if "Congestion" in env_id else {}  # instead of 100
    return {"max_steps": 40, **smaller}


def record(env, actions, seed):
    """Roll a multi-agent batch: dict of arrays with leading axes (T + 1, B)."""
    obs, info = env.reset(seed=seed)
    frames = [(obs, info["rewards"], np.zeros(env.num_envs, bool), np.zeros(env.num_envs, bool), info)]
    frames += [env.step(a) for a in actions]
    out = {
        "obs": np.stack([f[0] for f in frames]),
        "reward": np.stack([f[1] for f in frames]),
        "terminated": np.stack([f[2] for f in frames]),
        "truncated": np.stack([f[3] for f in frames]),
    }
    for key in frames[0][4]:
        out[f"info/{key}"] = np.stack([f[4][key] for f in frames])
    return out


@pytest.mark.parametrize("mode", ["next_step", "same_step"])
def test_batch_sizes_and_threads(env_id, mode, draw_actions):
    """Copy k of a batch of 64 equals copy k of a batch of 7, of a batch of one with its seed, and of two threads."""

    def make(n, threads=1):
        return payoff.multi_agent_vec(env_id, n, num_threads=threads, autoreset_mode=mode, **short(env_id))

    big = make(64)
    actions = draw_actions(big, STEPS)
    whole = record(big, actions, 100)
    assert whole["terminated"].any() or whole["truncated"].any()
    variants = [(make(64, threads=2), slice(0, 64)), (make(7), slice(0, 7)), (make(7, threads=2), slice(50, 57))]
    variants += [(make(1), slice(k, k + 1)) for k in (0, 63)]
    for env, rows in variants:
        part = record(env, actions[:, rows], 100 + rows.start)
        for key, value in part.items():
            if not key.startswith(("info/final", "info/_final")):
                np.testing.assert_array_equal(value, whole[key][:, rows], err_msg=key)
        env.close()


def vector_reference(env_id, actions, seed, **keywords):
    """The multi-agent batch of one with disabled autoreset, restarted by hand: the plainest reading of the game."""
    env = payoff.multi_agent_vec(env_id, 1, autoreset_mode="disabled", **short(env_id), **keywords)
    obs, info = env.reset(seed=seed)
    frames, over = [], False
    for action in actions:
        if over:
            obs, info = env.reset()
            frames.append(("reset", obs[0], None, info))
            over = False
            continue
        obs, reward, terminated, truncated, info = env.step(action)
        over = bool(terminated[0] or truncated[0])
        frames.append(("step", obs[0], (reward[0], terminated[0], truncated[0]), info))
    return frames


def same_info(ours, reference, seat):
    """Every entry of a learner's info equals the reference batch's."""
    for key, value in reference.items():
        told = value[0, seat] if key in OWN else value[0]
        np.testing.assert_array_equal(ours[key], told, err_msg=key)


@pytest.mark.parametrize("reward", ["private", None])
def test_single_agent_views(env_id, reward, draw_actions):
    """Env and a row of VectorEnv, the other seats played by functions that replay the recorded actions."""
    probe = payoff.multi_agent_vec(env_id, 1, **short(env_id))
    n, actions = probe.num_agents, draw_actions(probe, STEPS, seed=1)
    rows = 3
    for seat in {0, n - 1}:
        reference = vector_reference(env_id, actions, 9, reward=reward)
        clock = {"t": 0}

        def replay(j, clock=clock):
            return lambda seen: np.repeat(actions[clock["t"], :, j], len(seen), axis=0)

        partners = {j: replay(j) for j in range(n) if j != seat}
        env = gym.make(env_id, agent=seat, partners=partners, reward=reward, **short(env_id))
        many = gym.make_vec(env_id, num_envs=rows, agent=seat, partners=partners, reward=reward, **short(env_id))
        env.reset(seed=9)
        many.reset(seed=[5, 9, 7])
        shape = env.action_space.shape
        for t, (kind, obs, outcome, info) in enumerate(reference):
            clock["t"] = t
            own = actions[t, 0, seat]
            action = int(own[0]) if shape == () else own.astype(np.float32)
            batch = many.step(np.repeat(np.asarray(action)[None], rows, axis=0))
            np.testing.assert_array_equal(batch[0][1], obs[seat])
            if kind == "reset":
                single_obs, single_info = env.reset()
                assert not batch[2][1] and not batch[3][1] and batch[1][1] == 0.0
            else:
                single_obs, single_reward, terminated, truncated, single_info = env.step(action)
                assert (single_reward, terminated, truncated) == (outcome[0][seat], outcome[1], outcome[2])
                assert (batch[1][1], batch[2][1], batch[3][1]) == (single_reward, terminated, truncated)
            np.testing.assert_array_equal(single_obs, obs[seat])
            same_info(single_info, info, seat)
            same_info({key: batch[4][key][1] for key in info}, info, seat)


def test_parallel_and_aec_views(env_id, draw_actions):
    """Parallel equals the batch; AEC, fed the same actions, equals it too, with the revealed block behind."""
    probe = payoff.multi_agent_vec(env_id, 1, **short(env_id))
    actions = draw_actions(probe, STEPS, seed=2)
    reference = vector_reference(env_id, actions, 9)
    env, turns = payoff.parallel_env(env_id, **short(env_id)), payoff.aec_env(env_id, **short(env_id))
    env.reset(seed=9)
    turns.reset(seed=9)
    for t, (kind, obs, outcome, info) in enumerate(reference):
        if kind == "reset":
            ours, infos = env.reset()
            turns.reset()
        else:
            chosen = {}
            for i, agent in enumerate(env.agents):
                own = actions[t, 0, i]
                chosen[agent] = int(own[0]) if env.action_space(agent).shape == () else own.astype(np.float32)
            for agent in turns.possible_agents:
                assert turns.agent_selection == agent
                turns.step(chosen[agent])
            ours, rewards, terminated, truncated, infos = env.step(chosen)
            for i, agent in enumerate(env.possible_agents):
                assert (rewards[agent], terminated[agent], truncated[agent]) == (outcome[0][i], outcome[1], outcome[2])
                assert turns.rewards[agent] == rewards[agent]
                assert (turns.terminations[agent], turns.truncations[agent]) == (outcome[1], outcome[2])
        np.testing.assert_array_equal(turns.unwrapped.engine.state, env.engine.state)
        for i, agent in enumerate(env.possible_agents):
            np.testing.assert_array_equal(ours[agent], obs[i])
            np.testing.assert_array_equal(turns.observe(agent)[: len(obs[i])], obs[i])
            np.testing.assert_array_equal(turns.observe(agent)[len(obs[i]) :], -1.0)
            assert infos[agent]["payoff"] == info["payoff"][0, i]
            assert turns.infos[agent]["payoff"] == infos[agent]["payoff"]
            if "trust" in info:
                np.testing.assert_array_equal(infos[agent]["trust"], info["trust"][0])


def test_same_step_mode_keeps_the_end(env_id, draw_actions):
    """Same-step and next-step autoreset report the same episodes; the former in final_obs and final_info."""
    same = payoff.multi_agent_vec(env_id, 5, autoreset_mode="same_step", **short(env_id))
    by_hand = payoff.multi_agent_vec(env_id, 5, autoreset_mode="disabled", **short(env_id))
    actions = draw_actions(same, STEPS, seed=3)
    same.reset(seed=1)
    by_hand.reset(seed=1)
    ends = 0
    for action in actions:
        obs, reward, terminated, truncated, info = same.step(action)
        expected = by_hand.step(action)
        np.testing.assert_array_equal(reward, expected[1])
        over = expected[2] | expected[3]
        np.testing.assert_array_equal(terminated | truncated, over)
        seen, now = expected[0], expected[4]
        if over.any():
            ends += int(over.sum())
            np.testing.assert_array_equal(info["final_obs"][over], expected[0][over])
            for key in ("payoff", "rewards"):
                np.testing.assert_array_equal(info["final_info"][key][over], expected[4][key][over])
                np.testing.assert_array_equal(info[key], expected[4][key])
            seen, now = by_hand.reset(options={"reset_mask": over})
        np.testing.assert_array_equal(obs, seen)
        if "trust" in now:
            np.testing.assert_array_equal(info["trust"], now["trust"])
    assert ends > 5
