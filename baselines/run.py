"""One run: train a policy, measure it in payoffs, write the row.

``payoff train``, ``payoff ablate`` and ``payoff evaluate`` are all made of this.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from payoff.baselines import environments, methods, results, reward_learners
from payoff.baselines.measure import View, measure
from payoff.baselines.pool import Report
from payoff.baselines.result import CURVES, Result
from payoff.baselines.results import RunConfig
from payoff.baselines.settings import COLUMN, NOT_HYPERPARAMETERS, trainer_arguments
from payoff.envs.core.specification import describe, near, parse
from payoff.extras import require
from payoff.wrappers import RewardMethod, observation_names, wrap

if TYPE_CHECKING:
    from payoff.baselines.policies import Policy

__all__ = [
    "TRAINERS",
    "Named",
    "checkpoint_path",
    "compute",
    "configure",
    "execute",
    "failed_row",
    "load_checkpoint",
    "load_policy",
    "problem_of",
    "reward_path",
    "shortest",
    "trainer",
    "trainer_of",
    "view_of",
]

TRAINERS = {name: f"payoff.baselines.{name}" for name in ("balanced_ppo", "bilevel", "ippo", "ppo", "sb3")}


def trainer(algo: str) -> ModuleType:
    """Module of a trainer: one of :data:`TRAINERS`, or any module with ``Args`` and ``train``, named with its package.

    Raises:
        ValueError: an unknown name, or a module without the two.
        ImportError: a package that it needs is missing.
    """
    if algo not in TRAINERS and "." not in algo:
        raise ValueError(
            f"unknown trainer {algo!r}{near(algo, TRAINERS)}; known: {', '.join(TRAINERS)}, or package.module"
        )
    if algo in TRAINERS:  # an import statement of the trainer would not name the extra
        for package in ("torch", "stable_baselines3") if algo == "sb3" else ("torch",):
            require(package, extra="train")
    try:
        module = importlib.import_module(TRAINERS.get(algo, algo))
    except ModuleNotFoundError as error:
        if error.name and f"{algo}.".startswith(f"{error.name}."):
            raise ValueError(f"unknown trainer {algo!r}: there is no module {error.name}") from error
        raise
    missing = [name for name in ("Args", "train") if not hasattr(module, name)]
    if missing:
        raise ValueError(f"trainer {algo!r} has no {' and no '.join(missing)}")
    return module


def view_of(algo: str) -> View:
    """``single`` where a trainer learns in the single-agent view, one seat or one controller of all; else ``multi``.

    Its module says which in ``VIEW``, and means ``multi`` if it does not.
    """
    view: View = getattr(trainer(algo), "VIEW", "multi")
    return view


def configure(
    *,
    algo: str,
    env_id: str,
    reward: Any,
    seed: int,
    env_params: Mapping[str, Any] | None = None,
    shaping: Any = "none",
    bonus: Any = "none",
    transform: Any = "none",
    partners: Any = "none",
    reward_learner: Any = "none",
    settings: Mapping[str, Any] | None = None,
    total_steps: int | None = None,
    evaluation_episodes: int = 10,
    whole_episodes: bool = False,
) -> RunConfig:
    """Check what a run is to be, down to building its environment and methods once, and write all of it down.

    Reward, shaping, bonus, transform, partners and reward learner are specifications
    (:mod:`payoff.envs.core.specification`), or objects that one can be made of
    (:func:`payoff.envs.core.specification.describe`).

    Args:
        algo: trainer, with settings after a colon: ``"ppo:gamma=0.9"``.
        env_id: environment; the namespace ``payoff/`` may be left out.
        reward: reward layer; None is the game's default.
        seed: seed of the training.
        env_params: game parameters and view settings.
        shaping: method around the reward; see :mod:`payoff.baselines.methods`.
        bonus: exploration bonus.
        transform: what rewrites the rewards of whole episodes.
        partners: who plays the seats that are not trained; ``"none"`` leaves that to the game.
        reward_learner: what learns a reward before the training, which then goes around the environment first; see
            :mod:`payoff.baselines.reward_learners`.
        settings: settings of the trainer that differ from its defaults; those of ``algo`` go before them.
        total_steps: environment steps; None is the trainer's default.
        evaluation_episodes: episodes of the evaluation.
        whole_episodes: the trainer plays whole episodes, where it has the settings: ``rollout`` is ``"episodes"`` and
            ``num_steps`` at least the longest one, unless ``settings`` say otherwise. Always so with a transform.

    Raises:
        ValueError: an unknown name or a value that is not allowed, or a method that the trainer cannot have.
        TypeError: a parameter or setting that the game, the method or the trainer does not have.
        ImportError: a package that the trainer needs is missing.
    """
    for package in ("pyarrow", "safetensors"):  # missed now, and not when the training is over
        require(package, extra="train")
    algo, own_settings = trainer_of(algo)
    env_id = environments.find(env_id)
    reward = environments.default_reward(env_id) if reward is None else describe(reward, "reward")
    env_params = dict(env_params or {})
    if "reward" in env_params:
        raise ValueError(f"reward is no parameter, {COLUMN}: got {env_params['reward']!r} among the parameters")
    if isinstance(env_params.get("partners"), str):
        if partners != "none":
            raise ValueError(f"partners are given twice: {partners!r} and {env_params['partners']!r}")
        partners = env_params.pop("partners")
    config = RunConfig(
        env_id=env_id,
        reward=reward,
        algo=algo,
        seed=seed,
        shaping=describe(shaping, "shaping"),
        bonus=describe(bonus, "bonus"),
        transform=describe(transform, "transform"),
        partners=describe(partners, "partners"),
        reward_learner=reward_learners.pinned(describe(reward_learner, "reward_learner")),
        env_params=env_params,
        evaluation_episodes=evaluation_episodes,
    )
    module = trainer(algo)
    settings = {**(settings or {}), **own_settings, **({} if total_steps is None else {"total_steps": total_steps})}
    if whole_episodes or config.transform != "none":
        settings = {**_whole_episodes(module, env_id, env_params), **settings}
    args = trainer_arguments(module.Args, algo, settings, **_own(config))
    _try(config, module, args)
    values = dataclasses.asdict(args)
    hyperparameters = {name: value for name, value in values.items() if name not in NOT_HYPERPARAMETERS}
    for name, value in hyperparameters.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} of trainer {algo} must be something that JSON can say, got {value!r}") from error
    # tuples become the lists that a row gives back
    return dataclasses.replace(config, hyperparameters=json.loads(json.dumps(hyperparameters)))


def trainer_of(algo: str) -> tuple[str, dict[str, Any]]:
    """Name of a trainer and the settings that follow it: ``"ppo:gamma=0.9"`` is ``("ppo", {"gamma": 0.9})``.

    Raises:
        ValueError: numbers without a name.
    """
    parsed = parse(algo, "algo", TRAINERS)
    if parsed.values or parsed.outside:
        raise ValueError(f"algo takes settings as name=value, got {algo!r}")
    name = parsed.name.removeprefix("payoff.baselines.")
    return (name if name in TRAINERS else parsed.name), dict(parsed.named)


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
    row = compute(config, checkpoint_path(out, config.run_id), report)
    return results.read_row(results.write_row(out, row))


def compute(config: RunConfig, path: Path, report: Report) -> dict[str, Any]:
    """Row of a run, which is trained and measured here and written nowhere.

    Args:
        config: the run.
        path: file of its checkpoint.
        report: called with (steps done, steps in all).
    """
    try:
        note = _discard_damaged(path)
        module = trainer(config.algo)
        args = trainer_arguments(
            module.Args, config.algo, config.hyperparameters, **_own(config), checkpoint=str(path), resume=True
        )
        reward, report = _learned(config, args, path.parent.parent, report)
        result = module.train(args, on_progress=report, **_methods(config, module, args, reward))
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
                config.env_keywords(),
                view=view_of(config.algo),
                episodes=config.evaluation_episodes,
                seed=config.evaluation_seed,
            ),
            **results.versions(),
            **results.machine(),
        }
        return results.checked(row)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
        return failed_row(config, reason, getattr(error, "step", None))


def shortest(config: RunConfig) -> Result:
    """Train for as few steps as the trainer can, without a checkpoint: how long that takes is all it is good for."""
    module = trainer(config.algo)
    args = trainer_arguments(module.Args, config.algo, {**config.hyperparameters, "total_steps": 1}, **_own(config))
    result: Result = module.train(args, on_progress=None, **_methods(config, module, args))
    return result


def failed_row(config: RunConfig, message: str, step: int | None = None) -> dict[str, Any]:
    """Row of a run that failed; the first line of ``message`` should say all."""
    own = {**config.columns(), "status": "failed", "message": message, "failed_step": step}
    return {**own, **results.versions(), **results.machine()}


class Named(NamedTuple):
    """A policy that the user named, with the game it plays; fields as in :func:`payoff.baselines.measure.measure`."""

    policy: Policy
    env_id: str
    env_params: dict[str, Any]
    view: View


def load_policy(name: str, env_id: str | None, env_params: Mapping[str, Any], algo: str | None = None) -> Named:
    """Policy by name.

    Args:
        name: ``random``, ``constant:LEVEL``, or the file of a checkpoint.
        env_id: environment; None is the one that the checkpoint was trained in.
        env_params: game parameters and view settings; a checkpoint's own hold where these say nothing.
        algo: trainer of the checkpoint, where it is a module that is not ours.

    Raises:
        ValueError: an unknown name, a damaged checkpoint, or no environment.
        FileNotFoundError: no such checkpoint.
    """
    from payoff.baselines import policies

    kind, _, number = name.partition(":")
    if kind not in ("random", "constant"):
        if not Path(name).is_file():
            raise FileNotFoundError(f"policy must be random, constant:LEVEL or a checkpoint, and {name} is no file")
        if algo is not None:
            trainer(algo)  # a checkpoint is data and has nothing imported; its user may
        return _named_checkpoint(name, env_id, env_params)
    if env_id is None:
        raise ValueError(f"which environment? {name} plays any: name one with --env")
    chosen = environments.find(env_id)
    view: View = "single" if environments.is_outside(chosen) else "multi"
    env = (environments.make_one_seat if view == "single" else environments.make_all_seats)(chosen, 1, env_params)
    env.close()
    low, high, num_actions = env.action_low, env.action_high, env.num_actions
    if kind == "random":
        uniform = policies.RandomPolicy(low, high, num_actions=num_actions)
        return Named(uniform, chosen, dict(env_params), view)
    try:
        level = float(number)
    except ValueError:
        raise ValueError(f"constant:LEVEL takes a share of the endowment in [0, 1], got {name!r}") from None
    constant = policies.ConstantPolicy(level, low, high, num_actions=num_actions)
    return Named(constant, chosen, dict(env_params), view)


def load_checkpoint(path: str | Path) -> tuple[Policy, dict[str, Any]]:
    """Policy of a trainer's checkpoint, and the metadata that was saved with it (``args`` and ``trainer`` among it).

    A checkpoint is data: it names its trainer, but only ours and modules that are imported already are asked.

    Raises:
        ValueError: the file is damaged, no checkpoint of a trainer, or of one that cannot load policies; or it does
            not hold what such a checkpoint holds (names what is wrong).
        FileNotFoundError: there is no such file.
    """
    from payoff.baselines import checkpoint

    tensors, meta = checkpoint.load(path)
    algo = meta.get("trainer") or ""
    if not isinstance(algo, str):
        raise ValueError(f"{path} cannot be used: trainer must be a name, got {algo!r}")
    if algo not in TRAINERS and algo not in sys.modules:
        hint = f"; if that is a trainer of yours, name it: --algo {algo}" if algo else ""
        raise ValueError(f"{path} is a checkpoint of {algo or 'no trainer'}, not of {', '.join(TRAINERS)}{hint}")
    module = trainer(algo)  # names what is not installed
    if not hasattr(module, "load_policy"):
        raise ValueError(f"trainer {algo!r} has no load_policy(tensors, meta), so {path} cannot be played")
    try:
        policy = module.load_policy(tensors, meta)
    except KeyError as error:
        raise ValueError(f"{path} cannot be used: {error.args[0]} is missing") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} cannot be used: {error}") from error
    return policy, meta


def _named_checkpoint(path: str, env_id: str | None, env_params: Mapping[str, Any]) -> Named:
    policy, meta = load_checkpoint(path)
    args = meta.get("args")
    trained = args if isinstance(args, dict) else {}
    name, params = trained.get("env_id"), trained.get("env_params")
    if not isinstance(name, str) or not isinstance(params, dict):
        raise ValueError(f"{path} cannot be used: args must say env_id and env_params, got {args!r}")
    found = Named(policy, environments.find(env_id or name), {**params, **env_params}, view_of(meta["trainer"]))
    _check_sizes(path, meta, found)
    return found


def _check_sizes(path: str, meta: Mapping[str, Any], found: Named) -> None:
    """Raise ValueError where a checkpoint says the sizes that it was trained with, and the environment has others."""
    shape = meta.get("shape")
    sizes = {**meta, **(shape if isinstance(shape, dict) else {})}
    make = environments.make_one_seat if found.view == "single" else environments.make_all_seats
    env = make(found.env_id, 1, found.env_params)
    env.close()
    for name in ("num_agents", "obs_size", "action_size", "num_actions"):
        if name in sizes and sizes[name] != getattr(env, name):
            raise ValueError(
                f"{path} cannot play in {found.env_id}: it was trained with {name} {sizes[name]}, and there it is "
                f"{getattr(env, name)}"
            )
    if "obs_size" in sizes:
        environments.check_actions(env, found.env_params)


def _own(config: RunConfig) -> dict[str, Any]:
    """What a trainer is told beside its settings."""
    return {
        "env_id": config.env_id,
        "reward": config.reward,
        "seed": config.seed,
        "env_params": config.env_keywords(),
    }


def problem_of(config: RunConfig) -> reward_learners.Problem:
    """What the reward of a run is learned for."""
    return _problem(
        config, trainer_arguments(trainer(config.algo).Args, config.algo, config.hyperparameters, **_own(config))
    )


def reward_path(config: RunConfig, out: Path) -> Path | None:
    """File of the reward that a run trains under, where that is frozen; None where nothing learns one."""
    if config.reward_learner == "none":
        return None
    return reward_learners.reward_path(out, config.reward_learner, problem_of(config))


def _problem(config: RunConfig, args: Any) -> reward_learners.Problem:
    return reward_learners.Problem(
        env_id=config.env_id,
        keywords={**config.env_keywords(), "reward": config.reward},
        gamma=getattr(args, "gamma", 1.0),
        on_truncation=getattr(args, "on_truncation", "bootstrap"),
        seed=config.seed,
    )


def _learned(config: RunConfig, args: Any, out: Path, report: Report) -> tuple[RewardMethod | None, Report]:
    """The learned reward, where one is asked for, and a report that counts its learning before the training."""
    before = 0

    def learning(done: int, total: int) -> None:
        nonlocal before
        before = total
        report(done, total + max(1, getattr(args, "total_steps", 1)))

    def training(done: int, total: int) -> None:
        report(before + done, before + total)

    problem = dataclasses.replace(_problem(config, args), on_progress=learning)
    return reward_learners.learned(config.reward_learner, problem, out), training


def _methods(config: RunConfig, module: ModuleType, args: Any, reward: RewardMethod | None = None) -> dict[str, Any]:
    """Keywords ``wrapper`` and ``transform`` of the trainer, each where there is something to it.

    A learned reward goes around the environment before shaping and bonus do.

    Raises:
        ValueError: an unknown method, or one that the trainer cannot have.
        TypeError: a key that the method does not take.
    """
    gamma: float = getattr(args, "gamma", 1.0)
    ending: methods.Ending = getattr(args, "on_truncation", "bootstrap")
    around = methods.around(config.shaping, config.bonus, gamma, ending, seed=config.seed)

    def wrapper(env: Any) -> Any:
        env = env if reward is None else wrap(env, reward)
        return env if around is None else around(env)

    found: dict[str, Any] = {} if around is None and config.reward_learner == "none" else {"wrapper": wrapper}
    if config.transform != "none":
        env = _make_env(config)
        env.close()
        names = observation_names(env.env if isinstance(env, environments.OneSeat) else env)
        found["transform"] = methods.transform_of(
            config.transform, num_actions=env.num_actions, obs_names=names, seed=config.seed
        )
    takes = inspect.signature(module.train).parameters
    for name in found:
        if name not in takes:
            what = "transform" if name == "transform" else "shaping, bonus and reward_learner"
            raise ValueError(f"trainer {config.algo} takes no {name}: {what} must be none with it")
    return found


def _try(config: RunConfig, module: ModuleType, args: Any) -> None:
    """Build everything once, one copy of it, so that what is wrong is known before anything runs."""
    found = _methods(config, module, args)
    learner = reward_learners.reward_learner(config.reward_learner)
    if learner is not None:
        learner.check(_problem(config, args))
    if "wrapper" not in found:
        _make_env(config).close()
        return
    env = _make_env(config, found["wrapper"])
    try:
        env.reset(seed=0)
    except KeyError as error:
        raise ValueError(
            f"shaping {config.shaping}, bonus {config.bonus} in {config.env_id}: {error.args[0]}"
        ) from error
    finally:
        env.close()


def _make_env(config: RunConfig, wrapper: Callable[[Any], Any] = lambda env: env) -> Any:
    """The environment that a trainer will ask for, one copy of it."""
    view = view_of(config.algo)
    if view == "multi" and config.partners != "none":
        raise ValueError(
            f"partners must be none with {config.algo}, which trains every seat, got {config.partners!r}; trainers of "
            "one seat: ppo, balanced_ppo, sb3"
        )
    make = environments.make_one_seat if view == "single" else environments.make_all_seats
    return make(config.env_id, 1, {"info": "full", **config.env_keywords(), "reward": config.reward}, wrapper)


def _whole_episodes(module: ModuleType, env_id: str, env_params: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with which a trainer plays whole episodes, those that it has."""
    known = {f.name: f.default for f in dataclasses.fields(module.Args)}
    settings: dict[str, Any] = {"rollout": "episodes"} if "rollout" in known else {}
    least, longest = known.get("num_steps"), environments.longest_episode(env_id, env_params)
    if settings and isinstance(least, int) and longest is not None:
        settings["num_steps"] = max(least, longest)
    return settings


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
