"""Expressions as rewards of games with exact models: what theory and hand work say of them."""

from __future__ import annotations

import pytest

from payoff.calibration import exact_findings

# 3 x 4 cells; a step costs 1, and one off the edge of the cliff 100 and brings back to the start; the goal ends it
CLIFF = {"height": 3, "width": 4}


def found(text, env_id="CliffWalk-v0", parameters=CLIFF, **settings):
    return {f.name: f for f in exact_findings(env_id, text, gamma=0.9, parameters=parameters, **settings)}


@pytest.mark.parametrize("text", ["info.progress", "-10 * info.progress", "obs.row[0] * 3 - obs.column[2]", "7"])
def test_a_potential_costs_nothing(text):
    """Ng's theorem, and the telescoping sum on every circle."""
    findings = found(text)
    assert [f.passed for f in findings.values()] == [True, True, True]
    assert findings["no cycle"].words == "the best-paid play that never ends gets 0 a step"
    said = "its best policy loses 0 % of the payoff's span; distance from the payoff 0 of 2"
    assert findings["follows the payoff"].words == said
    assert findings["no cycle"].numbers == {"paid a step": 0.0}


def test_a_premium_on_every_step_is_farmed():
    """2 for each step and 1 as its cost: 1 a step for whoever never arrives, who pays 1 a step."""
    findings = found("2", use="added")
    assert findings["no cycle"].passed is False
    assert findings["no cycle"].words == (
        "the best-paid play that never ends gets 1 a step, and -1 in payoff: it can be farmed"
    )
    assert findings["follows the payoff"].passed is False


def test_the_cost_of_a_step_is_not_farmed_and_is_what_the_payoff_wants():
    findings = found("-1", use="reward")
    assert findings["no cycle"].words == "the best-paid play that never ends gets -1 a step"
    assert findings["no cycle"].passed and findings["follows the payoff"].passed


def test_progress_as_a_reward_is_farmed():
    """Progress of a cell is 1 - distance / 5, the start being 5 steps away; next to the goal it is 0.8 for ever."""
    findings = found("info.progress", use="reward")
    assert findings["no cycle"].words.startswith("the best-paid play that never ends gets 0.8 a step, and -1 in payoff")


def test_the_value_must_be_there_everywhere():
    """In the last column, where only the goal and the cell above it are, there is none."""
    findings = found("1 / (1 - obs.column[3])", use="potential")
    assert list(findings) == ["everywhere"] and findings["everywhere"].passed is False
    assert findings["everywhere"].words == "1 / (1 - obs[6]) has no finite value: it is of 1 and 0 here"


def test_games_without_an_exact_model():
    for env_id in ("SparseMountainCar-v0", "TrustDilemma-v0"):
        findings = found("1", env_id, None)
        assert findings["exact"].passed is None and "has no exact model of one player" in findings["exact"].words
    findings = found("1", max_states=5)
    assert findings["exact"].passed is None and "more than max_states=5 states" in findings["exact"].words


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"use": "shaping"}, "use must be one of"),
        ({"gamma": 1.0}, "gamma must be a number in"),
        ({"max_states": 0}, "max_states must be an integer"),
        ({"limit": 0.0}, "limit must be a number in"),
        ({"text": "import os"}, "not allowed"),
        ({"text": "obs.nowhere"}, "the observation has no nowhere"),
        ({"text": "action[0]"}, "a potential is of a state"),
        ({"env_id": "Nowhere-v0"}, "Nowhere-v0"),
    ],
)
def test_bad_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        exact_findings(**{"env_id": "CliffWalk-v0", "text": "1", "parameters": CLIFF, **settings})
