"""Observations of games whose state is a few real numbers: every setting shows them, and a clock if asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as fields_of
from typing import Any

import numpy as np

from payoff.envs.core.game import ObservationPlan, Sight
from payoff.envs.core.jit import jit
from payoff.envs.core.params import check_flag
from payoff.envs.core.state import Array, Copy, Layout
from payoff.envs.sight.settings import chosen

__all__ = ["SETTINGS", "Observe", "Setting", "numbers", "show_clock"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Base of observation settings whose fields are flags."""

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        for field in fields_of(self):
            check_flag(f"observe.{field.name}", getattr(self, field.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe(Setting):
    """What a seat sees: pass one as ``observe=``, to Gymnasium and PettingZoo environments alike.

    Attributes:
        clock: whether the clock, steps taken divided by the horizon, comes last.
    """

    clock: bool = False


SETTINGS = {"full": Observe(), "private": Observe(), "minimal": Observe()}


@jit
def show_clock(s: Copy, view: Any, seen: Array) -> None:
    """Write the clock into the last entry, if the setting shows it."""
    if view.clock > 0.0:
        seen[seen.shape[0] - 1] = s.clock * view.clock


def numbers(
    look: Any,
    names: Sequence[str] | Callable[[Any], Sequence[str]],
    settings: Mapping[str, Any] = SETTINGS,
    several: bool = False,
    **optional: Sequence[str],
) -> Sight:
    """What is seen of a game by numbers in [0, 1].

    Args:
        look: writes the numbers and ends with :func:`show_clock`. Its ``view`` is a record of ``clock``, 1 / horizon
            (0 where the clock is not shown), and the flags named in ``optional``; of several seats, one such record for
            each that is looked at, with its number as ``seat``.
        names: the numbers that every setting shows, or a function of the parameters.
        settings: named observation settings, all of one kind.
        several: whether the game has several seats.
        **optional: flag of the setting -> numbers that it adds behind the others.
    """
    fields = [*((name, np.int64) for name in ("seat", *optional)), ("clock", np.float64)]
    kind = np.dtype(fields, align=True)

    def plan(rows: Sequence[Any], layout: Layout, seats: Sequence[int], setting: Any) -> ObservationPlan:
        """Raise ValueError for an unknown name, TypeError for neither a name nor a setting of the game."""
        observe = chosen(setting, settings, type(settings["full"]))
        flags = [getattr(observe, flag) for flag in optional]
        shown = [*(names(rows[0]) if callable(names) else names)]
        for flag, more in zip(flags, optional.values(), strict=True):
            shown += more if flag else ()
        shown += ["clock"] if observe.clock else []
        looked_at = seats if several else [0]
        table = np.array([[(i, *flags, observe.clock / p.horizon) for i in looked_at] for p in rows], dtype=kind)
        return ObservationPlan(table if several else table[:, 0], tuple(shown), sees_actions=several)

    return Sight(look, plan, tuple(settings))
