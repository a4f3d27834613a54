"""Shortest vector in a convex hull: closed form, a solver of another kind, and the property that it is used for."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payoff.wrappers.objectives.min_norm import min_norm_of_two, min_norm_weights


def by_enumeration(vectors):
    """Exact: on every set of vectors that may have weight, the stationary point of the Lagrangian; the best."""
    gram, best, weights = vectors @ vectors.T, np.inf, None
    for size in range(1, len(vectors) + 1):
        for chosen in itertools.combinations(range(len(vectors)), size):
            # for unit vectors, of which the weights follow: lengths that differ by 10^6 would drown the last row
            part = gram[np.ix_(chosen, chosen)]
            unit = 1.0 / np.sqrt(np.diag(part))
            ones = (unit / unit.max())[:, None]
            system = np.block([[2 * part * np.outer(unit, unit), ones], [ones.T, 0.0]])
            solved = ones[:, 0] * np.linalg.lstsq(system, np.r_[np.zeros(size), 1.0], rcond=None)[0][:size]
            if (solved >= -1e-12).all() and abs(solved.sum() - 1) < 1e-9:
                found = np.zeros(len(vectors))
                found[list(chosen)] = solved
                if found @ gram @ found < best:
                    best, weights = found @ gram @ found, found
    return weights


def lengths(vectors, weights):
    return float(np.linalg.norm(weights @ vectors))


def random_vectors(seed, count, size, kind):
    """Gradients of every sort: independent, on one side, nearly parallel, of very different length, with copies."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, size))
    if kind == "one side":
        vectors[:, 0] = np.abs(vectors[:, 0]) + 2.0
    elif kind == "parallel":
        vectors = vectors[:1] + 1e-3 * vectors
    elif kind == "lengths":
        vectors *= 10.0 ** rng.uniform(-3, 3, (count, 1))
    elif kind == "copies":
        vectors = vectors[rng.integers(0, max(1, count // 2), count)]
    elif kind == "opposite":
        vectors[-1] = -vectors[0]
    return vectors


KINDS = ("plain", "one side", "parallel", "lengths", "copies", "opposite")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from([1, 2, 3, 20]), st.sampled_from(KINDS))
def test_weights_are_optimal(seed, count, size, kind):
    vectors = random_vectors(seed, count, size, kind)
    weights = min_norm_weights(vectors @ vectors.T)
    scale = np.abs(vectors).max()
    assert weights.min() >= 0 and weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert lengths(vectors, weights) <= lengths(vectors, by_enumeration(vectors)) + 1e-5 * scale
    merged = weights @ vectors
    assert (vectors @ merged >= merged @ merged - 1e-9 * scale**2).all()  # (3): it goes against no gradient


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 20]), st.sampled_from(KINDS))
def test_closed_form_for_two(seed, size, kind):
    vectors = random_vectors(seed, 2, size, kind)
    closed, general = min_norm_of_two(*vectors), min_norm_weights(vectors @ vectors.T)
    scale = np.abs(vectors).max()
    assert lengths(vectors, closed) == pytest.approx(lengths(vectors, general), abs=1e-6 * scale)
    assert lengths(vectors, closed) == pytest.approx(lengths(vectors, by_enumeration(vectors)), abs=1e-6 * scale)
    fine = np.linspace(0, 1, 1001)
    on_the_segment = np.linalg.norm(fine[:, None] * vectors[0] + (1 - fine[:, None]) * vectors[1], axis=1)
    assert lengths(vectors, closed) <= on_the_segment.min() + 1e-12 * scale


@pytest.mark.parametrize(
    ("vectors", "weights"),
    [
        ([[1.0, 0.0], [0.0, 1.0]], [0.5, 0.5]),
        ([[1.0, 0.0], [0.0, 2.0]], [0.8, 0.2]),  # inversely to the squared lengths
        ([[1.0, 0.0], [3.0, 0.0]], [1.0, 0.0]),
        ([[1.0, 0.0], [-1.0, 0.0]], [0.5, 0.5]),
        ([[0.0, 0.0], [5.0, 1.0]], [1.0, 0.0]),
        ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [1 / 3] * 3),
        ([[2.0, 1.0], [2.0, -1.0], [3.0, 0.0]], [0.5, 0.5, 0.0]),
        ([[3.0]], [1.0]),
    ],
)
def test_known_weights(vectors, weights):
    vectors = np.array(vectors)
    assert min_norm_weights(vectors @ vectors.T) == pytest.approx(np.array(weights), abs=1e-12)
    if len(vectors) == 2:
        assert min_norm_of_two(*vectors) == pytest.approx(np.array(weights), abs=1e-12)


def test_nothing_to_choose_from():
    assert min_norm_of_two([1.0, 2.0], [1.0, 2.0]).tolist() == [0.5, 0.5]
    assert min_norm_weights(np.zeros((3, 3))).sum() == 1.0


@pytest.mark.parametrize("bad", [[1.0], [[1.0, 0.0]], [[np.nan]], np.zeros((0, 0))])
def test_bad_products_are_refused(bad):
    with pytest.raises(ValueError, match="products must be finite numbers"):
        min_norm_weights(bad)
