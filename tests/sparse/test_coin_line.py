"""CoinLine against its closed form, exhaustive search, and return decomposition on random episodes."""

import itertools

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.sparse.coin_line import V0, CoinLineParams, Observe, most_visits
from payoff.envs.theory import tabular

ID = "payoff/CoinLine-v0"
GAME = registry.load(ID)
LAYOUT = V0.shape(CoinLineParams()).layout
LEFT, RIGHT = 0, 1
LINES = [  # cells, start, coin: in the middle, at both ends, on the start, on two cells
    {},
    {"cells": 5, "start": 2, "coin": 4},
    {"cells": 5, "start": 2, "coin": 0},
    {"cells": 5, "start": 2, "coin": 2},
    {"cells": 4, "start": 0, "coin": 0},
    {"cells": 2, "start": 0, "coin": 1},
    {"cells": 9, "start": 8, "coin": 1},
]


def visits_of(cells, start, coin, actions):
    """The rules once more: visits after each step."""
    at, found = start, []
    for action in actions:
        at = min(max(at + (1 if action == RIGHT else -1), 0), cells - 1)
        found.append(at == coin)
    return found


def told(info):
    """Captions of a batch, whose info holds their numbers."""
    return [GAME.captions[c] for c in info["caption"]]


def test_cells_are_those_of_the_tutorial():
    params = CoinLineParams()
    assert (params.cells, params.first, params.goal, params.max_steps) == (13, 7, 9, 50)


def test_best_return_is_twenty_five():
    env = payoff.multi_agent_vec(ID, 1)
    env.reset(seed=0)
    assert GAME.optimum(CoinLineParams(), env.engine.state[0]) == (25.0, 50)
    tutorial = payoff.multi_agent_vec(ID, 1, max_steps=49)
    tutorial.reset(seed=0)
    assert GAME.optimum(CoinLineParams(max_steps=49), tutorial.engine.state[0]) == (24.0, 49)


@pytest.mark.parametrize("line", LINES, ids=str)
@pytest.mark.parametrize("steps", [1, 2, 5, 8])
def test_optimum_is_the_best_of_all_plays(line, steps):
    params = CoinLineParams(**line, max_steps=steps)
    best = max(
        sum(visits_of(params.cells, params.first, params.goal, play))
        for play in itertools.product((LEFT, RIGHT), repeat=steps)
    )
    env = payoff.multi_agent_vec(ID, 1, **line, max_steps=steps, autoreset_mode="disabled")
    env.reset(seed=0)
    value, horizon = GAME.optimum(params, env.engine.state[0])
    assert (value, horizon) == (best, steps if best else steps + 1)
    for _ in range(steps):
        _, reward, *_ = env.step(GAME.policy(params, env.engine.state[0])[None])
    assert reward[0, 0] == best


@pytest.mark.parametrize("line", LINES, ids=str)
def test_optimum_is_exact_in_every_state(line):
    params = CoinLineParams(**line, max_steps=7)
    mdp = payoff.as_mdp(ID, starts=[0], **line, max_steps=7)
    time = LAYOUT.view(mdp.states, "time")
    for left in range(8):
        values = tabular.finite_horizon(mdp, None, left)
        for s in np.flatnonzero((time == 7 - left) & ~mdp.terminal):
            assert GAME.optimum(params, mdp.states[s])[0] == pytest.approx(values[s], abs=1e-12)


@pytest.mark.parametrize("line", LINES, ids=str)
def test_random_play_follows_a_second_reading_of_the_rules(line):
    params = CoinLineParams(**line)
    env = payoff.multi_agent_vec(ID, 20, autoreset_mode="disabled", **line)
    _, info = env.reset(seed=0)
    assert set(told(info)) == {"the episode began"}
    play = np.random.default_rng(0).integers(0, 2, (50, 20))
    expected = np.array([visits_of(params.cells, params.first, params.goal, p) for p in play.T]).T
    for t, actions in enumerate(play):
        _, reward, terminated, truncated, info = env.step(actions[:, None])
        np.testing.assert_array_equal(info["aux"][:, 0], expected[t])
        assert (terminated.all(), truncated.all(), reward.any()) == (t == 49, t == 49, t == 49 and expected.any())
        assert all((c == "visited the coin") == v for c, v in zip(told(info), expected[t], strict=True) if t < 49)
    np.testing.assert_array_equal(reward[:, 0], expected.sum(axis=0))
    assert set(told(info)) == {"was paid for the visits"}


def test_captions_tell_walking_from_staying():
    env = gym.make(ID, cells=2, start=0, coin=0)
    env.reset(seed=0)
    told = [GAME.captions[env.step(a)[4]["caption"]] for a in (RIGHT, RIGHT, LEFT, LEFT)]
    assert told == ["walked right", "stayed at the right end", "visited the coin", "visited the coin"]
    env = gym.make(ID, cells=3, start=1, coin=2)
    env.reset(seed=0)
    assert [GAME.captions[env.step(a)[4]["caption"]] for a in (LEFT, LEFT)] == ["walked left", "stayed at the left end"]


def test_return_decomposition_finds_the_coin():
    """Least squares of returns on the cells visited, 300 random episodes: weight 1 on the coin's cell, 0 elsewhere."""
    env = payoff.multi_agent_vec(ID, 300, autoreset_mode="disabled", observe="minimal", info="minimal")
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    counts = np.zeros((300, 13))
    for _ in range(50):
        obs, reward, *_ = env.step(rng.integers(0, 2, (300, 1)))
        counts += obs[:, 0]
    weight = np.linalg.lstsq(counts, reward[:, 0], rcond=None)[0]
    np.testing.assert_allclose(weight, np.arange(13) == 9, atol=1e-9)


@pytest.mark.parametrize("level", ["easy", "medium"])
def test_random_success_is_that_of_the_walk(level):
    """Distribution of (cell, visits) under random play, by hand, against 20,480 played episodes."""
    from payoff.envs.certifying import random_play

    params = CoinLineParams(**GAME.levels[level])
    share = np.zeros((13, params.max_steps + 1))
    share[7, 0] = 1.0
    for _ in range(params.max_steps):
        after = np.zeros_like(share)
        for cell in range(13):
            for to in (max(cell - 1, 0), min(cell + 1, 12)):
                moved = 0.5 * share[cell]
                after[to] += np.concatenate([[0.0], moved[:-1]]) if to == 9 else moved
        share = after
    enough = -(-most_visits(params, 7, params.max_steps) // 2)
    exact = share[:, enough:].sum()
    episodes = random_play(GAME, params, 20_000)
    played = np.mean([GAME.success(params, e) for e in episodes])
    assert abs(played - exact) < 4 * np.sqrt(exact * (1 - exact) / len(episodes))


def test_observation_can_be_read_back():
    env = payoff.multi_agent_vec(ID, 2, cells=[5, 13], start=[2, 7], coin=[4, 9], max_steps=20)
    rng = np.random.default_rng(0)
    obs, _ = env.reset(seed=0)
    for t in range(20):
        flat = obs[:, 0]
        assert flat.shape == (2, 15)
        np.testing.assert_array_equal(flat[:, :13].argmax(axis=1), LAYOUT.view(env.engine.state, "cell"))
        np.testing.assert_array_equal(flat[:, :13].sum(axis=1), 1.0)
        np.testing.assert_allclose(flat[:, 13] * 20, LAYOUT.view(env.engine.state, "visits"), atol=1e-5)
        np.testing.assert_allclose(flat[:, 14] * 20, t, atol=1e-5)
        obs, *_ = env.step(rng.integers(0, 2, (2, 1)))
    assert GAME.plan([CoinLineParams()], [0], Observe(scope="cell")).names == tuple(f"cell[{k}]" for k in range(13))


def test_picture_shows_seat_and_coin():
    env = gym.make(ID, render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    w = picture.shape[1] // 13
    assert picture.shape == (3 * w, 13 * w, 3)
    assert picture[w // 2, 7 * w + w // 2].tolist() == [0, 114, 178]
    assert picture[w // 2, 9 * w + w // 2].tolist() == [230, 159, 0]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"cells": 1}, r"cells must be an integer in 2 \.\. 1000, got 1"),
        ({"start": 13}, r"start must be an integer in 0 \.\. 12, got 13"),
        ({"coin": -1}, r"coin must be an integer in 0 \.\. 12, got -1"),
        ({"max_steps": 0}, "max_steps must be an integer at least 1, got 0"),
    ],
)
def test_bad_parameter_is_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        CoinLineParams(**keywords)


def test_bad_observation_setting_is_named():
    with pytest.raises(ValueError, match="observe must be one of 'full', 'private', 'minimal' or an Observe"):
        GAME.plan([CoinLineParams()], [0], "partial")
    with pytest.raises(ValueError, match=r"observe\.scope must be one of 'all', 'cell', got 'way'"):
        Observe(scope="way")
