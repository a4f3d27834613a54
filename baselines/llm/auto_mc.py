"""Method ``auto_mc``: a designer says the signs of a sparse and a dense reward, a critic objects, an analyst explains.

    payoff llm-reward GridNav-v0 --task "reach the goal" --out results/llm --mutate obs.x --method auto_mc:rounds=3

After Auto MC-Reward (Li et al. 2024, "Auto MC-Reward: Automated Dense Reward Design with Large Language Models for
Minecraft"), of which no code was found; from a description of its abstract and first page. With the two expressions of
the designer, the reward is

(1) sparse_weight sign(sparse) + dense_weight sign(dense)

so that the model says the direction and the harness the size. Before anything is trained a critic, a second prompt,
accepts the two or sends them back with a reason, a few times at most. After the training an analyst, a third prompt,
reads what happened in the worst episodes and names causes, which go into the designer's next prompt.

What differs from the source: (1) is an expression, and is used as a potential unless asked otherwise; memory of earlier
steps is not available to it. Unverified: how often the critic may send a design back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from payoff.baselines.llm.evolution import Evolution, Round, best_of
from payoff.baselines.llm.methods import Request
from payoff.baselines.llm.text2reward import behaviour
from payoff.baselines.llm.watched_play import Episode
from payoff.envs.core.params import check_integer, check_number
from payoff.wrappers.llm.client import ChatClient, UnreadableError, ask_readable
from payoff.wrappers.llm.expression import Apply, Number, unparse
from payoff.wrappers.llm.propose import Proposal, object_of, read_proposals
from payoff.wrappers.llm.store import Messages, prompt_hash
from payoff.wrappers.llm.terms import expressions_of

__all__ = ["AutoMcReward", "read_causes", "read_criticism"]

_PARTS = ("sparse", "dense")
_MOST_CAUSES = 8
_MOST_WORDS = 500  # characters of a cause or a reason
_MOST_EPISODES = 3  # that an analyst is shown

_DESIGNER = """You write rewards for reinforcement learning, as expressions in a small language.
You write two: sparse, which is not 0 where the task is done or failed, and dense, which says whether a state is good or
bad on the way there. Only their signs are used; how much each counts is not yours to say.
Reply with one JSON object of this form and with nothing else:
{"expressions": [{"terms": {"sparse": "an expression", "dense": "an expression"}, "why": "the reason, a sentence"}]}"""
_CRITIC = """You check rewards for reinforcement learning before anybody trains under them.
Reply with one JSON object of this form and with nothing else:
{"accept": true, "why": "the reason in one sentence"}"""
_ANALYST = """You find out why a policy failed, from what happened in its episodes.
Reply with one JSON object of this form, with at most eight causes, and with nothing else:
{"causes": ["a cause in one sentence"]}"""


@dataclass(frozen=True, kw_only=True)
class AutoMcReward(Evolution):
    """See the module.

    Attributes:
        objections: how often the critic may send a design back; 0: it is not asked.
        sparse_weight: of the sign of the sparse expression, above 0.
        dense_weight: of the sign of the dense one, at least 0.

    Raises:
        TypeError: as the base.
        ValueError: as the base, or a number is out of its range.
    """

    method: ClassVar[str] = "auto_mc"

    rounds: int = 3
    objections: int = 2
    sparse_weight: float = 1.0
    dense_weight: float = 0.1

    def __post_init__(self) -> None:
        """Check the fields."""
        Evolution.__post_init__(self)
        check_integer("objections", self.objections, 0, 100)
        check_number("sparse_weight", self.sparse_weight, 0.0, 1000.0, open_low=True)
        check_number("dense_weight", self.dense_weight, 0.0, 1000.0)

    def opening(self, request: Request) -> Messages:
        """The designer's first prompt."""
        return self.asked(request, _DESIGNER)

    def text(self, terms: Mapping[str, str]) -> str:
        """Equation (1)."""
        signs = [Apply("sign", (tree,)) for tree in expressions_of(terms).values()]
        weights = [Number(float(self.sparse_weight)), Number(float(self.dense_weight))]
        sparse, dense = (Apply("*", (weight, sign)) for weight, sign in zip(weights, signs, strict=True))
        return unparse(Apply("+", (sparse, dense)))

    def proposed(self, request: Request, client: ChatClient, messages: Messages, sample: int) -> tuple[Proposal, str]:
        """A design that the critic accepts, or the last one when it may object no more."""
        for left in reversed(range(self.objections + 1)):
            proposal, asked = ask_readable(client, messages, _read_design, tries=request.tries, sample=sample)
            if not left:
                break
            accepted, why = self._criticised(request, client, proposal, sample)
            if accepted:
                break
            messages = [
                *asked,
                {"role": "assistant", "content": _design(proposal)},
                {"role": "user", "content": f"The critic sends it back: {why}\n\nWrite it anew."},
            ]
        return proposal, prompt_hash(client.by, client.settings, asked, sample)

    def noted(self, request: Request, client: ChatClient, rounds: Sequence[Round], now: Round) -> tuple[str, ...]:
        """The causes that the analyst names; none where nothing failed, or it is the end."""
        best = best_of(now.tried)
        if best is None or best.trained is None or now.number == self.rounds:
            return ()
        failed = _failed(best.trained.episodes)
        if not failed:
            return ()
        listed = "\n".join(f"- {episode.words(payoff=True)}" for episode in failed)
        words = (
            f"# The task\n\n{request.task}\n\n# The reward\n\n{best.candidate.text}\n\n# Round {now.number}: episodes "
            f"with the smallest payoffs\n\n{listed}\n\nWhy did they fail?"
        )
        messages = [{"role": "system", "content": _ANALYST}, {"role": "user", "content": words}]
        try:
            return ask_readable(client, messages, read_causes, tries=request.tries)[0]
        except UnreadableError as error:  # it would be read no better another time: the store keeps it
            request.say(f"the analyst of round {now.number} says nothing: {error}")
            return ()

    def feedback(self, request: Request, rounds: Sequence[Round]) -> tuple[str, str]:
        """See :class:`payoff.baselines.llm.evolution.Evolution`."""
        now = rounds[-1]
        best = best_of(now.tried)
        words = [f"Round {now.number} of {self.rounds} is over."]
        if best is None:
            last = now.tried[-1]
            return last.reply, f"{words[0]}\n\nThe design above could not be used: {last.fault}\n\nWrite another."
        words += ["A policy was trained under the design above.", behaviour(best)]
        if now.note:
            words.append("An analyst names these causes of its failures:\n" + "\n".join(f"- {c}" for c in now.note))
        words.append("Change the design so that the task is done more often and better.")
        return best.reply, "\n\n".join(words)

    def _criticised(self, request: Request, client: ChatClient, proposal: Proposal, sample: int) -> tuple[bool, str]:
        """Whether the critic accepts a design, and why."""
        (_, opening) = self.opening(request)
        words = (
            f"{opening['content']}\n\n# The design\n\n{_design(proposal)}\n\n# What to check\n\nIs each expression of "
            "the language, is everything there that it reads, does it mean what its author says, do the two agree with "
            "each other, and do they lead to the task?"
        )
        messages = [{"role": "system", "content": _CRITIC}, {"role": "user", "content": words}]
        return ask_readable(client, messages, read_criticism, tries=request.tries, sample=sample)[0]


def read_criticism(text: str) -> tuple[bool, str]:
    """Whether a critic accepts, and the reason, cut to 500 characters.

    Raises:
        ValueError: the reply is not of the form; says why in one line.
    """
    found = object_of(text, "accept")
    if found.keys() - {"accept", "why"} or not isinstance(found["accept"], bool):
        raise ValueError("the object must have accept, which is true or false, and why")
    if not isinstance(found.get("why", ""), str):
        raise ValueError("why must be a text")
    return found["accept"], str(found.get("why", ""))[:_MOST_WORDS]


def read_causes(text: str) -> tuple[str, ...]:
    """The causes that an analyst names, each cut to 500 characters.

    Raises:
        ValueError: the reply is not of the form; says why in one line.
    """
    found = object_of(text, "causes")
    causes = found["causes"]
    if len(found) > 1 or not isinstance(causes, list) or not all(isinstance(cause, str) for cause in causes):
        raise ValueError("the object must have causes, a list of texts, and nothing else")
    if len(causes) > _MOST_CAUSES:
        raise ValueError(f"causes must be at most {_MOST_CAUSES}, got {len(causes)}")
    return tuple(cause[:_MOST_WORDS] for cause in causes)


def _read_design(text: str) -> Proposal:
    (proposal,) = read_proposals(text, 1, terms=True)
    terms = dict(proposal.terms)
    if sorted(terms) != sorted(_PARTS):
        raise ValueError(f"terms must be {' and '.join(_PARTS)}, got {', '.join(terms)}")
    return Proposal(proposal.text, proposal.why, tuple((name, terms[name]) for name in _PARTS))


def _design(proposal: Proposal) -> str:
    return json.dumps({"expressions": [{"terms": dict(proposal.terms), "why": proposal.why}]})


def _failed(episodes: Sequence[Episode]) -> list[Episode]:
    """The episodes without a payoff above 0, those with the smallest first; a few."""
    failed = [episode for episode in episodes if episode.payoff <= 0]
    return sorted(failed, key=lambda episode: episode.payoff)[:_MOST_EPISODES]
