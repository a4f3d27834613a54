"""How trainers see environments, ours and anybody's: observations ``(B, N, O)``, rewards ``(B, N)``.

:func:`payoff.multi_agent_vec` has that face already; :class:`OneSeat` gives it to a Gymnasium ``VectorEnv``, as a game
with a single seat. An environment that is not ours is made by Gymnasium, once for each copy, with observations
flattened and continuous actions rescaled to [-1, 1]; its own reward counts as its payoff.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, VectorEnv

import payoff
from payoff.envs import registry

__all__ = [
    "OneSeat",
    "SeatEnv",
    "Step",
    "check_actions",
    "default_reward",
    "find",
    "in_unit_box",
    "is_outside",
    "longest_episode",
    "make_all_seats",
    "make_one_seat",
    "make_vector",
    "outside_spec",
    "payoffs",
    "shares",
]

Step: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


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
            raise ValueError(
                f"action space must be a Box, Discrete from 0 on, or MultiDiscrete of equal parts, got {space}"
            )
        if self.num_actions is not None:
            high = np.full_like(low, self.num_actions - 1.0)
        self.action_size, self.action_low, self.action_high = low.shape[1], low, high
        # only whether there is an endowment is known here, never in an environment that is not ours: the native bounds
        # are not the view's to tell
        amounts = self.resumable and (self.num_actions is None or levels)
        self.endowment = np.ones(1) if amounts else None
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
        rewards = np.asarray(reward, dtype=np.float64)[:, None]
        info["payoff"] = payoffs(info, rewards)
        return obs[:, None], rewards, terminated, truncated, info

    @property
    def resumable(self) -> bool:
        """Whether the environment takes snapshots, so that a training can go on in the middle."""
        return hasattr(self.env.unwrapped, "snapshot")

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


def find(env_id: str) -> str:
    """Full id of an environment: one of our games (``payoff/`` may be left out), or anything that Gymnasium can make.

    Args:
        env_id: id; ``package.module:id`` imports the module first, which registers it.

    Raises:
        ValueError: nobody knows the id.
        ImportError: the module before the colon cannot be imported.
    """
    return env_id if is_outside(env_id) else registry.full_id(env_id)


def is_outside(env_id: str) -> bool:
    """Whether an id is Gymnasium's to make: known there, and no game of ours (:func:`payoff.register`'s included)."""
    try:
        registry.full_id(env_id)
    except ValueError:
        return outside_spec(env_id) is not None
    return False


def default_reward(env_id: str) -> str:
    """Reward layer of a game where none is named; an environment that is not ours has its own reward, ``private``."""
    return "private" if is_outside(env_id) else registry.load(env_id).rules.default_reward


def payoffs(info: Mapping[str, Any], rewards: np.ndarray) -> np.ndarray:
    """Payoffs ``(B, N)`` of a step; of an environment that is not ours the reward, before any wrapper that is ours.

    Args:
        info: of the step.
        rewards: ``(B, 1)``, as the learner is told.
    """
    if "payoff" in info:
        return np.asarray(info["payoff"])
    return np.asarray(info["true_reward"])[:, None] if "true_reward" in info else rewards


def longest_episode(env_id: str, keywords: Mapping[str, Any]) -> int | None:
    """Steps after which an episode is cut off at the latest; None where nothing says so.

    Args:
        env_id: environment.
        keywords: game parameters and view settings.
    """
    if is_outside(env_id):
        spec = outside_spec(env_id)
        return None if spec is None else spec.max_episode_steps
    game = registry.load(env_id)
    own = {name: value for name, value in keywords.items() if name in game.params.names()}
    return game.shape(game.params.from_keywords(env_id, own)).max_steps


def outside_spec(env_id: str) -> EnvSpec | None:
    """What Gymnasium knows of an id."""
    try:
        return gym.spec(env_id.rpartition(":")[2])
    except gym.error.Error:
        return None


def _outside(env_id: str, num_envs: int, keywords: Mapping[str, Any], autoreset_mode: AutoresetMode) -> VectorEnv:
    """Copies of an environment that is not ours, with flat observations and actions in [-1, 1] or whole numbers."""
    ours = {name: value for name, value in keywords.items() if name in ("info", "reward")}
    if ours.get("reward") not in (None, "private"):
        raise ValueError(f"{env_id} has no reward layers: reward must be left out, got {ours['reward']!r}")
    own = {name: value for name, value in keywords.items() if name not in ours}
    spec = outside_spec(env_id)
    if spec is not None and spec.entry_point is None:  # only batches can be made; they must look like _plain's copies
        return gym.make_vec(env_id, num_envs, "vector_entry_point", autoreset_mode=autoreset_mode, **own)
    modes = {"autoreset_mode": autoreset_mode}
    return gym.make_vec(env_id, num_envs, "sync", vector_kwargs=modes, wrappers=[_plain], **own)


def _plain(env: gym.Env[Any, Any]) -> gym.Wrapper[Any, Any, Any, Any]:
    """Numbers in one row, and actions that a trainer can play.

    Raises:
        ValueError: observations that are no numbers, or continuous actions without bounds.
    """
    space = env.observation_space
    if isinstance(space, gym.spaces.Dict):  # such as MiniGrid's, whose mission is a text
        kept = [name for name, part in space.items() if _is_numbers(part)]
        if len(kept) < len(space.spaces):
            left = ", ".join(name for name in space.spaces if name not in kept)
            warnings.warn(f"{env.spec and env.spec.id}: entries {left} of the observation are left out", stacklevel=2)
            env = gym.wrappers.FilterObservation(env, kept)
    if not _is_numbers(env.observation_space):
        raise ValueError(f"observations must be numbers, got {env.observation_space}")
    flat: gym.Wrapper[Any, Any, Any, Any] = gym.wrappers.FlattenObservation(env)
    if isinstance(env.action_space, gym.spaces.Box):
        if not env.action_space.is_bounded():
            raise ValueError(f"continuous actions must have bounds, got {env.action_space}")
        flat = gym.wrappers.RescaleAction(flat, np.float32(-1.0), np.float32(1.0))
    return flat


def _is_numbers(space: gym.Space[Any]) -> bool:
    if isinstance(space, gym.spaces.Dict | gym.spaces.Tuple):
        parts = space.values() if isinstance(space, gym.spaces.Dict) else space
        return all(_is_numbers(part) for part in parts)
    return isinstance(space, gym.spaces.Box | gym.spaces.Discrete | gym.spaces.MultiDiscrete | gym.spaces.MultiBinary)


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
    if is_outside(env_id):
        raise ValueError(f"only games of Payoff have several seats to learn at once, not {env_id}; see trainer ppo")
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
    if is_outside(env_id):
        return _outside(env_id, num_envs, keywords, autoreset_mode)
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
