"""A learned reward, finished: a function of a step that is kept in a file and pays the same wherever it is used.

Whatever found it (a bi-level method, a teacher, preferences), any learner trains under it, Stable-Baselines3's
included: ``wrap(env, reward)``. A file holds numbers and JSON; loading one runs nothing that it says.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from payoff.envs.core.specification import near
from payoff.files import load_arrays, save_arrays
from payoff.wrappers.base import RewardMethod
from payoff.wrappers.rows import Array

__all__ = ["KINDS", "LearnedReward", "load_reward", "save_reward"]

# kind -> where its class is; a class of another package is its own kind, "package.module:Name"
KINDS: dict[str, str] = {
    "RewardBlend": "payoff.wrappers.learned.blend:RewardBlend",
    "TableReward": "payoff.wrappers.learned.table:TableReward",
    "LinearReward": "payoff.wrappers.learned.linear_reward:LinearReward",
    "NetworkReward": "payoff.wrappers.learned.network_reward:NetworkReward",
    "ExpressionReward": "payoff.wrappers.llm.expression_reward:ExpressionReward",
}


class LearnedReward(RewardMethod):
    """Base of finished rewards: nothing about them changes while they pay, and one object serves many environments.

    Subclasses define ``__call__``, :meth:`settings`, :meth:`arrays` and :meth:`build`.
    """

    term: ClassVar[str] = "shaping"

    def settings(self) -> dict[str, Any]:
        """What :meth:`build` needs beside arrays: JSON values by name."""
        raise NotImplementedError(f"{type(self).__name__} must define settings()")

    def arrays(self) -> dict[str, Array]:
        """Its numbers, by name."""
        raise NotImplementedError(f"{type(self).__name__} must define arrays()")

    @classmethod
    def build(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """The reward of these settings and arrays.

        Raises:
            KeyError: one of them is missing.
            TypeError: a setting of another type.
            ValueError: a setting or an array that does not fit.
        """
        raise NotImplementedError(f"{cls.__name__} must define build(settings, arrays)")

    def attach(self, adapter: object) -> Self:
        """This object: it remembers nothing of an episode, so environments may share it."""
        return self


def save_reward(path: str | os.PathLike[str], reward: LearnedReward) -> None:
    """Write a learned reward to a file of safetensors.

    Raises:
        TypeError: ``reward`` is no LearnedReward.
        ValueError: an array or setting that a file cannot hold; see :func:`payoff.files.save_arrays`.
    """
    given: Any = reward
    if not isinstance(given, LearnedReward):
        raise TypeError(f"reward must be a LearnedReward, got {type(given).__name__}")
    save_arrays(path, reward.arrays(), {"kind": _kind(type(reward)), "settings": reward.settings()}, "reward")


def load_reward(path: str | os.PathLike[str]) -> LearnedReward:
    """Read a file of :func:`save_reward`.

    A file is data: of classes from other packages, only those whose module is imported already are asked.

    Raises:
        ValueError: the file is damaged or no learned reward, or its class is not known.
        FileNotFoundError: there is no such file.
    """
    arrays, meta = load_arrays(path, "reward")
    kind, settings = meta.get("kind"), meta.get("settings")
    if not isinstance(kind, str) or not isinstance(settings, dict):
        raise ValueError(f"{path} is no learned reward: it must say its kind and settings")
    module, _, name = KINDS.get(kind, kind).partition(":")
    if kind in KINDS:
        importlib.import_module(module)
    found = getattr(sys.modules.get(module), name, None) if name else None
    if not (isinstance(found, type) and issubclass(found, LearnedReward)) or found.build == LearnedReward.build:
        hint = f"; import {module} first" if name and module not in sys.modules else near(kind, KINDS)
        raise ValueError(f"{path} is a reward of the kind {kind!r}, which is not known{hint}")
    try:
        return found.build(settings, arrays)
    except KeyError as error:
        raise ValueError(f"{path} cannot be used: {error.args[0]} is missing") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} cannot be used: {error}") from error


def _kind(cls: type) -> str:
    where = f"{cls.__module__}:{cls.__qualname__}"
    return next((kind for kind, known in KINDS.items() if known == where), where)
