"""Batch x seats arrays for multi-agent trainers: no dictionaries, no Python loop over copies or seats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode

from payoff.envs.core.state import Array
from payoff.envs.views import common
from payoff.envs.views.actions import NUMERIC
from payoff.envs.views.engine import Engine
from payoff.envs.views.info import Captioned, info_arrays
from payoff.envs.views.snapshot import Snapshot

__all__ = ["MultiAgentVec"]


class MultiAgentVec(Captioned, common.Rebuilt):
    """B copies of a game, all N seats played from outside.

    Args:
        game: environment id.
        num_envs: number of copies B.
        autoreset_mode: ``"next_step"`` (the call after an end restarts the copy and pays nothing), ``"same_step"`` (the
            step that ends an episode also restarts it; ``info["final_obs"]`` ``(B, N, O)`` and ``info["final_info"]``
            hold the end) or ``"disabled"``.
        num_threads: threads that share the batch; results do not depend on it.
        reward: reward layer, name or function; None is the game's default.
        observe: observation setting.
        actions: ``"native"``, ``"unit"`` or ``"discrete:K"``; None is the game's default.
        clip_actions: clip actions to their bounds instead of raising.
        info: ``"full"``, ``"minimal"`` for payoff and rewards only, or ``"published"`` for what the published code
            reported as well (published games only).
        max_episode_steps: steps after which an episode is truncated, where that is before the game's own horizon.
        **parameters: the game's own keywords; a list of length B gives each copy its own value.

    Attributes:
        num_envs: B.
        num_agents: N.
        agents: names of the seats.
        obs_size: O.
        action_size: A.
        discrete: whether actions are whole numbers.
        num_actions: number of integer actions, None where actions are continuous.
        action_low: ``(N, A)`` lower bounds in the units of ``actions``.
        action_high: ``(N, A)`` upper bounds likewise.
        endowment: ``(N,)`` native upper bounds, None in discrete games.
        max_steps: most steps that an episode can have.
        game_id: environment id.
        per_agent: entry of ``info`` that the game declares -> whether it is ``(B, N, ...)``, a part for each seat, or
            shared by the seats of a copy. The others are each seat's if they are ``(B, N)``.

    Raises:
        TypeError: an unknown keyword.
        ValueError: a value that is not allowed.
    """

    def __init__(
        self,
        game: str,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = "next_step",
        num_threads: int = 1,
        reward: Any = None,
        observe: Any = "full",
        actions: str | None = None,
        clip_actions: bool = False,
        info: Literal["full", "minimal", "published"] = "full",
        max_episode_steps: int | None = None,
        **parameters: Any,
    ) -> None:
        autoreset_mode = common.autoreset_mode(autoreset_mode)
        self.engine: Engine = common.build_engine(
            type(self),
            game,
            parameters,
            num_envs,
            autoreset=autoreset_mode,
            reward=reward,
            observe=observe,
            actions=actions,
            clip_actions=clip_actions,
            info=info,
            limit=max_episode_steps,
            num_threads=num_threads,
        )
        engine = self.engine
        written = engine.format
        self.game_id = engine.game.id
        self.per_agent = engine.per_agent
        self.num_envs = num_envs = engine.n_copies
        self.num_agents = engine.shape.n_agents
        self.agents = common.agent_names(self.num_agents)
        self.obs_size = len(engine.plan.names)
        self.action_size = engine.shape.action_size
        self.discrete = written.discrete
        self.num_actions = written.levels if written.discrete else None
        self.action_low, self.action_high = written.low.copy(), written.high.copy()
        native = engine.game.bounds(engine.rows[0])[:, 0, 1]
        self.endowment = native if engine.shape.n_actions is None else None
        self.max_steps = engine.horizon
        self.autoreset_mode = autoreset_mode
        self._full = info != "minimal"
        self._shape = (num_envs, self.num_agents, self.action_size)
        self._started = False

    def reset(
        self, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Start episodes; see :meth:`payoff.envs.views.vector.GameVectorEnv.reset`.

        Returns:
            Observations ``(B, N, O)`` float32 and info.
        """
        mask, groups = common.reset_options(options, self.num_envs, started=self._started)
        seeds = common.copy_seeds(seed, self.num_envs)
        if not self._started:
            entropy = np.random.SeedSequence().generate_state(self.num_envs)
            seeds = [int(entropy[b]) if s is None else s for b, s in enumerate(seeds)]
        for b, s in enumerate(seeds):
            if s is not None and (mask is None or mask[b]):
                self.engine.seed(b, s)
        self._started = True
        return self.engine.reset(mask, groups), self._info()

    def step(self, actions: Any) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """One step of every copy.

        Args:
            actions: ``(B, N, A)``, or ``(B, N)`` integers where actions are discrete.

        Returns:
            Observations ``(B, N, O)`` float32, rewards ``(B, N)``, terminated ``(B,)``, truncated ``(B,)``, info.

        Raises:
            ValueError: an action of the wrong shape, not finite, or outside its bounds; no copy has changed.
            gymnasium.error.ResetNeeded: before the first reset, or past the end of an episode in disabled mode.
        """
        if not self._started:
            raise ResetNeeded(f"{self.game_id}: call reset() before step()")
        engine = self.engine
        if type(actions) is not np.ndarray or actions.shape != self._shape or actions.dtype.kind not in NUMERIC:
            actions = engine.format.read(actions, self._shape, self.game_id)
        engine.raw[...] = actions
        obs = engine.advance()
        flags = engine.flags
        info = self._info()
        if self.autoreset_mode == "same_step" and flags.any():
            self._add_final(info, flags[:, 0] | flags[:, 1])
        return obs, engine.reward.copy(), flags[:, 0], flags[:, 1], info

    def _info(self, state: Array | None = None) -> dict[str, Any]:
        return {**info_arrays(self.engine, self._full, state)}

    def _add_final(self, info: dict[str, Any], ended: Array) -> None:
        last = np.where(ended[:, None], self.engine.last, self.engine.state)
        info["final_obs"] = self.engine.look(last)
        info["final_info"] = self._info(last)
        info["_final_obs"] = info["_final_info"] = ended

    def state(self) -> Array:
        """Everything, for centralised critics: ``(B, S)`` float32 in [0, 1], whatever the observation setting."""
        return self.engine.global_state()

    def action_masks(self) -> Array:
        """Which actions of each seat are of use, ``(B, N, K)`` bool; all where the game masks nothing.

        Raises:
            ValueError: actions are continuous.
            gymnasium.error.ResetNeeded: the game has a mask, and there was no reset yet.
        """
        return self.engine.action_mask()

    def snapshot(self) -> Snapshot:
        """Copy of everything that the next step depends on."""
        return self.engine.snapshot()

    def restore(self, snapshot: Snapshot) -> tuple[Array, dict[str, Any]]:
        """Go back to a snapshot; returns its observations and info.

        Raises:
            ValueError: the snapshot is of another game, other parameters or another batch size, or holds a number out
                of its range; nothing has changed.
        """
        obs = self.engine.restore(snapshot)
        self._started = True
        return obs, self._info()

    def close(self) -> None:
        """Stop the worker threads, if any."""
        self.engine.close()
