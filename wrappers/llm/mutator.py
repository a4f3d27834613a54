"""Proposals without a model: expressions that are drawn by chance from the one that the prompt builds on.

:class:`Mutator` stands in for a model in every method that asks for expressions, so that a method can be tried, tested
and compared with blind search. It reads two things of a prompt: the form of the reply, which is the JSON object in the
system message, and the last proposal that the conversation gives as the assistant's. What it draws depends on nothing
but its settings, the prompt and the number of the sample.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from payoff.envs.core.arrays import shown
from payoff.envs.core.params import check_integer, check_number
from payoff.files import json_object_at
from payoff.wrappers.arguments import check_sequence, check_text
from payoff.wrappers.llm.expression import LARGEST, MOST_LETTERS, Apply, Node, Number, Read, parse, unparse
from payoff.wrappers.llm.propose import read_proposals, readable
from payoff.wrappers.llm.store import SCRIPTED, Messages, Reply, check_messages, prompt_hash

__all__ = ["MOST_PARTS", "Mutator", "mutate", "state_reads"]

MOST_PARTS = 40  # of a tree that is drawn: more is hard to read, and seldom better
_TRIES = 20  # draws of a tree that is small enough and another than before
# operations that can stand for each other; none of them is without a finite value for moderate numbers
_KIN = (
    ("+", "-", "*"),
    ("min", "max"),
    ("<", "<=", ">", ">=", "==", "!="),
    ("and", "or"),
    ("abs", "tanh", "sign", "floor", "neg", "not"),
)
_JOINS = ("+", "-", "*", "min", "max")
_UNARY = ("abs", "tanh", "sign", "neg")
_BROKEN = ("obs.nowhere", "1 +", "import os", "better(obs[0])")


class Mutator:
    """Answers with mutations; a :class:`payoff.wrappers.llm.client.ChatClient`.

    To a prompt that builds on no proposal, sample 0 gets the seed expression itself, and the others mutations of it. A
    critic's question is answered with yes, and one for causes with none.

    Args:
        expression: the seed.
        reads: what new parts may read, such as ``("obs.x", "info.progress")``; none: what the seed reads.
        errors: share of proposals, in [0, 1], that are spoiled: one half cannot be used, the other misleads, as it is
            the present expression with the other sign.
        seed: of the draws.

    Attributes:
        settings: the arguments.

    Raises:
        TypeError: ``expression`` is no text, or ``reads`` no sequence.
        ValueError: a text is not of the language, too long or reads nothing, or another argument is out of its range.
    """

    by = SCRIPTED

    def __init__(self, expression: str, *, reads: Sequence[str] = (), errors: float = 0.0, seed: int = 0) -> None:
        check_sequence("reads", reads, "texts")
        check_number("errors", errors, 0.0, 1.0)
        check_integer("seed", seed, 0)
        tree = parse(expression)
        if tree.size > MOST_PARTS:
            raise ValueError(f"expression must have at most {MOST_PARTS} parts, got {tree.size}")
        self._reads = tuple(_read(text) for text in reads) or tuple(n for n in _nodes(tree) if isinstance(n, Read))
        if not self._reads:
            raise ValueError("reads must name what can be read, since expression reads nothing")
        self._seed = unparse(tree)
        self.settings: dict[str, Any] = {
            "expression": self._seed,
            "reads": [unparse(read) for read in self._reads],
            "errors": float(errors),
            "seed": int(seed),
        }

    def ask(self, messages: Messages, *, sample: int = 0) -> Reply:
        """See :class:`payoff.wrappers.llm.client.ChatClient`.

        Raises:
            TypeError: these are no messages.
            ValueError: likewise, or the system message shows no form that is known.
        """
        check_messages(messages)
        check_integer("sample", sample, 0)
        draws = np.random.default_rng(int(prompt_hash(self.by, self.settings, messages, sample), 16))
        form = _form(messages)
        if "accept" in form:
            return Reply(json.dumps({"accept": True, "why": "a mutator accepts everything"}))
        if "causes" in form:
            return Reply(json.dumps({"causes": []}))
        if "expressions" not in form:
            raise ValueError(f"messages must ask for expressions, which is all that mutates, got {shown([*form])}")
        item = form["expressions"][0]
        named = "terms" in item
        base = _base(messages, named)
        begins = not base and sample == 0
        base = base or dict.fromkeys(item["terms"] if named else ("",), self._seed)
        chosen = sorted(base)[int(draws.integers(len(base)))]
        changed = base if begins else {**base, chosen: self._changed(base[chosen], draws)}
        told = {"terms": changed} if named else {"text": changed[""]}
        return Reply(json.dumps({"expressions": [{**told, "why": "the seed" if begins else "drawn by chance"}]}))

    def _changed(self, text: str, draws: np.random.Generator) -> str:
        spoiled = draws.random() < self.settings["errors"]
        if spoiled and draws.random() < 0.5:
            return str(draws.choice(_BROKEN))
        tree = parse(text)
        return unparse(_limited(Apply("neg", (tree,)), tree) if spoiled else mutate(tree, self._reads, draws))


def state_reads(env: Any) -> tuple[str, ...]:
    """The numbers of a state that an expression can read, by their names where they have some.

    Args:
        env: see :func:`payoff.wrappers.llm.propose.readable`.
    """
    found = []
    for line in readable(env):
        names, _, what = line.partition(": ")
        name = names.rpartition("also ")[2]
        if names.startswith("obs[") or (names.startswith("info.") and what == "a number"):
            found.append(name)
    return tuple(found)


def mutate(tree: Node, reads: Sequence[Read], draws: np.random.Generator) -> Node:
    """A tree that differs from another in one to three places; it is of the language and within its limits.

    A change is one of these: a constant is jittered, what is read is swapped, an operation becomes a related one, a
    part is replaced by a small new one, the whole is joined with a small new one or scaled, or is left away but for one
    part.

    Args:
        tree: what is changed.
        reads: what new parts may read, at least one.
        draws: source of the draws.
    """
    for _ in range(_TRIES):
        found = tree
        for _ in range(int(draws.integers(1, 4))):
            found = _change(found, reads, draws)
        if found != tree and found.size <= MOST_PARTS and len(unparse(found)) <= MOST_LETTERS:
            return found
    return _leaf(reads, draws)


def _change(tree: Node, reads: Sequence[Read], draws: np.random.Generator) -> Node:
    """One change; the whole is changed at its top as often as at a place within."""
    if draws.random() < 0.5:
        kind = int(draws.integers(3))
        if kind == 0:
            return _limited(Apply(str(draws.choice(_JOINS)), (tree, _small(reads, draws))), tree)
        if kind == 1:
            return _limited(Apply("*", (_number(float(np.exp(draws.normal()))), tree)), tree)
    places = list(_nodes(tree))
    at = int(draws.integers(len(places)))
    if draws.random() < 0.1:
        return places[at]
    return _limited(_replaced(tree, at, _other(places[at], reads, draws)), tree)


def _other(node: Node, reads: Sequence[Read], draws: np.random.Generator) -> Node:
    """What stands in the place of a node."""
    if draws.random() < 0.25:
        return _small(reads, draws)
    if isinstance(node, Number):
        return _number(node.value * float(np.exp(0.5 * draws.normal())) + 0.1 * float(draws.normal()))
    if isinstance(node, Read):
        return reads[int(draws.integers(len(reads)))]
    assert isinstance(node, Apply)  # the texts of the language have no local names
    kin = [name for group in _KIN if node.name in group for name in group if name != node.name]
    return Apply(str(draws.choice(kin)), node.parts) if kin and len(node.parts) <= 2 else node


def _small(reads: Sequence[Read], draws: np.random.Generator) -> Node:
    """A leaf, a function of one, or what it differs from a number by."""
    leaf, kind = _leaf(reads, draws), int(draws.integers(4))
    if kind == 0:
        return leaf
    if kind == 1:
        return Apply(str(draws.choice(_UNARY)), (leaf,))
    if kind == 2:
        return Apply("*", (_number(float(draws.normal())), leaf))
    return Apply("abs", (Apply("-", (leaf, _number(float(draws.random())))),))


def _leaf(reads: Sequence[Read], draws: np.random.Generator) -> Read:
    return reads[int(draws.integers(len(reads)))]


def _number(value: float) -> Number:
    """Three digits say enough."""
    return Number(float(f"{min(max(value, -LARGEST), LARGEST):.3g}") + 0.0)  # no -0


def _limited(made: Node, instead: Node) -> Node:
    """The tree that was made, unless it is so large that a few more changes could break the language's limits."""
    return made if made.size <= 2 * MOST_PARTS and made.depth <= MOST_PARTS else instead


def _nodes(tree: Node) -> Iterator[Node]:
    """All nodes, each before its parts."""
    yield tree
    if isinstance(tree, Apply):
        for part in tree.parts:
            yield from _nodes(part)


def _replaced(tree: Node, at: int, by: Node) -> Node:
    """The tree with another node in the place of that number, in the order of :func:`_nodes`."""
    if at == 0:
        return by
    assert isinstance(tree, Apply)
    at -= 1
    parts = []
    for part in tree.parts:
        parts.append(_replaced(part, at, by) if 0 <= at < part.size else part)
        at -= part.size
    return Apply(tree.name, tuple(parts))


def _read(text: str) -> Read:
    check_text("reads", text)
    tree = parse(text)
    if not isinstance(tree, Read):
        raise ValueError(f"reads must be entries of a step, such as obs[0], got {text!r}")
    return tree


def _form(messages: Messages) -> Mapping[str, Any]:
    """The JSON object in the system message, which shows what a reply looks like."""
    for message in messages:
        begin = message["content"].find('{"')
        if message["role"] == "system" and begin >= 0:
            return json_object_at(message["content"], begin)
    raise ValueError("messages must have a system message that shows the form of the reply, which is of expressions")


def _base(messages: Messages, named: bool) -> dict[str, str]:
    """Terms, or the text under the name ``""``, of the last proposal that the conversation shows."""
    for message in reversed(messages):
        if message["role"] != "assistant":
            continue
        try:
            (proposal, *_) = read_proposals(message["content"], terms=named)
            found = dict(proposal.terms) if named else {"": proposal.text}
            if all(parse(text).size <= MOST_PARTS for text in found.values()):
                return found
        except ValueError:  # a reply that could not be read or used, which is what the next message says
            continue
    return {}
