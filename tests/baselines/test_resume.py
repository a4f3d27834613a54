"""A training that was killed goes on to the same numbers, bit for bit, and never on from something else."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from payoff.baselines import checkpoint, ippo, ppo
from payoff.baselines.evaluation import evaluate
from payoff.baselines.methods import around
from payoff.baselines.run import load_checkpoint

SMALL = {"num_envs": 8, "num_steps": 30, "hidden": (16,), "minibatches": 2, "checkpoint_every": 2}
UPDATES, KILLED_AFTER = 7, 5  # the last checkpoint before that is of update 4
# PPO under a wrapper, whose state the checkpoint holds as well
SHAPED = SimpleNamespace(
    Args=ppo.Args,
    train=partial(ppo.train, wrapper=around("progress", "count:coef=0.1", 0.99, "bootstrap")),
    __name__=ppo.__name__,
)
CASES = {
    "trust": (ippo, {"env_id": "payoff/TrustDilemma-v0"}),
    "team": (ippo, {"env_id": "payoff/LoyaltyTeam-v0", "share_parameters": True, "reward": "cooperative"}),
    "reciprocal": (ippo, {"env_id": "payoff/ReciprocalDilemma-v0", "env_params": {"actions": "discrete:11"}}),
    "keys": (SHAPED, {"env_id": "payoff/KeyRoom-v0", "env_params": {"size": 5}}),
    "one seat": (ppo, {"env_id": "payoff/TrustDilemma-v0", "env_params": {"agent": 1}, "clip_value": True}),
}


class KilledError(Exception):
    pass


def settings(name, file=None):
    trainer, own = CASES[name]
    steps = UPDATES * SMALL["num_envs"] * SMALL["num_steps"]
    return trainer, trainer.Args(total_steps=steps, checkpoint=None if file is None else str(file), **SMALL, **own)


def stop_after(updates):
    def on_progress(done, total):
        if done == updates * SMALL["num_envs"] * SMALL["num_steps"]:
            raise KilledError

    return on_progress


def assert_same(a, b):
    for (name, x), (_, y) in zip(a.policy.net.named_parameters(), b.policy.net.named_parameters(), strict=True):
        assert x.detach().numpy().tobytes() == y.detach().numpy().tobytes(), name
    for name in a.curve:
        assert a.curve[name].tobytes() == b.curve[name].tobytes(), name
    assert a.steps == b.steps


@pytest.mark.parametrize("name", CASES)
def test_a_killed_training_goes_on_to_the_same_numbers(name, tmp_path):
    trainer, args = settings(name, tmp_path / "state")
    whole = trainer.train(dataclasses.replace(args, checkpoint=None))
    with pytest.raises(KilledError):
        trainer.train(args, on_progress=stop_after(KILLED_AFTER))
    assert checkpoint.load(args.checkpoint)[1]["update"] == 4
    seen = []
    resumed = trainer.train(args, on_progress=lambda done, total: seen.append(done))
    assert len(seen) == UPDATES - 4
    assert_same(resumed, whole)


def test_a_process_that_is_really_killed(tmp_path):
    trainer, args = settings("trust", tmp_path / "state")
    code = f"""
        import os, signal
        from payoff.baselines import ippo

        def kill(done, total):
            if done == {KILLED_AFTER * 240}:
                os.kill(os.getpid(), signal.SIGKILL)

        ippo.train(ippo.Args(**{dataclasses.asdict(args)!r}), on_progress=kill)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=os.environ, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert_same(trainer.train(args), trainer.train(dataclasses.replace(args, checkpoint=None)))


def test_a_finished_training_is_returned_at_once(tmp_path):
    trainer, args = settings("trust", tmp_path / "state")
    first = trainer.train(args)
    before = Path(args.checkpoint).read_bytes()
    seen = []
    again = trainer.train(args, on_progress=lambda done, total: seen.append(done))
    assert seen == []
    assert Path(args.checkpoint).read_bytes() == before
    assert_same(first, again)
    assert again.wall_seconds > first.wall_seconds * 0.5


def test_more_steps_go_on_and_fewer_are_refused(tmp_path):
    trainer, args = settings("trust", tmp_path / "state")
    trainer.train(args)
    longer = trainer.train(dataclasses.replace(args, total_steps=args.total_steps + 480))
    assert len(longer.curve["step"]) == UPDATES + 2
    with pytest.raises(ValueError, match="past"):
        trainer.train(args)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.5}, r"learning_rate=0\.002, not 0\.5"),
        ({"hidden": (16, 16)}, r"hidden=\[16\], not \[16, 16\]"),
        ({"reward": "private"}, "reward=None, not 'private'"),
        ({"env_params": {"max_steps": 3}}, "env_params="),
        ({"seed": 9}, "seed=1, not 9"),
        ({"torch_threads": 2}, "torch_threads=1, not 2"),
    ],
)
def test_other_settings_are_refused_by_name(change, message, tmp_path):
    trainer, args = settings("trust", tmp_path / "state")
    args = dataclasses.replace(args, total_steps=240)
    trainer.train(args)
    before = Path(args.checkpoint).read_bytes()
    with pytest.raises(ValueError, match=message):
        trainer.train(dataclasses.replace(args, **change))
    assert Path(args.checkpoint).read_bytes() == before


def test_paths_may_differ(tmp_path):
    trainer, args = settings("trust", tmp_path / "state")
    trainer.train(args)
    moved = tmp_path / "moved"
    Path(args.checkpoint).rename(moved)
    trainer.train(dataclasses.replace(args, checkpoint=str(moved), checkpoint_every=1))


def test_another_trainers_checkpoint_is_refused(tmp_path):
    _, args = settings("trust", tmp_path / "state")
    ippo.train(args)
    with pytest.raises(ValueError, match="is a checkpoint of ippo, not of ppo"):
        ppo.train(settings("one seat", tmp_path / "state")[1])


def test_a_damaged_checkpoint_is_refused_and_resume_false_starts_over(tmp_path):
    trainer, args = settings("trust", tmp_path / "state")
    whole = trainer.train(args)
    file = Path(args.checkpoint)
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ValueError, match="damaged"):
        trainer.train(args)
    assert_same(trainer.train(dataclasses.replace(args, resume=False)), whole)


def test_settings_that_json_cannot_say_are_refused_at_the_start(tmp_path):
    trainer, args = settings("trust", tmp_path / "state")
    with pytest.raises(ValueError, match="must be JSON values"):
        trainer.train(dataclasses.replace(args, reward=lambda given: given.payoff))


@pytest.mark.parametrize(("name", "view"), [("trust", "multi"), ("reciprocal", "multi"), ("keys", "single")])
def test_the_policy_of_a_checkpoint_plays_like_the_trained_one(name, view, tmp_path):
    trainer, args = settings(name, tmp_path / "state")
    result = trainer.train(args)
    policy, meta = load_checkpoint(args.checkpoint)
    assert meta["trainer"] == trainer.__name__.rpartition(".")[2]
    assert meta["args"]["env_id"] == args.env_id
    ours, theirs = (
        evaluate(p, args.env_id, episodes=5, seed=0, env_kwargs=args.keywords(), view=view)
        for p in (result.policy, policy)
    )
    assert (ours.payoffs == theirs.payoffs).all()
    assert policy.net.temperature == result.policy.net.temperature < 1
    obs = np.random.default_rng(0).random((4, result.policy.net.shape.num_agents, result.policy.net.shape.obs_size))
    assert (result.policy.value(obs) == policy.value(obs)).all()


def test_a_file_without_a_policy(tmp_path):
    checkpoint.save(tmp_path / "x", {}, {})
    with pytest.raises(ValueError, match="checkpoint of no trainer"):
        load_checkpoint(tmp_path / "x")
