"""The command line: help with examples everywhere, one clear line for what the user got wrong, no traceback."""

from __future__ import annotations

import math
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from payoff.baselines import checkpoint, read_results
from payoff.baselines.results import read_runs, row_path
from payoff.cli import COMMANDS
from payoff.envs import registry
from payoff.extras import require
from tests.baselines.commands import call, refused

ROOT = Path(__file__).resolve().parents[2]
FAKE = "tests.baselines.fake_trainer"
TRUST = "payoff/TrustDilemma-v0"


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)  # where the fake trainer is found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples_that_parse(capsys, name):
    status, out, err = call(capsys, name, "--help")
    assert status == 0 and err == ""
    examples = re.findall(r"^    payoff (.*)$", out, re.MULTILINE)
    assert len(examples) >= 2 and all(e.split()[0] == name for e in examples)
    from payoff import cli

    for example in examples:
        module, _, attribute = COMMANDS[name][0].partition(":")
        kind = getattr(__import__(module, fromlist=[attribute]), attribute)
        assert isinstance(cli._parse(kind, name, shlex.split(example)[1:]), kind)


def test_overview_names_every_command(capsys):
    status, out, _ = call(capsys, "--help")
    assert status == 0 and all(f"\n    {name} " in out for name in COMMANDS)
    assert call(capsys)[0] == 2


def test_help_and_list_import_nothing_heavy():
    heavy = ["torch", "pyarrow", "polars", "matplotlib", "stable_baselines3"]
    code = "import sys; from payoff.cli import main; main({}); print([m for m in {} if m in sys.modules])"
    for arguments, extra in ((["--help"], ["numba", "rich.table"]), (["ablate", "--help"], ["numba"]), (["list"], [])):
        done = subprocess.run(
            [sys.executable, "-c", code.format(arguments, heavy + extra)], capture_output=True, text=True, cwd=ROOT
        )
        assert done.returncode == 0 and done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


def test_python_m_payoff_is_the_command_line():
    done = subprocess.run([sys.executable, "-m", "payoff", "lst"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and "did you mean 'list'?" in done.stderr and "Traceback" not in done.stderr


def test_list_has_a_line_for_every_id(capsys):
    status, out, err = call(capsys, "list")
    assert status == 0 and err == ""
    for game in map(registry.load, registry.ids()):
        (line,) = (line for line in out.splitlines() if line.split()[:1] == [game.id])
        assert game.summary in line and game.tags[0] in line
    (trust,) = (line for line in out.splitlines() if line.startswith(f"{TRUST} "))
    assert trust.split()[1:5] == ["2", "1", "continuous", "100"]
    assert "inequity_aversion" in out


def test_list_by_tag(capsys):
    _, out, _ = call(capsys, "list", "--tag", "trust")
    listed = [line.split()[0] for line in out.splitlines() if line.startswith("payoff/")]
    trust = ["TrustDilemma", "RecoveryRace", "RenaultNissan", "CooperativeNegotiation", "ReputationMarket"]
    assert sorted(listed) == sorted(f"payoff/{name}-v0" for name in trust)
    assert "did you mean 'trust'?" in refused(capsys, "list", "--tag", "trst")


def test_info_shows_page_parameters_spaces_and_rewards(capsys):
    status, out, _ = call(capsys, "info", "TrustDilemma-v0")
    assert status == 0
    assert "Known defects of v0" in out
    assert re.search(r"trust_sensitivity\s*│ 1.5\s*│ kappa, per action unit", out)
    assert re.search(r"observe=full\s+9 numbers in \[0, 1\]: action\[0\], action\[1\], trust\[0,1\]", out)
    assert "[0, 100], [0, 100]" in out and "integrated (here trust_integrated)" in out


def test_info_of_every_id(capsys, env_id):
    status, out, err = call(capsys, "info", env_id)
    assert status == 0 and err == "" and out.startswith(f"{env_id} ")
    for name in registry.load(env_id).params.names():
        assert f"│ {name} " in out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["lst"], "unknown command 'lst' (did you mean 'list'?)"),
        (["info"], "Missing from payoff info: ID"),
        (["info", "TrustDilema-v0"], "did you mean 'payoff/TrustDilemma-v0'?"),
        (["list", "--tagg", "x"], "Unrecognized options: --tagg, x; Perhaps you meant: --tag"),
        (["train", "--env", TRUST], "Missing from payoff train: --out"),
        (["train", "--env", TRUST, "--out", "{out}", "--seed", "one"], "--seed"),
        (["train", "--env", TRUST, "--out", "{out}", "--reward", "privat"], "got 'privat'"),
        (["train", "--env", TRUST, "--out", "{out}", "--params", "max_step=3"], "did you mean 'max_steps'?"),
        (["train", "--env", TRUST, "--out", "{out}", "--params", "max_steps"], "--params takes name=value"),
        (["train", "--env", TRUST, "--out", "{out}", "--set", "learning_rat=1"], "did you mean 'learning_rate'?"),
        (["train", "--env", TRUST, "--out", "{out}", "--set", "gamma=1.5"], "gamma must be in [0, 1], got 1.5"),
        (["train", "--env", TRUST, "--out", "{out}", "--algo", "pppo"], "did you mean 'ppo'?"),
        (["ablate", "--out", "{out}", "--rewards", "svo:9"], "theta"),
        (["ablate", "--out", "{out}", "--engine", "rays"], "invalid choice 'rays'"),
        (
            ["ablate", "--out", "{out}", "--address", "auto"],
            "--address is that of a Ray cluster and needs --engine ray",
        ),
        (["ablate"], "Missing from payoff ablate: --out"),
        (["ablate", "--out", "{out}", "--seeds", "2-x"], "seeds must be a number from 1 on"),
        (["ablate", "--out", "{out}", "--bonus", "cuont"], "unknown bonus 'cuont' (did you mean 'count'?)"),
        (["ablate", "--out", "{out}", "--bonus", "count:cof=1", "--algo", "ppo"], "did you mean 'coef'?"),
        (["ablate", "--out", "{out}", "--partners", "randm", "--algo", "ppo"], "got 'randm'"),
        (["ablate", "--out", "{out}", "--partners", "random"], "partners must be none with ippo"),
        (["ablate", "--out", "{out}", "--params", "max_step=9"], "did you mean 'max_steps'?"),
        (["ablate", "--out", "{out}", "--transform", "ircr", "--algo", "sb3"], "trainer sb3 takes no transform"),
        (["ablate", "{out}/grid.toml"], "cannot read the grid"),
        (["train", "--env", TRUST, "--out", "{out}", "--shaping", "progrexs"], "did you mean 'progress'?"),
        (["train", "--env", TRUST, "--out", "{out}", "--reward", "no.where:Envy"], "there is no module no"),
        (["ablate", "--out", "{out}", "--processes", "0"], "processes must be at least 1, got 0"),
        (["evaluate", "random"], "name one with --env"),
        (
            ["evaluate", "random", "--env", TRUST, "--episodes", "0"],
            "episodes must be an integer in 1 .. 100000, got 0",
        ),
        (["evaluate", "constant:1.5", "--env", TRUST], "level must be in [0, 1], got 1.5"),
        (["evaluate", "constant:x", "--env", TRUST], "constant:LEVEL takes a share"),
        (["evaluate", "{out}/none.safetensors"], "is no file"),
    ],
    ids=lambda value: " ".join(value[:4]) if isinstance(value, list) else "",
)
def test_bad_input_gets_one_line_and_makes_nothing(capsys, tmp_path, arguments, text):
    out = tmp_path / "out"
    assert text in refused(capsys, *(a.format(out=out) for a in arguments))
    assert not out.exists()


def test_missing_extra_is_named(capsys, monkeypatch, tmp_path):
    def missing(module, extra):
        if module == "torch":
            raise ImportError(f'torch is not installed; it comes with the extra "{extra}"')
        return require(module, extra)

    monkeypatch.setattr("payoff.baselines.run.require", missing)
    assert 'the extra "train"' in refused(capsys, "train", "--env", TRUST, "--out", tmp_path)


def test_damaged_checkpoint_is_named(capsys, tmp_path):
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    assert f"{bad} is damaged" in refused(capsys, "evaluate", bad)


TRAIN = ("train", "--algo", FAKE, "--env", TRUST, "--reward", "private", "--episodes", "1")


def test_train_writes_checkpoint_and_row_and_does_not_train_twice(capsys, tmp_path, monkeypatch):
    log = tmp_path / "updates.log"
    monkeypatch.setenv("FAKE_TRAINER_LOG", str(log))
    status, out, _ = call(capsys, *TRAIN, "--out", tmp_path)
    assert status == 0
    frame, _ = read_runs(tmp_path)
    (row,) = frame.to_dicts()
    assert (row["algo"], row["reward"], row["seed"], row["status"], row["steps"]) == (FAKE, "private", 1, "ok", 400)
    saved = tmp_path / "checkpoints" / f"{row['run_id']}.safetensors"
    assert saved.exists() and str(saved) in out and f"{row['welfare']:.6g}" in out
    begun = log.read_text()
    status, out, _ = call(capsys, *TRAIN, "--out", tmp_path)
    assert status == 0 and "finished before" in out and log.read_text() == begun


def test_train_goes_on_from_half_a_run_only_when_told(capsys, tmp_path, monkeypatch):
    log = tmp_path / "updates.log"
    monkeypatch.setenv("FAKE_TRAINER_LOG", str(log))
    diverge = ("--set", "diverges_under=private")
    status, _, err = call(capsys, *TRAIN, *diverge, "--out", tmp_path)
    assert status == 1 and err.count("\n") == 1
    assert err.startswith("payoff: the run failed: DivergedError: loss/policy is not finite (run ")
    assert "go on from it with --resume, or delete it" in refused(capsys, *TRAIN, *diverge, "--out", tmp_path)
    status, _, _ = call(capsys, *TRAIN, *diverge, "--out", tmp_path, "--resume")
    assert status == 1
    assert [line.split()[-1] for line in log.read_text().splitlines()] == ["0", "1", "2", "2"]


def test_train_with_a_damaged_row_says_so_and_trains(capsys, tmp_path):
    assert call(capsys, *TRAIN, "--out", tmp_path)[0] == 0
    frame, _ = read_runs(tmp_path)
    path = row_path(tmp_path, frame["run_id"][0])
    path.write_bytes(path.read_bytes()[:100])
    status, _, err = call(capsys, *TRAIN, "--out", tmp_path, "--resume")
    assert status == 0 and f"damaged row file {path}" in err and "running again" in err


def test_evaluate_constant_is_the_formula(capsys):
    # pi = (100 - a) + 20 ln(1 + a) + 0.35 a for both at a = 40, where trust is neutral; 100 steps.
    status, out, _ = call(capsys, "evaluate", "constant:0.4", "--env", TRUST, "--episodes", "1")
    assert status == 0
    payoff = 100 * (60 + 20 * math.log(41) + 0.35 * 40)
    assert re.search(rf"^payoffs\s+{payoff:.6g}, {payoff:.6g} ", out, re.MULTILINE)
    assert re.search(rf"^welfare\s+{2 * payoff:.6g} ", out, re.MULTILINE)
    assert re.search(r"^cooperation\s+0.4 ", out, re.MULTILINE)


def test_evaluate_random_scores_nothing_and_discrete_games_work(capsys):
    arguments = ("evaluate", "random", "--env", "KeyRoom-v0", "--episodes", "3", "--params", "size=5")
    status, out, _ = call(capsys, *arguments)
    assert status == 0 and "cooperation" not in out and re.search(r"^welfare\s", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("algo", "settings", "params"),
    [
        ("ippo", ["num_envs=2", "num_steps=100", "hidden=[8]", "epochs=1"], []),
        ("ppo", ["num_envs=2", "num_steps=100", "hidden=[8]", "epochs=1"], ["partners=tit_for_tat", "agent=1"]),
        ("sb3", ["num_envs=2", "n_steps=100", "batch_size=100", "n_epochs=1"], []),
    ],
)
def test_train_and_evaluate_with_the_real_trainers(capsys, tmp_path, algo, settings, params):
    """The checkpoint, played by itself, gives the welfare of the row."""
    arguments = ["--algo", algo, "--env", TRUST, "--reward", "private", "--episodes", "2", "--total-steps", "400"]
    status, _, err = call(capsys, "train", *arguments, "--out", tmp_path, "--set", *settings, "--params", *params)
    assert status == 0, err
    frame, _ = read_runs(tmp_path)
    (row,) = frame.to_dicts()
    assert row["steps"] == 400 and row["curve_step"] == [200.0, 400.0] and len(row["payoffs"]) == 2
    saved = tmp_path / "checkpoints" / f"{row['run_id']}.safetensors"
    status, out, err = call(capsys, "evaluate", saved, "--episodes", "2")
    assert status == 0, err
    assert re.search(rf"^welfare\s+{row['welfare']:.6g} ", out, re.MULTILINE)


def test_checkpoint_of_another_kind_is_refused(capsys, tmp_path):
    checkpoint.save(tmp_path / "other.safetensors", {"x": np.zeros(1)}, {"trainer": "nobody"})
    assert "is a checkpoint of nobody" in refused(capsys, "evaluate", tmp_path / "other.safetensors")


GRID = """
envs = ["TrustDilemma-v0"]
rewards = ["private", "svo:0.5"]
algo = "tests.baselines.fake_trainer"
params = [{max_steps = 20}, "max_steps=30"]
seeds = [7]
total-steps = 100
episodes = 1
set = {level = 0.25}
"""


def test_a_grid_file_says_what_the_options_say_and_options_override_it(capsys, tmp_path):
    file = tmp_path / "grid.toml"
    file.write_text(GRID)
    out = tmp_path / "out"
    status, text, err = call(capsys, "ablate", file, "--out", out, "--rewards", "cooperative", "--processes", "1")
    assert status == 0, err
    frame = read_results(out)
    found = frame.select("env_id", "env_params", "reward", "algo", "seed", "steps", "cooperation").rows()
    assert found == [
        (TRUST, f'{{"max_steps": {steps}}}', "cooperative", FAKE, 7, 100, pytest.approx(0.25)) for steps in (20, 30)
    ]
    # what was run stands in the folder and in the report, and runs again: nothing is left to do
    again = tomllib.loads((out / "grid.toml").read_text())
    assert again["rewards"] == ["cooperative"] and again["seeds"] == [7] and again["set"] == ["level=0.25"]
    assert "max_steps=30" in (out / "report.html").read_text()
    status, text, _ = call(capsys, "ablate", out / "grid.toml", "--out", out)
    assert status == 0 and "2 runs, 2 finished before; 0 processes" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reward = ['private']", "unknown key 'reward' (did you mean 'rewards'?); known: out, envs,"),
        ("seeds = ", "cannot read the grid"),
        ("episodes = 'ten'", "episodes must be a whole number, got 'ten'"),
        ("rewards = [3]", "rewards must be texts, got 3"),
        ("params = [3]", "params must be texts or tables, got 3"),
        ("params = [{max_steps = 07:32:00}]", "params must be numbers, texts or lists of them, got {'max_steps': "),
        ("set = {level = 2020-01-01}", "set must be numbers, texts or lists of them, got {'level': "),
        ("engine = 'rays'", "engine must be 'local' or 'ray', got 'rays'"),
        ("envs = ['TrustDilema-v0']", "did you mean 'payoff/TrustDilemma-v0'?"),
    ],
)
def test_a_wrong_grid_file_gets_one_line(capsys, tmp_path, text, message):
    file = tmp_path / "grid.toml"
    file.write_text(text)
    assert message in refused(capsys, "ablate", file, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_modules_in_the_current_folder_are_found_without_python_m(tmp_path):
    (tmp_path / "mine.py").write_text("def envy(given):\n    return given.payoff\n")
    code = "import sys; sys.path[:] = [p for p in sys.path if p]; from payoff.cli import main; sys.exit(main())"
    command = ["train", "--env", TRUST, "--reward", "mine:envyy", "--out", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and "no envyy (did you mean 'envy'?) in mine" in done.stderr


def test_train_takes_methods_and_prints_no_path_that_was_not_written(capsys, tmp_path, monkeypatch):
    small = ["--set", "num_envs=2", "num_steps=20", "hidden=[8]", "epochs=1", "minibatches=1"]
    methods = ["--shaping", "progress:2", "--bonus", "count:0.1"]
    one = ["train", "--algo", "ppo", "--env", "KeyRoom-v0", "--params", "size=5,max_steps=10", "--out", tmp_path]
    status, text, err = call(capsys, *one, *methods, *small, "--total-steps", "40", "--episodes", "1")
    assert status == 0, err
    (row,) = read_results(tmp_path).to_dicts()
    assert (row["shaping"], row["bonus"], row["transform"], row["partners"]) == (
        "progress:2",
        "count:0.1",
        "none",
        "none",
    )
    assert str(tmp_path / "checkpoints" / row["run_id"]) in text
    monkeypatch.setattr("tests.baselines.fake_trainer.checkpoint.save", lambda *_: None)
    status, text, _ = call(capsys, *TRAIN, "--out", tmp_path / "other")
    assert status == 0 and "checkpoint" not in text


@pytest.mark.parametrize(
    ("envs", "layers"),
    [
        (["KeyRoom-v0"], ["private"]),
        (["CartPole-v1"], ["private"]),
        (["TrustDilemma-v0"], ["cooperative", "integrated", "private"]),
        (["KeyRoom-v0", "TrustDilemma-v0"], ["integrated", "private"]),
    ],
    ids=str,
)
def test_layers_of_an_ablation_that_names_none(capsys, tmp_path, monkeypatch, envs, layers):
    """Where one player plays there is nothing to share: each game's own."""
    asked = []
    monkeypatch.setattr("payoff.baselines.ablation.ablate", lambda configs, *args, **kwargs: asked.extend(configs) or 0)
    command = ("ablate", "--envs", *envs, "--algo", "ppo", "--seeds", "1", "--total-steps", "64")
    status, _, err = call(capsys, *command, "--out", tmp_path / "out")
    assert status == 0, err
    assert sorted({config.reward for config in asked}) == layers
