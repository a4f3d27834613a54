"""Gymnasium ``VectorEnv``: B copies in one kernel call, seen from one seat or from a controller of all seats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from payoff.envs.core.state import Array
from payoff.envs.views import common
from payoff.envs.views.actions import NUMERIC
from payoff.envs.views.info import Captioned, info_arrays, own
from payoff.envs.views.snapshot import Snapshot

__all__ = ["GameVectorEnv"]

_METADATA: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 8}
_MODES = {
    "next_step": AutoresetMode.NEXT_STEP,
    "same_step": AutoresetMode.SAME_STEP,
    "disabled": AutoresetMode.DISABLED,
}


class GameVectorEnv(Captioned, common.Specified, common.Rebuilt, gym.vector.VectorEnv[Array, Array, Array]):
    """The vector form of :class:`payoff.envs.views.env.GameEnv`; row k equals an Env with the seed of copy k.

    Entries of ``info`` are arrays ``(B, ...)``; captions are integer codes, with their text in :meth:`caption`. In
    same-step mode ``payoff`` and ``rewards`` belong to the step, like the returned rewards (nothing that was paid is
    lost), state entries to the new episode, and ``final_info`` and ``final_obs`` to the end of the old, where other
    rows are unspecified.

    Args:
        game: environment id; ``gym.make_vec`` fills it in.
        num_envs: number of copies B.
        autoreset_mode: Gymnasium's AutoresetMode or its name ("next_step", "same_step", "disabled").
        num_threads: threads that share the batch; results do not depend on it.
        reward: see GameEnv.
        agent: see GameEnv.
        partners: see GameEnv; a function gets the observations of all copies at once.
        observe: see GameEnv.
        actions: see GameEnv.
        control: see GameEnv.
        clip_actions: see GameEnv.
        info: see GameEnv.
        max_episode_steps: steps after which an episode is truncated, where that is before the game's own horizon; to
            ``gym.make``, which takes it as well, it means the same.
        render_mode: None or ``"rgb_array"``.
        **parameters: the game's own keywords; a list of length B gives each copy its own value.

    Raises:
        TypeError: an unknown keyword.
        ValueError: a value that is not allowed.
    """

    metadata = _METADATA

    def __init__(
        self,
        game: str,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        num_threads: int = 1,
        reward: Any = None,
        agent: int | str = 0,
        partners: Any = "reciprocator",
        observe: Any = "full",
        actions: str | None = None,
        control: Literal["single", "joint"] = "single",
        clip_actions: bool = False,
        info: Literal["full", "minimal", "published"] = "full",
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        **parameters: Any,
    ) -> None:
        common.check_choice("control", control, ["single", "joint"])
        common.check_choice("render_mode", render_mode, [None, *self.metadata["render_modes"]])
        kept = common.autoreset_mode(autoreset_mode)
        mode = _MODES[kept]
        self.engine = common.build_engine(
            type(self),
            game,
            parameters,
            num_envs,
            learned="all" if control == "joint" else agent,
            look=[0] if control == "joint" else None,
            partners=partners,
            autoreset=kept,
            reward=reward,
            observe=observe,
            actions=actions,
            clip_actions=clip_actions,
            info=info,
            limit=max_episode_steps,
            num_threads=num_threads,
        )
        engine = self.engine
        self.num_envs = engine.n_copies
        self.metadata = {**self.metadata, "autoreset_mode": mode}
        self.render_mode = render_mode
        self.seat = 0 if control == "joint" else common.seat_index(agent, engine.shape.n_agents)
        self.autoreset_mode = mode
        self._joint = control == "joint"
        self._full = info != "minimal"
        self._target = engine.raw if self._joint else engine.raw[:, self.seat]
        self._everyone = np.ones(num_envs, dtype=np.bool_)
        self._everyone.flags.writeable = False  # one mask serves every info
        self.single_observation_space = gym.spaces.Box(*engine.plan.bounds)
        self.single_action_space = engine.format.joint_space() if self._joint else engine.format.space(self.seat)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._shape = (num_envs, engine.raw[0].size if self._joint else engine.raw.shape[2])
        self._started = False

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Start episodes.

        Args:
            seed: an int s gives copy k the seed s + k; a list gives each its own; None goes on in each stream.
            options: ``group`` (an int, or one a copy) and, as in Gymnasium, ``reset_mask`` ``(B,)`` bool.
        """
        mask, groups = common.reset_options(options, self.num_envs, started=self._started)
        seeds = common.copy_seeds(seed, self.num_envs)
        super().reset(seed=seeds[0] if isinstance(seed, int | np.integer) else None)
        if not self._started:
            draw = self.np_random
            seeds = [int(draw.integers(2**32)) if s is None else s for s in seeds]
        for b, s in enumerate(seeds):
            if s is not None and (mask is None or mask[b]):
                self.engine.seed(b, s)
        self._started = True
        return self.engine.reset(mask, groups)[:, 0], self._info()

    def step(self, actions: Any) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """One step of every copy.

        Args:
            actions: ``(B, A)``, or ``(B,)`` integers where actions are discrete; all seats' entries under joint
                control.

        Raises:
            ValueError: an action of the wrong shape, not finite, or outside its bounds; no copy has changed.
            gymnasium.error.ResetNeeded: before the first reset, or past the end of an episode in disabled mode.
        """
        if not self._started:
            raise gym.error.ResetNeeded(f"{self.engine.game.id}: call reset() before step()")
        engine = self.engine
        if type(actions) is not np.ndarray or actions.shape != self._shape or actions.dtype.kind not in NUMERIC:
            actions = engine.format.read(actions, self._shape, engine.game.id)
        self._target[...] = actions.reshape(self._target.shape)
        obs = engine.advance()
        paid = engine.reward
        rewards = paid.mean(axis=1) if self._joint else paid[:, self.seat].copy()
        flags = engine.flags
        info = self._info()
        if self.autoreset_mode is AutoresetMode.SAME_STEP and flags.any():
            self._add_final(info, flags[:, 0] | flags[:, 1])
        return obs[:, 0], rewards, flags[:, 0], flags[:, 1], info

    def _info(self, state: Array | None = None, mask: Array | None = None) -> dict[str, Any]:
        arrays = info_arrays(self.engine, self._full, state)
        seat, mask = None if self._joint else self.seat, self._everyone if mask is None else mask
        info = {key: own(key, values, seat) for key, values in arrays.items()}
        return info | {f"_{key}": mask for key in info}  # Gymnasium's convention: which copies have the entry

    def _add_final(self, info: dict[str, Any], ended: Array) -> None:
        last = np.where(ended[:, None], self.engine.last, self.engine.state)
        info["final_obs"] = self.engine.look(last)[:, 0]
        info["final_info"] = self._info(last, ended)
        info["_final_obs"] = info["_final_info"] = ended

    def action_masks(self) -> Array:
        """Which actions are of use in each copy, ``(B, K)`` bool; see :meth:`GameEnv.action_masks`.

        Raises:
            ValueError: actions are continuous.
            gymnasium.error.ResetNeeded: the game has a mask, and there was no reset yet.
        """
        mask = self.engine.action_mask()
        return mask.reshape(len(mask), -1) if self._joint else mask[:, self.seat]

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
        return obs[:, 0], self._info()

    def render(self) -> tuple[Array, ...] | None:
        """One RGB picture a copy, when ``render_mode`` is ``"rgb_array"``."""
        if self.render_mode is None:
            return None
        engine = self.engine
        rows = engine.rows * self.num_envs if len(engine.rows) == 1 else engine.rows
        return tuple(engine.game.frame(p, s) for p, s in zip(rows, engine.state, strict=True))

    def close_extras(self, **kwargs: Any) -> None:
        """Stop the worker threads, if any."""
        self.engine.close()
