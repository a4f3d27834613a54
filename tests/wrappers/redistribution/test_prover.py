"""Progress under a prover: exact values on a tabular game, rollouts against them, published numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import payoff
from payoff.envs.theory.tabular import finite_horizon, uniform_policy
from payoff.wrappers.redistribution.base import EpisodeBatch
from payoff.wrappers.redistribution.prover import ProverProgress, RolloutValues, table_values

CHAIN = "payoff/Chain-v0"
SMALL = {"length": 8, "goal": 5, "start": 3, "slip": 0.3, "max_steps": 6}


def chain_values(horizon, right):
    """Value of playing right with this probability, by hand: ``(horizon + 1, 7)`` with h steps left in each cell.

    Cells 0 .. 6; left of 0 the game ends; choosing right in cell 5 pays 1; a slip draws either action anew.
    """
    values = np.zeros((horizon + 1, 7))
    for h in range(1, horizon + 1):
        for x in range(7):
            for action, chance in ((1, right), (0, 1.0 - right)):
                paid = float(x == 5 and action == 1)
                later = 0.0
                for effect in (0, 1):
                    p = 0.5 * 0.3 + (1.0 - 0.3) * (effect == action)
                    to = x - 1 if effect == 0 else x + (x not in (5, 6))
                    later += p * (0.0 if to < 0 else values[h - 1, to])
                values[h, x] += chance * (paid + later)
    return values


@pytest.fixture
def episodes(play):
    rng = np.random.default_rng(0)
    return play(CHAIN, 300, lambda obs, t: rng.integers(0, 2, size=300), **SMALL)


def table():
    mdp = payoff.as_mdp(CHAIN, starts=[0], **SMALL)
    rows = [finite_horizon(mdp, uniform_policy(mdp), h) for h in range(7)]
    return table_values(CHAIN, mdp, np.array(rows), **SMALL)


def by_hand(batch, gamma=1.0):
    """r + gamma V(s') - V(s) from the observed cells."""
    values, steps = chain_values(6, 0.5), batch.rewards.shape[0]
    cells = batch.obs.argmax(axis=2)
    over = batch.terminated | batch.truncated
    found = np.zeros(batch.rewards.shape)
    for t in range(steps):
        after = np.where(over[t], 0.0, values[5 - t, cells[t + 1]])
        found[t] = batch.rewards[t] + gamma * after - values[6 - t, cells[t]]
    return np.where(batch.valid, found, 0.0)


def test_progress_is_the_advantage_under_the_prover(episodes):
    transform = ProverProgress(table(), gamma=1.0, alpha=0.3)
    assert episodes.terminated.any() and (episodes.truncated & ~episodes.terminated).any()
    progress = transform.progress(episodes)
    assert progress == pytest.approx(by_hand(episodes), abs=1e-12)
    assert transform(episodes) == pytest.approx(episodes.paid + 0.3 * progress)
    # in all what was paid, less what was expected at the start
    assert progress.sum(axis=0) == pytest.approx(episodes.returns - chain_values(6, 0.5)[6, 3], abs=1e-12)
    discounted = ProverProgress(table(), gamma=0.9).progress(episodes)
    assert discounted == pytest.approx(by_hand(episodes, 0.9), abs=1e-12)


def test_played_by_the_prover_itself_progress_is_zero_on_average(episodes):
    """These episodes are uniformly random play, which is the prover here; 5 standard errors."""
    progress = ProverProgress(table(), gamma=1.0).progress(episodes)[episodes.valid]
    assert abs(progress.mean()) < 5.0 * progress.std() / np.sqrt(progress.size)


def test_rollouts_estimate_the_same(episodes):
    rng = np.random.default_rng(1)
    values = RolloutValues(CHAIN, lambda obs: rng.integers(0, 2, size=(len(obs), 1, 1)), rollouts=4000, seed=2, **SMALL)
    running = episodes.valid & ~(episodes.terminated | episodes.truncated)
    states = episodes.info["state"][running]
    cells, left = episodes.obs[1:][running].argmax(axis=1), 6 - states[:, 0].astype(int)
    _, first = np.unique(7 * left + cells, return_index=True)
    expected = chain_values(6, 0.5)[left[first], cells[first]]
    found = values(states[first])
    assert len(first) > 15
    assert np.abs(found - expected).max() < 5.0 * 6.0 / 2.0 / np.sqrt(4000)  # payoffs of at most 6 deviate by at most 3


def test_rollouts_without_chance_are_exact(play):
    keywords = {**SMALL, "slip": 0.0}
    rng = np.random.default_rng(0)
    batch = play(CHAIN, 40, lambda obs, t: rng.integers(0, 2, size=40), **keywords)
    right = RolloutValues(CHAIN, lambda obs: np.ones((len(obs), 1, 1), dtype=int), rollouts=1, gamma=0.5, **keywords)
    running = batch.valid & ~(batch.terminated | batch.truncated)
    states = batch.info["state"][running]
    cells, left = batch.obs[1:][running].argmax(axis=1), 6 - states[:, 0].astype(int)
    # walk to the goal, then 1 on every step that is left: a geometric sum
    expected = [
        sum(0.5**i for i in range(max(0, 5 - x), h)) if x <= 5 else 0.0 for x, h in zip(cells, left, strict=True)
    ]
    assert right(states) == pytest.approx(expected, abs=1e-12)
    assert ProverProgress(right, gamma=0.5)(batch).shape == batch.rewards.shape


def test_rollouts_have_luck_of_their_own_and_state(episodes):
    def rolled(seed=0):
        prover = np.random.default_rng(5)
        act = lambda obs: prover.integers(0, 2, size=(len(obs), 1, 1))  # noqa: E731
        return ProverProgress(RolloutValues(CHAIN, act, rollouts=2, seed=seed, **SMALL), gamma=1.0)

    whole, part = rolled(), rolled()
    first = whole(episodes)
    assert (first == part(episodes)).all()
    second = whole(episodes)
    assert (first != second).any()
    other = rolled()
    other.load_state_dict(part.state_dict())
    fresh = rolled()  # the prover's own draws begin anew in both, so that only the game's luck differs
    assert (other(episodes) != fresh(episodes)).any()
    for bad in ({}, {"calls": np.array(-1)}, {"calls": np.array(1.5)}):
        with pytest.raises(ValueError, match="whole number calls"):
            other.load_state_dict(bad)


def best_actions(reward, after, gamma=0.9):
    """Best actions of a deterministic problem ``(S, A)``; the last state is the end. Values by 400 sweeps."""
    values = np.zeros(len(reward))
    for _ in range(400):
        q = reward + gamma * np.where(after == len(reward) - 1, 0.0, values[after])
        values[:-1] = q[:-1].max(axis=1)
    return q[:-1].argmax(axis=1)


def test_progress_keeps_the_best_policy_and_the_value_itself_does_not():
    """A hundred random problems of 8 states and 3 actions; the prover is a random policy, evaluated exactly."""
    rng, size, kept, hacked = np.random.default_rng(0), 8, 0, 0
    for _ in range(100):
        after = rng.integers(0, size, size=(size, 3))
        after[-1] = size - 1
        reward = rng.normal(size=(size, 3))
        reward[-1] = 0.0
        prover = rng.dirichlet(np.ones(3), size=size)
        moves = np.zeros((size, size))
        np.add.at(moves, (np.arange(size)[:, None], after), prover)
        moves[:, -1] = 0.0
        values = np.linalg.solve(np.eye(size) - 0.9 * moves, (prover * reward).sum(axis=1))
        one_step = np.ones((1, size * 3), dtype=bool)
        batch = EpisodeBatch(
            obs=np.zeros((2, size * 3, 1)),
            actions=np.zeros((1, size * 3, 1)),
            rewards=reward.reshape(1, -1),
            terminated=(after == size - 1).reshape(1, -1),
            truncated=~one_step,
            valid=one_step,
            info={"state": after.reshape(1, -1, 1)},
            start={"state": np.repeat(np.arange(size), 3)[:, None]},
        )
        paid = ProverProgress(lambda states, v=values: v[states[:, 0]], gamma=0.9, alpha=2.0)(batch).reshape(size, 3)
        paid[-1] = 0.0
        best = best_actions(reward, after)
        kept += (best_actions(paid, after) == best).all()
        arrival = reward + 2.0 * np.where(after == size - 1, 0.0, values[after])
        hacked += (best_actions(arrival, after) != best).any()
    assert kept == 100
    assert hacked > 10


def planted(strength):
    """Chance to emit 3 6 0 3 5 somewhere in 10 tokens, by tokens left and length of the match: ``(11, 6)``."""
    target = [3, 6, 0, 3, 5]

    def after(match, token):
        tail = [*target[:match], token]
        return max(k for k in range(6) if k == 0 or tail[-k:] == target[:k])

    values = np.zeros((11, 6))
    values[:, 5] = 1.0
    for left in range(1, 11):
        for match in range(5):
            weights = np.ones(15)
            weights[target[match]] = strength
            weights /= weights.sum()
            values[left, match] = sum(w * values[left - 1, after(match, v)] for v, w in enumerate(weights[:14]))
    return values  # token 14 ends the sequence


@pytest.mark.parametrize(("strength", "chance"), [(5, 0.0054), (8, 0.0245), (10, 0.0455), (15, 0.1181), (50, 0.5851)])
def test_planted_sequence_chances(strength, chance):
    assert planted(strength)[10, 0] == pytest.approx(chance, abs=5e-5)


@pytest.mark.parametrize("best_of", [1, 4])
def test_planted_sequence_progress(make_batch, best_of):
    """Spec: 0.0455, 0.0637, 0.1051, 0.2039, 0.4413 with 0 to 4 tokens matched and ten to come; differences are paid."""
    values = planted(10.0)
    published = np.array([0.0455, 0.0637, 0.1051, 0.2039, 0.4413])
    assert values[10, :5] == pytest.approx(published, abs=5e-5)
    batch = make_batch(steps=5, columns=1, finished=True)
    path = np.arange(6.0)[:, None, None]  # tokens matched
    rewards = np.array([[0.0], [0.0], [0.0], [0.0], [1.0]])
    batch = dataclasses.replace(batch, rewards=rewards, info={"state": path[1:]}, start={"state": path[0]})
    prover = ProverProgress(lambda states: values[10, states[:, 0].astype(int)], gamma=1.0, best_of=best_of)
    progress = prover.progress(batch)
    chances = 1.0 - (1.0 - np.append(published, 1.0)) ** best_of
    assert progress.ravel() == pytest.approx(np.diff(chances), abs=5e-4)


def test_what_does_not_fit_is_refused(episodes, make_batch):
    with pytest.raises(ValueError, match="gamma must be"):
        ProverProgress(table(), gamma=0.0)
    with pytest.raises(ValueError, match="best_of must be"):
        ProverProgress(table(), gamma=1.0, best_of=0)
    with pytest.raises(TypeError, match="values must be"):
        ProverProgress(3.0, gamma=1.0)
    with pytest.raises(ValueError, match="finite numbers"):
        ProverProgress(lambda states: np.zeros(3), gamma=1.0)(episodes)
    with pytest.raises(ValueError, match="chances"):
        ProverProgress(table(), gamma=1.0, best_of=2)(episodes)
    shorter = {**SMALL, "length": 6, "goal": 4}
    mdp = payoff.as_mdp(CHAIN, starts=[0], **shorter)
    with pytest.raises(ValueError, match="values must have shape"):
        table_values(CHAIN, mdp, np.zeros(mdp.n_states - 1), **shorter)
    with pytest.raises(ValueError, match="has no state"):
        ProverProgress(table_values(CHAIN, mdp, np.zeros(mdp.n_states), **SMALL), gamma=1.0)(episodes)
    with pytest.raises(ValueError, match="rows for 3 steps, got a state at step 5"):
        model = payoff.as_mdp(CHAIN, starts=[0], **SMALL)
        ProverProgress(table_values(CHAIN, model, np.zeros((4, model.n_states)), **SMALL), gamma=1.0)(episodes)
    with pytest.raises(ValueError, match="2 seats"):
        ProverProgress(table(), gamma=1.0)(make_batch(columns=6, seats=2, info={"state": np.zeros((7, 6, 9))}))
