"""Distances between rewards: canonical form, unit length, length of the difference.

(1) s(R) = c(R) / n(c(R)), and 0 where c(R) = 0    (2) d(R1, R2) = m(s(R1) - s(R2))

with c of :mod:`payoff.calibration.compare.canonical` and norms n, m: L1, L2 or Linf over listed transitions, or,
weighted, (sum over s, a of E|x|^p)^(1/p). With n = m distances are in [0, 2], and 2 between R and -R.

With c = ``val``, d = 0 if and only if the rewards order all policies alike, and any two policies that the one ranks the
other way cost at most a constant times d of the other's span of returns (:mod:`payoff.calibration.compare.regret`).

Sources: Skalse et al., "STARC" (arXiv 2309.15257); EPIC's own distance is Gleave et al. (2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from payoff.calibration.compare.canonical import canonicalise, settled
from payoff.calibration.compare.model import TabularModel
from payoff.envs.core.params import check_word
from payoff.envs.core.state import Array

__all__ = ["NORMS", "distance", "distances", "epic_distance", "length", "standardise", "weights"]

NORMS = ("l1", "l2", "linf")


def weights(model: TabularModel, kind: str, weighted: bool) -> Array:
    """What each transition counts in a norm, ``(S, A, K)``.

    ``val`` is one number an action, which counts once, however many outcomes the model lists.
    """
    if kind == "val":
        once = np.zeros(model.next_state.shape)
        once[:, :, 0] = 1.0
        return once
    return model.probability if weighted else model.listed.astype(np.float64)


def length(x: Array, weight: Array, norm: str) -> float:
    """Norm of ``x``; entries of weight 0 do not count."""
    check_word("norm", norm, NORMS)
    if norm == "l1":
        return float((weight * np.abs(x)).sum())
    if norm == "l2":
        return float(np.sqrt((weight * np.square(x)).sum()))
    return float(np.abs(np.where(weight > 0.0, x, 0.0)).max())


def standardise(
    reward: Any, model: TabularModel, canon: str = "val", norm: str = "l2", *, weighted: bool = False
) -> Array:
    """Equation (1), ``(S, A, K)``; 0 for a reward under which all policies are equally good.

    Raises:
        ValueError: an unknown word, or a reward that does not fit the model.
    """
    c = settled(canonicalise(reward, model, canon, weighted=weighted), reward, model)
    return c / (length(c, weights(model, canon, weighted), norm) or 1.0)


def distance(
    reward: Any,
    other: Any,
    model: TabularModel,
    canon: str = "val",
    norm: str = "l2",
    *,
    metric: str | None = None,
    weighted: bool = False,
) -> float:
    """Equation (2): how differently two rewards order policies.

    Args:
        reward: R1, see :meth:`TabularModel.align`.
        other: R2.
        model: the setting.
        canon: kind of the canonical form, one of ``KINDS``; only ``val`` and ``minimal`` see through redistribution.
        norm: n, one of ``NORMS``.
        metric: m; None: the same as ``norm``.
        weighted: weigh transitions by their probability.

    Returns:
        Distance; with m = n in [0, 2].

    Raises:
        ValueError: an unknown word, or a reward that does not fit the model.

    >>> model = TabularModel.from_arrays(np.full((2, 2, 2), 0.5), gamma=0.9)
    >>> reward = np.array([[1.0, 0.0], [0.0, 2.0]])
    >>> distance(reward, 3.0 * reward, model), round(distance(reward, -reward, model), 9)
    (0.0, 2.0)
    """
    return float(distances([reward, other], model, canon, norm, metric=metric, weighted=weighted)[0, 1])


def distances(
    rewards: Sequence[Any],
    model: TabularModel,
    canon: str = "val",
    norm: str = "l2",
    *,
    metric: str | None = None,
    weighted: bool = False,
) -> Array:
    """Distance of each of n rewards from each other one, ``(n, n)``; arguments as those of :func:`distance`."""
    metric = norm if metric is None else metric
    check_word("metric", metric, NORMS)
    weight = weights(model, canon, weighted)
    unit = [standardise(r, model, canon, norm, weighted=weighted) for r in rewards]
    table = np.zeros((len(unit), len(unit)))
    for i, one in enumerate(unit):
        for j in range(i):
            table[i, j] = table[j, i] = length(one - unit[j], weight, metric)
    return table


def epic_distance(reward: Any, other: Any, model: TabularModel) -> float:
    """EPIC's own distance, sqrt((1 - rho) / 2), rho being Pearson's correlation of the canonical forms.

    States and actions are covered uniformly, so all listed transitions count alike. A reward whose form is constant,
    which has no correlation, counts as 0 in place of a vector of length 1: at distance 1/2 from all that are not.

    Returns:
        Distance in [0, 1].
    """
    listed = model.listed
    units = []
    for r in (reward, other):
        c = canonicalise(r, model, "epic")[listed]
        c = settled(c - c.mean(), r, model)
        units.append(c / (np.linalg.norm(c) or 1.0))
    return float(np.linalg.norm(units[0] - units[1]) / 2.0)
