"""CliffWalk against the book's example and its rules written down once more."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.params import record
from payoff.envs.sparse.cliff_walk import CliffWalkParams, remaining
from payoff.envs.theory import tabular

ID = "payoff/CliffWalk-v0"
GAME = registry.load(ID)
UP, RIGHT, DOWN, LEFT = range(4)
CELL = GAME.shape(CliffWalkParams()).layout.column("cell")
MOVES = {UP: (-1, 0), RIGHT: (0, 1), DOWN: (1, 0), LEFT: (0, -1)}


def end(height, width, cell, action):
    """(next cell, fell, reached)."""
    y = min(max(cell // width + MOVES[action][0], 0), height - 1)
    x = min(max(cell % width + MOVES[action][1], 0), width - 1)
    if y == height - 1 and 0 < x < width - 1:
        return (height - 1) * width, True, False
    return y * width + x, False, (y, x) == (height - 1, width - 1)


def successors(height, width, cell, action, slip, sparse):
    """[(next cell, payoff, probability, over)]."""
    found = []
    for taken, p in [(action, 1 - slip)] + [(a, slip / 4) for a in range(4)]:
        after, fell, reached = end(height, width, cell, taken)
        found.append((after, float(reached) if sparse else -100.0 if fell else -1.0, p, reached))
    return found


@pytest.mark.parametrize("variant", ["cost", "sparse"])
@pytest.mark.parametrize(("height", "width", "slip"), [(4, 12, 0.0), (4, 12, 0.1), (2, 3, 0.5), (6, 5, 1.0)])
def test_model_follows_the_rules(height, width, slip, variant):
    model = payoff.as_mdp(ID, starts=[0], height=height, width=width, slip=slip, variant=variant)
    assert model.n_states == (height - 1) * width + 2  # all but the cliff
    cells = model.states[:, CELL].astype(int)
    for s, a in np.ndindex(model.n_states, 4):
        if model.terminal[s]:
            assert cells[s] == height * width - 1
            continue
        found, expected = {}, {}
        for k in range(model.next_state.shape[2]):
            after = model.next_state[s, a, k]
            event = (cells[after], model.reward[s, a, k], bool(model.terminal[after]))
            found[event] = found.get(event, 0.0) + model.probability[s, a, k]
        for after, pay, p, over in successors(height, width, cells[s], a, slip, variant == "sparse"):
            expected[after, pay, over] = expected.get((after, pay, over), 0.0) + p
        live = {event: p for event, p in found.items() if p > 0}
        assert live == pytest.approx({event: p for event, p in expected.items() if p > 0}, abs=1e-15)


def test_the_book_s_numbers():
    """Sutton and Barto, example 6.6: the optimal path along the edge is worth -13, the safe one along the top -17."""
    model = payoff.as_mdp(ID, starts=[0])
    assert GAME.optimum(CliffWalkParams(), model.states[0]) == (-13.0, 13)
    assert tabular.value_iteration(model, 1.0 - 1e-15).values[0] == pytest.approx(-13.0, abs=1e-9)

    def walk(path):
        env = gym.make(ID)
        env.reset(seed=0)
        steps = [env.step(a) for a in path]
        return sum(s[1] for s in steps), steps[-1][2], GAME.captions[steps[-1][4]["caption"]]

    assert walk([UP] + [RIGHT] * 11 + [DOWN]) == (-13.0, True, "reached the goal")
    assert walk([UP] * 3 + [RIGHT] * 11 + [DOWN] * 3) == (-17.0, True, "reached the goal")
    assert walk([RIGHT]) == (-100.0, False, "fell off the cliff")
    assert walk([UP, RIGHT, DOWN, UP]) == (-103.0, False, "walked")


def test_least_steps_by_search():
    for height, width in ((4, 12), (2, 5), (7, 3)):
        goal = height * width - 1
        cells = [c for c in range(goal) if c // width < height - 1 or c % width == 0]
        steps = {goal: 0}
        while len(steps) <= len(cells):
            reached = {
                c: 1 + min(steps[e] for e in (end(height, width, c, a)[0] for a in range(4)) if e in steps)
                for c in cells
                if c not in steps and any(end(height, width, c, a)[0] in steps for a in range(4))
            }
            steps |= reached
        p = record(CliffWalkParams(height=height, width=width))
        for cell in cells:
            assert remaining(p, cell) == steps[cell]


@pytest.mark.parametrize("slip", [0.05, 0.4])
def test_optimum_with_slips(slip):
    params = CliffWalkParams(slip=slip)
    values = np.zeros(48)
    for _ in range(100):
        values = np.array(
            [
                0.0
                if c == 47
                else max(
                    sum(p * (r + values[n]) for n, r, p, _ in successors(4, 12, c, a, slip, False)) for a in range(4)
                )
                for c in range(48)
            ]
        )
    row = payoff.as_mdp(ID, starts=[0], slip=slip).states[0]
    value, steps = GAME.optimum(params, row)
    assert value == pytest.approx(values[36], abs=1e-9) and steps == 13
    assert value < -17.0  # neither the edge nor the safe path is free of falls


def test_a_slippery_edge_is_avoided():
    """With slips the best action beside the cliff leads away from it; without, along it."""
    row = payoff.as_mdp(ID, starts=[0]).states[0].copy()
    row[CELL] = 2 * 12 + 3
    assert GAME.policy(CliffWalkParams(), row) == [RIGHT]
    assert GAME.policy(CliffWalkParams(slip=0.3), row) == [UP]


def test_random_success_of_the_sparse_variant_at_the_hard_level():
    assert GAME.levels["hard"] == {"variant": "sparse", "width": 24}
    chance = np.zeros(96)
    for _ in range(100):
        chance = np.array(
            [
                np.mean([1.0 if over else chance[n] for a in range(4) for n, over in [end(4, 24, c, a)[::2]]])
                if c != 95
                else 0.0
                for c in range(96)
            ]
        )
    model = payoff.as_mdp(ID, starts=[0], **GAME.levels["hard"])
    exact = tabular.success_probability(model, tabular.uniform_policy(model), 100)[0]
    assert exact == pytest.approx(chance[72], rel=1e-9)
    assert exact < 1e-4


def test_sparse_variant_and_dense_auxiliary_reward():
    env = gym.make(ID, variant="sparse", aux="dense")
    _, info = env.reset(seed=0)
    assert info["progress"] == pytest.approx(1 - 13 / 14)
    steps = [env.step(a) for a in [UP] + [RIGHT] * 11 + [DOWN]]
    assert [s[1] for s in steps] == [0.0] * 12 + [1.0]
    np.testing.assert_allclose([s[4]["aux"] for s in steps], 1 / 14)
    env.reset()
    env.step(UP)
    env.step(RIGHT)
    _, reward, terminated, _, info = env.step(DOWN)
    assert (reward, terminated, GAME.captions[info["caption"]]) == (0.0, False, "fell off the cliff")
    assert info["aux"] == pytest.approx(-2 / 14)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"height": 1}, "height must be"),
        ({"width": 65}, r"width must be an integer in 3 \.\. 64, got 65"),
        ({"slip": -1}, "slip must be"),
        ({"variant": "dense"}, "variant must be one of 'cost', 'sparse', got 'dense'"),
        ({"aux": "good"}, "aux must be one of"),
        ({"max_steps": 0}, "max_steps must be"),
    ],
)
def test_bad_parameters_are_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        CliffWalkParams(**keywords)
