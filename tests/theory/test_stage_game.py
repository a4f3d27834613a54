"""Stage games against matrices, closed forms of quadratic games, and a theorem on interior optima."""

import itertools

import numpy as np
import pytest

from payoff.envs.theory.stage_game import StageGame, by_count, self_interest, two_players

COORDINATES = {
    # T, R, P, S: greed and fear of the four classes
    "prisoner's dilemma": (5.0, 3.0, 1.0, 0.0),
    "chicken": (5.0, 3.5, 0.0, 1.0),
    "stag hunt": (3.0, 5.0, 1.0, 0.0),
    "harmony": (3.0, 5.0, 0.0, 1.0),
}


def quadratic(benefit, interaction, slope, top=1.0, levels=21):
    """pi_i = b sum_j a_j + q sum_{j != i} a_i a_j / (n - 1) - c a_i^2 / 2 + l_i a_i: one b, q, c; l of each player."""
    n = len(slope)

    def payoffs(profiles):
        total = profiles.sum(axis=1, keepdims=True)
        others = (total - profiles) / (n - 1)
        return benefit * total + interaction * profiles * others - profiles**2 / 2 + slope * profiles

    grid = np.linspace(0.0, top, levels)
    return StageGame(payoffs, (grid,) * n, continuous=True, symmetric=bool(np.ptp(slope) == 0.0))


def test_welfare_of_a_quadratic_public_goods_game_is_the_closed_form():
    """pi_i = b sum_j a_j - a_i^2 / 2: du_i/da_i = s (b - a_i) + (1 - s) b = b - s a_i, so a(s) = b / s."""
    n, b = 4, 0.1
    game = quadratic(b, 0.0, np.zeros(n))
    curve = game.curve(7)
    a = b / curve.s
    np.testing.assert_allclose(curve.worst, n * (n * b * a - a**2 / 2), rtol=0, atol=1e-10)
    np.testing.assert_array_equal(curve.worst, curve.best)
    assert curve.gain.max() <= game.tolerance
    # optimum a = n b, Nash a = b
    assert game.optimum.welfare == pytest.approx(n * n**2 * b**2 / 2, abs=1e-12)
    assert curve.worst[0] == pytest.approx(n * b**2 * (n - 0.5))
    # dW/ds at 1: n (n b - a) da/ds with da/ds = -b / s^2
    assert curve.slope == pytest.approx(-n * (n - 1) * b**2, rel=1e-3)
    # W at 95 %: (n b - a)^2 = 0.05 (n - 1)^2 b^2, a = b / s
    assert curve.s_95 == pytest.approx(1 / (n - np.sqrt(0.05) * (n - 1)), abs=1e-7)


@pytest.mark.parametrize("n", [2, 3, 6])
@pytest.mark.parametrize("alike", [True, False])
def test_above_one_nth_an_interior_optimum_is_no_equilibrium(n, alike):
    """Theorem: du_i/da_i = (s - (1 - s)/(n - 1)) dpi_i/da_i at the optimum, 0 only for s = 1/n."""
    rng = np.random.default_rng(n)
    for _ in range(3):
        slope = np.full(n, rng.uniform(0.0, 0.1)) if alike else rng.uniform(0.0, 0.1, n)
        benefit, interaction = rng.uniform(0.02, 0.06), rng.uniform(-0.2, 0.2)
        game = quadratic(benefit, interaction, slope)
        # first-order conditions, solved directly: Hessian of welfare, and of what each is told
        mixed = (np.ones((n, n)) - np.eye(n)) * interaction / (n - 1)
        best = np.linalg.solve(np.eye(n) - 2 * mixed, n * benefit + slope)
        nash = np.linalg.solve(np.eye(n) - mixed, benefit + slope)
        assert (best > 0).all() and (best < 1).all()
        np.testing.assert_allclose(game.optimum.actions, best, rtol=0, atol=1e-6)
        for s in (1.0, 0.9, 1 / n + 0.05):
            assert game.at(best, self_interest(n, s)).gain > game.tolerance
        assert game.at(best, self_interest(n, 1 / n)).gain <= game.tolerance
        (first,), (last,) = game.equilibria(), game.equilibria(self_interest(n, 1 / n))
        np.testing.assert_allclose(first.actions, nash, rtol=0, atol=1e-6)
        np.testing.assert_allclose(last.actions, best, rtol=0, atol=1e-6)
        assert last.welfare == pytest.approx(game.optimum.welfare, abs=1e-10)


def test_pure_equilibria_of_matrices_are_those_of_a_direct_search():
    rng = np.random.default_rng(0)
    several = 0
    for _ in range(40):
        a, b = rng.integers(0, 6, (2, rng.integers(2, 5), rng.integers(2, 5))).astype(float)
        expected = {
            (i, j)
            for i, j in itertools.product(*map(range, a.shape))
            if a[i, j] == a[:, j].max() and b[i, j] == b[i].max()
        }
        found = two_players(a, b).equilibria()
        assert {tuple(p.actions.astype(int).tolist()) for p in found} == expected
        assert [p.welfare for p in found] == sorted(p.welfare for p in found)
        several += len(found) > 1
    assert several > 5


@pytest.mark.filterwarnings("ignore:\\s*An even number of:RuntimeWarning")  # it cannot rule out ties
def test_pure_equilibria_are_those_of_nashpy():
    nashpy = pytest.importorskip("nashpy")
    rng = np.random.default_rng(1)
    for _ in range(20):
        a, b = rng.normal(size=(2, 3, 4))  # without ties, so that support enumeration finds all
        pure = set()
        for row, column in nashpy.Game(a, b).support_enumeration():
            if max(row) == max(column) == 1.0:
                pure.add((int(row.argmax()), int(column.argmax())))
        assert {tuple(p.actions.astype(int).tolist()) for p in two_players(a, b).equilibria()} == pure


@pytest.mark.parametrize("kind", COORDINATES)
def test_greed_and_fear_name_the_class(kind):
    t, r, p, s = COORDINATES[kind]
    game = two_players([[p, t], [s, r]], [[p, s], [t, r]])
    assert game.symmetric
    found = game.dilemma([0, 0], [1, 1])
    assert (found.temptation, found.reward, found.punishment, found.sucker) == (t, r, p, s)
    assert (found.greed, found.fear) == (t - r, p - s)
    assert found.together == (2 * r > t + s)
    assert found.kind == kind
    # chicken has two asymmetric pure equilibria, the stag hunt two symmetric ones, the others one
    expected = {"chicken": [[0, 1], [1, 0]], "stag hunt": [[0, 0], [1, 1]], "harmony": [[1, 1]]}.get(kind, [[0, 0]])
    assert [e.actions.tolist() for e in game.equilibria()] == expected


def test_cooperating_together_must_pay():
    t, r, p, s = 9.0, 3.0, 1.0, 0.0  # taking turns is better: 2 R < T + S
    found = two_players([[p, t], [s, r]], [[p, s], [t, r]]).dilemma([0, 0], [1, 1])
    assert not found.together and found.kind.startswith("no dilemma")


def test_schelling_diagram_of_ten_players_is_the_table_they_were_given_by():
    others = np.arange(10)
    cooperate, defect = 0.3 * (others + 1) - 1.0, 0.3 * others  # linear public goods: r = 3, n = 10, endowment aside
    game = by_count(defect, cooperate)
    found = game.dilemma(np.zeros(10), np.ones(10))
    np.testing.assert_allclose(found.cooperate, cooperate, rtol=1e-14)
    np.testing.assert_allclose(found.defect, defect, rtol=1e-14)
    assert found.kind == "prisoner's dilemma"
    assert [p.actions.tolist() for p in game.equilibria()] == [[0.0] * 10]
    assert game.optimum.actions.tolist() == [1.0] * 10
    np.testing.assert_array_equal(game.safe, np.zeros(10))
    # the corner makes a step: all cooperate at s <= r / n, none above
    curve = game.curve(11)
    np.testing.assert_allclose(curve.worst, np.where(curve.s < 0.3, 20.0, 0.0), atol=1e-12)
    assert curve.s_95 == pytest.approx(0.3, abs=1e-6)
    assert curve.slope == pytest.approx(0.0, abs=1e-9)


def test_branches_of_a_stag_hunt():
    """Weakest link: every common effort is an equilibrium for b > c; the worst branch is 0, the best (b - c) n."""
    grid = np.linspace(0.0, 1.0, 11)
    hunt = StageGame(lambda a: 2.0 * a.min(axis=1, keepdims=True) - a, (grid,) * 3, continuous=True, symmetric=True)
    found = hunt.equilibria()
    assert (found[0].welfare, found[-1].welfare) == (0.0, 3.0)
    assert hunt.dilemma(np.zeros(3), np.ones(3)).kind == "stag hunt"
    # told the mean, no effort at all is still an equilibrium: to work alone only costs
    assert hunt.equilibria(self_interest(3, 1 / 3))[0].welfare == 0.0
    assert hunt.curve(5).s_95 is None


def test_level_up_to_which_the_optimum_of_a_corner_is_stable():
    """r / n of linear public goods with continuous contributions; of the quadratic game 1/n, whatever n."""
    grid = np.linspace(0.0, 1.0, 21)
    corner = StageGame(lambda a: 0.4 * a.sum(axis=1, keepdims=True) - a, (grid,) * 5, continuous=True, symmetric=True)
    assert corner.optimum.actions.tolist() == [1.0] * 5
    assert corner.s_eq == pytest.approx(0.4, abs=1e-6)
    inner = quadratic(0.1, 0.0, np.zeros(4))
    assert inner.s_eq == pytest.approx(1 / 4, abs=1e-3)
    hunt = by_count([1.0, 1.0, 1.0], [0.0, 0.0, 3.0])
    assert hunt.s_eq == 1.0


def test_a_bonus_that_begins_between_two_levels():
    """Paid b for an action of at least 0.33, which costs 0.1 a: all stop right there, where no marginal reward is 0."""
    grid = np.linspace(0.0, 1.0, 11)
    game = StageGame(lambda a: (a >= 0.33) - 0.1 * a, (grid,) * 3, continuous=True, symmetric=True)
    (nash,) = game.equilibria()
    np.testing.assert_allclose(nash.actions, 0.33, rtol=0, atol=1e-6)
    assert (nash.actions >= 0.33).all() and nash.gain <= game.tolerance


def test_what_is_safe():
    """The worst for a player is what the other chooses against it; of matching pennies that is -1 for each."""
    pennies = two_players([[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]])
    np.testing.assert_array_equal(pennies.safe, [-1.0, -1.0])
    assert pennies.equilibria() == []
    curve = pennies.curve(3)
    assert np.isnan(curve.worst[0]) and curve.s_95 is None and curve.slope is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: two_players([[1.0]], [[1.0]]), r"finite matrices, 2 x 2 or larger, got shape \(1, 1\)"),
        (lambda: by_count([1.0], [1.0]), r"finite numbers, one per player, got shape \(1,\)"),
        (lambda: StageGame(lambda a: a, (np.arange(2.0),)), "at least 2 players, got 1"),
        (lambda: StageGame(lambda a: a, (np.zeros(3),) * 2), "levels of player 0 must be 2 or more"),
        (lambda: StageGame(lambda a: a, (np.arange(3.0),) * 2, continuous=True), "levels must be at least 11"),
        (lambda: by_count([0.0, 1.0], [0.0, 1.0]).curve(1), "points must be an integer at least 2"),
        (lambda: self_interest(2, 1.5), "s must be a number in"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
