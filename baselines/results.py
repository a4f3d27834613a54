"""The results store: one Parquet row per run, one file per row, under ``OUT/runs/``.

A run is one (environment, reward, algorithm, seed) training with its evaluation. Its id is a hash of everything that
decides its numbers, so a run that is asked for again is found instead of repeated, and a changed setting is another
run. Files are written to a temporary name and renamed, so a killed process leaves a whole row or none; a file that is
damaged all the same (a row carries a checksum) is reported by name and never counted as finished.

Read them here (:func:`read_runs`), with polars or with DuckDB: ``SELECT * FROM 'OUT/runs/*.parquet'``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import platform
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import payoff
from payoff.extras import require

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "COLUMNS",
    "Column",
    "RunConfig",
    "Runs",
    "machine",
    "read_row",
    "read_runs",
    "row_path",
    "versions",
    "write_atomically",
    "write_row",
]


class Column(NamedTuple):
    """One column: its Arrow type (``list`` = list of numbers), whether an "ok" row must fill it, and what it means."""

    name: str
    type: str
    required: bool
    meaning: str


COLUMNS = (
    Column("run_id", "string", True, "hash of the configuration"),
    Column("status", "string", True, "ok, or failed: an error or a number that is not finite"),
    Column("message", "string", False, "what failed"),
    Column("failed_step", "int64", False, "environment steps done when it failed, where the trainer knows"),
    Column("env_id", "string", True, "environment"),
    Column("env_params", "string", True, "game parameters and view settings that differ from the defaults, JSON"),
    Column("reward", "string", True, "reward layer that the learner was trained on"),
    Column("algo", "string", True, "trainer"),
    Column("hyperparameters", "string", True, "every setting of the trainer, JSON"),
    Column("seed", "int64", True, "seed of the training"),
    Column("config", "string", True, "the whole configuration, JSON; run_id is its hash"),
    Column("payoffs", "list", True, "payoff of each seat: sum over an episode, undiscounted, mean over episodes"),
    Column("welfare", "double", True, "sum of the payoffs over seats"),
    Column("welfare_random", "double", True, "welfare when every seat plays uniformly at random"),
    Column("welfare_best", "double", True, "optimum where it is known, else welfare of the best of 101 constants"),
    Column("best_kind", "string", True, "what that is: optimum, reference (a scripted solution) or constant"),
    Column("best_level", "double", False, "level of that constant, a share of the endowment"),
    Column("score", "double", False, "(welfare - random) / (best - random); empty unless the best beats random"),
    Column("welfare_ratio", "double", False, "welfare / best; empty unless both are positive"),
    Column("fairness_jain", "double", False, "Jain index of the payoffs, 1/N to 1; empty if one is negative"),
    Column("fairness_worst_off", "double", True, "payoff of the seat that got least"),
    Column("cooperation", "double", False, "mean over steps and seats of action / endowment; empty if discrete"),
    Column("cooperation_by_step", "list", False, "the same at each step of an evaluation episode"),
    Column("episode_length", "double", True, "steps of an evaluation episode, mean"),
    Column("evaluation_episodes", "int64", True, "number of evaluation episodes"),
    Column("steps", "int64", True, "environment steps of the training, all copies together"),
    Column("wall_seconds", "double", True, "elapsed time of the training"),
    Column("cpu_seconds", "double", True, "processor time of the training"),
    Column("curve_step", "list", True, "environment steps at each point of the learning curves"),
    Column("curve_welfare", "list", True, "welfare of training episodes; empty where none ended"),
    Column("curve_reward", "list", True, "sum of rewards of training episodes, in the units of the reward"),
    Column("curve_cooperation", "list", False, "cooperation during training"),
    Column("curve_episode_length", "list", True, "steps of training episodes"),
    Column("payoff_version", "string", True, "version of this package"),
    Column("python_version", "string", True, "version of Python"),
    Column("numpy_version", "string", True, "version of NumPy"),
    Column("numba_version", "string", True, "version of numba"),
    Column("torch_version", "string", False, "version of PyTorch, where installed"),
    Column("gymnasium_version", "string", True, "version of Gymnasium"),
    Column("cpu_model", "string", True, "processor"),
    Column("cores", "int64", True, "processor cores of the machine"),
)

_NAMES = tuple(c.name for c in COLUMNS)
_CURVES = {c.name for c in COLUMNS if c.type == "list" and c.name.startswith("curve_")}
_ALWAYS = {"run_id", "status", "env_id", "env_params", "reward", "algo", "hyperparameters", "seed", "config"}
_CASTS: dict[str, Callable[[Any], Any]] = {"string": str, "int64": int, "double": float}
_DIGEST = b"payoff_sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything that decides the numbers of a run.

    Attributes:
        env_id: environment.
        reward: name of the reward layer, as in ``reward=``.
        algo: name of the trainer.
        seed: seed of the training.
        env_params: game parameters and view settings (JSON values).
        hyperparameters: every setting of the trainer (JSON values).
        evaluation_episodes: episodes of the evaluation.
        evaluation_seed: seed of the evaluation, the same for all runs that are compared.
        version: version of this package.
    """

    env_id: str
    reward: str
    algo: str
    seed: int
    env_params: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    evaluation_episodes: int = 10
    evaluation_seed: int = 1_000_000
    version: str = payoff.__version__

    @property
    def run_id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of :attr:`json`."""
        return hashlib.sha256(self.json.encode()).hexdigest()[:16]

    @property
    def json(self) -> str:
        """Canonical JSON: sorted keys, no spaces."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)

    def columns(self) -> dict[str, Any]:
        """Its part of a row."""
        return {
            "run_id": self.run_id,
            "env_id": self.env_id,
            "env_params": json.dumps(dict(self.env_params), sort_keys=True),
            "reward": self.reward,
            "algo": self.algo,
            "hyperparameters": json.dumps(dict(self.hyperparameters), sort_keys=True),
            "seed": self.seed,
            "config": self.json,
        }

    def __str__(self) -> str:
        """Words for a progress line."""
        return f"{self.env_id} {self.reward} {self.algo} seed {self.seed}"


class Runs(NamedTuple):
    """What a results folder holds.

    Attributes:
        frame: one row per run, failed ones included.
        damaged: row files that could not be read, with the reason.
    """

    frame: pl.DataFrame
    damaged: dict[Path, str]


def row_path(out: Path, run_id: str) -> Path:
    """File of a run's row."""
    return out / "runs" / f"{run_id}.parquet"


def write_row(out: Path, row: Mapping[str, Any]) -> Path:
    """Write a run's row; a row of the same run is replaced.

    Args:
        out: results folder, made where missing.
        row: column -> value; columns left out are empty.

    Returns:
        The file.

    Raises:
        ValueError: an unknown column, a required one left out, or a number that is not finite in an "ok" row
            (in a learning curve NaN means that no episode ended, and is stored as empty).
    """
    pa, pq = require("pyarrow", "train"), require("pyarrow.parquet", "train")
    clean = _checked(row)
    # Parquet's own checksums do not cover the footer, which says how the pages are read.
    table = pa.Table.from_pylist([clean], schema=_schema(pa).with_metadata({_DIGEST: _digest(clean)}))
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer)
    path = row_path(out, clean["run_id"])
    write_atomically(path, buffer.getvalue().to_pybytes())
    return path


def read_row(path: Path) -> dict[str, Any]:
    """Row of a file.

    Raises:
        ValueError: the file is damaged, is not a row of this store, or is the row of another run than its name says.
        FileNotFoundError: there is no such file.
    """
    pa, pq = require("pyarrow", "train"), require("pyarrow.parquet", "train")
    data = path.read_bytes()
    try:
        table = pq.read_table(pa.BufferReader(data))
        rows = table.to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:  # pyarrow's layers report damage each in their own way
        raise ValueError(f"damaged row file {path}: {[*str(error).splitlines(), '?'][0]}") from error
    if len(rows) != 1 or not table.schema.equals(_schema(pa)):
        raise ValueError(f"damaged row file {path}: expected one row of the {len(COLUMNS)} columns of this version")
    row: dict[str, Any] = rows[0]
    if (table.schema.metadata or {}).get(_DIGEST) != _digest(row):
        raise ValueError(f"damaged row file {path}: its content does not match its checksum")
    if row["run_id"] != path.stem:
        raise ValueError(f"damaged row file {path}: it holds run {row['run_id']}")
    return row


def read_runs(out: Path) -> Runs:
    """All rows of a results folder, sorted by environment, reward, algorithm and seed."""
    pl = require("polars", "train")
    pa = require("pyarrow", "train")
    rows, damaged = [], {}
    for path in sorted((out / "runs").glob("*.parquet")):
        try:
            rows.append(read_row(path))
        except ValueError as error:
            damaged[path] = str(error)
    rows.sort(key=lambda r: (r["env_id"], r["reward"], r["algo"], r["seed"], r["run_id"]))
    return Runs(pl.from_arrow(pa.Table.from_pylist(rows, schema=_schema(pa))), damaged)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that its name never stands for half of it; folders are made where missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner reads
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def versions() -> dict[str, str | None]:
    """Version columns: this package, Python and the packages that decide numbers."""
    found: dict[str, str | None] = {"payoff_version": payoff.__version__, "python_version": platform.python_version()}
    for name in ("numpy", "numba", "torch", "gymnasium"):
        try:
            found[f"{name}_version"] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[f"{name}_version"] = None
    return found


def machine() -> dict[str, Any]:
    """Machine columns: processor and cores; nothing that names the machine."""
    model = platform.processor() or platform.machine() or "unknown"
    cpuinfo = Path("/proc/cpuinfo")  # on Linux platform.processor() says the architecture or nothing
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {"cpu_model": model, "cores": os.cpu_count() or 1}


def _schema(pa: Any) -> Any:
    types = {"string": pa.string(), "int64": pa.int64(), "double": pa.float64(), "list": pa.list_(pa.float64())}
    return pa.schema([(c.name, types[c.type]) for c in COLUMNS])


def _digest(row: Mapping[str, Any]) -> bytes:
    """Checksum of a row's values; bytes of a damaged text column count as their repr."""
    return hashlib.sha256(json.dumps(row, sort_keys=True, default=repr).encode()).hexdigest().encode()


def _checked(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with every column, in order, its numbers checked."""
    unknown = sorted(set(row) - set(_NAMES))
    if unknown:
        raise ValueError(f"row has unknown columns {', '.join(unknown)}")
    status = row.get("status")
    if status not in ("ok", "failed"):
        raise ValueError(f"status must be ok or failed, got {status!r}")
    clean = {}
    for column in COLUMNS:
        value = row.get(column.name)
        needed = column.name in _ALWAYS or (column.required and status == "ok")
        if needed and value is None:
            raise ValueError(f"column {column.name} must be filled when status is {status}")
        if value is not None and column.type == "list":
            value = [None if math.isnan(x) and column.name in _CURVES else float(x) for x in value]
        elif value is not None:
            value = _CASTS[column.type](value)  # NumPy scalars as well: the checksum is taken over what is read back
        numbers = value if isinstance(value, list) else [value]
        if any(isinstance(x, float) and not math.isfinite(x) for x in numbers):
            raise ValueError(f"column {column.name} must be finite, got {value}: this is a failed run")
        clean[column.name] = value
    return clean
