"""What users get wrong costs them one line, before anything runs; what they write is printed as they wrote it."""

from __future__ import annotations

import errno
import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import payoff
from payoff import files
from payoff.baselines import checkpoint, results, run
from payoff.baselines.ablation import Ablation, ablate
from payoff.baselines.pool import Event
from payoff.baselines.results import read_runs
from payoff.cli.shared import printable
from tests.baselines.commands import call, refused

ROOT = Path(__file__).resolve().parents[2]
FAKE = "tests.baselines.fake_trainer"
TRUST = "payoff/TrustDilemma-v0"
TRAIN = ("train", "--algo", FAKE, "--env", TRUST, "--reward", "private", "--episodes", "1")
ABLATE = ("ablate", "--algo", FAKE, "--envs", TRUST, "--rewards", "private", "--seeds", "1", "--episodes", "1")
ABLATE = (*ABLATE, "--processes", "1")


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)  # where the fake trainer is found


@pytest.fixture
def log(tmp_path, monkeypatch):
    """What the fake trainer notes: nothing where no training began."""
    path = tmp_path / "updates.log"
    monkeypatch.setenv("FAKE_TRAINER_LOG", str(path))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Checkpoint of a short training in TrustDilemma."""
    out = tmp_path_factory.mktemp("trained")
    config = run.configure(
        algo="ppo",
        env_id=TRUST,
        reward="private",
        seed=1,
        total_steps=20,
        evaluation_episodes=1,
        settings={"num_envs": 2, "num_steps": 10, "hidden": [4], "epochs": 1, "minibatches": 1},
    )
    assert run.execute(config, out, lambda done, total: None)["status"] == "ok"
    return run.checkpoint_path(out, config.run_id)


# -- where results go ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [TRAIN, ABLATE], ids=["train", "ablate"])
@pytest.mark.parametrize("where", ["{file}", "{file}/below", "/dev/null", "/dev/null/below", "/proc/none", "a\0b"])
def test_an_out_that_is_no_folder_is_refused_before_anything_runs(capsys, tmp_path, log, command, where):
    (tmp_path / "file").write_text("mine")
    out = where.format(file=tmp_path / "file")
    err = refused(capsys, *command, "--out", out)
    assert "out must be a folder that takes files, got" in err and printable(out) in err
    assert (tmp_path / "file").read_text() == "mine" and not log.exists()


@pytest.mark.parametrize("command", [TRAIN, ABLATE], ids=["train", "ablate"])
@pytest.mark.parametrize("name", ["runs", "checkpoints"])
def test_a_file_where_a_folder_of_the_results_belongs(capsys, tmp_path, log, command, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("")
    assert f"{tmp_path / 'out' / name}: it is no folder" in refused(capsys, *command, "--out", tmp_path / "out")
    assert not log.exists()


@pytest.mark.parametrize("command", [TRAIN, ABLATE], ids=["train", "ablate"])
def test_a_full_disk_is_one_line_and_finished_results_stay(capsys, tmp_path, monkeypatch, command):
    out = tmp_path / "out"
    assert call(capsys, *TRAIN, "--out", out)[0] == 0
    (before,) = read_runs(out).frame.to_dicts()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def inline(work, jobs, processes):
        for job, arguments in enumerate(jobs):
            yield Event("done", job, work(arguments, lambda done, total: None))

    monkeypatch.setattr("payoff.baselines.pool.run_jobs", inline)  # the disk is full in this process only
    monkeypatch.setattr(results.os, "fsync", full)
    seed = "--seed" if command is TRAIN else "--seeds"
    status, _, err = call(capsys, *command, "--out", out, seed, "7" if command is TRAIN else "7-7")
    assert status == 2 and err.count("\n") == 1
    assert err.startswith("payoff: error: cannot write results: [Errno 28] No space left on device: ")
    assert str(out) in err
    monkeypatch.undo()
    assert read_runs(out).frame.to_dicts() == [before] and not list(out.rglob("*.tmp"))


def test_a_full_standard_output_is_one_line():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "payoff", "list"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("payoff: error: cannot write: [Errno 28]")


def test_a_row_file_that_is_a_folder_counts_as_damaged(capsys, tmp_path):
    (tmp_path / "runs" / "abc.parquet").mkdir(parents=True)
    status, out, _ = call(capsys, *ABLATE, "--out", tmp_path)
    assert status == 0 and f"damaged row file {tmp_path / 'runs' / 'abc.parquet'}: Is a directory" in out


# -- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [-1, 2**63, 2**64, 10**40])
def test_seeds_that_a_row_cannot_hold_are_refused_before_anything_runs(capsys, tmp_path, log, seed):
    allowed = "must be an integer in 0 .. 9223372036854775807"
    assert f"seed {allowed}, got {seed}" in refused(capsys, *TRAIN, "--out", tmp_path / "out", "--seed", seed)
    if seed > 0:
        err = refused(capsys, *ABLATE, "--out", tmp_path / "out", "--seeds", f"{seed}-{seed}")
        assert f"seeds must be different whole numbers in 0 .. 9223372036854775807, got '{seed}-{seed}'" in err
    assert not log.exists() and not (tmp_path / "out").exists()


def test_the_largest_seed_is_kept(capsys, tmp_path):
    assert call(capsys, *TRAIN, "--out", tmp_path, "--seed", 2**63 - 1)[0] == 0
    assert read_runs(tmp_path).frame["seed"].to_list() == [2**63 - 1]


def test_seeds_of_sb3_are_those_of_numpy(capsys, tmp_path):
    command = ("train", "--algo", "sb3", "--env", TRUST, "--out", tmp_path / "out", "--seed", 2**32)
    assert "seed must be an integer in 0 .. 4294967295, got 4294967296" in refused(capsys, *command)


@pytest.mark.parametrize("seeds", ["1-99999999999", "99999999999999", "1,2,5-1000000"])
def test_too_many_seeds(capsys, tmp_path, seeds):
    assert "seeds must be at most 100000, got" in refused(capsys, *ABLATE, "--out", tmp_path / "out", "--seeds", seeds)


@pytest.mark.parametrize("episodes", [0, 100_001, 10**30])
def test_episodes(capsys, tmp_path, log, episodes):
    text = f"episodes must be an integer in 1 .. 100000, got {episodes}"
    out = ("--out", tmp_path / "out", "--episodes", episodes)
    assert text in refused(capsys, *TRAIN, *out)
    assert text in refused(capsys, *ABLATE, *out)
    assert text in refused(capsys, "evaluate", "random", "--env", TRUST, "--episodes", episodes)
    assert not log.exists()


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_evaluation_seed(capsys, seed):
    assert "seed must be an integer in 0 .. " in refused(capsys, "evaluate", "random", "--env", TRUST, "--seed", seed)


@pytest.mark.parametrize("hidden", ["[0]", "[-1]", '["a"]', "[99999999999]"])
def test_widths_of_networks(capsys, tmp_path, hidden):
    command = ("train", "--algo", "ppo", "--env", TRUST, "--out", tmp_path / "out", "--set", f"hidden={hidden}")
    assert "hidden must be an integer in 1 .. 65536, got" in refused(capsys, *command)


# -- settings that a run does not take -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["log_dir", "checkpoint", "resume", "checkpoint_every", "seed", "env_id"])
def test_settings_that_a_run_would_ignore_are_refused(capsys, tmp_path, name):
    for word in (("--algo", "ppo", "--set", f"{name}=3"), ("--algo", f"ppo:{name}=3")):
        err = refused(capsys, "train", "--env", TRUST, "--out", tmp_path / "out", *word)
        assert f"trainer ppo got an unexpected keyword argument '{name}': a run " in err


def test_settings_that_a_row_cannot_say(capsys, tmp_path):
    err = refused(capsys, *TRAIN, "--out", tmp_path / "out", "--set", "level=NaN")
    assert f"level of trainer {FAKE} must be something that JSON can say, got nan" in err


def test_a_reward_among_the_parameters_is_refused(capsys, tmp_path):
    err = refused(capsys, *TRAIN, "--out", tmp_path / "out", "--params", "reward=cooperative")
    assert "reward is no parameter" in err and "got 'cooperative'" in err


def test_deeply_nested_json(capsys, tmp_path):
    deep = "[" * 100_000
    for command in (TRAIN, ABLATE):
        err = refused(capsys, *command, "--out", tmp_path / "out", "--params", f"max_steps={deep}")
        assert "a value is nested too deeply: [[[[" in err and len(err) < 200
    (tmp_path / "grid.toml").write_text("envs = " + "[" * 100_000)
    assert "cannot read the grid" in refused(capsys, "ablate", tmp_path / "grid.toml", "--out", tmp_path / "out")


def test_long_arguments_are_not_repeated_in_full(capsys):
    assert len(refused(capsys, "evaluate", "x" * 100_000)) < 1300


# -- texts that look like markup -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x[/bold]", "x[red]y", "[/]", "[link=a]b", "\\[x]", "ünï ☃", ":smile:"])
def test_paths_are_printed_as_they_are(capsys, tmp_path, name):
    out = tmp_path / name
    status, text, err = call(capsys, *TRAIN, "--out", out)
    assert (status, err) == (0, "") and f"checkpoint: {out}/checkpoints/" in text
    status, text, err = call(capsys, *ABLATE, "--out", out)
    assert (status, err) == (0, "") and f"results in {out}\n" in text and f"report: {out}/report.html" in text


def test_ablations_print_paths_as_they_are_on_anybodys_console(tmp_path):
    file, out = io.StringIO(), tmp_path / "x[/bold]"
    grid = Ablation(envs=[TRUST], rewards=["private"], algo=FAKE, seeds=1, episodes=1)
    status = ablate(grid.configs(), out, processes=1, console=Console(file=file, width=30), command="payoff ablate")
    assert status == 0 and f"report: {out}/report.html\n" in file.getvalue()


def test_words_of_specifications_are_printed_as_they_are(capsys, tmp_path, monkeypatch):
    (tmp_path / "my_rewards.py").write_text(
        "class Odd:\n"
        "    def __init__(self, name):\n"
        "        self.name = name\n"
        "    def __call__(self, given):\n"
        "        return given.payoff\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    reward = "my_rewards:Odd:name=[/red]$\\bad$"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    status, text, err = call(capsys, *ABLATE, "--rewards", reward, "--out", tmp_path / "out")
    assert (status, err) == (0, "") and text.count(reward) >= 2


def test_paths_that_are_no_text(capsys, tmp_path):
    out = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    for command in (TRAIN, ABLATE):
        done = subprocess.run(
            [sys.executable, "-m", "payoff", *command, "--out", out], capture_output=True, text=True, cwd=ROOT
        )
        assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
        assert "\\udcff" in done.stdout


# -- evaluation elsewhere --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (("--env", "KeyRoom-v0"), "it was trained with obs_size 9, and there it is 400"),
        (("--env", "CarBall-v0"), "it was trained with obs_size 9, and there it is 18"),
        (("--env", "CartPole-v1"), "it was trained with obs_size 9, and there it is 4"),
        (("--params", "observe=minimal"), "it was trained with obs_size 9, and there it is 2"),
        (("--params", "actions=discrete:5"), "it was trained with num_actions None, and there it is 5"),
        (("--params", "actions=native"), "actions must be 'unit' or 'discrete:K' for a trainer, got 'native'"),
    ],
)
def test_a_checkpoint_is_played_only_where_it_fits(capsys, trained, more, text):
    assert text in refused(capsys, "evaluate", trained, "--episodes", "1", *more)


def test_a_checkpoint_plays_in_another_game_of_its_sizes(capsys, trained):
    status, out, _ = call(capsys, "evaluate", trained, "--env", "RecoveryRace-v0", "--episodes", "1")
    assert status == 0 and out.startswith("payoff/RecoveryRace-v0\n")


def test_what_is_not_installed_is_one_line(capsys):
    assert "not installed" in refused(capsys, "evaluate", "random", "--env", "LunarLander-v3", "--episodes", "1")


def test_a_trainer_as_a_script_says_what_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("")
    small = ["--num-envs", "2", "--num-steps", "10", "--total-steps", "20", "--minibatches", "1"]
    command = [sys.executable, "-m", "payoff.baselines.ppo", "--checkpoint", str(tmp_path / "file" / "x"), *small]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: [Errno ") and last.endswith(f": '{tmp_path / 'file' / 'x'}'")


@pytest.mark.parametrize("module", ["", "..", "no.where", "a..b"])
def test_modules_that_cannot_be_imported(capsys, module):
    assert f"cannot import the module {module!r}: " in refused(capsys, "list", module)


# -- forged checkpoints ----------------------------------------------------------------------------------------------


def forged(trained, tmp_path, change):
    tensors, meta = checkpoint.load(trained)
    path = tmp_path / "forged.safetensors"
    change(tensors, meta)
    checkpoint.save(path, tensors, meta)
    return path


W = "net.actor.weights.0"  # float32, one network, 9 observations, 4 hidden


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t, m: t.pop(W), f"{W} is missing"),
        (
            lambda t, m: t.update({W: t[W][:, :1]}),
            f"{W} must be float32 of shape (1, 9, 4), got float32 of shape (1, 1, 4)",
        ),
        (lambda t, m: t.update({W: t[W].astype(float)}), f"{W} must be float32 of shape (1, 9, 4), got float64 of"),
        (lambda t, m: t.update({W: t[W] * np.float32("nan")}), f"{W} holds numbers that are not finite"),
        (lambda t, m: t.pop("net.temperature"), "net.temperature is missing"),
        (lambda t, m: t.pop("returns.returns.mean"), "returns.returns.mean is missing"),
        (lambda t, m: m.pop("shape"), "shape must say num_agents, obs_size,"),
        (lambda t, m: m["shape"].update(hidden=[10**9]), "shape.hidden must be an integer in 1 .. "),
        (lambda t, m: m["shape"].update(obs_size="9"), "shape.obs_size must be an integer in 1 .. "),
        (lambda t, m: m["shape"].update(shared=1), "shape.shared must be True or False, got 1"),
        (lambda t, m: m.update(args=[1]), "args must say env_id and env_params, got [1]"),
        (lambda t, m: m["args"].update(env_params=None), "args must say env_id and env_params, got "),
        (lambda t, m: m.update(trainer=["ppo"]), "trainer must be a name, got ['ppo']"),
        (lambda t, m: m.update(trainer="sb3"), "obs_size must be an integer in 1 .. "),
    ],
)
def test_a_forged_checkpoint_is_refused_and_says_why(capsys, tmp_path, trained, change, text):
    path = forged(trained, tmp_path, change)
    assert f"{path} cannot be used: {text}" in refused(capsys, "evaluate", path)


def test_metadata_that_is_no_object(tmp_path, trained, monkeypatch):
    tensors, _ = checkpoint.load(trained)
    path = tmp_path / "x.safetensors"
    monkeypatch.setattr(files.json, "dumps", lambda *_, **__: "[1]")
    checkpoint.save(path, tensors, {})
    monkeypatch.undo()
    with pytest.raises(ValueError, match="its metadata is no JSON object"):
        checkpoint.load(path)


# -- the list --------------------------------------------------------------------------------------------------------


def on_a_terminal(columns, *arguments):
    """What a command writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-m", "payoff", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env=environment,
    )
    os.close(theirs)
    text = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        text += part
    os.close(ours)
    assert process.wait() == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", text.decode())


@pytest.mark.parametrize(("columns", "shown"), [(80, 5), (190, 6), (220, 7)])
def test_the_list_fits_a_terminal(columns, shown):
    lines = on_a_terminal(columns, "list").splitlines()
    assert len(lines) <= 60 and max(map(len, lines)) <= columns
    assert [line.split()[0] for line in lines[1 : len(payoff.ids()) + 1]] == list(payoff.ids())
    names = ["id", "seats", "actions", "steps", "kind", "tags", "what it is"]
    wanted = {5: names[:5], 6: [*names[:5], names[6]], 7: names}[shown]
    assert lines[0].split() == " ".join(wanted).split()
