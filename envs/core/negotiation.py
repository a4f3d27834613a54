"""Agreements of two seats, as the published system codes them (CooperativeNegotiation, arXiv 2605.02063).

Actions are proposals and contributions at once. With A the standing agreement, if any:

(1) agreed    |a_0 - a_1| <= threshold
(2) breached  A stands and some |a_i - A_i| > threshold
(3) penalty   if (2): every seat loses penalty x |a_i - A_i|, the faithful one for its small deviation too
(4) if (1): A <- a, even in a step that breaches; a breach without a new agreement leaves A standing
"""

from __future__ import annotations

from payoff.envs.core.jit import jit

__all__ = ["update"]


@jit
def update(p, action, agreement, standing, reached, breached, extra):
    """Equations (1) to (4), in place.

    Args:
        p: record with ``threshold`` and ``penalty``.
        action: ``(2, A)`` native actions, clipped.
        agreement: ``(2,)`` A, 0 without one.
        standing: ``(1,)`` 1 while A stands.
        reached: ``(2,)`` equation (1) in this step, and how often in this episode.
        breached: ``(2,)`` equation (2) likewise.
        extra: ``(2,)`` payoffs beside the multiplied ones, equation (3) is added.
    """
    agrees = abs(action[0, 0] - action[1, 0]) <= p.threshold
    breaks = False
    if standing[0] > 0.0:
        for i in range(2):
            breaks = breaks or abs(action[i, 0] - agreement[i]) > p.threshold
    if breaks:
        for i in range(2):
            extra[i] -= p.penalty * abs(action[i, 0] - agreement[i])
    if agrees:
        standing[0] = 1.0
        for i in range(2):
            agreement[i] = action[i, 0]
    reached[0] = 1.0 if agrees else 0.0
    reached[1] += reached[0]
    breached[0] = 1.0 if breaks else 0.0
    breached[1] += breached[0]
