"""Names for small whole numbers; compiled code reads them as constants."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

__all__ = ["events", "words"]


def words(*names: str) -> Any:
    """Make numbers 0, 1, ... that have names.

    After ``AUX = words("none", "dense")``, ``AUX.none`` is 0, ``AUX.dense`` is 1, and ``AUX._fields`` are the names.
    """
    return namedtuple("words", names)(*range(len(names)))


def events(**captions: str) -> Any:
    """Make numbers of what a step may report, with the caption of each.

    After ``EVENT = events(began="the episode began", fell="fell off")``, ``EVENT.fell`` is 1 and
    ``EVENT.captions[EVENT.fell]`` its text.
    """
    names = namedtuple("events", captions)  # type: ignore[misc]
    kind = type("events", (names,), {"captions": tuple(captions.values()), "__slots__": ()})
    return kind(*range(len(captions)))
