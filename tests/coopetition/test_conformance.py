"""Every recorded run of the published games is followed: rewards in the three modes, trust, damage, loyalty, flags.

The recordings are float64 evaluations of the published equations that agree with the published code. The reading of the
"cooperative" mode is that of the published code: the mean of the trust-gated utilities.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import payoff

FOLDER = Path(__file__).resolve().parents[1] / "data" / "conformance"
RUNS = [
    pytest.param(run, id=f"{path.stem}-{k}-{run['sequence']}")
    for path in sorted(FOLDER.glob("*.json"))
    for k, run in enumerate(json.loads(path.read_text()))
]
MODES = ["private", "integrated", "cooperative"]
STATES = {
    "trust": {"rtol": 0, "atol": 1e-7},
    "reputation_damage": {"rtol": 0, "atol": 1e-7},
    "loyalty": {"rtol": 0, "atol": 1e-6},
    "memory_average": {"rtol": 0, "atol": 1e-6},
    "total_value": {"rtol": 1e-6, "atol": 0},
    "theory_payoff": {"rtol": 0, "atol": 1e-4},
}


def close_reward(ours, recorded, run):
    np.testing.assert_allclose(ours, recorded, rtol=run["reward_tolerance"], atol=0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("run", RUNS)
def test_parallel_view_follows_the_recording(run, mode):
    env = payoff.parallel_env(f"payoff/{run['env_id']}", reward=mode, **run["kwargs"])
    env.reset(seed=0)
    for t, action in enumerate(run["actions"]):
        _, rewards, terminated, truncated, infos = env.step(
            dict(zip(env.possible_agents, np.array(action)[:, None], strict=True))
        )
        close_reward(list(rewards.values()), run["rewards"][mode][t], run)
        assert set(terminated.values()) == {run["terminated"][t]}
        assert set(truncated.values()) == {run["truncated"][t]}
        close_reward([infos[a]["payoff"] for a in infos], run["rewards"]["private"][t], run)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("run", RUNS)
def test_batch_follows_the_recording(run, mode):
    """Three copies at once, and every state entry that the recording has."""
    env = payoff.multi_agent_vec(f"payoff/{run['env_id']}", 3, reward=mode, autoreset_mode="disabled", **run["kwargs"])
    env.reset(seed=0)
    for t, action in enumerate(run["actions"]):
        _, rewards, terminated, truncated, info = env.step(
            np.broadcast_to(np.array(action)[:, None], (3, len(action), 1))
        )
        close_reward(rewards[2], run["rewards"][mode][t], run)
        assert (terminated == run["terminated"][t]).all() and (truncated == run["truncated"][t]).all()
        close_reward(info["payoff"][0], run["rewards"]["private"][t], run)
        for key, tolerance in STATES.items():
            if key in run:
                np.testing.assert_allclose(info[key][1], run[key][t], err_msg=key, **tolerance)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("run", RUNS)
def test_gymnasium_view_follows_the_recording(run, mode):
    """The joint controller, clipped as published; its reward is the mean over seats."""
    import gymnasium as gym

    env = gym.make(f"payoff/{run['env_id']}", control="joint", reward=mode, disable_env_checker=True, **run["kwargs"])
    env.reset(seed=0)
    for t, action in enumerate(run["actions"]):
        _, reward, terminated, truncated, info = env.step(np.array(action))
        close_reward(info["rewards"], run["rewards"][mode][t], run)
        close_reward(reward, np.mean(run["rewards"][mode][t]), run)
        assert (terminated, truncated) == (run["terminated"][t], run["truncated"][t])
