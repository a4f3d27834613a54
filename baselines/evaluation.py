"""Evaluation in payoffs, whatever a policy was trained on, and the yardsticks that make games comparable.

``score = (welfare - random) / (best - random)`` is the normalised return. 0 is uniform random play. 1 is, in a game of
one player with a known optimum, that optimum (or what the scripted reference returns), in an environment that is not
ours the reward threshold of its registration, where there is one, and elsewhere the best of the
101 policies in which every seat always contributes the same whole per cent of its own endowment; policies that react
may score above that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from payoff.baselines.environments import SeatEnv, is_outside, make_all_seats, make_one_seat, outside_spec, shares
from payoff.baselines.policies import ConstantPolicy, Policy, RandomPolicy

__all__ = ["Evaluation", "Yardsticks", "evaluate", "score", "yardsticks"]

LEVELS = 101
Kind: TypeAlias = Literal["constant", "optimum", "reference", "threshold"]
_NO_MATTER = ("actions", "reward", "agent", "partners", "control")


@dataclass(frozen=True)
class Evaluation:
    """What E episodes came to.

    Attributes:
        payoffs: ``(E, N)`` undiscounted sum of each seat's payoffs.
        lengths: ``(E,)`` steps.
        levels: ``(E, S)`` mean action / endowment of each seat that the policy plays, NaN where actions are no amounts.
        cooperation_by_step: ``(T,)`` mean action / endowment at each step, over the episodes that got that far.
    """

    payoffs: np.ndarray
    lengths: np.ndarray
    levels: np.ndarray
    cooperation_by_step: np.ndarray

    @property
    def welfare(self) -> float:
        """Sum over seats of the payoffs, mean over episodes."""
        return float(self.payoffs.sum(axis=1).mean())

    @property
    def cooperation(self) -> float:
        """Mean of action / endowment over steps, seats and episodes; NaN where actions are no amounts."""
        return float(self.levels.mean())

    @property
    def episode_length(self) -> float:
        """Mean number of steps."""
        return float(self.lengths.mean())


@dataclass(frozen=True)
class Yardsticks:
    """What welfare is measured against.

    Attributes:
        random: welfare of uniform random play.
        best: welfare that counts as 1.
        kind: what that is: ``"optimum"``, ``"reference"`` (of the game's scripted solution), ``"threshold"`` (of the
            environment's registration) or ``"constant"``.
        level: the constant, a share of the endowment; where actions are no amounts, the action over the last one. None
            where ``best`` is no constant's.
    """

    random: float
    best: float
    kind: Kind
    level: float | None = None


def evaluate(
    policy: Policy,
    env_id: str,
    *,
    episodes: int,
    seed: int,
    num_envs: int | None = None,
    deterministic: bool = True,
    env_kwargs: Mapping[str, Any] | None = None,
    view: Literal["multi", "single"] = "multi",
) -> Evaluation:
    """Play episodes and add up ``info["payoff"]``.

    Args:
        policy: plays all seats, or in the single-agent view the one that the view learns.
        env_id: environment.
        episodes: number of episodes E.
        seed: episode k is the first episode of seed + k, whatever ``num_envs``.
        num_envs: copies that play at once, all episodes when None.
        deterministic: the policy's best guesses instead of draws.
        env_kwargs: game parameters and view settings. Without ``actions`` continuous actions are ``unit``.
        view: all seats are the policy's, or partners play the others (``agent``, ``partners``, ``control``).

    Raises:
        ValueError: a value that is not allowed.
        TypeError: an unknown keyword.
    """
    if episodes < 1:
        raise ValueError(f"episodes must be at least 1, got {episodes}")
    if view not in ("multi", "single"):
        raise ValueError(f"view must be 'multi' or 'single', got {view!r}")
    size = min(episodes, num_envs or episodes)
    keywords = {"info": "minimal", **(env_kwargs or {})}
    env = (make_all_seats if view == "multi" else make_one_seat)(env_id, size, keywords)
    try:
        # the last batch plays a few episodes too many, so that every batch has the same size
        parts = [_play(env, policy, seed + first, deterministic) for first in range(0, episodes, size)]
    finally:
        env.close()
    payoffs, lengths, levels = (np.concatenate([p[i] for p in parts])[:episodes] for i in range(3))
    by_step = [row for part in parts for row in part[3].T][:episodes]
    return Evaluation(payoffs, lengths, levels, _mean_by_step(by_step))


def yardsticks(
    env_id: str,
    env_kwargs: Mapping[str, Any] | None = None,
    *,
    episodes: int = 100,
    episodes_per_level: int = 5,
    seed: int = 0,
    starts: Sequence[int] | None = None,
) -> Yardsticks:
    """Welfare of uniform random play, and the best there is: the optimum where it is known, else the best constant.

    Args:
        env_id: environment.
        env_kwargs: game parameters and view settings; ``actions``, ``reward`` and who plays which seat do not matter.
        episodes: episodes of random play.
        episodes_per_level: episodes of each constant, with the same seeds for all of them.
        seed: seed of the first episode.
        starts: seeds of the episodes whose optimum is averaged, best those that a policy is judged on; None: those of
            random play.
    """
    keywords = {k: v for k, v in (env_kwargs or {}).items() if k not in _NO_MATTER} | {"info": "minimal"}
    ours = not is_outside(env_id)
    make = make_all_seats if ours else make_one_seat
    probe = make(env_id, 1, keywords)
    if probe.num_actions is None and ours:
        probe.close()
        keywords["actions"] = "native"  # so that a level is exact, not rounded
        probe = make(env_id, 1, keywords)
    probe.close()
    bounds, num_actions = (probe.action_low, probe.action_high), probe.num_actions
    uniform = evaluate(
        RandomPolicy(*bounds, num_actions=num_actions, seed=seed),
        env_id,
        episodes=episodes,
        seed=seed,
        deterministic=False,
        env_kwargs=keywords,
        view="multi" if ours else "single",
    )
    played = range(seed, seed + episodes) if starts is None else starts
    known = _optimum(env_id, keywords, played) if ours else _threshold(env_id)
    if known is not None:
        return Yardsticks(uniform.welfare, *known)
    levels = np.linspace(0.0, 1.0, LEVELS if num_actions is None else num_actions)
    env = make(env_id, len(levels) * episodes_per_level, keywords)
    seeds = np.tile(seed + np.arange(episodes_per_level), len(levels)).tolist()
    each = np.repeat(levels, episodes_per_level)[:, None]
    payoffs = _play(env, ConstantPolicy(each, *bounds, num_actions=num_actions), seeds, True)[0]
    env.close()
    constants = payoffs.sum(axis=1).reshape(len(levels), episodes_per_level).mean(axis=1)
    best = int(constants.argmax())
    return Yardsticks(uniform.welfare, float(constants[best]), "constant", float(levels[best]))


def _optimum(env_id: str, keywords: Mapping[str, Any], starts: Sequence[int]) -> tuple[float, Kind] | None:
    """Mean of the optimum over the first episodes of these seeds, and its kind; None where a game knows none."""
    env = make_all_seats(env_id, len(starts), keywords)
    engine, found = getattr(env, "engine", None), None
    if engine is not None and engine.game.optimum is not None:
        env.reset(seed=list(starts))
        best = np.mean([engine.game.optimum(engine.rows[0], row)[0] for row in engine.state])
        kind: Kind = "reference" if engine.game.optimum_kind == "reference" else "optimum"
        found = float(best), kind
    env.close()
    return found


def _threshold(env_id: str) -> tuple[float, Kind] | None:
    """Return at which an environment that is not ours counts as solved, where its registration says one."""
    spec = outside_spec(env_id)
    return None if spec is None or spec.reward_threshold is None else (float(spec.reward_threshold), "threshold")


def score(welfare: float, measured: Yardsticks) -> float:
    """Normalised return: 0 for random play, 1 for the best; NaN where the best does not beat random play."""
    gap = measured.best - measured.random
    return (welfare - measured.random) / gap if gap > 0.0 else float("nan")


def _play(
    env: SeatEnv, policy: Policy, seed: int | list[int], deterministic: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One episode of each copy: payoffs ``(B, N)``, lengths ``(B,)``, levels ``(B, S)``, mean level by step ``(T, B)``.

    Copies that are done play on, under next-step autoreset, and are not counted.
    """
    obs, _ = env.reset(seed=seed)
    playing = np.ones(env.num_envs, dtype=np.bool_)
    payoffs: np.ndarray | float = 0.0
    levels: np.ndarray | float = 0.0
    lengths = np.zeros(env.num_envs, dtype=np.int64)
    by_step = []
    while playing.any():
        actions = policy.act(obs, deterministic=deterministic)
        actions = actions.reshape(env.num_envs, env.num_agents, env.action_size)
        level = np.where(playing[:, None], shares(env, actions), 0.0)
        by_step.append(np.where(playing, level.mean(axis=1), np.nan))
        obs, _, terminated, truncated, info = env.step(actions)
        payoffs = payoffs + np.where(playing[:, None], info["payoff"], 0.0)
        levels, lengths = levels + level, lengths + playing
        playing &= ~(terminated | truncated)
    return np.asarray(payoffs), lengths, levels / lengths[:, None], np.array(by_step)


def _mean_by_step(rows: list[np.ndarray]) -> np.ndarray:
    """Mean over episodes of rows of different lengths, NaN marking what was not played."""
    longest = max(len(row) for row in rows)
    table = np.full((len(rows), longest), np.nan)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    played = ~np.isnan(table)
    counts = played.sum(axis=0)
    means = np.where(played, table, 0.0).sum(axis=0) / np.maximum(counts, 1)
    return means[: counts.nonzero()[0].max() + 1] if counts.any() else np.full(longest, np.nan)
