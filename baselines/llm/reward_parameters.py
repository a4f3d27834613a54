"""Method ``parameters``: a language model fills in the numbers of named reward terms, and writes no formula.

    payoff llm-reward CarBall-v0 --task "Keep the car slow." --method parameters --out results/slow --replay store.jsonl

Two prompts, as in Language to Rewards (Yu et al., 2023). The *descriptor* puts the task into words and numbers, in
lines of a given form. The *coder* turns these lines into JSON (:mod:`payoff.wrappers.llm.term_templates`), of which
known keys and numbers in bounds are taken, and anything else is refused. unverified: the paper's 90 % of 17 tasks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from payoff.baselines.llm.methods import Outcome, Request, training_option
from payoff.extras import require
from payoff.wrappers.llm.client import ChatClient, ask_readable
from payoff.wrappers.llm.expression import Node, Read, unparse
from payoff.wrappers.llm.propose import MOST_WHY, Candidate, describe, sorted_candidates, task_section
from payoff.wrappers.llm.store import Messages, prompt_hash

__all__ = ["RewardParameters"]

_MOST_LINES = 4000  # characters of a description that are passed on

_DESCRIBE = """You put tasks for reinforcement learning into words and numbers.
Reply with two to six lines of this form, each of which is filled in, and with nothing else:
- WHAT should be HOW, which matters NUMBER, because REASON.
WHAT is one of the entries that are listed, or: the way from ENTRY, ENTRY to ENTRY, ENTRY, with numbers in place of the
last two where they do not move. HOW is one of: close to NUMBER; far from NUMBER; above NUMBER; at most NUMBER; as large
as possible; as small as possible; growing; falling. What matters most matters 10. Numbers are in the units of the
entries."""

_CODE = """You turn lines about a task into the parameters of a reward.
Reply with one JSON object {"terms": [...]} as the schema says, and with nothing else."""

_TERMS = """Each term has a value, and the reward of a step is the sum of weight times value:
- near: exp(-d / width), d the distance of the entries of "of" from the entries or numbers of "to", taken in pairs
- above: 1 where the entry is above the threshold, else 0
- amount: the entry over the scale, cut to [-1, 1]
- rise: what the entry gained in the step over the scale, cut to [-1, 1]
A negative weight turns a term round. Entries are read in the state that was reached."""

_POTENTIAL = """
The reward is a potential, whose difference is paid: it must be larger where the task is nearer to its end, and rise is
not allowed."""


@dataclass(frozen=True)
class RewardParameters:
    """Asks for a description once and for ``candidates`` settings of the terms; needs the extra ``llm``.

    Raises:
        ImportError: the package ``pydantic``, which checks replies, is not installed.
    """

    def __post_init__(self) -> None:
        """Look for the package."""
        require("pydantic", "llm")

    def check(self, request: Request) -> None:
        """Make the first prompt (ValueError)."""
        self._asked(request)

    def run(self, request: Request, client: ChatClient) -> Outcome:
        """See :class:`payoff.baselines.llm.methods.LlmMethod`."""
        from payoff.wrappers.llm.term_templates import read_program

        entries, messages = self._asked(request)

        def read(text: str) -> Node:
            return read_program(text, entries, request.use)

        lines = client.ask(messages).text[:_MOST_LINES]
        first, found = self._code(request, entries, lines), {}
        for i in range(request.candidates):
            tree, asked = ask_readable(client, first, read, tries=request.tries, sample=i)
            text = unparse(tree)
            if text not in found:
                hash_ = prompt_hash(client.by, client.settings, asked, i)
                found[text] = Candidate(text, lines[:MOST_WHY], request.judge(text), client.by, hash_, "parameters")
        best, *others = sorted_candidates(list(found.values()))
        return Outcome((best, *others), training_option(best.text, request) if best.verdict.passed else None)

    def _asked(self, request: Request) -> tuple[dict[str, Read], Messages]:
        """What terms can be of, and the prompt of the descriptor."""
        from payoff.wrappers.llm.term_templates import entries_of

        task = task_section(request.task)
        entries = request.look(entries_of)
        content = "\n\n".join((request.look(describe), _listed(entries), task))
        return entries, [{"role": "system", "content": _DESCRIBE}, {"role": "user", "content": content}]

    def _code(self, request: Request, entries: dict[str, Read], lines: str) -> Messages:
        """The prompt of the coder."""
        from payoff.wrappers.llm.term_templates import schema

        terms = f"{_TERMS} Sums beyond {request.limit:g} in size are cut off."
        parts = (
            f"{terms}{_POTENTIAL if request.use == 'potential' else ''}",
            f"# The schema\n\n{json.dumps(schema(), sort_keys=True)}",
            _listed(entries),
            f"# The lines\n\n{lines}",
        )
        return [{"role": "system", "content": _CODE}, {"role": "user", "content": "\n\n".join(parts)}]


def _listed(entries: dict[str, Read]) -> str:
    return "# Entries\n\n" + "\n".join(f"- {name}" for name in entries)
