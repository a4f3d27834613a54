"""RMSprop: every number takes steps of its own size, its rate divided by the usual size of its gradient.

(1) v <- (1 - k) v + k g^2
(2) a step along g is  rate g / (sqrt(v) + eps)

v is a running mean of squares, in which the new gradient g has the share k. Source: Hinton's lecture 6e (2012), in the
form of torch.optim.RMSprop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["root_mean_square"]

Numbers = TypeVar("Numbers", np.ndarray, "Tensor")


def root_mean_square(
    square: Numbers, gradient: Numbers, share: float = 0.01, eps: float = 1e-8
) -> tuple[Numbers, Numbers]:
    """Equation (1), and what (2) divides by; arrays of numpy or tensors of torch, in any number of axes.

    Args:
        square: v, 0 at first.
        gradient: g, of the same shape.
        share: k, in (0, 1]; 1 - k is the decay (alpha of torch).
        eps: above 0.

    Returns:
        The new v, and sqrt(v) + eps.
    """
    square = (1.0 - share) * square + share * gradient**2
    return square, square**0.5 + eps
