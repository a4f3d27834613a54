"""PartnerHoldUp, PlatformEcosystem, DynamicPartnerSelection, SynergySearch and SLCD against the published figures."""

import numpy as np
import pytest

import payoff
from payoff.envs import rewards
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


# -- stage games ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("game", "gamma", "row"),
    [
        (
            HOLD_UP,
            None,
            (
                (42, 28),
                (23.2273, 21.8257),
                (24.1007, 24.1269),
                (24.9035, 26.2453),
                27.5714,
                (294.7637, 293.1456, 295.4963, 242.5925),
            ),
        ),
        (
            PLATFORM,
            None,
            (
                (45, 24),
                (25.1591, 24.6766),
                (25.5969, 25.2230),
                (25.8988, 25.5997),
                28.4118,
                (770.8767, 767.0150, 771.9243, 632.9149),
            ),
        ),
        (SELECTION, None, (35, 17.2793, 17.5673, 17.8646, 18.8165, (819.6509, 796.2700, 819.9937, 553.4330))),
        (SYNERGY, 0.2, (40, 20.0526, 20.3618, 20.6216, 21.2222, (285.7863, 276.5429, 285.8437, 204.6048))),
        (SYNERGY, 0.55, (40, 22.1884, 23.2516, 24.1969, 26.5862, (293.5729, 290.5429, 294.1426, 239.6048))),
        (SYNERGY, 0.9, (40, 24.8065, 27.0456, 29.1887, 35.3636, (302.7379, 304.5429, 304.8428, 274.6048))),
        (
            SLCD,
            None,
            (
                30,
                (23.2649, 22.4944),
                (25.3298, 25.5020),
                (26.6334, 27.3991),
                28.6296,
                (296.0262, 296.8595, 296.9010, 249.6048),
            ),
        ),
    ],
)
def test_stage_game(game, gamma, row):
    """Nash, equilibria and optimum by best replies from the first-order condition, and as deviations in the game."""
    fixed = {} if gamma is None else {"gamma_range": (gamma, gamma)}
    stage.check_row(rules(game, **fixed), row, gamma)
    stage.check_no_deviation_pays(game, rules(game, **fixed), gamma, **fixed)


def test_slcd_equilibrium_of_the_first_report():
    """TR-1's validation: 26.63 and 27.40 against 19 without synergy and dependence, 42.19 % more action, 14.14 % V."""
    numbers = rules(SLCD)
    found = stage.solutions(numbers)
    np.testing.assert_allclose(found.integrated, (26.633377, 27.399142), atol=2e-6)
    alone = stage.Stage.of(numbers, 0.0).solve(np.zeros(2))
    np.testing.assert_allclose(alone, 19.0, atol=1e-9)
    assert found.integrated.mean() / 19 - 1 == pytest.approx(0.4219, abs=5e-5)
    env = payoff.multi_agent_vec(SLCD, 2)
    env.reset(seed=0)
    value = env.step(np.stack([found.integrated, alone])[:, :, None])[4]["total_value"]
    assert value[0] / value[1] - 1 == pytest.approx(0.1414, abs=5e-5)  # V counts the synergy of (19, 19) too


# -- one step ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("game", "action", "row"),
    [
        (
            HOLD_UP,
            (42.25, 27.5),
            (
                (165.361008, 127.678791),
                (0.421289, 0.563109),
                (0.295377, 0),
                (184.187409, 206.827631),
                195.507520,
                (210.048585, 268.235648),
            ),
        ),
        (
            HOLD_UP,
            (30, 60),
            (
                (173.953251, 112.399815),
                (0.595, 0.242963),
                (0, 0.55),
                (197.360512, 148.324314),
                172.842413,
                (213.293186, 260.260078),
            ),
        ),
        (
            SYNERGY,
            (60, 39.5),
            (
                (135.605205, 147.913767),
                (0.454688, 0.595),
                (0.277270, 0),
                (169.232537, 188.256316),
                178.744426,
                (209.562088, 215.716370),
            ),
        ),
        (
            SLCD,
            (55, 45),
            (
                (143.292434, 146.124519),
                0.678,
                0,
                (206.698786, 229.675472),
                218.187129,
                (236.812127, 269.356013),
            ),
        ),
        (
            SLCD,
            (30.5, 29.5),
            (
                (149.223261, 147.628315),
                (0.541672, 0.662939),
                (0.231059, 0),
                (200.401613, 232.704642),
                216.553128,
                (243.705383, 275.960319),
            ),
        ),
    ],
)
def test_one_step(game, action, row):
    fixed = {"gamma_range": (0.55, 0.55)} if game == SYNERGY else {}
    stage.check_step(stage.play(game, action, **fixed), row)


def test_one_step_of_the_platform():
    step = stage.play(PLATFORM, (60, 30, 24.5, 23.5, 50))
    close = {"rtol": 0, "atol": 6e-7}
    np.testing.assert_allclose(step.payoff, (200.625610, 140.431042, 141.048323, 141.048190, 132.877003), **close)
    assert step.info["total_value"][0] == pytest.approx(474.030168, abs=6e-7)
    np.testing.assert_allclose(step.trust[0], (1, 0.632000, 0.614788, 0.523751, 0.632000), **close)
    assert step.trust[1, 3] == pytest.approx(0.530682, abs=6e-7)
    np.testing.assert_allclose(step.damage[[0, 1, 2, 4], 3], 0.207953, **close)
    np.testing.assert_allclose(step.trust[1:, 0], 0.632, **close)
    np.testing.assert_allclose(step.integrated, (283.955483, 235.527581, 236.144862, 236.144729, 227.973542), **close)
    np.testing.assert_allclose(step.cooperative, 243.949240, **close)


def test_one_step_of_partner_selection():
    step = stage.play(SELECTION, (60, 50, 40, 35.25, 34.5, 20))
    close = {"rtol": 0, "atol": 6e-7}
    pi = (117.461047, 124.238179, 130.309615, 132.843226, 133.216906, 138.266721)
    np.testing.assert_allclose(step.payoff, pi, **close)
    np.testing.assert_allclose(step.trust[0, 1:], (0.56, 0.559999, 0.517479, 0.389099, 0.293500), **close)
    np.testing.assert_allclose(step.damage[0, 1:], (0, 0, 0, 0.322230, 0.6), **close)
    utility = (238.943486, 244.202541, 248.914013, 253.139521, 260.276780, 269.827922)
    np.testing.assert_allclose(step.integrated, utility, **close)
    np.testing.assert_allclose(step.cooperative, 252.550711, **close)


@pytest.mark.parametrize(
    ("game", "pair", "factor"),
    [
        (HOLD_UP, (1, 0), 0.44175),
        (HOLD_UP, (0, 1), 0.56425),
        (PLATFORM, (3, 0), 0.675),
        (PLATFORM, (0, 3), 0.725),
        (PLATFORM, (1, 2), 0.75),
        (SELECTION, (4, 2), 0.587),
        (SYNERGY, (0, 1), 0.625),
        (SLCD, (0, 1), 0.63936),
        (SLCD, (1, 0), 0.61164),
    ],
)
def test_what_a_clear_shortfall_leaves_of_trust(game, pair, factor):
    """1 - lambda_minus (1 + xi D_ij) of the trust before."""
    numbers = rules(game)
    step = stage.play(game, np.zeros(len(numbers.endowment)))
    assert step.trust[pair] / numbers.trust.initial_trust == pytest.approx(factor, abs=1e-12)


# -- keywords ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("game", "keywords", "changes"),
    [
        (HOLD_UP, {"strong_dependency": 0.5}, {"integrated", "trust", "depend"}),
        (HOLD_UP, {"weak_dependency": 0.5}, {"integrated", "trust", "depend"}),
        (HOLD_UP, {"max_steps": 7}, {"max_steps"}),
        (PLATFORM, {"platform_share": 0.5}, {"payoff", "integrated"}),
        (PLATFORM, {"platform_dependency": 0.5}, {"integrated", "trust", "depend"}),
        (PLATFORM, {"developer_dependency": 0.5}, {"integrated", "trust", "depend"}),
        (PLATFORM, {"max_steps": 7}, {"max_steps"}),
        (SELECTION, {"reputation_weight": 3.0}, set()),
        (SELECTION, {"max_steps": 7}, {"max_steps"}),
        (SYNERGY, {"gamma_range": (0.25, 0.3)}, {"payoff", "integrated"}),
        (SYNERGY, {"reveal_gamma_in_obs": True}, {"names"}),
        (SYNERGY, {"max_steps": 7}, {"max_steps"}),
        (SLCD, {"trust_enabled": False}, {"integrated", "trust"}),
        (SLCD, {"max_steps": 7}, {"max_steps"}),
    ],
)
def test_each_keyword_changes_what_it_should(game, keywords, changes):
    def facts(**given):
        env = payoff.multi_agent_vec(game, 1, reward="integrated", **given)
        env.reset(seed=11)
        env.step(0.5 * env.action_high[None])
        _, reward, _, _, info = env.step(0.1 * env.action_high[None])  # a shortfall: how deep it goes depends on D
        return {
            "payoff": info["payoff"],
            "integrated": reward,
            "trust": info["trust"],
            "depend": env.engine.depend,
            "names": env.engine.plan.names,
            "max_steps": env.max_steps,
        }

    plain, other = facts(), facts(**keywords)
    assert {name for name in plain if not np.array_equal(plain[name], other[name])} == changes


def test_the_number_of_seats():
    assert payoff.multi_agent_vec(SELECTION, 1, n_agents=3).num_agents == 3
    assert payoff.multi_agent_vec(PLATFORM, 1, n_developers=2).num_agents == 3


@pytest.mark.parametrize(
    ("game", "keyword", "value", "message"),
    [
        (HOLD_UP, "strong_dependency", 1.1, r"in \[0, 1\], got 1.1"),
        (HOLD_UP, "weak_dependency", float("nan"), r"in \[0, 1\], got nan"),
        (HOLD_UP, "max_steps", 0, "at least 1, got 0"),
        (PLATFORM, "n_developers", 0, r"in 1 \.\. 999, got 0"),
        (PLATFORM, "n_developers", 2.0, r"an integer in 1 \.\. 999, got 2.0"),
        (PLATFORM, "platform_share", -0.1, r"in \[0, 1\], got -0.1"),
        (PLATFORM, "platform_dependency", 2, r"in \[0, 1\], got 2"),
        (PLATFORM, "developer_dependency", "high", r"in \[0, 1\], got 'high'"),
        (PLATFORM, "max_steps", True, "an integer at least 1"),
        (SELECTION, "n_agents", 1, r"in 2 \.\. 1000, got 1"),
        (SELECTION, "reputation_weight", -1.0, "a number in"),
        (SELECTION, "max_steps", 1.5, "an integer at least 1"),
        (SYNERGY, "gamma_range", (0.5,), "two numbers, 0 <= low <= high <= 1"),
        (SYNERGY, "gamma_range", (0.6, 0.5), "two numbers, 0 <= low <= high <= 1"),
        (SYNERGY, "gamma_range", 0.5, "two numbers, 0 <= low <= high <= 1"),
        (SYNERGY, "gamma_range", (0.5, 1.5), r"in \[0, 1\], got 1.5"),
        (SYNERGY, "gamma_range", ("low", "high"), r"in \[0, 1\], got 'low'"),
        (SYNERGY, "reveal_gamma_in_obs", 1, "True or False, got 1"),
        (SYNERGY, "max_steps", -1, "at least 1, got -1"),
        (SLCD, "trust_enabled", "yes", "True or False, got 'yes'"),
        (SLCD, "max_steps", None, "an integer at least 1"),
    ],
)
def test_keywords_out_of_range(game, keyword, value, message):
    with pytest.raises(ValueError, match=rf"^{keyword} must be .*{message}"):
        payoff.multi_agent_vec(game, 1, **{keyword: value})


def test_published_keywords_and_defaults():
    """The whole list, by name and default; the published code takes render_mode as well, which the views do."""
    published = {
        HOLD_UP: {"strong_dependency": 0.35, "weak_dependency": 0.85, "max_steps": 100},
        PLATFORM: {
            "n_developers": 4,
            "platform_share": 0.30,
            "platform_dependency": 0.25,
            "developer_dependency": 0.75,
            "max_steps": 100,
        },
        SELECTION: {"n_agents": 6, "reputation_weight": 0.5, "max_steps": 50},
        SYNERGY: {"gamma_range": (0.20, 0.90), "reveal_gamma_in_obs": False, "max_steps": 100},
        SLCD: {"max_steps": 100, "trust_enabled": True},
    }
    for env_id, defaults in published.items():
        params = MODULES[env_id].V0.params
        assert {name: getattr(params(), name) for name in params.names()} == defaults
        with pytest.raises(TypeError, match="unexpected keyword argument 'reward_type'"):
            payoff.multi_agent_vec(env_id, 1, reward_type="private")


@pytest.mark.parametrize("game", MODULES)
def test_published_modes_are_those_of_the_code(game):
    """The modes by name: trust-gated, and its mean; TR-1's own utility is a layer."""
    n = len(rules(game).endowment)
    action = np.linspace(20, 70, n)
    step = stage.play(game, action)
    gate = np.minimum(step.trust, 1 - step.damage) * rules(game).depend
    np.testing.assert_allclose(step.integrated, step.payoff + gate @ step.payoff, rtol=1e-12)
    np.testing.assert_allclose(step.cooperative, step.integrated.mean(), rtol=1e-12)
    np.testing.assert_allclose(step.plain, step.payoff + rules(game).depend @ step.payoff, rtol=1e-12)
    mean = payoff.multi_agent_vec(game, 1, reward=rewards.Cooperative())
    mean.reset(seed=0)
    np.testing.assert_allclose(mean.step(action[None, :, None])[1][0], step.payoff.mean(), rtol=1e-12)
