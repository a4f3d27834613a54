"""Rewards, partners and methods of another package, as tests name them: package.module:Name."""

from __future__ import annotations

import numpy as np

from payoff.wrappers import Count, RewardMethod, RewardTransform


def envy(given):
    """Reward: own payoff minus the mean of all."""
    return given.payoff - 0.5 * given.payoff.mean(axis=1, keepdims=True)


def idle(obs):
    """Partner: nothing, in unit actions."""
    return np.full((len(obs), 1), -1.0)


class Halved(RewardMethod):
    """Shaping: half the reward, or another share."""

    def __init__(self, share: float = 0.5):
        self.share = share

    def __call__(self, t):
        return self.share * t.reward


class Nothing(RewardTransform):
    """Transform: no reward at all."""

    def rewrite(self, batch):
        return np.zeros(batch.rewards.shape)


def known(gamma, on_truncation, seed):
    """Shaping that says what the training told it."""
    found = Halved()
    found.told = (gamma, on_truncation, seed)
    return found


something = object()


def known_bonus(power):
    """Bonus."""
    return Count(power=power)
