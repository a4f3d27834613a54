"""The tabular model follows the game that it was made from, and refuses what it cannot model."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.state import HEADER, OVER, TERMINATED
from payoff.envs.mdp import MDP, as_mdp, canonical
from payoff.envs.sparse.key_room import V0

ID = "payoff/KeyRoom-v0"
LAYOUT = V0.shape(V0.params()).layout


def same(a, b):
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(MDP))


@pytest.fixture(scope="module")
def mdp():
    return as_mdp(ID, starts=range(20), size=5)


def test_shapes_and_conventions(mdp):
    s, a, k = mdp.next_state.shape
    assert (s, a, k) == (mdp.n_states, 5, 1) and mdp.n_actions == 5
    assert mdp.states.shape == (s, LAYOUT.size) and mdp.terminal.shape == (s,)
    assert mdp.next_state.min() >= 0 and mdp.next_state.max() < s
    np.testing.assert_array_equal(mdp.probability, 1.0)
    ends = np.flatnonzero(mdp.terminal)
    np.testing.assert_array_equal(mdp.next_state[ends, :, 0], np.repeat(ends[:, None], 5, axis=1))
    assert not mdp.reward[ends].any()
    # paid exactly where a running state leads to a terminal one
    entering = mdp.terminal[mdp.next_state] & ~mdp.terminal[:, None, None]
    np.testing.assert_array_equal(mdp.reward, entering.astype(float))
    assert len(np.unique(mdp.states, axis=0)) == s
    assert not np.delete(mdp.states[:, :HEADER], OVER, axis=1).any()


def test_number_of_states_is_counted_by_hand():
    """Size 5 is a column of 3 cells, the wall, and a column of 3; key and goal block the way at the far ends."""

    def rows_of(seed):
        env = gym.make(ID, size=5)
        env.reset(seed=seed)
        columns = (LAYOUT.view(env.unwrapped.engine.state, name)[0] for name in ("y", "key_y", "door", "goal_y"))
        return tuple(int(y) for y in columns)

    seed = next(s for s in range(1000) if rows_of(s) == (1, 3, 1, 3))
    without_key, with_key = 2 * 4, 3 * 4  # cells times headings
    opened = (3 + 1 + 2) * 4  # left, doorway, right but for the goal
    goal = 1  # entered heading down
    assert as_mdp(ID, starts=[seed], size=5).n_states == without_key + with_key + opened + goal


def test_random_play_stays_on_the_model(mdp):
    env = payoff.multi_agent_vec(ID, 20, size=5, autoreset_mode="same_step")
    env.reset(seed=0)
    numbers = {row[HEADER:-1].tobytes(): i for i, row in enumerate(mdp.states) if not mdp.terminal[i]}
    at = np.array([numbers[row[HEADER:-1].tobytes()] for row in env.engine.state])
    np.testing.assert_allclose(mdp.initial, np.bincount(at, minlength=mdp.n_states) / 20)
    draw = np.random.default_rng(0)
    for _ in range(39):
        actions = draw.integers(0, 5, 20)
        _, _, terminated, _, info = env.step(actions[:, None])
        after = mdp.next_state[at, actions, 0]
        np.testing.assert_array_equal(mdp.terminal[after], terminated)
        np.testing.assert_array_equal(mdp.reward[at, actions, 0], info["payoff"][:, 0])
        for b in np.flatnonzero(~terminated):
            np.testing.assert_array_equal(mdp.states[after[b], HEADER:-1], env.engine.state[b, HEADER:-1])
        at = np.array([numbers.get(row[HEADER:-1].tobytes(), 0) for row in env.engine.state])
        if terminated.any():
            break  # a new episode may start outside the model


def test_every_view_gives_the_same_model():
    expected = as_mdp(ID, starts=[3], size=6)
    single = gym.make(ID, size=6)
    single.reset(seed=3)
    assert same(as_mdp(single), expected)  # through gym.make's wrappers
    parallel = payoff.parallel_env(ID, size=6)
    parallel.reset(seed=3)
    assert same(as_mdp(parallel), expected)
    vector = gym.make_vec(ID, num_envs=3, vectorization_mode="vector_entry_point", size=6)
    vector.reset(seed=3)
    assert same(as_mdp(vector), as_mdp(ID, starts=[3, 4, 5], size=6))
    assert same(as_mdp(vector, starts=[3]), expected)
    assert same(payoff.as_mdp(vector.engine, starts=[3]), expected)


def test_model_is_that_of_the_payoffs_and_knows_no_horizon():
    env = gym.make(ID, size=5, max_steps=1, reward=lambda given: given.payoff * 7 - 1)
    env.reset(seed=0)
    assert same(as_mdp(env), as_mdp(ID, starts=[0], size=5))


def test_starts_are_equally_likely():
    mdp = as_mdp(ID, starts=[0, 1, 1, 2], size=8)
    assert sorted(mdp.initial[mdp.initial > 0]) == [0.25, 0.25, 0.5]
    assert mdp.initial[:3].sum() == 1.0


def test_dense_matrices_hold_the_same(mdp):
    transition, reward = mdp.dense()
    np.testing.assert_array_equal(transition.sum(axis=2), 1.0)
    s, a, _ = np.indices(mdp.next_state.shape)
    assert (transition[s, a, mdp.next_state] == 1.0).all()
    np.testing.assert_array_equal(reward, mdp.reward[:, :, 0])


def test_dense_adds_outcomes_that_lead_to_the_same_state():
    coin = MDP(
        states=np.zeros((2, 1)),
        next_state=np.array([[[1, 1, 0]], [[1, 1, 1]]]),
        probability=np.array([[[0.25, 0.25, 0.5]], [[1.0, 0.0, 0.0]]]),
        reward=np.array([[[4.0, 0.0, 2.0]], [[0.0, 0.0, 0.0]]]),
        initial=np.array([1.0, 0.0]),
        terminal=np.array([False, True]),
    )
    transition, reward = coin.dense()
    assert transition.tolist() == [[[0.5, 0.5]], [[0.0, 1.0]]]
    assert reward.tolist() == [[2.0], [0.0]]
    with pytest.raises(ValueError, match=r"reward must have shape \(2, 1, 3\), got \(2, 1, 1\)"):
        dataclasses.replace(coin, reward=np.zeros((2, 1, 1)))


def test_arrays_are_locked(mdp):
    with pytest.raises(ValueError, match="read-only"):
        mdp.reward[0] = 1.0


def test_a_model_says_which_steps_solve_the_problem():
    """KeyRoom: those that are paid. Delivery: those onto the goal, not the coin. WatchRepair judges no single step."""
    paid = as_mdp(ID, starts=[0], size=5)
    np.testing.assert_array_equal(paid.solved, paid.reward > 0.0)
    lane = as_mdp(
        "payoff/Delivery-v0", starts=range(40), board=("C.G", "HHH"), weights=(-1.0, 50.0, -50.0, 3.0, -1.0, -2.0)
    )
    assert lane.n_states == 3
    assert sorted(lane.reward[lane.reward > 0.0].tolist()) == [2.0, 50.0]  # a bump pays the road only
    np.testing.assert_array_equal(lane.solved, lane.reward == 50.0)
    assert as_mdp("payoff/WatchRepair-v0", starts=[0], max_steps=2).solved is None


def test_a_canonical_row_keeps_what_the_rules_read_and_nothing_else():
    """LineKey: place, key and zone stay; header, record of the last step, forced outcome and the sign of 0 do not."""
    layout = registry.load("payoff/LineKey-v0").shape(registry.load("payoff/LineKey-v0").params()).layout
    row = np.full((2, layout.size), 7.0)
    for name, value in (("place", 3.0), ("held", -0.0), ("place_zone", 1.0)):
        row[:, layout.column(name)] = value
    row[:, OVER] = [TERMINATED, 2.0 * TERMINATED]  # the second one was only truncated
    kept = canonical(row, layout)
    assert {f: kept[0, layout.column(f)] for f in ("place", "held", "place_zone", "event", "aux", "forced")} == {
        "place": 3.0,
        "held": 0.0,
        "place_zone": 1.0,
        "event": 0.0,
        "aux": 0.0,
        "forced": 0.0,
    }
    assert not np.signbit(kept).any()
    assert kept[:, OVER].tolist() == [TERMINATED, 0.0]
    assert not np.delete(kept[:, :HEADER], OVER, axis=1).any()
    assert row[0, layout.column("event")] == 7.0  # a copy


def test_published_games_are_not_tabular():
    with pytest.raises(ValueError, match=r"payoff/TrustDilemma-v0 is not tabular"):
        as_mdp("payoff/TrustDilemma-v0", starts=[0])


def test_what_cannot_be_a_start_is_refused():
    with pytest.raises(ValueError, match="was given as an id: name the seeds"):
        as_mdp(ID)
    for starts in ([], [-1], [0.5], ["0"]):
        with pytest.raises(ValueError, match="starts must be at least one non-negative integer"):
            as_mdp(ID, starts=starts)
    env = gym.make(ID)
    with pytest.raises(ValueError, match="has not been reset"):
        as_mdp(env)
    env.reset(seed=0)
    env.step(0)
    with pytest.raises(ValueError, match="in the middle of an episode"):
        as_mdp(env)


def test_what_is_no_environment_of_ours_is_refused():
    with pytest.raises(TypeError, match="env must be an environment of ours or an id, got int"):
        as_mdp(3)
    with pytest.raises(TypeError, match="env must be an environment of ours or an id, got"):
        as_mdp(gym.make("CartPole-v1"))
    with pytest.raises(TypeError, match="keywords go with an id, not with an environment: size"):
        as_mdp(gym.make(ID), starts=[0], size=5)
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'sizes' \(did you mean 'size'\?\)"):
        as_mdp(ID, starts=[0], sizes=5)
    with pytest.raises(ValueError, match="all copies must have the same parameters"):
        as_mdp(payoff.multi_agent_vec(ID, 2, size=[5, 6]), starts=[0])


def test_too_many_states_are_refused():
    with pytest.raises(ValueError, match="more than max_states=50 states"):
        as_mdp(ID, starts=[0], max_states=50)
