"""What an episode batch is, and what every transform is held to."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from payoff.wrappers.redistribution.base import RewardTransform, return_error, with_residual
from tests.wrappers.redistribution.conftest import random_batch


def table(*columns):
    return np.array(columns).T


@pytest.fixture
def batch(make_batch):
    """Three episodes by hand: terminated after two steps, truncated after three, not finished."""
    base = make_batch(steps=3, columns=3)
    nothing = np.zeros((3, 3), dtype=bool)
    return dataclasses.replace(
        base,
        rewards=table([1.0, 2.0, 99.0], [4.0, 5.0, 6.0], [7.0, 98.0, np.nan]),
        valid=table([True, True, False], [True] * 3, [True, False, False]),
        terminated=table([False, True, False], [False] * 3, [False] * 3),
        truncated=nothing | (np.arange(9).reshape(3, 3) == 7),
    )


def test_properties(batch):
    assert batch.lengths.tolist() == [2, 3, 1]
    assert batch.returns.tolist() == [3.0, 15.0, 7.0]
    assert batch.finished.tolist() == [True, True, False]
    assert batch.paid.tolist() == [[1.0, 4.0, 7.0], [2.0, 5.0, 0.0], [0.0, 6.0, 0.0]]
    assert np.argwhere(batch.last.T).tolist() == [[0, 1], [1, 2], [2, 0]]
    assert batch.at_end(batch.rewards).tolist() == [2.0, 6.0, 7.0]
    assert (batch.at_end(batch.actions) == batch.actions[[1, 2, 0], [0, 1, 2]]).all()
    assert batch.with_rewards(batch.paid).returns.tolist() == batch.returns.tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rewards": np.zeros(3)}, "rewards must have shape"),
        ({"rewards": np.zeros((0, 3))}, "rewards must have shape"),
        ({"obs": np.zeros((3, 3, 2))}, r"obs must have shape \(4, 3\)"),
        ({"actions": np.zeros((3, 2))}, r"actions must have shape \(3, 3\)"),
        ({"info": {"x": np.zeros((4, 3))}}, r"info\['x'\] must have shape \(3, 3\)"),
        ({"start": {"x": np.zeros(2)}}, r"start\['x'\] must have shape \(3,\)"),
        ({"group": np.zeros(4)}, r"group must have shape \(3,\)"),
        ({"seats": 2}, "3 columns cannot be copies of 2 seats"),
        ({"seats": 0}, "seats must be"),
        ({"terminated": np.zeros((3, 3))}, "terminated must be bools"),
        ({"valid": table([True, False, True], [True] * 3, [True, False, False])}, "episode 0 has valid entries after"),
        ({"valid": table([False] * 3, [True] * 3, [True] * 3)}, "episode 0 has no valid entry"),
        ({"truncated": table([True, False, False], [False] * 3, [False] * 3)}, "episode 0 has valid entries after"),
        ({"terminated": table([False] * 3, [False] * 3, [False, False, True])}, "episode 2 ends where it is not valid"),
        ({"rewards": table([1.0, np.inf, 0.0], [0.0] * 3, [0.0] * 3)}, "got inf at step 1 of episode 0"),
    ],
)
def test_what_is_no_batch_is_refused(batch, change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(batch, **change)


@pytest.mark.parametrize("name", ["valid", "terminated", "truncated"])
def test_seats_of_a_copy_share_its_flags(make_batch, name):
    batch = make_batch(columns=4, seats=2, finished=True)
    changes = {"terminated": batch.terminated & False, "truncated": batch.truncated & False}
    flags = {**changes, "valid": batch.valid}[name].copy()
    flags[batch.lengths[3] - 1, 3] ^= True
    if name == "valid":
        flags[1:, 3] = False
        flags[0, 3] = True
    with pytest.raises(ValueError, match=f"{name} must be the same for all 2 seats of a copy, differs in copy 1"):
        dataclasses.replace(batch, **{**changes, name: flags})


class Given(RewardTransform):
    """Returns what it was given, and notes what it learned from."""

    def __init__(self, answer, **promises):
        self.answer, self.learned = answer, []
        for name, value in promises.items():
            setattr(self, name, value)

    def learn(self, batch):
        self.learned.append(batch)

    def rewrite(self, batch):
        return self.answer


def test_a_call_learns_first_and_blanks_what_is_not_valid(batch):
    transform = Given(np.full((3, 3), 2.0))
    new = transform(batch)
    assert transform.learned == [batch]
    assert new.dtype == np.float64
    assert new.tolist() == [[2.0, 2.0, 2.0], [2.0, 2.0, 0.0], [0.0, 2.0, 0.0]]
    assert transform.answer.tolist() == np.full((3, 3), 2.0).tolist()


def test_what_a_transform_must_not_do(batch):
    with pytest.raises(ValueError, match=r"must return shape \(3, 3\), got \(3,\)"):
        Given(np.zeros(3))(batch)
    with pytest.raises(ValueError, match="made the reward nan"):
        Given(np.full((3, 3), np.nan))(batch)
    with pytest.raises(KeyError, match="needs info\\['luck'\\]"):
        Given(batch.paid, needs=("luck",))(batch)
    with pytest.raises(NotImplementedError, match="rewrite"):
        RewardTransform()(batch)
    with pytest.raises(ValueError, match="keeps no state"):
        RewardTransform().load_state_dict({"x": np.zeros(1)})


def test_promises_are_checked(batch):
    moved = batch.paid[[1, 0, 2]]  # within finished episodes, and within the one that is not
    assert (Given(np.where(batch.valid, moved, 0.0), conserves_return=False)(batch)).any()
    kept = np.array([[2.0, 6.0, -5.0], [1.0, 5.0, 0.0], [0.0, 4.0, 0.0]])
    Given(kept, conserves_return=True)(batch)  # the unfinished one may change
    with pytest.raises(ValueError, match="changed a return by"):
        Given(kept + 1e-6, conserves_return=True)(batch)


def test_teams_keep_the_sum_over_their_seats(make_batch):
    batch = make_batch(columns=6, seats=3, finished=True)
    moved = batch.paid.reshape(7, 2, 3)[..., ::-1].reshape(7, 6)
    assert return_error(batch, moved).max() > 1e-3
    assert return_error(batch, moved, team=True).max() < 1e-12
    Given(moved, conserves_team_return=True)(batch)
    with pytest.raises(ValueError, match="changed a return by"):
        Given(moved * 1.001, conserves_team_return=True)(batch)


@given(st.integers(0, 10_000))
def test_the_residual_is_spread_evenly(seed):
    batch = random_batch(seed)
    estimates = np.random.default_rng(seed + 1).normal(size=batch.rewards.shape) * 50.0
    new = with_residual(batch, estimates)
    for b, length in enumerate(batch.lengths):
        own, lacks = estimates[:length, b], 0.0
        if batch.finished[b]:
            lacks = batch.rewards[:length, b].sum() - own.sum()
        assert new[:length, b] == pytest.approx(own + lacks / length, rel=1e-12, abs=1e-12)
        assert not new[length:, b].any()
    assert return_error(batch, new).max(initial=0.0) < 1e-12
