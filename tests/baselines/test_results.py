"""The results store: whole rows or none, damage found and named, NaN never stored as a success."""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from payoff.baselines.results import (
    COLUMNS,
    RunConfig,
    machine,
    read_results,
    read_row,
    read_runs,
    row_path,
    versions,
    write_atomically,
    write_row,
)

CONFIG = RunConfig(env_id="payoff/TrustDilemma-v0", reward="private", algo="ippo", seed=3, version="0.1.0")


def ok_row(config=CONFIG, **changes):
    return {
        **config.columns(),
        "status": "ok",
        "payoffs": [3.0, 1.0],
        "welfare": 4.0,
        "welfare_random": 1.0,
        "welfare_best": 5.0,
        "best_kind": "constant",
        "best_level": 0.42,
        "score": 0.75,
        "fairness_worst_off": 1.0,
        "episode_length": 100.0,
        "evaluation_episodes": 10,
        "steps": 2048,
        "wall_seconds": 1.5,
        "cpu_seconds": 1.25,
        "curve_step": [1024.0, 2048.0],
        "curve_welfare": [float("nan"), 4.5],
        "curve_reward": [float("nan"), 9.0],
        "curve_episode_length": [float("nan"), 50.0],
        **versions(),
        **machine(),
        **changes,
    }


def test_run_id_is_the_hash_of_the_canonical_json():
    text = (
        '{"algo":"ippo","env_id":"payoff/TrustDilemma-v0","env_params":{},"evaluation_episodes":10,'
        '"evaluation_seed":1000000,"hyperparameters":{},"reward":"private","seed":3,"version":"0.1.0"}'
    )
    assert CONFIG.json == text
    assert CONFIG.run_id == hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    "change",
    [
        {"env_id": "payoff/LoyaltyTeam-v0"},
        {"reward": "cooperative"},
        {"algo": "ppo"},
        {"seed": 4},
        {"shaping": "progress"},
        {"bonus": "count:coef=0.1"},
        {"transform": "ircr"},
        {"partners": "random"},
        {"env_params": {"max_steps": 50}},
        {"hyperparameters": {"learning_rate": 1e-3}},
        {"evaluation_episodes": 11},
        {"evaluation_seed": 1},
        {"version": "0.1.1"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_decides_a_number_is_another_run(change):
    assert replace(CONFIG, **change).run_id != CONFIG.run_id


def test_order_of_parameters_is_not_another_run():
    one = replace(CONFIG, env_params={"a": 1, "b": 2})
    assert replace(CONFIG, env_params={"b": 2, "a": 1}).run_id == one.run_id


def test_row_comes_back_and_a_curve_without_episodes_is_empty_not_nan(tmp_path):
    path = write_row(tmp_path, ok_row())
    row = read_row(path)
    assert row["payoffs"] == [3.0, 1.0] and row["score"] == 0.75 and row["steps"] == 2048
    assert row["curve_welfare"] == [None, 4.5]
    assert row["cooperation"] is None
    assert json.loads(row["config"])["seed"] == 3
    assert [p.name for p in (tmp_path / "runs").iterdir()] == [f"{CONFIG.run_id}.parquet"]


def test_numpy_numbers_and_whole_numbers_are_stored_as_what_the_column_says(tmp_path):
    row = read_row(write_row(tmp_path, ok_row(welfare=4, seed=np.int64(3), payoffs=np.array([3, 1]))))
    assert (row["welfare"], row["seed"], row["payoffs"]) == (4.0, 3, [3.0, 1.0])


def test_failed_row_needs_no_numbers(tmp_path):
    row = read_row(
        write_row(tmp_path, {**CONFIG.columns(), "status": "failed", "message": "loss is nan", "failed_step": 7})
    )
    assert (row["status"], row["message"], row["failed_step"], row["welfare"]) == ("failed", "loss is nan", 7, None)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"welfare": float("nan")}, "column welfare must be finite"),
        ({"payoffs": [1.0, float("inf")]}, "column payoffs must be finite"),
        ({"curve_welfare": [1.0, float("inf")]}, "column curve_welfare must be finite"),
        ({"welfare": None}, "column welfare must be filled when status is ok"),
        ({"status": "success"}, "status must be ok or failed, got 'success'"),
        ({"fairness": 1.0}, "unknown columns fairness"),
    ],
)
def test_a_row_that_is_not_whole_is_refused_and_leaves_nothing(tmp_path, change, text):
    with pytest.raises(ValueError, match=text):
        write_row(tmp_path, ok_row(**change))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("where", ["hyperparameters", "env_params"])
def test_settings_that_are_not_finite_have_no_id_and_no_row(where, tmp_path):
    """JSON has no NaN: what Python writes for it no other reader reads, and NaN equals no NaN."""
    config = replace(CONFIG, **{where: {"x": float("nan")}})
    with pytest.raises(ValueError, match="not JSON compliant"):
        config.run_id  # noqa: B018
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_row(tmp_path, ok_row(config))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("column", [c.name for c in COLUMNS if c.type in ("double", "list") and "curve" not in c.name])
@pytest.mark.parametrize("value", [float("nan"), np.float32("nan"), -float("inf")])
def test_no_number_of_a_row_may_be_other_than_finite(tmp_path, column, value):
    kind = next(c.type for c in COLUMNS if c.name == column)
    with pytest.raises(ValueError, match=f"column {column} must be finite"):
        write_row(tmp_path, ok_row(**{column: [1.0, value] if kind == "list" else value}))


def test_a_run_without_methods_has_the_id_that_it_had_before_there_were_any():
    assert CONFIG.run_id == replace(CONFIG, shaping="none", bonus="none", transform="none", partners="none").run_id
    # Partners were a parameter of the environment, and their runs are found as well.
    assert replace(CONFIG, partners="random").run_id == replace(CONFIG, env_params={"partners": "random"}).run_id


def old_row(out, row):
    """A row file as it was written before there were columns for methods."""
    new = read_row(write_row(out, row))
    old = {name: value for name, value in new.items() if name not in ("shaping", "bonus", "transform", "partners")}
    path = row_path(out, old["run_id"])
    digest = hashlib.sha256(json.dumps(old, sort_keys=True, default=repr).encode()).hexdigest()
    schema = pq.read_schema(path)
    for name in ("shaping", "bonus", "transform", "partners"):
        schema = schema.remove(schema.get_field_index(name))
    pq.write_table(pa.Table.from_pylist([old], schema=schema.with_metadata({"payoff_sha256": digest})), path)
    return path


def test_rows_of_older_versions_are_read(tmp_path):
    plain = read_row(old_row(tmp_path, ok_row()))
    assert [plain[name] for name in ("shaping", "bonus", "transform", "partners")] == ["none"] * 4
    assert list(plain) == [c.name for c in COLUMNS] and plain["welfare"] == 4.0
    config = replace(CONFIG, seed=9, env_params={"max_steps": 5, "partners": "random"})
    with_partners = read_row(old_row(tmp_path, ok_row(config)))
    assert (with_partners["partners"], with_partners["env_params"]) == ("random", '{"max_steps": 5}')
    new = replace(CONFIG, seed=10, bonus="count")
    write_row(tmp_path, ok_row(new))
    assert read_results(tmp_path)["bonus"].to_list() == ["none", "count", "none"]


def test_a_damaged_row_of_an_older_version_is_noticed(tmp_path):
    path = old_row(tmp_path, ok_row())
    flip(path, path.read_bytes().index(struct.pack("<d", 4.0)) + 6)
    with pytest.raises(ValueError, match="damaged row file"):
        read_row(path)


def test_results_of_several_folders_are_one_table_with_each_run_once(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    only, both, broken = (replace(CONFIG, seed=seed) for seed in (1, 2, 3))
    failed = {"status": "failed", "message": "x"}
    write_row(one, ok_row(only))
    write_row(one, ok_row(both, welfare=4.0))
    write_row(two, ok_row(both, welfare=5.0))
    write_row(one, ok_row(broken))
    write_row(two, {**broken.columns(), **failed})
    frame = read_results(one, two)
    assert frame["seed"].to_list() == [1, 2, 3] and frame["status"].to_list() == ["ok"] * 3
    assert frame["welfare"].to_list() == [4.0, 5.0, 4.0]
    assert read_results(two, str(one))["welfare"].to_list() == [4.0, 4.0, 4.0]
    assert read_results(two)["status"].to_list() == ["ok", "failed"]


def test_what_cannot_be_read_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no results folder"):
        read_results(tmp_path)
    bad = write_row(tmp_path, ok_row())
    bad.write_bytes(b"")
    with pytest.warns(UserWarning, match=f"damaged row file {re.escape(str(bad))}"):
        assert len(read_results(tmp_path)) == 0


def test_all_runs_are_sorted_and_polars_reads_the_files_by_itself(tmp_path):
    configs = [replace(CONFIG, seed=seed, reward=reward) for seed in (2, 1) for reward in ("svo", "private")]
    for config in configs:
        write_row(tmp_path, ok_row(config))
    frame, damaged = read_runs(tmp_path)
    assert damaged == {}
    assert frame.select("reward", "seed").rows() == [("private", 1), ("private", 2), ("svo", 1), ("svo", 2)]
    assert frame.columns == [c.name for c in COLUMNS]
    assert pl.read_parquet(tmp_path / "runs" / "*.parquet")["welfare"].to_list() == [4.0] * 4


def test_an_empty_folder_is_an_empty_frame(tmp_path):
    frame, damaged = read_runs(tmp_path)
    assert frame.shape == (0, len(COLUMNS)) and damaged == {}


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x55
    path.write_bytes(bytes(data))


def foreign(path):
    pq.write_table(pa.table({"run_id": [path.stem]}), path)


DAMAGE = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("<<<<<<< HEAD"),
    "first page": lambda path: flip(path, 40),
    "a number": lambda path: flip(path, path.read_bytes().index(struct.pack("<d", 4.0)) + 6),
    "footer": lambda path: flip(path, -250),
    "foreign": foreign,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named_and_does_not_hide_the_others(tmp_path, damage):
    bad = write_row(tmp_path, ok_row())
    good = replace(CONFIG, seed=4)
    write_row(tmp_path, ok_row(good))
    DAMAGE[damage](bad)
    with pytest.raises(ValueError, match=f"damaged row file {re.escape(str(bad))}"):
        read_row(bad)
    frame, damaged = read_runs(tmp_path)
    assert frame["run_id"].to_list() == [good.run_id]
    assert list(damaged) == [bad]


def test_every_flipped_byte_is_noticed_or_changes_no_value(tmp_path):
    path = write_row(tmp_path, ok_row())
    whole, row = path.read_bytes(), read_row(path)
    silent = 0
    for at in range(0, len(whole), 29):
        path.write_bytes(whole)
        flip(path, at)
        try:
            assert read_row(path) == row
            silent += 1
        except ValueError as error:
            assert "damaged row file" in str(error)
    assert silent < len(whole) / 29  # the loop did flip bytes that matter


def test_a_row_under_another_name_is_damage(tmp_path):
    path = write_row(tmp_path, ok_row())
    other = row_path(tmp_path, "0123456789abcdef")
    path.rename(other)
    with pytest.raises(ValueError, match="it holds run"):
        read_row(other)


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["file"] and path.read_bytes() == b"old"


def test_machine_and_versions_name_no_host(monkeypatch):
    found = {**versions(), **machine()}
    assert found["cores"] == os.cpu_count() and found["cpu_model"]
    assert os.uname().nodename not in [str(value) for value in found.values()]
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", found["numba_version"])


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_files_are_as_the_umask_wants_them(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "folder" / "x", b"1")
        write_atomically(tmp_path / "folder" / "x", b"2")
    finally:
        os.umask(before)
    (found,) = (tmp_path / "folder").iterdir()
    assert found.stat().st_mode & 0o777 == mode and found.read_bytes() == b"2"


def test_a_name_as_long_as_names_may_be(tmp_path):
    write_atomically(tmp_path / ("x" * 255), b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["x" * 255]


def test_an_error_of_writing_names_the_file(tmp_path):
    with pytest.raises(OSError, match=f"Is a directory: '{tmp_path}'"):
        write_atomically(tmp_path, b"1")
