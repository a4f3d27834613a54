"""What captions are worth, from the answers of a labeller that is asked while the agent trains.

:class:`CaptionValues` asks about each caption when it is first seen, and the training goes on; a caption is worth 0
until an answer says otherwise. :class:`LabelRetrieval` takes the answers as they are:

(1) v(c) = 1 if the labeller says that caption c helps, else 0

Source: the retrieval variant of ONI (Zheng et al. 2024).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Self

import numpy as np

from payoff.envs.core.arrays import shown
from payoff.wrappers.arguments import check_names
from payoff.wrappers.llm.captions import MOST_CAPTION
from payoff.wrappers.llm.labellers import Labeller, check_labeller
from payoff.wrappers.llm.question_book import QuestionBook, packed, unpacked
from payoff.wrappers.llm.questions import Helps, Question, check_goal
from payoff.wrappers.rows import Array

__all__ = ["CaptionValues", "LabelRetrieval"]


class CaptionValues:
    """Captions by number, in the order in which they were first seen, and what each is worth.

    It is common to all forks of a bonus. Subclasses define :meth:`about` and :meth:`compute`, which must depend on the
    captions and the answers alone: nothing else is kept.

    Args:
        labeller: who answers.
        make: from the words of a question to the question.

    Attributes:
        numbers: caption -> its number.
        book: the questions.

    Raises:
        TypeError: ``labeller`` cannot be asked.
    """

    def __init__(self, labeller: Labeller, make: Callable[..., Question]) -> None:
        check_labeller(labeller)
        self.numbers: dict[str, int] = {}
        self.book = QuestionBook(labeller, make)
        self._values = np.zeros(0)
        self._current = True

    def about(self, caption: str, earlier: Mapping[str, int]) -> Iterable[tuple[str, ...]]:
        """Words of the questions to ask when a caption is first seen, given the earlier ones and their numbers."""
        raise NotImplementedError(f"{type(self).__name__} must define about(caption, earlier)")

    def compute(self, captions: list[str], answers: Mapping[Question, float]) -> Array:
        """What C captions are worth, ``(C,)`` finite numbers, given the answers in the order of their arrival."""
        raise NotImplementedError(f"{type(self).__name__} must define compute(captions, answers)")

    def step(self, captions: list[str]) -> tuple[Array, Array]:
        """The captions of a step, of all rows that made one: ask about new ones, and take in answers.

        Returns:
            Their numbers ``(R,)`` int64, and what each is worth ``(R,)``.

        Raises:
            NoReplyError: an answer will never come; nothing has changed.
        """
        numbers = self.numbers
        words: list[tuple[str, ...]] = []
        for caption in captions:
            if caption not in numbers:
                words += self.about(caption, numbers)
                numbers = {**numbers, caption: len(numbers)}
        came = self.book.advance(words)
        if came or numbers is not self.numbers:
            self.numbers, self._current = numbers, False
        at = np.array([numbers[caption] for caption in captions], dtype=np.int64)
        return at, self.values[at]

    def ask_now(self, captions: Iterable[str], on_progress: Callable[[int, int], None] | None = None) -> None:
        """Meet captions before anything is played, and wait for all answers about them.

        Args:
            captions: in the order in which they are numbered; those that are known are left out.
            on_progress: called with (answers so far, in all).

        Raises:
            NoReplyError: an answer will never come.
        """
        words: list[tuple[str, ...]] = []
        for caption in captions:
            if caption not in self.numbers:
                words += self.about(caption, self.numbers)
                self.numbers = {**self.numbers, caption: len(self.numbers)}
        for done, question in enumerate(words, 1):
            self.book.ask_now(question)
            if on_progress is not None:
                on_progress(done, len(words))
        self._current = False

    @property
    def values(self) -> Array:
        """What each caption is worth, by its number ``(C,)``."""
        if not self._current:
            self._values = self.compute([*self.numbers], self.book.answers)
            self._current = True
        return self._values

    def fork(self) -> Self:
        """This object."""
        return self

    def state_dict(self) -> dict[str, Array]:
        """``captions``: bytes of a JSON object with the captions in order; and the arrays of the book."""
        return {"captions": packed({"captions": [*self.numbers]}), **self.book.state_dict()}

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """See :meth:`payoff.wrappers.bonus.base.Part.read_state`."""
        check_names(type(self).__name__, state, self.state_dict())
        captions = unpacked("captions", state["captions"], ("captions",))["captions"]
        if not all(isinstance(text, str) and len(text) <= MOST_CAPTION for text in captions):
            raise ValueError(f"captions must be texts of at most {MOST_CAPTION} characters, got {shown(captions)}")
        numbers = {text: i for i, text in enumerate(captions)}
        if len(numbers) < len(captions):
            raise ValueError("captions must be different, and one stands there twice")
        book = self.book.read_state({name: array for name, array in state.items() if name != "captions"})

        def take_over() -> None:
            self.numbers, self._current = numbers, False
            book()

        return take_over


class LabelRetrieval(CaptionValues):
    """Equation (1): 1 for captions of which the labeller said that they help.

    Args:
        labeller: who answers.
        goal: what the learner should do, in a sentence.

    Raises:
        TypeError: ``labeller`` cannot be asked, or ``goal`` is no text.
        ValueError: ``goal`` is empty or too long.
    """

    def __init__(self, labeller: Labeller, goal: str) -> None:
        check_goal(goal)
        super().__init__(labeller, partial(Helps, goal))
        self.goal = goal

    def about(self, caption: str, earlier: Mapping[str, int]) -> Iterable[tuple[str, ...]]:
        """Whether it helps."""
        return [(caption,)]

    def compute(self, captions: list[str], answers: Mapping[Question, float]) -> Array:
        """Equation (1)."""
        told = {question.words[0]: answer for question, answer in answers.items()}
        return np.array([told.get(caption, 0.0) for caption in captions], dtype=np.float64)
