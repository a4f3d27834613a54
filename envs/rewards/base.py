"""What a reward layer is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from payoff.envs.core.state import Array

__all__ = ["Layer", "identity"]


@dataclass(frozen=True, slots=True)
class Layer:
    """Base of the reward layers: a frozen dataclass whose fields are the layer's numbers.

    A layer has either of two things. A linear one defines :meth:`weights`, and the reward of seat i is
    sum_j W_ij pi_j. Any other has a ``rule``.

    Attributes:
        rule: compiled function ``(me, i, t) -> float``, the reward of seat i of N in one step of one copy: ``me`` has
            the layer's fields by name (numbers; words and flags are whole numbers), ``t`` what happened
            (:class:`payoff.envs.core.rule.Happened`). It must not write to them, and should neither raise (the
            batch is then left in the middle of a step) nor return what is not finite: nothing checks that.
        shared: the rule gives every seat the same, so that one call a copy is enough.
        uses_dependence: the layer is nothing without the dependence matrix D, so that a game without one refuses it.
    """

    rule: ClassVar[Any] = None
    shared: ClassVar[bool] = False

    @property
    def uses_dependence(self) -> bool:
        """See the class; a subclass may set it as a class attribute."""
        return False

    def weights(self, depend: Array) -> Array:
        """Weights W on the payoffs, ``(P, N, N)``, finite; row i is what seat i is told.

        Args:
            depend: ``(P, N, N)`` dependence D, zero diagonal; 0 where the game has none. P is 1, or the number of
                copies when each has its own parameters.
        """
        raise NotImplementedError(f"{type(self).__name__} must define weights(depend), or have a rule")


def identity(depend: Array) -> Array:
    """Weights ``(P, N, N)`` of one's own payoff alone."""
    return np.broadcast_to(np.eye(depend.shape[1]), depend.shape)
