"""Random games of a few states, and one that is solved by hand."""

import numpy as np
import pytest

from payoff.envs.mdp import MDP
from payoff.wrappers import Teacher

GAMMA = 0.9


def model(transition, reward, terminal=None, initial=None):
    """An MDP from full tables ``(S, A, S)`` and ``(S, A)``."""
    s, a, _ = transition.shape
    terminal = np.zeros(s, dtype=bool) if terminal is None else terminal
    return MDP(
        states=np.arange(s, dtype=np.float64)[:, None],
        next_state=np.broadcast_to(np.arange(s), (s, a, s)).copy(),
        probability=transition,
        reward=np.broadcast_to(np.where(terminal[:, None], 0.0, reward)[..., None], (s, a, s)).copy(),
        initial=np.full(s, 1.0 / s) if initial is None else initial,
        terminal=terminal,
    )


def seen(s):
    return np.arange(s, dtype=np.float32)[:, None]


@pytest.fixture
def random_teacher():
    """Factory: games of 6 states, one of them terminal, and 3 actions; rewards in [-1, 1]."""

    def make(seed, size=6, actions=3, gamma=GAMMA):
        rng = np.random.default_rng(seed)
        transition = rng.dirichlet(np.full(size, 0.3), (size, actions))
        terminal = np.zeros(size, dtype=bool)
        terminal[-1] = True
        transition[-1] = np.eye(size)[-1]
        reward = rng.uniform(-1.0, 1.0, (size, actions)) * (rng.random((size, 1)) < 0.5)
        reward[0] = rng.uniform(-1.0, 1.0, actions)
        return Teacher(model(transition, reward, terminal), seen(size), gamma)

    return make


@pytest.fixture
def corridor():
    """Cells 0 .. 3 in a row; right in cell 3 pays 1 and stays; gamma 0.5, so that all gaps are known by hand."""
    transition = np.zeros((4, 2, 4))
    for cell in range(4):
        transition[cell, 0, max(cell - 1, 0)] = 1.0
        transition[cell, 1, min(cell + 1, 3)] = 1.0
    reward = np.zeros((4, 2))
    reward[3, 1] = 1.0
    return Teacher(model(transition, reward, initial=np.eye(4)[0]), seen(4), 0.5)


def solve(transition, reward, gamma, sweeps=2000):
    """Q* by plain value iteration, on tables of its own."""
    value = np.zeros(len(reward))
    for _ in range(sweeps):
        q = reward + gamma * transition @ value
        value = q.max(axis=1)
    return q


@pytest.fixture
def solved():
    return solve
