"""The questions that a method has asked: the answers so far, and what still waits for one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import numpy as np

from payoff.envs.core.arrays import shown
from payoff.files import json_object
from payoff.wrappers.arguments import as_array, check_names, state_array
from payoff.wrappers.llm.labellers import Labeller
from payoff.wrappers.llm.questions import Question
from payoff.wrappers.rows import Array

__all__ = ["QuestionBook", "packed", "unpacked"]


class QuestionBook:
    """Asks each question once, and counts the steps of whoever asks. It is common to all forks of a method.

    Args:
        labeller: who answers.
        make: from the words of a question to the question; what a state holds is the words.

    Attributes:
        step: steps so far.
        answers: in the order of their arrival.
        waiting: questions without an answer, and the step at which each was asked, in the order of asking.
    """

    def __init__(self, labeller: Labeller, make: Callable[..., Question]) -> None:
        self._labeller, self._make = labeller, make
        self.step = 0
        self.answers: dict[Question, float] = {}
        self.waiting: dict[Question, int] = {}

    def advance(self, words: Iterable[tuple[str, ...]]) -> bool:
        """A step: ask what is new, then take in what arrives.

        Args:
            words: of the questions; those that were asked before are not asked again.

        Returns:
            Whether an answer arrived.

        Raises:
            NoReplyError: an answer will never come; nothing has changed.
        """
        step, waiting = self.step + 1, self.waiting
        for question in map(self._question, words):
            if question not in self.answers and question not in waiting:
                waiting = {**waiting, question: step}
        came = self._labeller.poll(step, waiting) if waiting else []
        self.step = step
        if came or waiting is not self.waiting:
            self.answers.update(came)
            self.waiting = {q: asked for q, asked in waiting.items() if q not in self.answers}
        return bool(came)

    def ask_now(self, words: tuple[str, ...]) -> None:
        """Ask a question and wait for its answer; no step passes.

        Raises:
            NoReplyError: there is none.
        """
        question = self._question(words)
        if question not in self.answers:
            self.answers[question] = self._labeller.answer(question)
            self.waiting.pop(question, None)

    def _question(self, words: tuple[str, ...]) -> Question:
        return self._make(*words)

    def fork(self) -> Self:
        """This object."""
        return self

    def state_dict(self) -> dict[str, Array]:
        """``step``; and ``questions``, bytes of a JSON object: the words of each with its answer, or with its step."""
        questions = {
            "answers": [[*q.words, answer] for q, answer in self.answers.items()],
            "waiting": [[*q.words, asked] for q, asked in self.waiting.items()],
        }
        return {"step": np.array(self.step), "questions": packed(questions)}

    def read_state(self, state: Mapping[str, Array]) -> Callable[[], None]:
        """See :meth:`payoff.wrappers.bonus.base.Part.read_state`."""
        check_names("a book of questions", state, {"step": None, "questions": None})
        step = int(state_array("a book of questions", "step", state["step"], np.array(0)))
        if step < 0:
            raise ValueError(f"step must be at least 0, got {step}")
        found = unpacked("questions", state["questions"], ("answers", "waiting"))
        answers = {q: float(x) for q, x in map(self._entry, found["answers"])}
        waiting = {q: x for q, x in map(self._entry, found["waiting"])}
        for question, answer in answers.items():
            try:
                question.check(answer)
            except ValueError as error:
                raise ValueError(f"questions: {error}") from error
        if any(not isinstance(asked, int) or not 0 < asked <= step for asked in waiting.values()):
            raise ValueError(f"questions: steps must be in 1 .. {step}, got {shown([*waiting.values()])}")
        if len(answers | waiting) < len(found["answers"]) + len(found["waiting"]):
            raise ValueError("questions must be different, and one stands there twice")

        def take_over() -> None:
            self.step, self.answers, self.waiting = step, answers, waiting

        return take_over

    def _entry(self, entry: Any) -> tuple[Question, Any]:
        """A question and the number beside it."""
        try:
            *words, number = entry
            question = self._question(tuple(words))
        except (TypeError, ValueError) as error:
            raise ValueError(f"questions must be lists of words and a number, got {shown(entry)}: {error}") from error
        if not isinstance(number, int | float) or isinstance(number, bool):
            raise ValueError(f"questions must end with a number, got {shown(entry)}")
        return question, number


def packed(value: Mapping[str, Any]) -> Array:
    """A JSON object as bytes ``(n,)`` uint8, for a state."""
    return np.frombuffer(json.dumps(dict(value), allow_nan=False).encode(), dtype=np.uint8).copy()


def unpacked(name: str, value: Any, lists: tuple[str, ...]) -> dict[str, list[Any]]:
    """The JSON object of :func:`packed`, which holds these lists.

    Raises:
        ValueError: it is something else.
    """
    array = as_array(value)
    if array.dtype != np.uint8 or array.ndim != 1:
        raise ValueError(f"{name} must be bytes (n,) uint8, got {array.dtype} {array.shape}")
    found = json_object(array.tobytes())
    if found.keys() != set(lists) or not all(isinstance(part, list) for part in found.values()):
        raise ValueError(f"{name} must hold the lists {', '.join(lists)}, got {shown(sorted(found))}")
    return found
