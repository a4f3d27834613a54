"""The results store: one Parquet row per run, one file per row, under ``OUT/runs/``.

A run is one training of one algorithm in one environment, under one reward and one seed, with its evaluation. Its id
is a hash of everything that decides its numbers, so a run that is asked for again is found instead of repeated, and a
changed setting is another run. Files are written to a temporary name and renamed, so a killed process leaves a whole
row or none; a file that is damaged all the same (a row carries a checksum) is reported by name and never counted as
finished.

Read them with :func:`read_results`, which merges folders and reads rows of older versions, with polars or with DuckDB:
``SELECT * FROM 'OUT/runs/*.parquet'``.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import payoff
from payoff.envs.core.params import check_integer
from payoff.extras import require
from payoff.files import new_beside, write_atomically

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "COLUMNS",
    "LARGEST_SEED",
    "MOST_EPISODES",
    "Column",
    "RunConfig",
    "Runs",
    "checked",
    "machine",
    "make_folder",
    "read_results",
    "read_row",
    "read_runs",
    "row_path",
    "versions",
    "write_row",
]


class Column(NamedTuple):
    """A column of the results store.

    Attributes:
        name: its name.
        type: Arrow type; ``list`` is a list of numbers.
        required: whether an "ok" row must fill it.
        meaning: what it means.
        before: what rows mean that were written before there was such a column; None: every row has it.
    """

    name: str
    type: str
    required: bool
    meaning: str
    before: str | None = None


COLUMNS = (
    Column("run_id", "string", True, "hash of the configuration"),
    Column("status", "string", True, "ok, or failed: an error or a number that is not finite"),
    Column("message", "string", False, "what failed"),
    Column("failed_step", "int64", False, "environment steps done when it failed, where the trainer knows"),
    Column("env_id", "string", True, "environment"),
    Column("env_params", "string", True, "game parameters and view settings that differ from the defaults, JSON"),
    Column("reward", "string", True, "reward layer that the learner was trained on"),
    Column("shaping", "string", True, "method around the reward, as a specification; none: no such method", "none"),
    Column("bonus", "string", True, "exploration bonus, as a specification; none: no bonus", "none"),
    Column("transform", "string", True, "what rewrote the rewards of whole episodes; none: nothing did", "none"),
    Column("partners", "string", True, "who played the seats that were not trained; none: nobody was named", "none"),
    Column(
        "reward_learner", "string", True, "what learned a reward for the training; none: the reward is as it is", "none"
    ),
    Column("algo", "string", True, "trainer"),
    Column("hyperparameters", "string", True, "every setting of the trainer, JSON"),
    Column("seed", "int64", True, "seed of the training"),
    Column("config", "string", True, "the whole configuration, JSON; run_id is its hash"),
    Column("payoffs", "list", True, "payoff of each seat: sum over an episode, undiscounted, mean over episodes"),
    Column("welfare", "double", True, "sum of the payoffs over seats"),
    Column("welfare_random", "double", True, "welfare when every seat plays uniformly at random"),
    Column("welfare_best", "double", True, "optimum where it is known, else welfare of the best of 101 constants"),
    Column(
        "best_kind", "string", True, "what that is: optimum, reference (a scripted solution), threshold or constant"
    ),
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

LARGEST_SEED = 2**63 - 1  # a row holds it as int64
MOST_EPISODES = 100_000  # of an evaluation, which are all played at once

_NAMES = tuple(c.name for c in COLUMNS)
_CURVES = {c.name for c in COLUMNS if c.type == "list" and c.name.startswith("curve_")}
_METHODS = tuple(c.name for c in COLUMNS if c.before is not None)  # fields of RunConfig as well
_ALWAYS = {"run_id", "status", "env_id", "env_params", "reward", *_METHODS, "algo", "hyperparameters", "seed", "config"}
_CASTS: dict[str, Callable[[Any], Any]] = {"string": str, "int64": int, "double": float}
_DIGEST = b"payoff_sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything that decides the numbers of a run.

    Attributes:
        env_id: environment.
        reward: specification of the reward layer, as in ``reward=``.
        algo: name of the trainer.
        seed: seed of the training.
        shaping: specification of a method around the reward; see :mod:`payoff.baselines.methods`.
        bonus: specification of an exploration bonus.
        transform: specification of what rewrites the rewards of whole episodes.
        partners: specification of who plays the seats that are not trained; ``none`` leaves that to the game.
        reward_learner: specification of what learns a reward before the training; see
            :mod:`payoff.baselines.reward_learners`.
        env_params: game parameters and view settings (JSON values).
        hyperparameters: every setting of the trainer (JSON values).
        evaluation_episodes: episodes of the evaluation.
        evaluation_seed: seed of the evaluation, the same for all runs that are compared.
        version: version of this package.

    Raises:
        ValueError: a seed or a number of episodes that is out of range.
    """

    env_id: str
    reward: str
    algo: str
    seed: int
    shaping: str = "none"
    bonus: str = "none"
    transform: str = "none"
    partners: str = "none"
    reward_learner: str = "none"
    env_params: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    evaluation_episodes: int = 10
    evaluation_seed: int = 1_000_000
    version: str = payoff.__version__

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("seed", self.seed, 0, LARGEST_SEED)
        check_integer("episodes", self.evaluation_episodes, 1, MOST_EPISODES)
        check_integer("evaluation_seed", self.evaluation_seed, 0, LARGEST_SEED - MOST_EPISODES)

    @property
    def run_id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of :attr:`json`."""
        return hashlib.sha256(self.json.encode()).hexdigest()[:16]

    @property
    def json(self) -> str:
        """Canonical JSON: sorted keys, no spaces.

        Partners stand among the parameters and methods that are ``none`` are left out, so that a run keeps the id that
        it had before these were fields.
        """
        values = {k: v for k, v in asdict(self).items() if k not in _METHODS or (v != "none" and k != "partners")}
        values["env_params"] = self.env_keywords()
        return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)

    def env_keywords(self) -> dict[str, Any]:
        """Keywords of the environment, but for the reward."""
        return {**self.env_params, **({} if self.partners == "none" else {"partners": self.partners})}

    def columns(self) -> dict[str, Any]:
        """Its part of a row."""
        return {
            "run_id": self.run_id,
            "env_id": self.env_id,
            "env_params": json.dumps(dict(self.env_params), sort_keys=True),
            "reward": self.reward,
            **{name: getattr(self, name) for name in _METHODS},
            "algo": self.algo,
            "hyperparameters": json.dumps(dict(self.hyperparameters), sort_keys=True),
            "seed": self.seed,
            "config": self.json,
        }

    def __str__(self) -> str:
        """Words for a progress line."""
        params = ",".join(f"{k}={json.dumps(v)}" for k, v in self.env_params.items())
        methods = [getattr(self, name) for name in _METHODS if getattr(self, name) != "none"]
        return " ".join(
            [self.env_id, *([params] if params else []), self.reward, *methods, self.algo, f"seed {self.seed}"]
        )


class Runs(NamedTuple):
    """What a results folder holds.

    Attributes:
        frame: one row per run, failed ones included.
        damaged: row files that could not be read, with the reason.
    """

    frame: pl.DataFrame
    damaged: dict[Path, str]


def make_folder(out: Path) -> None:
    """Make a results folder, where there is none, and see that files can be written to it.

    Raises:
        ValueError: it cannot be made or written to, or a file is where one of its folders belongs.
    """
    for folder in (out, out / "runs", out / "checkpoints"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with new_beside(folder / "x"):
                pass
        except (OSError, ValueError) as error:  # ValueError: no path may have a null byte
            reason = "it is no folder" if isinstance(error, FileExistsError) else getattr(error, "strerror", error)
            raise ValueError(f"out must be a folder that takes files, got {out}: {folder}: {reason}") from error


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
    clean = checked(row)
    # Parquet's own checksums do not cover the footer, which says how the pages are read.
    table = pa.Table.from_pylist([clean], schema=_schema(pa).with_metadata({_DIGEST: _digest(clean)}))
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer)
    path = row_path(out, clean["run_id"])
    write_atomically(path, buffer.getvalue().to_pybytes())
    return path


def read_row(path: Path) -> dict[str, Any]:
    """Row of a file; columns that were added after it was written hold what :class:`Column` says.

    Raises:
        ValueError: the file is damaged, is not a row of this store, or is the row of another run than its name says.
        FileNotFoundError: there is no such file.
    """
    pa, pq = require("pyarrow", "train"), require("pyarrow.parquet", "train")
    try:
        data = path.read_bytes()
    except (IsADirectoryError, PermissionError) as error:
        raise ValueError(f"damaged row file {path}: {error.strerror}") from error
    try:
        # one row needs no threads, and a process that ends while one of them starts is aborted
        table = pq.read_table(pa.BufferReader(data), use_threads=False, pre_buffer=False)
        rows = table.to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:  # pyarrow's layers report damage each in their own way
        raise ValueError(f"damaged row file {path}: {[*str(error).splitlines(), '?'][0]}") from error
    schema = _schema(pa)
    expected = pa.schema([f for f in schema if f.name in table.schema.names or f.name not in _METHODS])
    if len(rows) != 1 or not table.schema.equals(expected):
        raise ValueError(f"damaged row file {path}: expected one row of the {len(COLUMNS)} columns of this version")
    row: dict[str, Any] = rows[0]
    if (table.schema.metadata or {}).get(_DIGEST) != _digest(row):
        raise ValueError(f"damaged row file {path}: its content does not match its checksum")
    if "partners" not in row:
        row |= _partners_apart(row["env_params"])
    row = {c.name: row.get(c.name, c.before) for c in COLUMNS}
    if row["run_id"] != path.stem:
        raise ValueError(f"damaged row file {path}: it holds run {row['run_id']}")
    return row


def read_runs(out: Path) -> Runs:
    """All rows of a results folder, sorted by environment, reward, algorithm and seed."""
    rows, damaged = [], {}
    for path in sorted((out / "runs").glob("*.parquet")):
        try:
            rows.append(read_row(path))
        except ValueError as error:
            damaged[path] = str(error)
    return Runs(_frame(rows), damaged)


def read_results(folder: str | Path, *more: str | Path) -> pl.DataFrame:
    """Rows of one or several results folders, one for each run.

    A run that stands in several folders counts once: a row that says ok goes before one that says failed, and of two
    that say the same the one from the folder named later. Columns are those of :data:`COLUMNS`; rows of older versions
    have ``none`` where there was no such column. Row files that are damaged are left out, with a warning that names
    each.

    Args:
        folder: a results folder, the ``--out`` of ``payoff train`` and ``payoff ablate``.
        more: further ones.

    Returns:
        One row per run, failed ones included, sorted by environment, reward, algorithm and seed.

    Raises:
        FileNotFoundError: there is no such folder, or no ``runs`` in it.
    """
    kept: dict[str, dict[str, Any]] = {}
    for out in map(Path, (folder, *more)):
        if not (out / "runs").is_dir():
            raise FileNotFoundError(f"{out} is no results folder: there is no {out / 'runs'}")
        frame, damaged = read_runs(out)
        for reason in damaged.values():
            warnings.warn(reason, stacklevel=2)
        for row in frame.to_dicts():
            before = kept.get(row["run_id"])
            if before is None or row["status"] == "ok" or before["status"] == "failed":
                kept[row["run_id"]] = row
    return _frame(kept.values())


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


def _partners_apart(env_params: str) -> dict[str, str]:
    """Columns ``env_params`` and ``partners`` of a row that was written when partners were a parameter."""
    values = json.loads(env_params)
    partners = values.pop("partners", "none") if isinstance(values.get("partners"), str) else "none"
    return {"env_params": json.dumps(values, sort_keys=True), "partners": partners}


def _frame(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """The rows, sorted, as a frame with all columns."""
    polars, pa = require("polars", "train"), require("pyarrow", "train")
    keys = ("env_id", "env_params", "reward", *_METHODS, "algo", "seed", "run_id")
    ordered = sorted(rows, key=lambda r: tuple(r[k] for k in keys))
    return polars.from_arrow(pa.Table.from_pylist(ordered, schema=_schema(pa)))


def _schema(pa: Any) -> Any:
    types = {"string": pa.string(), "int64": pa.int64(), "double": pa.float64(), "list": pa.list_(pa.float64())}
    return pa.schema([(c.name, types[c.type]) for c in COLUMNS])


def _digest(row: Mapping[str, Any]) -> bytes:
    """Checksum of a row's values; bytes of a damaged text column count as their repr."""
    return hashlib.sha256(json.dumps(row, sort_keys=True, default=repr).encode()).hexdigest().encode()


def checked(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with every column, in order, its numbers checked.

    Raises:
        ValueError: as :func:`write_row`.
    """
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
            value = [None if column.name in _CURVES and (x is None or math.isnan(x)) else float(x) for x in value]
        elif value is not None:
            value = _CASTS[column.type](value)  # NumPy scalars as well: the checksum is taken over what is read back
        numbers = value if isinstance(value, list) else [value]
        if any(isinstance(x, float) and not math.isfinite(x) for x in numbers):
            raise ValueError(f"column {column.name} must be finite, got {value}: this is a failed run")
        clean[column.name] = value
    return clean
