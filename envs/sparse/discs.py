"""What the deceptive problems share that are paid once, for where something lies when the time is over."""

from __future__ import annotations

import math

from payoff.envs.core.jit import jit

__all__ = ["nearness"]


@jit
def nearness(x: float, y: float, at_x: float, at_y: float, radius: float) -> float:
    """(R - d) / R inside a disc of radius R around a goal, d the distance from its centre; 0 outside."""
    return max(0.0, 1.0 - math.hypot(x - at_x, y - at_y) / radius)
