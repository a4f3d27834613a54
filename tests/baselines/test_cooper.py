"""Reward learner cooper: its settings, and a training under it."""

import pytest

from payoff.baselines import run
from payoff.baselines.reward_learners import Problem, learned
from payoff.wrappers import VerifiedProxyReward

FILLER = "payoff/FillerSteps-v0"


def problem(game=FILLER, **keywords):
    return Problem(env_id=game, keywords=keywords, gamma=0.99, on_truncation="bootstrap", seed=3)


def test_settings_are_taken_over():
    method = learned("cooper:share=0.5,verify=false,warmup=200,learn_every=70", problem())
    assert isinstance(method, VerifiedProxyReward) and not method.verify and method.share == 0.5
    assert (method.learning.warmup, method.learning.learn_every, method.learning.network.seed) == (200, 70, 3)
    assert method.inputs.num_actions == 4


@pytest.mark.parametrize(
    ("specification", "game", "message"),
    [
        ("cooper:share=1.5", FILLER, r"share must be a number in \(0, 1\], got 1.5"),
        ("cooper:score=judge", FILLER, "cooper needs one number judge in info for each step"),
        ("cooper", "payoff/Delivery-v0", "cooper needs one number aux in info for each step, and payoff/Delivery-v0"),
        ("cooper:warmup=1", FILLER, "warmup must be an integer at least 2, got 1"),
        ("cooper:verify=3", FILLER, "verify must be True or False, got 3"),
        (
            "cooper:warmup=100000000000",
            FILLER,
            r"cooper: steps \(warmup, 5000 or more\) x numbers of a step must be at",
        ),
    ],
)
def test_bad_settings_are_refused_before_anything_runs(specification, game, message):
    with pytest.raises(ValueError, match=message):
        learned(specification, problem(game))


def test_a_run_under_it_is_a_row_like_any_other(tmp_path):
    config = run.configure(
        algo="ppo",
        env_id=FILLER,
        reward=None,
        seed=1,
        reward_learner="cooper:warmup=200,learn_every=200",
        settings={"num_envs": 8, "num_steps": 50, "hidden": (16,)},
        total_steps=800,
        evaluation_episodes=2,
    )
    row = run.execute(config, tmp_path, lambda done, total: None)
    assert row["status"] == "ok", row["message"]
