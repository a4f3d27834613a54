"""The reward corpus: every candidate of a number of calls of ``payoff llm-reward``, a row each.

A row says who was asked what in which words, what was replied, what was read of it and what was found, and what a
learner got that was trained under it. It is made from the folders of the calls alone::

    frame = collect(["results/a", "results/b"])
    write_corpus(frame, Path("corpus.parquet"))

A folder is somebody's word. Its store holds the hash of every prompt, each candidate must answer one of them, and what
is said of it must be whole; nothing of a folder is imported or run. What was found and what was trained is taken as it
is told: :func:`collect` judges nothing again. A replay of the store does, and gives the same file of candidates.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import payoff
from payoff.baselines.environments import is_outside
from payoff.baselines.llm.brief_training import BriefTraining
from payoff.baselines.llm.methods import Request
from payoff.baselines.llm.run_file import LlmRun, read_run
from payoff.envs.core.arrays import shown
from payoff.envs.core.params import check_integer
from payoff.envs.core.specification import parse as parse_specification
from payoff.extras import require
from payoff.files import read_lines, write_atomically
from payoff.wrappers.arguments import check_text
from payoff.wrappers.llm.propose import Candidate
from payoff.wrappers.llm.reward_text import parse
from payoff.wrappers.llm.store import ReplyStore
from payoff.wrappers.llm.verdict import Finding, Verdict

if TYPE_CHECKING:
    import polars as pl

__all__ = ["COLUMNS", "SUMMARY", "TRAINED", "Column", "collect", "read_corpus", "summary", "train", "write_corpus"]


class Column(NamedTuple):
    """A column of the corpus.

    Attributes:
        name: its name.
        type: string, int64, double or bool; messages: a list of role and content; findings: a list of name, passed,
            words, and numbers by name and value.
        meaning: what it means.
    """

    name: str
    type: str
    meaning: str


COLUMNS = (
    Column("run", "string", "name of the folder"),
    Column("env_id", "string", "environment"),
    Column("params", "string", "game parameters and view settings that differ from the defaults, JSON"),
    Column("task", "string", "what the learner should do, in the user's words"),
    Column("method", "string", "how it was asked, as a specification"),
    Column("round", "int64", "round in which it was proposed, from 1; 0: there was only one"),
    Column("use", "string", "as a potential, as the reward, or added to it"),
    Column("limit", "double", "size to which values are cut"),
    Column("gamma", "double", "the learner's discount"),
    Column("seed", "int64", "seed of random play, and of the trainings of the run"),
    Column("steps", "int64", "steps of random play that it was tried along"),
    Column("by", "string", "name of the model; scripted: no model was asked"),
    Column("settings", "string", "settings of the sampling, JSON"),
    Column("versions", "string", "of the packages that decide numbers, JSON"),
    Column("hash", "string", "of the prompt that it answers, SHA-256"),
    Column("sample", "int64", "number of the reply, from 0, where the same was asked several times"),
    Column("prompt", "messages", "the prompt"),
    Column("reply", "string", "the whole reply"),
    Column("tokens_in", "int64", "tokens of the prompt, where the server said"),
    Column("tokens_out", "int64", "tokens of the reply, where the server said"),
    Column("text", "string", "the expression or function that was made of the reply"),
    Column("read_as", "string", "the same with indices in place of names; as it was given, where it cannot be read"),
    Column("why", "string", "the reason that was given"),
    Column("passed", "bool", "whether it met every demand"),
    Column("usable", "bool", "whether it had a value at every step that was played"),
    Column("findings", "findings", "what was looked at and what was found"),
    Column("regret", "double", "share of the payoff's span that its best policy loses; exact models only"),
    Column("distance", "double", "distance from the payoff, 0 to 2; exact models only"),
    Column("paid_a_step", "double", "what the best-paid play that never ends gets a step; exact models only"),
    Column("least", "double", "smallest value along random play"),
    Column("most", "double", "largest value along random play"),
    Column("payoff", "double", "of an episode of a learner that was trained under it, mean; empty: none was"),
    Column("trained_with", "string", "how it was trained, JSON; empty: it was not"),
    Column("given_up", "string", "why a training was given up; empty: none was"),
)
TRAINED = ("payoff", "trained_with", "given_up")  # what train() fills in
SUMMARY = ("run", "environment", "method", "use", "by", "candidates", "passed", "trained", "best payoff")
_OF_FACTORS = ("lare",)  # methods whose candidates are parts of a reward that is yet to be learned
_NUMBERS = {  # finding and number -> column
    ("follows the payoff", "regret"): "regret",
    ("follows the payoff", "distance"): "distance",
    ("no cycle", "paid a step"): "paid_a_step",
    ("bounded", "least"): "least",
    ("bounded", "most"): "most",
}


def collect(folders: Sequence[str | Path]) -> pl.DataFrame:
    """The candidates of folders that ``payoff llm-reward`` has made, in their order.

    Args:
        folders: one or more; their names differ.

    Returns:
        A row for each candidate, with :data:`COLUMNS`.

    Raises:
        ValueError: two folders have the same name, or one is damaged, forged or not finished; names the file.
        FileNotFoundError: a folder lacks a file.
    """
    rows: list[dict[str, Any]] = []
    names: set[str] = set()
    for folder in map(Path, folders):
        name = folder.resolve().name
        if name in names:
            raise ValueError(f"folders must have different names, got {name!r} twice")
        names.add(name)
        rows += _rows(folder, name)
    return _frame(rows)


def train(
    frame: pl.DataFrame,
    training: BriefTraining,
    out: Path,
    *,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> pl.DataFrame:
    """Train under every candidate that can be used and was not trained yet, all in the same way, with the same seeds.

    Factors, which are what method ``lare`` asks for, are no rewards and are left out.

    Args:
        frame: of :func:`collect`.
        training: how.
        out: folder in which every training that is finished is kept, under ``trained/``; a second call goes on.
        seed: of the first training of each candidate.
        say: is told in a line what was trained.

    Returns:
        The frame with ``payoff``, ``trained_with`` and ``given_up`` of these.

    Raises:
        ValueError: the trainer or the environment of a row will not do; nothing has been trained yet.
        TypeError: a setting that the trainer does not have.
        ImportError: a package that it needs is missing.
    """
    check_integer("seed", seed, 0)
    rows = frame.to_dicts()
    wanted = [(row, _request(row, out, seed)) for row in rows if _trainable(row) and row["trained_with"] is None]
    problems = {(row["env_id"], row["params"]): request for row, request in wanted}
    for request in problems.values():
        training.check(request)
    for number, (row, request) in enumerate(wanted, 1):
        found = training.train(request, row["text"], {"reward": row["text"]})
        told = {**training.as_dict(request), "seed": seed, "version": payoff.__version__}
        row.update(zip(TRAINED, (found.payoff, _json(told), found.error or None), strict=True))
        result = f"payoff {found.payoff:.6g}" if found.payoff is not None else f"given up: {found.error}"
        say(f"{number}/{len(wanted)}, {row['run']}: {result}")
    return _frame(rows)


def summary(frame: pl.DataFrame) -> list[tuple[str, ...]]:
    """What each run came to, in words: a row for each, with :data:`SUMMARY`."""
    rows: list[tuple[str, ...]] = []
    for _, run in frame.group_by("run", maintain_order=True):
        first = run.row(0, named=True)
        best: Any = run["payoff"].max()
        counts = str(run.height), str(run["passed"].sum()), str(run["payoff"].count())
        shown = "-" if best is None else f"{best:.6g}"
        told = (first["run"], first["env_id"].removeprefix("payoff/"), first["method"].partition(":")[0], first["use"])
        rows.append((*told, first["by"], *counts, shown))
    return rows


def write_corpus(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame of :func:`collect` as Parquet; an older file of that name is replaced.

    Raises:
        OSError: it cannot be written.
    """
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    write_atomically(path, buffer.getvalue())


def read_corpus(path: str | Path) -> pl.DataFrame:
    """The frame of a file.

    Raises:
        ValueError: it is damaged or no corpus; names it.
        FileNotFoundError: there is no such file.
    """
    polars = require("polars", "train")
    data = Path(path).read_bytes()
    try:
        frame: pl.DataFrame = polars.read_parquet(io.BytesIO(data))
    except (polars.exceptions.PolarsError, OSError) as error:
        raise ValueError(f"{path} is damaged or no reward corpus: {[*str(error).splitlines(), '?'][0]}") from error
    if frame.schema != _schema(polars):
        raise ValueError(f"{path} is no reward corpus of this version: it must have the columns of COLUMNS")
    return frame


# -- a folder ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Folder:
    """A call and all that was said in it; ``exchanges`` by their hashes."""

    run: LlmRun
    exchanges: Mapping[str, Mapping[str, Any]]


def _rows(folder: Path, name: str) -> list[dict[str, Any]]:
    opened = _open(folder)
    path = folder / "candidates.jsonl"
    lines = read_lines(path)
    if not lines:
        raise ValueError(f"{path} must hold a candidate")
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = {"run": name, **_row(opened, _candidate(line))}
            rows.append({key: _written(value) if isinstance(value, str) else value for key, value in row.items()})
        except (KeyError, TypeError, ValueError) as error:
            said = f"there is no {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path}, line {number}: {said}") from error
    return rows


def _open(folder: Path) -> _Folder:
    run = read_run(folder)
    path = folder / "store.jsonl"
    store = ReplyStore(path)  # checks every hash
    if (store.by, store.settings) != (run.by, dict(run.settings)):
        raise ValueError(f"{path} must be of {run.by!r} with the settings of run.json, got {store.by!r}")
    exchanges = {line["hash"]: line for line in read_lines(path)[1:]}
    task = run.asked.task.strip()
    if not any(task in message["content"] for line in exchanges.values() for message in line["messages"]):
        raise ValueError(f"{path}: the task of run.json must stand in a prompt, and stands in none")
    return _Folder(run, exchanges)


def _candidate(line: Mapping[str, Any]) -> Candidate:
    """A candidate from its JSON values.

    Raises:
        KeyError: a name is missing.
        TypeError: a value is of another type.
        ValueError: a value is out of its range, there are other names, or what it says does not fit together.
    """
    told = line["verdict"]
    if not isinstance(told, Mapping) or not isinstance(told["findings"], list):
        raise TypeError("verdict must be an object with findings")
    found = Candidate(
        text=line["text"],
        why=line["why"],
        verdict=Verdict(told["text"], told["use"], tuple(map(_finding, told["findings"]))),
        by=line["by"],
        hash=line["hash"],
        method=line["method"],
        round=line["round"],
        payoff=line["payoff"],
    )
    for name in ("text", "why", "by", "hash", "method"):
        check_text(name, getattr(found, name))
    for name in ("text", "use"):
        check_text(f"verdict's {name}", getattr(found.verdict, name))
    check_integer("round", found.round, 0)
    if not _is_number(found.payoff) and found.payoff is not None:
        raise TypeError(f"payoff must be a number or null, got {found.payoff!r}")
    if found.as_dict() != line:
        raise ValueError("it must be as llm-reward writes it: it has other names, or passed does not fit the findings")
    if found.verdict.findings and found.verdict.findings[0].passed:
        parse(found.verdict.text)
    return found


def _finding(told: Mapping[str, Any]) -> Finding:
    if not isinstance(told, Mapping):
        raise TypeError("findings must be objects")
    found = Finding(told["name"], told["passed"], told["words"], told.get("numbers", {}))
    check_text("name of a finding", found.name)
    check_text("words of a finding", found.words)
    if found.passed is not None and not isinstance(found.passed, bool):
        raise TypeError(f"passed must be true, false or null, got {found.passed!r}")
    if not isinstance(found.numbers, Mapping) or not all(map(_is_number, found.numbers.values())):
        raise TypeError("numbers of a finding must be numbers by name")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# -- a row -------------------------------------------------------------------------------------------------------------


def _row(folder: _Folder, candidate: Candidate) -> dict[str, Any]:
    run, asked, verdict = folder.run, folder.run.asked, candidate.verdict
    exchange = folder.exchanges.get(candidate.hash)
    if exchange is None:
        raise ValueError("its hash must be of a prompt in store.jsonl, and is of none")
    if candidate.by != run.by:
        raise ValueError(f"by must be {run.by!r}, as in run.json, got {candidate.by!r}")
    if verdict.use != asked.use:
        raise ValueError(f"use must be {asked.use!r}, as in run.json, got {verdict.use!r}")
    numbers = {
        column: float(finding.numbers[number])
        for (name, number), column in _NUMBERS.items()
        for finding in verdict.findings
        if finding.name == name and number in finding.numbers
    }
    trained = None if candidate.payoff is None else _json({**(asked.training or {}), "seed": asked.seed})
    return {
        "env_id": asked.env_id,
        "params": _json(asked.params),
        "task": asked.task,
        "method": asked.method,
        "round": candidate.round,
        "use": asked.use,
        "limit": float(asked.limit),
        "gamma": float(asked.gamma),
        "seed": asked.seed,
        "steps": asked.steps,
        "by": run.by,
        "settings": _json(run.settings),
        "versions": _json(run.versions),
        "hash": candidate.hash,
        "sample": exchange["sample"],
        "prompt": [{"role": m["role"], "content": _written(m["content"])} for m in exchange["messages"]],
        "reply": exchange["reply"],
        "tokens_in": exchange["tokens_in"],
        "tokens_out": exchange["tokens_out"],
        "text": candidate.text,
        "read_as": verdict.text,
        "why": candidate.why,
        "passed": verdict.passed,
        "usable": verdict.usable,
        "findings": [
            {
                "name": finding.name,
                "passed": finding.passed,
                "words": _written(finding.words),
                "numbers": [{"name": name, "value": float(value)} for name, value in finding.numbers.items()],
            }
            for finding in verdict.findings
        ],
        **numbers,
        "payoff": None if candidate.payoff is None else float(candidate.payoff),
        "trained_with": trained,
    }


def _written(text: str) -> str:
    """A text that a file can hold: half a surrogate pair, which no encoding has, becomes an escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), sort_keys=True, allow_nan=False)


def _frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    polars = require("polars", "train")
    found: pl.DataFrame = polars.DataFrame(
        [{column.name: row.get(column.name) for column in COLUMNS} for row in rows], schema=_schema(polars)
    )
    return found


def _schema(polars: Any) -> Any:
    message = polars.Struct({"role": polars.String, "content": polars.String})
    number = polars.Struct({"name": polars.String, "value": polars.Float64})
    finding = {
        "name": polars.String,
        "passed": polars.Boolean,
        "words": polars.String,
        "numbers": polars.List(number),
    }
    types = {
        "string": polars.String,
        "int64": polars.Int64,
        "double": polars.Float64,
        "bool": polars.Boolean,
        "messages": polars.List(message),
        "findings": polars.List(polars.Struct(finding)),
    }
    return polars.Schema({column.name: types[column.type] for column in COLUMNS})


def _trainable(row: Mapping[str, Any]) -> bool:
    return row["usable"] and row["method"].partition(":")[0] not in _OF_FACTORS


def _request(row: Mapping[str, Any], out: Path, seed: int) -> Request:
    """What a candidate is trained for."""
    env_id = row["env_id"]
    if ":" in env_id or is_outside(env_id):  # a module that somebody's folder names is not imported
        raise ValueError(f"environments must be of this package to be trained in, got {env_id} in {row['run']}")

    keywords = json.loads(row["params"])
    if _names_module(keywords):
        raise ValueError(f"params must name no module to be trained with, got {shown(keywords)} in {row['run']}")

    def judge(text: str) -> Verdict:
        raise AssertionError("what was judged is not judged again")

    return Request(
        env_id=env_id,
        task=row["task"],
        judge=judge,
        out=out,
        keywords=keywords,
        use=row["use"],
        limit=row["limit"],
        gamma=row["gamma"],
        seed=seed,
    )


def _names_module(value: Any) -> bool:
    """Whether a part of JSON values says ``package.module:Name``, which an environment would import."""
    if isinstance(value, str):
        try:
            return parse_specification(value).outside
        except ValueError:  # nor does the environment read it
            return False
    parts = value.values() if isinstance(value, Mapping) else value
    return isinstance(value, Mapping | list) and any(map(_names_module, parts))
