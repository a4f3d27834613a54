"""Writes the tables of ``docs/ablation.md``: the names of methods, and the columns of the results store.

python docs/columns.py          # write what stands between the marks
python docs/columns.py --check  # write nothing; exit with 1 if the page is not current
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from payoff import wrappers
from payoff.baselines import methods
from payoff.baselines.results import COLUMNS

PAGE = Path(__file__).resolve().parent / "ablation.md"


def tables() -> dict[str, str]:
    """Name of a block -> its table."""
    found = {"columns": _columns()}
    for name, table in (("shaping", methods.SHAPINGS), ("bonus", methods.BONUSES), ("transform", methods.TRANSFORMS)):
        found[name] = _methods(table)
    return found


def page(text: str) -> str:
    """The page with the tables as they are now.

    Raises:
        ValueError: the page lacks the marks of a block.
    """
    for name, table in tables().items():
        begin, end = f"<!-- {name}: begin, made by docs/columns.py -->", f"<!-- {name}: end -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"the page has no block {name}, which begins with {begin!r}")
        text = pattern.sub(lambda _, table=table, begin=begin, end=end: f"{begin}\n{table}\n{end}", text)
    return text


def _columns() -> str:
    lines = ["| Column | Type | Meaning | In older rows |", "|---|---|---|---|"]
    for column in COLUMNS:
        kind = "list of double" if column.type == "list" else column.type
        meaning = column.meaning.replace("|", r"\|")
        lines.append(f"| `{column.name}` | {kind} | {meaning} | {column.before or ''} |")
    return "\n".join(lines)


def _methods(table: dict[str, methods.Builder]) -> str:
    lines = ["| Name | Keys and defaults | What it is |", "|---|---|---|"]
    for name, builder in table.items():
        given = ", ".join(_key(p) for p in methods.parameters(builder))
        thing = getattr(wrappers, builder) if isinstance(builder, str) else builder
        first = " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())
        about = f"`{builder}`: {first}" if isinstance(builder, str) else first
        plain = re.sub(r"``([^`]*)``", r"`\1`", about).replace("|", r"\|")
        lines.append(f"| `{name}` | {given} | {plain} |")
    return "\n".join(lines)


def _key(parameter: inspect.Parameter) -> str:
    return parameter.name if parameter.default is parameter.empty else f"{parameter.name}={parameter.default}"


def main(arguments: Sequence[str] | None = None, path: Path = PAGE) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Write the tables of the page about ablations.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the page is not current")
    options = parser.parse_args(arguments)
    before = path.read_text(encoding="utf-8")
    text = page(before)
    if options.check:
        if text != before:
            sys.stderr.write(f"{path} is not current\n")
        return int(text != before)
    path.write_bytes(text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
