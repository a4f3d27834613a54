"""How a game with its own observation settings interprets ``observe=``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

__all__ = ["chosen"]

T = TypeVar("T")


def chosen(setting: Any, settings: Mapping[str, T], kind: type[T]) -> T:
    """Observation setting from its name or itself.

    Args:
        setting: a name of ``settings`` or a ``kind``.
        settings: the game's named settings.
        kind: the game's ``Observe``.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor a ``kind``.
    """
    if isinstance(setting, str):
        if setting not in settings:
            raise ValueError(f"observe must be one of {', '.join(map(repr, settings))} or an Observe, got {setting!r}")
        return settings[setting]
    if not isinstance(setting, kind):
        raise TypeError(f"observe must be a name or an Observe, got {type(setting).__name__}")
    return setting
