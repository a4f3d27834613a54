"""What a seat of a coopetition game sees: blocks of the state, scaled to [0, 1], the seat itself always first.

``"published"`` is the flat vector of the published system instead: native units, every seat sees the same, agent 0
first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

import numpy as np

from payoff.envs.coopetition.rules import Rules
from payoff.envs.core.game import TABLE, ObservationPlan
from payoff.envs.core.state import CLOCK, Layout

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
class _Entry:
    """One number of an observation: ``row[column] * scale + offset``."""

    name: str
    column: int
    scale: float = 1.0
    offset: float = 0.0
    low: float = 0.0
    high: float = 1.0


def _hidden(rules: Rules, layout: Layout, i: int) -> Iterator[_Entry]:
    if rules.loyalty:
        yield _Entry(f"loyalty[{i}]", layout.at("loyalty") + i)
        yield _Entry(f"window[{i}]", layout.at("window") + i)
    if rules.reciprocity:
        yield _Entry(f"memory[{i}]", layout.at("memory") + i, 1.0 / rules.endowment[i])
    if rules.coalition:
        yield _Entry(f"member[{i}]", layout.at("member") + i)
        yield _Entry(f"timer[{i}]", layout.at("timer") + i, 1.0 / max(1, rules.coalition.cooldown))
        yield _Entry(f"rank[{i}]", layout.at("rank") + i, 1.0 / (len(rules.endowment) - 1))


def _public(rules: Rules, layout: Layout, order: Sequence[int]) -> Iterator[_Entry]:
    if rules.public:
        for i in order:
            yield _Entry(f"score[{i}]", layout.at("seen") + i)
    if rules.negotiation:
        for i in order:
            yield _Entry(f"agreement[{i}]", layout.at("agreement") + i, 1.0 / rules.endowment[i])
        yield _Entry("standing", layout.at("standing"))
    if rules.synergy_seen:
        yield _Entry("gamma", layout.at("synergy"))


def _entries(rules: Rules, layout: Layout, seat: int, setting: Observe) -> Iterator[_Entry]:
    n = len(rules.endowment)
    order = [seat, *(j for j in range(n) if j != seat)]

    def pairs(scope: str) -> list[tuple[int, int]]:
        rows = order if scope == "all" else order[:1] if scope == "row" else []
        return [(i, j) for i in rows for j in order if i != j]

    for i in order if setting.actions == "all" else order[:1]:
        yield _Entry(f"action[{i}]", layout.at("action") + i, 1.0 / rules.endowment[i])
    for name, scope in (("trust", setting.trust), ("damage", setting.damage)):
        for i, j in pairs(scope):
            yield _Entry(f"{name}[{i},{j}]", layout.at(name) + i * n + j)
    for i, j in pairs(setting.dependence):
        yield _Entry(f"dependence[{i},{j}]", CLOCK, 0.0, float(rules.depend[i, j]))
    for i in order if setting.hidden == "all" else order[:1] if setting.hidden == "own" else []:
        yield from _hidden(rules, layout, i)
    if setting.public:
        yield from _public(rules, layout, order)
    if setting.clock:
        yield _Entry("clock", CLOCK, 1.0 / rules.max_steps)


def _published(rules: Rules, layout: Layout) -> Iterator[_Entry]:
    """Actions, T, R and D row by row, the raw step count, then what a game appends (one step late, as published)."""
    n = len(rules.endowment)
    for i in range(n):
        yield _Entry(f"action[{i}]", layout.at("action") + i, high=rules.endowment[i])
    for name in ("trust", "damage"):
        for i in range(n):
            for j in range(n):
                yield _Entry(f"{name}[{i},{j}]", layout.at(name) + i * n + j)
    for i in range(n):
        for j in range(n):
            yield _Entry(f"dependence[{i},{j}]", CLOCK, 0.0, float(rules.depend[i, j]))
    yield _Entry("step", CLOCK, high=float(rules.max_steps))
    if rules.synergy_seen:
        yield _Entry("gamma", layout.at("synergy"))
    if rules.negotiation:
        for i in range(n):
            yield _Entry(f"agreement[{i}]", layout.at("shown_deal") + i, high=rules.endowment[i])
        yield _Entry("standing", layout.at("shown_deal") + n)
    if rules.public:
        for i in range(n):
            yield _Entry(f"score[{i}]", layout.at("shown") + i, low=rules.public.low, high=rules.public.high)


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
        lists = [[list(_published(rules, layout))] * len(seats) for rules in rows]
        sees_actions = True
    else:
        lists = [[list(_entries(rules, layout, seat, setting)) for seat in seats] for rules in rows]
        sees_actions = setting.actions == "all"
    if len({tuple(e.name for e in row[0]) for row in lists}) > 1:
        raise ValueError("copies of one batch must observe the same entries; a parameter that adds one must be equal")
    table = np.array([[[(e.column, e.scale, e.offset) for e in seat] for seat in row] for row in lists], dtype=TABLE)
    everything = [seat for row in lists for seat in row]
    return ObservationPlan(
        table,
        tuple(e.name for e in lists[0][0]),
        sees_actions,
        low=np.array([[e.low for e in seat] for seat in everything]).min(axis=0).astype(np.float32),
        high=np.array([[e.high for e in seat] for seat in everything]).max(axis=0).astype(np.float32),
    )
