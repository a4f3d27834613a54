"""The ParallelEnv form of :mod:`payoff.wrappers.multi_agent.simulation`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from pettingzoo.utils import BaseParallelWrapper

from payoff.wrappers.base import snapshot_source
from payoff.wrappers.multi_agent.team import one_each
from payoff.wrappers.multi_agent.utility import COUNTERFACTUAL

__all__ = ["SimulatedParallel"]


class SimulatedParallel(BaseParallelWrapper):
    """A ParallelEnv in which each agent's info holds ``counterfactual``.

    Args:
        env: the environment; ``restore`` must bring back its list ``agents`` too.
        default: an action for all agents, a list of one each in the order of ``possible_agents``, or a mapping by name.

    Raises:
        TypeError: it takes no snapshots.
        ValueError: ``default`` is no action of every agent.
    """

    def __init__(self, env: Any, default: Any) -> None:
        super().__init__(env)
        self._source = snapshot_source(env)
        names = list(env.possible_agents)
        if isinstance(default, Mapping):
            if set(default) != set(names):
                raise ValueError(f"default must name exactly the agents {names}, got {list(default)}")
            self.default = dict(default)
        else:
            self.default = dict(zip(names, _one_each(default, [env.action_space(a) for a in names]), strict=True))
        for agent, action in self.default.items():
            if not env.action_space(agent).contains(action):
                raise ValueError(f"default must be an action of {env.action_space(agent)} ({agent}), got {default!r}")

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[Any, Any], dict[Any, dict[str, Any]]]:
        """Start an episode; nothing was played, so the counterfactuals are 0."""
        obs, infos = self.env.reset(seed=seed, options=options)
        return obs, {a: {**info, COUNTERFACTUAL: 0.0} for a, info in infos.items()}

    def step(
        self, actions: Mapping[Any, Any]
    ) -> tuple[dict[Any, Any], dict[Any, float], dict[Any, bool], dict[Any, bool], dict[Any, dict[str, Any]]]:
        """One round; then one for each agent that is taken back."""
        source, found = self._source, {}
        live = list(self.env.agents)
        before = source.snapshot()
        obs, rewards, terminated, truncated, infos = self.env.step(actions)
        after, goal = source.snapshot(), before  # should a step fail, nothing has happened
        try:
            for agent in live:
                source.restore(before)
                told = self.env.step({**actions, agent: self.default[agent]})[4]
                found[agent] = float(np.array([told[a]["payoff"] for a in live]).sum())
            goal = after
        finally:
            source.restore(goal)
        infos = {a: {**info, COUNTERFACTUAL: found[a]} if a in found else dict(info) for a, info in infos.items()}
        return obs, rewards, terminated, truncated, infos

    def snapshot(self) -> Any:
        """Snapshot of the inner environment: there is nothing else to keep."""
        return self._source.snapshot()

    def restore(self, snapshot: Any) -> Any:
        """Restore the inner environment."""
        return self._source.restore(snapshot)


def _one_each(default: Any, spaces: list[gym.Space[Any]]) -> list[Any]:
    """The action of each agent that ``default`` says, in the type of its space."""
    shapes = {space.shape or () for space in spaces}
    if len(shapes) > 1:
        raise ValueError(f"default must name the agents, whose actions differ in shape, got {default!r}")
    actions = one_each(default, len(spaces), shapes.pop())
    typed = [action.astype(space.dtype) for action, space in zip(actions, spaces, strict=True)]
    if any(np.issubdtype(x.dtype, np.integer) and (x != y).any() for x, y in zip(typed, actions, strict=True)):
        raise ValueError(f"default must hold whole numbers, got {default!r}")
    return typed
