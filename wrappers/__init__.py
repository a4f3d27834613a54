"""Shaping wrappers: they add to or replace a reward and leave the game as it is.

A method (:class:`RewardMethod`) is a batched function of a :class:`Transition`; :func:`wrap` puts it around a Gymnasium
``Env`` or ``VectorEnv``, a PettingZoo ``ParallelEnv``, or a multi-agent batch::

    env = wrap(env, PotentialShaping(from_info("progress"), gamma=0.99, on_truncation="bootstrap"))

Names are imported on first use; importing this package imports neither numba, torch nor PettingZoo.
"""

if __name__ != "payoff.wrappers":  # reached as a bare `wrappers` from the repository root
    raise ImportError("import payoff.wrappers, not wrappers")

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from payoff.wrappers.adapters import wrap
    from payoff.wrappers.adapters.multi_agent import MultiAgentVecRewardWrapper
    from payoff.wrappers.adapters.parallel import ParallelRewardWrapper
    from payoff.wrappers.adapters.single import RewardWrapper
    from payoff.wrappers.adapters.vector import VectorRewardWrapper
    from payoff.wrappers.base import RewardMethod, RowMethod, Transition, WrapperSnapshot
    from payoff.wrappers.potential.shaping import PotentialShaping, from_info, from_table
    from payoff.wrappers.redistribution.delay import DelayReward
    from payoff.wrappers.rows import BatchInfo

__all__ = [
    "BatchInfo",
    "DelayReward",
    "MultiAgentVecRewardWrapper",
    "ParallelRewardWrapper",
    "PotentialShaping",
    "RewardMethod",
    "RewardWrapper",
    "RowMethod",
    "Transition",
    "VectorRewardWrapper",
    "WrapperSnapshot",
    "from_info",
    "from_table",
    "wrap",
]

_WHERE = {
    "BatchInfo": "rows",
    "DelayReward": "redistribution.delay",
    "MultiAgentVecRewardWrapper": "adapters.multi_agent",
    "ParallelRewardWrapper": "adapters.parallel",
    "PotentialShaping": "potential.shaping",
    "RewardMethod": "base",
    "RewardWrapper": "adapters.single",
    "RowMethod": "base",
    "Transition": "base",
    "VectorRewardWrapper": "adapters.vector",
    "WrapperSnapshot": "base",
    "from_info": "potential.shaping",
    "from_table": "potential.shaping",
    "wrap": "adapters",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'payoff.wrappers' has no attribute {name!r}")
    return getattr(importlib.import_module(f"payoff.wrappers.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
