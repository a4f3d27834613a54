"""Snapshots of other games, of other parameters, and with damaged numbers: refused, or harmless."""

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import payoff
from payoff.envs import registry
from payoff.envs.core.state import OVER

WRONG = [np.nan, np.inf, -np.inf, 1e15, -1e15, -1.0, 0.5, 2.0**53 + 2.0, 1e300]
ARRAYS = ("state", "action", "payoff", "reward", "ended")


def played(env_id, steps=3, **keywords):
    """Two copies after a few steps of random play."""
    env = payoff.multi_agent_vec(env_id, 2, **keywords)
    env.reset(seed=1)
    step(env, np.random.default_rng(0), steps)
    return env


def step(env, draw, steps):
    """Random play; the observations of each step."""
    shape = (env.num_envs, env.num_agents, env.action_size)
    for _ in range(steps):
        if env.discrete:
            actions = draw.integers(0, env.num_actions, shape)
        else:
            actions = draw.uniform(env.action_low, env.action_high, shape)
        yielded = env.step(actions)[0]
        inside(env, yielded)


def inside(env, obs):
    low, high = env.engine.plan.bounds
    assert (obs >= low - 1e-6).all() and (obs <= high + 1e-6).all(), "an observation leaves its space"


def same(a, b):
    return all(
        np.array_equal(x, y, equal_nan=True) for x, y in zip(a.arrays().values(), b.arrays().values(), strict=True)
    )


@settings(
    max_examples=int(os.environ.get("PAYOFF_EXAMPLES", "15")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_damaged_numbers_are_refused_or_harmless(env_id, data):
    """Whatever stands in a snapshot: an error and no change, or a state that plays on inside its spaces."""
    env = played(env_id)
    kept = env.snapshot()
    name = data.draw(st.sampled_from(ARRAYS), label="array")
    array = getattr(kept, name).copy()
    for _ in range(data.draw(st.integers(1, 4), label="how many")):
        place = tuple(data.draw(st.integers(0, n - 1)) for n in array.shape)
        other = st.sampled_from(array.ravel().tolist()) | st.sampled_from(WRONG) | st.floats(-1e3, 1e3)
        array[place] = data.draw(other | st.integers(-5, 200).map(float), label="value")
    damaged = replace(kept, **{name: array})
    before = env.snapshot()
    try:
        obs, _ = env.restore(damaged)
    except ValueError as error:
        assert "must be" in str(error)
        assert same(env.snapshot(), before)
        return
    inside(env, obs)
    step(env, np.random.default_rng(1), 8)


@pytest.mark.parametrize("value", WRONG)
def test_every_number_of_the_state_in_turn(env_id, value):
    """One wrong number in each column: NaN, infinities and what is out of range never get in."""
    env = played(env_id)
    kept = env.snapshot()
    columns = kept.state.shape[1]
    layout = env.engine.shape.layout
    low, high, whole = layout.ranges(env.engine.rows[0], env.engine.shape.max_steps)
    for column in range(0, columns, max(1, columns // 12)):
        state = kept.state.copy()
        state[1, column] = value
        allowed = np.isfinite(value) and low[column] <= value <= high[column] and not (whole[column] and value % 1)
        if allowed:
            inside(env, env.restore(replace(kept, state=state))[0])
            env.restore(kept)
            continue
        with pytest.raises(ValueError, match=r"of copy 1.* must be a .*number") as caught:
            env.restore(replace(kept, state=state))
        assert layout.name_of(column).partition("[")[0] in str(caught.value)
    assert same(env.snapshot(), kept)


def test_a_snapshot_of_another_game_is_refused(env_id):
    env = played(env_id)
    other = "payoff/Chain-v0" if env_id != "payoff/Chain-v0" else "payoff/DeepSea-v0"
    before = env.snapshot()
    with pytest.raises(ValueError, match=f"snapshot.game must be '{env_id}', got '{other}'"):
        env.restore(played(other).snapshot())
    assert same(env.snapshot(), before)


@pytest.mark.parametrize(
    ("game_id", "own", "other", "message"),
    [
        ("payoff/MultiRoom-v0", {"width": 5}, {"width": 9}, "width=9 where this batch has 5"),
        ("payoff/DeepSea-v0", {"size": 5}, {"size": 100}, "size=100 where this batch has 5"),
        ("payoff/TrustDilemma-v0", {}, {"trust_erosion_rate": 0.3}, "trust_erosion_rate=0.3 where this batch has 0.45"),
        ("payoff/Chain-v0", {"slip": [0.1, 0.2]}, {"slip": [0.1, 0.3]}, "slip=0.3 where this batch has 0.2"),
    ],
)
def test_a_snapshot_of_other_parameters_is_refused(game_id, own, other, message):
    env = played(game_id, **own)
    before = env.snapshot()
    with pytest.raises(ValueError, match=message):
        env.restore(played(game_id, **other).snapshot())
    assert same(env.snapshot(), before)


def test_every_state_of_play_is_inside_its_ranges(env_id):
    """What play reaches may be restored: no range is too narrow."""
    for keywords in [{}, *registry.load(env_id).levels.values()]:
        env = payoff.multi_agent_vec(env_id, 16, **keywords)
        env.reset(seed=3)
        draw = np.random.default_rng(5)
        for _ in range(40):
            step(env, draw, 5)
            env.restore(env.snapshot())


def test_a_snapshot_of_another_shape_is_refused():
    env = played("payoff/Chain-v0")
    kept = env.snapshot()
    for name in ARRAYS:
        with pytest.raises(ValueError, match=rf"snapshot.{name} must be numbers of shape"):
            env.restore(replace(kept, **{name: getattr(kept, name)[:1]}))
    with pytest.raises(ValueError, match="snapshot lacks state"):
        type(kept).from_arrays({k: v for k, v in kept.arrays().items() if k != "state"})
    assert (kept.state[:, OVER] >= 0).all()
