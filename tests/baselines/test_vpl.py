"""Reward learner vpl: simulated users, questions, and the reward that each of two users gets."""

import gymnasium as gym
import numpy as np
import pytest

from payoff.baselines import run
from payoff.baselines.random_play import random_steps
from payoff.baselines.reward_learners import Problem, learned, reward_learner
from payoff.baselines.vpl import simulated_answers
from payoff.envs.sparse import two_users
from payoff.wrappers import NetworkReward, StepInputs

TWO = "payoff/TwoUsers-v0"
QUICK = "sets=150,epochs=30"


def problem(env_id=TWO, **keywords):
    return Problem(env_id=env_id, keywords=keywords, gamma=0.99, on_truncation="bootstrap", seed=3)


def cells():
    """Observations (46, 21) of the cells of the maze, and what they are worth to both users (2, 46)."""
    free = np.flatnonzero(two_users.distances("maze")[0] >= 0)
    obs = np.concatenate([np.eye(9)[free // 12], np.eye(12)[free % 12]], axis=1)
    return obs, two_users.worths("maze")[:, free]


def test_users_prefer_what_is_worth_more_to_them_and_ties_are_not_asked():
    utility = np.array([[0.0, 1, 1, 2], [2, 0, 0, 0]])
    answers = simulated_answers(utility, 400, 5, np.random.default_rng(0))
    who = answers.user[:, None]
    assert (utility[who, answers.better] > utility[who, answers.worse]).all()
    assert 150 < answers.user.sum() < 250
    assert (answers.better[answers.user == 1] == 0).all()
    with pytest.raises(ValueError, match="user 1 must prefer some step to another: all 3 are worth 5"):
        simulated_answers(np.array([[1.0, 2, 3], [5, 5, 5]]), 3, 3, np.random.default_rng(0))


def test_random_steps_are_steps_of_the_game():
    obs, vector = random_steps(problem(), 500, 4, (StepInputs(("next_obs",)), StepInputs(("reward_vector",))))
    known, worth = cells()
    at = (obs[:, None] == known).all(axis=2).argmax(axis=1)
    np.testing.assert_array_equal(obs, known[at])
    np.testing.assert_allclose(vector, worth[:, at].T, atol=1e-12)
    assert len(obs) == 500 and len(np.unique(at)) > 30


@pytest.mark.parametrize(("user", "active"), [(0, "true"), (1, "false")])
def test_each_user_gets_a_reward_in_the_order_of_its_worths(user, active):
    obs, worth = cells()
    seen = []
    asked = Problem(**{**vars(problem()), "on_progress": lambda *done: seen.append(done)})
    reward = learned(f"vpl:user={user},{QUICK},active={active}", asked)
    assert isinstance(reward, NetworkReward) and seen[-1] == (30, 30)
    apart = np.sign(worth[user][:, None] - worth[user])
    agrees = np.sign(reward.value(obs)[:, None] - reward.value(obs)) == apart
    assert agrees[apart != 0].mean() > 0.9
    wrong = np.sign(worth[1 - user][:, None] - worth[1 - user])
    assert agrees[(wrong != apart) & (apart != 0)].mean() > 0.85  # also where the other wants the opposite


@pytest.mark.parametrize(
    ("specification", "game", "message"),
    [
        ("vpl:user=2", TWO, "user must be one of 2 users, counted from 0, got 2"),
        ("vpl:users=[[1.0]]", TWO, "users must be lists of 2 numbers"),
        ("vpl", "payoff/Chain-v0", "vpl needs a game with a reward_vector in info, and payoff/Chain-v0 has none"),
        ("vpl:answers=0", TWO, r"answers must be an integer in 1 \.\. 10000, got 0"),
        ("vpl:answers=100000000000", TWO, r"answers must be an integer in 1 \.\. 10000, got 100000000000"),
        ("vpl:latent=0", TWO, r"latent must be an integer in 1 \.\. 1000, got 0"),
        ("vpl:latent=1000000", TWO, r"latent must be an integer in 1 \.\. 1000, got 1000000"),
        ("vpl:users=[[1.0,0.0],[0.0,0.0]]", TWO, r"users\[1\] must have a weight other than 0, got \[0.0, 0.0\]"),
        ("vpl:users=[[1.0,true]]", TWO, r"users\[0\]\[1\] must be a number in .*, got True"),
        # a step of TwoUsers is 21 numbers
        (
            "vpl:sets=100000000000",
            TWO,
            r"vpl: sets x comparisons x numbers of a step must be at most 536870912 numbers \(4 GiB\), "
            "got 100000000000 x 16 x 21",
        ),
        ("vpl:comparisons=100000000000", TWO, "got 500 x 100000000000 x 21"),
        ("vpl:active=2", TWO, "active must be True or False, got 2"),
    ],
)
def test_bad_settings_are_refused_before_anything_runs(specification, game, message):
    asked = problem(game)
    with pytest.raises(ValueError, match=message):
        reward_learner(specification).check(asked)


class OneNumber(gym.Env):
    """Its vector is no list."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (1,))
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, dtype=np.float32), {"reward_vector": 1.0}


def test_a_vector_that_is_one_number_is_refused():
    gym.register("tests/OneNumber-v0", OneNumber)
    try:
        with pytest.raises(
            ValueError, match="reward_vector in the info of tests/OneNumber-v0 must be a list of numbers"
        ):
            reward_learner("vpl").check(problem("tests/OneNumber-v0"))
    finally:
        del gym.registry["tests/OneNumber-v0"]
    with pytest.raises(ValueError, match=r"epochs must be an integer in 1 .. 100000, got 1000000"):
        reward_learner("vpl:epochs=1000000")


def test_a_run_under_it_keeps_the_reward_in_a_file(tmp_path):
    config = run.configure(
        algo="ppo",
        env_id=TWO,
        reward=None,
        seed=1,
        env_params={"user": 1},
        reward_learner="vpl:user=1,sets=30,epochs=2",
        settings={"num_envs": 4, "num_steps": 50, "hidden": (16,)},
        total_steps=400,
        evaluation_episodes=2,
    )
    row = run.execute(config, tmp_path, lambda done, total: None)
    assert row["status"] == "ok", row["message"]
    assert len(list(tmp_path.glob("rewards/*.safetensors"))) == 1
