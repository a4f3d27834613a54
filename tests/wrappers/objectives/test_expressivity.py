"""What formalisms can say: three separations, by all deterministic policies of two or three states."""

import numpy as np
import pytest

from payoff.envs.mdp import MDP
from payoff.envs.theory.tabular import evaluate
from payoff.wrappers.objectives.expressivity import deterministic_policies, markov_reward, occupancies
from payoff.wrappers.objectives.ltlf import ltlf_machine
from payoff.wrappers.objectives.product import product_mdp

GAMMA = 0.9


def process(next_state, probability=None, reward=None, terminal=(), initial=0):
    next_state = np.array(next_state)
    n = len(next_state)
    shape = next_state.shape
    return MDP(
        np.arange(float(n))[:, None],
        next_state,
        np.ones(shape) if probability is None else np.array(probability),
        np.zeros(shape) if reward is None else np.array(reward, dtype=float),
        np.eye(n)[initial],
        np.isin(np.arange(n), terminal),
    )


def two_decisions():
    """State 0, then state 1, then the end (2); two actions at each, which lead on alike."""
    return process([[[1], [1]], [[2], [2]], [[2], [2]]], terminal=[2])


def scores(product, policies, gamma, width):
    """Value of each policy of the process, played in its product with a machine of ``width`` states."""
    start = product.initial
    values = [evaluate(product, np.repeat(policy, width), gamma) @ start for policy in policies]
    return np.array(values)


def test_a_markov_reward_is_found_where_there_is_one():
    """Orders that random rewards induce, on random processes, are found again; so are their reversals."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        next_state, probability = rng.integers(0, 3, (3, 2, 2)), rng.dirichlet(np.ones(2), size=(3, 2))
        mdp = process(next_state, probability)
        policies = deterministic_policies(mdp)
        d = occupancies(mdp, policies, GAMMA)
        wanted = (d * rng.integers(-2, 3, (3, 2))).sum(axis=(1, 2)).round(9)
        for sign in (1, -1):
            reward = markov_reward(d, sign * wanted)
            found = (d * reward).sum(axis=(1, 2))
            apart = np.sign((sign * wanted)[:, None] - sign * wanted)
            gaps = found[:, None] - found
            assert (np.sign(np.where(np.abs(gaps) < 1e-9, 0.0, gaps)) == apart).all()


def test_occupancies_are_values():
    rng = np.random.default_rng(0)
    next_state, probability = rng.integers(0, 3, (3, 2, 2)), rng.dirichlet(np.ones(2), size=(3, 2))
    next_state[2] = 2
    reward = rng.normal(size=(3, 2))
    mdp = process(
        next_state, probability, np.repeat(reward[..., None], 2, axis=2) * (np.arange(3) < 2)[:, None, None], [2]
    )
    policies = deterministic_policies(mdp)
    assert policies.tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]
    d = occupancies(mdp, policies, GAMMA)
    for policy, found in zip(policies, d, strict=True):
        assert (found * reward).sum() == pytest.approx(evaluate(mdp, policy, GAMMA)[0])


def test_visit_a_then_b_is_not_markov():
    """(i) Only the policy that takes a and then b succeeds. The machine says so; no Markov reward orders like it.

    Occupancies: d(ab) + d(xx) = d(ax) + d(xb), so any Markov reward has J(ab) + J(xx) = J(ax) + J(xb), but the scores
    are 1 + 0 and 0 + 0.
    """
    mdp = two_decisions()
    policies = deterministic_policies(mdp)
    machine = ltlf_machine("F (a & X F b)")
    letters = np.zeros((3, 2, 1), dtype=int)
    letters[0, 0], letters[1, 0] = 1, 2
    wanted = scores(product_mdp(mdp, machine, letters), policies, 1.0, machine.n_states)
    assert wanted.tolist() == [1, 0, 0, 0]
    for gamma in (0.0, 0.5, GAMMA, 0.999):
        d = occupancies(mdp, policies, gamma)
        np.testing.assert_allclose(d[0] + d[3], d[1] + d[2], atol=1e-12)
        assert markov_reward(d, wanted) is None
        sum_of_two = markov_reward(d, [3, 2, 1, 0])  # such an order exists, unless the second decision never counts
        assert (sum_of_two is None) == (gamma == 0.0)


def test_eventually_against_discounting():
    """(ii) A gamble: the goal at once with probability 0.6, else never. Patience: the goal at a step with chance q.

    "Eventually" prefers patience always (1 against 0.6). Discounted it is worth q g / (1 - g (1 - q)) against 0.6 g, so
    the order turns where q = 0.6 (1 - g) / (1 - 0.6 g): for long delays.
    """
    turning = 0.6 * (1 - GAMMA) / (1 - 0.6 * GAMMA)
    machine = ltlf_machine("F goal")
    orders = {}
    for q in (0.5, turning + 0.01, turning - 0.01, 0.02):
        next_state = [[[1, 2], [1, 0]], [[1, 1], [1, 1]], [[2, 2], [2, 2]]]
        probability = [[[0.6, 0.4], [q, 1 - q]], [[1.0, 0.0]] * 2, [[1.0, 0.0]] * 2]
        reward = np.zeros((3, 2, 2))
        reward[0, :, 0] = 1.0
        mdp = process(next_state, probability, reward, terminal=[1, 2])
        letters = np.zeros((3, 2, 2), dtype=int)
        letters[0, :, 0] = 1
        policies = deterministic_policies(mdp)
        eventually = scores(product_mdp(mdp, machine, letters), policies, 1.0, machine.n_states)
        discounted = np.array([evaluate(mdp, policy, GAMMA)[0] for policy in policies])
        assert eventually == pytest.approx([0.6, 1.0], abs=1e-6)
        assert discounted == pytest.approx([0.6, q / (1 - GAMMA * (1 - q))])
        orders[q] = bool(np.argmax(discounted) == np.argmax(eventually))
    assert list(orders.values()) == [True, True, False, False]


def test_best_of_two_returns_is_not_linear():
    """(iii) Each decision pays half a unit of the first or of the second kind; max(J1, J2) wants them alike (an XOR).

    Neither weights on (J1, J2) nor any Markov reward order the four policies so: 1 + 1 is not 1/2 + 1/2.
    """
    mdp = two_decisions()
    policies = deterministic_policies(mdp)
    vectors = np.zeros((4, 2))
    for row, policy in enumerate(policies):
        for s in range(2):
            vectors[row, policy[s]] += 0.5
    wanted = vectors.max(axis=1)
    assert wanted.tolist() == [1.0, 0.5, 0.5, 1.0]
    assert markov_reward(vectors, wanted) is None
    for gamma in (0.5, GAMMA):
        assert markov_reward(occupancies(mdp, policies, gamma), wanted) is None
    assert markov_reward(vectors, vectors @ [1.0, 0.3]) is not None


def test_no_order_and_too_many_policies():
    mdp = two_decisions()
    d = occupancies(mdp, deterministic_policies(mdp), GAMMA)
    assert not markov_reward(d, np.ones(4)).any()
    with pytest.raises(ValueError, match=r"has 2 \*\* 2 deterministic policies, more than most=3"):
        deterministic_policies(mdp, most=3)
    with pytest.raises(ValueError, match="scores must have shape"):
        markov_reward(d, np.ones(3))
    with pytest.raises(ValueError, match="gamma must be a number"):
        occupancies(mdp, deterministic_policies(mdp), 1.0)
