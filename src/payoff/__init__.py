"""Payoff: what does the reward do to the behaviour?

Importing this registers every environment id with Gymnasium and PettingZoo; games, numba and torch are imported when
they are first needed::

    import gymnasium as gym
    import payoff

    env = gym.make("payoff/TrustDilemma-v0", reward="private")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import payoff.envs as envs  # registers the ids

if TYPE_CHECKING:
    from payoff.envs.certificate import certificate
    from payoff.envs.mdp import as_mdp
    from payoff.envs.registry import ids, register
    from payoff.envs.views.aec import aec_env
    from payoff.envs.views.multi_agent import MultiAgentVec as multi_agent_vec
    from payoff.envs.views.parallel import GameParallelEnv as parallel_env

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "aec_env",
    "as_mdp",
    "certificate",
    "envs",
    "ids",
    "multi_agent_vec",
    "parallel_env",
    "register",
]

_WHERE = {
    "aec_env": "payoff.envs.views.aec:aec_env",
    "as_mdp": "payoff.envs.mdp:as_mdp",
    "certificate": "payoff.envs.certificate:certificate",
    "ids": "payoff.envs.registry:ids",
    "multi_agent_vec": "payoff.envs.views.multi_agent:MultiAgentVec",
    "parallel_env": "payoff.envs.views.parallel:GameParallelEnv",
    "register": "payoff.envs.registry:register",
}


def __getattr__(name: str) -> Any:
    if name in ("baselines", "calibration", "game", "rewards", "wrappers"):
        return importlib.import_module(f"payoff.{name}")
    if name not in _WHERE:
        raise AttributeError(f"module 'payoff' has no attribute {name!r}")
    module, _, attribute = _WHERE[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
