"""A language model proposes expressions, and each is judged before anything is made of it.

The prompt holds what the package knows about the environment, the task in the user's words, and the language of
:mod:`payoff.wrappers.llm.expression`. The reply is one JSON object of this form, and nothing else is read of it::

    {"expressions": [{"text": "1 - abs(obs.x - 0.9)", "why": "nearer to the goal is better"}]}

Each ``text`` goes to the parser of expressions and nowhere else, so whatever a reply says, it can give numbers or be
refused. ``why`` is shown to the user and never read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from payoff.envs.core.arrays import shown
from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.files import json_object_at
from payoff.wrappers.adapters.wrapping import kind_of
from payoff.wrappers.arguments import check_text
from payoff.wrappers.llm import expression
from payoff.wrappers.llm.client import ChatClient, NoReplyError
from payoff.wrappers.llm.entries import observation_names
from payoff.wrappers.llm.expression_reward import LIMIT
from payoff.wrappers.llm.store import Messages, prompt_hash
from payoff.wrappers.llm.verdict import USES, Use, Verdict

__all__ = [
    "MOST_CANDIDATES",
    "Candidate",
    "Proposal",
    "ask",
    "describe",
    "first_object",
    "language_section",
    "prompt",
    "propose",
    "read_proposals",
    "sorted_candidates",
    "task_section",
]

Found = TypeVar("Found")

MOST_CANDIDATES = 32
_MOST_TASK = 4000  # characters of the task
_MOST_WHY = 500  # characters that are kept of a reason
_MOST_DOC = 20_000  # characters of a game's documentation
_MOST_ENTRIES = 200  # entries of an observation that are listed
_MOST_REPEATED = 2000  # characters of a bad reply that the model is shown again
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
        text: the expression; nobody has parsed it yet.
        why: the reason that was given, cut to 500 characters.
    """

    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A proposal and what is known of it.

    Attributes:
        text: the expression, as proposed.
        why: the reason that was given.
        verdict: what was found.
        by: who proposed it: the name of a model, or ``scripted``.
        hash: of the prompt that it is an answer to; see :func:`payoff.wrappers.llm.store.prompt_hash`.
    """

    text: str
    why: str
    verdict: Verdict
    by: str
    hash: str

    def as_dict(self) -> dict[str, Any]:
        """JSON values: the fields."""
        return {
            "text": self.text,
            "why": self.why,
            "verdict": self.verdict.as_dict(),
            "by": self.by,
            "hash": self.hash,
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
    lines += ["", "# What an expression can read", "", *_observation(env), f"- action: {env.single_action_space}"]
    lines += [*_info(env), "- terminated: 1 on a step that ends the episode for good, else 0"]
    if steps:
        lines += ["", f"An episode has at most {steps} steps."]
    return "\n".join(lines)


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
    parts = (
        description,
        language_section(limit),
        task,
        f"# What to write\n\n{count} expression{'s' * (count > 1)}, as different from each other as the task allows. "
        f"{_USES[use]}",
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


def read_proposals(text: str, most: int = MOST_CANDIDATES, name: str = "expressions") -> tuple[Proposal, ...]:
    """The expressions in a reply, each once; what stands around the JSON object is not read.

    Args:
        text: the reply.
        most: expressions that are taken; a reply with more is refused.
        name: of the list.

    Raises:
        ValueError: the reply is not of the form in the module's docstring; says why in one line.
    """
    found = first_object(text, name)
    listed = found[name]
    if len(found) > 1:
        raise ValueError(f"the object has other names than {name}")
    if not isinstance(listed, list) or not 1 <= len(listed) <= most:
        count = len(listed) if isinstance(listed, list) else "none"
        raise ValueError(f"{name} must be a list of 1 to {most} objects, got {count}")
    proposals: dict[str, Proposal] = {}
    for number, item in enumerate(listed):
        if not isinstance(item, dict) or not item.keys() <= {"text", "why"} or not isinstance(item.get("text"), str):
            raise ValueError(f"{name}[{number}] must be an object with text and why")
        if not isinstance(item.get("why", ""), str):
            raise ValueError(f"{name}[{number}]: why must be a text")
        if len(item["text"]) > expression.MOST_LETTERS:
            raise ValueError(f"{name}[{number}]: text has more than {expression.MOST_LETTERS} characters")
        proposals.setdefault(item["text"], Proposal(item["text"], item.get("why", "")[:_MOST_WHY]))
    return tuple(proposals.values())


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
    proposals, messages = ask(client, messages, lambda text: read_proposals(text, most), tries)
    asked = prompt_hash(client.by, client.settings, messages)
    return sorted_candidates([Candidate(p.text, p.why, judge(p.text), client.by, asked) for p in proposals])


def ask(
    client: ChatClient, messages: Messages, read: Callable[[str], Found], tries: int, *, sample: int = 0
) -> tuple[Found, Messages]:
    """Ask until a reply can be read; one that cannot be is answered with the reason.

    Args:
        client: whom to ask.
        messages: the prompt.
        read: text of a reply -> what is read of it; ValueError, in one line, where it cannot be read.
        tries: replies that are read, at least 1.
        sample: number of the reply, where the same is asked several times.

    Returns:
        What was read, and the messages that it is an answer to.

    Raises:
        NoReplyError: no reply came, or none could be read.
        ValueError: ``tries`` is out of its range.
    """
    check_integer("tries", tries, 1, 100)
    left = tries
    while True:
        reply = client.ask(messages, sample=sample).text
        left -= 1
        try:
            return read(reply), messages
        except ValueError as error:
            if not left:
                raise NoReplyError(f"none of {tries} replies could be read; of the last, {error}") from error
            messages = [
                *messages,
                {"role": "assistant", "content": reply[:_MOST_REPEATED]},
                {"role": "user", "content": f"This cannot be read: {error}. Reply with the JSON object alone."},
            ]


def first_object(text: str, name: str) -> dict[str, Any]:
    """The first JSON object of a reply that begins with this name; what stands around it is not read.

    Raises:
        ValueError: there is none; says why in one line.
    """
    begin = re.search(rf'\{{\s{{0,100}}"{name}"', text)
    if begin is None:
        raise ValueError(f'there is no JSON object that begins with {{"{name}"')
    return json_object_at(text, begin.start())


def sorted_candidates(found: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Those that met every demand first, then those that can be used, each in the order that they had."""
    return tuple(sorted(found, key=lambda candidate: (not candidate.verdict.passed, not candidate.verdict.usable)))


def _documentation(doc: str) -> str:
    """A game's page without the sections that are not told."""
    first, *sections = re.split(r"^## ", doc.strip(), flags=re.MULTILINE)
    told = [first.strip(), *(f"## {s.strip()}" for s in sections if s.partition("\n")[0].strip() not in _NOT_TOLD)]
    return "\n\n".join(told)[:_MOST_DOC]


def _observation(env: Any) -> list[str]:
    """A line for each number of an observation, with its name and its bounds."""
    space, names = env.single_observation_space, observation_names(env)
    if not hasattr(space, "low"):
        return [f"- obs: {space}"]
    sides = np.ravel(space.low), np.ravel(space.high)
    lines = []
    for i, (low, high) in enumerate(zip(*(side[:_MOST_ENTRIES].tolist() for side in sides), strict=True)):
        name = f", also obs.{names[i]}" if names else ""
        lines.append(f"- obs[{i}]{name}: {low:.6g} to {high:.6g}")
    rest = len(sides[0]) - len(lines)
    return [*lines, *([f"- and {rest} more, to obs[{len(sides[0]) - 1}]"] if rest else [])]


def _info(env: Any) -> list[str]:
    """A line for each entry of ``info`` that is numbers; Gymnasium's masks, which begin with _, are none."""
    _, info = env.reset(seed=0)
    lines = []
    for name, value in info.items():
        array = np.asarray(value)
        if name.startswith("_") or array.dtype.kind not in "biuf":
            continue
        shape = array.shape[1:]
        lines.append(f"- info.{name}: " + ("a number" if not shape else f"numbers, in an array of shape {shape}"))
    return lines
