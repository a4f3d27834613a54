"""RecoveryRace, RenaultNissan, CooperativeNegotiation, ReputationMarket and TrustDilemma: the published figures."""

import numpy as np
import pytest

import payoff
from payoff.envs.coopetition import (
    cooperative_negotiation,
    recovery_race,
    renault_nissan,
    reputation_market,
    trust_dilemma,
)
from tests.coopetition import stage

RACE = "payoff/RecoveryRace-v0"
ALLIANCE = "payoff/RenaultNissan-v0"
NEGOTIATION = "payoff/CooperativeNegotiation-v0"
MARKET = "payoff/ReputationMarket-v0"
DILEMMA = "payoff/TrustDilemma-v0"
MODULES = {
    RACE: recovery_race,
    ALLIANCE: renault_nissan,
    NEGOTIATION: cooperative_negotiation,
    MARKET: reputation_market,
    DILEMMA: trust_dilemma,
}


def rules(game, **kwargs):
    return MODULES[game].V0.params(**kwargs).terms()


# -- stage games ------------------------------------------------------------------------------------------------------

ALLIANCE_NASH, ALLIANCE_WELFARE = (24.5825, 24.8792), (297.7796, 298.3633, 298.4954, 255.7952)


@pytest.mark.parametrize(
    ("game", "keywords", "row"),
    [
        (DILEMMA, {}, (40, 23.2424, 24.8900, 26.7778, 29.7692, (297.3090, 296.5429, 298.3606, 254.6048))),
        (RACE, {}, (35, 22.5294, 23.1145, 25.0586, 27.5714, (294.7889, 294.3408, 295.4963, 244.6048))),
        (
            ALLIANCE,
            {"phase": "formation"},
            ((27, 30), ALLIANCE_NASH, (26.2322, 26.2325), (28.5288, 28.1175), 29.9859, ALLIANCE_WELFARE),
        ),
        (
            ALLIANCE,
            {"phase": "mature"},
            ((27, 30), ALLIANCE_NASH, (26.3374, 26.9429), (27.1718, 27.9238), 29.9859, ALLIANCE_WELFARE),
        ),
        (
            ALLIANCE,
            {"phase": "crisis"},
            ((27, 30), ALLIANCE_NASH, (25.1008, 25.7793), (26.4279, 28.0820), 29.9859, ALLIANCE_WELFARE),
        ),
        (
            ALLIANCE,
            {"phase": "strained"},
            ((27, 30), ALLIANCE_NASH, (25.1469, 25.9619), (26.0635, 27.7192), 29.9859, ALLIANCE_WELFARE),
        ),
        (NEGOTIATION, {}, (35, 22.5294, 23.7295, 25.0586, 27.5714, (294.7889, 294.3408, 295.4963, 244.6048))),
        (
            MARKET,
            {"tier_enabled": False},
            (35, 17.3673, 17.6335, 17.9076, 19.0, (683.7986, 665.0167, 684.1159, 465.3608)),
        ),
    ],
)
def test_stage_game(game, keywords, row):
    """Nash, equilibria and optimum by best replies from the first-order condition, and as deviations in the game."""
    stage.check_row(rules(game, **keywords), row)
    stage.check_no_deviation_pays(game, rules(game, **keywords), **keywords)


# -- one step ---------------------------------------------------------------------------------------------------------

ALLIANCE_PI = (137.192319, 157.273155)


@pytest.mark.parametrize(
    ("game", "keywords", "action", "row"),
    [
        (
            DILEMMA,
            {},
            (60, 39.5),
            (
                (139.256403, 151.564966),
                (0.305644, 0.575),
                (0.317574, 0),
                (167.051395, 199.608425),
                183.329910,
                (230.195383, 235.118807),
            ),
        ),
        (DILEMMA, {}, (60, 60), (143.217477, 0.575, 0, 192.627507, 192.627507, 229.147964)),
        (DILEMMA, {}, (20, 20), (147.890449, 0.194, 0.5, 165.104897, 165.104897, 236.624718)),
        (
            RACE,
            {},
            (60, 34.5),
            (
                (135.866653, 150.539830),
                (0.200669, 0.27),
                (0.661741, 0.495),
                (152.481425, 170.716028),
                161.598726,
                (218.663559, 225.266489),
            ),
        ),
        (
            ALLIANCE,
            {"phase": "formation"},
            (50, 29.5),
            (
                ALLIANCE_PI,
                (0.377736, 0.49),
                (0.291456, 0.049),
                (183.530403, 201.641151),
                192.585777,
                (259.865380, 247.820085),
            ),
        ),
        (
            ALLIANCE,
            {},
            (50, 29.5),
            (
                ALLIANCE_PI,
                (0.598508, 0.7224),
                (0.269081, 0.0196),
                (185.198193, 222.684257),
                203.941225,
                (217.401628, 247.820085),
            ),
        ),
        (
            ALLIANCE,
            {"phase": "crisis"},
            (50, 29.5),
            (
                ALLIANCE_PI,
                (0.259276, 0.32),
                (0.589790, 0.441),
                (151.464319, 188.882265),
                170.173292,
                (192.237923, 256.051624),
            ),
        ),
        (
            ALLIANCE,
            {"phase": "strained"},
            (50, 29.5),
            (
                ALLIANCE_PI,
                (0.347319, 0.42),
                (0.515207, 0.343),
                (152.487010, 194.726658),
                173.606834,
                (181.228802, 246.448162),
            ),
        ),
        (
            NEGOTIATION,
            {},
            (60, 55),
            (
                (139.451165, 142.740722),
                0.56,
                0,
                (183.415308, 185.691681),
                184.553494,
                (217.958562, 219.438863),
            ),
        ),
    ],
)
def test_one_step(game, keywords, action, row):
    stage.check_step(stage.play(game, action, **keywords), row)


@pytest.mark.parametrize(
    ("game", "pair", "factor"),
    [
        (DILEMMA, (0, 1), 0.388),
        (RACE, (0, 1), 0.573),
        (ALLIANCE, (0, 1), 0.68625),
        (ALLIANCE, (1, 0), 0.6675),
        (NEGOTIATION, (0, 1), 0.479),
        (MARKET, (3, 1), 0.65275),
    ],
)
def test_what_a_clear_shortfall_leaves_of_trust(game, pair, factor):
    """1 - lambda_minus (1 + xi D_ij) of the trust before."""
    numbers = rules(game)
    step = stage.play(game, np.zeros(len(numbers.endowment)))
    assert step.trust[pair] / numbers.trust.initial_trust == pytest.approx(factor, abs=1e-12)


def test_trust_dilemma_collapses_in_three_steps():
    steps = list(stage.episode(DILEMMA, (20, 20), 10))
    np.testing.assert_allclose([info["mean_trust"][0] for *_, info in steps], (0.194, 0.0753, 0.0292), atol=5e-5)
    assert steps[-1][2]["mean_trust"][0] == pytest.approx(0.029206, abs=6e-7)
    assert steps[-1][2]["mean_reputation_damage"][0] == pytest.approx(0.875, abs=1e-9)
    assert [terminated for terminated, *_ in steps] == [False, False, True]


# -- keywords ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("game", "keywords", "changes"),
    [
        (RACE, {"initial_trust": 0.4}, {"integrated", "trust"}),
        (RACE, {"initial_reputation_damage": 0.2}, {"integrated", "trust", "damage"}),
        (RACE, {"recovery_target": 0.2}, {"over"}),
        (RACE, {"max_steps": 7}, {"max_steps"}),
        (ALLIANCE, {"phase": "crisis"}, {"integrated", "trust", "damage", "depend"}),
        (ALLIANCE, {"max_steps": 7}, {"max_steps"}),
        (NEGOTIATION, {"agreement_threshold": 50.0}, {"payoff", "integrated"}),
        (NEGOTIATION, {"breach_penalty_multiplier": 2.0}, {"payoff", "integrated"}),
        (NEGOTIATION, {"negotiation_rounds": 1}, set()),
        (NEGOTIATION, {"max_steps": 7}, {"max_steps"}),
        (MARKET, {"reputation_visibility": 0.9}, {"seen"}),
        (MARKET, {"tier_enabled": False}, {"payoff", "integrated"}),
        (MARKET, {"max_steps": 7}, {"max_steps"}),
    ],
)
def test_each_keyword_changes_what_it_should(game, keywords, changes):
    def facts(**given):
        env = payoff.multi_agent_vec(game, 1, reward="integrated", observe="published", **given)
        env.reset(seed=11)
        over = False
        for share in (0.4, 0.55):  # above every baseline, below one half at first
            obs, reward, terminated, _, info = env.step(share * env.action_high[None])
            over = over or bool(terminated[0])
            if over:
                break
        kept = {
            "integrated": reward,
            "payoff": info["payoff"],
            "trust": info["trust"],
            "damage": info["reputation_damage"],
            "seen": obs[..., 15 if game == NEGOTIATION else 81 :],
        }
        return {**({} if over else kept), "over": over, "depend": env.engine.depend, "max_steps": env.max_steps}

    plain, other = facts(), facts(**keywords)
    both = plain.keys() & other.keys()
    assert {name for name in both if not np.array_equal(plain[name], other[name])} == changes


@pytest.mark.parametrize(
    ("game", "keyword", "value", "message"),
    [
        (RACE, "initial_trust", 1.5, r"in \[0, 1\], got 1.5"),
        (RACE, "initial_reputation_damage", -0.5, r"in \[0, 1\], got -0.5"),
        (RACE, "recovery_target", 0.0, r"in \(0, 1\], got 0.0"),
        (RACE, "recovery_target", 1.01, r"in \(0, 1\], got 1.01"),
        (RACE, "max_steps", 0, "at least 1, got 0"),
        (ALLIANCE, "max_steps", "many", "an integer at least 1"),
        (NEGOTIATION, "agreement_threshold", -1.0, "a number in"),
        (NEGOTIATION, "breach_penalty_multiplier", float("inf"), "a number in"),
        (NEGOTIATION, "negotiation_rounds", 0, "at least 1, got 0"),
        (NEGOTIATION, "max_steps", 2.5, "an integer at least 1"),
        (MARKET, "n_agents", 1, r"in 2 \.\. 1000, got 1"),
        (MARKET, "reputation_visibility", 1.2, r"in \[0, 1\], got 1.2"),
        (MARKET, "tier_enabled", 1, "True or False, got 1"),
        (MARKET, "max_steps", -3, "at least 1, got -3"),
    ],
)
def test_keywords_out_of_range(game, keyword, value, message):
    with pytest.raises(ValueError, match=rf"^{keyword} must be .*{message}"):
        payoff.multi_agent_vec(game, 1, **{keyword: value})


def test_published_keywords_and_defaults():
    """The whole list, by name and default; the published code takes render_mode as well, which the views do."""
    published = {
        RACE: {
            "initial_trust": 0.25,
            "initial_reputation_damage": 0.50,
            "recovery_target": 0.90,
            "max_steps": 150,
        },
        ALLIANCE: {"phase": "mature", "max_steps": 100},
        NEGOTIATION: {
            "agreement_threshold": 10.0,
            "breach_penalty_multiplier": 3.0,
            "negotiation_rounds": 5,
            "max_steps": 100,
        },
        MARKET: {"n_agents": 5, "reputation_visibility": 1.0, "tier_enabled": True, "max_steps": 100},
    }
    for game, defaults in published.items():
        params = MODULES[game].V0.params
        assert {name: getattr(params(), name) for name in params.names()} == defaults
        with pytest.raises(TypeError, match="unexpected keyword argument 'theta'"):
            payoff.multi_agent_vec(game, 1, theta=15)


@pytest.mark.parametrize("game", [RACE, ALLIANCE])
def test_flat_observation_of_a_dyad(game):
    """Actions, T, R, D row by row and the raw step count: 15 numbers in native units."""
    seen, _ = stage.observations(game, (60, 34.5))
    step = stage.play(game, (60, 34.5))
    expected = np.concatenate([(60, 34.5), step.trust.ravel(), step.damage.ravel(), np.ravel(rules(game).depend), [1]])
    np.testing.assert_allclose(seen[1], expected, rtol=1e-6)
    np.testing.assert_array_equal(seen[0, :2], rules(game).baseline)
