"""What surrounds a training, whatever the algorithm: its settings, its clock, checkpoints that go on, curves and logs.

A trainer opens a :class:`TrainingRun`, names what it keeps, and says what every update came to::

    with TrainingRun("ppo", args, on_progress) as run:
        run.keep(net=..., play=...)  # whatever has arrays() and load(arrays)
        run.resume()
        while run.step < last_step:
            ...
            run.record(steps, metrics, episodes)
        return run.result(policy)

When a checkpoint is due, what it holds, where numbers are logged, how a progress bar learns of it: all of that is here.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Protocol

import numpy as np
import tyro

from payoff.baselines import checkpoint
from payoff.baselines.policies import Policy
from payoff.baselines.result import CURVES, Result
from payoff.baselines.results import LARGEST_SEED, versions
from payoff.envs.core.params import check_integer, check_number
from payoff.extras import require

__all__ = [
    "Generator",
    "JsonObject",
    "Kept",
    "NotFiniteError",
    "OnProgress",
    "RunArgs",
    "TrainingRun",
    "curve_of",
    "load_parts",
    "part_of",
]

OnProgress = Callable[[int, int], None]

# These say where to and how long, and may differ when a training goes on; all others decide its numbers.
_FREE = {"total_steps", "log_dir", "checkpoint", "checkpoint_every", "resume"}


def _json_object(words: list[str]) -> dict[str, Any]:
    try:
        value = json.loads(words[0])
    except RecursionError:
        raise ValueError("the JSON object is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f'expected a JSON object such as {{"max_steps": 50}}, got {words[0]!r}')
    return value


JsonObject = Annotated[
    dict[str, Any],
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="JSON",
        instance_from_str=_json_object,
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda value: [json.dumps(value)],
    ),
]
"""A field that is a JSON object on the command line."""


@dataclass(frozen=True, kw_only=True)
class RunArgs:
    """Settings of every trainer: environment, seed, length, checkpoint.

    The text under a field is its help on the command line.
    """

    env_id: str = "payoff/TrustDilemma-v0"
    """environment"""
    reward: str | None = None
    """reward layer to train on; the game's default when left out"""
    env_params: JsonObject = field(default_factory=dict)
    """game parameters and view settings, as a JSON object"""
    seed: int = 1
    """seed of everything"""
    total_steps: int = 500_000
    """environment steps, all copies together"""
    log_dir: str | None = None
    """folder for TensorBoard"""
    checkpoint: str | None = None
    """file for checkpoints"""
    resume: bool = True
    """go on from the checkpoint file where there is one; otherwise it is replaced"""

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        self.check_counts("total_steps")
        check_integer("seed", self.seed, 0, LARGEST_SEED)

    def check_counts(self, *names: str) -> None:
        """Raise ValueError unless these settings are at least 1."""
        for name in names:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def keywords(self) -> dict[str, Any]:
        """Keywords of the environment."""
        return {**self.env_params, **({} if self.reward is None else {"reward": self.reward})}


class NotFiniteError(RuntimeError):
    """A number of the training is not finite.

    Attributes:
        step: environment steps done.
    """

    def __init__(self, update: int, step: int, what: str) -> None:
        super().__init__(f"update {update} (step {step}): {what} is not finite")
        self.step = step


class Kept(Protocol):
    """A part of a training that a checkpoint holds."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Its state, as arrays by name."""
        ...

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Inverse of :meth:`arrays`."""
        ...


def part_of(tensors: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Arrays of one part of a checkpoint."""
    return {key.removeprefix(f"{name}."): x for key, x in tensors.items() if key.startswith(f"{name}.")}


def load_parts(tensors: Mapping[str, np.ndarray], **parts: Kept) -> None:
    """Load parts of a checkpoint by name.

    Raises:
        ValueError: an array is missing or not what it should be; names it.
    """
    for name, kept in parts.items():
        try:
            kept.load(part_of(tensors, name))
        except checkpoint.ArrayError as error:
            raise checkpoint.ArrayError(f"{name}.{error}") from error
        except KeyError as error:
            raise checkpoint.ArrayError(f"{name}.{error.args[0]} is missing") from error
        except (RuntimeError, TypeError, ValueError) as error:
            raise ValueError(f"{name}: {error}") from error


def curve_of(tensors: Mapping[str, np.ndarray], name: str, points: int) -> np.ndarray:
    """A learning curve of a checkpoint, ``(points,)``; NaN where no episode ended.

    Raises:
        payoff.baselines.checkpoint.ArrayError: it is missing or of another form.
    """
    return checkpoint.fitting(tensors, f"curve.{name}", (points,), np.float64, finite=False)


class Generator:
    """A numpy generator whose state a checkpoint can hold.

    Args:
        seed: where its numbers come from.

    Attributes:
        numpy: the generator.
    """

    def __init__(self, seed: np.random.SeedSequence) -> None:
        self.numpy = np.random.Generator(np.random.PCG64(seed))

    def arrays(self) -> dict[str, np.ndarray]:
        """See :class:`Kept`; the state is text, because it holds whole numbers of 128 bits."""
        text = json.dumps(self.numpy.bit_generator.state)
        return {"state": np.frombuffer(text.encode(), dtype=np.uint8)}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """See :class:`Kept`."""
        self.numpy.bit_generator.state = json.loads(arrays["state"].tobytes())


class TrainingRun:
    """One training, which may be killed and go on in another process; use it as a context manager.

    Args:
        trainer: name of the trainer, kept in the checkpoint.
        args: its settings, a dataclass with the fields ``log_dir``, ``checkpoint``, ``resume``.
        on_progress: called after every update with (steps done, steps in all).
        last_step: steps after which the training is over; None: ``args.total_steps``.
        checkpoint_every: updates between checkpoints of what is kept; the last update always writes one.
        curves: curves that this trainer adds to :data:`payoff.baselines.result.CURVES`.

    Attributes:
        step: environment steps so far.
        update: updates so far.
        about: JSON values that a checkpoint holds as well, such as the sizes of the networks. A resumed run must agree.

    Raises:
        ValueError: a checkpoint is wanted and a setting is nothing that JSON can say.
    """

    def __init__(
        self,
        trainer: str,
        args: Any,
        on_progress: OnProgress | None = None,
        *,
        last_step: int | None = None,
        checkpoint_every: int = 20,
        curves: tuple[str, ...] = (),
    ) -> None:
        self.trainer, self.args = trainer, args
        self.step = self.update = 0
        self.about: dict[str, Any] = {}
        self._last_step = args.total_steps if last_step is None else last_step
        self._every = checkpoint_every
        self._middle = True  # whether checkpoints are written before the end
        self._on_progress = on_progress
        self._curve: dict[str, list[float]] = {name: [] for name in (*CURVES, *curves)}
        self._parts: dict[str, Kept] = {}
        self._started = (time.perf_counter(), time.process_time())
        self._before = (0.0, 0.0)
        self._recorded_at = 0.0
        self._writer: Any = None
        self._settings: dict[str, Any] = {}
        if args.checkpoint is not None:
            try:
                self._settings = json.loads(json.dumps(dataclasses.asdict(args), allow_nan=False))
            except (TypeError, ValueError) as error:
                raise ValueError(f"settings must be JSON values where a checkpoint is kept: {error}") from error

    def __enter__(self) -> TrainingRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    @property
    def seconds(self) -> tuple[float, float]:
        """Elapsed and processor time so far, earlier processes included."""
        now = (time.perf_counter(), time.process_time())
        return self._before[0] + now[0] - self._started[0], self._before[1] + now[1] - self._started[1]

    @property
    def left(self) -> float:
        """Share of the training that is left, 1 at the start."""
        return 1.0 - self.step / self._last_step

    def keep(self, **parts: Kept | None) -> None:
        """Name what checkpoints hold; a part that is None is left out.

        Where a part says that it is not ``resumable`` (an environment without snapshots), there is one checkpoint, at
        the end: a training that is killed starts over.
        """
        for name, kept in parts.items():
            if not getattr(kept, "resumable", True):
                self._middle = False
            elif kept is not None:
                self._parts[name] = kept

    def resume(self) -> bool:
        """Go on from the checkpoint, where there is one: load every part. Returns whether there was one.

        Raises:
            ValueError: the checkpoint is damaged, past the end, or of another trainer, other settings, or another
                ``about`` (names one that differs).
        """
        found = self.stored()
        if found is None:
            return False
        tensors, meta = found
        try:
            for name in ("step", "update"):
                check_integer(name, meta.get(name), 1)
            curve = {name: curve_of(tensors, name, meta["update"]) for name in self._curve}
        except ValueError as error:
            raise ValueError(f"{self.args.checkpoint} cannot go on: {error}") from error
        for name, now in json.loads(json.dumps(self.about)).items():
            if meta.get(name) != now:
                path, then = self.args.checkpoint, meta.get(name)
                raise ValueError(f"{path} cannot go on with other {name}: it was trained with {then!r}, not {now!r}")
        try:
            load_parts(tensors, **self._parts)
        except ValueError as error:
            raise ValueError(f"{self.args.checkpoint} cannot go on: {error}") from error
        self._curve = {name: values.tolist() for name, values in curve.items()}
        self.step, self.update = meta["step"], meta["update"]
        if not self._middle and self.step < self._last_step:
            raise ValueError(
                f"{self.args.checkpoint} cannot go on beyond step {self.step}: the environment takes no snapshots"
            )
        if self.update > 1 and self._curve["step"][-2] >= self._last_step:  # the last update was one too many
            raise ValueError(f"{self.args.checkpoint} is at step {self.step}, past total_steps={self.args.total_steps}")
        return True

    def stored(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Arrays and metadata of the checkpoint to go on from, or None where there is none.

        Raises:
            ValueError: the checkpoint is damaged, or of another trainer or other settings (names one that differs).
        """
        path = self.args.checkpoint
        if path is None or not self.args.resume or not Path(path).exists():
            return None
        tensors, meta = checkpoint.load(path)
        if meta.get("trainer") != self.trainer:
            raise ValueError(f"{path} is a checkpoint of {meta.get('trainer')}, not of {self.trainer}")
        if not isinstance(meta.get("args"), dict):
            raise ValueError(f"{path} cannot go on: args must be a JSON object, got {meta.get('args')!r}")
        for name in ("wall_seconds", "cpu_seconds"):
            try:
                check_number(name, meta.get(name), 0.0)
            except ValueError as error:
                raise ValueError(f"{path} cannot go on: {error}") from error
        for name in [*self._settings, *meta["args"]]:
            old, new = (x.get(name, "nothing") for x in (meta["args"], self._settings))
            if name not in _FREE and old != new:
                raise ValueError(
                    f"{path} cannot go on with other settings: it was trained with {name}={old!r}, not {new!r}"
                )
        self._before = (meta["wall_seconds"], meta["cpu_seconds"])
        return tensors, meta

    def record(
        self, steps: int, metrics: Mapping[str, float], curves: Mapping[str, float], *, last: bool = False
    ) -> None:
        """An update is done: add to the curves, log, write a checkpoint where one is due, report progress.

        Args:
            steps: environment steps of the update.
            metrics: name -> number, logged as it is.
            curves: name -> newest value of each curve but ``step``.
            last: whether the training ends here, before its last step.
        """
        self.step, self.update = self.step + steps, self.update + 1
        for name, value in {"step": float(self.step), **curves}.items():
            self._curve[name].append(value)
        now, self._recorded_at = self._recorded_at, self.seconds[0]
        speed = {"time/steps_per_second": steps / (self._recorded_at - now)}
        episodes = {name if "/" in name else f"episode/{name}": value for name, value in curves.items()}
        self._log({**metrics, **speed, **episodes})
        due = self._middle and self.update % self._every == 0
        if self._parts and (due or last or self.step >= self._last_step):
            parts = {f"{name}.{key}": x for name, kept in self._parts.items() for key, x in kept.arrays().items()}
            self.save(parts, {"step": self.step, "update": self.update})
        self.report(self.step, self.step if last else max(self.step, self._last_step))

    def report(self, done: int, total: int) -> None:
        """Tell whoever watches how far the training is."""
        if self._on_progress is not None:
            self._on_progress(done, total)

    def save(self, tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
        """Write a checkpoint of these arrays and the curves, where one is wanted."""
        if self.args.checkpoint is None:
            return
        wall, cpu = self.seconds
        own = {"trainer": self.trainer, "args": self._settings, "wall_seconds": wall, "cpu_seconds": cpu}
        own["versions"] = versions()
        curve = {f"curve.{name}": np.array(values) for name, values in self._curve.items()}
        checkpoint.save(self.args.checkpoint, {**tensors, **curve}, {**self.about, **meta, **own})

    def result(self, policy: Policy) -> Result:
        """The finished training."""
        curve = {name: np.array(values) for name, values in self._curve.items()}
        return Result(policy, curve, *self.seconds, self.step, self.args)

    def _log(self, scalars: Mapping[str, float]) -> None:
        """Write numbers to TensorBoard, where a log folder is given; those that are not finite are left out."""
        if self.args.log_dir is None:
            return
        if self._writer is None:
            writer = require("torch.utils.tensorboard", "train").SummaryWriter
            # what a killed process logged after its last checkpoint would otherwise stand there twice
            self._writer = writer(str(self.args.log_dir), purge_step=self.step)
        for name, value in scalars.items():
            if np.isfinite(value):
                self._writer.add_scalar(name, value, self.step)
