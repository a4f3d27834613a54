"""Rollouts: what counts as a transition, and what the episodes paid."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from payoff.baselines.environments import OneSeat, in_unit_box, make_all_seats, make_one_seat, make_vector, shares
from payoff.baselines.ppo import collect
from payoff.baselines.rollout import Play
from tests.baselines.fixtures import Endless, Match, Stub, StubVectorEnv


def half(obs):
    return np.zeros((*obs.shape[:2], 1))


def test_calls_that_restart_a_copy_are_no_transitions():
    r = collect(Play(Match(3, 2, horizon=4), 0), half, 12)
    # four steps, one call that restarts, four steps, ...
    expected = np.ones(12, dtype=bool)
    expected[[4, 9]] = False
    assert (r.valid == expected[:, None]).all()
    assert (r.truncated == np.isin(np.arange(12), [3, 8])[:, None]).all()
    assert (r.rewards[~expected] == 0).all()
    # at the end of an episode the observation is the number that would have come next, not the next episode's first
    assert (r.obs[4] != r.obs[5]).all()


def test_a_rollout_goes_on_where_the_last_one_stopped():
    expected = collect(Play(Match(3, 2, horizon=4), 0), half, 10)
    parts = Play(Match(3, 2, horizon=4), 0)
    first, second = collect(parts, half, 4), collect(parts, half, 6)
    assert (np.concatenate([first.obs[:-1], second.obs]) == expected.obs).all()
    for name in ("actions", "rewards", "truncated", "valid"):
        assert (np.concatenate([getattr(first, name), getattr(second, name)]) == getattr(expected, name)).all()


def test_episodes_are_summed_across_rollouts():
    play = Play(Endless(3, 2, horizon=4), 0)
    episodes = play.episodes
    collect(play, half, 3)
    assert np.isnan(list(episodes.means().values())).all()
    collect(play, half, 3)
    # two seats, four steps, 1 a step; an action of 0 in [-1, 1] is half the endowment
    assert episodes.means() == {"welfare": 8.0, "reward": 8.0, "cooperation": 0.5, "episode_length": 4.0}
    assert np.isnan(episodes.means()["welfare"])


def test_trust_dilemma_pays_what_the_formula_says():
    play = Play(make_all_seats("payoff/TrustDilemma-v0", 2, {"reward": "private"}), 0)
    forty = lambda obs: np.full((2, 2, 1), 2 * 0.4 - 1)  # noqa: E731
    collect(play, forty, 101)
    means = play.episodes.means()
    per_step = (100 - 40) + 20 * np.log(41) + 0.35 * 40
    assert means["welfare"] == pytest.approx(2 * 100 * per_step, rel=1e-12)
    assert means["reward"] == pytest.approx(means["welfare"], rel=1e-12)
    assert means["cooperation"] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("keywords", "expected", "num_actions"),
    [
        ({}, [0.25, 0.75], None),
        ({"actions": "native"}, [0.25, 0.75], None),
        ({"actions": "discrete:5"}, [0.25, 0.75], 5),
    ],
)
def test_shares_of_the_endowment_in_every_action_format(keywords, expected, num_actions):
    env = make_all_seats("payoff/TrustDilemma-v0", 1, keywords)
    assert env.num_actions == num_actions
    assert in_unit_box(env) == (not keywords)
    quarter = env.action_low + np.array([[0.25], [0.75]]) * (env.action_high - env.action_low)
    assert shares(env, quarter[None])[0] == pytest.approx(expected)


def test_actions_that_are_no_amounts_have_no_share():
    assert np.isnan(shares(make_all_seats("payoff/KeyRoom-v0", 1, {}), np.ones((1, 1, 1)))).all()
    assert np.isnan(shares(make_one_seat("payoff/KeyRoom-v0", 1, {}), np.ones((1, 1, 1)))).all()


@pytest.mark.parametrize("control", ["single", "joint"])
@pytest.mark.parametrize("actions", ["unit", "discrete:5"])
def test_one_seat_is_the_vector_view(control, actions):
    keywords = {"control": control, "actions": actions, "reward": "private"}
    env = make_one_seat("payoff/ReciprocalDilemma-v0", 3, keywords)
    view = make_vector("payoff/ReciprocalDilemma-v0", 3, keywords)
    obs, _ = env.reset(seed=4)
    assert (obs[:, 0] == view.reset(seed=4)[0]).all()
    size = 2 if control == "joint" else 1
    assert (env.num_agents, env.action_size, env.num_actions) == (1, size, None if actions == "unit" else 5)
    view.action_space.seed(0)
    for _ in range(3):
        action = view.action_space.sample()
        ours = env.step(action.reshape(3, 1, size))
        theirs = view.step(action)
        for a, b in zip(ours[:2], theirs[:2], strict=True):
            assert (a[:, 0] == b).all()
    share = shares(env, np.zeros((3, 1, size)))
    assert (share == (0.5 if actions == "unit" else 0.0)).all()


@pytest.mark.parametrize("game", [Match, Endless])
def test_one_seat_takes_and_restores_snapshots(game):
    env = OneSeat(StubVectorEnv(game, 3), levels=False)
    env.reset(seed=0)
    snapshot = env.snapshot()
    kept = type(snapshot).from_arrays(snapshot.arrays())
    expected = env.step(np.zeros((3, 1, 1)))[0]
    env.restore(kept)
    assert (env.step(np.zeros((3, 1, 1)))[0] == expected).all()


def test_other_action_spaces_are_refused():
    view = StubVectorEnv(Match, 1)
    view.single_action_space = gym.spaces.MultiDiscrete([2, 3])
    with pytest.raises(ValueError, match="action space must be"):
        OneSeat(view, levels=False)


def test_unknown_keywords_are_refused():
    for make in (make_all_seats, make_one_seat):
        with pytest.raises(TypeError, match="no_such"):
            make("payoff/TrustDilemma-v0", 1, {"no_such": 1})


def test_stubs_are_seeded_copy_by_copy():
    """Of the fixture itself: copy k of a batch equals a batch of one with its seed."""
    batch, one = Match(3, 2), Match(1, 2)
    assert isinstance(batch, Stub)
    assert (batch.reset(5)[0][2] == one.reset(7)[0][0]).all()
