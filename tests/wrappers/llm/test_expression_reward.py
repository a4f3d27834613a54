"""Rewards and potentials by expression: what they pay in every view, in a file and back, and what is refused."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.files import save_arrays
from payoff.wrappers import (
    ExpressionReward,
    PotentialShaping,
    Transition,
    from_expression,
    from_info,
    load_reward,
    observation_names,
    save_reward,
    wrap,
)
from payoff.wrappers.llm.entries import NoEntryError, bind
from payoff.wrappers.llm.expression import parse, unparse
from payoff.wrappers.rows import vector_info


def step(**changes):
    """Three rows, of which the last made no step."""
    rows = {
        "obs": np.array([[1.0, 2.0], [3.0, 4.0], [np.nan, np.nan]]),
        "action": np.array([0, 2, -1]),
        "reward": np.array([10.0, 20.0, 0.0]),
        "next_obs": np.array([[1.5, 2.0], [5.0, 0.0], [np.nan, np.nan]]),
        "terminated": np.array([False, True, False]),
        "truncated": np.zeros(3, dtype=bool),
        "active": np.array([True, True, False]),
        **changes,
    }
    infos = {"progress": np.array([0.25, 0.5, np.nan]), "trust": np.arange(12.0).reshape(3, 2, 2)}
    return Transition(info=vector_info(rows.pop("infos", infos), rows["active"]), **rows)


@pytest.mark.parametrize(
    ("text", "paid"),
    [
        ("obs[0] + 10 * next_obs[1]", [21, 3]),
        ("obs.x", [1, 3]),
        ("next_obs.angular_speed - obs.angular_speed", [0, -4]),
        ("action", [0, 2]),
        ("action[0] == 2", [0, 1]),
        ("terminated", [0, 1]),
        ("info.progress * 4", [1, 2]),
        ("info.progress[0]", [0.25, 0.5]),
        ("info.trust[1,0]", [2, 6]),
        ("info.trust[3]", [3, 7]),
        ("-3", [-3, -3]),
    ],
)
def test_what_is_paid(text, paid):
    reward = ExpressionReward(text, names=("x", "angular_speed"), limit=100.0)
    assert reward(step())[:2].tolist() == paid
    added = ExpressionReward(text, names=("x", "angular_speed"), limit=100.0, added=True)
    assert added(step())[:2].tolist() == [10 + paid[0], 20 + paid[1]]


def test_what_is_cut_is_the_value_and_not_the_reward():
    assert ExpressionReward("obs[0] - 2", limit=0.5)(step())[:2].tolist() == [-0.5, 0.5]
    assert ExpressionReward("9 * obs[0] - 18", added=True)(step())[:2].tolist() == [10 - 9, 20 + 9]
    assert ExpressionReward("20 * obs[0] - 40", added=True)(step())[:2].tolist() == [10 - 10, 20 + 10]


def test_observations_of_parts():
    """Numbers of a dict stand side by side in the order of its keys, those of an array in the order of its axes."""
    parts = {"b": np.array([[5.0], [6.0], [0.0]]), "a": np.arange(12.0).reshape(3, 2, 2)}
    paid = ExpressionReward("obs[4] + 100 * obs[1]", limit=1e6)(step(obs=parts))
    assert paid[:2].tolist() == [105, 506]
    image = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    assert ExpressionReward("obs[1,0]")(step(obs=image))[:2].tolist() == [2, 6]
    numbers = np.array([3, 4, 0])
    assert ExpressionReward("obs == 4")(step(obs=numbers))[:2].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("obs[2]", r"^obs\[2\] is no place in 2 numbers: they are 0 \.\. 1$"),
        ("obs", r"^obs must have an index, 0 \.\. 1: it is 2 numbers$"),
        ("obs[0,0]", r"^obs\[0,0\] is no place in an array of shape \(2,\)$"),
        ("action[1]", r"^action\[1\] is no place in 1 numbers"),
        ("info.trust", r"^info\.trust must have an index, 0 \.\. 3"),
        ("info.trust[2,0]", r"^info\.trust\[2,0\] is no place in an array of shape \(2, 2\)$"),
        ("info.nothing", r"^info has no 'nothing' \(it has: progress, trust\)"),
    ],
)
def test_what_a_step_does_not_hold(text, message):
    with pytest.raises(NoEntryError, match=message):
        ExpressionReward(text)(step())


def test_entries_of_info_that_are_no_numbers():
    with pytest.raises(ValueError, match=r"info\.word must hold real numbers"):
        ExpressionReward("info.word")(step(infos={"word": np.array(["a", "b", "c"])}))
    with pytest.raises(ValueError, match=r"info\.inner must hold real numbers"):
        ExpressionReward("info.inner")(step(infos={"inner": {"x": np.zeros(3)}}))


def test_a_number_that_is_not_finite_and_one_that_there_is_not():
    with pytest.raises(ValueError, match=r"obs\[0\] must be finite, got inf"):
        ExpressionReward("obs[0]")(step(obs=np.full((3, 2), np.inf)))
    with pytest.raises(ValueError, match=r"1 / action\[0\] has no finite value: it is of 1 and 0 here"):
        ExpressionReward("1 / action[0]")(step())


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: ExpressionReward(1.0), TypeError, "expression must be a text, got"),
        (lambda: ExpressionReward("1 +"), ValueError, "not allowed: the end of the text at character 4"),
        (lambda: ExpressionReward("obs.x"), ValueError, r"obs\.x: nobody said what the entries .* use obs\[0\]"),
        (lambda: ExpressionReward("obs.z", names="xyz"), TypeError, "names must be a sequence of texts"),
        (lambda: ExpressionReward("obs.z", names=[1]), ValueError, r"names must be texts, got \[1\]"),
        (
            lambda: ExpressionReward("obs.spee", names=["x", "speed"]),
            ValueError,
            r"has no spee \(did you mean 'speed'\?\)",
        ),
        (lambda: ExpressionReward("obs.x[1]", names=["x"]), ValueError, r"the observation has no x\[1\]"),
        (lambda: ExpressionReward("1", limit=0.0), ValueError, "limit must be a number in"),
        (lambda: ExpressionReward("1", limit=np.nan), ValueError, "limit must be a number in"),
        (lambda: ExpressionReward("1", added=1), ValueError, "added must be True or False"),
        (lambda: from_expression(None), TypeError, "expression must be a text, got None"),
        (lambda: from_expression("1", limit=-1.0), ValueError, "limit must be a number in"),
        (lambda: from_expression("action[0]"), ValueError, r"a potential is of a state .* got action\[0\]"),
        (lambda: from_expression("obs[0] - next_obs[0]"), ValueError, r"got next_obs\[0\]"),
        (lambda: from_expression("1 if terminated else 0"), ValueError, "got terminated"),
    ],
)
def test_bad_arguments(make, kind, message):
    with pytest.raises(kind, match=message):
        make()


def test_names_become_indices():
    names = ("cell[0]", "cell[1]", "x", "a_b", "x")
    tree = bind(parse("obs.cell[1] * next_obs.x + info.x + obs.a_b"), names)
    assert unparse(tree) == "((obs[1] * next_obs[2]) + info.x) + obs[3]"


def test_what_environments_call_their_numbers():
    cart = gym.make("payoff/SparseCartPole-v0")
    assert observation_names(cart) == ("position", "velocity", "angle", "angular_velocity")
    stacked = gym.wrappers.FrameStackObservation(cart, 2)
    assert observation_names(stacked) == ()  # other numbers than the game's
    assert observation_names(gym.make("CartPole-v1")) == ()
    batch = payoff.multi_agent_vec("payoff/TrustDilemma-v0", num_envs=2)
    assert observation_names(batch)[:3] == ("action[0]", "action[1]", "trust[0,1]")
    parallel = payoff.parallel_env("payoff/TrustDilemma-v0")
    assert observation_names(parallel) == observation_names(batch)


# -- in environments -------------------------------------------------------------------------------------------------


def grid(**keywords):
    return gym.make_vec("payoff/GridNav-v0", num_envs=4, vectorization_mode="vector_entry_point", **keywords)


def test_a_file_pays_the_same(tmp_path):
    env = grid()
    reward = ExpressionReward("next_obs.x - obs.x if action[0] < 2 else -0.5", names=observation_names(env), limit=3.0)
    save_reward(tmp_path / "reward.safetensors", reward)
    again = load_reward(tmp_path / "reward.safetensors")
    assert isinstance(again, ExpressionReward) and again.tree == reward.tree
    assert again.settings() == {
        "text": "(next_obs[0] - obs[0]) if (action[0] < 2) else -0.5",
        "added": False,
        "limit": 3.0,
    }
    env = wrap(env, again)
    obs, _ = env.reset(seed=0)
    rng = np.random.default_rng(0)
    over = np.zeros(4, dtype=bool)
    for _ in range(60):
        actions = rng.integers(0, 4, 4)
        after, paid, terminated, truncated, _ = env.step(actions)
        expected = np.where(actions < 2, after[:, 0].astype(float) - obs[:, 0].astype(float), -0.5)
        np.testing.assert_array_equal(paid[~over], expected[~over])
        obs, over = after, terminated | truncated


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": "__import__('os').system('true')"}, "not allowed: '_' at character 1"),
        ({"text": "(" * 4000}, "at most 64 deep"),
        ({"text": "x" * 10**6}, "at most 4000 characters"),
        ({"text": ["1"]}, "expression must be a text"),
        ({"text": "obs.x"}, "nobody said what the entries of the observation are called"),
        ({"limit": -1.0}, "limit must be a number"),
        ({"added": "yes"}, "added must be True or False"),
    ],
)
def test_a_forged_file_is_refused(tmp_path, changes, message):
    path = tmp_path / "reward.safetensors"
    settings = {"text": "obs[0]", "added": False, "limit": 1.0, **changes}
    save_arrays(path, {}, {"kind": "ExpressionReward", "settings": settings}, "reward")
    with pytest.raises(ValueError, match=f"cannot be used: .*{message}"):
        load_reward(path)


def test_one_copy_is_paid_as_a_batch_is():
    names = observation_names(grid())
    reward = ExpressionReward("obs.x + 2 * next_obs.y + action[0] + terminated", names=names)
    batch, single = wrap(grid(), reward), wrap(gym.make("payoff/GridNav-v0"), reward)
    batch.reset(seed=[7, 8, 9, 10])
    single.reset(seed=7)
    for t in range(15):
        _, many, *_ = batch.step(np.full(4, t % 4))
        _, one, terminated, truncated, _ = single.step(t % 4)
        assert one == many[0]
        if terminated or truncated:
            break


def test_the_potential_of_an_expression_is_that_of_the_entry():
    """``info.progress`` and ``from_info("progress")`` are one potential, resets inside the rollout included."""
    how = {"gamma": 0.9, "on_truncation": "terminal", "scale": 2.0}
    one = wrap(grid(), PotentialShaping(from_info("progress"), **how))
    other = wrap(grid(), PotentialShaping(from_expression("info.progress"), **how))
    one.reset(seed=3)
    other.reset(seed=3)
    rng = np.random.default_rng(1)
    for _ in range(120):
        actions = rng.integers(0, 4, 4)
        np.testing.assert_array_equal(one.step(actions)[1], other.step(actions)[1])


def test_seats_are_rows():
    """In a batch with several seats each is paid by its own observation and its own part of ``info``."""
    env = payoff.multi_agent_vec("payoff/TrustDilemma-v0", num_envs=2)
    reward = ExpressionReward("next_obs[0] + 0.01 * info.payoff", limit=1e6)
    env = wrap(env, reward)
    env.reset(seed=0)
    for _ in range(3):
        obs, paid, _, _, info = env.step(np.full((2, 2, 1), 30.0) * [[[1.0], [2.0]]])
        np.testing.assert_allclose(paid, obs[:, :, 0].astype(float) + 0.01 * info["payoff"], rtol=1e-12)
