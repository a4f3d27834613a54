"""An environment whose reward is a vector: what the algorithms of MO-Gymnasium and morl-baselines expect."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from payoff.wrappers.rows import Array

__all__ = ["MultiObjective"]


class MultiObjective(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Pays ``info["reward_vector"]``, ``(K,)`` float32, instead of the reward.

    Its space is ``reward_space`` of the unwrapped environment, and its length ``reward_dim``, where MO-Gymnasium's
    wrappers and algorithms look for them. Reward methods (:func:`payoff.wrappers.wrap`) change numbers: they go inside,
    and MO-Gymnasium's wrappers, such as ``LinearReward``, outside.

    Args:
        env: a single environment of a game that reports such a vector; it says so by ``reward_vector_space``.

    Raises:
        ValueError: the environment has no ``reward_vector_space``.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)
        if not env.has_wrapper_attr("reward_vector_space"):
            raise ValueError(f"env must have a reward_vector_space and report info['reward_vector'], got {env}")
        space: gym.spaces.Box = env.get_wrapper_attr("reward_vector_space")
        inner: Any = env.unwrapped
        inner.reward_space, inner.reward_dim = space, int(space.shape[0])

    def step(self, action: Any) -> tuple[Any, Array, bool, bool, dict[str, Any]]:
        """A step of the environment, with the vector in the place of the reward; KeyError where ``info`` has none."""
        obs, _, terminated, truncated, info = self.env.step(action)
        return obs, np.asarray(info["reward_vector"], dtype=np.float32), terminated, truncated, info
