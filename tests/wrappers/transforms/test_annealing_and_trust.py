"""Annealing: the true reward comes back to the last bit. Trust: by hand, and GridNav's misleading reward."""

import gymnasium as gym
import numpy as np
import pytest

from payoff.wrappers import wrap
from payoff.wrappers.transforms.annealing import AnnealedReward, Schedule
from payoff.wrappers.transforms.trust import TrustedReward, TrustWeighted, trust_weight

AUX = "aux"
UP, RIGHT, DOWN, LEFT = range(4)
GOES = [RIGHT, UP] * 4  # to the goal in 8 steps
STAYS = [RIGHT, UP] * 2 + [RIGHT, LEFT] * 23  # in the box that the auxiliary reward pays for


def test_schedules():
    t = np.array([0, 1, 5, 10, 50])
    assert Schedule("linear", 10, start=2.0, end=0.5)(t).tolist() == [2.0, 1.85, 1.25, 0.5, 0.5]
    np.testing.assert_allclose(Schedule("exponential", 5, start=0.5)(t), 0.5 * np.exp(-t / 5))
    np.testing.assert_allclose(Schedule("exponential", 5, start=3.0, end=1.0)(t), 1 + 2 * np.exp(-t / 5))
    assert Schedule("constant", start=0.7)(t).tolist() == [0.7] * 5
    for kind in ("linear", "exponential", "constant"):
        assert (np.diff(Schedule(kind, 7, start=2.0, end=0.5)(np.arange(100))) <= 0.0).all()


def walk(actions, method=None):
    env = gym.make("payoff/GridNav-v0", aux="misleading", noise=0.0)
    env = env if method is None else wrap(env, method)
    env.reset(seed=0)
    out = [env.step(a) for a in actions]
    assert out[-1][2] or out[-1][3]
    return [step[1] for step in out], [step[4]["aux"] for step in out], out[-1][2]


def test_which_policy_is_best_depends_on_xi_until_it_is_zero():
    """Going to the goal against staying in the box: the crossing is at equal sums; at 0 the true one wins."""
    goes, stays = walk(GOES), walk(STAYS)
    assert sum(goes[0]) == pytest.approx(99.2) and goes[2] and sum(stays[0]) == pytest.approx(-5.0) and not stays[2]
    gap, extra = sum(goes[0]) - sum(stays[0]), sum(stays[1]) - sum(goes[1])
    assert extra > 1000.0
    crossing = gap / extra
    for xi, honest in ((1.0, False), (1.01 * crossing, False), (0.99 * crossing, True), (0.0, True)):
        method = AnnealedReward(AUX, Schedule("constant", start=xi))
        assert (sum(walk(GOES, method)[0]) > sum(walk(STAYS, method)[0])) == honest


def test_after_the_schedule_the_reward_is_the_true_one_to_the_last_bit():
    env = wrap(gym.make("payoff/GridNav-v0", aux="misleading", noise=0.0), AnnealedReward(AUX, Schedule("linear", 60)))
    time = 0
    for _ in range(3):
        env.reset(seed=0)
        for action in STAYS:
            _, reward, _, _, info = env.step(action)
            if time >= 60:
                assert reward == info["true_reward"] and info["reward_terms"]["shaping"] == 0.0
            else:
                added = max(0.0, 1 - time / 60) * info["aux"]
                assert reward == pytest.approx(info["true_reward"] + added, abs=1e-9)
            time += 1


def test_time_is_each_rows_own(transition):
    method = AnnealedReward("q", Schedule("linear", 2))
    method.reset(np.zeros((2, 1)), None, np.ones(2, bool))
    info = {"q": np.ones(2)}
    assert method(transition([0.0, 0.0], info)).tolist() == [1.0, 1.0]
    method(transition([0.0, 0.0], info, active=[True, False]))
    method.reset(np.zeros((2, 1)), None, np.array([False, True]))  # goes on over episodes
    assert method(transition([0.0, 0.0], info)).tolist() == [0.0, 0.5]


def test_trust_weight():
    assert trust_weight(np.array([0.9, 0.5, 0.2]), np.array([0.5, 0.5, 1.2])).tolist() == [1.0, 1.0, np.exp(-1.0)]


def test_trust_by_hand(batch):
    episodes = batch(
        [[0.0, 1.0], [0.0], [1.0], [1.0]],
        group=[3, 3, 9, 9],
        aux=[[0.2, 0.4], [0.8], [0.1], [0.6]],
    )
    method = TrustWeighted("aux", Schedule("exponential", 2.0, start=0.5), threshold=1.0)
    expected = np.exp(0.3 - 0.8)  # group 3: successes .3, failures .8; group 9: successes only
    np.testing.assert_allclose(method.trust(episodes), [expected, expected, 1.0, 1.0], atol=1e-15)
    for update in range(3):
        xi = 0.5 * np.exp(-update / 2.0)
        new = method(episodes)
        np.testing.assert_allclose(new[:, 0], [xi * expected * 0.2, 1.0 + xi * expected * 0.4], atol=1e-15)
        np.testing.assert_allclose(new[0, 1:], [xi * expected * 0.8, 1.0 + xi * 0.1, 1.0 + xi * 0.6], atol=1e-15)
    other = TrustWeighted("aux", Schedule("exponential", 2.0, start=0.5), threshold=1.0)
    other.load_state_dict(method.state_dict())
    np.testing.assert_array_equal(other(episodes), method(episodes))
    for bad in ({}, {"updates": np.array(-1)}, {"updates": np.zeros(2, int)}, {"updates": np.array(0.5)}):
        with pytest.raises(ValueError, match="updates"):
            other.load_state_dict(bad)
    assert other.updates == 4


def test_trust_without_groups_and_with_unfinished_episodes(batch):
    episodes = batch([[1.0], [0.0], [0.0]], finished=[True, True, False], aux=[[0.0], [0.5], [9.0]])
    method = TrustWeighted("aux", Schedule("constant"), threshold=1.0)
    np.testing.assert_allclose(method.trust(episodes), np.exp(-0.5))


def test_misleading_reward_is_turned_down(batch):
    """GridNav: failures that stay in the box collect more than successes, so trust all but vanishes."""
    goes, stays = walk(GOES), walk(STAYS)
    episodes = batch([goes[0], stays[0]], aux=[goes[1], stays[1]])
    naive = (episodes.paid + np.nan_to_num(episodes.info["aux"])).sum(axis=0)
    assert naive[1] > naive[0]
    paid = TrustWeighted("aux", Schedule("constant"), threshold=0.0)(episodes).sum(axis=0)
    assert paid[0] > paid[1]
    gap = np.mean(goes[1]) - np.mean(stays[1])
    assert gap < -50.0 and np.exp(gap) < 1e-20


def test_no_guarantee(batch):
    """Where failures score a little less per step, trust is 1, and a long failure still collects more."""
    episodes = batch([[1.0], [0.0] * 20], aux=[[0.5], [0.4] * 20])
    paid = TrustWeighted("aux", Schedule("constant"), threshold=1.0)(episodes).sum(axis=0)
    assert paid[1] > paid[0]


def test_stepwise_trust_by_hand(script):
    """Episodes: success .2, failure .8, then trust e^-.6; another failure .4 makes the mean .6."""
    env = wrap(script((1.0,), [{"q": 0.2}]), TrustedReward("q", Schedule("constant"), threshold=0.5))
    game = env.unwrapped
    paid = []
    for reward, q in ((1.0, 0.2), (0.0, 0.8), (0.0, 0.4), (1.0, 0.6), (1.0, 1.0)):
        game.rewards, game.infos = (reward,), [{"q": q}]
        env.reset(seed=0)
        paid.append(env.step(0)[1] - reward)
    np.testing.assert_allclose(
        paid, [0.2, 0.8, 0.4 * np.exp(-0.6), 0.6 * np.exp(-0.4), 1.0 * np.exp(0.4 - 0.6)], atol=1e-12
    )


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Schedule("cosine"), ValueError, "kind must be one of"),
        (lambda: Schedule("linear", 0), ValueError, "steps must be a number"),
        (lambda: Schedule("linear", 1, start=1, end=2), ValueError, r"end must be a number in \[0, 1\]"),
        (lambda: AnnealedReward("q", 0.5), TypeError, "schedule must be a Schedule, got 0.5"),
        (lambda: TrustWeighted("q", None, threshold=0), TypeError, "schedule must be a Schedule"),
        (lambda: TrustWeighted("q", Schedule("constant"), threshold=None), ValueError, "threshold must be a number"),
        (lambda: TrustedReward("q", Schedule("constant"), threshold=0, memory=0), ValueError, "memory must be"),
        (lambda: TrustedReward("q", "linear", threshold=0), TypeError, "schedule must be a Schedule"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
