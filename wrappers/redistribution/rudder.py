"""RUDDER: a sequence model predicts the return, and each step is paid what it adds to the prediction.

(1) c_t = c_{t-1} + i_t z_t,  z_t = tanh(W x_t + b),  i_t = sigmoid(U h_{t-1} + d),  h_t = tanh(c_t)
(2) g_t = v . h_t + e, the prediction of the return after step t
(3) loss = (g_T - G)^2 + aux * mean over t of (g_t - G)^2
(4) r^_t = g_t - g_{t-1},  g_{-1} = 0
(5) the residual G - sum_t r^_t = G - g_T is spread evenly over the steps

(1) is an LSTM without forget and output gates, whose cell input sees the step only and whose input gate sees the past
only: what a step adds stays. With a redistribution after which the expected future reward is zero, the value of an
action is the mean of its immediate reward, and delay no longer matters.

Source: Arjona-Medina et al., "RUDDER: return decomposition for delayed rewards", NeurIPS 2019, and its published
demonstration code, from which (1) and aux = 0.5 are. Its tutorial squares the mean error of a batch, which lets errors
of opposite sign cancel; (3) averages squared errors. unverified: that i_t of the demonstration takes no input from the
present step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from payoff.envs.core.params import check_number
from payoff.wrappers.redistribution.episode_learning import EpisodeLearning, LearnedDecomposition
from payoff.wrappers.redistribution.step_features import StepFeatureFunction
from payoff.wrappers.rows import Array
from payoff.wrappers.small_networks import mlp

__all__ = ["Rudder", "prediction_loss"]


class Rudder(LearnedDecomposition):
    """Pays the differences (4) of a learned prediction of the return, corrected by (5).

    See :mod:`payoff.wrappers.redistribution.base` for what a discount below 1 does to redistributed rewards.

    Args:
        features: inputs x, from R steps (obs, actions, next_obs) to ``(R, F)``; the paper uses the action one-hot and
            the change of the state.
        aux: weight of the predictions before the last one, at least 0.
        learning: see :class:`payoff.wrappers.redistribution.episode_learning.EpisodeLearning`; the last of ``hidden``
            is the number of memory cells, the others are layers between x and z.
        residual: whether to correct (5).

    Raises:
        TypeError: ``features`` cannot be called, or ``learning`` is no EpisodeLearning.
        ValueError: another argument is out of its range, or there are no memory cells.
    """

    def __init__(
        self,
        features: StepFeatureFunction,
        *,
        aux: float = 0.5,
        learning: EpisodeLearning | None = None,
        residual: bool = True,
    ) -> None:
        check_number("aux", aux, 0.0)
        learning = EpisodeLearning(hidden=(16,), learning_rate=1e-2) if learning is None else learning
        super().__init__(features, learning=learning, residual=residual)
        if not self.learning.hidden:
            raise ValueError("hidden must name at least one width, the number of memory cells, got ()")
        self.aux = aux

    def make(self, inputs: int, generator: torch.Generator) -> nn.Module:
        """The parts of (1) and (2)."""
        *before, cells = self.learning.hidden
        parts = {"z": (inputs, *before, cells), "gate": (cells, cells), "out": (cells, 1)}
        return nn.ModuleDict({name: mlp(sizes, generator, out_gain=1.0) for name, sizes in parts.items()})

    def targets(self, returns: Array, lengths: Array) -> Array:
        """What is learned of episodes, ``(E,)``: G."""
        return returns

    def predict(self, inputs: Tensor) -> Tensor:
        """Predictions g ``(T, B)`` after each step, in units of the scale, of inputs ``(T, B, F)``."""
        z = torch.tanh(self.net.get_submodule("z")(inputs))
        gate, out = self.net.get_submodule("gate"), self.net.get_submodule("out")
        cell = torch.zeros_like(z[0])
        hidden = []
        state = torch.tanh(cell)
        for now in z:
            cell = cell + torch.sigmoid(gate(state)) * now
            state = torch.tanh(cell)
            hidden.append(state)
        predictions: Tensor = out(torch.stack(hidden))[..., 0]
        return predictions

    def estimate(self, inputs: Tensor) -> Tensor:
        """r^ of (4)."""
        return torch.diff(self.predict(inputs), dim=0, prepend=torch.zeros_like(inputs[:1, :, 0]))

    def loss(self, episodes: Sequence[Array], targets: Tensor, rng: np.random.Generator) -> Tensor:
        """Equation (3), averaged over the episodes."""
        padded = pad_sequence([torch.from_numpy(e).double() for e in episodes])
        lengths = torch.tensor([len(e) for e in episodes])
        return prediction_loss(self.predict(padded), targets, lengths, aux=self.aux)


def prediction_loss(predictions: Tensor, returns: Tensor, lengths: Tensor, *, aux: float) -> Tensor:
    """Equation (3), averaged over episodes: means of squared errors, not squares of mean errors.

    Args:
        predictions: ``(T, E)`` g, anything after the end of an episode.
        returns: ``(E,)`` G.
        lengths: ``(E,)`` steps of each episode.
        aux: weight of the predictions before the last one.
    """
    squared = (predictions - returns) ** 2
    valid = torch.arange(len(predictions))[:, None] < lengths
    final = squared.gather(0, (lengths - 1)[None])[0]
    along = torch.where(valid, squared, 0.0).sum(dim=0) / lengths
    return (final + aux * along).mean()
