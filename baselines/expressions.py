"""Reward learner ``expression``: a reward that is written down and needs no learning.

    payoff train --algo ppo --env GridNav-v0 --out results/x --reward-learner 'expression:text=next_obs.x - obs.x'

The language is that of :mod:`payoff.wrappers.llm.expression`, or of functions, :mod:`payoff.wrappers.llm.function`.
Whether a text is fit for use is what ``payoff check-reward`` says; here only what cannot be used at all is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from payoff.baselines.reward_problem import Problem
from payoff.envs.core.params import check_flag, check_number
from payoff.wrappers import ExpressionReward
from payoff.wrappers.llm.expression_reward import LIMIT
from payoff.wrappers.llm.reward_text import parse

__all__ = ["Expression"]


@dataclass(frozen=True, kw_only=True)
class Expression:
    """Builds the reward for an environment.

    Attributes:
        text: the expression, or a Python function.
        added: whether its value is added to the reward, or takes its place.
        limit: size to which its value is cut, above 0.

    Raises:
        TypeError: ``text`` is no text.
        ValueError: it is not of the language, or another field is out of its range.
    """

    text: str
    added: bool = False
    limit: float = LIMIT

    def __post_init__(self) -> None:
        """Check the fields."""
        parse(self.text)
        check_flag("added", self.added)
        check_number("limit", self.limit, 0.0, open_low=True)

    def check(self, problem: Problem) -> None:
        """Take one random step under it.

        Raises:
            ValueError: it names or reads what there is not, or has no finite value there.
        """
        problem.try_step(self.learn(problem))

    def learn(self, problem: Problem) -> ExpressionReward:
        """The reward, with the names of this environment's observations put in."""
        return ExpressionReward(self.text, names=problem.names(), added=self.added, limit=self.limit)
