"""Limit average: gains in closed form, the running mean, and a chain on which the discount decides wrongly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from payoff.envs.mdp import MDP
from payoff.envs.theory.tabular import policy_iteration
from payoff.wrappers import wrap
from payoff.wrappers.objectives.limit_average import DifferentialReward, gains, r_learning


@given(st.floats(0.01, 1.0), st.floats(0.01, 1.0), st.floats(-5, 5), st.floats(-5, 5))
def test_gain_of_two_states(p, q, a, b):
    """State 0 is left with probability p, state 1 with q: the chain is in them q : p of the time."""
    chain = np.array([[1 - p, p], [q, 1 - q]])
    assert gains(chain, np.array([a, b])) == pytest.approx([(q * a + p * b) / (p + q)] * 2, abs=1e-9)


def test_gain_with_a_period_and_with_two_ends():
    turn = np.roll(np.eye(3), 1, axis=1)
    assert gains(turn, np.array([0.0, 3.0, 6.0])) == pytest.approx([3.0] * 3)
    split = np.array([[0.2, 0.4, 0.4], [0, 1, 0], [0, 0, 1]])
    assert gains(split, np.array([100.0, 1.0, 5.0])) == pytest.approx([3.0, 1.0, 5.0])


def test_gain_is_the_limit_of_discounted_values():
    """(1 - gamma) V_gamma -> rho (Blackwell); by solving V for gamma = 1 - 1e-7 in five random chains."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        chain, reward = rng.dirichlet(np.ones(6), size=6), rng.normal(size=6)
        values = np.linalg.solve(np.eye(6) - (1 - 1e-7) * chain, reward)
        assert gains(chain, reward) == pytest.approx(1e-7 * values, abs=1e-5)


def two_states():
    """Stay in state 0 for 1 a step; or go to 1 for -2, from where each step back pays 5: a gain of 1.5 by turns."""
    next_state = np.array([[[0], [1]], [[0], [0]]])
    reward = np.array([[[1.0], [-2.0]], [[5.0], [5.0]]])
    return MDP(np.arange(2.0)[:, None], next_state, np.ones((2, 2, 1)), reward, np.array([1.0, 0]), np.zeros(2, bool))


def test_discount_against_limit_average():
    """By turns V(0) = (-2 + 5 g) / (1 - g^2), staying 1 / (1 - g): turns are better exactly where g > 3 / 4."""
    mdp = two_states()
    for gamma, action in ((0.5, 0), (0.74, 0), (0.76, 1), (0.99, 1)):
        assert policy_iteration(mdp, gamma).policy[0] == action
    for action, gain in ((0, 1.0), (1, 1.5)):
        rows = np.arange(2), np.array([action, 0])
        transition, reward = mdp.dense()
        assert gains(transition[rows], reward[rows]) == pytest.approx([gain, gain])


@pytest.mark.parametrize("seed", range(3))
def test_r_learning_finds_the_best_gain(seed):
    q, rho = r_learning(two_states(), steps=20_000, seed=seed)
    assert q[0].argmax() == 1
    assert rho == pytest.approx(1.5, abs=0.1)
    assert q[1, 0] - q[0, 1] == pytest.approx(3.5, abs=0.3)  # differential: h(1) - h(0) = 5 - 1.5


def test_r_learning_begins_anew_at_a_terminal_state():
    """One step to the end, for 2 or for 0, from either of two starts: the gain is 2."""
    next_state = np.full((3, 2, 1), 2)
    reward = np.array([[[2.0], [0.0]], [[0.0], [2.0]], [[0.0], [0.0]]])
    start = np.array([0.5, 0.5, 0])
    mdp = MDP(np.arange(3.0)[:, None], next_state, np.ones((3, 2, 1)), reward, start, np.arange(3) == 2)
    q, rho = r_learning(mdp, steps=5000, seed=0)
    assert q[:2].argmax(axis=1).tolist() == [0, 1] and rho == pytest.approx(2.0, abs=0.05)
    again, same = r_learning(mdp, steps=5000, seed=0)
    assert rho == same and (q == again).all()


# -- the wrapper ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, 0.2])
def test_wrapped_batch_equals_batch_of_wrapped(mode, rate, walk, sync, rollout, same):
    outside = rollout(wrap(sync(walk, 5, mode), DifferentialReward(rate=rate)))
    inside = rollout(sync(lambda: wrap(walk(), DifferentialReward(rate=rate)), 5, mode))
    same(outside, inside, mode)


def test_each_reward_by_hand(drive):
    """No kind of end changes anything, a row that does not move is left alone, and a reset keeps the mean."""
    for end in ({}, {"terminated": True}, {"truncated": True}, {"terminated": True, "truncated": True}):
        method = DifferentialReward()
        assert drive(method, [{"reward": 4.0}, {"reward": 9.0, "active": False}, {"reward": 2.0, **end}]) == [
            4.0,
            5.0,
            -2.0,
        ]
        assert method.state_dict()["mean"].tolist() == [3.0]
        assert drive(method, [{"reward": 6.0}]) == [3.0]  # drive resets first
        assert method.state_dict()["mean"].tolist() == [4.0]
    method = DifferentialReward(rate=0.5)
    assert drive(method, [{"reward": r} for r in (4.0, 2.0, 7.0)]) == [4.0, -2.0, 4.0]
    assert method.state_dict()["mean"].tolist() == [5.0]


def test_mean_of_the_rewards_converges_to_the_gain(walk, sync):
    """The plain mean after n steps of a chain that pays 0 or 1 by turns is 1 / 2 within 1 / n, and rewards +-1 / 2."""

    class Turns(walk):
        def step(self, action):
            self.x, self.t = 0, self.t + 1
            return self._obs(), float(self.t % 2), False, False, {}

    env = wrap(Turns(), DifferentialReward())
    env.reset(seed=0)
    told = [env.step(1)[1] for _ in range(400)]
    assert env.method.state_dict()["mean"].item() == pytest.approx(0.5, abs=1e-12)
    assert np.abs(told[-100:]) == pytest.approx(0.5, abs=0.01)


def test_one_mean_for_all_rows(walk, sync):
    env, rewards = wrap(sync(walk, 4), DifferentialReward(shared=True)), []
    env.reset(seed=0)
    over = np.zeros(4, dtype=bool)
    for _ in range(40):
        before = np.mean(rewards) if rewards else 0.0
        _, reward, terminated, truncated, info = env.step(np.ones(4, dtype=int))
        assert reward[~over] == pytest.approx(info["true_reward"][~over] - before)
        rewards.extend(info["true_reward"][~over])
        over = (terminated | truncated) & ~over
        assert env.method.state_dict()["mean"] == pytest.approx([np.mean(rewards)] * 4)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DifferentialReward(rate=-0.1), "rate must be a number"),
        (lambda: DifferentialReward(shared=None), "shared must be True or False"),
        (lambda: gains(np.eye(2), np.zeros(3)), "transition must have shape"),
        (lambda: gains(np.ones((2, 2)), np.zeros(2)), "transition must hold probabilities"),
        (lambda: r_learning(two_states(), steps=0, seed=0), "steps must be an integer"),
        (lambda: r_learning(two_states(), steps=1, seed=0, alpha=0.0), "alpha must be a number"),
        (lambda: r_learning(two_states(), steps=1, seed=0, epsilon=2.0), "epsilon must be a number"),
    ],
)
def test_bad_arguments_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
