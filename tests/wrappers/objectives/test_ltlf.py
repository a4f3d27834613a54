"""LTLf: automata against the semantics of the logic itself, on random formulas and all or random traces."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payoff.wrappers.objectives.ltlf import automaton, ltlf_machine

NAMES = ("a", "b")
LETTERS = range(4)


# -- the definition: a formula as a tree, judged on a trace from a position on --------------------------------------


def holds(tree, trace, i):
    """De Giacomo and Vardi (2013): the truth of a formula at position i of a finite trace of letters."""
    op, *p = tree
    after = range(i, len(trace))
    match op:
        case "a" | "b":
            return bool(trace[i] >> NAMES.index(op) & 1)
        case "true" | "false":
            return op == "true"
        case "!":
            return not holds(p[0], trace, i)
        case "X":
            return i + 1 < len(trace) and holds(p[0], trace, i + 1)
        case "N":
            return i + 1 >= len(trace) or holds(p[0], trace, i + 1)
        case "F":
            return any(holds(p[0], trace, j) for j in after)
        case "G":
            return all(holds(p[0], trace, j) for j in after)
        case "&":
            return holds(p[0], trace, i) and holds(p[1], trace, i)
        case "|":
            return holds(p[0], trace, i) or holds(p[1], trace, i)
        case "->":
            return not holds(p[0], trace, i) or holds(p[1], trace, i)
        case "<->":
            return holds(p[0], trace, i) == holds(p[1], trace, i)
        case "U":
            return any(holds(p[1], trace, j) and all(holds(p[0], trace, k) for k in range(i, j)) for j in after)
        case "W":
            return holds(("|", ("U", p[0], p[1]), ("G", p[0])), trace, i)
        case "R":
            return all(holds(p[1], trace, j) or any(holds(p[0], trace, k) for k in range(i, j)) for j in after)


def spelt(tree):
    op, *p = tree
    if not p:
        return op
    return f"{op} ({spelt(p[0])})" if len(p) == 1 else f"(({spelt(p[0])}) {op} ({spelt(p[1])}))"


trees = st.recursive(
    st.sampled_from([("a",), ("b",), ("a",), ("b",), ("true",), ("false",)]),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from("!XNFG"), inner),
        st.tuples(st.sampled_from(["&", "|", "U", "R", "W", "->", "<->"]), inner, inner),
    ),
    max_leaves=6,
)
traces = st.lists(st.sampled_from(LETTERS), min_size=1, max_size=8)


@settings(max_examples=300, deadline=None)
@given(trees, st.lists(traces, min_size=1, max_size=20))
def test_automaton_is_the_logic(tree, some):
    found = automaton(spelt(tree), NAMES, max_states=100_000)
    assert not found.accepts([])
    for trace in some:
        assert found.accepts(trace) == holds(tree, trace, 0), (spelt(tree), trace)


@settings(max_examples=60, deadline=None)
@given(trees)
def test_machine_pays_the_verdict_once(tree):
    """On every trace of up to four letters: in all 2 where the formula holds, -1 where it does not."""
    text = spelt(tree)
    satisfiable = any(holds(tree, x, 0) for n in range(1, 5) for x in itertools.product(LETTERS, repeat=n))
    try:
        machine = ltlf_machine(text, NAMES, reward=2.0, penalty=-1.0, max_states=100_000)
    except ValueError as error:
        assert "no trace satisfies" in str(error) and not satisfiable
        return
    for length in range(1, 5):
        for trace in itertools.product(LETTERS, repeat=length):
            u, paid = np.array([0]), []
            for letter in trace:
                u, r = machine.step(u, np.array([letter]))
                paid.append(r.item())
            paid.append(machine.final[u].item())
            assert sum(paid) == (2.0 if holds(tree, trace, 0) else -1.0)
            assert np.count_nonzero(paid) == 1


@settings(max_examples=60, deadline=None)
@given(trees)
def test_automaton_is_the_smallest(tree):
    """Every two states are told apart by some trace, and every state is reached."""
    found = automaton(spelt(tree), NAMES, max_states=100_000)
    size = len(found.next_state)
    apart = found.accepting[:, None] != found.accepting
    for _ in range(size):
        apart = apart | apart[found.next_state[:, None], found.next_state[None]].any(axis=2)
    assert (apart | np.eye(size, dtype=bool)).all()
    reached = {0}
    for _ in range(size):
        reached |= set(found.next_state[list(reached)].ravel().tolist())
    assert reached == set(range(size))


@pytest.mark.parametrize(
    ("formula", "states", "cosafe", "safe"),
    [
        ("F a", 2, True, False),
        ("G a", 3, False, True),  # before the first letter, so far, violated
        ("a", 3, True, True),
        ("F (a & X F b)", 3, True, False),
        ("G (a -> F b)", 3, False, False),  # begins apart: the empty trace satisfies nothing
        ("!b U a", 3, True, False),
        ("F a & F b", 4, True, False),
        ("F a & G !b", 3, False, False),
        ("G F a", 2, False, False),  # on finite traces: a holds at the last step
        ("F G a", 2, False, False),  # the same
        ("true", 2, True, True),
        ("X true", 3, True, False),  # at least two steps
        ("N false", 3, False, True),  # exactly one step
    ],
)
def test_known_automata(formula, states, cosafe, safe):
    found = automaton(formula)
    assert len(found.next_state) == states
    assert (found.cosafe, found.safe) == (cosafe, safe)


def test_last_step_formulas_are_one():
    one, two = automaton("G F a"), automaton("F G a")
    np.testing.assert_array_equal(one.next_state, two.next_state)
    np.testing.assert_array_equal(one.accepting, two.accepting)


def test_co_safe_formula_needs_no_end():
    assert not ltlf_machine("F (a & X F b)").final.any()
    assert ltlf_machine("G !a").final.tolist() == [0.0, 1.0, 0.0]


def test_errors():
    with pytest.raises(ValueError, match="has the symbol 'c'; the symbols are a, b"):
        automaton("F c", NAMES)
    with pytest.raises(ValueError, match="needs more than max_states=5 states"):
        automaton("F a & F b & F c", max_states=5)
    with pytest.raises(ValueError, match="no trace satisfies the formula 'a & !a'"):
        ltlf_machine("a & !a")
    with pytest.raises(ValueError, match="reward must be a number"):
        ltlf_machine("F a", reward=float("nan"))
    with pytest.raises(ValueError, match="max_states must be an integer"):
        automaton("F a", max_states=0)
