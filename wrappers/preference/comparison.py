"""Networks that score steps and learn from which of two things is better: the Bradley-Terry model.

An item is a step, or a segment of L steps, whose score is the sum over its valid steps. With the scores u and v that a
network gives two items, Bradley and Terry (1952) say that the first is preferred with probability

(1) P = sigmoid(beta_k (u - v))

where beta_k > 0 says how reliable annotator k is: 1 for a single one, else learned, with geometric mean 1, so that a
careless annotator gets a small one. A gradient step lowers the mean, over networks and pairs, of

(2) - y log P - (1 - y) log(1 - P),  y in [0, 1] the answer, 1 for the first

(3) with a margin d >= 0, d (2 y - 1) is taken from the logit of P, so that the preferred side has to win by more

Networks differ in their first weights, and may be shown different items.

Source: margins are from Wang et al., "Secrets of RLHF in Large Language Models Part II: Reward Modeling" (arXiv
2401.06080); the reliability of annotators in this form is ours.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from payoff.wrappers.bonus.whitening import Whitening
from payoff.wrappers.learned.network_reward import NetworkReward
from payoff.wrappers.learned.step_inputs import StepInputs
from payoff.wrappers.preference.fitting import Fitting, NetworkSettings, checked_state, linear_layers
from payoff.wrappers.rows import Array
from payoff.wrappers.small_networks import grad, mlp

__all__ = ["Comparer"]


class _Scorers(nn.Module):
    """M networks of one shape side by side, and the reliability of K annotators."""

    def __init__(self, inputs: int, settings: NetworkSettings, annotators: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(settings.seed)
        nets = [linear_layers(mlp((inputs, *settings.hidden, 1), generator)) for _ in range(settings.members)]
        self.weights = nn.ParameterList([torch.stack([w for w, _ in same]) for same in zip(*nets, strict=True)])
        self.biases = nn.ParameterList([torch.stack([b for _, b in same]) for same in zip(*nets, strict=True)])
        self.log_reliability = nn.Parameter(torch.zeros(annotators, dtype=torch.float64)) if annotators > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """Values ``(M, n, L)`` of whitened items ``(n, L, I)``, or ``(M, n, L, I)`` where each network has its own."""
        n, length = x.shape[-3:-1]
        x = x.flatten(-3, -2)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.matmul(torch.tanh(x) if i else x, weight) + bias[:, None]
        return x.reshape(len(x), n, length)

    def reliability(self) -> Tensor:
        """The beta of (1), ``(K,)``."""
        if self.log_reliability is None:
            return torch.ones(1, dtype=torch.float64)
        return torch.exp(self.log_reliability - self.log_reliability.mean())


class Comparer:
    """Scores items by one number a step, and learns by (1) to (3).

    Args:
        inputs: numbers I of a step.
        settings: see :class:`payoff.wrappers.NetworkSettings`; None: its defaults.
        annotators: K, whose answers are numbered 0 .. K - 1.

    Attributes:
        inputs: I.
        whitening: of the inputs; whoever calls decides which steps it takes in, and when.
    """

    def __init__(self, inputs: int, settings: NetworkSettings | None = None, annotators: int = 1) -> None:
        settings = settings or NetworkSettings()
        self.inputs, self.whitening = inputs, Whitening(inputs)
        with grad():
            self.net = _Scorers(inputs, settings, annotators)
        self.fitting = Fitting(self.net, settings)

    @property
    def reliability(self) -> Array:
        """The beta of (1) for each annotator, ``(K,)``."""
        found: Array = self.net.reliability().detach().numpy()
        return found

    def scores(self, items: Array, valid: Array | None = None) -> Array:
        """Scores ``(n,)`` of items ``(n, L, I)`` with valid steps ``(n, L)``, or all: the mean over the networks."""
        found: Array = self.member_scores(items, valid).mean(axis=0)
        return found

    def member_scores(self, items: Array, valid: Array | None = None) -> Array:
        """Scores ``(M, n)`` by each network; see :meth:`scores`."""
        with torch.no_grad():
            found: Array = self._scores(items, valid).numpy()
        return found

    def _scores(self, items: Array, valid: Array | None) -> Tensor:
        each: Tensor = self.net(torch.from_numpy(self.whitening(items)))
        return (each if valid is None else each * torch.from_numpy(valid.astype(np.float64))).sum(dim=-1)

    def learn(
        self,
        items: Array,
        valid: Array | None,
        first: Array,
        second: Array,
        answers: Array,
        *,
        annotator: Array | None = None,
        margin: Array | None = None,
    ) -> float:
        """One gradient step.

        Args:
            items: ``(n, L, I)``; or ``(M, n, L, I)``, each network's own.
            valid: bool, the shape of ``items`` but for I; None: all steps are.
            first: ``(P,)`` numbers of the first items of pairs.
            second: ``(P,)`` those of the second.
            answers: in [0, 1], 1 where the first is preferred; ``(P,)``, or ``(M, P)`` as are the next two.
            annotator: who answered, in 0 .. K - 1; None: number 0.
            margin: d of (3), not negative; None: 0.

        Returns:
            The mean loss before the step.

        Raises:
            ValueError: the loss is not finite.
        """
        told = torch.from_numpy(answers.astype(np.float64))
        who = np.zeros(first.shape, dtype=np.int64) if annotator is None else annotator
        with grad():
            u = self._scores(items, valid)
            logits = u[:, torch.from_numpy(first)] - u[:, torch.from_numpy(second)]
            logits = self.net.reliability()[torch.from_numpy(who)] * logits
            if margin is not None:
                logits = logits - torch.from_numpy(margin) * (2.0 * told - 1.0)
            loss = F.binary_cross_entropy_with_logits(logits, told.expand_as(logits))
            self.fitting.descend(loss)
        return float(loss.detach())

    def frozen(self, inputs: StepInputs, *, shift: float = 0.0, scale: float = 1.0) -> NetworkReward:
        """The networks as they are now, as a finished reward that pays (score of the step - shift) / scale."""
        weights, biases = ([x.detach().numpy() for x in layers] for layers in (self.net.weights, self.net.biases))
        whitening = self.whitening.mean, self.whitening.deviation
        return NetworkReward(inputs, *whitening, weights, biases, shift=shift, scale=scale)

    def state_dict(self) -> dict[str, Array]:
        """Whitening, weights, moments of Adam, and the number of steps."""
        whitening = {f"whitening.{name}": array for name, array in self.whitening.state_dict().items()}
        return whitening | self.fitting.state_dict()

    @classmethod
    def from_state(
        cls, owner: str, state: Mapping[str, Array], inputs: int, settings: NetworkSettings, annotators: int = 1
    ) -> Comparer:
        """The comparer that gave this :meth:`state_dict`.

        Raises:
            ValueError: an array is missing, unknown, of another shape, or holds what it cannot hold.
        """
        made = cls(inputs, settings, annotators)
        arrays = checked_state(owner, state, made.state_dict())
        made.whitening.take_over(*(arrays[f"whitening.{name}"] for name in made.whitening.state_dict()))
        made.fitting.take(arrays)
        return made
