"""The loop of playing, asking, learning and paying, around small games."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from payoff.wrappers import (
    Cleaning,
    PreferenceLearning,
    PreferenceReward,
    SimulatedAnnotator,
    judge,
    observed_values,
    wrap,
)
from payoff.wrappers.preference.annotators import Answers

SETTINGS = PreferenceLearning(members=2, hidden=(8,), epochs=3, batch_size=16, learning_rate=3e-3)


def method(annotator=None, **changes):
    given = {"num_actions": 4, "length": 4, "ask_every": 120, "questions": 10, "memory": 40, "settings": SETTINGS}
    return PreferenceReward(annotator or SimulatedAnnotator(), **{**given, **changes})


def vector(copies=4, **keywords):
    mode = "vector_entry_point"
    return gym.make_vec("payoff/Delivery-v0", num_envs=copies, vectorization_mode=mode, observe="minimal", **keywords)


def play(env, steps, seed=0):
    rng = np.random.default_rng(seed)
    return [env.step(rng.integers(4, size=env.num_envs))[1] for _ in range(steps)]


def test_nothing_is_paid_before_the_first_round_and_the_ensemble_after_it():
    env = wrap(vector(), method())
    env.reset(seed=0)
    paid = np.array(play(env, 60))
    loop = env.method
    assert loop.asked in (10, 20) and np.isfinite(loop.loss)  # at most 240 steps: restarts are none
    first = np.flatnonzero(np.abs(paid).sum(axis=1))[0]
    assert 30 <= first <= 35 and not paid[:first].any()
    assert loop.learned is not None


class Recorded:
    """Says that the first is better, and notes what it was asked."""

    count = 1

    def __init__(self, answer=1.0):
        self.answer, self.seen = answer, []

    def ask(self, segments, first, second, rng):
        self.seen.append((segments, first, second))
        return Answers(np.full(len(first), self.answer), np.zeros(len(first), dtype=int))


def test_segments_are_those_that_were_played_and_memory_keeps_the_answered_ones():
    annotator = Recorded()
    env = wrap(vector(), method(annotator, memory=10))
    env.reset(seed=0)
    play(env, 150)
    assert len(annotator.seen) >= 4
    for segments, first, second in annotator.seen:
        assert (first != second).all() and segments.length == 4
        assert np.isin(segments.actions, range(4)).all()
    last, *_ = annotator.seen[-1]
    asked = sum(len(first) for _, first, _ in annotator.seen)
    assert len(last) <= 10 + 2 * asked
    loop = env.method
    for segments, first, second in annotator.seen[:1]:  # answers still point at the segments that they were about
        np.testing.assert_array_equal(loop._segments.take(loop._first[:10]).obs, segments.take(first).obs)
        np.testing.assert_array_equal(loop._segments.take(loop._second[:10]).obs, segments.take(second).obs)


@pytest.mark.parametrize("choose", ["random", "disagree"])
def test_it_goes_on_from_a_snapshot_bit_for_bit(choose):
    one = wrap(vector(), method(choose=choose, cleaning=Cleaning(flip_below=0.5)))
    one.reset(seed=0)
    play(one, 70)
    snapshot = one.snapshot()
    expected = play(one, 80, seed=1)
    other = wrap(vector(), method(choose=choose, cleaning=Cleaning(flip_below=0.5)))
    other.restore(type(snapshot).from_arrays(snapshot.arrays()))
    np.testing.assert_array_equal(play(other, 80, seed=1), expected)
    assert other.method.asked == one.method.asked > 20
    for name, array in one.method.state_dict().items():
        np.testing.assert_array_equal(array, other.method.state_dict()[name], strict=True)


def test_bad_states_are_refused_and_nothing_changes():
    env = wrap(vector(), method())
    env.reset(seed=0)
    play(env, 70)
    loop = env.method
    good = loop.state_dict()
    bad = [
        {**good, "first": good["first"] + 10_000},
        {**good, "since": np.array(-1)},
        {**good, "answer": good["answer"] + 5.0},
        {**good, "paid.mean": good["paid.mean"] * np.nan},
        {**good, "segments.obs": good["segments.obs"][1:]},
        {**good, "ensemble.net.weights.0": good["ensemble.net.weights.0"][1:]},
        {**good, "recorder.filled": good["recorder.filled"] + 9},
        {**good, "odd": np.zeros(1)},
        {name: array for name, array in good.items() if name != "scale"},
    ]
    for state in bad:
        with pytest.raises(ValueError):
            loop.load_state_dict(state)
    for name, array in loop.state_dict().items():
        np.testing.assert_array_equal(array, good[name])


def longer(array, axis):
    """One more entry along an axis, the last one twice."""
    return np.concatenate([array, np.take(array, [-1], axis=axis)], axis=axis)


CHANGES = {  # of a state whose every part is right by itself
    "observations of segments": (
        {"segments.obs": lambda x: longer(x, 2)},
        r"segments\.obs and segments\.actions must give 6 numbers a step, .* ensemble\.whitening\.mean.* 7",
    ),
    "entries of actions": ({"segments.actions": lambda x: longer(x, 2)}, r"segments\.actions must give 6 .* 10"),
    "an action that does not exist": (
        {"segments.actions": lambda x: x + 4.0},
        r"segments\.actions must be integers in 0 \.\. 3, got [4-7]",
    ),
    "a running action": ({"recorder.actions": lambda x: x - 0.5}, r"recorder\.actions must be integers in 0 \.\. 3"),
    "running observations": ({"recorder.obs": lambda x: x[..., 1:]}, r"recorder\.obs and .* 6 numbers a step.* 5"),
    "what is paid": (
        {
            "paid.mean": lambda x: longer(x, 0),
            "paid.deviation": lambda x: longer(x, 0),
            "paid.weights.0": lambda x: longer(x, 1),
        },
        r"paid\.mean must have 6 numbers, as ensemble\.whitening\.mean has, got 7",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_parts_of_a_state_that_do_not_go_together_are_refused(case):
    """A method that has seen nothing yet knows its environment from the state alone."""
    env = wrap(vector(), method())
    env.reset(seed=0)
    play(env, 70)
    good, fresh = env.method.state_dict(), method()
    changes, text = CHANGES[case]
    state = good | {name: change(good[name]) for name, change in changes.items()}
    with pytest.raises(ValueError, match=f"PreferenceReward: .*{text}"):
        fresh.load_state_dict(state)
    assert fresh.recorder.state_dict() == {} == fresh.ensemble.state_dict() and not fresh.asked
    fresh.load_state_dict(good)


def test_play_is_forgotten_also_where_nothing_is_asked():
    long = method(ask_every=10**6, memory=5)
    env = wrap(vector(), long)
    env.reset(seed=0)
    play(env, 200)
    assert len(long._new) < 5 and len(long._segments) <= 5
    assert len(long.state_dict()["segments.valid"]) == 5


def test_an_answer_about_a_segment_and_itself_and_an_unknown_array_are_refused():
    env = wrap(vector(), method())
    env.reset(seed=0)
    play(env, 70)
    good = env.method.state_dict()
    both = good["first"][-1]
    second = np.append(good["second"][:-1], both)
    with pytest.raises(ValueError, match=f"second must be another segment than first, got {both} and {both}"):
        method().load_state_dict({**good, "second": second})
    with pytest.raises(ValueError, match=r"paid: .*missing or unknown: other"):
        method().load_state_dict({**good, "paid.other": np.zeros(1)})


def test_segments_without_networks_and_running_segments_of_another_environment_are_refused():
    """Numbers of a step that are as many in all and differ in what they are; and rows that are more."""
    loop = method(num_actions=None)
    env = wrap(gym.vector.SyncVectorEnv([Drift] * 4), loop)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(70):
        env.step(rng.integers(3, size=4))
    good = loop.state_dict()
    networks = [name for name in good if name.startswith("ensemble.")]
    with pytest.raises(ValueError, match=r"ensemble\.whitening\.mean is missing: there are segments"):
        method(num_actions=None).load_state_dict({k: v for k, v in good.items() if k not in networks})
    mixed = {"recorder.obs": longer(good["recorder.obs"], 2), "recorder.actions": good["recorder.actions"][..., 1:]}
    with pytest.raises(ValueError, match=r"recorder\.obs must have 2 numbers .*recorder\.actions 1, .* got 3 and 0"):
        method(num_actions=None).load_state_dict(good | mixed)
    fewer = {name: array[1:] for name, array in good.items() if name.startswith("recorder.")}
    with pytest.raises(ValueError, match=r"SegmentRecorder: obs must have shape \(4, 5, 2\), got \(3, 5, 2\)"):
        loop.load_state_dict(good | fewer)
    for name, array in loop.state_dict().items():
        np.testing.assert_array_equal(array, good[name], strict=True)


class Drift(gym.Env):
    """Two random numbers, of which the first is paid, and 1 more for action 2; five steps an episode."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float64)
    action_space = gym.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        self.x = self.np_random.uniform(-1.0, 1.0, 2)
        return self.x, {}

    def step(self, action):
        paid, self.t = float(self.x[0]) + (action == 2), self.t + 1
        self.x = self.np_random.uniform(-1.0, 1.0, 2)
        return self.x, paid, self.t == 5, False, {}


def test_it_learns_what_the_annotator_likes():
    """An annotator without noise: what is paid goes with what the game pays."""
    settings = PreferenceLearning(members=2, hidden=(16,), epochs=20, learning_rate=3e-3)
    sure = SimulatedAnnotator(scale=np.inf)
    loop = method(sure, num_actions=3, length=5, ask_every=400, questions=60, memory=200, settings=settings)
    env = wrap(gym.vector.SyncVectorEnv([Drift] * 8), loop)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    told, true = [], []
    for _ in range(250):
        _, paid, _, _, info = env.step(rng.integers(3, size=8))
        told.append(paid)
        true.append(info["true_reward"])
    assert np.corrcoef(np.ravel(told[-50:]), np.ravel(true[-50:]))[0, 1] > 0.9


def test_ties_alone_end_when_the_budget_does():
    env = wrap(vector(), method(Recorded(0.5), budget=20))
    env.reset(seed=0)
    with pytest.raises(ValueError, match="no preferences: none of 20 answers told two segments apart"):
        play(env, 200)
    silent = wrap(vector(), method(Recorded(np.nan)))
    silent.reset(seed=0)
    assert not np.array(play(silent, 80)).any()
    assert np.isnan(silent.method.loss)
    again = method(Recorded(np.nan))
    again.load_state_dict(silent.method.state_dict())
    assert np.isnan(again._answer).all() and again.asked == 20


def test_the_budget_ends_the_questions():
    env = wrap(vector(), method(budget=15))
    env.reset(seed=0)
    play(env, 150)
    assert env.method.asked == 15


def test_regret_is_looked_up_by_what_is_observed():
    env = vector()
    optimal = observed_values(env, gamma=0.99)
    annotator = Recorded()
    played = wrap(env, method(annotator))
    played.reset(seed=0)
    play(played, 40)
    segments = annotator.seen[0][0]
    regret = judge(segments, "regret", optimal)
    assert (regret <= 1e-9).all() and (regret < -1.0).any()
    with pytest.raises(ValueError, match="an observation is that of no state"):
        optimal.state(np.full((1, 2), 0.123))


def test_bad_arguments_name_what_is_wrong():
    with pytest.raises(TypeError, match="annotator must have ask"):
        PreferenceReward(object(), num_actions=4)
    with pytest.raises(TypeError, match="cleaning must be a Cleaning"):
        method(cleaning="flip")
    for name in ("length", "ask_every", "questions", "memory", "budget", "annotators", "num_actions"):
        with pytest.raises(ValueError, match=f"{name} must be an integer"):
            method(**{name: 0})
    with pytest.raises(ValueError, match="choose must be one of"):
        method(choose="best")
