"""What a seat of a coopetition game sees: blocks of the state, scaled to [0, 1], the seat itself always first.

``"published"`` is the flat vector of the published system instead: native units, every seat sees the same, agent 0
first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

import numpy as np

from payoff.envs.coopetition.rules import Rules
from payoff.envs.core.game import TABLE, ObservationPlan
from payoff.envs.core.state import CLOCK, Array, Layout

__all__ = ["PUBLISHED", "SETTINGS", "Observe", "plan"]

PUBLISHED = "published"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """An observation setting, the same object in every view.

    Attributes:
        actions: last actions as shares of the endowment, of everybody or only one's own.
        trust: trust matrix T without its diagonal, one's own row (trust of me in the others), or nothing.
        damage: reputation damage R likewise (own row: what the others have in my record).
        dependence: dependence D likewise.
        hidden: what the published code hides, where the game has it: loyalty, window mean, memory average, coalition
            membership with its timer and place in the list; of everybody, one's own, or nothing.
        public: what everybody can see, where the game has it: scores as seen, the standing agreement, a revealed gamma.
        clock: steps taken over the horizon.
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


def _seat_names(field: str, seats: Array) -> Callable[[], list[str]]:
    return lambda: [f"{field}[{i}]" for i in seats]


def _pair_names(field: str, rows: Array, columns: Array) -> Callable[[], list[str]]:
    return lambda: [f"{field}[{i},{j}]" for i, j in zip(rows, columns, strict=True)]


def _single(name: str, column: int, scale: float = 1.0, high: float = 1.0) -> _Block:
    return _Block(lambda: [name], np.array([column]), scale, high=high)


def _seats(layout: Layout, field: str, seats: Array, scale: Any = 1.0) -> _Block:
    return _Block(_seat_names(field, seats), layout.at(field) + seats, scale)


def _hidden(rules: Rules, layout: Layout, seats: Array) -> Iterator[_Block]:
    """Seat by seat, what the published code hides."""
    n = len(rules.endowment)
    fields: list[tuple[str, Any]] = []
    if rules.loyalty:
        fields += [("loyalty", np.ones(n)), ("window", np.ones(n))]
    if rules.reciprocity:
        fields.append(("memory", 1.0 / np.array(rules.endowment)))
    if rules.coalition:
        timer, rank = 1.0 / max(1, rules.coalition.cooldown), 1.0 / (n - 1)
        fields += [("member", np.ones(n)), ("timer", np.full(n, timer)), ("rank", np.full(n, rank))]
    if fields and len(seats):
        columns = np.array([layout.at(name) + seats for name, _ in fields]).T.ravel()
        scales = np.array([scale[seats] for _, scale in fields]).T.ravel()
        yield _Block(lambda: [f"{name}[{i}]" for i in seats for name, _ in fields], columns, scales)


def _public(rules: Rules, layout: Layout, order: Array) -> Iterator[_Block]:
    if rules.public:
        yield _Block(_seat_names("score", order), layout.at("seen") + order)
    if rules.negotiation:
        yield _seats(layout, "agreement", order, 1.0 / np.array(rules.endowment)[order])
        yield _single("standing", layout.at("standing"))
    if rules.synergy_seen:
        yield _single("gamma", layout.at("synergy"))


def _blocks(rules: Rules, layout: Layout, seat: int, setting: Observe) -> Iterator[_Block]:
    n = len(rules.endowment)
    order = np.array([seat, *(j for j in range(n) if j != seat)])
    own = order[:1]

    def pairs(scope: str) -> tuple[Array, Array]:
        rows = order if scope == "all" else own if scope == "row" else own[:0]
        i, j = np.repeat(rows, n), np.tile(order, len(rows))
        return i[i != j], j[i != j]

    acting = order if setting.actions == "all" else own
    yield _seats(layout, "action", acting, 1.0 / np.array(rules.endowment)[acting])
    for name, scope in (("trust", setting.trust), ("damage", setting.damage)):
        i, j = pairs(scope)
        yield _Block(_pair_names(name, i, j), layout.at(name) + i * n + j)
    i, j = pairs(setting.dependence)
    yield _Block(_pair_names("dependence", i, j), np.full(len(i), CLOCK), 0.0, np.asarray(rules.depend)[i, j])
    yield from _hidden(rules, layout, order if setting.hidden == "all" else own if setting.hidden == "own" else own[:0])
    if setting.public:
        yield from _public(rules, layout, order)
    if setting.clock:
        yield _single("clock", CLOCK, 1.0 / rules.max_steps)


def _published(rules: Rules, layout: Layout) -> Iterator[_Block]:
    """Actions, T, R and D row by row, the raw step count, then what a game appends (one step late, as published)."""
    n = len(rules.endowment)
    order, endowment = np.arange(n), np.array(rules.endowment)
    i, j = np.repeat(order, n), np.tile(order, n)
    yield _Block(_seat_names("action", order), layout.at("action") + order, high=endowment)
    for name in ("trust", "damage"):
        yield _Block(_pair_names(name, i, j), layout.at(name) + i * n + j)
    yield _Block(_pair_names("dependence", i, j), np.full(n * n, CLOCK), 0.0, np.asarray(rules.depend)[i, j])
    yield _single("step", CLOCK, high=float(rules.max_steps))
    if rules.synergy_seen:
        yield _single("gamma", layout.at("synergy"))
    if rules.negotiation:
        yield _Block(_seat_names("agreement", order), layout.at("shown_deal") + order, high=endowment)
        yield _single("standing", layout.at("shown_deal") + n)
    if rules.public:
        bounds = {"low": rules.public.low, "high": rules.public.high}
        yield _Block(_seat_names("score", order), layout.at("shown") + order, **bounds)


def _column(blocks: Sequence[_Block], name: str) -> Array:
    """One attribute of all entries, ``(O,)``."""
    return np.concatenate([np.broadcast_to(getattr(block, name), block.column.shape) for block in blocks])


def plan(rows: Sequence[Rules], layout: Layout, seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan of the given seats.

    Args:
        rows: rules of each copy, or one for all.
        layout: columns of a state row.
        seats: seats that are looked at.
        setting: a name of SETTINGS, ``"published"``, or an :class:`Observe`.

    Raises:
        ValueError: an unknown name, or copies that would see different entries.
        TypeError: neither a name nor an Observe.
    """
    if isinstance(setting, str):
        if setting not in (*SETTINGS, PUBLISHED):
            known = ", ".join(map(repr, (*SETTINGS, PUBLISHED)))
            raise ValueError(f"observe must be one of {known} or an Observe, got {setting!r}")
        setting = SETTINGS.get(setting, setting)
    elif not isinstance(setting, Observe):
        raise TypeError(f"observe must be a name or an Observe, got {type(setting).__name__}")
    if setting == PUBLISHED:
        seen = [[list(_published(rules, layout))] * len(seats) for rules in rows]
        sees_actions = True
    else:
        seen = [[list(_blocks(rules, layout, seat, setting)) for seat in seats] for rules in rows]
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
