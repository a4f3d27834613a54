"""A table of rewards pays what it says, by what is observed, and refuses what it does not know."""

import numpy as np
import pytest

import payoff.wrappers as w
from payoff.wrappers import TableReward, Transition

OBS = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]], dtype=np.float32)
TABLE = np.array([[1.0, -1.0], [2.0, -2.0], [3.0, -3.0]])


def step(obs, action, reward=0.5, active=None):
    rows = len(obs)
    quiet = np.zeros(rows, dtype=bool)
    active = np.ones(rows, dtype=bool) if active is None else np.array(active)
    return Transition(obs, np.array(action), np.full(rows, reward), obs, quiet, quiet, {}, active)


def test_pays_by_state_and_action():
    """Rows 2, 0, 1 with actions 1, 0, 0: -3, 1, 2; added to one half: -2.5, 1.5, 2.5."""
    moves = step(OBS[[2, 0, 1]], [1, 0, 0])
    assert TableReward(OBS, TABLE)(moves).tolist() == [-3.0, 1.0, 2.0]
    assert TableReward(OBS, TABLE, added=True)(moves).tolist() == [-2.5, 1.5, 2.5]
    assert TableReward(OBS, TABLE)(step(OBS[[2]], [[1.0]])).tolist() == [-3.0]  # as trainers with seats send it


def test_both_zeros_are_one_state():
    assert TableReward(OBS, TABLE)(step(np.float32([[-0.0, 1.0]]), [0])).tolist() == [1.0]


def test_rows_that_make_no_step_may_hold_anything():
    moves = step(np.float32([[9.0, 9.0], [1.0, 0.0]]), [7, 1], active=[False, True])
    assert TableReward(OBS, TABLE)(moves)[1] == -2.0


@pytest.mark.parametrize(
    ("obs", "action", "message"),
    [
        (np.float32([[9.0, 9.0]]), [0], r"knows 3 states, and not the one observed as \[9.0, 9.0\]"),
        (np.float64([[0.0, 1.0]]), [0], r"knows observations float32 \(2,\), got float64 \(2,\)"),
        (np.float32([[0.0]]), [0], r"knows observations float32 \(2,\), got float32 \(1,\)"),
        (OBS[:1], [2], r"knows the actions 0 .. 1, got 2"),
        (OBS[:1], [-1], r"knows the actions 0 .. 1, got -1"),
        (OBS[:1], [0.5], r"knows the actions 0 .. 1, got 0.5"),
        (OBS[:1], [np.nan], r"knows the actions 0 .. 1, got nan"),
        (OBS[:1], [[0, 1]], r"one a row, got int64 \(1, 2\)"),
    ],
)
def test_what_it_does_not_know_is_refused(obs, action, message):
    with pytest.raises(ValueError, match=message):
        TableReward(OBS, TABLE)(step(obs, action))


@pytest.mark.parametrize(
    ("obs", "table", "message"),
    [
        (OBS[[0, 1, 0]], TABLE, "states 0 and 2 look the same"),
        (OBS, TABLE[:2], r"table must have shape \(3, A\), got \(2, 2\)"),
        (OBS, TABLE * np.nan, "table must be finite, got nan"),
        (OBS + np.float32(np.inf), TABLE, "obs must be finite"),
        (OBS[:0], TABLE[:0], "at least one state"),
        (OBS[:, 0], TABLE, "obs must be numbers"),
    ],
)
def test_tables_that_are_none_are_refused(obs, table, message):
    with pytest.raises(ValueError, match=message):
        TableReward(obs, table)


@pytest.mark.parametrize("added", [False, True])
def test_file_pays_the_same(added, tmp_path):
    reward = TableReward(OBS, TABLE, added=added)
    w.save_reward(tmp_path / "r.safetensors", reward)
    moves = step(OBS[[2, 0]], [0, 1])
    found = w.load_reward(tmp_path / "r.safetensors")
    assert isinstance(found, TableReward)
    assert found(moves).tolist() == reward(moves).tolist()
