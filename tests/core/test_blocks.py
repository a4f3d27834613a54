"""The compiled blocks against closed forms, worked examples of the specification, and their own Python source."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import payoff
from payoff.envs.coopetition import published, trust_dilemma
from payoff.envs.coopetition.interdependence import symmetric
from payoff.envs.coopetition.packing import pack
from payoff.envs.coopetition.rules import (
    LoyaltyParams,
    ReciprocityParams,
    Rules,
    TrustParams,
    ValueParams,
)
from payoff.envs.core import history, loyalty, rng, trust, value
from payoff.envs.core.state import COUNTER, EPISODE, KEY


def packed(n=2, depend=0.6, baseline=50.0, **trust_numbers):
    rules = Rules(
        endowment=(100.0,) * n,
        baseline=(baseline,) * n,
        share=(1 / n,) * n,
        depend=symmetric(n, depend) if np.isscalar(depend) else depend,
        max_steps=10,
        trust=TrustParams(**trust_numbers),
        loyalty=LoyaltyParams(),
        reciprocity=ReciprocityParams(),
    )
    numbers, seats, dependence, _ = pack([rules])
    return numbers[0], seats[0], dependence[0]


def test_individual_value_and_total_of_the_specification():
    for a, f in ((25, 65.161931), (50, 78.636513), (75, 86.614667)):
        assert value.individual(float(a), 20.0, 0.0) == pytest.approx(f, abs=5e-7)
    for pair, total in (((50, 50), 189.773025), ((30, 70), 183.720084), ((40, 40), 174.542883)):
        assert value.total(np.array(pair, float)[:, None], 20.0, 0.0, 0.65) == pytest.approx(total, abs=5e-7)


def test_power_form_of_the_specification():
    """beta 0.75; an action of 0 is floored at 1e-10 before it is raised."""
    for a, f in ((25, 11.180340), (50, 18.803015), (75, 25.485664), (0, 3.162278e-8)):
        assert value.individual(float(a), 20.0, 0.75) == pytest.approx(f, abs=5e-7, rel=1e-7)


def test_private_payoffs_of_the_slcd_example():
    """Specification 5.1: shares (0.55, 0.45), actions (60, 55)."""
    _, seats, _ = packed()
    seats["share"] = [0.55, 0.45]
    out = np.zeros(2)
    action = np.array([[60.0], [55.0]])
    value.private_payoffs(seats, action, 20.0, 0.0, 0.65, out)
    np.testing.assert_allclose(out, (142.754289, 142.309880), atol=5e-7)
    # identity: the payoffs add up to what is kept plus the total value
    assert out.sum() == pytest.approx((100 - action).sum() + value.total(action, 20.0, 0.0, 0.65), abs=1e-12)


def test_synergy_is_zero_as_soon_as_one_action_is():
    assert value.synergy(np.array([[1e-10], [50.0]])) == 0.0
    assert value.synergy(np.array([[4.0], [9.0], [6.0]])) == pytest.approx(6.0)


def test_trust_example_of_the_specification():
    """Default parameters, D = [[0, .6], [.8, 0]], b = 50, actions (49.5, 50.5) from T = 0.5, R = 0."""
    p, seats, depend = packed(depend=np.array([[0, 0.6], [0.8, 0]]))
    t, r = np.array([1, 0.5, 0.5, 1]), np.zeros(4)
    trust.update(p, seats, depend, np.array([[49.5], [50.5]]), t, r)
    np.testing.assert_allclose(t, [1, 0.523106, 0.402955, 1], atol=5e-7)
    np.testing.assert_allclose(r, [0, 0, 0.277270, 0], atol=5e-7)


def test_saturated_trust_has_closed_forms():
    """1 - T_t = (1 - T_0)(1 - lambda_plus)^t; T_t = T_0 (1 - lambda_minus (1 + xi D))^t; R_t = R_0 (1 - delta)^t"""
    p, seats, depend = packed(damage_gain=0.0)
    up, down, none = np.full((2, 1), 100.0), np.zeros((2, 1)), np.zeros(4)
    t, r = np.array([1, 0.5, 0.5, 1]), none.copy()
    for k in range(1, 9):
        trust.update(p, seats, depend, up, t, r)
        assert 1 - t[1] == pytest.approx(0.5 * 0.9**k, rel=1e-12)
    t = np.array([1, 0.5, 0.5, 1])
    for k in range(1, 9):
        trust.update(p, seats, depend, down, t, r)
        assert t[2] == pytest.approx(0.5 * (1 - 0.3 * 1.3) ** k, rel=1e-12)
    p, seats, depend = packed()
    t, r = np.array([1, 0.2, 0.2, 1]), np.array([0, 0.5, 0.5, 0])
    for k in range(1, 9):
        trust.update(p, seats, depend, up, t, r)
        assert r[1] == pytest.approx(0.5 * 0.97**k, rel=1e-12)
        assert t[1] <= 1 - 0.5 * 0.97 ** (k - 1) + 1e-15


def test_trust_dilemma_collapses_at_the_specified_step():
    """Landmark of the specification: everybody at 20 %: terminated at step 3, mean trust 0.029206, damage 0.875."""
    import payoff

    env = payoff.multi_agent_vec("payoff/TrustDilemma-v0", 1, autoreset_mode="disabled")
    env.reset(seed=0)
    for step in (1, 2, 3):
        _, _, terminated, _, info = env.step(np.full((1, 2, 1), 20.0))
        assert terminated[0] == (step == 3)
    assert info["trust"][0, 0, 1] == pytest.approx(0.029206, abs=5e-7)
    assert info["reputation_damage"][0, 0, 1] == pytest.approx(0.875, abs=1e-12)


def test_memory_example_of_the_specification():
    """Constant 10 gives signals 10, 0, 0; a step to 90 at t = 4 gives 53.3 (window k = 5, running round included)."""
    ring = np.zeros(5)
    signals = []
    for t, a in enumerate((10.0, 10.0, 10.0, 90.0), start=1):
        history.write(ring, 5, t, np.array([[a]]))
        signals.append(a - history.mean(ring, 5, t, min(5, t - 1), 1, 0, 1.0))
    np.testing.assert_allclose(signals, [10, 0, 0, 90 - 110 / 3], atol=1e-5)


def test_window_means_are_numpys_to_the_last_bit():
    """The published code takes np.mean of float32 actions, eight interleaved sums from eight rounds on."""
    draws = np.random.default_rng(0)
    for length in (1, 3, 7, 8, 9, 10, 15, 16, 17, 40):
        ring = (draws.random(length) * 100).astype(np.float32)
        for rounds in (length, length + 3):
            order = [(rounds - length + k) % length for k in range(length)]
            ours = history.mean(ring.astype(np.float64), length, rounds, length, 1, 0, 1.0)
            assert ours == float(np.mean(ring[order])), (length, rounds)


def test_free_riding_effort_maximises_the_team_payoff():
    """a* = (omega beta / (c n^(2 - beta)))^(1 / (1 - beta)) = 34.240 solves the first-order condition of the team."""
    p, seats, _ = packed(n=4)
    best = (25 * 0.7 / 4**1.3) ** (1 / 0.3)
    assert best == pytest.approx(34.240, abs=5e-4)

    def payoff_of_first(a):
        out = np.zeros(4)
        loyalty.theory_payoffs(p, seats, np.array([[a], [best], [best], [best]]), np.zeros(4), out)
        return out[0]

    assert payoff_of_first(best) > max(payoff_of_first(best + d) for d in (-1.0, -0.1, 0.1, 1.0))


def test_random_numbers_are_a_pure_function_of_the_row():
    row = np.zeros(6)
    row[KEY], row[EPISODE] = rng.seed_key(7), 2
    draws = np.array([rng.uniform(row) for _ in range(20000)])
    assert row[COUNTER] == 20000
    row[COUNTER] = 5
    assert rng.uniform(row) == draws[5]
    assert abs(draws.mean() - 0.5) < 4 / np.sqrt(12 * len(draws))
    assert np.abs(np.sort(draws) - np.arange(1, 20001) / 20000).max() < 1.95 / np.sqrt(20000)
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 4 / np.sqrt(len(draws))
    row[EPISODE], row[COUNTER] = 3, 0
    assert rng.uniform(row) != draws[0]
    counts = np.bincount([rng.below(row, 6) for _ in range(6000)], minlength=6)
    assert ((counts - 1000) ** 2 / 1000).sum() < 20.5  # chi-square, 5 degrees of freedom, p = 0.001


PUBLISHED = [i for i in payoff.ids() if "published" in payoff.envs.registry.entry(i).tags]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_compiled_step_equals_its_python_source(data):
    """`reset_row` and `step_row` compiled and interpreted, along random play of each published game."""
    engine = payoff.multi_agent_vec(data.draw(st.sampled_from(PUBLISHED)), 1).engine
    n, most = engine.shape.n_agents, engine.params[1]["endowment"][0]
    numbers, seats, depend, watched = engine.params
    records = (numbers.view(np.recarray), seats.view(np.recarray), depend, watched)
    wiring = (*engine._wiring[:3], engine._wiring[3].view(np.recarray), *engine._wiring[4:])
    row = np.zeros(engine.state.shape[1])
    row[KEY], row[EPISODE] = rng.seed_key(3), 1
    slow_row = row.copy()
    published.reset_row(engine.params, 0, row)
    with np.errstate(over="ignore"):
        published.reset_row.py_func(records, 0, slow_row)
    np.testing.assert_array_equal(row, slow_row)
    for step in range(data.draw(st.integers(1, 8))):
        sent = np.array([[[e * data.draw(st.floats(-0.2, 1.2))] for e in most]])
        played, work = np.clip(sent, 0.0, most[:, None]), np.ones((1, 5, n))
        fast, slow = [(sent, played.copy(), work.copy(), np.zeros((1, 2), bool), np.zeros((0, 1))) for _ in range(2)]
        over = published.step_row(engine.params, engine._wiring, fast, 0, row)
        slow_over = published.step_row.py_func(records, wiring, slow, 0, slow_row)
        assert over == slow_over
        np.testing.assert_allclose(row, slow_row, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(fast[2], slow[2], rtol=1e-12)
        row[0] = slow_row[0] = step + 1


def test_rules_are_checked():
    with pytest.raises(ValueError, match=r"complementarity must be a number in \[0, 1\], got 1.5"):
        ValueParams(complementarity=1.5)
    with pytest.raises(ValueError, match="phi_B must be a number"):
        LoyaltyParams(benefit=-1.0)
    with pytest.raises(ValueError, match="memory must be an integer at least 1, got 0"):
        ReciprocityParams(memory=0)
    with pytest.raises(ValueError, match="same number of agents"):
        pack(
            [
                trust_dilemma.rules(trust_dilemma.TrustDilemmaParams()),
                Rules(endowment=(1.0,), baseline=(0.0,), share=(1.0,), depend=np.zeros((1, 1)), max_steps=1),
            ]
        )
