"""TrafficGrid against a plain reading of its rules, given the arrivals that the kernel drew."""

import math

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.sparse.traffic_grid import FEATURES, TrafficGridParams

ID = "payoff/TrafficGrid-v0"
GAME = registry.load(ID)


class Grid:
    """The rules once more, with dictionaries: queues by (row, column, street), lights by junction."""

    def __init__(self, params, cars, phase):
        self.p = params
        self.junctions = [(i, k) for i in range(params.rows) for k in range(params.columns)]
        self.cars = {(*x, d): int(cars[j, n]) for j, x in enumerate(self.junctions) for n, d in enumerate("es")}
        self.waited = dict.fromkeys(self.cars, 0)
        self.light = {x: "es"[int(phase[j])] for j, x in enumerate(self.junctions)}
        self.since = dict.fromkeys(self.junctions, 0)

    def move(self, told):
        """Signals and cars; the quantities so far, and the queues that were served."""
        p, found, served = self.p, dict.fromkeys(FEATURES, 0), set()
        switched = [x for j, x in enumerate(self.junctions) if told >> j & 1 and self.since[x] >= p.min_green]
        found["switches"] = len(switched)
        found["stops"] = sum(min(p.flow, self.cars[(*x, self.light[x])]) for x in switched)
        before = dict(self.cars)
        for x in reversed(self.junctions):  # a queue that was served has room for cars from behind
            if x in switched:
                self.light[x], self.since[x] = "s" if self.light[x] == "e" else "e", 0
                continue
            self.since[x] += 1
            street = self.light[x]
            ahead = (x[0], x[1] + 1, "e") if street == "e" else (x[0] + 1, x[1], "s")
            passing = min(p.flow, before[(*x, street)])
            if ahead in self.cars:
                passing = min(passing, p.capacity - self.cars[ahead])
                self.cars[ahead] += passing
            else:
                found["throughput"] += passing
            self.cars[(*x, street)] -= passing
            found["emissions"] += 2 * passing
            served |= {(*x, street)} if passing else set()
        return found, served

    def finish(self, found, served, arrived):
        """The rest of the step, with so many new cars in each queue; all quantities in order."""
        for q, n in arrived.items():
            self.cars[q] += n
            self.waited[q] = self.waited[q] + 1 if self.cars[q] and q not in served else 0
        found["queue"] = sum(self.cars.values())
        found["wait"] = max(self.waited.values())
        found["emissions"] += found["queue"]
        return [found[name] for name in FEATURES]


def parts(env):
    """Views of the parts of the state of the first copy."""
    layout = env.unwrapped.engine.shape.layout
    return {name: layout.view(env.unwrapped.engine.state, name)[0] for name in ("cars", "waited", "phase", "green")}


@pytest.mark.parametrize(
    "keywords",
    [{}, {"rows": 1, "columns": 1}, {"rows": 3, "columns": 2, "capacity": 5, "east": 1.5, "flow": 3, "min_green": 1}],
    ids=["default", "one", "crowded"],
)
def test_play_is_what_the_rules_say(keywords):
    params = TrafficGridParams(**keywords)
    env = gym.make(ID, **keywords)
    draw, full = np.random.default_rng(0), 0
    for seed in range(3):
        _, info = env.reset(seed=seed)
        view = parts(env)
        assert view["cars"].max() <= 3 and not view["green"].any() and not view["waited"].any()
        grid = Grid(params, view["cars"], view["phase"])
        assert info["reward_vector"].tolist() == [view["cars"].sum(), 0, 0, 0, 0, 0]
        for t in range(100):
            allowed = [j for j, x in enumerate(grid.junctions) if grid.since[x] >= params.min_green]
            mask = [
                all(j in allowed for j in range(params.junctions) if k >> j & 1) for k in range(2**params.junctions)
            ]
            assert info["action_mask"].tolist() == mask
            told = int(draw.integers(2**params.junctions)) if t % 2 else 0
            found, served = grid.move(told)
            obs, reward, terminated, truncated, info = env.step(told)
            arrived = {
                (*x, d): int(view["cars"][j, n]) - grid.cars[(*x, d)]
                for j, x in enumerate(grid.junctions)
                for n, d in enumerate("es")
            }
            assert min(arrived.values()) >= 0
            assert all(n == 0 or (q[1] if q[2] == "e" else q[0]) == 0 for q, n in arrived.items())  # first junctions
            expected = grid.finish(found, served, arrived)
            assert info["reward_vector"].tolist() == expected
            assert reward == info["payoff"][0] == pytest.approx(np.dot(params.weights, expected), abs=1e-12)
            assert (terminated, truncated) == (False, t == 99)
            queues = [(*x, d) for x in grid.junctions for d in "es"]
            shown = [grid.cars[q] / params.capacity for q in queues]
            shown += [grid.waited[q] / (grid.waited[q] + 10) for q in queues]
            shown += [float(grid.light[x] == "s") for x in grid.junctions]
            shown += [min(grid.since[x] / params.min_green, 1) for x in grid.junctions]
            np.testing.assert_allclose(obs, shown, atol=1e-6)
            caption = GAME.captions[info["caption"]]
            full += caption.startswith("cars found")
            assert caption.startswith("cars found") or (caption == "a signal switched") == (found["switches"] > 0)
    assert (full > 0) == ("capacity" in keywords)


def test_one_junction_by_hand():
    """4 cars wait to go east and have green, 1 waits to go south; nobody comes."""
    env = gym.make(ID, rows=1, columns=1, east=0.0, south=0.0, min_green=2)
    env.reset(seed=0)
    view = parts(env)
    view["cars"][:], view["phase"][:] = [[7, 1]], 0
    rows = [env.step(told)[4]["reward_vector"].tolist() for told in (1, 0, 1, 0, 1, 1, 1)]
    assert rows == [
        # queue, wait, switches, throughput, emissions, stops
        [6, 1, 0, 2, 10, 0],  # told too early: two cars go east
        [4, 2, 0, 2, 8, 0],
        [4, 3, 1, 0, 4, 2],  # the signal switches; two were about to pass, and four stand
        [3, 2, 0, 1, 5, 0],  # one car goes south; the others have waited two steps
        [3, 3, 0, 0, 3, 0],
        [3, 4, 1, 0, 3, 0],
        [1, 0, 0, 2, 5, 0],
    ]


def test_arrivals_are_poisson():
    """One step of 20,000 copies: mean, variance and share of none of both streets, within five standard errors."""
    n = 20_000
    env = payoff.multi_agent_vec(ID, n, rows=1, columns=1, east=0.7, south=2.0, capacity=100)
    env.reset(seed=0)
    cars = env.engine.shape.layout.view(env.engine.state, "cars")
    phase = env.engine.shape.layout.view(env.engine.state, "phase")
    cars[:], phase[:] = 0.0, 0.0
    env.step(np.zeros((n, 1, 1)))
    for street, rate in enumerate((0.7, 2.0)):
        came = cars[:, 0, street]
        assert abs(came.mean() - rate) < 5 * math.sqrt(rate / n)
        assert abs(came.var() - rate) < 5 * math.sqrt((rate + 2 * rate**2) / n)
        none = math.exp(-rate)
        assert abs((came == 0).mean() - none) < 5 * math.sqrt(none * (1 - none) / n)


def test_all_cars_leave_when_none_come_and_the_books_balance():
    env = gym.make(ID, east=0.0, south=0.0)
    env.reset(seed=5)
    cars, out = parts(env)["cars"].sum(), 0.0
    for _ in range(100):
        action = int(GAME.policy(TrafficGridParams(), env.unwrapped.engine.state[0])[0])
        vector = env.step(action)[4]["reward_vector"]
        out += vector[FEATURES.index("throughput")]
        assert out + vector[0] == cars
    assert out == cars and vector.tolist() == [0.0] * 6


def test_reference_switches_to_the_longer_queue_and_earns_what_is_promised():
    params = TrafficGridParams()
    env = gym.make(ID)
    env.reset(seed=3)
    promised, total, over = GAME.optimum(params, env.unwrapped.engine.state[0].copy())[0], 0.0, False
    while not over:
        view = parts(env)
        told = sum(
            1 << j
            for j in range(4)
            if view["green"][j] == 3
            and view["cars"][j, 1 - int(view["phase"][j])] > view["cars"][j, int(view["phase"][j])]
        )
        assert GAME.policy(params, env.unwrapped.engine.state[0]).tolist() == [told]
        _, reward, _, over, _ = env.step(told)
        total += reward
    assert total == pytest.approx(promised, abs=1e-9)
    assert promised < GAME.bound(params) == pytest.approx(100 * 0.2 * 3 * 2)  # throughput of three last junctions


def test_errors():
    for keywords, message in (
        ({"rows": 4}, "rows must be an integer in 1 .. 3, got 4"),
        ({"east": -0.1}, r"east must be a number in \[0, 3\], got -0.1"),
        ({"capacity": 3}, "capacity must be an integer in 4 .. 100, got 3"),
        ({"weights": (1.0, 2.0)}, r"weights must be 6 numbers \(queue, wait, switches, throughput, emissions, stops\)"),
        ({"weights": (0, 0, 0, 0, 0, math.nan)}, r"weights \(stops\) must be a number"),
        ({"max_steps": 0}, "max_steps must be an integer at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            gym.make(ID, **keywords)
