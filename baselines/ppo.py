"""Proximal policy optimisation (Schulman et al., arXiv 1707.06347) for one seat, or one controller of all seats.

Read from the bottom: ``train`` makes the environment, ``run`` is the loop, ``Learner`` the algorithm. Everything has a
seat axis N, which is 1 here; :mod:`payoff.baselines.ippo` runs the same loop with N networks that never meet.

What differs from common implementations, and why:

- actions are bounded and drawn from a Beta distribution (:mod:`payoff.baselines.networks`);
- truncation bootstraps from the last observation of the episode unless it is taken for an end, and critics learn
  standardised returns (:mod:`payoff.baselines.returns`);
- log probabilities and values of a rollout are computed in one batch at its end, since no weight changes within it;
- gradients are clipped for each network by itself;
- rewards may be rewritten between playing and learning: ``rollout="episodes"`` plays one whole episode a copy, and the
  ``transform`` of :func:`train` gives its steps other rewards (:mod:`payoff.wrappers.redistribution.base`);
- exploration ends: the entropy bonus and the learning rate fall linearly to 0, the temperature of the policies falls
  geometrically. What is best with noise may be far from what is best without: where low contributions destroy trust, a
  noisy learner stays well above the line, and so does its best guess, which is what is evaluated.

Logged to TensorBoard, every update:

- ``episode/``, means over the episodes that ended: ``welfare`` (sum over seats of undiscounted payoffs), ``reward``
  (what the environment and its wrappers told the learners, before any transform), ``cooperation`` (share of the
  endowment), ``episode_length``;
- ``loss/``: ``policy``, ``value`` (half the mean squared error of standardised returns), ``entropy`` (of the policies);
- ``update/``: ``kl`` (divergence from the policy that played, estimated), ``clipped`` (share of probability ratios
  outside the clip range), ``explained_variance`` (of the returns by the values; 1 is perfect), ``learning_rate``;
- ``time/steps_per_second``.

Example: ``python -m payoff.baselines.ppo --env-id payoff/KeyRoom-v0 --shaping progress --total-steps 500000``
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn

from payoff.baselines import networks, session
from payoff.baselines.networks import ActorCritic, NetworkPolicy, NetworkShape
from payoff.baselines.result import CURVES, Result
from payoff.baselines.returns import ReturnScale, gae
from payoff.baselines.rewriting import check_same, info_level, methods, play_episodes
from payoff.baselines.rollout import Episodes, Rollout, SeatEnv, collect, in_unit_box, make_one_seat
from payoff.baselines.settings import Settings
from payoff.wrappers import PotentialShaping, from_info, wrap
from payoff.wrappers.redistribution.base import RewardTransform

__all__ = ["Args", "Learner", "clip_gradients", "run", "surrogate", "train"]


@dataclass(frozen=True, kw_only=True)
class Args(Settings):
    """Settings of PPO; who plays the other seats is said in ``env_params`` (``agent``, ``partners``, ``control``)."""

    shaping: Literal["none", "progress"] = "none"
    """potential-based shaping by ``info["progress"]``"""
    shaping_scale: float = 1.0
    """units of reward for the whole progress"""


class Learner:
    """Networks, optimiser and return scale of M networks for N seats.

    Args:
        args: settings.
        shape: sizes of the networks.
        seed: where its randomness comes from.
    """

    def __init__(self, args: Settings, shape: NetworkShape, seed: np.random.SeedSequence) -> None:
        self.args = args
        self.net = ActorCritic(shape, seed=int(seed.generate_state(1)[0]))
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=args.learning_rate, eps=1e-5, fused=True)
        self.returns = ReturnScale(shape.num_agents)
        self.rng = np.random.Generator(np.random.PCG64(seed))

    def act(self, obs: np.ndarray) -> np.ndarray:
        """Draw actions ``(B, N, A)`` for observations ``(B, N, O)``."""
        with torch.inference_mode():
            return self.net.unfold(self.net.policy(self.net.inputs(obs)).sample(self.rng))

    def improve(self, rollout: Rollout, left: float) -> dict[str, float]:
        """One update: advantages, then clipped gradient steps.

        Args:
            rollout: what was played with the present weights.
            left: share of the training that is left, 1 at the start.

        Returns:
            Metrics; see the module.
        """
        args, net = self.args, self.net
        for group in self.optimizer.param_groups:
            group["lr"] = args.learning_rate * left
        with torch.inference_mode():
            seen = net.inputs(rollout.obs.reshape(-1, *rollout.obs.shape[2:]))
            values = net.unfold(net.value(seen)).reshape(*rollout.obs.shape[:3])
        values = self.returns.from_critic(values)
        cut, ended = rollout.truncated, rollout.terminated
        ended = ended | cut if args.on_truncation == "terminal" else ended
        advantages = gae(rollout.rewards, values, ended, cut, args.gamma, args.lam)
        self.returns.update((advantages + values[:-1])[rollout.valid])
        data = self._table(rollout, values[:-1], advantages)
        stats = []
        rows = data["inputs"].shape[1]
        for _ in range(args.epochs):
            for part in np.array_split(self.rng.permutation(rows), args.minibatches):
                index = torch.from_numpy(part)
                stats.append(self._step({name: x[:, index] for name, x in data.items()}, args.ent_coef * left))
        means = torch.stack(stats).mean(dim=0).tolist()
        names = ("loss/policy", "loss/value", "loss/entropy", "update/kl", "update/clipped")
        variance = float(data["returns"].var())
        explained = 1.0 - float((data["returns"] - data["values"]).var()) / variance if variance > 0.0 else float("nan")
        return {
            **dict(zip(names, means, strict=True)),
            "update/explained_variance": explained,
            "update/learning_rate": args.learning_rate * left,
        }

    def _table(self, rollout: Rollout, values: np.ndarray, advantages: np.ndarray) -> dict[str, Tensor]:
        """The transitions of a rollout as ``(M, R, ...)``, advantages normalised for each network."""
        net, valid = self.net, rollout.valid
        table = {
            "inputs": net.inputs(rollout.obs[:-1][valid]),
            "actions": net.fold(rollout.actions[valid]),
            "advantages": net.fold(advantages[valid]).float(),
            "returns": net.fold(self.returns.to_critic(advantages + values)[valid]).float(),
            "values": net.fold(self.returns.to_critic(values)[valid]).float(),
        }
        with torch.inference_mode():
            table["log_probs"] = net.policy(table["inputs"]).log_prob(table["actions"])
        a = table["advantages"]
        table["advantages"] = (a - a.mean(dim=1, keepdim=True)) / (a.std(dim=1, keepdim=True, unbiased=False) + 1e-8)
        return table

    def _step(self, batch: dict[str, Tensor], ent_coef: float) -> Tensor:
        """One gradient step on ``(M, R, ...)``; returns the five averages that are logged."""
        args = self.args
        losses, stats = surrogate(self.net, batch, clip=args.clip, clip_value=args.clip_value)
        loss = losses["policy"] + args.value_coef * losses["value"] - ent_coef * losses["entropy"]
        self.optimizer.zero_grad(set_to_none=True)
        loss.sum().backward()  # a sum: each network's gradient is that of its own loss
        clip_gradients(self.net, args.max_grad_norm)
        self.optimizer.step()
        return torch.stack([*(x.detach().mean() for x in losses.values()), *stats])

    def log_probs(self, rollout: Rollout) -> np.ndarray:
        """Log probabilities ``(T, B, N)`` of the actions of a rollout under the present weights."""
        actions = rollout.actions
        with torch.inference_mode():
            policy = self.net.policy(self.net.inputs(rollout.obs[:-1].reshape(-1, *rollout.obs.shape[2:])))
            found = policy.log_prob(self.net.fold(actions.reshape(-1, *actions.shape[2:])))
        return self.net.unfold(found).reshape(actions.shape[:3])

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that is an array: weights, moments of Adam, return scale."""
        found = {**networks.network_arrays(self.net), **self.returns.arrays()}
        for name, p in self.net.named_parameters():
            for key, value in self.optimizer.state[p].items():
                found[f"adam.{key}.{name}"] = value.numpy().copy()
        return found

    def load(self, arrays: Mapping[str, np.ndarray], rng_state: dict[str, Any]) -> None:
        """Inverse of :meth:`arrays`, and the state of its random numbers."""
        networks.load_network(self.net, arrays)
        self.returns.load(arrays)
        for name, p in self.net.named_parameters():
            keys = ("step", "exp_avg", "exp_avg_sq")
            self.optimizer.state[p] = {k: torch.from_numpy(arrays[f"adam.{k}.{name}"].copy()) for k in keys}
        self.rng.bit_generator.state = rng_state

    def check_finite(self, update: int, step: int, metrics: Mapping[str, float]) -> None:
        """Raise :class:`payoff.baselines.session.NotFiniteError` where a loss or a weight is not finite."""
        for name in ("loss/policy", "loss/value", "loss/entropy"):
            if not np.isfinite(metrics[name]):
                raise session.NotFiniteError(update, step, name)
        for name, p in self.net.named_parameters():
            if not torch.isfinite(p).all():
                raise session.NotFiniteError(update, step, f"the weight {name}")


def surrogate(
    net: ActorCritic, batch: Mapping[str, Tensor], *, clip: float, clip_value: bool
) -> tuple[dict[str, Tensor], list[Tensor]]:
    """Losses of each network on its own rows.

    Args:
        net: the networks.
        batch: ``inputs`` ``(M, R, I)``, ``actions`` ``(M, R, A)``, and ``(M, R)``: ``advantages``, ``returns``, and
            ``values`` and ``log_probs`` of the networks that played.
        clip: how far a probability ratio may move.
        clip_value: clip the change of the values as well, by the same amount.

    Returns:
        ``policy``, ``value``, ``entropy``, each ``(M,)``; divergence and share of clipped ratios.
    """
    policy, value = net.policy(batch["inputs"]), net.value(batch["inputs"])
    log_ratio = policy.log_prob(batch["actions"]) - batch["log_probs"]
    ratio, gain = log_ratio.exp(), batch["advantages"]
    clipped = torch.minimum(ratio * gain, ratio.clamp(1.0 - clip, 1.0 + clip) * gain)
    error = (value - batch["returns"]) ** 2
    if clip_value:
        near = batch["values"] + (value - batch["values"]).clamp(-clip, clip)
        error = torch.maximum(error, (near - batch["returns"]) ** 2)
    losses = {
        "policy": -clipped.mean(dim=1),
        "value": 0.5 * error.mean(dim=1),
        "entropy": policy.entropy().mean(dim=1),
    }
    with torch.no_grad():
        divergence = (ratio - 1.0 - log_ratio).mean()
        return losses, [divergence, ((ratio - 1.0).abs() > clip).float().mean()]


def clip_gradients(net: nn.Module, largest: float) -> None:
    """Scale the gradient of each network down to the given norm; its neighbours' gradients do not matter.

    Args:
        net: a module whose parameters are all stacked, ``(M, ...)``.
        largest: norm that is allowed.
    """
    grads = [p.grad for p in net.parameters() if p.grad is not None]
    norm = torch.stack([g.flatten(1).pow(2).sum(dim=1) for g in grads]).sum(dim=0).sqrt()
    factor = (largest / (norm + 1e-6)).clamp(max=1.0)
    for g in grads:
        g.mul_(factor.view(-1, *[1] * (g.dim() - 1)))


def run(
    trainer: str,
    args: Settings,
    env: SeatEnv,
    *,
    shared: bool = False,
    transform: RewardTransform | None = None,
    on_progress: session.OnProgress | None = None,
) -> Result:
    """Train networks for all seats of an environment, from the start or from a checkpoint.

    Args:
        trainer: name of the trainer, kept in the checkpoint.
        args: settings.
        env: the environment, in next-step autoreset mode; closed at the end.
        shared: one network for all seats.
        transform: what rewrites the rewards of whole episodes; its state is part of the checkpoint.
        on_progress: called after every update with (steps done, steps in all).

    Raises:
        payoff.baselines.session.NotFiniteError: a loss or a weight is not finite.
        ValueError: the checkpoint is damaged or was made with other settings, or another class of transform or wrapper
            (what these were made with is not compared); or there is a transform and ``args.rollout`` is not "episodes".
    """
    if transform is not None and args.rollout != "episodes":
        raise ValueError(f"a transform needs whole episodes: rollout must be 'episodes', got {args.rollout!r}")
    if env.num_actions is None and not in_unit_box(env):
        raise ValueError(
            f"actions must be 'unit' or 'discrete:K' for a trainer, got {args.keywords().get('actions')!r}"
        )
    threads = torch.get_num_threads()
    torch.set_num_threads(args.torch_threads)
    try:
        with session.Session(trainer, args) as outer:
            return _loop(outer, args, env, shared, transform, on_progress)
    finally:
        torch.set_num_threads(threads)
        env.close()


def _loop(
    outer: session.Session,
    args: Settings,
    env: SeatEnv,
    shared: bool,
    transform: RewardTransform | None,
    on_progress: session.OnProgress | None,
) -> Result:
    own, of_env = np.random.SeedSequence(args.seed).spawn(2)
    shape = NetworkShape(env.num_agents, env.obs_size, env.action_size, env.num_actions, args.hidden, shared)
    learner, episodes = Learner(args, shape, own), Episodes(args.num_envs)
    curve: dict[str, list[float]] = {name: [] for name in CURVES}
    obs, _ = env.reset(seed=int(of_env.generate_state(1)[0]))
    done, update, step = np.zeros(args.num_envs, dtype=np.bool_), 0, 0
    if (found := outer.resume()) is not None:
        tensors, meta = found
        check_same(args.checkpoint, meta, transform, env)
        learner.load(tensors, meta["rng"])
        learner.net.temperature = meta["temperature"]  # counts where nothing is left to train
        curve = {name: tensors[f"curve.{name}"].tolist() for name in CURVES}
        done, episodes.running, update, step = tensors["done"], tensors["episodes"], meta["update"], meta["step"]
        obs = _restore(env, tensors)
        if transform is not None:
            transform.load_state_dict(_part(tensors, "transform."))
        if update > 1 and curve["step"][-2] >= args.last_step:  # the last update was one too many
            raise ValueError(f"{args.checkpoint} is at step {step}, past {args.total_steps=}")

    while step < args.last_step:
        before = outer.seconds[0]
        left = 1.0 - step / args.last_step
        learner.net.temperature = args.final_temperature ** (1.0 - left)
        if args.rollout == "steps":
            rollout = collect(env, learner.act, args.num_steps, obs, done, episodes)
        else:
            rollout = play_episodes(args, env, learner.act, learner.log_probs, episodes, transform, update)
        metrics = learner.improve(rollout, left)
        obs, done = rollout.obs[-1], rollout.terminated[-1] | rollout.truncated[-1]
        made = args.batch_size if args.rollout == "steps" else int(rollout.valid.sum())
        update, step = update + 1, step + made
        learner.check_finite(update, step, metrics)
        means = episodes.means()
        for name, value in {"step": float(step), **means}.items():
            curve[name].append(value)
        metrics["time/steps_per_second"] = made / (outer.seconds[0] - before)
        outer.log(step, {**metrics, **{f"episode/{name}": value for name, value in means.items()}})
        if args.checkpoint is not None and (update % args.checkpoint_every == 0 or step >= args.last_step):
            tensors = {"done": done, "episodes": episodes.running, **learner.arrays()}
            tensors |= {f"env.{name}": value for name, value in env.snapshot().arrays().items()}
            tensors |= {f"curve.{name}": np.array(values) for name, values in curve.items()}
            tensors |= {} if transform is None else {f"transform.{k}": v for k, v in transform.state_dict().items()}
            own_meta = {"rng": learner.rng.bit_generator.state, "temperature": learner.net.temperature}
            counts = {"update": update, "step": step, "shape": networks.save_shape(shape)}
            outer.save(tensors, {**counts, **own_meta, **methods(transform, env)})
        if on_progress is not None:
            on_progress(step, max(step, args.last_step))

    arrays = {name: np.array(values) for name, values in curve.items()}
    policy = NetworkPolicy(learner.net, learner.returns)
    return Result(policy, arrays, *outer.seconds, step, args)


def _part(tensors: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}


def _restore(env: SeatEnv, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """Put the environment where the checkpoint left it; returns the observations there."""
    obs, _ = env.restore(type(env.snapshot()).from_arrays(_part(tensors, "env.")))
    return obs


def train(
    args: Args,
    *,
    transform: RewardTransform | None = None,
    wrapper: Callable[[VectorEnv], VectorEnv] | None = None,
    on_progress: session.OnProgress | None = None,
) -> Result:
    """Train one seat, or one controller of all seats.

    What is trained on may be changed by a wrapper and by a transform; episodes are reported, and policies evaluated, in
    payoffs all the same. With either of them, ``info`` is full unless ``env_params`` says otherwise.

    Args:
        args: settings.
        transform: rewrites the rewards of whole episodes before anything is learned from them; it serves this training
            only, since it may learn.
        wrapper: puts something around the vector environment, such as ``lambda env: wrap(env, method)``. It must take
            snapshots where a checkpoint is kept.
        on_progress: called after every update with (steps done, steps in all).

    Raises:
        payoff.baselines.session.NotFiniteError: a loss or a weight is not finite.
        ValueError: a setting that is not allowed, or a checkpoint that is damaged or was made with other settings.
        TypeError: an unknown keyword in ``env_params``.
    """
    shaped = args.shaping == "progress"
    keywords = {"info": "full" if shaped else info_level(transform, wrapper), **args.keywords()}

    def around(env: VectorEnv) -> VectorEnv:
        env = _shape(args, env) if shaped else env
        return env if wrapper is None else wrapper(env)

    env = make_one_seat(args.env_id, args.num_envs, keywords, around)
    return run("ppo", args, env, transform=transform, on_progress=on_progress)


def _shape(args: Args, env: VectorEnv) -> VectorEnv:
    # where a truncated episode bootstraps from the value of its last observation, it keeps its potential as well
    shaping = PotentialShaping(
        from_info("progress"), gamma=args.gamma, on_truncation=args.on_truncation, scale=args.shaping_scale
    )
    return wrap(env, shaping)


if __name__ == "__main__":
    session.script(Args, train, "single", __doc__)
