"""How actions are written: ``native`` units, the ``unit`` interval [-1, 1], or ``discrete:K`` levels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from payoff.envs.core import loop
from payoff.envs.core.state import Array

__all__ = ["NUMERIC", "ActionFormat", "parse"]

MOST_LEVELS = 100_000  # evaluation plays every level
NUMERIC = "fiu"  # kinds of dtype that are numbers: no bool, no text, no complex


@dataclass(frozen=True, slots=True)
class ActionFormat:
    """Format of one game's actions.

    Attributes:
        mode: code of the compiled decoder.
        levels: number of levels or of integer actions, 0 where actions are continuous.
        low: ``(N, A)`` lower bounds as written.
        high: ``(N, A)`` upper bounds as written.
        name: what the user asked for.
    """

    mode: int
    levels: int
    low: Array
    high: Array
    name: str

    @property
    def discrete(self) -> bool:
        """Whether an action is a whole number."""
        return self.levels > 0

    def space(self, seat: int) -> gym.Space[Any]:
        """Action space of one seat."""
        size = self.low.shape[1]
        if not self.discrete:
            return gym.spaces.Box(self.low[seat].astype(np.float32), self.high[seat].astype(np.float32))
        if size == 1:
            return gym.spaces.Discrete(self.levels)
        return gym.spaces.MultiDiscrete(np.full(size, self.levels))

    def joint_space(self) -> gym.Space[Any]:
        """Action space of one controller for all seats, entries in seat order."""
        if self.discrete:
            return gym.spaces.MultiDiscrete(np.full(self.low.size, self.levels))
        return gym.spaces.Box(self.low.ravel().astype(np.float32), self.high.ravel().astype(np.float32))

    def read(self, action: Any, shape: tuple[int, ...], owner: str) -> Array:
        """Action as an array of the given shape.

        Raises:
            ValueError: another shape, or something that is no number; values are checked by the kernel.
        """
        try:
            array = np.asarray(action)
        except ValueError:  # a ragged list
            raise ValueError(f"{owner}: action must be numbers of shape {shape}, got {action!r}") from None
        if array.dtype.kind not in NUMERIC:
            raise ValueError(f"{owner}: action must be numbers of shape {shape}, got {action!r}")
        # where an action is one number it may be written without its axis, as samples of Discrete are
        if array.shape == shape or (shape[-1] == 1 and array.shape == shape[:-1]):
            return array.reshape(shape)
        raise ValueError(f"{owner}: action must have shape {shape}, got {array.shape}")


def parse(name: str, bounds: Array, n_actions: int | None) -> ActionFormat:
    """Format that ``actions=name`` asks for.

    Args:
        name: ``"native"``, ``"unit"`` or ``"discrete:K"``.
        bounds: ``(N, A, 2)`` native bounds.
        n_actions: number of integer actions of a discrete game, else None.

    Raises:
        ValueError: an unknown name, K out of range, or anything but native for a game whose actions are discrete.
    """
    low, high = bounds[..., 0], bounds[..., 1]
    word = name if isinstance(name, str) else ""  # an array would be compared number by number
    if n_actions is not None:
        if word != "native":
            raise ValueError(f"actions must be 'native' in a game with {n_actions} discrete actions, got {name!r}")
        return ActionFormat(loop.MODE.integer, n_actions, low, high, name)
    if word == "native":
        return ActionFormat(loop.MODE.native, 0, low, high, name)
    if word == "unit":
        return ActionFormat(loop.MODE.unit, 0, np.full_like(low, -1.0), np.ones_like(high), name)
    match = re.fullmatch(r"discrete:([0-9]{1,6})", word)
    if match and 2 <= int(match[1]) <= MOST_LEVELS:
        levels = int(match[1])
        return ActionFormat(loop.MODE.level, levels, np.zeros_like(low), np.full_like(high, levels - 1.0), name)
    raise ValueError(
        f"actions must be 'native', 'unit' or 'discrete:K' with K >= 2 and at most {MOST_LEVELS}, got {name!r}"
    )
