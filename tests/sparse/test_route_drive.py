"""RouteDrive: the car against a bicycle in the plane, the rules one by one, and what each payoff is worth to whom."""

import math

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.core.state import CLOCK
from payoff.envs.sparse import route_drive as rd
from payoff.envs.sparse.route_drive_road import FACTOR

ID = "payoff/RouteDrive-v0"
GAME = registry.load(ID)
EMPTY = {"lights": 0, "vehicles": 0}
CORRIDOR = {**EMPTY, "curvature": 0.0}
AT = {name: GAME.shape(GAME.params()).layout.column(name) for name in GAME.shape(GAME.params()).layout.shapes}
NATIVE = {"actions": "native", "disable_env_checker": True}


def row_of(env):
    return env.unwrapped.engine.state[0]


def made(seed=0, **keywords):
    env = gym.make(ID, **NATIVE, **keywords)
    env.reset(seed=seed)
    return env, row_of(env), rd.RouteDriveParams(**keywords)


def play(driver, seed=0, **keywords):
    """An episode: payoffs, auxiliary rewards, gains in points, infos, whether it terminated."""
    env, row, params = made(seed, **keywords)
    paid, advice, gains, infos, over, before = [], [], [], [], False, 0.0
    while not over:
        _, reward, terminated, truncated, info = env.step(driver(params, row))
        over = terminated or truncated
        paid.append(reward)
        advice.append(info["aux"])
        gains.append(100 * (info["progress"] - before))
        before = info["progress"]
        infos.append(info)
    return np.array(paid), np.array(advice), np.array(gains), infos, terminated


def reference(params, row):
    """In native units, as the environments of this file take them; the game's policy writes shares of the bounds."""
    return GAME.policy(params, row.copy()) * GAME.bounds(params)[0, :, 1]


def stand(params, row):
    return np.zeros(2)


def cruise(speed):
    """Straight on at this speed, reached without haste."""
    return lambda params, row: np.array([np.clip((speed - row[AT["speed"]]) / 0.1, -0.4, 0.4), 0.0])


def test_a_straight_road_is_the_plane():
    """Steering at constant speed drives the circle of radius 2.7 / tan(delta)."""
    env, row, _ = made(**CORRIDOR, lane_width=5.0)
    row[AT["speed"]], delta = 6.0, 0.05
    radius = 2.7 / math.tan(delta)
    for step in range(1, 14):
        env.step(np.array([0.0, delta]))
        angle = 0.6 * step / radius
        assert row[AT["angle"]] == pytest.approx(angle, abs=1e-12)
        assert row[AT["along"]] == pytest.approx(radius * math.sin(angle), abs=2e-3)
        assert row[AT["offset"]] == pytest.approx(radius * (1 - math.cos(angle)), abs=2e-3)


def test_the_car_in_route_coordinates_is_the_bicycle_in_the_plane():
    """Both are integrated; the plane's car, projected back on the route, is where the row says."""
    env, row, _ = made(3, **EMPTY, lane_width=5.0)
    bends = row[AT["curvature"] : AT["curvature"] + 17].copy()
    knots = np.linspace(0, 250, 17)
    fine = np.arange(0, 250, 0.01)
    kappa = np.interp(fine, knots, bends)
    heading = np.concatenate([[0], np.cumsum(0.005 * (kappa[1:] + kappa[:-1]))])
    route_x, route_y = (
        np.concatenate([[0], np.cumsum(0.005 * (f[1:] + f[:-1]))]) for f in (np.cos(heading), np.sin(heading))
    )
    draw, x, y, theta, v = np.random.default_rng(0), 0.0, 0.0, 0.0, 0.0
    for _ in range(150):
        own = reference(rd.RouteDriveParams(**EMPTY, lane_width=5.0), row)
        action = np.array([own[0], own[1] + draw.uniform(-0.05, 0.05)])
        env.step(action)
        after = min(20.0, max(0.0, v + 0.1 * action[0]))
        for _ in range(200):  # 0.1 s in fine steps at the mean speed, as the page has it
            x += 0.0005 * 0.5 * (v + after) * math.cos(theta)
            y += 0.0005 * 0.5 * (v + after) * math.sin(theta)
            theta += 0.0005 * 0.5 * (v + after) * math.tan(action[1]) / 2.7
        v = after
        i = np.argmin(np.hypot(route_x - x, route_y - y))
        aside = (y - route_y[i]) * math.cos(heading[i]) - (x - route_x[i]) * math.sin(heading[i])
        assert row[AT["speed"]] == pytest.approx(v, abs=1e-12)
        assert row[AT["along"]] == pytest.approx(fine[i], abs=0.02)
        assert row[AT["offset"]] == pytest.approx(aside, abs=0.02)
        assert math.remainder(row[AT["angle"]] - theta + heading[i], 2 * math.pi) == pytest.approx(0, abs=5e-3)
    assert row[AT["along"]] > 70


def test_following_a_circle_keeps_the_centre():
    env, row, _ = made(**EMPTY)
    row[AT["curvature"] : AT["curvature"] + 17] = 0.03
    row[AT["speed"]] = 5.0
    for _ in range(100):
        env.step(np.array([0.0, math.atan(2.7 * 0.03)]))
    assert (
        row[AT["along"]] == pytest.approx(50.0, abs=1e-9)
        and abs(row[AT["offset"]]) < 1e-9
        and abs(row[AT["angle"]]) < 1e-9
    )


def test_starts_are_within_their_ranges_and_differ():
    env = payoff.multi_agent_vec(ID, 3000, lights=6, vehicles=6)
    env.reset(seed=0)
    state = env.engine.state
    bends = state[:, AT["curvature"] : AT["curvature"] + 17]
    assert not bends[:, [0, -1]].any() and np.abs(bends).max() <= 0.04 and np.abs(bends).max() > 0.0399
    assert abs(bends[:, 1:-1].mean()) < 4 * 0.04 / math.sqrt(3 * 3000 * 15)
    kmh, counts = np.unique(np.round(3.6 * state[:, AT["limit"] : AT["limit"] + 4], 9), return_counts=True)
    assert kmh.tolist() == [30, 40, 50] and np.abs(counts / 12000 - 1 / 3).max() < 4 * math.sqrt(2 / 9 / 12000)
    offsets = state[:, AT["lead"] : AT["lead"] + 6]
    assert offsets.min() == 0 and offsets.max() == 159 and (offsets == np.floor(offsets)).all()
    places = state[:, AT["vehicle"] : AT["vehicle"] + 6]
    assert (np.diff(places, axis=1) > 2 * 4.5).all() and places[:, 0].min() >= 13.5
    paces = state[:, AT["pace"] : AT["pace"] + 6]
    assert paces.min() >= 6 and paces.max() < 9


@pytest.mark.parametrize("seed", range(5))
def test_gains_add_up_to_the_completion_and_a_clean_drive_returns_it(seed):
    paid, _, gains, infos, terminated = play(reference, seed)
    assert terminated and GAME.captions[infos[-1]["caption"]] == "finished the route" and infos[-1]["checks"].all()
    assert all((info["factors"] == 1).all() for info in infos)
    assert gains.min() >= 0 and gains.sum() == pytest.approx(100, abs=1e-9)
    assert paid == pytest.approx(gains, abs=1e-9)
    short, _, gains, infos, terminated = play(reference, seed, max_steps=100)
    assert not terminated and 0 < gains.sum() < 100
    assert short.sum() == pytest.approx(100 * infos[-1]["progress"], abs=1e-9)


def test_no_play_gains_more_than_the_route_or_less_than_the_penalty():
    env = payoff.multi_agent_vec(ID, 256, autoreset_mode="disabled", curvature=0.0, length=50.0)
    env.reset(seed=0)
    draw, total, running = np.random.default_rng(0), np.zeros(256), np.ones(256, bool)
    before = np.zeros(256)
    for _ in range(600):
        actions = np.clip(draw.normal((0.3, 0.0), (0.5, 0.1), (256, 1, 2)), -1, 1)
        _, _, terminated, truncated, info = env.step(actions)
        paid, gain = info["payoff"][:, 0], 100 * (info["progress"] - before)
        expected = gain * info["factors"].prod(axis=1) - ~info["checks"][:, 5:7].all(axis=1)
        assert paid[running] == pytest.approx(expected[running], abs=1e-9)
        assert (gain >= 0).all() and (paid >= -1).all()
        before = info["progress"].copy()
        total[running] += paid[running]
        running &= ~(terminated | truncated)
        env.reset(options={"reset_mask": ~running})
        before[~running] = 0.0
        if not running.any():
            break
    assert not running.any() and total.max() <= 100 + 1e-9 and total.min() > -1 and np.unique(total).size > 200


def test_standing_still_is_worth_much_to_the_sum_and_nothing_to_completion():
    """68.75 for being there, 31.25 for the route: standing beats driving fast, and crawling is best."""
    paid, advice, _, infos, terminated = play(stand, **CORRIDOR)
    assert (paid.sum(), len(paid), terminated) == (0.0, 600, False)
    assert GAME.captions[infos[-1]["caption"]] == "drove without a fault"
    assert advice.sum() == pytest.approx(68.75, abs=1e-9)
    fast, advice_fast, _, _, terminated = play(reference, **CORRIDOR)
    assert terminated and fast.sum() == pytest.approx(100, abs=1e-9)
    assert advice_fast.sum() == pytest.approx(31.25 + 68.75 * len(fast) / 600, abs=1e-9)
    assert len(fast) / 600 < 6 / 11 and advice_fast.sum() < advice.sum()
    slow, advice_slow, _, _, terminated = play(cruise(4.8), **CORRIDOR)
    assert 575 < len(slow) < 600 and advice_slow.sum() == pytest.approx(31.25 + 68.75 * len(slow) / 600, abs=1e-9)
    assert slow.sum() == pytest.approx(100, abs=1e-9) and terminated


def test_the_sum_is_never_paid():
    env, row, params = made(2)
    for _ in range(80):
        _, reward, _, _, info = env.step(reference(params, row))
        assert reward == info["payoff"]
        assert info["aux"] > 0.0


def faulty(change, action=(0.0, 0.0), steps=1, **keywords):
    """Info after some steps from the middle of a straight road, changed by hand."""
    env, row, _ = made(**{**CORRIDOR, **keywords})
    row[AT["along"] : AT["along"] + 6] = 100.0, 0.0, 0.0, 5.0, 0.0, 100.0
    row[AT["limit"] : AT["limit"] + 4] = 10.0
    change(row)
    for _ in range(steps):
        _, reward, terminated, _, info = env.step(np.array(action))
    return info, reward, terminated, row


def put(**columns):
    def change(row):
        for name, value in columns.items():
            row[AT[name]] = value

    return change


@pytest.mark.parametrize(
    ("change", "action", "factors"),
    [
        (put(), (0.0, 0.0), (1, 1, 1, 1, 1)),
        (put(offset=1.74), (0.0, 0.0), (1, 1, 1, 1, 1)),
        (put(offset=1.76), (0.0, 0.0), (0, 1, 1, 1, 1)),
        (put(speed=11.0), (0.0, 0.0), (1, 1 - 1 / 2.23, 1, 1, 1)),
        (put(speed=13.0), (0.0, 0.0), (1, 0, 1, 1, 1)),
        (put(acceleration=2.3), (2.3, 0.0), (1, 1, 1, 1, 1)),
        (put(acceleration=2.3), (2.5, 0.0), (1, 1, 1, 7 / 8, 1)),
        (put(acceleration=-4.0), (-4.1, 0.0), (1, 1, 1, 7 / 8, 1)),
        (put(), (0.5, 0.0), (1, 1, 1, 7 / 8, 1)),  # a jerk of 5
        (put(), (5.0, 0.0), (1, 1, 1, 6 / 8, 1)),
        (put(speed=9.0), (0.0, math.atan(2.7 * 4.8 / 81)), (1, 1, 1, 1, 1)),
        (put(speed=9.0), (0.0, math.atan(2.7 * 5.0 / 81)), (1, 1, 1, 7 / 8, 1)),
        (put(), (0.0, math.atan(2.7 * 0.97 / 5)), (1, 1, 1, 7 / 8, 1)),  # a yaw rate of 0.97
        (put(offset=0.6, off_centre=29.0), (0.0, 0.0), (1, 1, 1, 1, 1)),
        (put(offset=0.6, off_centre=30.0), (0.0, 0.0), (1, 1, 1, 1, 0.5)),
        (put(offset=0.4, off_centre=31.0), (0.0, 0.0), (1, 1, 1, 1, 1)),
        (put(offset=0.4, off_centre=32.0), (0.0, 0.0), (1, 1, 1, 1, 0.5)),
    ],
)
def test_each_factor(change, action, factors):
    info, reward, terminated, row = faulty(change, action)
    assert info["factors"] == pytest.approx(factors, abs=1e-9) and not terminated
    assert info["checks"].tolist() == [f == 1 for f in factors] + [True] * 3
    assert reward == pytest.approx((row[AT["along"]] - 100) / 2.5 * np.prod(factors), abs=1e-9)


def test_a_fault_of_comfort_is_held():
    for steps, held in ((1, True), (4, True), (5, False)):
        env, row, _ = made(**CORRIDOR, hold=3)
        row[AT["speed"]] = 5.0
        env.step(np.array([0.3, 0.0]))
        env.step(np.array([-0.3, 0.0]))  # a jerk of 6
        for _ in range(steps - 1):
            env.step(np.zeros(2))
        assert bool(row[AT["factor"] + FACTOR.comfort] < 1) is held


def test_a_vehicle_too_near_for_a_second_and_a_collision():
    """At 5 m/s behind a standing vehicle: bumper to bumper in one second is 4.5 + 5 m, after the step's own 0.5."""
    for gap, factor in ((10.1, 1.0), (9.9, 0.5)):
        info, _, _, _ = faulty(put(vehicle=100 + gap, pace=0.0), vehicles=1)
        assert info["factors"].tolist() == [1, 1, factor, 1, 1]
    info, reward, terminated, row = faulty(put(vehicle=104.9, pace=0.0), vehicles=1)
    assert (
        terminated
        and GAME.captions[info["caption"]] == "hit a vehicle"
        and info["checks"].tolist()[5:] == [False, True, True]
    )
    assert reward == pytest.approx((row[AT["along"]] - 100) / 2.5 * 0.5 - 1)
    beside = put(vehicle=102.0, pace=0.0, offset=2.1)
    assert not faulty(beside, vehicles=1)[2]


def test_red_lights_and_the_edge_of_the_road():
    line = 125.0  # of the only light, half way
    at = put(along=line - 0.3, reached=line - 0.3)
    for offset, caption in ((59.0, "passed a red light"), (60.0, "drove without a fault"), (159.0, "drove without")):
        info, reward, terminated, row = faulty(lambda r, o=offset: (at(r), put(lead=o)(r)), lights=1)
        assert GAME.captions[info["caption"]].startswith(caption) and terminated == ("red" in caption)
        assert reward == pytest.approx((row[AT["along"]] - line + 0.3) / 2.5 - terminated, abs=1e-9)
    info, reward, terminated, _ = faulty(put(offset=3.4, angle=0.5))
    assert terminated and GAME.captions[info["caption"]] == "left the route" and reward == 0.0
    assert not faulty(put(offset=3.4))[2]


def test_vehicles_keep_their_distance():
    """At red lights, behind each other, and behind the car; else at their pace."""
    env, row, _ = made(lights=1, vehicles=3, curvature=0.0)
    row[AT["along"]], row[AT["reached"]] = 40.0, 40.0
    row[AT["vehicle"] : AT["vehicle"] + 3] = 20.0, 110.0, 135.0
    row[AT["pace"] : AT["pace"] + 3] = 8.0, 7.0, 6.0
    row[AT["lead"]] = 0.0
    for _ in range(50):
        env.step(np.zeros(2))
    assert row[AT["vehicle"] : AT["vehicle"] + 3] == pytest.approx([31.0, 124.0, 165.0])
    for _ in range(20):
        env.step(np.zeros(2))
    assert row[AT["vehicle"] + 1] == pytest.approx(124.0 + 0.7 * 10)  # green from step 60 on
    row[AT["vehicle"] + 1 : AT["vehicle"] + 3], row[AT["pace"] + 2] = (140.0, 150.0), 0.0
    for _ in range(10):
        env.step(np.zeros(2))
    assert row[AT["vehicle"] + 1] == pytest.approx(141.0)
    row[AT["vehicle"] + 1 : AT["vehicle"] + 3] = 145.0, 150.0  # nearer than they keep: it stands, and does not go back
    for _ in range(3):
        env.step(np.zeros(2))
    assert row[AT["vehicle"] + 1] == 145.0


def test_only_finishing_pays_under_finish():
    paid, advice, _, infos, terminated = play(reference, payoff="finish")
    assert terminated and paid[-1] == 100.0 and not paid[:-1].any() and infos[-1]["progress"] == 1.0
    with_completion = play(reference)
    assert len(paid) == len(with_completion[0]) and np.array_equal(advice, with_completion[1])


def test_the_reference_drives_without_a_fault_and_meets_the_bound():
    """Its figures on the page, for the first 200 starts of the default."""
    env = payoff.multi_agent_vec(ID, 200)
    env.reset(seed=0)
    params = rd.RouteDriveParams()
    values = np.array([GAME.optimum(params, row) for row in env.engine.state])
    assert GAME.bound(params) == 100.0 and values[:, 0].max() <= 100 + 1e-9
    assert (values[:, 0] > 100 - 1e-9).mean() >= 0.99 and (values[:, 1] == 1).all()
    row = env.engine.state[0].copy()
    row[CLOCK] = 599  # one step from rest: half of 0.1 s at 0.04 m/s
    assert GAME.optimum(params, row)[0] == pytest.approx(100 * 0.5 * 0.1 * 0.04 / 250)


def test_observation_says_what_is_ahead():
    env, row, _ = made(lights=1, vehicles=1, curvature=0.0)
    put(along=100.0, offset=1.75, angle=math.pi / 2, speed=5.0, acceleration=-2.5, reached=100.0, lead=20.0)(row)
    put(vehicle=130.0, moved=8.0, off_centre=15.0, held=50.0)(row)
    row[AT["limit"] : AT["limit"] + 4] = 8.0, 10.0, 12.0, 14.0
    row[AT["curvature"] + 8] = 0.05  # at 125 m, falling to 0 on both sides within 15.625 m
    obs = dict(zip(env.unwrapped.engine.plan.names, env.unwrapped.engine.look()[0, 0], strict=True))
    expected = {"speed": 0.25, "offset": 0.75, "angle": 0.75, "acceleration": 0.25, "completion": 0.4}
    expected |= {"off the centre": 0.25, "too near": 0.5, "rough[0]": 0.0, "curvature[0 m]": 0.5}
    expected |= {"curvature[24 m]": 0.5 + 0.25 * (1 - 1 / 15.625), "limit[0 m]": 0.5, "limit[40 m]": 0.6}
    expected |= {"light distance": 25 / 60, "light is red": 1.0, "light changes": 40 / 160}
    expected |= {"vehicle distance": 0.5, "vehicle speed": 0.4}
    for name, value in expected.items():
        assert obs[name] == pytest.approx(value, abs=1e-6), name


def test_errors():
    for keywords, message in (
        ({"payoff": "sum"}, "payoff must be one of 'completion', 'finish', got 'sum'"),
        ({"length": 10.0}, r"length must be a number in \[50, 2000\], got 10.0"),
        ({"curvature": 0.2}, r"curvature must be a number in \[0, 0.1\], got 0.2"),
        ({"lane_width": 6}, r"lane_width must be a number in \[2.5, 5\], got 6"),
        ({"lights": 7}, r"lights must be an integer in 0 \.\. 6, got 7"),
        ({"vehicles": -1}, r"vehicles must be an integer in 0 \.\. 6, got -1"),
        ({"penalty": 2.0}, r"penalty must be a number in \[0, 1\], got 2.0"),
        ({"hold": 0.5}, r"hold must be an integer in 0 \.\. 1000, got 0.5"),
    ):
        with pytest.raises(ValueError, match=message):
            gym.make(ID, **keywords)
