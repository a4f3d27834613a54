"""A method with a memory around an environment, and the memory in the observation, so that the problem stays Markov."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, overload

import gymnasium as gym
import numpy as np
from gymnasium.vector.utils import batch_space

from payoff.wrappers.adapters.multi_agent_vec import MultiAgentVecEnv, MultiAgentVecRewardWrapper
from payoff.wrappers.adapters.parallel import ParallelRewardWrapper
from payoff.wrappers.adapters.runner import WrapperSnapshot
from payoff.wrappers.adapters.single import RewardWrapper
from payoff.wrappers.adapters.vector import VectorRewardWrapper
from payoff.wrappers.adapters.wrapping import AnyParallelEnv, kind_of
from payoff.wrappers.objectives.memory import MemoryMethod, joined, joined_space
from payoff.wrappers.rows import Array

__all__ = ["MemoryMultiAgentVec", "MemoryParallelEnv", "MemoryVectorWrapper", "MemoryWrapper", "augment"]

Infos: TypeAlias = dict[Any, dict[str, Any]]


@overload
def augment(env: AnyParallelEnv, method: MemoryMethod) -> MemoryParallelEnv: ...
@overload
def augment(env: gym.Env[Any, Any], method: MemoryMethod) -> MemoryWrapper: ...
@overload
def augment(env: gym.vector.VectorEnv[Any, Any, Any], method: MemoryMethod) -> MemoryVectorWrapper: ...
@overload
def augment(env: MultiAgentVecEnv, method: MemoryMethod) -> MemoryMultiAgentVec: ...
def augment(env: Any, method: MemoryMethod) -> Any:
    """As :func:`payoff.wrappers.wrap`, with the method's memory appended to each observation.

    A flat observation becomes longer; a dict of observations gets the entry ``"memory"``. ``info`` gets the entries
    that the method reports, such as ``rm_state``. In same-step autoreset ``final_obs`` and ``final_info`` hold the
    memory at the end of the episode.

    Args:
        env: a Gymnasium ``Env`` or ``VectorEnv``, a PettingZoo ``ParallelEnv``, or a multi-agent batch
            (``payoff.multi_agent_vec``).
        method: what changes the reward.

    Raises:
        TypeError: ``env`` is something else, ``method`` has no memory to show, or observations are neither flat nor a
            dict (see ``gymnasium.wrappers.FlattenObservation``).
        ValueError: as :func:`payoff.wrappers.wrap`.
    """
    if not isinstance(method, MemoryMethod):
        raise TypeError(f"method must be a MemoryMethod, got {type(method).__name__}; see wrap")
    kinds = {
        "env": MemoryWrapper,
        "vector": MemoryVectorWrapper,
        "parallel": MemoryParallelEnv,
        "multi_agent_vec": MemoryMultiAgentVec,
    }
    return kinds[kind_of(env)](env, method)


class MemoryWrapper(RewardWrapper):
    """A method with a memory around an ``Env``; see :func:`augment`.

    Args:
        env: the environment.
        method: what changes the reward.
    """

    def __init__(self, env: gym.Env[Any, Any], method: MemoryMethod) -> None:
        space = joined_space(env.observation_space, method)
        super().__init__(env, method)
        self.observation_space = space

    @property
    def _memory(self) -> MemoryMethod:
        method: Any = self.method
        return method  # type: ignore[no-any-return]

    def _show(self, obs: Any, info: dict[str, Any], memory: Mapping[str, Array]) -> tuple[Any, dict[str, Any]]:
        told = {name: value[0] for name, value in self._memory.told(memory).items()}
        return joined(obs, self._memory.features(memory)[0]), {**info, **told}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        obs, info = super().reset(seed=seed, options=options)
        return self._show(obs, info, self._memory.memory)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step, with the method's reward."""
        obs, reward, terminated, truncated, info = super().step(action)
        obs, info = self._show(obs, info, self._memory.memory)
        return obs, reward, terminated, truncated, info

    def restore(self, snapshot: WrapperSnapshot) -> tuple[Any, dict[str, Any]]:
        """See :meth:`payoff.wrappers.adapters.single.RewardWrapper.restore`."""
        obs, info = super().restore(snapshot)
        return self._show(obs, info, self._memory.memory)


class MemoryVectorWrapper(VectorRewardWrapper):
    """A method with a memory around a ``VectorEnv``; see :func:`augment`.

    Args:
        env: the vector environment.
        method: what changes the reward.
    """

    def __init__(self, env: gym.vector.VectorEnv[Any, Any, Any], method: MemoryMethod) -> None:
        space = joined_space(env.single_observation_space, method)
        super().__init__(env, method)
        self.single_observation_space = space
        self.observation_space = batch_space(space, env.num_envs)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start episodes, in all copies or in those of ``options["reset_mask"]``."""
        obs, infos = super().reset(seed=seed, options=options)
        return _shown(self.method, obs, infos, (self.num_envs,))

    def step(self, actions: Any) -> tuple[Any, Array, Array, Array, dict[str, Any]]:
        """One step of every copy, with the method's rewards."""
        obs, rewards, terminated, truncated, infos = super().step(actions)
        obs, infos = _shown(self.method, obs, infos, (self.num_envs,))
        return obs, rewards, terminated, truncated, infos

    def restore(self, snapshot: WrapperSnapshot) -> tuple[Any, dict[str, Any]]:
        """See :meth:`payoff.wrappers.adapters.single.RewardWrapper.restore`."""
        obs, infos = super().restore(snapshot)
        return _shown(self.method, obs, infos, (self.num_envs,))


class MemoryMultiAgentVec(MultiAgentVecRewardWrapper):
    """A method with a memory around a multi-agent batch; see :func:`augment`.

    Args:
        env: the batch.
        method: what changes the reward; row ``b * N + i`` of its memory is that of seat i in copy b.

    Attributes:
        obs_size: entries of an observation, the memory's among them.
    """

    def __init__(self, env: MultiAgentVecEnv, method: MemoryMethod) -> None:
        super().__init__(env, method)
        inner: Any = env
        self.obs_size = int(inner.obs_size) + method.feature_bounds()[0].size
        self._rows = (env.num_envs, env.num_agents)

    def reset(
        self, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Start episodes, in all copies or in those of ``options["reset_mask"]``."""
        obs, info = super().reset(seed, options)
        return _shown(self.method, obs, info, self._rows, masks=False)

    def step(self, actions: Any) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """One step of every copy, with the method's rewards."""
        obs, rewards, terminated, truncated, info = super().step(actions)
        obs, info = _shown(self.method, obs, info, self._rows, masks=False)
        return obs, rewards, terminated, truncated, info

    def state(self) -> Array:
        """The inner environment's state ``(B, S)`` and every seat's memory, ``(B, S + N * K)``."""
        inner: Any = self.env
        method: Any = self.method
        features = method.features(method.memory).reshape(self._rows[0], -1)
        return np.concatenate([inner.state(), features], axis=1)

    def restore(self, snapshot: WrapperSnapshot) -> tuple[Array, dict[str, Any]]:
        """See :meth:`payoff.wrappers.adapters.single.RewardWrapper.restore`."""
        obs, info = super().restore(snapshot)
        return _shown(self.method, obs, info, self._rows, masks=False)


class MemoryParallelEnv(ParallelRewardWrapper):
    """A method with a memory around a ``ParallelEnv``; see :func:`augment`. Each agent sees its own memory.

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


def _shown(
    method: Any, obs: Any, infos: dict[str, Any], rows: tuple[int, ...], *, masks: bool = True
) -> tuple[Any, dict[str, Any]]:
    """Batch of observations and infos with the memory in them; ``rows`` is ``(B,)`` or ``(B, N)``."""
    out = dict(infos)
    if "final_obs" in out:
        last, ends = out["_final_obs"], _laid(method, method.arrived, rows)
        out["final_obs"] = _final(out["final_obs"], last, ends[0])
        out["final_info"] = {**out["final_info"], **ends[1], **({f"_{key}": last for key in ends[1]} if masks else {})}
    features, told = _laid(method, method.memory, rows)
    everyone = np.ones(rows[0], dtype=np.bool_)
    return joined(obs, features), {**out, **told, **({f"_{key}": everyone for key in told} if masks else {})}


def _laid(method: Any, memory: Mapping[str, Array], rows: tuple[int, ...]) -> tuple[Array, dict[str, Array]]:
    """Features and told entries with the axes ``rows`` in front."""
    features: Array = method.features(memory)
    told = {name: value.reshape(*rows, *value.shape[1:]) for name, value in method.told(memory).items()}
    return features.reshape(*rows, -1), told


def _final(final: Any, last: Array, features: Array) -> Any:
    """Last observations of the episodes that ended, with the memory they ended with."""
    if not (isinstance(final, np.ndarray) and final.dtype == np.object_):
        return joined(final, features)
    out = np.full_like(final, None)  # Gymnasium's: an observation each, or None
    for b in np.flatnonzero(last):
        out[b] = joined(final[b], features[b])
    return out
