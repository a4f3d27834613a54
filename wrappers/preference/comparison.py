"""A network that scores steps and learns from which of two things is better.

An item is a step, or a segment of L steps, whose score is the sum over its steps. With the scores u and v of two items,
Bradley and Terry (1952) say that the first is preferred with probability

(1) P = sigmoid(u - v)

and a gradient step lowers the mean of - y log P - (1 - y) log(1 - P), y in [0, 1] the answer, 1 for the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from payoff.envs.core.params import check_integer, check_number
from payoff.wrappers.arguments import check_names, check_sequence, state_array
from payoff.wrappers.preference.step_network import LEAST, LIMIT, StepInputs, StepNetwork
from payoff.wrappers.redistribution.episode_learning import grad, mlp
from payoff.wrappers.rows import Array

__all__ = ["Comparer", "Fitting", "NetworkSettings", "checked_state", "part_of", "whitening"]

_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """How a network that learns from comparisons is built.

    Attributes:
        hidden: widths of the hidden layers.
        learning_rate: of Adam, above 0.
        seed: of the initial weights.

    Raises:
        ValueError: a field is out of its range.
    """

    hidden: tuple[int, ...] = (64, 64)
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the fields (ValueError)."""
        check_sequence("hidden", self.hidden, "whole numbers")
        for width in self.hidden:
            check_integer("hidden", width, 1)
        check_number("learning_rate", self.learning_rate, 0.0, open_low=True)
        check_integer("seed", self.seed, 0)


class Fitting:
    """A torch module with its Adam: gradient steps, and their state as arrays.

    Args:
        net: what is fitted, float64.
        learning_rate: of Adam.
    """

    def __init__(self, net: nn.Module, learning_rate: float) -> None:
        self.net, self.steps = net, 0
        self.adam = torch.optim.Adam(net.parameters(), lr=learning_rate, foreach=False)

    @contextmanager
    def step(self) -> Iterator[list[Tensor]]:
        """A gradient step down the loss that is put into the list.

        Raises:
            ValueError: the loss is not finite; no weight has changed.
        """
        losses: list[Tensor] = []
        with grad():
            self.adam.zero_grad()
            yield losses
            (loss,) = losses
            if not torch.isfinite(loss):
                raise ValueError(f"the loss of the reward network must be finite, got {float(loss.detach())}")
            loss.backward()  # type: ignore[no-untyped-call]
            self.adam.step()
        self.steps += 1

    def state_dict(self) -> dict[str, Array]:
        """Weights, moments of Adam and the number of steps."""
        found = {"steps": np.array(self.steps)}
        for name, weight in self.net.named_parameters():
            found[f"net.{name}"] = weight.detach().numpy().copy()
            for m in _MOMENTS:
                moment = self.adam.state[weight][m] if self.steps else torch.zeros_like(weight)
                found[f"{m}.{name}"] = moment.detach().numpy().copy()
        return found

    def take(self, arrays: Mapping[str, Array]) -> None:
        """Inverse of :meth:`state_dict`, for arrays of the right names, shapes and types."""
        self.steps = int(arrays["steps"])
        with torch.inference_mode(False), torch.no_grad():
            for name, weight in self.net.named_parameters():
                weight.copy_(torch.from_numpy(arrays[f"net.{name}"]))
                if self.steps:
                    moments = {m: torch.from_numpy(arrays[f"{m}.{name}"].copy()) for m in _MOMENTS}
                    self.adam.state[weight] = {"step": torch.tensor(float(self.steps)), **moments}


def whitening(numbers: Array) -> tuple[Array, Array]:
    """Mean and deviation ``(I,)`` of rows ``(n, I)``; the deviation of what never varies is 1e-6."""
    return numbers.mean(axis=0), np.maximum(numbers.std(axis=0), LEAST)


class Comparer:
    """Scores items by one number a step, and learns by (1).

    Args:
        inputs: numbers I of a step.
        settings: see :class:`NetworkSettings`; None: its defaults.

    Attributes:
        mean: ``(I,)`` that inputs are whitened with, 0 until :meth:`whiten`.
        deviation: ``(I,)``, 1 until then.
    """

    def __init__(self, inputs: int, settings: NetworkSettings | None = None) -> None:
        self.settings = settings or NetworkSettings()
        self.mean, self.deviation = np.zeros(inputs), np.ones(inputs)
        generator = torch.Generator().manual_seed(self.settings.seed)
        with grad():
            net = mlp((inputs, *self.settings.hidden, 1), generator)
        self.fitting = Fitting(net, self.settings.learning_rate)

    def whiten(self, numbers: Array) -> None:
        """Whiten inputs from now on by these rows ``(n, I)``."""
        self.mean, self.deviation = whitening(numbers)

    def scores(self, items: Array, valid: Array | None = None) -> Array:
        """Scores ``(n,)`` of items ``(n, L, I)``, the sum over their valid steps ``(n, L)``."""
        with torch.no_grad():
            found: Array = self._scores(items, valid).numpy()
        return found

    def _scores(self, items: Array, valid: Array | None) -> Tensor:
        x = np.clip((items - self.mean) / self.deviation, -LIMIT, LIMIT)
        each: Tensor = self.fitting.net(torch.from_numpy(x))[..., 0]
        return (each if valid is None else each * torch.from_numpy(valid.astype(np.float64))).sum(dim=-1)

    def learn(self, items: Array, valid: Array | None, first: Array, second: Array, answers: Array) -> float:
        """One gradient step.

        Args:
            items: ``(n, L, I)``.
            valid: ``(n, L)`` bool; None: all steps.
            first: ``(P,)`` numbers of the first items of pairs.
            second: ``(P,)`` those of the second.
            answers: ``(P,)`` in [0, 1], 1 where the first is preferred.

        Returns:
            The mean loss before the step.

        Raises:
            ValueError: the loss is not finite.
        """
        with self.fitting.step() as losses:
            u = self._scores(items, valid)
            apart = u[torch.from_numpy(first)] - u[torch.from_numpy(second)]
            losses.append(F.binary_cross_entropy_with_logits(apart, torch.from_numpy(answers.astype(np.float64))))
        return float(losses[0].detach())

    def frozen(self, inputs: StepInputs, *, shift: float = 0.0, scale: float = 1.0) -> StepNetwork:
        """The network as it is now, as a finished reward."""
        linear = [layer for layer in self.fitting.net.modules() if isinstance(layer, nn.Linear)]
        layers = [(x.weight.detach().numpy().copy(), x.bias.detach().numpy().copy()) for x in linear]
        return StepNetwork(inputs, self.mean.copy(), self.deviation.copy(), layers, shift=shift, scale=scale)

    def state_dict(self) -> dict[str, Array]:
        """Weights, moments, whitening."""
        return {"mean": self.mean.copy(), "deviation": self.deviation.copy(), **self.fitting.state_dict()}

    @classmethod
    def from_state(cls, owner: str, state: Mapping[str, Array], inputs: int, settings: NetworkSettings) -> Comparer:
        """The comparer that gave this :meth:`state_dict`.

        Raises:
            ValueError: an array is missing, unknown, of another shape, or holds what it cannot hold.
        """
        made = cls(inputs, settings)
        arrays = checked_state(owner, state, made.state_dict())
        if (arrays["deviation"] <= 0.0).any():
            raise ValueError(f"{owner}: deviation must be above 0, got {arrays['deviation'].min()}")
        made.mean, made.deviation = arrays["mean"], arrays["deviation"]
        made.fitting.take(arrays)
        return made


def checked_state(owner: str, state: Mapping[str, Any], blank: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays of a ``state_dict`` like those of ``blank``, with squares and counts that are not negative.

    Raises:
        ValueError: see :meth:`Comparer.from_state`.
    """
    check_names(owner, state, blank)
    arrays = {name: state_array(owner, name, state[name], like) for name, like in blank.items()}
    for name, array in arrays.items():
        if name.startswith(("exp_avg_sq.", "steps")) and (array < 0).any():
            raise ValueError(f"{owner}: {name} must not be negative, got {array.min()}")
    return arrays


def part_of(state: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Entries whose names begin so, without that beginning."""
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
