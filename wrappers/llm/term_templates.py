"""A reward by its parameters: a few named terms with numbers in bounds, which a language model fills in as JSON.

    {"terms": [{"term": "near", "weight": 1, "of": ["own_x", "own_y"], "to": ["ball_x", "ball_y"], "width": 0.2}]}

This leaves a model the least room: it writes no formula, and chooses terms, entries of the observation, and numbers.
The reward is the sum of weight times term, where z is what ``of`` reads:

- ``near``: exp(-d / width), d the distance between the entries of ``of`` and those, or the numbers, of ``to``;
- ``above``: 1 where z > threshold, else 0;
- ``amount``: z / scale, cut to [-1, 1];
- ``rise``: (z after the step - z before it) / scale, cut to [-1, 1]; not in a potential, which does that by itself.

A negative weight turns a term round: far from, at most, little of, a fall. Entries are read in the state that was
reached. Each term becomes an expression tree, and the sum of them is an expression like any other
(:mod:`payoff.wrappers.llm.expression`), so how it is judged, used and kept is that of expressions.

Source: Language to Rewards (Yu et al., 2023), in which the numbers of a reward that a person built are the interface,
and the host takes keys that it knows. The terms are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from payoff.envs.core.arrays import shown
from payoff.envs.core.params import check_word
from payoff.envs.core.specification import near
from payoff.wrappers.arguments import check_text
from payoff.wrappers.llm.entries import observation_names
from payoff.wrappers.llm.expression import Apply, Node, Number, Read
from payoff.wrappers.llm.propose import object_of
from payoff.wrappers.llm.verdict import USES, Use

__all__ = [
    "MOST_FILLED",
    "Above",
    "Amount",
    "Near",
    "Program",
    "Rise",
    "entries_of",
    "expression_of",
    "read_program",
    "schema",
]

MOST_FILLED = 12  # terms of a reply
_MOST_INFO = 16  # numbers of an entry of info that are offered

Weight = Annotated[float, Field(ge=-10, le=10)]
Size = Annotated[float, Field(ge=1e-3, le=1e6)]
Value = Annotated[float, Field(ge=-1e6, le=1e6)]
Entry = Annotated[str, Field(min_length=1, max_length=100)]


class _Term(BaseModel):
    """What all terms share: no key but those that are listed, no text or bool for a number, and no NaN or infinity."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)
    weight: Weight


class Near(_Term):
    """exp(-d / width), d the Euclidean distance between ``of`` and ``to``, in the units of the entries."""

    term: Literal["near"]
    of: list[Entry] = Field(min_length=1, max_length=3)
    to: list[Value | Entry] = Field(min_length=1, max_length=3)
    width: Size


class Above(_Term):
    """1 where the entry is above the threshold, else 0."""

    term: Literal["above"]
    of: Entry
    threshold: Value


class Amount(_Term):
    """The entry over the scale, cut to [-1, 1]."""

    term: Literal["amount"]
    of: Entry
    scale: Size


class Rise(_Term):
    """What the entry of the observation gained in the step, over the scale, cut to [-1, 1]."""

    term: Literal["rise"]
    of: Entry
    scale: Size


class Program(BaseModel):
    """All terms of a reward."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)
    terms: list[Annotated[Near | Above | Amount | Rise, Field(discriminator="term")]] = Field(
        min_length=1, max_length=MOST_FILLED
    )


def schema() -> dict[str, Any]:
    """The JSON schema of a :class:`Program`."""
    return Program.model_json_schema()


def entries_of(env: Any) -> dict[str, Read]:
    """What terms can be of in an environment: name -> the number of a state.

    Args:
        env: a Gymnasium ``VectorEnv`` with full infos and flat observations; it is reset with seed 0, and left open.

    Returns:
        The entries of the observation by their names, ``obs[i]`` where nobody gave any, and the numbers of ``info``,
        as ``info.progress`` or ``info.touched[0]``.
    """
    names = observation_names(env)
    count = int(np.prod(env.single_observation_space.shape or ()))
    found = {  # those with brackets in their names are written by their places
        name: Read("obs", name) if name.isidentifier() else Read("obs", place=(i,)) for i, name in enumerate(names)
    }
    found = found or {f"obs[{i}]": Read("obs", place=(i,)) for i in range(count)}
    _, info = env.reset(seed=0)
    for name, value in info.items():
        array = np.asarray(value)
        size = int(np.prod(array.shape[1:]))
        if name.startswith("_") or array.dtype.kind not in "biuf" or not name.isidentifier() or size > _MOST_INFO:
            continue
        if size == 1:
            found[f"info.{name}"] = Read("info", name)
        else:
            found |= {f"info.{name}[{i}]": Read("info", name, (i,)) for i in range(size)}
    return found


def read_program(text: str, entries: Mapping[str, Read], use: Use) -> Node:
    """The reward in a reply of a model; what stands around the JSON object is not read.

    Args:
        text: the reply.
        entries: what terms can be of; see :func:`entries_of`.
        use: what the reward is for.

    Raises:
        TypeError: ``text`` is no text.
        ValueError: the reply is not of the form of :class:`Program`, or :func:`expression_of` refuses it; names the
            term and its parameter, in one line.
    """
    check_text("text", text)
    try:
        program = Program.model_validate(object_of(text, "terms"))
    except ValidationError as error:
        raise ValueError(_told(error)) from None
    return expression_of(program, entries, use)


def expression_of(program: Program, entries: Mapping[str, Read], use: Use) -> Node:
    """The sum of weight times term, as a tree.

    Args:
        program: the terms.
        entries: what they can be of.
        use: ``"potential"`` reads the state alone; the others a step, of which ``next_obs`` is the state reached.

    Raises:
        ValueError: an entry that there is not, a term that stands there twice or that the use does not allow, or ``of``
            and ``to`` of different lengths; names the term and its parameter.
    """
    check_word("use", use, USES)
    parts: list[Node] = []
    for i, term in enumerate(program.terms):
        where = f"terms[{i}], {term.term}"
        if term.model_copy(update={"weight": 0.0}) in [t.model_copy(update={"weight": 0.0}) for t in program.terms[:i]]:
            raise ValueError(f"{where}: must stand there once, and is the same as an earlier one but for its weight")
        tree = _Template(entries, use, where).tree(term)
        parts.append(tree if term.weight == 1.0 else Apply("*", (Number(term.weight), tree)))
    total = parts[0]
    for part in parts[1:]:
        total = Apply("+", (total, part))
    return total


class _Template:
    """Trees of single terms."""

    def __init__(self, entries: Mapping[str, Read], use: Use, where: str) -> None:
        self.entries, self.use, self.where = entries, use, where

    def tree(self, term: Near | Above | Amount | Rise) -> Node:
        """The term without its weight."""
        if isinstance(term, Near):
            return Apply("exp", (Apply("/", (Apply("neg", (self.distance(term),)), Number(term.width))),))
        if isinstance(term, Above):
            return Apply(">", (self.after("of", term.of), Number(term.threshold)))
        value: Node = self.after("of", term.of)
        if isinstance(term, Rise):
            value = Apply("-", (value, self.before(term.of)))
        return Apply("clip", (Apply("/", (value, Number(term.scale))), Number(-1.0), Number(1.0)))

    def distance(self, term: Near) -> Node:
        """Between ``of`` and ``to``."""
        if len(term.of) != len(term.to):
            raise ValueError(f"{self.where}: to must have as many entries as of, {len(term.of)}, got {len(term.to)}")
        gaps = [
            Apply(
                "-",
                (
                    self.after(f"of[{k}]", name),
                    self.after(f"to[{k}]", to) if isinstance(to, str) else Number(to),
                ),
            )
            for k, (name, to) in enumerate(zip(term.of, term.to, strict=True))
        ]
        if len(gaps) == 1:
            return Apply("abs", (gaps[0],))
        total: Node = Apply("*", (gaps[0], gaps[0]))
        for gap in gaps[1:]:
            total = Apply("+", (total, Apply("*", (gap, gap))))
        return Apply("sqrt", (total,))

    def after(self, parameter: str, name: str) -> Read:
        """An entry in the state that was reached."""
        if name not in self.entries:
            known = ", ".join(list(self.entries)[:12]) + (", ..." if len(self.entries) > 12 else "")
            raise ValueError(
                f"{self.where}: {parameter}: unknown entry {shown(name)}{near(name, self.entries)}; known: {known}"
            )
        read = self.entries[name]
        stepwise = read.source == "obs" and self.use != "potential"
        return Read("next_obs", read.name, read.place) if stepwise else read

    def before(self, name: str) -> Read:
        """An entry in the state before the step."""
        if self.use == "potential":
            raise ValueError(f"{self.where}: must not be in a potential, whose difference is paid: take amount")
        read = self.entries[name]
        if read.source == "info":
            raise ValueError(
                f"{self.where}: of must be an entry of the observation: of info the last value is not kept"
            )
        return read


def _told(error: ValidationError) -> str:
    """The first thing that is wrong, in one short line: names and tags in it are those of a reply."""
    first = error.errors(include_url=False, include_context=False)[0]
    place = ""
    for part in first["loc"]:
        word = part if isinstance(part, str) and part.isidentifier() else repr(part)
        place += f"[{part}]" if isinstance(part, int) else f".{word[:60]}" if place else word[:60]
    message = " ".join(first["msg"].split())[:200]
    return f"{place or 'the object'} must be as the schema says: {message}, got {shown(first['input'])}"
