"""Formulas over symbols: the guards of reward machines, and linear temporal logic on finite traces.

A symbol is a word (``key``, ``at_door``). Operators, the tightest first:

- ``!p`` not; ``X p`` there is a next step and p holds there; ``N p`` p holds at the next step if there is one;
  ``F p`` p holds now or later; ``G p`` p holds now and at all later steps;
- ``p U q`` q holds now or later, and p at every step before; ``p W q`` the same, or p for ever; ``p R q`` q holds up to
  and including the first step with p, or for ever; all three group to the right;
- ``p & q``, ``p | q``, ``p -> q`` (groups to the right), ``p <-> q``; ``true``, ``false``, parentheses.

The capital letters X, N, F, G, U, W and R are operators and no symbols.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from payoff.wrappers.arguments import check_sequence
from payoff.wrappers.rows import Array

__all__ = ["Formula", "parse", "symbols_of", "truth_table"]

_TOKEN = re.compile(r"\s*(?:(<->|->|[!&|()])|([A-Za-z_][A-Za-z0-9_]*))")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNARY = ("!", "X", "N", "F", "G")
_BINARY = ("U", "W", "R")
_MOST_SYMBOLS = 16  # a table over letters has 2 to this power columns
_DUAL = {"and": "or", "or": "and", "next": "weak", "weak": "next", "until": "release", "release": "until"}


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula in negation normal form.

    Attributes:
        kind: ``true``, ``false``, ``is``, ``not`` (of a symbol), ``and``, ``or``, ``next``, ``weak`` (next),
            ``until``, ``release``.
        parts: the formulas that it joins.
        symbol: the symbol of ``is`` and ``not``.
    """

    kind: str
    parts: tuple[Formula, ...] = ()
    symbol: str = ""

    def negated(self) -> Formula:
        """Its negation, in negation normal form."""
        if self.kind in ("true", "false"):
            return FALSE if self.kind == "true" else TRUE
        if self.kind in ("is", "not"):
            return Formula("not" if self.kind == "is" else "is", symbol=self.symbol)
        return Formula(_DUAL[self.kind], tuple(part.negated() for part in self.parts))


TRUE, FALSE = Formula("true"), Formula("false")


def parse(text: str) -> Formula:
    """Formula of a text; see the module for the grammar.

    Raises:
        TypeError: ``text`` is no string.
        ValueError: the text is no formula; names the place.
    """
    if not isinstance(text, str):
        raise TypeError(f"a formula must be a string, got {text!r}")
    return _Parser(text).formula()


def symbols_of(formula: Formula) -> tuple[str, ...]:
    """Symbols that occur, in alphabetical order."""
    if formula.symbol:
        return (formula.symbol,)
    return tuple(sorted({name for part in formula.parts for name in symbols_of(part)}))


def check_symbols(symbols: Sequence[str]) -> tuple[str, ...]:
    """The symbols as a tuple.

    Raises:
        ValueError: a symbol that is no word, stands twice or is an operator, or more than 16 symbols.
    """
    check_sequence("symbols", symbols, "words")
    names = tuple(symbols)
    for name in names:
        if not isinstance(name, str) or not _WORD.fullmatch(name) or name in (*_UNARY, *_BINARY, "true", "false"):
            raise ValueError(f"symbols must be words that are no operators, got {name!r}")
    if len(set(names)) < len(names) or len(names) > _MOST_SYMBOLS:
        raise ValueError(f"symbols must be at most {_MOST_SYMBOLS} different words, got {', '.join(names)}")
    return names


def truth_table(formula: Formula, symbols: Sequence[str]) -> Array:
    """Which letters satisfy a formula without temporal operators.

    Args:
        formula: the formula.
        symbols: P of them; symbol i holds in letter l where bit i of l is set.

    Returns:
        ``(2 ** P,)`` bool.

    Raises:
        ValueError: a temporal operator, or a symbol that is not among ``symbols``.
    """
    letters = np.arange(2 ** len(symbols))
    if formula.kind in ("true", "false"):
        return np.full(letters.shape, formula.kind == "true")
    if formula.kind in ("is", "not"):
        if formula.symbol not in symbols:
            raise ValueError(f"unknown symbol {formula.symbol!r}; the symbols are {', '.join(symbols) or 'none'}")
        holds: Array = (letters >> list(symbols).index(formula.symbol)) & 1 == (formula.kind == "is")
        return holds
    if formula.kind not in ("and", "or"):
        raise ValueError(f"a formula over one step has no temporal operator, got one of kind {formula.kind!r}")
    combine: Callable[[list[Array]], Array] = np.logical_and.reduce if formula.kind == "and" else np.logical_or.reduce
    return combine([truth_table(part, symbols) for part in formula.parts])


class _Parser:
    """Recursive descent over the tokens of a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, int]] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                raise ValueError(f"formula {text!r}: cannot read {text[at:].strip()!r}")
            self.tokens.append((found.group(1) or found.group(2), found.end()))
            at = found.end()

    def formula(self) -> Formula:
        whole = self._equal()
        if self.tokens:
            raise self._error("an operator or the end")
        return whole

    def _error(self, expected: str) -> ValueError:
        got = f"{self.tokens[0][0]!r} (before character {self.tokens[0][1]})" if self.tokens else "the end"
        return ValueError(f"formula {self.text!r}: expected {expected}, got {got}")

    def _next_is(self, *words: str) -> bool:
        return bool(self.tokens) and self.tokens[0][0] in words

    def _equal(self) -> Formula:
        left = self._implies()
        while self._next_is("<->"):
            self.tokens.pop(0)
            right = self._implies()
            both = Formula("and", (left, right))
            left = Formula("or", (both, Formula("and", (left.negated(), right.negated()))))
        return left

    def _implies(self) -> Formula:
        left = self._joined("|", "or", lambda: self._joined("&", "and", self._until))
        if not self._next_is("->"):
            return left
        self.tokens.pop(0)
        return Formula("or", (left.negated(), self._implies()))

    def _joined(self, sign: str, kind: str, part: Callable[[], Formula]) -> Formula:
        parts = [part()]
        while self._next_is(sign):
            self.tokens.pop(0)
            parts.append(part())
        return parts[0] if len(parts) == 1 else Formula(kind, tuple(parts))

    def _until(self) -> Formula:
        left = self._unary()
        if not self._next_is(*_BINARY):
            return left
        word, _ = self.tokens.pop(0)
        right = self._until()
        if word == "U":
            return Formula("until", (left, right))
        if word == "R":
            return Formula("release", (left, right))
        return Formula("release", (right, Formula("or", (left, right))))

    def _unary(self) -> Formula:
        if not self.tokens:
            raise self._error("a symbol, an operator or '('")
        word, _ = self.tokens[0]
        if word in _UNARY:
            self.tokens.pop(0)
            part = self._unary()
            if word == "!":
                return part.negated()
            if word in "XN":
                return Formula("next" if word == "X" else "weak", (part,))
            return Formula("until", (TRUE, part)) if word == "F" else Formula("release", (FALSE, part))
        if word == "(":
            self.tokens.pop(0)
            inside = self._equal()
            if not self._next_is(")"):
                raise self._error("')'")
            self.tokens.pop(0)
            return inside
        if word in ("true", "false"):
            self.tokens.pop(0)
            return TRUE if word == "true" else FALSE
        if not _WORD.fullmatch(word) or word in _BINARY:
            raise self._error("a symbol, an operator or '('")
        self.tokens.pop(0)
        return Formula("is", symbol=word)
