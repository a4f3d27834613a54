"""Flips: exact expectations, the repair without bias, gradients that shrink, coins that are shared as said."""

import itertools

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import payoff
from payoff.wrappers import Transition, wrap
from payoff.wrappers.transforms import streams
from payoff.wrappers.transforms.noise import FlipReward, NoisyReward, UnflipReward, flipped_mean, unflipped

RATES = [0.0, 0.1, 0.2, 0.4, 0.49]


@pytest.mark.parametrize(
    ("rate", "values"), [(0.1, (-0.125, 1.125)), (0.2, (-1 / 3, 4 / 3)), (0.4, (-2.0, 3.0)), (0.0, (0.0, 1.0))]
)
def test_published_repairs(rate, values):
    np.testing.assert_allclose(unflipped(np.array([0.0, 1.0]), rate), values, atol=1e-12)


@pytest.mark.parametrize("low_high", [(0.0, 1.0), (-1.0, 1.0), (2.0, 5.0)])
@pytest.mark.parametrize("rate", RATES)
def test_repair_is_unbiased_for_each_reward(rate, low_high):
    """Expectation over the coin, as a sum of its two sides."""
    low, high = low_high
    for true, other in ((low, high), (high, low)):
        mean = (1 - rate) * true + rate * other
        assert flipped_mean(np.array(true), rate, low, high) == pytest.approx(mean, abs=1e-12)
        repaired = (1 - rate) * unflipped(np.array(true), rate, low, high) + rate * unflipped(
            np.array(other), rate, low, high
        )
        assert repaired == pytest.approx(true, abs=1e-12)
        spread = (1 - rate) * (unflipped(np.array(true), rate, low, high) - true) ** 2
        spread += rate * (unflipped(np.array(other), rate, low, high) - true) ** 2
        assert spread == pytest.approx(rate * (1 - rate) * (high - low) ** 2 / (1 - 2 * rate) ** 2, abs=1e-9)


@pytest.mark.parametrize("rate", [0.1, 0.3])
@pytest.mark.parametrize("per", ["step", "end"])
def test_repair_keeps_every_return_in_expectation(rate, per, transition):
    """All coins of a three-step episode are enumerated, through the method itself; any discount."""
    gamma, true = 0.9, np.array([1.0, 0.0, 1.0])
    method = UnflipReward(rate, per=per)
    mean = 0.0
    for coins in itertools.product([0, 1], repeat=3 if per == "step" else 1):
        chance = np.prod([rate if c else 1 - rate for c in coins])
        coin = np.array(coins) if per == "step" else np.array([0, 0, *coins])
        flipped = np.where(coin, 1 - true, true)
        paid = [method(transition([r], terminated=[t == 2]))[0] for t, r in enumerate(flipped)]
        mean += chance * (gamma ** np.arange(3) * paid).sum()
    assert mean == pytest.approx((gamma ** np.arange(3) * true).sum(), abs=1e-12)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.4, 0.5, 0.6, 1.0])
def test_expected_gradients_shrink_by_one_minus_two_p(rate):
    """A softmax bandit with exact gradients: direction kept below one half, gone at it, turned round beyond."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        logits, success = rng.normal(size=5), rng.random(5)
        chance = np.exp(logits) / np.exp(logits).sum()

        def gradient(value, chance=chance):
            return chance * (value - chance @ value)

        noisy = gradient(flipped_mean(success, rate))
        np.testing.assert_allclose(noisy, (1 - 2 * rate) * gradient(success), atol=1e-12)
        best = flipped_mean(success, rate)
        if rate != 0.5:
            assert (best.argmax() == success.argmax()) == (rate < 0.5)


def test_a_flipped_group_has_the_opposite_standardised_gradient():
    rewards = np.array([0, 1, 1, 0, 0, 0, 1, 0.0])

    def standardised(r):
        return (r - r.mean()) / r.std()

    np.testing.assert_allclose(standardised(1 - rewards), -standardised(rewards), atol=1e-12)


# -- coins -----------------------------------------------------------------------------------------------------


def flips(per, rate, rows=200, episodes=100, seed=0, starts=None):
    """Whether each episode's outcome was flipped: ``(episodes, rows)``, true outcome 0."""
    method = FlipReward(rate, per=per, seed=seed)
    every, none = np.ones(rows, bool), np.zeros(rows, bool)
    out = []
    for episode in range(episodes):
        obs = np.zeros((rows, 1)) if starts is None else starts[episode]
        method.reset(obs, None, every)
        out.append(method(Transition(obs, None, np.zeros(rows), obs, every, none, None, every)))
    return np.array(out)


@pytest.mark.parametrize("per", ["step", "sample"])
def test_rate_and_independence(per):
    """20,000 coins at .3: the share within five standard errors, rows and times uncorrelated."""
    found = flips(per, 0.3)
    assert found.mean() == pytest.approx(0.3, abs=5 * np.sqrt(0.21 / found.size))
    centred = found - 0.3
    for a, b in ((centred[1:], centred[:-1]), (centred[:, 1:], centred[:, :-1])):
        assert abs((a * b).mean()) < 5 * 0.21 / np.sqrt(a.size)
    assert (flips(per, 0.0) == 0.0).all() and (flips(per, 1.0) == 1.0).all()
    assert (flips(per, 0.3, seed=1) != found).any()


def test_one_coin_for_all_episodes_of_a_start():
    found = flips("group", 0.3, rows=7, episodes=2000)
    assert (found == found[:, :1]).all()  # one start: every row alike
    assert found[:, 0].mean() == pytest.approx(0.3, abs=5 * np.sqrt(0.21 / 2000))
    starts = np.random.default_rng(0).integers(0, 3, (2000, 7, 1)).astype(float)
    found = flips("group", 0.3, rows=7, episodes=2000, starts=starts)
    same = starts[:, :, None, 0] == starts[:, None, :, 0]
    agree = found[:, :, None] == found[:, None, :]
    assert agree[same].all() and not agree[~same].all()
    assert agree[~same].mean() == pytest.approx(0.58, abs=0.03)  # .3^2 + .7^2: independent


def test_groups_of_this_packages_games():
    """Copies that were reset as one group begin alike, and their outcomes flip together."""
    env = wrap(
        payoff.multi_agent_vec("payoff/Sudoku-v0", 40, autoreset_mode="disabled", max_steps=1),
        FlipReward(0.5, per="group", seed=3),
    )
    group = np.repeat(np.arange(10), 4)
    seen = []
    for _ in range(6):
        env.reset(options={"group": group.tolist()})
        rewards = env.step(np.zeros((40, 1), int))[1][:, 0].reshape(10, 4)
        assert (rewards == rewards[:, :1]).all()
        seen.append(rewards[:, 0])
    assert 0.2 < np.mean(seen) < 0.8 and np.ptp(np.array(seen), axis=0).any()


def test_groups_by_a_function(transition):
    method = FlipReward(0.5, per="group", seed=0, group=lambda obs, info: info["level"])
    info = {"level": np.arange(50) % 2}
    t = transition(np.zeros(50), info, terminated=np.ones(50, bool), obs=np.random.default_rng(0).random((50, 3)))
    found = []
    for _ in range(20):
        method.reset(t.obs, t.info, np.ones(50, bool))
        found.append(method(t))
    found = np.array(found)
    assert (found[:, ::2] == found[:, :1]).all() and (found[:, 1::2] == found[:, 1:2]).all()
    assert (found[:, 0] != found[:, 1]).any()


def test_only_outcomes_flip_unless_each_step_does(script):
    env = wrap(script((0.5, 0.7, 1.0)), FlipReward(1.0, per="sample", seed=0))
    env.reset(seed=0)
    assert [env.step(0)[1] for _ in range(3)] == [0.5, 0.7, 0.0]
    env = wrap(script((0.5, 0.7, 1.0)), FlipReward(1.0, per="step", seed=0))
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"FlipReward: rewards must be 0 or 1, got 0.5 in row 0"):
        env.step(0)
    env = wrap(script((2.0,)), FlipReward(1.0, per="sample", seed=0, low=-3.0, high=2.0))
    env.reset(seed=0)
    assert env.step(0)[1] == -3.0


def test_flip_then_repair_on_a_game(script):
    """Stacked: the mean over many episodes is the true outcome again."""
    rows = 400
    env = SyncVectorEnv([lambda: script((0.0, 1.0))] * rows, autoreset_mode=AutoresetMode.NEXT_STEP)
    env = wrap(wrap(env, FlipReward(0.2, per="sample", seed=1)), UnflipReward(0.2, per="end"))
    env.reset(seed=0)
    total = np.zeros(rows)
    for _ in range(3 * 20):
        total += env.step(np.zeros(rows, int))[1]
    mean, error = total.mean() / 20, np.sqrt(0.16) / 0.6 / np.sqrt(rows * 20)
    assert mean == pytest.approx(1.0, abs=5 * error)


# -- streams and normal noise ------------------------------------------------------------------------------------


def test_draws_do_not_depend_on_the_batch():
    keys = streams.stream_keys(5, 6)
    whole = streams.uniform(keys, np.arange(6))
    alone = [streams.uniform(streams.stream_keys(5, 1, row), np.array([row]))[0] for row in range(6)]
    assert whole.tolist() == alone
    assert len(set(keys.tolist())) == 6


def test_uniform_and_normal():
    keys, counts = np.repeat(streams.stream_keys(0, 100), 1000), np.tile(np.arange(1000), 100)
    u, z = streams.uniform(keys, counts), streams.normal(keys, counts)
    assert u.min() >= 0.0 and u.max() < 1.0
    assert u.mean() == pytest.approx(0.5, abs=5 / np.sqrt(12 * u.size))
    assert np.histogram(u, 20, (0, 1))[0] / u.size == pytest.approx(np.full(20, 0.05), abs=5 * np.sqrt(0.0475 / u.size))
    assert z.mean() == pytest.approx(0.0, abs=5 / np.sqrt(z.size))
    assert z.var() == pytest.approx(1.0, abs=5 * np.sqrt(2 / z.size))
    assert (z**4).mean() == pytest.approx(3.0, abs=5 * np.sqrt(96 / z.size))


def test_normal_noise_is_unbiased(transition):
    method = NoisyReward(2.0, seed=0)
    method.reset(np.zeros((5000, 1)), None, np.ones(5000, bool))
    paid = np.array([method(transition(np.full(5000, 0.3))) for _ in range(4)])
    assert paid.mean() == pytest.approx(0.3, abs=5 * 2.0 / np.sqrt(paid.size))
    assert paid.std() == pytest.approx(2.0, rel=0.05)
    assert NoisyReward(0.0, seed=0).std == 0.0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: FlipReward(1.2, per="step", seed=0), ValueError, r"rate must be a number in \[0, 1\], got 1.2"),
        (lambda: FlipReward(0.1, per="row", seed=0), ValueError, "per must be one of"),
        (lambda: FlipReward(0.1, per="step", seed=-1), ValueError, "seed must be an integer"),
        (lambda: FlipReward(0.1, per="step", seed=0, low=1.0), ValueError, r"\(low, high\)\[1\] must be a number"),
        (lambda: FlipReward(0.1, per="step", seed=0, first_row=-1), ValueError, "first_row must be"),
        (lambda: FlipReward(0.1, per="group", seed=0, group=3), TypeError, "must be a function"),
        (lambda: UnflipReward(0.5, per="step"), ValueError, r"rate must be a number in \[0, 0.5\), got 0.5"),
        (lambda: UnflipReward(0.1, per="sample"), ValueError, "per must be one of"),
        (lambda: NoisyReward(-1.0, seed=0), ValueError, "std must be a number"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
