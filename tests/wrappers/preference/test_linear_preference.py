"""What each account of preferences can learn: three cases that partial return cannot tell apart, and whole boards."""

from __future__ import annotations

import numpy as np
import pytest

from payoff.wrappers import (
    Answers,
    LinearFit,
    SimulatedAnnotator,
    feature_task,
    fit_partial_return,
    fit_regret,
    judge,
    policy_library,
)
from payoff.wrappers.preference.linear_preference import checked_answers
from tests.wrappers.preference.tasks import detour, lottery, walk_to_the_end


def asked(task, by, count, length, *, scale=np.inf, past_the_end=True, seed=0):
    """Segments, pairs and answers."""
    segments = task.random_segments(2 * count, length, seed, past_the_end=past_the_end)
    first, second = np.arange(count), np.arange(count, 2 * count)
    annotator = SimulatedAnnotator(by, scale=scale, optimal=task.optimal_values())
    return segments, first, second, annotator.ask(segments, first, second, np.random.default_rng(seed))


def best(task):
    return task.best_policy(task.weights)[~task.model.terminal].tolist()


# -- three things that partial return cannot identify (Knox et al.) ----------------------------------------------------


def test_a_constant_on_every_step_changes_no_partial_return_and_changes_what_is_best():
    hurry, dawdle = walk_to_the_end(-1.0), walk_to_the_end(1.0)
    assert best(hurry) == [1, 1] and best(dawdle) == [0, 0]
    for game in (hurry, dawdle):
        *pairs, answers = asked(game, "partial_return", 50, 2, past_the_end=False)
        assert (answers.answer == 0.5).all()
        with pytest.raises(ValueError, match="no preferences: all 50 answers are ties"):
            fit_partial_return(game, *pairs, answers)
        *pairs, answers = asked(game, "regret", 50, 2, past_the_end=False)
        assert set(answers.answer) > {0.0, 1.0}
        weights = fit_regret(game, *pairs, answers, policy_library(game, exclude=False))
        assert np.sign(weights) == np.sign(game.weights) and game.scaled_return(weights) == pytest.approx(1.0)


def test_segments_past_the_end_show_partial_return_the_constant():
    game = walk_to_the_end(-1.0)
    *pairs, answers = asked(game, "partial_return", 200, 3)
    assert fit_partial_return(game, *pairs, answers)[0] < 0.0


def judgements(one, other, by, length):
    """Answers without noise about the same segments of two games, and the best policies of these."""
    found = []
    for game in (one, other):
        segments = game.random_segments(400, length, seed=0)
        found.append(np.sign(np.round(np.subtract.outer(*2 * [judge(segments, by, game.optimal_values())]), 9)))
    return found


def test_what_a_lottery_is_worth_shows_in_regret_alone():
    modest, rich = lottery(4.0), lottery(6.0)  # worth 0.5 and 1.5, against 1 for sure
    assert best(modest) == [0] and best(rich) == [1]
    one, other = judgements(modest, rich, "partial_return", 1)
    np.testing.assert_array_equal(one, other)
    one, other = judgements(modest, rich, "regret", 1)
    np.testing.assert_array_equal(one, -other)


def test_the_size_of_a_difference_shows_in_regret_of_single_steps_without_noise():
    small, large = detour(2.5), detour(4.0)  # -2 + 0.9 * 2.5 < 1 < -2 + 0.9 * 4
    assert best(small)[0] == 0 and best(large)[0] == 1
    one, other = judgements(small, large, "partial_return", 1)
    np.testing.assert_array_equal(one, other)
    one, other = judgements(small, large, "regret", 1)
    assert (one != other).any()
    for game in (small, large):
        *pairs, answers = asked(game, "regret", 300, 1)
        weights = fit_regret(game, *pairs, answers, policy_library(game, exclude=False))
        assert game.scaled_return(weights) == pytest.approx(1.0)


# -- learning ----------------------------------------------------------------------------------------------------------


def test_weights_of_partial_return_come_back_from_many_noisy_answers():
    """Segments sum to near (1, 0, 0), fee and prize (0, 1, 1), or the prize (0, 0, 1).

    Their differences are all there is to know: w_near - w_far and w_fee, each from thousands of answers, so that the
    standard error is below 0.05.
    """
    game = detour(2.5)
    *pairs, answers = asked(game, "partial_return", 20_000, 2, scale=1.0)
    near, fee, far = fit_partial_return(game, *pairs, answers)
    np.testing.assert_allclose([near - far, fee], [1.0 - 2.5, -2.0], atol=0.2)
    assert near + far == pytest.approx(0.0, abs=1e-6)  # the penalty splits what no answer says


def test_regret_finds_what_is_best_on_random_boards_where_partial_return_fails():
    """Without segments past the end. Two boards of three at least: a library may miss what is best on the third."""
    regret, partial = [], []
    for seed in range(3):
        board = {"layout": "random", "height": 6, "width": 6, "roadblocks": 0.3, "weights": (-1, 50, -50, 1, -5, -2)}
        game = feature_task("Delivery-v0", gamma=0.999, start=seed, **board)
        given = asked(game, "regret", 500, 3, scale=1.0, past_the_end=False, seed=seed)
        regret.append(game.scaled_return(fit_regret(game, *given, policy_library(game, seed=seed))))
        partial.append(game.scaled_return(fit_partial_return(game, *given)))
    assert sum(x > 0.9 for x in regret) >= 2, regret
    assert max(partial) < 0.9, partial


def test_a_library_leaves_out_the_best_policy_and_values_take_its_best():
    game = detour(4.0)
    every, fair = policy_library(game, exclude=False), policy_library(game)
    assert len(every.successor) == 2 and len(fair.successor) == 1  # near or far
    np.testing.assert_allclose(every.values(game.weights, temperature=1e-3), [1.6, 4.0, 0.0])
    np.testing.assert_allclose(fair.values(game.weights), [1.0, 4.0, 0.0])
    # at temperature tau, in units of the largest value 4: (1 e^(1 / 4 tau) + 1.6 e^(1.6 / 4 tau)) / sum
    share = 1.0 / (1.0 + np.exp(-0.6 / (4.0 * 0.5)))
    np.testing.assert_allclose(every.values(game.weights, temperature=0.5)[0], share * 1.6 + (1.0 - share) * 1.0)


def test_results_depend_on_the_seed_alone():
    game = detour(2.5)
    given = asked(game, "regret", 100, 2, scale=1.0)
    library = policy_library(game, exclude=False)
    one, other = (fit_regret(game, *given, library, LinearFit(seed=3)) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_one_sided_answers_give_finite_weights():
    game = walk_to_the_end(-1.0)
    segments = game.random_segments(20, 3, seed=0)
    answers = Answers(np.ones(10), np.zeros(10, dtype=int))
    weights = fit_partial_return(game, segments, np.arange(10), np.arange(10, 20), answers)
    assert np.isfinite(weights).all()


@pytest.mark.parametrize(
    ("first", "answer", "text"),
    [
        ([0, 0], [np.nan, np.nan], "no preferences: none of 2 questions was answered"),
        ([0, 0], [0.5, 0.5], "all 2 answers are ties"),
        ([0, 0], [0.0, 2.0], r"answer must be in \[0, 1\] or NaN, got 0.0 .. 2.0"),
        ([0, 9], [0.0, 1.0], "first must hold whole numbers in 0 .. 1, got 0 .. 9"),
        ([0, 1], [0.0, 1.0], "second must be another segment than first, got 1 and 1"),
        ([0], [0.0, 1.0], "must have one shape"),
        ([], [], "no preferences: none of 0 questions"),
    ],
)
def test_answers_that_say_nothing_or_do_not_fit_are_refused(first, answer, text):
    with pytest.raises(ValueError, match=text):
        checked_answers(2, np.array(first, dtype=int), np.ones(len(answer), dtype=int), np.array(answer, dtype=float))
