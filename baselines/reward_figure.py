"""A learned reward as a picture: over the plane where observations are two numbers, along episodes elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv

from payoff.baselines.environments import make_vector
from payoff.extras import require
from payoff.wrappers import LearnedReward, Transition, wrap
from payoff.wrappers.rows import vector_info

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["reward_figure"]

_SIDE = 60  # places along an axis of the plane
_EPISODES = 4
_LONGEST = 1000  # steps of an episode that are drawn


def reward_figure(reward: LearnedReward, env_id: str, keywords: Mapping[str, Any], *, seed: int = 0) -> Figure:
    """Draw a learned reward of an environment.

    Where observations are two bounded numbers and actions whole numbers: what it pays at each place for a given reward
    of 0, mean over the actions, and what each unit of an auxiliary reward adds. Elsewhere: its sum along episodes of
    uniformly random play, beside that of the given reward.

    Args:
        reward: the reward.
        env_id: environment.
        keywords: game parameters and view settings.
        seed: of the episodes.

    Raises:
        ValueError: the reward was learned for other observations or actions.
    """
    env = make_vector(env_id, _EPISODES, {"info": "full", **keywords})
    figures = require("matplotlib.figure", "train")
    try:
        if _is_plane(env):
            return _plane(reward, env, env_id, figures)
        return _episodes(reward, env, env_id, figures, seed)
    finally:
        env.close()


def _is_plane(env: VectorEnv) -> bool:
    seen = env.single_observation_space
    two = isinstance(seen, gym.spaces.Box) and seen.shape == (2,) and bool(np.isfinite([seen.low, seen.high]).all())
    return two and isinstance(env.single_action_space, gym.spaces.Discrete)


def _plane(reward: LearnedReward, env: VectorEnv, env_id: str, figures: Any) -> Figure:
    seen: Any = env.single_observation_space
    x, y = (np.linspace(low, high, _SIDE) for low, high in zip(seen.low, seen.high, strict=True))
    across, up = np.meshgrid(x, y)
    places = np.stack([across.ravel(), up.ravel()], axis=1).astype(np.float32)

    def paid(aux: float) -> np.ndarray:
        """Mean over actions."""
        rows = len(places)
        no = np.zeros(rows, dtype=np.bool_)
        info = vector_info({"aux": np.full(rows, aux)}, ~no)
        actions: Any = env.single_action_space
        each = [
            reward(Transition(places, np.full(rows, a), np.zeros(rows), places, no, no, info, ~no))
            for a in range(int(actions.n))
        ]
        found: np.ndarray = np.mean(each, axis=0).reshape(_SIDE, _SIDE)
        return found

    added = paid(0.0)
    weight = paid(1.0) - added
    panels = {"added to the reward": added, **({"weight of the auxiliary reward": weight} if weight.any() else {})}
    figure: Figure = figures.Figure(figsize=(1.0 + 4.2 * len(panels), 3.8), layout="constrained")
    for axes, (title, values) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        most = float(np.abs(values).max()) or 1.0
        image = axes.pcolormesh(x, y, values, cmap="RdBu", vmin=-most, vmax=most, shading="nearest")
        figure.colorbar(image, ax=axes)
        axes.set_title(title, fontsize=10.5)
        axes.set_aspect("equal")
    figure.suptitle(env_id.removeprefix("payoff/"), fontsize=11)
    return figure


def _episodes(reward: LearnedReward, env: VectorEnv, env_id: str, figures: Any, seed: int) -> Figure:
    wrapped = wrap(env, reward)
    wrapped.reset(seed=seed)
    wrapped.action_space.seed(seed)
    running = np.ones(env.num_envs, dtype=np.bool_)
    sums: list[np.ndarray] = [np.zeros((2, env.num_envs))]
    while running.any() and len(sums) <= _LONGEST:
        _, told, terminated, truncated, info = wrapped.step(wrapped.action_space.sample())
        step = np.stack([np.asarray(info["true_reward"], dtype=np.float64), np.asarray(told, dtype=np.float64)])
        sums.append(sums[-1] + np.where(running, step, np.nan))
        running &= ~(terminated | truncated)
    curves = np.stack(sums)
    figure: Figure = figures.Figure(figsize=(8.4, 3.6), layout="constrained")
    names = ("given reward", "learned reward")
    for axes, values, title in zip(figure.subplots(1, 2), curves.transpose(1, 0, 2), names, strict=True):
        axes.plot(values, linewidth=1.4)
        axes.set_title(f"{title}, summed", fontsize=10.5)
        axes.set_xlabel("step of an episode of random play")
        axes.grid(alpha=0.3)
    figure.suptitle(env_id.removeprefix("payoff/"), fontsize=11)
    return figure
