"""The statistics against closed forms, exact enumeration and published examples."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from payoff.baselines.stats import (
    bootstrap_band,
    bootstrap_interval,
    interquartile_mean,
    jain_index,
    probability_of_improvement,
)


def mean(strata):
    return float(np.mean(np.concatenate([np.asarray(s) for s in strata])))


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (range(1, 9), 4.5),  # 3, 4, 5, 6 are left
        ([1, 2, 3, 5], 2.5),  # as in the documentation of scipy.stats.trim_mean(x, 0.25)
        ([5, -100, 1, 3, 1000], 3.0),  # 1, 3, 5: a quarter of five, rounded down, is one
        ([1.0, 2.0, 6.0], 3.0),  # too few to cut: the mean
        ([7.0], 7.0),
    ],
)
def test_interquartile_mean_by_hand(scores, expected):
    assert interquartile_mean([list(scores)]) == pytest.approx(expected, rel=1e-15)


def test_interquartile_mean_pools_strata_and_ignores_order_and_outliers():
    # 12 scores, 3 cut at each end: 3 .. 8 are left, whatever the outer six are.
    assert interquartile_mean([[1e9, 4, 7, 1], [2, 9, 6], [5, 8, 3, 12, -1e9]]) == 5.5


def test_interquartile_mean_of_a_uniform_sample_is_near_its_closed_form():
    # For the triangle density 2x on [0, 1] the middle half lies between sqrt(1/4) and sqrt(3/4):
    # mean = 2 * integral of 2 x^2 = (4/3) ((3/4)^1.5 - (1/4)^1.5) = 0.69936.
    x = np.sqrt((np.arange(40_000) + 0.5) / 40_000)
    assert interquartile_mean([x]) == pytest.approx(4 / 3 * (0.75**1.5 - 0.25**1.5), abs=1e-6)


def test_bootstrap_interval_is_the_quantile_of_all_27_resamples():
    scores = [0.0, 1.0, 5.0]
    exact = np.array([np.mean(r) for r in itertools.product(scores, repeat=3)])
    # Levels inside an atom of the exact distribution, so that sampling noise cannot move the quantile off it.
    atoms = np.cumsum([count / 27 for _, count in sorted(Counter(np.round(exact, 12)).items())])
    values = sorted(set(np.round(exact, 12)))
    low, high = bootstrap_interval([scores], mean, confidence=0.7, samples=20_000)
    assert low == pytest.approx(values[int(np.searchsorted(atoms, 0.15))])
    assert high == pytest.approx(values[int(np.searchsorted(atoms, 0.85))])


def test_bootstrap_interval_of_many_scores_is_the_normal_one():
    scores = np.random.default_rng(3).normal(10.0, 2.0, 400)
    half = 1.959964 * scores.std() / math.sqrt(400)
    low, high = bootstrap_interval([scores], mean, samples=4000)
    assert low == pytest.approx(scores.mean() - half, abs=0.02)
    assert high == pytest.approx(scores.mean() + half, abs=0.02)


def test_bootstrap_resamples_within_strata():
    # Each stratum is constant: within-stratum resampling cannot change the mean; pooled resampling would.
    assert bootstrap_interval([[0.0, 0.0], [10.0, 10.0]], mean) == (5.0, 5.0)


def test_bootstrap_band_is_the_interval_of_the_mean_at_every_point():
    curves = np.array([[0.0, 1.0, 4.0], [0.0, 3.0, 5.0], [0.0, 8.0, 9.0]])
    centre, low, high = bootstrap_band(curves, samples=20_000)
    assert centre == pytest.approx([0.0, 4.0, 6.0])
    assert (low[0], high[0]) == (0.0, 0.0)
    # 3 runs: the extremes of the 27 resamples have chance 1/27 each, more than the 2.5 % outside each end.
    assert low == pytest.approx([0.0, 1.0, 4.0])
    assert high == pytest.approx([0.0, 8.0, 9.0])


def test_bootstrap_repeats_with_its_seed():
    scores = [[0.1, 0.9, 0.4], [2.0, 1.0]]
    assert bootstrap_interval(scores, seed=1) == bootstrap_interval(scores, seed=1)


def test_probability_of_improvement_by_counting_pairs():
    # pairs: (1,1) tie, (1,2) loss, (3,1) win, (3,2) win -> 2.5 / 4
    assert probability_of_improvement([[1, 3]], [[1, 2]]) == 0.625
    assert probability_of_improvement([[1, 3], [9, 9, 9]], [[1, 2], [0, 1]]) == pytest.approx((0.625 + 1) / 2)
    assert probability_of_improvement([[2, 2]], [[2, 2, 2]]) == 0.5


def test_probability_of_improvement_of_two_normals():
    # P(X > Y) = Phi((mu_x - mu_y) / sqrt(2) sigma); quantile grids stand for the samples.
    grid = (np.arange(400) + 0.5) / 400
    z = np.array([math.sqrt(2) * _erfinv(2 * p - 1) for p in grid])
    expected = 0.5 * (1 + math.erf(0.5 / math.sqrt(2) / math.sqrt(2)))
    assert probability_of_improvement([z + 0.5], [z]) == pytest.approx(expected, abs=2e-3)


def _erfinv(y):
    low, high = -6.0, 6.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if math.erf(middle) < y else (low, middle)
    return low


@pytest.mark.parametrize(
    ("payoffs", "expected"),
    [([5, 5, 5], 1.0), ([9, 0, 0], 1 / 3), ([4, 4, 0, 0], 0.5), ([1, 3], 0.8), ([1, -1], None), ([0, 0], None)],
)
def test_jain_index(payoffs, expected):
    assert jain_index(payoffs) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: interquartile_mean([]), "got none"),
        (lambda: interquartile_mean([[1.0], []]), r"strata\[1\]"),
        (lambda: interquartile_mean([[1.0, float("nan")]]), r"strata\[0\] must be finite"),
        (lambda: interquartile_mean([np.ones((2, 2))]), "must be 1-D"),
        (lambda: bootstrap_interval([[1.0]], confidence=1.0), "confidence"),
        (lambda: bootstrap_interval([[1.0]], samples=0), "samples"),
        (lambda: bootstrap_band(np.ones(3)), r"curves must be \(runs, points\)"),
        (lambda: probability_of_improvement([[1.0]], [[1.0], [2.0]]), "1 strata and control 2"),
    ],
)
def test_bad_input_is_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()
