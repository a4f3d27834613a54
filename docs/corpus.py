"""Writes ``docs/llm/corpus.parquet`` from the runs in ``docs/llm/runs``, and the tables of ``docs/llm/corpus.md``.

python docs/corpus.py          # write both; trains where a candidate is new
python docs/corpus.py --check  # write and train nothing; exit with 1 if one of them is not current

What a run has not trained is trained here, all in the same way. Payoffs of rows that did not change are taken from the
file, and not from another training.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from payoff.baselines.llm.brief_training import BriefTraining
from payoff.baselines.llm.reward_corpus import (
    COLUMNS,
    SUMMARY,
    TRAINED,
    collect,
    read_corpus,
    summary,
    train,
    write_corpus,
)

if TYPE_CHECKING:
    import polars as pl

FOLDER = Path(__file__).resolve().parent / "llm"
CORPUS, PAGE, RUNS = FOLDER / "corpus.parquet", FOLDER / "corpus.md", FOLDER / "runs"
TRAINING = BriefTraining(steps=20_000, seeds=3)
_WORST = 6  # rows of the table of what would have gone wrong
_LONGEST = 90  # letters of a text in a table


def corpus(before: Sequence[Mapping[str, Any]], runs: Path = RUNS) -> pl.DataFrame:
    """The rows of the runs; what ``before`` has of the training of the same candidate is taken over."""
    frame = collect(sorted(path for path in runs.iterdir() if path.is_dir()))
    trained = {_said(row): row for row in before}
    rows = []
    for row in frame.to_dicts():
        known = trained.get(_said(row), row) if row["payoff"] is None else row
        rows.append({**row, **{name: known[name] for name in TRAINED}})
    found: pl.DataFrame = type(frame)(rows, schema=frame.schema)
    return found


def page(text: str, frame: pl.DataFrame) -> str:
    """The page with the tables as they are now.

    Raises:
        ValueError: the page lacks the marks of a block.
    """
    for name, table in (("runs", _runs(frame)), ("worst", _worst(frame)), ("columns", _columns())):
        begin, end = f"<!-- {name}: begin, made by docs/corpus.py -->", f"<!-- {name}: end -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"the page has no block {name}, which begins with {begin!r}")
        text = pattern.sub(lambda _, table=table, begin=begin, end=end: f"{begin}\n{table}\n{end}", text)
    return text


def _said(row: Mapping[str, Any]) -> str:
    """A row without what a training adds."""
    return json.dumps({name: value for name, value in row.items() if name not in TRAINED}, sort_keys=True)


def _runs(frame: pl.DataFrame) -> str:
    rows = [[f"`{name}`", *rest] for name, *rest in summary(frame)]
    return _table(SUMMARY, rows)


def _worst(frame: pl.DataFrame) -> str:
    """What would have gone wrong: the highest regret of what can be used."""
    worst = frame.filter(frame["regret"].round(9) > 0).sort("regret", descending=True, maintain_order=True).head(_WORST)
    rows = []
    for row in worst.iter_rows(named=True):
        lost, paid = f"{100 * round(row['regret'], 9):.3g} %", "-" if row["payoff"] is None else f"{row['payoff']:.6g}"
        rows.append([lost, _code(row["text"]), row["use"], row["why"], row["run"], paid])
    return _table(("regret", "text", "use", "reason given", "run", "payoff"), rows)


def _columns() -> str:
    return _table(("column", "type", "meaning"), [[f"`{c.name}`", c.type, c.meaning] for c in COLUMNS])


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(text: str) -> str:
    line = " ".join(text.split()).replace("`", "'")
    return f"`{line if len(line) <= _LONGEST else line[:_LONGEST] + ' ...'}`"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Write the reward corpus and the tables of its page.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if something is not current")
    options = parser.parse_args(arguments)
    before = read_corpus(CORPUS) if CORPUS.exists() else None
    frame = corpus([] if before is None else before.to_dicts())
    text = PAGE.read_text(encoding="utf-8")
    if options.check:
        stale = [
            *([CORPUS] if before is None or not frame.equals(before) else []),
            *([PAGE] if page(text, frame) != text else []),
        ]
        for path in stale:
            sys.stderr.write(f"{path} is not current\n")
        return int(bool(stale))
    with tempfile.TemporaryDirectory() as folder:
        frame = train(frame, TRAINING, Path(folder), say=lambda line: print(line, file=sys.stderr))
    if before is None or not frame.equals(before):
        write_corpus(frame, CORPUS)
    PAGE.write_bytes(page(text, frame).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
