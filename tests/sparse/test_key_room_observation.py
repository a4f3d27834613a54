"""What the seat of KeyRoom sees, read back to the map that it was made from."""

import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.state import CLOCK
from payoff.envs.sparse.key_room import SETTINGS, KeyRoomParams, Observe

ID = "payoff/KeyRoom-v0"
GAME = registry.load(ID)


def observe(rows, setting, **keywords):
    env = payoff.multi_agent_vec(ID, len(rows), observe=setting, **keywords)
    env.reset(seed=0)
    return env.engine.look(rows)[:, 0]


def test_the_grid_can_be_read_from_the_full_observation(room):
    rows = room.random_rows(8, 200)
    for row, obs in zip(rows, observe(rows, "full", size=8), strict=True):
        reference, state = room.Reference(8, row), room.state_of(row)
        planes = obs[:216].reshape(6, 6, 6)
        for y in range(6):
            for x in range(6):
                seen = "".join(c for c, plane in zip("#KDOG", planes, strict=False) if plane[y, x] == 1.0)
                assert seen == reference.look(state, x + 1, y + 1).strip(".")
        assert np.isin(planes, (0.0, 1.0)).all()
        assert np.argwhere(planes[5]).tolist() == [[state[1] - 1, state[0] - 1]]
        assert obs[216:220].tolist() == np.eye(4)[state[2]].tolist()
        squashed = obs[220:226].astype(np.float64) * 2 - 1
        away = np.rint(squashed / (1 - np.abs(squashed))).reshape(3, 2)
        f = np.array(room.moves[state[2]])
        for name, (ahead, right) in zip(("key", "door", "goal"), away, strict=True):
            where = np.array(state[:2]) + ahead * f + right * np.array([-f[1], f[0]])
            target = {"K": state[:2]} if name == "key" and state[3] else {}
            target |= {c: cell for cell, c in reference.cells.items() if c == name[0].upper() and c not in target}
            assert where.tolist() == list(target[name[0].upper()])
        dx, dy = room.moves[state[2]]
        ahead = reference.look(state, state[0] + dx, state[1] + dy)
        assert obs[226:].tolist() == [float(ahead == c) for c in "#KDOG"] + [float(state[3])]


@pytest.mark.parametrize("view", [3, 7, 15])
def test_the_window_is_the_grid_around_the_seat_turned(room, view):
    rows = room.random_rows(8, 100)
    radius = view // 2
    for row, obs in zip(rows, observe(rows, "private", size=8, view=view), strict=True):
        reference, state = room.Reference(8, row), room.state_of(row)
        x, y, heading, key, _ = state
        span = range(-radius, radius + 1)
        around = np.array([[reference.look(state, x + dx, y + dy) for dx in span] for dy in span])
        turned = np.rot90(around, heading + 1)  # heading up: as it is; right: a quarter turn to the left
        window = obs[:-1].reshape(5, view, view)
        np.testing.assert_array_equal(window, [turned == c for c in "#KDOG"])
        assert obs[-1] == key


def test_minimal_shows_the_cell_ahead(room):
    rows = room.random_rows(6, 300)
    for row, obs in zip(rows, observe(rows, "minimal", size=6), strict=True):
        reference, state = room.Reference(6, row), room.state_of(row)
        dx, dy = room.moves[state[2]]
        ahead = reference.look(state, state[0] + dx, state[1] + dy)
        assert obs.tolist() == [float(ahead == c) for c in "#KDOG"] + [float(state[3])]


def test_egocentric_is_private_and_a_clock_can_be_added(room):
    rows = room.random_rows(8, 20)
    rows[:, CLOCK] = 16  # of 64
    private = observe(rows, "private", size=8)
    np.testing.assert_array_equal(observe(rows, "egocentric", size=8), private)
    timed = observe(rows, Observe(scope="window", clock=True), size=8)
    np.testing.assert_array_equal(timed, np.hstack([private, np.full((20, 1), 0.25)]))


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_entry_of_an_observation_has_its_own_name(setting):
    plan = GAME.plan([KeyRoomParams(size=8)], [0], setting)
    assert len(set(plan.names)) == len(plan.names) == {"full": 232, "minimal": 6}.get(setting, 246)


def test_copies_of_several_sizes_share_a_batch(room):
    small = room.start_rows(1, size=5)[0]
    env = payoff.multi_agent_vec(ID, 2, size=[5, 7], observe="full")
    env.reset(seed=0)
    np.testing.assert_array_equal(env.engine.state[0], small)
    planes = env.engine.look()[0, 0, : 6 * 25].reshape(6, 5, 5)
    alone = observe(small[None], "full", size=5)[0, : 6 * 9].reshape(6, 3, 3)
    np.testing.assert_array_equal(planes[:, :3, :3], alone)
    assert planes[0, 3:].all() and planes[0, :, 3:].all() and not planes[1:, 3:].any() and not planes[1:, :, 3:].any()
    with pytest.raises(ValueError, match=r"view must be the same in all copies of a batch, got \[3, 5\]"):
        payoff.multi_agent_vec(ID, 2, view=[3, 5], observe="private")


def test_picture_shows_key_door_goal_and_seat(room):
    row = room.far_corners(7)

    def tile(row, x, y):
        picture = GAME.frame(KeyRoomParams(size=7), row)
        assert picture.shape == (224, 224, 3) and picture.dtype == np.uint8
        return {tuple(c) for c in picture[32 * y + 1 : 32 * y + 32, 32 * x + 1 : 32 * x + 32].reshape(-1, 3).tolist()}

    gold, blue, brown, green = (230, 159, 0), (0, 114, 178), (160, 82, 20), (0, 158, 115)
    assert (
        gold in tile(row, 1, 5) and blue in tile(row, 3, 1) and brown in tile(row, 4, 1) and tile(row, 5, 5) == {green}
    )
    later = room.place(row, (3, 1, 0, True, True))
    assert gold not in tile(later, 1, 5) and {gold, blue} < tile(later, 3, 1)
    assert tile(later, 4, 1) == tile(row, 4, 1) and not np.array_equal(
        *(GAME.frame(KeyRoomParams(size=7), r) for r in (row, later))
    )


def test_bad_observation_setting_is_named():
    with pytest.raises(
        ValueError, match="observe must be one of 'full', 'private', 'egocentric', 'minimal' or an Observe"
    ):
        GAME.plan([KeyRoomParams()], [0], "partial")
    with pytest.raises(TypeError, match="observe must be a name or an Observe, got int"):
        GAME.plan([KeyRoomParams()], [0], 3)
    with pytest.raises(ValueError, match=r"observe\.scope must be one of 'grid', 'window', 'ahead', got 'room'"):
        Observe(scope="room")
    with pytest.raises(ValueError, match=r"observe\.clock must be True or False, got 1"):
        Observe(clock=1)
