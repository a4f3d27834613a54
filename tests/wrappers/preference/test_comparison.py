"""Networks that compare: the loss against the formulas, members beside each other, and the frozen form."""

from __future__ import annotations

import numpy as np
import pytest

from payoff.wrappers import (
    HierarchyLearning,
    NetworkSettings,
    PreferenceLearning,
    StepInputs,
    VariationalPreferences,
    VariationalSettings,
)
from payoff.wrappers.preference.comparison import Comparer

THREE = NetworkSettings(members=3, hidden=(6,), learning_rate=5e-3, seed=4)
FIRST, SECOND = np.array([0, 3, 2]), np.array([1, 0, 4])


def items(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=(*shape, 2))


def comparer(settings=THREE, annotators=1):
    """One that has seen some steps and has been taught a little, so that no two of its numbers are alike."""
    made = Comparer(2, settings, annotators)
    made.whitening.take_in(items(50))
    who = np.arange(3) % annotators
    for _ in range(20):
        made.learn(items(5, 4), None, FIRST, SECOND, np.array([1.0, 1.0, 0.0]), annotator=who)
    return made


def test_the_loss_is_that_of_the_formulas():
    """With two annotators, soft answers and margins; numpy puts (1) to (3) together from the scores."""
    net, valid = comparer(annotators=2), np.arange(4) < np.array([4, 1, 2, 3, 4])[:, None]
    who, answers, margin = np.array([0, 1, 1]), np.array([1.0, 0.2, 0.0]), np.array([0.0, 0.7, 2.0])
    assert np.prod(net.reliability) == pytest.approx(1.0) and net.reliability[0] != net.reliability[1]
    scores = net.member_scores(items(5, 4), valid)
    logits = net.reliability[who] * (scores[:, FIRST] - scores[:, SECOND]) - margin * np.sign(answers - 0.5) * (
        np.abs(2.0 * answers - 1.0)
    )
    p = 1.0 / (1.0 + np.exp(-logits))
    expected = -(answers * np.log(p) + (1.0 - answers) * np.log(1.0 - p)).mean()
    loss = net.learn(items(5, 4), valid, FIRST, SECOND, answers, annotator=who, margin=margin)
    assert loss == pytest.approx(expected, rel=1e-12)


def test_the_score_of_a_segment_is_the_sum_of_its_valid_steps_and_the_mean_of_the_members():
    net, seen = comparer(), items(5, 4)
    valid = np.arange(4) < np.array([4, 1, 2, 3, 4])[:, None]
    each = net.member_scores(seen.reshape(20, 1, 2)).reshape(3, 5, 4)
    np.testing.assert_allclose(net.member_scores(seen, valid), (each * valid).sum(axis=2), atol=1e-12)
    np.testing.assert_allclose(net.scores(seen, valid), (each * valid).sum(axis=2).mean(axis=0), atol=1e-12)


def test_members_differ_and_the_first_is_the_one_that_would_be_alone():
    alone = NetworkSettings(hidden=THREE.hidden, learning_rate=THREE.learning_rate, seed=THREE.seed)
    three, one = (Comparer(2, settings).member_scores(items(5, 4)) for settings in (THREE, alone))
    np.testing.assert_allclose(three[0], one[0], atol=1e-12)
    assert np.abs(np.diff(three, axis=0)).min() > 1e-6


def test_members_may_each_be_shown_items_of_their_own():
    """Shown the same they learn the same as from shared ones; what one is shown moves none of the others."""
    shared, own, other = comparer(), comparer(), comparer()
    answers = np.array([1.0, 0.0, 1.0])
    each = np.stack([items(5, 4)] * 3)
    shared.learn(items(5, 4), None, FIRST, SECOND, answers)
    own.learn(each, None, FIRST, SECOND, np.stack([answers] * 3))
    np.testing.assert_allclose(own.member_scores(items(5, 4)), shared.member_scores(items(5, 4)), atol=1e-12)
    each[1] = items(5, 4, seed=1)
    other.learn(each, None, FIRST, SECOND, answers)
    apart = np.abs(other.member_scores(items(5, 4)) - shared.member_scores(items(5, 4))).max(axis=1)
    assert apart[1] > 1e-5 and max(apart[0], apart[2]) < 1e-12


def test_the_frozen_reward_pays_what_is_scored():
    net, steps = comparer(), items(7)
    reward = net.frozen(StepInputs(("obs",)), shift=0.3, scale=2.0)
    np.testing.assert_allclose(reward.members(steps), net.member_scores(steps[:, None]), atol=1e-12)
    net.learn(items(5, 4), None, FIRST, SECOND, np.ones(3))
    assert np.abs(reward.members(steps) - net.member_scores(steps[:, None])).max() > 1e-4  # it has its own numbers


def test_weight_decay_shrinks_what_no_answer_asks_for():
    """Items that are equal have no gradient, and each step takes a share learning_rate x weight_decay (AdamW)."""
    net = Comparer(2, NetworkSettings(hidden=(), learning_rate=0.1, weight_decay=0.5))
    before = net.frozen(StepInputs(("obs",))).weights[0]
    net.learn(np.ones((2, 1, 2)), None, np.array([0]), np.array([1]), np.array([0.5]))
    np.testing.assert_allclose(net.frozen(StepInputs(("obs",))).weights[0], 0.95 * before, rtol=1e-9)


def test_who_is_not_named_is_annotator_0():
    """Also in the state: its reliability has moments, whoever answered."""
    named, unnamed = Comparer(2, THREE, 2), Comparer(2, THREE, 2)
    for _ in range(2):
        named.learn(items(5, 4), None, FIRST, SECOND, np.ones(3), annotator=np.zeros(3, dtype=int))
        unnamed.learn(items(5, 4), None, FIRST, SECOND, np.ones(3))
    assert named.reliability[0] != 1.0
    for name, array in unnamed.state_dict().items():
        np.testing.assert_array_equal(array, named.state_dict()[name])


def test_settings_whose_fields_would_go_unused_are_refused():
    for kind in (HierarchyLearning, VariationalSettings):
        with pytest.raises(TypeError, match="network must be a NetworkSettings, got PreferenceLearning"):
            kind(network=PreferenceLearning(members=1))
    with pytest.raises(TypeError, match="settings must be a VariationalSettings, got NetworkSettings"):
        VariationalPreferences(2, NetworkSettings())


def test_clear_ends():
    net = comparer()
    before = net.state_dict()
    with pytest.raises(ValueError, match="the loss must be finite, got nan: learning diverged"):
        net.learn(items(5, 4), None, FIRST, SECOND, np.full(3, np.nan))
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    with pytest.raises(ValueError, match=r"other: whitening\.squares must not be negative"):
        Comparer.from_state("other", {**before, "whitening.squares": -before["whitening.squares"]}, 2, THREE)
    with pytest.raises(ValueError, match="members must be an integer at least 1, got 0"):
        NetworkSettings(members=0)
    with pytest.raises(ValueError, match=r"network\.members must be 1, got 3"):
        VariationalSettings(network=THREE)
