"""Games of TR-4: published returns, sensitivities, and what the multiplier does, for whom, and for how long."""

import numpy as np
import pytest

import payoff
from payoff.envs.coopetition import (
    apple_app_store,
    gift_exchange,
    graduated_sanction,
    indirect_reciprocity,
    reciprocal_dilemma,
)
from payoff.envs.coopetition.rules import TrustParams, ValueParams
from tests.coopetition import stage

DILEMMA, GIFT, INDIRECT = "payoff/ReciprocalDilemma-v0", "payoff/GiftExchange-v0", "payoff/IndirectReciprocity-v0"
SANCTION, APPLE = "payoff/GraduatedSanction-v0", "payoff/AppleAppStore-v0"
MODULES = {
    DILEMMA: reciprocal_dilemma,
    GIFT: gift_exchange,
    INDIRECT: indirect_reciprocity,
    SANCTION: graduated_sanction,
    APPLE: apple_app_store,
}
MEMORY = {DILEMMA: 5, GIFT: 3, INDIRECT: 7, SANCTION: 10, APPLE: 4}
WITH_TRUST = (DILEMMA, GIFT, INDIRECT, SANCTION)
games = pytest.mark.parametrize("game", MODULES)


def rules(game, **keywords):
    return MODULES[game].V0.params(**keywords).terms()


def play(game, rates, **keywords):
    """Rates (T, N), or (T,) for everybody, in one copy: rewards (T, N), and what info holds, by key (T, ...)."""
    env = payoff.multi_agent_vec(game, 1, autoreset_mode="disabled", info="published", **keywords)
    env.reset(seed=0)
    most = env.action_high[:, 0]
    rewards, infos = [], []
    for rate in rates:
        _, reward, terminated, _, info = env.step((np.broadcast_to(rate, most.shape) * most)[None, :, None])
        assert not terminated[0]
        rewards.append(reward[0])
        infos.append(info)
    keys = [k for k, v in infos[0].items() if isinstance(v, np.ndarray)]
    return np.array(rewards), {k: np.array([info[k][0] for info in infos]) for k in keys}


def returns(game, rates, **keywords):
    """Sum over seats and steps of an episode at each constant rate."""
    env = payoff.multi_agent_vec(game, len(rates), autoreset_mode="disabled", info="minimal", **keywords)
    env.reset(seed=0)
    actions = np.asarray(rates)[:, None, None] * env.action_high
    return sum(env.step(actions)[1].sum(axis=1) for _ in range(env.max_steps))


def base_payoffs(game, actions):
    """pi of TR-1 for actions (T, N), written out again."""
    r = rules(game)
    synergy = 0.65 * np.prod(actions, axis=1, keepdims=True) ** (1 / len(r.endowment))
    return np.array(r.endowment) - actions + 20 * np.log1p(actions) + np.array(r.share) * synergy


def multipliers(game, rates, **keywords):
    """Multiplier of each seat at each step (T, N)."""
    _, info = play(game, rates, **keywords)
    return info["payoff"] / base_payoffs(game, info["actions"])


# -- published numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("game", "reward"),
    [
        (DILEMMA, 185.3907),
        (GIFT, (172.0122, 185.4055)),
        (INDIRECT, 229.1817),
        (SANCTION, 265.2635),
        (APPLE, (175.0467, 205.4730, 191.8110)),
    ],
)
def test_first_step_at_half_the_endowment(game, reward):
    rewards, _ = play(game, [0.5])
    np.testing.assert_allclose(rewards[0], np.broadcast_to(reward, rewards[0].shape), rtol=4e-7)


@pytest.mark.parametrize(
    ("game", "step", "private", "integrated", "best", "full"),
    [
        (DILEMMA, 0.05, 0.30, 0.35, 43_749, 36_880),
        (GIFT, 0.05, 0.30, 0.35, 42_402, 36_416),
        (INDIRECT, 0.05, 0.25, 0.35, 184_846, 140_951),
        (SANCTION, 0.1, 0.2, 0.5, 436_054, 335_485),
        (APPLE, 0.05, 0.30, 0.35, 44_874, 36_717),
    ],
)
def test_best_constant_rate(game, step, private, integrated, best, full):
    rates = np.round(np.arange(0, 1 + step / 2, step), 2)
    total = returns(game, rates)
    assert rates[returns(game, rates, reward="private").argmax()] == private
    assert rates[total.argmax()] == integrated
    # whole numbers, of rewards in single precision
    np.testing.assert_allclose((total.max(), total[-1]), (best, full), rtol=1e-6, atol=0.5)


@pytest.mark.parametrize(
    ("game", "nash", "optimum", "ratio"),
    [
        (DILEMMA, 22.88, 28.63, 1.0029),
        (GIFT, 22.88, 28.63, 1.0031),
        (INDIRECT, 19.85, 22.88, 1.0012),
        (SANCTION, 19.37, 21.43, 1.0006),
        (APPLE, 20.56, 24.53, 1.0022),
    ],
)
def test_stage_game(game, nash, optimum, ratio):
    """Best replies and welfare of pi settle at 20 / (1 - 0.65 / n^2) - 1 and 20 / (1 - 0.65 / n) - 1."""
    r = rules(game)
    n, found, sums = len(r.endowment), stage.solutions(r), stage.Stage.of(r).welfare
    np.testing.assert_allclose(found.nash, 20 / (1 - 0.65 / n**2) - 1, atol=1e-7)
    np.testing.assert_allclose(found.optimum, 20 / (1 - 0.65 / n) - 1, atol=1e-7)
    np.testing.assert_allclose([found.nash[0], found.optimum[0]], [nash, optimum], atol=0.005)
    assert sums(found.optimum) / sums(found.nash) == pytest.approx(ratio, abs=5e-5)


@games
def test_no_deviation_pays_in_the_game_itself(game):
    """After a round at the same levels the multiplier reads the deviation of others only, so pi alone decides."""
    r = rules(game)
    nash = stage.solutions(r).nash
    n, levels = len(nash), 41
    actions = np.tile(nash, (1 + n * levels, 1))
    for i, most in enumerate(r.endowment):
        actions[1 + i * levels : 1 + (i + 1) * levels, i] = np.linspace(0, most, levels)
    env = payoff.multi_agent_vec(game, len(actions), reward="private")
    env.reset(seed=0)
    env.step(np.broadcast_to(nash[None, :, None], (len(actions), n, 1)))
    got = env.step(actions[:, :, None])[1]
    for i in range(n):
        assert (got[1 + i * levels : 1 + (i + 1) * levels, i] <= got[0, i] + 1e-9).all()


SENSITIVITY = [
    (DILEMMA, [[0, 0.5], [0.5, 0]]),
    (GIFT, [[0, 0.3036], [0.7028, 0]]),
    (INDIRECT, 0.32 * (1 - np.eye(4))),
    (SANCTION, 0.1242 * (1 - np.eye(6))),
    (APPLE, [[0, 0.2358, 0.1450], [0.7651, 0, 0.1026], [0.8228, 0.0631, 0]]),
]
WEIGHT = {  # lambda_R, omega_R
    DILEMMA: (1.0, 0.6),
    GIFT: (1.2, 0.8),
    INDIRECT: (1.5, 0.5),
    SANCTION: (1.8, 1.0),
    APPLE: (1.0, 0.8),
}


@pytest.mark.parametrize(("game", "rho"), SENSITIVITY)
def test_sensitivities(game, rho):
    """In round 1 at full contribution the signal is the raw action and its tanh 1: the terms show rho."""
    _, info = play(game, [1.0])
    weight, dependency_weight = WEIGHT[game]
    depend = rules(game).depend
    found = info["reciprocity_effects"][0] / (weight * info["trust"][0] * (1 + dependency_weight * depend))
    np.testing.assert_allclose(found, rho, atol=5e-5)
    effect = info["reciprocity_effects"][0].sum(axis=1) / np.mean(rules(game).endowment)
    np.testing.assert_allclose(multipliers(game, [1.0])[0], 1 + effect, rtol=1e-7)


@pytest.mark.parametrize(
    ("game", "percent"),
    [(DILEMMA, (0.65, 0.65)), (GIFT, (0.53, 1.46)), (INDIRECT, [1.73] * 4), (SANCTION, [1.51] * 6)],
)
def test_largest_change_of_a_reward(game, percent):
    """Under full trust, when all the others turn as far as they can."""
    found = multipliers(game, [1.0], trust_params=TrustParams(enabled=False))
    np.testing.assert_allclose(100 * (found[0] - 1), percent, atol=0.005)


def test_largest_change_of_a_reward_in_the_app_store():
    """Its trust is 0.6 + 0.1 (1 - 0.6) = 0.64 after a round of full contribution."""
    _, info = play(APPLE, [1.0])
    np.testing.assert_allclose(info["trust"][0][~np.eye(3, dtype=bool)], 0.64, atol=1e-9)
    found = (multipliers(APPLE, [1.0])[0] - 1) / 0.64
    np.testing.assert_allclose(100 * found, (0.58, 1.71, 1.81), atol=0.005)


# -- memory ----------------------------------------------------------------------------------------------------------


@games
def test_memory_is_the_mean_of_the_last_rounds_this_one_included(game):
    n = len(rules(game).endowment)
    rates = np.random.default_rng(0).random((25, n), dtype=np.float32).astype(float)
    _, info = play(game, rates)
    for t in range(1, 26):
        length = min(MEMORY[game], t - 1)
        mean = info["actions"][t - length : t].mean(axis=0) if length else np.zeros(n)
        np.testing.assert_allclose(info["memory_average"][t - 1], mean, atol=2e-5)
        np.testing.assert_allclose(info["cooperation_signals"][t - 1], info["actions"][t - 1] - mean, atol=2e-5)
    assert (info["tr4_memory_window"] == MEMORY[game]).all()


@games
def test_memory_is_averaged_in_single_precision_as_published(game):
    """numpy's mean of a float32 array, to the last bit: it adds in pairs from eight rounds on."""
    n = len(rules(game).endowment)
    rates = np.random.default_rng(1).random((25, n), dtype=np.float32).astype(float)
    _, info = play(game, rates)
    for t in range(2, 26):
        rounds = info["actions"][t - min(MEMORY[game], t - 1) : t].astype(np.float32)
        means = [np.mean(np.ascontiguousarray(rounds[:, i])) for i in range(n)]
        np.testing.assert_array_equal(info["memory_average"][t - 1], means)


@games
def test_constant_play_pays_nothing_extra_from_round_2_on(game):
    found = multipliers(game, [0.3] * 15)
    assert (found[0] > 1.0001).all()
    np.testing.assert_allclose(found[1:], 1.0, rtol=1e-7)


@games
def test_signal_of_round_2_is_zero_whatever_happens(game):
    _, info = play(game, [0.1, 0.9, 0.9])
    np.testing.assert_array_equal(info["cooperation_signals"][1], 0.0)
    np.testing.assert_allclose(multipliers(game, [0.1, 0.9])[1], 1.0, rtol=1e-7)


@games
def test_the_victims_of_a_defection_lose_and_the_defector_does_not(game):
    """Seat 1 stops contributing after five rounds of equal play; only the multipliers of the others fall."""
    n = len(rules(game).endowment)
    rates = np.full((6, n), 0.2)
    rates[5, 1] = 0.01
    found = multipliers(game, rates)[5]
    assert found[1] == pytest.approx(1.0, abs=1e-7)
    assert (np.delete(found, 1) < 1 - 5e-6).all()


def test_the_answer_to_lasting_defection_fades():
    """GraduatedSanction: memory falls with the action, and after ten rounds nothing is left of the sanction."""
    rates = np.full((32, 6), 0.5)
    rates[12:, 0] = 0.05
    _, info = play(SANCTION, rates)
    signal = info["cooperation_signals"][12:, 0]
    # mean of k new and 10 - k old rounds: -45 (10 - k) / 10
    np.testing.assert_allclose(signal[:10], -4.5 * np.arange(9, -1, -1), atol=1e-4)
    np.testing.assert_allclose(signal[10:], 0.0, atol=1e-4)
    victims = multipliers(SANCTION, rates)[12:, 1]
    assert victims[0] < 1 and (np.diff(victims) >= -1e-9).all()
    np.testing.assert_allclose(victims[9:], 1.0, rtol=1e-6)


# -- start, end, and a clean second episode --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("game", "endowment", "baseline", "trust", "steps", "size"),
    [
        (DILEMMA, (100, 100), (30, 30), 0.5, 100, 15),
        (GIFT, (100, 80), (30, 24), 0.5, 100, 15),
        (INDIRECT, (100,) * 4, (30,) * 4, 0.5, 150, 53),
        (SANCTION, (100,) * 6, (40,) * 6, 0.5, 200, 115),
        (APPLE, (100, 80, 60), (30, 24, 18), 0.6, 66, 31),
    ],
)
def test_start(game, endowment, baseline, trust, steps, size):
    env = payoff.multi_agent_vec(game, 1, observe="published", info="published")
    obs, info = env.reset(seed=0)
    n = len(endowment)
    assert env.max_steps == steps and obs.shape == (1, n, size)
    assert env.action_high[:, 0].tolist() == list(endowment)
    np.testing.assert_allclose(obs[0, :, :n], np.broadcast_to(baseline, (n, n)))
    np.testing.assert_allclose(obs[0, 0, n : n + n * n].reshape(n, n), np.where(np.eye(n), 1, trust), rtol=1e-6)
    np.testing.assert_allclose(obs[0, 0, -1 - n * n : -1].reshape(n, n), rules(game).depend, rtol=1e-6)
    for key in ("memory_average", "cooperation_signals", "reciprocity_effects", "reputation_damage"):
        np.testing.assert_array_equal(info[key], 0.0)


@games
@pytest.mark.parametrize("steps", [1, 9])
def test_horizon(game, steps):
    env = payoff.multi_agent_vec(game, 1, max_steps=steps, autoreset_mode="disabled")
    env.reset(seed=0)
    flags = [env.step(0.0 * env.action_high[None])[2:4] for _ in range(steps)]
    assert [(bool(a[0]), bool(b[0])) for a, b in flags] == [(False, False)] * (steps - 1) + [(False, True)]


@games
def test_nothing_leaks_into_the_next_episode(game):
    """Memory, trust and damage of an episode leave no trace, in the array view and in PettingZoo's."""
    n = len(rules(game).endowment)
    rates = np.random.default_rng(2).random((12, n), dtype=np.float32)
    many, parallel = payoff.multi_agent_vec(game, 2), payoff.parallel_env(game)
    agents = parallel.possible_agents
    episodes = []
    for _ in range(2):
        rounds = [many.reset()[0][1].astype(float)]
        parallel.reset()
        for rate in rates.astype(float):
            action = rate * many.action_high[:, 0]
            obs, reward, _, _, info = many.step(np.broadcast_to(action[None, :, None], (2, n, 1)))
            rounds += [obs[1], reward[1], info["memory_average"][1], info["trust"][1]]
            _, single, _, _, _ = parallel.step({a: action[i : i + 1] for i, a in enumerate(agents)})
            np.testing.assert_array_equal(list(single.values()), reward[1])
        episodes.append(rounds)
    for x, y in zip(*episodes, strict=True):
        np.testing.assert_array_equal(x, y)


# -- keywords --------------------------------------------------------------------------------------------------------


@games
def test_published_defaults(game):
    params = MODULES[game].V0.params()
    assert params.value_params == ValueParams(scale=20.0, complementarity=0.65)
    if game == APPLE:
        assert params.names() == ("max_steps", "value_params")
    else:
        assert params.names() == ("max_steps", "value_params", "trust_params")
        assert params.trust_params == TrustParams(
            trust_gain=0.1,
            trust_loss=0.3,
            damage_gain=0.6,
            damage_decay=0.03,
            amplification=0.5,
            trust_slope=1.0,
            initial_trust=0.5,
            initial_damage=0.0,
        )


@games
def test_value_params(game):
    """At constant play from round 2 on, payoffs are pi with the given numbers."""
    _, info = play(game, [0.4] * 3, value_params=ValueParams(scale=7.0, complementarity=0.2))
    r, a = rules(game), info["actions"][-1]
    synergy = 0.2 * np.prod(a) ** (1 / len(a))
    expected = np.array(r.endowment) - a + 7 * np.log1p(a) + np.array(r.share) * synergy
    np.testing.assert_allclose(info["payoff"][-1], expected, rtol=1e-7)


@pytest.mark.parametrize("game", WITH_TRUST)
def test_trust_params(game):
    numbers = TrustParams(trust_gain=0.4, initial_trust=0.2, initial_damage=0.1, damage_decay=0.5)
    _, info = play(game, [1.0], trust_params=numbers)
    off = ~np.eye(len(info["trust"][0]), dtype=bool)
    np.testing.assert_allclose(info["trust"][0][off], 0.2 + 0.4 * (0.9 - 0.2), atol=1e-9)
    np.testing.assert_allclose(info["reputation_damage"][0][off], 0.05, atol=1e-9)


@pytest.mark.parametrize(
    ("game", "name", "bad", "kind"),
    [
        *((g, "value_params", bad, "ValueParams") for g in MODULES for bad in (None, {"scale": 20.0}, TrustParams())),
        *((g, "trust_params", bad, "TrustParams") for g in WITH_TRUST for bad in (None, 0.5, ValueParams())),
    ],
)
def test_record_of_another_type(game, name, bad, kind):
    with pytest.raises(TypeError, match=f"{name} must be a {kind}, got {type(bad).__name__}"):
        payoff.multi_agent_vec(game, 1, **{name: bad})


@games
@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "10", None])
def test_bad_horizon(game, bad):
    with pytest.raises(ValueError, match=r"max_steps must be an integer at least 1, got ") as caught:
        payoff.multi_agent_vec(game, 1, max_steps=bad)
    assert str(caught.value).endswith(repr(bad))


@pytest.mark.parametrize(
    ("game", "name"),
    [*((g, name) for g in MODULES for name in ("n_agents", "endowments", "tr4_params")), (APPLE, "trust_params")],
)
def test_keyword_that_the_game_lacks(game, name):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        payoff.multi_agent_vec(game, 1, **{name: 3})
