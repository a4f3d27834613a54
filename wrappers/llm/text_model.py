"""A linear model of short texts, which says something of texts that it has not seen.

(1) x(c): how often each sequence of 2 to 4 letters stands in " c ", in F = 1024 hashed places, divided by its length
(2) s(c) = w x(c) + b,  p = 1 / (1 + exp(-s))
(3) w, b minimise  sum over answers of -y log p - (1 - y) log(1 - p)  +  |(w, b)|^2 / (2 strength)

The minimum is unique and found by Newton's method, so the model is a function of the answers alone: it does not depend
on when they came, and nothing of it has to be kept. For comparisons s is the difference of two texts, and (3) is the
model of Bradley and Terry.

The published methods learn a character network (ONI) or fine-tune a model of language (Motif) by gradient steps. A few
hundred captions of a handful of words need neither.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from payoff.wrappers.rows import Array

__all__ = ["FEATURES", "fit", "sigmoid", "text_features"]

FEATURES = 1024  # F
_LENGTHS = (2, 3, 4)  # letters of a sequence
_ROUNDS = 50  # of Newton's method, which needs about six
_TOLERANCE = 1e-9  # of the gradient


def text_features(texts: Iterable[str]) -> Array:
    """Equation (1), with a last column of ones for b: ``(C, F + 1)``."""
    return np.array([_features(text) for text in texts]).reshape(-1, FEATURES + 1)


@lru_cache(maxsize=8192)
def _features(text: str) -> Array:
    found = np.zeros(FEATURES + 1)
    padded = f" {text.lower()} "
    for n in _LENGTHS:
        for at in range(len(padded) - n + 1):
            code = zlib.crc32(padded[at : at + n].encode("utf-8", "surrogatepass"))
            found[code % FEATURES] += 1.0 if code & 0x80000000 else -1.0  # a sign, so that collisions cancel
    found /= max(1.0, float(np.sqrt(found @ found)))
    found[-1] = 1.0
    found.flags.writeable = False
    return found


def fit(inputs: Array, answers: Array, strength: float) -> Array:
    """Equation (3).

    Args:
        inputs: ``(n, F)``, n at least 1.
        answers: ``(n,)`` y in [0, 1].
        strength: by how much the answers outweigh the belief that all weights are small, above 0.

    Returns:
        Weights ``(F,)``.
    """
    basis, _ = np.linalg.qr(inputs.T)  # the weights lie where the inputs do, which are few
    seen = inputs @ basis
    weights = np.zeros(seen.shape[1])

    def loss(w: Array) -> float:
        scores = seen @ w
        return float(np.logaddexp(0.0, scores).sum() - answers @ scores + w @ w / (2.0 * strength))

    for _ in range(_ROUNDS):
        p = sigmoid(seen @ weights)
        gradient = seen.T @ (p - answers) + weights / strength
        if np.abs(gradient).max() < _TOLERANCE:
            break
        hessian = (seen * (p * (1.0 - p))[:, None]).T @ seen + np.eye(len(weights)) / strength
        step = np.linalg.solve(hessian, gradient)
        while loss(weights - step) > loss(weights) and np.abs(step).max() > _TOLERANCE:
            step = step / 2.0
        weights = weights - step
    found: Array = basis @ weights
    return found


def sigmoid(scores: Array) -> Array:
    """1 / (1 + exp(-s)), without overflow."""
    found: Array = 0.5 * (1.0 + np.tanh(0.5 * scores))
    return found
