"""Tabular tasks with features: values by hand, and against solvers that go another way."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from payoff.envs.mdp import as_mdp
from payoff.envs.sparse.delivery import V0
from payoff.envs.sparse.delivery_boards import DEFAULT_BOARD
from payoff.envs.theory.tabular import evaluate, value_iteration
from payoff.wrappers import feature_task
from tests.wrappers.preference.tasks import detour, lottery, task

WEIGHTS = (-1.0, 50.0, -50.0, 1.0, -1.0, -2.0)


@pytest.fixture(scope="module")
def delivery():
    return feature_task("Delivery-v0", gamma=0.999)


@pytest.fixture(scope="module")
def model():
    return as_mdp("payoff/Delivery-v0", [0])


def test_weights_are_found_from_what_the_game_pays(delivery):
    np.testing.assert_allclose(delivery.weights, [*WEIGHTS, 0.0], atol=1e-9)  # no risky cell to win in on this board


def test_values_near_the_goal_by_hand(delivery, model):
    """The goal is at (8, 0); a step onto road costs 1 and onto brick 2, and the goal pays 50."""
    layout = V0.shape(V0.params()).layout
    row, column = (layout.view(model.states, name) for name in ("row", "column"))
    values = delivery.optimal_values().values
    for cell, expected in {
        (7, 0): 50.0,
        (9, 0): 50.0,
        (8, 1): 50.0,
        (6, 0): -1.0 + 0.999 * 50.0,
        (9, 1): -1.0 + 0.999 * 50.0,
        (8, 2): -2.0 + 0.999 * 50.0,
    }.items():
        np.testing.assert_allclose(values[(row == cell[0]) & (column == cell[1])], expected)
    passable = sum(line.count(c) for line in DEFAULT_BOARD for c in ".CR,cr")
    assert (delivery.model.initial > 0).sum() == passable


def test_values_are_those_of_sweeps(delivery, model):
    optimal = value_iteration(model, 0.999)
    np.testing.assert_allclose(delivery.optimal_values().values, optimal.values, atol=1e-6)
    np.testing.assert_allclose(
        delivery.successor_features(delivery.uniform) @ delivery.weights,
        evaluate(model, delivery.uniform, 0.999),
        atol=1e-6,
    )
    assert delivery.scaled_return(delivery.weights) == 1.0


def test_a_task_solved_by_hand():
    """gamma 0.9: near pays 1; the detour -2 + 0.9 * 4 = 1.6; random play (1 + 1.6) / 2 = 1.3 there, 4 in the other."""
    one = detour(4.0)
    assert one.best_policy(one.weights).tolist()[0] == 1
    np.testing.assert_allclose(one.optimal_values().action_values, [[1.0, 1.6], [4.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(one.successor_features(one.uniform), [[0.5, 0.5, 0.45], [0, 0, 1], [0, 0, 0]])
    np.testing.assert_allclose(one.value(one.uniform), (1.3 + 4.0) / 2)
    # who takes the near one everywhere is worth 1 and 4: J = 2.5, against 2.65 by chance and 2.8 at best
    np.testing.assert_allclose(one.scaled_return(np.array([1.0, -2.0, 0.0])), -1.0)


def test_a_lottery_is_worth_its_mean():
    game = lottery(6.0)
    np.testing.assert_allclose(game.optimal_values().action_values[0], [1.0, 1.5])
    segments = game.random_segments(4000, 1, seed=0)
    lost, won = (segments.rewards[:, 0] == x for x in (-3.0, 6.0))
    assert set(segments.rewards[:, 0]) == {-3.0, 1.0, 6.0}
    for kind, chance in ((lost, 0.25), (won, 0.25)):
        assert abs(kind.mean() - chance) < 4 * np.sqrt(chance * (1 - chance) / 4000)


def test_segments_past_the_end_and_not():
    game = detour(4.0)
    some = game.random_segments(200, 3, seed=0)
    assert some.ended.all() and not some.valid.all()  # every episode is over after two steps
    np.testing.assert_array_equal(some.returns, (some.rewards * some.valid).sum(axis=1))
    phi = game.segment_features(some)
    np.testing.assert_allclose(phi @ game.weights, some.returns)
    with pytest.raises(ValueError, match="length 3 is too long"):
        game.random_segments(10, 3, seed=0, past_the_end=False)
    whole = game.random_segments(300, 2, seed=0, past_the_end=False)
    assert len(whole) == 300 and whole.valid.all()


def test_what_cannot_be_a_task_is_refused():
    with pytest.raises(ValueError, match=r"features must be 0 in terminal states"):
        task([(0, 0, 1.0, 1, [1.0]), (1, 0, 1.0, 1, [1.0])], [1.0])
    with pytest.raises(ValueError, match=r"gamma must be a number in \(0, 1\), got 1"):
        task([(0, 0, 1.0, 1, [1.0])], [1.0], gamma=1.0)
    one = detour(1.0)
    with pytest.raises(ValueError, match=r"model must pay features @ weights, got a payoff that differs by 2"):
        dataclasses.replace(one, weights=np.array([1.0, 0.0, 1.0]))
    with pytest.raises(ValueError, match=r"features must have shape \(3, 2, 1\) and one axis of weights"):
        dataclasses.replace(one, weights=np.ones(2))
    with pytest.raises(TypeError, match=r"model must be a payoff.envs.mdp.MDP, got ndarray"):
        dataclasses.replace(one, model=one.features)
    with pytest.raises(ValueError, match=r"reports no info\['reward_vector'\]"):
        feature_task("CliffWalk-v0", gamma=0.9)
    with pytest.raises(ValueError, match="weights must be 3 finite numbers"):
        detour(1.0).scaled_return(np.array([1.0, np.nan, 0.0]))
    with pytest.raises(ValueError, match="every policy is as good as random play"):
        task([(0, 0, 1.0, 1, [1.0])], [1.0]).scaled_return(np.ones(1))
