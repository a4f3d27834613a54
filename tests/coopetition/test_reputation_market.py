"""ReputationMarket: scores, tiers, and the noise on what is seen."""

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
CLOSE = {"rtol": 0, "atol": 6e-7}


def rules(game, **kwargs):
    return MODULES[game].V0.params(**kwargs).terms()


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
