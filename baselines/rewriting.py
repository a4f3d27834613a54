"""Whole episodes, and where a reward transform meets a trainer: what it needs, and what a checkpoint says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from payoff.baselines.environments import OneSeat, SeatEnv, shares
from payoff.baselines.rollout import Episodes, Play, Rollout
from payoff.wrappers.redistribution.base import RewardTransform
from payoff.wrappers.rows import BatchInfo, vector_info

__all__ = ["KeptTransform", "collect_episodes", "entries_needed", "entry", "info_level", "methods", "play_episodes"]

_OURS = ("log_prob",)  # what the trainer knows by itself


def info_level(transform: RewardTransform | None, wrapper: Callable[[Any], Any] | None) -> Literal["full", "minimal"]:
    """How much ``info`` a training needs: all of it where a wrapper or a transform may read it."""
    return "full" if wrapper is not None or entries_needed(transform) else "minimal"


def entries_needed(transform: RewardTransform | None) -> tuple[str, ...]:
    """Entries of ``info`` that have to be recorded.

    Raises:
        TypeError: ``transform`` is no RewardTransform.
    """
    given: Any = transform
    if given is not None and not isinstance(given, RewardTransform):
        raise TypeError(f"transform must be a RewardTransform, got {given!r}")
    return () if transform is None else tuple(name for name in transform.needs if name not in _OURS)


class KeptTransform:
    """A transform as a part of a checkpoint.

    Args:
        transform: the transform.
    """

    def __init__(self, transform: RewardTransform) -> None:
        self.transform = transform

    @classmethod
    def of(cls, transform: RewardTransform | None) -> KeptTransform | None:
        """None where there is no transform."""
        return None if transform is None else cls(transform)

    def arrays(self) -> dict[str, np.ndarray]:
        """Its state."""
        return dict(self.transform.state_dict())

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Inverse of :meth:`arrays`."""
        self.transform.load_state_dict(dict(arrays))


def play_episodes(
    args: Any,
    play: Play,
    act: Callable[[np.ndarray], np.ndarray],
    log_probs: Callable[[Rollout], np.ndarray],
    transform: RewardTransform | None,
    update: int,
) -> Rollout:
    """One episode per copy for a trainer, with the rewards that ``transform`` gives it.

    Args:
        args: ``num_envs``, ``num_steps``, ``group_size`` and ``seed`` count.
        play: what is played.
        act: observations ``(B, N, O)`` -> actions ``(B, N, A)``.
        log_probs: log probabilities ``(T, B, N)`` of the actions of a rollout, for transforms that need them.
        transform: what rewrites the rewards, or None.
        update: updates so far; each has start groups of its own.
    """
    group = None
    if args.group_size > 1:  # starts that no other update, and no run of another seed, sees
        groups = args.num_envs // args.group_size
        group = (args.seed * 2**32 + update * groups + np.arange(groups)).repeat(args.group_size)
    needed = entries_needed(transform)
    rollout = collect_episodes(play.env, act, args.num_steps, play.episodes, record=needed, group=group)
    play.obs, play.done = rollout.obs[-1], rollout.terminated[-1] | rollout.truncated[-1]
    if transform is None:
        return rollout
    batch = rollout.batch(group)
    if "log_prob" in transform.needs:
        found = log_probs(rollout).astype(np.float64).reshape(batch.rewards.shape)
        batch = replace(batch, info={**batch.info, "log_prob": found})
    return replace(rollout, rewards=transform(batch).reshape(rollout.rewards.shape))


def collect_episodes(
    env: SeatEnv,
    act: Callable[[np.ndarray], np.ndarray],
    num_steps: int,
    episodes: Episodes,
    *,
    record: Sequence[str] = (),
    group: np.ndarray | None = None,
) -> Rollout:
    """Reset all copies and play one episode in each.

    A copy that is done early goes on with episodes that count for nothing, until the last one is done. Wrappers see
    them: a count that all copies share holds these visits as well.

    Args:
        env: in next-step autoreset mode, with ``payoff`` in its info.
        act: observations ``(B, N, O)`` -> actions ``(B, N, A)``.
        num_steps: most calls that an episode may take.
        episodes: where the payments are added.
        record: entries of ``info`` to keep, a dot going into a dict (``"reward_terms.bonus"``); ``state`` is the game's
            state row after the step, for our own games.
        group: ``(B,)`` start group of each copy; None: each starts by itself.

    Raises:
        ValueError: an episode is longer than ``num_steps``.
        KeyError: the environment has no such entry; see ``info="full"``.
        TypeError: an entry is a dict, or ``state`` was asked of an environment that is not ours.
    """
    obs, info = env.reset() if group is None else env.reset(options={"group": group.tolist()})
    everyone = np.ones(env.num_envs, dtype=np.bool_)
    r = Rollout.blank(env, num_steps, obs)
    seen = _entries(env, info, everyone)
    r.start = {name: _read(env, seen, name) for name in record if name == "state" or entry(seen, name) is not None}
    entries: dict[str, list[np.ndarray]] = {name: [] for name in record}
    episodes.running[:] = 0.0  # whatever ran before the reset will not end
    running, made = everyone, 0
    while running.any():
        if made == num_steps:
            raise ValueError(f"rollout='episodes' needs num_steps of at least the longest episode, got {num_steps}")
        r.valid[made] = running
        r.actions[made] = act(obs)
        obs, rewards, terminated, truncated, info = env.step(r.actions[made])
        r.obs[made + 1] = obs
        r.rewards[made] = np.where(running[:, None], rewards, 0.0)
        r.terminated[made], r.truncated[made] = running & terminated, running & truncated
        ended = r.terminated[made] | r.truncated[made]
        share = shares(env, r.actions[made]).mean(axis=1)
        episodes.add(running, info["payoff"].sum(axis=1), r.rewards[made].sum(axis=1), share, ended)
        if record:
            seen = _entries(env, info, running)
            for name, kept in entries.items():
                kept.append(_read(env, seen, name))
        running, made = running & ~ended, made + 1
    r.info = {name: np.stack(kept) for name, kept in entries.items()}
    return r.first(made)


def entry(info: Mapping[str, Any], name: str) -> Any:
    """Entry of ``info``, a dot going into a dict, as in ``"reward_terms.bonus"``; None where there is none."""
    if name in info:
        return info[name]
    value: Any = info
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _entries(env: SeatEnv, info: Mapping[str, Any], need: np.ndarray) -> BatchInfo:
    """Entries of ``info`` with a row for each seat, as the wrappers see them."""
    seen = vector_info(info, need)
    return seen if isinstance(env, OneSeat) else seen.repeated(env.num_agents, getattr(env, "per_agent", None))


def _read(env: SeatEnv, seen: BatchInfo, name: str) -> np.ndarray:
    """Copy of an entry ``(B N, ...)``, or of the state rows."""
    if name == "state":
        engine = getattr(env.env.unwrapped if isinstance(env, OneSeat) else env, "engine", None)
        if engine is None:
            raise TypeError(f"only games of this package have a state to record, not {type(env).__name__}")
        return np.repeat(engine.state, env.num_agents, axis=0)
    value = entry(seen, name)
    if value is None:
        value = seen[name]  # says what there is instead
    if isinstance(value, BatchInfo):
        raise TypeError(f"info[{name!r}] must be an array to be recorded, got entries {', '.join(value)}")
    return np.array(value)


def methods(transform: RewardTransform | None, env: SeatEnv) -> dict[str, Any]:
    """Names of what changes the reward, for a checkpoint: the transform and the wrappers, outermost first."""
    names: list[str] = []
    layer: Any = env
    while layer is not None:
        if (method := getattr(layer, "method", None)) is not None:
            names.append(type(method).__qualname__)
        layer = getattr(layer, "env", None)
    return {"transform": None if transform is None else type(transform).__qualname__, "wrappers": names}
