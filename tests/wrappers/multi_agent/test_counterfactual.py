"""Counterfactual as potential: Nash equilibria by enumeration, ends of episodes, and one layer over many copies."""

import itertools
import pickle

import numpy as np
import pytest

import payoff
from payoff.wrappers import PotentialShaping, WrapperSnapshot, from_info, wrap
from payoff.wrappers.multi_agent.counterfactual import CounterfactualPotential
from payoff.wrappers.multi_agent.difference import DifferenceReward
from payoff.wrappers.multi_agent.utility import from_simulation, leave_out, replace_by, total_payoff

GAMMA = 0.9
MODES = pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
TRUNCATION = pytest.mark.parametrize("on_truncation", ["bootstrap", "terminal"])


# -- the theorem ---------------------------------------------------------------------------------------------

N, SECTIONS, CAPACITY = 3, 2, 0.8
STRATEGIES = np.array(list(itertools.product(range(2), repeat=1 + N + 1)))  # first choice; then one for each split


def small_welfare(team):
    """G = sum over two sections of x exp(-x / psi) of the agents present."""
    action = np.asarray(team.action).reshape(team.present.shape)
    x = np.stack([((action == s) & team.present).sum(axis=1) for s in range(SECTIONS)], axis=1)
    return (x * np.exp(-x / CAPACITY)).sum(axis=1)


def returns(method):
    """Discounted returns ``(32, 32, 32, N)`` of all profiles of the game of two rounds.

    A strategy is a choice in the first round and, for each number of agents that may then be found in the first
    section, one in the second: it looks back, as the agents of the game do. All 32,768 profiles are copies of a batch.
    """
    profiles = np.array(list(itertools.product(range(len(STRATEGIES)), repeat=N)))
    chosen = STRATEGIES[profiles]  # (profiles, N, 1 + 4)
    env = payoff.multi_agent_vec(
        "payoff/Congestion-v0", len(profiles), n_agents=N, sections=SECTIONS, capacity=CAPACITY, max_steps=2
    )
    env = wrap(env, method)
    env.reset(seed=0)
    first = chosen[:, :, 0]
    obs, reward, _, truncated, _ = env.step(first)
    assert not truncated.any()
    split = np.rint(obs[:, 0, 0] * N).astype(int)
    second = chosen[np.arange(len(profiles))[:, None], np.arange(N), 1 + split[:, None]]
    _, later, _, truncated, _ = env.step(second)
    assert truncated.all()
    return (reward + GAMMA * later).reshape(*[len(STRATEGIES)] * N, N)


def equilibria(values):
    """Profiles in which nobody gains by another strategy, ``(32, 32, 32)`` bool."""
    gains = [values[..., i].max(axis=i, keepdims=True) - values[..., i] for i in range(N)]
    return (np.stack(gains) < 1e-9).all(axis=0)


@pytest.fixture(scope="module")
def under_welfare():
    """Returns under G alone."""
    return returns(DifferenceReward(small_welfare, lambda team: np.zeros(team.present.shape)))


@pytest.mark.parametrize("scale", [1.0, -1.0, 5.0])
@pytest.mark.parametrize("default", ["absent", 0, 1])
def test_nash_equilibria_of_a_repeated_game_stay(default, scale, under_welfare):
    counterfactual = leave_out(small_welfare) if default == "absent" else replace_by(small_welfare, default)
    shaped = returns(
        CounterfactualPotential(small_welfare, counterfactual, gamma=GAMMA, on_truncation="terminal", scale=scale)
    )
    np.testing.assert_allclose(shaped, under_welfare, atol=1e-12)  # every profile, for every agent
    found = equilibria(under_welfare)
    np.testing.assert_array_equal(equilibria(shaped), found)
    assert 0 < found.sum() < found.size


def test_difference_rewards_do_not_keep_them(under_welfare):
    """A choice changes what others do next, and with it their part of a later D: most equilibria are none any more."""
    under_d = equilibria(returns(DifferenceReward(small_welfare, leave_out(small_welfare))))
    found = equilibria(under_welfare)
    assert (found & ~under_d).sum() > 0.5 * found.sum()


def test_a_potential_kept_at_the_horizon_changes_them_for_learners_that_do_not_bootstrap(under_welfare):
    kept = returns(
        CounterfactualPotential(
            small_welfare, leave_out(small_welfare), gamma=GAMMA, on_truncation="bootstrap", scale=5.0
        )
    )
    assert (equilibria(kept) != equilibria(under_welfare)).any()


# -- episodes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terminated", "truncated", "on_truncation", "left"),
    [
        (True, False, "bootstrap", 0.0),
        (False, True, "bootstrap", GAMMA),
        (False, True, "terminal", 0.0),
        (True, True, "bootstrap", 0.0),
        (True, True, "terminal", 0.0),
    ],
)
def test_end_of_an_episode(terminated, truncated, on_truncation, left, scripted, total_effort, rewards_of):
    """G = a_0 + 10 a_1 + 100 a_2, Phi_i = G without i; 321, then 654: the last potential counts as the table says."""
    ends = dict.fromkeys(range(3), (2, terminated, truncated))
    env = wrap(
        scripted(ends),
        CounterfactualPotential(total_effort, leave_out(total_effort), gamma=GAMMA, on_truncation=on_truncation),
    )
    for _ in range(2):  # the second episode knows nothing of the first
        first, last = rewards_of(env, (1, 2, 3), (4, 5, 6))
        assert list(first.values()) == pytest.approx([321 + GAMMA * x for x in (320, 301, 21)])
        expected = [654 + left * arrived - x for x, arrived in ((320, 650), (301, 604), (21, 54))]
        assert list(last.values()) == pytest.approx(expected)


def test_agents_that_leave_settle_then_and_are_counted_no_more(scripted, total_effort, rewards_of):
    ends = {0: (1, True, False), 1: (2, False, True), 2: (3, True, False)}
    method = CounterfactualPotential(total_effort, leave_out(total_effort), gamma=GAMMA, on_truncation="bootstrap")
    first, second, third = rewards_of(wrap(scripted(ends), method), (1, 2, 3), (9, 4, 5), (9, 9, 6))
    assert first == pytest.approx({0: 321.0, 1: 321 + GAMMA * 301, 2: 321 + GAMMA * 21})
    assert second == pytest.approx({1: 540 + GAMMA * 500 - 301, 2: 540 + GAMMA * 40 - 21})
    assert third == pytest.approx({2: 600 - 40})


def test_the_call_that_restarts_pays_nothing_and_forgets(congestion, welfare, without_each):
    method = CounterfactualPotential(welfare, without_each, gamma=GAMMA, on_truncation="bootstrap")
    env = wrap(congestion(2), method)
    env.reset(seed=0)
    action = np.array([[0, 1, 2, 2]] * 2)
    rewards = np.array([env.step(action)[1][0] for _ in range(8)])
    total = 2 * np.exp(-1 / 1.5) + 2 * np.exp(-2 / 1.5)
    rest = total - np.array([np.exp(-1 / 1.5)] * 2 + [2 * np.exp(-2 / 1.5) - np.exp(-1 / 1.5)] * 2)
    np.testing.assert_allclose(rewards[0], total + GAMMA * rest, rtol=1e-14)
    np.testing.assert_allclose(rewards[1:5], [total + GAMMA * rest - rest] * 4, rtol=1e-14)
    np.testing.assert_array_equal(rewards[5], 0.0)
    np.testing.assert_array_equal(rewards[6:], rewards[:2])


@MODES
@TRUNCATION
def test_wrapped_batch_equals_wrapped_parallel_games(
    mode, on_truncation, congestion, welfare, without_each, same_in_both_views
):
    def method():
        return CounterfactualPotential(welfare, without_each, gamma=GAMMA, on_truncation=on_truncation, scale=0.7)

    actions = np.random.default_rng(0).integers(0, 3, (23, 3, 4, 1)).astype(float)
    batch, single = wrap(congestion(3, autoreset_mode=mode), method()), wrap(congestion(), method())
    assert same_in_both_views(batch, single, actions, mode)[1] >= 9


@MODES
def test_it_is_potential_shaping_of_the_welfare_by_a_potential_of_each_agents_own(mode, congestion):
    """The same from parts: G as the reward, and PotentialShaping by ``info["counterfactual"]``, one number a row."""
    from payoff.wrappers.multi_agent.simulation import simulate

    def nothing(team):
        return np.zeros(team.present.shape)

    whole = wrap(
        simulate(congestion(3, autoreset_mode=mode), 0),
        CounterfactualPotential(total_payoff, from_simulation, gamma=GAMMA, on_truncation="bootstrap"),
    )
    parts = wrap(
        wrap(simulate(congestion(3, autoreset_mode=mode), 0), DifferenceReward(total_payoff, nothing)),
        PotentialShaping(from_info("counterfactual"), gamma=GAMMA, on_truncation="bootstrap"),
    )
    for env in (whole, parts):
        env.reset(seed=0)
    for action in np.random.default_rng(2).integers(0, 3, (17, 3, 4)):
        result = whole.step(action)
        np.testing.assert_array_equal(result[1], parts.step(action)[1])
        if mode == "disabled" and result[3].any():
            for env in (whole, parts):
                env.reset(options={"reset_mask": result[3]})


# -- state ---------------------------------------------------------------------------------------------------


def test_resume_in_the_middle_of_an_episode_pays_the_same(congestion, welfare, without_each):
    def make(copies=3):
        method = CounterfactualPotential(welfare, without_each, gamma=GAMMA, on_truncation="bootstrap")
        return wrap(congestion(copies), method)

    env, actions = make(), np.random.default_rng(3).integers(0, 3, (40, 3, 4))
    env.reset(seed=0)
    for t in range(14):
        arrays = env.snapshot().arrays()
        other = make()
        other.reset(seed=99)
        other.restore(WrapperSnapshot.from_arrays(arrays))
        ahead = [other.step(a)[1].tolist() for a in actions[t : t + 12]]
        assert ahead == [env.step(a)[1].tolist() for a in actions[t : t + 12]]
        env.restore(WrapperSnapshot.from_arrays(arrays))
        env.step(actions[t])
    kept = env.method.state_dict()
    assert kept["phi"].shape == (12,) and kept["phi"].any()
    twin = pickle.loads(pickle.dumps(env.method.memory))
    np.testing.assert_array_equal(twin["phi"], kept["phi"])


def test_bad_state_is_refused_and_changes_nothing(congestion, welfare, without_each):
    method = CounterfactualPotential(welfare, without_each, gamma=GAMMA, on_truncation="bootstrap")
    env = wrap(congestion(2), method)
    env.reset(seed=0)
    env.step(np.zeros((2, 4)))
    kept = method.state_dict()["phi"]
    for bad in ({}, {"phi": np.zeros(4)}, {"phi": np.full(8, np.nan)}, {"phi": np.zeros(8), "psi": np.zeros(8)}):
        with pytest.raises(ValueError, match=r"takes the arrays phi|phi must have shape \(8,\)|phi must hold finite"):
            method.load_state_dict(bad)
    np.testing.assert_array_equal(method.state_dict()["phi"], kept)


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("gamma", 0.0, r"gamma must be a number in \(0, 1\], got 0.0"),
        ("on_truncation", "keep", "on_truncation must be one of 'bootstrap', 'terminal', got 'keep'"),
        ("scale", float("nan"), "scale must be a number"),
    ],
)
def test_bad_argument_is_named(keyword, value, message, welfare, without_each):
    good = {"gamma": 0.9, "on_truncation": "terminal"}
    with pytest.raises(ValueError, match=message):
        CounterfactualPotential(welfare, without_each, **{**good, keyword: value})
