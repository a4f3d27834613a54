"""What a reward is learned for; see :mod:`payoff.baselines.reward_learners`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
from gymnasium.vector import VectorEnv

from payoff.baselines.environments import make_vector
from payoff.baselines.methods import Ending
from payoff.baselines.training import OnProgress
from payoff.wrappers import RewardMethod, observation_names, wrap

__all__ = ["Problem", "Sizes"]


class Sizes(NamedTuple):
    """Of what a learner sees and does.

    Attributes:
        obs: numbers of an observation.
        actions: entries of an action.
        num_actions: integer actions of each entry; None where actions are real numbers.
    """

    obs: int
    actions: int
    num_actions: int | None

    @property
    def step(self) -> int:
        """Numbers of an observation and an action, integer actions one-hot."""
        return self.obs + self.actions * (self.num_actions or 1)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a reward is learned for, and where.

    Attributes:
        env_id: environment.
        keywords: game parameters and view settings, the reward layer among them.
        gamma: discount of whoever trains under the reward.
        on_truncation: what that learner takes the end of a truncated episode for.
        seed: of everything that is random.
        checkpoint: file for the learner's own state, so that it can go on after a kill; None: it keeps none.
        on_progress: called with (done, in all), in units of the learner's own; None: nobody asks.
    """

    env_id: str
    keywords: Mapping[str, Any]
    gamma: float
    on_truncation: Ending
    seed: int
    checkpoint: Path | None = None
    on_progress: OnProgress | None = None

    def make(self, num_envs: int) -> VectorEnv:
        """The environment as single-agent trainers see it, all copies unwrapped, with full infos."""
        return make_vector(self.env_id, num_envs, {"info": "full", **self.keywords})

    def names(self) -> tuple[str, ...]:
        """What the environment says that the numbers of an observation are called; none where nobody says."""
        env = self.make(1)
        try:
            return observation_names(env)
        finally:
            env.close()

    def first_info(self) -> dict[str, Any]:
        """What a reset reports: name -> ``(1, ...)``, an entry of one copy."""
        env = self.make(1)
        try:
            return env.reset(seed=0)[1]
        finally:
            env.close()

    def try_step(self, method: RewardMethod) -> None:
        """Play one random step under a reward.

        Raises:
            ValueError: it cannot pay there.
        """
        env = wrap(self.make(1), method)
        try:
            env.reset(seed=self.seed)
            env.action_space.seed(self.seed)
            env.step(env.action_space.sample())
        except KeyError as error:  # an entry of info that there is not
            raise ValueError(str(error.args[0])) from error
        finally:
            env.close()

    def sizes(self) -> Sizes:
        """Sizes of the environment's spaces."""
        env = self.make(1)
        env.close()
        space, obs = env.single_action_space, gym.spaces.flatdim(env.single_observation_space)
        if isinstance(space, gym.spaces.Discrete):
            return Sizes(obs, 1, int(space.n))
        if isinstance(space, gym.spaces.MultiDiscrete):
            return Sizes(obs, space.nvec.size, int(space.nvec.max()))
        return Sizes(obs, gym.spaces.flatdim(space), None)
