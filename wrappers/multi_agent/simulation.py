"""Counterfactuals of any game, exactly: the step is played again with each agent's default action.

Snapshots are taken before and after a step; then, for each agent in turn, the first is restored, the step is played
with that agent's action replaced by its default, and the sum of payoffs is read; then the second is restored.
``info["counterfactual"]`` holds G(z_{-i} U c_i) for each agent i, zeros at a start. Random draws are the same in all of
these steps, so what differs is what the agent did. A step costs N + 1 steps and as many restores. Put it right around
the game: layers inside it are copied at every step too, with all that a bonus has counted or learned.

It is the counterfactual of one step: what the default would have led to later is left out. An agent cannot be left out
of a game that has a seat for it; its default is the nearest thing (contribute nothing, stay where you are).

Methods such as :class:`payoff.wrappers.multi_agent.difference.DifferenceReward` go around it::

    env = simulate(payoff.multi_agent_vec("payoff/TrustDilemma-v0", 8), default=0.0)
    env = wrap(env, DifferenceReward(total_payoff, from_simulation))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from pettingzoo import ParallelEnv
from pettingzoo.utils import BaseParallelWrapper

from payoff.wrappers.adapters.runner import snapshot_source, snapshot_type
from payoff.wrappers.multi_agent.team import one_each
from payoff.wrappers.multi_agent.utility import COUNTERFACTUAL
from payoff.wrappers.rows import Array

__all__ = ["SimulatedParallel", "SimulatedVec", "simulate"]


def simulate(env: Any, default: Any) -> Any:
    """Environment of the same kind that reports counterfactuals.

    Args:
        env: a PettingZoo ``ParallelEnv`` or a multi-agent batch that has ``snapshot()`` and ``restore()`` and reports
            ``info["payoff"]``.
        default: c_i, an action as ``step`` takes it: one for all agents, or one each in their order.

    Raises:
        TypeError: ``env`` is something else, or takes no snapshots.
        ValueError: ``default`` is no action of every agent.
    """
    return SimulatedParallel(env, default) if isinstance(env, ParallelEnv) else SimulatedVec(env, default)


class SimulatedVec:
    """A multi-agent batch whose info holds ``counterfactual`` ``(B, N)``; all else is the inner batch's.

    It is 0 in copies that restarted on the call; in same-step mode that of the step which ended is in ``final_info``.

    Args:
        env: the batch.
        default: see :func:`simulate`.

    Raises:
        TypeError: it is no multi-agent batch, or takes no snapshots.
        ValueError: ``default`` is no action of every agent.
    """

    def __init__(self, env: Any, default: Any) -> None:
        if isinstance(env, type) or not all(hasattr(env, name) for name in ("num_envs", "num_agents", "action_size")):
            raise TypeError(f"env must be a ParallelEnv or a multi-agent batch, got {type(env).__name__}")
        if snapshot_source(env) is not env:
            raise TypeError(f"{type(env).__name__} has no snapshot()")
        self.env = env
        self.default = one_each(default, env.num_agents, (env.action_size,)).astype(np.float64)
        outside = (self.default < env.action_low) | (self.default > env.action_high)
        if outside.any() or (env.discrete and (self.default % 1.0 != 0.0).any()):
            kind = "whole numbers" if env.discrete else "numbers"
            allowed = f"{kind} from {env.action_low.min():g} to {env.action_high.max():g}"
            raise ValueError(f"default must be an action of every agent, {allowed}, got {default!r}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "env":  # `env` itself is missing while the object is being copied
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self.env, name)

    def reset(self, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Start episodes; nothing was played, so the counterfactuals are 0."""
        obs, info = self.env.reset(seed=seed, options=options)
        return obs, {**info, COUNTERFACTUAL: np.zeros((self.env.num_envs, self.env.num_agents))}

    def step(self, actions: Any) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """One step of every copy; then N that are taken back."""
        env = self.env
        before = env.snapshot()
        obs, rewards, terminated, truncated, info = env.step(actions)
        after = env.snapshot()
        played = np.array(actions, dtype=np.float64).reshape(env.num_envs, env.num_agents, env.action_size)
        found = np.empty((env.num_envs, env.num_agents))
        goal = before  # should a step fail, nothing has happened
        try:
            for i in range(env.num_agents):
                other = played.copy()
                other[:, i] = self.default[i]
                env.restore(before)
                found[:, i] = env.step(other)[4]["payoff"].sum(axis=1)
            goal = after
        finally:
            env.restore(goal)
        info = {**info, COUNTERFACTUAL: found}
        if "final_info" in info:
            info["final_info"] = {**info["final_info"], COUNTERFACTUAL: found}
            info[COUNTERFACTUAL] = np.where((terminated | truncated)[:, None], 0.0, found)
        return obs, rewards, terminated, truncated, info

    @property
    def snapshot_type(self) -> Any:
        """Class of the snapshots: that of the inner batch."""
        return snapshot_type(self.env)

    def snapshot(self) -> Any:
        """Snapshot of the inner batch: there is nothing else to keep."""
        return self.env.snapshot()

    def restore(self, snapshot: Any) -> Any:
        """Restore the inner batch."""
        return self.env.restore(snapshot)


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

    @property
    def snapshot_type(self) -> Any:
        """Class of the snapshots: that of the inner environment."""
        return snapshot_type(self._source)

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
