"""The congestion problem of the specification, learned: a hundred stateless Q-learners and what they are told."""

import numpy as np
import pytest

import payoff
from payoff.envs.social import congestion_theory as theory
from payoff.wrappers import wrap
from payoff.wrappers.multi_agent.difference import DifferenceReward

SEEDS, ROUNDS = 10, 3000


def learn(told, n, k, psi):
    """G ``(10,)`` of the last 100 of 3,000 rounds: learning rate 0.1, exploration 0.1 * 0.9985^t, ties at random."""

    def chosen(team):
        return np.asarray(team.action).reshape(team.present.shape)

    env = payoff.multi_agent_vec(
        "payoff/Congestion-v0",
        SEEDS,
        n_agents=n,
        sections=k,
        capacity=psi,
        max_steps=ROUNDS,
        reward="cooperative" if told == "global" else "private",
        info="minimal",
    )
    if told == "difference":
        env = wrap(
            env,
            DifferenceReward(
                lambda team: theory.welfare(theory.split(chosen(team), k, team.present), psi),
                lambda team: theory.others_welfare(chosen(team), k, psi, team.present),
            ),
        )
    env.reset(seed=0)
    draws, q, welfare = np.random.default_rng(5), np.zeros((SEEDS, n, k)), []
    copy, seat = np.indices((SEEDS, n))
    for t in range(ROUNDS):
        ties = q == q.max(axis=2, keepdims=True)
        greedy = (ties * (1.0 + draws.random(q.shape))).argmax(axis=2)
        explore = draws.random((SEEDS, n)) < 0.1 * 0.9985**t
        action = np.where(explore, draws.integers(0, k, (SEEDS, n)), greedy)
        _, reward, _, _, info = env.step(action)
        q[copy, seat, action] += 0.1 * (reward - q[copy, seat, action])
        welfare.append(info["payoff"].sum(axis=1))
    return np.mean(welfare[-100:], axis=0)


def test_difference_rewards_find_what_others_miss():
    """Specification: 6.22 by the local reward, 6.52 by G itself, 11.03 by D; the optimum is 11.04."""
    local, common, difference = (learn(told, 100, 6, 6.0) for told in ("local", "global", "difference"))
    _, optimum = theory.best_split(100, 6, 6.0)
    assert local == pytest.approx(6.22, abs=0.01)
    assert common.mean() == pytest.approx(6.52, abs=2.0 * common.std(ddof=1))
    assert difference == pytest.approx(11.03, abs=0.01)
    assert (difference <= optimum + 1e-9).all()
    assert difference.min() > common.max() + 3.5


def test_control_in_which_the_even_split_is_best():
    """Specification: 12.42, 11.71 and 12.41; there a learner that minds its own payoff does as well."""
    local, common, difference = (learn(told, 50, 9, 4.0) for told in ("local", "global", "difference"))
    for found in (local, difference):
        assert found.mean() == pytest.approx(12.42, abs=0.03)
    assert common.mean() == pytest.approx(11.71, abs=2.0 * common.std(ddof=1))
    assert common.mean() < local.mean() - 0.2
