"""PPO on several rewards at once: an advantage for each, and a step of the policy that is good for all of them.

With objectives k, policy losses L_k and their gradients g_k with respect to the actor's weights:

(1) A_k: an advantage for each objective, from a critic of its own, normalised by itself
(2) min_norm: the actor descends along sum_k lambda_k g_k, lambda = argmin over the simplex of || sum_k lambda_k g_k ||
(3) fixed: lambda_k = w_k / sum w, whatever the gradients; the balance is that of the normalised advantages
(4) weighted_sum: one reward, sum_k w_k r_k, and then PPO as it is

To first order (2) worsens no objective, and it halts where no step is good for all (a Pareto-stationary point), so it
needs no weights, and weights cannot choose which such point it finds. Short gradients get large weights: an objective
with little left to learn slows the others down. (4) is led by the objective whose reward varies most. What (1) does
against that, (3) has as well: where objectives do not conflict, (2) and (3) learn alike. Each minibatch has a lambda of
its own: the promise holds for the losses of the minibatch, not for what they estimate.

Gradient balance of this kind: MARBLE. unverified: only its abstract was read (per-reward advantages and critics,
gradients merged); that the merging is (2) is an assumption. (2): Desideri (2012), Sener and Koltun (NeurIPS 2018).

Everything else is :mod:`payoff.baselines.ppo`, but that the actor and each critic are clipped by themselves. Rewards
are read from ``info["reward_vector"]``; episodes are reported, and policies evaluated, in payoffs. Logged besides:
``objective/NAME`` (sums over the episodes that ended), ``balance/NAME`` (lambda), ``balance/norm`` (of the merged
gradient).

Example: ``python -m payoff.baselines.balanced_ppo --env-id payoff/Delivery-v0 --objectives '{"goal": [0, 1, -1, 0, 0,
0, 1], "cost": [-1, 0, 0, 1, -1, -2, 0]}'``
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from payoff.baselines import checkpoint, networks, session
from payoff.baselines.networks import ActorCritic, Ensemble, NetworkPolicy, NetworkShape
from payoff.baselines.ppo import Learner, clip_gradients, surrogate
from payoff.baselines.result import CURVES, Result
from payoff.baselines.returns import ReturnScale, gae
from payoff.baselines.rollout import Episodes, Rollout, SeatEnv, Step, collect, in_unit_box, make_one_seat
from payoff.baselines.session import JsonObject
from payoff.baselines.settings import Settings
from payoff.envs.core.params import check_number, check_word
from payoff.wrappers.objectives.min_norm import min_norm_weights

__all__ = ["Args", "BalancedLearner", "VectorCritic", "VectorSeat", "load_policy", "train"]


@dataclass(frozen=True, kw_only=True)
class Args(Settings):
    """Settings of PPO on several rewards."""

    balance: Literal["min_norm", "fixed", "weighted_sum"] = "min_norm"
    """how objectives become one step: the shortest combination of their gradients, fixed weights on their gradients, or
    one reward that is their weighted sum"""
    objectives: JsonObject = field(default_factory=dict)
    """name -> weights of the entries of info["reward_vector"], as a JSON object; none: each entry is an objective"""
    weights: JsonObject = field(default_factory=dict)
    """name -> weight of the objective where balance is not min_norm, as a JSON object; 1 where left out"""

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        super().__post_init__()
        check_word("balance", self.balance, ("min_norm", "fixed", "weighted_sum"))
        if self.rollout != "steps":
            raise ValueError(f"rollout must be 'steps' for this trainer, got {self.rollout!r}")
        if len({len(np.atleast_1d(row)) for row in self.objectives.values()}) > 1:
            raise ValueError(f"objectives must weigh as many entries each, got {self.objectives!r}")
        for name, row in self.objectives.items():
            for value in np.atleast_1d(row).tolist():
                check_number(f"objectives[{name!r}]", value, -np.inf)
        for name, value in self.weights.items():
            if self.objectives and name not in self.objectives:
                raise ValueError(f"weights must name objectives, {', '.join(self.objectives)}, got {name!r}")
            check_number(f"weights[{name!r}]", value, 0.0)

    def matrix(self, entries: int) -> dict[str, np.ndarray]:
        """Name -> weights ``(entries,)``.

        Raises:
            ValueError: the reward vector has another length than the settings say, or no weight is above 0.
        """
        rows = self.objectives or {str(k): np.eye(entries)[k] for k in range(entries)}
        found = {name: np.atleast_1d(np.array(row, dtype=np.float64)) for name, row in rows.items()}
        for name, row in found.items():
            if row.shape != (entries,):
                raise ValueError(f"objectives[{name!r}] must weigh the {entries} entries of reward_vector, got {row}")
        if set(self.weights) - set(found):
            raise ValueError(f"weights must name objectives, {', '.join(found)}, got {', '.join(self.weights)}")
        if not sum(self.weights.get(name, 1.0) for name in found) > 0.0:
            raise ValueError("a weight must be above 0")
        return found


class VectorSeat:
    """One seat that keeps the objectives of each call; everything else is the environment's.

    Args:
        env: with ``reward_vector`` in its info.
        args: settings.
    """

    def __init__(self, env: SeatEnv, args: Args) -> None:
        self.env = env
        self.args = args
        self.names: tuple[str, ...] = ()
        self.weights = np.zeros(0)
        self.running = np.zeros((env.num_envs, 0))
        self._matrix = np.zeros((0, 0))
        self._calls: list[np.ndarray] = []
        self._ended: list[np.ndarray] = []
        self._over = np.zeros(env.num_envs, dtype=np.bool_)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)

    def reset(
        self, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start episodes; observations ``(B, 1, O)`` and info.

        Raises:
            ValueError: ``info`` has no ``reward_vector``, or one of another length than the settings say.
        """
        obs, info = self.env.reset(seed=seed, options=options)
        if "reward_vector" not in info:
            raise ValueError(f"{self.args.env_id} reports no reward_vector in info")
        rows = self.args.matrix(np.shape(info["reward_vector"])[1])
        self.names, self._matrix = tuple(rows), np.stack(list(rows.values()))
        self.weights = np.array([float(self.args.weights.get(name, 1.0)) for name in rows])
        self.running = np.zeros((self.env.num_envs, len(rows)))
        self._over = np.zeros(self.env.num_envs, dtype=np.bool_)
        return obs, info

    def step(self, actions: np.ndarray) -> Step:
        """One step with actions ``(B, 1, A)``."""
        result = self.env.step(actions)
        vector = np.asarray(result[4]["reward_vector"], dtype=np.float64) @ self._matrix.T
        vector[self._over] = 0.0  # this call restarted the copy, and pays nothing
        self._over = result[2] | result[3]
        self.running += vector
        self._calls.append(vector)
        if self._over.any():
            self._ended.append(self.running[self._over])
            self.running[self._over] = 0.0
        return result

    def taken(self) -> np.ndarray:
        """Objectives ``(T, B, K)`` of the calls since the last time."""
        calls, self._calls = np.stack(self._calls), []
        return calls

    def means(self) -> dict[str, float]:
        """Mean sums over the episodes that ended since the last time, NaN where none did."""
        ended = np.concatenate(self._ended) if self._ended else np.full((1, len(self.names)), np.nan)
        self._ended = []
        return {f"objective/{name}": value for name, value in zip(self.names, ended.mean(axis=0).tolist(), strict=True)}

    def resume(self, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
        """Go back to where a checkpoint was written; returns the observations there."""
        self.running, self._over = tensors["objectives"].copy(), tensors["done"].copy()
        own = {name.removeprefix("env."): x for name, x in tensors.items() if name.startswith("env.")}
        obs, _ = self.env.restore(type(self.env.snapshot()).from_arrays(own))
        return obs


class VectorCritic(ActorCritic):
    """One actor, and a critic for each of K objectives.

    Args:
        shape: sizes, of one seat.
        seed: seed of the initial weights.
        size: K.
    """

    def __init__(self, shape: NetworkShape, seed: int, size: int) -> None:
        super().__init__(shape, seed)
        self.size = size
        if size > 1:
            generator = torch.Generator().manual_seed(seed + 1)
            self.critic = Ensemble(size, (shape.obs_size, *shape.hidden, 1), 1.0, generator)

    def value(self, inputs: Tensor) -> Tensor:
        """Values ``(K, R)`` of inputs ``(1, R, I)``, in the critics' units."""
        return self.critic(inputs.expand(self.size, -1, -1))[..., 0]


class BalancedLearner(Learner):
    """PPO's learner with K advantages.

    Args:
        args: settings.
        shape: sizes of the networks.
        seed: where its randomness comes from.
        weights: ``(K,)`` of the objectives.
    """

    args: Args
    net: VectorCritic

    def __init__(self, args: Args, shape: NetworkShape, seed: np.random.SeedSequence, weights: np.ndarray) -> None:
        super().__init__(args, shape, seed)
        size = 1 if args.balance == "weighted_sum" else len(weights)
        self.net = VectorCritic(shape, int(seed.generate_state(1)[0]), size)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=args.learning_rate, eps=1e-5, fused=True)
        self.returns = ReturnScale(size)
        self.weights = weights
        self._balances: list[tuple[np.ndarray, float]] = []

    def learn(self, rollout: Rollout, vectors: np.ndarray, left: float) -> dict[str, float]:
        """One update on objectives ``(T, B, K)``; see :meth:`Learner.improve`, whose steps it takes."""
        args, net = self.args, self.net
        if args.balance == "weighted_sum":
            vectors = (vectors @ self.weights)[..., None]
        for group in self.optimizer.param_groups:
            group["lr"] = args.learning_rate * left
        with torch.inference_mode():
            seen = net.inputs(rollout.obs.reshape(-1, *rollout.obs.shape[2:]))
            values = net.unfold(net.value(seen)).reshape(*rollout.obs.shape[:2], net.size)
        values = self.returns.from_critic(values)
        ended = rollout.terminated | (rollout.truncated & (args.on_truncation == "terminal"))
        advantages = gae(vectors, values, ended, rollout.truncated, args.gamma, args.lam)
        self.returns.update((advantages + values[:-1])[rollout.valid])
        data = self._table(rollout, values[:-1], advantages)
        self._balances, stats, rows = [], [], data["inputs"].shape[1]
        for _ in range(args.epochs):
            for part in np.array_split(self.rng.permutation(rows), args.minibatches):
                index = torch.from_numpy(part)
                stats.append(self._step({name: x[:, index] for name, x in data.items()}, args.ent_coef * left))
        names = ("loss/policy", "loss/value", "loss/entropy", "update/kl", "update/clipped")
        means = torch.stack(stats).mean(dim=0).tolist()
        return {**dict(zip(names, means, strict=True)), "update/learning_rate": args.learning_rate * left}

    def balances(self) -> tuple[np.ndarray, float]:
        """Means over the gradient steps of the last update: lambda ``(K,)``, and the norm of the merged gradient."""
        return np.mean([x for x, _ in self._balances], axis=0), float(np.mean([norm for _, norm in self._balances]))

    def _step(self, batch: dict[str, Tensor], ent_coef: float) -> Tensor:
        args, net = self.args, self.net
        losses, stats = surrogate(net, batch, clip=args.clip, clip_value=args.clip_value)
        chosen = self._balance(losses["policy"])
        policy = (losses["policy"] * torch.from_numpy(chosen).float()).sum()
        loss = policy + args.value_coef * losses["value"].sum() - ent_coef * losses["entropy"].sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clip_gradients(net.actor, args.max_grad_norm)
        clip_gradients(net.critic, args.max_grad_norm)
        self.optimizer.step()
        return torch.stack([*(x.detach().mean() for x in losses.values()), *stats])

    def _balance(self, losses: Tensor) -> np.ndarray:
        """Weights lambda ``(K,)`` of the policy losses ``(K,)``, by equation (2), (3) or (4)."""
        parameters = list(self.net.actor.parameters())
        rows = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in losses]
        gradients = torch.stack([torch.cat([g.reshape(-1) for g in row]) for row in rows]).double().numpy()
        if self.args.balance == "min_norm":
            chosen = min_norm_weights(gradients @ gradients.T)
        else:
            chosen = self.weights / self.weights.sum() if self.args.balance == "fixed" else np.ones(1)
        self._balances.append((chosen, float(np.linalg.norm(chosen @ gradients))))
        return chosen


def train(
    args: Args,
    *,
    wrapper: Callable[[VectorEnv], VectorEnv] | None = None,
    on_progress: session.OnProgress | None = None,
) -> Result:
    """Train one seat, or one controller of all seats.

    Args:
        args: settings.
        wrapper: puts something around the vector environment; see :func:`payoff.baselines.ppo.train`.
        on_progress: called after every update with (steps done, steps in all).

    Returns:
        A result whose ``curve`` also has ``objective/NAME`` and, but for a weighted sum, ``balance/NAME``. The policy's
        ``value`` has an entry for each objective.

    Raises:
        payoff.baselines.session.NotFiniteError: a loss or a weight is not finite.
        ValueError: a setting that is not allowed, an environment without ``reward_vector``, or a checkpoint that is
            damaged or was made with other settings.
        TypeError: an unknown keyword in ``env_params``.
    """
    env = make_one_seat(args.env_id, args.num_envs, {"info": "full", **args.keywords()}, wrapper or (lambda env: env))
    threads = torch.get_num_threads()
    torch.set_num_threads(args.torch_threads)
    try:
        if env.num_actions is None and not in_unit_box(env):
            got = args.keywords().get("actions")
            raise ValueError(f"actions must be 'unit' or 'discrete:K' for a trainer, got {got!r}")
        with session.Session("balanced_ppo", args) as outer:
            return _loop(outer, args, VectorSeat(env, args), on_progress)
    finally:
        torch.set_num_threads(threads)
        env.close()


def _loop(outer: session.Session, args: Args, env: VectorSeat, on_progress: session.OnProgress | None) -> Result:
    own, of_env = np.random.SeedSequence(args.seed).spawn(2)
    obs, _ = env.reset(seed=int(of_env.generate_state(1)[0]))
    shape = NetworkShape(1, env.obs_size, env.action_size, env.num_actions, args.hidden)
    learner, episodes = BalancedLearner(args, shape, own, env.weights), Episodes(args.num_envs)
    balanced = [] if args.balance == "weighted_sum" else [f"balance/{name}" for name in env.names]
    extra = (*(f"objective/{name}" for name in env.names), *balanced)
    curve: dict[str, list[float]] = {name: [] for name in (*CURVES, *extra)}
    done, update = np.zeros(args.num_envs, dtype=np.bool_), 0
    if (found := outer.resume()) is not None:
        tensors, meta = found
        learner.load(tensors, meta["rng"])
        learner.net.temperature = meta["temperature"]  # counts where nothing is left to train
        curve = {name: tensors[f"curve.{name}"].tolist() for name in curve}
        done, episodes.running, update = tensors["done"], tensors["episodes"], meta["update"]
        obs = env.resume(tensors)
        if update * args.batch_size > args.last_step:
            raise ValueError(f"{args.checkpoint} is at step {update * args.batch_size}, past {args.total_steps=}")
    while update * args.batch_size < args.last_step:
        before = outer.seconds[0]
        left = 1.0 - update * args.batch_size / args.last_step
        learner.net.temperature = args.final_temperature ** (1.0 - left)
        rollout = collect(env, learner.act, args.num_steps, obs, done, episodes)
        metrics = learner.learn(rollout, env.taken(), left)
        obs, done = rollout.obs[-1], rollout.terminated[-1] | rollout.truncated[-1]
        update, step = update + 1, (update + 1) * args.batch_size
        learner.check_finite(update, step, metrics)
        means, (chosen, norm) = episodes.means(), learner.balances()
        told = {**env.means(), **dict(zip(balanced, chosen.tolist(), strict=bool(balanced)))}
        for name, value in {"step": float(step), **means, **told}.items():
            curve[name].append(value)
        metrics |= {"balance/norm": norm, "time/steps_per_second": args.batch_size / (outer.seconds[0] - before)}
        outer.log(step, {**metrics, **told, **{f"episode/{name}": value for name, value in means.items()}})
        if args.checkpoint is not None and (update % args.checkpoint_every == 0 or step >= args.last_step):
            tensors = {"done": done, "episodes": episodes.running, "objectives": env.running, **learner.arrays()}
            tensors |= {f"env.{name}": value for name, value in env.snapshot().arrays().items()}
            tensors |= {f"curve.{name}": np.array(values) for name, values in curve.items()}
            of_policy = {"vector_shape": networks.save_shape(shape), "names": env.names, "size": learner.net.size}
            own_meta = {"rng": learner.rng.bit_generator.state, "temperature": learner.net.temperature}
            outer.save(tensors, {"update": update, **of_policy, **own_meta})
        if on_progress is not None:
            on_progress(step, args.last_step)
    arrays = {name: np.array(values) for name, values in curve.items()}
    policy = NetworkPolicy(learner.net, learner.returns)
    return Result(policy, arrays, *outer.seconds, update * args.batch_size, args)


def load_policy(path: str | Path) -> tuple[NetworkPolicy, dict[str, Any]]:
    """Policy of a checkpoint of this trainer, and the metadata that was saved with it (``args`` and ``names`` in it).

    Raises:
        ValueError: the file is damaged, or another trainer's.
        FileNotFoundError: there is no such file.
    """
    tensors, meta = checkpoint.load(path)
    if meta.get("trainer") != "balanced_ppo":
        raise ValueError(f"{path} is a checkpoint of {meta.get('trainer')}, not of balanced_ppo")
    net, returns = VectorCritic(networks.read_shape(meta["vector_shape"]), 0, meta["size"]), ReturnScale(meta["size"])
    networks.load_network(net, tensors)
    net.temperature = meta["temperature"]
    returns.load(tensors)
    return NetworkPolicy(net, returns), meta


if __name__ == "__main__":
    session.script(Args, train, "single", __doc__)
