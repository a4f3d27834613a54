"""Robust ensemble: a nominal reward and the worst of several, mixed.

K reward functions say mu_1 .. mu_K of a step, perhaps with their own uncertainty sigma_k. The nominal one is that of
the least sigma. With its weight w,

(1) r' = w mu_nominal + (1 - w) min_k mu_k                         the least of each sample
(2) r' = w mu_nominal + (1 - w) mu_k*,  k* the least mean return    the least of the batch

w = 1 is training on the nominal reward alone; w = 0 is worst case. (2) is the objective w E[r_nom] + (1 - w)
min_k E[r_k]; (1) takes the minimum inside the expectation, which is never more. Where K functions agree both are the
nominal reward, and where each says the same of everything there is nothing left to learn from.

It keeps optimal policies only where all functions agree on them. It guards against what single functions overrate, not
against what all of them do.

Source: Yan et al., "Reward-Robust RLHF in LLMs", arXiv 2409.15360 (BRME), known from a summary. unverified: which end
of the weight is theirs, hence its name here; that the heads are Bayesian and how they are trained is left to the
caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.wrappers.base import RewardMethod, Transition
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform
from payoff.wrappers.rows import Array
from payoff.wrappers.transforms.episodes import check_entry, check_scores
from payoff.wrappers.transforms.signals import Signal, as_signals, evaluate

__all__ = ["RobustEnsembleBatch", "RobustEnsembleReward", "nominal_mean", "robust_mean"]


def nominal_mean(mu: Array, sigma: Array | None = None, nominal: int = 0) -> Array:
    """The mean of the function of the least sigma; without any, of function ``nominal``.

    Args:
        mu: ``(..., K)``.
        sigma: ``(..., K)`` or None; of equal ones the first counts.
        nominal: 0 .. K - 1.

    Returns:
        ``(...)``.
    """
    if sigma is None:
        return np.array(mu[..., nominal])
    best = np.asarray(sigma).argmin(axis=-1)[..., None]
    chosen: Array = np.take_along_axis(np.asarray(mu), best, axis=-1)[..., 0]
    return chosen


def robust_mean(mu: Array, sigma: Array | None = None, *, nominal_weight: float, nominal: int = 0) -> Array:
    """Equation (1).

    Args:
        mu: ``(..., K)``.
        sigma: ``(..., K)`` or None.
        nominal_weight: w in [0, 1].
        nominal: number of the nominal function where there is no sigma.

    Returns:
        ``(...)``, between the least and the largest mu.

    Raises:
        ValueError: the weight is out of its range.

    >>> mu, sigma = np.array([0.6, 0.9, 0.2]), np.array([0.1, 0.5, 0.3])
    >>> float(np.round(robust_mean(mu, sigma, nominal_weight=0.4), 4))
    0.36
    """
    check_number("nominal_weight", nominal_weight, 0.0, 1.0)
    mu = np.asarray(mu, dtype=np.float64)
    mean: Array = nominal_weight * nominal_mean(mu, sigma, nominal) + (1.0 - nominal_weight) * mu.min(axis=-1)
    return mean


class RobustEnsembleReward(RewardMethod):
    """Replaces the reward by (1) of K given reward functions, step by step.

    Between the least and the largest of what they say.

    Args:
        heads: K signals mu, each ``(R,)``.
        sigmas: K signals of their uncertainty, at least 0, or None.
        nominal_weight: w in [0, 1].
        nominal: number of the nominal function where there are no sigmas.

    Raises:
        TypeError: heads or sigmas that are no signals.
        ValueError: another argument is out of its range, or not as many sigmas as heads.
    """

    term: ClassVar[str] = "shaping"

    def __init__(
        self,
        heads: Sequence[Signal],
        *,
        nominal_weight: float,
        sigmas: Sequence[Signal] | None = None,
        nominal: int = 0,
    ) -> None:
        check_number("nominal_weight", nominal_weight, 0.0, 1.0)
        self.heads = as_signals("heads", heads)
        check_integer("nominal", nominal, 0, len(self.heads) - 1)
        self.sigmas = None if sigmas is None else as_signals("sigmas", sigmas)
        if self.sigmas is not None and len(self.sigmas) != len(self.heads):
            raise ValueError(f"sigmas must be as many as the {len(self.heads)} heads, got {len(self.sigmas)}")
        self.nominal_weight = nominal_weight
        self.nominal = nominal

    def __call__(self, t: Transition) -> Array:
        """New rewards."""
        mu = np.stack([evaluate("heads", head, t) for head in self.heads], axis=-1)
        sigma = None
        if self.sigmas is not None:
            sigma = np.stack([evaluate("sigmas", s, t, low=0.0) for s in self.sigmas], axis=-1)
        return robust_mean(mu, sigma, nominal_weight=self.nominal_weight, nominal=self.nominal)


class RobustEnsembleBatch(RewardTransform):
    """Replaces the rewards of episodes by (1) or (2) of K recorded reward functions.

    Between the least and the largest of what they say of the step.

    Args:
        mu: name of the entry ``(T, B, K)`` of ``batch.info``.
        sigma: name of the entry ``(T, B, K)`` of their uncertainty, or None.
        nominal_weight: w in [0, 1].
        min_over: ``"batch"`` for (2), the function of the least mean undiscounted return; ``"sample"`` for (1).
        nominal: number of the nominal function where there is no sigma.

    Raises:
        TypeError: a name is no string.
        ValueError: another argument is out of its range.
    """

    def __init__(
        self,
        mu: str,
        *,
        nominal_weight: float,
        min_over: Literal["batch", "sample"],
        sigma: str | None = None,
        nominal: int = 0,
    ) -> None:
        check_number("nominal_weight", nominal_weight, 0.0, 1.0)
        check_word("min_over", min_over, ("batch", "sample"))
        check_integer("nominal", nominal, 0)
        self.needs = (check_entry("mu", mu),) + (() if sigma is None else (check_entry("sigma", sigma),))
        self.nominal_weight = nominal_weight
        self.min_over = min_over
        self.nominal = nominal

    def rewrite(self, batch: EpisodeBatch) -> Array:
        """New rewards ``(T, B)``.

        Raises:
            ValueError: entries of other shapes, or fewer functions than ``nominal`` names.
        """
        mu = check_scores(self.needs[0], batch, wide=True)
        check_integer("nominal", self.nominal, 0, mu.shape[-1] - 1)
        sigma = check_scores(self.needs[1], batch, 0.0, wide=True) if len(self.needs) > 1 else None
        if sigma is not None and sigma.shape != mu.shape:
            raise ValueError(f"info[{self.needs[1]!r}] must have shape {mu.shape}, got {sigma.shape}")
        if self.min_over == "sample":
            return robust_mean(mu, sigma, nominal_weight=self.nominal_weight, nominal=self.nominal)
        worst = int(mu.sum(axis=0).mean(axis=0).argmin())
        nominal = nominal_mean(mu, sigma, self.nominal)
        mixed: Array = self.nominal_weight * nominal + (1.0 - self.nominal_weight) * mu[..., worst]
        return mixed
