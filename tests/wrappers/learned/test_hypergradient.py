"""Gradients through a learner: against differences of what the learner really does, and against each other."""

import numpy as np
import pytest
import torch
from torch.func import grad, jacrev

from payoff.wrappers.learned.hypergradient import (
    ConjugateGradient,
    Neumann,
    answer,
    forward_response,
    hypergradient,
    unrolled_hypergradient,
)

P, Q = 5, 4
SEEDS = [0, 1, 2]


def random_problem(seed):
    """A strictly concave aim of the learner, an aim of the designer, and a place."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return torch.from_numpy(rng.normal(size=shape))

    root, mixed, wanted = draw(P, P), draw(P, Q), draw(P)
    curved = root @ root.T / P + torch.eye(P, dtype=torch.float64)

    def inner(theta, phi):
        return -0.5 * theta @ curved @ theta + theta @ (mixed @ torch.tanh(phi)) - 0.1 * (theta**4).sum()

    def outer(theta, phi):
        return torch.sin(theta @ wanted) + 0.3 * (phi * phi).sum()

    return inner, outer, draw(P), draw(Q)


def differences(function, phi, step=1e-5):
    """Central differences of a function of phi."""
    unit = step * torch.eye(len(phi), dtype=phi.dtype)
    return torch.stack([(function(phi + e) - function(phi - e)) / (2.0 * step) for e in unit])


def maximum(inner, phi):
    """Newton's method, to rounding."""
    theta = torch.zeros(P, dtype=torch.float64)
    for _ in range(50):
        theta = theta - torch.linalg.solve(jacrev(grad(inner))(theta, phi), grad(inner)(theta, phi))
    return theta


def ascent(inner, theta, phi, steps, rate):
    for _ in range(steps):
        theta = theta + rate * grad(inner)(theta, phi)
    return theta


def close(found, expected, relative):
    assert (found - expected).abs().max() <= relative * expected.abs().max()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("response", [Neumann(400, 0.1), ConjugateGradient(2 * P)], ids=["neumann", "conjugate"])
def test_implicit_gradients_at_a_maximum(seed, response):
    """The outer aim at the maximum that belongs to each phi, by differences."""
    inner, outer, _, phi = random_problem(seed)
    expected = differences(lambda phi: outer(maximum(inner, phi), phi), phi)
    close(hypergradient(inner, outer, maximum(inner, phi), phi, response), expected, 1e-4)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("steps", [1, 3])
def test_unrolled_and_forward_gradients_of_some_steps(seed, steps):
    """The outer aim after so many steps from one place, by differences; a rate for each parameter."""
    inner, outer, theta, phi = random_problem(seed)
    rate = torch.linspace(0.02, 0.1, P, dtype=torch.float64)
    expected = differences(lambda phi: outer(ascent(inner, theta, phi, steps, rate), phi), phi)
    found, moved = unrolled_hypergradient([inner] * steps, outer, theta, phi, rate)
    close(found, expected, 1e-6)
    close(moved, ascent(inner, theta, phi, steps, rate), 1e-12)
    carried, at = torch.zeros((P, Q), dtype=torch.float64), theta
    for _ in range(steps):
        carried, at = forward_response(inner, at, phi, carried, rate), at + rate * grad(inner)(at, phi)
    v, direct = grad(outer, argnums=(0, 1))(at, phi)
    close(direct + v @ carried, found, 1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_shortest_neumann_series_is_one_step(seed):
    """First order, as LIRPG has it, is K = 0: the answer to v, wherever v is taken."""
    inner, outer, theta, phi = random_problem(seed)
    found, moved = unrolled_hypergradient([inner], outer, theta, phi, 0.05)
    v, direct = grad(outer, argnums=(0, 1))(moved, phi)
    close(direct + answer(inner, theta, phi, Neumann(0, 0.05)(inner, theta, phi, v)), found, 1e-12)


def test_neumann_series_of_a_quadratic_aim_by_hand():
    """H = -diag(1, 4), rate 1/8, K = 2: s = 1/8 (1 + 7/8 + 49/64, 1 + 1/2 + 1/4) = (169/512, 7/32)."""

    def inner(theta, phi):
        return -0.5 * (theta[0] ** 2 + 4.0 * theta[1] ** 2) + theta @ phi

    at = torch.ones(2, dtype=torch.float64)
    s = Neumann(2, 0.125)(inner, at, at, at)
    assert s.tolist() == pytest.approx([169 / 512, 7 / 32], rel=1e-12)
    assert answer(inner, at, at, s).tolist() == pytest.approx([169 / 512, 7 / 32], rel=1e-12)  # A is the identity
    exact = ConjugateGradient(2)(inner, at, at, at)
    assert exact.tolist() == pytest.approx([1.0, 0.25], rel=1e-12)
    damped = ConjugateGradient(2, damping=1.0)(inner, at, at, at)
    assert damped.tolist() == pytest.approx([0.5, 0.2], rel=1e-12)


def test_conjugate_gradients_stop_where_there_is_no_curvature():
    """An aim that is linear in theta: nothing is divided by zero, and nothing comes of it."""

    def inner(theta, phi):
        return theta @ phi

    at = torch.ones(2, dtype=torch.float64)
    assert ConjugateGradient(5)(inner, at, at, at).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Neumann(-1, 0.1), "steps must be an integer at least 0"),
        (lambda: Neumann(1, 0.0), "rate must be a number"),
        (lambda: ConjugateGradient(0), "steps must be an integer at least 1"),
        (lambda: ConjugateGradient(1, -1.0), "damping must be a number"),
    ],
)
def test_bad_estimators_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
