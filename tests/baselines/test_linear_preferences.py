"""Reward learner ``linear_preferences``: by its name, what it refuses, and a training under what it found."""

from __future__ import annotations

import numpy as np
import pytest

from payoff.baselines.reward_learners import Problem, learned, reward_learner
from payoff.wrappers import LinearReward, feature_task
from tests.baselines.commands import call, refused

SMALL = {"layout": "random", "height": 3, "width": 5, "sheep": 0.0}


def problem(**changes):
    given = {"env_id": "payoff/Delivery-v0", "keywords": SMALL, "gamma": 0.99, "on_truncation": "bootstrap", "seed": 1}
    return Problem(**{**given, **changes})


def test_what_it_learns_makes_the_best_policy_of_the_board(tmp_path):
    found = learned("linear_preferences:pairs=300", problem(), tmp_path)
    assert isinstance(found, LinearReward) and np.abs(found.weights).max() == 1.0
    task = feature_task("Delivery-v0", gamma=0.999, start=1, **SMALL)
    assert task.scaled_return(found.weights) > 0.9
    again = learned("linear_preferences:pairs=300", problem(), tmp_path)  # from its file
    np.testing.assert_array_equal(again.weights, found.weights)
    assert len(list((tmp_path / "rewards").iterdir())) == 1


def test_a_learner_of_partial_return_is_another_one():
    one = learned("linear_preferences:pairs=50", problem())
    other = learned("linear_preferences:pairs=50,model=partial_return", problem())
    assert not np.array_equal(one.weights, other.weights)


def test_settings_and_games_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="model must be one of"):
        reward_learner("linear_preferences:model=regrets")
    with pytest.raises(ValueError, match="pairs must be an integer in 1"):
        reward_learner("linear_preferences:pairs=0")
    with pytest.raises(ValueError, match=r"2 x pairs x length must be at most .*, got 2000000 x 1000"):
        reward_learner("linear_preferences:pairs=1000000,length=1000")
    with pytest.raises(ValueError, match=r"reports info\['reward_vector'\], got payoff/CliffWalk-v0"):
        learned("linear_preferences", problem(env_id="payoff/CliffWalk-v0", keywords={}))
    with pytest.raises(ValueError, match="needs a tabular game of Payoff, got CartPole-v1"):
        learned("linear_preferences", problem(env_id="CartPole-v1", keywords={}))


def test_ppo_trains_under_it(capsys, tmp_path):
    words = [f"{name}={value}" for name, value in SMALL.items()]
    arguments = ("train", "--algo", "ppo", "--env", "Delivery-v0", "--params", *words, "--out", tmp_path)
    few = ("--total-steps", "256", "--set", "num_steps=16", "num_envs=4", "--episodes", "2")
    status, out, err = call(capsys, *arguments, *few, "--reward-learner", "linear_preferences:pairs=50")
    assert status == 0, err
    assert "checkpoint" in out and len(list((tmp_path / "rewards").iterdir())) == 1
    line = refused(capsys, *arguments, "--reward-learner", "linear_preferences:pair=50")
    assert "did you mean 'pairs'?" in line
