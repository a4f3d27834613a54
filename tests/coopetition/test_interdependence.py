"""Dependence matrices against equation 1 by hand, the published numbers, and what must hold for any i* model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from payoff.envs.coopetition.interdependence import (
    Dependency,
    asymmetric,
    asymmetry,
    dependence_matrix,
    hub_and_spoke,
    power,
    symmetric,
    vulnerability,
)

ACTORS = ("A", "B", "C", "D")
PAIR = ("A", "B")
SLCD = np.array([[0.0, 0.64], [0.86, 0.0]])


def goal(dependum, importance=1.0, criticality=1.0, dependee="B", depender="A", kind="goal"):
    return Dependency(depender, dependee, dependum, kind, importance, criticality)


def entry(*dependencies, denominator="all"):
    """D of A on B."""
    return dependence_matrix(dependencies, PAIR, denominator=denominator)[0, 1]


# -- equation 1 ------------------------------------------------------------------------------------------------------


def test_goals_reached_alone_count_in_the_denominator():
    goals = goal("x", 0.5, 0.9), goal("y", 0.3, dependee=None), goal("z", 0.2, dependee=None)
    assert entry(*goals) == pytest.approx(0.45, abs=1e-15)
    assert entry(*goals, denominator="published") == pytest.approx(0.9, abs=1e-15)


def test_goals_that_rely_on_a_third_actor_count_in_the_denominator():
    goals = [goal("x", 0.5, 0.9), goal("y", 0.3, 1.0, "C"), goal("z", 0.2, 0.5, "C")]
    for denominator, on_b, on_c in (("all", 0.45, 0.4), ("published", 0.9, 0.8)):
        matrix = dependence_matrix(goals, ("A", "B", "C"), denominator=denominator)
        np.testing.assert_allclose(matrix, [[0, on_b, on_c], [0, 0, 0], [0, 0, 0]], rtol=0, atol=1e-15)


@pytest.mark.parametrize("denominator", ["all", "published"])
@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        (((0.5, 0.9), (0.3, 0.85), (0.2, 0.6)), 0.825),
        (((0.9, 0.95), (0.7, 0.80)), 0.884375),
        (((0.40, 0.95), (0.35, 0.85), (0.25, 0.80)), 0.8775),
    ],
)
def test_published_examples_where_all_goals_rely_on_one_actor(terms, expected, denominator):
    goals = [goal(f"d{k}", w, c) for k, (w, c) in enumerate(terms)]
    assert entry(*goals, denominator=denominator) == pytest.approx(expected, abs=1e-15)


def test_dependum_with_two_providers_counts_once_in_the_denominator():
    goals = [goal("x", 0.6, 0.5, "B"), goal("x", 0.6, 0.5, "C"), goal("y", 0.2, dependee=None)]
    matrix = dependence_matrix(goals, ("A", "B", "C"))
    np.testing.assert_allclose(matrix[0], (0.0, 0.375, 0.375), rtol=0, atol=1e-15)  # 0.6 * 0.5 / 0.8


def test_the_same_dependum_of_two_dependers_is_two_dependums():
    matrix = dependence_matrix([goal("x", 0.5, 0.4), goal("x", 1.0, 0.7, "A", "B", "task")], PAIR)
    np.testing.assert_allclose(matrix, [[0, 0.4], [0.7, 0]], rtol=0, atol=1e-15)


def test_no_dependency_and_no_weight_give_zeros():
    assert dependence_matrix([], ACTORS).shape == (4, 4)
    assert not dependence_matrix([], ACTORS).any()
    assert entry(goal("x", 0.0)) == entry(goal("x", 0.0), denominator="published") == 0.0
    assert entry(goal("x", 0.0), goal("y", 1.0, 0.5)) == 0.5
    assert dependence_matrix([], ["A"]).tolist() == [[0.0]]


def test_defaults_make_the_only_provider_indispensable():
    assert entry(Dependency("A", "B", "x", "resource")) == 1.0


@pytest.mark.parametrize("kind", ["goal", "task", "resource", "softgoal"])
def test_kind_does_not_enter(kind):
    assert entry(goal("x", 0.8, 0.3, kind=kind), goal("y", 0.2, 1.0)) == pytest.approx(0.44, abs=1e-15)


# -- properties ------------------------------------------------------------------------------------------------------

UNIT = st.floats(0.0, 1.0)


@st.composite
def models(draw):
    """Dependencies among ACTORS, free of contradictions."""
    found = []
    for depender in ACTORS:
        others = [None, *(a for a in ACTORS if a != depender)]
        for k in range(draw(st.integers(0, 4))):
            importance = draw(UNIT)
            kind = draw(st.sampled_from(["goal", "task", "resource", "softgoal"]))
            for dependee in draw(st.lists(st.sampled_from(others), min_size=1, unique=True)):
                found.append(Dependency(depender, dependee, f"d{k}", kind, importance, draw(UNIT)))
    return found


@given(models(), st.sampled_from(["all", "published"]))
def test_entries_are_in_the_unit_interval_and_the_diagonal_is_zero(model, denominator):
    matrix = dependence_matrix(model, ACTORS, denominator=denominator)
    assert matrix.shape == (4, 4) and matrix.dtype == np.float64
    assert (matrix >= 0).all() and (matrix <= 1).all()  # with no tolerance
    assert not matrix.diagonal().any()


@given(models(), UNIT, UNIT, st.sampled_from([None, "C", "D"]))
def test_a_goal_that_does_not_rely_on_j(model, importance, criticality, dependee):
    wider = [*model, Dependency("A", dependee, "new", "goal", importance, criticality)]
    assert dependence_matrix(wider, ACTORS)[0, 1] <= dependence_matrix(model, ACTORS)[0, 1]
    before = dependence_matrix(model, ACTORS, denominator="published")
    after = dependence_matrix(wider, ACTORS, denominator="published")
    assert after[0, 1] == before[0, 1]
    np.testing.assert_array_equal(after[1:], before[1:])  # and no other depender is touched


@given(models())
def test_published_is_never_below_equation_1(model):
    published = dependence_matrix(model, ACTORS, denominator="published")
    assert (dependence_matrix(model, ACTORS) <= published).all()


@given(models(), st.permutations(range(4)), st.randoms(use_true_random=False))
def test_relabelling_actors_permutes_and_the_order_of_dependencies_is_nothing(model, order, random):
    matrix = dependence_matrix(model, ACTORS)
    shuffled = random.sample(model, len(model))
    relabelled = dependence_matrix(shuffled, [ACTORS[k] for k in order])
    np.testing.assert_array_equal(relabelled, matrix[np.ix_(order, order)])
    moved = power(relabelled), vulnerability(relabelled)
    np.testing.assert_allclose(moved, (power(matrix)[order], vulnerability(matrix)[order]), rtol=1e-14, atol=1e-300)


@given(models())
def test_indices_of_any_matrix(model):
    matrix = dependence_matrix(model, ACTORS)
    np.testing.assert_allclose(power(matrix), vulnerability(matrix.T), rtol=1e-15, atol=0)
    assert (power(matrix) >= 0).all() and (power(matrix) <= 3).all()
    np.testing.assert_array_equal(asymmetry(matrix), -asymmetry(matrix).T)


# -- indices and stock matrices --------------------------------------------------------------------------------------


def test_indices_of_slcd():
    np.testing.assert_allclose(power(SLCD), (0.524390, 0.344086), rtol=0, atol=5e-7)
    np.testing.assert_allclose(vulnerability(SLCD), (0.344086, 0.524390), rtol=0, atol=5e-7)
    np.testing.assert_allclose(asymmetry(SLCD), [[0, -0.22], [0.22, 0]], rtol=0, atol=1e-15)


def test_indices_of_three_actors_by_hand():
    matrix = [[0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [0.25, 0.0, 0.0]]  # rows sum to 1, 1, 1/4; columns to 5/4, 1/2, 1/2
    np.testing.assert_allclose(power(matrix), (0.625, 0.25, 0.4), rtol=1e-15)
    np.testing.assert_allclose(vulnerability(matrix), (4 / 9, 2 / 3, 1 / 6), rtol=1e-15)
    assert asymmetry(matrix).tolist() == [[0, -0.5, 0.25], [0.5, 0, 0], [-0.25, 0, 0]]


def test_symmetric():
    assert symmetric(3, 0.4).tolist() == [[0, 0.4, 0.4], [0.4, 0, 0.4], [0.4, 0.4, 0]]
    assert symmetric(2).tolist() == [[0, 0.5], [0.5, 0]]
    assert symmetric(1, 0.7).tolist() == [[0]]
    assert not asymmetry(symmetric(5, 0.3)).any()


def test_hub_and_spoke():
    assert hub_and_spoke(4).tolist() == [[0, 0.3, 0.3, 0.3], [0.8, 0, 0, 0], [0.8, 0, 0, 0], [0.8, 0, 0, 0]]
    platform = hub_and_spoke(5, hub=0.25, spoke=0.75)
    assert platform[0].tolist() == [0, 0.25, 0.25, 0.25, 0.25]
    assert platform[:, 0].tolist() == [0, 0.75, 0.75, 0.75, 0.75]
    np.testing.assert_allclose(power(platform), (1.5, *4 * [0.25 / 1.75]), rtol=1e-15)  # hub: 3 / (1 + 1)


def test_asymmetric():
    assert asymmetric().tolist() == [[0, 0.35], [0.85, 0]]
    assert asymmetric(strong=0.1, weak=1).tolist() == [[0, 0.1], [1, 0]]


@pytest.mark.parametrize("make", [lambda: symmetric(3), lambda: hub_and_spoke(3), asymmetric])
def test_stock_matrices_are_fresh_float64(make):
    first = make()
    first += 1.0
    assert first.dtype == np.float64
    assert not make().diagonal().any()


# -- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("A", "A", "x", "goal"), r"^'A' cannot depend on itself for 'x'"),
        (("A", "B", "x", "wish"), r"^kind must be one of goal, task, resource, softgoal, got 'wish'"),
        (("A", "B", "x", "goal", 1.2), r"^importance must be a number in \[0, 1\], got 1\.2"),
        (("A", "B", "x", "goal", float("nan")), r"^importance must be a number"),
        (("A", "B", "x", "goal", 1.0, -0.1), r"^criticality must be a number in \[0, 1\], got -0\.1"),
        (("A", "B", "x", "goal", 1.0, True), r"^criticality must be a number"),
        (("", "B", "x", "goal"), r"^depender must be a name, got ''"),
        (("A", "", "x", "goal"), r"^dependee must be a name, got ''"),
        (("A", "B", 3, "goal"), r"^dependum must be a name, got 3"),
    ],
)
def test_dependency_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Dependency(*arguments)


@pytest.mark.parametrize("denominator", ["all", "published"])
@pytest.mark.parametrize(
    ("dependencies", "actors", "message"),
    [
        ([goal("x", depender="Z")], PAIR, r"^depender 'Z' of 'x' is not among the actors A, B$"),
        ([goal("x", dependee="Z")], PAIR, r"^dependee 'Z' of 'x' is not among the actors A, B$"),
        ([], ("A", "B", "A"), r"'A' is there twice"),
        ([], (), r"^actors must be a sequence of at least one name, got \(\)"),
        ([], "AB", r"^actors must be a sequence of at least one name, got 'AB'"),
        ([], ("A", None), r"^actors must be a name, got None"),
        ([goal("x", 0.5), goal("x", 0.5, 0.2)], PAIR, r"^the dependency of 'A' on 'B' for 'x' is there twice"),
        ([goal("x", dependee=None)] * 2, PAIR, r"^the dependency of 'A' on None for 'x' is there twice"),
        (
            [goal("x", 0.5), goal("x", 0.6, dependee="C")],
            ACTORS,
            r"^'x' of 'A' has two values of importance: 0.5 and 0.6",
        ),
        ([goal("x"), goal("x", dependee=None, kind="task")], PAIR, r"^'x' of 'A' has two values of kind"),
    ],
)
def test_dependence_matrix_refuses(dependencies, actors, message, denominator):
    with pytest.raises(ValueError, match=message):
        dependence_matrix(dependencies, actors, denominator=denominator)


def test_unknown_denominator():
    with pytest.raises(ValueError, match=r"^denominator must be one of all, published, got 'paper'"):
        dependence_matrix([], PAIR, denominator="paper")


@pytest.mark.parametrize("index", [power, vulnerability, asymmetry])
@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((2, 3)), r"square, \(N, N\) with N >= 1, got shape \(2, 3\)"),
        (np.zeros(4), r"got shape \(4,\)"),
        (np.zeros((0, 0)), r"got shape \(0, 0\)"),
        ([[0, np.nan], [0, 0]], r"finite and in \[0, 1\], got nan at \[0, 1\]"),
        ([[0, 0], [np.inf, 0]], r"got inf at \[1, 0\]"),
        ([[0, 1.5], [0, 0]], r"got 1\.5 at \[0, 1\]"),
        ([[0, -0.1], [0, 0]], r"got -0\.1 at \[0, 1\]"),
        ([[0, 0], [0, 1]], r"zero diagonal, got 1\.0 at \[1, 1\]"),
    ],
)
def test_indices_refuse(index, matrix, message):
    with pytest.raises(ValueError, match=message):
        index(matrix)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: symmetric(0), r"^n must be an integer at least 1, got 0"),
        (lambda: symmetric(2, 1.1), r"^dependence must be a number in \[0, 1\], got 1\.1"),
        (lambda: hub_and_spoke(1), r"^n must be an integer at least 2, got 1"),
        (lambda: hub_and_spoke(3, hub=-1), r"^hub must be a number"),
        (lambda: hub_and_spoke(3, spoke=2), r"^spoke must be a number"),
        (lambda: asymmetric(strong=2), r"^strong must be a number"),
        (lambda: asymmetric(weak=-1), r"^weak must be a number"),
    ],
)
def test_stock_matrices_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()
