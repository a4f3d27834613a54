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
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from payoff.baselines import ppo
from payoff.baselines.checkpoint import fitting
from payoff.baselines.environments import SeatEnv, Step, check_actions, make_one_seat
from payoff.baselines.networks import (
    Adam,
    Ensemble,
    NetworkShape,
    check_finite,
    clip_gradients,
    largest,
    threads_of_torch,
)
from payoff.baselines.policies import Policy
from payoff.baselines.ppo import (
    ActorCritic,
    Logged,
    NetworkPolicy,
    collect,
    improve,
    logged,
    losses,
    transitions,
)
from payoff.baselines.result import Result
from payoff.baselines.returns import ReturnScale
from payoff.baselines.rewriting import methods
from payoff.baselines.rollout import Play
from payoff.baselines.training import Generator, JsonObject, OnProgress, TrainingRun, load_parts
from payoff.envs.core.params import check_integer, check_number, check_word
from payoff.wrappers.objectives.min_norm import min_norm_weights

__all__ = ["VIEW", "Args", "Balance", "VectorCritic", "VectorSeat", "load_policy", "train"]

VIEW: Literal["multi", "single"] = "single"


@dataclass(frozen=True, kw_only=True)
class Args(ppo.Args):
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

    def arrays(self) -> dict[str, np.ndarray]:
        """Sums so far, for a checkpoint; the environment is kept beside them."""
        return {"running": self.running, "over": self._over}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Inverse of :meth:`arrays`."""
        running = fitting(arrays, "running", self.running.shape, np.float64)
        over = fitting(arrays, "over", self._over.shape, np.bool_)
        self.running, self._over = running.copy(), over.copy()


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


class Balance:
    """How K policy losses become one step: equation (2), (3) or (4).

    Args:
        args: settings.
        weights: ``(K,)`` of the objectives.
    """

    def __init__(self, args: Args, weights: np.ndarray) -> None:
        self.args, self.weights = args, weights
        self._steps: list[tuple[np.ndarray, float]] = []

    def rewards(self, vectors: np.ndarray) -> np.ndarray:
        """What each critic learns from objectives ``(T, B, K)``."""
        return (vectors @ self.weights)[..., None] if self.args.balance == "weighted_sum" else vectors

    def choose(self, losses: Tensor, actor: Ensemble) -> np.ndarray:
        """Weights lambda ``(K,)`` of the policy losses ``(K,)``."""
        parameters = list(actor.parameters())
        rows = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in losses]
        gradients = torch.stack([torch.cat([g.reshape(-1) for g in row]) for row in rows]).double().numpy()
        if self.args.balance == "min_norm":
            chosen = min_norm_weights(gradients @ gradients.T)
        else:
            chosen = self.weights / self.weights.sum() if self.args.balance == "fixed" else np.ones(1)
        self._steps.append((chosen, float(np.linalg.norm(chosen @ gradients))))
        return chosen

    def means(self) -> tuple[np.ndarray, float]:
        """Means over the gradient steps since the last time: lambda ``(K,)``, and the norm of the merged gradient."""
        steps, self._steps = self._steps, []
        return np.mean([x for x, _ in steps], axis=0), float(np.mean([norm for _, norm in steps]))


def descend(
    args: Args, net: VectorCritic, adam: Adam, balance: Balance, left: float, batch: Mapping[str, Tensor]
) -> Logged:
    """One gradient step on a minibatch; returns what is logged."""
    found, told = losses(net, batch, clip=args.clip, clip_value=args.clip_value)
    chosen = balance.choose(found["policy"], net.actor)
    policy = (found["policy"] * torch.from_numpy(chosen).float()).sum()
    loss = policy + args.value_coef * found["value"].sum() - args.ent_coef * left * found["entropy"].sum()
    adam.zero_grad(set_to_none=True)
    loss.backward()
    clip_gradients(net.actor, args.max_grad_norm)
    clip_gradients(net.critic, args.max_grad_norm)
    adam.step()
    return logged(found, told)


def train(
    args: Args,
    *,
    wrapper: Callable[[VectorEnv], VectorEnv] | None = None,
    on_progress: OnProgress | None = None,
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
        payoff.baselines.training.NotFiniteError: a loss or a weight is not finite.
        ValueError: a setting that is not allowed, an environment without ``reward_vector``, or a checkpoint that is
            damaged or was made with other settings.
        TypeError: an unknown keyword in ``env_params``.
    """
    env = make_one_seat(args.env_id, args.num_envs, {"info": "full", **args.keywords()}, wrapper or (lambda env: env))
    try:
        check_actions(env, args.keywords())
        return _optimise(args, VectorSeat(env, args), on_progress)
    finally:
        env.close()


def _optimise(args: Args, env: VectorSeat, on_progress: OnProgress | None) -> Result:
    own, of_env = np.random.SeedSequence(args.seed).spawn(2)
    play = Play(env, seed=int(of_env.generate_state(1)[0]))
    weighted = args.balance == "weighted_sum"
    objectives = tuple(f"objective/{name}" for name in env.names)
    balances = () if weighted else tuple(f"balance/{name}" for name in env.names)
    shape, size = NetworkShape(1, env.obs_size, env.action_size, env.num_actions, args.hidden), len(env.names)
    size = 1 if weighted else size
    run = TrainingRun(
        "balanced_ppo",
        args,
        on_progress,
        last_step=args.last_step,
        checkpoint_every=args.checkpoint_every,
        curves=(*objectives, *balances),
    )
    with threads_of_torch(args.torch_threads), run:
        net = VectorCritic(shape, int(own.generate_state(1)[0]), size)
        adam, returns, rng = Adam(net, args.learning_rate), ReturnScale(size), Generator(own)
        balance = Balance(args, env.weights)
        run.about |= {"shape": asdict(shape), "names": list(env.names), "size": size, **methods(None, env)}
        run.keep(net=net, adam=adam, returns=returns, rng=rng, play=play, objectives=env)
        run.resume()
        act = partial(net.act, rng=rng.numpy)
        while run.step < args.last_step:
            left = run.left
            net.temperature = args.final_temperature ** (1.0 - left)
            adam.param_groups[0]["lr"] = args.learning_rate * left
            rollout = collect(play, act, args.num_steps)
            rollout = replace(rollout, rewards=balance.rewards(env.taken()))
            table, explained = transitions(args, net, returns, rollout)
            metrics = improve(args, table, rng.numpy, partial(descend, args, net, adam, balance, left))
            check_finite(net, metrics, run.update + 1, run.step + args.batch_size)
            chosen, norm = balance.means()
            metrics |= {"update/explained_variance": explained, "update/learning_rate": args.learning_rate * left}
            metrics["balance/norm"] = norm
            told = {**env.means(), **dict(zip(balances, chosen.tolist(), strict=bool(balances)))}
            run.record(args.batch_size, metrics, {**play.episodes.means(), **told})
        return run.result(NetworkPolicy(net, returns))


def load_policy(tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> Policy:
    """Policy of a checkpoint of this trainer; see :func:`payoff.baselines.ppo.load_policy`."""
    shape = NetworkShape.of(meta, tensors)
    check_integer("size", meta.get("size"), 1, largest(tensors))
    net, returns = VectorCritic(shape, 0, meta["size"]), ReturnScale(meta["size"])
    load_parts(tensors, net=net, returns=returns)
    return NetworkPolicy(net, returns)


if __name__ == "__main__":
    from payoff.baselines.script import script

    script(Args, train, VIEW, __doc__)
