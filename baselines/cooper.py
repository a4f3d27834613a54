"""Reward learner ``cooper``: a proxy learned from a score, and kept honest by a verifier while the agent trains.

    payoff train --algo ppo --env FillerSteps-v0 --reward-learner cooper --out results/honest
    payoff train --algo ppo --env FillerSteps-v0 --reward-learner cooper:verify=false --out results/hacked

The second keeps the proxy as it was at first.

The method is :class:`payoff.wrappers.VerifiedProxyReward`. A ``problem`` is a
:class:`payoff.baselines.reward_problem.Problem`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from payoff.baselines.memory import check_memory
from payoff.baselines.reward_problem import Problem
from payoff.envs.core.params import check_flag, check_number
from payoff.wrappers import HierarchyLearning, NetworkSettings, RewardMethod, StepInputs, VerifiedProxyReward

__all__ = ["Cooper"]


@dataclass(frozen=True, kw_only=True)
class Cooper:
    """Builds the method for a game.

    Attributes:
        score: entry of ``info`` that the proxy learns from at first, one number per step.
        share: of the steps that the verifier is shown.
        verify: False: the proxy never learns again after the warm-up.
        warmup: steps before the first learning.
        learn_every: steps from one learning to the next.

    Raises:
        ValueError: a value that is not allowed.
    """

    score: str = "aux"
    share: float = 1.0
    verify: bool = True
    warmup: int = 1000
    learn_every: int = 1000

    def __post_init__(self) -> None:
        """Check what can be checked without an environment."""
        if not isinstance(self.score, str) or not self.score:
            raise ValueError(f"score must be the name of an entry of info, got {self.score!r}")
        check_number("share", self.share, 0.0, 1.0, open_low=True)
        check_flag("verify", self.verify)
        self._learning(0)

    def _learning(self, seed: int) -> HierarchyLearning:
        return HierarchyLearning(
            warmup=self.warmup,
            learn_every=self.learn_every,
            minibatches=100,
            memory=self._memory,
            network=NetworkSettings(hidden=(32, 32), learning_rate=3e-3, seed=seed),
        )

    @property
    def _memory(self) -> int:
        """Steps that are kept."""
        return max(5_000, self.warmup)

    def check(self, problem: Problem) -> None:
        """Look at what the environment reports.

        Raises:
            ValueError: it lacks the score, ``progress`` or ``payoff``, the score is no number, or the steps that are
                kept would take too much memory.
        """
        sizes = problem.sizes()
        kept = {"steps (warmup, 5000 or more)": self._memory, "numbers of a step": sizes.obs + sizes.step}
        check_memory("cooper", kept)
        info = problem.first_info()
        for name in (self.score, "progress", "payoff"):
            if np.shape(info.get(name, ())) not in ((1,), (1, 1)):
                raise ValueError(f"cooper needs one number {name} in info for each step, and {problem.env_id} has none")

    def learn(self, problem: Problem) -> RewardMethod:
        """The method, which learns while the agent trains."""
        inputs = StepInputs(("obs", "action", "next_obs"), problem.sizes().num_actions)
        learning = self._learning(problem.seed)
        return VerifiedProxyReward(self.score, inputs=inputs, share=self.share, learning=learning, verify=self.verify)
