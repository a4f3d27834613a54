"""PettingZoo ``ParallelEnv``: all seats act at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from pettingzoo import ParallelEnv

from payoff.envs.core.state import Array
from payoff.envs.views import common
from payoff.envs.views.drawing import METADATA, Drawn
from payoff.envs.views.info import Captioned, info_arrays
from payoff.envs.views.snapshot import Snapshot

__all__ = ["GameParallelEnv", "agent_infos"]

_METADATA: dict[str, Any] = {**METADATA, "is_parallelizable": True, "name": "payoff_parallel"}


def agent_infos(env: Any) -> dict[str, dict[str, Any]]:
    """Each agent's own entries, and the matrices, lists and numbers that all share."""
    engine = env.engine
    infos: dict[str, dict[str, Any]] = {agent: {} for agent in env.possible_agents}
    for key, values in info_arrays(engine, env.full_info).items():
        mine = engine.per_agent.get(key, values.ndim == 2)  # what the game does not declare is a seat's if it is (1, N)
        for i, info in enumerate(infos.values()):
            info[key] = (values[0, i] if mine else values[0]).copy()
    return infos


class GameParallelEnv(Drawn, Captioned, common.Rebuilt, ParallelEnv):
    """All seats of a game, played from outside.

    Args:
        game: environment id.
        reward: reward layer, name or function; None is the game's default.
        observe: observation setting.
        actions: ``"native"``, ``"unit"`` or ``"discrete:K"``; None is the game's default.
        clip_actions: clip actions to their bounds instead of raising.
        info: ``"full"``, ``"minimal"`` for payoff and rewards only, or ``"published"`` for what the published code
            reported as well (published games only).
        max_cycles: rounds after which an episode is truncated, where that is before the game's own horizon.
        render_mode: None, ``"rgb_array"`` or ``"human"`` (needs the extra ``play``).
        **parameters: the game's own keywords.

    Raises:
        TypeError: an unknown keyword.
        ValueError: a value that is not allowed.
    """

    metadata = _METADATA

    def __init__(
        self,
        game: str,
        *,
        reward: Any = None,
        observe: Any = "full",
        actions: str | None = None,
        clip_actions: bool = False,
        info: Literal["full", "minimal", "published"] = "full",
        max_cycles: int | None = None,
        render_mode: str | None = None,
        **parameters: Any,
    ) -> None:
        common.check_choice("render_mode", render_mode, [None, *_METADATA["render_modes"]])
        self.engine = common.build_engine(
            type(self),
            game,
            parameters,
            1,
            reward=reward,
            observe=observe,
            actions=actions,
            clip_actions=clip_actions,
            info=info,
            limit=max_cycles,
        )
        engine = self.engine
        self.metadata = {**_METADATA, "name": engine.game.id}
        self.full_info = info != "minimal"
        self.render_mode = render_mode
        self.possible_agents = common.agent_names(engine.shape.n_agents)
        self.agents: list[str] = []
        space = gym.spaces.Box(*engine.plan.bounds)
        self.observation_spaces = dict.fromkeys(self.possible_agents, space)
        self.action_spaces = {a: engine.format.space(i) for i, a in enumerate(self.possible_agents)}
        self.state_space = gym.spaces.Box(0.0, 1.0, (engine.global_size,), np.float32)
        self._started = False

    def observation_space(self, agent: str) -> gym.Space[Any]:
        """Observation space of an agent; the same object on every call."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gym.Space[Any]:
        """Action space of an agent; the same object on every call."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Array], dict[str, dict[str, Any]]]:
        """Start an episode.

        Args:
            seed: starts the stream of this seed; without one the stream goes on (and starts from entropy at first).
            options: ``{"group": g}`` starts like every other copy of group g.
        """
        groups = common.start_groups(options, 1, others_allowed=True)
        seeds = common.copy_seeds(seed, 1)
        if seeds[0] is None and not self._started:
            seeds = [int(np.random.SeedSequence().generate_state(1)[0])]
        if seeds[0] is not None:
            self.engine.seed(0, seeds[0])
        self._started = True
        self.agents = list(self.possible_agents)
        obs = self._split(self.engine.reset(groups=groups))
        self.show_if_human()
        return obs, agent_infos(self)

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Array], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """One round.

        Args:
            actions: agent -> action, of every live agent.

        Raises:
            ValueError: an agent is missing or unknown, or an action is bad; the state is unchanged.
            gymnasium.error.ResetNeeded: before the first reset.
        """
        engine = self.engine
        if not self._started:
            raise gym.error.ResetNeeded(f"{engine.game.id}: call reset() before step()")
        if not isinstance(actions, Mapping) or set(actions) != set(self.agents):
            got = list(actions) if isinstance(actions, Mapping) else repr(actions)
            raise ValueError(f"{engine.game.id}: actions must name exactly {self.agents}, got {got}")
        if not self.agents:
            return {}, {}, {}, {}, {}
        shape = (engine.shape.action_size,)
        chosen = [engine.format.read(actions[a], shape, f"{engine.game.id} {a}") for a in self.agents]
        engine.raw[0] = chosen
        obs = self._split(engine.advance())
        infos = agent_infos(self)
        rewards = {a: engine.reward.item(i) for i, a in enumerate(self.agents)}
        terminated = dict.fromkeys(self.agents, bool(engine.ended.item(0)))
        truncated = dict.fromkeys(self.agents, bool(engine.ended.item(1)))
        if engine.flags.any():
            self.agents = []
        self.show_if_human()
        return obs, rewards, terminated, truncated, infos

    def _split(self, obs: Array) -> dict[str, Array]:
        return {a: obs[0, i] for i, a in enumerate(self.possible_agents)}

    def state(self) -> Array:
        """Everything, for centralised critics: ``(S,)`` float32 in [0, 1], whatever the observation setting."""
        state: Array = self.engine.global_state()[0]
        return state

    def snapshot(self) -> Snapshot:
        """Copy of everything that the next step depends on."""
        return self.engine.snapshot()

    def restore(self, snapshot: Snapshot) -> tuple[dict[str, Array], dict[str, dict[str, Any]]]:
        """Go back to a snapshot; returns its observations and infos.

        Raises:
            ValueError: the snapshot is of another game.
        """
        obs = self.engine.restore(snapshot)
        self._started = True
        self.agents = list(self.possible_agents) if self.engine.running else []
        return self._split(obs), agent_infos(self)
