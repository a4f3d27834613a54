"""A learned reward from a file: one of its own, or the checkpoint of a training that learned it along the way."""

from __future__ import annotations

import os

from payoff.baselines import checkpoint
from payoff.files import OtherFileError
from payoff.wrappers import LearnedReward, load_reward

__all__ = ["read_reward"]


def read_reward(path: str | os.PathLike[str]) -> LearnedReward:
    """The reward of a file that :func:`payoff.wrappers.save_reward` wrote, or of a checkpoint of ``bilevel``.

    Raises:
        ValueError: the file is damaged, holds no reward, or not what it says.
        OSError: it cannot be read.
    """
    try:
        return load_reward(path)
    except OtherFileError as error:
        no_reward = error
    try:
        tensors, meta = checkpoint.load(path)
    except OtherFileError:
        raise no_reward from None
    trainer = meta.get("trainer") or "no trainer"
    if trainer != "bilevel":
        raise ValueError(f"{path} is a checkpoint of {trainer}, which learns no reward")
    from payoff.baselines import bilevel  # imports torch

    try:
        return bilevel.load_reward(tensors, meta)
    except KeyError as error:
        raise ValueError(f"{path} cannot be used: {error.args[0]} is missing") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} cannot be used: {error}") from error
