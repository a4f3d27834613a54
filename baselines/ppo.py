"""Proximal policy optimisation (Schulman et al., arXiv 1707.06347) for one seat, or one controller of all seats.

Read from top to bottom: settings, networks, playing, advantages, the loss, the loop. The names of axes::

    T calls of the environment      N seats: 1 here, all of a game in payoff.baselines.ippo, which runs the same loop
    B copies of it                  M networks: one per seat, or one that all seats share
    O, A entries of an observation and of an action       R rows: what a network learns from

Everything around the algorithm (checkpoints, curves, logs) lives in :class:`payoff.baselines.training.TrainingRun`.

What differs from common implementations, and why:

- actions are bounded and drawn from a Beta distribution (:class:`payoff.baselines.networks.Beta`);
- a truncated episode is bootstrapped from its last observation, unless ``on_truncation="terminal"``, and critics learn
  standardised returns (:class:`payoff.baselines.returns.ReturnScale`);
- advantages are normalised once per rollout, for each network; gradient norms are clipped separately for each network;
- exploration is annealed away: the entropy bonus and the learning rate fall linearly to 0, the temperature of the
  policies falls geometrically, and ratio, entropy and divergence are those of the policy at its temperature. The best
  policy under noise may be far from the best without it, and the policy without noise is what is evaluated;
- rewards may be rewritten between playing and learning: ``rollout="episodes"`` plays one whole episode per copy, and
  the ``transform`` of :func:`train` gives its steps other rewards (:mod:`payoff.wrappers.redistribution.base`).

Logged to TensorBoard, every update:

- ``episode/``, means over the episodes that ended: ``welfare`` (sum over seats of undiscounted payoffs), ``reward``
  (what the learners received from environment and wrappers, before any transform), ``cooperation`` (share of the
  endowment), ``episode_length``;
- ``loss/``: ``policy``, ``value`` (half the mean squared error of standardised returns), ``entropy`` (of the policies);
- ``update/``: ``kl`` (divergence from the policy that played, estimated), ``clipped`` (share of probability ratios
  outside the clip range), both means over all gradient steps; ``explained_variance`` (of the returns by the values; 1
  is perfect), ``learning_rate``;
- ``time/steps_per_second``.

Example: ``python -m payoff.baselines.ppo --env-id payoff/KeyRoom-v0 --total-steps 500000``
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from payoff.baselines.checkpoint import fitting
from payoff.baselines.environments import SeatEnv, check_actions, make_one_seat
from payoff.baselines.networks import (
    Adam,
    Beta,
    Categorical,
    Ensemble,
    NetworkShape,
    SeatModule,
    check_finite,
    clip_gradients,
    threads_of_torch,
)
from payoff.baselines.policies import Policy
from payoff.baselines.result import Result
from payoff.baselines.returns import ReturnScale
from payoff.baselines.rewriting import KeptTransform, info_level, methods, play_episodes
from payoff.baselines.rollout import Play, Rollout
from payoff.baselines.training import Generator, OnProgress, RunArgs, TrainingRun, load_parts
from payoff.envs.core.params import check_integer, check_word
from payoff.wrappers.redistribution.base import RewardTransform

__all__ = ["VIEW", "ActorCritic", "Args", "NetworkPolicy", "load_policy", "optimise", "train"]

VIEW: Literal["multi", "single"] = "single"  # the view that this trainer plays: one seat, or all ("multi")

Logged: TypeAlias = dict[str, Tensor]


# -- settings --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Args(RunArgs):
    """Settings of PPO; ``env_params`` sets who plays the other seats (``agent``, ``partners``, ``control``)."""

    total_steps: int = 500_000
    """environment steps, all copies together; rounded down to whole updates (at least one); with rollout='episodes',
    training stops after the update that reaches it"""
    num_envs: int = 32
    """copies that play at once"""
    num_steps: int = 100
    """steps per copy between updates; with rollout='episodes' the most that an episode may take"""
    rollout: Literal["steps", "episodes"] = "steps"
    """what is played between updates: a fixed number of steps, or one whole episode per copy"""
    group_size: int = 1
    """copies that share an initial state, with rollout='episodes'"""
    on_truncation: Literal["bootstrap", "terminal"] = "bootstrap"
    """what follows where an episode is cut off: the value of its last observation, or nothing, for returns over a
    finite horizon; without discounting, and where episodes end by truncation only, just the second is finite"""
    epochs: int = 4
    """passes over a rollout"""
    minibatches: int = 4
    """gradient steps per pass"""
    learning_rate: float = 2e-3
    """initial learning rate of Adam, annealed linearly to 0"""
    gamma: float = 0.99
    """discount"""
    lam: float = 0.95
    """lambda of the advantage estimates"""
    clip: float = 0.2
    """how far a probability ratio may move"""
    clip_value: bool = False
    """clip the change of the values as well"""
    ent_coef: float = 0.01
    """initial weight of the entropy bonus, annealed linearly to 0"""
    final_temperature: float = 0.02
    """temperature of the policies at the end, 1 at the start; actions are drawn from density ** (1 / temperature)"""
    value_coef: float = 0.5
    """weight of the value loss"""
    max_grad_norm: float = 0.5
    """largest norm of the gradient of each network, actor and critic together"""
    hidden: tuple[int, ...] = (64, 64)
    """widths of the hidden layers"""
    torch_threads: int = 1
    """threads of torch"""
    checkpoint_every: int = 20
    """updates between checkpoints; the last update always writes one"""

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        super().__post_init__()
        self.check_counts(
            "num_envs", "num_steps", "group_size", "epochs", "minibatches", "torch_threads", "checkpoint_every"
        )
        for name, words in {"rollout": ("steps", "episodes"), "on_truncation": ("bootstrap", "terminal")}.items():
            check_word(name, getattr(self, name), words)
        for width in self.hidden:
            check_integer("hidden", width, 1, 2**16)
        if self.num_steps < 2:  # the first call may only restart the copies
            raise ValueError(f"num_steps must be at least 2, got {self.num_steps}")
        least = self.num_envs * (self.num_steps // 2)  # at worst every other call restarts a copy
        if self.minibatches > least:
            raise ValueError(
                f"minibatches must be at most half the steps of a rollout, {least}, got {self.minibatches}"
            )
        if self.rollout == "steps" and self.group_size != 1:
            raise ValueError(f"group_size must be 1 unless rollout='episodes', got {self.group_size}")
        if self.num_envs % self.group_size:
            raise ValueError(f"group_size must divide the {self.num_envs} copies, got {self.group_size}")
        if self.group_size > 1 and self.seed >= 2**31:  # start groups are int64, and no two seeds share any
            raise ValueError(f"seed must be below 2**31 where group_size is above 1, got {self.seed}")
        if self.rollout == "episodes" and self.minibatches > self.num_envs:  # at worst an episode is one step
            raise ValueError(f"minibatches must be at most the {self.num_envs} episodes, got {self.minibatches}")
        for name in ("gamma", "lam"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        for name in ("learning_rate", "clip", "max_grad_norm", "final_temperature"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")

    @property
    def batch_size(self) -> int:
        """Environment steps between updates; with whole episodes the most there can be."""
        return self.num_envs * self.num_steps

    @property
    def last_step(self) -> int:
        """Steps after which the training is over; whole updates, where an update is so many steps."""
        if self.rollout == "episodes":
            return self.total_steps
        return max(1, self.total_steps // self.batch_size) * self.batch_size


# -- networks --------------------------------------------------------------------------------------------------------


class ActorCritic(SeatModule):
    """Actors and critics of all seats; no two share weights, but that seats may share both.

    There are M networks for N seats: M = N, or M = 1 with shared parameters, told which seat it plays by a one-hot
    vector. Network m's gradient comes from its own rows, so networks never meet.

    Args:
        shape: sizes.
        seed: seed of the initial weights.

    Attributes:
        temperature: of sampling; 1 samples the networks' distributions, towards 0 their modes, which do not depend on
            it.
    """

    def __init__(self, shape: NetworkShape, seed: int) -> None:
        super().__init__(shape)
        self.temperature = 1.0
        members = 1 if shape.shared else shape.num_agents
        inputs = shape.obs_size + (shape.num_agents if shape.shared else 0)
        outputs = shape.action_size * (shape.num_actions or 2)  # logits, or alpha and beta
        generator = torch.Generator().manual_seed(seed)
        # nearly equal first outputs for all observations: no action is preferred before anything has been learned
        self.actor = Ensemble(members, (inputs, *shape.hidden, outputs), 0.01, generator)
        self.critic = Ensemble(members, (inputs, *shape.hidden, 1), 1.0, generator)

    def policy(self, inputs: Tensor) -> Beta | Categorical:
        """Action distributions ``(M, R)``."""
        output, choices = self.actor(inputs), self.shape.num_actions
        if choices is None:
            return Beta.from_output(output, self.temperature)
        return Categorical.from_output(output, choices, self.temperature)

    def value(self, inputs: Tensor) -> Tensor:
        """Values ``(M, R)``, in the critics' units."""
        return self.critic(inputs)[..., 0]

    def act(self, obs: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Actions ``(rows, N, A)`` for observations ``(rows, N, O)``: a draw, or the best guess without a generator."""
        with torch.inference_mode():
            policy = self.policy(self.inputs(obs))
            return self.unfold(policy.mode() if rng is None else policy.sample(rng))

    def log_probs(self, rollout: Rollout) -> np.ndarray:
        """Log probabilities ``(T, B, N)`` of the actions of a rollout under the present weights."""
        actions = rollout.actions
        with torch.inference_mode():
            policy = self.policy(self.inputs(rollout.obs[:-1].reshape(-1, *rollout.obs.shape[2:])))
            found = policy.log_prob(self.fold(actions.reshape(-1, *actions.shape[2:])))
        return self.unfold(found).reshape(actions.shape[:3])

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights and temperature, for a checkpoint."""
        return {**super().arrays(), "temperature": np.array(self.temperature)}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Inverse of :meth:`arrays`."""
        super().load(arrays)
        self.temperature = float(fitting(arrays, "temperature", (), np.float64))


class NetworkPolicy:
    """The trained actors as a :class:`payoff.baselines.policies.Policy`.

    Args:
        net: the networks.
        returns: converts the critics' outputs to units of the reward.
        seed: seed of the draws when ``deterministic=False``.
    """

    def __init__(self, net: ActorCritic, returns: ReturnScale, seed: int = 0) -> None:
        self.net, self.returns = net, returns
        self._rng = np.random.default_rng(seed)

    def act(self, obs: np.ndarray, *, deterministic: bool = True) -> np.ndarray:
        """Actions ``(B, N, A)``: in [-1, 1], or whole numbers."""
        return self.net.act(obs, None if deterministic else self._rng)

    def value(self, obs: np.ndarray) -> np.ndarray:
        """Discounted sum of future rewards that each seat's critic expects, ``(B, N)``, in units of the reward."""
        with torch.inference_mode():
            return self.returns.from_critic(self.net.unfold(self.net.value(self.net.inputs(obs))))


# -- playing ---------------------------------------------------------------------------------------------------------


def collect(play: Play, act: Callable[[np.ndarray], np.ndarray], num_steps: int) -> Rollout:
    """Play ``num_steps`` calls, across the ends of episodes (next-step autoreset).

    The observation that comes with an end is the episode's last. The call after it only restarts the copy: its entry is
    not valid, and its observation is the first of the next episode.

    Args:
        play: the environment and where it stands.
        act: observations ``(B, N, O)`` -> actions ``(B, N, A)``.
        num_steps: calls T.
    """
    rollout = Rollout.blank(play.env, num_steps, play.obs)
    for t in range(num_steps):
        rollout.valid[t] = ~play.done
        rollout.actions[t] = act(play.obs)
        rollout.rewards[t], rollout.terminated[t], rollout.truncated[t] = play.step(rollout.actions[t])
        rollout.obs[t + 1] = play.obs
    return rollout


# -- learning --------------------------------------------------------------------------------------------------------


def gae(
    rewards: np.ndarray, values: np.ndarray, terminated: np.ndarray, truncated: np.ndarray, gamma: float, lam: float
) -> np.ndarray:
    """Generalised advantage estimates (Schulman et al., ICLR 2016).

    (1) delta_t = r_t + gamma (1 - terminated_t) V(s_{t+1}) - V(s_t)
    (2) A_t     = delta_t + gamma lam (1 - done_t) A_{t+1}

    A truncated episode would have gone on, so (1) keeps the value of its last observation; only (2) stops there. An
    entry that follows an end and merely restarts the copy gets a number too, on which nothing else depends.

    Args:
        rewards: ``(T, B, N)``.
        values: ``(T + 1, B, N)`` of the observations, the last ones of truncated episodes included.
        terminated: ``(T, B)``.
        truncated: ``(T, B)``.
        gamma: discount.
        lam: 0 trusts the values after one step, 1 only at the end of the rollout.

    Returns:
        ``(T, B, N)`` float64.
    """
    ends = terminated[..., None]
    done = ends | truncated[..., None]
    delta = rewards + gamma * np.where(ends, 0.0, values[1:]) - values[:-1]
    carry = np.where(done, 0.0, gamma * lam)
    advantages = np.empty_like(delta)
    following = np.zeros_like(delta[0])
    for t in range(len(delta) - 1, -1, -1):
        following = advantages[t] = delta[t] + carry[t] * following
    return advantages


def transitions(
    args: Args, net: ActorCritic, returns: ReturnScale, rollout: Rollout
) -> tuple[dict[str, Tensor], float]:
    """Advantages and returns of a rollout, and all that the loss needs, with one row per real transition.

    Returns:
        ``inputs`` ``(M, R, I)``, ``actions`` ``(M, R, A)``, and ``(M, R)``: ``advantages`` (normalised over the rows of
        each network), ``returns`` (in the critics' units), ``values`` and ``log_probs`` of the networks that played;
        and the share of the variance of the returns that the values explain.
    """
    with torch.inference_mode():
        outputs = net.unfold(net.value(net.inputs(rollout.obs.reshape(-1, *rollout.obs.shape[2:]))))
    outputs = outputs.reshape(*rollout.obs.shape[:2], -1)
    values = returns.from_critic(outputs)
    ended = rollout.terminated | (rollout.truncated & (args.on_truncation == "terminal"))
    advantages = gae(rollout.rewards, values, ended, rollout.truncated, args.gamma, args.lam)
    valid, targets = rollout.valid, advantages + values[:-1]
    returns.update(targets[valid])  # before targets are standardised: the scale of these very returns
    table = {
        "inputs": net.inputs(rollout.obs[:-1][valid]),
        "actions": net.fold(rollout.actions[valid]),
        "advantages": net.fold(advantages[valid]).float(),
        "returns": net.fold(returns.to_critic(targets)[valid]).float(),
        "values": net.fold(outputs[:-1][valid]),
    }
    with torch.inference_mode():
        table["log_probs"] = net.policy(table["inputs"]).log_prob(table["actions"])
    a = table["advantages"]
    table["advantages"] = (a - a.mean(dim=1, keepdim=True)) / (a.std(dim=1, keepdim=True, unbiased=False) + 1e-8)
    variance = float(table["returns"].var())
    missed = float((advantages[valid] / returns.deviation).var(ddof=1))
    return table, 1.0 - missed / variance if variance > 0.0 else float("nan")


def losses(
    net: ActorCritic, batch: Mapping[str, Tensor], *, clip: float, clip_value: bool
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Losses of each network on its own rows.

    Args:
        net: the networks.
        batch: rows of :func:`transitions`.
        clip: how far a probability ratio may move.
        clip_value: clip the change of the values as well, by the same amount.

    Returns:
        ``policy``, ``value``, ``entropy``, each ``(M,)``; and diagnostics: ``kl``, ``clipped``.
    """
    policy, value = net.policy(batch["inputs"]), net.value(batch["inputs"])
    log_ratio = policy.log_prob(batch["actions"]) - batch["log_probs"]
    ratio, gain = log_ratio.exp(), batch["advantages"]
    clipped = torch.minimum(ratio * gain, ratio.clamp(1.0 - clip, 1.0 + clip) * gain)
    error = (value - batch["returns"]) ** 2
    if clip_value:
        moved = batch["values"] + (value - batch["values"]).clamp(-clip, clip)
        error = torch.maximum(error, (moved - batch["returns"]) ** 2)
    found = {
        "policy": -clipped.mean(dim=1),
        "value": 0.5 * error.mean(dim=1),
        "entropy": policy.entropy().mean(dim=1),
    }
    with torch.no_grad():
        told = {"kl": (ratio - 1.0 - log_ratio).mean(), "clipped": ((ratio - 1.0).abs() > clip).float().mean()}
    return found, told


def descend(args: Args, net: ActorCritic, adam: Adam, left: float, batch: Mapping[str, Tensor]) -> Logged:
    """One gradient step on a minibatch; returns what is logged."""
    found, told = losses(net, batch, clip=args.clip, clip_value=args.clip_value)
    loss = found["policy"] + args.value_coef * found["value"] - args.ent_coef * left * found["entropy"]
    adam.zero_grad(set_to_none=True)
    loss.sum().backward()  # a sum: each network's gradient is that of its own loss
    clip_gradients(net, args.max_grad_norm)
    adam.step()
    return logged(found, told)


def logged(found: Mapping[str, Tensor], told: Mapping[str, Tensor]) -> Logged:
    """Numbers of a gradient step under the names of the log."""
    means = {f"loss/{name}": x.detach().mean() for name, x in found.items()}
    return means | {f"update/{name}": x for name, x in told.items()}


def improve(
    args: Args, table: Mapping[str, Tensor], rng: np.random.Generator, step: Callable[[Mapping[str, Tensor]], Logged]
) -> dict[str, float]:
    """Several passes over the rows in random minibatches, a gradient ``step`` on each; returns metrics."""
    steps = []
    for _ in range(args.epochs):
        for part in np.array_split(rng.permutation(table["inputs"].shape[1]), args.minibatches):
            rows = torch.from_numpy(part)
            steps.append(step({name: x[:, rows] for name, x in table.items()}))
    return {name: float(torch.stack([told[name] for told in steps]).mean()) for name in steps[0]}


# -- training --------------------------------------------------------------------------------------------------------


def optimise(
    trainer: str,
    args: Args,
    env: SeatEnv,
    *,
    shared: bool = False,
    transform: RewardTransform | None = None,
    on_progress: OnProgress | None = None,
) -> Result:
    """Train networks for all seats of an environment, from the start or from a checkpoint.

    Args:
        trainer: name of the trainer, kept in the checkpoint.
        args: settings.
        env: the environment, in next-step autoreset mode.
        shared: one network for all seats.
        transform: what rewrites the rewards of whole episodes; its state is part of the checkpoint.
        on_progress: called after every update with (steps done, steps in all).

    Raises:
        payoff.baselines.training.NotFiniteError: a loss or a weight is not finite.
        ValueError: the checkpoint is damaged, or was made with other settings or with a transform or wrapper of another
            class (their arguments are not compared); or there is a transform and ``args.rollout`` is not "episodes".
    """
    if transform is not None and args.rollout != "episodes":
        raise ValueError(f"a transform needs whole episodes: rollout must be 'episodes', got {args.rollout!r}")
    check_actions(env, args.keywords())
    shape = NetworkShape(env.num_agents, env.obs_size, env.action_size, env.num_actions, args.hidden, shared)
    own, of_env = np.random.SeedSequence(args.seed).spawn(2)
    run = TrainingRun(trainer, args, on_progress, last_step=args.last_step, checkpoint_every=args.checkpoint_every)
    with threads_of_torch(args.torch_threads), run:
        net = ActorCritic(shape, seed=int(own.generate_state(1)[0]))
        adam, returns, rng = Adam(net, args.learning_rate), ReturnScale(env.num_agents), Generator(own)
        play = Play(env, seed=int(of_env.generate_state(1)[0]))
        run.about |= {"shape": asdict(shape), **methods(transform, env)}
        run.keep(net=net, adam=adam, returns=returns, rng=rng, play=play, transform=KeptTransform.of(transform))
        run.resume()  # does nothing without a checkpoint
        act = partial(net.act, rng=rng.numpy)
        while run.step < args.last_step:
            left = run.left  # from 1 to 0
            net.temperature = args.final_temperature ** (1.0 - left)
            adam.param_groups[0]["lr"] = args.learning_rate * left
            if args.rollout == "steps":
                rollout, steps = collect(play, act, args.num_steps), args.batch_size
            else:
                rollout = play_episodes(args, play, act, net.log_probs, transform, run.update)
                steps = int(rollout.valid.sum())
            table, explained = transitions(args, net, returns, rollout)
            metrics = improve(args, table, rng.numpy, partial(descend, args, net, adam, left))
            check_finite(net, metrics, run.update + 1, run.step + steps)
            metrics |= {"update/explained_variance": explained, "update/learning_rate": args.learning_rate * left}
            run.record(steps, metrics, play.episodes.means())
        return run.result(NetworkPolicy(net, returns))


def train(
    args: Args,
    *,
    transform: RewardTransform | None = None,
    wrapper: Callable[[VectorEnv], VectorEnv] | None = None,
    on_progress: OnProgress | None = None,
) -> Result:
    """Train one seat, or one controller of all seats.

    A wrapper and a transform may change the reward that is trained on; episode statistics and evaluation always use
    payoffs. Where one of them may read it, the environment is made with ``info="full"``, unless ``env_params`` says
    otherwise.

    Args:
        args: settings.
        transform: rewrites the rewards of whole episodes before anything is learned from them; do not reuse it for
            another training, since it may hold what it has learned.
        wrapper: wraps the vector environment, as in ``lambda env: payoff.wrappers.wrap(env, method)``.
        on_progress: called after every update with (steps done, steps in all).

    Raises:
        payoff.baselines.training.NotFiniteError: a loss or a weight is not finite.
        ValueError: a setting that is not allowed, or a checkpoint that is damaged or was made with other settings.
        TypeError: an unknown keyword in ``env_params``.
    """
    keywords = {"info": info_level(transform, wrapper), **args.keywords()}
    env = make_one_seat(args.env_id, args.num_envs, keywords, wrapper or (lambda env: env))
    try:
        return optimise("ppo", args, env, transform=transform, on_progress=on_progress)
    finally:
        env.close()


def load_policy(tensors: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> Policy:
    """Policy of a checkpoint that :func:`optimise` wrote (:func:`payoff.baselines.checkpoint.load` reads it).

    Raises:
        ValueError: it does not hold what it says, or numbers that are not finite; names what is wrong.
    """
    shape = NetworkShape.of(meta, tensors)
    net, returns = ActorCritic(shape, seed=0), ReturnScale(shape.num_agents)
    load_parts(tensors, net=net, returns=returns)
    return NetworkPolicy(net, returns)


if __name__ == "__main__":
    from payoff.baselines.script import script

    script(Args, train, VIEW, __doc__)
