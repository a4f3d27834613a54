"""Solvers against closed forms: chains, gambler's ruin, geometric waiting, and play in KeyRoom."""

import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.mdp import MDP, as_mdp
from payoff.envs.sparse.key_room import KeyRoomParams
from payoff.envs.theory import tabular


def model(transitions, n_states, terminal, start=0):
    """MDP from {(state, action): [(successor, probability, reward), ...]}; terminal states are filled in."""
    n_actions = 1 + max(a for _, a in transitions)
    k = max(map(len, transitions.values()))
    shape = (n_states, n_actions, k)
    next_state, probability, reward = np.zeros(shape, dtype=np.int64), np.zeros(shape), np.zeros(shape)
    for s in terminal:
        next_state[s], probability[s, :, 0] = s, 1.0
    for (s, a), outcomes in transitions.items():
        for i, (successor, p, r) in enumerate(outcomes):
            next_state[s, a, i], probability[s, a, i], reward[s, a, i] = successor, p, r
    ends = np.isin(np.arange(n_states), terminal)
    initial = (np.arange(n_states) == start).astype(float)
    return MDP(np.zeros((n_states, 1)), next_state, probability, reward, initial, ends)


def chain(n):
    """States 0 .. n, actions left and right (0 stays at 0), paid 1 on entering n."""
    moves = {(s, 0): [(max(s - 1, 0), 1.0, 0.0)] for s in range(n)}
    moves |= {(s, 1): [(s + 1, 1.0, float(s + 1 == n))] for s in range(n)}
    return model(moves, n + 1, [n])


def ruin(n, p):
    """Gambler's ruin: one action, up with probability p, from 1 .. n - 1; paid 1 on entering n."""
    moves = {(s, 0): [(s + 1, p, float(s + 1 == n)), (s - 1, 1 - p, 0.0)] for s in range(1, n)}
    return model(moves, n + 1, [0, n], start=1)


@pytest.mark.parametrize("gamma", [0.5, 0.9, 1.0])
def test_value_of_a_chain_is_a_power_of_gamma(gamma):
    solution = tabular.value_iteration(chain(7), gamma)
    np.testing.assert_allclose(solution.values, [*(gamma ** (6 - s) for s in range(7)), 0.0], rtol=1e-15)
    assert solution.residual == solution.error_bound == 0.0
    assert solution.gamma == gamma
    if gamma < 1.0:
        assert solution.policy[:7].tolist() == [1] * 7


def test_action_values_of_a_chain():
    q = tabular.q_values(chain(3), tabular.value_iteration(chain(3), 0.5).values, 0.5)
    np.testing.assert_allclose(q, [[0.125, 0.25], [0.125, 0.5], [0.25, 1.0], [0.0, 0.0]], rtol=0, atol=1e-15)


def test_interrupted_value_iteration_states_its_error():
    """One action that pays 1 for ever: after k sweeps the value is (1 - g^k) / (1 - g), the residual g^k."""
    forever = model({(0, 0): [(0, 1.0, 1.0)]}, 1, [])
    solution = tabular.value_iteration(forever, 0.9, max_sweeps=20)
    assert solution.sweeps == 20
    assert solution.values[0] == pytest.approx((1 - 0.9**20) / 0.1)
    assert solution.residual == pytest.approx(0.9**20)
    assert 10.0 - solution.values[0] == pytest.approx(solution.error_bound)
    endless = tabular.value_iteration(forever, 1.0, max_sweeps=5)
    assert (endless.values[0], endless.residual, endless.error_bound) == (5.0, 1.0, np.inf)


@pytest.mark.parametrize("p", [0.5, 0.3])
def test_gamblers_ruin(p):
    """Probability of n before 0 from s: s / n for a fair game, (1 - r^s) / (1 - r^n) with r = (1 - p) / p otherwise."""
    n, r = 9, (1 - p) / p
    closed = [s / n if p == 0.5 else (1 - r**s) / (1 - r**n) for s in range(n)] + [0.0]
    mdp = ruin(n, p)
    np.testing.assert_allclose(tabular.evaluate(mdp, np.zeros(n + 1, dtype=int), 1.0), closed, rtol=1e-10)
    np.testing.assert_allclose(tabular.success_probability(mdp, tabular.uniform_policy(mdp), 3000), closed, rtol=1e-10)
    np.testing.assert_allclose(tabular.finite_horizon(mdp, None, 3000), closed, rtol=1e-10)


def test_policy_iteration_agrees_with_value_iteration_on_random_models():
    rng = np.random.default_rng(0)
    for _ in range(5):
        s, a, k = 12, 4, 3
        chance = rng.random((s, a, k))
        mdp = MDP(
            states=np.zeros((s, 1)),
            next_state=rng.integers(0, s, (s, a, k)),
            probability=chance / chance.sum(axis=2, keepdims=True),
            reward=rng.normal(size=(s, a, k)),
            initial=np.full(s, 1 / s),
            terminal=np.zeros(s, dtype=bool),
        )
        swept, improved = tabular.value_iteration(mdp, 0.9), tabular.policy_iteration(mdp, 0.9)
        np.testing.assert_allclose(improved.values, swept.values, rtol=0, atol=swept.error_bound + 1e-10)
        assert improved.policy.tolist() == swept.policy.tolist()
        assert improved.residual < 1e-11
        # the linear system (I - gamma P) V = R of that policy, solved directly
        transition, reward = mdp.dense()
        chosen = np.arange(s), improved.policy
        direct = np.linalg.solve(np.eye(s) - 0.9 * transition[chosen], reward[chosen])
        np.testing.assert_allclose(improved.values, direct, rtol=0, atol=1e-10)


def test_waiting_for_a_coin_is_geometric():
    """Success with probability q each step: 1 - (1 - q)^h within h steps, discounted value q / (1 - g (1 - q))."""
    q, gamma = 0.2, 0.9
    mdp = model({(0, 0): [(1, q, 1.0), (0, 1 - q, 0.0)]}, 2, [1])
    policy = tabular.uniform_policy(mdp)
    for h in range(5):
        assert tabular.success_probability(mdp, policy, h)[0] == pytest.approx(1 - (1 - q) ** h)
        assert tabular.finite_horizon(mdp, policy, h)[0] == pytest.approx(1 - (1 - q) ** h)
    assert tabular.evaluate(mdp, policy, gamma)[0] == pytest.approx(q / (1 - gamma * (1 - q)))
    assert tabular.finite_horizon(mdp, policy, 400, gamma)[0] == pytest.approx(q / (1 - gamma * (1 - q)))


def test_success_counts_a_first_payment_once():
    """Paid 1 on every step with probability 1/2, for ever: expected return h / 2, success 1 - 2^-h."""
    mdp = model({(0, 0): [(0, 0.5, 1.0), (0, 0.5, 0.0)]}, 1, [])
    policy = tabular.uniform_policy(mdp)
    assert tabular.finite_horizon(mdp, policy, 6)[0] == pytest.approx(3.0)
    assert tabular.success_probability(mdp, policy, 6)[0] == pytest.approx(1 - 2.0**-6)
    with pytest.raises(ValueError, match=r"did not settle in 50 sweeps: residual 0\.5"):
        tabular.evaluate(mdp, policy, 1.0, max_sweeps=50)


def test_best_play_within_a_horizon_needs_the_steps():
    np.testing.assert_array_equal(tabular.finite_horizon(chain(5), None, 3), [0, 0, 1, 1, 1, 0])


def test_random_success_of_key_room_is_what_playing_shows():
    count, horizon = 4000, 150
    mdp = as_mdp("payoff/KeyRoom-v0", starts=range(count), size=5)
    exact = mdp.initial @ tabular.success_probability(mdp, tabular.uniform_policy(mdp), horizon)
    env = payoff.multi_agent_vec(
        "payoff/KeyRoom-v0", count, size=5, max_steps=horizon, autoreset_mode="same_step", info="minimal"
    )
    env.reset(seed=0)
    draw = np.random.default_rng(0)
    running, won = np.ones(count, dtype=bool), np.zeros(count, dtype=bool)
    for _ in range(horizon):
        _, _, terminated, truncated, _ = env.step(draw.integers(0, 5, (count, 1)))
        won |= running & terminated
        running &= ~(terminated | truncated)
    assert not running.any()
    assert 0.1 < exact < 0.3
    assert abs(won.mean() - exact) < 4 * np.sqrt(exact * (1 - exact) / count)


def test_key_room_optimum_is_the_shortest_path_discounted():
    mdp = as_mdp("payoff/KeyRoom-v0", starts=range(20), size=7)
    game, gamma = registry.load("payoff/KeyRoom-v0"), 0.97
    solution = tabular.value_iteration(mdp, gamma)
    steps = np.array([game.optimum(KeyRoomParams(size=7), row)[1] for row in mdp.states])
    expected = np.where(mdp.terminal, 0.0, gamma ** (steps - 1.0))
    np.testing.assert_allclose(solution.values, expected, rtol=1e-13)
    np.testing.assert_allclose(tabular.policy_iteration(mdp, gamma).values, expected, rtol=1e-9)
    np.testing.assert_allclose(tabular.evaluate(mdp, solution.policy, gamma), expected, rtol=1e-13)
    within = tabular.finite_horizon(mdp, None, 12)
    np.testing.assert_array_equal(within, (steps <= 12) & ~mdp.terminal)


def test_bad_arguments_are_named():
    mdp = chain(2)
    for solve in (tabular.value_iteration, tabular.policy_iteration):
        with pytest.raises(ValueError, match="gamma must be a number in"):
            solve(mdp, 1.5)
    with pytest.raises(ValueError, match=r"gamma must be a number in \(0, 1\), got 1\.0"):
        tabular.policy_iteration(mdp, 1.0)
    with pytest.raises(ValueError, match="horizon must be an integer at least 0, got -1"):
        tabular.success_probability(mdp, tabular.uniform_policy(mdp), -1)
    for policy, message in (
        (np.array([0, 1, 2]), r"policy must hold actions in 0 \.\. 1, got 0 \.\. 2"),
        (np.array([0.0, 1.0, 1.0]), r"policy must be integers of shape \(3,\) or probabilities of shape \(3, 2\)"),
        (np.full((3, 2), 0.4), "policy must hold probabilities"),
        (np.array([[2.0, -1.0]] * 3), "policy must hold probabilities"),
    ):
        with pytest.raises(ValueError, match=message):
            tabular.finite_horizon(mdp, policy, 1)
