"""Who answers questions while an agent trains, and when the answers arrive.

A method asks when it first sees a caption and goes on; the answer comes later. When, is counted in the method's own
steps, so that a run can be made again: a :class:`ScriptedLabeller` answers after a fixed number of them, and a
:class:`RecordedLabeller` writes down at which step each answer arrived, and lets it arrive at that step again.
"""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any, Protocol

import numpy as np

from payoff.envs.core.arrays import shown
from payoff.envs.core.params import check_integer, check_number
from payoff.wrappers.arguments import check_callable, check_sequence, check_text
from payoff.wrappers.llm.client import ChatClient, NoReplyError, Recorded, ask_readable
from payoff.wrappers.llm.questions import Helps, Nearer, Question, quoted
from payoff.wrappers.llm.store import Messages, Reply, ReplyStore, prompt_hash

__all__ = [
    "InOrder",
    "Labeller",
    "RecordedLabeller",
    "ScriptedLabeller",
    "SilentLabeller",
    "StoredLabeller",
    "check_labeller",
]


class Labeller(Protocol):
    """Answers questions, at once or in its own time."""

    def answer(self, question: Question) -> float:
        """The answer, however long it takes.

        Raises:
            NoReplyError: there is none.
        """
        ...

    def poll(self, step: int, waiting: Mapping[Question, int]) -> list[tuple[Question, float]]:
        """What arrives at a step; does not wait for anything.

        Args:
            step: the number of steps that whoever asks has made, this one included.
            waiting: questions without an answer and the step at which each was asked, in the order of asking.

        Returns:
            Some of them with their answers, in the same order. An answer may arrive in the step of its question.

        Raises:
            NoReplyError: an answer will never come.
        """
        ...


def check_labeller(labeller: Any) -> None:
    """Raise TypeError unless this object can be asked."""
    lacking = [name for name in ("answer", "poll") if not callable(getattr(labeller, name, None))]
    if lacking or isinstance(labeller, type):
        raise TypeError(f"labeller must be an object with answer and poll, got {shown(labeller)}")


@dataclass(frozen=True, slots=True)
class InOrder:
    """The truth about captions where it is known: these mean progress, the later ones more, and no others.

    Attributes:
        texts: captions, from the first step towards the goal to the last.

    Raises:
        TypeError: no sequence of texts.
        ValueError: one of them stands there twice.

    >>> InOrder(("key", "door"))(Nearer("get out", "door", "key"))
    1.0
    """

    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check the field."""
        check_sequence("texts", self.texts, "captions")
        for i, text in enumerate(self.texts):
            check_text(f"texts[{i}]", text)
        if len(set(self.texts)) < len(self.texts):
            raise ValueError(f"texts must be different captions, got {self.texts!r}")
        object.__setattr__(self, "texts", tuple(self.texts))

    def __call__(self, question: Question) -> float:
        """The right answer.

        Raises:
            TypeError: it is no question about captions.
        """
        if isinstance(question, Helps):
            return float(question.caption in self.texts)
        if isinstance(question, Nearer):
            first, second = (self.texts.index(c) if c in self.texts else -1 for c in question.words)
            return 0.5 if first == second else float(first > second)
        raise TypeError(f"question must be Helps or Nearer, got {type(question).__name__}")


class ScriptedLabeller:
    """Knows the truth, and errs at a set rate: for experiments, and for tests.

    Whether the answer to a question is wrong, and which wrong answer it is, depends on the question and the seed alone:
    not on when it is asked, nor on what else is. A question with several parts is wrong in each of them at that rate.

    Args:
        truth: function from a question to the right answer, such as :class:`InOrder`.
        errors: share of questions that are answered wrongly, in [0, 1].
        latency: steps from asking to arrival; 0: in the same step.
        seed: of the errors.

    Raises:
        TypeError: ``truth`` cannot be called.
        ValueError: another argument is out of its range.
    """

    def __init__(
        self, truth: Callable[[Question], float], *, errors: float = 0.0, latency: int = 0, seed: int = 0
    ) -> None:
        check_callable("truth", truth, "of a question")
        check_number("errors", errors, 0.0, 1.0)
        check_integer("latency", latency, 0)
        check_integer("seed", seed, 0)
        self._truth, self._errors, self._latency, self._seed = truth, float(errors), int(latency), int(seed)

    def answer(self, question: Question) -> float:
        """See :class:`Labeller`."""
        about = json.dumps([self._seed, type(question).__name__, *question.words]).encode()
        draws = np.random.default_rng(list(blake2b(about, digest_size=16).digest()))
        return question.mistaken(self._truth(question), self._errors, draws)

    def poll(self, step: int, waiting: Mapping[Question, int]) -> list[tuple[Question, float]]:
        """See :class:`Labeller`."""
        return [(q, self.answer(q)) for q, asked in waiting.items() if step >= asked + self._latency]


class SilentLabeller:
    """Never answers: for play in which questions are collected."""

    def answer(self, question: Question) -> float:
        """Raise NoReplyError."""
        raise NoReplyError("nobody is asked")

    def poll(self, step: int, waiting: Mapping[Question, int]) -> list[tuple[Question, float]]:
        """Nothing."""
        return []


class StoredLabeller:
    """Answers at once, from a store that was filled before; to whatever that does not know the answer is a set one.

    Args:
        store: replies of one who was asked beforehand.
        otherwise: answer to all other questions.
        tries: replies that are read to a question, 1 to 100; see :func:`payoff.wrappers.llm.client.ask_readable`.

    Raises:
        ValueError: ``tries`` is out of its range.
    """

    def __init__(self, store: ReplyStore, otherwise: float, *, tries: int = 3) -> None:
        check_integer("tries", tries, 1, 100)
        self._store, self._otherwise, self._tries = store, otherwise, tries

    def knows(self, question: Question) -> bool:
        """Whether the store holds a reply."""
        return self._store.find(question.messages()) is not None

    def answer(self, question: Question) -> float:
        """See :class:`Labeller`."""
        return _answer(Recorded(None, self._store), question, self._tries) if self.knows(question) else self._otherwise

    def poll(self, step: int, waiting: Mapping[Question, int]) -> list[tuple[Question, float]]:
        """See :class:`Labeller`."""
        return [(question, self.answer(question)) for question in waiting]


class RecordedLabeller:
    """Asks a model in a thread of its own, the newest question first, and keeps all in a store; or replays a store.

    A reply is on the disk as soon as it is there, and the step of its arrival before it is used. So a run that is
    killed loses no reply and asks for none twice: when it goes on from a checkpoint, replies that had arrived after it
    arrive again at their steps, and one that had not is found in the store.

    Where a store is used by another run than the one that made it, a question may be asked later than its answer once
    arrived: then it arrives in the step of the question.

    Args:
        client: whom to ask; None: nobody. Then a question that the store knows nothing of is an error, and one that was
            asked and never answered waits for ever, as it did.
        store: of the same name and settings as the client.
        tries: replies that are read to a question, 1 to 100; see :func:`payoff.wrappers.llm.client.ask_readable`.

    Raises:
        ValueError: the store is of somebody else or of other settings, or ``tries`` is out of its range.
    """

    def __init__(self, client: ChatClient | None, store: ReplyStore, *, tries: int = 3) -> None:
        check_integer("tries", tries, 1, 100)
        self._live = client is not None
        self._store, self._tries = store, tries
        self._hashes: dict[Question, str] = {}
        stopped = threading.Event()
        whom = Recorded(client if client is None else _Stoppable(client, stopped), store)
        self._found = Recorded(None, store)
        self._worker = _Worker(partial(_answer, whom, tries=tries), stopped)
        weakref.finalize(self, self._worker.stop)
        self._ask = partial(_answer, whom, tries=tries)

    def __getstate__(self) -> dict[str, Any]:
        """Refuse to be copied or pickled: two would write to one file."""
        raise TypeError("a RecordedLabeller must stay where it is: it has a file and a thread; make one for each bonus")

    def answer(self, question: Question) -> float:
        """See :class:`Labeller`."""
        return self._ask(question)

    def poll(self, step: int, waiting: Mapping[Question, int]) -> list[tuple[Question, float]]:
        """See :class:`Labeller`."""
        self._worker.check()
        came = []
        for question, asked in waiting.items():
            arrival = self._arrival(question, asked, step)
            if arrival is not None and arrival <= step:
                came.append((question, _answer(self._found, question, self._tries)))
        return came

    def _arrival(self, question: Question, asked: int, step: int) -> int | None:
        """Step at which the answer arrives, where that is known."""
        name = self._hash(question)
        arrived = self._store.steps["arrived"].get(name)
        if arrived is not None:
            return arrived
        begun = name in self._store.steps["asked"]
        if not self._live:
            if not begun and self._store.find(question.messages()) is None:
                about = ", ".join(quoted(word) for word in question.words)
                raise NoReplyError(
                    f"{self._store.path} knows nothing of the question about {about}: it is of another run, or was "
                    "recorded with another goal or another version of the game"
                )
            return None if begun else step  # replies without steps were there from the start
        if not begun:
            self._store.note("asked", question.messages(), asked)
        if not self._worker.has(question):
            return None
        self._store.note("arrived", question.messages(), step)
        return step

    def _hash(self, question: Question) -> str:
        """Of its prompt."""
        if question not in self._hashes:
            self._hashes[question] = prompt_hash(self._store.by, self._store.settings, question.messages())
        return self._hashes[question]


def _answer(client: ChatClient, question: Question, tries: int) -> float:
    return ask_readable(client, question.messages(), question.read, tries=tries)[0]


class _Stoppable:
    """A client whose replies count for nothing once nobody waits for them."""

    def __init__(self, client: ChatClient, stopped: threading.Event) -> None:
        self.by, self.settings = client.by, client.settings
        self._client, self._stopped = client, stopped

    def ask(self, messages: Messages, *, sample: int = 0) -> Reply:
        """See :class:`payoff.wrappers.llm.client.ChatClient`."""
        reply = self._client.ask(messages, sample=sample)
        if self._stopped.is_set():
            raise NoReplyError("nobody waits for the reply any more")
        return reply


class _Worker:
    """A thread that gets answers, the newest question first; it begins with the first question."""

    def __init__(self, ask: Callable[[Question], float], stopped: threading.Event) -> None:
        self._ask, self._stopped = ask, stopped
        self._changed = threading.Condition()
        self._stack: list[Question] = []
        self._done: dict[Question, bool] = {}
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None

    def check(self) -> None:
        """Raise what ended the thread."""
        if self._error is not None:
            raise self._error

    def has(self, question: Question) -> bool:
        """Whether the answer is there; asks for it where that is new."""
        with self._changed:
            if question not in self._done:
                self._done[question] = False
                self._stack.append(question)
                self._changed.notify()
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="payoff-labeller", daemon=True)
                    self._thread.start()
            return self._done[question]

    def stop(self) -> None:
        """Ask for nothing more."""
        with self._changed:
            self._stopped.set()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._stack) or self._stopped.is_set())
                if self._stopped.is_set():
                    return
                question = self._stack.pop()
            try:
                self._ask(question)
            except Exception as error:  # raised where the answer is waited for
                self._error = error
                return
            with self._changed:
                self._done[question] = True
