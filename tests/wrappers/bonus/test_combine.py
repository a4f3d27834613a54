"""Product, sum and multiple: every part sees every step, and keeps its own state."""

import numpy as np
import pytest

from payoff.wrappers.bonus.combine import Product, Scale, Sum, global_times_episodic
from payoff.wrappers.bonus.count import Count
from payoff.wrappers.bonus.e3b import E3B
from payoff.wrappers.bonus.first_visit import FirstVisit
from payoff.wrappers.bonus.reward import PaidBonus
from payoff.wrappers.bonus.state_features import one_hot

WALK = [0, 1, 2, 1, 3, 0]


def test_global_times_episodic_by_hand(path):
    bonus = global_times_episodic()
    assert path(bonus, [0, 1, 2, 1, 0])[:, 0].tolist() == [1, 1, 0, 0]
    # 0, 1 and 2 have 3, 3 and 2 visits in the end; going back to 1 is not paid, but counted
    assert path(bonus, [0, 1, 1, 2])[:, 0].tolist() == pytest.approx([1 / np.sqrt(3), 0, 1 / np.sqrt(2)], abs=1e-15)


def test_parts_score_as_they_do_alone(path):
    makes = [lambda: Count(power=1.0), FirstVisit, lambda: E3B(one_hot(4))]
    alone = np.array([path(make(), WALK) for make in makes])
    np.testing.assert_allclose(path(Product(*[make() for make in makes]), WALK), alone.prod(axis=0), atol=1e-15)
    np.testing.assert_allclose(path(Sum(*[make() for make in makes]), WALK), alone.sum(axis=0), atol=1e-15)
    np.testing.assert_allclose(path(Scale(FirstVisit(), -2.5), WALK), -2.5 * alone[1], atol=1e-15)
    nested = Sum(Scale(Product(Count(power=1.0), FirstVisit()), 0.5), E3B(one_hot(4)))
    np.testing.assert_allclose(path(nested, WALK), 0.5 * alone[0] * alone[1] + alone[2], atol=1e-15)


def test_state_of_nested_combinations_has_prefixes(path):
    nested = Sum(Scale(Product(Count(), FirstVisit()), 0.5), E3B(one_hot(4)))
    path(nested, WALK)
    state = nested.state_dict()
    assert {"steps", "0.0.0.visits.count", "0.0.0.key", "0.0.1.episode.row", "1.inverse"} <= set(state)
    other = Sum(Scale(Product(Count(), FirstVisit()), 0.5), E3B(one_hot(4)))
    other.load_state_dict(state)
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, state[name], strict=True)


def test_one_bad_part_changes_none(path):
    bonus = Product(Count(), E3B(one_hot(4)))
    path(bonus, WALK)
    other = Product(Count(), E3B(one_hot(4)))
    path(other, WALK[::-1] + WALK)
    kept, bad = bonus.state_dict(), other.state_dict()
    bad["1.inverse"] = np.zeros((1, 3, 3))
    with pytest.raises(ValueError, match=r"E3B: inverse must have shape \(1, 4, 4\)"):
        bonus.load_state_dict(bad)
    for name, array in bonus.state_dict().items():
        np.testing.assert_array_equal(array, kept[name])


def test_fork_shares_the_counts_of_the_parts(path):
    bonus = global_times_episodic()
    path(bonus, [0, 1])
    assert path(bonus.fork(), [5, 1])[:, 0].tolist() == pytest.approx([1 / np.sqrt(2)])
    alone = global_times_episodic(per_row=True)
    path(alone, [0, 1])
    assert path(alone.fork(), [5, 1])[:, 0].tolist() == [1]


def test_bad_arguments_are_named():
    with pytest.raises(TypeError, match="Product takes one Bonus or more, got none"):
        Product()
    with pytest.raises(TypeError, match="Sum takes one Bonus or more, got FirstVisit, float"):
        Sum(FirstVisit(), 2.0)
    count = Count()
    with pytest.raises(ValueError, match="Product got the same bonus twice"):
        Product(count, count)
    with pytest.raises(ValueError, match="Sum got the same bonus twice"):
        Sum(PaidBonus(count), Scale(FirstVisit(), 2.0), Scale(count, 2.0))
    with pytest.raises(ValueError, match="factor must be a number in"):
        Scale(count, np.inf)
