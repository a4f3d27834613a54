"""CoalitionFormation and ApacheProject: membership, and the phases of loyalty."""

import gymnasium as gym
import numpy as np
import pytest

import payoff

TEAM, LOYAL, COALITION = "payoff/TeamProduction-v0", "payoff/LoyaltyTeam-v0", "payoff/CoalitionFormation-v0"
APACHE, GOODS = "payoff/ApacheProject-v0", "payoff/PublicGoods-v0"


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


# -- the coalition ----------------------------------------------------------------------------------------------------


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


# -- Apache -----------------------------------------------------------------------------------------------------------


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
