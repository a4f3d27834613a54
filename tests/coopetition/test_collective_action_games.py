"""Games of TR-3: published returns, closed forms of the theory, membership of the coalition, keywords."""

import numpy as np
import pytest

import payoff
from payoff.envs.coopetition import apache_project, coalition_formation, loyalty_team, public_goods, team_production
from payoff.envs.coopetition.rules import pack
from payoff.envs.core import loyalty, value
from tests.coopetition import stage

TEAM, LOYAL, COALITION = "payoff/TeamProduction-v0", "payoff/LoyaltyTeam-v0", "payoff/CoalitionFormation-v0"
APACHE, GOODS = "payoff/ApacheProject-v0", "payoff/PublicGoods-v0"
MODES = ("private", "integrated", "cooperative")


def play(game, rates, **keywords):
    """Rates (T, N), or (T,) for everybody, played in one copy: rewards (T, N), flags (T, 2), info of every step."""
    env = payoff.multi_agent_vec(game, 1, autoreset_mode="disabled", **keywords)
    env.reset(seed=0)
    most = env.action_high[:, 0]
    rewards, flags, infos = [], [], []
    for rate in rates:
        action = np.broadcast_to(rate, most.shape) * most
        _, reward, terminated, truncated, info = env.step(action[None, :, None])
        rewards.append(reward[0])
        flags.append((terminated[0], truncated[0]))
        infos.append({k: v[0] for k, v in info.items() if isinstance(v, np.ndarray)})
    return np.array(rewards), np.array(flags), infos


def returns(game, rates, **keywords):
    """Sum over seats and steps of an episode at each constant rate."""
    env = payoff.multi_agent_vec(game, len(rates), autoreset_mode="disabled", info="minimal", **keywords)
    env.reset(seed=0)
    actions = np.asarray(rates)[:, None, None] * env.action_high
    total = np.zeros(len(rates))
    for _ in range(env.max_steps):
        _, reward, _, truncated, _ = env.step(actions)
        total += reward.sum(axis=1)
    assert truncated.all()
    return total


def base_payoffs(rules, action):
    """pi of TR-1, written out again."""
    a, e = np.asarray(action, float), np.array(rules.endowment)
    synergy = 0.65 * np.prod(a) ** (1 / len(a))
    return e - a + 20 * np.log1p(a) + np.array(rules.share) * synergy


def theory(module, params, action, theta):
    """Payoffs of the TR-3 theory, from the kernel."""
    numbers, roles, _ = pack([params.terms()])
    action = np.asarray(action, float)
    return np.array([loyalty.theory_payoff(numbers[0], roles[0], action, t, i) for i, t in enumerate(theta)])


# -- published numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("game", "reward"),
    [(TEAM, 179.7324), (LOYAL, 215.6789), (COALITION, 308.0027), (GOODS, 247.7273), (APACHE, 1390.845)],
)
def test_first_step_at_half_the_endowment(game, reward):
    rewards, _, _ = play(game, [0.5])
    np.testing.assert_allclose(rewards[0], reward, rtol=4e-7)


@pytest.mark.parametrize(
    ("game", "total"),
    [(APACHE, 5_484_825.9), (COALITION, 421_151.7), (LOYAL, 123_358.8), (GOODS, 182_165.9), (TEAM, 89_390.5)],
)
def test_published_returns_with_everybody_at_fifty(game, total):
    assert returns(game, [1.0])[0] == pytest.approx(total, rel=1e-6)


@pytest.mark.parametrize(
    ("game", "keywords", "step", "best", "total"),
    [
        (TEAM, {}, 0.05, 0.45, 97_111),
        (LOYAL, {}, 0.05, 0.65, 126_209),
        (COALITION, {}, 0.05, 0.65, 436_347),
        (GOODS, {}, 0.05, 0.65, 187_775),
        (APACHE, {"phase": "emergence"}, 0.1, 0.6, 260_355),
    ],
)
def test_best_constant_rate(game, keywords, step, best, total):
    rates = np.round(np.arange(0, 1 + step / 2, step), 2)
    private = returns(game, rates, reward="private", **keywords)
    integrated = returns(game, rates, **keywords)
    assert (rates[private.argmax()], rates[integrated.argmax()]) == (best, best)
    assert integrated.max() == pytest.approx(total, abs=0.5)


def test_a_constant_beats_what_was_trained_on_apache():
    assert returns(APACHE, [0.6])[0] == pytest.approx(5_821_439, abs=0.5)


STAGE = [
    (team_production, {}, 19.85, 22.88, 1.0019),
    (loyalty_team, {}, 19.85, 22.88, 1.0019),
    (coalition_formation, {}, 19.37, 21.43, 1.0010),
    (public_goods, {}, 19.53, 21.99, 1.0013),
    (apache_project, {"phase": "emergence"}, 19.21, 20.77, 1.0006),
]


@pytest.mark.parametrize(("module", "keywords", "nash", "optimum", "ratio"), STAGE)
def test_stage_game(module, keywords, nash, optimum, ratio):
    """20 / (1 - 0.65 / n^2) - 1 admits no better reply, 20 / (1 - 0.65 / n) - 1 maximises the sum."""
    rules = module.V0.params(**keywords).terms()
    n = len(rules.endowment)
    numbers, roles, _ = pack([rules])

    def payoffs(action):
        out = np.zeros(n)
        value.private_payoffs(roles[0], action, numbers[0]["scale"], 0.0, numbers[0]["complementarity"], out)
        return out

    a, b = 20 / (1 - 0.65 / n**2) - 1, 20 / (1 - 0.65 / n) - 1
    assert (a, b) == (pytest.approx(nash, abs=0.005), pytest.approx(optimum, abs=0.005))
    everyone = np.full(n, a)
    replies = np.linspace(0, 50, 501)
    assert max(payoffs(np.r_[r, everyone[1:]])[0] for r in replies) <= payoffs(everyone)[0]
    assert max(payoffs(np.full(n, r)).sum() for r in replies) <= payoffs(np.full(n, b)).sum()
    assert payoffs(np.full(n, b)).sum() / payoffs(everyone).sum() == pytest.approx(ratio, abs=5e-5)
    np.testing.assert_allclose(payoffs(everyone), base_payoffs(rules, everyone), rtol=1e-14)
    found = stage.solutions(rules)
    np.testing.assert_allclose(found.nash, a, atol=1e-7)
    np.testing.assert_allclose(found.optimum, b, atol=1e-7)
    np.testing.assert_allclose(found.integrated, 20 / (1 - 0.65 / n**2 * (1 + 0.55 * (n - 1))) - 1, atol=1e-7)


def test_four_loyal_members_are_four_contributors_and_eight_are_the_first_apache_phase():
    rates = 0.5 + 0.5 * np.sin(np.arange(25)[:, None] + 2 * np.arange(8))
    for mode in MODES:
        loyal, _, _ = play(LOYAL, rates[:, :4], reward=mode)
        goods, _, _ = play(GOODS, rates[:, :4], reward=mode, n_agents=4)
        np.testing.assert_array_equal(loyal, goods)
        loyal, _, _ = play(LOYAL, rates, reward=mode, n_agents=8)
        apache, _, _ = play(APACHE, rates, reward=mode, phase="emergence")
        np.testing.assert_array_equal(loyal, apache)


# -- the multipliers that are paid ------------------------------------------------------------------------------------


def test_team_production_multiplier():
    """0.9 below a rate of 0.2, and nothing else: no bonus, no coordination, loyalty at its start."""
    rates = np.array([[0.19, 0.2, 0.9, 1.0], [0.6, 0.7, 0.8, 0.9]])
    rewards, _, infos = play(TEAM, rates, reward="private")
    rules = team_production.TeamProductionParams().terms()
    for reward, rate, factor in zip(rewards, rates, ([0.9, 1, 1, 1], [1, 1, 1, 1]), strict=True):
        np.testing.assert_allclose(reward, factor * base_payoffs(rules, 50 * rate), rtol=2e-7)
    np.testing.assert_array_equal(infos[-1]["loyalty"], 0.5)


@pytest.mark.parametrize(("game", "extra"), [(LOYAL, 1.0), (GOODS, 1.0), (APACHE, 1.0), (COALITION, 1.1)])
def test_loyal_multipliers(game, extra):
    """Free rider 0.5 below 0.3, bonus 1 + 0.15 q from q = 0.6, coordination 1.2 from 0.5 on; 1.1 for members."""
    module = {LOYAL: loyalty_team, GOODS: public_goods, APACHE: apache_project, COALITION: coalition_formation}[game]
    rules = module.V0.params().terms()
    n = len(rules.endowment)
    for first, others, factors in (
        (0.29, 0.55, (0.5, 1.0)),
        (0.3, 0.6, (1.0, 1.09)),
        (0.5, 0.59, (1.2, 1.2)),
        (0.5, 0.8, (1.2, 1.2 * 1.12)),
    ):
        rate = np.r_[first, np.full(n - 1, others)]
        rewards, _, _ = play(game, [rate], reward="private")
        expected = extra * np.r_[factors[0], np.full(n - 1, factors[1])] * base_payoffs(rules, 50 * rate)
        np.testing.assert_allclose(rewards[0], expected, rtol=2e-7)


def test_bonus_reads_ten_rounds_not_loyalty():
    """Ten rounds at 1 after twenty at 0: q is 1 again while loyalty, 0 before, has reached 0.2."""
    rewards, _, infos = play(LOYAL, [0.0] * 20 + [1.0] * 10, reward="private")
    pi = base_payoffs(loyalty_team.LoyaltyTeamParams().terms(), np.full(4, 50.0))
    np.testing.assert_allclose(rewards[-1], 1.2 * 1.15 * pi, rtol=2e-7)
    np.testing.assert_allclose(infos[-1]["loyalty"], 0.2, atol=1e-12)
    np.testing.assert_allclose(rewards[-6], 1.2 * pi, rtol=2e-7)  # q = 0.5


def test_loyalty_by_hand():
    _, _, infos = play(LOYAL, [0.9] * 10)
    np.testing.assert_allclose(infos[-1]["loyalty"], 0.68, atol=1e-7)
    _, _, infos = play(GOODS, [0.2] * 10)
    np.testing.assert_allclose(infos[-1]["loyalty"], 0.5 - 10 * 0.05 * 0.3, atol=1e-7)


# -- theory -----------------------------------------------------------------------------------------------------------

LEVELS = [  # a*(0), a*(1/2), a*(1), optimum, welfare ratio with effort capped at 50
    (team_production, {}, 34.240, 34.240, 34.240, 3478.6, 1.27),
    (loyalty_team, {}, 34.240, 180.67, 797.59, 3478.6, 1.27),
    (coalition_formation, {}, 5.908, 27.618, 113.76, 2319.0, 3.93),
    (apache_project, {"phase": "emergence"}, 0.8073, 3.642, 13.603, 826.7, 13.7),
    (apache_project, {"phase": "growth"}, 0.1114, 0.5028, 1.878, 927.6, 53.4),
    (apache_project, {"phase": "maturity"}, 0.00292, 0.0132, 0.0492, 638.8, 631),
    (apache_project, {"phase": "evolution"}, 0.00414, 0.0187, 0.0697, 580.0, 489),
]


@pytest.mark.parametrize(("module", "keywords", "nash", "half", "full", "optimum", "ratio"), LEVELS)
def test_levels_of_the_theory(module, keywords, nash, half, full, optimum, ratio):
    """At S* / n no seat can gain; only the sum matters; (omega beta / c)^(1 / (1 - beta)) / n maximises welfare."""
    params = module.V0.params(**keywords)
    rules = params.terms()
    n, p = len(rules.endowment), rules.loyalty
    power = 1 / (1 - p.returns)
    for theta, level in ((0.0, nash), (0.5, half), (1.0, full)):
        gain = (1 + theta * p.benefit) / (1 - theta * p.tolerance)
        total = (p.productivity * p.returns * gain / (n * p.effort_cost)) ** power
        assert total / n == pytest.approx(level, rel=6e-4 if level > 0.1 else 5e-3)
        for split in (np.full(n, total / n), np.r_[total / 2, np.full(n - 1, total / 2 / (n - 1))]):
            own = theory(module, params, split, np.full(n, theta))
            for change in (-0.2, -0.01, 0.01, 0.2):
                moved = split.copy()
                moved[0] += change * total / n
                assert theory(module, params, moved, np.full(n, theta))[0] < own[0]

    def welfare(a):
        return theory(module, params, np.full(n, a), np.zeros(n)).sum()

    best = (p.productivity * p.returns / p.effort_cost) ** power / n
    assert best == pytest.approx(optimum, rel=2e-4)
    assert welfare(best) > max(welfare(best * x) for x in (0.9, 0.99, 1.01, 1.1))
    free_riding = (p.productivity * p.returns / (p.effort_cost * n ** (2 - p.returns))) ** power
    assert free_riding == pytest.approx(nash, rel=5e-3)
    assert welfare(50.0) / welfare(free_riding) == pytest.approx(ratio, rel=5e-3)


@pytest.mark.parametrize(("multiplier", "threshold"), [(2.0, 1.36), (4.0, 0.294)])
def test_contributing_pays_from_the_stated_loyalty_on(multiplier, threshold):
    """theta >= (1 - m / n) / (phi_B m / n + phi_C), with the multiplier's default out of reach."""
    params = public_goods.PublicGoodsParams(multiplier=multiplier)
    exact = (1 - multiplier / 5) / (0.6 * multiplier / 5 + 0.2)
    assert exact == pytest.approx(threshold, abs=5e-3)
    for theta, pays in ((0.99 * exact, False), (1.01 * exact, True)):
        less, more = (theory(public_goods, params, [a, 7, 30, 0, 50], np.full(5, theta))[0] for a in (20, 21))
        assert (more > less) == pays


def test_published_readouts_of_the_theory():
    _, _, infos = play(TEAM, [1.0], info="published")
    assert infos[0]["nash_equilibrium"] == pytest.approx(34.240, abs=5e-4)
    assert infos[0]["social_optimum"] == pytest.approx(3478.6, abs=0.05)
    assert infos[0]["efficiency_ratio"] == pytest.approx(0.014, abs=5e-4)
    _, _, infos = play(GOODS, [0.5, 1.0], info="published")
    # 75 + 0.51 (0.6 * 25 + 0.2 * 25) over 100 + 0.51 (0.6 * 50 + 0.2 * 50)
    assert infos[0]["social_efficiency"] == pytest.approx(85.2 / 120.4, abs=1e-9)
    assert infos[1]["social_efficiency"] == pytest.approx(1.0, abs=1e-12)
    shown = {k: infos[0][k] for k in ("total_contribution", "public_good", "contribution_rate")}
    assert shown == {"total_contribution": 125.0, "public_good": 250.0, "contribution_rate": 0.5}
    low = payoff.multi_agent_vec(GOODS, 1, info="published", multiplier=0.01, phi_B=30.0)
    low.reset(seed=0)
    assert low.step(np.full((1, 5, 1), 50.0))[-1]["social_efficiency"][0] == 0.0  # nothing to be efficient about


# -- keywords ---------------------------------------------------------------------------------------------------------

SHORT = {
    TEAM: {"omega": 12.0, "beta": 0.5, "c": 1.5},
    LOYAL: {"omega": 12.0, "beta": 0.5, "c": 1.5, "phi_B": 0.1, "phi_C": 0.9},
    COALITION: {"omega": 12.0, "beta": 0.5},
    GOODS: {"multiplier": 3.0, "phi_B": 0.1, "phi_C": 0.9},
}


@pytest.mark.parametrize(("game", "name"), [(i, k) for i, d in SHORT.items() for k in d])
def test_keyword_of_the_theory_changes_the_theory_only(game, name):
    n = payoff.multi_agent_vec(game, 1).num_agents
    rates = 0.5 + 0.5 * np.sin(np.arange(20)[:, None] + 2 * np.arange(n))
    for mode in MODES:
        plain, _, before = play(game, rates, reward=mode)
        other, _, after = play(game, rates, reward=mode, **{name: SHORT[game][name]})
        np.testing.assert_array_equal(plain, other)
    assert all((a["theory_payoff"] != b["theory_payoff"]).all() for a, b in zip(before, after, strict=True))


def test_endowment_of_the_public_good():
    rewards, _, infos = play(GOODS, [0.5], endowment=20.0, reward="private")
    rules = public_goods.PublicGoodsParams(endowment=20.0).terms()
    assert (rules.endowment, rules.baseline) == ((20.0,) * 5, (8.0,) * 5)
    np.testing.assert_allclose(rewards[0], 1.2 * base_payoffs(rules, np.full(5, 10.0)), rtol=1e-7)
    # 10 kept, 2 * 10 shared, theta = 0.51
    np.testing.assert_allclose(infos[0]["theory_payoff"], 30 + 0.51 * (0.6 * 10 + 0.2 * 10), rtol=1e-12)


@pytest.mark.parametrize("endowment", [1e-6, 1e12])
def test_extreme_endowments_stay_finite(endowment):
    env = payoff.multi_agent_vec(GOODS, 1, endowment=endowment, info="published")
    env.reset(seed=0)
    for level in (0.0, 0.5, 1.0):
        obs, reward, _, _, info = env.step(np.full((1, 5, 1), level * endowment))
        assert np.isfinite(obs).all() and np.isfinite(reward).all() and (obs <= 1).all()
        assert all(np.isfinite(v).all() for v in info.values() if isinstance(v, np.ndarray))


@pytest.mark.parametrize(
    ("game", "length", "size"), [(TEAM, 100, 53), (LOYAL, 100, 53), (COALITION, 150, 115), (GOODS, 100, 81)]
)
def test_size_and_horizon(game, length, size):
    env = payoff.multi_agent_vec(game, 1, observe="published")
    assert (env.max_steps, env.obs_size) == (length, size)
    assert payoff.multi_agent_vec(game, 1, n_agents=3, observe="published").obs_size == 3 + 3 * 9 + 1
    for steps in (1, 7):
        _, flags, _ = play(game, [0.6] * steps, max_steps=steps)
        assert flags.tolist() == [[False, False]] * (steps - 1) + [[False, True]]


def test_published_defaults():
    def defaults(module):
        params = module.V0.params()
        return {name: getattr(params, name) for name in params.names()}

    assert defaults(team_production) == {"n_agents": 4, "omega": 25, "beta": 0.7, "c": 1, "max_steps": 100}
    assert defaults(coalition_formation) == {
        "n_agents": 6,
        "min_coalition_size": 3,
        "exit_threshold": 0.15,
        "reentry_cooldown": 5,
        "omega": 25,
        "beta": 0.7,
        "max_steps": 150,
    }
    assert defaults(apache_project) == {"phase": "maturity", "max_steps": 60}
    assert defaults(public_goods) == {
        "n_agents": 5,
        "multiplier": 2,
        "endowment": 50,
        "phi_B": 0.6,
        "phi_C": 0.2,
        "max_steps": 100,
    }


@pytest.mark.parametrize(
    ("game", "name", "bad"),
    [
        *((i, "n_agents", bad) for i in (TEAM, COALITION, GOODS) for bad in (1, 0, 2.5, True, "4")),
        *((i, "max_steps", bad) for i in (TEAM, COALITION, GOODS, APACHE) for bad in (0, -1, 1.5, None)),
        *((i, "omega", bad) for i in (TEAM, COALITION) for bad in (0.0, -1.0, np.inf, np.nan)),
        *((i, "beta", bad) for i in (TEAM, COALITION) for bad in (0.0, 1.1, np.nan, "0.7")),
        *((TEAM, "c", bad) for bad in (0.0, -1.0, np.nan)),
        *((GOODS, "multiplier", bad) for bad in (0.0, -1.0, np.inf)),
        *((GOODS, "endowment", bad) for bad in (0.0, -5.0, 1e-300, np.inf, np.nan)),
        *((GOODS, "phi_B", bad) for bad in (-0.1, np.nan)),
        *((GOODS, "phi_C", bad) for bad in (-0.1, 1.0)),
        *((COALITION, "min_coalition_size", bad) for bad in (0, 7, 2.0)),
        *((COALITION, "exit_threshold", bad) for bad in (-0.1, 1.1, np.nan)),
        *((COALITION, "reentry_cooldown", bad) for bad in (-1, 2.5)),
    ],
)
def test_bad_keyword_is_named(game, name, bad):
    with pytest.raises(ValueError, match=rf"^{name} must be .*got ") as caught:
        payoff.multi_agent_vec(game, 1, **{name: bad})
    assert str(caught.value).endswith(repr(bad))


@pytest.mark.parametrize(
    ("game", "name"),
    [(TEAM, "phi_B"), (COALITION, "c"), (COALITION, "phi_C"), (APACHE, "n_agents"), (GOODS, "beta"), (GOODS, "config")],
)
def test_keyword_that_the_game_lacks(game, name):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        payoff.multi_agent_vec(game, 1, **{name: 1})
