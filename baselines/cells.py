"""Runs arranged by what they differ in: cells of runs that share everything but their seed, and the axes that vary."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["AXES", "Cell", "Grid", "Row", "arrange"]

Row = Mapping[str, Any]

# what may differ between runs beside environment and seed -> how it is called
AXES = {
    "params": "parameters",
    "reward": "reward",
    "shaping": "shaping",
    "bonus": "bonus",
    "transform": "transform",
    "partners": "partners",
    "reward_learner": "reward learner",
    "algo": "algorithm",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """Finished runs that differ in their seed only.

    Attributes:
        env: environment, without the namespace of this package.
        labels: point of each axis of :data:`AXES`.
        rows: the runs, one at least.
    """

    env: str
    labels: Mapping[str, str]
    rows: tuple[Row, ...]

    @property
    def game(self) -> str:
        """Environment, and the parameters in which the runs differ: what payoffs can be compared within."""
        return f"{self.env} {self.labels['params']}".strip()

    def label(self, axes: Iterable[str]) -> str:
        """Points of these axes in words."""
        points = {axis: self.labels[axis] for axis in axes}
        return " · ".join(f"no {AXES[axis]}" if point == "none" else point for axis, point in points.items())


@dataclass(frozen=True, slots=True)
class Grid:
    """Runs of an ablation.

    Attributes:
        points: axis -> its points, in the order in which they first appear, failed runs included.
        cells: the cells, likewise; a cell without a finished run is left out.
    """

    points: Mapping[str, tuple[str, ...]]
    cells: tuple[Cell, ...]

    @property
    def varying(self) -> tuple[str, ...]:
        """Axes with more than one point."""
        return tuple(axis for axis, points in self.points.items() if len(points) > 1)

    @property
    def methods(self) -> tuple[str, ...]:
        """Axes that tell the cells of one game apart; ``reward`` where none does."""
        return tuple(axis for axis in self.varying if axis != "params") or ("reward",)

    @property
    def seeds(self) -> tuple[int, int]:
        """Smallest and largest number of seeds of a cell."""
        counts = [len(cell.rows) for cell in self.cells] or [0]
        return min(counts), max(counts)


def arrange(rows: Sequence[Row]) -> Grid:
    """Group rows by everything but their seed.

    Args:
        rows: runs as in the results store; columns of axes that are missing count as ``none``.
    """
    params = [_json(row, "env_params") for row in rows]
    settings = [_json(row, "hyperparameters") for row in rows]
    places = [(row["env_id"], row.get("env_params")) for row in rows]
    told_params = _differing([row["env_id"] for row in rows], params)
    told_settings = _differing([(place, row["algo"]) for place, row in zip(places, rows, strict=True)], settings)
    told_of_algo = {algo: told for (_, algo), told in sorted(told_settings.items(), key=lambda x: len(x[1]))}
    points: dict[str, dict[str, None]] = {axis: {} for axis in AXES}
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row, own_params, own_settings in zip(rows, params, settings, strict=True):
        labels = {axis: str(row.get(axis, "none")) for axis in AXES}
        labels["params"] = _assigned(own_params, told_params[row["env_id"]])
        labels["algo"] = " ".join([row["algo"], _assigned(own_settings, told_of_algo[row["algo"]])]).strip()
        for axis, label in labels.items():
            points[axis][label] = None
        if row["status"] == "ok":
            groups.setdefault((_short(row["env_id"]), *labels.values()), []).append(row)
    cells = [Cell(env, dict(zip(AXES, labels, strict=True)), tuple(own)) for (env, *labels), own in groups.items()]
    return Grid({axis: tuple(found) for axis, found in points.items()}, tuple(cells))


def _short(env_id: str) -> str:
    """An id without the module that registers it and without the namespace of this package."""
    return env_id.rpartition(":")[2].removeprefix("payoff/")


def _json(row: Row, column: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(row.get(column) or "{}")
    return values


def _differing(groups: Sequence[Any], values: Sequence[Mapping[str, Any]]) -> dict[Any, list[str]]:
    """Names whose values differ within each group."""
    found: dict[Any, list[str]] = {}
    for group in dict.fromkeys(groups):
        own = [v for g, v in zip(groups, values, strict=True) if g == group]
        names = dict.fromkeys(name for v in own for name in v)
        found[group] = [name for name in names if len({json.dumps(v.get(name)) for v in own}) > 1]
    return found


def _assigned(values: Mapping[str, Any], names: Iterable[str]) -> str:
    parts = (f"{name}={json.dumps(values[name])}" if name in values else f"{name} default" for name in names)
    return ", ".join(parts)
