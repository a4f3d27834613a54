"""What a set of runs says: a table for the terminal, and one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table as TerminalTable

from payoff.baselines import figures
from payoff.baselines.figures import Cell, cells
from payoff.baselines.results import COLUMNS, write_atomically
from payoff.baselines.stats import bootstrap_band, bootstrap_interval, interquartile_mean, probability_of_improvement

__all__ = ["Table", "across_games", "by_game", "terminal", "write_report"]

Row = Mapping[str, Any]


class Table(NamedTuple):
    """A table as text: the terminal and the page print the same strings.

    Attributes:
        title: what it is.
        header: names of the columns.
        align: one letter a column, ``l`` for text and ``r`` for numbers.
        lines: the cells.
    """

    title: str
    header: tuple[str, ...]
    align: str
    lines: tuple[tuple[str, ...], ...]


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
    "welfare_by_reward": "Welfare of the trained, deterministic policies, by the reward they were trained on. Light "
    "marks: one per seed. Large marks and bars: mean over seeds and its 95 % bootstrap interval. Axes do not start at "
    "0; an arrow points to random play where it is far outside.",
    "learning_curves": "Welfare of the episodes that ended during training, with exploration: mean over seeds and its "
    "95 % bootstrap interval. The reward that is maximised is not drawn: its scale differs between the lines.",
    "cooperation_within_episode": "Share of the endowment that seats contribute, on average, at each step of an "
    "evaluation episode. Thin lines: one per seed, ending where its episode ends. Thick: their mean while all run.",
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


def by_game(rows: Sequence[Row]) -> Table:
    """One line per environment and reward: mean over seeds, with the 95 % bootstrap interval of the welfare."""
    lines = []
    for cell in cells(rows):
        mean, low, high = (float(x[0]) for x in bootstrap_band(_values(cell, "welfare")[:, None]))
        lines.append(
            (
                cell.env_id.removeprefix("payoff/"),
                cell.reward,
                str(len(cell.rows)),
                f"{_number(mean)} [{_number(low)}, {_number(high)}]",
                _mean(cell, "score", 3),
                _mean(cell, "welfare_ratio", 3),
                _mean(cell, "fairness_worst_off", 0),
                _mean(cell, "fairness_jain", 3),
                _mean(cell, "cooperation", 3),
                _mean(cell, "episode_length", 1),
            )
        )
    header = (
        "environment",
        "reward",
        "seeds",
        "welfare [95 %]",
        "score",
        "ratio",
        "worst off",
        "Jain",
        "coop.",
        "length",
    )
    return Table("Evaluation in payoffs", header, "ll" + 8 * "r", tuple(lines))


def across_games(rows: Sequence[Row]) -> Table:
    """One line per reward: interquartile mean of the scores of all games, and the chance to beat the first reward."""
    groups = [c for c in cells(rows) if all(row["score"] is not None for row in c.rows)]
    env_ids, names = (list(dict.fromkeys(x)) for x in ([c.env_id for c in groups], [c.reward for c in groups]))
    scores = {(c.env_id, c.reward): _values(c, "score") for c in groups}
    common = [e for e in env_ids if all((e, name) in scores for name in names)]  # else rewards differ in their games
    lines = []
    for name in names if common else ():
        strata = [scores[e, name] for e in common]
        low, high = bootstrap_interval(strata)
        first = [scores[e, names[0]] for e in common]
        better = "" if name == names[0] else f"{probability_of_improvement(strata, first):.2f}"
        lines.append(
            (name, str(sum(map(len, strata))), f"{interquartile_mean(strata):.3f} [{low:.3f}, {high:.3f}]", better)
        )
    title = f"Across {len(common)} game{'s' if len(common) != 1 else ''}"
    header = ("reward", "runs", "IQM score [95 %]", f"P(better than {names[0] if names else 'the first'})")
    return Table(title, header, "lrrr", tuple(lines))


def terminal(table: Table) -> TerminalTable:
    """The table for a rich console."""
    shown = TerminalTable(title=table.title, title_justify="left", title_style="bold")
    for name, align in zip(table.header, table.align, strict=True):
        shown.add_column(name, justify="left" if align == "l" else "right", overflow="fold")
    for line in table.lines:
        shown.add_row(*line)
    return shown


def write_report(out: Path, rows: Sequence[Row], command: str) -> Path:
    """Write ``report.html`` and the figures (``figures/*.png``) of these runs.

    Args:
        out: results folder.
        rows: the runs, failed ones included.
        command: the command line that made them.

    Returns:
        Path of the page.
    """
    groups = cells(rows)
    drawn = {name: getattr(figures, name)(groups) for name in _CAPTIONS} if groups else {}
    parts = []
    for name, figure in drawn.items():
        if figure is not None:
            write_atomically(out / "figures" / f"{name}.png", figures.encode(figure, "png"))
            data = base64.b64encode(figures.encode(figure, "svg")).decode()
            parts.append(
                f'<figure><img alt="{name.replace("_", " ")}" src="data:image/svg+xml;base64,{data}">'
                f"<figcaption>{html.escape(_CAPTIONS[name])}</figcaption></figure>"
            )
    page = out / "report.html"
    write_atomically(page, _page(rows, command, parts).encode())
    return page


def _page(rows: Sequence[Row], command: str, images: Sequence[str]) -> str:
    tables = [by_game(rows), across_games(rows)]
    failed = [row for row in rows if row["status"] == "failed"]
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Payoff: reward ablation</title><style>{_CSS}</style></head><body>",
            "<h1>What the reward does to behaviour</h1>",
            f"<p>{html.escape(_opening(rows))}</p>",
            f"<pre>{html.escape(command)}</pre>",
            _failures(failed) if failed else "",
            *(f"<h2>{html.escape(t.title)}</h2>{_html_table(t)}" for t in tables if t.lines),
            f'<p class="note">{html.escape(_CAUTION)}</p>',
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


_CAUTION = (
    "Intervals come from resampling seeds. With three seeds they can only span the three values seen, and are narrower "
    "than their confidence says. IQM: mean of the middle half of all scores of a reward, games pooled. P(better): the "
    "chance that a run under this reward scores higher than one of the first on the same game; a tie counts half."
)


def _opening(rows: Sequence[Row]) -> str:
    games, names, seeds = ({row[k] for row in rows} for k in ("env_id", "reward", "seed"))
    algorithms = ", ".join(sorted({row["algo"] for row in rows}))
    episodes = " or ".join(str(n) for n in sorted({row["evaluation_episodes"] for row in rows} - {None}))
    return (
        f"{len(games)} game(s), {len(names)} reward(s), {len(seeds)} seed(s), trained with {algorithms}. Each policy "
        "learned from the reward named in its line. All are compared in payoffs, what really happened to the players, "
        f"never in the reward they were trained on; each played {episodes or 'no'} episodes without exploration, from "
        "the same seeds."
    )


def _failures(failed: Sequence[Row]) -> str:
    texts = (f"{r['env_id']} {r['reward']} seed {r['seed']}: {r['message'].splitlines()[0]}" for r in failed)
    items = "".join(f"<li>{html.escape(text)}</li>" for text in texts)
    return f'<div class="failed"><p>{len(failed)} run(s) failed and are in no figure or mean:</p><ul>{items}</ul></div>'


def _definitions() -> str:
    meaning = {c.name: c.meaning for c in COLUMNS}
    items = (f"<dt>{name}</dt><dd>{html.escape(meaning[name])}</dd>" for name in _DEFINED)
    return f"<dl>{''.join(items)}</dl>"


def _every_run(rows: Sequence[Row]) -> Table:
    header = ("environment", "reward", "seed", "status", "payoffs", "score", "steps", "wall s", "CPU s", "run id")
    lines = tuple(
        (
            r["env_id"],
            r["reward"],
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
    return Table("Every run", header, "llrlrrrrrl", lines)


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


def _optional(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}".replace(",", "\u2009")


def _number(value: float) -> str:
    """Five significant digits, or whole numbers with a thin space between thousands."""
    return f"{value:,.0f}".replace(",", "\u2009") if abs(value) >= 10_000 else f"{value:.5g}"
