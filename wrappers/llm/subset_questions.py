"""Questions that some of a few known texts answer: what a step achieved, and what to bring about next.

As every answer, theirs is a number: of texts 0 .. K - 1, the sum of 2^k over those that are meant. A reply names texts,
and they are compared with the known ones; a text that is not known is an error, and nothing else of a reply is read.

What is shown of the game may come from anywhere. It stands in the prompt as JSON texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.envs.core.arrays import shown
from payoff.envs.core.params import check_integer
from payoff.wrappers.arguments import check_sequence, check_text
from payoff.wrappers.llm.questions import check_goal, last_object, quoted
from payoff.wrappers.llm.store import Messages
from payoff.wrappers.rows import Array

__all__ = ["MOST_TEXT", "MOST_TEXTS", "Achieved", "Suggests", "as_number", "check_texts", "members", "normalised"]

MOST_TEXTS = 50  # K; sums of so many powers of 2 are exact in float64
MOST_TEXT = 500  # characters of a text

_ACHIEVED = """You watch somebody play a game, and judge one step at a time.
You are told which subgoals there are, what the player saw before the step, the action, and what was seen after it.
A subgoal is achieved by a step that completes it: not by one before it, and not by one after it.
Think in at most three sentences. Then end with one JSON object of this form, with every subgoal as it was written, and
write nothing after it:
{"achieved": {"the subgoal": true, "another subgoal": false}}"""

_SUGGESTS = """You advise somebody who plays a game.
You are told the goal, what the player sees now, and all reports that the game can make of a step.
Choose the reports that would be best to bring about next: sensible here, and of use for the goal.
Think in at most three sentences. Then end with one JSON object of this form, with reports as they were written, and
write nothing after it:
{"next": ["a report", "another report"]}"""


class Subset:
    """A question that some of K texts answer; subclasses have them as ``texts``."""

    __slots__ = ()
    texts: tuple[str, ...]

    def check(self, answer: float) -> None:
        """See :class:`payoff.wrappers.llm.questions.Question`."""
        if answer != int(answer) or not 0 <= answer < 2 ** len(self.texts):
            raise ValueError(f"an answer must be a whole number below {2 ** len(self.texts)}, got {answer}")

    def mistaken(self, right: float, errors: float, draws: np.random.Generator) -> float:
        """See :class:`payoff.wrappers.llm.questions.Question`; errs in each text by itself."""
        count = len(self.texts)
        return as_number(members(np.array(right), count) ^ (draws.random(count) < errors))


@dataclass(frozen=True, slots=True)
class Achieved(Subset):
    """Which of these subgoals does this step achieve?

    Attributes:
        goal: what the player should do, in a sentence.
        subgoals: K different texts.
        before: what was seen before the step.
        action: as a text.
        after: what was seen after it.
        caption: what the game reports of the step; "" where it reports nothing.

    Raises:
        TypeError: one of them is no text, or ``subgoals`` no sequence.
        ValueError: ``goal`` is empty or too long; see :func:`check_texts` for ``subgoals``.
    """

    goal: str
    subgoals: tuple[str, ...]
    before: str
    action: str
    after: str
    caption: str

    def __post_init__(self) -> None:
        """Check the fields."""
        check_goal(self.goal)
        for name in ("before", "action", "after", "caption"):
            check_text(name, getattr(self, name))
        object.__setattr__(self, "subgoals", check_texts("subgoals", self.subgoals))

    @property
    def texts(self) -> tuple[str, ...]:  # type: ignore[override]  # read alone
        """The subgoals."""
        return self.subgoals

    @property
    def words(self) -> tuple[str, ...]:
        """The step."""
        return self.before, self.action, self.after, self.caption

    def messages(self) -> Messages:
        """See :class:`payoff.wrappers.llm.questions.Question`."""
        said = f"\nThe game reports: {quoted(self.caption)}" if self.caption else ""
        asked = (
            f"The goal: {quoted(self.goal)}\n\nThe subgoals: {_listed(self.subgoals)}\n\n"
            f"Seen before the step: {quoted(self.before)}\nAction: {quoted(self.action)}\n"
            f"Seen after the step: {quoted(self.after)}{said}\n\nWhich subgoals does this step achieve?"
        )
        return [{"role": "system", "content": _ACHIEVED}, {"role": "user", "content": asked}]

    def read(self, reply: str) -> float:
        """See :class:`payoff.wrappers.llm.questions.Question`: true or false for every subgoal, and nothing else."""
        found = last_object(reply, "achieved")
        verdict = found["achieved"]
        if len(found) > 1 or not isinstance(verdict, dict) or verdict.keys() != set(self.subgoals):
            raise ValueError(f"achieved must have the names {_listed(self.subgoals)} and be alone, got {shown(found)}")
        for subgoal, value in verdict.items():
            if not isinstance(value, bool):
                raise ValueError(f"achieved: {quoted(subgoal)} must be true or false, got {shown(value)}")
        return as_number(verdict[subgoal] for subgoal in self.subgoals)


@dataclass(frozen=True, slots=True)
class Suggests(Subset):
    """Which of these phrases would be best to bring about next?

    Attributes:
        goal: what the player should do, in a sentence.
        phrases: K texts that differ even when :func:`normalised`.
        most: how many may be named, at least 1.
        seen: what is seen now.

    Raises:
        TypeError: one of them is no text, or ``phrases`` no sequence.
        ValueError: ``goal`` is empty or too long, or ``most`` is out of its range; see :func:`check_texts` for
            ``phrases``.
    """

    goal: str
    phrases: tuple[str, ...]
    most: int
    seen: str

    def __post_init__(self) -> None:
        """Check the fields."""
        check_goal(self.goal)
        check_integer("most", self.most, 1)
        check_text("seen", self.seen)
        phrases = check_texts("phrases", self.phrases)
        check_texts("phrases", [normalised(phrase) for phrase in phrases])
        object.__setattr__(self, "phrases", phrases)

    @property
    def texts(self) -> tuple[str, ...]:  # type: ignore[override]  # read alone
        """The phrases."""
        return self.phrases

    @property
    def words(self) -> tuple[str, ...]:
        """What is seen."""
        return (self.seen,)

    def messages(self) -> Messages:
        """See :class:`payoff.wrappers.llm.questions.Question`."""
        asked = (
            f"The goal: {quoted(self.goal)}\n\nWhat the player sees: {quoted(self.seen)}\n\n"
            f"All reports: {_listed(self.phrases)}\n\nWhich of them, at most {self.most}, are best to bring about next?"
        )
        return [{"role": "system", "content": _SUGGESTS}, {"role": "user", "content": asked}]

    def read(self, reply: str) -> float:
        """See :class:`payoff.wrappers.llm.questions.Question`: at most ``most`` phrases, and nothing else."""
        found = last_object(reply, "next")
        named = found["next"]
        if len(found) > 1 or not isinstance(named, list) or len(named) > self.most:
            raise ValueError(f"next must be a list of at most {self.most} reports and alone, got {shown(found)}")
        known = {normalised(phrase): k for k, phrase in enumerate(self.phrases)}
        for phrase in named:
            if not isinstance(phrase, str) or len(phrase) > 2 * MOST_TEXT or normalised(phrase) not in known:
                raise ValueError(f"next must name reports of the list, got {shown(phrase)}")
        meant = {known[normalised(phrase)] for phrase in named}
        return as_number(k in meant for k in range(len(self.phrases)))


def as_number(chosen: Iterable[bool | np.bool_]) -> float:
    """The answer that means the texts for which it is true.

    >>> as_number([True, False, True])
    5.0
    """
    return float(sum(2**k for k, meant in enumerate(chosen) if meant))


def members(answers: Array, count: int) -> Array:
    """What answers ``(...)`` mean: ``(..., count)`` bool.

    >>> members(np.array([5.0, 0.0]), 3).tolist()
    [[True, False, True], [False, False, False]]
    """
    found: Array = (answers.astype(np.int64)[..., None] >> np.arange(count)) & 1 == 1
    return found


def normalised(text: str) -> str:
    """A text in lower case, without punctuation and with single blanks.

    >>> normalised("Pick up  the KEY!")
    'pick up the key'
    """
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def check_texts(name: str, texts: Sequence[str]) -> tuple[str, ...]:
    """1 to 50 different texts, each of 1 to 500 characters and not blank.

    Raises:
        TypeError: no sequence of texts.
        ValueError: another number of them, one stands there twice, or one is blank or too long.
    """
    given: Any = texts
    check_sequence(name, given, "texts")
    for i, text in enumerate(given):
        check_text(f"{name}[{i}]", text)
        if not 0 < len(text.strip()) <= len(text) <= MOST_TEXT:
            raise ValueError(f"{name}[{i}] must have 1 to {MOST_TEXT} characters and not be blank, got {shown(text)}")
    found = tuple(given)
    if not 1 <= len(found) <= MOST_TEXTS or len(set(found)) < len(found):
        raise ValueError(f"{name} must be 1 to {MOST_TEXTS} different texts, got {shown(list(found))}")
    return found


def _listed(texts: Sequence[str]) -> str:
    return json.dumps([*texts], ensure_ascii=False)
