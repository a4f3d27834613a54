"""HERON: rankings by hand, what does not depend on units, what is learned, and state."""

import gymnasium as gym
import numpy as np
import pytest

from payoff.wrappers import (
    Factor,
    HierarchicalPreferenceReward,
    HierarchyLearning,
    NetworkSettings,
    StepInputs,
    Transition,
    compare_ranked,
    load_reward,
    save_reward,
    wrap,
)
from payoff.wrappers.preference.hierarchy import margins_of
from payoff.wrappers.rows import vector_info

SMALL = HierarchyLearning(warmup=200, learn_every=100, network=NetworkSettings(hidden=(16,), learning_rate=3e-3))


def transition(vector, obs=None, *, terminated=None, truncated=None, active=None):
    """A step of R rows whose ``info["reward_vector"]`` is given; observations are 0 where they are not."""
    rows = len(vector)
    off = np.zeros(rows, dtype=bool)
    active = np.ones(rows, dtype=bool) if active is None else np.array(active)
    obs = np.zeros((rows, 1)) if obs is None else np.asarray(obs, dtype=float)
    return Transition(
        obs,
        np.zeros(rows, dtype=np.int64),
        np.zeros(rows),
        obs,
        off if terminated is None else np.array(terminated),
        off if truncated is None else np.array(truncated),
        vector_info({"reward_vector": np.asarray(vector, dtype=float)}, active),
        active,
    )


def ranked(*, signs=(-1, -1), margins=(0.5, 0.5), learning=SMALL):
    factors = [Factor("reward_vector", s, m, k) for k, (s, m) in enumerate(zip(signs, margins, strict=True))]
    return HierarchicalPreferenceReward(factors, learning=learning)


def begin(method, rows):
    method.reset(np.zeros((rows, 1)), vector_info({}, np.ones(rows, bool)), np.ones(rows, bool))


def play(method, vectors):
    """Rewards (T, R) of steps with these vectors (T, R, n)."""
    begin(method, vectors.shape[1])
    return np.array([method(transition(v)) for v in vectors])


def test_comparisons_by_hand():
    """Success first, with any difference; then effort, less of it, by more than 0.5; then speed."""
    signs, margins = (1, -1, 1), (0.0, 0.5, 0.1)
    cases = [
        ((1, 9, 0), (0, 0, 9), 1),  # success decides, whatever the rest
        ((0, 3, 9), (0, 1, 0), -1),  # less effort
        ((0, 3, 9), (0, 2.6, 8), 1),  # 0.4 of effort is no difference; more speed
        ((0, 3, 9), (0, 2.5, 9), 0),  # exactly the margin is none either, and speed is the same
        ((0, 0, 1), (0, 0, 1.05), 0),
    ]
    for first, second, answer in cases:
        assert compare_ranked(first, second, signs, margins) == answer
        assert compare_ranked(second, first, signs, margins) == -answer
    first, second, answers = (np.array(x, dtype=float) for x in zip(*cases, strict=True))
    np.testing.assert_array_equal(compare_ranked(first, second, signs, margins), answers)


def test_margins_are_shares_of_standard_deviations():
    """Of 0, 2, 4, 6 the variance is 5; of a quantity that never varies it is 0."""
    np.testing.assert_allclose(margins_of(np.array([[0, 7], [2, 7], [4, 7], [6, 7]]), (0.5, 0.5)), [5**0.5 / 2, 0])


@pytest.mark.parametrize("factor", [100.0, 1e-6, 3.7])
def test_units_of_a_factor_change_no_answer(factor):
    """Delta grows with the factor. A weighted sum turns round."""
    z = np.random.default_rng(0).normal(size=(400, 3)) * [1.0, 5.0, 0.1]
    signs, shares = (-1, -1, 1), (0.5, 0.3, 0.5)
    first, second = z[:200], z[200:]
    before = compare_ranked(first, second, signs, margins_of(z, shares))
    summed = np.sign((first - second) @ [-1.0, -0.1, 0.01])
    for k in range(3):
        units = np.ones(3)
        units[k] = factor
        after = compare_ranked(first * units, second * units, signs, margins_of(z * units, shares))
        np.testing.assert_array_equal(after, before)
    assert (np.sign(((first - second) * [1.0, factor, 1.0]) @ [-1.0, -0.1, 0.01]) != summed).any() or factor < 1


def test_the_whole_method_pays_the_same_in_other_units():
    vectors = np.random.default_rng(1).integers(0, 8, size=(120, 4, 2)).astype(float)
    paid = play(ranked(), vectors)
    again = play(ranked(), vectors * [128.0, 1.0])  # a power of two: exact in floating point
    assert (paid[:50] == 0.0).all() and (paid[60:] != 0.0).any()
    np.testing.assert_allclose(again, paid, atol=1e-9)


def test_what_is_learned_follows_the_ranking():
    """Two independent quantities: of pairs that the first tells apart, nearly all are paid in its order."""
    rng = np.random.default_rng(2)
    method = ranked()
    play(method, rng.normal(size=(800, 4, 2)) * [1.0, 30.0])
    z = rng.normal(size=(500, 2)) * [1.0, 30.0]
    with pytest.raises(ValueError, match="4 rows have begun, got 500: reset comes first"):
        method(transition(z))
    begin(method, 500)
    paid = method(transition(z))
    first, second = np.arange(250), np.arange(250, 500)
    answers = compare_ranked(z[first], z[second], method.signs, method.margins)
    agree = np.sign(paid[first] - paid[second]) == answers
    by_first = np.abs(z[first, 0] - z[second, 0]) > method.margins[0]
    clear = np.abs(z[first, 0] - z[second, 0]) > 2 * method.margins[0]
    assert agree[clear].mean() > 0.97 and agree[by_first & ~clear].mean() > 0.6
    # and not in that of the sum, in which the second is thirty times as large
    assert (np.sign(-(z[first] - z[second]).sum(axis=1)) == answers)[clear].mean() < 0.75


def test_payment_is_standardised_over_the_memory_or_keeps_its_zero():
    vectors = np.random.default_rng(3).normal(size=(100, 4, 2))
    method = ranked()
    play(method, vectors)  # learned at items 200, 300 and 400
    items = method._items["numbers"][:, 0]
    paid = (method.net.scores(items[:, None, :]) - method.shift) / method.scale
    assert paid.mean() == pytest.approx(0.0, abs=1e-9) and paid.std() == pytest.approx(1.0, abs=1e-9)
    plain = ranked(learning=HierarchyLearning(warmup=200, learn_every=100, centre=False, network=SMALL.network))
    play(plain, vectors)
    assert plain.shift == 0.0 and plain.scale == method.scale


def test_segments_are_sums_and_end_with_the_episode():
    learning = HierarchyLearning(segment=3, warmup=4, learn_every=100, memory=4, network=SMALL.network)
    method = ranked(learning=learning)
    begin(method, 2)
    steps = [([[1, 0], [5, 0]], None, None), ([[2, 0], [5, 0]], [False, True], None), ([[4, 0], [6, 0]], None, None)]
    for vector, terminated, truncated in steps:
        method(transition(vector, terminated=terminated, truncated=truncated))
        if terminated:
            method.reset(np.zeros((2, 1)), vector_info({}, np.array(terminated)), np.array(terminated))
    # row 1 ended after 5 + 5; row 0 has 1 + 2 + 4; what row 1 began anew is not finished
    np.testing.assert_array_equal(method._items["factors"], [[10, 0], [7, 0]])
    np.testing.assert_array_equal(method._items["valid"], [[1, 1, 0], [1, 1, 1]])
    method(transition([[9, 9], [9, 9]], truncated=[True, True]))  # cut off: dropped
    assert len(method._items["factors"]) == 2 and not method._rows["filled"].any()


def test_rows_that_make_no_step_teach_nothing():
    method = ranked()
    begin(method, 3)
    method(transition([[1, 1], [np.nan, np.nan], [3, 3]], active=[True, False, True]))
    np.testing.assert_array_equal(method._items["factors"], [[1, 1], [3, 3]])


def test_state_goes_on_bit_for_bit():
    vectors = np.random.default_rng(4).normal(size=(160, 4, 2))
    whole = play(
        ranked(learning=HierarchyLearning(segment=2, warmup=150, learn_every=60, network=SMALL.network)), vectors
    )
    for cut in (1, 50, 101):
        first, second = (
            ranked(learning=HierarchyLearning(segment=2, warmup=150, learn_every=60, network=SMALL.network))
            for _ in range(2)
        )
        play(first, vectors[:cut])
        second.load_state_dict(first.state_dict())
        rest = np.array([second(transition(v)) for v in vectors[cut:]])
        assert rest.tobytes() == whole[cut:].tobytes()


def test_a_bad_state_is_refused_and_changes_nothing():
    method = ranked()
    play(method, np.random.default_rng(5).normal(size=(60, 4, 2)))
    state = method.state_dict()
    for name, value, message in (
        ("margins", np.array([-1.0, 1.0]), "margins must not be negative"),
        ("rows.filled", np.array([0, 0, 0, 7]), "filled be in 0 .. 0"),
        ("items.factors", np.full_like(state["items.factors"], np.nan), "must hold finite numbers"),
        ("net.steps", np.array(-1), "steps must not be negative"),
        ("net.net.weights.0", np.zeros((2, 2)), "must have shape"),
        ("items.valid", ~state["items.valid"], "must be True in the first step of every item"),
    ):
        with pytest.raises(ValueError, match=message):
            method.load_state_dict({**state, name: value})
    with pytest.raises(ValueError, match="missing or unknown"):
        method.load_state_dict({k: v for k, v in state.items() if k != "since"})
    none = {k: v for k, v in state.items() if not k.startswith("items.")}
    with pytest.raises(ValueError, match="items must be at least 200 after since=40 new ones, got 0"):
        method.load_state_dict(none)  # 240 items were seen, and the network was there after 200
    early = ("net.", "items.", "margins", "zero")
    unlearned = {k: v for k, v in state.items() if not k.startswith(early)}
    with pytest.raises(ValueError, match="items must be at least 40 after since=40 new ones, got 0"):
        method.load_state_dict(unlearned)
    after = method.state_dict()
    assert all(after[name].tobytes() == array.tobytes() for name, array in state.items())


def test_a_frozen_reward_pays_the_same_from_a_file(tmp_path):
    def play_traffic(method, reward):
        env = wrap(gym.make_vec("payoff/TrafficGrid-v0", num_envs=4, vectorization_mode="vector_entry_point"), method)
        draws = np.random.default_rng(0)
        env.reset(seed=0)
        paid = [env.step(draws.integers(0, 16, 4))[1] for _ in range(90)]
        return np.array(paid), reward

    factors = [Factor("reward_vector", -1, 0.5, k) for k in (0, 2)]
    learning = HierarchyLearning(warmup=200, learn_every=100_000, network=SMALL.network)
    method = HierarchicalPreferenceReward(factors, learning=learning)
    with pytest.raises(ValueError, match="nothing is learned before 200 items"):
        method.frozen()
    paid, _ = play_traffic(method, None)
    path = tmp_path / "reward.safetensors"
    save_reward(path, method.frozen())
    again, _ = play_traffic(load_reward(path), None)
    np.testing.assert_allclose(again[50:], paid[50:], atol=1e-12)  # learned within the 50th step
    assert (paid[:50] == 0.0).all() and paid[50:].std() > 0.3


def test_clear_ends():
    with pytest.raises(ValueError, match="sign must be 1 or -1, got 0"):
        Factor("progress", 0)
    with pytest.raises(TypeError, match="of must be the name of an info entry or a function"):
        Factor(3)
    with pytest.raises(TypeError, match="factors must be at least one Factor"):
        HierarchicalPreferenceReward([])
    with pytest.raises(TypeError, match="inputs must be StepInputs, got tuple"):
        HierarchicalPreferenceReward([Factor("progress")], inputs=("obs",))
    with pytest.raises(ValueError, match="memory must be an integer at least 1000, got 10"):
        HierarchyLearning(memory=10)
    method = ranked()
    with pytest.raises(ValueError, match="no two of 200 items differ in any factor by more than its margin"):
        play(method, np.ones((50, 4, 2)))
    method = ranked()
    begin(method, 1)
    with pytest.raises(ValueError, match="reward_vector must be finite, got nan"):
        method(transition([[1.0, np.nan]]))
    with pytest.raises(ValueError, match="must have an entry 5 in each row"):
        Factor("reward_vector", index=5)(transition([[1.0, 2.0]]))
    with pytest.raises(ValueError, match="a list needs an index"):
        Factor("reward_vector")(transition([[1.0, 2.0]]))
    with pytest.raises(ValueError, match=r"reward_vector\[2\] must be a place in reward_vector"):
        StepInputs(("reward_vector[2]",))(transition([[1.0, 2.0]]))
