"""The language: what it means, that a text and its tree are one, and that nothing else is let in."""

from __future__ import annotations

import ast
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payoff.wrappers.llm.expression import (
    FUNCTIONS,
    MOST_DEEP,
    MOST_LETTERS,
    MOST_NODES,
    Apply,
    Number,
    Read,
    evaluate,
    parse,
    reads_of,
    unparse,
)

ROWS = 4
STEP = {
    "obs[0]": [0.0, 1.0, -2.0, 0.5],
    "obs[1]": [3.0, -1.0, 0.25, 0.0],
    "next_obs[0]": [1.0, 1.0, 2.0, -0.5],
    "action[0]": [0.0, 1.0, 2.0, 3.0],
    "info.progress": [0.0, 0.25, 0.5, 1.0],
    "info.trust[0,1]": [0.1, 0.2, 0.3, 0.4],
    "terminated": [0.0, 0.0, 1.0, 0.0],
}


def read(what):
    return np.array(STEP[unparse(what)])


def value(text, rows=None):
    mask = np.ones(ROWS, dtype=bool) if rows is None else np.isin(np.arange(ROWS), rows)
    return evaluate(parse(text), read, mask).tolist()


# -- meaning -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2", [2, 2, 2, 2]),
        (".5", [0.5] * 4),
        ("5.", [5] * 4),
        ("1e-3", [0.001] * 4),
        ("-1.5e2", [-150] * 4),
        ("obs[0]", [0, 1, -2, 0.5]),
        ("info.trust[0,1]", [0.1, 0.2, 0.3, 0.4]),
        ("terminated", [0, 0, 1, 0]),
        ("obs[0] + obs[1] * 2", [6, -1, -1.5, 0.5]),
        ("(obs[0] + obs[1]) * 2", [6, 0, -3.5, 1]),
        ("obs[0] - obs[1] - 1", [-4, 1, -3.25, -0.5]),
        ("obs[0] - (obs[1] - 1)", [-2, 3, -1.25, 1.5]),
        ("8 / 2 / 2", [2] * 4),
        ("8 / (2 / 2)", [8] * 4),
        ("-obs[0] * 2", [0, -2, 4, -1]),
        ("--obs[0]", [0, 1, -2, 0.5]),
        ("+obs[0]", [0, 1, -2, 0.5]),
        ("2 - -1", [3] * 4),
        ("obs[0] < 0.5", [1, 0, 1, 0]),
        ("obs[0] <= 0.5", [1, 0, 1, 1]),
        ("obs[0] > 0.5", [0, 1, 0, 0]),
        ("obs[0] >= 0.5", [0, 1, 0, 1]),
        ("action[0] == 2", [0, 0, 1, 0]),
        ("action[0] != 2", [1, 1, 0, 1]),
        ("1 + action[0] == 2", [0, 1, 0, 0]),
        ("0 <= obs[0] < 1", [1, 0, 0, 1]),
        ("3 > action[0] > 0 != 1", [0, 1, 1, 0]),
        ("obs[0] > 0 and obs[1] < 0", [0, 1, 0, 0]),
        ("obs[0] and 7", [0, 1, 1, 1]),
        ("obs[0] or terminated", [0, 1, 1, 1]),
        ("obs[0] > 0 or obs[1] > 1 and action[0] > 5", [0, 1, 0, 1]),
        ("(obs[0] > 0 or obs[1] > 1) and action[0] > 5", [0, 0, 0, 0]),
        ("not obs[0]", [1, 0, 0, 0]),
        ("not obs[0] > 0", [1, 0, 1, 0]),
        ("not not obs[0]", [0, 1, 1, 1]),
        ("not obs[0] or obs[1] == -1", [1, 1, 0, 0]),
        ("5 if obs[0] > 0 else -5", [-5, 5, -5, 5]),
        ("1 if action[0] < 1 else 2 if action[0] < 2 else 3", [1, 2, 3, 3]),
        ("1 + 1 if terminated else 0", [0, 0, 2, 0]),
        ("abs(obs[0])", [0, 1, 2, 0.5]),
        ("min(obs[0], obs[1], 0)", [0, -1, -2, 0]),
        ("max(obs[0], obs[1])", [3, 1, 0.25, 0.5]),
        ("clip(obs[0], -1, 0.25)", [0, 0.25, -1, 0.25]),
        ("clip(obs[0], 5, 4)", [4] * 4),  # the upper end has the last word
        ("exp(-action[0])", [1, math.exp(-1), math.exp(-2), math.exp(-3)]),
        ("log1p(action[0])", [0, math.log(2), math.log(3), math.log(4)]),
        ("sqrt(action[0] * action[0])", [0, 1, 2, 3]),
        ("tanh(info.progress)", [0, math.tanh(0.25), math.tanh(0.5), math.tanh(1)]),
        ("sign(obs[0])", [0, 1, -1, 1]),
        ("floor(obs[0])", [0, 1, -2, 0]),
        ("floor(-obs[0] / 4)", [0, -1, 0, -1]),
        (" \t\n obs[0]\r\n*\n2 ", [0, 2, -4, 1]),
    ],
)
def test_meaning(text, expected):
    np.testing.assert_allclose(value(text), expected, rtol=1e-15, atol=0.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("next_obs[0] / obs[0] if obs[0] != 0 else 9", [9, 1, -1, -1]),
        ("9 if obs[0] == 0 else 1 / obs[0]", [9, 1, -0.5, 2]),
        ("obs[0] != 0 and 1 / obs[0] > 0", [0, 1, 0, 1]),
        ("obs[0] == 0 or 1 / obs[0] > 0", [1, 1, 0, 1]),
        ("sqrt(obs[0]) if obs[0] >= 0 else 0", [0, 1, 0, math.sqrt(0.5)]),
    ],
)
def test_a_condition_guards_what_it_decides_about(text, expected):
    np.testing.assert_allclose(value(text), expected, rtol=1e-15)


def test_rows_outside_the_mask_are_not_looked_at():
    assert value("1 / obs[0]", rows=[1, 3]) == [0.0, 1.0, 0.0, 2.0]
    bad = np.array([np.nan, 1.0, np.inf, 2.0])
    found = evaluate(parse("obs[0]"), lambda what: bad, np.array([False, True, False, True]))
    assert found.tolist() == [0.0, 1.0, 0.0, 2.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2 + 1 / obs[0]", r"1 / obs\[0\] has no finite value: it is of 1 and 0 here"),
        ("0 / obs[0]", r"0 / obs\[0\] has no finite value: it is of 0 and 0 here"),
        ("sqrt(obs[0])", r"sqrt\(obs\[0\]\) has no finite value: it is of -2 here"),
        ("log1p(obs[0])", r"log1p\(obs\[0\]\) has no finite value: it is of -2 here"),
        ("log1p(-1)", r"log1p\(-1\) has no finite value"),
        ("exp(1000 * action[0])", r"has no finite value: it is of 1000 here"),
        ("exp(700) * exp(700)", "has no finite value"),
    ],
)
def test_what_has_no_finite_value_is_an_error_that_names_it(text, message):
    with pytest.raises(ValueError, match=message):
        value(text)


def test_a_number_that_is_read_must_be_finite():
    with pytest.raises(ValueError, match=r"^obs\[3\] must be finite, got nan$"):
        evaluate(parse("1 + obs[3]"), lambda what: np.array([0.0, np.nan]), np.ones(2, dtype=bool))


# -- text and tree -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tree", "canonical"),
    [
        ("1+2*3", Apply("+", (Number(1), Apply("*", (Number(2), Number(3))))), "1 + (2 * 3)"),
        ("-2", Number(-2), "-2"),
        ("-(2)", Apply("neg", (Number(2),)), "-(2)"),
        ("-obs[0]", Apply("neg", (Read("obs", "", (0,)),)), "-obs[0]"),
        ("obs.x", Read("obs", "x"), "obs.x"),
        ("obs.cell[3]", Read("obs", "cell", (3,)), "obs.cell[3]"),
        ("info.a[0 , 1]", Read("info", "a", (0, 1)), "info.a[0,1]"),
        ("1 < 2 < 3", Apply("and", (Apply("<", (Number(1), Number(2))), Apply("<", (Number(2), Number(3))))), None),
        ("1 if 2 else 3", Apply("if", (Number(2), Number(1), Number(3))), "1 if 2 else 3"),
        ("1e20 / 1e21", None, None),
        ("0.1", Number(0.1), "0.1"),
        ("-0.0", Number(0.0), "0"),
        ("007", Number(7), "7"),
    ],
)
def test_text_and_tree(text, tree, canonical):
    if tree is None:  # a number that is too large
        with pytest.raises(ValueError, match="at most 1e\\+12"):
            parse(text)
        return
    assert parse(text) == tree
    assert canonical is None or unparse(tree) == canonical
    assert parse(unparse(tree)) == tree


def test_reads_of_a_tree():
    tree = parse("obs[0] * obs[0] + (info.a if terminated else action[1])")
    assert [unparse(one) for one in reads_of(tree)] == ["obs[0]", "terminated", "info.a", "action[1]"]


LEAVES = st.one_of(
    st.floats(-1e6, 1e6, allow_subnormal=False).map(Number),
    st.integers(-5, 5).map(Number),
    st.sampled_from(sorted(STEP)).map(parse),
)


def joined(parts):
    two = st.tuples(parts, parts)
    return st.one_of(
        st.builds(Apply, st.sampled_from(["neg", "not", *FUNCTIONS.keys() - {"min", "max", "clip"}]), st.tuples(parts)),
        st.builds(Apply, st.sampled_from(["+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!="]), two),
        st.builds(
            Apply, st.sampled_from(["min", "max", "and", "or"]), st.lists(parts, min_size=2, max_size=4).map(tuple)
        ),
        st.builds(Apply, st.sampled_from(["clip", "if"]), st.tuples(parts, parts, parts)),
    )


TREES = st.recursive(LEAVES, joined, max_leaves=25)


@settings(max_examples=200, deadline=None)
@given(TREES)
def test_the_text_of_a_tree_is_its_own(tree):
    text = unparse(tree)
    assert parse(text) == tree and unparse(parse(text)) == text


class NothingError(Exception):
    """There is no value."""


def by_hand(node, row):
    """Value of a text in one row, from Python's own tree of it: an evaluator that shares nothing with ours."""
    match node:
        case ast.Expression(body):
            return by_hand(body, row)
        case ast.Constant(number):
            return float(number)
        case ast.Attribute() | ast.Subscript() | ast.Name():
            return STEP[ast.unparse(node).replace("(", "").replace(")", "").replace(", ", ",")][row]
        case ast.IfExp(test, body, other):
            return by_hand(body if by_hand(test, row) != 0 else other, row)
        case ast.BoolOp(ast.And(), values):
            return float(all(by_hand(v, row) != 0 for v in values))
        case ast.BoolOp(ast.Or(), values):
            return float(any(by_hand(v, row) != 0 for v in values))
        case ast.UnaryOp(ast.USub(), inner):
            return -by_hand(inner, row)
        case ast.UnaryOp(ast.Not(), inner):
            return float(by_hand(inner, row) == 0)
        case ast.BinOp(left, op, right):
            a, b = by_hand(left, row), by_hand(right, row)
            if isinstance(op, ast.Div) and b == 0:
                raise NothingError
            sums = {ast.Add: lambda: a + b, ast.Sub: lambda: a - b, ast.Mult: lambda: a * b, ast.Div: lambda: a / b}
            return finite(sums[type(op)]())
        case ast.Compare(left, [op], [right]):
            a, b = by_hand(left, row), by_hand(right, row)
            signs = {ast.Lt: a < b, ast.LtE: a <= b, ast.Gt: a > b, ast.GtE: a >= b, ast.Eq: a == b, ast.NotEq: a != b}
            return float(signs[type(op)])
        case ast.Call(ast.Name(name), arguments):
            parts = [by_hand(x, row) for x in arguments]
            if name == "clip":
                return min(max(parts[0], parts[1]), parts[2])
            if name == "sign":
                return float((parts[0] > 0) - (parts[0] < 0))
            if (name == "sqrt" and parts[0] < 0) or (name == "log1p" and parts[0] <= -1):
                raise NothingError
            own = {"abs": abs, "min": min, "max": max}
            try:
                return finite(float(own.get(name, getattr(math, name, None))(*parts)))
            except OverflowError:
                raise NothingError from None
    raise AssertionError(ast.dump(node))


def finite(x):
    if not math.isfinite(x):
        raise NothingError
    return x


# the last digit of these may differ between libraries, and a comparison or a floor makes much of it
ROUNDED = {"exp", "log1p", "tanh"}


def names_in(tree):
    return {tree.name}.union(*map(names_in, tree.parts)) if isinstance(tree, Apply) else set()


@settings(max_examples=300, deadline=None)
@given(TREES.filter(lambda tree: not ROUNDED & names_in(tree)))
def test_values_are_those_of_an_independent_evaluator(tree):
    python = ast.parse(unparse(tree), mode="eval")
    expected = []
    for row in range(ROWS):
        try:
            expected.append(by_hand(python, row))
        except NothingError:
            expected.append(None)
    for row, one in enumerate(expected):
        mask = np.arange(ROWS) == row
        if one is None:
            with pytest.raises(ValueError, match="has no finite value"):
                evaluate(tree, read, mask)
        else:
            assert evaluate(tree, read, mask)[row] == one
    if None not in expected:
        assert evaluate(tree, read, np.ones(ROWS, dtype=bool)).tolist() == expected


def test_the_largest_trees_are_read_back():
    for name in ("+", "-", "neg", "not", "if", "abs", "max", "and"):
        tree = Read("obs", "", (0,))
        for _ in range(MOST_DEEP - 1):
            more = {"neg": (tree,), "not": (tree,), "abs": (tree,), "if": (Number(1), Number(2), tree)}
            tree = Apply(name, more.get(name, (Number(1), tree)))
        assert tree.depth == MOST_DEEP and parse(unparse(tree)) == tree
        with pytest.raises(ValueError, match="at most 64 deep"):
            Apply("neg", (tree,))
    wide = Apply("max", (Number(1),) * (MOST_NODES - 1))
    assert wide.size == MOST_NODES and parse(unparse(wide)) == wide
    with pytest.raises(ValueError, match="at most 500 parts"):
        Apply("max", (Number(1),) * MOST_NODES)


# -- what is refused ---------------------------------------------------------------------------------------------

WORDS = [
    *("__import__", "eval", "exec", "compile", "open", "input", "print", "getattr", "setattr", "globals", "locals"),
    *("vars", "dir", "type", "object", "os", "sys", "numpy", "np", "math", "self", "env", "state", "reward", "x"),
    *("True", "False", "None", "nan", "inf", "pi", "e", "lambda", "def", "class", "import", "return", "yield", "await"),
    *("in", "is", "for", "while", "with", "try", "raise", "del", "global", "pass", "assert", "pow", "sum", "round"),
    *("log", "sin", "any", "all", "Obs", "OBS", "observation", "next", "done", "_", "__class__", "obs_", "breakpoint"),
]
TEXTS = [
    # statements and what Python would run
    *("import os", "from os import path", "x = 1", "x := 1", "(x := 1)", "a; b", "1;", "del obs", "pass", "return 1"),
    *("__import__('os').system('true')", "eval('1')", "exec('1')", "open('/etc/passwd')", "print(1)", "input()"),
    *("lambda: 1", "(lambda: 1)()", "lambda x: x", "[1, 2]", "{1: 2}", "{1, 2}", "(1, 2)", "()", "[]", "{}"),
    *("[x for x in obs]", "(x for x in obs)", "{x for x in obs}", "{x: x for x in obs}", "sum(x for x in obs)"),
    *("await obs", "yield", "(yield)", "yield from obs", "*obs", "**obs", "obs, 1", "1,", "1 2", "obs[0] action[0]"),
    *("f'{obs}'", "f'{1}'", "'text'", '"text"', "b'1'", "'''x'''", "r'x'", "...", "Ellipsis", "obs[...]", "`1`"),
    # attributes and dunders
    *("obs.__class__", "obs.__class__.__mro__", "obs._x", "info.__class__", "info._x", "().__class__", "obs.x.y"),
    *("info.a.b", "info.a.b.c", "action.x", "terminated.real", "(1).real", "1.real", "1..real", "abs.__call__(1)"),
    *("obs[0].real", "obs[0].__class__", "abs(1).real", "obs.", "info.", "info", ".x", "obs..x", "obs.1", "info.[0]"),
    # calls
    *("obs()", "obs(0)", "info.a()", "info.get(1)", "obs[0](1)", "abs", "abs()", "abs(1, 2)", "abs(x=1)", "abs(*obs)"),
    *("abs(**obs)", "abs(1)(2)", "(abs)(1)", "max()", "max(1)", "min(1)", "clip(1, 2)", "clip(1, 2, 3, 4)", "exp()"),
    *("max(1, key=2)", "max(1, 2,)", "abs(1", "abs 1", "abs[1]", "abs(1))", "max(,1)", "max(1,,2)", "sqrt(1; 2)"),
    # places
    *("obs[-1]", "obs[1:2]", "obs[:]", "obs[::2]", "obs[0][1]", "obs[0.5]", "obs[1e1]", "obs[obs[0]]", "obs[x]"),
    *("obs[]", "obs[0", "obs 0]", "obs[0,]", "obs[,0]", "obs['x']", "obs[None]", "obs[1+1]", "obs[(0)]", "obs[+1]"),
    *("obs[9999999999]", "obs[0x1]", "obs[1_0]", "action[-0]", "info.a[-1]", "info[0]", "info['a']", "terminated[0]"),
    # operators
    *("2 ** 3", "2 // 3", "2 % 3", "2 @ 3", "2 & 3", "2 | 3", "2 ^ 3", "~2", "2 << 3", "2 >> 3", "1 <> 2", "1 = 2"),
    *("1 === 2", "1 => 2", "1 =< 2", "1 !== 2", "!1", "1 && 2", "1 || 2", "1 ? 2 : 3", "1 in obs", "1 not in obs"),
    *("1 is 1", "1 is not 1", "not", "and 1", "1 and", "1 or or 2", "1 + not 2", "- not 1", "1 == not 2", "1 +", "* 1"),
    *("1 if 2", "1 if 2 else", "if 1 else 2", "1 else 2", "else", "1 if else 2", "1 < obs[0] + 1 < 2 > 1", "1 -> 2"),
    # numbers
    *(
        "1j",
        "1_000",
        "0x10",
        "0b1",
        "0o7",
        "1e",
        "1e+",
        "1.2.3",
        "1e999",
        "1e13",
        "1" * 50,
        "1e0000000000000000000000000000000000001x",
    ),
    *("9" * 3999, "0." + "1" * 3000, "1e" + "9" * 3000, "1l", "1f", "1if 2else 3", "00x", "1e5e5", "-1e300", ". 5"),
    # letters
    *(
        "\u043ebs[0]",
        "\uff4f\uff42\uff53[0]",
        "obs[\uff10]",
        "obs[\u0663]",
        "\u00b2",
        "\u00bd",
        "\u221e",
        "\u03c0",
        "1 \u2212 2",
        "1 \u00d7 2",
        "a\u200bbs(1)",
        "abs\u00a0(1)",
    ),
    *(
        "ab\u0455(1)",
        "\u202eobs[0]",
        "\U0001d428\U0001d41b\U0001d42c[0]",
        "\ufb01",
        "\ufeff1",
        "\x00",
        "1\x00",
        "obs[0]\x00",
        "\x0c1",
        "\x1b[0m",
        "\x7f",
        "\ud800",
    ),
    *("1 # comment", "#", "\\", "1 \\\n + 2", "$1", "@", "?", "obs[0]!", "'", '"', "{", "}", "1:2", ":"),
    # size and depth
    *("", " ", "\n", "(" * 3999, "[" * 3999, "-" * 3999, "-" * 3998 + "1", "(" * 1999 + "1" + ")" * 1999, ")" * 3999),
    *("not " * 999 + "1", "abs(" * 999, "max(1," * 600, "1+" * 1999 + "1", "1*" * 1999 + "1", "1<" * 1999 + "1"),
    *("1 and " * 600 + "1", "1 if 1 else " * 300 + "1", "1 if " * 500 + "1", "obs[" * 999, "obs." * 999, "1," * 1999),
    *("max(" + "1," * 1990 + "1)", "x" * MOST_LETTERS, "((1)" * 900, "a" * (MOST_LETTERS + 1), "1 " * 5_000_000),
    *("(" * 10_000_000, "\u00e9" * 10_000_000, "(" * 100 + "1", "obs[0] " * 500, "f(" * 1000, "{" * 1000, "if " * 1000),
]
HOSTILE = [*TEXTS, *WORDS, *(f"{word}(1)" for word in WORDS), *(f"1 + {word}" for word in WORDS)]


def test_the_corpus_is_large():
    assert len(set(HOSTILE)) > 400


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_refused(text):
    """One line that says why, soon, and nothing else happens."""
    began = time.process_time()
    with pytest.raises(ValueError, match=r"^(not allowed: |an expression has at most )") as caught:
        parse(text)
    spent = time.process_time() - began
    said = str(caught.value)
    assert said.isprintable() and said.isascii() and len(said) < 300, said
    assert type(caught.value) is ValueError and spent < 0.25


@pytest.mark.parametrize("text", [None, 1, b"1", ["1"], 1.0, ast.parse("1")])
def test_what_is_no_text(text):
    with pytest.raises(TypeError, match="expression must be a text"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 + os", "not allowed: 'os' at character 5; unknown name"),
        ("obd[0]", r"not allowed: 'obd' at character 1; unknown name \(did you mean 'obs'\?\)"),
        ("obs[0] ** 2", r"not allowed: '\*\*' at character 8; nothing may follow an expression"),
        ("max(1)", "not allowed: 'max' at character 1; max takes 2 or more arguments, got 1"),
        ("obs[-1]", "not allowed: '-' at character 5; an index is a whole number, 0 or more"),
        ("\u043ebs", r"not allowed: '\\u043e' at character 1$"),
        ("obs.__class__", "not allowed: '_' at character 5$"),
        ("1 +", "not allowed: the end of the text at character 4; a number, a name or a bracket must come here"),
        ("1 < obs[0] + 1 < 2", "not allowed: '<' at character 16; write a < b and b < c"),
        ("info", "not allowed: 'info' at character 1; info needs the name of an entry"),
        ("2 * 1e13", r"not allowed: '1e13' at character 5; numbers have at most 40 characters and are at most 1e\+12"),
        ("x" * 4001, "an expression has at most 4000 characters, got 4001"),
    ],
)
def test_reasons(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Number(math.nan), "value must be a number"),
        (lambda: Number(1e13), "value must be a number"),
        (lambda: Read("env"), "source must be one of"),
        (lambda: Read("info"), "info needs the name"),
        (lambda: Read("obs", "__class__"), "name must be empty or a word"),
        (lambda: Read("action", "x"), "name must be empty or a word"),
        (lambda: Read("obs", "", (-1,)), "place must be an integer"),
        (lambda: Read("terminated", "", (0,)), "takes no index"),
        (lambda: Apply("eval", (Number(1),)), "name must be one of"),
        (lambda: Apply("+", (Number(1),)), r"\+ takes 2 arguments, got 1"),
        (lambda: Apply("abs", (Number(1), Number(2))), "abs takes 1 argument, got 2"),
    ],
)
def test_no_other_tree_can_be_made(make, message):
    with pytest.raises(ValueError, match=message):
        make()
