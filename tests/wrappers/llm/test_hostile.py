"""Hundreds of hostile replies through the door: none does anything, and each gets a reason in one line, soon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import payoff
from tests.wrappers.llm.hostile import HARMLESS, REPLIES, TEXTS

SECRET = "a-key-that-nobody-may-see"
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """What the child process printed, from a folder of traps that is as it was."""
    folder = tmp_path_factory.mktemp("traps")
    (folder / "secret.txt").write_text(SECRET)
    (folder / "trap.py").write_text("open('stolen', 'w').write('x')\n")
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    paths = (str(ROOT), str(Path(payoff.__file__).parents[1]), str(folder))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PAYOFF_LLM_KEY": SECRET, "PAYOFF_QUIET": "1"}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1"}
    child = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.wrappers.llm.hostile"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert child.returncode == 0 and not child.stderr, child.stderr[-2000:]
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before
    *lines, last = map(json.loads, child.stdout.splitlines())
    assert last.pop("modules") == [] and last == last | environment
    assert SECRET not in json.dumps(lines)
    return lines


def test_the_corpus_is_large():
    assert len(set(TEXTS)) > 500 and len(set(REPLIES)) > 60 and not set(REPLIES) & set(HARMLESS)


def test_nothing_is_run_read_written_or_connected(sent):
    """No event of Python's audit hook but the parsing of a text to a tree, which runs nothing."""
    assert [line for line in sent if line["events"]] == []


@pytest.mark.parametrize("kind", ["text", "reply", "object"])
def test_each_gets_a_reason_in_one_line(sent, kind):
    lines = [line for line in sent if line["kind"] == kind]
    assert len(lines) == len(TEXTS if kind == "text" else REPLIES)
    for line in lines:
        (said,) = line["said"]
        assert said and said.isprintable() and said.isascii() and len(said) < 400, (
            line,
            (TEXTS if kind == "text" else REPLIES)[line["number"]][:100],
        )


def test_the_parser_reads_the_same_again(sent):
    """Some texts are of the language, and fail at the step; no other text comes of them when they are read again."""
    lines = [line for line in sent if line["kind"] == "parser"]
    assert all(
        said.startswith(("not allowed: ", "an expression has at most ", "a function has at most "))
        for line in lines
        for said in line["said"]
    )
    assert sum(not line["said"] for line in lines) < 30


def test_the_harmless_ones_are_judged_as_any_other(sent):
    assert [line["said"] for line in sent if line["kind"] == "harmless"] == [[""]] * len(HARMLESS)


def test_none_takes_long(sent):
    assert max(line["seconds"] for line in sent if line["kind"] == "parser") < 0.25
    assert max(line["seconds"] for line in sent) < 1.0
