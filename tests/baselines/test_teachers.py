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


def test_exprd_trains_a_policy(tmp_path):
    config = run.configure(
        algo="ppo:gamma=0.9",
        env_id="payoff/Chain-v0",
        reward=None,
        seed=1,
        env_params=CHAIN,
        reward_learner="exprd:states=1",
        settings={"num_envs": 4, "num_steps": 8},
        total_steps=64,
        evaluation_episodes=2,
    )
    row = run.execute(config, tmp_path, lambda done, total: None)
    assert row["status"] == "ok", row["message"]
    assert len(list((tmp_path / "rewards").glob("*.safetensors"))) == 1


@pytest.mark.parametrize("name", ["exprd"])
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
        ("exprd:state=1", TypeError, "did you mean 'states'"),
        ("exprd:limit=0", ValueError, "limit must be a number"),
    ],
)
def test_bad_settings_are_refused(text, error, message):
    with pytest.raises(error, match=message):
        reward_learner(text)
