"""Scalarisations: values by hand, gradients by differences, points that no weighted sum finds, and the step reward."""

import math

import gymnasium as gym
import numpy as np
import pytest

import payoff  # noqa: F401  # registers the ids
from payoff.envs.sparse.delivery import DeliveryParams
from payoff.wrappers import wrap
from payoff.wrappers.objectives.scalarise import Chebyshev, LogSum, Thresholded, VectorReward, WeightedSum

VECTORS = np.array([[2.0, 4.0], [0.5, 1.0], [-1.0, 3.0]])
ALL = {
    "sum": (WeightedSum((1.0, -0.5)), [0.0, 0.0, -2.5]),
    "chebyshev": (Chebyshev((1.0, 2.0), (4.0, 4.0)), [-2.0, -6.0, -5.0]),
    "augmented": (Chebyshev((1.0, 2.0), (4.0, 4.0), rho=0.1), [-1.0, -5.75, -4.5]),
    "thresholded": (Thresholded((1.0, math.inf), (10.0, 1.0)), [14.0, 6.0, -7.0]),
    "log": (LogSum((1.0, 1.0), (2.0, 0.0)), [math.log(16), math.log(2.5), math.log(3)]),
}


@pytest.mark.parametrize("name", ALL)
def test_values_and_gradients(name):
    function, expected = ALL[name]
    assert function(VECTORS) == pytest.approx(expected)
    assert [float(function(v)) for v in VECTORS] == pytest.approx(expected)
    for k in range(2):
        step = 1e-6 * (np.arange(2) == k)
        slope = (function(VECTORS + step) - function(VECTORS - step)) / 2e-6
        assert function.gradient(VECTORS)[:, k] == pytest.approx(slope, abs=1e-5)


@pytest.mark.parametrize("shape", [(3, 1), (3, 3), (1,)])
@pytest.mark.parametrize("name", ALL)
def test_vectors_of_another_length_are_refused(name, shape):
    """Numpy would stretch one number over all weights."""
    function, _ = ALL[name]
    for use in (function, function.gradient):
        with pytest.raises(ValueError, match=r"vector must have shape \(..., 2\)"):
            use(np.ones(shape))


def test_chebyshev_finds_what_no_sum_finds():
    """The middle of a front that bends inwards: below every chord, best at equal distances."""
    front = np.array([[1.0, 0.0], [0.4, 0.4], [0.0, 1.0]])
    assert all(WeightedSum((w, 1 - w))(front).argmax() != 1 for w in np.linspace(0, 1, 101))
    assert Chebyshev((1.0, 1.0), (1.0, 1.0))(front).argmax() == 1


def test_only_a_sum_commutes_with_sums():
    parts = np.random.default_rng(0).normal(size=(20, 2))
    for name in ("sum", "chebyshev", "thresholded"):
        function, _ = ALL[name]
        assert (abs(function(parts).sum() - function(parts.sum(axis=0))) < 1e-9) == (name == "sum")


def test_reward_of_delivery_is_its_weighted_features():
    """The game's own reward is this weighted sum of its reward vector; other weights give another problem."""
    weights = (*DeliveryParams().weights, 50.0)
    env = wrap(
        gym.make_vec("payoff/Delivery-v0", num_envs=16, vectorization_mode="vector_entry_point"),
        VectorReward(WeightedSum(weights), size=7),
    )
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    paid = []
    for _ in range(60):
        _, reward, *_, info = env.step(rng.integers(0, 4, 16))
        assert reward == pytest.approx(info["true_reward"], abs=1e-12)
        paid.extend(reward.tolist())
    assert {-1.0, -50.0} <= set(paid)


def test_non_linear_reward_of_each_step(walk, sync):
    env = wrap(sync(walk, 3), VectorReward(Thresholded((0.5, math.inf), (1.0, 0.01)), size=2, key="pair"))
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(30):
        _, reward, *_, info = env.step(rng.integers(0, 3, 3))
        x, t = info["pair"].T
        live = t > 0
        assert reward[live].tolist() == pytest.approx((np.minimum(x, 0.5) + 0.01 * t)[live].tolist())
        assert info["reward_terms"]["aux"][live] == pytest.approx((reward - info["true_reward"])[live], abs=1e-12)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: WeightedSum(()), "weights must be at least 1 numbers"),
        (lambda: WeightedSum((1.0, float("nan"))), r"weights\[1\] must be a number"),
        (lambda: Chebyshev((1.0, -1.0), (0.0, 0.0)), r"weights\[1\] must be a number in \[0"),
        (lambda: Chebyshev((1.0,), (0.0, 0.0)), "ideal must be 1 numbers, got 2"),
        (lambda: Chebyshev((1.0,), (0.0,), rho=-1.0), "rho must be a number"),
        (lambda: Thresholded((1.0,), (1.0, 2.0)), "thresholds must be 2 numbers, got 1"),
        (lambda: LogSum((1.0,), (0.0,))(np.zeros(1)), "vector plus shift must be above 0"),
        (lambda: VectorReward(WeightedSum((1.0,)), size=0), "size must be an integer at least 1"),
    ],
)
def test_bad_arguments_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_bad_functions_and_entries(walk):
    with pytest.raises(TypeError, match="function must be a function"):
        VectorReward((1.0, 2.0), size=2)
    with pytest.raises(TypeError, match="key must be a string"):
        VectorReward(WeightedSum((1.0,)), size=1, key=3)
    for method, words in (
        (VectorReward(WeightedSum((1.0,) * 3), size=3, key="pair"), r"info\['pair'\] must have 3 entries"),
        (VectorReward(lambda v: v, size=2, key="pair"), r"function must return shape \(1,\), got \(1, 2\)"),
    ):
        env = wrap(walk(), method)
        env.reset(seed=0)
        with pytest.raises(ValueError, match=words):
            env.step(0)
    env = wrap(walk(), VectorReward(WeightedSum((1.0,)), size=1))
    env.reset(seed=0)
    with pytest.raises(KeyError, match="info has no 'reward_vector'"):
        env.step(0)
