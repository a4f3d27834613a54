"""The reward corpus: what a row says, what a folder may not be, trainings, and what is shipped."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import socket

import polars as pl
import pytest

from payoff.baselines import q_learning
from payoff.baselines.llm import reward_corpus
from payoff.baselines.llm.brief_training import BriefTraining
from payoff.baselines.llm.reward_corpus import COLUMNS, TRAINED, collect, read_corpus, train, write_corpus
from payoff.baselines.llm.run_file import read_run
from payoff.wrappers.llm.store import prompt_hash
from tests.baselines.commands import call, refused
from tests.test_docs import _load
from tests.test_pages import ROOT, commands, written
from tests.wrappers.llm import scripted_runs

RUNS = sorted(path for path in (ROOT / "docs/llm/runs").iterdir())
SHORT = BriefTraining(steps=300, episodes=2)
corpus = _load("corpus")


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def folder(tmp_path):
    """A copy of a shipped run, to be spoiled."""
    return shutil.copytree(ROOT / "docs/llm/runs/grid_nav", tmp_path / "grid_nav")


# -- rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: folder.name)
def test_a_row_says_what_the_folder_says(folder):
    rows, told = collect([folder]).to_dicts(), lines(folder / "candidates.jsonl")
    head, *exchanges = lines(folder / "store.jsonl")
    asked = json.loads((folder / "run.json").read_text())
    assert len(rows) == len(told) > 0
    for row, candidate in zip(rows, told, strict=True):
        (exchange,) = [exchange for exchange in exchanges if exchange["hash"] == row["hash"]]
        assert row["reply"] == exchange["reply"] and row["prompt"] == exchange["messages"]
        said = {"by": row["by"], "settings": json.loads(row["settings"])}
        whole = {**said, "messages": row["prompt"], "sample": row["sample"]}  # what the store hashes, by hand
        assert hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest() == candidate["hash"]
        assert said == {"by": head["by"], "settings": head["settings"]}
        for name in ("text", "why", "round", "payoff"):
            assert row[name] == candidate[name]
        for name in ("env_id", "task", "method", "use", "limit", "gamma", "seed", "steps"):
            assert row[name] == asked[name]
        assert json.loads(row["params"]) == asked["params"] and json.loads(row["versions"]) == asked["versions"]
        verdict = candidate["verdict"]
        assert row["passed"] == verdict["passed"] and row["read_as"] == verdict["text"]
        assert [[f["name"], f["passed"], f["words"]] for f in row["findings"]] == [
            [f["name"], f["passed"], f["words"]] for f in verdict["findings"]
        ]
        numbers = {n: x for f in verdict["findings"] for n, x in f.get("numbers", {}).items()}
        assert {n["name"]: n["value"] for f in row["findings"] for n in f["numbers"]} == numbers
        for name in ("regret", "distance", "least", "most"):
            assert row[name] == numbers.get(name)
        assert row["paid_a_step"] == numbers.get("paid a step")
        assert (row["trained_with"] is None) == (row["payoff"] is None)


def test_a_file_gives_back_what_was_written(tmp_path):
    frame = collect(RUNS)
    write_corpus(frame, tmp_path / "c.parquet")
    assert read_corpus(tmp_path / "c.parquet").equals(frame) and frame.columns == [c.name for c in COLUMNS]
    assert sorted(tmp_path.iterdir()) == [tmp_path / "c.parquet"]


def test_a_file_that_is_none_is_refused_by_name(tmp_path):
    path = tmp_path / "c.parquet"
    write_corpus(collect(RUNS[:1]), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"c\.parquet is damaged or no reward corpus"):
        read_corpus(path)
    pl.DataFrame({"run": ["a"]}).write_parquet(path)
    with pytest.raises(ValueError, match=r"c\.parquet is no reward corpus of this version"):
        read_corpus(path)


def test_half_a_surrogate_pair_is_written_as_an_escape(folder, tmp_path):
    """A reply may hold what no encoding has."""
    head, first, second = lines(folder / "store.jsonl")
    second["reply"] += "\ud83d"
    (folder / "store.jsonl").unlink()  # a copy of what the link leads to
    (folder / "store.jsonl").write_text("".join(json.dumps(line) + "\n" for line in (head, first, second)))
    write_corpus(collect([folder]), tmp_path / "c.parquet")
    assert read_corpus(tmp_path / "c.parquet")["reply"][0].endswith(r"\ud83d")
    of_run(folder, method="\ud83d", params={"a": "\ud83d"})
    write_corpus(collect([folder]), tmp_path / "c.parquet")
    assert read_corpus(tmp_path / "c.parquet")["method"][0] == r"\ud83d"


# -- folders that are refused ----------------------------------------------------------------------------------------


def spoil(name):
    """Change the values of the first candidate."""

    def decorated(change):
        def spoiled(folder):
            told = lines(folder / "candidates.jsonl")
            change(told[0])
            (folder / "candidates.jsonl").write_text("".join(json.dumps(line) + "\n" for line in told))

        return pytest.param(spoiled, rf"candidates\.jsonl, line 1: {name}", id=name)

    return decorated


def of_run(folder, **values):
    path = folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def of_store(folder):
    text = (folder / "store.jsonl").read_text()
    (folder / "store.jsonl").write_text(text.replace("upper right", "lower left"))


SPOILED = [
    spoil("there is no 'why'")(lambda told: told.pop("why")),
    spoil("it must be as llm-reward writes it")(lambda told: told.update(more=1)),
    spoil("it must be as llm-reward writes it")(lambda told: told["verdict"].update(passed=False)),
    spoil("its hash must be of a prompt in store.jsonl")(lambda told: told.update(hash="0" * 64)),
    spoil("hash must be a text")(lambda told: told.update(hash=1)),
    spoil("text must be a text")(lambda told: told.update(text=None)),
    spoil("by must be 'scripted', as in run.json")(lambda told: told.update(by="some-model")),
    spoil("use must be 'potential', as in run.json")(lambda told: told["verdict"].update(use="reward")),
    spoil("round must be an integer")(lambda told: told.update(round=-1)),
    spoil("payoff must be a number")(lambda told: told.update(payoff=True)),
    spoil("not allowed")(lambda told: told["verdict"].update(text="import os")),
    spoil("verdict must be an object")(lambda told: told.update(verdict=[])),
    spoil("findings must be objects")(lambda told: told["verdict"].update(findings=["fine"])),
    spoil("passed must be true, false or null")(lambda told: told["verdict"]["findings"][0].update(passed=1)),
    spoil("numbers of a finding must be")(lambda told: told["verdict"]["findings"][0].update(numbers={"least": "1"})),
    pytest.param(of_store, r"store\.jsonl, line 2: hash does not belong to messages", id="store"),
    pytest.param(lambda f: of_run(f, task="Dance."), r"store\.jsonl: the task of run\.json must stand", id="task"),
    pytest.param(lambda f: of_run(f, by="gpt"), r"store\.jsonl must be of 'gpt'", id="by"),
    pytest.param(lambda f: of_run(f, settings={"t": 1}), r"store\.jsonl must be of 'scripted' with", id="settings"),
    pytest.param(lambda f: of_run(f, format="x"), r"run\.json is damaged or no run\.json", id="run"),
    pytest.param(
        lambda f: (f / "candidates.jsonl").write_text(""), r"candidates\.jsonl must hold a candidate", id="no"
    ),
]


@pytest.mark.parametrize(("change", "message"), SPOILED)
def test_a_damaged_or_forged_folder_is_refused_by_name(folder, change, message):
    change(folder)
    with pytest.raises(ValueError, match=message):
        collect([ROOT / "docs/llm/runs/grid_nav_reward", folder])


@pytest.mark.parametrize("name", ["run.json", "store.jsonl", "candidates.jsonl"])
def test_a_folder_that_is_not_finished_is_refused_by_name(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=re.escape(name)):
        collect([folder])


def test_a_name_stands_for_one_folder(folder):
    with pytest.raises(ValueError, match="folders must have different names, got 'grid_nav' twice"):
        collect([folder, ROOT / "docs/llm/runs/grid_nav"])


def test_nothing_that_a_folder_names_is_imported(folder, monkeypatch, tmp_path):
    """A module of somebody's naming is not even looked for."""
    (tmp_path / "trap.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    of_run(folder, method="trap:Method", env_id="trap:mine/Env-v0")
    frame = collect([folder])
    assert set(frame["method"]) == {"trap:Method"}
    with pytest.raises(
        ValueError, match=r"environments must be of this package to be trained in, got trap:mine/Env-v0"
    ):
        train(frame, SHORT, tmp_path)
    for params in ({"reward": "trap:Layer"}, {"partners": ["trap:mine"]}, {"partners": {"a": "trap:mine:x=1"}}):
        of_run(folder, method="expressions", env_id="payoff/GridNav-v0", params=params)
        with pytest.raises(ValueError, match="params must name no module to be trained with"):
            train(collect([folder]), SHORT, tmp_path)


# -- trainings -------------------------------------------------------------------------------------------------------


def test_what_can_be_used_and_has_no_payoff_is_trained(tmp_path):
    names = ("grid_nav", "grid_nav_reward", "four_rooms_eureka")
    before = collect([ROOT / "docs/llm/runs" / name for name in names])
    after = train(before, SHORT, tmp_path, seed=3)
    same = [c.name for c in COLUMNS if c.name not in TRAINED]
    assert after.select(same).equals(before.select(same))
    for old, new in zip(before.to_dicts(), after.to_dicts(), strict=True):
        if old["payoff"] is not None or not old["usable"]:
            assert new == old
            continue
        request = reward_corpus._request(new, tmp_path / "again", 3)
        assert new["payoff"] == SHORT.train(request, new["text"], {"reward": new["text"]}).payoff
        told = json.loads(new["trained_with"])
        assert (told["algo"], told["steps"], told["episodes"], told["seed"]) == ("q_learning", 300, 2, 3)
        assert "def " not in new["text"] or new["payoff"] is not None
    assert train(after, SHORT, tmp_path / "nothing").equals(after) and not (tmp_path / "nothing").exists()


def test_a_killed_training_goes_on(tmp_path, monkeypatch):
    frame = collect([ROOT / "docs/llm/runs/grid_nav_reward"])
    whole = train(frame, SHORT, tmp_path / "a")
    count, learn = [], q_learning.train

    def counted(*arguments):
        count.append(None)
        if len(count) == 3:
            raise KeyboardInterrupt
        return learn(*arguments)

    monkeypatch.setattr(q_learning, "train", counted)
    with pytest.raises(KeyboardInterrupt):
        train(frame, SHORT, tmp_path / "b")
    assert train(frame, SHORT, tmp_path / "b").equals(whole) and len(count) == 6  # five candidates, one of them twice


def test_a_training_that_is_given_up_says_so_and_is_not_begun_again(tmp_path, monkeypatch):
    frame = collect([ROOT / "docs/llm/runs/grid_nav"]).filter("usable")
    after = train(frame.with_columns(text=pl.lit("1 / (obs.x - obs.x)")), SHORT, tmp_path)
    assert after["payoff"].null_count() == after.height == 2 and after["trained_with"].null_count() == 0
    assert all("has no finite value" in words for words in after["given_up"])
    monkeypatch.setattr(BriefTraining, "train", None)
    assert train(after, SHORT, tmp_path).equals(after)


# -- command ---------------------------------------------------------------------------------------------------------


def test_the_command(capsys, tmp_path):
    path = tmp_path / "c.parquet"
    arguments = ("corpus", ROOT / "docs/llm/runs/grid_nav", "--out", path)
    status, out, err = call(capsys, *arguments)
    assert status == 0 and err == ""
    assert out.splitlines()[1].split() == "grid_nav GridNav-v0 expressions potential scripted 4 2 0 -".split()
    status, out, err = call(capsys, *arguments, "--train-steps", 300, "--episodes", 2)
    assert status == 0 and re.findall(r"^\d/2, grid_nav: payoff [-\d.]+$", err, re.MULTILINE) == err.splitlines()
    wanted = train(collect([ROOT / "docs/llm/runs/grid_nav"]), SHORT, tmp_path / "b")
    assert read_corpus(path).equals(wanted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "c.parquet"), "needs a FOLDER"),
        (("nowhere", "--out", "c.parquet"), "nowhere"),
        ((RUNS[0], "--out", "c.csv"), "--out must be a file that ends in .parquet, got c.csv"),
        ((RUNS[0], RUNS[0], "--out", "c.parquet"), "folders must have different names"),
        ((RUNS[0], "--out", "c.parquet", "--train-steps", 0), "train_steps must be an integer"),
        ((RUNS[0], "--out", "c.parquet", "--train-steps", 9, "--seed", -1), "seed must be an integer"),
        ((RUNS[0], "--out", "c.parquet", "--train-steps", 9, "--algo", "qlearn"), "qlearn"),
    ],
)
def test_bad_input_is_one_line(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, "corpus", *arguments)
    assert list(tmp_path.iterdir()) == []


# -- what is shipped -------------------------------------------------------------------------------------------------


def test_every_scripted_run_has_its_script():
    assert {path.name for path in RUNS if read_run(path).by == "scripted"} == set(scripted_runs.RUNS)


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: folder.name)
def test_a_replay_gives_the_same_candidates_byte_for_byte(folder, tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    scripted_runs.replayed(folder, tmp_path / "run").run()
    assert (tmp_path / "run/candidates.jsonl").read_bytes() == (folder / "candidates.jsonl").read_bytes()
    assert read_run(tmp_path / "run").asked == read_run(folder).asked


def test_the_file_and_the_page_are_current():
    assert corpus.main(["--check"]) == 0, "run `make docs`"
    frame = read_corpus(corpus.CORPUS)
    assert set(frame["by"]) == {"scripted"}, "the page says so: whoever adds the run of a model changes both"
    untrained = frame.filter("usable", pl.col("trained_with").is_null())
    assert set(untrained["run"]) == {"coin_line_lare", "key_room_lare"}  # factors are no rewards
    for row in frame.iter_rows(named=True):
        messages = [dict(message) for message in row["prompt"]]
        assert prompt_hash(row["by"], json.loads(row["settings"]), messages, row["sample"]) == row["hash"]
    with pytest.raises(ValueError, match="the page has no block runs"):
        corpus.page("# Corpus", frame)


def test_a_check_sees_what_is_not_current(tmp_path, monkeypatch, capsys):
    """A run that is new, a page of before, and a payoff that nobody trained."""
    for name, path in (("CORPUS", tmp_path / "corpus.parquet"), ("PAGE", tmp_path / "corpus.md")):
        path.write_bytes(getattr(corpus, name).read_bytes())
        monkeypatch.setattr(corpus, name, path)
    whole = read_corpus(corpus.CORPUS)
    assert corpus.main(["--check"]) == 0
    write_corpus(whole.filter(pl.col("run") != "grid_nav"), corpus.CORPUS)
    assert corpus.main(["--check"]) == 1
    write_corpus(whole, corpus.CORPUS)
    corpus.PAGE.write_text(corpus.PAGE.read_text().replace("| `grid_nav` |", "| `grid` |"))
    assert corpus.main(["--check"]) == 1
    err = capsys.readouterr().err
    assert "corpus.parquet is not current" in err and "corpus.md is not current" in err


def test_commands_of_the_page(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (words,) = commands(written(corpus.PAGE), "corpus")
    words[words.index("--out") + 1] = str(tmp_path / "c.parquet")
    words[words.index("--train-steps") + 1] = "200"
    status, _, err = call(capsys, *words)
    assert status == 0, err
    (words,) = commands(written(corpus.PAGE), "llm-reward")
    words[words.index("--out") + 1], words[words.index("--base-url") + 1] = str(tmp_path / "o"), "ftp://localhost"
    assert "base_url must be the address" in refused(capsys, *words)  # and nothing else is wrong with it
