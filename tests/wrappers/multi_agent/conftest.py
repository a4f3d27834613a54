"""Closed forms of the congestion game, a scripted team whose agents end as told, and rollouts of both views."""

import gymnasium as gym
import numpy as np
import pytest
from pettingzoo import ParallelEnv

import payoff
from payoff.envs.social import congestion_theory as theory

CONGESTION = "payoff/Congestion-v0"
SECTIONS, CAPACITY = 3, 1.5
SETTINGS = {"n_agents": 4, "sections": SECTIONS, "capacity": CAPACITY, "max_steps": 5}


def sections(team):
    return np.asarray(team.action).reshape(team.present.shape)


def congestion_welfare(team):
    """G of the congestion game with the settings above, from the actions of those who are present."""
    return theory.welfare(theory.split(sections(team), SECTIONS, team.present), CAPACITY)


def congestion_without(team):
    """The same without each agent, at once."""
    return theory.others_welfare(sections(team), SECTIONS, CAPACITY, team.present)


@pytest.fixture
def welfare():
    return congestion_welfare


@pytest.fixture
def without_each():
    return congestion_without


@pytest.fixture
def congestion():
    """Factory of a multi-agent batch (``copies``) or a ParallelEnv (None) of the small congestion game."""

    def make(copies=None, **keywords):
        if copies is None:
            return payoff.parallel_env(CONGESTION, **{**SETTINGS, **keywords})
        return payoff.multi_agent_vec(CONGESTION, copies, **{**SETTINGS, **keywords})

    return make


def effort(team):
    """G of the scripted team: 10^i times what agent i does, summed over those who are present."""
    scale = 10.0 ** np.arange(team.present.shape[1])
    return np.where(team.present, np.asarray(team.action) * scale, 0.0).sum(axis=1)


@pytest.fixture
def total_effort():
    return effort


class Team(ParallelEnv):
    """Agents 0, 1, 2 that end at given steps: ``ends[agent] = (step, terminated, truncated)``; rewards are 0."""

    metadata = {"name": "team"}  # noqa: RUF012
    possible_agents = [0, 1, 2]  # noqa: RUF012
    _observation, _action = gym.spaces.Box(0, 9, (1,), np.float32), gym.spaces.Discrete(10)

    def __init__(self, ends):
        self.ends = ends

    def observation_space(self, agent):
        return self._observation

    def action_space(self, agent):
        return self._action

    def reset(self, seed=None, options=None):
        self.t, self.agents = 0, [0, 1, 2]
        return {a: np.zeros(1, np.float32) for a in self.agents}, {a: {} for a in self.agents}

    def step(self, actions):
        self.t += 1
        there = self.agents
        over = {a: self.ends[a][0] == self.t for a in there}
        self.agents = [a for a in there if not over[a]]
        return (
            {a: np.full(1, self.t, np.float32) for a in there},
            dict.fromkeys(there, 0.0),
            {a: over[a] and self.ends[a][1] for a in there},
            {a: over[a] and self.ends[a][2] for a in there},
            {a: {} for a in there},
        )


@pytest.fixture
def scripted():
    return Team


@pytest.fixture
def rewards_of():
    """Rewards of a play of a ParallelEnv, one dict a step."""

    def play(env, *actions):
        env.reset(seed=0)
        return [env.step({a: row[a] for a in env.agents})[1] for row in actions]

    return play


def roll(env, actions, mode, seed):
    """Results of a play of a batch; ended copies are reset by hand in disabled mode."""
    env.reset(seed=seed)
    out = []
    for action in actions:
        result = env.step(action)
        out.append(result[1:])
        ended = result[2] | result[3]
        if mode == "disabled" and ended.any():
            env.reset(options={"reset_mask": ended})
    return out


@pytest.fixture
def same_in_both_views():
    """Check that a wrapped batch equals wrapped ParallelEnvs, bit for bit, whatever the autoreset mode.

    ``batch`` and ``single`` are wrapped environments; ``actions`` ``(T, B, N, A)``. Returns how many episodes ended by
    termination and by truncation.
    """

    def check(batch, single, actions, mode, seed=7):
        whole = roll(batch, actions, mode, seed)
        ends = np.zeros(2, int)
        for b in range(actions.shape[1]):
            single.reset(seed=seed + b)
            over = False
            for action, (reward, terminated, truncated, info) in zip(actions[:, b], whole, strict=True):
                if over:  # next-step: this call restarted the copy
                    single.reset()
                    over = False
                    assert not reward[b].any() and not info["reward_terms"]["shaping"][b].any()
                    continue
                sent = {a: x if x.size > 1 else x.item() for a, x in zip(single.agents, action, strict=True)}
                if not batch.discrete:
                    sent = dict(zip(single.agents, action, strict=True))
                _, rewards, *_, infos = single.step(sent)
                assert reward[b].tolist() == list(rewards.values())
                for key in ("env", "shaping"):
                    assert info["reward_terms"][key][b].tolist() == [i["reward_terms"][key] for i in infos.values()]
                assert info["true_reward"][b].tolist() == [i["true_reward"] for i in infos.values()]
                if terminated[b] or truncated[b]:
                    ends += [terminated[b], truncated[b]]
                    over = mode == "next_step"
                    if not over:
                        single.reset()
        return ends

    return check
