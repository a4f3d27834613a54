"""A language model proposes expressions, and each is judged before anything is made of it.

The prompt holds what the package knows about the environment, the task in the user's words, and the language of
:mod:`payoff.wrappers.llm.expression`. The reply is one JSON object of this form, and nothing else is read of it::

    {"expressions": [{"text": "1 - abs(obs.x - 0.9)", "why": "nearer to the goal is better"}]}

Each ``text`` goes to the parser of expressions, or to that of functions where it is one, and nowhere else, so whatever
a reply says, it can give numbers or be refused. ``why`` is shown to the user and never read. Methods that look at the
parts of a reward one by one ask for ``"terms": {"name": "expression"}`` in place of ``text``; see
:mod:`payoff.wrappers.llm.terms`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.envs.core.arrays import shown
from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.files import json_object_at
from payoff.wrappers.adapters.wrapping import kind_of
from payoff.wrappers.arguments import check_text
from payoff.wrappers.llm import expression
from payoff.wrappers.llm.client import ChatClient, ask_readable
from payoff.wrappers.llm.entries import observation_names
from payoff.wrappers.llm.expression_reward import LIMIT
from payoff.wrappers.llm.store import Messages, prompt_hash
from payoff.wrappers.llm.verdict import USES, Use, Verdict

__all__ = [
    "MOST_CANDIDATES",
    "MOST_TERMS",
    "MOST_WHY",
    "Candidate",
    "Proposal",
    "describe",
    "language_section",
    "object_of",
    "prompt",
    "propose",
    "read_proposals",
    "readable",
    "sorted_candidates",
    "task_section",
]

MOST_CANDIDATES = 32
MOST_TERMS = 16  # of one proposal
_TERM = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")  # name of a term
_MOST_TASK = 4000  # characters of the task
MOST_WHY = 500  # characters that are kept of a reason
_MOST_DOC = 20_000  # characters of a game's documentation
_MOST_ENTRIES = 200  # entries of an observation that are listed
_NOT_TOLD = ("Theory", "Version history")  # sections: what is best here is for the model to find out

_SYSTEM = """You write rewards for reinforcement learning, as expressions in a small language.
Reply with one JSON object of this form and with nothing else:
{"expressions": [{"text": "the expression", "why": "the reason in one sentence"}]}"""

_USES = {
    "potential": "Each is a potential Phi: the learner's reward gets gamma Phi(s') - Phi(s) added. It is a function of "
    "the state that was reached, so it reads obs and info alone, and is larger where the task is nearer to its end.",
    "reward": "Each is the reward of a step and takes the place of the environment's own.",
    "added": "Each is a bonus that is added to the environment's reward at every step.",
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """An expression as it stands in a reply.

    Attributes:
        text: the expression; nobody has parsed it yet. Of named terms, their texts in brackets with + between them.
        why: the reason that was given, cut to 500 characters.
        terms: name and text of each, where terms were asked for.
    """

    text: str
    why: str
    terms: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A proposal and what is known of it.

    Attributes:
        text: the expression, as proposed.
        why: the reason that was given.
        verdict: what was found.
        by: who proposed it: the name of a model, or ``scripted``.
        hash: of the prompt that it is an answer to; see :func:`payoff.wrappers.llm.store.prompt_hash`.
        method: how it was asked for, a name of :data:`payoff.baselines.llm.methods.METHODS`.
        round: number of the round in which it was asked for, from 1; 0 where there is only one.
        payoff: of an episode of a learner that was trained under it, mean; None where none was.
    """

    text: str
    why: str
    verdict: Verdict
    by: str
    hash: str
    method: str = "expressions"
    round: int = 0
    payoff: float | None = None

    @property
    def passed(self) -> bool:
        """Whether no demand failed."""
        return self.verdict.passed

    @property
    def found(self) -> str:
        """Which demands failed, in a line."""
        failed = [f"{finding.name}: {finding.words}" for finding in self.verdict.findings if finding.passed is False]
        return "; ".join(failed) or "all demands met"

    def as_dict(self) -> dict[str, Any]:
        """JSON values: the fields."""
        return {
            "text": self.text,
            "why": self.why,
            "verdict": self.verdict.as_dict(),
            "by": self.by,
            "hash": self.hash,
            "method": self.method,
            "round": self.round,
            "payoff": self.payoff,
        }


def describe(env: Any) -> str:
    """What a model is told about an environment: its documentation, and all that an expression can read.

    Of the documentation of a game, what is known of its best play is left out. Of an environment of others there is
    the id and what can be read.

    Args:
        env: a Gymnasium ``VectorEnv`` with full infos; it is reset with seed 0, and left open.

    Raises:
        TypeError: ``env`` is no VectorEnv.
    """
    if kind_of(env) != "vector":
        raise TypeError(f"env must be a gymnasium VectorEnv, got {type(env).__name__}")
    game = getattr(getattr(env.unwrapped, "engine", None), "game", None)
    steps = getattr(env.spec, "max_episode_steps", None)
    lines = [f"# Environment {env.spec.id if env.spec else type(env.unwrapped).__name__}"]
    if game is not None:
        lines += ["", _documentation(game.doc)]
        own = (
            {name: value for name, value in env.spec.kwargs.items() if name in game.params.names()} if env.spec else {}
        )
        if own:
            lines += ["", "Here: " + ", ".join(f"{name}={shown(value)}" for name, value in own.items())]
    lines += ["", "# What an expression can read", "", *(f"- {line}" for line in readable(env))]
    if steps:
        lines += ["", f"An episode has at most {steps} steps."]
    return "\n".join(lines)


def readable(env: Any) -> list[str]:
    """What an expression can read in an environment: a line for each entry, its name, ``:``, and its bounds or form.

    Args:
        env: a Gymnasium ``VectorEnv`` with full infos; it is reset with seed 0, and left open.
    """
    last = "terminated: 1 on a step that ends the episode for good, else 0"
    return [*_observation(env), f"action: {env.single_action_space}", *_info(env), last]


def prompt(description: str, task: str, *, use: Use = "potential", count: int = 4, limit: float = LIMIT) -> Messages:
    """The messages that ask for expressions.

    Args:
        description: of the environment; see :func:`describe`.
        task: what the learner should do, in a sentence.
        use: what the expressions are for.
        count: expressions that are asked for, 1 to ``MOST_CANDIDATES``.
        limit: size to which values are cut, above 0.

    Raises:
        TypeError: a text is none.
        ValueError: the task is empty or has more than 4,000 characters, or another argument is out of its range.
    """
    check_text("description", description)
    task = task_section(task)
    check_word("use", use, USES)
    check_integer("count", count, 1, MOST_CANDIDATES)
    many = f"{count} expressions, as different from each other as the task allows." if count > 1 else "One expression."
    parts = (
        description,
        language_section(limit),
        task,
        f"# What to write\n\n{many} {_USES[use]}",
    )
    return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": "\n\n".join(parts)}]


def language_section(limit: float) -> str:
    """The part of a prompt that says how expressions are written; ValueError where ``limit`` is not above 0."""
    check_number("limit", limit, 0.0, open_low=True)
    language = (expression.__doc__ or "").strip()
    return (
        f"# The language\n\n{language}\n\n"
        f"A text has at most {expression.MOST_LETTERS} characters and {expression.MOST_NODES} parts. Values beyond "
        f"{limit:g} in size are cut off."
    )


def task_section(task: str) -> str:
    """The part of a prompt that says what the learner should do.

    Raises:
        TypeError: ``task`` is no text.
        ValueError: it is empty or has more than 4,000 characters.
    """
    check_text("task", task)
    if not 0 < len(task.strip()) <= len(task) <= _MOST_TASK:
        raise ValueError(f"task must be a sentence of at most {_MOST_TASK} characters, got {len(task)}")
    return f"# The task\n\n{task.strip()}"


def read_proposals(
    text: str, most: int = MOST_CANDIDATES, *, terms: bool = False, name: str = "expressions"
) -> tuple[Proposal, ...]:
    """The expressions in a reply, each once; what stands around the JSON object is not read.

    Args:
        text: the reply.
        most: expressions that are taken; a reply with more is refused.
        terms: each has ``terms`` in place of ``text``.
        name: of the list.

    Raises:
        ValueError: the reply is not of the form in the module's docstring; says why in one line.
    """
    found = object_of(text, name)
    listed = found[name]
    if len(found) > 1:
        raise ValueError(f"the object has other names than {name}")
    if not isinstance(listed, list) or not 1 <= len(listed) <= most:
        count = len(listed) if isinstance(listed, list) else "none"
        raise ValueError(f"{name} must be a list of 1 to {most} objects, got {count}")
    proposals: dict[str, Proposal] = {}
    for number, item in enumerate(listed):
        proposal = (_of_terms if terms else _of_text)(f"{name}[{number}]", item)
        proposals.setdefault(proposal.text, proposal)
    return tuple(proposals.values())


def object_of(text: str, name: str) -> dict[str, Any]:
    """The first JSON object of a reply that begins with this name; what stands around it is not read.

    Raises:
        ValueError: there is none, or it is damaged; says why in one line.
    """
    begin = re.search(rf'\{{\s{{0,100}}"{name}"', text)
    if begin is None:
        raise ValueError(f'there is no JSON object that begins with {{"{name}"')
    return json_object_at(text, begin.start())


def propose(
    client: ChatClient,
    messages: Messages,
    judge: Callable[[str], Verdict],
    *,
    most: int = MOST_CANDIDATES,
    tries: int = 3,
) -> tuple[Candidate, ...]:
    """Ask for expressions and judge each; those that met every demand come first, in the order of the reply.

    A reply that cannot be read is answered with the reason, and the model may try again.

    Args:
        client: whom to ask.
        messages: of :func:`prompt`.
        judge: text -> verdict, such as :func:`payoff.wrappers.check_expression` on an environment.
        most: expressions of a reply, 1 to ``MOST_CANDIDATES``.
        tries: replies that are read, at least 1.

    Raises:
        NoReplyError: no reply came, or none could be read.
        ValueError: a number is out of its range.
    """
    check_integer("most", most, 1, MOST_CANDIDATES)
    proposals, messages = ask_readable(client, messages, lambda reply: read_proposals(reply, most), tries=tries)
    asked = prompt_hash(client.by, client.settings, messages)
    return sorted_candidates([Candidate(p.text, p.why, judge(p.text), client.by, asked) for p in proposals])


def sorted_candidates(found: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Those that met every demand first, then those that can be used, each in the order that they had."""
    return tuple(sorted(found, key=lambda candidate: (not candidate.verdict.passed, not candidate.verdict.usable)))


def _documentation(doc: str) -> str:
    """A game's page without the sections that are not told."""
    first, *sections = re.split(r"^## ", doc.strip(), flags=re.MULTILINE)
    told = [first.strip(), *(f"## {s.strip()}" for s in sections if s.partition("\n")[0].strip() not in _NOT_TOLD)]
    return "\n\n".join(told)[:_MOST_DOC]


def _of_text(name: str, item: Any) -> Proposal:
    """A proposal that is one text."""
    if not isinstance(item, dict) or not item.keys() <= {"text", "why"} or not isinstance(item.get("text"), str):
        raise ValueError(f"{name} must be an object with text and why")
    return Proposal(_checked(name, "text", item["text"]), _why(name, item))


def _of_terms(name: str, item: Any) -> Proposal:
    """A proposal that is named terms."""
    if not isinstance(item, dict) or not item.keys() <= {"terms", "why"} or not isinstance(item.get("terms"), dict):
        raise ValueError(f"{name} must be an object with terms and why")
    terms = item["terms"]
    if not 1 <= len(terms) <= MOST_TERMS:
        raise ValueError(f"{name}: terms must be 1 to {MOST_TERMS} names with an expression each, got {len(terms)}")
    for term, text in terms.items():
        if _TERM.fullmatch(term) is None:
            raise ValueError(f"{name}: a term must be named by a word of at most 40 characters, got {shown(term)}")
        if not isinstance(text, str):
            raise ValueError(f"{name}: term {term} must be a text")
    text = " + ".join(f"({text})" for text in terms.values())
    return Proposal(_checked(name, "terms", text), _why(name, item), tuple(terms.items()))


def _checked(name: str, what: str, text: str) -> str:
    if len(text) > expression.MOST_LETTERS:
        raise ValueError(f"{name}: {what} has more than {expression.MOST_LETTERS} characters")
    return text


def _why(name: str, item: dict[str, Any]) -> str:
    if not isinstance(item.get("why", ""), str):
        raise ValueError(f"{name}: why must be a text")
    why: str = item.get("why", "")
    return why[:MOST_WHY]


def _observation(env: Any) -> list[str]:
    """A line for each number of an observation, with its name and its bounds."""
    space, names = env.single_observation_space, observation_names(env)
    if not hasattr(space, "low"):
        return [f"obs: {space}"]
    sides = np.ravel(space.low), np.ravel(space.high)
    lines = []
    for i, (low, high) in enumerate(zip(*(side[:_MOST_ENTRIES].tolist() for side in sides), strict=True)):
        name = f", also obs.{names[i]}" if names else ""
        lines.append(f"obs[{i}]{name}: {low:.6g} to {high:.6g}")
    rest = len(sides[0]) - len(lines)
    return [*lines, *([f"and {rest} more, to obs[{len(sides[0]) - 1}]"] if rest else [])]


def _info(env: Any) -> list[str]:
    """A line for each entry of ``info`` that is numbers; Gymnasium's masks, which begin with _, are none."""
    _, info = env.reset(seed=0)
    lines = []
    for name, value in info.items():
        array = np.asarray(value)
        if name.startswith("_") or array.dtype.kind not in "biuf":
            continue
        shape = array.shape[1:]
        lines.append(f"info.{name}: " + ("a number" if not shape else f"numbers, in an array of shape {shape}"))
    return lines
