"""What happened at a step, in words.

Games of this package report it as ``info["caption"]``, a code with a text; environments of others may report texts, or
a function of yours makes them from observation and info.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from payoff.envs import registry
from payoff.envs.core.arrays import shown
from payoff.wrappers.arguments import check_sequence, check_text
from payoff.wrappers.rows import Array, Batch, BatchInfo, take

__all__ = ["MOST_CAPTION", "Captions", "InfoCaptions", "captions_from_info", "row_captions", "row_texts"]

Captions: TypeAlias = Callable[[Batch, BatchInfo], Any]
"""Function from R observations ``(R, ...)`` after a step and their info to R texts, an array or a list."""

MOST_CAPTION = 500  # characters of a text


@dataclass(frozen=True, slots=True)
class InfoCaptions:
    """Captions that are an entry of ``info``; see :func:`captions_from_info`."""

    key: str
    texts: tuple[str, ...] = ()

    def __call__(self, obs: Batch, info: BatchInfo) -> Array:
        """Texts ``(R,)``; KeyError where the entry is missing.

        Raises:
            ValueError: a code without a text.
        """
        told = np.asarray(info[self.key])
        if told.dtype.kind not in "iu":
            return told
        if told.size and not 0 <= told.min() <= told.max() < len(self.texts):
            raise ValueError(
                f"info[{self.key!r}] must be a text, or a code with a text, 0 .. {len(self.texts) - 1}; got "
                f"{told.min()} .. {told.max()}"
            )
        texts: Array = np.array(self.texts, dtype=np.object_)[told]
        return texts


def captions_from_info(key: str = "caption", texts: str | Sequence[str] = ()) -> InfoCaptions:
    """Captions that are ``info[key]``.

    Args:
        key: of the entry, which holds texts, or the codes of texts.
        texts: an environment's id, or all its texts in the order of their codes; empty where the entry holds texts.

    Raises:
        TypeError: ``key`` is no text, or ``texts`` no sequence of texts.
        ValueError: an unknown id.

    >>> captions_from_info(texts="payoff/KeyRoom-v0").texts[8]
    'picked up the key'
    """
    check_text("key", key)
    if not isinstance(texts, str):
        check_sequence("texts", texts, "texts, or an environment's id")
    known = tuple(registry.load(texts).captions if isinstance(texts, str) else texts)
    for i, text in enumerate(known):
        check_text(f"texts[{i}]", text)
    return InfoCaptions(key, known)


def row_captions(captions: Captions, obs: Batch, info: BatchInfo, mask: Array) -> list[str]:
    """Texts of the rows in ``mask``, in their order; see :func:`row_texts`."""
    return row_texts("captions", captions, obs, info, mask, MOST_CAPTION)


def row_texts(what: str, function: Captions, obs: Batch, info: BatchInfo, mask: Array, most: int) -> list[str]:
    """Texts of the rows in ``mask``, in their order; the function is not shown the others.

    Args:
        what: the function is, for errors.
        function: from observations and info to texts.
        obs: ``(R, ...)``, or a dict or tuple of such arrays.
        info: entries of the same moment.
        mask: ``(R,)`` bool.
        most: characters of a text.

    Raises:
        ValueError: the function gave another number of texts, something else, or a text that is too long.
    """
    rows = int(np.count_nonzero(mask))
    if not rows:
        return []
    found = function(take(obs, mask), info if rows == mask.size else info.select(mask))
    listed = found.tolist() if isinstance(found, np.ndarray) else found
    name = getattr(function, "__qualname__", repr(function))
    if not isinstance(listed, list | tuple) or len(listed) != rows:
        raise ValueError(f"{what} {name} must return {rows} texts, got {shown(listed)}")
    for text in listed:
        if not isinstance(text, str) or len(text) > most:
            raise ValueError(f"{what} {name} must return texts of at most {most} characters, got {shown(text)}")
    return list(listed)
