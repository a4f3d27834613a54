"""Which kind an environment is of: to type checkers, and where somebody else's batch is handed over."""

import re
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from mypy import api
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from payoff.wrappers import PotentialShaping, UtilityOfReturn, WeightedSum, from_info, wrap
from payoff.wrappers.objectives.augment import augment

ROOT = Path(__file__).resolve().parents[2]
ID = "payoff/KeyRoom-v0"

SNIPPET = """
import gymnasium as gym
import payoff
from payoff.wrappers import PotentialShaping, UtilityOfReturn, WeightedSum, from_info, wrap
from payoff.wrappers.objectives.augment import augment

method = PotentialShaping(from_info("progress"), gamma=0.9, on_truncation="terminal")
memory = UtilityOfReturn(WeightedSum([1.0]), gamma=0.9, learner_gamma=0.9)
env, batch = gym.make("X"), gym.make_vec("X")
pettingzoo, seats = payoff.parallel_env("X"), payoff.multi_agent_vec("X", 2)
reveal_type(wrap(env, method))
reveal_type(wrap(gym.wrappers.TimeLimit(wrap(env, method), 3), method))
reveal_type(wrap(batch, method))
reveal_type(wrap(wrap(batch, method), method))
reveal_type(wrap(pettingzoo, method))
reveal_type(wrap(wrap(pettingzoo, method), method))
reveal_type(wrap(seats, method))
reveal_type(wrap(wrap(seats, method), method))
reveal_type(augment(env, memory))
reveal_type(augment(batch, memory))
reveal_type(augment(pettingzoo, memory))
reveal_type(augment(seats, memory))
wrap(3, method)
"""


def test_type_checkers_see_the_kind(tmp_path, monkeypatch):
    """With the settings and the cache of this project, which ``make lint`` has filled."""
    (tmp_path / "snippet.py").write_text(SNIPPET, encoding="utf-8")
    monkeypatch.chdir(ROOT)
    told, errors, code = api.run([str(tmp_path / "snippet.py"), "--no-pretty"])
    assert not errors
    assert code == 1  # of the last line alone
    assert re.findall(r'Revealed type is "[\w.]*?(\w+)"', told) == [
        *["RewardWrapper"] * 2,
        *["VectorRewardWrapper"] * 2,
        *["ParallelRewardWrapper"] * 2,
        *["MultiAgentVecRewardWrapper"] * 2,
        *("MemoryWrapper", "MemoryVectorWrapper", "MemoryParallelEnv", "MemoryMultiAgentVec"),
    ]
    assert re.findall(r": error: (.*)  \[", told) == [
        'No overload variant of "wrap" matches argument types "int", "PotentialShaping"'
    ]


def shaping():
    return PotentialShaping(from_info("progress"), gamma=0.9, on_truncation="terminal")


def test_a_batch_of_stable_baselines_is_refused_with_what_to_do_instead():
    batch = make_vec_env(ID, n_envs=2)
    message = r"got DummyVecEnv; .*make_vec_env\(lambda: wrap\(gym\.make\(ID\), method\), n_envs=4\)"
    with pytest.raises(TypeError, match=message):
        wrap(batch, shaping())
    with pytest.raises(TypeError, match=message):
        augment(batch, UtilityOfReturn(WeightedSum([1.0]), gamma=0.9, learner_gamma=0.9))


def test_what_to_do_instead_pays_what_the_wrapper_pays():
    method = shaping()
    batch = make_vec_env(lambda: wrap(gym.make(ID), method), n_envs=2, seed=5)
    batch.reset()
    alone = [wrap(gym.make(ID), shaping()) for _ in range(2)]
    for b, env in enumerate(alone):
        env.reset(seed=5 + b)
    changed = 0
    for action in (0, 1, 2, 3, 0, 2):
        _, rewards, _, infos = batch.step(np.array([action, action]))
        for b, env in enumerate(alone):
            _, reward, *_, info = env.step(action)
            assert rewards[b] == np.float32(reward)
            assert infos[b]["true_reward"] == info["true_reward"]
            changed += reward != info["true_reward"]
    assert changed > 0
    PPO("MlpPolicy", batch, n_steps=16, batch_size=16, n_epochs=1, seed=0).learn(32)
