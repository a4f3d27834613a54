"""Teachers as reward learners: by name, in a training, and what they refuse."""

import numpy as np
import pytest

from payoff.baselines import run
from payoff.baselines.reward_learners import Problem, learned, reward_learner, reward_path
from payoff.wrappers import TableReward, load_reward

CHAIN = {"length": 6, "start": 1, "max_steps": 8}


def problem(**changes):
    given = {"env_id": "payoff/Chain-v0", "keywords": CHAIN, "gamma": 0.9, "on_truncation": "bootstrap", "seed": 3}
    return Problem(**(given | changes))


def test_exprd_keeps_a_file_and_finds_it_again(tmp_path):
    """Cells 0 to 4; right in cell 4 pays 1, which no other place may do: the rest are fines."""
    told = []
    asked = problem(on_progress=lambda *at: told.append(at))
    reward = learned("exprd:states=2", asked, tmp_path)
    assert isinstance(reward, TableReward) and reward.table.shape == (5, 2)
    assert np.count_nonzero(reward.table.any(axis=1)) <= 3
    assert (reward.table > 1e-9).sum() == 1 and reward.table.max() > 0.0
    assert told[-1][0] == told[-1][1] - 1  # but for the last program
    kept = load_reward(reward_path(tmp_path, "exprd:states=2", asked))
    assert kept.table.tolist() == reward.table.tolist()
    told.clear()
    learned("exprd:states=2", asked, tmp_path)
    assert not told


@pytest.mark.parametrize("learner", ["exprd:states=1", "expadard:every=2", "explors"])
def test_a_policy_trains(learner, tmp_path):
    config = run.configure(
        algo="ppo:gamma=0.9",
        env_id="payoff/Chain-v0",
        reward=None,
        seed=1,
        env_params=CHAIN,
        reward_learner=learner,
        settings={"num_envs": 4, "num_steps": 8},
        total_steps=64,
        evaluation_episodes=2,
    )
    row = run.execute(config, tmp_path, lambda done, total: None)
    assert row["status"] == "ok", row["message"]
    assert len(list((tmp_path / "rewards").glob("*.safetensors"))) == (1 if learner.startswith("exprd") else 0)


@pytest.mark.parametrize("name", ["exprd", "expadard"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gamma": 1.0}, r"gamma must be a number in \(0, 1\)"),
        ({"env_id": "payoff/TrustDilemma-v0", "keywords": {}}, "a teacher needs a tabular game of one player"),
        ({"env_id": "payoff/SparseCartPole-v0", "keywords": {}}, "a teacher needs a tabular game of one player"),
        ({"env_id": "CartPole-v1", "keywords": {}}, "a teacher needs a game of this package"),
    ],
)
def test_problems_without_a_model_are_refused(name, changes, message):
    with pytest.raises(ValueError, match=message):
        reward_learner(name).check(problem(**changes))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("exprd:states=-1", ValueError, "states must be an integer"),
        ("exprd:longest=0", ValueError, "longest must be an integer in 1"),
        ("expadard:every=0", ValueError, "every must be an integer"),
        ("expadard:everyy=1", TypeError, "did you mean 'every'"),
        ("exprd:state=1", TypeError, "did you mean 'states'"),
        ("explors:every=0", ValueError, "every must be an integer"),
        ("explors:clip=-1", ValueError, "clip must be a number"),
        ("explors:bonu=1", TypeError, "did you mean 'bonus'"),
        ("exprd:limit=0", ValueError, "limit must be a number"),
    ],
)
def test_bad_settings_are_refused(text, error, message):
    with pytest.raises(error, match=message):
        reward_learner(text)


def test_explors_needs_whole_number_actions():
    with pytest.raises(ValueError, match="explors needs actions that are whole numbers"):
        reward_learner("explors").check(problem(env_id="payoff/TrustDilemma-v0", keywords={}))


@pytest.mark.parametrize("learner", ["expadard:every=2", "explors"])
def test_training_resumes_to_the_same_numbers(learner, tmp_path):
    """One training in one go, and one that is cut in two: the same weights, so the same rewards."""
    from payoff.baselines import checkpoint, ppo
    from payoff.wrappers import wrap

    def train(steps, path, resume):
        method = learned(learner, problem())
        args = ppo.Args(
            env_id="payoff/Chain-v0",
            env_params=CHAIN,
            gamma=0.9,
            seed=5,
            num_envs=2,
            num_steps=8,
            total_steps=steps,
            checkpoint=str(path),
            resume=resume,
        )
        ppo.train(args, wrapper=lambda env: wrap(env, method))
        return checkpoint.load(path)[0]

    whole = train(96, tmp_path / "whole.safetensors", False)
    stopped = tmp_path / "cut.safetensors"

    class Cut(Exception):
        pass

    def stop(done, total):
        if done >= 48:
            raise Cut

    method = learned(learner, problem())
    given = {"env_id": "payoff/Chain-v0", "env_params": CHAIN, "gamma": 0.9, "seed": 5, "num_envs": 2, "num_steps": 8}
    args = ppo.Args(**given, total_steps=96, checkpoint=str(stopped), checkpoint_every=1, resume=False)
    with pytest.raises(Cut):
        ppo.train(args, wrapper=lambda env: wrap(env, method), on_progress=stop)
    again = train(96, stopped, True)
    assert whole.keys() == again.keys()
    for name in whole:
        np.testing.assert_array_equal(whole[name], again[name], err_msg=name)
