"""Ways from a task to a reward by asking a language model, by their specification.

The grammar is that of :mod:`payoff.envs.core.specification`: a name of :data:`METHODS` or ``package.module:Name``, with
settings after a colon. A method is an object with

- ``check(request)``, quick: raise ValueError where it cannot do that; nobody has been asked yet;
- ``run(request, client)``, slow: asks, judges what is replied, and says how to train with the best of it.

Whatever a method asks goes through the client that it is given, which keeps it; a run that is made again from what was
kept gives the same outcome.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from gymnasium.vector import VectorEnv

from payoff.baselines.environments import make_vector
from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.envs.core.specification import build, imported, parse, unknown_name, value_of
from payoff.wrappers import Verdict
from payoff.wrappers.arguments import check_text
from payoff.wrappers.llm import reward_text
from payoff.wrappers.llm.client import ChatClient
from payoff.wrappers.llm.expression_reward import LIMIT
from payoff.wrappers.llm.function import Function
from payoff.wrappers.llm.propose import MOST_CANDIDATES
from payoff.wrappers.llm.verdict import USES, Use

__all__ = [
    "METHODS",
    "Judged",
    "LlmMethod",
    "Outcome",
    "Request",
    "limit_setting",
    "llm_method",
    "plain",
    "training_option",
]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for.

    Attributes:
        env_id: environment, with its namespace.
        task: what the learner should do, in a sentence.
        judge: text -> verdict of an expression in this environment, for ``use`` and ``limit``.
        out: folder of the results; a method that takes long keeps there what it needs to go on.
        keywords: game parameters and view settings.
        use: what the reward is for.
        candidates: proposals to ask for at a time, 1 to ``MOST_CANDIDATES``.
        tries: replies that are read, where one cannot be understood, at least 1.
        limit: size to which values are cut, above 0.
        gamma: discount of whoever trains, in (0, 1).
        steps: of random play along which something is tried.
        seed: of everything that is random.
        say: is told in a line what is going on.

    Raises:
        TypeError: ``task`` is no text.
        ValueError: another field is out of its range.
    """

    env_id: str
    task: str
    judge: Callable[[str], Verdict]
    out: Path
    keywords: Mapping[str, Any]
    use: Use = "potential"
    candidates: int = 4
    tries: int = 3
    limit: float = LIMIT
    gamma: float = 0.99
    steps: int = 2000
    seed: int = 0
    say: Callable[[str], None] = lambda line: None

    def __post_init__(self) -> None:
        """Check the fields."""
        check_text("task", self.task)
        check_word("use", self.use, USES)
        check_integer("candidates", self.candidates, 1, MOST_CANDIDATES)
        check_integer("tries", self.tries, 1, 100)
        check_number("limit", self.limit, 0.0, open_low=True)
        check_number("gamma", self.gamma, 0.0, 1.0, open_low=True, open_high=True)
        check_integer("steps", self.steps, 1, 10_000_000)
        check_integer("seed", self.seed, 0)

    def make(self, num_envs: int) -> VectorEnv:
        """The environment as single-agent trainers see it, all copies unwrapped, with full infos."""
        return make_vector(self.env_id, num_envs, {"info": "full", **self.keywords})

    def look(self, say: Callable[[VectorEnv], T]) -> T:
        """What a function says of the environment: of one copy, which is closed afterwards."""
        env = self.make(1)
        try:
            return say(env)
        finally:
            env.close()


class Judged(Protocol):
    """Something that was proposed, with what was found."""

    @property
    def text(self) -> str:
        """What was proposed."""

    @property
    def passed(self) -> bool:
        """Whether it met every demand."""

    @property
    def found(self) -> str:
        """What was found, in a line."""

    @property
    def payoff(self) -> float | None:
        """Of an episode of a learner that was trained under it, mean; None where none was."""

    def as_dict(self) -> dict[str, Any]:
        """JSON values: all that is known of it."""


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        candidates: all that was proposed, the best first.
        option: of ``payoff train``, by name and value, such as ``("--shaping", "potential:expression=obs.x")``; None
            where nothing met every demand.
        kind: what the candidates are, in a word.
    """

    candidates: tuple[Judged, ...]
    option: tuple[str, str] | None
    kind: str = "expression"


@runtime_checkable
class LlmMethod(Protocol):
    """A way to ask."""

    def check(self, request: Request) -> None:
        """Raise ValueError where that cannot be asked for; takes a moment at most."""
        ...

    def run(self, request: Request, client: ChatClient) -> Outcome:
        """Ask, judge, and choose.

        Raises:
            NoReplyError: no reply came, or none could be read.
        """
        ...


# name -> the class, module:Name of this package, which is imported when it is asked for
METHODS: dict[str, str] = {
    "expressions": "proposed_expressions:Expressions",
    "eureka": "eureka:Eureka",
    "icpl": "icpl:Icpl",
    "text2reward": "text2reward:Text2Reward",
    "auto_mc": "auto_mc:AutoMcReward",
    "lare": "latent_factors:LatentFactors",
    "parameters": "reward_parameters:RewardParameters",
    "calm": "judged_subgoals:Subgoals",
}


def llm_method(specification: str) -> LlmMethod:
    """The method of a specification.

    Raises:
        ValueError: an unknown name, or a value that is not allowed.
        TypeError: a key that it does not take.
    """
    parsed = parse(specification, "method", METHODS)
    if parsed.outside:
        found: LlmMethod = imported(parsed, _asks, "a method that asks a language model")
        return found
    if parsed.name not in METHODS:
        raise unknown_name("method", parsed.name, METHODS)
    module, _, name = METHODS[parsed.name].partition(":")
    made: LlmMethod = build(getattr(importlib.import_module(f"payoff.baselines.llm.{module}"), name), parsed)
    return made


def training_option(text: str, request: Request) -> tuple[str, str]:
    """How ``payoff train`` is told to use a text, which has passed the parser; see :class:`Outcome`."""
    line = plain(text)
    if "\n" in line:  # JSON escapes the ends of lines
        line = json.dumps(line)
    if isinstance(value_of(line), int | float):
        line = f"({line})"  # an option would take it for a number
    limit = limit_setting(request)
    if request.use == "potential":
        return "--shaping", f"potential:expression={line}{limit}"
    added = ",added=true" if request.use == "added" else ""
    return "--reward-learner", f"expression:text={line}{added}{limit}"


def plain(text: str) -> str:
    """A text that has passed the parser, without quotes: a function in its only form, an expression in one line."""
    program = reward_text.parse(text)
    if isinstance(program, Function):
        return reward_text.unparse(program)
    return " ".join(text.split())  # to an expression, an end of a line is a blank


def limit_setting(request: Request) -> str:
    """The setting ``,limit=`` of a specification, in as many digits as it takes; empty where it is the usual one."""
    return "" if request.limit == LIMIT else f",limit={float(request.limit)!r}".removesuffix(".0")


def _asks(thing: Any) -> bool:
    return isinstance(thing, LlmMethod) and not isinstance(thing, type)
