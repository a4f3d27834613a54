"""What is asked about captions, how a reply becomes a number, and what any question is.

A prompt holds one question. So the reply to a question depends on the question alone, and not on which others happened
to wait when it was asked: a run that is replayed, or goes on after a kill, asks the same.

Captions may come from anywhere, and a reply does. A caption stands in the prompt as a JSON text. Of a reply one word is
read, out of a fixed list, and it becomes a number; whatever else stands there has no effect.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from payoff.envs.core.arrays import shown
from payoff.files import json_object_at
from payoff.wrappers.arguments import check_text
from payoff.wrappers.llm.store import Messages

__all__ = ["MOST_GOAL", "Helps", "Nearer", "OneWord", "Question", "check_goal", "last_object", "quoted", "read_answer"]

MOST_GOAL = 4000  # characters

_SYSTEM = """You judge what happens in a game, for a learner that has to reach a goal.
Think in at most three sentences. Then end with one JSON object of this form, and write nothing after it:
{"answer": "..."}"""


class Question(Protocol):
    """A question with a number for an answer. Questions that are equal are one question; they can be hashed."""

    @property
    def words(self) -> tuple[str, ...]:
        """What tells it from other questions of its kind about the same goal."""
        ...

    def messages(self) -> Messages:
        """The prompt."""
        ...

    def read(self, reply: str) -> float:
        """The answer in a reply.

        Raises:
            ValueError: there is none; says why in one line.
        """
        ...

    def check(self, answer: float) -> None:
        """Raise ValueError unless this number is an answer."""
        ...

    def mistaken(self, right: float, errors: float, draws: np.random.Generator) -> float:
        """The answer of somebody who errs at a rate.

        Args:
            right: the right answer.
            errors: share of wrong answers, in [0, 1].
            draws: what decides.
        """
        ...


class OneWord:
    """A question that one word answers.

    Attributes:
        answers: the words that answer it, and what number each is.
    """

    __slots__ = ()
    answers: ClassVar[Mapping[str, float]]

    def read(self, reply: str) -> float:
        """See :class:`Question`."""
        return read_answer(reply, self.answers)

    def check(self, answer: float) -> None:
        """See :class:`Question`."""
        if answer not in self.answers.values():
            raise ValueError(f"an answer must be one of {[*self.answers.values()]}, got {answer}")

    def mistaken(self, right: float, errors: float, draws: np.random.Generator) -> float:
        """See :class:`Question`; all wrong answers are equally likely."""
        wrong = [answer for answer in self.answers.values() if answer != right]
        errs, which = draws.random(2)
        return wrong[int(which * len(wrong))] if errs < errors else right


@dataclass(frozen=True, slots=True)
class Helps(OneWord):
    """Does this caption mean progress towards the goal? 1 for yes, 0 for no.

    Attributes:
        goal: what the learner should do, in a sentence.
        caption: what happened.

    Raises:
        TypeError: one of them is no text.
        ValueError: ``goal`` is empty or has more than 4,000 characters.
    """

    goal: str
    caption: str
    answers: ClassVar[Mapping[str, float]] = {"yes": 1.0, "no": 0.0}

    def __post_init__(self) -> None:
        """Check the fields."""
        check_goal(self.goal)
        check_text("caption", self.caption)

    @property
    def words(self) -> tuple[str, ...]:
        """The caption."""
        return (self.caption,)

    def messages(self) -> Messages:
        """See :class:`Question`."""
        asked = (
            f"The goal: {quoted(self.goal)}\n\nThe game reports: {quoted(self.caption)}\n\n"
            'Does this report mean that the learner has just come nearer to the goal? Answer "yes" or "no".'
        )
        return _prompt(asked)


@dataclass(frozen=True, slots=True)
class Nearer(OneWord):
    """Which of two captions is nearer to the goal? 1 for the first, 0 for the second, 0.5 for neither.

    Attributes:
        goal: what the learner should do, in a sentence.
        first: what happened once.
        second: what happened at another time.

    Raises:
        TypeError: one of them is no text.
        ValueError: ``goal`` is empty or has more than 4,000 characters.
    """

    goal: str
    first: str
    second: str
    answers: ClassVar[Mapping[str, float]] = {"first": 1.0, "second": 0.0, "neither": 0.5}

    def __post_init__(self) -> None:
        """Check the fields."""
        check_goal(self.goal)
        check_text("first", self.first)
        check_text("second", self.second)

    @property
    def words(self) -> tuple[str, ...]:
        """Both captions."""
        return (self.first, self.second)

    def messages(self) -> Messages:
        """See :class:`Question`."""
        asked = (
            f"The goal: {quoted(self.goal)}\n\nFirst report of the game: {quoted(self.first)}\n"
            f"Second report of the game: {quoted(self.second)}\n\n"
            'After which report is the learner nearer to the goal? Answer "first", "second" or "neither".'
        )
        return _prompt(asked)


def read_answer(reply: str, answers: Mapping[str, float]) -> float:
    """The number of the answer in a reply: of the last JSON object that begins with ``{"answer"``.

    Args:
        reply: of a model.
        answers: the words that are allowed, and the number of each.

    Raises:
        ValueError: there is no such object, or another word in it.
    """
    found = last_object(reply, "answer")
    word = found["answer"]
    if len(found) > 1 or not isinstance(word, str) or word.strip().lower() not in answers:
        raise ValueError(f"answer must be {' or '.join(map(json.dumps, answers))} and alone, got {shown(found)}")
    return answers[word.strip().lower()]


def last_object(reply: str, name: str) -> dict[str, Any]:
    """The last JSON object of a reply that begins with a name; what stands around it is not read.

    Raises:
        ValueError: there is none, or it is no JSON.
    """
    begins = [found.start() for found in re.finditer(r'\{\s{0,100}"' + re.escape(name) + '"', reply)]
    if not begins:
        raise ValueError(f'there is no JSON object that begins with {{"{name}"')
    return json_object_at(reply, begins[-1])


def check_goal(goal: Any) -> None:
    """Raise TypeError or ValueError unless this can be a goal: a text of at most 4,000 characters, not blank."""
    check_text("goal", goal)
    if not 0 < len(goal.strip()) <= len(goal) <= MOST_GOAL:
        raise ValueError(f"goal must be a sentence of at most {MOST_GOAL} characters, got {len(goal)}")


def quoted(text: str) -> str:
    """A text as it stands in a prompt: a JSON text, so that where it ends is plain."""
    return json.dumps(text, ensure_ascii=False)


def _prompt(asked: str) -> Messages:
    return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": asked}]
