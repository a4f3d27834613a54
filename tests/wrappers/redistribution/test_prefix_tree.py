"""Prefix trees: values by hand, sums, and credit at the decisions that part a group."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.wrappers.redistribution.base import EpisodeBatch
from payoff.wrappers.redistribution.prefix_tree import PrefixTreeValues, branch_advantages, node_values

KEYS = "payoff/KeyRoom-v0"


@pytest.fixture
def four():
    """Four episodes of two steps from one start: actions 00, 01, 10, 11; the first returns 1."""
    actions = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])[..., None]
    ends = np.array([[False] * 4, [True] * 4])
    rewards = np.array([[0.0] * 4, [1.0, 0.0, 0.0, 0.0]])
    obs = np.zeros((3, 4, 2))
    obs[1, :, 0], obs[2, :, 0], obs[2, :, 1] = actions[0, :, 0] + 1, actions[0, :, 0] + 1, actions[1, :, 0] + 1
    return EpisodeBatch(obs, actions, rewards, ends, ends & False, np.ones_like(ends))


@pytest.mark.parametrize("node", ["steps", "actions", "states"])
def test_values_by_hand(four, node):
    assert node_values(four, node).tolist() == [[0.25] * 4, [0.5, 0.5, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]
    assert PrefixTreeValues(node)(four).tolist() == [[0.25, 0.25, -0.25, -0.25], [0.5, -0.5, 0.0, 0.0]]
    # mean 1/4, standard deviation sqrt(3)/4
    outcome = np.array([3.0, -1.0, -1.0, -1.0]) / np.sqrt(3.0)
    expected = outcome + np.array([[0.25, 0.25, -0.25, -0.25], [0.5, -0.5, 0.0, 0.0]])
    assert branch_advantages(four, node) == pytest.approx(expected)


def test_groups_have_trees_of_their_own(four):
    grouped = dataclasses.replace(four, group=np.array([7, 8, 7, 8]))
    assert node_values(grouped)[0].tolist() == [0.5, 0.0, 0.5, 0.0]
    assert not branch_advantages(grouped)[:, [1, 3]].any()  # a group that always fails teaches nothing


def test_equal_returns_teach_nothing_in_any_order_of_summing(four):
    """In floating point 0.1 + 0.7 is not 0.4 + 0.4, and the mean of three times 0.1 is not 0.1."""
    rewards = np.array([[0.1, 0.4, 0.1, 0.1], [0.7, 0.4, 0.7, 0.7]])
    assert not branch_advantages(dataclasses.replace(four, rewards=rewards)).round(9).any()
    group = np.array([0, 0, 0, 1])
    alike = dataclasses.replace(four, rewards=np.array([[0.0] * 4, [0.1] * 4]), group=group)
    assert not branch_advantages(alike).round(9).any()


def test_what_is_not_finished_has_no_outcome(four):
    ends = four.terminated.copy()
    ends[1, 0] = False
    batch = dataclasses.replace(four, terminated=ends)
    assert not node_values(batch).any()  # the only success does not count, and its own leaf takes over V of its parent
    assert not branch_advantages(batch).any()


def test_states_may_be_reached_in_several_ways(four):
    """Ways 01 and 10 meet in the same state, whose value is the mean of both; 11 comes back to the start."""
    obs = np.array([[0, 0, 0, 0], [1, 1, 2, 2], [3, 4, 4, 0]], dtype=float)[..., None]
    rewards = np.array([[0.0] * 4, [1.0, 1.0, 0.0, 0.0]])
    batch = dataclasses.replace(four, obs=obs, rewards=rewards)
    assert node_values(batch, "states").tolist() == [[0.5] * 4, [1.0, 1.0, 0.0, 0.0], [1.0, 0.5, 0.5, 0.5]]


def test_key_room_credit_is_at_the_key_and_at_the_door(play):
    """Sixteen episodes from one start follow the solution; 8 turn away at the key, and 4 of the others at the door."""
    game, env = registry.load(KEYS), payoff.multi_agent_vec(KEYS, num_envs=1, size=5, info="minimal")
    env.reset(options={"group": 3})
    solution, over = [], False
    while not over:
        solution.append(int(game.policy(env.engine.rows[0], env.engine.state[0])[0]))
        over = bool(env.step(np.array([[[solution[-1]]]]))[2][0])
    pick, unlock = solution.index(3), solution.index(4)
    away = {0: pick, 1: unlock}  # kind of episode -> the step on which it turns left, and goes on turning
    kinds = np.array([0] * 8 + [1] * 4 + [2] * 4)

    def act(obs, t):
        right = solution[min(t, len(solution) - 1)]
        return np.array([0 if k in away and t >= away[k] else right for k in kinds])

    batch = play(KEYS, 16, act, group=[3] * 16, size=5)
    assert batch.returns.tolist() == [0.0] * 12 + [1.0] * 4
    new = PrefixTreeValues("actions")(batch)
    expected = np.zeros(new.shape)
    expected[pick] = np.where(kinds == 0, -0.25, 0.25)  # 4 of 16 succeed, 4 of the 8 that took the key
    expected[unlock, kinds == 1], expected[unlock, kinds == 2] = -0.5, 0.5
    assert (new == expected).all()
    assert (PrefixTreeValues()(batch) == expected).all()  # without chance the observations add nothing


def test_zero_where_nothing_parts_and_a_sum_that_telescopes(play):
    rng = np.random.default_rng(0)
    batch = play(KEYS, 16, lambda obs, t: rng.integers(0, 5, size=16), group=[5] * 16, size=5, max_steps=400)
    assert 0.0 < batch.returns.mean() < 1.0
    new, actions = PrefixTreeValues()(batch), batch.actions[..., 0]
    means = [
        [batch.returns[(actions[:t] == actions[:t, b : b + 1]).all(axis=0)].mean() for t in range(batch.lengths[b] + 1)]
        for b in range(16)
    ]
    for b, values in enumerate(means):
        assert new[: batch.lengths[b], b] == pytest.approx(np.diff(values), abs=1e-12)
    assert new.sum(axis=0) == pytest.approx(batch.returns - batch.returns.mean(), abs=1e-12)


def test_node_is_checked():
    with pytest.raises(ValueError, match="node must be one of"):
        PrefixTreeValues("leaves")
