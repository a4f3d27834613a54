"""Reward learners that are teachers: they solve the game first, and then say what its learners should be paid.

- ``exprd``: a sparse reward for learners from scratch (:mod:`payoff.wrappers.learned.exprd`);
- ``expadard``: a reward that is designed anew while its learner learns (:mod:`payoff.wrappers.learned.expadard`).

A teacher needs a tabular game of one player whose observation tells its states apart, and the discount of the learner,
below 1. The model is that of the game's payoffs: whatever reward layer is chosen, the designed reward takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from payoff.baselines.environments import is_outside
from payoff.baselines.reward_problem import Problem
from payoff.envs.core.params import check_flag, check_integer, check_number
from payoff.wrappers import AdaptiveTeacher, InformativeProgram, RewardMethod, Teacher, explicable_reward

__all__ = ["Adaptive", "Explicable"]

STARTS = 100  # seeds of the starts from which the model is found


@dataclass(frozen=True, kw_only=True)
class Explicable:
    """EXPRD.

    Attributes:
        states: paid states beside those in which the game pays.
        longest: largest h; the h are 1, 4, 8, 16 and 32, as far as they are not larger, and this one.
        l1: price of a unit of reward.
        limit: largest reward, in units of the payoff.
        fines: pay nothing above 0 but where the game does.
    """

    states: int = 10
    longest: int = 32
    l1: float = 1e-4
    limit: float = 10.0
    fines: bool = True

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("states", self.states, 0)
        check_integer("longest", self.longest, 1, 10_000)
        check_number("l1", self.l1, 0.0)
        check_number("limit", self.limit, 0.0, open_low=True)
        check_flag("fines", self.fines)

    def check(self, problem: Problem) -> None:
        """Raise ValueError where the game is not tabular, has several players, or the discount is not below 1."""
        check_problem(problem)

    def learn(self, problem: Problem) -> RewardMethod:
        """The designed reward, a :class:`payoff.wrappers.TableReward`.

        Raises:
            ValueError: no such model, nothing to teach, or a program without a solution.
        """
        teacher = teacher_of(problem)
        horizons = sorted({*(h for h in (1, 4, 8, 16, 32) if h <= self.longest), self.longest})
        design = explicable_reward(
            teacher,
            states=self.states,
            horizons=horizons,
            l1=self.l1,
            limit=self.limit,
            fines=self.fines,
            on_progress=problem.on_progress,
        )
        return design.method(teacher)


@dataclass(frozen=True, kw_only=True)
class Adaptive:
    """EXPADARD; the reward goes on changing while the policy trains, and is part of the training's checkpoint.

    Attributes:
        every: finished episodes between designs.
        memory: latest episodes that the learner's policy is counted in.
        l1: price of a unit of reward.
        limit: largest reward, in units of the payoff.
        fines: pay nothing above 0 but where the game does. Unlike EXPRD's, it is False here: policy gradients learn to
            keep away from all fines, and do not arrive.
        per_row: each copy of the environment has a learner of its own.
    """

    every: int = 5
    memory: int = 10
    l1: float = 1e-5
    limit: float = 10.0
    fines: bool = False
    per_row: bool = False

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("every", self.every, 1)
        check_integer("memory", self.memory, 1, 10_000)
        check_number("l1", self.l1, 0.0)
        check_number("limit", self.limit, 0.0, open_low=True)
        check_flag("fines", self.fines)
        check_flag("per_row", self.per_row)

    def check(self, problem: Problem) -> None:
        """Raise ValueError where the game is not tabular, has several players, or the discount is not below 1."""
        check_problem(problem)

    def learn(self, problem: Problem) -> RewardMethod:
        """The teacher around the environment; it has not seen its learner yet.

        Raises:
            ValueError: no such model, or nothing to teach.
        """
        program = InformativeProgram(teacher_of(problem), limit=self.limit, l1=self.l1, fines=self.fines)
        return AdaptiveTeacher(program, every=self.every, memory=self.memory, per_row=self.per_row)


def check_problem(problem: Problem) -> None:
    """Raise ValueError unless the problem is one for a teacher."""
    check_number("gamma", problem.gamma, 0.0, 1.0, open_low=True, open_high=True)
    if is_outside(problem.env_id):
        raise ValueError(f"a teacher needs a game of this package, whose model is known, got {problem.env_id}")
    env = problem.make(1)
    try:
        unwrapped: Any = env.unwrapped
        game, params = unwrapped.engine.game, unwrapped.engine.rows[0]
        if not game.tabular or game.shape(params).n_agents != 1:
            raise ValueError(f"a teacher needs a tabular game of one player, which {problem.env_id} is not")
    finally:
        env.close()


def teacher_of(problem: Problem) -> Teacher:
    """The teacher of a problem; its model is found from :data:`STARTS` starts."""
    env = problem.make(1)
    try:
        return Teacher.of(env, problem.gamma, range(STARTS))
    finally:
        env.close()
