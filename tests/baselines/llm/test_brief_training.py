"""Brief trainings: the score of a candidate is that of the same training without anybody who watches."""

from __future__ import annotations

import json

import numpy as np
import pytest

from payoff.baselines import environments, evaluation, ppo
from payoff.baselines.llm.brief_training import BriefTraining, Trained
from payoff.baselines.llm.methods import Request, training_option
from payoff.baselines.llm.watched_play import watch
from payoff.baselines.methods import around
from payoff.baselines.policies import ConstantPolicy
from payoff.baselines.tabular import TablePolicy
from payoff.wrappers.llm.mutator import state_reads

ID = "payoff/GridNav-v0"
SMALL = {"num_envs": 2, "num_steps": 16, "minibatches": 1}


def request(out, **settings):
    return Request(**{"env_id": ID, "task": "Go.", "judge": lambda text: None, "out": out, "keywords": {}, **settings})


def test_the_watch_changes_nothing(tmp_path):
    """PPO by hand with the option of payoff train, two seeds, scored by the evaluation of every other command."""
    asked = request(tmp_path, seed=3, gamma=0.9, keywords={"noise": 0.0})
    training = BriefTraining(algo="ppo", steps=256, seeds=2, episodes=3, settings=SMALL)
    found = training.train(asked, "obs.x + obs.y", {"x": "obs.x", "y": "obs.y"})
    payoffs = []
    for seed in (3, 4):
        args = ppo.Args(env_id=ID, env_params={"noise": 0.0}, seed=seed, total_steps=256, gamma=0.9, **SMALL)
        wrapper = around("potential:expression=obs.x + obs.y", "none", 0.9, "bootstrap")
        policy = ppo.train(args, wrapper=wrapper).policy
        seeds = {"episodes": 3, "seed": 20_000_000 + 3 * seed}
        played = evaluation.evaluate(policy, ID, env_kwargs={"noise": 0.0}, view="single", **seeds)
        payoffs += played.payoffs.sum(axis=1).tolist()
        assert [e.steps for e in found.episodes[len(payoffs) - 3 : len(payoffs)]] == played.lengths.tolist()
    assert [episode.payoff for episode in found.episodes] == payoffs and found.payoff == np.mean(payoffs)


def test_a_record_is_read_again(tmp_path, monkeypatch):
    asked, training = request(tmp_path), BriefTraining(steps=300, episodes=3)
    found = training.train(asked, "obs.x", {"term": "obs.x"})
    assert Trained.of(json.loads(json.dumps(found.as_dict()))) == found
    monkeypatch.setattr(BriefTraining, "_train", None)
    assert training.train(asked, "obs.x", {"term": "obs.x"}) == found
    for other in (request(tmp_path, seed=1), request(tmp_path, use="added"), request(tmp_path, limit=2.0)):
        with pytest.raises(TypeError):
            training.train(other, "obs.x", {"term": "obs.x"})


@pytest.mark.parametrize(
    "change",
    [
        {"payoff": "x"},
        {"payoff": 10**400},
        {"error": None},
        {"terms": []},
        {"terms": {"term": [[1]] * 10}},
        {"terms": {"term": [None]}},
        {"payoffs": [None] * 9},
        {"payoffs": [True] * 10},
        {"episodes": 5},
        {"episodes": [1]},
        {"episodes": [{}]},
        {"more": 1},
    ],
    ids=lambda change: str(change)[:30],
)
def test_a_damaged_record_is_refused_by_name(tmp_path, change):
    asked, training = request(tmp_path), BriefTraining(steps=100, episodes=1)
    training.train(asked, "obs.x", {"term": "obs.x"})
    (path,) = (tmp_path / "trained").iterdir()
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({**whole, **change}))
    with pytest.raises(ValueError, match=f"{path.name} is damaged or no record of a training"):
        training.train(asked, "obs.x", {"term": "obs.x"})
    for captions in ([], {"a": "b"}):
        path.write_text(json.dumps({**whole, "episodes": [{**whole["episodes"][0], "captions": captions}]}))
        with pytest.raises(ValueError, match="captions must be"):
            training.train(asked, "obs.x", {"term": "obs.x"})
    path.write_text("{}")
    with pytest.raises(ValueError, match="is damaged or no record"):
        training.train(asked, "obs.x", {"term": "obs.x"})


def test_a_limit_keeps_its_digits():
    """What is trained is cut where what was judged is cut."""
    for limit, written in ((1.23456789, "1.23456789"), (2, "2"), (0.1, "0.1"), (1e11, "100000000000"), (1e-7, "1e-07")):
        flag, option = training_option("obs.x", request(None, limit=limit))
        assert (flag, option) == ("--shaping", f"potential:expression=obs.x,limit={written}")
        assert float(option.rpartition("=")[2]) == limit


def test_numbers_are_no_options():
    asked = request(None)
    assert training_option("1", asked) == ("--shaping", "potential:expression=(1)")
    assert training_option("obs.x\n + 1", asked) == ("--shaping", "potential:expression=obs.x + 1")


def test_auto_knows_tables(tmp_path):
    for env_id, keywords, algo in (
        (ID, {}, "q_learning"),
        ("payoff/SparseMountainCar-v0", {}, "ppo"),
        ("payoff/TrustDilemma-v0", {"actions": "discrete:3"}, "ppo"),
        ("CartPole-v1", {}, "ppo"),
    ):
        assert BriefTraining()._algo(request(tmp_path, env_id=env_id, keywords=keywords)) == algo


def test_a_table_plays_its_learners():
    states = np.array([[0.0, 0.5], [1.0, 0.0]], dtype=np.float32)
    policy = TablePolicy(states, np.array([[1, 2], [3, 0]]))
    obs = np.array([[-0.0, 0.5], [0.0, 0.5], [1.0, 0.0], [7.0, 7.0]], dtype=np.float32)[:, None]
    assert policy.act(obs).tolist() == [[1], [3], [2], [0]]
    assert policy.act(obs[:1]).tolist() == [[1]]


def test_episodes_in_words():
    """Up all the time, without noise: 5 steps to the upper edge, then the wall, for 8 steps."""
    keywords = {"noise": 0.0, "max_steps": 8}
    env = environments.make_one_seat(ID, 1, keywords)
    up = ConstantPolicy(0.0, env.action_low, env.action_high, num_actions=env.num_actions)
    first, second = watch(up, ID, keywords, episodes=2, seed=0)
    assert first == second and (first.steps, first.ended, first.progress) == (8, False, 0.5)
    assert first.payoff == pytest.approx(-0.8) and sum(first.captions.values()) == 8
    assert first.last == "stopped at a wall" and list(first.captions) == ["moved as chosen", "stopped at a wall"]
    assert first.words(payoff=True) == (
        f"8 steps; cut off; payoff -0.8; progress 0.5 at the end; what happened, with counts: moved as chosen "
        f"({first.captions['moved as chosen']}), stopped at a wall ({first.captions['stopped at a wall']}); last: "
        "stopped at a wall; seen last: x 0.125, y 0.98"
    )
    assert "-0.8" not in first.words(payoff=False) and "progress" not in first.words(payoff=False)


def test_environments_of_others_are_watched():
    right = ConstantPolicy(1.0, num_actions=3)
    (episode,) = watch(right, "MountainCar-v0", {}, episodes=1, seed=0)
    assert (episode.payoff, episode.steps, episode.ended, dict(episode.captions)) == (-200.0, 200, False, {})
    assert episode.words(payoff=True).startswith("200 steps; cut off; payoff -200; seen last: [0] ")
    env = environments.make_vector("MountainCar-v0", 1, {})
    assert state_reads(env) == ("obs[0]", "obs[1]")
    env.close()
