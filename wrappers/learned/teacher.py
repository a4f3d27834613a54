"""What a teacher knows of a game: its exact model, its best play, and what another reward must keep of it.

A teacher may pay anything, as long as whoever plays best under its reward plays best in the game. With the game's own
expected payoff r, discount gamma below 1 and no horizon:

(1) Q*(s, a) = r(s, a) + gamma E V*(s'),  V*(s) = max_a Q*(s, a),  A*(s) = {a: Q*(s, a) = V*(s)}
(2) delta(s) = V*(s) - max of Q*(s, a) over a not in A*(s), the gap of s; none where every action is best
(3) pi*(s): one action of A*(s)
(4) V_R(s) = Q_R(s, pi*(s)),  Q_R(s, a) = R(s, a) + gamma E V_R(s')
(5) Q_R(s, pi*(s)) - Q_R(s, a) >= delta(s) for a not in A*(s), and >= 0 for the others

Under (5) no action is better than that of pi*, so that pi* is best under R too, V_R its value, and all that is best
under R is best in the game: *invariance*. It is linear in R and V_R. R = r satisfies it, so that a linear program with
these constraints always has a solution, where r is in the bounds that are set and may be paid.

Most games stop after ``max_steps``; the model knows no clock, and so a reward is designed for play without end. What
is best with few steps left may differ.

Source: Devidze, Radanovic, Kamalaruban, Singla, "Explicable reward design for reinforcement learning agents"
(NeurIPS 2021), known from notes on its public code. unverified: that delta(s) is the smallest gap of a state. The
constraint on other best actions is ours: without it (5) says nothing of a reward that prefers one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy import optimize, sparse

from payoff.envs.core.params import check_number
from payoff.envs.core.state import CLOCK
from payoff.envs.theory.tabular import policy_iteration, q_values
from payoff.wrappers.arguments import as_array
from payoff.wrappers.learned.table import StateTable
from payoff.wrappers.rows import Array

if TYPE_CHECKING:
    from payoff.envs.mdp import MDP

__all__ = ["Invariance", "Teacher", "check_limit", "check_teacher", "solve_linear"]

MOST_STATES = 3000  # full matrices of a few hundred megabytes
SAME = 1e-9  # values nearer than this, relative to their size, are equally good
SLACK = 1e-6  # share of a gap that rounding may take, so that the game's own payoff is never just outside


@dataclass(frozen=True, slots=True)
class Invariance:
    """Constraints (4) and (5) on x = (R of some states, V_R of all), as ``scipy.optimize.linprog`` takes them.

    Attributes:
        equal: ``(S, X)`` sparse; ``equal @ x = 0`` is (4) for a = pi*(s).
        least: ``(C, X)`` sparse; ``least @ x >= gap`` is (5).
        gap: ``(C,)``.
    """

    equal: Any
    least: Any
    gap: Array


class Teacher:
    """Best play of a finite game with discounting, and what a reward must keep of it.

    Args:
        mdp: the exact model.
        obs: ``(S, ...)`` what a seat observes in each state; those of terminal states do not matter.
        gamma: discount of the learner, in (0, 1).

    Attributes:
        transition: ``(S, A, S)``.
        reward: ``(S, A)`` r.
        initial: ``(S,)``.
        running: ``(S,)`` bool, states that are not terminal.
        states: numbers of the running states by their observation; number k is state ``np.flatnonzero(running)[k]``.
        q: ``(S, A)`` Q*.
        best: ``(S, A)`` bool, A*; all in terminal states.
        policy: ``(S,)`` pi*.
        gap: ``(S,)`` delta, 0 where every action is best.

    Raises:
        TypeError: ``mdp`` is no model.
        ValueError: gamma outside (0, 1), states that look the same, or a game in which every action is best everywhere,
            such as one that never pays: there is nothing to teach.
    """

    def __init__(self, mdp: MDP, obs: Array, gamma: float) -> None:
        check_number("gamma", gamma, 0.0, 1.0, open_low=True, open_high=True)
        if not hasattr(mdp, "dense"):
            raise TypeError(f"mdp must be a payoff.envs.mdp.MDP, got {type(mdp).__name__}")
        seen = as_array(obs)
        if seen.ndim < 2 or len(seen) != mdp.n_states:
            raise ValueError(f"obs must be an observation of each of {mdp.n_states} states, got shape {seen.shape}")
        if mdp.n_states > MOST_STATES:
            raise ValueError(f"a teacher can plan {MOST_STATES:,} states, and the game has {mdp.n_states:,}")
        self.mdp, self.gamma = mdp, gamma
        self.transition, self.reward = mdp.dense()
        self.reward[mdp.terminal] = 0.0
        self.transition[mdp.terminal] = 0.0
        if not np.isfinite(self.reward).all():
            raise ValueError(f"payoffs must be finite, got {self.reward[~np.isfinite(self.reward)][0]}")
        self.initial, self.running = mdp.initial, ~mdp.terminal
        self.states = StateTable(seen[self.running])
        solution = policy_iteration(mdp, gamma)
        self.policy = solution.policy
        self.q = np.where(self.running[:, None], q_values(mdp, solution.values, gamma), 0.0)
        value = self.q.max(axis=1, keepdims=True)
        self.best = self.q >= value - SAME * (1.0 + np.abs(value))
        second = np.where(self.best, -np.inf, self.q).max(axis=1)
        self.gap = np.where(np.isfinite(second), value[:, 0] - second, 0.0)
        if self.best.all():
            raise ValueError("every action is best in every state, as where nothing is ever paid: nothing to teach")
        rows = np.arange(mdp.n_states)
        self.walk = self.transition[rows, self.policy]  # (S, S) of pi*

    @classmethod
    def of(cls, env: Any, gamma: float, starts: Sequence[int]) -> Self:
        """The teacher of a game of one player with whole-number actions, from the states that are reached from starts.

        Args:
            env: an environment of ours, in the view, with the observation, that the learner has.
            gamma: the learner's discount.
            starts: seeds of the starts, as in :func:`payoff.envs.mdp.as_mdp`.

        Raises:
            TypeError: no environment of ours.
            ValueError: a game that has no such model, whose states look the same or whose observation shows the clock,
                or nothing to teach.
        """
        from payoff.envs.mdp import as_mdp  # here: it imports numba

        model = as_mdp(env, starts)
        engine = getattr(getattr(env, "unwrapped", env), "engine", env)
        if engine.shape.action_size != 1:
            raise ValueError(f"{engine.game.id}: an action must be one whole number, got {engine.shape.action_size}")
        later = model.states.copy()
        later[:, CLOCK] = 1.0
        obs = engine.look(model.states)[:, 0]
        if (engine.look(later)[:, 0] != obs).any():
            raise ValueError(f"{engine.game.id}: the observation must not show the clock: a table has no time")
        return cls(model, obs, gamma)

    @property
    def n_actions(self) -> int:
        """A."""
        return int(self.reward.shape[1])

    def invariance(self, paid: Array) -> Invariance:
        """Constraints (4) and (5) where R is 0 but in the states ``paid`` ``(Z,)``; x is Z * A rewards, S values."""
        s, a, z = len(self.reward), self.n_actions, len(paid)
        column = np.full(s, -1)
        column[paid] = np.arange(z)
        eye = sparse.eye_array(s, format="csr")
        chosen = sparse.csr_array(
            (np.ones(z), (paid, column[paid] * a + self.policy[paid])), shape=(s, z * a)
        )  # R(s, pi*(s))
        equal = sparse.hstack([-chosen, eye - self.gamma * sparse.csr_array(self.walk)], format="csr")
        at, action = np.nonzero(self.running[:, None] & (np.arange(a) != self.policy[:, None]))
        has = column[at] >= 0
        told = sparse.csr_array(
            (np.full(int(has.sum()), -1.0), (np.flatnonzero(has), column[at[has]] * a + action[has])),
            shape=(len(at), z * a),
        )
        ahead = eye[at] - self.gamma * sparse.csr_array(self.transition[at, action])
        least = sparse.hstack([told, ahead], format="csr")
        near = -SAME * (1.0 + np.abs(self.q.max(axis=1)))  # what counts as equally good
        return Invariance(equal, least, np.where(self.best[at, action], near[at], (1.0 - SLACK) * self.gap[at]))

    def margin(self, reward: Array) -> float:
        """How much worse the best action that is none in the game is, under a reward ``(S, A)``, where it is closest.

        The game is solved anew. Above 0: whatever is best under the reward is best in the game.
        """
        told = np.where(self.running[:, None], reward, 0.0)
        rows, policy = np.arange(len(told)), self.policy
        while True:  # policy iteration, from what should be best: no policy comes twice
            walk = np.eye(len(told)) - self.gamma * self.transition[rows, policy]
            value = np.linalg.solve(walk, told[rows, policy])
            q = told + self.gamma * self.transition @ value
            better = q.max(axis=1) > q[rows, policy] + SAME * (1.0 + np.abs(value))
            if not better.any():
                break
            policy = np.where(better, q.argmax(axis=1), policy)
        worse = q.max(axis=1, keepdims=True) - q
        return float(worse[~self.best].min())

    def visits(self, policy: Array) -> Array:
        """Discounted share of the time ``(S,)`` that a policy ``(S, A)`` spends in each state, terminal ones left out.

        mu = (1 - gamma) sum_t gamma^t Pr(s_t = s), from the game's starts.
        """
        walk = np.einsum("sa,sat->st", policy, self.transition)
        found = np.linalg.solve(np.eye(len(walk)) - self.gamma * walk.T, (1.0 - self.gamma) * self.initial)
        return np.where(self.running, np.maximum(found, 0.0), 0.0)


def solve_linear(what: str, cost: Array, **constraints: Any) -> Array:
    """Solution ``(X,)`` of a linear program by HiGHS; arguments are those of ``scipy.optimize.linprog``.

    Where HiGHS gives up, which it does on some programs that have a solution, its other methods are tried.

    Raises:
        ValueError: there is none, or HiGHS gave up; ``what`` says whose program it is.
    """
    tight: dict[str, Any] = {"primal_feasibility_tolerance": 1e-9}
    for method, options in (("highs", tight), ("highs-ds", {"presolve": False}), ("highs-ipm", {})):
        found = optimize.linprog(cost, method=method, options=options, **constraints)
        if found.status == 0 and found.x is not None and np.isfinite(found.x).all():
            break
    else:
        raise ValueError(f"{what}: the linear program was not solved: {found.message}")
    solution: Array = found.x
    return solution


def check_teacher(teacher: Any) -> None:
    """Raise TypeError unless ``teacher`` is a Teacher."""
    if not isinstance(teacher, Teacher):
        raise TypeError(f"teacher must be a Teacher, got {type(teacher).__name__}")


def check_limit(limit: float, reward: Array) -> None:
    """Raise ValueError unless the game's own payoffs are within the largest reward that may be paid."""
    check_number("limit", limit, 0.0, open_low=True)
    largest = float(np.abs(reward).max())
    if largest > limit:
        raise ValueError(f"limit must be at least the game's largest payoff, {largest:g}, got {limit:g}")
