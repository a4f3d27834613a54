"""Small tasks that are solved by hand."""

from __future__ import annotations

import numpy as np

from payoff.envs.mdp import MDP
from payoff.wrappers import FeatureTask

GAMMA = 0.9


def task(moves, weights, gamma=GAMMA):
    """A task from rows (state, action, probability, next state, features); the last state is terminal."""
    states = 1 + max(max(s, t) for s, _, _, t, _ in moves)
    actions = 1 + max(a for _, a, *_ in moves)
    outcomes = {}
    for s, a, p, t, phi in moves:
        outcomes.setdefault((s, a), []).append((p, t, phi))
    width = max(map(len, outcomes.values()))
    shape = (states, actions, width)
    next_state = np.full(shape, states - 1)
    probability, features = np.zeros(shape), np.zeros((*shape, len(weights)))
    probability[..., 0] = 1.0
    for (s, a), rows in outcomes.items():
        for k, (p, t, phi) in enumerate(rows):
            probability[s, a, k], next_state[s, a, k], features[s, a, k] = p, t, phi
    terminal = np.arange(states) == states - 1
    initial = np.where(terminal, 0.0, 1.0 / (states - 1))
    weights = np.array(weights, dtype=float)
    rows = np.arange(states, dtype=float)[:, None]
    model = MDP(rows, next_state, probability, features @ weights, initial, terminal)
    return FeatureTask(model, features, weights, gamma)


def walk_to_the_end(step):
    """Two cells and the end; each step, on the spot (0) or on (1), pays ``step``."""
    on = [(0, 0, 1.0, 0, [1.0]), (0, 1, 1.0, 1, [1.0]), (1, 0, 1.0, 1, [1.0]), (1, 1, 1.0, 2, [1.0])]
    return task(on, [step])


def lottery(win):
    """One choice: 1 for sure (0), or -3 or ``win`` by a fair coin (1)."""
    sure, lose, won = np.eye(3)
    return task([(0, 0, 1.0, 1, sure), (0, 1, 0.5, 1, lose), (0, 1, 0.5, 1, won)], [1.0, -3.0, win])


def detour(prize):
    """1 at once (0), or a fee of 2 (1) and then the prize."""
    near, fee, far = np.eye(3)
    return task(
        [(0, 0, 1.0, 2, near), (0, 1, 1.0, 1, fee), (1, 0, 1.0, 2, far), (1, 1, 1.0, 2, far)], [1.0, -2.0, prize]
    )
