"""Reward learner ``linear_preferences``: simulated preferences over segments of a tabular game, and weights from them.

The game is enumerated, its true values say what an annotator prefers, and the weights of the features that it reports
in ``info["reward_vector"]`` are learned from the answers alone. What comes out pays weights times features, scaled so
that the largest weight is 1 in size: preferences that an annotator with an unknown scale gives say no more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from payoff.baselines.environments import is_outside
from payoff.baselines.memory import check_memory
from payoff.baselines.reward_problem import Problem
from payoff.envs import registry
from payoff.envs.core.params import check_flag, check_integer, check_number, check_word
from payoff.wrappers import FeatureTask, LinearReward, SimulatedAnnotator, feature_task

__all__ = ["LinearPreferences"]

_MODELS = ("regret", "partial_return")


@dataclass(frozen=True)
class LinearPreferences:
    """Learns from simulated answers about pairs of segments.

    Attributes:
        model: what the learner takes the answers for, ``regret`` or ``partial_return``.
        by: what the annotator judges by, either of them or ``deterministic_regret``.
        pairs: questions, each about two segments of its own.
        length: steps of a segment.
        scale: of the annotator; inf: no noise.
        flip: probability that an answer is turned round.
        gamma: discount of the values that regret is about, in (0, 1).
        past_the_end: whether segments may run on after an episode has ended.

    Raises:
        ValueError: a field is out of its range.
    """

    model: str = "regret"
    by: str = "regret"
    pairs: int = 1000
    length: int = 3
    scale: float = 1.0
    flip: float = 0.0
    gamma: float = 0.999
    past_the_end: bool = True

    def __post_init__(self) -> None:
        """Check the fields (ValueError)."""
        check_word("model", self.model, _MODELS)
        check_word("by", self.by, (*_MODELS, "deterministic_regret"))
        check_integer("pairs", self.pairs, 1, 1_000_000)
        check_integer("length", self.length, 1, 1000)
        check_memory("linear_preferences", {"2 x pairs": 2 * self.pairs, "length": self.length})
        if self.scale != np.inf:
            check_number("scale", self.scale, 0.0, open_low=True)
        check_number("flip", self.flip, 0.0, 1.0)
        check_number("gamma", self.gamma, 0.0, 1.0, open_low=True, open_high=True)
        check_flag("past_the_end", self.past_the_end)

    def check(self, problem: Problem) -> None:
        """See :class:`payoff.baselines.reward_learners.RewardLearner`.

        Raises:
            ValueError: the game is none of ours, is not tabular, or reports no features.
        """
        if is_outside(problem.env_id):
            raise ValueError(f"linear_preferences needs a tabular game of Payoff, got {problem.env_id}")
        game = registry.load(problem.env_id)
        if not game.tabular or not any(entry.name == "reward_vector" for entry in game.entries):
            raise ValueError(
                f"linear_preferences needs a tabular game that reports info['reward_vector'], got {problem.env_id}"
            )

    def task(self, problem: Problem) -> FeatureTask:
        """The game of the problem; where boards are drawn, that of its seed."""
        names = registry.load(problem.env_id).params.names()
        own = {name: value for name, value in problem.keywords.items() if name in names}
        return feature_task(problem.env_id, gamma=self.gamma, start=problem.seed, **own)

    def learn(self, problem: Problem) -> LinearReward:
        """Ask, fit, and scale the weights.

        Raises:
            ValueError: only ties came back, or every weight is 0.
        """
        from payoff.wrappers import fit_partial_return, fit_regret, policy_library  # they import torch

        task = self.task(problem)
        segments = task.random_segments(2 * self.pairs, self.length, problem.seed, past_the_end=self.past_the_end)
        first, second = np.arange(self.pairs), np.arange(self.pairs, 2 * self.pairs)
        annotator = SimulatedAnnotator(self.by, scale=self.scale, flip=self.flip, optimal=task.optimal_values())  # type: ignore[arg-type]
        answers = annotator.ask(segments, first, second, np.random.default_rng([problem.seed, 1]))
        if self.model == "regret":
            library = policy_library(task, seed=problem.seed)
            weights = fit_regret(task, segments, first, second, answers, library)
        else:
            weights = fit_partial_return(task, segments, first, second, answers)
        largest = np.abs(weights).max()
        if not largest > 0.0:
            raise ValueError("the answers say nothing of the features: every weight is 0")
        return LinearReward(weights / largest)
