"""Bi-level methods as reward learners: what they learned is frozen, and any trainer trains under it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from payoff.baselines.bilevel import Args, learn, posed
from payoff.baselines.environments import OneSeat
from payoff.baselines.reward_problem import Problem
from payoff.baselines.settings import trainer_arguments
from payoff.wrappers import RewardBlend

__all__ = ["BilevelReward"]


@dataclass(frozen=True)
class BilevelReward:
    """Trains a small policy together with its reward, and hands over the reward.

    Attributes:
        method: one of :data:`payoff.baselines.bilevel.METHODS`.
        settings: of :class:`payoff.baselines.bilevel.Args`; the discount is that of whoever trains under the reward,
            unless it is among them.
    """

    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def check(self, problem: Problem) -> None:
        """Check settings and environment.

        Raises:
            TypeError: a setting that there is not, or one of another type.
            ValueError: a value that is not allowed, an environment that :func:`payoff.baselines.bilevel.posed` refuses,
                or no auxiliary reward where the method blends one.
        """
        args = self._args(problem)
        env = problem.make(1)
        try:
            seat = OneSeat(env, levels=False)
            posed(args, seat)
            seat.reset(seed=0)
            info = seat.step(np.zeros((1, 1, 1), dtype=np.int64))[4]
            if args.resolved().aux != "none" and "aux" not in info:
                raise ValueError(f"it blends an auxiliary reward, info['aux'], and {problem.env_id} reports none")
        except ValueError as error:
            raise ValueError(f"reward learner {self.method}: {error}") from error
        finally:
            env.close()

    def learn(self, problem: Problem) -> RewardBlend:
        """The reward; its state goes to the problem's checkpoint, from which it goes on."""
        return learn(self._args(problem), on_progress=problem.on_progress).reward

    def _args(self, problem: Problem) -> Args:
        keywords = dict(problem.keywords)
        own = {
            "env_id": problem.env_id,
            "reward": keywords.pop("reward", None),
            "env_params": keywords,
            "seed": problem.seed,
            "checkpoint": None if problem.checkpoint is None else str(problem.checkpoint),
        }
        settings = {"method": self.method, "gamma": problem.gamma, **self.settings}
        made: Args = trainer_arguments(Args, self.method, settings, **own)
        return made
