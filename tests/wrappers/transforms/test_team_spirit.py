"""Team spirit: by hand, what it conserves, seats that left, and the same in every multi-agent view."""

import numpy as np
import pytest

import payoff
from payoff.envs.sparse.car_ball import chaser
from payoff.wrappers import wrap
from payoff.wrappers.transforms.team_spirit import TeamSpirit, team_spirit


def test_by_hand():
    reward = np.array([1.0, 3.0, -2.0, 0.0])
    found = team_spirit(reward, (0, 0, 1, 1), 0.3)
    # means 2 and -1: .7 r + .3 * 2 + 1, and .7 r - .3 * 1 - 2
    np.testing.assert_allclose(found, [0.7 + 0.6 + 1.0, 2.1 + 0.6 + 1.0, -1.4 - 0.3 - 2.0, -0.3 - 2.0], atol=1e-15)
    np.testing.assert_allclose(team_spirit(reward, (0, 0, 1, 1), 1.0), [3.0, 3.0, -3.0, -3.0])
    np.testing.assert_allclose(team_spirit(reward, (0, 0, 1, 1), 0.0, opponents=False), reward)
    np.testing.assert_allclose(team_spirit(reward, (0, 0, 0, 0), 1.0), [0.5] * 4)  # no opponents


@pytest.mark.parametrize("tau", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("teams", [(0, 1), (0, 0, 1, 1), (0, 1, 0, 1), (0, 1, 2, 0, 1, 2)])
def test_teams_of_one_size_play_a_zero_sum_game(teams, tau):
    rewards = np.random.default_rng(0).normal(size=(200, len(teams))) * 7 + 3
    np.testing.assert_allclose(team_spirit(rewards, teams, tau).sum(axis=1), 0.0, atol=1e-10)


def test_tau_moves_reward_within_a_team_only():
    rewards, teams = np.random.default_rng(1).normal(size=(100, 5)), (0, 0, 1, 1, 1)
    none = team_spirit(rewards, teams, 0.0)
    for tau in (0.2, 0.9, 1.0):
        some = team_spirit(rewards, teams, tau)
        for team in (0, 1):
            seats = [i for i, t in enumerate(teams) if t == team]
            np.testing.assert_allclose(some[:, seats].sum(axis=1), none[:, seats].sum(axis=1), atol=1e-12)


def test_range():
    rewards = np.random.default_rng(2).choice([-1.0, 1.0], (500, 4))
    found = team_spirit(rewards, (0, 0, 1, 1), 0.3)
    assert np.abs(found).max() == pytest.approx(2.0)


def test_one_against_one_in_a_zero_sum_game_doubles():
    """So optimal policies and equilibria stay, whatever tau."""
    a = np.random.default_rng(3).normal(size=100)
    rewards = np.stack([a, -a], axis=1)
    for tau in (0.0, 0.3, 1.0):
        np.testing.assert_allclose(team_spirit(rewards, (0, 1), tau), 2.0 * rewards, atol=1e-15)


def test_optimal_policies_may_change():
    """A seat that can earn 1 or give its mate 3: selfish alone, it gives once tau is large enough."""
    keeps, gives = np.array([1.0, 0.0]), np.array([0.0, 3.0])
    for tau, better in ((0.3, False), (0.6, True)):
        paid = [team_spirit(r, (0, 0), tau)[0] for r in (keeps, gives)]
        assert (paid[1] > paid[0]) == better


def test_seats_that_have_left_count_no_more(transition):
    t = transition([2.0, 9.0, 4.0, -1.0], active=[True, False, True, True])
    found = TeamSpirit((0, 0, 1, 1), tau=0.5)(t)
    # means 2 and 1.5 of those who are there
    np.testing.assert_allclose(found[[0, 2, 3]], [1.0 + 1.0 - 1.5, 2.0 + 0.75 - 2.0, -0.5 + 0.75 - 2.0], atol=1e-15)


def test_the_same_in_every_view():
    """A multi-agent batch equals a ParallelEnv for each copy, up to a goal of either team."""
    teams, keywords = (0, 0, 1, 1), {"players": 4, "actions": "unit"}
    batch = wrap(
        payoff.multi_agent_vec("payoff/CarBall-v0", 2, autoreset_mode="disabled", **keywords), TeamSpirit(teams)
    )
    views = [wrap(payoff.parallel_env("payoff/CarBall-v0", **keywords), TeamSpirit(teams)) for _ in range(2)]
    obs, _ = batch.reset(seed=[5, 6])
    for seed, view in zip((5, 6), views, strict=True):
        view.reset(seed=seed)
    scored = []
    while len(scored) < 2:
        actions = np.zeros((2, 4, 3), np.float32)
        actions[0, 0], actions[1, 2] = chaser(obs[:, 0])[0], chaser(obs[:, 2])[1]
        obs, rewards, terminated, truncated, info = batch.step(actions)
        for b, view in enumerate(views):
            if not view.agents:
                continue
            _, own, *_, told = view.step({a: actions[b, i] for i, a in enumerate(view.possible_agents)})
            assert list(own.values()) == rewards[b].tolist()
            assert [told[a]["true_reward"] for a in view.possible_agents] == info["true_reward"][b].tolist()
            if not view.agents:  # +1 for mates, -1 for opponents: .7 + .3 + 1
                scored.append(info["true_reward"][b].tolist())
                np.testing.assert_allclose(rewards[b], 2.0 * info["true_reward"][b], atol=1e-12)
        if (terminated | truncated).any():
            obs, _ = batch.reset(options={"reset_mask": terminated | truncated})
    assert [1.0, 1.0, -1.0, -1.0] in scored or [-1.0, -1.0, 1.0, 1.0] in scored


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TeamSpirit(()), "teams must name the team of each seat"),
        (lambda: TeamSpirit((0, 1.5)), r"teams\[1\] must be an integer"),
        (lambda: TeamSpirit((0, 1), tau=1.5), r"tau must be a number in \[0, 1\]"),
        (lambda: team_spirit(np.zeros(3), (0, 1)), "teams must name the team"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_rows_that_are_no_copies_of_the_seats(transition):
    with pytest.raises(ValueError, match="3 rows cannot be copies of 2 seats"):
        TeamSpirit((0, 1))(transition([0.0, 0.0, 0.0]))
