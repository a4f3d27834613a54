"""Rewards that are learned before a training: found again, gone on with, from outside as well, and refused in time."""

from __future__ import annotations

import dataclasses
import types
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from payoff.baselines import ablation, bilevel_reward, read_results, reward_learners, run
from payoff.baselines.ablation import Ablation
from payoff.baselines.checkpoint import save
from payoff.baselines.pool import Event
from payoff.baselines.reward_learners import Saved, learned, reward_learner, reward_path
from payoff.baselines.reward_problem import Problem
from payoff.files import load_arrays, save_arrays
from payoff.wrappers import LearnedReward, RewardMethod, load_reward, save_reward
from tests.baselines.commands import call, refused

ROOT = Path(__file__).resolve().parents[2]
GRID = "payoff/GridNav-v0"
SHORT = "barfi:episodes=12,warm_up=6,first_steps=1,inner_steps=1,order=1,buffer_episodes=10"
PPO = {"num_envs": 4, "num_steps": 8, "minibatches": 1, "epochs": 1}


class Constant(LearnedReward):
    """Pays one number."""

    def __init__(self, number):
        self.number = np.array(float(number))

    def __call__(self, t):
        return np.full(t.reward.shape, float(self.number))

    def settings(self):
        return {}

    def arrays(self):
        return {"number": self.number}

    @classmethod
    def build(cls, settings, arrays):
        return cls(arrays["number"])


@dataclasses.dataclass(frozen=True)
class Paying:
    """A reward learner of another package, which has nothing to learn."""

    number: float = 1.0

    def check(self, problem):
        if self.number < 0.0:
            raise ValueError(f"number must be at least 0, got {self.number}")

    def learn(self, problem):
        return Constant(self.number)


class Counting(RewardMethod):
    """A reward that goes on changing: it is not kept in a file."""

    def __init__(self):
        self.steps = 0

    def __call__(self, t):
        self.steps += int(t.active.sum())
        return np.full(t.reward.shape, float(self.steps))


class Counts:
    def check(self, problem):
        pass

    def learn(self, problem):
        return Counting()


def problem(**changes):
    return Problem(
        **{
            "env_id": GRID,
            "keywords": {"reward": "private"},
            "gamma": 0.9,
            "on_truncation": "bootstrap",
            "seed": 1,
            **changes,
        }
    )


def configured(**changes):
    settings = {
        "algo": "ppo",
        "env_id": GRID,
        "reward": None,
        "seed": 1,
        "total_steps": 64,
        "settings": PPO,
        "evaluation_episodes": 1,
        "reward_learner": SHORT,
    }
    return run.configure(**{**settings, **changes})


def ignore(done, total):
    pass


def test_a_reward_is_learned_once_and_found_again(tmp_path, monkeypatch):
    """Another trainer under the same reward, the same seed and discount finds the file; another seed does not."""
    first = configured()
    row = run.execute(first, tmp_path, ignore)
    assert row["status"] == "ok" and row["reward_learner"] == SHORT, row["message"]
    (path,) = (tmp_path / "rewards").iterdir()
    reward = load_reward(path)
    assert reward.form.learn_gamma and reward.form.inputs == 5

    def nothing_more(self, problem):
        raise AssertionError("learned again")

    monkeypatch.setattr(bilevel_reward.BilevelReward, "learn", nothing_more)
    other = configured(settings={**PPO, "learning_rate": 0.01})
    assert run.execute(other, tmp_path, ignore)["status"] == "ok"
    assert "learned again" in run.execute(dataclasses.replace(first, seed=2), tmp_path, ignore)["message"]
    assert read_results(tmp_path)["reward_learner"].to_list() == [SHORT] * 3


def test_a_reward_that_another_machine_learned_arrives_with_the_row(tmp_path):
    """The folder there is not the one here, as on a cluster whose machines share none."""
    config = configured()
    value = ablation._compute((config, tmp_path / "node"), ignore)
    row = ablation._stored(config, tmp_path / "driver", Event("done", 0, value))
    assert row["status"] == "ok", row["message"]
    (there,), (here,) = (list((tmp_path / where / "rewards").iterdir()) for where in ("node", "driver"))
    assert there.name == here.name and there.read_bytes() == here.read_bytes()
    assert here == run.reward_path(config, tmp_path / "driver")
    load_reward(here)


class Slow:
    """Needs 5 s for the first of ten parts, and 2 s for each of the others."""

    clock = 0.0

    def check(self, problem):
        Slow.clock += 100.0  # does not count

    def learn(self, problem):
        assert problem.checkpoint is None
        for part in range(10):
            Slow.clock += 2.0 if part else 5.0
            problem.on_progress(part + 1, 10)
        return Constant(0.0)


class Silent(Slow):
    def learn(self, problem):
        Slow.clock += 50.0
        return Constant(0.0)


@pytest.mark.parametrize(
    ("learner", "at_most", "seconds", "passed"),
    [("Slow", 8.0, 23.0, 9.0), ("Slow", 0.0, 23.0, 7.0), ("Slow", 60.0, 23.0, 23.0), ("Silent", 8.0, 50.0, 50.0)],
)
def test_the_time_that_learning_takes_is_told_by_its_progress(learner, at_most, seconds, passed, monkeypatch):
    """5 s and nine times 2 s, of which no more are watched than are asked for, but two reports at least."""
    monkeypatch.chdir(ROOT)
    clock = types.SimpleNamespace(perf_counter=lambda: Slow.clock)
    monkeypatch.setattr(reward_learners, "time", clock)
    before = clock.perf_counter()
    found = reward_learners.time_learning(f"{__name__}:{learner}", problem(), at_most)
    assert found == pytest.approx(seconds)
    assert clock.perf_counter() - before == pytest.approx(100.0 + passed)


def test_a_damaged_file_is_learned_anew(tmp_path):
    first = learned(SHORT, problem(), tmp_path)
    path = reward_path(tmp_path, SHORT, problem())
    path.write_bytes(path.read_bytes()[:-1])
    again = learned(SHORT, problem(), tmp_path)
    np.testing.assert_array_equal(again.phi, first.phi)
    np.testing.assert_array_equal(load_reward(path).phi, first.phi)


def test_learning_goes_on_where_it_was_killed(tmp_path):
    """Killed in its 21st update of 22, after a checkpoint of the 20th: two updates are left."""
    specification = SHORT.replace("episodes=12", "episodes=66")
    told = []

    def killed(done, total):
        told.append(done)
        if len(told) == 21:
            raise KeyboardInterrupt

    whole = learned(specification, problem(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        learned(specification, problem(on_progress=killed), tmp_path / "killed")
    (left,) = (tmp_path / "killed" / "rewards").iterdir()
    assert left.suffix == ".part"
    later = []
    found = learned(specification, problem(on_progress=lambda done, total: later.append(done)), tmp_path / "killed")
    np.testing.assert_array_equal(found.phi, whole.phi)
    assert later[0] == told[20] and len(later) == 2
    assert [p.suffix for p in (tmp_path / "killed" / "rewards").iterdir()] == [".safetensors"]


def test_progress_counts_learning_before_training(tmp_path):
    told = []
    run.execute(configured(), tmp_path, lambda done, total: told.append((done, total)))
    done = [d for d, _ in told]
    assert done == sorted(done) and told[-1][0] == told[-1][1]


def test_progress_goes_by_episodes_where_these_end_it():
    """Twelve episodes, three at once: a quarter, a half, three quarters, all."""
    told = []
    learned(SHORT, problem(on_progress=lambda done, total: told.append(done / total)))
    assert told == pytest.approx([0.25, 0.5, 0.75, 1.0], abs=0.02)


def test_learners_of_another_package(tmp_path, monkeypatch):
    """An object that learns is named as anything of another package, and what it pays is what the training is told."""
    monkeypatch.chdir(ROOT)
    name = f"{__name__}:Paying:number=3"
    row = run.execute(configured(reward_learner=Paying(3.0), env_params={"max_steps": 5}), tmp_path, ignore)
    assert (row["status"], row["reward_learner"]) == ("ok", f"{__name__}:Paying:number=3.0"), row["message"]
    assert row["curve_reward"][-1] == pytest.approx(3.0 * row["curve_episode_length"][-1])
    assert float(learned(name, problem(), tmp_path / "other").number) == 3.0
    assert isinstance(learned(f"{__name__}:Counts", problem(), tmp_path / "x"), Counting)
    assert not (tmp_path / "x" / "rewards").exists()
    with pytest.raises(ValueError, match="number must be at least 0, got -1"):
        configured(reward_learner=f"{__name__}:Paying:-1")


def test_saved_rewards(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    path = tmp_path / "reward.safetensors"
    save_reward(path, learned(SHORT, problem()))
    command = ("train", "--algo", "ppo", "--env", GRID, "--total-steps", "64", "--episodes", "1", "--out", tmp_path)
    command += ("--set", *(f"{k}={v}" for k, v in PPO.items()))
    status, out, err = call(capsys, *command, "--reward-learner", f"saved:path={path}")
    assert status == 0 and "score" in out, err
    with pytest.raises(ValueError, match=r"cannot pay in payoff/KeyRoom-v0: observations must be 2 numbers, got \d+$"):
        reward_learner(f"saved:path={path}").check(problem(env_id="payoff/KeyRoom-v0"))
    missing = refused(capsys, *command, "--reward-learner", "saved:path=nothing")
    assert "path of reward learner saved cannot be read: nothing: No such file" in missing
    path.write_bytes(b"x")
    assert "is damaged or no reward" in refused(capsys, *command, "--reward-learner", f"saved:path={path}")
    assert reward_learner(f"saved:path={path}") == Saved(str(path))
    save(path, {}, {"trainer": "ppo"})
    said = refused(capsys, *command, "--reward-learner", f"saved:path={path}")
    assert "is a checkpoint of ppo, which learns no reward" in said
    save(path, {}, {"trainer": "bilevel"})
    assert "cannot be used: form is missing" in refused(capsys, *command, "--reward-learner", f"saved:path={path}")


def test_an_axis_of_the_ablation():
    grid = Ablation(envs=[GRID], reward_learners=["none", SHORT], algo="ppo", seeds=1, total_steps=64, settings=PPO)
    assert [c.reward_learner for c in grid.configs()] == ["none", SHORT]
    assert f'reward_learners = ["none", "{SHORT}"]' in grid.toml()


def test_ppo_on_an_environment_that_is_not_ours(tmp_path, capsys):
    """One command: LIRPG learns a reward for CartPole, and PPO trains under it."""
    command = ("train", "--algo", "ppo", "--env", "CartPole-v1", "--total-steps", "64", "--episodes", "1")
    command += ("--out", tmp_path, "--set", *(f"{k}={v}" for k, v in PPO.items()))
    status, out, err = call(capsys, *command, "--reward-learner", "lirpg:episodes=6,features=numbers")
    assert status == 0 and "welfare" in out, err


@pytest.mark.parametrize(
    ("specification", "changes", "message"),
    [
        ("barf", {}, "unknown reward_learner 'barf' \\(did you mean 'barfi'\\?\\)"),
        ("none:1", {}, "reward_learner none takes no values"),
        ("barfi:orde=1", {}, "order"),
        ("barfi:order=-1", {}, "order must be an integer at least 0, got -1"),
        (
            "barfi:features=numbers",
            {"env_id": "payoff/KeyRoom-v0"},
            "blends an auxiliary reward, info\\['aux'\\], and payoff/KeyRoom-v0",
        ),
        (
            "lirpg",
            {"env_id": "payoff/TrustDilemma-v0"},
            "reward learner lirpg: actions must be one whole number, such as actions='discrete:5', in payoff/Trust",
        ),
        # the plane of GridNav has 2 numbers: (order + 1)^2 features and the bias
        ("barfi:order=100", {}, "reward learner barfi: order 100 in 2 numbers makes over 10000 features"),
        ("lirpg", {"env_id": "CartPole-v1"}, "reward learner lirpg: a Fourier basis needs finite bounds"),
        (
            "barfi:buffer_episodes=100000000000",
            {},
            "barfi: buffer_episodes x num_steps x numbers of a step must be at most 536870912 numbers .4 GiB., got "
            "100000000000 x ",
        ),
        ("lirpg:num_steps=1000000000", {}, "got 1000 x 1000000000 x 6"),
        ("barfi:curvature_episodes=10000000000", {}, "curvature_episodes x num_steps x .*, got 10000000000 x 50 x 6"),
        ("lirpg:batch_episodes=10000000000", {}, "batch_episodes x num_steps x .*, got 10000000000 x 50 x 6"),
        (f"preference:scale={10**400}", {}, "scale must be a number in \\(0, 1e\\+12\\], got 1000"),
        ("lirpg:hidden=[1000000,1000000]", {}, "lirpg: parameters of the policy must be at most"),
        ("bipars_imgl:reward_hidden=[10000],hidden=[10000]", {}, "parameters of the policy x parameters of the reward"),
        (f"{__name__}:Constant:1", {}, "must be a reward learner, got Constant"),
    ],
)
def test_what_cannot_be_learned_is_refused_before_anything_runs(specification, changes, message, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises((TypeError, ValueError), match=message):
        configured(reward_learner=specification, **changes)


class Walk(gym.Env):
    """An environment of another package without a limit of steps."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (1,))

    def __init__(self, start=0):
        self.action_space = gym.spaces.Discrete(2, start=start)

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, dtype=np.float32), {}

    def step(self, action):
        return np.zeros(1, dtype=np.float32), 0.0, False, False, {}


@pytest.mark.parametrize(
    ("start", "specification", "message"),
    [
        (
            0,
            "lirpg",
            "reward learner lirpg: tests/Walk-v0 has no limit of steps: num_steps must say how long an episode",
        ),
        (1, "lirpg:num_steps=9", r"action space must be a Box, Discrete from 0 on, .*, got Discrete\(2, start=1\)"),
    ],
)
def test_what_a_bilevel_method_cannot_play_is_refused_before_anything_runs(start, specification, message):
    gym.register("tests/Walk-v0", Walk)
    try:
        asked = problem(env_id="tests/Walk-v0", keywords={"start": start})
        with pytest.raises(ValueError, match=message):
            reward_learner(specification).check(asked)
    finally:
        del gym.registry["tests/Walk-v0"]


def test_files_of_unknown_kinds(tmp_path):
    save_reward(tmp_path / "x", Constant(1.0))
    assert float(load_reward(tmp_path / "x").number) == 1.0
    arrays, meta = load_arrays(tmp_path / "x", "reward")
    for kind, message in (
        ("RewardBlnd", "did you mean 'RewardBlend'"),
        ("os:system", "is not known"),
        ("nowhere.at_all:X", "import nowhere.at_all first"),
        (3, "must say its kind"),
    ):
        save_arrays(tmp_path / "y", arrays, {**meta, "kind": kind}, "reward")
        with pytest.raises(ValueError, match=message):
            load_reward(tmp_path / "y")
    save_arrays(tmp_path / "y", {}, meta, "reward")
    with pytest.raises(ValueError, match="number is missing"):
        load_reward(tmp_path / "y")
    with pytest.raises(TypeError, match="reward must be a LearnedReward, got Counting"):
        save_reward(tmp_path / "y", Counting())
    assert reward_learners.REWARD_LEARNERS.keys() >= {"saved", "barfi", "lirpg", "meta_weight"}


def test_another_content_of_a_file_is_another_run(tmp_path):
    """The run writes down what the file held: a file that has changed is another run, and an old one is refused."""
    path = tmp_path / "reward.safetensors"
    save_reward(path, Constant(1.0))
    first = configured(reward_learner=f"saved:path={path}")
    save_reward(path, Constant(2.0))
    second = configured(reward_learner=f"saved:path={path}")
    assert first.reward_learner != second.reward_learner and first.run_id != second.run_id
    assert float(learned(second.reward_learner, problem(), tmp_path / "out").number) == 2.0
    with pytest.raises(ValueError, match=r"has changed: its digest is h[0-9a-f]{16}, and sha256 says h[0-9a-f]{16}"):
        learned(first.reward_learner, problem(), tmp_path / "out")


def test_a_class_that_builds_nothing_is_no_reward(tmp_path):
    save_arrays(tmp_path / "x", {}, {"kind": "payoff.wrappers.learned.frozen:LearnedReward", "settings": {}}, "reward")
    with pytest.raises(ValueError, match="which is not known"):
        load_reward(tmp_path / "x")
