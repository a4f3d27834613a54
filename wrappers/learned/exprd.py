"""EXPRD: a teacher's reward that is paid in few states, says early what is right, and keeps what is best.

A goal that pays once at the end says nothing on the way. The teacher spreads its knowledge over a few states: with
``h``-step values of the teacher's policy pi* (:mod:`payoff.wrappers.learned.teacher` has delta, A* and the rest),

(1) Q_h(s, a) = R(s, a) + E sum_{k=1..h} gamma^k R(s_k, pi*(s_k)),  s_0 = s, a_0 = a
(2) lack_h(s) = max(0, max over a not in A*(s) of delta(s) - (Q_h(s, pi*(s)) - Q_h(s, a)))
(3) maximise -mean over h and s of lack_h(s) - l1 sum |R|
(4) subject to the invariance of the teacher, |R| <= limit, and R(s, .) = 0 outside the paid states

So (3) asks that an action that is wrong should look as much worse within h steps as it is in the end. It is a linear
program: lack is a variable above both of its bounds, R a difference of two positive ones.

The paid states begin with those in which the game itself pays, so that its own payoff is always a solution. Then
``states`` more are added, one at a time: each time the one with which (3) becomes largest. That is a program for each
candidate and state; its size grows with the states of the game, and 500 of them take hours.

Invariance is about play without end, and a learner that has not met the goal knows nothing of it. A reward above 0 on
the way can be taken again and again in a small circle, and such a learner may stay there: measured, see
``docs/learned/exprd.md``. So, unless ``fines`` is False, R may be above 0 only where the game's own payoff is.

Source: Devidze, Radanovic, Kamalaruban, Singla (NeurIPS 2021), from notes on its public code, which has h in {1, 4, 8,
16, 32} and limit 10. unverified: the weight ``l1``, the first
paid states, the number of added ones and ``fines`` are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from payoff.envs.core.params import check_flag, check_integer, check_number
from payoff.wrappers.arguments import check_callable, check_sequence
from payoff.wrappers.learned.table import TableReward
from payoff.wrappers.learned.teacher import Teacher, check_limit, check_teacher, solve_linear
from payoff.wrappers.rows import Array

__all__ = ["ExplicableDesign", "explicable_reward"]


@dataclass(frozen=True, slots=True)
class ExplicableDesign:
    """A reward and how good it is.

    Attributes:
        reward: ``(S, A)`` R.
        paid: numbers of the states in which it may pay, in the order in which they were chosen.
        objective: the maximum (3), at most 0.
        margin: see :meth:`payoff.wrappers.learned.teacher.Teacher.margin`; above 0.
    """

    reward: Array
    paid: tuple[int, ...]
    objective: float
    margin: float

    def method(self, teacher: Teacher) -> TableReward:
        """The reward around an environment, by what a seat observes."""
        return TableReward(teacher.states.obs, self.reward[teacher.running])


def explicable_reward(
    teacher: Teacher,
    *,
    states: int = 10,
    horizons: Sequence[int] = (1, 4, 8, 16, 32),
    l1: float = 1e-4,
    limit: float = 10.0,
    fines: bool = True,
    on_progress: Callable[[int, int], None] | None = None,
) -> ExplicableDesign:
    """The reward of (3) and (4).

    Args:
        teacher: of the game.
        states: paid states beside those in which the game pays; all of them, at once, where there are no more.
        horizons: the h of (1), steps.
        l1: price of a unit of reward, in (3).
        limit: largest reward, in units of the payoff; at least that of the game.
        fines: pay nothing above 0 but where the game itself does; see the module.
        on_progress: called with (programs solved, programs in all).

    Raises:
        TypeError: ``teacher`` is no Teacher, ``horizons`` no sequence, or ``on_progress`` no function.
        ValueError: an argument out of its range; or a program that was not solved, or whose reward does not keep what
            is best, as where gaps are below the accuracy of the solver, about 1e-9 of the payoffs.
    """
    check_teacher(teacher)
    check_integer("states", states, 0)
    check_sequence("horizons", horizons, "steps")
    if not len(horizons):
        raise ValueError("horizons must be at least one number of steps, got none")
    for h in horizons:
        check_integer("horizons", h, 1, 10_000)
    check_number("l1", l1, 0.0)
    check_flag("fines", fines)
    if on_progress is not None:
        check_callable("on_progress", on_progress, "(done, in all)")
    check_limit(limit, teacher.reward)
    program = _Program(teacher, horizons, l1, limit, fines)
    paid = np.flatnonzero(teacher.reward.any(axis=1)).tolist()
    others = [s for s in np.flatnonzero(teacher.running).tolist() if s not in paid]
    if states >= len(others):
        paid, others, states = paid + others, [], 0
    done, total = 0, 1 + sum(len(others) - k for k in range(states))
    for _ in range(states):
        scores = []
        for s in others:
            scores.append(program.solve([*paid, s])[1])
            done += 1
            if on_progress is not None:
                on_progress(done, total)
        paid.append(others.pop(int(np.argmax(scores))))
    reward, objective = program.solve(paid)
    margin = teacher.margin(reward)
    if not margin > 0.0:
        raise ValueError(f"EXPRD: the reward does not keep what is best, by {-margin:g}: gaps are too small to solve")
    return ExplicableDesign(reward, tuple(paid), objective, margin)


class _Program:
    """The linear program (3) and (4), with all that does not depend on the paid states.

    Its variables are R+ and R- (Z * A each), V (S), and lack (a block of states with a gap for each h).
    """

    def __init__(self, teacher: Teacher, horizons: Sequence[int], l1: float, limit: float, fines: bool) -> None:
        self.teacher, self.l1, self.limit = teacher, l1, limit
        self.high = np.where((teacher.reward > 0.0) | (not fines), limit, 0.0)  # (S, A)
        self.ahead = [_steps_ahead(teacher, h) for h in horizons]
        self.at, self.action = np.nonzero(~teacher.best)  # pairs of a state and a wrong action
        self.lacking = np.unique(self.at)
        blocks = np.searchsorted(self.lacking, self.at)
        picks = sparse.csr_array((np.ones(len(blocks)), (np.arange(len(blocks)), blocks)))
        self.picks = sparse.block_diag([picks] * len(horizons), format="csr")  # pair -> its lack
        self.gap = np.tile(teacher.gap[self.at], len(horizons))
        self.weight = 1.0 / (len(horizons) * int(teacher.running.sum()))

    def solve(self, paid: Sequence[int]) -> tuple[Array, float]:
        """R ``(S, A)`` and the maximum (3) with these paid states."""
        teacher, z = self.teacher, np.array(paid, dtype=np.int64)
        s, a = teacher.reward.shape
        size = len(z) * a
        kept = teacher.invariance(z)
        lost = sparse.vstack([sparse.csr_array(self._loss(k, z)) for k in self.ahead], format="csr")
        lacks = self.picks.shape[1]
        zeros = sparse.csr_array((len(kept.gap), lacks))
        own, values = kept.least[:, :size], kept.least[:, size:]
        high = [(0.0, u) for u in self.high[z].ravel().tolist()]
        bounds = high + [(0.0, self.limit)] * size + [(None, None)] * s + [(0.0, None)] * lacks
        found = solve_linear(
            "EXPRD",
            np.concatenate([np.full(2 * size, self.l1), np.zeros(s), np.full(lacks, self.weight)]),
            A_ub=sparse.vstack(
                [
                    sparse.hstack([-own, own, -values, zeros]),
                    sparse.hstack([-lost, lost, sparse.csr_array((len(self.gap), s)), -self.picks]),
                ],
                format="csr",
            ),
            b_ub=np.concatenate([-kept.gap, -self.gap]),
            A_eq=sparse.hstack(
                [kept.equal[:, :size], -kept.equal[:, :size], kept.equal[:, size:], sparse.csr_array((s, lacks))],
                format="csr",
            ),
            b_eq=np.zeros(s),
            bounds=bounds,
        )
        reward = np.zeros((s, a))
        reward[z] = (found[:size] - found[size : 2 * size]).reshape(-1, a)
        lack = found[2 * size + s :]
        return reward, -float(self.weight * lack.sum() + self.l1 * found[: 2 * size].sum())

    def _loss(self, ahead: Array, z: Array) -> Array:
        """``(pairs, Z * A)``, what R makes of Q_h(s, pi*(s)) - Q_h(s, a), for ``ahead`` ``(S, A, S)`` of its h."""
        teacher = self.teacher
        right = teacher.policy[self.at]
        found = np.zeros((len(self.at), len(z), teacher.n_actions))
        places = np.arange(len(z))
        later = ahead[self.at, right][:, z] - ahead[self.at, self.action][:, z]
        found[:, places, teacher.policy[z]] = later
        pair, place = np.nonzero(self.at[:, None] == z)
        found[pair, place, right[pair]] += 1.0
        found[pair, place, self.action[pair]] -= 1.0
        return found.reshape(len(self.at), -1)


def _steps_ahead(teacher: Teacher, h: int) -> Array:
    """``(S, A, S)``, discounted expected visits of each state in the steps 1 to h after an action, under pi*."""
    s = len(teacher.walk)
    total, power = np.zeros((s, s)), np.eye(s)
    for _ in range(h):
        total += power
        power = teacher.gamma * teacher.walk @ power
    ahead: Array = teacher.gamma * teacher.transition @ total
    return ahead
