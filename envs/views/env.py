"""Gymnasium ``Env``: a batch of one, seen from one seat or from a controller of all seats."""

from __future__ import annotations

from typing import Any, Literal

import gymnasium as gym
import numpy as np
from numpy import ndarray

from payoff.envs.core.state import Array
from payoff.envs.views import common
from payoff.envs.views.actions import NUMERIC
from payoff.envs.views.drawing import METADATA, Drawn
from payoff.envs.views.engine import Engine
from payoff.envs.views.info import Captioned, CopyInfo, payment_info
from payoff.envs.views.snapshot import Snapshot

__all__ = ["GameEnv"]

_INTEGERS = (int, np.int64)


class GameEnv(Drawn, Captioned, common.Specified, common.Rebuilt, gym.Env[Array, Any]):
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
        self._raw = (engine.raw[0] if self._joint else engine.raw[0, self.seat]).reshape(-1)
        self._shape = self._raw.shape
        self._started = False
        # looked up once, and single numbers as memory: a step takes about two microseconds, and each attribute counts
        self._single = self._raw.size == 1
        self._whole = self._single and engine.format.discrete
        self._number = memoryview(self._raw)
        self._advance = engine.advance
        self._rewards = engine.reward[0]
        self._own_reward = memoryview(self._rewards[self.seat : self.seat + 1])
        self._ended = memoryview(engine.ended[0])
        self._shown = render_mode == "human"
        self._info = payment_info(engine) if info == "minimal" else CopyInfo(engine, None if self._joint else self.seat)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: starts the stream of this seed; without one the stream goes on (and starts from entropy at first).
            options: ``{"group": g}`` starts like every other copy of group g.
        """
        groups = common.start_groups(options, 1)
        if seed is not None or not self._started:
            self._seed(seed)
        obs = self.engine.reset(groups=groups)
        if self._shown:
            self.render()
        return obs[0, 0], self._info()

    def _seed(self, seed: int | None) -> None:
        """Start a stream: that of the seed, or one from entropy."""
        own = common.copy_seeds(seed, 1)[0]
        super().reset(seed=seed)
        self.engine.seed(0, int(self.np_random.integers(2**32)) if own is None else own)
        self._started = True

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """One step.

        Raises:
            ValueError: an action of the wrong shape, not finite, or outside its bounds; the state is unchanged.
            gymnasium.error.ResetNeeded: no episode is running.
        """
        if not self._started:
            raise gym.error.ResetNeeded(f"{self.engine.game.id}: call reset() before step()")
        kind, ended = type(action), self._ended
        if kind is ndarray and action.shape == self._shape and action.dtype.kind in NUMERIC:
            if self._single:
                self._number[0] = action.item()
            else:
                self._raw[...] = action
        elif self._whole and kind in _INTEGERS:
            try:
                self._number[0] = action
            except ValueError:  # no float is as large
                raise ValueError(f"{self.engine.game.id}: action must be a number that a float holds") from None
        else:
            self._raw[...] = self.engine.format.read(action, self._shape, self.engine.game.id)
        obs = self._advance()
        # without the six microseconds of ndarray.mean
        reward = float(np.add.reduce(self._rewards)) / len(self._rewards) if self._joint else self._own_reward[0]
        if self._shown:
            self.render()
        return obs[0, 0], reward, ended[0] != 0.0, ended[1] != 0.0, self._info()

    @property
    def reward_vector_space(self) -> gym.spaces.Box:
        """Space of ``info["reward_vector"]``, ``(K,)`` float32; see :class:`payoff.wrappers.MultiObjective`.

        It is not called ``reward_space``: other tools take that for the space of the reward.

        Raises:
            AttributeError: the game reports no such vector.
        """
        listed = self.engine.game.info.get("reward_vector")
        if listed is None:
            raise AttributeError(f"{self.engine.game.id} reports no reward_vector")
        return gym.spaces.Box(listed.low, listed.high, (listed.size,), np.float32)

    def action_masks(self) -> Array:
        """Which actions are of use, ``(K,)`` bool: sb3-contrib's convention, ``info["action_mask"]`` likewise.

        Under joint control the masks of the seats, one behind the other. All True where the game masks nothing.

        Raises:
            ValueError: actions are continuous.
            gymnasium.error.ResetNeeded: the game has a mask, and there was no reset yet.
        """
        mask: Array = self.engine.action_mask()[0]
        return mask.reshape(-1) if self._joint else mask[self.seat]

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
