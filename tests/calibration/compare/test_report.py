"""One call for a game: exact or sampled, what is judged by the payoff, and figures that show the numbers."""

import numpy as np
import pytest

import payoff
from payoff.calibration import (
    Plan,
    TabularModel,
    compare_layers,
    distances,
    normalised_regret,
    regret_bound,
    span,
    tabulate,
)
from payoff.calibration.compare import figure
from payoff.envs import registry
from payoff.wrappers import BlendForm, RewardBlend
from payoff.wrappers.learned.basis import ScaledNumbers

CLIFF = ("payoff/CliffWalk-v0", ("payoff", "shaped:progress", "clipped:1", "2*payoff"))
SMALL = {"height": 3, "width": 4}


@pytest.fixture(scope="module")
def exact():
    return compare_layers(*CLIFF, Plan(gamma=0.9, curves=True), SMALL)


@pytest.fixture(scope="module")
def sampled():
    return compare_layers("TrustDilemma-v0", ("private", "integrated", "2*private"), Plan(samples=3000, gamma=0.9))


def test_exact_comparison_is_the_library_called_by_hand(exact):
    mdp = payoff.as_mdp(CLIFF[0], starts=[0], **SMALL)
    model = TabularModel.from_mdp(mdp, 0.9)
    game = registry.load(CLIFF[0])
    phi = tabulate(game, game.params(**SMALL), mdp, keys=["progress"]).before["progress"][:, 0, 0]
    r = [mdp.reward, mdp.reward + model.shaping(phi), np.clip(mdp.reward, -1.0, 1.0), 2.0 * mdp.reward]
    np.testing.assert_allclose(exact.table, distances(r, model), atol=1e-12)
    assert exact.table[0, 1] < 1e-9 and exact.table[0, 3] < 1e-9 and exact.table[0, 2] > 0.1
    assert (exact.env_id, exact.canon, exact.floor) == (CLIFF[0], "val", None)
    assert exact.basis == f"exact, {mdp.n_states} states and 4 actions"
    for one, reward, row in zip(exact.judged, r, exact.table, strict=True):
        assert one.distance == pytest.approx(row[0], abs=1e-12)
        assert one.regret == pytest.approx(normalised_regret(mdp.reward, reward, model), abs=1e-12)
        assert one.regret <= one.worst + 1e-9 and one.worst <= one.bound + 1e-9
        constant = regret_bound(
            mdp.reward, reward, model
        ).constant  # in units of reward; here a share of what can be lost
        assert one.bound == pytest.approx(constant / span(mdp.reward, model).width, abs=1e-12)
    clipped = exact.judged[2]
    assert clipped.worst > 0.5  # the fall costs a hundred steps, and clipped it costs one
    cliffs = [one.cliff for one in exact.judged]
    assert cliffs[1].epsilon == pytest.approx(cliffs[0].epsilon) and cliffs[3].epsilon == pytest.approx(
        2.0 * cliffs[0].epsilon
    )


def test_where_nothing_is_paid_nothing_can_be_lost():
    """A Delivery in which no event counts: no regret, no worst case, and a bound of 0 instead of 0 / 0."""
    free = {"weights": (0.0,) * 6, "win": 0.0, "board": ("..", ".G")}
    judged = compare_layers("Delivery-v0", ("payoff", "2*payoff"), Plan(gamma=0.9), free).judged[0]
    assert (judged.regret, judged.worst, judged.bound, judged.cliff, judged.width) == (0.0, 0.0, 0.0, None, 0.0)


def test_curves_of_equivalent_rewards_coincide(exact):
    one, two = exact.curves["payoff"], exact.curves["shaped:progress"]
    np.testing.assert_allclose(one.true, two.true, atol=1e-8)
    np.testing.assert_allclose(one.divergence, two.divergence, atol=1e-8)
    np.testing.assert_allclose(one.true, exact.curves["2*payoff"].true, atol=1e-8)


def test_sampled_comparison_has_a_floor(sampled):
    assert sampled.env_id == "payoff/TrustDilemma-v0" and sampled.canon == "val_potential" and not sampled.weighted
    assert sampled.table[0, 2] < 1e-9 and sampled.table[0, 1] > max(sampled.floor)
    assert sampled.floor[2] == pytest.approx(sampled.floor[0], abs=1e-9)
    assert sampled.judged == () and sampled.flat == ()


def test_what_a_sample_never_sees_is_named():
    """Random play does not reach the flag of the mountain car, so nothing is known of what reaching it pays."""
    found = compare_layers("payoff/SparseMountainCar-v0", ("payoff", "aux"), Plan(samples=2000))
    assert found.flat == ("payoff",) and found.table[0, 1] == pytest.approx(1.0, abs=1e-12)


def test_large_models_are_compared_but_not_judged(monkeypatch):
    monkeypatch.setattr("payoff.calibration.compare.report.MOST_DENSE", 9)
    found = compare_layers(CLIFF[0], ("payoff", "2*payoff"), Plan(), SMALL)
    assert found.judged == () and found.table[0, 1] < 1e-9
    with pytest.raises(ValueError, match="curves need a model of at most 9 states"):
        compare_layers(CLIFF[0], ("payoff", "2*payoff"), Plan(curves=True), SMALL)


@pytest.mark.parametrize(
    ("name", "layers", "plan", "text"),
    [
        ("CliffWalk-v0", ("payoff",), {}, "at least two different rewards, got payoff"),
        ("CliffWalk-v0", ("payoff", "payoff"), {}, "at least two different rewards"),
        ("CliffWalk-v0", ("payoff", "aux"), {"agent": 1}, "agent must be 0"),
        ("CliffWalk-v0", ("payoff", "shaped:trust"), {}, "reports no number 'trust'"),
        ("CliffWalk-v0", ("payoff", "aux"), {"max_states": 5}, "compare samples"),
        ("KeyRoom-v0", ("payoff", "aux"), {}, "reports no auxiliary reward"),
        ("TrustDilemma-v0", ("payoff", "aux"), {}, "reports no auxiliary reward"),
        ("TrustDilemma-v0", ("payoff", "private"), {"canon": "val"}, "canon must be one of val_potential, epic"),
        ("TrustDilemma-v0", ("payoff", "private"), {"curves": True}, "curves need an exact model"),
        ("TrustDilemma-v0", ("payoff", "private"), {"weighted": True}, "weighted is for exact models"),
    ],
)
def test_bad_comparisons_are_refused(name, layers, plan, text):
    with pytest.raises(ValueError, match=text):
        compare_layers(name, layers, Plan(**plan))


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        ({"norm": "l3"}, "norm must be one of"),
        ({"canon": "starc"}, "canon must be one of"),
        ({"gamma": 1.0}, "gamma must be a number"),
        ({"epsilon": 0.0}, "epsilon must be a number"),
    ],
)
def test_bad_plans_are_refused(plan, text):
    with pytest.raises(ValueError, match=text):
        Plan(**plan)


def test_heat_map_shows_every_distance(exact, sampled):
    (axes, bar) = figure.heat_map(exact).axes
    shown = [text.get_text() for text in axes.texts]
    assert shown == [f"{x:.2f}" for x in exact.table.ravel()]
    assert [t.get_text() for t in axes.get_xticklabels()] == list(exact.names)
    assert bar.get_ylabel() == "distance" and "CliffWalk-v0: val, l2" in axes.get_title(loc="left")
    (axes, _) = figure.heat_map(sampled).axes
    diagonal = [axes.texts[k].get_text() for k in (0, 4, 8)]
    assert diagonal == [f"floor\n{x:.2f}" for x in sampled.floor]


def test_curves_are_drawn_against_the_root_of_the_divergence(exact):
    (axes,) = figure.curves(exact).axes
    lines = {line.get_label(): line for line in axes.lines}
    assert set(lines) == {*exact.names, "best payoff"}
    curve = exact.curves["clipped:1"]
    np.testing.assert_array_equal(lines["clipped:1"].get_xdata(), np.sqrt(curve.divergence))
    np.testing.assert_array_equal(lines["clipped:1"].get_ydata(), curve.true)


def test_files_are_what_their_names_say(exact):
    assert figure.encode(figure.heat_map(exact), "png").startswith(b"\x89PNG")
    svg = figure.encode(figure.heat_map(exact), "svg")
    assert b"<svg" in svg and svg == figure.encode(figure.heat_map(exact), "svg")


@pytest.mark.parametrize(
    ("canon", "bounded_by"), [("epic", "epic"), ("val_potential", "val_potential"), ("dard", "val")]
)
def test_the_bound_is_that_of_the_canonical_form_where_it_has_one(canon, bounded_by):
    mdp = payoff.as_mdp(CLIFF[0], starts=[0], **SMALL)
    model = TabularModel.from_mdp(mdp, 0.9)
    judged = compare_layers(CLIFF[0], ("payoff", "clipped:1"), Plan(gamma=0.9, canon=canon), SMALL).judged[1]
    expected = regret_bound(mdp.reward, np.clip(mdp.reward, -1.0, 1.0), model, bounded_by).constant
    assert judged.bound == pytest.approx(expected / span(mdp.reward, model).width, rel=1e-9)


def test_learned_rewards_are_compared_by_what_they_pay(tmp_path):
    """Payoff plus half the auxiliary reward as a learned blend is payoff+0.5*aux, and judged as that."""
    params = {"aux": "misleading", "noise": 0.2}
    form = BlendForm(inputs=3, actions=4, own="none", aux="state")
    basis = ScaledNumbers(np.zeros(2), np.ones(2))
    blend = RewardBlend(form, basis, np.array([0.0, 0.0, 0.5]), gamma=0.9)
    layers = ("payoff", "payoff+0.5*aux", "payoff+aux")
    found = compare_layers("GridNav-v0", layers, Plan(gamma=0.9), params, learned={"blend": blend})
    assert found.names == (*layers, "blend") and found.table[1, 3] < 1e-7 < found.table[0, 3]
    np.testing.assert_allclose(found.table[3, :3], found.table[1, :3], atol=1e-9)
    assert found.judged[3].regret == pytest.approx(found.judged[1].regret, abs=1e-9)
    with pytest.raises(ValueError, match="learned rewards are compared on exact models, and payoff/GridNav-v0 is"):
        compare_layers("GridNav-v0", layers, Plan(gamma=0.9, sampled=True), params, learned={"blend": blend})
