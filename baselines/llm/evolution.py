"""Rounds of proposing rewards, training briefly under each, and telling what came of it.

A round: a prompt, candidates, a verdict on each, a brief training of each that has values
(:mod:`payoff.baselines.llm.brief_training`), a score in payoffs, feedback, the next prompt. Methods differ in what they
ask and what they feed back; each is a subclass in a file of its own:

- :mod:`payoff.baselines.llm.eureka`: many at a time, the best of them with how its terms moved;
- :mod:`payoff.baselines.llm.icpl`: many at a time, of which a judge names the best and the worst behaviour;
- :mod:`payoff.baselines.llm.text2reward`: one at a time, with what its behaviour looked like;
- :mod:`payoff.baselines.llm.auto_mc`: signs of a sparse and a dense part, a critic before, an analyst after.

The best of all rounds by payoff is what comes of it; of equally good ones, the earliest. A round sees nothing but
replies and trainings, and both are kept: made again from the folder, everything is the same, and one that was killed
goes on.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from payoff.baselines.estimate import in_words
from payoff.baselines.llm.brief_training import BriefTraining, Trained
from payoff.baselines.llm.methods import Outcome, Request, training_option
from payoff.envs.core.params import check_integer
from payoff.wrappers.llm.client import ChatClient, NoReplyError, UnreadableError, ask_readable
from payoff.wrappers.llm.propose import (
    MOST_CANDIDATES,
    Candidate,
    Proposal,
    describe,
    prompt,
    read_proposals,
)
from payoff.wrappers.llm.store import Messages, prompt_hash
from payoff.wrappers.llm.terms import sum_of
from payoff.wrappers.llm.verdict import Finding, Verdict

__all__ = ["TERMS_FORM", "Evolution", "Round", "Tried", "best_of", "numbers_of"]

_MOST_WORDS = 500  # characters of an error that are fed back
TERMS_FORM = """You write rewards for reinforcement learning, as expressions in a small language.
The reward is the sum of named terms, so that it can be seen what each of them does.
Reply with one JSON object of this form, with one to eight terms and names of your own, and with nothing else:
{"expressions": [{"terms": {"term": "the expression"}, "why": "the reason in one sentence"}]}"""


@dataclass(frozen=True)
class Tried:
    """A candidate and what came of it.

    Attributes:
        candidate: with its payoff.
        terms: name -> expression; what the reply said, where it cannot be used.
        trained: None where it could not be used at all.
    """

    candidate: Candidate
    terms: Mapping[str, str]
    trained: Trained | None

    @property
    def scored(self) -> bool:
        """Whether it was trained to the end."""
        return self.candidate.payoff is not None

    @property
    def score(self) -> float:
        """The payoff; minus infinity where there is none."""
        return -math.inf if self.candidate.payoff is None else self.candidate.payoff

    @property
    def reply(self) -> str:
        """The candidate as a reply gives it."""
        return json.dumps({"expressions": [{"terms": dict(self.terms), "why": self.candidate.why}]})

    @property
    def fault(self) -> str:
        """Why it has no score, in one line; empty where it has."""
        if self.trained is not None:
            return f"its training was given up: {self.trained.error}"[:_MOST_WORDS] if self.trained.error else ""
        failed = [finding for finding in self.candidate.verdict.findings if finding.passed is not True]
        return "; ".join(f"{finding.name}: {finding.words}" for finding in failed)[:_MOST_WORDS]


@dataclass(frozen=True)
class Round:
    """What one round came to.

    Attributes:
        number: from 1.
        tried: its candidates, in the order of the replies.
        note: what the method keeps of it for later rounds.
    """

    number: int
    tried: tuple[Tried, ...]
    note: Any = None

    @property
    def scored(self) -> tuple[Tried, ...]:
        """Those with a payoff."""
        return tuple(tried for tried in self.tried if tried.scored)


@dataclass(frozen=True, kw_only=True)
class Evolution:
    """What the methods share.

    Attributes:
        rounds: of proposing and training.
        candidates: of each round, 1 to ``MOST_CANDIDATES``.
        algo: who is trained; see :class:`payoff.baselines.llm.brief_training.BriefTraining`, as for the next four.
        train_steps: of one training.
        train_seeds: trainings of each candidate.
        episodes: that a trained policy is scored on.
        settings: of the trainer.

    Raises:
        TypeError: ``algo`` is no text, or ``settings`` no dict.
        ValueError: a number is out of its range.
    """

    method: ClassVar[str]  # name among the methods

    rounds: int = 5
    candidates: int = 1
    algo: str = "auto"
    train_steps: int = 20_000
    train_seeds: int = 1
    episodes: int = 10
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the fields."""
        check_integer("rounds", self.rounds, 1, 1000)
        check_integer("candidates", self.candidates, 1, MOST_CANDIDATES)
        self.training()

    def training(self) -> BriefTraining:
        """How candidates are trained."""
        return BriefTraining(
            algo=self.algo,
            steps=self.train_steps,
            seeds=self.train_seeds,
            episodes=self.episodes,
            settings=self.settings,
        )

    # -- what a method says for itself -------------------------------------------------------------------------------

    def opening(self, request: Request) -> Messages:
        """The first prompt."""
        return self.asked(request, TERMS_FORM)

    def feedback(self, request: Request, rounds: Sequence[Round]) -> tuple[str, str]:
        """The candidate that the next prompt builds on, as a reply gives it, and what is said to it.

        Args:
            request: what is asked for.
            rounds: so far, one at least.
        """
        raise NotImplementedError(f"{type(self).__name__} must define feedback(request, rounds)")

    def proposed(self, request: Request, client: ChatClient, messages: Messages, sample: int) -> tuple[Proposal, str]:
        """A proposal, and the hash of the prompt that it answers.

        Raises:
            NoReplyError: no reply came.
            UnreadableError: (a NoReplyError) none could be read.
        """
        (proposal,), asked = ask_readable(
            client, messages, lambda reply: read_proposals(reply, 1, terms=True), tries=request.tries, sample=sample
        )
        return proposal, prompt_hash(client.by, client.settings, asked, sample)

    def text(self, terms: Mapping[str, str]) -> str:
        """The reward that is made of terms.

        Raises:
            ValueError: one is not of the language, or the whole is too large for it.
        """
        return sum_of(terms)

    @property
    def tells_payoffs(self) -> bool:
        """Whether payoffs are told while it runs: not to a person who is to judge without them."""
        return True

    def noted(self, request: Request, client: ChatClient, rounds: Sequence[Round], now: Round) -> Any:
        """What is kept of a round; ``rounds`` are those before it."""
        return None

    # -- the loop ----------------------------------------------------------------------------------------------------

    def check(self, request: Request) -> None:
        """See :class:`payoff.baselines.llm.methods.LlmMethod`."""
        self.training().check(request)
        self.opening(request)

    def run(self, request: Request, client: ChatClient) -> Outcome:
        """See :class:`payoff.baselines.llm.methods.LlmMethod`."""
        watch = _Watch(request, self.rounds, self.candidates, self.tells_payoffs)
        opening = self.opening(request)
        rounds: list[Round] = []
        for number in range(1, self.rounds + 1):
            messages = opening
            if rounds:
                base, words = self.feedback(request, rounds)
                messages = [*opening, {"role": "assistant", "content": base}, {"role": "user", "content": words}]
            tried = []
            for sample in range(self.candidates):
                tried.append(self._try(request, client, messages, number, sample))
                watch.tell(tried[-1], number, sample)
            now = Round(number, tuple(tried))
            rounds.append(replace(now, note=self.noted(request, client, rounds, now)))
        every = [tried for now in rounds for tried in now.tried]
        if all(not tried.terms for tried in every):
            raise NoReplyError(f"no reply of {len(every)} could be read; of the last, {every[-1].fault}")
        best = best_of(every)
        ordered = sorted(every, key=lambda tried: -tried.score)
        option = None if best is None else training_option(best.candidate.text, request)
        return Outcome(tuple(tried.candidate for tried in ordered), option)

    def asked(self, request: Request, form: str, description: str = "") -> Messages:
        """A prompt for one expression.

        Args:
            request: what is asked for.
            form: system message, which shows the form of the reply.
            description: of the environment; empty: that of :func:`payoff.wrappers.llm.propose.describe`.
        """
        told = description or request.look(describe)
        _, user = prompt(told, request.task, use=request.use, count=1, limit=request.limit)
        return [{"role": "system", "content": form}, user]

    def _try(self, request: Request, client: ChatClient, messages: Messages, number: int, sample: int) -> Tried:
        """Ask for a candidate, judge it, and train under it where that can be done."""
        try:
            proposal, asked = self.proposed(request, client, messages, sample)
        except UnreadableError as error:
            proposal, asked = Proposal("", ""), prompt_hash(client.by, client.settings, messages, sample)
            verdict = Verdict("", request.use, (Finding("parses", False, str(error)),))
            return Tried(Candidate("", "", verdict, client.by, asked, self.method, number), {}, None)
        terms = dict(proposal.terms)
        try:
            text = self.text(terms)
        except ValueError as error:
            text, verdict = proposal.text, Verdict(proposal.text, request.use, (Finding("parses", False, str(error)),))
        else:
            verdict = request.judge(text)
        candidate = Candidate(text, proposal.why, verdict, client.by, asked, self.method, number)
        if not verdict.usable:
            return Tried(candidate, terms, None)
        trained = self.training().train(request, text, terms)
        return Tried(replace(candidate, payoff=trained.payoff), terms, trained)


def best_of(tried: Sequence[Tried]) -> Tried | None:
    """The one with the largest payoff, of equally good ones the first; None where none has any."""
    return max((one for one in tried if one.scored), key=lambda one: one.score, default=None)


def numbers_of(tried: Tried) -> str:
    """How the terms and the payoff moved in the training of a candidate, a line for each."""
    assert tried.trained is not None
    lines = ["Of each tenth of the training, from the first to the last:"]
    for name, stretches in tried.trained.terms.items():
        for at, what in enumerate(("least", "mean", "largest")):
            lines.append(f"- {name}, {what}: {', '.join('-' if s is None else f'{s[at]:.4g}' for s in stretches)}")
    paid = ", ".join("-" if x is None else f"{x:.6g}" for x in tried.trained.payoffs)
    return "\n".join([*lines, f"- payoff of an episode, mean: {paid}"])


class _Watch:
    """Tells what is going on, and how long the rest will take."""

    def __init__(self, request: Request, rounds: int, candidates: int, payoffs: bool) -> None:
        self.request, self.rounds, self.candidates, self.payoffs = request, rounds, candidates, payoffs
        self.began, self.done = time.monotonic(), 0
        self.best: Tried | None = None

    def tell(self, tried: Tried, number: int, sample: int) -> None:
        """A line about a candidate."""
        self.done += 1
        self.best = best_of([*([self.best] if self.best else []), tried])
        left = self.rounds * self.candidates - self.done
        seconds = (time.monotonic() - self.began) / self.done * left
        payoff = tried.candidate.payoff
        if payoff is None:
            found = "not trained" if tried.trained is None else "given up"
        else:
            found = f"payoff {payoff:.6g}" if self.payoffs else "trained"
        best = f"; best {self.best.candidate.payoff:.6g}" if self.best is not None and self.payoffs else ""
        rest = f"; {in_words(seconds)} left" if left else ""
        self.request.say(f"round {number}/{self.rounds}, candidate {sample + 1}/{self.candidates}: {found}{best}{rest}")
