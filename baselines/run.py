"""One run: train a policy, measure it in payoffs, write the row.

``payoff train``, ``payoff ablate`` and ``payoff evaluate`` are all made of this.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import json
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from payoff.baselines import results
from payoff.baselines.measure import View, measure, view_of
from payoff.baselines.pool import Report
from payoff.baselines.result import CURVES
from payoff.baselines.results import RunConfig
from payoff.baselines.script import progress
from payoff.envs import registry
from payoff.envs.core.params import unknown_keyword
from payoff.extras import require

if TYPE_CHECKING:
    from payoff.baselines.policies import Policy

__all__ = [
    "TRAINERS",
    "Named",
    "checkpoint_path",
    "configure",
    "execute",
    "load_checkpoint",
    "load_policy",
    "progress",
    "record_failure",
    "trainer",
]

TRAINERS = {name: f"payoff.baselines.{name}" for name in ("balanced_ppo", "ippo", "ppo", "sb3")}

# Settings that are columns of their own, or say where to and not what: the rest is the row's ``hyperparameters``.
_NOT_HYPERPARAMETERS = {
    "env_id",
    "reward",
    "env_params",
    "seed",
    "log_dir",
    "checkpoint",
    "checkpoint_every",
    "resume",
}


def trainer(algo: str) -> ModuleType:
    """Module of a trainer: one of :data:`TRAINERS`, or any module with ``Args`` and ``train``, named with its package.

    Raises:
        ValueError: an unknown name, or a module without the two.
        ImportError: a package that it needs is missing.
    """
    if algo not in TRAINERS and "." not in algo:
        close = difflib.get_close_matches(algo, TRAINERS, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(f"unknown trainer {algo!r}{hint}; known: {', '.join(TRAINERS)}, or package.module")
    if algo in TRAINERS:  # an import statement of the trainer would not name the extra
        for package in ("torch", "stable_baselines3") if algo == "sb3" else ("torch",):
            require(package, extra="train")
    module = importlib.import_module(TRAINERS.get(algo, algo))
    missing = [name for name in ("Args", "train") if not hasattr(module, name)]
    if missing:
        raise ValueError(f"trainer {algo!r} has no {' and no '.join(missing)}")
    return module


def configure(
    *,
    algo: str,
    env_id: str,
    reward: str | None,
    seed: int,
    env_params: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    total_steps: int | None = None,
    evaluation_episodes: int = 10,
) -> RunConfig:
    """Check what a run is to be, down to building its environment once, and write all of it down.

    Args:
        algo: trainer.
        env_id: environment; the namespace ``payoff/`` may be left out.
        reward: reward layer by name; None is the game's default.
        seed: seed of the training.
        env_params: game parameters and view settings.
        settings: settings of the trainer that differ from its defaults.
        total_steps: environment steps; None is the trainer's default.
        evaluation_episodes: episodes of the evaluation.

    Raises:
        ValueError: an unknown name or a value that is not allowed.
        TypeError: a parameter or setting that the game or the trainer does not have.
        ImportError: a package that the trainer needs is missing.
    """
    if evaluation_episodes < 1:
        raise ValueError(f"episodes must be at least 1, got {evaluation_episodes}")
    for package in ("pyarrow", "safetensors"):  # missed now, and not when the training is over
        require(package, extra="train")
    env_id = registry.full_id(env_id)
    reward = registry.load(env_id).rules.default_reward if reward is None else reward
    module = trainer(algo)
    chosen = {**(settings or {}), **({} if total_steps is None else {"total_steps": total_steps})}
    args = _arguments(module, algo, chosen, env_id=env_id, reward=reward, seed=seed, env_params=dict(env_params or {}))
    _make_env(algo, env_id, {**(env_params or {}), "reward": reward}).close()
    values = dataclasses.asdict(args)
    hyperparameters = {name: value for name, value in values.items() if name not in _NOT_HYPERPARAMETERS}
    return RunConfig(
        env_id=env_id,
        reward=reward,
        algo=algo,
        seed=seed,
        env_params=dict(env_params or {}),
        hyperparameters=json.loads(json.dumps(hyperparameters)),  # tuples become the lists that a row gives back
        evaluation_episodes=evaluation_episodes,
    )


def checkpoint_path(out: Path, run_id: str) -> Path:
    """File of a run's checkpoint; the last one holds the trained policy."""
    return out / "checkpoints" / f"{run_id}.safetensors"


def execute(config: RunConfig, out: Path, report: Report) -> dict[str, Any]:
    """Train, from the run's checkpoint where there is one, measure, and write the row.

    Whatever goes wrong in a training is the result of that run: it is written as a failed row, with the traceback.

    Args:
        config: the run.
        out: results folder.
        report: called with (steps done, steps in all).

    Returns:
        The row.
    """
    path = checkpoint_path(out, config.run_id)
    note = _discard_damaged(path)
    try:
        module = trainer(config.algo)
        args = _arguments(
            module,
            config.algo,
            config.hyperparameters,
            env_id=config.env_id,
            reward=config.reward,
            seed=config.seed,
            env_params=dict(config.env_params),
            checkpoint=str(path),
            resume=True,
        )
        result = module.train(args, on_progress=report)
        row = {
            **config.columns(),
            "status": "ok",
            "message": note,
            "steps": result.steps,
            "wall_seconds": result.wall_seconds,
            "cpu_seconds": result.cpu_seconds,
            **{f"curve_{name}": values for name, values in _curves(result.curve).items() if name in CURVES},
            **measure(
                result.policy,
                config.env_id,
                config.env_params,
                view=view_of(config.algo),
                episodes=config.evaluation_episodes,
                seed=config.evaluation_seed,
            ),
            **results.versions(),
            **results.machine(),
        }
        return results.read_row(results.write_row(out, row))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
        return record_failure(config, out, reason, getattr(error, "step", None))


def record_failure(config: RunConfig, out: Path, message: str, step: int | None = None) -> dict[str, Any]:
    """Write the row of a run that failed, and return it; the first line of ``message`` should say all."""
    own = {**config.columns(), "status": "failed", "message": message, "failed_step": step}
    return results.read_row(results.write_row(out, {**own, **results.versions(), **results.machine()}))


class Named(NamedTuple):
    """A policy that the user named, with the game it plays; fields as in :func:`payoff.baselines.measure.measure`."""

    policy: Policy
    env_id: str
    env_params: dict[str, Any]
    view: View


def load_policy(name: str, env_id: str | None, env_params: Mapping[str, Any]) -> Named:
    """Policy by name.

    Args:
        name: ``random``, ``constant:LEVEL``, or the file of a checkpoint.
        env_id: environment; None is the one that the checkpoint was trained in.
        env_params: game parameters and view settings; a checkpoint's own hold where these say nothing.

    Raises:
        ValueError: an unknown name, a damaged checkpoint, or no environment.
        FileNotFoundError: no such checkpoint.
    """
    from payoff.baselines import environments, policies

    kind, _, number = name.partition(":")
    if kind not in ("random", "constant"):
        if not Path(name).is_file():
            raise FileNotFoundError(f"policy must be random, constant:LEVEL or a checkpoint, and {name} is no file")
        return _named_checkpoint(name, env_id, env_params)
    if env_id is None:
        raise ValueError(f"which environment? {name} plays any: name one with --env")
    chosen = registry.full_id(env_id)
    env = environments.make_all_seats(chosen, 1, env_params)
    env.close()
    low, high, num_actions = env.action_low, env.action_high, env.num_actions
    if kind == "random":
        uniform = policies.RandomPolicy(low, high, num_actions=num_actions)
        return Named(uniform, chosen, dict(env_params), "multi")
    try:
        level = float(number)
    except ValueError:
        raise ValueError(f"constant:LEVEL takes a share of the endowment in [0, 1], got {name!r}") from None
    constant = policies.ConstantPolicy(level, low, high, num_actions=num_actions)
    return Named(constant, chosen, dict(env_params), "multi")


def load_checkpoint(path: str | Path) -> tuple[Policy, dict[str, Any]]:
    """Policy of a trainer's checkpoint, and the metadata that was saved with it (``args`` and ``trainer`` among it).

    A checkpoint is data: it names its trainer, but only ours and modules that are imported already are asked.

    Raises:
        ValueError: the file is damaged, no checkpoint of a trainer, or of one that cannot load policies.
        FileNotFoundError: there is no such file.
    """
    from payoff.baselines import checkpoint

    tensors, meta = checkpoint.load(path)
    algo = meta.get("trainer", "")
    if algo not in TRAINERS and algo not in sys.modules:
        raise ValueError(f"{path} is a checkpoint of {algo or 'no trainer'}, not of {', '.join(TRAINERS)}")
    module = trainer(algo)  # names what is not installed
    if not hasattr(module, "load_policy"):
        raise ValueError(f"trainer {algo!r} has no load_policy(tensors, meta), so {path} cannot be played")
    return module.load_policy(tensors, meta), meta


def _named_checkpoint(path: str, env_id: str | None, env_params: Mapping[str, Any]) -> Named:
    policy, meta = load_checkpoint(path)
    trained = meta["args"]
    chosen = registry.full_id(env_id or trained["env_id"])
    return Named(policy, chosen, {**trained["env_params"], **env_params}, view_of(meta["trainer"]))


def _arguments(module: ModuleType, algo: str, settings: Mapping[str, Any], **own: Any) -> Any:
    """The trainer's ``Args``; what is no setting of it is a TypeError that names the nearest one."""
    known = {f.name: f for f in dataclasses.fields(module.Args)}
    for name in settings:
        if name not in known or name in own:
            raise unknown_keyword(f"trainer {algo}", name, set(known) - _NOT_HYPERPARAMETERS)
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
    return module.Args(**values, **own)


def _make_env(algo: str, env_id: str, keywords: Mapping[str, Any]) -> Any:
    """The environment that a trainer will ask for, one copy of it."""
    from payoff.baselines import environments

    make = environments.make_one_seat if view_of(algo) == "single" else environments.make_all_seats
    return make(env_id, 1, keywords)


def _discard_damaged(path: Path) -> str | None:
    """Remove a checkpoint that cannot be read; returns what was wrong with it."""
    from payoff.baselines import checkpoint

    try:
        checkpoint.load(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        path.unlink()
        return f"{error}; started over"
    return None


def _curves(curve: Mapping[str, np.ndarray]) -> dict[str, list[float] | None]:
    """Learning curves as columns; cooperation is left out where actions are not amounts."""
    columns: dict[str, list[float] | None] = {name: values.tolist() for name, values in curve.items()}
    if np.isnan(curve["cooperation"]).all():
        columns["cooperation"] = None
    return columns
