"""The shortest vector in the convex hull of some vectors: a direction that is good for all of them.

(1) lambda* = argmin over the simplex of || sum_k lambda_k g_k ||^2          (2) d = sum_k lambda*_k g_k
(3) <d, g_k> >= ||d||^2 >= 0 for every k          (4) two vectors: lambda_1 = clip((g_2 - g_1) . g_2 / ||g_1 - g_2||^2)

With gradients g_k, a small step along -d worsens no objective to first order, and d = 0 exactly where no such step
exists. Multiple gradient descent: Desideri (2012); Sener and Koltun (NeurIPS 2018). (1) is solved by the algorithm of
Wolfe (1976), which ends after finitely many steps and needs the products of the vectors only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from payoff.wrappers.rows import Array

__all__ = ["min_norm_of_two", "min_norm_weights"]

_TOLERANCE = 1e-12  # of products, relative to the largest


def min_norm_of_two(first: Any, second: Any) -> Array:
    """Weights ``(2,)`` of equation (4).

    Args:
        first: ``(D,)``.
        second: ``(D,)``.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    apart = float((a - b) @ (a - b))
    weight = 0.5 if apart == 0.0 else float(np.clip((b - a) @ b / apart, 0.0, 1.0))
    return np.array([weight, 1.0 - weight])


def min_norm_weights(products: Any) -> Array:
    """Weights ``(K,)`` of equation (1): not negative, with sum 1.

    Args:
        products: ``(K, K)`` inner products of the vectors, ``G @ G.T`` for vectors ``G`` ``(K, D)``.

    Raises:
        ValueError: ``products`` is no square matrix of finite numbers.

    >>> min_norm_weights([[1.0, 0.0], [0.0, 4.0]]).round(12).tolist()
    [0.8, 0.2]
    """
    gram = np.array(products, dtype=np.float64)
    if gram.ndim != 2 or gram.shape[0] != gram.shape[1] or not gram.size or not np.isfinite(gram).all():
        raise ValueError(f"products must be finite numbers of shape (K, K), got shape {gram.shape}")
    gram = (gram + gram.T) / 2.0
    largest = float(gram.diagonal().max())
    weights = np.zeros(len(gram))
    weights[gram.diagonal().argmin()] = 1.0
    if largest <= 0.0:
        return weights
    gram /= largest
    for _ in range(1000 * len(gram)):  # far more than is needed; rounding might make it turn in circles
        slope = gram @ weights
        entering = int(slope.argmin())
        if slope[entering] >= weights @ slope - _TOLERANCE or weights[entering] > 0.0:
            break
        weights = _minor(gram, weights, entering)
    return weights


def _minor(gram: Array, weights: Array, entering: int) -> Array:
    """Let one vector in, and those out that the best point of the plane through the rest has no use for."""
    inside = np.flatnonzero(weights > 0.0).tolist()
    inside.append(entering)
    weights = weights.copy()
    while True:
        best = _affine(gram[np.ix_(inside, inside)])
        if (best > _TOLERANCE).all():
            weights[:] = 0.0
            weights[inside] = best / best.sum()
            return weights
        now = weights[inside]
        leaving = best <= _TOLERANCE
        share = min(1.0, float((now[leaving] / np.maximum(now[leaving] - best[leaving], 1e-300)).min()))
        now = (1.0 - share) * now + share * best
        now[leaving & (now <= _TOLERANCE)] = 0.0
        if (now > 0.0).all():
            now[int(now.argmin())] = 0.0  # rounding kept the one that should leave
        weights[:] = 0.0
        weights[inside] = now
        inside = [k for k in inside if weights[k] > 0.0]


def _affine(gram: Array) -> Array:
    """Weights with sum 1, of any sign, that make the combination shortest."""
    size = len(gram)
    system = np.ones((size + 1, size + 1))
    system[0, 0], system[1:, 1:] = 0.0, gram
    right = np.zeros(size + 1)
    right[0] = 1.0
    solution: Array = np.linalg.lstsq(system, right, rcond=None)[0]
    return solution[1:]
