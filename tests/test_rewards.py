"""Reward layers against the specification's worked examples and their defining equations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import payoff
from payoff.envs import registry
from payoff.envs.core.layer import KIND
from payoff.envs.rewards import (
    SVO,
    Cooperative,
    InequityAversion,
    Integrated,
    Mutuality,
    PerAgent,
    Private,
    SelfInterest,
    TrustReciprocal,
    resolve,
)
from payoff.envs.rewards.naming import working
from payoff.envs.rewards.wiring import wire

TRUST = "payoff/TrustDilemma-v0"


def first_step(reward, action=(60.0, 39.5), env_id=TRUST):
    env = payoff.multi_agent_vec(env_id, 1, reward=reward)
    env.reset(seed=0)
    _, rewards, _, _, info = env.step(np.array(action)[None, :, None])
    return rewards[0], info


# One step of TrustDilemma from reset with actions (60, 39.5): specification of the published games, table 5.3.
PAYOFF = (139.256403, 151.564966)
GATED = (167.051395, 199.608425)
UNGATED = (230.195383, 235.118807)


@pytest.mark.parametrize(
    ("reward", "expected"),
    [
        ("private", PAYOFF),
        (Private(), PAYOFF),
        ("integrated", GATED),
        ("trust_integrated", GATED),
        (Integrated(), UNGATED),
        ("cooperative", (183.329910,) * 2),
        ("published_cooperative", (183.329910,) * 2),
        (Cooperative(), (sum(PAYOFF) / 2,) * 2),
        ("mutuality:0", PAYOFF),
        (Mutuality(0.5), UNGATED),
        ("mutuality:1", (sum(PAYOFF) / 2,) * 2),
        (Mutuality(0.25), (PAYOFF[0] + 0.3 * PAYOFF[1], PAYOFF[1] + 0.3 * PAYOFF[0])),
        ("svo:0", PAYOFF),
        (SVO(np.pi / 2), PAYOFF[::-1]),
        (
            "inequity_aversion:2,0.5",
            (PAYOFF[0] - 2 * (PAYOFF[1] - PAYOFF[0]), PAYOFF[1] - 0.5 * (PAYOFF[1] - PAYOFF[0])),
        ),
        (PerAgent({0: "private"}, default=Cooperative()), (PAYOFF[0], sum(PAYOFF) / 2)),
        (PerAgent({0: "private"}, default="cooperative"), (PAYOFF[0], 183.329910)),  # names mean what they mean here
        (PerAgent({0: "integrated", 1: Integrated()}), (GATED[0], UNGATED[1])),
        (PerAgent({1: "published_cooperative"}), (PAYOFF[0], 183.329910)),
        # integrated + 0.2 T_ij (a_j - b_j) a_i with the trust after the step, T = 0.305644 and 0.575
        ("trust_reciprocal", (UNGATED[0] + 0.2 * 0.305644 * -0.5 * 60, UNGATED[1] + 0.2 * 0.575 * 20 * 39.5)),
        (
            TrustReciprocal(0.3, normalized=True),
            (UNGATED[0] + 0.3 * 0.305644 * -0.005 * 60, UNGATED[1] + 0.3 * 0.575 * 0.2 * 39.5),
        ),
    ],
    ids=str,
)
def test_worked_example(reward, expected):
    rewards, info = first_step(reward)
    np.testing.assert_allclose(rewards, expected, rtol=0, atol=2e-5)
    np.testing.assert_allclose(info["payoff"][0], PAYOFF, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("game", "expected"),
    [("payoff/LoyaltyTeam-v0", 215.6789), ("payoff/ReciprocalDilemma-v0", 185.3907)],
)
def test_quick_values_of_the_specification(game, expected):
    """Integrated mode, first step, everybody at half the endowment."""
    env = payoff.multi_agent_vec(game, 1, actions="unit")
    env.reset(seed=0)
    rewards = env.step(np.zeros((1, env.num_agents, 1)))[1]
    np.testing.assert_allclose(rewards, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("game", "level", "expected", "half_unit"),
    [
        # returns that the published study prints for constant play under the integrated reward, with their last digit
        ("payoff/TrustDilemma-v0", 0.42, 46_829.8, 0.05),
        ("payoff/TrustDilemma-v0", 1.00, 40_303.9, 0.05),
        ("payoff/LoyaltyTeam-v0", 0.66, 126_214.9, 0.05),
        ("payoff/LoyaltyTeam-v0", 1.00, 123_358.8, 0.05),
        ("payoff/ReciprocalDilemma-v0", 0.33, 43_806, 0.5),
        ("payoff/ReciprocalDilemma-v0", 1.00, 36_880, 0.5),
    ],
)
def test_published_returns_of_constant_play(game, level, expected, half_unit):
    """The recorded study ran in float32: one part in 1e6 is allowed beside the printed digits."""
    env = payoff.multi_agent_vec(game, 1, autoreset_mode="disabled")
    env.reset(seed=0)
    action = np.broadcast_to(level * env.endowment[None, :, None], (1, env.num_agents, 1))
    total, over = 0.0, False
    while not over:
        _, rewards, terminated, truncated, _ = env.step(action)
        total += rewards.sum()
        over = bool(terminated[0] or truncated[0])
    assert total == pytest.approx(expected, abs=half_unit + 1e-6 * expected)


@settings(max_examples=60, deadline=None)
@given(
    actions=st.lists(st.floats(0, 50), min_size=4, max_size=4),
    m=st.floats(0, 1),
    theta=st.floats(-3, 3),
    alpha=st.floats(0, 5),
    beta=st.floats(0, 1),
)
def test_linear_layers_equal_their_matrix(actions, m, theta, alpha, beta):
    """Four seats of LoyaltyTeam: each layer from its definition on the base payoffs, then the game's multiplier."""
    private, _ = first_step("private", actions, "payoff/LoyaltyTeam-v0")
    n, depend = 4, 0.55 * (1 - np.eye(4))
    e, a = 50.0, np.array(actions, np.float32).astype(float)
    g = 0.0 if (a <= 1e-10).any() else np.exp(np.log(a).mean())
    base = (e - a) + 20 * np.log1p(a) + 0.65 * g / n
    factor = private / base
    weight = np.eye(n) + 2 * m * depend
    if m > 0.5:
        weight = (2 - 2 * m) * (np.eye(n) + depend) + (2 * m - 1) * np.ones((n, n)) / n
    others = (base.sum() - base) / (n - 1)
    gap = base[None, :] - base[:, None]
    inequity = base - alpha / 3 * np.maximum(gap, 0).sum(1) - beta / 3 * np.maximum(-gap, 0).sum(1)
    for reward, expected in [
        (Mutuality(m), weight @ base),
        (SVO(theta), np.cos(theta) * base + np.sin(theta) * others),
        (InequityAversion(alpha, beta), inequity),
        (Cooperative(), np.full(n, base.mean())),
    ]:
        ours, _ = first_step(reward, actions, "payoff/LoyaltyTeam-v0")
        np.testing.assert_allclose(ours, factor * expected, rtol=1e-9, atol=1e-9)


def test_a_function_of_the_payoffs_is_a_layer():
    """Written as a function, the integrated layer gives the compiled one's numbers, in every autoreset mode."""

    def by_hand(given):
        gate = np.minimum(given.trust, 1 - given.reputation_damage) * given.dependence
        return given.payoff + np.einsum("bij,bj->bi", gate, given.payoff)

    for mode in ("next_step", "same_step"):
        ours = payoff.multi_agent_vec(TRUST, 3, reward=by_hand, max_steps=7, autoreset_mode=mode)
        compiled = payoff.multi_agent_vec(TRUST, 3, reward="trust_integrated", max_steps=7, autoreset_mode=mode)
        ours.reset(seed=0)
        compiled.reset(seed=0)
        rng = np.random.default_rng(0)
        for _ in range(20):
            actions = rng.uniform(0, 100, (3, 2, 1))
            np.testing.assert_allclose(ours.step(actions)[1], compiled.step(actions)[1], rtol=1e-12)


def test_a_single_player_is_told_the_payoff_by_every_layer_that_keeps_its_scale(draw_actions):
    game, names = "payoff/WatchRepair-v0", working(registry.load("payoff/WatchRepair-v0"))
    assert names == [
        *("private", "cooperative", "self_interest", "svo", "svo_angle", "inequity_aversion"),
        *("mutuality:0", "mutuality:1"),
    ]
    for name in names:
        env = payoff.multi_agent_vec(game, 8, reward=name)
        env.reset(seed=0)
        scale = np.cos(np.pi / 4) if name == "svo" else 1.0
        for action in draw_actions(env, 30):
            _, rewards, _, _, info = env.step(action)
            np.testing.assert_array_equal(rewards, scale * info["payoff"])


def test_names_and_numbers():
    assert resolve("svo:0.5") == SVO(0.5)
    for bad, message in [
        ("mutuality:2", r"m must be a number in \[0, 1\], got 2.0"),
        ("mutuality:x", "must be numbers"),
        ("private:1", "takes no numbers"),
    ]:
        with pytest.raises(ValueError, match=message):
            resolve(bad)
    with pytest.raises(ValueError, match=r"names seat 7, allowed are 0 \.\. 1"):
        first_step(PerAgent({7: "private"}))


@pytest.mark.parametrize("game", ["payoff/LoyaltyTeam-v0", "payoff/Congestion-v0"])
def test_own_payoffs_and_equal_rows_cost_less(game):
    """The loop is told about them; every other row is summed up."""

    def kinds(layer):
        record = registry.load(game)
        depend = record.dependence(record.params())[None]
        return wire(layer, record, depend).table["kind"].tolist()

    n = payoff.multi_agent_vec(game, 1).num_agents
    for layer in (Private(), Mutuality(0), SVO(0), SelfInterest(1)):
        assert kinds(layer) == [KIND.own] * n
    for layer in (Cooperative(), Mutuality(1), SelfInterest(1 / n)):
        assert kinds(layer) == [KIND.linear] + [KIND.like] * (n - 1)
    assert kinds(SVO(0.3)) == [KIND.linear] * n
    assert kinds(PerAgent({1: "private"}, default=Cooperative()))[:3] == [KIND.linear, KIND.own, KIND.like]


@pytest.mark.parametrize("game", ["payoff/LoyaltyTeam-v0", "payoff/Congestion-v0"])
def test_rules_that_save_time_change_no_number(game, draw_actions):
    """One's own payoff is its sum with weights 0 and 1, and equal rows are equal sums, bit for bit."""
    private, mean, alone = (
        payoff.multi_agent_vec(game, 2, reward=reward)
        for reward in (Private(), Cooperative(), PerAgent({1: SelfInterest(0.3)}, default=Cooperative()))
    )
    for env in (private, mean, alone):
        env.reset(seed=0)
    for action in draw_actions(private, 20):
        _, rewards, _, _, info = private.step(action)
        np.testing.assert_array_equal(rewards, info["payoff"])
        shared = mean.step(action)[1]
        rest = [i for i in range(private.num_agents) if i != 1]
        np.testing.assert_array_equal(alone.step(action)[1][:, rest], shared[:, rest])
        if game == "payoff/Congestion-v0":
            total = np.zeros(2)
            for i in range(private.num_agents):  # in the order of the loop
                total += 1.0 / private.num_agents * info["payoff"][:, i]
            np.testing.assert_array_equal(shared, np.repeat(total[:, None], private.num_agents, axis=1))
