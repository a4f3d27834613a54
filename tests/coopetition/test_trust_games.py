"""RecoveryRace, RenaultNissan, CooperativeNegotiation, ReputationMarket and TrustDilemma: the published figures."""

import numpy as np
import pytest

import payoff
from payoff.envs.coopetition import (
    cases,
    cooperative_negotiation,
    recovery_race,
    renault_nissan,
    reputation_market,
    trust_dilemma,
)
from payoff.envs.core import reputation
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
PHASES = ("formation", "mature", "crisis", "strained")
CLOSE = {"rtol": 0, "atol": 6e-7}
SINGLE = {"rtol": 0, "atol": 5e-5}  # figures that the published code printed, in float32


def rules(game, **kwargs):
    module = MODULES[game]
    return module.rules(module.V0.params(**kwargs))


# -- stage games ---------------------------------------------------------------------------------------------------

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


# -- one step ------------------------------------------------------------------------------------------------------

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


# -- RecoveryRace --------------------------------------------------------------------------------------------------


def test_race_cannot_be_won_at_the_defaults():
    """Unbroken cooperation of 150 steps: mean trust 0.873455 under a ceiling of 0.889274."""
    steps = list(stage.episode(RACE, (100, 100), 200))
    terminated, truncated, info = steps[-1]
    assert (len(steps), terminated, truncated) == (150, False, True)
    assert info["mean_trust"][0] == pytest.approx(0.873455, abs=6e-7)
    assert info["trust_ceiling"][0] == pytest.approx(0.889274, abs=6e-7)
    assert info["recovery_progress"][0] == pytest.approx(0.959162, abs=6e-7)
    assert info["peak_trust"][0] == pytest.approx(0.873455, abs=6e-7) and np.isnan(info["recovery_step"][0])


@pytest.mark.parametrize(("target", "step"), [(0.85, 134), (0.87, 148), (0.90, 174)])
def test_race_is_won_at_the_step_of_the_target(target, step):
    steps = list(stage.episode(RACE, (100, 100), 300, recovery_target=target, max_steps=300))
    assert len(steps) == step and [terminated for terminated, *_ in steps] == [False] * (step - 1) + [True]
    info = steps[-1][2]
    assert info["recovery_step"][0] == step and info["recovery_progress"][0] >= 1
    assert np.isnan(steps[-2][2]["recovery_step"][0])


def test_race_follows_its_recursion():
    """T <- T + 0.08 (1 - R - T), R <- 0.99 R, so T stays below 1 - 0.5 (0.99)^(t - 1), which is 0.90 at t = 162."""
    trust, damage = 0.25, 0.5
    for t, (*_, info) in enumerate(stage.episode(RACE, (100, 100), 150), start=1):
        trust, damage = trust + 0.08 * (1 - damage - trust), 0.99 * damage
        assert info["mean_trust"][0] == pytest.approx(trust, abs=1e-12)
        assert trust < 1 - 0.5 * 0.99 ** (t - 1)
    assert 1 - 0.5 * 0.99**160 < 0.90 < 1 - 0.5 * 0.99**161


def test_race_remembers_its_peak_and_never_fails():
    env = payoff.multi_agent_vec(RACE, 1, info="published", autoreset_mode="disabled")
    env.reset(seed=0)
    trust = []
    for level in [100] * 20 + [0] * 130:
        _, _, terminated, truncated, info = env.step(np.full((1, 2, 1), float(level)))
        trust.append(info["mean_trust"][0])
        assert info["peak_trust"][0] == pytest.approx(max(0.25, *trust), abs=1e-12)
    assert truncated[0] and not terminated[0] and trust[-1] < 1e-6 < 0.4 < trust[19]
    assert env.reset()[1]["peak_trust"][0] == 0.25


def test_race_that_starts_at_its_target():
    terminated, _, info = next(stage.episode(RACE, (100, 100), 3, initial_trust=0.6, recovery_target=0.6))
    assert not terminated and info["mean_trust"][0] == 0.5  # clipped at the ceiling 1 - 0.5
    assert np.isnan(info["recovery_progress"][0])
    steps = list(
        stage.episode(
            RACE, (100, 100), 3, initial_trust=0.6, initial_reputation_damage=0.0, recovery_target=0.6, max_steps=1
        )
    )
    assert steps[0][:2] == (True, True)  # both at once


# -- RenaultNissan -------------------------------------------------------------------------------------------------


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


# -- CooperativeNegotiation ----------------------------------------------------------------------------------------


def test_negotiation_continued():
    """(60, 55) twice, then agent 0 goes to 90: it pays 3 x 30, the faithful agent nothing, trust does not notice."""
    step = stage.play(NEGOTIATION, (60, 55), (60, 55), (90, 55))
    np.testing.assert_allclose(step.payoff, (31.32407, 146.61390), **SINGLE)
    np.testing.assert_allclose(step.integrated, (84.48557, 190.60544), **SINGLE)
    np.testing.assert_allclose(step.cooperative, (92.54550, 182.54550), **SINGLE)
    np.testing.assert_allclose((step.trust[0, 1], step.trust[1, 0]), 0.659264, **CLOSE)
    assert step.info["breach_occurred"][0] and not step.info["agreement_reached"][0]
    assert (step.info["total_agreements"][0], step.info["total_breaches"][0]) == (2, 1)
    np.testing.assert_array_equal(step.info["current_agreement"][0], (60, 55))
    assert step.info["proposal_convergence"][0] == pytest.approx(0.65)


def penalty(*actions, **kwargs):
    """What the last step costs beside the stage payoff, per seat; and its info."""
    step = stage.play(NEGOTIATION, *actions, **kwargs)
    free = stage.play(NEGOTIATION, *actions, **{**kwargs, "breach_penalty_multiplier": 0.0})
    for ours, theirs in ((step.integrated, free.integrated), (step.cooperative, free.cooperative)):
        np.testing.assert_allclose(theirs - ours, free.payoff - step.payoff, atol=1e-9)  # the same after each layer
    np.testing.assert_array_equal(step.trust, free.trust)
    return free.payoff - step.payoff, step.info


@pytest.mark.parametrize(
    ("actions", "costs", "agreement"),
    [
        ([(60, 55)], (0, 0), (60, 55)),  # nothing stood before
        ([(60, 50)], (0, 0), (60, 50)),  # the threshold itself agrees
        ([(60, 49)], (0, 0), (np.nan, np.nan)),
        ([(60, 49), (90, 10)], (0, 0), (np.nan, np.nan)),  # nothing to breach
        ([(60, 55), (70, 45)], (0, 0), (60, 55)),  # the threshold itself does not breach
        ([(60, 55), (71, 55)], (33, 0), (60, 55)),
        ([(60, 55), (71, 50)], (33, 15), (60, 55)),  # the faithful seat pays for its small deviation too
        ([(60, 55), (80, 75)], (60, 60), (80, 75)),  # breach and agreement in one step
        ([(60, 55), (71, 55), (71, 55)], (33, 0), (60, 55)),  # the old agreement stands and costs again
        ([(60, 55), (65, 60), (74, 60)], (0, 0), (65, 60)),  # an agreement moves without a breach
    ],
)
def test_agreements_and_breaches(actions, costs, agreement):
    paid, info = penalty(*actions)
    np.testing.assert_allclose(paid, costs, atol=1e-9)
    np.testing.assert_array_equal(info["current_agreement"][0], agreement)
    assert info["breach_occurred"][0] == (max(costs) > 0)


def test_negotiation_keywords():
    paid, info = penalty((60, 55), (66, 55), agreement_threshold=5, breach_penalty_multiplier=1.5)
    np.testing.assert_allclose(paid, (9, 0), atol=1e-9)
    assert info["total_agreements"][0] == 1
    plain, dead = (stage.play(NEGOTIATION, (60, 55), (90, 20), negotiation_rounds=k) for k in (5, 50))
    for name in ("payoff", "integrated", "cooperative", "trust", "damage"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(dead, name))


def test_negotiation_shows_the_agreement_late_and_forgets_it():
    """Published: 15 entries, then what stood before the step. Full: what stands now, own seat first, as shares."""
    actions = [(60, 55), (80, 75), (90, 40)]
    seen, names = stage.observations(NEGOTIATION, *actions)
    assert seen.shape == (4, 18) and names[15:] == ("agreement[0]", "agreement[1]", "standing")
    np.testing.assert_array_equal(seen[:, 15:], [(0, 0, 0), (0, 0, 0), (60, 55, 1), (80, 75, 1)])
    np.testing.assert_array_equal(seen[:, :2], [(35, 35), *actions])
    np.testing.assert_array_equal(seen[:, 14], range(4))
    full, names = stage.observations(NEGOTIATION, *actions, observe="full")
    at = names.index("agreement[0]")
    expected = [(0, 0, 0), (0.6, 0.55, 1), (0.8, 0.75, 1), (0.8, 0.75, 1)]
    np.testing.assert_allclose(full[:, at : at + 3], expected, atol=1e-7)
    env = payoff.multi_agent_vec(NEGOTIATION, 1, info="published")
    env.reset(seed=0)
    env.step(np.array([[[60.0], [55.0]]]))
    info = env.reset()[1]
    assert np.isnan(info["current_agreement"]).all() and info["total_agreements"][0] == 0


def test_agreements_hold_in_the_parallel_view():
    """The published form for PettingZoo has none."""
    env = payoff.parallel_env(NEGOTIATION, reward="private")
    env.reset(seed=0)
    for pair in ((60, 55), (60, 55), (90, 55)):
        _, rewards, *_ = env.step({"agent_0": np.array([pair[0]]), "agent_1": np.array([pair[1]])})
    np.testing.assert_allclose(list(rewards.values()), (31.32407, 146.61390), **SINGLE)


# -- ReputationMarket ----------------------------------------------------------------------------------------------

MARKET_ACTION = (55, 60, 40, 100, 0)


def test_one_step_of_the_market():
    step = stage.play(MARKET, MARKET_ACTION)
    pi = np.array((117.456330, 113.995730, 126.844297, 83.072169, 100))
    utility = np.array((191.232352, 188.437916, 198.813336, 163.467142, 184.963240))
    multiplier = np.array((1, 1, 0.7, 1, 0.7))
    np.testing.assert_allclose(step.info["reputation_scores"][0], (0.505, 0.51, 0.49, 0.55, 0.45), atol=1e-12)
    np.testing.assert_allclose(step.payoff, pi * multiplier, **CLOSE)
    np.testing.assert_allclose(step.integrated, utility * multiplier, **CLOSE)
    np.testing.assert_allclose(step.cooperative, 185.382797 * multiplier, **CLOSE)
    untiered = stage.play(MARKET, MARKET_ACTION, tier_enabled=False)
    np.testing.assert_allclose(untiered.payoff, pi, **CLOSE)
    np.testing.assert_allclose(untiered.integrated, utility, **CLOSE)
    np.testing.assert_allclose(untiered.cooperative, 185.382797, **CLOSE)
    np.testing.assert_array_equal(untiered.info["reputation_scores"], step.info["reputation_scores"])
    np.testing.assert_array_equal(untiered.trust, step.trust)


@pytest.mark.parametrize(
    ("score", "name", "factor"),
    [
        (1.0, "premium", 1.30),
        (0.80, "premium", 1.30),
        (np.nextafter(0.80, 0), "standard", 1.00),
        (0.50, "standard", 1.00),
        (np.nextafter(0.50, 0), "probation", 0.70),
        (0.25, "probation", 0.70),
        (np.nextafter(0.25, 0), "excluded", 0.40),
        (0.0, "excluded", 0.40),
    ],
)
def test_tiers(score, name, factor):
    assert reputation.TIERS[reputation.tier(score)] == name and reputation.factor(score) == factor


def test_scores_move_by_the_distance_from_one_half_and_stop_at_the_ends():
    """Rates 1, 0, 1/2, 3/4, 1/4: q_t = clip(0.5 + 0.1 t (r - 0.5), 0, 1), and its tier multiplies the payoff."""
    action = np.array([100, 0, 50, 75, 25.0])
    untiered = list(stage.episode(MARKET, action, 30, tier_enabled=False))
    for t, (*_, info) in enumerate(stage.episode(MARKET, action, 30), start=1):
        score = np.clip(0.5 + 0.1 * t * (action / 100 - 0.5), 0, 1)
        np.testing.assert_allclose(info["reputation_scores"][0], score, atol=1e-12)
        off_edge = np.abs(score[:, None] - (0.8, 0.5, 0.25)).min(axis=1) > 1e-9
        off_edge[2] = True  # a rate of one half moves nothing, not even by rounding
        factor = np.select([score >= 0.8, score >= 0.5, score >= 0.25], [1.3, 1.0, 0.7], 0.4)
        got = info["payoff"][0] / untiered[t - 1][2]["payoff"][0]
        np.testing.assert_allclose(got[off_edge], factor[off_edge], rtol=1e-12)
    assert info["reputation_scores"][0, :3].tolist() == [1.0, 0.0, 0.5]


def test_scores_of_the_market_follow_what_was_sent():
    sent = stage.play(MARKET, (150, -20, 50, 50, 50))
    np.testing.assert_allclose(sent.info["reputation_scores"][0, :2], (0.6, 0.43), atol=1e-12)
    played = stage.play(MARKET, (100, 0, 50, 50, 50))
    np.testing.assert_allclose(played.info["reputation_scores"][0, :2], (0.55, 0.45), atol=1e-12)
    np.testing.assert_array_equal(sent.payoff, played.payoff)


def test_market_info():
    info = stage.play(MARKET, MARKET_ACTION).info
    score = np.array((0.505, 0.51, 0.49, 0.55, 0.45))
    np.testing.assert_array_equal(info["public_reputations"], info["reputation_scores"])
    np.testing.assert_array_equal(info["reputation_rank"][0], (2, 1, 3, 0, 4))
    np.testing.assert_array_equal(info["agent_tiers"][0], (1, 1, 2, 1, 2))
    assert info["mean_reputation"][0] == pytest.approx(0.501)
    assert info["reputation_inequality"][0] == pytest.approx(np.sqrt(((score - 0.501) ** 2).mean()))


def test_market_shows_scores_late_and_forgets_them():
    seen, names = stage.observations(MARKET, MARKET_ACTION, MARKET_ACTION)
    assert seen.shape == (3, 86) and names[81:] == tuple(f"score[{i}]" for i in range(5))
    half, first = np.full(5, 0.5), (0.505, 0.51, 0.49, 0.55, 0.45)
    np.testing.assert_allclose(seen[:, 81:], [half, half, first], atol=1e-7)
    full, names = stage.observations(MARKET, MARKET_ACTION, observe="full")
    np.testing.assert_allclose(full[1, names.index("score[0]") :][:5], first, atol=1e-7)
    env = payoff.multi_agent_vec(MARKET, 1)
    env.reset(seed=0)
    env.step(np.full((1, 5, 1), 90.0))
    assert (env.reset()[1]["reputation_scores"] == 0.5).all()


def noisy(visibility, seed=0, num_envs=4000, steps=2):
    """Scores as all seats see them under full and published observation, and the true ones: (B, N, 5) and (B, 5)."""
    seen = []
    for setting in ("full", "published"):
        env = payoff.multi_agent_vec(MARKET, num_envs, reputation_visibility=visibility, observe=setting)
        env.reset(seed=seed)
        for _ in range(steps):
            obs, _, _, _, info = env.step(np.full((num_envs, 5, 1), 50.0))
        at = env.engine.plan.names.index("score[0]")
        seen.append(obs[:, :, at : at + 5])
    return *seen, info["reputation_scores"]


def test_noise_on_what_is_seen_of_a_score():
    """Normal with standard deviation 1 - visibility, clipped, alike for every observer; the true score is untouched."""
    full, published, score = noisy(0.9)
    assert (score == 0.5).all()
    np.testing.assert_array_equal(published, np.broadcast_to(published[:, :1], published.shape))
    own_first = np.array([[i, *(j for j in range(5) if j != i)] for i in range(5)])
    everyone = np.empty_like(full)
    for i, order in enumerate(own_first):
        everyone[:, i, order] = full[:, i]
    np.testing.assert_array_equal(everyone, np.broadcast_to(everyone[:, :1], everyone.shape))
    for seen in (everyone[:, 0], published[:, 0]):
        noise = seen - 0.5
        assert abs(noise.mean()) < 4 * 0.1 / np.sqrt(noise.size) and noise.std() == pytest.approx(0.1, rel=0.02)
        assert np.mean(np.abs(noise) < 0.1) == pytest.approx(0.6827, abs=0.015)
        correlation = np.corrcoef(noise, rowvar=False)
        assert np.abs(correlation - np.eye(5)).max() < 5 / np.sqrt(len(noise))
    assert np.corrcoef(everyone[:, 0].ravel(), published[:, 0].ravel())[0, 1] < 0.05  # not of the same step
    wide, _, _ = noisy(0.0)
    assert wide.min() == 0.0 and wide.max() == 1.0
    assert np.mean(wide == 0.0) == pytest.approx(0.3085, abs=0.015)  # of a standard normal below -1/2


def test_noise_is_the_seeds_and_changes_no_payoff():
    first, again, other = noisy(0.8, 3, 5)[0], noisy(0.8, 3, 5)[0], noisy(0.8, 30, 5)[0]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(noisy(0.8, 3, 2)[0], first[:2])
    clear, blurred = (stage.play(MARKET, MARKET_ACTION, reputation_visibility=v) for v in (1.0, 0.5))
    for name in ("payoff", "integrated", "cooperative", "trust"):
        np.testing.assert_array_equal(getattr(clear, name), getattr(blurred, name))
    full, published, score = noisy(1.0, num_envs=3)
    assert (full == 0.5).all() and (published == 0.5).all() and (score == 0.5).all()


def test_market_of_three():
    seen, _ = stage.observations(MARKET, n_agents=3)
    assert seen.shape == (1, 2 * 3 + 3 * 9 + 1)
    assert rules(MARKET, n_agents=3).share == (1 / 3,) * 3


# -- keywords ------------------------------------------------------------------------------------------------------


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
        (MARKET, "n_agents", 1, "at least 2, got 1"),
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
