r"""Reward learner ``heron``: a reward from a ranking of quantities, learned while the agent trains under it.

    payoff train --algo ppo --env TrafficGrid-v0 --out results/heron \
        --reward-learner 'heron:ranking=["-queue","-wait","-switches"]'

An entry of the ranking is a sign, a name and perhaps a margin of its own: ``"-queue"``, ``"+end 0"``. A name is

- one of the names of ``info["reward_vector"]``, where the game has such;
- an entry of ``info`` that is a number, such as ``progress``;
- ``end``, 1 on a step that ends the episode for good; ``effort``, the sum of the squares of the action; ``reward``,
  what the reward layer pays.

The method is :class:`payoff.wrappers.HierarchicalPreferenceReward`. A ``problem`` is a
:class:`payoff.baselines.reward_problem.Problem`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.baselines import environments
from payoff.baselines.memory import check_memory
from payoff.baselines.random_play import random_actions
from payoff.baselines.reward_problem import Problem
from payoff.envs import registry
from payoff.envs.core.params import check_flag, check_integer, check_number
from payoff.envs.core.specification import near
from payoff.wrappers import (
    Factor,
    HierarchicalPreferenceReward,
    HierarchyLearning,
    NetworkSettings,
    RewardMethod,
    Transition,
    wrap,
)
from payoff.wrappers.rows import Array

__all__ = ["Heron"]

COPIES = 16  # that play at random where the reward is learned before the training


def end(t: Transition) -> Array:
    """1 where the step ends the episode for good."""
    return t.terminated.astype(np.float64)


def effort(t: Transition) -> Array:
    """Sum of the squares of the action."""
    squares: Array = np.square(np.asarray(t.action, dtype=np.float64)).reshape(len(t.reward), -1).sum(axis=1)
    return squares


def reward(t: Transition) -> Array:
    """The reward so far."""
    return t.reward


OWN = {"end": end, "effort": effort, "reward": reward}


@dataclass(frozen=True, kw_only=True)
class Heron:
    """Builds the method for an environment.

    Attributes:
        ranking: what matters, the most important first; see the module.
        margin: of those that name none, in standard deviations.
        segment: steps of what is compared.
        warmup: items seen before anything is learned.
        learn_every: items from one learning to the next.
        centre: whether the mean is subtracted; see :class:`payoff.wrappers.HierarchyLearning`.
        random_steps: 0: the reward goes on learning while the agent trains. Otherwise it is learned from so many steps
            of random play before, and then kept as it is; they must make ``warmup`` items of ``segment`` steps.

    Raises:
        ValueError: a value that is not allowed.
    """

    ranking: Sequence[str]
    margin: float = 0.5
    segment: int = 1
    warmup: int = 1000
    learn_every: int = 400
    centre: bool = True
    random_steps: int = 0

    def __post_init__(self) -> None:
        """Check what can be checked without an environment."""
        given: Any = self.ranking
        if not isinstance(given, list | tuple) or not given or not all(isinstance(text, str) for text in given):
            raise ValueError(f'ranking must be a list such as ["-queue","-wait 0.25"], got {given!r}')
        check_number("margin", self.margin, 0.0)
        check_flag("centre", self.centre)
        check_integer("random_steps", self.random_steps, 0)
        self._learning(0)
        for text in self.ranking:
            _parsed(text, self.margin)
        items = COPIES * (self._steps // self.segment)  # unless episodes end for good before
        if self.random_steps and items < self.warmup:
            raise ValueError(
                f"random_steps must be 0 or enough for warmup={self.warmup} items, got {self.random_steps}, which make "
                f"{items} of segment={self.segment} steps in {COPIES} copies"
            )

    def _learning(self, seed: int) -> HierarchyLearning:
        return HierarchyLearning(
            segment=self.segment,
            warmup=self.warmup,
            learn_every=self.learn_every,
            memory=self._memory,
            centre=self.centre,
            network=NetworkSettings(seed=seed),
        )

    @property
    def _steps(self) -> int:
        """Steps of random play of each copy."""
        return -(-self.random_steps // COPIES)

    @property
    def _memory(self) -> int:
        """Items that are kept."""
        return max(10_000, self.warmup)

    def check(self, problem: Problem) -> None:
        """Look every name up in the environment.

        Raises:
            ValueError: an unknown name, a function of a step where the reward is to be kept in a file, or items that
                would take too much memory.
        """
        numbers = problem.sizes().obs + len(self._factors(problem))
        kept = {"items (warmup, 10000 or more)": self._memory, "segment": self.segment, "numbers of a step": numbers}
        check_memory("heron", kept)

    def learn(self, problem: Problem) -> RewardMethod:
        """The method, or the finished reward of random play."""
        method = HierarchicalPreferenceReward(self._factors(problem), learning=self._learning(problem.seed))
        if not self.random_steps:
            return method
        env = wrap(problem.make(COPIES), method)
        draws = np.random.default_rng(problem.seed)
        env.reset(seed=problem.seed)
        for step in range(self._steps):
            env.step(random_actions(env.single_action_space, COPIES, draws))
            if problem.on_progress is not None:
                problem.on_progress(min((step + 1) * COPIES, self.random_steps), self.random_steps)
        env.close()
        return method.frozen()

    def _factors(self, problem: Problem) -> list[Factor]:
        entries, names = _known(problem)
        found = []
        for text in self.ranking:
            sign, name, margin = _parsed(text, self.margin)
            if name in names:
                found.append(Factor("reward_vector", sign, margin, names.index(name)))
            elif name in entries:
                found.append(Factor(name, sign, margin))
            elif name in OWN and self.random_steps:
                raise ValueError(f"ranking of heron: {name} is no entry of info, so random_steps must be 0")
            elif name in OWN:
                found.append(Factor(OWN[name], sign, margin))
            else:
                known = (*names, *entries, *OWN)
                raise ValueError(
                    f"ranking of heron: {problem.env_id} has no {name!r}{near(name, known)}; it has {', '.join(known)}"
                )
        return found


def _parsed(text: str, margin: float) -> tuple[int, str, float]:
    """Sign, name and margin of an entry of a ranking."""
    body, _, own = text.strip()[1:].rpartition(" ")
    try:
        number = float(own) if body else margin
    except ValueError:
        body, number = text.strip()[1:], margin
    name = (body or own).strip()
    if text.strip()[:1] not in ("+", "-") or not name or not (np.isfinite(number) and number >= 0.0):
        raise ValueError(f"ranking of heron: an entry is +name or -name and perhaps a margin, got {text!r}")
    return (1 if text.strip()[0] == "+" else -1), name, number


def _known(problem: Problem) -> tuple[list[str], list[str]]:
    """Entries of ``info`` that are numbers, and names of the places of ``reward_vector``."""
    entries = [
        key for key, x in problem.first_info().items() if not key.startswith("_") and np.shape(x) in ((1,), (1, 1))
    ]
    if environments.is_outside(problem.env_id):
        return entries, []
    listed = registry.load(problem.env_id).info.get("reward_vector")
    return entries, list(getattr(listed, "names", ()))
