"""Small games with known answers, with the face of ``payoff.multi_agent_vec`` under next-step autoreset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode


@dataclass
class StubSnapshot:
    draw: np.ndarray
    clock: np.ndarray
    over: np.ndarray

    def arrays(self):
        return {"draw": self.draw.copy(), "clock": self.clock.copy(), "over": self.over.copy()}

    @classmethod
    def from_arrays(cls, arrays):
        return cls(**{name: array.copy() for name, array in arrays.items()})


class Stub:
    """B copies, N seats that do not meet, episodes of ``horizon`` steps that are truncated.

    Each seat of each copy has a number in [0, 1) of its own, drawn anew after every step.
    """

    num_actions: int | None = None

    def __init__(self, num_envs=1, num_agents=1, horizon=10, **ignored: Any):
        self.num_envs, self.num_agents, self.horizon = num_envs, num_agents, horizon
        self.action_size = 1
        high = 1.0 if self.num_actions is None else self.num_actions - 1.0
        self.action_low, self.action_high = np.full((num_agents, 1), 1.0 - 2.0 * high), np.full((num_agents, 1), high)
        if self.num_actions is not None:
            self.action_low[:] = 0.0
        self.endowment = np.ones(num_agents) if self.num_actions is None else None
        self.obs_size = self.observe(np.zeros((1, 1))).shape[-1]
        self.draw = np.zeros((num_envs, num_agents), dtype=np.int64)
        self.clock, self.over = np.zeros(num_envs, dtype=np.int64), np.zeros(num_envs, dtype=np.bool_)
        self.closed = False

    @property
    def luck(self):
        return self.draw / 2**31

    def roll(self, rows):
        self.draw[rows] = (1103515245 * self.draw[rows] + 12345) % 2**31

    def reset(self, seed=None):
        seeds = np.arange(self.num_envs) + seed if np.isscalar(seed) else np.asarray(seed)
        self.draw[:] = (seeds[:, None] * 7919 + 104729 * np.arange(1, self.num_agents + 1)) % 2**31
        for _ in range(3):
            self.roll(slice(None))
        self.clock[:], self.over[:] = 0, False
        return self.observe(self.luck), {"payoff": np.zeros_like(self.luck)}

    def step(self, actions):
        playing = ~self.over
        payoff = np.where(playing[:, None], self.pay(self.luck, np.asarray(actions)[..., 0]), 0.0)
        self.clock = np.where(playing, self.clock + 1, 0)
        truncated = playing & (self.clock >= self.horizon)
        self.over = truncated
        self.roll(slice(None))
        nothing = np.zeros_like(truncated)
        return self.observe(self.luck), payoff, nothing, truncated, {"payoff": payoff}

    def snapshot(self):
        return StubSnapshot(self.draw.copy(), self.clock.copy(), self.over.copy())

    def restore(self, snapshot):
        self.draw, self.clock, self.over = snapshot.draw.copy(), snapshot.clock.copy(), snapshot.over.copy()
        return self.observe(self.luck), {}

    def close(self):
        self.closed = True

    def observe(self, luck):
        raise NotImplementedError

    def pay(self, luck, actions):
        raise NotImplementedError


class Match(Stub):
    """Match the number you see: pays 1 - (u - (2 x - 1))^2 for u in [-1, 1]; the best is 1 a step."""

    def observe(self, luck):
        return luck[..., None].astype(np.float32)

    def pay(self, luck, actions):
        return 1.0 - (actions - (2.0 * luck - 1.0)) ** 2


class Name(Stub):
    """Name which of four you see: pays 1 when right."""

    num_actions = 4

    def observe(self, luck):
        return (np.arange(4) == np.floor(4 * luck)[..., None]).astype(np.float32)

    def pay(self, luck, actions):
        return (actions == np.floor(4 * luck)).astype(np.float64)


class Endless(Stub):
    """Pays 1 a step for ever, whatever is done; only the time limit cuts it. Every state is worth 1 / (1 - gamma)."""

    def observe(self, luck):
        return np.full((*luck.shape, 1), 0.5, dtype=np.float32)

    def pay(self, luck, actions):
        return np.ones_like(luck)


class Broken(Match):
    """Pays NaN from the fifth step of an episode on."""

    def pay(self, luck, actions):
        return np.where(self.clock[:, None] >= 4, np.nan, super().pay(luck, actions))


class StubVectorEnv(gym.vector.VectorEnv):
    """A stub with one seat as a Gymnasium ``VectorEnv``."""

    def __init__(self, game, num_envs=1, autoreset_mode=AutoresetMode.NEXT_STEP, actions=None, **settings):
        assert autoreset_mode is AutoresetMode.NEXT_STEP
        self.stub = game(num_envs, 1, **settings)
        self.num_envs = num_envs
        self.single_observation_space = gym.spaces.Box(0.0, 1.0, (self.stub.obs_size,))
        choices = self.stub.num_actions
        self.single_action_space = gym.spaces.Box(-1.0, 1.0, (1,)) if choices is None else gym.spaces.Discrete(choices)
        self.metadata = {"autoreset_mode": autoreset_mode}

    def reset(self, *, seed=None, options=None):
        obs, info = self.stub.reset(seed)
        return obs[:, 0], info

    def step(self, actions):
        obs, reward, terminated, truncated, info = self.stub.step(actions.reshape(self.num_envs, 1, 1))
        return obs[:, 0], reward[:, 0], terminated, truncated, info

    def snapshot(self):
        return self.stub.snapshot()

    def restore(self, snapshot):
        obs, info = self.stub.restore(snapshot)
        return obs[:, 0], info
