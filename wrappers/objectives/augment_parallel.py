"""A method with a memory around a PettingZoo ``ParallelEnv``; apart, since it needs PettingZoo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym

from payoff.wrappers.adapters.parallel import ParallelRewardWrapper
from payoff.wrappers.base import WrapperSnapshot
from payoff.wrappers.objectives.augment import joined, joined_space
from payoff.wrappers.objectives.memory import MemoryMethod

__all__ = ["MemoryParallelEnv"]

Infos = dict[Any, dict[str, Any]]


class MemoryParallelEnv(ParallelRewardWrapper):
    """See :func:`payoff.wrappers.objectives.augment.augment`: each agent sees its own memory.

    Args:
        env: the environment, with a fixed list ``possible_agents``.
        method: what changes the reward; the rows of its memory stand in the order of ``possible_agents``.
    """

    def __init__(self, env: Any, method: MemoryMethod) -> None:
        super().__init__(env, method)
        self._spaces = {agent: joined_space(env.observation_space(agent), method) for agent in self._names}

    def observation_space(self, agent: Any) -> gym.Space[Any]:
        """The agent's observations with its memory; the same object at every call."""
        return self._spaces[agent]

    def _shown(self, obs: Mapping[Any, Any], infos: Mapping[Any, Any]) -> tuple[dict[Any, Any], Infos]:
        method: Any = self.method
        features, told = method.features(method.memory), method.told(method.memory)
        seen, out = {}, dict(infos)
        for row, agent in enumerate(self._names):
            if agent in obs:
                seen[agent] = joined(obs[agent], features[row])
                out[agent] = {**infos.get(agent, {}), **{name: value[row] for name, value in told.items()}}
        return seen, out

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict[Any, Any], Infos]:
        """Start an episode."""
        return self._shown(*super().reset(seed=seed, options=options))

    def step(
        self, actions: Mapping[Any, Any]
    ) -> tuple[dict[Any, Any], dict[Any, float], dict[Any, bool], dict[Any, bool], Infos]:
        """One round, with the method's rewards."""
        obs, rewards, terminated, truncated, infos = super().step(actions)
        seen, out = self._shown(obs, infos)
        return seen, rewards, terminated, truncated, out

    def restore(self, snapshot: WrapperSnapshot) -> tuple[dict[Any, Any], Infos]:
        """See :meth:`payoff.wrappers.adapters.single.RewardWrapper.restore`."""
        return self._shown(*super().restore(snapshot))
