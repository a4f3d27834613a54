"""RepeatMaze: its walks, its optimum against a full search over beliefs, and play against its rules."""

from functools import cache

import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.game import Episode
from payoff.envs.core.state import OVER
from payoff.envs.sparse.repeat_maze import WALKS, RepeatMazeParams, search_value

ID = "payoff/RepeatMaze-v0"
GAME = registry.load(ID)
LAYOUT = GAME.shape(RepeatMazeParams()).layout
optimum, policy = GAME.optimum, GAME.policy
MOVES = [(-1, 0), (1, 0), (0, -1), (0, 1)]
BY_LETTER = dict(zip("UDLR", MOVES, strict=True))


def fields(row):
    return {name: LAYOUT.view(row[None], name)[0] for name in LAYOUT.shapes}


def start_row(seed=0, **keywords):
    env = payoff.multi_agent_vec(ID, 1, **keywords)
    env.reset(seed=seed)
    return env.engine.state[0].copy()


@pytest.mark.parametrize("size", WALKS)
def test_walks_enter_as_many_new_cells_as_there_are_steps(size):
    seen = {(size // 2, size // 2)}
    for age, walk in enumerate(WALKS[size], start=1):
        assert len(walk) <= 2 * size
        y, x = size // 2, size // 2
        for letter in walk:
            y, x = y + BY_LETTER[letter][0], x + BY_LETTER[letter][1]
            assert 0 <= y < size and 0 <= x < size
            seen.add((y, x))
        assert len(seen) - 1 == min(2 * size * age, size**2 - 1)
    assert len(seen) == size**2


def best_search(size, episodes, rho):
    """Dynamic programming over beliefs, for every way to walk: the goal is in one of the cells not seen, all alike."""
    steps, middle = 2 * size, (size // 2, size // 2)
    cells = frozenset((y, x) for y in range(size) for x in range(size)) - {middle}

    @cache
    def known(left, goal):
        if left == 0:
            return 0.0
        distance = abs(goal[0] - middle[0]) + abs(goal[1] - middle[1])
        return float(distance <= steps) + next_task(left - 1, lambda: known(left - 1, goal))

    def next_task(left, stays):
        return rho * stays() + (1 - rho) * (search(left, middle, cells, 0) if left else 0.0)

    @cache
    def search(left, cell, hidden, used):
        if left == 0:
            return 0.0
        options = []
        for dy, dx in MOVES:
            to = (cell[0] + dy, cell[1] + dx)
            to = to if 0 <= to[0] < size and 0 <= to[1] < size else cell
            chance = 1 / len(hidden) if to in hidden else 0.0
            value = chance * (1.0 + next_task(left - 1, lambda to=to: known(left - 1, to))) if chance else 0.0
            rest = hidden - {to}
            if rest and used + 1 < steps:
                value += (1 - chance) * search(left, to, rest, used + 1)
            elif rest:
                value += (1 - chance) * next_task(left - 1, lambda rest=rest: search(left - 1, middle, rest, 0))
            options.append(value)
        return max(options)

    return search(episodes, middle, cells, 0)


@pytest.mark.parametrize(("episodes", "rho"), [(1, 1.0), (3, 1.0), (3, 0.5), (2, 0.25), (3, 0.0)])
def test_optimum_is_that_of_the_best_search(episodes, rho):
    params = RepeatMazeParams(size=3, episodes=episodes, structure=rho)
    row = start_row(size=3, episodes=episodes, structure=rho)
    assert optimum(params, row)[0] == pytest.approx(best_search(3, episodes, rho), abs=1e-12)


@pytest.mark.parametrize("rho", [0.0, 0.4, 0.9, 1.0])
@pytest.mark.parametrize("size", WALKS)
def test_optimum_is_the_sum_over_ages_of_the_goal(size, rho):
    """The goal of inner episode n has age i with probability rho^(i - 1) (1 - rho), and n with what is left."""
    episodes, total = 7, 0.0
    for n in range(1, episodes + 1):
        ages = {i: rho ** (i - 1) * (1 - rho) for i in range(1, n)} | {n: rho ** (n - 1)}
        total += sum(p * search_value(size, i) for i, p in ages.items())
    params = RepeatMazeParams(size=size, episodes=episodes, structure=rho)
    row = start_row(size=size, episodes=episodes, structure=rho)
    assert optimum(params, row)[0] == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize(("rho", "far"), [(0.5, 1), (1.0, 4)])
def test_a_goal_out_of_reach_is_a_step_away_where_it_may_move(rho, far):
    """One step is left and the goal is farther: then comes another inner episode, whose goal may be next to its start.

    Where goals stay it is as far from the middle as it is: 4 steps, in a corner of 5 x 5.
    """
    params = RepeatMazeParams(structure=rho)
    row, layout = start_row(structure=rho), GAME.shape(params).layout
    for name, value in {"goal": 0, "used": params.steps - 1, "found": 1}.items():
        row[layout.column(name)] = value
    assert optimum(params, row)[1] == 1 + far


def test_value_stated_on_the_page():
    assert optimum(RepeatMazeParams(), start_row())[0] == pytest.approx(8.622, abs=5e-4)
    assert "8.622 in all" in GAME.doc
    assert [search_value(5, i) for i in (1, 2, 3)] == [10 / 24, 20 / 24, 1.0]


def test_promise_is_kept_on_average_from_the_middle_of_a_search():
    """The optimum of each state on the way is the mean of the one after it and what was paid: a martingale."""
    params = RepeatMazeParams(structure=0.8, episodes=6)
    env = payoff.multi_agent_vec(ID, 3000, structure=0.8, episodes=6, autoreset_mode="next_step")
    env.reset(seed=0)
    for _ in range(12):
        running = env.engine.state[:, OVER] == 0.0
        before = np.array([optimum(params, row)[0] for row in env.engine.state])
        actions = np.array([policy(params, row)[0] for row in env.engine.state])
        _, reward, *_ = env.step(actions[:, None].astype(int))
        gap = (reward[:, 0] + [optimum(params, row)[0] for row in env.engine.state] - before)[running]
        assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(len(gap)) + 1e-12


def test_random_play_follows_the_rules():
    keywords = {"episodes": 5, "structure": 0.5, "context_len": 2}
    env = payoff.multi_agent_vec(ID, 400, autoreset_mode="disabled", **keywords)
    env.reset(seed=0)
    draw, stays, running = np.random.default_rng(0), [], np.ones(400, dtype=bool)
    past = [[] for _ in range(400)]
    for _ in range(20):
        before = env.engine.state.copy()
        actions = draw.integers(0, 4, 400)
        obs, reward, terminated, _, _ = env.step(actions[:, None])
        for b in range(400):
            old, new = fields(before[b]), fields(env.engine.state[b])
            y, x = divmod(int(old["cell"]), 5)
            to = (min(4, max(0, y + MOVES[actions[b]][0])), min(4, max(0, x + MOVES[actions[b]][1])))
            reached = to[0] * 5 + to[1] == old["goal"]
            assert reward[b, 0] == float(reached)
            past[b].insert(0, [*np.eye(4)[actions[b]], to[0] / 4, to[1] / 4, float(reached)])
            ends = reached or old["used"] == 9
            cell = (2, 2) if ends else to
            assert (new["cell"], new["used"]) == (cell[0] * 5 + cell[1], 0 if ends else old["used"] + 1)
            assert new["done"] == old["done"] + ends and terminated[b] == (new["done"] == 5)
            if not ends:
                assert new["goal"] == old["goal"] and new["visited"][to[0] * 5 + to[1]] == 1.0
            elif new["found"] or new["tries"]:
                assert new["goal"] == old["goal"]
                stays.append(True)
            else:
                assert new["visited"].sum() == 1.0
                stays.append(False)
            window = np.concatenate((past[b] + [[0.0] * 7] * 21)[:21])
            np.testing.assert_allclose(obs[b, 0, : 2 + 147], [cell[0] / 4, cell[1] / 4, *window], rtol=1e-6)
            np.testing.assert_array_equal(obs[b, 0, 149:174], new["visited"][:25])
            where = [new["goal"] // 5 / 4, new["goal"] % 5 / 4] if new["found"] else [0, 0]
            np.testing.assert_allclose(obs[b, 0, 174:177], [new["found"], *where], rtol=1e-6)
        running &= ~terminated
        if not running.all():
            break
    assert abs(np.mean(stays) - 0.5) < 4 * 0.5 / np.sqrt(len(stays))


def test_goals_are_spread_over_all_cells_but_the_middle():
    env = payoff.multi_agent_vec(ID, 4800)
    env.reset(seed=0)
    counts = np.bincount(LAYOUT.view(env.engine.state, "goal").astype(int), minlength=25)
    assert counts[12] == 0
    others = np.delete(counts, 12)
    assert ((others - 200) ** 2 / 200).sum() < 50  # chi-square, 23 degrees of freedom: p about 0.001


def test_minimal_observation_hides_the_task():
    env = payoff.multi_agent_vec(ID, 1, observe="minimal")
    obs, _ = env.reset(seed=0)
    assert obs.shape == (1, 1, 9)
    np.testing.assert_allclose(obs[0, 0], [0.5, 0.5, 0, 0, 0, 0, 0, 0, 0])
    obs, reward, *_ = env.step(np.array([[3]]))
    if reward[0, 0] == 0.0:
        np.testing.assert_allclose(obs[0, 0], [0.5, 0.75, 0, 0, 0, 1, 0.5, 0.75, 0])


def test_off_the_walks_the_optimum_is_refused_and_the_policy_goes_on():
    params, row = RepeatMazeParams(), start_row()
    fields(row)["visited"][11] = 1.0
    with pytest.raises(ValueError, match="search follows WALKS"):
        optimum(params, row)
    LAYOUT.view(row[None], "visited")[0, 7] = 1.0
    assert policy(params, row) == 3.0  # up and left were seen, right is the nearest that was not
    LAYOUT.view(row[None], "found")[0] = 1.0
    LAYOUT.view(row[None], "goal")[0] = 0
    assert policy(params, row) == 0.0
    assert optimum(params, row)[1] == 4


def test_where_the_horizon_cuts_the_optimum_is_refused():
    with pytest.raises(ValueError, match="only for max_steps of at least 100, got 99"):
        optimum(RepeatMazeParams(max_steps=99), start_row(max_steps=99))
    assert optimum(RepeatMazeParams(max_steps=100), start_row())[0] == optimum(RepeatMazeParams(), start_row())[0]


def test_a_known_goal_too_far_for_this_inner_episode_waits_for_the_next():
    params = RepeatMazeParams(structure=1.0, episodes=3)
    row = start_row(structure=1.0, episodes=3)
    for name, value in (("found", 1), ("goal", 0), ("cell", 24), ("used", 5), ("done", 1)):
        LAYOUT.view(row[None], name)[0] = value
    assert optimum(params, row) == (1.0, 5 + 4)  # eight steps away, five are left
    LAYOUT.view(row[None], "used")[0] = 2
    assert optimum(params, row) == (2.0, 8)
    row[OVER] = 1.0
    assert optimum(params, row)[0] == 0.0


def test_success_is_half_of_the_inner_episodes():
    params, last = RepeatMazeParams(), np.zeros(LAYOUT.size)
    for total, good in ((5, True), (4, False)):
        payoffs = (np.arange(60) < total).astype(float)[:, None]
        assert GAME.success(params, Episode(payoffs, last, True)) is good


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"size": 4}, "size must be one of 3, 5, 7, got 4"),
        ({"size": 9}, r"size must be an integer in 3 \.\. 7"),
        ({"structure": -0.1}, r"structure must be a number in \[0, 1\]"),
        ({"episodes": 0}, "episodes must be an integer in 1"),
        ({"context_len": 7}, r"context_len must be an integer in 0 \.\. 6"),
    ],
)
def test_bad_parameter_is_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        RepeatMazeParams(**keywords)
