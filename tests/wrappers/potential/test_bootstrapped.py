"""Bootstrapped shaping: fixed point, contraction, and the wrapper as a potential that changes."""

import numpy as np
import pytest

from payoff.wrappers import BatchInfo, Transition, wrap
from payoff.wrappers.potential.bootstrapped import BootstrappedShaping, largest_eta

GAMMA = 0.9
ETAS = (-0.5, -0.1, 0.02, 0.05, 0.0516)
NO_INFO = BatchInfo(lambda key: {}[key], [], np.zeros(0, dtype=bool))


def sweep_through_the_wrapper(p, eta, q):
    """One synchronous sweep in which the wrapper pays r + F for every (s, a, s'), with V of the present table."""
    value = np.where(p.terminal, 0.0, q.max(axis=1))
    method = BootstrappedShaping(lambda states: value[states], eta=eta, gamma=GAMMA, on_truncation="bootstrap")
    paid = p.shaped(method, "terminated")
    new = (p.move * (paid + GAMMA * value)).sum(axis=-1)
    return np.where(p.terminal[:, None], 0.0, new)


@pytest.mark.parametrize("eta", ETAS)
def test_fixed_point_is_the_scaled_optimum_with_the_same_greedy_policy(eta, problem):
    p = problem(np.random.default_rng(0))
    best = p.solve(p.reward, GAMMA)
    q, change = np.zeros_like(best), np.inf
    for _ in range(5000):
        new = sweep_through_the_wrapper(p, eta, q)
        change, q = np.abs(new - q).max(), new
        if change < 1e-15:
            break
    assert np.abs(q.max(axis=1) * (1.0 + eta) - best.max(axis=1))[~p.terminal].max() < 3e-12
    np.testing.assert_allclose(q, best - eta * q.max(axis=1, keepdims=True), atol=3e-12)  # Q~ = Q* - eta V~
    assert (q.argmax(axis=1) == best.argmax(axis=1))[~p.terminal].all()
    assert abs(eta) < largest_eta(GAMMA) or eta < 0.0


@pytest.mark.parametrize("eta", [*ETAS, -0.95])
def test_a_sweep_contracts_by_the_stated_factor(eta, problem):
    """The factor gamma |1 + eta| + |eta| bounds every sweep, and is below 1 within condition (4)."""
    p, rng = problem(np.random.default_rng(1)), np.random.default_rng(2)
    factor = GAMMA * (1.0 + eta) + abs(eta)
    assert factor < 1.0
    for _ in range(50):
        one, two = (np.where(p.terminal[:, None], 0.0, rng.normal(size=(8, 3))) for _ in range(2))
        near = np.abs(sweep_through_the_wrapper(p, eta, one) - sweep_through_the_wrapper(p, eta, two)).max()
        assert near <= factor * np.abs(one - two).max() + 1e-12


def test_condition():
    assert largest_eta(0.9) == pytest.approx(0.1 / 1.9)
    assert largest_eta(0.99) == pytest.approx(0.01 / 1.99)
    for eta, holds in ((0.0525, True), (0.0527, False), (-0.999, True)):
        method = BootstrappedShaping(len, eta=eta, gamma=0.9, on_truncation="terminal")
        assert method.contracts is holds and method.eta == eta
    for bad in (-1.0, float("nan"), "0.1"):
        with pytest.raises(ValueError, match="eta must be a number in"):
            BootstrappedShaping(len, eta=bad, gamma=0.9, on_truncation="terminal")


def test_value_is_asked_once_for_each_state():
    """A learner that changes between the steps: what was added on arrival is taken back on departure."""
    value, asked = [1.0], []

    def learned(obs):
        asked.append(value[0])
        return np.full(len(obs), value[0])

    method = BootstrappedShaping(learned, eta=0.5, gamma=0.8, on_truncation="bootstrap")
    everyone, paid = np.ones(1, dtype=bool), []
    method.reset(np.zeros(1), NO_INFO, everyone)
    for number, terminated in ((3.0, False), (10.0, False), (7.0, True)):
        value[0] = number
        flags = (np.array([terminated]), ~everyone)
        paid.append(method(Transition(None, None, np.zeros(1), np.zeros(1), *flags, NO_INFO, everyone)).item())
    assert paid == pytest.approx([0.8 * 1.5 - 0.5, 0.8 * 5.0 - 1.5, -5.0])
    assert asked == [1.0, 3.0, 10.0]  # not in the terminal state
    assert sum(0.8**t * f for t, f in enumerate(paid)) == pytest.approx(-0.5)


def test_stacking(stacks_equal):
    def value(obs):
        return obs[:, 0] * 0.5 + obs[:, 1]

    stacks_equal(lambda: BootstrappedShaping(value, eta=0.3, gamma=GAMMA, on_truncation="bootstrap"))


def test_state_goes_round(walk):
    def value(obs):
        return obs[:, 0]

    envs = [
        wrap(walk(edge=100), BootstrappedShaping(value, eta=0.3, gamma=GAMMA, on_truncation="bootstrap"))
        for _ in range(2)
    ]
    for env in envs:
        env.reset(seed=0)
        env.step(2)
    state = envs[0].method.state_dict()
    envs[1].method.load_state_dict({"phi": state["phi"] + 1.0})
    assert envs[1].step(0)[1] == pytest.approx(envs[0].step(0)[1] - 1.0, abs=1e-12)
    with pytest.raises(ValueError, match="phi"):
        envs[0].method.load_state_dict({"value": np.zeros(1)})
