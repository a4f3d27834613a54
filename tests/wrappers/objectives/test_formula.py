"""Formulas: what binds tighter, negation normal form, truth tables against Python's own logic, and clear errors."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from payoff.wrappers.objectives.formula import FALSE, TRUE, Formula, check_symbols, parse, symbols_of, truth_table

NAMES = ("a", "b", "c")

propositions = st.recursive(
    st.sampled_from([*NAMES, "True", "False"]),
    lambda inner: st.one_of(
        inner.map(lambda x: f"(not {x})"),
        st.tuples(inner, st.sampled_from(["and", "or", "==", "<="]), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
    ),
    max_leaves=8,
)


def ours(text):
    """Python's spelling as this grammar's; ``<=`` between bools is "implies"."""
    for python, formula in {
        "not ": "!",
        " and ": " & ",
        " or ": " | ",
        " == ": " <-> ",
        " <= ": " -> ",
        "True": "true",
        "False": "false",
    }.items():
        text = text.replace(python, formula)
    return text


@given(propositions)
def test_truth_table_is_that_of_python(text):
    table = truth_table(parse(ours(text)), NAMES)
    for letter in range(8):
        values = {name: bool(letter >> i & 1) for i, name in enumerate(NAMES)}
        assert table[letter] == eval(text, {}, values)


@given(propositions)
def test_negation(text):
    table = truth_table(parse(ours(text)), NAMES)
    np.testing.assert_array_equal(truth_table(parse(f"!({ours(text)})"), NAMES), ~table)


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("a & b | c", "(a & b) | c"),
        ("a | b & c", "a | (b & c)"),
        ("!a & b", "(!a) & b"),
        ("a -> b -> c", "a -> (b -> c)"),
        ("a | b -> c", "(a | b) -> c"),
        ("a <-> b -> c", "a <-> (b -> c)"),
        ("F a & b", "(F a) & b"),
        ("a U b U c", "a U (b U c)"),
        ("a U b & c", "(a U b) & c"),
        ("X N G a U b", "(X (N (G a))) U b"),
        ("a W b", "b R (a | b)"),
        ("F a", "true U a"),
        ("G a", "false R a"),
        ("!X a", "N !a"),
        ("!(a U b)", "!a R !b"),
        ("!F !a", "G a"),
    ],
)
def test_grouping(text, grouped):
    assert parse(text) == parse(grouped)


def test_symbols_may_hold_operators_letters():
    assert symbols_of(parse("F key & X Final")) == ("Final", "key")
    assert parse("key") == Formula("is", symbol="key")
    assert parse("!true") == FALSE and parse("!false") == TRUE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a symbol, an operator or '\\('"),
        ("a &", "expected a symbol"),
        ("(a", "expected '\\)', got the end"),
        ("a b", "expected an operator or the end, got 'b'"),
        ("a U", "expected a symbol"),
        ("U a", "expected a symbol, an operator or '\\(', got 'U'"),
        ("a # b", "cannot read '# b'"),
        ("a )", "expected an operator or the end"),
    ],
)
def test_bad_text_is_named(text, words):
    with pytest.raises(ValueError, match=words):
        parse(text)


def test_bad_arguments():
    with pytest.raises(TypeError, match="must be a string, got 3"):
        parse(3)
    with pytest.raises(ValueError, match="unknown symbol 'b'; the symbols are a"):
        truth_table(parse("b"), ["a"])
    with pytest.raises(ValueError, match="no temporal operator"):
        truth_table(parse("F a"), ["a"])
    for bad in (["X"], ["true"], ["two words"], ["a", "a"], [f"s{i}" for i in range(17)], [3]):
        with pytest.raises(ValueError, match="symbols must be"):
            check_symbols(bad)


def test_every_letter_has_its_place():
    for letter, (b, a) in enumerate(itertools.product([False, True], repeat=2)):
        assert truth_table(parse("a"), ["a", "b"])[letter] == a
        assert truth_table(parse("b"), ["a", "b"])[letter] == b
