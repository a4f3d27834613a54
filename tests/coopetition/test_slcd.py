"""SLCD: the numbers of the case, and trust switched off."""

import numpy as np
import pytest

from payoff.envs.coopetition import cases, dynamic_partner_selection, partner_hold_up, platform_ecosystem, slcd
from payoff.envs.coopetition import synergy_search as synergy
from tests.coopetition import stage

HOLD_UP = "payoff/PartnerHoldUp-v0"
PLATFORM = "payoff/PlatformEcosystem-v0"
SELECTION = "payoff/DynamicPartnerSelection-v0"
SYNERGY = "payoff/SynergySearch-v0"
SLCD = "payoff/SLCD-v0"
MODULES = {
    HOLD_UP: partner_hold_up,
    PLATFORM: platform_ecosystem,
    SELECTION: dynamic_partner_selection,
    SYNERGY: synergy,
    SLCD: slcd,
}


def rules(env_id, **kwargs):
    return MODULES[env_id].V0.params(**kwargs).terms()


def test_slcd_runs_with_the_numbers_of_the_case():
    numbers, case = rules(SLCD), cases.record("slcd")
    np.testing.assert_array_equal(numbers.depend, case["suite"]["depend"])
    assert numbers.share == case["suite"]["share"] and slcd.SLCDParams().max_steps == case["environment"]["max_steps"]


def test_slcd_without_trust():
    """T = 1 and R = 0 for ever, so the gated utility is the plain one: specification 5.1 at (60, 55)."""
    step = stage.play(SLCD, (0, 0), (60, 55), trust_enabled=False)
    np.testing.assert_array_equal(step.trust, np.ones((2, 2)))
    np.testing.assert_array_equal(step.damage, np.zeros((2, 2)))
    np.testing.assert_allclose(step.payoff, (142.754289, 142.309880), atol=6e-7)
    np.testing.assert_allclose(step.integrated, (233.832612, 265.078568), atol=6e-7)
    np.testing.assert_array_equal(step.plain, step.integrated)
    assert step.info["total_value"][0] == pytest.approx(200.064168, abs=6e-7)
    assert (step.info["samsung_investment"][0], step.info["sony_investment"][0]) == (60, 55)


def test_slcd_trust_does_not_survive_its_own_equilibrium():
    """Both baselines lie above it, so trust falls until nothing is left, and nothing ends the episode."""
    equilibrium = stage.solutions(rules(SLCD)).integrated
    steps = list(stage.episode(SLCD, equilibrium, 200))
    trust = np.array([info["mean_trust"][0] for *_, info in steps])
    assert (np.diff(trust[:10]) < 0).all() and trust[10:].max() < 0.01
    assert len(steps) == 100 and not steps[-1][0] and steps[-1][1]
