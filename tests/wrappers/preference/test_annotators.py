"""What annotators judge by, against numbers worked out by hand; how often they say what they should."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from payoff.wrappers import OptimalValues, Segments, SimulatedAnnotator, judge
from tests.wrappers.preference.tasks import detour, walk_to_the_end


def played(task, *plays):
    """Segments of a deterministic task, each from (start, actions); past the end nothing happens."""
    obs, actions, rewards, valid = [], [], [], []
    for start, chosen in plays:
        states = [start]
        for a in chosen:
            states.append(int(task.model.next_state[states[-1], a, 0]))
        here = np.array(states[:-1])
        obs.append(states)
        actions.append(chosen)
        rewards.append(task.features[here, chosen, 0] @ task.weights)
        valid.append(~task.model.terminal[here])
    ended = task.model.terminal[np.array(obs)[:, -1]]
    return Segments(np.array(obs)[..., None], np.array(actions)[..., None], np.array(rewards), np.array(valid), ended)


def test_judgements_of_a_detour_by_hand():
    """gamma 0.9, prize 4: V*(1) = 4, V*(0) = max(1, -2 + 0.9 * 4) = 1.6."""
    task = detour(4.0)
    segments = played(task, (0, [0, 0]), (0, [1, 0]), (1, [0, 0]))
    optimal = task.optimal_values()
    np.testing.assert_allclose(optimal.values, [1.6, 4.0, 0.0])
    np.testing.assert_allclose(judge(segments, "partial_return"), [1.0, 2.0, 4.0])
    # Q*(0, 0) = 1, so taking the near reward is worth 0.6 less than the best; the others do nothing wrong
    np.testing.assert_allclose(judge(segments, "regret", optimal), [-0.6, 0.0, 0.0], atol=1e-12)
    # no discount within the segment: 2 - 1.6 in the second
    np.testing.assert_allclose(judge(segments, "deterministic_regret", optimal), [-0.6, 0.4, 0.0], atol=1e-12)


def test_without_discount_both_regrets_are_one():
    """Equation (3) equals (2) where transitions are deterministic and gamma is 1, here nearly."""
    near = dataclasses.replace(walk_to_the_end(-1.0), gamma=1.0 - 1e-9)
    segments, optimal = near.random_segments(50, 4, seed=0), near.optimal_values()
    one, other = judge(segments, "regret", optimal), judge(segments, "deterministic_regret", optimal)
    np.testing.assert_allclose(one, other, atol=1e-6)
    assert one.min() < -1.5 and one.max() < 1e-6


def flat_segments(*returns):
    n = len(returns)
    return Segments(
        np.zeros((n, 2, 1)),
        np.zeros((n, 1, 1)),
        np.array(returns, dtype=float)[:, None],
        np.ones((n, 1), bool),
        np.zeros(n, bool),
    )


def share(annotator, difference, count=40_000):
    """How often the first of two segments is preferred."""
    segments = flat_segments(difference, 0.0)
    pairs = np.zeros(count, dtype=int), np.ones(count, dtype=int)
    return annotator.ask(segments, *pairs, np.random.default_rng(0))


@pytest.mark.parametrize(("scale", "flip", "difference"), [(1.0, 0.0, 1.0), (0.5, 0.0, -2.0), (2.0, 0.2, 1.0)])
def test_answers_are_as_likely_as_the_model_says(scale, flip, difference):
    chance = 1.0 / (1.0 + np.exp(-scale * difference))
    expected = (1.0 - flip) * chance + flip * (1.0 - chance)
    answers = share(SimulatedAnnotator(scale=scale, flip=flip), difference)
    assert set(np.unique(answers.answer)) == {0.0, 1.0}
    assert abs(answers.answer.mean() - expected) < 4.0 * np.sqrt(expected * (1.0 - expected) / 40_000)


def test_without_noise_the_better_one_is_preferred_and_ties_are_ties():
    segments = flat_segments(1.0, 0.0, 1.0)
    first, second = np.array([0, 1, 0]), np.array([1, 0, 2])
    answers = SimulatedAnnotator(scale=np.inf).ask(segments, first, second, np.random.default_rng(0))
    assert answers.answer.tolist() == [1.0, 0.0, 0.5]
    turned = SimulatedAnnotator(scale=np.inf, flip=1.0).ask(segments, first, second, np.random.default_rng(0))
    assert turned.answer.tolist() == [0.0, 1.0, 0.5]


def test_several_annotators_share_the_questions():
    answers = share(SimulatedAnnotator(scale=np.inf, flip=(0.0, 1.0)), 1.0)
    assert abs((answers.annotator == 0).mean() - 0.5) < 0.01
    np.testing.assert_array_equal(answers.answer, 1.0 - answers.annotator)


def test_huge_differences_are_certain():
    with np.errstate(all="raise"):
        assert share(SimulatedAnnotator(scale=1e6), 1e6, 10).answer.tolist() == [1.0] * 10


def test_bad_arguments_name_what_is_wrong():
    values = OptimalValues(np.zeros(1), np.zeros((1, 1)), lambda obs: obs[:, 0])
    with pytest.raises(ValueError, match="by must be one of"):
        SimulatedAnnotator("regrets")
    with pytest.raises(ValueError, match="judging by regret needs the values of the game, got optimal None"):
        SimulatedAnnotator("regret")
    with pytest.raises(ValueError, match="judging by regret needs the values"):
        judge(flat_segments(1.0), "regret")
    with pytest.raises(ValueError, match=r"flip must be a number in \[0, 1\], got 2"):
        SimulatedAnnotator(flip=2.0)
    with pytest.raises(ValueError, match=r"scale must be a number in \(0"):
        SimulatedAnnotator("regret", scale=0.0, optimal=values)
    with pytest.raises(ValueError, match="one number an annotator, got 2 and 3"):
        SimulatedAnnotator(scale=(1.0, 2.0), flip=(0.0, 0.1, 0.2))
    with pytest.raises(TypeError, match="scale must be a sequence"):
        SimulatedAnnotator(scale="big")
    wide = Segments(
        np.zeros((1, 2, 1)), np.zeros((1, 1, 2)), np.zeros((1, 1)), np.ones((1, 1), bool), np.zeros(1, bool)
    )
    with pytest.raises(ValueError, match="actions of one whole number, got 2 numbers"):
        judge(wide, "regret", values)
