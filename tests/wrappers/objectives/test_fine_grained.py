"""Rewards paid at the end of their segments: sums by hand, the same return under every segmentation."""

import numpy as np
import pytest

from payoff.wrappers import wrap
from payoff.wrappers.objectives.augment import augment
from payoff.wrappers.objectives.fine_grained import FineGrainedReward


def x_is_zero(t):
    return t.info["pair"][:, 0] == 0


def method(segments=("step", x_is_zero)):
    return FineGrainedReward([1.0, 0.5], segments, key="pair")


SEGMENTS = [("step", "episode"), (2, x_is_zero), ("episode", 3)]


@pytest.mark.parametrize("segments", SEGMENTS)
def test_wrapped_batch_equals_batch_of_wrapped(mode, segments, walk, sync, rollout, same):
    outside = rollout(augment(sync(walk, 5, mode), method(segments)))
    inside = rollout(sync(lambda: augment(walk(), method(segments)), 5, mode))
    same(outside, inside, mode, told=["owed"])


@pytest.mark.parametrize("segments", [*SEGMENTS, ("step", "step"), ("episode", "episode")])
def test_returns_do_not_depend_on_segments(segments, walk):
    env, rng = wrap(walk(), method(segments)), np.random.default_rng(0)
    for episode in range(20):
        env.reset(seed=episode)
        told, due, ended = 0.0, 0.0, False
        while not ended:
            _, reward, terminated, truncated, info = env.step(int(rng.integers(0, 3)))
            told, due = told + reward, due + info["pair"] @ [1.0, 0.5]
            ended = terminated or truncated
            if segments == ("episode", "episode"):
                assert ended or reward == 0.0
            if segments == ("step", "step"):
                assert reward == info["pair"] @ [1.0, 0.5]
        assert told == pytest.approx(due)


@pytest.mark.parametrize("end", [{"terminated": True}, {"truncated": True}, {"terminated": True, "truncated": True}])
def test_payments_by_hand(end, drive):
    """Objective 0 every two steps, objective 1 (half weight) where x is 0; both when the episode ends."""
    pairs = [(1, 10), (0, 20), (3, 30), (5, 40)]
    steps = [{"info": {"pair": np.array(pair)}} for pair in pairs]
    steps.insert(2, {"info": {"pair": np.array([0, 99])}, "active": False})
    steps[-1] |= end
    again = [{"info": {"pair": np.array([7, 8])}}]
    reward = method((2, x_is_zero))
    assert drive(reward, steps) == [0.0, 1.0 + 15.0, 0.0, 0.0, 8.0 + 35.0]
    assert drive(reward, again) == [0.0]  # drive resets: nothing is owed from before
    assert drive(reward, again, start=False) == [14.0]


def test_what_the_learner_sees(walk):
    env = augment(walk(horizon=50, edge=100), method((4, "episode")))
    obs, info = env.reset(seed=0)
    assert obs[2:].tolist() == [0, 0, 0] and info["owed"].tolist() == [0, 0]
    pairs = []
    for step in range(1, 4):
        obs, *_, info = env.step(2)
        pairs.append(info["pair"])
        assert obs[2:].tolist() == [*np.sum(pairs, axis=0), step / 4]
    obs, *_ = env.step(2)
    assert obs[2] == 0 and obs[4] == 0 and obs[3] == 1 + 2 + 3 + 4


@pytest.mark.parametrize(
    ("segments", "error", "words"),
    [
        (["step"], ValueError, "segments must be as many as weights, 2, got 1"),
        (["step", "word"], ValueError, "a segment must be 'step', 'episode', a number or a function, got 'word'"),
        (["step", 0], ValueError, "a segment's steps must be an integer at least 1"),
        (["step", True], ValueError, "a segment's steps must be an integer"),
        (["step", 1.5], TypeError, "a segment must be"),
    ],
)
def test_bad_arguments_are_named(segments, error, words):
    with pytest.raises(error, match=words):
        method(segments)


def test_bad_segment_function_is_named(walk):
    env = wrap(walk(), method(("step", lambda t: t.reward)))
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"a segment must return bool \(1,\)"):
        env.step(0)
