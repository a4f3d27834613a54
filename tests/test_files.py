"""Files of lines, and JSON objects in the middle of a text."""

from __future__ import annotations

import pytest

from payoff.files import append_line, json_object_at, read_lines


def test_a_line_that_was_cut_off_is_written_over(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b'{"a": 1}\n{"b": 22222222')
    assert read_lines(path) == [{"a": 1}]
    append_line(path, {"c": 3})
    assert path.read_bytes() == b'{"a": 1}\n{"c": 3}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        append_line(path, {"d": float("nan")})
    assert read_lines(path) == [{"a": 1}, {"c": 3}]


@pytest.mark.parametrize("length", [0, 4000, 4095, 4096, 10_000])
@pytest.mark.parametrize("kept", [0, 1, 3000])
def test_what_was_cut_off_may_be_long(tmp_path, kept, length):
    """What is before it is not read: whether a line ends just there must not matter."""
    path = tmp_path / "lines"
    line = b'{"a": 1}\n'
    path.write_bytes(line * kept + b"x" * length)
    append_line(path, {"a": 1})
    assert path.read_bytes() == line * (kept + 1)


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b'{"a": 1}\nrubbish\n{"c": 3}\n')
    with pytest.raises(ValueError, match=r"lines, line 2: no JSON object: Expecting value at character 0: b'rubbish'"):
        read_lines(path)
    with pytest.raises(FileNotFoundError):
        append_line(tmp_path / "none", {})


def test_an_object_in_a_text():
    text = 'so {"a": {"b": [1, "}"]}} and {more}'
    assert json_object_at(text, 3) == {"a": {"b": [1, "}"]}}
    for start in (0, 30):
        with pytest.raises(ValueError, match=r"^no JSON object: Expecting"):
            json_object_at(text, start)
    with pytest.raises(ValueError, match=r"^no JSON object$"):
        json_object_at("[1]", 0)
    assert float(json_object_at('{"a": ' + "9" * 308 + "}", 0)["a"]) > 1e307
    with pytest.raises(ValueError, match="no JSON object: a number has 309 digits"):  # no float is so large
        json_object_at('{"a": ' + "9" * 309 + "}", 0)
