"""A method around a Gymnasium ``Env``: a batch of one."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from payoff.wrappers.adapters.runner import MethodRunner, WrapperSnapshot, add_term
from payoff.wrappers.arguments import real
from payoff.wrappers.base import RewardMethod
from payoff.wrappers.rows import one_row, single_info

__all__ = ["RewardWrapper"]


class RewardWrapper(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Adds ``info["reward_terms"]`` and ``info["true_reward"]``, the reward before any wrapper.

    The terms add up to the reward: ``env`` is what the environment paid, and each method adds its own.

    Put it outside ``TimeLimit``, which makes the truncations that a method must see.

    Args:
        env: the environment.
        method: what changes the reward.

    Attributes:
        method: the object that runs: a copy of the argument if that one serves another environment and allows copies.
    """

    snapshot_type = WrapperSnapshot

    def __init__(self, env: gym.Env[Any, Any], method: RewardMethod) -> None:
        # no deep copy here: a method may hold what cannot be copied, and `spec` copies when it is asked for
        RecordConstructorArgs.__init__(self, _disable_deepcopy=True, method=method)
        gym.Wrapper.__init__(self, env)
        self._runner = MethodRunner(method, self, 1)
        self.method = self._runner.method

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        obs, info = self.env.reset(seed=seed, options=options)
        with self._runner:
            self._runner.start(one_row(obs), single_info(info))
            return obs, self._told(info, 0.0, 0.0)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step, with the method's reward.

        Raises:
            ValueError: the method's reward is no finite number, though the environment's was. The environment has moved
                by then, as after any other error of the method.
            gymnasium.error.ResetNeeded: before the first reset, and after such a failure until the next full reset or
                :meth:`restore`; the environment has not moved.
        """
        self._runner.check_ready()
        obs, reward, terminated, truncated, info = self.env.step(action)
        with self._runner:
            paid = real("reward", reward)
            new = self._runner.pay(
                one_row(action),
                np.array([paid]),
                one_row(obs),
                np.array([terminated], dtype=np.bool_),
                np.array([truncated], dtype=np.bool_),
                single_info(info),
            ).item()
            return obs, new, terminated, truncated, self._told(info, paid, new - paid)

    def _told(self, info: dict[str, Any], paid: float, change: float) -> dict[str, Any]:
        terms = add_term(info.get("reward_terms"), paid, self.method.term, change)
        return {**info, "reward_terms": terms, "true_reward": info.get("true_reward", paid)}

    def snapshot(self) -> WrapperSnapshot:
        """Copy of everything that the next step depends on.

        Raises:
            TypeError: the environment, or a wrapper between, takes no snapshots.
        """
        return self._runner.snapshot(self.env)

    def restore(self, snapshot: WrapperSnapshot) -> tuple[Any, dict[str, Any]]:
        """Go back to a snapshot; returns the observation and info of the environment inside.

        Raises:
            TypeError: the environment, or a wrapper between, takes no snapshots.
            ValueError: the snapshot is of another environment or method.
        """
        obs, info = self._runner.restore(self.env, snapshot)
        self._runner.resume(one_row(obs))
        return obs, info
