"""A campaign that is killed, stopped, damaged or partly fails: nothing finished is lost or done twice."""

from __future__ import annotations

import io
import json
import math
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from payoff.baselines import read_results, run
from payoff.baselines.ablation import Ablation, ablate, seeds_of
from payoff.baselines.results import read_runs, row_path
from payoff.envs import registry
from payoff.envs.rewards import SVO, resolve
from payoff.wrappers import DelayReward
from tests.baselines import methods_of_tests

ROOT = Path(__file__).resolve().parents[2]
FAKE = "tests.baselines.fake_trainer"
TRUST = "payoff/TrustDilemma-v0"


@pytest.fixture
def log(tmp_path, monkeypatch):
    path = tmp_path / "updates.log"
    monkeypatch.setenv("FAKE_TRAINER_LOG", str(path))
    monkeypatch.chdir(ROOT)  # where the workers find the fake trainer
    return path


@pytest.fixture
def gate(tmp_path, monkeypatch):
    """A function that makes one update wait, in whatever process, until it is asked to hold another or nothing."""
    path = tmp_path / "gate"
    monkeypatch.setenv("FAKE_TRAINER_GATE", str(path))

    def hold(line=None):
        path.unlink(missing_ok=True) if line is None else path.write_text(line, encoding="utf-8")

    return hold


def updates(log):
    """How often each update of each run was begun."""
    return Counter(log.read_text().splitlines()) if log.exists() else Counter()


def small(**changes):
    return Ablation(
        **{
            "envs": [TRUST],
            "rewards": ["private", "cooperative"],
            "seeds": 1,
            "algo": FAKE,
            "total_steps": 400,
            "episodes": 1,
            **changes,
        }
    )


def start(out, *more):
    command = ["ablate", "--out", str(out), "--algo", FAKE, "--envs", TRUST, "--rewards", "private", "cooperative"]
    budget = ["--seeds", "1", "--total-steps", "400", "--episodes", "1", "--processes", "1"]
    return subprocess.Popen(
        [sys.executable, "-m", "payoff", *command, *budget, *more],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a group of its own, which a test can kill or interrupt as a terminal would
    )


def wait_for(condition, process):
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0]
        time.sleep(0.02)


def quiet(configs, out):
    """Run a campaign in this process, with its text."""
    text = io.StringIO()
    status = ablate(configs, out, processes=1, console=Console(file=text, width=200), command="payoff ablate")
    return status, text.getvalue()


def test_a_killed_campaign_goes_on_in_the_middle_of_a_run_and_repeats_nothing_finished(tmp_path, log, gate):
    out = tmp_path / "out"
    gate(f"{TRUST} cooperative 1 1")
    first = start(out)
    # The second run has done an update when everything is killed at once, as by a power cut.
    wait_for(lambda: updates(log)[f"{TRUST} cooperative 1 1"] == 1, first)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    (row,) = (out / "runs").glob("*.parquet")
    before = (row.read_bytes(), row.stat().st_mtime_ns)

    gate()
    second = start(out)
    text, _ = second.communicate(timeout=60)
    assert second.returncode == 0, text
    assert "2 runs, 1 finished before" in text
    assert (row.read_bytes(), row.stat().st_mtime_ns) == before
    begun = updates(log)
    assert set(begun) == {f"{TRUST} {reward} 1 {u}" for reward in ("private", "cooperative") for u in range(4)}
    assert all(begun[f"{TRUST} private 1 {u}"] == 1 for u in range(4))
    # Only the update that was under way is begun again: the one before had its checkpoint.
    assert [begun[f"{TRUST} cooperative 1 {u}"] for u in range(4)] == [1, 2, 1, 1]
    frame, damaged = read_runs(out)
    assert frame["status"].to_list() == ["ok", "ok"] and damaged == {}
    assert (out / "report.html").exists()


def test_a_campaign_whose_parent_dies_leaves_no_worker(tmp_path, log, gate):
    gate(f"{TRUST} private 1 0")
    process = start(tmp_path / "out", "--set", "pause=0.25")  # a worker reports now and then, not at every update
    wait_for(lambda: updates(log)[f"{TRUST} private 1 0"] == 1, process)
    process.kill()
    gate()
    process.communicate(timeout=10)  # returns when the last holder of the output, the worker, is gone
    assert sum(updates(log).values()) < 4


def test_ctrl_c_ends_with_one_line_and_no_process(tmp_path, log, gate):
    gate(f"{TRUST} cooperative 1 0")
    process = start(tmp_path / "out")
    wait_for(lambda: updates(log)[f"{TRUST} cooperative 1 0"] == 1, process)
    os.killpg(process.pid, signal.SIGINT)
    text, _ = process.communicate(timeout=20)  # returns when no process holds the output any more
    assert process.returncode == 130
    lines = [line for line in text.splitlines() if "stopped" in line]
    assert lines == ["stopped: 1 of 2 runs are finished; the same command goes on from here"]
    assert "Traceback" not in text and "KeyboardInterrupt" not in text


def test_a_failed_run_is_recorded_reported_and_tried_again(tmp_path, log):
    configs = small(settings={"diverges_under": "private"}).configs()
    status, text = quiet(configs, tmp_path)
    assert status == 1
    reason = "DivergedError: loss/policy is not finite"
    assert text.count(f"FAILED {TRUST} private") == 2 and reason in text
    frame, _ = read_runs(tmp_path)
    failed, other = frame.sort("reward", descending=True).to_dicts()
    assert (failed["status"], failed["failed_step"], failed["welfare"]) == ("failed", 200, None)
    assert failed["message"].startswith(f"{reason}\nTraceback")
    assert (other["reward"], other["status"]) == ("cooperative", "ok")
    assert reason in (tmp_path / "report.html").read_text()

    status, text = quiet(configs, tmp_path)
    assert status == 1 and "failed before, will run again" in text
    begun = updates(log)
    # From its checkpoint after update 1; the run that went well is left alone.
    assert [begun[f"{TRUST} private 1 {u}"] for u in range(4)] == [1, 1, 2, 0]
    assert all(begun[f"{TRUST} cooperative 1 {u}"] == 1 for u in range(4))


def test_a_run_whose_process_dies_is_a_failed_run(tmp_path, log):
    status, _ = quiet(small(settings={"dies_under": "private"}).configs(), tmp_path)
    assert status == 1
    frame, _ = read_runs(tmp_path)
    found = dict(zip(frame["reward"], zip(frame["status"], frame["message"], strict=True), strict=True))
    assert found == {"private": ("failed", "the worker process ended with exit code 7"), "cooperative": ("ok", None)}


def test_damaged_files_are_named_and_their_runs_done_again(tmp_path, log):
    configs = small().configs()
    assert quiet(configs, tmp_path)[0] == 0
    private, cooperative = configs
    row_path(tmp_path, private.run_id).write_bytes(b"PAR1 no more")
    row_path(tmp_path, cooperative.run_id).unlink()
    saved = run.checkpoint_path(tmp_path, cooperative.run_id)
    saved.write_bytes(saved.read_bytes()[:-20])
    status, text = quiet(configs, tmp_path)
    assert status == 0
    assert f"damaged row file {row_path(tmp_path, private.run_id)}" in text and f"will run again: {private}" in text
    assert f"{saved} is damaged" in text and "started over" in text
    begun = updates(log)
    assert [begun[f"{TRUST} private 1 {u}"] for u in range(4)] == [1, 1, 1, 1]  # its checkpoint was whole
    assert [begun[f"{TRUST} cooperative 1 {u}"] for u in range(4)] == [2, 2, 2, 2]


def test_finished_campaign_runs_nothing_and_writes_its_report_again(tmp_path, log):
    configs = small().configs()
    quiet(configs, tmp_path)
    begun = updates(log)
    (tmp_path / "report.html").unlink()
    status, text = quiet(configs, tmp_path)
    assert status == 0 and "2 runs, 2 finished before; 0 processes" in text
    assert updates(log) == begun and (tmp_path / "report.html").exists()


def test_every_policy_is_measured_in_payoffs_whatever_it_was_trained_on(tmp_path, log):
    # The fake policies contribute 40 % of the endowment, whatever the reward: the same payoffs under both.
    # From the model: pi = (100 - a) + 20 ln(1 + a) + 0.35 a at a = 40 for both, 100 steps, trust is neutral at 40.
    configs = small(settings={"level": 0.4}).configs()
    assert quiet(configs, tmp_path)[0] == 0
    frame, _ = read_runs(tmp_path)
    payoff = 100 * (60 + 20 * math.log(41) + 0.35 * 40)
    for row in frame.iter_rows(named=True):
        assert row["payoffs"] == pytest.approx([payoff, payoff], rel=1e-9)
        assert row["welfare"] == pytest.approx(2 * payoff, rel=1e-9)
        assert row["fairness_jain"] == pytest.approx(1.0) and row["cooperation"] == pytest.approx(0.4)
        assert row["cooperation_by_step"] == pytest.approx([0.4] * 100)
        assert row["episode_length"] == 100
        # Payoffs do not depend on trust here, and above the stage optimum 29.77 welfare falls with the level; below 40
        # trust erodes until the episode ends. So 40 is the best constant.
        assert (row["best_level"], row["score"], row["welfare_ratio"]) == (0.4, 1.0, 1.0)


def test_independent_ppo_is_ablated_from_start_to_report(tmp_path, monkeypatch):
    tiny = {"num_envs": 2, "num_steps": 100, "hidden": [8], "epochs": 1}
    ablation = small(algo="ippo", envs=[TRUST, "payoff/ReciprocalDilemma-v0"], total_steps=400, settings=tiny)
    status, text = quiet(ablation.configs(), tmp_path)
    assert status == 0, text
    frame, _ = read_runs(tmp_path)
    assert frame["status"].to_list() == ["ok"] * 4 and frame["steps"].to_list() == [400] * 4
    for row in frame.iter_rows(named=True):
        assert row["welfare"] == pytest.approx(sum(row["payoffs"])) and len(row["cooperation_by_step"]) == 100
    assert "By reward: score" in text and "One seed:" in text and (tmp_path / "report.html").exists()


def test_first_seeds_come_first_and_ids_may_leave_the_namespace_out():
    configs = small(envs=["TrustDilemma-v0", "ReciprocalDilemma-v0"], seeds=2).configs()
    assert [(c.seed, c.env_id.removeprefix("payoff/"), c.reward) for c in configs[:5]] == [
        (1, "TrustDilemma-v0", "private"),
        (1, "TrustDilemma-v0", "cooperative"),
        (1, "ReciprocalDilemma-v0", "private"),
        (1, "ReciprocalDilemma-v0", "cooperative"),
        (2, "TrustDilemma-v0", "private"),
    ]


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"envs": ["TrustDilema-v0"]}, ValueError, "did you mean 'payoff/TrustDilemma-v0'"),
        ({"rewards": ["privat"]}, ValueError, "got 'privat'"),
        ({"rewards": ["private", "private"]}, ValueError, "named twice"),
        ({"envs": [TRUST, "TrustDilemma-v0"]}, ValueError, "named twice"),
        ({"algo": "ipo"}, ValueError, "did you mean 'ippo'"),
        ({"algo": "payoff.baselines.stats"}, ValueError, "no Args and no train"),
        ({"seeds": 0}, ValueError, "seeds"),
        ({"episodes": 0}, ValueError, r"episodes must be an integer in 1 \.\. 100000, got 0"),
        ({"envs": []}, ValueError, "envs must name at least one, got none"),
        ({"envs": TRUST}, TypeError, "envs must be a list, got 'payoff/TrustDilemma-v0'"),
        ({"seeds": "2-"}, ValueError, "seeds must be .* got '2-'"),
        ({"seeds": [3, 3]}, ValueError, r"seeds must be .* got \[3, 3\]"),
        ({"seeds": [-1]}, ValueError, r"got \[-1\]"),
        ({"seeds": True}, ValueError, "got True"),
        ({"params": ["max_step=3"]}, TypeError, "did you mean 'max_steps'"),
        ({"params": ["max_steps"]}, ValueError, "params takes name=value, got 'max_steps'"),
        ({"params": ["max_steps=9", {"max_steps": 9}]}, ValueError, "params: .* is named twice"),
        (
            {"shaping": ["progrexs"]},
            ValueError,
            r"unknown shaping 'progrexs' \(did you mean 'progress'\?\); known: none,",
        ),
        ({"bonus": ["cuont"]}, ValueError, r"unknown bonus 'cuont' \(did you mean 'count'\?\); known: none,"),
        ({"transform": ["irc"]}, ValueError, r"unknown transform 'irc' \(did you mean 'ircr'\?\); known: none,"),
        ({"bonus": ["count"]}, ValueError, "takes no wrapper: shaping, bonus and reward_learner must be none"),
        ({"transform": ["ircr"]}, ValueError, "takes no transform: transform must be none"),
        ({"partners": ["random"]}, ValueError, "partners must be none with .*fake_trainer.* got 'random'"),
        ({"algo": [FAKE, FAKE]}, ValueError, "named twice"),
        ({"algo": [FAKE, f"{FAKE}:level=0.4"]}, ValueError, "two points of an axis mean the same"),
        ({"algo": f"{FAKE}:0.3"}, ValueError, "algo takes settings as name=value"),
        ({"algo": "nowhere.trainer"}, ValueError, "there is no module nowhere"),
        ({"rewards": [lambda given: given.payoff]}, ValueError, "rewards: .* cannot be written down"),
        ({"algo": "ppo", "settings": {"shaping": "progress"}}, TypeError, "unexpected keyword argument 'shaping'"),
        ({"algo": "ppo", "shaping": ["progress"]}, ValueError, "shaping progress, .*TrustDilemma-v0: .*progress"),
        ({"algo": "ppo", "bonus": ["count:cof=1"]}, TypeError, "count got an unexpected keyword argument 'cof'"),
        ({"settings": {"pauze": 1.0}}, TypeError, "did you mean 'pause'"),
        ({"settings": {"seed": 1}}, TypeError, "unexpected keyword argument 'seed'"),
        ({"settings": {"pause": "long"}}, TypeError, "pause of trainer .* is a float, got 'long'"),
    ],
)
def test_bad_input_is_found_before_anything_runs(changes, error, text, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(error, match=text):
        small(**changes).configs()


def test_the_runs_are_all_combinations_of_all_axes():
    ablation = Ablation(
        envs=["KeyRoom-v0"],
        params=["size=5", {"size": 6, "max_steps": 40}],
        rewards=["private"],
        shaping=["none", "progress:scale=2"],
        bonus=["none", "count:coef=0.1"],
        algo=["ppo:gamma=0.9", "ppo:gamma=0.99"],
        seeds="2,5-6",
        total_steps=400,
    )
    configs = ablation.configs()
    assert len(configs) == 2 * 2 * 2 * 2 * 3 and len({c.run_id for c in configs}) == len(configs)
    assert [c.seed for c in configs[::16]] == [2, 5, 6]
    found = {(c.env_params["size"], c.shaping, c.bonus, c.hyperparameters["gamma"]) for c in configs}
    assert found == {
        (size, shaping, bonus, gamma)
        for size in (5, 6)
        for shaping in ("none", "progress:scale=2")
        for bonus in ("none", "count:coef=0.1")
        for gamma in (0.9, 0.99)
    }
    assert {c.algo for c in configs} == {"ppo"} and {c.hyperparameters["total_steps"] for c in configs} == {400}


def test_seeds_are_a_number_a_list_or_a_text():
    assert seeds_of(3) == seeds_of("3") == [1, 2, 3]
    assert seeds_of([9, 2]) == seeds_of("9,2") == [9, 2]
    assert seeds_of("1-3,7") == [1, 2, 3, 7] and seeds_of("4-4") == [4]


def test_objects_on_an_axis_are_the_specification_that_builds_them_again():
    (config,) = small(rewards=[SVO(0.5)]).configs()
    assert config.reward == "payoff.envs.rewards.linear:SVO:theta=0.5" and resolve(config.reward) == SVO(0.5)
    (config,) = small(rewards=[methods_of_tests.envy]).configs()
    assert config.reward == "tests.baselines.methods_of_tests:envy"
    (config,) = small(algo="ppo", envs=["KeyRoom-v0"], rewards=[None], shaping=[DelayReward]).configs()
    assert config.shaping == "payoff.wrappers.redistribution.delay:DelayReward" and config.reward == "private"


def test_where_one_point_transforms_episodes_all_runs_play_whole_ones():
    # 80 steps are the horizon of KeyRoom at size 10, and more than 50 are asked for.
    settings = {"num_steps": 60}
    ablation = small(algo="ppo", envs=["KeyRoom-v0"], rewards=["private"], transform=["none", "ircr"])
    plain, rewritten = ablation.configs()
    assert plain.transform == "none" and rewritten.transform == "ircr"
    horizon = registry.load("payoff/KeyRoom-v0").shape(registry.load("payoff/KeyRoom-v0").params()).max_steps
    for config in (plain, rewritten):
        assert config.hyperparameters["rollout"] == "episodes"
        assert config.hyperparameters["num_steps"] == max(100, horizon)
    (own,) = small(
        algo="ppo", envs=["KeyRoom-v0"], rewards=["private"], transform=["ircr"], settings=settings
    ).configs()
    assert own.hyperparameters["num_steps"] == 60
    (none,) = small(algo="ppo", envs=["KeyRoom-v0"], rewards=["private"]).configs()
    assert none.hyperparameters["rollout"] == "steps"


def test_a_grid_over_every_axis_is_trained_and_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    ablation = Ablation(
        envs=[TRUST],
        params=["max_steps=20"],
        rewards=["tests.baselines.methods_of_tests:envy", "private"],
        shaping=["none", "tests.baselines.methods_of_tests:Halved"],
        bonus=["first_visit:0.5"],
        transform=["tests.baselines.methods_of_tests:Nothing"],
        partners=["random", "tests.baselines.methods_of_tests:idle"],
        algo=["ppo"],
        seeds=1,
        total_steps=80,
        episodes=2,
        settings={"num_envs": 2, "hidden": [8], "epochs": 1, "minibatches": 1},
    )
    status, text = quiet(ablation.configs(), tmp_path)
    assert status == 0, text
    frame = read_results(tmp_path)
    assert len(frame) == 8 and set(frame["bonus"]) == {"first_visit:0.5"}
    assert set(frame["shaping"]) == {"none", "tests.baselines.methods_of_tests:Halved"}
    for row in frame.iter_rows(named=True):
        assert json.loads(row["env_params"]) == {"max_steps": 20}
        # Nothing makes every reward 0 after it was counted; curve_reward is what the environment and wrappers told.
        assert all(value > 0 for value in row["curve_reward"])
    for title in ("By reward: score", "By shaping: score", "By partners: score"):
        assert title in text
    # the partner that gives nothing: cooperation is what our seat gave, its payoff never below the endowment it keeps
    idle = frame.filter(frame["partners"] == "tests.baselines.methods_of_tests:idle")
    assert len(idle) == 4


def test_shaping_and_bonus_change_what_is_learned_from_and_no_payoff(tmp_path):
    """Reward of an episode under a shaping that halves and a bonus of 0.5 a new state, by hand from the payoffs."""
    config = small(
        algo="ppo",
        rewards=["private"],
        params=["max_steps=10"],
        shaping=["tests.baselines.methods_of_tests:Halved"],
        bonus=["first_visit:0.5"],
        settings={"num_envs": 2, "num_steps": 11, "hidden": [8], "epochs": 1, "minibatches": 1},
        total_steps=22,
    ).configs()[0]
    row = run.compute(config, tmp_path / "one", lambda done, total: None)
    plain = run.compute(replace(config, shaping="none", bonus="none"), tmp_path / "two", lambda done, total: None)
    assert row["status"] == plain["status"] == "ok", (row["message"], plain["message"])
    # Same seed and one update: the same actions. Observations are real numbers, so all 10 states are new; the last
    # step is truncated, which is paid.
    assert row["curve_welfare"] == pytest.approx(plain["curve_welfare"])
    assert row["curve_reward"][0] == pytest.approx(0.5 * plain["curve_reward"][0] + 10 * 0.5)


def test_a_grid_written_as_a_file_means_the_same_runs(tmp_path):
    ablation = small(
        envs=["TrustDilemma-v0"],
        rewards=[SVO(0.5), None],
        params=[{"max_steps": 20, "observe": "private"}, "none"],
        seeds=[4, 2],
        settings={"level": 0.3},
    )
    found = tomllib.loads(ablation.toml())
    assert found["seeds"] == [4, 2] and found["params"] == ['max_steps=20,observe="private"', "none"]
    assert found["rewards"] == ["payoff.envs.rewards.linear:SVO:theta=0.5", "default"]
    again = Ablation(
        **{name: found[name] for name in ("envs", "params", "rewards", "algo", "seeds", "total_steps", "episodes")},
        settings={"level": 0.3},
    )
    assert [c.run_id for c in again.configs()] == [c.run_id for c in ablation.configs()]
    assert found["set"] == ["level=0.3"]
