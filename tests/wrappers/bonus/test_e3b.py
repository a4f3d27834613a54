"""E3B: the one-hot identity, the inverse matrix computed anew at each step, and episodes that end."""

import numpy as np
import pytest

from payoff.wrappers.bonus.e3b import E3B
from payoff.wrappers.bonus.state_features import flat, one_hot


@pytest.mark.parametrize("ridge", [0.1, 1.0, 7.5])
def test_one_hot_features_count(path, ridge):
    """b = 1 / (lambda + visits of s' in the episode before this one); the start is a visit."""
    rng = np.random.default_rng(0)
    bonus = E3B(one_hot(6), ridge=ridge)
    for _ in range(3):
        walk = rng.integers(0, 6, (400, 4))
        found = path(bonus, walk)
        visits = np.zeros((4, 6))
        visits[np.arange(4), walk[0]] = 1
        for states, scores in zip(walk[1:], found, strict=True):
            np.testing.assert_allclose(scores, 1 / (ridge + visits[np.arange(4), states]), atol=1e-12, rtol=0)
            visits[np.arange(4), states] += 1


def test_inverse_is_that_of_the_sum(stream, score):
    """Dense features: the matrix of each row's episode, inverted from scratch."""
    bonus = E3B(ridge=0.3)
    events = list(stream(rows=3, seed=1).events(150))
    found = iter(score(bonus, events))
    seen: list[list[np.ndarray]] = [[], [], []]
    for kind, first, *rest in events:
        if kind == "reset":
            for row in np.flatnonzero(rest[1]):
                seen[row] = [first[row]]
            continue
        scores = next(found)
        for row in range(3):
            phi = first.next_obs[row]
            total = 0.3 * np.eye(2) + sum(np.outer(x, x) for x in seen[row])
            expected = phi @ np.linalg.inv(total) @ phi if first.active[row] else 0.0
            assert scores[row] == pytest.approx(expected, rel=1e-9, abs=1e-12)
            if first.active[row]:
                seen[row].append(phi)
    memory = bonus.state_dict()["inverse"]
    np.testing.assert_allclose(memory, memory.swapaxes(1, 2), atol=1e-15)


def test_first_step_of_each_episode(path):
    """Back to a start of one-hot features: 1 / (lambda + 1); away from it: 1 / lambda, in every episode."""
    bonus = E3B(one_hot(3), ridge=0.1)
    for _ in range(2):
        assert path(bonus, [0, 0])[0, 0] == pytest.approx(1 / 1.1, abs=1e-12)
        assert path(bonus, [0, 1])[0, 0] == pytest.approx(10.0, abs=1e-12)


def test_features_of_any_observation():
    obs = {"b": np.array([1, 2]), "a": np.array([[3.0, 4.0], [5.0, 6.0]])}
    assert flat(obs).tolist() == [[3, 4, 1], [5, 6, 2]]
    assert flat((np.zeros((2, 2, 2)), np.ones(2))).tolist() == [[0, 0, 0, 0, 1]] * 2
    assert one_hot(3, state=lambda obs: obs["b"])(obs).tolist() == [[0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (lambda obs: obs[:1], r"must return finite numbers of shape \(2, F\), got shape \(1, 1\)"),
        (lambda obs: obs[:, 0], r"must return finite numbers of shape \(2, F\), got shape \(2,\)"),
        (lambda obs: obs / 0.0, r"must return finite numbers of shape \(2, F\), got inf"),
        (one_hot(3), r"states must be whole numbers \(R,\), got float64 of shape \(2, 1\)"),
        (one_hot(3, state=lambda obs: obs[:, 0].astype(int)), r"states must be in 0 .. 2, got 3 .. 4"),
    ],
)
def test_bad_features_are_named(start, features, message):
    with np.errstate(divide="ignore"), pytest.raises(ValueError, match=message):
        start(E3B(features), [[3.0], [4.0]])


def test_bad_arguments():
    with pytest.raises(ValueError, match="ridge must be a number in"):
        E3B(ridge=0.0)
    with pytest.raises(TypeError, match=r"features must be a function obs -> \(R, F\), got 3"):
        E3B(3)
    with pytest.raises(ValueError, match="states must be an integer at least 1"):
        one_hot(0)


def test_bad_state_is_refused_and_changes_nothing(path):
    bonus = E3B(one_hot(3))
    path(bonus, [0, 1, 2])
    kept = bonus.state_dict()
    for name, bad in [("inverse", np.zeros((1, 2, 2))), ("inverse", np.full((1, 3, 3), np.nan)), ("steps", [1, 2])]:
        with pytest.raises(ValueError, match=f"E3B: {name} must"):
            bonus.load_state_dict({**kept, name: np.array(bad)})
    with pytest.raises(ValueError, match="E3B takes the arrays steps, inverse, got"):
        bonus.load_state_dict({**kept, "encoder.net": np.zeros(2)} | {"more": np.zeros(1)})
    with pytest.raises(ValueError, match="given features keep no state, got net"):
        bonus.load_state_dict({**kept, "encoder.net": np.zeros(2)})
    for name, array in bonus.state_dict().items():
        np.testing.assert_array_equal(array, kept[name])
