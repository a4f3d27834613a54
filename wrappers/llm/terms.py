"""A reward as the sum of named terms, so that each can be looked at by itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from payoff.wrappers.llm.expression import Apply, Node, parse, unparse

__all__ = ["sum_of", "trees_of"]


def trees_of(terms: Mapping[str, str]) -> dict[str, Node]:
    """The tree of each term.

    Raises:
        ValueError: one is not of the language; names it.
    """
    trees = {}
    for name, text in terms.items():
        try:
            trees[name] = parse(text)
        except ValueError as error:
            raise ValueError(f"term {name}: {error}") from error
    return trees


def sum_of(terms: Mapping[str, str]) -> str:
    """The text of the sum of terms, from the first to the last.

    Raises:
        ValueError: there is none, one is not of the language, or the sum is too large for it.

    >>> sum_of({"near": "1 - abs(obs.x)", "slow": "-obs.v"})
    '(1 - abs(obs.x)) + (-obs.v)'
    """
    if not terms:
        raise ValueError("terms must be at least one")
    return unparse(reduce(lambda so_far, tree: Apply("+", (so_far, tree)), trees_of(terms).values()))
