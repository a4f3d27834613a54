"""What surrounds a training: checkpoint, clock, TensorBoard, and the command line of a trainer run as a script."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal, TypeVar

import gymnasium as gym
import numpy as np
import tyro
from rich.console import Console

from payoff.baselines import checkpoint
from payoff.baselines.evaluation import evaluate, score, yardsticks
from payoff.baselines.result import Result
from payoff.baselines.run import progress
from payoff.extras import require

__all__ = ["JsonObject", "NotFiniteError", "OnProgress", "Session", "script"]

OnProgress = Callable[[int, int], None]
A = TypeVar("A")

# These say where to and how long, and may differ when a training goes on; all others decide its numbers.
_FREE = {"total_steps", "log_dir", "checkpoint", "checkpoint_every", "resume"}


class NotFiniteError(RuntimeError):
    """A number of the training is not finite.

    Attributes:
        step: environment steps done.
    """

    def __init__(self, update: int, step: int, what: str) -> None:
        super().__init__(f"update {update} (step {step}): {what} is not finite")
        self.step = step


class Session:
    """One training, which may be killed and go on in another process; use it as a context manager.

    Args:
        trainer: name of the trainer, kept in the checkpoint.
        args: its settings, a dataclass with the fields ``log_dir``, ``checkpoint``, ``resume``.

    Raises:
        ValueError: a checkpoint is wanted and a setting is nothing that JSON can say.
    """

    def __init__(self, trainer: str, args: Any) -> None:
        self.trainer, self.args = trainer, args
        self._started = (time.perf_counter(), time.process_time())
        self._before = (0.0, 0.0)
        self._writer: Any = None
        self._settings: dict[str, Any] = {}
        if args.checkpoint is not None:
            try:
                self._settings = json.loads(json.dumps(dataclasses.asdict(args), allow_nan=False))
            except (TypeError, ValueError) as error:
                raise ValueError(f"settings must be JSON values where a checkpoint is kept: {error}") from error

    def __enter__(self) -> Session:
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
        return (
            self._before[0] + now[0] - self._started[0],
            self._before[1] + now[1] - self._started[1],
        )

    def resume(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Checkpoint to go on from, or None where there is none.

        Raises:
            ValueError: the checkpoint is damaged, or of another trainer or other settings (names one that differs).
        """
        path = self.args.checkpoint
        if path is None or not self.args.resume or not Path(path).exists():
            return None
        tensors, meta = checkpoint.load(path)
        if meta.get("trainer") != self.trainer:
            raise ValueError(f"{path} is a checkpoint of {meta.get('trainer')}, not of {self.trainer}")
        for name in [*self._settings, *meta["args"]]:
            old, new = (x.get(name, "nothing") for x in (meta["args"], self._settings))
            if name not in _FREE and old != new:
                raise ValueError(
                    f"{path} cannot go on with other settings: it was trained with {name}={old!r}, not {new!r}"
                )
        self._before = (meta["wall_seconds"], meta["cpu_seconds"])
        return tensors, meta

    def save(self, tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
        """Write the checkpoint, where one is wanted."""
        if self.args.checkpoint is None:
            return
        wall, cpu = self.seconds
        own = {"trainer": self.trainer, "args": self._settings, "wall_seconds": wall, "cpu_seconds": cpu}
        checkpoint.save(self.args.checkpoint, tensors, {**meta, **own})

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Write numbers to TensorBoard, where a log folder is given; those that are not finite are left out."""
        if self.args.log_dir is None:
            return
        if self._writer is None:
            writer = require("torch.utils.tensorboard", "train").SummaryWriter
            # what a killed process logged after its last checkpoint would otherwise stand there twice
            self._writer = writer(str(self.args.log_dir), purge_step=step)
        for name, value in scalars.items():
            if np.isfinite(value):
                self._writer.add_scalar(name, value, step)


def _json_object(words: list[str]) -> dict[str, Any]:
    value = json.loads(words[0])
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


def script(settings: type[A], train: Callable[..., Result], view: Literal["multi", "single"], description: str) -> None:
    """A trainer as a script: settings from the command line, a bar, and what the policy earns at the end.

    A user's mistake ends it with one clear line.
    """
    args: Any = tyro.cli(settings, description=description)
    try:
        with progress(Console(stderr=True)) as bar:
            task = bar.add_task(args.env_id, total=None)
            result = train(args, on_progress=lambda done, total: bar.update(task, completed=done, total=total))
    except (ImportError, NotFiniteError, TypeError, ValueError, gym.error.Error) as error:
        sys.exit(f"error: {error}")
    keywords = args.keywords()
    played = evaluate(result.policy, args.env_id, episodes=10, seed=1_000_000, env_kwargs=keywords, view=view)
    measured = yardsticks(args.env_id, keywords, starts=range(1_000_000, 1_000_010))
    lines = {
        "steps": f"{result.steps}",
        "seconds": f"{result.wall_seconds:.1f} ({result.cpu_seconds:.1f} of processor time)",
        "payoffs": ", ".join(f"{x:.6g}" for x in played.payoffs.mean(axis=0)),
        "welfare": f"{played.welfare:.6g}",
        "score": f"{score(played.welfare, measured):.3f} (0: random play, 1: {measured.kind})",
        "cooperation": f"{played.cooperation:.3f}",
        "episode length": f"{played.episode_length:g}",
    }
    print("\n".join(f"{name:15}{value}" for name, value in lines.items()))
