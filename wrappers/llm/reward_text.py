"""A text that says what is paid, an expression or a Python function: the one door for whatever is done with either."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from payoff.wrappers.arguments import check_text
from payoff.wrappers.llm import expression, function
from payoff.wrappers.llm.expression import MOST_LETTERS, Apply, Node, Read
from payoff.wrappers.llm.function import Function
from payoff.wrappers.rows import Array

__all__ = ["Program", "evaluate", "parse", "reads_of", "replaced", "unparse"]

Program: TypeAlias = Node | Function
_DEF = re.compile(r"^[ \t]*(async[ \t]+)?def[ \t]", re.MULTILINE)


def parse(text: str) -> Program:
    """What a text says: a function where one of its lines begins with ``def``, else an expression.

    Raises:
        TypeError: ``text`` is no text.
        ValueError: it is neither; one line that names the place.
    """
    check_text("expression", text)
    if _DEF.search(text[:MOST_LETTERS]):
        return function.from_python(text)
    return expression.parse(text)


def unparse(program: Program) -> str:
    """The text of a program in its only form: ``parse`` of it is the program."""
    return function.to_python(program) if isinstance(program, Function) else expression.unparse(program)


def evaluate(program: Program, read: Callable[[Read], Array], mask: Array) -> Array:
    """Values ``(R,)`` in the rows of a mask; see :func:`payoff.wrappers.llm.expression.evaluate`.

    Raises:
        ValueError: a number that is read is not finite, or an operation has no finite result.
    """
    if isinstance(program, Function):
        return function.run(program, read, mask)
    return expression.evaluate(program, read, mask)


def reads_of(program: Program) -> tuple[Read, ...]:
    """What a program reads of a step, each once, in the order of its text."""
    if not isinstance(program, Function):
        return expression.reads_of(program)
    nodes = function.nodes_of(program.body)
    return tuple(dict.fromkeys(read for node in nodes for read in expression.reads_of(node)))


def replaced(program: Program, change: Callable[[Read], Read]) -> Program:
    """The program with something else in place of everything that it reads."""

    def inside(node: Node) -> Node:
        if isinstance(node, Apply):
            return Apply(node.name, tuple(map(inside, node.parts)))
        return change(node) if isinstance(node, Read) else node

    if isinstance(program, Function):
        return replace(program, body=function.translated(program.body, inside))
    return inside(program)
