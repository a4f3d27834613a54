"""Evaluation in payoffs, against sums worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

import payoff
from payoff.baselines.evaluation import Yardsticks, evaluate, score, yardsticks
from payoff.baselines.policies import ConstantPolicy, RandomPolicy
from payoff.envs import registry
from tests.baselines.fixtures import Match, Name, Stub

TRUST, KEYS = "payoff/TrustDilemma-v0", "payoff/KeyRoom-v0"


def pi(level):
    """Payoff of a step of TrustDilemma-v0 when both contribute ``level`` of 100."""
    a = 100 * level
    return (100 - a) + 20 * np.log(1 + a) + 0.35 * a


class Corner:
    """Contributes 90 % in the first step and nothing after it; in KeyRoom turns, then walks."""

    def act(self, obs, *, deterministic):
        clock = np.rint(obs[:, :1, -1] * 100)
        return np.broadcast_to(np.where(clock == 0, 0.8, -1.0)[..., None], (*obs.shape[:2], 1))


@pytest.mark.parametrize("reward", ["private", "cooperative"])
def test_payoffs_are_summed_whatever_the_reward(reward):
    played = evaluate(ConstantPolicy(0.4), TRUST, episodes=3, seed=0, env_kwargs={"reward": reward})
    assert played.payoffs == pytest.approx(np.full((3, 2), 100 * pi(0.4)), rel=1e-12)
    assert played.welfare == pytest.approx(200 * pi(0.4), rel=1e-12)
    assert (played.lengths == 100).all()
    assert played.levels == pytest.approx(0.4)
    assert played.cooperation == pytest.approx(0.4)
    assert played.cooperation_by_step == pytest.approx(np.full(100, 0.4))


def test_what_follows_the_end_of_an_episode_is_not_counted():
    """Contributing nothing, trust T falls by 0.3 T (1 + 0.5 D) a step and soon the episode ends."""
    played = evaluate(Corner(), TRUST, episodes=2, seed=0)
    length = int(played.lengths[0])
    assert 2 < length < 100
    assert played.payoffs == pytest.approx(np.full((2, 2), pi(0.9) + (length - 1) * pi(0.0)), rel=1e-12)
    assert played.cooperation_by_step == pytest.approx([0.9] + [0.0] * (length - 1))
    assert played.levels == pytest.approx(0.9 / length)


class Uneven(Stub):
    """The episode of seed s has s % 3 + 1 steps; step t pays t + 1, and so it does in the episodes that follow."""

    def reset(self, seed=None):
        seeds = np.arange(self.num_envs) + seed if np.isscalar(seed) else np.asarray(seed)
        self.horizon = seeds % 3 + 1
        return super().reset(seed)

    def observe(self, luck):
        clock = getattr(self, "clock", np.zeros(len(luck)))
        steps = np.broadcast_to(getattr(self, "horizon", 1), len(luck))
        return np.stack([clock, steps], axis=1)[:, None].repeat(luck.shape[1], axis=1).astype(np.float32)

    def pay(self, luck, actions):
        return np.broadcast_to(self.clock[:, None] + 1.0, luck.shape)


class Rising:
    """Contributes the share 0.1 (t + 1) + 0.05 n in step t of an episode of n steps, seat 1 half of it."""

    def act(self, obs, *, deterministic):
        share = (0.1 * (obs[..., 0] + 1) + 0.05 * obs[..., 1]) * np.array([1.0, 0.5])
        return (2 * share - 1)[..., None]


@pytest.mark.parametrize("num_envs", [1, 2, None])
def test_episodes_of_different_lengths(num_envs, monkeypatch):
    """Shares of seat 0: 0.15 in one step; 0.2, 0.3 in two; 0.25, 0.35, 0.45 in three. Steps pay 1, 2 and 3."""
    monkeypatch.setattr(payoff, "multi_agent_vec", lambda env_id, num_envs, **kw: Uneven(num_envs, 2))
    played = evaluate(Rising(), "stub", episodes=3, seed=0, num_envs=num_envs)
    assert played.lengths.tolist() == [1, 2, 3]
    assert played.episode_length == 2.0
    assert played.payoffs.tolist() == [[1.0, 1.0], [3.0, 3.0], [6.0, 6.0]]
    assert played.welfare == pytest.approx(20 / 3)
    own = np.array([0.15, (0.2 + 0.3) / 2, (0.25 + 0.35 + 0.45) / 3])
    np.testing.assert_allclose(played.levels, np.stack([own, own / 2], axis=1), atol=1e-7)
    assert played.cooperation == pytest.approx(0.75 * (0.15 + 0.25 + 0.35) / 3)
    first, second, third = (0.15 + 0.2 + 0.25) / 3, (0.3 + 0.35) / 2, 0.45
    np.testing.assert_allclose(played.cooperation_by_step, [0.75 * first, 0.75 * second, 0.75 * third], atol=1e-7)


@pytest.mark.parametrize("num_envs", [1, 3, None])
def test_the_number_of_copies_makes_no_difference(num_envs):
    """KeyRoom starts at random; walking ahead ends some episodes and not others."""
    walk = ConstantPolicy(0.5, num_actions=5)
    keywords = {"size": 5, "max_steps": 9}
    played = evaluate(walk, KEYS, episodes=7, seed=3, num_envs=num_envs, env_kwargs=keywords)
    expected = []
    for k in range(7):
        env = payoff.multi_agent_vec(KEYS, num_envs=1, **keywords)
        env.reset(seed=3 + k)
        total = 0.0
        for _ in range(9):
            *_, info = env.step(np.full((1, 1), 2))
            total += info["payoff"][0, 0]
        expected.append(total)
    assert played.payoffs[:, 0].tolist() == expected
    assert played.payoffs.shape == (7, 1)
    assert np.isnan(played.cooperation)
    assert np.isnan(played.cooperation_by_step).all()


def test_one_seat_is_evaluated_against_its_partners():
    keywords = {"partners": "constant:0.4", "agent": 1}
    played = evaluate(ConstantPolicy(0.4), TRUST, episodes=2, seed=0, env_kwargs=keywords, view="single")
    assert played.payoffs == pytest.approx(np.full((2, 2), 100 * pi(0.4)), rel=1e-12)
    assert played.levels.shape == (2, 1)


def test_yardsticks_of_trust_dilemma():
    """Below 40 trust breaks down; from 40 on a constant pays pi, which falls: its largest value is at 29.8."""
    found = yardsticks(TRUST)
    assert found.level == 0.4
    assert found.best == pytest.approx(200 * pi(0.4), rel=1e-12)
    # erratic contributions destroy trust within a few steps
    assert 0 < found.random < 0.2 * found.best


def test_yardsticks_of_the_matching_stub(monkeypatch):
    """With x and u uniform on [-1, 1], E (u - x)^2 is 2/3 for random u and 1/3 + u^2 for a constant u."""
    monkeypatch.setattr(payoff, "multi_agent_vec", lambda env_id, num_envs, **kw: Match(num_envs, 2, 10))
    found = yardsticks("stub", episodes=2000, episodes_per_level=200)
    assert found.random == pytest.approx(20 * (1 - 2 / 3), rel=0.03)
    assert found.best == pytest.approx(20 * (1 - 1 / 3), rel=0.05)
    assert found.level == pytest.approx(0.5, abs=0.1)


def test_yardsticks_of_a_game_with_discrete_actions_try_each_action(monkeypatch):
    monkeypatch.setattr(payoff, "multi_agent_vec", lambda env_id, num_envs, **kw: Name(num_envs, 1, 10))
    found = yardsticks("stub", episodes=2000, episodes_per_level=500)
    assert found.random == pytest.approx(2.5, rel=0.05)
    assert found.best == pytest.approx(2.5, rel=0.1)
    assert found.level in (0.0, pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0)


@pytest.mark.parametrize(
    ("game_id", "keywords", "kind", "best"),
    [
        ("payoff/DeepSea-v0", {"size": 6}, "optimum", 0.99),  # the chest, less the cost of going right
        ("payoff/CliffWalk-v0", {"variant": "sparse"}, "optimum", 1.0),
        ("payoff/CliffWalk-v0", {}, "optimum", -13.0),
        ("payoff/SparseCartPole-v0", {"max_steps": 50}, "reference", 1.0),
    ],
)
def test_a_known_optimum_is_the_yardstick(game_id, keywords, kind, best):
    found = yardsticks(game_id, keywords, episodes=50)
    assert (found.kind, found.level) == (kind, None)
    assert found.best == pytest.approx(best, abs=1e-9)
    assert found.random < best


def test_the_optimum_is_that_of_the_starts_that_are_played():
    game = registry.load("payoff/LineKey-v0")
    env = payoff.multi_agent_vec(game.id, 1)
    best = []
    for seed in (5, 6):
        env.reset(seed=[seed])
        best.append(game.optimum(env.engine.rows[0], env.engine.state[0])[0])
    assert best[0] != best[1]
    assert yardsticks(game.id, starts=[5, 6], episodes=2).best == pytest.approx(np.mean(best), rel=1e-12)


def test_score():
    measured = Yardsticks(10.0, 30.0, "constant", 0.4)
    assert [score(x, measured) for x in (10.0, 20.0, 30.0, 32.0)] == [0.0, 0.5, 1.0, 1.1]
    assert np.isnan(score(1.0, Yardsticks(1.0, 1.0, "optimum")))


@pytest.mark.parametrize(
    ("changes", "message"), [({"episodes": 0}, "episodes must be"), ({"view": "both"}, "view must be 'multi'")]
)
def test_bad_requests(changes, message):
    with pytest.raises(ValueError, match=message):
        evaluate(RandomPolicy(), TRUST, **{"episodes": 1, "seed": 0, **changes})
