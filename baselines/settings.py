"""Settings of trainers, from words and numbers to their ``Args``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from payoff.envs.core.params import unknown_keyword

__all__ = ["COLUMN", "NOT_HYPERPARAMETERS", "trainer_arguments"]

COLUMN = "a run is told it by itself"
_FILES = "a run keeps checkpoint and curves in its results folder; the trainer as a script takes other files"
# Settings that are columns of their own, or say where to and not what, with why a run does not take them; the rest is
# the row's ``hyperparameters``.
NOT_HYPERPARAMETERS = {
    **dict.fromkeys(("env_id", "reward", "env_params", "seed"), COLUMN),
    **dict.fromkeys(("log_dir", "checkpoint", "checkpoint_every", "resume"), _FILES),
}


def trainer_arguments(kind: type[Any], algo: str, settings: Mapping[str, Any], **own: Any) -> Any:
    """``Args`` of a trainer.

    Args:
        kind: the class, a dataclass.
        algo: name of the trainer, for errors.
        settings: its settings as JSON says them: lists become tuples, whole numbers floats where these are wanted.
        own: what a run tells it beside settings.

    Raises:
        TypeError: something that is no setting of it, with the nearest one, or a value of another type.
        ValueError: a value that is not allowed.
    """
    known = {f.name: f for f in dataclasses.fields(kind)}
    for name in settings:
        if name in NOT_HYPERPARAMETERS:
            reason = NOT_HYPERPARAMETERS[name]
            raise TypeError(f"trainer {algo} got an unexpected keyword argument {name!r}: {reason}")
        if name not in known:
            raise unknown_keyword(f"trainer {algo}", name, set(known) - set(NOT_HYPERPARAMETERS))
    values = {}
    for name, value in settings.items():
        default = known[name].default
        if isinstance(value, list):
            value = tuple(value)
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if default is not dataclasses.MISSING and default is not None and type(value) is not type(default):
            raise TypeError(f"{name} of trainer {algo} is a {type(default).__name__}, got {value!r}")
        values[name] = value
    return kind(**values, **own)
