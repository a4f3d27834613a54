"""The limit average: reward per step in the long run, without a discount.

(1) rho = lim 1/n E sum_{t < n} r_t          (2) r'_t = r_t - rho_t,  rho_{t+1} = rho_t + alpha_t (r_t - rho_t)
(3) Q(s, a) += alpha (r - rho + max Q(s', .) - Q(s, a));  rho += beta (r - rho + max Q(s', .) - max Q(s, .)) if a is
    greedy
(4) rho(s) = (P* r)(s),  P* = lim 1/n sum_{t < n} P^t

With rho the gain of a policy, the rewards (2) sum to something finite, and the values of a learner with a discount near
1 stay small (differential values). A running mean of rewards is the gain of the policy that plays, exploration
included; (3), R-learning, corrects for that. Schwartz (ICML 1993); Mahadevan (1996); Sutton and Barto (2018), ch. 10.
The gain is a property of problems that go on for ever. Where episodes end, (2) is the mean over their steps: rewards
above the mean make longer episodes better, so a task that should end soon is not for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from payoff.envs.core.params import check_flag, check_integer, check_number
from payoff.wrappers.base import RowMethod, Transition
from payoff.wrappers.rows import Array

if TYPE_CHECKING:  # it brings numba, which the wrapper does not need
    from payoff.envs.mdp import MDP

__all__ = ["DifferentialReward", "gains", "r_learning"]


class DifferentialReward(RowMethod):
    """Equation (2): the reward minus the mean of the rewards so far.

    The mean lasts from episode to episode.

    Args:
        rate: alpha, weight of the newest reward, in [0, 1]; never less than 1 / n at the n-th reward, so that the first
            ones are averaged evenly. 0: the plain mean of all.
        shared: one mean for all rows; by itself each row has its own, and one layer over a batch equals a layer in each
            copy.

    Raises:
        ValueError: ``rate`` is out of its range, or ``shared`` is no flag.

    >>> DifferentialReward(rate=0.01).rate
    0.01
    """

    term: ClassVar[str] = "aux"
    reads_obs: ClassVar[bool] = False
    lasting: ClassVar[tuple[str, ...]] = ("mean", "steps")
    counts: ClassVar[tuple[str, ...]] = ("steps",)

    def __init__(self, *, rate: float = 0.0, shared: bool = False) -> None:
        check_number("rate", rate, 0.0, 1.0)
        check_flag("shared", shared)
        super().__init__()
        self.rate = rate
        self.shared = shared

    def blank(self) -> dict[str, Array]:
        """``mean``: rho; ``steps``: rewards in it."""
        return {"mean": np.zeros(()), "steps": np.zeros((), dtype=np.int64)}

    def __call__(self, t: Transition) -> Array:
        """Rewards by equation (2); the mean is that before this step."""
        self.check_rows(t)
        mean, steps = self.memory["mean"], self.memory["steps"]
        told = t.reward - mean
        if self.shared and t.active.any():
            number = steps + t.active.sum()
            share = np.maximum(self.rate, t.active.sum() / number)
            self.memory = {"mean": mean + share * (t.reward[t.active].mean() - mean), "steps": number}
        elif t.active.any():
            number = steps + t.active
            share = np.maximum(self.rate, 1.0 / np.maximum(number, 1))
            self.memory = {"mean": np.where(t.active, mean + share * told, mean), "steps": number}
        return told


def gains(transition: Array, reward: Array) -> Array:
    """Equation (4): the gain of a Markov chain from each state; exact up to rounding.

    P* is the limit of the powers of (I + P) / 2, which stays where it is every other time, and so has no period.

    Args:
        transition: ``(S, S)`` probabilities.
        reward: ``(S,)`` expected reward of a step from each state.

    Returns:
        ``(S,)``; equal numbers where the chain forgets its start.

    Raises:
        ValueError: rows that are no probabilities, or shapes that do not fit.
    """
    chain, reward = np.array(transition, dtype=np.float64), np.asarray(reward, dtype=np.float64)
    if chain.shape != (reward.size, reward.size) or reward.ndim != 1:
        raise ValueError(f"transition must have shape (S, S) and reward (S,), got {chain.shape} and {reward.shape}")
    if not (chain >= 0.0).all() or not np.allclose(chain.sum(axis=1), 1.0, rtol=0.0, atol=1e-9):
        raise ValueError("transition must hold probabilities, each row summing to 1")
    power = (np.eye(reward.size) + chain) / 2.0
    for _ in range(60):  # 2 to the 60 steps
        power = power @ power
        power /= power.sum(axis=1, keepdims=True)  # rounding would grow with every square
    answer: Array = power @ reward
    return answer


def r_learning(
    mdp: MDP,
    *,
    steps: int,
    seed: int,
    alpha: float = 0.1,
    beta: float = 0.01,
    epsilon: float = 0.1,
) -> tuple[Array, float]:
    """Tabular R-learning, equation (3), on a process that goes on for ever: a yardstick for learners of the gain.

    Where the process meets a terminal state it begins anew, which is part of the walk.

    Args:
        mdp: the process.
        steps: how many.
        seed: seed of its random numbers.
        alpha: step size of Q, in (0, 1].
        beta: step size of rho, in (0, 1].
        epsilon: share of uniformly random actions, in [0, 1].

    Returns:
        Q ``(S, A)``, and rho.

    Raises:
        ValueError: an argument out of its range.
    """
    check_integer("steps", steps, 1)
    check_integer("seed", seed, 0)
    check_number("alpha", alpha, 0.0, 1.0, open_low=True)
    check_number("beta", beta, 0.0, 1.0, open_low=True)
    check_number("epsilon", epsilon, 0.0, 1.0)
    rng = np.random.default_rng(seed)
    q, rho = np.zeros((mdp.n_states, mdp.n_actions)), 0.0
    thresholds, starts = mdp.probability.cumsum(axis=2), mdp.initial.cumsum()

    def start() -> int:
        return min(int(np.searchsorted(starts, rng.random(), side="right")), mdp.n_states - 1)

    s = start()
    for _ in range(steps):
        best = int(q[s].argmax())
        a = int(rng.integers(mdp.n_actions)) if rng.random() < epsilon else best
        k = min(int(np.searchsorted(thresholds[s, a], rng.random(), side="right")), thresholds.shape[2] - 1)
        r, after = float(mdp.reward[s, a, k]), int(mdp.next_state[s, a, k])
        after = start() if mdp.terminal[after] else after
        error = r - rho + q[after].max() - q[s, a]
        top = q[s].max()
        q[s, a] += alpha * error
        if a == best:
            rho += beta * (r - rho + q[after].max() - top)
        s = after
    return q, rho
