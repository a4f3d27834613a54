"""Distance shapes: the numbers of the notes, what dispersion and density do, and the utilities made of them."""

import numpy as np
import pytest

from payoff.envs.sparse.car_ball import alignment as game_alignment
from payoff.envs.sparse.car_ball import ball_nearness
from payoff.wrappers.transforms.distance import (
    DistancePotential,
    DistanceReward,
    GoalDifference,
    alignment,
    distance_shape,
    signed_distance_shape,
)


@pytest.mark.parametrize(
    ("dispersion", "density", "value"),
    [(1, 1, 0.6065), (0.5, 1, 0.3679), (2, 1, 0.7788), (1, 2, 0.7788), (1, 0.5, 0.3679)],
)
def test_published_numbers(dispersion, density, value):
    found = distance_shape(np.array(2300.0), 2300.0, dispersion=dispersion, density=density)
    assert found == pytest.approx(value, abs=6e-5)


def test_shape():
    d = np.linspace(0, 50, 500)
    plain = distance_shape(d, 5.0)
    assert plain[0] == 1.0 and (np.diff(plain) < 0).all() and plain.min() > 0.0
    np.testing.assert_allclose(plain, np.exp(-d / 10), rtol=1e-12)
    assert (distance_shape(d, 5.0, dispersion=2)[1:] > plain[1:]).all()  # wider
    assert (distance_shape(d, 5.0, density=2)[1:] > plain[1:]).all()  # flatter
    np.testing.assert_allclose(distance_shape(d, 5.0, density=3), plain ** (1 / 3), rtol=1e-12)


def test_signed_shape():
    d = np.linspace(0, 50, 501)
    for density in (0.5, 1.0, 2.0):
        signed = signed_distance_shape(d, 5.0, density=density)
        assert signed[0] == 1.0 and (np.diff(signed) < 0).all() and signed.min() > -1.0
    assert signed_distance_shape(np.array(10 * np.log(2)), 5.0) == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(signed_distance_shape(d, 5.0), 2 * np.exp(-d / 10) - 1, atol=1e-12)
    root = signed_distance_shape(np.array([0.0, 50.0]), 5.0, density=2.0)
    np.testing.assert_allclose(root, [1.0, -np.sqrt(1 - 2 * np.exp(-5))], rtol=1e-12)


def test_potentials_of_car_ball():
    """The game's own nearness is this shape: half the distance over 10 m."""
    obs = np.random.default_rng(0).random((50, 18))

    def to_goal(obs, info):
        ball = (2 * obs[:, :2] - 1) * np.array([5.0, 3.5])
        return np.linalg.norm(np.array([5.0, 0.0]) - ball, axis=1)

    def to_own(obs, info):
        ball = (2 * obs[:, :2] - 1) * np.array([5.0, 3.5])
        return np.linalg.norm(np.array([-5.0, 0.0]) - ball, axis=1)

    near = DistancePotential(to_goal, 10.0)
    np.testing.assert_allclose(near(obs, None), ball_nearness(obs), rtol=1e-12)
    both = GoalDifference(near, DistancePotential(to_own, 10.0), w_off=0.6, w_def=0.4)(obs, None)
    np.testing.assert_allclose(both, 0.6 * np.exp(-to_goal(obs, None) / 20) - 0.4 * np.exp(-to_own(obs, None) / 20))
    assert (both >= -0.4).all() and (both <= 0.6).all()
    signed = DistancePotential(to_goal, 10.0, signed=True)(obs, None)
    np.testing.assert_allclose(signed, 2 * ball_nearness(obs) - 1, atol=1e-12)


def test_alignment():
    assert alignment(np.array([1.0, -1.0, 0.0]), np.array([1.0, -1.0, 1.0])).tolist() == [1.0, -1.0, 0.5]
    obs = np.random.default_rng(1).random((50, 18))
    assert (np.abs(game_alignment(obs)) <= 1.0).all()


def test_reward(transition):
    t = transition([1.0, -1.0], {"d": np.array([0.0, 4.0])})
    np.testing.assert_allclose(DistanceReward("d", 2.0, coef=0.5)(t), [1.5, -1.0 + 0.5 * np.exp(-1.0)], rtol=1e-12)
    np.testing.assert_allclose(
        DistanceReward("d", 2.0, signed=True)(t), [2.0, -1.0 + (2 * np.exp(-1.0) - 1)], rtol=1e-12
    )


def test_staying_near_beats_arriving():
    """Paid at each step it is no potential: 40 steps one metre off are worth more than arriving, for 1, in three."""
    stays = 40 * distance_shape(np.array(1.0), 2.0)
    arrives = distance_shape(np.array([1.0, 0.5, 0.0]), 2.0).sum() + 1.0
    assert stays > 7 * arrives


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: distance_shape(np.array([-1.0]), 1.0), "distance must be at least 0, got -1.0"),
        (lambda: distance_shape(np.array([np.nan]), 1.0), "distance must be at least 0, got nan"),
        (lambda: distance_shape(np.zeros(1), 0.0), "length must be a number"),
        (lambda: signed_distance_shape(np.zeros(1), 1.0, dispersion=-1), "dispersion must be a number"),
        (lambda: DistancePotential(len, 1.0, density=0), "density must be a number"),
        (lambda: DistanceReward("d", 1.0, signed=1), "signed must be True or False"),
        (lambda: GoalDifference(len, len, w_off=-1), "w_off must be a number"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_negative_distance_is_named(transition):
    with pytest.raises(ValueError, match=r"distance must be in \[0, inf\], got -2.0 in row 1"):
        DistanceReward("d", 1.0)(transition([0.0, 0.0], {"d": np.array([0.0, -2.0])}))
