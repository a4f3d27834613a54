"""Episodes of a policy and its blended reward, remembered with both rewards, and taken as tensors of torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from payoff.baselines.episodes import Episodes
from payoff.baselines.rollout import Rollout
from payoff.wrappers.learned.basis import Basis

__all__ = ["KINDS", "Batch", "remember", "take"]

KINDS = 3  # numbers of a step: primary reward, auxiliary reward, log probability


@dataclass(frozen=True, slots=True)
class Batch:
    """n episodes padded to T steps.

    Attributes:
        features: ``(n, T, F)`` float64.
        actions: ``(n, T)`` int64.
        primary, aux: ``(n, T)`` float64, 0 after the end.
        mask: ``(n, T)`` float64, 1 for the steps that were made.
        log_prob: ``(n, T)`` log probabilities of the actions when they were taken, 0 after the end.
    """

    features: Tensor
    actions: Tensor
    primary: Tensor
    aux: Tensor
    mask: Tensor
    log_prob: Tensor


def remember(episodes: Episodes, rollout: Rollout, aux: np.ndarray, log_prob: np.ndarray) -> None:
    """Add the episode of each copy; ``aux`` and ``log_prob`` are ``(T, B)``."""
    for b, n in enumerate(rollout.valid.sum(axis=0).tolist()):
        numbers = np.stack([rollout.rewards[:n, b, 0], aux[:n, b], log_prob[:n, b]])
        episodes.add(rollout.obs[:n, b, 0], rollout.actions[:n, b, 0, 0], numbers)


def take(episodes: Episodes, places: np.ndarray, basis: Basis) -> Batch:
    """Episodes at ``places``, padded to the longest of them."""
    obs, actions, numbers, mask = episodes.take(places, int(episodes.length[places].max()))
    primary, aux, log_prob = numbers
    arrays = (basis(obs), actions, primary, aux, mask.astype(np.float64), log_prob)
    return Batch(*map(torch.from_numpy, arrays))
