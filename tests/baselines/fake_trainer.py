"""A trainer that learns nothing, at once: it saves and resumes like the real ones, and notes every update it begins."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from payoff.baselines import checkpoint
from payoff.baselines.policies import ConstantPolicy
from payoff.baselines.result import Result

STEPS = 100  # per update


@dataclass(frozen=True, kw_only=True)
class Args:
    env_id: str = ""
    reward: str | None = None
    env_params: dict[str, Any] = field(default_factory=dict)
    seed: int = 1
    total_steps: int = 400
    checkpoint: str = ""
    resume: bool = True
    level: float = 0.4
    pause: float = 0.0  # seconds per update
    diverges_under: str = ""  # reward
    dies_under: str = ""  # reward


class DivergedError(RuntimeError):
    step = 200


def train(args: Args, *, on_progress=None) -> Result:
    update, updates = 0, args.total_steps // STEPS
    if args.resume and Path(args.checkpoint).exists():
        update = checkpoint.load(args.checkpoint)[1]["update"]
    while update < updates:
        note(f"{args.env_id} {args.reward} {args.seed} {update}")
        if args.reward == args.dies_under:
            os._exit(7)
        if args.reward == args.diverges_under and update == 2:
            raise DivergedError("loss/policy is not finite")
        time.sleep(args.pause)
        update += 1
        checkpoint.save(args.checkpoint, {"x": np.zeros(1)}, {"update": update})
        if on_progress is not None:
            on_progress(update * STEPS, updates * STEPS)
    steps = STEPS * np.arange(1.0, updates + 1)
    curve = {name: steps for name in ("step", "welfare", "reward", "episode_length")}
    nothing = np.full(updates, np.nan)
    return Result(ConstantPolicy(args.level), {**curve, "cooperation": nothing}, 1.5, 1.0, args.total_steps, args)


def note(line: str) -> None:
    if "FAKE_TRAINER_LOG" in os.environ:
        with open(os.environ["FAKE_TRAINER_LOG"], "a", encoding="utf-8") as log:
            log.write(f"{line}\n")
    gate = Path(os.environ.get("FAKE_TRAINER_GATE", ""))  # the update that it names waits until the file is gone
    while gate.is_file() and gate.read_text(encoding="utf-8") == line:
        time.sleep(0.01)
