"""What the commands share: the error that ends them, consoles, and ``name=value`` options."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from payoff.envs.core import specification
from payoff.envs.core.specification import near

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["UserError", "assignments", "console", "near", "printable", "results_written", "user_errors"]


class UserError(Exception):
    """What the user asked for cannot be done; the message is all that is printed."""


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Around what only checks or loads what the user named: errors there are for the user to read, in one line."""
    try:
        yield
    except (ValueError, TypeError, ImportError, OSError, MemoryError, gym.error.Error) as error:
        raise UserError(" ".join(str(error).split()) or "not enough memory") from error


@contextlib.contextmanager
def results_written() -> Iterator[None]:
    """Around what writes results: a full disk, a folder that went away. What was finished before stays."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write results: {error}") from error


def assignments(option: str, words: Sequence[str]) -> dict[str, Any]:
    """``("a=1", "b=x,c=2")`` as ``{"a": 1, "b": "x", "c": 2}``: JSON where it is JSON, else text.

    Raises:
        ValueError: not name=value, or a name given twice.
    """
    values: dict[str, Any] = {}
    for word in words:
        for name, value in specification.assignments(word, f"--{option}").items():
            if name in values:
                raise ValueError(f"--{option} gives {name} twice")
            values[name] = value
    return values


def printable(text: str, keep: str = "") -> str:
    """A text that does nothing to a terminal: what is not printable is written as an escape.

    Args:
        text: from a file, a server or a model.
        keep: letters that stay as they are, such as the end of a line.
    """
    letters = (c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)
    return "".join(letters)


def console() -> Console:
    """Console for results, where a text is what it says: brackets in it are no markup, and numbers are not coloured.

    A file or pipe has no width of its own, and a folded table helps nobody.
    """
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 300, markup=False, emoji=False, highlight=False)
