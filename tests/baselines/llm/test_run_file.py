"""``run.json`` of a folder of ``payoff llm-reward``: what was asked, kept, and refused where it is another."""

from __future__ import annotations

import json

import pytest

import payoff
from payoff.baselines.llm.run_file import read_run
from tests.baselines.commands import call, refused

ASKS = ("llm-reward", "GridNav-v0", "--task", "Go.", "--mutate", "obs.x", "--steps", 50)
OWN = ("--params", "noise=0.1", "--limit", 5, "--seed", 3, "--out")


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path, capsys):
    out = tmp_path / "run"
    status, _, err = call(capsys, *ASKS, *OWN, out)
    assert status in (0, 1), err
    return out


@pytest.fixture
def asks(folder):
    return (*ASKS, *OWN, folder)


def test_it_says_what_was_asked_and_nothing_of_the_machine(tmp_path, capsys):
    out = tmp_path / "run"
    words = ("--task", "Go.", "--mutate", "obs.x", "--params", "observe=minimal", "size=11", "--use", "added")
    method = "text2reward:rounds=1,train_steps=200,episodes=2"
    call(capsys, "llm-reward", "FourRooms-v0", *words, "--method", method, "--steps", 50, "--seed", 4, "--out", out)
    text = (out / "run.json").read_text()
    told = json.loads(text)
    assert told.pop("versions")["payoff_version"] == payoff.__version__
    assert told.pop("settings") == json.loads((out / "store.jsonl").read_text().splitlines()[0])["settings"]
    assert told == {
        "format": "payoff-llm-run-1",
        "env_id": "payoff/FourRooms-v0",
        "params": {"observe": "minimal", "size": 11},
        "task": "Go.",
        "method": method,
        "use": "added",
        "candidates": 4,
        "tries": 3,
        "limit": 10.0,
        "gamma": 0.99,
        "steps": 50,
        "seed": 4,
        "training": {"algo": "q_learning", "steps": 200, "seeds": 1, "episodes": 2, "settings": {}},
        "by": "scripted",
    }
    assert str(tmp_path) not in text and read_run(out).asked.training == told["training"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("task", ("--task", "Walk.")),
        ("use", ("--use", "reward")),
        ("limit", ("--limit", 6)),
        ("gamma", ("--gamma", 0.9)),
        ("steps", ("--steps", 51)),
        ("seed", ("--seed", 4)),
        ("tries", ("--tries", 4)),
        ("candidates", ("--candidates", 5)),
        ("params", ("--params", "noise=0.2")),
        ("env_id", ("--env",)),
        ("method", ("--method", "text2reward:rounds=1")),
    ],
)
def test_other_words_are_refused_before_anything_changes(capsys, folder, asks, name, words):
    before = files(folder)
    given = list(asks)
    if words == ("--env",):
        given[1] = "KeyRoom-v0"
        given[given.index("noise=0.1")] = "size=5"
        name = "env_id"
    elif words[0] in given:
        given[given.index(words[0]) + 1] = words[1]
    else:
        given += words
    assert f"is of a call with {name} " in refused(capsys, *given)
    assert files(folder) == before


def test_the_same_words_go_on(capsys, folder, asks, tmp_path):
    before = files(folder)
    (folder / "candidates.jsonl").unlink()
    status, _, err = call(capsys, *asks)
    assert status in (0, 1), err
    assert files(folder) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda told: told.update(format="payoff-llm-run-2"), "its format must be payoff-llm-run-1"),
        (lambda told: told.pop("task"), "it must have the names"),
        (lambda told: told.update(key="secret"), "it must have the names"),
        (lambda told: told.update(task=3), "task must be a text"),
        (lambda told: told.update(task=" "), "task must not be empty"),
        (lambda told: told.update(use="both"), "use must be one of"),
        (lambda told: told.update(gamma=1.0), "gamma must be a number"),
        (lambda told: told.update(params=[1]), "params must be an object"),
        (lambda told: told.update(training=3), "training must be an object or null"),
        (lambda told: told.update(by=None), "by must be a text"),
        (lambda told: told.update(settings=1), "settings must be an object"),
        (lambda told: told.update(versions="1"), "versions must be an object"),
    ],
)
def test_a_damaged_file_is_refused_by_name(capsys, folder, asks, change, message):
    told = json.loads((folder / "run.json").read_text())
    change(told)
    (folder / "run.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match=r"run\.json is damaged or no run\.json: ") as caught:
        read_run(folder)
    assert message in str(caught.value)
    before = files(folder)
    assert message in refused(capsys, *asks)
    assert files(folder) == before


def test_half_a_file_is_refused_by_name(folder):
    data = (folder / "run.json").read_bytes()
    (folder / "run.json").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"run\.json is damaged or no run\.json: no JSON object"):
        read_run(folder)
