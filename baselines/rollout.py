"""Playing: one face for both vector views, rollouts under next-step autoreset, and what the episodes paid.

Trainers see seats: observations ``(B, N, O)``, rewards ``(B, N)``. :func:`payoff.multi_agent_vec` has that face
already; :class:`OneSeat` gives it to a Gymnasium ``VectorEnv``, as a game with a single seat.

Under next-step autoreset the observation that comes with ``truncated`` or ``terminated`` is the last one of its
episode, which is what bootstrapping needs. The call after it restarts the copy: no action was taken and nothing was
paid, so that entry of a rollout is no transition, and ``Rollout.valid`` says so.

Trainers play so many calls, wherever episodes begin and end in them (:func:`payoff.baselines.ppo.collect`), or one
whole episode per copy (:mod:`payoff.baselines.rewriting`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

import payoff
from payoff.wrappers.redistribution.base import EpisodeBatch

__all__ = [
    "Episodes",
    "OneSeat",
    "Play",
    "Rollout",
    "SeatEnv",
    "check_actions",
    "in_unit_box",
    "make_all_seats",
    "make_one_seat",
    "make_vector",
    "shares",
]

Step = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


class SeatEnv(Protocol):
    """What a trainer needs of an environment; see :class:`payoff.envs.views.multi_agent.MultiAgentVec`."""

    num_envs: int
    num_agents: int
    obs_size: int
    action_size: int
    num_actions: int | None
    action_low: np.ndarray
    action_high: np.ndarray
    endowment: np.ndarray | None

    def reset(
        self, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start episodes."""
        ...

    def step(self, actions: np.ndarray) -> Step:
        """One step of every copy."""
        ...

    def snapshot(self) -> Any:
        """Copy of everything that the next step depends on: an object with ``arrays`` and ``from_arrays``."""
        ...

    def restore(self, snapshot: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Go back to a snapshot."""
        ...

    def close(self) -> None:
        """Give resources back."""
        ...


class OneSeat:
    """A single-agent ``VectorEnv`` as a game with one seat.

    Args:
        env: in next-step autoreset mode, with flat observations.
        levels: whether integer actions are equal levels of the endowment, 0 to all of it.

    Raises:
        ValueError: an action space that is neither a Box nor whole numbers that all count alike.
    """

    def __init__(self, env: VectorEnv, *, levels: bool) -> None:
        self.env = env
        self.num_envs, self.num_agents = env.num_envs, 1
        self.obs_size = int(np.prod(env.single_observation_space.shape or ()))
        space = env.single_action_space
        self.num_actions: int | None = None
        if isinstance(space, gym.spaces.Box):
            low, high = np.atleast_2d(space.low).astype(np.float64), np.atleast_2d(space.high).astype(np.float64)
        elif isinstance(space, gym.spaces.Discrete) and space.start == 0:
            self.num_actions, low = int(space.n), np.zeros((1, 1))
        elif isinstance(space, gym.spaces.MultiDiscrete) and (space.nvec == space.nvec[0]).all():
            self.num_actions, low = int(space.nvec[0]), np.zeros((1, space.nvec.size))
        else:
            raise ValueError(f"action space must be a Box, Discrete, or MultiDiscrete of equal parts, got {space}")
        if self.num_actions is not None:
            high = np.full_like(low, self.num_actions - 1.0)
        self.action_size, self.action_low, self.action_high = low.shape[1], low, high
        # only whether there is an endowment is known here: the native bounds are not the view's to tell
        self.endowment = None if self.num_actions is not None and not levels else np.ones(1)
        self._scalar = isinstance(space, gym.spaces.Discrete)

    def reset(
        self, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Observations ``(B, 1, O)`` and info."""
        obs, info = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]  # takes lists of seeds as well
        return obs[:, None], info

    def step(self, actions: np.ndarray) -> Step:
        """One step with actions ``(B, 1, A)``."""
        own = actions[:, 0, 0] if self._scalar else actions[:, 0]
        obs, reward, terminated, truncated, info = self.env.step(own)
        return obs[:, None], np.asarray(reward, dtype=np.float64)[:, None], terminated, truncated, info

    def snapshot(self) -> Any:
        """Snapshot of the view."""
        return self.env.snapshot()  # type: ignore[attr-defined]

    def restore(self, snapshot: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Go back to a snapshot."""
        obs, info = self.env.restore(snapshot)  # type: ignore[attr-defined]
        return obs[:, None], info

    def close(self) -> None:
        """Close the view."""
        self.env.close()


def make_all_seats(
    env_id: str, num_envs: int, keywords: Mapping[str, Any], wrap: Callable[[Any], Any] = lambda env: env
) -> SeatEnv:
    """Multi-agent view, all seats played from outside.

    Args:
        env_id: environment.
        num_envs: copies B.
        keywords: game parameters and view settings. Without ``actions`` continuous actions are ``unit``, [-1, 1].
        wrap: what is put around the view.

    Raises:
        TypeError: an unknown keyword.
        ValueError: a value that is not allowed.
    """
    env: SeatEnv = payoff.multi_agent_vec(env_id, num_envs=num_envs, **keywords)
    if not ("actions" in keywords or env.num_actions is not None or in_unit_box(env)):
        env.close()
        env = payoff.multi_agent_vec(env_id, num_envs=num_envs, **keywords, actions="unit")
    return wrap(env)


def make_vector(
    env_id: str, num_envs: int, keywords: Mapping[str, Any], *, autoreset_mode: AutoresetMode = AutoresetMode.NEXT_STEP
) -> VectorEnv:
    """Single-agent vector view: one seat, or one controller of all, is played from outside.

    Args:
        env_id: environment.
        num_envs: copies B.
        keywords: as in :func:`make_all_seats`, with ``agent``, ``partners`` and ``control``.
        autoreset_mode: what happens to copies whose episode is over.

    Raises:
        TypeError: an unknown keyword.
        ValueError: a value that is not allowed.
    """
    settings = {"vectorization_mode": "vector_entry_point", "autoreset_mode": autoreset_mode, **keywords}
    env = gym.make_vec(env_id, num_envs=num_envs, **settings)
    space = env.single_action_space
    if "actions" in keywords or not isinstance(space, gym.spaces.Box) or ((space.low == -1) & (space.high == 1)).all():
        return env
    env.close()
    return gym.make_vec(env_id, num_envs=num_envs, **settings, actions="unit")


def make_one_seat(
    env_id: str, num_envs: int, keywords: Mapping[str, Any], wrap: Callable[[VectorEnv], VectorEnv] = lambda env: env
) -> SeatEnv:
    """The view of :func:`make_vector` with the face of :class:`SeatEnv`; ``wrap`` is put around it first."""
    levels = str(keywords.get("actions")).startswith("discrete:")
    return OneSeat(wrap(make_vector(env_id, num_envs, keywords)), levels=levels)


def in_unit_box(env: SeatEnv) -> bool:
    """Whether actions are numbers in [-1, 1]."""
    return env.num_actions is None and bool((env.action_low == -1.0).all() and (env.action_high == 1.0).all())


def check_actions(env: SeatEnv, keywords: Mapping[str, Any]) -> None:
    """Raise ValueError unless a trainer can play: whole numbers, or numbers in [-1, 1]."""
    if env.num_actions is None and not in_unit_box(env):
        raise ValueError(f"actions must be 'unit' or 'discrete:K' for a trainer, got {keywords.get('actions')!r}")


def shares(env: SeatEnv, actions: np.ndarray) -> np.ndarray:
    """Actions ``(B, N, A)`` as shares of the endowment ``(B, N)``, NaN in games whose actions are not amounts."""
    if env.endowment is None:
        return np.full(actions.shape[:2], np.nan)
    return ((actions - env.action_low) / (env.action_high - env.action_low)).mean(axis=-1)


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

    def arrays(self) -> dict[str, np.ndarray]:
        """For a checkpoint: state of the environment, and the sums so far."""
        state = {f"env.{name}": value for name, value in self.env.snapshot().arrays().items()}
        return {"done": self.done, "episodes": self.episodes.running, **state}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Inverse of :meth:`arrays`."""
        state = {name.removeprefix("env."): x for name, x in arrays.items() if name.startswith("env.")}
        self.obs, _ = self.env.restore(type(self.env.snapshot()).from_arrays(state))
        self.done, self.episodes.running = arrays["done"], arrays["episodes"]
