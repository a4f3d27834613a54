"""What a seat of a coopetition game sees: blocks of the state, scaled to [0, 1], the seat itself always first.

``"published"`` is the flat vector of the published system instead: native units, every seat sees the same, agent 0
first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

import numpy as np

from payoff.envs.coopetition.rules import PublishedParams, Terms
from payoff.envs.core.game import ObservationPlan
from payoff.envs.core.jit import jit
from payoff.envs.core.state import CLOCK, Array, Layout

__all__ = ["PUBLISHED", "SETTINGS", "TABLE", "Observe", "gather", "plan"]

PUBLISHED = "published"
TABLE = np.dtype([("column", np.int64), ("scale", np.float64), ("offset", np.float64)], align=True)


@jit
def gather(row: Any, view: Any, seen: Any) -> None:
    """Observation as a weighted pick of state columns: ``seen[v, o] = row[column] * scale + offset``.

    Args:
        row: ``(S,)`` state of a copy.
        view: ``(V, O)`` records of dtype TABLE, V the seats that are looked at.
        seen: ``(V, O)`` float32, modified in place.
    """
    for v in range(seen.shape[0]):
        for o in range(seen.shape[1]):
            entry = view[v, o]
            seen[v, o] = row[entry.column] * entry.scale + entry.offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """What a seat sees: pass one as ``observe=``, to Gymnasium and PettingZoo environments alike.

    Attributes:
        actions: last actions as shares of the endowment, of everybody or only one's own.
        trust: trust matrix T without its diagonal, one's own row (trust of me in the others), or nothing.
        damage: reputation damage R likewise (own row: what the others have in my record).
        dependence: dependence D likewise.
        hidden: what the published code hides, where the game has it: loyalty, window mean, memory average, coalition
            membership with its timer and place in the list; of everybody, one's own, or nothing.
        public: what everybody can see, where the game has it: scores as seen, the standing agreement, a revealed gamma.
        clock: steps taken divided by the horizon.
    """

    actions: Literal["all", "own"] = "all"
    trust: Literal["all", "row", "none"] = "all"
    damage: Literal["all", "row", "none"] = "all"
    dependence: Literal["all", "row", "none"] = "all"
    hidden: Literal["all", "own", "none"] = "all"
    public: bool = True
    clock: bool = True

    def __post_init__(self) -> None:
        """Check every field (ValueError names it and what is allowed)."""
        hints = get_type_hints(type(self))
        for f in fields(self):
            value = getattr(self, f.name)
            allowed = (True, False) if f.name in ("clock", "public") else get_args(hints[f.name])
            if value not in allowed:
                raise ValueError(f"observe.{f.name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


_MOST_ENTRIES = 2**27  # of the table that a plan is, 3 GiB

SETTINGS = {
    "full": Observe(),
    "private": Observe(trust="row", damage="row", dependence="row", hidden="own"),
    "minimal": Observe(
        actions="own", trust="row", damage="none", dependence="none", hidden="none", public=False, clock=False
    ),
}


@dataclass(frozen=True, slots=True)
class _Block:
    """Some numbers of an observation, ``row[column] * scale + offset`` each; arrays ``(k,)`` or one value for all.

    Names are made on demand: a game of forty seats has 200,000 entries, and only one seat's are ever asked for.
    """

    names: Callable[[], list[str]]
    column: Array
    scale: Any = 1.0
    offset: Any = 0.0
    low: Any = 0.0
    high: Any = 1.0


def _seats(layout: Layout, name: str, seats: Array, scale: Any = 1.0, *, field: str = "", **bounds: Any) -> _Block:
    """A field of some seats; ``field`` where it is not called like the entries."""
    first, (step,) = layout.column(field or name), layout.steps(field or name)
    return _Block(lambda: [f"{name}[{i}]" for i in seats], first + step * seats, scale, **bounds)


def _pair_names(name: str, i: Array, j: Array) -> Callable[[], list[str]]:
    return lambda: [f"{name}[{a},{b}]" for a, b in zip(i, j, strict=True)]


def _pairs(layout: Layout, name: str, i: Array, j: Array) -> _Block:
    (down, right), first = layout.steps(name), layout.column(name)
    return _Block(_pair_names(name, i, j), first + down * i + right * j)


def _dependence(terms: Terms, i: Array, j: Array) -> _Block:
    """The state does not hold it: an offset to nothing."""
    return _Block(_pair_names("dependence", i, j), np.full(len(i), CLOCK), 0.0, np.asarray(terms.depend)[i, j])


def _single(layout: Layout, name: str, field: str, scale: float = 1.0, high: float = 1.0) -> _Block:
    return _Block(lambda: [name], np.array([layout.column(field)]), scale, high=high)


def _hidden(terms: Terms, layout: Layout, seats: Array) -> Iterator[_Block]:
    """Seat by seat, what the published code hides."""
    n = terms.n_agents
    fields: list[tuple[str, Any]] = []
    if terms.loyalty:
        fields += [("loyalty", np.ones(n)), ("window", np.ones(n))]
    if terms.reciprocity:
        fields.append(("memory", 1.0 / np.array(terms.endowment)))
    if terms.coalition:
        timer, rank = 1.0 / max(1, terms.coalition.cooldown), 1.0 / (n - 1)
        fields += [("member", np.ones(n)), ("timer", np.full(n, timer)), ("rank", np.full(n, rank))]
    if fields and len(seats):
        columns = np.array([_seats(layout, name, seats).column for name, _ in fields]).T.ravel()
        scales = np.array([scale[seats] for _, scale in fields]).T.ravel()
        yield _Block(lambda: [f"{name}[{i}]" for i in seats for name, _ in fields], columns, scales)


def _public(terms: Terms, layout: Layout, order: Array) -> Iterator[_Block]:
    if terms.public:
        yield _seats(layout, "score", order, field="seen")
    if terms.negotiation:
        yield _seats(layout, "agreement", order, 1.0 / np.array(terms.endowment)[order])
        yield _single(layout, "standing", "standing")
    if terms.synergy_seen:
        yield _single(layout, "gamma", "synergy")


def _blocks(terms: Terms, layout: Layout, seat: int, setting: Observe) -> Iterator[_Block]:
    n = terms.n_agents
    order = np.array([seat, *(j for j in range(n) if j != seat)])
    own = order[:1]

    def pairs(scope: str) -> tuple[Array, Array]:
        rows = order if scope == "all" else own if scope == "row" else own[:0]
        i, j = np.repeat(rows, n), np.tile(order, len(rows))
        return i[i != j], j[i != j]

    acting = order if setting.actions == "all" else own
    yield _seats(layout, "action", acting, 1.0 / np.array(terms.endowment)[acting])
    yield _pairs(layout, "trust", *pairs(setting.trust))
    yield _pairs(layout, "damage", *pairs(setting.damage))
    yield _dependence(terms, *pairs(setting.dependence))
    yield from _hidden(terms, layout, order if setting.hidden == "all" else own if setting.hidden == "own" else own[:0])
    if setting.public:
        yield from _public(terms, layout, order)
    if setting.clock:
        yield _single(layout, "clock", "clock", 1.0 / terms.max_steps)


def _published(terms: Terms, layout: Layout) -> Iterator[_Block]:
    """Actions, T, R and D row by row, the raw step count, then what a game appends (one step late, as published)."""
    n = terms.n_agents
    order, endowment = np.arange(n), np.array(terms.endowment)
    i, j = np.repeat(order, n), np.tile(order, n)
    yield _seats(layout, "action", order, high=endowment)
    yield _pairs(layout, "trust", i, j)
    yield _pairs(layout, "damage", i, j)
    yield _dependence(terms, i, j)
    yield _single(layout, "step", "clock", high=float(terms.max_steps))
    if terms.synergy_seen:
        yield _single(layout, "gamma", "synergy")
    if terms.negotiation:
        yield _seats(layout, "agreement", order, field="shown_agreement", high=endowment)
        yield _single(layout, "standing", "shown_standing")
    if terms.public:
        yield _seats(layout, "score", order, field="shown", low=terms.public.low, high=terms.public.high)


def _column(blocks: Sequence[_Block], name: str) -> Array:
    """One attribute of all entries, ``(O,)``."""
    return np.concatenate([np.broadcast_to(getattr(block, name), block.column.shape) for block in blocks])


def _check_size(terms: Sequence[Terms], layout: Layout, seats: Sequence[int], setting: Any) -> None:
    """Raise ValueError where the table of what all seats see would not fit into memory: seeing every pair is cubic."""
    shown = _published(terms[0], layout) if setting == PUBLISHED else _blocks(terms[0], layout, seats[0], setting)
    entries = sum(block.column.size for block in shown)
    if len(terms) * len(seats) * entries > _MOST_ENTRIES:
        copies = f" of {len(terms)} copies" if len(terms) > 1 else ""
        raise ValueError(
            f"n_agents: {len(seats)} seats{copies} would see {entries} numbers each, more than {_MOST_ENTRIES} in all; "
            "take fewer seats, or observe='minimal'"
        )


def plan(rows: Sequence[PublishedParams], layout: Layout, seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan of the given seats.

    Args:
        rows: parameters of each copy, or one for all.
        layout: columns of a state row.
        seats: seats that are looked at.
        setting: a name of SETTINGS, ``"published"``, or an :class:`Observe`.

    Raises:
        ValueError: an unknown name, copies that would see different entries, or more entries than memory holds.
        TypeError: neither a name nor an Observe.
    """
    if isinstance(setting, str):
        if setting not in (*SETTINGS, PUBLISHED):
            known = ", ".join(map(repr, (*SETTINGS, PUBLISHED)))
            raise ValueError(f"observe must be one of {known} or an Observe, got {setting!r}")
        setting = SETTINGS.get(setting, setting)
    elif not isinstance(setting, Observe):
        raise TypeError(f"observe must be a name or an Observe, got {type(setting).__name__}")
    terms = [p.terms() for p in rows]
    _check_size(terms, layout, seats, setting)
    if setting == PUBLISHED:
        seen = [[list(_published(t, layout))] * len(seats) for t in terms]
        sees_actions = True
    else:
        seen = [[list(_blocks(t, layout, seat, setting)) for seat in seats] for t in terms]
        sees_actions = setting.actions == "all"
    names = [[name for block in row[0] for name in block.names()] for row in seen]
    if any(other != names[0] for other in names):
        raise ValueError("copies of one batch must observe the same entries; a parameter that adds one must be equal")
    table = np.empty((len(rows), len(seats), len(names[0])), dtype=TABLE)
    for column in ("column", "scale", "offset"):
        table[column] = [[_column(blocks, column) for blocks in row] for row in seen]
    everything = [blocks for row in seen for blocks in row]
    return ObservationPlan(
        table,
        tuple(names[0]),
        sees_actions,
        low=np.min([_column(blocks, "low") for blocks in everything], axis=0).astype(np.float32),
        high=np.max([_column(blocks, "high") for blocks in everything], axis=0).astype(np.float32),
    )
