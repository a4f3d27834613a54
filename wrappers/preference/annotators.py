"""Who compares two segments: simulated annotators, whose judgement is a number for each segment.

With sum r the rewards of a segment, not discounted, V* and Q* the values of the game under its own reward, and s_0, s_n
the states before and after it, an annotator judges by one of

(1) partial return:         sum r
(2) regret:               - sum_t [V*(s_t) - Q*(s_t, a_t)]
(3) deterministic regret: - [V*(s_0) - (sum r + V*(s_n))],  equal to (2) where transitions are deterministic

and prefers the first segment with probability

(4) P(1 > 2) = sigmoid(scale (judgement(1) - judgement(2)))

An infinite scale is an annotator without noise, who calls a tie a tie. Someone who judges by partial return asks what a
segment was paid; one who judges by regret asks how well it was played, and so also counts where it led. After an
episode has ended nothing can be done well or badly: regret and reward are 0 there.

Source: Knox, Hatgis-Kessell, Booth, Niekum, Stone and Allievi (arXiv 2206.02231) for (1) to (4). Flipped answers and
several annotators are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np

from payoff.envs.core.params import check_number, check_word
from payoff.wrappers.arguments import check_sequence
from payoff.wrappers.preference.segments import Segments
from payoff.wrappers.rows import Array

__all__ = ["Annotator", "Answers", "Judgement", "OptimalValues", "SimulatedAnnotator", "judge", "probability"]

Judgement: TypeAlias = Literal["partial_return", "regret", "deterministic_regret"]
JUDGEMENTS = ("partial_return", "regret", "deterministic_regret")
_LARGEST = 60.0  # of a difference that a probability is made of: sigmoid is 1 to the last digit from 37 on
_TIE = 1e-9  # judgements closer than this, for their size, are equal to an annotator without noise


class Answers(NamedTuple):
    """Answers to P questions.

    Attributes:
        answer: ``(P,)`` 1 where the first segment is preferred, 0 where the second is, 0.5 where they are equally
            good, NaN where the annotator does not say.
        annotator: ``(P,)`` int64, number of whoever answered.
    """

    answer: Array
    annotator: Array


@runtime_checkable
class Annotator(Protocol):
    """Whoever can be asked."""

    def ask(self, segments: Segments, first: Array, second: Array, rng: np.random.Generator) -> Answers:
        """Answers to the questions whether segment ``first[p]`` is better than segment ``second[p]``.

        Args:
            segments: N segments.
            first: ``(P,)`` int64 in 0 .. N - 1.
            second: ``(P,)`` likewise.
            rng: source of whatever is random in the answers.
        """
        ...


@dataclass(frozen=True, eq=False)
class OptimalValues:
    """What is known of a tabular game whose regret is to be judged.

    Attributes:
        values: V* ``(S,)``, 0 in terminal states.
        action_values: Q* ``(S, A)``.
        state: from observations ``(R, O)`` to state numbers ``(R,)``.
    """

    values: Array
    action_values: Array
    state: Callable[[Array], Array]


def judge(segments: Segments, by: Judgement, optimal: OptimalValues | None = None) -> Array:
    """Judgement ``(N,)`` of each segment, equations (1) to (3); the higher the better, in units of reward.

    Args:
        segments: N segments.
        by: which.
        optimal: of the game; regret needs it. Actions must be one whole number each.

    Raises:
        ValueError: ``by`` is none of the three, or regret is asked for without values or with other actions.
    """
    check_word("by", by, JUDGEMENTS)
    if by == "partial_return":
        return segments.returns
    if optimal is None:
        raise ValueError(f"judging by {by} needs the values of the game, got None: it must be tabular")
    if segments.actions.shape[2] != 1:
        raise ValueError(f"judging by {by} needs actions of one whole number, got {segments.actions.shape[2]} numbers")
    n, length = segments.valid.shape
    states = optimal.state(segments.obs.reshape(n * (length + 1), -1)).reshape(n, length + 1)
    if by == "deterministic_regret":
        last = np.where(segments.ended, 0.0, optimal.values[states[:, -1]])
        found: Array = segments.returns + last - optimal.values[states[:, 0]]
        return found
    actions = segments.actions[:, :, 0].astype(np.int64)
    before = states[:, :-1]
    advantage = optimal.action_values[before, actions] - optimal.values[before]
    regret: Array = np.where(segments.valid, advantage, 0.0).sum(axis=1)
    return regret


def probability(difference: Array, scale: float) -> Array:
    """Equation (4) for differences ``(P,)``; with an infinite scale 0, 0.5 or 1."""
    if np.isinf(scale):
        found: Array = (np.sign(np.where(np.abs(difference) <= _TIE, 0.0, difference)) + 1.0) / 2.0
        return found
    found = 1.0 / (1.0 + np.exp(-np.clip(scale * difference, -_LARGEST, _LARGEST)))
    return found


class SimulatedAnnotator:
    """One annotator or several that judge alike and differ in how reliable they are; each question goes to one of them.

    Args:
        by: judgement, see :func:`judge`.
        scale: of (4), above 0, infinity for no noise; a sequence has one for each annotator.
        flip: probability in [0, 1] that an answer is turned round; a sequence has one for each annotator.
        optimal: values of the game, for regret.

    Raises:
        ValueError: an argument is out of its range, regret without values, or ``scale`` and ``flip`` are sequences of
            different lengths.

    >>> SimulatedAnnotator("partial_return", scale=(1.0, 0.1)).count
    2
    """

    def __init__(
        self,
        by: Judgement = "partial_return",
        *,
        scale: float | Sequence[float] = 1.0,
        flip: float | Sequence[float] = 0.0,
        optimal: OptimalValues | None = None,
    ) -> None:
        check_word("by", by, JUDGEMENTS)
        if by != "partial_return" and optimal is None:
            raise ValueError(f"judging by {by} needs the values of the game, got optimal None: it must be tabular")
        scales, flips = _each("scale", scale), _each("flip", flip)
        for value in scales:
            if value != np.inf:
                check_number("scale", value, 0.0, open_low=True)
        for value in flips:
            check_number("flip", value, 0.0, 1.0)
        self.count = max(len(scales), len(flips))
        if {len(scales), len(flips)} - {1, self.count}:
            raise ValueError(f"scale and flip must have one number an annotator, got {len(scales)} and {len(flips)}")
        self.by, self.optimal = by, optimal
        self.scales, self.flips = np.resize(scales, self.count), np.resize(flips, self.count)

    def ask(self, segments: Segments, first: Array, second: Array, rng: np.random.Generator) -> Answers:
        """See :class:`Annotator`."""
        judgement = judge(segments, self.by, self.optimal)
        who = rng.integers(self.count, size=len(first))
        luck, slip = rng.random(len(first)), rng.random(len(first))
        difference = judgement[first] - judgement[second]
        answer = np.empty(len(first))
        for k, scale in enumerate(self.scales):
            chance = probability(difference, float(scale))
            own = (
                np.where(chance == 0.5, 0.5, np.round(chance)) if np.isinf(scale) else np.where(luck < chance, 1.0, 0.0)
            )
            answer = np.where(who == k, own, answer)
        return Answers(np.where(slip < self.flips[who], 1.0 - answer, answer), who)


def _each(name: str, value: Any) -> list[float]:
    """A number or a sequence of numbers as a list that is not empty."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [float(value)]
    check_sequence(name, value, "numbers")
    if not len(value) or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in value):
        raise ValueError(f"{name} must be a number, or one for each annotator, got {value!r}")
    return [float(v) for v in cast(Sequence[float], value)]
