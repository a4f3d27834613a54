"""Running statistics against an independent computation, Samuelson's inequality, ceilings and prices on length."""

import numpy as np
import pytest

from payoff.wrappers import Transition, wrap
from payoff.wrappers.transforms.limits import Ceiling, LengthPenalty
from payoff.wrappers.transforms.running import RunningReward


@pytest.fixture(scope="module")
def rewards():
    return np.random.default_rng(0).normal(3.0, 2.0, 200).round(2)


def paid(script, method, rewards, length=10):
    """What each step of consecutive episodes of ``length`` steps is paid."""
    out = []
    env = None
    for first in range(0, len(rewards), length):
        layer = wrap(script(tuple(rewards[first : first + length])), method) if env is None else env
        env = layer
        env.unwrapped.rewards = tuple(rewards[first : first + length])
        env.reset(seed=0)
        out += [env.step(0)[1] for _ in range(length)]
    return np.array(out)


def test_each_step_is_measured_by_all_so_far(script, rewards):
    found = {
        kind: paid(script, RunningReward(kind, at="step", width=1.5), rewards)
        for kind in ("mean_std", "clip", "min_max")
    }
    for n in range(1, len(rewards) + 1):
        so_far, r = rewards[:n], rewards[n - 1]
        m, s, low, high = so_far.mean(), so_far.std(), so_far.min(), so_far.max()
        assert found["mean_std"][n - 1] == pytest.approx((r - m) / s if n > 1 else 0.0, abs=1e-9)
        assert found["clip"][n - 1] == pytest.approx(np.clip(r, m - 1.5 * s, m + 1.5 * s), abs=1e-9)
        assert found["min_max"][n - 1] == pytest.approx((r - low) / (high - low) if n > 1 else 0.0, abs=1e-12)
        assert abs(found["mean_std"][n - 1]) <= np.sqrt(n - 1) + 1e-9  # Samuelson
        assert 0.0 <= found["min_max"][n - 1] <= 1.0


def test_samuelson_is_reached():
    """n - 1 equal rewards and one other: sqrt(n - 1), so no bound holds for all n."""
    rewards = np.array([0.0] * 9 + [5.0])
    assert (rewards[-1] - rewards.mean()) / rewards.std() == pytest.approx(3.0)


def test_returns_are_measured_at_the_end(script, rewards):
    found = paid(script, RunningReward("min_max", at="end"), rewards).reshape(20, 10)
    assert (found[:, :-1] == 0.0).all()
    returns = rewards.reshape(20, 10).sum(axis=1)
    for n in range(2, 21):
        so_far = returns[:n]
        expected = (so_far[-1] - so_far.min()) / (so_far.max() - so_far.min())
        assert found[n - 1, -1] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("end", [(True, False), (False, True), (True, True)], ids=["terminated", "truncated", "both"])
def test_returns_are_measured_at_every_kind_of_end(script, end):
    """Returns 1, 3, 2, 0 in [1, 1], [1, 3], [1, 3], [0, 3]; deviations 0, 1, sqrt(2/3), sqrt(5) / 2."""
    episodes = ((0.5, 0.5), (4.0, -1.0), (2.0, 0.0), (0.0, 0.0))
    expected = {
        "min_max": [0.0, 1.0, 0.5, 0.0],
        "mean_std": [0.0, 1.0, 0.0, -1.5 / (np.sqrt(5) / 2)],
        "clip": [1.0, 3.0, 2.0, 1.5 - np.sqrt(5) / 2],
    }
    for kind, paid_at_the_end in expected.items():
        env = wrap(script(episodes[0], end=end), RunningReward(kind, at="end"))
        found = []
        for rewards in episodes:
            env.unwrapped.rewards = rewards
            env.reset(seed=0)
            found.append([env.step(0)[1] for _ in rewards])
        np.testing.assert_allclose(found, [[0.0, last] for last in paid_at_the_end], atol=1e-12)


def test_a_constant_reward_is_paid_nothing(script):
    assert paid(script, RunningReward("mean_std", at="step"), np.full(30, 0.1)).tolist() == [0.0] * 30
    assert paid(script, RunningReward("min_max", at="step"), np.full(30, 0.1)).tolist() == [0.0] * 30


def test_the_same_reward_is_not_paid_the_same():
    """Honest: statistics move, so the problem is not stationary."""
    method = RunningReward("mean_std", at="step")
    none = np.zeros(1, bool)
    method.reset(None, None, ~none)
    values = [
        method(Transition(None, None, np.array([r]), None, none, none, None, ~none))[0] for r in (0.0, 1.0, 1.0, 1.0)
    ]
    assert values == pytest.approx([0.0, 1.0, np.sqrt(0.5), np.sqrt(1 / 3)], abs=1e-12)


def test_ceiling_and_length(script):
    rng = np.random.default_rng(3)
    rewards = tuple(rng.normal(size=12))
    env = wrap(script(rewards), Ceiling(0.2))
    env.reset(seed=0)
    assert [env.step(0)[1] for _ in rewards] == [min(r, 0.2) for r in rewards]
    env = wrap(script(rewards), LengthPenalty())
    env.reset(seed=0)
    found = [env.step(0)[1] for _ in rewards]
    assert found[:-1] == list(rewards[:-1])
    assert found[-1] == pytest.approx(rewards[-1] - 0.01 * (12 - 300), abs=1e-12)


def test_ceiling_may_turn_the_order_round():
    """One step of 5 beats three of 1; under a ceiling of 1 it does not."""
    assert sum([5.0]) > sum([1.0] * 3) and sum(np.minimum([5.0], 1.0)) < sum(np.minimum([1.0] * 3, 1.0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RunningReward("max", at="step"), "kind must be one of"),
        (lambda: RunningReward("clip", at="now"), "at must be one of"),
        (lambda: RunningReward("clip", at="step", width=0.0), "width must be a number"),
        (lambda: Ceiling(np.nan), "limit must be a number"),
        (lambda: LengthPenalty(-1.0), "coef must be a number"),
        (lambda: LengthPenalty(1.0, 2.5), "free must be an integer"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
