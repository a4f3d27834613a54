"""What random play finds out about an expression."""

from __future__ import annotations

import json

import gymnasium as gym
import pytest

from payoff.wrappers import Finding, Verdict, check_expression
from payoff.wrappers.llm.expression import evaluate


def grid(**keywords):
    return gym.make_vec("payoff/GridNav-v0", num_envs=4, vectorization_mode="vector_entry_point", **keywords)


def found(text, env=None, **settings):
    verdict = check_expression(env or grid(), text, **{"steps": 200, **settings})
    return verdict, {finding.name: finding for finding in verdict.findings}


def test_a_good_potential_meets_every_demand():
    verdict, findings = found("1 - abs(obs.x - 0.5)")
    assert verdict.passed and verdict.usable and verdict.use == "potential"
    assert verdict.text == "1 - abs(obs[0] - 0.5)"
    assert list(findings) == ["parses", "reads", "finite", "deterministic", "bounded", "varies"]
    assert all(finding.passed is True for finding in verdict.findings)
    assert json.loads(json.dumps(verdict.as_dict())) == {
        "text": verdict.text,
        "use": "potential",
        "findings": [
            {"name": f.name, "passed": f.passed, "words": f.words} | ({"numbers": f.numbers} if f.numbers else {})
            for f in verdict.findings
        ],
        "passed": True,
    }


@pytest.mark.parametrize(
    ("text", "settings", "name", "words"),
    [
        ("import os", {}, "parses", "not allowed: 'import' at character 1"),
        ("obs[0] + action[0]", {}, "parses", "a potential is of a state and reads obs and info alone, got action[0]"),
        ("obs.z", {}, "reads", "the observation has no z"),
        ("obs[2]", {}, "reads", "obs[2] is no place in 2 numbers: they are 0 .. 1"),
        ("info.nothing", {}, "reads", "info has no 'nothing'"),
        ("action[1]", {"use": "reward"}, "reads", "action[1] is no place in 1 numbers"),
        ("obs.x", {"names": ("y",)}, "reads", "the observation has no x"),
        (
            "1 / (action[0] - 3)",
            {"use": "reward"},
            "finite",
            "1 / (action[0] - 3) has no finite value: it is of 1 and 0",
        ),
        ("20 * obs.x", {}, "bounded", "; beyond 10, where it is cut off, at "),
        ("obs.x", {"limit": 0.01}, "bounded", "; beyond 0.01, where it is cut off, at "),
        ("obs.x > 2", {}, "varies", "0 at every step"),
        ("-7", {"use": "added"}, "varies", "-7 at every step"),
    ],
)
def test_what_fails(text, settings, name, words):
    verdict, findings = found(text, **settings)
    assert not verdict.passed
    assert [f.name for f in verdict.findings if f.passed is False] == [name]
    assert words in findings[name].words
    assert verdict.usable == (name in ("bounded", "varies"))
    assert verdict.findings[-1].name == (name if not verdict.usable else "varies")


def test_the_range_is_that_of_what_was_seen():
    """Actions are 0 to 3, so all of them occur in 200 steps, but for a chance of 4 (3/4) ** 200."""
    _, findings = found("action[0] - 1", use="reward")
    assert findings["bounded"].words == "from -1 to 2" and findings["finite"].words == "at 200 steps of random play"


@pytest.mark.parametrize("drifts", ["again", "alone"])
def test_an_interpreter_that_is_not_deterministic_is_found_out(monkeypatch, drifts):
    calls = []

    def drifting(tree, read, mask):
        calls.append(mask)
        wrong = drifts == "again" or mask.sum() == 1
        return evaluate(tree, read, mask) + (len(calls) if wrong else 0)

    monkeypatch.setattr("payoff.wrappers.llm.verdict.evaluate", drifting)
    _, findings = found("obs.x", limit=1e6)
    assert findings["deterministic"] == Finding("deterministic", False, "differs when asked again")


def test_the_same_seed_says_the_same():
    one, other = found("obs.x * obs.y", seed=5)[0], found("obs.x * obs.y", seed=5)[0]
    assert one == other != found("obs.x * obs.y", seed=6)[0]


def test_environments_of_others():
    env = gym.make_vec("MountainCarContinuous-v0", num_envs=2)
    verdict, findings = found("abs(next_obs[1]) - 0.1 * action[0] * action[0]", env, use="reward")
    assert verdict.passed and findings["varies"].passed
    assert "use obs[0]" in found("obs.position", env)[1]["reads"].words


def test_where_nothing_could_be_looked_at_nothing_fails():
    verdict = Verdict("1", "reward", (Finding("exact", None, "no model"),))
    assert verdict.passed


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"text": 1}, TypeError, "text must be a text, got 1"),
        ({"use": "shaping"}, ValueError, "use must be one of 'potential', 'reward', 'added'"),
        ({"limit": 0.0}, ValueError, "limit must be a number in"),
        ({"steps": 0}, ValueError, "steps must be an integer"),
        ({"seed": -1}, ValueError, "seed must be an integer"),
        ({"env": 3}, TypeError, "env must be a gymnasium Env or VectorEnv"),
        ({"env": gym.make("CartPole-v1")}, TypeError, "env must be a gymnasium VectorEnv, got TimeLimit"),
    ],
)
def test_bad_arguments(settings, kind, message):
    with pytest.raises(kind, match=message):
        check_expression(**{"env": grid(), "text": "1", **settings})
