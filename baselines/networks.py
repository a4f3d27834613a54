"""Building blocks of trainers in torch: distributions of actions, stacked networks, what a checkpoint keeps of them.

N separate networks cost one call: their weights are stacked, ``(M, inputs, outputs)``, and one batched product
evaluates them. A layer works on ``(M, rows, features)``; networks never meet: network m learns from its own rows.

Bounded actions are drawn from a Beta distribution, which has all its mass inside the bounds (Chou, Maturana and
Scherer, ICML 2017). A Gaussian that is clipped puts mass on the bounds, where its gradient is flat.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from payoff.baselines.checkpoint import fitting
from payoff.baselines.training import NotFiniteError
from payoff.envs.core.params import check_flag, check_integer

__all__ = [
    "Adam",
    "Beta",
    "Categorical",
    "Ensemble",
    "KeptModule",
    "NetworkShape",
    "SeatModule",
    "check_finite",
    "clip_gradients",
    "largest",
    "threads_of_torch",
]

_MARGIN = 1e-6  # a draw of exactly 0 or 1 has no logarithm


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

    @classmethod
    def of(cls, meta: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> NetworkShape:
        """Sizes that a checkpoint says; none above its largest array, so that a forgery makes nothing huge.

        Args:
            meta: metadata, with the sizes in ``shape``.
            tensors: its arrays.

        Raises:
            ValueError: a size is missing, of the wrong kind or out of range.
        """
        found, names = meta.get("shape"), [f.name for f in fields(cls)]
        if not isinstance(found, dict) or set(found) != set(names):
            raise ValueError(f"shape must say {', '.join(names)}, got {found!r}")
        if not isinstance(found["hidden"], list):
            raise ValueError(f"shape.hidden must be a list, got {found['hidden']!r}")
        most = largest(tensors)
        for name in ("num_agents", "obs_size", "action_size"):
            check_integer(f"shape.{name}", found[name], 1, most)
        for width in found["hidden"]:
            check_integer("shape.hidden", width, 1, most)
        if found["num_actions"] is not None:
            check_integer("shape.num_actions", found["num_actions"], 1, most)
        check_flag("shape.shared", found["shared"])
        return cls(**{**found, "hidden": tuple(found["hidden"])})


def largest(tensors: Mapping[str, np.ndarray]) -> int:
    """Entries of the largest array of a checkpoint."""
    return max((x.size for x in tensors.values()), default=0)


class Ensemble(nn.Module):
    """M multilayer perceptrons with tanh, evaluated together: stacked weights, one batched product.

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


class KeptModule(nn.Module):
    """A module whose weights a checkpoint can hold."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights by name."""
        return {name: p.detach().numpy().copy() for name, p in self.named_parameters()}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Inverse of :meth:`arrays`."""
        with torch.no_grad():
            found = {name: fitting(arrays, name, tuple(p.shape), np.float32) for name, p in self.named_parameters()}
            for name, p in self.named_parameters():
                p.copy_(torch.from_numpy(found[name]))


class SeatModule(KeptModule):
    """M networks for N seats, and how arrays of seats become rows of networks.

    Args:
        shape: sizes.
    """

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape

    def fold(self, x: np.ndarray) -> Tensor:
        """Seats to networks: ``(rows, N, ...)`` -> ``(M, R, ...)``; R is rows (rows * N if shared)."""
        array = x.reshape(1, -1, *x.shape[2:]) if self.shape.shared else x.swapaxes(0, 1)
        return torch.from_numpy(np.ascontiguousarray(array))

    def unfold(self, x: Tensor) -> np.ndarray:
        """Inverse of :meth:`fold`."""
        array = x.detach().numpy()
        return array.reshape(-1, self.shape.num_agents, *array.shape[2:]) if self.shape.shared else array.swapaxes(0, 1)

    def inputs(self, obs: np.ndarray) -> Tensor:
        """Network inputs ``(M, R, I)`` of observations ``(rows, N, O)``."""
        obs = np.asarray(obs, dtype=np.float32)
        if self.shape.shared:
            seats = np.eye(self.shape.num_agents, dtype=np.float32)
            obs = np.concatenate([obs, np.broadcast_to(seats, (len(obs), *seats.shape))], axis=-1)
        return self.fold(obs)


class Adam(torch.optim.Adam):
    """Adam whose moments a checkpoint can hold.

    Args:
        net: the networks.
        learning_rate: at the start.
    """

    def __init__(self, net: nn.Module, learning_rate: float) -> None:
        super().__init__(net.parameters(), lr=learning_rate, eps=1e-5, fused=True)
        self._names = dict(net.named_parameters())

    def arrays(self) -> dict[str, np.ndarray]:
        """Steps and moments of every weight."""
        of = self.state
        return {f"{key}.{name}": x.numpy().copy() for name, p in self._names.items() for key, x in of[p].items()}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Inverse of :meth:`arrays`."""
        for name, p in self._names.items():
            shapes = {"step": (), "exp_avg": tuple(p.shape), "exp_avg_sq": tuple(p.shape)}
            found = {key: fitting(arrays, f"{key}.{name}", shape, np.float32) for key, shape in shapes.items()}
            self.state[p] = {key: torch.from_numpy(array.copy()) for key, array in found.items()}


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


def check_finite(net: nn.Module, metrics: Mapping[str, float], update: int, step: int) -> None:
    """Raise :class:`payoff.baselines.training.NotFiniteError` where a loss or a weight is not finite."""
    for name, value in metrics.items():
        if name.startswith("loss/") and not np.isfinite(value):
            raise NotFiniteError(update, step, name)
    for name, p in net.named_parameters():
        if not torch.isfinite(p).all():
            raise NotFiniteError(update, step, f"the weight {name}")


@contextmanager
def threads_of_torch(number: int) -> Iterator[None]:
    """So many threads, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
