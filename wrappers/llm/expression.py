"""A small language for rewards and potentials: what a language model returns, or a person types at a prompt.

    1 - abs(obs.x - 0.9)
    0.1 * info.progress - (0.01 if action[0] == 2 else 0)
    next_obs[0] / obs[0] if obs[0] > 0 else 0

A text is read by the parser below, becomes an immutable tree, and is evaluated by the interpreter below on R steps at
once. Python neither parses nor compiles nor runs any of it. Whatever is not listed here is refused:

- numbers: ``2``, ``0.5``, ``1e-3``, at most 1e12 in size;
- what a step holds: ``obs[i]`` before it and ``next_obs[i]`` after it, ``obs.name`` where the environment says what
  its entries are called, ``action[i]``, ``info.name`` and ``info.name[i]``, and ``terminated``, 1 where the step ends
  the episode for good. An index is a plain number; without one there must be only one number to read;
- ``+ - * /`` and unary ``-``; ``< <= > >= == !=``, ``and``, ``or``, ``not``, which give 1 or 0, and take any number but
  0 for true; ``a if c else b``; brackets;
- ``abs``, ``min``, ``max``, ``clip(x, low, high)``, ``exp``, ``log1p``, ``sqrt``, ``tanh``, ``sign``, ``floor``.

What binds more tightly is as in Python. An operation that has no finite result (a division by 0, the root of a negative
number, an overflow) is an error that names it. ``if``, ``and`` and ``or`` evaluate nothing that is not asked for, so a
condition can guard an operation, as in the last line above.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

import numpy as np

from payoff.envs.core.params import HUGE, check_integer, check_number, check_word
from payoff.envs.core.specification import near
from payoff.wrappers.arguments import check_text
from payoff.wrappers.rows import Array

__all__ = [
    "FUNCTIONS",
    "LARGEST",
    "MOST_DEEP",
    "MOST_LETTERS",
    "MOST_NODES",
    "SOURCES",
    "Apply",
    "Local",
    "Node",
    "Number",
    "Read",
    "evaluate",
    "parse",
    "reads_of",
    "unparse",
    "value",
]

MOST_LETTERS = 4000  # of a text
MOST_NODES = 500  # of a tree
MOST_DEEP = 64  # of a tree: a sum of 64 terms is 64 deep
LARGEST = HUGE  # number
_MOST_OPEN = 2 * MOST_DEEP + 2  # brackets and operators that wait for their end; such a tree needs so many
_MOST_DIGITS = 40  # letters of a number

SOURCES = ("obs", "next_obs", "action", "info", "terminated")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def _clip(x: Array, low: Array, high: Array) -> Array:
    found: Array = np.minimum(np.maximum(x, low), high)
    return found


def _least(*parts: Array) -> Array:
    found: Array = np.minimum.reduce(parts)
    return found


def _largest(*parts: Array) -> Array:
    found: Array = np.maximum.reduce(parts)
    return found


FUNCTIONS: dict[str, Callable[..., Array]] = {
    "abs": np.abs,
    "min": _least,
    "max": _largest,
    "clip": _clip,
    "exp": np.exp,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "sign": np.sign,
    "floor": np.floor,
}
_OPERATORS: dict[str, Callable[..., Array]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "neg": np.negative,
    "not": np.logical_not,
}
# fewest and most arguments, where these are not two
_ARGUMENTS = dict.fromkeys(("abs", "exp", "log1p", "sqrt", "tanh", "sign", "floor", "neg", "not"), (1, 1)) | {
    **dict.fromkeys(("min", "max", "and", "or"), (2, MOST_NODES)),
    **dict.fromkeys(("clip", "if"), (3, 3)),
}
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_MAY_FAIL = frozenset(("+", "-", "*", "/", "exp", "log1p", "sqrt"))  # where all parts are finite
# how tightly a word between two operands binds; 0: it is none
_BINDS = {"if": 1, "or": 2, "and": 3, **dict.fromkeys(_COMPARISONS, 5), "+": 6, "-": 6, "*": 7, "/": 7}
_NOT, _MINUS = 4, 8


@dataclass(frozen=True, slots=True)
class Number:
    """A number, at most ``LARGEST`` in size.

    Raises:
        ValueError: it is not.
    """

    value: float

    def __post_init__(self) -> None:
        """Check the field."""
        check_number("value", self.value, -LARGEST, LARGEST)
        object.__setattr__(self, "value", float(self.value) + 0.0)  # no -0, which is written as 0

    @property
    def size(self) -> int:
        """Nodes."""
        return 1

    @property
    def depth(self) -> int:
        """Nodes on the longest way down."""
        return 1


@dataclass(frozen=True, slots=True)
class Read:
    """A number that a step holds.

    Attributes:
        source: one of ``SOURCES``.
        name: entry of ``info``, or of an observation whose entries have names; empty for none.
        place: index; empty for none.

    Raises:
        ValueError: a field that the source does not take.
    """

    source: str
    name: str = ""
    place: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check the fields."""
        check_word("source", self.source, SOURCES)
        if self.name and (_NAME.fullmatch(self.name) is None or self.source in ("action", "terminated")):
            raise ValueError(f"name must be empty or a word, and is of obs, next_obs or info, got {self.name!r}")
        if self.source == "info" and not self.name:
            raise ValueError("info needs the name of an entry, such as info.progress")
        if self.source == "terminated" and self.place:
            raise ValueError(f"terminated is one number and takes no index, got {self.place}")
        for i in self.place:
            check_integer("place", i, 0, 10**9)

    @property
    def size(self) -> int:
        """Nodes."""
        return 1

    @property
    def depth(self) -> int:
        """Nodes on the longest way down."""
        return 1


@dataclass(frozen=True, slots=True)
class Local:
    """A number that got a name: no text of this language says it, but a function of :mod:`.function` does.

    Attributes:
        name: a word.
    """

    name: str

    @property
    def size(self) -> int:
        """Nodes."""
        return 1

    @property
    def depth(self) -> int:
        """Nodes on the longest way down."""
        return 1


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation on the values of other nodes.

    Attributes:
        name: a function, an operator, ``"neg"``, ``"not"``, ``"and"``, ``"or"``, or ``"if"``, whose parts are the
            condition, what holds where it is true, and what else.
        parts: what it is applied to.
        size: nodes, this one included.
        depth: nodes on the longest way down.

    Raises:
        ValueError: an unknown name, another number of parts than it takes, or a tree that is too large or too deep.
    """

    name: str
    parts: tuple[Node, ...]
    size: int = field(init=False, compare=False, repr=False)
    depth: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Check the fields and measure the tree."""
        check_word("name", self.name, (*FUNCTIONS, *_OPERATORS, "and", "or", "if"))
        fewest, most = _ARGUMENTS.get(self.name, (2, 2))
        if not fewest <= len(self.parts) <= most:
            span = f"{fewest}" if fewest == most else f"{fewest} or more"
            raise ValueError(f"{self.name} takes {span} argument{'s' * (most > 1)}, got {len(self.parts)}")
        size, depth = 1 + sum(p.size for p in self.parts), 1 + max(p.depth for p in self.parts)
        if size > MOST_NODES:
            raise ValueError(f"an expression has at most {MOST_NODES} parts")
        if depth > MOST_DEEP:
            raise ValueError(f"an expression is at most {MOST_DEEP} deep")
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "depth", depth)


Node: TypeAlias = Number | Read | Local | Apply


def reads_of(tree: Node) -> tuple[Read, ...]:
    """What a tree reads of a step, each once, in the order of its text."""
    if isinstance(tree, Apply):
        return tuple(dict.fromkeys(read for part in tree.parts for read in reads_of(part)))
    return (tree,) if isinstance(tree, Read) else ()


# -- text ------------------------------------------------------------------------------------------------------------


def parse(text: str) -> Node:
    """The tree of a text; see the module for the language.

    Raises:
        TypeError: ``text`` is no text.
        ValueError: it is too long, or not of the language; one line that names the place.

    >>> unparse(parse("1 - abs(obs[0])"))
    '1 - abs(obs[0])'
    """
    check_text("expression", text)
    if len(text) > MOST_LETTERS:
        raise ValueError(f"an expression has at most {MOST_LETTERS} characters, got {len(text)}")
    return _Parser(text).whole()


def unparse(tree: Node) -> str:
    """The text of a tree in its only form: ``parse`` of it is the tree."""
    if isinstance(tree, Number):
        small = tree.value.is_integer() and abs(tree.value) < 1e15
        return str(int(tree.value)) if small else repr(tree.value)
    if isinstance(tree, Read):
        name = f".{tree.name}" if tree.name else ""
        return f"{tree.source}{name}" + (f"[{','.join(map(str, tree.place))}]" if tree.place else "")
    if isinstance(tree, Local):
        return tree.name
    if tree.name in FUNCTIONS:
        return f"{tree.name}({', '.join(map(unparse, tree.parts))})"
    parts = [_bracketed(part) for part in tree.parts]
    if tree.name == "if":
        return f"{parts[1]} if {parts[0]} else {parts[2]}"
    if tree.name == "neg":  # -1 is a number, and -(1) is not
        return f"-({parts[0]})" if isinstance(tree.parts[0], Number) else f"-{parts[0]}"
    return f"not {parts[0]}" if tree.name == "not" else f" {tree.name} ".join(parts)


def _bracketed(part: Node) -> str:
    text = unparse(part)
    return f"({text})" if isinstance(part, Apply) and part.name not in FUNCTIONS else text


_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![A-Za-z0-9_.])"
    r"|(?P<name>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<sign><=|>=|==|!=|\*\*|//|[-+*/<>()\[\],.])"
)


class _Parser:
    """Precedence climbing; time is linear in the text."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str, int]] = []  # kind, word, number of its first character, from 1
        at = 0
        while at < len(text):
            if text[at] in " \t\r\n":
                at += 1
                continue
            match = _TOKEN.match(text, at)
            if match is None:
                what = "a number with letters behind it" if text[at] in "0123456789" else ascii(text[at])
                raise ValueError(f"not allowed: {what} at character {at + 1}")
            self.tokens.append((str(match.lastgroup), match[0], at + 1))
            at = match.end()
        self.tokens.append(("end", "", len(text) + 1))
        self.next = 0

    @property
    def word(self) -> str:
        """The word that comes next; empty at the end."""
        return self.tokens[self.next][1]

    def refuse(self, why: str = "", back: int = 0) -> NoReturn:
        """Raise ValueError for the word that comes next, or one before it."""
        _, word, at = self.tokens[self.next - back]
        shown = repr(word[:40]) if word else "the end of the text"
        raise ValueError(f"not allowed: {shown} at character {at}{f'; {why}' if why else ''}")

    def take(self, word: str) -> None:
        """Go past a word that must come next."""
        if self.word != word:
            self.refuse(f"{word!r} must come here")
        self.next += 1

    def whole(self) -> Node:
        """The expression, which is all of the text."""
        found = self.expression(1, 0)
        if self.word:
            self.refuse("nothing may follow an expression")
        return found

    def expression(self, least: int, deep: int) -> Node:
        """As much as binds at least so tightly."""
        if deep > _MOST_OPEN:
            self.refuse(f"an expression is at most {MOST_DEEP} deep")
        left = self.operand(least, deep)
        while _BINDS.get(self.word, 0) >= least:
            word, begin = self.word, self.next
            binds = _BINDS[word]
            self.next += 1
            if word == "if":
                condition = self.expression(2, deep + 1)
                self.take("else")
                left = self.apply("if", (condition, left, self.expression(1, deep + 1)), begin)
            elif word in ("and", "or"):
                parts = [left, self.expression(binds + 1, deep + 1)]
                while self.word == word:
                    self.next += 1
                    parts.append(self.expression(binds + 1, deep + 1))
                left = self.apply(word, tuple(parts), begin)
            elif word in _COMPARISONS:
                left = self.comparison(word, left, begin, deep)
            else:
                left = self.apply(word, (left, self.expression(binds + 1, deep + 1)), begin)
        return left

    def comparison(self, word: str, left: Node, begin: int, deep: int) -> Node:
        """``a < b``; ``a < b < c`` is ``a < b and b < c``, where b is short enough to be written twice."""
        parts = []
        while True:
            right = self.expression(_BINDS[word] + 1, deep + 1)
            parts.append(self.apply(word, (left, right), begin))
            word, begin, left = self.word, self.next, right
            if word not in _COMPARISONS:
                return parts[0] if len(parts) == 1 else self.apply("and", tuple(parts), begin)
            if isinstance(left, Apply):
                self.refuse("write a < b and b < c")
            self.next += 1

    def operand(self, least: int, deep: int) -> Node:
        """What may stand at the beginning of an expression."""
        kind, word, _ = self.tokens[self.next]
        begin = self.next
        self.next += 1
        if kind == "number":
            return self.number(word, 1.0)
        if word == "(":
            found = self.expression(1, deep + 1)
            self.take(")")
            return found
        if word in ("+", "-"):
            after, digits, _ = self.tokens[self.next]
            if word == "-" and after == "number":
                self.next += 1
                return self.number(digits, -1.0)
            inner = self.expression(_MINUS, deep + 1)
            return inner if word == "+" else self.apply("neg", (inner,), begin)
        if word == "not" and least <= _NOT:
            return self.apply("not", (self.expression(_NOT, deep + 1),), begin)
        if word in FUNCTIONS:
            return self.call(word, begin, deep)
        if word in SOURCES:
            return self.read(word)
        self.next = begin
        if kind != "name" or word in _BINDS or word in ("else", "not"):
            self.refuse("a number, a name or a bracket must come here")
        self.refuse(f"unknown name{near(word, (*SOURCES, *FUNCTIONS))}; {', '.join((*SOURCES, *FUNCTIONS))}")

    def number(self, word: str, sign: float) -> Number:
        """The number that was just passed."""
        if len(word) > _MOST_DIGITS or not float(word) <= LARGEST:
            self.refuse(f"numbers have at most {_MOST_DIGITS} characters and are at most {LARGEST:g}", back=1)
        return Number(sign * float(word))

    def call(self, name: str, begin: int, deep: int) -> Node:
        """What follows the name of a function."""
        self.take("(")
        parts = [self.expression(1, deep + 1)]
        while self.word == ",":
            self.next += 1
            parts.append(self.expression(1, deep + 1))
        self.take(")")
        return self.apply(name, tuple(parts), begin)

    def read(self, source: str) -> Read:
        """What follows the name of a source."""
        begin, name, place = self.next - 1, "", []
        if self.word == ".":
            self.next += 1
            kind, name, _ = self.tokens[self.next]
            if kind != "name":
                self.refuse("the name of an entry must come here")
            self.next += 1
        if self.word == "[":
            while self.word in ("[", ","):
                self.next += 1
                kind, digits, _ = self.tokens[self.next]
                if kind != "number" or not digits.isdecimal() or len(digits) > 9:
                    self.refuse("an index is a whole number, 0 or more")
                place.append(int(digits))
                self.next += 1
            self.take("]")
        try:
            return Read(source, name, tuple(place))
        except ValueError as error:
            self.next = begin
            self.refuse(str(error))

    def apply(self, name: str, parts: tuple[Node, ...], begin: int) -> Apply:
        """The node; what it refuses is told with its place."""
        try:
            return Apply(name, parts)
        except ValueError as error:
            self.next = begin
            self.refuse(str(error))


# -- value -----------------------------------------------------------------------------------------------------------


def evaluate(tree: Node, read: Callable[[Read], Array], mask: Array) -> Array:
    """Value of a tree in the rows of a mask.

    Args:
        tree: see :func:`parse`.
        read: what gives the numbers ``(R,)`` that a step holds; those outside the mask are not looked at.
        mask: ``(R,)`` bool.

    Returns:
        ``(R,)`` float64, finite; 0 outside the mask.

    Raises:
        ValueError: a number that is read is not finite, or an operation has no finite result.
    """
    found = np.zeros(mask.shape)
    rows = np.flatnonzero(mask)
    with np.errstate(all="ignore"):  # what is not finite is told below, by its name
        found[rows] = value(tree, functools.cache(read), rows)
    return found


def value(tree: Node, read: Callable[[Any], Array], rows: Array) -> Array:
    """Value of a tree in some rows; numpy's warnings must be off.

    Args:
        tree: may hold local names.
        read: Read or Local -> numbers ``(R,)``.
        rows: indices, in ascending order.

    Returns:
        ``(len(rows),)`` float64, finite; it may be the very array that was read, and is not to be written into.

    Raises:
        ValueError: a number that is read is not finite, or an operation has no finite result.
    """
    if isinstance(tree, Number):
        return np.full(len(rows), tree.value)
    if not len(rows):
        return np.zeros(0)
    if isinstance(tree, Read):
        found = _in_rows(np.asarray(read(tree), dtype=np.float64), rows)
        if not np.isfinite(found).all():
            raise ValueError(f"{unparse(tree)} must be finite, got {found[~np.isfinite(found)][0]}")
        return found
    if isinstance(tree, Local):
        return _in_rows(read(tree), rows)
    if tree.name == "if":
        return _chosen(tree, read, rows)
    if tree.name in ("and", "or"):
        return _joined(tree, read, rows)
    parts = [value(part, read, rows) for part in tree.parts]
    operation = FUNCTIONS.get(tree.name) or _OPERATORS[tree.name]
    result = np.asarray(operation(*parts), dtype=np.float64)
    if tree.name not in _MAY_FAIL or np.isfinite(result).all():
        return result
    bad = np.flatnonzero(~np.isfinite(result))[0]
    got = " and ".join(f"{part[bad]:g}" for part in parts)
    text = unparse(tree)
    raise ValueError(f"{text if len(text) <= 100 else f'{text[:100]}...'} has no finite value: it is of {got} here")


def _in_rows(column: Array, rows: Array) -> Array:
    """Numbers of some rows; all of them are in their order already. Nobody writes into what is handed on here."""
    found: Array = column if len(rows) == len(column) else column[rows]
    return found


def _chosen(tree: Apply, read: Callable[[Read], Array], rows: Array) -> Array:
    """``a if c else b``: each of a and b in its own rows alone."""
    condition, where, other = tree.parts
    true = value(condition, read, rows) != 0.0
    found = np.empty(len(rows))
    found[true] = value(where, read, rows[true])
    found[~true] = value(other, read, rows[~true])
    return found


def _joined(tree: Apply, read: Callable[[Read], Array], rows: Array) -> Array:
    """``and``, ``or``: a part is asked for in the rows that those before it leave open."""
    settles = tree.name == "or"  # the value of a part that settles the matter
    found = np.full(len(rows), not settles)
    open_ = np.arange(len(rows))
    for part in tree.parts:
        settled = (value(part, read, rows[open_]) != 0.0) == settles
        found[open_[settled]] = settles
        open_ = open_[~settled]
    return found.astype(np.float64)
