"""Models of labels: the minimum that they say they are at, and what they say of captions without a label."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from payoff.wrappers import LabelClassifier, LabelRanking
from payoff.wrappers.llm.caption_models import _used
from payoff.wrappers.llm.labellers import InOrder, ScriptedLabeller
from payoff.wrappers.llm.text_model import FEATURES, fit, text_features

GOAL = "collect gems"
COLOURS = ("red", "green", "blue", "yellow", "purple", "white", "black", "brown", "orange", "pink")
HELPFUL = tuple(f"picked up the {colour} gem" for colour in COLOURS)
OTHERS = (
    *(f"bumped into the {colour} wall" for colour in COLOURS),
    *(f"opened the {colour} door" for colour in COLOURS),
)


def meet(values, captions):
    for caption in captions:
        values.step([caption])
    return dict(zip(values.numbers, values.values, strict=True))


@pytest.mark.parametrize("count", [1, 7, 300])
def test_the_fit_is_where_the_gradient_is_zero(count):
    """The loss is strictly convex, so that is the one minimum."""
    rng = np.random.default_rng(count)
    inputs, answers = rng.normal(size=(count, 40)), rng.choice([0.0, 0.5, 1.0], size=count)
    weights = fit(inputs, answers, 7.0)
    p = 1.0 / (1.0 + np.exp(-inputs @ weights))
    np.testing.assert_allclose(inputs.T @ (p - answers) + weights / 7.0, 0.0, atol=1e-7)


def test_texts_are_vectors_of_length_one():
    found = text_features(["", "a", "the key", "The Key"])
    assert found.shape == (4, FEATURES + 1) and (found[:, -1] == 1.0).all()
    np.testing.assert_allclose((found[1:, :-1] ** 2).sum(axis=1), 1.0)
    assert (found[2] == found[3]).all() and (found[1] != found[2]).any()


def test_a_classifier_knows_captions_that_nobody_labelled():
    values = LabelClassifier(ScriptedLabeller(InOrder(HELPFUL)), GOAL)
    learned = [*HELPFUL[:6], *OTHERS[:6], *OTHERS[10:16]]
    meet(values, learned)
    silent = LabelClassifier(ScriptedLabeller(InOrder(HELPFUL), latency=10**6), GOAL)
    silent.book.answers = dict(values.book.answers)
    found = meet(silent, [*HELPFUL, *OTHERS])
    assert all(found[caption] == 1.0 for caption in HELPFUL)
    assert all(found[caption] == 0.0 for caption in OTHERS)


def test_a_higher_threshold_pays_no_more():
    paid = []
    for threshold in (0.0, 0.3, 0.7, 1.0):
        values = LabelClassifier(ScriptedLabeller(InOrder(HELPFUL), errors=0.2), GOAL, threshold=threshold)
        paid.append({caption for caption, value in meet(values, [*HELPFUL, *OTHERS]).items() if value})
    assert len(paid[0]) == 30 and not paid[3]
    assert all(after <= before for before, after in itertools.pairwise(paid))


@pytest.mark.parametrize("rivals", [None, 5])
def test_a_ranking_pays_the_nearer_half_by_how_much_nearer_it_is(rivals):
    order = ("found the map", "bought a boat", "sailed west", "landed on an isle", "dug up gold")
    values = LabelRanking(ScriptedLabeller(InOrder(order)), "find the treasure", rivals=rivals)
    rest = ("walked", "slept", "ate bread", "it rains", "lost a coin", "sang")
    found = meet(values, [*rest, *order])
    assert all(found[caption] == 0.0 for caption in rest[1:])
    assert 0.0 <= found[order[0]] < min(found[order[-2]], found[order[-1]])
    if rivals is None:
        assert found[order[-2]] < found[order[-1]]
    pairs = {frozenset(question.words) for question in values.book.answers}
    assert len(pairs) == (55 if rivals is None else 1 + 2 + 3 + 4 + 5 * 6)  # of 11 captions
    firsts = sum(question.words[0] in order for question in values.book.answers)
    assert 0 < firsts < len(pairs)


def test_ties_pay_nothing():
    values = LabelRanking(ScriptedLabeller(InOrder(())), GOAL)
    assert set(meet(values, OTHERS).values()) == {0.0}
    assert meet(LabelRanking(ScriptedLabeller(InOrder(())), GOAL), ["one"]) == {"one": 0.0}


def test_values_depend_on_the_answers_alone():
    """Whatever was fitted before: a state that is loaded gives the same bits."""
    for kind in (LabelClassifier, LabelRanking):
        first = kind(ScriptedLabeller(InOrder(HELPFUL), errors=0.1), GOAL)
        meet(first, [*HELPFUL[:5], *OTHERS])
        second = kind(ScriptedLabeller(InOrder(HELPFUL), errors=0.1), GOAL)
        meet(second, [*OTHERS[:3]])
        second.read_state(first.state_dict())()
        for values in (first, second):
            values.step([HELPFUL[7]])
        assert (first.values == second.values).all() and first.values.any()


def test_fits_become_rarer():
    fits = sorted({_used(n) for n in range(2001)})
    assert fits[:101] == [*range(101)] and fits[101] == 110
    assert len(fits) < 140 and all(_used(n) <= n < 1.1 * _used(n) + 1.1 for n in range(1, 2001))
