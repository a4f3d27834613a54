"""A file of answers: written line by line, read back, and readable whatever a kill has left."""

from __future__ import annotations

import hashlib
import json
import re

import numpy as np
import pytest

from payoff.files import save_arrays
from payoff.wrappers import Segments, append_answer, begin_answers, read_preferences


def some(count=3):
    numbers = np.arange(count, dtype=float)
    obs = np.broadcast_to(numbers[:, None, None], (count, 3, 1))
    return Segments(obs, np.zeros((count, 2, 1)), np.ones((count, 2)), np.ones((count, 2), bool), np.zeros(count, bool))


@pytest.fixture
def path(tmp_path):
    begin_answers(tmp_path / "a.jsonl", some(), {"env_id": "payoff/Delivery-v0"})
    return tmp_path / "a.jsonl"


def test_answers_come_back_as_they_were_given(path):
    empty = read_preferences(path)
    assert len(empty) == 0 and empty.names == () and len(empty.segments) == 3
    append_answer(path, 0, 1, 1, annotator="ann", seed=7)
    append_answer(path, 2, 0, 0.5, annotator="bob")
    append_answer(path, 1, 2, "skip", annotator="ann")
    append_answer(path, 1, 0, 0, annotator="bob")
    found = read_preferences(path)
    assert found.first.tolist() == [0, 2, 1, 1] and found.second.tolist() == [1, 0, 2, 0]
    np.testing.assert_array_equal(found.answer, [1.0, 0.5, np.nan, 0.0])
    assert found.annotator.tolist() == [0, 1, 0, 1] and found.names == ("ann", "bob")
    assert found.about == {"env_id": "payoff/Delivery-v0"}
    np.testing.assert_array_equal(found.segments.obs, some().obs)
    assert json.loads(path.read_text().splitlines()[1]) == {
        "answer": 1,
        "annotator": "ann",
        "first": 0,
        "second": 1,
        "seed": 7,
    }


def test_a_line_that_a_kill_cut_off_counts_as_not_written(path):
    append_answer(path, 0, 1, 1)
    whole = path.read_bytes()
    append_answer(path, 1, 2, 0)
    data = path.read_bytes()
    for cut in range(len(whole), len(data)):
        path.write_bytes(data[:cut])
        assert len(read_preferences(path)) == 1
        append_answer(path, 2, 1, 0.5)
        found = read_preferences(path)
        assert found.answer.tolist() == [1.0, 0.5] and found.first.tolist() == [0, 2]


def test_what_is_no_answer_is_refused_and_nothing_is_written(path):
    before = path.read_bytes()
    for answer in (2, True, "left", None, 0.7):
        with pytest.raises(ValueError, match=r"answer must be one of 0, 0\.5, 1 and 'skip'"):
            append_answer(path, 0, 1, answer)
    with pytest.raises(ValueError, match="first must be an integer at least 0, got -1"):
        append_answer(path, -1, 1, 1)
    with pytest.raises(ValueError, match="second must be another segment than first, got 1 twice"):
        append_answer(path, 1, 1, 1)
    with pytest.raises(ValueError, match="annotator must be a name"):
        append_answer(path, 0, 1, 1, annotator="")
    assert path.read_bytes() == before
    with pytest.raises(FileNotFoundError):
        append_answer(path.with_name("b.jsonl"), 0, 1, 1)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"{}\n", "line 2: no answer about two of 3 segments"),
        (b'{"first": 0, "second": 3, "answer": 1, "annotator": "me"}\n', "line 2: no answer"),
        (b"[1]\n", r"line 2: no JSON object: b'\[1\]'"),
        (b"nonsense\n", "line 2: no JSON object: Expecting value at character 0: b'nonsense'"),
        (b'{"first": 1, "second": 1, "answer": 1, "annotator": "me"}\n', "line 2: no answer about two of 3 segments"),
        (b'{"first": ' + b"9" * 5000 + b"}\n", "line 2: no JSON object: a number has 5000 digits: b'"),
        (b'{"answer": NaN}\n', "line 2: no JSON object: NaN is no finite number: b'"),
        (b'{"answer": 1, "answer": 0}\n', "line 2: no JSON object: the name 'answer' stands there twice: b'"),
        (b"[" * 100_000 + b"\n", "line 2: no JSON object: it is nested too deeply: b'"),
        (b'{"answer": "\xff"}\n', "line 2: no JSON object: invalid start byte: b'"),
    ],
)
def test_damaged_lines_are_named(path, line, text):
    path.write_bytes(path.read_bytes() + line)
    with pytest.raises(ValueError, match=text) as caught:
        read_preferences(path)
    assert str(caught.value).startswith(f"{path}, line 2: ") and len(str(caught.value)) < 500 + len(str(path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rewards": np.full((3, 2), np.nan)}, "rewards must hold finite numbers, got nan"),
        ({"actions": np.zeros((3, 1, 1))}, r"actions must have shape \(3, 2, A\), got \(3, 1, 1\)"),
        ({"valid": np.zeros((3, 2))}, "valid must hold True and False"),
        ({"more": np.zeros(1)}, "missing or unknown: more"),
    ],
)
def test_arrays_of_segments_that_do_not_fit_are_named_with_their_file(path, changes, message):
    beside = path.with_name("a.segments.safetensors")
    save_arrays(beside, {**some().arrays(), **changes}, {}, "segments")
    belongs_to(path, beside, segments=3)
    with pytest.raises(ValueError, match=f"^{re.escape(str(beside))} cannot be used: .*{message}"):
        read_preferences(path)


def test_the_first_line_says_how_many_segments_there_are(path):
    beside = path.with_name("a.segments.safetensors")
    belongs_to(path, beside, segments=4)
    with pytest.raises(ValueError, match=rf"a\.jsonl, line 1: segments must be 3, as {beside} has, got 4"):
        read_preferences(path)


def belongs_to(path, beside, **changes):
    """Rewrite the first line, so that the file beside it is the one it names."""
    head, _, rest = path.read_bytes().partition(b"\n")
    changed = {**json.loads(head), "sha256": hashlib.sha256(beside.read_bytes()).hexdigest(), **changes}
    path.write_bytes(json.dumps(changed).encode() + b"\n" + rest)


def test_files_that_do_not_belong_together_are_refused(path, tmp_path):
    begin_answers(tmp_path / "b.jsonl", some(4), {})
    (tmp_path / "b.segments.safetensors").replace(tmp_path / "a.segments.safetensors")
    with pytest.raises(ValueError, match="does not belong to"):
        read_preferences(path)
    (tmp_path / "c.jsonl").write_text("{}\n")
    with pytest.raises(ValueError, match="its first line must say payoff-preferences-1"):
        read_preferences(tmp_path / "c.jsonl")
    with pytest.raises(ValueError, match="segments must be at least 2, got 1"):
        begin_answers(tmp_path / "d.jsonl", some(1), {})
