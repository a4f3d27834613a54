"""Reward transforms in the on-policy algorithms of Stable-Baselines3: a callback that rewrites the rollout buffer.

The library plays so many steps, not whole episodes, so episodes cross the borders of its rollouts. What the callback
does with them:

- a transform is shown every episode from its first step on, with the steps of earlier rollouts, which the callback
  keeps;
- only the rewards of the present rollout are written; those before were learned from already;
- an episode that is still running is shown as far as it goes, unfinished, and again when there is more of it.
  Transforms learn from finished episodes only, so they learn from each once.

An episode within one rollout therefore has its return conserved where the transform conserves returns. One that crosses
a border has not: its first part was written before its return was known. Rollouts that are long against the episodes
keep that share small. An episode that was under way before the callback came keeps its rewards.

The library adds ``gamma V(last observation)`` to the last reward of a truncated episode. That part is kept.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from payoff.baselines.rewriting import entry
from payoff.wrappers.redistribution.base import EpisodeBatch, RewardTransform

__all__ = ["RewardTransformCallback"]


_Place = tuple[int, int, int, int]  # copy, first step, stop, steps before this rollout


class RewardTransformCallback(BaseCallback):
    """Rewrites the rewards of each rollout of PPO or A2C, then has its returns and advantages computed again.

    ``needs`` of the transform are read from the infos of the steps (``log_prob`` from the buffer); our own view gives
    them when it is made with ``env_kwargs={"info": "full"}``. ``start`` of a batch is what the resets told. Rewards are
    those that the algorithm sees: with ``VecNormalize(norm_reward=True)`` their scale drifts from rollout to rollout,
    so for a transform that learns, switch that off. Continuous actions are the algorithm's samples, before it clips
    them to the box.

    Args:
        transform: what rewrites the rewards; it serves this training only, since it may learn.

    Raises:
        TypeError: ``transform`` is no RewardTransform; on ``learn``: the algorithm has no such rollouts, or
            observations are dicts.
        KeyError: on the first step: the infos lack an entry of ``needs``.
    """

    def __init__(self, transform: RewardTransform) -> None:
        if not isinstance(transform, RewardTransform):
            raise TypeError(f"transform must be a RewardTransform, got {type(transform).__name__}")
        super().__init__()
        self.transform = transform
        self._names = [name for name in transform.needs if name != "log_prob"]
        self._steps: list[dict[str, Any]] = []
        self._kept: list[dict[str, np.ndarray] | None] = []  # earlier part of each copy's episode; None: unknown
        self._starts: list[Mapping[str, Any]] = []
        self._until = -1

    def _init_callback(self) -> None:
        if not isinstance(self.model, OnPolicyAlgorithm):
            raise TypeError(f"only on-policy algorithms have rollouts to rewrite, not {type(self.model).__name__}")
        if isinstance(self.model.observation_space, gym.spaces.Dict):
            raise TypeError("observations must be arrays for a reward transform, got a Dict space")
        native: Any = self.training_env.unwrapped
        if hasattr(native, "record"):
            native.record(self._names)

    def _on_training_start(self) -> None:
        assert isinstance(self.model, OnPolicyAlgorithm)
        begins = np.asarray(self.model._last_episode_starts, dtype=np.bool_)
        self._steps = []  # those of a rollout that another callback broke off
        known = self._until == self.model.num_timesteps  # a training that goes on after the last one
        kept = self._kept if known else [None] * len(begins)
        starts = self._starts if known else [{}] * len(begins)
        self._kept = [{} if begin else part for begin, part in zip(begins, kept, strict=True)]
        self._starts = [
            self._begun(b) if begin else old for b, (begin, old) in enumerate(zip(begins, starts, strict=True))
        ]

    def _begun(self, b: int) -> dict[str, Any]:
        """Entries that the last reset of copy ``b`` told."""
        told = self.training_env.unwrapped.reset_infos[b]
        found = {name: entry(told, name) for name in self._names}
        return {name: np.array(value) for name, value in found.items() if value is not None}

    def _on_step(self) -> bool:
        done, infos = np.array(self.locals["dones"]), self.locals["infos"]
        step: dict[str, Any] = {
            "rewards": np.array(self.locals["rewards"]),  # the library adds to this array in place, later on
            "done": done,
            "cut": np.array([info.get("TimeLimit.truncated", False) for info in infos]),
            "last": {b: np.array(infos[b]["terminal_observation"]) for b in np.flatnonzero(done)},
            "start": {b: self._begun(int(b)) for b in np.flatnonzero(done)},
        }
        for name in self._names:
            found = [entry(info, name) for info in infos]
            if any(value is None for value in found):
                raise KeyError(f"{type(self.transform).__name__} needs infos with {name!r}; see env_kwargs info='full'")
            step[f"info.{name}"] = np.stack([np.asarray(value) for value in found])
        self._steps.append(step)
        return True

    def _on_rollout_end(self) -> None:
        assert isinstance(self.model, OnPolicyAlgorithm)
        buffer, steps = self.model.rollout_buffer, self._steps
        raw = np.stack([s["rewards"] for s in steps])
        columns = {
            "obs": buffer.observations,
            "actions": buffer.actions,
            "rewards": raw,
            "info.log_prob": buffer.log_probs,
        }
        columns |= {name: np.stack([s[name] for s in steps]) for name in steps[0] if name.startswith("info.")}
        episodes, places = self._episodes(columns)
        if episodes:
            bootstrap = buffer.rewards - raw
            new = self.transform(_stacked(episodes, self._names, "log_prob" in self.transform.needs))
            for e, (b, first, stop, before) in enumerate(places):
                part = new[before : before + stop - first, e]
                buffer.rewards[first:stop, b] = part + bootstrap[first:stop, b]
            buffer.compute_returns_and_advantage(last_values=self.locals["values"], dones=self.locals["dones"])
        self._steps, self._until = [], self.model.num_timesteps

    def _episodes(self, columns: Mapping[str, np.ndarray]) -> tuple[list[dict[str, Any]], list[_Place]]:
        """Episodes from their first steps on, and where each lies."""
        model: Any = self.model
        steps, shape = self._steps, model.rollout_buffer.obs_shape
        episodes: list[dict[str, Any]] = []
        places: list[_Place] = []
        for b in range(len(self._kept)):
            ends = [t + 1 for t, s in enumerate(steps) if s["done"][b]]
            borders = [0, *ends] if ends and ends[-1] == len(steps) else [0, *ends, len(steps)]
            for first, stop in itertools.pairwise(borders):
                kept, final = self._kept[b], steps[stop - 1]
                done = bool(final["done"][b])
                if kept is not None:
                    now = {name: x[first:stop, b] for name, x in columns.items()}
                    whole = {k: np.concatenate([kept[k], x]) if kept else x.copy() for k, x in now.items()}
                    last = final["last"][b] if done else model._last_obs[b]
                    cut = done and bool(final["cut"][b])
                    ending = {"next": np.reshape(last, shape), "terminated": done and not cut, "truncated": cut}
                    episodes.append({**whole, **ending, "start": self._starts[b]})
                    places.append((b, first, stop, len(whole["rewards"]) - (stop - first)))
                    self._kept[b] = whole
                if done:
                    self._kept[b], self._starts[b] = {}, final["start"][b]
        return episodes, places


def _stacked(episodes: list[dict[str, Any]], names: list[str], log_prob: bool) -> EpisodeBatch:
    """Episodes side by side, padded with zeros to the longest."""
    lengths = np.array([len(e["rewards"]) for e in episodes])
    size, longest = len(episodes), int(lengths.max())
    valid = np.arange(longest)[:, None] < lengths

    def padded(name: str, extra: int = 0) -> np.ndarray:
        first = episodes[0][name]
        kind = np.float64 if name in ("rewards", "info.log_prob") else first.dtype
        table = np.zeros((longest + extra, size, *first.shape[1:]), dtype=kind)
        for e, episode in enumerate(episodes):
            table[: lengths[e], e] = episode[name]
        return table

    obs = padded("obs", 1)
    ends = np.zeros((2, longest, size), dtype=np.bool_)
    for e, episode in enumerate(episodes):
        obs[lengths[e], e] = episode["next"]
        ends[:, lengths[e] - 1, e] = episode["terminated"], episode["truncated"]
    recorded = {name: padded(f"info.{name}") for name in [*names, *(["log_prob"] if log_prob else [])]}
    told = [name for name in names if all(name in episode["start"] for episode in episodes)]
    start = {name: np.stack([episode["start"][name] for episode in episodes]) for name in told}
    return EpisodeBatch(obs, padded("actions"), padded("rewards"), ends[0], ends[1], valid, recorded, start)
