"""Partners against their rules, written out a second time in numpy."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs.core import partner as rule
from payoff.envs.core import rng
from payoff.envs.core.loop import BOUND, SEAT
from payoff.envs.core.state import Copy
from payoff.envs.partners import Constant, Random, Reciprocator, TitForTat

TEAM = "payoff/LoyaltyTeam-v0"


def play(partners, steps=12, agent=1, env_id=TEAM, seed=0, **keywords):
    """Native actions (T, N) of a rollout whose learner alternates, and the trust before each step (T, N, N)."""
    env = gym.make(env_id, agent=agent, partners=partners, disable_env_checker=True, **keywords)
    _, info = env.reset(seed=seed)
    engine = env.unwrapped.engine
    actions, trust = [], []
    for t in range(steps):
        trust.append(info["trust"])
        info = env.step(np.array([45.0 if t % 3 else 5.0], np.float32))[4]
        actions.append(engine.action[0, :, 0].copy())
    return np.array(actions), np.array(trust)


def test_constant():
    actions, _ = play("constant:0.7")
    np.testing.assert_allclose(actions[:, [0, 2, 3]], 35.0, rtol=1e-7)
    actions, _ = play({0: Constant(0.1), 2: "constant:0.2", 3: "constant"})
    np.testing.assert_allclose(actions[:, [0, 2, 3]], np.broadcast_to([5.0, 10.0, 25.0], (12, 3)), rtol=1e-7)


def test_tit_for_tat_returns_the_mean_share_of_the_others():
    actions, _ = play(TitForTat())
    shares = np.vstack([np.full(4, 20 / 50), actions / 50])  # the baseline is what everybody did last at reset
    for t in range(len(actions)):
        for i in (0, 2, 3):
            assert actions[t, i] / 50 == pytest.approx(np.delete(shares[t], i).mean(), rel=1e-6)


def test_reciprocator_follows_its_law():
    rule = Reciprocator(gain=0.3, slope=1.5, decay=0.1)
    actions, trust = play(rule)
    shares = np.vstack([np.full(4, 0.4), actions / 50])
    for t in range(len(actions)):
        for i in (0, 2, 3):
            pull = np.mean([trust[t, i, j] * np.tanh(1.5 * (shares[t, j] - 0.4)) for j in range(4) if j != i])
            expected = np.clip(shares[t, i] + 0.3 * pull - 0.1 * (shares[t, i] - 0.4), 0, 1)
            assert actions[t, i] / 50 == pytest.approx(expected, rel=1e-6)


def test_reciprocator_is_the_default_and_answers_generosity():
    kind, _ = play(Reciprocator())
    default = gym.make(TEAM, agent=1, disable_env_checker=True)
    default.reset(seed=0)
    for t in range(12):
        default.step(np.array([45.0 if t % 3 else 5.0], np.float32))
    np.testing.assert_array_equal(default.unwrapped.engine.action[0, :, 0], kind[-1])

    def against(level):
        env = gym.make("payoff/TrustDilemma-v0", disable_env_checker=True)
        env.reset(seed=0)
        for _ in range(3):
            env.step(np.array([level], np.float32))
        return env.unwrapped.engine.action[0, 1, 0]

    assert against(80.0) > 40.0 > against(0.0)


def test_random_is_uniform_reproducible_and_apart_for_each_seed_and_episode():
    first, _ = play(Random(), steps=100, seed=3)
    again, _ = play("random", steps=100, seed=3)
    other, _ = play("random", steps=100, seed=4)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[:, 0], other[:, 0])
    env = gym.make_vec("payoff/TrustDilemma-v0", num_envs=400, partners="random", max_steps=25, observe="full")
    env.reset(seed=0)
    draws = []
    for _ in range(25):
        env.step(np.full((400, 1), 50.0, np.float32))
        draws.append(env.unwrapped.engine.action[:, 1, 0] / 100)
    draws = np.concatenate(draws)
    # mean 1/2 with standard error 1/sqrt(12 n); Kolmogorov distance below 1.95 / sqrt(n) (p < 0.001)
    n = len(draws)
    assert abs(draws.mean() - 0.5) < 4 / np.sqrt(12 * n)
    assert np.abs(np.sort(draws) - np.arange(1, n + 1) / n).max() < 1.95 / np.sqrt(n)


def test_a_function_sees_its_own_seat_and_answers_in_the_units_of_the_env():
    seen = []

    def mirror(obs):
        seen.append(obs)
        return 2 * obs[:, 1:2] - 1  # the first other seat's last share, as a unit action

    env = gym.make_vec("payoff/TrustDilemma-v0", num_envs=3, partners=mirror, actions="unit")
    env.reset(seed=0)
    env.step(np.full((3, 1), 0.5, np.float32))
    env.step(np.full((3, 1), 0.5, np.float32))
    assert seen[0].shape == (3, 9)
    np.testing.assert_allclose(seen[0][:, 0], 0.4)
    np.testing.assert_allclose(env.unwrapped.engine.action[:, 1, 0], 75.0)


def test_discrete_functions_answer_with_integers():
    env = gym.make("payoff/TrustDilemma-v0", partners=lambda obs: np.full(len(obs), 3), actions="discrete:5")
    env.reset(seed=0)
    env.step(2)
    np.testing.assert_allclose(env.unwrapped.engine.action[0, :, 0], [50.0, 75.0])


def table(partner, lows=(0.0, 0.0, 0.0)):
    """Seats, bounds and copy of three seats that may spend 100 above their lows, with baselines at 40 of them."""
    seats = np.zeros(3, SEAT)
    for seat, low in zip(seats, lows, strict=True):
        seat["partner"], seat["baseline"] = partner.record, low + 40.0
    bounds = np.zeros((3, 1), BOUND)
    bounds["low"][:, 0], bounds["high"][:, 0] = lows, np.add(lows, 100.0)
    return seats, bounds, np.zeros(1, dtype=Copy.dtype)[0]


NO_TRUST = np.zeros((0, 0))


def test_a_reciprocator_of_a_game_without_trust_believes_everybody():
    """Shares 0.5, 0.9, 0.3, baseline 0.4: 0.5 + 0.12 (tanh 1 - tanh 0.2) / 2 - 0.05 * 0.1; seat 0, as by default."""
    seats, bounds, s = table(Reciprocator())
    action = np.array([50.0, 90.0, 30.0])
    share = 0.5 + 0.12 * (np.tanh(1.0) - np.tanh(0.2)) / 2 - 0.005
    assert rule.act(seats, 0, s, action, NO_TRUST, bounds) == pytest.approx(100 * share, rel=1e-12)
    trust = np.array([[1.0, 0.5, 0.2], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    share = 0.5 + 0.12 * (0.5 * np.tanh(1.0) - 0.2 * np.tanh(0.2)) / 2 - 0.005
    assert rule.act(seats, 0, s, action, trust, bounds) == pytest.approx(100 * share, rel=1e-12)


def test_shares_are_of_the_range_and_not_of_the_upper_bound():
    """Ranges 10 .. 110, -50 .. 50 and 0 .. 100: shares 0.2, 0.9 and 0.5."""
    lows, action = (10.0, -50.0, 0.0), np.array([30.0, 40.0, 50.0])
    seats, bounds, s = table(TitForTat(), lows)
    answers = [rule.act(seats, i, s, action, NO_TRUST, bounds) for i in range(3)]
    assert answers == pytest.approx([10 + 70.0, -50 + 35.0, 55.0])
    seats, bounds, s = table(Constant(0.3), lows)
    assert [rule.act(seats, i, s, action, NO_TRUST, bounds) for i in range(3)] == pytest.approx([40.0, -20.0, 30.0])
    seats, bounds, s = table(Random(), lows)
    twin = np.zeros(1, dtype=Copy.dtype)[0]
    assert rule.act(seats, 1, s, action, NO_TRUST, bounds) == pytest.approx(-50 + 100 * rng.uniform(twin))
    assert s.counter == 1
    seats, bounds, s = table(Reciprocator(gain=1.0, slope=50.0, decay=0.0), lows)  # never beyond the bounds
    assert rule.act(seats, 0, s, np.array([100.0, 50.0, 100.0]), NO_TRUST, bounds) == 110.0
    assert rule.act(seats, 1, s, np.array([10.0, -40.0, 0.0]), NO_TRUST, bounds) == -50.0


def test_numbers_that_one_does_not_write():
    assert (Constant().level, Reciprocator()) == (0.5, Reciprocator(gain=0.12, slope=2.0, decay=0.05))


def test_partners_do_not_exist_for_a_single_player():
    env = gym.make("payoff/KeyRoom-v0", partners="random")
    env.reset(seed=0)
    assert payoff.multi_agent_vec("payoff/KeyRoom-v0", 1).num_agents == 1
