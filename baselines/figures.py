"""Figures of a set of runs: learning curves, welfare by reward, cooperation within an episode.

Everything is drawn in payoffs. One reward has one colour, marker and line style in all figures; the colours are those
of Okabe and Ito, chosen to stay apart under the common colour-vision deficiencies.
"""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from payoff.baselines.stats import bootstrap_band
from payoff.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Cell", "cells", "cooperation_within_episode", "encode", "learning_curves", "welfare_by_reward"]

Array = NDArray[np.float64]
Row = Mapping[str, Any]

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))
_ALWAYS = {"private": 0, "integrated": 1, "cooperative": 2}  # look the same in the figures of all campaigns
_BEST = {"constant": "best constant", "optimum": "optimum", "reference": "scripted reference"}
_STYLE = {
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.hashsalt": "payoff",  # the same figure is the same file
}


@dataclass(frozen=True, slots=True)
class Cell:
    """The finished runs of one environment under one reward, which differ in their seed only."""

    env_id: str
    reward: str
    rows: tuple[Row, ...]


def cells(rows: Sequence[Row]) -> list[Cell]:
    """Group finished rows by environment and reward, in the order in which these first appear."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["status"] == "ok":
            groups.setdefault((row["env_id"], row["reward"]), []).append(row)
    return [Cell(env_id, reward, tuple(group)) for (env_id, reward), group in groups.items()]


def learning_curves(groups: Sequence[Cell]) -> Figure:
    """Welfare of training episodes against environment steps: mean over seeds and its 95 % bootstrap interval."""

    def draw(axes: Axes, cell: Cell, style: dict[str, Any]) -> None:
        steps = np.asarray(cell.rows[0]["curve_step"], dtype=np.float64)
        curves = [_at(steps, row["curve_step"], row["curve_welfare"]) for row in cell.rows]
        mean, low, high = bootstrap_band(np.stack(curves))
        axes.plot(steps / 1000, mean, lw=1.8, color=style["color"], ls=style["ls"], label=cell.reward)
        axes.fill_between(steps / 1000, low, high, color=style["color"], alpha=0.18, lw=0)

    def finish(axes: Axes, group: Sequence[Cell]) -> None:
        _references(axes, group)
        axes.margins(y=0.06)
        axes.set_xlim(0, max(row["curve_step"][-1] for cell in group for row in cell.rows) / 1000)
        axes.set_xlabel("environment steps (thousands)")

    return _panels(groups, draw, finish, "welfare per episode (payoff units)")


def welfare_by_reward(groups: Sequence[Cell]) -> Figure:
    """Welfare of the evaluated policies: one light mark per seed, the mean and its 95 % bootstrap interval."""
    names = {cell.reward for cell in groups}
    crowded = len(names) * max(map(len, names)) > 40  # names that do not fit below the axis go to the legend

    def draw(axes: Axes, cell: Cell, style: dict[str, Any]) -> None:
        at = [c.reward for c in groups if c.env_id == cell.env_id].index(cell.reward)
        welfare = np.array([row["welfare"] for row in cell.rows])
        mean, low, high = bootstrap_band(welfare[:, None])
        beside = at - 0.2 + 0.12 * (np.linspace(-0.5, 0.5, len(welfare)) if len(welfare) > 1 else np.zeros(1))
        look = {"color": style["color"], "marker": style["marker"]}
        axes.plot(beside, welfare, ls="", ms=4.5, alpha=0.5, mew=0, **look)
        label = cell.reward if crowded else None
        bars = np.array([mean - low, high - mean])
        axes.errorbar(at, mean, bars, ls="", ms=7.5, lw=1.8, capsize=4, label=label, **look)

    def finish(axes: Axes, group: Sequence[Cell]) -> None:
        _references(axes, group)
        _focus(axes, group)
        axes.set_xlim(-0.6, len(group) - 0.4)
        axes.set_xticks(range(len(group)), ["" if crowded else cell.reward for cell in group])
        axes.grid(axis="x", visible=False)
        axes.set_xlabel("reward trained on")

    return _panels(groups, draw, finish, "welfare per episode (payoff units)")


def cooperation_within_episode(groups: Sequence[Cell]) -> Figure | None:
    """Share of the endowment contributed at each step of an evaluation episode; None where no game has shares.

    Thin lines are seeds, ending where their episode ends. The thick line is their mean, over the steps that all reach:
    a mean over those still running would change its sample on the way.
    """
    shared = [c for c in groups if all(row["cooperation_by_step"] for row in c.rows)]

    def draw(axes: Axes, cell: Cell, style: dict[str, Any]) -> None:
        lines = [np.asarray(row["cooperation_by_step"]) for row in cell.rows]
        for line in lines:
            axes.plot(np.arange(1, len(line) + 1), line, lw=0.8, color=style["color"], alpha=0.5)
        common = min(len(line) for line in lines)
        mean = np.mean([line[:common] for line in lines], axis=0)
        mark = {"marker": style["marker"], "ms": 5, "markevery": [common - 1]}
        axes.plot(np.arange(1, common + 1), mean, lw=2, ls=style["ls"], color=style["color"], label=cell.reward, **mark)

    def finish(axes: Axes, group: Sequence[Cell]) -> None:
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlim(left=0)
        axes.set_xlabel("step of the episode")

    return _panels(shared, draw, finish, "cooperation (action / endowment)") if shared else None


def encode(figure: Figure, form: str) -> bytes:
    """The figure as a file: ``form`` is ``"png"`` or ``"svg"``."""
    buffer = io.BytesIO()
    matplotlib = require("matplotlib", "train")
    with matplotlib.rc_context(_STYLE):
        figure.savefig(buffer, format=form, dpi=150, metadata={"Date": None} if form == "svg" else None)
    return buffer.getvalue()


def _panels(
    groups: Sequence[Cell],
    draw: Callable[[Axes, Cell, dict[str, Any]], None],
    finish: Callable[[Axes, Sequence[Cell]], None],
    ylabel: str,
) -> Figure:
    """One panel per environment, at most three side by side, with one legend below all."""
    matplotlib = require("matplotlib", "train")
    figures = require("matplotlib.figure", "train")  # not pyplot: no global state, and always the Agg canvas
    styles = _styles(groups)
    env_ids = list(dict.fromkeys(cell.env_id for cell in groups))
    columns = min(3, len(env_ids))
    lines = math.ceil(len(env_ids) / columns)
    with matplotlib.rc_context(_STYLE):
        figure = figures.Figure(figsize=(1.0 + 3.6 * columns, 0.5 + 2.9 * lines), layout="constrained")
        panels = figure.subplots(lines, columns, squeeze=False)
        for axes, env_id in zip(panels.flat, env_ids, strict=False):
            group = [cell for cell in groups if cell.env_id == env_id]
            for cell in group:
                draw(axes, cell, styles[cell.reward])
            axes.set_title(env_id.removeprefix("payoff/"))
            finish(axes, group)
            axes.yaxis.set_major_formatter(_thousands)
        for axes in panels.flat[len(env_ids) :]:
            axes.set_visible(False)
        for axes in panels[:, 0]:
            axes.set_ylabel(ylabel)
        entries = dict(
            pair[::-1] for axes in panels.flat for pair in zip(*axes.get_legend_handles_labels(), strict=True)
        )
        if entries:
            figure.legend(entries.values(), entries, loc="outside lower center", ncols=min(5, len(entries)))
    return figure


def _styles(groups: Sequence[Cell]) -> dict[str, dict[str, Any]]:
    """Colour, marker and line style of each reward; they repeat when there are more rewards than colours."""
    names = list(dict.fromkeys(cell.reward for cell in groups))
    free = itertools.cycle(k for k in range(len(_COLOURS)) if k not in {_ALWAYS.get(name) for name in names})
    index = {name: _ALWAYS[name] if name in _ALWAYS else next(free) for name in names}
    return {name: {"color": _COLOURS[k], "marker": _MARKERS[k], "ls": _LINES[k]} for name, k in index.items()}


def _references(axes: Axes, group: Sequence[Cell]) -> None:
    """Horizontal lines of the yardsticks, which do not depend on the reward."""
    row = group[0].rows[0]
    for column, label, line in (("welfare_best", _BEST[row["best_kind"]], "-"), ("welfare_random", "random", ":")):
        axes.axhline(row[column], color="#555555", lw=1.1, ls=line, label=label, zorder=1.5)


def _focus(axes: Axes, group: Sequence[Cell]) -> None:
    """Limit the welfare axis to policies and the best where random play is so far off that all else looks flat."""
    rows = [row for cell in group for row in cell.rows]
    shown = [*(row["welfare"] for row in rows), rows[0]["welfare_best"]]
    low, high, random = min(shown), max(shown), rows[0]["welfare_random"]
    span = (high - low) or 0.01 * abs(high) or 1.0
    axes.margins(y=0.09)
    if low - span <= random <= high + span:
        return
    axes.set_ylim(low - 0.28 * span, high + 0.12 * span)
    below = random < low
    axes.annotate(
        f"random: {_thousands(random, 0)} {'↓' if below else '↑'}",
        (0.98, 0.03 if below else 0.97),
        xycoords="axes fraction",
        ha="right",
        va="bottom" if below else "top",
        color="#444444",
    )


def _at(steps: Array, own_steps: Sequence[float], values: Sequence[float | None]) -> Array:
    """A curve at the steps of another run; points without a finished episode are bridged."""
    known = [(s, v) for s, v in zip(own_steps, values, strict=True) if v is not None]
    if not known:
        return np.full(len(steps), np.nan)
    return np.interp(steps, *np.array(known).T)


def _thousands(value: float, _position: int) -> str:
    """Tick label with a thin space between thousands."""
    return f"{value:,.0f}".replace(",", "\u2009") if abs(value) >= 1000 else f"{value:.4g}"
