"""``wrap``: from a method and an environment to the wrapper of the environment's kind."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

import gymnasium as gym

from payoff.wrappers.adapters.single import RewardWrapper
from payoff.wrappers.adapters.vector import VectorRewardWrapper
from payoff.wrappers.base import RewardMethod

if TYPE_CHECKING:  # the first needs PettingZoo
    from payoff.wrappers.adapters.multi_agent_vec import MultiAgentVecEnv, MultiAgentVecRewardWrapper
    from payoff.wrappers.adapters.parallel import ParallelRewardWrapper

__all__ = ["AnyParallelEnv", "kind_of", "wrap"]

_MULTI_AGENT_VEC = ("num_envs", "num_agents", "autoreset_mode", "reset", "step")


class AnyParallelEnv(Protocol):
    """What tells a ``ParallelEnv`` from the other kinds, to type checkers: to them PettingZoo's own class is Any.

    It must be the first overload, since a class with a base of Any passes for everything.
    """

    def observation_space(self, agent: Any) -> Any: ...  # noqa: D102
    def reset(self, seed: Any = None, options: Any = None) -> tuple[dict[Any, Any], dict[Any, Any]]: ...  # noqa: D102


@overload
def wrap(env: AnyParallelEnv, method: RewardMethod) -> ParallelRewardWrapper: ...
@overload
def wrap(env: gym.Env[Any, Any], method: RewardMethod) -> RewardWrapper: ...
@overload
def wrap(env: gym.vector.VectorEnv[Any, Any, Any], method: RewardMethod) -> VectorRewardWrapper: ...
@overload
def wrap(env: MultiAgentVecEnv, method: RewardMethod) -> MultiAgentVecRewardWrapper: ...
def wrap(env: Any, method: RewardMethod) -> Any:
    """Put a method around an environment of any kind.

    Args:
        env: a Gymnasium ``Env`` or ``VectorEnv``, a PettingZoo ``ParallelEnv``, or a multi-agent batch
            (``payoff.multi_agent_vec``).
        method: what changes the reward.

    Returns:
        A wrapper of the same kind.

    Raises:
        TypeError: ``env`` is something else, such as a batch of Stable-Baselines3, whose environments are wrapped
            before it is made; or ``method`` is no RewardMethod.
        ValueError: the method serves another environment already, or the environment does not say what it needs.
    """
    kind = kind_of(env)
    if kind == "env":
        return RewardWrapper(env, method)
    if kind == "vector":
        return VectorRewardWrapper(env, method)
    if kind == "parallel":
        from payoff.wrappers.adapters.parallel import ParallelRewardWrapper

        return ParallelRewardWrapper(env, method)
    from payoff.wrappers.adapters.multi_agent_vec import MultiAgentVecRewardWrapper

    return MultiAgentVecRewardWrapper(env, method)


def kind_of(env: Any) -> Literal["env", "vector", "parallel", "multi_agent_vec"]:
    """Which of the four kinds an environment is of.

    Raises:
        TypeError: none of them; the error says what to do with those of PettingZoo's turns and Stable-Baselines3.
    """
    if isinstance(env, gym.Env):
        return "env"
    if isinstance(env, gym.vector.VectorEnv):
        return "vector"
    pettingzoo = sys.modules.get("pettingzoo")  # without it `env` cannot be one of its environments
    if pettingzoo is not None and isinstance(env, pettingzoo.ParallelEnv):
        return "parallel"
    sb3 = sys.modules.get("stable_baselines3.common.vec_env")
    if sb3 is not None and isinstance(env, sb3.VecEnv):
        hint = (
            "; wrap the environments before Stable-Baselines3 makes a batch of them, "
            "make_vec_env(lambda: wrap(gym.make(ID), method), n_envs=4)"
        )
    elif pettingzoo is not None and isinstance(env, pettingzoo.AECEnv):
        hint = "; wrap the parallel environment, then turn it into an AECEnv (pettingzoo.utils.parallel_to_aec)"
    elif not isinstance(env, type) and all(hasattr(env, name) for name in _MULTI_AGENT_VEC):
        return "multi_agent_vec"
    else:
        hint = ""
    raise TypeError(
        "env must be a gymnasium Env or VectorEnv, a pettingzoo ParallelEnv or a multi-agent batch, "
        f"got {type(env).__name__}{hint}"
    )
