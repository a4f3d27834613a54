"""What a person answers at a terminal: kept in a file, so that nobody is asked the same twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from payoff.envs.core.arrays import shown
from payoff.files import append_line, read_lines, write_atomically

__all__ = ["answer"]

_FORM = {"format": "payoff-answers-1"}


def answer(path: Path, question: str, fault: Callable[[str], str], say: Callable[[str], None]) -> str:
    """The answer to a question: from the file, or typed in now.

    Args:
        path: file of the answers, ``person.jsonl`` in the folder of the results; begun where it is missing.
        question: that is shown; the same question has the same answer.
        fault: answer -> what is wrong with it, and empty where nothing is; the person may try again.
        say: shows a line.

    Raises:
        ValueError: there is nobody to answer, or the file is damaged or holds an answer that is none.
    """
    name = hashlib.sha256(question.encode("utf-8", "surrogatepass")).hexdigest()
    if not path.exists():
        write_atomically(path, (json.dumps(_FORM, sort_keys=True) + "\n").encode())
    lines = read_lines(path)
    if not lines or lines[0] != _FORM:
        raise ValueError(f"{path} must be a file of answers, whose first line says {_FORM['format']}")
    for line in lines[1:]:
        given = line.get("answer")
        if line.get("hash") == name:
            if not isinstance(given, str) or fault(given):
                raise ValueError(f"{path} must hold answers that fit their questions, got {shown(given)}")
            return given
    say(question)
    while True:
        try:
            given = input("> ").strip()
        except EOFError:
            raise ValueError("judge and feedback by a human need somebody at the terminal to answer") from None
        wrong = fault(given)
        if not wrong:
            append_line(path, {"hash": name, "question": question, "answer": given})
            return given
        say(wrong)
