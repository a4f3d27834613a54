"""Information gain: published numbers, sums, and agreement with what the games themselves report."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from payoff.envs import registry
from payoff.wrappers.redistribution.information import InformationGain, truth_probability

TWENTY, TESTING, MINES = "payoff/TwentyQuestions-v0", "payoff/NoisyTesting-v0", "payoff/Minesweeper-v0"


def halving(make_batch, path, start):
    batch = make_batch(steps=len(path), columns=1, finished=True)
    return dataclasses.replace(batch, info={"p": np.array(path)[:, None]}, start={"p": np.array([start])})


def test_questions_that_halve(make_batch):
    """Spec: 8 hypotheses, three halving questions: 1/8, 1/4, 1/2 in the prob form, log 2 each in the log form."""
    batch = halving(make_batch, [0.25, 0.5, 1.0], 0.125)
    prob = InformationGain("p", form="prob", keep=False)(batch)
    log = InformationGain("p", keep=False)(batch)
    assert prob.ravel().tolist() == [0.125, 0.25, 0.5]
    assert log.ravel() == pytest.approx([np.log(2.0)] * 3, rel=1e-12)
    both = InformationGain("p", coef=2.0)(batch)
    assert both == pytest.approx(batch.rewards + 2.0 * log)


def test_a_noisy_test(play):
    """Spec: accuracy 0.8 on a fair fact: expected gain 0.180 in the prob form, 0.1927 in the log form."""
    keywords = {"hypotheses": 2, "tests": 1, "low_accuracy": 0.8, "high_accuracy": 0.8}
    batch = play(TESTING, 400, lambda obs, t: np.full(400, 2), max_steps=1, **keywords)
    probability = truth_probability(TESTING, **keywords)
    at = registry.load(TESTING)
    layout = at.shape(at.params.from_keywords(TESTING, keywords)).layout
    state = batch.info["state"][0]
    positive = state[:, layout.column("positive")] == 1.0
    truth = state[:, layout.column("truth")] == 1.0
    for form, right, wrong, expected in [
        ("prob", 0.3, -0.3, 0.180),
        ("log", np.log(1.6), np.log(0.4), 0.8 * np.log(1.6) + 0.2 * np.log(0.4)),
    ]:
        gain = InformationGain(probability, form=form, keep=False)(batch)[0]
        assert gain[positive == truth] == pytest.approx(right)
        assert gain[positive != truth] == pytest.approx(wrong)
        assert 0.8 * right + 0.2 * wrong == pytest.approx(expected)
    assert expected == pytest.approx(0.1927, abs=5e-5)
    assert 0.7 < (positive == truth).mean() < 0.9  # both kinds of answer were seen


GAMES = [
    (TWENTY, {}, 14, 8.0),
    (TESTING, {"max_steps": 12}, 6, 4.0),
    (MINES, {"size": 4, "mines": 3}, 16, None),
]


@pytest.mark.parametrize("form", ["log", "prob"])
@pytest.mark.parametrize(("name", "keywords", "actions", "hypotheses"), GAMES, ids=[g[0] for g in GAMES])
def test_games_report_the_same_gains(play, name, keywords, actions, hypotheses, form):
    """The game's own compiled auxiliary reward, step by step, and the sum from the first to the last belief."""
    copies, rng = 60, np.random.default_rng(0)
    keywords = {**keywords, "aux": f"belief_{form}"}
    batch = play(name, copies, lambda obs, t: rng.integers(0, actions, size=copies), **keywords)
    probability = truth_probability(name, **keywords)
    gain = InformationGain(probability, form=form, keep=False)(batch)
    game = registry.load(name)
    aux = batch.info["state"][..., game.shape(game.params.from_keywords(name, keywords)).layout.column("aux")]
    assert gain == pytest.approx(np.where(batch.valid, aux, 0.0), abs=1e-9)
    level = np.log if form == "log" else np.asarray
    first, last = probability(batch.start["state"]), probability(batch.at_end(batch.info["state"]))
    assert gain.sum(axis=0) == pytest.approx(level(last) - level(first), abs=1e-9)
    if hypotheses is not None:
        assert first == pytest.approx(np.full(copies, 1.0 / hypotheses))
    assert len(np.unique(batch.lengths)) > 1
    assert np.abs(gain).max() > 0.05


def test_what_does_not_fit_is_refused(make_batch):
    batch = halving(make_batch, [0.25, 0.0], 0.5)
    with pytest.raises(ValueError, match=r"must be in \(0, 1\], got 0\.0"):
        InformationGain("p")(batch)
    with pytest.raises(KeyError, match="at the start"):
        InformationGain("p")(dataclasses.replace(batch, start={}))
    with pytest.raises(KeyError, match=r"needs info\['q'\]"):
        InformationGain("q")(batch)
    wide = dataclasses.replace(batch, info={"p": np.ones((2, 1, 2))}, start={"p": np.ones((1, 2))})
    with pytest.raises(ValueError, match="one number a step"):
        InformationGain("p")(wide)
    with pytest.raises(TypeError, match="probability must be"):
        InformationGain(0.5)
    with pytest.raises(ValueError, match="form must be"):
        InformationGain("p", form="ratio")
    with pytest.raises(ValueError, match="env_id must be one of"):
        truth_probability("payoff/CoinLine-v0")
