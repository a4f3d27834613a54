"""DynamicPartnerSelection: public scores."""

import numpy as np

import payoff
from payoff.envs.coopetition.published_info import rank
from tests.coopetition import stage

SELECTION = "payoff/DynamicPartnerSelection-v0"


def test_scores_of_partner_selection_follow_what_was_sent():
    """q = 1 and -0.005 after actions of 1000 and -5, though both are clipped in the game."""
    step = stage.play(SELECTION, (1000, -5, 100, 0, 50, 50))
    np.testing.assert_allclose(step.info["reputation_scores"][0], (1, -0.005, 0.1, 0, 0.05, 0.05), atol=1e-12)
    clipped = stage.play(SELECTION, (100, 0, 100, 0, 50, 50))
    np.testing.assert_array_equal(step.payoff, clipped.payoff)
    np.testing.assert_array_equal(step.info["reputation_rank"][0], (0, 5, 1, 4, 2, 3))


def test_scores_of_partner_selection_in_closed_form():
    """Constant rate r from 0: q_t = r (1 - 0.9^t)."""
    action = np.array([10, 30, 50, 70, 90, 100.0])
    for t, (*_, info) in enumerate(stage.episode(SELECTION, action, 50), start=1):
        np.testing.assert_allclose(info["reputation_scores"][0], action / 100 * (1 - 0.9**t), atol=1e-12)
    assert t == 50


def test_partner_selection_shows_scores_late_and_forgets_them():
    actions = [(1000, -5, 100, 0, 50, 50)] * 2
    seen, names = stage.observations(SELECTION, *actions)
    assert seen.shape == (3, 121) and names[-6:] == tuple(f"score[{i}]" for i in range(6))
    np.testing.assert_allclose(seen[:, -6:], [[0] * 6, [0] * 6, (1, -0.005, 0.1, 0, 0.05, 0.05)], atol=1e-7)
    full, names = stage.observations(SELECTION, *actions, observe="full")
    np.testing.assert_allclose(full[1, names.index("score[0]") :][:6], (1, 0, 0.1, 0, 0.05, 0.05), atol=1e-7)
    env = payoff.multi_agent_vec(SELECTION, 1)
    env.reset(seed=0)
    env.step(np.full((1, 6, 1), 80.0))
    assert (env.reset()[1]["reputation_scores"] == 0).all()


def test_rank_keeps_the_order_of_seats_in_a_tie():
    np.testing.assert_array_equal(rank(np.array([[0.5, 0.7, 0.5, 0.1]])), [[1, 0, 2, 3]])


def test_partner_selection_never_terminates():
    *_, (terminated, truncated, info) = stage.episode(SELECTION, np.zeros(6), 60)
    assert (terminated, truncated, info["step"][0]) == (False, True, 50)
    assert info["mean_trust"][0] < 1e-9
