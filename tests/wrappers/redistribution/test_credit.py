"""Normalised credit: weights that sum to one, whatever the scores are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from payoff.wrappers.redistribution.base import return_error
from payoff.wrappers.redistribution.credit import NormalisedCredit, credit_weights, normalise_credit
from payoff.wrappers.redistribution.rd import LinearDecomposition
from payoff.wrappers.redistribution.step_features import StepFeatures


@given(
    st.integers(1, 6), st.integers(1, 4), st.integers(1, 3), st.integers(0, 10_000), st.sampled_from([1e-3, 1.0, 1e4])
)
def test_credit_adds_up_to_the_return(steps, episodes, seats, seed, size):
    rng = np.random.default_rng(seed)
    scores = size * rng.normal(size=(steps, episodes, seats))
    lengths = rng.integers(1, steps + 1, size=episodes)
    valid = np.arange(steps)[:, None] < lengths
    returns = 100.0 * rng.normal(size=episodes)
    of_step, of_seat = credit_weights(scores, valid)
    assert (of_step >= 0.0).all() and (of_seat >= 0.0).all()
    assert of_step.sum(axis=0) == pytest.approx(np.ones(episodes), rel=1e-12)
    assert of_seat.sum(axis=2)[valid] == pytest.approx(np.ones(lengths.sum()), rel=1e-12)
    credit = normalise_credit(scores, returns, valid)
    assert credit.sum(axis=(0, 2)) == pytest.approx(returns, rel=1e-9)
    assert (credit * returns[:, None] >= 0.0).all()
    assert not credit[~valid].any()


def test_by_hand():
    """Scores log 1, log 2 / log 3, log 2 of two seats in two steps: weights 1, 2 / 3, 2 of 8."""
    scores = np.log(np.array([[[1.0, 2.0]], [[3.0, 2.0]]]))
    of_step, of_seat = credit_weights(scores, np.ones((2, 1), dtype=bool))
    assert of_step.ravel() == pytest.approx([3 / 8, 5 / 8])
    assert of_seat.reshape(2, 2) == pytest.approx(np.array([[1 / 3, 2 / 3], [3 / 5, 2 / 5]]))
    credit = normalise_credit(scores, np.array([16.0]), np.ones((2, 1), dtype=bool))
    assert credit.reshape(2, 2) == pytest.approx(np.array([[2.0, 4.0], [6.0, 4.0]]))


def test_equal_scores_spread_the_teams_return_evenly(make_batch):
    batch = make_batch(columns=6, seats=3, finished=True)
    new = NormalisedCredit(lambda batch: np.zeros(batch.rewards.shape))(batch)
    for copy in range(2):
        own = slice(3 * copy, 3 * copy + 3)
        length = batch.lengths[3 * copy]
        assert new[:length, own] == pytest.approx(np.full((length, 3), batch.returns[own].sum() / (3 * length)))


@pytest.mark.parametrize("seed", range(5))
def test_the_teams_return_is_conserved(make_batch, seed):
    batch = make_batch(seed, columns=6, seats=3)
    new = NormalisedCredit(lambda batch: batch.rewards * 3.0, temperature=0.5)(batch)
    assert return_error(batch, new, team=True).max(initial=0.0) < 1e-9
    unfinished = ~batch.finished
    assert (new[:, unfinished] == batch.paid[:, unfinished]).all()


def test_scores_may_be_learned(make_batch):
    first, other = (NormalisedCredit(LinearDecomposition(StepFeatures(4), residual=False)) for _ in range(2))
    first(make_batch(1, columns=6, seats=2))
    other.load_state_dict(first.state_dict())
    batch = make_batch(2, columns=6, seats=2)
    assert first(batch).tobytes() == other(batch).tobytes()
    with pytest.raises(ValueError, match="keeps no state"):
        NormalisedCredit(lambda batch: batch.rewards).load_state_dict({"x": np.zeros(1)})


def test_what_does_not_fit_is_refused(make_batch):
    ones = np.ones((2, 1), dtype=bool)
    for scores, returns, valid, message in [
        (np.zeros((2, 1)), np.zeros(1), ones, "must fit"),
        (np.zeros((2, 1, 2)), np.zeros(2), ones, "must fit"),
        (np.full((2, 1, 2), np.nan), np.zeros(1), ones, "finite"),
        (np.zeros((2, 1, 2)), np.zeros(1), ~ones, "needs a valid step"),
    ]:
        with pytest.raises(ValueError, match=message):
            normalise_credit(scores, returns, valid)
    with pytest.raises(TypeError, match="score must be"):
        NormalisedCredit(3.0)
    with pytest.raises(ValueError, match="temperature must be"):
        NormalisedCredit(lambda batch: batch.rewards, temperature=0.0)
    with pytest.raises(ValueError, match="score must return shape"):
        NormalisedCredit(lambda batch: np.zeros(3))(make_batch())
