"""TwoUsers against value iteration over the maze as it is printed in the module."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.mdp import as_mdp
from payoff.envs.sparse import two_users
from payoff.envs.sparse.two_users import TwoUsersParams

ID = "payoff/TwoUsers-v0"
GAME = registry.load(ID)
STAY, UP, RIGHT, DOWN, LEFT = range(5)
WAYS = [(0, 0), (-1, 0), (0, 1), (1, 0), (0, -1)]
CELL = GAME.shape(TwoUsersParams()).layout.column("cell")


def free_cells(layout):
    """Cells that are no wall: those of the printed maze, or all but the rim."""
    cells = [(i, j) for i in range(9) for j in range(12)]
    if layout == "open":
        return {(i, j) for i, j in cells if 0 < i < 8 and 0 < j < 11}
    return {(i, j) for i, j in cells if two_users.MAZE[i][j] != "#"}


def goal(user):
    return next((i, line.index(str(user))) for i, line in enumerate(two_users.MAZE) if str(user) in line)


def after(cell, action, free):
    to = (cell[0] + WAYS[action][0], cell[1] + WAYS[action][1])
    return to if to in free else cell


def normalised_values(layout, user):
    """Optimal discounted values by sweeps: the goal is worth 1 and ends everything; then stretched to [0, 1]."""
    free = free_cells(layout)
    value = dict.fromkeys(free, 0.0)
    for _ in range(60):
        value = {c: 1.0 if c == goal(user) else 0.99 * max(value[after(c, a, free)] for a in range(5)) for c in free}
    least = min(value.values())
    return {c: (v - least) / (1.0 - least) for c, v in value.items()}


def test_the_goals_are_in_opposite_corners_and_their_distance_is_that_of_a_walk_by_hand():
    assert (goal(0), goal(1)) == ((1, 1), (7, 10))
    walk = [DOWN, DOWN, RIGHT, DOWN, DOWN, RIGHT, DOWN, RIGHT, RIGHT, RIGHT, UP, UP, RIGHT, RIGHT, RIGHT]
    env = gym.make(ID, user=1, start="other")
    env.reset(seed=0)
    assert env.unwrapped.engine.state[0, CELL] == 1 * 12 + 1
    for action in walk[:12]:  # up to (4, 6), by open cells only
        assert "walked" == env.unwrapped.caption(env.step(action)[4]["caption"])
    assert env.unwrapped.engine.state[0, CELL] == 4 * 12 + 6
    assert two_users.distances("maze")[0, 7 * 12 + 10] == two_users.distances("maze")[1, 13] == 15


@pytest.mark.parametrize("layout", ["maze", "open"])
def test_worths_are_normalised_optimal_values(layout):
    for user in range(2):
        expected = normalised_values(layout, user)
        found = two_users.worths(layout)[user].reshape(9, 12)
        for cell in ((i, j) for i in range(9) for j in range(12)):
            assert found[cell] == pytest.approx(expected.get(cell, 0.0), abs=1e-12)
        assert found.max() == 1.0


@pytest.mark.parametrize("layout", ["maze", "open"])
def test_play_is_a_walk_that_pays_the_user_and_reports_both(layout):
    free = free_cells(layout)
    worth = [normalised_values(layout, user) for user in range(2)]
    for user in range(2):
        env = gym.make(ID, user=user, layout=layout, max_steps=60)
        draw = np.random.default_rng(user)
        for seed in range(5):
            _, info = env.reset(seed=seed)
            cell = divmod(int(env.unwrapped.engine.state[0, CELL]), 12)
            assert cell in free
            np.testing.assert_allclose(info["reward_vector"], [w[cell] for w in worth], atol=1e-12)
            for t in range(60):
                action = int(draw.integers(5))
                assert info["action_mask"].tolist() == [a == STAY or after(cell, a, free) != cell for a in range(5)]
                bumped, cell = action != STAY and after(cell, action, free) == cell, after(cell, action, free)
                obs, reward, terminated, truncated, info = env.step(action)
                np.testing.assert_allclose(info["reward_vector"], [w[cell] for w in worth], atol=1e-12)
                assert reward == info["payoff"][0] == info["reward_vector"][user]
                assert (obs[:9].argmax(), obs[9:].argmax(), obs.sum()) == (*cell, 2.0)
                assert (terminated, truncated) == (False, t == 59)
                caption = GAME.captions[info["caption"]]
                assert (caption == "is in the goal") == (cell == goal(user))
                assert caption == "is in the goal" or (caption == "bumped into a wall") == bumped


def test_the_user_is_nowhere_seen():
    seen = []
    for user in range(2):
        env = gym.make(ID, user=user)
        frames = [env.reset(seed=3)[0]] + [env.step(a % 5)[0] for a in range(30)]
        seen.append(np.array(frames))
    np.testing.assert_array_equal(seen[0], seen[1])


def test_what_is_best_for_one_user_is_worth_little_to_the_other():
    """From either goal to the other 15 steps; the best walk of one user, judged by both."""
    for user in range(2):
        env = gym.make(ID, user=user, start="other")
        _, info = env.reset(seed=0)
        assert info["reward_vector"][1 - user] == 1.0
        promised = GAME.optimum(TwoUsersParams(user=user, start="other"), env.unwrapped.engine.state[0])[0]
        total, over = np.zeros(2), False
        while not over:
            action = int(GAME.policy(TwoUsersParams(user=user), env.unwrapped.engine.state[0])[0])
            _, _, _, over, info = env.step(action)
            total += info["reward_vector"]
        assert total[user] == pytest.approx(promised, abs=1e-9)
        assert total[user] > 90.0 and total[1 - user] < 30.0


@pytest.mark.parametrize("layout", ["maze", "open"])
def test_optimum_is_that_of_dynamic_programming_over_the_walk(layout):
    free, worth = free_cells(layout), normalised_values(layout, 1)
    value = dict.fromkeys(free, 0.0)
    for _ in range(25):
        value = {c: max(worth[after(c, a, free)] + value[after(c, a, free)] for a in range(5)) for c in free}
    params = TwoUsersParams(user=1, layout=layout, max_steps=25)
    env = payoff.multi_agent_vec(ID, len(free), user=1, layout=layout, max_steps=25)
    env.reset(seed=0)
    cells = sorted(free)
    env.engine.state[:, CELL] = [i * 12 + j for i, j in cells]
    for cell, row in zip(cells, env.engine.state, strict=True):
        assert GAME.optimum(params, row)[0] == pytest.approx(value[cell], abs=1e-9)
        assert env.engine.features(row[None])["progress"][0] == pytest.approx(
            1 - two_users.distances(layout)[1][int(row[CELL])] / two_users.distances(layout)[1].max()
        )


def test_every_cell_is_a_start_and_can_be_reached():
    for layout, cells in (("maze", 46), ("open", 70)):
        assert len(free_cells(layout)) == cells == as_mdp(ID, starts=[0], layout=layout).n_states
        env = payoff.multi_agent_vec(ID, 64 * cells, layout=layout)
        env.reset(seed=0)
        assert len(np.unique(env.engine.state[:, CELL])) == cells


def test_errors():
    for keywords, message in (
        ({"user": 2}, "user must be an integer in 0 .. 1, got 2"),
        ({"layout": "round"}, "layout must be one of 'maze', 'open', got 'round'"),
        ({"start": "goal"}, "start must be one of 'anywhere', 'other', got 'goal'"),
        ({"max_steps": 0}, "max_steps must be an integer at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            gym.make(ID, **keywords)
