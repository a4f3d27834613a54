"""Stepwise progress: contributions of the decomposition, and the bonus for steps with an effect."""

from __future__ import annotations

import numpy as np
import pytest

from payoff.wrappers.redistribution.progress import StepwiseProgress, changed
from payoff.wrappers.redistribution.rd import LinearDecomposition


def cell(obs, actions, next_obs):
    return next_obs[:, :13]


def place(obs, actions, next_obs):
    return changed(obs[:, :13], actions, next_obs[:, :13])


def test_contribution_and_effect(coin_line):
    """On the coin line the contribution is the coin, and a step has no effect where it runs against an end."""
    batch = coin_line(200)
    new = StepwiseProgress(LinearDecomposition(cell, residual=False), alpha=2.0, beta=0.25, effect=place)(batch)
    at = batch.obs[:, :, :13].argmax(axis=2)
    moved = at[1:] != at[:-1]
    assert not moved.all()
    assert new == pytest.approx(2.0 * (at[1:] == 9) + 0.25 * moved, abs=1e-5)


def test_any_entry_counts():
    obs = np.zeros((3, 2, 2))
    after = obs.copy()
    after[1, 1, 0] = 1e-9
    assert changed(obs, np.zeros(3), after).tolist() == [False, True, False]


def test_state_is_that_of_the_decomposition(coin_line):
    first, other = (StepwiseProgress(LinearDecomposition(cell), effect=place) for _ in range(2))
    first(coin_line(60))
    other.load_state_dict(first.state_dict())
    batch = coin_line(5, seed=3)
    assert first(batch).tobytes() == other(batch).tobytes()
    with pytest.raises(ValueError, match="takes the arrays"):
        other.load_state_dict({"x": np.zeros(1)})


def test_arguments_are_checked(make_batch):
    inner = LinearDecomposition(cell)
    with pytest.raises(TypeError, match="decomposition must be"):
        StepwiseProgress(cell)
    with pytest.raises(TypeError, match="effect must be"):
        StepwiseProgress(inner, effect=0.5)
    with pytest.raises(ValueError, match="beta must be"):
        StepwiseProgress(inner, beta=-1.0)
    with pytest.raises(ValueError, match="effect must return shape"):
        StepwiseProgress(inner, effect=lambda o, a, n: np.zeros(1))(make_batch(obs_size=13))
