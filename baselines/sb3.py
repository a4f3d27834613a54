"""Stable-Baselines3's PPO on the same ids: a second opinion, and a way in for whoever uses that library already.

The single-agent view trains natively vectorised (:class:`NativeVecEnv`), with actions in [-1, 1] as the library's
Gaussian needs them and rewards divided by the running deviation of their discounted sum (``VecNormalize``). Results are
payoffs all the same: :class:`PayoffCallback` and :class:`SB3Policy` evaluate as our own trainers are evaluated.
:class:`payoff.baselines.sb3_transform.RewardTransformCallback` rewrites rewards between playing and learning.

The library cannot stop and go on to the same numbers, so there is one checkpoint, at the end; a training that finds a
finished one returns it, and a training that was killed starts over. Seeding sets the global generators of random, numpy
and torch, as the library does.

Example: ``python -m payoff.baselines.sb3 --env-id payoff/TrustDilemma-v0 --reward private``
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from payoff.baselines.checkpoint import fitting
from payoff.baselines.environments import OneSeat, make_vector, payoffs, shares
from payoff.baselines.evaluation import evaluate, score, yardsticks
from payoff.baselines.networks import largest
from payoff.baselines.result import CURVES, Result
from payoff.baselines.rewriting import entry, info_level
from payoff.baselines.rollout import Episodes
from payoff.baselines.sb3_transform import RewardTransformCallback
from payoff.baselines.training import NotFiniteError, OnProgress, RunArgs, TrainingRun, curve_of
from payoff.envs.core.params import check_integer
from payoff.wrappers.rows import BatchInfo, vector_info

__all__ = [
    "VIEW",
    "Args",
    "NativeVecEnv",
    "PayoffCallback",
    "RewardTransformCallback",
    "SB3Policy",
    "load_policy",
    "make_sb3",
    "train",
]

VIEW: Literal["multi", "single"] = "single"


@dataclass(frozen=True, kw_only=True)
class Args(RunArgs):
    """Settings of PPO as Stable-Baselines3 names them; who plays the other seats is said in ``env_params``."""

    num_envs: int = 64
    """copies that play at once"""
    n_steps: int = 100
    """steps per copy between updates"""
    batch_size: int = 1600
    """transitions per gradient step"""
    n_epochs: int = 4
    """passes over a rollout"""
    learning_rate: float = 1e-3
    """of Adam, at the start; falls linearly to 0"""
    gamma: float = 0.99
    """discount"""
    gae_lambda: float = 0.95
    """lambda of the advantage estimates"""
    log_std_init: float = -1.0
    """logarithm of the first standard deviation, in a box of width 2"""
    torch_threads: int = 1
    """threads of torch"""

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_integer("seed", self.seed, 0, 2**32 - 1)  # the library seeds numpy's global generator with it
        super().__post_init__()
        self.check_counts("num_envs", "n_steps", "batch_size", "n_epochs", "torch_threads")


class NativeVecEnv(VecEnv):
    """A Gymnasium ``VectorEnv`` as a Stable-Baselines3 ``VecEnv``, without a loop over copies.

    Both restart a finished copy within the step, so the last observation comes in ``terminal_observation``, from which
    the library bootstraps truncated episodes.

    Args:
        env: in same-step autoreset mode.
        levels: whether integer actions are equal levels of the endowment.

    Attributes:
        episodes: sums over the episodes, payoffs among them.
        seat: sizes and bounds of the seat that learns.
    """

    def __init__(self, env: VectorEnv, *, levels: bool = False) -> None:
        self.env = env
        self.episodes = Episodes(env.num_envs)
        self.seat = OneSeat(env, levels=levels)
        self._record: tuple[str, ...] = ()
        self._begun: dict[str, Any] = {}  # what the last reset told
        self._actions = np.zeros(0)
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> np.ndarray:
        """Observations ``(B, O)``; the first copy's seed, where given, seeds all."""
        obs, self._begun = self.env.reset(seed=self._seeds[0])
        self._reset_seeds()
        self.episodes.running[:] = 0.0
        self.record(self._record)
        return obs

    def record(self, names: Sequence[str]) -> None:
        """Put these entries of info (``state``: the game's state row) into each copy's infos and ``reset_infos``."""
        self._record = tuple(names)
        nobody = np.zeros(self.num_envs, dtype=np.bool_)
        self._tell(self.reset_infos, vector_info(self._begun, ~nobody), nobody, range(self.num_envs))

    def _tell(self, infos: list[dict[str, Any]], seen: BatchInfo, ended: np.ndarray, rows: Iterable[int]) -> None:
        engine = getattr(self.env.unwrapped, "engine", None)
        for name in self._record:
            if name == "state" and engine is not None:
                value = np.where(ended[:, None], engine.last, engine.state)
            elif (value := entry(seen, name)) is None:
                continue
            for b in rows:
                infos[b][name] = value[b].copy()

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for :meth:`step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """One step of every copy: observations, rewards, dones, infos."""
        obs, rewards, terminated, truncated, info = self.env.step(self._actions)
        done = terminated | truncated
        actions = self._actions.reshape(self.num_envs, 1, -1)
        share = shares(self.seat, actions)[:, 0]
        self.episodes.add(np.ones_like(done), payoffs(info, rewards[:, None]).sum(axis=1), rewards, share, done)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for b in np.flatnonzero(done):
            infos[b] = {
                "terminal_observation": info["final_obs"][b],
                "TimeLimit.truncated": bool(truncated[b] and not terminated[b]),
            }
        if self._record:
            final = info["final_info"] if done.any() else {}
            seen = vector_info(info, np.ones_like(done), final=final, ended=done)
            self._tell(infos, seen, done, range(self.num_envs))
            self._tell(self.reset_infos, vector_info(info, done), done & False, np.flatnonzero(done))
        return obs, rewards.astype(np.float32), done, infos

    def close(self) -> None:
        """Close the view."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of the view, once a copy: they share it."""
        return [getattr(self.env, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the view, for all copies together."""
        setattr(self.env, attr_name, value)

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Call a method of the view once; all copies get its answer."""
        answer = getattr(self.env, method_name)(*method_args, **method_kwargs)
        return [answer] * len(list(self._get_indices(indices)))

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Copies are rows of arrays: nothing is wrapped around one of them."""
        return [False] * len(list(self._get_indices(indices)))


class SB3Policy:
    """A Stable-Baselines3 policy as a :class:`payoff.baselines.policies.Policy` of one seat.

    Args:
        policy: ``model.policy``.
    """

    def __init__(self, policy: BasePolicy) -> None:
        self.policy = policy

    def act(self, obs: np.ndarray, *, deterministic: bool = True) -> np.ndarray:
        """Actions ``(B, 1, A)`` for observations ``(B, 1, O)``."""
        actions, _ = self.policy.predict(obs[:, 0], deterministic=deterministic)
        return actions.reshape(len(obs), 1, -1)


class PayoffCallback(BaseCallback):
    """Evaluates in payoffs while the library trains; writes ``eval/...`` to its logger.

    Args:
        env_id: environment.
        env_kwargs: game parameters and view settings of the training; what its reward is makes no difference.
        every: environment steps between evaluations.
        episodes: episodes of each.
        seed: seed of the first of them.

    Attributes:
        history: what was found: ``step``, ``welfare``, ``score``, ``cooperation``, ``episode_length``.
    """

    def __init__(
        self,
        env_id: str,
        env_kwargs: Mapping[str, Any] | None = None,
        *,
        every: int = 50_000,
        episodes: int = 10,
        seed: int = 1_000_000,
    ) -> None:
        super().__init__()
        self.env_id, self.env_kwargs = env_id, dict(env_kwargs or {})
        self.every, self.episodes, self.seed = every, episodes, seed
        self.yardsticks = yardsticks(env_id, self.env_kwargs, starts=range(seed, seed + episodes))
        self.history: list[dict[str, float]] = []
        self._next = every

    def _on_step(self) -> bool:
        if self.num_timesteps >= self._next:
            self._next += self.every
            self._evaluate()
        return True

    def _on_training_end(self) -> None:
        if not self.history or self.history[-1]["step"] < self.num_timesteps:
            self._evaluate()

    def _evaluate(self) -> None:
        played = evaluate(
            SB3Policy(self.model.policy),
            self.env_id,
            episodes=self.episodes,
            seed=self.seed,
            env_kwargs=self.env_kwargs,
            view="single",
        )
        found = {
            "welfare": played.welfare,
            "score": score(played.welfare, self.yardsticks),
            "cooperation": played.cooperation,
            "episode_length": played.episode_length,
        }
        for name, value in found.items():
            self.logger.record(f"eval/{name}", value)
        self.history.append({"step": float(self.num_timesteps), **found})


class _Recorder(BaseCallback):
    """Learning curve, progress, and the check that all weights are finite, once a rollout."""

    def __init__(self, run: TrainingRun, episodes: Episodes) -> None:
        super().__init__()
        self.run, self.episodes = run, episodes

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        run, step = self.run, self.num_timesteps
        for name, p in self.model.policy.named_parameters():
            if not torch.isfinite(p).all():
                raise NotFiniteError(run.update, step, f"the weight {name}")
        run.record(step - run.step, {}, self.episodes.means())


def make_sb3(
    env_id: str,
    *,
    num_envs: int = 64,
    seed: int = 1,
    env_kwargs: Mapping[str, Any] | None = None,
    norm_reward: bool = True,
    wrapper: Callable[[VectorEnv], VectorEnv] | None = None,
    **settings: Any,
) -> PPO:
    """A Stable-Baselines3 PPO model on one of our ids, ready for ``learn``.

    Args:
        env_id: environment.
        num_envs: copies that play at once.
        seed: seed of everything.
        env_kwargs: game parameters and view settings, ``reward``, ``agent``, ``partners`` and ``control`` among them.
        norm_reward: divide rewards by the running deviation of their discounted sum.
        wrapper: wraps the vector environment, as in ``lambda env: payoff.wrappers.wrap(env, method)``.
        **settings: keywords of ``stable_baselines3.PPO`` that differ from those of :class:`Args`.

    Raises:
        TypeError: an unknown keyword.
        ValueError: a value that is not allowed.
    """
    keywords = {"info": "minimal", **(env_kwargs or {})}
    levels = str(keywords.get("actions")).startswith("discrete:")
    env = make_vector(env_id, num_envs, keywords, autoreset_mode=AutoresetMode.SAME_STEP)
    native = NativeVecEnv(env if wrapper is None else wrapper(env), levels=levels)
    default = Args()
    ours = {
        "n_steps": default.n_steps,
        "batch_size": default.batch_size,
        "n_epochs": default.n_epochs,
        "learning_rate": lambda left: default.learning_rate * left,
        "gamma": default.gamma,
        "gae_lambda": default.gae_lambda,
        "policy_kwargs": {"log_std_init": default.log_std_init},
        "device": "cpu",
    }
    chosen = {**ours, **settings}
    scaled = VecNormalize(native, norm_obs=False, norm_reward=norm_reward, gamma=chosen["gamma"], clip_reward=np.inf)
    return PPO("MlpPolicy", scaled, seed=seed, **chosen)


def train(
    args: Args,
    *,
    on_progress: OnProgress | None = None,
    wrapper: Callable[[VectorEnv], VectorEnv] | None = None,
) -> Result:
    """Train one seat, or one controller of all seats.

    Args:
        args: settings.
        on_progress: called after every rollout with (steps done, steps in all).
        wrapper: wraps the vector environment; see :func:`payoff.baselines.ppo.train`.

    Raises:
        payoff.baselines.training.NotFiniteError: a weight is not finite.
        ValueError: a setting that is not allowed, or a checkpoint that is damaged or was made with other settings.
        TypeError: an unknown keyword in ``env_params``.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(args.torch_threads)
    model = make_sb3(
        args.env_id,
        num_envs=args.num_envs,
        seed=args.seed,
        env_kwargs={"info": info_level(None, wrapper), **args.keywords()},
        wrapper=wrapper,
        n_steps=args.n_steps,
        batch_size=args.batch_size,
        n_epochs=args.n_epochs,
        learning_rate=lambda left: args.learning_rate * left,
        gamma=args.gamma,
        gae_lambda=args.gae_lambda,
        policy_kwargs={"log_std_init": args.log_std_init},
        tensorboard_log=args.log_dir,
    )
    try:
        with TrainingRun("sb3", args, on_progress) as run:
            return _learn(run, args, model)
    finally:
        torch.set_num_threads(threads)
        _native(model).close()


def _learn(run: TrainingRun, args: Args, model: PPO) -> Result:
    if (found := run.stored()) is not None:
        tensors, meta = found
        if meta["args"]["total_steps"] == args.total_steps:
            try:
                _load_weights(model.policy, tensors)
                check_integer("step", meta.get("step"), 1)
                points = tensors["curve.step"].size if "curve.step" in tensors else 0
                curve = {name: curve_of(tensors, name, points) for name in CURVES}
            except ValueError as error:
                raise ValueError(f"{args.checkpoint} cannot be used: {error}") from error
            return Result(SB3Policy(model.policy), curve, *run.seconds, meta["step"], args)
    native = _native(model)
    recorder = _Recorder(run, native.episodes)
    model.learn(args.total_steps, callback=recorder)
    weights = {f"policy.{name}": p.detach().numpy().copy() for name, p in model.policy.state_dict().items()}
    sizes = {name: getattr(native.seat, name) for name in ("obs_size", "action_size", "num_actions")}
    run.save(weights, {"step": model.num_timesteps, **sizes})
    return run.result(SB3Policy(model.policy))


def _native(model: PPO) -> NativeVecEnv:
    env: Any = model.get_env()
    return env.unwrapped


def load_policy(tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> SB3Policy:
    """Policy of a checkpoint that :func:`train` wrote; see :func:`payoff.baselines.ppo.load_policy`."""
    for name in ("obs_size", "action_size", *([] if meta.get("num_actions") is None else ["num_actions"])):
        check_integer(name, meta.get(name), 1, largest(tensors))
    size, choices = meta["action_size"], meta.get("num_actions")
    space = gym.spaces.Box(-1.0, 1.0, (size,)) if choices is None else gym.spaces.MultiDiscrete([choices] * size)
    policy = ActorCriticPolicy(gym.spaces.Box(0.0, 1.0, (meta["obs_size"],)), space, lambda left: 0.0)
    _load_weights(policy, tensors)
    return SB3Policy(policy)


def _load_weights(policy: ActorCriticPolicy, tensors: Mapping[str, np.ndarray]) -> None:
    weights = {
        name: torch.from_numpy(fitting(tensors, f"policy.{name}", tuple(p.shape), np.float32))
        for name, p in policy.state_dict().items()
    }
    policy.load_state_dict(weights)


if __name__ == "__main__":
    from payoff.baselines.script import script

    script(Args, train, VIEW, __doc__)
