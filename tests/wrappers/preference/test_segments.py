"""Segments are cut where they should be, fit together, and go through a state and back."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from payoff.wrappers import Segments, Transition, draw_pairs
from payoff.wrappers.preference.segments import SegmentRecorder, joined


def step(t, *, terminated=(False, False), truncated=(False, False), active=(True, True)):
    """Step t of two rows: row r acts on 10 r + t, does t and is paid t + r."""
    rows = np.arange(2)
    return Transition(
        obs=(10.0 * rows + t)[:, None],
        action=np.array([t, t]),
        reward=(t + rows).astype(float),
        next_obs=(10.0 * rows + t + 1)[:, None],
        terminated=np.array(terminated),
        truncated=np.array(truncated),
        info={},
        active=np.array(active),
    )


def test_a_segment_every_length_steps_of_each_row():
    recorder = SegmentRecorder(2)
    recorder.begin(np.array([True, True]))
    assert recorder.add(step(0)) is None
    found = recorder.add(step(1))
    assert found.obs[:, :, 0].tolist() == [[0.0, 1.0, 2.0], [10.0, 11.0, 12.0]]
    assert found.actions[:, :, 0].tolist() == [[0.0, 1.0], [0.0, 1.0]]
    assert found.rewards.tolist() == [[0.0, 1.0], [1.0, 2.0]] and found.returns.tolist() == [1.0, 3.0]
    assert found.valid.all() and not found.ended.any()
    assert recorder.add(step(2)) is None  # the next ones begin


def test_an_end_fills_the_rest_and_a_time_limit_throws_away():
    recorder = SegmentRecorder(3)
    recorder.begin(np.array([True, True]))
    recorder.add(step(0))
    found = recorder.add(step(1, terminated=(True, False), truncated=(False, True)))
    assert len(found) == 1 and found.ended.tolist() == [True]
    assert found.obs[0, :, 0].tolist() == [0.0, 1.0, 2.0, 2.0]
    assert found.valid.tolist() == [[True, True, False]] and found.rewards.tolist() == [[0.0, 1.0, 0.0]]
    assert recorder.state_dict()["filled"].tolist() == [0, 0]


def test_rows_that_made_no_step_are_left_alone():
    recorder = SegmentRecorder(2)
    recorder.add(step(0, active=(True, False)))
    found = recorder.add(step(1))
    assert found.obs[:, :, 0].tolist() == [[0.0, 1.0, 2.0]]
    assert recorder.state_dict()["filled"].tolist() == [0, 1]
    recorder.begin(np.array([False, True]))
    assert recorder.state_dict()["filled"].tolist() == [0, 0]


def test_a_recorder_goes_on_from_its_state():
    one, other = SegmentRecorder(2), SegmentRecorder(2)
    one.add(step(0))
    other.read_state(one.state_dict())()
    found, same = one.add(step(1)).arrays(), other.add(step(1)).arrays()
    for name in found:
        np.testing.assert_array_equal(found[name], same[name])
    state = SegmentRecorder(2)
    state.add(step(0))
    good = state.state_dict()
    for bad in ({**good, "filled": np.array([2, 0])}, {**good, "obs": good["obs"][:, :2]}, {"obs": good["obs"]}):
        with pytest.raises(ValueError, match="SegmentRecorder"):
            other.read_state(bad)
    other.read_state({})()
    assert other.state_dict() == {}


def test_rows_of_another_environment_are_refused():
    recorder, other = SegmentRecorder(2), SegmentRecorder(2)
    recorder.add(step(0))
    arrays = {f.name: getattr(step(1), f.name) for f in fields(Transition) if f.name != "info"}
    three = Transition(info={}, **{name: np.concatenate([x, x[:1]]) for name, x in arrays.items()})
    with pytest.raises(ValueError, match=r"2 rows have begun, of 1 and 1 numbers, got 3 of 1 and 1: reset comes first"):
        recorder.add(three)
    other.add(three)
    for name in ("obs", "actions", "rewards", "filled"):
        with pytest.raises(ValueError, match=rf"SegmentRecorder: {name} must have shape"):
            recorder.read_state({**recorder.state_dict(), name: other.state_dict()[name]})


def test_segments_are_taken_joined_and_written_down():
    recorder = SegmentRecorder(1)
    found = joined([recorder.add(step(0)), recorder.add(step(1))])
    assert len(found) == 4 and found.take(np.array([3])).obs.tolist() == [[[11.0], [12.0]]]
    again = Segments.from_arrays(found.arrays())
    np.testing.assert_array_equal(again.obs, found.obs)
    assert len(joined([found, again])) == 8
    assert len(Segments.none(3, 2, 1)) == 0 and Segments.none(3, 2, 1).length == 3


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("obs", np.zeros((2, 2, 1)), r"obs must have shape \(2, 4, O\)"),
        ("rewards", np.full((2, 3), np.nan), "rewards must hold finite numbers, got nan"),
        ("actions", np.zeros((2, 3)), r"actions must have shape \(2, 3, A\)"),
        ("valid", np.zeros((2, 3), bool), "valid must be True in the first step"),
        ("valid", np.zeros((2, 0), bool), "L at least 1"),
        ("ended", np.zeros(2), "ended must hold True and False"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name, value, text):
    good = {
        "obs": np.zeros((2, 4, 1)),
        "actions": np.zeros((2, 3, 1)),
        "rewards": np.zeros((2, 3)),
        "valid": np.ones((2, 3), bool),
        "ended": np.zeros(2, bool),
    }
    Segments(**good)
    with pytest.raises(ValueError, match=text):
        Segments(**{**good, name: value})


def test_pairs_never_hold_a_segment_twice():
    first, second = draw_pairs(3, 3000, np.random.default_rng(0))
    assert (first != second).all()
    counts = np.bincount(first * 3 + second, minlength=9)
    assert counts[[0, 4, 8]].tolist() == [0, 0, 0]
    assert (np.abs(counts[[1, 2, 3, 5, 6, 7]] - 500) < 4 * np.sqrt(500)).all()
    with pytest.raises(ValueError, match="segments must be an integer at least 2, got 1"):
        draw_pairs(1, 3, np.random.default_rng(0))
