"""The best-paid play that never ends, against hand work and Karp's algorithm."""

import numpy as np
import pytest

from payoff.calibration import TabularModel, best_cycle


def deterministic(following, terminal=None):
    """Model whose action a leads from s to following[s, a]."""
    return TabularModel.from_arrays(np.eye(len(following))[following], 0.9, terminal=terminal)


def test_a_circle_of_two_against_a_loop():
    """0 -> 1 -> 0 pays 1 and 3, 2 a step; staying in 0 pays 1.5."""
    model = deterministic(np.array([[1, 0], [0, 0]]))
    paid, shares = best_cycle(np.array([[1.0, 1.5], [3.0, -9.0]]), model)
    assert paid == pytest.approx(2.0, abs=1e-12)
    np.testing.assert_allclose(shares, [[0.5, 0.0], [0.5, 0.0]], atol=1e-12)


def test_chance():
    """State 0 is left with probability 1/2, state 1 for good: two thirds of the steps are in 0, and 3 / 3 is paid."""
    model = TabularModel.from_arrays(np.array([[[0.5, 0.5]], [[1.0, 0.0]]]), 0.9)
    paid, shares = best_cycle(np.array([[0.0], [3.0]]), model)
    assert paid == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(shares[:, 0], [2 / 3, 1 / 3], atol=1e-12)


def test_what_may_end_the_episode_is_no_circle():
    """Action 0 pays 10 and ends with probability 1/10; action 1 stays for 1/4; without that nothing goes on."""
    ends = np.array([False, True])
    both = np.array([[[0.9, 0.1], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]])
    reward = np.array([[10.0, 0.25], [99.0, 99.0]])
    paid, _ = best_cycle(reward, TabularModel.from_arrays(both, 0.9, terminal=ends))
    assert paid == pytest.approx(0.25, abs=1e-12)
    assert best_cycle(reward[:, :1], TabularModel.from_arrays(both[:, :1], 0.9, terminal=ends)) is None


def test_a_road_without_a_way_back_is_no_circle():
    model = deterministic(np.array([[1], [2], [2]]), np.array([False, False, True]))
    assert best_cycle(np.ones((3, 1)), model) is None


def test_among_what_another_reward_pays():
    """Two loops: the one is paid 1 and worth 0, the other is paid 0 and worth 1."""
    model = deterministic(np.array([[0, 1], [1, 0]]))
    told, worth = np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [1.0, 0.0]])
    assert best_cycle(worth, model)[0] == pytest.approx(1.0, abs=1e-12)
    assert best_cycle(worth, model, among=told, at_least=1.0)[0] == pytest.approx(0.0, abs=1e-12)
    assert best_cycle(worth, model, among=told, at_least=0.5)[0] == pytest.approx(0.5, abs=1e-12)
    assert best_cycle(worth, model, among=told, at_least=1.5) is None


def karp(following, reward):
    """Largest mean of a cycle: max over v of min over k of (d_n(v) - d_k(v)) / (n - k), from every state at once."""
    n = len(following)
    best = np.full((n + 1, n), -np.inf)
    best[0] = 0.0
    for k in range(n):
        for s in range(n):
            for a, after in enumerate(following[s]):
                best[k + 1, after] = max(best[k + 1, after], best[k, s] + reward[s, a])
    means = [
        min((best[n, v] - best[k, v]) / (n - k) for k in range(n) if best[k, v] > -np.inf)
        for v in range(n)
        if best[n, v] > -np.inf
    ]
    return max(means)


@pytest.mark.parametrize("seed", range(20))
def test_against_karp(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 9))
    following, reward = rng.integers(0, n, (n, 2)), rng.normal(size=(n, 2))
    assert best_cycle(reward, deterministic(following))[0] == pytest.approx(karp(following, reward), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_undiscounted_shaping_sums_up_to_nothing_on_every_circle(problem, seed):
    setting = problem(seed)
    phi = setting.rng.normal(size=setting.n_states)
    added = np.broadcast_to(phi - phi[:, None, None], setting.transition.shape)
    for sign in (1.0, -1.0):
        assert best_cycle(sign * added, setting.model)[0] == pytest.approx(0.0, abs=1e-9)
