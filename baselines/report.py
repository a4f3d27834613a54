"""What a set of runs says: a table for the terminal, and one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.table import Table as TerminalTable
from rich.text import Text

from payoff.baselines import figures
from payoff.baselines.cells import AXES, Cell, Row, arrange
from payoff.baselines.results import COLUMNS
from payoff.baselines.stats import (
    FEW,
    Kind,
    bootstrap_interval,
    interquartile_mean,
    kind_of,
    probability_of_improvement,
    spread,
)
from payoff.files import write_atomically

__all__ = ["Table", "by_game", "compare", "notes", "tables", "terminal", "write_report"]


class Table(NamedTuple):
    """A table as text: the terminal and the page print the same strings.

    Attributes:
        title: what it is.
        header: names of the columns.
        align: one letter a column, ``l`` for text and ``r`` for numbers.
        lines: the cells.
        notes: sentences that explain it.
    """

    title: str
    header: tuple[str, ...]
    align: str
    lines: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


_DEFINED = (
    "payoffs",
    "welfare",
    "welfare_random",
    "welfare_best",
    "best_kind",
    "score",
    "welfare_ratio",
    "fairness_worst_off",
    "fairness_jain",
    "cooperation",
    "episode_length",
    "curve_welfare",
    "wall_seconds",
    "cpu_seconds",
)
_CAPTIONS = {
    "welfare": "Welfare of the trained, deterministic policies, by what they were trained on. Light marks: one per "
    "seed. Large marks: their mean. {Bars}. Axes do not start at 0; an arrow points to random play where it is far "
    "outside.",
    "learning_curves": "Welfare of the episodes that ended during training, with exploration: mean over seeds. "
    "{Bands}. The reward that is maximised is not drawn: its scale differs between the lines.",
    "cooperation_within_episode": "Share of the endowment that seats contribute, on average, at each step of an "
    "evaluation episode. Thin lines: one per seed, ending where its episode ends. Thick: their mean while all run.",
}
_SPREADS: dict[Kind, str] = {
    "single": "One seed: nothing is known of how far another one would be off, so there is no interval and no chance "
    "to be better.",
    "range": f"(a to b): smallest and largest of fewer than {FEW} seeds. This is no confidence interval, and so few "
    "seeds say little.",
    "interval": "[a, b]: percentile bootstrap over seeds, nominally 95 %. Measured, it covers the mean in 83, 90 "
    "and 92 % of samples of 5, 10 and 20 normal numbers, and in 71, 79 and 85 % where they are log-normal "
    "(benchmarks/interval_coverage.py).",
}
_CSS = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; max-width: 68rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th { border-bottom: 2px solid #777; } th.text, td.text { text-align: left; }
td.text:last-child { white-space: normal; overflow-wrap: anywhere; }
figure { margin: 1.2rem 0; } figure img { max-width: 100%; height: auto; }
figcaption, .note { color: #444; font-size: .92rem; max-width: 52rem; }
pre { background: #f4f4f4; padding: .7rem 1rem; overflow-x: auto; font-size: .88rem; }
dt { font-weight: 600; margin-top: .5rem; } dd { margin-left: 1.2rem; }
.failed { border-left: 4px solid #D55E00; padding: .1rem 1rem; background: #fdf3ec; }
details summary { cursor: pointer; margin-bottom: .5rem; }
"""


def tables(rows: Sequence[Row]) -> list[Table]:
    """All tables of a set of runs that have a line: one line a cell, then one table for each axis that varies."""
    found = [by_game(rows), *(compare(rows, axis) for axis in arrange(rows).varying)]
    return [table for table in found if table.lines]


def notes(found: Sequence[Table]) -> list[str]:
    """Notes of several tables, each once."""
    return _distinct(note for table in found for note in table.notes)


def by_game(rows: Sequence[Row]) -> Table:
    """One line per environment and combination of what varies: means over seeds, the welfare with its spread."""
    grid = arrange(rows)
    lines = []
    for cell in grid.cells:
        lines.append(
            (
                cell.game,
                *(cell.labels[axis] for axis in grid.methods),
                str(len(cell.rows)),
                _spread(_values(cell, "welfare"), _number),
                _mean(cell, "score", 3),
                _mean(cell, "welfare_ratio", 3),
                _mean(cell, "fairness_worst_off", 0),
                _mean(cell, "fairness_jain", 3),
                _mean(cell, "cooperation", 3),
                _mean(cell, "episode_length", 1),
            )
        )
    kinds = dict.fromkeys(kind_of(len(cell.rows)) for cell in grid.cells)
    header = (
        "environment",
        *(AXES[axis] for axis in grid.methods),
        "seeds",
        f"welfare{_covers(kinds)}",
        "score",
        "ratio",
        "worst off",
        "Jain",
        "coop.",
        "length",
    )
    align = (1 + len(grid.methods)) * "l" + 8 * "r"
    return Table("Evaluation in payoffs", header, align, tuple(lines), tuple(_SPREADS[kind] for kind in kinds))


def compare(rows: Sequence[Row], axis: str) -> Table:
    """Scores along one axis: a column for each of its points, a line for each combination of everything else.

    The last two lines, over all combinations that every point has scores for: the interquartile mean, and the chance
    that a run of this point scores higher than one of the first point in the same combination, ties counting half.

    Args:
        rows: runs.
        axis: a name of :data:`payoff.baselines.cells.AXES`.
    """
    grid = arrange(rows)
    points = grid.points[axis]
    others = [name for name in grid.varying if name not in (axis, "params")]
    lines: dict[tuple[str, ...], dict[str, Cell]] = {}
    for cell in grid.cells:
        game = cell.env if axis == "params" else cell.game
        lines.setdefault((game, *(cell.labels[name] for name in others)), {})[cell.labels[axis]] = cell
    text = [
        (*line, *(_score(found[point]) if point in found else "" for point in points))
        for line, found in lines.items()
        if any(_scored(cell) for cell in found.values())
    ]
    common = [found for found in lines.values() if all(point in found and _scored(found[point]) for point in points)]
    kinds = dict.fromkeys(kind_of(len(c.rows)) for found in lines.values() for c in found.values() if _scored(c))
    if common:
        blank = ("",) * len(others)
        where = "all" if len(common) == len(text) else f"the {len(common)} with every score"
        several = len(common) > 1  # of one line it would say the same again
        strata = {point: [_by_seed(found[point]) for found in common] for point in points}
        if several:
            text.append((f"IQM of {where}", *blank, *(_iqm(strata[point]) for point in points)))
        better = [_better(strata[point], strata[points[0]]) for point in points[1:]]
        if any(better):
            text.append((f"P(better than {points[0]})", *blank, "", *better))
    title = f"By {AXES[axis]}: score{_covers(kinds)}"
    header = ("environment", *(AXES[name] for name in others), *points)
    align = (1 + len(others)) * "l" + len(points) * "r"
    return Table(title, header, align, tuple(text), (*(_SPREADS[kind] for kind in kinds), *_explained(text)))


def terminal(table: Table) -> TerminalTable:
    """The table for a rich console."""
    shown = TerminalTable(title=Text(table.title), title_justify="left", title_style="bold")
    for name, align in zip(table.header, table.align, strict=True):
        shown.add_column(Text(name), justify="left" if align == "l" else "right", overflow="fold")
    for line in table.lines:
        shown.add_row(*map(Text, line))
    return shown


def write_report(out: Path, rows: Sequence[Row], command: str, grid: str = "") -> Path:
    """Write ``report.html`` and the figures (``figures/*.png``) of these runs.

    Args:
        out: results folder.
        rows: the runs, failed ones included.
        command: the command line that made them.
        grid: what it asked for, as a file for ``payoff ablate``.

    Returns:
        Path of the page.
    """
    arranged = arrange(rows)
    drawn = {name: getattr(figures, name)(arranged) for name in _CAPTIONS} if arranged.cells else {}
    covered = figures.covered(arranged)
    parts = []
    for name, figure in drawn.items():
        if figure is not None:
            caption = _CAPTIONS[name].format(Bars=f"Bars: {covered}", Bands=f"Bands: {covered}")
            write_atomically(out / "figures" / f"{name}.png", figures.encode(figure, "png"))
            data = base64.b64encode(figures.encode(figure, "svg")).decode()
            parts.append(
                f'<figure><img alt="{name.replace("_", " ")}" src="data:image/svg+xml;base64,{data}">'
                f"<figcaption>{html.escape(caption)}</figcaption></figure>"
            )
    page = out / "report.html"
    write_atomically(page, _page(rows, command, grid, parts).encode(errors="backslashreplace"))
    return page


def _page(rows: Sequence[Row], command: str, grid: str, images: Sequence[str]) -> str:
    failed = [row for row in rows if row["status"] == "failed"]
    found = tables(rows)
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Payoff: reward ablation</title><style>{_CSS}</style></head><body>",
            "<h1>What the reward does to behaviour</h1>",
            f"<p>{html.escape(_opening(rows))}</p>",
            f"<pre>{html.escape(command)}</pre>",
            f"<p>The grid, <code>grid.toml</code>:</p><pre>{html.escape(grid)}</pre>" if grid else "",
            _failures(failed) if failed else "",
            *(f"<h2>{html.escape(t.title)}</h2>{_html_table(t)}" for t in found),
            *(f'<p class="note">{html.escape(note)}</p>' for note in notes(found)),
            "<h2>Figures</h2>" if images else "",
            *images,
            "<h2>Definitions</h2>",
            _definitions(),
            "<h2>Every run</h2>",
            f"<details><summary>{len(rows)} runs</summary>{_html_table(_every_run(rows))}</details>",
            "<h2>Versions and machine</h2>",
            _html_table(_provenance(rows)),
            "</body></html>\n",
        )
    )


def _opening(rows: Sequence[Row]) -> str:
    grid = arrange(rows)
    games, seeds = ({row[k] for row in rows} for k in ("env_id", "seed"))
    told = [f"{len(games)} environment(s)", *(f"{AXES[axis]}: {len(grid.points[axis])}" for axis in grid.varying)]
    fixed = {axis: points[0] for axis, points in grid.points.items() if axis not in grid.varying}
    if "params" in fixed:
        fixed["params"] = (rows[0].get("env_params") or "").strip("{}") if len(games) == 1 else ""
    same = ", ".join(f"{AXES[axis]} {point}" for axis, point in fixed.items() if point not in ("", "none"))
    episodes = " or ".join(str(n) for n in sorted({row["evaluation_episodes"] for row in rows} - {None}))
    everywhere = f"The same everywhere: {same}. " if same else ""
    return (
        f"{', '.join(told)}; {len(seeds)} seed(s). {everywhere}Each policy learned from the reward, shaping and "
        "bonus named in its line. All are compared in payoffs, what really happened to the players, never in the "
        f"reward they were trained on; each played {episodes or 'no'} episodes without exploration, from the same "
        "seeds."
    )


def _failures(failed: Sequence[Row]) -> str:
    texts = (f"{_about(r)} seed {r['seed']}: {r['message'].splitlines()[0]}" for r in failed)
    items = "".join(f"<li>{html.escape(text)}</li>" for text in texts)
    return f'<div class="failed"><p>{len(failed)} run(s) failed and are in no figure or mean:</p><ul>{items}</ul></div>'


def _about(row: Row) -> str:
    """Environment and every point that is not ``none``."""
    params = row.get("env_params") or "{}"
    points = [row.get(axis) or "none" for axis in AXES if axis != "params"]
    return " ".join([row["env_id"], *([params] if params != "{}" else []), *(p for p in points if p != "none")])


def _definitions() -> str:
    meaning = {c.name: c.meaning for c in COLUMNS}
    items = (f"<dt>{name}</dt><dd>{html.escape(meaning[name])}</dd>" for name in _DEFINED)
    return f"<dl>{''.join(items)}</dl>"


def _every_run(rows: Sequence[Row]) -> Table:
    header = ("run", "seed", "status", "payoffs", "score", "steps", "wall s", "CPU s", "run id")
    lines = tuple(
        (
            _about(r),
            str(r["seed"]),
            r["status"],
            ", ".join(_number(x) for x in r["payoffs"] or ()),
            _optional(r["score"], 3),
            _optional(r["steps"], 0),
            _optional(r["wall_seconds"], 1),
            _optional(r["cpu_seconds"], 1),
            r["run_id"],
        )
        for r in rows
    )
    return Table("Every run", header, "lrlrrrrrl", lines)


def _provenance(rows: Sequence[Row]) -> Table:
    keys = [c.name for c in COLUMNS if c.name.endswith("_version")] + ["cpu_model", "cores", "hyperparameters"]
    lines = [(key, " | ".join(_distinct(str(row[key]) for row in rows if row[key] is not None))) for key in keys]
    return Table("Versions and machine", ("what", "value"), "ll", tuple(lines))


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _html_table(table: Table) -> str:
    kinds = [' class="text"' if align == "l" else "" for align in table.align]
    head = "".join(f"<th{kind}>{html.escape(name)}</th>" for kind, name in zip(kinds, table.header, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{kind}>{html.escape(text)}</td>' for kind, text in zip(kinds, line, strict=True))}</tr>"
        for line in table.lines
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _values(cell: Cell, column: str) -> np.ndarray:
    return np.array([row[column] for row in cell.rows if row[column] is not None], dtype=np.float64)


def _mean(cell: Cell, column: str, digits: int) -> str:
    values = _values(cell, column)
    return _optional(float(values.mean()) if len(values) == len(cell.rows) else None, digits)


def _spread(values: np.ndarray, text: Callable[[float], str]) -> str:
    """``mean``, ``mean (smallest to largest)`` or ``mean [low, high]``, by the number of seeds."""
    found = spread(values)
    if found.low is None or found.high is None:
        return text(float(found.mean[0]))
    return _with_ends(float(found.mean[0]), float(found.low[0]), float(found.high[0]), found.kind, text)


def _with_ends(value: float, low: float, high: float, kind: Kind, text: Callable[[float], str]) -> str:
    ends = f"[{text(low)}, {text(high)}]" if kind == "interval" else f"({text(low)} to {text(high)})"
    return f"{text(value)} {ends}"


def _covers(kinds: Iterable[Kind]) -> str:
    """What the ends in a column are, for its header."""
    words = {"single": "", "range": "(range of seeds)", "interval": "[95 % bootstrap]"}
    return "".join(f" {words[kind]}" for kind in kinds if words[kind])


def _explained(text: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """What the last lines of a comparison are, where there are any."""
    first = [line[0] for line in text]
    notes = []
    if any(name.startswith("IQM") for name in first):
        notes.append("IQM: mean of the middle half of all scores of a column.")
    if any(name.startswith("P(") for name in first):
        notes.append(
            "P(better): chance that a run of this column scores higher than one of the first column on the same line; "
            "a tie counts half."
        )
    return tuple(notes)


def _scored(cell: Cell) -> bool:
    return all(row["score"] is not None for row in cell.rows)


def _score(cell: Cell) -> str:
    return _spread(_values(cell, "score"), _three) if _scored(cell) else ""


def _by_seed(cell: Cell) -> dict[int, float]:
    return {row["seed"]: row["score"] for row in cell.rows}


def _iqm(strata: Sequence[Mapping[int, float]]) -> str:
    """Interquartile mean of strata of seeds; its range is that over seeds that all strata have."""
    scores = [list(stratum.values()) for stratum in strata]
    value, kind = interquartile_mean(scores), kind_of(min(map(len, scores)))
    if kind == "interval":
        return _with_ends(value, *bootstrap_interval(scores), kind, _three)
    common = set.intersection(*(set(stratum) for stratum in strata))
    if kind == "single" or len(common) < 2:
        return _three(value)
    alone = [interquartile_mean([[stratum[seed]] for stratum in strata]) for seed in sorted(common)]
    return _with_ends(value, min(alone), max(alone), kind, _three)


def _better(treated: Sequence[Mapping[int, float]], control: Sequence[Mapping[int, float]]) -> str:
    """Probability of improvement; with its interval from five seeds on, empty with one."""
    x, y = ([list(stratum.values()) for stratum in strata] for strata in (treated, control))
    kind = kind_of(min(map(len, [*x, *y])))
    if kind == "single":
        return ""
    value = probability_of_improvement(x, y)
    if kind == "range":
        return f"{value:.2f}"
    ends = bootstrap_interval([*x, *y], lambda drawn: probability_of_improvement(drawn[: len(x)], drawn[len(x) :]))
    return _with_ends(value, *ends, kind, lambda number: f"{number:.2f}")


def _three(value: float) -> str:
    return f"{value:.3f}"


def _optional(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}".replace(",", "\u2009")


def _number(value: float) -> str:
    """Five significant digits, or whole numbers with a thin space between thousands."""
    return f"{value:,.0f}".replace(",", "\u2009") if abs(value) >= 10_000 else f"{value:.5g}"
