"""FourRooms against a map drawn by hand, and exact values from the rules alone."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.game import Episode
from payoff.envs.sparse.four_rooms import FourRoomsParams
from payoff.envs.theory import tabular

ID = "payoff/FourRooms-v0"
GAME = registry.load(ID)
UP, LEFT, DOWN, RIGHT = range(4)
LAYOUT = GAME.shape(FourRoomsParams()).layout
CELL = LAYOUT.column("cell")
MOVES = {UP: (0, 1), LEFT: (-1, 0), DOWN: (0, -1), RIGHT: (1, 0)}

# cells are dots, walls between them # and gates a space; the top line is the row y = 6
MAP = """
. . .#. . . .
. . . . . . .
. . .#. . . .
. . .#. . . .
#   #####   #
. . .#. . . .
. . . . . . .
. . .#. . . .
"""


def open_ways_of_the_map():
    """Pairs of cells (x, y) that a step connects, read off MAP."""
    lines = MAP.strip("\n").splitlines()
    rows = [line for line in lines if "." in line][::-1]
    (wall,) = (line for line in lines if "." not in line)
    gates_below = {x for x in range(7) if wall[2 * x] == " "}
    ways = set()
    for y, line in enumerate(rows):
        for x in range(7):
            if x < 6 and line[2 * x + 1] == " ":
                ways |= {((x, y), (x + 1, y)), ((x + 1, y), (x, y))}
            if y < 6 and (y != 2 or x in gates_below):
                ways |= {((x, y), (x, y + 1)), ((x, y + 1), (x, y))}
    return ways


def ways_of_size(n, half, gates):
    ways = set()
    for x in range(n):
        for y in range(n):
            if x + 1 < n and (x + 1 != half or y in gates):
                ways |= {((x, y), (x + 1, y)), ((x + 1, y), (x, y))}
            if y + 1 < n and (y + 1 != half or x in gates):
                ways |= {((x, y), (x, y + 1)), ((x, y + 1), (x, y))}
    return ways


def reference(n, ways, slip, lure):
    """(cell, action) -> {(next cell, payoff): probability}."""
    found = {}
    for cell in range(n * n):
        x, y = cell % n, cell // n

        def end(action, x=x, y=y, cell=cell):
            if cell == 0 and action in (LEFT, DOWN):
                return n * n
            near = (x + MOVES[action][0], y + MOVES[action][1])
            return near[1] * n + near[0] if ((x, y), near) in ways else cell

        for action in range(4):
            pay = 1.0 if (cell, action) == (n * n - 1, RIGHT) else 0.01 if (cell, action) == (lure, UP) else 0.0
            outcomes = {}
            for taken, p in [(action, 1 - slip)] + [(a, slip / 4) for a in range(4)]:
                outcomes[end(taken), pay] = outcomes.get((end(taken), pay), 0.0) + p
            found[cell, action] = outcomes
    return found


def law(**keywords):
    model = payoff.as_mdp(ID, starts=[0], **keywords)
    cells = model.states[:, CELL].astype(int)
    found = {}
    for s, a, k in np.ndindex(model.next_state.shape):
        if not model.terminal[s]:
            outcomes = found.setdefault((cells[s], a), {})
            event = (cells[model.next_state[s, a, k]], model.reward[s, a, k])
            outcomes[event] = outcomes.get(event, 0.0) + model.probability[s, a, k]
    return found


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for key, outcomes in found.items():
        assert outcomes == pytest.approx(expected[key], abs=1e-15)


@pytest.mark.parametrize("distractor", [False, True])
def test_model_follows_the_map(distractor):
    assert_same(law(distractor=distractor), reference(7, open_ways_of_the_map(), 0.05, 1 if distractor else None))


@pytest.mark.parametrize(("size", "half", "gates"), [(5, 2, (0, 4)), (6, 3, (0, 5)), (11, 5, (2, 8)), (19, 9, (5, 13))])
def test_larger_rooms(size, half, gates):
    assert_same(law(size=size, slip=0.2), reference(size, ways_of_size(size, half, gates), 0.2, None))


def shortest(ways, start, goal):
    steps, queue = {start: 0}, [start]
    for at in queue:
        for a, b in ways:
            if a == at and b not in steps:
                steps[b] = steps[at] + 1
                queue.append(b)
    return steps[goal]


def test_exact_optimum():
    ways = open_ways_of_the_map()
    assert shortest(ways, (1, 1), (6, 6)) == 10
    model = payoff.as_mdp(ID, starts=[0], slip=0.0)
    assert GAME.optimum(FourRoomsParams(slip=0.0), model.states[0]) == (20.0, 11)  # 30 steps, 10 to walk
    rules, values = reference(7, ways, 0.05, None), np.zeros((2, 50))
    for _ in range(30):
        for i, gamma in enumerate((1.0, 0.99)):
            values[i, :49] = [
                max(sum(p * (r + gamma * values[i, n]) for (n, r), p in rules[c, a].items()) for a in range(4))
                for c in range(49)
            ]
    model = payoff.as_mdp(ID, starts=[0])
    assert model.n_states == 50
    assert GAME.optimum(FourRoomsParams(), model.states[0]) == (pytest.approx(values[0, 8], abs=1e-10), 11)
    assert tabular.finite_horizon(model, None, 30, 0.99)[0] == pytest.approx(values[1, 8], abs=1e-10)


def test_random_success_at_the_hard_level():
    """Uniform play makes every move with probability 1/4, slips or not; it succeeds choosing right in the goal."""
    params = FourRoomsParams(**GAME.levels["hard"])
    assert params.size == 19 and params.horizon == 90
    rules = reference(19, ways_of_size(19, 9, (5, 13)), params.slip, None)
    goal, success = 19 * 19 - 1, np.zeros(19 * 19 + 1)
    for _ in range(90):
        success[: goal + 1] = [
            np.mean([sum(p * (1.0 if r > 0 else success[n]) for (n, r), p in rules[c, a].items()) for a in range(4)])
            for c in range(goal + 1)
        ]
    model = payoff.as_mdp(ID, starts=[0], **GAME.levels["hard"])
    exact = tabular.success_probability(model, tabular.uniform_policy(model), 90)[0]
    assert exact == pytest.approx(success[20], rel=1e-10)
    assert exact < 1e-5


def test_walls_stop_and_gates_do_not():
    env = gym.make(ID, slip=0.0, aux="dense")
    _, info = env.reset(seed=0)
    assert info["progress"] == pytest.approx(1 - 10 / 13)  # the corner (0, 0) is 12 away
    path = [RIGHT, RIGHT, RIGHT, RIGHT, UP, UP, UP, UP, UP, RIGHT, RIGHT, RIGHT]
    rewards, extra = [], 0.0
    for action in path:
        _, reward, _, _, info = env.step(action)
        rewards.append(reward)
        extra += info["aux"]
    assert rewards == [0.0] * 10 + [1.0, 1.0] and GAME.captions[info["caption"]] == "was paid in the goal"
    assert extra == pytest.approx(10 / 13) and info["progress"] == 1.0
    env.reset()
    captions = [GAME.captions[env.step(a)[4]["caption"]] for a in (UP, RIGHT, RIGHT, LEFT)]
    assert captions == ["walked", "walked", "bumped into a wall", "walked"]
    env.reset()
    for a in (LEFT, DOWN, LEFT):
        _, _, terminated, _, info = env.step(a)
    assert terminated and GAME.captions[info["caption"]] == "fell out of the corner" and info["progress"] == 0.0


def test_distractor_is_payoff_or_auxiliary_reward():
    for keywords, payoffs, extras in (
        ({"distractor": True}, [0, 0.01], [0, 0]),
        ({"aux": "misleading"}, [0, 0], [0, 0.01]),
    ):
        env = gym.make(ID, slip=0.0, **keywords)
        env.reset(seed=0)
        steps = [env.step(a) for a in (DOWN, UP)]
        assert [s[1] for s in steps] == payoffs
        assert [s[4]["aux"] for s in steps] == extras
    last = np.zeros(LAYOUT.size)
    assert not GAME.success(FourRoomsParams(), Episode(np.array([[0.01]]), last, False))
    assert GAME.success(FourRoomsParams(), Episode(np.array([[1.0]]), last, False))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"size": 4}, r"size must be an integer in 5 \.\. 32, got 4"),
        ({"start": 49}, r"start must be an integer in 0 \.\. 48"),
        ({"goal": -1}, "goal must be"),
        ({"distractor_cell": 1.0}, "distractor_cell must be"),
        ({"slip": -0.1}, "slip must be"),
        ({"distractor": 1}, "distractor must be True or False"),
        ({"aux": None}, "aux must be one of"),
        ({"max_steps": 0}, "max_steps must be"),
    ],
)
def test_bad_parameters_are_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        FourRoomsParams(**keywords)
