"""Networks of torch that learn inside a wrapper: how they are built, where they may take gradients, their state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import nn

from payoff.wrappers.rows import Array

__all__ = ["adam_arrays", "grad", "mlp", "take_adam_arrays"]

_MOMENTS = ("exp_avg", "exp_avg_sq")


@contextmanager
def grad() -> Iterator[None]:
    """Gradients, also where the caller plays under ``no_grad`` or ``inference_mode``."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def mlp(
    sizes: tuple[int, ...], generator: torch.Generator, *, out_gain: float = 0.01, bend: type[nn.Module] = nn.Tanh
) -> nn.Sequential:
    """Multilayer perceptron, float64, orthogonal weights of gain sqrt(2), zero biases.

    Args:
        sizes: inputs, hidden widths, outputs.
        generator: source of the weights.
        out_gain: gain of the last layer's weights.
        bend: module between the layers.
    """
    layers: list[nn.Module] = []
    last = len(sizes) - 2
    for at, (size_in, size_out) in enumerate(pairwise(sizes)):
        # skip_init: the usual initialisation would draw from torch's global generator
        layer = nn.utils.skip_init(nn.Linear, size_in, size_out, dtype=torch.float64)  # type: ignore[no-untyped-call]
        nn.init.orthogonal_(layer.weight, out_gain if at == last else 2.0**0.5, generator=generator)
        nn.init.zeros_(layer.bias)
        layers += [layer, bend()]
    return nn.Sequential(*layers[:-1])


def adam_arrays(net: nn.Module, adam: torch.optim.Adam, prefix: str = "") -> dict[str, Array]:
    """Copies of a network's weights, ``net.*``, and of Adam's two moments of what is learned of it, 0 before a step.

    Args:
        net: the network.
        adam: of its weights that have gradients.
        prefix: begins the names of the moments.
    """
    found = {}
    for name, weight in net.named_parameters():
        found[f"net.{name}"] = weight.detach().numpy().copy()
        if weight.requires_grad:
            moments = adam.state.get(weight) or {m: torch.zeros_like(weight) for m in _MOMENTS}
            found |= {f"{prefix}{m}.{name}": moments[m].detach().numpy().copy() for m in _MOMENTS}
    return found


def take_adam_arrays(
    net: nn.Module, adam: torch.optim.Adam, arrays: Mapping[str, Array], steps: int, prefix: str = ""
) -> None:
    """Inverse of :func:`adam_arrays`, for arrays of the right names, shapes and types, after so many steps."""
    with torch.inference_mode(False), torch.no_grad():
        for name, weight in net.named_parameters():
            weight.copy_(torch.from_numpy(arrays[f"net.{name}"]))
            if steps and weight.requires_grad:
                moments = {m: torch.from_numpy(arrays[f"{prefix}{m}.{name}"].copy()) for m in _MOMENTS}
                adam.state[weight] = {"step": torch.tensor(float(steps)), **moments}
