"""Random numbers of a copy against SplitMix64 in plain integers, and against the laws that they should follow."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from payoff.envs.core import rng
from payoff.envs.core.state import Copy

ALL = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15  # this and the two factors of the mixing function: Steele, Lea and Flood (2014)


def mixed(z):
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & ALL
    z = (z ^ z >> 27) * 0x94D049BB133111EB & ALL
    return z ^ z >> 31


def row(key=0, episode=0, counter=0):
    s = np.zeros(1, dtype=Copy.dtype)[0]
    s.key, s.episode, s.counter = key, episode, counter
    return s


def test_the_mixing_function_is_that_of_splitmix64():
    """The first outputs of SplitMix64 with seed 1234567, as Rosetta Code lists them (Pseudo-random numbers)."""
    printed = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    assert [mixed(1234567 + k * GOLDEN & ALL) for k in range(1, 6)] == printed
    assert [int(rng._mix(np.uint64(1234567 + k * GOLDEN & ALL))) for k in range(1, 6)] == printed


@pytest.mark.parametrize(("key", "episode", "counter"), [(0, -1, 0), (7, 0, 0), (2**53 - 1, 3, 1000), (12345, 99, 7)])
def test_a_draw_is_that_of_plain_integers(key, episode, counter):
    """The stream of (key, episode) is mixed once more with the counter; the 53 upper bits make the number."""
    s = row(key, episode, counter)
    for k in range(5):
        stream = mixed(key + GOLDEN * (episode + 1) & ALL)
        z = mixed(stream + GOLDEN * (counter + k + 1) & ALL)
        assert rng.uniform(s) == (z >> 11) / 2**53
        assert s.counter == counter + k + 1


def test_below_takes_equal_parts_of_the_interval():
    for n in (1, 2, 7, 1000):
        s, twin = row(5), row(5)
        found = [rng.below(s, n) for _ in range(2000)]
        assert found == [math.floor(rng.uniform(twin) * n) for _ in range(2000)]
        assert (min(found) == 0 and max(found) == n - 1) or n == 1000


def test_keys_are_whole_numbers_that_differ():
    keys = [rng.seed_key(k) for k in range(200)] + [rng.group_key(k) for k in range(200)]
    assert len(set(keys)) == 400
    assert all(0 <= key < 2**53 and key == int(key) for key in keys)
    assert max(keys) > 2**52  # all 53 bits


N = 100_000


@pytest.fixture(scope="module")
def normals():
    s = row(rng.seed_key(11))
    return np.array([rng.normal(s) for _ in range(N)])


def test_normal_is_box_and_muller():
    """Two uniform draws each: sqrt(-2 log(1 - u)) cos(2 pi v)."""
    s, twin = row(3), row(3)
    for _ in range(200):
        u, v = rng.uniform(twin), rng.uniform(twin)
        assert rng.normal(s) == pytest.approx(math.sqrt(-2 * math.log(1 - u)) * math.cos(math.tau * v), abs=1e-12)
        assert s.counter == twin.counter


def test_moments_of_normal(normals):
    """0, 1, 0, 3 and 15, within four standard errors: the variance of x^k is E x^2k - (E x^k)^2."""
    moment = {1: 0, 2: 1, 3: 0, 4: 3, 6: 15, 8: 105, 12: 10395}
    for k in (1, 2, 3, 4, 6):
        error = math.sqrt((moment[2 * k] - moment[k] ** 2) / N)
        assert abs((normals**k).mean() - moment[k]) < 4 * error


def test_quantiles_of_normal(normals):
    """Kolmogorov and Smirnov's distance from the exact law: below 1.95 / sqrt(n) with probability 0.999."""
    law = NormalDist()
    share = np.array([law.cdf(x) for x in np.sort(normals)])
    steps = np.arange(N + 1) / N
    assert max((steps[1:] - share).max(), (share - steps[:-1]).max()) < 1.95 / math.sqrt(N)
    for p in (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99):  # the share below a quantile
        assert abs((normals < law.inv_cdf(p)).mean() - p) < 4 * math.sqrt(p * (1 - p) / N)


def test_tails_of_normal(normals):
    """How many lie beyond 2, 3 and 4 on either side, within four standard errors."""
    for beyond in (2.0, 3.0, 4.0):
        expected = N * NormalDist().cdf(-beyond)
        for side in (normals < -beyond, normals > beyond):
            assert abs(side.sum() - expected) < 4 * math.sqrt(expected) + 1
    assert 3.5 < np.abs(normals).max() < 6.0  # P(above 6 among all) is 2e-4


def test_successive_normals_are_independent(normals):
    """No correlation of neighbours, of their sizes, nor of signs; pairs point in all directions alike."""
    for lag in (1, 2, 3):
        one, two = normals[:-lag], normals[lag:]
        for f in (lambda x: x, np.abs, np.square, np.sign):
            assert abs(np.corrcoef(f(one), f(two))[0, 1]) < 4 / math.sqrt(N)
    pairs = normals.reshape(-1, 2)
    angle = np.sort(np.arctan2(pairs[:, 1], pairs[:, 0])) / math.tau + 0.5
    n = len(angle)
    assert np.abs(angle - (np.arange(n) + 0.5) / n).max() < 1.95 / math.sqrt(n)
    half_squares = np.sort((pairs**2).sum(axis=1) / 2)  # exponential with mean 1
    assert np.abs(1 - np.exp(-half_squares) - (np.arange(n) + 0.5) / n).max() < 1.95 / math.sqrt(n)
