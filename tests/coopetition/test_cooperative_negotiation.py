"""CooperativeNegotiation: agreements, breaches and what they cost."""

import numpy as np
import pytest

import payoff
from tests.coopetition import stage

NEGOTIATION = "payoff/CooperativeNegotiation-v0"
CLOSE = {"rtol": 0, "atol": 6e-7}
SINGLE = {"rtol": 0, "atol": 5e-5}  # figures that the published code printed, in float32


def test_negotiation_continued():
    """(60, 55) twice, then agent 0 goes to 90: it pays 3 x 30, the faithful agent nothing, trust does not notice."""
    step = stage.play(NEGOTIATION, (60, 55), (60, 55), (90, 55))
    np.testing.assert_allclose(step.payoff, (31.32407, 146.61390), **SINGLE)
    np.testing.assert_allclose(step.integrated, (84.48557, 190.60544), **SINGLE)
    np.testing.assert_allclose(step.cooperative, (92.54550, 182.54550), **SINGLE)
    np.testing.assert_allclose((step.trust[0, 1], step.trust[1, 0]), 0.659264, **CLOSE)
    assert step.info["breach_occurred"][0] and not step.info["agreement_reached"][0]
    assert (step.info["total_agreements"][0], step.info["total_breaches"][0]) == (2, 1)
    np.testing.assert_array_equal(step.info["current_agreement"][0], (60, 55))
    assert step.info["proposal_convergence"][0] == pytest.approx(0.65)


def penalty(*actions, **kwargs):
    """What the last step costs beside the stage payoff, per seat; and its info."""
    step = stage.play(NEGOTIATION, *actions, **kwargs)
    free = stage.play(NEGOTIATION, *actions, **{**kwargs, "breach_penalty_multiplier": 0.0})
    for ours, theirs in ((step.integrated, free.integrated), (step.cooperative, free.cooperative)):
        np.testing.assert_allclose(theirs - ours, free.payoff - step.payoff, atol=1e-9)  # the same after each layer
    np.testing.assert_array_equal(step.trust, free.trust)
    return free.payoff - step.payoff, step.info


@pytest.mark.parametrize(
    ("actions", "costs", "agreement"),
    [
        ([(60, 55)], (0, 0), (60, 55)),  # nothing stood before
        ([(60, 50)], (0, 0), (60, 50)),  # the threshold itself agrees
        ([(60, 49)], (0, 0), (np.nan, np.nan)),
        ([(60, 49), (90, 10)], (0, 0), (np.nan, np.nan)),  # nothing to breach
        ([(60, 55), (70, 45)], (0, 0), (60, 55)),  # the threshold itself does not breach
        ([(60, 55), (71, 55)], (33, 0), (60, 55)),
        ([(60, 55), (71, 50)], (33, 15), (60, 55)),  # the faithful seat pays for its small deviation too
        ([(60, 55), (80, 75)], (60, 60), (80, 75)),  # breach and agreement in one step
        ([(60, 55), (71, 55), (71, 55)], (33, 0), (60, 55)),  # the old agreement stands and costs again
        ([(60, 55), (65, 60), (74, 60)], (0, 0), (65, 60)),  # an agreement moves without a breach
    ],
)
def test_agreements_and_breaches(actions, costs, agreement):
    paid, info = penalty(*actions)
    np.testing.assert_allclose(paid, costs, atol=1e-9)
    np.testing.assert_array_equal(info["current_agreement"][0], agreement)
    assert info["breach_occurred"][0] == (max(costs) > 0)


def test_negotiation_keywords():
    paid, info = penalty((60, 55), (66, 55), agreement_threshold=5, breach_penalty_multiplier=1.5)
    np.testing.assert_allclose(paid, (9, 0), atol=1e-9)
    assert info["total_agreements"][0] == 1
    plain, dead = (stage.play(NEGOTIATION, (60, 55), (90, 20), negotiation_rounds=k) for k in (5, 50))
    for name in ("payoff", "integrated", "cooperative", "trust", "damage"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(dead, name))


def test_negotiation_shows_the_agreement_late_and_forgets_it():
    """Published: 15 entries, then what stood before the step. Full: what stands now, own seat first, as shares."""
    actions = [(60, 55), (80, 75), (90, 40)]
    seen, names = stage.observations(NEGOTIATION, *actions)
    assert seen.shape == (4, 18) and names[15:] == ("agreement[0]", "agreement[1]", "standing")
    np.testing.assert_array_equal(seen[:, 15:], [(0, 0, 0), (0, 0, 0), (60, 55, 1), (80, 75, 1)])
    np.testing.assert_array_equal(seen[:, :2], [(35, 35), *actions])
    np.testing.assert_array_equal(seen[:, 14], range(4))
    full, names = stage.observations(NEGOTIATION, *actions, observe="full")
    at = names.index("agreement[0]")
    expected = [(0, 0, 0), (0.6, 0.55, 1), (0.8, 0.75, 1), (0.8, 0.75, 1)]
    np.testing.assert_allclose(full[:, at : at + 3], expected, atol=1e-7)
    env = payoff.multi_agent_vec(NEGOTIATION, 1, info="published")
    env.reset(seed=0)
    env.step(np.array([[[60.0], [55.0]]]))
    info = env.reset()[1]
    assert np.isnan(info["current_agreement"]).all() and info["total_agreements"][0] == 0


def test_agreements_hold_in_the_parallel_view():
    """The published form for PettingZoo has none."""
    env = payoff.parallel_env(NEGOTIATION, reward="private")
    env.reset(seed=0)
    for pair in ((60, 55), (60, 55), (90, 55)):
        _, rewards, *_ = env.step({"agent_0": np.array([pair[0]]), "agent_1": np.array([pair[1]])})
    np.testing.assert_allclose(list(rewards.values()), (31.32407, 146.61390), **SINGLE)
