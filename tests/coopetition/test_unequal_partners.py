"""PartnerHoldUp and PlatformEcosystem: whose trust ends the episode, sizes and info."""

import numpy as np
import pytest

from payoff.envs.coopetition import dynamic_partner_selection, partner_hold_up, platform_ecosystem, slcd
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


# -- PartnerHoldUp ----------------------------------------------------------------------------------------------------


def test_hold_up_ends_when_the_weak_firm_has_lost_its_trust():
    steps = list(stage.episode(HOLD_UP, (24, 60), 10))
    trust = [info["trust"][0, 1, 0] for *_, info in steps]
    np.testing.assert_allclose(trust, (0.24296, 0.10733, 0.04741), atol=6e-6)
    assert [terminated for terminated, *_ in steps] == [False, False, True]


def test_hold_up_does_not_end_by_the_strong_firms_distrust():
    *_, (terminated, truncated, info) = stage.episode(HOLD_UP, (60, 0), 200)
    assert (terminated, truncated, info["step"][0]) == (False, True, 100)
    assert info["trust"][0, 0, 1] < 1e-9 < 0.9 < info["trust"][0, 1, 0]


def test_hold_up_info():
    step = stage.play(HOLD_UP, (30, 60), weak_dependency=0.75)
    assert step.info["trust_asymmetry"][0] == step.trust[1, 0] - step.trust[0, 1] < 0
    assert step.info["power_asymmetry"][0] == pytest.approx(0.40)
    assert step.info["strong_agent_payoff"][0] == step.info["weak_agent_payoff"][0] == 0.0  # as published


# -- PlatformEcosystem ------------------------------------------------------------------------------------------------


def test_platform_ends_when_the_developers_have_lost_their_trust():
    steps = list(stage.episode(PLATFORM, (0, 80, 80, 80, 80), 10))
    trust = [info["developer_trust_in_platform"][0] for *_, info in steps]
    np.testing.assert_allclose(trust, (0.405, 0.273375, 0.184528, 0.124556), atol=6e-7)
    assert [terminated for terminated, *_ in steps] == [False, False, False, True]
    assert [info["developer_exits"][0] for *_, info in steps] == [0, 0, 0, 4]


def test_platform_does_not_end_by_its_own_distrust():
    *_, (terminated, truncated, info) = stage.episode(PLATFORM, (150, 0, 0, 0, 0), 200)
    assert (terminated, truncated, info["step"][0]) == (False, True, 100)
    assert info["mean_trust"][0] < 0.25


def test_platform_counts_the_mean_of_the_developers():
    """Their trust in it is always alike, so only the rule can tell a mean from a single one."""
    assert rules(PLATFORM, n_developers=3).watched == ((1, 0), (2, 0), (3, 0))


@pytest.mark.parametrize(("developers", "length"), [(1, 15), (4, 81), (8, 253), (16, 885)])
def test_platform_of_other_sizes(developers, length):
    seen, _ = stage.observations(PLATFORM, n_developers=developers)
    assert seen.shape == (1, length)
    numbers = rules(PLATFORM, n_developers=developers)
    assert sum(numbers.share) == pytest.approx(1.0) and len(numbers.endowment) == developers + 1


def test_platform_info():
    step = stage.play(PLATFORM, (60, 30, 24.5, 23.5, 50))
    assert step.info["platform_investment"][0] == 60
    assert step.info["mean_developer_investment"][0] == 32
    spread = np.sqrt(((30 - 32) ** 2 + (24.5 - 32) ** 2 + (23.5 - 32) ** 2 + (50 - 32) ** 2) / 4)
    assert step.info["developer_investment_std"][0] == pytest.approx(spread)
