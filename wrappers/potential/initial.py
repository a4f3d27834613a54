"""A potential as initial action values: what shaping does to a tabular learner, without a wrapper.

Learner A is paid r + gamma Phi(s') - Phi(s) and starts from Q0. Learner B is paid r and starts from

(1) Q0(s, a) + Phi(s)

Given the same experience, Q_B - Q_A = Phi(s) at all times, so whatever depends on differences of action values (greedy,
epsilon-greedy, softmax) does the same for both. It holds for one-step updates of tables, with Phi = 0 in terminal
states, which are worth 0 to both. It does not hold for approximation by non-linear features, for potentials that change
over time, and for targets that are clipped or made pessimistic.

Source: Wiewiora (2003).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from payoff.envs.core.params import check_number
from payoff.wrappers.arguments import reals
from payoff.wrappers.potential.shaping import Potential, PotentialShaping
from payoff.wrappers.rows import Array, Batch, BatchInfo

__all__ = ["PotentialInit", "q_init_from_potential"]


@dataclass(frozen=True, slots=True, eq=False)
class PotentialInit:
    """Initial action values of states that are met one by one; see :func:`q_init_from_potential`.

    Attributes:
        potential: the potential.
        base: Q0.
        scale: factor on the potential.
        shift: added to it.
    """

    potential: Potential
    base: float = 0.0
    scale: float = 1.0
    shift: float = 0.0

    def __call__(self, obs: Batch, info: BatchInfo) -> Array:
        """Q0 + Phi ``(R,)``, the same for all actions of a state."""
        found = reals("what potential returns", self.potential(obs, info))
        return self.base + self.scale * found + self.shift


def q_init_from_potential(potential: Potential | PotentialShaping | Any, *, base: float = 0.0) -> PotentialInit | Array:
    """What a tabular learner starts from to learn as if it were shaped, equation (1).

    Args:
        potential: a potential; or the shaping that is replaced, whose scale and shift then count; or a vector ``(S,)``
            of the potentials of numbered states.
        base: Q0, what it would start from otherwise.

    Returns:
        A function from observations and their info to ``(R,)``, for ``payoff.baselines.q_learning.train(q_init=...)``;
        or for a vector ``(S, 1)`` numbers, which fit any number of actions.

    Raises:
        TypeError: ``potential`` is nothing of the kind.
        ValueError: a vector that is not one of finite numbers, or ``base`` is no number.
    """
    check_number("base", base, -np.inf)
    if isinstance(potential, PotentialShaping):
        return PotentialInit(potential.potential, base, potential.scale, potential.shift)
    if callable(potential):
        return PotentialInit(potential, base)
    if isinstance(potential, np.ndarray | list | tuple):
        values = reals("potential", potential)
        if values.ndim != 1 or not values.size or not np.isfinite(values).all():
            raise ValueError(f"potential must hold finite numbers (S,), got shape {values.shape}")
        return base + values[:, None]
    raise TypeError(f"potential must be a potential, a PotentialShaping or numbers (S,), got {potential!r}")
