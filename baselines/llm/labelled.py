r"""Reward learners ``oni`` and ``motif``: what happened is labelled by a language model, and the labels are paid.

    payoff train --algo ppo --env KeyRoom-v0 --out results/x \
        --reward-learner 'oni:goal="reach the goal",model=NAME,base_url=http://localhost:8080/v1,store=labels.jsonl'

- ``oni`` asks while the policy trains, about each caption when it is first seen, and does not wait for the answer;
- ``motif`` asks before, about pairs of all captions that it knows of, and the policy then trains under what came out.

Who answers, and how labels are paid, is told in :mod:`payoff.baselines.llm.answering`; with ``truth``, captions from
the first step towards the goal to the last, answers may come late (``latency``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from payoff.baselines.llm.answering import Answered, play_randomly
from payoff.baselines.reward_problem import Problem
from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.wrappers import (
    CaptionBonus,
    LabelClassifier,
    LabelRanking,
    LabelRetrieval,
    RewardMethod,
    caption_is,
)
from payoff.wrappers.arguments import check_sequence
from payoff.wrappers.llm.caption_values import CaptionValues
from payoff.wrappers.llm.labellers import InOrder, Labeller, ScriptedLabeller, SilentLabeller

__all__ = ["Motif", "Oni"]

_PLAYED = 2000  # steps of random play in which captions are looked for


@dataclass(frozen=True, kw_only=True)
class Labelled(Answered):
    """What both have in common.

    Attributes:
        beta: power of how often the episode has had it, at least 0, or ``inf``.
        quantile: of rankings; share of captions that is paid nothing, in [0, 1].
        rivals: of rankings; earlier captions that each is compared with.
        truth: captions that help, from the first step towards the goal to the last.
        latency: steps from a question to its answer, where the truth answers.

    Raises:
        TypeError: a field that is a text is none.
        ValueError: a field is out of its range, or nobody or more than one is named who answers.
    """

    beta: float | str = 3.0
    quantile: float = 0.5
    rivals: int = 5
    truth: tuple[str, ...] = ()
    latency: int = 0

    def __post_init__(self) -> None:
        """Check the fields."""
        check_sequence("truth", self.truth, "captions")
        object.__setattr__(self, "truth", InOrder(tuple(self.truth)).texts)
        super().__post_init__()
        if self.beta != "inf":
            check_number("beta", self.beta, 0.0)
        check_number("quantile", self.quantile, 0.0, 1.0)
        check_integer("rivals", self.rivals, 1)
        check_integer("latency", self.latency, 0)

    def check(self, problem: Problem) -> None:
        """Take one step, with the captions of the environment; nobody is asked.

        Raises:
            ValueError: there are no captions, a truth that is none of them, a file that cannot be used, or it holds
                something else than it did.
        """
        self.check_source(problem)
        known = getattr(self.captions_of(problem), "texts", ())
        if self.truth and known:
            caption_is(known, *self.truth)
        self.seen(problem, 1)

    def learn(self, problem: Problem) -> RewardMethod:
        """The reward, which goes on asking while a policy trains under it."""
        values = self.values(self.labeller(problem), problem)
        beta = np.inf if self.beta == "inf" else float(self.beta)
        return self.pay(CaptionBonus(self.captions_of(problem), values, beta=beta), problem)

    def values(self, labeller: Labeller, problem: Problem) -> CaptionValues:
        """What captions are worth."""
        raise NotImplementedError(f"{type(self).__name__} must define values(labeller, problem)")

    def seen(self, problem: Problem, steps: int) -> tuple[str, ...]:
        """Captions that some steps of random play report, in the order in which they were first seen."""
        met = LabelRetrieval(SilentLabeller(), self.goal)
        play_randomly(problem, CaptionBonus(self.captions_of(problem), met), steps)
        return tuple(met.numbers)

    def labeller(self, problem: Problem) -> Labeller:
        """Who answers."""
        if self.truth:
            return ScriptedLabeller(InOrder(self.truth), errors=self.errors, latency=self.latency, seed=problem.seed)
        return self.asked(problem)


@dataclass(frozen=True, kw_only=True)
class Oni(Labelled):
    """ONI: labels that arrive while the policy trains.

    Attributes:
        kind: ``retrieval``, the labels as they are; ``classification``, a model of them, which knows captions without a
            label; ``ranking``, by comparisons.
        threshold: of classification; probability above which a caption is paid, in [0, 1].
    """

    kind: str = "retrieval"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        check_word("kind", self.kind, ("retrieval", "classification", "ranking"))
        check_number("threshold", self.threshold, 0.0, 1.0)
        self.check_unused(self.kind == "classification", "kind=classification", ("threshold",))
        self.check_unused(self.kind == "ranking", "kind=ranking", ("quantile", "rivals"))

    def values(self, labeller: Labeller, problem: Problem) -> CaptionValues:
        """See :class:`Labelled`."""
        if self.kind == "retrieval":
            return LabelRetrieval(labeller, self.goal)
        if self.kind == "classification":
            return LabelClassifier(labeller, self.goal, threshold=self.threshold)
        return LabelRanking(labeller, self.goal, rivals=self.rivals, quantile=self.quantile, seed=problem.seed)


@dataclass(frozen=True, kw_only=True)
class Motif(Labelled):
    """Motif: all pairs are judged before the policy trains.

    The captions are those of the game; where nobody knows them, those of 2,000 steps of random play. Captions that turn
    up later are paid by the model of the answers.
    """

    coef: float = 0.1
    rivals: int = 100

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        self.check_unused(False, "kind=ranking of oni", ("latency",))

    def values(self, labeller: Labeller, problem: Problem) -> CaptionValues:
        """See :class:`Labelled`."""
        ranking = LabelRanking(labeller, self.goal, rivals=self.rivals, quantile=self.quantile, seed=problem.seed)
        known = getattr(self.captions_of(problem), "texts", ()) or self.seen(problem, _PLAYED)
        ranking.ask_now(known, problem.on_progress)
        return ranking
