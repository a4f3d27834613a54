"""Preferences in a file: segments once, answers line by line, which a kill at any moment leaves readable.

``answers.jsonl`` begins with a line that says what it is about and which segments it belongs to; they lie beside it, in
``answers.segments.safetensors``. Every further line is one answer::

    {"answer": 1, "annotator": "me", "first": 3, "second": 8, "seed": 0}

``answer`` is 1 where the first segment is preferred, 0 where the second is, 0.5 where they are equally good, "skip"
where the annotator does not say. Lines are only ever added; a last line that was cut off in the middle counts as not
written.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from payoff.envs.core.arrays import shown
from payoff.envs.core.params import check_integer
from payoff.files import append_line, load_arrays, read_lines, save_arrays, write_atomically
from payoff.wrappers.preference.segments import Segments
from payoff.wrappers.rows import Array

__all__ = ["Preferences", "append_answer", "begin_answers", "read_preferences"]

_FORM = "payoff-preferences-1"
_ANSWERS = (0, 0.5, 1, "skip")


@dataclass(frozen=True, slots=True, eq=False)
class Preferences:
    """What a file holds.

    Attributes:
        segments: N segments.
        first: ``(P,)`` number of the first segment of each question.
        second: ``(P,)`` of the second.
        answer: ``(P,)`` 1, 0, 0.5, or NaN for a skipped question.
        annotator: ``(P,)`` place of whoever answered in ``names``.
        names: of the annotators, in the order of their first answers.
        about: what the segments are of, as :func:`begin_answers` was told.
    """

    segments: Segments
    first: Array
    second: Array
    answer: Array
    annotator: Array
    names: tuple[str, ...]
    about: dict[str, Any]

    def __len__(self) -> int:
        """P."""
        return len(self.answer)


def begin_answers(path: str | os.PathLike[str], segments: Segments, about: Mapping[str, Any]) -> None:
    """Write the segments and the first line; an older file of that name is replaced.

    Args:
        path: file of the answers.
        segments: what will be compared.
        about: JSON values, such as the environment.

    Raises:
        ValueError: fewer than two segments.
        TypeError: ``about`` holds something that JSON cannot say.
    """
    if len(segments) < 2:
        raise ValueError(f"segments must be at least 2, got {len(segments)}")
    beside = _segments_path(Path(path))
    save_arrays(beside, segments.arrays(), {"segments": len(segments)}, "segments")
    head = {"format": _FORM, "segments": len(segments), "sha256": _digest(beside), "about": dict(about)}
    write_atomically(Path(path), (json.dumps(head, sort_keys=True, allow_nan=False) + "\n").encode())


def append_answer(
    path: str | os.PathLike[str], first: int, second: int, answer: float | str, *, annotator: str = "me", seed: int = 0
) -> None:
    """Add one answer, and have it on the disk.

    Args:
        path: a file of :func:`begin_answers`.
        first: number of a segment.
        second: of another one.
        answer: 1, 0, 0.5 or ``"skip"``; see the module.
        annotator: name of whoever answers.
        seed: of what is random in the answer, for whoever wants to know.

    Raises:
        ValueError: an answer, a name or a number that is not allowed.
        FileNotFoundError: there is no such file.
    """
    if isinstance(answer, bool) or answer not in _ANSWERS:
        raise ValueError(f"answer must be one of 0, 0.5, 1 and 'skip', got {answer!r}")
    given: Any = annotator
    if not isinstance(given, str) or not given:
        raise ValueError(f"annotator must be a name, got {annotator!r}")
    check_integer("first", first, 0)
    check_integer("second", second, 0)
    if first == second:
        raise ValueError(f"second must be another segment than first, got {second} twice")
    check_integer("seed", seed, 0)
    line = {"first": int(first), "second": int(second), "answer": answer, "annotator": annotator, "seed": int(seed)}
    append_line(path, line)


def read_preferences(path: str | os.PathLike[str]) -> Preferences:
    """Read a file of :func:`begin_answers` with the answers that were added.

    Raises:
        ValueError: the file is damaged or something else, or its segments are not those that it was begun with.
        FileNotFoundError: there is no such file, or its segments are gone.
    """
    lines = read_lines(path)
    head = lines[0] if lines else {}
    if head.get("format") != _FORM or not isinstance(head.get("about"), dict):
        raise ValueError(f"{path} holds no preferences: its first line must say {_FORM}")
    beside = _segments_path(Path(path))
    if _digest(beside) != head.get("sha256"):
        raise ValueError(f"{beside} is damaged, or does not belong to {path}")
    arrays, _ = load_arrays(beside, "segments")
    try:
        segments = Segments.from_arrays(arrays)
    except ValueError as error:
        raise ValueError(f"{beside} cannot be used: {error}") from error
    if head.get("segments") != len(segments):
        said = shown(head.get("segments"))
        raise ValueError(f"{path}, line 1: segments must be {len(segments)}, as {beside} has, got {said}")
    rows, names = [], []
    for number, found in enumerate(lines[1:], start=2):
        pair = [found.get("first"), found.get("second")]
        whole = all(isinstance(i, int) and not isinstance(i, bool) and 0 <= i < len(segments) for i in pair)
        answer, name = found.get("answer"), found.get("annotator")
        if (
            not whole
            or pair[0] == pair[1]
            or isinstance(answer, bool)
            or answer not in _ANSWERS
            or not isinstance(name, str)
        ):
            raise ValueError(f"{path}, line {number}: no answer about two of {len(segments)} segments: {shown(found)}")
        if name not in names:
            names.append(name)
        rows.append((*pair, np.nan if answer == "skip" else float(answer), names.index(name)))
    columns = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    first, second, who = (columns[i].astype(np.int64) for i in (0, 1, 3))
    return Preferences(segments, first, second, columns[2], who, tuple(names), head["about"])


def _segments_path(path: Path) -> Path:
    return path.with_suffix(".segments.safetensors")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
