"""Lexicographic order: the rule by hand, no dependence on units, exact weights on a grid, choice by action values."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from payoff.envs.mdp import MDP
from payoff.envs.theory.tabular import value_iteration
from payoff.wrappers.objectives.lexicographic import lexicographic_argmax, lexicographic_sum, margins, preferred
from payoff.wrappers.objectives.scalarise import Thresholded, WeightedSum


@pytest.mark.parametrize(
    ("first", "second", "delta", "signs", "answer"),
    [
        ([1, 0], [0, 9], 0, 1, 1),
        ([1, 0], [1, 9], 0, 1, -1),
        ([1, 9], [1, 9], 0, 1, 0),
        ([1.0, 0], [0.9, 9], [0.2, 0], 1, -1),
        ([1.0, 0], [0.9, 9], [0.2, 10], 1, 0),
        ([1, 5], [1, 3], 0, [1, -1], -1),
        ([3, 0], [1, 0], [2, 0], 1, 0),  # a difference of exactly the margin does not count
    ],
)
def test_rule(first, second, delta, signs, answer):
    assert preferred(first, second, delta, signs=signs) == answer
    assert preferred(second, first, delta, signs=signs) == -answer


def test_labels_do_not_depend_on_units_but_a_sum_does():
    """Spec section 3: with margins c std, no label of 5,000 pairs changes when a factor is multiplied by 100."""
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(200, 3)) * [1.0, 5.0, 0.2]
    pairs = rng.integers(0, 200, (5000, 2))
    factors = [0.5, 0.25, 0.0]
    weights = WeightedSum((1.0, 0.1, 0.01))

    def labels(samples):
        first, second = samples[pairs[:, 0]], samples[pairs[:, 1]]
        by_sum = np.sign(weights(first) - weights(second))
        return preferred(first, second, margins(samples, factors)), by_sum

    before, sum_before = labels(samples)
    assert {-1, 0, 1} == set(before.tolist())
    for k in range(3):
        scaled = samples.copy()
        scaled[:, k] *= 100.0
        after, sum_after = labels(scaled)
        np.testing.assert_array_equal(after, before)
        assert (sum_after != sum_before).mean() > 0.005 or k == 0  # the first one had the last word already


@given(st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=2, max_size=2))
def test_exact_weights_order_a_grid_as_tuples(pair):
    steps = (0.5, 2.0, 1.0)
    x, y = np.array(pair) * steps
    total = lexicographic_sum(ranges=[6 * s for s in steps], steps=steps)
    assert np.sign(total(x) - total(y)) == (pair[0] > pair[1]) - (pair[0] < pair[1]) == preferred(x, y)


def test_exact_weights_are_the_least():
    """With weights a little smaller, the largest range below outweighs the least step above."""
    total = lexicographic_sum(ranges=[1.0, 4.0, 9.0], steps=[1.0, 2.0, 3.0])
    assert total.weights == (36.0, 6.0, 1.0)
    up, down = np.array([1.0, 0.0, 0.0]), np.array([0.0, 4.0, 9.0])
    assert total(up) - total(down) == pytest.approx(total.weights[-1] * 3.0)


def test_thresholded_order():
    """Above the threshold more of the first does not count, so the second decides."""
    total = lexicographic_sum(ranges=[4.0, 4.0], steps=[1.0, 1.0], thresholds=[2.0, np.inf])
    assert isinstance(total, Thresholded)
    for x, y in itertools.product(itertools.product(range(5), repeat=2), repeat=2):
        capped = [(min(a, 2), b) for a, b in (x, y)]
        expected = (capped[0] > capped[1]) - (capped[0] < capped[1])
        assert np.sign(total(np.array(x)) - total(np.array(y))) == expected


def test_action_choice():
    values = np.array(
        [
            [[1.0, 0.0], [1.0, 5.0], [0.9, 9.0]],
            [[3.0, 0.0], [2.0, 5.0], [1.0, 9.0]],
            [[-1.0, 0.0], [-2.0, 0.0], [-1.0, 0.0]],
        ]
    )
    assert lexicographic_argmax(values).tolist() == [1, 0, 0]
    assert lexicographic_argmax(values, slack=[0.2, 0.0]).tolist() == [2, 0, 0]
    assert lexicographic_argmax(values, thresholds=[2.0, np.inf]).tolist() == [1, 1, 0]
    assert lexicographic_argmax(values, thresholds=[0.5, np.inf]).tolist() == [2, 2, 0]


@given(st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=1, max_size=6))
def test_action_choice_is_the_order_of_tuples(values):
    chosen = int(lexicographic_argmax(np.array(values, dtype=float)))
    assert values[chosen] == max(values) and chosen == values.index(max(values))


def test_value_iteration_by_exact_weights_is_lexicographically_optimal():
    """30 random trees of decisions with whole-number rewards: the best of all policies in the order of tuples."""
    rng = np.random.default_rng(0)
    weights = lexicographic_sum(ranges=[12.0] * 3, steps=[1.0] * 3)
    for _ in range(30):
        depth, actions = 3, 2  # states of a binary tree, numbered as in a heap; leaves end
        inner, states = 2**depth - 1, 2 ** (depth + 1) - 1
        vectors = rng.integers(-2, 3, (states, actions, 3)) * (np.arange(states) < inner)[:, None, None]
        nodes = np.arange(states)[:, None]
        children = np.where(nodes < inner, 2 * nodes + 1 + np.arange(actions), nodes)[..., None]
        start = np.arange(states) == 0
        shape = (states, actions, 1)
        reward = weights(vectors).reshape(shape)
        mdp = MDP(nodes * 1.0, children, np.ones(shape), reward, start * 1.0, np.arange(states) >= inner)
        found, every = value_iteration(mdp, 1.0), []
        for path in itertools.product(range(actions), repeat=depth):
            s, total = 0, np.zeros(3, dtype=int)
            for a in path:
                s, total = 2 * s + 1 + a, total + vectors[s, a]
            every.append(tuple(total.tolist()))
        assert found.values[0] == weights(np.array(max(every)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: preferred([1.0], [2.0], -1.0), "delta must not be negative"),
        (lambda: preferred([1.0], [2.0], signs=0.5), "signs must be 1 or -1"),
        (lambda: preferred([float("nan"), 1.0], [0.0, 0.0]), "got NaN"),
        (lambda: lexicographic_argmax([[float("nan"), 1.0], [0.0, 0.0]]), "got NaN"),
        (lambda: margins(np.zeros((0, 2)), 1.0), "samples must have shape"),
        (lambda: margins(np.zeros((3, 2)), -1.0), "factors must not be negative"),
        (lambda: lexicographic_sum([1.0], [1.0, 1.0]), "ranges and steps must be as many"),
        (lambda: lexicographic_sum([1.0], [0.0]), r"steps\[...\] must be a number"),
        (lambda: lexicographic_sum([1e6] * 4, [1.0] * 4), "would not see the last objective"),
        (lambda: lexicographic_argmax([1.0, 2.0]), r"values must have shape \(..., A, K\)"),
        (lambda: lexicographic_argmax([[1.0, 2.0]], slack=-1.0), "slack must not be negative"),
    ],
)
def test_bad_arguments_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
