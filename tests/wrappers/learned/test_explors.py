"""EXPLORS: its bonus and its update by hand, and a run that ends and goes on."""

import numpy as np
import pytest

from payoff.baselines import reinforce
from payoff.wrappers import ExplorationGuided, Transition, wrap
from payoff.wrappers.learned.explors import exploration_bonus, learn_shaping


def seen(*states):
    return np.array(states, dtype=np.float32)[:, None]


def step(action, after, reward=0.0, terminated=False, truncated=False, active=True):
    rows = len(action)
    full = [np.broadcast_to(x, rows).copy() for x in (reward, terminated, truncated, active)]
    return Transition(None, np.array(action), np.float64(full[0]), seen(*after), full[1], full[2], {}, full[3])


def begun(method, *states):
    method.reset(seen(*states), {}, np.ones(len(states), dtype=bool))
    return method


def test_bonus_by_hand():
    """b = B_max = 1: 1 / sqrt(1 + N); b = 2, B_max = 1: 2 / sqrt(4 + N), which is B_max where nobody has been."""
    assert exploration_bonus(np.array([0, 3, 8]), 1.0, 1.0) == pytest.approx([1.0, 0.5, 1 / 3])
    assert exploration_bonus(np.array([0, 12]), 2.0, 1.0) == pytest.approx([1.0, 0.5])


def test_bonus_counts_departures_of_finished_episodes_and_is_none_at_the_end():
    """0 -> 1 -> 0 -> 1, where nobody was before: 1 each; then the end, which pays nothing. After it 0 was left twice, 1
    twice; an episode that is cut off by time counts as well, one that is given up does not.
    """
    method = begun(ExplorationGuided(2, gamma=0.9, rate=0.0), 0)
    assert [method(step([0], [s])).item() for s in (1, 0, 1)] == [1.0, 1.0, 1.0]
    assert method(step([0], [9], reward=3.0, terminated=True)).item() == 3.0
    begun(method, 0)
    assert method(step([0], [1])).item() == pytest.approx(1 / np.sqrt(3))
    begun(method, 0)
    assert method(step([0], [0])).item() == pytest.approx(1 / np.sqrt(3))
    assert method(step([0], [1], truncated=True)).item() == pytest.approx(1 / np.sqrt(3))
    begun(method, 1)
    assert method(step([0], [0])).item() == pytest.approx(1 / np.sqrt(5))


def test_update_by_hand():
    """Two steps, in states 0 and 1, gamma 1/2, 2 paid at the end: G = 1, 2; pi uniform; V = 0; w = 1/2 and 1.

    phi(0, 1) += 1/10 * 1/2 * (1 - 1/2) = 1/40, phi(0, 0) -= 1/40; twice that in state 1. V += 1/10 G / 2.
    """
    phi, value = np.zeros((2, 2)), np.zeros(2)
    learn_shaping(phi, value, np.full((2, 2), 0.5), np.array([0, 1]), np.array([1, 0]), np.array([1.0, 2.0]), 0.1, 0.1)
    assert phi == pytest.approx(np.array([[-0.025, 0.025], [0.05, -0.05]]))
    assert value == pytest.approx([0.05, 0.1])


def test_steps_in_the_same_state_add_up():
    """Action 1 twice in state 0, G = 1 and 2: w = 1/2 and 1; phi(0, 1) += 1/10 * 3/2 * 1/2; V += 1/10 * 3 / 2."""
    phi, value, s = np.zeros((2, 2)), np.zeros(2), np.zeros(2, dtype=int)
    learn_shaping(phi, value, np.full((2, 2), 0.5), s, s + 1, np.array([1.0, 2.0]), 0.1, 0.1)
    assert phi == pytest.approx(np.array([[-0.075, 0.075], [0.0, 0.0]])) and value == pytest.approx([0.15, 0.0])


def test_a_sure_policy_and_a_return_that_was_expected_teach_nothing():
    phi, value = np.zeros((1, 2)), np.ones(1)
    one = np.zeros(1, dtype=int)
    learn_shaping(phi, value, np.array([[1.0, 0.0]]), one, one, np.array([7.0]), 0.1, 0.0)
    learn_shaping(phi, value, np.array([[0.5, 0.5]]), one, one, np.array([1.0]), 0.1, 0.1)
    assert not phi.any() and value.tolist() == [1.0]


def test_method_pays_what_the_update_says():
    """One episode of the update above, with the learner's own uniform policy; then phi is paid, without a bonus."""
    asked = []

    def uniform(obs):
        asked.append(obs[:, 0].tolist())
        return np.full((len(obs), 2), 0.5)

    method = ExplorationGuided(2, gamma=0.5, rate=0.1, value_rate=0.1, bonus=0.0, every=1, policy=uniform)
    begun(method, 0)
    assert method(step([1], [1])).tolist() == [0.0]
    assert method(step([0], [2], reward=2.0, truncated=True)).tolist() == [2.0]
    assert asked == [[0.0, 1.0, 2.0]]
    begun(method, 0)
    assert method(step([1], [1])) == pytest.approx([0.025])
    assert method(step([0], [2], reward=2.0)) == pytest.approx([2.05])


def test_learners_that_end_together_are_asked_once():
    """The first is sure of action 1, which teaches nothing; the second goes both ways and is paid 2.

    w = 1/2 * 2 and phi(0, 1) = 1/10 * 1 * 1/2 in the second.
    """
    asked = []

    def two(obs):
        asked.append(len(obs))
        return np.array([[[0.0, 1.0]] * len(obs), [[0.5, 0.5]] * len(obs)])

    method = ExplorationGuided(2, gamma=0.5, rate=0.1, every=1, per_row=True, bonus=0.0, policy=two)
    begun(method, 0, 0)
    method(step([1, 1], [1, 1], reward=2.0, truncated=True))
    assert asked == [2]
    begun(method, 0, 0)
    assert method(step([1, 1], [1, 1])) == pytest.approx([0.0, 0.05])


def test_policy_is_counted_where_no_trainer_tells_it():
    """State 0, actions 1, 1, 0 in one episode of three steps: (2 + 1) / 5 for 1; gamma tiny, so G is the reward."""
    method = begun(ExplorationGuided(2, gamma=1e-9, rate=1.0, value_rate=0.0, bonus=0.0, every=1), 0)
    for k, action in enumerate((1, 1, 0)):
        method(step([action], [0], reward=float(k == 2), truncated=k == 2))
    phi = method.state_dict()["phi"][0, 0]
    assert phi == pytest.approx([0.4 * (1 - 0.4), -0.4 * 0.6], abs=1e-8)


def test_clip_holds():
    method = begun(ExplorationGuided(2, gamma=0.5, rate=10.0, bonus=0.0, every=1, clip=0.01), 0)
    method(step([1], [0], reward=5.0, truncated=True))
    assert method.state_dict()["phi"][0, 0].tolist() == [-0.01, 0.01]


def test_only_the_last_episodes_are_learned_from():
    """Of three episodes of one step, in states 0, 1, 2, the last two teach when memory is 2."""
    method = ExplorationGuided(2, gamma=0.5, rate=1.0, bonus=0.0, every=3, memory=2)
    for state in range(3):
        begun(method, state)
        method(step([1], [9], reward=1.0, truncated=True))
    state = method.state_dict()
    known = {float(o): s for s, o in enumerate(state["obs"][:, 0])}
    moved = state["phi"][0].any(axis=1)
    assert [bool(moved[known[s]]) for s in (0.0, 1.0, 2.0)] == [False, True, True]


def moves(rng, steps, rows=2):
    for k in range(steps):
        last = k % 7 == 6
        yield step(rng.integers(2, size=rows), rng.integers(5, size=rows), rng.normal(size=rows), truncated=last), last


def play(method, rng, steps, rows=2):
    found = []
    for t, last in moves(rng, steps, rows):
        found.append(method(t).tolist())
        if last:
            begun(method, *[0] * rows)
    return found


@pytest.mark.parametrize("per_row", [False, True])
def test_state_goes_on_bit_for_bit(per_row):
    one, other = (ExplorationGuided(2, gamma=0.9, every=2, memory=3, per_row=per_row) for _ in range(2))
    begun(one, 0, 0)
    play(one, np.random.default_rng(0), 200)  # in the middle of an episode
    other.load_state_dict(one.state_dict())
    assert play(one, np.random.default_rng(1), 100) == play(other, np.random.default_rng(1), 100)
    for name, array in one.state_dict().items():
        held = other.state_dict()[name]
        width = min(array.shape[-1], held.shape[-1]) if array.ndim else None
        np.testing.assert_array_equal(array[..., :width], held[..., :width], err_msg=name)


def test_rows_of_their_own_do_not_meet():
    rng = np.random.default_rng(3)
    both = begun(ExplorationGuided(2, gamma=0.9, every=1, per_row=True), 0, 0)
    alone = [begun(ExplorationGuided(2, gamma=0.9, every=1, per_row=True), 0) for _ in range(2)]
    for t, last in moves(rng, 60):
        paid = both(t)
        for r, one in enumerate(alone):
            mine = step(t.action[[r]], t.next_obs[[r], 0], t.reward[[r]], truncated=last)
            assert one(mine).tolist() == [paid[r]]
        if last:
            begun(both, 0, 0)
            for one in alone:
                begun(one, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phi": None}, "missing or unknown: phi"),
        ({"obs": np.zeros((5, 1), dtype=np.float32)}, "obs has a state twice"),
        ({"obs": np.full((5, 1), np.nan)}, "obs must be finite numbers"),
        ({"left": np.full((1, 5), -1)}, "left must hold numbers of at least 0"),
        ({"at": np.array([5, 0])}, "at must hold numbers of at least 0 and below 5"),
        ({"now_length": np.array([1000, 0])}, "now_length must hold"),
        ({"phi": np.full((1, 5, 2), np.inf)}, "phi must hold finite numbers"),
    ],
)
def test_forged_states_are_refused(change, message):
    method = begun(ExplorationGuided(2, gamma=0.9), 0, 0)
    play(method, np.random.default_rng(0), 50)
    before = method.state_dict()
    assert len(before["obs"]) == 5
    with pytest.raises(ValueError, match=message):
        method.load_state_dict({k: v for k, v in (before | change).items() if v is not None})
    for name, array in method.state_dict().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_rewards_that_are_no_numbers_and_phi_without_end_are_refused():
    method = begun(ExplorationGuided(2, gamma=1.0, rate=1e12, bonus=0.0, every=1), 0)
    with pytest.raises(ValueError, match="rewards must be finite, got nan"):
        method(step([0], [1], reward=np.nan))
    with pytest.raises(ValueError, match="phi or V is not finite after 1 episodes"):
        method(step([0], [0], reward=1e300, truncated=True))
    assert not method.state_dict()["phi"].any()
    with pytest.raises(ValueError, match="knows 1 rows, got 2: reset comes first"):
        method(step([0, 0], [0, 0]))


def test_signal_that_never_comes_leaves_phi_at_zero():
    method = begun(ExplorationGuided(2, gamma=0.9, every=1), 0, 0)
    rng = np.random.default_rng(0)
    for t, last in moves(rng, 70):
        t.reward[:] = 0.0
        method(t)
        if last:
            begun(method, 0, 0)
    state = method.state_dict()
    assert not state["phi"].any() and not state["value"].any() and state["finished"].sum() == 20


def test_reinforce_hands_its_policies_over():
    """A table of softmax scores: the method is asked for the probabilities of each of its rows."""
    method = ExplorationGuided(2, gamma=0.99, per_row=True)
    args = reinforce.Args(
        env_id="payoff/Chain-v0",
        env_params={"length": 6, "start": 3, "max_steps": 8},
        seeds=(1, 2, 3),
        episodes=12,
        learning_rate=0.1,
        ent_coef=0.0,
        episodes_per_update=2,
        batch_episodes=5,
        padded_steps=8,
        features="observation",
        optimiser="sgd",
    )
    result = reinforce.train(args, wrap=lambda env: wrap(env, method))
    obs = np.eye(5)
    scores = np.exp(result.weights)
    assert method.policy(obs) == pytest.approx(scores / scores.sum(axis=2, keepdims=True))
    assert method.state_dict()["finished"].tolist() >= [12, 12, 12]


def test_sgd_takes_the_gradient_as_it_is():
    """One episode of one step that pays 1 with gamma 1: W += lr (1 - 1/2) for what was done, and the other way."""
    weights = np.zeros((1, 2, 2))
    batch = reinforce.Minibatch(
        np.array([[[[1.0, 0.0]]]]), np.array([[[1]]]), np.array([[[1.0]]]), np.array([[[True]]])
    )
    gradient = reinforce.policy_gradient(weights, batch, gamma=1.0, ent_coef=0.0)
    assert gradient[0].tolist() == [[-0.5, 0.5], [0.0, 0.0]]
