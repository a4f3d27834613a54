"""RenaultNissan: phases, unequal endowments."""

import numpy as np
import pytest

import payoff
from payoff.envs.coopetition import (
    cases,
    renault_nissan,
)
from tests.coopetition import stage

ALLIANCE = "payoff/RenaultNissan-v0"
PHASES = ("formation", "mature", "crisis", "strained")
CLOSE = {"rtol": 0, "atol": 6e-7}


@pytest.mark.parametrize(
    ("phase", "depend", "trust", "damage"),
    [
        ("formation", (0.78, 0.66), 0.45, 0.05),
        ("mature", (0.51, 0.66), 0.70, 0.02),
        ("crisis", (0.35, 0.72), 0.30, 0.45),
        ("strained", (0.28, 0.65), 0.40, 0.35),
    ],
)
@pytest.mark.parametrize("written", [str.lower, str.upper, str.title])
def test_phases_of_the_alliance(phase, depend, trust, damage, written):
    env = payoff.multi_agent_vec(ALLIANCE, 1, phase=written(phase))
    _, info = env.reset(seed=0)
    np.testing.assert_array_equal(env.engine.depend[0], [[0, depend[0]], [depend[1], 0]])
    np.testing.assert_array_equal(info["trust"][0], [[1, trust], [trust, 1]])
    np.testing.assert_array_equal(info["reputation_damage"][0], [[0, damage], [damage, 0]])
    assert renault_nissan.RenaultNissanParams(phase=written(phase)) == renault_nissan.RenaultNissanParams(phase=phase)


def test_default_phase_is_that_of_the_code():
    case = cases.record("renault_nissan")["environment"]
    assert renault_nissan.RenaultNissanParams().phase == case["default_phase"] == "mature"
    assert tuple(case["phases"]) == PHASES and renault_nissan.RenaultNissanParams().max_steps == case["max_steps"]


@pytest.mark.parametrize("phase", ["war", "", None, 3])
def test_unknown_phase_lists_the_known(phase):
    with pytest.raises(ValueError, match=f"^phase must be one of formation, mature, crisis, strained, got {phase!r}$"):
        payoff.multi_agent_vec(ALLIANCE, 1, phase=phase)


def test_phases_side_by_side():
    env = payoff.multi_agent_vec(ALLIANCE, 4, phase=list(PHASES))
    env.reset(seed=0)
    info = env.step(np.tile([[50.0], [29.5]], (4, 1, 1)))[4]
    np.testing.assert_allclose(info["trust"][:, 0, 1], (0.377736, 0.598508, 0.259276, 0.347319), **CLOSE)


def test_nissan_is_clipped_at_its_own_endowment():
    step = stage.play(ALLIANCE, (100, 100))
    np.testing.assert_array_equal(step.info["actions"][0], (90, 100))
    np.testing.assert_array_equal(step.payoff, stage.play(ALLIANCE, (90, 100)).payoff)


def test_alliance_never_terminates():
    *_, (terminated, truncated, info) = stage.episode(ALLIANCE, (0, 0), 200)
    assert (terminated, truncated, info["step"][0]) == (False, True, 100)
