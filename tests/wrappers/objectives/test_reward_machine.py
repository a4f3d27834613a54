"""Reward machines: edges and guards, the machine solved alone, and exact facts about its product with a process."""

import numpy as np
import pytest

from payoff.envs.mdp import MDP
from payoff.envs.theory.tabular import evaluate, finite_horizon, q_values, value_iteration
from payoff.wrappers import Transition
from payoff.wrappers.objectives.ltlf import ltlf_machine
from payoff.wrappers.objectives.product import product_mdp
from payoff.wrappers.objectives.reward_machine import Edge, RewardMachine, reward_machine

GAMMA = 0.95


def coffee(**keywords):
    """Fetch coffee, bring it to the office, break no plant: the tasks of the office world."""
    edges = [
        Edge("start", "plant", "broken"),
        Edge("start", "coffee", "has coffee"),
        Edge("has coffee", "plant", "broken"),
        Edge("has coffee", "office", "done", 1.0),
    ]
    return reward_machine(edges, initial="start", terminal=["done", "broken"], **keywords)


def read(machine, *letters):
    """Names of the states and rewards along letters, given as sets of symbols."""
    u, states, paid = np.array([machine.initial]), [], []
    for letter in letters:
        labels = np.array([[name in letter for name in machine.symbols]])
        u, r = machine.step(u, machine.letters(labels))
        states.append(machine.states[u.item()])
        paid.append(r.item())
    return states, paid


def test_a_task():
    machine = coffee()
    assert machine.symbols == ("coffee", "office", "plant")
    assert machine.states == ("start", "broken", "has coffee", "done")
    states, paid = read(machine, set(), {"office"}, {"coffee"}, {"coffee"}, {"office"}, {"office"}, {"plant"})
    assert states == ["start", "start", "has coffee", "has coffee", "done", "done", "done"]
    assert paid == [0, 0, 0, 0, 1, 0, 0]
    assert read(machine, {"coffee", "plant"}, {"coffee"}, {"office"}) == (["broken"] * 3, [0, 0, 0])


def test_first_edge_that_holds_is_taken():
    edges = [Edge("u", "a", "v", 1.0), Edge("u", "a | b", "u", 2.0), Edge("u", "true", "v", 3.0)]
    machine = reward_machine(edges, initial="u", terminal=["v"])
    assert read(machine, {"b"}, {"b"}, {"a", "b"}) == (["u", "u", "v"], [2, 2, 1])
    assert read(machine, set()) == (["v"], [3])


def test_letters_without_an_edge():
    assert read(coffee(), {"office"}) == (["start"], [0])
    ends = coffee(undefined="end")
    assert ends.states[-1] == "end" and ends.terminal.tolist() == [False, True, False, True, True]
    assert read(ends, {"office"}, {"coffee"}) == (["end", "end"], [0, 0])


def test_states_symbols_and_final_rewards_by_name():
    machine = coffee(symbols=["office", "coffee", "plant", "mail"], final={"has coffee": 0.5})
    assert machine.symbols[0] == "office" and machine.next_state.shape == (4, 16)
    assert machine.final.tolist() == [0, 0, 0.5, 0]


def test_reward_functions():
    class Row:
        reward = np.array([3.0, 4.0, 5.0])

    edges = [Edge("u", "a", "v", lambda t: 10 * t.reward), Edge("u", "true", "u", -1.0)]
    machine = reward_machine(edges, initial="u", terminal=["v"])
    after, paid = machine.step(np.array([0, 0, 1]), np.array([1, 0, 1]), Row())
    assert after.tolist() == [1, 0, 1] and paid.tolist() == [30.0, -1.0, 0.0]
    with pytest.raises(ValueError, match="need the transitions"):
        machine.step(np.array([0]), np.array([1]))
    with pytest.raises(ValueError, match="only where its rewards are numbers"):
        machine.values(0.9)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"edges": [Edge("done", "coffee", "start")]}, "no edge may leave the terminal state 'done'"),
        ({"edges": [Edge("start", "F coffee", "done")]}, "no temporal operator"),
        ({"edges": [Edge("start", "coffee &", "done")]}, "expected a symbol"),
        ({"edges": [Edge("start", "coffee", "done", float("inf"))]}, "reward of the edge 'start' -> 'done'"),
        ({"symbols": ["tea"]}, "unknown symbol 'coffee'"),
        ({"undefined": "stop"}, "undefined must be one of 'stay', 'end'"),
        ({"initial": "nowhere"}, "initial must name a state of an edge, got 'nowhere'"),
        ({"terminal": ["dnoe"]}, "terminal must name a state of an edge, got 'dnoe'"),
        ({"final": {"done": 1.0}}, "final must name states that are not terminal, got 'done'"),
        ({"final": {"start": "much"}}, "must be a number"),
    ],
)
def test_bad_arguments_are_named(change, words):
    keywords = {"edges": [Edge("start", "coffee", "done", 1.0)], "initial": "start", "terminal": ["done"], **change}
    with pytest.raises(ValueError, match=words):
        reward_machine(**keywords)


def test_terminal_states_of_tables_are_checked():
    one = np.zeros((1, 1), dtype=int)
    with pytest.raises(ValueError, match="leads to itself and pays nothing"):
        RewardMachine((), ("u",), 0, one, one + 1.0, np.array([True]), np.zeros(1), one - 1)
    with pytest.raises(ValueError, match=r"reward must have shape \(1, 1\)"):
        RewardMachine((), ("u",), 0, one, np.zeros((1, 2)), np.array([False]), np.zeros(1), one - 1)
    with pytest.raises(TypeError, match="must be Edge objects"):
        reward_machine([("a", "b")], initial="a")
    with pytest.raises(TypeError, match="terminal must be a sequence of states, got 'done'"):
        reward_machine([Edge("start", "coffee", "done")], initial="start", terminal="done")


def test_the_first_edge_whose_guard_holds_pays_its_own_reward():
    """A number above a function, and a function above a number: letter 0 is nothing, letter 1 is ``k``."""

    def seven(t):
        return np.full(t.reward.shape, 7.0)

    t = Transition(None, None, *np.zeros((1, 2)), None, *np.zeros((2, 2), dtype=bool), None, np.ones(2, dtype=bool))
    for first, second, paid in ((5.0, seven, [7.0, 5.0]), (seven, 5.0, [5.0, 7.0]), (5.0, 6.0, [6.0, 5.0])):
        edges = [Edge("a", "k", "a", first), Edge("a", "true", "a", second)]
        machine = reward_machine(edges, initial="a", symbols=["k"])
        assert machine.step(np.zeros(2, dtype=int), np.array([0, 1]), t)[1].tolist() == paid


def test_the_machine_alone():
    assert coffee().values(0.9).tolist() == pytest.approx([0.9, 0, 1, 0])
    round_trip = [Edge(f"{i}", "abcd"[i], f"{(i + 1) % 4}", float(i == 3)) for i in range(4)]
    patrol = reward_machine(round_trip, initial="0").values(0.9)
    assert patrol.tolist() == pytest.approx([0.9 ** (3 - i) / (1 - 0.9**4) for i in range(4)])
    for gamma in (0.0, 1.0):
        with pytest.raises(ValueError, match="gamma must be a number"):
            coffee().values(gamma)


# -- with a process ---------------------------------------------------------------------------------------------------


def random_process(rng, states=5, actions=3, outcomes=2, symbols=2):
    """A process in which state 0 is terminal, random letters on its transitions, and a random machine."""
    shape = (states, actions, outcomes)
    next_state, reward = rng.integers(0, states, shape), rng.normal(size=shape)
    probability = rng.dirichlet(np.ones(outcomes), size=shape[:2])
    terminal = np.arange(states) == 0
    next_state[0], reward[0] = 0, 0.0
    initial = np.where(terminal, 0.0, 1.0 / (states - 1))
    mdp = MDP(np.arange(states)[:, None] * 1.0, next_state, probability, reward, initial, terminal)
    n, letters = 4, 2**symbols
    over = np.arange(n) == 3
    machine = RewardMachine(
        tuple(f"s{i}" for i in range(symbols)),
        tuple(f"{u}" for u in range(n)),
        0,
        np.where(over[:, None], 3, rng.integers(0, n, (n, letters))),
        np.where(over[:, None], 0.0, rng.normal(size=(n, letters)) * (rng.random((n, letters)) < 0.5)),
        over,
        np.where(over, 0.0, rng.normal(size=n)),
        np.full((n, letters), -1),
    )
    return mdp, machine, rng.integers(0, letters, shape)


def shaped(mdp, phi, gamma):
    """The process with gamma Phi(s') - Phi(s) added, Phi of terminal states 0."""
    phi = np.where(mdp.terminal, 0.0, phi)
    reward = mdp.reward + gamma * phi[mdp.next_state] - phi[:, None, None]
    reward = np.where(mdp.terminal[:, None, None], 0.0, reward)
    return MDP(mdp.states, mdp.next_state, mdp.probability, reward, mdp.initial, mdp.terminal)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_shaping_by_the_machine_keeps_every_optimal_policy(sign):
    """100 random products: V moves by Phi exactly, the advantage of every action stays, whatever the sign."""
    rng = np.random.default_rng(0)
    for _ in range(100):
        mdp, machine, letters = random_process(rng)
        product = product_mdp(mdp, machine, letters)
        phi = sign * np.tile(machine.values(0.7), mdp.n_states)
        plain, other = value_iteration(product, GAMMA), value_iteration(shaped(product, phi, GAMMA), GAMMA)
        alive = ~product.terminal
        np.testing.assert_allclose((plain.values - other.values)[alive], phi[alive], atol=1e-9)
        q = q_values(product, plain.values, GAMMA)
        q_shaped = q_values(shaped(product, phi, GAMMA), other.values, GAMMA)
        np.testing.assert_allclose((q - q_shaped)[alive], np.broadcast_to(phi[:, None], q.shape)[alive], atol=1e-9)


def test_terminal_potential_or_another_discount_changes_policies():
    """The same machines, wrongly used: with terminal potentials kept, or gamma 1, some optimal policies change."""
    rng = np.random.default_rng(0)
    kept = discounted = 0
    for _ in range(100):
        mdp, machine, letters = random_process(rng)
        product = product_mdp(mdp, machine, letters)
        phi, alive = 3.0 * rng.normal(size=product.n_states), ~product.terminal
        reward = product.reward + GAMMA * phi[product.next_state] - phi[:, None, None]
        arrays = (product.states, product.next_state, product.probability)
        wrong = MDP(*arrays, np.where(alive[:, None, None], reward, 0.0), product.initial, product.terminal)
        best = value_iteration(product, GAMMA).policy
        kept += (value_iteration(wrong, GAMMA).policy != best)[alive].any()
        discounted += (value_iteration(shaped(product, phi, 1.0), GAMMA).policy != best)[alive].any()
    assert min(kept, discounted) > 10


def test_product_is_the_pair_of_walks():
    """Walked by hand with the same draws, process and machine give the states and rewards of the product."""
    rng = np.random.default_rng(1)
    for mode in ("replace", "add"):
        mdp, machine, letters = random_process(rng)
        product = product_mdp(mdp, machine, letters, mode=mode)
        for _ in range(50):
            s, u = int(rng.integers(1, mdp.n_states)), 0
            # added to the game's own reward, the machine's end ends nothing: the game goes on to pay
            while not (mdp.terminal[s] or (mode == "replace" and machine.terminal[u])):
                a, k = int(rng.integers(mdp.n_actions)), int(rng.integers(mdp.probability.shape[2]))
                pair, after = s * machine.n_states + u, int(mdp.next_state[s, a, k])
                v, r = machine.step(np.array([u]), letters[s, a, k][None])
                expected = r.item() + (machine.final[v].item() if mdp.terminal[after] else 0.0)
                expected += mdp.reward[s, a, k] if mode == "add" else 0.0
                s, u = after, int(v.item())
                assert product.next_state[pair, a, k] == s * machine.n_states + u or product.terminal[pair]
                assert product.reward[pair, a, k] == pytest.approx(expected)
                assert product.probability[pair, a, k] == mdp.probability[pair // machine.n_states, a, k]
            assert product.terminal[s * machine.n_states + u]


def test_value_of_a_formula_is_its_probability():
    """A fair coin tossed n times: P(two heads in a row somewhere) by the Fibonacci numbers, through the machine."""
    mdp = MDP(
        np.zeros((1, 1)),
        np.zeros((1, 1, 2), dtype=int),
        np.full((1, 1, 2), 0.5),
        np.zeros((1, 1, 2)),
        np.ones(1),
        np.zeros(1, dtype=bool),
    )
    machine = ltlf_machine("F (head & X head)")
    product = product_mdp(mdp, machine, np.array([[[1, 0]]]))
    a, b = 1, 2  # sequences of length n without two heads in a row: F(n + 2)
    for n in range(1, 20):
        assert finite_horizon(product, None, n)[0] == pytest.approx(1 - b / 2**n)
        a, b = b, a + b
    assert evaluate(product, np.zeros(product.n_states, dtype=int), 1.0)[0] == pytest.approx(1.0)


def test_product_refuses_what_does_not_fit():
    mdp, machine, letters = random_process(np.random.default_rng(0))
    for bad in (letters[:, :, :1], letters * 1.0, letters + 4):
        with pytest.raises(ValueError, match="letters must be"):
            product_mdp(mdp, machine, bad)
    with pytest.raises(ValueError, match="mode must be one of"):
        product_mdp(mdp, machine, letters, mode="both")
