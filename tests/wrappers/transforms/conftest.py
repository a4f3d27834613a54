"""An environment whose info has everything that transforms read, scripted ones, and batches of episodes from lists."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from payoff.wrappers.base import Transition
from payoff.wrappers.redistribution.base import EpisodeBatch
from payoff.wrappers.rows import vector_info


class Script(gym.Env):
    """Plays given rewards and infos, whatever the action; ends as ``end`` says."""

    observation_space = gym.spaces.Box(0, 99, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, rewards, infos=None, end=(True, False), start=None):
        self.rewards, self.end, self.start = rewards, end, start or {}
        self.infos = infos or [{}] * len(rewards)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), dict(self.start)

    def step(self, action):
        self.t += 1
        over = self.t == len(self.rewards)
        obs = np.full(1, self.t, np.float32)
        return obs, self.rewards[self.t - 1], over and self.end[0], over and self.end[1], dict(self.infos[self.t - 1])


@pytest.fixture
def script():
    return Script


@pytest.fixture
def course(walk):
    """A random walk with random entries of every kind; ``binary``: 1 where it terminates at the upper end, else 0."""

    class Course(walk):
        def __init__(self, binary=False):
            super().__init__(horizon=4)
            self.binary = binary

        def step(self, action):
            obs, reward, terminated, truncated, info = super().step(action)
            if self.binary:
                reward = float(self.x >= self.edge)
                info["reward_terms"] |= {"payoff": reward, "layer": 0.0}
            return obs, reward, terminated, truncated, info

        def _info(self, reward):
            rng = self.np_random
            return {
                "progress": float(np.clip((self.x + 3) / 6, 0, 1)),
                "checks": np.array([self.x > 0, self.t > 2, self.x == 2]),
                "reward_vector": np.clip(rng.normal(size=3), -1, 1),
                "factors": np.where(rng.random(2) < 0.3, rng.random(2), 1.0),
                "hard": bool(rng.random() < 0.1),
                "distance": float(abs(self.x)) + self.luck,
                "mu": rng.normal(size=3),
                "sigma": rng.random(3),
                "reward_terms": {"payoff": 0.5 * reward, "layer": 0.5 * reward},
                "aux": float(rng.random()),
            }

    return Course


@pytest.fixture
def rows_of():
    """Vector environment of one factory per row."""

    def make(factories, mode):
        return SyncVectorEnv(factories, autoreset_mode=mode)

    return make


@pytest.fixture
def transition():
    """Transition of rewards and entries given as lists, all rows active unless said otherwise."""

    def make(reward, info=None, terminated=None, truncated=None, active=None, obs=None):
        reward = np.array(reward, dtype=np.float64)
        no, yes = np.zeros(reward.size, bool), np.ones(reward.size, bool)
        active = yes if active is None else np.array(active, bool)
        obs = np.zeros((reward.size, 1)) if obs is None else np.asarray(obs)
        return Transition(
            obs,
            np.zeros(reward.size, int),
            reward,
            obs,
            no if terminated is None else np.array(terminated, bool),
            no if truncated is None else np.array(truncated, bool),
            vector_info(info or {}, active),
            active,
        )

    return make


@pytest.fixture
def batch():
    """EpisodeBatch of episodes given as lists of rewards, and of entries ``name=[episode, ...]``."""

    def make(episodes, *, group=None, finished=None, start=None, **info):
        lengths = np.array([len(e) for e in episodes])
        steps, columns = lengths.max(), len(episodes)
        valid = np.arange(steps)[:, None] < lengths
        last = np.arange(steps)[:, None] == lengths - 1
        ends = np.ones(columns, bool) if finished is None else np.array(finished)

        def padded(lists, blank=np.nan):
            first = np.asarray(lists[0])
            table = np.full((steps, columns, *first.shape[1:]), blank)
            for b, values in enumerate(lists):
                table[: lengths[b], b] = values
            return table

        return EpisodeBatch(
            obs=np.zeros((steps + 1, columns, 1)),
            actions=np.zeros((steps, columns), int),
            rewards=padded(episodes),
            terminated=last & ends,
            truncated=np.zeros((steps, columns), bool),
            valid=valid,
            info={name: padded(lists) for name, lists in info.items()},
            start=start or {},
            group=None if group is None else np.array(group),
        )

    return make
