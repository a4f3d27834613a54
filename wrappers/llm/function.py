"""A reward or a potential written as a Python function: the other spelling of an expression.

    def reward(obs, action, next_obs, info, terminated):
        gap = abs(obs.x - 0.9)
        paid = gap - abs(next_obs.x - 0.9)
        if gap < 0.1:
            paid += 1
        return paid

Python's own parser reads the text (``ast.parse``, which runs nothing). What it finds is translated, statement by
statement, into assignments, branches and returns of the trees of :mod:`payoff.wrappers.llm.expression`, and those are
evaluated by the interpreter there. Nothing of the text is compiled or run. Whatever is not listed here is refused:

- one ``def`` of any name with some of the arguments ``obs, action, next_obs, info, terminated``, without defaults or
  decorators; a docstring, comments and annotations that are names say nothing and are passed over;
- ``x = ...``, ``x, y = ..., ...``, ``x = y = ...``, ``x += ...`` with ``+ - * /``; ``if``, ``elif``, ``else``;
  ``pass``; and ``return``, on every way through the function;
- ``for i in range(...)`` of plain numbers, 1 to ``MOST_TURNS`` turns: it is written out;
- the numbers, operators and functions of the language of expressions, ``x ** n`` with n in 1 .. ``MOST_POWER`` or 0.5,
  ``float(x)``, ``True``, ``False``, ``math.pi``; functions also as ``np.exp``, ``math.exp``, ``np.minimum``;
- what a step holds: ``obs[0]``, ``obs.x`` or ``obs["x"]``, ``info.progress`` or ``info["progress"]``,
  ``info.trust[0, 1]`` or ``info.trust[0][1]``. An index is made of plain numbers and the variables of loops.

The value is Python's, bit for bit, where all numbers are floats and functions are numpy's. An operation without a
finite result is an error that names it, also where Python would go on with inf or nan. ``x ** n`` is a product and
``x ** 0.5`` a root, as numpy has them for arrays. What has no equal here (``//``, ``%``), or differs between versions
of Python (``sum``), is refused.
"""

from __future__ import annotations

import ast
import functools
import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

import numpy as np

from payoff.envs.core.specification import near
from payoff.wrappers.arguments import check_text
from payoff.wrappers.llm import expression
from payoff.wrappers.llm.expression import (
    FUNCTIONS,
    LARGEST,
    MOST_LETTERS,
    SOURCES,
    Apply,
    Local,
    Node,
    Number,
    Read,
)
from payoff.wrappers.rows import Array

__all__ = [
    "MOST_PARTS",
    "MOST_POWER",
    "MOST_TURNS",
    "Assign",
    "Branch",
    "Function",
    "Return",
    "Statement",
    "from_python",
    "nodes_of",
    "run",
    "to_python",
    "translated",
]

MOST_PARTS = 1000  # of a function, with its loops written out
MOST_TURNS = 64  # of a loop
MOST_POWER = 8  # exponent
_MOST_NESTED = 100  # of Python's tree; an elif is one deeper than the if before it
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

_BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_MODULES = ("np", "numpy", "math")
_IN_NUMPY = {**{name: name for name in FUNCTIONS if name not in ("min", "max")}, "absolute": "abs"}
_IN_MATH = {name: name for name in ("exp", "log1p", "sqrt", "tanh", "floor")} | {"fabs": "abs"}
_OF_TWO = {"minimum": "min", "maximum": "max"}  # numpy's take two, and would write into a third
_TAKEN = (*FUNCTIONS, *SOURCES, *_MODULES, "range", "float")  # names that nothing may be assigned to
_ONE_DEF = "the text must be one def and nothing else"
_STATEMENTS = "a function has assignments, if, for over range, pass and return"
_EXPRESSIONS = (
    "an expression has numbers, names, + - * / **, comparisons, and, or, not, if-else and calls of "
    + ", ".join(FUNCTIONS)
)


@dataclass(frozen=True, slots=True)
class Assign:
    """Values that get names, all at once.

    Attributes:
        names: one or more.
        values: one for each.
    """

    names: tuple[str, ...]
    values: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """What is done where a condition holds, and elsewhere.

    Attributes:
        condition: any number but 0 is true.
        body: statements where it is.
        other: statements where it is not.
    """

    condition: Node
    body: tuple[Statement, ...]
    other: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Return:
    """The end of the function.

    Attributes:
        value: of the function.
    """

    value: Node


Statement: TypeAlias = Assign | Branch | Return


@dataclass(frozen=True, slots=True)
class Function:
    """A function that was read: on every way through it names have a value before they are used, and it returns.

    Attributes:
        name: as it was called.
        arguments: those of ``SOURCES`` that it takes.
        body: statements, with loops written out.
    """

    name: str
    arguments: tuple[str, ...]
    body: tuple[Statement, ...]

    @property
    def size(self) -> int:
        """Nodes of all trees and statements."""
        return _size(self.body)


def _size(block: Sequence[Statement]) -> int:
    found = len(block)
    for statement in block:
        found += sum(node.size for node in _own_nodes(statement))
        if isinstance(statement, Branch):
            found += _size(statement.body) + _size(statement.other)
    return found


def _own_nodes(statement: Statement) -> tuple[Node, ...]:
    if isinstance(statement, Assign):
        return statement.values
    return (statement.condition if isinstance(statement, Branch) else statement.value,)


def nodes_of(block: Sequence[Statement]) -> Iterator[Node]:
    """The trees of statements, in the order of their text."""
    for statement in block:
        yield from _own_nodes(statement)
        if isinstance(statement, Branch):
            yield from nodes_of(statement.body)
            yield from nodes_of(statement.other)


def translated(block: Sequence[Statement], change: Callable[[Node], Node]) -> tuple[Statement, ...]:
    """The statements with other trees in place of theirs."""
    found: list[Statement] = []
    for statement in block:
        if isinstance(statement, Assign):
            found.append(Assign(statement.names, tuple(map(change, statement.values))))
        elif isinstance(statement, Return):
            found.append(Return(change(statement.value)))
        else:
            inner = (translated(part, change) for part in (statement.body, statement.other))
            found.append(Branch(change(statement.condition), *inner))
    return tuple(found)


# -- text ------------------------------------------------------------------------------------------------------------


def from_python(text: str) -> Function:
    """The function that a text defines; see the module for what it may say.

    Raises:
        TypeError: ``text`` is no text.
        ValueError: it is too long, also with its loops written out, or no Python, or says something else; one line
            that says where.

    >>> print(to_python(from_python("def reward(obs): x = obs[0] ** 2; return -x")))
    def reward(obs):
        x = obs[0] * obs[0]
        return -x
    """
    check_text("function", text)
    if len(text) > MOST_LETTERS:
        raise ValueError(f"a function has at most {MOST_LETTERS} characters, got {len(text)}")
    found = _Reader().function(_parsed(text))
    length = len(to_python(found))
    if length > MOST_LETTERS:
        raise ValueError(f"not allowed: {length} characters with loops written out; there may be {MOST_LETTERS}")
    return found


def to_python(function: Function) -> str:
    """The text of a function in its only form: ``from_python`` of it is the function."""
    lines = [f"def {function.name}({', '.join(function.arguments)}):", *_lines(function.body, "    ")]
    return "\n".join(lines)


def _lines(block: Sequence[Statement], indent: str) -> Iterator[str]:
    for statement in block:
        if isinstance(statement, Assign):
            sides = ", ".join(statement.names), ", ".join(map(expression.unparse, statement.values))
            yield f"{indent}{' = '.join(sides)}"
        elif isinstance(statement, Return):
            yield f"{indent}return {expression.unparse(statement.value)}"
        else:
            yield from _branch_lines(statement, indent, "if")
    if not block:
        yield f"{indent}pass"


def _branch_lines(branch: Branch, indent: str, word: str) -> Iterator[str]:
    yield f"{indent}{word} {expression.unparse(branch.condition)}:"
    yield from _lines(branch.body, f"{indent}    ")
    match branch.other:
        case ():
            pass
        case (Branch() as further,):
            yield from _branch_lines(further, indent, "elif")
        case _:
            yield f"{indent}else:"
            yield from _lines(branch.other, f"{indent}    ")


def _parsed(text: str) -> ast.FunctionDef:
    """Python's tree of a def, which is not deeper than can be walked by recursion.

    Of a text in the mode of whole files, where it is wrong, Python looks for its lines in a file of the name it is
    given; in that of a single statement it opens nothing. There no empty lines or comments come first.
    """
    odd = re.search(r"[^\x20-\x7e\t\n\r]", text)
    if odd:
        line = text.count("\n", 0, odd.start()) + 1
        raise ValueError(f"not allowed: {odd[0]!a} in line {line}; letters, digits and signs of ASCII alone")
    begin = re.match(r"(?:[ \t]*(?:#[^\r\n]*)?(?:\r\n|\r|\n))*", text)
    before = len(begin[0].splitlines()) if begin else 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd literals; what is odd about them is refused below
            tree = ast.parse("".join(text.splitlines(keepends=True)[before:]) + "\n\n", mode="single")
    except SyntaxError as error:
        line = before + (error.lineno or 1)
        raise ValueError(f"not allowed: line {line}; {_ONE_DEF}, got {error.msg}") from None
    except (ValueError, RecursionError, MemoryError):
        raise ValueError(
            "not allowed: Python cannot read it; it is nested too deeply, or a number is too long"
        ) from None
    ast.increment_lineno(tree, before)
    level: list[ast.AST] = [tree]
    for _ in range(_MOST_NESTED):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if level:
        raise ValueError(f"not allowed: so many parts inside each other; a function is at most {_MOST_NESTED} deep")
    assert isinstance(tree, ast.Interactive)
    found = tree.body[0]
    if not isinstance(found, ast.FunctionDef):
        _refuse(found, _ONE_DEF)
    return found


def _told(node: ast.AST, part: ast.AST | None = None) -> str:
    """What a node is, and where."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(part or node).__name__).lower()
    name = getattr(node, "id", getattr(node, "name", getattr(node, "attr", getattr(node, "arg", None))))
    shown = repr(name[:40]) if isinstance(name, str) else words
    line = getattr(node, "lineno", None)
    return f"{shown} in line {line}" if line else shown


def _refuse(node: ast.AST, why: str, part: ast.AST | None = None) -> NoReturn:
    """Raise ValueError for a node, or a part of it that has no line of its own."""
    raise ValueError(f"not allowed: {_told(node, part)}; {why}")


class _Reader:
    """Translates Python's tree. Every node that is visited counts, so time is bounded whatever loops say.

    Attributes:
        arguments: of the function.
        fixed: variables of loops, and their values in this turn.
        assigned: names that have a value wherever the statement that comes next is reached.
        seen: names that have one somewhere.
    """

    def __init__(self) -> None:
        self.arguments: tuple[str, ...] = ()
        self.fixed: dict[str, int] = {}
        self.assigned: set[str] = set()
        self.seen: set[str] = set()
        self.visits = self.size = 0

    def visit(self, node: ast.AST) -> None:
        """Count a node of Python's tree."""
        self.visits += 1
        self.check(node)

    def kept(self, node: ast.AST, tree: Node) -> Node:
        """Count the nodes of a tree that the function keeps."""
        self.size += tree.size
        self.check(node)
        return tree

    def check(self, node: ast.AST) -> None:
        """Refuse what is too long."""
        if max(self.visits, self.size) > MOST_PARTS:
            _refuse(node, f"a function has at most {MOST_PARTS} parts, its loops written out")

    def function(self, found: ast.FunctionDef) -> Function:
        """The whole."""
        if found.decorator_list:
            _refuse(found.decorator_list[0], "a function has no decorators")
        if getattr(found, "type_params", []):
            _refuse(found, "a function has no type parameters")
        self.new_name(found, found.name)
        given = found.args
        for odd in (given.vararg, given.kwarg, *given.posonlyargs, *given.kwonlyargs):
            if odd is not None:
                _refuse(odd, f"arguments are some of {', '.join(SOURCES)}")
        for default in given.defaults:
            _refuse(default, "arguments have no defaults")
        for argument in given.args:
            if argument.arg not in SOURCES:
                _refuse(argument, f"arguments are some of {', '.join(SOURCES)}{near(argument.arg, SOURCES)}")
            self.annotation(argument.annotation)
        self.annotation(found.returns)
        self.arguments = tuple(argument.arg for argument in given.args)
        if len(set(self.arguments)) < len(self.arguments):
            _refuse(found, "an argument stands there once")
        body = found.body
        if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body = body[1:] if isinstance(body[0].value.value, str) else body
        block, ends = self.block(body)
        if not ends:
            _refuse(found, "every way through a function must end with return")
        return Function(found.name, self.arguments, block)

    def annotation(self, node: ast.expr | None) -> None:
        """Pass over one that is a name, such as float, np.ndarray or None."""
        match node:
            case None | ast.Constant(value=None) | ast.Name():
                return
            case ast.Attribute(value=ast.Name()):
                return
        _refuse(node, "an annotation is a name")

    def new_name(self, node: ast.AST, name: str) -> str:
        """A name that may be given to something."""
        if not _NAME.fullmatch(name):
            _refuse(node, "a name begins with a letter")
        if name in _TAKEN:
            _refuse(node, f"{name} has a meaning already")
        return name

    # statements

    def block(self, body: Sequence[ast.stmt]) -> tuple[tuple[Statement, ...], bool]:
        """The statements, and whether none of the ways through them goes on."""
        found: list[Statement] = []
        ends = False
        for node in body:
            if ends:
                _refuse(node, "nothing may follow a return")
            self.visit(node)
            if isinstance(node, ast.For):
                ends = self.loop(node, found)
            elif isinstance(node, ast.If):
                branch, ends = self.branch(node)
                found.append(branch)
            elif isinstance(node, ast.Return):
                if node.value is None:
                    _refuse(node, "return must be followed by a number")
                found.append(Return(self.kept(node, self.value(node.value))))
                ends = True
            elif not isinstance(node, ast.Pass):
                found.append(self.assignment(node))
        return tuple(found), ends

    def loop(self, node: ast.For, found: list[Statement]) -> bool:
        """Append what a loop does in all its turns; whether it returns in one, which is then the last."""
        call = node.iter
        if node.orelse:
            _refuse(node.orelse[0], "a loop has no else")
        if not isinstance(node.target, ast.Name):
            _refuse(node.target, "a loop has one variable")
        if not (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id == "range"
            and 1 <= len(call.args) <= 3
            and not call.keywords
        ):
            _refuse(call, "a loop is over range(...) of plain numbers")
        name = self.new_name(node.target, node.target.id)
        if name in self.seen or name in self.fixed:
            _refuse(node.target, "the variable of a loop must have a name of its own")
        limits = [self.whole(argument) for argument in call.args]
        if len(limits) == 3 and limits[2] == 0:
            _refuse(call, "the step of a range must not be 0")
        turns = range(*limits)
        if not 1 <= len(turns) <= MOST_TURNS:
            _refuse(call, f"a loop has 1 to {MOST_TURNS} turns")
        try:
            for turn in turns:
                self.fixed[name] = turn
                block, ends = self.block(node.body)
                found += block
                if ends:  # what later turns say is never reached
                    return True
            return False
        finally:
            self.fixed.pop(name, None)

    def branch(self, node: ast.If) -> tuple[Branch, bool]:
        """An if, and whether it never goes on."""
        condition = self.kept(node, self.truth(node.test))
        before = set(self.assigned)
        body, ends = self.block(node.body)
        after, self.assigned = self.assigned, before
        other, other_ends = self.block(node.orelse)
        if ends or other_ends:
            self.assigned = self.assigned if ends else after
        else:
            self.assigned = self.assigned & after
        return Branch(condition, body, other), ends and other_ends

    def assignment(self, node: ast.stmt) -> Assign:
        """``x = 1``, ``x, y = 1, 2``, ``x = y = 1``, ``x: float = 1``, ``x += 1``."""
        if isinstance(node, ast.AugAssign):
            operator = _BINARY.get(type(node.op))
            if operator is None:
                _refuse(node, "there are += -= *= /=", node.op)
            targets: list[ast.expr] = [node.target]
            values = [self.applied(node, operator, self.value(node.target), self.value(node.value))]
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self.annotation(node.annotation)
            targets, values = [node.target], [self.value(node.value)]
        elif isinstance(node, ast.Assign):
            first = node.targets[0]
            if len(node.targets) == 1 and isinstance(first, ast.Tuple) and isinstance(node.value, ast.Tuple):
                targets, values = first.elts, [self.value(part) for part in node.value.elts]
            else:
                targets, values = node.targets, [self.value(node.value)] * len(node.targets)
        else:
            _refuse(node, _STATEMENTS)
        if len(targets) != len(values) or not targets:
            _refuse(node, "there must be as many names as values")
        names = tuple(map(self.target, targets))
        for value in values:
            self.kept(node, value)
        self.assigned |= set(names)
        self.seen |= set(names)
        return Assign(names, tuple(values))

    def target(self, node: ast.expr) -> str:
        """A name that gets a value."""
        if not isinstance(node, ast.Name):
            _refuse(node, "only a name can be assigned to")
        if node.id in self.fixed:
            _refuse(node, "the variable of a loop cannot be assigned to")
        return self.new_name(node, node.id)

    # expressions

    def truth(self, node: ast.expr) -> Node:
        """The tree of what only has to be true or false."""
        if not isinstance(node, ast.BoolOp):
            return self.value(node)
        self.visit(node)
        name = "and" if isinstance(node.op, ast.And) else "or"
        return self.applied(node, name, *map(self.truth, node.values))

    def value(self, node: ast.expr) -> Node:
        """The tree of an expression."""
        self.visit(node)
        match node:
            case ast.Constant(value=bool() | int() | float() as number):
                return self.number(node, number)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return self.named(node)
            case ast.UnaryOp(op=ast.UAdd(), operand=inner):
                return self.value(inner)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                found = self.value(inner)
                return Number(-found.value) if isinstance(found, Number) else self.applied(node, "neg", found)
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return self.applied(node, "not", self.truth(inner))
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return self.power(node, self.value(left), right)
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _BINARY:
                return self.applied(node, _BINARY[type(operator)], self.value(left), self.value(right))
            case ast.BinOp(op=ast.FloorDiv()):
                _refuse(node, "write floor(a / b)", node.op)
            case ast.BinOp(op=ast.Mod()):
                _refuse(node, "write a - b * floor(a / b)", node.op)
            case ast.BoolOp():
                return self.joined(node)
            case ast.Compare():
                return self.comparison(node)
            case ast.IfExp(test=test, body=body, orelse=other):
                return self.applied(node, "if", self.truth(test), self.value(body), self.value(other))
            case ast.Call():
                return self.call(node)
        _refuse(node, _EXPRESSIONS)

    def applied(self, node: ast.AST, name: str, *parts: Node) -> Node:
        """An operation; what it refuses is told with its line."""
        try:
            return Apply(name, parts)
        except ValueError as error:
            _refuse(node, str(error))

    def number(self, node: ast.expr, value: float) -> Number:
        """A constant."""
        if not abs(value) <= LARGEST:
            _refuse(node, f"numbers are at most {LARGEST:g} in size")
        return Number(float(value))

    def joined(self, node: ast.BoolOp) -> Node:
        """``a and b`` as a number: Python's is a where a is false, else b."""
        name = "and" if isinstance(node.op, ast.And) else "or"
        if all(map(_says_yes_or_no, node.values)):
            return self.applied(node, name, *map(self.value, node.values))
        *before, last = node.values
        found = self.value(last)
        for part in reversed(before):
            condition, value = self.truth(part), self.value(part)
            choices = (found, value) if name == "and" else (value, found)
            found = self.applied(node, "if", condition, *choices)
        return found

    def comparison(self, node: ast.Compare) -> Node:
        """``a < b``, or ``a < b < c``."""
        names = [_COMPARISONS.get(type(operator)) for operator in node.ops]
        parts = [self.value(part) for part in (node.left, *node.comparators)]
        pairs: list[Node] = []
        for i, name in enumerate(names):
            if name is None:
                _refuse(node, "comparisons are < <= > >= == !=", node.ops[i])
            pairs.append(self.applied(node, name, parts[i], parts[i + 1]))
        return pairs[0] if len(pairs) == 1 else self.applied(node, "and", *pairs)

    def power(self, node: ast.BinOp, base: Node, right: ast.expr) -> Node:
        """``x ** n`` as a product, ``x ** 0.5`` as a root."""
        exponent = right.value if isinstance(right, ast.Constant) else None
        if exponent == 0.5:
            return self.applied(node, "sqrt", base)
        if isinstance(exponent, int | float) and exponent is not True and exponent in range(1, MOST_POWER + 1):
            found = base
            for _ in range(int(exponent) - 1):
                found = self.applied(node, "*", found, base)
            return found
        _refuse(right, f"an exponent is a plain number, 1 .. {MOST_POWER} or 0.5")

    def call(self, node: ast.Call) -> Node:
        """A function of the language, by one of its spellings."""
        if node.keywords:
            _refuse(node.keywords[0], "arguments of a call have no names")
        most = None
        match node.func:
            case ast.Name(id="float") if len(node.args) == 1:
                return self.value(node.args[0])
            case ast.Name(id=name) if name in FUNCTIONS:
                pass
            case ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=attr) if attr in _OF_TWO:
                name, most = _OF_TWO[attr], 2
            case ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=attr) if attr in _IN_NUMPY:
                name = _IN_NUMPY[attr]
            case ast.Attribute(value=ast.Name(id="math"), attr=attr) if attr in _IN_MATH:
                name = _IN_MATH[attr]
            case _:
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                told = node.func if called else node
                _refuse(told, f"calls are of {', '.join(FUNCTIONS)}{near(called, FUNCTIONS)}")
        if most and len(node.args) > most:
            _refuse(node.func, f"it takes {most} numbers")
        return self.applied(node.func, name, *map(self.value, node.args))

    def named(self, node: ast.expr) -> Node:
        """A local name, a constant of a module, or something that a step holds."""
        match node:
            case ast.Name(id=name) if name in self.fixed:
                return self.number(node, self.fixed[name])
            case ast.Name(id=name) if name in self.assigned:
                return Local(name)
            case ast.Name(id=name) if name in self.seen:
                _refuse(node, "it has no value on some of the ways to this line")
            case ast.Attribute(value=ast.Name(id="np" | "numpy" | "math"), attr="pi"):
                return Number(math.pi)
        steps: list[ast.Attribute | ast.Subscript] = []
        inner = node
        while isinstance(inner, ast.Attribute | ast.Subscript):
            self.visit(inner)
            steps.append(inner)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            _refuse(inner, f"only {', '.join(SOURCES)} have entries")
        if inner.id not in self.arguments:
            known = (*self.arguments, *sorted(self.seen))
            why = "it is no argument of the function" if inner.id in SOURCES else f"unknown name{near(inner.id, known)}"
            _refuse(inner, f"{why}; here are {', '.join(known) or 'none'}")
        name, place = "", []
        for number, step in enumerate(reversed(steps)):
            word = step.attr if isinstance(step, ast.Attribute) else _word(step.slice)
            if word is not None:
                if number or not _NAME.fullmatch(word):
                    _refuse(step, "an entry has one name, which begins with a letter")
                name = word
                continue
            assert isinstance(step, ast.Subscript)
            axes = step.slice.elts if isinstance(step.slice, ast.Tuple) else [step.slice]
            for axis in axes:
                place.append(self.whole(axis))
                if not 0 <= place[-1] < 10**9:
                    _refuse(axis, "an index is a whole number, 0 or more")
        try:
            return Read(inner.id, name, tuple(place))
        except ValueError as error:
            _refuse(inner, str(error))

    def whole(self, node: ast.expr) -> int:
        """A whole number that is known without running anything."""
        self.visit(node)
        match node:
            case ast.Constant(value=int(number)) if not isinstance(number, bool) and abs(number) <= LARGEST:
                return number
            case ast.Name(id=name) if name in self.fixed:
                return self.fixed[name]
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -self.whole(inner)
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() as operator, right=right):
                a, b = self.whole(left), self.whole(right)
                found = a + b if isinstance(operator, ast.Add) else a - b if isinstance(operator, ast.Sub) else a * b
                if abs(found) <= LARGEST:
                    return found
        _refuse(node, "an index or a range is of whole numbers and variables of loops")


def _word(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _says_yes_or_no(node: ast.expr) -> bool:
    """Whether Python's value is 0 or 1, whatever the numbers are."""
    match node:
        case ast.Compare() | ast.UnaryOp(op=ast.Not()) | ast.Constant(value=0 | 1):
            return True
        case ast.BoolOp(values=values):
            return all(map(_says_yes_or_no, values))
    return False


# -- value -----------------------------------------------------------------------------------------------------------


def run(function: Function, read: Callable[[Read], Array], mask: Array) -> Array:
    """Value of a function in the rows of a mask: as :func:`payoff.wrappers.llm.expression.evaluate`, for a function.

    Every statement is evaluated at once for all rows that reach it.

    Args:
        function: see :func:`from_python`.
        read: what gives the numbers ``(R,)`` that a step holds; those outside the mask are not looked at.
        mask: ``(R,)`` bool.

    Returns:
        ``(R,)`` float64, finite; 0 outside the mask.

    Raises:
        ValueError: a number that is read is not finite, or an operation has no finite result.
    """
    found = np.zeros(mask.shape)
    names: dict[str, Array] = {}

    @functools.cache
    def entry(what: Read) -> Array:
        return read(what)

    def look(what: Read | Local) -> Array:
        return names[what.name] if isinstance(what, Local) else entry(what)

    def go(block: Sequence[Statement], rows: Array) -> Array:
        """Do the statements; the rows that have not returned."""
        for statement in block:
            if not len(rows):
                break
            if isinstance(statement, Assign):
                values = [expression.value(node, look, rows) for node in statement.values]
                for name, value in zip(statement.names, values, strict=True):
                    if len(rows) < len(mask):  # of an array that another name may have, too, only a copy changes
                        old = names.get(name)
                        names[name] = np.zeros(mask.shape) if old is None else old.copy()
                        names[name][rows] = value
                    else:
                        names[name] = value
            elif isinstance(statement, Return):
                found[rows] = expression.value(statement.value, look, rows)
                rows = rows[:0]
            else:
                true = expression.value(statement.condition, look, rows) != 0.0
                left = go(statement.body, rows[true]), go(statement.other, rows[~true])
                if len(left[0]) + len(left[1]) < len(rows):
                    goes_on = np.zeros(mask.shape, dtype=np.bool_)
                    goes_on[left[0]] = goes_on[left[1]] = True
                    rows = np.flatnonzero(goes_on)
        return rows

    with np.errstate(all="ignore"):
        go(function.body, np.flatnonzero(mask))
    return found
