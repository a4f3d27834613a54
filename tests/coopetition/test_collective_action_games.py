"""Games of TR-3: published returns, closed forms of the theory, membership of the coalition, keywords."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs.coopetition import apache_project, coalition_formation, loyalty_team, public_goods, team_production
from payoff.envs.coopetition.packing import pack
from payoff.envs.core import loyalty, value
from tests.coopetition import stage

TEAM, LOYAL, COALITION = "payoff/TeamProduction-v0", "payoff/LoyaltyTeam-v0", "payoff/CoalitionFormation-v0"
APACHE, GOODS = "payoff/ApacheProject-v0", "payoff/PublicGoods-v0"
PHASES = ("emergence", "growth", "maturity", "evolution")
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
    numbers, seats, _, _ = pack([module.rules(params)])
    out = np.zeros(len(action))
    loyalty.theory_payoffs(numbers[0], seats[0], np.asarray(action, float)[:, None], np.asarray(theta, float), out)
    return out


# -- published numbers -----------------------------------------------------------------------------------------------


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
    rules = module.rules(module.V0.params(**keywords))
    n = len(rules.endowment)
    numbers, seats, _, _ = pack([rules])

    def payoffs(action):
        out = np.zeros(n)
        value.private_payoffs(seats[0], action[:, None], numbers[0]["scale"], numbers[0]["complementarity"], out)
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


# -- the multipliers that are paid -----------------------------------------------------------------------------------


def test_team_production_multiplier():
    """0.9 below a rate of 0.2, and nothing else: no bonus, no coordination, loyalty at its start."""
    rates = np.array([[0.19, 0.2, 0.9, 1.0], [0.6, 0.7, 0.8, 0.9]])
    rewards, _, infos = play(TEAM, rates, reward="private")
    rules = team_production.rules(team_production.TeamProductionParams())
    for reward, rate, factor in zip(rewards, rates, ([0.9, 1, 1, 1], [1, 1, 1, 1]), strict=True):
        np.testing.assert_allclose(reward, factor * base_payoffs(rules, 50 * rate), rtol=2e-7)
    np.testing.assert_array_equal(infos[-1]["loyalty"], 0.5)


@pytest.mark.parametrize(("game", "extra"), [(LOYAL, 1.0), (GOODS, 1.0), (APACHE, 1.0), (COALITION, 1.1)])
def test_loyal_multipliers(game, extra):
    """Free rider 0.5 below 0.3, bonus 1 + 0.15 q from q = 0.6, coordination 1.2 from 0.5 on; 1.1 for members."""
    module = {LOYAL: loyalty_team, GOODS: public_goods, APACHE: apache_project, COALITION: coalition_formation}[game]
    rules = module.rules(module.V0.params())
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
    pi = base_payoffs(loyalty_team.rules(loyalty_team.LoyaltyTeamParams()), np.full(4, 50.0))
    np.testing.assert_allclose(rewards[-1], 1.2 * 1.15 * pi, rtol=2e-7)
    np.testing.assert_allclose(infos[-1]["loyalty"], 0.2, atol=1e-12)
    np.testing.assert_allclose(rewards[-6], 1.2 * pi, rtol=2e-7)  # q = 0.5


def test_loyalty_by_hand():
    _, _, infos = play(LOYAL, [0.9] * 10)
    np.testing.assert_allclose(infos[-1]["loyalty"], 0.68, atol=1e-7)
    _, _, infos = play(GOODS, [0.2] * 10)
    np.testing.assert_allclose(infos[-1]["loyalty"], 0.5 - 10 * 0.05 * 0.3, atol=1e-7)


# -- theory ----------------------------------------------------------------------------------------------------------

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
    rules = module.rules(params)
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


# -- the coalition ---------------------------------------------------------------------------------------------------


def members(infos):
    return np.array([info["members"] for info in infos])


def test_zero_effort_excludes_at_step_14_and_three_stay():
    """0.5 - 14 * 0.025 ties with 0.15; float32 decides. Lower indices go first, and then the minimum protects."""
    _, flags, infos = play(COALITION, [0.0] * 150)
    inside = members(infos)
    assert inside.dtype == bool and inside[:13].all()
    np.testing.assert_array_equal(inside[13:], np.tile([0, 0, 0, 1, 1, 1], (137, 1)))
    assert infos[13]["loyalty"][0] == pytest.approx(0.15, abs=1e-6)
    assert not flags[:, 0].any() and flags[:, 1].tolist() == [False] * 149 + [True]


def test_membership_multipliers():
    """0.5 for the excluded, 1.1 for members, against a game that never excludes."""
    rates = np.tile([0.0, 0.5, 0.5, 0.5, 0.5, 0.5], (20, 1))
    played, _, infos = play(COALITION, rates)
    never, _, _ = play(COALITION, rates, exit_threshold=0.0)
    assert members(infos)[:, 0].tolist() == [True] * 13 + [False] * 7
    np.testing.assert_array_equal(played[:13], never[:13])
    np.testing.assert_allclose(played[13:, 0] / never[13:, 0], 0.5 / 1.1, rtol=1e-12)
    np.testing.assert_array_equal(played[:, 1:], never[:, 1:])  # the excluded count for the others as before


@pytest.mark.parametrize(("cooldown", "outside"), [(0, 0), (1, 0), (2, 1), (5, 4), (12, 11)])
def test_cooldown_is_one_step_shorter_than_it_says(cooldown, outside):
    """Loyalty 0.425 after three steps, out below 0.44 and back above 0.4, so that the cooldown alone decides."""
    rates = np.full((30, 6), 0.9)
    rates[:3, 0] = 0.0
    # with nothing to wait for, the seat is excluded and taken back until its loyalty is above the threshold
    _, _, infos = play(COALITION, rates, exit_threshold=0.44, reentry_cooldown=cooldown)
    assert members(infos)[:, 0].tolist() == [True] * 2 + [False] * outside + [True] * (28 - outside)
    assert members(infos)[:, 1:].all()


@pytest.mark.parametrize(("cooldown", "threshold", "back"), [(5, 0.15, 27), (14, 0.15, 27), (20, 0.15, 33)])
def test_return_takes_loyalty_of_two_fifths(cooldown, threshold, back):
    """Out at step 14 with 0.15; at full effort 0.39 at step 26 and 0.41 at step 27."""
    rates = np.ones((40, 6))
    rates[:14, 0] = 0.0
    _, _, infos = play(COALITION, rates, reentry_cooldown=cooldown, exit_threshold=threshold)
    assert np.flatnonzero(~members(infos)[:, 0]).tolist() == list(range(13, back - 1))
    _, _, infos = play(COALITION, rates, reentry_cooldown=1, exit_threshold=0.29)
    # out at step 9 with 0.275; at step 14 it has 0.15 as well, so it is back at step 27, whatever the threshold
    assert np.flatnonzero(~members(infos)[:, 0]).tolist() == list(range(8, 26))


def test_who_returns_goes_to_the_end_of_the_list():
    """With room for one exclusion, seat 0 is taken first; once it has been out, seat 1 is."""
    rates = np.ones((63, 4))
    rates[:3, 0] = 0.0
    rates[40:] = 0.0  # at step 63 all fall to 0.425
    keywords = {"n_agents": 4, "min_coalition_size": 3, "exit_threshold": 0.44, "reentry_cooldown": 2}
    _, _, infos = play(COALITION, rates, **keywords)
    assert np.flatnonzero(~members(infos)[:, 0]).tolist() == [2]
    assert infos[39]["loyalty"].tolist() == [1.0] * 4
    assert members(infos)[-1].tolist() == [True, False, True, True]
    rates[:3] = 1.0
    _, _, infos = play(COALITION, rates, **keywords)
    assert members(infos)[-1].tolist() == [False, True, True, True]


@pytest.mark.parametrize("minimum", [1, 3, 6])
def test_coalition_keeps_its_minimum(minimum):
    rng = np.random.default_rng(minimum)
    env = payoff.multi_agent_vec(COALITION, 20, min_coalition_size=minimum, exit_threshold=0.4, reentry_cooldown=3)
    env.reset(seed=0)
    smallest = 6
    for t in range(149):
        # a stretch of hardly any effort, then anything
        actions = rng.uniform(0, 5 if t < 40 else 50, (20, 6, 1))
        _, _, terminated, _, info = env.step(actions)
        assert not terminated.any()
        smallest = min(smallest, info["members"].sum(axis=1).min())
    assert smallest == minimum


def test_coalition_shows_who_is_in():
    env = payoff.multi_agent_vec(COALITION, 1, info="published")
    env.reset(seed=0)
    for _ in range(14):
        obs, *_, info = env.step(np.zeros((1, 6, 1)))
    names = env.engine.plan.names
    shown = {name: obs[0, 0, names.index(name)] for name in ("member[0]", "timer[0]", "member[3]", "rank[3]")}
    assert shown == {"member[0]": 0.0, "timer[0]": pytest.approx(4 / 5), "member[3]": 1.0, "rank[3]": 0.0}
    assert info["coalition_size"][0] == 3 and info["coalition_stability"][0] == 0.5
    np.testing.assert_array_equal(info["excluded_agents"], ~info["coalition_members"])


# -- Apache ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "n", "start", "cap", "omega", "expected", "size"),
    [
        ("emergence", 8, 0.50, 1.00, 20, 35, 201),
        ("growth", 15, 0.425, 0.85, 25, 30, 691),
        ("maturity", 40, 0.35, 0.70, 30, 22, 4841),
        ("evolution", 35, 0.30, 0.60, 28, 18, 3711),
    ],
)
def test_apache_phases(phase, n, start, cap, omega, expected, size):
    env = payoff.multi_agent_vec(APACHE, 1, phase=phase, info="published", observe="published")
    _, info = env.reset(seed=0)
    assert (env.num_agents, env.obs_size, env.max_steps) == (n, size, 60)
    np.testing.assert_allclose(info["loyalty"], start, atol=1e-12)
    assert (info["effort_deviation"][0], info["validation_accuracy"][0]) == (0.0, 1.0)
    for _ in range(60):
        _, _, terminated, truncated, info = env.step(np.full((1, n, 1), 50.0))
    np.testing.assert_allclose(info["loyalty"], min(cap, start + 60 * 0.02), atol=1e-12)
    assert (terminated[0], truncated[0]) == (False, True)
    shown = {k: info[k][0] for k in ("phase_loyalty", "expected_effort", "team_output")}
    assert shown == {
        "phase_loyalty": cap,
        "expected_effort": expected,
        "team_output": pytest.approx(omega * 50**0.7 * n**0.7),
    }
    assert info["effort_deviation"][0] == pytest.approx((50 - expected) / expected)
    assert info["validation_accuracy"][0] == pytest.approx(max(0.0, 1 - (50 - expected) / expected))


@pytest.mark.parametrize("phase", ["Maturity", "maturation", "", None, 2, ("growth",)])
def test_unknown_phase(phase):
    with pytest.raises(ValueError, match="'emergence', 'growth', 'maturity', 'evolution', got") as caught:
        gym.make(APACHE, phase=phase)
    assert "phase must be one of" in str(caught.value) and repr(phase) in str(caught.value)


def test_phases_do_not_share_a_batch():
    with pytest.raises(ValueError, match="same number of agents"):
        payoff.multi_agent_vec(APACHE, 2, phase=["growth", "maturity"])


# -- every view starts clean -----------------------------------------------------------------------------------------

SMALL = [(TEAM, {}), (LOYAL, {}), (COALITION, {}), (GOODS, {}), (APACHE, {"phase": "emergence"})]


def _multi(game, rates, keywords):
    env = payoff.multi_agent_vec(game, 1, **keywords)

    def episode():
        _, info = env.reset()
        out = [info["loyalty"][0]]
        for rate in rates:
            _, reward, terminated, truncated, info = env.step(rate[None, :, None] * env.action_high)
            out += [reward[0], info["loyalty"][0], terminated, truncated]
        return out

    return episode


def _vector(game, rates, keywords):
    env = gym.make_vec(
        game,
        num_envs=1,
        vectorization_mode="vector_entry_point",
        control="joint",
        **keywords,
    )

    def episode():
        _, info = env.reset()
        out = [info["loyalty"][0]]
        for rate in rates:
            _, _, terminated, truncated, info = env.step(rate[None] * env.single_action_space.high)
            out += [info["rewards"][0], info["loyalty"][0], terminated, truncated]
        return out

    return episode


def _gymnasium(game, rates, keywords):
    env = gym.make(game, control="joint", disable_env_checker=True, **keywords)

    def episode():
        _, info = env.reset()
        out = [info["loyalty"]]
        for rate in rates:
            _, _, terminated, truncated, info = env.step(rate * env.action_space.high)
            out += [info["rewards"], info["loyalty"], [terminated], [truncated]]
        return out

    return episode


def _parallel(game, rates, keywords):
    env = payoff.parallel_env(game, **keywords)

    def episode():
        _, infos = env.reset()
        agents = env.possible_agents
        out = [[infos[a]["loyalty"] for a in agents]]
        for rate in rates:
            spaces = [env.action_space(a) for a in agents]
            actions = {a: np.float32(r) * s.high for a, r, s in zip(agents, rate, spaces, strict=True)}
            _, reward, terminated, truncated, infos = env.step(actions)
            out += [list(reward.values()), [infos[a]["loyalty"] for a in agents]]
            out += [[any(terminated.values())], [any(truncated.values())]]
        return out

    return episode


def _aec(game, rates, keywords):
    env = payoff.aec_env(game, **keywords).unwrapped

    def episode():
        env.reset()
        out = [[env.infos[a]["loyalty"] for a in env.possible_agents]]
        for rate in rates:
            for i, agent in enumerate(env.possible_agents):
                env.step(np.float32(rate[i]) * env.action_space(agent).high)
            out += [list(env.rewards.values()), [env.infos[a]["loyalty"] for a in env.possible_agents]]
            out += [[any(env.terminations.values())], [any(env.truncations.values())]]
        return out

    return episode


@pytest.mark.parametrize("view", [_multi, _vector, _gymnasium, _parallel, _aec], ids=lambda v: v.__name__[1:])
@pytest.mark.parametrize(("game", "keywords"), SMALL)
def test_nothing_leaks_into_the_next_episode(game, keywords, view):
    """Twenty steps without effort, twice: the same rewards, loyalty and flags."""
    n = payoff.multi_agent_vec(game, 1, **keywords).num_agents
    episode = view(game, np.zeros((20, n)), keywords)
    first, second = episode(), episode()
    for x, y in zip(first, second, strict=True):
        np.testing.assert_array_equal(x, y)
    if game != TEAM:
        assert np.max(first[-3]) < np.max(first[0])  # there was something to leak


# -- keywords --------------------------------------------------------------------------------------------------------

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
    rules = public_goods.rules(public_goods.PublicGoodsParams(endowment=20.0))
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
