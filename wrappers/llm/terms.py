"""A reward as the sum of named terms, so that each can be looked at by itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from payoff.wrappers.llm import reward_text
from payoff.wrappers.llm.expression import Apply, Node, unparse
from payoff.wrappers.llm.function import Function
from payoff.wrappers.llm.reward_text import Program

__all__ = ["expressions_of", "programs_of", "sum_of"]


def programs_of(terms: Mapping[str, str]) -> dict[str, Program]:
    """What each term says, an expression or a function.

    Raises:
        ValueError: one is neither; names it.
    """
    found = {}
    for name, text in terms.items():
        try:
            found[name] = reward_text.parse(text)
        except ValueError as error:
            raise ValueError(f"term {name}: {error}") from error
    return found


def expressions_of(terms: Mapping[str, str]) -> dict[str, Node]:
    """The tree of each term.

    Raises:
        ValueError: one is no expression; names it.
    """
    found = {}
    for name, program in programs_of(terms).items():
        if isinstance(program, Function):
            raise ValueError(f"term {name} must be an expression, since it is not the whole reward, got a function")
        found[name] = program
    return found


def sum_of(terms: Mapping[str, str]) -> str:
    """The text of the sum of terms, from the first to the last; a function can only stand alone.

    Raises:
        ValueError: there is none, one cannot be used, or the sum is too large for the language.

    >>> sum_of({"near": "1 - abs(obs.x)", "slow": "-obs.v"})
    '(1 - abs(obs.x)) + (-obs.v)'
    """
    if not terms:
        raise ValueError("terms must be at least one")
    if len(terms) == 1:
        (program,) = programs_of(terms).values()
        return reward_text.unparse(program)
    return unparse(reduce(lambda so_far, tree: Apply("+", (so_far, tree)), expressions_of(terms).values()))
