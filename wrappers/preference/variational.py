"""VPL: a reward for each user, from a few answers of that user and many of others.

Who judges is not known, only what this person answered: an annotation set D of K comparisons, better_k over worse_k. A
latent z stands for the person. An encoder reads the set, a decoder scores a step x for whoever z is:

(1) q(z | D) = N(mu, sigma^2),  (mu, log sigma^2) = h( mean over k of g(better_k, worse_k) )
(2) P(x over x' | z) = sigmoid(r(x, z) - r(x', z))
(3) loss = - sum_k log P(better_k over worse_k | z) + beta KL(q || N(0, 1)),  z drawn from q

The mean over k makes the order of the comparisons meaningless, and their number free. beta rises from 0 in each of four
cycles of the training, so that the decoder learns to use z before z becomes costly.

What comparisons leave open is the size of r for each z. A policy that is to serve several users is better paid by win
rates against other steps (2 of :mod:`payoff.wrappers.learned.network_reward`), which all lie in [0, 1].

Which question tells most about z? Were z and the answers normal, the answer y to a question would bring

(4) gain = 1/2 sum over dimensions of [ log( Var_y mu + E_y sigma^2 ) - E_y log sigma^2 ]

nats, by the law of total variance. Of many random questions the one with the largest gain is asked.

Source: Poddar and others, "Personalizing RLHF with variational preference learning" (arXiv 2408.10075), and its
published code (MIT). That encodes the concatenation of a set, in whose order the answers then are; omits the factor 1/2
of the divergence, which rescales beta; and learns the comparator of the win rates as a network of its own, where here
it is the difference of the decoder's values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from payoff.envs.core.arrays import shown
from payoff.envs.core.params import check_integer, check_number
from payoff.wrappers.arguments import reals
from payoff.wrappers.bonus.whitening import Whitening
from payoff.wrappers.learned.network_reward import NetworkReward
from payoff.wrappers.learned.step_inputs import StepInputs
from payoff.wrappers.preference.fitting import Fitting, NetworkSettings, check_network, linear_layers
from payoff.wrappers.rows import Array
from payoff.wrappers.small_networks import grad, mlp

__all__ = ["VariationalPreferences", "VariationalSettings", "adjusted_rand_index", "annealed", "information_gain"]

CYCLES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class VariationalSettings:
    """How (3) is learned; the defaults are ours, for small problems.

    Attributes:
        latent: numbers in z.
        beta: weight of the divergence, not negative.
        epochs: passes over all annotation sets.
        batch_size: sets of a gradient step.
        network: of encoder and decoder, one member of each; its seed is also that of the draws.

    Raises:
        TypeError: ``network`` is no NetworkSettings.
        ValueError: a field is out of its range.
    """

    latent: int = 2
    beta: float = 1.0
    epochs: int = 100
    batch_size: int = 64
    network: NetworkSettings = field(default_factory=NetworkSettings)

    def __post_init__(self) -> None:
        """Check the fields."""
        for name in ("latent", "epochs", "batch_size"):
            check_integer(name, getattr(self, name), 1)
        check_number("beta", self.beta, 0.0)
        check_network(self.network)
        if self.network.members != 1:
            raise ValueError(f"network.members must be 1, got {self.network.members}")


def annealed(share: float) -> float:
    """Factor on beta when this share of the training is done: in each cycle up along a cosine, then 1.

    Args:
        share: in [0, 1].
    """
    within = (share * CYCLES) % 1.0 if share < 1.0 else 1.0
    return 0.5 - 0.5 * math.cos(math.pi * min(1.0, 2.0 * within))


def information_gain(mu: Array, log_var: Array, chance: Array) -> Array:
    """Equation (4).

    Args:
        mu: ``(..., Y, d)`` means of q after each of Y possible answers.
        log_var: ``(..., Y, d)`` logarithms of its variances.
        chance: ``(..., Y)`` probabilities of the answers, which sum to 1.

    Returns:
        ``(...)`` nats.
    """
    p = np.asarray(chance)[..., None]
    middle = (p * mu).sum(axis=-2, keepdims=True)
    total = (p * (np.square(mu - middle) + np.exp(log_var))).sum(axis=-2)
    found: Array = 0.5 * (np.log(total) - (p * log_var).sum(axis=-2)).sum(axis=-1)
    return found


def adjusted_rand_index(first: Array, second: Array) -> float:
    """Agreement of two partitions of the same things: 1 where they are the same, 0 on average by chance.

    Args:
        first: ``(n,)`` whole numbers, the part that each thing is in.
        second: ``(n,)``.

    Raises:
        ValueError: arrays of different shapes, or fewer than two things.
    """
    first, second = np.asarray(first), np.asarray(second)
    if first.ndim != 1 or first.shape != second.shape or first.size < 2:
        raise ValueError(f"first and second must be (n,) with n at least 2, got {first.shape} and {second.shape}")
    _, rows = np.unique(first, return_inverse=True)
    _, columns = np.unique(second, return_inverse=True)
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1.0)

    def pairs(counts: Array) -> float:
        return float((counts * (counts - 1.0) / 2.0).sum())

    both, in_first, in_second = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    expected = in_first * in_second / (first.size * (first.size - 1) / 2.0)
    largest = 0.5 * (in_first + in_second)
    return 1.0 if largest == expected else (both - expected) / (largest - expected)


class VariationalPreferences:
    """Encoder (1) and decoder (2), learned from annotation sets by (3).

    Args:
        inputs: numbers I of a step.
        settings: see :class:`VariationalSettings`; None: its defaults.

    Attributes:
        losses: ``(epochs, 2)`` mean cross entropy of a comparison and mean divergence of a set in each epoch, in nats;
            None before any learning.

    Raises:
        TypeError: ``settings`` is no VariationalSettings.
        ValueError: ``inputs`` is out of its range.
    """

    def __init__(self, inputs: int, settings: VariationalSettings | None = None) -> None:
        check_integer("inputs", inputs, 1)
        given: Any = settings
        if given is not None and not isinstance(given, VariationalSettings):
            raise TypeError(f"settings must be a VariationalSettings, got {type(given).__name__}")
        self.settings = settings or VariationalSettings()
        network, d = self.settings.network, self.settings.latent
        self.inputs = inputs
        self.losses: Array | None = None
        self.whitening = Whitening(inputs)
        generator = torch.Generator().manual_seed(network.seed)
        width = network.hidden[-1] if network.hidden else 2 * d
        with grad():
            self.reader = mlp((2 * inputs, *network.hidden, width), generator, out_gain=1.0)  # g
            self.judge = mlp((width, *network.hidden, 2 * d), generator)  # h
            self.decoder = mlp((inputs + d, *network.hidden, 1), generator)
        self.fitting = Fitting(nn.ModuleList([self.reader, self.judge, self.decoder]), network)

    # -- learning ------------------------------------------------------------------------------------------------

    def learn(self, better: Array, worse: Array, on_progress: Callable[[int, int], None] | None = None) -> None:
        """Learn from annotation sets, from the weights as they are.

        Args:
            better: ``(H, K, I)`` of each comparison of each set, the step that was preferred.
            worse: ``(H, K, I)`` the other one.
            on_progress: called with (epochs done, epochs in all); None: nobody asks.

        Raises:
            ValueError: other shapes, no sets, a number that is not finite, or a loss that is not finite.
        """
        better, worse = self._checked(better, worse)
        if better.ndim != 3 or not better.size:
            raise ValueError(f"better must have shape (H, K, {self.inputs}) with at least one set, got {better.shape}")
        self.whitening = Whitening(self.inputs)
        self.whitening.take_in(np.concatenate([better, worse]).reshape(-1, self.inputs))
        settings, sets = self.settings, len(better)
        draws = np.random.default_rng([settings.network.seed, 1])
        batches = -(-sets // settings.batch_size)
        losses = np.zeros((settings.epochs, 2))
        done = 0
        for epoch in range(settings.epochs):
            for rows in np.array_split(draws.permutation(sets), batches):
                beta = settings.beta * annealed(done / max(1, settings.epochs * batches - 1))
                noise = draws.standard_normal((len(rows), settings.latent))
                losses[epoch] += self._step(better[rows], worse[rows], noise, beta) * len(rows) / sets
                done += 1
            if on_progress is not None:
                on_progress(epoch + 1, settings.epochs)
        self.losses = losses

    def _step(self, better: Array, worse: Array, noise: Array, beta: float) -> Array:
        a, b = self._white(better), self._white(worse)
        with grad():
            mu, log_var = self._encode(a, b)
            z = mu + torch.exp(0.5 * log_var) * torch.from_numpy(noise)
            apart = self._decode(a, z) - self._decode(b, z)
            entropy = F.softplus(-apart).sum(dim=1)
            divergence = 0.5 * (mu.square() + log_var.exp() - 1.0 - log_var).sum(dim=1)
            self.fitting.descend((entropy + beta * divergence).mean())
        return np.array([float(entropy.mean().detach()) / better.shape[1], float(divergence.mean().detach())])

    def _white(self, numbers: Array) -> Tensor:
        return torch.from_numpy(self.whitening(numbers))

    def _encode(self, better: Tensor, worse: Tensor) -> tuple[Tensor, Tensor]:
        pooled = torch.tanh(self.reader(torch.cat([better, worse], dim=-1))).mean(dim=-2)
        mu, log_var = self.judge(pooled).chunk(2, dim=-1)
        return mu, log_var.clamp(-10.0, 10.0)

    def _decode(self, x: Tensor, z: Tensor) -> Tensor:
        """Values ``(H, K)`` of steps ``(H, K, I)`` for ``(H, d)``."""
        joined = torch.cat([x, z[:, None].expand(*x.shape[:-1], z.shape[-1])], dim=-1)
        found: Tensor = self.decoder(joined)[..., 0]
        return found

    def _checked(self, better: Array, worse: Array) -> tuple[Array, Array]:
        better, worse = (reals(n, x).astype(np.float64) for n, x in (("better", better), ("worse", worse)))
        if better.shape != worse.shape or better.ndim < 2 or better.shape[-1] != self.inputs:
            shapes = f"{better.shape} and {worse.shape}"
            raise ValueError(f"better and worse must have one shape (..., K, {self.inputs}), got {shapes}")
        if not (np.isfinite(better).all() and np.isfinite(worse).all()):
            raise ValueError("better and worse must hold finite numbers")
        return better, worse

    # -- what was learned ----------------------------------------------------------------------------------------

    def posterior(self, better: Array, worse: Array) -> tuple[Array, Array]:
        """Mean and logarithm of the variance of q, ``(..., d)`` each, given comparisons ``(..., K, I)``.

        Without comparisons, K = 0, they are those of the prior: 0 and 0.

        Raises:
            ValueError: other shapes, or a number that is not finite.
        """
        better, worse = self._checked(better, worse)
        if not better.shape[-2]:
            nothing = np.zeros((*better.shape[:-2], self.settings.latent))
            return nothing, nothing.copy()
        with torch.no_grad():
            mu, log_var = self._encode(self._white(better), self._white(worse))
        return mu.numpy(), log_var.numpy()

    def values(self, numbers: Array, z: Array) -> Array:
        """Values r ``(n,)`` of steps ``(n, I)`` for one z ``(d,)``.

        Raises:
            ValueError: other shapes, or a number that is not finite.
        """
        numbers, z = _finite("numbers", numbers, ("n", self.inputs)), _finite("z", z, (self.settings.latent,))
        with torch.no_grad():
            person = torch.from_numpy(z)[None]
            found: Array = self._decode(self._white(numbers)[None], person)[0].numpy()
        return found

    def gains(self, first: Array, second: Array, better: Array, worse: Array, *, samples: int = 32) -> Array:
        """What the answer to each question would tell about z, (4), after the answers given so far.

        Args:
            first: ``(M, I)`` steps of M possible questions.
            second: ``(M, I)`` what they would be compared with.
            better: ``(K, I)`` the answers so far.
            worse: ``(K, I)``.
            samples: draws of z, with which the chance of an answer is estimated.

        Returns:
            ``(M,)`` nats.

        Raises:
            ValueError: other shapes, or a number that is not finite.
        """
        mu, log_var = self.posterior(better, worse)
        draws = np.random.default_rng([self.settings.network.seed, 2, len(better)])
        z = mu + np.exp(0.5 * log_var) * draws.standard_normal((samples, self.settings.latent))
        apart = np.array([self.values(first, one) - self.values(second, one) for one in z])
        chance = (0.5 + 0.5 * np.tanh(0.5 * apart)).mean(axis=0)
        after = []
        for winner, loser in ((first, second), (second, first)):
            told = [np.repeat(x[None], len(first), axis=0) for x in (better, worse)]
            more = [np.concatenate([x, y[:, None]], axis=1) for x, y in zip(told, (winner, loser), strict=True)]
            after.append(self.posterior(*more))
        means, log_vars = (np.stack([one[k] for one in after], axis=1) for k in range(2))
        return information_gain(means, log_vars, np.stack([chance, 1.0 - chance], axis=1))

    def reward_of(self, z: Array, inputs: StepInputs, against: Array | None = None) -> NetworkReward:
        """The reward of one user, finished.

        Args:
            z: ``(d,)``, such as the mean of :meth:`posterior` after this user's answers.
            inputs: what it reads of a step: the numbers that were learned from.
            against: ``(M, I)`` steps whose win rates are paid; None: r itself.

        Raises:
            ValueError: other shapes, or a number that is not finite.
        """
        z = _finite("z", z, (self.settings.latent,))
        layers = [(weight.numpy(), bias.numpy()) for weight, bias in linear_layers(self.decoder)]
        weight, bias = layers[0]
        # z does not change any more: what it adds in the first layer is part of the bias
        layers[0] = weight[: self.inputs], bias + z @ weight[self.inputs :]
        weights, biases = ([x[None] for x in column] for column in zip(*layers, strict=True))
        values = None if against is None else self.values(against, z)
        whitening = self.whitening.mean, self.whitening.deviation
        return NetworkReward(inputs, *whitening, weights, biases, against=values)


def _finite(name: str, value: Any, shape: tuple[int | str, ...]) -> Array:
    """Finite float64 numbers of a shape, in which a text stands for any size."""
    found = reals(name, value).astype(np.float64)
    fits = found.ndim == len(shape) and all(
        isinstance(n, str) or n == m for n, m in zip(shape, found.shape, strict=True)
    )
    if not fits or not np.isfinite(found).all():
        wanted = f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
        raise ValueError(f"{name} must be finite numbers of shape {wanted}, got {shown(value)}")
    return found
