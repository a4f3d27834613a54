"""The ensemble: against a logistic regression, several annotators, ties, its state; cleaning of known slips."""

from __future__ import annotations

import numpy as np
import pytest

from payoff.wrappers import (
    Cleaning,
    PreferenceLearning,
    RewardEnsemble,
    Segments,
    SimulatedAnnotator,
    Transition,
    draw_pairs,
    preference_strength,
)
from payoff.wrappers.rows import vector_info


def walks(count, seed=0, length=4):
    """Segments of two numbers and an action in {0, 1, 2}; the reward is x - 2 y + (action == 2)."""
    rng = np.random.default_rng(seed)
    obs = rng.normal(size=(count, length + 1, 2))
    actions = rng.integers(3, size=(count, length, 1))
    rewards = obs[:, :-1, 0] - 2.0 * obs[:, :-1, 1] + (actions[:, :, 0] == 2)
    return Segments(obs, actions, rewards, np.ones((count, length), bool), np.zeros(count, bool))


def asked(segments, count, seed=1, **annotator):
    rng = np.random.default_rng(seed)
    first, second = draw_pairs(len(segments), count, rng)
    return first, second, SimulatedAnnotator(**annotator).ask(segments, first, second, rng)


def steps_of(segments):
    """All steps of whole segments, as rows of one transition."""
    obs, after = (segments.obs[:, s].reshape(-1, 2) for s in (slice(0, -1), slice(1, None)))
    on = np.ones(len(obs), dtype=bool)
    return Transition(obs, segments.actions.ravel(), segments.rewards.ravel(), after, ~on, ~on, vector_info({}, on), on)


def regression(x, y):
    """Weights of a logistic regression without intercept, by Newton's method."""
    w = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-x @ w))
        w += np.linalg.lstsq((x * (p * (1.0 - p))[:, None]).T @ x, x.T @ (y - p), rcond=None)[0]
    return w


def test_without_hidden_layers_it_is_a_logistic_regression():
    """Same judgement of every pair as the likeliest weights of numbers and one-hot actions, summed over steps."""
    segments = walks(200)
    first, second, answers = asked(segments, 400)
    settings = PreferenceLearning(
        members=2, hidden=(), weight_decay=0.0, epochs=900, learning_rate=0.05, batch_size=400
    )
    ensemble = RewardEnsemble(3, settings=settings)
    ensemble.learn(segments, first, second, answers.answer)
    sums = ensemble.sums(segments)
    onehot = np.eye(3)[segments.actions[:, :, 0].astype(int)].sum(axis=1)
    phi = np.concatenate([segments.obs[:, :-1].sum(axis=1), onehot], axis=1)
    weights = regression(phi[first] - phi[second], answers.answer)
    expected = (phi[first] - phi[second]) @ weights
    for member in sums:
        np.testing.assert_allclose(member[first] - member[second], expected, atol=0.02)


def test_networks_order_unseen_segments_as_the_reward_does():
    segments, unseen = walks(300), walks(200, seed=5)
    first, second, answers = asked(segments, 600)
    ensemble = RewardEnsemble(3, settings=PreferenceLearning(hidden=(16,), epochs=40, learning_rate=3e-3))
    first_loss = ensemble.learn(segments, first, second, answers.answer)
    assert first_loss < 0.35  # ln 2 knows nothing; the annotator's own noise leaves about 0.25
    reward = ensemble.frozen(segments)
    learned = ensemble.sums(unseen).mean(axis=0)
    assert np.corrcoef(learned, unseen.returns)[0, 1] > 0.95
    paid = reward(steps_of(segments))
    assert np.sqrt(np.mean(paid**2)) == pytest.approx(1.0)
    np.testing.assert_allclose(
        reward.scale * paid.reshape(300, -1).sum(axis=1), ensemble.sums(segments).mean(axis=0), atol=1e-9
    )  # the frozen one is the same function of the same numbers of a step


def test_steps_after_an_end_count_nothing():
    segments = walks(2)
    cut = Segments(
        segments.obs, segments.actions, segments.rewards, np.array([[True, False, False, False]] * 2), np.ones(2, bool)
    )
    ensemble = RewardEnsemble(3)
    ensemble.look(segments)
    whole, short = ensemble.sums(segments), ensemble.sums(cut)
    assert not np.allclose(whole, short)
    other = Segments(
        segments.obs[:, :2], segments.actions[:, :1], segments.rewards[:, :1], np.ones((2, 1), bool), np.ones(2, bool)
    )
    np.testing.assert_allclose(short, ensemble.sums(other))


def test_a_careless_annotator_is_found_out():
    """Scales 1 and 0.1 have geometric mean 0.316: reliabilities near 3.16 and 0.316, up to their standard errors."""
    segments = walks(300)
    first, second, answers = asked(segments, 1500, scale=(1.0, 0.1))
    settings = PreferenceLearning(members=1, hidden=(), weight_decay=0.0, epochs=60, learning_rate=0.02)
    ensemble = RewardEnsemble(3, annotators=2, settings=settings)
    ensemble.learn(segments, first, second, *answers)
    assert np.prod(ensemble.reliability) == pytest.approx(1.0)
    ratio = ensemble.reliability[0] / ensemble.reliability[1]
    assert 5.0 < ratio < 20.0


def test_a_margin_makes_the_preferred_side_win_by_more():
    segments = walks(60)
    first, second, answers = asked(segments, 100, scale=0.3)
    won = []
    for margin in (0.0, 2.0):
        ensemble = RewardEnsemble(3, settings=PreferenceLearning(members=1, hidden=(), epochs=100, learning_rate=0.02))
        ensemble.learn(segments, first, second, answers.answer, margin=np.full(100, margin))
        sums = ensemble.sums(segments)[0]
        won.append(((2.0 * answers.answer - 1.0) * (sums[first] - sums[second])).mean())
    assert won[1] > won[0] + 0.5


def test_it_goes_on_from_its_state_bit_for_bit():
    segments = walks(40)
    first, second, answers = asked(segments, 60)
    settings = PreferenceLearning(hidden=(8,), epochs=2, batch_size=16)
    one, other = RewardEnsemble(3, settings=settings), RewardEnsemble(3, settings=settings)
    one.learn(segments, first, second, answers.answer)
    other.read_state(one.state_dict())()
    for ensemble in (one, other):
        ensemble.learn(segments, first, second, answers.answer)
    for name, array in one.state_dict().items():
        np.testing.assert_array_equal(array, other.state_dict()[name], strict=True)
    state = one.state_dict()
    for bad in (
        {**state, "net.weights.0": state["net.weights.0"] * np.nan},
        {**state, "more": np.zeros(1)},
        {"rounds": np.array(1)},
    ):
        with pytest.raises(ValueError, match="RewardEnsemble"):
            RewardEnsemble(3, settings=settings).read_state(bad)
    with pytest.raises(ValueError, match="must not be negative"):
        other.read_state({**state, "steps": np.array(-1)})
    RewardEnsemble(3).read_state({})()


def test_clear_ends():
    segments = walks(4)
    pair = np.array([0]), np.array([1])
    ensemble = RewardEnsemble(3, settings=PreferenceLearning(hidden=(4,), epochs=1))
    with pytest.raises(ValueError, match="no preferences: nothing was learned yet"):
        ensemble.frozen(segments)
    with pytest.raises(ValueError, match="no preferences: none of 1 questions"):
        ensemble.learn(segments, *pair, np.array([np.nan]))
    with pytest.raises(ValueError, match="ties"):
        ensemble.learn(segments, *pair, np.array([0.5]))
    with pytest.raises(ValueError, match="second must be another segment than first, got 2 and 2"):
        ensemble.learn(segments, np.array([0, 2]), np.array([1, 2]), np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match=r"annotator must be in 0 .. 0, got 1 .. 1"):
        ensemble.learn(segments, *pair, np.array([1.0]), np.array([1]))
    with pytest.raises(ValueError, match="margin must hold finite numbers of at least 0"):
        ensemble.learn(segments, *pair, np.array([1.0]), None, np.array([-1.0]))
    with pytest.raises(ValueError, match="the networks have 5 inputs, got segments of 4"):
        ensemble.learn(segments, *pair, np.array([1.0]))
        ensemble.look(
            Segments(segments.obs[:, :, :1], segments.actions, segments.rewards, segments.valid, segments.ended)
        )
    wild = RewardEnsemble(3, settings=PreferenceLearning(hidden=(4,), epochs=20, learning_rate=1e12, weight_decay=1e12))
    with pytest.raises(ValueError, match="diverged"):
        wild.learn(segments, *pair, np.array([1.0]))
    one_sided = RewardEnsemble(3, settings=PreferenceLearning(hidden=(4,), epochs=20))
    assert np.isfinite(one_sided.learn(segments, np.array([0, 1]), np.array([2, 3]), np.ones(2)))


# -- cleaning ----------------------------------------------------------------------------------------------------------


def test_strength_and_what_is_done_with_it_by_hand():
    differences = np.array([[1.0, -3.0, 0.2, 4.0], [3.0, -1.0, 0.0, 2.0]])
    answer = np.array([1.0, 1.0, 0.0, 0.5])
    strength, spread = preference_strength(differences, answer)
    assert strength.tolist() == [2.0, -2.0, -0.1, 0.0] and spread.tolist() == pytest.approx([1.0, 1.0, 0.1, 0.0])
    cleaned = Cleaning(flip_below=1.0, soften_within=0.5, softness=0.2, margin=0.5)(answer, strength)
    assert cleaned.answer.tolist() == pytest.approx([1.0, 0.0, 0.2, 0.5])
    assert cleaned.margin.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert cleaned.flipped.tolist() == [False, True, False, False]
    nothing = Cleaning(flip_below=np.inf)(answer, strength)
    assert nothing.answer.tolist() == answer.tolist() and not nothing.margin.any()
    unsaid = Cleaning(flip_below=0.0)(np.array([np.nan]), preference_strength(np.ones((2, 1)), np.array([np.nan]))[0])
    assert np.isnan(unsaid.answer[0]) and not unsaid.flipped[0]
    with pytest.raises(ValueError, match="softness"):
        Cleaning(softness=0.6)
    with pytest.raises(ValueError, match=r"differences must have shape \(M, P\)"):
        preference_strength(np.ones(3), np.ones(3))


def test_known_slips_are_found():
    """A sure annotator of whose answers a fifth is turned round: most of those are turned back, and few others."""
    segments = walks(200)
    first, second, truth = asked(segments, 500, scale=np.inf)
    slip = np.random.default_rng(3).random(500) < 0.2
    given = np.where(slip, 1.0 - truth.answer, truth.answer)
    ensemble = RewardEnsemble(3, settings=PreferenceLearning(hidden=(16,), epochs=15, learning_rate=3e-3))
    ensemble.learn(segments, first, second, given)
    sums = ensemble.sums(segments)
    strength, _ = preference_strength(sums[:, first] - sums[:, second], given)
    cleaned = Cleaning(flip_below=0.0)(given, strength)
    assert cleaned.flipped[slip].mean() > 0.8 and cleaned.flipped[~slip].mean() < 0.1
    assert (cleaned.answer == truth.answer).mean() > 0.9 > (given == truth.answer).mean()
