"""The numbers of a step that a learned reward sees."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from payoff.envs.core.params import check_integer
from payoff.wrappers.arguments import check_sequence, reals
from payoff.wrappers.base import Transition
from payoff.wrappers.bonus.state_features import flat
from payoff.wrappers.rows import Array

__all__ = ["StepInputs", "checked_inputs", "one_hot_actions"]

_ENTRY = re.compile(r"([^\[\]]+)(?:\[([0-9]+)\])?")  # a name, or a place in it


class StepInputs:
    """The numbers of a step that a network sees.

    Args:
        parts: what they are, side by side: ``"obs"``, ``"next_obs"``, ``"action"``, or the name of an entry of
            ``info``, of which ``name[3]`` takes one place.
        num_actions: integer actions become one-hot, of so many; None: actions are numbers.

    Raises:
        TypeError: ``parts`` is no sequence.
        ValueError: it holds no name or something else, or ``num_actions`` is no whole number of at least 1.
    """

    def __init__(self, parts: Sequence[str], num_actions: int | None = None) -> None:
        check_sequence("parts", parts, "names")
        if not len(parts) or not all(isinstance(part, str) and _ENTRY.fullmatch(part) for part in parts):
            raise ValueError(f"parts must be at least one name or name[place], got {list(parts)!r}")
        if num_actions is not None:
            check_integer("num_actions", num_actions, 1)
        self.parts, self.num_actions = tuple(parts), num_actions

    def __call__(self, t: Transition) -> Array:
        """``(R, I)`` float64, 0 in rows that are not active.

        Raises:
            KeyError: ``info`` lacks an entry.
            ValueError: a number of an active row is not finite, or an integer action is out of its range.
        """
        found = np.concatenate([self._part(part, t) for part in self.parts], axis=1)
        bad = ~np.isfinite(found) & t.active[:, None]
        if bad.any():
            raise ValueError(f"the parts {', '.join(self.parts)} of a step must be finite, got {found[bad][0]}")
        return np.where(t.active[:, None], found, 0.0)

    def _part(self, part: str, t: Transition) -> Array:
        if part in ("obs", "next_obs"):
            return flat(getattr(t, part))
        if part == "action":
            chosen = np.asarray(t.action, dtype=np.float64).reshape(len(t.reward), -1)
            return one_hot_actions(np.where(t.active[:, None], chosen, 0.0), self.num_actions)  # 0: placeholders
        found = _ENTRY.fullmatch(part)
        assert found is not None
        name, place = found.groups()
        entry = reals(name, t.info[name]).astype(np.float64).reshape(len(t.reward), -1)
        if place is None:
            return entry
        if int(place) >= entry.shape[1]:
            raise ValueError(f"{part} must be a place in {name}, which has {entry.shape[1]}")
        return entry[:, int(place)][:, None]


def checked_inputs(inputs: Any) -> StepInputs:
    """``inputs``; TypeError where they are something else than StepInputs."""
    if not isinstance(inputs, StepInputs):
        raise TypeError(f"inputs must be StepInputs, got {type(inputs).__name__}")
    return inputs


def one_hot_actions(actions: Array, num_actions: int | None) -> Array:
    """Actions as numbers side by side.

    Args:
        actions: ``(..., A)``.
        num_actions: K, number of integer actions of each entry; None where actions are real numbers.

    Returns:
        ``(..., A K)`` with a 1 for each entry, or the actions themselves.

    Raises:
        ValueError: an action that is no integer in 0 .. K - 1.
    """
    if num_actions is None:
        return actions
    bad = ~((actions >= 0) & (actions < num_actions) & (actions == np.floor(actions)))
    if bad.any():
        raise ValueError(f"actions must be integers in 0 .. {num_actions - 1}, got {actions[bad][0]}")
    found = np.zeros((*actions.shape, num_actions))
    np.put_along_axis(found, actions.astype(np.int64)[..., None], 1.0, axis=-1)
    return found.reshape(*actions.shape[:-1], -1)
