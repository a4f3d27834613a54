"""AdditiveSet against lists of all its sets, and against polynomials in exact whole numbers."""

import itertools
import math

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.certifying import random_play
from payoff.envs.core.state import CLOCK
from payoff.envs.mdp import from_rows
from payoff.envs.sparse import additive_set
from payoff.envs.sparse.additive_set import AdditiveSetParams, Observe

ID = "payoff/AdditiveSet-v0"
GAME = registry.load(ID)
LAYOUT = GAME.shape(AdditiveSetParams()).layout
TAKEN, TOTAL, MEMBER = (LAYOUT.column(name) for name in ("count", "total", "member"))
SMALL = [
    {"elements": 6, "choose": 3},
    {"elements": 8, "choose": 5, "spacing": 0.3, "energy_seed": 4},
    {"elements": 7, "choose": 7},
    {"elements": 9, "choose": 1, "values": 3},
    {"elements": 6, "choose": 4, "values": 1},
]


def every_set(params):
    return list(itertools.combinations(range(params.elements), params.choose))


def worth(params):
    """R of every set, from the energies alone."""
    e = additive_set.energies(params)
    return np.array([math.exp(-sum(e[i] for i in s)) for s in every_set(params)])


def counts_of_sums(params):
    """Number of sets for each sum of the energies, in steps of ``spacing`` above the least one: a whole-number DP."""
    steps = np.rint(additive_set.multiples(params) + (params.values - 1) / 2).astype(int)
    table = [{0: 1}] + [{} for _ in range(params.choose)]
    for step in steps.tolist():
        for k in range(params.choose, 0, -1):
            for total, n in table[k - 1].items():
                table[k][total + step] = table[k].get(total + step, 0) + n
    return table[params.choose]


def test_energies_are_equally_spaced_around_zero():
    params = AdditiveSetParams(elements=200)
    e = additive_set.energies(params)
    assert set(np.round(e, 9)) == {round(0.05 * (k - 4.5), 9) for k in range(10)}
    assert not np.array_equal(e, additive_set.energies(AdditiveSetParams(elements=200, energy_seed=1)))
    np.testing.assert_array_equal(e[:30], additive_set.energies(AdditiveSetParams()))


@pytest.mark.parametrize("keywords", SMALL, ids=str)
def test_partition_is_the_sum_over_all_sets(keywords):
    params = AdditiveSetParams(**keywords)
    assert additive_set.partition(params) == pytest.approx(math.fsum(worth(params)), rel=1e-13)


@pytest.mark.parametrize("level", ["medium", "hard"])
def test_partition_of_large_problems(level):
    """From the exact number of sets for each sum; their total is the binomial coefficient."""
    params = AdditiveSetParams(**GAME.levels[level])
    counts = counts_of_sums(params)
    assert sum(counts.values()) == math.comb(params.elements, params.choose)
    shift = params.choose * (params.values - 1) / 2
    z = math.fsum(n * math.exp(-params.spacing * (total - shift)) for total, n in counts.items())
    assert additive_set.partition(params) == pytest.approx(z, rel=1e-12)


def test_number_of_sets_by_default():
    params = AdditiveSetParams(spacing=1e-15)  # every energy as good as 0
    assert additive_set.partition(params) == pytest.approx(math.comb(30, 20), rel=1e-9)


@pytest.mark.parametrize("keywords", SMALL, ids=str)
def test_sampler_draws_in_proportion_to_the_reward(keywords):
    params = AdditiveSetParams(**keywords)
    n = 30_000
    member = additive_set.sample(params, np.random.default_rng(0), n)
    assert member.shape == (n, params.elements) and (member.sum(axis=1) == params.choose).all()
    number = {s: k for k, s in enumerate(every_set(params))}
    drawn = np.bincount([number[tuple(np.flatnonzero(m))] for m in member], minlength=len(number))
    expected = n * worth(params) / worth(params).sum()
    freedom = len(number) - 1
    chi_square = ((drawn - expected) ** 2 / expected).sum()
    assert abs(chi_square - freedom) <= 5 * math.sqrt(2 * freedom)


def test_sampler_of_a_large_problem_has_the_right_energies():
    """Mean energy of the draws against the exact one, which is minus the derivative of log Z."""
    params = AdditiveSetParams(**GAME.levels["hard"])
    counts, shift = counts_of_sums(params), params.choose * (params.values - 1) / 2
    total = np.array(list(counts))
    weight = np.array([math.exp(math.log(n) - params.spacing * (t - shift)) for t, n in counts.items()])
    share = weight / weight.sum()
    mean = share @ total
    sd = math.sqrt(share @ (total - mean) ** 2)
    member = additive_set.sample(params, np.random.default_rng(1), 4000)
    drawn = member @ (additive_set.multiples(params) + (params.values - 1) / 2)
    assert abs(drawn.mean() - mean) < 4 * sd / math.sqrt(4000)
    assert abs(drawn.std() / sd - 1) < 0.06


@pytest.mark.parametrize("mode", ["terminal", "delta_energy"])
@pytest.mark.parametrize("keywords", SMALL, ids=str)
def test_random_play_follows_a_second_reading_of_the_rules(keywords, mode):
    params = AdditiveSetParams(**keywords, reward_mode=mode)
    n, e = params.elements, additive_set.energies(params)
    env = payoff.multi_agent_vec(ID, 60, autoreset_mode="disabled", reward_mode=mode, **keywords)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    sets = [[] for _ in range(60)]
    returns = np.zeros(60)
    for k in range(1, params.choose + 1):
        actions = rng.integers(0, n, 60)
        _, _, terminated, truncated, info = env.step(actions[:, None])
        for b, a in enumerate(actions):
            order = [(a + i) % n for i in range(n)]
            sets[b].append(next(i for i in order if i not in sets[b]))
            energy = sum(e[i] for i in sets[b])
            paid = -e[sets[b][-1]] if mode == "delta_energy" else math.exp(-energy) if k == params.choose else 0.0
            assert info["payoff"][b, 0] == pytest.approx(paid, abs=1e-12)
            assert info["energy"][b] == pytest.approx(energy, abs=1e-12)
            assert np.flatnonzero(env.engine.state[b, MEMBER : MEMBER + n]).tolist() == sorted(sets[b])
            instead = GAME.captions[info["caption"][b]] == "added the next element instead"
            assert k == params.choose or instead == (sets[b][-1] != a)
        returns += info["payoff"][:, 0]
        assert info["progress"] == pytest.approx(np.full(60, k / params.choose))
        assert (terminated.all(), truncated.all()) == (k == params.choose,) * 2
    if mode == "delta_energy":
        np.testing.assert_allclose(returns, [-sum(e[i] for i in s) for s in sets], atol=1e-12)


@pytest.mark.parametrize("mode", ["terminal", "delta_energy"])
@pytest.mark.parametrize("keywords", SMALL, ids=str)
def test_optimum_and_policy_are_exact_from_every_set(keywords, mode):
    """Dynamic programming over the enumerated model, whose states are the sets of up to K elements."""
    params = AdditiveSetParams(**keywords, reward_mode=mode)
    env = payoff.multi_agent_vec(ID, 1, reward_mode=mode, **keywords)
    env.reset(seed=0)
    mdp = from_rows(GAME, params, env.engine.state)
    assert mdp.n_states == sum(math.comb(params.elements, k) for k in range(params.choose + 1))
    after, reward = mdp.next_state[:, :, 0], mdp.reward[:, :, 0]
    values, least = np.zeros(mdp.n_states), np.full(mdp.n_states, np.inf)
    for _ in range(params.choose):
        action_values = reward + values[after]
        values = action_values.max(axis=1)
        least = np.where(mdp.terminal, np.inf, np.where(reward > 0.0, 1.0, 1.0 + least[after]).min(axis=1))
    for s in np.flatnonzero(~mdp.terminal):
        row = mdp.states[s].copy()
        row[CLOCK] = row[TAKEN]
        value, steps = GAME.optimum(params, row)
        assert value == pytest.approx(values[s], abs=1e-12)
        assert steps == (least[s] if np.isfinite(least[s]) else params.choose + 1)
        assert action_values[s, int(GAME.policy(params, row)[0])] == pytest.approx(values[s], abs=1e-12)


def test_a_horizon_below_the_size_of_a_set_leaves_it_incomplete():
    """Terminal: nothing to win. Delta: the least energies within the horizon, which the policy collects."""
    for mode in ("terminal", "delta_energy"):
        params = AdditiveSetParams(elements=9, choose=6, max_steps=4, reward_mode=mode)
        env = payoff.multi_agent_vec(
            ID, 1, autoreset_mode="disabled", elements=9, choose=6, max_steps=4, reward_mode=mode
        )
        env.reset(seed=0)
        best = -np.sort(additive_set.energies(params))[:4].sum() if mode == "delta_energy" else 0.0
        assert GAME.optimum(params, env.engine.state[0]) == (pytest.approx(best), 1 if best else 5)
        total = 0.0
        for _ in range(4):
            _, reward, terminated, truncated, _ = env.step(GAME.policy(params, env.engine.state[0])[None])
            total += reward[0, 0]
        assert total == pytest.approx(best) and not terminated[0] and truncated[0]
        assert GAME.optimum(params, env.engine.state[0])[0] == 0.0


@pytest.mark.parametrize("level", GAME.levels)
def test_best_set_of_every_level(level):
    """The least sum that the whole-number count finds is the optimum, the policy attains it, and that is a success."""
    params = AdditiveSetParams(**GAME.levels[level])
    least = min(counts_of_sums(params)) - params.choose * (params.values - 1) / 2
    env = payoff.multi_agent_vec(ID, 1, autoreset_mode="disabled", **GAME.levels[level])
    env.reset(seed=0)
    value, steps = GAME.optimum(params, env.engine.state[0])
    assert value == pytest.approx(math.exp(-params.spacing * least), rel=1e-12) and steps == params.choose
    for _ in range(steps):
        _, reward, *_ = env.step(GAME.policy(params, env.engine.state[0])[None])
    row = env.engine.state[0]
    assert reward[0, 0] == pytest.approx(value, rel=1e-12) and row[TOTAL] == least
    assert GAME.success(params, additive_set.Episode(reward, row, True))
    row = row.copy()
    row[TOTAL] += 1.0
    assert not GAME.success(params, additive_set.Episode(reward, row, True))


def test_random_success_of_the_easy_level_is_exact():
    """Distribution over all partial sets under uniform play, against 20,480 played episodes."""
    params = AdditiveSetParams(**GAME.levels["easy"])
    env = payoff.multi_agent_vec(ID, 1, **GAME.levels["easy"])
    env.reset(seed=0)
    mdp = from_rows(GAME, params, env.engine.state)
    share = mdp.initial
    for _ in range(params.choose):
        after = np.zeros(mdp.n_states)
        np.add.at(after, mdp.next_state[:, :, 0], share[:, None] / params.elements)
        share = after
    best = mdp.states[:, TOTAL] == np.sort(additive_set.multiples(params))[: params.choose].sum()
    exact = share[best & mdp.terminal].sum()
    episodes = random_play(GAME, params, 20_000)
    played = np.mean([GAME.success(params, e) for e in episodes])
    assert share[mdp.terminal].sum() == pytest.approx(1.0, abs=1e-12)
    assert abs(played - exact) < 4 * math.sqrt(exact * (1 - exact) / len(episodes))


@pytest.mark.parametrize("level", ["medium", "hard"])
def test_best_sets_are_rare(level):
    params = AdditiveSetParams(**GAME.levels[level])
    counts = counts_of_sums(params)
    assert counts[min(counts)] / math.comb(params.elements, params.choose) < 1e-5
    assert not any(GAME.success(params, e) for e in random_play(GAME, params, 5_000))


def test_observation_can_be_read_back():
    env = payoff.multi_agent_vec(ID, 2, elements=12, choose=[6, 9], energy_seed=[0, 3])
    rng = np.random.default_rng(0)
    obs, _ = env.reset(seed=0)
    rows = [AdditiveSetParams(elements=12, choose=6), AdditiveSetParams(elements=12, choose=9, energy_seed=3)]
    for k in range(5):
        assert obs.shape == (2, 1, 25)
        np.testing.assert_array_equal(obs[:, 0, :12], env.engine.state[:, MEMBER : MEMBER + 12])
        np.testing.assert_allclose(obs[:, 0, 12], [k / 6, k / 9], atol=1e-6)
        for b, p in enumerate(rows):
            np.testing.assert_allclose(obs[b, 0, 13:] * 0.45 - 0.225, additive_set.energies(p), atol=1e-6)
        obs, *_ = env.step(rng.integers(0, 12, (2, 1)))
    names = [len(GAME.plan(rows[:1], [0], s).names) for s in ("full", "private", "minimal", Observe(scope="count"))]
    assert names == [25, 13, 12, 13]
    with pytest.raises(ValueError, match=r"elements must be the same in all copies of a batch, got \[5, 6\]"):
        payoff.multi_agent_vec(ID, 2, elements=[5, 6], choose=3)


def test_picture_frames_the_chosen():
    env = gym.make(ID, render_mode="rgb_array")
    env.reset(seed=0)
    before = env.render()
    env.step(13)
    after = env.render()
    assert before.shape == after.shape == (120, 400, 3) and after.dtype == np.uint8
    changed = (before != after).any(axis=2)
    assert changed.any() and not changed[:40].any() and not changed[:, :120].any() and not changed[:, 160:].any()
    assert after[45, 140].tolist() == [0, 158, 115]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"elements": 201}, r"elements must be an integer in 2 \.\. 200, got 201"),
        ({"choose": 31}, r"choose must be an integer in 1 \.\. 30, got 31"),
        ({"values": 0}, "values must be an integer"),
        ({"spacing": -0.1}, "spacing must be a number"),
        ({"energy_seed": -1}, "energy_seed must be an integer"),
        ({"max_steps": 0}, "max_steps must be an integer at least 1, got 0"),
        ({"reward_mode": "dense"}, "reward_mode must be one of 'terminal', 'delta_energy', got 'dense'"),
        ({"spacing": 1.0, "values": 100}, r"choose \* spacing \* \(values - 1\) / 2 must be at most 300, got 990"),
    ],
)
def test_bad_parameter_is_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        AdditiveSetParams(**keywords)


def test_bad_setting_and_size_are_named():
    with pytest.raises(ValueError, match=r"observe\.scope must be one of 'flags', 'count', 'energies', got 'all'"):
        Observe(scope="all")
    with pytest.raises(ValueError, match=r"n must be an integer at least 0, got 1\.5"):
        additive_set.sample(AdditiveSetParams(), np.random.default_rng(0), 1.5)
