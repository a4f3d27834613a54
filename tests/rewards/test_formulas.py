"""Every layer against its formula, written with numpy from what happened, in games with and without trust."""

import numpy as np
import pytest

import payoff
from payoff.envs.core.params import pack
from payoff.envs.core.rule import Happened
from payoff.rewards import (
    SVO,
    Cooperative,
    InequityAversion,
    Integrated,
    Mutuality,
    PerAgent,
    Private,
    PublishedCooperative,
    SelfInterest,
    SVOAngle,
    TrustIntegrated,
    TrustReciprocal,
)

TEAM, PAIR, CROWD = "payoff/LoyaltyTeam-v0", "payoff/SLCD-v0", "payoff/Congestion-v0"


def others_mean(pi):
    n = pi.shape[-1]
    return (pi.sum(axis=-1, keepdims=True) - pi) / (n - 1)


def times(w, pi):
    return (w @ pi[..., None])[..., 0]


def gate(t):
    ones = np.ones((len(t.payoff), *t.dependence.shape[1:]))
    trust = ones if t.trust is None else t.trust
    return np.minimum(trust, ones if t.reputation_damage is None else 1.0 - t.reputation_damage)


def gated(t):
    return t.payoff + np.einsum("bij,bij,bj->bi", gate(t), np.broadcast_to(t.dependence, gate(t).shape), t.payoff)


def plain_integrated(t):
    return t.payoff + times(t.dependence, t.payoff)


def reciprocal(t, rho, normalized):
    trust = np.ones_like(gate(t)) if t.trust is None else t.trust
    a = t.action[..., 0]
    signal = (a - t.neutral) / (t.high[..., 0] if normalized else 1.0)
    off = 1.0 - np.eye(a.shape[1])
    return plain_integrated(t) + rho * np.einsum("bij,ij,bj,bi->bi", trust, off, signal, a)


def mutuality(t, m):
    n = t.payoff.shape[1]
    w = np.eye(n) + 2 * m * t.dependence
    if m > 0.5:
        w = (2 - 2 * m) * (np.eye(n) + t.dependence) + (2 * m - 1) * np.ones((n, n)) / n
    return times(w, t.payoff)


def unequal(t, alpha, beta):
    n = t.payoff.shape[1]
    gap = t.payoff[:, None, :] - t.payoff[:, :, None]  # pi_j - pi_i
    return t.payoff - (alpha * np.maximum(gap, 0).sum(-1) + beta * np.maximum(-gap, 0).sum(-1)) / (n - 1)


def angle(t, theta, w):
    return t.payoff - w * np.abs(theta - np.arctan2(others_mean(t.payoff), t.payoff))


def keeps(t, s):
    return s * t.payoff + (1 - s) * others_mean(t.payoff)


FORMULAS = [
    (Private(), lambda t: t.payoff),
    (Cooperative(), lambda t: np.repeat(t.payoff.mean(axis=1, keepdims=True), t.payoff.shape[1], axis=1)),
    (SVO(0.7), lambda t: np.cos(0.7) * t.payoff + np.sin(0.7) * others_mean(t.payoff)),
    (SelfInterest(0.3), lambda t: keeps(t, 0.3)),
    (SelfInterest(0.0), lambda t: others_mean(t.payoff)),
    (SVOAngle(0.9, 2.5), lambda t: angle(t, 0.9, 2.5)),
    (SVOAngle(-2.0, 0.5), lambda t: angle(t, -2.0, 0.5)),
    (InequityAversion(1.5, 0.25), lambda t: unequal(t, 1.5, 0.25)),
    (Mutuality(1.0), lambda t: mutuality(t, 1.0)),
]
WITH_DEPENDENCE = [
    (Integrated(), plain_integrated),
    (TrustIntegrated(), gated),
    (PublishedCooperative(), lambda t: np.repeat(gated(t).mean(axis=1, keepdims=True), t.payoff.shape[1], axis=1)),
    (TrustReciprocal(0.3), lambda t: reciprocal(t, 0.3, False)),
    (TrustReciprocal(0.1, normalized=True), lambda t: reciprocal(t, 0.1, True)),
    (Mutuality(0.2), lambda t: mutuality(t, 0.2)),
    (Mutuality(0.8), lambda t: mutuality(t, 0.8)),
]


def told(game, layers, batch, actions, **keywords):
    """Rewards of each layer and what happened, step by step; the function pays the payoff, and so shows the factor."""
    seen = []

    def watch(given):
        seen.append(given)
        return given.payoff

    watched = payoff.multi_agent_vec(game, batch, reward=watch, **keywords)
    envs = [payoff.multi_agent_vec(game, batch, reward=layer, **keywords) for layer in layers]
    for env in (watched, *envs):
        env.reset(seed=0)
    for action in actions:
        factor = watched.step(action)[1] / np.where(seen[-1].payoff == 0.0, 1.0, seen[-1].payoff)
        yield seen[-1], factor, [env.step(action)[1] for env in envs]


@pytest.mark.parametrize(
    ("game", "keywords", "formulas"),
    [
        (TEAM, {}, FORMULAS + WITH_DEPENDENCE),
        (PAIR, {"trust_enabled": [True, False, True]}, FORMULAS + WITH_DEPENDENCE),
        (CROWD, {}, FORMULAS),
    ],
)
def test_every_layer_is_its_formula(game, keywords, formulas, draw_actions):
    layers = [layer for layer, _ in formulas]
    actions = draw_actions(payoff.multi_agent_vec(game, 3), 12)
    for t, factor, rewards in told(game, layers, 3, actions, autoreset_mode="disabled", **keywords):
        for (layer, formula), ours in zip(formulas, rewards, strict=True):
            np.testing.assert_allclose(ours, factor * formula(t), rtol=1e-11, atol=1e-9, err_msg=str(layer))


def test_a_mixture_is_each_seats_own_formula(draw_actions):
    mixed = PerAgent({0: SVOAngle(0.9, 2.5), 1: "trust_integrated", 2: lambda t: 2 * t.payoff}, default=Mutuality(0.2))
    formulas = [lambda t: angle(t, 0.9, 2.5), gated, lambda t: 2 * t.payoff, lambda t: mutuality(t, 0.2)]
    actions = draw_actions(payoff.multi_agent_vec(TEAM, 3), 12)
    for t, factor, [rewards] in told(TEAM, [mixed], 3, actions):
        expected = np.stack([formula(t)[:, i] for i, formula in enumerate(formulas)], axis=1)
        np.testing.assert_allclose(rewards, factor * expected, rtol=1e-11, atol=1e-9)


def test_equal_rows_after_another_seats_own(draw_actions):
    """The seats that share a row are told what the first of them is, here seat 1, and not what seat 0 is."""
    mixed = PerAgent({0: Private()}, default=Cooperative())
    actions = draw_actions(payoff.multi_agent_vec(TEAM, 2), 6)
    for t, factor, [rewards] in told(TEAM, [mixed], 2, actions):
        expected = np.repeat(t.payoff.mean(axis=1, keepdims=True), 4, axis=1)
        expected[:, 0] = t.payoff[:, 0]
        np.testing.assert_allclose(rewards, factor * expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("trust", "damage", "integrated", "goodwill"),
    [
        (None, None, 10 + 0.5 * 20, 0.2 * 3 * 4),  # neither: the gate is 1, and so is T
        (0.25, None, 10 + 0.25 * 0.5 * 20, 0.2 * 0.25 * 3 * 4),  # without damage the gate is T
        (0.25, 0.9, 10 + 0.1 * 0.5 * 20, 0.2 * 0.25 * 3 * 4),  # min(0.25, 1 - 0.9)
        (0.25, 0.1, 10 + 0.25 * 0.5 * 20, 0.2 * 0.25 * 3 * 4),
    ],
)
def test_layers_that_trust_by_hand_with_and_without_trust(trust, damage, integrated, goodwill):
    """Payoffs (10, 20), D = 0.5, actions (4, 8), neutral 5: the other sent 3 more than that."""

    def pairs(x):
        return np.zeros((0, 0)) if x is None else np.array([[1.0, x], [x, 1.0]])

    happened = Happened(
        payoff=np.array([10.0, 20.0]),
        action=np.array([[4.0], [8.0]]),
        low=np.zeros((2, 1)),
        high=np.full((2, 1), 50.0),
        neutral=np.full(2, 5.0),
        trust=pairs(trust),
        reputation_damage=pairs(damage),
        dependence=np.array([[0.0, 0.5], [0.5, 0.0]]),
    )
    me = pack([TrustReciprocal()])[0]
    assert TrustIntegrated.rule(pack([TrustIntegrated()])[0], 0, happened) == pytest.approx(integrated, rel=1e-12)
    assert TrustReciprocal.rule(me, 0, happened) == pytest.approx(20 + goodwill, rel=1e-12)


def test_numbers_that_one_does_not_write():
    """Defaults, as the docstrings and their sources have them; an id's behaviour hangs on them."""
    assert (SVO().theta, SVOAngle().theta, SVOAngle().w) == (np.pi / 4, np.pi / 4, 0.2)
    assert (InequityAversion().alpha, InequityAversion().beta) == (0.85, 0.315)
    assert (Mutuality().m, SelfInterest().s) == (0.5, 0.5)
    assert (TrustReciprocal().rho, TrustReciprocal().normalized) == (0.2, False)


def test_what_a_function_is_given_is_what_info_says(draw_actions):
    given = []
    env = payoff.multi_agent_vec(TEAM, 3, reward=lambda t: given.append(t) or t.payoff)
    env.reset(seed=0)
    for action in draw_actions(env, 5):
        info = env.step(action)[4]
        t = given[-1]
        np.testing.assert_array_equal(t.trust, info["trust"])
        np.testing.assert_array_equal(t.reputation_damage, info["reputation_damage"])
        np.testing.assert_array_equal(t.action, action)
        np.testing.assert_array_equal(t.dependence[0], 0.55 * (1 - np.eye(4)))
        np.testing.assert_array_equal(t.high[0], env.endowment[:, None])
        assert (t.low == 0).all() and t.neutral.shape == (1, 4) and (t.neutral > 0).all()


def test_ends_of_the_knobs_are_other_layers(draw_actions):
    """s = 1 private, s = 1/n the mean of all; SVO and self-interest are one family."""
    layers = [
        Private(),
        SelfInterest(1.0),
        Cooperative(),
        SelfInterest(0.25),
        SVO(np.arctan2(0.7, 0.3)),
        SelfInterest(0.3),
    ]
    actions = draw_actions(payoff.multi_agent_vec(TEAM, 2), 8)
    for _, _, (own, one, mean, quarter, svo, knob) in told(TEAM, layers, 2, actions):
        np.testing.assert_array_equal(own, one)
        np.testing.assert_allclose(mean, quarter, rtol=1e-13)
        np.testing.assert_allclose(svo * np.hypot(0.7, 0.3), knob, rtol=1e-12)


@pytest.mark.parametrize("bad", ["self_interest:-0.1", "self_interest:1.1", "svo_angle:4", "svo_angle:0,-1"])
def test_numbers_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=r"(s|theta|w) must be a number in \["):
        payoff.multi_agent_vec(TEAM, 1, reward=bad)
