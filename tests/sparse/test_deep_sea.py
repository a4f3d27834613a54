"""DeepSea against its rules written down once more, and the closed forms against dynamic programming."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.state import CLOCK
from payoff.envs.sparse.deep_sea import V0, DeepSeaParams, Observe, mapping
from payoff.envs.theory import tabular

ID = "payoff/DeepSea-v0"
GAME = registry.load(ID)
LAYOUT = V0.shape(DeepSeaParams()).layout
CELL = LAYOUT.column("cell")


def successors(params, line, column, right):
    """[(column, payoff, probability)] of a move to the right or to the left."""
    n = params.size
    pay = -params.move_cost / n * right + (right and column == n - 1)
    fails = 0.0 if params.deterministic or not right else 1 / n
    noise = params.reward_noise if not params.deterministic and line == n - 1 and column in (0, n - 1) else 0.0
    there = min(column + 1, n - 1) if right else max(column - 1, 0)
    return [
        (end, pay + sign * noise, p / 2) for end, p in ((there, 1 - fails), (column, fails)) for sign in (1, -1) if p
    ]


@pytest.mark.parametrize(
    "keywords",
    [
        {"size": 6},
        {"size": 5, "deterministic": False},
        {"size": 7, "deterministic": False, "reward_noise": 0.5, "randomize": "column", "mapping": 3},
        {"size": 2, "deterministic": False, "move_cost": 0.3, "randomize": "none"},
    ],
)
def test_model_follows_the_rules(keywords):
    params = DeepSeaParams(**keywords)
    model, n, right = payoff.as_mdp(ID, starts=[0], **keywords), params.size, mapping(params)
    cells = [divmod(int(row[CELL]), n) for row in model.states]
    for s, a in np.ndindex(model.n_states, 2):
        line, column = cells[s]
        assert model.terminal[s] == (line == n)
        if line == n:
            continue
        found, expected = {}, {}
        for k in range(model.next_state.shape[2]):
            below, end = cells[model.next_state[s, a, k]]
            assert below == line + 1
            event = (end, round(model.reward[s, a, k], 12))
            found[event] = found.get(event, 0.0) + model.probability[s, a, k]
        for end, pay, p in successors(params, line, column, bool(a == right[line, column])):
            event = (end, round(pay, 12))
            expected[event] = expected.get(event, 0.0) + p
        assert {e: p for e, p in found.items() if p > 0} == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("size", [2, 5, 10, 17])
@pytest.mark.parametrize(("deterministic", "cost"), [(True, 0.01), (False, 0.01), (False, 0.6), (True, 1.0)])
def test_closed_form_holds_in_every_state(size, deterministic, cost):
    keywords = {"size": size, "deterministic": deterministic, "move_cost": cost}
    params, model = DeepSeaParams(**keywords), payoff.as_mdp(ID, starts=[0], **keywords)
    for s, row in enumerate(model.states):
        line = int(row[CELL]) // size
        within = tabular.finite_horizon(model, None, size - line)[s]
        row = row.copy()
        row[CLOCK] = line
        assert GAME.optimum(params, row)[0] == pytest.approx(within, abs=1e-12)
    value, steps = GAME.optimum(params, model.states[0])
    q = 1 - 1 / size
    formula = 1 - cost if deterministic else q ** (size - 1) - cost * (1 - q**size)
    assert value == pytest.approx(max(formula, 0.0), abs=1e-12) and steps == size
    if not deterministic:
        assert value >= q ** (size - 1) - cost  # the published figure pays on after a failure


def test_steps_to_a_payment_by_search():
    for deterministic in (True, False):
        model = payoff.as_mdp(ID, starts=[0], size=5, deterministic=deterministic)
        params = DeepSeaParams(size=5, deterministic=deterministic)
        least = np.full(model.n_states, 6.0)
        for _ in range(5):
            ahead = np.where(model.reward > 0, 1.0, 1.0 + least[model.next_state])
            least = np.minimum(6.0, np.where(model.terminal, 6.0, ahead.min(axis=(1, 2))))
        assert [GAME.optimum(params, row)[1] for row in model.states] == least.tolist()


def test_a_horizon_before_the_ground_leaves_nothing():
    row = payoff.as_mdp(ID, starts=[0], size=6).states[0]
    assert GAME.optimum(DeepSeaParams(size=6, max_steps=6), row) == (pytest.approx(0.99), 6)
    assert GAME.optimum(DeepSeaParams(size=6, max_steps=5), row) == (0.0, 6)
    env = gym.make(ID, size=3, max_steps=9)
    env.reset(seed=0)
    assert [env.step(0)[2:4] for _ in range(3)] == [(False, False)] * 2 + [(True, False)]


@pytest.mark.parametrize("size", [3, 10, 20])
def test_random_play_opens_the_chest_with_probability_two_to_the_minus_n(size):
    model = payoff.as_mdp(ID, starts=[0], size=size)
    exact = tabular.success_probability(model, tabular.uniform_policy(model), size)[0]
    assert exact == pytest.approx(2.0**-size, rel=1e-12)
    assert GAME.levels["hard"]["size"] == 20


def test_what_right_means_is_shared_by_all_and_differs_by_number():
    maps = [mapping(DeepSeaParams(size=30, mapping=m)) for m in range(4)]
    for drawn in maps:
        assert set(np.unique(drawn)) == {0, 1} and abs(drawn.mean() - 0.5) < 4 * 0.5 / 30
    assert all((a != b).mean() > 0.4 for a in maps for b in maps if a is not b)
    column = mapping(DeepSeaParams(size=30, randomize="column"))
    assert (column == column[0]).all() and 0 < column[0].mean() < 1
    assert (mapping(DeepSeaParams(randomize="none")) == 1).all()
    env = payoff.multi_agent_vec(ID, 50, autoreset_mode="same_step")
    env.reset(seed=3)
    right = mapping(DeepSeaParams())
    for episode in range(2):
        for step in range(10):
            _, _, ended, _, info = env.step(np.full((50, 1), right[step, step]))
        assert ended.all() and info["payoff"] == pytest.approx(1 - 0.001), episode


def test_a_dive_and_a_mistake():
    env = gym.make(ID, size=4, randomize="none")
    env.reset(seed=0)
    steps = [env.step(1) for _ in range(4)]
    assert [s[1] for s in steps] == pytest.approx([-0.0025] * 3 + [0.9975])
    assert [s[2] for s in steps] == [False] * 3 + [True]
    assert [s[4]["progress"] for s in steps] == [0.25, 0.5, 0.75, 1.0]
    assert GAME.captions[steps[-1][4]["caption"]] == "opened the chest" and not steps[-1][0].any()
    env.reset()
    steps = [env.step(a) for a in (1, 0, 1, 1)]
    assert sum(s[1] for s in steps) == pytest.approx(-0.0075)
    assert [s[4]["progress"] for s in steps] == [0.25, 0.0, 0.0, 0.0]
    assert (
        GAME.captions[steps[1][4]["caption"]] == "sank to the left"
        and GAME.captions[steps[-1][4]["caption"]] == "reached the ground"
    )


def test_noise_is_no_success():
    """Stochastic, random play: success by the caption, against the exact chance of N moves right with no failure."""
    env = payoff.multi_agent_vec(ID, 40_000, size=3, deterministic=False, randomize="none", autoreset_mode="disabled")
    env.reset(seed=0)
    draw = np.random.default_rng(0)
    for _ in range(3):
        env.step(draw.integers(0, 2, (40_000, 1)))
    opened = env.engine.state[:, LAYOUT.column("event")] == 5
    exact = 2.0**-3 * (2 / 3) ** 2
    assert abs(opened.mean() - exact) < 4 * np.sqrt(exact * (1 - exact) / 40_000)


def test_joint_observation_is_the_published_one():
    env = gym.make(ID, size=4, randomize="none", observe=Observe(encoding="joint"))
    obs, _ = env.reset(seed=0)
    seen = [obs.reshape(4, 4), *(env.step(a)[0].reshape(4, 4) for a in (1, 1, 0, 1))]
    assert [tuple(map(int, np.argwhere(o)[0])) for o in seen[:4]] == [(0, 0), (1, 1), (2, 2), (3, 1)]
    assert not seen[4].any()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"size": 1}, "size must be"),
        ({"deterministic": 0}, "deterministic must be True or False, got 0"),
        ({"move_cost": 1.5}, r"move_cost must be a number in \[0, 1\], got 1.5"),
        ({"reward_noise": -1}, "reward_noise must be"),
        ({"randomize": "row"}, "randomize must be one of 'cell', 'column', 'none', got 'row'"),
        ({"mapping": -1}, "mapping must be"),
        ({"max_steps": 0}, "max_steps must be"),
    ],
)
def test_bad_parameters_are_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        DeepSeaParams(**keywords)
