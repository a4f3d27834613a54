"""KeyRoom against an independent reading of its rules on a character map."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import payoff
from payoff.envs import registry
from payoff.envs.core import loop, rng
from payoff.envs.core.state import CLOCK, OVER
from payoff.envs.sparse import key_room_kernels as kernels
from payoff.envs.sparse.key_room import KeyRoomParams
from payoff.envs.sparse.key_room_kernels import LAYOUT

ID = "payoff/KeyRoom-v0"
GAME = registry.load(ID)
LEFT, RIGHT, FORWARD, PICK_UP, OPEN = range(5)


@pytest.mark.parametrize("size", [5, 6, 8, 13])
def test_least_steps_left_are_those_of_a_search(room, size):
    params = KeyRoomParams(size=size)
    for row in room.start_rows(6, size=size):
        distances = room.Reference(size, row).distances()
        assert len(distances) > 4 * size
        for state, steps in distances.items():
            assert kernels.remaining(size, room.place(row, state)) == steps
        assert GAME.optimum(params, row) == (1.0, distances[room.state_of(row)])


@pytest.mark.parametrize("size", [5, 8, 32])
def test_layouts_are_valid_and_at_least_two_sizes_long(room, size):
    for row in room.start_rows(300, size=size):
        (x, y), (key_x, key_y), (goal_x, goal_y) = (LAYOUT.view(row[None], n)[0] for n in ("cell", "key", "goal"))
        wall, door = LAYOUT.view(row[None], "wall")[0], LAYOUT.view(row[None], "door")[0]
        assert 2 <= wall <= size - 3
        assert {1, size - 2} >= {min(1, y, key_y, goal_y, door), max(size - 2, y, key_y, goal_y, door)}
        assert 1 <= x < wall and 1 <= key_x < wall < goal_x <= size - 2
        assert (x, y) != (key_x, key_y)
        assert 2 * size <= kernels.remaining(size, row) <= 5 * size - 11


def test_starts_vary_over_everything(room):
    rows = room.start_rows(3000, size=7)
    for name, values in (("wall", 3), ("door", 5), ("heading", 4)):
        assert len(np.unique(LAYOUT.view(rows, name))) == values
    for name in ("cell", "key", "goal"):
        assert len(np.unique(LAYOUT.view(rows, name), axis=0)) == 15  # 3 columns of 5


@pytest.mark.parametrize("size", [5, 8, 32])
def test_progress_spans_the_unit_interval(room, size):
    row = room.far_corners(size)
    env = payoff.multi_agent_vec(ID, 1, size=size)
    env.reset(seed=0)
    env.engine.state[0] = row
    assert kernels.remaining(size, row) == 5 * size - 11
    assert env.engine.features()["progress"] == [0.0]
    env.engine.state[0] = room.place(row, (size - 2, size - 2, 0, True, True))
    assert env.engine.features()["progress"] == [1.0]


def test_no_state_has_more_steps_left_than_progress_allows():
    mdp = payoff.as_mdp(ID, starts=range(400), size=6)
    left = [kernels.remaining(6, row) for row in mdp.states]
    assert max(left) <= 19
    assert {steps == 0 for steps, end in zip(left, mdp.terminal, strict=True) if end} == {True}


def best_action(room, size, row):
    reference, state = room.Reference(size, row), room.state_of(row)
    after = [reference.step(state, a) for a in range(5)]
    return min(range(5), key=lambda a: kernels.remaining(size, room.place(row, after[a])))


@pytest.mark.parametrize("seed", range(5))
def test_optimal_play_takes_the_stated_steps_and_is_paid_once(room, seed):
    env = gym.make(ID, size=8, observe="minimal")
    _, info = env.reset(seed=seed)
    engine = env.unwrapped.engine
    value, steps = GAME.optimum(KeyRoomParams(size=8), engine.state[0])
    progress, rewards, ended = [info["progress"]], [], False
    while not ended:
        _, reward, ended, truncated, info = env.step(best_action(room, 8, engine.state[0]))
        progress.append(info["progress"])
        rewards.append(reward)
        assert not truncated
    assert (sum(rewards), len(rewards), rewards[-1], value) == (1.0, steps, 1.0, 1.0)
    np.testing.assert_allclose(np.diff(progress), 1 / 29, rtol=1e-9)
    assert info["caption"] == "reached the goal" and progress[-1] == 1.0
    assert info["payoff"] == [1.0] and info["true_reward"] == 1.0


def test_episode_is_truncated_at_the_horizon_and_then_worth_nothing():
    env = gym.make(ID, size=5)  # 8 size = 40 steps
    env.reset(seed=0)
    flags = [env.step(LEFT)[2:4] for _ in range(40)]
    assert flags == [(False, False)] * 39 + [(False, True)]
    row = env.unwrapped.engine.state[0]
    steps = kernels.remaining(5, row)
    assert GAME.optimum(KeyRoomParams(size=5), row) == (0.0, steps)
    row[OVER] = 0
    for clock, value in ((40 - steps, 1.0), (41 - steps, 0.0)):
        row[CLOCK] = clock
        assert GAME.optimum(KeyRoomParams(size=5), row) == (value, steps)


SCENES = {  # caption -> (state, action) in the far corners of size 7: wall 4, door (4, 1), key (1, 5), goal (5, 5)
    "turned left": ((3, 1, 0, False, False), LEFT),
    "turned right": ((3, 1, 0, False, False), RIGHT),
    "walked": ((3, 1, 1, False, False), FORWARD),
    "bumped into a wall": ((3, 1, 3, False, False), FORWARD),
    "bumped into the key": ((2, 5, 2, False, False), FORWARD),
    "bumped into the locked door": ((3, 1, 0, True, False), FORWARD),
    "found nothing to pick up": ((3, 1, 0, False, False), PICK_UP),
    "picked up the key": ((2, 5, 2, False, False), PICK_UP),
    "found nothing to open": ((3, 2, 0, True, False), OPEN),
    "could not open the door without the key": ((3, 1, 0, False, False), OPEN),
    "opened the door": ((3, 1, 0, True, False), OPEN),
    "reached the goal": ((5, 4, 1, True, True), FORWARD),
}


def test_every_caption_has_a_scene():
    assert set(kernels.CAPTIONS) == {"the episode began", *SCENES}


@pytest.mark.parametrize("caption", SCENES)
def test_caption_says_what_happened(room, caption):
    state, action = SCENES[caption]
    env = gym.make(ID, size=7)
    _, info = env.reset(seed=0)
    assert info["caption"] == "the episode began"
    row = room.place(room.far_corners(7), state)
    env.unwrapped.engine.state[0] = row
    _, reward, terminated, _, info = env.step(action)
    assert info["caption"] == caption
    assert room.state_of(env.unwrapped.engine.state[0]) == room.Reference(7, row).step(state, action)
    assert (reward, terminated) == (float(caption == "reached the goal"), caption == "reached the goal")


def test_layouts_come_from_a_fixed_list():
    def contexts(layouts, count, seed):
        env = payoff.multi_agent_vec(ID, count, layouts=layouts)
        env.reset(seed=seed)
        return {row[5:].tobytes() for row in env.engine.state}

    few, more = contexts(3, 200, 0), contexts(12, 400, 0)
    assert len(few) == 3 and len(more) == 12 and few < more
    assert contexts(3, 200, 10**6) == few
    assert len(contexts(1, 50, 7)) == 1
    assert len(contexts(None, 200, 0)) > 190


def test_draws_among_layouts_leave_the_stream_of_the_copy_alone():
    row = np.zeros((1, LAYOUT.size))
    row[0, 1] = rng.seed_key(3)
    env = payoff.multi_agent_vec(ID, 1, layouts=5)
    env.reset(seed=3)
    after = env.engine.state[0]
    assert (after[1], after[2], after[3]) == (row[0, 1], 0.0, 1.0)  # key, first episode, one draw: which context


def test_a_start_group_shares_its_layout_once():
    env = payoff.multi_agent_vec(ID, 4, max_steps=1, autoreset_mode="same_step")
    env.reset(seed=0, options={"group": [7, 7, 8, None]})
    first = env.engine.state[:, 5:].copy()
    assert (first[0] == first[1]).all() and (first[0] != first[2]).any() and (first[0] != first[3]).any()
    env.step(np.zeros((4, 1), dtype=int))
    second = env.engine.state[:, 5:]
    assert (second[0] != second[1]).any()


@pytest.mark.parametrize("setting", ["full", "private", "minimal"])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_copy_does_the_same_in_a_batch_of_any_size(setting, mode):
    draw = np.random.default_rng(5).integers(0, 5, (120, 64))

    def play(count, threads=1):
        env = gym.make_vec(
            ID,
            num_envs=count,
            vectorization_mode="vector_entry_point",
            autoreset_mode=mode,
            observe=setting,
            size=5,
            max_steps=30,
            num_threads=threads,
        )
        trace = [env.reset(seed=0)[0]]
        for actions in draw:
            obs, reward, terminated, truncated, info = env.step(actions[:count])
            trace.append(
                np.hstack([obs, np.stack([reward, terminated, truncated, info["progress"], info["caption"]], 1)])
            )
        return [t[0] for t in trace], [t[:7] for t in trace if len(t) >= 7]

    (alone, _), (of_seven, seven), (of_many, many) = play(1), play(7), play(64, threads=2)
    for a, b, c in zip(alone, of_seven, of_many, strict=True):
        assert a.tobytes() == b.tobytes() == c.tobytes()
    for b, c in zip(seven, many, strict=True):
        assert b.tobytes() == c.tobytes()


def test_compiled_functions_do_what_their_source_says(room):
    rows = room.random_rows(7, 150, seed=3)
    params = tuple(p.view(np.recarray) for p in GAME.pack([KeyRoomParams(size=7, layouts=4)]))
    table = GAME.plan([KeyRoomParams(size=7, view=5)], [0], "private").table.view(np.recarray)
    draw = np.random.default_rng(1)
    for row in rows:
        action, work, again = np.array([[float(draw.integers(5))]]), np.zeros((loop.WORK_ROWS, 1)), row.copy()
        work_again = work.copy()
        assert kernels.remaining(7, row) == kernels.remaining.py_func(7, row)
        ended = kernels.step_row(params, 0, row, action, work)
        assert ended == kernels.step_row.py_func(params, 0, again, action, work_again)
        assert row.tobytes() == again.tobytes() and work.tobytes() == work_again.tobytes()
        seen, seen_again = np.zeros((2, 1, 126), dtype=np.float32)
        kernels.observe_row(table, 0, row, seen)
        kernels.observe_row.py_func(table, 0, row, seen_again)
        assert seen.tobytes() == seen_again.tobytes()
        kernels.reset_row(params, 0, row)
        kernels.reset_row.py_func(params, 0, again)
        assert row.tobytes() == again.tobytes()


def test_inner_functions_do_what_their_source_says(room):
    for row in room.random_rows(7, 60, seed=4):
        for function, arguments, size in (
            (kernels._see_window, (7, 5), 126),
            (kernels._see_grid, (7, 6), 6 * 36 + 16),
            (kernels._see_ahead, (7,), 6),
        ):
            seen, again = np.full((2, size), np.float32(0.5))
            assert function(*arguments, row, seen) == function.py_func(*arguments, row, again)
            assert seen.tobytes() == again.tobytes()
        again = row.copy()
        kernels._draw(7, row)
        kernels._draw.py_func(7, again)
        assert row.tobytes() == again.tobytes()
    for dx, dy, heading, last in np.ndindex(5, 5, 4, 4):
        arguments = (dx - 2, dy - 2, heading, last)
        assert kernels._walk(*arguments) == kernels._walk.py_func(*arguments)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"size": 4}, r"size must be an integer in 5 \.\. 32, got 4"),
        ({"size": 33}, r"size must be an integer in 5 \.\. 32, got 33"),
        ({"max_steps": 0}, "max_steps must be an integer at least 1, got 0"),
        ({"layouts": 0}, "layouts must be an integer in 1"),
        ({"view": 4}, "view must be odd, got 4"),
        ({"view": 1}, "view must be an integer in 3"),
    ],
)
def test_bad_parameter_is_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        KeyRoomParams(**keywords)
