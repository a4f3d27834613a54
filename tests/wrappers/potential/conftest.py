"""Scripted transitions, one check of stacking for all methods, and random decision problems with an exact solver."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from payoff.wrappers import BatchInfo, RowMethod, Transition, wrap

COPIES, STEPS = 4, 60
NO_INFO = BatchInfo(lambda key: {}[key], [], np.zeros(0, dtype=bool))


class Visits(RowMethod):
    """A bonus that depends on the history: 1 / (visits of the position in this episode), and a bit of the action.

    Arithmetic is elementwise, so that the bits do not depend on the batch size.
    """

    def blank(self):
        return {"count": np.zeros(64)}

    def __call__(self, t):
        self.check_rows(t)
        at = np.clip(t.next_obs[:, 0].astype(np.int64) + 32, 0, 63)
        rows = np.arange(len(at))
        seen = self.memory["count"].copy()
        seen[rows[t.active], at[t.active]] += 1
        self.memory["count"] = seen
        return np.where(t.active, 1.0 / np.maximum(seen[rows, at], 1.0) + 0.25 * np.asarray(t.action), 0.0)


def play(env, steps=STEPS, seed=0):
    """Rewards and flags of the same random play in any vector environment; ended copies are reset by hand."""
    rng = np.random.default_rng(seed)
    env.reset(seed=seed)
    out = []
    for _ in range(steps):
        _, reward, terminated, truncated, info = env.step(rng.integers(0, 3, env.num_envs))
        out.append((reward, terminated, truncated, info))
        ended = terminated | truncated
        if env.metadata["autoreset_mode"] is AutoresetMode.DISABLED and ended.any():
            env.reset(options={"reset_mask": ended})
    return out


@pytest.fixture
def visits():
    return Visits


@pytest.fixture
def stacks_equal(walk, sync):
    """Check that one method over B copies equals B wrapped copies, to the last bit, in every autoreset mode."""

    def check(make):
        for mode in AutoresetMode:
            outside = play(wrap(sync(walk, COPIES, mode), make()))
            inside = play(sync(lambda: wrap(walk(), make()), COPIES, mode))
            ends = np.zeros(3)
            for (reward, terminated, truncated, _), (other, *same, _) in zip(outside, inside, strict=True):
                np.testing.assert_array_equal(reward, other, strict=True)
                np.testing.assert_array_equal([terminated, truncated], same)
                kinds = (terminated & ~truncated, truncated & ~terminated, terminated & truncated)
                ends += [k.sum() for k in kinds]
            assert ends.min() > 0
            assert max(np.abs(reward - info["true_reward"]).max() for reward, *_, info in outside) > 0.0

    return check


@pytest.fixture
def one_row():
    """Function that makes a transition of one row; it pays 0 unless told otherwise."""

    def make(obs=0.0, action=0, next_obs=0.0, *, reward=0.0, terminated=False, truncated=False, active=True):
        return Transition(
            np.array([[obs]]),
            np.array([action]),
            np.array([reward]),
            np.array([[next_obs]]),
            np.array([terminated]),
            np.array([truncated]),
            NO_INFO,
            np.array([active]),
        )

    return make


@pytest.fixture
def begin():
    """Function that starts an episode of a method in R rows."""

    def reset(method, rows=1, mask=None):
        method.reset(np.zeros((rows, 1)), NO_INFO, np.ones(rows, dtype=bool) if mask is None else np.array(mask))

    return reset


class Problem:
    """A random decision problem of 8 states, the last two terminal, and 3 actions, solved by policy iteration.

    Moves are Dirichlet(0.3), rewards of (s, a, s') and the potential standard normal.
    """

    states, actions = 8, 3
    terminal = np.arange(8) >= 6

    def __init__(self, rng):
        self.move = rng.dirichlet(np.full(self.states, 0.3), size=(self.states, self.actions))
        self.reward = rng.normal(size=(self.states, self.actions, self.states))
        self.table = rng.normal(size=self.states)

    def solve(self, reward, gamma):
        """Optimal action values (S, A), by linear equations; terminal states are worth 0."""
        move = np.where(self.terminal[:, None, None], 0.0, self.move)
        paid, rows = (move * reward).sum(axis=-1), np.arange(self.states)
        policy = np.zeros(self.states, dtype=int)
        while True:
            value = np.linalg.solve(np.eye(self.states) - gamma * move[rows, policy], paid[rows, policy])
            q = paid + gamma * move @ value
            better = np.where(q.max(axis=1) > q[rows, policy] + 1e-12, q.argmax(axis=1), policy)
            if (better == policy).all():
                return q
            policy = better

    def shaped(self, method, ends):
        """Rewards (S, A, S) after a method; ``ends`` says how arrivals in terminal states are flagged."""
        s, a, after = np.indices(self.reward.shape).reshape(3, -1)
        over, everyone = self.terminal[after], np.ones(s.size, dtype=bool)
        method.reset(s, NO_INFO, everyone)
        flags = (over, ~everyone) if ends == "terminated" else (~everyone, over)
        t = Transition(s, a, self.reward.ravel(), after, *flags, NO_INFO, everyone)
        return method(t).reshape(self.reward.shape)


@pytest.fixture
def problem():
    return Problem
