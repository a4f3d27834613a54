"""Keys: equal states have equal keys and different ones different keys, whatever observations are made of."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.wrappers import wrap
from payoff.wrappers.bonus.count import Count
from payoff.wrappers.bonus.keys import key_from_info, observation_key, row_keys
from payoff.wrappers.bonus.reward import BonusReward
from payoff.wrappers.rows import vector_info

ALL = np.ones(4, dtype=bool)


def keys(obs, key=observation_key, mask=ALL):
    return row_keys(key, obs, vector_info({}, mask), mask)


def same(found):
    """Which of the rows have equal keys, as numbers of the first row of each kind."""
    rows = [tuple(row) for row in found.tolist()]
    return [rows.index(row) for row in rows]


WIDE = np.repeat([[1.0], [2.0], [1.0], [3.0]], 9, axis=1)


@pytest.mark.parametrize(
    "obs",
    [
        np.array([1, 2, 1, 3]),
        np.array([1, 2, 1, 3], dtype=np.uint8),
        np.array([0.0, 1.0, -0.0, 2.0]),
        np.array([[0.0, 5.0], [1.0, 5.0], [-0.0, 5.0], [2.0, 5.0]], dtype=np.float32),
        WIDE,
        WIDE.reshape(4, 3, 3),
        np.array(["here", "there", "here", "everywhere"]),
        {"b": np.array([1, 1, 1, 1]), "a": np.array([[1, 2], [2, 1], [1, 2], [2, 2]])},
        (np.array([1, 2, 1, 2]), np.array([True, True, True, False])),
        {"deep": (WIDE, np.array([7, 7, 7, 7]))},
    ],
    ids=lambda obs: type(obs).__name__,
)
def test_equal_states_have_equal_keys(obs):
    found = keys(obs)
    assert found.shape == (4, 2) and found.dtype == np.uint64
    assert same(found) == [0, 1, 0, 3]


def test_words_do_not_depend_on_the_longest_in_the_batch():
    long = keys(np.array(["here", "there", "everywhere", "x"]))
    short = keys(np.array(["x", "here", "there", "x"]))
    assert long[0].tolist() == short[1].tolist() and long[3].tolist() == short[0].tolist()


def test_last_bit_of_a_long_row_counts():
    obs = np.zeros((4, 500))
    obs[1, 499] = np.nextafter(0.0, 1.0)
    assert same(keys(obs)) == [0, 1, 0, 0]


def test_rows_outside_the_mask_are_not_shown():
    seen = []

    def key(obs, info):
        seen.append(obs.tolist())
        return obs

    found = keys(np.array([1, 2, 3, 4]), key, np.array([False, True, False, True]))
    assert seen == [[2, 4]] and found[:, 0].tolist() == [0, 2, 0, 4]
    assert keys(np.arange(4), key, np.zeros(4, bool)).tolist() == [[0, 0]] * 4 and len(seen) == 1


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (lambda obs, info: obs[:2], ValueError, r"must return an array of 4 rows, got shape \(2,\)"),
        (lambda obs, info: 3, ValueError, r"must return an array of 4 rows, got shape \(\)"),
        (lambda obs, info: np.array([{}] * 4), TypeError, "must return numbers, flags or words, got dtype object"),
    ],
)
def test_bad_key_is_named(key, error, message):
    with pytest.raises(error, match=message):
        keys(np.arange(4), key)


def test_key_from_info_must_name_an_entry():
    with pytest.raises(TypeError, match="key must be a string, got 3"):
        key_from_info(3)


def test_caption_is_a_key_in_every_view():
    """Its number, in the single view and in batches: the same counts."""
    one, other = (BonusReward(Count(key_from_info("caption"))) for _ in range(2))
    vector = wrap(gym.make_vec("payoff/KeyRoom-v0", num_envs=2, size=6), one)
    single = gym.vector.SyncVectorEnv([lambda: wrap(gym.make("payoff/KeyRoom-v0", size=6), other)] * 2)
    for env in (vector, single):
        env.reset(seed=0)
    rng = np.random.default_rng(0)
    found = []
    for _ in range(60):
        actions = rng.integers(0, 5, 2)
        found.append(vector.step(actions)[1].tolist())
        assert found[-1] == single.step(actions)[1].tolist()
    assert len({x for row in found for x in row}) > 20


def test_numbered_and_dict_observations(dict_walk):
    env = wrap(gym.make("FrozenLake-v1", is_slippery=False), BonusReward(Count()))
    env.reset(seed=0)
    assert [env.step(a)[1] for a in (2, 0, 2)] == [1, pytest.approx(2**-0.5), pytest.approx(2**-0.5)]
    env = wrap(dict_walk(), BonusReward(Count(lambda obs, info: obs["step"], power=1.0), on_terminal=True))
    for episode in range(3):
        env.reset(seed=0)
        *_, info = env.step(1)
        assert info["reward_terms"]["bonus"] == pytest.approx(1 / (episode + 1), abs=1e-12)


def test_key_function_sees_observations_and_info():
    env = wrap(
        payoff.multi_agent_vec("payoff/CorridorStar-v0", 3),
        BonusReward(Count(lambda obs, info: np.round(10 * info["progress"]).astype(int), power=1.0, per_row=True)),
    )
    env.reset(seed=0)
    info = env.step(np.array([[1], [1], [2]]))[-1]  # into the goal's corridor, and into another: still no progress
    assert info["reward_terms"]["bonus"].ravel().tolist() == [1, 1, 0.5]
