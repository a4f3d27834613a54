"""Random decision problems, and the changes of a reward that are or are not equivalences."""

import numpy as np
import pytest

from payoff.calibration import TabularModel


class Problem:
    """A random decision problem: full matrices, the model made from them, and rewards to compare."""

    def __init__(self, seed, *, gamma=None, ends=False, states=None):
        rng = self.rng = np.random.default_rng(seed)
        s = self.n_states = states or int(rng.integers(2 + ends, 9))  # two that go on: one alone is a bandit
        a = self.n_actions = int(rng.integers(2, 4))
        self.gamma = gamma or float(rng.choice([0.5, 0.8, 0.95]))
        self.transition = rng.dirichlet(np.full(s, 0.7), (s, a))
        self.initial = rng.dirichlet(np.ones(s))
        self.terminal = np.zeros(s, dtype=bool)
        self.terminal[-1] = ends
        if ends:
            self.transition[-1] = np.eye(s)[-1]
        self.model = TabularModel.from_arrays(
            self.transition, self.gamma, initial=self.initial, terminal=self.terminal, reachable_only=ends
        )

    def reward(self):
        return self.rng.normal(size=self.transition.shape)

    def shaping(self):
        phi = 3.0 * self.rng.normal(size=self.n_states) * ~self.terminal
        return np.broadcast_to(self.gamma * phi - phi[:, None, None], self.transition.shape)

    def redistribution(self):
        """Something of mean 0 under the transitions of each state and action."""
        x = self.rng.normal(size=self.transition.shape)
        return x - (self.transition * x).sum(axis=2, keepdims=True)

    def policy(self, sharp=0.5):
        return self.rng.dirichlet(np.full(self.n_actions, sharp), self.n_states)


@pytest.fixture
def problem():
    return Problem


@pytest.fixture
def bandit():
    """One state that leads to itself: the model of a bandit with so many arms."""

    def make(arms, gamma=0.9):
        return TabularModel.from_arrays(np.ones((1, arms, 1)), gamma)

    return make
