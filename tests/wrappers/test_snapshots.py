"""Snapshots of wrapped environments: into one that was never reset, and forged ones, which change nothing."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.wrappers import (
    RND,
    BonusLearning,
    BonusReward,
    Count,
    DelayReward,
    Distillation,
    LengthPenalty,
    MethodPerAgent,
    RewardMethod,
    WrapperSnapshot,
    simulate,
    wrap,
)

GAME = "payoff/KeyRoom-v0"
TRUST = "payoff/TrustDilemma-v0"
ROOM = {"size": 5, "max_steps": 30}


def batch():
    return payoff.multi_agent_vec(TRUST, 2)


# what makes an environment, its action, and R
VIEWS = {
    "env": (lambda: gym.make(GAME, **ROOM), 2, 1),
    "vector": (lambda: gym.make_vec(GAME, 2, vectorization_mode="vector_entry_point", **ROOM), np.array([2, 1]), 2),
    "parallel": (lambda: payoff.parallel_env(TRUST), {"agent_0": [30.0], "agent_1": [60.0]}, 2),
    "multi-agent batch": (batch, np.full((2, 2, 1), 40.0), 4),
    "simulated batch": (lambda: simulate(batch(), 0.0), np.full((2, 2, 1), 40.0), 4),
    "simulated parallel": (
        lambda: simulate(payoff.parallel_env(TRUST), 0.0),
        {"agent_0": np.float32([30.0]), "agent_1": np.float32([60.0])},
        2,
    ),
}


@pytest.fixture(params=VIEWS)
def view(request):
    return VIEWS[request.param]


def rewards(env, action, steps=8):
    found = [env.step(action)[1] for _ in range(steps)]
    return np.array([list(r.values()) if isinstance(r, dict) else r for r in found])


def same(one, two):
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], strict=True)


METHODS = {
    "rows": lambda: DelayReward(3),
    "counts": lambda: BonusReward(Count(per_row=True), normalise="std"),
    "network": lambda: BonusReward(RND(Distillation(settings=BonusLearning(hidden=(4,), learn_every=2)))),
}


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_one_that_was_never_reset_goes_on_from_a_snapshot(view, layers, method):
    make, action, _ = view

    def wrapped():
        env = wrap(make(), METHODS[method]())
        return wrap(env, LengthPenalty(coef=0.5)) if layers == 2 else env

    env = wrapped()
    env.reset(seed=1)
    rewards(env, action, 4)
    stored = env.snapshot().arrays()
    fresh = wrapped()
    fresh.restore(WrapperSnapshot.from_arrays(stored))
    same(fresh.snapshot().arrays(), stored)
    np.testing.assert_array_equal(rewards(fresh, action), rewards(env, action))


@pytest.mark.parametrize("method", METHODS)
def test_what_the_environment_refuses_leaves_a_fresh_method_fresh(method):
    other = wrap(wrap(gym.make(GAME), METHODS[method]()), DelayReward())  # of another size
    other.reset(seed=0)
    rewards(other, 2, 4)
    foreign = other.snapshot()
    env = wrap(wrap(gym.make(GAME, **ROOM), METHODS[method]()), DelayReward())
    before = env.method.state_dict(), env.env.method.state_dict()
    with pytest.raises(ValueError, match="snapshot is of other parameters: max_steps="):
        env.restore(foreign)
    same(env.method.state_dict(), before[0]), same(env.env.method.state_dict(), before[1])
    with pytest.raises(gym.error.ResetNeeded, match=r"call reset\(\) before step\(\)"):
        env.step(2)
    plain = wrap(wrap(gym.make(GAME, **ROOM), METHODS[method]()), DelayReward())
    env.reset(seed=3), plain.reset(seed=3)
    np.testing.assert_array_equal(rewards(env, 2), rewards(plain, 2))


FORGED = {
    "over": [
        None,
        7,
        "x",
        b"x",
        [False],
        (),
        object(),
        np.zeros(1),
        np.full(1, np.nan),
        np.zeros(1, dtype=complex),
        np.array(["x"]),
        np.array([None]),
        np.zeros(9, dtype=bool),
        np.zeros((1, 1), dtype=bool),
        np.bool_(False),
    ],
    "inner": [None, "x", 3, [1], {}, np.zeros(1)],
    "method": [None, "x", 3, [1], {}, {"owed": np.zeros(1)}, {1: np.zeros(1)}, np.zeros(1)],
}


def test_a_forged_part_is_named_and_changes_nothing(view):
    make, action, rows = view
    env, twin = wrap(make(), DelayReward(3)), wrap(make(), DelayReward(3))
    for e in (env, twin):
        e.reset(seed=1)
        rewards(e, action, 4)
    good = env.snapshot()
    forged = [(part, value) for part, values in FORGED.items() for value in values]
    forged += [("over", np.full(rows, value)) for value in (0.0, np.nan, 1, 1j, "x", None)]
    forged += [("method", {**good.method, "steps": good.method["steps"] - 5})]
    forged += [("method", {**good.method, "owed": good.method["owed"] + 1j})]
    for part, value in forged:
        if part == "inner" and value == {}:
            name = "snapshot lacks"
        else:
            name = r"DelayReward(:| takes)" if part == "method" and isinstance(value, dict) else rf"snapshot\.{part} "
        with pytest.raises((TypeError, ValueError), match=f"^{name}"):
            env.restore(dataclasses.replace(good, **{part: value}))
    same(env.snapshot().arrays(), good.arrays())
    np.testing.assert_array_equal(rewards(env, action), rewards(twin, action))
    env.reset(seed=2), twin.reset(seed=2)
    np.testing.assert_array_equal(rewards(env, action), rewards(twin, action))


def test_stored_arrays_are_checked():
    for bad in (None, "x", 3, [1]):
        with pytest.raises(TypeError, match="arrays must be a dict of arrays"):
            WrapperSnapshot.from_arrays(bad)
    with pytest.raises(ValueError, match="has no array 1"):
        WrapperSnapshot.from_arrays({1: np.zeros(1)})
    with pytest.raises(ValueError, match="needs inner, got over"):
        WrapperSnapshot.from_arrays({"over": np.zeros(1)})


def test_one_agent_with_a_bad_state_leaves_all_as_they_were():
    """Also those that were never reset, which have nothing to go back to."""

    def make():
        return wrap(batch(), MethodPerAgent({"agent_0": DelayReward(), "agent_1": LengthPenalty()}))

    env = make()
    env.reset(seed=0)
    rewards(env, np.full((2, 2, 1), 40.0), 3)
    good = env.snapshot()
    fresh = make()
    spoiled = {**good.method, "1.steps": -good.method["1.steps"]}
    with pytest.raises(ValueError, match="LengthPenalty: steps must be at least 0, got -3"):
        fresh.restore(dataclasses.replace(good, method=spoiled))
    assert fresh.method.state_dict() == {}
    fresh.restore(good)
    same(fresh.snapshot().arrays(), good.arrays())


def test_an_environment_of_others_states_its_snapshots_or_is_reset_first():
    class Foreign(gym.Env):
        """Counts its steps; a snapshot is the count."""

        observation_space, action_space = gym.spaces.Box(0, 99, (1,)), gym.spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            self.t = 0
            return np.zeros(1, np.float32), {}

        def step(self, action):
            self.t += 1
            return np.full(1, self.t, np.float32), float(self.t), False, False, {}

        def snapshot(self):
            return Count1(self.t)

        def restore(self, snapshot):
            self.t = snapshot.t
            return np.full(1, self.t, np.float32), {}

    @dataclasses.dataclass
    class Count1:
        t: int

        def arrays(self):
            return {"t": np.array(self.t)}

        @classmethod
        def from_arrays(cls, arrays):
            return cls(int(arrays["t"]))

    class Plain(RewardMethod):
        def __call__(self, t):
            return 2.0 * t.reward

    class Stated(Foreign):
        snapshot_type = Count1

    for kind in (Foreign, Stated):
        env, other = wrap(kind(), Plain()), wrap(kind(), Plain())
        env.reset(), env.step(0), env.step(0)
        if kind is Foreign:
            other.reset()
        other.restore(env.snapshot())
        assert other.step(0)[1] == 6.0
