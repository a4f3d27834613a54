"""HyperGrid against exact fractions over all cells, exhaustive search, and chi-square tests of its sampler."""

import itertools
import math
from fractions import Fraction

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.certifying import random_play
from payoff.envs.core.state import CLOCK
from payoff.envs.mdp import from_rows
from payoff.envs.sparse import hyper_grid
from payoff.envs.sparse.hyper_grid import HyperGridParams, Observe
from payoff.envs.theory import tabular

ID = "payoff/HyperGrid-v0"
GAME = registry.load(ID)


def value(params, cell):
    """R, in exact fractions."""
    x = [abs(Fraction(2 * int(s), params.height - 1) - 1) for s in cell]
    plateau = all(v > Fraction(1, 2) for v in x)
    mode = all(Fraction(3, 5) < v < Fraction(4, 5) for v in x)
    return Fraction(str(params.r0)) + plateau * Fraction(1, 2) + mode * 2


def objects(params):
    """All cells that can be objects."""
    for cell in itertools.product(range(params.height), repeat=params.dimensions):
        if not params.stop_at_edge or cell.count(params.height - 1) <= 1:
            yield cell


def cell_of(row, d):
    return tuple(int(s) for s in GAME.shape(HyperGridParams(dimensions=d)).layout.view(row[None], "cell")[0])


@pytest.mark.parametrize(
    ("height", "dimensions", "z", "modes", "plateau"),
    [(8, 2, "22.4", 4, 12), (8, 4, "569.6", 16, 240), (16, 2, "65.6", 4, 60), (20, 2, "122.0", 16, 84)],
)
def test_known_sums_and_counts(height, dimensions, z, modes, plateau):
    """Z, and how many modes and other cells of the plateau there are; at H = 16 some coordinates are exactly 0.6."""
    params = HyperGridParams(height=height, dimensions=dimensions)
    values = [value(params, cell) for cell in objects(params)]
    assert sum(values) == Fraction(z)
    assert hyper_grid.partition(params) == pytest.approx(float(z), rel=1e-14)
    cells = np.indices((height,) * dimensions).reshape(dimensions, -1).T
    ours = hyper_grid.rewards(params, cells)
    assert (ours == params.r0 + 2.5).sum() == modes
    assert (ours == params.r0 + 0.5).sum() == plateau
    np.testing.assert_allclose(ours, np.array(values, dtype=float), rtol=1e-14)


def floating(height, dimensions):
    """Z as published code has it, in double precision: each term is a product over the axes."""
    x = abs(np.arange(height) / (height - 1) * 2 - 1)
    plateau, mode = (x > 0.5).sum(), ((x > 0.6) & (x < 0.8)).sum()
    return 0.1 * height**dimensions + 0.5 * plateau**dimensions + 2.0 * mode**dimensions


@pytest.mark.parametrize(
    ("height", "dimensions", "exact", "rounded"),
    [(11, 2, 30.1, 32.1), (11, 4, 2112.1, 2114.1), (16, 2, 65.6, 75.6), (16, 4, 8633.6, 8763.6)],
)
def test_z_differs_from_that_of_float_code_as_the_page_says(height, dimensions, exact, rounded):
    """Exact: fractions. H = 11: A = 6, B = 0; H = 16: A = 8, B = 2; rounding makes B one more."""
    params = HyperGridParams(height=height, dimensions=dimensions)
    u = [abs(Fraction(2 * x, height - 1) - 1) for x in range(height)]
    a, b = sum(v > Fraction(1, 2) for v in u), sum(Fraction(3, 5) < v < Fraction(4, 5) for v in u)
    assert float(Fraction(height**dimensions, 10) + Fraction(a**dimensions, 2) + 2 * b**dimensions) == exact
    assert hyper_grid.partition(params) == pytest.approx(exact, rel=1e-14)
    assert floating(height, dimensions) == pytest.approx(rounded, rel=1e-14)
    assert f"{exact:g}" in GAME.doc.replace("\n", " ")
    assert f"{rounded:g}" in GAME.doc.replace("\n", " ")


def test_float_code_differs_only_where_h_minus_1_is_a_multiple_of_5():
    for height in range(6, 257):
        same = hyper_grid.partition(HyperGridParams(height=height, dimensions=2)) == pytest.approx(floating(height, 2))
        assert same == (height % 5 != 1)


@pytest.mark.parametrize("height", range(6, 42))
def test_kinds_are_those_of_exact_fractions(height):
    params = HyperGridParams(height=height, dimensions=1)
    assert [round(v - 0.1, 9) for v in hyper_grid.rewards(params, np.arange(height)[:, None])] == [
        float(value(params, (s,)) - Fraction(1, 10)) for s in range(height)
    ]


def test_height_eleven_has_no_mode():
    params = HyperGridParams(height=11, dimensions=2)
    assert set(hyper_grid.kinds(11)) == {0, 1}
    env = payoff.multi_agent_vec(ID, 1, height=11, dimensions=2)
    env.reset(seed=0)
    assert GAME.optimum(params, env.engine.state[0])[0] == pytest.approx(0.6)


GRIDS = [
    {"height": 6, "dimensions": 1},
    {"height": 7, "dimensions": 2, "r0": 0.01},
    {"height": 6, "dimensions": 3},
    {"height": 7, "dimensions": 2, "stop_at_edge": True},
    {"height": 6, "dimensions": 3, "stop_at_edge": True},
    {"height": 11, "dimensions": 2, "stop_at_edge": True},
]


@pytest.mark.parametrize("keywords", GRIDS, ids=str)
def test_partition_and_distribution_are_sums_over_all_objects(keywords):
    params = HyperGridParams(**keywords)
    values = {cell: value(params, cell) for cell in objects(params)}
    z = sum(values.values())
    assert hyper_grid.partition(params) == pytest.approx(float(z), rel=1e-14)
    share = hyper_grid.distribution(params)
    assert share.shape == (params.height,) * params.dimensions
    assert share.sum() == pytest.approx(1.0, abs=1e-12)
    for cell in np.ndindex(share.shape):
        assert share[cell] == pytest.approx(float(values.get(cell, 0) / z), rel=1e-12)


@pytest.mark.parametrize("keywords", GRIDS, ids=str)
def test_objects_are_the_cells_where_an_episode_can_end(keywords):
    params = HyperGridParams(**keywords)
    mdp = payoff.as_mdp(ID, starts=[0], **keywords)
    ends = {cell_of(row, params.dimensions) for row in mdp.states[mdp.terminal]}
    assert ends == set(objects(params))


@pytest.mark.parametrize("keywords", GRIDS, ids=str)
def test_sampler_draws_in_proportion_to_the_reward(keywords):
    params = HyperGridParams(**keywords)
    n = 40_000
    cells = hyper_grid.sample(params, np.random.default_rng(1), n)
    expected = hyper_grid.distribution(params).ravel() * n
    counts = np.bincount(np.ravel_multi_index(cells.T, (params.height,) * params.dimensions), minlength=expected.size)
    assert not counts[expected == 0.0].any()
    some = expected > 0.0
    freedom = some.sum() - 1
    chi_square = ((counts - expected)[some] ** 2 / expected[some]).sum()
    assert abs(chi_square - freedom) < 5 * math.sqrt(2 * freedom)


def test_sampler_knows_large_grids():
    params = HyperGridParams(height=64, dimensions=8)
    cells = hyper_grid.sample(params, np.random.default_rng(0), 500)
    assert cells.shape == (500, 8) and (hyper_grid.rewards(params, cells) > 0).all()
    with pytest.raises(ValueError, match=r"height \*\* dimensions must be at most 10000000 to list the cells"):
        hyper_grid.distribution(params)


@pytest.mark.parametrize("mode", ["terminal", "delta_energy"])
@pytest.mark.parametrize("keywords", GRIDS, ids=str)
def test_random_play_follows_a_second_reading_of_the_rules(keywords, mode):
    params = HyperGridParams(**keywords, reward_mode=mode)
    d, h = params.dimensions, params.height
    env = payoff.multi_agent_vec(ID, 200, autoreset_mode="same_step", reward_mode=mode, **keywords)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    probability = [0.97 / d] * d + [0.03]
    cells = [(0,) * d] * 200
    total, seen = np.zeros(200), set()
    for _ in range(60):
        actions = rng.choice(d + 1, size=200, p=probability)
        _, _, terminated, truncated, info = env.step(actions[:, None])
        for b, a in enumerate(actions):
            old = cells[b]
            new = old if a == d or old[a] == h - 1 else (*old[:a], old[a] + 1, *old[a + 1 :])
            ended = a == d or (params.stop_at_edge and h - 1 in new)
            if mode == "terminal":
                paid = float(value(params, new)) if ended else 0.0
            else:
                paid = math.log(value(params, new) / value(params, old))
            assert info["payoff"][b, 0] == pytest.approx(paid, abs=1e-12)
            assert terminated[b] == ended
            total[b] += info["payoff"][b, 0]
            if terminated[b] or truncated[b]:
                if mode == "delta_energy":  # the deltas add up
                    assert total[b] == pytest.approx(math.log(value(params, new) / value(params, (0,) * d)), abs=1e-9)
                seen.add((bool(terminated[b]), bool(truncated[b])))
                new, total[b] = (0,) * d, 0.0
            cells[b] = new
            assert cell_of(env.engine.state[b], d) == new
    assert (True, False) in seen and (d > 1 or (True, True) in seen or (False, True) in seen)


@pytest.mark.parametrize("mode", ["terminal", "delta_energy"])
@pytest.mark.parametrize("keywords", GRIDS, ids=str)
def test_optimum_and_policy_are_exact_from_every_cell(keywords, mode):
    params = HyperGridParams(**keywords, reward_mode=mode)
    mdp = payoff.as_mdp(ID, starts=[0], reward_mode=mode, **keywords)
    horizon = params.horizon
    q = np.zeros(mdp.n_states)
    for left in range(1, min(horizon, 14) + 1):
        action_values = mdp.reward[:, :, 0] + q[mdp.next_state[:, :, 0]]
        q = action_values.max(axis=1)
        for s in np.flatnonzero(~mdp.terminal):
            row = mdp.states[s].copy()
            row[CLOCK] = horizon - left
            assert GAME.optimum(params, row)[0] == pytest.approx(q[s], abs=1e-12)
            chosen = int(GAME.policy(params, row)[0])
            assert action_values[s, chosen] == pytest.approx(q[s], abs=1e-12)


@pytest.mark.parametrize("mode", ["terminal", "delta_energy"])
@pytest.mark.parametrize("keywords", [*GRIDS, {"height": 20, "dimensions": 2}], ids=str)
def test_steps_to_a_payment_are_those_of_a_search(keywords, mode):
    params = HyperGridParams(**keywords, reward_mode=mode)
    mdp = payoff.as_mdp(ID, starts=[0], reward_mode=mode, **keywords)
    after, paid = mdp.next_state[:, :, 0], mdp.reward[:, :, 0] > 1e-12
    least = np.full(mdp.n_states, np.inf)
    for _ in range(params.horizon + 1):
        least = np.where(mdp.terminal, np.inf, np.where(paid, 1.0, 1.0 + least[after]).min(axis=1))
    for s in np.flatnonzero(~mdp.terminal):
        steps = GAME.optimum(params, mdp.states[s])[1]
        assert steps == (least[s] if np.isfinite(least[s]) else params.horizon + 1)


def test_random_success_at_the_hard_level():
    """Exact, by the distribution of the cell under uniformly random play; below 1e-3, and what is played agrees."""
    params = HyperGridParams(**GAME.levels["hard"])
    h = params.height
    mode = hyper_grid.rewards(params, np.indices((h, h)).reshape(2, -1).T).reshape(h, h) > 2.5
    share, success = np.zeros((h, h)), 0.0
    share[0, 0] = 1.0
    for _ in range(params.horizon):
        success += share[mode].sum() / 3
        after = np.zeros_like(share)
        after[1:] += share[:-1] / 3
        after[-1] += share[-1] / 3
        after[:, 1:] += share[:, :-1] / 3
        after[:, -1] += share[:, -1] / 3
        share = after
    assert 1e-6 < success < 3e-4
    episodes = random_play(GAME, params, 40_000)
    played = np.mean([GAME.success(params, e) for e in episodes])
    assert abs(played - success) < 4 * math.sqrt(success / len(episodes)) + 1e-9


def test_success_needs_the_best_object():
    env = payoff.multi_agent_vec(
        ID, 1, autoreset_mode="disabled", height=8, dimensions=2, reward_mode="delta_energy", max_steps=3
    )
    params = HyperGridParams(height=8, dimensions=2, reward_mode="delta_energy", max_steps=3)
    for actions, good in (((0, 1, 2), True), ((0, 0, 2), False), ((0, 1, 1), False), ((2,), False)):
        env.reset(seed=0)
        payoffs = [env.step(np.array([[a]]))[1] for a in actions]
        episode = hyper_grid.Episode(np.concatenate(payoffs), env.engine.state[0], bool(env.engine.flags[0, 0]))
        assert GAME.success(params, episode) == good


def test_energy_and_progress_are_those_of_the_cell():
    env = gym.make(ID, height=8, dimensions=2)
    _, info = env.reset(seed=0)
    told = [info]
    told += [env.step(a)[4] for a in (0, 1, 0, 2)]
    assert [GAME.captions[i["caption"]] for i in told] == ["the episode began", "moved", "moved", "moved", "stopped"]
    values = [0.6, 0.6, 2.6, 0.1, 0.1]
    np.testing.assert_allclose([i["progress"] for i in told], np.array(values) / 2.6, atol=1e-12)
    np.testing.assert_allclose([i["energy"] for i in told], -np.log(np.array(values) / 0.6), atol=1e-12)
    blocked = gym.make(ID, height=6, dimensions=1, stop_at_edge=False, max_steps=9)
    blocked.reset(seed=0)
    assert [GAME.captions[blocked.step(0)[4]["caption"]] for _ in range(6)][-1] == "could not move further"
    edge = gym.make(ID, height=6, dimensions=1, stop_at_edge=True, max_steps=9)
    edge.reset(seed=0)
    assert [GAME.captions[edge.step(0)[4]["caption"]] for _ in range(5)][-1] == "reached the edge"


def test_observation_can_be_read_back():
    env = payoff.multi_agent_vec(ID, 3, height=[6, 9, 7], dimensions=3, observe=Observe(clock=True))
    rng = np.random.default_rng(0)
    obs, _ = env.reset(seed=0)
    plain = payoff.multi_agent_vec(ID, 3, height=[6, 9, 7], dimensions=3, observe="minimal")
    for t in range(8):
        assert obs.shape == (3, 1, 28)
        cells = obs[:, 0, :27].reshape(3, 3, 9)
        np.testing.assert_array_equal(cells.sum(axis=2), 1.0)
        found = [cell_of(row, 3) for row in env.engine.state]
        np.testing.assert_array_equal(cells.argmax(axis=2), found)
        np.testing.assert_allclose(obs[:, 0, 27], t / (3 * np.array([5, 8, 6]) + 1), atol=1e-6)
        few = plain.engine.look(env.engine.state)[:, 0] if t else np.zeros((3, 3))
        np.testing.assert_allclose(few * (np.array([6, 9, 7]) - 1)[:, None], found, atol=1e-5)
        obs, *_ = env.step(rng.integers(0, 3, (3, 1)))
    with pytest.raises(ValueError, match=r"dimensions must be the same in all copies of a batch, got \[2, 3\]"):
        payoff.multi_agent_vec(ID, 2, dimensions=[2, 3])


def test_model_from_a_cell_is_the_game_from_there():
    mdp = payoff.as_mdp(ID, starts=[0], dimensions=2)
    part = from_rows(GAME, HyperGridParams(dimensions=2), mdp.states[5:6])
    assert tabular.finite_horizon(part, None, 15)[0] == tabular.finite_horizon(mdp, None, 15)[5]


@pytest.mark.parametrize("keywords", [{"height": 20, "dimensions": 2}, {}, {"height": 200, "dimensions": 2}], ids=str)
def test_picture_shows_seat_and_modes(keywords):
    params = HyperGridParams(**keywords)
    row = np.zeros(GAME.shape(params).layout.size)
    picture = GAME.frame(params, row)
    rows = params.height if params.dimensions == 2 else params.dimensions
    assert picture.dtype == np.uint8 and picture.shape[0] * params.height == picture.shape[1] * rows
    colours = {tuple(c) for c in picture.reshape(-1, 3).tolist()}
    assert {(0, 114, 178), (230, 159, 0)} <= colours


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"height": 5}, r"height must be an integer in 6 \.\. 256, got 5"),
        ({"dimensions": 9}, r"dimensions must be an integer in 1 \.\. 8, got 9"),
        ({"r0": 0.0}, "r0 must be a number"),
        ({"reward_mode": "dense"}, "reward_mode must be one of 'terminal', 'delta_energy', got 'dense'"),
        ({"stop_at_edge": 1}, "stop_at_edge must be True or False, got 1"),
        ({"max_steps": 0}, "max_steps must be an integer at least 1, got 0"),
    ],
)
def test_bad_parameter_is_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        HyperGridParams(**keywords)


def test_bad_cells_and_settings_are_named():
    with pytest.raises(ValueError, match=r"cells must be whole numbers \(\.\.\., 2\), got float64 of shape \(2,\)"):
        hyper_grid.rewards(HyperGridParams(dimensions=2), [0.0, 1.0])
    with pytest.raises(ValueError, match=r"cells must be in 0 \.\. 7, got 0 \.\. 8"):
        hyper_grid.rewards(HyperGridParams(dimensions=2), [0, 8])
    with pytest.raises(ValueError, match="n must be an integer at least 0, got -1"):
        hyper_grid.sample(HyperGridParams(), np.random.default_rng(0), -1)
    with pytest.raises(ValueError, match=r"observe\.scope must be one of 'one_hot', 'coordinates', got 'cell'"):
        Observe(scope="cell")
    with pytest.raises(ValueError, match=r"observe\.clock must be True or False, got 1"):
        Observe(clock=1)
