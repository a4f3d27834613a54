"""How networks that learn from comparisons are built and fitted, and how their state is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from payoff.envs.core.params import check_integer, check_number
from payoff.wrappers.arguments import check_names, check_sequence, state_array
from payoff.wrappers.rows import Array
from payoff.wrappers.small_networks import adam_arrays, take_adam_arrays

__all__ = ["Fitting", "NetworkSettings", "check_network", "checked_state", "linear_layers", "part_of"]

_COUNTS = ("exp_avg_sq.", "steps", "whitening.squares", "whitening.count")  # beginnings of names


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """How a network that learns from comparisons is built.

    Attributes:
        members: M, networks that learn beside each other; what they say together is their mean.
        hidden: widths of the hidden layers.
        learning_rate: of Adam, above 0.
        weight_decay: of Adam, at least 0; decoupled (AdamW).
        seed: of the initial weights.

    Raises:
        ValueError: a field is out of its range.
    """

    members: int = 1
    hidden: tuple[int, ...] = (64, 64)
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the fields (ValueError)."""
        check_integer("members", self.members, 1)
        check_sequence("hidden", self.hidden, "whole numbers")
        for width in self.hidden:
            check_integer("hidden", width, 1)
        check_number("learning_rate", self.learning_rate, 0.0, open_low=True)
        check_number("weight_decay", self.weight_decay, 0.0)
        check_integer("seed", self.seed, 0)


def check_network(settings: Any) -> None:
    """Raise TypeError unless the field ``network`` is a NetworkSettings, and no subclass, whose fields would go unused.

    Args:
        settings: what was given.
    """
    if type(settings) is not NetworkSettings:
        raise TypeError(f"network must be a NetworkSettings, got {type(settings).__name__}")


class Fitting:
    """A torch module with its Adam: gradient steps, and their state as arrays.

    Args:
        net: what is fitted, float64; every loss depends on all of it.
        settings: see :class:`NetworkSettings`, of which learning rate and weight decay are used.
    """

    def __init__(self, net: nn.Module, settings: NetworkSettings) -> None:
        self.net, self.steps = net, 0
        self.adam = torch.optim.AdamW(
            net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, foreach=False
        )

    def descend(self, loss: Tensor) -> None:
        """A gradient step down a loss, within :func:`payoff.wrappers.small_networks.grad`.

        Raises:
            ValueError: the loss is not finite; no weight has changed.
        """
        if not torch.isfinite(loss):
            found = float(loss.detach())
            raise ValueError(f"the loss must be finite, got {found}: learning diverged; try a smaller learning rate")
        self.adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.adam.step()
        self.steps += 1

    def state_dict(self) -> dict[str, Array]:
        """Weights, moments of Adam and the number of steps."""
        return {"steps": np.array(self.steps), **adam_arrays(self.net, self.adam)}

    def take(self, arrays: Mapping[str, Array]) -> None:
        """Inverse of :meth:`state_dict`, for arrays of the right names, shapes and types."""
        self.steps = int(arrays["steps"])
        take_adam_arrays(self.net, self.adam, arrays, self.steps)


def linear_layers(net: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Weights ``(numbers, outputs)`` and biases ``(outputs,)`` of a network's linear layers, from first to last."""
    return [(x.weight.detach().T, x.bias.detach()) for x in net.modules() if isinstance(x, nn.Linear)]


def checked_state(owner: str, state: Mapping[str, Any], blank: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays of a ``state_dict`` like those of ``blank``, with squares and counts that are not negative.

    Raises:
        ValueError: an array is missing, unknown, of another shape, or holds what it cannot hold.
    """
    check_names(owner, state, blank)
    arrays = {name: state_array(owner, name, state[name], like) for name, like in blank.items()}
    for name, array in arrays.items():
        if name.startswith(_COUNTS) and (array < 0).any():
            raise ValueError(f"{owner}: {name} must not be negative, got {array.min()}")
    return arrays


def part_of(state: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Entries whose names begin so, without that beginning."""
    return {str(name).removeprefix(prefix): array for name, array in state.items() if str(name).startswith(prefix)}
