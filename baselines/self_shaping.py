"""The reward learner ``explors``: a learner's own shaping and a bonus, which learn while the policy trains."""

from __future__ import annotations

from dataclasses import dataclass

import gymnasium as gym

from payoff.baselines.reward_problem import Problem
from payoff.wrappers import ExplorationGuided, RewardMethod

__all__ = ["SelfShaping"]


@dataclass(frozen=True)
class SelfShaping:
    """EXPLORS; attributes are the arguments of :class:`payoff.wrappers.ExplorationGuided`.

    It needs whole-number actions, and states that come again: observations of real numbers rarely do. ``clip`` 0 means
    that phi is not clipped.
    """

    rate: float = 0.01
    value_rate: float = 0.01
    bonus: float = 1.0
    largest_bonus: float = 1.0
    every: int = 5
    memory: int = 10
    clip: float = 0.0
    per_row: bool = False

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        self._method(1, 1.0)

    def check(self, problem: Problem) -> None:
        """Raise ValueError unless actions are whole numbers and observations an array."""
        self.learn(problem)

    def learn(self, problem: Problem) -> RewardMethod:
        """The method around the environment; it has seen nothing yet.

        Raises:
            ValueError: actions are no whole numbers, or observations no array.
        """
        env = problem.make(1)
        try:
            actions, seen = env.single_action_space, env.single_observation_space
        finally:
            env.close()
        if not isinstance(actions, gym.spaces.Discrete) or actions.start != 0:
            raise ValueError(f"explors needs actions that are whole numbers from 0 on (Discrete), got {actions}")
        if not isinstance(seen, gym.spaces.Box):
            raise ValueError(f"explors needs observations that are an array (Box), got {seen}")
        return self._method(int(actions.n), problem.gamma)

    def _method(self, num_actions: int, gamma: float) -> ExplorationGuided:
        return ExplorationGuided(
            num_actions,
            gamma=gamma,
            rate=self.rate,
            value_rate=self.value_rate,
            bonus=self.bonus,
            largest_bonus=self.largest_bonus,
            every=self.every,
            memory=self.memory,
            clip=None if self.clip == 0.0 else self.clip,
            per_row=self.per_row,
        )
