"""Clip and Delta: the numbers of the notes, telescoping sums, and bounds that hold for every episode."""

import numpy as np
import pytest

from payoff.wrappers.transforms.clip_delta import ClipDelta, ClippedScores, clip_scores, delta, progress
from payoff.wrappers.transforms.min_form import suffix_sums

SCORES = np.array([[0.2], [0.5], [0.9], [0.9], [0.95]])
ALL = np.ones((5, 1), bool)


def test_published_numbers():
    changes = delta(SCORES, ALL)
    np.testing.assert_allclose(changes[:, 0], [-0.3, -0.4, 0.0, 0.9, 0.0], atol=1e-15)
    np.testing.assert_allclose(suffix_sums(changes)[:, 0], [0.2, 0.5, 0.9, 0.9, 0.0], atol=1e-15)
    np.testing.assert_allclose(clip_scores(SCORES, 0.9)[:, 0], [-0.7, -0.4, 0.0, 0.0, 0.0], atol=1e-15)
    gains = progress(SCORES, ALL)
    np.testing.assert_allclose(gains[:, 0], [0.3, 0.4, 0.0, 0.05, 0.0], atol=1e-15)


@pytest.fixture(scope="module")
def episodes():
    """300 episodes of 1 to 30 steps, scores in [0, 1], nan after the end."""
    rng = np.random.default_rng(0)
    valid = np.arange(30)[:, None] < rng.integers(1, 31, 300)
    return np.where(valid, rng.random((30, 300)), np.nan), valid


def test_telescoping(episodes):
    scores, valid = episodes
    last = valid.sum(axis=0) - 1
    final = scores[last, np.arange(300)]
    at_end = np.arange(30)[:, None] == last
    credit, gain = suffix_sums(delta(scores, valid)), suffix_sums(progress(scores, valid))
    np.testing.assert_allclose(credit[valid], np.where(at_end, 0.0, scores)[valid], atol=1e-12)
    np.testing.assert_allclose(gain[valid], (final - scores)[valid], atol=1e-12)
    assert (credit[~valid] == 0.0).all() and (gain[~valid] == 0.0).all()
    assert np.abs(credit).max() <= 1.0 + 1e-12  # bounded whatever the number of steps


def test_delta_is_shaping_by_minus_the_score_but_for_its_last_terms(episodes):
    """F = gamma Phi(s') - Phi(s) with gamma 1 and Phi = -q; on the last two steps Phi counts as 0."""
    scores, valid = episodes
    last = valid.sum(axis=0) - 1
    inner = valid & (np.arange(30)[:, None] < last - 1)
    following = np.vstack([scores[1:], np.full((1, 300), np.nan)])
    np.testing.assert_array_equal(delta(scores, valid)[inner], (-following + scores)[inner])


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("difference", ["delta", "progress", "none"])
def test_transform_adds_what_its_docstring_says(batch, clip, difference):
    rng = np.random.default_rng(1)
    lists = [rng.random(n).tolist() for n in (1, 4, 9)]
    paid = [rng.normal(size=len(q)).tolist() for q in lists]
    episodes = batch(paid, aux=lists)
    new = ClipDelta("aux", clip=clip, threshold=0.4, difference=difference, coef=2.0)(episodes)
    for b, q in enumerate(lists):
        used = np.minimum(np.array(q) - 0.4, 0) if clip else np.array(q)
        first, last = (0.0 if len(q) == 1 else used[0]), used[-1]
        added = {"delta": first, "progress": last - used[0], "none": used.sum()}[difference]
        assert new[:, b].sum() == pytest.approx(sum(paid[b]) + 2.0 * added, abs=1e-12)


def test_clip_then_delta_and_the_mean_as_threshold(batch):
    episodes = batch([[0.0] * 4, [0.0, 1.0]], aux=[[0.2, 0.6, 0.8, 0.4], [1.0, 0.0]])  # mean 0.5
    new = ClipDelta("aux")(episodes)
    np.testing.assert_allclose(new[:, 0], [-0.3, 0.0, 0.0, 0.0], atol=1e-12)  # clipped: -.3, 0, 0, -.1
    np.testing.assert_allclose(new[:2, 1], [0.0, 1.0], atol=1e-12)


def test_episodes_that_go_on_keep_their_rewards(batch):
    episodes = batch([[1.0, 2.0], [1.0, 2.0]], finished=[True, False], aux=[[0.3, 0.3], [0.3, 0.3]])
    new = ClipDelta("aux", clip=False)(episodes)
    assert new.tolist() == [[1.3, 1.0], [2.0, 2.0]]


def test_stepwise_clip_never_adds(transition):
    rng = np.random.default_rng(2)
    reward, scores = rng.normal(size=500), rng.random(500)
    added = ClippedScores("q", threshold=0.7, coef=0.5)(transition(reward, {"q": scores})) - reward
    assert added.max() == 0.0 and added.min() >= -0.35 - 1e-12
    np.testing.assert_allclose(added, np.minimum(0.5 * (scores - 0.7), 0.0), atol=1e-12)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"threshold": 1.5}, r"threshold must be a number in \[0, 1\], got 1.5"),
        ({"coef": -1}, "coef must be a number"),
        ({"clip": 1}, "clip must be True or False"),
        ({"difference": "both"}, "difference must be one of 'delta', 'progress', 'none', got 'both'"),
    ],
)
def test_bad_arguments(keywords, message):
    with pytest.raises(ValueError, match=message):
        ClipDelta("aux", **keywords)


def test_bad_scores(batch):
    with pytest.raises(ValueError, match=r"info\['aux'\] must be in \[0, 1\], got 1.2 at step 1 of episode 0"):
        ClipDelta("aux")(batch([[0.0, 0.0]], aux=[[0.1, 1.2]]))
    with pytest.raises(KeyError, match="needs info"):
        ClipDelta("other")(batch([[0.0, 0.0]], aux=[[0.1, 0.2]]))
    with pytest.raises(TypeError, match="scores must be the name of an info entry, got 3"):
        ClipDelta(3)
