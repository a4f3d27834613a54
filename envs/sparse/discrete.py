"""What the environments share whose state is a few small whole numbers: slips, observations, pictures, the record.

A state row of such an environment ends in ``event`` (caption of the last step), ``aux`` (auxiliary reward of the last
step) and ``forced`` (see :mod:`payoff.envs.core.chance`); no rule reads the first two.

An observation shows symbols: whole numbers 0 .. count - 1 that are read off a state column. They are written one-hot
each (``factored``), one-hot together (``joint``: one entry for every combination, as a table has), or as numbers in
[0, 1] (``scaled``). What a terminal state shows is up to its column: values from ``limit`` on show nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from payoff.envs import render
from payoff.envs.core import chance, loop
from payoff.envs.core.game import Game, Kernels, ObservationPlan, Shape
from payoff.envs.core.jit import jit
from payoff.envs.core.params import check_word
from payoff.envs.core.state import CLOCK, Array, Layout
from payoff.envs.sparse.settings import chosen

__all__ = [
    "ENCODINGS",
    "REPORTS",
    "SETTINGS",
    "SYMBOL",
    "Observe",
    "Symbol",
    "board",
    "game",
    "intended",
    "observe_row",
    "plan",
    "slip_probabilities",
    "tile_side",
]

REPORTS: dict[str, tuple[int, ...]] = {"event": (), "aux": (), chance.FORCED: ()}  # last fields of every layout
_MOST_JOINT = 1_000_000
ENCODINGS = ("factored", "joint", "scaled")
SYMBOL = np.dtype(
    [(name, np.int64) for name in ("column", "divide", "count", "limit", "first", "stride")] + [("scale", np.float64)]
)

FLOOR, WALL, SEAT, MARKER = (250, 250, 247), (90, 96, 106), (0, 114, 178), (250, 250, 247)
GOAL, LURE, DANGER, KEY = (0, 158, 115), (204, 121, 167), (213, 94, 0), (230, 159, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """An observation setting, the same object in every view.

    Attributes:
        encoding: how symbols are written.
        hide: names of symbols that are not shown.
        clock: whether steps taken over the horizon come last.
    """

    encoding: Literal["factored", "joint", "scaled"] = "factored"
    hide: tuple[str, ...] = ()
    clock: bool = False

    def __post_init__(self) -> None:
        """Check the fields (ValueError names the field and what is allowed)."""
        check_word("observe.encoding", self.encoding, ENCODINGS)
        if not isinstance(self.hide, tuple) or not all(isinstance(name, str) for name in self.hide):
            raise ValueError(f"observe.hide must be a tuple of names, got {self.hide!r}")
        if not isinstance(self.clock, bool):
            raise ValueError(f"observe.clock must be True or False, got {self.clock!r}")


SETTINGS = {"full": Observe(), "private": Observe(), "minimal": Observe(encoding="scaled")}


@dataclass(frozen=True, slots=True)
class Symbol:
    """A whole number 0 .. count - 1: ``column // divide % count``.

    Attributes:
        name: of the entries.
        column: of the state row.
        count: number of values.
        limit: values of the column from here on show nothing (a terminal state).
        divide: takes the symbol out of a column that holds several.
    """

    name: str
    column: int
    count: int
    limit: int
    divide: int = 1


def _shown(rows: Sequence[Any], symbols: Callable[[Any], Sequence[Symbol]], observe: Observe) -> list[list[Symbol]]:
    """Symbols of each parameter row that are shown.

    Raises:
        ValueError: ``hide`` names what is no symbol, or all of them.
    """
    known = [s.name for s in symbols(rows[0])]
    for name in observe.hide:
        if name not in known:
            raise ValueError(f"observe.hide must name symbols, which are {', '.join(known)}; got {name!r}")
    shown = [[s for s in symbols(p) if s.name not in observe.hide] for p in rows]
    if not shown[0]:
        raise ValueError(f"observe.hide must leave a symbol to see, got {observe.hide!r}")
    return shown


def plan(
    rows: Sequence[Any], setting: Any, symbols: Callable[[Any], Sequence[Symbol]], settings: Mapping[str, Observe]
) -> ObservationPlan:
    """Observation plan. Where copies differ in size, there are as many entries as the largest needs.

    Args:
        rows: parameters of each copy, or one for all.
        setting: a name of ``settings`` or an :class:`Observe`.
        symbols: symbols of the game for given parameters, always the same ones in the same order.
        settings: named settings.

    Raises:
        ValueError: an unknown name, or a joint encoding of copies that differ in size.
        TypeError: neither a name nor an Observe.
    """
    observe = chosen(setting, settings, Observe)
    shown = _shown(rows, symbols, observe)
    most = [max(counts) for counts in zip(*([s.count for s in of_row] for of_row in shown), strict=True)]
    words = [s.name for s in shown[0]]
    if observe.encoding == "joint":
        if any([s.count for s in of_row] != most for of_row in shown):
            raise ValueError("observe.encoding must not be 'joint' where the copies of a batch differ in size")
        if np.prod(most, dtype=float) > _MOST_JOINT:
            got = " x ".join(map(str, most))
            raise ValueError(f"observe.encoding must not be 'joint' beyond {_MOST_JOINT:,} combinations, got {got}")
        names = [",".join(words) + str(list(values)) for values in itertools.product(*map(range, most))]
    elif observe.encoding == "scaled":
        names = words
    else:
        names = [f"{word}[{k}]" for word, count in zip(words, most, strict=True) for k in range(count)]
    table = np.zeros((len(rows), len(words) + observe.clock), dtype=SYMBOL)
    for b, of_row in enumerate(shown):
        for v, s in enumerate(of_row):
            first, stride, scale = sum(most[:v]), 0, 0.0
            if observe.encoding == "joint":
                first, stride = 0, int(np.prod(most[v + 1 :]))
            elif observe.encoding == "scaled":
                first, scale = v, 1.0 / max(s.count - 1, 1)
            table[b, v] = (s.column, s.divide, s.count, s.limit, first, stride, scale)
        if observe.clock:
            horizon = rows[b].horizon
            table[b, -1] = (CLOCK, 1, horizon + 1, horizon + 1, len(names), 0, 1.0 / horizon)
    return ObservationPlan(table, (*names, *(["clock"] if observe.clock else [])), sees_actions=False)


@jit
def observe_row(table, b, row, obs):
    """What the seat sees.

    Args:
        table: ``(P, V)`` records of dtype SYMBOL.
        b: copy.
        row: ``(S,)`` its state.
        obs: ``(1, O)`` float32, modified in place.
    """
    p = loop.pick(b, table.shape[0])
    seen = obs[0]
    for k in range(seen.shape[0]):
        seen[k] = 0.0
    together, n_joined, n_known = 0, 0, 0
    for v in range(table.shape[1]):
        entry = table[p, v]
        raw = int(row[entry.column])
        n_joined += entry.stride > 0
        if raw >= entry.limit:
            continue
        value = raw if entry.divide == 1 and raw < entry.count else raw // entry.divide % entry.count
        if entry.stride > 0:
            together += value * entry.stride
            n_known += 1
        elif entry.scale > 0.0:
            seen[entry.first] = value * entry.scale
        else:
            seen[entry.first + value] = 1.0
    if n_known > 0 and n_known == n_joined:
        seen[together] = 1.0


@jit
def intended(row, at_forced, probability, chosen):
    """The action that takes effect: outcome 0 is the chosen one, outcome k is action k - 1 instead.

    Args:
        row: ``(S,)`` state; the draw advances its counter.
        at_forced: column of the field ``forced``.
        probability: ``(1 + n_actions,)``, see :func:`slip_probabilities`.
        chosen: action.
    """
    k = chance.outcome(row, at_forced, probability)
    return chosen if k == 0 else k - 1


def slip_probabilities(slip: float, n_actions: int, *, whole: bool = False) -> Array:
    """Outcomes of a step on which, with probability ``slip``, a uniformly drawn action replaces the chosen one.

    Args:
        slip: probability.
        n_actions: number of actions.
        whole: keep the outcomes of a slip that cannot happen, so that copies with and without can share a batch.

    Returns:
        ``(1 + n_actions,)``, or ``(1,)`` where nothing slips.
    """
    if slip == 0.0 and not whole:
        return np.ones(1)
    return np.array([1.0 - slip] + [slip / n_actions] * n_actions)


def tile_side(shape: tuple[int, ...]) -> int:
    """Pixels along a tile of a board of so many rows and columns."""
    return int(np.clip(640 // max(shape[:2]), 10, 40))


def board(colours: Array, seat: tuple[int, int] | None, marked: bool = False) -> Array:
    """Tiles with the seat as a disc, which holds a spot when it is ``marked``.

    Args:
        colours: ``(rows, columns, 3)`` uint8.
        seat: row and column of the seat; None where it is nowhere.
        marked: whether the spot is drawn.

    Returns:
        ``(H, W, 3)`` uint8, about 640 pixels wide or high.
    """
    side = tile_side(colours.shape)
    picture = render.tiles(colours, side)
    if seat is not None:
        down, right = (np.mgrid[:side, :side] + 0.5) / side - 0.5
        tile = picture[seat[0] * side : (seat[0] + 1) * side, seat[1] * side : (seat[1] + 1) * side]
        tile[np.hypot(down, right) < 0.34] = SEAT
        if marked:
            tile[np.hypot(down, right) < 0.14] = MARKER
    return picture


def game(
    env_id: str,
    params: type[Any],
    doc: str,
    kernels: Kernels,
    *,
    layout: Layout,
    n_actions: Callable[[Any], int],
    symbols: Callable[[Any], Sequence[Symbol]],
    settings: Mapping[str, Observe] = SETTINGS,
    **facts: Any,
) -> Game[Any]:
    """The record of a tabular game of one player.

    Args:
        env_id: ``payoff/Name-v0``.
        params: parameter dataclass with a ``horizon``.
        doc: documentation page.
        kernels: compiled functions.
        layout: state row, REPORTS last.
        n_actions: number of actions for given parameters.
        symbols: what an observation may show, see :func:`plan`.
        settings: named observation settings.
        **facts: further fields of :class:`payoff.envs.core.game.Game`.
    """
    return Game(
        id=env_id,
        params=params,
        doc=doc,
        kernels=kernels,
        shape=lambda p: Shape(1, 1, n_actions(p), layout, p.horizon),
        bounds=lambda p: np.array([[[0.0, n_actions(p) - 1.0]]]),
        baseline=lambda p: np.zeros(1),
        dependence=lambda p: np.zeros((1, 1)),
        plan=lambda rows, seats, setting: plan(rows, setting, symbols, settings),
        observations=tuple(settings),
        tabular=True,
        **facts,
    )
