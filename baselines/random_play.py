"""Steps of random play, as reward learners learn from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from payoff.baselines.reward_problem import Problem
from payoff.wrappers import RewardMethod, StepInputs, Transition, wrap
from payoff.wrappers.rows import Array

__all__ = ["random_actions", "random_steps"]


def random_actions(space: Any, copies: int, draws: np.random.Generator) -> Array:
    """Uniformly random actions of an action space, one for each copy.

    Args:
        space: ``Discrete``, ``MultiDiscrete``, or a bounded ``Box``.
        copies: B.
        draws: source of the draws.
    """
    if hasattr(space, "n"):
        return draws.integers(0, space.n, copies)
    if hasattr(space, "nvec"):
        return draws.integers(0, space.nvec, (copies, len(space.nvec)))
    actions: Array = draws.uniform(space.low, space.high, (copies, *space.shape)).astype(space.dtype)
    return actions


class _Recorder(RewardMethod):
    """Keeps numbers of every step, and leaves the reward alone."""

    def __init__(self, inputs: Sequence[StepInputs]) -> None:
        self.inputs = inputs
        self.kept: list[list[Array]] = [[] for _ in inputs]

    def __call__(self, t: Transition) -> Array:
        """The reward as it is."""
        for kept, inputs in zip(self.kept, self.inputs, strict=True):
            kept.append(inputs(t)[t.active])
        return t.reward.copy()


def random_steps(problem: Problem, steps: int, copies: int, inputs: Sequence[StepInputs]) -> list[Array]:
    """Numbers of steps of uniformly random play.

    Args:
        problem: a :class:`payoff.baselines.reward_problem.Problem`.
        steps: n, at least so many are played, and so many returned.
        copies: of the environment.
        inputs: what is read of a step.

    Returns:
        ``(n, I)`` for each of ``inputs``.
    """
    recorder = _Recorder(inputs)
    env = wrap(problem.make(copies), recorder)
    draws = np.random.default_rng([problem.seed, 1])
    env.reset(seed=problem.seed)
    while sum(map(len, recorder.kept[0])) < steps:
        env.step(random_actions(env.single_action_space, copies, draws))
    env.close()
    return [np.concatenate(kept)[:steps] for kept in recorder.kept]
