"""WatchRepair against the published margins, a second reading of its rules, and exact dynamic programming."""

import math

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.game import Episode
from payoff.envs.core.params import record
from payoff.envs.core.state import OVER
from payoff.envs.sparse import watch_repair
from payoff.envs.sparse.watch_repair import V0, Observe, WatchRepairParams
from payoff.envs.theory import tabular

ID = "payoff/WatchRepair-v0"
GAME = registry.load(ID)
LAYOUT = V0.shape(WatchRepairParams()).layout
REPAIR, SEND_AWAY = 0, 1
PRICE, COST, DELIVERY = (18, 28, 31, 59), (1, 4, 5, 24.5), (0.5, 2.5, 4.5, 18)  # as published


def column(env, name):
    return LAYOUT.view(env.engine.state, name)


def told(info):
    """Captions of a batch, whose info holds their numbers."""
    return [GAME.captions[c] for c in info["caption"]]


def test_margins_are_the_published_ones():
    np.testing.assert_allclose(watch_repair.margins(WatchRepairParams()), [-1.5, 3.5, 3.5, -1.5], atol=1e-12)


def test_best_decisions_are_no_yes_yes_no():
    env = payoff.multi_agent_vec(ID, 64)
    env.reset(seed=0)
    brands = column(env, "brand").astype(int)
    assert set(brands) == {0, 1, 2, 3}
    for brand, row in zip(brands, env.engine.state, strict=True):
        assert GAME.policy(WatchRepairParams(), row) == [(SEND_AWAY, REPAIR, REPAIR, SEND_AWAY)[brand]]
        value, steps = GAME.optimum(WatchRepairParams(), row)
        assert value == pytest.approx((0.0, 3.5, 3.5, 0.0)[brand], abs=1e-12)
        assert steps == 50


@pytest.mark.parametrize("level", GAME.levels)
def test_levels_keep_the_expected_cost_of_the_way(level):
    params = WatchRepairParams(**GAME.levels[level])
    assert params.max_steps * params.way == pytest.approx(18.0, abs=1e-12)
    np.testing.assert_allclose(watch_repair.margins(params), [-1.5, 3.5, 3.5, -1.5], atol=1e-12)


def test_random_play_follows_a_second_reading_of_the_rules():
    """Jams and flats are read off the captions; everything is settled on the last step, and aux adds up to it."""
    env = payoff.multi_agent_vec(ID, 300, autoreset_mode="disabled")
    _, info = env.reset(seed=1)
    assert set(told(info)) == {"a watch came in"}
    rng = np.random.default_rng(0)
    brands, decision = column(env, "brand").astype(int), rng.integers(0, 2, 300)
    jams, flats, aux = np.zeros(300), np.zeros(300), np.zeros(300)
    for t in range(1, 51):
        actions = decision if t == 1 else rng.integers(0, 2, 300)  # later ones change nothing
        _, reward, terminated, truncated, info = env.step(actions[:, None])
        aux += info["aux"][:, 0]
        np.testing.assert_allclose(info["progress"], t / 50)
        assert (terminated.all(), truncated.all()) == (t == 50, t == 50)
        if t < 50:
            assert not info["payoff"].any()
            jams += ["jam" in c for c in told(info)]
            flats += ["flat" in c for c in told(info)]
            assert all((c == "waited") == (d == SEND_AWAY) for c, d in zip(told(info), decision, strict=True))
    # the last step's own events stand in the state only
    for name, seen in (("jams", jams), ("flats", flats)):
        assert set((column(env, name) - seen)[decision == REPAIR]) <= {0.0, 1.0}
    bill = 0.1 * column(env, "jams") + 7.0 * column(env, "flats")
    expected = [
        PRICE[b] - COST[b] - DELIVERY[b] - c if d == REPAIR else 0.0
        for b, d, c in zip(brands, decision, bill, strict=True)
    ]
    np.testing.assert_allclose(info["payoff"][:, 0], expected, atol=1e-9)
    np.testing.assert_allclose(aux, expected, atol=1e-9)
    np.testing.assert_array_equal(reward, info["payoff"])  # aux is part of no reward
    ends = {d: c for d, c in zip(decision, told(info), strict=True)}
    assert ends == {REPAIR: "sold the watch", SEND_AWAY: "nothing to settle"}


def test_events_have_their_probabilities():
    env = payoff.multi_agent_vec(ID, 2000, autoreset_mode="disabled", info="minimal")
    env.reset(seed=0)
    for _ in range(50):
        env.step(np.full((2000, 1), REPAIR))
    n = 2000 * 50
    for name, p in (("jams", 0.1), ("flats", 0.05)):
        assert abs(column(env, name).sum() / n - p) < 4 * math.sqrt(p * (1 - p) / n)


def test_a_watch_that_is_sent_away_pays_nothing_for_the_way():
    env = payoff.multi_agent_vec(ID, 50, autoreset_mode="disabled", jam_probability=1.0, flat_probability=1.0)
    env.reset(seed=0)
    for _ in range(50):
        *_, info = env.step(np.full((50, 1), SEND_AWAY))
        assert not info["aux"].any() and not info["payoff"].any()
    assert (column(env, "jams") == 50).all() and (column(env, "flats") == 50).all()


def test_repair_at_once_moves_the_repair_to_the_first_step():
    late, early = (
        payoff.multi_agent_vec(ID, 40, autoreset_mode="disabled", repair_at_once=flag) for flag in (False, True)
    )
    for env in (late, early):
        env.reset(seed=0)
    cost = np.array(COST)[column(late, "brand").astype(int)]
    decision = np.random.default_rng(0).integers(0, 2, (40, 1))
    repaired = decision[:, 0] == REPAIR
    for t in range(50):
        paid, moved = (env.step(decision)[4] for env in (late, early))
        shift = -cost * (t == 0) + cost * (t == 49)
        np.testing.assert_allclose((moved["payoff"] - paid["payoff"])[:, 0], shift * repaired, atol=1e-9)
        np.testing.assert_allclose(moved["aux"], paid["aux"], atol=1e-9)


@pytest.fixture(scope="module", params=[False, True])
def small(request):
    """Four steps, all events likely: the exact model from all brands."""
    keywords = {"max_steps": 4, "jam_probability": 0.25, "flat_probability": 0.5, "jam_cost": 3.0}
    keywords["repair_at_once"] = request.param
    return WatchRepairParams(**keywords), payoff.as_mdp(ID, starts=range(40), **keywords)


def test_optimum_is_exact_in_every_state(small):
    """Dynamic programming for every number of steps left, against the closed form."""
    params, mdp = small
    assert mdp.next_state.shape[2] == 4 and (mdp.initial > 0).sum() == 4
    time = LAYOUT.view(mdp.states, "time")
    for left in range(5):
        values = tabular.finite_horizon(mdp, None, left)
        for s in np.flatnonzero((time == 4 - left) & ~mdp.terminal):
            assert GAME.optimum(params, mdp.states[s])[0] == pytest.approx(values[s], abs=1e-12)
    counted = sum(2 * (t + 1) ** 2 for t in range(1, 5))  # either decision, t + 1 counts of jams times as many of flats
    assert mdp.n_states == 4 * (1 + counted)


def test_steps_to_a_payment_need_luck_and_a_repaired_watch(small):
    params, mdp = small
    paid = mdp.reward > 0.0
    least = np.where(mdp.terminal, np.inf, np.nan)
    for _ in range(6):  # backwards: one step, or one more than the best successor
        later = np.where(np.isnan(least), np.inf, least)[mdp.next_state]
        ahead = np.where(mdp.probability > 0.0, np.where(paid, 1.0, 1.0 + later), np.inf)
        least = np.where(mdp.terminal, np.inf, ahead.min(axis=(1, 2)))
    for s, row in enumerate(mdp.states):
        assert GAME.optimum(params, row)[1] == (least[s] if np.isfinite(least[s]) else 5)


def test_certain_accidents_are_no_luck():
    params = WatchRepairParams(max_steps=10, flat_probability=1.0)
    env = payoff.multi_agent_vec(ID, 1, max_steps=10, flat_probability=1.0)
    env.reset(seed=0)
    assert GAME.optimum(params, env.engine.state[0]) == (0.0, 11)


@pytest.mark.parametrize("keywords", [{}, {"max_steps": 7, "flat_cost": 1.0}])
def test_success_is_the_right_decision(keywords):
    params = WatchRepairParams(**keywords)
    margin = watch_repair.margins(params)
    env = payoff.multi_agent_vec(ID, 40, autoreset_mode="disabled", info="minimal", **keywords)
    for action in (REPAIR, SEND_AWAY):
        env.reset(seed=0)
        for _ in range(params.max_steps):
            env.step(np.full((40, 1), action))
        for row in env.engine.state:
            episode = Episode(np.zeros((1, 1)), row, True)
            brand = int(LAYOUT.view(row[None], "brand")[0])
            assert GAME.success(params, episode) == ((margin[brand] > 0) == (action == REPAIR))
            assert GAME.optimum(params, row)[0] == 0.0 and row[OVER] == 3.0


def test_observation_can_be_read_back():
    full = payoff.multi_agent_vec(ID, 30, max_steps=20)
    obs, _ = full.reset(seed=0)
    assert obs.shape == (30, 1, 9)
    rng = np.random.default_rng(0)
    for t in range(1, 15):
        obs, *_ = full.step(rng.integers(0, 2, (30, 1)))
        flat = obs[:, 0].astype(float)
        np.testing.assert_array_equal(flat[:, :4].argmax(axis=1), column(full, "brand"))
        np.testing.assert_array_equal(flat[:, :4].sum(axis=1), 1.0)
        np.testing.assert_array_equal(flat[:, 4] + 2 * flat[:, 5], column(full, "decision"))
        np.testing.assert_allclose(flat[:, 6] * 20, column(full, "jams"), atol=1e-5)
        np.testing.assert_allclose(flat[:, 7] * 20, column(full, "flats"), atol=1e-5)
        np.testing.assert_allclose(flat[:, 8] * 20, t, atol=1e-5)
    few = payoff.multi_agent_vec(ID, 30, max_steps=20, observe=Observe(scope="watch"))
    np.testing.assert_array_equal(few.engine.look(full.engine.state)[:, 0], obs[:, 0][:, [0, 1, 2, 3, 8]])


def test_compiled_step_does_what_its_source_says():
    params = WatchRepairParams(jam_probability=0.4, flat_probability=0.4, max_steps=5)
    p, chances = record(params), watch_repair.outcomes(params)
    env = payoff.multi_agent_vec(ID, 1)
    env.reset(seed=3)
    row, rng = env.engine.state[0].copy(), np.random.default_rng(0)
    for _ in range(5):
        again, action, paid = row.copy(), np.array([float(rng.integers(2))]), np.zeros((2, 1))
        for forced in range(5):  # 0: drawn
            one, two = row.copy(), again.copy()
            one[LAYOUT.column("forced")] = two[LAYOUT.column("forced")] = forced
            paid[:] = 0.0
            done = watch_repair.step(p, chances, *LAYOUT.open(one), action, paid[0])
            with np.errstate(over="ignore"):
                assert done == watch_repair.step.py_func(p, chances, *LAYOUT.open(two), action, paid[1])
            assert one.tobytes() == two.tobytes() and paid[0].tobytes() == paid[1].tobytes()
        row = one


def test_picture_shows_the_way_and_the_events():
    env = gym.make(ID, render_mode="rgb_array", jam_probability=1.0, flat_probability=1.0)
    env.reset(seed=0)
    before = env.render()
    env.step(REPAIR)
    after = env.render()
    assert before.shape == after.shape == (160, 480, 3) and after.dtype == np.uint8
    colours = {tuple(c) for c in after.reshape(-1, 3).tolist()}
    assert {(240, 200, 66), (213, 94, 0)} <= colours
    assert not {(240, 200, 66), (213, 94, 0)} & {tuple(c) for c in before.reshape(-1, 3).tolist()}


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"max_steps": 0}, "max_steps must be an integer at least 1, got 0"),
        ({"jam_probability": 1.1}, r"jam_probability must be a number in \[0, 1\], got 1.1"),
        ({"flat_probability": -0.1}, "flat_probability must be"),
        ({"jam_cost": -1.0}, "jam_cost must be"),
        ({"flat_cost": math.inf}, "flat_cost must be"),
        ({"repair_at_once": 1}, "repair_at_once must be True or False, got 1"),
    ],
)
def test_bad_parameter_is_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        WatchRepairParams(**keywords)


def test_bad_observation_setting_is_named():
    with pytest.raises(ValueError, match="observe must be one of 'full', 'private', 'minimal' or an Observe"):
        GAME.plan([WatchRepairParams()], [0], "partial")
    with pytest.raises(TypeError, match="observe must be a name or an Observe, got int"):
        GAME.plan([WatchRepairParams()], [0], 3)
    with pytest.raises(ValueError, match=r"observe\.scope must be one of 'all', 'watch', got 'way'"):
        Observe(scope="way")
