"""PartnerHoldUp, PlatformEcosystem, DynamicPartnerSelection, SynergySearch and SLCD against the published figures."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import rewards
from payoff.envs.coopetition import cases, dynamic_partner_selection, partner_hold_up, platform_ecosystem, slcd
from payoff.envs.coopetition import synergy_search as synergy
from payoff.envs.coopetition.observation import SETTINGS
from payoff.envs.coopetition.published_info import rank
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
    module = MODULES[env_id]
    return module.rules(module.V0.params(**kwargs))


# -- stage games ---------------------------------------------------------------------------------------------------


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


# -- one step ------------------------------------------------------------------------------------------------------


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


# -- PartnerHoldUp -------------------------------------------------------------------------------------------------


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


# -- PlatformEcosystem ---------------------------------------------------------------------------------------------


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


# -- DynamicPartnerSelection ---------------------------------------------------------------------------------------


def test_scores_of_partner_selection_follow_what_was_sent():
    """q = 1 and -0.005 after actions of 1000 and -5, though both are clipped in the game."""
    step = stage.play(SELECTION, (1000, -5, 100, 0, 50, 50))
    np.testing.assert_allclose(step.info["reputation_scores"][0], (1, -0.005, 0.1, 0, 0.05, 0.05), atol=1e-12)
    clipped = stage.play(SELECTION, (100, 0, 100, 0, 50, 50))
    np.testing.assert_array_equal(step.payoff, clipped.payoff)
    np.testing.assert_array_equal(step.info["reputation_rank"][0], (0, 5, 1, 4, 2, 3))


def test_scores_of_partner_selection_in_closed_form():
    """Constant rate r from 0: q_t = r (1 - 0.9^t)."""
    action = np.array([10, 30, 50, 70, 90, 100.0])
    for t, (*_, info) in enumerate(stage.episode(SELECTION, action, 50), start=1):
        np.testing.assert_allclose(info["reputation_scores"][0], action / 100 * (1 - 0.9**t), atol=1e-12)
    assert t == 50


def test_partner_selection_shows_scores_late_and_forgets_them():
    actions = [(1000, -5, 100, 0, 50, 50)] * 2
    seen, names = stage.observations(SELECTION, *actions)
    assert seen.shape == (3, 121) and names[-6:] == tuple(f"score[{i}]" for i in range(6))
    np.testing.assert_allclose(seen[:, -6:], [[0] * 6, [0] * 6, (1, -0.005, 0.1, 0, 0.05, 0.05)], atol=1e-7)
    full, names = stage.observations(SELECTION, *actions, observe="full")
    np.testing.assert_allclose(full[1, names.index("score[0]") :][:6], (1, 0, 0.1, 0, 0.05, 0.05), atol=1e-7)
    env = payoff.multi_agent_vec(SELECTION, 1)
    env.reset(seed=0)
    env.step(np.full((1, 6, 1), 80.0))
    assert (env.reset()[1]["reputation_scores"] == 0).all()


def test_rank_keeps_the_order_of_seats_in_a_tie():
    np.testing.assert_array_equal(rank(np.array([[0.5, 0.7, 0.5, 0.1]])), [[1, 0, 2, 3]])


def test_partner_selection_never_terminates():
    *_, (terminated, truncated, info) = stage.episode(SELECTION, np.zeros(6), 60)
    assert (terminated, truncated, info["step"][0]) == (False, True, 50)
    assert info["mean_trust"][0] < 1e-9


# -- SynergySearch -------------------------------------------------------------------------------------------------


def gamma_of(info, action):
    """gamma from the total value, which gives it away."""
    return (info["total_value"] - (20 * np.log1p(action)).sum()) / np.sqrt(np.prod(action))


def drawn(episodes=1, seed=0, num_envs=1, **kwargs):
    """gamma of some episodes of each copy: (episodes, num_envs)."""
    action = np.array([60.0, 55.0])
    env = payoff.multi_agent_vec(SYNERGY, num_envs, max_steps=1, autoreset_mode="same_step", **kwargs)
    env.reset(seed=seed)
    found = []
    for _ in range(episodes):
        info = env.step(np.broadcast_to(action[:, None], (num_envs, 2, 1)))[4]
        found.append(gamma_of(info["final_info"], action))
    return np.array(found)


def test_gamma_is_uniform_in_its_range():
    gamma = drawn(episodes=50, num_envs=200).ravel()
    assert gamma.min() >= 0.2 - 1e-9 and gamma.max() <= 0.9 + 1e-9
    counts, _ = np.histogram(gamma, bins=20, range=(0.2, 0.9))
    assert ((counts - 500) ** 2 / 500).sum() < 43.8  # chi-square, 19 degrees of freedom, p = 0.001
    assert np.unique(gamma).size == gamma.size  # another one in each episode and copy
    narrow = drawn(episodes=20, num_envs=50, gamma_range=[0.3, 0.4]).ravel()
    assert 0.3 - 1e-9 <= narrow.min() < 0.31 and 0.39 < narrow.max() <= 0.4 + 1e-9


def test_gamma_of_a_range_per_copy():
    gamma = drawn(num_envs=3, gamma_range=[[0.1, 0.1], [0.5, 0.5], (0.7, 0.7)])
    np.testing.assert_allclose(gamma[0], (0.1, 0.5, 0.7), atol=1e-12)
    for pair in ((0.2, 0.9), [0.2, 0.9], np.array([0.2, 0.9])):  # one range, however it is written
        assert {p.gamma_range for p in payoff.multi_agent_vec(SYNERGY, 2, gamma_range=pair).engine.rows} == {(0.2, 0.9)}


def test_gamma_is_the_seeds_in_every_view():
    """Equal seeds draw alike in all five views and again in the same one; other seeds and later episodes do not."""
    action = np.array([60.0, 55.0])

    def batch(seed):
        return drawn(seed=seed)[0, 0]

    def parallel(seed):
        env = payoff.parallel_env(SYNERGY)
        env.reset(seed=seed)
        return gamma_of(env.step({"agent_0": action[:1], "agent_1": action[1:]})[4]["agent_1"], action)

    def turns(seed):
        env = payoff.aec_env(SYNERGY)
        env.reset(seed=seed)
        for a in action:
            env.step(np.array([a]))
        return gamma_of(env.infos["agent_0"], action)

    env = gym.make(SYNERGY, control="joint", disable_env_checker=True)

    def single(seed):
        env.reset(seed=seed)
        return gamma_of(env.step(action)[4], action)

    vector = gym.make_vec(SYNERGY, num_envs=3, vectorization_mode="vector_entry_point", control="joint")

    def copies(seed):
        vector.reset(seed=seed - 2)  # copy k has the seed s + k
        return gamma_of({"total_value": vector.step(np.tile(action, (3, 1)))[4]["total_value"][2]}, action)

    assert batch(7) != batch(8)
    for seed in (7, 8, 7):
        expected = batch(seed)
        for view in (parallel, turns, single, copies):
            assert view(seed) == expected, view.__name__
    env.reset(seed=7)
    env.reset()
    assert gamma_of(env.step(action)[4], action) != batch(7)


@pytest.mark.parametrize("setting", [*SETTINGS, "published"])
def test_gamma_is_hidden_unless_it_is_revealed(setting):
    """Observations of two gammas are the same, in whole episodes; revealed, they differ in one entry."""
    actions = [(60, 39), (20, 90), (45, 45)]
    low, names = stage.observations(SYNERGY, *actions, observe=setting, gamma_range=(0.2, 0.2))
    high, _ = stage.observations(SYNERGY, *actions, observe=setting, gamma_range=(0.9, 0.9))
    np.testing.assert_array_equal(low, high)
    assert "gamma" not in names
    shown, names = stage.observations(
        SYNERGY, *actions, observe=setting, gamma_range=(0.9, 0.9), reveal_gamma_in_obs=True
    )
    if setting == "minimal":
        np.testing.assert_array_equal(shown, high)
        return
    at = names.index("gamma")
    np.testing.assert_allclose(shown[:, at], 0.9, atol=1e-7)
    np.testing.assert_array_equal(np.delete(shown, at, axis=1), high)
    if setting == "published":
        assert (high.shape[1], shown.shape[1], at) == (15, 16, 15)


def test_state_and_snapshots_keep_the_secret_and_the_gamma():
    env = payoff.multi_agent_vec(SYNERGY, 4)
    env.reset(seed=3)
    np.testing.assert_array_equal(env.state(), np.broadcast_to(env.state()[0], env.state().shape))
    kept, action = env.snapshot(), np.full((4, 2, 1), 50.0)
    value = env.step(action)[4]["total_value"]
    assert np.unique(value).size == 4
    env.reset()
    env.restore(kept)
    np.testing.assert_array_equal(env.step(action)[4]["total_value"], value)


def test_synergy_info():
    hidden = stage.play(SYNERGY, (60, 39.5), gamma_range=(0.61, 0.61))
    assert np.isnan(hidden.info["true_gamma"][0]) and hidden.info["gamma_type"][0] == 1
    shown = stage.play(SYNERGY, (60, 39.5), gamma_range=(0.55, 0.55), reveal_gamma_in_obs=True)
    assert shown.info["true_gamma"][0] == 0.55 and shown.info["gamma_type"][0] == 0


# -- SLCD ----------------------------------------------------------------------------------------------------------


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


# -- keywords ------------------------------------------------------------------------------------------------------


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
        (PLATFORM, "n_developers", 0, "at least 1, got 0"),
        (PLATFORM, "n_developers", 2.0, "an integer at least 1"),
        (PLATFORM, "platform_share", -0.1, r"in \[0, 1\], got -0.1"),
        (PLATFORM, "platform_dependency", 2, r"in \[0, 1\], got 2"),
        (PLATFORM, "developer_dependency", "high", r"in \[0, 1\], got 'high'"),
        (PLATFORM, "max_steps", True, "an integer at least 1"),
        (SELECTION, "n_agents", 1, "at least 2, got 1"),
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
