"""How long an ablation will take: from finished rows, or measured; in words."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from payoff.baselines import estimate, run
from payoff.baselines.estimate import in_words, makespan
from payoff.baselines.pool import Event
from payoff.baselines.results import RunConfig, read_row, write_row

CONFIG = RunConfig(env_id="payoff/A-v0", reward="private", algo="ppo", seed=1, hyperparameters={"total_steps": 1000})


def console():
    return Console(file=io.StringIO())


def finished(out, config, *, steps, wall_seconds):
    """A row as a run leaves it; what it measured does not matter here."""
    row = run.failed_row(config, "x")
    empty = {
        "status": "ok",
        "message": None,
        "payoffs": [1.0],
        "curve_step": [1.0],
        "curve_welfare": [1.0],
        "curve_reward": [1.0],
        "curve_episode_length": [1.0],
        "best_kind": "constant",
        "steps": steps,
        "wall_seconds": wall_seconds,
    }
    names = ("welfare", "welfare_random", "welfare_best", "fairness_worst_off", "episode_length", "cpu_seconds")
    return read_row(write_row(out, {**row, **dict.fromkeys(names, 1.0), "evaluation_episodes": 1, **empty}))


def test_words():
    assert [in_words(x) for x in (39.6, 89, 720, 5340, 12_600)] == [
        "about 40 s",
        "about 89 s",
        "about 12 min",
        "about 89 min",
        "about 3.5 h",
    ]


def test_a_free_process_takes_the_next_run():
    assert makespan([3.0, 1.0, 1.0, 1.0, 2.0], 2) == 5.0  # 3 + 2 beside 1 + 1 + 1
    assert makespan([3.0, 1.0], 5) == 3.0


def test_finished_rows_of_the_same_kind_tell_the_rate(tmp_path):
    # 2 s and 4 s for 500 steps: 6 ms a step, 6 s for each run of 1000, three runs one after the other in two processes.
    finished(tmp_path, replace(CONFIG, seed=8), steps=500, wall_seconds=2.0)
    finished(tmp_path, replace(CONFIG, seed=9, reward="cooperative"), steps=500, wall_seconds=4.0)
    configs = [replace(CONFIG, seed=seed) for seed in (1, 2, 3)]
    found = estimate.estimate(configs, tmp_path, no_jobs, 2, console())
    assert found == "about 12 s on 2 processes (from finished runs)"
    assert estimate.estimate(configs[:1], tmp_path, no_jobs, 1, console()) == (
        "about 6 s on 1 process (from finished runs)"
    )


def test_what_no_row_tells_is_measured_where_that_is_worth_it(tmp_path):
    long = replace(CONFIG, hyperparameters={"total_steps": 300_000})
    asked = []

    def run_jobs(work, jobs, processes):
        asked.extend(jobs)
        for k, job in enumerate(jobs):  # 1 ms a step; a bonus costs another one; one cannot be measured
            yield Event("done", k, {"none": 1e-3, "count": 2e-3, "broken": None}[job.bonus])

    configs = [replace(long, bonus=bonus, seed=seed) for bonus in ("none", "count", "broken") for seed in (1, 2)]
    # 300, 300, 600, 600 s, and the mean rate of these four, 1.5 ms, for the last two: 450 s each
    total = sum([300, 300, 600, 600, 450, 450])
    assert estimate.estimate(configs, tmp_path, run_jobs, 1, console()) == (
        f"about {total / 60:.0f} min on 1 process (measured)"
    )
    assert sorted(config.bonus for config in asked) == ["broken", "count", "none"]


def test_short_grids_and_trainers_without_steps_get_none(tmp_path):
    assert estimate.estimate([CONFIG], tmp_path, no_jobs, 1, console()) is None
    assert estimate.estimate([replace(CONFIG, hyperparameters={})], tmp_path, no_jobs, 1, console()) is None


def test_a_training_is_measured_by_its_second_update():
    tiny = {"num_envs": 2, "num_steps": 20, "hidden": [8], "epochs": 1, "minibatches": 1}
    config = run.configure(algo="ppo", env_id="TrustDilemma-v0", reward=None, seed=1, settings=tiny)
    assert run.shortest(config).steps == 40
    assert 0.0 < estimate._measure(config, lambda done, total: None) < 1.0
    broken = replace(config, reward="nothing")
    assert estimate._measure(broken, lambda done, total: None) is None


LEARNER = "barfi:episodes=3,warm_up=0,first_steps=0,inner_steps=1,order=1,buffer_episodes=3"


def learning(**changes):
    small = {"num_envs": 2, "num_steps": 20, "hidden": (8,)}
    given = {"algo": "ppo", "env_id": "GridNav-v0", "reward": None, "reward_learner": LEARNER, "settings": small}
    return run.configure(**{"seed": 1, "total_steps": 300_000, **given, **changes})


def test_learning_of_rewards_counts_once_for_each_reward(tmp_path):
    """Two seeds, each under the reward alone and with a bonus: 300 s of training each, and 100 s for a reward.

    The reward of seed 2 is in the folder. So 400 s of the first run and 300 s of each other.
    """
    one, other = learning(), learning(bonus="count:1")
    configs = [replace(config, seed=seed) for seed in (1, 2) for config in (one, other)]
    path = run.reward_path(configs[2], tmp_path)
    assert path == run.reward_path(configs[3], tmp_path) != run.reward_path(one, tmp_path)
    path.parent.mkdir()
    path.touch()
    asked = []

    def run_jobs(work, jobs, processes):
        asked.append((work.__name__, [job.bonus for job in jobs]))
        for k in range(len(jobs)):
            yield Event("done", k, 100.0 if work is estimate._measure_learning else 1e-3)

    found = estimate.estimate(configs, tmp_path, run_jobs, 1, console())
    assert found == "about 22 min on 1 process (measured)"  # 1300 s
    assert asked == [("_measure", [other.bonus, "none"]), ("_measure_learning", ["none"])]


def test_learning_is_measured(tmp_path):
    assert 0.0 < estimate._measure_learning(learning(), lambda done, total: None) < 30.0
    assert estimate._measure_learning(replace(learning(), reward="nothing"), lambda done, total: None) is None
    assert run.reward_path(CONFIG, tmp_path) is None


def no_jobs(work, jobs, processes):
    pytest.fail("nothing is to be measured")
