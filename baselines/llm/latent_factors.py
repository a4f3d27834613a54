"""Method ``lare``: a language model names the factors of a step, and a return decomposition learns what they are worth.

    payoff llm-reward CoinLine-v0 --task "visit the coin" --method lare --use reward --out results/lare ...

The model is asked several times for factors (:mod:`payoff.wrappers.llm.factors`), then once to merge its own answers
into one list. Each factor is tried along random play, and what is wrong with one goes back to the model. What comes out
is a transform of whole episodes, for problems whose payoff comes late.

Source: LaRe, AAAI 2025: five answers, merged; at most five times is an error sent back; factors of (s, a). It asks at
temperature 1.0 and merges at 0.3, where all of a call here is at one temperature. unverified: its figures.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from payoff.baselines.llm.methods import Outcome, Request, limit_setting, plain
from payoff.envs.core.params import check_integer
from payoff.wrappers.llm.client import ChatClient, ask_readable
from payoff.wrappers.llm.factors import check_factor
from payoff.wrappers.llm.propose import (
    Candidate,
    Proposal,
    describe,
    language_section,
    read_proposals,
    sorted_candidates,
    task_section,
)
from payoff.wrappers.llm.store import Messages, prompt_hash

__all__ = ["LatentFactors"]

_SYSTEM = """You say which few numbers of a step decide how well a task is done, as expressions in a small language.
Reply with your thoughts in a few lines, and then with one JSON object of this form:
{"factors": [{"text": "the expression", "why": "the reason in one sentence"}]}"""

_ROLE = """Work in this order:
1. Say in a sentence what the task comes down to.
2. List the behaviour of a single step that is good for the task and the behaviour that is bad for it, as far as both
show in what can be read.
3. Write the factors: at most {most} expressions of obs, next_obs and action (neither info nor terminated is recorded).

A network learns from the returns of whole episodes what the factors of each step are worth, so their sign and their
size do not matter. It sees nothing but the factors: leave out none that the return depends on, and add none that it
does not. Take what holds everywhere, not a single place, where the task allows. Divide by nothing that can be 0."""

_MERGE = """You were asked {count} times. These are your answers:

{answers}

Merge them into one list of at most {most} factors: keep what the answers agree on and what is sound, leave out what
says the same twice and what does not belong to the task. Reply as before."""

_WRONG = """These were tried along random play:

{errors}

Reply with the whole list again, in which nothing of this is wrong."""


@dataclass(frozen=True, kw_only=True)
class LatentFactors:
    """Asks for factors.

    Attributes:
        samples: lists that are asked for before they are merged, 1 to 100; 1 is not merged.
        corrections: times that an error is sent back, 0 to 100.

    Raises:
        ValueError: a field is out of its range.
    """

    samples: int = 5
    corrections: int = 5

    def __post_init__(self) -> None:
        """Check the fields."""
        check_integer("samples", self.samples, 1, 100)
        check_integer("corrections", self.corrections, 0, 100)

    def check(self, request: Request) -> None:
        """Make the first prompt (ValueError)."""
        if request.use != "reward":
            raise ValueError(f"use must be 'reward' with method lare: factors redistribute it; got {request.use!r}")
        self._first(request)

    def run(self, request: Request, client: ChatClient) -> Outcome:
        """See :class:`payoff.baselines.llm.methods.LlmMethod`; the candidates are the factors of the last reply."""

        def read(text: str) -> tuple[Proposal, ...]:
            return read_proposals(text, request.candidates, name="factors")

        messages = first = self._first(request)
        answers = []
        for i in range(self.samples):
            proposals, messages = ask_readable(client, first, read, tries=request.tries, sample=i)
            answers.append(_written(proposals))
        if self.samples > 1:
            text = _MERGE.format(count=self.samples, answers="\n".join(answers), most=request.candidates)
            merge = [*first, {"role": "user", "content": text}]
            proposals, messages = ask_readable(client, merge, read, tries=request.tries)
        for left in reversed(range(self.corrections + 1)):
            found = self._judged(request, client, proposals, messages)
            errors = _errors(found)
            if not errors or not left:
                break
            messages = [
                *messages,
                {"role": "assistant", "content": _written(proposals)},
                {"role": "user", "content": _WRONG.format(errors="\n".join(errors))},
            ]
            proposals, messages = ask_readable(client, messages, read, tries=request.tries)
        return Outcome(sorted_candidates(found), _option(request, found))

    def _first(self, request: Request) -> Messages:
        role = _ROLE.format(most=request.candidates)
        description = request.look(describe)
        parts = (description, language_section(request.limit), task_section(request.task), f"# What to write\n\n{role}")
        return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": "\n\n".join(parts)}]

    def _judged(
        self, request: Request, client: ChatClient, proposals: tuple[Proposal, ...], messages: Messages
    ) -> list[Candidate]:
        asked = prompt_hash(client.by, client.settings, messages)
        env = request.make(8)
        try:
            return [
                Candidate(
                    p.text,
                    p.why,
                    check_factor(env, p.text, limit=request.limit, steps=request.steps, seed=request.seed),
                    client.by,
                    asked,
                    method="lare",
                )
                for p in proposals
            ]
        finally:
            env.close()


def _written(proposals: tuple[Proposal, ...]) -> str:
    """What was read of a reply, in one line: nothing else of it goes back to the model."""
    return json.dumps({"factors": [{"text": p.text, "why": p.why} for p in proposals]})


def _errors(found: list[Candidate]) -> list[str]:
    return [
        f"- {json.dumps(candidate.text)}: {finding.name}: {finding.words}"
        for candidate in found
        for finding in candidate.verdict.findings
        if finding.passed is False
    ]


def _option(request: Request, found: list[Candidate]) -> tuple[str, str] | None:
    """The transform of all factors that met every demand; None where there are none."""
    texts = [plain(candidate.text) for candidate in found if candidate.verdict.passed]
    if not texts:
        return None
    return "--transform", f"lare:factors={json.dumps(texts, separators=(',', ':'))}{limit_setting(request)}"
