"""Small environments whose episodes end in every way, and a potential with exact numbers."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from payoff.wrappers import PotentialShaping

GAMMA = 0.9


class Walk(gym.Env):
    """A walk on the line from a random start: terminates 3 away from 0, is truncated after 6 steps, or both at once.

    The reward, the start and an info entry are random, so that a mixed-up row or episode shows.
    """

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def __init__(self, horizon=6, edge=3, terms=False):
        self.horizon, self.edge, self.terms = horizon, edge, terms

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.t = int(self.np_random.integers(-1, 2)), 0
        return self._obs(), self._info(0.0)

    def step(self, action):
        self.x, self.t = self.x + int(action) - 1, self.t + 1
        reward = float(self.np_random.normal())
        return self._obs(), reward, abs(self.x) >= self.edge, self.t >= self.horizon, self._info(reward)

    def _obs(self):
        self.luck = self.np_random.random()
        return np.array([self.x, self.luck], dtype=np.float32)

    def _info(self, reward):
        info = {"progress": float(self.x) + self.luck, "pair": np.array([self.x, self.t])}
        return info | {"reward_terms": {"payoff": 0.5 * reward, "layer": 0.5 * reward}} if self.terms else info


class DictWalk(Walk):
    """The same walk, seen as a dict of an array and a whole number."""

    observation_space = gym.spaces.Dict(
        {"x": gym.spaces.Box(-np.inf, np.inf, (2,), np.float32), "step": gym.spaces.Discrete(100)}
    )

    def _obs(self):
        return {"x": super()._obs(), "step": self.t}


def phi(obs, info):
    """Elementwise, so that the bits do not depend on the batch size."""
    x = obs["x"] if isinstance(obs, dict) else obs
    return x[..., 0] * 0.25 + np.square(x[..., 1]) + 1.0


@pytest.fixture
def walk():
    return Walk


@pytest.fixture
def dict_walk():
    return DictWalk


@pytest.fixture
def potential():
    return phi


@pytest.fixture
def shaping():
    """Factory of PotentialShaping at gamma 0.9 with the potential above."""

    def make(on_truncation="bootstrap", potential=phi, **keywords):
        return PotentialShaping(potential, gamma=GAMMA, on_truncation=on_truncation, **keywords)

    return make


@pytest.fixture
def sync():
    """Factory of SyncVectorEnv from a factory of environments."""

    def make(env, copies, mode=AutoresetMode.NEXT_STEP, **keywords):
        return SyncVectorEnv([env] * copies, autoreset_mode=mode, **keywords)

    return make
