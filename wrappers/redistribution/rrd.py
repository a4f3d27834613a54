"""Return decomposition by a network, over whole episodes (RD) or over randomly chosen steps of them (RRD).

(1) RD:   loss = (G - sum_t r^_t)^2
(2) RRD:  loss = (G / T - mean over i in I of r^_i)^2,  I a random set of K steps
(3) E over I of (2) = (G / T - mean_t r^_t)^2 + Var(mean over I of r^)
(4) Var(mean over I) = (1 - K / T) S^2 / K,  S^2 the variance of r^ over the steps, with T - 1 in the denominator

RRD makes a gradient step cost K network calls instead of T. By (3) it also punishes estimates that differ between the
steps of an episode, which regularises. The unbiased option takes an estimate of (4) off, from the same K steps. All
losses here are in units of 1 / T, as in (2).

Source: Ren, Guo, Zhou and Peng, "Learning long-term reward redistribution via randomized return decomposition", ICLR
2022; (2) and the correction as in its published code. It trains SAC with 256 subsequences of 64 steps at a time;
unverified: its claim to be better than IRCR and RUDDER on episodic MuJoCo.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from payoff.envs.core.params import check_flag, check_integer
from payoff.wrappers.redistribution.episode_learning import EpisodeLearning, LearnedDecomposition
from payoff.wrappers.redistribution.step_features import StepFeatureFunction
from payoff.wrappers.rows import Array
from payoff.wrappers.small_networks import mlp

__all__ = ["NetworkDecomposition", "sampled_loss"]


class NetworkDecomposition(LearnedDecomposition):
    """Pays r^(s, a, s') of a network that was fitted to the returns by (1) or (2).

    See :mod:`payoff.wrappers.redistribution.base` for what a discount below 1 does to redistributed rewards.

    Args:
        features: inputs, from R steps (obs, actions, next_obs) to ``(R, F)``.
        subset: K of (2), 2 or more; None: all steps, (1). In an episode of fewer than K steps they are drawn with
            replacement.
        unbiased: take (4) off.
        learning: see :class:`payoff.wrappers.redistribution.episode_learning.EpisodeLearning`.
        residual: spread what the r^ of a finished episode lack of its return evenly over its steps.

    Raises:
        TypeError: ``features`` cannot be called, or ``learning`` is no EpisodeLearning.
        ValueError: another argument is out of its range, or ``unbiased`` without ``subset``.
    """

    def __init__(
        self,
        features: StepFeatureFunction,
        *,
        subset: int | None = None,
        unbiased: bool = False,
        learning: EpisodeLearning | None = None,
        residual: bool = True,
    ) -> None:
        if subset is not None:
            check_integer("subset", subset, 2)
        check_flag("unbiased", unbiased)
        if unbiased and subset is None:
            raise ValueError("unbiased corrects the sampling of subset=K steps, got subset=None")
        super().__init__(features, learning=learning, residual=residual)
        self.subset, self.unbiased = subset, unbiased

    def make(self, inputs: int, generator: torch.Generator) -> nn.Module:
        """A perceptron with one output."""
        return mlp((inputs, *self.learning.hidden, 1), generator)

    def estimate(self, inputs: Tensor) -> Tensor:
        """r^ ``(...)`` of inputs ``(..., F)``."""
        return cast(Tensor, self.net(inputs))[..., 0]

    def loss(self, episodes: Sequence[Array], targets: Tensor, rng: np.random.Generator) -> Tensor:
        """Mean of (1) / T^2, or of (2), over the episodes."""
        if self.subset is None:
            lengths = torch.tensor([len(e) for e in episodes])
            estimates = self.estimate(torch.from_numpy(np.concatenate(episodes).astype(np.float64)))
            means = torch.stack([part.mean() for part in torch.split(estimates, lengths.tolist())])
            return ((targets - means) ** 2).mean()
        k = self.subset
        drawn = [e[rng.choice(len(e), size=k, replace=k > len(e))] for e in episodes]
        estimates = self.estimate(torch.from_numpy(np.stack(drawn).astype(np.float64)))
        steps = torch.tensor([len(e) for e in episodes])
        return sampled_loss(estimates, targets, steps, unbiased=self.unbiased).mean()


def sampled_loss(estimates: Tensor, targets: Tensor, steps: Tensor, *, unbiased: bool) -> Tensor:
    """Equation (2) of each episode, less an estimate of (4) where that is wanted.

    Args:
        estimates: ``(E, K)`` r^ of the chosen steps: without replacement where K <= T, with replacement elsewhere.
        targets: ``(E,)`` G / T.
        steps: ``(E,)`` T.
        unbiased: take the variance off; a loss may then be negative, its mean over all choices is not.

    Returns:
        ``(E,)``.
    """
    loss = (targets - estimates.mean(dim=1)) ** 2
    if not unbiased:
        return loss
    k = estimates.shape[1]
    # the finite population of T steps is exhausted at K = T; with replacement it never is
    left = torch.where(steps >= k, 1.0 - k / steps.double(), 1.0)
    return loss - left * estimates.var(dim=1, unbiased=True) / k
