"""Networks of torch that learn inside a wrapper: how they are built, and where they may take gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import nn

__all__ = ["grad", "mlp"]


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
