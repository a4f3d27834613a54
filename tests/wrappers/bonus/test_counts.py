"""Bonuses from exact counts: numbers worked out by hand, rows in order, forks, and what identifies a state."""

import numpy as np
import pytest

from payoff.wrappers.bonus.bebold import BeBold
from payoff.wrappers.bonus.count import Count
from payoff.wrappers.bonus.first_visit import FirstVisit

HALF = 1 / np.sqrt(2)


def test_count_over_two_episodes(path):
    bonus = Count()
    # visits: start 0 once; 1, 2 for the first time; 1 and 0 again
    assert path(bonus, [0, 1, 2, 1, 0])[:, 0].tolist() == pytest.approx([1, 1, HALF, HALF], abs=1e-15)
    # 0 is visited for the third time by starting there, 1 by going there, 3 for the first time
    assert path(bonus, [0, 1, 3])[:, 0].tolist() == pytest.approx([1 / np.sqrt(3), 1], abs=1e-15)


@pytest.mark.parametrize("power", [0.25, 1.0, 2.0])
def test_power_of_the_count(path, power):
    found = path(Count(power=power), [0, 1, 1, 1])[:, 0]
    assert found.tolist() == pytest.approx([1, 2.0**-power, 3.0**-power], abs=1e-15)


def test_first_visit_forgets_with_the_episode(path):
    bonus = FirstVisit()
    for _ in range(2):
        assert path(bonus, [0, 1, 2, 1, 0, 3])[:, 0].tolist() == [1, 1, 0, 0, 1]


def test_bebold_pays_the_crossing_only(path):
    # counts when scored, left and reached: (1, 1), (1, 2), (2, 2), (2, 1)
    walk = [0, 1, 0, 1, 2]
    assert path(BeBold(), walk)[:, 0].tolist() == [0, 0, 0, 0.5]
    assert path(BeBold(alpha=0.5, once=False), walk)[:, 0].tolist() == [0.5, 0, 0.25, 0.75]
    assert path(BeBold(alpha=0.5), walk)[:, 0].tolist() == [0.5, 0, 0, 0.75]  # back to the start and to 1: not new
    assert path(BeBold(alpha=0.0, once=False), [0, 0, 0])[:, 0].tolist() == pytest.approx([1 / 2, 1 / 3])


def test_rows_count_together_in_order(path):
    found = path(Count(power=1.0), [[0, 1, 0], [5, 5, 5], [5, 6, 6]])
    assert found.tolist() == [[1, 1 / 2, 1 / 3], [1 / 4, 1, 1 / 2]]


def test_rows_count_for_themselves(path):
    walk = np.array([[0, 0], [5, 5], [5, 6], [0, 5]])
    for make in (lambda **k: Count(**k), lambda **k: BeBold(alpha=0.3, once=False, **k)):
        found = path(make(per_row=True), walk)
        for row in range(2):
            assert found[:, row].tolist() == path(make(), walk[:, row])[:, 0].tolist()


def test_resting_rows_are_not_counted(start, step):
    bonus = Count(power=1.0)
    start(bonus, [[0], [0]])
    assert bonus(step([[0], [0]], [[7], [7]], active=[False, True])).tolist() == [0, 1]
    assert bonus(step([[0], [7]], [[7], [7]])).tolist() == [1 / 2, 1 / 3]
    # the start of the row that rested is entered with its first step: 0 was visited twice by now
    assert bonus(step([[7], [7]], [[0], [8]])).tolist() == [1 / 3, 1]


def test_start_that_no_step_follows_is_not_entered(start, step):
    bonus = Count(power=1.0)
    start(bonus, [[3]])
    start(bonus, [[4]])
    assert bonus(step([[4]], [[3]])).tolist() == [1]
    assert bonus(step([[3]], [[4]])).tolist() == [1 / 2]


def test_fork_shares_what_lasts_and_nothing_else(path):
    bonus = Count(power=1.0)
    other = bonus.fork()
    path(bonus, [0, 1, 1])
    assert path(other, [5, 1])[:, 0].tolist() == [1 / 3]
    assert path(bonus, [5, 1])[:, 0].tolist() == [1 / 4]
    alone = Count(power=1.0, per_row=True)
    path(alone, [0, 1, 1])
    assert path(alone.fork(), [5, 1])[:, 0].tolist() == [1]
    first = FirstVisit()
    path(first, [0, 1])
    assert path(first.fork(), [5, 1])[:, 0].tolist() == [1]


def test_rows_of_another_batch_are_refused(start, step):
    bonus = Count()
    with pytest.raises(ValueError, match="Count knows 0 rows, got 1: reset comes first"):
        bonus(step([[0]], [[1]]))
    start(bonus, [[0]])
    with pytest.raises(ValueError, match="Count knows 1 rows, got 2"):
        bonus(step([[0], [0]], [[1], [1]]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Count(power=0.0), "power must be a number in"),
        (lambda: Count(per_row=1), "per_row must be True or False"),
        (lambda: BeBold(alpha=-0.1), "alpha must be a number in"),
        (lambda: BeBold(once=None), "once must be True or False"),
    ],
)
def test_bad_argument_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("key", ["caption", 3, np.zeros(2)])
def test_key_must_be_a_function(key):
    with pytest.raises(TypeError, match=r"key must be a function \(obs, info\)"):
        FirstVisit(key)


# -- state ---------------------------------------------------------------------------------------------------


def test_state_is_the_counts(path):
    bonus = Count(lambda obs, info: obs)
    path(bonus, np.array([[0, 9], [1, 1]]))
    state = bonus.state_dict()
    found = {int(key[0]): int(count) for key, count in zip(state["visits.key"], state["visits.count"], strict=True)}
    assert found == {0: 1, 9: 1, 1: 2}  # keys of whole numbers are those numbers
    assert state["key"][:, 0].tolist() == [1, 1] and state["steps"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("visits.key"), "visits take the arrays key, count, got count"),
        (lambda s: s.pop("steps"), "Count takes the arrays steps, key, got key"),
        (lambda s: s.update({"visits.row": np.zeros(2)}), "visits take the arrays key, count, got"),
        (lambda s: s.update(other=np.zeros(2)), "Count takes the arrays steps, key, got"),
        (lambda s: s.update({"visits.count": np.array([0, 1, 1])}), "count must hold whole numbers of at least 1"),
        (lambda s: s.update({"visits.count": np.array([1.0, 1.0, 1.0])}), "count must hold whole numbers"),
        (lambda s: s.update({"visits.count": np.array([1])}), "must have shapes"),
        (lambda s: s.update({"visits.count": np.array(3)}), "must have shapes"),
        (lambda s: s.update({"visits.key": np.zeros((3, 2), np.uint64)}), "has a state twice"),
        (lambda s: s.update({"visits.key": np.zeros((3, 2))}), "uint64"),
        (lambda s: s.update(steps=np.zeros(5, int)), r"steps must have shape \(1,\), got \(5,\)"),
    ],
)
def test_bad_state_is_refused_and_changes_nothing(path, change, message):
    bonus = Count()
    path(bonus, [0, 1, 2])
    kept, bad = bonus.state_dict(), bonus.state_dict()
    change(bad)
    with pytest.raises(ValueError, match=message):
        bonus.load_state_dict(bad)
    for name, array in bonus.state_dict().items():
        np.testing.assert_array_equal(array, kept[name])
