"""Playing: rollouts under next-step autoreset, where play stands, and what the episodes paid.

Under next-step autoreset the observation that comes with ``truncated`` or ``terminated`` is the last one of its
episode, which is what bootstrapping needs. The call after it restarts the copy: no action was taken and nothing was
paid, so that entry of a rollout is no transition, and ``Rollout.valid`` says so.

Trainers play so many calls, wherever episodes begin and end in them (:func:`payoff.baselines.ppo.collect`), or one
whole episode per copy (:mod:`payoff.baselines.rewriting`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from payoff.baselines.checkpoint import fitting
from payoff.baselines.environments import SeatEnv, shares
from payoff.wrappers.redistribution.base import EpisodeBatch

__all__ = ["Episodes", "Play", "Rollout"]


@dataclass
class Rollout:
    """T calls of B copies.

    Attributes:
        obs: ``(T + 1, B, N, O)`` float32, the last one after the last call.
        actions: ``(T, B, N, A)``.
        rewards: ``(T, B, N)`` in the units of the reward.
        terminated: ``(T, B)`` the episode ended for good.
        truncated: ``(T, B)`` the episode was cut off.
        valid: ``(T, B)`` False where the call only restarted a copy, or its episode was over already.
        info: name -> ``(T, B N, ...)``, entries that were recorded, one a seat.
        start: name -> ``(B N, ...)``, those that the reset gave.
    """

    obs: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    valid: np.ndarray
    info: dict[str, np.ndarray] = field(default_factory=dict)
    start: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def blank(cls, env: SeatEnv, num_steps: int, obs: np.ndarray) -> Rollout:
        """Memory for ``num_steps`` calls, the first of which acts on ``obs`` ``(B, N, O)``."""
        size, seats = env.num_envs, env.num_agents
        kind = np.float32 if env.num_actions is None else np.int64
        terminated, truncated, valid = (np.empty((num_steps, size), dtype=np.bool_) for _ in range(3))
        seen = np.empty((num_steps + 1, *obs.shape), dtype=np.float32)
        seen[0] = obs
        actions = np.empty((num_steps, size, seats, env.action_size), dtype=kind)
        return cls(seen, actions, np.empty((num_steps, size, seats)), terminated, truncated, valid)

    def first(self, num_steps: int) -> Rollout:
        """The first calls only."""
        n = num_steps
        flags = (self.terminated[:n], self.truncated[:n], self.valid[:n])
        return Rollout(self.obs[: n + 1], self.actions[:n], self.rewards[:n], *flags, self.info, self.start)

    def batch(self, group: np.ndarray | None = None) -> EpisodeBatch:
        """Whole episodes with a column for each seat.

        Args:
            group: ``(B,)`` start group of each copy.
        """
        seats = self.rewards.shape[2]

        def each(flags: np.ndarray) -> np.ndarray:
            return np.repeat(flags, seats, axis=1)

        return EpisodeBatch(
            obs=self.obs.reshape(len(self.obs), -1, *self.obs.shape[3:]),
            actions=self.actions.reshape(len(self.actions), -1, *self.actions.shape[3:]),
            rewards=self.rewards.reshape(len(self.rewards), -1),
            terminated=each(self.terminated),
            truncated=each(self.truncated),
            valid=each(self.valid),
            info=self.info,
            start=self.start,
            group=None if group is None else np.repeat(group, seats),
            seats=seats,
        )


class Episodes:
    """Sums over the running episode of each copy, and the episodes that ended since the last :meth:`means`.

    Args:
        num_envs: copies B.
    """

    _NAMES = ("welfare", "reward", "cooperation", "episode_length")

    def __init__(self, num_envs: int) -> None:
        self.running = np.zeros((4, num_envs))
        self._ended: list[np.ndarray] = []

    def add(
        self, valid: np.ndarray, welfare: np.ndarray, reward: np.ndarray, share: np.ndarray, done: np.ndarray
    ) -> None:
        """Add one call.

        Args:
            valid: ``(B,)`` False where the call restarted the copy.
            welfare: ``(B,)`` sum of the payoffs.
            reward: ``(B,)`` sum of the rewards.
            share: ``(B,)`` mean share of the endowment.
            done: ``(B,)`` whether the episode ended.
        """
        self.running += np.where(valid, (welfare, reward, share, np.ones_like(welfare)), 0.0)
        if done.any():
            self._ended.append(self.running[:, done])
            self.running[:, done] = 0.0

    def means(self) -> dict[str, float]:
        """Means over the episodes that ended, NaN where none did; forgets them."""
        ended = np.concatenate(self._ended, axis=1) if self._ended else np.full((4, 1), np.nan)
        self._ended = []
        ended[2] /= ended[3]
        return dict(zip(self._NAMES, ended.mean(axis=1).tolist(), strict=True))


class Play:
    """An environment that is being played, and where it stands; a checkpoint holds it.

    Args:
        env: in next-step autoreset mode, with ``payoff`` in its info.
        seed: of the first episodes.

    Attributes:
        env: the environment.
        obs: ``(B, N, O)`` the present observations.
        done: ``(B,)`` copies whose episode ended at the call before, so that the next one restarts them.
        episodes: sums over the running episodes.
    """

    def __init__(self, env: SeatEnv, seed: int) -> None:
        self.env = env
        self.obs, _ = env.reset(seed=seed)
        self.done = np.zeros(env.num_envs, dtype=np.bool_)
        self.episodes = Episodes(env.num_envs)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One call with actions ``(B, N, A)``: rewards ``(B, N)``, terminated and truncated ``(B,)``."""
        valid = ~self.done
        self.obs, rewards, terminated, truncated, info = self.env.step(actions)
        self.done = terminated | truncated
        share = shares(self.env, actions).mean(axis=1)
        self.episodes.add(valid, info["payoff"].sum(axis=1), rewards.sum(axis=1), share, self.done)
        return rewards, terminated, truncated

    @property
    def resumable(self) -> bool:
        """Whether a training can go on in the middle: whether the environment takes snapshots."""
        return getattr(self.env, "resumable", True)

    def arrays(self) -> dict[str, np.ndarray]:
        """For a checkpoint: state of the environment, and the sums so far.

        An environment that takes no snapshots leaves nothing to go on from; see :attr:`resumable`.
        """
        state = {f"env.{name}": value for name, value in self.env.snapshot().arrays().items()}
        return {"done": self.done, "episodes": self.episodes.running, **state}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Inverse of :meth:`arrays`."""
        done = fitting(arrays, "done", self.done.shape, np.bool_)
        running = fitting(arrays, "episodes", self.episodes.running.shape, np.float64, finite=False)
        state = {name.removeprefix("env."): x for name, x in arrays.items() if name.startswith("env.")}
        self.obs, _ = self.env.restore(type(self.env.snapshot()).from_arrays(state))
        self.done, self.episodes.running = done, running
