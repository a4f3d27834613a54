"""Actor and critic networks for all seats at once.

N separate networks cost one call: their weights are stacked, ``(N, inputs, outputs)``, and one batched product
evaluates them. With shared parameters there is a single network, told which seat it plays by a one-hot vector. Either
way a layer works on ``(M, rows, features)``, M networks that never meet: network m's gradient comes from its own rows.

Bounded actions are drawn from a Beta distribution, which has all its mass inside the bounds (Chou, Maturana and
Scherer, ICML 2017). A Gaussian that is clipped puts mass on the bounds, where its gradient is flat.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from payoff.baselines import checkpoint
from payoff.baselines.policies import Policy
from payoff.baselines.returns import ReturnScale

__all__ = ["ActorCritic", "Beta", "Categorical", "Ensemble", "NetworkPolicy", "NetworkShape", "load_policy"]

_MARGIN = 1e-6  # a draw of exactly 0 or 1 has no logarithm


@dataclass(frozen=True)
class NetworkShape:
    """What decides the sizes of the networks.

    Attributes:
        num_agents: seats N.
        obs_size: entries of a seat's observation O.
        action_size: entries of a seat's action A.
        num_actions: number of integer actions of each entry, None where actions are continuous in [-1, 1].
        hidden: widths of the hidden layers, of the actor and of the critic.
        shared: one network for all seats instead of one each.
    """

    num_agents: int
    obs_size: int
    action_size: int
    num_actions: int | None
    hidden: tuple[int, ...]
    shared: bool = False


@dataclass(frozen=True)
class Beta:
    """Independent Beta distributions on [-1, 1], one per entry of an action.

    Both parameters are above 1, so the density has one peak and vanishes at the bounds.

    Attributes:
        alpha: ``(..., A)`` above 1.
        beta: ``(..., A)`` above 1.
    """

    alpha: Tensor
    beta: Tensor

    @classmethod
    def from_output(cls, output: Tensor, temperature: float = 1.0) -> Beta:
        """Distribution of a network's output ``(..., 2 A)``; its density to the power 1 / temperature, normalised."""
        # softplus underflows to 0 in float32, where the mode would be 0 / 0
        alpha, beta = (1.0 + (F.softplus(output) + _MARGIN) / temperature).chunk(2, dim=-1)
        return cls(alpha, beta)

    def log_prob(self, action: Tensor) -> Tensor:
        """Log density ``(...)`` of actions ``(..., A)``, summed over their entries."""
        x = (action + 1.0) / 2.0
        total = self.alpha + self.beta
        log_norm = torch.lgamma(self.alpha) + torch.lgamma(self.beta) - torch.lgamma(total) + math.log(2.0)
        return ((self.alpha - 1.0) * torch.log(x) + (self.beta - 1.0) * torch.log1p(-x) - log_norm).sum(-1)

    def entropy(self) -> Tensor:
        """Differential entropy ``(...)``, summed over the entries of an action."""
        a, b, total = self.alpha, self.beta, self.alpha + self.beta
        log_norm = torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(total) + math.log(2.0)
        expected = (a - 1.0) * torch.digamma(a) + (b - 1.0) * torch.digamma(b) - (total - 2.0) * torch.digamma(total)
        return (log_norm - expected).sum(-1)

    def mode(self) -> Tensor:
        """Peak of the density ``(..., A)``.

        Not the mean: with both parameters above 1 the mean cannot reach a bound, where many an optimum lies.
        """
        return 2.0 * (self.alpha - 1.0) / (self.alpha + self.beta - 2.0) - 1.0

    def sample(self, rng: np.random.Generator) -> Tensor:
        """A draw ``(..., A)``, strictly inside the bounds."""
        x = rng.beta(self.alpha.detach().numpy(), self.beta.detach().numpy())
        return torch.from_numpy(2.0 * np.clip(x, _MARGIN, 1.0 - _MARGIN) - 1.0).float()


@dataclass(frozen=True)
class Categorical:
    """Independent choices among K integers, one per entry of an action.

    Attributes:
        log_probs: ``(..., A, K)`` normalised.
    """

    log_probs: Tensor

    @classmethod
    def from_output(cls, output: Tensor, num_actions: int, temperature: float = 1.0) -> Categorical:
        """Distribution of a network's output ``(..., A K)``; probabilities to the power 1 / temperature, normalised."""
        return cls(F.log_softmax(output.unflatten(-1, (-1, num_actions)) / temperature, dim=-1))

    def log_prob(self, action: Tensor) -> Tensor:
        """Log probability ``(...)`` of actions ``(..., A)`` int64, summed over their entries."""
        return self.log_probs.gather(-1, action[..., None])[..., 0].sum(-1)

    def entropy(self) -> Tensor:
        """Entropy ``(...)``, summed over the entries of an action."""
        return -(self.log_probs.exp() * self.log_probs).sum((-1, -2))

    def mode(self) -> Tensor:
        """Likeliest integers ``(..., A)``."""
        return self.log_probs.argmax(-1)

    def sample(self, rng: np.random.Generator) -> Tensor:
        """A draw ``(..., A)`` int64: the largest of the log probabilities with Gumbel noise."""
        return (self.log_probs + torch.from_numpy(rng.gumbel(size=self.log_probs.shape))).argmax(-1)


class Ensemble(nn.Module):
    """M multilayer perceptrons with tanh, evaluated together.

    Args:
        members: M.
        sizes: inputs, hidden widths, outputs.
        out_gain: scale of the last layer's orthogonal weights.
        generator: source of the initial weights.
    """

    def __init__(self, members: int, sizes: tuple[int, ...], out_gain: float, generator: torch.Generator) -> None:
        super().__init__()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for layer, (size_in, size_out) in enumerate(pairwise(sizes)):
            gain = out_gain if layer == len(sizes) - 2 else math.sqrt(2.0)
            weight = torch.empty(members, size_in, size_out)
            for member in weight:
                nn.init.orthogonal_(member, gain, generator=generator)
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(members, 1, size_out)))

    def forward(self, x: Tensor) -> Tensor:
        """``(M, rows, inputs)`` -> ``(M, rows, outputs)``."""
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            x = x if layer == last else torch.tanh(x)
        return x


class ActorCritic(nn.Module):
    """Actors and critics of all seats, apart from each other.

    Args:
        shape: sizes.
        seed: seed of the initial weights.

    Attributes:
        temperature: how freely the actors draw; 1 is what the networks say, towards 0 their best guess. Best guesses do
            not depend on it.
    """

    def __init__(self, shape: NetworkShape, seed: int) -> None:
        super().__init__()
        self.shape, self.temperature = shape, 1.0
        members = 1 if shape.shared else shape.num_agents
        inputs = shape.obs_size + (shape.num_agents if shape.shared else 0)
        outputs = shape.action_size * (shape.num_actions or 2)
        generator = torch.Generator().manual_seed(seed)
        # nearly equal first outputs for all observations: no action is preferred before something was learned
        self.actor = Ensemble(members, (inputs, *shape.hidden, outputs), 0.01, generator)
        self.critic = Ensemble(members, (inputs, *shape.hidden, 1), 1.0, generator)

    def fold(self, x: np.ndarray) -> Tensor:
        """Seats to networks: ``(rows, N, ...)`` -> ``(M, R, ...)``; R is rows, or rows * N where it is shared."""
        array = x.reshape(1, -1, *x.shape[2:]) if self.shape.shared else x.swapaxes(0, 1)
        return torch.from_numpy(np.ascontiguousarray(array))

    def unfold(self, x: Tensor) -> np.ndarray:
        """Inverse of :meth:`fold`."""
        array = x.detach().numpy()
        return array.reshape(-1, self.shape.num_agents, *array.shape[2:]) if self.shape.shared else array.swapaxes(0, 1)

    def inputs(self, obs: np.ndarray) -> Tensor:
        """Network inputs of observations ``(rows, N, O)``."""
        obs = np.asarray(obs, dtype=np.float32)
        if self.shape.shared:
            seats = np.eye(self.shape.num_agents, dtype=np.float32)
            obs = np.concatenate([obs, np.broadcast_to(seats, (len(obs), *seats.shape))], axis=-1)
        return self.fold(obs)

    def policy(self, inputs: Tensor) -> Beta | Categorical:
        """Action distributions ``(M, R)``."""
        output, choices = self.actor(inputs), self.shape.num_actions
        if choices is None:
            return Beta.from_output(output, self.temperature)
        return Categorical.from_output(output, choices, self.temperature)

    def value(self, inputs: Tensor) -> Tensor:
        """Values ``(M, R)``, in the critic's units."""
        return self.critic(inputs)[..., 0]


class NetworkPolicy:
    """The trained actors as a :class:`payoff.baselines.policies.Policy`.

    Args:
        net: the networks.
        returns: what the critic's numbers mean in units of the reward.
        seed: seed of the draws when ``deterministic=False``.
    """

    def __init__(self, net: ActorCritic, returns: ReturnScale, seed: int = 0) -> None:
        self.net, self.returns = net, returns
        self._rng = np.random.default_rng(seed)

    def act(self, obs: np.ndarray, *, deterministic: bool = True) -> np.ndarray:
        """Actions ``(B, N, A)``: in [-1, 1], or whole numbers."""
        with torch.inference_mode():
            policy = self.net.policy(self.net.inputs(obs))
            return self.net.unfold(policy.mode() if deterministic else policy.sample(self._rng))

    def value(self, obs: np.ndarray) -> np.ndarray:
        """Discounted sum of future rewards that each seat's critic expects, ``(B, N)``, in units of the reward."""
        with torch.inference_mode():
            return self.returns.from_critic(self.net.unfold(self.net.value(self.net.inputs(obs))))


def load_policy(path: str | Path) -> tuple[Policy, dict[str, Any]]:
    """Policy of a trainer's checkpoint, and the metadata that was saved with it (``args`` among it).

    Raises:
        ValueError: the file is damaged, or no checkpoint of a trainer.
        FileNotFoundError: there is no such file.
    """
    tensors, meta = checkpoint.load(path)
    if meta.get("trainer") == "sb3":
        from payoff.baselines import sb3

        return sb3.load_policy(tensors, meta), meta
    if meta.get("trainer") == "balanced_ppo":
        from payoff.baselines import balanced_ppo

        return balanced_ppo.load_policy(path)
    if "shape" not in meta:
        raise ValueError(f"{path} is a checkpoint without a policy in it")
    shape = read_shape(meta["shape"])
    net, returns = ActorCritic(shape, seed=0), ReturnScale(shape.num_agents)
    load_network(net, tensors)
    net.temperature = meta["temperature"]
    returns.load(tensors)
    return NetworkPolicy(net, returns), meta


def save_shape(shape: NetworkShape) -> dict[str, Any]:
    """JSON values of a shape."""
    return asdict(shape)


def read_shape(values: Mapping[str, Any]) -> NetworkShape:
    """Inverse of :func:`save_shape`."""
    return NetworkShape(**{**values, "hidden": tuple(values["hidden"])})


def network_arrays(net: ActorCritic) -> dict[str, np.ndarray]:
    """Weights by name, for a checkpoint."""
    return {f"net.{name}": p.detach().numpy().copy() for name, p in net.named_parameters()}


def load_network(net: ActorCritic, arrays: Mapping[str, np.ndarray]) -> None:
    """Copy the weights of a checkpoint into ``net``."""
    with torch.no_grad():
        for name, p in net.named_parameters():
            p.copy_(torch.from_numpy(arrays[f"net.{name}"]))
