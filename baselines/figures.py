"""Figures of a set of runs: learning curves, welfare, cooperation within an episode.

Everything is drawn in payoffs, and what is compared is whatever varies: rewards, bonuses, partners and so on. What is
compared has one colour, marker and line style in all figures; the colours are those of Okabe and Ito, chosen to stay
apart under the common colour-vision deficiencies.
"""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from payoff.baselines.cells import AXES, Cell, Grid
from payoff.baselines.stats import FEW, kind_of, spread
from payoff.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["cooperation_within_episode", "covered", "encode", "learning_curves", "welfare"]

Array = NDArray[np.float64]

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))
_ALWAYS = {"private": 0, "integrated": 1, "cooperative": 2}  # look the same in the figures of all campaigns
_BEST = {
    "constant": "best constant",
    "optimum": "optimum",
    "reference": "scripted reference",
    "threshold": "reward threshold",
}
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
    "text.parse_math": False,  # a name may hold a dollar
    "svg.hashsalt": "payoff",  # the same figure is the same file
}


def learning_curves(grid: Grid) -> Figure:
    """Welfare of training episodes against environment steps: mean over seeds, and what :func:`covered` says."""

    def draw(axes: Axes, cell: Cell, style: dict[str, Any]) -> None:
        steps = np.asarray(cell.rows[0]["curve_step"], dtype=np.float64)
        found = spread(np.stack([_at(steps, row["curve_step"], row["curve_welfare"]) for row in cell.rows]))
        axes.plot(steps / 1000, found.mean, lw=1.8, color=style["color"], ls=style["ls"], label=style["label"])
        if found.low is not None and found.high is not None:
            axes.fill_between(steps / 1000, found.low, found.high, color=style["color"], alpha=0.18, lw=0)

    def finish(axes: Axes, group: Sequence[Cell]) -> None:
        _references(axes, group)
        axes.margins(y=0.06)
        axes.set_xlim(0, max(row["curve_step"][-1] for cell in group for row in cell.rows) / 1000)
        axes.set_xlabel("environment steps (thousands)")

    return _panels(grid, draw, finish, "welfare per episode (payoff units)", f"bands: {covered(grid)}")


def welfare(grid: Grid) -> Figure:
    """Welfare of the evaluated policies: one light mark per seed, their mean, and what :func:`covered` says."""
    names = {cell.label(grid.methods) for cell in grid.cells}
    crowded = len(names) * max(map(len, names)) > 44  # names that do not fit below the axis go to the legend

    def draw(axes: Axes, cell: Cell, style: dict[str, Any]) -> None:
        at = style["at"]
        values = np.array([row["welfare"] for row in cell.rows])
        found = spread(values)
        beside = at - 0.2 + 0.12 * (np.linspace(-0.5, 0.5, len(values)) if len(values) > 1 else np.zeros(1))
        look = {"color": style["color"], "marker": style["marker"]}
        axes.plot(beside, values, ls="", ms=4.5, alpha=0.5, mew=0, **look)
        label = style["label"] if crowded else None
        bars = None
        if found.low is not None and found.high is not None:
            bars = np.array([found.mean - found.low, found.high - found.mean])
        axes.errorbar(at, found.mean[0], bars, ls="", ms=7.5, lw=1.8, capsize=4, label=label, **look)

    def finish(axes: Axes, group: Sequence[Cell]) -> None:
        _references(axes, group)
        _focus(axes, group)
        axes.set_xlim(-0.6, len(group) - 0.4)
        if crowded:
            axes.set_xticks([])
        else:
            axes.set_xticks(range(len(group)), [cell.label(_drawn(grid)) for cell in group])
        axes.grid(axis="x", visible=False)
        axes.set_xlabel("" if crowded else ", ".join(AXES[axis] for axis in _drawn(grid)))

    return _panels(grid, draw, finish, "welfare per episode (payoff units)", f"bars: {covered(grid)}")


def cooperation_within_episode(grid: Grid) -> Figure | None:
    """Share of the endowment contributed at each step of an evaluation episode; None where no game has shares.

    Thin lines are seeds, ending where their episode ends. The thick line is their mean, over the steps that all reach:
    a mean over those still running would change its sample on the way.
    """
    shared = replace(grid, cells=tuple(c for c in grid.cells if all(row["cooperation_by_step"] for row in c.rows)))

    def draw(axes: Axes, cell: Cell, style: dict[str, Any]) -> None:
        lines = [np.asarray(row["cooperation_by_step"]) for row in cell.rows]
        for line in lines:
            axes.plot(np.arange(1, len(line) + 1), line, lw=0.8, color=style["color"], alpha=0.5)
        common = min(len(line) for line in lines)
        mean = np.mean([line[:common] for line in lines], axis=0)
        mark = {"marker": style["marker"], "ms": 5, "markevery": [common - 1]}
        steps = np.arange(1, common + 1)
        axes.plot(steps, mean, lw=2, ls=style["ls"], color=style["color"], label=style["label"], **mark)

    def finish(axes: Axes, group: Sequence[Cell]) -> None:
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlim(left=0)
        axes.set_xlabel("step of the episode")

    if not shared.cells:
        return None
    return _panels(shared, draw, finish, "cooperation (action / endowment)", "thin lines: seeds")


def covered(grid: Grid) -> str:
    """What bars and bands cover, in words: it depends on the number of seeds."""
    fewest, most = grid.seeds
    seeds = str(most) if fewest == most else f"{max(fewest, 2)} to {most}"
    kinds = {kind_of(fewest), kind_of(most)}
    if kinds == {"single"}:
        return "none, one seed each"
    if "interval" not in kinds:
        return f"smallest to largest of {seeds} seeds"
    if kinds == {"interval"}:
        return f"95 % bootstrap interval of the mean of {seeds} seeds"
    return f"95 % bootstrap interval of the mean, below {FEW} seeds smallest to largest"


def encode(figure: Figure, form: str) -> bytes:
    """The figure as a file: ``form`` is ``"png"`` or ``"svg"``."""
    buffer = io.BytesIO()
    matplotlib = require("matplotlib", "train")
    with matplotlib.rc_context(_STYLE):
        figure.savefig(buffer, format=form, dpi=150, metadata={"Date": None} if form == "svg" else None)
    return buffer.getvalue()


def _drawn(grid: Grid) -> tuple[str, ...]:
    """The one or two axes, of those with most points, that colours and marks tell apart; others have panels."""
    chosen = sorted(grid.methods, key=lambda axis: -len(grid.points[axis]))[:2]
    return tuple(axis for axis in grid.methods if axis in chosen)


def _panels(
    grid: Grid,
    draw: Callable[[Axes, Cell, dict[str, Any]], None],
    finish: Callable[[Axes, Sequence[Cell]], None],
    ylabel: str,
    note: str,
) -> Figure:
    """A panel for each game, and for each point of the axes beyond two; at most three side by side, one legend."""
    matplotlib = require("matplotlib", "train")
    figures = require("matplotlib.figure", "train")  # not pyplot: no global state, and always the Agg canvas
    styles = _styles(grid)
    beyond = [axis for axis in grid.methods if axis not in _drawn(grid)]
    panels: dict[str, list[Cell]] = {}
    for cell in grid.cells:
        panels.setdefault(" · ".join([cell.game, *([cell.label(beyond)] if beyond else [])]), []).append(cell)
    columns = min(3, len({cell.game for cell in grid.cells}) if beyond else len(panels))
    lines = math.ceil(len(panels) / columns)
    width = max(6.4, 1.0 + 3.6 * columns)
    with matplotlib.rc_context(_STYLE):
        figure = figures.Figure(figsize=(width, 0.7 + 2.9 * lines), layout="constrained")
        places = figure.subplots(lines, columns, squeeze=False)
        for axes, (title, group) in zip(places.flat, panels.items(), strict=False):
            for at, cell in enumerate(group):
                draw(axes, cell, {**styles[cell.label(_drawn(grid))], "at": at})
            axes.set_title(title, fontsize=10.5 if len(title) < 36 else 8.5)
            finish(axes, group)
            axes.yaxis.set_major_formatter(_thousands)
        for axes in places.flat[len(panels) :]:
            axes.set_visible(False)
        for axes in places[:, 0]:
            axes.set_ylabel(ylabel)
        entries = dict(
            pair[::-1] for axes in places.flat for pair in zip(*axes.get_legend_handles_labels(), strict=True)
        )
        longest = max(map(len, entries), default=1)
        across = max(1, min(5, len(entries), int(width * 12) // (longest + 6)))
        figure.set_figheight(0.7 + 2.9 * lines + 0.2 * math.ceil(len(entries) / across))
        legend = figure.legend(
            entries.values(), entries, loc="outside lower center", ncols=across, title=note, title_fontsize=9
        )
        legend.get_title().set_color("#444444")
    return figure


def _styles(grid: Grid) -> dict[str, dict[str, Any]]:
    """Colour, marker and line of what is compared, by its label.

    One axis: all three differ from point to point. Two: colours tell the points of the first apart, markers and lines
    those of the second. They repeat when there are more points than colours.
    """
    first, *second = _drawn(grid)
    colours, marks = _numbers(grid.points[first]), _numbers(grid.points[second[0]]) if second else {}
    styles = {}
    for cell in grid.cells:
        colour = colours[cell.labels[first]]
        mark = marks[cell.labels[second[0]]] if second else colour
        label = cell.label(_drawn(grid))
        styles[label] = {"color": _COLOURS[colour], "marker": _MARKERS[mark], "ls": _LINES[mark], "label": label}
    return styles


def _numbers(points: Sequence[str]) -> dict[str, int]:
    free = itertools.cycle(k for k in range(len(_COLOURS)) if k not in {_ALWAYS.get(name) for name in points})
    return {name: _ALWAYS[name] if name in _ALWAYS else next(free) for name in points}


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
