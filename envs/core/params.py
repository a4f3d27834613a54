"""Parameters of a game: a frozen dataclass, checked when made, packed into records that compiled rules read by name.

A rule reads ``p.slip`` as it reads ``params.slip`` in Python. The record holds every field and every property that is
annotated as a number (``int``, ``float``, ``bool``) or as one of some numbers or words (``Literal``), a word being the
number of its place; what else a class has (None, texts, tuples) stays in Python, and a property turns it into a number.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

import numpy as np

from payoff.envs.core.state import Named

HUGE = 1e12  # larger parameters would overflow products of payoffs
LARGEST = 2**53  # whole numbers up to here are exact in a float64 state

__all__ = [
    "Params",
    "check_flag",
    "check_integer",
    "check_number",
    "check_word",
    "is_whole",
    "pack",
    "record",
    "unknown_keyword",
]


def is_whole(value: Any) -> bool:
    """Whether ``value`` is an integer of Python or numpy; True and False are not."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_number(
    name: str, value: Any, low: float, high: float = math.inf, *, open_low: bool = False, open_high: bool = False
) -> None:
    """Raise ValueError unless ``value`` is a number in the interval, and no larger than HUGE in size.

    Raises:
        ValueError: naming the argument, the value and the interval.
    """
    low, high = max(low, -HUGE), min(high, HUGE)
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    inside = number and (value > low if open_low else value >= low) and (value < high if open_high else value <= high)
    if not inside:
        left, right = "(" if open_low else "[", ")" if open_high else "]"
        raise ValueError(f"{name} must be a number in {left}{low:g}, {high:g}{right}, got {value!r}")


def check_flag(name: str, value: Any) -> None:
    """Raise ValueError unless ``value`` is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {value!r}")


def check_word(name: str, value: Any, allowed: Iterable[str]) -> None:
    """Raise ValueError unless ``value`` is one of these words."""
    words = list(allowed)
    if not isinstance(value, str) or value not in words:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, words))}, got {value!r}")


def check_integer(name: str, value: Any, low: int, high: int | None = None) -> None:
    """Raise ValueError unless ``value`` is an int of at least ``low`` and at most ``high``."""
    high = LARGEST if high is None else high
    if not is_whole(value) or not low <= value <= high:
        span = f"at least {low}" if high == LARGEST else f"in {low} .. {high}"
        raise ValueError(f"{name} must be an integer {span}, got {value!r}")


def unknown_keyword(owner: str, name: str, known: Iterable[str]) -> TypeError:
    """The error for a keyword that ``owner`` does not have, with the nearest one it has."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return TypeError(f"{owner} got an unexpected keyword argument {name!r}{hint}; it takes: {', '.join(known)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    """Base of every game's parameters; a game has ``max_steps`` or a ``horizon`` of its own."""

    @property
    def horizon(self) -> int:
        """Steps after which an episode is truncated."""
        steps: int = self.max_steps  # type: ignore[attr-defined]
        return steps

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Keywords that the game takes."""
        return tuple(f.name for f in fields(cls))

    @classmethod
    def from_keywords(cls, owner: str, keywords: dict[str, Any]) -> Self:
        """Build from user keywords.

        Raises:
            TypeError: a keyword the game does not have, named, with the nearest known one.
            ValueError: a value out of its range.
        """
        for name in keywords:
            if name not in cls.names():
                raise unknown_keyword(owner, name, cls.names())
        return cls(**keywords)


_NUMBERS = {int: np.int64, bool: np.int64, float: np.float64}


@cache
def _columns(kind: type[Any]) -> tuple[np.dtype[Any], dict[str, tuple[Any, ...]]]:
    """The record of a parameter class, and the words of those of its columns that are words."""
    hints = {f.name: get_type_hints(kind)[f.name] for f in fields(kind)}
    for owner in reversed(kind.__mro__):
        for name, member in vars(owner).items():
            if isinstance(member, property) and member.fget is not None:
                hints[name] = get_type_hints(member.fget).get("return")
    choices = {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}
    words = {name: args for name, args in choices.items() if not all(isinstance(a, int) for a in args)}
    hints |= {name: int for name in choices if name not in words}
    columns = [
        (name, np.int64 if name in words else _NUMBERS[hint])
        for name, hint in hints.items()
        if name in words or hint in _NUMBERS
    ]
    return np.dtype((Named, np.dtype(columns or [("none", np.int64)], align=True))), words


def pack(rows: Sequence[Any]) -> Any:
    """Parameters, or other dataclasses of one class, as compiled rules read them, ``(P,)`` records."""
    dtype, words = _columns(type(rows[0]))  # type: ignore[arg-type]
    packed = np.zeros(len(rows), dtype=dtype)
    for k, params in enumerate(rows):
        for name in dtype.names or ():
            if name != "none":
                value = getattr(params, name)
                packed[k][name] = words[name].index(value) if name in words else value
    return packed


@lru_cache(maxsize=256)
def record(params: Params) -> Any:
    """One game's parameters as compiled rules read them, for calls of those from Python; do not write to it."""
    return pack([params])[0]
