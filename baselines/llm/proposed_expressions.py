"""Method ``expressions`` of ``payoff llm-reward``: one prompt, and the first reply that meets every demand."""

from __future__ import annotations

from dataclasses import dataclass

from payoff.baselines.llm.methods import Outcome, Request, training_option
from payoff.wrappers.llm.client import ChatClient
from payoff.wrappers.llm.propose import describe, prompt, propose
from payoff.wrappers.llm.store import Messages

__all__ = ["Expressions"]


@dataclass(frozen=True)
class Expressions:
    """Asks once; it has no settings of its own."""

    def check(self, request: Request) -> None:
        """Make the prompt (ValueError)."""
        self._messages(request)

    def run(self, request: Request, client: ChatClient) -> Outcome:
        """See :class:`payoff.baselines.llm.methods.LlmMethod`."""
        messages = self._messages(request)
        found = propose(client, messages, request.judge, most=request.candidates, tries=request.tries)
        best = found[0]
        return Outcome(found, training_option(best.text, request) if best.verdict.passed else None)

    def _messages(self, request: Request) -> Messages:
        return prompt(
            request.look(describe), request.task, use=request.use, count=request.candidates, limit=request.limit
        )
