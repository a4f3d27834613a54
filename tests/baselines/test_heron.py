"""Reward learner heron: rankings as text, and a training under it."""

import numpy as np
import pytest

from payoff.baselines import ppo, run
from payoff.baselines.reward_learners import Problem, learned
from payoff.wrappers import HierarchicalPreferenceReward, NetworkReward, wrap

TRAFFIC = "payoff/TrafficGrid-v0"


class KilledError(Exception):
    pass


def problem(env_id=TRAFFIC, **keywords):
    return Problem(env_id=env_id, keywords=keywords, gamma=0.99, on_truncation="bootstrap", seed=3)


def test_a_ranking_is_read():
    method = learned('heron:ranking=["-queue","+throughput 0","-effort","+end 0.25"],margin=0.4', problem())
    assert isinstance(method, HierarchicalPreferenceReward)
    assert [(f.sign, f.margin, f.index) for f in method.factors] == [
        (-1, 0.4, 0),
        (1, 0.0, 3),
        (-1, 0.4, None),
        (1, 0.25, None),
    ]


def test_entries_of_other_environments():
    method = learned('heron:ranking=["+end 0","-effort"],segment=1', problem("MountainCarContinuous-v0"))
    env = wrap(problem("MountainCarContinuous-v0").make(2), method)
    env.reset(seed=0)
    env.step(np.array([[0.5], [-1.0]]))
    np.testing.assert_allclose(method.state_dict()["items.factors"], [[0.0, 0.25], [0.0, 1.0]])
    env.close()


@pytest.mark.parametrize(
    ("specification", "message"),
    [
        ('heron:ranking=["queue"]', r"an entry is \+name or -name and perhaps a margin, got 'queue'"),
        ('heron:ranking=["-queue -1"]', "an entry is"),
        ('heron:ranking=["-que"]', r"has no 'que' \(did you mean 'queue'\?\)"),
        ("heron:ranking=[]", "ranking must be a list"),
        ('heron:ranking=["-effort"],random_steps=1000', "effort is no entry of info, so random_steps must be 0"),
        ('heron:ranking=["-queue"],margin=-1', "margin must be a number"),
        ('heron:ranking=["-queue"],segment=0', "segment must be an integer at least 1, got 0"),
        # 16 copies play 62 steps each, 992 items; or 438 steps, in which 7 go 62 times
        ('heron:ranking=["-queue"],random_steps=992', "for warmup=1000 items, got 992, which make 992 of segment=1"),
        ('heron:ranking=["-queue"],segment=7,random_steps=7000', "got 7000, which make 992 of segment=7 steps"),
        # TrafficGrid shows 24 numbers, and the ranking adds one
        (
            'heron:ranking=["-queue"],segment=1000000',
            r"heron: items \(warmup, 10000 or more\) x segment x numbers of a step must be at most 536870912 numbers "
            r"\(4 GiB\), got 10000 x 1000000 x 25",
        ),
        ('heron:ranking=["-queue"],warmup=100000000000', "got 100000000000 x 1 x 25"),
    ],
)
def test_bad_rankings_are_refused_before_anything_runs(specification, message):
    with pytest.raises(ValueError, match=message):
        learned(specification, problem())


def test_random_steps_that_are_just_enough():
    """63 steps of 16 copies make 1,008 items, of which 1,000 are needed."""
    assert isinstance(learned('heron:ranking=["-queue"],random_steps=993', problem()), NetworkReward)


def test_learned_from_random_play_it_is_finished_and_follows_the_ranking():
    seen = []
    asked = Problem(**{**vars(problem()), "on_progress": lambda done, total: seen.append((done, total))})
    reward = learned('heron:ranking=["-queue"],margin=0.1,random_steps=4000', asked)
    assert isinstance(reward, NetworkReward) and seen[-1] == (4000, 4000)
    env = wrap(problem().make(8), reward)
    env.reset(seed=9)
    draws, queues, paid = np.random.default_rng(0), [], []
    for _ in range(50):
        _, r, _, _, info = env.step(draws.integers(0, 16, 8))
        queues.append(info["reward_vector"][:, 0])
        paid.append(r)
    assert np.corrcoef(np.ravel(queues), np.ravel(paid))[0, 1] < -0.9  # the fewer cars, the more is paid
    env.close()


def test_a_run_under_it_is_a_row_like_any_other(tmp_path):
    config = run.configure(
        algo="ppo",
        env_id=TRAFFIC,
        reward=None,
        seed=1,
        reward_learner='heron:ranking=["-queue","-wait"],warmup=300',
        settings={"num_envs": 4, "num_steps": 100, "hidden": (16,)},
        total_steps=1200,
        evaluation_episodes=2,
    )
    row = run.execute(config, tmp_path, lambda done, total: None)
    assert row["status"] == "ok", row["message"]
    assert row["reward_learner"].startswith("heron:") and not list(tmp_path.glob("rewards/*"))


def test_a_killed_training_goes_on_to_the_same_numbers(tmp_path):
    """The reward learns while the agent trains: its memory and network are part of the checkpoint."""
    small = {"num_envs": 4, "num_steps": 50, "hidden": (16,), "checkpoint_every": 2, "total_steps": 1400}

    def trained(checkpoint, on_progress=None):
        method = learned('heron:ranking=["-queue","-wait"],warmup=300,learn_every=150', problem())
        args = ppo.Args(env_id=TRAFFIC, seed=3, checkpoint=checkpoint, **small)
        return ppo.train(args, on_progress=on_progress, wrapper=lambda env: wrap(env, method))

    def kill(done, total):
        if done == 1000:
            raise KilledError

    whole = trained(None)
    with pytest.raises(KilledError):
        trained(str(tmp_path / "state"), kill)
    resumed = trained(str(tmp_path / "state"))
    for name in whole.curve:
        assert resumed.curve[name].tobytes() == whole.curve[name].tobytes()
    for one, other in zip(whole.policy.net.parameters(), resumed.policy.net.parameters(), strict=True):
        assert one.detach().numpy().tobytes() == other.detach().numpy().tobytes()
