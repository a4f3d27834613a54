"""HardMaze: its rules once more in plain Python, and where its walls let a robot go."""

import cmath
import math

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.state import CLOCK, OVER
from payoff.envs.sparse.hard_maze import HardMazeParams, Observe

ID = "payoff/HardMaze-v0"
GAME = registry.load(ID)
LAYOUT = GAME.shape(GAME.params()).layout
X, Y, HEADING = (LAYOUT.column(name) for name in ("x", "y", "heading"))
OUTER = [(0, 600), (600, 600 + 600j), (600 + 600j, 600j), (600j, 0)]
OUTER = [(complex(a), complex(b)) for a, b in OUTER]
INNER = [  # the table of the page
    (0 + 270j, 180 + 270j),
    (180 + 360j, 180 + 100j),
    (180 + 360j, 450 + 360j),
    (600 + 240j, 270 + 240j),
    (270 + 240j, 270 + 130j),
    (320 + 600j, 320 + 430j),
]
WALLS = {"open": OUTER, "maze": OUTER + INNER}
GOALS = (60 + 60j, 100 + 200j)


def nearest_point(at, wall):
    a, b = wall
    along = ((at - a) * (b - a).conjugate()).real / abs(b - a) ** 2
    return a + min(1.0, max(0.0, along)) * (b - a)


def nearest_wall(at, walls):
    return min((nearest_point(at, w) for w in walls), key=lambda q: abs(q - at))


def move(at, heading, left, right, walls):
    """A step: position, heading and the two bumpers."""
    heading += (right - left) / 20
    there = at + (left + right) / 2 * cmath.exp(1j * heading)
    touched = nearest_wall(there, walls)
    if abs(touched - there) >= 10:
        return there, heading, (0, 0)
    seen = (touched - there) * cmath.exp(-1j * heading) / abs(touched - there)  # ahead is 1, left is 1j
    ahead = seen.real >= 0
    return at, heading, (int(ahead and seen.imag >= -0.1), int(ahead and seen.imag <= 0.1))


def measured(at, way, walls):
    """Range in a direction: solve for the crossing with each wall."""
    found = [100.0]
    for a, b in walls:
        matrix = np.array([[way.real, (a - b).real], [way.imag, (a - b).imag]])
        if abs(np.linalg.det(matrix)) > 1e-9:
            distance, share = np.linalg.solve(matrix, [(a - at).real, (a - at).imag])
            if distance >= 0 and 0 <= share <= 1:
                found.append(distance)
    return min(found)


def scatter(env, walls, draw):
    """Put every copy at a random pose where it fits."""
    for row in env.engine.state:
        at = 0j
        while abs(nearest_wall(at, walls) - at) < 10:
            at = complex(*draw.uniform(10, 590, 2))
        row[X], row[Y], row[HEADING] = at.real, at.imag, draw.uniform(0, 2 * math.pi)


@pytest.mark.parametrize("walls", ["maze", "open"])
def test_rules_along_random_play(walls):
    """Wheels that mostly run forwards, from everywhere: every wall is met."""
    copies, steps = 48, 150
    env = payoff.multi_agent_vec(ID, copies, walls=walls, max_steps=steps, diameter=300.0, autoreset_mode="disabled")
    env.reset(seed=0)
    draw = np.random.default_rng(0)
    scatter(env, WALLS[walls], draw)
    pose = [(complex(r[X], r[Y]), r[HEADING]) for r in env.engine.state]
    pressed = np.zeros(2)
    for t in range(steps):
        sent = np.clip(draw.normal(0.7, 0.6, (copies, 1, 2)), -1, 1)
        obs, reward, terminated, truncated, info = env.step(sent)
        for b in range(copies):
            at, heading, bumpers = move(*pose[b], *(4 * sent[b, 0]), WALLS[walls])
            pose[b] = (at, heading)
            pressed += bumpers
            row = env.engine.state[b]
            assert complex(row[X], row[Y]) == pytest.approx(at, abs=1e-9)
            assert cmath.exp(1j * row[HEADING]) == pytest.approx(cmath.exp(1j * heading), abs=1e-12)
            assert tuple(obs[b, 0, 3:5]) == bumpers
            assert obs[b, 0, 5:] == pytest.approx([at.real / 600, at.imag / 600, heading / math.tau % 1], abs=1e-6)
            assert info["descriptor"][b] == pytest.approx([at.real / 600, at.imag / 600])
            assert abs(nearest_wall(at, WALLS[walls]) - at) >= 10 - 1e-9
            assert reward[b, 0] == pytest.approx(
                max(0.0, *(1 - abs(at - g) / 150 for g in GOALS)) if t == steps - 1 else 0.0, abs=1e-12
            )
            if t % 15 == 0:
                ways = [cmath.exp(1j * (heading + turn)) for turn in (math.pi / 4, 0, -math.pi / 4)]
                ranges = [measured(at, way, WALLS[walls]) / 100 for way in ways]
                assert obs[b, 0, :3] == pytest.approx(ranges, abs=1e-5)
        assert terminated.tolist() == truncated.tolist() == [t == steps - 1] * copies
    assert pressed.min() > 50


@pytest.mark.parametrize(
    ("heading", "bumpers"), [(0, (1, 1)), (45, (0, 1)), (-45, (1, 0)), (180, (0, 0)), (3, (1, 1)), (7, (0, 1))]
)
def test_bumpers_say_where_the_wall_is(heading, bumpers):
    """A wall to the east of a robot that heads there, or turned anticlockwise by so many degrees."""
    env = gym.make(ID, actions="native")
    env.reset(seed=0)
    row = env.unwrapped.engine.state[0]
    row[[X, Y, HEADING]] = 589.5, 300.0, math.radians(heading) % math.tau
    forwards = 1.0 if abs(heading) < 90 else -1.0
    obs, _, _, _, info = env.step(np.full(2, 4.0 * forwards, np.float32))
    assert tuple(obs[3:5]) == bumpers and GAME.captions[info["caption"]] == "ran into a wall"
    assert row[X] == 589.5


def follow(walls, max_steps=2000):
    """Poses of the reference, one a step, in the model of this file."""
    params = HardMazeParams(walls=walls, max_steps=max_steps)
    row = np.zeros(LAYOUT.size)
    at, heading = 60 + 450j, math.pi / 4
    path = [at]
    for _ in range(max_steps):
        row[[X, Y, HEADING]] = at.real, at.imag, heading % math.tau
        action = GAME.policy(params, row)
        assert np.abs(action).max() <= 1
        at, heading, bumpers = move(at, heading, *(4 * action), WALLS[walls])
        assert bumpers == (0, 0)
        path.append(at)
    return np.array(path)


@pytest.mark.parametrize(("walls", "steps", "length"), [("maze", 274, 1031), ("open", 69, 253)])
def test_reference_stops_in_the_middle_of_a_goal(walls, steps, length):
    path = follow(walls, max_steps=300)
    away = np.min([abs(path - g) for g in GOALS], axis=0)
    assert np.argmax(away < 1e-9) == steps and (away[steps:] < 1e-9).all()
    assert abs(np.diff(path)).sum() == pytest.approx(length, abs=0.5)
    row = np.zeros(LAYOUT.size)
    row[[X, Y, HEADING]] = 60, 450, math.pi / 4
    for horizon in (2000, steps):
        params = HardMazeParams(walls=walls, max_steps=horizon)
        assert GAME.optimum(params, row) == (pytest.approx(1.0, abs=1e-9), horizon)
        assert GAME.bound(params) == 1.0
    sooner = HardMazeParams(walls=walls, max_steps=steps - 20)
    promised = max(0.0, *(1 - abs(path[steps - 20] - g) / 50 for g in GOALS))
    assert GAME.optimum(sooner, row)[0] == pytest.approx(promised, abs=1e-9)
    row[CLOCK] = 2000
    assert GAME.optimum(HardMazeParams(walls=walls), row) == (0.0, 2001)
    row[CLOCK], row[OVER] = 0, 1
    assert GAME.optimum(HardMazeParams(walls=walls), row) == (0.0, 2001)


def test_reference_finds_the_goal_from_everywhere():
    env = payoff.multi_agent_vec(ID, 400)
    env.reset(seed=0)
    scatter(env, WALLS["maze"], np.random.default_rng(3))
    for row in env.engine.state:
        assert GAME.optimum(HardMazeParams(), row)[0] == pytest.approx(1.0, abs=1e-9), row[[X, Y]]


@pytest.mark.parametrize(("walls", "arrives"), [("maze", False), ("open", True)])
def test_driving_towards_a_goal_ends_in_the_dead_end(walls, arrives):
    for goal in GOALS:
        at, heading = 60 + 450j, math.pi / 4
        for _ in range(500):
            turn = cmath.phase((goal - at) * cmath.exp(-1j * heading))
            pace = 4 - 10 * min(0.4, abs(turn))
            side = 10 * min(0.4, max(-0.4, turn))
            at, heading, _ = move(
                at, heading, min(pace, abs(goal - at)) - side, min(pace, abs(goal - at)) + side, WALLS[walls]
            )
        assert (abs(at - goal) < 1) == arrives
        assert (max(1 - abs(at - g) / 50 for g in GOALS) > 0) == arrives
        if not arrives:
            assert 270 < at.imag < 290 and at.real < 180


def test_observation_and_errors():
    for observe, size in (("full", 8), ("private", 5), ("minimal", 5), (Observe(pose=False, clock=True), 6)):
        env = gym.make(ID, observe=observe, max_steps=4)
        obs, _ = env.reset(seed=0)
        assert obs.shape == (size,)
    # at the start: to the left up to y = 600, ahead nothing within 100, to the right nothing
    assert obs == pytest.approx([1, 1, 1, 0, 0, 0])
    assert env.step(np.zeros(2, np.float32))[0][5] == 0.25
    env = gym.make(ID, max_steps=4)
    env.reset(seed=0)
    env.unwrapped.engine.state[0, [X, Y, HEADING]] = 60.0, 300.0, math.pi / 2
    # up to the left at 45 degrees is the outer wall, 60 away; the dead end is open ahead
    assert env.unwrapped.engine.look()[0, 0, :3] == pytest.approx([0.6 * math.sqrt(2), 1, 1])
    for keywords, message in (
        ({"walls": "none"}, "walls must be one of 'maze', 'open', got 'none'"),
        ({"diameter": 0.0}, r"diameter must be a number in \[1, 1200\], got 0.0"),
        ({"max_steps": 0}, "max_steps must be an integer at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            gym.make(ID, **keywords)
    for name in ("pose", "clock"):
        with pytest.raises(ValueError, match=f"observe.{name} must be True or False, got 1"):
            Observe(**{name: 1})
