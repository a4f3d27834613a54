"""What captions are worth by a model of the answers, which also says something of captions without one.

With the model of :mod:`payoff.wrappers.llm.text_model`, p(c) its probability that caption c helps, and R(c) the score
that explains which of two captions the labeller found nearer to the goal, with mean m and deviation d over the captions
that were seen:

(1) v(c) = 1 if p(c) > threshold, else 0                                                   classification
(2) v(c) = max(0, (R(c) - m) / d) if R(c) is at least the quantile of all R, else 0        ranking

The model is fitted anew when answers arrive: at each one up to 100, later when there are a tenth more. Captions may
number a few thousand.

Sources: ONI (Zheng et al. 2024) for (1), and for (2) while an agent trains; Motif (Klissarov et al. 2023) for (2) with
all pairs judged before. Ours: the model; that (2) is never negative, where theirs keeps what is below the mean and yet
above the quantile; that each caption counts once in mean and deviation, where theirs count how often it was seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import numpy as np

from payoff.envs.core.params import check_integer, check_number
from payoff.wrappers.llm.caption_values import CaptionValues
from payoff.wrappers.llm.labellers import Labeller
from payoff.wrappers.llm.questions import Helps, Nearer, Question, check_goal
from payoff.wrappers.llm.text_model import fit, sigmoid, text_features
from payoff.wrappers.rows import Array

__all__ = ["LabelClassifier", "LabelRanking"]

_STRENGTH = 30.0  # of the answers, against weights of size 1
_EACH = 100  # answers up to which the model is fitted at each
_GROWTH = 1.1
_LEAST = 1e-9  # deviation below which all captions are equally good


class _ModelledValues(CaptionValues):
    """Values by a model, which is kept until there are answers enough for the next."""

    _known: tuple[list[tuple[Question, float]], Array] | None = None

    def weights(self, answers: Mapping[Question, float]) -> Array | None:
        """Of the model; None without answers."""
        used = [*answers.items()][: _used(len(answers))]
        if not used:
            return None
        if self._known is None or self._known[0] != used:
            inputs = self.inputs([question for question, _ in used])
            self._known = used, fit(inputs, np.array([answer for _, answer in used]), _STRENGTH)
        return self._known[1]

    def inputs(self, questions: list[Question]) -> Array:
        """What the model sees of n questions, ``(n, F)``."""
        raise NotImplementedError(f"{type(self).__name__} must define inputs(questions)")


class LabelClassifier(_ModelledValues):
    """Equation (1): a model of which captions help pays for those of which it is sure enough.

    Args:
        labeller: who answers.
        goal: what the learner should do, in a sentence.
        threshold: probability above which a caption is paid, in [0, 1]; a larger one pays fewer.

    Raises:
        TypeError: ``labeller`` cannot be asked, or ``goal`` is no text.
        ValueError: ``goal`` is empty or too long, or ``threshold`` out of its range.
    """

    def __init__(self, labeller: Labeller, goal: str, *, threshold: float = 0.5) -> None:
        check_goal(goal)
        check_number("threshold", threshold, 0.0, 1.0)
        super().__init__(labeller, partial(Helps, goal))
        self.threshold = float(threshold)

    def about(self, caption: str, earlier: Mapping[str, int]) -> Iterable[tuple[str, ...]]:
        """Whether it helps."""
        return [(caption,)]

    def inputs(self, questions: list[Question]) -> Array:
        """Those of the captions."""
        return text_features(question.words[0] for question in questions)

    def compute(self, captions: list[str], answers: Mapping[Question, float]) -> Array:
        """Equation (1)."""
        weights = self.weights(answers)
        if weights is None:
            return np.zeros(len(captions))
        return (sigmoid(text_features(captions) @ weights) > self.threshold).astype(np.float64)


class LabelRanking(_ModelledValues):
    """Equation (2): captions are compared in pairs, and those that win are paid by how much they do.

    Args:
        labeller: who answers.
        goal: what the learner should do, in a sentence.
        rivals: earlier captions that a new one is compared with, drawn at random; None: all of them.
        quantile: share of the captions that is paid nothing, in [0, 1].
        seed: of the draw.

    Raises:
        TypeError: ``labeller`` cannot be asked, or ``goal`` is no text.
        ValueError: ``goal`` is empty or too long, or another argument is out of its range.
    """

    def __init__(
        self, labeller: Labeller, goal: str, *, rivals: int | None = 5, quantile: float = 0.5, seed: int = 0
    ) -> None:
        check_goal(goal)
        if rivals is not None:
            check_integer("rivals", rivals, 1)
        check_number("quantile", quantile, 0.0, 1.0)
        check_integer("seed", seed, 0)
        super().__init__(labeller, partial(Nearer, goal))
        self.rivals, self.quantile, self.seed = rivals, float(quantile), seed

    def about(self, caption: str, earlier: Mapping[str, int]) -> Iterable[tuple[str, ...]]:
        """Pairs with its rivals, in which it stands first as often as not; a draw depends on its number alone."""
        rng = np.random.default_rng([self.seed, len(earlier)])
        known = [*earlier]
        count = len(known) if self.rivals is None else min(self.rivals, len(known))
        drawn = [known[i] for i in rng.choice(len(known), size=count, replace=False)] if known else []
        return [
            (caption, rival) if first else (rival, caption)
            for rival, first in zip(drawn, rng.random(count) < 0.5, strict=True)
        ]

    def inputs(self, questions: list[Question]) -> Array:
        """Differences between the first captions and the second."""
        return text_features(q.words[0] for q in questions) - text_features(q.words[1] for q in questions)

    def compute(self, captions: list[str], answers: Mapping[Question, float]) -> Array:
        """Equation (2)."""
        weights = self.weights(answers)
        if weights is None:
            return np.zeros(len(captions))
        scores = text_features(captions) @ weights
        deviation = float(scores.std())
        if deviation < _LEAST:
            return np.zeros(len(captions))
        above = scores >= np.quantile(scores, self.quantile)
        return np.where(above, np.maximum(0.0, (scores - scores.mean()) / deviation), 0.0)


def _used(count: int) -> int:
    """How many of the answers the model is fitted to: all up to 100, then powers of 1.1 times that."""
    used = min(count, _EACH)
    while int(used * _GROWTH) <= count and used >= _EACH:
        used = int(used * _GROWTH)
    return used
