"""The lazy info: one row axis in front, whatever kind of environment it comes from."""

import numpy as np
import pytest

from payoff.wrappers.rows import agents_info, single_info, vector_info

EVERYONE = np.ones(3, dtype=bool)


def test_values_are_made_when_they_are_asked_for():
    class Costly(dict):
        def __getitem__(self, key):
            asked.append(key)
            return super().__getitem__(key)

    asked = []
    info = single_info(Costly(a=1.0, b=np.zeros((2, 2))))
    assert asked == []
    assert (set(info), len(info), "a" in info, "c" in info) == ({"a", "b"}, 2, True, False)
    asked.clear()
    assert info["b"].shape == (1, 2, 2)
    assert asked == ["b"]
    assert info.get("c") is None


def test_selections_of_selections():
    info = vector_info({"x": np.array([10, 20, 30]), "inner": {"y": np.array([1, 2, 3])}}, EVERYONE)
    outer = info.select(np.array([True, False, True]))
    inner = outer.select(np.array([False, True]))
    assert outer["x"].tolist() == [10, 30]
    assert inner["x"].tolist() == [30]
    assert inner["inner"]["y"].tolist() == [3]


def test_only_rows_that_matter_must_have_an_entry():
    infos = {"x": np.array([1.0, 0.0, 3.0]), "_x": np.array([True, False, True])}
    assert vector_info(infos, infos["_x"])["x"].tolist() == [1.0, 0.0, 3.0]
    assert vector_info(infos, EVERYONE).select(infos["_x"])["x"].tolist() == [1.0, 3.0]
    with pytest.raises(KeyError, match=r"info has no 'x' in rows \[1\]"):
        vector_info(infos, EVERYONE)["x"]
    with pytest.raises(KeyError, match=r"info has no 'x' in rows \[1\]"):
        vector_info(infos, EVERYONE).select(np.array([False, True, True]))["x"]
    assert list(vector_info(infos, EVERYONE)) == ["x"]


def test_ended_rows_come_from_the_end_of_the_episode():
    ended = np.array([False, True, False])
    now = {"x": np.array([1, 2, 3]), "inner": {"y": np.array([1.0, 2.0, 3.0])}, "final_obs": None, "_final_obs": ended}
    final = {"x": np.array([0.0, 9.5, 0.0]), "_x": ended, "inner": {"y": np.array([0.0, 7.0, 0.0])}, "z": ended}
    info = vector_info(now, EVERYONE, final=final, ended=ended)
    assert info["x"].tolist() == [1, 9.5, 3]
    assert info["inner"]["y"].tolist() == [1.0, 7.0, 3.0]
    assert set(info) == {"x", "inner", "z"}
    assert info.select(ended)["z"].tolist() == [True]
    with pytest.raises(KeyError, match=r"rows \[0, 2\]"):
        info["z"]


def test_an_entry_without_copies_is_refused():
    with pytest.raises(ValueError, match="one row for each of 3 copies, got shape"):
        vector_info({"x": 1.0}, EVERYONE)["x"]


def test_seats_get_their_own_entries_and_share_the_others():
    info = vector_info(
        {
            "own": np.array([[1, 2], [3, 4], [5, 6]]),
            "matrix": np.arange(12).reshape(3, 2, 2),
            "number": np.array([7, 8, 9]),
            "inner": {"own": np.array([[1, 2], [3, 4], [5, 6]])},
        },
        EVERYONE,
    ).repeated(2)
    assert info["own"].tolist() == [1, 2, 3, 4, 5, 6]
    assert info["number"].tolist() == [7, 7, 8, 8, 9, 9]
    assert info["matrix"].shape == (6, 2, 2)
    assert info["matrix"][2].tolist() == info["matrix"][3].tolist() == [[4, 5], [6, 7]]
    assert info["inner"]["own"].tolist() == [1, 2, 3, 4, 5, 6]


def test_agents_without_an_entry_hold_zeros_where_nobody_looks():
    infos = {"a": {"x": 1.5, "word": "short"}, "c": {"x": 2.5, "word": "much longer"}}
    info = agents_info(infos, ["a", "b", "c"], np.array([True, False, True]))
    assert info["x"].tolist() == [1.5, 0.0, 2.5]
    assert info["word"].tolist() == ["short", "", "much longer"]
    with pytest.raises(KeyError, match="it has: x, word"):
        info["y"]


def test_seats_get_their_parts_as_they_are_declared():
    """Shapes do not tell: lists of as many numbers as there are seats, parts that are rows, and a game of one seat."""
    own = np.arange(12).reshape(3, 2, 2)
    info = vector_info({"shared": np.array([[1, 2], [3, 4], [5, 6]]), "own": own}, EVERYONE)
    seats = info.repeated(2, {"shared": False, "own": True})
    assert seats["shared"].tolist() == [[1, 2], [1, 2], [3, 4], [3, 4], [5, 6], [5, 6]]
    assert seats["own"].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]]
    alone = vector_info({"mask": own[:, :1], "one": np.array([[1], [2], [3]])}, EVERYONE).repeated(
        1, {"mask": True, "one": False}
    )
    assert alone["mask"].tolist() == [[0, 1], [4, 5], [8, 9]]
    assert alone["one"].tolist() == [[1], [2], [3]]
