"""GridNav against a walk in floating-point positions, as its source makes it."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.state import CLOCK
from payoff.envs.mdp import as_mdp
from payoff.envs.sight.numbers import Observe
from payoff.envs.sparse import grid_nav
from payoff.envs.sparse.grid_nav import GridNavParams

ID = "payoff/GridNav-v0"
GAME = registry.load(ID)
LAYOUT = GAME.shape(GridNavParams()).layout
X, Y = LAYOUT.column("x"), LAYOUT.column("y")
WAYS = [(0, 1), (1, 0), (0, -1), (-1, 0)]  # up, right, down, left
UP, RIGHT, DOWN, LEFT = range(4)


def inside(x, y, low, high):
    return low <= x <= high and low <= y <= high


def walk(position, direction):
    """Positions after each sub-step made, positions summed up as floats; the last is where the step ends."""
    x, y = position
    path = []
    for _ in range(4):
        x, y = x + 0.045 * WAYS[direction][0], y + 0.045 * WAYS[direction][1]
        if not inside(x, y, 0, 1):
            break
        path.append((x, y))
        if inside(x, y, 0.75, 0.99):
            break
    return path


def advice(aux, path, last):
    if aux == "good":
        return -sum((x - 0.87) ** 2 + (y - 0.87) ** 2 for x, y in path)
    if aux == "good_published":
        return -sum((x - 0.87) ** 2 + 0.0144 for x, y in path)
    return 0.0 if last else sum(50.0 for x, y in path if inside(x, y, 0.4, 0.6))


def position(env):
    return tuple(grid_nav.coordinate(i) for i in env.unwrapped.engine.state[0, [X, Y]])


@pytest.mark.parametrize("aux", ["good_published", "good", "misleading"])
def test_play_without_noise_is_a_walk_in_steps_of_floats(aux):
    env = gym.make(ID, aux=aux, noise=0.0)
    draw, goals, horizons = np.random.default_rng(0), 0, 0
    for seed in range(30):
        obs, info = env.reset(seed=seed)
        at, over, steps = (0.125, 0.125), False, 0
        assert obs == pytest.approx(at) and info["aux"] == 0.0
        while not over:
            direction = int(draw.integers(4))
            path = walk(at, direction)
            at, steps = (path or [at])[-1], steps + 1
            goal = inside(*at, 0.75, 0.99)
            obs, reward, terminated, truncated, info = env.step(direction)
            assert position(env) == pytest.approx(at, abs=1e-12) and obs == pytest.approx(at, abs=1e-6)
            assert reward == info["payoff"] == pytest.approx(99.9 if goal else -0.1, abs=1e-12)
            expected = advice(aux, path, goal or steps == 50)
            assert info["aux"] == pytest.approx(expected, abs=1e-9)
            assert (terminated, truncated) == (goal, steps == 50)
            full = len(path) == 4 or goal
            assert GAME.captions[info["caption"]] == (
                "reached the goal" if goal else "moved as chosen" if full else "stopped at a wall"
            )
            over = terminated or truncated
        goals, horizons = goals + goal, horizons + (not goal)
    assert goals > 3 and horizons > 3


def test_auxiliary_rewards_of_single_steps_by_hand():
    """Right from the start: x = 0.17, 0.215, 0.26, 0.305 with y = 0.125."""
    squares = 0.7**2 + 0.655**2 + 0.61**2 + 0.565**2
    for aux, expected in (("good", -squares - 4 * 0.745**2), ("good_published", -squares - 4 * 0.12**2)):
        env = gym.make(ID, aux=aux, noise=0.0)
        env.reset(seed=0)
        assert env.step(RIGHT)[4]["aux"] == pytest.approx(expected, abs=1e-12)


def test_published_advice_says_nothing_about_going_up():
    env = gym.make(ID, aux="good_published", noise=0.0)
    seen = []
    for direction in (UP, DOWN):
        env.reset(seed=0)
        env.step(UP)
        seen.append(env.step(direction)[4]["aux"])
    assert seen[0] == seen[1] == pytest.approx(-4 * (0.745**2 + 0.0144))


def test_staying_at_the_lure_pays_more_than_the_goal():
    env = gym.make(ID, aux="misleading", noise=0.0)
    env.reset(seed=0)
    total = 0.0
    for direction in [RIGHT, RIGHT, UP, UP] + [LEFT, RIGHT] * 23:  # index (8, 8), then left and right in turn
        _, _, _, truncated, info = env.step(direction)
        total += info["aux"]
    assert truncated and total > 10 * 100.0


def reachable():
    """Positions that play from the start leads to, as lattice indices, and what each direction does there."""

    def index(at):
        return tuple(round((v - 0.125) / 0.045) for v in at)

    known, queue, moves = {(0, 0)}, [(0.125, 0.125)], {}
    for at in queue:
        if inside(*at, 0.75, 0.99):
            continue
        for direction in range(4):
            after = (walk(at, direction) or [at])[-1]
            moves[index(at), direction] = index(after), inside(*after, 0.75, 0.99)
            if index(after) not in known:
                known.add(index(after))
                queue.append(after)
    return known, moves


def test_positions_stay_on_the_lattice():
    known, _ = reachable()
    assert len(known) == 273 == as_mdp(ID, starts=[0]).n_states
    # four at a time from 0, from -2 (one wall) and from 19 (the other): never 1 modulo 4
    assert {i for pair in known for i in pair} == {i for i in range(-2, 20) if i % 4 != 1}


@pytest.mark.parametrize(("noise", "horizon"), [(0.1, 50), (0.5, 50), (1.0, 20), (0.0, 7), (0.0, 8)])
def test_optimum_is_that_of_dynamic_programming_over_the_walk(noise, horizon):
    known, moves = reachable()
    states = {s for s, _ in moves}
    value = dict.fromkeys(known, 0.0)
    for _ in range(horizon):
        q = {}
        for s in states:
            each = [-0.1 + (100.0 if goal else value[after]) for after, goal in (moves[s, d] for d in range(4))]
            q[s] = (1 - noise) * max(each) + noise * sum(each) / 4
        value |= q
    params = GridNavParams(noise=noise, max_steps=horizon)
    env = payoff.multi_agent_vec(ID, 1, noise=noise, max_steps=horizon)
    env.reset(seed=0)
    assert GAME.optimum(params, env.engine.state[0])[0] == pytest.approx(value[0, 0], abs=1e-9)


def test_steps_without_noise_have_the_stated_form():
    known, moves = reachable()
    distance = {s: 0 for s in known if min(s) >= 14}
    for k in range(1, 12):
        near = {s for (s, _), (after, _) in moves.items() if after in distance and s not in distance}
        distance |= dict.fromkeys(near, k)
    env = payoff.multi_agent_vec(ID, len(known))
    env.reset(seed=0)
    cells = sorted(known)
    env.engine.state[:, [X, Y]] = cells
    progress = env.engine.features(env.engine.state)["progress"]
    for (i, j), shown in zip(cells, progress, strict=True):
        steps = sum(max(0, -(-(14 - k) // 4)) for k in (i, j))
        assert distance[i, j] == steps and shown == 1 - steps / 8
    params = GridNavParams(noise=0.0)
    env = payoff.multi_agent_vec(ID, 1, noise=0.0)
    env.reset(seed=0)
    assert GAME.optimum(params, env.engine.state[0]) == (pytest.approx(99.2, abs=1e-9), 8)
    env.engine.state[0, CLOCK] = 43
    assert GAME.optimum(params, env.engine.state[0])[0] == pytest.approx(-0.7, abs=1e-9)


def test_one_action_in_ten_is_drawn_anew():
    """Three of four such draws show: the seat moves another way."""
    env = payoff.multi_agent_vec(ID, 4000, autoreset_mode="same_step", info="full")
    env.reset(seed=0)
    _, _, _, _, info = env.step(np.full((4000, 1), RIGHT))
    at = env.engine.state[:, [X, Y]]
    for cell, share in (((4, 0), 0.925), ((0, 4), 0.025), ((0, -2), 0.025), ((-2, 0), 0.025)):
        found = (at == cell).all(axis=1).mean()
        assert abs(found - share) < 4 * np.sqrt(share * (1 - share) / 4000)
    assert set(info["caption"]) == {1.0, 2.0, 3.0}  # as chosen, by chance, and stopped at a wall


def test_clock_and_errors():
    env = gym.make(ID, observe=Observe(clock=True), max_steps=4)
    env.reset(seed=0)
    assert env.step(UP)[0][2] == 0.25
    for keywords, message in (
        ({"aux": "bad"}, "aux must be one of 'good_published', 'good', 'misleading', got 'bad'"),
        ({"noise": 1.1}, r"noise must be a number in \[0, 1\], got 1.1"),
        ({"max_steps": 0}, "max_steps must be an integer at least 1, got 0"),
        ({"observe": "map"}, "observe must be one of 'full', 'private', 'minimal' or an Observe, got 'map'"),
    ):
        with pytest.raises(ValueError, match=message):
            gym.make(ID, **keywords)
    with pytest.raises(ValueError, match=r"observe.clock must be True or False, got 1"):
        Observe(clock=1)
    with pytest.raises(TypeError, match="observe must be a name or an Observe, got int"):
        gym.make(ID, observe=3)
