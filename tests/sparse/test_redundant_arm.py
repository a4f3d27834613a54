"""RedundantArm: its kinematics in complex numbers, and what geometry says about where the hand can go."""

import cmath
import math

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.state import CLOCK, OVER
from payoff.envs.sparse import redundant_arm as arm
from payoff.envs.sparse.redundant_arm import Observe, RedundantArmParams

ID = "payoff/RedundantArm-v0"
GAME = registry.load(ID)
LAYOUT = GAME.shape(GAME.params()).layout
ANGLE = LAYOUT.column("angle")
SOON = math.ceil(math.pi / 0.05)  # steps within which the start reaches any posture of the reference


def hand_of(angles):
    """Each link turns all that follow it: a product of rotations, from the hand back to the base."""
    tip = 0j
    for angle in reversed(angles):
        tip = cmath.exp(1j * angle) * (0.5 / len(angles) + tip)
    return 0.5 + 0.5j + tip


@pytest.mark.parametrize("joints", [2, 20, 64])
def test_rules_along_random_play(joints):
    env = payoff.multi_agent_vec(ID, 16, joints=joints, max_speed=0.4, radius=0.5, autoreset_mode="disabled")
    env.reset(seed=0)
    draw = np.random.default_rng(0)
    angles, met = [[0.0] * joints for _ in range(16)], 0
    for t in range(100):
        sent = draw.uniform(-1, 1, (16, 1, joints)) + 0.3 * (draw.random((16, 1, joints)) < 0.5)
        sent = np.clip(sent, -1, 1)
        obs, reward, terminated, truncated, info = env.step(sent)
        for b in range(16):
            moved = zip(angles[b], sent[b, 0], strict=True)
            angles[b] = [min(math.pi, max(-math.pi, th + 0.4 * a)) for th, a in moved]
            met += sum(abs(th) == math.pi for th in angles[b])
            assert obs[b, 0] == pytest.approx([0.5 + th / (2 * math.pi) for th in angles[b]], abs=1e-6)
            hand = hand_of(angles[b])
            assert info["descriptor"][b] == pytest.approx([hand.real, hand.imag], abs=1e-12)
            distance = abs(hand - (0.2 + 0.6j))
            paid = max(0.0, (0.5 - distance) / 0.5) if t == 99 else 0.0
            assert reward[b, 0] == pytest.approx(paid, abs=1e-12)
        assert terminated.tolist() == truncated.tolist() == [t == 99] * 16
    assert met > 0  # the limits were among it


def distance_of_arc(joints, b):
    """Base to hand when the first angle is 0 and the others are b, link by link."""
    return abs(sum(0.5 / joints * cmath.exp(1j * k * b) for k in range(joints)))


@pytest.mark.parametrize("joints", [2, 3, 20, 64])
def test_distance_of_an_arc_falls_from_reach_to_nothing(joints):
    bends = np.linspace(1e-9, 2 * math.pi / joints, 400)
    found = [distance_of_arc(joints, b) for b in bends]
    assert found == pytest.approx(0.5 / joints * np.sin(joints * bends / 2) / np.sin(bends / 2), abs=1e-12)
    assert found[0] == pytest.approx(0.5) and found[-1] == pytest.approx(0.0, abs=1e-12)
    assert (np.diff(found) < 0).all()


@pytest.mark.parametrize("joints", [2, 3, 20, 64])
def test_both_arcs_put_the_hand_on_the_goal_within_the_limits(joints):
    draw = np.random.default_rng(joints)
    goals = [(0.5, 0.5), (1.0, 0.5), (0.0, 0.5), (0.5, 0.0), (0.5, 0.5 + 1e-9)]
    for _ in range(100):
        r, way = 0.5 * math.sqrt(draw.random()), draw.uniform(-math.pi, math.pi)
        goals.append((0.5 + r * math.cos(way), 0.5 + r * math.sin(way)))
    for x, y in goals:
        for angles in arm.arcs(joints, x, y):
            assert hand_of(angles) == pytest.approx(complex(x, y), abs=1e-12)
            assert np.abs(angles).max() <= math.pi
            assert (angles[1:] == angles[-1]).all()


def play(params, row, steps):
    """Payment of ``steps`` steps of the policy from a row, in the model of this file."""
    row = row.copy()
    for _ in range(steps):
        action = GAME.policy(params, row)  # in [-1, 1], as views take it by default
        assert np.abs(action).max() <= 1.0
        row[ANGLE:] += params.max_speed * action
    distance = abs(hand_of(row[ANGLE:]) - complex(params.goal_x, params.goal_y))
    return max(0.0, 1 - distance / params.radius)


def test_reference_attains_the_bound_in_time_and_keeps_its_promise_always():
    draw = np.random.default_rng(0)
    blank = np.zeros(LAYOUT.size)
    for k in range(60):
        r, way = 0.5 * math.sqrt(draw.random()), draw.uniform(-math.pi, math.pi)
        goal = {"goal_x": 0.5 + r * math.cos(way), "goal_y": 0.5 + r * math.sin(way)}
        row = blank.copy()
        steps = SOON
        if k % 2:  # from anywhere, in twice the time
            row[ANGLE:] = draw.uniform(-math.pi, math.pi, 20)
            steps = math.ceil(2 * math.pi / 0.05)
        params = RedundantArmParams(max_steps=steps, radius=0.001 if k % 3 else 0.05, **goal)
        assert GAME.bound(params) == 1.0
        value, when = GAME.optimum(params, row)
        assert (value, when) == (pytest.approx(1.0, abs=1e-9), steps)
        assert play(params, row, steps) == pytest.approx(value, abs=1e-9)
        short = RedundantArmParams(max_steps=int(draw.integers(1, 20)), radius=0.6, **goal)
        value, _ = GAME.optimum(short, row)
        assert play(short, row, short.max_steps) == pytest.approx(value, abs=1e-9)


def test_optimum_where_the_episode_is_over_or_the_goal_too_far():
    row = np.zeros(LAYOUT.size)
    params = RedundantArmParams()
    row[CLOCK] = 90  # ten steps turn a joint by half a radian
    assert GAME.optimum(params, row) == (0.0, 101)
    row[CLOCK], row[OVER] = 0, 1
    assert GAME.optimum(params, row) == (0.0, 101)


def test_certified_random_success_is_that_of_a_model_in_numpy():
    held = {x.parameters["radius"]: x.random_success for x in payoff.certificate(ID).levels}
    draw, angles = np.random.default_rng(5), np.zeros((20_000, 20))
    for _ in range(100):
        angles += draw.uniform(-0.05, 0.05, angles.shape)
    directions = angles.cumsum(axis=1)
    away = np.hypot(0.3 + np.cos(directions).mean(axis=1) / 2, np.sin(directions).mean(axis=1) / 2 - 0.1)
    assert abs(angles).max() < math.pi
    for radius, success in held.items():
        share = (away < radius).mean()
        error = math.hypot(success.standard_error, math.sqrt(max(share, 1e-4) / 20_000))
        assert abs(share - success.mean) < 4 * error
    assert held[0.05].mean < 1e-3 < held[0.15].mean + held[0.3].mean


def test_parameters_and_observation():
    env = gym.make(ID, observe=Observe(clock=True), joints=3, max_steps=4)
    assert env.action_space.shape == (3,) and env.observation_space.shape == (4,)
    env.reset(seed=0)
    assert env.step(np.ones(3, np.float32))[0] == pytest.approx([0.5 + 0.05 / (2 * math.pi)] * 3 + [0.25])
    with pytest.raises(ValueError, match=r"joints must be the same in all copies of a batch, got \[2, 3\]"):
        payoff.multi_agent_vec(ID, 2, joints=[2, 3])
    for keywords, message in (
        ({"joints": 1}, "joints must be an integer in 2 .. 64, got 1"),
        ({"goal_x": 1.5}, r"goal_x must be a number in \[0, 1\], got 1.5"),
        ({"goal_x": 0.0, "goal_y": 0.0}, r"\(goal_x, goal_y\) must be within 0.5 of \(0.5, 0.5\), got \(0.0, 0.0\)"),
        ({"radius": 0.0}, r"radius must be a number in \[0.001, 1\], got 0.0"),
        ({"max_speed": 0.0}, r"max_speed must be a number in \(0, 3.2\], got 0.0"),
        ({"max_steps": 0}, "max_steps must be an integer at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            gym.make(ID, **keywords)
