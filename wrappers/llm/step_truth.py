"""The right answers about steps, where they are known: for experiments with an error rate, and to judge a labeller."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from payoff.wrappers.arguments import check_sequence
from payoff.wrappers.base import Transition
from payoff.wrappers.llm.entries import bind, step_entries
from payoff.wrappers.llm.questions import Question
from payoff.wrappers.llm.reward_text import evaluate, parse
from payoff.wrappers.llm.subset_questions import as_number
from payoff.wrappers.rows import Array

__all__ = ["StepTruth"]


class StepTruth:
    """Says of each of K texts whether it is meant, by an expression of the step: true where its value is not 0.

    It looks at a step when a question about it first comes up, and remembers. Steps that look alike are one question;
    the first of them decides. It keeps no state, so a labeller that it answers for must have no latency: a question
    that waits across a checkpoint would be forgotten.

    Args:
        expressions: K texts, see :mod:`payoff.wrappers.llm.expression` or :mod:`payoff.wrappers.llm.function`.
        names: what the numbers of an observation are called; see :func:`payoff.wrappers.observation_names`.

    Attributes:
        answers: to the questions so far, in the order in which they came up.

    Raises:
        TypeError: an expression is no text, or one of the arguments no sequence.
        ValueError: a text is not of the language, or names an entry that there is not; or there is none.
    """

    def __init__(self, expressions: Sequence[str], *, names: Sequence[str] = ()) -> None:
        check_sequence("expressions", expressions, "texts")
        if not len(expressions):
            raise ValueError("expressions must be at least one text, got none")
        self._trees = []
        for i, text in enumerate(expressions):
            try:
                self._trees.append(bind(parse(text), names))
            except (TypeError, ValueError) as error:
                raise type(error)(f"expressions[{i}]: {error}") from error
        self.answers: dict[Question, float] = {}

    @property
    def count(self) -> int:
        """K."""
        return len(self._trees)

    def holds(self, t: Transition) -> Array:
        """Which texts are meant by each row ``(R, K)`` bool; none in rows that made no step.

        Raises:
            ValueError: the step holds no such number, or an operation has no finite value.
        """
        read = step_entries(t)
        return np.stack([evaluate(tree, read, t.active) != 0.0 for tree in self._trees], axis=1)

    def note(self, t: Transition, questions: Sequence[Question]) -> None:
        """Take in the questions about the rows that made a step, in the order of the rows."""
        if all(question in self.answers for question in questions):
            return
        for question, held in zip(questions, self.holds(t)[t.active], strict=True):
            self.answers.setdefault(question, as_number(held))

    def __call__(self, question: Question) -> float:
        """The right answer; KeyError where the question has not come up."""
        return self.answers[question]
