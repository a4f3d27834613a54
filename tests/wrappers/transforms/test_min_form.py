"""Min-form credit: the numbers of the notes, its bounds, the limit of no temperature, and the step-level baseline."""

import numpy as np
import pytest

from payoff.wrappers.transforms.min_form import MinForm, min_form, step_advantages, suffix_min, suffix_sums

GOLDEN = np.array([0.9, 0.8, -0.6, 0.7, -0.3])[:, None]
ALL = np.ones((5, 1), bool)


@pytest.mark.parametrize(
    ("temperature", "credit", "total"),
    [
        (1.0, [0.0809, 0.0794, -0.2416, 0.0768, -0.0895], -0.0940),
        (0.1, [0.0, 0.0, -0.5715, 0.0, -0.0142], -0.5858),
        (0.01, [0.0, 0.0, -0.6, 0.0, 0.0], -0.6),
        (0.0, [0.0, 0.0, -0.6, 0.0, 0.0], -0.6),
    ],
)
def test_published_numbers(temperature, credit, total):
    found = min_form(GOLDEN, ALL, temperature)
    np.testing.assert_allclose(found[:, 0], credit, atol=6e-5)
    assert found.sum() == pytest.approx(total, abs=6e-5)


def test_published_returns():
    returns = suffix_sums(min_form(GOLDEN, ALL, 0.1))[:, 0]
    np.testing.assert_allclose(returns, [-0.5858, -0.5858, -0.5858, -0.0142, -0.0142], atol=6e-5)
    np.testing.assert_allclose(suffix_sums(min_form(GOLDEN, ALL, 0.0))[:, 0], [-0.6, -0.6, -0.6, 0.0, 0.0], atol=1e-15)
    assert suffix_min(GOLDEN, ALL)[:, 0].tolist() == [-0.6, -0.6, -0.6, -0.3, -0.3]  # what remains, instead of 0


@pytest.fixture(scope="module")
def episodes():
    rng = np.random.default_rng(0)
    valid = np.arange(25)[:, None] < rng.integers(1, 26, 400)
    return np.where(valid, rng.uniform(-1, 1, (25, 400)), np.nan), valid


@pytest.mark.parametrize("temperature", [0.0, 1e-3, 0.1, 1.0, 100.0])
def test_between_the_least_and_the_mean(episodes, temperature):
    scores, valid = episodes
    total = min_form(scores, valid, temperature).sum(axis=0)
    assert (total >= np.nanmin(scores, axis=0) - 1e-12).all()
    assert (total <= np.nanmean(scores, axis=0) + 1e-12).all()


def test_entries_lie_between_nothing_and_the_score(episodes):
    scores, valid = episodes
    credit = min_form(scores, valid, 0.1)
    assert (np.abs(credit[valid]) <= np.abs(scores[valid])).all()
    assert (credit[valid] * scores[valid] >= 0.0).all()
    assert (credit[~valid] == 0.0).all()


@pytest.mark.parametrize("temperature", [0.05, 0.1, 0.5])
@pytest.mark.parametrize("gap", [0.0, 0.2, 0.7, 1.5])
def test_inserting_a_step_above_the_minimum_changes_little(temperature, gap):
    """At most 2 exp(-gap / T), however many other steps there are."""
    rng = np.random.default_rng(1)
    for n in (1, 2, 5, 40):
        for _ in range(50):
            r = rng.uniform(-1, 1 - gap, n)
            more = np.append(r, r.min() + gap)
            before = min_form(r[:, None], np.ones((n, 1), bool), temperature).sum()
            after = min_form(more[:, None], np.ones((n + 1, 1), bool), temperature).sum()
            assert abs(after - before) <= 2.0 * np.exp(-gap / temperature) + 1e-12


@pytest.mark.parametrize("temperature", [0.0, 0.1, 1.0])
def test_equal_steps_are_worth_one_of_them(temperature):
    for n in (1, 3, 30):
        assert min_form(np.full((n, 1), 0.4), np.ones((n, 1), bool), temperature).sum() == pytest.approx(0.4, abs=1e-12)


def test_worst_steps_share_in_the_limit():
    scores, valid = np.array([[0.5], [-0.2], [0.1], [-0.2]]), np.ones((4, 1), bool)
    np.testing.assert_allclose(min_form(scores, valid, 0.0)[:, 0], [0.0, -0.1, 0.0, -0.1])
    np.testing.assert_allclose(min_form(scores, valid, 1e-4), min_form(scores, valid, 0.0), atol=1e-12)


@pytest.mark.parametrize("form", ["softmin", "suffix"])
def test_a_further_step_never_lifts_the_suffix_form_and_hardly_the_other(batch, form):
    """The least of all steps: however many good ones are added, what is added to the return stays."""
    lists = [[0.9, 0.5], [0.9] * 39 + [0.5]]
    episodes = batch([[0.0] * len(q) for q in lists], aux=lists)
    short, long = MinForm("aux", span=(0.0, 1.0), form=form)(episodes).sum(axis=0)
    if form == "suffix":
        assert short == pytest.approx(0.0, abs=1e-12) and long == pytest.approx(0.0, abs=1e-12)
    else:  # r = .8 and 0, T = .1: n e^-8 of weight on .8
        for n, total in ((1, short), (39, long)):
            share = n * np.exp(-8.0) / (1.0 + n * np.exp(-8.0))
            assert total == pytest.approx(0.8 * share, rel=1e-9)
        assert long < 0.0104 < 0.8  # an honest remainder: 39 good steps are worth a hundredth of one


@pytest.mark.parametrize("coef", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("form", ["softmin", "suffix"])
def test_transform_adds_a_bounded_return(batch, form, coef):
    rng = np.random.default_rng(3)
    lists = [rng.uniform(-1, 1, n).tolist() for n in (1, 2, 7, 50)]
    paid = [rng.normal(size=len(q)).tolist() for q in lists]
    episodes = batch(paid, q=lists)
    method = MinForm("q", form=form, coef=coef)
    added = method(episodes).sum(axis=0) - episodes.returns
    assert (np.abs(added) <= coef + 1e-12).all()
    if form == "suffix":
        np.testing.assert_allclose(added, [coef * min(q) for q in lists], atol=1e-12)
        returns = suffix_sums(method.credit(episodes))  # returns to go are G of the recursion
        for b, q in enumerate(lists):
            np.testing.assert_allclose(returns[: len(q), b], [min(q[t:]) for t in range(len(q))], atol=1e-12)


def test_episodes_that_go_on_get_no_credit(batch):
    episodes = batch([[1.0, 2.0], [1.0, 2.0]], finished=[False, True], aux=[[-0.5, 0.5], [-0.5, 0.5]])
    new = MinForm("aux", temperature=0.0)(episodes)
    assert new.tolist() == [[1.0, 0.5], [2.0, 2.0]]


def test_step_advantages_by_hand():
    """Two episodes of 2 and 4 steps in one group, one alone in another."""
    returns = np.array([[1.0, 2.0, 7.0], [0.5, 1.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.5, 0.0]])
    valid = np.array([[1, 1, 1], [1, 1, 0], [0, 1, 0], [0, 1, 0]], bool)
    found = step_advantages(returns, valid, np.array([0, 0, 1]))
    # baselines: 5 / (1 * 4) for the first, 1.5 / (1 * 4) for the second, none for the third
    np.testing.assert_allclose(found[:, 0], [-0.25, -0.75, 0.0, 0.0])
    np.testing.assert_allclose(found[:, 1], [1.625, 1.125, 0.625, 0.125])
    np.testing.assert_allclose(found[:, 2], [7.0, 0.0, 0.0, 0.0])


def test_baseline_of_the_longest_gives_short_episodes_no_advantage():
    """All steps equally good: dividing by the longest episode leaves a short one below a baseline of own lengths."""
    score, lengths = 0.8, np.array([2, 8])
    valid = np.arange(8)[:, None] < lengths
    returns = np.where(valid, score, 0.0)
    advantage = step_advantages(returns, valid, np.zeros(2, int))
    per_step = [advantage[0, 0], advantage[0, 1]]
    assert per_step[0] == pytest.approx(score - 8 * score / 8)  # nothing to gain from being short
    assert per_step[1] == pytest.approx(score - 2 * score / 8)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"temperature": -0.1}, "temperature must be a number"),
        ({"form": "sum"}, "form must be one of 'softmin', 'suffix', got 'sum'"),
        ({"span": (1.0, 0.0)}, r"span\[1\] must be a number in \(1, 1e\+12\], got 0.0"),
        ({"span": 1.0}, r"span must be two numbers \(low, high\), got 1.0"),
        ({"coef": np.nan}, "coef must be a number"),
    ],
)
def test_bad_arguments(keywords, message):
    with pytest.raises(ValueError, match=message):
        MinForm("aux", **keywords)


def test_bad_scores(batch):
    with pytest.raises(ValueError, match=r"info\['aux'\] must be in \[0, 1\], got -0.5"):
        MinForm("aux", span=(0.0, 1.0))(batch([[0.0]], aux=[[-0.5]]))
    with pytest.raises(ValueError, match="every episode must have a step, got none in column 1"):
        min_form(np.zeros((2, 2)), np.array([[1, 0], [0, 0]], bool))
