"""MultiRoom against an independent reading of its rules on a character map."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.params import record
from payoff.envs.core.state import CLOCK, OVER
from payoff.envs.mdp import as_mdp
from payoff.envs.sparse import multi_room
from payoff.envs.sparse.multi_room import SETTINGS, MultiRoomParams, Observe
from payoff.envs.theory import tabular

ID = "payoff/MultiRoom-v0"
GAME = registry.load(ID)
LAYOUT = GAME.shape(MultiRoomParams()).layout
MOVES = [(1, 0), (0, 1), (-1, 0), (0, -1)]  # right, down, left, up
SHAPES = [(2, 1, 2), (3, 3, 5), (5, 2, 4), (12, 1, 3)]  # rooms, width, height


def fields(row):
    (s,) = LAYOUT.open(row)
    found = {"cell": (s.x, s.y), "goal": (s.goal_x, s.goal_y), "doors": s.doors}
    return {name: np.array(value, dtype=int) for name, value in found.items()}


class Reference:
    """A map of characters (x, y) -> "#" border, "." floor, "D" door, "G" goal, drawn room by room."""

    def __init__(self, params, row):
        f = fields(row)
        self.lava = params.lava
        self.map = {}
        left = 0
        for room in range(params.rooms):
            for y in range(params.height + 2):
                self.map[left, y] = "#"
                for x in range(left + 1, left + params.width + 1):
                    self.map[x, y] = "." if 1 <= y <= params.height else "#"
            if room > 0:
                self.map[left, f["doors"][room - 1]] = "D"
            left += params.width + 1
        self.map.update({(left, y): "#" for y in range(params.height + 2)})
        self.map[tuple(f["goal"])] = "G"
        self.start = tuple(f["cell"])

    def step(self, cell, action):
        """Next cell, payoff, whether it is over, and the caption."""
        ahead = (cell[0] + MOVES[action][0], cell[1] + MOVES[action][1])
        content = self.map[ahead]
        if content == "#":
            return (ahead, 0.0, True, "fell into the lava") if self.lava else (cell, 0.0, False, "bumped into a wall")
        done = content == "G"
        return ahead, float(done), done, {".": "walked", "D": "went through a door", "G": "reached the goal"}[content]

    def distances(self):
        (goal,) = (c for c, what in self.map.items() if what == "G")
        found, queue = {goal: 0}, [goal]
        for x, y in queue:
            for dx, dy in MOVES:
                near = (x + dx, y + dy)
                if self.map.get(near, "#") != "#" and near not in found:
                    found[near] = found[x, y] + 1
                    queue.append(near)
        return found


def start_rows(count, seed=0, **keywords):
    env = payoff.multi_agent_vec(ID, count, **keywords)
    env.reset(seed=seed)
    return env.engine.state.copy()


def place(row, cell):
    row = row.copy()
    (s,) = LAYOUT.open(row)
    s.x, s.y = cell
    return row


def as_keywords(shape):
    return dict(zip(("rooms", "width", "height"), shape, strict=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_least_steps_left_are_those_of_a_search(shape):
    params = MultiRoomParams(**as_keywords(shape))
    for row in start_rows(20, **as_keywords(shape)):
        distances = Reference(params, row).distances()
        assert len(distances) == shape[0] * shape[1] * shape[2] + shape[0] - 1
        for cell, steps in distances.items():
            assert multi_room.remaining(record(params), *LAYOUT.open(place(row, cell))) == steps
            if steps > 0:
                after, *_ = Reference(params, row).step(cell, int(GAME.policy(params, place(row, cell))[0]))
                assert distances[after] == steps - 1


@pytest.mark.parametrize("lava", [True, False])
def test_play_follows_the_rules(lava):
    params = MultiRoomParams(rooms=3, width=2, height=3, lava=lava, max_steps=200)
    env = gym.make(ID, rooms=3, width=2, height=3, lava=lava, max_steps=200)
    draw = np.random.default_rng(1)
    met = set()
    for seed in range(60):
        env.reset(seed=seed)
        row = env.unwrapped.engine.state[0]
        reference = Reference(params, row)
        cell, over, truncated = reference.start, False, False
        while not (over or truncated):
            action = int(draw.integers(4) if draw.random() < 0.3 else GAME.policy(params, row)[0])
            cell, paid, over, caption = reference.step(cell, action)
            _, reward, terminated, truncated, info = env.step(action)
            assert (reward, terminated, GAME.captions[info["caption"]]) == (paid, over, caption)
            assert tuple(fields(env.unwrapped.engine.state[0])["cell"]) == cell
            if caption == "fell into the lava":
                assert info["progress"] == 0.0
            met.add(caption)
    assert met == set(GAME.captions) - {"the episode began", ("bumped into a wall", "fell into the lava")[not lava]}


@pytest.mark.parametrize("lava", [True, False])
def test_random_success_is_that_of_the_map(lava):
    keywords = {"rooms": 2, "width": 2, "height": 3, "lava": lava}
    params = MultiRoomParams(**keywords)
    for seed in range(4):
        row = start_rows(1, seed=seed, **keywords)[0]
        reference = Reference(params, row)
        cells = [c for c, what in reference.map.items() if what in ".D"]
        value = dict.fromkeys(reference.map, 0.0)
        for _ in range(params.horizon):
            outcomes = {c: [reference.step(c, a) for a in range(4)] for c in cells}
            value |= {c: np.mean([1.0 if p else 0.0 if d else value[n] for n, p, d, _ in outcomes[c]]) for c in cells}
        model = as_mdp(ID, starts=[seed], **keywords)
        chance = tabular.success_probability(model, tabular.uniform_policy(model), params.horizon)
        assert chance[model.initial > 0] == pytest.approx(value[reference.start], abs=1e-12)


def test_longest_way_is_between_corners_with_doors_in_turn():
    params = MultiRoomParams(rooms=4, width=3, height=5, lava=False)
    env = gym.make(ID, rooms=4, width=3, height=5, lava=False)
    env.reset(seed=0)
    row = env.unwrapped.engine.state[0]
    (s,) = LAYOUT.open(row)
    s.x, s.y, s.goal_x, s.goal_y = 1, 1, 15, 1
    s.doors[:] = [5, 1, 5] + [0] * 8
    assert GAME.optimum(params, row) == (1.0, 14 + 4 * 4) and params.longest == 30
    assert env.unwrapped.engine.features(env.unwrapped.engine.state)["progress"] == [0.0]
    row[CLOCK] = params.horizon - 29
    assert GAME.optimum(params, row) == (0.0, 30)
    row[CLOCK], row[OVER] = 0, 1
    assert GAME.optimum(params, row)[0] == 0.0


def test_starts_vary_over_everything():
    found = [fields(row) for row in start_rows(2000)]
    starts, goals = ({tuple(f[name]) for f in found} for name in ("cell", "goal"))
    assert starts == {(x, y) for x in (1, 2, 3) for y in range(1, 6)}
    assert goals == {(x + 20, y) for x, y in starts}
    doors = np.array([f["doors"] for f in found])
    assert [set(doors[:, i]) for i in range(5)] == [{1, 2, 3, 4, 5}] * 5 and not doors[:, 5:].any()
    assert len({f["doors"].tobytes() + f["cell"].tobytes() + f["goal"].tobytes() for f in found}) > 1990


@pytest.mark.parametrize("shared", [0.0, 0.6])
def test_contexts_come_from_a_fixed_list(shared):
    def contexts(layouts, seed, count=300):
        return {row[5:].tobytes() for row in start_rows(count, seed=seed, layouts=layouts, shared=shared)}

    few, more = contexts(3, 0), contexts(10, 0)
    assert len(few) == 3 and len(more) == 10 and few < more
    assert contexts(3, 10**6) == few and len(contexts(1, 5)) == 1


def test_draws_among_contexts_leave_the_stream_of_the_copy_alone():
    fixed, own = start_rows(1, seed=3, layouts=5, shared=0.5)[0], start_rows(1, seed=3, shared=0.5)[0]
    assert fixed[1] == own[1] and (fixed[2], own[2]) == (0.0, 0.0)  # key, first episode
    assert (fixed[3], own[3]) == (1.0, 14.0)  # draws: which context; start, goal and five doors, two each


def test_shared_structure_grows_with_the_keyword():
    (base,) = {row[5:].tobytes() for row in start_rows(50, shared=1.0)}
    base_doors = fields(start_rows(1, shared=1.0)[0])["doors"][:5]
    assert {row[5:].tobytes() for row in start_rows(50, shared=1.0, layouts=7)} == {base}
    same = {}
    for s in (0.0, 0.3, 0.8):
        doors = np.array([fields(row)["doors"][:5] for row in start_rows(2000, shared=s)])
        same[s] = doors == base_doors
        expected = s + (1 - s) / 5  # an own row may happen to be the common one
        assert abs(same[s].mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / same[s].size)
    assert (same[0.0] <= same[0.3]).all() and (same[0.3] <= same[0.8]).all()


def observe(rows, setting, **keywords):
    env = payoff.multi_agent_vec(ID, len(rows), observe=setting, **keywords)
    env.reset(seed=0)
    return env.engine.look(np.array(rows))[:, 0].astype(float), env.engine.plan.names


def unsquash(v):
    u = 2 * v - 1
    return np.rint(u / (1 - abs(u)))


def rows_anywhere(params, count=60):
    rows = start_rows(count, rooms=params.rooms, width=params.width, height=params.height)
    draw = np.random.default_rng(0)
    return [
        place(row, cells[draw.integers(len(cells))])
        for row in rows
        for cells in [list(Reference(params, row).distances())]
    ]


def test_state_and_exit_can_be_read_from_the_full_observation():
    params = MultiRoomParams()
    rows = rows_anywhere(params)
    seen, names = observe(rows, "full")
    assert len(names) == 11
    for row, obs in zip(rows, seen, strict=True):
        f = fields(row)
        scale = np.array([24, 6])
        assert np.rint(obs[:2] * scale).tolist() == f["cell"].tolist()
        assert np.rint(obs[2:4] * scale).tolist() == f["goal"].tolist()
        assert np.rint(obs[6:] * 6).tolist() == f["doors"][:5].tolist()
        room = f["cell"][0] // 4
        ahead = f["goal"] if room == 5 else np.array([4 * room + 4, f["doors"][room]])
        assert unsquash(obs[4:6]).tolist() == (ahead - f["cell"]).tolist()


def test_room_features_are_those_of_the_map_and_alike_in_every_room():
    params = MultiRoomParams()
    rows = rows_anywhere(params)
    seen, names = observe(rows, "private")
    assert len(names) == 3 + 3 * 5 + 6
    for row, obs in zip(rows, seen, strict=True):
        f, reference = fields(row), Reference(params, row)
        x, y = f["cell"]
        room = x // 4
        ahead = f["goal"] if room == 5 else np.array([4 * room + 4, f["doors"][room]])
        shown = {name for name, v in zip(names, obs, strict=True) if v == 1.0}
        around = {"right": (x + 1, y), "below": (x, y + 1), "left": (x - 1, y), "above": (x, y - 1)}
        expected = {f"column in the room[{x % 4}]", f"row[{y}]", f"exit below[{ahead[1] - y:+d}]"}
        expected |= {f"border[{way}]" for way, cell in around.items() if reference.map[cell] == "#"}
        assert shown == expected | ({"last room"} if room == 5 else set())
        assert unsquash(obs[names.index("exit to the right")]) == ahead[0] - x


def test_cells_are_one_hot_and_position_is_two_numbers():
    rows = rows_anywhere(MultiRoomParams())
    (cells, names), (position, short) = observe(rows, "cells"), observe(rows, Observe(scope="position", clock=True))
    assert len(names) == 23 * 5 and short == ("column", "row", "clock")
    for row, one_hot, pair in zip(rows, cells, position, strict=True):
        x, y = fields(row)["cell"]
        assert one_hot.sum() == 1.0 and names[int(one_hot.argmax())] == f"cell[{x},{y}]"
        assert pair == pytest.approx([x / 24, y / 6, 0.0])
    row = place(rows[0], (0, 3))  # fell into the frame
    assert observe([row], "cells")[0].sum() == 0.0
    np.testing.assert_array_equal(observe(rows, "minimal")[0], observe(rows, "position")[0])
    np.testing.assert_array_equal(observe(rows, "private")[0], observe(rows, "room")[0])


def test_copies_of_a_batch_may_differ_in_size():
    env = payoff.multi_agent_vec(ID, 2, rooms=[3, 6], height=[5, 2])
    obs, _ = env.reset(seed=0)
    assert obs.shape == (2, 1, 11) and not obs[0, 0, 8:].any() and obs[1, 0, 6:].all()
    with pytest.raises(ValueError, match=r"height must be the same in all copies .* got \[2, 5\]"):
        payoff.multi_agent_vec(ID, 2, observe="room", height=[5, 2])
    with pytest.raises(ValueError, match=r"rooms must be the same in all copies .* got \[3, 6\]"):
        payoff.multi_agent_vec(ID, 2, observe="cells", rooms=[3, 6])


def test_compiled_functions_do_what_their_source_says():
    p = record(MultiRoomParams(shared=0.5))
    draw = np.random.default_rng(2)
    for row in rows_anywhere(MultiRoomParams()):
        action, paid, again = np.array([float(draw.integers(4))]), np.zeros((2, 1)), row.copy()
        (s,) = LAYOUT.open(row)
        ended = multi_room.step(p, s, action, paid[0])
        assert ended == multi_room.step.py_func(p, *LAYOUT.open(again), action, paid[1])
        np.testing.assert_array_equal(row, again)
        np.testing.assert_array_equal(paid[0], paid[1])
        for setting in SETTINGS:
            plan = GAME.plan([MultiRoomParams()], [0], setting)
            view, seen = plan.table.view(np.recarray)[0], np.zeros((2, len(plan.names)), dtype=np.float32)
            multi_room.look(p, s, view, seen[0])
            multi_room.look.py_func(p, s, view, seen[1])
            np.testing.assert_array_equal(seen[0], seen[1])


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"rooms": 1}, "rooms must be an integer in 2 .. 12, got 1"),
        ({"height": 1}, "height must be an integer in 2 .. 16, got 1"),
        ({"shared": 1.5}, r"shared must be a number in \[0, 1\], got 1.5"),
        ({"lava": 2}, "lava must be True or False, got 2"),
        ({"layouts": 0}, "layouts must be an integer in 1 .. 2147483648, got 0"),
        ({"observe": "map"}, "observe must be one of 'full', 'private', .* got 'map'"),
    ],
)
def test_what_is_not_allowed_is_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        gym.make(ID, **keywords)
    with pytest.raises(ValueError, match=r"observe.scope must be one of 'symbols', 'room'"):
        Observe(scope="map")
