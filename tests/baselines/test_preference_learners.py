"""Reward learners ``preferences`` and ``preference``: by name, under trainers, killed and gone on with."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from payoff.baselines import ppo
from payoff.baselines.reward_learners import Problem, learned, reward_learner
from payoff.wrappers import (
    NetworkReward,
    PreferenceReward,
    SimulatedAnnotator,
    append_answer,
    begin_answers,
    draw_pairs,
    wrap,
)
from payoff.wrappers.preference.segments import joined
from tests.baselines.commands import call, refused
from tests.baselines.test_resume import KilledError, assert_same

SMALL = {"observe": "minimal", "max_steps": 20}
ONLINE = "preference:ask_every=200,questions=8,length=4,epochs=2,members=2"


def problem(**changes):
    given = {"env_id": "payoff/Delivery-v0", "keywords": SMALL, "gamma": 0.99, "on_truncation": "bootstrap", "seed": 1}
    return Problem(**{**given, **changes})


@pytest.fixture
def answers(tmp_path):
    """A file of 80 answers without noise about random play of Delivery."""
    env = problem().make(8)
    found = []

    class Listen(SimulatedAnnotator):
        def ask(self, segments, first, second, rng):
            found.append(segments)
            return super().ask(segments, first, second, rng)

    loop = PreferenceReward(Listen(), num_actions=4, length=4, ask_every=400, questions=1)
    env = wrap(env, loop)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    while len(found) < 1:
        env.step(rng.integers(4, size=8))
    segments = joined(found)
    path = tmp_path / "answers.jsonl"
    begin_answers(path, segments, {"env_id": "payoff/Delivery-v0"})
    first, second = draw_pairs(len(segments), 80, rng)
    told = SimulatedAnnotator(scale=np.inf).ask(segments, first, second, rng)
    for one, other, answer in zip(first.tolist(), second.tolist(), told.answer.tolist(), strict=True):
        append_answer(path, one, other, answer)
    return path, segments, first, second, told.answer


@pytest.mark.parametrize("clean", ["none", "flip", "soften", "all"])
def test_a_reward_from_a_file_agrees_with_its_answers(answers, tmp_path, clean):
    path, segments, first, second, told = answers
    found = learned(f"preferences:file={path},epochs=60,clean={clean}", problem(), tmp_path)
    assert isinstance(found, NetworkReward)
    n, length = segments.valid.shape
    inputs = np.concatenate(
        [segments.obs[:, :-1].reshape(n * length, -1), np.eye(4)[segments.actions.astype(int).ravel()]], 1
    )
    sums = (found.value(inputs).reshape(n, length) * segments.valid).sum(axis=1)
    clear = told != 0.5
    agrees = (sums[first] > sums[second])[clear] == (told[clear] == 1.0)
    assert agrees.mean() > 0.8
    again = learned(f"preferences:file={path},epochs=60,clean={clean}", problem(), tmp_path)
    np.testing.assert_array_equal(again.arrays()["weights.0"], found.arrays()["weights.0"])


def check(path, given):
    reward_learner(f"preferences:file={path}").check(given)


def test_files_of_no_use_are_refused(answers, tmp_path):
    path, segments, *_ = answers
    with pytest.raises(ValueError, match="are about payoff/Delivery-v0, not payoff/CliffWalk-v0"):
        learned(f"preferences:file={path}", problem(env_id="payoff/CliffWalk-v0", keywords={}))
    with pytest.raises(ValueError, match=r"cannot be read: nowhere\.jsonl: No such file"):
        learned("preferences:file=nowhere.jsonl", problem())
    begin_answers(tmp_path / "none.jsonl", segments, {})
    with pytest.raises(ValueError, match=r"no preferences: .*none.jsonl has 0 answers"):
        learned(f"preferences:file={tmp_path / 'none.jsonl'}", problem())
    append_answer(tmp_path / "none.jsonl", 0, 1, 0.5)
    with pytest.raises(ValueError, match="has 1 answers, and none prefers a segment"):
        learned(f"preferences:file={tmp_path / 'none.jsonl'}", problem())
    with pytest.raises(ValueError, match=r"have 2 numbers an observation, payoff/Delivery-v0 102"):
        check(path, problem(keywords={}))
    twice = np.concatenate([segments.actions] * 2, axis=2)
    begin_answers(tmp_path / "wide.jsonl", dataclasses.replace(segments, actions=twice), {})
    append_answer(tmp_path / "wide.jsonl", 0, 1, 1)
    with pytest.raises(ValueError, match=r"wide\.jsonl have 2 entries an action, payoff/Delivery-v0 1"):
        check(tmp_path / "wide.jsonl", problem())
    begin_answers(tmp_path / "odd.jsonl", dataclasses.replace(segments, actions=segments.actions + 1.0), {})
    append_answer(tmp_path / "odd.jsonl", 0, 1, 1)
    with pytest.raises(ValueError, match=r"odd\.jsonl have an action 4, payoff/Delivery-v0 0 \.\. 3"):
        check(tmp_path / "odd.jsonl", problem())
    (tmp_path / "odd.segments.safetensors").unlink()
    with pytest.raises(ValueError, match=r"cannot be read: .*odd\.segments\.safetensors: No such file"):
        check(tmp_path / "odd.jsonl", problem())
    with pytest.raises(ValueError, match="clean must be one of"):
        reward_learner(f"preferences:file={path},clean=soap")


@pytest.mark.parametrize(
    "by", ["partial_return", "regret", "deterministic_regret", "tests.baselines.test_preference_learners:Sure"]
)
def test_annotators_by_name(by):
    loop = learned(f"{ONLINE},by={by}", problem())
    assert isinstance(loop, PreferenceReward)
    env = wrap(problem().make(4), loop)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(110):
        env.step(rng.integers(4, size=4))
    assert loop.asked == 16 and loop.learned is not None


def Sure():
    return SimulatedAnnotator(scale=np.inf)


def test_settings_that_do_not_fit_are_refused():
    for text, match in [
        ("by=reget", "by must be one of"),
        ("questions=0", "questions must be an integer at least 1"),
        ("choose=best", "choose must be one of"),
        # 2 numbers of an observation, 4 actions: 6 numbers of a step
        (
            "questions=100000000000",
            r"preference: segments \(1000 \+ 2 x questions\) x length x numbers of a step must be at most 536870912 "
            r"numbers \(4 GiB\), got 200000001000 x 10 x 6",
        ),
        ("length=1000000", "got 1040 x 1000000 x 6"),
        ("members=101", r"members must be an integer in 1 \.\. 100, got 101"),
        ("by=tests.baselines.test_preference_learners:Nobody", "no Nobody"),
        ("by=tests.baselines.test_preference_learners:SMALL", "must be an annotator"),
    ]:
        with pytest.raises(ValueError, match=match):
            learned(f"preference:{text}", problem())
    with pytest.raises(ValueError, match="by=regret needs the values of a tabular game of Payoff, got CartPole-v1"):
        learned("preference:by=regret", problem(env_id="CartPole-v1", keywords={}))


def test_a_killed_training_goes_on_to_the_same_numbers(tmp_path):
    args = ppo.Args(
        env_id="payoff/Delivery-v0", env_params=SMALL, num_envs=8, num_steps=30, hidden=(16,), minibatches=2,
        checkpoint_every=2, total_steps=7 * 240, checkpoint=str(tmp_path / "state"),
    )  # fmt: skip

    def train(arguments, stop=None):
        loop = learned(ONLINE, problem())

        def progress(done, total):
            if done == stop:
                raise KilledError

        return ppo.train(arguments, wrapper=partial(wrap, method=loop), on_progress=progress), loop

    whole, one = train(dataclasses.replace(args, checkpoint=None))
    with pytest.raises(KilledError):
        train(args, stop=5 * 240)
    resumed, other = train(args)
    assert_same(resumed, whole)
    assert one.asked == other.asked > 40
    for name, array in one.state_dict().items():
        np.testing.assert_array_equal(array, other.state_dict()[name], strict=True)


@pytest.mark.parametrize(("algo", "sizes"), [("ppo", ("num_steps=64",)), ("sb3", ("n_steps=64", "batch_size=64"))])
def test_trainers_train_under_both(capsys, tmp_path, answers, algo, sizes):
    path, *_ = answers
    words = ("--params", *(f"{name}={value}" for name, value in SMALL.items()))
    few = ("--total-steps", "512", "--set", *sizes, "num_envs=4", "--episodes", "2")
    for learner in (ONLINE, f"preferences:file={path},epochs=5"):
        arguments = ("train", "--algo", algo, "--env", "Delivery-v0", *words, *few, "--out", tmp_path / "out")
        status, out, err = call(capsys, *arguments, "--reward-learner", learner)
        assert status == 0 and "checkpoint" in out, err
    assert len(list((tmp_path / "out" / "rewards").iterdir())) == 1  # the one that was frozen
    assert "did you mean" in refused(capsys, *arguments, "--reward-learner", "preferense")


def test_the_file_of_a_reward_is_kept(answers, tmp_path):
    path, *_ = answers
    learned(f"preferences:file={path},epochs=2", problem(), tmp_path)
    (kept,) = (Path(tmp_path) / "rewards").iterdir()
    again = learned(f"saved:path={kept}", problem())
    assert isinstance(again, NetworkReward)
