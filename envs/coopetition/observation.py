"""What a seat of a coopetition game sees: blocks of the state, scaled to [0, 1], the seat itself always first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

import numpy as np

from payoff.envs.coopetition.rules import Rules
from payoff.envs.core.game import TABLE, ObservationPlan
from payoff.envs.core.state import CLOCK, Layout

__all__ = ["SETTINGS", "Observe", "plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """An observation setting, the same object in every view.

    Attributes:
        actions: last actions as shares of the endowment, of everybody or only one's own.
        trust: trust matrix T without its diagonal, one's own row (trust of me in the others), or nothing.
        damage: reputation damage R likewise (own row: what the others have in my record).
        dependence: dependence D likewise.
        hidden: loyalty, window mean and memory average where the game has them, of everybody, one's own, or nothing.
        clock: steps taken over the horizon.
    """

    actions: Literal["all", "own"] = "all"
    trust: Literal["all", "row", "none"] = "all"
    damage: Literal["all", "row", "none"] = "all"
    dependence: Literal["all", "row", "none"] = "all"
    hidden: Literal["all", "own", "none"] = "all"
    clock: bool = True

    def __post_init__(self) -> None:
        """Check every field (ValueError names it and what is allowed)."""
        hints = get_type_hints(type(self))
        for f in fields(self):
            value = getattr(self, f.name)
            allowed = (True, False) if f.name == "clock" else get_args(hints[f.name])
            if value not in allowed:
                raise ValueError(f"observe.{f.name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


SETTINGS = {
    "full": Observe(),
    "private": Observe(trust="row", damage="row", dependence="row", hidden="own"),
    "minimal": Observe(actions="own", trust="row", damage="none", dependence="none", hidden="none", clock=False),
}

_Entry = tuple[str, int, float, float]  # name, column, scale, offset


def _entries(rules: Rules, layout: Layout, seat: int, setting: Observe) -> Iterator[_Entry]:
    n = len(rules.endowment)
    order = [seat, *(j for j in range(n) if j != seat)]

    def pairs(scope: str) -> list[tuple[int, int]]:
        rows = order if scope == "all" else order[:1] if scope == "row" else []
        return [(i, j) for i in rows for j in order if i != j]

    for i in order if setting.actions == "all" else order[:1]:
        yield f"action[{i}]", layout.at("action") + i, 1.0 / rules.endowment[i], 0.0
    for name, scope in (("trust", setting.trust), ("damage", setting.damage)):
        for i, j in pairs(scope):
            yield f"{name}[{i},{j}]", layout.at(name) + i * n + j, 1.0, 0.0
    for i, j in pairs(setting.dependence):
        yield f"dependence[{i},{j}]", CLOCK, 0.0, float(rules.depend[i, j])
    for i in order if setting.hidden == "all" else order[:1] if setting.hidden == "own" else []:
        if rules.loyalty:
            yield f"loyalty[{i}]", layout.at("loyalty") + i, 1.0, 0.0
            yield f"window[{i}]", layout.at("window") + i, 1.0, 0.0
        if rules.reciprocity:
            yield f"memory[{i}]", layout.at("memory") + i, 1.0 / rules.endowment[i], 0.0
    if setting.clock:
        yield "clock", CLOCK, 1.0 / rules.max_steps, 0.0


def plan(rows: Sequence[Rules], layout: Layout, seats: Sequence[int], setting: Any) -> ObservationPlan:
    """Observation plan of the given seats.

    Args:
        rows: rules of each copy, or one for all.
        layout: columns of a state row.
        seats: seats that are looked at.
        setting: a name of SETTINGS or an :class:`Observe`.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor an Observe.
    """
    if isinstance(setting, str):
        if setting not in SETTINGS:
            raise ValueError(f"observe must be one of {', '.join(map(repr, SETTINGS))} or an Observe, got {setting!r}")
        setting = SETTINGS[setting]
    if not isinstance(setting, Observe):
        raise TypeError(f"observe must be a name or an Observe, got {type(setting).__name__}")
    lists = [[list(_entries(rules, layout, seat, setting)) for seat in seats] for rules in rows]
    table = np.array([[[e[1:] for e in seat] for seat in row] for row in lists], dtype=TABLE)
    return ObservationPlan(table, tuple(e[0] for e in lists[0][0]), sees_actions=setting.actions == "all")
