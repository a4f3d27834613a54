"""Agreements of two seats, as the published system codes them (CooperativeNegotiation, arXiv 2605.02063).

Actions are proposals and contributions at once. With A the standing agreement, if any:

(1) agreed    |a_0 - a_1| <= threshold
(2) breached  A stands and some |a_i - A_i| > threshold
(3) penalty   if (2): every seat loses penalty x |a_i - A_i|, the faithful one for its small deviation too
(4) if (1): A <- a, even in a step that breaches; a breach without a new agreement leaves A standing
"""

from __future__ import annotations

from typing import Any

from payoff.envs.core.jit import jit

__all__ = ["update"]


@jit
def update(p: Any, s: Any, seats: Any, action: Any, extra: Any) -> None:
    """Equations (1) to (4), in place.

    Args:
        p: record with ``threshold`` and ``penalty``.
        s: record with ``standing``, 1 while A stands; ``reached``, equation (1) in this step, and ``agreements``, how
            often in this episode; ``breached`` and ``breaches``, equation (2) likewise; modified.
        seats: ``(2,)`` records with ``agreement`` (A), 0 without one; modified.
        action: ``(2,)`` native actions, clipped.
        extra: ``(2,)`` payoffs beside the multiplied ones, equation (3) is added.
    """
    s.reached = abs(action[0] - action[1]) <= p.threshold  # (1)
    s.breached = 0.0
    if s.standing > 0.0:
        for i in range(2):
            if abs(action[i] - seats[i].agreement) > p.threshold:  # (2)
                s.breached = 1.0
    for i in range(2):
        if s.breached > 0.0:
            extra[i] -= p.penalty * abs(action[i] - seats[i].agreement)  # (3)
        if s.reached > 0.0:
            s.standing, seats[i].agreement = 1.0, action[i]  # (4)
    s.agreements += s.reached
    s.breaches += s.breached
