"""A trainer for `kill_grid.py`: half a second of nothing in ten updates, each with a checkpoint, always the same."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from payoff.baselines import checkpoint
from payoff.baselines.policies import ConstantPolicy
from payoff.baselines.result import Result


@dataclass(frozen=True, kw_only=True)
class Args:
    """Settings."""

    env_id: str = ""
    reward: str | None = None
    env_params: dict[str, Any] = field(default_factory=dict)
    seed: int = 1
    total_steps: int = 1000
    checkpoint: str = ""
    resume: bool = True
    pause: float = 0.05
    """seconds of an update"""


def train(args: Args, *, on_progress: Any = None) -> Result:
    """A number is added up from the seed, update by update; where it stands decides what the policy contributes."""
    updates = args.total_steps // 100
    curve: list[float] = []
    if args.resume and Path(args.checkpoint).exists():
        curve = checkpoint.load(args.checkpoint)[0]["curve"].tolist()
    for update in range(len(curve), updates):
        time.sleep(args.pause)
        curve.append(float(np.random.default_rng([args.seed, update]).random()))
        checkpoint.save(args.checkpoint, {"curve": np.array(curve)}, {"update": update})
        if on_progress is not None:
            on_progress(100 * (update + 1), args.total_steps)
    found = np.array(curve)
    curves = {name: found for name in ("welfare", "reward", "episode_length")}
    steps = 100.0 * np.arange(1, updates + 1)
    nothing = np.full(updates, np.nan)
    policy = ConstantPolicy(float(found.mean()))
    return Result(policy, {"step": steps, **curves, "cooperation": nothing}, 0.5, 0.5, args.total_steps, args)
