"""Outcome calibration: signs, bounds, and what it does to the order of successes and failures."""

import numpy as np
import pytest

from payoff.wrappers.transforms.calibrated import OutcomeCalibrated, calibrated


@pytest.fixture(scope="module")
def random_episodes():
    rng = np.random.default_rng(0)
    valid = np.arange(20)[:, None] < rng.integers(1, 21, 300)
    return np.where(valid, rng.random((20, 300)), 0.0), rng.integers(0, 2, 300).astype(float), valid


@pytest.mark.parametrize("average", [True, False])
def test_signs_and_bounds(random_episodes, average):
    scores, outcome, valid = random_episodes
    credit = calibrated(scores, outcome, valid, average=average)
    success = outcome == 1.0
    assert (credit[:, success] >= 0.0).all() and (credit[:, ~success] <= 0.0).all()
    assert np.abs(credit).max() <= 1.0 and (credit[~valid] == 0.0).all()
    total = credit.sum(axis=0)
    if average:
        assert total.max() <= 1.0 and total.min() >= -1.0
        assert total[success].min() >= 0.0 >= total[~success].max()  # no failure before a success
    else:
        assert total.max() > 5.0  # grows with the number of steps


def test_by_hand(batch):
    episodes = batch([[0.0, 1.0], [0.0, 0.0, 0.0, 0.0], [0.5]], aux=[[0.4, 0.8], [1.0, 0.5, 0.0, 0.9], [0.7]])
    new = OutcomeCalibrated("aux", average=False, coef=2.0)(episodes)
    np.testing.assert_allclose(new[:, 0][:2], [0.8, 1.0 + 1.6], atol=1e-15)
    np.testing.assert_allclose(new[:, 1], [0.0, -1.0, -2.0, -0.2], atol=1e-15)
    assert new[0, 2] == pytest.approx(0.5 + 2 * (0.7 + 0.5 - 1.0))
    new = OutcomeCalibrated("aux", threshold=0.5)(episodes)  # the last one now is a success
    np.testing.assert_allclose(new[:, 0][:2], [0.2, 1.4], atol=1e-15)
    np.testing.assert_allclose(new[:, 1], np.array([0.0, -0.5, -1.0, -0.1]) / 4, atol=1e-15)
    assert new[0, 2] == pytest.approx(0.5 + 0.7)


def test_without_the_average_success_is_drawn_out(batch):
    """Twenty good steps before success are worth more than two; averaged they are not."""
    episodes = batch([[0.0, 1.0], [0.0] * 19 + [1.0]], aux=[[0.9, 0.9], [0.9] * 20])
    for average, longer in ((False, True), (True, False)):
        short, long = OutcomeCalibrated("aux", average=average)(episodes).sum(axis=0)
        assert (long > short + 1e-9) == longer


def test_a_risky_good_looking_policy_may_come_first(batch):
    """Success with chance .6 and perfect scores against .65 and poor ones: .6 * 2 against .65 * 1.1 - .35 * .9."""
    good, poor = 1.0, 0.1
    episodes = batch([[1.0], [0.0], [1.0], [0.0]], aux=[[good], [good], [poor], [poor]])
    paid = OutcomeCalibrated("aux")(episodes)[0]
    assert 0.6 * paid[0] + 0.4 * paid[1] == pytest.approx(1.2)
    assert 0.65 * paid[2] + 0.35 * paid[3] == pytest.approx(0.4)


def test_episodes_that_go_on_keep_their_rewards(batch):
    episodes = batch([[0.0, 0.0], [0.0, 1.0]], finished=[False, True], aux=[[0.5, 0.5], [0.5, 0.5]])
    assert OutcomeCalibrated("aux")(episodes).tolist() == [[0.0, 0.25], [0.0, 1.25]]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: OutcomeCalibrated(None), TypeError, "scores must be the name"),
        (lambda: OutcomeCalibrated("aux", threshold=np.inf), ValueError, "threshold must be a number"),
        (lambda: OutcomeCalibrated("aux", average=1), ValueError, "average must be True or False"),
        (lambda: OutcomeCalibrated("aux", coef=-1), ValueError, "coef must be a number"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_returns_that_are_no_outcome(batch):
    with pytest.raises(ValueError, match=r"returns must be in \[0, 1\] where threshold is None, got 2.0"):
        OutcomeCalibrated("aux")(batch([[1.0, 1.0]], aux=[[0.0, 0.0]]))
