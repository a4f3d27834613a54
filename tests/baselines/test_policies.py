"""Policies without training."""

from __future__ import annotations

import numpy as np
import pytest

from payoff.baselines.policies import ConstantPolicy, RandomPolicy

OBS = np.zeros((1000, 2, 5), dtype=np.float32)
LOW, HIGH = np.array([[0.0], [0.0]]), np.array([[100.0], [50.0]])


def test_random_is_uniform_over_each_seats_box():
    actions = RandomPolicy(LOW, HIGH, seed=3).act(OBS)
    assert actions.shape == (1000, 2, 1)
    # mean e / 2 and deviation e / sqrt(12), each within five standard errors
    assert actions.mean(axis=0)[:, 0] == pytest.approx([50, 25], abs=5 * 100 / np.sqrt(12_000))
    assert actions.std(axis=0)[:, 0] == pytest.approx([100 / np.sqrt(12), 50 / np.sqrt(12)], rel=0.1)
    assert (actions >= LOW).all()
    assert (actions <= HIGH).all()


def test_random_integers_are_all_equally_likely():
    actions = RandomPolicy(num_actions=4, seed=3).act(OBS)
    assert actions.shape == (1000, 2)
    assert np.bincount(actions.ravel()) / 2000 == pytest.approx([0.25] * 4, abs=5 * np.sqrt(0.25 * 0.75 / 2000))


def test_random_repeats_with_its_seed():
    assert (RandomPolicy(seed=1).act(OBS) == RandomPolicy(seed=1).act(OBS)).all()
    assert (RandomPolicy(seed=1).act(OBS) != RandomPolicy(seed=2).act(OBS)).any()


@pytest.mark.parametrize(
    ("level", "expected"),
    [(0.4, [40.0, 20.0]), ([0.1, 1.0], [10.0, 50.0]), (0, [0.0, 0.0])],
)
def test_constant_is_a_share_of_each_seats_endowment(level, expected):
    actions = ConstantPolicy(level, LOW, HIGH).act(OBS)
    assert actions.shape == (1000, 2, 1)
    assert (actions == np.array(expected)[:, None]).all()


def test_constant_may_differ_by_copy_and_is_a_unit_action_by_default():
    levels = np.linspace(0, 1, 1000)[:, None]
    assert ConstantPolicy(levels).act(OBS)[:, 1, 0] == pytest.approx(2 * levels[:, 0] - 1)


def test_constant_integers():
    assert (ConstantPolicy(0.5, num_actions=5).act(OBS) == 2).all()


@pytest.mark.parametrize("level", [-0.1, 1.1, float("nan"), [0.5, 2.0]])
def test_levels_outside_the_unit_interval_are_refused(level):
    with pytest.raises(ValueError, match=r"level must be in \[0, 1\]"):
        ConstantPolicy(level)
