"""CorridorStar against an independent reading of its rules, and its chances against a binomial sum."""

from math import comb

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.state import CLOCK
from payoff.envs.mdp import as_mdp
from payoff.envs.sparse import corridor_star as star
from payoff.envs.sparse.corridor_star import CorridorStarParams, Observe
from payoff.envs.theory import tabular

ID = "payoff/CorridorStar-v0"
GAME = registry.load(ID)
LAYOUT = GAME.shape(CorridorStarParams()).layout


def fields(row):
    return {name: int(LAYOUT.view(row[None], name)[0]) for name in ("corridor", "walked", "goal")}


def place(row, corridor, walked, clock=0):
    row = row.copy()
    row[LAYOUT.column("corridor")], row[LAYOUT.column("walked")], row[CLOCK] = corridor, walked, clock
    return row


def start_row(**keywords):
    env = payoff.multi_agent_vec(ID, 1, **keywords)
    env.reset(seed=0)
    return env.engine.state[0].copy()


def reference_step(params, code, goal, cell, action):
    """Next (corridor, cells walked), payoff and caption; ``None`` stands for the hub."""
    if cell is None:
        after, caption = (action, 1), "entered a corridor"
    else:
        corridor, walked = cell
        advances = action in [(code[corridor][walked - 1] + i) % params.corridors for i in range(params.advancing)]
        if advances and walked == params.length:
            after, caption = cell, "is at a dead end"
        elif advances:
            after, caption = (corridor, walked + 1), "went further"
        elif params.slip_back:
            after, caption = (corridor, walked - 1) if walked > 1 else None, "went back"
        else:
            after, caption = cell, "got nowhere"
    if after == (goal, params.length):
        return after, 1.0, "reached the goal"
    return after, 0.0, caption


@pytest.mark.parametrize(
    "keywords",
    [{"length": 3, "slip_back": False, "max_steps": 60}, {"length": 3, "advancing": 3, "max_steps": 60}],
)
def test_random_play_follows_the_rules(keywords):
    params = CorridorStarParams(goal=None, **keywords)
    code = star.codes(params).tolist()
    env = gym.make(ID, goal=None, **keywords)
    draw, met = np.random.default_rng(0), set()
    for seed in range(120):
        env.reset(seed=seed)
        goal, cell, over = fields(env.unwrapped.engine.state[0])["goal"], None, False
        while not over:
            action = int(draw.integers(5))
            cell, paid, caption = reference_step(params, code, goal, cell, action)
            _, reward, terminated, truncated, info = env.step(action)
            assert (reward, terminated, GAME.captions[info["caption"]]) == (paid, paid == 1.0, caption)
            after = fields(env.unwrapped.engine.state[0])
            assert (after["corridor"], after["walked"]) == (cell or (0, 0))
            assert info["progress"] == (cell[1] / params.length if cell and cell[0] == goal else 0.0)
            met.add(caption)
            over = terminated or truncated
    assert met == set(GAME.captions) - {"the episode began", ("got nowhere", "went back")[not params.slip_back]}


def by_formula(n, length, m, horizon):
    """Equation (1) of the page."""
    steps, p = horizon - 1, m / n
    return sum(comb(steps, j) * p**j * (1 - p) ** (steps - j) for j in range(length - 1, steps + 1)) / n


@pytest.mark.parametrize(("n", "length", "m", "horizon"), [(5, 10, 1, 14), (5, 10, 2, 14), (2, 4, 1, 9), (7, 3, 3, 3)])
def test_random_success_is_a_binomial_tail(n, length, m, horizon):
    keywords = {"corridors": n, "length": length, "advancing": m, "max_steps": horizon, "slip_back": False}
    model = as_mdp(ID, starts=[0], **keywords)
    chance = tabular.success_probability(model, tabular.uniform_policy(model), horizon)[model.initial > 0]
    assert chance == pytest.approx(by_formula(n, length, m, horizon), rel=1e-12)


def on_a_line(n, length, m, horizon):
    """Probability that a walk of ``horizon`` steps from the hub meets the goal's end; wrong corridors are one place."""
    right, wrong = np.zeros(length + 1), np.zeros(length + 1)  # by cells walked; right[0] is the hub
    right[0], p = 1.0, m / n
    for _ in range(horizon):
        new_right, new_wrong = np.zeros(length + 1), np.zeros(length + 1)
        new_right[length] = right[length]  # paid
        new_right[1] += right[0] / n
        new_wrong[1] += right[0] * (n - 1) / n
        for d in range(1, length):
            new_right[d + 1] += right[d] * p
            new_right[d - 1] += right[d] * (1 - p)
        for d in range(1, length + 1):
            new_wrong[min(d + 1, length)] += wrong[d] * p
            (new_right if d == 1 else new_wrong)[d - 1] += wrong[d] * (1 - p)
        right, wrong = new_right, new_wrong
    assert right.sum() + wrong.sum() == pytest.approx(1.0)
    return right[length]


def test_random_success_at_the_levels_is_that_of_a_walk_on_a_line():
    assert f"{by_formula(5, 10, 1, 14):.1e}" == "3.3e-05" and f"{on_a_line(5, 10, 1, 14):.1e}" == "6.1e-07"  # the page
    for level in payoff.certificate(ID).levels:
        length = level.parameters["length"]
        rate = by_formula if level.parameters.get("slip_back") is False else on_a_line
        assert level.random_success.mean == pytest.approx(rate(5, length, 1, length + 4), rel=1e-11)
        assert (level.max_steps, level.horizon_to_reward.mean) == (length + 4, length)


@pytest.mark.parametrize(("slip_back", "advancing"), [(False, 1), (True, 1), (True, 5), (False, 5)])
def test_optimum_and_steps_from_every_cell(slip_back, advancing):
    """Against distances that a search over the reference rules finds, with time to spare and without."""
    keywords = {"length": 4, "slip_back": slip_back, "advancing": advancing, "max_steps": 9}
    params = CorridorStarParams(**keywords)
    code, row, goal = star.codes(params).tolist(), start_row(**keywords), 1
    cells = [None, *((c, d) for c in range(5) for d in range(1, 5))]
    after = {s: {reference_step(params, code, goal, s, a)[0] for a in range(5)} for s in cells}
    distance = {(goal, 4): 0}
    for k in range(1, 20):
        distance |= {s: k for s in cells if s not in distance and after[s] & distance.keys()}
    for s in set(cells) - {(goal, 4)}:
        steps = distance.get(s, 10)  # out of reach: horizon + 1
        for clock in (0, 9 - steps, 10 - steps):
            if clock >= 0:
                value = float(s in distance and steps <= 9 - clock)
                assert GAME.optimum(params, place(row, *(s or (0, 0)), clock)) == (value, steps)
        if s in distance:
            action = int(GAME.policy(params, place(row, *(s or (0, 0))))[0])
            assert distance[reference_step(params, code, goal, s, action)[0]] == steps - 1


def test_whoever_cannot_see_a_drawn_goal_wins_one_time_in_five():
    """Choosing a corridor and walking it to the end is paid for one goal of five, and no second one is in reach."""
    model = as_mdp(ID, starts=range(60), goal=None)
    begun = np.flatnonzero(model.initial)
    assert sorted(int(v) for v in LAYOUT.view(model.states[begun], "goal")) == [0, 1, 2, 3, 4]
    code = star.codes(CorridorStarParams())
    for corridor in range(5):
        plan = [corridor, *code[corridor, :9]]
        for s in begun:
            paid, at = 0.0, s
            for action in plan:
                paid += model.reward[at, action, 0]
                at = model.next_state[at, action, 0]
            assert paid == (LAYOUT.view(model.states[s : s + 1], "goal")[0] == corridor)
            # from the other ends the best play is paid nothing in as many steps as an episode has
            assert tabular.finite_horizon(model, None, 14)[at] == 0.0 or paid


def test_goal_is_fixed_or_drawn_evenly():
    env = payoff.multi_agent_vec(ID, 4000, goal=None)
    env.reset(seed=0)
    counts = np.bincount(LAYOUT.view(env.engine.state, "goal").astype(int), minlength=5)
    assert abs(counts - 800).max() < 4.5 * np.sqrt(4000 * 0.2 * 0.8)
    env = payoff.multi_agent_vec(ID, 50, goal=4)
    env.reset(seed=0)
    assert set(LAYOUT.view(env.engine.state, "goal")) == {4.0}


def test_codes_do_not_depend_on_the_seed_and_are_spread():
    params = CorridorStarParams(corridors=5, length=64)
    counts = np.bincount(star.codes(params).ravel(), minlength=5)
    assert counts.sum() == 320 and abs(counts - 64).max() < 4.5 * np.sqrt(320 * 0.2 * 0.8)
    np.testing.assert_array_equal(star.codes(params), star.codes(CorridorStarParams(corridors=5, length=64, goal=0)))


def test_observations_show_place_and_only_the_full_one_the_goal():
    rows = np.array([place(start_row(goal=2, length=4), c, d) for c, d in [(0, 0), (0, 1), (3, 4), (2, 3)]])
    shown = {}
    for setting in ("full", "private", "minimal", Observe(scope="place", clock=True)):
        env = payoff.multi_agent_vec(ID, 4, observe=setting, length=4)
        env.reset(seed=0)
        seen = env.engine.look(rows)[:, 0]
        shown[str(setting)] = [
            {n: float(v) for n, v in zip(env.engine.plan.names, obs, strict=True) if v} for obs in seen
        ]
    assert shown["minimal"] == [
        {"hub": 1.0},
        {"corridor[0]": 1.0, "walked": 0.25},
        {"corridor[3]": 1.0, "walked": 1.0},
        {"corridor[2]": 1.0, "walked": 0.75},
    ]
    assert shown["full"] == [{**place_, "goal[2]": 1.0} for place_ in shown["minimal"]]
    assert shown["private"] == [{"hub": 1.0}, {"cell[0,1]": 1.0}, {"cell[3,4]": 1.0}, {"cell[2,3]": 1.0}]
    assert shown[str(Observe(scope="place", clock=True))] == shown["minimal"]  # at clock 0


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"corridors": 1}, "corridors must be an integer in 2 .. 16, got 1"),
        ({"goal": 5}, "goal must be an integer in 0 .. 4, got 5"),
        ({"advancing": 6}, "advancing must be an integer in 1 .. 5, got 6"),
        ({"slip_back": 0}, "slip_back must be True or False, got 0"),
        ({"observe": "map"}, "observe must be one of 'full', 'private', 'minimal' or an Observe, got 'map'"),
    ],
)
def test_what_is_not_allowed_is_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        gym.make(ID, **keywords)


def test_stars_of_a_batch_have_one_size():
    for name, values in (("corridors", [3, 5]), ("length", [4, 10])):
        with pytest.raises(ValueError, match=rf"{name} must be the same in all copies of a batch, got \[{values[0]}"):
            payoff.multi_agent_vec(ID, 2, **{name: values})
    env = payoff.multi_agent_vec(ID, 2, goal=[0, 4], advancing=[1, 5])
    env.reset(seed=0)
    assert LAYOUT.view(env.engine.state, "goal").tolist() == [0.0, 4.0]
