"""``wrap``: from a method and an environment to the wrapper of the environment's kind."""

from __future__ import annotations

import sys
from typing import Any, overload

import gymnasium as gym

from payoff.wrappers.adapters.single import RewardWrapper
from payoff.wrappers.adapters.vector import VectorRewardWrapper
from payoff.wrappers.base import RewardMethod

__all__ = ["wrap"]

_MULTI_AGENT_VEC = ("num_envs", "num_agents", "autoreset_mode", "reset", "step")


@overload
def wrap(env: gym.Env[Any, Any], method: RewardMethod) -> RewardWrapper: ...
@overload
def wrap(env: gym.vector.VectorEnv[Any, Any, Any], method: RewardMethod) -> VectorRewardWrapper: ...
@overload
def wrap(env: Any, method: RewardMethod) -> Any: ...
def wrap(env: Any, method: RewardMethod) -> Any:
    """Put a method around an environment of any kind.

    Args:
        env: a Gymnasium ``Env`` or ``VectorEnv``, a PettingZoo ``ParallelEnv``, or a multi-agent batch
            (``payoff.multi_agent_vec``).
        method: what changes the reward.

    Returns:
        A wrapper of the same kind.

    Raises:
        TypeError: ``env`` is something else, or ``method`` is no RewardMethod.
        ValueError: the method serves another environment already, or the environment does not say what it needs.
    """
    if isinstance(env, gym.Env):
        return RewardWrapper(env, method)
    if isinstance(env, gym.vector.VectorEnv):
        return VectorRewardWrapper(env, method)
    pettingzoo = sys.modules.get("pettingzoo")  # without it `env` cannot be one of its environments
    if pettingzoo is not None and isinstance(env, pettingzoo.ParallelEnv):
        from payoff.wrappers.adapters.parallel import ParallelRewardWrapper

        return ParallelRewardWrapper(env, method)
    if not isinstance(env, type) and all(hasattr(env, name) for name in _MULTI_AGENT_VEC):
        from payoff.wrappers.adapters.multi_agent_vec import MultiAgentVecRewardWrapper

        return MultiAgentVecRewardWrapper(env, method)
    hint = ""
    if pettingzoo is not None and isinstance(env, pettingzoo.AECEnv):
        hint = "; wrap the parallel environment, then turn it into an AECEnv (pettingzoo.utils.parallel_to_aec)"
    raise TypeError(
        "env must be a gymnasium Env or VectorEnv, a pettingzoo ParallelEnv or a multi-agent batch, "
        f"got {type(env).__name__}{hint}"
    )
