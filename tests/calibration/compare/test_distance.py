"""Distances: acceptance on 200 random problems, and the numbers of published runs."""

import numpy as np
import pytest

from payoff.calibration import TabularModel, canonicalise, distance, distances, epic_distance, standardise
from payoff.calibration.compare.canonical import KINDS
from payoff.calibration.compare.distance import NORMS

EQUIVALENT = ("val", "val_potential", "epic", "dard", "minimal_potential", "minimal")


def test_acceptance_on_200_random_problems(problem):
    """Below 1e-9 between a reward and its shaped or rescaled copies, positive otherwise."""
    nearest, farthest = np.inf, 0.0
    for seed in range(200):
        p = problem(seed, ends=seed % 2 == 1)
        r = p.reward()
        shaped, scaled = r + p.shaping(), p.rng.uniform(0.1, 10.0) * r
        both, moved = 0.3 * (shaped + p.shaping()), r + p.redistribution()
        for kind in ("val", "val_potential", "epic", "dard"):
            table = distances([r, shaped, scaled, both, p.reward(), -r, moved], p.model, kind)
            farthest = max(farthest, *table[0, 1:4])
            nearest = min(nearest, table[0, 4])
            assert table[0, 5] == pytest.approx(2.0, abs=1e-12)
            assert (table[0, 6] < 1e-9) == (kind == "val")
        assert distance(r, shaped, p.model, "none") > 1e-3
    assert farthest < 1e-9
    assert nearest > 1e-2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_metric_up_to_equivalence(problem, kind, norm, weighted):
    p = problem(7)
    r = [p.reward() for _ in range(5)]
    table = distances([*r, 3.0 * r[0], -r[0], np.zeros_like(r[0])], p.model, kind, norm, weighted=weighted)
    np.testing.assert_array_equal(table, table.T)
    assert table[0, 5] == pytest.approx(0.0, abs=1e-12)
    assert table[0, 6] == pytest.approx(2.0, abs=1e-12)
    np.testing.assert_allclose(table[7, :7], 1.0, atol=1e-12)  # the trivial reward stands in the middle
    assert (table <= 2.0 + 1e-12).all()
    assert (table[:, None, :] <= table[:, :, None] + table[None, :, :] + 1e-12).all()  # triangle
    angle = np.sum(standardise(r[0], p.model, kind) * standardise(r[1], p.model, kind))
    if kind != "val" and not weighted:
        assert distance(r[0], r[1], p.model, kind) == pytest.approx(np.sqrt(2.0 * (1.0 - angle)), abs=1e-12)


def test_val_counts_an_action_once(problem):
    """With full matrices the norm over (s, a, s') is S^(1/p) times that over (s, a), so distances are the same."""
    p = problem(11)
    one, two = p.reward(), p.reward()
    for norm, order in (("l1", 1), ("l2", 2), ("linf", np.inf)):
        c = [canonicalise(r, p.model).ravel() for r in (one, two)]
        unit = [x / np.linalg.norm(x, order) for x in c]
        for weighted in (False, True):
            found = distance(one, two, p.model, norm=norm, weighted=weighted)
            assert found == pytest.approx(np.linalg.norm(unit[0] - unit[1], order), abs=1e-12)


def test_reward_without_choice_is_trivial(problem):
    """Shaping alone, or one payment for whatever is done, tells no policies apart."""
    p = problem(2)
    r = p.reward()
    for nothing in (p.shaping(), np.full(r.shape, 4.0), p.shaping() + 1.0):
        assert not standardise(nothing, p.model).any()
        assert distance(r, nothing, p.model) == pytest.approx(1.0, abs=1e-12)
        assert distance(p.shaping(), nothing, p.model) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_epic_distance_is_pearsons(problem, seed):
    p = problem(seed)
    one, two = p.reward(), p.reward()
    forms = [canonicalise(r, p.model, "epic").ravel() for r in (one, two)]
    rho = np.corrcoef(forms)[0, 1]
    assert epic_distance(one, two, p.model) == pytest.approx(np.sqrt((1.0 - rho) / 2.0), abs=1e-12)
    # over all transitions an EPIC form has mean 0: half the L2 distance
    assert epic_distance(one, two, p.model) == pytest.approx(distance(one, two, p.model, "epic") / 2.0, abs=1e-12)
    assert epic_distance(one, 2.0 * one + p.shaping() + 1.0, p.model) < 1e-9
    assert epic_distance(one, -one, p.model) == pytest.approx(1.0, abs=1e-12)
    assert epic_distance(one, np.ones_like(one), p.model) == pytest.approx(0.5, abs=1e-12)


# -- published figures: lucyfarnik/starc at e13f8fa ----
# results/handpicked_epic_gridworlds.json for gridworld(), ..._slippery.json for gridworld(0.1), ..._new.json for
# random_environment(). A figure stands there under its pair of rewards, such as "sparse-path", and "KIND-n-m": kind of
# the canonical form, norm, metric, such as "DARD-2-2".

SPARSE = np.array([0, 0, 0, 0, 0, 0, 0, 0, 1.0])
PATH = np.array([0, -1, -1, 0, 0, 0, -1, -1, 4.0])
CLIFF = np.array([0, -1, -1, 0, 0, 0, -4, -4, 4.0])
PAIRS = ((0, 1), (0, 2), (1, 2))  # sparse-path, sparse-cliff, path-cliff


def gridworld(slip=0.0):
    """Nine cells, right, down, left, up, stay; what would leave the grid stays; a slip leads to any other cell."""
    chance = np.full((9, 5, 9), slip / 8)
    for s in range(9):
        for k, (down, right) in enumerate([(0, 1), (1, 0), (0, -1), (-1, 0), (0, 0)]):
            y, x = s // 3 + down, s % 3 + right
            chance[s, k, 3 * y + x if 0 <= y < 3 and 0 <= x < 3 else s] = 1.0 - slip
    return TabularModel.from_arrays(chance, 0.99, initial=np.eye(9)[0])


def random_environment():
    """The transitions of the "new" run, which are not those of a gridworld: drawn with seed 42."""
    logits = np.random.RandomState(42).randn(9, 5, 9)
    weight = np.exp(np.where(logits > 1.0, logits, -20.0))
    return TabularModel.from_arrays(weight / weight.sum(axis=2, keepdims=True), 0.99)


def of_state(values):
    return np.broadcast_to(values[:, None, None], (9, 5, 9))


def published_dense():
    """The dense reward of the older runs, which is no shaping of the sparse one."""
    r = np.zeros((9, 5, 9))
    for s in range(8):
        for step, paid in ((1, 2.0), (3, 2.0), (-1, -4.0), (-3, -4.0), (0, -1.0)):
            if 0 <= s + step < 9:
                r[s, :, s + step] = paid
    r[8, :, 8] = 3.0
    return r


def check(model, kind, norm, metric, numbers):
    rewards = [of_state(v) for v in (SPARSE, PATH, CLIFF)]
    table = distances(rewards, model, kind, norm, metric=metric)
    np.testing.assert_allclose([table[i, j] for i, j in PAIRS], numbers, rtol=1e-12)


@pytest.mark.parametrize("slip", [0.0, 0.1])
def test_published_epic_on_the_gridworlds(slip):
    model = gridworld(slip)
    check(model, "none", "l2", "l2", [0.4595058410947227, 0.9320027629259068, 0.5963351546843791])
    check(model, "epic", "l2", "l2", [0.3203644860139345, 0.7351184269221368, 0.5344256441928601])
    check(model, "epic", "l1", "l1", [0.5, 1.0227272727272727, 0.7727272727272727])
    check(model, "epic", "linf", "linf", [0.125, 0.5892857142857143, 0.4642857142857143])
    check(model, "epic", "l2", "l1", [6.324555320336765, 13.443115820879868, 9.956282840374723])
    check(model, "epic", "linf", "l2", [2.3717082451262845, 6.665284720712484, 5.093513281716304])


def test_published_dard_where_it_depends_on_the_transitions():
    exact = [0.30473577099515414, 0.7609455146486306, 0.5776642196625394]
    slippery = [0.3073769860266673, 0.756714070615678, 0.5706523797205546]
    drawn = [0.33791245535769293, 0.7668839425637641, 0.5584128655104253]
    for model, numbers in ((gridworld(), exact), (gridworld(0.1), slippery), (random_environment(), drawn)):
        check(model, "dard", "l2", "l2", numbers)
    check(gridworld(), "dard", "linf", "linf", [0.16666666666666669, 0.5277777777777778, 0.4027777777777778])
    check(random_environment(), "epic", "l2", "l2", [0.3203644860139345, 0.7351184269221368, 0.5344256441928601])


def test_published_minimal_potential_as_near_as_gradient_steps_came():
    """ "Minimal-2-2", the same in all three files; 1e-5 is how far gradient steps were from the least."""
    rewards = [of_state(v) for v in (SPARSE, PATH, CLIFF)]
    table = distances(rewards, gridworld(), "minimal_potential")
    published = [0.3203643152543358, 0.735121814170093, 0.5344300618533034]
    np.testing.assert_allclose([table[i, j] for i, j in PAIRS], published, atol=1e-5)


def test_published_dense_reward_is_no_shaping():
    """In the first file "sparse-dense", "EPIC-2-2" and "DARD-2-2"; in the slippery one "dense-cliff", "DARD-2-2"."""
    model, sparse, dense = gridworld(), of_state(SPARSE), published_dense()
    assert distance(sparse, dense, model, "epic") == pytest.approx(1.1447164113932409, abs=1e-12)
    assert distance(sparse, dense, model, "dard") == pytest.approx(0.9662010209459654, abs=1e-12)
    assert distance(of_state(CLIFF), dense, gridworld(0.1), "dard") == pytest.approx(0.9769595172263754, abs=1e-12)


@pytest.mark.parametrize("kind", EQUIVALENT)
def test_dense_reward_that_is_a_shaping_is_the_sparse_one(kind):
    """EPIC's own: the sparse reward and minus the Manhattan distance to the goal as potential."""
    model = gridworld(0.1)
    phi = -np.array([4 - s // 3 - s % 3 for s in range(9)], dtype=float)
    dense = of_state(SPARSE) + model.shaping(phi)
    table = distances([of_state(SPARSE), dense, of_state(PATH), of_state(CLIFF)], model, kind)
    assert table[0, 1] < 1e-9
    np.testing.assert_allclose(table[0], table[1], atol=1e-9)
