"""What a policy is worth: the columns of a row that are about payoffs, whatever the policy was trained on."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from payoff.baselines import evaluation, stats

if TYPE_CHECKING:
    from payoff.baselines.policies import Policy

__all__ = ["View", "measure"]

View = Literal["multi", "single"]
_SINGLE_AGENT = ("agent", "partners", "control")  # settings that only the single-agent view has


def measure(
    policy: Policy, env_id: str, env_params: Mapping[str, Any], *, view: View, episodes: int, seed: int
) -> dict[str, Any]:
    """Play a policy, deterministically where it can, and work out the columns of a row that are about payoffs.

    Args:
        policy: what plays.
        env_id: environment.
        env_params: game parameters and view settings; never the reward.
        view: the seats that it plays, see :func:`payoff.baselines.run.view_of`.
        episodes: episodes to play.
        seed: seed of the first one.
    """
    played = evaluation.evaluate(policy, env_id, episodes=episodes, seed=seed, env_kwargs=env_params, view=view)
    game_only = {name: value for name, value in env_params.items() if name not in _SINGLE_AGENT}
    yardsticks = _yardsticks(env_id, json.dumps(game_only, sort_keys=True), range(seed, seed + episodes))
    payoffs = played.payoffs.mean(axis=0)
    score, best = evaluation.score(played.welfare, yardsticks), yardsticks.best
    amounts = not np.isnan(played.cooperation)
    return {
        "payoffs": payoffs.tolist(),
        "welfare": played.welfare,
        "welfare_random": yardsticks.random,
        "welfare_best": best,
        "best_kind": yardsticks.kind,
        "best_level": yardsticks.level,
        "score": None if np.isnan(score) else score,
        "welfare_ratio": played.welfare / best if played.welfare > 0 and best > 0 else None,
        "fairness_jain": stats.jain_index(payoffs),
        "fairness_worst_off": float(payoffs.min()),
        "cooperation": played.cooperation if amounts else None,
        "cooperation_by_step": played.cooperation_by_step.tolist() if amounts else None,
        "episode_length": played.episode_length,
        "evaluation_episodes": episodes,
    }


@functools.cache
def _yardsticks(env_id: str, env_params: str, starts: range) -> evaluation.Yardsticks:
    """The same for all rewards, seeds and policies, so a process works them out once."""
    return evaluation.yardsticks(env_id, json.loads(env_params), starts=starts)
