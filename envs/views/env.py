"""Gymnasium ``Env``: a batch of one, seen from one seat or from a controller of all seats."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from numpy import ndarray

from payoff.envs.core.state import Array
from payoff.envs.views import common
from payoff.envs.views.actions import NUMERIC
from payoff.envs.views.drawing import METADATA, Drawn
from payoff.envs.views.engine import Engine
from payoff.envs.views.info import CopyInfo, payment_info
from payoff.envs.views.snapshot import Snapshot

__all__ = ["GameEnv"]

_INTEGERS = (int, np.int64)


class GameEnv(Drawn, common.Rebuilt, gym.Env[Array, Any]):
    """One seat is learned and partners play the rest, or one controller plays all seats.

    Args:
        game: environment id; ``gym.make`` fills it in.
        reward: reward layer, name or function (:mod:`payoff.envs.rewards`); None is the game's default.
        agent: the learned seat, a number or ``"agent_k"``.
        partners: who plays the other seats (:mod:`payoff.envs.partners`).
        observe: observation setting: a name or the game's own config object.
        actions: ``"native"``, ``"unit"`` or ``"discrete:K"``; None is the game's default.
        control: ``"single"``, or ``"joint"``: one controller for all seats, rewarded with the mean over seats.
        clip_actions: clip actions to their bounds instead of raising.
        info: ``"full"``, ``"minimal"`` for payoff and rewards only, or ``"published"`` for what the published code
            reported as well (published games only).
        render_mode: None, ``"rgb_array"`` or ``"human"`` (needs the extra ``play``).
        **parameters: the game's own keywords (``payoff info ID`` lists them).

    Raises:
        TypeError: an unknown keyword.
        ValueError: a value that is not allowed.
    """

    metadata = METADATA

    def __init__(
        self,
        game: str,
        *,
        reward: Any = None,
        agent: int | str = 0,
        partners: Any = "reciprocator",
        observe: Any = "full",
        actions: str | None = None,
        control: Literal["single", "joint"] = "single",
        clip_actions: bool = False,
        info: Literal["full", "minimal", "published"] = "full",
        render_mode: str | None = None,
        **parameters: Any,
    ) -> None:
        common.check_choice("control", control, ["single", "joint"])
        common.check_choice("render_mode", render_mode, [None, *self.metadata["render_modes"]])
        self.engine: Engine = common.build_engine(
            type(self),
            game,
            parameters,
            1,
            learned="all" if control == "joint" else agent,
            look=[0] if control == "joint" else None,
            partners=partners,
            reward=reward,
            observe=observe,
            actions=actions,
            clip_actions=clip_actions,
            info=info,
        )
        engine = self.engine
        self.seat = 0 if control == "joint" else common.seat_index(agent, engine.shape.n_agents)
        self.render_mode = render_mode
        self._joint = control == "joint"
        self.observation_space = gym.spaces.Box(*engine.plan.bounds)
        self.action_space = engine.format.joint_space() if self._joint else engine.format.space(self.seat)
        # the entries of `raw` that the caller writes, as one flat view
        self._target = engine.raw[0] if self._joint else engine.raw[0, self.seat]
        self._shape = (engine.raw[0].size if self._joint else engine.raw.shape[2],)
        self._started = False
        # looked up once: a step takes about two microseconds, and each attribute counts
        self._one = (1,) if self._target.size == 1 else None  # shape of an action that is one number
        self._fill = self._target.fill
        self._advance = engine.advance
        self._seats = engine.shape.n_agents
        self._rewarded = engine.reward[0]
        self._reward = self._mean_reward if self._joint else partial(engine.reward.item, self.seat)
        self._shown = render_mode == "human"
        self._ended = engine.ended[0].tolist
        self._info = payment_info(engine) if info == "minimal" else CopyInfo(engine, None if self._joint else self.seat)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: starts the stream of this seed; without one the stream goes on (and starts from entropy at first).
            options: ``{"group": g}`` starts like every other copy of group g.
        """
        groups = common.start_groups(options, 1)
        seeds = common.copy_seeds(seed, 1)
        super().reset(seed=seed)
        if seeds[0] is None and not self._started:
            seeds = [int(self.np_random.integers(2**32))]
        if seeds[0] is not None:
            self.engine.seed(0, seeds[0])
        self._started = True
        obs = self.engine.reset(groups=groups)
        self.show_if_human()
        return obs[0, 0], self._info()

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """One step.

        Raises:
            ValueError: an action of the wrong shape, not finite, or outside its bounds; the state is unchanged.
            gymnasium.error.ResetNeeded: no episode is running.
        """
        if not self._started:
            raise gym.error.ResetNeeded(f"{self.engine.game.id}: call reset() before step()")
        if type(action) is ndarray and action.shape == self._one and action.dtype.kind in NUMERIC:
            self._fill(action.item())
        else:
            self._write(action)
        obs = self._advance()
        reward = self._reward()
        if self._shown:
            self.render()
        terminated, truncated = self._ended()
        return obs[0, 0], reward, terminated != 0.0, truncated != 0.0, self._info()

    def _mean_reward(self) -> float:
        """Mean over seats, without the six microseconds of ndarray.mean."""
        return float(np.add.reduce(self._rewarded)) / self._seats

    def _write(self, action: Any) -> None:
        """Write an action of any form into ``raw``."""
        if self._one and type(action) in _INTEGERS and self.engine.format.discrete:
            self._fill(action)
            return
        if type(action) is not np.ndarray or action.shape != self._shape or action.dtype.kind not in NUMERIC:
            action = self.engine.format.read(action, self._shape, self.engine.game.id)
        self._target[...] = action if not self._joint else action.reshape(self._target.shape)

    def caption(self, code: int) -> str:
        """Text of a caption code (vector views report codes)."""
        return self.engine.game.captions[code]

    def snapshot(self) -> Snapshot:
        """Copy of everything that the next step depends on."""
        return self.engine.snapshot()

    def restore(self, snapshot: Snapshot) -> tuple[Array, dict[str, Any]]:
        """Go back to a snapshot; returns its observation and info.

        Raises:
            ValueError: the snapshot is of another game, other parameters or another batch size, or holds a number out
                of its range; nothing has changed.
        """
        obs = self.engine.restore(snapshot)
        self._started = True
        return obs[0, 0], self._info()
