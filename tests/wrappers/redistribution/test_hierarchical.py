"""Hierarchical advantages: the published example's numbers, and the two ways in which they become ordinary ones."""

from __future__ import annotations

import numpy as np
import pytest

from payoff.baselines.ppo import gae
from payoff.wrappers.redistribution.hierarchical import hierarchical_advantages


def test_golden():
    """Spec, measured: r (0, 0, 0, 0, 1), switches at 0 and 2, gamma 0.95, both lambdas 0.9."""
    low, high = hierarchical_advantages(
        np.array([0.0, 0.0, 0.0, 0.0, 1.0]),
        np.array([True, False, True, False, False]),
        np.array([0.2, 0.3, 0.4, 0.5, 0.7]),
        np.array([0.25, 0.0, 0.45, 0.0, 0.0]),
        gamma=0.95,
        lam_low=0.9,
        lam_high=0.9,
    )
    assert low == pytest.approx([0.1940, 0.1275, 0.4354, 0.4215, 0.3000], abs=5e-5)
    assert high[[0, 2]] == pytest.approx([0.5237, 0.4525], abs=5e-5)
    assert np.isnan(high[[1, 3, 4]]).all()


@pytest.mark.parametrize("every", [False, True], ids=["one segment", "a segment each step"])
def test_it_becomes_the_ordinary_estimate(every):
    rng = np.random.default_rng(0)
    rewards, values, n = rng.normal(size=9), rng.normal(size=10), 9
    ends = (np.arange(n) == n - 1)[:, None]
    expected = gae(rewards[:, None, None], values[:, None, None], ends, ends & False, 0.9, 0.7)[:, 0, 0]
    lam = {"lam_low": 0.3, "lam_high": 0.7} if every else {"lam_low": 0.7, "lam_high": 0.3}
    low, high = hierarchical_advantages(rewards, np.full(n, every), values[:n], values[:n], gamma=0.9, **lam)
    assert (high if every else low) == pytest.approx(expected, rel=1e-12)


def test_arguments_are_checked():
    good = (np.zeros(3), np.zeros(3, dtype=bool), np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="gamma must be"):
        hierarchical_advantages(*good, gamma=1.1, lam_low=0.9, lam_high=0.9)
    with pytest.raises(ValueError, match=r"high_values must have shape \(3,\)"):
        hierarchical_advantages(*good[:3], np.zeros(2), gamma=0.9, lam_low=0.9, lam_high=0.9)
