"""The simulated judge names whom it should, and errs as often as it is told to."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from payoff.baselines.llm.judges import human_choice, judge_of, payoff_choice
from payoff.baselines.llm.watched_play import Episode


def shown(*payoffs):
    return [[SimpleNamespace(payoff=x - 1.0), SimpleNamespace(payoff=x + 1.0)] for x in payoffs]


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=8), st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 999))
def test_two_are_named(payoffs, errors, seed):
    best, worst = payoff_choice(shown(*payoffs), errors, np.random.default_rng(seed))
    assert best != worst and {best, worst} <= set(range(len(payoffs)))
    if not errors:
        assert payoffs[best] == max(payoffs) and payoffs[worst] == min(payoffs)


def test_of_equal_ones_the_first_and_the_last():
    assert payoff_choice(shown(2, 5, 5, 2, 2), 0.0, np.random.default_rng(0)) == (1, 4)
    assert payoff_choice(shown(1, 1), 0.0, np.random.default_rng(0)) == (0, 1)


def test_errors_are_as_frequent_as_they_should_be():
    """3,000 choices among four: 70 % name the best and 10 % each of the others, within four standard errors."""
    draws = np.random.default_rng(1)
    best = np.array([payoff_choice(shown(0, 3, 1, 2), 0.3, draws)[0] for _ in range(3000)])
    share = np.bincount(best, minlength=4) / 3000
    expected = np.array([0.1, 0.7, 0.1, 0.1])
    assert (np.abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / 3000)).all()
    assert all(payoff_choice(shown(0, 3, 1, 2), 1.0, draws)[0] != 1 for _ in range(50))


def test_bad_judges():
    assert judge_of("payoff") is judge_of("human") is None
    with pytest.raises(ValueError, match="unknown judge 'humans'"):
        judge_of("humans")
    with pytest.raises(TypeError, match="judge must be a text"):
        judge_of(3)


def test_an_answer_in_the_file_must_be_one(tmp_path, monkeypatch):
    """Whoever wrote it there: it is asked for what a person at the terminal is asked for."""
    episode = Episode(1.0, 2, True, None, {}, "", "x 1")
    path, said = tmp_path / "person.jsonl", []
    monkeypatch.setattr("builtins.input", lambda _: "2 1")
    assert human_choice([[episode], [episode]], "Go.", path, said.append) == (1, 0)
    head, line = path.read_text().splitlines()
    for wrong in ("x", "1", "1 1", "3 1", 5, None):
        path.write_text(f"{head}\n{json.dumps({**json.loads(line), 'answer': wrong})}\n")
        with pytest.raises(ValueError, match=r"person\.jsonl must hold answers that fit their questions, got"):
            human_choice([[episode], [episode]], "Go.", path, said.append)
