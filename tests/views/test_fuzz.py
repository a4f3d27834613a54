"""Random parameters and actions, for every id: no NaN, no bound left, and a rejected input changes nothing."""

import dataclasses
import math
import types
import typing

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import payoff
from payoff.envs import registry

PHASES = ("formation", "mature", "crisis", "strained", "emergence", "growth", "maturity", "evolution")
NUMBER = st.one_of(st.floats(0, 1), st.floats(-1, 150), st.sampled_from([0.0, 1.0, 1e-9, 0.1, 1e6, 1e12]))
WHOLE = st.integers(0, 12)
REWARDS = [
    "private",
    "integrated",
    "cooperative",
    "trust_reciprocal",
    "mutuality:0.7",
    "inequity_aversion",
    "svo_angle:1,9",
]


def values(hint):
    """Strategy for a parameter of this type, in and out of its range."""
    if dataclasses.is_dataclass(hint):
        return records(hint)
    if typing.get_origin(hint) is tuple:
        return st.tuples(st.floats(-0.1, 1.1), st.floats(-0.1, 1.1))
    if typing.get_origin(hint) is typing.Literal:
        return st.sampled_from(typing.get_args(hint))
    if isinstance(hint, types.UnionType):
        return st.one_of([st.none() if h is types.NoneType else values(h) for h in typing.get_args(hint)])
    return {float: NUMBER, int: WHOLE, bool: st.booleans(), str: st.sampled_from(PHASES)}[hint]


@st.composite
def records(draw, kind):
    """Record with some fields changed; drawn again until its own checks let it pass (that is what they are for)."""
    hints = typing.get_type_hints(kind)
    names = draw(st.lists(st.sampled_from(sorted(hints)), max_size=3, unique=True)) if hints else []
    changed = {name: draw(values(hints[name])) for name in names}
    try:
        return kind(**changed)
    except ValueError as error:
        assert any(word in str(error) for word in ("must", "unknown")), error
        return kind()


@st.composite
def keywords(draw, env_id):
    """Keywords of a game, valid ones."""
    record = draw(records(registry.load(env_id).params))
    chosen = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
    if "max_steps" in chosen:
        chosen["max_steps"] = min(chosen["max_steps"] or 50, 50)
    return chosen


def arrays_equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a.arrays().values(), b.arrays().values(), strict=True))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_nothing_leaves_its_bounds(env_id, data):
    own = data.draw(keywords(env_id))
    observe = data.draw(st.sampled_from(registry.load(env_id).observations))
    reward = data.draw(st.sampled_from(REWARDS if "coopetition" in registry.load(env_id).tags else REWARDS[:1]))
    env = payoff.parallel_env(env_id, reward=reward, observe=observe, **own)
    obs, info = env.reset(seed=data.draw(st.integers(0, 99)))
    game = registry.load(env_id)
    steps = data.draw(st.integers(1, 14))
    for _ in range(steps):
        if not env.agents:
            break
        sent = {}
        for a in env.agents:
            space = env.action_space(a)
            if hasattr(space, "n"):
                sent[a] = data.draw(st.integers(0, space.n - 1))
            else:
                x = data.draw(st.one_of(st.floats(-0.3, 1.3), st.sampled_from([0.0, 1.0, 1e-300, 1e9, -1e300])))
                top = float(space.high[0])
                far = max(-1e300, x * top)  # minus infinity, which the product may be, is no action
                sent[a] = np.full(space.shape, far if game.rules.published else min(1, max(0, x)) * top)
        obs, rewards, _, _, info = env.step(sent)
        for a, o in obs.items():
            assert env.observation_space(a).contains(o), (a, own, env.engine.plan.names)
            assert math.isfinite(rewards[a])
            for key, value in info[a].items():
                if isinstance(value, float | np.ndarray):
                    assert np.isfinite(value).all(), key
            for key in ("trust", "reputation_damage", "loyalty"):
                if key in info[a]:
                    assert np.all((np.asarray(info[a][key]) >= 0) & (np.asarray(info[a][key]) <= 1)), key
        assert env.state_space.contains(env.state())


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_rejected_action_changes_nothing(env_id, data):
    """NaN, infinity, wrong shape, missing and unknown agents: then the episode goes on as if nothing had happened."""
    env, twin = payoff.parallel_env(env_id), payoff.parallel_env(env_id)
    for e in (env, twin):
        e.reset(seed=1)
    good = {a: env.action_space(a).sample() for a in env.agents}
    victim = data.draw(st.sampled_from(env.agents))
    bad = data.draw(
        st.sampled_from(
            [
                {**good, victim: np.array([np.nan])},
                {**good, victim: np.array([np.inf])},
                {**good, victim: np.zeros(99)},
                {**good, victim: "high"},
                {**good, victim: None},
                {**good, "agent_1000": good[victim]},
                {a: x for a, x in good.items() if a != victim},
            ]
        )
    )
    before = env.snapshot()
    with pytest.raises(ValueError):
        env.step(bad)
    assert arrays_equal(before, env.snapshot())
    ours, theirs = env.step(good), twin.step(good)
    for a in good:
        np.testing.assert_array_equal(ours[0][a], theirs[0][a])
    assert ours[1] == theirs[1]
    batch = payoff.multi_agent_vec(env_id, 2)
    batch.reset(seed=1)
    kept = batch.snapshot()
    wrong = np.zeros((2, batch.num_agents, batch.action_size))
    wrong[1, -1, 0] = np.nan
    with pytest.raises(ValueError, match="copy 1"):
        batch.step(wrong)
    assert arrays_equal(kept, batch.snapshot())


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_bad_parameter_is_named(env_id, data):
    """Every keyword refuses what is no number, word or flag of its kind, and says which keyword it was."""
    kind = registry.load(env_id).params
    name = data.draw(st.sampled_from(kind.names()))
    bad = data.draw(st.sampled_from([float("nan"), float("inf"), -1, "nonsense", None, [], {}, b"x", complex(1, 1)]))
    if bad is None and isinstance(typing.get_type_hints(kind)[name], types.UnionType):
        return  # None is allowed there
    with pytest.raises((ValueError, TypeError), match=name):
        kind(**{name: bad})
