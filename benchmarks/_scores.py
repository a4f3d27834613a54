"""How good yes-or-no labels are, beside the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Scores", "auc", "scores"]


@dataclass(frozen=True)
class Scores:
    """Of labels.

    Attributes:
        yes: share of captions that are called helpful.
        precision: share of those that are; NaN where none is called so.
        recall: share of helpful captions that are called so.
        f1: 2 hits / (said + true), the harmonic mean of precision and recall.
    """

    yes: float
    precision: float
    recall: float
    f1: float


def scores(said: Sequence[bool], true: Sequence[bool]) -> Scores:
    """Scores of labels ``said``, one for each of ``true``, of which at least one must be True (ValueError)."""
    if len(said) != len(true) or not any(true):
        raise ValueError(f"true must have {len(said)} labels and a True among them, got {true!r}")
    hits = sum(a and b for a, b in zip(said, true, strict=True))
    precision = hits / sum(said) if any(said) else float("nan")
    return Scores(sum(said) / len(said), precision, hits / sum(true), 2 * hits / (sum(said) + sum(true)))


def auc(values: Sequence[float], true: Sequence[bool]) -> float:
    """Probability that a helpful caption has a larger value than another, ties counted half; 0.5 is chance."""
    held, is_true = np.asarray(values), np.asarray(true)
    above = held[is_true][:, None] - held[~is_true][None, :]
    return float(np.mean(np.where(above == 0, 0.5, above > 0)))
