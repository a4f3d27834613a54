"""Curling: its rules once more in complex numbers, and what they keep: contact, energy, speed limits."""

import cmath
import math

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.state import CLOCK, OVER
from payoff.envs.sparse.curling import CurlingParams, Observe, touching

ID = "payoff/Curling-v0"
GAME = registry.load(ID)
LAYOUT = GAME.shape(GAME.params()).layout
BALL, VELOCITY, ANGLE, SPEED, EVENT = (
    LAYOUT.column(name) for name in ("x", "velocity_x", "swing", "swing_speed", "event")
)
H = 1 / 60
BASE = -1.5j
GOALS = ((0.8 + 0.8j, 0.4), (0.8 - 0.8j, 0.2))


def dot(a, b):
    return (a * b.conjugate()).real


class Reference:
    """The rules of the page; up is 1j, and a link that leaves it by the angle a points to 1j exp(i a)."""

    def __init__(self):
        self.p, self.v = -0.5 + 0.2j, 0j
        self.a, self.w = [0.0, 0.0], [0.0, 0.0]
        self.jams = 0

    def contact(self, link):
        """Nearest point of a link's line to the ball, and how fast it moves."""
        first = 1j * cmath.exp(1j * self.a[0])
        root, way, turn = BASE, first, self.w[0]
        carried = 0j
        if link == 1:
            root, way, turn = BASE + first, first * cmath.exp(1j * self.a[1]), self.w[0] + self.w[1]
            carried = 1j * self.w[0] * first
        arm = min(1.0, max(0.0, dot(self.p - root, way))) * way
        return root + arm, carried + 1j * turn * arm

    def gap(self):
        return min(abs(self.p - self.contact(link)[0]) for link in range(2)) - 0.2

    def settle(self):
        """Contacts until nothing is left to correct; whether that took at most eight rounds."""
        for _ in range(8):
            clean = True
            for link in range(2):
                at, u = self.contact(link)
                if abs(self.p - at) < 0.2 - 1e-12:
                    clean, n = False, (self.p - at) / abs(self.p - at)
                    self.p = at + 0.2 * n
                    self.v -= 1.5 * min(0.0, dot(self.v - u, n)) * n
            parts, speeds = [self.p.real, self.p.imag], [self.v.real, self.v.imag]
            for k in range(2):
                if abs(parts[k]) > 1.35:
                    clean = False
                    if parts[k] * speeds[k] > 0:
                        speeds[k] *= -0.8
                    parts[k] = math.copysign(1.35, parts[k])
            self.p, self.v = complex(*parts), complex(*speeds)
            if clean:
                return True
        return False

    def step(self, torques):
        before = self.p, list(self.a)
        for k, most in enumerate((math.pi / 2, math.pi)):
            self.w[k] += 5 * H * (torques[k] - self.w[k])
            self.a[k] += H * self.w[k]
            if abs(self.a[k]) > most:
                self.a[k], self.w[k] = math.copysign(most, self.a[k]), 0.0
        if self.v:
            self.v *= max(0.0, abs(self.v) - 0.5 * H) / abs(self.v)
        self.p += H * self.v
        if not self.settle():
            self.jams += 1
            (self.p, self.a), self.v, self.w = before, 0j, [0.0, 0.0]
        if abs(self.v) > 5:
            self.v *= 5 / abs(self.v)

    def row(self):
        return [self.p.real, self.p.imag, self.v.real, self.v.imag, *self.a, *self.w]


def put(row, p=-0.5 + 0.2j, v=0j, a=(0.0, 0.0), w=(0.0, 0.0)):
    row[BALL:EVENT] = [p.real, p.imag, v.real, v.imag, *a, *w]


def gap(row):
    """Distance between ball and arm, as the game measures it; negative where they overlap."""
    s, *_ = LAYOUT.open(row)
    return min(math.hypot(s.x - x, s.y - y) for x, y, _, _ in (touching(s, link) for link in range(2))) - 0.2


def paid(p, scale=1.0):
    return max(0.0, *(1 - abs(p - goal) / (scale * radius) for goal, radius in GOALS))


def test_rules_along_random_play():
    """Torques that last: the arm meets the ball, the walls and its own limits. The row is set anew before each step."""
    copies, steps, scale = 64, 400, 3.0
    env = payoff.multi_agent_vec(ID, copies, max_steps=steps, goal_scale=scale, autoreset_mode="disabled")
    env.reset(seed=0)
    draw = np.random.default_rng(0)
    models = [Reference() for _ in range(copies)]
    hits = limits = 0
    for t in range(steps):
        if t % 40 == 0:
            torques = draw.choice([-1.0, 1.0, 0.3, -0.3], (copies, 1, 2))
        _, reward, terminated, truncated, info = env.step(torques)
        for b, model in enumerate(models):
            rolling = model.v
            model.step(torques[b, 0])
            row = env.engine.state[b]
            assert row[BALL:EVENT] == pytest.approx(model.row(), abs=1e-9)
            put(row, model.p, model.v, model.a, model.w)
            assert info["descriptor"][b] == pytest.approx([model.p.real, model.p.imag])
            assert reward[b, 0] == pytest.approx(paid(model.p, scale) if t == steps - 1 else 0.0, abs=1e-9)
            assert gap(row) == pytest.approx(model.gap(), abs=1e-12)
            assert model.gap() > -1e-9 and max(abs(model.p.real), abs(model.p.imag)) <= 1.35
            assert max(map(abs, model.w)) <= 1 and abs(model.v) <= 5 + 1e-12
            hits += abs(model.v - rolling) > 0.02
            limits += abs(model.a[0]) == math.pi / 2
        assert terminated.tolist() == truncated.tolist() == [t == steps - 1] * copies
    assert hits > 200 and limits > 200 and sum(m.jams for m in models) > 50


def test_ball_slides_as_far_as_dry_friction_lets_it():
    """From speed v: h (v - k f h) in step k until that is 0; in continuous time v^2 / (2 f)."""
    env = gym.make(ID)
    env.reset(seed=0)
    row = env.unwrapped.engine.state[0]
    put(row, p=-0.8 + 0.9j, v=0.6 + 0j)
    expected = sum(H * (0.6 - 0.5 * k * H) for k in range(1, 73))  # 0.6 / (0.5 h) = 72 steps
    for _ in range(80):
        env.step(np.zeros(2, np.float32))
    assert row[BALL] == pytest.approx(-0.8 + expected, abs=1e-9)
    assert expected == pytest.approx(0.6**2 / (2 * 0.5), abs=0.006)
    assert row[VELOCITY] == row[VELOCITY + 1] == 0.0


def test_walls_and_links_return_their_share_of_the_speed():
    env = gym.make(ID)
    env.reset(seed=0)
    row = env.unwrapped.engine.state[0]
    put(row, p=1.349 + 1.0j, v=1.0 - 0.5j)
    env.step(np.zeros(2, np.float32))
    left = 1 - 0.5 * H / math.hypot(1, 0.5)  # share of the speed that friction leaves
    assert row[VELOCITY : VELOCITY + 2] == pytest.approx([-0.8 * left, -0.5 * left])
    assert row[BALL] == 1.35
    put(row, p=-0.201 + 0.0j, v=1.0 + 0j)  # into the upright arm at rest
    env.step(np.zeros(2, np.float32))
    assert row[VELOCITY : VELOCITY + 2] == pytest.approx([-0.5 * (1 - 0.5 * H), 0.0], abs=1e-12)
    assert row[BALL] == pytest.approx(-0.2)
    put(row, p=-0.201 + 0.0j, w=(1.0, 0.0))  # the arm swings into the ball at rest, 1.5 from its base
    env.step(np.array([1.0, 0.0], np.float32))
    assert math.hypot(*row[VELOCITY : VELOCITY + 2]) == pytest.approx(1.5 * 1.5, rel=0.01)


def test_arm_at_rest_never_adds_energy():
    env = payoff.multi_agent_vec(ID, 500, max_steps=2000)
    env.reset(seed=0)
    draw = np.random.default_rng(1)
    for row in env.engine.state:
        while True:
            put(row, complex(*draw.uniform(-1.35, 1.35, 2)), a=draw.uniform(-1, 1, 2) * (math.pi / 2, math.pi))
            if gap(row) > 0:
                break
        row[VELOCITY : VELOCITY + 2] = draw.uniform(-3, 3, 2)
    posture = env.engine.state[:, ANGLE : ANGLE + 2].copy()
    speed = np.hypot(*env.engine.state[:, VELOCITY : VELOCITY + 2].T)
    for _ in range(600):
        env.step(np.zeros((500, 1, 2)))
        now = np.hypot(*env.engine.state[:, VELOCITY : VELOCITY + 2].T)
        assert (now <= np.maximum(0.0, speed - 0.5 * H) + 1e-12).all()
        assert min(gap(row) for row in env.engine.state) > -1e-9
        speed = now
    assert (speed == 0).all() and (env.engine.state[:, ANGLE : ANGLE + 2] == posture).all()


def test_jammed_ball_stops_the_arm_until_it_turns_back():
    env = gym.make(ID)
    env.reset(seed=0)
    row = env.unwrapped.engine.state[0]
    angle = math.radians(-80)  # link 2 comes down on the ball at the right wall
    put(row, p=1.35 - 0.5j, a=(0.0, angle))
    captions = [GAME.captions[env.step(np.array([-1.0, 0.0], np.float32))[4]["caption"]] for _ in range(150)]
    assert captions[0] == "moved" and captions[-1] == "jammed the ball"
    assert gap(row) > -1e-9 and row[BALL] == 1.35
    stuck = row[ANGLE]
    assert row[SPEED] == 0.0 and -math.pi / 2 < stuck < 0.0
    for _ in range(60):
        env.step(np.array([1.0, 0.0], np.float32))
    assert row[ANGLE] > stuck + 0.1


def test_reference_is_replayed_by_the_model():
    """Errors of rounding grow about twentyfold on the way: they stay far below 1e-9."""
    model, params = Reference(), CurlingParams()
    row = np.zeros(LAYOUT.size)
    put(row)
    value, steps = GAME.optimum(params, row)
    assert steps == 500 and 0.999 < value <= GAME.bound(params) == 1.0
    touched = 0
    for t in range(500):
        put(row, model.p, model.v, model.a, model.w)
        row[CLOCK] = t
        assert GAME.optimum(params, row)[0] == pytest.approx(value, abs=1e-9)
        action = GAME.policy(params, row)
        assert np.abs(action).max() <= 1
        model.step(action)
        touched += abs(model.gap()) < 1e-9
    assert paid(model.p) == pytest.approx(value, abs=1e-9)
    assert abs(model.p - GOALS[0][0]) < 2e-4 and touched > 0 and model.jams == 0
    row[CLOCK] = 500
    assert GAME.optimum(params, row) == (0.0, 501)
    row[CLOCK], row[OVER] = 499, 1
    assert GAME.optimum(params, row) == (0.0, 501)


def test_pushing_at_once_leads_away_from_the_goals():
    """Whatever a constant torque moves from the start, the ball ends left of where it began, or was never touched."""
    grid = np.linspace(-1, 1, 21)
    torques = np.array([(a, b) for a in grid for b in grid])
    env = payoff.multi_agent_vec(ID, len(torques), autoreset_mode="disabled")
    env.reset(seed=0)
    for _ in range(60):
        env.step(torques[:, None])
    x = env.engine.state[:, BALL]
    assert (x <= -0.5).all() and (x < -0.6).sum() > 20


def test_observation_and_errors():
    for observe, size in (("full", 8), ("private", 6), ("minimal", 6), (Observe(clock=True), 9)):
        env = gym.make(ID, observe=observe, max_steps=4)
        assert env.reset(seed=0)[0].shape == (size,)
    put(env.unwrapped.engine.state[0], -1.2 + 0.3j, 2.5 - 5j, (math.pi / 4, -math.pi / 2), (0.5, -1.0))
    seen = env.unwrapped.engine.look()[0, 0]
    assert seen == pytest.approx([0.1, 0.6, 0.75, 0.25, 0.75, 0.0, 0.75, 0.0, 0.0], abs=1e-6)
    assert env.step(np.zeros(2, np.float32))[0][8] == 0.25
    for keywords, message in (
        ({"goal_scale": 0.0}, r"goal_scale must be a number in \[0.01, 10\], got 0.0"),
        ({"max_steps": 0}, "max_steps must be an integer at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            gym.make(ID, **keywords)
    for name in ("velocity", "clock"):
        with pytest.raises(ValueError, match=f"observe.{name} must be True or False, got 1"):
            Observe(**{name: 1})
