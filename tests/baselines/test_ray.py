"""Runs on a Ray cluster: the same rows as in local processes, whatever dies."""

from __future__ import annotations

import io
import os
import signal
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

pytest.importorskip("ray")

from payoff.baselines import read_results, run
from payoff.baselines.ablation import Ablation, ablate
from payoff.baselines.ray_pool import RETRIES, connect, run_jobs

ROOT = Path(__file__).resolve().parents[2]
FAKE = "tests.baselines.fake_trainer"
TIMES = ["wall_seconds", "cpu_seconds"]

pytestmark = pytest.mark.filterwarnings("default")  # those of Ray are not ours


@pytest.fixture(scope="module", autouse=True)
def short_paths():
    """Ray's sockets lie in its folder for temporary files, and their paths may have 107 letters."""
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RAY_TMPDIR", folder)
            yield


@pytest.fixture(scope="class")
def cluster():
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)  # where the tasks find the fake trainer
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
        yield
        ray.shutdown()


def double(job, report):
    for step in range(3):
        report(step + 1, 3)
    return 2 * job


def misbehave(job, report):
    kind, path = job
    with open(path, "a", encoding="utf-8") as log:
        log.write(f"{kind}\n")
    if kind == "raise":
        raise ArithmeticError("no number")
    if kind == "die" or (kind == "die once" and Path(path).read_text().count("die once") == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return kind


def threads(job, report):
    return os.environ["OMP_NUM_THREADS"], os.environ["NUMBA_NUM_THREADS"]


def grid():
    return Ablation(
        envs=["TrustDilemma-v0"],
        params=["max_steps=20"],
        rewards=["private", "cooperative"],
        algo=FAKE,
        seeds="1-2",
        total_steps=200,
        episodes=1,
    ).configs()


def quiet(configs, out, **changes):
    text = io.StringIO()
    console = Console(file=text, width=200)
    status = ablate(configs, out, processes=2, console=console, command="payoff ablate", **changes)
    return status, text.getvalue()


def test_a_cluster_gives_the_rows_of_local_processes_and_goes_on(tmp_path, monkeypatch):
    """A cluster of its own, started and ended by the command; with one thread in every task."""
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    configs = grid()
    assert quiet(configs, tmp_path / "local")[0] == 0
    assert quiet(configs[:1], tmp_path / "ray", engine="ray")[0] == 0
    status, text = quiet(configs, tmp_path / "ray", engine="ray")
    assert status == 0 and "4 runs, 1 finished before; 2 processes of a Ray cluster" in text, text
    local, cluster = (read_results(tmp_path / name).drop(TIMES) for name in ("local", "ray"))
    assert len(cluster) == 4 and cluster.equals(local)
    for config in configs:
        assert run.checkpoint_path(tmp_path / "ray", config.run_id).exists()
    import ray

    assert not ray.is_initialized()
    with connect(None) as processors:
        assert processors >= 1
        (event,) = (e for e in run_jobs(threads, [None], 1) if e.kind == "done")
        assert event.value == ("1", "1")


def test_no_cluster_at_an_address_is_one_line(tmp_path, capsys, monkeypatch):
    from payoff.cli import main

    monkeypatch.chdir(ROOT)
    command = ["ablate", "--algo", FAKE, "--seeds", "1", "--engine", "ray", "--address", "127.0.0.1:1"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "there is no Ray cluster at 127.0.0.1:1" in err
    assert not (tmp_path / "out").exists()


def test_rows_and_checkpoints_arrive_where_the_folder_is_not_shared(tmp_path, monkeypatch):
    """The task writes under another folder than the driver, as on a machine that shares none."""
    from payoff.baselines import ablation
    from payoff.baselines.pool import Event

    monkeypatch.chdir(ROOT)
    config = grid()[0]
    value = ablation._compute((config, tmp_path / "node"), lambda done, total: None)
    row = ablation._stored(config, tmp_path / "driver", Event("done", 0, value))
    assert row["status"] == "ok" and read_results(tmp_path / "driver")["run_id"].to_list() == [config.run_id]
    saved = (run.checkpoint_path(tmp_path / where, config.run_id).read_bytes() for where in ("node", "driver"))
    assert len(set(saved)) == 1 and not (tmp_path / "node" / "runs").exists()


def test_a_machine_on_which_the_folder_cannot_be_made_keeps_checkpoints_elsewhere(tmp_path, monkeypatch):
    from payoff.baselines import ablation

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "file").write_text("no folder")
    config = grid()[0]
    row, left = ablation._compute((config, tmp_path / "file" / "out"), lambda done, total: None)
    assert row["status"] == "ok"
    saved = run.checkpoint_path(tmp_path / "temporary" / "payoff", config.run_id).read_bytes()
    assert left == {f"checkpoints/{config.run_id}.safetensors": saved}


@pytest.mark.usefixtures("cluster")
class TestOnOneCluster:
    """A cluster that lasts as long as these tests: those above need to see none."""

    def test_every_job_is_done_once_and_reports(self):
        events = list(run_jobs(double, [1, 5, 7], 2))
        assert sorted((e.job, e.value) for e in events if e.kind == "done") == [(0, 2), (1, 10), (2, 14)]
        assert all(e.value[1] == 3 for e in events if e.kind == "progress")

    def test_a_task_whose_worker_dies_is_started_again_and_then_given_up(self, tmp_path):
        log = tmp_path / "log"
        jobs = [(kind, str(log)) for kind in ("raise", "die once", "die", "fine")]
        events = {e.job: e for e in run_jobs(misbehave, jobs, 1) if e.kind != "progress"}
        assert events[0].kind == "died" and "ArithmeticError: no number" in events[0].value
        assert (events[1].kind, events[1].value) == ("done", "die once")
        assert events[2].kind == "died" and events[2].value == f"the worker process ended {1 + RETRIES} times"
        assert (events[3].kind, events[3].value) == ("done", "fine")
        assert Counter(log.read_text().splitlines()) == {"raise": 1, "die once": 2, "die": 1 + RETRIES, "fine": 1}

    def test_processes_are_checked(self):
        with pytest.raises(ValueError, match="processes must be at least 1, got 0"):
            list(run_jobs(double, [1], 0))
