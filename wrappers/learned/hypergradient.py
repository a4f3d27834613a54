"""Bi-level gradients: how an outer aim changes with a reward, when a learner answers to that reward.

A learner with parameters theta climbs J_in(theta, phi), where phi are the parameters of the reward that it is told.
What the designer wants is J_out(theta, phi). Changing phi changes J_out in two ways, directly and through the learner:

(1) dJ_out / dphi = d_phi J_out + (dtheta / dphi)^T v,  v = d_theta J_out

How the learner answers, dtheta / dphi, is what the estimators differ in. H is the Hessian of J_in in theta, negative
definite near a maximum, and A = d_phi d_theta J_in:

(2) implicit: theta is where d_theta J_in = 0, so dtheta / dphi = -H^-1 A. Of this, conjugate gradients solve -H s = v,
    and the Neumann series is s = rate sum_{k=0..K} (I + rate H)^k v; then (dtheta / dphi)^T v = A^T s;
(3) first order: theta has just made one step theta + rate P d_theta J_in, so dtheta / dphi = rate P A: a Neumann series
    with K = 0. P is what the learner's optimiser makes of a gradient, taken for constant;
(4) unrolled: theta is the end of k such steps, and all of them are differentiated through;
(5) forward: D = dtheta / dphi is carried along, D <- D + rate P (A + H D).

(3) and (4) are exact for what they say; (2) is exact at a maximum, with K or the number of conjugate gradients large.
The Neumann series converges where rate is below 2 over the largest curvature, and answers like (3) where rate times the
curvature times K is small.

Parameters are flat vectors; objectives map two of them to a scalar, and are differentiated by ``torch.func``, backwards
alone: its forward mode warns of parts of torch that are to go.

Sources: (2) with the Neumann series as in Lorraine, Vicol and Duvenaud (AISTATS 2020), used for rewards by BARFI (Gupta
et al., NeurIPS 2023); (3) LIRPG (Zheng, Oh and Singh, NeurIPS 2018) and BiPaRS-MGL; (5) BiPaRS-IMGL (Hu et al., NeurIPS
2020). unverified: the texts of these papers; forms are those of published code and of notes on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor
from torch.func import grad, jacrev, vjp

from payoff.envs.core.params import check_integer, check_number

__all__ = [
    "ConjugateGradient",
    "Neumann",
    "Objective",
    "Response",
    "answer",
    "forward_response",
    "hypergradient",
    "unrolled_hypergradient",
]

Objective: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From theta ``(P,)`` and phi ``(Q,)`` to a scalar that is to be large."""


class Response(Protocol):
    """What stands for s in equation (2): a vector ``(P,)`` from v ``(P,)``."""

    def __call__(self, inner: Objective, theta: Tensor, phi: Tensor, v: Tensor) -> Tensor:
        """S."""
        ...


@dataclass(frozen=True, slots=True)
class Neumann:
    """The series of equation (2); ``steps=0`` is equation (3).

    Attributes:
        steps: K, at least 0.
        rate: step size, above 0.

    Raises:
        ValueError: a field is out of its range.
    """

    steps: int
    rate: float

    def __post_init__(self) -> None:
        """Check the fields (ValueError)."""
        check_integer("steps", self.steps, 0)
        check_number("rate", self.rate, 0.0, open_low=True)

    def __call__(self, inner: Objective, theta: Tensor, phi: Tensor, v: Tensor) -> Tensor:
        """S ``(P,)``."""
        term = total = v
        for _ in range(self.steps):
            term = term + self.rate * _curvature(inner, theta, phi, term)
            total = total + term
        return self.rate * total


@dataclass(frozen=True, slots=True)
class ConjugateGradient:
    """Solves (damping I - H) s = v, which is equation (2) for ``damping=0``.

    Attributes:
        steps: most iterations, at least 1; it ends before where the residual has vanished.
        damping: added to the curvature, at least 0; needed where J_in has flat directions.

    Raises:
        ValueError: a field is out of its range.
    """

    steps: int
    damping: float = 0.0

    def __post_init__(self) -> None:
        """Check the fields (ValueError)."""
        check_integer("steps", self.steps, 1)
        check_number("damping", self.damping, 0.0)

    def __call__(self, inner: Objective, theta: Tensor, phi: Tensor, v: Tensor) -> Tensor:
        """S ``(P,)``; stops early at a direction without curvature, where theta is no maximum."""
        solution, residual, direction = torch.zeros_like(v), v, v
        size = residual @ residual
        end = size * torch.finfo(v.dtype).eps ** 2
        for _ in range(self.steps):
            if size <= end:
                break
            bent = self.damping * direction - _curvature(inner, theta, phi, direction)
            along = direction @ bent
            if along <= 0.0:
                break
            solution = solution + size / along * direction
            residual = residual - size / along * bent
            size, before = residual @ residual, size
            direction = residual + size / before * direction
        return solution


def answer(inner: Objective, theta: Tensor, phi: Tensor, s: Tensor) -> Tensor:
    """A^T s ``(Q,)``: what moving phi does to the gradient of J_in along s ``(P,)``."""
    found: Tensor = grad(lambda phi: grad(inner)(theta, phi) @ s)(phi)
    return found


def hypergradient(inner: Objective, outer: Objective, theta: Tensor, phi: Tensor, response: Response) -> Tensor:
    """Equation (1) ``(Q,)`` by (2) or (3).

    Args:
        inner: J_in.
        outer: J_out.
        theta: ``(P,)`` the learner.
        phi: ``(Q,)`` the reward.
        response: how s comes of v.
    """
    v, direct = grad(outer, argnums=(0, 1))(theta, phi)
    found: Tensor = direct + answer(inner, theta, phi, response(inner, theta, phi, v))
    return found


def unrolled_hypergradient(
    inner: Sequence[Objective], outer: Objective, theta: Tensor, phi: Tensor, rate: float | Tensor
) -> tuple[Tensor, Tensor]:
    """Equation (1) by (4).

    Args:
        inner: J_in of each step, in order.
        outer: J_out, at the end.
        theta: ``(P,)`` the learner before the first step.
        phi: ``(Q,)`` the reward.
        rate: step size; ``(P,)``: one for each parameter, rate P of (3).

    Returns:
        The gradient ``(Q,)``, and the learner after the last step ``(P,)``.
    """

    def after(phi: Tensor) -> Tensor:
        moved = theta
        for objective in inner:
            moved = moved + rate * grad(objective)(moved, phi)
        return moved

    moved, pull = vjp(after, phi)  # type: ignore[misc]  # three with has_aux alone
    v, direct = grad(outer, argnums=(0, 1))(moved, phi)
    return direct + pull(v)[0], moved


def forward_response(inner: Objective, theta: Tensor, phi: Tensor, carried: Tensor, rate: float | Tensor) -> Tensor:
    """Equation (5): dtheta / dphi ``(P, Q)`` after a step from theta, of what it was before that step.

    Args:
        inner: J_in of the step.
        theta: ``(P,)`` before the step.
        phi: ``(Q,)``.
        carried: ``(P, Q)``.
        rate: step size, or one for each parameter ``(P,)``.
    """
    bent, moved = jacrev(grad(inner), argnums=(0, 1))(theta, phi)
    change = moved + bent @ carried
    found: Tensor = carried + (rate[:, None] if isinstance(rate, Tensor) else rate) * change
    return found


def _curvature(inner: Objective, theta: Tensor, phi: Tensor, along: Tensor) -> Tensor:
    """H along a vector ``(P,)``."""
    found: Tensor = grad(lambda theta: grad(inner)(theta, phi) @ along)(theta)
    return found
