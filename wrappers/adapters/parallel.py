"""A method around a PettingZoo ``ParallelEnv``: one row for each possible agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces.utils import is_space_dtype_shape_equiv
from gymnasium.vector.utils import create_empty_array
from pettingzoo import ParallelEnv
from pettingzoo.utils import BaseParallelWrapper

from payoff.wrappers.adapters.runner import MethodRunner, WrapperSnapshot, add_term
from payoff.wrappers.arguments import reals
from payoff.wrappers.base import RewardMethod
from payoff.wrappers.rows import Array, Batch, agents_info, place

__all__ = ["ParallelRewardWrapper"]


class ParallelRewardWrapper(BaseParallelWrapper):
    """Adds each agent's ``reward_terms`` and ``true_reward`` to its info.

    Rows of a transition stand in the order of ``possible_agents``; agents that are not there are not ``active``, and
    hold zeros. Where the agents' spaces differ, observations (or actions) are an object array, one entry an agent.

    Args:
        env: the environment, with a fixed list ``possible_agents``.
        method: what changes the reward.

    Attributes:
        method: the object that runs: a copy of the argument if that one serves another environment and allows copies.

    Raises:
        ValueError: the environment has no ``possible_agents``.
    """

    snapshot_type = WrapperSnapshot

    def __init__(self, env: Any, method: RewardMethod) -> None:
        if not isinstance(env, ParallelEnv):
            raise TypeError(f"env must be a pettingzoo ParallelEnv, got {type(env).__name__}")
        names = list(getattr(env, "possible_agents", []))
        if not names:
            raise ValueError(f"{env}: possible_agents must name every agent that can appear, one row each")
        super().__init__(env)
        self._names = names
        self._space = {"obs": _shared(env.observation_space, names), "action": _shared(env.action_space, names)}
        self._runner = MethodRunner(method, self, len(names))
        self.method = self._runner.method

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[Any, Any], dict[Any, dict[str, Any]]]:
        """Start an episode."""
        obs, infos = self.env.reset(seed=seed, options=options)
        with self._runner:
            here = self._mask(obs)
            self._runner.start(self._batch("obs", obs), agents_info(infos, self._names, here), here)
            return obs, {a: self._told(infos.get(a, {}), 0.0, 0.0) for a in obs}

    def step(
        self, actions: Mapping[Any, Any]
    ) -> tuple[dict[Any, Any], dict[Any, float], dict[Any, bool], dict[Any, bool], dict[Any, dict[str, Any]]]:
        """One round, with the method's rewards.

        Raises:
            ValueError: the environment rewards an agent without an observation.
        """
        self._runner.check_ready()
        before = self._mask(self.env.agents)
        obs, rewards, terminated, truncated, infos = self.env.step(actions)
        with self._runner:
            rewards, told = self._paid(before, actions, obs, rewards, terminated, truncated, infos)
            return obs, rewards, terminated, truncated, told

    def _paid(
        self,
        before: Array,
        actions: Mapping[Any, Any],
        obs: dict[Any, Any],
        rewards: Mapping[Any, float],
        terminated: dict[Any, bool],
        truncated: dict[Any, bool],
        infos: Mapping[Any, dict[str, Any]],
    ) -> tuple[dict[Any, float], dict[Any, dict[str, Any]]]:
        """The method's rewards of a round and the infos with its term; ``before`` are the agents that acted."""
        active = before & self._mask(rewards)
        if (active & ~self._mask(obs)).any():
            raise ValueError(f"{self.env}: agents with a reward must have an observation, got {sorted(map(str, obs))}")
        paid = reals("rewards", [rewards.get(a, 0.0) for a in self._names])
        new = self._runner.pay(
            self._batch("action", actions),
            paid,
            self._batch("obs", obs),
            self._flags(terminated),
            self._flags(truncated),
            agents_info(infos, self._names, active),
            active,
        )
        arrived = self._mask(self.env.agents) & self._mask(obs) & ~before
        if arrived.any():
            self._runner.start(self._batch("obs", obs), agents_info(infos, self._names, arrived), arrived)
        new_rewards, told = dict(rewards), dict(infos)
        for row in np.flatnonzero(active):
            agent = self._names[row]
            new_rewards[agent] = new.item(row)
            told[agent] = self._told(infos.get(agent, {}), paid.item(row), new.item(row) - paid.item(row))
        return new_rewards, told

    def _told(self, info: Mapping[str, Any], paid: float, change: float) -> dict[str, Any]:
        terms = add_term(info.get("reward_terms"), paid, self.method.term, change)
        return {**info, "reward_terms": terms, "true_reward": info.get("true_reward", paid)}

    def _mask(self, agents: Any) -> Array:
        return np.array([a in agents for a in self._names], dtype=np.bool_)

    def _flags(self, values: Mapping[Any, Any]) -> Array:
        return np.array([values.get(a, False) for a in self._names], dtype=np.bool_)

    def _batch(self, what: str, values: Mapping[Any, Any]) -> Batch:
        space = self._space[what]
        batch = (
            np.full(len(self._names), None, dtype=np.object_)
            if space is None
            else create_empty_array(space, n=len(self._names), fn=np.zeros)
        )
        for row, agent in enumerate(self._names):
            if agent in values:
                place(batch, row, values[agent])
        return batch

    def snapshot(self) -> WrapperSnapshot:
        """See :meth:`payoff.wrappers.adapters.single.RewardWrapper.snapshot`."""
        return self._runner.snapshot(self.env)

    def restore(self, snapshot: WrapperSnapshot) -> tuple[dict[Any, Any], dict[Any, dict[str, Any]]]:
        """See :meth:`payoff.wrappers.adapters.single.RewardWrapper.restore`."""
        obs, infos = self._runner.restore(self.env, snapshot)
        self._runner.resume(self._batch("obs", obs))
        return obs, infos


def _shared(space_of: Callable[[Any], gym.Space[Any]], names: list[Any]) -> gym.Space[Any] | None:
    """Space whose shape and type all agents share, or None."""
    first = space_of(names[0])
    return first if all(is_space_dtype_shape_equiv(first, space_of(a)) for a in names[1:]) else None
