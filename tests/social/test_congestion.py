"""Congestion: what a round pays, what is seen, and the exact theory against enumeration."""

import itertools
import math

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import payoff
from payoff.envs import registry
from payoff.envs.social import congestion
from payoff.envs.social import congestion_theory as theory

ID = "payoff/Congestion-v0"
SMALL = {"n_agents": 5, "sections": 3, "capacity": 1.5, "max_steps": 4}


def made(count=1, **keywords):
    env = payoff.multi_agent_vec(ID, count, **{**SMALL, **keywords})
    env.reset(seed=0)
    return env


def play(env, *choices):
    """One round of a batch of one."""
    return env.step(np.array(choices, dtype=float)[None, :, None])


# -- the game ------------------------------------------------------------------------------------------------


def test_a_round_pays_each_seat_the_share_of_its_section():
    env = made()
    obs, reward, terminated, truncated, info = play(env, 0, 0, 2, 0, 2)
    three, two = math.exp(-3 / 1.5), math.exp(-2 / 1.5)
    assert reward[0] == pytest.approx([three, three, two, three, two], rel=1e-15)
    assert info["payoff"][0].tolist() == reward[0].tolist()
    assert info["crowd"].tolist() == [[3, 3, 2, 3, 2]]
    assert info["welfare"] == pytest.approx(3 * three + 2 * two, rel=1e-15)
    assert info["welfare"] == pytest.approx(info["payoff"].sum(), rel=1e-15)
    assert not terminated[0] and not truncated[0]
    np.testing.assert_allclose(obs[0, :, :3], [[0.6, 0.0, 0.4]] * 5, rtol=1e-6)
    np.testing.assert_array_equal(obs[0, :, 3:], np.eye(3)[[0, 0, 2, 0, 2]])
    assert play(env, 1, 1, 1, 1, 1)[1][0] == pytest.approx([math.exp(-5 / 1.5)] * 5)  # rounds do not depend


def test_the_global_reward_is_the_mean_and_mixtures_are_possible():
    rewards = {layer: play(made(reward=layer), 0, 0, 2, 0, 2)[1][0] for layer in ("private", "cooperative")}
    assert rewards["cooperative"] == pytest.approx([rewards["private"].mean()] * 5, rel=1e-15)
    from payoff.envs.rewards import PerAgent

    mixed = play(made(reward=PerAgent({1: "cooperative", 4: "cooperative"})), 0, 0, 2, 0, 2)[1][0]
    expected = np.where([0, 1, 0, 0, 1], rewards["cooperative"], rewards["private"])
    np.testing.assert_array_equal(mixed, expected)


def test_a_start_shows_nothing_and_episodes_end_at_the_horizon():
    env = made(2)
    obs, info = env.reset()
    for _ in range(2):
        assert not obs.any() and not info["crowd"].any() and not info["welfare"].any()
        for t in range(SMALL["max_steps"]):
            obs, _, terminated, truncated, info = env.step(np.full((2, 5, 1), t % 3))
            assert obs.any() and not terminated.any() and truncated.all() == (t == 3)
        obs, reward, _, truncated, info = env.step(np.zeros((2, 5, 1)))  # restarts both
        assert not reward.any() and not truncated.any()


def test_private_shows_the_own_choice_alone():
    env = made(observe="private")
    obs = play(env, 0, 1, 2, 1, 0)[0]
    np.testing.assert_array_equal(obs[0], np.eye(3)[[0, 1, 2, 1, 0]])
    timed = made(observe=congestion.Observe(counts=False, clock=True))
    np.testing.assert_allclose(play(timed, 0, 1, 2, 1, 0)[0][0, :, 3], 0.25)
    with pytest.raises(ValueError, match="observe must be one of 'full', 'private', 'minimal' or an Observe, got 'all"):
        made(observe="all")
    with pytest.raises(ValueError, match=r"observe\.counts must be True or False, got 1"):
        congestion.Observe(counts=1)


def test_later_movers_see_earlier_choices_as_far_as_the_setting_allows():
    for setting, shown in (("full", 1.0), ("private", -1.0)):
        turns = payoff.aec_env(ID, observe=setting, **SMALL)
        turns.reset(seed=0)
        turns.step(2)
        revealed = turns.observe("agent_1")[-5:]
        assert revealed[1] == shown and (np.delete(revealed, 1) == -1.0).all()


@pytest.mark.parametrize("sections", [2, 3, 7])
def test_partners_by_name_play_whole_sections(sections):
    """A uniform partner is uniform over sections; constants cut the range into equal parts."""
    keywords = {**SMALL, "sections": sections, "max_steps": 3000, "agent": 0}
    env = gym.make(ID, partners="random", **keywords)
    env.reset(seed=0)
    seen = np.zeros(sections)
    for _ in range(3000):
        env.step(0)
        row = env.unwrapped.engine.action[0, 1:, 0]
        seen += np.bincount(row.astype(int), minlength=sections)
        assert (row == np.floor(row)).all() and row.max() < sections
    assert abs(seen / seen.sum() - 1 / sections).max() < 4 * 0.5 / math.sqrt(seen.sum())
    for level in (0.0, 0.1, 0.5, 0.9, 1.0):
        fixed = gym.make(ID, partners=f"constant:{level}", **keywords)
        fixed.reset(seed=0)
        fixed.step(0)
        chosen = fixed.unwrapped.engine.action[0, 1:, 0]
        assert (chosen == min(sections - 1, math.floor(level * sections))).all()


def test_copies_may_differ_in_capacity_only():
    env = made(2, capacity=[1.0, 3.0], max_steps=[4, 9])
    _, reward, *_ = env.step(np.zeros((2, 5, 1)))
    np.testing.assert_allclose(reward, [[math.exp(-5)] * 5, [math.exp(-5 / 3)] * 5])
    for name, values in (("n_agents", [5, 6]), ("sections", [2, 3])):
        with pytest.raises(ValueError, match=f"{name} must be the same in all copies"):
            made(2, **{name: values})


@pytest.mark.parametrize(
    ("keyword", "value", "allowed"),
    [
        ("n_agents", 1, r"2 \.\. 1000"),
        ("sections", 1, r"2 \.\. 100"),
        ("capacity", 0.0, r"\[0\.1, 10000\]"),
        ("max_steps", 0, "at least 1"),
    ],
)
def test_parameters_out_of_range_are_named(keyword, value, allowed):
    with pytest.raises(ValueError, match=f"{keyword} must be .* {allowed}, got {value}"):
        congestion.CongestionParams(**{keyword: value})


def test_a_section_that_is_not_there_is_refused():
    env = made()
    with pytest.raises(ValueError, match=r"agent_4 must be an integer in 0 \.\. 2, got 3.0"):
        play(env, 0, 0, 0, 0, 3)


def test_picture_fills_bars_by_share():
    env = payoff.parallel_env(ID, render_mode="rgb_array", n_agents=10, sections=2, capacity=5.0)
    env.reset(seed=0)
    empty = env.render()
    env.step({a: int(i < 8) for i, a in enumerate(env.agents)})
    picture = env.render()
    within, beyond = ((picture == np.array(c)).all(axis=2) for c in (congestion.WITHIN, congestion.BEYOND))
    middle = [40, 88]  # a column of each bar
    assert [within[:, c].sum() for c in middle] == pytest.approx([48, 120], abs=2)  # 2 and 5 of 10 seats, 240 pixels
    assert [beyond[:, c].sum() for c in middle] == pytest.approx([0, 72], abs=2)  # 3 beyond the capacity
    assert not (empty == np.array(congestion.WITHIN)).all(axis=2).any()


# -- the theory ----------------------------------------------------------------------------------------------


def splits(n, k):
    """All splits of n seats over k sections."""
    for bars in itertools.combinations(range(n + k - 1), k - 1):
        edges = (-1, *bars, n + k - 1)
        yield np.diff(edges) - 1


def test_figures_of_the_specification():
    counts, value = theory.best_split(100, 6, 6.0)
    assert counts.tolist() == [70, 6, 6, 6, 6, 6]  # five at capacity, the rest dumped in one
    assert value == pytest.approx(5 * 6 * math.exp(-1) + 70 * math.exp(-70 / 6), rel=1e-14)
    assert round(value, 2) == 11.04
    assert round(float(theory.welfare(theory.nash_split(100, 6), 6.0)), 2) == 6.22
    assert round(theory.best_split(50, 9, 4.0)[1], 2) == 12.42
    assert theory.welfare(theory.nash_split(50, 9), 4.0) == pytest.approx(theory.best_split(50, 9, 4.0)[1], rel=1e-12)


@pytest.mark.parametrize(("n", "k", "capacity"), [(7, 3, 1.0), (12, 4, 1.5), (9, 5, 0.4), (4, 6, 2.0), (10, 2, 30.0)])
def test_best_split_is_the_best_of_all(n, k, capacity):
    values = [float(theory.welfare(x, capacity)) for x in splits(n, k)]
    assert len(values) == math.comb(n + k - 1, k - 1)
    counts, value = theory.best_split(n, k, capacity)
    assert counts.sum() == n and len(counts) == k and (np.diff(counts) <= 0).all()
    assert value == pytest.approx(max(values), rel=1e-14)
    assert theory.welfare(counts, capacity) == pytest.approx(value, rel=1e-14)
    assert theory.deviation_gain(counts, capacity, "cooperative") <= 1e-15


@pytest.mark.parametrize(("n", "k", "capacity"), [(4, 3, 1.0), (5, 2, 0.7), (3, 3, 2.0), (5, 3, 4.0)])
def test_equilibria_are_the_even_splits(n, k, capacity):
    """Every joint action, with payoffs from the game itself: nobody gains alone if and only if the split is even."""
    joint = np.array(list(itertools.product(range(k), repeat=n)), dtype=float)
    env = payoff.multi_agent_vec(ID, len(joint), n_agents=n, sections=k, capacity=capacity)
    env.reset(seed=0)
    payoffs = env.step(joint[:, :, None])[4]["payoff"].reshape(*[k] * n, n)
    best = np.stack([payoffs[..., i].max(axis=i, keepdims=True) - payoffs[..., i] for i in range(n)], axis=-1)
    stable = (best < 1e-12).all(axis=-1).ravel()
    counts = theory.split(joint, k)
    even = counts.max(axis=1) - counts.min(axis=1) <= 1
    np.testing.assert_array_equal(stable, even)
    assert (np.sort(counts[stable], axis=1)[:, ::-1] == theory.nash_split(n, k)).all()
    gains = np.array([theory.deviation_gain(x, capacity) for x in counts])
    np.testing.assert_array_equal(gains <= 1e-12, even)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_welfare_without_a_seat_is_that_of_the_others(data):
    n, k = data.draw(st.integers(1, 9)), data.draw(st.integers(2, 5))
    capacity = data.draw(st.floats(0.2, 20.0))
    actions = np.array(data.draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n)))
    present = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    found = theory.others_welfare(actions, k, capacity, present)
    for i in range(n):
        left = np.delete(actions, i)[np.delete(present, i)]
        alone = theory.welfare(np.bincount(left, minlength=k), capacity)
        assert found[i] == pytest.approx(alone, rel=1e-12, abs=1e-14)


def test_certificate_is_what_the_theory_gives():
    stored = payoff.certificate(ID)
    params = congestion.CongestionParams()
    assert stored == theory.certify(ID, params.n_agents, params.sections, params.capacity)
    assert (stored.players, stored.optimum_kind, stored.dilemma) == (100, "exact", "congestion")
    env = payoff.multi_agent_vec(ID, 2)
    env.reset(seed=0)
    played = env.step(np.array([point.actions for point in stored.equilibria]))[4]["payoff"]
    np.testing.assert_allclose(played, [point.payoffs for point in stored.equilibria], rtol=1e-14)
    assert played.sum(axis=1) == pytest.approx([6.22299051, stored.optimum])
    assert [point.gain for point in stored.equilibria] == [0.0, 0.0]


def test_theory_refuses_what_is_no_game():
    for actions in ([0, -1], [0, 3]):
        with pytest.raises(ValueError, match=r"actions must be in 0 \.\. 2"):
            theory.others_welfare(actions, 3, 1.5)
    with pytest.raises(ValueError, match=r"sections must be an integer in 1 \.\. 100, got 0"):
        theory.best_split(5, 0, 1.0)
    with pytest.raises(ValueError, match=r"capacity must be a number in \(0, "):
        theory.best_split(5, 2, 0.0)
    with pytest.raises(ValueError, match="reward must be one of 'private', 'cooperative', got 'integrated'"):
        theory.deviation_gain([1, 2], 1.0, "integrated")


def test_registered_as_a_social_game():
    assert registry.load(ID).tags == ("social", "multi_agent")
    assert registry.load(ID).shape(congestion.CongestionParams()).n_agents == 100
