"""Labels of transitions: functions from transitions to the symbols that reward machines and formulas are about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from payoff.envs import registry
from payoff.wrappers.arguments import check_mapping, check_sequence
from payoff.wrappers.base import Transition
from payoff.wrappers.objectives.formula import check_symbols
from payoff.wrappers.rows import Array

__all__ = ["CaptionIs", "Event", "Labels", "caption_is"]

Event: TypeAlias = Callable[[Transition], Array]


class Labels:
    """Labelling function L(s, a, s').

    Args:
        events: symbol -> function from R transitions to ``(R,)`` bool, whether the symbol holds.

    Attributes:
        symbols: the P symbols, in the order of ``events``.

    Raises:
        TypeError: an event cannot be called.
        ValueError: a symbol is no word.

    >>> Labels({"high": lambda t: t.next_obs[:, 0] > 0.5}).symbols
    ('high',)
    """

    def __init__(self, events: Mapping[str, Event]) -> None:
        check_mapping("events", events, "functions of a transition")
        self.symbols = check_symbols(list(events))
        for name, event in events.items():
            if not callable(event):
                raise TypeError(f"events[{name!r}] must be a function of a transition, got {event!r}")
        self.events = dict(events)

    def __call__(self, t: Transition) -> Array:
        """Which symbols hold: ``(R, P)`` bool; rows that made no step hold anything.

        Raises:
            ValueError: an event gave another shape or no bools.
        """
        columns = []
        for name, event in self.events.items():
            holds = np.asarray(event(t))
            if holds.shape != t.reward.shape or holds.dtype != np.bool_:
                got = f"{holds.dtype} {holds.shape}"
                raise ValueError(f"events[{name!r}] must return bool {t.reward.shape}, got {got}")
            columns.append(holds)
        return np.stack(columns, axis=1) if columns else np.zeros((t.reward.size, 0), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class CaptionIs:
    """Event: the step's caption is one of some texts; see :func:`caption_is`."""

    texts: tuple[str, ...]
    captions: tuple[str, ...]

    def __call__(self, t: Transition) -> Array:
        """``(R,)`` bool; KeyError where ``info`` has no caption."""
        told = np.asarray(t.info["caption"])
        if told.dtype.kind in "iu":  # what games report; other environments may give texts
            codes = [code for code, text in enumerate(self.captions) if text in self.texts]
            found: Array = np.isin(told, codes)
        else:
            found = np.isin(told.astype(np.str_), self.texts)
        return found


def caption_is(captions: str | Sequence[str], *texts: str) -> CaptionIs:
    """Event: ``info["caption"]`` is one of ``texts``, whether it comes as a text or as a code.

    Args:
        captions: an environment's id, or all its captions in the order of their codes.
        *texts: the captions that count.

    Raises:
        ValueError: an unknown id, no text, or a text that is no caption.

    >>> caption_is("payoff/KeyRoom-v0", "picked up the key").texts
    ('picked up the key',)
    """
    if not isinstance(captions, str):
        check_sequence("captions", captions, "texts, or an environment's id")
    known = tuple(registry.load(captions).captions if isinstance(captions, str) else captions)
    for text in texts:
        if text not in known:
            raise ValueError(f"{text!r} is no caption; captions are {', '.join(map(repr, known)) or 'none'}")
    if not texts:
        raise ValueError("caption_is needs a caption")
    return CaptionIs(texts, known)
