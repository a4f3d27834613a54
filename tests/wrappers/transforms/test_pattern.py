"""Pattern rewards: bounded by an episode, blind to the outcome; a judge lifted where it is low."""

import numpy as np
import pytest

from payoff.wrappers import wrap
from payoff.wrappers.transforms.pattern import CalibratedNoisyReward, PatternReward


def test_each_pattern_is_paid_once_an_episode(script):
    shows = [(1, 0, 0), (1, 1, 0), (0, 0, 0), (1, 1, 0), (0, 1, 1)]
    env = wrap(script((0.0,) * 5, [{"seen": np.array(s)} for s in shows]), PatternReward("seen", count=3, coef=0.6))
    for _ in range(2):
        env.reset(seed=0)
        paid = [env.step(0)[1] for _ in shows]
        np.testing.assert_allclose(paid, [0.2, 0.2, 0.0, 0.0, 0.2], atol=1e-15)
        assert sum(paid) == pytest.approx(0.6)


def test_blind_to_the_outcome(script):
    """A failure that shows all patterns beats a success that shows none as soon as coef is above the outcome."""
    for coef, fooled in ((0.9, False), (1.1, True)):
        totals = []
        for reward, shown in ((0.0, 1.0), (1.0, 0.0)):
            env = wrap(script((reward,), [{"seen": np.array([shown])}]), PatternReward("seen", count=1, coef=coef))
            env.reset(seed=0)
            totals.append(env.step(0)[1])
        assert (totals[0] > totals[1]) == fooled


def test_lift(transition):
    info = {"pattern": np.array([1.0, 0.5, 1.0, 0.0])}
    t = transition([0.1, 0.1, 0.8, 0.1], info)
    method = CalibratedNoisyReward(lambda t: t.reward, "pattern", threshold=0.5, lift=0.4)
    np.testing.assert_allclose(method(t), [0.5, 0.3, 0.8, 0.1], atol=1e-15)


def test_mends_false_negatives_and_makes_false_positives():
    """Judge that misses half of the successes, pattern shown by all of them and by a tenth of the failures."""
    outcome = np.array([1, 1, 0, 0])
    judge, pattern, chance = np.array([1, 0, 0, 0]), np.array([1, 1, 1, 0]), np.array([0.25, 0.25, 0.05, 0.45])
    lifted = judge + np.where(judge < 0.5, 0.8 * pattern, 0.0)
    gap = [((v * outcome * chance).sum() - (v * (1 - outcome) * chance).sum()) / 0.5 for v in (judge, lifted)]
    assert gap == pytest.approx([0.5, 0.5 + 0.4 - 0.08])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: PatternReward("seen"), ValueError, "count must say how many patterns"),
        (lambda: PatternReward(["a", "b"], count=3), ValueError, "count must be 2"),
        (lambda: PatternReward([]), ValueError, "patterns must hold at least one"),
        (lambda: PatternReward("seen", count=1, coef=-1), ValueError, "coef must be"),
        (lambda: CalibratedNoisyReward("a", 3, threshold=0, lift=1), TypeError, "pattern must be the name"),
        (lambda: CalibratedNoisyReward("a", "b", threshold=0, lift=-1), ValueError, "lift must be"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_another_number_of_patterns(script):
    env = wrap(script((0.0,), [{"seen": np.zeros(2)}]), PatternReward("seen", count=3))
    env.reset(seed=0)
    with pytest.raises(ValueError, match="patterns must give 3 numbers a row, got 2"):
        env.step(0)
