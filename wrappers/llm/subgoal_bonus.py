"""Bonuses for what a language model says of a step: that it achieved a subgoal, or did what was suggested before it.

:class:`SubgoalBonus` asks of each step, when its like is first seen, which subgoals it achieves. With g_k(x) = 1 where
the answer about step x (what was seen before, the action, what was seen after, the report of the game) names subgoal k:

(1) b = sum over k of g_k(x), for those k that the episode has not been paid for

:class:`SuggestionBonus` asks of what is seen, when it is first seen, which reports of the game would be best to bring
about next. With s_k(o) = 1 where the answer about o names report k, and c_k = 1 where the step's report is k:

(2) b = sum over k of s_k(o) c_k, for those k that the episode has not been paid for

Until an answer is there, it names nothing. Training goes on in the meantime; what was said once is never asked again.

Sources: (1) CALM (its released code), which judges recorded play before any training, adds up the judgements of
a pair of observation and action, scales the sums to [0, 1] and pays them at every visit; that can be farmed, and
``once=False`` pays so, without the sums. (2) ELLM (Du et al. 2023), which lets the model write phrases of its own and
compares them with captions by their embeddings; here it chooses among the captions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from payoff.envs.core.params import check_flag
from payoff.wrappers.arguments import check_callable
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.base import Bonus, Part
from payoff.wrappers.llm.captions import Captions, row_captions, row_texts
from payoff.wrappers.llm.labellers import Labeller, check_labeller
from payoff.wrappers.llm.question_book import QuestionBook
from payoff.wrappers.llm.questions import Question, check_goal
from payoff.wrappers.llm.screens import MOST_SCREEN
from payoff.wrappers.llm.step_truth import StepTruth
from payoff.wrappers.llm.subset_questions import Achieved, Suggests, check_texts, members, normalised
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["SubgoalBonus", "SuggestionBonus"]


class _AskingBonus(Bonus):
    """Asks about each step, and pays for texts that the answer names."""

    def __init__(
        self,
        screen: Captions,
        labeller: Labeller,
        make: Callable[..., Question],
        texts: tuple[str, ...],
        captions: Captions | None,
        truth: StepTruth | None,
        *,
        once: bool,
    ) -> None:
        check_callable("screen", screen, "(obs, info) -> (R,) texts")
        check_labeller(labeller)
        if captions is not None:
            check_callable("captions", captions, "(obs, info) -> (R,) texts")
        given: Any = truth
        if given is not None and not isinstance(given, StepTruth):
            raise TypeError(f"truth must be a StepTruth, got {type(given).__name__}")
        check_flag("once", once)
        super().__init__()
        self.screen, self.captions, self.truth, self.texts, self.once = screen, captions, truth, texts, once
        self.book = QuestionBook(labeller, make)
        self._make = make
        self._questions: dict[tuple[str, ...], Question] = {}  # that came up; nothing but their words is in it

    def blank(self) -> dict[str, Array]:
        """``seen``: bytes of the text of the row's current state; ``paid`` ``(K,)``: what the episode was paid for."""
        return super().blank() | {
            "seen": np.zeros(MOST_SCREEN, dtype=np.uint8),
            "paid": np.zeros(len(self.texts), dtype=np.bool_),
        }

    def parts(self) -> dict[str, Part]:
        """``book``: the questions and answers."""
        return {"book": self.book}

    def reset(self, obs: Batch, info: BatchInfo, mask: Array) -> None:
        """Rows that begin see their first state.

        Raises:
            ValueError: the screen gave other rows or something else than texts.
        """
        super().reset(obs, info, mask)
        self._see(mask, self._shown(obs, info, mask))

    def about(self, t: Transition, before: list[str], after: list[str], said: list[str]) -> list[tuple[str, ...]]:
        """Words of the question about each row that made a step."""
        raise NotImplementedError(f"{type(self).__name__} must define about(t, before, after, said)")

    def earned(self, named: Array, said: list[str]) -> Array:
        """Which texts the rows that made a step are to be paid for ``(A, K)``, given those that answers name."""
        return named

    def score(self, t: Transition) -> Array:
        """Equation (1) or (2).

        Raises:
            NoReplyError: an answer will never come.
            ValueError: the screen or the captions gave something else than texts.
        """
        bonus = np.zeros(t.active.shape)
        rows = np.flatnonzero(t.active)
        if not rows.size:
            return bonus
        after = self._shown(t.next_obs, t.info, t.active)
        said = [""] * rows.size if self.captions is None else row_captions(self.captions, t.next_obs, t.info, t.active)
        before = [data.tobytes().rstrip(b"\0") for data in self.memory["seen"][rows]]
        words = self.about(t, [*map(_decoded, before)], [*map(_decoded, after)], said)
        questions = [self._question(found) for found in words]
        if self.truth is not None:
            self.truth.note(t, questions)
        known = self.book.answers.keys(), self.book.waiting.keys()
        self.book.advance(w for w, q in zip(words, questions, strict=True) if not any(q in part for part in known))
        answers = np.array([self.book.answers.get(question, 0.0) for question in questions])
        due = self.earned(members(answers, len(self.texts)), said)
        if self.once:
            due = due & ~self.memory["paid"][rows]
            self.memory["paid"] = self.memory["paid"].copy()
            self.memory["paid"][rows] |= due
        self._see(t.active, after)
        bonus[rows] = due.sum(axis=1)
        return bonus

    def _question(self, words: tuple[str, ...]) -> Question:
        if words not in self._questions:
            self._questions[words] = self._make(*words)
        return self._questions[words]

    def _shown(self, obs: Batch, info: BatchInfo, mask: Array) -> list[bytes]:
        """Texts of the rows in a mask, as they are kept."""
        texts = row_texts("screen", self.screen, obs, info, mask, MOST_SCREEN)
        found = [text.encode(errors="replace").rstrip(b"\0") for text in texts]
        if any(len(data) > MOST_SCREEN for data in found):
            raise ValueError(f"screen must return texts of at most {MOST_SCREEN} bytes, got {max(map(len, found))}")
        return found

    def _see(self, mask: Array, texts: list[bytes]) -> None:
        """These are the current texts of the rows in a mask."""
        seen = self.memory["seen"]
        for row, data in zip(np.flatnonzero(mask).tolist(), texts, strict=True):
            seen[row] = 0
            seen[row, : len(data)] = np.frombuffer(data, dtype=np.uint8)


class SubgoalBonus(_AskingBonus):
    """Equation (1): 1 for each subgoal that a step achieves, once an episode.

    The rows of a call take a step together, which is one step of the labeller's time, whatever their number.

    Args:
        screen: function from observations and info to texts of at most 2,000 bytes, such as
            :class:`payoff.wrappers.llm.screens.NamedScreen`. Steps that look alike in it are one question.
        labeller: who answers.
        goal: what the learner should do, in a sentence.
        subgoals: K different texts.
        captions: what the game reports of a step, which is shown too; see
            :data:`payoff.wrappers.llm.captions.Captions`. None: nothing.
        truth: told of each question when it comes up; needed where it is what the labeller knows.
        once: pay each subgoal once an episode; else at every step that is said to achieve it, as often as it comes.

    Raises:
        TypeError: a function cannot be called, ``labeller`` cannot be asked, a text is none, ``truth`` is no StepTruth,
            or ``once`` no flag.
        ValueError: ``goal`` or ``subgoals`` are empty or too long, or a subgoal stands there twice.
    """

    def __init__(
        self,
        screen: Captions,
        labeller: Labeller,
        goal: str,
        subgoals: Sequence[str],
        *,
        captions: Captions | None = None,
        truth: StepTruth | None = None,
        once: bool = True,
    ) -> None:
        check_goal(goal)
        texts = check_texts("subgoals", subgoals)
        make = partial(Achieved, goal, texts)
        super().__init__(screen, labeller, make, texts, captions, truth, once=once)

    def about(self, t: Transition, before: list[str], after: list[str], said: list[str]) -> list[tuple[str, ...]]:
        """What was seen, the action, what is seen now, and the report."""
        actions = [_action_text(action) for action in np.asarray(t.action)[t.active]]
        return list(zip(before, actions, after, said, strict=True))


class SuggestionBonus(_AskingBonus):
    """Equation (2): 1 for a step whose report was suggested for the state before it, once an episode for each report.

    Args:
        screen: see :class:`SubgoalBonus`.
        labeller: who answers.
        goal: what the learner should do, in a sentence.
        phrases: K reports that the game can make; they differ even in lower case and without punctuation.
        captions: what the game reports of a step.
        most: reports that are named for a state, at least 1.
        truth: see :class:`SubgoalBonus`.

    Raises:
        TypeError: as :class:`SubgoalBonus`.
        ValueError: ``goal`` or ``phrases`` are empty or too long, a phrase stands there twice, or ``most`` is out of
            its range.
    """

    def __init__(
        self,
        screen: Captions,
        labeller: Labeller,
        goal: str,
        phrases: Sequence[str],
        captions: Captions,
        *,
        most: int = 3,
        truth: StepTruth | None = None,
    ) -> None:
        check_goal(goal)
        check_callable("captions", captions, "(obs, info) -> (R,) texts")
        make: Callable[..., Question] = partial(Suggests, goal, check_texts("phrases", phrases), most)
        texts = make("").texts  # type: ignore[attr-defined]  # checks the rest
        super().__init__(screen, labeller, make, texts, captions, truth, once=True)
        self._known = {normalised(phrase): k for k, phrase in enumerate(texts)}

    def about(self, t: Transition, before: list[str], after: list[str], said: list[str]) -> list[tuple[str, ...]]:
        """What was seen."""
        return [(text,) for text in before]

    def earned(self, named: Array, said: list[str]) -> Array:
        """Those that are what the step's report says."""
        numbers = np.array([self._known.get(normalised(text), -1) for text in said])
        done: Array = numbers[:, None] == np.arange(len(self.texts))
        return named & done


def _decoded(data: bytes) -> str:
    return data.decode(errors="replace")


def _action_text(action: Any) -> str:
    """An action in digits: whole numbers as they are, others to three places."""
    return " ".join(f"{x:.3g}" if isinstance(x, float) else str(x) for x in np.ravel(action).tolist())
