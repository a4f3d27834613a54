"""PAR and its siblings: the number of the notes, bounds, what they keep of the order of policies and what not."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs import registry
from payoff.envs.sparse import tamper, tamper_gaming
from payoff.envs.theory import tabular
from payoff.wrappers import wrap
from payoff.wrappers.transforms.par import SHAPES, GroupPreference, PreferenceAsReward, preference, reference_returns

X = np.linspace(-30, 30, 2001)
RANGES = {"sigmoid": (0, 1), "shifted": (0, 1), "polynomial": (0, 1), "tanh": (-1, 1), "arctan": (-1, 1)}


def test_published_number():
    assert preference(np.array(2.0), np.array([1.0, 2.0, 3.0])) == pytest.approx(0.5, abs=1e-15)


@pytest.mark.parametrize("shape", SHAPES)
def test_never_falls_and_stays_in_its_range(shape):
    value = preference(X, np.array([0.0]), shape=shape)
    assert (np.diff(value) >= 0.0).all()
    if shape in RANGES:
        low, high = RANGES[shape]
        assert value.min() >= low and value.max() <= high
        assert value[0] == pytest.approx(low, abs=0.03) and value[-1] == pytest.approx(high, abs=0.03)
    else:
        assert shape in ("linear", "logsigmoid") and value.min() < -25.0  # these two are not bounded


def test_formulas():
    reference = np.array([0.3, -0.5])
    x = 1.7 * (X[:, None] - reference)
    expected = {
        "sigmoid": 1 / (1 + np.exp(-x)),
        "shifted": 1 / (1 + np.exp(-(x - 3 * 1.7))),
        "tanh": np.tanh(x),
        "arctan": 2 / np.pi * np.arctan(x),
        "linear": x,
        "polynomial": np.clip(0.5 + x / 4 - x**3 / 48 + x**5 / 480, 0, 1),
    }
    for shape, value in expected.items():
        np.testing.assert_allclose(preference(X, reference, k=1.7, shape=shape), value.mean(axis=1), atol=1e-12)
    quantile = 0.85 * 0.3 + 0.15 * -0.5
    found = preference(X, reference, k=1.7, shape="logsigmoid")
    np.testing.assert_allclose(found, -np.logaddexp(0.0, -1.7 * (X - quantile)), atol=1e-12)


def test_polynomial_is_the_series_of_the_sigmoid():
    small = np.linspace(-0.1, 0.1, 21)
    difference = preference(small, np.zeros(1), shape="polynomial") - preference(small, np.zeros(1))
    assert np.abs(difference).max() < 3e-4 * 0.1**7 * 10  # next term 17/80640 x^7


def test_large_numbers_do_not_overflow():
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert preference(np.array([-1e9, 1e9]), np.zeros(1), k=1e3).tolist() == [0.0, 1.0]


def test_is_the_probability_that_logistic_noise_lets_it_win():
    """P(r + e > ref) for e logistic of scale 1/k, integrated numerically: the payment is unbiased for a vote."""
    k, step = 1.3, 1e-3
    e = np.arange(-60, 60, step)
    density = k / (4 * np.cosh(k * e / 2) ** 2)
    for gap in (-2.0, 0.0, 0.4, 3.0):
        wins = (density * (gap + e > 0)).sum() * step
        assert preference(np.array(gap), np.zeros(1), k=k) == pytest.approx(wins, abs=1e-3)


def test_variance_of_returns_is_bounded():
    """Exact variances of discounted returns in random MDPs whose rewards are preferences, by the second moment."""
    rng = np.random.default_rng(0)
    gamma = 0.9
    for _ in range(50):
        n = 6
        chance = rng.dirichlet(np.full(n, 0.3), n)
        reward = preference(rng.normal(scale=100.0, size=(n, n)), rng.normal(size=3))
        mean = np.linalg.solve(np.eye(n) - gamma * chance, (chance * reward).sum(axis=1))
        second = np.linalg.solve(
            np.eye(n) - gamma**2 * chance, (chance * (reward**2 + 2 * gamma * reward * mean)).sum(axis=1)
        )
        variance = second - mean**2
        assert (variance <= 1.0 / (1.0 - gamma) ** 2).all()
        assert (variance <= 0.25 / (1.0 - gamma) ** 2 + 1e-9).all()  # returns lie in [0, 1 / (1 - gamma)]


def test_standardising_learners_see_only_the_bend():
    """A linear shape is gone after a group's mean and deviation are taken out; a sigmoid is not."""
    rewards = np.random.default_rng(0).normal(size=16) * 3

    def standardised(r):
        return (r - r.mean()) / r.std()

    linear = preference(rewards, np.array([0.4, 1.0]), shape="linear")
    np.testing.assert_allclose(standardised(linear), standardised(rewards), atol=1e-12)
    assert np.abs(standardised(preference(rewards, np.array([0.4]))) - standardised(rewards)).max() > 0.1


# -- what it keeps of the order of policies --------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["sigmoid", "tanh", "arctan", "linear", "logsigmoid"])
def test_deterministic_problems_keep_their_best_policies_at_the_end(shape):
    """Returns of deterministic policies from one start: g rises, so the best ones stay the best."""
    rng = np.random.default_rng(1)
    for _ in range(100):
        returns = rng.integers(-3, 4, 12).astype(float)
        paid = preference(returns, rng.normal(size=4), shape=shape)
        assert set(np.flatnonzero(paid == paid.max())) == set(np.flatnonzero(returns == returns.max()))


def test_gambles_are_turned_down():
    """A sure 2 against 10 or -4 with equal chance, mean 3: saturation turns the order round."""
    sure = preference(np.array(2.0), np.zeros(1))
    gamble = preference(np.array([10.0, -4.0]), np.zeros(1)).mean()
    assert gamble < sure
    line = preference(np.array([2.0, 10.0, -4.0]), np.zeros(1), shape="linear")
    assert line[1:].mean() > line[0]


@pytest.mark.parametrize(("shape", "loops"), [("sigmoid", True), ("tanh", False)])
def test_paid_at_each_step_a_shape_above_zero_loops(shape, loops):
    """FillerSteps: 0 a step and 1 for success. g(0) > 0 pays for going on, so that no best policy stops."""
    model = payoff.as_mdp("payoff/FillerSteps-v0", starts=[0], needed=3)
    paid = preference(model.reward, np.array([0.0]), shape=shape)
    paid = np.where(model.terminal[:, None, None], 0.0, paid)
    shaped = dataclasses.replace(model, reward=paid)
    best = tabular.value_iteration(shaped, 0.95)
    success = tabular.success_probability(model, best.policy, 200)[int(model.initial.argmax())]
    assert success == (0.0 if loops else 1.0)


def test_bounded_is_not_safe():
    """Tamper: the register pays 10 where honest work gets 2/3. PAR shrinks the gap from 9.3 to below 0.5, no more."""
    game, keywords = registry.load("payoff/Tamper-v0"), {"stage": 4}
    method = PreferenceAsReward(2 / 3, at="end", proxy="aux")
    env = wrap(gym.make("payoff/Tamper-v0", **keywords), method)
    params = tamper.TamperParams(**keywords)
    env.reset(seed=0)
    state = env.unwrapped.engine.state
    start, honest, terminated = state[0].copy(), 0.0, False
    while not terminated:
        _, reward, terminated, _, info = env.step(int(game.policy(params, state[0])[0]))
        honest += reward
    assert info["payoff"] == 1.0 and honest == pytest.approx(0.5, abs=1e-12)
    hacker = tamper_gaming.gamer(params, start)
    assert (hacker.observed, hacker.true) == (10.0, 0.0)
    assert preference(np.array(10.0), np.array([2 / 3])) == pytest.approx(1 / (1 + np.exp(-28 / 3)), abs=1e-12)
    assert 0.5 < preference(np.array(10.0), np.array([2 / 3])) < 1.0


# -- references ------------------------------------------------------------------------------------------------


def test_references_of_the_start(script):
    asked = []

    def reference(obs, info):
        asked.append(len(obs))
        return np.stack([info["level"], info["level"] + 1.0], axis=1)

    rows = [lambda level=level: script((0.0, level), start={"level": level}) for level in (1.0, 5.0)]
    env = wrap(gym.vector.SyncVectorEnv(rows), PreferenceAsReward(reference, at="end", samples=2))
    env.reset(seed=0)
    env.step(np.zeros(2, int))
    paid = env.step(np.zeros(2, int))[1]
    np.testing.assert_allclose(paid, [preference(np.array(0.0), np.array([0.0, 1.0]))] * 2, atol=1e-15)
    assert asked == [2]


def test_references_are_finished_episodes_alone(batch):
    """What an unfinished one has been paid so far is no return, and a group of such has no reference at all."""
    frozen = batch([[1.0], [5.0], [3.0], [9.0]], group=[7, 7, 7, 4], finished=[True, False, True, False])
    assert {g: r.tolist() for g, r in reference_returns(frozen).items()} == {7: [1.0, 3.0]}


def test_group_preference(batch):
    frozen = batch([[1.0], [2.0], [3.0], [0.5, 9.5]], group=[7, 7, 7, 4])
    reference = reference_returns(frozen)
    assert {g: r.tolist() for g, r in reference.items()} == {7: [1.0, 2.0, 3.0], 4: [10.0]}
    new = batch([[1.0, 1.0], [4.0, 6.0, 0.0]], group=[7, 4])
    paid = GroupPreference(reference)(new)
    assert paid.tolist() == [[0.0, 0.0], [0.5, 0.0], [0.0, 0.5]]
    paid = GroupPreference()(batch([[1.0], [1.0], [4.0]], group=[0, 0, 0]))  # against the others of the group
    expected = [preference(np.array(r), np.array(others)) for r, others in ((1, [1, 4]), (1, [1, 4]), (4, [1, 1]))]
    np.testing.assert_allclose(paid[0], expected, atol=1e-15)
    unfinished = batch([[1.0], [5.0]], group=[0, 0], finished=[True, False])
    assert GroupPreference({0: [1.0]})(unfinished).tolist() == [[0.5, 0.0]]
    with pytest.raises(ValueError, match="group 0 has no reference to compare episode 0 with"):
        GroupPreference()(unfinished)
    with pytest.raises(ValueError, match=r"batch.group must say which episodes began alike"):
        GroupPreference()(batch([[1.0]]))


@pytest.mark.parametrize(
    ("reference", "keywords", "message"),
    [
        (0.0, {"at": "now"}, "at must be one of 'end', 'step'"),
        (0.0, {"at": "end", "k": 0.0}, "k must be a number"),
        (0.0, {"at": "end", "shape": "cube"}, "shape must be one of"),
        ([], {"at": "end"}, "reference must be one or several finite numbers"),
        ([np.nan], {"at": "end"}, "reference must be one or several finite numbers"),
        ([1.0, 2.0], {"at": "end", "samples": 3}, "samples must be 2"),
        (len, {"at": "end"}, "samples must say how many references"),
        (0.0, {"at": "end", "quantile": 2}, "quantile must be a number"),
    ],
)
def test_bad_arguments(reference, keywords, message):
    with pytest.raises(ValueError, match=message):
        PreferenceAsReward(reference, **keywords)


def test_bad_references_are_named(script):
    env = wrap(script((0.0,)), PreferenceAsReward(lambda obs, info: np.zeros((1, 3)), at="end", samples=2))
    with pytest.raises(ValueError, match=r"reference must give finite numbers of shape \(1, 2\)"):
        env.reset(seed=0)
    with pytest.raises(ValueError, match=r"reference must have shape"):
        preference(np.zeros(2), np.zeros((2, 0)))
