"""Thresholds and least transfers against the figures of the paper's games and of linear public goods."""

import numpy as np
import pytest

from payoff.envs.theory.stage_game import StageGame, by_count, two_players
from payoff.envs.theory.transfers import thresholds

C, D = 3.0, 1.0


def rule(kind, share):
    """Payoffs of a defector and of a cooperator, by the share of the relevant others who cooperate."""
    if kind == "prisoner's dilemma":
        return D + C * share, C * share
    if kind == "chicken":
        return (D + C) * share, C * share + D * (1 - share)
    return C * share + D * (1 - share), (C + D) * share


def symmetric(kind, n):
    return by_count(*rule(kind, np.arange(n) / (n - 1)))


def cyclic(kind, n):
    """Only the neighbour on one side matters to a player."""

    def payoffs(profiles):
        defect, cooperate = rule(kind, np.roll(profiles, 1, axis=1))
        return np.where(profiles == 1.0, cooperate, defect)

    return StageGame(payoffs, (np.arange(2.0),) * n)


def alike_forgotten(game):
    """The same game, solved by the linear programme over all profiles."""
    return StageGame(game.payoffs, game.levels)


def of(game):
    n = game.n_players
    return thresholds(game, np.zeros(n), np.ones(n))


TABLE = {
    "prisoner's dilemma": (0.75, 0.6, 0.5, 0.428571),
    "chicken": (0.666667, 0.5, 0.4, 0.333333),
    "stag hunt": (0.666667, 0.5, 0.4, 0.333333),
}


@pytest.mark.parametrize("kind", TABLE)
@pytest.mark.parametrize("n", [2, 3, 4, 5])
@pytest.mark.parametrize("solve", [lambda g: g, alike_forgotten], ids=["by count", "linear programme"])
def test_symmetric_games(kind, n, solve):
    found = of(solve(symmetric(kind, n)))
    expected = TABLE[kind][n - 2]
    assert found.s_dom == pytest.approx(expected, abs=1e-6)
    assert found.kept == pytest.approx(expected, abs=1e-6)
    assert found.s_eq == pytest.approx(1.0 if kind == "stag hunt" else expected, abs=1e-6)
    assert found.transfer.sum(axis=1) == pytest.approx(1.0)
    assert found.transfer.min() >= 0.0 and np.diag(found.transfer) == pytest.approx(found.kept, abs=1e-6)


@pytest.mark.parametrize(
    ("kind", "n", "s_dom", "kept"),
    [
        ("prisoner's dilemma", 3, 0.6, 0.75),
        ("prisoner's dilemma", 4, 0.5, 0.75),
        ("prisoner's dilemma", 5, 0.428571, 0.75),
        ("chicken", 3, 0.5, 0.666667),
        ("chicken", 4, 0.4, 0.666667),
        ("chicken", 5, 0.333333, 0.666667),
    ],
)
def test_cyclic_games_need_less_where_transfers_may_choose_their_receiver(kind, n, s_dom, kept):
    found = of(cyclic(kind, n))
    assert found.s_dom == pytest.approx(s_dom, abs=1e-6)
    assert found.kept == pytest.approx(kept, abs=1e-6)


def test_transfers_of_the_two_prisoners_dilemmas():
    two = of(alike_forgotten(symmetric("prisoner's dilemma", 2)))
    np.testing.assert_allclose(two.transfer, [[0.75, 0.25], [0.25, 0.75]], atol=1e-6)
    three = of(cyclic("prisoner's dilemma", 3))
    np.testing.assert_allclose(three.transfer, [[0.75, 0.0, 0.25], [0.25, 0.75, 0.0], [0.0, 0.25, 0.75]], atol=1e-6)


@pytest.mark.parametrize(("n", "multiplier"), [(3, 1.5), (5, 2.0), (5, 3.0), (10, 3.0)])
def test_linear_public_goods(n, multiplier):
    """A contribution of 1 costs 1 and pays r / n to everybody."""
    others = np.arange(n)
    found = of(by_count(multiplier * others / n, multiplier * (others + 1) / n - 1.0))
    for level in (found.s_dom, found.s_eq, found.kept):
        assert level == pytest.approx(multiplier / n, abs=1e-6)


def test_linear_public_goods_of_ten_players_by_all_profiles():
    others = np.arange(10)
    game = by_count(0.3 * others, 0.3 * (others + 1) - 1.0)
    assert of(alike_forgotten(game)).kept == pytest.approx(0.3, abs=1e-6)


@pytest.mark.parametrize("payoffs", [(6, 3, 0, 4, 8, 0, 2, 1), (8, 5, 2, 6, 10, 2, 4, 3)])
def test_two_by_two_examples(payoffs):
    """Payoffs of CC, CD, DC, DD, of both players."""
    cc, cd, dc, dd = np.array(payoffs, dtype=float).reshape(4, 2)
    game = two_players([[dd[0], dc[0]], [cd[0], cc[0]]], [[dd[1], dc[1]], [cd[1], cc[1]]])
    assert of(game).s_dom == pytest.approx(0.6, abs=1e-6)


@pytest.mark.parametrize("solve", [lambda g: g, alike_forgotten], ids=["by count", "linear programme"])
def test_where_cooperating_is_worth_little_or_nothing(solve):
    """It costs 1 and gives the other g: - s + (1 - s) g >= 0 up to s = g / (1 + g), which is below 1/2 for g < 1."""
    little = of(solve(by_count([0.0, 0.5], [-1.0, -0.5])))  # g = 1/2, two players
    assert (little.s_dom, little.s_eq) == (None, None)
    assert little.kept == pytest.approx(1 / 3, abs=1e-6)
    np.testing.assert_allclose(little.transfer, [[1 / 3, 2 / 3], [2 / 3, 1 / 3]], atol=1e-6)
    harm = of(solve(by_count([0.0, -0.5], [-1.0, -1.5])))  # g = -1/2: nobody can be paid for it
    assert (harm.s_dom, harm.s_eq, harm.kept, harm.transfer) == (None, None, None, None)


def test_many_players_who_are_not_alike_are_refused():
    with pytest.raises(ValueError, match="at most 10 players, or players who are alike, got 11"):
        of(cyclic("chicken", 11))
