"""KeyRoom against an independent reading of its rules on a character map."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import payoff
from payoff.envs import registry
from payoff.envs.core import rng
from payoff.envs.core.params import record
from payoff.envs.core.state import CLOCK, OVER
from payoff.envs.sparse import key_room, key_room_sight
from payoff.envs.sparse.key_room import KeyRoomParams

ID = "payoff/KeyRoom-v0"
GAME = registry.load(ID)
LAYOUT = GAME.shape(KeyRoomParams()).layout
LEFT, RIGHT, FORWARD, PICK_UP, OPEN = range(5)


def remaining(size, row):
    return key_room.remaining(record(KeyRoomParams(size=size)), *LAYOUT.open(row))


@pytest.mark.parametrize("size", [5, 6, 8, 13])
def test_least_steps_left_are_those_of_a_search(room, size):
    params = KeyRoomParams(size=size)
    for row in room.start_rows(6, size=size):
        distances = room.Reference(size, row).distances()
        assert len(distances) > 4 * size
        for state, steps in distances.items():
            assert remaining(size, room.place(row, state)) == steps
        assert GAME.optimum(params, row) == (1.0, distances[room.state_of(row)])


@pytest.mark.parametrize("size", [5, 8, 32])
def test_layouts_are_valid_and_at_least_two_sizes_long(room, size):
    for row in room.start_rows(300, size=size):
        (s,) = LAYOUT.open(row)
        (x, y), (key_x, key_y), (goal_x, goal_y) = (s.x, s.y), (s.key_x, s.key_y), (s.goal_x, s.goal_y)
        wall, door = s.wall, s.door
        assert 2 <= wall <= size - 3
        assert {1, size - 2} >= {min(1, y, key_y, goal_y, door), max(size - 2, y, key_y, goal_y, door)}
        assert 1 <= x < wall and 1 <= key_x < wall < goal_x <= size - 2
        assert (x, y) != (key_x, key_y)
        assert 2 * size <= remaining(size, row) <= 5 * size - 11


def test_starts_vary_over_everything(room):
    rows = room.start_rows(3000, size=7)
    for name, values in (("wall", 3), ("door", 5), ("heading", 4)):
        assert len(np.unique(LAYOUT.view(rows, name))) == values
    for names in (("x", "y"), ("key_x", "key_y"), ("goal_x", "goal_y")):
        places = np.stack([LAYOUT.view(rows, name) for name in names], axis=1)
        assert len(np.unique(places, axis=0)) == 15  # 3 columns of 5


@pytest.mark.parametrize("size", [5, 8, 32])
def test_progress_spans_the_unit_interval(room, size):
    row = room.far_corners(size)
    env = payoff.multi_agent_vec(ID, 1, size=size)
    env.reset(seed=0)
    env.engine.state[0] = row
    assert remaining(size, row) == 5 * size - 11
    assert env.engine.features(env.engine.state)["progress"] == [0.0]
    env.engine.state[0] = room.place(row, (size - 2, size - 2, 0, True, True))
    assert env.engine.features(env.engine.state)["progress"] == [1.0]


def test_no_state_has_more_steps_left_than_progress_allows():
    mdp = payoff.as_mdp(ID, starts=range(400), size=6)
    left = [remaining(6, row) for row in mdp.states]
    assert max(left) <= 19
    assert {steps == 0 for steps, end in zip(left, mdp.terminal, strict=True) if end} == {True}


def best_action(room, size, row):
    reference, state = room.Reference(size, row), room.state_of(row)
    after = [reference.step(state, a) for a in range(5)]
    return min(range(5), key=lambda a: remaining(size, room.place(row, after[a])))


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
    assert GAME.captions[info["caption"]] == "reached the goal" and progress[-1] == 1.0
    assert info["payoff"] == [1.0]


def test_episode_is_truncated_at_the_horizon_and_then_worth_nothing():
    env = gym.make(ID, size=5)  # 8 size = 40 steps
    env.reset(seed=0)
    flags = [env.step(LEFT)[2:4] for _ in range(40)]
    assert flags == [(False, False)] * 39 + [(False, True)]
    row = env.unwrapped.engine.state[0]
    steps = remaining(5, row)
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
    assert set(GAME.captions) == {"the episode began", *SCENES}


@pytest.mark.parametrize("caption", SCENES)
def test_caption_says_what_happened(room, caption):
    state, action = SCENES[caption]
    env = gym.make(ID, size=7)
    _, info = env.reset(seed=0)
    assert GAME.captions[info["caption"]] == "the episode began"
    row = room.place(room.far_corners(7), state)
    env.unwrapped.engine.state[0] = row
    _, reward, terminated, _, info = env.step(action)
    assert GAME.captions[info["caption"]] == caption
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
    params = KeyRoomParams(size=7, layouts=4, view=5)
    p, view = record(params), GAME.plan([params], [0], "private").table.view(np.recarray)[0]
    draw = np.random.default_rng(1)
    for row in rows:
        action, again = np.array([float(draw.integers(5))]), row.copy()
        (s,), (t,) = LAYOUT.open(row), LAYOUT.open(again)
        paid, paid_again = np.zeros((2, 1))
        assert key_room.remaining(p, s) == key_room.remaining.py_func(p, s)
        assert key_room.step(p, s, action, paid) == key_room.step.py_func(p, t, action, paid_again)
        assert row.tobytes() == again.tobytes() and paid.tobytes() == paid_again.tobytes()
        seen, seen_again = np.zeros((2, 126), dtype=np.float32)
        key_room_sight.look(p, s, view, seen)
        key_room_sight.look.py_func(p, s, view, seen_again)
        assert seen.tobytes() == seen_again.tobytes()
        key_room.start(p, s)
        key_room.start.py_func(p, t)
        assert row.tobytes() == again.tobytes()


def test_inner_functions_do_what_their_source_says(room):
    p = record(KeyRoomParams(size=7))
    for row in room.random_rows(7, 60, seed=4):
        (s,) = LAYOUT.open(row)
        for function, width, size in (
            (key_room_sight.see_window, 5, 126),
            (key_room_sight.see_grid, 6, 6 * 36 + 16),
            (key_room_sight.see_ahead, 0, 6),
        ):
            seen, again = np.full((2, size), np.float32(0.5))
            assert function(p, s, width, seen) == function.py_func(p, s, width, again)
            assert seen.tobytes() == again.tobytes()
        again = row.copy()
        key_room.lay_out(p, s)
        key_room.lay_out.py_func(p, *LAYOUT.open(again))
        assert row.tobytes() == again.tobytes()
    for dx, dy, heading, last in np.ndindex(5, 5, 4, 4):
        arguments = (dx - 2, dy - 2, heading, last)
        assert key_room.walk(*arguments) == key_room.walk.py_func(*arguments)


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
