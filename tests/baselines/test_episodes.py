"""Episodes that are kept: which ones, how they are padded, and what a checkpoint may hold of them."""

from __future__ import annotations

import numpy as np
import pytest

from payoff.baselines.checkpoint import ArrayError
from payoff.baselines.episodes import Episodes


def three_of_four():
    """Four episodes of 2, 1, 3 and 1 steps in the room of three; episode e observes e + t, does e, pays 10 e and -e."""
    kept = Episodes(3, 4, 1, 10, 2)
    for e, n in enumerate([2, 1, 3, 1]):
        steps = np.arange(n)
        kept.add(e + steps[:, None], np.full(n, e), np.array([np.full(n, 10.0 * e), np.full(n, -float(e))]))
    return kept


def test_the_oldest_go_first():
    kept = three_of_four()
    assert kept.count == 4 and kept.length.tolist() == [1, 1, 3]
    assert kept.latest(2).tolist() == [0, 2] and kept.latest(9).tolist() == [0, 2, 1]
    assert Episodes(3, 4, 1, 10, 2).latest(2).tolist() == []


def test_what_is_taken_is_padded():
    """The place of an old longer episode holds nothing of it but observations."""
    obs, actions, numbers, mask = three_of_four().take(np.array([0, 2, 0]), 3)
    assert mask.tolist() == [[True, False, False], [True, True, True], [True, False, False]]
    assert actions.tolist() == [[3, 0, 0], [2, 2, 2], [3, 0, 0]]
    assert numbers.tolist() == [[[30, 0, 0], [20, 20, 20], [30, 0, 0]], [[-3, 0, 0], [-2, -2, -2], [-3, 0, 0]]]
    assert obs[mask][:, 0].tolist() == [3, 2, 3, 4, 3]


def test_draws_are_of_those_that_are_there():
    kept = Episodes(5, 1, 1, 1, 1)
    for _ in range(2):
        kept.add(np.zeros((1, 1)), np.zeros(1, dtype=int), np.zeros((1, 1)))
    drawn = kept.draw(400, np.random.default_rng(0))
    assert set(drawn.tolist()) == {0, 1} and 140 < drawn.sum() < 260  # six standard deviations of 10


def test_a_checkpoint_brings_them_back():
    kept, again = three_of_four(), Episodes(3, 4, 1, 10, 2)
    again.load(kept.arrays())
    for one in (kept, again):
        one.add(np.full((2, 1), 9.0), np.full(2, 9), np.full((2, 2), 9.0))
    assert again.count == 5
    for name, array in kept.arrays().items():
        np.testing.assert_array_equal(array, again.arrays()[name])
    few = Episodes(3, 4, 1, 10, 2)
    few.add(np.ones((1, 1)), np.ones(1), np.ones((2, 1)))
    assert few.arrays()["obs"].shape == (1, 4, 1)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("count", np.array(-1), "count must be at least 0, got -1"),
        ("count", np.array(1), r"obs must be float32 of shape \(1, 4, 1\)"),
        ("length", np.array([1, 1, 0]), r"length must be in 1 .. 4"),
        ("length", np.array([1, 1, 5]), r"length must be in 1 .. 4"),
        ("numbers", np.full((2, 3, 4), np.nan), "numbers that are not finite"),
        ("numbers", np.ones((2, 3, 4)), "numbers must be 0 after the end of an episode"),
        ("actions", np.full((3, 4), 10), "actions must be in 0 .. 9, got 10 .. 10"),
        ("actions", np.full((3, 4), -1), "actions must be in 0 .. 9, got -1 .. -1"),
    ],
)
def test_a_forged_checkpoint_is_refused(name, value, message):
    kept = Episodes(3, 4, 1, 10, 2)
    with pytest.raises(ArrayError, match=message):
        kept.load({**three_of_four().arrays(), name: value})
    assert kept.count == 0 and not kept.obs.any()
