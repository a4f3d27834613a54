"""KRC: the numbers of the notes, its traps as facts, and as a potential on CarBall, where it leaves returns alone."""

import gymnasium as gym
import numpy as np
import pytest

import payoff
from payoff.envs.sparse.car_ball import alignment, ball_nearness, car_nearness
from payoff.wrappers import PotentialShaping, wrap
from payoff.wrappers.transforms.kinesthetic import KinestheticPotential, KinestheticReward, kinesthetic


@pytest.mark.parametrize(
    ("parts", "value"),
    [
        ((0.8, 0.5, 0.9), 0.7114),
        ((-0.8, 0.5, 0.9), -0.7114),
        ((-0.8, -0.5, 0.9), -0.7114),
        ((0.0, 0.5, 0.9), 0.0),
        ((0.0, -0.5, 0.9), 0.0),
        ((0.4,), 0.4),
    ],
)
def test_published_numbers(parts, value):
    assert kinesthetic(np.array(parts)) == pytest.approx(value, abs=6e-5)


def test_sign_of_the_product_differs_with_two_negatives():
    assert kinesthetic(np.array([-0.8, -0.5, 0.9]), "product") == pytest.approx(0.7114, abs=6e-5)
    assert kinesthetic(np.array([-0.8, 0.5, 0.9]), "product") == pytest.approx(-0.7114, abs=6e-5)


def test_is_the_geometric_mean_and_stays_in_range():
    parts = np.random.default_rng(0).uniform(-1, 1, (500, 4))
    value = kinesthetic(parts)
    np.testing.assert_allclose(np.abs(value), np.exp(np.log(np.abs(parts)).mean(axis=1)), rtol=1e-12)
    assert (value > 0).tolist() == (parts >= 0).all(axis=1).tolist()
    assert np.abs(value).max() <= 1.0
    assert (np.abs(value) <= np.abs(parts).mean(axis=1) + 1e-12).all()  # never above the linear mean of sizes


def test_nothing_pays_for_a_component_that_is_missing():
    """A weighted sum gives two thirds for (1, 1, 0), KRC nothing."""
    assert kinesthetic(np.array([1.0, 1.0, 0.0])) == 0.0
    assert kinesthetic(np.array([1.0, 1.0, 0.001])) == pytest.approx(0.1, abs=1e-12)


def test_continuous_where_the_sign_jumps_but_infinitely_steep():
    """|KRC| goes to 0 like e^(1/n) on both sides of a component's zero; its slope has no bound."""
    for others in ((0.8, 0.9), (-0.8, 0.9), (-0.8, -0.9)):
        size = np.prod(np.abs(others)) ** (1 / 3)
        for e in (1e-2, 1e-4, 1e-8):
            above, below = (kinesthetic(np.array([side * e, *others])) for side in (1, -1))
            assert abs(above) == pytest.approx(size * e ** (1 / 3), rel=1e-12)
            assert abs(below) == pytest.approx(size * e ** (1 / 3), rel=1e-12)
            assert abs(above) / e > 0.8 * e ** (-2 / 3)
    jumps = kinesthetic(np.array([[1e-8, 0.8, 0.9], [-1e-8, 0.8, 0.9]]))
    assert jumps[0] > 0 > jumps[1]


def test_more_of_a_good_thing_may_be_worse():
    """With one negative component KRC falls as another rises: it is no monotone function."""
    assert kinesthetic(np.array([-0.8, 0.9, 0.9])) < kinesthetic(np.array([-0.8, 0.1, 0.9]))


@pytest.fixture(scope="module")
def potential():
    return KinestheticPotential([alignment, ball_nearness, car_nearness])


def test_as_a_potential_on_car_ball_it_leaves_returns_alone(potential):
    """gamma 1: an episode that ends with a goal is paid its payoff less Phi of its start, whoever plays."""
    env = gym.make("payoff/CarBall-v0", players=1, max_steps=400)
    shaped = wrap(env, PotentialShaping(potential, gamma=1.0, on_truncation="terminal"))
    rng = np.random.default_rng(0)
    for seed in range(3):
        obs, _ = shaped.reset(seed=seed)
        phi = potential(obs[None], None)[0]
        assert -1.0 <= phi <= 1.0
        total, true, over = 0.0, 0.0, False
        while not over:
            action = np.array([1.0, rng.uniform(-1, 1), -1.0], dtype=np.float32)
            obs, reward, terminated, truncated, info = shaped.step(action)
            total, true, over = total + reward, true + info["true_reward"], terminated or truncated
        assert total == pytest.approx(true - phi, abs=1e-9)


def test_every_seat_of_car_ball(potential):
    env = wrap(
        payoff.multi_agent_vec("payoff/CarBall-v0", 3, players=4),
        PotentialShaping(potential, gamma=0.99, on_truncation="bootstrap"),
    )
    obs, _ = env.reset(seed=0)
    for _ in range(5):
        actions = np.zeros((3, 4, 3))
        new, rewards, *_ = env.step(actions)
        expected = 0.99 * potential(new.reshape(12, -1), None) - potential(obs.reshape(12, -1), None)
        np.testing.assert_allclose(rewards.reshape(-1), expected, atol=1e-12)
        obs = new


def test_reward_vector_of_a_game():
    """Delivery names its features; on an empty road none is there, and KRC of all of them is 0."""
    env = wrap(gym.make("payoff/Delivery-v0"), KinestheticReward("reward_vector"))
    env.reset(seed=0)
    _, reward, _, _, info = env.step(0)
    assert reward == kinesthetic(info["reward_vector"]) == 0.0 and info["true_reward"] != 0.0


def test_named_components(transition):
    info = {"a": np.array([0.8, -0.8]), "b": np.array([0.5, 0.5]), "c": np.array([0.9, 0.9])}
    t = transition([1.0, 1.0], info)
    np.testing.assert_allclose(KinestheticReward(["a", "b", "c"], coef=2.0)(t), [1.4228, -1.4228], atol=2e-4)
    np.testing.assert_allclose(KinestheticReward(["a", "b", "c"], add=True)(t), [1.7114, 0.2886], atol=6e-5)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: kinesthetic(np.array([1.5])), ValueError, r"parts must be in \[-1, 1\], got 1.5"),
        (lambda: kinesthetic(np.array([np.nan])), ValueError, r"parts must be in \[-1, 1\], got nan"),
        (lambda: kinesthetic(np.zeros((3, 0))), ValueError, "parts must have shape"),
        (lambda: kinesthetic(np.zeros(3), "both"), ValueError, "sign must be one of"),
        (lambda: KinestheticReward([]), ValueError, "parts must hold at least one signal"),
        (lambda: KinestheticReward([3]), TypeError, r"parts\[0\] must be the name"),
        (lambda: KinestheticPotential([]), ValueError, "parts must hold at least one potential"),
        (lambda: KinestheticPotential(["x"]), TypeError, r"parts\[0\] must be a function"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_component_out_of_range_is_named(transition):
    with pytest.raises(ValueError, match=r"parts must be in \[-1, 1\], got 2.0 in row 1"):
        KinestheticReward("v")(transition([0.0, 0.0], {"v": np.array([[0.0], [2.0]])}))
