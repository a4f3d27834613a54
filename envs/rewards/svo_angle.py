"""Social value orientation as an angle: a reward layer that minds how payoffs are split, not how large they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from payoff.envs.core.jit import jit
from payoff.envs.core.params import check_number
from payoff.envs.core.rule import Happened
from payoff.envs.rewards.base import Layer

__all__ = ["SVOAngle"]


@jit
def svo_angle(me: SVOAngle, i: int, t: Happened) -> float:
    """Reward of seat i."""
    n = t.payoff.shape[0]
    if n == 1:
        return t.payoff[i]
    others = 0.0
    for j in range(n):
        if j != i:
            others += t.payoff[j]
    return t.payoff[i] - me.w * abs(me.theta - math.atan2(others / (n - 1), t.payoff[i]))


@dataclass(frozen=True, slots=True)
class SVOAngle(Layer):
    """r_i = pi_i - w |theta - atan2(mean of the others' payoffs, pi_i)|: a fine for another split than one likes.

    Social value orientation as McKee et al. (2020, arXiv 2002.02325) write it; unverified: the equation is from memory.
    The linear form is :class:`SVO`. atan2(0, 0) is 0, so a step that pays nobody costs w |theta|. A single seat has no
    others and is told its payoff.

    Attributes:
        theta: the angle that one likes, radians in [-pi, pi]: 0 all to oneself, pi/4 equal, pi/2 all to others.
        w: the fine for one radian, at least 0, in units of payoff.
    """

    theta: float = math.pi / 4
    w: float = 0.2

    rule = svo_angle

    def __post_init__(self) -> None:
        """Check ranges (ValueError)."""
        check_number("theta", self.theta, -math.pi, math.pi)
        check_number("w", self.w, 0.0)
