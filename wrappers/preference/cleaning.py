"""Cleaning of noisy preferences: an ensemble says how strong each answer is, and weak or wrong ones are treated so.

With D_m the difference of the two segments' rewards by member m, towards the side that was preferred,

(1) strength of an answer = mean over members of D_m;  its spread = their standard deviation

An answer of clearly negative strength is taken for a slip and turned round. One that is weak either way gets a soft
label, 1 - softness in place of 1, so that little is learned from it. A strong one gets a margin, its own strength, so
that the preferred side has to win by as much (equation (3) of :mod:`payoff.wrappers.preference.comparison`).

Source: Wang et al., "Secrets of RLHF in Large Language Models Part II: Reward Modeling" (arXiv 2401.06080): ten reward
models there, flipped labels, soft labels and an adaptive margin. unverified: its thresholds; ours are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from payoff.envs.core.params import check_number
from payoff.wrappers.arguments import reals
from payoff.wrappers.rows import Array

__all__ = ["Cleaned", "Cleaning", "preference_strength"]


def preference_strength(differences: Array, answer: Array) -> tuple[Array, Array]:
    """Strength and spread ``(P,)`` of equation (1).

    Args:
        differences: ``(M, P)`` reward of the first segment minus that of the second, by each member.
        answer: ``(P,)`` in [0, 1]; a tie has no side and strength 0; NaN gives NaN.

    Raises:
        ValueError: shapes that do not fit.
    """
    apart, told = reals("differences", differences), reals("answer", answer)
    if apart.ndim != 2 or told.shape != apart.shape[1:]:
        raise ValueError(f"differences must have shape (M, P) and answer (P,), got {apart.shape} and {told.shape}")
    towards = (2.0 * told - 1.0) * apart
    return towards.mean(axis=0), towards.std(axis=0)


class Cleaned(NamedTuple):
    """What to learn from instead.

    Attributes:
        answer: ``(P,)`` labels.
        margin: ``(P,)`` not negative.
        flipped: ``(P,)`` bool, answers that were turned round.
    """

    answer: Array
    margin: Array
    flipped: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """What is done with answers of which strength.

    Attributes:
        flip_below: answers of a strength below minus this are turned round; infinity: none.
        soften_within: answers whose strength is at most this in size get a soft label; 0: none.
        softness: label of the other side, in [0, 0.5].
        margin: share of its strength that a strong answer gets as its margin, at least 0.

    Raises:
        ValueError: a field is out of its range.
    """

    flip_below: float = 1.0
    soften_within: float = 0.0
    softness: float = 0.1
    margin: float = 0.0

    def __post_init__(self) -> None:
        """Check the fields (ValueError)."""
        if not (isinstance(self.flip_below, float) and self.flip_below == np.inf):
            check_number("flip_below", self.flip_below, 0.0)
        check_number("soften_within", self.soften_within, 0.0)
        check_number("softness", self.softness, 0.0, 0.5)
        check_number("margin", self.margin, 0.0)

    def __call__(self, answer: Array, strength: Array) -> Cleaned:
        """Labels and margins of P answers.

        Args:
            answer: ``(P,)`` in [0, 1] or NaN.
            strength: ``(P,)``, see :func:`preference_strength`.
        """
        told, strong = reals("answer", answer).astype(np.float64), np.nan_to_num(reals("strength", strength))
        flipped = strong < -self.flip_below
        label = np.where(flipped, 1.0 - told, told)
        weak = (np.abs(strong) <= self.soften_within) & (self.soften_within > 0.0)
        label = np.where(weak, self.softness + (1.0 - 2.0 * self.softness) * label, label)
        lead = np.where(weak | flipped, 0.0, self.margin * np.maximum(strong, 0.0))
        return Cleaned(label, lead, flipped & ~np.isnan(told))
