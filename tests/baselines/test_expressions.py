"""Expressions in training and at the command line: as a reward learner, as a potential, and judged."""

from __future__ import annotations

import json

import gymnasium as gym
import numpy as np
import pytest

from payoff.baselines.methods import around
from payoff.baselines.reward_learners import Problem, learned, reward_learner
from payoff.wrappers import ExpressionReward, load_reward
from tests.baselines.commands import call, refused

GRID = "payoff/GridNav-v0"
SHORT = ("--total-steps", 64, "--episodes", 1, "--set", "num_envs=2", "num_steps=32", "minibatches=1")


def problem(env_id=GRID, **keywords):
    return Problem(env_id=env_id, keywords=keywords, gamma=0.9, on_truncation="bootstrap", seed=1)


# -- reward learner --------------------------------------------------------------------------------------------------


def test_the_text_becomes_a_reward_that_is_kept(tmp_path):
    asked = "expression:text=clip(next_obs.x - obs.x, -1, 1) if action[0] >= 2 else 0,added=true,limit=2"
    reward = learned(asked, problem(), tmp_path)
    assert isinstance(reward, ExpressionReward)
    kept = {
        "text": "clip(next_obs[0] - obs[0], -1, 1) if (action[0] >= 2) else 0",
        "added": True,
        "limit": 2.0,
    }
    assert reward.settings() == kept
    (path,) = (tmp_path / "rewards").iterdir()
    assert load_reward(path).settings() == kept
    assert learned(asked, problem(), tmp_path).settings() == kept


@pytest.mark.parametrize(
    ("specification", "kind", "message"),
    [
        ("expression", TypeError, "expression needs text"),
        ("expression:text=1 +", ValueError, "not allowed: the end of the text at character 4"),
        ("expression:text=1", TypeError, "expression must be a text, got 1"),
        ("expression:text=obs.z", ValueError, "the observation has no z"),
        ("expression:text=obs[9]", ValueError, r"obs\[9\] is no place in 2 numbers"),
        ("expression:text=info.nothing", ValueError, "info has no 'nothing'"),
        ("expression:text=1 / 0", ValueError, "1 / 0 has no finite value"),
        ("expression:text=obs.x,limit=0", ValueError, "limit must be a number in"),
        ("expression:text=obs.x,added=1", ValueError, "added must be True or False"),
        ("expression:text=obs.x,scale=2", TypeError, "scale"),
    ],
)
def test_what_is_refused_before_anything_runs(specification, kind, message):
    with pytest.raises(kind, match=message):
        reward_learner(specification).check(problem())


def test_a_number_as_text_is_quoted():
    assert learned('expression:text="-1"', problem()).settings()["text"] == "-1"


def test_other_environments():
    reward = learned("expression:text=100 * abs(next_obs[1]) - 0.1 * action[0] * action[0]", problem("MountainCar-v0"))
    assert reward.limit == 10.0
    with pytest.raises(ValueError, match=r"obs\.position: nobody said"):
        reward_learner("expression:text=obs.position").check(problem("MountainCar-v0"))


# -- shaping ---------------------------------------------------------------------------------------------------------


def paid(shaping, env_id=GRID, steps=80):
    env = gym.make_vec(env_id, num_envs=3, vectorization_mode="vector_entry_point", info="full")
    env = around(shaping, "none", 0.9, "bootstrap")(env)
    env.reset(seed=2)
    rng = np.random.default_rng(0)
    return np.array([env.step(rng.integers(0, 4, 3))[1] for _ in range(steps)])


def test_a_potential_may_be_an_expression():
    expected = paid("potential:key=progress,scale=3,shift=-1")
    np.testing.assert_array_equal(paid("potential:expression=info.progress,scale=3,shift=-1"), expected)
    np.testing.assert_allclose(paid("potential:expression=3 * info.progress - 1"), expected, atol=1e-12)
    cut = paid("potential:expression=min(info.progress, 0.25)")
    np.testing.assert_array_equal(paid("potential:expression=info.progress,limit=0.25"), cut)
    assert np.abs(paid("potential:expression=obs.x") - paid("potential:expression=obs[0]")).max() == 0.0


@pytest.mark.parametrize(
    ("shaping", "message"),
    [
        ("potential", "needs either key=... or expression=..."),
        ("potential:key=progress,expression=obs.x", "needs either"),
        ("potential:key=progress,limit=1", "limit goes with expression"),
        ("potential:expression=action[0]", "a potential is of a state"),
        ("potential:expression=obs.z", "the observation has no z"),
        ("potential:expression=lambda", "not allowed: 'lambda' at character 1"),
    ],
)
def test_potentials_that_are_refused(shaping, message):
    with pytest.raises(ValueError, match=message):
        paid(shaping, steps=1)


# -- commands --------------------------------------------------------------------------------------------------------


def test_train_under_an_expression_and_show_it(capsys, tmp_path):
    status, out, err = call(
        capsys,
        *("train", "--algo", "ppo", "--env", "GridNav-v0", "--out", tmp_path, *SHORT),
        *("--reward-learner", "expression:text=next_obs.x - obs.x"),
        *("--shaping", "potential:expression=1 - abs(obs.y - 0.5),scale=0.1"),
    )
    assert status == 0, err
    (path,) = (tmp_path / "rewards").iterdir()
    status, out, err = call(capsys, "reward", path)
    assert status == 0 and "ExpressionReward" in out and "text: 'next_obs[0] - obs[0]'" in out
    status, out, err = call(capsys, "compare", "CliffWalk-v0", "--layers", "payoff", "--learned", path)
    assert status == 0, err


def test_a_bad_expression_is_one_line_before_anything_runs(capsys, tmp_path):
    train = ("train", "--algo", "ppo", "--env", "GridNav-v0", "--out", tmp_path / "new", *SHORT)
    for option in (("--reward-learner", "expression:text=os.system"), ("--shaping", "potential:expression=os.system")):
        assert "not allowed: 'os' at character 1" in refused(capsys, *train, *option)
    assert not (tmp_path / "new").exists()


def test_a_verdict_line_by_line(capsys):
    status, out, _ = call(capsys, "check-reward", "CliffWalk-v0", "--expression", "info.progress", "--steps", 50)
    assert status == 0
    lines = [line.split()[:2] for line in out.splitlines()[2:]]
    assert [line[0] for line in lines] == [
        *("parses", "reads", "finite", "deterministic", "bounded", "varies", "everywhere", "no", "follows"),
    ]
    assert "NO" not in out and out.startswith("info.progress  (potential)\n")


FUNCTION = """def potential(obs, info):
    up = obs["y"] if info.progress < 1 else 1  # "here, a quote"
    return obs.x + up
"""


def test_a_function_in_a_file_and_in_training(capsys, tmp_path):
    (tmp_path / "reward.py").write_text(FUNCTION)
    status, out, err = call(capsys, "check-reward", "GridNav-v0", "--file", tmp_path / "reward.py", "--steps", 50)
    assert status == 0, err
    assert out.startswith("def potential(obs, info):\n    up = obs[1] if (info.progress < 1) else 1\n")
    train = ("train", "--algo", "ppo", "--env", GRID, *SHORT)
    text = json.dumps("def f(obs):\n    x = obs.x\n    return max(x, obs.y)")
    option = f"potential:expression={text}"
    status, _, err = call(capsys, *train, "--out", tmp_path / "a", "--shaping", option)
    assert status == 0, err
    text = json.dumps(FUNCTION.replace('"', "'"))
    asked = f"expression:text={text},added=true"
    reward = learned(asked, problem(info="full"), tmp_path)
    assert reward.settings()["text"].splitlines()[1] == "    up = obs[1] if (info.progress < 1) else 1"


def test_either_a_text_or_a_file(capsys, tmp_path):
    message = "there must be either --expression or --file"
    assert message in refused(capsys, "check-reward", "GridNav-v0")
    both = ("--expression", "1", "--file", tmp_path / "nothing")
    assert message in refused(capsys, "check-reward", "GridNav-v0", *both)
    assert "nothing" in refused(capsys, "check-reward", "GridNav-v0", "--file", tmp_path / "nothing")
    (tmp_path / "bytes").write_bytes(b"\xff")
    assert "--file must be a text in UTF-8" in refused(
        capsys, "check-reward", "GridNav-v0", "--file", tmp_path / "bytes"
    )


def test_a_demand_that_fails_is_the_exit_status(capsys):
    arguments = ("check-reward", "CliffWalk-v0", "--params", "height=3", "width=4", "--steps", 50)
    status, out, _ = call(capsys, *arguments, "--expression", "info.progress", "--use", "reward")
    assert status == 1 and "no cycle            NO   the best-paid play that never ends gets 0.8 a step" in out
    status, out, _ = call(capsys, *arguments, "--expression", "__import__('os')", "--json")
    found = json.loads(out)
    assert status == 1 and found["passed"] is False and found["text"] == "__import__('os')"
    assert found["findings"] == [{"name": "parses", "passed": False, "words": "not allowed: '_' at character 1"}]


def test_where_there_is_no_exact_model(capsys):
    check = ("check-reward", "--steps", "20", "--use", "reward", "--expression")
    status, out, _ = call(capsys, *check, "100 * abs(next_obs[1])", "MountainCar-v0")
    assert status == 0 and "exact" not in out
    status, out, _ = call(capsys, *check, "next_obs.x", "GridNav-v0", "--params", "observe=private")
    assert status == 0 and "the exact model is of the game, and not of the view: observe" in out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("Nowhere-v0",), "Nowhere-v0"),
        (("GridNav-v0", "--gamma", "1"), "gamma must be a number in (0, 1), got 1.0"),
        (("GridNav-v0", "--limit", "0"), "limit must be a number in"),
        (("GridNav-v0", "--steps", "0"), "steps must be an integer"),
        (("GridNav-v0", "--max-states", "0"), "max_states must be an integer"),
        (("GridNav-v0", "--use", "bonus"), "bonus"),
        (("GridNav-v0", "--params", "nothing=1"), "nothing"),
    ],
)
def test_bad_input_is_one_line(capsys, arguments, text):
    assert text in refused(capsys, "check-reward", *arguments, "--expression", "obs[0]")
