"""IRCR: normalised returns by hand, what is remembered, state."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from payoff.wrappers.redistribution.ircr import GuidanceReward


@pytest.fixture
def with_returns(make_batch):
    """Factory of finished episodes with given returns, 4 and 2 steps long in turn."""

    def make(*returns):
        batch = make_batch(steps=4, columns=len(returns), finished=True)
        valid = np.arange(4)[:, None] < np.where(np.arange(len(returns)) % 2, 2, 4)
        last = valid & ~np.vstack([valid[1:], np.zeros((1, len(returns)), dtype=bool)])
        rewards = np.where(last, returns, 0.0)
        return dataclasses.replace(batch, rewards=rewards, valid=valid, terminated=last, truncated=last & False)

    return make


def test_every_step_is_paid_the_normalised_return(with_returns):
    new = GuidanceReward()(with_returns(0.0, 5.0, 20.0))
    assert new.T.tolist() == [[0.0] * 4, [0.25, 0.25, 0.0, 0.0], [1.0] * 4]


def test_per_step_ranks_by_the_mean_reward(with_returns):
    """5 in 2 steps is 2.5 a step, 8 in 4 steps only 2."""
    new = GuidanceReward(per_step=True)(with_returns(8.0, 5.0, 4.0))
    assert new[0].tolist() == pytest.approx([2.0 / 3.0, 1.0, 0.0])


def test_all_alike_teaches_nothing(with_returns):
    assert not GuidanceReward()(with_returns(3.0, 3.0)).any()


def test_the_best_are_remembered_and_the_rest_forgotten(with_returns):
    transform = GuidanceReward(memory=2, best=1)
    transform(with_returns(-10.0, 10.0))
    transform(with_returns(0.0, 2.0))
    # newest 0 and 2, best ever 10: the -10 is forgotten
    assert transform(with_returns(0.0, 2.0))[0].tolist() == pytest.approx([0.0, 0.2])
    assert transform.state_dict()["best"].tolist() == [10.0]
    none = GuidanceReward(memory=2, best=0)
    none(with_returns(-10.0, 10.0))
    assert none(with_returns(0.0, 2.0))[0].tolist() == [0.0, 1.0]


def test_what_is_not_finished_is_paid_the_mean(with_returns):
    batch = with_returns(0.0, 10.0, 2.0)
    ends = batch.terminated.copy()
    ends[:, 2] = False
    new = GuidanceReward()(dataclasses.replace(batch, terminated=ends))
    assert new[0].tolist() == [0.0, 1.0, 0.5]


def test_state_goes_on_where_it_was(make_batch):
    whole, part, other = (GuidanceReward(memory=6, best=2) for _ in range(3))
    for seed in range(2):
        whole(make_batch(seed)), part(make_batch(seed))
    other.load_state_dict(part.state_dict())
    for seed in range(2, 4):
        assert whole(make_batch(seed)).tobytes() == other(make_batch(seed)).tobytes()
    kept, good = other.state_dict(), part.state_dict()
    for bad in ({}, {**good, "newest": np.zeros(7)}, {**good, "best": np.array([np.nan])}):
        with pytest.raises(ValueError, match=r"takes the arrays|must be at most"):
            other.load_state_dict(bad)
    assert all((other.state_dict()[name] == kept[name]).all() for name in kept)


def test_sums_in_another_order_are_alike(make_batch):
    """0.1 + 0.2 + 0.3 > 0.3 + 0.2 + 0.1 in floating point; a mean of tenths depends on their number."""
    batch = make_batch(steps=3, columns=2, finished=True)
    batch = dataclasses.replace(
        batch,
        rewards=np.array([[0.1, 0.3], [0.2, 0.2], [0.3, 0.1]]),
        valid=np.ones((3, 2), dtype=bool),
        terminated=np.array([[False] * 2, [False] * 2, [True] * 2]),
        truncated=np.zeros((3, 2), dtype=bool),
    )
    assert batch.returns[0] != batch.returns[1]
    assert not GuidanceReward()(batch).any()
    assert GuidanceReward()(batch.with_rewards(np.array([[0.0, 1e-3]] + [[0.0, 0.0]] * 2)))[0].tolist() == [0.0, 1.0]


def test_the_best_alone_are_no_memory(make_batch):
    with pytest.raises(ValueError, match="newest must hold"):
        GuidanceReward().load_state_dict({"newest": np.zeros(0), "best": np.array([1.0, 2.0])})


def test_arguments_are_checked():
    for wrong in ({"memory": 0}, {"best": -1}, {"per_step": 1}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
            GuidanceReward(**wrong)
