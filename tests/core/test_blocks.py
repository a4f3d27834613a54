"""The compiled blocks against closed forms, worked examples of the specification, and their own Python source."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import payoff
from payoff.envs.coopetition import published, trust_dilemma
from payoff.envs.coopetition.interdependence import symmetric
from payoff.envs.coopetition.rules import LoyaltyParams, ReciprocityParams, Terms, TrustParams, ValueParams, pack
from payoff.envs.core import history, loyalty, rng, trust, value
from payoff.envs.core.state import Copy


def packed(n=2, depend=0.6, baseline=50.0, **trust_numbers):
    terms = Terms(
        endowment=(100.0,) * n,
        baseline=(baseline,) * n,
        share=(1 / n,) * n,
        depend=symmetric(n, depend) if np.isscalar(depend) else depend,
        max_steps=10,
        trust=TrustParams(**trust_numbers),
        loyalty=LoyaltyParams(),
        reciprocity=ReciprocityParams(),
    )
    numbers, roles, links = pack([terms])
    return numbers[0], roles[0], links[0]


def between_two(trust, damage):
    """Pairs of two seats, from T and R off the diagonal."""
    pairs = np.zeros((2, 2), dtype=published.Tie.dtype)
    pairs["trust"], pairs["damage"] = [[1, trust], [trust, 1]], [[0, damage], [damage, 0]]
    return pairs


def test_individual_value_and_total_of_the_specification():
    for a, f in ((25, 65.161931), (50, 78.636513), (75, 86.614667)):
        assert value.individual(float(a), 20.0, 0.0) == pytest.approx(f, abs=5e-7)
    for pair, total in (((50, 50), 189.773025), ((30, 70), 183.720084), ((40, 40), 174.542883)):
        assert value.total(np.array(pair, float), 20.0, 0.0, 0.65) == pytest.approx(total, abs=5e-7)


def test_power_form_of_the_specification():
    """beta 0.75; an action of 0 is floored at 1e-10 before it is raised."""
    for a, f in ((25, 11.180340), (50, 18.803015), (75, 25.485664), (0, 3.162278e-8)):
        assert value.individual(float(a), 20.0, 0.75) == pytest.approx(f, abs=5e-7, rel=1e-7)


def test_private_payoffs_of_the_slcd_example():
    """Specification 5.1: shares (0.55, 0.45), actions (60, 55)."""
    _, roles, _ = packed()
    roles["share"] = [0.55, 0.45]
    out = np.zeros(2)
    action = np.array([60.0, 55.0])
    value.private_payoffs(roles, action, 20.0, 0.0, 0.65, out)
    np.testing.assert_allclose(out, (142.754289, 142.309880), atol=5e-7)
    # identity: the payoffs add up to what is kept plus the total value
    assert out.sum() == pytest.approx((100 - action).sum() + value.total(action, 20.0, 0.0, 0.65), abs=1e-12)


def test_synergy_is_zero_as_soon_as_one_action_is():
    assert value.synergy(np.array([1e-10, 50.0])) == 0.0
    assert value.synergy(np.array([4.0, 9.0, 6.0])) == pytest.approx(6.0)


def test_trust_example_of_the_specification():
    """Default parameters, D = [[0, .6], [.8, 0]], b = 50, actions (49.5, 50.5) from T = 0.5, R = 0."""
    p, roles, links = packed(depend=np.array([[0, 0.6], [0.8, 0]]))
    pairs = between_two(0.5, 0.0)
    trust.update(p, roles, links, np.array([49.5, 50.5]), pairs)
    np.testing.assert_allclose(pairs["trust"].ravel(), [1, 0.523106, 0.402955, 1], atol=5e-7)
    np.testing.assert_allclose(pairs["damage"].ravel(), [0, 0, 0.277270, 0], atol=5e-7)


def test_saturated_trust_has_closed_forms():
    """1 - T_t = (1 - T_0)(1 - lambda_plus)^t; T_t = T_0 (1 - lambda_minus (1 + xi D))^t; R_t = R_0 (1 - delta)^t"""
    p, roles, links = packed(damage_gain=0.0)
    up, down = np.full(2, 100.0), np.zeros(2)
    pairs = between_two(0.5, 0.0)
    for k in range(1, 9):
        trust.update(p, roles, links, up, pairs)
        assert 1 - pairs[0, 1]["trust"] == pytest.approx(0.5 * 0.9**k, rel=1e-12)
    pairs = between_two(0.5, 0.0)
    for k in range(1, 9):
        trust.update(p, roles, links, down, pairs)
        assert pairs[1, 0]["trust"] == pytest.approx(0.5 * (1 - 0.3 * 1.3) ** k, rel=1e-12)
    p, roles, links = packed()
    pairs = between_two(0.2, 0.5)
    for k in range(1, 9):
        trust.update(p, roles, links, up, pairs)
        assert pairs[0, 1]["damage"] == pytest.approx(0.5 * 0.97**k, rel=1e-12)
        assert pairs[0, 1]["trust"] <= 1 - 0.5 * 0.97 ** (k - 1) + 1e-15


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
    ring = np.zeros((5, 1))
    signals = []
    for t, a in enumerate((10.0, 10.0, 10.0, 90.0), start=1):
        history.write(ring, t, np.array([a]))
        signals.append(a - history.mean(ring, t, min(5, t - 1), 0, 1.0))
    np.testing.assert_allclose(signals, [10, 0, 0, 90 - 110 / 3], atol=1e-5)


def test_window_means_are_numpys_to_the_last_bit():
    """The published code takes np.mean of float32 actions, eight interleaved sums from eight rounds on."""
    draws = np.random.default_rng(0)
    for length in (1, 3, 7, 8, 9, 10, 15, 16, 17, 40):
        ring = (draws.random(length) * 100).astype(np.float32)
        for rounds in (length, length + 3):
            order = [(rounds - length + k) % length for k in range(length)]
            ours = history.mean(ring.astype(np.float64)[:, None], rounds, length, 0, 1.0)
            assert ours == float(np.mean(ring[order])), (length, rounds)


def test_free_riding_effort_maximises_the_team_payoff():
    """a* = (omega beta / (c n^(2 - beta)))^(1 / (1 - beta)) = 34.240 solves the first-order condition of the team."""
    p, roles, _ = packed(n=4)
    best = (25 * 0.7 / 4**1.3) ** (1 / 0.3)
    assert best == pytest.approx(34.240, abs=5e-4)

    def payoff_of_first(a):
        return loyalty.theory_payoff(p, roles, np.array([a, best, best, best]), 0.0, 0)

    assert payoff_of_first(best) > max(payoff_of_first(best + d) for d in (-1.0, -0.1, 0.1, 1.0))


def test_random_numbers_are_a_pure_function_of_the_row():
    s = np.zeros(1, dtype=Copy.dtype)[0]
    s.key, s.episode = rng.seed_key(7), 2
    draws = np.array([rng.uniform(s) for _ in range(20000)])
    assert s.counter == 20000
    s.counter = 5
    assert rng.uniform(s) == draws[5]
    assert abs(draws.mean() - 0.5) < 4 / np.sqrt(12 * len(draws))
    assert np.abs(np.sort(draws) - np.arange(1, 20001) / 20000).max() < 1.95 / np.sqrt(20000)
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 4 / np.sqrt(len(draws))
    s.episode, s.counter = 3, 0
    assert rng.uniform(s) != draws[0]
    counts = np.bincount([rng.below(s, 6) for _ in range(6000)], minlength=6)
    assert ((counts - 1000) ** 2 / 1000).sum() < 20.5  # chi-square, 5 degrees of freedom, p = 0.001


PUBLISHED = [i for i in payoff.ids() if "published" in payoff.envs.registry.load(i).tags]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_compiled_step_equals_its_python_source(data):
    """`start` and `step` compiled and interpreted, along random play of each published game."""
    game = payoff.envs.registry.load(data.draw(st.sampled_from(PUBLISHED)))
    params = game.params()
    given_p = [table[0] for table in game.pack([params])]
    n, layout = len(params.terms().endowment), game.shape(params).layout
    row = np.zeros(layout.size)
    s, *parts = layout.open(row)
    s.key, s.episode = rng.seed_key(3), 1
    slow_row = row.copy()
    slow_s, *slow_parts = layout.open(slow_row)
    published.start(*given_p, s, *parts)
    with np.errstate(over="ignore"):
        published.start.py_func(*given_p, slow_s, *slow_parts)
    np.testing.assert_array_equal(row, slow_row)
    for step in range(data.draw(st.integers(1, 8))):
        sent = np.array([e * data.draw(st.floats(-0.2, 1.2)) for e in params.terms().endowment])
        played = np.clip(sent, 0.0, params.terms().endowment)
        fast, slow = [(played.copy(), np.zeros(n), sent, np.ones(n), np.zeros(n)) for _ in range(2)]
        over = published.step(*given_p, s, *parts, *fast)
        slow_over = published.step.py_func(*given_p, slow_s, *slow_parts, *slow)
        assert over == slow_over
        np.testing.assert_allclose(row, slow_row, rtol=1e-12, atol=1e-12)
        for ours, theirs in zip(fast, slow, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)
        s.clock = slow_s.clock = step + 1


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
                trust_dilemma.TrustDilemmaParams().terms(),
                Terms(endowment=(1.0,), baseline=(0.0,), share=(1.0,), depend=np.zeros((1, 1)), max_steps=1),
            ]
        )
