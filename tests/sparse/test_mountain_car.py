"""SparseMountainCar against Gymnasium's MountainCar-v0, step for step."""

import math

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.state import CLOCK, OVER
from payoff.envs.sparse.mountain_car import Observe, SparseMountainCarParams

ID = "payoff/SparseMountainCar-v0"
GAME = registry.load(ID)
LAYOUT = GAME.shape(GAME.params()).layout
X, V = LAYOUT.column("position"), LAYOUT.column("velocity")
LEFT, COAST, RIGHT = range(3)


def motion(env):
    row = env.unwrapped.engine.state[0]
    return row[X], row[V]


def put(env, x, v):
    env.unwrapped.engine.state[0, [X, V]] = x, v


def step_theirs(theirs, x, v, action):
    theirs.unwrapped.state = (x, v)
    _, _, terminated, _, _ = theirs.unwrapped.step(action)
    return theirs.unwrapped.state, terminated


def test_dynamics_are_those_of_gymnasium_along_play():
    ours, theirs = gym.make(ID), gym.make("MountainCar-v0")
    theirs.reset(seed=0)
    draw, arrived = np.random.default_rng(0), 0
    for seed in range(12):
        ours.reset(seed=seed)
        over, steps = False, 0
        while not over and steps < 400:
            x, v = motion(ours)
            pumps = RIGHT if v >= 0 else LEFT
            action = pumps if seed % 2 else int(draw.integers(3))
            (x, v), ended = step_theirs(theirs, x, v, action)
            _, reward, over, _, _ = ours.step(action)
            assert motion(ours) == pytest.approx((x, v), abs=1e-15)
            assert (reward, over) == (float(ended), ended)
            steps += 1
        arrived += over
    assert arrived == 6


def test_dynamics_are_those_of_gymnasium_from_anywhere():
    ours, theirs = gym.make(ID), gym.make("MountainCar-v0")
    theirs.reset(seed=0)
    draw, walls, tops = np.random.default_rng(1), 0, 0
    for _ in range(2000):
        x, v, action = draw.uniform(-1.2, 0.6), draw.uniform(-0.07, 0.07), int(draw.integers(3))
        ours.reset(seed=0)
        put(ours, x, v)
        (x, v), ended = step_theirs(theirs, x, v, action)
        _, reward, over, _, info = ours.step(action)
        assert motion(ours) == pytest.approx((x, v), abs=1e-15)
        # a car that starts beyond the goal and rolls back ends there in Gymnasium only while it moves up
        if v >= 0 or x < 0.5:
            assert (reward, over) == (float(ended), ended)
        walls, tops = walls + (GAME.captions[info["caption"]] == "hit the wall"), tops + over
    assert walls > 10 and tops > 10


def test_starts_are_at_rest_and_spread_over_the_valley():
    env = payoff.multi_agent_vec(ID, 4000)
    env.reset(seed=0)
    x, v = env.engine.state[:, X], env.engine.state[:, V]
    assert not v.any() and -0.6 <= x.min() < -0.599 and -0.401 < x.max() <= -0.4
    assert abs(x.mean() + 0.5) < 4 * 0.2 / math.sqrt(12 * 4000)


def reference_aux(aux, c, v, action):
    """Figures of the page, for a step that does not end the episode; v is the velocity after it."""
    if aux == "velocity":
        return c * abs(v)
    if (v < 0 and action == LEFT) or (v > 0 and action == RIGHT):
        return c
    return -c if aux == "bang" else 0.0


@pytest.mark.parametrize("aux", ["bang", "bang_or_nothing", "velocity"])
def test_auxiliary_reward_is_reported_and_never_paid(aux):
    env = gym.make(ID, aux=aux, aux_scale=2.5, max_steps=150)
    draw = np.random.default_rng(0)
    for seed in range(4):
        env.reset(seed=seed)
        over = False
        while not over:
            pumps = RIGHT if motion(env)[1] >= 0 else LEFT
            action = pumps if seed == 3 else int(draw.integers(3))
            _, reward, terminated, truncated, info = env.step(action)
            over = terminated or truncated
            expected = 0.0 if over else reference_aux(aux, 2.5, motion(env)[1], action)
            assert info["aux"] == pytest.approx(expected, abs=1e-15)
            assert reward == info["payoff"] == float(terminated)
        assert terminated == (seed == 3)


def test_captions():
    env = gym.make(ID)
    assert GAME.captions[env.reset(seed=0)[1]["caption"]] == "the episode began"
    for (x, v), action, caption in (
        ((-0.5, 0.03), RIGHT, "pushed the way it moved"),
        ((-0.5, 0.03), LEFT, "pushed against its way"),
        ((-0.5, 0.03), COAST, "coasted"),
        ((-1.19, -0.05), LEFT, "hit the wall"),
        ((0.49, 0.05), RIGHT, "reached the top"),
    ):
        env.reset(seed=0)
        put(env, x, v)
        assert GAME.captions[env.step(action)[4]["caption"]] == caption


def pumping_steps(x):
    """Steps of pumping from rest, in plain Python."""
    v = 0.0
    for step in range(1, 1000):
        v += (0.001 if v >= 0 else -0.001) - 0.0025 * math.cos(3 * x)
        v = min(0.07, max(-0.07, v))
        x = min(0.6, max(-1.2, x + v))
        v = 0.0 if x == -1.2 and v < 0 else v
        if x >= 0.5:
            return step
    return None


def test_reference_arrives_from_every_start_within_the_hard_horizon():
    params, row = SparseMountainCarParams(max_steps=200), np.zeros(LAYOUT.size)
    found = set()
    for x in np.linspace(-0.6, -0.4, 2001):
        row[X] = x
        value, steps = GAME.optimum(params, row)
        assert value == 1.0 and steps == pumping_steps(x)
        found.add(steps)
    assert (min(found), max(found)) == (113, 125)


def test_return_of_the_reference_meets_the_bound_or_misses_the_horizon():
    params, row = SparseMountainCarParams(max_steps=200), np.zeros(LAYOUT.size)
    row[X] = -0.5
    steps = pumping_steps(-0.5)
    assert GAME.bound(params) == 1.0
    for clock, value in ((200 - steps, 1.0), (201 - steps, 0.0)):
        row[CLOCK] = clock
        assert GAME.optimum(params, row) == (value, steps)
    row[CLOCK], row[OVER] = 0, 1
    assert GAME.optimum(params, row)[0] == 0.0


def test_pushing_right_alone_never_arrives():
    env = payoff.multi_agent_vec(ID, 200, max_steps=1000)
    env.reset(seed=0)
    for _ in range(999):
        _, reward, terminated, _, _ = env.step(np.full((200, 1), RIGHT))
        assert not terminated.any() and not reward.any()


def test_observation_and_errors():
    env = gym.make(ID, observe=Observe(clock=True), max_steps=8)
    env.reset(seed=0)
    put(env, -0.3, -0.07)
    obs = env.unwrapped.engine.look()[0, 0]
    assert obs == pytest.approx([0.5, 0.0, 0.0], abs=1e-7)
    assert env.step(COAST)[0][2] == 0.125
    for keywords, message in (
        ({"aux": "speed"}, "aux must be one of 'bang', 'bang_or_nothing', 'velocity', got 'speed'"),
        ({"aux_scale": -1.0}, r"aux_scale must be a number in \[0, 1000\], got -1.0"),
        ({"max_steps": 0}, "max_steps must be an integer at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            gym.make(ID, **keywords)
